//! Subqueries that are equal but for the identities of their columns: each that is written has its own. They are asked once, so that a
//! row, or a pair of rows, that fails in them is told once.

use datafusion_common::Result;
use datafusion_common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion_expr::expr::{Exists, InSubquery, SetComparison};
use datafusion_expr::logical_plan::Subquery;
use datafusion_expr::{Expr, LogicalPlan};

use super::columns::subquery;
use crate::logical::identity::{Fresh, Identity};
use crate::logical::shared;

/// Whether expressions ask more than one subquery: else none is equal to another.
pub(super) fn several<'a>(exprs: impl IntoIterator<Item = &'a Expr>) -> Result<bool> {
    let mut count = 0;
    for expr in exprs {
        expr.apply(|part| {
            count += usize::from(subquery(part).is_some());
            Ok(if count > 1 { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
        })?;
    }
    Ok(count > 1)
}

/// What asks a subquery, in a form in which equal ones are equal.
pub(super) struct Asked(Expr);

impl Asked {
    /// Of an expression that is a subquery, or asks one.
    pub(super) fn of(expr: &Expr) -> Result<Asked> {
        let in_form = |subquery: &Subquery| -> Result<Subquery> {
            // Away from the numbers of columns outside, which stay as they are.
            let mut fresh = Fresh::far();
            let plan = Identity::new(&mut fresh).plan(&subquery.subquery)?;
            Ok(Subquery { subquery: plan.into(), outer_ref_columns: Vec::new(), ..subquery.clone() })
        };
        let form = expr.clone().transform_down(|expr| {
            if subquery(&expr).is_none() {
                return Ok(Transformed::no(expr));
            }
            let form = match expr {
                Expr::ScalarSubquery(asked) => Expr::ScalarSubquery(in_form(&asked)?),
                Expr::Exists(Exists { subquery, negated }) => {
                    Expr::Exists(Exists { subquery: in_form(&subquery)?, negated })
                }
                Expr::InSubquery(InSubquery { expr, subquery, negated }) => {
                    Expr::InSubquery(InSubquery { expr, subquery: in_form(&subquery)?, negated })
                }
                Expr::SetComparison(SetComparison { expr, subquery, op, quantifier }) => {
                    Expr::SetComparison(SetComparison { expr, subquery: in_form(&subquery)?, op, quantifier })
                }
                other => other,
            };
            Ok(Transformed::new(form, true, TreeNodeRecursion::Jump))
        });
        Ok(Asked(form.data()?))
    }

    /// Whether both ask the same.
    pub(super) fn same(&self, other: &Asked) -> bool {
        let plan = |asked: &Asked| subquery(&asked.0).map(|subquery| LogicalPlan::clone(&subquery.subquery));
        let tables = match (plan(self), plan(other)) {
            (Some(one), Some(other)) => shared::same(&one, &other),
            (None, None) => true,
            _ => false,
        };
        tables && self.0 == other.0
    }
}
