//! What is there of a changelog: a state machine over changes.
//!
//! Invariants (docs/internals/semantics.md): the changes that leave add up to the rows that are there, none less often than not at all
//! (K1); a change that takes back what is not there is told and does nothing (K3). Any number of workers tells the same, and where
//! changes meet by event time any cut of the input into epochs comes to the same rows (K2): of a key the newest counts, whichever epoch
//! brought it, and a row that was taken back before it came is owed until none can come.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, TimestampMillisecondType};
use arrow_array::{ArrayRef, Int64Array, RecordBatch, UInt32Array, new_null_array};
use arrow_buffer::ScalarBuffer;
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use arrow_select::take::take;

use super::by_key::{ByKey, Recent};
use super::{SourceSpec, UNDATED, with_order};
use crate::aggregate::Keys;
use crate::delta::Delta;
use crate::operator::{Stateful, only};
use crate::time::Epoch;

/// As few rows are not worth a sweep.
pub(super) const FEW: usize = 1024;

/// No row.
pub(super) const NONE: u32 = u32::MAX;

/// A change that takes back what is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unknown {
    /// Of the row: partition << 40 | ordinal.
    pub number: i64,
    /// Of its record in its input, from 1.
    pub record: i64,
    /// What there is not.
    pub detail: &'static str,
}

/// Tells of such a change: the rows among which it stands, which of them it is.
type Tell = Box<dyn Fn(&RecordBatch, usize, Unknown)>;

/// The event time of changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timed {
    /// Its column.
    pub column: usize,
    /// How far behind the watermark they are accepted, in ms; `None` is without bound.
    pub lateness_ms: Option<i64>,
    /// Whether changes of several partitions meet by it; else they do as they come.
    pub across: bool,
}

/// Changes of one epoch, and the order in which they count.
pub(super) struct Incoming {
    pub(super) rows: Delta,
    numbers: ScalarBuffer<i64>,
    records: ScalarBuffer<i64>,
    turns: ScalarBuffer<i64>,
    pub(super) order: Vec<u32>,
}

impl Incoming {
    fn new(rows: Delta, by_time: bool) -> Incoming {
        let width = rows.batch().num_columns();
        let [numbers, records, turns] =
            [3, 2, 1].map(|behind| rows.batch().column(width - behind).as_primitive::<Int64Type>().values().clone());
        let mut order: Vec<u32> = (0..rows.len() as u32).collect();
        match by_time {
            true => order.sort_by_key(|&row| (turns[row as usize], numbers[row as usize])),
            false => order.sort_by_key(|&row| numbers[row as usize]),
        }
        Incoming { rows, numbers, records, turns, order }
    }

    fn columns(&self) -> &[ArrayRef] {
        let columns = self.rows.batch().columns();
        &columns[..columns.len() - 3]
    }

    /// A change, of that key.
    fn change(&self, row: usize, key: u32) -> Recent {
        let turn = (self.turns[row], self.numbers[row]);
        Recent { turn, record: self.records[row], key, adds: self.rows.diff(row) > 0 }
    }

    /// Whether the change at a place of the order takes a row out in whose place the one behind it, of the same record, puts another.
    pub(super) fn is_half(&self, at: usize, keys: &[u32]) -> bool {
        let Some(&next) = self.order.get(at + 1) else { return false };
        let (row, next) = (self.order[at] as usize, next as usize);
        let together = self.records[row] == self.records[next] && self.numbers[row] + 1 == self.numbers[next];
        together && keys[row] == keys[next] && self.rows.diff(row) < 0 && self.rows.diff(next) > 0
    }

    pub(super) fn unknown(&self, row: usize, detail: &'static str) -> Unknown {
        Unknown { number: self.numbers[row], record: self.records[row], detail }
    }
}

/// The rows that are there.
pub struct Current {
    /// Of the rows.
    pub(super) schema: SchemaRef,
    /// Of what comes in.
    wide: SchemaRef,
    /// What rows are told apart by: their columns and, where only their partition takes them back, that.
    pub(super) told_by: SchemaRef,
    pub(super) rows: Keys,
    /// Per row how often it is there; less often than not at all if it is owed.
    pub(super) counts: Vec<i64>,
    /// Per row how often it has left.
    pub(super) shown: Vec<i64>,
    /// Where rows are put in by key.
    pub(super) keyed: Option<ByKey>,
    pub(super) timed: Option<Timed>,
    /// Of rows that are taken back as a whole.
    pub(super) times: Vec<i64>,
    /// Rows that were taken back before they came, by their times: the number and the record of each change that did.
    pub(super) owed: BTreeMap<(i64, u32), Vec<(i64, i64)>>,
    pub(super) watermark: i64,
    sweep_at: usize,
    tell: Tell,
}

