//! Rust's types for SQL's: what functions that are closures take and answer.
//!
//! | SQL | taken as | answered as |
//! | --- | --- | --- |
//! | BOOLEAN | `bool` | `bool` |
//! | TINYINT, SMALLINT, INT, BIGINT | `i8`, `i16`, `i32`, `i64` | the same |
//! | FLOAT, DOUBLE | `f32`, `f64` | the same |
//! | VARCHAR | `&str`, `String` | `String` |
//! | BYTES | `&[u8]`, [`Bytes`] | [`Bytes`] |
//! | TIMESTAMP, TIMESTAMP_LTZ, DATE | [`Timestamp`], [`Instant`], [`Date`] | the same |
//! | may be NULL | `Option<T>` | `Option<T>` |
//! | ARRAY, ROW | | `Vec<T>`, a tuple |

use std::fmt::Display;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, TimestampMillisecondType,
};
use arrow_array::{Array, ArrayRef, BinaryArray, BooleanArray, ListArray, PrimitiveArray, StringArray, StructArray};
use arrow_buffer::{NullBuffer, OffsetBuffer};
use arrow_schema::{DataType, Field, Fields, TimeUnit};

/// A TIMESTAMP: milliseconds since 1970-01-01 00:00:00, as clocks show them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

/// A TIMESTAMP_LTZ: milliseconds since 1970-01-01 00:00:00 UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(pub i64);

/// A DATE: days since 1970-01-01.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date(pub i32);

/// A BYTES.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bytes(pub Vec<u8>);

/// The type of an argument, and what fits it.
pub type Taken = (DataType, fn(&DataType) -> bool);

/// A type that the arguments of a function are taken as.
pub trait Argument {
    /// The value for as long as its column is there.
    type Of<'a>;
    /// A column of such values.
    type Column<'a>;

    /// The type that columns are cast to.
    fn data_type() -> DataType;

    /// Whether a column of this type is one of such values, once it is cast. Types that would lose something do not fit.
    fn fits(given: &DataType) -> bool;

    /// A column, which is of that type.
    fn column(array: &ArrayRef) -> Self::Column<'_>;

    /// The value in a row; `None` is a row for which the function is not asked, and answers NULL.
    fn get<'a>(column: &Self::Column<'a>, row: usize) -> Option<Self::Of<'a>>;
}

/// A type of values that a function answers.
pub trait Value: Sized {
    /// The type of the column.
    fn data_type() -> DataType;

    /// A column of values; `None` is NULL.
    fn column(values: Vec<Option<Self>>) -> ArrayRef;
}

/// What a function answers for a row: a value, or why there is none. A row that fails is a dead letter.
pub trait Answer: Sized {
    /// The type of the value.
    type Value: Value;

    /// The value.
    ///
    /// # Errors
    /// Why there is none.
    fn value(self) -> Result<Self::Value, String>;
}

impl<T: Value> Answer for T {
    type Value = T;

    fn value(self) -> Result<T, String> {
        Ok(self)
    }
}

impl<T: Value, E: Display> Answer for Result<T, E> {
    type Value = T;

    fn value(self) -> Result<T, String> {
        self.map_err(|error| error.to_string())
    }
}

/// How an instant is marked in its type.
const INSTANT: &str = "+00:00";

fn is_integer(given: &DataType) -> bool {
    given.is_null() || given.is_integer()
}

fn is_numeric(given: &DataType) -> bool {
    given.is_null() || given.is_numeric()
}

