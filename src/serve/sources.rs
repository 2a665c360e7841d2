//! `GET /api/v1/sources`, `/sources/{source}`, `/sources/{source}/dead-letters`: what comes in, whether it can, and what was not
//! accepted.
//!
//! Counts are those of this process. Times in ms; `late_by` is how far rows were behind the latest event time before
//! them: a watermark with the bound at `p99_ms` would have found 99 % of the rows on time.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::routing::get;
use serde::{Deserialize, Serialize};

use super::App;
use super::asked;
use super::columns::{Column, columns};
use super::json;
use super::problem::Problem;
use super::route::{Answer, Route, Shape, query};
use super::view_rows::limit;
use highwater_core::delta::Reject;
use highwater_core::engine::Source;
use highwater_core::retry::{Stand, State as Standing};
use highwater_core::source::SplitId;
use highwater_core::time::format_time_ms;

/// Dead letters of an answer if `limit` is not given.
const LETTERS: usize = 100;

/// Splits of a source that are told one by one.
const SPLITS: usize = 100;

/// The sources.
pub(super) const ROUTES: &[Route] = &[
    Route::get("/api/v1/sources", "Every source", || get(list)).answers(&[Answer::json("Sources")]),
    Route::get("/api/v1/sources/{source}", "A source: columns, counts, watermark, lateness", || get(one))
        .answers(&[Answer::json("Source")]),
    Route::get(
        "/api/v1/sources/{source}/dead-letters",
        "Rows that were not accepted, newest first, each with the first KiB of it as it came",
        || get(dead_letters),
    )
    .takes(&[query("limit", "integer", "How many; 100 if not given")])
    .answers(&[Answer::json("DeadLetters")]),
];

/// What they return.
pub(super) const SHAPES: &[Shape] = &[
    ("Sources", "sources:[Source]"),
    (
        "Source",
        "name:string connector:string status:string state:string reason:string? retry_in_ms:integer? retries:integer \
         columns:[Column] event_time:EventTime? partitions:[string] splits:[Split] rows:SourceRows buffer:Buffer",
    ),
    ("Split", "name:string split:string state:string reason:string? retry_in_ms:integer? retries:integer"),
    (
        "EventTime",
        "column:string bound_ms:integer lateness_ms:integer? idle_timeout_ms:integer? idle_by_clock:boolean \
         watermark:string watermark_ms:integer? late_by:LateBy late_rows:[LateRow] leaps:[Leap]",
    ),
    ("LateRow", "event_ms:integer watermark_ms:integer accepted:boolean"),
    (
        "Leap",
        "position:string event_ms:integer watermark_ms:integer? ahead_of_clock:boolean made_late:integer hint:string? \
         text:string",
    ),
    ("LateBy", "p99_ms:integer p999_ms:integer buckets:[LateBucket]"),
    ("LateBucket", "up_to_ms:integer? rows:integer"),
    (
        "SourceRows",
        "received:integer accepted:integer on_time:integer accepted_late:integer rejected_late:integer \
         no_event_time:integer undecoded:integer unknown:integer duplicates:integer",
    ),
    ("Buffer", "rows:integer capacity_rows:integer"),
    ("DeadLetters", "source:string total:integer dead_letters:[DeadLetter]"),
    ("DeadLetter", "position:string reason:string detail:string content:string"),
];

#[derive(Serialize)]
struct List {
    sources: Vec<About>,
}

#[derive(Serialize)]
struct About {
    name: String,
    connector: String,
    /// `live`, `bounded` or `ended`.
    status: &'static str,
    /// `connecting`, `running`, `retrying`, `ended` or `failed`.
    state: &'static str,
    /// Why it does not go on just now, or any more.
    reason: Option<String>,
    retry_in_ms: Option<u64>,
    retries: u64,
    columns: Vec<Column>,
    /// What the watermark of the source says; null without one.
    event_time: Option<EventTime>,
    partitions: Vec<String>,
    /// Those first that cannot go on; [`SPLITS`] at most.
    splits: Vec<Split>,
    rows: Rows,
    buffer: Buffer,
}

