//! `GET /api/v1/views`, `/api/v1/views/{view}`: what is published, and how far it is.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::routing::get;
use serde::Serialize;

use super::App;
use super::as_of::AsOf;
use super::columns::{Column, columns};
use super::dead_letters::dead_letters_of;
use super::problem::Problem;
use super::request_layer::percent_decoded;
use super::route::{Answer, Route, Shape};
use highwater_core::engine::{Engine, Owner};
use highwater_core::plan::{Chart, Emit};
use highwater_core::view::View;

/// The catalog of views.
pub(super) const ROUTES: &[Route] = &[
    Route::get("/api/v1/views", "Every view", || get(list)).answers(&[Answer::json("Views")]),
    Route::get("/api/v1/views/{view}", "A view: columns, emit mode, rows, how far it is", || get(one))
        .answers(&[Answer::json("View")]),
];

/// What they return.
pub(super) const SHAPES: &[Shape] = &[
    ("Views", "run:string views:[View]"),
    (
        "View",
        "name:string emit:string columns:[Column] key:[string]? closes:boolean rows:integer windows_open:integer \
         evicted:integer dead_letters:integer as_of:AsOf alert:string? chart:ViewChart? sql:string",
    ),
    ("ViewChart", "kind:string value:string? by:string?"),
];

#[derive(Serialize)]
struct List {
    /// This run of the server: another one after a restart.
    run: String,
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
            dead_letters: dead_letters_of(engine, Owner::View, view.name()).map_or(0, |letters| letters.total()),
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
    let views = app.engine.views().all().iter().map(|view| About::of(&app.engine, view)).collect();
    Json(List { run: format!("{:x}", app.run), views })
}

async fn one(State(app): State<App>, Path(name): Path<String>) -> Result<Json<About>, Problem> {
    let view = find(&app, &name)?;
    Ok(Json(About::of(&app.engine, &view)))
}

/// The views that `views=` of a query names, each once; all without a name.
pub(super) fn find_all(app: &App, query: Option<&str>) -> Result<Vec<Arc<View>>, Problem> {
    let names = names(query.unwrap_or_default(), |name| app.engine.views().get(name).is_some());
    if names.is_empty() {
        return Ok(app.engine.views().all().to_vec());
    }
    let mut found: Vec<Arc<View>> = Vec::new();
    for name in &names {
        let view = find(app, name)?;
        if found.iter().any(|other| Arc::ptr_eq(other, &view)) {
            return Err(Problem::bad_request(format!("views: '{name}' is there twice; name each view once")));
        }
        found.push(view);
    }
    Ok(found)
}

/// Names with commas between. A comma that is written as `%2C` is one of the name where a view has that name; clients that
/// write every comma so mean the others.
fn names(query: &str, exists: impl Fn(&str) -> bool) -> Vec<String> {
    let values = query.split('&').filter_map(|part| part.strip_prefix("views=")).filter(|value| !value.is_empty());
    let written = values.flat_map(|value| value.split(',')).map(percent_decoded);
    let several = |name: String| match exists(&name) {
        true => vec![name],
        false => name.split(',').map(str::to_owned).collect(),
    };
    written.flat_map(several).collect()
}

/// A view by its name, or the refusal that names those that exist.
pub(super) fn find(app: &App, name: &str) -> Result<Arc<View>, Problem> {
    let views = app.engine.views();
    views.get(name).ok_or_else(|| Problem::unknown("view", name, views.all().iter().map(|view| view.name())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_have_commas() {
        let read = |query| names(query, |name| ["a", "b", "a,b", "pages, by k"].contains(&name));
        assert_eq!(read("views=a,b&limit=3"), ["a", "b"]);
        assert_eq!(read("limit=3&views=pages%2C%20by%20k,a%2Cb,c"), ["pages, by k", "a,b", "c"]);
        assert_eq!(read("views=b%2Ca"), ["b", "a"]);
        assert!(read("").is_empty() && read("views=").is_empty() && read("view=a").is_empty());
    }
}
