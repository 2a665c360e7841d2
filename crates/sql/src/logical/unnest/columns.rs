//! What expressions read, of the row at hand and of those outside; and joins on what they say.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion_common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion_common::{Column, JoinType, NullEquality, Result};
use datafusion_expr::expr::{Exists, InSubquery, SetComparison};
use datafusion_expr::logical_plan::Subquery;
use datafusion_expr::utils::conjunction;
use datafusion_expr::{BinaryExpr, EmptyRelation, Expr, ExprSchemable, Join, JoinConstraint, LogicalPlan, Operator};

use crate::logical::keys::alone;

/// Where subqueries may stand.
pub(super) const HINT: &str = "write it in WHERE, HAVING, SELECT or ON, or join it";

/// Whether an expression has a subquery in it.
pub(crate) fn asks(expr: &Expr) -> bool {
    expr.exists(|expr| Ok(subquery(expr).is_some())).unwrap_or(false)
}

/// The subquery that an expression is.
pub(crate) fn subquery(expr: &Expr) -> Option<&Subquery> {
    match expr {
        Expr::Exists(Exists { subquery, .. })
        | Expr::InSubquery(InSubquery { subquery, .. })
        | Expr::SetComparison(SetComparison { subquery, .. })
        | Expr::ScalarSubquery(subquery) => Some(subquery),
        _ => None,
    }
}

