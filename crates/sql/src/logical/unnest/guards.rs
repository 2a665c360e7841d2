//! What must hold before a subquery is asked: of CASE, AND, OR, COALESCE and FILTER only what counts for a row is looked at.
//!
//! A subquery becomes a join, which asks all rows, wherever the subquery stands. So where what it computes of a row outside may fail, the
//! conditions before it come down with it: `CASE WHEN v <> 0 THEN 10 / v IN (SELECT ...) END` compares `CASE WHEN v <> 0 THEN 10 / v END`,
//! and `v <> 0 AND EXISTS (SELECT 1 FROM u WHERE u.id = 10 / v)` is, where the first is not false, `EXISTS (... WHERE v <> 0 AND ...)`.
//! Where a condition is not true nobody looks at the answer. A condition that asks subqueries itself cannot come down; there what is
//! compared is NULL where it fails, and fails where the answer is looked at.
//!
//! WHERE, HAVING and ON of inner joins ask what has no subquery first ([`plain_first`]), below AND and OR alike: `(x IN (SELECT ...)) OR k = 3`
//! is asked as `k = 3 OR x IN (SELECT ...)`, and so nothing of a row with a `k` of 3 is computed for the subquery.

use std::sync::Arc;

use datafusion_common::Result;
use datafusion_common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion_expr::expr::{AggregateFunction, Case, Exists, InSubquery, ScalarFunction, SetComparison};
use datafusion_expr::logical_plan::Subquery;
use datafusion_expr::utils::conjunction;
use datafusion_expr::{BinaryExpr, Expr, Filter, JoinType, LogicalPlan, Operator, Volatility, when};

use super::columns::{asks, subquery};
use super::truth::{asked_before_others, outer, read_by};
use crate::functions::attempt::{TOLD, TRY};
use crate::functions::marker::{Marker, first};
use crate::logical::filtered::may_fail;
use crate::syntax::depth::tree;
use crate::syntax::row_in;

/// An answer, where it is looked at beside what may fail.
static BESIDE: Marker = Marker {
    name: "__beside",
    args: 2,
    of: 0,
    nullable: true,
    closed: true,
    volatility: Volatility::Immutable,
    eval: first,
};

/// A condition of which only matters where it is true, with what has no subquery before what has one: among the operands of AND, of OR,
/// and of those below NOT. The order is else as it is written.
pub(super) fn plain_first(condition: Expr) -> Expr {
    if !asks(&condition) {
        return condition;
    }
    match condition {
        Expr::Not(inner) => Expr::Not(Box::new(plain_first(*inner))),
        Expr::BinaryExpr(BinaryExpr { left, op: op @ (Operator::And | Operator::Or), right }) => {
            let (mut operands, mut open) = (Vec::new(), vec![*right, *left]);
            while let Some(next) = open.pop() {
                match next {
                    Expr::BinaryExpr(BinaryExpr { left, op: same, right }) if same == op => {
                        open.extend([*right, *left])
                    }
                    other => operands.push(plain_first(other)),
                }
            }
            let (asking, plain): (Vec<Expr>, Vec<Expr>) = operands.into_iter().partition(asks);
            tree(plain.into_iter().chain(asking).collect(), &|left, right| {
                Expr::BinaryExpr(BinaryExpr { left: Box::new(left), op, right: Box::new(right) })
            })
        }
        other => other,
    }
}

/// A condition, of which only matters where it is true, over the rows of `input`, each of its subqueries behind what must hold before it
/// is asked, and behind `guards`.
pub(super) fn guarded_condition(expr: Expr, guards: &[Expr], input: &LogicalPlan) -> Result<Expr> {
    guarded_for(expr, Some(true), guards, input)
}

/// The same of an expression whose value matters.
pub(super) fn guarded(expr: Expr, guards: &[Expr], input: &LogicalPlan) -> Result<Expr> {
    guarded_for(expr, None, guards, input)
}

