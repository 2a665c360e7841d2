//! The one edge type: a batch of rows, each with how often it is added or taken back, all of one epoch.
//!
//! Columns are Arrow arrays. Times are `Timestamp(Millisecond, None)`, text is `Utf8`. The epoch travels with the message
//! that carries the delta, not in it.

mod canonical;
mod consolidate;
mod container;
mod failed;
mod memory;
mod reject;
mod relabel;
#[cfg(feature = "abomonation")]
mod trusted;
mod unfit;
pub mod wire;
pub mod words;

use std::sync::{Arc, OnceLock};

use arrow_array::{Array, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow_buffer::ScalarBuffer;
use arrow_schema::{Schema, SchemaRef};
use bytes::Bytes;

pub use canonical::{canonical, canonical_shown, has_floats, has_intervals, interval_ms};
pub(crate) use consolidate::{Netted, RowCodec};
pub use failed::{Failed, Failure, Halt, Rejects, Show, failed_delta, failed_schema};
pub use memory::{memory, memory_of};
pub use reject::{MAX_REJECT_BYTES, Reject};
pub(crate) use relabel::relabel;
pub use unfit::Unfit;

/// Rows and how often each is added (`> 0`) or taken back (`< 0`).
///
/// Invariant: `diffs`, if there, has one entry per row and none is zero.
#[derive(Clone, Debug)]
pub struct Delta {
    batch: RecordBatch,
    diffs: Option<ScalarBuffer<i64>>,
    /// The wire form between two calls of the transport; see `wire`.
    encoded: OnceLock<Bytes>,
}

impl Delta {
    /// Rows that are added once each.
    pub fn insert(batch: RecordBatch) -> Delta {
        Delta::new(batch, None)
    }

    /// Rows with their diffs; `None` is `+1` for each.
    pub fn new(batch: RecordBatch, diffs: Option<ScalarBuffer<i64>>) -> Delta {
        debug_assert!(diffs.as_ref().is_none_or(|diffs| diffs.len() == batch.num_rows() && !diffs.contains(&0)));
        Delta { batch, diffs, encoded: OnceLock::new() }
    }

    /// No rows.
    pub fn empty(schema: SchemaRef) -> Delta {
        Delta::insert(RecordBatch::new_empty(schema))
    }

    /// The rows.
    pub fn batch(&self) -> &RecordBatch {
        &self.batch
    }

    /// The diff of each row; `None` is `+1` for each.
    pub fn diffs(&self) -> Option<&ScalarBuffer<i64>> {
        self.diffs.as_ref()
    }

    /// The diff of one row.
    pub fn diff(&self, row: usize) -> i64 {
        self.diffs.as_ref().map_or(1, |diffs| diffs[row])
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.batch.num_rows()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Apart again.
    pub fn into_parts(self) -> (RecordBatch, Option<ScalarBuffer<i64>>) {
        (self.batch, self.diffs)
    }

    /// The same diffs with other columns (as many rows).
    pub fn with_batch(&self, batch: RecordBatch) -> Delta {
        Delta::new(batch, self.diffs.clone())
    }

    /// The rows at `indices`, in that order.
    pub fn take(&self, indices: &UInt32Array) -> Delta {
        let columns = self.batch.columns().iter().map(|column| arrow_select::take::take(column, indices, None));
        let options = RecordBatchOptions::new().with_row_count(Some(indices.len()));
        let batch = columns.collect::<Result<_, _>>();
        let batch =
            match batch.and_then(|taken| RecordBatch::try_new_with_options(self.batch.schema(), taken, &options)) {
                Ok(batch) => batch,
                Err(error) => unreachable!("indices are within the batch: {error}"),
            };
        let diffs = self.diffs.as_ref().map(|diffs| indices.values().iter().map(|&row| diffs[row as usize]).collect());
        Delta::new(batch, diffs)
    }

    /// `rows` rows from `start` on, without copying.
    pub fn slice(&self, start: usize, rows: usize) -> Delta {
        Delta::new(self.batch.slice(start, rows), self.diffs.as_ref().map(|diffs| diffs.slice(start, rows)))
    }

    /// The rows without NULL in any of these columns, and which rows were left out.
    pub fn without_nulls(&self, columns: &[usize]) -> (Delta, Vec<usize>) {
        if columns.iter().all(|&column| self.batch.column(column).null_count() == 0) {
            return (self.clone(), Vec::new());
        }
        let valid = |row: &usize| columns.iter().all(|&column| self.batch.column(column).is_valid(*row));
        let (with, without): (Vec<usize>, Vec<usize>) = (0..self.len()).partition(valid);
        (self.take(&with.into_iter().map(|row| row as u32).collect::<Vec<_>>().into()), without)
    }

    /// All rows of `deltas`, which share `schema`, one after the other.
    pub fn concat(schema: &SchemaRef, deltas: &[Delta]) -> Delta {
        if let [only] = deltas {
            return only.clone();
        }
        let batch = match arrow_select::concat::concat_batches(schema, deltas.iter().map(Delta::batch)) {
            Ok(batch) => batch,
            Err(error) => unreachable!("the deltas of one edge share a schema: {error}"),
        };
        let diffs = deltas.iter().any(|delta| delta.diffs.is_some()).then(|| {
            let of = |delta: &Delta| (0..delta.len()).map(|row| delta.diff(row)).collect::<Vec<_>>();
            deltas.iter().flat_map(of).collect()
        });
        Delta::new(batch, diffs)
    }
}

impl Default for Delta {
    fn default() -> Self {
        static SCHEMA: OnceLock<SchemaRef> = OnceLock::new();
        Delta::empty(SCHEMA.get_or_init(|| Arc::new(Schema::empty())).clone())
    }
}
