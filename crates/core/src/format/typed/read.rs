//! Rows of columns into values of Rust types.

use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{Array, ArrayRef};
use arrow_schema::{DataType, Fields, TimeUnit};
use serde::Deserializer;
use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{self, DeserializeSeed, Error, IntoDeserializer, MapAccess, Visitor};

use super::super::cells::base64;
use super::super::json::JsonValues;
use super::super::timestamp::{write_date_of, write_time};
use super::Wrong;

/// A row.
#[derive(Clone, Copy)]
pub(super) struct Row<'a> {
    pub(super) fields: &'a Fields,
    pub(super) columns: &'a [ArrayRef],
    pub(super) row: usize,
}

impl<'de> Deserializer<'de> for Row<'de> {
    type Error = Wrong;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        visitor.visit_map(Members { of: self, next: 0 })
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Wrong> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        visitor.visit_seq(Places { of: self, next: 0 })
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Wrong> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        self.deserialize_seq(visitor)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct map struct
        enum identifier ignored_any
    }
}

/// Its values by name.
struct Members<'a> {
    of: Row<'a>,
    next: usize,
}

impl<'de> MapAccess<'de> for Members<'de> {
    type Error = Wrong;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Wrong> {
        let name = |field: &'de arrow_schema::FieldRef| de::value::BorrowedStrDeserializer::new(field.name());
        self.of.fields.get(self.next).map(|field| seed.deserialize(name(field))).transpose()
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Wrong> {
        let at = self.next;
        self.next += 1;
        let value = seed.deserialize(Cell { column: self.of.columns[at].as_ref(), row: self.of.row });
        value.map_err(|wrong| wrong.within(self.of.fields[at].name()))
    }
}

/// Its values in the order of the columns.
struct Places<'a> {
    of: Row<'a>,
    next: usize,
}

impl<'de> de::SeqAccess<'de> for Places<'de> {
    type Error = Wrong;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Wrong> {
        let at = self.next;
        self.next += 1;
        let Some(column) = self.of.columns.get(at) else { return Ok(None) };
        let value = seed.deserialize(Cell { column: column.as_ref(), row: self.of.row }).map(Some);
        value.map_err(|wrong| wrong.within(self.of.fields[at].name()))
    }
}

/// A value of a column.
#[derive(Clone, Copy)]
pub(super) struct Cell<'a> {
    column: &'a dyn Array,
    row: usize,
}

impl<'de> IntoDeserializer<'de, Wrong> for Cell<'de> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Cell<'de> {
    /// A value, for who asks for one.
    fn known(self) -> Result<Self, Wrong> {
        match self.column.is_null(self.row) {
            true => Err(Wrong::new("is NULL: make the field an Option")),
            false => Ok(self),
        }
    }

    /// The elements of a list or the entries of a map, as the values between two places.
    fn between(values: &'de dyn Array, from: i32, to: i32) -> impl Iterator<Item = Cell<'de>> {
        (from as usize..to as usize).map(move |row| Cell { column: values, row })
    }

    /// What a number says of it, if it is no number itself.
    fn number(self) -> Option<i64> {
        let Cell { column, row } = self;
        match column.data_type() {
            DataType::Timestamp(TimeUnit::Millisecond, _) => {
                Some(column.as_primitive::<TimestampMillisecondType>().value(row))
            }
            DataType::Date32 => Some(column.as_primitive::<Date32Type>().value(row).into()),
            DataType::Time32(TimeUnit::Millisecond) => {
                Some(column.as_primitive::<Time32MillisecondType>().value(row).into())
            }
            DataType::Decimal128(_, 0) => column.as_primitive::<Decimal128Type>().value(row).try_into().ok(),
            _ => None,
        }
    }

    fn integer<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        match self.known()?.number() {
            Some(number) => visitor.visit_i64(number),
            None => self.deserialize_any(visitor),
        }
    }

    fn float<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        match self.known()?.column.data_type() {
            DataType::Decimal128(..) => {
                let text = self.column.as_primitive::<Decimal128Type>().value_as_string(self.row);
                visitor.visit_f64(text.parse().map_err(|_| Wrong::new(format!("'{text}' is no float")))?)
            }
            _ => self.deserialize_any(visitor),
        }
    }

    /// As JSON writes it.
    fn json<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        let (mut text, one) = (Vec::new(), self.column.slice(self.row, 1));
        JsonValues::new(&one).write(0, &mut text);
        let value: serde_json::Value = serde_json::from_slice(&text).map_err(Wrong::custom)?;
        value.deserialize_any(visitor).map_err(Wrong::custom)
    }
}

