//! UUIDs of files of columns, also within rows, arrays and maps: 16 bytes that their schema calls so, and their usual text.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, ListArray, MapArray, StringArray, StructArray};
use arrow_schema::{DataType, Field, FieldRef, Fields, Schema, SchemaRef};

use super::cells::pair;

/// How Arrow says what the values of a column are besides their type.
pub(super) const EXTENSION: &str = "ARROW:extension:name";
pub(super) const UUID: &str = "arrow.uuid";

/// Whether the values of a column are UUIDs.
pub(super) fn is_uuid(field: &Field) -> bool {
    *field.data_type() == DataType::FixedSizeBinary(16)
        && field.metadata().get(EXTENSION).is_some_and(|name| name == UUID)
}

/// A schema that says of the columns, and of those within them, what `names` does: one for each that has nothing in it, from the left.
#[cfg_attr(not(feature = "parquet"), allow(dead_code))]
pub(super) fn marked(schema: &SchemaRef, names: &[Option<&'static str>]) -> SchemaRef {
    if names.iter().all(Option::is_none) {
        return schema.clone();
    }
    let mut names = names.iter().copied();
    Arc::new(Schema::new(schema.fields().iter().map(|field| mark(field, &mut names)).collect::<Fields>()))
}

#[cfg_attr(not(feature = "parquet"), allow(dead_code))]
fn mark(field: &FieldRef, names: &mut dyn Iterator<Item = Option<&'static str>>) -> FieldRef {
    let mut own = field.as_ref().clone();
    let inner = match field.data_type() {
        DataType::List(item) => DataType::List(mark(item, names)),
        DataType::LargeList(item) => DataType::LargeList(mark(item, names)),
        DataType::FixedSizeList(item, length) => DataType::FixedSizeList(mark(item, names), *length),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(|field| mark(field, names)).collect()),
        DataType::Map(entries, sorted) => DataType::Map(mark(entries, names), *sorted),
        other => {
            if let Some(name) = names.next().flatten() {
                own.metadata_mut().insert(EXTENSION.to_owned(), name.to_owned());
            }
            other.clone()
        }
    };
    Arc::new(own.with_data_type(inner))
}

/// The fields of a schema as another one has them, by their names.
#[cfg_attr(not(feature = "parquet"), allow(dead_code))]
pub(super) fn named_in(schema: &SchemaRef, known: &SchemaRef) -> SchemaRef {
    let known = |field: &FieldRef| {
        known.field_with_name(field.name()).map_or_else(|_| field.clone(), |known| known.clone().into())
    };
    Arc::new(Schema::new(schema.fields().iter().map(known).collect::<Fields>()))
}

/// Whether there are UUIDs in a column that are wanted as text.
pub(super) fn wants_text(found: &Field, wanted: &DataType) -> bool {
    match (found.data_type(), wanted) {
        (_, DataType::Utf8) => is_uuid(found),
        (DataType::List(found), DataType::List(wanted)) => wants_text(found, wanted.data_type()),
        (DataType::Struct(fields), DataType::Struct(wanted)) => {
            fields.iter().any(|found| member(wanted, found).is_some_and(|wanted| wants_text(found, wanted.data_type())))
        }
        (DataType::Map(found, _), DataType::Map(wanted, _)) => match (pair(found), pair(wanted)) {
            (Some((key, value)), Some((to_key, to_value))) => {
                wants_text(key, to_key.data_type()) || wants_text(value, to_value.data_type())
            }
            _ => false,
        },
        _ => false,
    }
}

fn member<'a>(wanted: &'a Fields, found: &Field) -> Option<&'a FieldRef> {
    wanted.iter().find(|wanted| wanted.name() == found.name())
}

/// A column with UUIDs as text where that is wanted, at the top or within it.
pub(super) fn texts(column: &ArrayRef, found: &Field, wanted: &DataType) -> ArrayRef {
    if !wants_text(found, wanted) {
        return column.clone();
    }
    let made: Option<ArrayRef> = match (found.data_type(), wanted, column.data_type()) {
        (_, DataType::Utf8, _) => text(column),
        (DataType::List(found), DataType::List(wanted), DataType::List(own)) => {
            let list = column.as_list::<i32>();
            let items = texts(list.values(), found, wanted.data_type());
            let made = ListArray::try_new(typed(own, &items), list.offsets().clone(), items, list.nulls().cloned());
            made.ok().map(|made| Arc::new(made) as ArrayRef)
        }
        (DataType::Struct(fields), DataType::Struct(wanted), DataType::Struct(own)) => {
            let row = column.as_struct();
            let columns = row.columns().iter().zip(fields).map(|(column, found)| match member(wanted, found) {
                Some(wanted) => texts(column, found, wanted.data_type()),
                None => column.clone(),
            });
            let columns: Vec<ArrayRef> = columns.collect();
            let fields = own.iter().zip(&columns).map(|(own, column)| typed(own, column)).collect();
            let made = StructArray::try_new_with_length(fields, columns, row.nulls().cloned(), row.len());
            made.ok().map(|made| Arc::new(made) as ArrayRef)
        }
        (DataType::Map(found, _), DataType::Map(wanted, _), DataType::Map(own, sorted)) => {
            let map = column.as_map();
            pair(found).zip(pair(wanted)).zip(pair(own)).and_then(|((found, wanted), own)| {
                let keys = texts(map.keys(), found.0, wanted.0.data_type());
                let values = texts(map.values(), found.1, wanted.1.data_type());
                let fields: Fields = vec![typed(own.0, &keys), typed(own.1, &values)].into();
                let pairs = StructArray::try_new(fields, vec![keys, values], None).ok()?;
                let entries = Field::new("entries", pairs.data_type().clone(), false);
                let (offsets, nulls) = (map.offsets().clone(), map.nulls().cloned());
                let made = MapArray::try_new(Arc::new(entries), offsets, pairs, nulls, *sorted).ok()?;
                Some(Arc::new(made) as ArrayRef)
            })
        }
        _ => None,
    };
    made.unwrap_or_else(|| column.clone())
}

pub(super) fn typed(field: &FieldRef, column: &ArrayRef) -> FieldRef {
    Arc::new(field.as_ref().clone().with_data_type(column.data_type().clone()))
}

/// UUIDs as text: `0123abcd-0123-4567-89ab-0123456789ab`.
fn text(column: &ArrayRef) -> Option<ArrayRef> {
    let uuids = column.as_fixed_size_binary_opt()?;
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
    Some(Arc::new(uuids.iter().map(|uuid| uuid.map(text)).collect::<StringArray>()))
}
