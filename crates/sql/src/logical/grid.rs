//! A DECIMAL compared with a DECIMAL literal for which there is no type that holds both: `h > 0.5` of a DECIMAL(38, 0). The places that
//! the column has not are taken from the literal instead of given to the column, which moves no comparison: `h > 0.5` is `h > 0`,
//! `h = 0.5` is never so. Nothing is rounded, and no row fails.

use std::cmp::Ordering;

use arrow_schema::DataType;
use datafusion_common::{DFSchema, ScalarValue};
use datafusion_expr::expr::{Between, InList};
use datafusion_expr::{BinaryExpr, Expr, ExprSchemable, Operator, binary_expr, lit};

use super::wide::MOST;

/// What a comparison with a literal comes to.
enum Comes {
    /// A comparison with a value of the other side's type.
    To(Operator, ScalarValue),
    /// The same for every value that is not NULL.
    Always(bool),
}

/// The expression, if it compares so, in a form that no row fails in.
pub(crate) fn settled(expr: &Expr, schema: &DFSchema) -> Option<Expr> {
    match expr {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => match (decimal(left), decimal(right)) {
            (None, Some(literal)) => compared(left, *op, literal, schema),
            (Some(literal), None) => compared(right, op.swap()?, literal, schema),
            _ => None,
        },
        Expr::Between(Between { expr, negated, low, high }) => {
            let side = |op: Operator, bound: &Expr| compared(expr, op, decimal(bound)?, schema);
            let (from, to) = match negated {
                false => (Operator::GtEq, Operator::LtEq),
                true => (Operator::Lt, Operator::Gt),
            };
            let (lower, upper) = (side(from, low), side(to, high));
            if lower.is_none() && upper.is_none() {
                return None;
            }
            let plain = |op, bound: &Expr| binary_expr(expr.as_ref().clone(), op, bound.clone());
            let (lower, upper) = (lower.unwrap_or_else(|| plain(from, low)), upper.unwrap_or_else(|| plain(to, high)));
            Some(if *negated { lower.or(upper) } else { lower.and(upper) })
        }
        Expr::InList(InList { expr, list, negated }) => {
            let comes = |item: &Expr| comes(expr, Operator::Eq, decimal(item)?, schema);
            if !list.iter().any(|item| comes(item).is_some()) {
                return None;
            }
            let kept = list.iter().filter_map(|item| match comes(item) {
                None => Some(item.clone()),
                Some(Comes::To(_, value)) => Some(lit(value)),
                Some(Comes::Always(_)) => None,
            });
            let kept: Vec<Expr> = kept.collect();
            Some(match kept.is_empty() {
                true => always(expr, *negated),
                false => Expr::InList(InList { expr: expr.clone(), list: kept, negated: *negated }),
            })
        }
        _ => None,
    }
}

/// The value, precision and places of a literal that is a DECIMAL or a whole number.
pub(crate) fn decimal(expr: &Expr) -> Option<(i128, u8, i8)> {
    match expr {
        Expr::Literal(ScalarValue::Decimal128(Some(value), precision, scale), _) => Some((*value, *precision, *scale)),
        Expr::Literal(ScalarValue::Int64(Some(value)), _) => {
            let digits = value.unsigned_abs().checked_ilog10().map_or(1, |last| last + 1);
            Some((i128::from(*value), u8::try_from(digits).ok()?, 0))
        }
        _ => None,
    }
}

fn compared(side: &Expr, op: Operator, literal: (i128, u8, i8), schema: &DFSchema) -> Option<Expr> {
    Some(match comes(side, op, literal, schema)? {
        Comes::To(op, value) => binary_expr(side.clone(), op, lit(value)),
        Comes::Always(so) => match op {
            Operator::IsDistinctFrom | Operator::IsNotDistinctFrom => lit(so),
            _ => always(side, so),
        },
    })
}

/// So for every value, and NULL for NULL.
fn always(side: &Expr, so: bool) -> Expr {
    let null = lit(ScalarValue::Boolean(None));
    match so {
        true => side.clone().is_not_null().or(null),
        false => side.clone().is_null().and(null),
    }
}

