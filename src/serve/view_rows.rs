//! `GET /api/v1/views/{view}/rows`: the rows of a view at one epoch.
//!
//! `limit` (default 1000), `cursor` (the `next` of the page before), `order=-a,b` (descending a, then b; without it the
//! view's key), and any `COLUMN=value`: rows equal to it, `null` for NULL. Pages go by the rows' own order, so they stay
//! right while the view changes: no row that stays is left out or shown twice. Rows that are equal in every column come
//! on one page, which may therefore be a little longer than asked for.
//!
//! Cost: by key, the page; with a filter, the rows that the first of its columns finds (by an index, made when the column is
//! first asked for); by another order, or for NULL, a pass over the view.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, BooleanArray, RecordBatch, Scalar, StringArray, UInt32Array};
use arrow_buffer::BooleanBuffer;
use arrow_cast::{CastOptions, cast_with_options};
use arrow_row::{RowConverter, SortField};
use arrow_schema::{ArrowError, DataType, FieldRef, SchemaRef, SortOptions};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::App;
use super::as_of::AsOf;
use super::json;
use super::problem::Problem;
use super::route::{Answer, Parameter, Route, Shape, query};
use super::views::find;
use crate::engine::{Snapshot, View};

/// Rows of a page if `limit` is not given.
pub(super) const LIMIT: usize = 1000;
/// Rows of a page at most.
const LIMIT_MAX: usize = 100_000;

/// The rows of a view.
pub(super) const ROUTES: &[Route] =
    &[Route::get("/api/v1/views/{view}/rows", "The rows of a view as of now", || get(rows))
        .takes(PARAMETERS)
        .answers(&[Answer::json("Rows")])];

/// What callers choose rows by.
pub(super) const PARAMETERS: &[Parameter] = &[
    query("limit", "integer", "Rows of a page; 1000 if not given"),
    query("cursor", "string", "The `next` of the page before"),
    query("order", "string", "Columns with commas between, `-` before one that descends"),
    query("", "string", "Rows equal to this in the column; `null` for NULL"),
];

/// What it answers with; a row has the columns of the view besides.
pub(super) const SHAPES: &[Shape] =
    &[("Rows", "view:string as_of:AsOf rows:[Row] next:string?"), ("Row", "_status:string _version:integer ...")];

async fn rows(
    State(app): State<App>,
    Path(name): Path<String>,
    query: Result<Query<Vec<(String, String)>>, QueryRejection>,
) -> Result<Response, Problem> {
    let view = find(&app, &name)?.clone();
    let Query(query) = query.map_err(|error| Problem::bad_request(error.body_text()))?;
    let asked = Asked::read(&query, view.schema(), "view")?;
    answer(view, asked, Kind::View).await
}

/// The rows of a reference table: as those of a view, without their standing.
pub(super) async fn of_table(rows: Arc<View>, query: &[(String, String)]) -> Result<Response, Problem> {
    let asked = Asked::read(query, rows.schema(), "table")?;
    answer(rows, asked, Kind::Table).await
}

/// Whose rows are asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    View,
    Table,
}

/// The newest rows: by the last of the view's times that ends something (`window_end`), descending; without one, by key.
pub(super) async fn newest(view: Arc<View>, limit: usize) -> Result<Response, Problem> {
    let is_time = |field: &FieldRef| matches!(field.data_type(), DataType::Timestamp(..));
    let times = || (0..).zip(view.schema().fields()).filter(|(_, field)| is_time(field));
    let end = times().find(|(_, field)| field.name().ends_with("_end")).or_else(|| times().last());
    let order = end.map(|(column, _)| (column, true)).into_iter().collect();
    answer(view, Asked { limit, cursor: None, order, equal: Vec::new() }, Kind::View).await
}

async fn answer(view: Arc<View>, asked: Asked, kind: Kind) -> Result<Response, Problem> {
    match tokio::task::spawn_blocking(move || body(&view, &asked, kind)).await {
        Ok(body) => Ok(([(header::CONTENT_TYPE, "application/json")], body?).into_response()),
        Err(error) => Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())),
    }
}

