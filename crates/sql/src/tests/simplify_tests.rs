//! What the simplifier makes of an expression is the expression: random typed ones, over rows with NULLs, -0.0, NaN and the
//! ends of the types, evaluated as they are and simplified. It may spare a row a failure, never change a value.
//!
//! What it found: casts that lose something moved across comparisons, -0.0 in long lists and CASE.
//! `HIGHWATER_EXPRESSIONS=20000` tries more.

use std::sync::Arc;

use arrow_array::*;
use arrow_schema::{DataType, Field, Schema, TimeUnit};
use datafusion_common::{DFSchema, ScalarValue};
use datafusion_expr::Expr;
use datafusion_expr::planner::ContextProvider;
use datafusion_sql::planner::SqlToRel;

use crate::Catalog;
use crate::logical::scalar::physical;
use crate::logical::typed::{coerced, typed};
use crate::logical::veiled::show;
use crate::parse::token::statements;
use crate::query::context::Context;
use crate::query::{parse_expr, parser_options};

/// splitmix64.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % bound as u64) as usize
    }

    fn pick<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len())]
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Truth,
    Int,
    Decimal,
    Float,
    Text,
    Time,
    Day,
}

const VALUES: [Kind; 6] = [Kind::Int, Kind::Decimal, Kind::Float, Kind::Text, Kind::Time, Kind::Day];

/// A random expression of a kind, as SQL.
fn expression(r: &mut Random, kind: Kind, depth: usize) -> String {
    if depth == 0 || r.below(5) == 0 {
        return leaf(r, kind);
    }
    let d = depth - 1;
    if r.below(8) == 0 {
        let (a, b) = (expression(r, kind, d), expression(r, kind, d));
        return match r.below(4) {
            0 => format!("CASE WHEN {} THEN {a} ELSE {b} END", expression(r, Kind::Truth, d)),
            1 => format!("COALESCE({a}, {b})"),
            2 if kind != Kind::Truth => format!("NULLIF({a}, {b})"),
            2 => format!("CASE WHEN {a} THEN {b} END"),
            _ => {
                let of = VALUES[r.below(3)];
                let (base, w, x) = (expression(r, of, d), leaf(r, of), leaf(r, of));
                format!("CASE {base} WHEN {w} THEN {a} WHEN {x} THEN {b} END")
            }
        };
    }
    match kind {
        Kind::Truth => truth(r, d),
        Kind::Int => match r.below(7) {
            0 => format!("CAST({} AS INT)", value(r, d)),
            1 => format!("CAST({} AS BIGINT)", value(r, d)),
            2 => format!("CAST({} AS SMALLINT)", expression(r, Kind::Int, d)),
            3 => format!("TRY_CAST({} AS INT)", value(r, d)),
            4 => format!("(- {})", leaf(r, Kind::Int)),
            _ => {
                let op = r.pick(&["+", "-", "*", "/", "%", "&", "|"]);
                format!("({} {op} {})", expression(r, Kind::Int, d), expression(r, Kind::Int, d))
            }
        },
        Kind::Decimal => match r.below(4) {
            0 => format!("({} {} {})", leaf(r, Kind::Decimal), r.pick(&["+", "-", "*"]), leaf(r, Kind::Decimal)),
            _ => {
                let of = [Kind::Decimal, Kind::Int, Kind::Float][r.below(3)];
                let to = r.pick(&["DECIMAL(10, 2)", "DECIMAL(12, 4)", "DECIMAL(5, 0)", "DECIMAL(20, 6)"]);
                format!("CAST({} AS {to})", expression(r, of, d))
            }
        },
        Kind::Float => match r.below(3) {
            0 => format!("CAST({} AS DOUBLE)", value(r, d)),
            _ => {
                let op = r.pick(&["+", "-", "*", "/"]);
                format!("({} {op} {})", expression(r, Kind::Float, d), expression(r, Kind::Float, d))
            }
        },
        Kind::Text => match r.below(3) {
            0 => format!("CAST({} AS VARCHAR)", one_of(r, &[Kind::Int, Kind::Day, Kind::Decimal], d)),
            1 => format!("UPPER({})", expression(r, Kind::Text, d)),
            _ => format!("({} || {})", expression(r, Kind::Text, d), expression(r, Kind::Text, d)),
        },
        Kind::Time => format!("CAST({} AS TIMESTAMP(3))", one_of(r, &[Kind::Day, Kind::Time], d)),
        Kind::Day => format!("CAST({} AS DATE)", one_of(r, &[Kind::Day, Kind::Time], d)),
    }
}

