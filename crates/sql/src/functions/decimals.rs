//! `+`, `-`, `*` and `/` of DECIMALs where the library's own would cut the result, hold more digits than its type has, or have no
//! type: calls, which the planner makes of the operators, so that constants are folded by the same rule as rows are computed.

use std::sync::Arc;

use arrow_schema::DataType;
use datafusion_common::tree_node::Transformed;
use datafusion_common::{DFSchema, Result, ScalarValue, internal_err};
use datafusion_expr::planner::{ExprPlanner, PlannerResult, RawBinaryExpr};
use datafusion_expr::type_coercion::binary::BinaryTypeCoercer;
use datafusion_expr::{
    BinaryExpr, ColumnarValue, Expr, ExprSchemable, Operator, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility, cast,
};
use datafusion_sql::sqlparser::ast::BinaryOperator;

use crate::functions::exact;
use highwater_core::expression::{Arithmetic, calculate};

/// Makes the calls.
#[derive(Debug)]
pub(super) struct Decimals;

impl ExprPlanner for Decimals {
    fn plan_binary_op(&self, expr: RawBinaryExpr, schema: &DFSchema) -> Result<PlannerResult<RawBinaryExpr>> {
        let RawBinaryExpr { op: written, mut left, mut right } = expr;
        if !matches!(written, BinaryOperator::And | BinaryOperator::Or) {
            (left, right) = (exact::resolved(left, schema)?.data, exact::resolved(right, schema)?.data);
            exact::together(&mut [&mut left, &mut right], schema)?;
            (left, right) = (exact::branches(left, schema)?, exact::branches(right, schema)?);
        }
        let expr = RawBinaryExpr { op: written, left, right };
        let op = match expr.op {
            BinaryOperator::Plus => Operator::Plus,
            BinaryOperator::Minus => Operator::Minus,
            BinaryOperator::Multiply => Operator::Multiply,
            BinaryOperator::Divide => Operator::Divide,
            _ => return Ok(PlannerResult::Original(expr)),
        };
        // What has no type here is typed later, and looked at again then.
        let (Ok(left), Ok(right)) = (expr.left.get_type(schema), expr.right.get_type(schema)) else {
            return Ok(PlannerResult::Original(expr));
        };
        if !left.is_decimal() && !right.is_decimal() {
            return Ok(PlannerResult::Original(expr));
        }
        let (Some(a), Some(b)) = (digits(&expr.left, &left), digits(&expr.right, &right)) else {
            return Ok(PlannerResult::Original(expr));
        };
        Ok(match replaces(op, (&left, a), (&right, b)) {
            Some(arithmetic) => {
                let operand = |expr: Expr, from: &DataType, (precision, scale): (u8, i8)| match from.is_decimal() {
                    true => expr,
                    false => cast(expr, DataType::Decimal128(precision, scale)),
                };
                let args = vec![operand(expr.left, &left, a), operand(expr.right, &right, b)];
                PlannerResult::Planned(udf(arithmetic, None).call(args))
            }
            None => PlannerResult::Original(expr),
        })
    }
}

/// An operator over DECIMALs that is left when all types are settled, as a call of the same type.
pub fn settled(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let Expr::BinaryExpr(BinaryExpr { left, op, right }) = &expr else { return Ok(Transformed::no(expr)) };
    let (Ok(a), Ok(b)) = (left.get_type(schema), right.get_type(schema)) else { return Ok(Transformed::no(expr)) };
    let (&DataType::Decimal128(p1, s1), &DataType::Decimal128(p2, s2)) = (&a, &b) else {
        return Ok(Transformed::no(expr));
    };
    let Some(arithmetic) = replaces(*op, (&a, (p1, s1)), (&b, (p2, s2))) else { return Ok(Transformed::no(expr)) };
    let output = expr.get_type(schema)?;
    Ok(Transformed::yes(udf(arithmetic, Some(output)).call(vec![left.as_ref().clone(), right.as_ref().clone()])))
}

