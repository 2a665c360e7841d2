//! FLOOR, CEIL, TRUNCATE, ROUND and SIGN, where the library's are others.
//!
//! Of whole numbers they are of their own type and exact; the library goes by DOUBLE. Of DECIMALs FLOOR and CEIL have no places.
//! Of floats ROUND and TRUNCATE go by the number as it is written, the shortest text that is read as it again: 1.005 to two
//! places is 1.01, half away from zero, as in Flink, though what the bits are is a little less; and nothing overflows on the way.

use std::fmt::{LowerExp, Write};
use std::hash::{Hash, Hasher};
use std::str::FromStr;
use std::sync::Arc;

use arrow_array::types::{ArrowPrimitiveType, Decimal128Type, Float32Type, Float64Type, Int64Type};
use arrow_array::{Array, ArrayRef, Decimal128Array, Int64Array, PrimitiveArray, cast::AsArray};
use arrow_cast::cast;
use arrow_schema::{DataType, Field, FieldRef};
use datafusion_common::{Result, ScalarValue, exec_err, internal_err};
use datafusion_expr::type_coercion::functions::fields_with_udf;
use datafusion_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use datafusion_functions::math;

use highwater_core::plan::sql_type;

/// All of them.
pub(super) fn all() -> impl Iterator<Item = Arc<ScalarUDF>> {
    [
        (math::floor(), &[][..], Kind::Same),
        (math::ceil(), &["ceiling"], Kind::Same),
        (math::trunc(), &["truncate"], Kind::Cut),
        (math::round(), &[], Kind::Round),
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
    /// A negative number of places rounds digits off.
    Round,
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
    /// Whether a whole number is one afterwards, by our own doing.
    fn is_whole(&self, number: &DataType) -> bool {
        number.is_integer()
    }

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
            [number] if self.is_whole(number) => Ok(vec![number.clone()]),
            [number, places]
                if matches!(self.kind, Kind::Cut | Kind::Round) && number.is_integer() && places.is_integer() =>
            {
                Ok(vec![number.clone(), DataType::Int64])
            }
            _ => {
                let fields = given.iter().map(|given| FieldRef::new(Field::new("x", given.clone(), true)));
                let fields = fields_with_udf(&fields.collect::<Vec<_>>(), self.library.as_ref())?;
                Ok(fields.iter().map(|field| field.data_type().clone()).collect())
            }
        }
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        internal_err!("the type of {} depends on its arguments", self.name())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let given: Vec<DataType> = args.arg_fields.iter().map(|field| field.data_type().clone()).collect();
        let own = given.first().filter(|number| self.is_whole(number)).cloned().or_else(|| self.without_places(&given));
        match own {
            Some(own) => Ok(Arc::new(Field::new(self.name(), own, true))),
            None => self.library.return_field_from_args(args),
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
        if output.is_floating() && matches!(self.kind, Kind::Cut | Kind::Round) {
            let columns = args.args.iter().map(|arg| arg.to_array(rows)).collect::<Result<Vec<_>>>()?;
            return shown(places(&columns, self.kind == Kind::Round)?);
        }
        if !self.is_whole(&output) {
            let given: Vec<DataType> = args.args.iter().map(ColumnarValue::data_type).collect();
            return match self.without_places(&given) {
                None => self.library.invoke_with_args(args),
                Some(plain) => {
                    let numbers = args.args[0].to_array(rows)?;
                    shown(without_fraction(numbers.as_primitive(), self.library.name() == "ceil", &plain)?)
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
            (Kind::Cut | Kind::Round, Some(places)) => {
                let (number, places) = (number()?, cast(places, &DataType::Int64)?);
                let (numbers, places) = (number.as_primitive::<Int64Type>(), places.as_primitive::<Int64Type>());
                let made = |row: usize| {
                    let there = !numbers.is_null(row) && !places.is_null(row);
                    there.then(|| match self.kind {
                        Kind::Cut => Ok(cut(numbers.value(row), places.value(row))),
                        _ => rounded(numbers.value(row), places.value(row), &output),
                    })
                };
                cast(&(0..rows).map(|row| made(row).transpose()).collect::<Result<Int64Array>>()?, &output)?
            }
            _ => Arc::clone(&columns[0]),
        };
        shown(made)
    }
}

/// DECIMALs without their places, the next whole number below or above: by the library's own 999.01 of five digits had no room for 1000.
fn without_fraction(numbers: &Decimal128Array, up: bool, plain: &DataType) -> Result<ArrayRef> {
    let Some(unit) = u32::try_from(numbers.scale()).ok().and_then(|scale| 10_i128.checked_pow(scale)) else {
        return internal_err!("a DECIMAL has up to 38 places");
    };
    let whole = |number: i128| number.div_euclid(unit) + i128::from(up && number.rem_euclid(unit) != 0);
    Ok(Arc::new(numbers.unary::<_, Decimal128Type>(whole).with_data_type(plain.clone())))
}

/// The number with zeros for its last digits where the places are negative.
fn cut(number: i64, places: i64) -> i64 {
    let digits = u32::try_from(places.saturating_neg().max(0)).unwrap_or(u32::MAX);
    match 10_i64.checked_pow(digits) {
        Some(unit) => number - number % unit,
        None => 0,
    }
}

/// The number rounded half away from zero to so many digits before the point where the places are negative.
fn rounded(number: i64, places: i64, of: &DataType) -> Result<i64> {
    let digits = u32::try_from(places.saturating_neg().max(0)).unwrap_or(u32::MAX);
    // Of 10^20 and more no BIGINT is half.
    let Some(unit) = 10_i128.checked_pow(digits.min(20)) else { return Ok(0) };
    let number = i128::from(number);
    let whole = (number + number.signum() * (unit / 2)) / unit * unit;
    let fits = match of {
        DataType::Int8 => i8::try_from(whole).is_ok(),
        DataType::Int16 => i16::try_from(whole).is_ok(),
        DataType::Int32 => i32::try_from(whole).is_ok(),
        _ => true,
    };
    match i64::try_from(whole).ok().filter(|_| fits) {
        Some(rounded) => Ok(rounded),
        None => exec_err!("{number} rounded to {places} places is {whole}, beyond {}", sql_type(of)),
    }
}

/// Floats to so many places, none if nothing says how many.
fn places(columns: &[ArrayRef], round: bool) -> Result<ArrayRef> {
    let places = match columns.get(1) {
        Some(places) => cast(places, &DataType::Int64)?,
        None => Arc::new(Int64Array::from(vec![0; columns[0].len()])),
    };
    let places = places.as_primitive::<Int64Type>();
    // NULL alone has no type yet.
    let numbers = match columns[0].data_type() {
        DataType::Null => cast(&columns[0], &DataType::Float64)?,
        _ => Arc::clone(&columns[0]),
    };
    fn each<T: ArrowPrimitiveType>(numbers: &PrimitiveArray<T>, places: &Int64Array, round: bool) -> ArrayRef
    where
        T::Native: Float,
    {
        let mut text = String::new();
        let of = |row: usize| {
            let there = !numbers.is_null(row) && !places.is_null(row);
            there.then(|| to_places(numbers.value(row), places.value(row), round, &mut text))
        };
        Arc::new((0..numbers.len()).map(of).collect::<PrimitiveArray<T>>())
    }
    Ok(match numbers.data_type() {
        DataType::Float32 => each(numbers.as_primitive::<Float32Type>(), places, round),
        _ => each(numbers.as_primitive::<Float64Type>(), places, round),
    })
}

/// A float that writes itself as the shortest text that is read as it again.
trait Float: Copy + LowerExp + FromStr + Into<f64> {}
impl Float for f32 {}
impl Float for f64 {}

/// A number to so many places; `text` is room for its digits.
fn to_places<F: Float>(number: F, places: i64, round: bool, text: &mut String) -> F {
    if !number.into().is_finite() {
        return number;
    }
    text.clear();
    let read = |text: &str| text.parse().unwrap_or(number);
    if write!(text, "{number:e}").is_err() {
        return number;
    }
    // Its digits, and the power of ten of the first.
    let Some((digits, power)) = text.split_once('e') else { return number };
    let Ok(power) = power.parse::<i64>() else { return number };
    let negative = digits.starts_with('-');
    let there = digits.bytes().filter(u8::is_ascii_digit).count();
    let kept = power.saturating_add(1).saturating_add(places);
    let Some(kept) = usize::try_from(kept).ok().filter(|kept| *kept < there) else {
        return if kept < 0 { read(if negative { "-0" } else { "0" }) } else { number };
    };
    let digits: Vec<u8> = digits.bytes().filter(u8::is_ascii_digit).map(|digit| digit - b'0').collect();
    // At most 17 digits.
    let whole = digits[..kept].iter().fold(0_u64, |whole, digit| whole * 10 + u64::from(*digit));
    let whole = whole + u64::from(round && digits[kept] >= 5);
    text.clear();
    match write!(text, "{}{whole}e{}", if negative { "-" } else { "" }, -places) {
        Ok(()) => read(text),
        Err(_) => number,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use arrow_array::cast::AsArray;
    use arrow_array::types::Decimal128Type;
    use arrow_array::{Array, Decimal128Array};
    use arrow_schema::DataType;

    use super::{cut, rounded, to_places, without_fraction};

    #[test]
    fn decimals_have_room_for_the_next_whole_number() {
        let most = 10_i128.pow(38) - 1;
        for (number, digits, scale, floor, ceil) in [
            (99_901, 5, 2, 999, 1_000),
            (-99_901, 5, 2, -1_000, -999),
            (-1, 5, 2, -1, 0),
            (99_900, 5, 2, 999, 999),
            (most, 38, 2, 10_i128.pow(36) - 1, 10_i128.pow(36)),
            (-most, 38, 38, -1, 0),
        ] {
            let numbers =
                Decimal128Array::from(vec![Some(number), None]).with_data_type(DataType::Decimal128(digits, scale));
            let of = |up: bool| {
                let made = without_fraction(&numbers, up, &DataType::Decimal128(digits, 0)).unwrap();
                assert!(made.is_null(1) && *made.data_type() == DataType::Decimal128(digits, 0));
                made.as_primitive::<Decimal128Type>().value(0)
            };
            assert_eq!((of(false), of(true)), (floor, ceil), "{number} of {scale} places");
        }
    }

    #[test]
    fn floats_are_rounded_as_they_are_written() {
        let to = |number: f64, places, round| to_places(number, places, round, &mut String::new());
        for (number, places, rounded, cut) in [
            (1.005, 2, 1.01, 1.0),
            (5.015, 2, 5.02, 5.01),
            (4.35, 2, 4.35, 4.35),
            (0.29, 2, 0.29, 0.29),
            (1.15, 1, 1.2, 1.1),
            (-1.29, 1, -1.3, -1.2),
            (-2.5, 0, -3.0, -2.0),
            (0.49999999999999994, 0, 0.0, 0.0),
            (9.99, 1, 10.0, 9.9),
            (0.05, 1, 0.1, 0.0),
            (0.04, 1, 0.0, 0.0),
            (1e307, 2, 1e307, 1e307),
            (1e300, 10, 1e300, 1e300),
            (1.5, 309, 1.5, 1.5),
            (123.456, -310, 0.0, 0.0),
            (123.456, -2, 100.0, 100.0),
            (150.0, -2, 200.0, 100.0),
            (50.0, -2, 100.0, 0.0),
            (1.7976931348623157e308, i64::MAX, f64::MAX, f64::MAX),
            (5e-324, i64::MIN, 0.0, 0.0),
            (f64::INFINITY, 2, f64::INFINITY, f64::INFINITY),
        ] {
            assert_eq!((to(number, places, true), to(number, places, false)), (rounded, cut), "{number} to {places}");
        }
        assert_eq!(to_places(1.005_f32, 2, true, &mut String::new()), 1.01);
        assert!(to(f64::NAN, 2, true).is_nan());
    }

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

    #[test]
    fn whole_numbers_are_rounded_or_fail() {
        let big = DataType::Int64;
        for (number, places, wanted) in [
            (i64::MAX, -18, Some(9_000_000_000_000_000_000)),
            (4_999_999_999_999_999_999, -19, Some(0)),
            (5_000_000_000_000_000_000, -19, None),
            (-5_000_000_000_000_000_000, -19, None),
            (i64::MAX, -19, None),
            (i64::MIN, -20, Some(0)),
            (i64::MAX, i64::MIN, Some(0)),
            (i64::MIN, 0, Some(i64::MIN)),
            (15, -1, Some(20)),
            (-15, -1, Some(-20)),
            (14, -1, Some(10)),
            (7, 3, Some(7)),
        ] {
            assert_eq!(rounded(number, places, &big).ok(), wanted, "{number} to {places}");
        }
        assert!(rounded(127, -1, &DataType::Int8).is_err() && rounded(2_147_483_647, -1, &DataType::Int32).is_err());
        assert_eq!(rounded(2_147_483_647, -10, &DataType::Int32).unwrap(), 0);
    }
}
