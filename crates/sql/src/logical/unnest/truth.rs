//! IN, ANY and ALL in terms of EXISTS, in SQL's three values.
//!
//! `x < ANY (SELECT y ...)` is true if some `y` makes it true; unknown if none does and one makes it unknown, that is if `x`
//! or that `y` is NULL; else false. `x IN` is `= ANY`, `x > ALL` is `NOT (x <= ANY)`. Where only what is true matters (below
//! AND and OR of a condition), unknown is as good as false, and one question is left of two. Whether there is a NULL is asked
//! of the distinct answers to that, two at most a binding, not of all rows.
//!
//! Where the subquery asks of a pair, of a row of its own and the row outside, what may fail, each question asks it of the pairs that
//! matter to it, which the other does not ask: a pair fails once, and one that is compared in vain fails nowhere.

use std::sync::Arc;

use datafusion_common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion_common::{DFSchema, DataFusionError, ExprSchema, JoinType, Result, ScalarValue};
use datafusion_expr::expr::{Case, Exists, InSubquery, SetComparison, SetQuantifier};
use datafusion_expr::logical_plan::Subquery;
use datafusion_expr::utils::{conjunction, split_conjunction_owned};
use datafusion_expr::{
    BinaryExpr, Distinct, Expr, ExprSchemable, Filter, Join, LogicalPlan, Operator, Volatility, lit,
};

use super::columns::{asks, column_of};
use super::domain::is_key;
use crate::functions::attempt::TRY;
use crate::functions::marker::{Marker, first};
use crate::logical::filtered::may_fail;
use crate::logical::identity::Fresh;
use crate::logical::kept;
use crate::logical::scope::projected;
use crate::syntax::row_in;

/// A condition that is asked of a pair before the others are.
static FIRST: Marker = Marker {
    name: "__first",
    args: 1,
    of: 0,
    nullable: false,
    closed: false,
    volatility: Volatility::Immutable,
    eval: first,
};

/// A condition on the row outside that is asked before all others.
pub(super) fn asked_before_others(condition: Expr) -> Expr {
    FIRST.call(vec![condition])
}

/// What a condition asks, and whether before all others.
pub(super) fn asked_first(condition: Expr) -> (Expr, bool) {
    match FIRST.within(&condition) {
        Some([inner]) => (inner.clone(), true),
        _ => (condition, false),
    }
}

/// A condition that is not unknown, so that nothing is asked behind it where it is not true; of a key nothing is.
pub(super) fn certain(condition: Expr, outer: &LogicalPlan, plan: &LogicalPlan) -> Result<Expr> {
    Ok(if is_key(&condition, outer, plan)? { condition } else { Expr::IsTrue(Box::new(condition)) })
}

/// Whether a condition is one on the row outside that was asked before others.
pub(super) fn is_guard(condition: &Expr) -> bool {
    matches!(condition, Expr::IsTrue(_)) && condition.column_refs().is_empty()
}

/// Whether what is computed of a row of a plan and the row outside may fail.
fn pairs_may_fail(plan: &LogicalPlan) -> Result<bool> {
    plan.exists(|node| {
        let input = read_by(node);
        let mut fails = false;
        for expr in node.expressions() {
            fails |= pair_may_fail(&expr, &input)?;
        }
        Ok(fails)
    })
}

fn pair_may_fail(expr: &Expr, input: &DFSchema) -> Result<bool> {
    Ok(expr.contains_outer() && !asks(expr) && may_fail(expr, input)?)
}

/// All columns that a node can read.
pub(super) fn read_by(node: &LogicalPlan) -> DFSchema {
    let mut input = DFSchema::empty();
    node.inputs().into_iter().for_each(|below| input.merge(below.schema()));
    input
}