/// A partition of this process, and how it stands.
#[derive(Serialize)]
pub(super) struct Split {
    /// As messages call it.
    name: String,
    /// As its source does.
    split: String,
    state: &'static str,
    reason: Option<String>,
    retry_in_ms: Option<u64>,
    retries: u64,
}

/// The splits of a source of which `fits` holds, those first that cannot go on, so many at most.
pub(super) fn splits(source: &Source, limit: usize, fits: impl Fn(Standing) -> bool) -> Vec<Split> {
    let mut stands: Vec<_> = source.stands().filter(|(_, _, stand)| fits(stand.state)).collect();
    stands.sort_by_key(|(_, _, stand)| stand.state);
    let split = |(name, split, stand): (&str, &SplitId, Stand)| Split {
        name: name.to_owned(),
        split: split.to_string(),
        state: stand.state.name(),
        reason: stand.reason,
        retry_in_ms: stand.retry_in_ms,
        retries: stand.retries,
    };
    stands.into_iter().take(limit).map(split).collect()
}

#[derive(Serialize)]
struct EventTime {
    column: String,
    bound_ms: i64,
    /// Null is without bound.
    lateness_ms: Option<i64>,
    idle_timeout_ms: Option<u64>,
    /// Whether an idle source's watermark goes on with the clock.
    idle_by_clock: bool,
    watermark: String,
    watermark_ms: Option<i64>,
    late_by: LateBy,
    /// The last rows behind the watermark, 64 a partition.
    late_rows: Vec<LateRow>,
    /// The last rows that moved the watermark far and made others late, or are ahead of the clock; 16 a partition.
    leaps: Vec<Leap>,
}

#[derive(Serialize)]
struct Leap {
    position: String,
    event_ms: i64,
    /// The watermark before it; null if it was the first row.
    watermark_ms: Option<i64>,
    /// Whether it was ahead of the clock by more than `max-future-skew`.
    ahead_of_clock: bool,
    /// Rows rejected as late that had been on time without it.
    made_late: u64,
    /// The unit that its time looks like.
    hint: Option<String>,
    /// All of this in a sentence.
    text: String,
}

#[derive(Serialize)]
struct LateRow {
    event_ms: i64,
    /// The watermark that it came under.
    watermark_ms: i64,
    /// Whether it was taken; otherwise it is a dead letter.
    accepted: bool,
}

#[derive(Serialize)]
struct LateBy {
    p99_ms: i64,
    p999_ms: i64,
    /// Upper bounds and how many rows are within, those without rows left out.
    buckets: Vec<LateBucket>,
}

#[derive(Serialize)]
struct LateBucket {
    /// Null is without bound.
    up_to_ms: Option<i64>,
    rows: u64,
}

#[derive(Serialize)]
struct Rows {
    received: u64,
    accepted: u64,
    on_time: u64,
    accepted_late: u64,
    rejected_late: u64,
    no_event_time: u64,
    undecoded: u64,
    /// Changes that would take back what is not there.
    unknown: u64,
    duplicates: u64,
}

#[derive(Serialize)]
struct Buffer {
    rows: usize,
    capacity_rows: usize,
}

/// `live`, `bounded` or `ended`.
pub(super) fn status(source: &Source) -> &'static str {
    match () {
        () if source.ended() => "ended",
        () if source.live() => "live",
        () => "bounded",
    }
}

