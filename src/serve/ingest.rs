//! `POST /api/v1/sources/{source}/events`: events of a client into a source, and `/api/v1/completion/{token}`: whether the
//! views show them yet.
//!
//! `Content-Type` says how a body is written, its `charset` how that text is encoded, `Content-Encoding` how it is packed. A
//! body is taken or refused as a whole (429 when the source has no room); of a body that is taken, rows that are wrong are
//! told one by one and become dead letters, their neighbours are accepted. Rows of an answer are counted from 0.

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::QueryRejection;
use axum::extract::{FromRequest, Path, Query, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::Serialize;

use super::App;
use super::ack;
use super::asked;
use super::body::whole;
use super::limits::Limit;
use super::problem::Problem;
use super::role::Role;
use super::route::{Answer, Method, Route, Shape};
use super::work::{self, Work};
use highwater_core::engine::{Later, Pushed, Refused, Source};
use highwater_core::format::{ENCODINGS, Encoding};
use highwater_core::source::{Beside, Intake, Packing, Undecoded, Unpackable, Written};
use highwater_core::time::Epoch;

/// How many wrong rows an answer names.
pub(super) const MAX_ERRORS: usize = 100;
/// Stands in a token before the number of the source.
const OF: char = '~';

/// Begins that part of a token that names rows which are decided on later.
const LATER: &str = "later";
/// Longer bodies are decoded off the threads that serve everybody.
const LONG_BYTES: usize = 64 << 10;

const KINDS: &[&str] = &[
    "application/json",
    "application/x-ndjson",
    "text/csv",
    "text/plain",
    "application/msgpack",
    "application/vnd.apache.arrow.stream",
    "application/cloudevents+json",
    "application/cloudevents-batch+json",
];

/// Events in.
pub(super) const ROUTES: &[Route] = &[
    Route::of(Method::Post, "/api/v1/sources/{source}/events", Role::Ingest, "Sends events to a source", || {
        post(events)
    })
    .takes(&[ack::PARAMETER])
    .body(KINDS)
    .early()
    .answers(&[Answer::of(202, "application/json", "Taken"), Answer::of(422, "application/json", "Taken")]),
    Route::get(
        "/api/v1/completion/{token}",
        "Whether every view that they come to shows the events of a request",
        || get(completion),
    )
    .answers(&[Answer::json("Completion")]),
];

/// What they return.
pub(super) const SHAPES: &[Shape] = &[
    (
        "Taken",
        "accepted:integer duplicates:integer rejected:integer errors:[RowError] token:string epoch:string? ack:string \
         later:boolean*",
    ),
    ("RowError", "row:integer reason:string"),
    ("Completion", "complete:boolean"),
];

#[derive(Serialize)]
struct Taken {
    accepted: u64,
    /// Of the accepted, those that were taken before.
    duplicates: u64,
    rejected: u64,
    errors: Vec<RowError>,
    token: String,
    /// Where the rows went in: an answer or an event whose `as_of` is beyond shows them. Null if none did.
    epoch: Option<String>,
    /// What holds of them: `received`, `durable`, `visible`.
    ack: &'static str,
    /// The engine is still doing again what came before: of the accepted some may be duplicates, or become dead letters.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    later: bool,
}

#[derive(Serialize)]
struct RowError {
    row: u64,
    reason: String,
}

#[derive(Serialize)]
struct Completion {
    complete: bool,
}

/// The source of that name, if clients push to it.
pub(super) fn find<'a>(app: &'a App, name: &str) -> Result<(&'a Source, &'a Intake), Problem> {
    let pushed = || app.engine.sources().iter().filter(|source| source.intake().is_some());
    let known = || pushed().map(|source| source.name());
    let found = app.engine.source(name).and_then(|source| Some((source.as_ref(), source.intake()?)));
    found.ok_or_else(|| Problem::unknown("source that takes events", name, known()))
}

/// What the headers of a request say beside its rows.
pub(super) fn beside(intake: &Intake, headers: &HeaderMap) -> Result<Beside, Problem> {
    let all = headers.iter().map(|(name, value)| (name.as_str(), String::from_utf8_lossy(value.as_bytes())));
    intake.beside(all).map_err(|reason| Problem::bad_request(format!("nothing was taken: {reason}")))
}