/// A plan in which no pair fails below what groups, ranks or repeats its rows: there pairs are those of a relation of the values
/// outside, the same for each question, and one has told of them. They are left out all the same. `below`: whether it is below such.
fn silent(plan: LogicalPlan, below: bool) -> Result<LogicalPlan> {
    let passes = match &plan {
        LogicalPlan::Projection(_) | LogicalPlan::Filter(_) | LogicalPlan::Sort(_) => true,
        LogicalPlan::Join(join) => join.join_type == JoinType::Inner,
        _ => false,
    };
    let below = below || !passes;
    let plan = plan.map_children(|child| Ok(Transformed::yes(silent(child, below)?)))?.data;
    if !below {
        return Ok(plan);
    }
    let input = read_by(&plan);
    let tried = |condition: Expr| -> Result<Expr> {
        let key = matches!(&condition, Expr::BinaryExpr(BinaryExpr { op: Operator::Eq, .. }));
        Ok(if !key && pair_may_fail(&condition, &input)? { TRY.call(vec![condition]) } else { condition })
    };
    let all = |predicate: Expr| -> Result<Option<Expr>> {
        let tried = split_conjunction_owned(predicate).into_iter().map(tried);
        Ok(conjunction(tried.collect::<Result<Vec<_>>>()?))
    };
    Ok(match plan {
        LogicalPlan::Filter(filter) => match all(filter.predicate.clone())? {
            Some(predicate) => LogicalPlan::Filter(Filter::try_new(predicate, filter.input)?),
            None => LogicalPlan::Filter(filter),
        },
        LogicalPlan::Join(join) => {
            let filter = join.filter.clone().map(all).transpose()?.flatten();
            LogicalPlan::Join(Join { filter, ..join })
        }
        plan @ (LogicalPlan::Projection(_) | LogicalPlan::Aggregate(_)) => {
            let mut computed: Vec<Expr> = Vec::new();
            for expr in plan.expressions() {
                match kept::inner(expr.unalias()) {
                    // Its arguments are asked behind its filter.
                    Expr::AggregateFunction(call) if call.params.filter.is_some() => {}
                    Expr::AggregateFunction(call) => computed.extend(call.params.args),
                    other => computed.push(other),
                }
            }
            let mut fail = Vec::new();
            for expr in computed {
                if pair_may_fail(&expr, &input)? {
                    fail.push(TRY.call(vec![expr.is_null()]).is_not_null());
                }
            }
            let Some(works) = conjunction(fail) else { return Ok(plan) };
            let rows = plan.inputs()[0].clone();
            let rows = LogicalPlan::Filter(Filter::try_new(works, Arc::new(rows))?);
            plan.with_new_exprs(plan.expressions(), vec![rows])?
        }
        other => other,
    })
}

/// `x op ANY (subquery)`, which may be negated; `x` is several expressions where rows are compared.
struct Any {
    parts: Vec<Expr>,
    op: Operator,
    rows: LogicalPlan,
    /// What is compared with, over `rows`.
    values: Vec<Expr>,
    subquery: Subquery,
    negated: bool,
}

impl Any {
    fn of(expr: &Expr) -> Result<Option<Any>> {
        let (expr, op, subquery, negated) = match expr.clone() {
            Expr::InSubquery(InSubquery { expr, subquery, negated }) => (expr, Operator::Eq, subquery, negated),
            Expr::SetComparison(SetComparison { expr, subquery, op, quantifier: SetQuantifier::Any }) => {
                (expr, op, subquery, false)
            }
            Expr::SetComparison(SetComparison { expr, subquery, op, quantifier: SetQuantifier::All }) => {
                let Some(op) = op.negate() else {
                    return datafusion_common::plan_err!("ALL does not compare by {op}");
                };
                (expr, op, subquery, true)
            }
            _ => return Ok(None),
        };
        let rows = subquery.subquery.as_ref().clone();
        let (parts, rows, values) = match row_in::parts(&expr) {
            None => {
                let value = Expr::Column(rows.schema().columns().swap_remove(0));
                (vec![*expr], rows, vec![value])
            }
            Some(parts) => {
                let (rows, values) = row_in::rows(rows)?;
                (parts, rows, values)
            }
        };
        Ok(Some(Any { parts, op, rows, values, subquery, negated }))
    }

    /// The comparison itself, where the subquery is always one row.
    fn one(&self) -> Option<Expr> {
        let [own] = self.parts.as_slice() else { return None };
        let compared = binary(own.clone(), self.op, Expr::ScalarSubquery(self.subquery.clone()));
        super::attach::is_one(&self.rows).then_some(compared)
    }

    /// The same with what is compared with as columns that are computed once, where a row may fail on its way to them.
    fn kept(mut self, fresh: &mut Fresh) -> Result<Any> {
        let mut fails = kept::rows_may_fail(&self.rows)?;
        for value in &self.values {
            fails |= may_fail(value, self.rows.schema())?;
        }
        if fails {
            let named = self.values.into_iter().map(|value| fresh.named(kept::call(value), "value"));
            let named: Vec<Expr> = named.collect();
            self.values = named.iter().map(|named| Expr::Column(column_of(named))).collect();
            self.rows = projected(self.rows, named)?;
        }
        Ok(self)
    }

