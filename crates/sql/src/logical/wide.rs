//! Numbers compared of which no DECIMAL of 38 digits holds all: `h = g` of a DECIMAL(38, 0) and a DECIMAL(38, 20). While they are compared
//! they are DECIMALs of up to 76 digits, which hold whatever any two hold: nothing is rounded, and no row fails. What shows a
//! value (GREATEST, LEAST) is of a type that columns have; NULLIF shows its first value as it is.

use arrow_schema::DataType;
use datafusion_common::{DFSchema, ScalarValue};
use datafusion_expr::expr::{Case, ScalarFunction};
use datafusion_expr::{Expr, ExprSchemable, Operator, binary_expr, cast, lit};

use super::grid::decimal;
use crate::functions::digits;

/// Digits of the widest DECIMAL of a column.
pub(crate) const MOST: i16 = 38;

/// The type in which they are compared, where it is none that a column may have. Literals count by their own digits.
fn common<'a>(all: impl Iterator<Item = (&'a Expr, &'a DataType)>) -> Option<DataType> {
    let (mut whole, mut scale, mut wide, mut decimals) = (0, 0, false, false);
    for (expr, data_type) in all {
        let (precision, places) = match (data_type, decimal(expr)) {
            (DataType::Null, _) => continue,
            (_, Some((_, precision, places))) => (precision, places),
            (DataType::Decimal256(precision, places), _) => {
                wide = true;
                (*precision, *places)
            }
            _ => digits(expr, data_type)?,
        };
        decimals |= data_type.is_decimal();
        whole = whole.max(i16::from(precision) - i16::from(places));
        scale = scale.max(i16::from(places));
    }
    let precision = u8::try_from(whole + scale).ok()?;
    (decimals && (wide || whole + scale > MOST)).then_some(DataType::Decimal256(precision, scale as i8))
}

/// The same of two types.
pub(crate) fn of_types(left: &DataType, right: &DataType) -> Option<DataType> {
    let null = lit(ScalarValue::Null);
    common([(&null, left), (&null, right)].into_iter())
}

/// Brings what is compared with each other to one type, if it takes one of more digits than columns have.
pub(crate) fn widened(all: &mut [&mut Expr], schema: &DFSchema) {
    let types = all.iter().map(|expr| expr.get_type(schema)).collect::<Result<Vec<_>, _>>();
    let Ok(types) = types else { return };
    let Some(common) = common(all.iter().map(|expr| &**expr).zip(&types)) else { return };
    for (expr, _) in all.iter_mut().zip(types).filter(|(_, data_type)| *data_type != common) {
        let number = std::mem::take(*expr);
        **expr = cast(number, common.clone());
    }
}

/// A call that compares its arguments and shows one of them, if they are such numbers.
pub(crate) fn shown(call: &ScalarFunction, schema: &DFSchema) -> Option<Expr> {
    let types = call.args.iter().map(|arg| arg.get_type(schema)).collect::<Result<Vec<_>, _>>().ok()?;
    let DataType::Decimal256(_, scale) = common(call.args.iter().zip(&types))? else { return None };
    let mut args = call.args.clone();
    widened(&mut args.iter_mut().collect::<Vec<_>>(), schema);
    match (call.func.name(), args.as_slice()) {
        ("greatest" | "least", _) => {
            let call = Expr::ScalarFunction(ScalarFunction { func: call.func.clone(), args });
            Some(cast(call, DataType::Decimal128(MOST as u8, scale)))
        }
        ("nullif", [first, second]) => {
            let same = binary_expr(first.clone(), Operator::Eq, second.clone());
            let null = lit(ScalarValue::try_from(&types[0]).ok()?);
            let shown = Some(Box::new(call.args[0].clone()));
            Some(Expr::Case(Case::new(None, vec![(Box::new(same), Box::new(null))], shown)))
        }
        _ => None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use arrow_schema::{Field, Schema};
    use datafusion_expr::col;

    use super::*;

    fn schema() -> DFSchema {
        let decimal = |name: &str, digits, places| Field::new(name, DataType::Decimal128(digits, places), true);
        let fields = vec![
            decimal("h", 38, 0),
            decimal("g", 38, 20),
            decimal("d", 10, 2),
            Field::new("n", DataType::Int64, true),
            Field::new("w", DataType::Decimal256(58, 20), true),
            Field::new("s", DataType::Utf8, true),
        ];
        Schema::new(fields).try_into().unwrap()
    }

    #[test]
    fn only_what_no_column_holds_is_widened() {
        let null = || lit(ScalarValue::Null);
        for (all, wanted) in [
            (vec![col("h"), col("g")], vec!["CAST(h AS Decimal256(58, 20))", "CAST(g AS Decimal256(58, 20))"]),
            (vec![col("h"), col("d")], vec!["CAST(h AS Decimal256(40, 2))", "CAST(d AS Decimal256(40, 2))"]),
            // A BIGINT has 19 digits before the point.
            (vec![col("n"), col("g")], vec!["CAST(n AS Decimal256(39, 20))", "CAST(g AS Decimal256(39, 20))"]),
            (vec![col("n"), col("d")], vec!["n", "d"]),
            (vec![col("d"), col("g")], vec!["d", "g"]),
            (vec![col("n"), col("n")], vec!["n", "n"]),
            (vec![col("h"), col("s")], vec!["h", "s"]),
            (vec![col("w"), col("h")], vec!["w", "CAST(h AS Decimal256(58, 20))"]),
            (vec![col("w"), null()], vec!["w", "CAST(NULL AS Decimal256(58, 20))"]),
            // A literal has its own digits.
            (vec![col("g"), lit(5_i64)], vec!["g", "Int64(5)"]),
        ] {
            let mut all = all;
            widened(&mut all.iter_mut().collect::<Vec<_>>(), &schema());
            let shown: Vec<String> = all.iter().map(ToString::to_string).collect();
            assert_eq!(shown, wanted);
        }
    }
}
