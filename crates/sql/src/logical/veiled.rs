//! What the library's simplifier would get wrong, hidden from it; and what its evaluation would, put right behind it.
//!
//! - A cast that loses something (`DECIMAL(10, 4)` to `DECIMAL(10, 2)`, `BIGINT` to `INT`) is moved from one side of a comparison to
//!   the other, where it loses nothing: `CAST(1.2345 AS DECIMAL(10, 2)) = 1.23` would be false, and a value that does not fit
//!   would not fail.
//! - `i ^ i` becomes 0, also of a NULL.
//! - Lists of one expression become one list, also where they come side by side only as it goes, and columns in them are taken for
//!   values of their own ([`super::literals`]).
//! - Lists of more than three floats, CASE with a base and NULLIF compare bits: -0.0 would not be 0.
//!
//! So such a cast, the right side of `^`, and what is looked for in a list, go into a function that hands on what it is given, before
//! the simplifier looks; when all rules are through it is taken away. What is compared by its bits is put in one form first, which has
//! one NaN and no -0.0.

use std::cell::Cell;

use arrow_schema::{DataType, TimeUnit};
use datafusion_common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion_common::{DFSchema, Result, ScalarValue};
use datafusion_expr::expr::{Case, Cast, InList, ScalarFunction, TryCast};
use datafusion_expr::utils::merge_schema;
use datafusion_expr::{
    BinaryExpr, ColumnarValue, Expr, ExprSchemable, LogicalPlan, Operator, ScalarFunctionArgs, ScalarUDF,
    ScalarUDFImpl, Signature, Volatility, lit,
};
use datafusion_optimizer::optimizer::ApplyOrder;
use datafusion_optimizer::{OptimizerConfig, OptimizerRule};

use crate::functions::marker::{Marker, first};
use crate::logical::typed::rewritten;
use highwater_core::delta::{canonical, has_floats};
use highwater_core::expression::CANONICAL;

/// Hides, for all expressions of a plan.
#[derive(Debug)]
pub(crate) struct Hide;

/// Takes away what hides, for all expressions of a plan.
#[derive(Debug)]
pub(crate) struct Show;

impl OptimizerRule for Hide {
    fn name(&self) -> &str {
        "hide"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::BottomUp)
    }

    fn rewrite(&self, plan: LogicalPlan, _: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        let schema = merge_schema(&plan.inputs());
        rewritten(plan, |expr| hide(expr, &schema))
    }
}

impl OptimizerRule for Show {
    fn name(&self) -> &str {
        "show"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::BottomUp)
    }

    fn rewrite(&self, plan: LogicalPlan, _: &dyn OptimizerConfig) -> Result<Transformed<LogicalPlan>> {
        let schema = merge_schema(&plan.inputs());
        rewritten(plan, |expr| show(expr, &schema))
    }
}

/// Hands on its first argument; the second tells it from others.
static AS_IT_IS: Marker = Marker {
    name: "__as_it_is",
    args: 2,
    of: 0,
    nullable: false,
    closed: false,
    volatility: Volatility::Immutable,
    eval: first,
};

fn veil(expr: Expr, number: i64) -> Expr {
    AS_IT_IS.call(vec![expr, lit(number)])
}

fn unveiled(expr: &Expr) -> Option<&Expr> {
    AS_IT_IS.within(expr)?.first()
}

/// The expression with all hidden that the simplifier would get wrong.
pub(crate) fn hide(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let next = Cell::new(0);
    expr.transform_down(|expr| {
        if unveiled(&expr).is_some() {
            return Ok(Transformed::new(expr, false, TreeNodeRecursion::Jump));
        }
        match expr {
            Expr::BinaryExpr(BinaryExpr { left, op: Operator::BitwiseXor, right })
                if !matches!(*right, Expr::Literal(..)) && unveiled(&right).is_none() =>
            {
                next.set(next.get() + 1);
                let right = Box::new(veil(hide(*right, schema)?.data, next.get()));
                Ok(Transformed::yes(Expr::BinaryExpr(BinaryExpr { left, op: Operator::BitwiseXor, right })))
            }
            Expr::Cast(Cast { expr: inner, field }) if loses(&inner, field.data_type(), schema) => {
                let inner = Box::new(hide(*inner, schema)?.data);
                let veiled = veil(Expr::Cast(Cast { expr: inner, field }), 0);
                Ok(Transformed::new(veiled, true, TreeNodeRecursion::Jump))
            }
            Expr::TryCast(TryCast { expr: inner, field }) if loses(&inner, field.data_type(), schema) => {
                let inner = Box::new(hide(*inner, schema)?.data);
                let veiled = veil(Expr::TryCast(TryCast { expr: inner, field }), 0);
                Ok(Transformed::new(veiled, true, TreeNodeRecursion::Jump))
            }
            Expr::InList(InList { expr: inner, list, negated })
                if !matches!(*inner, Expr::Literal(..)) && unveiled(&inner).is_none() =>
            {
                next.set(next.get() + 1);
                let inner = Box::new(veil(hide(*inner, schema)?.data, next.get()));
                let list = list.into_iter().map(|item| Ok(hide(item, schema)?.data)).collect::<Result<_>>()?;
                let list = Expr::InList(InList { expr: inner, list, negated });
                Ok(Transformed::new(list, true, TreeNodeRecursion::Jump))
            }
            // Of literals it is folded before.
            Expr::ScalarFunction(_) | Expr::Case(_) => without_bits(expr, schema),
            // Of `x = 0.0 AND x = -0.0` it would say that both cannot be.
            Expr::BinaryExpr(BinaryExpr { left, op, right })
                if op.supports_propagation() && [&left, &right].into_iter().any(|side| is_minus_zero(side)) =>
            {
                let plain = |side: Box<Expr>| if is_minus_zero(&side) { Box::new(lit(0.0f64)) } else { side };
                Ok(Transformed::yes(Expr::BinaryExpr(BinaryExpr { left: plain(left), op, right: plain(right) })))
            }
            other => Ok(Transformed::no(other)),
        }
    })
}