/// What it comes to; `None` where one type holds both sides.
fn comes(side: &Expr, op: Operator, (value, precision, scale): (i128, u8, i8), schema: &DFSchema) -> Option<Comes> {
    let Ok(DataType::Decimal128(digits, places)) = side.get_type(schema) else { return None };
    let whole = |digits: u8, places: i8| i16::from(digits) - i16::from(places);
    let common = whole(digits, places).max(whole(precision, scale)) + i16::from(places.max(scale));
    let ordered = match op {
        Operator::Lt | Operator::LtEq => Some(Ordering::Less),
        Operator::Gt | Operator::GtEq => Some(Ordering::Greater),
        Operator::NotEq | Operator::IsDistinctFrom | Operator::Eq | Operator::IsNotDistinctFrom => None,
        _ => return None,
    };
    if common <= MOST {
        return None;
    }
    let differs = matches!(op, Operator::NotEq | Operator::IsDistinctFrom);
    // The greatest value of the column's type that is no greater than the literal.
    let ten = |exponent: i16| 10_i128.checked_pow(u32::try_from(exponent).ok()?);
    let most = ten(digits.into())? - 1;
    let (floor, exact) = match ten(i16::from(scale) - i16::from(places)) {
        Some(divisor) => (value.div_euclid(divisor), value.rem_euclid(divisor) == 0),
        None => match ten(i16::from(places) - i16::from(scale)).and_then(|factor| value.checked_mul(factor)) {
            Some(value) => (value, true),
            None => (if value > 0 { i128::MAX } else { i128::MIN }, true),
        },
    };
    let beyond = match () {
        () if floor > most => Some(Ordering::Less),
        () if floor < -most => Some(Ordering::Greater),
        () => None,
    };
    Some(match (beyond, exact) {
        // How all values stand to the literal.
        (Some(all), _) => Comes::Always(ordered.map_or(differs, |ordered| ordered == all)),
        (None, true) => Comes::To(op, ScalarValue::Decimal128(Some(floor), digits, places)),
        (None, false) => match ordered {
            None => Comes::Always(differs),
            Some(Ordering::Less) => Comes::To(Operator::LtEq, ScalarValue::Decimal128(Some(floor), digits, places)),
            Some(_) => Comes::To(Operator::Gt, ScalarValue::Decimal128(Some(floor), digits, places)),
        },
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use arrow_schema::{Field, Schema};
    use datafusion_expr::{col, in_list};

    use super::*;

    fn schema() -> DFSchema {
        let field = |name: &str, digits, places| Field::new(name, DataType::Decimal128(digits, places), true);
        Schema::new(vec![field("h", 38, 0), field("g", 38, 10), field("d", 10, 2)]).try_into().unwrap()
    }

    fn text(expr: &Expr) -> String {
        settled(expr, &schema()).map_or_else(|| "as it is".to_owned(), |expr| expr.to_string())
    }

    fn number(value: i128, digits: u8, places: i8) -> Expr {
        lit(ScalarValue::Decimal128(Some(value), digits, places))
    }

    #[test]
    fn what_has_no_common_type_is_compared_exactly() {
        let half = number(5, 1, 1);
        for (expr, wanted) in [
            (col("h").gt(half.clone()), "h > Decimal128(0,38,0)"),
            (col("h").gt_eq(half.clone()), "h > Decimal128(0,38,0)"),
            (col("h").lt(half.clone()), "h <= Decimal128(0,38,0)"),
            (col("h").lt(number(-5, 1, 1)), "h <= Decimal128(-1,38,0)"),
            (half.clone().lt(col("h")), "h > Decimal128(0,38,0)"),
            (col("h").lt(number(50, 2, 1)), "h < Decimal128(5,38,0)"),
            (col("h").eq(half.clone()), "h IS NULL AND Boolean(NULL)"),
            (col("h").not_eq(half.clone()), "h IS NOT NULL OR Boolean(NULL)"),
            // One type holds both.
            (col("d").gt(half.clone()), "as it is"),
            (col("g").gt(number(1, 11, 11)), "g > Decimal128(0.0000000000,38,10)"),
            (col("d").lt(number(10_i128.pow(37), 38, 0)), "d IS NOT NULL OR Boolean(NULL)"),
            (col("d").gt_eq(number(-(10_i128.pow(37)), 38, 0)), "d IS NOT NULL OR Boolean(NULL)"),
            (col("d").eq(number(10_i128.pow(37), 38, 0)), "d IS NULL AND Boolean(NULL)"),
            (col("h").between(half.clone(), number(25, 2, 1)), "h > Decimal128(0,38,0) AND h <= Decimal128(2,38,0)"),
            (in_list(col("h"), vec![half.clone(), number(20, 2, 1)], false), "h IN ([Decimal128(2,38,0)])"),
            (in_list(col("h"), vec![half], true), "h IS NOT NULL OR Boolean(NULL)"),
        ] {
            assert_eq!(text(&expr), wanted, "{expr}");
        }
    }
}