impl std::fmt::Debug for Current {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Current").field("rows", &self.rows).finish_non_exhaustive()
    }
}

pub(super) fn types(schema: &SchemaRef, columns: impl Iterator<Item = usize>) -> Vec<DataType> {
    columns.map(|column| schema.field(column).data_type().clone()).collect()
}

impl Current {
    /// Of a source's rows; `None` if they only ever come.
    pub fn of(spec: &SourceSpec, tell: impl Fn(&RecordBatch, usize, Unknown) + 'static) -> Option<Current> {
        let changelog = spec.changelog.as_ref()?;
        // What leaves the source is all that is declared, so the event time stands in it.
        let timed = spec.time.and_then(|time| {
            let column = spec.output.iter().position(|column| *column == time.column)?;
            Some(Timed { column, lateness_ms: time.lateness_ms, across: spec.changes_meet_by_time() })
        });
        Some(Current::new(&spec.schema, changelog.key.clone(), timed, tell))
    }

    /// No row is there yet. Rows are of this schema, and put in by `key` or taken back as a whole: then those that would be late
    /// by their event time are not taken back any more.
    pub fn new(
        schema: &SchemaRef,
        key: Option<Vec<usize>>,
        timed: Option<Timed>,
        tell: impl Fn(&RecordBatch, usize, Unknown) + 'static,
    ) -> Current {
        let across = timed.is_some_and(|timed| timed.across);
        let own = Field::new("__partition", DataType::Int64, false);
        let partition = (key.is_none() && !across).then(|| Arc::new(own));
        let told_by = Arc::new(Schema::new(schema.fields().iter().cloned().chain(partition).collect::<Vec<_>>()));
        let width = told_by.fields().len();
        Current {
            wide: with_order(schema),
            rows: Keys::new(&types(&told_by, 0..width)),
            told_by,
            counts: Vec::new(),
            shown: Vec::new(),
            keyed: key.map(|key| ByKey::new(schema, key, across)),
            schema: schema.clone(),
            timed,
            times: Vec::new(),
            owed: BTreeMap::new(),
            watermark: i64::MIN,
            sweep_at: FEW,
            tell: Box::new(tell),
        }
    }

    /// The columns by which changes of one row, or of one key, meet.
    pub fn route(spec: &SourceSpec) -> Vec<usize> {
        match spec.changelog.as_ref().and_then(|changelog| changelog.key.clone()) {
            Some(key) => key,
            None => (0..spec.schema.fields().len()).collect(),
        }
    }

    /// The schema of what it takes: the rows, then numbers that say where each stands.
    pub fn input(schema: &SchemaRef) -> SchemaRef {
        with_order(schema)
    }

    /// The event time of rows that are taken back as a whole.
    pub(super) fn time_of_whole(&self) -> Option<Timed> {
        self.timed.filter(|_| self.keyed.is_none())
    }

    /// Whether rows are owed that were taken back before they came.
    pub(super) fn owes(&self) -> bool {
        self.time_of_whole().is_some_and(|timed| timed.across)
    }

    /// Gives rows of these columns their numbers.
    pub(super) fn intern(&mut self, columns: &[ArrayRef], rows: usize) -> Vec<u32> {
        let mut numbers = Vec::new();
        self.rows.intern(columns, rows, &mut numbers);
        self.counts.resize(self.rows.end(), 0);
        self.shown.resize(self.rows.end(), 0);
        if let Some(Timed { column, .. }) = self.time_of_whole() {
            self.times.resize(self.rows.end(), i64::MIN);
            let times = columns[column].as_primitive::<TimestampMillisecondType>().values();
            numbers.iter().zip(times).for_each(|(&number, &time)| self.times[number as usize] = time);
        }
        numbers
    }

