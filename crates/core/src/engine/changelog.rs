//! The rows of changelogs as they are there: what a source's edges let through meets by row, or by key, and what takes back what is
//! not there is one of its dead letters.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use arrow_array::RecordBatch;
use timely::dataflow::Stream;

use super::source::{Partition, Source, lock};
use crate::delta::{Delta, Reject};
use crate::format::row_as_json;
use crate::operator::{Route, stateful};
use crate::source::{Current, Unknown};
use crate::time::Epoch;

/// Bits of a row's place in its partition, below the partition's number.
const ORDINAL_BITS: u32 = 40;

/// A source's rows as they come and go; every worker must build it.
pub(super) fn current<'s>(stream: Stream<'s, Epoch, Delta>, source: &Arc<Source>) -> Stream<'s, Epoch, Delta> {
    let told = source.clone();
    let tell = move |rows: &RecordBatch, row: usize, change: Unknown| told.unknown(rows, row, change);
    let Some(rows) = Current::of(source.spec(), tell) else { return stream };
    let route = Route::ByColumns(Current::route(source.spec()));
    stateful(vec![(stream, route)], &format!("Changelog {}", source.name()), Box::new(rows))
}

impl Source {
    /// A change takes back what is not there.
    fn unknown(&self, rows: &RecordBatch, row: usize, change: Unknown) {
        let (partition, ordinal) = (change.number >> ORDINAL_BITS, change.number & ((1 << ORDINAL_BITS) - 1));
        let known = self.partitions.iter().find(|known| known.number as i64 == partition);
        let position = match known {
            Some(known) => format!("{}:{}", known.input_of(ordinal as u64), change.record),
            None => format!("record {} of partition {partition}", change.record),
        };
        let width = self.spec.schema.fields().len();
        self.unknown.fetch_add(1, Ordering::Relaxed);
        self.bury(Reject {
            source: self.spec.name.clone(),
            position,
            reason: "unknown",
            detail: change.detail.to_owned(),
            content: Reject::clip(&row_as_json(&self.spec.schema, &rows.columns()[..width], row)),
        });
    }
}

impl Partition {
    /// What the row stood in that so many of the partition were before.
    fn input_of(&self, ordinal: u64) -> String {
        let inputs = lock(&self.inputs);
        let behind = inputs.partition_point(|(before, _)| *before <= ordinal);
        behind.checked_sub(1).map_or_else(|| self.name.clone(), |at| inputs[at].1.clone())
    }
}
