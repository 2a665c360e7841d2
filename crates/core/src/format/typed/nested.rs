//! Sequences and objects into columns of them.

use serde::Serialize;
use serde::ser::{SerializeMap, SerializeSeq, SerializeStruct, SerializeTuple, SerializeTupleStruct};

use super::super::cells::{Cells, Values, pair};
use super::Wrong;
use super::write::{Cell, Row};

/// A sequence: an ARRAY, or BYTES byte by byte.
pub(super) struct List<'a>(pub(super) Cell<'a>);

impl List<'_> {
    fn element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Wrong> {
        match &mut self.0.cells.values {
            Values::List { item, cells, .. } => value.serialize(Cell { cells, field: item }),
            Values::Bytes { bytes, .. } => match serde_json::to_value(value).ok().and_then(|byte| byte.as_u64()) {
                Some(byte @ 0..=255) => {
                    bytes.push(byte as u8);
                    Ok(())
                }
                _ => Err(Wrong::new("expected BYTES, found a sequence of other values than bytes")),
            },
            _ => Err(Wrong::new("a sequence is no value of it")),
        }
    }

    fn over(self) -> Result<(), Wrong> {
        match &mut self.0.cells.values {
            Values::List { cells, offsets, .. } => offsets.push(offset(cells.len())?),
            Values::Bytes { bytes, offsets } => offsets.push(offset(bytes.len())?),
            _ => {}
        }
        self.0.cells.pushed();
        Ok(())
    }
}

fn offset(length: usize) -> Result<i32, Wrong> {
    i32::try_from(length).map_err(|_| Wrong::new("the values of one push are over 2 GiB: push fewer rows at a time"))
}

/// An object: a ROW by the names of its members, or a MAP.
pub(super) struct Object<'a> {
    pub(super) cells: &'a mut Cells,
    /// Of a ROW, the member that comes next most likely, and those that have come.
    pub(super) next: usize,
    pub(super) key: Option<String>,
}

impl Object<'_> {
    fn member<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> Result<(), Wrong> {
        let rows = self.cells.len();
        match &mut self.cells.values {
            Values::Row { fields, cells } => {
                let mut row = Row { fields, cells, rows, next: self.next, key: None };
                row.field(name, value)?;
                self.next = row.next;
                Ok(())
            }
            Values::Map { entries, keys, cells, .. } => {
                let Some((key_field, value_field)) = pair(entries) else { return Err(Wrong::new("it is no map")) };
                name.serialize(Cell { cells: keys, field: key_field }).map_err(|wrong| wrong.within(name))?;
                value.serialize(Cell { cells, field: value_field }).map_err(|wrong| wrong.within(name))
            }
            _ => Err(Wrong::new("an object is no value of it")),
        }
    }

    fn over(self) -> Result<(), Wrong> {
        let rows = self.cells.len();
        match &mut self.cells.values {
            Values::Row { fields, cells } => Row { fields, cells, rows, next: 0, key: None }.rest()?,
            Values::Map { cells, offsets, .. } => offsets.push(offset(cells.len())?),
            _ => {}
        }
        self.cells.pushed();
        Ok(())
    }
}

impl SerializeMap for Object<'_> {
    type Ok = ();
    type Error = Wrong;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Wrong> {
        // What JSON takes for a key is one here.
        self.key = Some(match serde_json::to_value(key) {
            Ok(serde_json::Value::String(key)) => key,
            Ok(key @ (serde_json::Value::Number(_) | serde_json::Value::Bool(_))) => key.to_string(),
            _ => return Err(Wrong::new("a key is text, a number, true or false")),
        });
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Wrong> {
        let key = self.key.take().unwrap_or_default();
        self.member(&key, value)
    }

    fn end(self) -> Result<(), Wrong> {
        self.over()
    }
}

impl SerializeStruct for Object<'_> {
    type Ok = ();
    type Error = Wrong;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), Wrong> {
        self.member(name, value)
    }

    fn end(self) -> Result<(), Wrong> {
        self.over()
    }
}

impl SerializeSeq for List<'_> {
    type Ok = ();
    type Error = Wrong;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Wrong> {
        self.element(value)
    }

    fn end(self) -> Result<(), Wrong> {
        self.over()
    }
}

impl SerializeTuple for List<'_> {
    type Ok = ();
    type Error = Wrong;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Wrong> {
        self.element(value)
    }

    fn end(self) -> Result<(), Wrong> {
        self.over()
    }
}

impl SerializeTupleStruct for List<'_> {
    type Ok = ();
    type Error = Wrong;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Wrong> {
        self.element(value)
    }

    fn end(self) -> Result<(), Wrong> {
        self.over()
    }
}