fn value(r: &mut Random, depth: usize) -> String {
    one_of(r, &[Kind::Int, Kind::Decimal, Kind::Float, Kind::Text], depth)
}

fn one_of(r: &mut Random, kinds: &[Kind], depth: usize) -> String {
    let kind = kinds[r.below(kinds.len())];
    expression(r, kind, depth)
}

fn truth(r: &mut Random, d: usize) -> String {
    let kind = VALUES[r.below(VALUES.len())];
    let some = |r: &mut Random, many: usize| (0..many).map(|_| leaf(r, kind)).collect::<Vec<_>>().join(", ");
    match r.below(9) {
        0 => format!("({} AND {})", expression(r, Kind::Truth, d), expression(r, Kind::Truth, d)),
        1 => format!("({} OR {})", expression(r, Kind::Truth, d), expression(r, Kind::Truth, d)),
        2 => format!("(NOT {})", expression(r, Kind::Truth, d)),
        3 => format!("({} IS {}NULL)", expression(r, kind, d), r.pick(&["", "NOT "])),
        4 => {
            let many = 1 + r.below(6);
            format!("({} {}IN ({}))", expression(r, kind, d), r.pick(&["", "NOT "]), some(r, many))
        }
        5 => {
            let (low, high) = (leaf(r, kind), leaf(r, kind));
            format!("({} {}BETWEEN {low} AND {high})", expression(r, kind, d), r.pick(&["", "NOT "]))
        }
        6 => {
            // Two comparisons of one value, which rules put together.
            let (one, a, b) = (expression(r, kind, d), leaf(r, kind), leaf(r, kind));
            let (x, y) = (r.pick(&["=", "<>", "<", ">="]), r.pick(&["=", "<>", ">", "<="]));
            format!("(({one} {x} {a}) {} ({one} {y} {b}))", r.pick(&["AND", "OR"]))
        }
        _ => {
            let other = if kind == Kind::Decimal && r.below(3) == 0 { Kind::Float } else { kind };
            let right = if r.below(2) == 0 { leaf(r, other) } else { expression(r, other, d) };
            format!("({} {} {right})", expression(r, kind, d), r.pick(&["=", "<>", "<", "<=", ">", ">="]))
        }
    }
}

fn leaf(r: &mut Random, kind: Kind) -> String {
    let of: &[&str] = match kind {
        Kind::Truth => &["t", "t", "true", "false", "CAST(NULL AS BOOLEAN)"],
        Kind::Int => &["i", "b", "i", "b", "0", "1", "-1", "2", "7", "3000000000", "CAST(NULL AS BIGINT)"],
        Kind::Decimal => &["d", "e", "d", "1.23", "0.5", "2", "1.2345", "CAST('12.30' AS DECIMAL(10, 4))"],
        Kind::Float => &["f", "f", "CAST(0 AS DOUBLE)", "CAST('-0' AS DOUBLE)", "CAST(1.5 AS DOUBLE)", "1e15", "1e300"],
        Kind::Text => &["s", "s", "'5'", "'abc'", "''", "'05'"],
        Kind::Time => &["ts", "ts", "TIMESTAMP '1970-01-02 00:00:00'", "TIMESTAMP '2024-02-29 10:00:00.001'"],
        Kind::Day => &["dt", "dt", "DATE '1970-01-02'", "DATE '2024-02-29'"],
    };
    r.pick(of).to_owned()
}