/// What stands in for an operator of the library's over operands of these types, of so many digits and places.
fn replaces(op: Operator, left: (&DataType, (u8, i8)), right: (&DataType, (u8, i8))) -> Option<Arithmetic> {
    let arithmetic = match op {
        Operator::Plus => Arithmetic::Plus,
        Operator::Minus => Arithmetic::Minus,
        Operator::Multiply => Arithmetic::Times,
        Operator::Divide => return Some(Arithmetic::Over),
        _ => return None,
    };
    // Below 38 digits there is room for every exact result.
    match BinaryTypeCoercer::new(left.0, &op, right.0).get_result_type() {
        Ok(DataType::Decimal128(precision, _)) if precision < 38 => None,
        _ => Some(arithmetic),
    }
}

/// The digits and places of an operand, if it is a DECIMAL or becomes one. A literal has no more than it needs, as INT or BIGINT.
pub(crate) fn digits(expr: &Expr, data_type: &DataType) -> Option<(u8, i8)> {
    Some(match (data_type, expr) {
        (DataType::Decimal128(precision, scale), _) => (*precision, *scale),
        (DataType::Int64, Expr::Literal(ScalarValue::Int64(Some(value)), _)) if i32::try_from(*value).is_ok() => {
            (10, 0)
        }
        (DataType::Int8, _) => (3, 0),
        (DataType::Int16, _) => (5, 0),
        (DataType::Int32, _) => (10, 0),
        (DataType::Int64, _) => (19, 0),
        _ => return None,
    })
}

fn udf(arithmetic: Arithmetic, output: Option<DataType>) -> Arc<ScalarUDF> {
    let signature = Signature::any(2, Volatility::Immutable);
    Arc::new(ScalarUDF::new_from_impl(Calculation { arithmetic, output, signature }))
}

/// The call; its name is the operator's.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Calculation {
    arithmetic: Arithmetic,
    /// The result's type, if it is another one than follows from the operands.
    output: Option<DataType>,
    signature: Signature,
}

impl Calculation {
    /// As it is written, an operand that would be read apart in parentheses.
    fn written(&self, args: &[Expr], show: impl Fn(&Expr) -> String) -> Result<String> {
        let [left, right] = args else { return internal_err!("two operands") };
        let rank = self.arithmetic.rank();
        let side = |expr: &Expr, least: u8| {
            let inner = match expr {
                Expr::BinaryExpr(binary) => Some(binary.op.precedence()),
                Expr::ScalarFunction(call) => Arithmetic::named(call.func.name()).map(Arithmetic::rank),
                _ => None,
            };
            match inner.is_some_and(|inner| inner < least) {
                true => format!("({})", show(expr)),
                false => show(expr),
            }
        };
        Ok(format!("{} {} {}", side(left, rank), self.arithmetic, side(right, rank.saturating_add(1))))
    }
}

impl ScalarUDFImpl for Calculation {
    fn name(&self) -> &str {
        self.arithmetic.symbol()
    }

    fn display_name(&self, args: &[Expr]) -> Result<String> {
        self.written(args, |expr| expr.to_string())
    }

    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        self.written(args, |expr| expr.schema_name().to_string())
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        let [DataType::Decimal128(p1, s1), DataType::Decimal128(p2, s2)] = types else {
            return internal_err!("arithmetic of DECIMALs over {types:?}");
        };
        let (precision, scale) = self.arithmetic.result((*p1, *s1), (*p2, *s2));
        Ok(self.output.clone().unwrap_or(DataType::Decimal128(precision, scale)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [left, right] = args.args.as_slice() else { return internal_err!("two operands") };
        let column = |arg: &ColumnarValue| match arg {
            ColumnarValue::Array(array) => Ok(Arc::clone(array)),
            ColumnarValue::Scalar(scalar) => scalar.to_array(),
        };
        let constant = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let rows = if constant { 1 } else { args.number_rows };
        let output = args.return_field.data_type();
        let made = calculate(self.arithmetic, &column(left)?, &column(right)?, rows, output)?;
        Ok(if constant { ScalarValue::try_from_array(&made, 0)?.into() } else { made.into() })
    }
}
