//! Values as JSON: JSON_STRING of any value, JSON_OBJECT and JSON_ARRAY of several, and what JSON_OBJECTAGG and JSON_ARRAYAGG
//! make of the rows that ARRAY_AGG has gathered.
//!
//! The first argument says what is done with NULL, `null` or `absent`, and for each value behind a colon whether it is JSON
//! that is taken as it is (`j`) or a value (`v`).

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::builder::StringBuilder;
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, StringArray};
use arrow_schema::DataType;
use datafusion_common::{Result, exec_err};

use super::super::generic::{Call, Coerced, Generic};
use super::super::lists::{Lists, item_of};
use highwater_core::format::json::JsonValues;

/// Every function of this family.
pub(in super::super) const FUNCTIONS: &[Generic] = &[
    Generic {
        name: "json_string",
        aliases: &["to_json"],
        usage: "JSON_STRING(value)",
        coerce: |given| (given.len() == 1).then(|| (vec![typed(&given[0])], DataType::Utf8)),
        eval: |call| {
            let (column, values) = (&call.args[0], JsonValues::new(&call.args[0]));
            written(call.rows, |row, out| {
                if column.is_null(row) {
                    return Ok(None);
                }
                values.write(row, out);
                Ok(Some(()))
            })
        },
    },
    Generic {
        name: "json",
        aliases: &[],
        usage: "JSON(text), in JSON_OBJECT or JSON_ARRAY",
        coerce: |given| match given {
            [text] if text.is_string() || text.is_null() => Some((vec![DataType::Utf8], DataType::Utf8)),
            _ => None,
        },
        eval: |call| Ok(Arc::clone(&call.args[0])),
    },
    Generic {
        name: "json_object",
        aliases: &[],
        usage: "JSON_OBJECT(KEY 'name' VALUE value, ... [NULL | ABSENT ON NULL])",
        coerce: |given| {
            let keys = given.iter().skip(1).step_by(2).all(|key| key.is_string() || key.is_null());
            (given.len() % 2 == 1 && given[0].is_string() && keys).then(|| {
                let values = given.iter().enumerate();
                let args = values.map(|(at, t)| if at == 0 || at % 2 == 1 { DataType::Utf8 } else { typed(t) });
                (args.collect(), DataType::Utf8)
            })
        },
        eval: |call| {
            let mode = Mode::of(call);
            let keys: Vec<&StringArray> = call.args[1..].iter().step_by(2).map(|key| key.as_string::<i32>()).collect();
            let values = mode.values(call.args[1..].iter().skip(1).step_by(2));
            written(call.rows, |row, out| {
                let mut object = Object::open(out);
                for (key, value) in keys.iter().zip(&values) {
                    if key.is_null(row) {
                        return exec_err!("a key of JSON_OBJECT is NULL");
                    }
                    if mode.shows(value, row) {
                        object.member(key.value(row), |out| value.write(row, out));
                    }
                }
                object.close();
                Ok(Some(()))
            })
        },
    },
    Generic {
        name: "json_array",
        aliases: &[],
        usage: "JSON_ARRAY(value, ... [NULL | ABSENT ON NULL])",
        coerce: |given| {
            given.first()?.is_string().then(|| {
                let args = std::iter::once(DataType::Utf8).chain(given[1..].iter().map(typed)).collect();
                (args, DataType::Utf8)
            })
        },
        eval: |call| {
            let mode = Mode::of(call);
            let values = mode.values(call.args[1..].iter());
            written(call.rows, |row, out| {
                items(out, values.iter().filter(|value| mode.shows(value, row)), |value, out| value.write(row, out));
                Ok(Some(()))
            })
        },
    },
    Generic {
        name: "json_arrayagg",
        aliases: &[],
        usage: "JSON_ARRAYAGG(value [ORDER BY ...] [NULL | ABSENT ON NULL])",
        coerce: |given| rows(given, 1),
        eval: |call| {
            let (mode, lists) = (Mode::of(call), Lists::of(&call.args[1]));
            let columns = lists.items().as_struct().columns();
            let values = mode.values(columns.iter());
            written(call.rows, |row, out| {
                let range = lists.get(row).unwrap_or(0..0);
                items(out, range.filter(|&item| mode.shows(&values[0], item)), |item, out| values[0].write(item, out));
                Ok(Some(()))
            })
        },
    },
    Generic {
        name: "json_objectagg",
        aliases: &[],
        usage: "JSON_OBJECTAGG(KEY name VALUE value [NULL | ABSENT ON NULL])",
        coerce: |given| rows(given, 2).filter(|(args, _)| key_is_text(&args[1])),
        eval: |call| {
            let (mode, lists) = (Mode::of(call), Lists::of(&call.args[1]));
            let columns = lists.items().as_struct().columns();
            let (keys, values) = (columns[0].as_string::<i32>(), mode.values(columns[1..].iter()));
            written(call.rows, |row, out| {
                // Of a key that is there twice the last value counts, in the first one's place.
                let mut last: HashMap<&str, usize> = HashMap::new();
                let range = lists.get(row).unwrap_or(0..0);
                for item in range.clone() {
                    if keys.is_null(item) {
                        return exec_err!("a key of JSON_OBJECTAGG is NULL");
                    }
                    last.insert(keys.value(item), item);
                }
                let mut object = Object::open(out);
                for item in range {
                    let Some(item) = last.remove(keys.value(item)) else { continue };
                    if mode.shows(&values[0], item) {
                        object.member(keys.value(item), |out| values[0].write(item, out));
                    }
                }
                object.close();
                Ok(Some(()))
            })
        },
    },
];

