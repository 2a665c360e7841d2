//! A subquery apart from the row outside: for every row outside its rows are those of `plan` for which `on` holds.
//!
//! Filters, projections and inner joins let conditions on the row outside pass upwards as they are. What groups, ranks or
//! looks for partners needs them as equalities with columns (`domain.rs`), and passes those on (`nodes.rs`).

use std::sync::Arc;

use datafusion_common::{JoinType, NullEquality, Result};
use datafusion_expr::utils::split_conjunction_owned;
use datafusion_expr::{BinaryExpr, Expr, Filter, Join, LogicalPlan, Operator};

use super::columns::{Values, bound_by, column_of, joined, outside, reads};
use super::{Unnest, only, refused, truth};
use crate::logical::kept;
use crate::logical::scope::projected;

/// A plan that reads nothing outside, and what belongs to the row outside. In conditions and values the columns of the row
/// outside are still references to it.
pub(super) struct Pulled {
    pub(super) plan: LogicalPlan,
    /// What holds of a row of the plan and the row outside that it belongs to.
    pub(super) on: Vec<Expr>,
    /// What the columns of the subquery have become.
    pub(super) values: Vec<Expr>,
}

impl Pulled {
    /// A plan that has nothing to do with rows outside.
    pub(super) fn apart(plan: LogicalPlan) -> Pulled {
        let values = plan.schema().columns().into_iter().map(Expr::Column).collect();
        Pulled { plan, on: Vec::new(), values }
    }
}