/// How a body is written.
fn written(headers: &HeaderMap, intake: &Intake) -> Result<Written, Problem> {
    let Some(value) = headers.get(header::CONTENT_TYPE) else { return Ok(intake.default_written()) };
    let text = value.to_str().unwrap_or_default().to_ascii_lowercase();
    Ok(match text.split(';').next().unwrap_or_default().trim() {
        // What curl says of a body that it was told nothing of.
        "application/x-www-form-urlencoded" => intake.default_written(),
        "application/json" => Written::Json,
        "application/x-ndjson" | "application/ndjson" | "application/jsonl" | "application/x-jsonlines" => {
            Written::Lines
        }
        "text/csv" => Written::Csv,
        "text/plain" if intake.default_written() == Written::Text => Written::Text,
        "application/msgpack" | "application/x-msgpack" | "application/vnd.msgpack" => Written::MessagePack,
        "application/vnd.apache.arrow.stream" => Written::Arrow,
        "application/cloudevents+json" | "application/cloudevents-batch+json" => Written::CloudEvents,
        other => {
            let read = KINDS.iter().filter(|kind| **kind != "text/plain" || intake.default_written() == Written::Text);
            let kinds = read.copied().collect::<Vec<_>>().join(", ");
            let detail = format!("a body of type '{other}' is not read; send one of {kinds}");
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail));
        }
    })
}

/// How the text of a body is encoded, if its type says so.
pub(super) fn charset(headers: &HeaderMap) -> Result<Option<Encoding>, Problem> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let parameters = kind.split(';').skip(1).filter_map(|parameter| parameter.split_once('='));
    let mut named = parameters.filter(|(name, _)| name.trim().eq_ignore_ascii_case("charset"));
    let Some((_, label)) = named.next() else { return Ok(None) };
    let label = label.trim().trim_matches('"');
    Encoding::named(label).map(Some).ok_or_else(|| {
        let detail = format!("a body in the charset '{label}' is not read; send {ENCODINGS}");
        Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail)
    })
}

/// The body without its packing, of `limit` bytes at most.
pub(super) fn unpacked(headers: &HeaderMap, body: Bytes, limit: usize, work: &mut Work) -> Result<Bytes, Problem> {
    let all = headers.get_all(header::CONTENT_ENCODING).iter().map(|coding| coding.to_str().unwrap_or("?"));
    let all = all.flat_map(|coding| coding.split(',')).map(str::trim);
    let codings: Vec<&str> = all.filter(|coding| !matches!(*coding, "" | "identity")).collect();
    if codings.is_empty() {
        return Ok(body);
    }
    let coding = codings.join(", ");
    let Some(packing) = Packing::named(&coding) else {
        let detail = format!("a body packed with '{coding}' is not read; send gzip, zstd or identity");
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail));
    };
    let unpacked = packing.unpack(&body, limit, &mut |bytes| work.room(bytes));
    if let Ok(unpacked) = &unpacked {
        // Memory that was not written to is none.
        work.shrink(unpacked.capacity() - unpacked.len());
    }
    unpacked.map(Bytes::from).map_err(|error| match error {
        Unpackable::Broken(_) => Problem::new(StatusCode::BAD_REQUEST, error.to_string()),
        Unpackable::TooLong(_) => Problem::new(StatusCode::PAYLOAD_TOO_LARGE, error.to_string()),
        Unpackable::NoRoom => work.refused(),
    })
}

async fn events(
    State(app): State<App>,
    Path(name): Path<String>,
    query: Result<Query<ack::Asked>, QueryRejection>,
    headers: HeaderMap,
    request: Request,
) -> Result<Response, Problem> {
    let (source, intake) = find(&app, &name)?;
    let Query(asked) = query.map_err(|error| asked::refused(&error))?;
    let ack = ack::of(&app, source, asked.ack.as_deref())?;
    let written = written(&headers, intake)?;
    let charset = match written {
        Written::MessagePack | Written::Arrow => None,
        _ => charset(&headers)?,
    };
    let ready = || match *app.closing.borrow() {
        true => Err(stopping()),
        false if source.full() => Err(full(&app, source)),
        false => Ok(()),
    };
    // Who asks first need not send it.
    if headers.contains_key(header::EXPECT) {
        ready()?;
    }
    let body = whole(Bytes::from_request(request, &()).await)?;
    if body.is_empty() {
        return Err(Problem::bad_request("the body is empty: send events"));
    }
    ready()?;
    let limit = app.access.limits.size(Limit::Body);
    let long = body.len() > LONG_BYTES || headers.contains_key(header::CONTENT_ENCODING);
    let beside = beside(intake, &headers)?;
    let take = || {
        // It may have waited for its turn: what would be refused need not be decoded.
        ready()?;
        let mut work = Work::new(&app.bodies);
        let body = unpacked(&headers, body.clone(), limit, &mut work)?;
        let parts =
            intake.decode(written, charset, body, &beside, &mut |bytes| work.room(bytes)).map_err(
                |error| match error {
                    Undecoded::Unread(reason) => {
                        Problem::bad_request(format!("nothing of the body was read: {reason}"))
                    }
                    Undecoded::NoRoom => work.refused(),
                },
            )?;
        source.push(parts).map_err(|refused| match refused {
            Refused::Full(_) => full(&app, source),
            Refused::DiskFull(_) => no_disk(source),
            Refused::Closed => stopping(),
            refused => Problem::bad_request(refused.to_string()),
        })
    };
    let at_once = if long { None } else { Some(take()).filter(|done| !work::crowded(done)) };
    let pushed = match at_once {
        Some(done) => done,
        None => work::in_turn(&app, take).await,
    }?;
    let ack = ack::wait(&app, ack, &pushed).await?.name();
    let taken = Taken {
        ack,
        later: pushed.later.is_some(),
        accepted: pushed.accepted,
        duplicates: pushed.duplicates,
        rejected: pushed.rejected,
        token: token(&app, &pushed),
        epoch: pushed.epoch.map(|epoch| epoch.to_string()),
        errors: pushed.told.into_iter().take(MAX_ERRORS).map(|(row, reason)| RowError { row, reason }).collect(),
    };
    // Who sends rows of which none can be taken sends something wrong.
    let none = taken.accepted == 0 && taken.duplicates == 0 && taken.rejected > 0;
    let status = if none { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::ACCEPTED };
    Ok((status, Json(taken)).into_response())
}

