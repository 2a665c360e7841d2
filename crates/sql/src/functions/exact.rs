//! Literals with a decimal point beside DECIMALs: `d * 1.10` is a product of DECIMALs, by the literal's own digits, as in the standard and
//! Flink. Beside anything else, and alone, such a literal is a DOUBLE.
//!
//! The planner reads a number without its digits, and what stands beside it has no type before it is planned. So a literal that is an
//! operand (of arithmetic, a comparison, BETWEEN, IN, CASE, COALESCE and the like of them) becomes a call that has both, the number and
//! its text, and where the types of what stands beside it are known a literal takes its place ([`resolved`]): for arithmetic while
//! operators are planned, whose types depend on it, for the rest when comparisons are settled.

use arrow_schema::DataType as Type;
use datafusion_common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion_common::{DFSchema, Result, ScalarValue, plan_err};
use datafusion_expr::expr::{Between, Case, InList, ScalarFunction};
use datafusion_expr::{BinaryExpr, Expr, ExprSchemable, Volatility, cast, lit};
use datafusion_sql::sqlparser::ast::{
    self, BinaryOperator, DataType, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, UnaryOperator, Value,
    ValueWithSpan,
};

use super::marker::{Marker, first};
use crate::functions::digits;
use crate::parse::made::call;
use crate::parse::token::last_part;
use crate::parse::walk::{Flow, Part};

/// The call: of the number, and of its text.
pub(crate) static EXACT: Marker = Marker {
    name: "__exact",
    args: 2,
    of: 0,
    nullable: false,
    closed: false,
    volatility: Volatility::Immutable,
    eval: first,
};

/// Functions of values of one type, whose literals are operands.
const ALIKE: &[&str] = &["coalesce", "ifnull", "nvl", "nullif", "greatest", "least", "if", "nvl2", "mod"];

/// Makes calls of literals that are operands.
pub(crate) fn step(part: Part<'_>) -> Flow {
    let Part::Done(expr) = part else { return Flow::Continue(()) };
    match expr {
        ast::Expr::BinaryOp { left, op, right } if is_operator(op) => {
            [left, right].into_iter().for_each(|side| mark(side))
        }
        ast::Expr::IsDistinctFrom(left, right) | ast::Expr::IsNotDistinctFrom(left, right) => {
            [left, right].into_iter().for_each(|side| mark(side));
        }
        ast::Expr::Between { expr, low, high, .. } => [expr, low, high].into_iter().for_each(|side| mark(side)),
        ast::Expr::InList { expr, list, .. } => {
            mark(expr);
            list.iter_mut().for_each(mark);
        }
        ast::Expr::Case { operand, conditions, else_result, .. } => {
            operand.iter_mut().for_each(|operand| mark(operand));
            for when in conditions {
                mark(&mut when.condition);
                mark(&mut when.result);
            }
            else_result.iter_mut().for_each(|other| mark(other));
        }
        // What is written is cast, and not the nearest DOUBLE.
        ast::Expr::Cast { expr, data_type: DataType::Decimal(_) | DataType::Numeric(_) | DataType::Dec(_), .. } => {
            if let Some((text, span)) = written(expr) {
                **expr = ast::Expr::Value(ValueWithSpan { value: Value::SingleQuotedString(text), span });
            }
        }
        ast::Expr::Function(function) if ALIKE.contains(&last_part(&function.name).as_str()) => {
            if let FunctionArguments::List(list) = &mut function.args {
                for arg in &mut list.args {
                    if let FunctionArg::Unnamed(FunctionArgExpr::Expr(arg)) = arg {
                        mark(arg);
                    }
                }
            }
        }
        _ => {}
    }
    Flow::Continue(())
}

fn is_operator(op: &BinaryOperator) -> bool {
    use BinaryOperator::{Divide, Eq, Gt, GtEq, Lt, LtEq, Minus, Modulo, Multiply, NotEq, Plus};
    matches!(op, Plus | Minus | Multiply | Divide | Modulo | Eq | NotEq | Lt | LtEq | Gt | GtEq)
}

fn mark(expr: &mut ast::Expr) {
    let Some((text, span)) = written(expr) else { return };
    let value = |value| ast::Expr::Value(ValueWithSpan { value, span });
    let args = [Value::Number(text.clone(), false), Value::SingleQuotedString(text)].map(value);
    *expr = call(Ident::with_span(span, EXACT.name), args.to_vec());
}

