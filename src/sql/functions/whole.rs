//! FLOOR, CEIL, TRUNCATE and SIGN of whole numbers: of their own type and exact, where the library goes by DOUBLE; of DECIMALs,
//! FLOOR and CEIL have no places, as in Flink. What else they take is the library's.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, Int64Array, cast::AsArray};
use arrow_cast::cast;
use arrow_schema::{DataType, Field, FieldRef};
use datafusion_common::{Result, ScalarValue};
use datafusion_expr::type_coercion::functions::fields_with_udf;
use datafusion_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};
use datafusion_functions::math;

/// All of them.
pub(super) fn all() -> impl Iterator<Item = Arc<ScalarUDF>> {
    [
        (math::floor(), &[][..], Kind::Same),
        (math::ceil(), &["ceiling"], Kind::Same),
        (math::trunc(), &["truncate"], Kind::Cut),
        (math::signum(), &["sign"], Kind::Sign),
    ]
    .into_iter()
    .map(|(library, names, kind)| {
        let aliases = names.iter().map(|&name| name.to_owned()).chain(library.aliases().iter().cloned()).collect();
        let signature = Signature::user_defined(Volatility::Immutable);
        Arc::new(ScalarUDF::new_from_impl(Whole { library, aliases, kind, signature }))
    })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    /// A whole number is what it is.
    Same,
    /// A negative number of places cuts digits off.
    Cut,
    /// -1, 0 or 1.
    Sign,
}

#[derive(Debug)]
struct Whole {
    library: Arc<ScalarUDF>,
    aliases: Vec<String>,
    kind: Kind,
    signature: Signature,
}

impl PartialEq for Whole {
    fn eq(&self, other: &Self) -> bool {
        self.library.name() == other.library.name()
    }
}

impl Eq for Whole {}

impl Hash for Whole {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.library.name().hash(state);
    }
}

impl Whole {
    /// The type of a DECIMAL without its places.
    fn without_places(&self, given: &[DataType]) -> Option<DataType> {
        match given {
            [DataType::Decimal128(precision, scale)] if self.kind == Kind::Same && *scale > 0 => {
                Some(DataType::Decimal128(*precision, 0))
            }
            _ => None,
        }
    }
}

impl ScalarUDFImpl for Whole {
    fn name(&self) -> &str {
        self.library.name()
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        match given {
            [number] if number.is_integer() => Ok(vec![number.clone()]),
            [number, places] if self.kind == Kind::Cut && number.is_integer() && places.is_integer() => {
                Ok(vec![number.clone(), DataType::Int64])
            }
            _ => {
                let fields = given.iter().map(|given| FieldRef::new(Field::new("x", given.clone(), true)));
                let fields = fields_with_udf(&fields.collect::<Vec<_>>(), self.library.as_ref())?;
                Ok(fields.iter().map(|field| field.data_type().clone()).collect())
            }
        }
    }

    fn return_type(&self, given: &[DataType]) -> Result<DataType> {
        match given {
            [number, ..] if number.is_integer() => Ok(number.clone()),
            _ => self.without_places(given).map_or_else(|| self.library.return_type(given), Ok),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let output = args.return_field.data_type().clone();
        let constant = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let shown = |array: ArrayRef| match constant {
            true => ScalarValue::try_from_array(&array, 0).map(ColumnarValue::Scalar),
            false => Ok(ColumnarValue::Array(array)),
        };
        let rows = if constant { 1 } else { args.number_rows };
        if !output.is_integer() {
            let given: Vec<DataType> = args.args.iter().map(ColumnarValue::data_type).collect();
            return match self.without_places(&given) {
                None => self.library.invoke_with_args(args),
                Some(plain) => {
                    let mut with_places = args;
                    let field = with_places.return_field.as_ref().clone().with_data_type(given[0].clone());
                    with_places.return_field = Arc::new(field);
                    shown(cast(&self.library.invoke_with_args(with_places)?.into_array(rows)?, &plain)?)
                }
            };
        }
        let columns = args.args.iter().map(|arg| arg.to_array(rows)).collect::<Result<Vec<_>>>()?;
        let number = || -> Result<ArrayRef> { Ok(cast(&columns[0], &DataType::Int64)?) };
        let made = match (self.kind, columns.get(1)) {
            (Kind::Sign, _) => {
                let signs: Int64Array = number()?.as_primitive::<Int64Type>().unary(i64::signum);
                cast(&signs, &output)?
            }
            (Kind::Cut, Some(places)) => {
                let (number, places) = (number()?, places.as_primitive::<Int64Type>());
                let numbers = number.as_primitive::<Int64Type>();
                let cut = |row: usize| {
                    (!numbers.is_null(row) && !places.is_null(row)).then(|| cut(numbers.value(row), places.value(row)))
                };
                cast(&(0..rows).map(cut).collect::<Int64Array>(), &output)?
            }
            _ => Arc::clone(&columns[0]),
        };
        shown(made)
    }
}

/// The number with zeros for its last digits where the places are negative.
fn cut(number: i64, places: i64) -> i64 {
    let digits = u32::try_from(places.saturating_neg().max(0)).unwrap_or(u32::MAX);
    match 10_i64.checked_pow(digits) {
        Some(unit) => number - number % unit,
        None => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::cut;

    #[test]
    fn digits_are_cut_towards_zero() {
        for (number, places, cut_off) in [
            (9_007_199_254_740_993, 0, 9_007_199_254_740_993),
            (9_007_199_254_740_993, 3, 9_007_199_254_740_993),
            (9_007_199_254_740_993, -2, 9_007_199_254_740_900),
            (-1_299, -2, -1_200),
            (i64::MIN, -18, -9_000_000_000_000_000_000),
            (i64::MIN, -19, 0),
            (5, i64::MIN, 0),
        ] {
            assert_eq!(cut(number, places), cut_off);
        }
    }
}
