//! `LIMIT n` without an order, in a subquery that is a value or is read for each row: any rows would do, and so that these do not
//! depend on how a program is run they are the least by all columns.

use datafusion_sql::sqlparser::ast::{
    Distinct, Expr, LimitClause, OrderBy, OrderByExpr, OrderByKind, OrderByOptions, Query, SelectItem, SetExpr,
    TableFactor, Value, ValueWithSpan,
};

use crate::parse::walk::{Flow, Part};

/// Gives such a subquery an order. What shows `*` is left for others to refuse.
pub(crate) fn step(part: Part<'_>) -> Flow {
    match part {
        Part::Expr(Expr::Exists { subquery, .. }) => match some(subquery) {
            true => subquery.limit_clause = None,
            false => order(subquery),
        },
        Part::Expr(Expr::InSubquery { subquery, .. } | Expr::Subquery(subquery))
        | Part::Factor(TableFactor::Derived { lateral: true, subquery, .. }) => order(subquery),
        _ => {}
    }
    Flow::Continue(())
}

/// Whether what a query keeps of its rows is some of them, if there are any.
fn some(query: &Query) -> bool {
    let Some(LimitClause::LimitOffset { limit: Some(limit), offset: None, limit_by }) = &query.limit_clause else {
        return false;
    };
    let Expr::Value(ValueWithSpan { value: Value::Number(text, _), .. }) = limit else { return false };
    limit_by.is_empty() && text.parse::<u64>().is_ok_and(|rows| rows > 0)
}

fn order(query: &mut Query) {
    if query.limit_clause.is_none() || query.order_by.is_some() {
        return;
    }
    let Some(columns) = columns(&query.body) else { return };
    let place = |number: usize| OrderByExpr {
        expr: Expr::value(Value::Number(number.to_string(), false)),
        options: OrderByOptions { asc: None, nulls_first: None },
        with_fill: None,
    };
    let kind = OrderByKind::Expressions((1..=columns).map(place).collect());
    query.order_by = Some(OrderBy { kind, interpolate: None });
}

/// How many columns a query shows, if that is written.
fn columns(body: &SetExpr) -> Option<usize> {
    match body {
        SetExpr::Select(select) => {
            let star = |item: &SelectItem| matches!(item, SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..));
            let on = matches!(select.distinct, Some(Distinct::On(_)));
            (!on && !select.projection.iter().any(star)).then_some(select.projection.len())
        }
        SetExpr::SetOperation { left, .. } => columns(left),
        SetExpr::Query(query) => columns(&query.body),
        SetExpr::Values(values) => values.rows.first().map(|row| row.len()),
        _ => None,
    }
}
