//! `GET /api/v1/stats`: totals, rates, buffers, latency, at a glance. `/stream/metrics` sends the same every second as server-sent
//! events; `/api/stats` is its first name.
//!
//! Counts are those of this process; a rate is that of the last [`SPAN`] seconds.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Json;
use axum::extract::{Extension, State};
use axum::response::Response;
use axum::routing::get;
use serde::Serialize;
use tokio::sync::mpsc;

use super::App;
use super::access::Pass;
use super::as_of::AsOf;
use super::dead_letters::{SinkStats, dead_letters_of, sinks_of};
use super::json;
use super::problem::Problem;
use super::route::{Answer, Route, Shape};
use super::stream::{Side, events, place};
use super::stream_event::Event;
use super::traffic::Client;
use highwater_core::engine::{Backlog, Engine, LogState, Peer, Source};
use highwater_core::time::Clock;

/// Over how many seconds a rate is taken.
const SPAN: usize = 5;

/// The statistics.
pub(super) const ROUTES: &[Route] = &[
    Route::get("/api/v1/stats", "Totals, rates, buffers", || get(stats)).answers(&[Answer::json("Stats")]),
    Route::get("/api/stats", "The same, by its first name", || get(stats)).answers(&[Answer::json("Stats")]),
    Route::get("/stream/metrics", "The same every second, as server-sent events", || get(stream))
        .answers(&[Answer::text("text/event-stream")]),
];

/// What they return.
pub(super) const SHAPES: &[Shape] = &[
    (
        "Stats",
        "state:string finished:boolean seconds:number as_of:AsOf rows_received:integer rows_accepted:integer \
         rows_late:integer dead_letters:integer rows_failed:integer rows_per_second:number ingest_to_visible:Latency? \
         sources:[SourceStats] views:[ViewStats] sinks:[SinkStats] peers:[PeerStats] log:Log? sse_clients:integer",
    ),
    (
        "Log",
        "sync:string frames:integer bytes:integer waiting_frames:integer waiting_bytes:integer segments:integer \
         disk_bytes:integer disk_full:boolean syncs:integer sync_seconds:number snapshot_interval:string \
         snapshot:Snapshot?",
    ),
    ("Snapshot", "epoch:string taken_ms:integer bytes:integer seconds:number from_frame:integer"),
    ("PeerStats", "process:integer address:string silent_seconds:number rows:integer bytes:integer trouble:string?"),
    ("Latency", "epochs:integer p50_seconds:number p99_seconds:number max_seconds:number"),
    (
        "SourceStats",
        "name:string rows_received:integer watermark:string buffer_rows:integer buffer_capacity_rows:integer behind:Behind?",
    ),
    (
        "Behind",
        "frames:integer bytes:integer limit_bytes:integer came_bytes_per_second:number taken_bytes_per_second:number \
         seconds:number?",
    ),
    ("ViewStats", "name:string rows:integer windows_open:integer dead_letters:integer as_of:AsOf"),
];

#[derive(Serialize)]
struct Stats {
    state: &'static str,
    /// Every source has ended and everything is shown.
    finished: bool,
    seconds: f64,
    /// What every view has reached.
    as_of: AsOf,
    rows_received: u64,
    rows_accepted: u64,
    /// Rows behind the watermark, accepted or not.
    rows_late: u64,
    /// Rows that sources could not take.
    dead_letters: u64,
    /// Rows that views and sinks could not take, each once.
    rows_failed: u64,
    rows_per_second: f64,
    /// Of the last few thousand epochs; null before the first.
    ingest_to_visible: Option<Latency>,
    sources: Vec<SourceStats>,
    views: Vec<ViewStats>,
    sinks: Vec<SinkStats>,
    /// The other processes of the cluster.
    peers: Vec<PeerStats>,
    /// The log of the data directory, if there is one.
    log: Option<LogState>,
    sse_clients: i64,
}

#[derive(Serialize)]
struct Latency {
    epochs: usize,
    p50_seconds: f64,
    p99_seconds: f64,
    max_seconds: f64,
}

#[derive(Serialize)]
struct PeerStats {
    process: usize,
    address: String,
    silent_seconds: f64,
    /// Sent to it and not taken in.
    rows: u64,
    bytes: u64,
    /// Why it holds this process up, if it does.
    trouble: Option<String>,
}

