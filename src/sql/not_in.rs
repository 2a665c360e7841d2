//! `x NOT IN (SELECT y ...)` in SQL's three-valued logic, as two anti joins that say yes and no only.
//!
//! A row passes unless some `y` equals its `x`, or some `y` is NULL, or its `x` is NULL and there is any `y` at all. The
//! last two ask a relation of two rows at most: whether there are values, and whether there are NULLs. That second join
//! is of all rows, on one worker. Where neither side can be NULL the planner makes one anti join, by key.
//!
//! A subquery that reads the row outside has values of its own for each: `NOT EXISTS` of one that is equal, or NULL, or of
//! any if the row's own is NULL. That is one anti join, by what the subquery compares with the row.

use std::sync::Arc;

use datafusion_common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion_common::{ExprSchema, Result};
use datafusion_expr::expr::{Exists, InSubquery};
use datafusion_expr::logical_plan::Subquery;
use datafusion_expr::utils::{conjunction, split_conjunction};
use datafusion_expr::{
    BinaryExpr, Expr, ExprSchemable, Filter, JoinType, LogicalPlan, LogicalPlanBuilder, Operator, ident,
};
use datafusion_optimizer::optimizer::ApplyOrder;
use datafusion_optimizer::{OptimizerConfig, OptimizerRule};
use datafusion_sql::sqlparser::tokenizer::Span;

use super::diagnose::placed;
use super::error::Problem;
use super::lower::SUBQUERY;

/// The rule, for conditions of WHERE and HAVING.
#[derive(Debug)]
pub(super) struct NotIn;

impl OptimizerRule for NotIn {
    fn name(&self) -> &str {
        "not_in"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::TopDown)
    }

    fn rewrite(&self, plan: LogicalPlan, config: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        let LogicalPlan::Filter(filter) = &plan else { return Ok(Transformed::no(plan)) };
        let (mut found, mut others, mut rewritten) = (Vec::new(), Vec::new(), false);
        for conjunct in split_conjunction(&filter.predicate) {
            match conjunct {
                Expr::InSubquery(within) if asks_three(within, &filter.input)? => match correlated(within) {
                    false => found.push(within.clone()),
                    true => {
                        others.push(absent(within, &filter.input)?);
                        rewritten = true;
                    }
                },
                other => {
                    let told = told(other, &filter.input)?;
                    rewritten |= told != *other;
                    others.push(told);
                }
            }
        }
        if found.is_empty() && !rewritten {
            return Ok(Transformed::no(plan));
        }
        let mut joins = LogicalPlanBuilder::from(Arc::clone(&filter.input));
        for within in found {
            let name = config.alias_generator().next("__not_in");
            joins = joined(joins, within, &name)?;
        }
        let joins = joins.build()?;
        Ok(Transformed::yes(match conjunction(others) {
            Some(predicate) => LogicalPlan::Filter(Filter::try_new(predicate, Arc::new(joins))?),
            None => joins,
        }))
    }
}

/// A condition of which only what passes matters: below AND and OR an unknown answer is as good as none, so NOT IN becomes
/// NOT EXISTS of what keeps a row from passing. Anywhere else false and unknown are not the same, and IN is refused.
fn told(condition: &Expr, input: &LogicalPlan) -> Result<Expr> {
    match condition {
        Expr::BinaryExpr(BinaryExpr { left, op: op @ (Operator::And | Operator::Or), right }) => {
            let (left, right) = (Box::new(told(left, input)?), Box::new(told(right, input)?));
            Ok(Expr::BinaryExpr(BinaryExpr { left, op: *op, right }))
        }
        Expr::InSubquery(within) if within.negated && unknown(within, input)? => absent(within, input),
        Expr::InSubquery(_) => Ok(condition.clone()),
        other => match other.exists(|expr| match expr {
            Expr::InSubquery(within) => unknown(within, input),
            _ => Ok(false),
        })? {
            false => Ok(other.clone()),
            true => {
                let what = "IN (SELECT ...) may be unknown, and here that is not the same as false";
                Err(placed(Problem::at(Span::empty(), what).hint(SUBQUERY)))
            }
        },
    }
}

/// Whether the answer may be neither true nor false.
fn unknown(within: &InSubquery, input: &LogicalPlan) -> Result<bool> {
    Ok(within.expr.nullable(input.schema())? || within.subquery.subquery.schema().field(0).is_nullable())
}

/// Whether it is a NOT IN that asks for three values, of a row that is not itself outside of another subquery.
fn asks_three(within: &InSubquery, input: &LogicalPlan) -> Result<bool> {
    let nullable = unknown(within, input)?;
    let outer = |expr: &Expr| Ok(matches!(expr, Expr::OuterReferenceColumn(..)));
    let asks = nullable || correlated(within);
    Ok(within.negated && asks && !within.expr.exists(outer)?)
}

/// Whether the subquery reads the row outside.
fn correlated(within: &InSubquery) -> bool {
    !within.subquery.outer_ref_columns.is_empty()
}

/// `NOT EXISTS` of a value that keeps the row from passing.
fn absent(within: &InSubquery, input: &LogicalPlan) -> Result<Expr> {
    let Subquery { subquery, outer_ref_columns, spans } = within.subquery.clone();
    let mut outer = outer_ref_columns;
    let own = within.expr.as_ref().clone().transform(|expr| match expr {
        Expr::Column(column) => {
            let field = Arc::clone(input.schema().field_from_column(&column)?);
            let read = Expr::OuterReferenceColumn(field, column);
            outer.push(read.clone());
            Ok(Transformed::yes(read))
        }
        other => Ok(Transformed::no(other)),
    });
    let own = own.data()?;
    let value = Expr::Column(subquery.schema().columns().swap_remove(0));
    let mut hit = own.clone().eq(value.clone());
    if subquery.schema().field(0).is_nullable() {
        hit = hit.or(value.is_null());
    }
    if within.expr.nullable(input.schema())? {
        hit = hit.or(own.is_null());
    }
    let values = LogicalPlanBuilder::from(subquery).filter(hit)?.build()?;
    let subquery = Subquery { subquery: Arc::new(values), outer_ref_columns: outer, spans };
    Ok(Expr::Exists(Exists { subquery, negated: true }))
}

fn joined(plan: LogicalPlanBuilder, within: InSubquery, name: &str) -> Result<LogicalPlanBuilder> {
    let value = ident(format!("{name}_value"));
    let null = ident(format!("{name}_null"));
    let column = within.subquery.subquery.schema().columns().swap_remove(0);
    let values = LogicalPlanBuilder::from(within.subquery.subquery)
        .project([Expr::Column(column).alias(format!("{name}_value"))])?
        .build()?;
    let kinds = LogicalPlanBuilder::from(values.clone())
        .project([value.clone().is_null().alias(format!("{name}_null"))])?
        .distinct()?
        .build()?;
    let equal = within.expr.as_ref().clone().eq(value);
    let unknown = null.or(within.expr.is_null());
    plan.join_on(values, JoinType::LeftAnti, [equal])?.join_on(kinds, JoinType::LeftAnti, [unknown])
}
