//! The rows that partitions hold, in the batches they came in.
//!
//! An [`Entry`] is a row of a batch with the word that it is ordered by first. A batch lives while a row of it is held.
//! Batches of a few rows are put one behind the other as they come; when what is no longer held takes half as much memory as
//! what is, the rows of the batches with the most waste move together ([`Moves`]).

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::num::NonZeroU64;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::SchemaRef;

use super::moves::Moves;
use super::order::{Comparison, Order, SIGN};
use super::weight::Weight;
use crate::kept::{Compared, Found, Gather, together};

/// Rows of a batch made by moving rows together.
pub(super) const ROWS: usize = 8192;
/// A batch of fewer rows and bytes is put behind another such one.
const FEW: usize = 256;
const FEW_BYTES: usize = 1 << 20;
/// So much waste is not worth a move.
const WASTE: usize = 64 << 10;

/// Where a row stands: the batch's number in the upper half, the row's in the lower, and one more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place(NonZeroU64);

impl Place {
    pub(super) fn new(chunk: u32, row: usize) -> Place {
        Place(NonZeroU64::MIN.saturating_add(u64::from(chunk) << 32 | row as u64))
    }

    pub(super) fn parts(self) -> (usize, usize) {
        let place = self.0.get() - 1;
        ((place >> 32) as usize, (place & u64::from(u32::MAX)) as usize)
    }
}

/// A row.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    /// Orders as the first written column does.
    pub(super) word: u64,
    pub(super) place: Place,
}

impl Entry {
    pub(super) fn new(word: u64, place: Place) -> Entry {
        Entry { word, place }
    }
}

/// Rows that were taken in: those of a batch from one on.
pub(super) struct Added {
    pub(super) chunk: u32,
    first: usize,
}

impl Added {
    /// The row of that number among those taken in, with its word.
    pub(super) fn row(&self, row: usize, word: u64) -> Entry {
        Entry::new(word, Place::new(self.chunk, self.first + row))
    }
}

#[derive(Debug)]
struct Chunk {
    values: Compared,
    rows: usize,
    weight: Weight,
    /// How many rows are held.
    held: usize,
    /// How often rows are held that are held more than once, without the first time.
    again: BTreeMap<u32, usize>,
}

impl Chunk {
    /// Bytes of the rows that are held, about.
    fn live(&self) -> usize {
        self.held * self.weight.row
    }
}

/// The rows.
#[derive(Debug)]
pub(super) struct Store {
    schema: SchemaRef,
    order: Comparison,
    chunks: Vec<Option<Chunk>>,
    free: Vec<u32>,
    /// The batch that the next few rows are put behind.
    tail: Option<u32>,
    held: usize,
    /// Bytes of all batches and of the rows held.
    bytes: usize,
    live: usize,
    /// Batches taken in since all were weighed.
    unweighed: usize,
    found: Found,
}

impl Store {
    /// Of rows of this schema in this order.
    pub(super) fn new(schema: &SchemaRef, order: &Order) -> Store {
        Store {
            schema: schema.clone(),
            order: Comparison::new(schema, order),
            chunks: Vec::new(),
            free: Vec::new(),
            tail: None,
            held: 0,
            bytes: 0,
            live: 0,
            unweighed: 0,
            found: Found::default(),
        }
    }

    /// The words of rows that may be taken in.
    pub(super) fn words(&self, batch: &RecordBatch) -> Vec<u64> {
        self.order.words(batch)
    }

    /// Takes rows in. None is held yet.
    pub(super) fn add(&mut self, batch: &RecordBatch) -> Added {
        let few = |rows: usize, bytes: usize| rows < FEW && bytes < FEW_BYTES;
        let (columns, rows) = (batch.columns().to_vec(), batch.num_rows());
        let weight = Weight::of(&columns, rows);
        let is_few = few(rows, weight.own);
        let tail = self.tail.filter(|_| is_few).and_then(|number| Some((number, self.take(number)?)));
        let Some((number, tail)) = tail else {
            let (values, weight) = weight.without_parent(Compared::new(columns));
            let number = self.number();
            if is_few {
                self.tail = Some(number);
            }
            self.put(number, Chunk { values, rows, weight, held: 0, again: BTreeMap::new() });
            return Added { chunk: number, first: 0 };
        };
        let (first, rows) = (tail.rows, tail.rows + rows);
        let columns = together(&[tail.values.columns(), &columns]);
        let weight = Weight::of(&columns, rows);
        self.tail = few(rows, weight.own).then_some(number);
        self.put(number, Chunk { values: Compared::new(columns), rows, weight, ..tail });
        Added { chunk: number, first }
    }

