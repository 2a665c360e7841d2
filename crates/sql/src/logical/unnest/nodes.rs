//! What groups, numbers or repeats the rows of a subquery does so for each row outside: by the columns that are equal to it.

use std::sync::Arc;

use datafusion_common::{Column, DFSchema, JoinType, Result};
use datafusion_expr::expr::{GroupingSet, Sort};
use datafusion_expr::{
    Aggregate, Distinct, EmptyRelation, Expr, ExprSchemable, Extension, FetchType, Limit, LogicalPlan, Projection,
    SkipType, Union, UserDefinedLogicalNodeCore, Window,
};

use super::attach::is_one_at_most;
use super::columns::{Values, column_of, joined, outer_columns, outside, reads};
use super::domain::Keyed;
use super::pull::Pulled;
use super::{Unnest, first_rows, refused};
use crate::logical::aggregate_call::Bound;
use crate::logical::scope::projected;
use crate::logical::unnest_node::UnnestNode;
use crate::logical::window_node::{WindowKind, WindowNode};
use crate::syntax::set_all::RepeatNode;

fn is_aggregate(expr: &Expr) -> bool {
    matches!(expr.clone().unalias(), Expr::AggregateFunction(_))
}

impl Unnest<'_> {
    /// The groups of an aggregate for each row outside, which are told apart by its keys.
    pub(super) fn keyed_group(&mut self, aggregate: Aggregate, outer: &LogicalPlan) -> Result<Keyed> {
        let columns = aggregate.input.schema().columns();
        let below = self.pull(Arc::unwrap_or_clone(aggregate.input), outer)?;
        let mut read = Vec::new();
        for expr in aggregate.group_expr.iter().chain(&aggregate.aggr_expr) {
            outer_columns(expr, &mut read)?;
            if is_aggregate(expr) && reads(expr, outer)? && expr.column_refs().is_empty() {
                return refused(
                    "an aggregate of the row outside alone is one of the query outside",
                    "write x * (SELECT COUNT(*) ...) for SUM(x) of the rows inside",
                );
            }
        }
        read.retain(|column| outer.schema().has_column(column));
        let put = |expr: &Expr, values: &[Expr]| Values::new(&columns, values).put(expr.clone());
        let (keyed, groups, calls) = if read.is_empty() {
            let keyed = self.keyed(below, outer)?;
            let all = |exprs: &[Expr]| exprs.iter().map(|expr| put(expr, &keyed.values)).collect::<Result<Vec<_>>>();
            let (groups, calls) = (all(&aggregate.group_expr)?, all(&aggregate.aggr_expr)?);
            (keyed, groups, calls)
        } else {
            let rows = self.materialized(below, outer, read)?;
            let all = |exprs: &[Expr]| {
                exprs.iter().map(|expr| rows.inside(put(expr, &rows.values)?)).collect::<Result<Vec<_>>>()
            };
            let (groups, calls) = (all(&aggregate.group_expr)?, all(&aggregate.aggr_expr)?);
            (rows.keyed(), groups, calls)
        };
        let keys: Vec<Expr> = keyed.keys.iter().cloned().map(Expr::Column).collect();
        let added = |groups: &[Expr]| {
            let more = keys.iter().filter(|key| !groups.contains(key)).cloned();
            groups.iter().cloned().chain(more).collect::<Vec<_>>()
        };
        let sets = matches!(groups.as_slice(), [Expr::GroupingSet(_)]);
        let written =
            datafusion_expr::utils::grouping_set_to_exprlist(&groups)?.into_iter().cloned().collect::<Vec<_>>();
        let all = match groups.as_slice() {
            [Expr::GroupingSet(_)] => {
                let Expr::GroupingSet(set) = datafusion_expr::utils::enumerate_grouping_sets(groups)?.swap_remove(0)
                else {
                    return datafusion_common::internal_err!("sets of keys");
                };
                let GroupingSet::GroupingSets(sets) = set else {
                    return refused("ROLLUP and CUBE of a subquery that reads the row outside", "write GROUPING SETS");
                };
                vec![Expr::GroupingSet(GroupingSet::GroupingSets(sets.iter().map(|set| added(set)).collect()))]
            }
            groups => added(groups),
        };
        // What counts has an answer of nothing; other functions answer NULL.
        let mut nothing = Vec::new();
        for call in &calls {
            let Expr::AggregateFunction(function) = call.clone().unalias() else {
                nothing.push(None);
                continue;
            };
            let value = match Bound::of(&function.func) {
                Some(_) => function.func.default_value(&call.get_type(keyed.plan.schema())?)?,
                None => datafusion_common::ScalarValue::Null,
            };
            nothing.push((!value.is_null()).then_some(value));
        }
        let plan = LogicalPlan::Aggregate(Aggregate::try_new(Arc::new(keyed.plan), all, calls)?);
        let own = plan.schema().columns();
        let mut values: Vec<Expr> = Vec::new();
        for group in &written {
            values.push(Expr::Column(column_of(group)));
        }
        if sets {
            values.push(Expr::Column(Column::from_name(Aggregate::INTERNAL_GROUPING_ID)));
        }
        for (column, nothing) in own[own.len() - nothing.len()..].iter().zip(nothing) {
            let column = Expr::Column(column.clone());
            values.push(match nothing {
                Some(value) if aggregate.group_expr.is_empty() => {
                    datafusion_functions::core::expr_fn::coalesce(vec![column, Expr::Literal(value, None)])
                }
                _ => column,
            });
        }
        Ok(Keyed { plan, keys: keyed.keys, on: keyed.on, values })
    }

    pub(super) fn pull_group(&mut self, aggregate: Aggregate, outer: &LogicalPlan) -> Result<Pulled> {
        let always = aggregate.group_expr.is_empty();
        let keyed = self.keyed_group(aggregate, outer)?;
        let Keyed { plan, on, values, .. } = keyed;
        if !always {
            return Ok(Pulled { plan, on, values });
        }
        // A group for every row outside, also of nothing.
        let one =
            LogicalPlan::EmptyRelation(EmptyRelation { produce_one_row: true, schema: Arc::new(DFSchema::empty()) });
        let mut read = Vec::new();
        for condition in &on {
            outer_columns(condition, &mut read)?;
        }
        let all = self.materialized(Pulled::apart(one), outer, read)?;
        let on = on.into_iter().map(|condition| all.inside(condition)).collect::<Result<Vec<_>>>()?;
        let all = all.pulled();
        Ok(Pulled { plan: joined(all.plan, plan, on, JoinType::Left)?, on: all.on, values })
    }

    pub(super) fn pull_distinct(&mut self, distinct: Distinct, outer: &LogicalPlan) -> Result<Pulled> {
        let Distinct::All(input) = distinct else {
            return datafusion_common::internal_err!("DISTINCT ON is a ranking");
        };
        let below = self.pull(Arc::unwrap_or_clone(input), outer)?;
        let Keyed { plan, on, values, .. } = self.keyed(below, outer)?;
        Ok(Pulled { plan: LogicalPlan::Distinct(Distinct::All(Arc::new(plan))), on, values })
    }

    /// All branches for each row outside.
    pub(super) fn pull_union(&mut self, union: Union, outer: &LogicalPlan) -> Result<Pulled> {
        let shown = union.schema.columns();
        let mut read = Vec::new();
        for input in &union.inputs {
            read.extend(outside(input)?);
        }
        let mut kept: Vec<Column> = Vec::new();
        for column in read {
            if outer.schema().has_column(&column) && !kept.contains(&column) {
                kept.push(column);
            }
        }
        let (mut branches, mut first) = (Vec::new(), None);
        for input in union.inputs {
            let branch = self.pull(Arc::unwrap_or_clone(input), outer)?;
            let branch = self.materialized(branch, outer, kept.clone())?;
            let mut exprs: Vec<Expr> = branch
                .domain
                .iter()
                .map(|(outer, own)| self.fresh.named(Expr::Column(own.clone()), &outer.name))
                .collect();
            for (value, column) in branch.values.iter().zip(&shown) {
                exprs.push(self.fresh.named(value.clone(), &column.name));
            }
            branches.push(Arc::new(projected(branch.plan.clone(), exprs)?));
            first.get_or_insert(branch);
        }
        let Some(first) = first else { return datafusion_common::internal_err!("a union has branches") };
        let plan = LogicalPlan::Union(Union::try_new_with_loose_types(branches)?);
        let mut exprs = Vec::new();
        for column in plan.schema().columns() {
            let name = column.name.clone();
            exprs.push(self.fresh.named(Expr::Column(column), &name));
        }
        let plan = projected(plan, exprs)?;
        let mut columns = plan.schema().columns();
        let values = columns.split_off(first.domain.len()).into_iter().map(Expr::Column).collect();
        let domain = first.domain.iter().map(|(outer, _)| outer.clone()).zip(columns).collect();
        Ok(Pulled { plan, on: first.on(domain), values })
    }

    pub(super) fn pull_window(&mut self, window: Window, outer: &LogicalPlan) -> Result<Pulled> {
        let columns = window.input.schema().columns();
        let below = self.pull(Arc::unwrap_or_clone(window.input), outer)?;
        let keyed = self.keyed(below, outer)?;
        let put = Values::new(&columns, &keyed.values);
        let mut exprs = Vec::new();
        for expr in window.window_expr {
            let (qualifier, name) = expr.qualified_name();
            let Expr::WindowFunction(mut call) = put.put(expr.unalias())? else {
                return datafusion_common::internal_err!("a window function that is no call");
            };
            call.params.partition_by.extend(keyed.keys.iter().cloned().map(Expr::Column));
            exprs.push(Expr::WindowFunction(call).alias_qualified(qualifier, name));
        }
        let count = exprs.len();
        let plan = LogicalPlan::Window(Window::try_new(exprs, Arc::new(keyed.plan))?);
        let own = plan.schema().columns();
        let computed = own[own.len() - count..].iter().cloned().map(Expr::Column);
        Ok(Pulled { values: keyed.values.into_iter().chain(computed).collect(), plan, on: keyed.on })
    }

    /// The first rows for each row outside.
    pub(super) fn pull_limit(&mut self, limit: Limit, outer: &LogicalPlan) -> Result<Pulled> {
        let (SkipType::Literal(skip), FetchType::Literal(fetch)) = (limit.get_skip_type()?, limit.get_fetch_type()?)
        else {
            return refused("LIMIT and OFFSET take numbers", "write LIMIT 10");
        };
        let number = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        match limit.input.as_ref() {
            input if skip == 0 && fetch != Some(0) && is_one_at_most(input) => self.pull(input.clone(), outer),
            LogicalPlan::Projection(projection) => {
                let below =
                    Arc::new(LogicalPlan::Limit(Limit { input: Arc::clone(&projection.input), ..limit.clone() }));
                let above = Projection::try_new(projection.expr.clone(), below)?;
                self.pull(LogicalPlan::Projection(above), outer)
            }
            LogicalPlan::Sort(sort) => {
                let Some(fetch) = fetch else {
                    return refused("OFFSET without LIMIT keeps no first rows", "write LIMIT n OFFSET m");
                };
                let columns = sort.input.schema().columns();
                let below = self.pull(sort.input.as_ref().clone(), outer)?;
                let keyed = self.keyed(below, outer)?;
                let put = Values::new(&columns, &keyed.values);
                let order = sort.expr.iter().map(|sort| Ok(sort.with_expr(put.put(sort.expr.clone())?)));
                let order = order.collect::<Result<Vec<Sort>>>()?;
                let keys = keyed.keys.iter().cloned().map(Expr::Column).collect();
                let bounds = (number(skip), number(skip.saturating_add(fetch)));
                let plan = first_rows(keyed.plan, keys, order, bounds, self.fresh)?;
                Ok(Pulled { plan, on: keyed.on, values: keyed.values })
            }
            _ => refused("without an order no rows are the first", "write ORDER BY x LIMIT n"),
        }
    }

    /// Rows that are written out: a branch each.
    pub(super) fn pull_values(
        &mut self,
        values: datafusion_expr::logical_plan::Values,
        outer: &LogicalPlan,
    ) -> Result<Pulled> {
        let columns = values.schema.columns();
        let mut branches = Vec::new();
        for row in values.values {
            let one = EmptyRelation { produce_one_row: true, schema: Arc::new(DFSchema::empty()) };
            let exprs = row.into_iter().zip(&columns).map(|(value, column)| self.fresh.named(value, &column.name));
            let exprs = exprs.collect::<Vec<_>>();
            branches.push(Arc::new(projected(LogicalPlan::EmptyRelation(one), exprs)?));
        }
        match <[Arc<LogicalPlan>; 1]>::try_from(branches) {
            Ok([one]) => self.pull(Arc::unwrap_or_clone(one), outer),
            Err(branches) => self.pull_union(Union::try_new_with_loose_types(branches)?, outer),
        }
    }

    pub(super) fn pull_extension(&mut self, extension: Extension, outer: &LogicalPlan) -> Result<Pulled> {
        let node = extension.node.as_any();
        if let Some(node) = node.downcast_ref::<RepeatNode>() {
            let below = self.pull(node.input.clone(), outer)?;
            let mut keyed = self.keyed(below, outer)?;
            let Some(times) = keyed.values.pop() else { return datafusion_common::internal_err!("a number of times") };
            let keys = keyed.keys.iter().cloned().map(Expr::Column).filter(|key| !keyed.values.contains(key));
            let shown: Vec<Expr> = keyed.values.iter().cloned().chain(keys).collect();
            let exprs = shown.iter().cloned().chain([self.fresh.named(times, "times")]).collect();
            let names = shown.iter().map(Expr::qualified_name).collect();
            let plan = RepeatNode::new(projected(keyed.plan, exprs)?, names)?;
            let plan = LogicalPlan::Extension(Extension { node: Arc::new(plan) });
            return Ok(Pulled { plan, on: keyed.on, values: keyed.values });
        }
        if let Some(node) = node.downcast_ref::<UnnestNode>() {
            return self.pull_items(node, outer);
        }
        match node.downcast_ref::<WindowNode>() {
            Some(node) if matches!(node.kind, WindowKind::Fixed(..)) => {
                let columns = node.input.schema().columns();
                let below = self.pull(node.input.clone(), outer)?;
                let below = self.with_values(below, outer)?;
                let time = Values::new(&columns, &below.values).put(node.time.clone())?;
                let new = WindowNode::new(below.plan, node.kind, time, Vec::new(), node.place)?;
                let plan = LogicalPlan::Extension(Extension { node: Arc::new(new) });
                let own = plan.schema().columns();
                let mut exprs: Vec<Expr> = own.into_iter().map(Expr::Column).collect();
                let windows = exprs.split_off(exprs.len() - crate::syntax::table_function::WINDOW_COLUMNS.len());
                let kept = node.kept.iter().map(|&at| below.values[at].clone());
                let mut values: Vec<Expr> = kept.collect();
                for window in windows {
                    let name = window.qualified_name().1;
                    let named = self.fresh.named(window, &name);
                    values.push(Expr::Column(column_of(&named)));
                    exprs.push(named);
                }
                Ok(Pulled { plan: projected(plan, exprs)?, on: below.on, values })
            }
            _ => refused(
                "a subquery reads the row outside below sessions or MATCH_RECOGNIZE",
                "compute them in a view of their own, for all rows, and read that in the subquery",
            ),
        }
    }

    /// The items of arrays, which may be of the row outside: those are told apart by their values.
    fn pull_items(&mut self, node: &UnnestNode, outer: &LogicalPlan) -> Result<Pulled> {
        let columns = node.input.schema().columns();
        let mut read = Vec::new();
        outer_columns(&node.items, &mut read)?;
        read.retain(|column| outer.schema().has_column(column));
        let mut below = self.pull(node.input.clone(), outer)?;
        for value in &below.values {
            outer_columns(value, &mut read)?;
        }
        let (below, items) = match read.is_empty() {
            true => {
                below = self.with_values(below, outer)?;
                let items = Values::new(&columns, &below.values).put(node.items.clone())?;
                (below, items)
            }
            false => {
                let all = self.materialized(below, outer, read)?;
                let items = all.inside(Values::new(&columns, &all.values).put(node.items.clone())?)?;
                (all.pulled(), items)
            }
        };
        let new = node.with_exprs_and_inputs(vec![items], vec![below.plan])?;
        let plan = LogicalPlan::Extension(Extension { node: Arc::new(new) });
        let mut exprs: Vec<Expr> = plan.schema().columns().into_iter().map(Expr::Column).collect();
        let own = exprs.split_off(exprs.len() - node.shown.len());
        let mut values = below.values;
        for item in own {
            let name = item.qualified_name().1;
            let named = self.fresh.named(item, &name);
            values.push(Expr::Column(column_of(&named)));
            exprs.push(named);
        }
        Ok(Pulled { plan: projected(plan, exprs)?, on: below.on, values })
    }
}
