//! The rows outside as a relation: the distinct values of those of their columns that a subquery reads.
//!
//! What has to be computed for each row outside is computed for each of these. Where the subquery compares its own columns
//! with them by `=`, and with nothing else, its columns stand for them (`keyed`), and there is no such relation.

use std::sync::Arc;

use datafusion_common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion_common::{Column, ExprSchema, JoinType, Result};
use datafusion_expr::type_coercion::binary::comparison_coercion;
use datafusion_expr::utils::conjunction;
use datafusion_expr::{BinaryExpr, Distinct, Expr, ExprSchemable, Filter, LogicalPlan, Operator, cast};

use super::columns::{column_of, is_one_row, joined, outer_columns, reads};
use super::pull::{Pulled, same};
use super::{MAX_COPIED, Unnest, refused};
use crate::logical::identity::Identity;
use crate::logical::scope::projected;
use crate::logical::wide;

/// A plan of the rows of a subquery for each of the values outside.
pub(super) struct Materialized {
    pub(super) plan: LogicalPlan,
    /// Columns outside and those that hold their values.
    pub(super) domain: Vec<(Column, Column)>,
    /// References to the domain's columns outside.
    outside: Vec<(Column, Expr)>,
    /// What the columns of the subquery have become: columns.
    pub(super) values: Vec<Expr>,
}

impl Materialized {
    /// Conditions that say which row outside a row belongs to, by these columns.
    pub(super) fn on(&self, domain: Vec<(Column, Column)>) -> Vec<Expr> {
        let outside = |column: &Column| self.outside.iter().find(|(c, _)| c == column).map(|(_, expr)| expr.clone());
        let pair = |(outer, own): (Column, Column)| Some(same(Expr::Column(own), outside(&outer)?));
        domain.into_iter().filter_map(pair).collect()
    }

    pub(super) fn pulled(self) -> Pulled {
        let on = self.on(self.domain.clone());
        Pulled { plan: self.plan, on, values: self.values }
    }

    /// By all columns of the domain.
    pub(super) fn keyed(self) -> Keyed {
        let keys = self.domain.iter().map(|(_, own)| own.clone()).collect();
        let Pulled { plan, on, values } = self.pulled();
        Keyed { plan, keys, on, values }
    }

    /// An expression over the row outside, over the domain's columns.
    pub(super) fn inside(&self, expr: Expr) -> Result<Expr> {
        inside(expr, &self.domain)
    }
}

fn inside(expr: Expr, domain: &[(Column, Column)]) -> Result<Expr> {
    expr.transform(|expr| {
        let own = match &expr {
            Expr::OuterReferenceColumn(_, column) => domain.iter().find(|(outer, _)| outer == column),
            _ => None,
        };
        Ok(match own {
            Some((_, own)) => Transformed::yes(Expr::Column(own.clone())),
            None => Transformed::no(expr),
        })
    })
    .data()
}

/// The rows below the numbers of a ranking in which these columns have the values that they have in a plan, if there are such: the numbers
/// are bounded further up. All rows are asked, whichever are shown in the end.
fn unranked<'a>(plan: &'a LogicalPlan, read: &[Column]) -> Option<&'a LogicalPlan> {
    let has = |below: &LogicalPlan| read.iter().all(|column| below.schema().has_column(column));
    match plan {
        LogicalPlan::Window(window) if has(&window.input) => {
            Some(unranked(&window.input, read).unwrap_or(&window.input))
        }
        LogicalPlan::Projection(projection) if has(&projection.input) => unranked(&projection.input, read),
        LogicalPlan::Join(join) if matches!(join.join_type, JoinType::Left | JoinType::LeftMark) && has(&join.left) => {
            unranked(&join.left, read)
        }
        _ => None,
    }
}

