//! `/api/v1/tables`: reference tables and their rows; `/api/v1/tables/{table}/rows`: GET lists them as those of a view are
//! listed, POST puts rows in (in the place of those with their keys), PATCH changes the columns that it names in the rows with
//! its keys, PUT replaces all of them, DELETE takes rows out by their keys (`?key=value`, or in the body). `POST /api/rules`
//! is POST for the table `rules`.
//!
//! A body is one object, an array of objects, or objects one after another. A request takes effect as a whole, at one epoch,
//! which the answer names: `{"epoch": "..."}`; when it comes, the views show the change. While a data directory is still done again
//! a request is kept and waits: it takes effect, and is answered, behind all that. If anything is wrong with any row,
//! nothing is changed. Numbers are read by their digits, as those of events.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arrow_array::{Array, RecordBatch, RecordBatchOptions, new_null_array};
use arrow_schema::{Field, Schema, SchemaRef};
use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use axum::routing::{MethodRouter, delete, get, patch, post, put};
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::{RawValue, to_raw_value};

use super::App;
use super::as_of::AsOf;
use super::asked;
use super::body::whole;
use super::columns::{Column, columns};
use super::ingest::{charset, unpacked};
use super::json;
use super::limits::Limit;
use super::problem::Problem;
use super::role::Role;
use super::route::{Answer, Method, Route, Shape, query};
use super::view_rows;
use super::work::{self, Work};
use highwater_core::engine::{State as Engine, Table, Unchanged};
use highwater_core::format::{self, Constant, Decoding, Encoding, Layout, constant};
use highwater_core::plan::sql_type;
use highwater_core::table::Change;
use highwater_core::time::Zone;

/// The longest row, in bytes: bodies are bounded before.
const MAX_ROW: usize = 1 << 28;
/// How many wrong rows an answer names.
const MAX_FAULTS: usize = 5;
/// For how long an answer waits until the views show the change.
const PATIENCE: Duration = Duration::from_secs(5);

/// What an object takes in memory beside twice its text, about.
const OBJECT_BYTES: usize = 200;

const ROWS: &str = "/api/v1/tables/{table}/rows";
const JSON: &[&str] = &["application/json"];
const CHANGED: &[Answer] = &[Answer::json("Changed")];

/// Reference tables.
pub(super) const ROUTES: &[Route] = &[
    Route::get("/api/v1/tables", "The reference tables", || get(list)).answers(&[Answer::json("Tables")]),
    Route::get("/api/v1/tables/{table}", "A reference table", || get(one)).answers(&[Answer::json("Table")]),
    Route::get(ROWS, "The rows of a reference table as of now", || get(rows))
        .takes(view_rows::PARAMETERS)
        .answers(&[Answer::json("TableRows")]),
    change_of(Method::Post, ROWS, "Puts rows in, in the place of those with their keys", || post(upsert)),
    change_of(Method::Put, ROWS, "Replaces all rows", || put(replace)),
    change_of(Method::Patch, ROWS, "Changes the columns that are named, in the rows with these keys", || patch(update)),
    change_of(Method::Delete, ROWS, "Takes rows out by their keys, in the body or one in the query", || {
        delete(take_out)
    })
    .body(&[])
    .takes(&[query("", "string", "The key, column by column")]),
    change_of(Method::Post, "/api/rules", "Puts rows into the table `rules`", || post(rules)),
];

/// What they return; rows have the columns of the table.
pub(super) const SHAPES: &[Shape] = &[
    ("Tables", "tables:[Table]"),
    ("Table", "name:string columns:[Column] key:[string] rows:integer as_of:AsOf"),
    ("TableRows", "table:string as_of:AsOf rows:[any] next:string? total:integer"),
    ("Changed", "epoch:string"),
];

const fn change_of(
    method: Method,
    path: &'static str,
    summary: &'static str,
    serve: fn() -> MethodRouter<App>,
) -> Route {
    Route::of(method, path, Role::Admin, summary, serve).body(JSON).answers(CHANGED).early()
}

#[derive(Serialize)]
struct List {
    tables: Vec<About>,
}