/// The same of either; `wanted` is what a condition is to be.
fn guarded_for(expr: Expr, wanted: Option<bool>, guards: &[Expr], input: &LogicalPlan) -> Result<Expr> {
    if !asks(&expr) {
        return Ok(expr);
    }
    let all = |more: Vec<Expr>| guards.iter().cloned().chain(more).collect::<Vec<_>>();
    let behind = |more: Vec<Expr>, expr: Expr| guarded(expr, &all(more), input);
    match expr {
        Expr::Not(inner) if let Some(wanted) = wanted => {
            Ok(Expr::Not(Box::new(guarded_for(*inner, Some(!wanted), guards, input)?)))
        }
        Expr::Case(Case { expr: base, when_then_expr, else_expr }) => {
            let base = base.map(|base| guarded(*base, guards, input)).transpose()?;
            let (mut before, mut cases) = (Vec::new(), Vec::new());
            for (when, then) in when_then_expr {
                let holds = match base.clone() {
                    Some(base) => base.eq(when.as_ref().clone()),
                    None => when.as_ref().clone(),
                };
                let when = behind(before.clone(), *when)?;
                let then = behind(before.iter().cloned().chain([holds.clone()]).collect(), *then)?;
                before.push(Expr::IsNotTrue(Box::new(holds)));
                cases.push((Box::new(when), Box::new(then)));
            }
            let other = else_expr.map(|other| behind(before, *other)).transpose()?;
            Ok(Expr::Case(Case { expr: base.map(Box::new), when_then_expr: cases, else_expr: other.map(Box::new) }))
        }
        Expr::BinaryExpr(BinaryExpr { left, op: op @ (Operator::And | Operator::Or), right }) => {
            let open = match (op, wanted) {
                (Operator::And, Some(true)) => Expr::IsTrue(left.clone()),
                (Operator::And, _) => Expr::IsNotFalse(left.clone()),
                (_, Some(false)) => Expr::IsFalse(left.clone()),
                _ => Expr::IsNotTrue(left.clone()),
            };
            let right = guarded_for(*right, wanted, &all(vec![open]), input)?;
            let left = guarded_for(*left, wanted, guards, input)?;
            Ok(Expr::BinaryExpr(BinaryExpr { left: Box::new(left), op, right: Box::new(right) }))
        }
        Expr::ScalarFunction(ScalarFunction { func, args }) if func.name() == "coalesce" => {
            let (mut before, mut known) = (Vec::new(), Vec::new());
            for arg in args {
                let missing = arg.clone().is_null();
                known.push(behind(before.clone(), arg)?);
                before.push(missing);
            }
            Ok(Expr::ScalarFunction(ScalarFunction { func, args: known }))
        }
        Expr::AggregateFunction(AggregateFunction { func, mut params }) => {
            let filter = params.filter.as_deref().cloned();
            params.filter = params.filter.map(|filter| guarded(*filter, guards, input).map(Box::new)).transpose()?;
            let args = params.args.into_iter().map(|arg| behind(filter.iter().cloned().collect(), arg));
            params.args = args.collect::<Result<_>>()?;
            Ok(Expr::AggregateFunction(AggregateFunction { func, params }))
        }
        other => {
            let other = other.map_children(|child| Ok(Transformed::yes(guarded(child, guards, input)?)))?.data;
            if subquery(&other).is_none() || guards.is_empty() {
                return Ok(other);
            }
            put(other, guards, input)
        }
    }
}

/// The same of a condition by which rows of `input` find partners, and stay without: where what is compared fails, one has none.
pub(super) fn told(expr: Expr, input: &LogicalPlan) -> Result<Expr> {
    expr.transform_down(|mut expr| {
        let (Expr::InSubquery(InSubquery { expr: own, .. }) | Expr::SetComparison(SetComparison { expr: own, .. })) =
            &mut expr
        else {
            return Ok(Transformed::no(expr));
        };
        let mut any = false;
        for part in row_in::parts_mut(own) {
            if !asks(part) && may_fail(part, input.schema())? {
                *part = TOLD.call(vec![std::mem::take(part)]);
                any = true;
            }
        }
        Ok(if any { Transformed::yes(expr) } else { Transformed::no(expr) })
    })
    .data()
}

