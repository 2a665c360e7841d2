//! Who is there, what was asked and what was refused: the server's own counts, of which `/metrics` and `/api/v1/health` tell.

use std::sync::atomic::{AtomicU64, Ordering};

use axum::http::{Method, StatusCode};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;

use highwater_core::metrics::{Label, Metrics, label, labels};
use highwater_core::time::Clock;

/// Why something is refused: the kind, and what it means.
pub const REFUSALS: &[(&str, &str)] = &[
    ("connections", "more connections than the limit 'connections' or the descriptors allow"),
    ("descriptors", "the process has no descriptor left to accept a connection with"),
    ("handshake", "no TLS came about, or not in time"),
    ("slow_head", "the head of a request did not come in time"),
    ("head", "a head that is no HTTP, or too long"),
    ("slow_body", "a body came too slowly"),
    ("slow_reader", "a client did not take what it had asked for"),
    ("body", "a body longer than the limit 'body'"),
    ("bodies", "all bodies in flight together exceed the limit 'bodies'"),
    ("answers", "all answers on their way together exceed the limit 'answers'"),
    ("subscribers", "more streams than the limit 'subscribers'"),
    ("requests", "more requests a second than the limit 'requests'"),
    ("backpressure", "a source without room"),
    ("disk_full", "the disk of the data directory has no room"),
    ("host", "a call by a name that the server does not go by"),
    ("unauthorized", "no token, a wrong one, or one past its end"),
    ("forbidden", "a token without the role, or a page that may not call"),
    ("unknown", "a path, a view, a source that does not exist"),
    ("malformed", "a request that is wrong in itself"),
    ("unavailable", "the engine is starting, ending or has failed"),
    ("failed", "an answer that could not be made"),
];

/// Kinds of clients that stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Client {
    Sse,
    WebSocket,
    IngestWebSocket,
}

/// Their names, in the order of [`Client`].
pub(super) const CLIENTS: [&str; 3] = ["sse", "websocket", "ingest_websocket"];

/// How often a kind of refusal is logged at most.
const LOG_EVERY_MS: u64 = 10_000;

/// The counts.
#[derive(Debug)]
pub(super) struct Traffic {
    clock: Clock,
    pub(super) connections: Gauge,
    pub(super) connections_capacity: Gauge,
    clients: [Gauge; CLIENTS.len()],
    refusals: Vec<Refused>,
    metrics: std::sync::Arc<Metrics>,
}

#[derive(Debug)]
struct Refused {
    counter: Counter,
    /// When it was logged last, in ms by the clock from 1, and how many there had been.
    logged: AtomicU64,
    logged_count: AtomicU64,
}

/// Somebody who is there until this is dropped.
#[derive(Debug)]
pub(super) struct Here(Gauge);

impl Drop for Here {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Here {
    fn new(gauge: &Gauge) -> Here {
        gauge.inc();
        Here(gauge.clone())
    }
}

impl Traffic {
    pub(super) fn new(metrics: std::sync::Arc<Metrics>) -> Traffic {
        let of = |kind: &str| -> Label { label("kind", kind) };
        let refused = |(kind, _): &(&str, &str)| Refused {
            counter: metrics.refusals.get_or_create_owned(&of(kind)),
            logged: AtomicU64::new(0),
            logged_count: AtomicU64::new(0),
        };
        Traffic {
            clock: Clock::start(),
            connections: metrics.connections.clone(),
            connections_capacity: metrics.connections_capacity.clone(),
            clients: CLIENTS.map(|kind| metrics.clients.get_or_create_owned(&of(kind))),
            refusals: REFUSALS.iter().map(refused).collect(),
            metrics,
        }
    }

    /// A connection is open.
    pub(super) fn connection(&self) -> Here {
        Here::new(&self.connections)
    }

    /// A client stays.
    pub(super) fn client(&self, kind: Client) -> Here {
        Here::new(&self.clients[kind as usize])
    }

