//! Row patterns (MATCH_RECOGNIZE): regular expressions over the rows of a partition in event-time order (J7).
//!
//! A match is the first in order of preference that starts at a row: alternatives from the left, quantifiers greedy unless
//! reluctant. Matches are looked for from the first row on; where the next may start is said by [`Skip`]. A match is out
//! once no row to come on time could change it; a late row that changes one takes it back. Times are ms; `within_ms` is
//! exclusive: the last row of a match is less than so much later than its first.

mod attempt;
mod output;
mod partition;
mod program;
mod recognise;
mod saved;
mod scan;
mod store;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

use std::sync::Arc;

use arrow_schema::DataType;
use datafusion_common::ScalarValue;
use datafusion_physical_expr::PhysicalExpr;

use crate::aggregate::Aggregate;
use crate::registered::Registered;

pub use program::{MOST_STEPS, Program};
pub use recognise::Recognise;

/// Most variables of a pattern: their conditions are bits of a word.
pub const MOST_VARIABLES: usize = 64;

/// A pattern over an append-only input.
///
/// Output columns: the keys and then the picks, one row a match; or the columns `shown` and then the picks, one row for
/// every row of every match.
#[derive(Clone, Debug)]
pub struct Pattern {
    /// The columns that partition the rows; NULLs are equal.
    pub keys: Vec<usize>,
    /// The event-time column that orders them.
    pub time: usize,
    /// The column that orders rows of equal times; without it the rows' values do.
    pub sequence: Option<usize>,
    /// The variables of the pattern.
    pub variables: Vec<Variable>,
    /// The pattern.
    pub shape: Shape,
    /// A match lasts less than this, if it is bounded.
    pub within_ms: Option<i64>,
    /// Where to go on after a match.
    pub skip: Skip,
    /// All rows per match, these columns of each; `None`: one row per match.
    pub shown: Option<Vec<usize>>,
    /// What is shown of a match.
    pub picks: Vec<Pick>,
    /// How long after the watermark rows are still accepted, in ms; `None` is forever.
    pub lateness_ms: Option<i64>,
    /// For dead letters: the view or sink that the conditions stand in.
    pub owner: String,
}

/// A variable of a pattern: a name and what a row must fulfil to be one.
#[derive(Clone, Debug)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// A boolean column that must be true: what the row itself says.
    pub flag: Option<usize>,
    /// What else must hold.
    pub condition: Option<Condition>,
}

/// A condition on a row and the rows around it.
#[derive(Clone, Debug)]
pub struct Condition {
    /// What it reads, as of the row that is tried.
    pub picks: Vec<Pick>,
    /// The condition, over the picks as columns.
    pub holds: Arc<dyn PhysicalExpr>,
}

impl Condition {
    /// Whether it depends on the row's neighbours alone, whatever else is in the match.
    fn is_local(&self, variable: usize) -> bool {
        self.picks.iter().all(|pick| match pick {
            Pick::Column { place, .. } => place.is_current(variable),
            _ => false,
        })
    }
}

/// A pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shape {
    /// One row that is this variable.
    Row(usize),
    /// One after the other.
    Concat(Vec<Shape>),
    /// One of them, the first by preference.
    Either(Vec<Shape>),
    /// Many times.
    Repeat {
        /// What is repeated; it takes a row at least.
        body: Box<Shape>,
        /// At least so often.
        least: u32,
        /// At most so often.
        most: Option<u32>,
        /// Whether less is preferred.
        reluctant: bool,
    },
    /// No further row of the partition lies within `within_ms` of the first.
    End,
}

impl Shape {
    /// Whether some match of it is one because no further row comes.
    pub fn waits_for_absence(&self) -> bool {
        match self {
            Shape::Row(_) => false,
            Shape::Concat(parts) | Shape::Either(parts) => parts.iter().any(Shape::waits_for_absence),
            Shape::Repeat { body, .. } => body.waits_for_absence(),
            Shape::End => true,
        }
    }

    /// Whether it can match without taking a row.
    pub fn is_nullable(&self) -> bool {
        match self {
            Shape::Row(_) => false,
            Shape::Concat(parts) => parts.iter().all(Shape::is_nullable),
            Shape::Either(parts) => parts.iter().any(Shape::is_nullable),
            Shape::Repeat { body, least, .. } => *least == 0 || body.is_nullable(),
            Shape::End => true,
        }
    }
}

/// Where the next match may start. A row that is not there, or that is the first of the match, means the next row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Skip {
    /// After the last row of the match.
    PastLast,
    /// At the second row.
    ToNext,
    /// At the first row of a variable.
    ToFirst(usize),
    /// At the last row of a variable.
    ToLast(usize),
}

