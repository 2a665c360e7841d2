//! SUM: exact, whatever the order of rows. A result that its type cannot hold is NULL, never a wrong number; the state
//! stays exact, so the result comes back when rows that made it too big are taken back.

use std::sync::atomic::{AtomicBool, Ordering};

use arrow_array::types::{Decimal128Type, Float64Type, Int64Type};
use arrow_schema::DataType;
use datafusion_common::ScalarValue;

use super::exact::Exact;
use super::total::Totals;
use super::whole::{Scaled, Whole};
use super::{Accumulator, Aggregate, AggregateError, Call, Signature};

/// The function.
#[derive(Debug)]
pub(super) struct Sum;

impl Aggregate for Sum {
    fn name(&self) -> &'static str {
        "SUM"
    }

    fn help(&self) -> &'static str {
        "`SUM(x)`: exact sum, rounded once. Integers give BIGINT, DECIMAL(p, s) gives DECIMAL(38, s), floats give DOUBLE. \
         A sum beyond its type is NULL (and is logged); sum `CAST(x AS DECIMAL(38, 0))` if BIGINT may not do"
    }

    fn bind(&self, args: &[DataType], _literals: &[ScalarValue]) -> Result<Signature, AggregateError> {
        let [arg] = args else { return Err(AggregateError::arguments(self, args, "give it one number")) };
        let (arg, output) = match number(arg) {
            Some(DataType::Decimal128(precision, scale)) => {
                (DataType::Decimal128(precision, scale), DataType::Decimal128(38, scale))
            }
            Some(number) => (number.clone(), number),
            None => {
                return Err(AggregateError::arguments(
                    self,
                    args,
                    "it adds numbers: CAST the argument to one, or of times write TIMESTAMPDIFF(SECOND, a, b)",
                ));
            }
        };
        Ok(Signature { args: vec![arg], output })
    }

    fn accumulator(&self, call: &Call) -> Box<dyn Accumulator> {
        let output = &call.output;
        match output {
            DataType::Int64 => {
                Totals::<Whole, Int64Type, _>::boxed(output, |sum: &Whole, _| held(i64::try_from(sum.value()).ok()))
            }
            DataType::Decimal128(..) => {
                Totals::<Scaled, Decimal128Type, _>::boxed(output, |sum: &Scaled, _| held(sum.value(38)))
            }
            _ => Totals::<Exact, Float64Type, _>::boxed(output, |sum: &Exact, _| Some(sum.mean(1))),
        }
    }
}

/// The type that sums of `data_type` are made in: BIGINT, DOUBLE or a decimal.
pub(super) fn number(data_type: &DataType) -> Option<DataType> {
    use DataType::*;
    match data_type {
        Null | Int8 | Int16 | Int32 | Int64 | UInt8 | UInt16 | UInt32 => Some(Int64),
        UInt64 => Some(Decimal128(20, 0)),
        Float16 | Float32 | Float64 => Some(Float64),
        Decimal32(precision, scale) | Decimal64(precision, scale) | Decimal128(precision, scale) => {
            Some(Decimal128(*precision, *scale))
        }
        _ => None,
    }
}

/// Passes `sum` on; says once that one did not fit.
pub(super) fn held<T>(sum: Option<T>) -> Option<T> {
    static SAID: AtomicBool = AtomicBool::new(false);
    if sum.is_none() && !SAID.swap(true, Ordering::Relaxed) {
        tracing::warn!(
            "a SUM or AVG is beyond its type and shown as NULL; CAST its argument to DECIMAL(38, s) or DOUBLE"
        );
    }
    sum
}
