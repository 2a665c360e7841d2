//! The sidecar: views, streams, sources, metrics and the first page of one engine, over HTTP on tokio.
//!
//! One family of endpoints a file, each with its `ROUTES` and the `SHAPES` of its answers; the lists here make the router
//! and `/openapi.json`, so a new one is a file and a line. Answers are JSON, refusals RFC 9457 problems. Nothing here changes the engine: it reads views and counters, and
//! a slow reader costs memory of its own and nothing else. Bind to the loopback unless the network is trusted: there is no
//! authentication.

mod aggregates;
mod as_of;
mod columns;
mod dataflow;
mod health;
mod json;
mod metrics;
mod openapi;
mod page;
mod problem;
mod role;
mod route;
mod sources;
mod stats;
mod stream;
mod stream_event;
mod stream_id;
mod view_rows;
mod views;

use std::future::Future;
use std::sync::Arc;

use axum::Router;
use axum::http::{Method, StatusCode, Uri};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::engine::Engine;
use crate::time::now_ms;
use problem::Problem;
use route::{Route, Shape};

/// What every endpoint knows.
#[derive(Clone)]
struct App {
    engine: Arc<Engine>,
    rates: Arc<stats::Rates>,
    /// Tells this run of the server from others, in the ids of stream events.
    run: u64,
    /// True once the server ends: streams end too.
    closing: watch::Receiver<bool>,
}

/// Serves an engine until `stop`, then lets open requests end. Fails only if the listener does.
///
/// Requests that are still open `stop` later end: streams at once, others when they are answered.
pub async fn serve(
    listener: TcpListener,
    engine: Arc<Engine>,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let (close, closing) = watch::channel(false);
    let rates = Arc::new(stats::Rates::new());
    let app = App { engine: engine.clone(), rates: rates.clone(), run: now_ms().unsigned_abs(), closing };
    let stopped = async move {
        stop.await;
        close.send_replace(true);
    };
    let server = axum::serve(listener, router(app)).with_graceful_shutdown(stopped);
    tokio::select! {
        result = server => result,
        () = rates.watch(&engine) => Ok(()),
    }
}

/// Every call, by family.
const ROUTES: &[&[Route]] = &[
    aggregates::ROUTES,
    dataflow::ROUTES,
    health::ROUTES,
    metrics::ROUTES,
    openapi::DESCRIPTION,
    page::ROUTES,
    sources::ROUTES,
    stats::ROUTES,
    stream::ROUTES,
    view_rows::ROUTES,
    views::ROUTES,
];

/// The shapes of their answers.
const SHAPES: &[&[Shape]] = &[
    openapi::COMMON,
    dataflow::SHAPES,
    health::SHAPES,
    sources::SHAPES,
    stats::SHAPES,
    view_rows::SHAPES,
    views::SHAPES,
];

fn router(app: App) -> Router {
    let add = |router: Router<App>, route: &Route| router.route(route.path, (route.serve)());
    openapi::routes()
        .fold(Router::new(), add)
        .fallback(no_such_path)
        .method_not_allowed_fallback(no_such_method)
        .with_state(app)
}

async fn no_such_path(uri: Uri) -> Problem {
    let hint = "the page is at /, the API begins at /api/v1/views";
    Problem::new(StatusCode::NOT_FOUND, format!("there is nothing at {}; {hint}", uri.path()))
}

async fn no_such_method(method: Method, uri: Uri) -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, format!("{} does not take {method}", uri.path()))
}
