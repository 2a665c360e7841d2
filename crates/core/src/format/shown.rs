//! Values as text where a format has no form of its own for them. What the library cannot show is shown all the same: an error is never
//! a value.

use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Int64Type, TimestampMillisecondType};
use arrow_cast::cast;
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_schema::{ArrowError, DataType, TimeUnit};

use super::intervals::Intervals;
use super::json::JsonValues;
use super::timestamp::{write_date_of, write_time};

/// A column whose values are shown.
pub(crate) struct Shown<'a> {
    column: &'a dyn Array,
    text: ArrayFormatter<'a>,
}

impl<'a> Shown<'a> {
    /// In the forms that `options` names.
    pub(crate) fn new(column: &'a dyn Array, options: &FormatOptions<'a>) -> Result<Shown<'a>, ArrowError> {
        let options = options.clone().with_display_error(false);
        Ok(Shown { column, text: ArrayFormatter::try_new(column, &options)? })
    }

    /// The text of a row's value, which is not NULL.
    pub(crate) fn text(&self, row: usize) -> String {
        if matches!(self.column.data_type(), DataType::Interval(_) | DataType::Duration(_))
            && let Some(intervals) = Intervals::of(self.column)
        {
            return intervals.text(row).to_string();
        }
        self.text.value(row).try_to_string().unwrap_or_else(|_| self.beyond(row))
    }

    /// Of a value that is beyond what the library shows: days and times in their form, the number behind others, rows and arrays as JSON.
    fn beyond(&self, row: usize) -> String {
        let mut text = Vec::new();
        let one = || self.column.slice(row, 1);
        match self.column.data_type() {
            DataType::Date32 => {
                write_date_of(self.column.as_primitive::<Date32Type>().value(row).into(), &mut text);
            }
            DataType::Timestamp(TimeUnit::Millisecond, _) => {
                write_time(self.column.as_primitive::<TimestampMillisecondType>().value(row), &mut text);
            }
            kind if kind.is_nested() => JsonValues::new(&one()).write(0, &mut text),
            _ => {
                let number = cast(&one(), &DataType::Int64)
                    .or_else(|_| cast(&cast(&one(), &DataType::Int32)?, &DataType::Int64));
                let number = number.ok().filter(|number| number.is_valid(0));
                return number
                    .map_or_else(|| "?".to_owned(), |number| number.as_primitive::<Int64Type>().value(0).to_string());
            }
        }
        String::from_utf8_lossy(&text).into_owned()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{
        ArrayRef, Date32Array, Date64Array, DurationSecondArray, ListArray, Time32MillisecondArray,
        Time64NanosecondArray, TimestampMillisecondArray, TimestampSecondArray,
    };
    use arrow_buffer::OffsetBuffer;
    use arrow_schema::Field;

    use super::*;

    #[test]
    fn no_value_is_an_error() {
        let times: ArrayRef = Arc::new(Time32MillisecondArray::from(vec![86_400_000, -1]));
        let item = Arc::new(Field::new("item", times.data_type().clone(), true));
        let list: ArrayRef = Arc::new(ListArray::new(item, OffsetBuffer::from_lengths([2]), times.clone(), None));
        let columns: [(ArrayRef, &str); 8] = [
            (times, "86400000"),
            (list, r#"["86400000","-1"]"#),
            (Arc::new(Time64NanosecondArray::from(vec![i64::MAX])), "9223372036854775807"),
            (Arc::new(Date32Array::from(vec![i32::MAX])), "+5881580-07-11"),
            (Arc::new(Date64Array::from(vec![i64::MAX])), "9223372036854775807"),
            (Arc::new(TimestampSecondArray::from(vec![i64::MIN])), "-9223372036854775808"),
            (Arc::new(TimestampMillisecondArray::from(vec![i64::MAX])), "+292278994-08-17T07:12:55.807Z"),
            (Arc::new(DurationSecondArray::from(vec![90])), "1 mins 30 secs"),
        ];
        for (column, text) in columns {
            let options = FormatOptions::new();
            assert_eq!(Shown::new(&column, &options).unwrap().text(0), text, "{}", column.data_type());
        }
    }
}
