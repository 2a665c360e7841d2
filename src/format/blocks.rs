//! Batches of a file's own schema as batches of the wanted one: columns by name, cast to the declared types.
//!
//! A value that does not fit its declared type makes its row a fault; the other rows of the batch live. A block that cannot
//! be read at all is one fault; what comes behind it is read, if it can be found.

use std::cell::Cell;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, BooleanArray, RecordBatch};
use arrow_cast::{CastOptions, can_cast_types, cast_with_options};
use arrow_schema::{DataType, SchemaRef, TimeUnit};

use super::{Fault, Layout, Part, batch, expansion, row_as_json};

/// What is handed on of a block that cannot be read: a fault, in the place of `records` rows.
pub(super) fn lost(layout: &Layout, records: u64, detail: String) -> Part {
    without_rows(&layout.wanted, records, detail)
}

fn without_rows(wanted: &SchemaRef, records: u64, detail: String) -> Part {
    let fault = Fault { record: 0, reason: "malformed", detail, content: String::new() };
    Part { batch: RecordBatch::new_empty(wanted.clone()), numbers: None, records, faults: vec![fault] }
}

/// The next batch of a reader that others wrote: on damaged bytes it may fail, or even panic.
pub(super) fn next_batch<E: std::fmt::Display>(
    reader: &mut impl Iterator<Item = Result<RecordBatch, E>>,
) -> Option<Result<RecordBatch, String>> {
    match guarded(|| Ok(reader.next())) {
        Ok(next) => next.map(|batch| batch.map_err(|error| error.to_string())),
        Err(what) => Some(Err(what)),
    }
}

thread_local! {
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// What others' code reads from damaged bytes, or why it cannot.
pub fn guarded<T>(read: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    let before = GUARDED.replace(true);
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(read));
    GUARDED.set(before);
    caught.unwrap_or_else(|_| Err("its bytes make no sense".to_owned()))
}

/// Whether a panic of this thread is one that [`guarded`] makes a dead letter of: then it need not be told besides.
pub fn is_guarded() -> bool {
    GUARDED.get()
}

/// How the columns of one file become those wanted.
pub(super) struct Adapter {
    wanted: SchemaRef,
    columns: Vec<usize>,
}

impl Adapter {
    /// Finds every wanted column in a file's schema.
    pub(super) fn new(layout: &Layout, found: &SchemaRef) -> Result<Adapter, String> {
        let names = || found.fields().iter().map(|field| field.name().as_str()).collect::<Vec<_>>().join(", ");
        let find = |field: &arrow_schema::FieldRef| {
            let column = found
                .index_of(field.name())
                .map_err(|_| format!("it has no column '{}'; it has {}", field.name(), names()))?;
            let (from, to) = (found.field(column).data_type(), field.data_type());
            if !can_cast_types(from, to) {
                return Err(format!("column '{}' is {from} there and declared {to}: declare it so", field.name()));
            }
            Ok(column)
        };
        Ok(Adapter {
            wanted: layout.wanted.clone(),
            columns: layout.wanted.fields().iter().map(find).collect::<Result<_, _>>()?,
        })
    }

    /// The rows of a batch.
    pub(super) fn part(&mut self, found: &RecordBatch) -> Result<Part, String> {
        let rows = found.num_rows();
        if let Err(detail) = expansion::check(found, &self.columns) {
            return Ok(without_rows(&self.wanted, 1, detail));
        }
        let mut bad: Option<Vec<Option<String>>> = None;
        let mut columns = Vec::with_capacity(self.columns.len());
        for (&column, field) in self.columns.iter().zip(self.wanted.fields()) {
            let from = found.column(column);
            let to = cast(from, field.data_type())?;
            let refused = |row: usize| {
                (to.is_null(row) && from.is_valid(row)).then(|| format!("does not fit {}", field.data_type())).or_else(
                    || (!field.is_nullable() && to.is_null(row)).then(|| "is NULL, and declared NOT NULL".to_owned()),
                )
            };
            if to.null_count() > from.null_count() || (!field.is_nullable() && to.null_count() > 0) {
                let bad = bad.get_or_insert_with(|| vec![None; rows]);
                for (row, bad) in bad.iter_mut().enumerate() {
                    let what = || refused(row).map(|what| format!("column '{}' {what}", field.name()));
                    *bad = bad.take().or_else(what);
                }
            }
            columns.push(to);
        }
        let Some(bad) = bad else {
            let batch = batch(&self.wanted, columns, rows).map_err(|error| error.to_string())?;
            return Ok(Part { batch, numbers: None, records: rows as u64, faults: Vec::new() });
        };
        let keep: BooleanArray = bad.iter().map(|bad| Some(bad.is_none())).collect();
        let filter = |column: &ArrayRef| arrow_select::filter::filter(column, &keep).map_err(|error| error.to_string());
        let columns = columns.iter().map(filter).collect::<Result<Vec<_>, _>>()?;
        let numbers: Vec<u64> = (0..rows as u64).filter(|&row| bad[row as usize].is_none()).collect();
        let content = |row: usize| row_as_json(found.schema_ref(), found.columns(), row);
        let fault = |(row, bad): (usize, Option<String>)| {
            let detail = bad?;
            let content = crate::delta::Reject::clip(&content(row));
            Some(Fault { record: row as u64, reason: "malformed", detail, content })
        };
        let faults = bad.into_iter().enumerate().filter_map(fault).collect();
        let batch = batch(&self.wanted, columns, numbers.len()).map_err(|error| error.to_string())?;
        Ok(Part { batch, numbers: Some(numbers), records: rows as u64, faults })
    }
}

/// Casts; what does not fit becomes NULL. Times round down, as everywhere.
fn cast(column: &ArrayRef, to: &DataType) -> Result<ArrayRef, String> {
    if column.data_type() == to {
        return Ok(column.clone());
    }
    let to_ms = matches!(to, DataType::Timestamp(TimeUnit::Millisecond, _));
    let finer = match column.data_type() {
        DataType::Timestamp(TimeUnit::Microsecond, _) if to_ms => 1000,
        DataType::Timestamp(TimeUnit::Nanosecond, _) if to_ms => 1_000_000,
        _ => 0,
    };
    let options = CastOptions { safe: true, ..CastOptions::default() };
    let cast =
        |column: &ArrayRef, to: &DataType| cast_with_options(column, to, &options).map_err(|error| error.to_string());
    if finer == 0 {
        return cast(column, to);
    }
    use arrow_array::cast::AsArray;
    use arrow_array::types::{Int64Type, TimestampMillisecondType};
    let integers = cast(column, &DataType::Int64)?;
    let ms = integers.as_primitive::<Int64Type>().unary::<_, TimestampMillisecondType>(|value| value.div_euclid(finer));
    Ok(Arc::new(ms.with_data_type(to.clone())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_within_is_an_error_and_guarded_no_longer_than_it() {
        let read = guarded(|| -> Result<(), String> {
            assert!(is_guarded());
            let nested = guarded(|| Ok::<_, String>(7));
            assert!(nested == Ok(7) && is_guarded());
            std::panic::resume_unwind(Box::new("others' code"))
        });
        assert_eq!(read, Err("its bytes make no sense".to_owned()));
        assert!(!is_guarded());
    }
}
