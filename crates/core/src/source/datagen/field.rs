//! Columns by Flink's options: random within bounds, or counting.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::types::*;
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType, BooleanArray, PrimitiveArray, TimestampMillisecondArray};
use arrow_buffer::{BooleanBuffer, NullBuffer};
use arrow_schema::{DataType, FieldRef, TimeUnit};

use super::super::generated::{digits, texts};
use super::super::random::{Stream, below, unit};
use super::invalid;
use crate::options::{OptionError, Options};
use crate::type_names::sql_type;

/// Makes one column: of the numbers of some rows and their event times.
type Make = Box<dyn Fn(Range<u64>, &[i64]) -> ArrayRef + Send>;

/// Makes one column, with its share of NULLs.
pub(super) struct Maker {
    make: Make,
    null_rate: f64,
    nulls: Stream,
}

/// The parts of an option `fields.X.part`.
const PARTS: &[&str] = &["kind", "min", "max", "length", "values", "start", "end", "null-rate", "max-past"];

/// Refuses options of columns that are not there, and parts that do not exist.
pub(super) fn check_names<'a>(
    options: &Options,
    columns: impl Iterator<Item = &'a str>,
    ready: bool,
) -> Result<(), OptionError> {
    let columns: Vec<String> = columns.map(str::to_lowercase).collect();
    for (name, value) in options.iter() {
        let Some(rest) = name.strip_prefix("fields.") else { continue };
        if ready {
            return Err(invalid(name, value, "the columns of a ready kind have no options: leave out 'kind' or this"));
        }
        match rest.rsplit_once('.') {
            Some((column, _)) if !columns.iter().any(|known| known == column) => {
                return Err(invalid(name, value, &format!("there is no column '{column}'")));
            }
            Some((_, part)) if PARTS.contains(&part) => {}
            _ => return Err(invalid(name, value, &format!("write fields.<column>.<{}>", PARTS.join("|")))),
        }
    }
    Ok(())
}

/// The length of the shortest sequence that ends.
pub(super) fn shortest_sequence(options: &Options) -> Result<Option<u64>, OptionError> {
    let mut shortest = None;
    for (name, _) in options.iter() {
        let Some(column) = name.strip_prefix("fields.").and_then(|rest| rest.strip_suffix(".end")) else { continue };
        let of = |part: &str| options.parse::<i64>(&format!("fields.{column}.{part}"), "a whole number");
        if let Some(end) = of("end")? {
            let length = u64::try_from(i128::from(end) - i128::from(of("start")?.unwrap_or(0)) + 1).unwrap_or(0);
            shortest = Some(shortest.unwrap_or(u64::MAX).min(length));
        }
    }
    Ok(shortest)
}

impl Maker {
    /// A ready column.
    pub(super) fn ready(make: impl Fn(Range<u64>, &[i64]) -> ArrayRef + Send + 'static) -> Maker {
        Maker { make: Box::new(make), null_rate: 0.0, nulls: Stream::new(0, "") }
    }

    /// The maker of a column; the inner refusal is of its type: what, and what to write instead.
    pub(super) fn new(
        field: &FieldRef,
        options: &Options,
        seed: u64,
    ) -> Result<Result<Maker, (String, String)>, OptionError> {
        let option = |part: &str| format!("fields.{}.{part}", field.name().to_lowercase());
        let null_rate = options.parse::<f64>(&option("null-rate"), "a share from 0 to 1")?.unwrap_or(0.0);
        if !(0.0..=1.0).contains(&null_rate) || (null_rate > 0.0 && !field.is_nullable()) {
            let reason = "write a share from 0 to 1; 0 for a NOT NULL column";
            return Err(invalid(&option("null-rate"), &null_rate.to_string(), reason));
        }
        let sequence = options.one_of(&option("kind"), &[("random", false), ("sequence", true)])?.unwrap_or(false)
            || options.get(&option("start")).is_some()
            || options.get(&option("end")).is_some();
        let values = Stream::new(seed, field.name());
        let make = if sequence {
            let start = options.parse::<i64>(&option("start"), "a whole number")?.unwrap_or(0);
            counting(field.data_type(), start)
        } else {
            random(field.data_type(), values, options, &option)?
        };
        let nulls = Stream::new(seed ^ 1, field.name());
        Ok(make.map(|make| Maker { make, null_rate, nulls }).ok_or_else(|| {
            let how = if sequence { "a sequence" } else { "datagen" };
            let what = format!("{how} cannot make column '{}' of type {}", field.name(), sql_type(field.data_type()));
            (what, "declare it as a number, VARCHAR, BOOLEAN or TIMESTAMP(3), or compute it in a view".to_owned())
        }))
    }

    /// The column of some rows.
    pub(super) fn column(&self, rows: Range<u64>, times: &[i64]) -> ArrayRef {
        let column = (self.make)(rows.clone(), times);
        if self.null_rate == 0.0 {
            return column;
        }
        let valid =
            BooleanBuffer::collect_bool(times.len(), |row| self.nulls.unit(rows.start + row as u64) >= self.null_rate);
        match column.to_data().into_builder().nulls(Some(NullBuffer::new(valid))).build() {
            Ok(data) => arrow_array::make_array(data),
            Err(error) => unreachable!("there is a bit for every row: {error}"),
        }
    }
}

fn primitive<T: ArrowPrimitiveType>(value: impl Fn(u64) -> T::Native + Send + 'static) -> Option<Make> {
    Some(Box::new(move |rows, _| Arc::new(PrimitiveArray::<T>::from_iter_values(rows.map(&value)))))
}

