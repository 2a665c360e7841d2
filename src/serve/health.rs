//! Probes: `/livez` (the process works), `/readyz` (it shows results), `/health` (a summary by component).
//!
//! An engine that failed is neither live nor ready; one that is ending is not ready; one whose sources have all ended is both.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Serialize;

use super::App;
use super::as_of::AsOf;
use super::problem::Problem;
use super::role::Role;
use super::route::{Answer, Route, Shape};
use super::sources::status;
use highwater_core::engine::{Source, State as Engine};
use highwater_core::view::View;

/// The probes.
pub(super) const ROUTES: &[Route] = &[
    Route::get("/livez", "Whether the process works", || get(livez))
        .role(Role::Open)
        .early()
        .answers(&[Answer::text("text/plain")]),
    Route::get("/readyz", "Whether it shows results", || get(readyz))
        .role(Role::Open)
        .answers(&[Answer::text("text/plain")]),
    Route::get("/health", "A summary by component", || get(health))
        .role(Role::Open)
        .answers(&[Answer::json("Health"), Answer::of(503, "application/json", "Health")]),
];

/// What they return.
pub(super) const SHAPES: &[Shape] = &[
    (
        "Health",
        "status:string not_ready:string? version:string engine:string error:string* sources:[SourceHealth] views:[ViewHealth]",
    ),
    ("SourceHealth", "name:string status:string"),
    ("ViewHealth", "name:string rows:integer as_of:AsOf"),
];

async fn livez(State(app): State<App>) -> Response {
    match app.engine.state() {
        Engine::Failed(error) => unavailable(format!("the engine failed: {error}")),
        _ => "ok\n".into_response(),
    }
}

async fn readyz(State(app): State<App>) -> Response {
    Readiness::of(&app).not_ready.map_or("ok\n".into_response(), unavailable)
}

/// How the whole stands: what `/readyz` says, in a word and with the reason.
pub(super) struct Readiness {
    /// `ok`, `starting`, `degraded` if another process does not take rows, `ending`, `failed`.
    pub(super) word: &'static str,
    /// Why it is not ready, if it is not.
    pub(super) not_ready: Option<String>,
}

impl Readiness {
    pub(super) fn of(app: &App) -> Readiness {
        let engine = &app.engine;
        let (word, reason) = match engine.state() {
            Engine::Failed(error) => ("failed", format!("the engine failed: {error}")),
            Engine::Starting => ("starting", "the engine is starting".to_owned()),
            Engine::Running if let Some(trouble) = engine.peers().into_iter().find_map(|peer| peer.trouble) => {
                ("degraded", format!("{trouble}: rows wait, and more are refused"))
            }
            _ if engine.ending() => ("ending", "the engine takes no more rows and ends".to_owned()),
            _ => return Readiness { word: "ok", not_ready: None },
        };
        Readiness { word, not_ready: Some(reason) }
    }
}

fn unavailable(detail: String) -> Response {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail).into_response()
}

#[derive(Serialize)]
struct Health {
    status: &'static str,
    not_ready: Option<String>,
    version: &'static str,
    engine: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    sources: Vec<SourceHealth>,
    views: Vec<ViewHealth>,
}

#[derive(Serialize)]
struct SourceHealth {
    name: String,
    status: &'static str,
}

#[derive(Serialize)]
pub(super) struct ViewHealth {
    name: String,
    rows: usize,
    as_of: AsOf,
}

pub(super) fn view_health(view: &Arc<View>) -> ViewHealth {
    ViewHealth { name: view.name().to_owned(), rows: view.row_count(), as_of: view.as_of().into() }
}

async fn health(State(app): State<App>) -> Response {
    let state = app.engine.state();
    let error = match &state {
        Engine::Failed(error) => Some(error.to_string()),
        _ => None,
    };
    let source = |source: &Arc<Source>| SourceHealth { name: source.name().to_owned(), status: status(source) };
    let Readiness { word, not_ready } = Readiness::of(&app);
    let answer = Health {
        status: word,
        not_ready,
        version: env!("CARGO_PKG_VERSION"),
        engine: state.name(),
        sources: app.engine.sources().iter().map(source).collect(),
        views: app.engine.views().all().iter().map(view_health).collect(),
        error,
    };
    let code = if answer.error.is_some() { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    (code, Json(answer)).into_response()
}
