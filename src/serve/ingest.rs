//! `POST /api/v1/sources/{source}/events`: events of a client into a source, and `/api/v1/completion/{token}`: whether the
//! views show them yet.
//!
//! `Content-Type` says how a body is written, `Content-Encoding` how it is packed. A body is taken or refused as a whole
//! (429 when the source has no room); of a body that is taken, rows that are wrong are told one by one and become dead
//! letters, their neighbours are accepted. Rows of an answer are counted from 0.

use std::io::Read;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::Serialize;
use serde_json::Value;

use super::App;
use super::limits::Limit;
use super::problem::Problem;
use super::role::Role;
use super::route::{Answer, Method, Route, Shape};
use crate::engine::{Pushed, Refused, Source};
use crate::source::{Intake, Written};
use crate::time::Epoch;

/// How many wrong rows an answer names.
const MAX_ERRORS: usize = 100;
/// Longer bodies are decoded where blocking is allowed.
const LONG_BYTES: usize = 256 << 10;

const KINDS: &[&str] = &[
    "application/json",
    "application/x-ndjson",
    "text/csv",
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
    .body(KINDS)
    .answers(&[Answer::of(202, "application/json", "Taken")]),
    Route::get("/api/v1/completion/{token}", "Whether every view shows the events of a request", || get(completion))
        .answers(&[Answer::json("Completion")]),
];

/// What they answer with.
pub(super) const SHAPES: &[Shape] = &[
    ("Taken", "accepted:integer duplicates:integer rejected:integer errors:[RowError] token:string epoch:string?"),
    ("RowError", "row:integer reason:string"),
    ("Completion", "complete:boolean"),
];

#[derive(Serialize)]
struct Taken {
    accepted: u64,
    /// Of the accepted, those that were taken before.
    duplicates: u64,
    rejected: usize,
    errors: Vec<RowError>,
    token: String,
    /// Where the rows went in: an answer or an event whose `as_of` is beyond shows them. Null if none did.
    epoch: Option<String>,
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
    let source = app.engine.source(name).map(AsRef::as_ref);
    let found = source.and_then(|source| Some((source, source.intake()?)));
    found.ok_or_else(|| Problem::unknown("source that takes events", name, known()))
}

/// How a body is written: in a form that is decoded, or as CloudEvents around it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Plain(Written),
    CloudEvents,
}

fn kind(headers: &HeaderMap, intake: &Intake) -> Result<Kind, Problem> {
    let Some(value) = headers.get(header::CONTENT_TYPE) else { return Ok(Kind::Plain(intake.default_written())) };
    let text = value.to_str().unwrap_or_default().to_ascii_lowercase();
    Ok(match text.split(';').next().unwrap_or_default().trim() {
        "application/json" => Kind::Plain(Written::Json),
        "application/x-ndjson" | "application/ndjson" | "application/jsonl" | "application/x-jsonlines" => {
            Kind::Plain(Written::Lines)
        }
        "text/csv" => Kind::Plain(Written::Csv),
        "application/msgpack" | "application/x-msgpack" | "application/vnd.msgpack" => {
            Kind::Plain(Written::MessagePack)
        }
        "application/vnd.apache.arrow.stream" => Kind::Plain(Written::Arrow),
        "application/cloudevents+json" | "application/cloudevents-batch+json" => Kind::CloudEvents,
        other => {
            let detail = format!("a body of type '{other}' is not read; send one of {}", KINDS.join(", "));
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail));
        }
    })
}

/// The body without its packing, of `limit` bytes at most.
fn unpacked(headers: &HeaderMap, body: Bytes, limit: usize) -> Result<Bytes, Problem> {
    let coding = headers.get(header::CONTENT_ENCODING).map(|coding| coding.to_str().unwrap_or("?").trim());
    let bad = |error: std::io::Error| Problem::bad_request(format!("the body cannot be unpacked: {error}"));
    let mut reader: Box<dyn Read + '_> = match coding.map(str::to_ascii_lowercase).as_deref() {
        None | Some("" | "identity") => return Ok(body),
        Some("gzip" | "x-gzip") => Box::new(flate2::read::MultiGzDecoder::new(&body[..])),
        Some("zstd") => Box::new(zstd::stream::read::Decoder::new(&body[..]).map_err(bad)?),
        Some(other) => {
            let detail = format!("a body packed with '{other}' is not read; send gzip, zstd or identity");
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail));
        }
    };
    let mut out = Vec::new();
    (&mut reader).take(limit as u64 + 1).read_to_end(&mut out).map_err(bad)?;
    if out.len() > limit {
        let detail =
            format!("the body has more than {limit} bytes unpacked; send less at a time, or raise the limit 'body'");
        return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail));
    }
    Ok(out.into())
}