impl About {
    fn of(source: &Source) -> About {
        let (spec, counts, watermark) = (source.spec(), source.counts(), source.watermark());
        let histogram = &counts.lateness;
        let bucket = |(bound, rows): (i64, u64)| LateBucket { up_to_ms: (bound < i64::MAX).then_some(bound), rows };
        let late_row = |row: &highwater_core::source::LateRow| LateRow {
            event_ms: row.event_ms,
            watermark_ms: row.watermark_ms,
            accepted: row.accepted,
        };
        let leap = |leap: &highwater_core::source::Leap| Leap {
            position: leap.position.clone(),
            event_ms: leap.event_ms,
            watermark_ms: (leap.from_ms != i64::MIN).then_some(leap.from_ms),
            ahead_of_clock: leap.ahead,
            made_late: leap.made_late,
            hint: leap.hint.clone(),
            text: leap.told(source.ended()),
        };
        let name = |column: usize| match spec.decode.get(column) {
            Some(&physical) => spec.physical.field(physical).name().clone(),
            None => {
                spec.computed.get(column - spec.decode.len()).map_or(String::new(), |(field, _)| field.name().clone())
            }
        };
        let Stand { state, reason, retry_in_ms, retries } = source.stand();
        About {
            state: state.name(),
            reason,
            retry_in_ms,
            retries,
            splits: splits(source, SPLITS, |_| true),
            name: spec.name.clone(),
            connector: spec.connector.name().to_owned(),
            status: status(source),
            columns: columns(&spec.physical),
            event_time: spec.time.map(|time| EventTime {
                column: name(time.column),
                bound_ms: time.bound_ms,
                lateness_ms: time.lateness_ms,
                idle_timeout_ms: time.idle_timeout.map(|idle| u64::try_from(idle.as_millis()).unwrap_or(u64::MAX)),
                idle_by_clock: time.idle_by_clock,
                watermark: format_time_ms(watermark),
                watermark_ms: (watermark != i64::MIN && watermark != i64::MAX).then_some(watermark),
                late_by: LateBy {
                    p99_ms: histogram.bound_ms(0.99),
                    p999_ms: histogram.bound_ms(0.999),
                    buckets: histogram.buckets().filter(|(_, rows)| *rows > 0).map(bucket).collect(),
                },
                late_rows: counts.late_rows.iter().map(late_row).collect(),
                leaps: counts.leaps.iter().map(leap).collect(),
            }),
            partitions: source.partitions().map(str::to_owned).collect(),
            rows: Rows {
                received: counts.received(),
                accepted: counts.accepted(),
                on_time: counts.on_time,
                accepted_late: counts.accepted_late,
                rejected_late: counts.rejected_late,
                no_event_time: counts.no_event_time,
                undecoded: counts.undecoded,
                unknown: counts.unknown,
                duplicates: counts.duplicates + source.repeated(),
            },
            buffer: Buffer { rows: source.buffered_rows(), capacity_rows: source.capacity_rows() },
        }
    }
}

impl List {
    fn of(app: &App) -> List {
        List { sources: app.engine.sources().iter().map(|source| About::of(source)).collect() }
    }
}

/// The answer, as text.
pub(super) fn text(app: &App) -> String {
    json::object(&List::of(app))
}

async fn list(State(app): State<App>) -> Json<List> {
    Json(List::of(&app))
}

async fn one(State(app): State<App>, Path(name): Path<String>) -> Result<Json<About>, Problem> {
    Ok(Json(About::of(find(&app, &name)?)))
}

fn find<'a>(app: &'a App, name: &str) -> Result<&'a Source, Problem> {
    let known = || app.engine.sources().iter().map(|source| source.name());
    app.engine.source(name).map(AsRef::as_ref).ok_or_else(|| Problem::unknown("source", name, known()))
}

/// What may be asked about dead letters.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    limit: Option<String>,
}

impl Asked {
    /// How many letters.
    pub(super) fn limit(query: Result<Query<Asked>, QueryRejection>) -> Result<usize, Problem> {
        let Query(asked) = query.map_err(|error| asked::refused(&error))?;
        asked.limit.as_deref().map_or(Ok(LETTERS), limit)
    }
}

#[derive(Serialize)]
struct Letters {
    source: String,
    /// All that there ever were; the last of them are kept.
    total: u64,
    /// Newest first.
    dead_letters: Vec<Letter>,
}

#[derive(Serialize)]
struct Letter {
    position: String,
    reason: &'static str,
    detail: String,
    content: String,
}

async fn dead_letters(
    State(app): State<App>,
    Path(name): Path<String>,
    query: Result<Query<Asked>, QueryRejection>,
) -> Result<Json<Letters>, Problem> {
    let source = find(&app, &name)?;
    let limit = Asked::limit(query)?;
    let letter = |Reject { position, reason, detail, content, .. }| Letter { position, reason, detail, content };
    Ok(Json(Letters {
        source: source.name().to_owned(),
        total: source.counts().rejected(),
        dead_letters: source.dead_letters(limit).into_iter().map(letter).collect(),
    }))
}