    /// How many of each kind are there.
    pub(super) fn clients(&self) -> [i64; CLIENTS.len()] {
        std::array::from_fn(|kind| self.clients[kind].get())
    }

    /// What was refused so far, by kind.
    pub(super) fn refused(&self) -> impl Iterator<Item = (&'static str, u64)> {
        REFUSALS.iter().zip(&self.refusals).map(|((kind, _), refused)| (*kind, refused.counter.get()))
    }

    /// Counts a refusal, and logs it unless one of its kind was logged a moment ago.
    pub(super) fn refuse(&self, kind: &'static str, whom: &dyn std::fmt::Display) {
        let at = REFUSALS.iter().position(|(known, _)| *known == kind);
        let Some((refused, (_, meaning))) = at.map(|at| (&self.refusals[at], REFUSALS[at])) else {
            unreachable!("{kind} is in the table")
        };
        refused.counter.inc();
        let (now, last) = (self.clock.elapsed_ms() + 1, refused.logged.load(Ordering::Relaxed));
        // Another thread may have logged since the clock was read.
        let due = last == 0 || now.saturating_sub(last) >= LOG_EVERY_MS;
        if due && refused.logged.compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            let all = refused.counter.get();
            let more = all.saturating_sub(refused.logged_count.swap(all, Ordering::Relaxed));
            tracing::warn!(kind, count = more, "refused {whom}: {meaning}");
        }
    }

    /// Counts an answer.
    pub(super) fn answered(&self, method: &Method, status: StatusCode, seconds: f64) {
        let method = match method.as_str() {
            known @ ("GET" | "HEAD" | "POST" | "PUT" | "DELETE" | "OPTIONS" | "PATCH") => known,
            _ => "other",
        };
        self.metrics.requests.get_or_create(&labels(("method", method), ("status", status.as_str()))).inc();
        self.metrics.request_seconds.observe(seconds);
    }
}

/// The kind of a refusal, in the extensions of its answer where the status does not say it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kind(pub(super) &'static str);

/// Why an answer refuses; `None` if it does not.
pub(super) fn kind(status: StatusCode, noted: Option<Kind>) -> Option<&'static str> {
    let by_status = match status.as_u16() {
        ..=399 => return None,
        401 => "unauthorized",
        403 => "forbidden",
        404 | 405 => "unknown",
        408 => "slow_body",
        413 => "body",
        421 => "host",
        429 => "backpressure",
        431 => "head",
        503 => "unavailable",
        507 => "disk_full",
        500.. => "failed",
        _ => "malformed",
    };
    Some(noted.map_or(by_status, |Kind(kind)| kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_in_the_table() {
        let all = (400..600).filter_map(|status| StatusCode::from_u16(status).ok());
        for kind in all.filter_map(|status| kind(status, None)) {
            assert!(REFUSALS.iter().any(|(known, _)| *known == kind), "{kind}");
        }
        assert_eq!(kind(StatusCode::SERVICE_UNAVAILABLE, Some(Kind("bodies"))), Some("bodies"));
        assert_eq!(kind(StatusCode::MISDIRECTED_REQUEST, None), Some("host"));
        assert_eq!(kind(StatusCode::SWITCHING_PROTOCOLS, None), None);
    }

    #[test]
    fn who_goes_is_not_counted_any_more() {
        let traffic = Traffic::new(std::sync::Arc::new(Metrics::new()));
        let here = (traffic.connection(), traffic.client(Client::WebSocket));
        assert_eq!((traffic.connections.get(), traffic.clients()), (1, [0, 1, 0]));
        drop(here);
        assert_eq!((traffic.connections.get(), traffic.clients()), (0, [0, 0, 0]));
        (0..3).for_each(|_| traffic.refuse("bodies", &"somebody"));
        assert!(traffic.refused().any(|refused| refused == ("bodies", 3)));
    }
}
