//! Filters below what they do not depend on: the library's rule, but where it would lose a row.
//!
//! A condition without columns (`HAVING FALSE`, and what is left of `WHERE 1 = 2` around a subquery) goes below any grouping by
//! that rule. A grouping without keys, and one of grouping sets, has a row of nothing too, which the condition is asked about:
//! there it stays above. Of two filters the inner one is asked first.

use std::sync::Arc;

use datafusion_common::Result;
use datafusion_common::tree_node::Transformed;
use datafusion_expr::utils::{conjunction, split_conjunction_owned};
use datafusion_expr::{Aggregate, Expr, Filter, LogicalPlan};
use datafusion_optimizer::optimizer::ApplyOrder;
use datafusion_optimizer::push_down_filter::PushDownFilter;
use datafusion_optimizer::{OptimizerConfig, OptimizerRule};

/// The rule.
#[derive(Debug, Default)]
pub(super) struct Down(PushDownFilter);

impl OptimizerRule for Down {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        self.0.apply_order()
    }

    fn rewrite(&self, plan: LogicalPlan, config: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        let LogicalPlan::Filter(filter) = plan else { return self.0.rewrite(plan, config) };
        // The rule itself looks through filters that stand on one another, and asks the outer one first: that fails for rows
        // which the inner one leaves out.
        let (mut filters, mut input) = (vec![filter.predicate], filter.input);
        while let LogicalPlan::Filter(inner) = input.as_ref() {
            filters.push(inner.predicate.clone());
            input = Arc::clone(&inner.input);
        }
        let conditions = filters.into_iter().rev().flat_map(split_conjunction_owned);
        let (stay, go): (Vec<Expr>, Vec<Expr>) = match input.as_ref() {
            LogicalPlan::Aggregate(aggregate) if of_nothing(aggregate) => {
                conditions.partition(|condition| condition.column_refs().is_empty())
            }
            _ => (Vec::new(), conditions.collect()),
        };
        let moved = match conjunction(go) {
            Some(condition) => self.0.rewrite(LogicalPlan::Filter(Filter::try_new(condition, input)?), config)?,
            None => Transformed::no(Arc::unwrap_or_clone(input)),
        };
        match conjunction(stay) {
            Some(condition) => {
                moved.map_data(|plan| Ok(LogicalPlan::Filter(Filter::try_new(condition, Arc::new(plan))?)))
            }
            None => Ok(moved),
        }
    }
}

/// Whether a grouping has a row where its input has none.
fn of_nothing(aggregate: &Aggregate) -> bool {
    matches!(aggregate.group_expr.as_slice(), [] | [Expr::GroupingSet(_)])
}
