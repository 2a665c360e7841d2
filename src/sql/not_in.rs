//! `x NOT IN (SELECT y ...)` in SQL's three-valued logic, as two anti joins that say yes and no only.
//!
//! A row passes unless some `y` equals its `x`, or some `y` is NULL, or its `x` is NULL and there is any `y` at all. The
//! last two ask a relation of two rows at most: whether there are values, and whether there are NULLs. That second join
//! is of all rows, on one worker. Where neither side can be NULL the planner makes one anti join, by key. Correlated
//! subqueries are left as they are, and refused when they are lowered.

use std::sync::Arc;

use datafusion_common::Result;
use datafusion_common::tree_node::{Transformed, TreeNode};
use datafusion_expr::expr::InSubquery;
use datafusion_expr::utils::{conjunction, split_conjunction};
use datafusion_expr::{Expr, ExprSchemable, Filter, JoinType, LogicalPlan, LogicalPlanBuilder, ident};
use datafusion_optimizer::optimizer::ApplyOrder;
use datafusion_optimizer::{OptimizerConfig, OptimizerRule};

/// The rule, for conjuncts of WHERE and HAVING.
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
        let (mut found, mut others) = (Vec::new(), Vec::new());
        for conjunct in split_conjunction(&filter.predicate) {
            match conjunct {
                Expr::InSubquery(within) if taken(within, &filter.input)? => found.push(within.clone()),
                other => others.push(other.clone()),
            }
        }
        if found.is_empty() {
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

/// Whether it is a NOT IN that asks for three values, of a subquery that stands by itself.
fn taken(within: &InSubquery, input: &LogicalPlan) -> Result<bool> {
    let nullable = within.expr.nullable(input.schema())? || within.subquery.subquery.schema().field(0).is_nullable();
    let outer = |expr: &Expr| Ok(matches!(expr, Expr::OuterReferenceColumn(..)));
    Ok(within.negated && nullable && within.subquery.outer_ref_columns.is_empty() && !within.expr.exists(outer)?)
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
