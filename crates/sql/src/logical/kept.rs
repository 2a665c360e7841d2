//! What several joins read of one row, and what may fail: `kept(x)` is `x`, computed once, by a Map that all of them read.
//!
//! A comparison with a subquery is asked in two questions, whether it is true and whether it is unknown (`unnest/truth.rs`); each
//! would compute what is compared, `ALL` for every pair of rows, and a row that fails would fail in each of them.

use std::sync::Arc;

use datafusion_common::Result;
use datafusion_expr::utils::split_conjunction;
use datafusion_expr::{Expr, LogicalPlan, Volatility};

use super::filtered::may_fail;
use crate::functions::marker::{Marker, first};

/// Volatile, so that it is computed where it stands: below the joins that read it.
pub(crate) static KEPT: Marker = Marker {
    name: "__kept",
    args: 1,
    of: 0,
    nullable: false,
    closed: false,
    volatility: Volatility::Volatile,
    eval: first,
};

/// The call.
pub(crate) fn call(expr: Expr) -> Expr {
    KEPT.call(vec![expr])
}

/// Whether an expression, or what has a name of its own, is the call.
pub(crate) fn is(expr: &Expr) -> bool {
    match expr {
        Expr::Alias(alias) => is(&alias.expr),
        other => KEPT.within(other).is_some(),
    }
}

/// What is kept, where that is what an expression is.
pub(crate) fn inner(expr: Expr) -> Expr {
    match KEPT.within(&expr) {
        Some([inner]) => inner.clone(),
        _ => expr,
    }
}

/// Whether rows of a plan may fail on their way from what holds or groups rows.
pub(crate) fn rows_may_fail(plan: &LogicalPlan) -> Result<bool> {
    let (exprs, input): (Vec<&Expr>, &Arc<LogicalPlan>) = match plan {
        LogicalPlan::Projection(projection) => (projection.expr.iter().collect(), &projection.input),
        LogicalPlan::Filter(filter) => (split_conjunction(&filter.predicate), &filter.input),
        LogicalPlan::SubqueryAlias(alias) => (Vec::new(), &alias.input),
        LogicalPlan::Sort(sort) => (Vec::new(), &sort.input),
        LogicalPlan::Union(union) => {
            for input in &union.inputs {
                if rows_may_fail(input)? {
                    return Ok(true);
                }
            }
            return Ok(false);
        }
        _ => return Ok(false),
    };
    for expr in exprs {
        // What asks a subquery is a join.
        if !super::unnest::asks(expr) && may_fail(expr, input.schema())? {
            return Ok(true);
        }
    }
    rows_may_fail(input)
}
