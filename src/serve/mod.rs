//! The sidecar: views, streams, sources, metrics and the dashboard of one engine, over HTTP on tokio.
//!
//! One family of endpoints a file, each with its `ROUTES` and the `SHAPES` of its answers; the lists here make the router
//! and `/openapi.json`, so a new one is a file and a line. Answers are JSON, refusals RFC 9457 problems. What is read costs
//! the engine nothing: a slow reader costs memory of its own.
//!
//! The way of a request: [`connection`] takes it in, [`around`] gives it an id and bounds, [`access`] lets it through to
//! its route if its token has the role.

mod access;
mod ack;
mod aggregates;
mod alerts;
mod answer;
mod as_of;
mod asked;
mod body;
mod budget;
mod close;
mod columns;
mod compress;
mod connection;
mod cursor;
mod dashboard;
mod dataflow;
mod dead_letters;
mod event_batch;
mod extras;
mod half_close;
mod health;
mod history;
mod host;
mod inflow;
mod ingest;
mod ingest_told;
mod ingest_ws;
mod json;
mod keepalive;
mod lanes;
mod limits;
mod measured;
mod metrics;
mod openapi;
mod origin;
mod paced;
mod packed;
mod problem;
mod quiet;
mod request_layer;
mod role;
mod route;
mod rows_together;
mod search;
mod snapshots;
mod socket;
mod sources;
mod starting;
mod stats;
mod stream;
mod stream_event;
mod stream_id;
mod stream_ws;
mod tables;
mod throttle;
mod tls;
mod tokens;
mod traffic;
mod turns;
mod view_rows;
mod views;
mod vitals;
mod work;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

pub use access::Access;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{Method, StatusCode, Uri};
use axum::middleware::from_fn_with_state;
pub use host::Hosts;
pub use lanes::threads;
pub use limits::{LIMITS, Limit, LimitSpec, Limits, Unit};
pub use origin::Origins;
pub use starting::starting;
pub use tls::Tls;
pub use tokens::Tokens;
use tokio::net::TcpListener;
use tokio::sync::{RwLock, Semaphore, watch};
pub use traffic::REFUSALS;

use highwater_core::engine::Engine;
use highwater_core::time::{Clock, now_ms};
use problem::Problem;
use route::{Route, Shape};

/// How long a client may take to hear the last of a stream or a socket once the server ends.
const CLOSE_GRACE: Duration = Duration::from_secs(1);

/// How often it is looked whether the engine has done again what its data directory holds.
const LOOK: Duration = Duration::from_millis(20);

/// What every endpoint knows; one pointer, since every layer of a request has one.
type App = Arc<Shared>;

/// See [`App`].
struct Shared {
    engine: Arc<Engine>,
    rates: Arc<stats::Rates>,
    traffic: Arc<traffic::Traffic>,
    /// Since the server began.
    uptime: Clock,
    history: Arc<history::History>,
    alerts: Arc<alerts::Journal>,
    access: Arc<Access>,
    throttle: Option<throttle::Throttle>,
    /// Room for streams.
    subscribers: Arc<Semaphore>,
    /// What their readers were told last, and how they began.
    batches: event_batch::EventBatches,
    snapshots: snapshots::Snapshots,
    extras: extras::Extras,
    /// Where work is done that takes a while.
    lanes: lanes::Lanes,
    /// Room for bodies that come and for answers that go.
    bodies: budget::Budget,
    answers: budget::Budget,
    /// Held by every WebSocket as long as it is open: the server does not end before they have said goodbye.
    sockets: Arc<RwLock<()>>,
    /// Tells this run from others, in the ids of stream events: a restart from a data directory is the same run.
    run: u64,
    /// When the server began, in ms: tells it from others.
    began: u64,
    /// True once the server ends: streams end too.
    closing: watch::Receiver<bool>,
}

/// See [`Shared::tidy`].
const NUDGE_BYTES: usize = 1 << 20;

impl Shared {
    /// What is done now and then: what nobody is told any more is forgotten, and memory is given back. The allocator looks for what has been
    /// free for a while when more of it becomes free; once clients have gone nobody else would make it look.
    fn tidy(&self) {
        drop(std::hint::black_box(Vec::<u8>::with_capacity(NUDGE_BYTES)));
        self.snapshots.tidy();
        if self.engine.metrics().sse_clients.get() == 0 {
            self.batches.tidy();
        }
    }
}

