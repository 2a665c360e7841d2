//! The JSON encoder: one object a line, every column in its place, NULL as `null`.
//!
//! Times are RFC 3339 with milliseconds and `Z`; floats the shortest text that reads back as the same; NaN and the
//! infinities are text, since JSON has no number for them.

use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{ArrayRef, RecordBatch};
use arrow_buffer::NullBuffer;
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_schema::{DataType, Field, SchemaRef, TimeUnit};

use super::super::timestamp::{write_date_of, write_time};
use super::super::{Encoder, FormatError, refuse_type};

/// Writes one object a line.
pub(super) struct JsonEncoder;

impl JsonEncoder {
    /// Any column that can be shown can be written; what has no JSON form of its own is text.
    pub(super) fn new(schema: &SchemaRef) -> Result<JsonEncoder, FormatError> {
        match schema.fields().iter().find(|field| matches!(field.data_type(), DataType::Map(..) | DataType::Union(..)))
        {
            Some(field) => Err(refuse_type("json", field)),
            None => Ok(JsonEncoder),
        }
    }
}

impl Encoder for JsonEncoder {
    fn encode(&mut self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<(), FormatError> {
        let row_writer = Members::new(batch.schema_ref().fields(), batch.columns());
        for row in 0..batch.num_rows() {
            row_writer.write(row, out);
            out.push(b'\n');
        }
        Ok(())
    }
}

/// One row as a JSON object, for messages and dead letters. Slow: sets up for one row.
pub fn row_as_json(schema: &SchemaRef, columns: &[ArrayRef], row: usize) -> String {
    let mut out = Vec::new();
    Members::new(schema.fields(), columns).write(row, &mut out);
    String::from_utf8_lossy(&out).into_owned()
}

/// The members of an object: each with `,"name":` ready to be copied.
struct Members<'a>(Vec<(Vec<u8>, Cell<'a>)>);

