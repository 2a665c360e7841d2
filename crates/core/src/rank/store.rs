//! The rows that partitions hold, in the batches they came in, beside the bytes that they are ordered by.
//!
//! An [`Entry`] is a row of a batch. A batch lives while a row of it is held; when most rows of the batches are no longer
//! held, those that are move together ([`Store::compact`]), so memory stays within about twice of what is held.

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMillisecondType;
use arrow_array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, new_empty_array};
use arrow_row::{RowConverter, Rows, SortField};
use arrow_schema::{SchemaRef, SortOptions};
use arrow_select::interleave::interleave;

use crate::delta::canonical;

/// Rows of a batch made by moving rows together.
const ROWS: usize = 8192;
/// A batch of fewer rows is small, and so many small ones are put together.
const SMALL: usize = 256;
const MANY: usize = 1024;

/// How rows are ordered.
#[derive(Clone, Debug)]
pub(super) struct Order {
    /// As written.
    pub(super) columns: Vec<(usize, SortOptions)>,
    /// What breaks ties.
    pub(super) ties: Vec<(usize, SortOptions)>,
    /// Whether both tell all rows apart, or need not.
    pub(super) complete: bool,
    /// Whether rows of one order value have to be told from others.
    pub(super) peers: bool,
}

/// A row: the batch's number in the upper half, the row's in the lower.
pub(super) type Entry = u64;

/// A row of a batch.
pub(super) fn entry(chunk: u32, row: usize) -> Entry {
    u64::from(chunk) << 32 | row as u64
}

fn parts(entry: Entry) -> (usize, usize) {
    ((entry >> 32) as usize, (entry & u64::from(u32::MAX)) as usize)
}

#[derive(Debug)]
struct Chunk {
    batch: RecordBatch,
    /// Bytes of the order, its ties, and all else unless those tell rows apart.
    order: Rows,
    /// Bytes of the order alone, if they are asked for.
    peers: Option<Rows>,
    held: usize,
}

impl Chunk {
    fn small(&self) -> bool {
        self.batch.num_rows() < SMALL
    }

    fn wasteful(&self) -> bool {
        self.small() || self.held * 2 < self.batch.num_rows()
    }
}

/// The rows.
#[derive(Debug)]
pub(super) struct Store {
    schema: SchemaRef,
    columns: Vec<usize>,
    order: RowConverter,
    peers: Option<(usize, RowConverter)>,
    chunks: Vec<Option<Chunk>>,
    free: Vec<u32>,
    held: usize,
    rows: usize,
    small: usize,
}

impl Store {
    /// Of rows of this schema, ordered by these columns and then, unless those tell all rows apart, by all others.
    pub(super) fn new(schema: &SchemaRef, order: &Order) -> Store {
        let written = || order.columns.iter().chain(&order.ties).copied();
        let rest = (0..schema.fields().len()).filter(|&c| !order.complete && !written().any(|(at, _)| at == c));
        let all: Vec<_> = written().chain(rest.map(|c| (c, SortOptions::default()))).collect();
        let converter = |columns: &[(usize, SortOptions)]| {
            let field = |&(c, options): &(usize, SortOptions)| {
                SortField::new_with_options(schema.field(c).data_type().clone(), options)
            };
            match RowConverter::new(columns.iter().map(field).collect()) {
                Ok(converter) => converter,
                Err(error) => unreachable!("the planner refuses columns that have no order: {error}"),
            }
        };
        Store {
            schema: schema.clone(),
            columns: all.iter().map(|(c, _)| *c).collect(),
            order: converter(&all),
            peers: order.peers.then(|| (order.columns.len(), converter(&order.columns))),
            chunks: Vec::new(),
            free: Vec::new(),
            held: 0,
            rows: 0,
            small: 0,
        }
    }

    /// Takes a batch in; answers its number. No row of it is held yet.
    pub(super) fn add(&mut self, batch: RecordBatch) -> u32 {
        let chunk = self.chunk(batch);
        let number = self.free.pop().unwrap_or_else(|| {
            self.chunks.push(None);
            (self.chunks.len() - 1) as u32
        });
        self.put(number, chunk);
        number
    }

    fn put(&mut self, number: u32, chunk: Chunk) {
        self.rows += chunk.batch.num_rows();
        self.small += usize::from(chunk.small());
        self.chunks[number as usize] = Some(chunk);
    }

    fn chunk(&self, batch: RecordBatch) -> Chunk {
        let columns: Vec<ArrayRef> = self.columns.iter().map(|&c| canonical(batch.column(c))).collect();
        let convert = |converter: &RowConverter, columns: &[ArrayRef]| match converter.convert_columns(columns) {
            Ok(rows) => rows,
            Err(error) => unreachable!("the columns have the planned types: {error}"),
        };
        let order = match columns.is_empty() {
            // No order and no columns: all rows are equal.
            true => self.order.empty_rows(0, 0),
            false => convert(&self.order, &columns),
        };
        let peers = self.peers.as_ref().map(|(width, converter)| convert(converter, &columns[..*width]));
        Chunk { batch, order, peers, held: 0 }
    }

    fn at(&self, entry: Entry) -> (&Chunk, usize) {
        let (chunk, row) = parts(entry);
        match &self.chunks[chunk] {
            Some(chunk) => (chunk, row),
            None => unreachable!("a batch lives while its rows are held"),
        }
    }

