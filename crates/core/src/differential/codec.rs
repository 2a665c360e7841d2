//! Rows as bytes and back: arrow-row's form, one column's bytes behind the other's, so that bytes side by side are columns
//! side by side. Equal rows have equal bytes on every worker and process; NULLs are equal.

use arrow_array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, new_null_array};
use arrow_row::{RowConverter, SortField};
use arrow_schema::{ArrowError, Schema, SchemaRef};

use crate::delta::canonical;

/// Makes bytes of the rows of one schema.
#[derive(Debug)]
pub struct Codec {
    schema: SchemaRef,
    converter: RowConverter,
}

/// A row, or the key columns of one.
pub(super) type Bytes = Vec<u8>;

impl Codec {
    /// For rows of these columns. Refuses columns whose type has no order.
    pub fn new(schema: &SchemaRef) -> Result<Codec, ArrowError> {
        Ok(Codec { converter: converter(schema, 0..schema.fields().len())?, schema: schema.clone() })
    }

    /// For rows of columns that are known to have an order.
    pub(super) fn of(schema: &SchemaRef) -> Codec {
        match Codec::new(schema) {
            Ok(codec) => codec,
            Err(error) => unreachable!("the planner keeps columns that have no row form from differential: {error}"),
        }
    }

    /// For the columns `keys` of rows of this schema.
    pub(super) fn of_keys(schema: &Schema, keys: &[usize]) -> Codec {
        let fields: Vec<_> = keys.iter().map(|&key| schema.field(key).clone()).collect();
        Codec::of(&SchemaRef::new(Schema::new(fields)))
    }

    /// The columns of the rows.
    pub(super) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The bytes of each row.
    pub(super) fn encode(&self, columns: &[ArrayRef], rows: usize) -> Vec<Bytes> {
        if columns.is_empty() {
            return vec![Bytes::new(); rows];
        }
        match self.converter.convert_columns(columns) {
            Ok(rows) => rows.iter().map(|row| row.data().to_vec()).collect(),
            Err(error) => unreachable!("the columns have the planned types: {error}"),
        }
    }

    /// The bytes of each row's columns `keys`; `None` where one is NULL and `nulls_equal` is not set.
    pub(super) fn keys(&self, batch: &RecordBatch, keys: &[usize], nulls_equal: bool) -> Vec<Option<Bytes>> {
        let columns: Vec<ArrayRef> = keys.iter().map(|&key| canonical(batch.column(key))).collect();
        let meets = |row: usize| nulls_equal || columns.iter().all(|column| column.is_valid(row));
        let encoded = self.encode(&columns, batch.num_rows());
        encoded.into_iter().enumerate().map(|(row, key)| meets(row).then_some(key)).collect()
    }

    /// The rows that these are the bytes of.
    pub(super) fn decode<'a>(&self, rows: impl ExactSizeIterator<Item = &'a [u8]>) -> RecordBatch {
        let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
        let parser = self.converter.parser();
        let columns = self.converter.convert_rows(rows.map(|bytes| parser.parse(bytes)));
        let batch =
            columns.and_then(|columns| RecordBatch::try_new_with_options(self.schema.clone(), columns, &options));
        match batch {
            Ok(batch) => batch,
            Err(error) => unreachable!("these are bytes of rows of this schema: {error}"),
        }
    }

    /// The bytes of a row of NULLs.
    pub(super) fn nulls(&self) -> Bytes {
        let columns: Vec<ArrayRef> =
            self.schema.fields().iter().map(|field| new_null_array(field.data_type(), 1)).collect();
        self.encode(&columns, 1).swap_remove(0)
    }
}

/// The converter of these columns of a schema.
fn converter(schema: &Schema, columns: impl Iterator<Item = usize>) -> Result<RowConverter, ArrowError> {
    RowConverter::new(columns.map(|column| SortField::new(schema.field(column).data_type().clone())).collect())
}