    /// Rows that are taken back as a whole. Returns the rows that are touched.
    fn whole(&mut self, incoming: &Incoming) -> Vec<u32> {
        let owes = self.owes();
        let mut columns = incoming.columns().to_vec();
        if !owes {
            let partitions = incoming.numbers.iter().map(|number| number >> 40);
            columns.push(Arc::new(Int64Array::from_iter_values(partitions)));
        }
        let found = self.intern(&columns, incoming.rows.len());
        for &row in &incoming.order {
            let (row, adds) = (row as usize, incoming.rows.diff(row as usize) > 0);
            let number = found[row];
            let count = &mut self.counts[number as usize];
            match adds {
                true => {
                    *count += 1;
                    if *count <= 0 {
                        self.settle(number);
                    }
                }
                false if *count > 0 => *count -= 1,
                false if owes => {
                    *count -= 1;
                    let owed = self.owed.entry((self.times[number as usize], number)).or_default();
                    owed.push((incoming.numbers[row], incoming.records[row]));
                }
                false => {
                    (self.tell)(incoming.rows.batch(), row, incoming.unknown(row, "no such row is there"));
                }
            }
        }
        found
    }

    /// A row has come that was owed.
    fn settle(&mut self, row: u32) {
        let at = (self.times[row as usize], row);
        if let Some(owed) = self.owed.get_mut(&at) {
            owed.remove(0);
            if owed.is_empty() {
                self.owed.remove(&at);
            }
        }
    }

    /// Tells of the rows that are owed and cannot come any more.
    fn give_up(&mut self) {
        let Some(bound) = self.bound() else { return };
        let mut gone = Vec::new();
        while let Some(first) = self.owed.first_entry().filter(|first| first.key().0 < bound) {
            let ((_, row), owed) = first.remove_entry();
            let mut columns = self.rows.columns(&[row]);
            columns.truncate(self.schema.fields().len());
            if let Ok(batch) = RecordBatch::try_new(self.schema.clone(), columns) {
                let unknown = |(number, record)| Unknown { number, record, detail: "no such row has come" };
                owed.into_iter().for_each(|owed| (self.tell)(&batch, 0, unknown(owed)));
            }
            self.counts[row as usize] = 0;
            gone.push(row);
        }
        self.rows.remove(&gone);
    }

    /// Rows of event times before this one cannot come or go any more.
    fn bound(&self) -> Option<i64> {
        let timed = self.time_of_whole()?;
        match (self.watermark, timed.lateness_ms) {
            (i64::MAX, _) => Some(i64::MAX),
            (_, lateness_ms) => lateness_ms.map(|lateness_ms| self.watermark.saturating_sub(lateness_ms)),
        }
    }

    /// Rows that are put in by key. Returns the rows that are touched.
    fn by_key(&mut self, incoming: &Incoming) -> Vec<u32> {
        let rows = &incoming.rows;
        let put: Vec<u32> = (0..rows.len() as u32).filter(|&row| rows.diff(row as usize) > 0).collect();
        let put = UInt32Array::from(put);
        let columns = incoming.columns().iter();
        let columns: Vec<ArrayRef> = match put.len() == rows.len() {
            true => columns.cloned().collect(),
            false => columns.map(|column| picked(column, &put)).collect(),
        };
        let mut touched = self.intern(&columns, put.len());
        let mut new = vec![NONE; rows.len()];
        put.values().iter().zip(&touched).for_each(|(&row, &number)| new[row as usize] = number);
        let Some(keyed) = &mut self.keyed else { return touched };
        let keys = keyed.intern(rows.batch());
        for (at, &row) in incoming.order.iter().enumerate() {
            let row = row as usize;
            if incoming.is_half(at, &keys) {
                continue;
            }
            let Some(old) = keyed.put(new[row], incoming.change(row, keys[row])) else { continue };
            match (old, new[row]) {
                // By event time it is told once nothing can come that stands before it.
                (NONE, NONE) if keyed.by_time => {}
                (NONE, NONE) => {
                    (self.tell)(rows.batch(), row, incoming.unknown(row, "no row has its key"));
                }
                (old, new) if old == new => {}
                (old, new) => {
                    if old != NONE {
                        self.counts[old as usize] -= 1;
                        touched.push(old);
                    }
                    if new != NONE {
                        self.counts[new as usize] += 1;
                    }
                }
            }
        }
        keyed.forget(keys);
        touched
    }

