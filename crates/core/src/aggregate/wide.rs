//! An exact sum of any finite binary numbers: a fixed-point integer that grows to the span of what it holds, at most
//! about 4,300 bits (squares of DOUBLE). Infinities and NaN are counted beside it, so that they can be taken back.
//!
//! Invariant: `limbs` is two's complement, least significant first, worth `2^(64 * base)` a unit; its highest limb is
//! far from overflow before an addition.

use super::rounding::round;

/// The exact sum.
#[derive(Clone, Debug, Default)]
pub(super) struct Wide {
    limbs: Vec<u64>,
    base: i32,
    /// How many NaN were added.
    pub(super) nan: i64,
    /// How many positive infinities.
    pub(super) positive: i64,
    /// How many negative infinities.
    pub(super) negative: i64,
}

impl Wide {
    /// The finite part: words, the lowest first, and the exponent of a unit.
    pub(super) fn limbs(&self) -> (&[u64], i32) {
        (&self.limbs, 64 * self.base)
    }

    /// Of such words; `None` if the exponent is not one of theirs.
    pub(super) fn of_limbs(limbs: Vec<u64>, exponent: i32) -> Option<Wide> {
        let base = (exponent % 64 == 0).then_some(exponent / 64)?;
        Some(Wide { limbs, base, ..Wide::default() })
    }

    /// Adds `mantissa * 2^exponent`.
    pub(super) fn add(&mut self, mantissa: i128, exponent: i32) {
        if mantissa == 0 {
            return;
        }
        let (index, shift) = (exponent.div_euclid(64), exponent.rem_euclid(64));
        let low = (mantissa as u128) << shift;
        let high = if shift == 0 { mantissa >> 127 } else { mantissa >> (128 - shift) };
        let sign = (mantissa >> 127) as u64;
        let at = self.reach(index);
        let mut carry = false;
        for (offset, limb) in self.limbs[at..].iter_mut().enumerate() {
            let added = match offset {
                0 => low as u64,
                1 => (low >> 64) as u64,
                2 => high as u64,
                // Nothing changes any more: + 0, or - 1 + 1.
                _ if carry == (sign != 0) => break,
                _ => sign,
            };
            let (sum, first) = limb.overflowing_add(added);
            let (sum, second) = sum.overflowing_add(u64::from(carry));
            (*limb, carry) = (sum, first || second);
        }
    }

    /// Makes room for an addition at limb `index`; answers its position.
    fn reach(&mut self, index: i32) -> usize {
        if self.limbs.is_empty() {
            self.base = index;
            self.limbs.push(0);
        }
        if index < self.base {
            let missing = (self.base - index) as usize;
            self.limbs.splice(0..0, std::iter::repeat_n(0, missing));
            self.base = index;
        }
        let at = (index - self.base) as usize;
        let top = self.limbs[self.limbs.len() - 1] as i64;
        let sign = (top >> 63) as u64;
        let spare = usize::from(top.unsigned_abs() >= 1 << 62);
        let length = (at + 4).max(self.limbs.len() + spare);
        self.limbs.resize(length, sign);
        at
    }

    /// Adds another sum, `sign` times.
    pub(super) fn merge(&mut self, other: &Wide, sign: i64) {
        self.nan += sign * other.nan;
        self.positive += sign * other.positive;
        self.negative += sign * other.negative;
        self.add_product(other, sign);
    }

    /// Adds the finite part of `other`, `times` times.
    pub(super) fn add_product(&mut self, other: &Wide, times: i64) {
        let last = other.limbs.len().wrapping_sub(1);
        for (offset, &limb) in other.limbs.iter().enumerate() {
            let signed = if offset == last { i128::from(limb as i64) } else { i128::from(limb) };
            self.add(signed * i128::from(times), 64 * (other.base + offset as i32));
        }
    }

    /// Subtracts the square of the finite part of `other`.
    pub(super) fn subtract_square(&mut self, other: &Wide) {
        let (_, limbs) = other.magnitude();
        for (i, &left) in limbs.iter().enumerate() {
            for (j, &right) in limbs.iter().enumerate() {
                let product = u128::from(left) * u128::from(right);
                let exponent = 64 * (2 * other.base + i as i32 + j as i32);
                self.add(-((product as u64) as i128), exponent);
                self.add(-((product >> 64) as i128), exponent + 64);
            }
        }
    }

    /// Sign and absolute value of the finite part, without leading zeros.
    fn magnitude(&self) -> (bool, Vec<u64>) {
        let mut limbs = self.limbs.clone();
        let negative = limbs.last().is_some_and(|&top| (top as i64) < 0);
        if negative {
            let mut carry = true;
            for limb in &mut limbs {
                (*limb, carry) = (!*limb).overflowing_add(u64::from(carry));
            }
        }
        while limbs.last() == Some(&0) {
            limbs.pop();
        }
        (negative, limbs)
    }

    /// The NaN or infinity that the counted ones amount to.
    pub(super) fn special(&self) -> Option<f64> {
        match (self.nan > 0, self.positive > 0, self.negative > 0) {
            (false, false, false) => None,
            (false, true, false) => Some(f64::INFINITY),
            (false, false, true) => Some(f64::NEG_INFINITY),
            _ => Some(f64::NAN),
        }
    }

    /// The finite part divided by the `divisors` (none is 0), rounded once.
    pub(super) fn quotient(&self, divisors: &[u64]) -> f64 {
        let (negative, mut limbs) = self.magnitude();
        // Zeros below, so that the quotient has at least 128 bits.
        let below = divisors.len() + 2;
        limbs.splice(0..0, std::iter::repeat_n(0, below));
        let mut sticky = false;
        for &divisor in divisors {
            let mut rest = 0;
            for limb in limbs.iter_mut().rev() {
                let part = (u128::from(rest) << 64) | u128::from(*limb);
                *limb = (part / u128::from(divisor)) as u64;
                rest = (part % u128::from(divisor)) as u64;
            }
            sticky |= rest != 0;
        }
        while limbs.last() == Some(&0) {
            limbs.pop();
        }
        let [.., low, middle, high] = limbs[..] else { return 0.0 };
        let shift = high.leading_zeros();
        let top = (u128::from(high) << 64) | u128::from(middle);
        let top = if shift == 0 { top } else { (top << shift) | u128::from(low >> (64 - shift)) };
        sticky |= low << shift != 0 || limbs[..limbs.len() - 3].iter().any(|&limb| limb != 0);
        let exponent = 64 * (self.base - below as i32 + limbs.len() as i32 - 2) - shift as i32;
        round(negative, top, sticky, exponent)
    }

    /// Heap memory, in bytes.
    pub(super) fn bytes(&self) -> usize {
        8 * self.limbs.capacity()
    }
}
