//! The server while its engine starts, which may take long: other processes are waited for, or what a data directory holds is done
//! again. It lives, is not ready, and says why: to a browser on a page that looks again by itself. Everything else is told to come back
//! but, once the log is open, who sends rows.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use serde::Serialize;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::App;
use super::access::Access;
use super::problem::Problem;
use super::traffic::Traffic;
use super::{connection, dashboard};
use highwater_core::engine::Startup;
use highwater_core::metrics::{Metrics, PLAIN_CONTENT_TYPE};

/// Serves until `started` is true, or nobody can say so any more. Fails only if the listener does.
pub async fn starting(
    listener: TcpListener,
    access: Access,
    startup: Startup,
    started: watch::Receiver<bool>,
) -> std::io::Result<()> {
    let traffic = Arc::new(Traffic::new(Arc::new(Metrics::new())));
    let places = connection::places(&access, 0);
    connection::serve(listener, &access, places, &traffic, Router::new().fallback(answer).with_state(startup), started)
        .await
}

/// Calls that show what the engine has, while it is still doing again what its data directory holds.
pub(super) async fn later(State(app): State<App>, request: Request, next: Next) -> Response {
    if app.engine.recovering().is_none() {
        return next.run(request).await;
    }
    let (head, _) = request.into_parts();
    answer(State(app.engine.config().startup.clone()), head.method, head.uri, head.headers).await
}

/// The one metric there is before the engine.
const PROGRESS: &str = "highwater_recovery_progress";

/// How far an engine is that goes on from a data directory.
#[derive(Serialize)]
struct Recovering {
    phase: &'static str,
    /// From 0 to 1.
    progress: f64,
    /// Rows so far.
    rows: u64,
    detail: String,
}

async fn answer(State(startup): State<Startup>, method: Method, uri: Uri, headers: HeaderMap) -> Response {
    if uri.path() == "/livez" {
        return "ok\n".into_response();
    }
    if let Some(file) = uri.path().strip_prefix("/assets/").and_then(|name| dashboard::named(name, &headers)) {
        return file;
    }
    if uri.path() == "/metrics" {
        // So that who scrapes sees how far it is, and not that nobody is there.
        let progress = startup.recovering().map_or(0.0, |so_far| so_far.share);
        let text = format!("# TYPE {PROGRESS} gauge\n{PROGRESS} {progress}\n");
        return ([(header::CONTENT_TYPE, PLAIN_CONTENT_TYPE)], text).into_response();
    }
    let doing = startup.read();
    let doing = if doing.is_empty() { String::new() } else { format!(": it {doing}") };
    let doing = format!("the engine is starting{doing}");
    let mut response = match uri.path() {
        "/" if method == Method::GET || method == Method::HEAD => dashboard::starting(&doing),
        "/readyz" if let Some(so_far) = startup.recovering() => {
            let (progress, rows) = (so_far.share, so_far.rows);
            let body = Json(Recovering { phase: "recovering", progress, rows, detail: doing });
            (StatusCode::SERVICE_UNAVAILABLE, body).into_response()
        }
        _ => Problem::new(StatusCode::SERVICE_UNAVAILABLE, doing).into_response(),
    };
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    response
}