fn rows(r: &mut Random, many: usize) -> RecordBatch {
    fn some<T: Copy>(r: &mut Random, many: usize, of: &[T]) -> Vec<Option<T>> {
        (0..many).map(|_| (r.below(6) > 0).then(|| of[r.below(of.len())])).collect()
    }
    let decimal = |values: Vec<Option<i128>>, p, s| {
        Arc::new(Decimal128Array::from(values).with_precision_and_scale(p, s).unwrap()) as ArrayRef
    };
    let day = 86_400_000;
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("i", Arc::new(Int32Array::from(some(r, many, &[0, 1, -1, 2, 7, i32::MIN, i32::MAX])))),
        ("b", Arc::new(Int64Array::from(some(r, many, &[0, 1, -1, 5, 3_000_000_000, i64::MIN, i64::MAX])))),
        ("d", decimal(some(r, many, &[12_345, 12_300, 12_349, -5_000, 0, 9_999_999_999, 15_000]), 10, 4)),
        ("e", decimal(some(r, many, &[123, 50, -100, 200, 999_999]), 6, 2)),
        (
            "f",
            Arc::new(Float64Array::from(some(r, many, &[0.0, -0.0, 1.5, f64::NAN, f64::INFINITY, 1e15, 2e18, -2.5]))),
        ),
        ("s", Arc::new(StringArray::from(some(r, many, &["5", "05", "abc", "", "-1", "ABC"])))),
        ("t", Arc::new(BooleanArray::from(some(r, many, &[true, false])))),
        ("ts", Arc::new(TimestampMillisecondArray::from(some(r, many, &[0, day, day + 1, -1, 1_709_200_800_001])))),
        ("dt", Arc::new(Date32Array::from(some(r, many, &[0, 1, -1, 19_782])))),
    ];
    let types = [
        DataType::Int32,
        DataType::Int64,
        DataType::Decimal128(10, 4),
        DataType::Decimal128(6, 2),
        DataType::Float64,
        DataType::Utf8,
        DataType::Boolean,
        DataType::Timestamp(TimeUnit::Millisecond, None),
        DataType::Date32,
    ];
    let fields = columns.iter().zip(types).map(|((name, _), data_type)| Field::new(*name, data_type, true));
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    RecordBatch::try_new(schema, columns.into_iter().map(|(_, column)| column).collect()).unwrap()
}

/// The value on one row; `None` if it fails.
fn evaluate(expr: &Expr, schema: &DFSchema, row: &RecordBatch) -> Option<ScalarValue> {
    let value = physical(expr, schema).unwrap().evaluate(row).ok()?.into_array(1).ok()?;
    Some(match ScalarValue::try_from_array(&value, 0).unwrap() {
        ScalarValue::Float64(Some(value)) if value.is_nan() => ScalarValue::Float64(Some(f64::NAN)),
        ScalarValue::Float64(Some(value)) => ScalarValue::Float64(Some(value + 0.0)),
        other => other,
    })
}

/// The expression as it is, and simplified; `None` if it is refused.
fn both(sql: &str, context: &Context, schema: &DFSchema) -> Option<(Expr, Expr)> {
    let parsed = parse_expr(&statements(sql).ok()?.remove(0), context.callable()).ok()?;
    let planner = SqlToRel::new_with_options(context, parser_options());
    let expr = planner.sql_to_expr(parsed, schema, &mut Default::default()).ok()?;
    let plain = show(coerced(expr.clone(), schema, context.options()).ok()?, schema).ok()?.data;
    Some((plain, typed(expr, schema, context.options()).ok()?))
}

#[test]
fn the_simplifier_changes_no_value() {
    let many = std::env::var("HIGHWATER_EXPRESSIONS").ok().and_then(|many| many.parse().ok()).unwrap_or(1500);
    let (context, mut r) = (Context::new(&Catalog::new()), Random(7));
    let batch = rows(&mut r, 24);
    let schema = DFSchema::try_from(batch.schema()).unwrap();
    let (mut taken, mut wrong) = (0, Vec::new());
    for _ in 0..many {
        let kind = if r.below(3) > 0 { Kind::Truth } else { VALUES[r.below(VALUES.len())] };
        let sql = expression(&mut r, kind, 3);
        let Some((plain, simple)) = both(&sql, &context, &schema) else { continue };
        taken += 1;
        for row in 0..batch.num_rows() {
            let row = batch.slice(row, 1);
            let Some(expected) = evaluate(&plain, &schema, &row) else { continue };
            let found = evaluate(&simple, &schema, &row);
            if found.as_ref() != Some(&expected) {
                let row = highwater_core::format::show_row(&row, 0);
                wrong.push(format!("{sql}\n  simplified {simple}\n  on {row}\n  is {found:?}, right is {expected:?}"));
                break;
            }
        }
    }
    assert!(taken * 10 > many * 7, "{taken} of {many} expressions are taken");
    assert!(wrong.is_empty(), "{} of {taken} are changed:\n{}", wrong.len(), wrong[..wrong.len().min(12)].join("\n"));
}

