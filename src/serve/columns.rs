//! Columns as the API shows them: name, SQL type, whether NULL may stand there.

use arrow_schema::{DataType, Field, SchemaRef, TimeUnit};
use serde::Serialize;

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

/// A type as SQL writes it; one that SQL has no word for keeps Arrow's.
fn sql_type(data_type: &DataType) -> String {
    match data_type {
        DataType::Boolean => "BOOLEAN".to_owned(),
        DataType::Int8 => "TINYINT".to_owned(),
        DataType::Int16 => "SMALLINT".to_owned(),
        DataType::Int32 => "INT".to_owned(),
        DataType::Int64 => "BIGINT".to_owned(),
        DataType::Float32 => "FLOAT".to_owned(),
        DataType::Float64 => "DOUBLE".to_owned(),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "VARCHAR".to_owned(),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => "VARBINARY".to_owned(),
        DataType::Date32 | DataType::Date64 => "DATE".to_owned(),
        DataType::Time32(_) | DataType::Time64(_) => "TIME".to_owned(),
        DataType::Decimal32(p, s)
        | DataType::Decimal64(p, s)
        | DataType::Decimal128(p, s)
        | DataType::Decimal256(p, s) => format!("DECIMAL({p}, {s})"),
        DataType::Timestamp(unit, zone) => {
            let digits = match unit {
                TimeUnit::Second => 0,
                TimeUnit::Millisecond => 3,
                TimeUnit::Microsecond => 6,
                TimeUnit::Nanosecond => 9,
            };
            format!("TIMESTAMP{}({digits})", if zone.is_some() { "_LTZ" } else { "" })
        }
        DataType::Interval(_) | DataType::Duration(_) => "INTERVAL".to_owned(),
        DataType::List(item) | DataType::LargeList(item) => format!("ARRAY<{}>", sql_type(item.data_type())),
        DataType::Struct(fields) => {
            let field = |field: &Field| format!("{} {}", field.name(), sql_type(field.data_type()));
            format!("ROW<{}>", fields.iter().map(|f| field(f)).collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}
