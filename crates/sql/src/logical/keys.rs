//! The keys of joins: equalities of one side with the other become keys.
//!
//! A join compares all its keys in one way: NULLs are equal, or nothing is equal to NULL. The library's rule adds keys of one
//! way to a join of the other, and makes joins of the second way before rules that take inner joins apart and know the first
//! way only. So here only `=` becomes a key, of joins that take it as it is meant; and once all rules are done a join
//! without keys takes those that are equal NULLs too (`IS NOT DISTINCT FROM`).
//!
//! A key is computed for each row of its side. Where a side's rows are of a result without a partner too, one whose key fails has none,
//! and what computes the key tells of it (`TOLD`). Conditions on the side that are written before the key guard it: where they are not
//! true there is no partner either way, and nothing to fail: `t LEFT JOIN u ON t.v <> 0 AND u.id = 10 / t.v`. Of other joins such
//! conditions are asked below.

use datafusion_common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion_common::{DataFusionError, JoinType, NullEquality, Result};
use datafusion_expr::utils::{conjunction, split_conjunction_owned};
use datafusion_expr::{Expr, Join, LogicalPlan, when};
use datafusion_optimizer::optimizer::ApplyOrder;
use datafusion_optimizer::{OptimizerConfig, OptimizerRule};

use super::filtered::may_fail;
use super::unnest::{of_side, sided};
use crate::functions::attempt::TOLD;

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
            LogicalPlan::Join(join) if join.null_equality == NullEquality::NullEqualsNothing => keyed(join, false),
            plan => Ok(Transformed::no(plan)),
        }
    }
}

/// Gives keys that are equal NULLs too to joins that have none.
pub(crate) fn with_nulls(plan: LogicalPlan) -> Result<LogicalPlan> {
    let step = |plan| match plan {
        LogicalPlan::Join(join) if join.on.is_empty() => Ok(keyed(join, true)?.update_data(|plan| match plan {
            LogicalPlan::Join(join) if !join.on.is_empty() => {
                LogicalPlan::Join(Join { null_equality: NullEquality::NullEqualsNull, ..join })
            }
            plan => plan,
        })),
        plan => Ok(Transformed::no(plan)),
    };
    plan.transform_up(step).data()
}

/// The join with those of its conditions as keys that compare its sides, NULLs being equal or not.
fn keyed(join: Join, nulls: bool) -> Result<Transformed<LogicalPlan>> {
    let Some(filter) = join.filter.clone() else { return Ok(Transformed::no(LogicalPlan::Join(join))) };
    let (mut on, mut rest) = (join.on.clone(), Vec::new());
    for condition in split_conjunction_owned(filter) {
        match sided(&condition, &join.left, &join.right) {
            Some((left, right, equal)) if equal == nulls => {
                on.push(alone(join.join_type, [&join.left, &join.right], (left, right), &rest)?);
            }
            _ => rest.push(condition),
        }
    }
    if on.len() == join.on.len() {
        return Ok(Transformed::no(LogicalPlan::Join(join)));
    }
    Ok(Transformed::yes(LogicalPlan::Join(Join { on, filter: conjunction(rest), ..join })))
}

/// A key of a join, behind the conditions `before`, of whose sides rows may be left alone.
pub(crate) fn alone(
    kind: JoinType,
    sides: [&LogicalPlan; 2],
    (left, right): (Expr, Expr),
    before: &[Expr],
) -> Result<(Expr, Expr)> {
    let stays = match kind {
        JoinType::Left | JoinType::LeftAnti | JoinType::LeftMark => [true, false],
        JoinType::Right | JoinType::RightAnti | JoinType::RightMark => [false, true],
        JoinType::Full => [true, true],
        JoinType::Inner | JoinType::LeftSemi | JoinType::RightSemi => [false, false],
    };
    let told = |key: Expr, side: usize| {
        if !stays[side] || !may_fail(&key, sides[side].schema())? {
            return Ok(key);
        }
        let guard = conjunction(before.iter().filter(|guard| of_side(guard, sides[side])).cloned());
        Ok::<Expr, DataFusionError>(TOLD.call(vec![match guard {
            Some(guard) => when(guard, key).end()?,
            None => key,
        }]))
    };
    Ok((told(left, 0)?, told(right, 1)?))
}
