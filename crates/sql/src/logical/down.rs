//! Filters below what they do not depend on: the library's rule, but where it would lose a row.
//!
//! A condition without columns (`HAVING FALSE`, and what is left of `WHERE 1 = 2` around a subquery) goes below any grouping by
//! that rule. A grouping without keys, and one of grouping sets, has a row of nothing too, which the condition is asked about:
//! there it stays above.
//!
//! Of two filters the inner one is asked first, and of `a AND b` the condition on the left: `UPPER(kind) = 'N' AND CAST(x AS INT) > 3`
//! fails for no row of another kind. The rule by itself asks what looks cheap first.
//!
//! A condition that would become long by what it reads stays above it.

use std::sync::Arc;

use datafusion_common::tree_node::Transformed;
use datafusion_common::{DFSchema, Result};
use datafusion_expr::utils::{conjunction, split_conjunction_owned};
use datafusion_expr::{Aggregate, Expr, Filter, Join, LogicalPlan};
use datafusion_optimizer::optimizer::ApplyOrder;
use datafusion_optimizer::push_down_filter::PushDownFilter;
use datafusion_optimizer::{OptimizerConfig, OptimizerRule};

use super::filtered::may_fail;
use super::growth::grows;

/// The rule.
#[derive(Debug, Default)]
pub(crate) struct Down(PushDownFilter);

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
        let conditions: Vec<Expr> = filters.into_iter().rev().flat_map(split_conjunction_owned).collect();
        let stays = |condition: &Expr| match input.as_ref() {
            LogicalPlan::Aggregate(aggregate) if of_nothing(aggregate) && condition.column_refs().is_empty() => true,
            LogicalPlan::Aggregate(aggregate) => grows(condition, &aggregate.group_expr, &aggregate.schema),
            LogicalPlan::Projection(projection) => grows(condition, &projection.expr, &projection.schema),
            _ => false,
        };
        let (stay, go): (Vec<Expr>, Vec<Expr>) = conditions.into_iter().partition(stays);
        let moved = if ordered(&go, input.schema())? {
            self.in_turn(go, input, config)?
        } else {
            match conjunction(go) {
                Some(condition) => self.0.rewrite(LogicalPlan::Filter(Filter::try_new(condition, input)?), config)?,
                None => Transformed::no(Arc::unwrap_or_clone(input)),
            }
        };
        moved.map_data(|plan| filtered(stay, plan))
    }
}

impl Down {
    /// Moves one condition after the other, so that the rule has none to reorder.
    fn in_turn(
        &self,
        conditions: Vec<Expr>,
        input: Arc<LogicalPlan>,
        config: &dyn OptimizerConfig,
    ) -> Result<Transformed<LogicalPlan>> {
        // Conditions of ON come before those of WHERE.
        let input = Arc::unwrap_or_clone(input);
        let mut moved = match input {
            LogicalPlan::Join(_) => self.0.rewrite(input, config)?,
            input => Transformed::no(input),
        };
        let mut above = Vec::new();
        for condition in conditions {
            let before = of_join(&moved.data);
            let filter = Filter::try_new(condition, Arc::new(moved.data))?;
            let next = self.0.rewrite(LogicalPlan::Filter(filter), config)?;
            moved = Transformed { transformed: moved.transformed || next.transformed, ..next };
            if let LogicalPlan::Filter(filter) = moved.data {
                above.extend(split_conjunction_owned(filter.predicate));
                moved.data = Arc::unwrap_or_clone(filter.input);
            }
            if let LogicalPlan::Join(Join { filter: Some(filter), .. }) = &mut moved.data {
                let (old, new): (Vec<Expr>, Vec<Expr>) = split_conjunction_owned(filter.clone())
                    .into_iter()
                    .partition(|condition| before.contains(condition));
                *filter = conjunction(old.into_iter().chain(new)).unwrap_or_else(|| filter.clone());
            }
        }
        moved.map_data(|plan| filtered(above, plan))
    }
}

fn filtered(conditions: Vec<Expr>, plan: LogicalPlan) -> Result<LogicalPlan> {
    Ok(match conjunction(conditions) {
        Some(condition) => LogicalPlan::Filter(Filter::try_new(condition, Arc::new(plan))?),
        None => plan,
    })
}

/// Whether it shows which of the conditions is asked first.
fn ordered(conditions: &[Expr], input: &DFSchema) -> Result<bool> {
    Ok(conditions.len() > 1
        && conditions.iter().map(|condition| may_fail(condition, input)).collect::<Result<Vec<_>>>()?.contains(&true))
}

/// The conditions of a join but those that find its partners.
fn of_join(plan: &LogicalPlan) -> Vec<Expr> {
    match plan {
        LogicalPlan::Join(Join { filter: Some(filter), .. }) => split_conjunction_owned(filter.clone()),
        _ => Vec::new(),
    }
}

/// Whether a grouping has a row where its input has none.
fn of_nothing(aggregate: &Aggregate) -> bool {
    matches!(aggregate.group_expr.as_slice(), [] | [Expr::GroupingSet(_)])
}
