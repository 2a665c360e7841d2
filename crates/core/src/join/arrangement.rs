//! The rows of one relation under a key, kept once for all joins that find them by it, each at an epoch of its own.
//!
//! An *arrangement* takes in whole epochs as they are complete, however far its readers are. A reader asks how often a row
//! is there at its epoch: that is how often it is there now, less the changes of later epochs. Those are kept until every
//! reader has passed them, so what is kept besides the rows is as much as the readers are apart.

use std::collections::VecDeque;

use arrow_schema::{DataType, SchemaRef};
use hashbrown::HashMap;
use hashbrown::hash_map::Entry;

use super::chains::Walk;
use super::side::{NONE, Rows, Shape, retain};
use crate::aggregate::Keys;
use crate::delta::{Delta, Unfit};
use crate::kept::Kept;
use crate::time::Epoch;

/// Arrangements of fewer rows are not looked through for dead ones. Tests have few rows.
const FEW: usize = if cfg!(test) { 8 } else { 1024 };

/// Changes of rows, by slot.
pub(super) type Changes = Vec<(u32, i64)>;

/// An epoch that not every reader has passed.
#[derive(Debug)]
struct Applied {
    epoch: Epoch,
    /// The first slot that came with it.
    first: u32,
    changes: Changes,
}

/// The changes of a row in epochs that not every reader has passed, ascending.
#[derive(Debug)]
struct Recent {
    earlier: Vec<(Epoch, i64)>,
    last: (Epoch, i64),
}

/// Rows under a key.
#[derive(Debug)]
pub struct Arrangement {
    /// The key columns of which none may be NULL.
    required: Vec<usize>,
    types: Vec<DataType>,
    keys: Keys,
    rows: Rows,
    /// By epoch, ascending.
    applied: VecDeque<Applied>,
    /// Per slot of rows that may be taken back: its changes in those epochs, ascending.
    recent: HashMap<u32, Recent>,
    /// Where each reader is: it asks for no epoch before.
    readers: Vec<Epoch>,
}

/// What a row of an arrangement is at an epoch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Standing {
    /// How often it is there, with the changes of the epoch.
    pub(super) count: i64,
    /// By how much the epoch changes that.
    pub(super) change: i64,
}

/// The arrangement at one epoch.
#[derive(Clone, Copy, Debug)]
pub(super) struct At {
    epoch: Epoch,
    /// Slots of the epoch, and where those of later ones begin.
    first: u32,
    end: u32,
}

impl Arrangement {
    /// Without rows, which are of this schema, by these of its columns. `nulls_equal` says whether a NULL key is one,
    /// `retracting` whether rows are taken back.
    pub fn new(schema: &SchemaRef, keys: &[usize], nulls_equal: bool, retracting: bool) -> Arrangement {
        let types: Vec<DataType> = keys.iter().map(|&key| schema.field(key).data_type().clone()).collect();
        Arrangement {
            keys: Keys::new(&types),
            types,
            rows: Rows::new(Shape::plain(schema, keys, retracting)),
            required: if nulls_equal { Vec::new() } else { keys.to_vec() },
            applied: VecDeque::new(),
            recent: HashMap::new(),
            readers: Vec::new(),
        }
    }

    /// One more reader; its number. Before anything is applied.
    pub fn reader(&mut self) -> usize {
        self.readers.push(Epoch::MIN);
        self.readers.len() - 1
    }

    /// Takes in all changes of one epoch. Epochs ascend.
    pub fn apply(&mut self, epoch: Epoch, deltas: &[Delta]) {
        self.rows.begin();
        for delta in deltas {
            let (keyed, _) = delta.without_nulls(&self.required);
            self.rows.insert(&keyed, &mut self.keys, epoch.watermark);
        }
        self.rows.settle();
        let changes: Changes = self.rows.changed.iter().map(|&slot| (slot, self.rows.change(slot))).collect();
        if self.rows.counted() {
            for &(slot, change) in &changes {
                let last = (epoch, change);
                let more = |recent: &mut Recent| recent.earlier.push(std::mem::replace(&mut recent.last, last));
                self.recent.entry(slot).and_modify(more).or_insert(Recent { earlier: Vec::new(), last });
            }
        }
        self.applied.push_back(Applied { epoch, first: self.rows.fresh, changes });
        // What was there is so for who asks for an earlier epoch.
        let gone = self.rows.end();
        self.rows.release(gone.into_iter().filter(|slot| !self.recent.contains_key(slot)));
    }

    /// A reader will ask for no epoch before this one.
    pub fn pass(&mut self, reader: usize, epoch: Epoch) {
        self.readers[reader] = epoch;
        let least = self.readers.iter().min().copied().unwrap_or(epoch);
        while self.applied.front().is_some_and(|applied| applied.epoch < least) {
            let Some(Applied { changes, .. }) = self.applied.pop_front() else { break };
            for (slot, _) in changes {
                match self.recent.entry(slot) {
                    Entry::Occupied(mut recent) if !recent.get().earlier.is_empty() => {
                        recent.get_mut().earlier.remove(0);
                    }
                    Entry::Occupied(recent) => {
                        recent.remove();
                        self.rows.release((self.rows.count(slot) == 0).then_some(slot));
                    }
                    Entry::Vacant(_) => {}
                }
            }
        }
        if self.rows.len() >= FEW && self.rows.dead_slots() * 2 >= self.rows.len() {
            self.compact();
        }
    }