/// The text of a literal with a decimal point, with its sign, and where it is.
fn written(expr: &ast::Expr) -> Option<(String, datafusion_sql::sqlparser::tokenizer::Span)> {
    match expr {
        ast::Expr::Nested(inner) => written(inner),
        ast::Expr::UnaryOp { op: UnaryOperator::Minus, expr } => match written(expr)? {
            (text, _) if text.starts_with('-') => None,
            (text, span) => Some((format!("-{text}"), span)),
        },
        ast::Expr::UnaryOp { op: UnaryOperator::Plus, expr } => written(expr),
        ast::Expr::Value(ValueWithSpan { value: Value::Number(text, _), span }) => {
            let digits = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
            (digits && text.contains('.') && text.len() > 1).then(|| (text.clone(), *span))
        }
        _ => None,
    }
}

/// A literal as the DECIMAL of its own digits, if it is one of at most 38.
fn decimal(text: &str) -> Option<ScalarValue> {
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |digits| (-1, digits));
    let (whole, fraction) = digits.split_once('.')?;
    let all = format!("{whole}{fraction}");
    let significant = all.trim_start_matches('0').len();
    let precision = u8::try_from(significant.max(fraction.len()).max(1)).ok().filter(|precision| *precision <= 38)?;
    let value: i128 = if all.is_empty() { return None } else { all.parse().ok()? };
    Some(ScalarValue::Decimal128(Some(sign * value), precision, i8::try_from(fraction.len()).ok()?))
}

/// The literal that a call is: a DECIMAL, or a DOUBLE.
fn literal(call: &Expr, as_decimal: bool) -> Result<Option<Expr>> {
    Ok(match EXACT.within(call) {
        Some([_, Expr::Literal(ScalarValue::Utf8(Some(text)), _)]) if as_decimal => match decimal(text) {
            Some(decimal) => Some(lit(decimal)),
            None => {
                return plan_err!(
                    "{text} has more digits than the 38 that a DECIMAL holds: write fewer, or {text}e0 for a DOUBLE"
                );
            }
        },
        Some([number, _]) => Some(number.clone()),
        _ => None,
    })
}

/// The expression with literals of the types that what stands beside them has in the place of calls. What is left stands beside
/// nothing that has a type yet.
pub(crate) fn resolved(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    if !expr.exists(|part| Ok(EXACT.within(part).is_some()))? {
        return Ok(Transformed::no(expr));
    }
    expr.transform_up(|mut expr| {
        let groups = beside(&mut expr);
        let any = !groups.is_empty();
        groups.into_iter().try_for_each(|mut group| together(&mut group, schema))?;
        Ok(Transformed::new(expr, any, TreeNodeRecursion::Continue))
    })
}

/// The parts of an expression that become of one type, in their groups.
fn beside(expr: &mut Expr) -> Vec<Vec<&mut Expr>> {
    match expr {
        Expr::BinaryExpr(BinaryExpr { left, right, .. }) => vec![vec![left.as_mut(), right.as_mut()]],
        Expr::Between(Between { expr, low, high, .. }) => vec![vec![expr.as_mut(), low.as_mut(), high.as_mut()]],
        Expr::InList(InList { expr, list, .. }) => vec![std::iter::once(expr.as_mut()).chain(list).collect()],
        Expr::Case(Case { expr, when_then_expr, else_expr }) => {
            let (mut bases, mut values): (Vec<&mut Expr>, Vec<&mut Expr>) = (Vec::new(), Vec::new());
            bases.extend(expr.as_deref_mut());
            for (when, then) in when_then_expr {
                bases.push(when);
                values.push(then);
            }
            values.extend(else_expr.as_deref_mut());
            vec![bases, values]
        }
        Expr::ScalarFunction(ScalarFunction { func, args }) if ALIKE.contains(&func.name()) => {
            let conditions = usize::from(["if", "nvl2"].contains(&func.name()));
            vec![args.iter_mut().skip(conditions).collect()]
        }
        _ => Vec::new(),
    }
}

