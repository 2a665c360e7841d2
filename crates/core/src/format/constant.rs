//! One value of a column's type from its text, for whoever asks for rows that are equal to it.
//!
//! Text is read as the formats read it, by its digits. A number that no value of the type equals (a fraction asked of whole
//! numbers, more places than a DECIMAL has) is not rounded to one: it equals nothing.

use arrow_array::ArrayRef;
use arrow_cast::{CastOptions, cast_with_options};
use arrow_schema::DataType;

use super::cells::{Cells, Values};
use super::number;
use super::timestamp::Times;
use crate::time::Zone;

/// What a text means where a value of some type is asked for.
#[derive(Clone, Debug)]
pub enum Constant {
    /// This value, as a column of one row.
    Value(ArrayRef),
    /// A number that the type has no value for.
    Nothing,
}

/// What `text` means as a value of the type in a session in this zone; `None` if it is no such value at all.
pub fn constant(kind: &DataType, text: &str, zone: Zone) -> Option<Constant> {
    if kind.is_nested() {
        return None;
    }
    let Some(mut cells) = Cells::new(kind, &Times::in_zone(zone)) else {
        let strict = CastOptions { safe: false, ..CastOptions::default() };
        let text: ArrayRef = std::sync::Arc::new(arrow_array::StringArray::from(vec![text]));
        return cast_with_options(&text, kind, &strict).ok().map(Constant::Value);
    };
    let bytes = text.as_bytes().trim_ascii();
    let number = number::read(bytes);
    let exact = match &cells.values {
        Values::Decimal { scale, .. } => number.is_none() || places(bytes) <= i64::from(*scale),
        Values::Float { single: true, .. } => {
            number.is_none_or(|_| text.trim().parse::<f32>().is_ok_and(f32::is_finite))
        }
        Values::Float { .. } => number.is_none_or(|number| number.to_f64(bytes).is_finite()),
        _ => true,
    };
    if exact && cells.push_text(text.as_bytes()) {
        return cells.finish().map(Constant::Value);
    }
    let numeric = matches!(cells.values, Values::Int { .. } | Values::Decimal { .. } | Values::Float { .. });
    (numeric && number.is_some()).then_some(Constant::Nothing)
}

/// How many places behind the point a number needs; not more than 0 if it is whole.
fn places(number: &[u8]) -> i64 {
    let (mantissa, exponent) = match number.iter().position(|byte| matches!(byte, b'e' | b'E')) {
        Some(at) => (&number[..at], std::str::from_utf8(&number[at + 1..]).unwrap_or_default()),
        None => (number, "0"),
    };
    let fraction = memchr::memchr(b'.', mantissa).map_or(0, |point| mantissa.len() - point - 1);
    let digits = mantissa.iter().rev().filter(|byte| byte.is_ascii_digit());
    let zeros = digits.clone().take_while(|digit| **digit == b'0').count();
    if zeros == digits.count() {
        return 0;
    }
    let beyond = if exponent.starts_with('-') { i64::MIN / 2 } else { i64::MAX / 2 };
    let exponent: i64 = exponent.parse().unwrap_or(beyond);
    (fraction as i64).saturating_sub(zeros as i64).saturating_sub(exponent)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use arrow_cast::display::array_value_to_string;
    use arrow_schema::TimeUnit as ArrowUnit;

    use super::*;

    fn meant(kind: &DataType, text: &str) -> Option<String> {
        constant(kind, text, Zone::utc()).map(|constant| match constant {
            Constant::Value(value) => array_value_to_string(&value, 0).unwrap(),
            Constant::Nothing => "nothing".to_owned(),
        })
    }

    #[test]
    fn numbers_are_read_by_their_digits_and_never_rounded() {
        let decimal = DataType::Decimal128(20, 4);
        for (text, value) in [
            ("1234567890123456.7891", Some("1234567890123456.7891")),
            ("-0.5000000", Some("-0.5000")),
            ("12e2", Some("1200.0000")),
            ("123456e-4", Some("12.3456")),
            ("0.00000e-99", Some("0.0000")),
            ("1.00005", Some("nothing")),
            ("1e-5", Some("nothing")),
            ("1e30", Some("nothing")),
            ("two", None),
            ("", None),
            ("NaN", None),
        ] {
            assert_eq!(meant(&decimal, text).as_deref(), value, "{text}");
        }
        for (text, value) in [
            ("9007199254740993", Some("9007199254740993")),
            ("7.0", Some("7")),
            ("7.5", Some("nothing")),
            ("9223372036854775808", Some("nothing")),
            ("0x7", None),
        ] {
            assert_eq!(meant(&DataType::Int64, text).as_deref(), value, "{text}");
        }
        assert_eq!(meant(&DataType::Int8, "128").as_deref(), Some("nothing"));
    }

    #[test]
    fn what_json_has_no_number_for_is_spelled_as_it_is_written() {
        for (text, value) in
            [("NaN", Some("NaN")), ("Infinity", Some("inf")), ("-Infinity", Some("-inf")), ("1e400", Some("nothing"))]
        {
            assert_eq!(meant(&DataType::Float64, text).as_deref(), value, "{text}");
        }
        assert_eq!(meant(&DataType::Float32, "1e39").as_deref(), Some("nothing"));
        assert_eq!(meant(&DataType::Float32, "0.1").as_deref(), Some("0.1"));
    }

    #[test]
    fn the_rest_is_as_the_formats_read_it() {
        let time = DataType::Timestamp(ArrowUnit::Millisecond, None);
        assert_eq!(meant(&time, "1970-01-01 00:00:00.001"), meant(&time, "1970-01-01T00:00:00.001Z"));
        assert_eq!(meant(&time, "yesterday"), None);
        assert_eq!(meant(&DataType::Boolean, "TRUE").as_deref(), Some("true"));
        assert_eq!(meant(&DataType::Utf8, " x ").as_deref(), Some(" x "));
        assert_eq!(meant(&DataType::UInt64, "18446744073709551615").as_deref(), Some("18446744073709551615"));
    }
}