/// The events in CloudEvents, one a line: the members of `data`, with `id`, `time`, `type`, `source` and `subject` of the
/// envelope, and its time as the event time, where `data` does not have them.
fn open_envelopes(source: &Source, body: &[u8]) -> Result<Vec<u8>, Problem> {
    let bad = |detail: String| Problem::bad_request(format!("not CloudEvents: {detail}"));
    let value: Value = serde_json::from_slice(body).map_err(|error| bad(error.to_string()))?;
    let envelopes = match value {
        Value::Array(envelopes) => envelopes,
        one => vec![one],
    };
    let spec = source.spec();
    let physical = |column: usize| spec.decode.get(column).map(|&at| spec.physical.field(at).name().clone());
    let time = spec.time.and_then(|time| physical(time.column));
    let mut lines = Vec::with_capacity(body.len());
    for (at, envelope) in envelopes.into_iter().enumerate() {
        let Value::Object(mut envelope) = envelope else { return Err(bad(format!("event {at} is no object"))) };
        let line = match envelope.remove("data") {
            Some(Value::Object(mut row)) => {
                let members = ["id", "time", "type", "source", "subject"].map(|name| (name.to_owned(), name));
                for (column, name) in members.into_iter().chain(time.clone().map(|column| (column, "time"))) {
                    if let Some(value) = envelope.get(name).filter(|_| !row.contains_key(&column)) {
                        row.insert(column, value.clone());
                    }
                }
                Value::Object(row)
            }
            // No row: told as such, as a dead letter.
            other => other.unwrap_or(Value::Null),
        };
        lines.extend_from_slice(line.to_string().as_bytes());
        lines.push(b'\n');
    }
    Ok(lines)
}

async fn events(
    State(app): State<App>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let (source, intake) = find(&app, &name)?;
    let kind = kind(&headers, intake)?;
    let body = body.map_err(|error| Problem::new(error.status(), error.body_text()))?;
    if *app.closing.borrow() {
        return Err(stopping());
    }
    if source.full() {
        return Err(full(source));
    }
    let limit = app.access.limits.size(Limit::Body);
    let long = body.len() > LONG_BYTES || headers.contains_key(header::CONTENT_ENCODING);
    let take = || {
        let mut body = unpacked(&headers, body, limit)?;
        let written = match kind {
            Kind::Plain(written) => written,
            Kind::CloudEvents => {
                body = open_envelopes(source, &body)?.into();
                Written::Lines
            }
        };
        let unread = |reason: String| Problem::bad_request(format!("nothing of the body was read: {reason}"));
        let part = intake.decode(written, &body).map_err(unread)?;
        source.push(part).map_err(|refused| match refused {
            Refused::Full(_) => full(source),
            Refused::Closed => stopping(),
        })
    };
    let multi = tokio::runtime::Handle::current().runtime_flavor() == tokio::runtime::RuntimeFlavor::MultiThread;
    let pushed = if long && multi { tokio::task::block_in_place(take) } else { take() }?;
    let taken = Taken {
        accepted: pushed.accepted,
        duplicates: pushed.duplicates,
        rejected: pushed.rejected.len(),
        token: token(&app, &pushed),
        epoch: pushed.epoch.map(|epoch| epoch.to_string()),
        errors: pushed.rejected.into_iter().take(MAX_ERRORS).map(|(row, reason)| RowError { row, reason }).collect(),
    };
    Ok((StatusCode::ACCEPTED, Json(taken)).into_response())
}

fn full(source: &Source) -> Problem {
    let detail = format!("source '{}' has no room now: nothing was taken, send the body again later", source.name());
    let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, detail);
    problem.with(header::RETRY_AFTER, HeaderValue::from_static("1"))
}

fn stopping() -> Problem {
    let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the engine stops: it takes no more events");
    problem.with(header::RETRY_AFTER, HeaderValue::from_static("5"))
}

/// The run, the process and the epoch where rows went in.
fn token(app: &App, pushed: &Pushed) -> String {
    let epoch = pushed.epoch.map_or("none".to_owned(), |epoch| epoch.to_string());
    format!("{:x}.{}.{epoch}", app.run, app.engine.config().process)
}

async fn completion(State(app): State<App>, Path(token): Path<String>) -> Result<Json<Completion>, Problem> {
    let unknown = || {
        Problem::new(
            StatusCode::NOT_FOUND,
            format!("'{token}' is no token of this run: hand back 'token' of an answer"),
        )
    };
    let mut parts = token.splitn(3, '.');
    let (Some(run), Some(process), Some(epoch)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(unknown());
    };
    let process: usize = process.parse().map_err(|_| unknown())?;
    // Epochs are those of the whole cluster, so a process knows of rows that went in at another.
    let other = process != app.engine.config().process && process < app.engine.config().processes();
    if run != format!("{:x}", app.run) && !other {
        return Err(unknown());
    }
    let complete = match epoch {
        "none" => true,
        epoch => epoch.parse::<Epoch>().map_err(|_| unknown())? < app.engine.views().as_of(),
    };
    Ok(Json(Completion { complete }))
}
