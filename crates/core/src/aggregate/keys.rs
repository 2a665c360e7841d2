//! Key rows as dense group numbers: equal keys, equal numbers. NULLs are equal, `-0.0` is `0.0`, every NaN is one NaN.
//!
//! Numbers of removed keys are given out again, the last removed first; so they depend on the order of calls only.

use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_array::builder::StringBuilder;
use arrow_array::cast::AsArray;
use arrow_row::{RowConverter, SortField};
use arrow_schema::{DataType, Field};

use super::keys_bytes::ByteKeys;
use super::keys_words::{PairKeys, WordKeys};
use crate::delta::{canonical, words};
use crate::guard::give_up;

/// The keys of a table, columnar.
#[derive(Debug)]
pub struct Keys {
    types: Vec<DataType>,
    form: Form,
}

/// The fastest form that fits the key's types.
#[derive(Debug)]
enum Form {
    /// No key column: one group.
    Unit(Numbers),
    /// One column of fixed width.
    Word(WordKeys),
    /// Two columns of fixed width.
    Pair(PairKeys),
    /// One text column.
    Text(ByteKeys),
    /// Anything else, as comparable row bytes.
    Rows(RowConverter, ByteKeys),
}

/// Gives out dense numbers, those put back last first.
#[derive(Debug, Default)]
pub struct Numbers {
    end: usize,
    free: Vec<u32>,
}

impl Numbers {
    /// A number that is not in use.
    pub fn take(&mut self) -> u32 {
        self.free.pop().unwrap_or_else(|| {
            let Ok(number) = u32::try_from(self.end) else {
                give_up(
                    "a worker has more than 2^32 groups in one table",
                    "run it on more workers, or with a smaller window",
                )
            };
            self.end += 1;
            number
        })
    }

    /// Puts a number back.
    pub fn put(&mut self, number: u32) {
        self.free.push(number);
    }

    /// All numbers in use are below this.
    pub fn end(&self) -> usize {
        self.end
    }

    /// How many are in use.
    pub fn live(&self) -> usize {
        self.end - self.free.len()
    }

    /// Those in use, ascending.
    pub fn used(&self) -> Vec<u32> {
        let mut used = vec![true; self.end];
        self.free.iter().for_each(|&free| used[free as usize] = false);
        (0..self.end as u32).filter(|&number| used[number as usize]).collect()
    }
}

impl Keys {
    /// No keys yet, of these types.
    pub fn new(types: &[DataType]) -> Keys {
        let form = match types {
            [] => Form::Unit(Numbers::default()),
            [one] if words::is_word(one) => Form::Word(WordKeys::default()),
            [a, b] if words::is_word(a) && words::is_word(b) => Form::Pair(PairKeys::default()),
            [DataType::Utf8] => Form::Text(ByteKeys::default()),
            types => match RowConverter::new(types.iter().map(|t| SortField::new(t.clone())).collect()) {
                Ok(converter) => Form::Rows(converter, ByteKeys::default()),
                Err(error) => unreachable!("the planner refuses keys that have no row form: {error}"),
            },
        };
        Keys { types: types.to_vec(), form }
    }

    /// Appends the number of each row's key to `groups`; new keys get one.
    pub fn intern(&mut self, columns: &[ArrayRef], rows: usize, groups: &mut Vec<u32>) {
        groups.reserve(rows);
        match &mut self.form {
            Form::Unit(numbers) => {
                if numbers.live() == 0 && rows > 0 {
                    numbers.take();
                }
                groups.extend(std::iter::repeat_n(0, rows));
            }
            Form::Word(keys) => keys.intern(&columns[0], groups),
            Form::Pair(keys) => keys.intern(&columns[0], &columns[1], groups),
            Form::Text(keys) => {
                groups.extend(columns[0].as_string::<i32>().iter().map(|text| keys.intern(text.map(str::as_bytes))))
            }
            Form::Rows(converter, keys) => {
                let columns: Vec<ArrayRef> = columns.iter().map(canonical).collect();
                match converter.convert_columns(&columns) {
                    Ok(encoded) => groups.extend(encoded.iter().map(|row| keys.intern(Some(row.data())))),
                    Err(error) => unreachable!("key columns have the planned types: {error}"),
                }
            }
        }
    }

