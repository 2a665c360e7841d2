//! Text as values of a type, as CAST reads it: by the rules of the formats, but that a number is no time, and that a time's text is
//! the DATE of its day.

use std::fmt::Write;
use std::sync::Arc;

use arrow_array::builder::Decimal128Builder;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type};
use arrow_array::{Array, ArrayRef, StringArray};
use arrow_schema::{DataType, TimeUnit};

use super::cells::{Cells, Values, is_instant};
use super::decimal::decimal;
use super::timestamp::{Times, read_text};
use crate::time::{DAY_MS, Zone};

/// Whether text is read as such values.
pub fn reads_text(to: &DataType) -> bool {
    use DataType::{Boolean, Date32, Decimal128, Float32, Float64, Int8, Int16, Int32, Int64, Time32, Timestamp};
    let unit = TimeUnit::Millisecond;
    matches!(to, Int8 | Int16 | Int32 | Int64 | Float32 | Float64 | Boolean | Date32 | Decimal128(..))
        || matches!(to, Timestamp(of, _) | Time32(of) if *of == unit)
}

/// What text says, in values of a type that [`reads_text`] holds for; `Err` says of the first text that is none what would be one.
/// Instants without an offset are those of the zone's clocks.
pub fn read_text_as(texts: &StringArray, to: &DataType, zone: Zone) -> Result<ArrayRef, String> {
    let Some(mut cells) = Cells::new(to, &Times::in_zone(zone)) else { return Err(format!("no text is {to}")) };
    for text in texts {
        let Some(text) = text else {
            cells.push_null();
            continue;
        };
        let read = match &mut cells.values {
            Values::Time { values, .. } => {
                let read = if is_instant(to) { read_instant_text(text, zone) } else { read_time_text(text) };
                read.map(|ms| values.push(ms)).inspect(|()| cells.pushed()).is_some()
            }
            _ => cells.push_text(text.as_bytes()) || is_day(text, &mut cells),
        };
        if !read {
            let shown: String = text.chars().take(40).collect();
            return Err(format!("'{shown}' is no {}", cells.expects()));
        }
    }
    cells.finish().ok_or_else(|| "text that is not UTF-8".to_owned())
}

/// The time that a text says, in ms, as CAST and the columns of files have it: at an offset it is what UTC's clocks show then. `None` if
/// it says none.
pub fn read_time_text(text: &str) -> Option<i64> {
    read_text(text.trim().as_bytes()).map(|(ms, _)| ms)
}

/// The instant that a text says, in ms: by its offset, or else by the zone's clocks. `None` if it says none.
pub fn read_instant_text(text: &str, zone: Zone) -> Option<i64> {
    let (ms, offset) = read_text(text.trim().as_bytes())?;
    Some(if offset.is_some() { ms } else { zone.instant(ms) })
}

/// Puts the day of a time into a column of dates.
fn is_day(text: &str, cells: &mut Cells) -> bool {
    let Values::Date { values, .. } = &mut cells.values else { return false };
    let day = read_time_text(text).and_then(|ms| i32::try_from(ms.div_euclid(DAY_MS)).ok());
    day.map(|day| values.push(day)).inspect(|()| cells.pushed()).is_some()
}

/// Floats as a DECIMAL: each is the number as it is written, the shortest text that is read as it again, rounded half away from zero. `Err`
/// says of the first that does not fit what is wrong with it.
pub fn floats_as_decimals(floats: &ArrayRef, precision: u8, scale: i8) -> Result<ArrayRef, String> {
    match fitting_decimals(floats, precision, scale)? {
        (made, None) => Ok(made),
        (_, Some(text)) => Err(format!("{text} is beyond DECIMAL({precision}, {scale})")),
    }
}