fn counting(kind: &DataType, start: i64) -> Option<Make> {
    let at = move |row: u64| start.wrapping_add(row as i64);
    match kind {
        DataType::Int8 => primitive::<Int8Type>(move |row| at(row) as i8),
        DataType::Int16 => primitive::<Int16Type>(move |row| at(row) as i16),
        DataType::Int32 => primitive::<Int32Type>(move |row| at(row) as i32),
        DataType::Int64 => primitive::<Int64Type>(at),
        DataType::Float32 => primitive::<Float32Type>(move |row| at(row) as f32),
        DataType::Float64 => primitive::<Float64Type>(move |row| at(row) as f64),
        DataType::Utf8 => Some(Box::new(move |rows, times| {
            texts(times.len(), 10, |row, out| {
                let value = at(rows.start + row as u64);
                if value < 0 {
                    out.push(b'-');
                }
                digits(value.unsigned_abs(), 1, out);
            })
        })),
        _ => None,
    }
}

fn random(
    kind: &DataType,
    values: Stream,
    options: &Options,
    option: &dyn Fn(&str) -> String,
) -> Result<Option<Make>, OptionError> {
    let whole = |least: i64, most: i64| -> Result<(i64, u64), OptionError> {
        let min = options.parse::<i64>(&option("min"), "a whole number")?.unwrap_or(least);
        let max = options.parse::<i64>(&option("max"), "a whole number")?.unwrap_or(most);
        if min < least || max > most || min > max {
            let reason = format!("min to max must lie within {least} to {most}");
            return Err(invalid(&option("min"), &min.to_string(), &reason));
        }
        // The width is 2^64 for all of BIGINT, which wraps to 0: then every pattern of bits is a value.
        Ok((min, (max.wrapping_sub(min) as u64).wrapping_add(1)))
    };
    let within = |bits: u64, (min, width): (i64, u64)| {
        if width == 0 { bits as i64 } else { min.wrapping_add(below(bits, width) as i64) }
    };
    let real = |least: f64, most: f64| -> Result<(f64, f64), OptionError> {
        let min = options.parse::<f64>(&option("min"), "a number")?.unwrap_or(least);
        let max = options.parse::<f64>(&option("max"), "a number")?.unwrap_or(most);
        if !(min <= max && (max - min).is_finite()) {
            return Err(invalid(&option("min"), &min.to_string(), "min to max must be a finite range"));
        }
        Ok((min, max - min))
    };
    Ok(match kind {
        DataType::Int8 => {
            let range = whole(i8::MIN.into(), i8::MAX.into())?;
            primitive::<Int8Type>(move |row| within(values.at(row), range) as i8)
        }
        DataType::Int16 => {
            let range = whole(i16::MIN.into(), i16::MAX.into())?;
            primitive::<Int16Type>(move |row| within(values.at(row), range) as i16)
        }
        DataType::Int32 => {
            let range = whole(i32::MIN.into(), i32::MAX.into())?;
            primitive::<Int32Type>(move |row| within(values.at(row), range) as i32)
        }
        DataType::Int64 => {
            let range = whole(i64::MIN, i64::MAX)?;
            primitive::<Int64Type>(move |row| within(values.at(row), range))
        }
        DataType::Float32 => {
            let (min, width) = real(0.0, 1.0)?;
            primitive::<Float32Type>(move |row| (min + unit(values.at(row)) * width) as f32)
        }
        DataType::Float64 => {
            let (min, width) = real(0.0, 1.0)?;
            primitive::<Float64Type>(move |row| min + unit(values.at(row)) * width)
        }
        DataType::Boolean => Some(Box::new(move |rows: Range<u64>, times| {
            let bits = BooleanBuffer::collect_bool(times.len(), |row| values.at(rows.start + row as u64) >> 63 == 1);
            Arc::new(BooleanArray::new(bits, None))
        })),
        DataType::Utf8 => {
            let length = options.parse::<usize>(&option("length"), "a number of characters")?.unwrap_or(100);
            if length > 1 << 16 {
                return Err(invalid(&option("length"), &length.to_string(), "write a number up to 65536"));
            }
            let different = options.parse::<u64>(&option("values"), "how many different texts there are")?;
            if different == Some(0) {
                return Err(invalid(&option("values"), "0", "write a number above 0"));
            }
            Some(Box::new(move |rows, times| {
                texts(times.len(), length, |row, out| {
                    let drawn = values.at(rows.start + row as u64);
                    let own = different.map_or(drawn, |different| below(drawn, different));
                    for place in 0..length {
                        // 16 hexadecimal digits a draw.
                        let bits = Stream::new(own, "").at(place as u64 / 16) >> (place % 16 * 4);
                        out.push(b"0123456789abcdef"[(bits & 15) as usize]);
                    }
                })
            }))
        }
        DataType::Timestamp(TimeUnit::Millisecond, _) => {
            let kind = kind.clone();
            let past = options.duration_ms(&option("max-past"))?.unwrap_or(0) as u64;
            Some(Box::new(move |rows, times| {
                let time = |(row, time): (u64, &i64)| time.saturating_sub(below(values.at(row), past + 1) as i64);
                let made = TimestampMillisecondArray::from_iter_values(rows.zip(times).map(time));
                Arc::new(made.with_data_type(kind.clone()))
            }))
        }
        _ => None,
    })
}
