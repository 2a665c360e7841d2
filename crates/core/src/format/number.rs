//! Numbers in text: one scan gives sign, digits and exponent; from those integers, floats and scaled times are exact.
//!
//! Invariant: a float is the nearest one to the text, an integer is exact or refused; nothing wraps.

/// A scanned number: `(-1)^negative * mantissa * 10^exponent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Number {
    negative: bool,
    mantissa: u64,
    exponent: i32,
    /// False if there were more digits than the mantissa holds.
    exact: bool,
}

/// Scans the number at the start of `bytes` by JSON's grammar; answers it and its length. `None` if there is none.
#[inline]
pub(super) fn scan(bytes: &[u8]) -> Option<(Number, usize)> {
    scan_as::<true>(bytes)
}

/// The number that a text is as people and programs write them: `007`, `+5`, `.5` and `5.` too.
#[inline]
pub(super) fn read(text: &[u8]) -> Option<Number> {
    scan_as::<false>(text).filter(|(_, length)| *length == text.len()).map(|(number, _)| number)
}

#[inline(always)]
fn scan_as<const JSON: bool>(bytes: &[u8]) -> Option<(Number, usize)> {
    let at = |index: usize| bytes.get(index).copied().unwrap_or(0);
    let negative = at(0) == b'-';
    let start = usize::from(negative || (!JSON && at(0) == b'+'));
    let mut end = start;
    let mut mantissa = 0_u64;
    while at(end).is_ascii_digit() {
        mantissa = mantissa.wrapping_mul(10).wrapping_add(u64::from(at(end) - b'0'));
        end += 1;
    }
    let whole = end - start;
    if JSON && (whole == 0 || (whole > 1 && at(start) == b'0')) {
        return None;
    }
    let mut exponent = 0;
    let mut digits = whole;
    if at(end) == b'.' {
        let first = end + 1;
        end = first;
        while at(end).is_ascii_digit() {
            mantissa = mantissa.wrapping_mul(10).wrapping_add(u64::from(at(end) - b'0'));
            end += 1;
        }
        if JSON && end == first {
            return None;
        }
        digits += end - first;
        exponent = -i32::try_from(end - first).unwrap_or(i32::MAX);
    }
    if digits == 0 {
        return None;
    }
    let mut exact = true;
    if digits > 19 {
        (mantissa, exponent, exact) = long(&bytes[start..end])?;
    }
    if matches!(at(end), b'e' | b'E') {
        let sign = at(end + 1);
        let first = end + 1 + usize::from(matches!(sign, b'+' | b'-'));
        end = first;
        let mut power = 0_i32;
        while at(end).is_ascii_digit() {
            power = power.saturating_mul(10).saturating_add(i32::from(at(end) - b'0'));
            end += 1;
        }
        if end == first {
            return None;
        }
        exponent = exponent.saturating_add(if sign == b'-' { -power } else { power });
    }
    Some((Number { negative, mantissa, exponent, exact }, end))
}

/// Mantissa, exponent and exactness of more digits than are sure to fit: leading zeros are free, the rest is cut.
#[cold]
fn long(digits: &[u8]) -> Option<(u64, i32, bool)> {
    let (mut mantissa, mut exponent, mut exact, mut fraction) = (0_u64, 0_i32, true, false);
    for &digit in digits {
        if digit == b'.' {
            fraction = true;
            continue;
        }
        let next = mantissa.checked_mul(10).and_then(|m| m.checked_add(u64::from(digit - b'0')));
        match next.filter(|_| exact) {
            Some(next) => {
                mantissa = next;
                exponent -= i32::from(fraction);
            }
            None => {
                // From here on digits are dropped; a dropped zero loses nothing, but that is not worth telling apart.
                exact = false;
                exponent = exponent.checked_add(i32::from(!fraction))?;
            }
        }
    }
    Some((mantissa, exponent, exact))
}

impl Number {
    /// The integer it is, if it is one and fits.
    #[inline]
    pub(super) fn to_i64(self) -> Option<i64> {
        if self.exponent != 0 || !self.exact {
            return self.to_i64_slowly();
        }
        if self.negative { 0_i64.checked_sub_unsigned(self.mantissa) } else { i64::try_from(self.mantissa).ok() }
    }

    #[cold]
    fn to_i64_slowly(self) -> Option<i64> {
        let magnitude = i128::from(self.mantissa);
        let whole = match self.exponent {
            _ if !self.exact => return None,
            _ if magnitude == 0 => 0,
            0.. => magnitude.checked_mul(10_i128.checked_pow(self.exponent as u32)?)?,
            _ => {
                let scale = 10_i128.checked_pow(self.exponent.unsigned_abs())?;
                if magnitude % scale != 0 {
                    return None;
                }
                magnitude / scale
            }
        };
        i64::try_from(if self.negative { -whole } else { whole }).ok()
    }

