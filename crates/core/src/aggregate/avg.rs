//! AVG: the exact sum divided by the count, rounded once.

use arrow_array::types::{Decimal128Type, Float64Type};
use arrow_schema::DataType;
use datafusion_common::ScalarValue;

use super::exact::Exact;
use super::sum::{held, number};
use super::total::Totals;
use super::whole::{Scaled, Whole};
use super::{Accumulator, Aggregate, AggregateError, Call, Signature};

/// The function.
#[derive(Debug)]
pub(super) struct Avg;

/// Decimal places that the mean of decimals has more than they, where there is room: a mean has as many whole digits as they, so that
/// none is beyond its type.
const PLACES: u8 = 4;

/// The most digits of a DECIMAL.
const DIGITS: u8 = 38;

impl Aggregate for Avg {
    fn name(&self) -> &'static str {
        "AVG"
    }

    fn aliases(&self) -> &'static [&'static str] {
        &["MEAN"]
    }

    fn help(&self) -> &'static str {
        "`AVG(x)`: exact mean, rounded once. Integers and floats give DOUBLE, DECIMAL(p, s) gives DECIMAL(p + 4, s + 4), \
         of which places beyond 38 digits are left out, rounded half away from zero"
    }

    fn bind(&self, args: &[DataType], _literals: &[ScalarValue]) -> Result<Signature, AggregateError> {
        let [arg] = args else { return Err(AggregateError::arguments(self, args, "give it one number")) };
        match number(arg) {
            Some(DataType::Decimal128(precision, scale)) => {
                let places = PLACES.min(DIGITS.saturating_sub(precision));
                Ok(Signature {
                    args: vec![DataType::Decimal128(precision, scale)],
                    output: DataType::Decimal128(precision + places, scale + places as i8),
                })
            }
            Some(number) => Ok(Signature { args: vec![number], output: DataType::Float64 }),
            None => Err(AggregateError::arguments(
                self,
                args,
                "it averages numbers: CAST the argument to one, or of times write TIMESTAMPDIFF(SECOND, a, b)",
            )),
        }
    }

    fn accumulator(&self, call: &Call) -> Box<dyn Accumulator> {
        let output = &call.output;
        match (&call.args[0], output) {
            (DataType::Decimal128(_, from), &DataType::Decimal128(digits, to)) => {
                let places = (to - from).max(0) as u32;
                Totals::<Scaled, Decimal128Type, _>::boxed(output, move |sum: &Scaled, count| {
                    held(sum.mean(count, places, digits))
                })
            }
            (DataType::Int64, _) => {
                Totals::<Whole, Float64Type, _>::boxed(output, |sum: &Whole, count| Some(sum.mean(count)))
            }
            _ => Totals::<Exact, Float64Type, _>::boxed(output, |sum: &Exact, count| Some(sum.mean(count))),
        }
    }
}
