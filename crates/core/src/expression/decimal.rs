//! Arithmetic of DECIMALs by the one rounding rule: half away from zero, once, and never beyond 38 digits.
//!
//! The result's type is SQL's as Flink derives it ([`Arithmetic::result`]): so many places that a quotient shows all that its
//! operands tell, and where 38 digits do not hold that, places go before whole digits do, down to six. The exact result is
//! rounded to it. What has more digits than the type is an error for its row, as is a division by zero.

use std::fmt::{self, Display};

use arrow_array::cast::AsArray;
use arrow_array::types::Decimal128Type;
use arrow_array::{Array, ArrayRef, Decimal128Array};
use arrow_buffer::{NullBuffer, i256};
use arrow_schema::{ArrowError, DataType};
use datafusion_common::{DataFusionError, Result, exec_datafusion_err, internal_err};

/// The most digits of a DECIMAL.
const DIGITS: u8 = 38;

/// The places that a result keeps, if it has them, before whole digits go without room.
const PLACES: i32 = 6;

/// What is done with two DECIMALs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Arithmetic {
    /// Their sum.
    Plus,
    /// Their difference.
    Minus,
    /// Their product.
    Times,
    /// Their quotient.
    Over,
}

impl Arithmetic {
    /// As SQL writes it.
    pub fn symbol(self) -> &'static str {
        match self {
            Arithmetic::Plus => "+",
            Arithmetic::Minus => "-",
            Arithmetic::Times => "*",
            Arithmetic::Over => "/",
        }
    }

    /// The one that SQL writes so.
    pub fn named(symbol: &str) -> Option<Arithmetic> {
        use Arithmetic::{Minus, Over, Plus, Times};
        [Plus, Minus, Times, Over].into_iter().find(|arithmetic| arithmetic.symbol() == symbol)
    }

    /// How strongly it binds.
    pub fn rank(self) -> u8 {
        use datafusion_expr::Operator;
        match self {
            Arithmetic::Plus | Arithmetic::Minus => Operator::Plus.precedence(),
            Arithmetic::Times | Arithmetic::Over => Operator::Multiply.precedence(),
        }
    }

    /// Precision and scale of the result, of operands of these.
    pub fn result(self, (p1, s1): (u8, i8), (p2, s2): (u8, i8)) -> (u8, i8) {
        let (p1, s1, p2, s2) = (i32::from(p1), i32::from(s1), i32::from(p2), i32::from(s2));
        let (precision, scale) = match self {
            Arithmetic::Plus | Arithmetic::Minus => {
                // Sums keep all places: only a sum that needs them all and 38 whole digits has no room.
                let scale = s1.max(s2);
                ((scale + (p1 - s1).max(p2 - s2) + 1).min(DIGITS.into()), scale)
            }
            Arithmetic::Times => (p1 + p2, s1 + s2),
            Arithmetic::Over => {
                let scale = PLACES.max(s1 + p2 + 1);
                (p1 - s1 + s2 + scale, scale)
            }
        };
        let most = i32::from(DIGITS);
        if precision <= most {
            return (precision as u8, scale as i8);
        }
        let whole = precision - scale;
        (DIGITS, (most - whole).max(scale.min(PLACES)).min(most) as i8)
    }
}

/// The result of two columns of DECIMALs, in the type `output`; one of a single value stands for as many as there are `rows`.
pub fn calculate(
    arithmetic: Arithmetic,
    left: &ArrayRef,
    right: &ArrayRef,
    rows: usize,
    output: &DataType,
) -> Result<ArrayRef> {
    let scale_of = |data_type: &DataType| match data_type {
        DataType::Decimal128(_, scale) => Ok(i32::from(*scale)),
        other => internal_err!("arithmetic of DECIMALs over {other}"),
    };
    let (from, by, to) = (scale_of(left.data_type())?, scale_of(right.data_type())?, scale_of(output)?);
    let DataType::Decimal128(precision, _) = *output else { return internal_err!("a DECIMAL") };
    let work = Work { arithmetic, from, by, to, most: 10_i128.pow(u32::from(precision.min(DIGITS))) };
    let (left, right) = (left.as_primitive::<Decimal128Type>(), right.as_primitive::<Decimal128Type>());
    let step = |array: &Decimal128Array| usize::from(array.len() == rows);
    let (a, b) = (step(left), step(right));
    if (a == 0 && left.is_null(0)) || (b == 0 && right.is_null(0)) {
        return Ok(arrow_array::new_null_array(output, rows));
    }
    let nulls = |array: &Decimal128Array, step: usize| array.nulls().filter(|_| step == 1).cloned();
    let nulls = NullBuffer::union(nulls(left, a).as_ref(), nulls(right, b).as_ref());
    let valid = |row: usize| nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row));
    let mut values = Vec::with_capacity(rows);
    for row in 0..rows {
        values.push(match valid(row) {
            true => work.one(left.value(row * a), right.value(row * b)).map_err(|failed| failed.error(output))?,
            false => 0,
        });
    }
    let made = Decimal128Array::try_new(values.into(), nulls)?.with_data_type(output.clone());
    Ok(std::sync::Arc::new(made))
}