    /// A number that no batch has.
    pub(super) fn number(&mut self) -> u32 {
        self.free.pop().unwrap_or_else(|| {
            self.chunks.push(None);
            (self.chunks.len() - 1) as u32
        })
    }

    fn put(&mut self, number: u32, chunk: Chunk) {
        self.bytes += chunk.weight.all;
        self.live += chunk.live();
        self.unweighed += 1;
        self.chunks[number as usize] = Some(chunk);
    }

    /// Puts rows that are held, and how often, under a number.
    pub(super) fn put_held(&mut self, number: u32, columns: Vec<ArrayRef>, rows: usize, again: BTreeMap<u32, usize>) {
        let weight = Weight::of(&columns, rows);
        self.put(number, Chunk { values: Compared::new(columns), rows, weight, held: rows, again });
    }

    fn take(&mut self, number: u32) -> Option<Chunk> {
        let chunk = self.chunks[number as usize].take()?;
        self.bytes -= chunk.weight.all;
        self.live -= chunk.live();
        self.tail = self.tail.filter(|tail| *tail != number);
        Some(chunk)
    }

    /// Forgets a batch; its number may be given out again.
    pub(super) fn forget(&mut self, number: u32) {
        if self.take(number).is_some() {
            self.free.push(number);
        }
    }

    fn values(&self, chunk: usize) -> &Compared {
        match &self.chunks[chunk] {
            Some(chunk) => &chunk.values,
            None => unreachable!("a batch lives while its rows are held"),
        }
    }

    fn at(&self, place: Place) -> (&[ArrayRef], usize) {
        let (chunk, row) = place.parts();
        (self.values(chunk).columns(), row)
    }

    /// How two rows are ordered; equal rows only are equal.
    #[inline]
    pub(super) fn compare(&self, a: Entry, b: Entry) -> Ordering {
        a.word.cmp(&b.word).then_with(|| match a.place == b.place {
            true => Ordering::Equal,
            false => self.order.rows(self.at(a.place), self.at(b.place)),
        })
    }

    /// How two rows of one word are ordered that may be taken in.
    pub(super) fn compare_rows(&self, a: (&[ArrayRef], usize), b: (&[ArrayRef], usize)) -> Ordering {
        self.order.rows(a, b)
    }

    /// How two rows are ordered by the columns written.
    #[inline]
    pub(super) fn compare_written(&self, a: Entry, b: Entry) -> Ordering {
        a.word.cmp(&b.word).then_with(|| match a.place == b.place {
            true => Ordering::Equal,
            false => self.order.written(self.at(a.place), self.at(b.place)),
        })
    }

    /// Holds a row.
    pub(super) fn hold(&mut self, entry: Entry) {
        self.held += 1;
        if let Some(chunk) = &mut self.chunks[entry.place.parts().0] {
            chunk.held += 1;
            self.live += chunk.weight.row;
        }
    }

    /// Holds a row once more.
    pub(super) fn hold_again(&mut self, entry: Entry) {
        self.held += 1;
        let (chunk, row) = entry.place.parts();
        if let Some(chunk) = &mut self.chunks[chunk] {
            *chunk.again.entry(row as u32).or_default() += 1;
        }
    }

