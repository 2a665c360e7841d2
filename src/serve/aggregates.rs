//! `GET /api/aggregates/{view}?limit=`: the newest rows of a view, as the first design named them.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use axum::routing::get;
use serde::Deserialize;

use super::App;
use super::asked;
use super::problem::Problem;
use super::route::{Answer, Route, query};
use super::view_rows::{limit, newest};
use super::views::find;

/// Rows of an answer if `limit` is not given.
const LIMIT: usize = 100;

/// The newest rows.
pub(super) const ROUTES: &[Route] =
    &[Route::get("/api/aggregates/{view}", "The newest rows of a view", || get(aggregates))
        .takes(&[query("limit", "integer", "How many rows; 100 if not given")])
        .answers(&[Answer::json("Rows")])];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    limit: Option<String>,
}

async fn aggregates(
    State(app): State<App>,
    Path(name): Path<String>,
    query: Result<Query<Asked>, QueryRejection>,
) -> Result<Response, Problem> {
    let view = find(&app, &name)?.clone();
    let Query(asked) = query.map_err(|error| asked::refused(&error))?;
    newest(&app, view, asked.limit.as_deref().map_or(Ok(LIMIT), limit)?).await
}
