//! What a subquery reads of the query around it, where that shows other columns by then: a key that is computed, behind a grouping
//! (`GROUP BY a + 1`), or an aggregate of its group ([`super::outside_call`]); and in ORDER BY a column that SELECT does not show.

use std::sync::Arc;

use datafusion_common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion_common::{Column, DataFusionError, ExprSchema, Result, internal_err};
use datafusion_expr::expr::Sort as Order;
use datafusion_expr::logical_plan::Subquery;
use datafusion_expr::utils::grouping_set_to_exprlist;
use datafusion_expr::{Aggregate, Expr, LogicalPlan, Projection, Sort};

use super::outside_call;
use super::unnest::{asks, outside};
use crate::parse::error::placed;

/// What a subquery writes of the query around it, and the column of the row outside that it is.
type Read = (Expr, Expr);

/// The plan in which subqueries read columns that there are where they stand. Columns still go by their names.
pub(crate) fn rewrite(plan: LogicalPlan) -> Result<LogicalPlan> {
    let plan = plan.transform_down_with_subqueries(|plan| {
        if !plan.expressions().iter().any(asks) {
            return Ok(Transformed::no(plan));
        }
        let plan = aggregated(plan)?;
        let below = match &plan {
            // Its expressions are over what SELECT shows.
            LogicalPlan::Sort(sort) => match sort.input.as_ref() {
                LogicalPlan::Projection(projection) => grouping(&projection.input),
                _ => None,
            },
            _ => plan.inputs().first().copied().and_then(grouping),
        };
        let plan = match below.map(keys).transpose()? {
            Some(keys) if !keys.is_empty() => reading(plan, &keys)?,
            _ => plan,
        };
        match plan {
            LogicalPlan::Sort(sort) => ordered(sort).map(Transformed::yes),
            plan => Ok(Transformed::yes(plan)),
        }
    });
    let plan = plan.data()?;
    match outside_call::left(&plan)? {
        Some(problem) => Err(placed(problem)),
        None => Ok(plan),
    }
}

/// The node with the aggregates of its group that subqueries in it ask for as columns.
fn aggregated(plan: LogicalPlan) -> Result<LogicalPlan> {
    let Some(group) = plan.inputs().first().copied().and_then(grouping) else { return Ok(plan) };
    let mut calls: Vec<(Expr, Expr)> = Vec::new();
    for asked in plan.expressions().iter().map(outside_call::within).collect::<Result<Vec<_>>>()?.into_iter().flatten()
    {
        let written = at_hand(asked)?;
        let known = written.column_refs().into_iter().all(|column| group.input.schema().has_column(column));
        if let (true, Some(call)) = (known, outside_call::aggregate(&written))
            && !calls.iter().any(|(asked, _)| *asked == written)
        {
            calls.push((written, call));
        }
    }
    if calls.is_empty() {
        return Ok(plan);
    }
    let below = with_calls(plan.inputs()[0].clone(), calls.iter().map(|(_, call)| call))?;
    let Some(group) = grouping(&below) else { return internal_err!("a grouping stays one") };
    let mut reads: Vec<Read> = Vec::new();
    for (written, call) in calls {
        let Some(at) = group.aggr_expr.iter().position(|known| *known == call) else {
            return internal_err!("a call that was added is there");
        };
        let (qualifier, field) = group.schema.qualified_field(first_call(group) + at);
        reads.push((written, outer(field, Column::new(qualifier.cloned(), field.name()))));
    }
    let exprs = plan.expressions();
    reading(plan.with_new_exprs(exprs, vec![below])?, &reads)
}

/// The place of the first aggregate among the columns of a grouping.
fn first_call(group: &Aggregate) -> usize {
    group.schema.fields().len() - group.aggr_expr.len()
}

/// A plan whose grouping has these calls too.
fn with_calls<'a>(plan: LogicalPlan, calls: impl Iterator<Item = &'a Expr>) -> Result<LogicalPlan> {
    match plan {
        LogicalPlan::Aggregate(group) => {
            let mut all = group.aggr_expr;
            for call in calls {
                if !all.contains(call) {
                    all.push(call.clone());
                }
            }
            Ok(LogicalPlan::Aggregate(Aggregate::try_new(group.input, group.group_expr, all)?))
        }
        plan => {
            let exprs = plan.expressions();
            let below = with_calls(plan.inputs()[0].clone(), calls)?;
            plan.with_new_exprs(exprs, vec![below])
        }
    }
}

/// The grouping whose rows a plan passes on.
fn grouping(plan: &LogicalPlan) -> Option<&Aggregate> {
    match plan {
        LogicalPlan::Aggregate(aggregate) => Some(aggregate),
        LogicalPlan::Filter(filter) => grouping(&filter.input),
        LogicalPlan::Window(window) => grouping(&window.input),
        _ => None,
    }
}