#[derive(Serialize)]
struct About {
    name: String,
    columns: Vec<Column>,
    /// The columns of the primary key.
    key: Vec<String>,
    rows: usize,
    as_of: AsOf,
}

impl About {
    fn of(table: &Table) -> About {
        let schema = &table.spec().view.schema;
        About {
            name: table.name().to_owned(),
            columns: columns(schema),
            key: table.spec().key().iter().map(|&column| schema.field(column).name().clone()).collect(),
            rows: table.rows().row_count(),
            as_of: table.rows().as_of().into(),
        }
    }
}

/// What a change is answered with.
#[derive(Serialize)]
struct Changed {
    epoch: String,
}

type Asked = Result<Query<Vec<(String, String)>>, QueryRejection>;
type Body = Result<Bytes, BytesRejection>;

async fn list(State(app): State<App>) -> Json<List> {
    Json(List { tables: app.engine.tables().iter().map(|table| About::of(table)).collect() })
}

async fn one(State(app): State<App>, Path(name): Path<String>) -> Result<Json<About>, Problem> {
    Ok(Json(About::of(find(&app, &name)?)))
}

async fn rows(State(app): State<App>, Path(name): Path<String>, query: Asked) -> Result<Response, Problem> {
    let table = find(&app, &name)?;
    let Query(query) = query.map_err(|error| asked::refused(&error))?;
    view_rows::of_table(&app, table.rows().clone(), &query).await
}

