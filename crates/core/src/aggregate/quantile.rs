//! The state of percentiles: by group a [`Bag`] of whole numbers of the same order as the values. A result costs
//! O(different values).

use std::any::Any;
use std::cell::RefCell;
use std::sync::Arc;

use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{Array, ArrayRef, Float64Array, cast::AsArray};
use arrow_schema::DataType;
use datafusion_common::ScalarValue;

use super::bag::Bag;
use super::native::Native;
use super::saved::{Entries, numbers, numbers_of};
use super::visit::each;
use super::{Accumulator, Aggregate, AggregateError, Input, Signature};
use crate::delta::Unfit;

/// How values are kept.
#[derive(Clone, Copy, Debug)]
pub(super) enum Scale {
    /// BIGINTs, as they are.
    Integer,
    /// DOUBLEs, each one.
    Float,
    /// DOUBLEs, by bucket: to and from the bucket's number.
    Buckets(fn(f64) -> i64, fn(i64) -> f64),
}

impl Scale {
    fn value(self, key: i64) -> f64 {
        match self {
            Scale::Integer => key as f64,
            Scale::Float => f64::native(key),
            Scale::Buckets(_, value) => value(key),
        }
    }
}

/// The accumulator.
pub(super) struct Quantiles {
    scale: Scale,
    fraction: f64,
    // Settled when read.
    groups: RefCell<Vec<Bag<i64>>>,
}

/// Checks a call with one numeric column and, if `literal`, the fraction.
pub(super) fn bind(
    function: &dyn Aggregate,
    args: &[DataType],
    literals: &[ScalarValue],
    integers: bool,
) -> Result<Signature, AggregateError> {
    let refuse = |remedy: &str| Err(AggregateError::arguments(function, args, remedy));
    let [arg] = args else { return refuse("give it one number") };
    let arg = match super::sum::number(arg) {
        Some(DataType::Int64) if integers => DataType::Int64,
        Some(_) => DataType::Float64,
        None => {
            return refuse("it ranks numbers: CAST the argument to one, or of times write TIMESTAMPDIFF(SECOND, a, b)");
        }
    };
    let wanted = function.literals();
    if literals.len() != wanted || (wanted == 1 && fraction(literals).is_none()) {
        return refuse("its last argument is a literal fraction from 0 to 1, such as 0.99");
    }
    Ok(Signature { args: vec![arg], output: DataType::Float64 })
}

/// The fraction that a call was given.
fn fraction(literals: &[ScalarValue]) -> Option<f64> {
    match literals.first()?.cast_to(&DataType::Float64) {
        Ok(ScalarValue::Float64(fraction)) => fraction.filter(|fraction| (0.0..=1.0).contains(fraction)),
        _ => None,
    }
}

impl Quantiles {
    /// No groups yet. Without a literal it is the median.
    pub(super) fn boxed(scale: Scale, literals: &[ScalarValue]) -> Box<dyn Accumulator> {
        let fraction = fraction(literals).unwrap_or(0.5);
        Box::new(Quantiles { scale, fraction, groups: RefCell::default() })
    }

    fn result(&self, bag: &mut Bag<i64>) -> Option<f64> {
        bag.settle();
        let total: i64 = bag.iter().map(|(_, count)| count).sum();
        let position = self.fraction * (total - 1) as f64;
        let (below, part) = (position.floor(), position.fract());
        // The element at `below` (from 0), then the next.
        let (mut passed, mut found) = (0, None);
        for (&key, count) in bag.iter() {
            passed += count;
            if passed as f64 > below {
                let value = self.scale.value(key);
                let Some(low) = found else {
                    let more = passed as f64 > below + 1.0;
                    if more || part == 0.0 || matches!(self.scale, Scale::Buckets(..)) {
                        return Some(value);
                    }
                    found = Some(value);
                    continue;
                };
                return Some(between(low, value, part));
            }
        }
        found
    }
}

/// The point `part` of the way.
fn between(low: f64, high: f64, part: f64) -> f64 {
    let way = high - low;
    if way.is_finite() { low + way * part } else { low * (1.0 - part) + high * part }
}

impl Accumulator for Quantiles {
    fn resize(&mut self, groups: usize) {
        let state = self.groups.get_mut();
        state.resize_with(groups.max(state.len()), Bag::default);
    }

    fn update(&mut self, groups: &[u32], input: &Input<'_>) {
        let (column, state) = (&input.args[0], self.groups.get_mut());
        let mut add = |group: usize, key: i64, diff: i64| {
            if state[group].add(key, diff) {
                state[group].settle();
            }
        };
        let nulls = column.nulls();
        match self.scale {
            Scale::Integer => {
                let values = column.as_primitive::<Int64Type>().values();
                each(groups, input, nulls, |row, group, diff| add(group, values[row], diff));
            }
            Scale::Float => {
                let values = column.as_primitive::<Float64Type>().values();
                each(groups, input, nulls, |row, group, diff| add(group, values[row].key(), diff));
            }
            Scale::Buckets(bucket, _) => {
                let values = column.as_primitive::<Float64Type>().values();
                each(groups, input, nulls, |row, group, diff| add(group, bucket(values[row]), diff));
            }
        }
    }

    fn merge(&mut self, groups: &[u32], other: &dyn Accumulator, from: &[u32], sign: i64) {
        let Some(other) = other.as_any().downcast_ref::<Self>() else { unreachable!("made by the same call") };
        let (state, others) = (self.groups.get_mut(), other.groups.borrow());
        for (&group, &from) in groups.iter().zip(from) {
            let bag = &mut state[group as usize];
            for (&key, count) in others[from as usize].entries() {
                if bag.add(key, sign * count) {
                    bag.settle();
                }
            }
        }
    }

    fn evaluate(&self, groups: &[u32]) -> ArrayRef {
        let mut state = self.groups.borrow_mut();
        let results = groups.iter().map(|&group| self.result(&mut state[group as usize]));
        Arc::new(results.collect::<Float64Array>())
    }

    fn reset(&mut self, groups: &[u32]) {
        let state = self.groups.get_mut();
        groups.iter().for_each(|&group| state[group as usize] = Bag::default());
    }

    /// As the whole numbers that they are kept as: BIGINTs, the ordered bits of DOUBLEs, or buckets.
    fn saved(&self) -> Vec<DataType> {
        Entries::types([&DataType::Int64], true)
    }

    fn save(&self, groups: &[u32]) -> Vec<ArrayRef> {
        let mut state = self.groups.borrow_mut();
        groups.iter().for_each(|&group| state[group as usize].settle());
        let entries = || groups.iter().flat_map(|&group| state[group as usize].entries());
        let columns = vec![numbers(entries().map(|(key, _)| *key))];
        let counts = Some(entries().map(|(_, count)| count).collect());
        let lengths = groups.iter().map(|&group| state[group as usize].entries().count()).collect();
        Entries { lengths, columns, counts }.save()
    }

    fn load(&mut self, groups: &[u32], saved: &[ArrayRef]) -> Result<(), Unfit> {
        let (groups, Entries { columns, counts, .. }) = Entries::load(groups, saved, 0, true)?;
        let (state, counts) = (self.groups.get_mut(), counts.unwrap_or_default());
        for ((group, key), count) in groups.into_iter().zip(numbers_of(&columns[0])).zip(counts) {
            let bag = &mut state[group as usize];
            if bag.add(*key, count) {
                bag.settle();
            }
        }
        Ok(())
    }

    fn bytes(&self) -> usize {
        let state = self.groups.borrow();
        state.capacity() * size_of::<Bag<i64>>() + state.iter().map(Bag::bytes).sum::<usize>()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
