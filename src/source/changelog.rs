//! Changelogs: sources whose rows add rows and take them back, or put rows in the place of others (`'changelog' = '...'`).
//!
//! A column of the input says what each of its rows does ([`OPS`]). The edge makes diffs of that; here is what is there by then, so
//! that nothing is taken back that is not. Invariants (docs/internals/semantics.md): the changes that leave add up to the rows that are there,
//! none less often than not at all (K1); a change that takes back what is not there is told and does nothing (K3). Changes count in
//! the order of their epochs, within one by partition and then as they came: any number of workers tells the same.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, TimestampMillisecondType};
use arrow_array::{ArrayRef, Int64Array, RecordBatch, UInt32Array};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use arrow_select::take::take;

use super::SourceSpec;
use crate::aggregate::Keys;
use crate::delta::{Delta, Unfit};
use crate::operator::{Counted, Saved, Saving, Section, Stateful, only};
use crate::time::Epoch;

/// How the changes of a source are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changelog {
    /// The column that says what a row does: index into the decoded columns.
    pub op: usize,
    /// The columns that leave the source by which rows are put in the place of others; `None` if a row that goes is there as a whole.
    pub key: Option<Vec<usize>>,
}

/// What a row does, by the word for it: whether it adds (or puts in), and whether that word needs a key.
const OPS: &[(&str, bool, bool)] = &[
    ("insert", true, false),
    ("retract", false, false),
    ("delete", false, false),
    ("update_before", false, false),
    ("update_after", true, false),
    ("+I", true, false),
    ("-U", false, false),
    ("+U", true, false),
    ("-D", false, false),
    ("update", true, true),
    ("upsert", true, true),
];

/// As few rows are not worth a sweep.
const FEW: usize = 1024;

/// No row.
const NONE: u32 = u32::MAX;

impl Changelog {
    /// How often a row is added or taken back that says this of itself; `Err` says what it may say.
    pub(super) fn diff(&self, op: Option<&str>) -> Result<i64, String> {
        let keyed = self.key.is_some();
        let Some(word) = op else {
            return if keyed { Ok(1) } else { Err(format!("NULL; {}", self.words())) };
        };
        match OPS.iter().find(|(known, _, needs_key)| *known == word && (keyed || !needs_key)) {
            Some((_, true, _)) => Ok(1),
            Some((_, false, _)) => Ok(-1),
            None => Err(format!("'{word}'; {}", self.words())),
        }
    }

    fn words(&self) -> String {
        let words = OPS.iter().filter(|(.., needs_key)| self.key.is_some() || !needs_key);
        format!("it may be {}", words.map(|(word, ..)| *word).collect::<Vec<_>>().join(", "))
    }
}

/// The schema of a source's rows on their way here: what leaves it, then the number of the change: partition << 40 | ordinal.
pub(super) fn numbered(spec: &SourceSpec) -> Option<SchemaRef> {
    spec.changelog.as_ref().map(|_| with_number(&spec.schema))
}

fn with_number(schema: &SchemaRef) -> SchemaRef {
    let number = Arc::new(Field::new("__number", DataType::Int64, false));
    Arc::new(Schema::new(schema.fields().iter().cloned().chain([number]).collect::<Vec<_>>()))
}

/// Tells of a change that takes back what is not there: the rows that came, which of them, its number.
type Tell = Box<dyn Fn(&RecordBatch, usize, i64)>;

/// The rows that are there: a state machine over changes.
pub struct Current {
    /// Of the rows.
    schema: SchemaRef,
    /// Of what comes in.
    wide: SchemaRef,
    /// What rows are told apart by: their columns and, where they are taken back as a whole, their partition.
    told_by: SchemaRef,
    rows: Keys,
    /// Per row how often it is there, by the last epoch and now.
    counts: Vec<i64>,
    before: Vec<i64>,
    /// By key: the columns, the keys, and per key the row that is there.
    keyed: Option<(Vec<usize>, Keys, Vec<u32>)>,
    /// The event time of rows that can be taken back for so long only, in ms, and that of each.
    time: Option<(usize, i64)>,
    times: Vec<i64>,
    watermark: i64,
    sweep_at: usize,
    tell: Tell,
}

impl std::fmt::Debug for Current {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Current").field("rows", &self.rows).finish_non_exhaustive()
    }
}

fn types(schema: &SchemaRef, columns: impl Iterator<Item = usize>) -> Vec<DataType> {
    columns.map(|column| schema.field(column).data_type().clone()).collect()
}

impl Current {
    /// Of a source's rows; `None` if they only ever come.
    pub fn of(spec: &SourceSpec, tell: impl Fn(&RecordBatch, usize, i64) + 'static) -> Option<Current> {
        let changelog = spec.changelog.as_ref()?;
        // What leaves the source is all that is declared, so the event time stands in it.
        let time = spec.time.and_then(|time| {
            let column = spec.output.iter().position(|column| *column == time.column)?;
            Some((column, time.lateness_ms?))
        });
        Some(Current::new(&spec.schema, changelog.key.clone(), time, tell))
    }

