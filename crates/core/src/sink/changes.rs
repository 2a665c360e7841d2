//! The rows that a sink writes for the changes of an epoch.
//!
//! Invariant: a change of diff `n` is `|n|` rows. If rows may be taken back, `_op` (`insert` or `retract`) and `_epoch`
//! (equal within an epoch, sorting as epochs do) come first; else the rows are just the columns.

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions, StringArray, UInt32Array};
use arrow_schema::{DataType, Field, Schema, SchemaRef};

use super::{SinkError, SinkSpec};
use crate::delta::Delta;
use crate::options::OptionSpec;
use crate::time::Epoch;

/// The columns that come first if rows may be taken back.
const OWN: [&str; 2] = ["_op", "_epoch"];

/// The options that every sink understands besides its own.
const SINK_OPTIONS: &[OptionSpec] = &[
    OptionSpec { name: "connector", help: "where rows go" },
    OptionSpec { name: "format", help: "how rows are written: json, csv, msgpack, arrow, parquet" },
];

/// Refuses options that neither sinks nor any of `specs` know, and columns that clash with those that are written beside a sink's own.
///
/// # Errors
/// The first such option or column.
pub fn check(spec: &SinkSpec, specs: &[&[OptionSpec]]) -> Result<(), SinkError> {
    let known: Vec<&[OptionSpec]> = std::iter::once(SINK_OPTIONS).chain(specs.iter().copied()).collect();
    spec.options.check(&format!("sink '{}' ({})", spec.name, spec.connector.name()), &known)?;
    let clash = |field: &&Arc<Field>| OWN.contains(&field.name().as_str());
    match spec.schema.fields().iter().find(clash) {
        Some(field) if spec.retracting => Err(SinkError::Schema {
            sink: spec.name.clone(),
            what: format!("column '{}' has the name of a column that the sink adds", field.name()),
            remedy: "give it another name with AS".to_owned(),
        }),
        _ => Ok(()),
    }
}

/// The columns that are written: `_op` and `_epoch` first, where rows may be taken back.
pub fn schema(spec: &SinkSpec) -> SchemaRef {
    if !spec.retracting {
        return spec.schema.clone();
    }
    let own = OWN.iter().map(|name| Arc::new(Field::new(*name, DataType::Utf8, false)));
    Arc::new(Schema::new(own.chain(spec.schema.fields().iter().cloned()).collect::<Vec<_>>()))
}

/// The rows that are written for the changes of an epoch, in `schema`: a row as often as it came.
///
/// # Errors
/// A row is taken back, and the sink was planned for rows that stay.
pub fn rows(spec: &SinkSpec, schema: &SchemaRef, epoch: Epoch, changes: &Delta) -> Result<RecordBatch, SinkError> {
    let repeated = changes.diffs().is_some_and(|diffs| diffs.iter().any(|diff| diff.unsigned_abs() != 1));
    let taken;
    let changes = if repeated {
        let times = |row: u32| {
            std::iter::repeat_n(row, usize::try_from(changes.diff(row as usize).unsigned_abs()).unwrap_or(0))
        };
        taken = changes.take(&UInt32Array::from_iter_values((0..changes.len() as u32).flat_map(times)));
        &taken
    } else {
        changes
    };
    let rows = changes.len();
    let mut columns: Vec<ArrayRef> = Vec::with_capacity(schema.fields().len());
    if spec.retracting {
        let op = |row| if changes.diff(row) > 0 { "insert" } else { "retract" };
        columns.push(Arc::new(StringArray::from_iter_values((0..rows).map(op))));
        let epoch = epoch.to_string();
        columns.push(Arc::new(StringArray::from_iter_values(std::iter::repeat_n(&epoch, rows))));
    } else if changes.diffs().is_some_and(|diffs| diffs.iter().any(|diff| *diff < 0)) {
        return Err(SinkError::Schema {
            sink: spec.name.clone(),
            what: "a row was taken back from a sink that was planned for rows that stay".to_owned(),
            remedy: "this is a fault of the engine: please report the query".to_owned(),
        });
    }
    columns.extend_from_slice(changes.batch().columns());
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(schema.clone(), columns, &options).map_err(|error| SinkError::Schema {
        sink: spec.name.clone(),
        what: format!("the rows are not of the planned columns: {error}"),
        remedy: "this is a fault of the engine: please report the query".to_owned(),
    })
}
