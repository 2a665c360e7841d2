//! Maps and rows: `MAP[k, v, ...]`, `m[k]`, MAP_KEYS, MAP_VALUES, MAP_ENTRIES, MAP_FROM_ARRAYS, MAP_UNION, STR_TO_MAP; and
//! `ROW(a, b)`, whose fields are `f0`, `f1`. A key that is given twice has its last value; keys are not NULL.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, MapArray, StringArray, StructArray};
use arrow_row::Row;
use arrow_schema::{DataType, Field, Fields, SortOptions};
use datafusion_common::{Result, exec_err};

use super::generic::{Coerced, Generic, common};
use super::lists::{ItemKeys, Lists, Pool, item_of, list_of};
use crate::parse::column_type::map_of;
use highwater_core::counted::counted;

/// Every function of this family.
pub(super) const FUNCTIONS: &[Generic] = &[
    Generic {
        name: "map",
        aliases: &[],
        usage: "MAP[key, value, key, value, ...] of keys of one type and values of one type",
        coerce: |given| {
            if given.is_empty() || !given.len().is_multiple_of(2) {
                return None;
            }
            let of = |odd: usize| common(&given.iter().skip(odd).step_by(2).cloned().collect::<Vec<_>>());
            let (key, value) = (of(0)?, of(1)?);
            let args = (0..given.len()).map(|at| if at % 2 == 0 { key.clone() } else { value.clone() }).collect();
            Some((args, map_of(&key, &value)))
        },
        eval: |call| {
            let (keys, values): (Vec<_>, Vec<_>) = call.args.iter().enumerate().partition(|(at, _)| at % 2 == 0);
            let [keys, values] = [keys, values]
                .map(|c: Vec<(usize, &ArrayRef)>| Pool::new(&c.into_iter().map(|(_, c)| c).collect::<Vec<_>>()));
            let (keys, values) = (keys?, values?);
            built(call.rows, call.output, &keys, &values, |row, pairs| {
                pairs.extend((0..call.args.len() / 2).map(|at| (keys.place(at, row), values.place(at, row))));
                Ok(Some(()))
            })
        },
    },
    Generic {
        name: "map_value",
        aliases: &["element_at"],
        usage: "map[key]",
        coerce: |given| match given {
            [DataType::Map(..), _] => {
                let (key, value) = pair_of(&given[0])?;
                Some((vec![given[0].clone(), key], value))
            }
            _ => None,
        },
        eval: |call| {
            let map = call.args[0].as_map();
            let mut keys = ItemKeys::new(map.keys().data_type(), SortOptions::default())?;
            let (known, wanted) = (keys.of(map.keys())?, keys.of(&call.args[1])?);
            let offsets = map.value_offsets();
            Pool::new(&[map.values()])?.ones(call.rows, |row| {
                let range = offsets[row] as usize..offsets[row + 1] as usize;
                let found = range.into_iter().find(|&at| known.row(at) == wanted.row(row));
                Ok(found.filter(|_| map.is_valid(row)))
            })
        },
    },
    Generic {
        name: "map_keys",
        aliases: &[],
        usage: "MAP_KEYS(map)",
        coerce: |given| one(given).and_then(|(args, map)| Some((args, list_of(&pair_of(&map)?.0)))),
        eval: |call| listed(call.args[0].as_map(), call.args[0].as_map().keys(), call.output),
    },
    Generic {
        name: "map_values",
        aliases: &[],
        usage: "MAP_VALUES(map)",
        coerce: |given| one(given).and_then(|(args, map)| Some((args, list_of(&pair_of(&map)?.1)))),
        eval: |call| listed(call.args[0].as_map(), call.args[0].as_map().values(), call.output),
    },
    Generic {
        name: "map_entries",
        aliases: &[],
        usage: "MAP_ENTRIES(map)",
        coerce: |given| {
            one(given).and_then(|(args, map)| {
                let (key, value) = pair_of(&map)?;
                let fields = Fields::from(vec![Field::new("key", key, true), Field::new("value", value, true)]);
                Some((args, list_of(&DataType::Struct(fields))))
            })
        },
        eval: |call| {
            let map = call.args[0].as_map();
            let Some(DataType::Struct(fields)) = item_of(call.output) else {
                return datafusion_common::internal_err!("entries are rows");
            };
            let columns = vec![Arc::clone(map.keys()), Arc::clone(map.values())];
            let entries: ArrayRef = Arc::new(StructArray::try_new(fields, columns, None)?);
            listed(map, &entries, call.output)
        },
    },
    Generic {
        name: "map_from_arrays",
        aliases: &[],
        usage: "MAP_FROM_ARRAYS(array of keys, array of values)",
        coerce: |given| match given {
            [keys, values] => {
                let (key, value) = (item_of(keys)?, item_of(values)?);
                Some((vec![list_of(&key), list_of(&value)], map_of(&key, &value)))
            }
            _ => None,
        },
        eval: |call| {
            let (keys, values) = (Lists::of(&call.args[0]), Lists::of(&call.args[1]));
            let pools = (Pool::new(&[keys.items()])?, Pool::new(&[values.items()])?);
            built(call.rows, call.output, &pools.0, &pools.1, |row, pairs| {
                let (Some(keys), Some(values)) = (keys.get(row), values.get(row)) else { return Ok(None) };
                if keys.len() != values.len() {
                    return exec_err!(
                        "MAP_FROM_ARRAYS of {} and {}",
                        counted(keys.len(), "key"),
                        counted(values.len(), "value")
                    );
                }
                pairs.extend(keys.zip(values));
                Ok(Some(()))
            })
        },
    },
    Generic {
        name: "map_union",
        aliases: &[],
        usage: "MAP_UNION(map, map, ...) of maps of one type",
        coerce: |given| {
            let pairs = given.iter().map(pair_of).collect::<Option<Vec<_>>>()?;
            let (keys, values): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
            let map = map_of(&common(&keys)?, &common(&values)?);
            Some((vec![map.clone(); given.len()], map))
        },
        eval: |call| {
            let maps: Vec<&MapArray> = call.args.iter().map(|arg| arg.as_map()).collect();
            let keys = Pool::new(&maps.iter().map(|map| map.keys()).collect::<Vec<_>>())?;
            let values = Pool::new(&maps.iter().map(|map| map.values()).collect::<Vec<_>>())?;
            built(call.rows, call.output, &keys, &values, |row, pairs| {
                for (at, map) in maps.iter().enumerate() {
                    if map.is_null(row) {
                        return Ok(None);
                    }
                    let range = map.value_offsets()[row] as usize..map.value_offsets()[row + 1] as usize;
                    pairs.extend(range.map(|entry| (keys.place(at, entry), values.place(at, entry))));
                }
                Ok(Some(()))
            })
        },
    },
    Generic {
        name: "str_to_map",
        aliases: &[],
        usage: "STR_TO_MAP(text[, separator of pairs, separator of key and value])",
        coerce: |given| {
            let texts = matches!(given.len(), 1 | 3) && given.iter().all(|t| t.is_string() || t.is_null());
            texts.then(|| (vec![DataType::Utf8; given.len()], map_of(&DataType::Utf8, &DataType::Utf8)))
        },
        eval: |call| {
            let text = |at: usize, row: usize, otherwise: &'static str| match call.args.get(at) {
                None => Some(otherwise),
                Some(texts) => texts.as_string::<i32>().is_valid(row).then(|| texts.as_string::<i32>().value(row)),
            };
            let (mut keys, mut values, mut ranges) = (Vec::new(), Vec::new(), Vec::new());
            for row in 0..call.rows {
                let start = keys.len();
                let found = (text(0, row, ""), text(1, row, ","), text(2, row, "="));
                if let (Some(text), Some(between), Some(within)) = found {
                    for pair in text.split(between) {
                        let (key, value) = pair.split_once(within).map_or((pair, None), |(k, v)| (k, Some(v)));
                        keys.push(key);
                        values.push(value);
                    }
                    ranges.push(Some(start..keys.len()));
                } else {
                    ranges.push(None);
                }
            }
            let (keys, values): (ArrayRef, ArrayRef) =
                (Arc::new(StringArray::from(keys)), Arc::new(StringArray::from(values)));
            let (keys, values) = (Pool::new(&[&keys])?, Pool::new(&[&values])?);
            built(call.rows, call.output, &keys, &values, |row, pairs| {
                let Some(range) = ranges[row].clone() else { return Ok(None) };
                pairs.extend(range.map(|at| (at, at)));
                Ok(Some(()))
            })
        },
    },
    Generic {
        name: "row",
        aliases: &["struct"],
        usage: "ROW(value, value, ...)",
        coerce: |given| {
            let plain = |t: &DataType| if t.is_null() { DataType::Utf8 } else { t.clone() };
            let types: Vec<DataType> = given.iter().map(plain).collect();
            let field = |(at, data_type): (usize, &DataType)| Field::new(format!("f{at}"), data_type.clone(), true);
            let fields: Fields = types.iter().enumerate().map(field).collect();
            (!given.is_empty()).then_some((types, DataType::Struct(fields)))
        },
        eval: |call| {
            let DataType::Struct(fields) = call.output else {
                return datafusion_common::internal_err!("a row is made");
            };
            Ok(Arc::new(StructArray::try_new(fields.clone(), call.args.to_vec(), None)?))
        },
    },
];

