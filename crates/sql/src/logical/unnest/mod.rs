//! Subqueries, made joins (Neumann and Kemper, "Unnesting Arbitrary Queries", BTW 2015).
//!
//! A subquery that reads the row outside is evaluated once a row. Here it is pulled apart (`pull.rs`) into a plan that reads
//! nothing outside and conditions that say which of its rows belong to which row outside; then EXISTS is a semi join, NOT
//! EXISTS an anti join, EXISTS as a value a mark join, a subquery as a value a left join with a group, LATERAL a join. Where
//! an operator in between (an aggregate, a limit, the far side of an outer join) needs to know the row outside, its columns
//! come in as a relation: the distinct values that there are outside (`domain.rs`). Where they are compared with columns by
//! `=` those columns stand for them, and nothing comes in.
//!
//! What compares with subqueries (IN, ANY, ALL) is put in terms of EXISTS first (`truth.rs`). Columns of queries further
//! out stay in the plan that is made, for the subquery that stands there.

mod attach;
mod columns;
mod domain;
mod equal;
mod guards;
mod nodes;
mod outer;
mod pull;
mod truth;

use std::sync::Arc;

use datafusion_common::tree_node::TreeNode;
use datafusion_common::{Column, JoinType, Result};
use datafusion_expr::expr::{Sort, WindowFunction};
use datafusion_expr::utils::{conjunction, split_conjunction_owned};
use datafusion_expr::{Expr, Filter, Join, LogicalPlan, Window, WindowFrame, WindowFunctionDefinition, WindowUDF, lit};
use datafusion_sql::sqlparser::tokenizer::Span;

pub(crate) use self::columns::{asks, of_side, outside, sided, subquery};
use self::columns::{bound_by, inner_of};
use self::pull::Pulled;
use crate::logical::identity::Fresh;
use crate::logical::rank_call::RankCall;
use crate::logical::scope::projected;
use crate::logical::shared;
use crate::parse::error::Problem;
use crate::parse::error::placed;

/// Makes the subqueries of a plan joins. Every column has an identity.
pub(crate) fn unnest(
    plan: LogicalPlan,
    fresh: &mut Fresh,
    finished: &dyn Fn(LogicalPlan) -> Result<LogicalPlan>,
) -> Result<LogicalPlan> {
    Unnest { fresh, finished, copies: false, copied: 0 }.plan(plan)
}

pub(crate) struct Unnest<'a> {
    fresh: &'a mut Fresh,
    /// What is planned by itself, to its end.
    finished: &'a dyn Fn(LogicalPlan) -> Result<LogicalPlan>,
    /// Whether the subquery at hand reads the rows outside.
    copies: bool,
    /// How many nodes have been copied for that.
    copied: usize,
}

/// How many nodes may be copied for subqueries that read the rows outside: where they stand in one another that doubles by the level.
const MAX_COPIED: usize = 5_000;

/// What cannot be made a join.
fn refused<T>(what: &str, hint: &str) -> Result<T> {
    Err(placed(Problem::at(Span::empty(), what).hint(hint)))
}