/// The expression with nothing hidden, and nothing that compares the bits of floats.
pub(crate) fn show(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    expr.transform_up(|expr| {
        if let Some(inner) = unveiled(&expr) {
            return Ok(Transformed::yes(inner.clone()));
        }
        without_bits(expr, schema)
    })
}

/// What compares the bits of floats, over floats in one form.
fn without_bits(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    match expr {
        Expr::InList(InList { expr, list, negated }) if is_float(&expr, schema) => {
            let list = list.into_iter().map(in_one_form).collect();
            Ok(Transformed::yes(Expr::InList(InList { expr: Box::new(in_one_form(*expr)), list, negated })))
        }
        Expr::Case(Case { expr: Some(base), when_then_expr, else_expr }) if is_float(&base, schema) => {
            let whens = when_then_expr.into_iter().map(|(when, then)| (Box::new(in_one_form(*when)), then));
            let (base, whens) = (Some(Box::new(in_one_form(*base))), whens.collect());
            Ok(Transformed::yes(Expr::Case(Case { expr: base, when_then_expr: whens, else_expr })))
        }
        Expr::ScalarFunction(ScalarFunction { func, args })
            if func.name() == "nullif" && args.iter().all(|arg| is_float(arg, schema)) =>
        {
            let args = args.into_iter().map(in_one_form).collect();
            Ok(Transformed::yes(Expr::ScalarFunction(ScalarFunction { func, args })))
        }
        other => Ok(Transformed::no(other)),
    }
}

fn is_float(expr: &Expr, schema: &DFSchema) -> bool {
    expr.get_type(schema).is_ok_and(|data_type| has_floats(&data_type))
}

fn is_minus_zero(expr: &Expr) -> bool {
    matches!(expr, Expr::Literal(ScalarValue::Float64(Some(zero)), _) if *zero == 0.0 && zero.is_sign_negative())
}

/// A float, an interval, or what holds some, in the form in which equal values have equal bytes.
pub(super) fn in_one_form(expr: Expr) -> Expr {
    match expr {
        Expr::Literal(value, metadata) => Expr::Literal(canonical_value(&value).unwrap_or(value), metadata),
        Expr::ScalarFunction(ref call) if call.func.name() == CANONICAL => expr,
        other => ScalarUDF::new_from_impl(OneForm(Signature::any(1, Volatility::Immutable))).call(vec![other]),
    }
}

fn canonical_value(value: &ScalarValue) -> Result<ScalarValue> {
    ScalarValue::try_from_array(&canonical(&value.to_array()?), 0)
}

/// Floats in one form each: what lists and CASE compare by bits.
#[derive(Debug, PartialEq, Eq, Hash)]
struct OneForm(Signature);

impl ScalarUDFImpl for OneForm {
    fn name(&self) -> &str {
        CANONICAL
    }

    fn signature(&self) -> &Signature {
        &self.0
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        Ok(types[0].clone())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        Ok(match &args.args[0] {
            ColumnarValue::Array(values) => canonical(values).into(),
            ColumnarValue::Scalar(value) => canonical_value(value)?.into(),
        })
    }
}

/// Whether a cast may make one value of several, or fail.
pub(crate) fn loses(expr: &Expr, to: &DataType, schema: &DFSchema) -> bool {
    !matches!(expr, Expr::Literal(..)) && expr.get_type(schema).map_or(true, |from| !embeds(&from, to))
}

/// Whether every value of a type is one of another, in the same order.
fn embeds(from: &DataType, to: &DataType) -> bool {
    let whole = |data_type: &DataType| match data_type {
        DataType::Int8 => Some(3),
        DataType::Int16 => Some(5),
        DataType::Int32 => Some(10),
        DataType::Int64 => Some(19),
        _ => None,
    };
    match (from, to) {
        (from, to) if from == to => true,
        (DataType::Decimal128(p, s), DataType::Decimal128(q, t)) => {
            t >= s && i32::from(*q) - i32::from(*t) >= i32::from(*p) - i32::from(*s)
        }
        (from, DataType::Decimal128(p, s)) => whole(from).is_some_and(|digits| i32::from(*p) - i32::from(*s) >= digits),
        (DataType::Timestamp(TimeUnit::Second, a), DataType::Timestamp(TimeUnit::Millisecond, b)) => a == b,
        (from, DataType::Utf8) => whole(from).is_some(),
        (from, to) => whole(from).zip(whole(to)).is_some_and(|(from, to)| from <= to),
    }
}
