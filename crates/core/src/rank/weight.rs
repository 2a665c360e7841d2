//! What a batch weighs: the bytes of its rows, and those of the memory that lives because of it. A slice keeps all of what it
//! was cut from.

use arrow_array::{Array, ArrayRef};
use arrow_buffer::Buffer;

use crate::kept::{Compared, copied};

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
    pub(super) fn of(columns: &[ArrayRef], rows: usize) -> Weight {
        let own: usize = columns.iter().map(|column| own(column.as_ref())).sum();
        Weight { own, row: (own / rows.max(1)).max(1), all: own }
    }

    /// Weighs what is kept: by and by others may keep it no longer.
    pub(super) fn weigh_kept(&mut self, rows: &Compared) {
        let columns = rows.columns().iter().enumerate();
        // The values that are read as words are held twice.
        let kept: usize = columns.map(|(at, column)| kept(column, 1 + usize::from(rows.words(at).is_some()))).sum();
        self.all = if kept > 2 * self.own + LOOSE { kept } else { self.own };
    }

    /// Whether much more is kept than the rows have.
    pub(super) fn is_slice(&self) -> bool {
        self.all > self.own
    }

    /// The rows, copied if much more is kept.
    pub(super) fn without_parent(mut self, rows: Compared) -> (Compared, Weight) {
        self.weigh_kept(&rows);
        if !self.is_slice() {
            return (rows, self);
        }
        (Compared::new(rows.columns().iter().map(copied).collect()), Weight { all: self.own, ..self })
    }
}

fn own(column: &dyn Array) -> usize {
    column.to_data().get_slice_memory_size().unwrap_or_default()
}

/// `own` is how often it is held here besides once.
fn kept(column: &dyn Array, own: usize) -> usize {
    let (whole, mut bytes) = (column.to_data(), 0);
    let mut parts = vec![&whole];
    while let Some(data) = parts.pop() {
        let buffers = data.buffers().iter().chain(data.nulls().map(|nulls| nulls.buffer()));
        // Here it counts once; the data that is looked at does not.
        let share = |buffer: &Buffer| buffer.capacity() / buffer.strong_count().saturating_sub(own).max(1);
        bytes += buffers.map(share).sum::<usize>();
        parts.extend(data.child_data());
    }
    bytes
}
