//! What is told of the log of a data directory: how much it took, what waits to be durable, what it takes on the disk.

use highwater_log::SyncMode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use serde::Serialize;

use super::super::frames::KINDS;
use super::{Durable, SnapshotState};
use crate::metrics::{Level, Metrics, label};
use crate::time::{format_duration_ms, now_ms};

/// How the log of a data directory stands.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LogState {
    /// When frames are durable: `commit`, `5 ms`, `os`.
    pub sync: String,
    /// Frames that this process wrote.
    pub frames: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// Frames that were taken and are not durable.
    pub waiting_frames: u64,
    /// Bytes that were taken and are not written.
    pub waiting_bytes: u64,
    /// Files of the log.
    pub segments: usize,
    /// Bytes that the folder takes on the disk.
    pub disk_bytes: u64,
    /// There is no room on the disk.
    pub disk_full: bool,
    /// How often a file was synced.
    pub syncs: u64,
    /// For how many seconds together.
    pub sync_seconds: f64,
    /// How often a snapshot is taken while rows come: `5 min`; `never` if none are, also where the program is one of which none are.
    pub snapshot_interval: String,
    /// The last one, of this run or the one that it goes on from.
    pub snapshot: Option<SnapshotState>,
}

/// What it took.
#[derive(Debug)]
pub(super) struct Counts {
    /// By the number of the kind.
    frames: Vec<Option<Counter>>,
    bytes: Counter,
    /// How far the start is, and how it went.
    pub(super) progress: Level,
    rows: Gauge,
    seconds: Level,
    snapshots: Counter,
    snapshots_failed: Counter,
    snapshot_bytes: Gauge,
    snapshot_seconds: Level,
}

impl Counts {
    pub(super) fn new(metrics: &Metrics) -> Counts {
        let most = KINDS.iter().map(|(kind, _)| usize::from(*kind)).max().unwrap_or(0);
        let mut frames = vec![None; most + 1];
        for (kind, name) in KINDS {
            frames[usize::from(*kind)] = Some(metrics.log_frames.get_or_create_owned(&label("kind", name)));
        }
        let (progress, rows, seconds) = (&metrics.recovery_progress, &metrics.recovery_rows, &metrics.recovery_seconds);
        let (progress, rows, seconds) = (progress.clone(), rows.clone(), seconds.clone());
        Counts {
            frames,
            bytes: metrics.log_bytes.clone(),
            progress,
            rows,
            seconds,
            snapshots: metrics.snapshots.clone(),
            snapshots_failed: metrics.snapshots_failed.clone(),
            snapshot_bytes: metrics.snapshot_bytes.clone(),
            snapshot_seconds: metrics.snapshot_seconds.clone(),
        }
    }

    /// How many frames of these kinds it took.
    pub(super) fn of(&self, kinds: &[u8]) -> u64 {
        kinds.iter().filter_map(|kind| self.frames.get(usize::from(*kind))?.as_ref()).map(Counter::get).sum()
    }

    /// Bytes that it took.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.get()
    }

    /// A snapshot was taken and written.
    pub(super) fn snapshot(&self, bytes: u64, seconds: f64) {
        self.snapshots.inc();
        self.snapshot_bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
        self.snapshot_seconds.set(seconds);
    }

    /// One could not be written.
    pub(super) fn snapshot_failed(&self) {
        self.snapshots_failed.inc();
    }

    /// The start has done again what was kept.
    pub(super) fn recovered(&self, rows: u64, seconds: f64) {
        self.progress.set(1.0);
        self.rows.set(i64::try_from(rows).unwrap_or(i64::MAX));
        self.seconds.set(seconds);
    }

    /// A frame was taken.
    pub(super) fn took(&self, kind: u8, parts: &[&[u8]]) {
        if let Some(Some(frames)) = self.frames.get(usize::from(kind)) {
            frames.inc();
        }
        self.bytes.inc_by(parts.iter().map(|part| part.len() as u64).sum());
    }
}

impl Durable {
    /// How the log stands, if it is written.
    pub(in super::super) fn state(&self) -> Option<LogState> {
        let (log, files) = (self.log.as_ref()?, self.files.as_ref()?);
        let sync = match self.sync {
            SyncMode::Commit => "commit".to_owned(),
            SyncMode::Every(every) => format_duration_ms(i64::try_from(every.as_millis()).unwrap_or(i64::MAX)),
            SyncMode::Os => "os".to_owned(),
        };
        let ((segments, disk_bytes), (syncs, sync_seconds)) = (files.held(), files.syncs());
        Some(LogState {
            sync,
            frames: self.counts.frames.iter().flatten().map(|frames| frames.get()).sum(),
            bytes: self.counts.bytes.get(),
            // What is durable is never beyond what was taken, read in this order.
            waiting_frames: {
                let durable = log.durable().0;
                log.next().0 - durable
            },
            waiting_bytes: log.waiting_bytes() as u64,
            segments,
            disk_bytes,
            disk_full: log.disk_full(),
            syncs,
            sync_seconds,
            snapshot_interval: self.snapshots.interval(),
            snapshot: self.snapshots.last(),
        })
    }

    /// Sets the gauges to what is now.
    pub(in super::super) fn refresh(&self, metrics: &Metrics) {
        let Some(state) = self.state() else { return };
        if let Some(last) = &state.snapshot {
            metrics.snapshot_age_seconds.set(now_ms().saturating_sub(last.taken_ms).max(0) as f64 / 1e3);
        }
        let gauge = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        metrics.log_waiting_frames.set(gauge(state.waiting_frames));
        metrics.log_waiting_bytes.set(gauge(state.waiting_bytes));
        metrics.log_segments.set(gauge(state.segments as u64));
        metrics.log_disk_bytes.set(gauge(state.disk_bytes));
        metrics.log_disk_full.set(i64::from(state.disk_full));
    }
}
