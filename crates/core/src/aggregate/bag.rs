//! A multiset that is written often and read as a whole: a sorted run and an unsorted tail. Adding costs O(log n)
//! amortised (about 20 ns), memory is that of the different values.
//!
//! Invariant: the run has ascending values, none with count zero. A count is negative only while a value was taken back
//! before it was added.

/// Values with their counts.
#[derive(Clone, Debug)]
pub(super) struct Bag<K> {
    run: Vec<(K, i64)>,
    tail: Vec<(K, i64)>,
}

/// The shortest tail that is worth sorting.
const TAIL: usize = 32;

impl<K> Default for Bag<K> {
    fn default() -> Self {
        Bag { run: Vec::new(), tail: Vec::new() }
    }
}

impl<K: Ord> Bag<K> {
    /// Adds `value`, `times` times. Answers whether it is time to [`Bag::settle`].
    #[inline]
    pub(super) fn add(&mut self, value: K, times: i64) -> bool {
        self.tail.push((value, times));
        self.tail.len() >= TAIL.max(self.run.len() / 2)
    }

    /// Sorts the tail into the run.
    pub(super) fn settle(&mut self) {
        if self.tail.is_empty() {
            return;
        }
        self.tail.sort_unstable_by(|left, right| left.0.cmp(&right.0));
        let mut merged: Vec<(K, i64)> = Vec::with_capacity(self.run.len() + self.tail.len());
        let mut run = std::mem::take(&mut self.run).into_iter().peekable();
        let mut push = |(value, count): (K, i64)| match merged.last_mut() {
            Some((last, total)) if *last == value => *total += count,
            Some((_, 0)) => {
                merged.pop();
                merged.push((value, count));
            }
            _ => merged.push((value, count)),
        };
        for (value, count) in self.tail.drain(..) {
            while let Some(earlier) = run.next_if(|(earlier, _)| *earlier <= value) {
                push(earlier);
            }
            push((value, count));
        }
        run.for_each(push);
        merged.pop_if(|(_, count)| *count == 0);
        if merged.capacity() > 2 * merged.len() {
            merged.shrink_to_fit();
        }
        self.run = merged;
    }

    /// Keeps only entries of the settled run for which `keep` holds, asked in order.
    pub(super) fn retain(&mut self, mut keep: impl FnMut(&K) -> bool) {
        self.run.retain(|(value, _)| keep(value));
    }

    /// The values that are there, in order. Settle first.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&K, i64)> {
        debug_assert!(self.tail.is_empty());
        self.run.iter().map(|(value, count)| (value, *count)).filter(|(_, count)| *count > 0)
    }

    /// All entries, also negative ones, settled or not, in no order.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&K, i64)> {
        self.run.iter().chain(&self.tail).map(|(value, count)| (value, *count))
    }

    /// Memory held, in bytes, without what values point to.
    pub(super) fn bytes(&self) -> usize {
        (self.run.capacity() + self.tail.capacity()) * size_of::<(K, i64)>()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::Bag;

    #[test]
    fn settles_to_the_counts() {
        let mut seed = 7u64;
        for length in [0, 1, 31, 32, 33, 500, 3000] {
            let (mut bag, mut oracle) = (Bag::default(), BTreeMap::new());
            for _ in 0..length {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let (value, times) = ((seed >> 33) % 40, ((seed >> 50) % 3) as i64 - 1);
                *oracle.entry(value).or_insert(0) += times;
                if bag.add(value, times) {
                    bag.settle();
                    assert!(bag.run.windows(2).all(|pair| pair[0].0 < pair[1].0));
                    assert!(bag.run.iter().all(|(_, count)| *count != 0));
                }
            }
            bag.settle();
            oracle.retain(|_, count| *count != 0);
            assert_eq!(bag.run, oracle.into_iter().collect::<Vec<_>>());
        }
    }
}
