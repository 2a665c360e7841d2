//! The clock that the sources of an engine go by: that of the wall or, for tests, one that is moved by hand.

use std::sync::Arc;

use crate::time::{Clock, HandClock, now_ms};

/// 2025-01-01: where ticks of the clock are counted from, so that their count stays short.
const TICK_ZERO_MS: i64 = 1_735_689_600_000;

/// A clock since it was made.
#[derive(Clone, Debug)]
pub(super) struct Timepiece {
    wall: Clock,
    by_hand: Option<Arc<HandClock>>,
}

impl Timepiece {
    pub(super) fn start(by_hand: Option<&Arc<HandClock>>) -> Timepiece {
        Timepiece { wall: Clock::start(), by_hand: by_hand.cloned() }
    }

    /// The one that is moved by hand, if it is.
    pub(super) fn by_hand(&self) -> Option<&Arc<HandClock>> {
        self.by_hand.as_ref()
    }

    /// The time, in ms since 1970 UTC.
    pub(super) fn now_ms(&self) -> i64 {
        self.by_hand.as_ref().map_or_else(now_ms, |clock| clock.now_ms().unwrap_or(0))
    }

    /// For how long it goes, in ms; one that is moved by hand begins at 1, since 0 is before all rows.
    pub(super) fn elapsed_ms(&self) -> u64 {
        self.by_hand.as_ref().map_or_else(|| self.wall.elapsed_ms(), |clock| clock.elapsed_ms().saturating_add(1))
    }

    /// The count of its ticks of `tick_ms`, and as many more as it is ahead.
    pub(super) fn ticks(&self, tick_ms: u64, lead: u64) -> u64 {
        let by_wall = || now_ms().saturating_sub(TICK_ZERO_MS).max(0) as u64 / tick_ms;
        self.by_hand.as_ref().map_or_else(by_wall, |clock| clock.ticks()) + lead
    }
}
