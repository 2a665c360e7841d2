//! Equal values, equal bytes: of floats there is one NaN and one zero, also in what arrays, rows and maps hold.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{ArrowPrimitiveType, Float32Type, Float64Type};
use arrow_array::{
    Array, ArrayRef, FixedSizeListArray, LargeListArray, ListArray, MapArray, PrimitiveArray, StructArray,
};
use arrow_schema::DataType;

/// The same column with one NaN and without `-0.0`, at any depth. Seldom is there any of them: then it is the column itself.
pub fn canonical(column: &ArrayRef) -> ArrayRef {
    if has_floats(column.data_type()) { changed(column).unwrap_or_else(|| Arc::clone(column)) } else { column.clone() }
}

/// Whether values of a type are floats, or hold some.
pub fn has_floats(data_type: &DataType) -> bool {
    match data_type {
        DataType::Float32 | DataType::Float64 => true,
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::FixedSizeList(item, _)
        | DataType::Map(item, _) => has_floats(item.data_type()),
        DataType::Struct(fields) => fields.iter().any(|field| has_floats(field.data_type())),
        _ => false,
    }
}

/// `None` if it is in canonical form.
fn changed(column: &ArrayRef) -> Option<ArrayRef> {
    Some(match column.data_type() {
        DataType::Float64 => {
            let odd = |v: f64| v.is_nan() && v.to_bits() != f64::NAN.to_bits() || v == 0.0 && v.is_sign_negative();
            floats::<Float64Type>(column.as_primitive(), odd, |v| if v.is_nan() { f64::NAN } else { v + 0.0 })?
        }
        DataType::Float32 => {
            let odd = |v: f32| v.is_nan() && v.to_bits() != f32::NAN.to_bits() || v == 0.0 && v.is_sign_negative();
            floats::<Float32Type>(column.as_primitive(), odd, |v| if v.is_nan() { f32::NAN } else { v + 0.0 })?
        }
        DataType::List(item) => {
            let list = column.as_list::<i32>();
            let items = changed(list.values())?;
            Arc::new(ListArray::new(Arc::clone(item), list.offsets().clone(), items, list.nulls().cloned()))
        }
        DataType::LargeList(item) => {
            let list = column.as_list::<i64>();
            let items = changed(list.values())?;
            Arc::new(LargeListArray::new(Arc::clone(item), list.offsets().clone(), items, list.nulls().cloned()))
        }
        DataType::FixedSizeList(item, size) => {
            let list = column.as_fixed_size_list();
            let items = changed(list.values())?;
            Arc::new(FixedSizeListArray::new(Arc::clone(item), *size, items, list.nulls().cloned()))
        }
        DataType::Map(entry, ordered) => {
            let map = column.as_map();
            let entries: ArrayRef = Arc::new(map.entries().clone());
            let entries = changed(&entries)?.as_struct().clone();
            Arc::new(MapArray::new(Arc::clone(entry), map.offsets().clone(), entries, map.nulls().cloned(), *ordered))
        }
        DataType::Struct(fields) => {
            let row = column.as_struct();
            let columns: Vec<Option<ArrayRef>> = row.columns().iter().map(changed).collect();
            columns.iter().any(Option::is_some).then_some(())?;
            let columns = columns.into_iter().zip(row.columns()).map(|(new, old)| new.unwrap_or_else(|| old.clone()));
            Arc::new(StructArray::new(fields.clone(), columns.collect(), row.nulls().cloned()))
        }
        _ => return None,
    })
}

fn floats<T: ArrowPrimitiveType>(
    values: &PrimitiveArray<T>,
    odd: impl Fn(T::Native) -> bool,
    plain: impl Fn(T::Native) -> T::Native,
) -> Option<ArrayRef> {
    values.values().iter().any(|&value| odd(value)).then(|| Arc::new(values.unary::<_, T>(plain)) as ArrayRef)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use arrow_array::Float64Array;
    use arrow_buffer::OffsetBuffer;
    use arrow_row::{RowConverter, SortField};
    use arrow_schema::{Field, Fields};

    use super::*;

    #[test]
    fn at_any_depth() {
        let odd: ArrayRef = Arc::new(Float64Array::from(vec![Some(-0.0), None, Some(-f64::NAN), Some(1.5)]));
        let plain: ArrayRef = Arc::new(Float64Array::from(vec![Some(0.0), None, Some(f64::NAN), Some(1.5)]));
        let row = |items: &ArrayRef| -> ArrayRef {
            let item = Arc::new(Field::new("item", DataType::Float64, true));
            let offsets = OffsetBuffer::from_lengths([1, 2, 1]);
            let list: ArrayRef = Arc::new(ListArray::new(item, offsets, items.clone(), None));
            let fields = Fields::from(vec![
                Field::new("a", list.data_type().clone(), true),
                Field::new("b", DataType::Float64, true),
            ]);
            Arc::new(StructArray::new(fields, vec![list, items.slice(0, 3)], None))
        };
        let (odd, plain) = (row(&odd), row(&plain));
        let bits = |column: &ArrayRef| -> Vec<Vec<u8>> {
            let rows = RowConverter::new(vec![SortField::new(column.data_type().clone())])
                .and_then(|converter| converter.convert_columns(std::slice::from_ref(column)));
            rows.unwrap().iter().map(|row| row.data().to_vec()).collect()
        };
        assert_ne!(bits(&odd), bits(&plain));
        assert_eq!(bits(&canonical(&odd)), bits(&plain));
        assert!(Arc::ptr_eq(&canonical(&plain), &plain), "nothing is copied");
        let sliced = canonical(&odd.slice(1, 2));
        assert_eq!(bits(&sliced), bits(&plain.slice(1, 2)));
    }
}
