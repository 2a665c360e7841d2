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
    /// The last measures.
    recent: Mutex<VecDeque<f64>>,
    seconds: Histogram,
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
        let started = self.started.lock().unwrap_or_else(PoisonError::into_inner);
        let mut waiting: Vec<f64> = started.values().map(Clock::elapsed_seconds).collect();
        drop(started);
        let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let mut sorted: Vec<f64> = recent.iter().copied().collect();
        drop(recent);
        sorted.sort_by(f64::total_cmp);
        if let Some(median) = sorted.get((sorted.len().max(1) - 1) / 2) {
            waiting.retain(|waited| waited > median);
        }
        sorted.append(&mut waiting);
        sorted.sort_by(f64::total_cmp);
        let max_seconds = *sorted.last()?;
        let at = |share: usize| sorted[(sorted.len() * share).div_ceil(100).max(1) - 1];
        Some(Visibility { epochs: sorted.len(), p50_seconds: at(50), p99_seconds: at(99), max_seconds })
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
            if recent.len() == MOST {
                recent.pop_front();
            }
            recent.push_back(seconds);
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
        latency.recent.lock().unwrap_or_else(PoisonError::into_inner).extend(hundred.rev());
        let expected = Visibility { epochs: 100, p50_seconds: 50.0, p99_seconds: 99.0, max_seconds: 100.0 };
        assert_eq!(latency.recent(), Some(expected));
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
        latency.recent.lock().unwrap_or_else(PoisonError::into_inner).extend([0.001, 0.002]);
        latency.sent(Epoch::at(7));
        std::thread::sleep(std::time::Duration::from_millis(20));
        let found = latency.recent().map(|last| (last.epochs, last.max_seconds >= 0.02, last.p50_seconds));
        assert_eq!(found, Some((3, true, 0.002)));
    }
}