    /// The nearest float; `text` is what was scanned.
    #[inline]
    pub(super) fn to_f64(self, text: &[u8]) -> f64 {
        const POWERS: [f64; 23] = [
            1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18,
            1e19, 1e20, 1e21, 1e22,
        ];
        let power = POWERS.get(self.exponent.unsigned_abs() as usize);
        match power {
            // Both are exact in a float, so one rounding gives the nearest (Clinger).
            Some(power) if self.exact && self.mantissa <= 1 << 53 => {
                let mantissa = self.mantissa as f64;
                let value = if self.exponent < 0 { mantissa / power } else { mantissa * power };
                if self.negative { -value } else { value }
            }
            _ => std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).unwrap_or(f64::NAN),
        }
    }

    /// `value * 10^power`, rounded down (towards minus infinity); `None` if it does not fit.
    #[inline]
    pub(super) fn scaled(self, power: i32) -> Option<i64> {
        let exponent = self.exponent.saturating_add(power);
        let magnitude = i128::from(self.mantissa);
        let signed = if self.negative { -magnitude } else { magnitude };
        let scaled = match exponent {
            _ if signed == 0 => 0,
            0 => signed,
            1.. => signed.checked_mul(10_i128.checked_pow(exponent as u32)?)?,
            _ => match 10_i128.checked_pow(exponent.unsigned_abs()) {
                Some(scale) => signed.div_euclid(scale),
                None => -i128::from(self.negative),
            },
        };
        i64::try_from(scaled).ok()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn whole(text: &str) -> Option<Number> {
        scan(text.as_bytes()).filter(|(_, length)| *length == text.len()).map(|(number, _)| number)
    }

    #[test]
    fn the_grammar_is_that_of_json() {
        for bad in ["", "-", "01", "1.", ".5", "1e", "1e+", "+1", "-01", "0x1", "NaN", "--1"] {
            assert_eq!(whole(bad), None, "{bad}");
        }
        for good in [
            "0",
            "-0",
            "10",
            "0.5",
            "-1.25e-3",
            "1E5",
            "123456789012345678901234567890",
            "0.00000000000000000000000001",
        ] {
            assert!(whole(good).is_some(), "{good}");
        }
    }

    #[test]
    fn text_is_read_as_people_write_numbers() {
        let int = |text: &str| read(text.as_bytes()).and_then(Number::to_i64);
        for (text, expected) in
            [("007", 7), ("+5", 5), ("-05", -5), ("5.", 5), ("+1e3", 1000), ("0000000000000000000000042", 42)]
        {
            assert_eq!(int(text), Some(expected), "{text}");
        }
        let float = |text: &str| read(text.as_bytes()).map(|number| number.to_f64(text.as_bytes()));
        for (text, expected) in
            [(".5", 0.5), ("-.5e1", -5.0), ("+00.25", 0.25), ("+.1234567890123456789012", 0.123_456_789_012_345_68)]
        {
            assert_eq!(float(text), Some(expected), "{text}");
        }
        for bad in ["", "+", "-", ".", "+-5", "e5", ".e5", "1e", "1 ", "1_000", "0x1F", "1,5"] {
            assert_eq!(read(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn integers_are_exact_or_refused() {
        let int = |text| whole(text).unwrap().to_i64();
        assert_eq!(int("9223372036854775807"), Some(i64::MAX));
        assert_eq!(int("-9223372036854775808"), Some(i64::MIN));
        assert_eq!(
            (int("9223372036854775808"), int("18446744073709551616"), int("99999999999999999999")),
            (None, None, None)
        );
        assert_eq!(
            (int("5.0"), int("1e3"), int("1.5"), int("0e99"), int("1e99")),
            (Some(5), Some(1000), None, Some(0), None)
        );
    }

    #[test]
    fn times_round_down() {
        let scaled = |text, power| whole(text).unwrap().scaled(power);
        assert_eq!(scaled("1700000000.1239", 3), Some(1_700_000_000_123));
        assert_eq!((scaled("-0.0001", 3), scaled("-1", -3), scaled("1999", -3)), (Some(-1), Some(-1), Some(1)));
        assert_eq!(
            (scaled("1.7e9", 3), scaled("1e300", 0), scaled("-1e-300", 0)),
            (Some(1_700_000_000_000), None, Some(-1))
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn floats_are_the_nearest(value in any::<f64>(), digits in "-?[1-9][0-9]{0,30}(\\.[0-9]{1,30})?(e-?[0-9]{1,3})?") {
            for text in [format!("{value}"), format!("{value:e}"), digits] {
                if let Some(number) = whole(&text) {
                    prop_assert_eq!(number.to_f64(text.as_bytes()).to_bits(), text.parse::<f64>().unwrap().to_bits(), "{}", text);
                }
            }
        }

        #[test]
        fn any_integer_comes_back(value in any::<i64>()) {
            prop_assert_eq!(whole(&value.to_string()).unwrap().to_i64(), Some(value));
            prop_assert_eq!(whole(&value.to_string()).unwrap().scaled(0), Some(value));
        }
    }
}
