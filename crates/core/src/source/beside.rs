//! Columns whose one value stands beside the rows of an input, and is that of all of them: what the path of a file tells, what
//! the headers of a request say.
//!
//! Invariant: what leaves the reader has the wanted columns in their order, wherever each came from.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow_schema::{Schema, SchemaRef};

use crate::format::Layout;

/// The values beside the rows of one input.
#[derive(Clone, Debug)]
pub struct Beside {
    /// All wanted columns.
    wanted: SchemaRef,
    /// Per wanted column the value that stands beside the rows, if it does; empty if none does.
    told: Vec<Option<ArrayRef>>,
}

impl Default for Beside {
    /// Nothing.
    fn default() -> Beside {
        Beside { wanted: Arc::new(Schema::empty()), told: Vec::new() }
    }
}

impl Beside {
    /// These, one per wanted column.
    pub(super) fn new(wanted: &SchemaRef, told: Vec<Option<ArrayRef>>) -> Beside {
        let some = told.iter().any(Option::is_some);
        Beside { wanted: wanted.clone(), told: if some { told } else { Vec::new() } }
    }

    /// What these columns take in memory for each row.
    pub(super) fn row_bytes(&self) -> usize {
        let bytes = |value: &ArrayRef| value.to_data().get_slice_memory_size().unwrap_or_default();
        self.told.iter().flatten().map(bytes).sum()
    }

    /// Rows with these columns.
    pub(super) fn add(&self, batch: RecordBatch) -> RecordBatch {
        if self.told.is_empty() {
            return batch;
        }
        let rows = batch.num_rows();
        let mut read = batch.columns().iter();
        let every = UInt32Array::from(vec![0; rows]);
        let column = |told: &Option<ArrayRef>| match told {
            None => read.next().cloned(),
            Some(value) => arrow_select::take::take(value.as_ref(), &every, None).ok(),
        };
        let columns: Vec<ArrayRef> = self.told.iter().filter_map(column).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        match RecordBatch::try_new_with_options(self.wanted.clone(), columns, &options) {
            Ok(batch) => batch,
            Err(error) => unreachable!("every column is of its type: {error}"),
        }
    }
}

/// The layout of what is left to read where some of the declared columns stand beside the rows.
pub(super) fn without(layout: &Layout, beside: impl Fn(usize) -> bool) -> Layout {
    let fields = layout.physical.fields();
    let inside: Vec<usize> = (0..fields.len()).filter(|&at| !beside(at)).collect();
    let decode: Vec<usize> =
        layout.decode.iter().filter_map(|at| inside.iter().position(|inside| inside == at)).collect();
    let physical = Arc::new(Schema::new(inside.iter().map(|&at| fields[at].clone()).collect::<Vec<_>>()));
    let wanted = Arc::new(Schema::new(decode.iter().map(|&at| physical.fields()[at].clone()).collect::<Vec<_>>()));
    Layout { physical, decode, wanted, ..layout.clone() }
}
