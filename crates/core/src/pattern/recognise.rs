//! The state machine: rows go to their partitions; partitions are looked at when their time has come.
//!
//! A partition is due when the watermark passes a row that may decide something: one that may start a match, or one that
//! follows a row that may; and when an undecided match runs out of time. Invariants: all that is due is in `due`; a
//! partition that is not due has no row that could start a match among those that have passed.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, TimestampMillisecondType};
use arrow_array::{Array, ArrayRef};
use arrow_schema::{DataType, Schema, SchemaRef};
use hashbrown::HashMap;

use super::attempt::{Matcher, Outcome};
use super::output::Judge;
use super::partition::{Partition, Row};
use super::store::{At, Store, chosen};
use super::{Pattern, Pick, Program};
use crate::aggregate::Keys;
use crate::delta::{Delta, Failure, Reject, Rejects};
use crate::operator::{Stateful, only};
use crate::time::Epoch;

/// Fewest rows between two sweeps.
const SWEEP_ROWS: usize = 16_384;

/// The state machine of a pattern.
pub struct Recognise {
    /// Over the store's columns.
    pub(super) pattern: Pattern,
    pub(super) program: Program,
    /// Per variable with a condition.
    pub(super) judges: Vec<Option<Judge>>,
    /// The input's columns that the store has.
    pub(super) columns: Vec<usize>,
    pub(super) reach: (usize, usize),
    /// Whether matches are numbered.
    pub(super) numbers: bool,
    /// How far behind the watermark rows that are on time can be, in ms.
    pub(super) delay_ms: i64,
    pub(super) schema: SchemaRef,
    /// The store's columns.
    pub(super) stored: SchemaRef,
    pub(super) rejects: Rejects,
    pub(super) keys: Keys,
    pub(super) partitions: Vec<Partition>,
    pub(super) store: Store,
    pub(super) due: BTreeMap<i64, Vec<u32>>,
    /// Those that are not in use; boxed, since they go to partitions and come back.
    #[allow(clippy::vec_box)]
    pub(super) matchers: Vec<Box<Matcher>>,
    /// The store is swept when it has more rows than this.
    sweep_at: usize,
    sweep_rows: usize,
}

impl Recognise {
    /// No rows yet. `input` is the schema of what it reads, `schema` of what it makes; `delay_ms` is how far behind the
    /// watermark rows on time can be.
    pub fn new(
        pattern: &Pattern,
        program: Program,
        input: &SchemaRef,
        schema: &SchemaRef,
        delay_ms: i64,
        rejects: &Rejects,
    ) -> Recognise {
        let columns = pattern.columns();
        let types: Vec<DataType> = columns.iter().map(|&column| input.field(column).data_type().clone()).collect();
        let pattern = pattern.moved(&|column| columns.partition_point(|&other| other < column));
        let fields = columns.iter().map(|&column| input.field(column).clone().with_nullable(true));
        let stored = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let judge = |condition: &super::Condition| Judge::new(condition, &stored, &pattern.variables);
        Recognise {
            judges: pattern.variables.iter().map(|variable| variable.condition.as_ref().map(judge)).collect(),
            reach: pattern.reach(),
            numbers: pattern.picks.iter().any(|pick| matches!(pick, Pick::MatchNumber)),
            keys: Keys::new(&pattern.keys.iter().map(|&key| types[key].clone()).collect::<Vec<_>>()),
            pattern,
            program,
            columns,
            delay_ms,
            schema: schema.clone(),
            stored,
            rejects: rejects.clone(),
            partitions: Vec::new(),
            store: Store::new(types),
            due: BTreeMap::new(),
            matchers: Vec::new(),
            sweep_at: SWEEP_ROWS,
            sweep_rows: SWEEP_ROWS,
        }
    }

    #[cfg(test)]
    pub(super) fn sweep_always(&mut self) {
        self.sweep_at = 0;
        self.sweep_rows = 0;
    }

