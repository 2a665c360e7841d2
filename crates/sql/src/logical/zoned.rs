//! Instants (TIMESTAMP_LTZ) in the session's time zone: `SET 'table.local-time-zone' = 'Europe/Berlin'`.
//!
//! The planner knows an instant as a timestamp with an offset, and casts where a time that clocks show (a TIMESTAMP, a DATE, a
//! TIME, text) meets one: as an argument, in a comparison, by CAST. These casts are put by the rules of the zone here, and
//! nowhere else is a zone asked for. Which expressions are instants their types say, in a session in UTC too, so that whatever has
//! types of its own (Parquet, Arrow) is told.

use std::sync::Arc;

use arrow_schema::{DataType, Field, FieldRef, Schema};
use datafusion_common::config::ConfigOptions;
use datafusion_common::tree_node::{Transformed, TreeNode};
use datafusion_common::{DFSchema, Result, ScalarValue, plan_err};
use datafusion_expr::expr::{Cast, ScalarFunction, TryCast};
use datafusion_expr::expr_rewriter::NamePreserver;
use datafusion_expr::utils::merge_schema;
use datafusion_expr::{BinaryExpr, Expr, ExprSchemable, LogicalPlan, Operator, cast};

use datafusion_physical_expr::ScalarFunctionExpr;
use datafusion_sql::sqlparser::tokenizer::{Token, TokenWithSpan};

use crate::functions::{conversion, instant_of, local_time, recast, recasting, recasts, tried, zone_of};
use crate::parse::column_type::{TIME, instant, is_instant};
use crate::parse::token::is_word;
use highwater_core::plan::Scalar;
use highwater_core::time::Zone;

/// The session's zone.
pub(crate) fn of(options: &ConfigOptions) -> Zone {
    options.execution.time_zone.as_deref().and_then(Zone::of).unwrap_or_else(Zone::utc)
}

/// The tokens with `TIMESTAMP(3) WITH LOCAL TIME ZONE` as the parser reads it: `timestamp_ltz(3)`.
pub(crate) fn prepare(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    const WORDS: [&str; 4] = ["with", "local", "time", "zone"];
    let stands = |tokens: &[TokenWithSpan]| {
        tokens.len() >= WORDS.len() && tokens.iter().zip(WORDS).all(|(token, word)| is_word(&token.token, word))
    };
    let mut out: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len());
    let mut at = 0;
    while at < tokens.len() {
        // The type's name stands right before, or before its precision.
        let named = |back: usize| out.len().checked_sub(back).filter(|&name| is_word(&out[name].token, "timestamp"));
        let name = if stands(&tokens[at..]) { named(1).or_else(|| named(4)) } else { None };
        match name {
            Some(name) => {
                out[name].token = Token::make_word("timestamp_ltz", None);
                at += WORDS.len();
            }
            None => {
                out.push(tokens[at].clone());
                at += 1;
            }
        }
    }
    out
}

/// The plan, whose types are settled, with its casts by the session's zone.
pub(crate) fn rewrite(plan: LogicalPlan, zone: Zone) -> Result<LogicalPlan> {
    let rewritten = plan.transform_up_with_subqueries(|plan| {
        let mut schema = merge_schema(&plan.inputs());
        if let LogicalPlan::TableScan(scan) = &plan {
            schema.merge(&scan.projected_schema);
        }
        let names = NamePreserver::new(&plan);
        plan.map_expressions(|expr| {
            let name = names.save(&expr);
            Ok(rewrite_expr(expr, &schema, zone)?.update_data(|expr| name.restore(expr)))
        })
    });
    Ok(rewritten?.data)
}

/// The expression, whose types are settled, with its casts by the session's zone.
fn rewrite_expr(expr: Expr, schema: &DFSchema, zone: Zone) -> Result<Transformed<Expr>> {
    expr.transform_up(|expr| match expr {
        Expr::Cast(Cast { expr: ref inner, ref field }) | Expr::TryCast(TryCast { expr: ref inner, ref field }) => {
            let from = inner.get_type(schema)?;
            let put = put(inner.as_ref().clone(), &from, field.data_type(), zone).map(|put| tried(&expr, put));
            Ok(put.map_or_else(|| Transformed::no(expr), Transformed::yes))
        }
        Expr::BinaryExpr(BinaryExpr { left, op: op @ (Operator::Plus | Operator::Minus), right })
            if has_months(&right) && is_instant(&left.get_type(schema)?) =>
        {
            // Months are those of the session's calendar.
            let moved = BinaryExpr { left: Box::new(local_time(*left, zone)), op, right };
            Ok(Transformed::yes(instant_of(cast(Expr::BinaryExpr(moved), TIME), zone)))
        }
        Expr::ScalarFunction(ScalarFunction { ref func, ref args }) if !zone.is_utc() && reads_utc(func.name()) => {
            for arg in args {
                if is_instant(&arg.get_type(schema)?) {
                    let name = func.name().to_uppercase();
                    return plan_err!(
                        "{name} does not know the session's time zone; write {name}(..., CAST(x AS TIMESTAMP(3))), or FLOOR(x TO DAY)"
                    );
                }
            }
            Ok(Transformed::no(expr))
        }
        _ => Ok(Transformed::no(expr)),
    })
}

