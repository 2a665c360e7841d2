//! The rows that an operator takes back and inserts, gathered into deltas of a good size.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMillisecondType;
use arrow_array::{Array, ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions, TimestampMillisecondArray};
use arrow_buffer::BooleanBuffer;
use arrow_schema::{DataType, Field, SchemaRef, SortOptions, TimeUnit};
use arrow_select::filter::filter;

use crate::delta::Delta;

/// Most rows of a delta.
const MOST: usize = 8192;
/// Deltas of fewer rows are put together.
const FEW: usize = 1024;

/// Changes of one epoch.
#[derive(Debug)]
pub struct Changes {
    schema: SchemaRef,
    /// Each with its diff for all rows.
    blocks: Vec<(RecordBatch, i64)>,
}

impl Changes {
    /// None yet, of rows of this schema.
    pub fn new(schema: &SchemaRef) -> Changes {
        Changes { schema: schema.clone(), blocks: Vec::new() }
    }

    /// Rows that appear.
    pub fn insert(&mut self, columns: Vec<ArrayRef>, rows: usize) {
        self.push(columns, rows, 1);
    }

    /// Rows that go.
    pub fn retract(&mut self, columns: Vec<ArrayRef>, rows: usize) {
        self.push(columns, rows, -1);
    }

    /// Rows whose values change from `old` to `new` while the columns before them, `fixed`, stay. Equal ones are passed over.
    pub fn replace(&mut self, fixed: Vec<ArrayRef>, old: Vec<ArrayRef>, new: Vec<ArrayRef>, rows: usize) {
        let (fixed, old, new, rows) = match differing(&old, &new, rows) {
            None => (fixed, old, new, rows),
            Some(differ) => (only(&fixed, &differ), only(&old, &differ), only(&new, &differ), differ.true_count()),
        };
        self.retract(fixed.iter().cloned().chain(old).collect(), rows);
        self.insert(fixed.into_iter().chain(new).collect(), rows);
    }

    fn push(&mut self, columns: Vec<ArrayRef>, rows: usize, diff: i64) {
        if rows > 0 {
            let options = RecordBatchOptions::new().with_row_count(Some(rows));
            let columns =
                columns.into_iter().zip(self.schema.fields()).map(|(column, field)| typed(column, field)).collect();
            match RecordBatch::try_new_with_options(self.schema.clone(), columns, &options) {
                Ok(batch) => self.blocks.push((batch, diff)),
                Err(error) => unreachable!("a grouped result has the planned schema: {error}"),
            }
        }
    }

    /// As deltas of up to 8192 rows; retractions first.
    pub fn finish(mut self) -> Vec<Delta> {
        self.blocks.sort_by_key(|(_, diff)| *diff);
        let (mut deltas, mut few, mut rows) = (Vec::new(), Vec::new(), 0);
        for (batch, diff) in self.blocks {
            let diffs = |rows: usize| (diff != 1).then(|| vec![diff; rows].into());
            if batch.num_rows() >= FEW {
                let parts = (0..batch.num_rows())
                    .step_by(MOST)
                    .map(|start| batch.slice(start, MOST.min(batch.num_rows() - start)));
                deltas.extend(parts.map(|part| Delta::new(part.clone(), diffs(part.num_rows()))));
                continue;
            }
            rows += batch.num_rows();
            let diffs = diffs(batch.num_rows());
            few.push(Delta::new(batch, diffs));
            if rows >= MOST - FEW {
                deltas.push(Delta::concat(&self.schema, &std::mem::take(&mut few)));
                rows = 0;
            }
        }
        if !few.is_empty() {
            deltas.push(Delta::concat(&self.schema, &few));
        }
        deltas
    }
}

/// A column of times as the planned type has them: those of a window are instants where its event time is.
fn typed(column: ArrayRef, field: &Field) -> ArrayRef {
    match (column.data_type(), field.data_type()) {
        (DataType::Timestamp(_, None), kind @ DataType::Timestamp(TimeUnit::Millisecond, Some(_))) => {
            Arc::new(column.as_primitive::<TimestampMillisecondType>().clone().with_data_type(kind.clone()))
        }
        _ => column,
    }
}

/// The columns `window_start`, `window_end` and `window_time = window_end - 1` of rows that are all of one window.
pub fn window_columns((start, end): (i64, i64), rows: usize) -> [ArrayRef; 3] {
    [start, end, end.saturating_sub(1)]
        .map(|time| Arc::new(TimestampMillisecondArray::from_value(time, rows)) as ArrayRef)
}

/// Which rows differ in some column, NULLs being equal; `None` if all do.
fn differing(old: &[ArrayRef], new: &[ArrayRef], rows: usize) -> Option<BooleanArray> {
    let mut same = BooleanBuffer::new_set(rows);
    for (old, new) in old.iter().zip(new) {
        same = &same & &equal(old, new);
    }
    (same.count_set_bits() > 0).then(|| BooleanArray::new(!&same, None))
}

fn only(columns: &[ArrayRef], rows: &BooleanArray) -> Vec<ArrayRef> {
    match columns.iter().map(|column| filter(column, rows)).collect() {
        Ok(columns) => columns,
        Err(error) => unreachable!("the filter is as long as the columns: {error}"),
    }
}

fn equal(old: &ArrayRef, new: &ArrayRef) -> BooleanBuffer {
    if !old.data_type().is_nested()
        && let Ok(equal) = arrow_ord::cmp::not_distinct(old, new)
    {
        return equal.values().clone();
    }
    match arrow_ord::ord::make_comparator(old, new, SortOptions::default()) {
        Ok(compare) => BooleanBuffer::collect_bool(old.len(), |row| compare(row, row).is_eq()),
        // What cannot be compared is shown again: more changes, the same result.
        Err(_) => BooleanBuffer::new_unset(old.len()),
    }
}
