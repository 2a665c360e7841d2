//! Arrays as sets, and in order: ARRAY_DISTINCT, ARRAY_UNION, ARRAY_EXCEPT, ARRAY_INTERSECT, ARRAY_REMOVE, ARRAY_SORT,
//! ARRAY_MIN, ARRAY_MAX. Items keep the order in which they first stand, but for ARRAY_SORT.

use std::collections::HashSet;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef};
use arrow_row::Row;
use arrow_schema::{DataType, SortOptions};
use datafusion_common::Result;

use super::arrays::{alike, one, with_item};
use super::generic::{Call, Generic};
use super::lists::{ItemKeys, Lists, Pool, item_of, list_of};

/// Every function of this family.
pub(super) const FUNCTIONS: &[Generic] = &[
    Generic {
        name: "array_distinct",
        aliases: &[],
        usage: "ARRAY_DISTINCT(array)",
        coerce: one,
        eval: |call| combined(call, |_, fresh, _| fresh),
    },
    Generic {
        name: "array_union",
        aliases: &[],
        usage: "ARRAY_UNION(array, array)",
        coerce: |given| if given.len() == 2 { alike(given) } else { None },
        eval: |call| combined(call, |_, fresh, _| fresh),
    },
    Generic {
        name: "array_except",
        aliases: &[],
        usage: "ARRAY_EXCEPT(array, array)",
        coerce: |given| if given.len() == 2 { alike(given) } else { None },
        eval: |call| combined(call, |column, fresh, in_last| column == 0 && fresh && !in_last),
    },
    Generic {
        name: "array_intersect",
        aliases: &[],
        usage: "ARRAY_INTERSECT(array, array)",
        coerce: |given| if given.len() == 2 { alike(given) } else { None },
        eval: |call| combined(call, |column, fresh, in_last| column == 0 && fresh && in_last),
    },
    Generic {
        name: "array_remove",
        aliases: &[],
        usage: "ARRAY_REMOVE(array, item)",
        coerce: |given| with_item(given, DataType::Null).map(|(args, _)| (args.clone(), args[0].clone())),
        eval: |call| {
            let lists = Lists::of(&call.args[0]);
            let mut keys = ItemKeys::new(call.args[1].data_type(), SortOptions::default())?;
            let (items, unwanted) = (keys.of(lists.items())?, keys.of(&call.args[1])?);
            Pool::new(&[lists.items()])?.lists(call.rows, call.output, |row, places| {
                let Some(range) = lists.get(row) else { return Ok(None) };
                places.extend(range.filter(|&at| items.row(at) != unwanted.row(row)).map(|at| at as u32));
                Ok(Some(()))
            })
        },
    },
    Generic {
        name: "array_sort",
        aliases: &[],
        usage: "ARRAY_SORT(array[, ascending[, nulls first]])",
        coerce: |given| match given {
            [list, flags @ ..] if flags.len() <= 2 && flags.iter().all(|t| *t == DataType::Boolean || t.is_null()) => {
                let list = list_of(&item_of(list)?);
                let args = std::iter::once(list.clone()).chain(flags.iter().map(|_| DataType::Boolean));
                Some((args.collect(), list))
            }
            _ => None,
        },
        eval: |call| {
            let lists = Lists::of(&call.args[0]);
            let mut keys = ItemKeys::new(lists.items().data_type(), SortOptions::default())?;
            let items = keys.of(lists.items())?;
            let flag = |at: usize, row: usize, otherwise: bool| match call.args.get(at) {
                None => Some(otherwise),
                Some(flags) => flags.as_boolean().is_valid(row).then(|| flags.as_boolean().value(row)),
            };
            Pool::new(&[lists.items()])?.lists(call.rows, call.output, |row, places| {
                let (Some(range), Some(ascending)) = (lists.get(row), flag(1, row, true)) else { return Ok(None) };
                let Some(nulls_first) = flag(2, row, ascending) else { return Ok(None) };
                let from = places.len();
                let (mut there, mut nulls): (Vec<usize>, Vec<usize>) =
                    range.partition(|&at| !keys.is_null(items.row(at)));
                there.sort_by(|&a, &b| items.row(a).cmp(&items.row(b)));
                if !ascending {
                    there.reverse();
                }
                if nulls_first {
                    nulls.append(&mut there);
                    there = nulls;
                } else {
                    there.append(&mut nulls);
                }
                debug_assert_eq!(from, places.len());
                places.extend(there.into_iter().map(|at| at as u32));
                Ok(Some(()))
            })
        },
    },
    Generic {
        name: "array_max",
        aliases: &[],
        usage: "ARRAY_MAX(array)",
        coerce: |given| one(given).and_then(|(args, list)| Some((args, item_of(&list)?))),
        eval: |call| foremost(call, true),
    },
    Generic {
        name: "array_min",
        aliases: &[],
        usage: "ARRAY_MIN(array)",
        coerce: |given| one(given).and_then(|(args, list)| Some((args, item_of(&list)?))),
        eval: |call| foremost(call, false),
    },
];

/// Items of all arrays, one after the other, for which `wanted` holds: of an item's array, whether it has not been before,
/// and whether it is in the last array.
fn combined(call: &Call<'_>, wanted: fn(usize, bool, bool) -> bool) -> Result<ArrayRef> {
    let lists: Vec<Lists<'_>> = call.args.iter().map(Lists::of).collect();
    let pool = Pool::new(&lists.iter().map(Lists::items).collect::<Vec<_>>())?;
    let mut keys = ItemKeys::new(pool.items().data_type(), SortOptions::default())?;
    let items = keys.of(pool.items())?;
    let (mut seen, mut last): (HashSet<Row<'_>>, HashSet<Row<'_>>) = Default::default();
    pool.lists(call.rows, call.output, |row, places| {
        seen.clear();
        last.clear();
        let at = lists.len() - 1;
        let Some(range) = lists[at].get(row) else { return Ok(None) };
        if at > 0 {
            last.extend(range.map(|item| items.row(pool.place(at, item))));
        }
        for (column, lists) in lists.iter().enumerate() {
            let Some(range) = lists.get(row) else { return Ok(None) };
            for place in range.map(|item| pool.place(column, item)) {
                let key = items.row(place);
                if wanted(column, seen.insert(key), last.contains(&key)) {
                    places.push(place as u32);
                }
            }
        }
        Ok(Some(()))
    })
}

/// The greatest item, or the least, that is not NULL.
fn foremost(call: &Call<'_>, greatest: bool) -> Result<ArrayRef> {
    let lists = Lists::of(&call.args[0]);
    let mut keys = ItemKeys::new(lists.items().data_type(), SortOptions::default())?;
    let items = keys.of(lists.items())?;
    Pool::new(&[lists.items()])?.ones(call.rows, |row| {
        let there = lists.get(row).into_iter().flatten().filter(|&at| !keys.is_null(items.row(at)));
        let by = |a: &usize, b: &usize| items.row(*a).cmp(&items.row(*b));
        Ok(if greatest { there.max_by(by) } else { there.min_by(by) })
    })
}
