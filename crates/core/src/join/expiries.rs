//! How many rows have expired: counted by the time of it, when they come and when that time has passed.
//!
//! Times are rounded up, by a 32nd of how long is still to go at most; so there are few, however long rows live and however many
//! there are, and a row that has expired counts soon after.

use std::collections::BTreeMap;

/// The shift by which times are rounded while nobody knows how late it is.
const UNKNOWN: u32 = 10;

/// Rows by when they expire.
#[derive(Debug, Default)]
pub(super) struct Expiries {
    counts: BTreeMap<i64, usize>,
    waiting: usize,
    passed: usize,
}

impl Expiries {
    /// Adds rows: the last watermark at which each is of use. In any order; those are changed.
    pub(super) fn add(&mut self, expiries: &mut [i64], watermark: i64) {
        for expiry in expiries.iter_mut() {
            let shift = match watermark {
                i64::MIN => UNKNOWN,
                watermark => (64 - expiry.saturating_sub(watermark).max(0).leading_zeros()).saturating_sub(6),
            };
            let rest = (1i64 << shift) - 1;
            *expiry = expiry.checked_add(rest).map_or(i64::MAX, |above| above & !rest);
        }
        if !expiries.is_sorted() {
            expiries.sort_unstable();
        }
        for run in expiries.chunk_by(i64::eq) {
            *self.counts.entry(run[0]).or_default() += run.len();
        }
        self.waiting += expiries.len();
    }

    /// Notes how late it is.
    pub(super) fn pass(&mut self, watermark: i64) {
        while let Some(first) = self.counts.first_entry().filter(|first| *first.key() < watermark) {
            let rows = first.remove();
            self.waiting -= rows;
            self.passed += rows;
        }
    }

    /// How many have expired since the last of them were forgotten, about.
    pub(super) fn passed(&self) -> usize {
        self.passed
    }

    /// Those that had expired were forgotten, and so many are left.
    pub(super) fn left(&mut self, rows: usize) {
        self.passed = 0;
        // What was forgotten but had not passed yet is soonest.
        while self.waiting > rows
            && let Some(mut first) = self.counts.first_entry()
        {
            let more = (self.waiting - rows).min(*first.get());
            self.waiting -= more;
            match *first.get() - more {
                0 => drop(first.remove()),
                less => *first.get_mut() = less,
            }
        }
    }

    /// Memory held, in bytes, about.
    pub(super) fn bytes(&self) -> usize {
        self.counts.len() * 2 * size_of::<(i64, usize)>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_count_soon_after_they_expire() {
        let mut expiries = Expiries::default();
        let all: Vec<i64> =
            (0..100_000i64).map(|row| 1_000_000 + row * 7_919 % 1_000_000).chain([i64::MAX; 10]).collect();
        expiries.add(&mut all.clone(), 1_000_000);
        assert!(expiries.counts.len() < 600, "{} times", expiries.counts.len());
        for watermark in (1_000_000..2_100_000).step_by(1_000) {
            expiries.pass(watermark);
            let expired = all.iter().filter(|expiry| **expiry < watermark).count();
            let surely = all.iter().filter(|at| at.saturating_add((**at - 1_000_000) / 32) < watermark).count();
            assert!((surely..=expired).contains(&expiries.passed()), "{} of {expired}", expiries.passed());
        }
        assert_eq!(expiries.passed(), 100_000);
        expiries.left(10);
        assert_eq!((expiries.passed(), expiries.waiting), (0, 10));
    }

    #[test]
    fn what_is_forgotten_early_is_not_counted_again() {
        let mut expiries = Expiries::default();
        expiries.add(&mut [5_000, 7_000, 7_000, i64::MIN], 0);
        expiries.pass(1);
        assert_eq!(expiries.passed(), 1);
        expiries.left(2);
        expiries.pass(8_000);
        assert_eq!(expiries.passed(), 2);
        // Before the first watermark.
        expiries.add(&mut [9_000], i64::MIN);
        expiries.pass(11_000);
        assert_eq!(expiries.passed(), 3);
    }
}