fn pair_of(map: &DataType) -> Option<(DataType, DataType)> {
    let DataType::Map(entries, _) = map else { return None };
    let DataType::Struct(fields) = entries.data_type() else { return None };
    Some((fields.first()?.data_type().clone(), fields.get(1)?.data_type().clone()))
}

fn one(given: &[DataType]) -> Coerced {
    match given {
        [map @ DataType::Map(..)] => Some((vec![map.clone()], map.clone())),
        _ => None,
    }
}

/// An array for each map, of its entries' items.
fn listed(map: &MapArray, items: &ArrayRef, output: &DataType) -> Result<ArrayRef> {
    Pool::new(&[items])?.lists(map.len(), output, |row, places| {
        let range = map.value_offsets()[row] as u32..map.value_offsets()[row + 1] as u32;
        places.extend(range);
        Ok(map.is_valid(row).then_some(()))
    })
}

/// The maps with each key once, with the last of its values.
pub(super) fn last_of_each(map: &MapArray) -> Result<ArrayRef> {
    let (keys, values) = (Pool::new(&[map.keys()])?, Pool::new(&[map.values()])?);
    built(map.len(), map.data_type(), &keys, &values, |row, pairs| {
        let range = map.value_offsets()[row] as usize..map.value_offsets()[row + 1] as usize;
        pairs.extend(range.map(|at| (at, at)));
        Ok(map.is_valid(row).then_some(()))
    })
}