    /// Holds a row once less, and forgets its batch if it was the last.
    pub(super) fn release(&mut self, entry: Entry) {
        self.held -= 1;
        let (number, row) = entry.place.parts();
        let Some(chunk) = &mut self.chunks[number] else { return };
        if !chunk.again.is_empty()
            && let Some(again) = chunk.again.get_mut(&(row as u32))
        {
            *again -= 1;
            if *again == 0 {
                chunk.again.remove(&(row as u32));
            }
            return;
        }
        chunk.held -= 1;
        self.live -= chunk.weight.row;
        if chunk.held == 0 {
            self.forget(number as u32);
        }
    }

    /// Forgets a batch of which no row is held.
    pub(super) fn sweep(&mut self, number: u32) {
        if self.chunks[number as usize].as_ref().is_some_and(|chunk| chunk.held == 0) {
            self.forget(number);
        }
    }

    /// How often rows are held.
    pub(super) fn held(&self) -> usize {
        self.held
    }

    /// Memory held, in bytes, about.
    pub(super) fn bytes(&self) -> usize {
        self.bytes + self.chunks.len() * size_of::<Option<Chunk>>()
    }

    /// The moves that are worth it: the batches with the most waste, until little is left of it. What they cost is no more
    /// than a part of what was taken in or let go since the last ones.
    pub(super) fn moves(&mut self) -> Option<Moves> {
        self.weigh();
        if self.bytes <= self.live + self.live / 2 + WASTE {
            return None;
        }
        let share = |chunk: &Chunk| chunk.live() as f64 / chunk.weight.all.max(1) as f64;
        let chunks = self.chunks.iter().enumerate().filter_map(|(number, chunk)| Some((number, chunk.as_ref()?)));
        let mut wasteful: Vec<(f64, usize, usize)> = chunks
            .filter(|(_, chunk)| chunk.held < chunk.rows || chunk.weight.is_slice())
            .map(|(number, chunk)| (share(chunk), number, chunk.weight.all.saturating_sub(chunk.live())))
            .collect();
        wasteful.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let mut waste = self.bytes - self.live;
        let more = |(_, _, of): &&(f64, usize, usize)| {
            let more = waste > self.live / 8;
            waste = waste.saturating_sub(*of);
            more
        };
        let mut numbers: Vec<usize> = wasteful.iter().take_while(more).map(|(_, number, _)| *number).collect();
        if numbers.is_empty() {
            return None;
        }
        numbers.sort_unstable();
        let rows = numbers.into_iter().filter_map(|number| Some((number, self.chunks[number].as_ref()?.rows)));
        Some(Moves::new(self.chunks.len(), rows))
    }

    /// Who else holds the memory of a batch may have let it go: weighs all when as many came as there are.
    fn weigh(&mut self) {
        if self.unweighed <= self.chunks.len() - self.free.len() {
            return;
        }
        (self.unweighed, self.bytes) = (0, 0);
        for chunk in self.chunks.iter_mut().flatten() {
            chunk.weight.weigh_kept(&chunk.values);
            self.bytes += chunk.weight.all;
        }
    }

    /// The columns of these rows, in this order.
    pub(super) fn columns(&self, entries: &[Entry]) -> Vec<ArrayRef> {
        self.some_columns(entries, &(0..self.schema.fields().len()).collect::<Vec<_>>())
    }

    /// Some columns of these rows.
    pub(super) fn some_columns(&self, entries: &[Entry], columns: &[usize]) -> Vec<ArrayRef> {
        self.gather(entries.iter().map(|entry| entry.place), columns)
    }

    /// Columns of the rows at these places.
    fn gather(&self, places: impl Iterator<Item = Place>, columns: &[usize]) -> Vec<ArrayRef> {
        let rows = Gather::new(&self.found, places.map(Place::parts), |chunk| self.values(chunk));
        columns.iter().map(|&column| rows.column(column, self.schema.field(column).data_type())).collect()
    }

    /// All columns of the rows at these places.
    pub(super) fn whole(&self, places: impl Iterator<Item = Place>) -> Vec<ArrayRef> {
        self.gather(places, &(0..self.schema.fields().len()).collect::<Vec<_>>())
    }

    /// The time of a row whose order begins with one, ascending and never NULL.
    pub(super) fn time(&self, entry: Entry) -> i64 {
        (entry.word ^ SIGN) as i64
    }
}
