//! Rows by number, in the order of their coming.

use std::collections::BTreeSet;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::DataType;

use super::chunks::{Chunk, Chunks, Entry, entry, parts};
use super::equal::Compared;
use super::gather::{Gather, together};
use super::places::Places;
use crate::delta::{canonical_shown, has_floats};

/// So many small batches of one level are put together. Tests have few rows.
pub(super) const FANOUT: usize = if cfg!(test) { 4 } else { 32 };
/// A batch of so many rows is kept as it came.
pub(super) const FULL: usize = FANOUT * FANOUT;
/// Rows of a batch of rows that moved.
pub(super) const MOVED: usize = FULL * 8;

/// How large a batch is: single rows, those put together, and large enough.
fn level(rows: usize) -> usize {
    usize::from(rows >= FANOUT) + usize::from(rows >= FULL)
}

/// Rows by number. Numbers are `u32`.
#[derive(Debug)]
pub struct Kept {
    chunks: Chunks,
    places: Places,
    /// The small batches at the end, in the order of their rows: levels fall. Their rows are the last ones.
    tail: Vec<u32>,
    /// Closed batches by the watermark until which a row of them may be of use.
    until: BTreeSet<(i64, u32)>,
    /// The columns that may have to be brought into canonical form.
    floats: Vec<usize>,
    /// How many rows have been moved since they came.
    #[cfg(test)]
    pub(super) moved: usize,
}

impl Kept {
    /// No rows yet, of columns of these types.
    pub fn new(types: &[DataType]) -> Kept {
        Kept {
            chunks: Chunks::new(types),
            places: Places::default(),
            tail: Vec::new(),
            until: BTreeSet::new(),
            floats: (0..types.len()).filter(|&column| has_floats(&types[column])).collect(),
            #[cfg(test)]
            moved: 0,
        }
    }

