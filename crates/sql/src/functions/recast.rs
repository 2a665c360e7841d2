//! Casts of ROW, ARRAY and MAP, to text and to others of their kind, and of intervals to text: each value as CAST has it by itself. Times and truth values become the text that SQL writes,
//! instants are put by the session's zone; Arrow's own casts of nested values know neither.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMillisecondType;
use arrow_array::{
    Array, ArrayRef, BooleanArray, ListArray, MapArray, StringArray, StructArray, TimestampMillisecondArray,
    UInt32Array,
};
use arrow_cast::{CastOptions, cast_with_options};
use arrow_schema::{DataType, Field, FieldRef, Fields};
use arrow_select::nullif::nullif;
use arrow_select::take::take;
use datafusion_common::{Result, ScalarValue, plan_err};
use datafusion_expr::{ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};

use super::maps::last_of_each;
use super::of_text;
use super::zones::{compiled, instants, to_local};
use crate::parse::column_type::{TIME, instant, is_instant, plain};
use highwater_core::counted::counted;
use highwater_core::format::interval_texts;
use highwater_core::time::Zone;

/// Whether a cast is one of these. Arrow's goes by the names of fields, has NULL for what it does not find, and where it tries has NULL for
/// each item that does not fit instead of for the whole.
pub(crate) fn recasts(from: &DataType, to: &DataType) -> bool {
    match (from, to) {
        (DataType::List(_), DataType::List(_))
        | (DataType::Map(..), DataType::Map(..))
        | (DataType::Struct(_), DataType::Struct(_)) => plain(from) != plain(to),
        (DataType::List(_) | DataType::Map(..) | DataType::Struct(_), to)
        | (DataType::Interval(_) | DataType::Duration(_), to) => to.is_string(),
        _ => false,
    }
}

/// Per member wanted the place of that which becomes it: by their names, or if those are others by their places.
fn members(from: &Fields, to: &Fields) -> Option<Vec<usize>> {
    if from.len() != to.len() {
        return None;
    }
    let named = |field: &FieldRef| from.iter().position(|from| from.name().eq_ignore_ascii_case(field.name()));
    Some(to.iter().map(named).collect::<Option<Vec<_>>>().unwrap_or_else(|| (0..from.len()).collect()))
}

/// A cast of nested values in a session in this zone.
pub(crate) fn recast(value: Expr, to: &DataType, zone: Zone) -> Expr {
    recasting(to, zone).call(vec![value])
}

/// The cast as a function.
pub(crate) fn recasting(to: &DataType, zone: Zone) -> ScalarUDF {
    let signature = Signature::any(1, Volatility::Immutable);
    ScalarUDF::new_from_impl(Recast { to: plain(to), zone, signature })
}

#[derive(Debug)]
struct Recast {
    to: DataType,
    zone: Zone,
    signature: Signature,
}

impl PartialEq for Recast {
    fn eq(&self, other: &Self) -> bool {
        (&self.to, self.zone) == (&other.to, other.zone)
    }
}

impl Eq for Recast {}

impl Hash for Recast {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (&self.to, self.zone).hash(state);
    }
}

impl ScalarUDFImpl for Recast {
    fn name(&self) -> &str {
        "recast"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.to.clone())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        match &args.args[0] {
            ColumnarValue::Array(value) => Ok(one(value, &self.to, self.zone)?.into()),
            ColumnarValue::Scalar(value) => {
                Ok(ScalarValue::try_from_array(&one(&value.to_array()?, &self.to, self.zone)?, 0)?.into())
            }
        }
    }
}

