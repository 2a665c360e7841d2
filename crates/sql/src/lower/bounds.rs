//! How far behind the watermark the values of an expression can be.
//!
//! A bound `b` of a column says that every future change has `value >= W + b` ms. It is carried on by what keeps order:
//! the column itself, `± INTERVAL`, and rounding to a grid.

use datafusion_common::ScalarValue;
use datafusion_expr::Operator;
use datafusion_physical_expr::ScalarFunctionExpr;
use datafusion_physical_expr::expressions::{BinaryExpr, CastExpr, Literal};

use crate::logical::scalar::as_column;
use crate::logical::zoned;
use crate::parse::column_type::TIME;
use highwater_core::expression::WHOLE_SECONDS;
use highwater_core::plan::Scalar;

const MS: i64 = 1_000_000;
const DAY_MS: i64 = 86_400_000;

/// The longest that a unit of DATE_TRUNC lasts, in ms.
const UNITS: &[(&str, i64)] = &[
    ("millisecond", 1),
    ("second", 1_000),
    ("minute", 60_000),
    ("hour", 3_600_000),
    ("day", DAY_MS),
    ("week", 7 * DAY_MS),
    ("month", 31 * DAY_MS),
    ("quarter", 92 * DAY_MS),
    ("year", 366 * DAY_MS),
];

/// The bound of an expression over columns with `bounds`.
pub(super) fn bound(expr: &Scalar, bounds: &[Option<i64>]) -> Option<i64> {
    if let Some(index) = as_column(expr) {
        return bounds.get(index).copied().flatten();
    }
    if let Some(binary) = expr.downcast_ref::<BinaryExpr>() {
        let shift = |expr: &Scalar| interval_ms(&literal(expr)?);
        return match binary.op() {
            Operator::Plus => match (bound(binary.left(), bounds), bound(binary.right(), bounds)) {
                (Some(b), None) => Some(b.saturating_add(shift(binary.right())?)),
                (None, Some(b)) => Some(b.saturating_add(shift(binary.left())?)),
                _ => None,
            },
            Operator::Minus => Some(bound(binary.left(), bounds)?.saturating_sub(shift(binary.right())?)),
            _ => None,
        };
    }
    if let Some(cast) = expr.downcast_ref::<CastExpr>() {
        // Only a cast that changes nothing: others change the unit.
        return if *cast.cast_type() == TIME { bound(cast.expr(), bounds) } else { None };
    }
    let function = expr.downcast_ref::<ScalarFunctionExpr>()?;
    let (args, name) = (function.args(), function.fun().name());
    if let ([time], Some(ahead)) = (args, zoned::ahead(function.fun())) {
        return Some(bound(time, bounds)?.saturating_add(ahead));
    }
    let step_ms = match (name, args) {
        ("date_bin", [step, _]) => interval_ms(&literal(step)?)?,
        ("date_trunc" | "datetrunc" | "timestamp_floor" | WHOLE_SECONDS, [unit, _]) => unit_ms(&literal(unit)?)?,
        // What is rounded up is never before what it is of.
        ("timestamp_ceil", [_, _]) => 1,
        _ => return None,
    };
    // A day, week or month of a zone's calendar is longer by as much as its clocks are put back.
    let longer = if zoned::changes_clocks(function) { DAY_MS } else { 0 };
    Some(bound(&args[1], bounds)?.saturating_sub(step_ms - 1 + longer))
}

pub(super) fn literal(expr: &Scalar) -> Option<ScalarValue> {
    expr.downcast_ref::<Literal>().map(|literal| literal.value().clone())
}

/// An interval literal of fixed length in ms, rounded down.
fn interval_ms(value: &ScalarValue) -> Option<i64> {
    match value {
        ScalarValue::IntervalMonthDayNano(Some(v)) if v.months == 0 => {
            i64::from(v.days).checked_mul(DAY_MS)?.checked_add(v.nanoseconds.div_euclid(MS))
        }
        ScalarValue::IntervalDayTime(Some(v)) => {
            i64::from(v.days).checked_mul(DAY_MS)?.checked_add(i64::from(v.milliseconds))
        }
        ScalarValue::DurationMillisecond(Some(v)) => Some(*v),
        _ => None,
    }
}

/// An interval literal of a fixed length that is whole ms.
pub(super) fn exact_interval_ms(value: &ScalarValue) -> Option<i64> {
    match value {
        ScalarValue::IntervalMonthDayNano(Some(v)) if v.nanoseconds % MS != 0 => None,
        value => interval_ms(value),
    }
}

fn unit_ms(value: &ScalarValue) -> Option<i64> {
    let text = match value {
        ScalarValue::Utf8(Some(text)) | ScalarValue::Utf8View(Some(text)) => text.to_lowercase(),
        _ => return None,
    };
    UNITS.iter().find(|(unit, _)| *unit == text.trim_end_matches('s')).map(|(_, ms)| *ms)
}
