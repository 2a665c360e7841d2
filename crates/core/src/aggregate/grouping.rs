//! What a grouped operator groups by and computes.

use arrow_schema::DataType;

use super::{Aggregate, Call};
use crate::registered::Registered;

/// By which columns of the input rows are grouped, and what is computed of each group.
#[derive(Clone, Debug)]
pub struct Grouping {
    /// The key columns.
    pub keys: Vec<usize>,
    /// Their types.
    pub key_types: Vec<DataType>,
    /// The aggregates.
    pub aggregates: Vec<GroupCall>,
    /// Whether the input takes rows back.
    pub retracting: bool,
}

/// An aggregate of a [`Grouping`].
#[derive(Clone, Debug)]
pub struct GroupCall {
    /// The function.
    pub function: Registered<dyn Aggregate>,
    /// The bound call; its `retracting` is overruled by what the table is for.
    pub call: Call,
    /// The argument columns.
    pub args: Vec<usize>,
    /// The order columns.
    pub order: Vec<usize>,
    /// The column that must be true.
    pub filter: Option<usize>,
}

/// What a table is for; it decides which form of accumulators it needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It takes rows, and tables of role `Part` with sign `+1`.
    Whole,
    /// It takes rows and is merged into others.
    Part,
    /// Tables are merged into it, and out of it again.
    Sum,
}

impl Role {
    /// Whether the accumulators of such a table must be retracting.
    pub(super) fn retracting(self, grouping: &Grouping, aggregate: &GroupCall) -> bool {
        match self {
            Role::Whole => grouping.retracting,
            Role::Part => grouping.retracting || !aggregate.function.unmerges(),
            Role::Sum => true,
        }
    }
}