    /// How many numbers there are.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.places.len() == 0
    }

    /// The columns in the form in which they are kept.
    pub fn form(&self, batch: &RecordBatch) -> Vec<ArrayRef> {
        let mut columns = batch.columns().to_vec();
        self.floats.iter().for_each(|&column| columns[column] = canonical_shown(&columns[column]));
        columns
    }

    /// Adds rows, whose columns are in form; each is of no use once the watermark is above `until`.
    pub fn append(&mut self, columns: Vec<ArrayRef>, rows: usize, until: i64) {
        if rows == 0 {
            return;
        }
        assert!(self.len() + rows < u32::MAX as usize, "more than 2^32 rows in one table on one worker");
        let full = level(rows) == level(FULL);
        if full {
            self.close_tail();
        }
        let number = self.chunks.add(Chunk { open: !full, ..Chunk::new(columns, rows, until) });
        self.places.push(entry(number, 0), rows);
        match full {
            true => self.close(number),
            false => {
                self.tail.push(number);
                self.join_tail();
            }
        }
    }

    /// The rows of these numbers; all are of use.
    pub fn gather(&self, rows: &[u32]) -> Vec<ArrayRef> {
        self.chunks.columns(&self.pick(rows))
    }

    /// One column of the rows.
    pub fn column(&self, column: usize, rows: &[u32]) -> ArrayRef {
        self.chunks.column(column, &self.pick(rows))
    }

    /// Whether a row that was not released is of use and equal to one of others, whose columns are in form; NULLs are equal.
    #[inline]
    pub fn equal(&self, row: u32, others: &Compared, other: usize) -> bool {
        let (chunk, place) = parts(self.places.get(row));
        self.chunks.get(chunk as u32).is_some_and(|own| own.values.equal(place, others, other))
    }

    /// Whether each of these rows is of use and equal to the one of `others` at its place in `places`, as [`Kept::equal`].
    pub fn equal_rows(&self, rows: &[u32], others: &Compared, places: &[u32]) -> Vec<bool> {
        let stands = |&row: &u32| self.chunks.get(parts(self.places.get(row)).0 as u32).is_some();
        if rows.iter().all(stands) {
            return self.pick(rows).equal(others, places);
        }
        rows.iter().zip(places).map(|(&row, &place)| self.equal(row, others, place as usize)).collect()
    }

    /// A row is of no use any more. Once a row: its number may come to stand for others.
    pub fn release(&mut self, row: u32) {
        let number = parts(self.places.get(row)).0 as u32;
        let Some(chunk) = self.chunks.get_mut(number) else { return };
        chunk.held -= 1;
        if chunk.held == 0 && !chunk.open {
            self.until.remove(&(chunk.until, number));
            self.chunks.remove(number);
            self.chunks.give_back(number);
        }
    }

    /// Drops batches of which no row is of use at this watermark. Their rows keep their numbers.
    pub fn expire(&mut self, watermark: i64) {
        while let Some(&(until, number)) = self.until.first().filter(|(until, _)| *until < watermark) {
            self.until.remove(&(until, number));
            self.chunks.remove(number);
        }
    }

    /// Only these rows, numbered in this order; all are of use. `until` says of each place the watermark above which it no
    /// longer is. Rows move if at most half of their batch's are left, or if it is small.
    pub fn retain(&mut self, rows: &[u32], until: &dyn Fn(usize) -> i64) {
        let mut entries: Vec<Entry> = rows.iter().map(|&row| self.places.get(row)).collect();
        let mut held = vec![0; self.chunks.end()];
        entries.iter().for_each(|&entry| held[parts(entry).0] += 1);
        let mut moves = vec![false; held.len()];
        let small = |chunk: &Chunk| chunk.rows < FULL;
        let several =
            (0..held.len() as u32).filter_map(|number| self.chunks.get(number)).filter(|c| small(c)).count() > 1;
        for (number, &held) in held.iter().enumerate() {
            if held == 0 {
                self.chunks.remove(number as u32);
            } else if let Some(chunk) = self.chunks.get_mut(number as u32) {
                (chunk.held, chunk.open) = (held, false);
                moves[number] = held * 2 <= chunk.rows || several && small(chunk);
            }
        }
        let places: Vec<usize> = (0..rows.len()).filter(|&at| moves[parts(entries[at]).0]).collect();
        places.chunks(MOVED).for_each(|places| self.shift(&mut entries, places, until, &mut held));
        self.places = entries.into_iter().collect();
        self.chunks.give_back_all();
        self.tail.clear();
        self.until.clear();
        let closed = (0..self.chunks.end() as u32).filter_map(|number| Some((self.chunks.get(number)?.until, number)));
        self.until.extend(closed.filter(|(until, _)| *until != i64::MAX));
    }

    /// Memory of the columns, in bytes, and how many rows those have, of use or not.
    pub fn columns_held(&self) -> (usize, usize) {
        (self.chunks.column_bytes(), self.chunks.rows())
    }

    /// Memory held, in bytes.
    pub fn bytes(&self) -> usize {
        self.chunks.bytes() + self.places.bytes() + self.until.len() * size_of::<(i64, u32)>()
    }

    fn pick(&self, rows: &[u32]) -> Gather<'_> {
        self.chunks.pick(rows.iter().map(|&row| self.places.get(row)))
    }

    /// Moves the rows at some places to a batch of their own; `held` says how many are left of each batch.
    fn shift(&mut self, entries: &mut [Entry], places: &[usize], until: &dyn Fn(usize) -> i64, held: &mut [usize]) {
        let columns = self.chunks.columns(&self.chunks.pick(places.iter().map(|&at| entries[at])));
        let last = places.iter().map(|&at| until(at)).max().unwrap_or(i64::MAX);
        let number = self.chunks.add(Chunk::new(columns, places.len(), last));
        for (row, &at) in places.iter().enumerate() {
            let from = parts(std::mem::replace(&mut entries[at], entry(number, row))).0;
            held[from] -= 1;
            if held[from] == 0 {
                self.chunks.remove(from as u32);
            }
        }
        #[cfg(test)]
        (self.moved += places.len());
    }

    /// Puts small batches at the end together: those that are smaller than the last with it, or as many as are put together
    /// of one level. So a row is copied twice or thrice.
    fn join_tail(&mut self) {
        let level_of = |kept: &Kept, number: &u32| kept.chunks.get(*number).map_or(0, |chunk| level(chunk.rows));
        while let Some(last) = self.tail.last().map(|number| level_of(self, number)) {
            let before = self.tail.iter().rev().skip(1);
            let lower = before.clone().take_while(|number| level_of(self, number) < last).count();
            let same = before.take_while(|number| level_of(self, number) == last).count();
            if lower > 0 {
                self.merge(lower + 1);
            } else if last == level(FULL) {
                self.close_tail();
            } else if same + 1 >= FANOUT {
                self.merge(same + 1);
            } else {
                break;
            }
        }
    }

    /// Puts the last batches together, which are small.
    fn merge(&mut self, last: usize) {
        let numbers = self.tail.split_off(self.tail.len() - last);
        let chunks: Vec<Chunk> = numbers.iter().filter_map(|&number| self.chunks.remove(number)).collect();
        let columns = together(&chunks.iter().map(|chunk| chunk.values.columns()).collect::<Vec<_>>());
        let [rows, held] =
            [|chunk: &Chunk| chunk.rows, |chunk: &Chunk| chunk.held].map(|of| chunks.iter().map(of).sum());
        let until = chunks.iter().map(|chunk| chunk.until).max().unwrap_or(i64::MAX);
        numbers.iter().for_each(|&number| self.chunks.give_back(number));
        let number = self.chunks.add(Chunk { held, open: true, ..Chunk::new(columns, rows, until) });
        self.places.truncate(self.places.len() - rows);
        self.places.push(entry(number, 0), rows);
        self.tail.push(number);
    }

    /// What is small at the end becomes one batch, which stays.
    fn close_tail(&mut self) {
        if self.tail.len() > 1 {
            self.merge(self.tail.len());
        }
        if let Some(number) = self.tail.pop() {
            self.close(number);
        }
    }

    fn close(&mut self, number: u32) {
        let Some(chunk) = self.chunks.get_mut(number) else { return };
        chunk.open = false;
        if chunk.held == 0 {
            self.chunks.remove(number);
            self.chunks.give_back(number);
        } else if chunk.until != i64::MAX {
            self.until.insert((chunk.until, number));
        }
    }

    /// How many batches there are.
    #[cfg(test)]
    pub(super) fn batches(&self) -> usize {
        (0..self.chunks.end() as u32).filter(|&number| self.chunks.get(number).is_some()).count()
    }
}
