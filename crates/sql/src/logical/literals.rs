//! Comparisons with literals, and lists of them, in forms that the optimiser's rules get right.
//!
//! Of lists of one expression side by side, `x IN (1, 2) AND x IN (3)`, `x NOT IN (1) OR x NOT IN (2)`, the simplifier looks
//! at what the items look like: it takes columns of other names for other values, and says false or true where nothing is
//! left, also of a NULL. So what it would get wrong is settled before it: where literals leave nothing, the answer is false
//! (true), or NULL for a NULL; lists of other items are compared one by one. And a literal stands on the right: of `3 = x`
//! and `x = 3`, which it makes for the other side of a join, the rule that pushes filters down says that both cannot be. What reads
//! columns in a list is compared by itself: a CASE there would be taken for a literal.

use std::collections::HashSet;
use std::sync::Arc;

use arrow_array::{RecordBatch, RecordBatchOptions};
use arrow_schema::{ArrowError, Schema};
use datafusion_common::tree_node::{Transformed, TreeNode};
use datafusion_common::{DFSchema, DataFusionError, Result, ScalarValue, plan_err};
use datafusion_expr::expr::InList;
use datafusion_expr::{BinaryExpr, Expr, ExprSchemable, LogicalPlan, Operator, Volatility, lit};
use datafusion_optimizer::optimizer::ApplyOrder;
use datafusion_optimizer::{OptimizerConfig, OptimizerRule};

use crate::logical::scalar::physical;
use crate::logical::typed::rewritten;
use highwater_core::delta::has_floats;
use highwater_core::expression::plain;
use highwater_core::plan::sql_type;

/// The rule, for all expressions of a plan.
#[derive(Debug)]
pub(crate) struct Literals;

impl OptimizerRule for Literals {
    fn name(&self) -> &str {
        "literals"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::BottomUp)
    }

    fn rewrite(&self, plan: LogicalPlan, _: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        rewritten(plan, settle)
    }
}

/// The expression, with nothing in it that the simplifier would get wrong.
pub(crate) fn settle(expr: Expr) -> Result<Transformed<Expr>> {
    expr.transform_up(|expr| {
        if let Some(value) = whole(&expr)? {
            return Ok(Transformed::yes(value));
        }
        if let Some(value) = of_floats(&expr) {
            return Ok(Transformed::yes(value));
        }
        // Of a CASE in it the library makes a literal, NULL.
        if let Expr::InList(list) = &expr
            && list.list.iter().any(Expr::any_column_refs)
        {
            return Ok(Transformed::yes(one_by_one(list.clone())));
        }
        let Expr::BinaryExpr(BinaryExpr { left, op, right }) = &expr else { return Ok(Transformed::no(expr)) };
        let literal = |side: &Expr| matches!(side, Expr::Literal(..));
        if literal(left)
            && !literal(right)
            && let Some(swapped) = op.swap()
        {
            let (left, right) = (right.clone(), left.clone());
            return Ok(Transformed::yes(Expr::BinaryExpr(BinaryExpr { left, op: swapped, right })));
        }
        let both = matches!(op, Operator::And | Operator::Or);
        let (Some(first), Some(second)) = (list_of(left), list_of(right)) else { return Ok(Transformed::no(expr)) };
        if !both || first.expr != second.expr {
            return Ok(Transformed::no(expr));
        }
        let plain =
            |list: &InList| list.list.iter().all(|item| matches!(item, Expr::Literal(value, _) if !value.is_null()));
        if !plain(&first) || !plain(&second) {
            return Ok(Transformed::yes(Expr::BinaryExpr(BinaryExpr {
                left: Box::new(one_by_one(first)),
                op: *op,
                right: Box::new(one_by_one(second)),
            })));
        }
        let (a, b): (HashSet<&Expr>, HashSet<&Expr>) = (first.list.iter().collect(), second.list.iter().collect());
        let nothing = match (op, first.negated, second.negated) {
            (Operator::And, false, false) | (Operator::Or, true, true) => a.is_disjoint(&b),
            (Operator::And, false, true) => a.is_subset(&b),
            (Operator::And, true, false) => b.is_subset(&a),
            _ => false,
        };
        if !nothing {
            return Ok(Transformed::no(expr));
        }
        let (value, null) = (*first.expr.clone(), lit(ScalarValue::Boolean(None)));
        Ok(Transformed::yes(if *op == Operator::Or { value.is_not_null().or(null) } else { value.is_null().and(null) }))
    })
}

