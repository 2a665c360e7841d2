//! Aggregate functions: columnar accumulators for many groups at once.
//!
//! An [`Aggregate`] is one SQL function, one file; [`AGGREGATES`] lists them all. It makes [`Accumulator`]s, which hold the
//! state of groups `0..n` as columns. Results do not depend on the order of rows, on how rows were split into batches, or
//! on which accumulator of several was merged into which; approximate functions say so in their name.

mod applied;
mod approx_distinct;
mod approx_percentile;
mod array_agg;
mod avg;
mod bag;
mod boolean;
mod cases;
mod changes;
pub mod conformance;
mod count;
mod distinct;
mod emit;
mod exact;
mod extremum;
mod first_last;
mod foremost;
mod gather;
mod grouping;
mod identity;
mod keys;
mod keys_bytes;
mod keys_words;
#[cfg(test)]
mod laws;
#[cfg(test)]
mod laws_saved;
mod multiset;
mod named;
mod native;
#[cfg(test)]
mod oracle;
mod percentile;
mod quantile;
mod rounding;
mod rows;
mod saved;
mod seeded;
mod stairs;
mod states;
mod string_agg;
mod sum;
mod table;
mod terms;
mod total;
mod variance;
mod visit;
mod whole;
mod wide;

use std::any::Any;
use std::fmt::Debug;

use arrow_array::ArrayRef;
use arrow_buffer::BooleanBuffer;
use arrow_schema::{DataType, SortOptions};
use datafusion_common::{DataFusionError, ScalarValue};

use crate::delta::Unfit;
use crate::registered::Registered;

pub use applied::{AggregateFn, Applied, aggregate, outcome_of, outcomes};
pub use changes::{Changes, window_columns};
pub use emit::Emit;
pub use grouping::{GroupCall, Grouping, Role};
pub use keys::{Keys, Numbers};
pub use saved::{list_of, lists, numbers, numbers_of, unlisted};
pub use states::States;
pub use table::{GroupTable, Middle, Part, pick};
pub use terms::Terms;

/// Every aggregate function of the language.
pub const AGGREGATES: &[&dyn Aggregate] = &[
    &count::Count,
    &sum::Sum,
    &avg::Avg,
    &extremum::Min,
    &extremum::Max,
    &variance::VAR_POP,
    &variance::VAR_SAMP,
    &variance::STDDEV_POP,
    &variance::STDDEV_SAMP,
    &percentile::Median,
    &percentile::Percentile,
    &approx_percentile::ApproxPercentile,
    &approx_distinct::ApproxCountDistinct,
    &first_last::FirstValue,
    &first_last::LastValue,
    &array_agg::ArrayAgg,
    &string_agg::StringAgg,
    &boolean::BoolAnd,
    &boolean::BoolOr,
];

/// The aggregate function that answers to `name`, in any case.
pub fn find(name: &str) -> Option<Registered<dyn Aggregate>> {
    let answers = |function: &&dyn Aggregate| {
        function.name().eq_ignore_ascii_case(name)
            || function.aliases().iter().any(|alias| alias.eq_ignore_ascii_case(name))
    };
    AGGREGATES.iter().copied().find(answers).map(Registered::from)
}

/// State for groups of such a call, DISTINCT heeded: this, not [`Aggregate::accumulator`], is what operators ask.
pub fn accumulator(function: &dyn Aggregate, call: &Call) -> Box<dyn Accumulator> {
    match call.distinct && !function.heeds_distinct() {
        true => distinct::boxed(function, call),
        false => function.accumulator(call),
    }
}

/// The same of a function that may be an embedder's: where that panics, its name is told.
pub(crate) fn accumulator_of(function: &Registered<dyn Aggregate>, call: &Call) -> Box<dyn Accumulator> {
    let state = accumulator(&**function, call);
    if function.is_built_in() { state } else { Box::new(named::Named::new(function.name(), state)) }
}

/// Why a call of an aggregate function was refused, at planning time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AggregateError {
    /// The arguments do not fit.
    #[error("{function} does not take ({given}); {remedy}")]
    Arguments {
        /// The function.
        function: String,
        /// The types given.
        given: String,
        /// What would do.
        remedy: String,
    },
}

impl AggregateError {
    /// The arguments of a call of `function` do not fit.
    pub fn arguments(function: &dyn Aggregate, given: &[DataType], remedy: &str) -> AggregateError {
        let given = given.iter().map(crate::type_names::sql_type).collect::<Vec<_>>().join(", ");
        AggregateError::Arguments { function: function.name().to_owned(), given, remedy: remedy.to_owned() }
    }
}

/// A SQL aggregate function.
pub trait Aggregate: Send + Sync + Debug {
    /// Its SQL name, upper case.
    fn name(&self) -> &str;

    /// Other names it answers to.
    fn aliases(&self) -> &[&str] {
        &[]
    }

    /// One line: signature and meaning; for an approximate one its error.
    fn help(&self) -> &str;

    /// Whether rows have an order for it: by the call's ORDER BY if it has one, else by event time, then by the row's
    /// sequence number in its source. Such a call gets the order columns in [`Input::order`].
    fn ordered(&self) -> bool {
        false
    }

    /// How many trailing arguments must be literals (a percentile's fraction, a separator). They come as
    /// [`Call::literals`], not as columns; a call may leave them out if [`Aggregate::bind`] accepts that.
    fn literals(&self) -> usize {
        0
    }