    /// The numbers here of the keys that are `from` in `other`, a table of the same key types; new keys get one.
    pub fn intern_from(&mut self, other: &Keys, from: &[u32]) -> Vec<u32> {
        match (&mut self.form, &other.form) {
            (Form::Unit(numbers), Form::Unit(_)) => {
                if numbers.live() == 0 && !from.is_empty() {
                    numbers.take();
                }
                vec![0; from.len()]
            }
            (Form::Word(keys), Form::Word(other)) => keys.intern_from(other, from),
            (Form::Pair(keys), Form::Pair(other)) => keys.intern_from(other, from),
            (Form::Text(keys), Form::Text(other)) | (Form::Rows(_, keys), Form::Rows(_, other)) => {
                keys.intern_from(other, from)
            }
            _ => unreachable!("both tables have the same key types"),
        }
    }

    /// The numbers here of the keys that are `from` in `other`, a table of the same key types; `None` for keys that are not here.
    pub fn find_from(&self, other: &Keys, from: &[u32]) -> Vec<Option<u32>> {
        match (&self.form, &other.form) {
            (Form::Unit(numbers), Form::Unit(_)) => vec![(numbers.live() > 0).then_some(0); from.len()],
            (Form::Word(keys), Form::Word(other)) => keys.find_from(other, from),
            (Form::Pair(keys), Form::Pair(other)) => keys.find_from(other, from),
            (Form::Text(keys), Form::Text(other)) | (Form::Rows(_, keys), Form::Rows(_, other)) => {
                keys.find_from(other, from)
            }
            _ => unreachable!("both tables have the same key types"),
        }
    }

    /// The key columns of these groups, in this order.
    pub fn columns(&self, groups: &[u32]) -> Vec<ArrayRef> {
        match &self.form {
            Form::Unit(_) => Vec::new(),
            Form::Word(keys) => vec![keys.column(&self.types[0], groups)],
            Form::Pair(keys) => keys.columns(&self.types, groups),
            Form::Text(keys) => {
                let mut text = StringBuilder::with_capacity(groups.len(), groups.len() * 16);
                for &group in groups {
                    match keys.get(group).map(std::str::from_utf8) {
                        None => text.append_null(),
                        Some(Ok(value)) => text.append_value(value),
                        Some(Err(_)) => unreachable!("it was text when it came"),
                    }
                }
                vec![Arc::new(text.finish())]
            }
            Form::Rows(converter, keys) => {
                let parser = converter.parser();
                let rows = groups.iter().map(|&group| parser.parse(keys.get(group).unwrap_or_default()));
                match converter.convert_rows(rows) {
                    Ok(columns) => columns,
                    Err(error) => unreachable!("they were rows of this converter when they came: {error}"),
                }
            }
        }
    }

    /// The columns that keys are saved in.
    pub fn fields(&self) -> Vec<Field> {
        let types = self.types.iter().enumerate();
        types.map(|(at, kind)| Field::new(format!("key{at}"), kind.clone(), true)).collect()
    }

    /// Forgets the keys of these groups; each number must be in use.
    pub fn remove(&mut self, groups: &[u32]) {
        match &mut self.form {
            Form::Unit(numbers) => groups.iter().for_each(|&group| numbers.put(group)),
            Form::Word(keys) => groups.iter().for_each(|&group| keys.remove(group)),
            Form::Pair(keys) => groups.iter().for_each(|&group| keys.remove(group)),
            Form::Text(keys) | Form::Rows(_, keys) => keys.remove(groups),
        }
    }

    /// All numbers in use are below this.
    pub fn end(&self) -> usize {
        self.numbers().end()
    }

    /// The numbers in use, ascending.
    pub fn used(&self) -> Vec<u32> {
        self.numbers().used()
    }

    /// How many keys there are.
    pub fn live(&self) -> usize {
        self.numbers().live()
    }

