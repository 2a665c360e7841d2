//! What is measured of the order of one partition's rows: how many came on time, how many late, and how far behind.
//!
//! All times and differences are in ms. Invariant: `on_time + accepted_late + rejected_late` is the number of rows with an
//! event time, and so is the histogram's total.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::leaps::Leaps;

/// Two buckets per power of two, up to 2^41 ms (70 years); the last takes all beyond.
const BUCKETS: usize = 84;

/// How far rows were behind the latest event time before them, or behind the watermark if others moved it further, in
/// exponential buckets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "Vec<u64>", try_from = "Vec<u64>")]
pub struct LatenessHistogram {
    counts: [u64; BUCKETS],
}

impl Default for LatenessHistogram {
    fn default() -> Self {
        LatenessHistogram { counts: [0; BUCKETS] }
    }
}

impl From<LatenessHistogram> for Vec<u64> {
    fn from(histogram: LatenessHistogram) -> Vec<u64> {
        histogram.counts.to_vec()
    }
}

impl TryFrom<Vec<u64>> for LatenessHistogram {
    type Error = String;

    fn try_from(counts: Vec<u64>) -> Result<LatenessHistogram, String> {
        let buckets = counts.len();
        let counts =
            counts.try_into().map_err(|_| format!("{buckets} buckets of lateness, where {BUCKETS} are kept"))?;
        Ok(LatenessHistogram { counts })
    }
}

impl LatenessHistogram {
    /// Counts `rows` rows that were exactly `behind_ms` behind (0 is in order).
    #[inline]
    pub fn add(&mut self, behind_ms: i64, rows: u64) {
        self.counts[bucket(behind_ms)] += rows;
    }

    /// Adds another's rows.
    pub fn merge(&mut self, other: &LatenessHistogram) {
        for (count, more) in self.counts.iter_mut().zip(other.counts) {
            *count += more;
        }
    }

    /// Number of rows counted.
    pub fn rows(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Each bucket's upper bound (inclusive, ms; `i64::MAX` for the last) with its rows, ascending.
    pub fn buckets(&self) -> impl Iterator<Item = (i64, u64)> + '_ {
        self.counts.iter().enumerate().map(|(index, &count)| (upper(index), count))
    }

    /// The smallest bucket bound in ms that covers this share of the rows (`0.99`): a watermark with that bound would
    /// have found them on time. 0 if there are no rows.
    pub fn bound_ms(&self, share: f64) -> i64 {
        let rows = self.rows();
        let wanted = (share * rows as f64).ceil() as u64;
        let mut seen = 0;
        for (bound, count) in self.buckets() {
            seen += count;
            if seen >= wanted {
                return bound;
            }
        }
        i64::MAX
    }
}

/// The bucket of a difference: 0, 1, 2, 3, 4, then two per power of two.
fn bucket(behind_ms: i64) -> usize {
    if behind_ms <= 1 {
        return usize::from(behind_ms == 1);
    }
    // Bounds are inclusive: 2^k and 1.5 * 2^k belong to the bucket they bound.
    let below = behind_ms as u64 - 1;
    let power = below.ilog2() as usize;
    let upper_half = power > 0 && below >> (power - 1) & 1 == 1;
    (2 * power + usize::from(upper_half) + if power == 0 { 2 } else { 1 }).min(BUCKETS - 1)
}

/// The inclusive upper bound of a bucket.
fn upper(index: usize) -> i64 {
    match index {
        0..=2 => index as i64,
        _ if index == BUCKETS - 1 => i64::MAX,
        _ => {
            let (power, half) = ((index - 1) / 2, (index - 1) % 2);
            if half == 0 { 3 << (power - 1) } else { 1 << (power + 1) }
        }
    }
}

/// A row that came behind the watermark. Times in ms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LateRow {
    /// Its event time.
    pub event_ms: i64,
    /// The watermark it came under.
    pub watermark_ms: i64,
    /// Whether it was taken, amending what was closed; otherwise it is a dead letter.
    pub accepted: bool,
}

/// The last late rows, newest last.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LateRows(VecDeque<LateRow>);