/// The keys of a grouping that are computed.
fn keys(aggregate: &Aggregate) -> Result<Vec<Read>> {
    let keys = grouping_set_to_exprlist(&aggregate.group_expr)?;
    let named = keys.into_iter().zip(aggregate.schema.iter());
    let computed = named.filter(|(key, _)| !matches!(key, Expr::Column(_)) && !key.column_refs().is_empty());
    Ok(computed.map(|(key, column)| (key.clone(), outer(&Arc::clone(column.1), Column::from(column)))).collect())
}

fn outer(field: &arrow_schema::FieldRef, column: Column) -> Expr {
    Expr::OuterReferenceColumn(Arc::clone(field), column)
}

/// The node with subqueries that read columns instead of what they write.
fn reading(plan: LogicalPlan, reads: &[Read]) -> Result<LogicalPlan> {
    let one = |plan: LogicalPlan| {
        let LogicalPlan::Subquery(subquery) = plan else { return Ok(Transformed::no(plan)) };
        let plan = within(Arc::unwrap_or_clone(subquery.subquery), reads)?;
        let outer_ref_columns = plan.all_out_ref_exprs();
        let subquery = Subquery { subquery: Arc::new(plan), outer_ref_columns, spans: subquery.spans };
        Ok(Transformed::yes(LogicalPlan::Subquery(subquery)))
    };
    plan.map_subqueries(one).data()
}

/// The same of a subquery. Further in a name may be that of a relation in between.
fn within(plan: LogicalPlan, reads: &[Read]) -> Result<LogicalPlan> {
    let hidden = |column: &Column| {
        let mut found = false;
        plan.apply(|plan| {
            found |= plan.schema().has_column(column);
            // Nobody further in calls a relation as it is called below its alias.
            let aliased = matches!(plan, LogicalPlan::SubqueryAlias(_));
            Ok(if aliased { TreeNodeRecursion::Jump } else { TreeNodeRecursion::Continue })
        })?;
        Ok::<_, DataFusionError>(found)
    };
    let mut further = Vec::new();
    for (written, column) in reads {
        if !written.column_refs().into_iter().map(hidden).collect::<Result<Vec<_>>>()?.contains(&true) {
            further.push((written.clone(), column.clone()));
        }
    }
    let put = |expr: Expr| {
        if matches!(expr, Expr::Column(_) | Expr::Literal(..)) || !expr.contains_outer() {
            return Ok(Transformed::no(expr));
        }
        let written = at_hand(expr.clone())?;
        Ok(match reads.iter().find(|(key, _)| *key == written) {
            Some((_, column)) => Transformed::yes(column.clone()),
            None => Transformed::no(expr),
        })
    };
    plan.transform_down(|plan| {
        let plan = plan.map_expressions(|expr| expr.transform_down(put))?.data;
        Ok(Transformed::yes(if further.is_empty() { plan } else { reading(plan, &further)? }))
    })
    .data()
}

/// An expression as it would be written outside.
fn at_hand(expr: Expr) -> Result<Expr> {
    expr.transform(|expr| {
        Ok(match expr {
            Expr::OuterReferenceColumn(_, column) => Transformed::yes(Expr::Column(column)),
            other => Transformed::no(other),
        })
    })
    .data()
}

/// An order by subqueries that read columns below the projection: it shows them too, until the rows are in order.
fn ordered(sort: Sort) -> Result<LogicalPlan> {
    let LogicalPlan::Projection(projection) = sort.input.as_ref() else { return Ok(LogicalPlan::Sort(sort)) };
    let (shown, below) = (&projection.schema, projection.input.schema());
    let mut reads: Vec<Read> = Vec::new();
    let mut exprs = projection.expr.clone();
    for plan in asked(&sort.expr)? {
        for column in outside(&plan)? {
            let known = reads.iter().any(|(read, _)| *read == Expr::Column(column.clone()));
            if known || shown.has_column(&column) || !below.has_column(&column) {
                continue;
            }
            let name = format!("__outside_{}", reads.len());
            let field = below.field_from_column(&column)?.as_ref().clone().with_name(&name);
            exprs.push(Expr::Column(column.clone()).alias(&name));
            reads.push((Expr::Column(column), outer(&Arc::new(field), Column::from_name(name))));
        }
    }
    if reads.is_empty() {
        return Ok(LogicalPlan::Sort(sort));
    }
    let columns: Vec<Expr> = shown.columns().into_iter().map(Expr::Column).collect();
    let input = LogicalPlan::Projection(Projection::try_new(exprs, Arc::clone(&projection.input))?);
    let sorted = reading(LogicalPlan::Sort(Sort { input: Arc::new(input), ..sort }), &reads)?;
    Ok(LogicalPlan::Projection(Projection::try_new(columns, Arc::new(sorted))?))
}

/// The subqueries of an order.
fn asked(order: &[Order]) -> Result<Vec<LogicalPlan>> {
    let mut found = Vec::new();
    for order in order {
        order.expr.apply(|expr| {
            if let Some(subquery) = super::unnest::subquery(expr) {
                found.push(subquery.subquery.as_ref().clone());
            }
            Ok(TreeNodeRecursion::Continue)
        })?;
    }
    Ok(found)
}
