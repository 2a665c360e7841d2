//! APPROX_PERCENTILE by DDSketch (Masson, Rim and Lee, "DDSketch: a fast and fully-mergeable quantile sketch with
//! relative-error guarantees", VLDB 2019): values are counted in buckets whose bounds grow by the ratio `GAMMA`, so that a
//! bucket's middle is within 1 % of each of its values. Buckets are exact counts: they merge, and rows can be taken back.

use std::sync::LazyLock;

use arrow_schema::DataType;
use datafusion_common::ScalarValue;

use super::quantile::{Quantiles, Scale, bind};
use super::{Accumulator, Aggregate, AggregateError, Call, Signature};

/// The greatest relative error.
const ERROR: f64 = 0.01;

/// From one bucket's bound to the next.
const GAMMA: f64 = (1.0 + ERROR) / (1.0 - ERROR);

/// Buckets of positive numbers are around this, which is above `ln(f64::MAX / f64::MIN_POSITIVE) / ln(GAMMA)`; those of
/// negative numbers mirror them, zero has bucket 0.
const MIDDLE: i64 = 100_000;

/// The bucket of infinity; NaN has the next.
const INFINITE: i64 = 3 * MIDDLE;

static LN_GAMMA: LazyLock<f64> = LazyLock::new(|| GAMMA.ln());

/// The function.
#[derive(Debug)]
pub(super) struct ApproxPercentile;

impl Aggregate for ApproxPercentile {
    fn name(&self) -> &'static str {
        "APPROX_PERCENTILE"
    }

    fn aliases(&self) -> &'static [&'static str] {
        &["APPROX_PERCENTILE_CONT", "APPROX_QUANTILE"]
    }

    fn help(&self) -> &'static str {
        "`APPROX_PERCENTILE(x, p)`: within 1 % of the value at the literal fraction p (0 to 1) of the ordered values, as \
         DOUBLE (DDSketch). Keeps 16 bytes for each different power of 1.02"
    }

    fn literals(&self) -> usize {
        1
    }

    fn bind(&self, args: &[DataType], literals: &[ScalarValue]) -> Result<Signature, AggregateError> {
        bind(self, args, literals, false)
    }

    fn accumulator(&self, call: &Call) -> Box<dyn Accumulator> {
        Quantiles::boxed(Scale::Buckets(bucket, middle), &call.literals)
    }
}

/// The bucket of a value; buckets order as values do.
fn bucket(value: f64) -> i64 {
    if value.is_nan() {
        return INFINITE + 1;
    }
    let magnitude = value.abs();
    let bucket = match magnitude {
        0.0 => 0,
        f64::INFINITY => INFINITE,
        _ => (magnitude.ln() / *LN_GAMMA).ceil() as i64 + MIDDLE,
    };
    if value < 0.0 { -bucket } else { bucket }
}

/// The value that stands for a bucket.
fn middle(bucket: i64) -> f64 {
    let magnitude = match bucket.abs() {
        0 => 0.0,
        INFINITE => f64::INFINITY,
        beyond if beyond > INFINITE => f64::NAN,
        // The powers in two steps: the upper bound of the highest bucket may be beyond DOUBLE, its middle is not.
        finite => {
            let exponent = (finite - MIDDLE) as f64 * *LN_GAMMA / 2.0;
            (exponent.exp() * (2.0 / (GAMMA + 1.0)) * exponent.exp()).min(f64::MAX)
        }
    };
    if bucket < 0 { -magnitude } else { magnitude }
}

#[cfg(test)]
mod tests {
    use super::{ERROR, bucket, middle};

    #[test]
    fn the_middle_of_a_bucket_is_within_one_percent() {
        let mut last = i64::MIN;
        let mut magnitudes: Vec<f64> = (0..200_000).map(|step| f64::MIN_POSITIVE * 1.0071f64.powi(step)).collect();
        magnitudes.retain(|magnitude| magnitude.is_finite());
        magnitudes.push(f64::MAX);
        for magnitude in magnitudes {
            let (found, negative) = (bucket(magnitude), bucket(-magnitude));
            assert!(found >= last && found > 0 && negative == -found);
            last = found;
            assert!((middle(found) - magnitude).abs() <= (ERROR + 1e-9) * magnitude, "{magnitude}");
            assert_eq!(middle(negative), -middle(found));
        }
        assert!(last < bucket(f64::INFINITY) && bucket(f64::INFINITY) < bucket(f64::NAN));
        assert!(bucket(5e-324) > 0 && middle(bucket(0.0)) == 0.0 && bucket(-0.0) == 0);
        assert_eq!(middle(bucket(f64::NEG_INFINITY)), f64::NEG_INFINITY);
        assert!(middle(bucket(f64::NAN)).is_nan());
    }
}
