//! VAR_POP, VAR_SAMP, STDDEV_POP and STDDEV_SAMP from exact sums of values and of their squares: the variance is rounded
//! once and never negative, whatever the values and their order. 56 bytes a group while exponents are close.

use std::any::Any;
use std::sync::Arc;

use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{Array, ArrayRef, Float64Array, cast::AsArray};
use arrow_schema::DataType;
use datafusion_common::ScalarValue;

use super::exact::Exact;
use super::rounding;
use super::saved::{numbers, numbers_of};
use super::visit::each;
use super::wide::Wide;
use super::{Accumulator, Aggregate, AggregateError, Call, Input, Signature};
use crate::delta::Unfit;

/// One of the functions.
#[derive(Debug)]
pub(super) struct Variance {
    name: &'static str,
    alias: &'static [&'static str],
    help: &'static str,
    /// Divides by one less than the count.
    sample: bool,
    /// Takes the square root.
    root: bool,
}

/// Of the population.
pub(super) const VAR_POP: Variance = Variance {
    name: "VAR_POP",
    alias: &[],
    help: "`VAR_POP(x)`: population variance, computed exactly and rounded once, as DOUBLE",
    sample: false,
    root: false,
};

/// Of a sample.
pub(super) const VAR_SAMP: Variance = Variance {
    name: "VAR_SAMP",
    alias: &["VARIANCE", "VAR"],
    help: "`VAR_SAMP(x)`: sample variance, computed exactly and rounded once, as DOUBLE; NULL for fewer than two values",
    sample: true,
    root: false,
};

/// Its square root.
pub(super) const STDDEV_POP: Variance = Variance {
    name: "STDDEV_POP",
    alias: &[],
    help: "`STDDEV_POP(x)`: population standard deviation, the root of VAR_POP, as DOUBLE",
    sample: false,
    root: true,
};

/// Its square root.
pub(super) const STDDEV_SAMP: Variance = Variance {
    name: "STDDEV_SAMP",
    alias: &["STDDEV"],
    help: "`STDDEV_SAMP(x)`: sample standard deviation, the root of VAR_SAMP, as DOUBLE; NULL for fewer than two values",
    sample: true,
    root: true,
};

impl Aggregate for Variance {
    fn name(&self) -> &'static str {
        self.name
    }

    fn aliases(&self) -> &'static [&'static str] {
        self.alias
    }

    fn help(&self) -> &'static str {
        self.help
    }

    fn bind(&self, args: &[DataType], _literals: &[ScalarValue]) -> Result<Signature, AggregateError> {
        let [arg] = args else { return Err(AggregateError::arguments(self, args, "give it one number")) };
        let arg = match super::sum::number(arg) {
            Some(DataType::Int64) => DataType::Int64,
            // Decimals are computed as DOUBLE.
            Some(_) => DataType::Float64,
            None => {
                return Err(AggregateError::arguments(
                    self,
                    args,
                    "it takes numbers: CAST the argument to one, or of times write TIMESTAMPDIFF(SECOND, a, b)",
                ));
            }
        };
        Ok(Signature { args: vec![arg], output: DataType::Float64 })
    }

    fn accumulator(&self, call: &Call) -> Box<dyn Accumulator> {
        let integers = call.args[0] == DataType::Int64;
        Box::new(Variances { sample: self.sample, root: self.root, integers, groups: Vec::new() })
    }
}

#[derive(Clone, Debug, Default)]
struct Moments {
    count: i64,
    sum: Exact,
    squares: Exact,
}

struct Variances {
    sample: bool,
    root: bool,
    integers: bool,
    groups: Vec<Moments>,
}

impl Moments {
    /// The variance; `sample` if it is that of a sample.
    fn variance(&self, sample: bool) -> Option<f64> {
        let count = u64::try_from(self.count).ok()?;
        let divisor = if sample { count.checked_sub(1)? } else { count };
        if divisor == 0 {
            return None;
        }
        // (count * squares - sum^2) / (count * divisor)
        if let (Some((sum, unit)), Some((squares, square_unit))) = (self.sum.narrow(), self.squares.narrow()) {
            let numerator = || {
                let numerator = squares.checked_mul(i128::from(count))?.checked_sub(sum.checked_mul(sum)?)?;
                Some((numerator, count.checked_mul(divisor)?))
            };
            if let Some((numerator, divisor)) = numerator().filter(|_| square_unit == 2 * unit) {
                return Some(rounding::quotient(false, numerator.max(0) as u128, square_unit, divisor));
            }
        }
        let (sum, squares) = (self.sum.wide(), self.squares.wide());
        if sum.special().is_some() {
            return Some(f64::NAN);
        }
        let mut numerator = Wide::default();
        numerator.add_product(&squares, self.count);
        numerator.subtract_square(&sum);
        // Below zero only if rows were taken back that never came.
        Some(numerator.quotient(&[count, divisor]).max(0.0))
    }
}

