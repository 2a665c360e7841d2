//! SQRT and POWER, by IEEE 754 as all functions of DOUBLEs are: NaN where there is no number, an infinity beyond the numbers. The library's
//! fail there.

use std::sync::Arc;

use arrow_array::Float64Array;
use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_schema::DataType;

use super::generic::{Coerced, Generic};

/// Every function of this family.
pub(super) const FUNCTIONS: &[Generic] = &[
    Generic {
        name: "sqrt",
        aliases: &[],
        usage: "SQRT(number)",
        coerce: |given| numbers(given, 1),
        eval: |call| Ok(Arc::new(call.args[0].as_primitive::<Float64Type>().unary::<_, Float64Type>(f64::sqrt))),
    },
    Generic {
        name: "power",
        aliases: &["pow"],
        usage: "POWER(number, number)",
        coerce: |given| numbers(given, 2),
        eval: |call| {
            let (bases, exponents) =
                (call.args[0].as_primitive::<Float64Type>(), call.args[1].as_primitive::<Float64Type>());
            let powers = bases.iter().zip(exponents).map(|(base, exponent)| Some(base?.powf(exponent?)));
            Ok(Arc::new(powers.collect::<Float64Array>()))
        },
    },
];

fn numbers(given: &[DataType], count: usize) -> Coerced {
    let fits = given.len() == count && given.iter().all(|given| given.is_numeric() || given.is_null());
    fits.then(|| (vec![DataType::Float64; count], DataType::Float64))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use datafusion_common::ScalarValue;
    use datafusion_expr::ColumnarValue;

    use super::super::function::call;
    use super::*;

    #[test]
    fn what_is_no_number_is_nan_and_what_is_beyond_them_an_infinity() {
        let of = |name: &str, args: &[f64]| {
            let args = args.iter().map(|arg| ColumnarValue::from(ScalarValue::from(*arg))).collect();
            call(name, args, 1).unwrap().as_primitive::<Float64Type>().value(0)
        };
        assert_eq!((of("sqrt", &[2.25]), of("sqrt", &[f64::INFINITY])), (1.5, f64::INFINITY));
        assert!(of("sqrt", &[-1.0]).is_nan() && of("sqrt", &[-0.0]).is_sign_negative());
        assert_eq!((of("power", &[2.0, 10.0]), of("power", &[0.0, -1.0])), (1024.0, f64::INFINITY));
        assert_eq!((of("power", &[-0.0, -1.0]), of("pow", &[10.0, 400.0])), (f64::NEG_INFINITY, f64::INFINITY));
        assert!(of("power", &[-8.0, 0.5]).is_nan());
        let null = vec![ScalarValue::Float64(None).into(), ScalarValue::from(0.0).into()];
        assert_eq!(call("power", null, 1).unwrap().null_count(), 1);
    }
}
