//! `SUM(10 / d) FILTER (WHERE d <> 0)`: what FILTER leaves out is not looked at, so it cannot fail. A call computes what it reads of
//! every row before its filter is asked; so where that may fail it becomes `CASE WHEN d <> 0 THEN 10 / d END`, before a rule
//! takes what is common out of it.

use std::sync::Arc;

use datafusion_common::tree_node::{Transformed, TreeNode};
use datafusion_common::{DFSchema, Result};
use datafusion_expr::expr::{AggregateFunction, Case};
use datafusion_expr::{BinaryExpr, Expr, LogicalPlan, Operator, when};
use datafusion_optimizer::optimizer::ApplyOrder;
use datafusion_optimizer::{OptimizerConfig, OptimizerRule};

use super::veiled::loses;
use crate::logical::typed::rewritten;

/// The rule, for all groupings of a plan.
#[derive(Debug)]
pub(crate) struct Filtered;

impl OptimizerRule for Filtered {
    fn name(&self) -> &str {
        "filtered"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::BottomUp)
    }

    fn rewrite(&self, plan: LogicalPlan, _: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        let LogicalPlan::Aggregate(aggregate) = &plan else { return Ok(Transformed::no(plan)) };
        let input = Arc::clone(aggregate.input.schema());
        rewritten(plan, |expr| expr.transform_up(|expr| guarded(expr, &input)))
    }
}

fn guarded(expr: Expr, input: &DFSchema) -> Result<Transformed<Expr>> {
    let Expr::AggregateFunction(AggregateFunction { func, mut params }) = expr else {
        return Ok(Transformed::no(expr));
    };
    let Some(filter) = params.filter.clone() else {
        return Ok(Transformed::no(Expr::AggregateFunction(AggregateFunction { func, params })));
    };
    let read = params.args.iter_mut().chain(params.order_by.iter_mut().map(|sort| &mut sort.expr));
    let mut any = false;
    for expr in read {
        // Rules are run more than once.
        let behind = matches!(&*expr, Expr::Case(Case { expr: None, when_then_expr, else_expr: None })
            if matches!(when_then_expr.as_slice(), [(when, _)] if *when == filter));
        if !behind && may_fail(expr, input)? {
            *expr = when(*filter.clone(), std::mem::take(expr)).end()?;
            any = true;
        }
    }
    let call = Expr::AggregateFunction(AggregateFunction { func, params });
    Ok(if any { Transformed::yes(call) } else { Transformed::no(call) })
}

/// Whether there may be rows on which an expression fails.
pub(crate) fn may_fail(expr: &Expr, input: &DFSchema) -> Result<bool> {
    let compares = |op: Operator| op.supports_propagation() || matches!(op, Operator::And | Operator::Or);
    expr.exists(|part| {
        Ok(match part {
            Expr::BinaryExpr(BinaryExpr { op, .. }) => !compares(*op),
            Expr::Cast(cast) => loses(&cast.expr, cast.field.data_type(), input),
            Expr::Column(_) | Expr::OuterReferenceColumn(..) | Expr::Literal(..) => false,
            Expr::Alias(_) | Expr::Not(_) => false,
            Expr::IsNull(_) | Expr::IsNotNull(_) | Expr::Between(_) | Expr::InList(_) => false,
            _ => true,
        })
    })
}
