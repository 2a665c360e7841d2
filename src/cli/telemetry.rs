//! `--otlp URL`: tells an OpenTelemetry collector the metrics and the spans of requests, over OTLP/HTTP.
//!
//! One thread of its own sends; whatever the collector does, nobody waits for it. Spans that find no room are counted
//! (`highwater_otlp_spans_dropped_total`), metrics are told as they are by then, and a collector that cannot be reached is
//! in the log once a minute. What OpenTelemetry's own variables set is set by them, under their names and with their
//! defaults: headers, the service's name and attributes, intervals, the share of traces.

use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, bounded, never};

use super::http::{Client, Reach};
use highwater_core::engine::Engine;
use highwater_core::otlp::{self, Recorder, Resource, Sampler, Span, percent_decoded};
use highwater_core::time::{Clock, now_ms};

/// Spans are sent at the latest when so many wait.
const BATCH: usize = 512;

/// How long the collector may take for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long the end of a run waits until the last is sent.
const PARTING: Duration = Duration::from_secs(2);

/// How often the log says that nothing can be sent.
const COMPLAIN: Duration = Duration::from_secs(60);

/// What is to be told, and where.
#[derive(Debug)]
pub(super) struct Telemetry {
    client: Client,
    resource: Resource,
    metrics_every: Duration,
    spans_every: Duration,
    sampler: Sampler,
}

/// The thread that tells it, and what takes its spans.
#[derive(Debug)]
pub(super) struct Teller {
    recorder: Recorder,
    ended: Receiver<()>,
}

impl Telemetry {
    /// Where `url` is, with what the variables of OpenTelemetry say (`variable` reads one). An error is one of usage.
    pub(super) fn new(
        url: &str,
        process: usize,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Telemetry, String> {
        let wrong = |name: &str, value: &str, what: &str| format!("{name} is '{value}': write {what}");
        let millis = |name: &str, default: u64| match variable(name) {
            None => Ok(Duration::from_millis(default)),
            Some(text) => match text.trim().parse() {
                Ok(ms @ 1..) => Ok(Duration::from_millis(ms)),
                _ => Err(wrong(name, &text, "a number of milliseconds")),
            },
        };
        let share = match (variable("OTEL_TRACES_SAMPLER").as_deref(), variable("OTEL_TRACES_SAMPLER_ARG")) {
            (None | Some("always_on" | "parentbased_always_on"), None) => 1.0,
            (Some("always_off" | "parentbased_always_off"), _) => 0.0,
            (None | Some("traceidratio" | "parentbased_traceidratio"), Some(text)) => match text.trim().parse() {
                Ok(share @ 0.0..=1.0) => share,
                _ => return Err(wrong("OTEL_TRACES_SAMPLER_ARG", &text, "a share from 0 to 1")),
            },
            (Some("always_on" | "parentbased_always_on" | "traceidratio" | "parentbased_traceidratio"), _) => 1.0,
            (Some(name), _) => {
                let known = "always_on, always_off, traceidratio, or one of these behind parentbased_";
                return Err(wrong("OTEL_TRACES_SAMPLER", name, known));
            }
        };
        let headers = variable("OTEL_EXPORTER_OTLP_HEADERS").unwrap_or_default();
        let headers = headers.split(',').filter(|header| !header.trim().is_empty()).map(|header| {
            let pair =
                header.split_once('=').map(|(name, value)| (name.trim().to_owned(), percent_decoded(value.trim())));
            pair.ok_or_else(|| "OTEL_EXPORTER_OTLP_HEADERS: write NAME=VALUE,NAME=VALUE".to_owned())
        });
        let attributes = variable("OTEL_RESOURCE_ATTRIBUTES").unwrap_or_default();
        let mut resource = Resource::new(variable("OTEL_SERVICE_NAME").as_deref(), &attributes);
        resource.set("service.version", env!("CARGO_PKG_VERSION").to_owned());
        resource.set("service.instance.id", process.to_string());
        let target = Reach::default().target(url)?.with_headers(headers.collect::<Result<_, _>>()?)?;
        Ok(Telemetry {
            client: Client::unconnected(target, PATIENCE),
            resource,
            metrics_every: millis("OTEL_METRIC_EXPORT_INTERVAL", 60_000)?,
            spans_every: millis("OTEL_BSP_SCHEDULE_DELAY", 5_000)?,
            sampler: Sampler::share(share),
        })
    }

    /// Starts telling what goes on in an engine.
    pub(super) fn start(self, engine: &Arc<Engine>) -> Result<Teller, String> {
        let dropped = engine.metrics().otlp_spans_dropped.clone();
        let (recorder, spans) = Recorder::new(self.sampler, dropped);
        let (end, ended) = bounded(0);
        let engine = Arc::downgrade(engine);
        let text = move || engine.upgrade().map(|engine| engine.metrics_text());
        let thread = std::thread::Builder::new().name("otlp".to_owned());
        let telling = thread.spawn(move || {
            self.tell(&spans, text);
            drop(end);
        });
        telling.map_err(|error| format!("no thread to tell the collector: {error}"))?;
        Ok(Teller { recorder, ended })
    }

    /// Tells until nobody can record any more.
    fn tell(mut self, spans: &Receiver<Span>, metrics: impl Fn() -> Option<String>) {
        let start = now_ms();
        let mut sent = Sent::default();
        let (clock, mut metrics_at, mut spans_at) = (Clock::start(), Duration::ZERO, self.spans_every);
        let mut waiting: Vec<Span> = Vec::new();
        loop {
            // A full batch waits for its time if the collector did not take the one before.
            let more = if waiting.len() < BATCH { spans.clone() } else { never() };
            let until = metrics_at.min(spans_at).saturating_sub(clock.elapsed());
            let over = match more.recv_timeout(until) {
                Ok(span) => {
                    waiting.push(span);
                    if waiting.len() < BATCH {
                        continue;
                    }
                    spans_at = clock.elapsed().min(spans_at);
                    false
                }
                Err(RecvTimeoutError::Timeout) => false,
                Err(RecvTimeoutError::Disconnected) => true,
            };
            if over || clock.elapsed() >= spans_at {
                if !waiting.is_empty()
                    && sent.post(&mut self.client, "/v1/traces", &otlp::spans(&waiting, &self.resource))
                {
                    waiting.clear();
                }
                spans_at = clock.elapsed() + self.spans_every;
            }
            if over || clock.elapsed() >= metrics_at {
                if let Some(text) = metrics() {
                    let body = otlp::metrics(&text, &self.resource, start, now_ms());
                    sent.post(&mut self.client, "/v1/metrics", &body);
                }
                metrics_at = clock.elapsed() + self.metrics_every;
            }
            if over {
                return;
            }
        }
    }
}

impl Teller {
    /// What takes the spans of requests.
    pub(super) fn recorder(&self) -> Recorder {
        self.recorder.clone()
    }

