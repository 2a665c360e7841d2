//! Values as text, as CAST writes them: `CAST(x AS VARCHAR)` of a time is `2024-01-01 00:00:00.000`, of a truth `TRUE`; of
//! `VARCHAR(n)` it is cut, of `CHAR(n)` cut or filled up with spaces.
//!
//! Casts to text come from the query and, where an operator wants text, from the planner: both become calls of [`written`]
//! here, behind the planner and before the optimiser, which would take them apart.

use std::sync::Arc;

use arrow_schema::DataType;
use datafusion_common::tree_node::Transformed;
use datafusion_common::{ExprSchema, Result};
use datafusion_expr::{Cast, Expr, ExprSchemable, TryCast};

use super::function::{Form, Function, Kind};
use super::of_text;
use super::recast::{recast, recasts};
use super::zones::compiled;
use highwater_core::expression::{MAX_TEXT, too_long};
use highwater_core::time::Zone;

/// The function that a cast to `VARCHAR(n)` is.
pub(super) const CUT: &str = "__varchar";
/// The function that a cast to `CHAR(n)` is.
pub(super) const PAD: &str = "__char";

/// Every function of this family.
pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        name: "__text",
        aliases: &[],
        forms: &[
            Form::new(&[Kind::Bool], Kind::Text, |args| {
                let truth = args.bool(0);
                Ok(args.slices(|row| Some(if truth.get(row)? { "TRUE" } else { "FALSE" })))
            }),
            Form::new(&[Kind::Time], Kind::Text, |args| {
                let (time, pattern) = (args.time(0), compiled("yyyy-MM-dd HH:mm:ss.SSS")?);
                Ok(args.texts(|row, out| {
                    pattern.write(time.get(row)?, 0, out);
                    Some(())
                }))
            }),
        ],
    },
    Function {
        name: CUT,
        aliases: &[],
        forms: &[Form::new(&[Kind::Text, Kind::Int], Kind::Text, |args| {
            let (text, length) = (args.text(0), args.int(1));
            Ok(args.slices(|row| Some(first(text.get(row)?, length.get(row)?).0)))
        })],
    },
    Function {
        name: PAD,
        aliases: &[],
        forms: &[Form::new(&[Kind::Text, Kind::Int], Kind::Text, |args| {
            let (text, length) = (args.text(0), args.int(1));
            args.trying(
                |row| match (text.get(row), length.get(row)) {
                    (Some(_), Some(length)) if length > MAX_TEXT as i64 => too_long(length as usize),
                    (Some(text), Some(length)) => Ok(Some(first(text, length))),
                    _ => Ok(None),
                },
                |args, value| {
                    args.texts(|row, out| {
                        let (text, missing) = value(row)?;
                        out.push_str(text);
                        out.extend(std::iter::repeat_n(' ', missing));
                        Some(())
                    })
                },
            )
        })],
    },
];

/// The first characters, and how many there are too few.
pub(super) fn first(text: &str, length: i64) -> (&str, usize) {
    let length = usize::try_from(length).unwrap_or(0);
    match text.char_indices().nth(length) {
        Some((end, _)) => (&text[..end], 0),
        None => (text, length - text.chars().count()),
    }
}

/// What stands for a cast, NULL where that fails if the cast is one that tries.
pub(crate) fn tried(cast: &Expr, by: Expr) -> Expr {
    match cast {
        Expr::TryCast(_) => crate::functions::attempt::TRY.call(vec![by]),
        _ => by,
    }
}

/// A cast to text whose text is not Arrow's, as the call that writes it; one of text, as the call that reads it. `schema` is that of the input.
pub fn written(expr: Expr, schema: &dyn ExprSchema) -> Result<Transformed<Expr>> {
    let (Expr::Cast(Cast { expr: inner, field }) | Expr::TryCast(TryCast { expr: inner, field })) = &expr else {
        return Ok(Transformed::no(expr));
    };
    let given = inner.get_type(schema);
    if given.as_ref().is_ok_and(|given| recasts(given, field.data_type())) {
        return Ok(Transformed::yes(tried(&expr, recast(inner.as_ref().clone(), field.data_type(), Zone::utc()))));
    }
    if let Ok(given) = &given
        && of_text::reads(given, field.data_type())
    {
        let read = of_text::read(inner.as_ref().clone(), field.data_type());
        return Ok(Transformed::yes(tried(&expr, read)));
    }
    let ours = |data_type: &DataType| matches!(data_type, DataType::Timestamp(_, None) | DataType::Boolean);
    if !field.data_type().is_string() || !given.is_ok_and(|given| ours(&given)) {
        return Ok(Transformed::no(expr));
    }
    let write = Arc::new(FUNCTIONS[0].udf(Zone::utc()));
    Ok(Transformed::yes(write.call(vec![inner.as_ref().clone()])))
}