macro_rules! primitive {
    ($rust:ty, $arrow:ty, $data_type:expr, $fits:expr, $from:expr, $to:expr) => {
        impl Argument for $rust {
            type Of<'a> = $rust;
            type Column<'a> = &'a PrimitiveArray<$arrow>;

            fn data_type() -> DataType {
                $data_type
            }

            fn fits(given: &DataType) -> bool {
                let fits: fn(&DataType) -> bool = $fits;
                fits(given)
            }

            fn column(array: &ArrayRef) -> &PrimitiveArray<$arrow> {
                array.as_primitive()
            }

            fn get<'a>(column: &Self::Column<'a>, row: usize) -> Option<Self::Of<'a>> {
                column.is_valid(row).then(|| $from(column.value(row)))
            }
        }

        impl Value for $rust {
            fn data_type() -> DataType {
                $data_type
            }

            fn column(values: Vec<Option<$rust>>) -> ArrayRef {
                let values: PrimitiveArray<$arrow> = values.into_iter().map(|value| value.map($to)).collect();
                Arc::new(values.with_data_type($data_type))
            }
        }
    };
}

primitive!(i8, Int8Type, DataType::Int8, is_integer, |value| value, |value| value);
primitive!(i16, Int16Type, DataType::Int16, is_integer, |value| value, |value| value);
primitive!(i32, Int32Type, DataType::Int32, is_integer, |value| value, |value| value);
primitive!(i64, Int64Type, DataType::Int64, is_integer, |value| value, |value| value);
primitive!(f32, Float32Type, DataType::Float32, is_numeric, |value| value, |value| value);
primitive!(f64, Float64Type, DataType::Float64, is_numeric, |value| value, |value| value);
primitive!(
    Timestamp,
    TimestampMillisecondType,
    DataType::Timestamp(TimeUnit::Millisecond, None),
    |given| matches!(given, DataType::Null | DataType::Timestamp(_, None) | DataType::Date32),
    Timestamp,
    |time: Timestamp| time.0
);
primitive!(
    Instant,
    TimestampMillisecondType,
    DataType::Timestamp(TimeUnit::Millisecond, Some(INSTANT.into())),
    |given| matches!(given, DataType::Null | DataType::Timestamp(_, Some(_))),
    Instant,
    |time: Instant| time.0
);
primitive!(
    Date,
    Date32Type,
    DataType::Date32,
    |given| matches!(given, DataType::Null | DataType::Date32),
    Date,
    |day: Date| day.0
);

macro_rules! bytes {
    ($rust:ty, $of:ty, $array:ty, $as:ident, $data_type:expr, $fits:expr, $from:expr) => {
        impl Argument for $rust {
            type Of<'a> = $of;
            type Column<'a> = &'a $array;

            fn data_type() -> DataType {
                $data_type
            }

            fn fits(given: &DataType) -> bool {
                let fits: fn(&DataType) -> bool = $fits;
                given.is_null() || fits(given)
            }

            fn column(array: &ArrayRef) -> &$array {
                array.$as::<i32>()
            }

            fn get<'a>(column: &Self::Column<'a>, row: usize) -> Option<Self::Of<'a>> {
                column.is_valid(row).then(|| $from(column.value(row)))
            }
        }
    };
}

bytes!(&str, &'a str, StringArray, as_string, DataType::Utf8, DataType::is_string, |text| text);
bytes!(String, String, StringArray, as_string, DataType::Utf8, DataType::is_string, str::to_owned);
bytes!(&[u8], &'a [u8], BinaryArray, as_binary, DataType::Binary, DataType::is_binary, |bytes| bytes);
bytes!(Bytes, Bytes, BinaryArray, as_binary, DataType::Binary, DataType::is_binary, |bytes: &[u8]| Bytes(bytes.into()));

impl Argument for bool {
    type Of<'a> = bool;
    type Column<'a> = &'a BooleanArray;

    fn data_type() -> DataType {
        DataType::Boolean
    }

    fn fits(given: &DataType) -> bool {
        matches!(given, DataType::Null | DataType::Boolean)
    }

    fn column(array: &ArrayRef) -> &BooleanArray {
        array.as_boolean()
    }

    fn get<'a>(column: &Self::Column<'a>, row: usize) -> Option<Self::Of<'a>> {
        column.is_valid(row).then(|| column.value(row))
    }
}

