//! Columns of instants whose type does not say so: in a session in UTC an instant is a time like any other, and what has types, Parquet and
//! Arrow, is to say which it is. Otherwise a reader in another zone would take it for what its own clocks show.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMillisecondType;
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef, TimeUnit};

/// How a field is marked.
const MARK: &str = "highwater.instant";
const UTC: &str = "+00:00";

/// The field of a column of instants.
pub fn as_instant(field: Field) -> Field {
    let mut metadata = field.metadata().clone();
    metadata.insert(MARK.to_owned(), String::new());
    field.with_metadata(metadata)
}

/// Whether a field is marked so, and of the type of times.
pub fn is_instant(field: &Field) -> bool {
    field.metadata().contains_key(MARK) && *field.data_type() == DataType::Timestamp(TimeUnit::Millisecond, None)
}

/// The columns by types that say so.
pub(super) fn told(schema: &SchemaRef) -> SchemaRef {
    if !schema.fields().iter().any(|field| is_instant(field)) {
        return SchemaRef::clone(schema);
    }
    let field = |field: &Arc<Field>| match is_instant(field) {
        true => {
            let kind = DataType::Timestamp(TimeUnit::Millisecond, Some(UTC.into()));
            Arc::new(Field::new(field.name(), kind, field.is_nullable()))
        }
        false => Arc::clone(field),
    };
    Arc::new(Schema::new(schema.fields().iter().map(field).collect::<Vec<_>>()))
}

/// The rows by these types.
pub(super) fn as_told(batch: &RecordBatch, told: &SchemaRef) -> Result<RecordBatch, ArrowError> {
    let column = |(column, field): (&ArrayRef, &Arc<Field>)| -> ArrayRef {
        match (column.data_type(), field.data_type()) {
            (DataType::Timestamp(TimeUnit::Millisecond, None), DataType::Timestamp(_, Some(zone))) => {
                Arc::new(column.as_primitive::<TimestampMillisecondType>().clone().with_timezone(Arc::clone(zone)))
            }
            _ => Arc::clone(column),
        }
    };
    let columns = batch.columns().iter().zip(told.fields()).map(column).collect();
    RecordBatch::try_new(SchemaRef::clone(told), columns)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use arrow_array::{Array, TimestampMillisecondArray};

    use super::*;

    #[test]
    fn only_what_is_marked_is_an_instant() {
        let time = || Field::new("t", DataType::Timestamp(TimeUnit::Millisecond, None), true);
        let schema: SchemaRef =
            Arc::new(Schema::new(vec![as_instant(time()), time(), as_instant(Field::new("n", DataType::Utf8, true))]));
        let told = told(&schema);
        let types: Vec<String> = told.fields().iter().map(|field| field.data_type().to_string()).collect();
        assert_eq!(types, ["Timestamp(ms, \"+00:00\")", "Timestamp(ms)", "Utf8"]);
        let times: ArrayRef = Arc::new(TimestampMillisecondArray::from(vec![Some(5), None]));
        let texts: ArrayRef = Arc::new(arrow_array::StringArray::from(vec![Some("a"), None]));
        let batch = RecordBatch::try_new(schema, vec![Arc::clone(&times), times, texts]).unwrap();
        let batch = as_told(&batch, &told).unwrap();
        let instants = batch.column(0).as_primitive::<TimestampMillisecondType>();
        assert_eq!((instants.timezone(), instants.value(0), instants.null_count()), (Some(UTC), 5, 1));
        assert_eq!(batch.column(1).as_primitive::<TimestampMillisecondType>().timezone(), None);
    }
}
