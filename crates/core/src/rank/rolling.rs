//! Aggregates over the rows before each row, in order of event time.
//!
//! A row is answered once no earlier row and none of its own time can come any more. Rows that come later than that, or are
//! taken back, amend the rows whose frames they are in. Invariant: of each partition the first `done` rows are answered;
//! the accumulators have the rows of `frame`, none of which is beyond those.

use std::cmp::Ordering;
use std::collections::{BTreeMap, VecDeque};

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMillisecondType;
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{SchemaRef, SortOptions};

use super::order::Order;
use super::roll::{Answers, Calls, Frame, Job};
use super::store::{Entry, Store};
use crate::aggregate::{Changes, Keys, States, Terms, numbers, pick};
use crate::delta::{Delta, Unfit};
use crate::operator::{Counted, Saved, Saving, Section, Stateful, only};
use crate::time::Epoch;

/// The order of rows: its first column is the event time, ascending.
#[derive(Clone, Debug)]
pub struct RollingOrder {
    /// As written.
    pub columns: Vec<(usize, SortOptions)>,
    /// What breaks its ties, before all other columns.
    pub ties: Vec<(usize, SortOptions)>,
}

/// A partition.
#[derive(Debug, Default)]
struct Part {
    /// In order.
    rows: VecDeque<Entry>,
    done: usize,
    frame: (usize, usize),
    /// Whether it is to be looked at when its rows have left all frames.
    watched: bool,
}

/// The state machine.
pub struct Rolling {
    terms: Terms,
    calls: Calls,
    keys: Keys,
    parts: Vec<Part>,
    states: States,
    store: Store,
    /// The column of the time.
    time: usize,
    input: SchemaRef,
    /// The partitions that have rows of a time that are not answered.
    due: BTreeMap<i64, Vec<u32>>,
    /// The partitions whose rows may all have left by a watermark.
    leaving: BTreeMap<i64, Vec<u32>>,
}

impl Rolling {
    /// No rows yet; `input` is the schema of the input.
    pub fn new(terms: Terms, order: RollingOrder, frame: Frame, input: &SchemaRef) -> Rolling {
        let time = order.columns.first().map_or(0, |(column, _)| *column);
        let calls = Calls::new(terms.grouping.clone(), input, frame);
        let order = Order { columns: order.columns, ties: order.ties, complete: false };
        Rolling {
            keys: Keys::new(&terms.grouping.key_types),
            parts: Vec::new(),
            states: calls.states(),
            store: Store::new(input, &order),
            time,
            input: input.clone(),
            due: BTreeMap::new(),
            leaving: BTreeMap::new(),
            calls,
            terms,
        }
    }

    /// Where a row stands among the rows of its partition: behind those that are not greater.
    fn place(&self, group: u32, row: Entry) -> usize {
        let rows = &self.parts[group as usize].rows;
        if rows.back().is_none_or(|&last| self.store.compare(last, row).is_le()) {
            return rows.len();
        }
        rows.partition_point(|&other| self.store.compare(other, row).is_le())
    }

    /// The number of each row's partition, of which there is one now.
    fn intern(&mut self, rows: &Delta) -> Vec<u32> {
        let keys: Vec<ArrayRef> =
            self.terms.grouping.keys.iter().map(|&key| rows.batch().column(key).clone()).collect();
        let mut groups = Vec::new();
        self.keys.intern(&keys, rows.len(), &mut groups);
        // Numbers that are no longer in use may still be due.
        self.parts.resize_with(self.parts.len().max(self.keys.end()), Part::default);
        self.states.resize(self.parts.len());
        groups
    }

    fn insert(&mut self, group: u32, row: Entry, copies: i64, answered: bool) {
        for copy in 0..copies {
            let at = self.place(group, row);
            let part = &mut self.parts[group as usize];
            part.rows.insert(at, row);
            part.done += usize::from(answered);
            match copy > 0 {
                true => self.store.hold_again(row),
                false => self.store.hold(row),
            }
        }
    }

    fn remove(&mut self, group: u32, row: Entry, answered: bool) -> Option<Entry> {
        let at = self.place(group, row).checked_sub(1)?;
        let part = &mut self.parts[group as usize];
        if self.store.compare(part.rows[at], row).is_ne() {
            debug_assert!(false, "a row is taken back that never came");
            return None;
        }
        part.done -= usize::from(answered);
        part.rows.remove(at)
    }