/// Puts literals in the place of calls: DECIMALs where one of the others is such and none a float.
pub(crate) fn together(all: &mut [&mut Expr], schema: &DFSchema) -> Result<()> {
    if !all.iter().any(|expr| EXACT.within(expr).is_some()) {
        return Ok(());
    }
    let others = all.iter().filter(|expr| EXACT.within(expr).is_none());
    let Ok(types) = others.map(|expr| expr.get_type(schema)).collect::<Result<Vec<_>>>() else { return Ok(()) };
    let decimals = types.iter().any(|of| of.is_decimal()) && !types.iter().any(|of| of.is_floating());
    for expr in all.iter_mut() {
        if let Some(literal) = literal(expr, decimals)? {
            **expr = literal;
        }
    }
    Ok(())
}

/// The expression with the branches of its CASEs of one type where they are numbers of several: until then its type is that of the
/// first. DOUBLE beside anything, else a DECIMAL that holds all of them, else the widest of whole numbers.
pub(crate) fn branches(expr: Expr, schema: &DFSchema) -> Result<Expr> {
    let one = |mut expr: Expr| {
        let Expr::Case(Case { when_then_expr, else_expr, .. }) = &mut expr else { return Ok(Transformed::no(expr)) };
        let thens = when_then_expr.iter_mut().map(|(_, then)| then.as_mut());
        let all: Vec<&mut Expr> = thens.chain(else_expr.as_deref_mut()).collect();
        let types = all.iter().map(|expr| expr.get_type(schema)).collect::<Result<Vec<_>>>()?;
        let Some(common) = common(all.iter().map(|expr| &**expr).zip(&types)) else { return Ok(Transformed::no(expr)) };
        for (branch, _) in all.into_iter().zip(&types).filter(|(_, data_type)| **data_type != common) {
            let other = std::mem::take(branch);
            *branch = cast(other, common.clone());
        }
        Ok(Transformed::yes(expr))
    };
    Ok(expr.transform_up(one)?.data)
}

/// The type of numbers of several types; none if they are of one, or not all numbers, or too wide together.
fn common<'a>(all: impl Iterator<Item = (&'a Expr, &'a Type)>) -> Option<Type> {
    let all: Vec<_> = all.filter(|(_, data_type)| !data_type.is_null()).collect();
    let (_, first) = *all.first()?;
    if all.iter().all(|(_, data_type)| *data_type == first) || !all.iter().all(|(_, data_type)| data_type.is_numeric())
    {
        return None;
    }
    if all.iter().any(|(_, data_type)| data_type.is_floating()) {
        return Some(Type::Float64);
    }
    if all.iter().all(|(_, data_type)| data_type.is_integer()) {
        return Some(Type::Int64);
    }
    let digits = all.iter().map(|(expr, data_type)| digits(expr, data_type)).collect::<Option<Vec<_>>>()?;
    let scale = digits.iter().map(|(_, scale)| *scale).max()?;
    let whole = digits.iter().map(|(precision, scale)| i16::from(*precision) - i16::from(*scale)).max()?;
    let precision = u8::try_from(whole + i16::from(scale)).ok().filter(|precision| (1..=38).contains(precision))?;
    Some(Type::Decimal128(precision, scale))
}

/// The expression without calls: what is left of them are DOUBLEs.
pub(crate) fn plain(expr: Expr) -> Result<Transformed<Expr>> {
    expr.transform_up(|expr| match literal(&expr, false)? {
        Some(number) => Ok(Transformed::yes(number)),
        None => Ok(Transformed::no(expr)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_literal_has_its_own_digits() {
        for (text, value, precision, scale) in [
            ("1.1", 11, 2, 1),
            ("-1.10", -110, 3, 2),
            (".05", 5, 2, 2),
            ("100.", 100, 3, 0),
            ("0.0", 0, 1, 1),
            ("00012.50", 1250, 4, 2),
        ] {
            assert_eq!(decimal(text), Some(ScalarValue::Decimal128(Some(value), precision, scale)), "{text}");
        }
        let nines = "9".repeat(37);
        assert!(decimal(&format!("{nines}.9")).is_some() && decimal(&format!("{nines}.99")).is_none());
        assert!(decimal("1e5").is_none() && decimal("1.5e3").is_none() && decimal(".").is_none());
    }
}
