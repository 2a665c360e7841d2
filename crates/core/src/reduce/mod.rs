//! Reduce without windows: a group lives as long as it has rows, and every change of its row is shown.
//!
//! One table for the whole stream: its memory grows with the number of different keys. Without key columns there is one row
//! always, as SQL says: before any input and after all of it was taken back it is what the aggregates make of nothing.

use arrow_array::{ArrayRef, RecordBatch};

use crate::aggregate::{Changes, GroupTable, Part, Role, States, Terms};
use crate::delta::{Delta, Unfit};
use crate::operator::{Saved, Saving, Section, Stateful, only};
use crate::time::Epoch;

/// The state machine.
pub struct Groups {
    terms: Terms,
    table: GroupTable,
    /// Without key columns: the row.
    only: Option<Only>,
}

/// The one row of a grouping without keys.
struct Only {
    /// What the aggregates make of nothing.
    nothing: Vec<ArrayRef>,
    /// What is shown; `None` before the first epoch.
    shown: Option<Vec<ArrayRef>>,
}

impl Groups {
    /// No groups yet.
    pub fn new(terms: Terms) -> Groups {
        let table = GroupTable::new(&terms.grouping, Role::Whole);
        let only = terms.grouping.keys.is_empty().then(|| {
            let mut states = States::new(&terms.grouping, Role::Whole);
            states.resize(1);
            Only { nothing: states.evaluate(&[0]), shown: None }
        });
        Groups { terms, table, only }
    }
}

impl Only {
    /// The row, where this is the table.
    fn row(&self, table: &GroupTable) -> Vec<ArrayRef> {
        if table.is_empty() { self.nothing.clone() } else { table.values() }
    }
}

impl Saved for Groups {
    fn sections(&self) -> Vec<Section> {
        let keys = (0..self.terms.grouping.keys.len()).collect();
        vec![Section::new("groups", 1, self.table.fields(), keys)]
    }

    fn begin(&mut self) -> Saving {
        let (mut saving, sections) = (Saving::default(), self.sections());
        for groups in self.table.used().chunks(Saving::PIECE) {
            saving.add((0, &sections[0]), self.table.save(groups), groups.len());
        }
        saving
    }

    fn take(&mut self, _: usize, rows: &RecordBatch) -> Result<(), Unfit> {
        self.table.load(rows.columns(), rows.num_rows())
    }

    fn loaded(&mut self, _: Epoch) {
        if let Some(only) = &mut self.only {
            only.shown = Some(only.row(&self.table));
        }
    }
}

impl Stateful for Groups {
    fn starts(&self) -> bool {
        self.only.as_ref().is_some_and(|only| only.shown.is_none())
    }

    fn held(&self) -> usize {
        self.table.len()
    }

    fn bytes(&self) -> usize {
        self.table.bytes()
    }

    fn apply(&mut self, _epoch: Epoch, inputs: &mut [Vec<Delta>]) -> Vec<Delta> {
        let input = only(inputs);
        let mut changes = Changes::new(&self.terms.schema);
        let parts: Vec<Part<'_>> = input.iter().map(Part::Rows).collect();
        let Some(only) = &mut self.only else {
            self.table.amend(&parts, &|_| Vec::new(), &mut changes);
            return changes.finish();
        };
        self.table.add(&parts);
        let now = only.row(&self.table);
        match only.shown.replace(now.clone()) {
            None => changes.insert(now, 1),
            Some(before) => changes.replace(Vec::new(), before, now, 1),
        }
        changes.finish()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;

    use arrow_array::cast::AsArray;
    use arrow_array::types::Int64Type;
    use arrow_array::{Int64Array, RecordBatch};
    use arrow_schema::{DataType, Field, Schema};

    use super::*;
    use crate::aggregate::{Call, Emit, GroupCall, Grouping, find};
    use crate::delta::Rejects;

    #[test]
    fn without_keys_there_is_one_row_always() {
        let field = |name: &str| Field::new(name, DataType::Int64, true);
        let call = |name: &str, args: Vec<usize>| GroupCall {
            function: find(name).unwrap(),
            call: Call {
                args: vec![DataType::Int64; args.len()],
                literals: vec![],
                output: DataType::Int64,
                order: vec![],
                distinct: false,
                retracting: true,
            },
            args,
            order: vec![],
            filter: None,
        };
        let aggregates = vec![call("COUNT", vec![]), call("MAX", vec![0])];
        let terms = Terms {
            grouping: Grouping { keys: vec![], key_types: vec![], aggregates, retracting: true },
            schema: Arc::new(Schema::new(vec![field("n"), field("most")])),
            emit: Emit::Changes,
            lateness_ms: None,
            delay_ms: 0,
            grace_ms: 0,
            rejects: Rejects::channel(|_, _| String::new()).0,
        };
        let mut groups = Groups::new(terms);
        let input = Arc::new(Schema::new(vec![field("x")]));
        let rows = |value: Option<i64>, diff: i64| {
            let batch = RecordBatch::try_new(input.clone(), vec![Arc::new(Int64Array::from(vec![value]))]).unwrap();
            vec![Delta::new(batch, Some(vec![diff].into()))]
        };
        let mut told = |input: Vec<Delta>| {
            let changes = groups.apply(Epoch::MIN, &mut [input]);
            let cell = |delta: &Delta, row: usize, column: usize| {
                let column = delta.batch().column(column).as_primitive::<Int64Type>().clone();
                column.iter().nth(row).unwrap()
            };
            let row = |delta: &Delta, row: usize| (cell(delta, row, 0), cell(delta, row, 1), delta.diff(row));
            changes
                .iter()
                .flat_map(|delta| (0..delta.len()).map(|at| row(delta, at)).collect::<Vec<_>>())
                .collect::<Vec<_>>()
        };
        assert_eq!(told(vec![]), [(Some(0), None, 1)]);
        assert_eq!(told(vec![]), []);
        assert_eq!(told(rows(Some(7), 1)), [(Some(0), None, -1), (Some(1), Some(7), 1)]);
        assert_eq!(told(rows(Some(7), -1)), [(Some(1), Some(7), -1), (Some(0), None, 1)]);
    }
}
