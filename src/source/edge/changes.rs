//! What each row of a changelog does, at the edge: it is added or taken back, as its own word says.

use std::ops::Range;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BooleanArray, RecordBatch};
use arrow_buffer::{BooleanBuffer, ScalarBuffer};

use super::Edge;
use crate::delta::Delta;

/// A batch as the edge takes it: its columns, the rows that cannot be taken, and what rows do that do not just come.
#[derive(Clone, Copy)]
pub(super) struct Taken<'a> {
    pub(super) columns: &'a [ArrayRef],
    pub(super) failed: Option<&'a BooleanArray>,
    pub(super) acts: Option<&'a Acts>,
}

/// What the rows of a batch do.
pub(super) struct Acts {
    diffs: ScalarBuffer<i64>,
    /// Rows are taken out by their key alone.
    by_key: bool,
}

impl Acts {
    /// Whether a row needs no event time: it takes another one out, whatever its own columns but the key's say.
    pub(super) fn timeless(&self, row: usize) -> bool {
        self.by_key && self.diffs[row] < 0
    }

    /// Whether any of these rows is such a one.
    pub(super) fn any_timeless(&self, mut rows: Range<usize>) -> bool {
        self.by_key && rows.any(|row| self.diffs[row] < 0)
    }

    /// The rows of a range that are kept, with their diffs.
    pub(super) fn delta(&self, kept: RecordBatch, range: Range<usize>, keep: Option<&BooleanBuffer>) -> Delta {
        let diffs: ScalarBuffer<i64> = match keep {
            None => self.diffs.slice(range.start, range.len()),
            Some(keep) => keep.set_indices().map(|row| self.diffs[range.start + row]).collect(),
        };
        let plain = diffs.iter().all(|diff| *diff == 1);
        Delta::new(kept, (!plain).then_some(diffs))
    }
}

impl Edge {
    /// What the rows of a batch do, if they are changes; `refuse` is told of those that do not say, which fail.
    pub(super) fn acts(
        &self,
        columns: &[ArrayRef],
        failed: &mut Option<BooleanArray>,
        mut refuse: impl FnMut(usize, String),
    ) -> Option<Acts> {
        let changelog = self.spec.changelog.as_ref()?;
        let words = columns[changelog.op].as_string::<i32>();
        let mut bad: Vec<usize> = Vec::new();
        let diff = |(row, word)| {
            changelog.diff(word).unwrap_or_else(|what| {
                bad.push(row);
                if !failed.as_ref().is_some_and(|failed| failed.value(row)) {
                    refuse(row, format!("column '{}' is {what}", self.wide.field(changelog.op).name()));
                }
                1
            })
        };
        let diffs = words.iter().enumerate().map(diff).collect();
        if !bad.is_empty() {
            let before = |row| failed.as_ref().is_some_and(|failed| failed.value(row));
            let all = (0..words.len()).map(|row| before(row) || bad.binary_search(&row).is_ok());
            *failed = Some(BooleanArray::from(all.collect::<Vec<bool>>()));
        }
        Some(Acts { diffs, by_key: changelog.key.is_some() })
    }
}