impl Unnest<'_> {
    /// Pulls a plan apart from the rows of `outer`.
    pub(super) fn pull(&mut self, plan: LogicalPlan, outer: &LogicalPlan) -> Result<Pulled> {
        if !bound_by(&plan, outer)? {
            return Ok(Pulled::apart(plan));
        }
        match plan {
            LogicalPlan::Projection(projection) => {
                let columns = projection.input.schema().columns();
                let below = self.pull(Arc::unwrap_or_clone(projection.input), outer)?;
                let put = Values::new(&columns, &below.values);
                let (mut values, mut own) = (Vec::new(), Vec::new());
                for expr in projection.expr {
                    let value = put.put(expr.unalias())?;
                    values.push(match kept::is(&value) {
                        // What reads the row outside is of a pair.
                        true if reads(&value, outer)? => kept::inner(value),
                        true => {
                            let named = self.fresh.named(value, "value");
                            let column = column_of(&named);
                            own.push(named);
                            Expr::Column(column)
                        }
                        false => value,
                    });
                }
                if own.is_empty() {
                    return Ok(Pulled { values, ..below });
                }
                let columns = below.plan.schema().columns().into_iter().map(Expr::Column);
                let plan = projected(below.plan.clone(), columns.chain(own).collect())?;
                Ok(Pulled { plan, values, ..below })
            }
            LogicalPlan::Filter(filter) => {
                let columns = filter.input.schema().columns();
                let mut below = self.pull(Arc::unwrap_or_clone(filter.input), outer)?;
                let put = Values::new(&columns, &below.values);
                let mut own = Vec::new();
                for condition in split_conjunction_owned(filter.predicate) {
                    let (condition, first) = truth::asked_first(put.put(condition)?);
                    match reads(&condition, outer)? {
                        true if first => {
                            let asks = split_conjunction_owned(condition).into_iter();
                            let asks = asks.map(|ask| truth::certain(ask, outer, &below.plan));
                            let asks = asks.collect::<Result<Vec<_>>>()?;
                            let guards = below.on.iter().take_while(|on| truth::is_guard(on)).count();
                            drop(below.on.splice(guards..guards, asks));
                        }
                        true => below.on.push(condition),
                        false => own.push(condition),
                    }
                }
                if let Some(own) = datafusion_expr::utils::conjunction(own) {
                    below.plan = LogicalPlan::Filter(Filter::try_new(own, Arc::new(below.plan))?);
                }
                Ok(below)
            }
            LogicalPlan::Join(join) => self.pull_join(join, outer),
            // Without a limit an order says nothing.
            LogicalPlan::Sort(sort) => self.pull(Arc::unwrap_or_clone(sort.input), outer),
            LogicalPlan::Limit(limit) => self.pull_limit(limit, outer),
            LogicalPlan::Aggregate(aggregate) => self.pull_group(aggregate, outer),
            LogicalPlan::Distinct(distinct) => self.pull_distinct(distinct, outer),
            LogicalPlan::Union(union) => self.pull_union(union, outer),
            LogicalPlan::Window(window) => self.pull_window(window, outer),
            LogicalPlan::Values(values) => self.pull_values(values, outer),
            LogicalPlan::Extension(extension) => self.pull_extension(extension, outer),
            LogicalPlan::RecursiveQuery(_) => refused(
                "a recursion reads a row outside of its query",
                "let it run for all of them: carry the outer column through WITH RECURSIVE, and join its result",
            ),
            _ => refused("a subquery reads the row outside where it cannot", super::columns::HINT),
        }
    }

    fn pull_join(&mut self, join: Join, outer: &LogicalPlan) -> Result<Pulled> {
        match join.join_type {
            JoinType::Inner => self.pull_inner(join, outer),
            JoinType::Left | JoinType::LeftSemi | JoinType::LeftAnti | JoinType::LeftMark => {
                self.pull_left(join, outer)
            }
            JoinType::Full => self.pull_full(join, outer),
            kind => {
                let shown = join.schema.columns();
                let on = join.on.into_iter().map(|(l, r)| (r, l)).collect();
                let (left, right, constraint) = (join.right, join.left, join.join_constraint);
                let nulls = join.null_equality;
                let swapped = Join::try_new(left, right, on, join.filter, kind.swap(), constraint, nulls, false)?;
                self.pull(only(LogicalPlan::Join(swapped), shown)?, outer)
            }
        }
    }

    fn pull_inner(&mut self, join: Join, outer: &LogicalPlan) -> Result<Pulled> {
        let (columns, conditions) = (join.schema.columns(), conditions(&join));
        let left = self.pull(Arc::unwrap_or_clone(join.left), outer)?;
        let right = self.pull(Arc::unwrap_or_clone(join.right), outer)?;
        let values: Vec<Expr> = left.values.into_iter().chain(right.values).collect();
        let put = Values::new(&columns, &values);
        let (mut on, mut own) = ([left.on, right.on].concat(), Vec::new());
        for condition in conditions {
            let condition = put.put(condition)?;
            if reads(&condition, outer)? { on.push(condition) } else { own.push(condition) }
        }
        Ok(Pulled { plan: joined(left.plan, right.plan, own, JoinType::Inner)?, on, values })
    }

    /// A join that shows rows of its left side without a partner, or does not show partners: what is known of the row
    /// outside has to be known where partners are looked for.
    fn pull_left(&mut self, join: Join, outer: &LogicalPlan) -> Result<Pulled> {
        let (kind, shown, conditions) = (join.join_type, join.schema.columns(), conditions(&join));
        let (left_columns, right_columns) = (join.left.schema().columns(), join.right.schema().columns());
        let mut read = outside(&join.right)?;
        for condition in &conditions {
            super::columns::outer_columns(condition, &mut read)?;
        }
        read.retain(|column| outer.schema().has_column(column));
        let mut left = self.pull(Arc::unwrap_or_clone(join.left), outer)?;
        let put = Values::new(&left_columns, &left.values);
        let mut asks = Vec::new();
        for condition in &conditions {
            asks.push(put.put(condition.clone())?);
        }
        let far =
            !read.is_empty() || asks.iter().map(|ask| reads(ask, outer)).collect::<Result<Vec<_>>>()?.contains(&true);
        let mut right = self.pull(Arc::unwrap_or_clone(join.right), outer)?;
        if far {
            let keyed = self.materialized(left, outer, read)?;
            right = self.with_values(right, outer)?;
            let mut known = Vec::new();
            for ask in conditions {
                known.push(Values::new(&left_columns, &keyed.values).put(ask)?);
            }
            known.extend(std::mem::take(&mut right.on));
            asks = known.into_iter().map(|ask| keyed.inside(ask)).collect::<Result<_>>()?;
            left = keyed.pulled();
        }
        let put = Values::new(&right_columns, &right.values);
        let asks = asks.into_iter().map(|ask| put.put(ask)).collect::<Result<Vec<_>>>()?;
        let mut values = left.values;
        match kind {
            JoinType::Left => values.extend(right.values),
            JoinType::LeftMark => values.extend(shown.last().cloned().map(Expr::Column)),
            _ => {}
        }
        let mut plan = joined(left.plan, right.plan, asks, kind)?;
        if kind == JoinType::LeftMark {
            plan = self.marked(plan, &mut values)?;
        }
        Ok(Pulled { plan, on: left.on, values })
    }

    /// The mark of a join under a name of its own.
    fn marked(&mut self, plan: LogicalPlan, values: &mut [Expr]) -> Result<LogicalPlan> {
        let mut exprs: Vec<Expr> = plan.schema().columns().into_iter().map(Expr::Column).collect();
        if let Some((mark, last)) = exprs.pop().zip(values.last_mut()) {
            let named = self.fresh.named(mark, "__exists");
            *last = Expr::Column(column_of(&named));
            exprs.push(named);
        }
        projected(plan, exprs)
    }

    /// Both sides of a full join for every row outside, joined on it too.
    fn pull_full(&mut self, join: Join, outer: &LogicalPlan) -> Result<Pulled> {
        let (columns, conditions) = (join.schema.columns(), conditions(&join));
        let mut read = outside(&LogicalPlan::Join(join.clone()))?;
        read.retain(|column| outer.schema().has_column(column));
        let left = self.pull(Arc::unwrap_or_clone(join.left), outer)?;
        let left = self.materialized(left, outer, read.clone())?;
        let right = self.pull(Arc::unwrap_or_clone(join.right), outer)?;
        let right = self.materialized(right, outer, read)?;
        let values: Vec<Expr> = left.values.iter().chain(&right.values).cloned().collect();
        let put = Values::new(&columns, &values);
        let mut asks = Vec::new();
        for condition in conditions {
            asks.push(left.inside(put.put(condition)?)?);
        }
        let mut exprs: Vec<Expr> = Vec::new();
        let mut on = Vec::new();
        for (outer, own) in &left.domain {
            let Some((_, theirs)) = right.domain.iter().find(|(column, _)| column == outer) else { continue };
            let (own, theirs) = (Expr::Column(own.clone()), Expr::Column(theirs.clone()));
            asks.push(same(own.clone(), theirs.clone()));
            let either = datafusion_functions::core::expr_fn::coalesce(vec![own, theirs]);
            let named = self.fresh.named(either, &outer.name);
            on.push((outer.clone(), column_of(&named)));
            exprs.push(named);
        }
        let known = left.on(on);
        let plan = joined(left.plan, right.plan, asks, JoinType::Full)?;
        exprs.extend(plan.schema().columns().into_iter().map(Expr::Column));
        Ok(Pulled { plan: projected(plan, exprs)?, on: known, values })
    }
}

/// The conditions of a join, keys among them.
fn conditions(join: &Join) -> Vec<Expr> {
    let nulls = join.null_equality == NullEquality::NullEqualsNull;
    let key = |(l, r): &(Expr, Expr)| if nulls { same(l.clone(), r.clone()) } else { l.clone().eq(r.clone()) };
    let rest = join.filter.clone().map(split_conjunction_owned).unwrap_or_default();
    join.on.iter().map(key).chain(rest).collect()
}

/// Equal, NULLs too.
pub(super) fn same(left: Expr, right: Expr) -> Expr {
    Expr::BinaryExpr(BinaryExpr { left: Box::new(left), op: Operator::IsNotDistinctFrom, right: Box::new(right) })
}
