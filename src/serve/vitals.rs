//! `GET /api/v1/health`: how the server is, in full: what the process uses, each worker and process, who is there, what was
//! refused, and each source and sink with its state. `/health` is the short form, for strangers.
//!
//! Counts are since the start, those of this process; what the kernel does not tell is null.

use axum::Json;
use axum::extract::State;
use axum::routing::get;
use serde::Serialize;

use super::App;
use super::health::{Readiness, ViewHealth, view_health};
use super::json;
use super::limits::Limit;
use super::route::{Answer, Route, Shape};
use super::sources::{Split, splits};
use super::traffic::{CLIENTS, Client};
use highwater_core::engine::{Sink, Source, State as Engine};
use highwater_core::metrics::Usage;
use highwater_core::retry::{Stand, State as Standing};

/// Splits of a source that are told one by one.
const SPLITS: usize = 16;

/// The call.
pub(super) const ROUTES: &[Route] =
    &[Route::get("/api/v1/health", "How the server is, in full", || get(vitals)).answers(&[Answer::json("Vitals")])];

/// What it returns.
pub(super) const SHAPES: &[Shape] = &[
    (
        "Vitals",
        "status:string not_ready:string? version:string commit:string engine:string error:string? uptime_seconds:number process:ProcessUsage \
         workers:[WorkerUsage] processes:[ClusterProcess] clients:Clients refusals:[Refusals] buffers:[ByteBuffer] \
         sources:[Component] sinks:[Component] views:[ViewHealth]",
    ),
    (
        "ProcessUsage",
        "memory_bytes:number? virtual_bytes:number? cpu_seconds:number? cores:integer threads:number? \
         open_descriptors:number? descriptors_limit:number?",
    ),
    ("WorkerUsage", "worker:integer cpu_seconds:number"),
    ("ClusterProcess", "process:integer address:string state:string"),
    (
        "Clients",
        "connections:integer connections_limit:integer sse:integer websocket:integer ingest_websocket:integer \
         streams_limit:integer",
    ),
    ("Refusals", "kind:string count:integer"),
    ("ByteBuffer", "name:string bytes:integer capacity_bytes:integer"),
    (
        "Component",
        "name:string connector:string state:string reason:string? retry_in_ms:integer? retries:integer rows:integer \
         waiting:integer waiting_limit:integer? splits:[Split]",
    ),
];

#[derive(Serialize)]
struct Vitals {
    /// As `/readyz` has it (see [`Readiness`]); `degraded` also if a source or a sink waits for something to pass.
    status: &'static str,
    not_ready: Option<String>,
    version: &'static str,
    commit: &'static str,
    engine: &'static str,
    error: Option<String>,
    uptime_seconds: f64,
    process: ProcessUsage,
    workers: Vec<WorkerUsage>,
    processes: Vec<ClusterProcess>,
    clients: Clients,
    /// Every kind there is.
    refusals: Vec<Refusals>,
    buffers: Vec<ByteBuffer>,
    sources: Vec<Component>,
    sinks: Vec<Component>,
    views: Vec<ViewHealth>,
}

#[derive(Serialize)]
struct ProcessUsage {
    memory_bytes: Option<f64>,
    virtual_bytes: Option<f64>,
    cpu_seconds: Option<f64>,
    cores: usize,
    threads: Option<f64>,
    open_descriptors: Option<f64>,
    descriptors_limit: Option<f64>,
}

#[derive(Serialize)]
struct WorkerUsage {
    worker: usize,
    /// What its thread has worked.
    cpu_seconds: f64,
}

#[derive(Serialize)]
struct ClusterProcess {
    process: usize,
    /// Empty if it is the only one.
    address: String,
    /// `here`, `connected`, `stalled`, `left` or `gone`.
    state: &'static str,
}

#[derive(Serialize)]
struct Clients {
    connections: i64,
    connections_limit: i64,
    sse: i64,
    websocket: i64,
    ingest_websocket: i64,
    streams_limit: usize,
}

#[derive(Serialize)]
struct Refusals {
    kind: &'static str,
    count: u64,
}

#[derive(Serialize)]
struct ByteBuffer {
    /// `bodies` or `answers`.
    name: &'static str,
    bytes: i64,
    capacity_bytes: i64,
}

