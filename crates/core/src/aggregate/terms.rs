//! What a grouped operator owes: what it groups, when rows are shown, how long they may be amended.

use arrow_schema::SchemaRef;

use super::{Emit, Grouping};
use crate::delta::{Delta, Failure, Rejects};
use crate::time::Epoch;

/// The terms of a grouped operator.
#[derive(Clone, Debug)]
pub struct Terms {
    /// What it groups and computes.
    pub grouping: Grouping,
    /// Its result: keys, window columns if there are windows, aggregates.
    pub schema: SchemaRef,
    /// When rows are shown.
    pub emit: Emit,
    /// How long a closed window may be amended, in ms; `None` is forever.
    pub lateness_ms: Option<i64>,
    /// How far behind the watermark the input's event times may be without being late, in ms: a window closes when
    /// `W >= window_end + delay`. 0 for rows of a source; more if windows are chained.
    pub delay_ms: i64,
    /// How much longer than its lateness a closed window is kept, in ms: 1 where a row at `window_end` belongs to it and may
    /// come on time when it is closed already.
    pub grace_ms: i64,
    /// Where rows go that come after their window is gone, or have no event time.
    pub rejects: Rejects,
}

impl Terms {
    /// The watermark at which a window with this end closes.
    pub fn deadline(&self, end: i64) -> i64 {
        end.saturating_add(self.delay_ms)
    }

    /// Whether such a window is closed for rows of this epoch.
    pub fn closed(&self, end: i64, epoch: Epoch) -> bool {
        Epoch::at(self.deadline(end)) <= epoch
    }

    /// Whether the rows of such a window are out when rows of this epoch come.
    pub fn shown(&self, end: i64, epoch: Epoch) -> bool {
        self.emit == Emit::Changes || self.closed(end, epoch)
    }

    /// Whether such a window can no longer be amended at this watermark.
    pub fn expired(&self, end: i64, watermark: i64) -> bool {
        self.expiry(end).is_some_and(|expiry| watermark >= expiry)
    }

    /// The watermark at which such a window can no longer be amended; `None` is never.
    pub fn expiry(&self, end: i64) -> Option<i64> {
        Some(self.deadline(end).saturating_add(self.lateness_ms?).saturating_add(self.grace_ms))
    }

    /// Hands in rows that came after their window was gone.
    pub fn reject_late(&self, rows: &Delta, end: i64, watermark: i64) {
        let detail =
            format!("{} ms after its window was closed for good", watermark.saturating_sub(self.deadline(end)));
        let reject = |row| self.rejects.row(Failure::late(detail.clone()), rows.batch(), row, rows.diff(row));
        (0..rows.len()).for_each(reject);
    }

    /// The rows that have a time in all of these columns; the others are handed in as rejects.
    pub fn timed(&self, rows: &Delta, columns: &[usize]) -> Delta {
        let (timed, timeless) = rows.without_nulls(columns);
        let reject = |row| self.rejects.row(Failure::no_event_time(), rows.batch(), row, rows.diff(row));
        timeless.into_iter().for_each(reject);
        timed
    }
}
