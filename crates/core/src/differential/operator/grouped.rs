//! Groups: `reduce` over all rows of a key, and `distinct`.

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use timely::dataflow::Stream;

use super::super::answer::{Answer, Made};
use super::super::codec::{Bytes, Codec};
use super::super::{Record, Settled};
use super::{changed, received, settled};
use crate::delta::Delta;
use crate::time::Epoch;

/// What an answer makes of the rows of each key, which have these columns; `output` are those of the result.
pub fn grouped<'s>(
    records: Stream<'s, Epoch, Delta>,
    name: &str,
    rows: &SchemaRef,
    output: &SchemaRef,
    mut answer: Box<dyn Answer>,
) -> Stream<'s, Epoch, Delta> {
    let codec = Codec::of(rows);
    let nothing = Delta::insert(RecordBatch::new_empty(rows.clone()));
    let keyed = received(records, "Group", |Record { key, row, until }| Some(((until, key?), row)));
    let made = keyed.reduce_named::<_, Made, i64>(name, move |(_, key), input, output| {
        let there = || input.iter().filter(|(_, times)| *times > 0);
        let rows: Vec<(&[u8], i64)> = there().filter_map(|(row, times)| Some((row.as_deref()?, *times))).collect();
        if there().next().is_none() {
            return;
        }
        let rows = match rows.is_empty() {
            true => nothing.clone(),
            false => {
                let batch = codec.decode(rows.iter().map(|(row, _)| *row));
                Delta::new(batch, Some(rows.iter().map(|(_, times)| *times).collect()))
            }
        };
        output.extend(answer.made(key, &rows).into_iter().map(|made| (made, 1)));
    });
    let rows = changed(made, "Shown", |((until, _), made), epoch| {
        let at = epoch.max(made.show);
        (at < until && at < made.until).then_some((made.row, at))
    });
    settled(rows, name, Settled::new(Codec::of(output), None))
}

/// Each key once: the columns of the result are those of the key.
pub fn distinct<'s>(records: Stream<'s, Epoch, Delta>, name: &str, output: &SchemaRef) -> Stream<'s, Epoch, Delta> {
    let keys = received(records, "Key", |record: Record| -> Option<Bytes> { record.key });
    settled(keys.distinct_core::<i64>(), name, Settled::new(Codec::of(output), None))
}
