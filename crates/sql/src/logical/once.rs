//! Aggregates that have become equal are computed once: `COUNT(*) FILTER (WHERE i > 1)` and `COUNT(*) FILTER (WHERE 1 < i)`. The
//! library's rule for what is common would lose the names of those beside them.

use std::sync::Arc;

use datafusion_common::Result;
use datafusion_common::tree_node::Transformed;
use datafusion_expr::{Aggregate, Expr, LogicalPlan, Projection};
use datafusion_optimizer::optimizer::ApplyOrder;
use datafusion_optimizer::{OptimizerConfig, OptimizerRule};

/// The rule, for all groupings of a plan.
#[derive(Debug)]
pub(crate) struct Once;

impl OptimizerRule for Once {
    fn name(&self) -> &str {
        "once"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::BottomUp)
    }

    fn rewrite(&self, plan: LogicalPlan, _: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        let LogicalPlan::Aggregate(aggregate) = &plan else { return Ok(Transformed::no(plan)) };
        let calls: Vec<Expr> = aggregate.aggr_expr.iter().map(|call| call.clone().unalias_nested().data).collect();
        // Which calls stay, and per call the place of the one that it equals among them.
        let (mut kept, mut places): (Vec<usize>, Vec<usize>) = (Vec::new(), Vec::new());
        for (at, call) in calls.iter().enumerate() {
            let equal = kept.iter().position(|&earlier| calls[earlier] == *call);
            places.push(equal.unwrap_or(kept.len()));
            if equal.is_none() {
                kept.push(at);
            }
        }
        if kept.len() == calls.len() {
            return Ok(Transformed::no(plan));
        }
        let keys = aggregate.schema.fields().len() - calls.len();
        let kept = kept.into_iter().map(|at| aggregate.aggr_expr[at].clone()).collect();
        let once = Aggregate::try_new(Arc::clone(&aggregate.input), aggregate.group_expr.clone(), kept)?;
        let columns = once.schema.columns();
        let shown = aggregate.schema.iter().enumerate().map(|(at, (qualifier, field))| {
            let from = at.checked_sub(keys).map_or(at, |call| keys + places[call]);
            Expr::Column(columns[from].clone()).alias_qualified(qualifier.cloned(), field.name())
        });
        let shown = shown.collect();
        let once = Arc::new(LogicalPlan::Aggregate(once));
        let projection = Projection::try_new_with_schema(shown, once, Arc::clone(&aggregate.schema))?;
        Ok(Transformed::yes(LogicalPlan::Projection(projection)))
    }
}