impl Unnest<'_> {
    /// The plan without subqueries. Columns of queries outside of it may be left.
    fn plan(&mut self, plan: LogicalPlan) -> Result<LogicalPlan> {
        let plan =
            plan.map_children(|child| Ok(datafusion_common::tree_node::Transformed::yes(self.plan(child)?)))?.data;
        match plan {
            LogicalPlan::Filter(filter) if asks(&filter.predicate) => self.filter(filter),
            LogicalPlan::Join(join) => self.join(join),
            other if other.expressions().iter().any(asks) => self.computed(other),
            other => Ok(other),
        }
    }

    /// A condition with subqueries: semi and anti joins for those that stand by themselves, marks for the others.
    fn filter(&mut self, filter: Filter) -> Result<LogicalPlan> {
        let mut input = Arc::unwrap_or_clone(filter.input);
        let columns = input.schema().columns();
        let (asking, plain): (Vec<Expr>, Vec<Expr>) =
            split_conjunction_owned(filter.predicate).into_iter().partition(asks);
        if let Some(plain) = conjunction(plain) {
            input = LogicalPlan::Filter(Filter::try_new(plain, Arc::new(input))?);
        }
        let asking =
            asking.into_iter().map(|condition| guards::guarded_condition(guards::plain_first(condition), &[], &input));
        let asking = asking.collect::<Result<_>>()?;
        let (mut input, asking) = truth::kept(input, asking, self.fresh)?;
        let mut conditions = Vec::new();
        for condition in asking {
            conditions.extend(split_conjunction_owned(truth::truth(condition, true, &input, self.fresh)?));
        }
        let (asking, plain): (Vec<Expr>, Vec<Expr>) = conditions.into_iter().partition(asks);
        if let Some(plain) = conjunction(plain) {
            input = LogicalPlan::Filter(Filter::try_new(plain, Arc::new(input))?);
        }
        let (mut others, mut done): (Vec<Expr>, Vec<equal::Asked>) = (Vec::new(), Vec::new());
        let several = equal::several(&asking)?;
        for condition in asking {
            match condition {
                Expr::Exists(exists) => {
                    if several {
                        let asked = equal::Asked::of(&Expr::Exists(exists.clone()))?;
                        if done.iter().any(|known| known.same(&asked)) {
                            continue;
                        }
                        done.push(asked);
                    }
                    input = self.semi(input, exists)?;
                }
                other => others.push(other),
            }
        }
        if others.is_empty() {
            return if input.schema().columns() == columns { Ok(input) } else { only(input, columns) };
        }
        let (input, others) = self.attach(input, others)?;
        let Some(others) = conjunction(others) else { return Ok(input) };
        let filtered = LogicalPlan::Filter(Filter::try_new(others, Arc::new(input))?);
        only(filtered, columns)
    }

    /// A node that computes with subqueries: their values come with its input.
    fn computed(&mut self, plan: LogicalPlan) -> Result<LogicalPlan> {
        let inputs = plan.inputs().into_iter().cloned().collect::<Vec<_>>();
        let Ok([input]) = <[LogicalPlan; 1]>::try_from(inputs) else {
            return refused("a subquery stands where there is no row that it belongs to", columns::HINT);
        };
        let shown = plan.schema().columns();
        let exprs = plan.expressions().into_iter().map(|expr| guards::guarded(expr, &[], &input));
        let exprs = exprs.collect::<Result<_>>()?;
        let (input, exprs) = truth::kept(input, exprs, self.fresh)?;
        let values =
            exprs.into_iter().map(|expr| truth::value(expr, &input, self.fresh)).collect::<Result<Vec<_>>>()?;
        // Calls with OVER that became equal would be one, which is no call any more where the other stands.
        let once = !matches!(plan, LogicalPlan::Window(_)) && equal::several(&values)?;
        let (input, exprs) = self.attached(input, values, once)?;
        let new = plan.with_new_exprs(exprs, vec![input])?;
        if new.schema().columns() == shown { Ok(new) } else { only(new, shown) }
    }

    fn join(&mut self, join: Join) -> Result<LogicalPlan> {
        if bound_by(&join.right, &join.left)? {
            return self.lateral(join);
        }
        let Some(filter) = join.filter.clone().filter(asks) else { return Ok(LogicalPlan::Join(join)) };
        if join.join_type == JoinType::Inner {
            let joined = LogicalPlan::Join(Join { filter: None, ..join });
            return self.filter(Filter::try_new(filter, Arc::new(joined))?);
        }
        // A row that fails a condition of an outer join is still there: the condition's value comes with its side.
        let shown = join.schema.columns();
        let [mut left, mut right] = [join.left.as_ref().clone(), join.right.as_ref().clone()];
        let (mut conditions, mut of_both) = (Vec::new(), Vec::new());
        for condition in split_conjunction_owned(filter) {
            if !asks(&condition) {
                conditions.push(condition);
                continue;
            }
            let read = columns::read(&condition)?;
            let of = |side: &LogicalPlan| read.iter().any(|column| side.schema().has_column(column));
            let (side, stays) = match (of(&left), of(&right)) {
                (true, true) => {
                    of_both.push(condition);
                    continue;
                }
                (true, false) => (&mut left, JoinType::Left),
                _ => (&mut right, JoinType::Right),
            };
            let stays = [stays, JoinType::Full].contains(&join.join_type);
            let guards: Vec<Expr> = conditions.iter().filter(|before| of_side(before, side)).cloned().collect();
            let condition = guards::guarded_condition(condition, &guards, side)?;
            let condition = if stays { guards::told(condition, side)? } else { condition };
            let (kept, asking) = truth::kept(side.clone(), vec![condition], self.fresh)?;
            let asking = asking.into_iter().map(|asking| truth::truth(asking, true, &kept, self.fresh));
            let asking = asking.collect::<Result<Vec<_>>>()?;
            let (input, values) = self.attach(kept, asking)?;
            *side = input;
            conditions.extend(values);
        }
        if !of_both.is_empty() {
            return self.on_pairs(join, [left, right], conditions, of_both);
        }
        let (left, right) = (Arc::new(left), Arc::new(right));
        let filter = conjunction(conditions);
        let new = Join::try_new(
            left,
            right,
            join.on,
            filter,
            join.join_type,
            join.join_constraint,
            join.null_equality,
            join.null_aware,
        )?;
        only(LogicalPlan::Join(new), shown)
    }

    /// A subquery apart from the rows of `outer`. Where it has to know them it reads them too: of those that may fail both read one
    /// relation then.
    fn apart(
        &mut self,
        outer: &mut LogicalPlan,
        pull: impl Fn(&mut Self, &LogicalPlan) -> Result<Pulled>,
    ) -> Result<Pulled> {
        self.copies = false;
        let pulled = pull(self, outer)?;
        if !self.copies || !shared::fails(outer)? {
            return Ok(pulled);
        }
        *outer = shared::rows(outer.clone(), self.fresh, self.finished)?;
        pull(self, outer)
    }

    /// A join whose right side reads rows of the left.
    fn lateral(&mut self, join: Join) -> Result<LogicalPlan> {
        let shown = join.schema.columns();
        let mut left = Arc::unwrap_or_clone(join.left);
        let columns = join.right.schema().columns();
        let pulled = self.apart(&mut left, |unnest, left| {
            let pulled = unnest.pull(join.right.as_ref().clone(), left)?;
            match join.join_type {
                JoinType::Inner => Ok(pulled),
                // What has no partner shows NULL, not what would be computed of nothing.
                JoinType::Left => unnest.with_values(pulled, left),
                _ => refused("LATERAL stands behind JOIN, CROSS JOIN and LEFT JOIN only", "write LEFT JOIN LATERAL"),
            }
        })?;
        let inner = |expr: Expr| inner_of(expr, &left);
        let values = columns::Values::new(&columns, &pulled.values);
        let mut conditions: Vec<Expr> = pulled.on.iter().cloned().map(inner).collect::<Result<_>>()?;
        for (l, r) in join.on {
            conditions.push(inner(l.eq(values.put(r)?))?);
        }
        for condition in join.filter.map(split_conjunction_owned).unwrap_or_default() {
            conditions.push(inner(values.put(condition)?)?);
        }
        let joined = match (join.join_type, columns::is_one_row(&pulled.plan)) {
            (JoinType::Inner, true) => match conjunction(conditions) {
                Some(condition) => LogicalPlan::Filter(Filter::try_new(condition, Arc::new(left.clone()))?),
                None => left.clone(),
            },
            (kind, _) => columns::joined(left.clone(), pulled.plan, conditions, kind)?,
        };
        let mut exprs = Vec::new();
        for column in shown {
            exprs.push(match columns.iter().position(|c| *c == column) {
                Some(at) => {
                    let Column { relation, name, .. } = column.clone();
                    match inner(pulled.values[at].clone())? {
                        Expr::Column(same) if same == column => Expr::Column(same),
                        value => value.alias_qualified(relation, name),
                    }
                }
                None => Expr::Column(column),
            });
        }
        projected(joined, exprs)
    }
}

