//! Reduce without windows: a group lives as long as it has rows, and every change of its row is shown.
//!
//! One table for the whole stream: its memory grows with the number of different keys. Without key columns the one row
//! appears with the first input row (SQL would show a row for no input too) and goes when the last one is taken back.

use crate::aggregate::{Changes, GroupTable, Part, Role, Terms};
use crate::delta::{Delta, Stateful};
use crate::time::Epoch;

/// The state machine.
pub struct Groups {
    terms: Terms,
    table: GroupTable,
}

impl Groups {
    /// No groups yet.
    pub fn new(terms: Terms) -> Groups {
        let table = GroupTable::new(&terms.grouping, Role::Whole);
        Groups { terms, table }
    }
}

impl Stateful for Groups {
    fn held(&self) -> usize {
        self.table.len()
    }

    fn bytes(&self) -> usize {
        self.table.bytes()
    }

    fn apply(&mut self, _epoch: Epoch, input: Vec<Delta>) -> Vec<Delta> {
        let mut changes = Changes::new(&self.terms.schema);
        self.table.amend(&input.iter().map(Part::Rows).collect::<Vec<_>>(), &|_| Vec::new(), &mut changes);
        changes.finish()
    }
}