fn body(view: &View, asked: &Asked, kind: Kind) -> Result<String, Problem> {
    let Page { snapshot, picks, next } = page(view, asked)?;
    let (name, as_of) = (json::text(view.name()), json::object(&AsOf::from(snapshot.as_of)));
    let (word, rows) = match kind {
        Kind::View => ("view", json::rows(&snapshot, picks.into_iter())),
        Kind::Table => ("table", json::bare_rows(&snapshot, picks.into_iter())),
    };
    Ok(format!(r#"{{"{word}":{name},"as_of":{as_of},"rows":{rows},"next":{}}}"#, json::object(&next)))
}

/// What a caller wants to see.
#[derive(Debug, PartialEq, Eq)]
struct Asked {
    limit: usize,
    cursor: Option<String>,
    /// Columns, and whether descending.
    order: Vec<(usize, bool)>,
    /// Columns and the text that they equal.
    equal: Vec<(usize, String)>,
}

impl Asked {
    fn read(query: &[(String, String)], schema: &SchemaRef, what: &str) -> Result<Asked, Problem> {
        let mut asked = Asked { limit: LIMIT, cursor: None, order: Vec::new(), equal: Vec::new() };
        let column = |name: &str| {
            schema.index_of(name).map_err(|_| {
                let known = schema.fields().iter().map(|field| field.name().as_str()).collect::<Vec<_>>().join(", ");
                Problem::bad_request(format!("there is no column '{name}'; the {what} has: {known}"))
            })
        };
        for (name, value) in query {
            match name.as_str() {
                "limit" => asked.limit = limit(value)?,
                "cursor" if value.is_empty() => {}
                "cursor" => asked.cursor = Some(value.clone()),
                "order" => {
                    for name in value.split(',').filter(|name| !name.is_empty()) {
                        let (name, descending) = name.strip_prefix('-').map_or((name, false), |name| (name, true));
                        asked.order.push((column(name)?, descending));
                    }
                }
                name => asked.equal.push((column(name)?, value.clone())),
            }
        }
        Ok(asked)
    }
}

/// A number of rows within what one answer may hold.
pub(super) fn limit(value: &str) -> Result<usize, Problem> {
    let refuse = || Problem::bad_request(format!("limit={value}: write a number of rows, 1 to {LIMIT_MAX}"));
    value.parse().ok().filter(|limit| (1..=LIMIT_MAX).contains(limit)).ok_or_else(refuse)
}

/// Some rows of a snapshot.
struct Page {
    snapshot: Snapshot,
    picks: Vec<usize>,
    next: Option<String>,
}

fn page(view: &View, asked: &Asked) -> Result<Page, Problem> {
    let cursor = asked.cursor.as_deref().map(read_hex).transpose()?;
    if asked.order.is_empty() && asked.equal.is_empty() {
        let mut snapshot = view.page(cursor.as_deref(), asked.limit);
        let next = snapshot.next.take().map(|next| write_hex(&next));
        return Ok(Page { picks: (0..snapshot.batch.num_rows()).collect(), snapshot, next });
    }
    let snapshot = candidates(view, asked)?;
    let (picks, next) = pick(&snapshot.batch, asked, cursor.as_deref())?;
    Ok(Page { snapshot, picks, next: next.map(|next| write_hex(&next)) })
}

/// All rows, or by the index of the first column that has to equal something those that may.
fn candidates(view: &View, asked: &Asked) -> Result<Snapshot, Problem> {
    // `null` may be the text and NULL.
    let Some((column, value)) = asked.equal.iter().find(|(_, value)| value != "null") else {
        return Ok(view.snapshot());
    };
    let field = view.schema().field(*column);
    let wanted = constant(value, field.data_type()).map_err(|error| unlike(field.name(), value, &error))?;
    view.matching(*column, &wanted).map_err(|error| unlike(field.name(), value, &error))
}

/// A column of one value.
fn constant(value: &str, kind: &DataType) -> Result<ArrayRef, ArrowError> {
    let strict = CastOptions { safe: false, ..CastOptions::default() };
    let text: ArrayRef = Arc::new(StringArray::from(vec![value]));
    cast_with_options(&text, kind, &strict)
}

fn unlike(name: &str, value: &str, error: &ArrowError) -> Problem {
    Problem::bad_request(format!("{name}={value}: {error}"))
}

/// The rows that are asked for, in order, and the sort key of the last if there are more.
fn pick(batch: &RecordBatch, asked: &Asked, after: Option<&[u8]>) -> Result<(Vec<usize>, Option<Vec<u8>>), Problem> {
    let mut keep = BooleanBuffer::new_set(batch.num_rows());
    for (column, value) in &asked.equal {
        let name = batch.schema_ref().field(*column).name();
        keep = &keep & &equal(batch.column(*column), name, value)?;
    }
    let kept: Vec<u32> = keep.set_indices().map(|row| row as u32).collect();
    let broken = |error: ArrowError| Problem::bad_request(format!("the view cannot be ordered so: {error}"));
    let kept_rows = arrow_select::take::take_record_batch(batch, &UInt32Array::from(kept.clone())).map_err(broken)?;

    // The order that was asked for, then every column: a total order, up to equal rows.
    let rest = (0..batch.num_columns()).map(|column| (column, false));
    let order: Vec<(usize, bool)> = asked.order.iter().copied().chain(rest).collect();
    let sort = |&(column, descending): &(usize, bool)| {
        let options = SortOptions { descending, nulls_first: !descending };
        SortField::new_with_options(batch.column(column).data_type().clone(), options)
    };
    let converter = RowConverter::new(order.iter().map(sort).collect()).map_err(broken)?;
    let columns: Vec<ArrayRef> = order.iter().map(|&(column, _)| kept_rows.column(column).clone()).collect();
    let keys = converter.convert_columns(&columns).map_err(broken)?;

    let mut rows: Vec<usize> =
        (0..kept.len()).filter(|&row| after.is_none_or(|after| keys.row(row).data() > after)).collect();
    let by_key = |a: &usize, b: &usize| keys.row(*a).cmp(&keys.row(*b)).then(a.cmp(b));
    if rows.len() > asked.limit {
        let (_, &mut last, _) = rows.select_nth_unstable_by(asked.limit - 1, by_key);
        let before = rows.len();
        rows.retain(|&row| keys.row(row) <= keys.row(last));
        rows.sort_unstable_by(by_key);
        let next = (rows.len() < before).then(|| keys.row(last).data().to_vec());
        return Ok((rows.into_iter().map(|row| kept[row] as usize).collect(), next));
    }
    rows.sort_unstable_by(by_key);
    Ok((rows.into_iter().map(|row| kept[row] as usize).collect(), None))
}

/// For which rows the column equals the value.
fn equal(column: &ArrayRef, name: &str, value: &str) -> Result<BooleanBuffer, Problem> {
    let nulls =
        || column.logical_nulls().map_or_else(|| BooleanBuffer::new_unset(column.len()), |nulls| !nulls.inner());
    let is_text = matches!(column.data_type(), DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
    if value == "null" && !is_text {
        return Ok(nulls());
    }
    let refuse = |error: ArrowError| unlike(name, value, &error);
    let wanted = Scalar::new(constant(value, column.data_type()).map_err(refuse)?);
    let equal: BooleanArray = arrow_ord::cmp::eq(column, &wanted).map_err(refuse)?;
    let (values, validity) = equal.into_parts();
    let equal = validity.map_or(values.clone(), |validity| &values & validity.inner());
    Ok(if value == "null" { &equal | &nulls() } else { equal })
}

fn write_hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |out, byte| out + &format!("{byte:02x}"))
}

fn read_hex(text: &str) -> Result<Vec<u8>, Problem> {
    let refuse = || Problem::bad_request(format!("cursor={text}: hand back the 'next' of the page before, as it was"));
    if !text.is_ascii() || !text.len().is_multiple_of(2) {
        return Err(refuse());
    }
    let byte = |at| u8::from_str_radix(&text[at..at + 2], 16).map_err(|_| refuse());
    (0..text.len()).step_by(2).map(byte).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use arrow_array::{Int64Array, TimestampMillisecondArray};

    use super::*;

    fn batch() -> RecordBatch {
        let column = |values: Vec<Option<i64>>| Arc::new(Int64Array::from(values)) as ArrayRef;
        RecordBatch::try_from_iter_with_nullable([
            ("a", column(vec![Some(2), None, Some(1), Some(2), Some(2)]), true),
            ("b", column(vec![Some(5), Some(6), Some(7), Some(4), Some(5)]), true),
            (
                "s",
                Arc::new(StringArray::from(vec![Some("x"), None, Some("null"), Some("y"), Some("x")])) as ArrayRef,
                true,
            ),
            ("t", Arc::new(TimestampMillisecondArray::from(vec![0, 1, 2, 3, 0])) as ArrayRef, true),
        ])
        .unwrap()
    }

    fn asked(query: &[(&str, &str)]) -> Result<Asked, Problem> {
        let query: Vec<_> = query.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Asked::read(&query, &batch().schema(), "view")
    }

    fn picked(query: &[(&str, &str)]) -> Vec<usize> {
        pick(&batch(), &asked(query).unwrap(), None).unwrap().0
    }

    #[test]
    fn filters_compare_by_type() {
        assert_eq!(picked(&[("a", "2"), ("b", "5")]), [0, 4]);
        assert_eq!(picked(&[("a", "null")]), [1]);
        assert_eq!(picked(&[("s", "null")]), [1, 2]);
        assert_eq!(picked(&[("t", "1970-01-01T00:00:00.003Z")]), [3]);
        assert_eq!(picked(&[("t", "1970-01-01 00:00:00.001")]), [1]);
        assert!(pick(&batch(), &asked(&[("a", "two")]).unwrap(), None).is_err());
        assert!(asked(&[("c", "1")]).is_err() && asked(&[("order", "c")]).is_err());
        assert!(asked(&[("limit", "0")]).is_err() && asked(&[("limit", "x")]).is_err());
    }

    #[test]
    fn pages_go_through_every_row_once() {
        assert_eq!(picked(&[("order", "-a,b")]), [3, 0, 4, 2, 1]);
        assert_eq!(picked(&[("order", "b")]), [3, 0, 4, 1, 2]);
        for limit in 1..=6 {
            let (mut cursor, mut seen, mut pages) = (None::<Vec<u8>>, Vec::new(), 0);
            loop {
                let asked = asked(&[("order", "-a,b"), ("limit", &limit.to_string())]).unwrap();
                let (rows, next) = pick(&batch(), &asked, cursor.as_deref()).unwrap();
                assert!(rows.len() >= limit.min(5 - seen.len()) && rows.len() <= limit + 1);
                seen.extend(rows);
                pages += 1;
                match next {
                    Some(next) => cursor = Some(read_hex(&write_hex(&next)).unwrap()),
                    None => break,
                }
            }
            assert_eq!(seen, [3, 0, 4, 2, 1], "limit {limit}");
            assert!(pages <= 5);
        }
        assert!(read_hex("0g").is_err() && read_hex("abc").is_err());
    }
}
