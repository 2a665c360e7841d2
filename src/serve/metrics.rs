//! `GET /metrics`: everything Prometheus wants to know, as OpenMetrics for those who ask for that, as it does.

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::IntoResponse;
use axum::routing::get;

use super::App;
use super::route::{Answer, Route};
use highwater_core::metrics::{CONTENT_TYPE, PLAIN_CONTENT_TYPE, plain};

/// The exposition.
pub(super) const ROUTES: &[Route] = &[Route::get("/metrics", "Every metric, for Prometheus", || get(metrics))
    .early()
    .answers(&[Answer::text("text/plain"), Answer::text("application/openmetrics-text")])];

async fn metrics(State(app): State<App>, headers: HeaderMap) -> impl IntoResponse {
    let asks = |value: &HeaderValue| value.to_str().is_ok_and(|value| value.contains("application/openmetrics-text"));
    let open = headers.get_all(header::ACCEPT).iter().any(asks);
    // It reads what the kernel says of the process, and of every descriptor.
    let text = app.lanes.encoding.run(|| app.engine.metrics_text()).await;
    let (kind, text) = if open { (CONTENT_TYPE, text) } else { (PLAIN_CONTENT_TYPE, plain(&text)) };
    ([(header::CONTENT_TYPE, kind)], text)
}
