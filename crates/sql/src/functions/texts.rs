//! Arrays of text and choices among texts: SPLIT, REGEXP_EXTRACT_ALL, ELT; and multiples of an interval, and its length.

use std::sync::Arc;

use arrow_array::builder::{ListBuilder, StringBuilder};
use arrow_array::cast::AsArray;
use arrow_array::types::{DurationMillisecondType, Int64Type, IntervalMonthDayNanoType};
use arrow_array::{Array, ArrayRef, PrimitiveArray, StringArray};
use arrow_schema::{DataType, Field, IntervalUnit, TimeUnit};
use datafusion_common::{Result, ScalarValue, exec_err};
use datafusion_expr::{Expr, lit};

use super::generic::{Call, Generic, common};
use super::lists::{Pool, list_of};
use super::regex::compile;
use highwater_core::delta::interval_ms;

/// What `n * INTERVAL '...'` becomes.
pub(super) const TIMES: &str = "__interval_times";

/// How long an interval is.
const LENGTH: &str = "__interval_ms";

/// Every function of this family.
pub(super) const FUNCTIONS: &[Generic] = &[
    Generic {
        name: "split",
        aliases: &[],
        usage: "SPLIT(text, separator)",
        coerce: |given| {
            let texts = given.len() == 2 && given.iter().all(|t| t.is_string() || t.is_null());
            texts.then(|| (vec![DataType::Utf8; 2], list_of(&DataType::Utf8)))
        },
        eval: |call| {
            lists(call, |row, push| {
                let (Some(text), Some(separator)) = (text(call, 0, row), text(call, 1, row)) else { return Ok(None) };
                match separator {
                    "" => text.chars().for_each(|c| push(c.encode_utf8(&mut [0; 4]))),
                    separator => text.split(separator).for_each(push),
                }
                Ok(Some(()))
            })
        },
    },
    Generic {
        name: "regexp_extract_all",
        aliases: &[],
        usage: "REGEXP_EXTRACT_ALL(text, regex[, group])",
        coerce: |given| match given {
            [text, regex, group @ ..] if group.len() <= 1 => {
                let texts = [text, regex].into_iter().all(|t| t.is_string() || t.is_null());
                let group_fits = group.iter().all(|t| t.is_integer() || t.is_null());
                let args = [DataType::Utf8, DataType::Utf8].into_iter().chain(group.iter().map(|_| DataType::Int64));
                (texts && group_fits).then(|| (args.collect(), list_of(&DataType::Utf8)))
            }
            _ => None,
        },
        eval: |call| {
            lists(call, |row, push| {
                let (Some(text), Some(pattern)) = (text(call, 0, row), text(call, 1, row)) else { return Ok(None) };
                let regex = compile(pattern)?;
                let group = match call.args.get(2) {
                    None => usize::from(regex.captures_len() > 1),
                    Some(group) => {
                        let group = group.as_primitive::<Int64Type>();
                        let wanted = group.is_valid(row).then(|| group.value(row));
                        match wanted.and_then(|at| usize::try_from(at).ok()).filter(|at| *at < regex.captures_len()) {
                            Some(group) => group,
                            None => return Ok(None),
                        }
                    }
                };
                regex.captures_iter(text).for_each(|found| push(found.get(group).map_or("", |part| part.as_str())));
                Ok(Some(()))
            })
        },
    },
    Generic {
        name: "elt",
        aliases: &[],
        usage: "ELT(n, value, value, ...) of values of one type",
        coerce: |given| match given {
            [at, values @ ..] if !values.is_empty() && (at.is_integer() || at.is_null()) => {
                let value = common(values)?;
                let args = std::iter::once(DataType::Int64).chain(values.iter().map(|_| value.clone()));
                Some((args.collect(), value.clone()))
            }
            _ => None,
        },
        eval: |call| {
            let at = call.args[0].as_primitive::<Int64Type>();
            let pool = Pool::new(&call.args[1..].iter().collect::<Vec<_>>())?;
            pool.ones(call.rows, |row| {
                let chosen =
                    at.is_valid(row).then(|| at.value(row)).filter(|at| (1..call.args.len() as i64).contains(at));
                Ok(chosen.map(|at| pool.place(at as usize - 1, row)))
            })
        },
    },
    Generic {
        name: TIMES,
        aliases: &[],
        usage: "n * INTERVAL '1' SECOND, n a whole number, or INTERVAL '2.5' SECOND",
        coerce: |given| match given {
            [n, DataType::Interval(_)] if n.is_integer() || n.is_null() => {
                let interval = DataType::Interval(IntervalUnit::MonthDayNano);
                Some((vec![DataType::Int64, interval.clone()], interval))
            }
            _ => None,
        },
        eval: |call| {
            let times = call.args[0].as_primitive::<Int64Type>();
            let interval = call.args[1].as_primitive::<IntervalMonthDayNanoType>();
            let values = (0..call.rows).map(|row| {
                if times.is_null(row) || interval.is_null(row) {
                    return Ok(None);
                }
                let (n, one) = (times.value(row), interval.value(row));
                let narrow = |part: i32| i64::from(part).checked_mul(n).and_then(|part| i32::try_from(part).ok());
                match (narrow(one.months), narrow(one.days), one.nanoseconds.checked_mul(n)) {
                    (Some(months), Some(days), Some(nanos)) => {
                        Ok(Some(IntervalMonthDayNanoType::make_value(months, days, nanos)))
                    }
                    _ => exec_err!("{n} times the interval is beyond what an interval holds"),
                }
            });
            Ok(Arc::new(values.collect::<Result<PrimitiveArray<IntervalMonthDayNanoType>>>()?))
        },
    },
    Generic {
        name: LENGTH,
        aliases: &[],
        usage: "an interval",
        coerce: |given| match given {
            [DataType::Interval(_)] => {
                let interval = DataType::Interval(IntervalUnit::MonthDayNano);
                Some((vec![interval], DataType::Duration(TimeUnit::Millisecond)))
            }
            _ => None,
        },
        eval: |call| {
            let intervals = call.args[0].as_primitive::<IntervalMonthDayNanoType>();
            let lengths = intervals.iter().map(|interval| interval.map(interval_ms));
            Ok(Arc::new(lengths.collect::<PrimitiveArray<DurationMillisecondType>>()))
        },
    },
];

/// An interval as its length.
pub(crate) fn length(interval: Expr) -> Expr {
    if let Expr::Literal(ScalarValue::IntervalMonthDayNano(value), _) = &interval {
        return lit(ScalarValue::DurationMillisecond(value.map(interval_ms)));
    }
    match FUNCTIONS.iter().find(|function| function.name == LENGTH) {
        Some(function) => function.udf().call(vec![interval]),
        None => unreachable!("the family has {LENGTH}"),
    }
}

fn text<'a>(call: &'a Call<'_>, at: usize, row: usize) -> Option<&'a str> {
    let texts: &StringArray = call.args[at].as_string::<i32>();
    texts.is_valid(row).then(|| texts.value(row))
}

/// A column of arrays of text: `fill` pushes a row's items, or answers `None` for NULL.
fn lists(call: &Call<'_>, mut fill: impl FnMut(usize, &mut dyn FnMut(&str)) -> Result<Option<()>>) -> Result<ArrayRef> {
    let field = Arc::new(Field::new("item", DataType::Utf8, true));
    let mut builder = ListBuilder::new(StringBuilder::new()).with_field(field);
    for row in 0..call.rows {
        let there = fill(row, &mut |item: &str| builder.values().append_value(item))?.is_some();
        builder.append(there);
    }
    Ok(Arc::new(builder.finish()))
}
