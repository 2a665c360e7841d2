//! MEDIAN and PERCENTILE: exact, by keeping how often each value occurs.

use arrow_schema::DataType;
use datafusion_common::ScalarValue;

use super::quantile::{Quantiles, Scale, bind};
use super::{Accumulator, Aggregate, AggregateError, Call, Signature};

/// The middle value.
#[derive(Debug)]
pub(super) struct Median;

/// The value at a fraction of the way through the ordered values.
#[derive(Debug)]
pub(super) struct Percentile;

impl Aggregate for Median {
    fn name(&self) -> &'static str {
        "MEDIAN"
    }

    fn help(&self) -> &'static str {
        "`MEDIAN(x)`: exact middle value, or the mean of the middle two, as DOUBLE. Keeps all different values"
    }

    fn bind(&self, args: &[DataType], literals: &[ScalarValue]) -> Result<Signature, AggregateError> {
        bind(self, args, literals, true)
    }

    fn accumulator(&self, call: &Call) -> Box<dyn Accumulator> {
        Quantiles::boxed(scale(call), &[])
    }
}

impl Aggregate for Percentile {
    fn name(&self) -> &'static str {
        "PERCENTILE"
    }

    fn aliases(&self) -> &'static [&'static str] {
        &["PERCENTILE_CONT", "QUANTILE_CONT"]
    }

    fn help(&self) -> &'static str {
        "`PERCENTILE(x, p)`: exact value at the literal fraction p (0 to 1) of the ordered values, interpolated linearly, as \
         DOUBLE. Keeps all different values"
    }

    fn literals(&self) -> usize {
        1
    }

    fn bind(&self, args: &[DataType], literals: &[ScalarValue]) -> Result<Signature, AggregateError> {
        bind(self, args, literals, true)
    }

    fn accumulator(&self, call: &Call) -> Box<dyn Accumulator> {
        Quantiles::boxed(scale(call), &call.literals)
    }
}

fn scale(call: &Call) -> Scale {
    if call.args[0] == DataType::Int64 { Scale::Integer } else { Scale::Float }
}