    /// Ends, once all other recorders have ended: tells the last, for as long as that may take.
    pub(super) fn finish(self) {
        drop(self.recorder);
        let _ = self.ended.recv_timeout(PARTING);
    }
}

/// What became of what was sent.
#[derive(Default)]
struct Sent {
    complained: Option<Clock>,
}

impl Sent {
    /// Whether that need not be sent again: the collector took it, or will never take it.
    fn post(&mut self, client: &mut Client, path: &str, body: &serde_json::Value) -> bool {
        let (taken, trouble) = match client.post(path, "application/json", body.to_string().as_bytes()) {
            Ok(reply) if reply.status / 100 == 2 => (true, None),
            Ok(reply) if matches!(reply.status, 429 | 502..=504) => (false, Some(reply.reason())),
            Ok(reply) => (true, Some(reply.reason())),
            Err(error) => (false, Some(error)),
        };
        let quiet = self.complained.as_ref().is_some_and(|clock| clock.elapsed() < COMPLAIN);
        if let Some(trouble) = trouble.filter(|_| !quiet) {
            tracing::warn!("the collector of --otlp did not take {path}: {trouble}");
            self.complained = Some(Clock::start());
        }
        taken
    }
}

/// As a command line has it: the URL given, or that of OpenTelemetry's variable; neither is no telemetry.
pub(super) fn telemetry(url: Option<&str>, process: usize) -> Result<Option<Telemetry>, String> {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
    let url = url.map(str::to_owned).or_else(|| variable("OTEL_EXPORTER_OTLP_ENDPOINT"));
    let off = variable("OTEL_SDK_DISABLED").is_some_and(|off| off.eq_ignore_ascii_case("true"));
    url.filter(|_| !off).map(|url| Telemetry::new(&url, process, variable)).transpose()
}
