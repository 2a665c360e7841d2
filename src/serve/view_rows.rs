//! `GET /api/v1/views/{view}/rows`: the rows of a view at one epoch.
//!
//! `limit` (default 1000), `cursor` (the `next` of the page before), `order=-a,b` (descending a, then b; without it the
//! view's key), `search=word` ([`search`]), `numbers=exact` ([`json`]), and any `COLUMN=value`: rows equal to it, `null` for NULL. `where.COLUMN=value`
//! is the same for a column of any name, also `limit`.
//!
//! Pages go by the rows' keys, so they stay right while the view changes: a row that stays is neither left out nor shown
//! twice, whatever else of it changes. In an order of the caller's, in which a change may move a row, all pages are of the
//! epoch of the first, which `as_of` says, as long as the view remembers it; then they go on as of now. Rows of a view
//! without a key that are equal in every column come on one page, which may therefore be a little longer than asked for.
//!
//! Cost: by key, the page; with a filter, the rows that the first of its columns finds (by an index, made when the column is
//! first asked for); by another order, or for NULL, a pass over the view.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, BooleanArray, RecordBatch, Scalar, UInt32Array};
use arrow_buffer::BooleanBuffer;
use arrow_row::{RowConverter, SortField};
use arrow_schema::{ArrowError, DataType, Field, FieldRef, SchemaRef, SortOptions};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::App;
use super::as_of::AsOf;
use super::asked;
use super::cursor::{Cursor, check};
use super::json::{self, NUMBERS, numbers};
use super::problem::Problem;
use super::route::{Answer, Parameter, Route, Shape, query};
use super::search;
use super::views::find;
use highwater_core::delta::canonical;
use highwater_core::format::{Constant, Numbers, constant};
use highwater_core::plan::sql_type;
use highwater_core::time::Zone;
use highwater_core::view::{Snapshot, View};

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
    query(
        "order",
        "string",
        "Columns with commas between, `-` before one that descends; one whose name has a comma stands alone, and `order` may stand several times",
    ),
    query(
        "search",
        "string",
        "Rows with this in any text, whole number or boolean, whatever its case; may stand several times",
    ),
    NUMBERS,
    query("where.", "string", "Rows equal to this in the column named behind the point; `null` for NULL"),
    query("", "string", "The same, for a column with another name than the parameters here"),
];

/// What it returns; a row has the columns of the view besides.
pub(super) const SHAPES: &[Shape] = &[
    ("Rows", "view:string as_of:AsOf rows:[Row] next:string? total:integer"),
    ("Row", "_status:string _version:integer ..."),
];

async fn rows(
    State(app): State<App>,
    Path(name): Path<String>,
    query: Result<Query<Vec<(String, String)>>, QueryRejection>,
) -> Result<Response, Problem> {
    let view = find(&app, &name)?.clone();
    let Query(query) = query.map_err(|error| asked::refused(&error))?;
    let asked = Asked::read(&query, view.schema(), "view")?.in_zone(&app);
    answer(&app, view, asked, Kind::View).await
}

/// The rows of a reference table: as those of a view, without their standing.
pub(super) async fn of_table(app: &App, rows: Arc<View>, query: &[(String, String)]) -> Result<Response, Problem> {
    let asked = Asked::read(query, rows.schema(), "table")?.in_zone(app);
    answer(app, rows, asked, Kind::Table).await
}

/// Whose rows are asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    View,
    Table,
}

/// The newest rows: by the last of the view's times that ends something (`window_end`), descending; without one, by key.
pub(super) async fn newest(app: &App, view: Arc<View>, limit: usize) -> Result<Response, Problem> {
    let is_time = |field: &FieldRef| matches!(field.data_type(), DataType::Timestamp(..));
    let times = || (0..).zip(view.schema().fields()).filter(|(_, field)| is_time(field));
    let end = times().find(|(_, field)| field.name().ends_with("_end")).or_else(|| times().last());
    let order = end.map(|(column, _)| (column, true)).into_iter().collect();
    answer(app, view, Asked { limit, order, ..Asked::default() }, Kind::View).await
}

async fn answer(app: &App, view: Arc<View>, asked: Asked, kind: Kind) -> Result<Response, Problem> {
    let body = app.lanes.encoding.run(|| body(&view, &asked, kind)).await?;
    Ok(([(header::CONTENT_TYPE, "application/json")], body).into_response())
}

