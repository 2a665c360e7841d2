//! APPROX_COUNT_DISTINCT by HyperLogLog (Apache DataSketches, 4,096 registers; up to about 400 values it is nearly exact
//! and smaller). Its order-independent estimator is used. A sketch cannot forget, so when rows may be taken back the
//! 64-bit hashes of the values are counted instead: exact but for colliding hashes.

use std::any::Any;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::UInt64Type;
use arrow_array::{Array, ArrayRef, BinaryArray, Int64Array, UInt64Array};
use arrow_schema::DataType;
use datafusion_common::{DataFusionError, ScalarValue};
use datasketches::hll::{HllSketch, HllType, HllUnion};
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use super::identity::{Fixed, Identity, Whole};
use super::native::by_native;
use super::rows::{Codec, argument_nulls, bind};
use super::saved::Entries;
use super::seeded::hash;
use super::visit::each;
use super::{Accumulator, Aggregate, AggregateError, Call, Input, Signature};
use crate::delta::Unfit;

/// The function.
#[derive(Debug)]
pub(super) struct ApproxCountDistinct;

/// Binary logarithm of the number of registers.
const LG_REGISTERS: u8 = 12;

impl Aggregate for ApproxCountDistinct {
    fn name(&self) -> &'static str {
        "APPROX_COUNT_DISTINCT"
    }

    fn aliases(&self) -> &'static [&'static str] {
        &["APPROX_DISTINCT"]
    }

    fn help(&self) -> &'static str {
        "`APPROX_COUNT_DISTINCT(x, ...)`: number of different rows in which no argument is NULL, as BIGINT; standard error \
         1.6 % in at most 4 KiB (HyperLogLog). Over rows that may be taken back it is exact and keeps 16 bytes for each"
    }

    fn heeds_distinct(&self) -> bool {
        true
    }

    fn unmerges(&self) -> bool {
        false
    }

    fn of_nothing(&self, _: &DataType) -> Result<ScalarValue, DataFusionError> {
        Ok(ScalarValue::Int64(Some(0)))
    }

    fn bind(&self, args: &[DataType], _literals: &[ScalarValue]) -> Result<Signature, AggregateError> {
        if args.is_empty() {
            return Err(AggregateError::arguments(self, args, "give it at least one column"));
        }
        Ok(Signature { args: bind(self, args, None)?, output: DataType::Int64 })
    }

    fn accumulator(&self, call: &Call) -> Box<dyn Accumulator> {
        let state = if call.retracting { State::Hashes(Vec::new()) } else { State::Sketches(Vec::new()) };
        match &call.args[..] {
            [only] => by_native!(
                only,
                N => Box::new(Sketched { keys: Fixed::<N>::new(only), state }),
                Box::new(Sketched { keys: Whole(Codec::plain(call)), state })
            ),
            _ => Box::new(Sketched { keys: Whole(Codec::plain(call)), state }),
        }
    }
}

enum State {
    Sketches(Vec<Option<Box<HllUnion>>>),
    Hashes(Vec<HashTable<(u64, i64)>>),
}

struct Sketched<K> {
    keys: K,
    state: State,
}

/// The sketch of a group, made when first needed.
fn sketch(place: &mut Option<Box<HllUnion>>) -> &mut HllUnion {
    place.get_or_insert_with(|| match HllUnion::new(LG_REGISTERS) {
        Ok(sketch) => Box::new(sketch),
        Err(error) => unreachable!("the size is within the library's: {error}"),
    })
}

/// Adds to the count of a hash.
fn count(table: &mut HashTable<(u64, i64)>, hash: u64, diff: i64) {
    match table.entry(hash, |(other, _)| *other == hash, |(other, _)| *other) {
        Entry::Vacant(_) if diff == 0 => {}
        Entry::Vacant(entry) => {
            entry.insert((hash, diff));
        }
        Entry::Occupied(mut entry) => {
            entry.get_mut().1 += diff;
            if entry.get().1 == 0 {
                entry.remove();
            }
        }
    }
}

impl<K: Identity> Accumulator for Sketched<K> {
    fn resize(&mut self, groups: usize) {
        match &mut self.state {
            State::Sketches(sketches) => sketches.resize_with(groups.max(sketches.len()), || None),
            State::Hashes(tables) => tables.resize_with(groups.max(tables.len()), HashTable::new),
        }
    }

    fn update(&mut self, groups: &[u32], input: &Input<'_>) {
        let (batch, nulls) = (self.keys.batch(input.args), argument_nulls(input));
        match &mut self.state {
            State::Sketches(sketches) => each(groups, input, nulls.as_ref(), |row, group, _| {
                sketch(&mut sketches[group]).update_value(hash(&K::probe(&batch, row)));
            }),
            State::Hashes(tables) => each(groups, input, nulls.as_ref(), |row, group, diff| {
                count(&mut tables[group], hash(&K::probe(&batch, row)), diff);
            }),
        }
    }

    fn merge(&mut self, groups: &[u32], other: &dyn Accumulator, from: &[u32], sign: i64) {
        let Some(other) = other.as_any().downcast_ref::<Self>() else { unreachable!("made by the same call") };
        for (group, from) in groups.iter().zip(from).map(|(&group, &from)| (group as usize, from as usize)) {
            match (&mut self.state, &other.state) {
                (State::Sketches(sketches), State::Sketches(others)) => {
                    if let Some(other) = &others[from] {
                        sketch(&mut sketches[group]).update(&other.to_sketch(HllType::Hll8));
                    }
                }
                (State::Sketches(sketches), State::Hashes(others)) => {
                    let there = others[from].iter().filter(|(_, count)| *count > 0);
                    there.for_each(|(hash, _)| sketch(&mut sketches[group]).update_value(*hash));
                }
                (State::Hashes(tables), State::Hashes(others)) => {
                    others[from].iter().for_each(|(hash, times)| count(&mut tables[group], *hash, sign * times));
                }
                (State::Hashes(_), State::Sketches(others)) => {
                    assert!(others[from].is_none(), "a sketch cannot be merged into counts: `unmerges` says so");
                }
            }
        }
    }

