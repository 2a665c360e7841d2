//! Joins: which rows of two inputs meet, kept right while both change, freed when event time proves a row useless.
//!
//! One core serves every kind of join: [`Table`] keeps the rows of both sides under their keys, takes whole epochs of
//! changes and answers the changes of the result, each pair of rows once. [`Buckets`] puts tables side by side in event
//! time, so that a join within an interval looks only at rows that are near and drops whole tables. [`Lookup`] joins
//! rows with the version of another input that was valid at their time.
//!
//! A row is freed by one rule: from `x(left) + gap <= y(right)`, with `x >= W + offset` for all left rows to come, a right
//! row can meet none of them once `W + offset + gap > y`; and the same the other way round. All times are ms.
//!
//! Rows with a NULL key meet nothing, unless the join says that NULLs are equal.

mod arrangement;
#[cfg(test)]
mod arrangement_tests;
mod buckets;
mod chains;
mod counts;
mod expiries;
mod lookup;
mod meeting;
mod output;
mod shared;
mod side;
mod table;
#[cfg(test)]
mod table_tests;

use std::sync::Arc;

use datafusion_physical_expr::PhysicalExpr;

use crate::aggregate::Emit;

pub use arrangement::Arrangement;
pub use buckets::Buckets;
pub use lookup::{Lookup, Versions};
pub use meeting::Meeting;
pub use output::pair_schema;
pub use shared::{Arranged, Met};
pub use table::Table;

/// One of the two inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// The first.
    Left,
    /// The second.
    Right,
}

impl Side {
    /// Both, in order.
    pub const BOTH: [Side; 2] = [Side::Left, Side::Right];

    /// The other one.
    pub fn other(self) -> Side {
        match self {
            Side::Left => Side::Right,
            Side::Right => Side::Left,
        }
    }
}

/// What a join makes of pairs and of rows that meet nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum JoinKind {
    /// Pairs.
    Inner,
    /// Pairs, and left rows without a partner beside NULLs.
    Left,
    /// Pairs, and right rows without a partner beside NULLs.
    Right,
    /// Pairs, and rows of both sides without a partner beside NULLs.
    Full,
    /// Left rows that have a partner.
    LeftSemi,
    /// Left rows that have none.
    LeftAnti,
    /// Right rows that have a partner.
    RightSemi,
    /// Right rows that have none.
    RightAnti,
}

/// When a row of one side is shown for its own sake, not as part of a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lone {
    /// Never.
    Never,
    /// While it has no partner.
    Unmatched,
    /// While it has one.
    Matched,
}

impl JoinKind {
    /// Whether pairs are shown.
    pub fn pairs(self) -> bool {
        matches!(self, JoinKind::Inner | JoinKind::Left | JoinKind::Right | JoinKind::Full)
    }

    /// The one side that is shown, if only one is.
    pub fn only(self) -> Option<Side> {
        match self {
            JoinKind::LeftSemi | JoinKind::LeftAnti => Some(Side::Left),
            JoinKind::RightSemi | JoinKind::RightAnti => Some(Side::Right),
            _ => None,
        }
    }

    /// Whether rows of a side are shown that have no partner.
    pub fn unmatched(self, side: Side) -> bool {
        self.lone(side) == Lone::Unmatched
    }

    fn lone(self, side: Side) -> Lone {
        match (self, side) {
            (JoinKind::Left | JoinKind::Full | JoinKind::LeftAnti, Side::Left) => Lone::Unmatched,
            (JoinKind::Right | JoinKind::Full | JoinKind::RightAnti, Side::Right) => Lone::Unmatched,
            (JoinKind::LeftSemi, Side::Left) | (JoinKind::RightSemi, Side::Right) => Lone::Matched,
            _ => Lone::Never,
        }
    }
}

/// A condition on times: the value of the column `earlier` on `side`, plus `gap_ms`, is not above the value of the column
/// `later` on the other side. Both are `Timestamp(ms)`; a NULL meets nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TimeOrder {
    /// The side with the earlier time.
    pub side: Side,
    /// Its column.
    pub earlier: usize,
    /// The column of the other side.
    pub later: usize,
    /// How far they must be apart at least, in ms; may be negative.
    pub gap_ms: i64,
}

impl TimeOrder {
    /// The column of a side.
    pub fn column(&self, side: Side) -> usize {
        if side == self.side { self.earlier } else { self.later }
    }
}

/// What frees a row: it can meet nothing to come once `W > value of the column + after_ms`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Expiry {
    /// A time column of the row.
    pub column: usize,
    /// How long after that time, in ms; may be negative.
    pub after_ms: i64,
}

/// A join of two inputs. Output columns: left, then right; of a semi or anti join those of the side it shows.
#[derive(Clone, Debug)]
pub struct Join {
    /// What is shown.
    pub kind: JoinKind,
    /// The columns that must be equal, left and right, of equal types.
    pub keys: Vec<(usize, usize)>,
    /// Whether a NULL key equals another (as in set operations).
    pub nulls_equal: bool,
    /// The conditions on times; they are checked exactly.
    pub order: Vec<TimeOrder>,
    /// What else must hold, over the columns left, then right.
    pub residual: Option<Arc<dyn PhysicalExpr>>,
    /// What frees rows of the left and of the right side, the earliest of them; empty: nothing does.
    pub expiry: [Vec<Expiry>; 2],
    /// `Final`: rows without a partner are shown once they expire; `Changes`: at once, and taken back if a partner comes.
    /// Where nothing expires they are always shown at once.
    pub emit: Emit,
    /// Left rows are joined with the right rows of their own epoch and not kept: later changes of the right side rewrite
    /// nothing. Only for a left side that takes nothing back, and the kinds inner, left, left semi and left anti.
    pub transient: bool,
    /// Whether the left and the right input take rows back.
    pub retracting: [bool; 2],
    /// For dead letters: the view or sink that the residual stands in.
    pub owner: String,
    /// For dead letters: the columns left, then right, by the names that the query tells them by, where those are others.
    pub told: Vec<Option<String>>,
}

impl Join {
    /// The key columns of a side.
    pub fn key_columns(&self, side: Side) -> Vec<usize> {
        self.keys.iter().map(|&(left, right)| if side == Side::Left { left } else { right }).collect()
    }

    /// Whether rows of a side that have no partner wait for their expiry.
    pub fn deferred(&self, side: Side) -> bool {
        !self.transient
            && self.emit == Emit::Final
            && self.kind.unmatched(side)
            && !self.expiry[side as usize].is_empty()
    }

    /// Whether the result takes rows back.
    pub fn is_retracting(&self) -> bool {
        let early = |side: Side| self.kind.unmatched(side) && !self.deferred(side) && !self.transient;
        self.retracting[0] || (self.retracting[1] && !self.transient) || Side::BOTH.into_iter().any(early)
    }

    /// What frees the rows of a side: `orders` are all conditions on times (also those that equal keys imply), `bounds`
    /// tells of each column of the *other* side that rows to come have `value >= W + offset`.
    pub fn expiry_of(side: Side, orders: &[TimeOrder], bounds: &[Option<i64>]) -> Vec<Expiry> {
        let frees = |order: &TimeOrder| {
            let offset = bounds.get(order.earlier).copied().flatten()?;
            let after_ms = 0i64.saturating_sub(offset).saturating_sub(order.gap_ms);
            Some(Expiry { column: order.later, after_ms })
        };
        let mut expiry: Vec<Expiry> = orders.iter().filter(|order| order.side != side).filter_map(frees).collect();
        expiry.sort_by_key(|e| (e.column, e.after_ms));
        expiry.dedup_by_key(|e| e.column);
        expiry
    }
}