/// The value of arithmetic of whole numbers that reads no column, computed here: the simplifier would go round. Beyond its type
/// it is refused.
fn whole(expr: &Expr) -> Result<Option<Expr>> {
    match expr {
        Expr::Negative(_) => {}
        Expr::BinaryExpr(BinaryExpr { op: Operator::Plus | Operator::Minus | Operator::Multiply, .. }) => {}
        _ => return Ok(None),
    }
    let nothing = DFSchema::empty();
    if !is_constant(expr)? || !expr.get_type(&nothing)?.is_integer() {
        return Ok(None);
    }
    match value_of(expr, &nothing) {
        Ok(value) => Ok(Some(lit(value))),
        Err(DataFusionError::ArrowError(error, _)) if matches!(*error, ArrowError::ArithmeticOverflow(_)) => {
            let named = sql_type(&expr.get_type(&nothing)?);
            plan_err!("{} is beyond {named}; write CAST(... AS DECIMAL(38, 0)) around its first operand", written(expr))
        }
        // Whatever else fails does so on every row.
        Err(_) => Ok(None),
    }
}

/// The answer of a comparison of floats, or of what holds some, that reads no column: the simplifier would go by their bits, to which `-0.0` is
/// another number than 0.
fn of_floats(expr: &Expr) -> Option<Expr> {
    let (first, compared) = match expr {
        Expr::BinaryExpr(BinaryExpr { left, op, .. }) if op.supports_propagation() => (left, expr.clone()),
        Expr::InList(list) => (&list.expr, one_by_one(list.clone())),
        _ => return None,
    };
    let nothing = DFSchema::empty();
    if !is_constant(expr).ok()? || !has_floats(&first.get_type(&nothing).ok()?) {
        return None;
    }
    // What fails does so on every row.
    value_of(&compared, &nothing).ok().map(lit)
}

/// Whether an expression is the same on all rows, and can be computed here.
fn is_constant(expr: &Expr) -> Result<bool> {
    let reads = expr.exists(|part| {
        let call =
            matches!(part, Expr::ScalarFunction(call) if call.func.signature().volatility != Volatility::Immutable);
        let value = matches!(part, Expr::Literal(..) | Expr::Cast(_) | Expr::TryCast(_) | Expr::Negative(_))
            || matches!(part, Expr::BinaryExpr(_) | Expr::Case(_) | Expr::ScalarFunction(_) | Expr::Alias(_))
            || matches!(part, Expr::InList(_));
        Ok(call || !value)
    })?;
    Ok(!reads)
}

fn value_of(expr: &Expr, nothing: &DFSchema) -> Result<ScalarValue> {
    let row = RecordBatch::try_new_with_options(
        Arc::new(Schema::empty()),
        Vec::new(),
        &RecordBatchOptions::new().with_row_count(Some(1)),
    )?;
    let value = physical(expr, nothing)?.evaluate(&row).and_then(|value| value.into_array(1))?;
    ScalarValue::try_from_array(&value, 0)
}

/// An expression for a message that is looked for in the text: its first operand in quotes.
fn written(expr: &Expr) -> String {
    let shown = |expr: &Expr| plain(&expr.human_display().to_string());
    match expr {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => format!("'{}' {op} {}", shown(left), shown(right)),
        other => shown(other),
    }
}

/// The list that an expression is one of, or that the simplifier makes it one of.
fn list_of(expr: &Expr) -> Option<InList> {
    match expr {
        Expr::InList(list) => Some(list.clone()),
        Expr::Not(inner) => list_of(inner).map(|list| InList { negated: !list.negated, ..list }),
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) => {
            let (expr, item) = match (left.as_ref(), right.as_ref()) {
                (Expr::Column(_), Expr::Literal(..)) => (left, right),
                (Expr::Literal(..), Expr::Column(_)) => (right, left),
                _ => return None,
            };
            Some(InList { expr: expr.clone(), list: vec![*item.clone()], negated: false })
        }
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Or, right }) => {
            let (first, second) = (list_of(left)?, list_of(right)?);
            let one = first.expr == second.expr && !first.negated && !second.negated;
            one.then(|| InList { list: [first.list, second.list].concat(), ..first })
        }
        _ => None,
    }
}

/// A list as comparisons.
fn one_by_one(list: InList) -> Expr {
    let InList { expr, list, negated } = list;
    let compare = |item: Expr| if negated { (*expr).clone().not_eq(item) } else { (*expr).clone().eq(item) };
    let together = |all: Expr, next: Expr| if negated { all.and(next) } else { all.or(next) };
    list.into_iter().map(compare).reduce(together).unwrap_or_else(|| lit(negated))
}
