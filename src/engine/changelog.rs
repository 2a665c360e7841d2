//! The rows of changelogs as they are there: what a source's edges let through meets by row, or by key, and what takes back what is
//! not there is one of its dead letters.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use arrow_array::RecordBatch;
use timely::dataflow::Stream;

use super::source::Source;
use crate::delta::{Delta, Reject};
use crate::format::row_as_json;
use crate::operator::{Route, stateful};
use crate::source::Current;
use crate::time::Epoch;

/// Bits of a row's place in its partition, below the partition's number.
const ORDINAL_BITS: u32 = 40;

/// A source's rows as they come and go; every worker must build it.
pub(super) fn current<'s>(stream: Stream<'s, Epoch, Delta>, source: &Arc<Source>) -> Stream<'s, Epoch, Delta> {
    let told = source.clone();
    let tell = move |rows: &RecordBatch, row: usize, number: i64| told.unknown(rows, row, number);
    let Some(rows) = Current::of(source.spec(), tell) else { return stream };
    let route = Route::ByColumns(Current::route(source.spec()));
    stateful(vec![(stream, route)], &format!("Changelog {}", source.name()), Box::new(rows))
}

impl Source {
    /// A change takes back what is not there.
    fn unknown(&self, rows: &RecordBatch, row: usize, number: i64) {
        let (partition, ordinal) = (number >> ORDINAL_BITS, number & ((1 << ORDINAL_BITS) - 1));
        let known = self.partitions.iter().find(|known| known.number as i64 == partition);
        let name = known.map_or_else(|| format!("partition {partition}"), |known| known.name.clone());
        let keyed = self.spec.changelog.as_ref().is_some_and(|changelog| changelog.key.is_some());
        let detail = if keyed { "no row has its key" } else { "no such row is there" };
        let width = self.spec.schema.fields().len();
        self.unknown.fetch_add(1, Ordering::Relaxed);
        self.bury(Reject {
            source: self.spec.name.clone(),
            position: format!("{name}, row {}", ordinal + 1),
            reason: "unknown",
            detail: detail.to_owned(),
            content: Reject::clip(&row_as_json(&self.spec.schema, &rows.columns()[..width], row)),
        });
    }
}
