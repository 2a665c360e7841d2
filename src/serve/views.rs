//! `GET /api/v1/views`, `/api/v1/views/{view}`: what is published, and how far it is; `/api/v1/views/{view}/dead-letters`: the
//! rows that are missing in it.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::routing::get;
use serde::Serialize;

use super::App;
use super::as_of::AsOf;
use super::columns::{Column, columns};
use super::problem::Problem;
use super::route::{Answer, Route, Shape, query};
use super::sources::Asked;
use crate::engine::{DeadLetters, Engine, Letter, Owner, View};
use crate::plan::{Chart, Emit};

/// The catalog of views.
pub(super) const ROUTES: &[Route] = &[
    Route::get("/api/v1/views", "Every view", || get(list)).answers(&[Answer::json("Views")]),
    Route::get("/api/v1/views/{view}", "A view: columns, emit mode, rows, how far it is", || get(one))
        .answers(&[Answer::json("View")]),
    Route::get("/api/v1/views/{view}/dead-letters", "Rows on which an expression failed, newest first", || {
        get(dead_letters)
    })
    .takes(&[query("limit", "integer", "How many; 100 if not given")])
    .answers(&[Answer::json("ViewDeadLetters")]),
];

/// What they answer with.
pub(super) const SHAPES: &[Shape] = &[
    ("Views", "views:[View]"),
    (
        "View",
        "name:string emit:string columns:[Column] key:[string]? closes:boolean rows:integer windows_open:integer \
         evicted:integer dead_letters:integer as_of:AsOf alert:string? chart:ViewChart? sql:string",
    ),
    ("ViewChart", "kind:string value:string? by:string?"),
    ("ViewDeadLetters", "view:string total:integer dead_letters:[ViewDeadLetter]"),
    ("ViewDeadLetter", "position:string reason:string detail:string content:string expression:string count:integer"),
];

#[derive(Serialize)]
struct List {
    views: Vec<About>,
}

/// A view and how far it is.
#[derive(Serialize)]
struct About {
    name: String,
    emit: &'static str,
    columns: Vec<Column>,
    /// The columns that identify a row; null if only the whole row does.
    key: Option<Vec<String>>,
    /// Whether the watermark closes its rows.
    closes: bool,
    rows: usize,
    /// Closing times still ahead of the watermark.
    windows_open: usize,
    /// Closed rows that made room for others.
    evicted: u64,
    /// Rows that some operator below it could not take.
    dead_letters: u64,
    as_of: AsOf,
    /// How bad it is that a row is there: the view's option `alert`; null for a view that is no alert.
    alert: Option<String>,
    /// How the page draws it: the view's option `chart`; null if the page chooses.
    chart: Option<Drawn>,
    sql: String,
}

/// The chart that a view asks for.
#[derive(Serialize)]
struct Drawn {
    kind: &'static str,
    value: Option<String>,
    by: Option<String>,
}

impl About {
    fn of(engine: &Engine, view: &View) -> About {
        let spec = view.spec();
        let name = |&column: &usize| view.schema().field(column).name().clone();
        About {
            name: spec.name.clone(),
            emit: match spec.emit {
                Emit::Final => "final",
                Emit::Changes => "changes",
            },
            columns: columns(view.schema()),
            key: spec.key.as_ref().map(|key| key.iter().map(name).collect()),
            closes: spec.closes.is_some(),
            rows: view.row_count(),
            windows_open: view.windows_open(),
            evicted: view.evicted(),
            dead_letters: letters_of(engine, view.name()).map_or(0, |letters| letters.total()),
            as_of: view.as_of().into(),
            alert: spec.options.get("alert").map(|severity| severity.trim().to_ascii_lowercase()),
            chart: spec
                .options
                .get("chart")
                .and_then(|text| Chart::parse(text, &spec.schema).ok())
                .map(|Chart { kind, value, by }| Drawn { kind, value, by }),
            sql: spec.sql.clone(),
        }
    }
}

async fn list(State(app): State<App>) -> Json<List> {
    Json(List { views: app.engine.views().iter().map(|view| About::of(&app.engine, view)).collect() })
}

async fn one(State(app): State<App>, Path(name): Path<String>) -> Result<Json<About>, Problem> {
    Ok(Json(About::of(&app.engine, find(&app, &name)?)))
}

/// The dead letters of a view.
pub(super) fn letters_of<'a>(engine: &'a Engine, view: &str) -> Option<&'a DeadLetters> {
    let of = |letters: &&Arc<DeadLetters>| letters.owner() == Owner::View && letters.name() == view;
    engine.dead_letters().iter().find(of).map(AsRef::as_ref)
}

#[derive(Serialize)]
struct Letters {
    view: String,
    /// How many there are now; the newest of them are kept.
    total: u64,
    /// Newest first.
    dead_letters: Vec<OneLetter>,
}

#[derive(Serialize)]
struct OneLetter {
    position: String,
    reason: String,
    detail: String,
    content: String,
    /// What failed, as SQL writes it; empty if it is no expression.
    expression: String,
    /// How often the row is there.
    count: i64,
}

async fn dead_letters(
    State(app): State<App>,
    Path(name): Path<String>,
    query: Result<Query<Asked>, QueryRejection>,
) -> Result<Json<Letters>, Problem> {
    let view = find(&app, &name)?;
    let limit = Asked::limit(query)?;
    let letters = letters_of(&app.engine, view.name());
    let letter = |Letter { position, reason, detail, content, expression, count, .. }| OneLetter {
        position,
        reason,
        detail,
        content,
        expression,
        count,
    };
    Ok(Json(Letters {
        view: view.name().to_owned(),
        total: letters.map_or(0, DeadLetters::total),
        dead_letters: letters.map_or_else(Vec::new, |letters| letters.latest(limit)).into_iter().map(letter).collect(),
    }))
}

/// Views by their names with commas between, each once; all without a name.
pub(super) fn find_all(app: &App, names: Option<&str>) -> Result<Vec<Arc<View>>, Problem> {
    let Some(names) = names.filter(|names| !names.is_empty()) else {
        return Ok(app.engine.views().iter().cloned().collect());
    };
    let mut found: Vec<Arc<View>> = Vec::new();
    for name in names.split(',') {
        let view = find(app, name)?;
        if found.iter().any(|other| Arc::ptr_eq(other, view)) {
            return Err(Problem::bad_request(format!("views: '{name}' is there twice; name each view once")));
        }
        found.push(view.clone());
    }
    Ok(found)
}

/// A view by its name, or the refusal that names those that exist.
pub(super) fn find<'a>(app: &'a App, name: &str) -> Result<&'a Arc<View>, Problem> {
    let views = app.engine.views();
    views.get(name).ok_or_else(|| Problem::unknown("view", name, views.iter().map(|view| view.name())))
}