/// Serves an engine until `stop`, then lets open requests end. Fails only if the listener does.
///
/// Requests that are still open `stop` later end: streams at once, others when they are answered.
pub async fn serve(
    listener: TcpListener,
    engine: Arc<Engine>,
    access: Access,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let (close, closing) = watch::channel(false);
    let began = now_ms().unsigned_abs();
    let rates = Arc::new(stats::Rates::new());
    let history = Arc::new(history::History::new(&engine));
    let alerts = Arc::new(alerts::Journal::new(&engine));
    let subscribers = access.limits.size(Limit::Subscribers).min(Semaphore::MAX_PERMITS);
    let (metrics, limits) = (engine.metrics(), &access.limits);
    let bodies = (limits.size(Limit::Bodies), &metrics.body_bytes, &metrics.body_capacity_bytes);
    let bodies = budget::Budget::with_work(bodies.0, bodies.1, bodies.2);
    let answers = (limits.size(Limit::Answers), &metrics.answer_bytes, &metrics.answer_capacity_bytes);
    let answers = budget::Budget::new(answers.0, answers.1, answers.2);
    let app = Arc::new(Shared {
        engine: engine.clone(),
        rates: rates.clone(),
        traffic: Arc::new(traffic::Traffic::new(engine.metrics().clone())),
        uptime: Clock::start(),
        history: history.clone(),
        alerts: alerts.clone(),
        throttle: throttle::Throttle::new(access.limits.get(Limit::Requests)),
        subscribers: Arc::new(Semaphore::new(subscribers)),
        batches: event_batch::EventBatches::new(answers.clone()),
        snapshots: snapshots::Snapshots::default(),
        extras: extras::Extras::default(),
        lanes: lanes::Lanes::new(),
        bodies,
        answers,
        sockets: Arc::default(),
        access: Arc::new(access),
        run: engine.lineage().map_or(began, |lineage| lineage as u64),
        began,
        closing: closing.clone(),
    });
    let (access, sockets, traffic) = (app.access.clone(), app.sockets.clone(), app.traffic.clone());
    let (kept, places) = (app.clone(), connection::places(&access, engine.files()));
    let server = async {
        let served = connection::serve(listener, &access, places, &traffic, router(app), closing).await;
        // Each ends by itself in time; one that does not is not waited for.
        let _ = tokio::time::timeout(2 * CLOSE_GRACE, sockets.write()).await;
        served
    };
    let stopped = async move {
        stop.await;
        close.send_replace(true);
        std::future::pending().await
    };
    // What is done again is no news.
    let watched = async {
        while engine.recovering().is_some() {
            tokio::time::sleep(LOOK).await;
        }
        tokio::join!(rates.watch(&engine, || kept.tidy()), history.watch(&engine), alerts.watch());
    };
    tokio::select! {
        result = server => result,
        () = watched => Ok(()),
        () = stopped => Ok(()),
    }
}

/// Every call, by family.
const ROUTES: &[&[Route]] = &[
    aggregates::ROUTES,
    alerts::ROUTES,
    dashboard::ROUTES,
    dataflow::ROUTES,
    health::ROUTES,
    history::ROUTES,
    ingest::ROUTES,
    ingest_ws::ROUTES,
    dead_letters::ROUTES,
    metrics::ROUTES,
    openapi::DESCRIPTION,
    rows_together::ROUTES,
    sources::ROUTES,
    stats::ROUTES,
    stream::ROUTES,
    stream_ws::ROUTES,
    tables::ROUTES,
    view_rows::ROUTES,
    views::ROUTES,
    vitals::ROUTES,
];

/// The shapes of their answers.
const SHAPES: &[&[Shape]] = &[
    openapi::COMMON,
    alerts::SHAPES,
    dataflow::SHAPES,
    health::SHAPES,
    history::SHAPES,
    ingest::SHAPES,
    dead_letters::SHAPES,
    rows_together::SHAPES,
    sources::SHAPES,
    stats::SHAPES,
    tables::SHAPES,
    view_rows::SHAPES,
    views::SHAPES,
    vitals::SHAPES,
];

fn router(app: App) -> Router {
    let add = |router: Router<App>, route: &Route| {
        let guard = from_fn_with_state((app.clone(), route.role), access::guard);
        let call = (route.serve)().route_layer(guard);
        let later = from_fn_with_state(app.clone(), starting::later);
        router.route(route.path, if route.early { call } else { call.route_layer(later) })
    };
    openapi::routes()
        .fold(Router::new(), add)
        .fallback(no_such_path)
        .method_not_allowed_fallback(no_such_method)
        // The limit of bodies is ours.
        .layer(DefaultBodyLimit::disable())
        .layer(from_fn_with_state(app.clone(), request_layer::request_layer))
        .with_state(app)
}

async fn no_such_path(uri: Uri) -> Problem {
    let hint = "the page is at /, the API begins at /api/v1/views";
    Problem::new(StatusCode::NOT_FOUND, format!("there is nothing at {}; {hint}", uri.path()))
}

async fn no_such_method(method: Method, uri: Uri) -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, format!("{} does not take {method}", uri.path()))
}
