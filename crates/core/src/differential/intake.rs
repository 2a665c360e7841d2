//! Rows on their way into differential's operators: as bytes, under a key, at the epoch from which they count and up to the one
//! from which they count no more.
//!
//! An operator of differential knows no windows, and forgets nothing. Both is said by when rows come and go: those of a window
//! that is shown when it closes come in at that time, all together; and of each row the opposite follows once nothing can
//! change what became of it, so that the arrangements hold nothing of it any more. What follows of *that* is not told: every
//! record carries the epoch ([`Record::until`]) from which on its changes are of this kind.
//!
//! Cost: what is still to come or to go is held here as bytes, netted.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, TimestampMillisecondType};
use arrow_array::{Array, ArrayRef, BinaryArray, Int64Array, RecordBatch, UInt32Array};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};

use super::codec::{Bytes, Codec};
use super::runs::Runs;
use crate::aggregate::{Emit, Terms};
use crate::delta::Delta;
use crate::join::Expiry;
use crate::operator::{KeepsNothing, Stateful, only};
use crate::time::Epoch;
use crate::window::{Source, assign};

/// A row as differential's operators take it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Record {
    /// Its key; `None` if it meets nothing.
    pub(super) key: Option<Bytes>,
    /// The row; `None` stands for what is there without any.
    pub(super) row: Option<Bytes>,
    /// What happens to it from this epoch on is not told.
    pub(super) until: Epoch,
}

impl Record {
    fn size(&self) -> usize {
        [&self.key, &self.row].into_iter().flatten().map(Vec::len).sum()
    }
}

/// When rows come and go.
#[derive(Debug)]
pub enum Stay {
    /// At once, and for ever.
    Always,
    /// With their windows, under whose start and end they stand besides their key.
    Windowed {
        /// When windows close and expire.
        terms: Terms,
        /// Where a row's windows are found.
        source: Source,
    },
    /// At once, and with the session of their key that they are of: all rows of a key must come here.
    Session {
        /// When sessions expire.
        terms: Terms,
        /// The column of the time.
        time: usize,
        /// Rows no further apart are of one session, in ms.
        gap: i64,
    },
    /// At once, and up to the first of these.
    Expiring(Vec<Expiry>),
    /// At once, for nothing but what is there at that very epoch.
    Transient,
}

/// The state machine: its output are records.
#[derive(Debug)]
pub struct Intake {
    keys: Vec<usize>,
    key_codec: Codec,
    nulls_equal: bool,
    row_codec: Codec,
    stay: Stay,
    /// The columns of rows with their window, where that is by their time.
    windowed: SchemaRef,
    /// Whether there is to be a record without a row, and it was not sent yet.
    nothing: bool,
    /// By watermark what comes and goes then.
    due: BTreeMap<i64, BTreeMap<Record, i64>>,
    /// The rows of sessions.
    runs: Runs,
    held: usize,
    bytes: usize,
}

/// What a record that is held costs besides its bytes, about.
const RECORD_BYTES: usize = 96;

impl Intake {
    /// For rows of this schema. `keys` are the columns of the key; NULLs are no key unless they are equal.
    pub fn new(schema: &SchemaRef, keys: &[usize], nulls_equal: bool, stay: Stay) -> Intake {
        let (mut keys, mut windowed) = (keys.to_vec(), schema.clone());
        if let Stay::Windowed { source, .. } = &stay {
            let (start, end) = match source {
                Source::Columns { start, end } => (*start, *end),
                Source::Time { .. } => {
                    let time = |name: &str| Field::new(name, DataType::Timestamp(TimeUnit::Millisecond, None), false);
                    let own = schema.fields().iter().map(|field| field.as_ref().clone());
                    let times = ["window_start", "window_end", "window_time"].map(time);
                    windowed = Arc::new(Schema::new(own.chain(times).collect::<Vec<_>>()));
                    (schema.fields().len(), schema.fields().len() + 1)
                }
            };
            keys.extend([start, end]);
        }
        let gap = if let Stay::Session { gap, .. } = &stay { *gap } else { 0 };
        Intake {
            runs: Runs::new(gap),
            key_codec: Codec::of_keys(&windowed, &keys),
            keys,
            nulls_equal,
            row_codec: Codec::of(schema),
            stay,
            windowed,
            nothing: false,
            due: BTreeMap::new(),
            held: 0,
            bytes: 0,
        }
    }

