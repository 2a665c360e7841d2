//! Reference tables: rows known by a primary key that requests change while the dataflow runs.
//!
//! A [`Change`] travels as rows of the table with three columns behind them ([`request_schema`]): what to do with the row,
//! which process asked, and which columns are given. [`Contents`] takes all requests of an epoch at once and answers what they change: a row is taken
//! back and its successor added in one epoch, and a row that comes out as it was changes nothing.
//!
//! Order within an epoch: by process, then as that process was asked. So the contents are the same on every run and with any
//! number of workers, given the same requests at the same epochs.

mod contents;

use std::sync::Arc;

use arrow_array::{ArrayRef, BinaryArray, Int64Array, RecordBatch, RecordBatchOptions, new_null_array};
use arrow_schema::{DataType, Field, Schema, SchemaRef};

use crate::delta::Delta;

pub use contents::Contents;

/// What one request does, all of it at one epoch.
#[derive(Clone, Debug)]
pub enum Change {
    /// Puts rows in, in the place of those with their keys. Columns are those of the table.
    Upsert(RecordBatch),
    /// Changes the given columns of the rows with these keys; a key without a row stays without.
    Update {
        /// The new values beside the keys; columns are those of the table.
        rows: RecordBatch,
        /// Per row and column of the table whether it is given.
        given: Vec<Vec<bool>>,
    },
    /// Takes the rows with these keys out. Columns are those of the table; only those of the key are read.
    Delete(RecordBatch),
    /// Takes all rows out, then puts these in.
    Replace(RecordBatch),
}

/// What becomes of a row of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    Clear = 0,
    Upsert = 1,
    Delete = 2,
    Update = 3,
}

/// The columns of requests for a table: the table's, all nullable, the act, the process that asked, and a byte a column that
/// says whether it is given.
pub fn request_schema(table: &Schema) -> SchemaRef {
    let mut fields: Vec<Field> = table.fields().iter().map(|f| f.as_ref().clone().with_nullable(true)).collect();
    fields.extend(["__act", "__process"].map(|name| Field::new(name, DataType::Int64, false)));
    fields.push(Field::new("__given", DataType::Binary, true));
    Arc::new(Schema::new(fields))
}

impl Change {
    /// The change as rows of `schema`, a [`request_schema`]; one message.
    pub fn request(&self, schema: &SchemaRef, process: usize) -> Delta {
        let (act, batch) = match self {
            Change::Upsert(batch) | Change::Replace(batch) => (Act::Upsert, batch),
            Change::Delete(batch) => (Act::Delete, batch),
            Change::Update { rows, .. } => (Act::Update, rows),
        };
        let clears = usize::from(matches!(self, Change::Replace(_)));
        let rows = batch.num_rows() + clears;
        let first = (0..clears).map(|_| Act::Clear as i64);
        let acts = Int64Array::from_iter_values(first.chain((0..batch.num_rows()).map(|_| act as i64)));
        let column = |column: &ArrayRef| match clears {
            0 => Arc::clone(column),
            _ => match arrow_select::concat::concat(&[&new_null_array(column.data_type(), clears), column]) {
                Ok(column) => column,
                Err(error) => unreachable!("both parts have the column's type: {error}"),
            },
        };
        let mut columns: Vec<ArrayRef> = batch.columns().iter().map(column).collect();
        columns.push(Arc::new(acts));
        columns.push(Arc::new(Int64Array::from(vec![process as i64; rows])));
        columns.push(match self {
            Change::Update { given, .. } => {
                let bytes = |row: &Vec<bool>| row.iter().map(|given| u8::from(*given)).collect::<Vec<u8>>();
                Arc::new(BinaryArray::from_iter_values(given.iter().map(bytes)))
            }
            _ => new_null_array(&DataType::Binary, rows),
        });
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        match RecordBatch::try_new_with_options(schema.clone(), columns, &options) {
            Ok(batch) => Delta::insert(batch),
            Err(error) => unreachable!("the batch has the table's columns: {error}"),
        }
    }
}
