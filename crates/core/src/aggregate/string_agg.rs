//! STRING_AGG: the texts of a group joined, in the order of the order columns, then of the texts.

use arrow_schema::DataType;
use datafusion_common::ScalarValue;

use super::gather::{Gather, Shape};
use super::{Accumulator, Aggregate, AggregateError, Call, Signature};

/// The function.
#[derive(Debug)]
pub(super) struct StringAgg;

impl Aggregate for StringAgg {
    fn name(&self) -> &'static str {
        "STRING_AGG"
    }

    fn aliases(&self) -> &'static [&'static str] {
        &["LISTAGG"]
    }

    fn help(&self) -> &'static str {
        "`STRING_AGG([DISTINCT] x [, separator] [ORDER BY ...])`: all texts x that are not NULL, joined by the literal \
         separator (a comma), by the ORDER BY, else by event time, then by the row's place in its source. Keeps all rows"
    }

    fn ordered(&self) -> bool {
        true
    }

    fn literals(&self) -> usize {
        1
    }

    fn heeds_distinct(&self) -> bool {
        true
    }

    fn bind(&self, args: &[DataType], literals: &[ScalarValue]) -> Result<Signature, AggregateError> {
        let refuse = |remedy: &str| Err(AggregateError::arguments(self, args, remedy));
        if args.len() > 1 {
            return refuse("its second argument is a literal text, such as ', '");
        }
        let [DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null] = args else {
            return refuse("it joins text: CAST the argument to VARCHAR");
        };
        if literals.len() > 1 || (literals.len() == 1 && separator(literals).is_none()) {
            return refuse("its second argument is a literal text, such as ', '");
        }
        Ok(Signature { args: vec![DataType::Utf8], output: DataType::Utf8 })
    }

    fn accumulator(&self, call: &Call) -> Box<dyn Accumulator> {
        let separator = separator(&call.literals).unwrap_or_else(|| ",".to_owned());
        Gather::boxed(call, Shape::Joined(separator))
    }
}

/// The separator that a call was given.
fn separator(literals: &[ScalarValue]) -> Option<String> {
    literals.first()?.try_as_str().flatten().map(str::to_owned)
}
