//! ARRAY_AGG: the values of a group as a list, in the order of the order columns, then of the values.

use std::sync::Arc;

use arrow_schema::{DataType, Field};
use datafusion_common::ScalarValue;

use super::gather::{Gather, Shape};
use super::{Accumulator, Aggregate, AggregateError, Call, Signature};

/// The function.
#[derive(Debug)]
pub(super) struct ArrayAgg;

impl Aggregate for ArrayAgg {
    fn name(&self) -> &'static str {
        "ARRAY_AGG"
    }

    fn aliases(&self) -> &'static [&'static str] {
        &["COLLECT"]
    }

    fn help(&self) -> &'static str {
        "`ARRAY_AGG([DISTINCT] x [ORDER BY ...])`: all x that are not NULL, by the ORDER BY, else by event time, then by the \
         row's place in its source. Keeps all rows"
    }

    fn ordered(&self) -> bool {
        true
    }

    fn heeds_distinct(&self) -> bool {
        true
    }

    fn bind(&self, args: &[DataType], _literals: &[ScalarValue]) -> Result<Signature, AggregateError> {
        let args = super::rows::bind(self, args, Some(1))?;
        let item = Field::new_list_field(args[0].clone(), true);
        Ok(Signature { args, output: DataType::List(Arc::new(item)) })
    }

    fn accumulator(&self, call: &Call) -> Box<dyn Accumulator> {
        Gather::boxed(call, Shape::List)
    }
}
