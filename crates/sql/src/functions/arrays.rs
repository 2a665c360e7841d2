//! Arrays: the constructor, single items, and what looks into them or joins them. Items count from 1. NULL is an item like
//! others, equal to NULL; an array that is NULL gives NULL.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, BooleanArray, Int64Array};
use arrow_schema::{DataType, SortOptions};
use datafusion_common::{Result, exec_err};

use super::generic::{Call, Coerced, Generic, common};
use super::lists::{ItemKeys, Lists, Pool, item_of, list_of};
use highwater_core::expression::{MAX_TEXT, too_long};

/// Every function of this family.
pub(super) const FUNCTIONS: &[Generic] = &[
    Generic {
        name: "array",
        aliases: &["make_array"],
        usage: "ARRAY[a, b, ...] of values of one type",
        coerce: |given| {
            let item = if given.is_empty() { DataType::Null } else { common(given)? };
            Some((vec![item.clone(); given.len()], list_of(&item)))
        },
        eval: |call| {
            let null = arrow_array::new_null_array(&DataType::Null, 0);
            let columns: Vec<&ArrayRef> = if call.args.is_empty() { vec![&null] } else { call.args.iter().collect() };
            let pool = Pool::new(&columns)?;
            pool.lists(call.rows, call.output, |row, places| {
                places.extend((0..call.args.len()).map(|column| pool.place(column, row) as u32));
                Ok(Some(()))
            })
        },
    },
    Generic {
        name: "array_element",
        aliases: &["array_extract"],
        usage: "items[n], n from 1",
        coerce: |given| match given {
            [list, at] if at.is_integer() || at.is_null() => {
                let item = item_of(list)?;
                Some((vec![list_of(&item), DataType::Int64], item))
            }
            _ => None,
        },
        eval: |call| {
            let (lists, at) = (Lists::of(&call.args[0]), call.args[1].as_primitive::<Int64Type>());
            let pool = Pool::new(&[lists.items()])?;
            pool.ones(call.rows, |row| {
                let Some(range) = lists.get(row).filter(|_| at.is_valid(row)) else { return Ok(None) };
                let at = usize::try_from(at.value(row)).ok().and_then(|at| at.checked_sub(1));
                Ok(at.filter(|at| *at < range.len()).map(|at| range.start + at))
            })
        },
    },
    Generic {
        name: "element",
        aliases: &[],
        usage: "ELEMENT(array)",
        coerce: |given| match given {
            [list] => item_of(list).map(|item| (vec![list_of(&item)], item)),
            _ => None,
        },
        eval: |call| {
            let lists = Lists::of(&call.args[0]);
            let pool = Pool::new(&[lists.items()])?;
            pool.ones(call.rows, |row| match lists.get(row) {
                Some(range) if range.len() > 1 => {
                    exec_err!("ELEMENT of an array of {} items: it takes one or none", range.len())
                }
                range => Ok(range.filter(|range| !range.is_empty()).map(|range| range.start)),
            })
        },
    },
    Generic {
        name: "cardinality",
        aliases: &["array_length", "array_size"],
        usage: "CARDINALITY(array or map)",
        coerce: |given| match given {
            [list @ DataType::Map(..)] => Some((vec![list.clone()], DataType::Int64)),
            [list] => item_of(list).map(|item| (vec![list_of(&item)], DataType::Int64)),
            _ => None,
        },
        eval: |call| {
            let array = &call.args[0];
            let lengths: Int64Array = match array.data_type() {
                DataType::Map(..) => {
                    let maps = array.as_map();
                    (0..call.rows).map(|row| maps.is_valid(row).then(|| i64::from(maps.value_length(row)))).collect()
                }
                _ => {
                    let lists = Lists::of(array);
                    (0..call.rows).map(|row| lists.get(row).map(|range| range.len() as i64)).collect()
                }
            };
            Ok(Arc::new(lengths))
        },
    },
    Generic {
        name: "array_contains",
        aliases: &["array_has"],
        usage: "ARRAY_CONTAINS(array, item)",
        coerce: |given| with_item(given, DataType::Boolean),
        eval: |call| {
            let found = positions(call, true)?;
            Ok(Arc::new(found.iter().map(|at| at.map(|at| at > 0)).collect::<BooleanArray>()))
        },
    },
    Generic {
        name: "array_position",
        aliases: &[],
        usage: "ARRAY_POSITION(array, item)",
        coerce: |given| with_item(given, DataType::Int64),
        eval: |call| Ok(Arc::new(positions(call, false)?)),
    },
    Generic {
        name: "array_append",
        aliases: &[],
        usage: "ARRAY_APPEND(array, item)",
        coerce: |given| with_item(given, DataType::Null).map(|(args, _)| (args.clone(), args[0].clone())),
        eval: |call| joined(call, false),
    },
    Generic {
        name: "array_prepend",
        aliases: &[],
        usage: "ARRAY_PREPEND(array, item)",
        coerce: |given| with_item(given, DataType::Null).map(|(args, _)| (args.clone(), args[0].clone())),
        eval: |call| joined(call, true),
    },
    Generic {
        name: "array_concat",
        aliases: &[],
        usage: "ARRAY_CONCAT(array, array, ...)",
        coerce: |given| if given.is_empty() { None } else { alike(given) },
        eval: |call| {
            let lists: Vec<Lists<'_>> = call.args.iter().map(Lists::of).collect();
            let pool = Pool::new(&lists.iter().map(Lists::items).collect::<Vec<_>>())?;
            pool.lists(call.rows, call.output, |row, places| {
                for (column, lists) in lists.iter().enumerate() {
                    let Some(range) = lists.get(row) else { return Ok(None) };
                    places.extend(range.map(|item| pool.place(column, item) as u32));
                }
                Ok(Some(()))
            })
        },
    },
    Generic {
        name: "array_reverse",
        aliases: &[],
        usage: "ARRAY_REVERSE(array)",
        coerce: one,
        eval: |call| {
            let lists = Lists::of(&call.args[0]);
            Pool::new(&[lists.items()])?.lists(call.rows, call.output, |row, places| {
                let Some(range) = lists.get(row) else { return Ok(None) };
                places.extend(range.rev().map(|item| item as u32));
                Ok(Some(()))
            })
        },
    },
    Generic {
        name: "array_slice",
        aliases: &[],
        usage: "ARRAY_SLICE(array, start[, end])",
        coerce: |given| match given {
            [list, bounds @ ..]
                if matches!(bounds.len(), 1 | 2) && bounds.iter().all(|b| b.is_integer() || b.is_null()) =>
            {
                let list = list_of(&item_of(list)?);
                let args = std::iter::once(list.clone()).chain(bounds.iter().map(|_| DataType::Int64));
                Some((args.collect(), list))
            }
            _ => None,
        },
        eval: |call| {
            let lists = Lists::of(&call.args[0]);
            let bound = |at: usize, row: usize| -> Option<i64> {
                let bounds = call.args[at].as_primitive::<Int64Type>();
                bounds.is_valid(row).then(|| bounds.value(row))
            };
            Pool::new(&[lists.items()])?.lists(call.rows, call.output, |row, places| {
                let (Some(range), Some(start)) = (lists.get(row), bound(1, row)) else { return Ok(None) };
                let count = range.len() as i64;
                let end = if call.args.len() > 2 { bound(2, row) } else { Some(count) };
                let Some(end) = end else { return Ok(None) };
                let from_end = |at: i64| if at < 0 { at.saturating_add(count).saturating_add(1) } else { at };
                let (start, end) = (from_end(start).max(1), if end == 0 { 1 } else { from_end(end) }.min(count));
                places.extend((start..=end).map(|at| (range.start as i64 + at - 1) as u32));
                Ok(Some(()))
            })
        },
    },
    Generic {
        name: "array_join",
        aliases: &["array_to_string"],
        usage: "ARRAY_JOIN(array of text, separator[, what stands for NULL])",
        coerce: |given| match given {
            [list, rest @ ..] if matches!(rest.len(), 1 | 2) && rest.iter().all(|t| t.is_string() || t.is_null()) => {
                item_of(list).filter(|item| item.is_string() || item.is_null())?;
                let args = std::iter::once(list_of(&DataType::Utf8)).chain(rest.iter().map(|_| DataType::Utf8));
                Some((args.collect(), DataType::Utf8))
            }
            _ => None,
        },
        eval: |call| {
            let lists = Lists::of(&call.args[0]);
            let items = lists.items().as_string::<i32>();
            let text = |at: usize, row: usize| {
                let texts = call.args[at].as_string::<i32>();
                texts.is_valid(row).then(|| texts.value(row))
            };
            let mut out = arrow_array::builder::StringBuilder::new();
            let mut joined = String::new();
            for row in 0..call.rows {
                let null = (call.args.len() > 2).then(|| text(2, row));
                let (Some(range), Some(separator)) = (lists.get(row), text(1, row)) else {
                    out.append_null();
                    continue;
                };
                joined.clear();
                let shown =
                    range.filter_map(|at| if items.is_valid(at) { Some(items.value(at)) } else { null.flatten() });
                for (at, item) in shown.enumerate() {
                    // A character has four bytes at most; what is told here is not made to its end.
                    if joined.len() > 4 * MAX_TEXT {
                        return too_long(joined.chars().count());
                    }
                    joined.push_str(if at > 0 { separator } else { "" });
                    joined.push_str(item);
                }
                out.append_value(&joined);
            }
            Ok(Arc::new(out.finish()))
        },
    },
];

