//! Windows by the clocks of a zone. Rows go to slices by what the clocks show, so windows share slices as they do in UTC, however
//! long a day is; instants matter only where a window closes and is shown.
//!
//! Invariant: windows by their local ends are windows by the instants of their ends, for [`Zone::closes`] never goes back. Several
//! may end at once, where clocks are put forward; of those that also begin at once the first stands for all.

use std::borrow::Cow;

use super::{Window, split};
use crate::delta::Delta;
use crate::time::Zone;

/// Windows, and the clocks that they go by. Times are local unless said otherwise; without a zone they are instants.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clocks {
    pub(super) window: Window,
    zone: Option<Zone>,
}

impl Clocks {
    pub(super) fn new(window: Window, zone: Option<Zone>) -> Clocks {
        Clocks { window, zone }
    }

    /// What the clocks show at the instants of rows. No time may be NULL.
    pub(super) fn times<'a>(&self, rows: &'a Delta, time: usize) -> Cow<'a, [i64]> {
        let instants = split::times(rows, time);
        self.zone.map_or(Cow::Borrowed(instants), |zone| Cow::Owned(zone.locals(instants)))
    }

    /// The instant at which a window ends.
    pub(super) fn end(&self, end: i64) -> i64 {
        self.zone.map_or(end, |zone| zone.closes(end))
    }

    /// The instants at which a window begins and ends.
    pub(super) fn span(&self, (start, end): (i64, i64)) -> (i64, i64) {
        self.zone.map_or((start, end), |zone| (zone.opens(start), zone.closes(end)))
    }

    /// The windows that hold a slice, ends ascending.
    pub(super) fn over(self, slice: i64) -> impl Iterator<Item = (i64, i64)> {
        let mut before = None;
        let other = move |window: &(i64, i64)| {
            self.zone.is_none() || before.replace(self.span(*window)) != Some(self.span(*window))
        };
        self.window.over(slice).filter(other)
    }

    /// Whether a window that ends there is over once that of `shown` was shown, which is before all that were not.
    pub(super) fn is_over(&self, end: i64, shown: i64) -> bool {
        match self.window {
            Window::Cumulate { .. } => self.end(end) <= self.end(shown),
            // Those that end at once are others.
            _ => end <= shown,
        }
    }
}