/// Why there is no result.
#[derive(Debug, PartialEq, Eq)]
enum Failed {
    Zero,
    TooGreat,
}

impl Failed {
    fn error(self, output: &DataType) -> DataFusionError {
        match self {
            Failed::Zero => ArrowError::DivideByZero.into(),
            Failed::TooGreat => exec_datafusion_err!("the result is beyond {}", crate::type_names::sql_type(output)),
        }
    }
}

impl Display for Arithmetic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.symbol())
    }
}

/// One kind of calculation: the scales of the operands and of the result, and `10^precision`, which no result reaches.
struct Work {
    arithmetic: Arithmetic,
    from: i32,
    by: i32,
    to: i32,
    most: i128,
}

impl Work {
    #[inline]
    fn one(&self, left: i128, right: i128) -> Result<i128, Failed> {
        let result = match self.arithmetic {
            Arithmetic::Plus => self.sum(left, right),
            Arithmetic::Minus => self.sum(left, -right),
            Arithmetic::Times => {
                let exact = left.checked_mul(right).map_or_else(
                    || i256::from_i128(left).checked_mul(i256::from_i128(right)).map(Wide::Great),
                    |exact| Some(Wide::Small(exact)),
                );
                exact.and_then(|exact| exact.moved(self.to - self.from - self.by))
            }
            Arithmetic::Over if right == 0 => return Err(Failed::Zero),
            Arithmetic::Over => quotient(left, right, self.to - self.from + self.by),
        };
        result.filter(|result| result.unsigned_abs() < self.most.unsigned_abs()).ok_or(Failed::TooGreat)
    }

    fn sum(&self, left: i128, right: i128) -> Option<i128> {
        let finest = self.from.max(self.by);
        let aligned = |value: i128, scale: i32| Wide::Small(value).raised(finest - scale);
        aligned(left, self.from)?.plus(aligned(right, self.by)?)?.moved(self.to - finest)
    }
}

/// An exact whole number, in as many bits as it needs.
#[derive(Clone, Copy)]
enum Wide {
    Small(i128),
    Great(i256),
}

impl Wide {
    fn great(self) -> i256 {
        match self {
            Wide::Small(value) => i256::from_i128(value),
            Wide::Great(value) => value,
        }
    }

    /// With `places` zeros more; none beyond 256 bits.
    fn raised(self, places: i32) -> Option<Wide> {
        if let (Wide::Small(value), Some(power)) = (self, power(places))
            && let Some(raised) = value.checked_mul(power)
        {
            return Some(Wide::Small(raised));
        }
        self.great().checked_mul(great_power(places)?).map(Wide::Great)
    }

    fn plus(self, other: Wide) -> Option<Wide> {
        if let (Wide::Small(a), Wide::Small(b)) = (self, other)
            && let Some(sum) = a.checked_add(b)
        {
            return Some(Wide::Small(sum));
        }
        self.great().checked_add(other.great()).map(Wide::Great)
    }

    /// Divided, half away from zero.
    fn over(self, divisor: Wide) -> Option<i128> {
        if let (Wide::Small(value), Wide::Small(divisor)) = (self, divisor) {
            let (whole, rest) = (value.checked_div(divisor)?, (value % divisor).unsigned_abs());
            let up = rest != 0 && rest >= divisor.unsigned_abs() - rest;
            let away = if (value < 0) == (divisor < 0) { 1 } else { -1 };
            return whole.checked_add(if up { away } else { 0 });
        }
        let (value, divisor) = (self.great(), divisor.great());
        let (whole, rest) = (value.checked_div(divisor)?, value.checked_rem(divisor)?.wrapping_abs());
        let up = rest != i256::ZERO && rest >= divisor.wrapping_abs().wrapping_sub(rest);
        let away = if value.is_negative() == divisor.is_negative() { i256::ONE } else { i256::MINUS_ONE };
        whole.checked_add(if up { away } else { i256::ZERO })?.to_i128()
    }

    /// With `places` more, or fewer: rounded half away from zero.
    fn moved(self, places: i32) -> Option<i128> {
        if places >= 0 {
            return match self.raised(places)? {
                Wide::Small(value) => Some(value),
                Wide::Great(value) => value.to_i128(),
            };
        }
        match power(-places) {
            Some(power) => self.over(Wide::Small(power)),
            None => self.over(Wide::Great(great_power(-places)?)),
        }
    }
}

/// `left * 10^places / right`, half away from zero.
fn quotient(left: i128, right: i128, places: i32) -> Option<i128> {
    if places < 0 {
        return Wide::Small(left).over(Wide::Small(right).raised(-places)?);
    }
    // What has no room in 256 bits is, over 38 digits, beyond 38 digits.
    Wide::Small(left).raised(places)?.over(Wide::Small(right))
}

fn power(places: i32) -> Option<i128> {
    u32::try_from(places).ok().and_then(|places| 10_i128.checked_pow(places))
}

fn great_power(places: i32) -> Option<i256> {
    u32::try_from(places).ok().and_then(|places| i256::from_i128(10).checked_pow(places))
}

#[cfg(test)]
#[path = "decimal_tests.rs"]
mod tests;