impl From<Peer> for PeerStats {
    fn from(peer: Peer) -> PeerStats {
        let Peer { process, address, silent, rows, bytes, trouble } = peer;
        PeerStats { process, address, silent_seconds: silent.as_secs_f64(), rows, bytes, trouble }
    }
}

#[derive(Serialize)]
struct SourceStats {
    name: String,
    rows_received: u64,
    watermark: String,
    buffer_rows: usize,
    buffer_capacity_rows: usize,
    /// What waits of it in the log; null if nothing does.
    behind: Option<Behind>,
}

/// Rows that the workers have had no room for, or a start has not come to.
#[derive(Serialize)]
struct Behind {
    frames: u64,
    bytes: u64,
    limit_bytes: u64,
    /// Of the last seconds, also what did not have to wait for long.
    came_bytes_per_second: f64,
    taken_bytes_per_second: f64,
    /// In how many seconds nothing waits if it goes on so; null if it then never comes to that.
    seconds: Option<f64>,
}

impl Behind {
    /// `before` is how it stood so many seconds ago.
    fn of(now: Backlog, before: Option<(f64, Backlog)>) -> Option<Behind> {
        let Backlog { frames, bytes, limit_bytes, taken_bytes } = now;
        if frames == 0 {
            return None;
        }
        let rates = before.filter(|(seconds, _)| *seconds > 0.0).map(|(seconds, before)| {
            let taken = taken_bytes.saturating_sub(before.taken_bytes) as f64;
            let came = (taken + bytes as f64 - before.bytes as f64).max(0.0);
            (came / seconds, taken / seconds)
        });
        let (came_bytes_per_second, taken_bytes_per_second) = rates.unwrap_or_default();
        let less = taken_bytes_per_second - came_bytes_per_second;
        let seconds = (less > 0.0).then(|| bytes as f64 / less);
        Some(Behind { frames, bytes, limit_bytes, came_bytes_per_second, taken_bytes_per_second, seconds })
    }
}

#[derive(Serialize)]
struct ViewStats {
    name: String,
    rows: usize,
    windows_open: usize,
    dead_letters: u64,
    as_of: AsOf,
}

impl Stats {
    fn of(app: &App) -> Stats {
        let engine = &app.engine;
        let counts: Vec<_> = engine.sources().iter().map(|source| source.counts()).collect();
        let sum = |of: fn(&highwater_core::source::EdgeCounts) -> u64| counts.iter().map(of).sum::<u64>();
        let source = |(at, source): (usize, &Arc<Source>)| SourceStats {
            name: source.name().to_owned(),
            rows_received: counts[at].received(),
            watermark: highwater_core::time::format_time_ms(source.watermark()),
            buffer_rows: source.buffered_rows(),
            buffer_capacity_rows: source.capacity_rows(),
            behind: source.backlog().and_then(|backlog| Behind::of(backlog, app.rates.backlog_before(at))),
        };
        let view = |view: &Arc<highwater_core::view::View>| ViewStats {
            name: view.name().to_owned(),
            rows: view.row_count(),
            windows_open: view.windows_open(),
            dead_letters: dead_letters_of(engine, highwater_core::engine::Owner::View, view.name())
                .map_or(0, |letters| letters.total()),
            as_of: view.as_of().into(),
        };
        let state = engine.state();
        Stats {
            state: state.name(),
            finished: matches!(state, highwater_core::engine::State::Done),
            seconds: engine.progress().seconds,
            as_of: engine.views().as_of().into(),
            rows_received: sum(|counts| counts.received()),
            rows_accepted: sum(|counts| counts.accepted()),
            rows_late: sum(|counts| counts.accepted_late + counts.rejected_late),
            dead_letters: sum(|counts| counts.rejected()),
            rows_failed: engine.rows_failed(),
            rows_per_second: app.rates.rows_per_second(),
            ingest_to_visible: engine.visibility().map(|last| Latency {
                epochs: last.epochs,
                p50_seconds: last.p50_seconds,
                p99_seconds: last.p99_seconds,
                max_seconds: last.max_seconds,
            }),
            sources: engine.sources().iter().enumerate().map(source).collect(),
            views: engine.views().all().iter().map(view).collect(),
            sinks: sinks_of(engine),
            peers: engine.peers().into_iter().map(PeerStats::from).collect(),
            log: engine.log(),
            sse_clients: engine.metrics().sse_clients.get(),
        }
    }
}