/// The plan with these of its columns.
fn only(plan: LogicalPlan, columns: Vec<Column>) -> Result<LogicalPlan> {
    let exprs = columns.into_iter().map(Expr::Column).collect();
    projected(plan, exprs)
}

/// The rows `from..=to` of each partition (`skip`, `to`), by an order: what a LIMIT and DISTINCT ON keep.
pub(crate) fn first_rows(
    input: LogicalPlan,
    partition: Vec<Expr>,
    order: Vec<Sort>,
    (skip, to): (i64, i64),
    fresh: &mut Fresh,
) -> Result<LogicalPlan> {
    let columns = input.schema().columns();
    let Some(ranking) = RankCall::named("row_number") else {
        return datafusion_common::internal_err!("rows are numbered");
    };
    let function = WindowFunctionDefinition::WindowUDF(Arc::new(WindowUDF::new_from_impl(ranking)));
    let mut call = WindowFunction::new(function, Vec::new());
    call.params.partition_by = partition;
    call.params.order_by = order;
    call.params.window_frame = WindowFrame::new(None);
    let number = fresh.named(Expr::WindowFunction(Box::new(call)), "row_number");
    let window = LogicalPlan::Window(Window::try_new(vec![number], Arc::new(input))?);
    let Some(number) = window.schema().columns().pop() else {
        return datafusion_common::internal_err!("the number was just added");
    };
    let mut bound = Expr::Column(number.clone()).lt_eq(lit(to));
    if skip > 0 {
        bound = Expr::Column(number).gt(lit(skip)).and(bound);
    }
    only(LogicalPlan::Filter(Filter::try_new(bound, Arc::new(window))?), columns)
}