/// A column as the other type, value by value.
fn one(value: &ArrayRef, to: &DataType, zone: Zone) -> Result<ArrayRef> {
    let from = value.data_type();
    match (from, to) {
        (from, to) if from == to => Ok(Arc::clone(value)),
        (DataType::List(_), DataType::List(item)) => {
            let value = alone(value, value.as_list::<i32>().offsets(), value.as_list::<i32>().values().len())?;
            let list = value.as_list::<i32>();
            let items = one(list.values(), item.data_type(), zone)?;
            Ok(Arc::new(ListArray::try_new(Arc::clone(item), list.offsets().clone(), items, list.nulls().cloned())?))
        }
        (DataType::Map(..), DataType::Map(entries, sorted)) => {
            let value = alone(value, value.as_map().offsets(), value.as_map().entries().len())?;
            let map = value.as_map();
            let pairs = one(&(Arc::new(map.entries().clone()) as ArrayRef), entries.data_type(), zone)?;
            let (offsets, nulls) = (map.offsets().clone(), map.nulls().cloned());
            let pairs = pairs.as_struct().clone();
            let same = pairs.column(0).data_type() == map.keys().data_type();
            let map = MapArray::try_new(Arc::clone(entries), offsets, pairs, nulls, *sorted)?;
            // Keys that were two may be one as the other type.
            if same { Ok(Arc::new(map)) } else { last_of_each(&map) }
        }
        (DataType::Struct(given), DataType::Struct(wanted)) => {
            let Some(places) = members(given, wanted) else {
                return plan_err!("a ROW of {} is not one of {}", counted(given.len(), "field"), wanted.len());
            };
            let row = value.as_struct();
            let there = row.nulls().filter(|nulls| nulls.null_count() > 0);
            let gone = there.map(|there| BooleanArray::new(!there.inner(), None));
            let column = |at: usize| match &gone {
                Some(gone) => nullif(row.column(at), gone),
                None => Ok(Arc::clone(row.column(at))),
            };
            let columns = places.into_iter().zip(wanted).map(|(at, to)| one(&column(at)?, to.data_type(), zone));
            let columns = columns.collect::<Result<Vec<_>>>()?;
            let fields: Fields = wanted.iter().map(nullable).collect();
            let row = StructArray::try_new_with_length(fields, columns, row.nulls().cloned(), row.len())?;
            strict(&(Arc::new(row) as ArrayRef), to)
        }
        (DataType::List(_), DataType::Utf8) => {
            let list = value.as_list::<i32>();
            let items = one(list.values(), to, zone)?;
            let items = items.as_string::<i32>();
            Ok(texts(value, ['[', ']'], |row, part| {
                for at in list.value_offsets()[row]..list.value_offsets()[row + 1] {
                    part("", items, at as usize);
                }
            }))
        }
        (DataType::Map(..), DataType::Utf8) => {
            let map = value.as_map();
            let (keys, values) = (one(map.keys(), to, zone)?, one(map.values(), to, zone)?);
            let (keys, values) = (keys.as_string::<i32>(), values.as_string::<i32>());
            Ok(texts(value, ['{', '}'], |row, part| {
                for at in map.value_offsets()[row]..map.value_offsets()[row + 1] {
                    part(&format!("{}=", keys.value(at as usize)), values, at as usize);
                }
            }))
        }
        (DataType::Struct(_), DataType::Utf8) => {
            let columns = value.as_struct().columns().iter().map(|column| one(column, to, zone));
            let columns = columns.collect::<Result<Vec<_>>>()?;
            Ok(texts(value, ['(', ')'], |row, part| {
                columns.iter().for_each(|column| part("", column.as_string::<i32>(), row));
            }))
        }
        (from, to) if is_instant(from) => {
            let local = to_local(value.as_primitive::<TimestampMillisecondType>(), zone);
            one(&local, to, zone)
        }
        (DataType::Utf8, to) if is_instant(to) => instants(value.as_string::<i32>(), zone),
        (_, to) if is_instant(to) => {
            let local = strict(value, &TIME)?;
            let local = local.as_primitive::<TimestampMillisecondType>();
            let instants: TimestampMillisecondArray = local.unary(|local| zone.instant(local));
            Ok(Arc::new(instants.with_data_type(instant())))
        }
        (DataType::Timestamp(..), DataType::Utf8) => {
            let (local, pattern) = (strict(value, &TIME)?, compiled("yyyy-MM-dd HH:mm:ss.SSS")?);
            let written = local.as_primitive::<TimestampMillisecondType>().iter().map(|time| {
                let mut text = String::new();
                pattern.write(time?, 0, &mut text);
                Some(text)
            });
            Ok(Arc::new(written.collect::<StringArray>()))
        }
        (DataType::Boolean, DataType::Utf8) => {
            let word = |truth: bool| if truth { "TRUE" } else { "FALSE" };
            Ok(Arc::new(value.as_boolean().iter().map(|truth| truth.map(word)).collect::<StringArray>()))
        }
        (DataType::Interval(_) | DataType::Duration(_), DataType::Utf8) => match interval_texts(value) {
            Some(texts) => Ok(Arc::new(texts)),
            None => strict(value, to),
        },
        (from, to) if of_text::reads(from, to) => of_text::column(value, to, zone),
        _ => strict(value, to),
    }
}

/// The rows of arrays or maps with what is in them and nothing else: a part of a column keeps what is in its other rows, and a NULL may
/// keep what stood there; neither is to fail. `items` is how many there are in all.
fn alone(value: &ArrayRef, offsets: &[i32], items: usize) -> Result<ArrayRef> {
    let ends = offsets.first() == Some(&0) && offsets.last().is_some_and(|end| *end as usize == items);
    let hides = |row: usize| value.is_null(row) && offsets[row] < offsets[row + 1];
    if ends && (value.null_count() == 0 || !(0..value.len()).any(hides)) {
        return Ok(Arc::clone(value));
    }
    Ok(take(value, &UInt32Array::from_iter_values(0..value.len() as u32), None)?)
}

/// Nested values as text, as Flink writes them: their parts between brackets, `[1, NULL]`, `{a=1}`, `(1, x)`.
fn texts(
    value: &ArrayRef,
    [open, close]: [char; 2],
    parts: impl Fn(usize, &mut dyn FnMut(&str, &StringArray, usize)),
) -> ArrayRef {
    let written = (0..value.len()).map(|row| {
        if value.is_null(row) {
            return None;
        }
        let (mut text, mut between) = (String::from(open), "");
        parts(row, &mut |before, values, at| {
            text.push_str(std::mem::replace(&mut between, ", "));
            text.push_str(before);
            text.push_str(if values.is_null(at) { "NULL" } else { values.value(at) });
        });
        text.push(close);
        Some(text)
    });
    Arc::new(written.collect::<StringArray>())
}

fn nullable(field: &FieldRef) -> FieldRef {
    Arc::new(Field::new(field.name(), field.data_type().clone(), true))
}

/// Arrow's cast, which fails where a value does not fit.
fn strict(value: &ArrayRef, to: &DataType) -> Result<ArrayRef> {
    let options = CastOptions { safe: false, ..CastOptions::default() };
    Ok(cast_with_options(value, to, &options)?)
}
