//! Values of Rust types into columns.

use arrow_array::ArrayRef;
use arrow_schema::{Field, Fields};
use serde::Serialize;
use serde::ser::{self, Impossible, SerializeMap, SerializeStruct, SerializeTuple};

use super::super::cells::{Cells, Values};
use super::super::{case_matters, listed};
use super::nested::{List, Object};
use super::{Times, Wrong};
use crate::counted::counted;
use crate::type_names::sql_type;

/// Columns being filled.
pub(super) struct Columns {
    fields: Fields,
    cells: Vec<Cells>,
}

impl Columns {
    pub(super) fn new(fields: &Fields, times: &Times) -> Result<Columns, Wrong> {
        let cells = |field: &arrow_schema::FieldRef| {
            let refused = || Wrong::new(format!("{} is written by no Rust value", sql_type(field.data_type())));
            Cells::new(field.data_type(), times).ok_or_else(|| refused().within(field.name()))
        };
        Ok(Columns { fields: fields.clone(), cells: fields.iter().map(cells).collect::<Result<_, _>>()? })
    }

    /// Adds a row.
    pub(super) fn row<T: Serialize>(&mut self, row: &T) -> Result<(), Wrong> {
        let rows = self.cells.first().map_or(0, Cells::len);
        row.serialize(Row { fields: &self.fields, cells: &mut self.cells, rows, next: 0, key: None })
    }

    pub(super) fn finish(mut self) -> Result<Vec<ArrayRef>, Wrong> {
        let finish = |(cells, field): (&mut Cells, &arrow_schema::FieldRef)| {
            cells.finish().ok_or_else(|| Wrong::new("its values make no column").within(field.name()))
        };
        self.cells.iter_mut().zip(&self.fields).map(finish).collect()
    }
}

/// A row being added behind `rows` others.
pub(super) struct Row<'a> {
    pub(super) fields: &'a Fields,
    pub(super) cells: &'a mut [Cells],
    pub(super) rows: usize,
    /// The column that the next field is, most likely.
    pub(super) next: usize,
    /// Of a map, the key whose value comes.
    pub(super) key: Option<String>,
}

impl Row<'_> {
    pub(super) fn field<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> Result<(), Wrong> {
        let column = match self.fields.get(self.next).filter(|field| field.name() == name) {
            Some(_) => self.next,
            None => self.fields.iter().position(|field| field.name() == name).ok_or_else(|| self.unknown(name))?,
        };
        self.next = column + 1;
        let (cells, field) = (&mut self.cells[column], &self.fields[column]);
        if cells.len() > self.rows {
            return Err(Wrong::new("is there twice").within(name));
        }
        value.serialize(Cell { cells, field }).map_err(|wrong| wrong.within(name))
    }

    #[cold]
    fn unknown(&self, name: &str) -> Wrong {
        let names = || self.fields.iter().map(|field| field.name().as_str());
        let (has, case) = (listed(names()), case_matters([name], names()));
        Wrong::new(format!("is no column; there are {has}{case}")).within(name)
    }

    /// What the row lacks is NULL.
    pub(super) fn rest(self) -> Result<(), Wrong> {
        for (cells, field) in self.cells.iter_mut().zip(self.fields) {
            if cells.len() == self.rows {
                if !field.is_nullable() {
                    return Err(Wrong::new("is missing, and declared NOT NULL").within(field.name()));
                }
                cells.push_null();
            }
        }
        Ok(())
    }
}

/// What serde calls for kinds of values that are none of these.
macro_rules! refuse {
    ($what:ident: $($name:ident($($type:ty),*)),* $(,)?) => {$(
        fn $name(self, $(_: $type),*) -> Result<(), Wrong> {
            Err(self.$what())
        }
    )*};
}

impl Row<'_> {
    fn no_row(&self) -> Wrong {
        Wrong::new("a row is a struct, a map with text for keys, or a tuple of all columns in their order")
    }
}

impl<'a> ser::Serializer for Row<'a> {
    type Ok = ();
    type Error = Wrong;
    type SerializeSeq = Impossible<(), Wrong>;
    type SerializeTuple = Self;
    type SerializeTupleStruct = Impossible<(), Wrong>;
    type SerializeTupleVariant = Impossible<(), Wrong>;
    type SerializeMap = Self;
    type SerializeStruct = Self;
    type SerializeStructVariant = Impossible<(), Wrong>;