impl<'a> Members<'a> {
    fn new(fields: &arrow_schema::Fields, columns: &'a [ArrayRef]) -> Members<'a> {
        let member = |(index, (field, column)): (usize, (&std::sync::Arc<Field>, &'a ArrayRef))| {
            let mut name = if index == 0 { Vec::new() } else { vec![b','] };
            write_text(field.name(), &mut name);
            name.push(b':');
            (name, Cell::new(column))
        };
        Members(fields.iter().zip(columns).enumerate().map(member).collect())
    }

    #[inline]
    fn write(&self, row: usize, out: &mut Vec<u8>) {
        out.push(b'{');
        for (name, cell) in &self.0 {
            out.extend_from_slice(name);
            cell.write(row, out);
        }
        out.push(b'}');
    }
}

/// A column, its type looked at once.
struct Cell<'a> {
    nulls: Option<&'a NullBuffer>,
    values: Values<'a>,
}

enum Values<'a> {
    Int8(&'a [i8]),
    Int16(&'a [i16]),
    Int32(&'a [i32]),
    Int64(&'a [i64]),
    UInt8(&'a [u8]),
    UInt16(&'a [u16]),
    UInt32(&'a [u32]),
    UInt64(&'a [u64]),
    Float32(&'a [f32]),
    Float64(&'a [f64]),
    Time(&'a [i64]),
    Date(&'a [i32]),
    Bool(&'a arrow_array::BooleanArray),
    Text(&'a arrow_array::StringArray),
    Row(Members<'a>),
    List(&'a [i32], Box<Cell<'a>>),
    /// A fixed-point number as it is shown.
    Shown(ArrayFormatter<'a>),
    /// Anything else, as text.
    Quoted(ArrayFormatter<'a>),
    /// Nothing but NULL.
    Nothing,
}

impl<'a> Cell<'a> {
    fn new(column: &'a ArrayRef) -> Cell<'a> {
        let column = column.as_ref();
        const OPTIONS: FormatOptions<'static> = FormatOptions::new();
        let values = match column.data_type() {
            DataType::Int8 => Values::Int8(column.as_primitive::<Int8Type>().values()),
            DataType::Int16 => Values::Int16(column.as_primitive::<Int16Type>().values()),
            DataType::Int32 => Values::Int32(column.as_primitive::<Int32Type>().values()),
            DataType::Int64 => Values::Int64(column.as_primitive::<Int64Type>().values()),
            DataType::UInt8 => Values::UInt8(column.as_primitive::<UInt8Type>().values()),
            DataType::UInt16 => Values::UInt16(column.as_primitive::<UInt16Type>().values()),
            DataType::UInt32 => Values::UInt32(column.as_primitive::<UInt32Type>().values()),
            DataType::UInt64 => Values::UInt64(column.as_primitive::<UInt64Type>().values()),
            DataType::Float32 => Values::Float32(column.as_primitive::<Float32Type>().values()),
            DataType::Float64 => Values::Float64(column.as_primitive::<Float64Type>().values()),
            DataType::Timestamp(TimeUnit::Millisecond, _) => {
                Values::Time(column.as_primitive::<TimestampMillisecondType>().values())
            }
            DataType::Date32 => Values::Date(column.as_primitive::<Date32Type>().values()),
            DataType::Boolean => Values::Bool(column.as_boolean()),
            DataType::Utf8 => Values::Text(column.as_string()),
            DataType::Struct(fields) => Values::Row(Members::new(fields, column.as_struct().columns())),
            DataType::List(_) => {
                let list = column.as_list::<i32>();
                Values::List(list.value_offsets(), Box::new(Cell::new(list.values())))
            }
            kind => match ArrayFormatter::try_new(column, &OPTIONS) {
                Ok(shown) if matches!(kind, DataType::Decimal128(..) | DataType::Decimal256(..)) => {
                    Values::Shown(shown)
                }
                Ok(shown) => Values::Quoted(shown),
                Err(_) => Values::Nothing,
            },
        };
        Cell { nulls: column.nulls(), values }
    }

    #[inline]
    fn write(&self, row: usize, out: &mut Vec<u8>) {
        if self.nulls.is_some_and(|nulls| nulls.is_null(row)) {
            return out.extend_from_slice(b"null");
        }
        match &self.values {
            Values::Int8(values) => write_value(&values[row], out),
            Values::Int16(values) => write_value(&values[row], out),
            Values::Int32(values) => write_value(&values[row], out),
            Values::Int64(values) => write_value(&values[row], out),
            Values::UInt8(values) => write_value(&values[row], out),
            Values::UInt16(values) => write_value(&values[row], out),
            Values::UInt32(values) => write_value(&values[row], out),
            Values::UInt64(values) => write_value(&values[row], out),
            Values::Float32(values) => match values[row] {
                value if value.is_finite() => write_value(&value, out),
                value => write_value(not_finite(value.into()), out),
            },
            Values::Float64(values) => match values[row] {
                value if value.is_finite() => write_value(&value, out),
                value => write_value(not_finite(value), out),
            },
            Values::Time(values) => {
                out.push(b'"');
                write_time(values[row], out);
                out.push(b'"');
            }
            Values::Date(values) => {
                out.push(b'"');
                write_date_of(values[row].into(), out);
                out.push(b'"');
            }
            Values::Bool(values) => out.extend_from_slice(if values.value(row) { b"true" } else { b"false" }),
            Values::Text(values) => write_text(values.value(row), out),
            Values::Row(members) => members.write(row, out),
            Values::List(offsets, item) => {
                out.push(b'[');
                let first = offsets[row];
                for index in first..offsets[row + 1] {
                    if index > first {
                        out.push(b',');
                    }
                    item.write(index as usize, out);
                }
                out.push(b']');
            }
            Values::Shown(shown) => out.extend_from_slice(shown.value(row).to_string().as_bytes()),
            Values::Quoted(shown) => write_text(&shown.value(row).to_string(), out),
            Values::Nothing => out.extend_from_slice(b"null"),
        }
    }
}

/// How a float that is no number is written.
pub(in super::super) fn not_finite(value: f64) -> &'static str {
    match value {
        f64::INFINITY => "Infinity",
        f64::NEG_INFINITY => "-Infinity",
        _ => "NaN",
    }
}

fn write_text(text: &str, out: &mut Vec<u8>) {
    write_value(text, out);
}

#[inline]
fn write_value<T: serde::Serialize + ?Sized>(value: &T, out: &mut Vec<u8>) {
    if let Err(error) = serde_json::to_writer(out, value) {
        unreachable!("memory takes all bytes, and these are numbers or text: {error}");
    }
}
