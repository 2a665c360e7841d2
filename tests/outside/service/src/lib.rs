//! A service around an engine: requests push rows, and a view is streamed to whoever asks.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Sse;
use axum::response::sse;
use axum::routing::{get, post};
use axum::{Json, Router};
use futures_util::{Stream, StreamExt};
use highwater::Highwater;
use highwater::embed::{Error, Event};
use highwater::extend::{Catalog, CatalogError, scalar};
use serde::{Deserialize, Serialize};

/// What runs: a function of the service's own, one of the crate of extensions, and its aggregate.
pub const PROGRAM: &str = "
    CREATE SOURCE bids (auction BIGINT NOT NULL, cents BIGINT, note VARCHAR) WITH ('connector' = 'http');
    CREATE MATERIALIZED VIEW totals AS
    SELECT auction, COUNT(*) AS bids, SPREAD(euros(cents)) AS spread FROM bids GROUP BY auction;
    CREATE MATERIALIZED VIEW tagged AS
    SELECT tag, COUNT(*) AS n FROM bids, LATERAL TABLE(tags(note)) AS t (at, tag) GROUP BY tag;";

/// A row of `bids`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Bid {
    /// For what.
    pub auction: i64,
    /// How much.
    pub cents: i64,
    /// What is said beside it.
    pub note: Option<String>,
}

/// A row of `totals`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Total {
    /// Of what.
    pub auction: i64,
    /// How many.
    pub bids: u64,
    /// The highest without the lowest.
    pub spread: f64,
}

/// What the program may call.
///
/// # Errors
/// A name is taken.
pub fn catalog() -> Result<Catalog, CatalogError> {
    let catalog = highwater_example_extension::register(Catalog::new())?;
    catalog.with_function(scalar("euros", |cents: i64| cents as f64 / 100.0))
}

/// Starts the engine.
///
/// # Errors
/// It does not start.
pub async fn start() -> Result<Highwater, Error> {
    Highwater::builder().sql(PROGRAM).catalog(catalog()?).workers(2).start_async().await
}

/// The routes.
pub fn router(highwater: Highwater) -> Router {
    Router::new().route("/bids", post(push)).route("/totals", get(totals)).with_state(highwater)
}

type Refusal = (StatusCode, String);

/// Answers once all views show the rows.
async fn push(State(highwater): State<Highwater>, Json(bids): Json<Vec<Bid>>) -> Result<StatusCode, Refusal> {
    let source = highwater.source("bids").map_err(|error| (StatusCode::NOT_FOUND, error.to_string()))?;
    let pushed = source.push_rows(&bids).map_err(|error| match error.is_full() {
        true => (StatusCode::TOO_MANY_REQUESTS, error.to_string()),
        false => (StatusCode::BAD_REQUEST, error.to_string()),
    })?;
    let shown = highwater.visible(&pushed).await;
    shown.map_err(|error| (StatusCode::SERVICE_UNAVAILABLE, error.to_string()))?;
    Ok(StatusCode::ACCEPTED)
}

async fn totals(
    State(highwater): State<Highwater>,
) -> Result<Sse<impl Stream<Item = Result<sse::Event, axum::Error>>>, Refusal> {
    let view = highwater.view("totals").map_err(|error| (StatusCode::NOT_FOUND, error.to_string()))?;
    Ok(Sse::new(view.stream().filter_map(|event| async move { told(event).transpose() })))
}

fn told(event: Result<Event, Error>) -> Result<Option<sse::Event>, axum::Error> {
    match event.map_err(axum::Error::new)? {
        Event::Snapshot(snapshot) => {
            let rows: Vec<Total> = snapshot.rows().map_err(axum::Error::new)?;
            sse::Event::default().event("snapshot").json_data(rows).map(Some)
        }
        Event::Changes(changes) => {
            let changes = changes.rows::<Total>().map_err(axum::Error::new)?;
            let changes: Vec<(i64, Total)> = changes.into_iter().map(|change| (change.diff, change.row)).collect();
            sse::Event::default().event("changes").json_data(changes).map(Some)
        }
        _ => Ok(None),
    }
}