/// A source or a sink.
#[derive(Serialize)]
struct Component {
    name: String,
    connector: String,
    /// `connecting`, `running`, `retrying`, `ended` or `failed`.
    state: &'static str,
    /// Why it does not go on just now.
    reason: Option<String>,
    retry_in_ms: Option<u64>,
    retries: u64,
    rows: u64,
    /// Rows of a source, epochs of a sink.
    waiting: usize,
    waiting_limit: Option<usize>,
    /// Of a source those that cannot go on; [`SPLITS`] at most.
    splits: Vec<Split>,
}

fn source(source: &Source) -> Component {
    let Stand { state, reason, retry_in_ms, retries } = source.stand();
    Component {
        name: source.name().to_owned(),
        connector: source.spec().connector.name().to_owned(),
        state: state.name(),
        reason,
        retry_in_ms,
        retries,
        rows: source.counts().received(),
        waiting: source.buffered_rows(),
        waiting_limit: Some(source.capacity_rows()),
        splits: splits(source, SPLITS, |state| state <= Standing::Retrying),
    }
}

fn sink(sink: &Sink) -> Component {
    let Stand { state, reason, retry_in_ms, retries } = sink.stand();
    Component {
        name: sink.name().to_owned(),
        connector: sink.connector().to_owned(),
        state: state.name(),
        reason,
        retry_in_ms,
        retries,
        rows: sink.rows(),
        waiting: sink.waiting_epochs(),
        waiting_limit: None,
        splits: Vec::new(),
    }
}

impl Vitals {
    fn of(app: &App) -> Vitals {
        let (engine, metrics, usage) = (&app.engine, app.engine.metrics(), Usage::read());
        let state = engine.state();
        let error = match &state {
            Engine::Failed(error) => Some(error.to_string()),
            _ => None,
        };
        let sources: Vec<Component> = engine.sources().iter().map(|of| source(of)).collect();
        let sinks: Vec<Component> = engine.sinks().iter().map(|of| sink(of)).collect();
        let waits = sources.iter().chain(&sinks).any(|component| component.reason.is_some());
        let workers =
            engine.workers().into_iter().map(|(worker, cpu_seconds)| WorkerUsage { worker, cpu_seconds }).collect();
        let process = |(process, address, state)| ClusterProcess { process, address, state };
        let clients = app.traffic.clients();
        let buffer = |name, bytes: i64, capacity_bytes: i64| ByteBuffer { name, bytes, capacity_bytes };
        let Readiness { word, not_ready } = Readiness::of(app);
        Vitals {
            status: if word == "ok" && waits { "degraded" } else { word },
            not_ready,
            version: env!("CARGO_PKG_VERSION"),
            commit: option_env!("HIGHWATER_COMMIT").unwrap_or("unknown"),
            engine: state.name(),
            error,
            uptime_seconds: app.uptime.elapsed_seconds(),
            process: ProcessUsage {
                memory_bytes: usage.resident_bytes,
                virtual_bytes: usage.virtual_bytes,
                cpu_seconds: usage.cpu_seconds,
                cores: std::thread::available_parallelism().map_or(1, usize::from),
                threads: usage.threads,
                open_descriptors: usage.open_fds,
                descriptors_limit: usage.max_fds,
            },
            workers,
            processes: engine.processes().into_iter().map(process).collect(),
            clients: Clients {
                connections: app.traffic.connections.get(),
                connections_limit: app.traffic.connections_capacity.get(),
                sse: clients[Client::Sse as usize],
                websocket: clients[Client::WebSocket as usize],
                ingest_websocket: clients[Client::IngestWebSocket as usize],
                streams_limit: app.access.limits.size(Limit::Subscribers),
            },
            refusals: app.traffic.refused().map(|(kind, count)| Refusals { kind, count }).collect(),
            buffers: vec![
                buffer("bodies", metrics.body_bytes.get(), metrics.body_capacity_bytes.get()),
                buffer("answers", metrics.answer_bytes.get(), metrics.answer_capacity_bytes.get()),
            ],
            sources,
            sinks,
            views: engine.views().all().iter().map(view_health).collect(),
        }
    }
}

const _: () = assert!(CLIENTS.len() == 3, "the clients of an answer are those of the table");

/// The answer, as text.
pub(super) fn text(app: &App) -> String {
    json::object(&Vitals::of(app))
}

async fn vitals(State(app): State<App>) -> Json<Vitals> {
    Json(Vitals::of(&app))
}
