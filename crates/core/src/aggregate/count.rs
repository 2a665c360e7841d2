//! COUNT: rows, or rows without NULL among the arguments. 8 bytes a group.

use std::any::Any;
use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array};
use arrow_schema::DataType;
use datafusion_common::{DataFusionError, ScalarValue};

use super::rows::{argument_nulls, bind};
use super::saved::{numbers, numbers_of};
use super::visit::each;
use super::{Accumulator, Aggregate, AggregateError, Call, Input, Signature};
use crate::delta::Unfit;

/// The function.
#[derive(Debug)]
pub(super) struct Count;

impl Aggregate for Count {
    fn name(&self) -> &'static str {
        "COUNT"
    }

    fn help(&self) -> &'static str {
        "`COUNT(*)`: number of rows; `COUNT(x, ...)`: of rows in which no argument is NULL; \
         `COUNT(DISTINCT x, ...)`: of different such rows, exact. BIGINT"
    }

    fn of_nothing(&self, _: &DataType) -> Result<ScalarValue, DataFusionError> {
        Ok(ScalarValue::Int64(Some(0)))
    }

    fn bind(&self, args: &[DataType], _literals: &[ScalarValue]) -> Result<Signature, AggregateError> {
        Ok(Signature { args: bind(self, args, None)?, output: DataType::Int64 })
    }

    fn accumulator(&self, _call: &Call) -> Box<dyn Accumulator> {
        Box::new(Counts(Vec::new()))
    }
}

/// By group.
struct Counts(Vec<i64>);

impl Accumulator for Counts {
    fn resize(&mut self, groups: usize) {
        self.0.resize(groups.max(self.0.len()), 0);
    }

    fn update(&mut self, groups: &[u32], input: &Input<'_>) {
        let nulls = argument_nulls(input);
        let counts = self.0.as_mut_slice();
        each(groups, input, nulls.as_ref(), |_, group, diff| counts[group] += diff);
    }

    fn merge(&mut self, groups: &[u32], other: &dyn Accumulator, from: &[u32], sign: i64) {
        let Some(other) = other.as_any().downcast_ref::<Self>() else { unreachable!("made by the same call") };
        for (&group, &from) in groups.iter().zip(from) {
            self.0[group as usize] += sign * other.0[from as usize];
        }
    }

    fn evaluate(&self, groups: &[u32]) -> ArrayRef {
        Arc::new(Int64Array::from_iter_values(groups.iter().map(|&group| self.0[group as usize])))
    }

    fn reset(&mut self, groups: &[u32]) {
        groups.iter().for_each(|&group| self.0[group as usize] = 0);
    }

    fn saved(&self) -> Vec<DataType> {
        vec![DataType::Int64]
    }

    fn save(&self, groups: &[u32]) -> Vec<ArrayRef> {
        vec![numbers(groups.iter().map(|&group| self.0[group as usize]))]
    }

    fn load(&mut self, groups: &[u32], saved: &[ArrayRef]) -> Result<(), Unfit> {
        groups.iter().zip(numbers_of(&saved[0])).for_each(|(&group, count)| self.0[group as usize] = *count);
        Ok(())
    }

    fn bytes(&self) -> usize {
        8 * self.0.capacity()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
