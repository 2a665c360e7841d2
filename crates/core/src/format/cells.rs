//! Columns being filled value by value from text, for the decoders of text formats.
//!
//! Invariant: a row that turns out bad is taken back by [`Cells::truncate`]; the columns then are as before it.

use std::sync::Arc;

use arrow_array::*;
use arrow_buffer::{BooleanBufferBuilder, Buffer, NullBuffer, NullBufferBuilder, OffsetBuffer, ScalarBuffer};
use arrow_schema::{DataType, FieldRef, Fields, TimeUnit as ArrowUnit};
use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::decimal::decimal;
use super::number;
use super::timestamp::{Times, read_clock};
use crate::counted::counted;
use crate::type_names::sql_type;

/// Base64 with its padding or without, as writers leave it out.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Bytes as text formats write them.
pub(super) fn base64(bytes: &[u8]) -> String {
    BASE64.encode(bytes)
}

/// The bytes that text in Base64 says.
pub(super) fn from_base64(text: &[u8]) -> Option<Vec<u8>> {
    BASE64.decode(text).ok()
}

/// One column being filled.
#[derive(Debug)]
pub(super) struct Cells {
    pub(super) values: Values,
    nulls: NullBufferBuilder,
}

/// The values of a column; a NULL has a placeholder in each.
#[derive(Debug)]
pub(super) enum Values {
    /// Integers of any width up to 64 bits, with the type's range.
    Int { values: Vec<i64>, kind: DataType, min: i64, max: i64 },
    /// Floats; `single` for 32 bits.
    Float { values: Vec<f64>, single: bool },
    /// Times in ms, of the type.
    Time { values: Vec<i64>, times: Times, kind: DataType },
    /// Days.
    Date { values: Vec<i32>, times: Times },
    /// Fixed-point numbers.
    Decimal { values: Vec<i128>, precision: u8, scale: i8 },
    /// Truth values.
    Bool(BooleanBufferBuilder),
    /// Text.
    Text { bytes: Vec<u8>, offsets: Vec<i32> },
    /// Nested rows.
    Row { fields: Fields, cells: Vec<Cells> },
    /// Lists.
    List { item: FieldRef, cells: Box<Cells>, offsets: Vec<i32> },
    /// Maps, an entry after the other: their keys, their values.
    Map { entries: FieldRef, sorted: bool, keys: Box<Cells>, cells: Box<Cells>, offsets: Vec<i32> },
    /// Bytes, from Base64.
    Bytes { bytes: Vec<u8>, offsets: Vec<i32> },
    /// Times of a day, in ms.
    Clock(Vec<i32>),
}

/// Whether a type is that of an instant, and not of what a clock shows.
pub(super) fn is_instant(kind: &DataType) -> bool {
    matches!(kind, DataType::Timestamp(_, Some(_)))
}

/// The fields of a map's keys and values.
pub(super) fn pair(entries: &FieldRef) -> Option<(&FieldRef, &FieldRef)> {
    match entries.data_type() {
        DataType::Struct(fields) if fields.len() == 2 => Some((&fields[0], &fields[1])),
        _ => None,
    }
}

impl Cells {
    /// An empty column of a type; times are written as `times` says. `None` if text formats do not know the type.
    pub(super) fn new(kind: &DataType, times: &Times) -> Option<Cells> {
        let int = |min, max| Values::Int { values: Vec::new(), kind: kind.clone(), min, max };
        let values = match kind {
            DataType::Int8 => int(i8::MIN.into(), i8::MAX.into()),
            DataType::Int16 => int(i16::MIN.into(), i16::MAX.into()),
            DataType::Int32 => int(i32::MIN.into(), i32::MAX.into()),
            DataType::Int64 => int(i64::MIN, i64::MAX),
            DataType::UInt8 => int(0, u8::MAX.into()),
            DataType::UInt16 => int(0, u16::MAX.into()),
            DataType::UInt32 => int(0, u32::MAX.into()),
            DataType::Float32 | DataType::Float64 => {
                Values::Float { values: Vec::new(), single: *kind == DataType::Float32 }
            }
            DataType::Timestamp(ArrowUnit::Millisecond, _) => {
                Values::Time { values: Vec::new(), times: times.clone(), kind: kind.clone() }
            }
            DataType::Date32 => Values::Date { values: Vec::new(), times: times.clone() },
            DataType::Decimal128(precision, scale) => {
                Values::Decimal { values: Vec::new(), precision: *precision, scale: *scale }
            }
            DataType::Boolean => Values::Bool(BooleanBufferBuilder::new(0)),
            DataType::Utf8 => Values::Text { bytes: Vec::new(), offsets: vec![0] },
            DataType::Struct(fields) => {
                let cells = fields.iter().map(|field| Cells::new(field.data_type(), times)).collect::<Option<_>>()?;
                Values::Row { fields: fields.clone(), cells }
            }
            DataType::List(item) => Values::List {
                item: item.clone(),
                cells: Box::new(Cells::new(item.data_type(), times)?),
                offsets: vec![0],
            },
            DataType::Map(entries, sorted) => {
                let (key, value) = pair(entries)?;
                if key.data_type().is_nested() {
                    return None;
                }
                Values::Map {
                    entries: entries.clone(),
                    sorted: *sorted,
                    keys: Box::new(Cells::new(key.data_type(), times)?),
                    cells: Box::new(Cells::new(value.data_type(), times)?),
                    offsets: vec![0],
                }
            }
            DataType::Binary => Values::Bytes { bytes: Vec::new(), offsets: vec![0] },
            DataType::Time32(ArrowUnit::Millisecond) => Values::Clock(Vec::new()),
            _ => return None,
        };
        Some(Cells { values, nulls: NullBufferBuilder::new(0) })
    }

