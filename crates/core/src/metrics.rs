//! The metrics of the contract: one registry with every family of the `highwater_` prefix, and the standard `process_*`
//! ones.
//!
//! Base units (seconds, bytes, rows); counters end in `_total` when encoded. Handles (`family.get_or_create_owned(..)`)
//! are atomics shared with the registry: take them once, not per event.

mod plain;
mod process;
mod table;

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::{Family, MetricConstructor};
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Metric as RegistryMetric, Registry};

pub use plain::{PLAIN_CONTENT_TYPE, plain};
pub use process::Usage;
pub use table::{Kind, METRICS, MetricSpec};

/// A label set of one label.
pub type Label = [(&'static str, String); 1];
/// A label set of two labels.
pub type Labels = [(&'static str, String); 2];
/// A counter of seconds.
pub type Seconds = Counter<f64, AtomicU64>;
/// A gauge with fractions.
pub type Level = Gauge<f64, AtomicU64>;

/// Why rows of views and sinks fail.
const REASONS: [&str; 3] = ["evaluation", "late", "no_event_time"];

/// The media type of [`Metrics::encode`]'s answer.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Makes the latency histograms: 0.5 ms to 16 s, a bucket each doubling.
#[derive(Clone, Copy, Debug)]
pub struct LatencyBuckets;

impl MetricConstructor<Histogram> for LatencyBuckets {
    fn new_metric(&self) -> Histogram {
        Histogram::new((0..16).map(|power| 0.0005 * f64::from(1u32 << power)))
    }
}

/// Every family. Label sets are made with [`label`] and [`labels`].
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    /// Of all families, in the order of the registry.
    names: Vec<&'static str>,
    /// Rows a source brought, whatever became of them: `source`.
    pub events_received: Family<Label, Counter>,
    /// Rows behind the watermark: `source`, `outcome` (`accepted`, `rejected`).
    pub events_late: Family<Labels, Counter>,
    /// Rows whose key was taken before: `source`.
    pub events_duplicate: Family<Label, Counter>,
    /// Rows that were not accepted: `source`, `reason`.
    pub dead_letters: Family<Labels, Counter>,
    /// Rows that a view could not take, whatever became of them: `view`, `reason`.
    pub view_rows_failed: Family<Labels, Counter>,
    /// Those of them that were not taken back: `view`.
    pub view_dead_letters: Family<Label, Gauge>,
    /// Rows that a sink could not take, whatever became of them: `sink`, `reason`.
    pub sink_rows_failed: Family<Labels, Counter>,
    /// Those of them that were not taken back: `sink`.
    pub sink_dead_letters: Family<Label, Gauge>,
    /// The watermark of a source: `source`.
    pub watermark_timestamp_seconds: Family<Label, Level>,
    /// The wall clock minus the watermark of a source: `source`.
    pub watermark_lag_seconds: Family<Label, Level>,
    /// From the decoding of a row to its result being visible in every view that it can reach.
    pub ingest_to_visible_seconds: Histogram,
    /// Rows waiting in a source's queues: `source`.
    pub input_buffer_rows: Family<Label, Gauge>,
    /// How many may wait: `source`.
    pub input_buffer_capacity_rows: Family<Label, Gauge>,
    /// For how long full queues held a source back: `source`.
    pub backpressure_seconds: Family<Label, Seconds>,
    /// Whether it reads: `source`, `state`.
    pub source_state: Family<Labels, Gauge>,
    /// Its splits by the state that they are in: `source`, `state`.
    pub source_splits: Family<Labels, Gauge>,
    /// Reads that failed for a passing reason: `source`.
    pub source_retries: Family<Label, Counter>,
    /// Closing times that are still ahead of the watermark, among the rows of a view: `view`.
    pub windows_open: Family<Label, Gauge>,
    /// Changes a view showed: `view`, `kind` (`insert`, `retract`).
    pub rows_emitted: Family<Labels, Counter>,
    /// Changes handed to a sink's writers: `sink`.
    pub sink_rows: Family<Label, Counter>,
    /// Epochs that wait to be written: `sink`.
    pub sink_waiting_epochs: Family<Label, Gauge>,
    /// Whether it writes: `sink`, `state`.
    pub sink_state: Family<Labels, Gauge>,
    /// Writes that failed for a passing reason: `sink`.
    pub sink_retries: Family<Label, Counter>,
    /// Rows through an operator: `operator`, `direction` (`in`, `out`).
    pub operator_rows: Family<Labels, Counter>,
    /// Time spent in an operator, all workers together: `operator`.
    pub operator_busy_seconds: Family<Label, Seconds>,
    /// Rows an operator keeps: `operator`.
    pub state_rows: Family<Label, Gauge>,
    /// Bytes an operator keeps: `operator`.
    pub state_bytes: Family<Label, Gauge>,
    /// Frames that the log took: `kind`.
    pub log_frames: Family<Label, Counter>,
    /// Bytes of them.
    pub log_bytes: Counter,
    /// How long the disk took to make what was written to the log durable.
    pub log_sync_seconds: Histogram,
    /// Frames that the log took and that are not durable.
    pub log_waiting_frames: Gauge,
    /// Bytes that the log took and has not written.
    pub log_waiting_bytes: Gauge,
    /// Segments of the log.
    pub log_segments: Gauge,
    /// What the data directory takes on the disk.
    pub log_disk_bytes: Gauge,
    /// 1 while the disk has no room for the log.
    pub log_disk_full: Gauge,
    /// Bytes in the log that wait for a source to take them.
    pub log_behind_bytes: Family<Label, Gauge>,
    /// How far a start is with what a data directory holds, from 0 to 1.
    pub recovery_progress: Level,
    /// Rows that the start took from the data directory.
    pub recovery_rows: Gauge,
    /// How long that took.
    pub recovery_seconds: Level,
    /// Snapshots that were written.
    pub snapshots: Counter,
    /// Snapshots that could not be.
    pub snapshots_failed: Counter,
    /// How old the last one is.
    pub snapshot_age_seconds: Level,
    /// Bytes of it.
    pub snapshot_bytes: Gauge,
    /// How long it took.
    pub snapshot_seconds: Level,
    /// Spans that found no room on their way to the collector.
    pub otlp_spans_dropped: Counter,
    /// For how long another process of the cluster has given no sign of life: `peer`.
    pub peer_silent_seconds: Family<Label, Level>,
    /// Rows sent to another process that it has not taken in: `peer`.
    pub peer_rows: Family<Label, Gauge>,
    /// Bytes of them: `peer`.
    pub peer_bytes: Family<Label, Gauge>,
    /// Connected SSE clients.
    pub sse_clients: Gauge,
    /// Deltas that were merged for slow SSE clients.
    pub sse_compacted: Counter,
    /// Clients that stay: `kind`.
    pub clients: Family<Label, Gauge>,
    /// Open connections.
    pub connections: Gauge,
    /// Connections that may be open.
    pub connections_capacity: Gauge,
    /// Requests answered: `method`, `status`.
    pub requests: Family<Labels, Counter>,
    /// From a request's head to the head of its answer.
    pub request_seconds: Histogram,
    /// What was refused: `kind`.
    pub refusals: Family<Label, Counter>,
    /// Bytes of request bodies in flight.
    pub body_bytes: Gauge,
    /// How many there may be.
    pub body_capacity_bytes: Gauge,
    /// Bytes of long answers that clients have not taken yet.
    pub answer_bytes: Gauge,
    /// How many there may be.
    pub answer_capacity_bytes: Gauge,
}

/// A label set of one label.
pub fn label(name: &'static str, value: &str) -> Label {
    [(name, value.to_owned())]
}

/// A label set of two labels.
pub fn labels(first: (&'static str, &str), second: (&'static str, &str)) -> Labels {
    [(first.0, first.1.to_owned()), (second.0, second.1.to_owned())]
}

impl Default for Metrics {
    fn default() -> Self {
        Metrics::new()
    }
}

impl Metrics {
    /// All families, empty.
    pub fn new() -> Metrics {
        let mut metrics = Metrics {
            registry: Registry::default(),
            names: Vec::new(),
            events_received: Family::default(),
            events_late: Family::default(),
            events_duplicate: Family::default(),
            dead_letters: Family::default(),
            view_rows_failed: Family::default(),
            view_dead_letters: Family::default(),
            sink_rows_failed: Family::default(),
            sink_dead_letters: Family::default(),
            watermark_timestamp_seconds: Family::default(),
            watermark_lag_seconds: Family::default(),
            ingest_to_visible_seconds: LatencyBuckets.new_metric(),
            input_buffer_rows: Family::default(),
            input_buffer_capacity_rows: Family::default(),
            backpressure_seconds: Family::default(),
            source_state: Family::default(),
            source_splits: Family::default(),
            source_retries: Family::default(),
            windows_open: Family::default(),
            rows_emitted: Family::default(),
            sink_rows: Family::default(),
            sink_waiting_epochs: Family::default(),
            sink_state: Family::default(),
            sink_retries: Family::default(),
            operator_rows: Family::default(),
            operator_busy_seconds: Family::default(),
            state_rows: Family::default(),
            state_bytes: Family::default(),
            log_frames: Family::default(),
            log_bytes: Counter::default(),
            log_sync_seconds: LatencyBuckets.new_metric(),
            log_waiting_frames: Gauge::default(),
            log_waiting_bytes: Gauge::default(),
            log_segments: Gauge::default(),
            log_disk_bytes: Gauge::default(),
            log_disk_full: Gauge::default(),
            log_behind_bytes: Family::default(),
            recovery_progress: Level::default(),
            recovery_rows: Gauge::default(),
            recovery_seconds: Level::default(),
            snapshots: Counter::default(),
            snapshots_failed: Counter::default(),
            snapshot_age_seconds: Level::default(),
            snapshot_bytes: Gauge::default(),
            snapshot_seconds: Level::default(),
            otlp_spans_dropped: Counter::default(),
            peer_silent_seconds: Family::default(),
            peer_rows: Family::default(),
            peer_bytes: Family::default(),
            sse_clients: Gauge::default(),
            sse_compacted: Counter::default(),
            clients: Family::default(),
            connections: Gauge::default(),
            connections_capacity: Gauge::default(),
            requests: Family::default(),
            request_seconds: LatencyBuckets.new_metric(),
            refusals: Family::default(),
            body_bytes: Gauge::default(),
            body_capacity_bytes: Gauge::default(),
            answer_bytes: Gauge::default(),
            answer_capacity_bytes: Gauge::default(),
        };
        metrics.register();
        metrics
    }

    fn register(&mut self) {
        let registry = self.registry.sub_registry_with_prefix("highwater");
        let ours = &mut Ours { registry, names: &mut self.names };
        add(ours, "events_received", &self.events_received);
        add(ours, "events_late", &self.events_late);
        add(ours, "events_duplicate", &self.events_duplicate);
        add(ours, "dead_letters", &self.dead_letters);
        add(ours, "view_rows_failed", &self.view_rows_failed);
        add(ours, "view_dead_letters", &self.view_dead_letters);
        add(ours, "sink_rows_failed", &self.sink_rows_failed);
        add(ours, "sink_dead_letters", &self.sink_dead_letters);
        add(ours, "watermark_timestamp_seconds", &self.watermark_timestamp_seconds);
        add(ours, "watermark_lag_seconds", &self.watermark_lag_seconds);
        add(ours, "ingest_to_visible_seconds", &self.ingest_to_visible_seconds);
        add(ours, "input_buffer_rows", &self.input_buffer_rows);
        add(ours, "input_buffer_capacity_rows", &self.input_buffer_capacity_rows);
        add(ours, "backpressure_seconds", &self.backpressure_seconds);
        add(ours, "source_state", &self.source_state);
        add(ours, "source_splits", &self.source_splits);
        add(ours, "source_retries", &self.source_retries);
        add(ours, "windows_open", &self.windows_open);
        add(ours, "rows_emitted", &self.rows_emitted);
        add(ours, "sink_rows", &self.sink_rows);
        add(ours, "sink_waiting_epochs", &self.sink_waiting_epochs);
        add(ours, "sink_state", &self.sink_state);
        add(ours, "sink_retries", &self.sink_retries);
        add(ours, "operator_rows", &self.operator_rows);
        add(ours, "operator_busy_seconds", &self.operator_busy_seconds);
        add(ours, "state_rows", &self.state_rows);
        add(ours, "state_bytes", &self.state_bytes);
        add(ours, "log_frames", &self.log_frames);
        add(ours, "log_bytes", &self.log_bytes);
        add(ours, "log_sync_seconds", &self.log_sync_seconds);
        add(ours, "log_waiting_frames", &self.log_waiting_frames);
        add(ours, "log_waiting_bytes", &self.log_waiting_bytes);
        add(ours, "log_segments", &self.log_segments);
        add(ours, "log_disk_bytes", &self.log_disk_bytes);
        add(ours, "log_disk_full", &self.log_disk_full);
        add(ours, "log_behind_bytes", &self.log_behind_bytes);
        add(ours, "recovery_progress", &self.recovery_progress);
        add(ours, "recovery_rows", &self.recovery_rows);
        add(ours, "recovery_seconds", &self.recovery_seconds);
        add(ours, "snapshots", &self.snapshots);
        add(ours, "snapshots_failed", &self.snapshots_failed);
        add(ours, "snapshot_age_seconds", &self.snapshot_age_seconds);
        add(ours, "snapshot_bytes", &self.snapshot_bytes);
        add(ours, "snapshot_seconds", &self.snapshot_seconds);
        add(ours, "otlp_spans_dropped", &self.otlp_spans_dropped);
        add(ours, "peer_silent_seconds", &self.peer_silent_seconds);
        add(ours, "peer_rows", &self.peer_rows);
        add(ours, "peer_bytes", &self.peer_bytes);
        add(ours, "sse_clients", &self.sse_clients);
        add(ours, "sse_compacted", &self.sse_compacted);
        add(ours, "clients", &self.clients);
        add(ours, "connections", &self.connections);
        add(ours, "connections_capacity", &self.connections_capacity);
        add(ours, "requests", &self.requests);
        add(ours, "request_seconds", &self.request_seconds);
        add(ours, "refusals", &self.refusals);
        add(ours, "body_bytes", &self.body_bytes);
        add(ours, "body_capacity_bytes", &self.body_capacity_bytes);
        add(ours, "answer_bytes", &self.answer_bytes);
        add(ours, "answer_capacity_bytes", &self.answer_capacity_bytes);
        let build: Family<Labels, Gauge> = Family::default();
        let commit = option_env!("HIGHWATER_COMMIT").unwrap_or("unknown");
        build.get_or_create(&labels(("version", env!("CARGO_PKG_VERSION")), ("commit", commit))).set(1);
        add(ours, "build_info", &build);
        self.registry.register_collector(Box::new(process::Process));
    }

    /// Forgets what was counted of a view that is gone.
    pub fn forget_view(&self, view: &str) {
        for reason in REASONS {
            self.view_rows_failed.remove(&labels(("view", view), ("reason", reason)));
        }
        for kind in ["insert", "retract"] {
            self.rows_emitted.remove(&labels(("view", view), ("kind", kind)));
        }
        self.view_dead_letters.remove(&label("view", view));
        self.windows_open.remove(&label("view", view));
    }

    /// Forgets what was counted of a sink that is gone; its states are `states`.
    pub fn forget_sink<'a>(&self, sink: &str, states: impl IntoIterator<Item = &'a str>) {
        for reason in REASONS {
            self.sink_rows_failed.remove(&labels(("sink", sink), ("reason", reason)));
        }
        for state in states {
            self.sink_state.remove(&labels(("sink", sink), ("state", state)));
        }
        let label = label("sink", sink);
        self.sink_rows.remove(&label);
        self.sink_retries.remove(&label);
        self.sink_dead_letters.remove(&label);
        self.sink_waiting_epochs.remove(&label);
    }

    /// Forgets what was counted of an operator that is gone.
    pub fn forget_operator(&self, operator: &str) {
        for direction in ["in", "out"] {
            self.operator_rows.remove(&labels(("operator", operator), ("direction", direction)));
        }
        let label = label("operator", operator);
        self.operator_busy_seconds.remove(&label);
        self.state_rows.remove(&label);
        self.state_bytes.remove(&label);
    }

    /// All metrics as OpenMetrics text; those of the process as of this call.
    pub fn encode(&self) -> String {
        let mut buffer = String::new();
        match text::encode(&mut buffer, &self.registry) {
            Ok(()) => buffer,
            Err(error) => unreachable!("a string takes all that is written: {error}"),
        }
    }
}

/// Where families are registered, and their names noted.
struct Ours<'a> {
    registry: &'a mut Registry,
    names: &'a mut Vec<&'static str>,
}

fn add(ours: &mut Ours<'_>, name: &'static str, metric: &(impl RegistryMetric + Clone)) {
    ours.registry.register(name, table::help(name), metric.clone());
    ours.names.push(name);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_what_is_registered() {
        assert_eq!(Metrics::new().names, METRICS.iter().map(|spec| spec.name).collect::<Vec<_>>());
    }

    #[test]
    fn every_family_of_the_contract_is_encoded_under_its_name() {
        let metrics = Metrics::new();
        metrics.events_received.get_or_create(&label("source", "clicks")).inc_by(3);
        metrics.events_late.get_or_create(&labels(("source", "clicks"), ("outcome", "rejected"))).inc();
        metrics.backpressure_seconds.get_or_create(&label("source", "clicks")).inc_by(0.25);
        metrics.ingest_to_visible_seconds.observe(0.003);
        let text = metrics.encode();
        for line in [
            "highwater_events_received_total{source=\"clicks\"} 3",
            "highwater_events_late_total{source=\"clicks\",outcome=\"rejected\"} 1",
            "highwater_backpressure_seconds_total{source=\"clicks\"} 0.25",
            "highwater_ingest_to_visible_seconds_count 1",
            "highwater_build_info{version=",
            "process_resident_memory_bytes ",
            "process_cpu_seconds_total ",
            "process_open_fds ",
            "# EOF",
        ] {
            assert!(text.lines().any(|found| found.starts_with(line)), "no line starts with {line}:\n{text}");
        }
    }
}