/// The columns that an expression reads of the row at hand, its subqueries included.
pub(super) fn read(expr: &Expr) -> Result<Vec<Column>> {
    let mut found = Vec::new();
    expr.apply(|expr| {
        match expr {
            Expr::Column(column) => found.push(column.clone()),
            other => {
                if let Some(subquery) = subquery(other) {
                    found.extend(outside(&subquery.subquery)?);
                }
            }
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(found)
}

/// The columns of rows outside that a plan reads, its subqueries included.
pub(crate) fn outside(plan: &LogicalPlan) -> Result<Vec<Column>> {
    let mut found = Vec::new();
    plan.apply_with_subqueries(|plan| {
        plan.apply_expressions(|expr| {
            outer_columns(expr, &mut found)?;
            Ok(TreeNodeRecursion::Continue)
        })
    })?;
    Ok(found)
}

/// The columns of rows outside that an expression reads, added to `found` once each.
pub(super) fn outer_columns(expr: &Expr, found: &mut Vec<Column>) -> Result<()> {
    expr.apply(|expr| {
        if let Expr::OuterReferenceColumn(_, column) = expr
            && !found.contains(column)
        {
            found.push(column.clone());
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(())
}

/// Whether a plan reads rows of `outer`.
pub(super) fn bound_by(plan: &LogicalPlan, outer: &LogicalPlan) -> Result<bool> {
    Ok(outside(plan)?.iter().any(|column| outer.schema().has_column(column)))
}

/// Whether an expression reads the row of `outer`.
pub(super) fn reads(expr: &Expr, outer: &LogicalPlan) -> Result<bool> {
    let mut found = Vec::new();
    outer_columns(expr, &mut found)?;
    Ok(found.iter().any(|column| outer.schema().has_column(column)))
}

/// An expression over both the row outside and a subquery's: what was outside is at hand now, where it is joined. Columns of
/// queries further out look the same and are left to them: they are in no relation that is joined here.
pub(super) fn inner_of(expr: Expr, outer: &LogicalPlan) -> Result<Expr> {
    expr.transform(|expr| {
        Ok(match expr {
            Expr::OuterReferenceColumn(_, column) if outer.schema().has_column(&column) => {
                Transformed::yes(Expr::Column(column))
            }
            other => Transformed::no(other),
        })
    })
    .data()
}

/// What the columns of a relation have become.
pub(super) struct Values<'a>(HashMap<&'a Column, &'a Expr>);

impl<'a> Values<'a> {
    pub(super) fn new(columns: &'a [Column], values: &'a [Expr]) -> Values<'a> {
        Values(columns.iter().zip(values).collect())
    }

    /// An expression over the relation, over what it has become.
    pub(super) fn put(&self, expr: Expr) -> Result<Expr> {
        expr.transform_down(|expr| {
            Ok(match &expr {
                Expr::Column(column) => match self.0.get(column) {
                    Some(value) if **value != expr => Transformed::new((*value).clone(), true, TreeNodeRecursion::Jump),
                    _ => Transformed::no(expr),
                },
                _ => Transformed::no(expr),
            })
        })
        .data()
    }
}

/// A relation of one row without columns.
pub(super) fn is_one_row(plan: &LogicalPlan) -> bool {
    matches!(plan, LogicalPlan::EmptyRelation(EmptyRelation { produce_one_row: true, .. }))
}

/// Two relations joined on conditions. Where one of them takes NULLs for equal (`IS NOT DISTINCT FROM`) the join does, and
/// those that do not are told apart by what is known of NULL.
pub(super) fn joined(
    left: LogicalPlan,
    right: LogicalPlan,
    conditions: Vec<Expr>,
    kind: JoinType,
) -> Result<LogicalPlan> {
    let null_safe = |expr: &Expr| {
        matches!(expr, Expr::BinaryExpr(BinaryExpr { op: Operator::IsNotDistinctFrom, .. }))
            && sided(expr, &left, &right).is_some()
    };
    if !conditions.iter().any(null_safe) {
        let (left, right) = (Arc::new(left), Arc::new(right));
        let filter = conjunction(conditions);
        let nulls = NullEquality::NullEqualsNothing;
        let join = Join::try_new(left, right, Vec::new(), filter, kind, JoinConstraint::On, nulls, false)?;
        return Ok(LogicalPlan::Join(join));
    }
    let (mut on, mut rest) = (Vec::new(), Vec::new());
    for condition in conditions {
        match (sided(&condition, &left, &right), &condition) {
            (Some((l, r, nulls)), _) => {
                let not_null = !nulls && l.nullable(left.schema())? && r.nullable(right.schema())?;
                let known = not_null.then(|| r.clone().is_not_null());
                on.push(alone(kind, [&left, &right], (l, r), &rest)?);
                rest.extend(known);
            }
            (None, _) => rest.push(condition),
        }
    }
    // Rules that take inner joins apart (and outer ones that they make inner) know one way only to compare NULLs: a
    // projection is where they end.
    let apart = |plan: LogicalPlan| match taken_apart(&plan) {
        true => super::only(plan.clone(), plan.schema().columns()),
        false => Ok(plan),
    };
    let (left, right) = (Arc::new(apart(left)?), Arc::new(apart(right)?));
    let (filter, nulls) = (conjunction(rest), NullEquality::NullEqualsNull);
    apart(LogicalPlan::Join(Join::try_new(left, right, on, filter, kind, JoinConstraint::On, nulls, false)?))
}

/// Whether a plan is a join that rules take apart, or will be once they have put its conditions below it.
fn taken_apart(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Join(join) => {
            !matches!(join.join_type, JoinType::LeftSemi | JoinType::LeftAnti | JoinType::LeftMark)
        }
        LogicalPlan::Filter(filter) => taken_apart(&filter.input),
        _ => false,
    }
}

/// Whether an expression reads one relation, and no other.
pub(crate) fn of_side(expr: &Expr, side: &LogicalPlan) -> bool {
    let columns = expr.column_refs();
    !columns.is_empty() && columns.iter().all(|column| side.schema().has_column(column)) && !expr.contains_outer()
}

/// The sides of a condition that says that an expression of the left side is one of the right, and whether NULLs are equal.
pub(crate) fn sided(condition: &Expr, left: &LogicalPlan, right: &LogicalPlan) -> Option<(Expr, Expr, bool)> {
    let Expr::BinaryExpr(BinaryExpr { left: l, op: op @ (Operator::Eq | Operator::IsNotDistinctFrom), right: r }) =
        condition
    else {
        return None;
    };
    let of = of_side;
    let nulls = *op == Operator::IsNotDistinctFrom;
    if of(l, left) && of(r, right) {
        return Some((l.as_ref().clone(), r.as_ref().clone(), nulls));
    }
    (of(l, right) && of(r, left)).then(|| (r.as_ref().clone(), l.as_ref().clone(), nulls))
}

/// The column that a named expression is.
pub(super) fn column_of(expr: &Expr) -> Column {
    let (relation, name) = expr.qualified_name();
    Column::new(relation, name)
}