/// What stands in the place of a cast; `None` if it has nothing to do with instants.
fn put(expr: Expr, from: &DataType, to: &DataType, zone: Zone) -> Option<Expr> {
    let shown = |kind: &DataType| {
        matches!(kind, DataType::Timestamp(_, None) | DataType::Date32 | DataType::Date64) || kind.is_string()
    };
    let clock = |kind: &DataType| matches!(kind, DataType::Time32(_) | DataType::Time64(_));
    if is_instant(from) && (shown(to) || clock(to)) {
        let local = local_time(expr, zone);
        return Some(if *to == TIME { local } else { cast(local, to.clone()) });
    }
    if recasts(from, to) {
        return Some(recast(expr, to, zone));
    }
    if !is_instant(to) || !shown(from) {
        return None;
    }
    let time = match from {
        DataType::Utf8 => expr,
        kind if kind.is_string() => cast(expr, DataType::Utf8),
        kind if *kind == TIME => expr,
        _ => cast(expr, TIME),
    };
    Some(instant_of(time, zone))
}

/// The type on the way from one to the other of which instants are those of the other, and all else is as it was.
pub(crate) fn between(from: &DataType, to: &DataType) -> DataType {
    let field = |from: &FieldRef, to: &FieldRef| {
        Arc::new(Field::new(from.name(), between(from.data_type(), to.data_type()), from.is_nullable()))
    };
    let shown = |kind: &DataType| matches!(kind, DataType::Timestamp(..) | DataType::Date32);
    match (from, to) {
        (from, to) if shown(from) && is_instant(to) => instant(),
        (from, to) if is_instant(from) && shown(to) => TIME,
        (DataType::List(from), DataType::List(to)) => DataType::List(field(from, to)),
        (DataType::Map(from, sorted), DataType::Map(to, _)) => DataType::Map(field(from, to), *sorted),
        (DataType::Struct(from), DataType::Struct(to)) => {
            let named = |from: &FieldRef| to.iter().find(|to| to.name() == from.name());
            let by_name = to.iter().all(|to| from.iter().any(|from| from.name() == to.name()));
            let of = |(at, from): (usize, &FieldRef)| {
                let to = if by_name { named(from) } else { to.get(at) };
                to.map_or_else(|| Arc::clone(from), |to| field(from, to))
            };
            DataType::Struct(from.iter().enumerate().map(of).collect())
        }
        (from, _) => from.clone(),
    }
}

/// A value as what [`between`] says, by the clocks of the zone.
pub(crate) fn put_between(
    value: &Scalar,
    from: &DataType,
    to: &DataType,
    zone: Zone,
    schema: &Schema,
) -> Result<Scalar> {
    if from == to {
        return Ok(Arc::clone(value));
    }
    let function = Arc::new(recasting(to, zone));
    let call = ScalarFunctionExpr::try_new(function, vec![Arc::clone(value)], schema, Arc::default())?;
    Ok(Arc::new(call))
}

fn has_months(expr: &Expr) -> bool {
    match expr {
        Expr::Literal(ScalarValue::IntervalMonthDayNano(Some(value)), _) => value.months != 0,
        Expr::Literal(ScalarValue::IntervalYearMonth(Some(months)), _) => *months != 0,
        _ => false,
    }
}

/// Functions of the library that would read an instant as UTC's clocks show it.
fn reads_utc(name: &str) -> bool {
    ["date_trunc", "datetrunc", "date_bin", "to_char", "to_date", "to_time", "to_local_time", "make_time"]
        .contains(&name)
}

/// By how much an expression's value is at least ahead of its argument's, if it is a conversion of the session's.
pub(crate) fn ahead(function: &datafusion_expr::ScalarUDF) -> Option<i64> {
    let (zone, to_local) = conversion(function)?;
    let (least, most) = zone.reach();
    Some(if to_local { least } else { most.saturating_neg() })
}

/// Whether a call rounds instants by clocks that are put forward and back.
pub(crate) fn changes_clocks(call: &ScalarFunctionExpr) -> bool {
    is_instant(call.return_type()) && zone_of(call.fun()).is_some_and(|zone| zone.fixed().is_none())
}
