//! Aggregates that are functions of all values of a group: an embedder's closures.
//!
//! Values are kept as ARRAY_AGG keeps them, so that they can be taken back, merged and saved without the function knowing of it. That
//! costs memory for every value, and a call for every group that changes in an epoch; who wants less writes an [`Aggregate`].

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, StringArray, StructArray};
use arrow_buffer::NullBuffer;
use arrow_schema::{DataType, Field, Fields};
use datafusion_common::ScalarValue;

use super::gather::{Gather, Shape};
use super::{Accumulator, Aggregate, AggregateError, Call, Signature};
use crate::guard::guarded;
use crate::type_names::sql_type;
use crate::values::{Answer, Argument, Taken, Value};

/// What makes a result of the values of each group, one group after the other.
pub(super) trait Apply: Send + Sync {
    fn apply(&self, columns: &[ArrayRef], lengths: &[usize]) -> ArrayRef;
}

/// A closure over the values of a group: `Fn(&[A]) -> R`, of several arguments `Fn(&[A], &[B]) -> R`. `M` is its own signature.
#[diagnostic::on_unimplemented(
    message = "this is no function over the values of a group",
    label = "of other types than SQL has, or not of slices",
    note = "arguments: a slice each, as |values: &[f64]|, of bool, i8 to i64, f32, f64, String, Bytes, Timestamp, Instant or Date",
    note = "answers: one of these, a Vec or a tuple; or an Option or a Result of one"
)]
pub trait AggregateFn<M>: Send + Sync + 'static {
    /// The types of the arguments, each with what fits it.
    fn arguments() -> Vec<Taken>;

    /// The type of the result.
    fn output() -> DataType;

    /// The result of each group, of whose values in the columns there are so many, as [`outcomes`]; `name` is what is said to fail.
    fn results(&self, name: &str, columns: &[ArrayRef], lengths: &[usize]) -> ArrayRef;
}

macro_rules! of {
    ($($arg:ident $at:tt),+) => {
        impl<Function, R, $($arg),+> AggregateFn<fn($(&[$arg]),+) -> R> for Function
        where
            Function: Fn($(&[$arg]),+) -> R + Send + Sync + 'static,
            R: Answer,
            $($arg: for<'a> Argument<Of<'a> = $arg>,)+
        {
            fn arguments() -> Vec<Taken> {
                vec![$(($arg::data_type(), $arg::fits as fn(&DataType) -> bool)),+]
            }

            fn output() -> DataType {
                outcome_of(R::Value::data_type())
            }

            #[allow(non_snake_case)]
            fn results(&self, name: &str, columns: &[ArrayRef], lengths: &[usize]) -> ArrayRef {
                $(let $arg: Vec<$arg> = values::<$arg>(&columns[$at]);)+
                let mut from = 0;
                let result = |&length: &usize| {
                    let group = from..from + length;
                    from += length;
                    (length > 0).then(|| {
                        let answer = || self($(&$arg[group.clone()]),+).value().map_err(|error| format!("{name}: {error}"));
                        guarded(answer, || format!("{name} panicked"))
                    })
                };
                outcomes(lengths.iter().map(result).collect())
            }
        }
    };
}

of!(A 0);
of!(A 0, B 1);
of!(A 0, B 1, C 2);

/// The type of a value, or why there is none.
pub fn outcome_of(value: DataType) -> DataType {
    DataType::Struct(outcome(value))
}

fn outcome(value: DataType) -> Fields {
    Fields::from(vec![Field::new("value", value, true), Field::new("failed", DataType::Utf8, true)])
}

/// A column of results, each a value, or why there is none; `None` is the NULL of no values.
pub fn outcomes<T: Value>(results: Vec<Option<Result<T, String>>>) -> ArrayRef {
    let there: NullBuffer = results.iter().map(Option::is_some).collect();
    let (mut values, mut failed) = (Vec::with_capacity(results.len()), Vec::with_capacity(results.len()));
    for result in results {
        let (value, failure) = match result {
            Some(Ok(value)) => (Some(value), None),
            Some(Err(error)) => (None, Some(error)),
            None => (None, None),
        };
        values.push(value);
        failed.push(failure);
    }
    let columns: Vec<ArrayRef> = vec![T::column(values), Arc::new(StringArray::from(failed))];
    Arc::new(StructArray::new(outcome(T::data_type()), columns, Some(there)))
}

