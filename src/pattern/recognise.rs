//! The state machine: rows go to their partitions; partitions are looked at when their time has come.
//!
//! A partition is due when the watermark passes a row that may decide something: one that may start a match, or one that
//! follows a row that may; and when an undecided match runs out of time. Invariants: all that is due is in `due`; a
//! partition that is not due has no row that could start a match among those that have passed.

use std::collections::BTreeMap;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, TimestampMillisecondType};
use arrow_array::{Array, ArrayRef};
use arrow_schema::{DataType, SchemaRef};
use hashbrown::HashMap;

use super::attempt::{Attempt, Horizon, Matcher, Outcome, picked};
use super::output::{self, Judge, View};
use super::partition::{Found, Partition, Row, Shown, differences};
use super::store::{At, Store, chosen};
use super::{Pattern, Pick, Program, Skip};
use crate::aggregate::{Changes, Keys};
use crate::delta::{Delta, Rejects, Stateful};
use crate::time::Epoch;

/// Fewest rows between two sweeps.
const SWEEP_ROWS: usize = 16_384;

/// The state machine of a pattern.
pub struct Recognise {
    /// Over the store's columns.
    pattern: Pattern,
    program: Program,
    /// Per variable with a condition.
    judges: Vec<Option<Judge>>,
    /// The input's columns that the store has.
    columns: Vec<usize>,
    reach: (usize, usize),
    /// Whether matches are numbered.
    numbers: bool,
    /// How far behind the watermark rows that are on time can be, in ms.
    delay_ms: i64,
    schema: SchemaRef,
    rejects: Rejects,
    keys: Keys,
    partitions: Vec<Partition>,
    store: Store,
    due: BTreeMap<i64, Vec<u32>>,
    matcher: Matcher,
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
        let judge = |condition: &super::Condition| Judge::new(condition, &types);
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
            rejects: rejects.clone(),
            partitions: Vec::new(),
            store: Store::new(types),
            due: BTreeMap::new(),
            matcher: Matcher::default(),
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
                self.rejects.row(&self.pattern.owner, "late", &time.saturating_sub(ts).to_string(), delta.batch(), row);
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
                schedule(&mut self.due, partition, group, passes(ts, self.delay_ms));
            }
        }
    }

    /// Per row, the variables whose flags it has.
    fn flags(&self, columns: &[ArrayRef], rows: usize) -> Vec<u64> {
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

    /// Looks at partitions and answers what changes; rows to come are at `time` or later.
    fn look(&mut self, groups: &[u32], time: i64, ended: bool) -> Vec<Delta> {
        if self.program.local != 0 {
            self.settle_local(groups, time, ended, |partition| partition.next);
        }
        let (mut gone, mut come) = (Vec::new(), Vec::new());
        for &group in groups {
            let fresh = self.scan(group, time, ended);
            let undone = std::mem::take(&mut self.partitions[group as usize].undone);
            differences(undone, fresh, &mut gone, &mut come);
        }
        let mut changes = Changes::new(&self.schema);
        self.show(&gone, |columns, rows| changes.retract(columns, rows));
        self.show(&come, |columns, rows| changes.insert(columns, rows));
        if self.store.len() > self.sweep_at {
            self.sweep(time, ended);
        }
        changes.finish()
    }

    /// Evaluates the conditions on neighbours, for all partitions at once.
    fn settle_local(&mut self, groups: &[u32], time: i64, ended: bool, from: impl Fn(&Partition) -> u64) {
        for (variable, judge) in self.judges.iter().enumerate() {
            let bit = 1u64 << variable;
            let Some(judge) = judge.as_ref().filter(|_| self.program.local & bit != 0) else { continue };
            let (mut places, mut rows) = (Vec::new(), Vec::new());
            for &group in groups {
                let attempt = self.attempt(group, time, ended);
                for position in from(attempt.partition)..attempt.horizon.settled {
                    let wanted = |row: &&Row| row.flags & bit != 0 && row.known & bit == 0;
                    if attempt.partition.row(position).filter(wanted).is_none() {
                        continue;
                    }
                    let before = rows.len();
                    match picked(&attempt, &judge.picks, position, &[variable as u8], &mut rows) {
                        Some(()) => places.push((group, position)),
                        None => rows.truncate(before),
                    }
                }
            }
            if places.is_empty() {
                continue;
            }
            let width = judge.picks.len();
            let views: Vec<View<'_>> = (0..places.len())
                .map(|at| View { rows: &[], picked: &rows[at * width..][..width], number: 0 })
                .collect();
            let dead = (&self.rejects, self.pattern.owner.as_str());
            let holds = judge.judge(&self.store, &self.pattern.variables, &views, dead);
            for ((group, position), holds) in places.into_iter().zip(holds) {
                if let Some(row) = self.partitions[group as usize].row_mut(position) {
                    row.known |= bit;
                    row.holds = if holds { row.holds | bit } else { row.holds & !bit };
                }
            }
        }
    }

    fn attempt(&self, group: u32, time: i64, ended: bool) -> Attempt<'_> {
        let partition = &self.partitions[group as usize];
        let settled = if ended { partition.end() } else { partition.at_time(time) };
        Attempt {
            program: &self.program,
            partition,
            horizon: Horizon { time, settled, ended },
            within_ms: self.pattern.within_ms,
            after: self.reach.1 as u64,
        }
    }

    /// The match that starts at a row; with it, what is shown of it and where to go on.
    fn try_at(&self, matcher: &mut Matcher, attempt: &Attempt<'_>, start: u64) -> (Outcome, Option<(Shown, u64)>) {
        let at = |position: u64| attempt.partition.row(position).map_or((0, 0), |row| row.at);
        let rows_of = |path: &[u8]| -> Vec<(At, u8)> {
            path.iter().enumerate().map(|(taken, &variable)| (at(start + taken as u64), variable)).collect()
        };
        let mut holds = |variable: usize, path: &[u8]| {
            let Some(judge) = &self.judges[variable] else { return Some(true) };
            let mut rows = Vec::new();
            picked(attempt, &judge.picks, start, path, &mut rows)?;
            let view = View { rows: &rows_of(path), picked: &rows, number: 0 };
            let dead = (&self.rejects, self.pattern.owner.as_str());
            Some(judge.judge(&self.store, &self.pattern.variables, &[view], dead)[0])
        };
        let outcome = attempt.run(matcher, start, &mut holds);
        let Outcome::Match { .. } = outcome else { return (outcome, None) };
        let path = &matcher.path;
        let mut picks = Vec::new();
        let firsts = if self.pattern.shown.is_some() { 1..=path.len() } else { path.len()..=path.len() };
        for upto in firsts {
            if picked(attempt, &self.pattern.picks, start, &path[..upto], &mut picks).is_none() {
                return (Outcome::Undecided, None);
            }
        }
        let of = |variable: usize| move |taken: &u8| *taken as usize == variable;
        let next = match self.pattern.skip {
            Skip::PastLast => Some(path.len()),
            Skip::ToNext => Some(1),
            Skip::ToFirst(variable) => path.iter().position(of(variable)),
            Skip::ToLast(variable) => path.iter().rposition(of(variable)),
        };
        let next = start + next.unwrap_or(1).max(1) as u64;
        (outcome, Some((Shown { number: 0, rows: rows_of(path), picked: picks }, next)))
    }

    /// Goes on through a partition; answers the matches that come.
    fn scan(&mut self, group: u32, time: i64, ended: bool) -> Vec<Shown> {
        let mut matcher = std::mem::take(&mut self.matcher);
        let frozen = self.frozen(time);
        let (mut fresh, mut waits) = (Vec::new(), None);
        let settled = self.attempt(group, time, ended).horizon.settled;
        loop {
            let partition = &self.partitions[group as usize];
            let start = partition.next;
            let Some(row) = partition.row(start).copied().filter(|_| start < settled) else { break };
            let (outcome, matched) = match row.flags & self.program.starts {
                0 => (Outcome::Nothing { reach: row.ts }, None),
                _ => self.try_at(&mut matcher, &self.attempt(group, time, ended), start),
            };
            if let Outcome::TooLong { .. } = outcome {
                self.give_up(row.at);
            }
            let partition = &mut self.partitions[group as usize];
            let first = partition.next == partition.base;
            match (outcome, matched) {
                (Outcome::Undecided, _) => {
                    let end = self.pattern.within_ms.map_or(i64::MAX, |within| row.ts.saturating_add(within));
                    // Past its end only a row ahead is waited for, or the end of all.
                    waits = Some(if end > time { end.saturating_add(self.delay_ms) } else { i64::MAX });
                    break;
                }
                (Outcome::Match { reach }, Some((mut shown, next))) => {
                    if self.numbers {
                        shown.number = partition.numbered + partition.found.len() as i64 + 1;
                    }
                    partition.next = next;
                    fresh.push(shown.clone());
                    if first && frozen.is_some_and(|frozen| reach < frozen) {
                        partition.base = next;
                        partition.numbered += 1;
                    } else {
                        partition.found.push_back(Found { start, next, reach, shown });
                    }
                }
                (Outcome::Nothing { reach } | Outcome::TooLong { reach } | Outcome::Match { reach }, _) => {
                    partition.next += 1;
                    if first && frozen.is_some_and(|frozen| reach < frozen) {
                        partition.base = partition.next;
                    }
                }
            }
        }
        self.matcher = matcher;
        let starts = self.program.starts;
        let partition = &self.partitions[group as usize];
        let later = |position: u64| partition.row(position).map(|row| passes(row.ts, self.delay_ms));
        let due = match waits {
            Some(end) => Some(later(settled).map_or(end, |row| row.min(end))),
            None => {
                let may_start = |position: &u64| partition.row(*position).is_some_and(|row| row.flags & starts != 0);
                (settled.max(partition.next)..partition.end()).find(may_start).and_then(later)
            }
        };
        let partition = &mut self.partitions[group as usize];
        (partition.due, partition.dirty, partition.hopeful) = (None, false, due.is_some());
        if let Some(due) = due.filter(|_| !ended) {
            schedule(&mut self.due, partition, group, due);
        }
        partition.forget(self.reach.0);
        fresh
    }

    fn give_up(&self, at: At) {
        let columns = (0..self.columns.len()).map(|column| (column, self.store.gather(column, &[Some(at)])));
        let named = columns.map(|(column, values)| (format!("column{column}"), values, true));
        if let Ok(batch) = arrow_array::RecordBatch::try_from_iter_with_nullable(named) {
            let detail = format!(
                "no match after {} steps from this row on; bound the repetitions or the conditions",
                super::attempt::MOST_TRIES
            );
            self.rejects.row(&self.pattern.owner, "evaluation", &detail, &batch, 0);
        }
    }

    /// What was decided by rows before this time is final.
    fn frozen(&self, time: i64) -> Option<i64> {
        self.pattern.lateness_ms.map(|lateness| time.saturating_sub(lateness))
    }

    /// Calls `emit` with the rows of matches.
    fn show(&self, matches: &[Shown], mut emit: impl FnMut(Vec<ArrayRef>, usize)) {
        let width = self.pattern.picks.iter().filter(|pick| matches!(pick, Pick::Column { .. })).count();
        let (mut views, mut own) = (Vec::new(), Vec::new());
        for shown in matches {
            let firsts =
                if self.pattern.shown.is_some() { 1..=shown.rows.len() } else { shown.rows.len()..=shown.rows.len() };
            for (at, upto) in firsts.enumerate() {
                let rows = &shown.rows[..upto];
                own.push(rows.last().map(|(at, _)| *at));
                views.push(View { rows, picked: &shown.picked[at * width..][..width], number: shown.number });
            }
        }
        if views.is_empty() {
            return;
        }
        let head = self.pattern.shown.as_ref().unwrap_or(&self.pattern.keys);
        let mut columns: Vec<ArrayRef> = head.iter().map(|&column| self.store.gather(column, &own)).collect();
        columns.extend(output::columns(&self.store, &self.pattern.variables, &self.pattern.picks, &views));
        emit(columns, views.len());
    }

    fn sweep(&mut self, time: i64, ended: bool) {
        if self.program.local != 0 {
            let all: Vec<u32> = (0..self.partitions.len() as u32).collect();
            self.settle_local(&all, time, ended, |partition| partition.base);
        }
        let mut gone = Vec::new();
        for group in 0..self.partitions.len() as u32 {
            self.freeze(group, time, ended);
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
    fn freeze(&mut self, group: u32, time: i64, ended: bool) {
        let Some(frozen) = self.frozen(time) else { return };
        let mut matcher = std::mem::take(&mut self.matcher);
        loop {
            let attempt = self.attempt(group, time, ended);
            let (base, settled) = (attempt.partition.base, attempt.horizon.settled);
            let idle = !attempt.partition.hopeful && base < settled;
            let Some(row) = attempt.partition.row(base).filter(|_| base < attempt.partition.next || idle) else {
                break;
            };
            let found = attempt.partition.found.front().filter(|found| found.start == base);
            let (reach, next) = match found {
                Some(found) => (found.reach, found.next),
                None if row.flags & self.program.starts == 0 => (row.ts, base + 1),
                None => match self.try_at(&mut matcher, &attempt, base).0 {
                    Outcome::Nothing { reach } | Outcome::TooLong { reach } => (reach, base + 1),
                    Outcome::Undecided | Outcome::Match { .. } => break,
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
        self.matcher = matcher;
    }
}

/// The watermark at which no row at `ts` or before can come on time.
fn passes(ts: i64, delay_ms: i64) -> i64 {
    ts.saturating_add(1).saturating_add(delay_ms)
}

fn schedule(due: &mut BTreeMap<i64, Vec<u32>>, partition: &mut Partition, group: u32, time: i64) {
    if partition.due.is_none_or(|earlier| time < earlier) {
        partition.due = Some(time);
        due.entry(time).or_default().push(group);
    }
}

impl Stateful for Recognise {
    fn apply(&mut self, epoch: Epoch, input: Vec<Delta>) -> Vec<Delta> {
        let time = epoch.watermark.saturating_sub(self.delay_ms);
        let mut dirty = Vec::new();
        for delta in input {
            let column = self.columns[self.pattern.time];
            let (rows, timeless) = delta.without_nulls(&[column]);
            for row in timeless {
                self.rejects.row(&self.pattern.owner, "no_event_time", "the event time is NULL", delta.batch(), row);
            }
            self.take(&rows, time, &mut dirty);
        }
        self.look(&dirty, time, false)
    }

    fn deadline(&self) -> Option<i64> {
        self.due.keys().next().copied()
    }

    fn close(&mut self, deadline: i64) -> Vec<Delta> {
        let ended = deadline == i64::MAX;
        let time = if ended { i64::MAX } else { deadline.saturating_sub(self.delay_ms) };
        let mut groups = Vec::new();
        while let Some(slot) = self.due.first_entry().filter(|slot| *slot.key() <= deadline) {
            let at = *slot.key();
            for group in slot.remove() {
                let partition = &mut self.partitions[group as usize];
                if partition.due == Some(at) {
                    partition.due = None;
                    groups.push(group);
                }
            }
        }
        self.look(&groups, time, ended)
    }

    fn held(&self) -> usize {
        self.store.len()
    }

    fn bytes(&self) -> usize {
        self.store.bytes() + self.keys.bytes() + self.store.len() * size_of::<Row>()
    }
}
