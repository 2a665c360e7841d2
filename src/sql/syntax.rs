//! Forms of expressions that the planner does not read, rewritten to ones that it does.

use datafusion_sql::sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentClause, FunctionArguments, Interval, Spanned, Value,
    ValueWithSpan,
};

use super::error::Problem;
use super::functions;
use super::interval;
use super::refuse::last_part;
use super::walk::{self, Flow, Part};

/// Rewrites an expression once its parts are.
pub(super) fn step(part: Part<'_>) -> Flow {
    let Part::Done(expr) = part else { return Flow::Continue(()) };
    functions::rewrite_call(expr);
    walk::flow(match expr {
        Expr::Interval(literal) => plain_interval(literal),
        Expr::Function(function) => plain_function(function),
        Expr::AnyOp { .. } | Expr::AllOp { .. } => {
            membership(expr);
            Ok(())
        }
        _ => Ok(()),
    })
}

/// `x = ANY (SELECT ...)` is IN, `x <> ALL (SELECT ...)` is NOT IN.
fn membership(expr: &mut Expr) {
    let (Expr::AnyOp { left, right, .. } | Expr::AllOp { left, right, .. }) = &*expr else { return };
    let Expr::Subquery(query) = right.as_ref() else { return };
    let negated = matches!(expr, Expr::AllOp { .. });
    *expr = Expr::InSubquery { expr: left.clone(), subquery: query.clone(), negated };
}

/// An interval literal as `'n months m nanoseconds'`, exactly.
fn plain_interval(literal: &mut Interval) -> Result<(), Problem> {
    let span = literal.value.span();
    let Some(duration) = interval::of_literal(literal) else {
        return Err(Problem::at(span, "an interval is a literal").hint("multiply one: n * INTERVAL '1' SECOND"));
    };
    let duration = duration.map_err(|message| Problem::at(span, message))?;
    let text = match (duration.months, duration.nanos % 1_000_000) {
        (0, 0) => format!("{} milliseconds", duration.nanos / 1_000_000),
        (0, _) => format!("{} nanoseconds", duration.nanos),
        (months, _) => format!("{months} months {} nanoseconds", duration.nanos),
    };
    let value = ValueWithSpan { value: Value::SingleQuotedString(text), span };
    *literal = Interval {
        value: Box::new(Expr::Value(value)),
        leading_field: None,
        leading_precision: None,
        last_field: None,
        fractional_seconds_precision: None,
    };
    Ok(())
}

/// `f(x) WITHIN GROUP (ORDER BY y)`: percentiles take `y` as their first argument, others are ordered by it.
fn plain_function(function: &mut Function) -> Result<(), Problem> {
    let name = last_part(&function.name);
    let span = function.name.span();
    let FunctionArguments::List(list) = &mut function.args else { return Ok(()) };
    for clause in &list.clauses {
        let refused = match clause {
            FunctionArgumentClause::OrderBy(_) | FunctionArgumentClause::IgnoreOrRespectNulls(_) => continue,
            FunctionArgumentClause::Limit(_) => "LIMIT",
            FunctionArgumentClause::OnOverflow(_) => "ON OVERFLOW",
            FunctionArgumentClause::Having(_) => "HAVING",
            FunctionArgumentClause::Separator(_) => "SEPARATOR",
            _ => "this clause",
        };
        return Err(Problem::at(span, format!("{refused} inside of {} is not supported", name.to_uppercase()))
            .hint("leave it out"));
    }
    if function.within_group.is_empty() {
        return Ok(());
    }
    let within = std::mem::take(&mut function.within_group);
    if name.contains("percentile") || name.contains("quantile") || name == "median" || name == "mode" {
        let [order] = within.as_slice() else {
            return Err(Problem::at(span, "WITHIN GROUP orders by one expression here"));
        };
        if order.options.asc == Some(false) {
            return Err(Problem::at(span, format!("{} counts from the smallest value", name.to_uppercase()))
                .hint("leave DESC out and ask for 1 minus the fraction"));
        }
        list.args.insert(0, FunctionArg::Unnamed(FunctionArgExpr::Expr(order.expr.clone())));
    } else {
        list.clauses.push(FunctionArgumentClause::OrderBy(within));
    }
    Ok(())
}