impl LateRows {
    /// So many are kept of a partition.
    const KEPT: usize = 64;

    /// One more.
    pub fn note(&mut self, event_ms: i64, watermark_ms: i64, accepted: bool) {
        if self.0.len() == LateRows::KEPT {
            self.0.pop_front();
        }
        self.0.push_back(LateRow { event_ms, watermark_ms, accepted });
    }

    /// All that are kept: of each partition the oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &LateRow> {
        self.0.iter()
    }
}

/// The counters of one partition.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EdgeCounts {
    /// Rows at or after the watermark they arrived at (and all rows of a source without a watermark).
    pub on_time: u64,
    /// Rows behind the watermark, within the lateness.
    pub accepted_late: u64,
    /// Rows behind the watermark by more than the lateness: dead letters.
    pub rejected_late: u64,
    /// Rows without an event time: dead letters.
    pub no_event_time: u64,
    /// Rows on which a computed column failed: dead letters.
    pub evaluation: u64,
    /// Rows that could not be decoded: dead letters.
    pub undecoded: u64,
    /// Changes that would take back what is not there: dead letters, found behind the edge.
    pub unknown: u64,
    /// Rows whose key was taken before: not taken again.
    pub duplicates: u64,
    /// Rows too far ahead of the clock to move the watermark (accepted).
    pub in_future: u64,
    /// The latest event time, those too far ahead aside.
    pub max_event_time: Option<i64>,
    /// How far rows were behind `max_event_time` or the watermark, whichever was later, when they came.
    pub lateness: LatenessHistogram,
    /// The last rows behind the watermark.
    pub late_rows: LateRows,
    /// The last rows that moved the watermark far and made others late, or are ahead of the clock.
    pub leaps: Leaps,
}

impl EdgeCounts {
    /// Rows that went into the dataflow.
    pub fn accepted(&self) -> u64 {
        (self.on_time + self.accepted_late).saturating_sub(self.unknown)
    }

    /// Rows that became dead letters.
    pub fn rejected(&self) -> u64 {
        self.rejected_late + self.no_event_time + self.evaluation + self.undecoded + self.unknown
    }

    /// All rows, whatever became of them.
    pub fn received(&self) -> u64 {
        // What is found behind the edge may have been received by another process.
        let refused = self.rejected() - self.unknown;
        self.on_time + self.accepted_late + refused + self.duplicates
    }

    /// Adds another partition's counts.
    pub fn merge(&mut self, other: &EdgeCounts) {
        self.on_time += other.on_time;
        self.accepted_late += other.accepted_late;
        self.rejected_late += other.rejected_late;
        self.no_event_time += other.no_event_time;
        self.evaluation += other.evaluation;
        self.undecoded += other.undecoded;
        self.unknown += other.unknown;
        self.duplicates += other.duplicates;
        self.in_future += other.in_future;
        self.max_event_time = self.max_event_time.max(other.max_event_time);
        self.lateness.merge(&other.lateness);
        self.late_rows.0.extend(&other.late_rows.0);
        self.leaps.merge(&other.leaps);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_hold_what_their_bounds_say() {
        let mut below = -1;
        for index in 0..BUCKETS {
            let bound = upper(index);
            assert!(bound > below, "bucket {index}");
            assert_eq!(bucket(bound), index, "the bound {bound} is inclusive");
            assert_eq!(bucket(below + 1), index, "the bucket begins right after {below}");
            below = bound;
        }
    }

    #[test]
    fn l5_bounds_cover_their_share() {
        let mut histogram = LatenessHistogram::default();
        (0..1000).for_each(|behind| histogram.add(behind, 1));
        for share in [0.5, 0.9, 0.99, 0.999, 1.0] {
            let bound = histogram.bound_ms(share);
            let covered = (bound + 1).min(1000) as f64 / 1000.0;
            assert!(covered >= share && (bound as f64) < share * 1000.0 * 1.5, "{share} {bound}");
        }
        assert_eq!(LatenessHistogram::default().bound_ms(0.99), 0);
    }
}
