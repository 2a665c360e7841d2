//! The limits of a log, each with its unit and default.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::block::{BLOCK_HEADER, FRAME_HEADER, PAGE};
use crate::error::Error;

/// When frames count as durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncMode {
    /// Each run of blocks is synced before the next is written.
    Commit,
    /// Blocks are written at once and synced this often; frames are durable then.
    Every(Duration),
    /// The operating system writes when it likes. Frames survive the end of the process, not a power cut.
    Os,
}

/// How a log is kept.
#[derive(Clone)]
pub struct Options {
    /// Bytes of a segment, a multiple of 4 KiB; 64 MiB.
    pub segment_bytes: u64,
    /// Bytes from which on the next frame begins another block; 1 MiB. A longer frame has a block of its own.
    pub block_bytes: usize,
    /// Bytes that may wait for the disk or be under way; 16 MiB. Also the limit of a frame.
    pub waiting_bytes: usize,
    /// When frames count as durable; `Commit`.
    pub sync: SyncMode,
    /// How often at most the tip is written; 1 s. While less than 1 MiB, or an eighth of a segment, was written since, every 60th
    /// time.
    pub tip_every: Duration,
    /// The identity of a new log. One that is there keeps its own.
    pub lineage: u128,
    /// The clock, in ms since 1970: paces syncs and the tip, and stamps segments.
    pub now_ms: Arc<dyn Fn() -> i64 + Send + Sync>,
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("segment_bytes", &self.segment_bytes)
            .field("block_bytes", &self.block_bytes)
            .field("waiting_bytes", &self.waiting_bytes)
            .field("sync", &self.sync)
            .field("tip_every", &self.tip_every)
            .field("lineage", &self.lineage)
            .finish_non_exhaustive()
    }
}

impl Default for Options {
    /// The clock stands still, so segments have no stamps, and syncs and the tip come when nothing has been appended for as long
    /// as their interval. A host hands in its own.
    fn default() -> Options {
        Options {
            segment_bytes: 64 << 20,
            block_bytes: 1 << 20,
            waiting_bytes: 16 << 20,
            sync: SyncMode::Commit,
            tip_every: Duration::from_secs(1),
            lineage: 0,
            now_ms: Arc::new(|| 0),
        }
    }
}

impl Options {
    /// The longest frame, in bytes.
    pub fn frame_limit(&self) -> usize {
        self.waiting_bytes.saturating_sub(BLOCK_HEADER + FRAME_HEADER)
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        let page = PAGE as u64;
        let refuse = |what: String| Err(Error::Options(what));
        if !self.segment_bytes.is_multiple_of(page) || self.segment_bytes < 2 * page || self.segment_bytes > 1 << 30 {
            return refuse(format!(
                "segments of {} bytes: a multiple of 4096 from 8192 to 1 GiB is needed",
                self.segment_bytes
            ));
        }
        let capacity = self.segment_bytes - page;
        if !self.waiting_bytes.is_multiple_of(PAGE) || self.waiting_bytes < PAGE || self.waiting_bytes as u64 > capacity
        {
            return refuse(format!(
                "{} bytes waiting: a multiple of 4096 up to {capacity}, what a segment holds, is needed",
                self.waiting_bytes
            ));
        }
        if self.block_bytes < PAGE || self.block_bytes > self.waiting_bytes {
            return refuse(format!(
                "blocks of {} bytes: 4096 to {}, the bytes waiting, are needed",
                self.block_bytes, self.waiting_bytes
            ));
        }
        Ok(())
    }
}
