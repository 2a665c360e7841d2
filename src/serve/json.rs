//! Rows as JSON objects, column by column in the order of the view.
//!
//! Times are RFC 3339 text with milliseconds and `Z`, dates and times of day ISO 8601 text; integers of any width and
//! decimals are numbers written in full; NaN and the infinities are null, as is NULL; bytes are hexadecimal text; structs
//! are objects and lists arrays. Every column is there in every row.
//!
//! Cost: one dynamic call a cell; an encoder is made once a batch.

use std::sync::OnceLock;

use arrow_array::RecordBatch;
use arrow_json::writer::{EncoderOptions, NullableEncoder, make_encoder};
use arrow_schema::{ArrowError, FieldRef};

/// Writes rows of one batch.
pub(super) struct RowEncoder<'a> {
    /// Per column `"name":` and its cells.
    columns: Vec<(Vec<u8>, NullableEncoder<'a>)>,
}

impl<'a> RowEncoder<'a> {
    /// For the rows of `batch`, whose columns are `fields`.
    pub(super) fn new(fields: &'a [FieldRef], batch: &'a RecordBatch) -> Result<RowEncoder<'a>, ArrowError> {
        static OPTIONS: OnceLock<EncoderOptions> = OnceLock::new();
        let options = OPTIONS.get_or_init(|| {
            EncoderOptions::default()
                .with_explicit_nulls(true)
                .with_timestamp_format("%Y-%m-%dT%H:%M:%S%.3fZ".to_owned())
                .with_timestamp_tz_format("%Y-%m-%dT%H:%M:%S%.3fZ".to_owned())
        });
        let columns = fields.iter().zip(batch.columns()).map(|(field, array)| {
            let mut name = text(field.name()).into_bytes();
            name.push(b':');
            Ok((name, make_encoder(field, array, options)?))
        });
        Ok(RowEncoder { columns: columns.collect::<Result<_, ArrowError>>()? })
    }

    /// Appends the members of a row's object, without its braces.
    pub(super) fn members(&mut self, row: usize, out: &mut Vec<u8>) {
        for (index, (name, cells)) in self.columns.iter_mut().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            out.extend_from_slice(name);
            if cells.is_null(row) {
                out.extend_from_slice(b"null");
            } else {
                cells.encode(row, out);
            }
        }
    }
}

/// A JSON string.
pub(super) fn text(value: &str) -> String {
    serde_json::Value::from(value).to_string()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;

    use arrow_array::types::Int32Type;
    use arrow_array::{
        ArrayRef, BooleanArray, Decimal128Array, Float64Array, Int64Array, ListArray, StringArray, StructArray,
        TimestampMillisecondArray, UInt64Array,
    };
    use arrow_schema::{DataType, Field};

    use super::*;

    fn encode(columns: Vec<(&str, ArrayRef)>, row: usize) -> String {
        let batch = RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, a)| (n, a, true))).unwrap();
        let schema = batch.schema();
        let mut out = Vec::new();
        RowEncoder::new(schema.fields(), &batch).unwrap().members(row, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn cells_of_every_kind() {
        let fields = vec![Arc::new(Field::new("x", DataType::Int64, true))];
        let nested: Vec<ArrayRef> = vec![Arc::new(Int64Array::from(vec![Some(1), None]))];
        let list = ListArray::from_iter_primitive::<Int32Type, _, _>([Some(vec![Some(1), None]), None]);
        let decimal = Decimal128Array::from(vec![Some(-1205), None]).with_precision_and_scale(38, 2).unwrap();
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("t", Arc::new(TimestampMillisecondArray::from(vec![Some(-1), None]))),
            ("i", Arc::new(UInt64Array::from(vec![Some(u64::MAX), None]))),
            ("f", Arc::new(Float64Array::from(vec![f64::NAN, 0.1]))),
            ("d", Arc::new(decimal)),
            ("s", Arc::new(StringArray::from(vec![Some("a\"\n\u{1}é"), None]))),
            ("b", Arc::new(BooleanArray::from(vec![Some(true), None]))),
            ("n \"q\"", Arc::new(StructArray::new(fields.into(), nested, None))),
            ("l", Arc::new(list)),
        ];
        assert_eq!(
            encode(columns.clone(), 0),
            r#""t":"1969-12-31T23:59:59.999Z","i":18446744073709551615,"f":null,"d":-12.05,"s":"a\"\n\u0001é","b":true,"n \"q\"":{"x":1},"l":[1,null]"#
        );
        assert_eq!(
            encode(columns, 1),
            r#""t":null,"i":null,"f":0.1,"d":null,"s":null,"b":null,"n \"q\"":{"x":null},"l":null"#
        );
    }
}
