//! Exact binary numbers to DOUBLE, rounded once, to nearest, ties to even.

/// `± (magnitude + a bit) * 2^exponent` as the nearest DOUBLE, where the bit is 0, or, if `sticky`, strictly between 0 and
/// 1; then `magnitude` must have at least 55 significant bits. Beyond the range it is infinite.
pub(super) fn round(negative: bool, magnitude: u128, sticky: bool, exponent: i32) -> f64 {
    if magnitude == 0 {
        return 0.0;
    }
    let top = 128 - magnitude.leading_zeros() as i32 + exponent;
    // The exponent of the result's last bit.
    let unit = (top - 53).max(-1074);
    let kept = match unit - exponent {
        // Fits: fewer than 53 bits, moved up.
        drop if drop <= 0 => (magnitude << -drop) as u64,
        drop if drop > 128 => 0,
        drop => {
            let whole = magnitude.checked_shr(drop as u32).unwrap_or(0);
            let rest = magnitude - whole.checked_shl(drop as u32).unwrap_or(0);
            let half = 1u128 << (drop - 1);
            let up = rest > half || (rest == half && (sticky || whole & 1 == 1));
            whole as u64 + u64::from(up)
        }
    };
    // The implicit bit of a normal number adds itself to the exponent field.
    let bits = (((unit + 1074) as u64) << 52) + kept;
    let value = if unit > 971 { f64::INFINITY } else { f64::from_bits(bits) };
    if negative { -value } else { value }
}

/// `± magnitude * 2^exponent / divisor`, rounded once. `divisor` is not 0.
pub(super) fn quotient(negative: bool, magnitude: u128, exponent: i32, divisor: u64) -> f64 {
    if magnitude == 0 {
        return 0.0;
    }
    let shift = magnitude.leading_zeros();
    let (numerator, divisor) = (magnitude << shift, u128::from(divisor));
    // At least 64 bits of quotient.
    round(negative, numerator / divisor, numerator % divisor != 0, exponent - shift as i32)
}

#[cfg(test)]
mod tests {
    use super::{quotient, round};

    #[test]
    fn rounds_like_the_machine() {
        for value in [1.0, 1.5, f64::MAX, f64::MIN_POSITIVE, 5e-324, 2.5e-310, std::f64::consts::PI] {
            let bits = value.to_bits();
            let (field, fraction) = ((bits >> 52) as i32, bits & ((1 << 52) - 1));
            let (magnitude, exponent) =
                if field == 0 { (fraction, -1074) } else { (fraction | (1 << 52), field - 1075) };
            for shift in [0, 3, 60, 74] {
                assert_eq!(round(false, u128::from(magnitude) << shift, false, exponent - shift), value);
            }
            assert_eq!(round(true, u128::from(magnitude), false, exponent), -value);
        }
        // Ties to even, and the sticky bit that breaks them.
        let tie = (1u128 << 100) + (1 << 47);
        assert_eq!(round(false, tie, false, -100), 1.0);
        assert_eq!(round(false, tie, true, -100), 1.0 + f64::EPSILON);
        assert_eq!(round(false, (1 << 100) + 3 * (1 << 47), false, -100), 1.0 + 2.0 * f64::EPSILON);
        assert_eq!(round(false, u128::MAX, false, 896), f64::INFINITY);
        assert_eq!(round(false, 1, false, 2000), f64::INFINITY);
        assert_eq!(round(false, 1, false, -1075), 0.0);
        assert_eq!(round(false, 3, false, -1076), 5e-324);
        assert_eq!(round(false, 1, false, -5000), 0.0);
    }

    #[test]
    fn divides_like_the_machine() {
        for (a, b) in [(1u64, 3u64), (10, 7), (1 << 52, 3), (9_007_199_254_740_991, 9_007_199_254_740_881), (5, 1)] {
            assert_eq!(quotient(true, u128::from(a), 0, b), -(a as f64 / b as f64));
            assert_eq!(quotient(false, u128::from(a) << 64, -64, b), a as f64 / b as f64);
        }
        assert_eq!(quotient(false, 1, -1073, 3), 5e-324);
    }
}