/// The answer, as text.
pub(super) fn text(app: &App) -> String {
    json::object(&Stats::of(app))
}

async fn stats(State(app): State<App>) -> Json<Stats> {
    Json(Stats::of(&app))
}

async fn stream(State(app): State<App>, side: Side, Extension(pass): Extension<Pass>) -> Result<Response, Problem> {
    let place = place(&app, Client::Sse)?;
    let (out, receiver) = mpsc::channel(1);
    let mut closing = app.closing.clone();
    tokio::spawn(async move {
        let _place = place;
        let send = async {
            loop {
                if out.send(Event::new("stats", text(&app)).alone()).await.is_err() {
                    return;
                }
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        };
        tokio::select! {
            () = send => {}
            () = out.closed() => {}
            () = pass.over() => {}
            _ = closing.wait_for(|closing| *closing) => {}
        }
    });
    Ok(events(receiver, side))
}

/// Rows received at the last few seconds, and what waited of each source then.
#[derive(Debug)]
pub(super) struct Rates {
    clock: Clock,
    seen: Mutex<VecDeque<Seen>>,
}

#[derive(Debug, Default)]
struct Seen {
    seconds: f64,
    rows: u64,
    backlogs: Vec<Option<Backlog>>,
}

impl Rates {
    pub(super) fn new() -> Rates {
        Rates { clock: Clock::start(), seen: Mutex::new(VecDeque::from([Seen::default()])) }
    }

    /// Looks once a second, and does what else is to be done so often; never ends.
    pub(super) async fn watch(&self, engine: &Engine, also: impl Fn()) {
        loop {
            tokio::time::sleep(Duration::from_secs(1)).await;
            also();
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            let (seconds, rows) = (self.clock.elapsed_seconds(), engine.progress().rows);
            let backlogs = engine.sources().iter().map(|source| source.backlog()).collect();
            seen.push_back(Seen { seconds, rows, backlogs });
            if seen.len() > SPAN + 1 {
                seen.pop_front();
            }
        }
    }

    fn rows_per_second(&self) -> f64 {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        match (seen.front(), seen.back()) {
            (Some(before), Some(after)) if after.seconds > before.seconds => {
                after.rows.saturating_sub(before.rows) as f64 / (after.seconds - before.seconds)
            }
            _ => 0.0,
        }
    }

    /// What waited of a source, by its place, a few seconds ago; and how many that is.
    fn backlog_before(&self, source: usize) -> Option<(f64, Backlog)> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let found = |seen: &Seen| Some((seen.seconds, *seen.backlogs.get(source)?.as_ref()?));
        let (then, backlog) = seen.iter().find_map(found)?;
        Some((self.clock.elapsed_seconds() - then, backlog))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn how_long_a_backlog_takes_is_told_from_what_came_and_what_was_taken() {
        let backlog = |bytes, taken_bytes| Backlog { frames: bytes, bytes, limit_bytes: 1_000, taken_bytes };
        let told = |now, before| {
            Behind::of(now, before).map(|b| (b.came_bytes_per_second, b.taken_bytes_per_second, b.seconds))
        };
        assert_eq!(told(backlog(0, 50), Some((4.0, backlog(9, 0)))), None, "nothing waits");
        assert_eq!(told(backlog(100, 0), None), Some((0.0, 0.0, None)), "nothing is known of before");
        // In 4 s 80 were taken and 20 came: 15 a second less, of 100.
        let (came, taken, seconds) = told(backlog(100, 90), Some((4.0, backlog(160, 10)))).unwrap();
        assert_eq!((came, taken), (5.0, 20.0));
        assert!((seconds.unwrap() - 100.0 / 15.0).abs() < 1e-9, "{seconds:?}");
        // More comes than is taken: it never ends so.
        assert_eq!(told(backlog(200, 90), Some((4.0, backlog(160, 10)))), Some((30.0, 20.0, None)));
    }
}