    /// Whether its accumulators heed [`Call::distinct`] themselves, or equal rows count once anyway. If not, DISTINCT is
    /// put around them.
    fn heeds_distinct(&self) -> bool {
        false
    }

    /// Whether an accumulator of a retracting call can take back (`merge` with `-1`), and so also take in, groups of one
    /// that was made with `retracting: false`. If not, whoever combines parts must make them all retracting.
    fn unmerges(&self) -> bool {
        true
    }

    /// Whether its results are made by [`outcomes`], and its output is an [`outcome_of`] the type that SQL sees: a row whose group fails is a
    /// dead letter, until the group's values are others.
    fn may_fail(&self) -> bool {
        false
    }

    /// Its result of no rows, where one is asked for: of a subquery that finds nothing.
    fn of_nothing(&self, output: &DataType) -> Result<ScalarValue, DataFusionError> {
        ScalarValue::try_from(output)
    }

    /// As what it is known to data directories, beside its name: one that computes otherwise under the same name is another program.
    fn version(&self) -> u64 {
        0
    }

    /// Checks a call's argument types (the columns only, without literals) and literals. Answers the types the columns
    /// must be cast to and the type of the result.
    fn bind(&self, args: &[DataType], literals: &[ScalarValue]) -> Result<Signature, AggregateError>;

    /// State for groups of such a call; `call.args` are the types that [`Aggregate::bind`] answered.
    fn accumulator(&self, call: &Call) -> Box<dyn Accumulator>;
}

/// What [`Aggregate::bind`] answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// The types that the argument columns are cast to.
    pub args: Vec<DataType>,
    /// The type of the result.
    pub output: DataType,
}

/// A bound call of an aggregate function.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// The types of the argument columns.
    pub args: Vec<DataType>,
    /// The trailing literals.
    pub literals: Vec<ScalarValue>,
    /// The type of the result.
    pub output: DataType,
    /// The order columns of an ordered call: type and direction.
    pub order: Vec<(DataType, SortOptions)>,
    /// Count equal argument rows of a group once (`COUNT(DISTINCT x)`).
    pub distinct: bool,
    /// Whether rows may be taken back: [`Input::diffs`] may be negative and `merge` may be asked for `-1`.
    pub retracting: bool,
}

/// Rows for an accumulator: columns of equal length.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// The argument columns.
    pub args: &'a [ArrayRef],
    /// The order columns of an ordered call.
    pub order: &'a [ArrayRef],
    /// Rows for which this is false are passed over (FILTER); `None` is all true.
    pub keep: Option<&'a BooleanBuffer>,
    /// How often each row is added or taken back; `None` is `+1` each.
    pub diffs: Option<&'a [i64]>,
}

/// The state of one aggregate call for groups `0..n`, as columns.
///
/// Promises, each a law of the conformance test:
/// 1. Updating with two batches equals updating with their concatenation, in any order.
/// 2. `merge` of parts equals one pass over all rows.
/// 3. If the call is `retracting`: an update with negated diffs undoes the update, and `merge(.., -1)` undoes
///    `merge(.., 1)`, as far as `evaluate` can see. The merged accumulator may be of either kind.
/// 4. A group never updated, or reset, evaluates as SQL says of no rows: 0 for counts, NULL for the rest.
/// 5. NULL arguments are passed over, as SQL says, except by COUNT(*).
/// 6. What `save` returns makes groups of a fresh accumulator of the same call the same by `load`, whatever follows.
pub trait Accumulator: Send {
    /// Makes room for groups `0..groups`; never shrinks.
    fn resize(&mut self, groups: usize);

    /// Adds rows: row `i` to group `groups[i]`, which is below the size.
    fn update(&mut self, groups: &[u32], input: &Input<'_>);

    /// Says that merges from now on speak of the part (the slice) at that time, that parts go in the order of their times,
    /// and that a part between others goes only to come again with more rows. Called while no group has anything, or as
    /// before. Who gains nothing by knowing it passes over it.
    fn at(&mut self, _time: i64) {}

    /// Merges group `from[i]` of `other` (made by the same call, up to `retracting`) into group `groups[i]`, `sign` times
    /// (`1` or `-1`). Groups may repeat.
    fn merge(&mut self, groups: &[u32], other: &dyn Accumulator, from: &[u32], sign: i64);

    /// The results of these groups, in this order.
    fn evaluate(&self, groups: &[u32]) -> ArrayRef;

    /// Forgets these groups' rows.
    fn reset(&mut self, groups: &[u32]);

    /// The types of the columns that states are saved in.
    fn saved(&self) -> Vec<DataType>;

    /// The states of these groups, a row each, in columns of those types. Who was told [`Accumulator::at`] is a sum of parts,
    /// which is made again of them and never saved.
    fn save(&self, groups: &[u32]) -> Vec<ArrayRef>;

    /// Makes these groups, which have nothing, what they were when they were saved, row by row.
    fn load(&mut self, groups: &[u32], saved: &[ArrayRef]) -> Result<(), Unfit>;

    /// Memory held, in bytes (an estimate, not below a tenth of the truth).
    fn bytes(&self) -> usize;

    /// For `merge` to see the other's state.
    fn as_any(&self) -> &dyn Any;
}
