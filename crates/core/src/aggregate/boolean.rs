//! BOOL_AND and BOOL_OR, by counting true and false. 16 bytes a group.

use std::any::Any;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, BooleanArray, cast::AsArray};
use arrow_schema::DataType;
use datafusion_common::ScalarValue;

use super::saved::{numbers, numbers_of};
use super::visit::each;
use super::{Accumulator, Aggregate, AggregateError, Call, Input, Signature};
use crate::delta::Unfit;

/// Whether all are true.
#[derive(Debug)]
pub(super) struct BoolAnd;

/// Whether one is true.
#[derive(Debug)]
pub(super) struct BoolOr;

impl Aggregate for BoolAnd {
    fn name(&self) -> &'static str {
        "BOOL_AND"
    }

    fn aliases(&self) -> &'static [&'static str] {
        &["EVERY"]
    }

    fn help(&self) -> &'static str {
        "`BOOL_AND(x)`: whether x is true in every row in which it is not NULL"
    }

    fn heeds_distinct(&self) -> bool {
        true
    }

    fn bind(&self, args: &[DataType], _literals: &[ScalarValue]) -> Result<Signature, AggregateError> {
        bind(self, args)
    }

    fn accumulator(&self, _call: &Call) -> Box<dyn Accumulator> {
        Box::new(Booleans { all: true, groups: Vec::new() })
    }
}

impl Aggregate for BoolOr {
    fn name(&self) -> &'static str {
        "BOOL_OR"
    }

    fn aliases(&self) -> &'static [&'static str] {
        &["SOME"]
    }

    fn help(&self) -> &'static str {
        "`BOOL_OR(x)`: whether x is true in at least one row"
    }

    fn heeds_distinct(&self) -> bool {
        true
    }

    fn bind(&self, args: &[DataType], _literals: &[ScalarValue]) -> Result<Signature, AggregateError> {
        bind(self, args)
    }

    fn accumulator(&self, _call: &Call) -> Box<dyn Accumulator> {
        Box::new(Booleans { all: false, groups: Vec::new() })
    }
}

fn bind(function: &dyn Aggregate, args: &[DataType]) -> Result<Signature, AggregateError> {
    match args {
        [DataType::Boolean | DataType::Null] => {
            Ok(Signature { args: vec![DataType::Boolean], output: DataType::Boolean })
        }
        _ => Err(AggregateError::arguments(function, args, "give it one BOOLEAN, such as x > 0")),
    }
}

/// How many are false and true, by group.
struct Booleans {
    all: bool,
    groups: Vec<[i64; 2]>,
}

impl Accumulator for Booleans {
    fn resize(&mut self, groups: usize) {
        self.groups.resize(groups.max(self.groups.len()), [0; 2]);
    }

    fn update(&mut self, groups: &[u32], input: &Input<'_>) {
        let (column, state) = (input.args[0].as_boolean(), self.groups.as_mut_slice());
        let values = column.values();
        each(groups, input, column.nulls(), |row, group, diff| state[group][usize::from(values.value(row))] += diff);
    }

    fn merge(&mut self, groups: &[u32], other: &dyn Accumulator, from: &[u32], sign: i64) {
        let Some(other) = other.as_any().downcast_ref::<Self>() else { unreachable!("made by the same call") };
        for (&group, &from) in groups.iter().zip(from) {
            let (counts, others) = (&mut self.groups[group as usize], other.groups[from as usize]);
            counts.iter_mut().zip(others).for_each(|(count, other)| *count += sign * other);
        }
    }

    fn evaluate(&self, groups: &[u32]) -> ArrayRef {
        let results = groups.iter().map(|&group| match self.groups[group as usize] {
            [no, yes] if no <= 0 && yes <= 0 => None,
            [no, _] if self.all => Some(no <= 0),
            [_, yes] => Some(yes > 0),
        });
        Arc::new(results.collect::<BooleanArray>())
    }

    fn reset(&mut self, groups: &[u32]) {
        groups.iter().for_each(|&group| self.groups[group as usize] = [0; 2]);
    }

    fn saved(&self) -> Vec<DataType> {
        vec![DataType::Int64; 2]
    }

    fn save(&self, groups: &[u32]) -> Vec<ArrayRef> {
        [0, 1].map(|side: usize| numbers(groups.iter().map(|&group| self.groups[group as usize][side]))).to_vec()
    }

    fn load(&mut self, groups: &[u32], saved: &[ArrayRef]) -> Result<(), Unfit> {
        for (side, column) in saved.iter().enumerate() {
            let counts = groups.iter().zip(numbers_of(column));
            counts.for_each(|(&group, count)| self.groups[group as usize][side] = *count);
        }
        Ok(())
    }

    fn bytes(&self) -> usize {
        self.groups.capacity() * size_of::<[i64; 2]>()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
