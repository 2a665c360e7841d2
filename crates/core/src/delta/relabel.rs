//! Columns of a batch under other names.

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_schema::{Schema, SchemaRef};

/// The columns at `columns` under the names of `schema`, whose types are theirs.
pub(crate) fn relabel(batch: &RecordBatch, columns: &[usize], schema: &SchemaRef) -> RecordBatch {
    let chosen: Vec<ArrayRef> = columns.iter().map(|&column| batch.column(column).clone()).collect();
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    let named = |schema: &SchemaRef, chosen| RecordBatch::try_new_with_options(schema.clone(), chosen, &options);
    // A plan may promise that a column has no NULL and be wrong: the rows are still shown.
    let nullable = || -> SchemaRef {
        let fields = schema.fields().iter().map(|field| field.as_ref().clone().with_nullable(true));
        Arc::new(Schema::new(fields.collect::<Vec<_>>()))
    };
    match named(schema, Vec::clone(&chosen)).or_else(|_| named(&nullable(), chosen)) {
        Ok(batch) => batch,
        Err(error) => unreachable!("the chosen columns have the types of the schema: {error}"),
    }
}
