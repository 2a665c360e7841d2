//! What the history keeps: of the engine, of each source, of each view, of each operator of the plan. [`measures`] names them
//! once; [`sample`] reads them, in the same order.

use highwater_core::engine::{Engine, Source, UnitId};
use highwater_core::metrics::Usage;
use highwater_core::time::now_ms;

/// How a value is made of what is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    /// By how much a counter grew, per second.
    Rate,
    /// As it is.
    Level,
}

/// One measured value.
#[derive(Clone, Debug)]
pub(super) struct Measure {
    /// `engine`, `source`, `view`, `operator`.
    pub(super) kind: &'static str,
    /// Which of them.
    pub(super) of: Option<String>,
    /// What.
    pub(super) name: &'static str,
    /// `rows/s`, `ms`, `bytes`, `cores`, `share`, `rows`, `streams`.
    pub(super) unit: &'static str,
    pub(super) how: How,
}

/// A kind of value: its name, its unit, how it is made.
type Kind = (&'static str, &'static str, How);

/// Of the engine as a whole.
const ENGINE: &[Kind] = &[
    ("rows_per_second", "rows/s", How::Rate),
    ("late_per_second", "rows/s", How::Rate),
    ("rejected_per_second", "rows/s", How::Rate),
    ("latency_p50", "ms", How::Level),
    ("latency_p99", "ms", How::Level),
    ("memory", "bytes", How::Level),
    ("processor", "cores", How::Rate),
    ("queue", "share", How::Level),
    ("streams", "streams", How::Level),
];
/// Of each source.
const SOURCE: &[Kind] =
    &[("rows_per_second", "rows/s", How::Rate), ("lag", "ms", How::Level), ("queue", "share", How::Level)];
/// Of each view.
const VIEW: &[Kind] = &[("rows", "rows", How::Level)];
/// Of each node of the plan.
const OPERATOR: &[Kind] = &[("state_rows", "rows", How::Level), ("busy", "cores", How::Rate)];

/// All that is measured of an engine.
pub(super) fn measures(engine: &Engine) -> Vec<Measure> {
    let of = |kind: &'static str, of: Option<String>, kinds: &'static [Kind]| {
        kinds.iter().map(move |&(name, unit, how)| Measure { kind, of: of.clone(), name, unit, how })
    };
    let sources = engine.sources().iter().flat_map(|source| of("source", Some(source.name().to_owned()), SOURCE));
    let views =
        engine.views_of(UnitId::PROGRAM).into_iter().flat_map(|view| of("view", Some(view.name().to_owned()), VIEW));
    let nodes = (0..engine.dataflow().nodes.len()).flat_map(|node| of("operator", Some(node.to_string()), OPERATOR));
    of("engine", None, ENGINE).chain(sources).chain(views).chain(nodes).collect()
}

/// What all of them are now; not a number is not known. `epochs` is how many latencies were read so far.
pub(super) fn sample(engine: &Engine, epochs: &mut u64) -> Vec<f64> {
    let counts: Vec<_> = engine.sources().iter().map(|source| source.counts()).collect();
    let sum = |of: fn(&highwater_core::source::EdgeCounts) -> u64| counts.iter().map(of).sum::<u64>() as f64;
    let usage = Usage::read();
    let (latency, seen) = engine.visibility_since(*epochs);
    *epochs = seen;
    let unknown = |value: Option<f64>| value.unwrap_or(f64::NAN);
    let mut values = vec![
        sum(|counts| counts.received()),
        sum(|counts| counts.accepted_late + counts.rejected_late),
        sum(|counts| counts.rejected()),
        unknown(latency.map(|latency| 1000.0 * latency.p50_seconds)),
        unknown(latency.map(|latency| 1000.0 * latency.p99_seconds)),
        unknown(usage.resident_bytes),
        unknown(usage.cpu_seconds),
        engine.sources().iter().map(|source| queue(source)).fold(0.0, f64::max),
        engine.metrics().sse_clients.get() as f64,
    ];
    for (source, counts) in engine.sources().iter().zip(&counts) {
        values.extend([counts.received() as f64, lag(source), queue(source)]);
    }
    values.extend(engine.views_of(UnitId::PROGRAM).iter().map(|view| view.row_count() as f64));
    let mut nodes = vec![[0.0, 0.0]; engine.dataflow().nodes.len()];
    for operator in engine.operators() {
        let node = operator.node.filter(|(unit, _)| *unit == UnitId::PROGRAM);
        if let Some([rows, busy]) = node.and_then(|(_, node)| nodes.get_mut(node)) {
            *rows += operator.state_rows as f64;
            *busy += operator.busy_seconds;
        }
    }
    values.extend(nodes.into_iter().flatten());
    values
}

/// How much of its queues is taken.
fn queue(source: &Source) -> f64 {
    let capacity = source.capacity_rows();
    if capacity == 0 { 0.0 } else { source.buffered_rows() as f64 / capacity as f64 }
}

/// How far its watermark is behind the clock; a source without one, or that has ended, has none.
fn lag(source: &Source) -> f64 {
    match source.watermark() {
        i64::MIN | i64::MAX => f64::NAN,
        watermark => now_ms().saturating_sub(watermark).max(0) as f64,
    }
}
