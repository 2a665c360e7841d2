//! A subquery that counts, where it finds nothing: 0 rows are 0, not unknown.
//!
//! A grouping without keys has no row before its first, so a subquery that reads it answers NULL until then. Where all that
//! its answer is made of are counts and literals, it is never NULL otherwise, and what they make of nothing stands in.

use datafusion_common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion_common::{Column, Result};
use datafusion_expr::{BinaryExpr, Expr, LogicalPlan, Operator};
use datafusion_optimizer::optimizer::ApplyOrder;
use datafusion_optimizer::{OptimizerConfig, OptimizerRule};

use super::query::rewritten;

/// The rule, for all expressions of a plan.
#[derive(Debug)]
pub(super) struct Counted;

impl OptimizerRule for Counted {
    fn name(&self) -> &str {
        "counted"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::TopDown)
    }

    fn rewrite(&self, plan: LogicalPlan, _: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        rewritten(plan, |expr| {
            expr.transform_down(|expr| {
                let Expr::ScalarSubquery(subquery) = &expr else { return Ok(Transformed::no(expr)) };
                Ok(match of_nothing(&subquery.subquery) {
                    Some(nothing) => {
                        let answer = datafusion_functions::core::expr_fn::coalesce(vec![expr, nothing]);
                        Transformed::new(answer, true, TreeNodeRecursion::Jump)
                    }
                    None => Transformed::no(expr),
                })
            })
        })
    }
}

/// What a subquery that only counts answers of nothing, as an expression of literals.
fn of_nothing(plan: &LogicalPlan) -> Option<Expr> {
    match plan {
        LogicalPlan::Aggregate(aggregate) if aggregate.group_expr.is_empty() => {
            literal(aggregate.aggr_expr.first()?, plan)
        }
        LogicalPlan::Projection(projection) => literal(projection.expr.first()?, &projection.input),
        LogicalPlan::SubqueryAlias(alias) => of_nothing(&alias.input),
        _ => None,
    }
}

/// An expression over a grouping without keys that has no row, if it is of counts and literals alone.
fn literal(expr: &Expr, input: &LogicalPlan) -> Option<Expr> {
    match expr {
        Expr::Literal(value, _) if !value.is_null() => Some(expr.clone()),
        Expr::Alias(alias) => literal(&alias.expr, input),
        Expr::Cast(cast) => {
            let inner = literal(&cast.expr, input)?;
            Some(Expr::Cast(datafusion_expr::Cast { expr: Box::new(inner), ..cast.clone() }))
        }
        Expr::AggregateFunction(call) => {
            let output = call.func.return_type(&[]).ok()?;
            let nothing = call.func.default_value(&output).ok()?;
            (!nothing.is_null()).then(|| Expr::Literal(nothing, None))
        }
        Expr::BinaryExpr(BinaryExpr {
            left,
            op: op @ (Operator::Plus | Operator::Minus | Operator::Multiply),
            right,
        }) => {
            let (left, right) = (Box::new(literal(left, input)?), Box::new(literal(right, input)?));
            Some(Expr::BinaryExpr(BinaryExpr { left, op: *op, right }))
        }
        Expr::Column(column) => aggregated(column, input),
        _ => None,
    }
}

/// A column of a grouping without keys.
fn aggregated(column: &Column, plan: &LogicalPlan) -> Option<Expr> {
    match plan {
        LogicalPlan::Aggregate(aggregate) if aggregate.group_expr.is_empty() => {
            let call = aggregate.aggr_expr.iter().find(|call| call.schema_name().to_string() == column.name)?;
            literal(call, plan)
        }
        LogicalPlan::SubqueryAlias(alias) => aggregated(column, &alias.input),
        _ => None,
    }
}
