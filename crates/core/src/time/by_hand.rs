//! A clock that is moved by hand, in the place of the wall clock: sources then go by it for idleness, the future guard, the time of
//! arrival and ticks, and nothing moves by itself. For tests.
//!
//! Invariant: it never goes back.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

/// A clock that is moved by hand, in ms since 1970 UTC. Until it is set it follows the rows: it stands at the latest event time
/// that came.
#[derive(Debug)]
pub struct HandClock {
    now: AtomicI64,
    began: AtomicI64,
    set: AtomicBool,
    ticks: AtomicU64,
}

/// What it is before the first row and before it is set.
const UNSET: i64 = i64::MIN;

impl Default for HandClock {
    fn default() -> HandClock {
        HandClock {
            now: AtomicI64::new(UNSET),
            began: AtomicI64::new(UNSET),
            set: AtomicBool::new(false),
            ticks: AtomicU64::new(0),
        }
    }
}

impl HandClock {
    /// What it shows; `None` before it is set and before the first row.
    pub fn now_ms(&self) -> Option<i64> {
        Some(self.now.load(Ordering::Acquire)).filter(|now| *now != UNSET)
    }

    /// Whether it was set: from then on it does not follow the rows.
    pub fn is_set(&self) -> bool {
        self.set.load(Ordering::Acquire)
    }

    /// Sets it; false if it is past that already, then it stays.
    pub fn set(&self, now_ms: i64) -> bool {
        if self.now_ms().is_some_and(|now| now > now_ms) {
            return false;
        }
        self.set.store(true, Ordering::Release);
        self.goes_to(now_ms);
        true
    }

    /// A row of this event time came.
    pub(crate) fn follow(&self, event_ms: i64) {
        if !self.is_set() {
            self.goes_to(event_ms);
        }
    }

    fn goes_to(&self, now_ms: i64) {
        let _ = self.began.compare_exchange(UNSET, now_ms, Ordering::AcqRel, Ordering::Acquire);
        self.now.fetch_max(now_ms, Ordering::AcqRel);
    }

    /// For how long it goes, in ms.
    pub(crate) fn elapsed_ms(&self) -> u64 {
        let began = self.began.load(Ordering::Acquire);
        self.now_ms().map_or(0, |now| now.saturating_sub(began).max(0).unsigned_abs())
    }

    /// When it showed `then_ms`, as its sources count since it began; `None` before it is set.
    pub(crate) fn since_ms(&self, then_ms: i64) -> Option<u64> {
        self.now_ms()?;
        Some(then_ms.saturating_sub(self.began.load(Ordering::Acquire)).max(0).unsigned_abs().saturating_add(1))
    }

    /// How many ticks there were.
    pub(crate) fn ticks(&self) -> u64 {
        self.ticks.load(Ordering::Acquire)
    }

    /// One more tick.
    pub(crate) fn tick(&self) {
        self.ticks.fetch_add(1, Ordering::AcqRel);
    }
}