async fn upsert(
    State(app): State<App>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Changed>, Problem> {
    let table = find(&app, &name)?;
    put_in(&app, table, &headers, body).await
}

async fn rules(State(app): State<App>, headers: HeaderMap, body: Body) -> Result<Json<Changed>, Problem> {
    let Some(table) = app.engine.table("rules") else {
        let remedy = "declare one: CREATE TABLE rules (name VARCHAR PRIMARY KEY, ...)";
        return Err(Problem::new(StatusCode::NOT_FOUND, format!("this dataflow has no table 'rules'; {remedy}")));
    };
    put_in(&app, table, &headers, body).await
}

async fn put_in(app: &App, table: &Arc<Table>, headers: &HeaderMap, body: Body) -> Result<Json<Changed>, Problem> {
    let body = whole(body)?;
    let given = || {
        let (objects, _work) = objects(app, headers, &body)?;
        if objects.is_empty() {
            return Err(Problem::bad_request("the body has no row: write an object or an array of objects"));
        }
        read(table, &objects, Wanted::Rows, app.engine.dataflow().zone)
    };
    let Given { rows, .. } = work::in_turn(app, given).await?;
    change(app, table, Change::Upsert(rows)).await
}

async fn update(
    State(app): State<App>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Changed>, Problem> {
    let table = find(&app, &name)?;
    let body = whole(body)?;
    let given = || {
        let (objects, _work) = objects(&app, &headers, &body)?;
        if objects.is_empty() {
            return Err(Problem::bad_request("the body has no row: write the key and the columns to change"));
        }
        read(table, &objects, Wanted::Columns, app.engine.dataflow().zone)
    };
    let Given { rows, given } = work::in_turn(&app, given).await?;
    change(&app, table, Change::Update { rows, given }).await
}

async fn replace(
    State(app): State<App>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Changed>, Problem> {
    let table = find(&app, &name)?;
    let body = whole(body)?;
    let given = || {
        let (objects, _work) = objects(&app, &headers, &body)?;
        if objects.is_empty() && body.is_empty() {
            return Err(Problem::bad_request("the body is empty: write all rows as an array of objects, [] for none"));
        }
        read(table, &objects, Wanted::Rows, app.engine.dataflow().zone)
    };
    let Given { rows, .. } = work::in_turn(&app, given).await?;
    change(&app, table, Change::Replace(rows)).await
}

async fn take_out(
    State(app): State<App>,
    Path(name): Path<String>,
    query: Asked,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Changed>, Problem> {
    let table = find(&app, &name)?;
    let Query(query) = query.map_err(|error| asked::refused(&error))?;
    let body = whole(body)?;
    let (mut objects, _work) = work::in_turn(&app, || objects(&app, &headers, &body)).await?;
    if !query.is_empty() {
        // As rows are asked for.
        let query: Vec<(String, String)> = query
            .into_iter()
            .map(|(name, value)| (name.strip_prefix("where.").map(str::to_owned).unwrap_or(name), value))
            .collect();
        let names: Vec<&str> = query.iter().map(|(name, _)| name.as_str()).collect();
        if let Some(twice) = names.iter().enumerate().find_map(|(at, name)| names[..at].contains(name).then_some(name))
        {
            return Err(Problem::bad_request(format!("'{twice}' is there twice: write one row's key")));
        }
        if !objects.is_empty() {
            return Err(Problem::bad_request("the key is in the query and in the body: write it once"));
        }
        let schema = &table.spec().view.schema;
        for (name, value) in &query {
            let Ok(field) = schema.field_with_name(name) else { continue };
            if format::read_value(value, field.data_type(), app.engine.dataflow().zone).is_none() {
                let kind = sql_type(field.data_type());
                return Err(Problem::bad_request(format!("{name}={value}: '{value}' is no {kind}")));
            }
        }
        let member = |(name, value): (String, String)| match to_raw_value(&value) {
            Ok(value) => (name, value),
            Err(error) => unreachable!("text is JSON: {error}"),
        };
        objects.push(Object(query.into_iter().map(member).collect()));
    }
    if objects.is_empty() {
        let example = key_names(table).iter().map(|name| format!("{name}=...")).collect::<Vec<_>>().join("&");
        return Err(Problem::bad_request(format!(
            "which rows? Write their keys: ?{example}, or objects in the body; PUT [] takes all rows out"
        )));
    }
    let Given { rows, .. } =
        app.lanes.decoding.run(|| read(table, &objects, Wanted::Keys, app.engine.dataflow().zone)).await?;
    change(&app, table, Change::Delete(rows)).await
}

/// Makes the change, and waits until the views show it.
async fn change(app: &App, table: &Table, change: Change) -> Result<Json<Changed>, Problem> {
    let later = |status: StatusCode, what: &str| {
        let detail = format!("{what}: table '{}' was not changed, send it again later", table.name());
        Problem::new(status, detail).with(header::RETRY_AFTER, HeaderValue::from_static("1"))
    };
    let ended = || match app.engine.state() {
        Engine::Done => {
            Problem::new(StatusCode::CONFLICT, "the run has ended, and with it the table: nothing was changed")
        }
        // Perhaps it starts again.
        _ => later(StatusCode::SERVICE_UNAVAILABLE, "the engine stops"),
    };
    let sent = app.lanes.decoding.run(|| table.change(&change)).await.map_err(|why| match why {
        Unchanged::Ended => ended(),
        Unchanged::Full => later(StatusCode::TOO_MANY_REQUESTS, "too much waits for the data directory"),
        Unchanged::DiskFull => later(StatusCode::INSUFFICIENT_STORAGE, "the disk of the data directory is full"),
    })?;
    let epoch = sent.await.map_err(|_| match table.keeps() {
        true => {
            let detail =
                "the run ended before the change took effect: it is kept, and takes effect with the next start";
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail)
        }
        false => ended(),
    })?;
    let shown = async {
        for mut view in table.watches() {
            // An error says that the engine is gone.
            let _ = view.wait_for(|as_of| *as_of > epoch).await;
        }
    };
    let _ = tokio::time::timeout(PATIENCE, shown).await;
    Ok(Json(Changed { epoch: epoch.to_string() }))
}

fn find<'a>(app: &'a App, name: &str) -> Result<&'a Arc<Table>, Problem> {
    let known = || app.engine.tables().iter().map(|table| table.name());
    app.engine.table(name).ok_or_else(|| Problem::unknown("table", name, known()))
}

fn key_names(table: &Table) -> Vec<&str> {
    let schema = &table.spec().view.schema;
    table.spec().key().iter().map(|&column| schema.field(column).name().as_str()).collect()
}

/// The members of an object, each as it was written: a number keeps its digits.
struct Object(Vec<(String, Box<RawValue>)>);

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Object, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Object;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Object(members))
            }
        }
        deserializer.deserialize_map(Members)
    }
}