    /// No row is there yet. Rows are of this schema, and put in by `key` or taken back as a whole: then those of an event time
    /// this far behind the watermark, in ms, are not taken back any more.
    pub fn new(
        schema: &SchemaRef,
        key: Option<Vec<usize>>,
        time: Option<(usize, i64)>,
        tell: impl Fn(&RecordBatch, usize, i64) + 'static,
    ) -> Current {
        let own = Field::new("__partition", DataType::Int64, false);
        let partition = key.is_none().then(|| Arc::new(own));
        let told_by = Arc::new(Schema::new(schema.fields().iter().cloned().chain(partition).collect::<Vec<_>>()));
        let width = told_by.fields().len();
        Current {
            wide: with_number(schema),
            rows: Keys::new(&types(&told_by, 0..width)),
            told_by,
            counts: Vec::new(),
            before: Vec::new(),
            time: time.filter(|_| key.is_none()),
            keyed: key.map(|key| {
                let keys = Keys::new(&types(schema, key.iter().copied()));
                (key, keys, Vec::new())
            }),
            schema: schema.clone(),
            times: Vec::new(),
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

    /// Gives rows of these columns their numbers.
    fn intern(&mut self, columns: &[ArrayRef], rows: usize) -> Vec<u32> {
        let mut numbers = Vec::new();
        self.rows.intern(columns, rows, &mut numbers);
        self.counts.resize(self.rows.end(), 0);
        self.before.resize(self.rows.end(), 0);
        if let Some((column, _)) = self.time {
            self.times.resize(self.rows.end(), i64::MIN);
            let times = columns[column].as_primitive::<TimestampMillisecondType>().values();
            numbers.iter().zip(times).for_each(|(&number, &time)| self.times[number as usize] = time);
        }
        numbers
    }

    /// Rows that are taken back as a whole. Returns the rows that are touched.
    fn whole(&mut self, rows: &Delta, numbers: &[i64], order: &[u32]) -> Vec<u32> {
        let partitions = Int64Array::from_iter_values(numbers.iter().map(|number| number >> 40));
        let columns = rows.batch().columns()[..self.schema.fields().len()].iter().cloned();
        let found = self.intern(&columns.chain([Arc::new(partitions) as ArrayRef]).collect::<Vec<_>>(), rows.len());
        for &row in order {
            let (row, diff) = (row as usize, rows.diff(row as usize));
            let count = &mut self.counts[found[row] as usize];
            match *count + diff >= 0 {
                true => *count += diff,
                false => (self.tell)(rows.batch(), row, numbers[row]),
            }
        }
        found
    }

    /// Rows that are put in by key. Returns the rows that are touched.
    fn by_key(&mut self, rows: &Delta, numbers: &[i64], order: &[u32]) -> Vec<u32> {
        let put: Vec<u32> = (0..rows.len() as u32).filter(|&row| rows.diff(row as usize) > 0).collect();
        let put = UInt32Array::from(put);
        let columns = rows.batch().columns()[..self.schema.fields().len()].iter();
        let columns: Vec<ArrayRef> = match put.len() == rows.len() {
            true => columns.cloned().collect(),
            false => columns.map(|column| picked(column, &put)).collect(),
        };
        let found = self.intern(&columns, put.len());
        let mut new = vec![NONE; rows.len()];
        put.values().iter().zip(&found).for_each(|(&row, &number)| new[row as usize] = number);
        let Some((columns, keys, there)) = &mut self.keyed else { return found };
        let columns: Vec<ArrayRef> = columns.iter().map(|&column| rows.batch().column(column).clone()).collect();
        let mut found_keys = Vec::new();
        keys.intern(&columns, rows.len(), &mut found_keys);
        there.resize(keys.end(), NONE);
        let mut touched = found;
        for &row in order {
            let row = row as usize;
            let old = std::mem::replace(&mut there[found_keys[row] as usize], new[row]);
            match (old, new[row]) {
                (NONE, NONE) => (self.tell)(rows.batch(), row, numbers[row]),
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
        found_keys.sort_unstable();
        found_keys.dedup();
        found_keys.retain(|&key| there[key as usize] == NONE);
        keys.remove(&found_keys);
        touched
    }

    /// What the rows that were touched changed by; those that are gone are forgotten.
    fn changes(&mut self, mut touched: Vec<u32>) -> Vec<Delta> {
        touched.sort_unstable();
        touched.dedup();
        let (mut changed, mut diffs) = (Vec::new(), Vec::new());
        for &row in &touched {
            let (now, before) = (self.counts[row as usize], &mut self.before[row as usize]);
            if now != *before {
                changed.push(row);
                diffs.push(now - *before);
                *before = now;
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
        let Some((_, lateness_ms)) = self.time.filter(|_| self.rows.live() >= self.sweep_at) else { return };
        let bound = self.watermark.saturating_sub(lateness_ms);
        let mut old = self.rows.used();
        old.retain(|&row| self.times[row as usize] < bound);
        for &row in &old {
            (self.counts[row as usize], self.before[row as usize]) = (0, 0);
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

/// The rows that are there.
impl Saved for Current {
    fn sections(&self) -> Vec<Section> {
        let route = match &self.keyed {
            Some((key, ..)) => key.clone(),
            None => (0..self.schema.fields().len()).collect(),
        };
        vec![Counted::section("rows", &self.told_by, route)]
    }

    fn begin(&mut self) -> Saving {
        let (mut saving, sections) = (Saving::default(), self.sections());
        for rows in self.rows.used().chunks(Saving::PIECE) {
            let counts = Int64Array::from_iter_values(rows.iter().map(|&row| self.counts[row as usize]));
            let columns = self.rows.columns(rows).into_iter().chain([Arc::new(counts) as ArrayRef]);
            saving.add((0, &sections[0]), columns.collect(), rows.len());
        }
        saving
    }

    fn take(&mut self, _: usize, rows: &RecordBatch) -> Result<(), Unfit> {
        let rows = Counted::load(rows, &self.told_by)?;
        let live = self.rows.live();
        let found = self.intern(rows.batch().columns(), rows.len());
        if self.rows.live() != live + rows.len() || (0..rows.len()).any(|row| rows.diff(row) < 0) {
            return Err(Unfit::Value("a row is there twice, or less often than not at all"));
        }
        for (row, &number) in found.iter().enumerate() {
            (self.counts[number as usize], self.before[number as usize]) = (rows.diff(row), rows.diff(row));
        }
        let Some((columns, keys, there)) = &mut self.keyed else { return Ok(()) };
        let columns: Vec<ArrayRef> = columns.iter().map(|&column| rows.batch().column(column).clone()).collect();
        let (live, mut found_keys) = (keys.live(), Vec::new());
        keys.intern(&columns, rows.len(), &mut found_keys);
        if keys.live() != live + rows.len() {
            return Err(Unfit::Value("a key is there twice"));
        }
        there.resize(keys.end(), NONE);
        found_keys.iter().zip(found).for_each(|(&key, row)| there[key as usize] = row);
        Ok(())
    }

    fn loaded(&mut self, cut: Epoch) {
        self.watermark = cut.watermark;
    }
}

impl Stateful for Current {
    fn apply(&mut self, _: Epoch, inputs: &mut [Vec<Delta>]) -> Vec<Delta> {
        let input = only(inputs);
        let rows = Delta::concat(&self.wide, &input);
        let numbers = rows.batch().column(self.schema.fields().len()).as_primitive::<Int64Type>().values().clone();
        let mut order: Vec<u32> = (0..rows.len() as u32).collect();
        order.sort_by_key(|&row| numbers[row as usize]);
        let touched = match self.keyed {
            Some(_) => self.by_key(&rows, &numbers, &order),
            None => self.whole(&rows, &numbers, &order),
        };
        self.changes(touched)
    }

    fn held(&self) -> usize {
        self.rows.live()
    }

    fn bytes(&self) -> usize {
        let keys = self.keyed.as_ref().map_or(0, |(_, keys, there)| keys.bytes() + there.capacity() * 4);
        let numbers = self.counts.capacity() + self.before.capacity() + self.times.capacity();
        self.rows.bytes() + keys + numbers * 8
    }

    fn expire(&mut self, frontier: Epoch) {
        self.watermark = self.watermark.max(frontier.watermark);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;

    use arrow_array::{StringArray, TimestampMillisecondArray};
    use arrow_schema::TimeUnit;

    use super::super::edge_tests::{spec, timed};
    use super::super::{Decoded, Edge};
    use super::*;

    const TIME: DataType = DataType::Timestamp(TimeUnit::Millisecond, None);

    /// What the edge makes of changes: the diffs of those that it lets through, and why it does not let the others.
    fn taken(
        key: Option<Vec<usize>>,
        rows: &[(Option<i64>, i64, Option<&str>)],
    ) -> (Vec<i64>, Vec<(&'static str, String)>) {
        let plain = spec(timed(5, Some(0)));
        let fields = plain.physical.fields().iter().cloned().chain([Arc::new(Field::new("_op", DataType::Utf8, true))]);
        let physical = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let schema = Arc::new(physical.project(&[0, 1]).unwrap());
        let changelog = Some(Changelog { op: 2, key });
        let (computed, decode, output) = (Vec::new(), vec![0, 1, 2], vec![0, 1]);
        let spec = SourceSpec { physical, computed, decode, output, changelog, sequence: false, schema, ..plain };
        let columns: Vec<ArrayRef> = vec![
            Arc::new(rows.iter().map(|row| row.0).collect::<TimestampMillisecondArray>()),
            Arc::new(rows.iter().map(|row| Some(row.1)).collect::<Int64Array>()),
            Arc::new(rows.iter().map(|row| row.2).collect::<StringArray>()),
        ];
        let batch = RecordBatch::try_new(spec.physical.clone(), columns).unwrap();
        let (mut steps, mut rejects) = (Vec::new(), Vec::new());
        Edge::new(&spec, 3, 100, false).accept(Decoded::rows(batch, 0), 0, &mut steps, &mut rejects);
        let diffs = steps.iter().flat_map(|step| (0..step.delta.len()).map(|row| step.delta.diff(row))).collect();
        for step in &steps {
            assert_eq!(*step.delta.batch().schema(), *numbered(&spec).unwrap());
            let numbers = step.delta.batch().column(2).as_primitive::<Int64Type>();
            assert!(numbers.values().iter().all(|number| number >> 40 == 3));
        }
        (diffs, rejects.into_iter().map(|reject| (reject.reason, reject.detail)).collect())
    }

    #[test]
    fn k3_k4_changes_are_late_as_rows_are_and_say_what_they_do() {
        let rows = [
            (Some(10), 1, Some("insert")),
            (Some(20), 1, Some("+I")),
            (Some(10), 1, Some("retract")),
            (Some(20), 1, Some("-D")),
            (None, 1, Some("delete")),
            (Some(30), 2, Some("upsert")),
            (Some(30), 2, None),
            (Some(30), 2, Some("Insert")),
        ];
        let (diffs, refused) = taken(None, &rows);
        assert_eq!(diffs, [1, 1, -1]);
        let reasons: Vec<&str> = refused.iter().map(|refused| refused.0).collect();
        assert_eq!(reasons, ["late", "no_event_time", "malformed", "malformed", "malformed"]);
        assert!(
            refused[2].1.starts_with("column '_op' is 'upsert'; it may be insert, retract, delete, "),
            "{refused:?}"
        );
        assert!(refused[3].1.starts_with("column '_op' is NULL; it may be"), "{refused:?}");
        // By key a row that takes another one out is of no time, and moves no watermark.
        let rows = [
            (None, 1, Some("delete")),
            (Some(40), 3, None),
            (Some(99), 3, Some("delete")),
            (Some(34), 1, Some("update")),
            (Some(35), 1, Some("upsert")),
            (Some(41), 1, Some("d")),
            (None, 1, Some("insert")),
        ];
        let (diffs, refused) = taken(Some(vec![1]), &rows);
        assert_eq!(diffs, [-1, 1, -1, 1]);
        let reasons: Vec<&str> = refused.iter().map(|refused| refused.0).collect();
        assert_eq!(reasons, ["late", "malformed", "no_event_time"]);
    }

    #[test]
    fn rows_that_nothing_can_take_back_any_more_are_forgotten() {
        let schema = Arc::new(Schema::new(vec![Field::new("ts", TIME, true)]));
        let unknown = Rc::new(Cell::new(0));
        let told = unknown.clone();
        let mut state = Current::new(&schema, None, Some((0, 50)), move |_, _, _| told.set(told.get() + 1));
        let wide = with_number(&schema);
        let delta = |times: Vec<i64>, diff: i64, number: i64| {
            let rows = times.len();
            let numbers = Int64Array::from_iter_values((0..rows as i64).map(|row| number + row));
            let columns: Vec<ArrayRef> = vec![Arc::new(TimestampMillisecondArray::from(times)), Arc::new(numbers)];
            Delta::new(RecordBatch::try_new(wide.clone(), columns).unwrap(), Some(vec![diff; rows].into()))
        };
        let mut most = 0;
        for at in 0..200i64 {
            state.expire(Epoch::at(at * 100));
            let times: Vec<i64> = (at * 100..at * 100 + 100).collect();
            let changes = state.apply(Epoch::at(at * 100), &mut [vec![delta(times, 1, at * 100)]]);
            assert_eq!(changes[0].len(), 100);
            most = most.max(state.held());
        }
        assert!(most < 2 * FEW + 200, "{most}");
        let back = state.apply(Epoch::at(20_000), &mut [vec![delta(vec![19_950, 19_999], -1, 50_000)]]);
        assert_eq!((back[0].len(), back[0].diff(0), unknown.get()), (2, -1, 0));
        state.apply(Epoch::at(20_001), &mut [vec![delta(vec![19_950], -1, 50_002)]]);
        assert_eq!(unknown.get(), 1);
    }
}
