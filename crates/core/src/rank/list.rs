//! A sorted list of entries whose order is known outside of it. Inserting and removing cost O(log n) comparisons and the
//! move of one block at most.

use std::cmp::Ordering;

use super::store::Entry;

/// Entries in a block before it is split.
const BLOCK: usize = 256;

/// A sorted list. Most partitions have one row: it needs no memory of its own.
#[derive(Debug)]
pub(super) enum List {
    One(Entry),
    /// Any other number; none is no blocks.
    Blocks(Option<Box<Blocks>>),
}

/// Entries by blocks; there is one, and no block is empty.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    blocks: Vec<Vec<Entry>>,
    len: usize,
}

/// Two words a list: which of both it is shows in the entry.
const _: () = assert!(size_of::<List>() == size_of::<Entry>());

impl Default for List {
    fn default() -> List {
        List::Blocks(None)
    }
}

impl List {
    fn parts(&self) -> (&[Entry], &[Vec<Entry>]) {
        match self {
            List::One(entry) => (std::slice::from_ref(entry), &[]),
            List::Blocks(Some(blocks)) => (&[], &blocks.blocks),
            List::Blocks(None) => (&[], &[]),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        matches!(self, List::Blocks(None))
    }

    pub(super) fn len(&self) -> usize {
        match self {
            List::One(_) => 1,
            List::Blocks(blocks) => blocks.as_ref().map_or(0, |blocks| blocks.len),
        }
    }

    /// Memory held, in bytes, without the list itself.
    pub(super) fn bytes(&self) -> usize {
        let List::Blocks(Some(blocks)) = self else { return 0 };
        let block = |block: &Vec<Entry>| size_of::<Vec<Entry>>() + block.capacity() * size_of::<Entry>();
        size_of::<Blocks>() + blocks.blocks.iter().map(block).sum::<usize>()
    }

    #[inline]
    pub(super) fn last(&self) -> Option<Entry> {
        match self {
            List::One(entry) => Some(*entry),
            List::Blocks(Some(blocks)) => blocks.blocks.last().and_then(|block| block.last().copied()),
            List::Blocks(None) => None,
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Entry> {
        let (one, blocks) = self.parts();
        one.iter().chain(blocks.iter().flatten()).copied()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Entry> {
        let (one, blocks): (&mut [Entry], &mut [Vec<Entry>]) = match self {
            List::One(entry) => (std::slice::from_mut(entry), &mut []),
            List::Blocks(Some(blocks)) => (&mut [], &mut blocks.blocks),
            List::Blocks(None) => (&mut [], &mut []),
        };
        one.iter_mut().chain(blocks.iter_mut().flatten())
    }

    /// Inserts behind all entries that are not greater; `order` compares an entry of the list with the new one.
    pub(super) fn insert(&mut self, entry: Entry, order: impl Fn(Entry) -> Ordering) {
        match self {
            List::Blocks(None) => *self = List::One(entry),
            List::One(other) => {
                let mut block = Vec::with_capacity(4);
                block.extend(if order(*other).is_gt() { [entry, *other] } else { [*other, entry] });
                *self = List::Blocks(Some(Box::new(Blocks { blocks: vec![block], len: 2 })));
            }
            List::Blocks(Some(whole)) => {
                let blocks = &mut whole.blocks;
                let before = |block: &Vec<Entry>| block.last().is_some_and(|&last| order(last).is_le());
                let mut at = blocks.partition_point(before).min(blocks.len() - 1);
                let mut place = blocks[at].partition_point(|&other| order(other).is_le());
                if blocks[at].len() == BLOCK {
                    // Where rows come in order, full blocks stay behind.
                    let keep = if place == BLOCK { BLOCK } else { BLOCK / 2 };
                    let tail = blocks[at].split_off(keep);
                    blocks.insert(at + 1, tail);
                    if place >= keep {
                        (at, place) = (at + 1, place - keep);
                    }
                }
                blocks[at].insert(place, entry);
                whole.len += 1;
            }
        }
    }

    /// Removes one entry that is equal; `order` compares an entry of the list with the one looked for.
    pub(super) fn remove(&mut self, order: impl Fn(Entry) -> Ordering) -> Option<Entry> {
        match self {
            List::One(entry) => {
                let found = order(*entry).is_eq().then_some(*entry)?;
                *self = List::default();
                Some(found)
            }
            List::Blocks(whole) => {
                let whole = whole.as_mut()?;
                let before = |block: &Vec<Entry>| block.last().is_some_and(|&last| order(last).is_lt());
                let at = whole.blocks.partition_point(before);
                let block = whole.blocks.get_mut(at)?;
                let place = block.partition_point(|&other| order(other).is_lt());
                if block.get(place).is_none_or(|&other| order(other).is_ne()) {
                    return None;
                }
                let found = block.remove(place);
                self.shrunk(at);
                Some(found)
            }
        }
    }

    /// Takes the last entry off.
    pub(super) fn pop(&mut self) -> Option<Entry> {
        let List::Blocks(whole) = self else {
            let last = self.last();
            *self = List::default();
            return last;
        };
        let blocks = &mut whole.as_mut()?.blocks;
        let last = blocks.last_mut()?.pop();
        let at = blocks.len() - 1;
        self.shrunk(at);
        last
    }

    /// An entry of a block was taken.
    fn shrunk(&mut self, at: usize) {
        let List::Blocks(Some(whole)) = self else { return };
        whole.len -= 1;
        if whole.blocks[at].is_empty() {
            whole.blocks.remove(at);
        }
        if whole.blocks.is_empty() {
            *self = List::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::store::Place;
    use super::*;

    #[test]
    fn a_list_holds_what_a_sorted_vector_holds() {
        let (mut list, mut expected) = (List::default(), Vec::<(u64, Place)>::new());
        let mut state = 7u64;
        let mut random = |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) % below
        };
        for step in 0..20_000u32 {
            // Grows, shrinks to nothing, grows in order.
            let (phase, word) = (step / 4000, random(500));
            let word = if phase == 4 { u64::from(step) } else { word };
            match random(10) < [8, 2, 5, 1, 9][phase as usize] {
                true => {
                    let entry = Entry::new(word, Place::new(step, 3));
                    list.insert(entry, |other| other.word.cmp(&word));
                    let at = expected.partition_point(|(other, _)| *other <= word);
                    expected.insert(at, (word, entry.place));
                }
                false if random(2) == 0 => {
                    let popped = list.pop().map(|entry| (entry.word, entry.place));
                    assert_eq!(popped, expected.pop());
                }
                false => {
                    let removed = list.remove(|other| other.word.cmp(&word)).map(|entry| entry.word);
                    let at = expected.iter().position(|(other, _)| *other == word);
                    assert_eq!(removed, at.map(|at| expected.remove(at).0));
                }
            }
            assert_eq!((list.len(), list.is_empty()), (expected.len(), expected.is_empty()));
            assert_eq!(list.last().map(|last| last.word), expected.last().map(|last| last.0));
            if step % 97 == 0 {
                assert!(list.iter().map(|entry| entry.word).eq(expected.iter().map(|(word, _)| *word)));
                assert_eq!(list.iter_mut().count(), expected.len());
            }
        }
    }
}