    /// With a record of no row, before all others, on the first worker: all rows must go there.
    pub fn with_nothing(self) -> Intake {
        Intake { nothing: true, ..self }
    }

    /// What makes keys, and rows of their bytes: the columns of the key, the window's last.
    pub fn key_schema(&self) -> &SchemaRef {
        self.key_codec.schema()
    }

    /// The records of rows with how often each comes, when, if that is not now, and when it goes.
    fn placed(&self, epoch: Epoch, delta: &Delta) -> Vec<Placed> {
        match &self.stay {
            Stay::Always => self.all(delta, |_| Some((None, None, Epoch::END))),
            // Their end is told by all rows of the session.
            Stay::Session { .. } => self.all(delta, |_| Some((None, None, Epoch::END))),
            Stay::Windowed { terms, source } => {
                let (rows, end) = self.with_windows(epoch, delta, terms, *source);
                let mut placed = Vec::new();
                for rows in rows {
                    let ends = times(&rows, end).values().clone();
                    placed.extend(self.all(&rows, |row| {
                        let end = ends[row];
                        // Of some windows of a row it may be too late.
                        (!terms.expired(end, epoch.watermark)).then(|| window_stay(terms, end, epoch))
                    }));
                }
                placed
            }
            Stay::Expiring(expiry) => self.all(delta, |row| {
                let past = |expiry: &Expiry| {
                    let times = times(delta, expiry.column);
                    let last =
                        if times.is_null(row) { i64::MIN } else { times.value(row).saturating_add(expiry.after_ms) };
                    last.saturating_add(1)
                };
                let past = expiry.iter().map(past).min().unwrap_or(i64::MAX);
                // A moment longer than it can meet anything: it may be shown at the end for its own sake.
                let leaves = past.max(epoch.watermark).checked_add(1);
                Some((None, leaves, leaves.map_or(Epoch::END, Epoch::at)))
            }),
            Stay::Transient => self.all(delta, |_| {
                let until = Epoch { tick: epoch.tick.saturating_add(1), ..epoch };
                Some((None, epoch.watermark.checked_add(1), until))
            }),
        }
    }

    /// The records of rows, each with when it comes and goes; those that do not come at all are left out.
    fn all(&self, delta: &Delta, stay: impl Fn(usize) -> Option<Times>) -> Vec<Placed> {
        let width = self.row_codec.schema().fields().len();
        let keys = self.key_codec.keys(delta.batch(), &self.keys, self.nulls_equal);
        let rows = self.row_codec.encode(&delta.batch().columns()[..width], delta.len());
        let each = keys.into_iter().zip(rows).enumerate();
        each.filter_map(|(at, (key, row))| {
            let (comes, goes, until) = stay(at)?;
            Some((Record { key, row: Some(row), until }, delta.diff(at), comes, goes))
        })
        .collect()
    }

    /// Rows that have a time and are not too late for all of their windows, once a window; and the column of the window's end.
    fn with_windows(&self, epoch: Epoch, delta: &Delta, terms: &Terms, source: Source) -> (Vec<Delta>, usize) {
        match source {
            Source::Columns { start, end } => {
                let rows = terms.timed(delta, &[start, end]);
                let last = |row: usize| Some(times(&rows, end).value(row));
                (vec![on_time(&rows, terms, epoch, last)], end)
            }
            Source::Time { time, window, zone } => {
                let rows = terms.timed(delta, &[time]);
                let last = |row: usize| {
                    let time = times(&rows, time).value(row);
                    match zone {
                        None => window.over(time).last(),
                        Some(zone) => window.over_in(time, zone).last(),
                    }
                    .map(|(_, end)| end)
                };
                let rows = on_time(&rows, terms, epoch, last);
                let (rows, _) = assign(&rows, time, (&window, zone), &self.windowed);
                (rows, self.row_codec.schema().fields().len() + 1)
            }
        }
    }