    /// The bytes that a row is ordered by; equal for equal rows only.
    #[inline]
    pub(super) fn key(&self, entry: Entry) -> &[u8] {
        let (chunk, row) = self.at(entry);
        if chunk.order.num_rows() == 0 { &[] } else { chunk.order.row(row).data() }
    }

    /// The bytes of a row's order value; they were asked for.
    pub(super) fn peer(&self, entry: Entry) -> &[u8] {
        let (chunk, row) = self.at(entry);
        chunk.peers.as_ref().map_or(&[], |peers| peers.row(row).data())
    }

    /// Holds a row once more.
    pub(super) fn hold(&mut self, entry: Entry) {
        self.held += 1;
        if let Some(chunk) = &mut self.chunks[parts(entry).0] {
            chunk.held += 1;
        }
    }

    /// Holds a row once less, and forgets its batch if it was the last.
    pub(super) fn release(&mut self, entry: Entry) {
        self.held -= 1;
        let number = parts(entry).0;
        if let Some(chunk) = &mut self.chunks[number] {
            chunk.held -= 1;
        }
        self.sweep(number as u32);
    }

    /// Forgets a batch of which no row is held.
    pub(super) fn sweep(&mut self, number: u32) {
        if self.chunks[number as usize].as_ref().is_some_and(|chunk| chunk.held == 0) {
            self.drop_chunk(number);
            self.free.push(number);
        }
    }

    fn drop_chunk(&mut self, number: u32) {
        if let Some(chunk) = self.chunks[number as usize].take() {
            self.rows -= chunk.batch.num_rows();
            self.small -= usize::from(chunk.small());
        }
    }

    /// How many rows are held.
    pub(super) fn held(&self) -> usize {
        self.held
    }

    /// Memory held, in bytes, about.
    pub(super) fn bytes(&self) -> usize {
        let column = |column: &ArrayRef| column.to_data().get_slice_memory_size().unwrap_or_default();
        let chunk = |chunk: &Chunk| {
            let rows = chunk.order.size() + chunk.peers.as_ref().map_or(0, Rows::size);
            chunk.batch.columns().iter().map(column).sum::<usize>() + rows
        };
        self.chunks.iter().flatten().map(chunk).sum()
    }

    /// Whether rows should move together.
    pub(super) fn wasteful(&self) -> bool {
        self.rows > 2 * self.held + 8 * ROWS || self.small > MANY
    }

    /// Moves the rows of mostly unused batches together; `entries` are all that are held.
    pub(super) fn compact<'a>(&mut self, entries: impl Iterator<Item = &'a mut Entry>) {
        let victims: Vec<bool> = self.chunks.iter().map(|chunk| chunk.as_ref().is_some_and(Chunk::wasteful)).collect();
        let mut moved: Vec<Entry> = Vec::new();
        let first = self.chunks.len();
        for entry_at in entries.filter(|entry| victims[parts(**entry).0]) {
            let to = moved.len();
            moved.push(std::mem::replace(entry_at, entry((first + to / ROWS) as u32, to % ROWS)));
        }
        for rows in moved.chunks(ROWS) {
            let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
            let batch = match RecordBatch::try_new_with_options(self.schema.clone(), self.columns(rows), &options) {
                Ok(batch) => batch,
                Err(error) => unreachable!("rows of the store have its schema: {error}"),
            };
            let chunk = Chunk { held: rows.len(), ..self.chunk(batch) };
            self.chunks.push(None);
            self.put((self.chunks.len() - 1) as u32, chunk);
        }
        for number in victims.iter().enumerate().filter(|(_, victim)| **victim).map(|(number, _)| number as u32) {
            self.drop_chunk(number);
            self.free.push(number);
        }
    }

    /// The columns of these rows, in this order.
    pub(super) fn columns(&self, entries: &[Entry]) -> Vec<ArrayRef> {
        self.some_columns(entries, &(0..self.schema.fields().len()).collect::<Vec<_>>())
    }

    /// Some columns of these rows.
    pub(super) fn some_columns(&self, entries: &[Entry], columns: &[usize]) -> Vec<ArrayRef> {
        if entries.is_empty() {
            return columns.iter().map(|&c| new_empty_array(self.schema.field(c).data_type())).collect();
        }
        let mut used: Vec<usize> = entries.iter().map(|&entry| parts(entry).0).collect();
        used.sort_unstable();
        used.dedup();
        let place = |chunk: usize| used.partition_point(|&other| other < chunk);
        let mut last = (used[0], 0);
        let indices: Vec<(usize, usize)> = entries
            .iter()
            .map(|&entry| {
                let (chunk, row) = parts(entry);
                if chunk != last.0 {
                    last = (chunk, place(chunk));
                }
                (last.1, row)
            })
            .collect();
        let column = |&c: &usize| {
            let arrays: Vec<&dyn Array> = used
                .iter()
                .filter_map(|&chunk| self.chunks[chunk].as_ref())
                .map(|chunk| chunk.batch.column(c).as_ref())
                .collect();
            match interleave(&arrays, &indices) {
                Ok(column) => column,
                Err(error) => unreachable!("the rows are within their batches: {error}"),
            }
        };
        columns.iter().map(column).collect()
    }

    /// The time in a column of a row; it is not NULL.
    pub(super) fn time(&self, entry: Entry, column: usize) -> i64 {
        let (chunk, row) = self.at(entry);
        chunk.batch.column(column).as_primitive::<TimestampMillisecondType>().value(row)
    }
}
