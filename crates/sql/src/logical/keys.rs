//! The keys of joins: equalities of one side with the other become keys.
//!
//! A join compares all its keys in one way: NULLs are equal, or nothing is equal to NULL. The library's rule adds keys of one
//! way to a join of the other, and makes joins of the second way before rules that take inner joins apart and know the first
//! way only. So here only `=` becomes a key, of joins that take it as it is meant; and once all rules are done a join
//! without keys takes those that are equal NULLs too (`IS NOT DISTINCT FROM`).

use datafusion_common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion_common::{NullEquality, Result};
use datafusion_expr::utils::{conjunction, split_conjunction_owned};
use datafusion_expr::{Join, LogicalPlan};
use datafusion_optimizer::optimizer::ApplyOrder;
use datafusion_optimizer::{OptimizerConfig, OptimizerRule};

use super::unnest::sided;

/// The rule.
#[derive(Debug)]
pub(crate) struct Keys;

impl OptimizerRule for Keys {
    fn name(&self) -> &str {
        "keys"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::BottomUp)
    }

    fn rewrite(&self, plan: LogicalPlan, _: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        match plan {
            LogicalPlan::Join(join) if join.null_equality == NullEquality::NullEqualsNothing => Ok(keyed(join, false)),
            plan => Ok(Transformed::no(plan)),
        }
    }
}

/// Gives keys that are equal NULLs too to joins that have none.
pub(crate) fn with_nulls(plan: LogicalPlan) -> Result<LogicalPlan> {
    let step = |plan| match plan {
        LogicalPlan::Join(join) if join.on.is_empty() => {
            let keyed = keyed(join, true);
            Ok(keyed.update_data(|plan| match plan {
                LogicalPlan::Join(join) if !join.on.is_empty() => {
                    LogicalPlan::Join(Join { null_equality: NullEquality::NullEqualsNull, ..join })
                }
                plan => plan,
            }))
        }
        plan => Ok(Transformed::no(plan)),
    };
    plan.transform_up(step).data()
}

/// The join with those of its conditions as keys that compare its sides, NULLs being equal or not.
fn keyed(join: Join, nulls: bool) -> Transformed<LogicalPlan> {
    let Some(filter) = join.filter.clone() else { return Transformed::no(LogicalPlan::Join(join)) };
    let (mut on, mut rest) = (join.on.clone(), Vec::new());
    for condition in split_conjunction_owned(filter) {
        match sided(&condition, &join.left, &join.right) {
            Some((left, right, equal)) if equal == nulls => on.push((left, right)),
            _ => rest.push(condition),
        }
    }
    if on.len() == join.on.len() {
        return Transformed::no(LogicalPlan::Join(join));
    }
    Transformed::yes(LogicalPlan::Join(Join { on, filter: conjunction(rest), ..join }))
}
