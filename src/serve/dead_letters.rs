//! The rows that views and sinks could not take: `/api/v1/views/{view}/dead-letters`, `/api/v1/sinks/{sink}/dead-letters`, newest
//! first; and `/api/v1/sinks`: what writes, and how many rows it misses.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::routing::get;
use serde::Serialize;

use super::App;
use super::problem::Problem;
use super::route::{Answer, Route, Shape, query};
use super::sources::Asked;
use super::views::find;
use highwater_core::engine::{DeadLetters, Engine, Letter, Owner};

/// The endpoints.
pub(super) const ROUTES: &[Route] = &[
    Route::get("/api/v1/views/{view}/dead-letters", "Rows on which an expression failed, newest first", || {
        get(of_view)
    })
    .takes(&[query("limit", "integer", "How many; 100 if not given")])
    .answers(&[Answer::json("ViewDeadLetters")]),
    Route::get("/api/v1/sinks", "Every sink", || get(sinks)).answers(&[Answer::json("Sinks")]),
    Route::get("/api/v1/sinks/{sink}/dead-letters", "Rows that could not be written, newest first", || get(of_sink))
        .takes(&[query("limit", "integer", "How many; 100 if not given")])
        .answers(&[Answer::json("SinkDeadLetters")]),
];

/// What they return.
pub(super) const SHAPES: &[Shape] = &[
    ("ViewDeadLetters", "view:string total:integer dead_letters:[ViewDeadLetter]"),
    ("ViewDeadLetter", "position:string reason:string detail:string content:string expression:string count:integer"),
    ("Sinks", "sinks:[SinkStats]"),
    ("SinkStats", "name:string dead_letters:integer"),
    ("SinkDeadLetters", "sink:string total:integer dead_letters:[ViewDeadLetter]"),
];

/// The dead letters of a view or sink, by its name: as written, else without regard to case.
pub(super) fn dead_letters_of(engine: &Engine, owner: Owner, name: &str) -> Option<Arc<DeadLetters>> {
    let exact = of_all(engine, owner).find(|letters| letters.name() == name);
    exact.or_else(|| of_all(engine, owner).find(|letters| letters.name().eq_ignore_ascii_case(name)))
}

fn of_all(engine: &Engine, owner: Owner) -> impl Iterator<Item = Arc<DeadLetters>> {
    engine.dead_letters().into_iter().filter(move |letters| letters.owner() == owner)
}

#[derive(Serialize)]
struct OfView {
    view: String,
    #[serde(flatten)]
    letters: Letters,
}

#[derive(Serialize)]
struct OfSink {
    sink: String,
    #[serde(flatten)]
    letters: Letters,
}

#[derive(Default, Serialize)]
struct Letters {
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

impl Letters {
    fn of(letters: &DeadLetters, limit: usize) -> Letters {
        let one = |Letter { position, reason, detail, content, expression, count, .. }| OneLetter {
            position,
            reason,
            detail,
            content,
            expression,
            count,
        };
        Letters { total: letters.total(), dead_letters: letters.latest(limit).into_iter().map(one).collect() }
    }
}

async fn of_view(
    State(app): State<App>,
    Path(name): Path<String>,
    query: Result<Query<Asked>, QueryRejection>,
) -> Result<Json<OfView>, Problem> {
    let view = find(&app, &name)?;
    let limit = Asked::limit(query)?;
    let letters = dead_letters_of(&app.engine, Owner::View, view.name());
    let letters = letters.map_or_else(Letters::default, |letters| Letters::of(&letters, limit));
    Ok(Json(OfView { view: view.name().to_owned(), letters }))
}

async fn of_sink(
    State(app): State<App>,
    Path(name): Path<String>,
    query: Result<Query<Asked>, QueryRejection>,
) -> Result<Json<OfSink>, Problem> {
    let known: Vec<Arc<DeadLetters>> = of_all(&app.engine, Owner::Sink).collect();
    let letters = dead_letters_of(&app.engine, Owner::Sink, &name);
    let letters = letters.ok_or_else(|| Problem::unknown("sink", &name, known.iter().map(|letters| letters.name())))?;
    Ok(Json(OfSink { sink: letters.name().to_owned(), letters: Letters::of(&letters, Asked::limit(query)?) }))
}

/// A sink, for the list and the statistics.
#[derive(Serialize)]
pub(super) struct SinkStats {
    name: String,
    dead_letters: u64,
}

/// All sinks.
pub(super) fn sinks_of(engine: &Engine) -> Vec<SinkStats> {
    let one = |letters: Arc<DeadLetters>| SinkStats { name: letters.name().to_owned(), dead_letters: letters.total() };
    of_all(engine, Owner::Sink).map(one).collect()
}

#[derive(Serialize)]
struct Sinks {
    sinks: Vec<SinkStats>,
}

async fn sinks(State(app): State<App>) -> Json<Sinks> {
    Json(Sinks { sinks: sinks_of(&app.engine) })
}
