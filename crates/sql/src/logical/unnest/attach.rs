//! Subqueries onto the rows that they stand beside: semi and anti joins, marks, values.

use std::sync::Arc;

use datafusion_common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion_common::{JoinType, Result};
use datafusion_expr::expr::Exists;
use datafusion_expr::{Aggregate, Distinct, Expr, FetchType, Filter, Limit, LogicalPlan, SkipType, lit};

use super::columns::{Values, asks, column_of, inner_of, is_one_row, joined, subquery};
use super::equal::{Asked, several};
use super::pull::Pulled;
use super::{Unnest, refused};
use crate::logical::scope::projected;
use crate::logical::single;

/// Whether a plan always has exactly one row.
pub(super) fn is_one(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Projection(projection) => is_one(&projection.input),
        LogicalPlan::Aggregate(aggregate) => aggregate.group_expr.is_empty(),
        plan => is_one_row(plan),
    }
}

/// Whether a plan never has more than one row (for each row outside).
pub(super) fn is_one_at_most(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Projection(projection) => is_one_at_most(&projection.input),
        LogicalPlan::Filter(filter) => is_one_at_most(&filter.input),
        LogicalPlan::Sort(sort) => is_one_at_most(&sort.input),
        LogicalPlan::Distinct(Distinct::All(input)) => is_one_at_most(input),
        LogicalPlan::Limit(limit) => {
            is_one_at_most(&limit.input) || matches!(limit.get_fetch_type(), Ok(FetchType::Literal(Some(0 | 1))))
        }
        LogicalPlan::Join(join) => match join.join_type {
            JoinType::LeftSemi | JoinType::LeftAnti | JoinType::LeftMark => is_one_at_most(&join.left),
            JoinType::Inner | JoinType::Left => is_one_at_most(&join.left) && is_one_at_most(&join.right),
            _ => false,
        },
        plan => is_one(plan),
    }
}

/// How many rows a plan has at least, whatever its inputs hold.
fn least_rows(plan: &LogicalPlan) -> usize {
    match plan {
        LogicalPlan::Values(values) => values.values.len(),
        LogicalPlan::Projection(projection) => least_rows(&projection.input),
        LogicalPlan::Sort(sort) => least_rows(&sort.input),
        LogicalPlan::SubqueryAlias(alias) => least_rows(&alias.input),
        LogicalPlan::Union(union) => union.inputs.iter().map(|input| least_rows(input)).sum(),
        LogicalPlan::Join(join) => match join.join_type {
            JoinType::Inner if join.on.is_empty() && join.filter.is_none() => {
                least_rows(&join.left).saturating_mul(least_rows(&join.right))
            }
            JoinType::Left | JoinType::LeftMark => least_rows(&join.left),
            JoinType::Right => least_rows(&join.right),
            JoinType::Full => least_rows(&join.left).max(least_rows(&join.right)),
            _ => 0,
        },
        LogicalPlan::Limit(limit) => match (limit.get_skip_type(), limit.get_fetch_type()) {
            (Ok(SkipType::Literal(skip)), Ok(FetchType::Literal(fetch))) => {
                least_rows(&limit.input).saturating_sub(skip).min(fetch.unwrap_or(usize::MAX))
            }
            _ => 0,
        },
        plan => usize::from(is_one(plan)),
    }
}

/// What is asked for existence: what neither makes nor unmakes the last row is left out.
fn asked(plan: &LogicalPlan) -> &LogicalPlan {
    match plan {
        LogicalPlan::Distinct(Distinct::All(input)) => asked(input),
        LogicalPlan::Sort(sort) => asked(&sort.input),
        LogicalPlan::Limit(limit) if at_least_one(limit) => asked(&limit.input),
        plan => plan,
    }
}

fn at_least_one(limit: &Limit) -> bool {
    let skips = matches!(limit.get_skip_type(), Ok(SkipType::Literal(0)));
    skips && matches!(limit.get_fetch_type(), Ok(FetchType::Literal(None | Some(1..))))
}