impl<T: Argument> Argument for Option<T> {
    type Of<'a> = Option<T::Of<'a>>;
    type Column<'a> = T::Column<'a>;

    fn data_type() -> DataType {
        T::data_type()
    }

    fn fits(given: &DataType) -> bool {
        T::fits(given)
    }

    fn column(array: &ArrayRef) -> T::Column<'_> {
        T::column(array)
    }

    fn get<'a>(column: &Self::Column<'a>, row: usize) -> Option<Self::Of<'a>> {
        Some(T::get(column, row))
    }
}

impl Value for bool {
    fn data_type() -> DataType {
        DataType::Boolean
    }

    fn column(values: Vec<Option<bool>>) -> ArrayRef {
        Arc::new(BooleanArray::from(values))
    }
}

impl Value for String {
    fn data_type() -> DataType {
        DataType::Utf8
    }

    fn column(values: Vec<Option<String>>) -> ArrayRef {
        Arc::new(StringArray::from_iter(values))
    }
}

impl Value for Bytes {
    fn data_type() -> DataType {
        DataType::Binary
    }

    fn column(values: Vec<Option<Bytes>>) -> ArrayRef {
        Arc::new(BinaryArray::from_iter(values.into_iter().map(|bytes| bytes.map(|bytes| bytes.0))))
    }
}

impl<T: Value> Value for Option<T> {
    fn data_type() -> DataType {
        T::data_type()
    }

    fn column(values: Vec<Option<Option<T>>>) -> ArrayRef {
        T::column(values.into_iter().map(Option::flatten).collect())
    }
}

impl<T: Value> Value for Vec<T> {
    fn data_type() -> DataType {
        DataType::List(Arc::new(Field::new_list_field(T::data_type(), true)))
    }

    fn column(values: Vec<Option<Vec<T>>>) -> ArrayRef {
        let nulls: NullBuffer = values.iter().map(Option::is_some).collect();
        let offsets = OffsetBuffer::from_lengths(values.iter().map(|list| list.as_ref().map_or(0, Vec::len)));
        let items = T::column(values.into_iter().flatten().flatten().map(Some).collect());
        let field = Arc::new(Field::new_list_field(T::data_type(), true));
        Arc::new(ListArray::new(field, offsets, items, Some(nulls)))
    }
}

macro_rules! tuple {
    ($($part:ident $one:ident $values:ident $name:literal),+) => {
        impl<$($part: Value),+> Value for ($($part,)+) {
            fn data_type() -> DataType {
                DataType::Struct(Fields::from(vec![$(Field::new($name, $part::data_type(), true)),+]))
            }

            fn column(rows: Vec<Option<Self>>) -> ArrayRef {
                let DataType::Struct(fields) = Self::data_type() else { unreachable!("a tuple is a ROW") };
                let nulls: NullBuffer = rows.iter().map(Option::is_some).collect();
                $(let mut $values: Vec<Option<$part>> = Vec::with_capacity(rows.len());)+
                for row in rows {
                    match row {
                        Some(($($one,)+)) => { $($values.push(Some($one));)+ }
                        None => { $($values.push(None);)+ }
                    }
                }
                Arc::new(StructArray::new(fields, vec![$($part::column($values)),+], Some(nulls)))
            }
        }
    };
}

tuple!(A a all_a "f0");
tuple!(A a all_a "f0", B b all_b "f1");
tuple!(A a all_a "f0", B b all_b "f1", C c all_c "f2");
tuple!(A a all_a "f0", B b all_b "f1", C c all_c "f2", D d all_d "f3");
tuple!(A a all_a "f0", B b all_b "f1", C c all_c "f2", D d all_d "f3", E e all_e "f4");
tuple!(A a all_a "f0", B b all_b "f1", C c all_c "f2", D d all_d "f3", E e all_e "f4", F f all_f "f5");
