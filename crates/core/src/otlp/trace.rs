//! Spans of requests: whether one is recorded, what it says, and the queue to whoever sends it.
//!
//! A request that comes with a `traceparent` (W3C Trace Context, level 1) goes on with that trace, and is recorded if the
//! caller's is; one without begins a trace, recorded in the share that the sampler says.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crossbeam_channel::{Receiver, Sender, bounded};
use prometheus_client::metrics::counter::Counter;
use serde_json::{Value, json};

use super::{Resource, integer, scope, text};

/// As many spans may wait to be sent.
const WAITING: usize = 4096;

/// The place of a caller in a trace, as the header `traceparent` says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Traceparent {
    trace: u128,
    span: u64,
    sampled: bool,
}

impl Traceparent {
    /// Reads `00-<trace id>-<span id>-<flags>`; of later versions what this one knows. Nothing if it is not one: then, as
    /// the standard says, a trace begins.
    pub fn parse(header: &str) -> Option<Traceparent> {
        let mut parts = header.trim().split('-');
        let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let hex = |part: &str, digits: usize| {
            let fits = part.len() == digits && part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
            fits.then(|| u128::from_str_radix(part, 16).ok()).flatten()
        };
        let version = hex(version, 2).filter(|version| *version != 0xff)?;
        if version == 0 && parts.next().is_some() {
            return None;
        }
        let trace = hex(trace, 32).filter(|trace| *trace != 0)?;
        let span = hex(span, 16).filter(|span| *span != 0)?;
        Some(Traceparent { trace, span: span as u64, sampled: hex(flags, 2)? & 1 == 1 })
    }
}

/// Which traces that begin here are recorded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampler(f64);

impl Sampler {
    /// A share of them, 0 to 1; what is beyond is taken for the nearest.
    pub fn share(share: f64) -> Sampler {
        Sampler(if share.is_nan() { 0.0 } else { share.clamp(0.0, 1.0) })
    }

    /// By the trace's id, as OpenTelemetry's TraceIdRatioBased: processes with the same share agree.
    fn takes(self, trace: u128) -> bool {
        let low = (trace as u64) >> 1;
        (low as f64) < self.0 * (1u64 << 63) as f64
    }
}

/// One request, from its head to the head of its answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    trace: u128,
    id: u64,
    parent: Option<u64>,
    /// `METHOD /route/{of}/it`.
    pub name: String,
    /// When it began, ms since 1970.
    pub start_ms: i64,
    /// How long it took, in ms with fractions.
    pub ms: f64,
    /// The status of the answer.
    pub status: u16,
    /// What else is known, by the names of OpenTelemetry's conventions.
    pub attributes: Vec<(&'static str, String)>,
}

/// Takes spans without ever waiting; clones share one queue.
#[derive(Clone, Debug)]
pub struct Recorder {
    sampler: Sampler,
    random: RandomState,
    next: Arc<AtomicU64>,
    spans: Sender<Span>,
    dropped: Counter,
}

/// The identity of a span that will be recorded.
#[derive(Clone, Copy, Debug)]
pub struct Recording {
    trace: u128,
    id: u64,
    parent: Option<u64>,
}

impl Recorder {
    /// A recorder, and where its spans come out; `dropped` counts those that find no room.
    pub fn new(sampler: Sampler, dropped: Counter) -> (Recorder, Receiver<Span>) {
        let (spans, sent) = bounded(WAITING);
        let recorder = Recorder { sampler, random: RandomState::new(), next: Arc::default(), spans, dropped };
        (recorder, sent)
    }

    /// Begins a span if it is one to record.
    pub fn begin(&self, parent: Option<Traceparent>) -> Option<Recording> {
        let trace = match parent {
            Some(parent) if !parent.sampled => return None,
            Some(parent) => parent.trace,
            None => {
                let trace = u128::from(self.id()) << 64 | u128::from(self.id());
                self.sampler.takes(trace).then_some(trace)?
            }
        };
        Some(Recording { trace, id: self.id(), parent: parent.map(|parent| parent.span) })
    }

