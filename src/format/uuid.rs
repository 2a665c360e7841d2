//! UUIDs of files of columns: 16 bytes that their schema calls so, and their usual text.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{ArrayRef, StringArray};
use arrow_schema::{DataType, Field, Schema, SchemaRef};

/// How Arrow says what the values of a column are besides their type.
const EXTENSION: &str = "ARROW:extension:name";
const UUID: &str = "arrow.uuid";

/// Whether the values of a column are UUIDs.
pub(super) fn is_uuid(field: &Field) -> bool {
    *field.data_type() == DataType::FixedSizeBinary(16)
        && field.metadata().get(EXTENSION).is_some_and(|name| name == UUID)
}

/// A schema that says so of the columns of these names.
pub(super) fn with_uuids(schema: &SchemaRef, names: &[String]) -> SchemaRef {
    if names.is_empty() {
        return schema.clone();
    }
    let fields = schema.fields().iter().map(|field| {
        if !names.contains(field.name()) {
            return field.clone();
        }
        let mut metadata = field.metadata().clone();
        metadata.insert(EXTENSION.to_owned(), UUID.to_owned());
        Arc::new(field.as_ref().clone().with_metadata(metadata))
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// UUIDs as text: `0123abcd-0123-4567-89ab-0123456789ab`.
pub(super) fn texts(column: &ArrayRef) -> ArrayRef {
    let Some(uuids) = column.as_fixed_size_binary_opt() else { return column.clone() };
    let text = |bytes: &[u8]| {
        let mut text = String::with_capacity(36);
        for (at, byte) in bytes.iter().enumerate() {
            if matches!(at, 4 | 6 | 8 | 10) {
                text.push('-');
            }
            for digit in [byte >> 4, byte & 15] {
                text.extend(char::from_digit(u32::from(digit), 16));
            }
        }
        text
    };
    Arc::new(uuids.iter().map(|uuid| uuid.map(text)).collect::<StringArray>())
}