    /// Number of values.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.nulls.len()
    }

    /// Says that the last value pushed into `values` is one.
    #[inline]
    pub(super) fn pushed(&mut self) {
        self.nulls.append_non_null();
    }

    /// Adds a NULL.
    pub(super) fn push_null(&mut self) {
        match &mut self.values {
            Values::Int { values, .. } | Values::Time { values, .. } => values.push(0),
            Values::Float { values, .. } => values.push(0.0),
            Values::Date { values, .. } => values.push(0),
            Values::Decimal { values, .. } => values.push(0),
            Values::Bool(values) => values.append(false),
            Values::Clock(values) => values.push(0),
            Values::Text { bytes, offsets } | Values::Bytes { bytes, offsets } => offsets.push(bytes.len() as i32),
            Values::Row { cells, .. } => cells.iter_mut().for_each(Cells::push_null),
            Values::List { cells, offsets, .. } | Values::Map { cells, offsets, .. } => {
                offsets.push(cells.len() as i32);
            }
        }
        self.nulls.append_null();
    }

    /// Takes back all but the first `len` values, and what was begun of a further one.
    pub(super) fn truncate(&mut self, len: usize) {
        match &mut self.values {
            Values::Int { values, .. } | Values::Time { values, .. } => values.truncate(len),
            Values::Float { values, .. } => values.truncate(len),
            Values::Date { values, .. } => values.truncate(len),
            Values::Decimal { values, .. } => values.truncate(len),
            Values::Bool(values) => values.truncate(len),
            Values::Clock(values) => values.truncate(len),
            Values::Text { bytes, offsets } | Values::Bytes { bytes, offsets } => {
                offsets.truncate(len + 1);
                bytes.truncate(offsets[len] as usize);
            }
            Values::Row { cells, .. } => cells.iter_mut().for_each(|cells| cells.truncate(len)),
            Values::List { cells, offsets, .. } => {
                offsets.truncate(len + 1);
                cells.truncate(offsets[len] as usize);
            }
            Values::Map { keys, cells, offsets, .. } => {
                offsets.truncate(len + 1);
                keys.truncate(offsets[len] as usize);
                cells.truncate(offsets[len] as usize);
            }
        }
        self.nulls.truncate(len);
    }

    /// The bytes of text that the column may still take before its 32-bit offsets end.
    pub(super) fn fits(&self, more: usize) -> bool {
        match &self.values {
            Values::Text { bytes, .. } | Values::Bytes { bytes, .. } => bytes.len() + more <= i32::MAX as usize,
            Values::Row { cells, .. } => cells.iter().all(|cells| cells.fits(more)),
            Values::List { cells, .. } => cells.len() + more <= i32::MAX as usize && cells.fits(more),
            Values::Map { keys, cells, .. } => {
                cells.len() + more <= i32::MAX as usize && keys.fits(more) && cells.fits(more)
            }
            _ => true,
        }
    }

    /// Whether values are numbers.
    pub(super) fn is_number(&self) -> bool {
        matches!(self.values, Values::Int { .. } | Values::Float { .. } | Values::Decimal { .. })
    }

    /// What a value of this column is called in messages: its type, and what that looks like.
    pub(super) fn expects(&self) -> String {
        let looks = match &self.values {
            Values::Int { min, max, .. } => format!("a whole number from {min} to {max}"),
            Values::Float { single: true, .. } => format!("a number up to {:e}", f32::MAX),
            Values::Float { .. } => format!("a number up to {:e}", f64::MAX),
            Values::Time { times, .. } => times.expected().to_owned(),
            Values::Date { times, .. } => times.expected_date().to_owned(),
            Values::Decimal { precision, scale, .. } => {
                let digits = counted(i16::from(*precision) - i16::from(*scale), "digit");
                format!("a number of at most {digits} before the point")
            }
            Values::Bool(_) => "true or false".to_owned(),
            Values::Text { .. } => "text".to_owned(),
            Values::Row { .. } | Values::Map { .. } => "an object".to_owned(),
            Values::List { .. } => "an array".to_owned(),
            Values::Bytes { .. } => "text in Base64".to_owned(),
            Values::Clock(_) => "HH:mm:ss".to_owned(),
        };
        format!("{} ({looks})", sql_type(&self.kind()))
    }

    /// The type of the column.
    fn kind(&self) -> DataType {
        match &self.values {
            Values::Int { kind, .. } | Values::Time { kind, .. } => kind.clone(),
            Values::Float { single: true, .. } => DataType::Float32,
            Values::Float { .. } => DataType::Float64,
            Values::Date { .. } => DataType::Date32,
            Values::Decimal { precision, scale, .. } => DataType::Decimal128(*precision, *scale),
            Values::Bool(_) => DataType::Boolean,
            Values::Text { .. } => DataType::Utf8,
            Values::Row { fields, .. } => DataType::Struct(fields.clone()),
            Values::List { item, .. } => DataType::List(item.clone()),
            Values::Map { entries, sorted, .. } => DataType::Map(entries.clone(), *sorted),
            Values::Bytes { .. } => DataType::Binary,
            Values::Clock(_) => DataType::Time32(ArrowUnit::Millisecond),
        }
    }

    /// Adds a value from text without quotes; false (and nothing added) if it is none of this column's.
    pub(super) fn push_text(&mut self, text: &[u8]) -> bool {
        let number = |text: &[u8]| number::read(text.trim_ascii());
        let fits = match &mut self.values {
            Values::Int { values, min, max, .. } => number(text)
                .and_then(number::Number::to_i64)
                .filter(|value| (*min..=*max).contains(value))
                .map(|value| values.push(value)),
            Values::Float { values, single } => match (number(text), text.trim_ascii()) {
                (Some(number), text) => float(number, text, *single),
                (None, text) => not_finite(text),
            }
            .map(|value| values.push(value)),
            Values::Time { values, times, kind } => {
                times.read_time(text, is_instant(kind)).map(|value| values.push(value))
            }
            Values::Date { values, times } => times.read_date(text).map(|value| values.push(value)),
            Values::Decimal { values, precision, scale } => {
                decimal(text.trim_ascii(), *precision, *scale).map(|value| values.push(value))
            }
            Values::Bool(values) => truth(text.trim_ascii()).map(|value| values.append(value)),
            Values::Text { bytes, offsets } => {
                bytes.extend_from_slice(text);
                offsets.push(bytes.len() as i32);
                Some(())
            }
            Values::Bytes { bytes, offsets } => {
                let read = BASE64.decode_vec(text.trim_ascii(), bytes).ok();
                // What was read of it before it turned out to be something else.
                bytes.truncate(read.map_or(offsets[offsets.len() - 1] as usize, |()| bytes.len()));
                read.map(|()| offsets.push(bytes.len() as i32))
            }
            Values::Clock(values) => read_clock(text.trim_ascii()).map(|value| values.push(value)),
            Values::Row { .. } | Values::List { .. } | Values::Map { .. } => None,
        };
        if fits.is_some() {
            self.pushed();
        }
        fits.is_some()
    }

    /// Ends the column and begins anew. `None` if its text is not UTF-8.
    pub(super) fn finish(&mut self) -> Option<ArrayRef> {
        let rows = self.nulls.len();
        let nulls = self.nulls.finish();
        fn narrow<T: ArrowPrimitiveType>(
            values: Vec<i64>,
            nulls: Option<NullBuffer>,
            to: impl Fn(i64) -> T::Native,
        ) -> ArrayRef {
            let values: ScalarBuffer<T::Native> = values.into_iter().map(to).collect();
            Arc::new(PrimitiveArray::<T>::new(values, nulls))
        }
        use arrow_array::types::*;
        Some(match &mut self.values {
            Values::Int { values, kind, .. } => {
                let values = again(values);
                match kind {
                    DataType::Int8 => narrow::<Int8Type>(values, nulls, |value| value as i8),
                    DataType::Int16 => narrow::<Int16Type>(values, nulls, |value| value as i16),
                    DataType::Int32 => narrow::<Int32Type>(values, nulls, |value| value as i32),
                    DataType::UInt8 => narrow::<UInt8Type>(values, nulls, |value| value as u8),
                    DataType::UInt16 => narrow::<UInt16Type>(values, nulls, |value| value as u16),
                    DataType::UInt32 => narrow::<UInt32Type>(values, nulls, |value| value as u32),
                    _ => Arc::new(Int64Array::new(values.into(), nulls)),
                }
            }
            Values::Float { values, single: false } => Arc::new(Float64Array::new(again(values).into(), nulls)),
            Values::Float { values, single: true } => {
                let values: ScalarBuffer<f32> = again(values).into_iter().map(|value| value as f32).collect();
                Arc::new(Float32Array::new(values, nulls))
            }
            Values::Time { values, kind, .. } => {
                let times = TimestampMillisecondArray::new(again(values).into(), nulls);
                Arc::new(times.with_data_type(kind.clone()))
            }
            Values::Date { values, .. } => Arc::new(Date32Array::new(again(values).into(), nulls)),
            Values::Decimal { values, precision, scale } => {
                let array = Decimal128Array::new(again(values).into(), nulls);
                Arc::new(array.with_precision_and_scale(*precision, *scale).ok()?)
            }
            Values::Bool(values) => Arc::new(BooleanArray::new(values.finish(), nulls)),
            Values::Text { bytes, offsets } => {
                let offsets = OffsetBuffer::new(restart(offsets).into());
                Arc::new(StringArray::try_new(offsets, Buffer::from_vec(again(bytes)), nulls).ok()?)
            }
            Values::Row { fields, cells } => {
                let columns = cells.iter_mut().map(Cells::finish).collect::<Option<Vec<_>>>()?;
                Arc::new(StructArray::try_new_with_length(fields.clone(), columns, nulls, rows).ok()?)
            }
            Values::List { item, cells, offsets } => {
                let offsets = OffsetBuffer::new(restart(offsets).into());
                Arc::new(ListArray::try_new(item.clone(), offsets, cells.finish()?, nulls).ok()?)
            }
            Values::Map { entries, sorted, keys, cells, offsets } => {
                let offsets = OffsetBuffer::new(restart(offsets).into());
                let DataType::Struct(fields) = entries.data_type() else { return None };
                let pairs = StructArray::try_new(fields.clone(), vec![keys.finish()?, cells.finish()?], None).ok()?;
                Arc::new(MapArray::try_new(entries.clone(), offsets, pairs, nulls, *sorted).ok()?)
            }
            Values::Bytes { bytes, offsets } => {
                let offsets = OffsetBuffer::new(restart(offsets).into());
                Arc::new(BinaryArray::try_new(offsets, Buffer::from_vec(again(bytes)), nulls).ok()?)
            }
            Values::Clock(values) => Arc::new(Time32MillisecondArray::new(again(values).into(), nulls)),
        })
    }
}