    /// The rows that have a time and are not too late for any session, which hold their sessions together from now on.
    fn in_sessions(&mut self, epoch: Epoch, delta: Delta) -> Delta {
        let Stay::Session { terms, time, gap } = &self.stay else { return delta };
        let rows = terms.timed(&delta, &[*time]);
        let keys = self.key_codec.keys(rows.batch(), &self.keys, self.nulls_equal);
        let encoded = self.row_codec.encode(rows.batch().columns(), rows.len());
        let (mut kept, mut touched) = (Vec::new(), BTreeSet::new());
        for (row, (key, bytes)) in keys.into_iter().zip(encoded).enumerate() {
            let (key, time) = (key.unwrap_or_default(), times(&rows, *time).value(row));
            let end = time.saturating_add(*gap);
            if terms.expired(end, epoch.watermark) && !self.runs.near(&key, time) {
                terms.reject_late(&rows.slice(row, 1), end, epoch.watermark);
                continue;
            }
            self.runs.add(&key, time, &bytes, rows.diff(row));
            kept.push(row as u32);
            touched.insert(key);
        }
        touched.iter().for_each(|key| self.runs.note(key, epoch.watermark, |end| leaves(terms, end)));
        if kept.len() == rows.len() { rows } else { rows.take(&UInt32Array::from(kept)) }
    }

    /// The opposites of the records of sessions that are past.
    fn out_of_sessions(&mut self, watermark: i64) -> Vec<(Record, i64)> {
        let Stay::Session { terms, .. } = &self.stay else { return Vec::new() };
        let gone = self.runs.pass(watermark, |end| leaves(terms, end)).into_iter();
        gone.map(|(key, row, count)| (Record { key: Some(key), row: Some(row), until: Epoch::END }, -count)).collect()
    }

    /// Notes what comes or goes at a watermark.
    fn note(&mut self, at: i64, record: &Record, diff: i64) {
        let due = self.due.entry(at).or_default();
        let count = due.get(record).copied().unwrap_or(0) + diff;
        let before = due.len();
        match count {
            0 => drop(due.remove(record)),
            count => drop(due.insert(record.clone(), count)),
        }
        match due.len().cmp(&before) {
            std::cmp::Ordering::Greater => (self.held, self.bytes) = (self.held + 1, self.bytes + record.size()),
            std::cmp::Ordering::Less => (self.held, self.bytes) = (self.held - 1, self.bytes - record.size()),
            std::cmp::Ordering::Equal => {}
        }
        if due.is_empty() {
            self.due.remove(&at);
        }
    }
}

/// When a record comes, if that is not now, when it goes, and until when what happens to it is told.
type Times = (Option<i64>, Option<i64>, Epoch);
/// A record with how often it is there, when it comes and when it goes.
type Placed = (Record, i64, Option<i64>, Option<i64>);

/// When the rows of a window come and go that come at this epoch.
fn window_stay(terms: &Terms, end: i64, epoch: Epoch) -> Times {
    let comes = (terms.emit == Emit::Final && !terms.closed(end, epoch)).then(|| terms.deadline(end));
    let goes = leaves(terms, end);
    (comes, goes, goes.map_or(Epoch::END, Epoch::at))
}

/// When the rows of a window with this end go. It may be shown at the very watermark at which it expires: they go after it.
pub(super) fn leaves(terms: &Terms, end: i64) -> Option<i64> {
    terms.expiry(end)?.checked_add(1)
}

/// The rows of which the last window has not expired; the others are handed in as late. Rows of no window pass.
fn on_time(rows: &Delta, terms: &Terms, epoch: Epoch, last: impl Fn(usize) -> Option<i64>) -> Delta {
    let late = |row: &usize| last(*row).is_some_and(|end| terms.expired(end, epoch.watermark));
    let (late, kept): (Vec<usize>, Vec<usize>) = (0..rows.len()).partition(late);
    if late.is_empty() {
        return rows.clone();
    }
    for row in late {
        let end = last(row).unwrap_or(i64::MAX);
        terms.reject_late(&rows.slice(row, 1), end, epoch.watermark);
    }
    rows.take(&UInt32Array::from_iter_values(kept.into_iter().map(|row| row as u32)))
}