    /// The answers of the rows of some partitions that changes of rows of these times can reach.
    fn reached(&self, late: &BTreeMap<u32, (i64, i64)>, grown: &BTreeMap<u32, usize>) -> Vec<Answers> {
        let mut all = Vec::new();
        for (&group, &(first, last)) in late {
            let part = &self.parts[group as usize];
            let time = |row: &Entry| self.store.time(*row);
            let next = part.rows.partition_point(|row| time(row) < first);
            let end = match self.calls.frame {
                Frame::Range { from_ms, .. } => {
                    part.rows.partition_point(|row| time(row) <= last.saturating_add(from_ms))
                }
                Frame::Rows { from, .. } => {
                    let behind = part.rows.partition_point(|row| time(row) <= last);
                    let from = usize::try_from(from).unwrap_or(usize::MAX);
                    behind.saturating_add(from).saturating_add(grown.get(&group).copied().unwrap_or(0))
                }
            };
            let (mut states, end) = (self.calls.states(), end.min(part.done));
            states.resize(1);
            let mut job = [Job { rows: &part.rows, group: 0, next: next.min(end), end, frame: (0, 0) }];
            all.push(self.calls.roll(&self.store, &mut states, &mut job));
        }
        all
    }

    /// Tells what differs between the answers of one partition before and after.
    fn tell(&self, old: &Answers, new: &Answers, changes: &mut Changes) {
        let (mut go, mut come, mut both) = (Vec::new(), Vec::new(), (Vec::new(), Vec::new()));
        let (mut o, mut n) = (0, 0);
        while o < old.entries.len() || n < new.entries.len() {
            let order = match (old.entries.get(o), new.entries.get(n)) {
                (Some(_), None) => Ordering::Less,
                (None, _) => Ordering::Greater,
                (Some(&old), Some(&new)) => self.store.compare(old, new),
            };
            match order {
                Ordering::Less => go.push(o as u32),
                Ordering::Greater => come.push(n as u32),
                Ordering::Equal => {
                    both.0.push(o as u32);
                    both.1.push(n as u32);
                }
            }
            o += usize::from(order.is_le());
            n += usize::from(order.is_ge());
        }
        let rows = |answers: &Answers, at: &[u32]| -> Vec<ArrayRef> {
            self.store.columns(&at.iter().map(|&at| answers.entries[at as usize]).collect::<Vec<_>>())
        };
        let (old_values, new_values) = (old.values(), new.values());
        let whole = |answers: &Answers, values: &[ArrayRef], at: &[u32]| {
            rows(answers, at).into_iter().chain(pick(values, at)).collect::<Vec<_>>()
        };
        if !go.is_empty() {
            changes.retract(whole(old, &old_values, &go), go.len());
        }
        if !both.0.is_empty() {
            let fixed = rows(new, &both.1);
            changes.replace(fixed, pick(&old_values, &both.0), pick(&new_values, &both.1), both.0.len());
        }
        if !come.is_empty() {
            changes.insert(whole(new, &new_values, &come), come.len());
        }
    }

    /// Forgets rows that no frame and no late row can reach any more once the watermark is at `watermark`.
    fn trim(&mut self, group: u32, watermark: i64) {
        let Some(lateness) = self.terms.lateness_ms else { return };
        let part = &mut self.parts[group as usize];
        // Rows of this time and earlier are as they are.
        let settled = watermark.saturating_sub(self.terms.delay_ms).saturating_sub(lateness);
        let store = &self.store;
        let open = part.rows.partition_point(|&row| store.time(row) <= settled).min(part.done);
        let least = match self.calls.frame {
            Frame::Rows { from, .. } => open.saturating_sub(usize::try_from(from).unwrap_or(usize::MAX)),
            Frame::Range { from_ms, .. } if from_ms == i64::MAX => 0,
            Frame::Range { from_ms, .. } => {
                part.rows.partition_point(|&row| store.time(row) <= settled.saturating_sub(from_ms)).min(open)
            }
        };
        let all = least == part.rows.len();
        let gone = if all { least } else { least.min(part.frame.0) };
        let entries: Vec<Entry> = part.rows.drain(..gone).collect();
        part.done -= gone;
        part.frame = (part.frame.0.saturating_sub(gone), part.frame.1.saturating_sub(gone));
        entries.into_iter().for_each(|row| self.store.release(row));
        if self.parts[group as usize].rows.is_empty() {
            self.forget(group);
        } else {
            self.watch(group);
        }
    }

