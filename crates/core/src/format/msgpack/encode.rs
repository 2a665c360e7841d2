//! The MessagePack encoder: one map a row, every column in its place, NULL as nil, times as RFC 3339 text.
//! What MessagePack has no form for is text as it is shown. Cost: a look at the type for each cell.

use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_cast::display::FormatOptions;
use arrow_schema::{DataType, FieldRef, SchemaRef, TimeUnit};
use rmp::encode as write;
use rmp::encode::ValueWriteError;

use super::super::shown::Shown;
use super::super::timestamp::{write_date_of, write_time};
use super::super::{Encoder, FormatError, refuse_type};

/// Writes one map a row.
pub(super) struct MsgPackEncoder;

impl MsgPackEncoder {
    pub(super) fn new(schema: &SchemaRef) -> Result<MsgPackEncoder, FormatError> {
        match schema.fields().iter().find(|field| matches!(field.data_type(), DataType::Union(..))) {
            Some(field) => Err(refuse_type("msgpack", field)),
            None => Ok(MsgPackEncoder),
        }
    }
}

impl Encoder for MsgPackEncoder {
    fn encode(&mut self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<(), FormatError> {
        for row in 0..batch.num_rows() {
            if let Err(error) = map(batch.schema_ref().fields(), batch.columns(), row, out) {
                unreachable!("memory takes all bytes: {error}");
            }
        }
        Ok(())
    }
}

type Written = Result<(), ValueWriteError>;

fn map(fields: &[FieldRef], columns: &[ArrayRef], row: usize, out: &mut Vec<u8>) -> Written {
    write::write_map_len(out, fields.len() as u32)?;
    for (field, column) in fields.iter().zip(columns) {
        write::write_str(out, field.name())?;
        cell(column, row, out)?;
    }
    Ok(())
}

fn cell(column: &ArrayRef, row: usize, out: &mut Vec<u8>) -> Written {
    if column.is_null(row) {
        return write::write_nil(out).map_err(ValueWriteError::InvalidMarkerWrite);
    }
    let mut signed = |value: i64| write::write_sint(out, value).map(drop);
    match column.data_type() {
        DataType::Int8 => signed(column.as_primitive::<Int8Type>().value(row).into()),
        DataType::Int16 => signed(column.as_primitive::<Int16Type>().value(row).into()),
        DataType::Int32 => signed(column.as_primitive::<Int32Type>().value(row).into()),
        DataType::Int64 => signed(column.as_primitive::<Int64Type>().value(row)),
        DataType::UInt8 => signed(column.as_primitive::<UInt8Type>().value(row).into()),
        DataType::UInt16 => signed(column.as_primitive::<UInt16Type>().value(row).into()),
        DataType::UInt32 => signed(column.as_primitive::<UInt32Type>().value(row).into()),
        DataType::UInt64 => write::write_uint(out, column.as_primitive::<UInt64Type>().value(row)).map(drop),
        DataType::Float32 => write::write_f32(out, column.as_primitive::<Float32Type>().value(row)),
        DataType::Float64 => write::write_f64(out, column.as_primitive::<Float64Type>().value(row)),
        DataType::Boolean => {
            write::write_bool(out, column.as_boolean().value(row)).map_err(ValueWriteError::InvalidMarkerWrite)
        }
        DataType::Utf8 => write::write_str(out, column.as_string::<i32>().value(row)),
        DataType::Timestamp(TimeUnit::Millisecond, _) => {
            let ms = column.as_primitive::<TimestampMillisecondType>().value(row);
            text(|text| write_time(ms, text), out)
        }
        DataType::Date32 => {
            let days = column.as_primitive::<Date32Type>().value(row);
            text(|text| write_date_of(days.into(), text), out)
        }
        DataType::Struct(fields) => map(fields, column.as_struct().columns(), row, out),
        DataType::List(_) => {
            let items = column.as_list::<i32>().value(row);
            write::write_array_len(out, items.len() as u32)?;
            (0..items.len()).try_for_each(|item| cell(&items, item, out))
        }
        DataType::Binary => write::write_bin(out, column.as_binary::<i32>().value(row)),
        DataType::Map(..) => {
            let entries = column.as_map().value(row);
            write::write_map_len(out, entries.len() as u32)?;
            (0..entries.len()).try_for_each(|entry| {
                // Keys are text, as JSON has them.
                let key = Shown::new(entries.column(0), &FormatOptions::new());
                let key = key.map_or_else(|_| String::new(), |keys| keys.text(entry));
                write::write_str(out, &key)?;
                cell(entries.column(1), entry, out)
            })
        }
        _ => match Shown::new(column, &FormatOptions::new()) {
            Ok(shown) => write::write_str(out, &shown.text(row)),
            Err(_) => write::write_nil(out).map_err(ValueWriteError::InvalidMarkerWrite),
        },
    }
}

fn text(show: impl FnOnce(&mut Vec<u8>), out: &mut Vec<u8>) -> Written {
    let mut shown = Vec::new();
    show(&mut shown);
    write::write_str(out, &String::from_utf8_lossy(&shown))
}