impl Unnest<'_> {
    /// The rows of `input` for which there is a row, or none.
    pub(super) fn semi(&mut self, input: LogicalPlan, exists: Exists) -> Result<LogicalPlan> {
        let asked = asked(&exists.subquery.subquery);
        if is_one(asked) {
            return match exists.negated {
                false => Ok(input),
                true => Ok(LogicalPlan::Filter(Filter::try_new(lit(false), Arc::new(input))?)),
            };
        }
        let kind = if exists.negated { JoinType::LeftAnti } else { JoinType::LeftSemi };
        self.matched(input, asked.clone(), kind)
    }

    fn matched(&mut self, mut input: LogicalPlan, asked: LogicalPlan, kind: JoinType) -> Result<LogicalPlan> {
        let asked = self.plan(asked)?;
        let pulled = self.apart(&mut input, |unnest, input| unnest.pull(asked.clone(), input))?;
        let Pulled { plan, on, .. } = pulled;
        let (plan, conditions) = match on.is_empty() {
            false => (plan, on.into_iter().map(|condition| inner_of(condition, &input)).collect::<Result<_>>()?),
            // Of all rows one is as good as any.
            true => {
                let any = projected(plan, vec![self.fresh.named(lit(true), "any")])?;
                (LogicalPlan::Distinct(Distinct::All(Arc::new(any))), Vec::new())
            }
        };
        joined(input, plan, conditions, kind)
    }

    /// The input with the answers of the subqueries in some expressions as columns, and the expressions over them.
    pub(super) fn attach(&mut self, input: LogicalPlan, exprs: Vec<Expr>) -> Result<(LogicalPlan, Vec<Expr>)> {
        let several = several(&exprs)?;
        self.attached(input, exprs, several)
    }

    /// The same; `once` says that equal subqueries have one answer.
    pub(super) fn attached(
        &mut self,
        mut input: LogicalPlan,
        exprs: Vec<Expr>,
        once: bool,
    ) -> Result<(LogicalPlan, Vec<Expr>)> {
        let mut answers: Vec<(Asked, Expr)> = Vec::new();
        let mut done = Vec::new();
        for expr in exprs {
            let expr = expr.transform_down(|expr| {
                if !asks(&expr) || subquery(&expr).is_none() {
                    return Ok(Transformed::no(expr));
                }
                // That there is a row, and that there is none, are one question.
                let (expr, negated) = match expr {
                    Expr::Exists(Exists { subquery, negated }) => {
                        (Expr::Exists(Exists { subquery, negated: false }), negated)
                    }
                    other => (other, false),
                };
                let asked = if once { Some(Asked::of(&expr)?) } else { None };
                let known = asked.as_ref().and_then(|asked| answers.iter().find(|(known, _)| known.same(asked)));
                let known = known.map(|(_, answer)| answer.clone());
                let answer = match known {
                    Some(answer) => answer,
                    None => {
                        let plan = std::mem::replace(&mut input, nothing());
                        let (plan, answer) = match expr {
                            Expr::Exists(exists) => self.mark(plan, exists)?,
                            Expr::ScalarSubquery(subquery) => {
                                self.scalar(plan, Arc::unwrap_or_clone(subquery.subquery))?
                            }
                            _ => return datafusion_common::internal_err!("IN is put in terms of EXISTS"),
                        };
                        input = plan;
                        answers.extend(asked.map(|asked| (asked, answer.clone())));
                        answer
                    }
                };
                let answer = if negated { Expr::Not(Box::new(answer)) } else { answer };
                Ok(Transformed::new(answer, true, TreeNodeRecursion::Jump))
            });
            done.push(expr.data()?);
        }
        Ok((input, done))
    }

    /// Whether there is a row, as a column; that there is none is not asked here.
    fn mark(&mut self, input: LogicalPlan, exists: Exists) -> Result<(LogicalPlan, Expr)> {
        let asked = asked(&exists.subquery.subquery);
        if is_one(asked) {
            return Ok((input, lit(true)));
        }
        let columns = input.schema().columns();
        let marked = self.matched(input, asked.clone(), JoinType::LeftMark)?;
        let mut exprs: Vec<Expr> = marked.schema().columns().into_iter().map(Expr::Column).collect();
        if let Some(mark) = exprs.pop() {
            exprs.push(self.fresh.named(mark, "__exists"));
        }
        let marked = projected(marked, exprs)?;
        match marked.schema().columns().pop() {
            Some(mark) if marked.schema().fields().len() > columns.len() => Ok((marked, Expr::Column(mark))),
            _ => datafusion_common::internal_err!("a mark is a column"),
        }
    }

    /// The value of a subquery, of one row at most, beside the row that it is of.
    fn scalar(&mut self, mut input: LogicalPlan, asked: LogicalPlan) -> Result<(LogicalPlan, Expr)> {
        let least = least_rows(&asked);
        if least > 1 {
            return refused(
                &format!("this subquery is a value and always has {least} rows"),
                "a value is of one row: aggregate them, MAX(x), take the first, ORDER BY x LIMIT 1, or ask x IN (SELECT ...)",
            );
        }
        let asked = match is_one_at_most(&asked) {
            true => asked,
            false => single::row(asked, self.fresh)?,
        };
        let mut asked = self.plan(asked)?;
        // What is computed of one row that is always there can be computed behind the join.
        let mut value = Expr::Column(asked.schema().columns().swap_remove(0));
        while let LogicalPlan::Projection(projection) = &asked {
            if !is_one(&projection.input) {
                break;
            }
            let exprs: Vec<Expr> = projection.expr.iter().map(|expr| expr.clone().unalias()).collect();
            value = Values::new(&projection.schema.columns(), &exprs).put(value)?;
            asked = projection.input.as_ref().clone();
        }
        if is_one_row(&asked) {
            return Ok((input.clone(), inner_of(value, &input)?));
        }
        let (asked, value) = of_subquery(asked, value)?;
        let columns = asked.schema().columns();
        let pulled = self.apart(&mut input, |unnest, input| match &asked {
            LogicalPlan::Aggregate(group) if group.group_expr.is_empty() => unnest.group(group.clone(), input),
            other => {
                let pulled = unnest.pull(other.clone(), input)?;
                unnest.with_values(pulled, input)
            }
        })?;
        let conditions = pulled.on.into_iter().map(|condition| inner_of(condition, &input));
        let conditions = conditions.collect::<Result<Vec<_>>>()?;
        let value = inner_of(Values::new(&columns, &pulled.values).put(value)?, &input)?;
        Ok((joined(input, pulled.plan, conditions, JoinType::Left)?, value))
    }

    /// The group of each row outside, of an aggregate without keys; its values are right where there is none.
    fn group(&mut self, aggregate: Aggregate, outer: &LogicalPlan) -> Result<Pulled> {
        let keyed = self.keyed_group(aggregate, outer)?;
        Ok(Pulled { plan: keyed.plan, on: keyed.on, values: keyed.values })
    }

    /// A pulled plan whose values are columns, NULL where there is no row.
    pub(super) fn with_values(&mut self, pulled: Pulled, outer: &LogicalPlan) -> Result<Pulled> {
        if pulled.values.iter().all(|value| matches!(value, Expr::Column(_))) {
            return Ok(pulled);
        }
        if pulled.values.iter().any(Expr::contains_outer) {
            return Ok(self.materialized(pulled, outer, Vec::new())?.pulled());
        }
        let mut exprs: Vec<Expr> = pulled.plan.schema().columns().into_iter().map(Expr::Column).collect();
        let mut values = Vec::new();
        for value in pulled.values {
            values.push(match value {
                column @ Expr::Column(_) => column,
                other => {
                    let named = self.fresh.named(other, "value");
                    let column = column_of(&named);
                    exprs.push(named);
                    Expr::Column(column)
                }
            });
        }
        Ok(Pulled { plan: projected(pulled.plan, exprs)?, on: pulled.on, values })
    }
}

