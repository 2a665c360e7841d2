//! A table of groups: keys and accumulators, and what changes in the rows that it stands for.
//!
//! A group's row exists while the group has rows. In a table that does not count rows (append-only input) a group has rows
//! from its first on, and nothing is ever removed.

use arrow_array::{ArrayRef, UInt32Array};
use arrow_schema::Field;
use arrow_select::take::take;

use super::{Changes, Grouping, Keys, Role, States};
use crate::delta::{Delta, Unfit};

/// Keys and accumulators of groups.
pub struct GroupTable {
    columns: Vec<usize>,
    keys: Keys,
    states: States,
    /// Per group the last call that saw it, to find the distinct groups of a call.
    seen: Vec<u32>,
    calls: u32,
}

/// What is added to a table.
#[derive(Clone, Copy)]
pub enum Part<'a> {
    /// Rows.
    Rows(&'a Delta),
    /// The groups of another table.
    Table(&'a GroupTable),
}

/// The columns between keys and aggregates, for so many rows.
pub type Middle<'a> = &'a dyn Fn(usize) -> Vec<ArrayRef>;

impl GroupTable {
    /// No groups yet.
    pub fn new(grouping: &Grouping, role: Role) -> GroupTable {
        GroupTable {
            columns: grouping.keys.clone(),
            keys: Keys::new(&grouping.key_types),
            states: States::new(grouping, role),
            seen: Vec::new(),
            calls: 0,
        }
    }

    /// Adds parts without asking what changes.
    pub fn add(&mut self, parts: &[Part<'_>]) {
        let groups: Vec<Vec<u32>> = parts.iter().map(|part| self.intern(part)).collect();
        parts.iter().zip(&groups).for_each(|(part, groups)| self.update(groups, part));
        if self.states.counted() {
            let touched = self.distinct(&groups);
            self.release(&touched);
        }
    }

    /// Adds parts and tells the rows that go and the rows that come: at most one of each a group, none if nothing changes.
    pub fn amend(&mut self, parts: &[Part<'_>], middle: Middle<'_>, changes: &mut Changes) {
        let before = self.keys.end();
        let groups: Vec<Vec<u32>> = parts.iter().map(|part| self.intern(part)).collect();
        let touched = self.distinct(&groups);
        let counted = self.states.counted();
        let (mut old, fresh): (Vec<u32>, Vec<u32>) = touched.iter().partition(|&&group| self.has_rows(group, before));
        let mut old_values = self.states.evaluate(&old);
        parts.iter().zip(&groups).for_each(|(part, groups)| self.update(groups, part));
        let there = |table: &GroupTable, group: u32| table.has_rows(group, usize::MAX);

        // Rows that go for good.
        if counted && old.iter().any(|&group| !there(self, group)) {
            let (stay, go): (Vec<u32>, Vec<u32>) = (0..old.len() as u32).partition(|&i| there(self, old[i as usize]));
            let gone: Vec<u32> = go.iter().map(|&i| old[i as usize]).collect();
            changes.retract(self.row(&gone, middle, pick(&old_values, &go)), gone.len());
            old_values = pick(&old_values, &stay);
            old = stay.iter().map(|&i| old[i as usize]).collect();
        }
        // Rows that change.
        let fixed = row(self.keys.columns(&old), middle(old.len()), Vec::new());
        changes.replace(fixed, old_values, self.states.evaluate(&old), old.len());
        // Rows that come.
        let come: Vec<u32> = fresh.into_iter().filter(|&group| there(self, group)).collect();
        changes.insert(self.row(&come, middle, self.states.evaluate(&come)), come.len());
        if counted {
            self.release(&touched);
        }
    }

    /// Tells all rows as coming.
    pub fn show(&self, middle: Middle<'_>, changes: &mut Changes) {
        let groups = self.groups();
        changes.insert(self.row(&groups, middle, self.states.evaluate(&groups)), groups.len());
    }

    /// The aggregates' values of all groups that have rows.
    pub fn values(&self) -> Vec<ArrayRef> {
        self.states.evaluate(&self.groups())
    }

    /// Takes in groups that are held elsewhere: the keys numbered `from` and their accumulators.
    pub fn take_in(&mut self, keys: &Keys, states: &States, from: &[u32]) {
        let groups = self.keys.intern_from(keys, from);
        self.states.resize(self.keys.end());
        self.states.merge(&groups, states, from, 1);
    }

    /// The groups that have rows.
    pub fn groups(&self) -> Vec<u32> {
        (0..self.keys.end() as u32).filter(|&group| self.has_rows(group, usize::MAX)).collect()
    }

    /// The columns that groups are saved in: their keys, then their states.
    pub fn fields(&self) -> Vec<Field> {
        self.keys.fields().into_iter().chain(self.states.fields()).collect()
    }

    /// The groups that are held, with rows or not.
    pub fn used(&self) -> Vec<u32> {
        self.keys.used()
    }

    /// These groups in the columns of [`GroupTable::fields`], a row each.
    pub fn save(&self, groups: &[u32]) -> Vec<ArrayRef> {
        self.keys.columns(groups).into_iter().chain(self.states.save(groups)).collect()
    }

    /// Takes in groups of such columns, none of which is held.
    pub fn load(&mut self, saved: &[ArrayRef], rows: usize) -> Result<(), Unfit> {
        let (keys, states) = saved.split_at(self.columns.len());
        let (before, mut groups) = (self.keys.live(), Vec::new());
        self.keys.intern(keys, rows, &mut groups);
        if self.keys.live() != before + rows {
            return Err(Unfit::Value("a group is there twice"));
        }
        self.states.resize(self.keys.end());
        self.states.load(&groups, states)
    }

    /// How many keys are held.
    pub fn len(&self) -> usize {
        self.keys.live()
    }

    /// Whether no key is held.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Memory held, in bytes, about.
    pub fn bytes(&self) -> usize {
        self.keys.bytes() + self.states.bytes() + self.seen.capacity() * 4
    }

    fn intern(&mut self, part: &Part<'_>) -> Vec<u32> {
        let groups = match part {
            Part::Rows(delta) => {
                let keys: Vec<ArrayRef> =
                    self.columns.iter().map(|&column| delta.batch().column(column).clone()).collect();
                let mut groups = Vec::new();
                self.keys.intern(&keys, delta.len(), &mut groups);
                groups
            }
            Part::Table(table) => self.keys.intern_from(&table.keys, &table.groups()),
        };
        self.states.resize(self.keys.end());
        groups
    }

    fn update(&mut self, groups: &[u32], part: &Part<'_>) {
        match part {
            Part::Rows(delta) => self.states.update(groups, delta),
            Part::Table(table) => self.states.merge(groups, &table.states, &table.groups(), 1),
        }
    }

    /// Whether a group has rows; if they are not counted, the groups below `end` do.
    fn has_rows(&self, group: u32, end: usize) -> bool {
        self.states.rows(group).map_or((group as usize) < end, |rows| rows > 0)
    }

    /// Each group once, in the order of first appearance.
    fn distinct(&mut self, groups: &[Vec<u32>]) -> Vec<u32> {
        self.seen.resize(self.seen.len().max(self.keys.end()), 0);
        self.calls = self.calls.wrapping_add(1);
        if self.calls == 0 {
            self.seen.fill(0);
            self.calls = 1;
        }
        let (seen, call) = (&mut self.seen, self.calls);
        let first = |group: &u32| std::mem::replace(&mut seen[*group as usize], call) != call;
        groups.iter().flat_map(|groups| groups.iter().copied()).filter(first).collect()
    }

    /// Removes those of `groups` (each once) that have no rows.
    fn release(&mut self, groups: &[u32]) {
        let gone: Vec<u32> = groups.iter().copied().filter(|&group| self.states.rows(group) == Some(0)).collect();
        if !gone.is_empty() {
            self.states.reset(&gone);
            self.keys.remove(&gone);
        }
    }

    fn row(&self, groups: &[u32], middle: Middle<'_>, values: Vec<ArrayRef>) -> Vec<ArrayRef> {
        row(self.keys.columns(groups), middle(groups.len()), values)
    }
}

fn row(mut keys: Vec<ArrayRef>, middle: Vec<ArrayRef>, values: Vec<ArrayRef>) -> Vec<ArrayRef> {
    keys.extend(middle);
    keys.extend(values);
    keys
}

/// The rows of these columns at `rows`, in that order.
pub fn pick(columns: &[ArrayRef], rows: &[u32]) -> Vec<ArrayRef> {
    let rows = UInt32Array::from(rows.to_vec());
    let picked = columns.iter().map(|column| take(column, &rows, None));
    match picked.collect() {
        Ok(columns) => columns,
        Err(error) => unreachable!("the rows are within the columns: {error}"),
    }
}