/// The same, NULL for those that do not fit; with the first of these.
pub(super) fn fitting_decimals(
    floats: &ArrayRef,
    precision: u8,
    scale: i8,
) -> Result<(ArrayRef, Option<String>), String> {
    let (mut text, mut beyond) = (String::new(), None);
    let mut made = Decimal128Builder::with_capacity(floats.len());
    for row in 0..floats.len() {
        if floats.is_null(row) {
            made.append_null();
            continue;
        }
        text.clear();
        let written = match floats.data_type() {
            DataType::Float32 => write!(text, "{:e}", floats.as_primitive::<Float32Type>().value(row)),
            _ => write!(text, "{:e}", floats.as_primitive::<Float64Type>().value(row)),
        };
        let value = written.ok().and_then(|()| decimal(text.as_bytes(), precision, scale));
        if value.is_none() && beyond.is_none() {
            beyond = Some(text.clone());
        }
        made.append_option(value);
    }
    let made = made.with_precision_and_scale(precision, scale).map_err(|error| error.to_string())?;
    Ok((Arc::new({ made }.finish()), beyond))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use arrow_array::{Float32Array, Float64Array};

    use super::*;

    #[test]
    fn floats_are_the_decimals_that_they_are_written_as() {
        let of = |value: f64, precision, scale| {
            let column: ArrayRef = Arc::new(Float64Array::from(vec![Some(value), None]));
            let made = floats_as_decimals(&column, precision, scale)?;
            assert!(made.is_null(1));
            Ok::<String, String>(arrow_cast::display::array_value_to_string(&made, 0).unwrap())
        };
        for (value, precision, scale, expected) in [
            (123_456_789.125, 38, 10, "123456789.1250000000"),
            (1e15, 31, 15, "1000000000000000.000000000000000"),
            (1_234_567.891, 30, 15, "1234567.891000000000000"),
            (1.005, 10, 2, "1.01"),
            (2.675, 10, 2, "2.68"),
            (-2.5, 5, 0, "-3"),
            (1e-300, 5, 2, "0.00"),
            (-0.0, 5, 2, "0.00"),
        ] {
            assert_eq!(of(value, precision, scale).unwrap(), expected, "{value}");
        }
        for value in [1e300, 1000.0, f64::NAN, f64::NEG_INFINITY] {
            assert!(of(value, 5, 2).unwrap_err().contains("is beyond DECIMAL(5, 2)"), "{value}");
        }
        let single: ArrayRef = Arc::new(Float32Array::from(vec![0.1_f32]));
        let made = floats_as_decimals(&single, 20, 10).unwrap();
        assert_eq!(arrow_cast::display::array_value_to_string(&made, 0).unwrap(), "0.1000000000");
    }

    fn read(text: &str, to: &DataType) -> Result<String, String> {
        let column = read_text_as(&StringArray::from(vec![Some(text)]), to, Zone::utc())?;
        Ok(arrow_cast::display::array_value_to_string(&column, 0).unwrap())
    }

    #[test]
    fn text_is_read_as_the_formats_read_it() {
        let ms = DataType::Timestamp(TimeUnit::Millisecond, None);
        for (text, to, expected) in [
            ("007", &DataType::Int32, "7"),
            (" +5 ", &DataType::Int64, "5"),
            ("3.0", &DataType::Int32, "3"),
            ("1e2", &DataType::Int8, "100"),
            (".5", &DataType::Float64, "0.5"),
            ("-infinity", &DataType::Float32, "-inf"),
            ("1.005", &DataType::Decimal128(5, 2), "1.01"),
            ("y", &DataType::Boolean, "true"),
            ("0", &DataType::Boolean, "false"),
            ("2024/01/05", &DataType::Date32, "2024-01-05"),
            ("2024-01-05 23:59:59", &DataType::Date32, "2024-01-05"),
            ("1969-12-31T23:00:00Z", &DataType::Date32, "1969-12-31"),
            ("2024-01-05 10:20", &ms, "2024-01-05T10:20:00"),
            ("2024-01-05T10:20:00+02:00", &ms, "2024-01-05T08:20:00"),
            ("10:20", &DataType::Time32(TimeUnit::Millisecond), "10:20:00"),
        ] {
            assert!(reads_text(to));
            assert_eq!(read(text, to).as_deref(), Ok(expected), "{text} as {to}");
        }
        for (text, to, told) in [
            ("2.7", &DataType::Int32, "'2.7' is no INT (a whole number from -2147483648 to 2147483647)"),
            ("128", &DataType::Int8, "TINYINT"),
            ("1e400", &DataType::Float64, "'1e400' is no DOUBLE (a number up to 1.7976931348623157e308)"),
            ("1e39", &DataType::Float32, "FLOAT (a number up to 3.4028235e38)"),
            ("1000", &DataType::Decimal128(5, 2), "DECIMAL(5, 2)"),
            ("2", &DataType::Boolean, "BOOLEAN (true or false)"),
            ("1704067200000", &ms, "TIMESTAMP"),
            ("", &DataType::Int32, "INT"),
        ] {
            let said = read(text, to).unwrap_err();
            assert!(said.contains(told), "{text} as {to}: {said}");
        }
        let nulls = read_text_as(&StringArray::from(vec![None, Some("1")]), &DataType::Int64, Zone::utc()).unwrap();
        assert_eq!((nulls.len(), nulls.null_count()), (2, 1));
    }
}