    fn evaluate(&self, groups: &[u32]) -> ArrayRef {
        let result = |&group: &u32| match &self.state {
            State::Sketches(sketches) => {
                sketches[group as usize].as_ref().map_or(0, |sketch| sketch.composite_estimate().round() as i64)
            }
            State::Hashes(tables) => tables[group as usize].iter().filter(|(_, count)| *count > 0).count() as i64,
        };
        Arc::new(Int64Array::from_iter_values(groups.iter().map(result)))
    }

    fn reset(&mut self, groups: &[u32]) {
        match &mut self.state {
            State::Sketches(sketches) => groups.iter().for_each(|&group| sketches[group as usize] = None),
            State::Hashes(tables) => groups.iter().for_each(|&group| tables[group as usize] = HashTable::new()),
        }
    }

    /// A sketch in the form that all DataSketches libraries read, or hashes. Both are of [`hash`]es.
    fn saved(&self) -> Vec<DataType> {
        match &self.state {
            State::Sketches(_) => vec![DataType::Binary],
            State::Hashes(_) => Entries::types([&DataType::UInt64], true),
        }
    }

    fn save(&self, groups: &[u32]) -> Vec<ArrayRef> {
        let tables = match &self.state {
            State::Sketches(sketches) => {
                let bytes = |sketch: &HllUnion| sketch.to_sketch(HllType::Hll8).serialize();
                let saved = groups.iter().map(|&group| sketches[group as usize].as_deref().map(bytes));
                return vec![Arc::new(saved.collect::<BinaryArray>())];
            }
            State::Hashes(tables) => tables,
        };
        let entries = groups.iter().flat_map(|&group| tables[group as usize].iter().copied());
        let (hashes, counts): (Vec<u64>, Vec<i64>) = entries.unzip();
        let lengths = groups.iter().map(|&group| tables[group as usize].len()).collect();
        Entries { lengths, columns: vec![Arc::new(UInt64Array::from(hashes))], counts: Some(counts) }.save()
    }

    fn load(&mut self, groups: &[u32], saved: &[ArrayRef]) -> Result<(), Unfit> {
        match &mut self.state {
            State::Sketches(sketches) => {
                let column = saved[0].as_binary::<i32>();
                for (row, &group) in groups.iter().enumerate().filter(|(row, _)| column.is_valid(*row)) {
                    let saved = HllSketch::deserialize(column.value(row));
                    let saved = saved.map_err(|_| Unfit::Value("a sketch of a count is none"))?;
                    sketch(&mut sketches[group as usize]).update(&saved);
                }
            }
            State::Hashes(tables) => {
                let (groups, Entries { columns, counts, .. }) = Entries::load(groups, saved, 0, true)?;
                let hashes = columns[0].as_primitive::<UInt64Type>().values();
                for ((group, hash), times) in groups.into_iter().zip(hashes).zip(counts.unwrap_or_default()) {
                    count(&mut tables[group as usize], *hash, times);
                }
            }
        }
        Ok(())
    }

    fn bytes(&self) -> usize {
        match &self.state {
            State::Sketches(sketches) => {
                let sketches_held = sketches.iter().flatten();
                let heap: usize = sketches_held.map(|sketch| size_of::<HllUnion>() + sketch.estimated_size()).sum();
                sketches.capacity() * 8 + heap
            }
            State::Hashes(tables) => {
                let of = |table: &HashTable<(u64, i64)>| size_of::<HashTable<u64>>() + table.allocation_size();
                tables.iter().map(of).sum()
            }
        }
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;

    use arrow_array::cast::AsArray;
    use arrow_array::types::Int64Type;
    use arrow_array::{ArrayRef, Int64Array};
    use arrow_schema::DataType;

    use super::super::{Accumulator, Aggregate, Call, Input};
    use super::ApproxCountDistinct;

    fn add(state: &mut dyn Accumulator, values: impl Iterator<Item = i64>) {
        let args: Vec<ArrayRef> = vec![Arc::new(Int64Array::from_iter_values(values))];
        state.resize(1);
        state.update(&vec![0; args[0].len()], &Input { args: &args, order: &[], keep: None, diffs: None });
    }

    fn count(state: &dyn Accumulator) -> i64 {
        state.evaluate(&[0]).as_primitive::<Int64Type>().value(0)
    }

    /// Up and down, in one piece or merged from seven: through all the sketch's forms.
    #[test]
    fn big_counts_are_near_whatever_the_order() {
        let call = Call {
            args: vec![DataType::Int64],
            literals: vec![],
            output: DataType::Int64,
            order: vec![],
            distinct: false,
            retracting: false,
        };
        let new = || ApproxCountDistinct.accumulator(&call);
        for different in [1i64, 7, 30, 100, 390, 1_000, 5_000, 20_000, 300_000] {
            let (mut up, mut down, mut merged) = (new(), new(), new());
            add(&mut *up, 0..different);
            add(&mut *down, (0..2 * different).rev().map(|value| value % different));
            merged.resize(1);
            for part in 0..7 {
                let mut state = new();
                add(&mut *state, (0..different).filter(|value| value % 7 == part || value % 11 == part));
                merged.merge(&[0], &*state, &[0], 1);
            }
            let found = count(&*up);
            assert!((found - different).abs() as f64 <= 0.05 * different as f64, "{found} of {different}");
            assert_eq!(count(&*down), found);
            assert_eq!(count(&*merged), found);
        }
    }
}
