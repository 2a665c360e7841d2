//! Batches by number.

use arrow_array::ArrayRef;
use arrow_schema::DataType;

use super::equal::Compared;
use super::exact::exact;
use super::gather::{Found, Gather};

/// Where a row stands: the number of its batch in the upper half, its place there in the lower.
pub(super) type Entry = u64;

/// Where a row of a batch stands.
#[inline]
pub(super) fn entry(chunk: u32, row: usize) -> Entry {
    u64::from(chunk) << 32 | row as u64
}

/// The batch and the place of an entry.
#[inline]
pub(super) fn parts(entry: Entry) -> (usize, usize) {
    ((entry >> 32) as usize, (entry & u64::from(u32::MAX)) as usize)
}

/// A batch of which rows are kept.
#[derive(Debug)]
pub(super) struct Chunk {
    pub(super) values: Compared,
    pub(super) rows: usize,
    /// How many of its rows are of use.
    pub(super) held: usize,
    /// None of its rows is of use once the watermark is above.
    pub(super) until: i64,
    /// Whether it is to be put together with those to come.
    pub(super) open: bool,
    /// Memory of the columns.
    pub(super) bytes: usize,
}

impl Chunk {
    /// Of these columns, all of whose rows are of use.
    pub(super) fn new(columns: Vec<ArrayRef>, rows: usize, until: i64) -> Chunk {
        let (columns, bytes) = exact(columns);
        Chunk { values: Compared::new(columns), rows, held: rows, until, open: false, bytes }
    }
}

/// The batches.
#[derive(Debug)]
pub(super) struct Chunks {
    types: Vec<DataType>,
    chunks: Vec<Option<Chunk>>,
    /// Numbers that no entry has.
    free: Vec<u32>,
    rows: usize,
    bytes: usize,
    found: Found,
}

impl Chunks {
    /// None yet, of columns of these types.
    pub(super) fn new(types: &[DataType]) -> Chunks {
        let found = Found::default();
        Chunks { types: types.to_vec(), chunks: Vec::new(), free: Vec::new(), rows: 0, bytes: 0, found }
    }

    /// Takes a batch in; its number.
    pub(super) fn add(&mut self, chunk: Chunk) -> u32 {
        self.rows += chunk.rows;
        self.bytes += chunk.bytes;
        match self.free.pop() {
            Some(number) => {
                self.chunks[number as usize] = Some(chunk);
                number
            }
            None => {
                self.chunks.push(Some(chunk));
                (self.chunks.len() - 1) as u32
            }
        }
    }

    /// Forgets a batch, of which there may be entries still: its number stays taken.
    pub(super) fn remove(&mut self, number: u32) -> Option<Chunk> {
        let chunk = self.chunks[number as usize].take()?;
        self.rows -= chunk.rows;
        self.bytes -= chunk.bytes;
        Some(chunk)
    }

    /// No entry has this number any more; its batch was forgotten.
    pub(super) fn give_back(&mut self, number: u32) {
        self.free.push(number);
    }

    /// No entry has the number of a batch that was forgotten.
    pub(super) fn give_back_all(&mut self) {
        while self.chunks.last().is_some_and(Option::is_none) {
            self.chunks.pop();
        }
        let numbers = self.chunks.iter().zip(0..).filter(|(chunk, _)| chunk.is_none());
        self.free = numbers.map(|(_, number)| number).collect();
    }

    pub(super) fn get(&self, number: u32) -> Option<&Chunk> {
        self.chunks.get(number as usize)?.as_ref()
    }

    pub(super) fn get_mut(&mut self, number: u32) -> Option<&mut Chunk> {
        self.chunks.get_mut(number as usize)?.as_mut()
    }

    /// All numbers are below this.
    pub(super) fn end(&self) -> usize {
        self.chunks.len()
    }

    /// The rows of all batches, of use or not.
    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// Memory of the columns, in bytes.
    pub(super) fn column_bytes(&self) -> usize {
        self.bytes
    }

    /// Memory held, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.bytes + self.chunks.capacity() * size_of::<Option<Chunk>>() + self.free.capacity() * 4
    }

    /// Rows to be gathered, in this order.
    pub(super) fn pick(&self, entries: impl Iterator<Item = Entry>) -> Gather<'_> {
        Gather::new(&self.found, entries.map(parts), |number| match &self.chunks[number] {
            Some(chunk) => &chunk.values,
            None => unreachable!("a batch stays while a row of it is of use"),
        })
    }

    /// A column of the rows.
    pub(super) fn column(&self, column: usize, picked: &Gather<'_>) -> ArrayRef {
        picked.column(column, &self.types[column])
    }

    /// All columns of the rows.
    pub(super) fn columns(&self, picked: &Gather<'_>) -> Vec<ArrayRef> {
        (0..self.types.len()).map(|column| self.column(column, picked)).collect()
    }
}