fn times(rows: &Delta, column: usize) -> &arrow_array::TimestampMillisecondArray {
    rows.batch().column(column).as_primitive::<TimestampMillisecondType>()
}

/// Records as rows of an edge.
fn delta_of(records: &[(Record, i64)]) -> Delta {
    static SCHEMA: OnceLock<SchemaRef> = OnceLock::new();
    let schema = SCHEMA.get_or_init(|| {
        let bytes = |name: &str| Field::new(name, DataType::Binary, true);
        let number = |name: &str| Field::new(name, DataType::Int64, false);
        Arc::new(Schema::new(vec![bytes("key"), bytes("row"), number("watermark"), number("tick")]))
    });
    let each = || records.iter().map(|(record, _)| record);
    let columns: Vec<ArrayRef> = vec![
        Arc::new(each().map(|record| record.key.as_deref()).collect::<BinaryArray>()),
        Arc::new(each().map(|record| record.row.as_deref()).collect::<BinaryArray>()),
        Arc::new(Int64Array::from_iter_values(each().map(|record| record.until.watermark))),
        Arc::new(Int64Array::from_iter_values(each().map(|record| record.until.tick as i64))),
    ];
    match RecordBatch::try_new(schema.clone(), columns) {
        Ok(batch) => Delta::new(batch, Some(records.iter().map(|(_, diff)| *diff).collect())),
        Err(error) => unreachable!("records have these columns: {error}"),
    }
}

/// The records of such rows, each with its diff.
pub(super) fn records(delta: &Delta) -> impl Iterator<Item = (Record, i64)> {
    let bytes = |column: usize| delta.batch().column(column).as_binary::<i32>();
    let number = |column: usize| delta.batch().column(column).as_primitive::<Int64Type>();
    let (keys, rows, watermarks, ticks) = (bytes(0), bytes(1), number(2), number(3));
    let at = |bytes: &BinaryArray, row: usize| bytes.is_valid(row).then(|| bytes.value(row).to_vec());
    (0..delta.len()).map(move |row| {
        let until = Epoch { watermark: watermarks.value(row), tick: ticks.value(row) as u64 };
        (Record { key: at(keys, row), row: at(rows, row), until }, delta.diff(row))
    })
}

/// Nothing: what is to come and to go is told again when the inputs of the arrangements behind it, which are saved, go through it.
impl KeepsNothing for Intake {}

impl Stateful for Intake {
    fn starts(&self) -> bool {
        self.nothing
    }

    fn apply(&mut self, epoch: Epoch, inputs: &mut [Vec<Delta>]) -> Vec<Delta> {
        let mut now: Vec<(Record, i64)> = Vec::new();
        if std::mem::take(&mut self.nothing) {
            now.push((Record { key: Some(Bytes::new()), row: None, until: Epoch::END }, 1));
        }
        for delta in only(inputs) {
            let delta = self.in_sessions(epoch, delta);
            for (record, diff, comes, goes) in self.placed(epoch, &delta) {
                if let Some(at) = goes {
                    self.note(at, &record, -diff);
                }
                match comes {
                    None => now.push((record, diff)),
                    Some(at) => self.note(at, &record, diff),
                }
            }
        }
        if now.is_empty() { Vec::new() } else { vec![delta_of(&now)] }
    }

    fn deadline(&self) -> Option<i64> {
        let due = self.due.first_key_value().map(|(at, _)| *at);
        due.into_iter().chain(self.runs.deadline()).min()
    }

    fn close(&mut self, deadline: i64) -> Vec<Delta> {
        let mut changes: Vec<(Record, i64)> = Vec::new();
        while let Some(entry) = self.due.first_entry().filter(|entry| *entry.key() <= deadline) {
            changes.extend(entry.remove());
        }
        self.held -= changes.len();
        self.bytes -= changes.iter().map(|(record, _)| record.size()).sum::<usize>();
        changes.extend(self.out_of_sessions(deadline));
        vec![delta_of(&changes)]
    }

    fn held(&self) -> usize {
        self.held + self.runs.held()
    }

    fn bytes(&self) -> usize {
        self.bytes + self.runs.bytes() + self.held() * RECORD_BYTES
    }
}
