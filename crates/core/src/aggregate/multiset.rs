//! An ordered multiset: how often each value is there. Adding, taking back and reading an end cost O(log n).
//!
//! Invariant: no count is zero. A count is negative only while a value was taken back before it was added.

use std::collections::BTreeMap;

/// Values with their counts.
#[derive(Clone, Debug)]
pub(super) struct Multiset<K>(BTreeMap<K, i64>);

impl<K> Default for Multiset<K> {
    fn default() -> Self {
        Multiset(BTreeMap::new())
    }
}

impl<K: Ord> Multiset<K> {
    /// Adds `value`, `times` times.
    pub(super) fn add(&mut self, value: K, times: i64) {
        use std::collections::btree_map::Entry;
        match self.0.entry(value) {
            Entry::Vacant(entry) => {
                if times != 0 {
                    entry.insert(times);
                }
            }
            Entry::Occupied(mut entry) => {
                *entry.get_mut() += times;
                if *entry.get() == 0 {
                    entry.remove();
                }
            }
        }
    }

    /// The least value.
    pub(super) fn first(&self) -> Option<&K> {
        self.iter().next().map(|(value, _)| value)
    }

    /// The greatest value.
    pub(super) fn last(&self) -> Option<&K> {
        self.0.iter().rev().find(|(_, count)| **count > 0).map(|(value, _)| value)
    }

    /// All values that are there, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&K, i64)> {
        self.0.iter().map(|(value, &count)| (value, count)).filter(|(_, count)| *count > 0)
    }

    /// All counts, also negative ones.
    pub(super) fn counts(&self) -> impl Iterator<Item = (&K, i64)> {
        self.0.iter().map(|(value, &count)| (value, count))
    }

    /// Memory of the tree, in bytes, without what values point to.
    pub(super) fn bytes(&self) -> usize {
        // Nodes are about two thirds full.
        self.0.len() * (size_of::<K>() + 8) * 3 / 2
    }
}
