//! A sorted list of entries whose order is known outside of it. Inserting and removing cost O(log n) comparisons and the
//! move of one block at most.

use std::cmp::Ordering;

use super::store::Entry;

/// Entries in a block before it is split.
const BLOCK: usize = 512;

/// A sorted list. Most partitions have one row: it needs no memory of its own.
#[derive(Debug, Default)]
#[allow(clippy::box_collection, reason = "most lists have one entry: two words a list, not three")]
pub(super) enum List {
    #[default]
    Empty,
    One(Entry),
    /// No block is empty.
    Blocks(Box<Vec<Vec<Entry>>>),
}

impl List {
    pub(super) fn is_empty(&self) -> bool {
        matches!(self, List::Empty)
    }

    pub(super) fn len(&self) -> usize {
        match self {
            List::Empty => 0,
            List::One(_) => 1,
            List::Blocks(blocks) => blocks.iter().map(Vec::len).sum(),
        }
    }

    /// Memory held, in bytes, without the list itself.
    pub(super) fn bytes(&self) -> usize {
        match self {
            List::Empty | List::One(_) => 0,
            List::Blocks(blocks) => {
                let block = |block: &Vec<Entry>| size_of::<Vec<Entry>>() + block.capacity() * size_of::<Entry>();
                size_of::<Vec<Vec<Entry>>>() + blocks.iter().map(block).sum::<usize>()
            }
        }
    }

    pub(super) fn last(&self) -> Option<Entry> {
        match self {
            List::Empty => None,
            List::One(entry) => Some(*entry),
            List::Blocks(blocks) => blocks.last().and_then(|block| block.last().copied()),
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Entry> {
        let (one, blocks): (&[Entry], &[Vec<Entry>]) = match self {
            List::Empty => (&[], &[]),
            List::One(entry) => (std::slice::from_ref(entry), &[]),
            List::Blocks(blocks) => (&[], blocks),
        };
        one.iter().chain(blocks.iter().flatten()).copied()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Entry> {
        let (one, blocks): (&mut [Entry], &mut [Vec<Entry>]) = match self {
            List::Empty => (&mut [], &mut []),
            List::One(entry) => (std::slice::from_mut(entry), &mut []),
            List::Blocks(blocks) => (&mut [], blocks),
        };
        one.iter_mut().chain(blocks.iter_mut().flatten())
    }

    /// Inserts behind all entries that are not greater; `order` compares an entry of the list with the new one.
    pub(super) fn insert(&mut self, entry: Entry, order: impl Fn(Entry) -> Ordering) {
        match self {
            List::Empty => *self = List::One(entry),
            List::One(other) => {
                let mut block = Vec::with_capacity(4);
                block.extend(if order(*other).is_gt() { [entry, *other] } else { [*other, entry] });
                *self = List::Blocks(Box::new(vec![block]));
            }
            List::Blocks(blocks) => {
                let before = |block: &Vec<Entry>| block.last().is_some_and(|&last| order(last).is_le());
                let at = blocks.partition_point(before).min(blocks.len() - 1);
                let block = &mut blocks[at];
                let place = block.partition_point(|&other| order(other).is_le());
                block.insert(place, entry);
                if block.len() > BLOCK {
                    let tail = block.split_off(BLOCK / 2);
                    blocks.insert(at + 1, tail);
                }
            }
        }
    }

    /// Removes one entry that is equal; `order` compares an entry of the list with the one looked for.
    pub(super) fn remove(&mut self, order: impl Fn(Entry) -> Ordering) -> Option<Entry> {
        match self {
            List::Empty => None,
            List::One(entry) => {
                let found = order(*entry).is_eq().then_some(*entry)?;
                *self = List::Empty;
                Some(found)
            }
            List::Blocks(blocks) => {
                let before = |block: &Vec<Entry>| block.last().is_some_and(|&last| order(last).is_lt());
                let at = blocks.partition_point(before);
                let block = blocks.get_mut(at)?;
                let place = block.partition_point(|&other| order(other).is_lt());
                if block.get(place).is_none_or(|&other| order(other).is_ne()) {
                    return None;
                }
                let found = block.remove(place);
                if block.is_empty() {
                    blocks.remove(at);
                }
                if blocks.is_empty() {
                    *self = List::Empty;
                }
                Some(found)
            }
        }
    }

    /// Takes the last entry off.
    pub(super) fn pop(&mut self) -> Option<Entry> {
        let List::Blocks(blocks) = self else {
            let last = self.last();
            *self = List::Empty;
            return last;
        };
        let block = blocks.last_mut()?;
        let last = block.pop();
        if block.is_empty() {
            blocks.pop();
        }
        if blocks.is_empty() {
            *self = List::Empty;
        }
        last
    }
}
