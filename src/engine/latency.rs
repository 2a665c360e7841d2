//! From the decoding of rows to their results being visible: the first push of an epoch starts its watch, all views having
//! passed it stops it. One measure per epoch of this process.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use prometheus_client::metrics::histogram::Histogram;

use crate::time::{Clock, Epoch};

/// Watches for the epochs on their way. When too many are (a source far ahead of the others), new ones are not measured.
#[derive(Debug)]
pub(super) struct Latency {
    started: Mutex<BTreeMap<Epoch, Clock>>,
    seconds: Histogram,
}

const MOST: usize = 4096;

impl Latency {
    pub(super) fn new(seconds: Histogram) -> Latency {
        Latency { started: Mutex::default(), seconds }
    }

    /// Rows of this epoch are on their way.
    pub(super) fn sent(&self, epoch: Epoch) {
        let mut started = self.started.lock().unwrap_or_else(PoisonError::into_inner);
        if started.len() < MOST {
            started.entry(epoch).or_insert_with(Clock::start);
        }
    }

    /// Everything before `as_of` is visible.
    pub(super) fn visible(&self, as_of: Epoch) {
        let mut started = self.started.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(first) = started.first_entry().filter(|first| *first.key() < as_of) {
            self.seconds.observe(first.remove().elapsed_seconds());
        }
    }
}
