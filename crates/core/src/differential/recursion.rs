//! Recursion: rows that a term makes of rows, round after round, until no round makes new ones; kept right while what it
//! reads changes.
//!
//! The rows of round 0 are the start; round `n + 1` is the [`Term`] over the rows of round `n`. The result is all of them:
//! as often as they are made (UNION ALL), or each once (UNION). A term is linear: it reads the round before in one place of
//! each branch, so the fixed point of `rows = start + term(rows)` that differential dataflow keeps is what SQL asks for.
//! When an input changes, each round is computed again only where it differs from what it was.
//!
//! Invariant: a change of the result is told with the epoch of the input that caused it, all rounds of it, or never. A
//! recursion that goes on beyond its limit of rounds stops the engine; its epoch is never told.
//!
//! Rows travel as bytes in the order-preserving form of arrow-row: those of two rows side by side are those of the joined
//! row. Cost: about a microsecond a change and round. Memory: every row of every relation that is joined, and the result
//! with the rounds it came in, once each; [`Fading`](super::Fading) frees what an expired window held.

use std::fmt;
use std::sync::mpsc::Receiver;

use arrow_schema::SchemaRef;

use super::Expiry;
use crate::delta::{Delta, Failed};

/// Rounds that a recursion may take unless the program says otherwise.
pub const MAX_ROUNDS: u64 = 1_000;

/// What a recursion is.
#[derive(Clone, Debug)]
pub struct Recursion {
    /// Its name in SQL.
    pub name: String,
    /// For messages: the view or sink that it stands in.
    pub owner: String,
    /// Whether a row that is made twice is there once (UNION), or twice (UNION ALL).
    pub distinct: bool,
    /// How many rounds may make new rows.
    pub max_rounds: u64,
    /// What frees rows: the column of the result that stays the same through all rounds, and when its value is past.
    pub expiry: Option<Expiry>,
}

/// What a step does to a batch of rows. Diffs number the rows and are passed on.
pub type Rows = Box<dyn FnMut(Delta) -> Vec<Delta>>;

/// A step with the end where the rows come out that it could not take, under the same numbers.
pub struct Step {
    /// What it does.
    pub rows: Rows,
    /// What it could not take; `None` if it never fails.
    pub failed: Option<Receiver<Failed>>,
}

/// The rows of a round, out of those of the round before.
pub enum Term {
    /// Those of the round before, as they are.
    Before,
    /// Each row changed or left out, alone.
    Map {
        /// What it reads.
        input: Box<Term>,
        /// The columns of that.
        from: SchemaRef,
        /// The columns it makes.
        to: SchemaRef,
        /// What becomes of them.
        rows: Step,
    },
    /// All rows of all branches.
    Union(Vec<Term>),
    /// Rows that meet rows of a relation that does not change from round to round.
    Meet(Box<Meet>),
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Step").field("failed", &self.failed).finish_non_exhaustive()
    }
}

impl fmt::Debug for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Term::Before => f.write_str("Before"),
            Term::Map { input, .. } => f.debug_struct("Map").field("input", input).finish_non_exhaustive(),
            Term::Union(branches) => f.debug_tuple("Union").field(branches).finish(),
            Term::Meet(meet) => f.debug_struct("Meet").field("input", &meet.input).finish_non_exhaustive(),
        }
    }
}

/// How the rows of a term meet those of a given relation.
pub struct Meet {
    /// The term's rows.
    pub input: Term,
    /// Their columns.
    pub schema: SchemaRef,
    /// Which given relation.
    pub given: usize,
    /// The key columns of the term's rows, in the order of those of the given relation.
    pub keys: Vec<usize>,
    /// Whether NULL keys meet.
    pub nulls_equal: bool,
    /// Whether the given row's columns come first in a pair.
    pub given_first: bool,
    /// The columns of a pair.
    pub pair: SchemaRef,
    /// Which pairs count: what else must hold.
    pub check: Option<Step>,
    /// What is shown.
    pub shows: Shows,
}

/// What a meeting makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shows {
    /// Pairs.
    Pairs,
    /// Pairs, and rows of the term that meet nothing, beside NULLs.
    PairsAndLone,
    /// The term's rows that meet something, once each time they are there.
    Met,
    /// The term's rows that meet nothing.
    Lone,
    /// The given rows of the pairs, as often as there are pairs.
    GivenOfPairs,
}
