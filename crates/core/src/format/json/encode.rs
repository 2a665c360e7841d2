//! The JSON encoder: one object a line, every column in its place, NULL as `null`.
//!
//! Times are RFC 3339 with milliseconds and `Z`; floats the shortest text that reads back as the same; NaN and the
//! infinities are the text `"NaN"`, `"Infinity"`, `"-Infinity"`, since JSON has no number for them. Integers and decimals are
//! numbers in full, or text where a reader asks for it ([`Numbers`]). Bytes are Base64. A map is an object.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{ArrayRef, RecordBatch};
use arrow_buffer::NullBuffer;
use arrow_cast::display::FormatOptions;
use arrow_schema::{DataType, FieldRef, Fields, SchemaRef, TimeUnit};

use super::super::cells::base64;
use super::super::intervals::Intervals;
use super::super::shown::Shown;
use super::super::timestamp::{write_date_of, write_time};
use super::super::{Encoder, FormatError, refuse_type};

/// Writes one object a line.
pub(super) struct JsonEncoder;

impl JsonEncoder {
    /// Any column that can be shown can be written; what has no JSON form of its own is text.
    pub(super) fn new(schema: &SchemaRef) -> Result<JsonEncoder, FormatError> {
        match schema.fields().iter().find(|field| matches!(field.data_type(), DataType::Union(..))) {
            Some(field) => Err(refuse_type("json", field)),
            None => Ok(JsonEncoder),
        }
    }
}

impl Encoder for JsonEncoder {
    fn encode(&mut self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<(), FormatError> {
        let row_writer = JsonRows::new(batch.schema_ref().fields(), batch.columns(), Numbers::Json);
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
    JsonRows::new(schema.fields(), columns, Numbers::Json).write(row, &mut out);
    String::from_utf8_lossy(&out).into_owned()
}

/// The values of a column as texts that the text formats read as the same values: what stands in JSON, text without its quotes; `None` is
/// NULL. For formats of others, which write a value at a time.
pub fn texts(column: &ArrayRef) -> Vec<Option<String>> {
    let (values, mut out) = (JsonValues::new(column), Vec::new());
    let text = |row: usize| {
        out.clear();
        values.write(row, &mut out);
        match out.as_slice() {
            b"null" => None,
            [b'"', ..] => serde_json::from_slice(&out).ok(),
            _ => Some(String::from_utf8_lossy(&out).into_owned()),
        }
    };
    (0..column.len()).map(text).collect()
}

/// One row as a JSON object without the columns that are the engine's own: a dead letter of a view or sink. Of columns of one
/// name that hold one value the first is shown, as where both sides of a join have their key.
pub fn show_row(batch: &RecordBatch, row: usize) -> String {
    let (mut fields, mut columns): (Vec<FieldRef>, Vec<ArrayRef>) = Default::default();
    for (field, column) in batch.schema_ref().fields().iter().zip(batch.columns()) {
        if field.name().starts_with("__") || *field.data_type() == DataType::Null {
            continue;
        }
        let value = column.slice(row, 1);
        // Of `a.id` a copy that operators keep is `id`.
        let copies = |a: &str, b: &str| a.strip_suffix(b).is_some_and(|of| of.is_empty() || of.ends_with('.'));
        let same = |other: &str| copies(other, field.name()) || copies(field.name(), other);
        let again = fields.iter().zip(&columns).any(|(other, told)| same(other.name()) && alike(told, &value));
        if !again {
            // Every parser loses one of two members of one name.
            let free = |name: &String| fields.iter().all(|other| other.name() != name);
            let numbered = |at: u32| format!("{}_{at}", field.name());
            let name = Some(field.name().clone()).filter(free).or_else(|| (2..).map(numbered).find(free));
            fields.push(Arc::new(field.as_ref().clone().with_name(name.unwrap_or_default())));
            columns.push(value);
        }
    }
    row_as_json(&arrow_schema::Schema::new(fields).into(), &columns, 0)
}

/// Whether two values are written alike, of whatever types: an operator keeps `d` as it reads it, too.
fn alike(a: &ArrayRef, b: &ArrayRef) -> bool {
    let written = |value: &ArrayRef| {
        let mut out = Vec::new();
        JsonValues::new(value).write(0, &mut out);
        out
    };
    **a == **b || written(a) == written(b)
}

/// How integers and decimals are written that a 64-bit float does not hold exactly. Whoever reads JSON's numbers as such
/// floats, as JavaScript does, would not see their last digits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Numbers {
    /// As numbers, with all their digits.
    #[default]
    Json,
    /// As text: a BIGINT beyond 2^53 - 1, a DECIMAL of more than 15 digits.
    Exact,
}

/// The largest integer up to which a 64-bit float holds every one.
const SAFE: u64 = (1 << 53) - 1;
/// So many decimal digits a 64-bit float always gives back.
const SAFE_DIGITS: u128 = 1_000_000_000_000_000;

/// Rows as objects: each column's name ready to be copied, its type looked at once. Cost: a branch a cell.
pub struct JsonRows<'a>(Vec<(Vec<u8>, Cell<'a>)>);

