//! Ranking: the first rows of each partition by an order (top-N, deduplication, `ORDER BY ... LIMIT`).
//!
//! Rows are numbered within their partition, and those whose number lies within a bound are shown. The order is total:
//! ties go by event time and the row's number in its source where it has one (J5), else by all its columns, so equal
//! rows only are interchangeable and no result depends on the order of arrival, batches or workers. The changes of an
//! epoch are exactly what differs between before and after it.

mod list;
mod moves;
mod order;
mod partitions;
mod roll;
mod rolling;
mod store;
mod top;
mod weight;

use arrow_schema::SortOptions;

use crate::aggregate::Emit;

use order::Order;

pub use roll::Frame;
pub use rolling::{Rolling, RollingOrder};
pub use top::Top;

/// How rows of a partition are numbered, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Numbering {
    /// `ROW_NUMBER()`: one after the other.
    Row,
    /// `RANK()`: rows of one order value share the number of the first.
    Rank,
    /// `DENSE_RANK()`: the number of different order values up to the row's.
    Dense,
}

/// Shows the rows of each partition whose number is within bounds. Output columns: those of the input, then the numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rank {
    /// The partition columns (without window columns).
    pub keys: Vec<usize>,
    /// The columns of start and end of the window that rows are ranked within, if they are.
    pub window: Option<(usize, usize)>,
    /// The order as written.
    pub order: Vec<(usize, SortOptions)>,
    /// What breaks its ties, before all other columns.
    pub ties: Vec<(usize, SortOptions)>,
    /// Whether order and ties tell all rows apart.
    pub unique: bool,
    /// The numbering that is bounded.
    pub by: Numbering,
    /// The first number shown, from 1.
    pub from: u64,
    /// The last number shown; none below `from` shows nothing.
    pub to: u64,
    /// The numbers that are columns of the output.
    pub numbers: Vec<Numbering>,
    /// When rows of windows are shown; without windows it is always at every change.
    pub emit: Emit,
    /// How long after its end a window may still be amended, in ms; `None` is forever.
    pub lateness_ms: Option<i64>,
    /// Whether the input takes rows back: then all rows are kept, else only those that can be shown.
    pub retracting: bool,
}

impl Rank {
    /// The columns that tell which worker a row goes to; none: all to one.
    pub fn exchange(&self) -> Vec<usize> {
        let window = self.window.map(|(_, end)| end).filter(|_| self.keys.is_empty());
        self.keys.iter().copied().chain(window).collect()
    }

    fn total_order(&self) -> Order {
        Order {
            columns: self.order.clone(),
            ties: self.ties.clone(),
            // A row that is taken back is found by all its columns.
            complete: self.unique && !self.retracting,
        }
    }

    /// Whether rows of one order value have to be told from others.
    fn has_peers(&self) -> bool {
        self.by != Numbering::Row || self.numbers.iter().any(|numbering| *numbering != Numbering::Row)
    }
}

#[cfg(test)]
mod tests;
