//! Forms of expressions that the planner does not read, rewritten to ones that it does.

use datafusion_sql::sqlparser::ast::{
    AccessExpr, Array, BinaryOperator, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentClause,
    FunctionArguments, GroupByExpr, Interval, JoinOperator, Select, SelectItem, Spanned, Subscript, TableFactor,
    TableWithJoins, Value, ValueWithSpan,
};

use super::calls::{Callable, of_ordered_set};
use super::shifts;
use crate::functions;
use crate::parse::error::Problem;
use crate::parse::interval::{self, Duration};
use crate::parse::made::call;
use crate::parse::token::last_part;
use crate::parse::walk::{self, Flow, Part};

/// Rewrites an expression once its parts are.
pub(crate) fn step(part: Part<'_>, callable: &Callable) -> Flow {
    let expr = match part {
        Part::Done(expr) => expr,
        Part::Select(select) => {
            select.from.iter_mut().for_each(of_one_side);
            of_one_group(select, callable);
            without_keys(&mut select.group_by);
            return Flow::Continue(());
        }
        _ => return Flow::Continue(()),
    };
    functions::rewrite_call(expr);
    walk::flow(match expr {
        Expr::Interval(literal) => plain_interval(literal),
        Expr::Function(function) => {
            plain_function(function).and_then(|()| shifts::rewritten(function)).map(|shifted| {
                if let Some(shifted) = shifted {
                    *expr = shifted;
                }
            })
        }
        Expr::CompoundFieldAccess { root, access_chain } => {
            fields_of_items(root, access_chain);
            Ok(())
        }
        Expr::AnyOp { .. } | Expr::AllOp { .. } => {
            membership(expr);
            Ok(())
        }
        // The planner does not know columns of rows outside within the brackets.
        Expr::Array(Array { elem, .. }) => {
            *expr = call("array", std::mem::take(elem));
            Ok(())
        }
        _ => Ok(()),
    })
}

/// `items[1].name` is `items[1]['name']`: what stands behind a dot is a field, but for the names that the chain begins with.
fn fields_of_items(root: &Expr, chain: &mut [AccessExpr]) {
    let named = matches!(root, Expr::Identifier(_) | Expr::CompoundIdentifier(_));
    let names = if named { chain.iter().take_while(|access| matches!(access, AccessExpr::Dot(_))).count() } else { 0 };
    for access in &mut chain[names..] {
        if let AccessExpr::Dot(Expr::Identifier(field)) = access {
            let value = ValueWithSpan { value: Value::SingleQuotedString(field.value.clone()), span: field.span };
            *access = AccessExpr::Subscript(Subscript::Index { index: Expr::Value(value) });
        }
    }
}

/// SEMI JOIN and ANTI JOIN show the left side, as LEFT SEMI JOIN and LEFT ANTI JOIN do.
fn of_one_side(from: &mut TableWithJoins) {
    for join in &mut from.joins {
        join.join_operator = match std::mem::replace(&mut join.join_operator, JoinOperator::CrossApply) {
            JoinOperator::Semi(constraint) => JoinOperator::LeftSemi(constraint),
            JoinOperator::Anti(constraint) => JoinOperator::LeftAnti(constraint),
            other => other,
        };
    }
    let relations = from.joins.iter_mut().map(|join| &mut join.relation).chain([&mut from.relation]);
    for relation in relations {
        if let TableFactor::NestedJoin { table_with_joins, .. } = relation {
            of_one_side(table_with_joins);
        }
    }
}

/// HAVING without GROUP BY is a condition on the one group that all rows are, be nothing aggregated.
fn of_one_group(select: &mut Select, callable: &Callable) {
    let Some(having) = &mut select.having else { return };
    let GroupByExpr::Expressions(keys, modifiers) = &mut select.group_by else { return };
    if !keys.is_empty() || !modifiers.is_empty() {
        return;
    }
    let items = select.projection.iter_mut().filter_map(|item| match item {
        SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => Some(expr),
        _ => None,
    });
    let mut aggregates = false;
    for expr in items.chain(std::iter::once(having)) {
        let _ = walk::expr(expr, |part| {
            if let Part::Expr(Expr::Function(call)) = part {
                aggregates |= call.over.is_none() && callable.aggregate(&last_part(&call.name)).is_some();
            }
            Flow::Continue(())
        });
    }
    if !aggregates {
        keys.push(Expr::Tuple(Vec::new()));
    }
}

/// `GROUP BY ()` is the grouping without keys, also where nothing is aggregated; beside keys it adds none.
fn without_keys(group_by: &mut GroupByExpr) {
    let GroupByExpr::Expressions(keys, _) = group_by else { return };
    let nothing = |key: &Expr| matches!(key, Expr::Tuple(parts) if parts.is_empty());
    match !keys.is_empty() && keys.iter().all(nothing) {
        true => *keys = vec![Expr::GroupingSets(vec![Vec::new()])],
        false => keys.retain(|key| !nothing(key)),
    }
}

/// `x = ANY (SELECT ...)` is IN, `x <> ALL (SELECT ...)` is NOT IN.
fn membership(expr: &mut Expr) {
    let (Expr::AnyOp { left, compare_op: BinaryOperator::Eq, right, .. }
    | Expr::AllOp { left, compare_op: BinaryOperator::NotEq, right }) = &*expr
    else {
        return;
    };
    let Expr::Subquery(query) = right.as_ref() else { return };
    let negated = matches!(expr, Expr::AllOp { .. });
    *expr = Expr::InSubquery { expr: left.clone(), subquery: query.clone(), negated };
}

/// An interval literal as `'n months d days m nanoseconds'`, exactly.
fn plain_interval(literal: &mut Interval) -> Result<(), Problem> {
    let span = literal.value.span();
    let Some(duration) = interval::of_literal(literal) else {
        return Err(
            Problem::at(span, "an interval is a literal").hint("multiply one: CAST(n AS BIGINT) * INTERVAL '1' SECOND")
        );
    };
    let duration = duration.map_err(|message| Problem::at(span, message))?;
    let Duration { months, days, nanos } = duration;
    let text = match (months, days, nanos % 1_000_000) {
        (0, 0, 0) => format!("{} milliseconds", nanos / 1_000_000),
        (0, 0, _) => format!("{nanos} nanoseconds"),
        _ => format!("{months} months {days} days {nanos} nanoseconds"),
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
    if function.within_group.is_empty() {
        return Ok(());
    }
    let within = std::mem::take(&mut function.within_group);
    if of_ordered_set(&name) {
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
