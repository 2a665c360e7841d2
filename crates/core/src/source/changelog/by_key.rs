//! The row of each key, and where the change that put it in stands.
//!
//! Where changes meet by event time, one that stands before the last of its key does nothing, whenever it comes. Which of them takes
//! out what is not there is found out in their order too, once the watermark has passed them: nothing that comes then stands before
//! them. Until then they are remembered, and so is a key that was taken out.

use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::SchemaRef;

use super::current::{FEW, NONE, types};
use crate::aggregate::Keys;

/// Before every change.
const FIRST: (i64, i64) = (i64::MIN, i64::MIN);

pub(super) struct ByKey {
    /// The columns of the key.
    pub(super) columns: Vec<usize>,
    pub(super) keys: Keys,
    /// Per key the row that is there.
    pub(super) there: Vec<u32>,
    /// Changes meet by event time: then what follows is kept.
    pub(super) by_time: bool,
    /// Per key where its last change stands, and whether a row was there behind all that the watermark has passed.
    pub(super) last: Vec<(i64, i64)>,
    pub(super) was: Vec<bool>,
    /// Changes that the watermark was not seen to have passed.
    pub(super) recent: Vec<Recent>,
    sweep_at: usize,
}

/// A change.
#[derive(Clone, Copy, Debug)]
pub(super) struct Recent {
    /// Where it stands.
    pub(super) turn: (i64, i64),
    pub(super) record: i64,
    pub(super) key: u32,
    /// A row is put in, not taken out.
    pub(super) adds: bool,
}

impl ByKey {
    pub(super) fn new(schema: &SchemaRef, columns: Vec<usize>, by_time: bool) -> ByKey {
        let keys = Keys::new(&types(schema, columns.iter().copied()));
        let (last, was, recent) = (Vec::new(), Vec::new(), Vec::new());
        ByKey { columns, keys, there: Vec::new(), by_time, last, was, recent, sweep_at: FEW }
    }

    /// The numbers of the keys of rows.
    pub(super) fn intern(&mut self, rows: &RecordBatch) -> Vec<u32> {
        let columns: Vec<ArrayRef> = self.columns.iter().map(|&column| rows.column(column).clone()).collect();
        self.intern_columns(&columns, rows.num_rows())
    }

    pub(super) fn intern_columns(&mut self, columns: &[ArrayRef], rows: usize) -> Vec<u32> {
        let mut found = Vec::new();
        self.keys.intern(columns, rows, &mut found);
        self.there.resize(self.keys.end(), NONE);
        if self.by_time {
            self.last.resize(self.keys.end(), FIRST);
            self.was.resize(self.keys.end(), false);
        }
        found
    }

    /// Puts a row in, or takes one out; answers what was there, `None` if a newer change came before it.
    pub(super) fn put(&mut self, row: u32, change: Recent) -> Option<u32> {
        let key = change.key as usize;
        if self.by_time {
            self.recent.push(change);
            if change.turn < self.last[key] {
                return None;
            }
            self.last[key] = change.turn;
        }
        Some(std::mem::replace(&mut self.there[key], row))
    }

    /// Forgets those of these keys that are not there, unless changes that stand before that may come.
    pub(super) fn forget(&mut self, mut keys: Vec<u32>) {
        if !self.by_time {
            keys.sort_unstable();
            keys.dedup();
            keys.retain(|&key| self.there[key as usize] == NONE);
            self.keys.remove(&keys);
        }
    }

    /// Nothing that stands before the watermark comes any more. Answers the changes that took out what was not there, and their
    /// keys; looks at them as often as as many have come as are left.
    pub(super) fn expire(&mut self, watermark: i64) -> (Vec<Recent>, Vec<ArrayRef>) {
        if self.recent.is_empty() || self.recent.len() < self.sweep_at && watermark < i64::MAX {
            return (Vec::new(), Vec::new());
        }
        let (mut passed, recent): (Vec<Recent>, Vec<Recent>) =
            self.recent.drain(..).partition(|change| change.turn.0 < watermark);
        self.recent = recent;
        self.sweep_at = FEW.max(2 * self.recent.len());
        passed.sort_unstable_by_key(|change| change.turn);
        let (mut unknown, mut gone) = (Vec::new(), Vec::new());
        for change in passed {
            let key = change.key as usize;
            if !std::mem::replace(&mut self.was[key], change.adds) && !change.adds {
                unknown.push(change);
            }
            if self.there[key] == NONE && self.last[key] == change.turn {
                self.last[key] = FIRST;
                gone.push(change.key);
            }
        }
        let columns = self.keys.columns(&unknown.iter().map(|change| change.key).collect::<Vec<_>>());
        self.keys.remove(&gone);
        (unknown, columns)
    }

    pub(super) fn bytes(&self) -> usize {
        let by_time = self.last.capacity() * 16 + self.was.capacity() + self.recent.capacity() * size_of::<Recent>();
        self.keys.bytes() + self.there.capacity() * 4 + by_time
    }
}
