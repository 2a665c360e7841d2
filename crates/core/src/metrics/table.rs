//! Every family of ours, in the order of `/metrics`: its name, what it counts, its labels. The registry takes its help from
//! here and `docs/operations.md` its table.

/// What kind of metric a family is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It only grows; its name ends in `_total`.
    Counter,
    /// It goes up and down.
    Gauge,
    /// Counts by size, with `_bucket`, `_sum` and `_count`.
    Histogram,
}

/// A family.
#[derive(Clone, Copy, Debug)]
pub struct MetricSpec {
    /// Its name without `highwater_` and `_total`.
    pub name: &'static str,
    /// What kind it is.
    pub kind: Kind,
    /// The names of its labels.
    pub labels: &'static [&'static str],
    /// What it says.
    pub help: &'static str,
}

impl MetricSpec {
    /// Its name as Prometheus has it.
    pub fn exposed(&self) -> String {
        format!("highwater_{}{}", self.name, if self.kind == Kind::Counter { "_total" } else { "" })
    }
}

const fn spec(name: &'static str, kind: Kind, labels: &'static [&'static str], help: &'static str) -> MetricSpec {
    MetricSpec { name, kind, labels, help }
}

use Kind::{Counter, Gauge, Histogram};

/// All of them.
pub const METRICS: &[MetricSpec] = &[
    spec("events_received", Counter, &["source"], "Rows a source brought"),
    spec("events_late", Counter, &["source", "outcome"], "Rows behind the watermark"),
    spec("events_duplicate", Counter, &["source"], "Rows whose key was taken before"),
    spec("dead_letters", Counter, &["source", "reason"], "Rows not accepted"),
    spec("view_rows_failed", Counter, &["view", "reason"], "Rows that a view could not take, taken back or not"),
    spec("view_dead_letters", Gauge, &["view"], "Rows that a view could not take"),
    spec("sink_rows_failed", Counter, &["sink", "reason"], "Rows that a sink could not take, taken back or not"),
    spec("sink_dead_letters", Gauge, &["sink"], "Rows that a sink could not take"),
    spec("watermark_timestamp_seconds", Gauge, &["source"], "The watermark of a source"),
    spec("watermark_lag_seconds", Gauge, &["source"], "Wall clock minus watermark"),
    spec("ingest_to_visible_seconds", Histogram, &[], "From decoding to visible in the views"),
    spec("input_buffer_rows", Gauge, &["source"], "Rows waiting in the queues"),
    spec("input_buffer_capacity_rows", Gauge, &["source"], "Rows that may wait in the queues"),
    spec("backpressure_seconds", Counter, &["source"], "Time held back by full queues"),
    spec("source_state", Gauge, &["source", "state"], "1 for the state that a source is in"),
    spec("source_splits", Gauge, &["source", "state"], "Splits of a source by the state that they are in"),
    spec("source_retries", Counter, &["source"], "Reads that failed for a passing reason"),
    spec("windows_open", Gauge, &["view"], "Closing times still ahead of the watermark"),
    spec("rows_emitted", Counter, &["view", "kind"], "Changes shown"),
    spec("sink_rows", Counter, &["sink"], "Changes handed to a sink's writers"),
    spec("sink_waiting_epochs", Gauge, &["sink"], "Epochs that wait to be written"),
    spec("sink_state", Gauge, &["sink", "state"], "1 for the state that a sink is in"),
    spec("sink_retries", Counter, &["sink"], "Writes that failed for a passing reason"),
    spec("operator_rows", Counter, &["operator", "direction"], "Rows through an operator"),
    spec("operator_busy_seconds", Counter, &["operator"], "Time spent in an operator"),
    spec("state_rows", Gauge, &["operator"], "Rows an operator keeps"),
    spec("state_bytes", Gauge, &["operator"], "Bytes an operator keeps"),
    spec("log_frames", Counter, &["kind"], "Frames that the log of the data directory took"),
    spec("log_bytes", Counter, &[], "Bytes of these frames"),
    spec("log_sync_seconds", Histogram, &[], "How long the disk took to make what was written to the log durable"),
    spec("log_waiting_frames", Gauge, &[], "Frames that the log took and that are not durable yet"),
    spec("log_waiting_bytes", Gauge, &[], "Bytes that the log took and has not written yet"),
    spec("log_segments", Gauge, &[], "Segments of the log"),
    spec("log_disk_bytes", Gauge, &[], "What the data directory takes on the disk"),
    spec("log_disk_full", Gauge, &[], "1 while the disk has no room for the log"),
    spec(
        "log_behind_bytes",
        Gauge,
        &["source"],
        "Bytes in the log that were pushed and wait for the source to take them",
    ),
    spec("recovery_progress", Gauge, &[], "How much of the data directory the start has done again, from 0 to 1"),
    spec("recovery_rows", Gauge, &[], "Rows that the start took from the data directory"),
    spec("recovery_seconds", Gauge, &[], "How long the start took to do again what the data directory holds"),
    spec("snapshots", Counter, &[], "Snapshots of the state that were written to the data directory"),
    spec("snapshots_failed", Counter, &[], "Snapshots that could not be written: the log is kept for them"),
    spec("snapshot_age_seconds", Gauge, &[], "How old the last snapshot is"),
    spec("snapshot_bytes", Gauge, &[], "Bytes of the last snapshot"),
    spec(
        "snapshot_seconds",
        Gauge,
        &[],
        "How long the last snapshot took, from when it was begun until it was durable",
    ),
    spec("otlp_spans_dropped", Counter, &[], "Spans that found no room on their way to the collector"),
    spec("peer_silent_seconds", Gauge, &["peer"], "Time without a sign of life of another process of the cluster"),
    spec("peer_rows", Gauge, &["peer"], "Rows sent to another process that it has not taken in"),
    spec("peer_bytes", Gauge, &["peer"], "Bytes sent to another process that it has not taken in"),
    spec("sse_clients", Gauge, &[], "Connected readers of streams"),
    spec("sse_compacted", Counter, &[], "Deltas merged for slow readers of streams"),
    spec("clients", Gauge, &["kind"], "Clients by kind: sse, websocket, ingest_websocket"),
    spec("connections", Gauge, &[], "Open connections"),
    spec("connections_capacity", Gauge, &[], "Connections that may be open"),
    spec("requests", Counter, &["method", "status"], "Requests answered"),
    spec("request_seconds", Histogram, &[], "From a request's head to the head of its answer"),
    spec("refusals", Counter, &["kind"], "What was refused, by why"),
    spec(
        "body_bytes",
        Gauge,
        &[],
        "Bytes of request bodies and WebSocket messages in flight, and of what becomes of them",
    ),
    spec("body_capacity_bytes", Gauge, &[], "Bytes that these may have: the limit bodies, twice"),
    spec("answer_bytes", Gauge, &[], "Bytes of long answers that clients have not taken yet"),
    spec("answer_capacity_bytes", Gauge, &[], "Bytes of long answers that may wait for clients"),
    spec("build_info", Gauge, &["version", "commit"], "The build, always 1"),
];

/// What a family says.
pub(super) fn help(name: &str) -> &'static str {
    match METRICS.iter().find(|spec| spec.name == name) {
        Some(spec) => spec.help,
        None => unreachable!("{name} is not in the table"),
    }
}
