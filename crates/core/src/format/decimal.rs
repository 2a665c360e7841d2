//! Fixed-point numbers in text.
//!
//! Invariant: the value is the text's rounded half away from zero to the scale, as `CAST(text AS DECIMAL)` rounds, or none: what
//! is beyond the precision is never cut.

use arrow_array::types::{Decimal128Type, DecimalType};

/// A fixed-point number; none if the text is none, or it is beyond the precision.
pub(super) fn decimal(text: &[u8], precision: u8, scale: i8) -> Option<i128> {
    let negative = text.first() == Some(&b'-');
    let text = text.strip_prefix(b"-").or_else(|| text.strip_prefix(b"+")).unwrap_or(text);
    let (mantissa, exponent) = match text.iter().position(|byte| matches!(byte, b'e' | b'E')) {
        Some(at) => (&text[..at], exponent(&text[at + 1..])?),
        None => (text, 0),
    };
    let (whole, fraction) = match memchr::memchr(b'.', mantissa) {
        Some(at) => (&mantissa[..at], &mantissa[at + 1..]),
        None => (mantissa, &b""[..]),
    };
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    // By how many places of the result the digits are too many, or (negative) too few.
    let mut over = i64::try_from(whole.len()).ok()?.saturating_add(exponent).saturating_add(scale.into());
    let (mut value, mut up) = (0_i128, 0);
    for byte in whole.iter().chain(fraction) {
        let digit = byte.is_ascii_digit().then(|| i128::from(byte - b'0'))?;
        match over {
            1.. => value = value.checked_mul(10)?.checked_add(digit)?,
            // The first place beyond the scale decides.
            0 => up = i128::from(digit >= 5),
            _ => {}
        }
        over = over.saturating_sub(1);
    }
    if value != 0 && over > 0 {
        value = value.checked_mul(10_i128.checked_pow(u32::try_from(over).ok()?)?)?;
    }
    value = value.checked_add(up)?;
    Decimal128Type::validate_decimal_precision(value, precision, scale).ok()?;
    Some(if negative { -value } else { value })
}

/// A power of ten; as large a one as any that makes no difference if it is larger.
fn exponent(text: &[u8]) -> Option<i64> {
    let digits = text.strip_prefix(b"-").or_else(|| text.strip_prefix(b"+")).unwrap_or(text);
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let power =
        digits.iter().fold(0_i64, |power, digit| power.saturating_mul(10).saturating_add((digit - b'0').into()));
    let power = power.min(1 << 40);
    Some(if text.starts_with(b"-") { -power } else { power })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use arrow_array::cast::AsArray;
    use arrow_array::{Array, StringArray};
    use arrow_schema::DataType;
    use proptest::prelude::*;

    use super::*;

    /// V1.
    #[test]
    fn decimals_are_rounded_half_away_from_zero_and_never_wrap() {
        let read = |text: &str| decimal(text.as_bytes(), 20, 5);
        for (text, expected) in [
            ("1.25", 125_000),
            ("-0", 0),
            ("+.5", 50_000),
            ("5.", 500_000),
            ("0.1234567", 12_346),
            ("0.123454999", 12_345),
            ("0.123455", 12_346),
            ("-0.123455", -12_346),
            ("0.000005", 1),
            ("0.00000499999", 0),
            ("0.00000999", 1),
            ("5e-6", 1),
            ("50e-7", 1),
            ("9e-7", 0),
            ("-1.999999999", -200_000),
            ("1e2", 10_000_000),
            ("1234567E-3", 123_456_700),
            ("0.00000000000000000000000000000000000000000000125e45", 125_000),
            ("0e99999999999999999999", 0),
            ("7e-99999999999999999999", 0),
            ("123456789012345", 12_345_678_901_234_500_000),
        ] {
            assert_eq!(read(text), Some(expected), "{text}");
        }
        let long = format!("{}.5", "0".repeat(300));
        assert_eq!(read(&long), Some(50_000));
        for text in [
            "",
            "-",
            ".",
            "e5",
            "1e",
            "1e+",
            "1e99925",
            "1e32767",
            "1234567890123456",
            "1x",
            "1.2.3",
            "1e5e",
            "--1",
            "NaN",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
        assert_eq!(read(&"9".repeat(60)), None);
        assert_eq!(read(&format!("{}e-60", "9".repeat(60))), Some(100_000));
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn casts_round_alike(text in "[+-]?[0-9]{0,12}(\\.[0-9]{1,12})?", precision in 1u8..=38, scale in 0i8..10) {
            let scale = scale.min(precision as i8);
            let cast = arrow_cast::cast(&StringArray::from(vec![text.as_str()]), &DataType::Decimal128(precision, scale)).unwrap();
            let cast = cast.as_primitive::<Decimal128Type>();
            prop_assert_eq!(decimal(text.as_bytes(), precision, scale), cast.is_valid(0).then(|| cast.value(0)), "{}", text);
        }
    }
}