fn nodes(plan: &LogicalPlan) -> Result<usize> {
    let mut nodes = 0;
    plan.apply(|_| {
        nodes += 1;
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(nodes)
}

/// A plan whose rows belong to rows outside by the equality of columns.
pub(super) struct Keyed {
    pub(super) plan: LogicalPlan,
    /// Those columns.
    pub(super) keys: Vec<Column>,
    /// What they are equal to, and what else holds of the row outside.
    pub(super) on: Vec<Expr>,
    /// What the columns of the subquery have become: columns.
    pub(super) values: Vec<Expr>,
}

impl Unnest<'_> {
    /// The rows of a pulled plan for each of the values outside, of the columns that it reads and of `more`.
    pub(super) fn materialized(
        &mut self,
        pulled: Pulled,
        outer: &LogicalPlan,
        more: Vec<Column>,
    ) -> Result<Materialized> {
        let mut read = more;
        for expr in pulled.on.iter().chain(&pulled.values) {
            outer_columns(expr, &mut read)?;
        }
        read.retain(|column| outer.schema().has_column(column));
        self.copies = true;
        let outer = unranked(outer, &read).unwrap_or(outer);
        self.copied += nodes(outer)?;
        if self.copied > MAX_COPIED {
            return refused(
                "subqueries that read the rows outside stand in one another here until they take too long to plan",
                "compute the inner ones in a view, and read that: CREATE VIEW v AS SELECT k, MAX(x) AS x FROM t GROUP BY k",
            );
        }
        // They are joined with the rows that they are of: the same relation, but not the same columns.
        let rows = Identity::new(self.fresh).plan(outer)?;
        let own = rows.schema().columns();
        let (mut domain, mut outside, mut exprs) = (Vec::new(), Vec::new(), Vec::new());
        for column in read {
            let field = Arc::clone(outer.schema().field_from_column(&column)?);
            let value = own[outer.schema().index_of_column(&column)?].clone();
            let named = self.fresh.named(Expr::Column(value), &column.name);
            domain.push((column.clone(), column_of(&named)));
            exprs.push(named);
            outside.push((column.clone(), Expr::OuterReferenceColumn(field, column)));
        }
        let relation = LogicalPlan::Distinct(Distinct::All(Arc::new(projected(rows, exprs)?)));
        let conditions =
            pulled.on.into_iter().map(|condition| inside(condition, &domain)).collect::<Result<Vec<_>>>()?;
        let plan = match (is_one_row(&pulled.plan), conjunction(conditions.clone())) {
            (true, Some(condition)) => LogicalPlan::Filter(Filter::try_new(condition, Arc::new(relation))?),
            (true, None) => relation,
            (false, _) => joined(relation, pulled.plan, conditions, JoinType::Inner)?,
        };
        let mut exprs: Vec<Expr> = domain.iter().map(|(_, own)| Expr::Column(own.clone())).collect();
        let values = self.as_columns(pulled.values.into_iter().map(|value| inside(value, &domain)), &mut exprs)?;
        Ok(Materialized { plan: projected(plan, exprs)?, domain, outside, values })
    }

    /// Expressions as columns of a projection, those that are columns once.
    fn as_columns(&mut self, values: impl Iterator<Item = Result<Expr>>, exprs: &mut Vec<Expr>) -> Result<Vec<Expr>> {
        let mut columns = Vec::new();
        for value in values {
            columns.push(match value? {
                column @ Expr::Column(_) => {
                    if !exprs.contains(&column) {
                        exprs.push(column.clone());
                    }
                    column
                }
                other => {
                    let named = self.fresh.named(other, "value");
                    let column = Expr::Column(column_of(&named));
                    exprs.push(named);
                    column
                }
            });
        }
        Ok(columns)
    }

    /// A pulled plan whose rows belong to those outside by equal columns.
    pub(super) fn keyed(&mut self, pulled: Pulled, outer: &LogicalPlan) -> Result<Keyed> {
        let mut keys = Vec::new();
        let mut rest = Vec::new();
        let mut plain = true;
        for value in &pulled.values {
            plain &= !reads(value, outer)?;
        }
        for condition in &pulled.on {
            match equality(condition, outer, &pulled.plan)? {
                Some(Equality::With(key)) => keys.push(*key),
                Some(Equality::Outside) => rest.push(condition.clone()),
                None => plain = false,
            }
        }
        if !plain {
            return Ok(self.materialized(pulled, outer, Vec::new())?.keyed());
        }
        let mut exprs = Vec::new();
        let values = self.as_columns(pulled.values.into_iter().map(Ok), &mut exprs)?;
        let own = self.as_columns(keys.iter().map(|(own, ..)| Ok(own.clone())), &mut exprs)?;
        let mut columns: Vec<Column> = Vec::new();
        for (own, (_, outside, op)) in own.into_iter().zip(keys) {
            let Expr::Column(column) = own.clone() else { continue };
            if !columns.contains(&column) {
                columns.push(column);
            }
            rest.push(Expr::BinaryExpr(BinaryExpr { left: Box::new(own), op, right: Box::new(outside) }));
        }
        let plan = if exprs.is_empty() { pulled.plan } else { projected(pulled.plan, exprs)? };
        Ok(Keyed { plan, keys: columns, on: rest, values })
    }
}

/// What a condition says of the row outside.
enum Equality {
    /// An expression of the subquery's is one of the row outside.
    With(Box<(Expr, Expr, Operator)>),
    /// Something of the row outside alone.
    Outside,
}

/// Whether a condition says that an expression of a plan is one of the row outside.
pub(super) fn is_key(condition: &Expr, outer: &LogicalPlan, plan: &LogicalPlan) -> Result<bool> {
    Ok(matches!(equality(condition, outer, plan)?, Some(Equality::With(_))))
}

fn equality(condition: &Expr, outer: &LogicalPlan, plan: &LogicalPlan) -> Result<Option<Equality>> {
    if condition.column_refs().is_empty() {
        return Ok(Some(Equality::Outside));
    }
    let Expr::BinaryExpr(BinaryExpr { left, op: op @ (Operator::Eq | Operator::IsNotDistinctFrom), right }) = condition
    else {
        return Ok(None);
    };
    let own = |expr: &Expr| !expr.contains_outer() && !expr.column_refs().is_empty();
    let outside = |expr: &Expr| expr.column_refs().is_empty() && expr.contains_outer();
    let (own, outside) = match (own(left) && outside(right), own(right) && outside(left)) {
        (true, _) => (left.as_ref().clone(), right.as_ref().clone()),
        (_, true) => (right.as_ref().clone(), left.as_ref().clone()),
        _ => return Ok(None),
    };
    // Values that are equal to one value outside are one value: a key is of the type that they are compared in.
    let types = (own.get_type(plan.schema())?, outside.get_type(outer.schema())?);
    let own = match wide::of_types(&types.0, &types.1).or_else(|| comparison_coercion(&types.0, &types.1)) {
        Some(common) if common != types.0 => cast(own, common),
        Some(_) => own,
        None => return Ok(None),
    };
    Ok(Some(Equality::With(Box::new((own, outside, *op)))))
}
