//! Rows of Rust types: what serde tells of them as columns of a schema, and the rows of columns as what serde makes of them.
//!
//! Columns are found by name. What fits a column is what fits it in JSON (`cells.rs`), so numbers may stand as text and times as
//! RFC 3339; a number as a time is milliseconds. All rows or none: the first that does not fit is told with its column.

mod columns;
mod nested;
mod read;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
mod write;

use std::fmt;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{Fields, SchemaRef};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub(crate) use self::columns::fitted;
use super::{Came, Part, Times, batch};
use crate::time::Zone;

/// Rows of a Rust type and columns do not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RowsError {
    /// The row, from 0.
    pub row: usize,
    /// The column, with the members on the way to the value behind dots; empty if it is not about one.
    pub column: String,
    /// What does not fit.
    pub what: String,
}

impl fmt::Display for RowsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.column.is_empty() {
            true => write!(f, "row {}: {}", self.row, self.what),
            false => write!(f, "row {}, column '{}': {}", self.row, self.column, self.what),
        }
    }
}

impl std::error::Error for RowsError {}

/// What is wrong with a value, and on the way to it the names, the innermost first.
#[derive(Debug)]
struct Wrong {
    what: String,
    path: Vec<String>,
}

impl Wrong {
    fn new(what: impl Into<String>) -> Wrong {
        Wrong { what: what.into(), path: Vec::new() }
    }

    fn within(mut self, name: &str) -> Wrong {
        self.path.push(name.to_owned());
        self
    }

    fn of_row(mut self, row: usize) -> RowsError {
        self.path.reverse();
        RowsError { row, column: self.path.join("."), what: self.what }
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for Wrong {}

impl serde::ser::Error for Wrong {
    fn custom<T: fmt::Display>(what: T) -> Wrong {
        Wrong::new(what.to_string())
    }
}

impl serde::de::Error for Wrong {
    fn custom<T: fmt::Display>(what: T) -> Wrong {
        Wrong::new(what.to_string())
    }
}

impl Part {
    /// Rows that a program made: all of the batch.
    pub fn rows(batch: RecordBatch) -> Part {
        let (records, came) = (batch.num_rows() as u64, Came::rows(&batch));
        Part { batch, numbers: None, records, faults: Vec::new(), came }
    }
}

/// Rows (structs or maps with text for keys) as columns of a schema, found by name. A column that a row lacks is NULL.
///
/// # Errors
/// The first row that does not fit: it has a field that is no column, a value that its column does not take, or lacks a column
/// that is NOT NULL. A column of a type that no text format knows cannot be written.
pub fn to_batch<T: Serialize>(rows: impl IntoIterator<Item = T>, schema: &SchemaRef) -> Result<RecordBatch, RowsError> {
    to_batch_in(rows, schema, Zone::utc())
}

/// As [`to_batch`]; instants that are written without an offset are what the clocks of the zone show.
pub(crate) fn to_batch_in<T: Serialize>(
    rows: impl IntoIterator<Item = T>,
    schema: &SchemaRef,
    zone: Zone,
) -> Result<RecordBatch, RowsError> {
    let mut written = write::Columns::new(schema.fields(), &Times::in_zone(zone)).map_err(|wrong| wrong.of_row(0))?;
    let mut count = 0;
    for row in rows {
        written.row(&row).map_err(|wrong| wrong.of_row(count))?;
        count += 1;
    }
    let columns = written.finish().map_err(|wrong| wrong.of_row(0))?;
    let whole = batch(schema, columns, count);
    whole.map_err(|error| Wrong::new(format!("the columns make no batch: {error}")).of_row(0))
}

/// The rows of a batch, each as a struct by the names of its columns, as a map, or as a tuple in their order.
///
/// TIMESTAMP is milliseconds where a number is asked for, else RFC 3339 text; DATE days or text; DECIMAL a float, or text with
/// all its digits; BYTES bytes, or Base64. NULL needs an [`Option`].
///
/// # Errors
/// The first value that the type does not take, or a field that is no column.
pub fn from_batch<T: DeserializeOwned>(batch: &RecordBatch) -> Result<Vec<T>, RowsError> {
    let (fields, columns): (&Fields, &[ArrayRef]) = (batch.schema_ref().fields(), batch.columns());
    let row = |row| T::deserialize(read::Row { fields, columns, row }).map_err(|wrong| wrong.of_row(row));
    (0..batch.num_rows()).map(row).collect()
}
