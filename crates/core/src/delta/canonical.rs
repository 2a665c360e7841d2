//! Equal values, equal bytes: of floats there is one NaN and one zero, and of intervals one for each length, also in what arrays,
//! rows and maps hold.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Float32Type, Float64Type, IntervalMonthDayNano, IntervalMonthDayNanoType,
};
use arrow_array::{
    Array, ArrayRef, FixedSizeListArray, LargeListArray, ListArray, MapArray, PrimitiveArray, StructArray,
};
use arrow_schema::{DataType, IntervalUnit};

use crate::time::DAY_MS;

/// The same column with one NaN, without `-0.0` and with intervals of days and hours, at any depth: the form of what is compared by
/// its bytes. Seldom is a value in another: then it is the column itself.
pub fn canonical(column: &ArrayRef) -> ArrayRef {
    in_form(column, true)
}

/// [`canonical`] for what is only shown: an interval stays as it is, for one of months is added to a time by the calendar.
pub fn canonical_shown(column: &ArrayRef) -> ArrayRef {
    in_form(column, false)
}

fn in_form(column: &ArrayRef, intervals: bool) -> ArrayRef {
    let has_forms = has_floats(column.data_type()) || intervals && has_intervals(column.data_type());
    has_forms.then(|| changed(column, intervals)).flatten().unwrap_or_else(|| Arc::clone(column))
}

/// Whether values of a type are floats, or hold some.
pub fn has_floats(data_type: &DataType) -> bool {
    holds(data_type, &|of| matches!(of, DataType::Float32 | DataType::Float64))
}

/// Whether values of a type are intervals, or hold some.
pub fn has_intervals(data_type: &DataType) -> bool {
    holds(data_type, &|of| matches!(of, DataType::Interval(_)))
}

fn holds(data_type: &DataType, wanted: &dyn Fn(&DataType) -> bool) -> bool {
    match data_type {
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::FixedSizeList(item, _)
        | DataType::Map(item, _) => holds(item.data_type(), wanted),
        DataType::Struct(fields) => fields.iter().any(|field| holds(field.data_type(), wanted)),
        other => wanted(other),
    }
}

/// The length of an interval in ms, by which it is compared: a month has 30 days.
pub fn interval_ms(interval: IntervalMonthDayNano) -> i64 {
    let days = i64::from(interval.months) * 30 + i64::from(interval.days);
    days.saturating_mul(DAY_MS).saturating_add(interval.nanoseconds.div_euclid(1_000_000))
}

/// The interval of days and less than a day that is as long.
fn interval_in_form(interval: IntervalMonthDayNano) -> IntervalMonthDayNano {
    let ms = interval_ms(interval);
    let (days, below) = (ms / DAY_MS, ms % DAY_MS * 1_000_000);
    // Months only where there are more days than fit: again one form for each length.
    let months = match i32::try_from(days) {
        Ok(_) => 0,
        Err(_) => (days / 30).clamp(i32::MIN.into(), i32::MAX.into()),
    };
    let fitting = |part: i64| part.clamp(i32::MIN.into(), i32::MAX.into()) as i32;
    IntervalMonthDayNano::new(fitting(months), fitting(days - months * 30), below)
}

/// `None` if it is in canonical form.
fn changed(column: &ArrayRef, intervals: bool) -> Option<ArrayRef> {
    let changed = |column: &ArrayRef| changed(column, intervals);
    Some(match column.data_type() {
        DataType::Interval(IntervalUnit::MonthDayNano) if intervals => {
            let values = column.as_primitive::<IntervalMonthDayNanoType>();
            let odd = |&value: &IntervalMonthDayNano| interval_in_form(value) != value;
            values.values().iter().any(odd).then_some(())?;
            Arc::new(values.unary::<_, IntervalMonthDayNanoType>(interval_in_form))
        }
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
    use arrow_array::{Float64Array, IntervalMonthDayNanoArray};
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

    #[test]
    fn intervals_of_one_length_are_one() {
        let hour = 3_600_000_000_000;
        let of = |months, days, nanos| IntervalMonthDayNano::new(months, days, nanos);
        let column: ArrayRef = Arc::new(IntervalMonthDayNanoArray::from(vec![
            Some(of(0, 0, 24 * hour)),
            Some(of(0, 1, 0)),
            None,
            Some(of(1, -1, 3 * hour)),
            Some(of(0, 0, -25 * hour)),
            Some(of(0, 2, -hour)),
            Some(of(i32::MAX, 0, 0)),
            Some(of(i32::MAX - 1, 29, 24 * hour)),
        ]));
        let months = of(i32::MAX, 0, 0);
        let expected: ArrayRef = Arc::new(IntervalMonthDayNanoArray::from(vec![
            Some(of(0, 1, 0)),
            Some(of(0, 1, 0)),
            None,
            Some(of(0, 29, 3 * hour)),
            Some(of(0, -1, -hour)),
            Some(of(0, 1, 23 * hour)),
            Some(months),
            Some(months),
        ]));
        assert_eq!(&canonical(&column), &expected);
        assert!(Arc::ptr_eq(&canonical_shown(&column), &column), "it is shown as it is");
        let again = canonical(&expected);
        assert!(Arc::ptr_eq(&again, &expected), "nothing is copied");
    }
}
