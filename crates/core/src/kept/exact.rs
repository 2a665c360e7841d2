//! Columns that hold on to not much more memory than their values take.
//!
//! A column may be a part of a larger one, or share its memory with columns that nobody keeps. What is kept for long is then
//! copied; else a few rows would keep all of it.

use arrow_array::{Array, ArrayRef, UInt32Array};
use arrow_select::take::take;

use crate::delta::memory_of;

/// Columns that take less are not looked at.
const FEW: usize = 16 << 10;

/// The same values, and the memory that they take, in bytes. Halves of what was dealt to two workers are left as they are:
/// each counts for itself, and both are held.
pub(super) fn exact(columns: Vec<ArrayRef>) -> (Vec<ArrayRef>, usize) {
    let allocated = bytes(&columns);
    if allocated < FEW {
        return (columns, allocated);
    }
    let values = |column: &ArrayRef| column.to_data().get_slice_memory_size();
    // Of what has no size of its own all counts.
    let Ok(own) = columns.iter().map(values).sum::<Result<usize, _>>() else { return (columns, allocated) };
    match memory_of(&columns) {
        held if held <= own + own / 8 => (columns, held),
        held if held <= own * 2 + own / 4 => (columns, own),
        _ => {
            let copied: Vec<ArrayRef> = columns.iter().map(copied).collect();
            let bytes = bytes(&copied);
            (copied, bytes)
        }
    }
}

fn bytes(columns: &[ArrayRef]) -> usize {
    columns.iter().map(|column| column.get_array_memory_size()).sum()
}

/// The same values in memory of their own.
pub fn copied(column: &ArrayRef) -> ArrayRef {
    let all = UInt32Array::from_iter_values(0..column.len() as u32);
    match take(column, &all, None) {
        Ok(copy) => copy,
        Err(error) => unreachable!("all rows are within the column: {error}"),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{Int64Array, StringArray};
    use arrow_buffer::{Buffer, ScalarBuffer};

    use super::*;

    fn text(rows: usize) -> ArrayRef {
        Arc::new(StringArray::from_iter_values((0..rows).map(|row| format!("{row:050}"))))
    }

    #[test]
    fn a_part_does_not_keep_the_whole() {
        let whole = text(100_000);
        let part = whole.slice(7_000, 1_000);
        let (kept, bytes) = exact(vec![part.clone()]);
        assert_eq!(&kept[0], &part);
        assert!((54_000..60_000).contains(&bytes), "{bytes}");
        assert!(kept[0].get_array_memory_size() < 60_000, "{}", kept[0].get_array_memory_size());
    }

    #[test]
    fn what_is_whole_or_half_is_left_and_counts_for_itself() {
        let whole = text(10_000);
        let (kept, bytes) = exact(vec![whole.clone()]);
        assert!(Arc::ptr_eq(&kept[0], &whole));
        assert!((540_000..600_000).contains(&bytes), "{bytes}");
        let half = whole.slice(5_000, 5_000);
        let (kept, bytes) = exact(vec![half.clone()]);
        assert!(Arc::ptr_eq(&kept[0], &half));
        assert!((270_000..300_000).contains(&bytes), "{bytes}");
    }

    #[test]
    fn columns_of_one_allocation_count_once() {
        let shared = Buffer::from_vec((0..100_000_i64).collect::<Vec<_>>());
        let part = |at: usize| {
            Arc::new(Int64Array::new(ScalarBuffer::new(shared.clone(), at * 10_000, 10_000), None)) as ArrayRef
        };
        let all: Vec<ArrayRef> = (0..10).map(part).collect();
        let (kept, bytes) = exact(all.clone());
        assert!(Arc::ptr_eq(&kept[0], &all[0]));
        assert_eq!(bytes, 800_000);
        // Two of them would keep all ten.
        let (kept, bytes) = exact(all[..2].to_vec());
        assert!(!Arc::ptr_eq(&kept[0], &all[0]));
        assert_eq!(kept, all[..2]);
        assert!((160_000..170_000).contains(&bytes), "{bytes}");
    }
}
