//! The extreme value of parts that come and go in the order of their times: a monotonic queue.
//!
//! A part is of use only while no later part is as extreme, so of `n` parts in random order about `ln n` are held, and
//! coming, going and reading cost O(1) amortised (the ascending minima of Tangwongsan et al., "General Incremental
//! Sliding-Window Aggregation", VLDB 2015, for one value a part). A part in the middle may become more extreme, never less.
//!
//! Invariant: times ascend strictly, and each value is strictly more extreme than those behind it.

use std::collections::VecDeque;

/// The parts that may yet be the extreme ones; of greatest values if `MAX`.
#[derive(Clone, Debug)]
pub(super) struct Stairs<K, const MAX: bool>(VecDeque<(i64, K)>);

impl<K, const MAX: bool> Default for Stairs<K, MAX> {
    fn default() -> Self {
        Stairs(VecDeque::new())
    }
}

impl<K: Ord + Copy, const MAX: bool> Stairs<K, MAX> {
    /// The value of the part at `time` is `key`, or was less extreme before.
    pub(super) fn come(&mut self, time: i64, mut key: K) {
        let beats = |key: &K, other: &K| if MAX { key > other } else { key < other };
        let mut at = match self.0.back() {
            Some((last, _)) if *last >= time => self.0.partition_point(|(other, _)| *other < time),
            _ => self.0.len(),
        };
        if let Some((_, same)) = self.0.get(at).filter(|(other, _)| *other == time) {
            key = if beats(same, &key) { *same } else { key };
            self.0.remove(at);
        }
        if self.0.get(at).is_some_and(|(_, later)| !beats(&key, later)) {
            return;
        }
        while at > 0 && !beats(&self.0[at - 1].1, &key) {
            at -= 1;
            self.0.remove(at);
        }
        self.0.insert(at, (time, key));
    }

    /// The part at `time` goes: the first one, or one that comes again.
    pub(super) fn go(&mut self, time: i64) {
        match self.0.front() {
            Some((first, _)) if *first == time => {
                self.0.pop_front();
            }
            Some((first, _)) if *first < time => {
                if let Ok(at) = self.0.binary_search_by_key(&time, |(other, _)| *other) {
                    self.0.remove(at);
                }
            }
            _ => {}
        }
    }

    /// The most extreme value.
    pub(super) fn best(&self) -> Option<K> {
        self.0.front().map(|(_, key)| *key)
    }

    /// Memory of the queue, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.0.capacity() * size_of::<(i64, K)>()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Parts come at the end or become more extreme anywhere, and go at the front; against a map of all parts.
        #[test]
        fn the_best_of_what_is_there(steps in prop::collection::vec((0u8..4, 0usize..8, 0i32..20), 0..200)) {
            let (mut least, mut most) = (Stairs::<i32, false>::default(), Stairs::<i32, true>::default());
            let mut parts: BTreeMap<i64, (i32, i32)> = BTreeMap::new();
            let mut next = -50;
            for (kind, place, key) in steps {
                match (kind, parts.len()) {
                    (0, 1..) => {
                        let (time, _) = parts.pop_first().unwrap_or_default();
                        least.go(time);
                        most.go(time);
                    }
                    (1, 1..) => {
                        // A late row: the part goes and comes again with the row in it.
                        let at = place % parts.len();
                        let Some((&time, part)) = parts.iter_mut().nth(at) else { unreachable!("below the length") };
                        *part = (part.0.min(key), part.1.max(key));
                        least.go(time);
                        least.come(time, part.0);
                        most.go(time);
                        most.come(time, part.1);
                    }
                    (2, 1..) => {
                        // A part that was there without the key and has it now.
                        let between = parts.keys().next().map_or(next, |first| first + place as i64);
                        let part = parts.entry(between).or_insert((key, key));
                        *part = (part.0.min(key), part.1.max(key));
                        least.come(between, part.0);
                        most.come(between, part.1);
                        next = next.max(between + 1);
                    }
                    _ => {
                        parts.insert(next, (key, key));
                        least.come(next, key);
                        most.come(next, key);
                        next += 1 + place as i64;
                    }
                }
                prop_assert_eq!(least.best(), parts.values().map(|part| part.0).min());
                prop_assert_eq!(most.best(), parts.values().map(|part| part.1).max());
            }
        }
    }
}
