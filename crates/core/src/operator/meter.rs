//! What operators hold, told in a log of their own.

use std::sync::Arc;
use std::time::Duration;

use timely::container::CapacityContainerBuilder;
use timely::dataflow::operators::generic::OperatorInfo;
use timely::logging_core::Logger;
use timely::worker::Worker;

use super::Windows;

/// The name of the log that operators tell in what they hold; whoever listens to it gets [`Held`] events.
pub const STATE_LOG: &str = "highwater/state";

/// The builder of [`STATE_LOG`].
pub type StateLog = CapacityContainerBuilder<Vec<(Duration, Held)>>;

/// What an operator holds on this worker now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// The operator's identifier in timely's log.
    pub operator: usize,
    /// Groups, sessions, rows.
    pub rows: usize,
    /// Bytes, about.
    pub bytes: usize,
    /// The watermark of its inputs, in ms.
    pub watermark: i64,
    /// The windows that are open.
    pub windows: Option<Arc<Windows>>,
}

/// An operator's way to tell what it holds. Costs nothing while nobody listens or nothing changes.
///
/// Bytes are counted anew when the rows held are an eighth more or fewer, and when so many rows were taken that, at
/// [`LEAST_BYTES`] each, the bytes may have doubled: so counting costs a few instructions a row, however large the state is.
pub(super) struct Meter {
    log: Option<Logger<StateLog>>,
    last: Held,
    /// Rows held when the bytes were counted, and rows taken since.
    counted: usize,
    worked: usize,
}

/// What a row adds to a state at least, as [`Meter`] assumes.
const LEAST_BYTES: usize = 16;

/// States so small are counted every time.
const SMALL_BYTES: usize = 64 << 10;

impl std::fmt::Debug for Meter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Meter").field("last", &self.last).finish_non_exhaustive()
    }
}

impl Meter {
    /// For the operator that `info` is of.
    pub(super) fn new(worker: &Worker, info: &OperatorInfo) -> Meter {
        let last = Held { operator: info.global_id, rows: 0, bytes: 0, watermark: i64::MIN, windows: None };
        Meter { log: worker.logger_for::<StateLog>(STATE_LOG), last, counted: 0, worked: 0 }
    }

    /// Tells what is held at this watermark, after `worked` more rows were taken, and which windows are open, if that is
    /// news.
    pub(super) fn tell(
        &mut self,
        watermark: i64,
        worked: usize,
        rows: usize,
        bytes: impl FnOnce() -> usize,
        windows: impl FnOnce() -> Option<Windows>,
    ) {
        let Some(log) = &self.log else { return };
        if worked == 0 && rows == self.last.rows && watermark == self.last.watermark {
            return;
        }
        self.worked = self.worked.saturating_add(worked);
        let moved = rows.abs_diff(self.counted) > self.counted / 8;
        let grown = self.last.bytes < SMALL_BYTES || self.worked.saturating_mul(LEAST_BYTES) >= self.last.bytes;
        let mut now = Held { rows, watermark, ..self.last.clone() };
        let windows = windows();
        if windows.as_ref() != now.windows.as_deref() {
            now.windows = windows.map(Arc::new);
        }
        if moved || grown && worked > 0 {
            (now.bytes, self.counted, self.worked) = (bytes(), rows, 0);
        }
        if now != self.last {
            self.last = now.clone();
            log.log(now);
        }
    }
}