/// The objects of a body, and what they hold.
fn objects(app: &App, headers: &HeaderMap, body: &Bytes) -> Result<(Vec<Object>, Work), Problem> {
    let mut work = Work::new(&app.bodies);
    let body = unpacked(headers, body.clone(), app.access.limits.size(Limit::Body), &mut work)?;
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    // What curl sends if it is told nothing is not meant as a form.
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let json = kind.is_empty() || kind.contains("json") || kind.starts_with("text/plain") || kind.contains("form-url");
    if !body.is_empty() && !json {
        let detail = format!("rows of tables are read as JSON, not as '{kind}'; send Content-Type: application/json");
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail));
    }
    let text = Encoding::decode(charset(headers)?, &body);
    let text = text.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&text);
    let mut objects: Vec<Object> = Vec::new();
    let not_json = |error| Problem::bad_request(format!("the body is not JSON: {error}; nothing was changed"));
    let mut take = |value: &RawValue| match value.get().starts_with('{') {
        true if !work.room(OBJECT_BYTES + 2 * value.get().len()) => Err(work.refused()),
        true => serde_json::from_str(value.get()).map(|object| objects.push(object)).map_err(not_json),
        false => {
            let row = objects.len() + 1;
            Err(Problem::bad_request(format!("row {row} is {value}, not an object; nothing was changed")))
        }
    };
    for value in serde_json::Deserializer::from_slice(text).into_iter::<&RawValue>() {
        let value = value.map_err(not_json)?;
        match value.get().starts_with('[') {
            true => {
                let values: Vec<&RawValue> = serde_json::from_str(value.get()).map_err(not_json)?;
                values.into_iter().try_for_each(&mut take)?;
            }
            false => take(value)?,
        }
    }
    Ok((objects, work))
}

/// What is read of objects.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    /// Whole rows; columns that are not given are NULL.
    Rows,
    /// Keys, and the columns that are given.
    Columns,
    /// Keys only.
    Keys,
}

/// Rows, and per row and column whether it was given.
struct Given {
    rows: RecordBatch,
    given: Vec<Vec<bool>>,
}