macro_rules! asked {
    ($how:ident: $($name:ident),*) => {$(
        fn $name<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
            self.$how(visitor)
        }
    )*};
}

impl<'de> Deserializer<'de> for Cell<'de> {
    type Error = Wrong;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        let Cell { column, row } = self;
        if column.is_null(row) {
            return visitor.visit_unit();
        }
        let text = |write: &dyn Fn(&mut Vec<u8>)| {
            let mut out = Vec::with_capacity(32);
            write(&mut out);
            String::from_utf8_lossy(&out).into_owned()
        };
        match column.data_type() {
            DataType::Boolean => visitor.visit_bool(column.as_boolean().value(row)),
            DataType::Int8 => visitor.visit_i8(column.as_primitive::<Int8Type>().value(row)),
            DataType::Int16 => visitor.visit_i16(column.as_primitive::<Int16Type>().value(row)),
            DataType::Int32 => visitor.visit_i32(column.as_primitive::<Int32Type>().value(row)),
            DataType::Int64 => visitor.visit_i64(column.as_primitive::<Int64Type>().value(row)),
            DataType::UInt8 => visitor.visit_u8(column.as_primitive::<UInt8Type>().value(row)),
            DataType::UInt16 => visitor.visit_u16(column.as_primitive::<UInt16Type>().value(row)),
            DataType::UInt32 => visitor.visit_u32(column.as_primitive::<UInt32Type>().value(row)),
            DataType::UInt64 => visitor.visit_u64(column.as_primitive::<UInt64Type>().value(row)),
            DataType::Float32 => visitor.visit_f32(column.as_primitive::<Float32Type>().value(row)),
            DataType::Float64 => visitor.visit_f64(column.as_primitive::<Float64Type>().value(row)),
            DataType::Utf8 => visitor.visit_borrowed_str(column.as_string::<i32>().value(row)),
            DataType::Timestamp(TimeUnit::Millisecond, _) => {
                let ms = column.as_primitive::<TimestampMillisecondType>().value(row);
                visitor.visit_string(text(&|out| write_time(ms, out)))
            }
            DataType::Date32 => {
                let days = column.as_primitive::<Date32Type>().value(row);
                visitor.visit_string(text(&|out| write_date_of(days.into(), out)))
            }
            DataType::Decimal128(..) => {
                visitor.visit_string(column.as_primitive::<Decimal128Type>().value_as_string(row))
            }
            DataType::Binary => visitor.visit_string(base64(column.as_binary::<i32>().value(row))),
            DataType::List(_) => {
                let list = column.as_list::<i32>();
                let (from, to) = (list.value_offsets()[row], list.value_offsets()[row + 1]);
                visitor.visit_seq(SeqDeserializer::new(Cell::between(list.values().as_ref(), from, to)))
            }
            DataType::Struct(fields) => {
                Row { fields, columns: column.as_struct().columns(), row }.deserialize_any(visitor)
            }
            DataType::Map(..) => {
                let map = column.as_map();
                let (from, to) = (map.value_offsets()[row], map.value_offsets()[row + 1]);
                let keys = Cell::between(map.keys().as_ref(), from, to);
                visitor.visit_map(MapDeserializer::new(keys.zip(Cell::between(map.values().as_ref(), from, to))))
            }
            _ => self.json(visitor),
        }
    }

    asked! { integer: deserialize_i8, deserialize_i16, deserialize_i32, deserialize_i64, deserialize_i128, deserialize_u8,
    deserialize_u16, deserialize_u32, deserialize_u64, deserialize_u128 }

    asked! { float: deserialize_f32, deserialize_f64 }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        if self.column.is_null(self.row) { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        match self.known()?.column.data_type() {
            DataType::Binary => visitor.visit_borrowed_bytes(self.column.as_binary::<i32>().value(self.row)),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        self.deserialize_bytes(visitor)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        match self.known()?.column.data_type() {
            DataType::Binary => {
                let bytes = self.column.as_binary::<i32>().value(self.row);
                visitor.visit_seq(SeqDeserializer::new(bytes.iter().copied()))
            }
            DataType::Struct(fields) => {
                Row { fields, columns: self.column.as_struct().columns(), row: self.row }.deserialize_seq(visitor)
            }
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Wrong> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Wrong> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        match self.known()?.column.data_type() {
            DataType::Utf8 => visitor.visit_enum(self.column.as_string::<i32>().value(self.row).into_deserializer()),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        visitor.visit_unit()
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        self.known()?.deserialize_any(visitor)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        self.known()?.deserialize_any(visitor)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        self.known()?.deserialize_any(visitor)
    }

    serde::forward_to_deserialize_any! { char unit unit_struct map struct identifier }
}
