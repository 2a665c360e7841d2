//! The server while its engine starts, which may take long: other processes are waited for. It lives, is not ready, and says
//! why; everything else is told to come back.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::access::Access;
use super::connection;
use super::problem::Problem;
use super::traffic::Traffic;
use crate::engine::Startup;
use crate::metrics::Metrics;

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

async fn answer(State(startup): State<Startup>, uri: Uri) -> Response {
    if uri.path() == "/livez" {
        return "ok\n".into_response();
    }
    let at = startup.read();
    let at = if at.is_empty() { String::new() } else { format!(": it {at}") };
    let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, format!("the engine is starting{at}"));
    problem.with(header::RETRY_AFTER, HeaderValue::from_static("1")).into_response()
}
