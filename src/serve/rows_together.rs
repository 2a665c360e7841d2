//! `GET /api/v1/rows?views=a,b`: the rows of several views at one epoch (C3), so that they can be compared.
//!
//! `limit` (default 1000) bounds the rows of each view; `complete` says whether that was all of them.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, RawQuery, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::App;
use super::as_of::AsOf;
use super::asked;
use super::json::{self, NUMBERS, numbers};
use super::problem::Problem;
use super::route::{Answer, Route, Shape, query};
use super::view_rows::{LIMIT, limit};
use super::views::find_all;
use highwater_core::format::Numbers;
use highwater_core::view::{Snapshot, View};

/// How often and how far apart to look for an epoch that all views still know.
const TRIES: (u32, Duration) = (50, Duration::from_millis(20));

/// The call.
pub(super) const ROUTES: &[Route] =
    &[Route::get("/api/v1/rows", "The rows of several views at one epoch", || get(rows))
        .takes(&[
            query("views", "string", "Their names, with commas between; all if not given"),
            query("limit", "integer", "Rows of each view; 1000 if not given"),
            NUMBERS,
        ])
        .answers(&[Answer::json("RowsTogether")])];

/// What it returns.
pub(super) const SHAPES: &[Shape] =
    &[("RowsTogether", "as_of:AsOf views:[RowsOfView]"), ("RowsOfView", "view:string rows:[Row] complete:boolean")];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    /// See [`find_all`].
    #[serde(rename = "views")]
    _views: Option<IgnoredAny>,
    limit: Option<String>,
    numbers: Option<String>,
}

async fn rows(
    State(app): State<App>,
    query: Result<Query<Asked>, QueryRejection>,
    RawQuery(written): RawQuery,
) -> Result<Response, Problem> {
    let Query(asked) = query.map_err(|error| asked::refused(&error))?;
    let limit = asked.limit.as_deref().map_or(Ok(LIMIT), limit)?;
    let numbers = asked.numbers.as_deref().map_or(Ok(Numbers::Json), numbers)?;
    let views = find_all(&app, written.as_deref())?;
    for _ in 0..TRIES.0 {
        let read = || app.engine.views().read(&views).map(|snapshots| body(&views, &snapshots, limit, numbers));
        match app.lanes.encoding.run(read).await {
            Some(body) => return Ok(([(header::CONTENT_TYPE, "application/json")], body).into_response()),
            // The fastest view does not reach back to the slowest, which may catch up.
            None => tokio::time::sleep(TRIES.1).await,
        }
    }
    let detail = "the views are too far apart to be read at one epoch; come back, or read fewer at once";
    let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail);
    Err(problem.with(header::RETRY_AFTER, HeaderValue::from_static("1")))
}

fn body(views: &[Arc<View>], snapshots: &[Snapshot], limit: usize, numbers: Numbers) -> String {
    let as_of = snapshots.first().map_or(highwater_core::time::Epoch::END, |snapshot| snapshot.as_of);
    let of = |(view, snapshot): (&Arc<View>, &Snapshot)| {
        let shown = snapshot.batch.num_rows().min(limit);
        let (name, rows) = (json::text(view.name()), json::rows(snapshot, 0..shown, numbers));
        format!(r#"{{"view":{name},"rows":{rows},"complete":{}}}"#, shown == snapshot.batch.num_rows())
    };
    let rows: Vec<String> = views.iter().zip(snapshots).map(of).collect();
    format!(r#"{{"as_of":{},"views":[{}]}}"#, json::object(&AsOf::from(as_of)), rows.join(","))
}
