//! What an aggregate of a list of rows is, computed naively from the list: what the laws compare with.

#![allow(clippy::unwrap_used)]

use std::cmp::Ordering;

use arrow_schema::{DataType, SortOptions};
use datafusion_common::ScalarValue;

use super::Call;

/// A row: its arguments and its order columns.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) args: Vec<ScalarValue>,
    pub(super) order: Vec<ScalarValue>,
}

/// A result, as far as the oracle can tell.
#[derive(Debug)]
pub(super) enum Expected {
    Exactly(ScalarValue),
    /// A DOUBLE within a relative or absolute error.
    Near(f64, f64),
    /// A list.
    Values(Vec<ScalarValue>),
    /// The oracle's own arithmetic is not exact enough.
    Unknown,
}

/// One NaN, one zero.
fn canonical(value: &ScalarValue) -> ScalarValue {
    match value {
        ScalarValue::Float64(Some(x)) => ScalarValue::Float64(Some(if x.is_nan() { f64::NAN } else { x + 0.0 })),
        ScalarValue::Float32(Some(x)) => ScalarValue::Float32(Some(if x.is_nan() { f32::NAN } else { x + 0.0 })),
        other => other.clone(),
    }
}

fn compare(left: &ScalarValue, right: &ScalarValue) -> Ordering {
    match (left, right) {
        (ScalarValue::Float64(Some(x)), ScalarValue::Float64(Some(y))) => x.total_cmp(y),
        (ScalarValue::Float32(Some(x)), ScalarValue::Float32(Some(y))) => x.total_cmp(y),
        (x, y) => x.partial_cmp(y).unwrap(),
    }
}

fn ordered(mut rows: Vec<Row>, options: &[(DataType, SortOptions)]) -> Vec<Row> {
    rows.sort_by(|left, right| {
        let mut order = Ordering::Equal;
        for (at, (_, options)) in options.iter().enumerate() {
            let columns = left.order[at].partial_cmp(&right.order[at]).unwrap();
            order = order.then(if options.descending { columns.reverse() } else { columns });
        }
        order.then_with(|| compare(&left.args[0], &right.args[0]))
    });
    rows
}

fn double(value: &ScalarValue) -> f64 {
    match value.cast_to(&DataType::Float64).unwrap() {
        ScalarValue::Float64(Some(value)) => value,
        other => panic!("{other} is no number"),
    }
}

fn distinct(rows: Vec<Row>) -> Vec<Row> {
    let mut kept: Vec<Row> = Vec::new();
    for row in rows {
        let same = |other: &Row| other.args.iter().zip(&row.args).all(|(x, y)| compare(x, y).is_eq());
        if !kept.iter().any(same) {
            kept.push(row);
        }
    }
    kept
}

