//! What each row of a changelog does, at the edge: it is added or taken back, as its own word says.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMillisecondType;
use arrow_array::{Array, ArrayRef, BooleanArray, Int64Array, RecordBatch};
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

    /// Whether a row takes one out, or back.
    pub(super) fn goes(&self, row: usize) -> bool {
        self.diffs[row] < 0
    }

    /// Whether any of these rows does.
    pub(super) fn any_goes(&self, mut rows: Range<usize>) -> bool {
        rows.any(|row| self.goes(row))
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

/// What is said of a row that could be taken, and is not since another one of its record cannot be.
pub(super) const NOT_ALONE: &str = "another row of its change is not taken, and a change is taken as a whole";

/// The rows of one record: what a row was, and what it is. They are taken as of one watermark, all or none.
#[derive(Default)]
pub(super) struct Change {
    /// Behind its last row.
    pub(super) end: usize,
    /// When it came.
    pub(super) watermark: i64,
    /// The first row that is not taken, if there are others.
    pub(super) refused: Option<usize>,
}

impl Change {
    /// The one that the first of these rows begins.
    pub(super) fn of(
        rows: Range<usize>,
        at: &dyn Fn(usize) -> u64,
        watermark: i64,
        refused: impl Fn(usize) -> bool,
    ) -> Change {
        let (start, record) = (rows.start, at(rows.start));
        let end = (start + 1..rows.end).find(|&row| at(row) != record).unwrap_or(rows.end);
        let refused = if end > start + 1 { (start..end).find(|&row| refused(row)) } else { None };
        Change { end, watermark, refused }
    }
}

/// Of records of several rows one of which failed, the others do too; `refuse` is told of those.
pub(super) fn together(
    failed: &mut Option<BooleanArray>,
    at: &dyn Fn(usize) -> u64,
    mut refuse: impl FnMut(usize, String),
) {
    let Some(known) = failed else { return };
    let (rows, mut all, mut start) = (known.len(), known.values().iter().collect::<Vec<bool>>(), 0);
    while start < rows {
        let end = Change::of(start..rows, at, i64::MIN, |_| false).end;
        if all[start..end].contains(&true) {
            for (row, failed) in (start..end).zip(&mut all[start..end]) {
                if !std::mem::replace(failed, true) {
                    refuse(row, NOT_ALONE.to_owned());
                }
            }
        }
        start = end;
    }
    *failed = Some(BooleanArray::from(all));
}

impl Edge {
    /// What stands behind the columns of changes: the numbers of the rows and of their records, and where they stand among those
    /// of all partitions.
    ///
    /// That is the greatest event time so far, so it agrees with the order within the partition; rows that go have none of their
    /// own but where nothing else has come. All rows of a record stand where its last does.
    pub(super) fn order(
        &mut self,
        Taken { columns, acts, .. }: Taken<'_>,
        range: Range<usize>,
        keep: Option<&BooleanBuffer>,
        at: &dyn Fn(usize) -> u64,
    ) -> Vec<ArrayRef> {
        let Some(acts) = acts else { return Vec::new() };
        let mut turns = vec![self.turn; range.len()];
        if let Some(time) = self.spec.time.filter(|_| self.by_time) {
            let times = columns[time.column].as_primitive::<TimestampMillisecondType>();
            for (offset, turn) in turns.iter_mut().enumerate() {
                let row = range.start + offset;
                if times.is_valid(row) && keep.is_none_or(|keep| keep.value(offset)) {
                    if self.undated || !acts.goes(row) {
                        self.turn = self.turn.max(times.value(row).saturating_sub(time.bound_ms));
                    }
                    self.undated &= acts.goes(row);
                }
                *turn = self.turn;
            }
            for offset in (1..turns.len()).rev() {
                if at(range.start + offset) == at(range.start + offset - 1) {
                    turns[offset - 1] = turns[offset];
                }
            }
        }
        let first = (self.partition as i64) << 40 | self.ordinal as i64;
        let numbers: ScalarBuffer<i64> = (first..first + range.len() as i64).collect();
        let records: ScalarBuffer<i64> = range.map(|row| at(row) as i64).collect();
        [numbers, records, turns.into()].map(|column| Arc::new(Int64Array::new(column, None)) as ArrayRef).to_vec()
    }

    /// Whether a row takes one out by its key alone, which nothing that is computed is part of.
    pub(super) fn goes_by_key(&self, batch: &RecordBatch, row: usize) -> bool {
        let Some(changelog) = &self.spec.changelog else { return false };
        let decoded = |key: &usize| self.spec.output[*key] < batch.num_columns();
        let words = batch.column(changelog.op).as_string::<i32>();
        changelog.key.as_ref().is_some_and(|key| key.iter().all(decoded))
            && changelog.diff(words.is_valid(row).then(|| words.value(row))) == Ok(-1)
    }

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
