//! From the decoding of rows to their results being visible: the first push of an epoch starts its watch, all views having
//! passed it stops it. One measure per epoch of this process.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use prometheus_client::metrics::histogram::Histogram;

use crate::time::{Clock, Epoch};

/// Watches for the epochs on their way. When too many are (a source far ahead of the others), new ones are not measured.
#[derive(Debug)]
pub(super) struct Latency {
    started: Mutex<BTreeMap<Epoch, Clock>>,
    /// The last measures, and how many there ever were.
    recent: Mutex<Recent>,
    seconds: Histogram,
}

#[derive(Debug, Default)]
struct Recent {
    seconds: VecDeque<f64>,
    ever: u64,
}

impl Recent {
    fn push(&mut self, seconds: f64) {
        if self.seconds.len() == MOST {
            self.seconds.pop_front();
        }
        self.seconds.push_back(seconds);
        self.ever += 1;
    }
}

/// Epochs on their way, and measures kept.
const MOST: usize = 4096;

/// From the decoding of rows to their results being visible, of the last epochs, in seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Visibility {
    /// Of how many epochs.
    pub epochs: usize,
    /// Half of them took at most this.
    pub p50_seconds: f64,
    /// 99 of 100 took at most this.
    pub p99_seconds: f64,
    /// None took longer.
    pub max_seconds: f64,
}

impl Latency {
    pub(super) fn new(seconds: Histogram) -> Latency {
        Latency { started: Mutex::default(), recent: Mutex::default(), seconds }
    }

    /// Of the last epochs, `None` if there were none yet. An epoch that is still on its way counts with the time it took so
    /// far, once that is more than half of those that arrived took.
    pub(super) fn recent(&self) -> Option<Visibility> {
        self.since(0).0
    }

    /// The same of the epochs after the first `seen` that there ever were, and how many there were by now.
    pub(super) fn since(&self, seen: u64) -> (Option<Visibility>, u64) {
        let started = self.started.lock().unwrap_or_else(PoisonError::into_inner);
        let mut waiting: Vec<f64> = started.values().map(Clock::elapsed_seconds).collect();
        drop(started);
        let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let (ever, mut all) = (recent.ever, recent.seconds.iter().copied().collect::<Vec<f64>>());
        drop(recent);
        let new = usize::try_from(ever.saturating_sub(seen)).unwrap_or(MOST).min(all.len());
        let mut sorted = all[all.len() - new..].to_vec();
        all.sort_by(f64::total_cmp);
        if let Some(median) = all.get((all.len().max(1) - 1) / 2) {
            waiting.retain(|waited| waited > median);
        }
        sorted.append(&mut waiting);
        sorted.sort_by(f64::total_cmp);
        let Some(&max_seconds) = sorted.last() else { return (None, ever) };
        let at = |share: usize| sorted[(sorted.len() * share).div_ceil(100).max(1) - 1];
        (Some(Visibility { epochs: sorted.len(), p50_seconds: at(50), p99_seconds: at(99), max_seconds }), ever)
    }

    /// Rows of this epoch are on their way.
    pub(super) fn sent(&self, epoch: Epoch) {
        let mut started = self.started.lock().unwrap_or_else(PoisonError::into_inner);
        if started.len() < MOST {
            started.entry(epoch).or_insert_with(Clock::start);
        }
    }

    /// For how long the rows that came first are on their way, in seconds, of those whose epochs are of a watermark before
    /// this one.
    pub(super) fn waits(&self, watermark: i64) -> Option<f64> {
        let started = self.started.lock().unwrap_or_else(PoisonError::into_inner);
        started.range(..Epoch::at(watermark)).map(|(_, since)| since.elapsed_seconds()).max_by(f64::total_cmp)
    }

    /// Everything before `as_of` is visible.
    pub(super) fn visible(&self, as_of: Epoch) {
        let mut started = self.started.lock().unwrap_or_else(PoisonError::into_inner);
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(first) = started.first_entry().filter(|first| *first.key() < as_of) {
            let seconds = first.remove().elapsed_seconds();
            self.seconds.observe(seconds);
            recent.push(seconds);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_the_last_epochs() {
        let latency = Latency::new(Histogram::new([]));
        assert_eq!(latency.recent(), None);
        let hundred = (1..=100).map(f64::from);
        let mut recent = latency.recent.lock().unwrap_or_else(PoisonError::into_inner);
        hundred.rev().for_each(|seconds| recent.push(seconds));
        drop(recent);
        let expected = Visibility { epochs: 100, p50_seconds: 50.0, p99_seconds: 99.0, max_seconds: 100.0 };
        assert_eq!(latency.recent(), Some(expected));
        // The last two that came are 2 and 1.
        let last = Visibility { epochs: 2, p50_seconds: 1.0, p99_seconds: 2.0, max_seconds: 2.0 };
        assert_eq!((latency.since(98), latency.since(100)), ((Some(last), 100), (None, 100)));
        (0..5_000).for_each(|tick| latency.sent(Epoch { watermark: 0, tick }));
        assert_eq!(latency.recent(), Some(expected), "what came just now does not count yet");
        assert!(latency.waits(1).is_some() && latency.waits(0).is_none());
        latency.visible(Epoch::at(1));
        let last = latency.recent().map(|last| (last.epochs, last.max_seconds < 60.0));
        assert_eq!(last, Some((MOST, true)), "as many are kept, and the oldest go");
        assert_eq!(latency.waits(1), None);
    }

    #[test]
    fn rows_that_wait_count() {
        let latency = Latency::new(Histogram::new([]));
        let mut recent = latency.recent.lock().unwrap_or_else(PoisonError::into_inner);
        [0.001, 0.002].into_iter().for_each(|seconds| recent.push(seconds));
        drop(recent);
        latency.sent(Epoch::at(7));
        std::thread::sleep(std::time::Duration::from_millis(20));
        let found = latency.recent().map(|last| (last.epochs, last.max_seconds >= 0.02, last.p50_seconds));
        assert_eq!(found, Some((3, true, 0.002)));
    }
}