/// A map column: `pick` appends the places of a row's keys and values, or answers `None` for NULL.
fn built(
    rows: usize,
    output: &DataType,
    keys: &Pool,
    values: &Pool,
    mut pick: impl FnMut(usize, &mut Vec<(usize, usize)>) -> Result<Option<()>>,
) -> Result<ArrayRef> {
    let DataType::Map(field, sorted) = output else {
        return datafusion_common::internal_err!("a map was to be made of another type");
    };
    let (Some((key, value)), DataType::Struct(fields)) = (pair_of(output), field.data_type()) else {
        return datafusion_common::internal_err!("a map has entries");
    };
    let mut converter = ItemKeys::new(&key, SortOptions::default())?;
    let known = converter.of(keys.items())?;
    let mut pairs = Vec::new();
    let mut first: HashMap<Row<'_>, usize> = HashMap::new();
    let mut chosen: Vec<u32> = Vec::new();
    let lists = keys.lists(rows, &list_of(&key), |row, places| {
        pairs.clear();
        first.clear();
        if pick(row, &mut pairs)?.is_none() {
            return Ok(None);
        }
        let from = places.len();
        for &(key, value) in &pairs {
            let name = known.row(key);
            if converter.is_null(name) {
                return exec_err!("a key of a map is NULL");
            }
            match first.get(&name) {
                Some(&at) => chosen[at] = value as u32,
                None => {
                    first.insert(name, chosen.len());
                    places.push(key as u32);
                    chosen.push(value as u32);
                }
            }
        }
        debug_assert!(places.len() >= from);
        Ok(Some(()))
    })?;
    let lists = lists.as_list::<i32>();
    let chosen: ArrayRef = match chosen.is_empty() {
        true => arrow_array::new_empty_array(&value),
        false => arrow_select::take::take(values.items(), &arrow_array::UInt32Array::from(chosen), None)?,
    };
    let entries = StructArray::try_new(fields.clone(), vec![Arc::clone(lists.values()), chosen], None)?;
    Ok(Arc::new(MapArray::try_new(
        Arc::clone(field),
        lists.offsets().clone(),
        entries,
        lists.nulls().cloned(),
        *sorted,
    )?))
}
