//! The CSV encoder: a header line, then a line a row; fields are quoted where they must be.

use std::io::Write;

use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Float32Type, Float64Type, Int64Type, TimestampMillisecondType};
use arrow_array::{Array, RecordBatch};
use arrow_cast::display::FormatOptions;
use arrow_schema::{DataType, SchemaRef, TimeUnit};

use super::super::json::not_finite;
use super::super::shown::Shown;
use super::super::timestamp::{write_date_of, write_time};
use super::super::{Encoder, FormatError};
use super::dialect::Dialect;
use crate::format::cells::base64;

/// Writes one line a row, and the header before the first.
pub(super) struct CsvEncoder {
    schema: SchemaRef,
    dialect: Dialect,
    begun: bool,
}

impl CsvEncoder {
    pub(super) fn new(schema: SchemaRef, dialect: Dialect) -> Result<CsvEncoder, FormatError> {
        let refused =
            |what: &str, remedy: &str| FormatError::Schema { what: what.to_owned(), remedy: remedy.to_owned() };
        if dialect.encoding.is_some() {
            return Err(refused("CSV is written as UTF-8", "leave 'csv.encoding' out"));
        }
        if dialect.marks.quote.is_none() && dialect.marks.escape.is_none() {
            return Err(refused(
                "text with a delimiter in it cannot be written without quotes",
                "leave 'csv.disable-quote-character' out, or add 'csv.escape-character'",
            ));
        }
        Ok(CsvEncoder { schema, dialect, begun: false })
    }

    fn begin(&mut self, out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.begun, true) || !self.dialect.header {
            return;
        }
        for (index, field) in self.schema.fields().iter().enumerate() {
            if index > 0 {
                out.push(self.dialect.marks.delimiter);
            }
            self.text(field.name().as_bytes(), out);
        }
        out.push(b'\n');
    }

    /// A field of text: quoted if it holds what would end it, is empty, or would be read as NULL or a comment.
    fn text(&self, text: &[u8], out: &mut Vec<u8>) {
        let marks = &self.dialect.marks;
        let special = |byte: &u8| {
            matches!(byte, b'\n' | b'\r')
                || *byte == marks.delimiter
                || Some(*byte) == marks.quote
                || Some(*byte) == marks.escape
        };
        let read_otherwise = text.is_empty() || marks.is_comment(text) || self.dialect.null.as_deref() == Some(text);
        if !read_otherwise && !text.iter().any(special) {
            return out.extend_from_slice(text);
        }
        out.extend(marks.quote);
        for byte in text {
            // A quote is doubled, or escaped where that is asked for; what escapes, too.
            if Some(*byte) == marks.quote || Some(*byte) == marks.escape || (marks.quote.is_none() && special(byte)) {
                out.extend(marks.escape.or(marks.quote));
            }
            out.push(*byte);
        }
        out.extend(marks.quote);
    }

    /// A number, given with a point.
    fn number(&self, text: &str, out: &mut Vec<u8>) {
        match self.dialect.decimal {
            b'.' if self.dialect.marks.delimiter != b'.' => out.extend_from_slice(text.as_bytes()),
            separator => self.text(text.replace('.', char::from(separator).encode_utf8(&mut [0; 4])).as_bytes(), out),
        }
    }

    fn cell(&self, column: &dyn Array, shown: &Shown<'_>, row: usize, out: &mut Vec<u8>) {
        if column.is_null(row) || *column.data_type() == DataType::Null {
            return out.extend_from_slice(self.dialect.null.as_deref().unwrap_or_default());
        }
        let float = |value: f64, text: String, out: &mut Vec<u8>| match value.is_finite() {
            true => self.number(&text, out),
            false => out.extend_from_slice(not_finite(value).as_bytes()),
        };
        match column.data_type() {
            DataType::Utf8 => self.text(column.as_string::<i32>().value(row).as_bytes(), out),
            DataType::Binary => self.text(base64(column.as_binary::<i32>().value(row)).as_bytes(), out),
            DataType::Int64 => {
                // Writing to memory does not fail.
                let _ = write!(out, "{}", column.as_primitive::<Int64Type>().value(row));
            }
            DataType::Float64 => {
                let value = column.as_primitive::<Float64Type>().value(row);
                float(value, format!("{value:?}"), out);
            }
            DataType::Float32 => {
                let value = column.as_primitive::<Float32Type>().value(row);
                float(value.into(), format!("{value:?}"), out);
            }
            DataType::Timestamp(TimeUnit::Millisecond, _) => {
                write_time(column.as_primitive::<TimestampMillisecondType>().value(row), out);
            }
            DataType::Date32 => write_date_of(column.as_primitive::<Date32Type>().value(row).into(), out),
            DataType::Decimal128(..) => self.number(&shown.text(row), out),
            _ => self.text(shown.text(row).as_bytes(), out),
        }
    }
}

impl Encoder for CsvEncoder {
    fn encode(&mut self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<(), FormatError> {
        self.begin(out);
        let options = FormatOptions::new();
        let shown = batch.columns().iter().map(|column| Shown::new(column.as_ref(), &options));
        let shown = shown.collect::<Result<Vec<_>, _>>().map_err(|error| FormatError::Schema {
            what: format!("a column cannot be shown: {error}"),
            remedy: "cast it to VARCHAR".to_owned(),
        })?;
        for row in 0..batch.num_rows() {
            for (index, column) in batch.columns().iter().enumerate() {
                if index > 0 {
                    out.push(self.dialect.marks.delimiter);
                }
                self.cell(column.as_ref(), &shown[index], row, out);
            }
            out.push(b'\n');
        }
        Ok(())
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), FormatError> {
        self.begin(out);
        Ok(())
    }
}