/// A subquery behind guards, if what it computes of the row outside may fail.
fn put(expr: Expr, guards: &[Expr], input: &LogicalPlan) -> Result<Expr> {
    let tried = |guard: &Expr| {
        // Where it fails itself the row is told of by what asks it.
        let fails = may_fail(guard, input.schema())?;
        Ok(if fails { TRY.call(vec![guard.clone()]) } else { guard.clone() })
    };
    let plain: Vec<&Expr> = guards.iter().filter(|guard| !asks(guard)).collect();
    let asked = plain.len() < guards.len();
    let guard = conjunction(plain.into_iter().map(tried).collect::<Result<Vec<_>>>()?);
    let mut fail = Vec::new();
    let mut operand = |mut own: Box<Expr>| -> Result<Box<Expr>> {
        for part in row_in::parts_mut(&mut own) {
            if asks(part) || !may_fail(part, input.schema())? {
                continue;
            }
            let compared = std::mem::take(part);
            *part = match &guard {
                _ if asked => TRY.call(vec![compared.clone()]),
                Some(guard) => when(guard.clone(), compared.clone()).end()?,
                None => compared.clone(),
            };
            fail.extend(asked.then_some(compared));
        }
        Ok(own)
    };
    let within = |subquery: Subquery| -> Result<Subquery> {
        let Some(guard) = &guard else { return Ok(subquery) };
        if !fails_outside(&subquery.subquery)? {
            return Ok(subquery);
        }
        let rows = behind(Arc::unwrap_or_clone(subquery.subquery), &outer(guard, input)?)?;
        Ok(Subquery { subquery: Arc::new(rows), ..subquery })
    };
    let answer = match expr {
        Expr::Exists(Exists { subquery, negated }) => Expr::Exists(Exists { subquery: within(subquery)?, negated }),
        Expr::ScalarSubquery(subquery) => Expr::ScalarSubquery(within(subquery)?),
        Expr::InSubquery(InSubquery { expr, subquery, negated }) => {
            Expr::InSubquery(InSubquery { expr: operand(expr)?, subquery: within(subquery)?, negated })
        }
        Expr::SetComparison(SetComparison { expr, subquery, op, quantifier }) => {
            let (expr, subquery) = (operand(expr)?, within(subquery)?);
            Expr::SetComparison(SetComparison { expr, subquery, op, quantifier })
        }
        other => other,
    };
    Ok(fail.into_iter().fold(answer, |answer, fails| BESIDE.call(vec![answer, fails])))
}

/// Whether what a subquery, or one within it, computes of rows outside may fail.
fn fails_outside(plan: &LogicalPlan) -> Result<bool> {
    let mut fails = false;
    plan.apply_with_subqueries(|node| {
        let input = read_by(node);
        for expr in node.expressions() {
            fails |= expr.contains_outer() && !asks(&expr) && may_fail(&expr, &input)?;
        }
        Ok(if fails { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    })?;
    Ok(fails)
}

/// A plan behind a condition on the row outside, which is asked of the rows that it reads before anything else is.
fn behind(plan: LogicalPlan, guard: &Expr) -> Result<LogicalPlan> {
    let sides = match &plan {
        LogicalPlan::Join(join) => match join.join_type {
            JoinType::Right | JoinType::RightSemi | JoinType::RightAnti | JoinType::RightMark => [false, true],
            JoinType::Full => [true, true],
            _ => [true, false],
        },
        LogicalPlan::Projection(_)
        | LogicalPlan::Filter(_)
        | LogicalPlan::Sort(_)
        | LogicalPlan::Limit(_)
        | LogicalPlan::Aggregate(_)
        | LogicalPlan::Window(_)
        | LogicalPlan::Distinct(_)
        | LogicalPlan::SubqueryAlias(_) => [true, false],
        LogicalPlan::Union(_) => [true, true],
        // One row without columns is there whatever holds; what is computed of it is computed where the subquery stands.
        LogicalPlan::EmptyRelation(_) => return Ok(plan),
        _ => {
            let guard = asked_before_others(guard.clone());
            return Ok(LogicalPlan::Filter(Filter::try_new(guard, Arc::new(plan))?));
        }
    };
    let mut sides = sides.into_iter();
    let each = matches!(plan, LogicalPlan::Union(_));
    let within = |child: LogicalPlan| match each || sides.next() == Some(true) {
        true => Ok(Transformed::yes(behind(child, guard)?)),
        false => Ok(Transformed::no(child)),
    };
    Ok(plan.map_children(within)?.data)
}