/// One array.
pub(super) fn one(given: &[DataType]) -> Coerced {
    match given {
        [list] => item_of(list).map(|item| (vec![list_of(&item)], list_of(&item))),
        _ => None,
    }
}

/// Arrays of one type.
pub(super) fn alike(given: &[DataType]) -> Coerced {
    let items = given.iter().map(item_of).collect::<Option<Vec<_>>>()?;
    let list = list_of(&common(&items)?);
    Some((vec![list.clone(); given.len()], list))
}

/// An array and a value of the type of its items.
pub(super) fn with_item(given: &[DataType], output: DataType) -> Coerced {
    match given {
        [list, item] => {
            let item = common(&[item_of(list)?, item.clone()])?;
            Some((vec![list_of(&item), item], output))
        }
        _ => None,
    }
}

/// Where the item first stands, 0 if nowhere. A NULL is looked for, or gives NULL.
fn positions(call: &Call<'_>, nulls: bool) -> Result<Int64Array> {
    let lists = Lists::of(&call.args[0]);
    let mut keys = ItemKeys::new(call.args[1].data_type(), SortOptions::default())?;
    let (items, wanted) = (keys.of(lists.items())?, keys.of(&call.args[1])?);
    let position = |row: usize| {
        let (range, wanted) = (lists.get(row)?, wanted.row(row));
        if !nulls && keys.is_null(wanted) {
            return None;
        }
        let first = range.start;
        Some(range.into_iter().find(|&at| items.row(at) == wanted).map_or(0, |at| (at - first) as i64 + 1))
    };
    Ok((0..call.rows).map(position).collect())
}

/// The array with the item behind it, or before.
fn joined(call: &Call<'_>, before: bool) -> Result<ArrayRef> {
    let lists = Lists::of(&call.args[0]);
    let pool = Pool::new(&[lists.items(), &call.args[1]])?;
    pool.lists(call.rows, call.output, |row, places| {
        let Some(range) = lists.get(row) else { return Ok(None) };
        let item = pool.place(1, row) as u32;
        places.extend(before.then_some(item));
        places.extend(range.map(|at| at as u32));
        places.extend((!before).then_some(item));
        Ok(Some(()))
    })
}