/// Objects as rows of the table; what is not wanted of them is NULL.
fn read(table: &Table, objects: &[Object], what: Wanted, zone: Zone) -> Result<Given, Problem> {
    let schema = &table.spec().view.schema;
    let refuse = |row: usize, reason: String| Problem::bad_request(format!("row {row}: {reason}; nothing was changed"));
    let spelled = |name: &str| {
        let exact = schema.fields().iter().position(|field| field.name() == name);
        exact.or_else(|| schema.fields().iter().position(|field| field.name().eq_ignore_ascii_case(name)))
    };
    let (mut text, mut given, mut rounded) = (Vec::new(), Vec::new(), None);
    for (row, object) in objects.iter().enumerate() {
        let mut known: Vec<Option<&RawValue>> = vec![None; schema.fields().len()];
        for (name, value) in &object.0 {
            let Some(column) = spelled(name) else {
                let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
                let reason = format!("'{}' has no column '{name}'; it has: {}", table.name(), names.join(", "));
                return Err(refuse(row + 1, reason));
            };
            if rounded.is_none() && table.spec().key().contains(&column) {
                rounded = exact(schema.field(column), value, zone).err().map(|reason| refuse(row + 1, reason));
            }
            known[column] = Some(value);
        }
        let members =
            known.iter().zip(schema.fields()).filter_map(|(value, field)| Some((field.name(), (*value)?.get())));
        // A newline can stand between tokens only, where it is space; here it would end the row.
        let members = members.map(|(name, value)| format!("{}:{}", json::text(name), value.replace('\n', " ")));
        text.extend_from_slice(format!("{{{}}}\n", members.collect::<Vec<_>>().join(",")).as_bytes());
        given.push(known.iter().map(Option::is_some).collect::<Vec<bool>>());
    }
    let is_key = |column: &usize| table.spec().key().contains(column);
    let wanted: Vec<usize> =
        (0..schema.fields().len()).filter(|column| what != Wanted::Keys || is_key(column)).collect();
    let decoded = decode(schema, &wanted, text, zone).map_err(|detail| match detail {
        Wrong::Rows(rows) => {
            let shown: Vec<String> =
                rows.iter().take(MAX_FAULTS).map(|(row, reason)| format!("row {row}: {reason}")).collect();
            let more = rows.len().saturating_sub(MAX_FAULTS);
            let more = if more > 0 { format!("; and {more} more") } else { String::new() };
            Problem::bad_request(format!("{}{more}; nothing was changed", shown.join("; ")))
        }
        Wrong::Table(detail) => Problem::new(StatusCode::INTERNAL_SERVER_ERROR, detail),
    })?;
    if let Some(rounded) = rounded {
        return Err(rounded);
    }
    for (at, &column) in wanted.iter().enumerate() {
        let field = schema.field(column);
        let needed = |row: &usize| what != Wanted::Columns || is_key(&column) || given[*row][column];
        let is_missing = |row: &usize| needed(row) && decoded.column(at).is_null(*row);
        let missing = (!field.is_nullable()).then(|| (0..objects.len()).find(is_missing));
        if let Some(row) = missing.flatten() {
            let why = match is_key(&column) {
                true => "is part of the primary key",
                false => "is NOT NULL",
            };
            return Err(refuse(row + 1, format!("'{}' {why} and has no value", field.name())));
        }
    }
    let columns = (0..schema.fields().len()).map(|column| match wanted.binary_search(&column) {
        Ok(at) => decoded.column(at).clone(),
        Err(_) => new_null_array(schema.field(column).data_type(), objects.len()),
    });
    let options = RecordBatchOptions::new().with_row_count(Some(objects.len()));
    RecordBatch::try_new_with_options(nullable(schema), columns.collect(), &options)
        .map(|rows| Given { rows, given })
        .map_err(|error| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))
}

/// Refuses the key of a row that would be rounded to that of another.
fn exact(field: &Field, value: &RawValue, zone: Zone) -> Result<(), String> {
    let quoted = serde_json::from_str::<String>(value.get());
    let text = quoted.as_deref().unwrap_or(value.get());
    match constant(field.data_type(), text, zone) {
        Some(Constant::Nothing) => {
            let kind = sql_type(field.data_type());
            Err(format!("no {kind} is {text}, and '{}', of the primary key, is not rounded", field.name()))
        }
        _ => Ok(()),
    }
}

/// The same columns, all nullable: what may be missing is found out by itself.
fn nullable(schema: &SchemaRef) -> SchemaRef {
    let fields = schema.fields().iter().map(|field| field.as_ref().clone().with_nullable(true));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// Why rows were not read.
enum Wrong {
    /// These are wrong, from 1.
    Rows(Vec<(u64, String)>),
    /// The table is.
    Table(String),
}

fn decode(schema: &SchemaRef, wanted: &[usize], text: Vec<u8>, zone: Zone) -> Result<RecordBatch, Wrong> {
    let options = [("max-row-bytes".to_owned(), MAX_ROW.to_string())].into_iter().collect();
    let table = |error: format::FormatError| Wrong::Table(error.to_string());
    let layout = Layout::new(&nullable(schema), wanted, &options).map_err(table)?.in_zone(zone);
    let Some(json) = format::find("json") else { return Err(Wrong::Table("there is no format 'json'".to_owned())) };
    let Decoding::Text(decoding) = json.decoding(&layout, &options).map_err(table)? else {
        return Err(Wrong::Table("JSON is a text format".to_owned()));
    };
    let part = format::decode_text(decoding.as_ref(), &text).map_err(Wrong::Table)?;
    match part.faults.is_empty() {
        true => Ok(part.batch),
        false => Err(Wrong::Rows(part.faults.into_iter().map(|fault| (fault.record + 1, fault.detail)).collect())),
    }
}