/// The grouping that a subquery is, and a value over it, with the aggregates called as what they are beside the row outside: `(SELECT max(x) ...)`.
fn of_subquery(asked: LogicalPlan, value: Expr) -> Result<(LogicalPlan, Expr)> {
    let group = match asked {
        LogicalPlan::Aggregate(group) if group.group_expr.is_empty() => group,
        other => return Ok((other, value)),
    };
    let columns = group.schema.columns();
    let called = group.aggr_expr.into_iter().map(|call| match call {
        // What has a name of the engine's own is told in other words.
        Expr::Alias(alias) if !alias.name.starts_with("__") => {
            let name = format!("(SELECT {} ...)", alias.name);
            alias.expr.alias_qualified(alias.relation, name)
        }
        other => other,
    });
    let group = Aggregate::try_new(group.input, Vec::new(), called.collect())?;
    let named: Vec<Expr> = group.schema.columns().into_iter().map(Expr::Column).collect();
    let value = Values::new(&columns, &named).put(value)?;
    Ok((LogicalPlan::Aggregate(group), value))
}

fn nothing() -> LogicalPlan {
    use datafusion_common::DFSchema;
    use datafusion_expr::EmptyRelation;
    LogicalPlan::EmptyRelation(EmptyRelation { produce_one_row: false, schema: Arc::new(DFSchema::empty()) })
}
