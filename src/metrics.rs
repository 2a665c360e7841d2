//! The metrics of the contract: one registry with every family of the `highwater_` prefix, and the standard `process_*`
//! ones.
//!
//! Base units (seconds, bytes, rows); counters end in `_total` when encoded. Handles (`family.get_or_create_owned(..)`)
//! are atomics shared with the registry: take them once, not per event.

mod process;

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::{Family, MetricConstructor};
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// A label set of one label.
pub type Label = [(&'static str, String); 1];
/// A label set of two labels.
pub type Labels = [(&'static str, String); 2];
/// A counter of seconds.
pub type Seconds = Counter<f64, AtomicU64>;
/// A gauge with fractions.
pub type Level = Gauge<f64, AtomicU64>;

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
    /// Rows a source brought, whatever became of them: `source`.
    pub events_received: Family<Label, Counter>,
    /// Rows behind the watermark: `source`, `outcome` (`accepted`, `rejected`).
    pub events_late: Family<Labels, Counter>,
    /// Rows whose key was taken before: `source`.
    pub events_duplicate: Family<Label, Counter>,
    /// Rows that were not accepted: `source`, `reason`.
    pub dead_letters: Family<Labels, Counter>,
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
    /// Closing times that are still ahead of the watermark, among the rows of a view: `view`.
    pub windows_open: Family<Label, Gauge>,
    /// Changes a view showed: `view`, `kind` (`insert`, `retract`).
    pub rows_emitted: Family<Labels, Counter>,
    /// Rows through an operator: `operator`, `direction` (`in`, `out`).
    pub operator_rows: Family<Labels, Counter>,
    /// Time spent in an operator, all workers together: `operator`.
    pub operator_busy_seconds: Family<Label, Seconds>,
    /// Rows an operator keeps: `operator`.
    pub state_rows: Family<Label, Gauge>,
    /// Bytes an operator keeps: `operator`.
    pub state_bytes: Family<Label, Gauge>,
    /// Connected SSE clients.
    pub sse_clients: Gauge,
    /// Deltas that were merged for slow SSE clients.
    pub sse_compacted: Counter,
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
            events_received: Family::default(),
            events_late: Family::default(),
            events_duplicate: Family::default(),
            dead_letters: Family::default(),
            watermark_timestamp_seconds: Family::default(),
            watermark_lag_seconds: Family::default(),
            ingest_to_visible_seconds: LatencyBuckets.new_metric(),
            input_buffer_rows: Family::default(),
            input_buffer_capacity_rows: Family::default(),
            backpressure_seconds: Family::default(),
            windows_open: Family::default(),
            rows_emitted: Family::default(),
            operator_rows: Family::default(),
            operator_busy_seconds: Family::default(),
            state_rows: Family::default(),
            state_bytes: Family::default(),
            sse_clients: Gauge::default(),
            sse_compacted: Counter::default(),
        };
        metrics.register();
        metrics
    }

    fn register(&mut self) {
        let ours = self.registry.sub_registry_with_prefix("highwater");
        ours.register("events_received", "Rows a source brought", self.events_received.clone());
        ours.register("events_late", "Rows behind the watermark", self.events_late.clone());
        ours.register("events_duplicate", "Rows whose key was taken before", self.events_duplicate.clone());
        ours.register("dead_letters", "Rows not accepted", self.dead_letters.clone());
        let (at, lag) = (self.watermark_timestamp_seconds.clone(), self.watermark_lag_seconds.clone());
        ours.register("watermark_timestamp_seconds", "The watermark of a source", at);
        ours.register("watermark_lag_seconds", "Wall clock minus watermark", lag);
        let latency = self.ingest_to_visible_seconds.clone();
        ours.register("ingest_to_visible_seconds", "From decoding to visible in the views", latency);
        ours.register("input_buffer_rows", "Rows waiting in the queues", self.input_buffer_rows.clone());
        let capacity = self.input_buffer_capacity_rows.clone();
        ours.register("input_buffer_capacity_rows", "Rows that may wait in the queues", capacity);
        ours.register("backpressure_seconds", "Time held back by full queues", self.backpressure_seconds.clone());
        ours.register("windows_open", "Closing times still ahead of the watermark", self.windows_open.clone());
        ours.register("rows_emitted", "Changes shown", self.rows_emitted.clone());
        ours.register("operator_rows", "Rows through an operator", self.operator_rows.clone());
        ours.register("operator_busy_seconds", "Time spent in an operator", self.operator_busy_seconds.clone());
        ours.register("state_rows", "Rows an operator keeps", self.state_rows.clone());
        ours.register("state_bytes", "Bytes an operator keeps", self.state_bytes.clone());
        ours.register("sse_clients", "Connected SSE clients", self.sse_clients.clone());
        ours.register("sse_compacted", "Deltas merged for slow SSE clients", self.sse_compacted.clone());
        let build: Family<Labels, Gauge> = Family::default();
        let commit = option_env!("HIGHWATER_COMMIT").unwrap_or("unknown");
        build.get_or_create(&labels(("version", env!("CARGO_PKG_VERSION")), ("commit", commit))).set(1);
        ours.register("build_info", "The build, always 1", build);
        self.registry.register_collector(Box::new(process::Process));
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

#[cfg(test)]
mod tests {
    use super::*;

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
