//! The rows of all partitions, in chunks as they came; who wants fewer copies those that stay into a new chunk.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, new_null_array};
use arrow_schema::DataType;
use arrow_select::interleave::interleave;

/// Most rows of a chunk that is made of others.
const MOST: usize = 1 << 20;

/// A row: its chunk, and its place in it.
pub(super) type At = (u32, u32);

/// Rows.
#[derive(Debug)]
pub(super) struct Store {
    types: Vec<DataType>,
    chunks: Vec<Vec<ArrayRef>>,
    rows: usize,
    bytes: usize,
}

impl Store {
    pub(super) fn new(types: Vec<DataType>) -> Store {
        Store { types, chunks: Vec::new(), rows: 0, bytes: 0 }
    }

    /// How many rows are held, needed or not.
    pub(super) fn len(&self) -> usize {
        self.rows
    }

    /// Memory held, in bytes, about.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Adds rows; answers their chunk.
    pub(super) fn push(&mut self, columns: Vec<ArrayRef>, rows: usize) -> u32 {
        self.rows += rows;
        self.bytes += size(&columns);
        self.chunks.push(columns);
        self.chunks.len() as u32 - 1
    }

    /// One column of a chunk.
    pub(super) fn column(&self, chunk: u32, column: usize) -> &ArrayRef {
        &self.chunks[chunk as usize][column]
    }

    /// One column of some rows; NULL where there is none.
    pub(super) fn gather(&self, column: usize, rows: &[Option<At>]) -> ArrayRef {
        let mut chunks: Vec<u32> = rows.iter().flatten().map(|at| at.0).collect();
        chunks.sort_unstable();
        chunks.dedup();
        let nothing = new_null_array(&self.types[column], 1);
        let mut arrays: Vec<&dyn Array> = vec![&nothing];
        arrays.extend(chunks.iter().map(|&chunk| self.column(chunk, column).as_ref() as &dyn Array));
        let place = |row: &Option<At>| match row {
            None => (0, 0),
            Some((chunk, row)) => (chunks.partition_point(|other| other < chunk) + 1, *row as usize),
        };
        let places: Vec<(usize, usize)> = rows.iter().map(place).collect();
        match interleave(&arrays, &places) {
            Ok(column) => column,
            Err(error) => unreachable!("the rows are within their chunks, all of one type: {error}"),
        }
    }

    /// Keeps these rows only; answers where they are now, in the same order.
    pub(super) fn keep(&mut self, rows: &[At]) -> Vec<At> {
        let (mut chunks, mut places) = (Vec::new(), Vec::with_capacity(rows.len()));
        for part in rows.chunks(MOST) {
            let some: Vec<Option<At>> = part.iter().copied().map(Some).collect();
            places.extend((0..part.len()).map(|row| (chunks.len() as u32, row as u32)));
            chunks.push((0..self.types.len()).map(|column| self.gather(column, &some)).collect());
        }
        (self.chunks, self.rows) = (chunks, rows.len());
        self.bytes = self.chunks.iter().map(|columns| size(columns)).sum();
        places
    }

    /// How two rows compare by all their columns: an order of any kind, the same in every run.
    pub(super) fn compare(&self, a: At, b: At) -> std::cmp::Ordering {
        let columns = |at: At| self.chunks[at.0 as usize].iter();
        for (left, right) in columns(a).zip(columns(b)) {
            let (left, right) = (left.slice(a.1 as usize, 1), right.slice(b.1 as usize, 1));
            let found = arrow_ord::ord::make_comparator(&left, &right, Default::default());
            match found.map(|compare| compare(0, 0)) {
                Ok(std::cmp::Ordering::Equal) | Err(_) => {}
                Ok(other) => return other,
            }
        }
        std::cmp::Ordering::Equal
    }
}

/// The columns `of` a batch's columns.
pub(super) fn chosen(columns: &[ArrayRef], of: &[usize]) -> Vec<ArrayRef> {
    of.iter().map(|&column| Arc::clone(&columns[column])).collect()
}

fn size(columns: &[ArrayRef]) -> usize {
    columns.iter().map(|column| column.get_array_memory_size()).sum()
}