    /// Takes rows in; those that come behind `time` make their partitions dirty.
    fn take(&mut self, delta: &Delta, time: i64, dirty: &mut Vec<u32>) {
        let columns = chosen(delta.batch().columns(), &self.columns);
        let keys: Vec<ArrayRef> = chosen(&columns, &self.pattern.keys);
        let mut groups = Vec::new();
        self.keys.intern(&keys, delta.len(), &mut groups);
        self.partitions.resize_with(self.partitions.len().max(self.keys.end()), Partition::default);
        let times = columns[self.pattern.time].as_primitive::<TimestampMillisecondType>().clone();
        let sequence = self.pattern.sequence.map(|column| columns[column].as_primitive::<Int64Type>().clone());
        let flags = self.flags(&columns, delta.len());
        let chunk = self.store.push(columns, delta.len());
        let horizon = self.pattern.lateness_ms.map(|lateness| time.saturating_sub(lateness));
        for (row, &group) in groups.iter().enumerate() {
            let ts = times.value(row);
            if horizon.is_some_and(|horizon| ts < horizon) {
                let late = Failure::late(Reject::behind(time.saturating_sub(ts)));
                self.rejects.row(late, delta.batch(), row, delta.diff(row));
                continue;
            }
            let partition = &mut self.partitions[group as usize];
            let new = Row {
                ts,
                sequence: sequence.as_ref().map_or(0, |sequence| sequence.value(row)),
                at: (chunk, row as u32),
                flags: flags[row],
                known: 0,
                holds: 0,
                fails: 0,
                failed: 0,
            };
            for _ in 0..delta.diff(row) {
                let store = &self.store;
                let position = partition.insert(new, |a, b| store.compare(a, b).is_le());
                if ts < time {
                    partition.unsettle(position, ts, self.reach);
                    if !std::mem::replace(&mut partition.dirty, true) {
                        dirty.push(group);
                    }
                }
            }
            partition.hopeful |= new.flags & self.program.starts != 0;
            if ts >= time && partition.hopeful {
                self.schedule(group, passes(ts, self.delay_ms));
            }
        }
    }

    /// Per row, the variables whose flags it has.
    pub(super) fn flags(&self, columns: &[ArrayRef], rows: usize) -> Vec<u64> {
        let mut flags = vec![0; rows];
        for (at, variable) in self.pattern.variables.iter().enumerate() {
            let bit = 1 << at;
            match variable.flag {
                None => flags.iter_mut().for_each(|flags| *flags |= bit),
                Some(column) => {
                    let holds = columns[column].as_boolean();
                    let valid = match holds.nulls() {
                        Some(nulls) => holds.values() & nulls.inner(),
                        None => holds.values().clone(),
                    };
                    valid.set_indices().for_each(|row| flags[row] |= bit);
                }
            }
        }
        flags
    }

    /// Rows that come on time once the watermark is there are at this time or later; whether nothing comes any more.
    pub(super) fn moment(&self, deadline: i64) -> (i64, bool) {
        match deadline {
            i64::MAX => (i64::MAX, true),
            _ => (deadline.saturating_sub(self.delay_ms), false),
        }
    }

    /// A partition is looked at again when the watermark is at `time`, or before.
    pub(super) fn schedule(&mut self, group: u32, time: i64) {
        let partition = &mut self.partitions[group as usize];
        if partition.due.is_none_or(|earlier| time < earlier) {
            partition.due = Some(time);
            self.due.entry(time).or_default().push(group);
        }
    }

    /// What was decided by rows before this time is final.
    pub(super) fn frozen(&self, time: i64) -> Option<i64> {
        self.pattern.lateness_ms.map(|lateness| time.saturating_sub(lateness))
    }

    /// Keeps what is needed only, once enough has come.
    fn sweep(&mut self, deadline: i64) {
        if self.store.len() <= self.sweep_at {
            return;
        }
        if self.program.local != 0 {
            let all: Vec<u32> = (0..self.partitions.len() as u32).collect();
            self.settle_local(&all, deadline, |partition| partition.base);
        }
        let mut gone = Vec::new();
        for group in 0..self.partitions.len() as u32 {
            self.freeze(group, deadline);
            let partition = &mut self.partitions[group as usize];
            partition.forget(self.reach.0);
            let numbered = partition.numbered > 0 && self.numbers;
            if partition.first() == partition.end() && partition.end() > 0 && !numbered && partition.due.is_none() {
                *partition = Partition::default();
                gone.push(group);
            }
        }
        self.keys.remove(&gone);
        let live: Vec<At> = self.partitions.iter().flat_map(|partition| partition.rows().map(|row| row.at)).collect();
        let mut now = self.store.keep(&live).into_iter();
        for partition in &mut self.partitions {
            let shown = !partition.found.is_empty();
            let mut moved: HashMap<At, At> = HashMap::new();
            for row in partition.rows_mut() {
                let Some(at) = now.next() else { unreachable!("every row has a place") };
                if shown {
                    moved.insert(row.at, at);
                }
                row.at = at;
            }
            for found in &mut partition.found {
                let ats = found.shown.rows.iter_mut().map(|(at, _)| at);
                for at in ats.chain(found.shown.picked.iter_mut().flatten()) {
                    *at = moved.get(at).copied().unwrap_or(*at);
                }
            }
        }
        self.sweep_at = self.store.len() * usize::from(self.sweep_rows > 0) * 2 + self.sweep_rows;
    }

