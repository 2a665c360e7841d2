//! Sums with counts, by group: what SUM and AVG keep. 24 bytes a group for integers, 32 for DOUBLE and DECIMAL.

use std::any::Any;
use std::sync::Arc;

use arrow_array::types::{ArrowPrimitiveType, Decimal128Type, Float64Type, Int64Type};
use arrow_array::{Array, ArrayRef, PrimitiveArray, cast::AsArray};
use arrow_schema::DataType;

use super::exact::Exact;
use super::saved::{numbers, numbers_of, rows_of_words, words};
use super::visit::each;
use super::whole::{Scaled, Whole};
use super::{Accumulator, Input};
use crate::delta::Unfit;

/// An exact sum of the values of one type of column.
pub(super) trait Total: Clone + Default + Send + 'static {
    /// The columns' type.
    type Column: ArrowPrimitiveType;
    /// Adds `value`, `times` times.
    fn add(&mut self, value: <Self::Column as ArrowPrimitiveType>::Native, times: i64);
    /// Adds another sum, `sign` times (1 or -1).
    fn merge(&mut self, other: &Self, sign: i64);
    /// The types of the columns that sums are saved in.
    fn saved() -> Vec<DataType>;
    /// Sums in such columns, a row each.
    fn save<'a>(sums: impl Iterator<Item = &'a Self>) -> Vec<ArrayRef>;
    /// The sums of such columns.
    fn load(saved: &[ArrayRef]) -> Result<Vec<Self>, Unfit>;
    /// Heap memory, in bytes.
    fn bytes(&self) -> usize {
        0
    }
}

impl Total for Whole {
    type Column = Int64Type;
    #[inline(always)]
    fn add(&mut self, value: i64, times: i64) {
        Whole::add(self, i128::from(value) * i128::from(times));
    }
    fn merge(&mut self, other: &Whole, sign: i64) {
        Whole::add(self, other.value().wrapping_mul(i128::from(sign)));
    }
    fn saved() -> Vec<DataType> {
        vec![DataType::UInt64; 2]
    }
    fn save<'a>(sums: impl Iterator<Item = &'a Whole>) -> Vec<ArrayRef> {
        words(sums.map(Whole::limbs))
    }
    fn load(saved: &[ArrayRef]) -> Result<Vec<Whole>, Unfit> {
        Ok(rows_of_words(saved).map(Whole::of_limbs).collect())
    }
}

impl Total for Scaled {
    type Column = Decimal128Type;
    #[inline(always)]
    fn add(&mut self, value: i128, times: i64) {
        Scaled::add(self, value, times);
    }
    fn merge(&mut self, other: &Scaled, sign: i64) {
        Scaled::merge(self, other, sign);
    }
    fn saved() -> Vec<DataType> {
        vec![DataType::UInt64; 3]
    }
    fn save<'a>(sums: impl Iterator<Item = &'a Scaled>) -> Vec<ArrayRef> {
        words(sums.map(Scaled::limbs))
    }
    fn load(saved: &[ArrayRef]) -> Result<Vec<Scaled>, Unfit> {
        Ok(rows_of_words(saved).map(Scaled::of_limbs).collect())
    }
}

impl Total for Exact {
    type Column = Float64Type;
    #[inline(always)]
    fn add(&mut self, value: f64, times: i64) {
        Exact::add(self, value, times);
    }
    fn merge(&mut self, other: &Exact, sign: i64) {
        Exact::merge(self, other, sign);
    }
    fn saved() -> Vec<DataType> {
        Exact::saved()
    }
    fn save<'a>(sums: impl Iterator<Item = &'a Exact>) -> Vec<ArrayRef> {
        Exact::save(sums)
    }
    fn load(saved: &[ArrayRef]) -> Result<Vec<Exact>, Unfit> {
        Exact::load(saved)
    }
    fn bytes(&self) -> usize {
        Exact::bytes(self)
    }
}

/// A sum and how many values are in it.
#[derive(Clone, Debug, Default)]
pub(super) struct Counted<T> {
    /// The sum.
    pub(super) total: T,
    /// Number of values.
    pub(super) count: i64,
}

/// The accumulator. `finish` makes a result (of native type `O`) of a group with at least one value.
pub(super) struct Totals<T, O, F> {
    groups: Vec<Counted<T>>,
    output: DataType,
    finish: F,
    result: std::marker::PhantomData<fn() -> O>,
}

impl<T: Total, O: ArrowPrimitiveType, F> Totals<T, O, F>
where
    F: Fn(&T, u64) -> Option<O::Native> + Send + 'static,
{
    /// No groups yet.
    pub(super) fn boxed(output: &DataType, finish: F) -> Box<dyn Accumulator> {
        let output = output.clone();
        Box::new(Totals::<T, O, F> { groups: Vec::new(), output, finish, result: std::marker::PhantomData })
    }
}

impl<T: Total, O: ArrowPrimitiveType, F> Accumulator for Totals<T, O, F>
where
    F: Fn(&T, u64) -> Option<O::Native> + Send + 'static,
{
    fn resize(&mut self, groups: usize) {
        self.groups.resize(groups.max(self.groups.len()), Counted::default());
    }

    fn update(&mut self, groups: &[u32], input: &Input<'_>) {
        let column = input.args[0].as_primitive::<T::Column>();
        let values = &column.values()[..groups.len()];
        let state = self.groups.as_mut_slice();
        each(groups, input, column.nulls(), |row, group, diff| {
            let counted = &mut state[group];
            counted.total.add(values[row], diff);
            counted.count += diff;
        });
    }

    fn merge(&mut self, groups: &[u32], other: &dyn Accumulator, from: &[u32], sign: i64) {
        let Some(other) = other.as_any().downcast_ref::<Self>() else { unreachable!("made by the same call") };
        for (&group, &from) in groups.iter().zip(from) {
            let (counted, other) = (&mut self.groups[group as usize], &other.groups[from as usize]);
            counted.total.merge(&other.total, sign);
            counted.count += sign * other.count;
        }
    }

    fn evaluate(&self, groups: &[u32]) -> ArrayRef {
        let results = groups.iter().map(|&group| {
            let counted = &self.groups[group as usize];
            if counted.count > 0 { (self.finish)(&counted.total, counted.count as u64) } else { None }
        });
        Arc::new(PrimitiveArray::<O>::from_iter(results).with_data_type(self.output.clone()))
    }

    fn reset(&mut self, groups: &[u32]) {
        groups.iter().for_each(|&group| self.groups[group as usize] = Counted::default());
    }

    fn saved(&self) -> Vec<DataType> {
        std::iter::once(DataType::Int64).chain(T::saved()).collect()
    }

    fn save(&self, groups: &[u32]) -> Vec<ArrayRef> {
        let these = || groups.iter().map(|&group| &self.groups[group as usize]);
        let counts = numbers(these().map(|counted| counted.count));
        std::iter::once(counts).chain(T::save(these().map(|counted| &counted.total))).collect()
    }

    fn load(&mut self, groups: &[u32], saved: &[ArrayRef]) -> Result<(), Unfit> {
        let sums = T::load(&saved[1..])?.into_iter().zip(numbers_of(&saved[0]));
        groups.iter().zip(sums).for_each(|(&group, (total, &count))| {
            self.groups[group as usize] = Counted { total, count };
        });
        Ok(())
    }

    fn bytes(&self) -> usize {
        let heap: usize = self.groups.iter().map(|counted| counted.total.bytes()).sum();
        self.groups.capacity() * size_of::<Counted<T>>() + heap
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
