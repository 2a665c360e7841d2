//! The rows of sessions that are not past, by key and time: what tells when rows of a session go, all together. A session is a run of
//! rows no more than the gap apart; each row that comes may put its end off.

use std::collections::{BTreeMap, BTreeSet};

use super::codec::Bytes;

/// See the module.
#[derive(Debug)]
pub(super) struct Runs {
    gap: i64,
    /// By key and time the rows, and how often each is there.
    keys: BTreeMap<Bytes, BTreeMap<i64, BTreeMap<Bytes, i64>>>,
    /// When a run of a key may be past. Entries may be out of date.
    due: BTreeSet<(i64, Bytes)>,
    held: usize,
    bytes: usize,
}

impl Runs {
    /// None yet.
    pub(super) fn new(gap: i64) -> Runs {
        Runs { gap, keys: BTreeMap::new(), due: BTreeSet::new(), held: 0, bytes: 0 }
    }

    /// Whether a row of this key and time would be of a run that there is.
    pub(super) fn near(&self, key: &[u8], time: i64) -> bool {
        let within = time.saturating_sub(self.gap)..=time.saturating_add(self.gap);
        self.keys.get(key).is_some_and(|times| times.range(within).next().is_some())
    }

    /// Adds a row, or takes it back.
    pub(super) fn add(&mut self, key: &Bytes, time: i64, row: &Bytes, diff: i64) {
        let times = self.keys.entry(key.clone()).or_default();
        let rows = times.entry(time).or_default();
        let count = rows.get(row).copied().unwrap_or(0) + diff;
        let before = rows.len();
        match count {
            0 => drop(rows.remove(row)),
            count => drop(rows.insert(row.clone(), count)),
        }
        match rows.len().cmp(&before) {
            std::cmp::Ordering::Greater => (self.held, self.bytes) = (self.held + 1, self.bytes + row.len()),
            std::cmp::Ordering::Less => (self.held, self.bytes) = (self.held - 1, self.bytes - row.len()),
            std::cmp::Ordering::Equal => {}
        }
        if rows.is_empty() {
            times.remove(&time);
        }
        if times.is_empty() {
            self.keys.remove(key);
        }
    }

    /// The runs of a key, ascending: the times of first and last row.
    fn of(&self, key: &[u8]) -> Vec<(i64, i64)> {
        let mut runs: Vec<(i64, i64)> = Vec::new();
        for &time in self.keys.get(key).into_iter().flat_map(BTreeMap::keys) {
            match runs.last_mut() {
                Some((_, last)) if last.saturating_add(self.gap) >= time => *last = time,
                _ => runs.push((time, time)),
            }
        }
        runs
    }

    /// Notes when the runs of a key are past: `past` tells it of a run that ends there. It is above the watermark.
    pub(super) fn note(&mut self, key: &Bytes, watermark: i64, past: impl Fn(i64) -> Option<i64>) {
        for (_, last) in self.of(key) {
            if let Some(past) = past(last.saturating_add(self.gap)) {
                self.due.insert((past.max(watermark.saturating_add(1)), key.clone()));
            }
        }
    }

    /// When a run may be past.
    pub(super) fn deadline(&self) -> Option<i64> {
        self.due.first().map(|(at, _)| *at)
    }

    /// The rows of the runs that are past at a watermark, with their keys and how often each was there.
    pub(super) fn pass(&mut self, watermark: i64, past: impl Fn(i64) -> Option<i64>) -> Vec<(Bytes, Bytes, i64)> {
        let (mut gone, mut left) = (Vec::new(), BTreeSet::new());
        while self.due.first().is_some_and(|(at, _)| *at <= watermark) {
            let Some((_, key)) = self.due.pop_first() else { break };
            for (first, last) in self.of(&key) {
                if past(last.saturating_add(self.gap)).is_none_or(|past| past > watermark) {
                    left.insert(key.clone());
                    continue;
                }
                let rows = self.keys.get(&key).into_iter().flat_map(|times| times.range(first..=last));
                let rows: Vec<(i64, Bytes, i64)> = rows
                    .flat_map(|(time, rows)| rows.iter().map(|(row, count)| (*time, row.clone(), *count)))
                    .collect();
                for (time, row, count) in rows {
                    self.add(&key, time, &row, -count);
                    gone.push((key.clone(), row, count));
                }
            }
        }
        left.iter().for_each(|key| self.note(key, watermark, &past));
        gone
    }

    /// How many rows are held.
    pub(super) fn held(&self) -> usize {
        self.held
    }

    /// Bytes of them.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_goes_when_its_last_row_is_past() {
        let (mut runs, past) = (Runs::new(10), |end: i64| Some(end + 1));
        let (a, b) = (vec![1], vec![2]);
        for (key, time) in [(&a, 0), (&a, 10), (&a, 21), (&b, 5)] {
            runs.add(key, time, &vec![time as u8], 1);
        }
        [&a, &b].into_iter().for_each(|key| runs.note(key, 0, past));
        assert!(runs.near(&a, 31) && runs.near(&a, -10) && !runs.near(&a, 32) && !runs.near(&b, 16));
        assert_eq!((runs.deadline(), runs.held(), runs.bytes()), (Some(16), 4, 4));
        assert_eq!(runs.pass(16, past), [(b.clone(), vec![5], 1)]);
        // The end of the first is put off, then it bridges the gap to the next.
        runs.add(&a, 20, &vec![20], 2);
        runs.note(&a, 17, past);
        assert_eq!(runs.deadline(), Some(21));
        assert_eq!(runs.pass(31, past), []);
        let all = [(a.clone(), vec![0], 1), (a.clone(), vec![10], 1), (a.clone(), vec![20], 2), (a, vec![21], 1)];
        assert_eq!(runs.pass(32, past), all);
        assert_eq!((runs.deadline(), runs.held(), runs.bytes()), (None, 0, 0));
    }
}