    fn forget(&mut self, group: u32) {
        self.states.reset(&[group]);
        self.keys.remove(&[group]);
        self.parts[group as usize] = Part::default();
    }

    /// Looks at a partition again when its last row may have left all frames.
    fn watch(&mut self, group: u32) {
        let Frame::Range { from_ms, .. } = self.calls.frame else { return };
        if from_ms == i64::MAX {
            return;
        }
        let part = &mut self.parts[group as usize];
        let (Some(&last), Some(lateness), false) = (part.rows.back(), self.terms.lateness_ms, part.watched) else {
            return;
        };
        let time = self.store.time(last);
        let at = self.terms.deadline(time).saturating_add(lateness).saturating_add(from_ms);
        part.watched = true;
        self.leaving.entry(at).or_default().push(group);
    }

    fn tidy(&mut self) {
        if let Some(mut moves) = self.store.moves() {
            self.parts.iter().flat_map(|part| &part.rows).for_each(|&row| moves.mark(row));
            moves.carry_out(&mut self.store);
            self.parts.iter_mut().flat_map(|part| &mut part.rows).for_each(|row| moves.redirect(row));
        }
    }
}

/// The rows: those are answered whose time the cut has closed, and the accumulators are filled anew as partitions move on.
impl Saved for Rolling {
    fn sections(&self) -> Vec<Section> {
        vec![Counted::section("rows", &self.input, self.terms.grouping.keys.clone())]
    }

    fn begin(&mut self) -> Saving {
        let (mut saving, sections) = (Saving::default(), self.sections());
        let held: Vec<Entry> = self.parts.iter().flat_map(|part| part.rows.iter().copied()).collect();
        for entries in held.chunks(Saving::PIECE) {
            let counts = numbers(entries.iter().map(|_| 1));
            let columns = self.store.columns(entries).into_iter().chain([counts]).collect();
            saving.add((0, &sections[0]), columns, entries.len());
        }
        saving
    }

    fn take(&mut self, _: usize, rows: &RecordBatch) -> Result<(), Unfit> {
        let rows = Counted::load(rows, &self.input)?;
        let (rows, timeless) = rows.without_nulls(&[self.time]);
        if !timeless.is_empty() {
            return Err(Unfit::Value("a row that is in order of time has none"));
        }
        let groups = self.intern(&rows);
        let words = self.store.words(rows.batch());
        let added = self.store.add(rows.batch());
        for (row, (group, word)) in groups.into_iter().zip(words).enumerate() {
            self.insert(group, added.row(row, word), rows.diff(row), false);
        }
        self.store.sweep(added.chunk);
        Ok(())
    }

    fn loaded(&mut self, cut: Epoch) {
        for group in self.keys.used() {
            let part = &mut self.parts[group as usize];
            let times = part.rows.iter().map(|&row| self.store.time(row));
            let mut open: Vec<i64> = times.filter(|&time| !self.terms.closed(time, cut)).collect();
            part.done = part.rows.len() - open.len();
            open.dedup();
            open.into_iter().for_each(|time| self.due.entry(time).or_default().push(group));
            self.watch(group);
        }
    }
}

impl Stateful for Rolling {
    fn held(&self) -> usize {
        self.store.held()
    }

    fn bytes(&self) -> usize {
        let rows: usize = self.parts.iter().map(|part| part.rows.capacity() * size_of::<Entry>()).sum();
        rows + self.parts.capacity() * size_of::<Part>() + self.keys.bytes() + self.states.bytes() + self.store.bytes()
    }

