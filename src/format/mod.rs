//! Formats: bytes to rows and back, one file each. Decoding gives rows and rejects, never a failure.

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::SchemaRef;

/// One row as a JSON object, for messages and dead letters: NULLs are left out, times are RFC 3339. Slow.
pub fn row_as_json(schema: &SchemaRef, columns: &[ArrayRef], row: usize) -> String {
    let columns = columns.iter().map(|column| column.slice(row, 1)).collect::<Vec<_>>();
    let options = arrow_array::RecordBatchOptions::new().with_row_count(Some(1));
    let nullable = schema.fields().iter().map(|field| Arc::new(field.as_ref().clone().with_nullable(true)));
    let schema = Arc::new(arrow_schema::Schema::new(nullable.collect::<Vec<_>>()));
    let write = || -> Result<String, arrow_schema::ArrowError> {
        let batch = RecordBatch::try_new_with_options(schema, columns, &options)?;
        let builder = arrow_json::WriterBuilder::new().with_timestamp_format("%Y-%m-%dT%H:%M:%S%.3fZ".to_owned());
        let mut writer = builder.build::<_, arrow_json::writer::LineDelimited>(Vec::new());
        writer.write(&batch)?;
        writer.finish()?;
        Ok(String::from_utf8_lossy(&writer.into_inner()).trim_end().to_owned())
    };
    write().unwrap_or_else(|error| format!("(not shown: {error})"))
}