    /// Tells of the changes that took out a key which was not there, now that the watermark has passed them.
    fn tell_unknown_keys(&mut self) {
        let Some(keyed) = &mut self.keyed else { return };
        let (changes, keys) = keyed.expire(self.watermark);
        if changes.is_empty() {
            return;
        }
        // Only their keys were read.
        let fields = self.schema.fields().iter().enumerate();
        let of = |column: usize| keyed.columns.iter().position(|key| *key == column);
        let columns = fields.map(|(column, field)| match of(column) {
            Some(at) => keys[at].clone(),
            None => new_null_array(field.data_type(), changes.len()),
        });
        let columns: Vec<ArrayRef> = columns.collect();
        let fields = self.schema.fields().iter().map(|field| field.as_ref().clone().with_nullable(true));
        let Ok(batch) = RecordBatch::try_new(Arc::new(Schema::new(fields.collect::<Vec<_>>())), columns) else {
            return;
        };
        for (row, Recent { turn, record, .. }) in changes.into_iter().enumerate() {
            let detail = match turn.0 == UNDATED {
                true => "no row has its key that is known to be older: nothing before it in its file has an event time",
                false => "no row has its key",
            };
            (self.tell)(&batch, row, Unknown { number: turn.1, record, detail });
        }
    }

    /// What the rows that were touched changed by; those that are gone are forgotten.
    fn changes(&mut self, mut touched: Vec<u32>) -> Vec<Delta> {
        touched.sort_unstable();
        touched.dedup();
        let (mut changed, mut diffs) = (Vec::new(), Vec::new());
        for &row in &touched {
            let (now, shown) = (self.counts[row as usize].max(0), &mut self.shown[row as usize]);
            if now != *shown {
                changed.push(row);
                diffs.push(now - *shown);
                *shown = now;
            }
        }
        let mut columns = self.rows.columns(&changed);
        columns.truncate(self.schema.fields().len());
        touched.retain(|&row| self.counts[row as usize] == 0);
        self.rows.remove(&touched);
        self.sweep();
        if changed.is_empty() {
            return Vec::new();
        }
        match RecordBatch::try_new(self.schema.clone(), columns) {
            Ok(batch) => vec![Delta::new(batch, diffs.iter().any(|diff| *diff != 1).then(|| diffs.into()))],
            Err(error) => unreachable!("they had the source's columns when they came: {error}"),
        }
    }

    /// Forgets the rows that nothing can take back any more, as often as as many rows have come as are there.
    fn sweep(&mut self) {
        let Some(bound) = self.bound().filter(|_| self.rows.live() >= self.sweep_at) else { return };
        let mut old = self.rows.used();
        old.retain(|&row| self.times[row as usize] < bound && self.counts[row as usize] >= 0);
        for &row in &old {
            (self.counts[row as usize], self.shown[row as usize]) = (0, 0);
        }
        self.rows.remove(&old);
        self.sweep_at = FEW.max(2 * self.rows.live());
    }
}

fn picked(column: &ArrayRef, rows: &UInt32Array) -> ArrayRef {
    match take(column, rows, None) {
        Ok(column) => column,
        Err(error) => unreachable!("the rows are within the batch: {error}"),
    }
}

impl Stateful for Current {
    fn apply(&mut self, _: Epoch, inputs: &mut [Vec<Delta>]) -> Vec<Delta> {
        let rows = Delta::concat(&self.wide, &only(inputs));
        let incoming = Incoming::new(rows, self.keyed.as_ref().is_some_and(|keyed| keyed.by_time));
        let touched = match self.keyed {
            Some(_) => self.by_key(&incoming),
            None => self.whole(&incoming),
        };
        self.changes(touched)
    }

    fn held(&self) -> usize {
        self.rows.live()
    }

    fn bytes(&self) -> usize {
        let keys = self.keyed.as_ref().map_or(0, ByKey::bytes);
        let numbers = self.counts.capacity() + self.shown.capacity() + self.times.capacity();
        self.rows.bytes() + keys + numbers * 8 + self.owed.len() * 64
    }

    fn expire(&mut self, frontier: Epoch) {
        self.watermark = self.watermark.max(frontier.watermark);
        self.tell_unknown_keys();
        self.give_up();
    }
}

#[cfg(test)]
#[path = "current_tests.rs"]
mod tests;
