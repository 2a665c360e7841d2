//! Expressions on batches of rows, and the rows on which they fail.
//!
//! A batch is evaluated as a whole. Only where that fails, it is halved until the rows that fail stand alone: those become dead
//! letters, their neighbours pass. So rows that do not fail cost nothing more, and a few bad ones cost a few passes.
//!
//! **How an operator tells of a row that it cannot take.** It is handed a [`Rejects`](crate::delta::Rejects) and gives it a
//! [`Failure`](crate::delta::Failure) (what failed, a word for the reason, what is wrong) with the row and how often the row is there; for a row that is
//! taken back that number is negative, which takes the dead letter back. Nothing else is to be done: the shell that runs the
//! operator brings what was handed in out at the epoch of the call, as changes; `plan/build` tells the operator's failures
//! apart from its rows, and the engine gathers them for every view and sink that reads the operator. A function that cannot
//! answer for a row returns an error for the batch (`DataFusionError::Execution` with what is wrong, in plain words): the
//! row is found by halving, [`failure`] names the innermost expression that failed.

mod attempt;
mod bounded;
mod by_place;
mod canonical;
mod decimal;
mod evaluate;
mod failing;
mod filled;
mod json_words;
mod named;
mod plain;
mod told;
mod words;

pub use attempt::Attempt;
pub use bounded::{Bounded, MAX_TEXT, checked_text, too_long};
pub use by_place::ByPlace;
pub use canonical::{CANONICAL, Canonical};
pub use decimal::{Arithmetic, calculate};
pub use evaluate::{computed, halving, truth};
pub use failing::{can_fail, failure};
pub use filled::Filled;
pub use named::{named, read_as, told_as};
pub use plain::plain;
pub use told::Told;
pub use words::{REGEXP, RLIKE, Sql, WHOLE_SECONDS, WRITTEN, operator_of, sql_literal};

/// A scalar expression over the columns of a batch.
pub type Scalar = std::sync::Arc<dyn datafusion_physical_expr::PhysicalExpr>;
