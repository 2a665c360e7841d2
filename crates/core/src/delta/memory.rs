//! What a batch takes in memory. Columns may share one allocation (those of an Arrow message do): it counts once.

use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_buffer::Buffer;

/// Smaller ones are counted as if nothing was shared.
const SMALL: usize = 64 << 10;

/// Bytes of memory, as allocated.
pub fn memory(batch: &RecordBatch) -> usize {
    memory_of(batch.columns())
}

/// Bytes of memory of some columns, as allocated.
pub fn memory_of(columns: &[ArrayRef]) -> usize {
    let most = columns.iter().map(|column| column.get_array_memory_size()).sum();
    if most < SMALL {
        return most;
    }
    let mut found: Vec<(usize, usize)> = Vec::new();
    let mut take = |buffer: &Buffer| found.push((buffer.data_ptr().as_ptr() as usize, buffer.capacity()));
    let mut arrays: Vec<_> = columns.iter().map(|column| column.to_data()).collect();
    while let Some(array) = arrays.pop() {
        array.buffers().iter().for_each(&mut take);
        array.nulls().into_iter().for_each(|nulls| take(nulls.buffer()));
        arrays.extend(array.child_data().iter().cloned());
    }
    found.sort_unstable();
    found.dedup_by_key(|(at, _)| *at);
    found.into_iter().map(|(_, bytes)| bytes).sum()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{Int64Array, StringArray};
    use arrow_buffer::ScalarBuffer;

    use super::*;

    #[test]
    fn what_columns_share_counts_once() {
        let shared = Buffer::from_vec((0..100_000_i64).collect::<Vec<_>>());
        let part = |at: usize| {
            Arc::new(Int64Array::new(ScalarBuffer::new(shared.clone(), at * 10_000, 10_000), None)) as ArrayRef
        };
        let names: ArrayRef = Arc::new(StringArray::from_iter_values((0..10_000).map(|n| n.to_string())));
        let own = names.get_buffer_memory_size();
        let columns = (0..10).map(|at| (format!("c{at}"), part(at))).chain([("name".to_owned(), names)]);
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        assert_eq!(memory(&batch), 800_000 + own);
        assert!(batch.get_array_memory_size() > 8_000_000);
    }
}
