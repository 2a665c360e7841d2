//! Columns as the API shows them: name, SQL type, whether NULL may stand there.

use arrow_schema::{Field, SchemaRef};
use serde::Serialize;

use highwater_core::plan::sql_type;

/// One column.
#[derive(Serialize, Debug)]
pub(super) struct Column {
    name: String,
    r#type: String,
    nullable: bool,
}

/// The columns of a schema.
pub(super) fn columns(schema: &SchemaRef) -> Vec<Column> {
    let column = |field: &Field| Column {
        name: field.name().clone(),
        r#type: sql_type(field.data_type()),
        nullable: field.is_nullable(),
    };
    schema.fields().iter().map(|field| column(field)).collect()
}