/// A row by its place in a match, and beside it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Place {
    /// Among the rows of these variables, as bits by their numbers, or all.
    pub variables: Option<u64>,
    /// Counted from the first, or back from the last.
    pub first: bool,
    /// So many further on (back).
    pub skip: usize,
    /// From there so many rows of the partition on; negative: back (PREV).
    pub offset: i64,
}

impl Place {
    /// Whether it is beside the row at hand, which is this variable.
    fn is_current(&self, variable: usize) -> bool {
        !self.first && self.skip == 0 && self.variables.is_none_or(|of| of >> variable & 1 == 1)
    }
}

/// A value of a match.
#[derive(Clone, Debug)]
pub enum Pick {
    /// A column of a row; NULL if there is no such row.
    Column {
        /// Which row.
        place: Place,
        /// Which column.
        column: usize,
    },
    /// An aggregate over the rows of some variables, or of the whole match, up to the row at hand.
    Aggregate(PickAggregate),
    /// The name of the variable of the last row.
    Classifier,
    /// The number of the match in its partition, from 1.
    MatchNumber,
}

/// An aggregate over rows of a match.
#[derive(Clone, Debug)]
pub struct PickAggregate {
    /// Over the rows of these variables, as bits by their numbers, or all.
    pub variables: Option<u64>,
    /// The function, not an ordered one.
    pub function: Registered<dyn Aggregate>,
    /// The argument columns, already of the types that the function asked for.
    pub args: Vec<usize>,
    /// The trailing literals.
    pub literals: Vec<ScalarValue>,
    /// Count equal arguments once.
    pub distinct: bool,
    /// The type of the result.
    pub output: DataType,
}

impl Pattern {
    /// All picks: those of conditions, then those shown.
    pub fn all_picks(&self) -> impl Iterator<Item = &Pick> {
        let conditions = self.variables.iter().filter_map(|variable| variable.condition.as_ref());
        conditions.flat_map(|condition| &condition.picks).chain(&self.picks)
    }

    /// The input's columns that it reads, sorted.
    pub fn columns(&self) -> Vec<usize> {
        let mut columns: Vec<usize> = self.keys.iter().copied().chain([self.time]).chain(self.sequence).collect();
        columns.extend(self.shown.iter().flatten());
        columns.extend(self.variables.iter().filter_map(|variable| variable.flag));
        for pick in self.all_picks() {
            match pick {
                Pick::Column { column, .. } => columns.push(*column),
                Pick::Aggregate(aggregate) => columns.extend(&aggregate.args),
                Pick::Classifier | Pick::MatchNumber => {}
            }
        }
        columns.sort_unstable();
        columns.dedup();
        columns
    }

    /// The same over an input whose columns are elsewhere.
    pub fn moved(&self, at: &dyn Fn(usize) -> usize) -> Pattern {
        let pick = |pick: &Pick| match pick {
            Pick::Column { place, column } => Pick::Column { place: *place, column: at(*column) },
            Pick::Aggregate(aggregate) => Pick::Aggregate(PickAggregate {
                args: aggregate.args.iter().map(|&arg| at(arg)).collect(),
                ..aggregate.clone()
            }),
            other => other.clone(),
        };
        let condition = |condition: &Condition| Condition {
            picks: condition.picks.iter().map(pick).collect(),
            holds: Arc::clone(&condition.holds),
        };
        let variable = |variable: &Variable| Variable {
            name: variable.name.clone(),
            flag: variable.flag.map(at),
            condition: variable.condition.as_ref().map(condition),
        };
        Pattern {
            keys: self.keys.iter().map(|&key| at(key)).collect(),
            time: at(self.time),
            sequence: self.sequence.map(at),
            variables: self.variables.iter().map(variable).collect(),
            shown: self.shown.as_ref().map(|shown| shown.iter().map(|&column| at(column)).collect()),
            picks: self.picks.iter().map(pick).collect(),
            ..self.clone()
        }
    }

    /// How many rows before a match, and after a row, are looked at.
    pub fn reach(&self) -> (usize, usize) {
        reach(self.all_picks())
    }

    /// Whether something of a partition is kept as long as the dataflow runs.
    pub fn remembers_partitions(&self) -> bool {
        self.reach().0 > 0 || self.picks.iter().any(|pick| matches!(pick, Pick::MatchNumber))
    }
}

/// How many rows before and after theirs picks look at.
fn reach<'a>(picks: impl IntoIterator<Item = &'a Pick>) -> (usize, usize) {
    let offsets = picks.into_iter().filter_map(|pick| match pick {
        Pick::Column { place, .. } => Some(place.offset),
        _ => None,
    });
    offsets.fold((0, 0), |(before, after), offset| {
        (before.max(offset.min(0).unsigned_abs() as usize), after.max(offset.max(0) as usize))
    })
}
