//! Exact sums of whole numbers: BIGINTs in 128 bits, scaled decimals in 192. Neither overflows below 2^63 rows.

use super::rounding;

/// The sum of BIGINTs.
#[derive(Clone, Debug, Default)]
pub(super) struct Whole {
    low: u64,
    high: i64,
}

impl Whole {
    /// Its value.
    #[inline(always)]
    pub(super) fn value(&self) -> i128 {
        (i128::from(self.high) << 64) | i128::from(self.low)
    }

    /// As words, the lowest first.
    pub(super) fn limbs(&self) -> [u64; 2] {
        [self.low, self.high as u64]
    }

    /// Of such words.
    pub(super) fn of_limbs([low, high]: [u64; 2]) -> Whole {
        Whole { low, high: high as i64 }
    }

    /// Adds `value`.
    #[inline(always)]
    pub(super) fn add(&mut self, value: i128) {
        let sum = self.value().wrapping_add(value);
        (self.low, self.high) = (sum as u64, (sum >> 64) as i64);
    }

    /// Divided by `count > 0`, rounded once.
    pub(super) fn mean(&self, count: u64) -> f64 {
        let sum = self.value();
        let small = sum.unsigned_abs() <= 1 << 53 && count <= 1 << 53;
        if small { sum as f64 / count as f64 } else { rounding::quotient(sum < 0, sum.unsigned_abs(), 0, count) }
    }
}

/// The sum of scaled decimals: 192 bits, two's complement, least significant limb first.
#[derive(Clone, Debug, Default)]
pub(super) struct Scaled([u64; 3]);

impl Scaled {
    /// As words, the lowest first.
    pub(super) fn limbs(&self) -> [u64; 3] {
        self.0
    }

    /// Of such words.
    pub(super) fn of_limbs(limbs: [u64; 3]) -> Scaled {
        Scaled(limbs)
    }

    /// Adds `value`, `times` times.
    #[inline(always)]
    pub(super) fn add(&mut self, value: i128, times: i64) {
        if times == 1 {
            return self.add_limbs([value as u64, (value >> 64) as u64, (value >> 127) as u64]);
        }
        let low = i128::from(value as u64) * i128::from(times);
        let high = (value >> 64) * i128::from(times);
        self.add_limbs([low as u64, (low >> 64) as u64, (low >> 127) as u64]);
        self.add_limbs([0, high as u64, (high >> 64) as u64]);
    }

    #[inline(always)]
    fn add_limbs(&mut self, limbs: [u64; 3]) {
        let mut carry = false;
        for (sum, added) in self.0.iter_mut().zip(limbs) {
            let (partial, first) = sum.overflowing_add(added);
            let (total, second) = partial.overflowing_add(u64::from(carry));
            (*sum, carry) = (total, first || second);
        }
    }

    /// Adds another sum, `sign` times (1 or -1).
    pub(super) fn merge(&mut self, other: &Scaled, sign: i64) {
        if sign < 0 {
            // -x is !x + 1.
            self.add_limbs([1, 0, 0]);
            self.add_limbs(other.0.map(|limb| !limb));
        } else {
            self.add_limbs(other.0);
        }
    }

    /// The sum, if its magnitude is at most `10^digits - 1`.
    pub(super) fn value(&self, digits: u8) -> Option<i128> {
        let value = (i128::from(self.0[1] as i64) << 64) | i128::from(self.0[0]);
        (self.0[2] == (value >> 127) as u64).then_some(value).filter(|value| fits(*value, digits))
    }

    /// The sum divided by `count > 0` with `places` more decimal places, rounded half away from zero, if it has at most
    /// `digits` digits.
    pub(super) fn mean(&self, count: u64, places: u32, digits: u8) -> Option<i128> {
        let negative = (self.0[2] as i64) < 0;
        let mut limbs = Scaled::default();
        limbs.merge(self, if negative { -1 } else { 1 });
        let mut rest = 0u128;
        for limb in limbs.0.iter_mut().rev() {
            let part = (rest << 64) | u128::from(*limb);
            *limb = (part / u128::from(count)) as u64;
            rest = part % u128::from(count);
        }
        let whole = limbs.value(38)?;
        let scale = 10i128.checked_pow(places)?;
        let fraction = (rest * scale as u128 + u128::from(count / 2)) / u128::from(count);
        // An odd count has no exact half, so that count / 2 rounds it right, too.
        let mean = whole.checked_mul(scale)?.checked_add(fraction as i128)?;
        let mean = if negative { -mean } else { mean };
        Some(mean).filter(|mean| fits(*mean, digits))
    }
}

/// Whether `value` has at most `digits` (up to 38) decimal digits.
fn fits(value: i128, digits: u8) -> bool {
    value.unsigned_abs() < 10u128.pow(u32::from(digits))
}

#[cfg(test)]
mod tests {
    use super::{Scaled, Whole};

    #[test]
    fn decimals_beyond_128_bits_come_back() {
        let top = 10i128.pow(38) - 1;
        let mut sum = Scaled::default();
        for _ in 0..5 {
            sum.add(top, 1);
        }
        assert_eq!(sum.value(38), None);
        assert_eq!(sum.mean(5, 0, 38), Some(top));
        sum.add(top, -7);
        let mut negative = Scaled::default();
        negative.merge(&sum, 1);
        sum.add(top, 1);
        assert_eq!(sum.value(38), Some(-top));
        negative.merge(&sum, -1);
        assert_eq!(negative.value(38), Some(-top));
        sum.add(-top, -3);
        assert_eq!(sum.mean(4, 0, 38), Some((top + 1) / 2));
    }

    #[test]
    fn means_round_half_away_from_zero() {
        for (values, places, mean) in [
            (vec![1, 2], 0, 2),
            (vec![-1, -2], 0, -2),
            (vec![1, 1, 2], 1, 13),
            (vec![10, 0, 0], 2, 333),
            (vec![-5], 4, -50000),
        ] {
            let mut sum = Scaled::default();
            values.iter().for_each(|&value| sum.add(value, 1));
            assert_eq!(sum.mean(values.len() as u64, places, 38), Some(mean), "{values:?}");
        }
    }

    #[test]
    fn means_of_big_integers_are_rounded_once() {
        let mut sum = Whole::default();
        sum.add(i128::from(i64::MAX));
        sum.add(i128::from(i64::MAX));
        assert_eq!(sum.mean(2), i64::MAX as f64);
        sum.add(-2 * i128::from(i64::MAX) - 7);
        assert_eq!(sum.mean(2), -3.5);
    }
}