/// NaN or an infinity, as it is spelt.
fn not_finite(text: &[u8]) -> Option<f64> {
    let (negative, word) = match text {
        [b'-', word @ ..] => (true, word),
        [b'+', word @ ..] => (false, word),
        word => (false, word),
    };
    let is = |known: &str| word.eq_ignore_ascii_case(known.as_bytes());
    match () {
        () if is("nan") => Some(f64::NAN),
        () if is("inf") || is("infinity") => Some(if negative { f64::NEG_INFINITY } else { f64::INFINITY }),
        () => None,
    }
}

/// A truth value, as it is spelt.
fn truth(text: &[u8]) -> Option<bool> {
    let is = |words: [&str; 5]| words.iter().any(|word| text.eq_ignore_ascii_case(word.as_bytes()));
    match () {
        () if is(["true", "t", "1", "yes", "y"]) => Some(true),
        () if is(["false", "f", "0", "no", "n"]) => Some(false),
        () => None,
    }
}

/// The values, leaving room for as many again.
fn again<T>(values: &mut Vec<T>) -> Vec<T> {
    let room = Vec::with_capacity(values.len() + values.len() / 8);
    std::mem::replace(values, room)
}

/// The offsets, leaving the first of the next.
fn restart(offsets: &mut Vec<i32>) -> Vec<i32> {
    let taken = again(offsets);
    offsets.push(0);
    taken
}

/// The nearest float of the column's width; none if the number is beyond all of them.
#[inline]
pub(super) fn float(number: number::Number, text: &[u8], single: bool) -> Option<f64> {
    let value = if single {
        // Rounding a 64-bit float once more could miss the nearest 32-bit one.
        std::str::from_utf8(text).ok().and_then(|text| text.parse::<f32>().ok()).map_or(f64::NAN, f64::from)
    } else {
        number.to_f64(text)
    };
    value.is_finite().then_some(value)
}