/// The result of `function` over `rows`.
pub(super) fn expected(function: &str, call: &Call, rows: &[Row]) -> Expected {
    let mut rows: Vec<Row> = rows.iter().filter(|row| !row.args.iter().any(ScalarValue::is_null)).cloned().collect();
    rows.iter_mut().flat_map(|row| &mut row.args).for_each(|value| *value = canonical(value));
    if matches!(function, "FIRST_VALUE" | "LAST_VALUE" | "ARRAY_AGG" | "STRING_AGG") {
        rows = ordered(rows, &call.order);
    }
    if (call.distinct && !matches!(function, "FIRST_VALUE" | "LAST_VALUE")) || function == "APPROX_COUNT_DISTINCT" {
        rows = distinct(rows);
    }
    let null = Expected::Exactly(ScalarValue::try_from(&call.output).unwrap());
    let count = rows.len();
    match function {
        "COUNT" => return Expected::Exactly(ScalarValue::Int64(Some(count as i64))),
        "APPROX_COUNT_DISTINCT" => return Expected::Near(count as f64, 0.03),
        _ if rows.is_empty() => return null,
        _ => {}
    }
    let values: Vec<ScalarValue> = rows.into_iter().map(|row| row.args[0].clone()).collect();
    match function {
        "SUM" | "AVG" => sum(function == "AVG", call, &values),
        "MIN" => Expected::Exactly(values.iter().min_by(|x, y| compare(x, y)).unwrap().clone()),
        "MAX" => Expected::Exactly(values.iter().max_by(|x, y| compare(x, y)).unwrap().clone()),
        "VAR_POP" | "VAR_SAMP" | "STDDEV_POP" | "STDDEV_SAMP" => {
            let values: Vec<f64> = values.iter().map(double).collect();
            if count == 1 && function.ends_with("SAMP") {
                return null;
            }
            if values.iter().any(|value| !value.is_finite()) {
                return Expected::Near(f64::NAN, 0.0);
            }
            let mean = values.iter().sum::<f64>() / count as f64;
            let squares: f64 = values.iter().map(|value| (value - mean) * (value - mean)).sum();
            let variance = squares / (count - usize::from(function.ends_with("SAMP"))) as f64;
            let result = if function.starts_with("STDDEV") { variance.sqrt() } else { variance };
            // Where two passes of DOUBLE arithmetic are good enough.
            if values.iter().all(|value| value.abs() < 1e6) { Expected::Near(result, 1e-9) } else { Expected::Unknown }
        }
        "MEDIAN" | "PERCENTILE" | "APPROX_PERCENTILE" => {
            let mut values: Vec<f64> = values.iter().map(double).collect();
            values.sort_by(f64::total_cmp);
            let fraction = call.literals.first().map_or(0.5, double);
            let place = fraction * (count - 1) as f64;
            let low = values[place.floor() as usize];
            if function == "APPROX_PERCENTILE" {
                return Expected::Near(low, 0.01 + 1e-9);
            }
            let high = values[place.ceil() as usize];
            let value = match place.fract() {
                0.0 => low,
                _ if !low.is_finite() || !high.is_finite() => low + high,
                // Halves first, as the difference of the two may be beyond DOUBLE.
                part => 2.0 * (low / 2.0 + (high / 2.0 - low / 2.0) * part),
            };
            Expected::Near(value, 1e-12)
        }
        "FIRST_VALUE" => Expected::Exactly(values[0].clone()),
        "LAST_VALUE" => Expected::Exactly(values[count - 1].clone()),
        "ARRAY_AGG" => Expected::Values(values),
        "STRING_AGG" => {
            let separator = call.literals.first().map_or(",".to_owned(), |literal| literal.to_string());
            let texts: Vec<String> = values.iter().map(ScalarValue::to_string).collect();
            Expected::Exactly(ScalarValue::Utf8(Some(texts.join(&separator))))
        }
        "BOOL_AND" => Expected::Exactly(ScalarValue::Boolean(Some(values.iter().all(is_true)))),
        "BOOL_OR" => Expected::Exactly(ScalarValue::Boolean(Some(values.iter().any(is_true)))),
        other => panic!("the oracle does not know {other}"),
    }
}

fn is_true(value: &ScalarValue) -> bool {
    *value == ScalarValue::Boolean(Some(true))
}

fn sum(mean: bool, call: &Call, values: &[ScalarValue]) -> Expected {
    let count = values.len() as i128;
    match call.args[0] {
        DataType::Int64 => {
            let integer = |value: &ScalarValue| match value {
                ScalarValue::Int64(Some(value)) => i128::from(*value),
                other => panic!("{other} is no BIGINT"),
            };
            let sum: i128 = values.iter().map(integer).sum();
            match mean {
                // Correct to a rounding each.
                true => Expected::Near(sum as f64 / count as f64, 1e-15),
                false => Expected::Exactly(ScalarValue::Int64(i64::try_from(sum).ok())),
            }
        }
        DataType::Decimal128(_, from) => {
            let DataType::Decimal128(precision, scale) = call.output else { panic!("decimals give decimals") };
            let decimal = |value: &ScalarValue| match value {
                ScalarValue::Decimal128(Some(value), _, _) => *value,
                other => panic!("{other} is no decimal"),
            };
            let mut sum: i128 = values.iter().map(decimal).sum();
            if mean {
                let numerator = sum * 10i128.pow((scale - from) as u32);
                // Half away from zero.
                sum = (2 * numerator + count * numerator.signum()) / (2 * count);
            }
            Expected::Exactly(ScalarValue::Decimal128(Some(sum), precision, scale))
        }
        _ => {
            let values: Vec<f64> = values.iter().map(double).collect();
            let has = |what: fn(f64) -> bool| values.iter().any(|&value| what(value));
            let result = match (has(f64::is_nan), has(|x| x == f64::INFINITY), has(|x| x == f64::NEG_INFINITY)) {
                (true, _, _) | (_, true, true) => f64::NAN,
                (_, true, _) => f64::INFINITY,
                (_, _, true) => f64::NEG_INFINITY,
                // Multiples of 1/16 of at most 2^40 add up exactly.
                _ if values.iter().all(|x| x.abs() <= (1u64 << 40) as f64 && (x * 16.0).fract() == 0.0) => {
                    values.iter().sum::<f64>() / if mean { count as f64 } else { 1.0 }
                }
                _ => return Expected::Unknown,
            };
            if result.is_nan() {
                Expected::Near(result, 0.0)
            } else {
                Expected::Exactly(ScalarValue::Float64(Some(result + 0.0)))
            }
        }
    }
}