/// All values of a column; there is no NULL among them.
fn values<A: for<'a> Argument<Of<'a> = A>>(array: &ArrayRef) -> Vec<A> {
    let column = A::column(array);
    (0..array.len()).filter_map(|row| A::get(&column, row)).collect()
}

struct Closure<F, M> {
    name: String,
    function: F,
    signature: PhantomData<fn() -> M>,
}

impl<M: 'static, F: AggregateFn<M>> Apply for Closure<F, M> {
    fn apply(&self, columns: &[ArrayRef], lengths: &[usize]) -> ArrayRef {
        self.function.results(&self.name, columns, lengths)
    }
}

/// An aggregate function that is a closure over all values of a group, in ascending order, or by the call's ORDER BY
/// ([`Applied::in_order`]). NULL is passed over; the result of no values is NULL. It may answer a `Result`: a row whose group fails, or over
/// which the closure panics, is a dead letter.
///
/// ```
/// use highwater_core::aggregate::aggregate;
///
/// let spread = aggregate("spread", |values: &[f64]| values[values.len() - 1] - values[0]);
/// let vwap = aggregate("vwap", |prices: &[f64], sizes: &[f64]| {
///     let paid: f64 = prices.iter().zip(sizes).map(|(price, size)| price * size).sum();
///     (sizes.iter().sum::<f64>() > 0.0).then(|| paid / sizes.iter().sum::<f64>())
/// });
/// # let _ = (spread, vwap);
/// ```
pub fn aggregate<M: 'static, F: AggregateFn<M>>(name: impl Into<String>, function: F) -> Applied {
    let (name, arguments) = (name.into().to_uppercase(), F::arguments());
    let given: Vec<String> = arguments.iter().map(|(data_type, _)| sql_type(data_type)).collect();
    let usage = format!("{name}({})", given.join(", "));
    let function = Arc::new(Closure { name: name.clone(), function, signature: PhantomData });
    Applied {
        help: format!("`{usage}`: registered by the program"),
        name,
        usage,
        arguments,
        output: F::output(),
        ordered: false,
        version: 0,
        function,
    }
}

/// What [`aggregate`] makes.
pub struct Applied {
    name: String,
    help: String,
    usage: String,
    arguments: Vec<Taken>,
    output: DataType,
    ordered: bool,
    version: u64,
    function: Arc<dyn Apply>,
}

impl Applied {
    /// Values come by the ORDER BY of the call, without one by event time, then by their row's place in its source.
    pub fn in_order(self) -> Applied {
        Applied { ordered: true, ..self }
    }

    /// As what it is known to data directories ([`Aggregate::version`]): say another when the closure computes something else.
    pub fn with_version(self, version: u64) -> Applied {
        Applied { version, ..self }
    }
}

impl fmt::Debug for Applied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.usage)
    }
}

impl Aggregate for Applied {
    fn name(&self) -> &str {
        &self.name
    }

    fn help(&self) -> &str {
        &self.help
    }

    fn ordered(&self) -> bool {
        self.ordered
    }

    fn heeds_distinct(&self) -> bool {
        true
    }

    fn may_fail(&self) -> bool {
        true
    }

    fn version(&self) -> u64 {
        self.version
    }

    fn bind(&self, args: &[DataType], _: &[ScalarValue]) -> Result<Signature, AggregateError> {
        let fits =
            args.len() == self.arguments.len() && args.iter().zip(&self.arguments).all(|(arg, (_, fits))| fits(arg));
        match fits {
            true => Ok(Signature {
                args: self.arguments.iter().map(|(data_type, _)| data_type.clone()).collect(),
                output: self.output.clone(),
            }),
            false => Err(AggregateError::arguments(self, args, &format!("write {}", self.usage))),
        }
    }

    fn accumulator(&self, call: &Call) -> Box<dyn Accumulator> {
        Gather::boxed(call, Shape::Applied(Arc::clone(&self.function)))
    }
}
