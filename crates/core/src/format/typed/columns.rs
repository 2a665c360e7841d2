//! Columns that a program made, as columns of a schema.

use std::collections::HashSet;

use arrow_array::{Array, ArrayRef, RecordBatch, new_null_array};
use arrow_schema::{Field, SchemaRef};

use super::super::fit::fit;
use super::super::{Times, batch, case_matters, listed};
use super::{RowsError, Wrong};
use crate::time::Zone;

/// The columns of `wanted` among those of a batch, by name, in their types. One of `declared` that nobody wants is passed over,
/// one that is wanted and not there is NULL. Cost: nothing a row where the types are the same.
///
/// # Errors
/// A column that is not declared, one that is there twice, a value that does not fit its type, NULL where that is refused.
pub(crate) fn fitted(
    found: RecordBatch,
    wanted: &SchemaRef,
    declared: &SchemaRef,
    zone: Zone,
) -> Result<RecordBatch, RowsError> {
    if std::sync::Arc::ptr_eq(found.schema_ref(), wanted) {
        return Ok(found);
    }
    let wrong = |column: &str, what: String| Wrong::new(what).within(column).of_row(0);
    let names = || declared.fields().iter().map(|field| field.name().as_str());
    let mut told = HashSet::new();
    for field in found.schema_ref().fields() {
        let name = field.name().as_str();
        if !names().any(|declared| declared == name) {
            let (has, case) = (listed(names()), case_matters([name], names()));
            return Err(wrong(name, format!("is no column; there are {has}{case}")));
        }
        if !told.insert(name) {
            return Err(wrong(name, "is there twice".to_owned()));
        }
    }
    let (rows, times) = (found.num_rows(), Times::in_zone(zone));
    let column = |field: &std::sync::Arc<Field>| match found.column_by_name(field.name()) {
        Some(column) => as_declared(column, field, &times),
        None if !field.is_nullable() => Err(wrong(field.name(), "is missing, and declared NOT NULL".to_owned())),
        None => Ok(new_null_array(field.data_type(), rows)),
    };
    let columns = wanted.fields().iter().map(column).collect::<Result<Vec<_>, _>>()?;
    batch(wanted, columns, rows).map_err(|error| wrong("", error.to_string()))
}

fn as_declared(column: &ArrayRef, field: &Field, times: &Times) -> Result<ArrayRef, RowsError> {
    let wrong = |row: usize, path: &str, what: &str| RowsError {
        row,
        column: format!("{}{path}", field.name()),
        what: what.to_owned(),
    };
    let fitted = match column.data_type() == field.data_type() {
        true => column.clone(),
        false => {
            let fitted = fit(column, field.data_type(), times).map_err(|error| wrong(0, "", &error))?;
            if let Some(misfit) = fitted.misfits.first() {
                return Err(wrong(misfit.rows.set_indices().next().unwrap_or(0), &misfit.path, &misfit.what));
            }
            fitted.column
        }
    };
    let null = fitted.logical_nulls().filter(|nulls| !field.is_nullable() && nulls.null_count() > 0);
    match null {
        Some(nulls) => {
            let row = nulls.iter().position(|valid| !valid).unwrap_or(0);
            Err(wrong(row, "", "is NULL, and declared NOT NULL"))
        }
        None => Ok(fitted),
    }
}