    /// All parts compared with a row of the subquery: `(a, b) < (c, d)` is `a < c`, or `a = c` and `b < d`.
    fn compared(&self, input: &LogicalPlan) -> Result<Expr> {
        let strict = match self.op {
            Operator::LtEq => Operator::Lt,
            Operator::GtEq => Operator::Gt,
            op => op,
        };
        let mut whole: Option<Expr> = None;
        for (part, value) in self.parts.iter().zip(&self.values).rev() {
            let by = |op: Operator| Ok::<Expr, DataFusionError>(binary(outer(part, input)?, op, value.clone()));
            whole = Some(match (whole, self.op) {
                (None, op) => by(op)?,
                (Some(rest), op @ Operator::NotEq) => by(op)?.or(rest),
                (Some(rest), Operator::Lt | Operator::LtEq | Operator::Gt | Operator::GtEq) => {
                    by(strict)?.or(by(Operator::Eq)?.and(rest))
                }
                (Some(rest), op) => by(op)?.and(rest),
            });
        }
        whole.map_or_else(|| datafusion_common::internal_err!("nothing is compared"), Ok)
    }

    /// Whether pairs of rows may fail in the subquery.
    fn of_pairs(&self) -> Result<bool> {
        Ok(self.parts.iter().any(|part| !part.column_refs().is_empty()) && pairs_may_fail(&self.rows)?)
    }

    /// EXISTS of a value that makes it true.
    fn is_true(&self, input: &LogicalPlan) -> Result<Expr> {
        let mut condition = self.compared(input)?;
        if self.of_pairs()? {
            condition = FIRST.call(vec![condition]);
        }
        self.exists(LogicalPlan::Filter(Filter::try_new(condition, Arc::new(self.rows.clone()))?))
    }

    /// EXISTS of a value that makes it unknown, if none makes it true; nothing if there can be none.
    fn is_unknown(&self, input: &LogicalPlan, fresh: &mut Fresh) -> Result<Option<Expr>> {
        let asked = |condition: Expr| {
            let rows = LogicalPlan::Filter(Filter::try_new(condition, Arc::new(self.rows.clone()))?);
            self.exists(rows).map(Some)
        };
        let single = match (self.parts.as_slice(), self.values.as_slice()) {
            ([own], [value]) => Some((own, value)),
            _ => None,
        };
        let nulls = single.map(|(own, value)| {
            Ok::<_, DataFusionError>((own.nullable(input.schema())?, value.nullable(self.rows.schema())?))
        });
        let nulls = nulls.transpose()?;
        if nulls == Some((false, false)) {
            return Ok(None);
        }
        if self.of_pairs()? {
            // That what is compared fails was told where it was asked whether it is true.
            let condition = FIRST.call(vec![TRY.call(vec![self.compared(input)?.is_null()])]);
            let rows = Filter::try_new(condition, Arc::new(silent(self.rows.clone(), false)?))?;
            return self.exists(LogicalPlan::Filter(rows)).map(Some);
        }
        let Some(((own, value), (own_null, theirs))) = single.zip(nulls) else {
            return asked(Expr::IsNotFalse(Box::new(self.compared(input)?)));
        };
        let null = if theirs { value.clone().is_null() } else { lit(false) };
        let kinds = projected(self.rows.clone(), vec![fresh.named(null, "unknown")])?;
        let mut condition = Expr::Column(kinds.schema().columns().swap_remove(0));
        let kinds = LogicalPlan::Distinct(Distinct::All(Arc::new(kinds)));
        if own_null {
            condition = condition.or(outer(own, input)?.is_null());
        }
        self.exists(LogicalPlan::Filter(Filter::try_new(condition, Arc::new(kinds))?)).map(Some)
    }

    fn exists(&self, rows: LogicalPlan) -> Result<Expr> {
        let subquery = Subquery { subquery: Arc::new(rows), ..self.subquery.clone() };
        Ok(Expr::Exists(Exists { subquery, negated: false }))
    }
}

