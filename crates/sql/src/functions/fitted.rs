//! `VARCHAR(n)` and `CHAR(n)` within the ARRAY, MAP or ROW that a cast names: the texts in it are cut or filled up as they are outside.

use std::sync::Arc;

use arrow_array::builder::StringBuilder;
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, ListArray, MapArray, StructArray};
use arrow_schema::DataType;
use datafusion_common::{Result, exec_err};

use super::as_text::first;
use super::generic::Generic;
use super::maps::last_of_each;
use crate::parse::column_type::{Length, lengths};
use highwater_core::expression::{MAX_TEXT, too_long};

/// The function around a cast to such a type: of the nested value, and of the type as it is written.
pub(super) const FITTED: &str = "__fitted";

/// Every function of this family.
pub(super) const FUNCTIONS: &[Generic] = &[Generic {
    name: FITTED,
    aliases: &[],
    usage: "CAST(x AS ARRAY<VARCHAR(3)>)",
    coerce: |given| match given {
        [nested, named] if named.is_string() => Some((vec![nested.clone(), DataType::Utf8], nested.clone())),
        _ => None,
    },
    eval: |call| {
        if call.rows == 0 {
            return Ok(Arc::clone(&call.args[0]));
        }
        let named = call.args[1].as_string::<i32>().value(0);
        match lengths(named) {
            Some(lengths) => fitted(&call.args[0], &mut lengths.into_iter()),
            None => exec_err!("'{named}' is no nested type"),
        }
    },
}];

/// The values with every text in them as long as it is to be.
fn fitted(values: &ArrayRef, lengths: &mut dyn Iterator<Item = Option<Length>>) -> Result<ArrayRef> {
    Ok(match values.data_type() {
        DataType::List(item) => {
            let list = values.as_list::<i32>();
            let items = fitted(list.values(), lengths)?;
            Arc::new(ListArray::try_new(Arc::clone(item), list.offsets().clone(), items, list.nulls().cloned())?)
        }
        DataType::Map(entries, sorted) => {
            let map = values.as_map();
            let (keys, items) = (fitted(map.keys(), lengths)?, fitted(map.values(), lengths)?);
            let pairs = StructArray::try_new(map.entries().fields().clone(), vec![keys, items], None)?;
            let (offsets, nulls) = (map.offsets().clone(), map.nulls().cloned());
            last_of_each(&MapArray::try_new(Arc::clone(entries), offsets, pairs, nulls, *sorted)?)?
        }
        DataType::Struct(fields) => {
            let row = values.as_struct();
            let columns = row.columns().iter().map(|column| fitted(column, lengths)).collect::<Result<Vec<_>>>()?;
            Arc::new(StructArray::try_new_with_length(fields.clone(), columns, row.nulls().cloned(), row.len())?)
        }
        DataType::Utf8 => match lengths.next().flatten() {
            Some(length) => texts(values, length)?,
            None => Arc::clone(values),
        },
        _ => {
            lengths.next();
            Arc::clone(values)
        }
    })
}

fn texts(values: &ArrayRef, Length { characters, fills }: Length) -> Result<ArrayRef> {
    let values = values.as_string::<i32>();
    if fills && characters > MAX_TEXT as i64 && values.null_count() < values.len() {
        return too_long(characters as usize);
    }
    let mut made = StringBuilder::with_capacity(values.len(), values.value_data().len());
    let mut filled = String::new();
    for value in values {
        let cut = value.map(|value| first(value, characters));
        match cut {
            Some((text, missing)) if fills && missing > 0 => {
                filled.clear();
                filled.push_str(text);
                filled.extend(std::iter::repeat_n(' ', missing));
                made.append_value(&filled);
            }
            cut => made.append_option(cut.map(|(text, _)| text)),
        }
    }
    Ok(Arc::new(made.finish()))
}
