//! `GET /metrics`: everything Prometheus wants to know.

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::get;

use super::App;
use super::route::{Answer, Route};
use crate::metrics::CONTENT_TYPE;

/// The exposition.
pub(super) const ROUTES: &[Route] = &[Route::get("/metrics", "Every metric, for Prometheus", || get(metrics))
    .answers(&[Answer::text("application/openmetrics-text")])];

async fn metrics(State(app): State<App>) -> impl IntoResponse {
    // It reads what the kernel says of the process, and of every descriptor.
    let text = app.lanes.telling.run(|| app.engine.metrics_text()).await;
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], text)
}