    /// Moves the base of a partition on as far as what was decided is final.
    fn freeze(&mut self, group: u32, deadline: i64) {
        let Some(frozen) = self.frozen(self.moment(deadline).0) else { return };
        let mut matcher = self.matchers.pop().unwrap_or_default();
        loop {
            let attempt = self.attempt(group, deadline);
            let (base, settled) = (attempt.partition.base, attempt.horizon.settled);
            let idle = !attempt.partition.hopeful && base < settled;
            let Some(row) = attempt.partition.row(base).filter(|_| base < attempt.partition.next || idle) else {
                break;
            };
            let found = attempt.partition.found.front().filter(|found| found.start == base);
            let (reach, next) = match found {
                Some(found) => (found.reach, found.next),
                None if row.flags & self.program.starts == 0 => (row.ts, base + 1),
                None => match self.decide(&mut matcher, group, deadline, base) {
                    Outcome::Nothing { reach } | Outcome::TooLong { reach } => (reach, base + 1),
                    Outcome::Undecided | Outcome::Asks(_) | Outcome::Match { .. } => break,
                },
            };
            if reach >= frozen {
                break;
            }
            let found = found.is_some();
            let partition = &mut self.partitions[group as usize];
            if found {
                partition.found.pop_front();
                partition.numbered += 1;
            }
            partition.base = next;
            partition.next = partition.next.max(next);
        }
        self.matchers.push(matcher);
    }
}

/// The watermark at which no row at `ts` or before can come on time.
pub(super) fn passes(ts: i64, delay_ms: i64) -> i64 {
    ts.saturating_add(1).saturating_add(delay_ms)
}

impl Stateful for Recognise {
    fn apply(&mut self, epoch: Epoch, inputs: &mut [Vec<Delta>]) -> Vec<Delta> {
        let input = only(inputs);
        let time = epoch.watermark.saturating_sub(self.delay_ms);
        let mut dirty = Vec::new();
        for delta in input {
            let column = self.columns[self.pattern.time];
            let (rows, timeless) = delta.without_nulls(&[column]);
            for row in timeless {
                self.rejects.row(Failure::no_event_time(), delta.batch(), row, delta.diff(row));
            }
            self.take(&rows, time, &mut dirty);
        }
        let tasks = dirty.into_iter().map(|group| (epoch.watermark, group)).collect();
        let changes = self.look(tasks, epoch.watermark);
        self.sweep(epoch.watermark);
        changes.into_iter().flat_map(|(_, changes)| changes).collect()
    }

    fn deadline(&self) -> Option<i64> {
        self.due.keys().next().copied()
    }

    fn close_until(&mut self, until: i64) -> Vec<(i64, Vec<Delta>)> {
        let mut tasks = Vec::new();
        while let Some(slot) = self.due.first_entry().filter(|slot| *slot.key() <= until) {
            let at = *slot.key();
            for group in slot.remove() {
                let partition = &mut self.partitions[group as usize];
                if partition.due == Some(at) {
                    partition.due = None;
                    tasks.push((at, group));
                }
            }
        }
        let changes = self.look(tasks, until);
        self.sweep(until);
        changes
    }

    fn held(&self) -> usize {
        self.store.len()
    }

    fn bytes(&self) -> usize {
        let partitions = self.partitions.len() * size_of::<Partition>();
        self.store.bytes() + self.keys.bytes() + self.store.len() * size_of::<Row>() + partitions
    }
}
