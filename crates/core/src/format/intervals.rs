//! Intervals as text: `1 days 2 hours 30 mins 4.5 secs`, which the literal `INTERVAL '...'` reads again. One spelling, wherever one is shown.

use std::fmt;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    DurationMicrosecondType, DurationMillisecondType, DurationNanosecondType, DurationSecondType, IntervalDayTime,
    IntervalDayTimeType, IntervalMonthDayNano, IntervalMonthDayNanoType, IntervalYearMonthType,
};
use arrow_array::{Array, StringArray};
use arrow_schema::{DataType, IntervalUnit, TimeUnit};

const SECOND: i64 = 1_000_000_000;
const DAY: i128 = 86_400 * SECOND as i128;

/// A column of intervals.
pub struct Intervals<'a>(Values<'a>);

enum Values<'a> {
    /// Months, days and what is less.
    Parts(&'a [IntervalMonthDayNano]),
    /// Days and milliseconds.
    Days(&'a [IntervalDayTime]),
    Months(&'a [i32]),
    /// Lengths, of so many nanoseconds each.
    Lengths(&'a [i64], i128),
}

impl<'a> Intervals<'a> {
    /// Of a column, if it is one.
    pub fn of(column: &'a dyn Array) -> Option<Intervals<'a>> {
        Some(Intervals(match column.data_type() {
            DataType::Interval(IntervalUnit::MonthDayNano) => {
                Values::Parts(column.as_primitive::<IntervalMonthDayNanoType>().values())
            }
            DataType::Interval(IntervalUnit::DayTime) => {
                Values::Days(column.as_primitive::<IntervalDayTimeType>().values())
            }
            DataType::Interval(IntervalUnit::YearMonth) => {
                Values::Months(column.as_primitive::<IntervalYearMonthType>().values())
            }
            DataType::Duration(TimeUnit::Second) => {
                Values::Lengths(column.as_primitive::<DurationSecondType>().values(), SECOND.into())
            }
            DataType::Duration(TimeUnit::Millisecond) => {
                Values::Lengths(column.as_primitive::<DurationMillisecondType>().values(), 1_000_000)
            }
            DataType::Duration(TimeUnit::Microsecond) => {
                Values::Lengths(column.as_primitive::<DurationMicrosecondType>().values(), 1_000)
            }
            DataType::Duration(TimeUnit::Nanosecond) => {
                Values::Lengths(column.as_primitive::<DurationNanosecondType>().values(), 1)
            }
            _ => return None,
        }))
    }

    /// The text of a row's, which is not NULL.
    pub fn text(&self, row: usize) -> impl fmt::Display + use<> {
        match &self.0 {
            Values::Parts(values) => {
                let IntervalMonthDayNano { months, days, nanoseconds } = values[row];
                Text { months, days: days.into(), nanoseconds }
            }
            Values::Days(values) => {
                let IntervalDayTime { days, milliseconds } = values[row];
                Text { months: 0, days: days.into(), nanoseconds: i64::from(milliseconds) * 1_000_000 }
            }
            Values::Months(values) => Text { months: values[row], days: 0, nanoseconds: 0 },
            Values::Lengths(values, unit) => {
                let length = i128::from(values[row]) * unit;
                Text { months: 0, days: length / DAY, nanoseconds: (length % DAY) as i64 }
            }
        }
    }
}

/// A column of intervals as texts.
pub fn interval_texts(column: &dyn Array) -> Option<StringArray> {
    let values = Intervals::of(column)?;
    Some((0..column.len()).map(|row| column.is_valid(row).then(|| values.text(row).to_string())).collect())
}

struct Text {
    months: i32,
    days: i128,
    nanoseconds: i64,
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut between = "";
        let mut part = |f: &mut fmt::Formatter<'_>, count: i128, unit: &str| {
            if count == 0 {
                return Ok(());
            }
            write!(f, "{}{count} {unit}", std::mem::replace(&mut between, " "))
        };
        let clock = i128::from(self.nanoseconds);
        let second = i128::from(SECOND);
        part(f, self.months.into(), "mons")?;
        part(f, self.days, "days")?;
        part(f, clock / (3_600 * second), "hours")?;
        part(f, clock / (60 * second) % 60, "mins")?;
        let (seconds, below) = (clock / second % 60, clock % second);
        if below == 0 {
            part(f, seconds, "secs")?;
            return if between.is_empty() { f.write_str("0 secs") } else { Ok(()) };
        }
        let sign = if below < 0 { "-" } else { "" };
        let fraction = format!("{:09}", below.abs());
        write!(f, "{between}{sign}{}.{} secs", seconds.abs(), fraction.trim_end_matches('0'))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use arrow_array::{DurationMillisecondArray, Int64Array, IntervalMonthDayNanoArray};

    use super::*;

    #[test]
    fn one_spelling() {
        let parts = [
            (14, 0, 0, "14 mons"),
            (0, 1, 7_384_500_000_000, "1 days 2 hours 3 mins 4.5 secs"),
            (0, 0, 86_400 * SECOND, "24 hours"),
            (0, 0, -5_415_250_000_000, "-1 hours -30 mins -15.25 secs"),
            (-1, 2, -1, "-1 mons 2 days -0.000000001 secs"),
            (0, 0, 0, "0 secs"),
            (0, 0, 60 * SECOND, "1 mins"),
        ];
        let of = |&(months, days, nanos, _): &(i32, i32, i64, &str)| IntervalMonthDayNano::new(months, days, nanos);
        let column = IntervalMonthDayNanoArray::from_iter_values(parts.iter().map(of));
        let texts = interval_texts(&column).unwrap();
        assert_eq!(texts.iter().flatten().collect::<Vec<_>>(), parts.map(|(.., text)| text));
        let lengths = [
            (5_356_800_500, "62 days 0.5 secs"),
            (-5_415_250, "-1 hours -30 mins -15.25 secs"),
            (0, "0 secs"),
            (i64::MIN, "-106751991167 days -7 hours -12 mins -55.808 secs"),
        ];
        let column = DurationMillisecondArray::from_iter(lengths.iter().map(|(ms, _)| Some(*ms)).chain([None]));
        let texts = interval_texts(&column).unwrap();
        assert_eq!(texts.iter().flatten().collect::<Vec<_>>(), lengths.map(|(_, text)| text));
        assert!(texts.is_null(4) && interval_texts(&Int64Array::from(vec![1])).is_none());
    }
}