fn full(app: &App, source: &Source) -> Problem {
    let why = app.engine.peers().into_iter().find_map(|peer| peer.trouble);
    let why = why.map(|trouble| format!(" ({trouble})")).unwrap_or_default();
    let name = source.name();
    let detail = format!("source '{name}' has no room now{why}: nothing was taken, send the body again later");
    let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, detail);
    problem.with(header::RETRY_AFTER, HeaderValue::from_static("1"))
}

/// D11: what cannot be kept is not taken.
fn no_disk(source: &Source) -> Problem {
    let name = source.name();
    let detail = format!(
        "the disk of the data directory is full: nothing was taken for source '{name}', send the body again later"
    );
    let problem = Problem::new(StatusCode::INSUFFICIENT_STORAGE, detail);
    problem.with(header::RETRY_AFTER, HeaderValue::from_static("5"))
}

fn stopping() -> Problem {
    let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the engine stops: it takes no more events");
    problem.with(header::RETRY_AFTER, HeaderValue::from_static("5"))
}

/// The run, the process and the epoch where rows went in, or which they are if that is decided later.
fn token(app: &App, pushed: &Pushed) -> String {
    let went_in = match pushed.later {
        Some(Later { source, frame }) => format!("{LATER}{source}.{frame}"),
        None => pushed.epoch.map_or("none".to_owned(), |epoch| format!("{epoch}{OF}{}", number(app, pushed))),
    };
    format!("{:x}.{}.{went_in}", app.run, app.engine.config().process)
}

/// Whether every view that it comes to shows what that part of a token names; `None` if it is none.
fn complete(app: &App, went_in: &str) -> Option<bool> {
    if let Some(later) = went_in.strip_prefix(LATER) {
        let (source, frame) = later.split_once('.')?;
        return app.engine.shows(Later { source: source.parse().ok()?, frame: frame.parse().ok()? });
    }
    match went_in {
        "none" => Some(true),
        epoch => {
            let (epoch, source) = epoch.split_once(OF).map_or((epoch, None), |(epoch, source)| (epoch, Some(source)));
            let as_of = match source {
                Some(source) => {
                    let source = app.engine.sources().get(source.parse::<usize>().ok()?)?;
                    app.engine.views().as_of_rows(source.name())
                }
                None => app.engine.views().as_of(),
            };
            Some(epoch.parse::<Epoch>().ok()? < as_of)
        }
    }
}

/// The number of the source that took rows.
fn number(app: &App, pushed: &Pushed) -> usize {
    let name = pushed.source.as_deref().unwrap_or_default();
    app.engine.sources().iter().position(|source| source.name() == name).unwrap_or_default()
}

async fn completion(State(app): State<App>, Path(token): Path<String>) -> Result<Json<Completion>, Problem> {
    let unknown = || {
        Problem::new(
            StatusCode::NOT_FOUND,
            format!("'{token}' is no token of this run: hand back 'token' of an answer"),
        )
    };
    let mut parts = token.splitn(3, '.');
    let (Some(run), Some(process), Some(went_in)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(unknown());
    };
    let process: usize = process.parse().map_err(|_| unknown())?;
    // Epochs are those of the whole cluster, so a process knows of rows that went in at another.
    let other = process != app.engine.config().process && process < app.engine.config().processes();
    if run != format!("{:x}", app.run) && !other {
        return Err(unknown());
    }
    let complete = complete(&app, went_in).ok_or_else(unknown)?;
    Ok(Json(Completion { complete }))
}
