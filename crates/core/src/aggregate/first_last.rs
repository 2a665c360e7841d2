//! FIRST_VALUE and LAST_VALUE by the order columns; rows that these do not tell apart go by value.

use arrow_schema::DataType;
use datafusion_common::ScalarValue;

use super::foremost::Foremost;
use super::{Accumulator, Aggregate, AggregateError, Call, Signature};

/// The first value.
#[derive(Debug)]
pub(super) struct FirstValue;

/// The last value.
#[derive(Debug)]
pub(super) struct LastValue;

fn bind(function: &dyn Aggregate, args: &[DataType]) -> Result<Signature, AggregateError> {
    let args = super::rows::bind(function, args, Some(1))?;
    Ok(Signature { output: args[0].clone(), args })
}

impl Aggregate for FirstValue {
    fn name(&self) -> &'static str {
        "FIRST_VALUE"
    }

    fn aliases(&self) -> &'static [&'static str] {
        &["FIRST"]
    }

    fn help(&self) -> &'static str {
        "`FIRST_VALUE(x [ORDER BY ...])`: first x that is not NULL, by the ORDER BY, else by event time, then by the row's \
         place in its source"
    }

    fn ordered(&self) -> bool {
        true
    }

    fn heeds_distinct(&self) -> bool {
        true
    }

    fn bind(&self, args: &[DataType], _literals: &[ScalarValue]) -> Result<Signature, AggregateError> {
        bind(self, args)
    }

    fn accumulator(&self, call: &Call) -> Box<dyn Accumulator> {
        Foremost::boxed(call, false)
    }
}

impl Aggregate for LastValue {
    fn name(&self) -> &'static str {
        "LAST_VALUE"
    }

    fn aliases(&self) -> &'static [&'static str] {
        &["LAST"]
    }

    fn help(&self) -> &'static str {
        "`LAST_VALUE(x [ORDER BY ...])`: last x that is not NULL, by the ORDER BY, else by event time, then by the row's \
         place in its source"
    }

    fn ordered(&self) -> bool {
        true
    }

    fn heeds_distinct(&self) -> bool {
        true
    }

    fn bind(&self, args: &[DataType], _literals: &[ScalarValue]) -> Result<Signature, AggregateError> {
        bind(self, args)
    }

    fn accumulator(&self, call: &Call) -> Box<dyn Accumulator> {
        Foremost::boxed(call, true)
    }
}