/// Expressions and rows with the values that are right.
#[test]
fn casts_lists_and_operators_mean_what_they_say() {
    let context = Context::new(&Catalog::new());
    let batch = rows(&mut Random(1), 0);
    let schema = DFSchema::try_from(batch.schema()).unwrap();
    let null = |column: usize| new_null_array(batch.column(column).data_type(), 1);
    let decimal = |value: i128, p, s| {
        Arc::new(Decimal128Array::from(vec![value]).with_precision_and_scale(p, s).unwrap()) as ArrayRef
    };
    let with = |place: usize, column: ArrayRef| {
        let mut columns: Vec<ArrayRef> = (0..batch.num_columns()).map(null).collect();
        columns[place] = column;
        RecordBatch::try_new(batch.schema(), columns).unwrap()
    };
    let (d, g) = (with(2, decimal(12_345, 10, 4)), with(1, Arc::new(Int64Array::from(vec![3_000_000_000]))));
    let zero = with(4, Arc::new(Float64Array::from(vec![-0.0])));
    for (sql, row, expected) in [
        ("CAST(d AS DECIMAL(10, 2)) = 1.23", &d, Some(Some(true))),
        ("CAST(d AS DECIMAL(10, 2)) <> 1.23", &d, Some(Some(false))),
        ("CAST(d AS DECIMAL(10, 2)) < 1.231", &d, Some(Some(true))),
        ("CAST(d AS DECIMAL(10, 2)) IN (1.23, 5.00)", &d, Some(Some(true))),
        ("CAST(d AS DECIMAL(10, 2)) IN (1.23, 2.00, 3.00, 4.00, 5.00)", &d, Some(Some(true))),
        ("CAST(d AS DECIMAL(10, 2)) BETWEEN 1.23 AND 1.23", &d, Some(Some(true))),
        ("CAST(d AS INT) = 1", &d, Some(Some(true))),
        ("CAST(d AS INT) >= 1.2", &d, Some(Some(false))),
        ("CASE CAST(d AS INT) WHEN 1 THEN true ELSE false END", &d, Some(Some(true))),
        ("CAST(b AS INT) = 5", &g, None),
        ("TRY(CAST(b AS INT)) IS NULL", &g, Some(Some(true))),
        ("TRY(10 / (b - 3000000000)) IS NULL", &g, Some(Some(true))),
        ("TRY(b + 1) = 3000000001", &g, Some(Some(true))),
        ("f IN (CAST(0 AS DOUBLE), 1e0, 2e0, 3e0, 4e0, 5e0)", &zero, Some(Some(true))),
        ("f NOT IN (CAST(0 AS DOUBLE), 1e0, 2e0, 3e0, 4e0, 5e0)", &zero, Some(Some(false))),
        ("CASE f WHEN CAST(0 AS DOUBLE) THEN true ELSE false END", &zero, Some(Some(true))),
        ("NULLIF(f, CAST(0 AS DOUBLE)) IS NULL", &zero, Some(Some(true))),
        ("e < CAST(1 AS DOUBLE)", &with(3, decimal(50, 6, 2)), Some(Some(true))),
        ("d < 1e15", &d, Some(Some(true))),
        ("d IN (1e300, 1.2345)", &d, Some(Some(true))),
    ] {
        let (_, simple) = both(sql, &context, &schema).unwrap_or_else(|| panic!("{sql} is refused"));
        let found = evaluate(&simple, &schema, row);
        assert_eq!(found, expected.map(ScalarValue::Boolean), "{sql}, simplified {simple}");
    }
}