fn body(view: &View, asked: &Asked, kind: Kind) -> Result<String, Problem> {
    let Page { snapshot, picks, next, total } = page(view, asked)?;
    let (name, as_of) = (json::text(view.name()), json::object(&AsOf::from(snapshot.as_of)));
    let (word, rows) = match kind {
        Kind::View => ("view", json::rows(&snapshot, picks.into_iter(), asked.numbers)),
        Kind::Table => ("table", json::bare_rows(&snapshot, picks.into_iter(), asked.numbers)),
    };
    Ok(format!(r#"{{"{word}":{name},"as_of":{as_of},"rows":{rows},"next":{},"total":{total}}}"#, json::object(&next)))
}

/// What a caller wants to see.
#[derive(Debug, Default, PartialEq, Eq)]
struct Asked {
    limit: usize,
    cursor: Option<String>,
    /// Columns, and whether descending.
    order: Vec<(usize, bool)>,
    /// Columns and the text that they equal.
    equal: Vec<(usize, String)>,
    /// What stands in some column, in lower case.
    search: Vec<String>,
    numbers: Numbers,
    /// The program's zone, whose clocks show instants that are written without an offset.
    zone: Zone,
}

/// Before the name of a column that rows are chosen by.
const WHERE: &str = "where.";

impl Asked {
    fn in_zone(self, app: &App) -> Asked {
        Asked { zone: app.engine.dataflow().zone, ..self }
    }

    fn read(query: &[(String, String)], schema: &SchemaRef, what: &str) -> Result<Asked, Problem> {
        let mut asked = Asked { limit: LIMIT, ..Asked::default() };
        let column = |name: &str| {
            schema.index_of(name).map_err(|_| {
                let known = schema.fields().iter().map(|field| field.name().as_str()).collect::<Vec<_>>().join(", ");
                Problem::bad_request(format!("there is no column '{name}'; the {what} has: {known}"))
            })
        };
        for (name, value) in query {
            let read = match name.as_str() {
                "limit" => limit(value).map(|limit| asked.limit = limit),
                "cursor" if value.is_empty() => Ok(()),
                "cursor" => {
                    asked.cursor = Some(value.clone());
                    Ok(())
                }
                "search" => {
                    asked.search.extend(value.split_whitespace().map(str::to_lowercase));
                    Ok(())
                }
                "numbers" => numbers(value).map(|numbers| asked.numbers = numbers),
                "order" => {
                    // A name may have commas in it, or begin with `-`.
                    let one = |text: &str| match (schema.index_of(text), text.strip_prefix('-')) {
                        (Err(_), Some(name)) => column(name).map(|column| (column, true)),
                        _ => column(text).map(|column| (column, false)),
                    };
                    match one(value) {
                        Ok(only) => {
                            asked.order.push(only);
                            Ok(())
                        }
                        Err(_) => value.split(',').filter(|name| !name.is_empty()).try_for_each(|name| {
                            asked.order.push(one(name)?);
                            Ok(())
                        }),
                    }
                }
                name => column(name.strip_prefix(WHERE).unwrap_or(name))
                    .map(|column| asked.equal.push((column, value.clone()))),
            };
            // The word may have been meant as the column's name.
            read.map_err(|problem| match schema.index_of(name) {
                Ok(_) => problem.and(&format!("; rows are chosen by the column '{name}' with {WHERE}{name}={value}")),
                Err(_) => problem,
            })?;
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
    /// How many rows are asked for, on all pages together.
    total: usize,
}

fn page(view: &View, asked: &Asked) -> Result<Page, Problem> {
    let check = check(&(view.name(), &asked.order, &asked.equal, &asked.search));
    let ordered = !asked.order.is_empty();
    let cursor = asked.cursor.as_deref().map(|text| Cursor::read(text, check, ordered)).transpose()?;
    let next = |epoch, place: Option<Vec<u8>>| place.map(|place| Cursor { epoch, place }.write(check));
    if asked.order.is_empty() && asked.equal.is_empty() && asked.search.is_empty() {
        let mut snapshot = view.page(cursor.as_ref().map(|cursor| cursor.place.as_slice()), asked.limit);
        let next = next(None, snapshot.next.take());
        let picks = (0..snapshot.batch.num_rows()).collect();
        return Ok(Page { picks, snapshot, next, total: view.row_count() });
    }
    let before = cursor.as_ref().and_then(|cursor| view.snapshot_at(cursor.epoch?));
    let snapshot = before.map_or_else(|| candidates(view, asked), Ok)?;
    let key = view.spec().key.as_deref();
    let after = cursor.as_ref().map(|cursor| cursor.place.as_slice());
    let (picks, place, total) = pick(&snapshot.batch, key, asked, after)?;
    let epoch = ordered.then_some(snapshot.as_of);
    Ok(Page { picks, snapshot, next: next(epoch, place), total })
}

/// All rows, or by the index of the first column that has to equal something those that may.
fn candidates(view: &View, asked: &Asked) -> Result<Snapshot, Problem> {
    // `null` may be the text and NULL.
    let Some((column, value)) = asked.equal.iter().find(|(_, value)| value != "null") else {
        return Ok(view.snapshot());
    };
    let field = view.schema().field(*column);
    match wanted(field, value, asked.zone)? {
        Some(wanted) => view.matching(*column, &wanted).map_err(|error| broken(&error)),
        // Nothing is equal to it: any row will do, for none is taken.
        None => Ok(view.page(None, 1)),
    }
}

/// The value of the column's type that a text means in the program's zone; `None` if it is a number that no such value equals.
fn wanted(field: &Field, value: &str, zone: Zone) -> Result<Option<ArrayRef>, Problem> {
    let (name, kind) = (field.name(), sql_type(field.data_type()));
    match constant(field.data_type(), value, zone) {
        Some(Constant::Value(value)) => Ok(Some(value)),
        Some(Constant::Nothing) => Ok(None),
        None if field.data_type().is_nested() => {
            let detail = format!("{name}={value}: '{name}' is {kind}; rows are chosen by columns of single values");
            Err(Problem::bad_request(detail))
        }
        None => Err(Problem::bad_request(format!("{name}={value}: '{value}' is no {kind}"))),
    }
}

fn broken(error: &ArrowError) -> Problem {
    Problem::bad_request(format!("the rows cannot be ordered so: {error}"))
}

/// See [`pick`].
type Picked = (Vec<usize>, Option<Vec<u8>>, usize);

/// The rows that are asked for, in order, the place of the last if there are more, and how many there are on all pages.
fn pick(batch: &RecordBatch, key: Option<&[usize]>, asked: &Asked, after: Option<&[u8]>) -> Result<Picked, Problem> {
    let mut keep = BooleanBuffer::new_set(batch.num_rows());
    for (column, value) in &asked.equal {
        let field = batch.schema_ref().field(*column);
        keep = &keep & &equal(batch.column(*column), field, value, asked.zone)?;
    }
    let held = search::holding(batch, &asked.search);
    keep = &keep & &held.map_err(|error| broken(&error))?;
    let kept: Vec<u32> = keep.set_indices().map(|row| row as u32).collect();
    let kept_rows = arrow_select::take::take_record_batch(batch, &UInt32Array::from(kept.clone()));
    let kept_rows = kept_rows.map_err(|error| broken(&error))?;

    // The order that was asked for, then what tells rows apart: a total order, up to equal rows.
    let all: Vec<usize> = (0..batch.num_columns()).collect();
    let rest = key.unwrap_or(&all).iter().map(|&column| (column, false));
    let order: Vec<(usize, bool)> = asked.order.iter().copied().chain(rest).collect();
    let sort = |&(column, descending): &(usize, bool)| {
        let options = SortOptions { descending, nulls_first: !descending };
        SortField::new_with_options(batch.column(column).data_type().clone(), options)
    };
    let converter = RowConverter::new(order.iter().map(sort).collect()).map_err(|error| broken(&error))?;
    let columns: Vec<ArrayRef> = order.iter().map(|&(column, _)| kept_rows.column(column).clone()).collect();
    let keys = converter.convert_columns(&columns).map_err(|error| broken(&error))?;

    let mut rows: Vec<usize> =
        (0..kept.len()).filter(|&row| after.is_none_or(|after| keys.row(row).data() > after)).collect();
    let by_key = |a: &usize, b: &usize| keys.row(*a).cmp(&keys.row(*b)).then(a.cmp(b));
    if rows.len() > asked.limit {
        let (_, &mut last, _) = rows.select_nth_unstable_by(asked.limit - 1, by_key);
        let before = rows.len();
        rows.retain(|&row| keys.row(row) <= keys.row(last));
        rows.sort_unstable_by(by_key);
        let next = (rows.len() < before).then(|| keys.row(last).data().to_vec());
        return Ok((rows.into_iter().map(|row| kept[row] as usize).collect(), next, kept.len()));
    }
    rows.sort_unstable_by(by_key);
    Ok((rows.into_iter().map(|row| kept[row] as usize).collect(), None, kept.len()))
}

/// For which rows the column equals the value: as SQL has it, `-0.0` is `0.0`, and here NaN is NaN.
fn equal(column: &ArrayRef, field: &Field, value: &str, zone: Zone) -> Result<BooleanBuffer, Problem> {
    let none = || BooleanBuffer::new_unset(column.len());
    let nulls = || column.logical_nulls().map_or_else(none, |nulls| !nulls.inner());
    let is_text = matches!(column.data_type(), DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
    if value == "null" && !is_text {
        return Ok(nulls());
    }
    let Some(wanted) = wanted(field, value, zone)? else { return Ok(none()) };
    let equal: BooleanArray =
        arrow_ord::cmp::eq(&canonical(column), &Scalar::new(canonical(&wanted))).map_err(|error| broken(&error))?;
    let (values, validity) = equal.into_parts();
    let equal = validity.map_or(values.clone(), |validity| &values & validity.inner());
    Ok(if value == "null" { &equal | &nulls() } else { equal })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use arrow_array::{Float64Array, Int64Array, StringArray, TimestampMillisecondArray};

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
            ("x", Arc::new(Float64Array::from(vec![0.0, -0.0, f64::NAN, -f64::NAN, f64::INFINITY])) as ArrayRef, true),
            ("order", column(vec![Some(1), Some(2), None, Some(1), Some(3)]), true),
        ])
        .unwrap()
    }

    fn asked(query: &[(&str, &str)]) -> Result<Asked, Problem> {
        let query: Vec<_> = query.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Asked::read(&query, &batch().schema(), "view")
    }

    #[test]
    fn an_order_names_any_column() {
        let fields = ["a", "b", "a,b", "-a", "c, d"].map(|name| Field::new(name, DataType::Int64, true));
        let schema: SchemaRef = Arc::new(arrow_schema::Schema::new(fields.to_vec()));
        let order = |values: &[&str]| {
            let query: Vec<_> = values.iter().map(|value| ("order".to_owned(), (*value).to_owned())).collect();
            Asked::read(&query, &schema, "view").map(|asked| asked.order).map_err(|problem| format!("{problem:?}"))
        };
        assert_eq!(order(&["a,b"]), Ok(vec![(2, false)]));
        assert_eq!(order(&["-a,b"]), Ok(vec![(2, true)]));
        assert_eq!(order(&["b,a"]), Ok(vec![(1, false), (0, false)]));
        assert_eq!(order(&["-c, d", "-b,a"]), Ok(vec![(4, true), (1, true), (0, false)]));
        assert_eq!(order(&["-a", "--a"]), Ok(vec![(3, false), (3, true)]));
        assert!(order(&["b,nope"]).unwrap_err().contains("there is no column 'nope'"));
    }

    fn picked(query: &[(&str, &str)]) -> Vec<usize> {
        pick(&batch(), None, &asked(query).unwrap(), None).unwrap().0
    }

    #[test]
    fn filters_compare_by_type() {
        assert_eq!(picked(&[("a", "2"), ("b", "5")]), [0, 4]);
        assert_eq!(picked(&[("a", "null")]), [1]);
        assert_eq!(picked(&[("s", "null")]), [1, 2]);
        assert_eq!(picked(&[("t", "1970-01-01T00:00:00.003Z")]), [3]);
        assert_eq!(picked(&[("t", "1970-01-01 00:00:00.001")]), [1]);
        assert!(pick(&batch(), None, &asked(&[("a", "two")]).unwrap(), None).is_err());
        assert_eq!(picked(&[("a", "2.5")]), [] as [usize; 0]);
        assert!(asked(&[("c", "1")]).is_err() && asked(&[("order", "c")]).is_err());
        assert!(asked(&[("limit", "0")]).is_err() && asked(&[("limit", "x")]).is_err());
    }

    #[test]
    fn zeros_are_equal_and_so_are_nans() {
        for zero in ["0", "-0.0", "0e5"] {
            assert_eq!(picked(&[("x", zero)]), [1, 0], "{zero}");
        }
        assert_eq!((picked(&[("x", "NaN")]), picked(&[("x", "Infinity")])), (vec![2, 3], vec![4]));
    }

    #[test]
    fn a_column_of_any_name_chooses_rows() {
        assert_eq!(picked(&[("where.order", "1"), ("where.b", "4"), ("order", "-order")]), [3]);
        let refused = asked(&[("order", "1")]).unwrap_err();
        assert!(format!("{refused:?}").contains("where.order=1"), "{refused:?}");
    }

    #[test]
    fn pages_go_through_every_row_once() {
        assert_eq!(picked(&[("order", "-a,b")]), [3, 0, 4, 2, 1]);
        assert_eq!(picked(&[("order", "b")]), [3, 0, 4, 1, 2]);
        for limit in 1..=6 {
            let (mut cursor, mut seen, mut pages) = (None::<Vec<u8>>, Vec::new(), 0);
            loop {
                let asked = asked(&[("order", "-a,b"), ("limit", &limit.to_string())]).unwrap();
                let (rows, next, total) = pick(&batch(), None, &asked, cursor.as_deref()).unwrap();
                assert!(rows.len() >= limit.min(5 - seen.len()) && rows.len() <= limit + 1);
                assert_eq!(total, 5, "on all pages together");
                seen.extend(rows);
                pages += 1;
                match next {
                    Some(next) => cursor = Some(next),
                    None => break,
                }
            }
            assert_eq!(seen, [3, 0, 4, 2, 1], "limit {limit}");
            assert!(pages <= 5);
        }
    }
}