    /// The rows that are there, by pieces of so many. All readers have passed what was applied.
    pub fn save(&self, rows: usize) -> Vec<Delta> {
        let there: Vec<u32> = (0..self.rows.len() as u32).filter(|&slot| self.rows.count(slot) != 0).collect();
        there.chunks(rows).map(|slots| self.rows.save(slots)).collect()
    }

    /// Takes in rows as they were saved. Before anything is applied.
    pub fn load(&mut self, rows: &Delta) -> Result<(), Unfit> {
        self.rows.load(rows, None, &mut self.keys)
    }

    /// The schema of the rows, and the columns that they are found by.
    pub fn shape(&self) -> (&SchemaRef, &[usize]) {
        (&self.rows.shape.schema, &self.rows.shape.keys)
    }

    /// Number of rows held.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether no row is held.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Memory held, in bytes, about.
    pub fn bytes(&self) -> usize {
        let changes: usize = self.applied.iter().map(|applied| applied.changes.capacity() * 16).sum();
        self.keys.bytes() + self.rows.bytes() + changes + self.recent.allocation_size()
    }

    /// The rows' columns.
    pub(super) fn columns(&self) -> &Kept {
        &self.rows.kept
    }

    /// It at an epoch that was applied, or brought nothing.
    pub(super) fn at(&self, epoch: Epoch) -> At {
        let later = self.applied.partition_point(|applied| applied.epoch <= epoch);
        let end = self.applied.get(later).map_or(self.rows.len() as u32, |applied| applied.first);
        let own = later.checked_sub(1).and_then(|last| self.applied.get(last)).filter(|last| last.epoch == epoch);
        At { epoch, first: own.map_or(end, |own| own.first), end }
    }

    /// What an epoch changed, with the numbers of the rows' keys in `other`; rows whose key is not there are left out.
    pub(super) fn changes(&self, epoch: Epoch, other: &Arrangement) -> Vec<(u32, i64, u32)> {
        let Ok(at) = self.applied.binary_search_by_key(&epoch, |applied| applied.epoch) else { return Vec::new() };
        let changes = &self.applied[at].changes;
        let keys: Vec<u32> = changes.iter().map(|&(slot, _)| self.rows.chains.key[slot as usize]).collect();
        let found = other.keys.find_from(&self.keys, &keys);
        changes.iter().zip(found).filter_map(|(&(slot, change), key)| Some((slot, change, key?))).collect()
    }

    /// What a row is at an epoch.
    #[inline]
    pub(super) fn standing(&self, slot: u32, at: &At) -> Standing {
        standing(self.rows.counted().then(|| self.rows.count(slot)), &self.recent, slot, at)
    }

    /// The rows of a key, none of which was met yet.
    #[inline]
    pub(super) fn begin(&self, key: u32) -> Walk {
        self.rows.chains.begin(key)
    }

    /// Calls `meet` with the next rows of a key that are, or were, there, `most` at most. Whether there may be more.
    #[inline]
    pub(super) fn walk(&mut self, walk: (&mut Walk, usize), at: &At, mut meet: impl FnMut(u32, Standing)) -> bool {
        let Arrangement { rows, recent, .. } = self;
        let counted = rows.counted();
        let alive = |slot: u32, count: i64| count != 0 || recent.contains_key(&slot);
        rows.walk_all(walk, alive, |slot, count| meet(slot, standing(counted.then_some(count), recent, slot, at)))
    }

    /// Forgets the rows that are not there, and were for no reader; the others get other slots.
    fn compact(&mut self) {
        let there = |&slot: &u32| self.rows.count(slot) != 0 || self.recent.contains_key(&slot);
        let live: Vec<u32> = (0..self.rows.len() as u32).filter(there).collect();
        let mut place = vec![NONE; self.rows.len()];
        live.iter().zip(0..).for_each(|(&slot, new)| place[slot as usize] = new);
        let (rows, slots) = (std::slice::from_mut(&mut self.rows), std::slice::from_ref(&live));
        retain(rows, slots, &mut self.keys, &self.types);
        for applied in &mut self.applied {
            applied.first = live.partition_point(|&slot| slot < applied.first) as u32;
            applied.changes.iter_mut().for_each(|(slot, _)| *slot = place[*slot as usize]);
        }
        let recent = std::mem::take(&mut self.recent).into_iter();
        self.recent = recent.map(|(slot, changes)| (place[slot as usize], changes)).collect();
    }
}

/// What a row is at an epoch; `count` is how often it is there by now, if that is counted.
#[inline]
fn standing(count: Option<i64>, recent: &HashMap<u32, Recent>, slot: u32, at: &At) -> Standing {
    let Some(mut count) = count else {
        return Standing { count: i64::from(slot < at.end), change: i64::from(slot >= at.first && slot < at.end) };
    };
    let mut change = 0;
    if !recent.is_empty()
        && let Some(Recent { earlier, last }) = recent.get(&slot)
    {
        for (epoch, diff) in std::iter::once(last).chain(earlier.iter().rev()) {
            match epoch.cmp(&at.epoch) {
                std::cmp::Ordering::Greater => count -= diff,
                std::cmp::Ordering::Equal => change = *diff,
                std::cmp::Ordering::Less => break,
            }
        }
    }
    Standing { count, change }
}
