//! What a batch weighs: the bytes of its rows, and those of the memory that lives because of it. A slice keeps all of what it
//! was cut from.

use arrow_array::{Array, RecordBatch, UInt32Array};
use arrow_buffer::Buffer;
use arrow_select::take::take_record_batch;

/// Memory that is not worth a copy to be freed of.
const LOOSE: usize = 16 << 10;

/// Bytes of a batch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Weight {
    /// Of its rows.
    pub(super) own: usize,
    /// Of one of them, on average.
    pub(super) row: usize,
    /// Of the memory that it keeps if that is much more, of which others that keep it too have equal shares; else its own.
    pub(super) all: usize,
}

impl Weight {
    /// Of rows that keep no memory but their own.
    pub(super) fn of(batch: &RecordBatch) -> Weight {
        let own: usize = batch.columns().iter().map(|column| own(column.as_ref())).sum();
        Weight { own, row: (own / batch.num_rows().max(1)).max(1), all: own }
    }

    /// Weighs what is kept: by and by others may keep it no longer.
    pub(super) fn weigh_kept(&mut self, batch: &RecordBatch) {
        let kept: usize = batch.columns().iter().map(|column| kept(column.as_ref())).sum();
        self.all = if kept > 2 * self.own + LOOSE { kept } else { self.own };
    }

    /// Whether much more is kept than the rows have.
    pub(super) fn is_slice(&self) -> bool {
        self.all > self.own
    }

    /// The rows, copied if much more is kept.
    pub(super) fn without_parent(mut self, batch: RecordBatch) -> (RecordBatch, Weight) {
        self.weigh_kept(&batch);
        if !self.is_slice() {
            return (batch, self);
        }
        match take_record_batch(&batch, &UInt32Array::from_iter_values(0..batch.num_rows() as u32)) {
            Ok(copy) => (copy, Weight { all: self.own, ..self }),
            Err(error) => unreachable!("the rows are within their batch: {error}"),
        }
    }
}

fn own(column: &dyn Array) -> usize {
    column.to_data().get_slice_memory_size().unwrap_or_default()
}

fn kept(column: &dyn Array) -> usize {
    let (whole, mut bytes) = (column.to_data(), 0);
    let mut parts = vec![&whole];
    while let Some(data) = parts.pop() {
        let buffers = data.buffers().iter().chain(data.nulls().map(|nulls| nulls.buffer()));
        // One more has it for the data that is looked at here.
        let share = |buffer: &Buffer| buffer.capacity() / buffer.strong_count().saturating_sub(1).max(1);
        bytes += buffers.map(share).sum::<usize>();
        parts.extend(data.child_data());
    }
    bytes
}
