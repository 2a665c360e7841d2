//! Whether the engine keeps up with its live sources: if rows are on their way for long, it says so, once a minute. And
//! whether its peers do: when one begins to hold it up, and when it goes on.

use super::Inner;
use super::peer::Peer;
use crate::counted::counted;
use crate::time::Clock;

/// How often to look.
const EVERY_MS: u64 = 1_000;

/// For how long rows may be on their way before that is worth a word.
const LONG_SECONDS: f64 = 10.0;

/// After a word, how long to be silent.
const SILENT_MS: u64 = 60_000;

/// When it looked, and when it spoke.
#[derive(Debug)]
pub(super) struct Behind {
    looked: Clock,
    spoke: Option<Clock>,
    /// The peers that held it up when it looked.
    held_by: Vec<usize>,
}

impl Behind {
    pub(super) fn new() -> Behind {
        Behind { looked: Clock::start(), spoke: None, held_by: Vec::new() }
    }

    /// Looks, if it is time to. Rows wait if their epoch is over at every source and no view or sink has it.
    pub(super) fn look(&mut self, inner: &Inner) {
        if self.looked.elapsed_ms() < EVERY_MS {
            return;
        }
        self.looked = Clock::start();
        self.look_at_peers(inner);
        if self.spoke.as_ref().is_some_and(|spoke| spoke.elapsed_ms() < SILENT_MS) {
            return;
        }
        if !inner.sources.iter().any(|source| source.live()) {
            return;
        }
        let watermark = inner.sources.iter().map(|source| source.watermark()).min().unwrap_or(i64::MIN);
        let Some(seconds) = inner.latency.waits(watermark).filter(|seconds| *seconds >= LONG_SECONDS) else { return };
        let fullest = inner.sources.iter().max_by_key(|source| source.buffered_rows());
        let queued = match fullest.filter(|source| source.buffered_rows() > 0) {
            Some(source) => {
                let rows = source.buffered_rows();
                let wait = if rows == 1 { "waits" } else { "wait" };
                format!("; {} of '{}' {wait} to be taken", counted(rows, "row"), source.name())
            }
            None => String::new(),
        };
        tracing::warn!(
            "the engine falls behind: rows that came {seconds:.0} s ago are not visible yet{queued}; give it more workers \
             (--workers), or look for the operator that is busy at /api/v1/dataflow"
        );
        self.spoke = Some(Clock::start());
    }

    fn look_at_peers(&mut self, inner: &Inner) {
        for Peer { process, address, trouble, .. } in inner.peers() {
            match (self.held_by.iter().position(|held_by| *held_by == process), trouble) {
                (None, Some(trouble)) => {
                    tracing::warn!("a peer holds this process up: {trouble}");
                    self.held_by.push(process);
                }
                (Some(at), None) => {
                    tracing::info!("process {process} ({address}) goes on");
                    self.held_by.swap_remove(at);
                }
                _ => {}
            }
        }
    }
}