    /// Memory held, in bytes, about.
    pub fn bytes(&self) -> usize {
        match &self.form {
            Form::Unit(_) => 0,
            Form::Word(keys) => keys.bytes(),
            Form::Pair(keys) => keys.bytes(),
            Form::Text(keys) | Form::Rows(_, keys) => keys.bytes(),
        }
    }

    fn numbers(&self) -> &Numbers {
        match &self.form {
            Form::Unit(numbers) => numbers,
            Form::Word(keys) => keys.numbers(),
            Form::Pair(keys) => keys.numbers(),
            Form::Text(keys) | Form::Rows(_, keys) => keys.numbers(),
        }
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::{Array, BooleanArray, Float64Array, Int64Array, StringArray};
    use proptest::prelude::*;

    use super::*;

    fn columns(rows: &[(Option<i8>, Option<u8>)], shape: usize) -> Vec<ArrayRef> {
        let ints: ArrayRef = Arc::new(rows.iter().map(|(a, _)| a.map(i64::from)).collect::<Int64Array>());
        let bools: ArrayRef = Arc::new(rows.iter().map(|(_, b)| b.map(|b| b % 2 == 0)).collect::<BooleanArray>());
        let text: ArrayRef =
            Arc::new(rows.iter().map(|(a, b)| b.map(|b| format!("{a:?}{b}"))).collect::<StringArray>());
        let floats: ArrayRef = Arc::new(rows.iter().map(|(_, b)| b.map(f64::from)).collect::<Float64Array>());
        match shape {
            0 => vec![],
            1 => vec![ints],
            2 => vec![bools, ints],
            3 => vec![text],
            4 => vec![text, floats],
            _ => vec![floats, bools, ints],
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        /// Against a list of the distinct key rows: numbers, columns, removal, re-use, transfer between tables.
        #[test]
        fn numbers_stand_for_keys(
            batches in prop::collection::vec(prop::collection::vec((prop::option::of(-3i8..4), prop::option::of(0u8..4)), 0..30), 1..6),
            shape in 0usize..6,
            removals in prop::collection::vec(any::<u8>(), 0..12),
        ) {
            let types: Vec<DataType> = columns(&[], shape).iter().map(|c| c.data_type().clone()).collect();
            let (mut keys, mut copy) = (Keys::new(&types), Keys::new(&types));
            let mut live: std::collections::BTreeMap<u32, String> = Default::default();
            let show = |columns: &[ArrayRef], row: usize| format!("{:?}", columns.iter().map(|c| c.slice(row, 1)).collect::<Vec<_>>());
            let mut removals = removals.into_iter();
            for batch in &batches {
                let input = columns(batch, shape);
                let mut groups = Vec::new();
                keys.intern(&input, batch.len(), &mut groups);
                for (row, group) in groups.iter().enumerate() {
                    let text = show(&input, row);
                    prop_assert_eq!(live.entry(*group).or_insert_with(|| text.clone()), &text);
                }
                prop_assert_eq!(keys.live(), live.len());
                prop_assert_eq!(live.values().collect::<std::collections::BTreeSet<_>>().len(), live.len());
                let all: Vec<u32> = live.keys().copied().collect();
                let output = keys.columns(&all);
                all.iter().enumerate().for_each(|(row, group)| assert_eq!(show(&output, row), live[group]));
                let found = copy.find_from(&keys, &all);
                let before = copy.live();
                let there = copy.intern_from(&keys, &all);
                prop_assert_eq!(copy.live() - before, found.iter().filter(|found| found.is_none()).count());
                prop_assert!(found.iter().zip(&there).all(|(found, there)| found.is_none_or(|found| found == *there)));
                prop_assert_eq!(copy.find_from(&keys, &all), there.iter().map(|there| Some(*there)).collect::<Vec<_>>());
                let again = copy.columns(&there);
                for (a, b) in output.iter().zip(&again) {
                    prop_assert_eq!(a, b);
                }
                if let (Some(pick), false) = (removals.next(), all.is_empty()) {
                    let gone: Vec<u32> = all.iter().copied().filter(|group| (*group as usize + pick as usize).is_multiple_of(3)).collect();
                    keys.remove(&gone);
                    gone.iter().for_each(|group| drop(live.remove(group)));
                }
            }
        }
    }
}