    fn apply(&mut self, epoch: Epoch, inputs: &mut [Vec<Delta>]) -> Vec<Delta> {
        let input = only(inputs);
        let mut changes = Changes::new(&self.terms.schema);
        let Some(first) = input.first() else { return Vec::new() };
        let delta = self.terms.timed(&Delta::concat(&first.batch().schema(), &input), &[self.time]);
        let mut groups = self.intern(&delta);
        let words = self.store.words(delta.batch());
        let added = self.store.add(delta.batch());
        let times = delta.batch().column(self.time).as_primitive::<TimestampMillisecondType>().values().clone();
        // Rows of answered times: the span of their times, and how many they are, by partition.
        let (mut late, mut grown): (BTreeMap<u32, (i64, i64)>, BTreeMap<u32, usize>) = Default::default();
        let mut answered = vec![false; delta.len()];
        let mut dropped = Vec::new();
        for (row, (&group, &time)) in groups.iter().zip(&times).enumerate() {
            if self.terms.expired(time, epoch.watermark) {
                dropped.push(row as u32);
            } else if self.terms.closed(time, epoch) {
                answered[row] = true;
                let span = late.entry(group).or_insert((time, time));
                *span = (span.0.min(time), span.1.max(time));
                *grown.entry(group).or_default() += delta.diff(row).unsigned_abs() as usize;
            } else if delta.diff(row) > 0 {
                match self.due.get_mut(&time) {
                    Some(due) if due.last() == Some(&group) => {}
                    Some(due) => due.push(group),
                    None => drop(self.due.insert(time, vec![group])),
                }
            }
        }
        let old = self.reached(&late, &grown);
        let kept = |row: &usize| dropped.binary_search(&(*row as u32)).is_err();
        for row in (0..delta.len()).filter(kept) {
            self.insert(groups[row], added.row(row, words[row]), delta.diff(row), answered[row]);
        }
        let mut gone = Vec::new();
        for row in (0..delta.len()).filter(kept).filter(|&row| delta.diff(row) < 0) {
            let times = delta.diff(row).unsigned_abs();
            (0..times).for_each(|_| gone.extend(self.remove(groups[row], added.row(row, words[row]), answered[row])));
        }
        let new = self.reached(&late, &grown);
        old.iter().zip(&new).for_each(|(old, new)| self.tell(old, new, &mut changes));
        for &group in late.keys() {
            // The accumulators are filled anew when the partition moves on.
            self.states.reset(&[group]);
            self.parts[group as usize].frame = (0, 0);
        }
        if !dropped.is_empty() {
            let rows = delta.take(&dropped.clone().into());
            self.terms.reject_late(&rows, times[dropped[0] as usize], epoch.watermark);
        }
        gone.into_iter().for_each(|row| self.store.release(row));
        self.store.sweep(added.chunk);
        groups.sort_unstable();
        groups.dedup();
        for group in groups {
            if self.parts[group as usize].rows.is_empty() {
                self.forget(group);
            } else {
                self.watch(group);
            }
        }
        self.tidy();
        changes.finish()
    }

    fn deadline(&self) -> Option<i64> {
        self.due.keys().next().map(|time| self.terms.deadline(*time))
    }

    fn close(&mut self, deadline: i64) -> Vec<Delta> {
        let mut groups: Vec<u32> = Vec::new();
        while let Some(first) = self.due.first_entry().filter(|first| self.terms.deadline(*first.key()) <= deadline) {
            groups.extend(first.remove());
        }
        groups.sort_unstable();
        groups.dedup();
        let (store, terms) = (&self.store, &self.terms);
        let job = |&group: &u32| {
            let part = &self.parts[group as usize];
            let ready = |&&row: &&Entry| terms.deadline(store.time(row)) <= deadline;
            let end = part.done + part.rows.range(part.done..).take_while(ready).count();
            Job { rows: &part.rows, group, next: part.done, end, frame: part.frame }
        };
        let mut jobs: Vec<Job<'_>> = groups.iter().map(job).collect();
        let answers = self.calls.roll(store, &mut self.states, &mut jobs);
        let moved: Vec<(u32, usize, (usize, usize))> = jobs.iter().map(|job| (job.group, job.end, job.frame)).collect();
        let mut changes = Changes::new(&self.terms.schema);
        if !answers.entries.is_empty() {
            let columns = self.store.columns(&answers.entries).into_iter().chain(answers.values()).collect();
            changes.insert(columns, answers.entries.len());
        }
        for (group, done, frame) in moved {
            let part = &mut self.parts[group as usize];
            (part.done, part.frame) = (done, frame);
            if !part.rows.is_empty() {
                self.trim(group, deadline);
            }
        }
        self.tidy();
        changes.finish()
    }

    fn expire(&mut self, frontier: Epoch) {
        let watermark = frontier.watermark;
        let later = self.leaving.split_off(&watermark.saturating_add(1));
        for group in std::mem::replace(&mut self.leaving, later).into_values().flatten() {
            self.parts[group as usize].watched = false;
            if !self.parts[group as usize].rows.is_empty() {
                self.trim(group, watermark);
            }
        }
    }
}