    /// Ends a span; it is counted as dropped if too many wait.
    pub fn end(
        &self,
        Recording { trace, id, parent }: Recording,
        name: String,
        (start_ms, ms): (i64, f64),
        status: u16,
        attributes: Vec<(&'static str, String)>,
    ) {
        let span = Span { trace, id, parent, name, start_ms, ms, status, attributes };
        if self.spans.try_send(span).is_err() {
            self.dropped.inc();
        }
    }

    /// A random id, never 0.
    fn id(&self) -> u64 {
        self.random.hash_one(self.next.fetch_add(1, Ordering::Relaxed)).max(1)
    }
}

/// The request that tells spans.
pub fn spans(spans: &[Span], resource: &Resource) -> Value {
    let spans: Vec<Value> = spans.iter().map(span).collect();
    json!({ "resourceSpans": [
        { "resource": resource.json(), "scopeSpans": [{ "scope": scope(), "spans": spans }] },
    ] })
}

fn span(span: &Span) -> Value {
    let start = i128::from(span.start_ms.max(0)) * 1_000_000;
    let end = start + (span.ms * 1e6) as i128;
    let mut attributes = vec![integer("http.response.status_code", i64::from(span.status))];
    attributes.extend(span.attributes.iter().map(|(name, value)| text(name, value)));
    let mut told = json!({
        "traceId": format!("{:032x}", span.trace), "spanId": format!("{:016x}", span.id), "name": span.name,
        // 2: the server's side. A status is only told of failures that are the server's: 2, error.
        "kind": 2, "startTimeUnixNano": start.to_string(), "endTimeUnixNano": end.to_string(),
        "attributes": attributes, "status": if span.status >= 500 { json!({ "code": 2 }) } else { json!({}) },
    });
    if let Some(parent) = span.parent {
        told["parentSpanId"] = json!(format!("{parent:016x}"));
    }
    told
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn headers_of_the_standard_are_read_and_others_are_not() {
        let read = Traceparent::parse(PARENT).unwrap();
        assert_eq!(read.trace, 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736);
        assert_eq!((read.span, read.sampled), (0x00f0_67aa_0ba9_02b7, true));
        let later = PARENT.replacen("00", "cc", 1) + "-what-the-future-brings";
        assert_eq!(Traceparent::parse(&later), Some(read));
        for wrong in [
            "",
            "00",
            &PARENT.to_uppercase(),
            &PARENT.replacen("00", "ff", 1),
            &format!("{PARENT}-x"),
            &PARENT.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32)),
            &PARENT.replace("00f067aa0ba902b7", &"0".repeat(16)),
            &PARENT.replace("-01", "-1"),
            &PARENT.replace("4bf9", "+bf9"),
        ] {
            assert_eq!(Traceparent::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_callers_trace_goes_on_and_its_decision_holds() {
        let (recorder, spans) = Recorder::new(Sampler::share(0.0), Counter::default());
        assert!(recorder.begin(None).is_none(), "a share of 0 begins no trace");
        assert!(recorder.begin(Traceparent::parse(&PARENT.replace("-01", "-00"))).is_none());
        let recording = recorder.begin(Traceparent::parse(PARENT)).unwrap();
        let attributes = vec![("url.path", "/a".to_owned())];
        recorder.end(recording, "GET /a".to_owned(), (1_000, 1.5), 503, attributes);
        let told = super::spans(&[spans.try_recv().unwrap()], &Resource::default());
        let told = &told["resourceSpans"][0]["scopeSpans"][0]["spans"][0];
        assert_eq!(told["traceId"], "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!((&told["parentSpanId"], &told["status"]["code"]), (&json!("00f067aa0ba902b7"), &json!(2)));
        assert_eq!(told["spanId"].as_str().unwrap().len(), 16);
        assert_eq!(
            (&told["startTimeUnixNano"], &told["endTimeUnixNano"]),
            (&json!("1000000000"), &json!("1001500000"))
        );
    }

    #[test]
    fn a_share_of_the_traces_that_begin_is_taken() {
        let taken = |share: f64| {
            let (recorder, _spans) = Recorder::new(Sampler::share(share), Counter::default());
            (0..10_000).filter(|_| recorder.begin(None).is_some()).count()
        };
        assert_eq!((taken(1.0), taken(f64::NAN), taken(-1.0), taken(7.0)), (10_000, 0, 0, 10_000));
        assert!((1_500..2_500).contains(&taken(0.2)), "{}", taken(0.2));
    }

    #[test]
    fn what_finds_no_room_is_counted() {
        let dropped = Counter::default();
        let (recorder, spans) = Recorder::new(Sampler::share(1.0), dropped.clone());
        for _ in 0..WAITING + 3 {
            recorder.end(recorder.begin(None).unwrap(), String::new(), (0, 0.0), 200, Vec::new());
        }
        assert_eq!((spans.len(), dropped.get()), (WAITING, 3));
    }
}