/// The rows with what expressions over them compare with subqueries as columns that are computed once, where it may fail, and
/// the expressions over those.
pub(super) fn kept(input: LogicalPlan, exprs: Vec<Expr>, fresh: &mut Fresh) -> Result<(LogicalPlan, Vec<Expr>)> {
    let mut made: Vec<(Expr, Expr)> = Vec::new();
    let mut done = Vec::new();
    for expr in exprs {
        let expr =
            expr.transform_down(|mut expr| {
                if Any::of(&expr)?.is_none_or(|any| any.one().is_some()) {
                    return Ok(Transformed::no(expr));
                }
                let (Expr::InSubquery(InSubquery { expr: own, .. })
                | Expr::SetComparison(SetComparison { expr: own, .. })) = &mut expr
                else {
                    return Ok(Transformed::no(expr));
                };
                let mut any = false;
                for part in row_in::parts_mut(own) {
                    if asks(part) || !may_fail(part, input.schema())? {
                        continue;
                    }
                    let known = made.iter().find(|(of, _)| of == part).map(|(_, named)| named.clone());
                    let named = known.unwrap_or_else(|| {
                        let named = fresh.named(kept::call(part.clone()), "value");
                        made.push((part.clone(), named.clone()));
                        named
                    });
                    *part = Expr::Column(column_of(&named));
                    any = true;
                }
                Ok(if any { Transformed::yes(expr) } else { Transformed::no(expr) })
            });
        done.push(expr.data()?);
    }
    if made.is_empty() {
        return Ok((input, done));
    }
    let columns = input.schema().columns().into_iter().map(Expr::Column);
    let columns = columns.chain(made.into_iter().map(|(_, named)| named)).collect();
    Ok((projected(input, columns)?, done))
}

/// A condition that is true where `expr` is `wanted`, over the rows of `input`; elsewhere it is not true.
pub(super) fn truth(expr: Expr, wanted: bool, input: &LogicalPlan, fresh: &mut Fresh) -> Result<Expr> {
    if let Some(any) = Any::of(&expr)? {
        let wanted = wanted != any.negated;
        if let Some(one) = any.one() {
            return Ok(if wanted { one } else { not(one) });
        }
        // Equal is a key of the join, which is computed once as it is.
        let any = if wanted && any.op == Operator::Eq { any } else { any.kept(fresh)? };
        let is_true = any.is_true(input)?;
        if wanted {
            return Ok(is_true);
        }
        let unknown = any.is_unknown(input, fresh)?.map(not);
        return Ok(unknown.into_iter().fold(not(is_true), Expr::and));
    }
    Ok(match expr {
        Expr::Not(inner) => truth(*inner, !wanted, input, fresh)?,
        Expr::BinaryExpr(BinaryExpr { left, op: op @ (Operator::And | Operator::Or), right })
            if asks(&left) || asks(&right) =>
        {
            let op = match (op, wanted) {
                (Operator::And, true) | (Operator::Or, false) => Operator::And,
                _ => Operator::Or,
            };
            binary(truth(*left, wanted, input, fresh)?, op, truth(*right, wanted, input, fresh)?)
        }
        Expr::Exists(Exists { subquery, negated }) => Expr::Exists(Exists { subquery, negated: negated == wanted }),
        other => {
            let value = if asks(&other) { value(other, input, fresh)? } else { other };
            if wanted { value } else { not(value) }
        }
    })
}

/// An expression whose value matters, over the rows of `input`.
pub(super) fn value(expr: Expr, input: &LogicalPlan, fresh: &mut Fresh) -> Result<Expr> {
    expr.transform_down(|expr| {
        let Some(any) = Any::of(&expr)? else { return Ok(Transformed::no(expr)) };
        let value = match any.one() {
            Some(one) if any.negated => not(one),
            Some(one) => one,
            None => {
                let any = any.kept(fresh)?;
                let is_true = any.is_true(input)?;
                let then = |value: bool| Box::new(lit(value != any.negated));
                let mut cases = vec![(Box::new(is_true), then(true))];
                if let Some(unknown) = any.is_unknown(input, fresh)? {
                    cases.push((Box::new(unknown), Box::new(lit(ScalarValue::Boolean(None)))));
                }
                Expr::Case(Case::new(None, cases, Some(then(false))))
            }
        };
        Ok(Transformed::new(value, true, TreeNodeRecursion::Jump))
    })
    .data()
}

fn not(expr: Expr) -> Expr {
    match expr {
        Expr::Exists(Exists { subquery, negated }) => Expr::Exists(Exists { subquery, negated: !negated }),
        other => Expr::Not(Box::new(other)),
    }
}

fn binary(left: Expr, op: Operator, right: Expr) -> Expr {
    Expr::BinaryExpr(BinaryExpr { left: Box::new(left), op, right: Box::new(right) })
}

/// An expression over the row at hand, as a subquery reads it.
pub(super) fn outer(expr: &Expr, input: &LogicalPlan) -> Result<Expr> {
    let schema = input.schema();
    expr.clone()
        .transform(|expr| match expr {
            Expr::Column(column) => {
                let field = Arc::clone(schema.field_from_column(&column)?);
                Ok(Transformed::yes(Expr::OuterReferenceColumn(field, column)))
            }
            other => Ok(Transformed::no(other)),
        })
        .data()
}
