//! An index of a view's rows by the value of one column, for filters that ask for equality.
//!
//! Made when a column is first asked for, kept up with every epoch, and let go when nobody asks any more. It finds every
//! row whose value is equal, and seldom another (it goes by hash): the reader compares. Rows that made room for others may
//! still be in it; they are skipped.
//!
//! Memory: the bytes of every row once more. Cost: a search of a balanced tree for each changed row, and for each row found.

use std::collections::BTreeSet;
use std::hash::{BuildHasher, Hasher};
use std::sync::atomic::{AtomicU32, Ordering};

use arrow_array::{ArrayRef, RecordBatch};
use arrow_row::{RowConverter, SortField};
use arrow_schema::ArrowError;

use crate::delta::canonical;

/// How many columns of a view may have one.
pub(super) const INDEXES: usize = 4;
/// After as many epochs without a question it goes.
const IDLE_EPOCHS: u32 = 30_000;

/// The rows of a view by one column.
#[derive(Debug)]
pub(super) struct RowIndex {
    column: usize,
    converter: RowConverter,
    /// The hash of the value, and the row.
    entries: BTreeSet<(u64, Box<[u8]>)>,
    /// At least as many entries are of rows that are gone.
    stale: usize,
    idle: AtomicU32,
}

impl RowIndex {
    /// Empty, for the column of batches like this one.
    pub(super) fn new(column: usize, batch: &RecordBatch) -> Result<RowIndex, ArrowError> {
        let converter = RowConverter::new(vec![SortField::new(batch.column(column).data_type().clone())])?;
        Ok(RowIndex { column, converter, entries: BTreeSet::new(), stale: 0, idle: AtomicU32::new(0) })
    }

    pub(super) fn column(&self) -> usize {
        self.column
    }

    /// Takes rows as they are after a change: `there` says whether the view has them now.
    pub(super) fn update<'a>(
        &mut self,
        batch: &RecordBatch,
        rows: impl Iterator<Item = &'a [u8]>,
        there: impl Fn(&[u8]) -> bool,
    ) {
        let hashes = self.hashes(batch.column(self.column));
        for (hash, bytes) in hashes.into_iter().zip(rows) {
            let entry = (hash, Box::from(bytes));
            if there(bytes) {
                self.entries.insert(entry);
            } else {
                self.entries.remove(&entry);
            }
        }
        *self.idle.get_mut() += 1;
    }

    /// So many rows made room for others.
    pub(super) fn evicted(&mut self, rows: usize) {
        self.stale += rows;
    }

    /// Whether it is worth its memory.
    pub(super) fn worth_keeping(&self) -> bool {
        self.stale <= self.entries.len() / 2 && self.idle.load(Ordering::Relaxed) < IDLE_EPOCHS
    }

    /// The rows that may have the one value, in the order of the view.
    pub(super) fn find(&self, value: &ArrayRef) -> impl Iterator<Item = &[u8]> {
        self.idle.store(0, Ordering::Relaxed);
        let hash = self.hashes(value).first().copied().unwrap_or_default();
        let from = (hash, Box::<[u8]>::default());
        self.entries.range(from..).take_while(move |(found, _)| *found == hash).map(|(_, bytes)| bytes.as_ref())
    }

    fn hashes(&self, column: &ArrayRef) -> Vec<u64> {
        // `0.0` finds `-0.0`, and one NaN another.
        let rows = match self.converter.convert_columns(&[canonical(column)]) {
            Ok(rows) => rows,
            Err(error) => unreachable!("the column has the type that the index was made for: {error}"),
        };
        let seed = foldhash::fast::FixedState::default();
        let hash = |bytes: &[u8]| {
            let mut hasher = seed.build_hasher();
            hasher.write(bytes);
            hasher.finish()
        };
        rows.iter().map(|row| hash(row.data())).collect()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{Array, Int64Array, TimestampMillisecondArray};

    use super::super::View;
    use super::super::rows::Closing;
    use super::super::step_tests::{Random, Row, delta, line, view_of};
    use crate::time::Epoch;

    /// The rows that an index finds for a value of a column, those of other values left out, and what a pass finds.
    fn both(view: &View, column: usize, value: i64) -> [Vec<String>; 2] {
        let wanted: Arc<dyn Array> = match column {
            1 => Arc::new(TimestampMillisecondArray::from(vec![value])),
            _ => Arc::new(Int64Array::from(vec![value])),
        };
        let text = arrow_cast::display::array_value_to_string(&wanted, 0).unwrap();
        [view.matching(column, &wanted).unwrap(), view.snapshot()].map(|rows| {
            let cell =
                |row: &usize| arrow_cast::display::array_value_to_string(rows.batch.column(column), *row).unwrap();
            let of = (0..rows.batch.num_rows()).filter(|row| cell(row) == text);
            of.map(|row| format!("{} {} {:?}", line(&rows.batch, row), rows.versions[row], rows.statuses[row]))
                .collect()
        })
    }

    #[test]
    fn it_finds_what_a_pass_finds() {
        for seed in 0..20 {
            let mut random = Random(seed);
            // Every third view is so small that rows make room for others all the time.
            let rows = if seed % 3 == 0 { 20 } else { usize::MAX };
            let view = view_of(Closing::Column(1), (seed % 2 == 0).then(|| vec![0, 1]), rows);
            let mut now: Vec<Row> = Vec::new();
            let mut epoch = Epoch { watermark: -100, tick: 0 };
            let mut found = 0;
            for _ in 0..80 {
                epoch = Epoch::at(epoch.watermark + random.below(20) as i64 + 1);
                let mut changes: Vec<(Row, i64)> = Vec::new();
                for _ in 0..random.below(12) {
                    let end = (epoch.watermark + random.below(40) as i64).div_euclid(10) * 10;
                    let row = (random.below(5) as i64 - 2, end, random.below(4) as i64);
                    let old = now.iter().position(|old| (old.0, old.1) == (row.0, row.1));
                    if let Some(old) = old {
                        changes.push((now.swap_remove(old), -1));
                    }
                    changes.push((row, 1));
                    now.push(row);
                }
                let netted = view.codec().net(&[delta(&changes)], true).map(|netted| (epoch, netted));
                epoch.tick += 1;
                view.publish(netted.into_iter().collect(), epoch);
                for column in 0..3 {
                    let value = match column {
                        1 => (epoch.watermark + random.below(40) as i64 - 20).div_euclid(10) * 10,
                        _ => random.below(5) as i64 - 2,
                    };
                    let [by_index, by_pass] = both(&view, column, value);
                    assert_eq!(by_index, by_pass, "seed {seed}, column {column} = {value}");
                    found += by_pass.len();
                }
            }
            assert!(found > 50, "seed {seed} found {found}");
        }
    }
}