/// The type of a value; of a bare NULL text.
fn typed(given: &DataType) -> DataType {
    if given.is_null() { DataType::Utf8 } else { given.clone() }
}

/// What to do with NULL, and an array of rows of so many fields.
fn rows(given: &[DataType], fields: usize) -> Coerced {
    match given {
        [mode, list] if mode.is_string() => match item_of(list)? {
            DataType::Struct(known) if known.len() == fields => {
                Some((vec![DataType::Utf8, list.clone()], DataType::Utf8))
            }
            _ => None,
        },
        _ => None,
    }
}

fn key_is_text(list: &DataType) -> bool {
    matches!(item_of(list), Some(DataType::Struct(fields)) if *fields[0].data_type() == DataType::Utf8)
}

/// What the first argument says.
struct Mode {
    absent: bool,
    raw: Vec<bool>,
}

impl Mode {
    fn of(call: &Call<'_>) -> Mode {
        let mode = call.args[0].as_string::<i32>();
        let text = if mode.is_empty() { "" } else { mode.value(0) };
        let (nulls, kinds) = text.split_once(':').unwrap_or((text, ""));
        Mode { absent: nulls == "absent", raw: kinds.chars().map(|kind| kind == 'j').collect() }
    }

    fn values<'a>(&self, columns: impl Iterator<Item = &'a ArrayRef>) -> Vec<Value<'a>> {
        let raw = |at: usize| self.raw.get(at).copied().unwrap_or(false);
        let value = |(at, column): (usize, &'a ArrayRef)| match column.as_string_opt::<i32>().filter(|_| raw(at)) {
            Some(text) => Value { column, how: How::Raw(text) },
            None => Value { column, how: How::Made(JsonValues::new(column)) },
        };
        columns.enumerate().map(value).collect()
    }

    fn shows(&self, value: &Value<'_>, row: usize) -> bool {
        !self.absent || value.column.is_valid(row)
    }
}

/// A column of values.
struct Value<'a> {
    column: &'a ArrayRef,
    how: How<'a>,
}

enum How<'a> {
    Raw(&'a StringArray),
    Made(JsonValues<'a>),
}

impl Value<'_> {
    fn write(&self, row: usize, out: &mut Vec<u8>) {
        match &self.how {
            How::Raw(text) if text.is_valid(row) => out.extend_from_slice(text.value(row).as_bytes()),
            How::Raw(_) => out.extend_from_slice(b"null"),
            How::Made(values) => values.write(row, out),
        }
    }
}

/// An object being written.
struct Object<'a> {
    out: &'a mut Vec<u8>,
    first: bool,
}

impl<'a> Object<'a> {
    fn open(out: &'a mut Vec<u8>) -> Object<'a> {
        out.push(b'{');
        Object { out, first: true }
    }

    fn member(&mut self, key: &str, write: impl FnOnce(&mut Vec<u8>)) {
        if !std::mem::take(&mut self.first) {
            self.out.push(b',');
        }
        self.out.extend_from_slice(serde_json::Value::from(key).to_string().as_bytes());
        self.out.push(b':');
        write(self.out);
    }

    fn close(self) {
        self.out.push(b'}');
    }
}

fn items<T>(out: &mut Vec<u8>, items: impl Iterator<Item = T>, write: impl Fn(T, &mut Vec<u8>)) {
    out.push(b'[');
    for (at, item) in items.enumerate() {
        if at > 0 {
            out.push(b',');
        }
        write(item, out);
    }
    out.push(b']');
}

/// A text column: `write` appends a row's, or answers `None` for NULL.
fn written(rows: usize, mut write: impl FnMut(usize, &mut Vec<u8>) -> Result<Option<()>>) -> Result<ArrayRef> {
    let (mut builder, mut out) = (StringBuilder::with_capacity(rows, rows * 32), Vec::new());
    for row in 0..rows {
        out.clear();
        match write(row, &mut out)? {
            Some(()) => builder.append_value(String::from_utf8_lossy(&out)),
            None => builder.append_null(),
        }
    }
    Ok(Arc::new(builder.finish()))
}