impl<'a> JsonRows<'a> {
    /// For rows whose columns are `fields`.
    pub fn new(fields: &Fields, columns: &'a [ArrayRef], numbers: Numbers) -> JsonRows<'a> {
        let member = |(index, (field, column)): (usize, (&FieldRef, &'a ArrayRef))| {
            let mut name = if index == 0 { Vec::new() } else { vec![b','] };
            write_text(field.name(), &mut name);
            name.push(b':');
            (name, Cell::new(column, numbers))
        };
        JsonRows(fields.iter().zip(columns).enumerate().map(member).collect())
    }

    /// Appends a row as an object.
    #[inline]
    pub fn write(&self, row: usize, out: &mut Vec<u8>) {
        out.push(b'{');
        self.write_members(row, out);
        out.push(b'}');
    }

    /// Appends a row's members, for an object that has others too.
    #[inline]
    pub fn write_members(&self, row: usize, out: &mut Vec<u8>) {
        for (name, cell) in &self.0 {
            out.extend_from_slice(name);
            cell.write(row, out);
        }
    }
}

/// The values of a column, by row.
pub struct JsonValues<'a>(Cell<'a>);

impl<'a> JsonValues<'a> {
    /// Of this column.
    pub fn new(column: &'a ArrayRef) -> JsonValues<'a> {
        JsonValues(Cell::new(column, Numbers::Json))
    }

    /// Appends a row's value.
    pub fn write(&self, row: usize, out: &mut Vec<u8>) {
        self.0.write(row, out);
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
    /// Integers that are text beyond [`SAFE`].
    Wide(&'a [i64]),
    UnsignedWide(&'a [u64]),
    Time(&'a [i64]),
    Date(&'a [i32]),
    Bool(&'a arrow_array::BooleanArray),
    Text(&'a arrow_array::StringArray),
    Row(JsonRows<'a>),
    List(&'a [i32], Box<Cell<'a>>),
    /// Objects, whose keys are what is shown.
    Map(&'a [i32], Shown<'a>, Box<Cell<'a>>),
    /// Text in Base64.
    Bytes(&'a arrow_array::BinaryArray),
    Intervals(Intervals<'a>),
    /// A fixed-point number as it is shown, and its digits if it may have to be text.
    Shown(Shown<'a>, Option<&'a [i128]>),
    /// Anything else, as text.
    Quoted(Shown<'a>),
    /// Nothing but NULL.
    Nothing,
}

impl<'a> Cell<'a> {
    fn new(column: &'a ArrayRef, numbers: Numbers) -> Cell<'a> {
        let column = column.as_ref();
        const OPTIONS: FormatOptions<'static> = FormatOptions::new();
        let values = match column.data_type() {
            DataType::Int8 => Values::Int8(column.as_primitive::<Int8Type>().values()),
            DataType::Int16 => Values::Int16(column.as_primitive::<Int16Type>().values()),
            DataType::Int32 => Values::Int32(column.as_primitive::<Int32Type>().values()),
            DataType::Int64 if numbers == Numbers::Exact => Values::Wide(column.as_primitive::<Int64Type>().values()),
            DataType::UInt64 if numbers == Numbers::Exact => {
                Values::UnsignedWide(column.as_primitive::<UInt64Type>().values())
            }
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
            DataType::Binary => Values::Bytes(column.as_binary()),
            DataType::Interval(_) | DataType::Duration(_) => {
                Intervals::of(column).map_or(Values::Nothing, Values::Intervals)
            }
            DataType::Struct(fields) => Values::Row(JsonRows::new(fields, column.as_struct().columns(), numbers)),
            DataType::List(_) => {
                let list = column.as_list::<i32>();
                Values::List(list.value_offsets(), Box::new(Cell::new(list.values(), numbers)))
            }
            DataType::Map(..) => {
                let map = column.as_map();
                match Shown::new(map.keys(), &OPTIONS) {
                    Ok(keys) => Values::Map(map.value_offsets(), keys, Box::new(Cell::new(map.values(), numbers))),
                    Err(_) => Values::Nothing,
                }
            }
            // Its column has no other values, and says of none that it is NULL.
            DataType::Null => Values::Nothing,
            kind => match Shown::new(column, &OPTIONS) {
                Ok(shown) if matches!(kind, DataType::Decimal128(..)) => {
                    let digits = column.as_primitive::<Decimal128Type>().values();
                    Values::Shown(shown, (numbers == Numbers::Exact).then_some(digits))
                }
                Ok(shown) if matches!(kind, DataType::Decimal256(..)) && numbers == Numbers::Json => {
                    Values::Shown(shown, None)
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
            Values::Float32(values) if values[row].is_finite() => write_value(&values[row], out),
            Values::Float64(values) if values[row].is_finite() => write_value(&values[row], out),
            Values::Float32(values) => write_value(not_finite(values[row].into()), out),
            Values::Float64(values) => write_value(not_finite(values[row]), out),
            Values::Wide(values) => write_wide(&values[row], values[row].unsigned_abs(), out),
            Values::UnsignedWide(values) => write_wide(&values[row], values[row], out),
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
            Values::Bytes(values) => write_text(&base64(values.value(row)), out),
            // Nothing in it is escaped.
            Values::Intervals(intervals) => out.extend_from_slice(format!("\"{}\"", intervals.text(row)).as_bytes()),
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
            Values::Map(offsets, keys, values) => {
                out.push(b'{');
                let first = offsets[row];
                for index in first..offsets[row + 1] {
                    if index > first {
                        out.push(b',');
                    }
                    write_text(&keys.text(index as usize), out);
                    out.push(b':');
                    values.write(index as usize, out);
                }
                out.push(b'}');
            }
            Values::Shown(shown, Some(digits)) if digits[row].unsigned_abs() >= SAFE_DIGITS => {
                write_text(&shown.text(row), out);
            }
            Values::Shown(shown, _) => out.extend_from_slice(shown.text(row).as_bytes()),
            Values::Quoted(shown) => write_text(&shown.text(row), out),
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

/// An integer as a number, or as text if it is beyond what a float holds.
fn write_wide(value: &impl serde::Serialize, size: u64, out: &mut Vec<u8>) {
    if size <= SAFE {
        return write_value(value, out);
    }
    out.push(b'"');
    write_value(value, out);
    out.push(b'"');
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{ListArray, NullArray, StructArray};
    use arrow_buffer::OffsetBuffer;
    use arrow_schema::Field;

    use super::*;

    /// As pandas writes a key that is None in every row.
    #[test]
    fn what_is_of_the_type_of_null_is_null_at_any_depth() {
        let nothing = |rows: usize| -> ArrayRef { Arc::new(NullArray::new(rows)) };
        let item = Arc::new(Field::new("item", DataType::Null, true));
        let list: ArrayRef = Arc::new(ListArray::new(item, OffsetBuffer::from_lengths([2, 0]), nothing(2), None));
        let fields: Fields =
            vec![Field::new("a", DataType::Null, true), Field::new("b", list.data_type().clone(), true)].into();
        let row: ArrayRef = Arc::new(StructArray::new(fields, vec![nothing(2), list], None));
        let schema = Arc::new(arrow_schema::Schema::new(vec![Field::new("r", row.data_type().clone(), true)]));
        let shown = |at: usize| row_as_json(&schema, std::slice::from_ref(&row), at);
        assert_eq!(shown(0), r#"{"r":{"a":null,"b":[null,null]}}"#);
        assert_eq!(shown(1), r#"{"r":{"a":null,"b":[]}}"#);
    }
}
