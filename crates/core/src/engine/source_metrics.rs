//! The metrics of one source. Times are seconds.

use std::sync::Arc;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;

use crate::metrics::{Label, Labels, Level, Metrics, Seconds, label, labels};
use crate::retry::State;
use crate::source::EdgeCounts;

#[derive(Debug)]
pub(super) struct SourceMetrics {
    pub(super) all: Arc<Metrics>,
    pub(super) label: Label,
    received: Counter,
    accepted_late: Counter,
    rejected_late: Counter,
    pub(super) duplicates: Counter,
    pub(super) backpressure: Seconds,
    pub(super) watermark: Level,
}

impl SourceMetrics {
    /// Of the source of that name.
    pub(super) fn new(metrics: Arc<Metrics>, source: &str) -> SourceMetrics {
        let label = label("source", source);
        let late = |outcome| labels(("source", source), ("outcome", outcome));
        SourceMetrics {
            received: metrics.events_received.get_or_create_owned(&label),
            accepted_late: metrics.events_late.get_or_create_owned(&late("accepted")),
            rejected_late: metrics.events_late.get_or_create_owned(&late("rejected")),
            duplicates: metrics.events_duplicate.get_or_create_owned(&label),
            backpressure: metrics.backpressure_seconds.get_or_create_owned(&label),
            watermark: metrics.watermark_timestamp_seconds.get_or_create_owned(&label),
            all: metrics,
            label,
        }
    }

    /// Counts what came between two counts of an edge.
    pub(super) fn count(&self, before: &EdgeCounts, now: &EdgeCounts) {
        self.received.inc_by(now.received() - before.received());
        self.duplicates.inc_by(now.duplicates - before.duplicates);
        self.accepted_late.inc_by(now.accepted_late - before.accepted_late);
        self.rejected_late.inc_by(now.rejected_late - before.rejected_late);
    }
}

/// A watermark in seconds, the ends of time as infinities.
pub(super) fn seconds(watermark: i64) -> f64 {
    match watermark {
        i64::MIN => f64::NEG_INFINITY,
        i64::MAX => f64::INFINITY,
        ms => ms as f64 / 1e3,
    }
}

/// Says of something that it is in a state, and in no other.
pub(super) fn state(family: &Family<Labels, Gauge>, of: (&'static str, &str), now: State) {
    for known in State::ALL {
        family.get_or_create(&labels(of, ("state", known.name()))).set(i64::from(known == now));
    }
}