    refuse! { no_row: serialize_bool(bool), serialize_i8(i8), serialize_i16(i16), serialize_i32(i32), serialize_i64(i64),
    serialize_u8(u8), serialize_u16(u16), serialize_u32(u32), serialize_u64(u64), serialize_f32(f32),
    serialize_f64(f64), serialize_char(char), serialize_str(&str), serialize_bytes(&[u8]), serialize_none(),
    serialize_unit(), serialize_unit_struct(&'static str), serialize_unit_variant(&'static str, u32, &'static str) }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Wrong> {
        value.serialize(self)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<(), Wrong> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<(), Wrong> {
        Err(self.no_row())
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Self::SerializeSeq, Wrong> {
        Err(self.no_row())
    }

    fn serialize_tuple(self, length: usize) -> Result<Self, Wrong> {
        match self.fields.len() {
            all if all == length => Ok(self),
            all => Err(Wrong::new(format!("the tuple has {}, the row {all}", counted(length, "member")))),
        }
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self::SerializeTupleStruct, Wrong> {
        Err(self.no_row())
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, Wrong> {
        Err(self.no_row())
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Self, Wrong> {
        Ok(self)
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self, Wrong> {
        Ok(self)
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant, Wrong> {
        Err(self.no_row())
    }
}

impl SerializeStruct for Row<'_> {
    type Ok = ();
    type Error = Wrong;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), Wrong> {
        self.field(name, value)
    }

    fn end(self) -> Result<(), Wrong> {
        self.rest()
    }
}

impl SerializeTuple for Row<'_> {
    type Ok = ();
    type Error = Wrong;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Wrong> {
        let fields = self.fields;
        self.field(fields[self.next].name(), value)
    }

    fn end(self) -> Result<(), Wrong> {
        self.rest()
    }
}

impl SerializeMap for Row<'_> {
    type Ok = ();
    type Error = Wrong;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Wrong> {
        // Any key that is text to JSON is text here.
        match serde_json::to_value(key) {
            Ok(serde_json::Value::String(key)) => self.key = Some(key),
            _ => return Err(self.no_row()),
        }
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Wrong> {
        let key = self.key.take().ok_or_else(|| self.no_row())?;
        self.field(&key, value)
    }

    fn end(self) -> Result<(), Wrong> {
        self.rest()
    }
}

/// A value being added to its column.
pub(super) struct Cell<'a> {
    pub(super) cells: &'a mut Cells,
    pub(super) field: &'a Field,
}

impl Cell<'_> {
    fn mismatch(&self, found: impl std::fmt::Display) -> Wrong {
        Wrong::new(format!("expected {}, found {found}", self.cells.expects()))
    }

    fn null(self) -> Result<(), Wrong> {
        if !self.field.is_nullable() {
            return Err(Wrong::new("is NULL, and declared NOT NULL"));
        }
        self.cells.push_null();
        Ok(())
    }

    fn text(self, text: &str) -> Result<(), Wrong> {
        if !self.cells.fits(text.len()) {
            return Err(Wrong::new("the text of one push is over 2 GiB: push fewer rows at a time"));
        }
        if self.cells.push_text(text.as_bytes()) {
            return Ok(());
        }
        Err(self.mismatch(format!("'{}'", super::super::clip(text.as_bytes()))))
    }

    /// A number, as its text; none is one of these.
    fn number(self, text: &str) -> Result<(), Wrong> {
        let none = matches!(self.cells.values, Values::Bytes { .. } | Values::Clock(_) | Values::Bool(_));
        if none || !self.cells.push_text(text.as_bytes()) {
            return Err(self.mismatch(text));
        }
        Ok(())
    }

    fn whole(self, value: i64) -> Result<(), Wrong> {
        match &mut self.cells.values {
            Values::Int { values, min, max, .. } if (*min..=*max).contains(&value) => values.push(value),
            _ => return self.number(&value.to_string()),
        }
        self.cells.pushed();
        Ok(())
    }
}

/// Whole numbers of up to 64 bits.
macro_rules! wholes {
    ($($name:ident($type:ty)),* $(,)?) => {$(
        fn $name(self, value: $type) -> Result<(), Wrong> {
            self.whole(value.into())
        }
    )*};
}

impl<'a> ser::Serializer for Cell<'a> {
    type Ok = ();
    type Error = Wrong;
    type SerializeSeq = List<'a>;
    type SerializeTuple = List<'a>;
    type SerializeTupleStruct = List<'a>;
    type SerializeTupleVariant = Impossible<(), Wrong>;
    type SerializeMap = Object<'a>;
    type SerializeStruct = Object<'a>;
    type SerializeStructVariant = Impossible<(), Wrong>;

    wholes! { serialize_i8(i8), serialize_i16(i16), serialize_i32(i32), serialize_i64(i64), serialize_u8(u8),
    serialize_u16(u16), serialize_u32(u32) }

    fn serialize_u64(self, value: u64) -> Result<(), Wrong> {
        match i64::try_from(value) {
            Ok(value) => self.whole(value),
            Err(_) => self.number(&value.to_string()),
        }
    }

    fn serialize_i128(self, value: i128) -> Result<(), Wrong> {
        self.number(&value.to_string())
    }

    fn serialize_u128(self, value: u128) -> Result<(), Wrong> {
        self.number(&value.to_string())
    }

    fn serialize_bool(self, value: bool) -> Result<(), Wrong> {
        match &mut self.cells.values {
            Values::Bool(values) => values.append(value),
            Values::Text { .. } => return self.text(if value { "true" } else { "false" }),
            _ => return Err(self.mismatch(value)),
        }
        self.cells.pushed();
        Ok(())
    }

    fn serialize_f32(self, value: f32) -> Result<(), Wrong> {
        match &self.cells.values {
            Values::Float { .. } => self.serialize_f64(value.into()),
            _ => self.number(&value.to_string()),
        }
    }

    fn serialize_f64(self, value: f64) -> Result<(), Wrong> {
        match &mut self.cells.values {
            Values::Float { values, single } if !*single || !value.is_finite() || (value as f32).is_finite() => {
                values.push(value);
            }
            _ => return self.number(&value.to_string()),
        }
        self.cells.pushed();
        Ok(())
    }

    fn serialize_char(self, value: char) -> Result<(), Wrong> {
        self.text(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, value: &str) -> Result<(), Wrong> {
        self.text(value)
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<(), Wrong> {
        if !self.cells.fits(value.len()) {
            return Err(Wrong::new("the bytes of one push are over 2 GiB: push fewer rows at a time"));
        }
        match &mut self.cells.values {
            Values::Bytes { bytes, offsets } => {
                bytes.extend_from_slice(value);
                offsets.push(bytes.len() as i32);
            }
            _ => return Err(self.mismatch("bytes")),
        }
        self.cells.pushed();
        Ok(())
    }

    fn serialize_none(self) -> Result<(), Wrong> {
        self.null()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Wrong> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), Wrong> {
        self.null()
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), Wrong> {
        self.null()
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<(), Wrong> {
        self.text(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<(), Wrong> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: &T,
    ) -> Result<(), Wrong> {
        Err(self.mismatch(format!("the variant '{variant}' with data")))
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<List<'a>, Wrong> {
        match &self.cells.values {
            Values::List { .. } | Values::Bytes { .. } => Ok(List(self)),
            _ => Err(self.mismatch("a sequence")),
        }
    }

    fn serialize_tuple(self, length: usize) -> Result<List<'a>, Wrong> {
        self.serialize_seq(Some(length))
    }

    fn serialize_tuple_struct(self, _: &'static str, length: usize) -> Result<List<'a>, Wrong> {
        self.serialize_seq(Some(length))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, Wrong> {
        Err(self.mismatch(format!("the variant '{variant}' with data")))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Object<'a>, Wrong> {
        let Cell { cells, field } = self;
        match cells.values {
            Values::Row { .. } | Values::Map { .. } => Ok(Object { cells, next: 0, key: None }),
            _ => Err(Cell { cells, field }.mismatch("an object")),
        }
    }

    fn serialize_struct(self, _: &'static str, length: usize) -> Result<Object<'a>, Wrong> {
        self.serialize_map(Some(length))
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant, Wrong> {
        Err(self.mismatch(format!("the variant '{variant}' with data")))
    }
}