impl Accumulator for Variances {
    fn resize(&mut self, groups: usize) {
        self.groups.resize(groups.max(self.groups.len()), Moments::default());
    }

    fn update(&mut self, groups: &[u32], input: &Input<'_>) {
        let (column, state) = (&input.args[0], self.groups.as_mut_slice());
        if self.integers {
            let values = column.as_primitive::<Int64Type>().values();
            each(groups, input, column.nulls(), |row, group, diff| {
                let moments = &mut state[group];
                moments.count += diff;
                moments.sum.add_scaled(i128::from(values[row]) * i128::from(diff), 0);
                moments.squares.add_square_of(values[row], 0, diff);
            });
        } else {
            let values = column.as_primitive::<Float64Type>().values();
            each(groups, input, column.nulls(), |row, group, diff| {
                let moments = &mut state[group];
                moments.count += diff;
                moments.sum.add(values[row], diff);
                moments.squares.add_square(values[row], diff);
            });
        }
    }

    fn merge(&mut self, groups: &[u32], other: &dyn Accumulator, from: &[u32], sign: i64) {
        let Some(other) = other.as_any().downcast_ref::<Self>() else { unreachable!("made by the same call") };
        for (&group, &from) in groups.iter().zip(from) {
            let (moments, other) = (&mut self.groups[group as usize], &other.groups[from as usize]);
            moments.count += sign * other.count;
            moments.sum.merge(&other.sum, sign);
            moments.squares.merge(&other.squares, sign);
        }
    }

    fn evaluate(&self, groups: &[u32]) -> ArrayRef {
        let results = groups.iter().map(|&group| {
            let variance = self.groups[group as usize].variance(self.sample)?;
            Some(if self.root { variance.sqrt() } else { variance })
        });
        Arc::new(results.collect::<Float64Array>())
    }

    fn reset(&mut self, groups: &[u32]) {
        groups.iter().for_each(|&group| self.groups[group as usize] = Moments::default());
    }

    fn saved(&self) -> Vec<DataType> {
        std::iter::once(DataType::Int64).chain(Exact::saved()).chain(Exact::saved()).collect()
    }

    fn save(&self, groups: &[u32]) -> Vec<ArrayRef> {
        let these = || groups.iter().map(|&group| &self.groups[group as usize]);
        let counts = numbers(these().map(|moments| moments.count));
        let sums = [Exact::save(these().map(|m| &m.sum)), Exact::save(these().map(|m| &m.squares))];
        std::iter::once(counts).chain(sums.into_iter().flatten()).collect()
    }

    fn load(&mut self, groups: &[u32], saved: &[ArrayRef]) -> Result<(), Unfit> {
        let (sums, squares) = saved[1..].split_at(Exact::saved().len());
        let moments = Exact::load(sums)?.into_iter().zip(Exact::load(squares)?).zip(numbers_of(&saved[0]));
        groups.iter().zip(moments).for_each(|(&group, ((sum, squares), &count))| {
            self.groups[group as usize] = Moments { count, sum, squares };
        });
        Ok(())
    }

    fn bytes(&self) -> usize {
        let heap: usize = self.groups.iter().map(|moments| moments.sum.bytes() + moments.squares.bytes()).sum();
        self.groups.capacity() * size_of::<Moments>() + heap
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::Moments;

    fn variance(values: &[f64], sample: bool) -> Option<f64> {
        let mut moments = Moments::default();
        for &value in values {
            moments.count += 1;
            moments.sum.add(value, 1);
            moments.squares.add_square(value, 1);
        }
        moments.variance(sample)
    }

    #[test]
    fn nothing_cancels() {
        assert_eq!(variance(&[4.0, 7.0, 13.0, 16.0].map(|value| value + 1e9), true), Some(30.0));
        assert_eq!(variance(&[4.0, 7.0, 13.0, 16.0].map(|value| value + 1e15), false), Some(22.5));
        for value in [0.1, 1e300, 5e-324, -123.456, 1e-200] {
            assert_eq!(variance(&[value; 7], true), Some(0.0));
        }
        // (10^-3 - 10^9)^2 / 4, rounded once.
        assert_eq!(variance(&[1e-3, 1e9], false), Some(2.499_999_999_995e17));
        assert_eq!(variance(&[1e200, -1e200], false), Some(f64::INFINITY));
        assert_eq!(variance(&[1.0], true), None);
        assert!(variance(&[1.0, f64::INFINITY], true).is_some_and(f64::is_nan));
    }

    #[test]
    fn big_integers_do_not_overflow() {
        let mut moments = Moments::default();
        for value in [i64::MIN, i64::MAX, i64::MIN, i64::MAX] {
            moments.count += 1;
            moments.sum.add_scaled(i128::from(value), 0);
            moments.squares.add_square_of(value, 0, 1);
        }
        // ((2^64 - 1) / 2)^2
        assert_eq!(moments.variance(false), Some(8.507_059_173_023_462e37));
    }
}
