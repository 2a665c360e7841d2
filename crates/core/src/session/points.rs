//! Sessions of retracting input: kept as points, aggregated anew where an epoch touched them.
//!
//! A point is a time of a key with its rows aggregated; the sessions of a key are runs of points no more than the gap
//! apart. Any point may go, so sessions may split. Cost per epoch: the points of the keys that it touches.
//!
//! Invariant: the rows that are out are exactly those of the sessions with a kept row that [`Terms::shown`] holds for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMillisecondType;
use arrow_array::{Array, ArrayRef, RecordBatch, TimestampMillisecondArray, UInt32Array};
use arrow_schema::{DataType, Field};

use crate::aggregate::{Changes, Emit, Keys, Role, States, Terms, numbers, numbers_of, pick};
use crate::delta::{Delta, Unfit};
use crate::operator::{Saved, Saving, Section, Stateful, Windows, only};
use crate::time::Epoch;

/// The rows of one time of a key.
#[derive(Clone, Copy, Debug)]
struct Point {
    group: u32,
    rows: i64,
    kept: i64,
}

/// A run of points.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Run {
    key: u32,
    start: i64,
    end: i64,
    groups: Vec<u32>,
    kept: bool,
}

/// The state machine.
pub struct PointSessions {
    terms: Terms,
    time: usize,
    gap: i64,
    keep: Option<usize>,
    keys: Keys,
    states: States,
    free: Vec<u32>,
    used: u32,
    /// By key and time.
    points: BTreeMap<(u32, i64), Point>,
    /// When sessions of a key may have to be shown or freed. Entries may be out of date, even of a former key.
    closing: BTreeSet<(i64, u32)>,
    expiring: BTreeSet<(i64, u32)>,
}

impl PointSessions {
    /// No sessions yet. `keep` is the column that says which rows are aggregated.
    pub fn new(terms: Terms, time: usize, gap: i64, keep: Option<usize>) -> PointSessions {
        PointSessions {
            time,
            gap,
            keep,
            keys: Keys::new(&terms.grouping.key_types),
            states: States::new(&terms.grouping, Role::Whole),
            free: Vec::new(),
            used: 0,
            points: BTreeMap::new(),
            closing: BTreeSet::new(),
            expiring: BTreeSet::new(),
            terms,
        }
    }

    /// The sessions of a key, ascending.
    fn runs(&self, key: u32) -> Vec<Run> {
        let mut runs: Vec<Run> = Vec::new();
        for (&(_, time), point) in self.points.range((key, i64::MIN)..=(key, i64::MAX)) {
            let (end, kept) = (time.saturating_add(self.gap), point.kept > 0);
            match runs.last_mut() {
                Some(run) if run.end >= time => {
                    (run.end, run.kept) = (end, run.kept | kept);
                    run.groups.push(point.group);
                }
                _ => runs.push(Run { key, start: time, end, groups: vec![point.group], kept }),
            }
        }
        runs
    }

    /// The runs of these keys whose rows are out at this epoch.
    fn shown(&self, keys: &BTreeSet<u32>, epoch: Epoch) -> Vec<Run> {
        let runs = keys.iter().flat_map(|&key| self.runs(key));
        runs.filter(|run| run.kept && self.terms.shown(run.end, epoch)).collect()
    }

    fn fixed(&self, runs: &[Run]) -> Vec<ArrayRef> {
        let keys: Vec<u32> = runs.iter().map(|run| run.key).collect();
        let time = |time: fn(&Run) -> i64| -> ArrayRef {
            Arc::new(TimestampMillisecondArray::from_iter_values(runs.iter().map(time)))
        };
        let mut columns = self.keys.columns(&keys);
        columns.extend([time(|run| run.start), time(|run| run.end), time(|run| run.end.saturating_sub(1))]);
        columns
    }

    fn values(&self, runs: &[Run]) -> Vec<ArrayRef> {
        let mut sums = States::new(&self.terms.grouping, Role::Whole);
        sums.resize(runs.len());
        let pairs = runs.iter().enumerate().flat_map(|(i, run)| run.groups.iter().map(move |&group| (i as u32, group)));
        let (into, from): (Vec<u32>, Vec<u32>) = pairs.unzip();
        sums.merge(&into, &self.states, &from, 1);
        sums.evaluate(&(0..runs.len() as u32).collect::<Vec<_>>())
    }

    fn insert(&self, runs: &[Run], changes: &mut Changes) {
        changes.insert(self.fixed(runs).into_iter().chain(self.values(runs)).collect(), runs.len());
    }

    /// Notes when the sessions of a key are to be looked at again.
    fn schedule(&mut self, key: u32, epoch: Epoch) {
        for run in self.runs(key) {
            let deadline = self.terms.deadline(run.end);
            if self.terms.emit == Emit::Final && !self.terms.closed(run.end, epoch) {
                self.closing.insert((deadline, key));
            }
            if let Some(expiry) = self.terms.expiry(run.end) {
                self.expiring.insert((expiry, key));
            }
        }
    }

    /// Forgets points, and the keys that have none left.
    fn remove(&mut self, points: &[(u32, i64)]) {
        for at in points {
            if let Some(point) = self.points.remove(at) {
                self.states.reset(&[point.group]);
                self.free.push(point.group);
            }
        }
        let keys: BTreeSet<u32> = points.iter().map(|(key, _)| *key).collect();
        for key in keys {
            if self.points.range((key, i64::MIN)..=(key, i64::MAX)).next().is_none() {
                self.keys.remove(&[key]);
            }
        }
    }

    /// The number of each row's key.
    fn intern(&mut self, rows: &Delta) -> Vec<u32> {
        let column = |&column: &usize| rows.batch().column(column).clone();
        let columns: Vec<ArrayRef> = self.terms.grouping.keys.iter().map(column).collect();
        let mut keys = Vec::new();
        self.keys.intern(&columns, rows.len(), &mut keys);
        keys
    }

    /// Adds rows to their points; notes the points.
    fn add(&mut self, rows: &Delta, keys: &[u32], epoch: Epoch, touched: &mut Vec<(u32, i64)>) {
        let times = rows.batch().column(self.time).as_primitive::<TimestampMillisecondType>().values();
        let keep = self.keep.map(|column| rows.batch().column(column).as_boolean());
        let (mut chosen, mut groups) = (Vec::new(), Vec::new());
        for (row, (&time, &key)) in times.iter().zip(keys).enumerate() {
            let reach = time.saturating_add(self.gap);
            let near = self.points.range((key, time.saturating_sub(self.gap))..=(key, reach)).next().is_some();
            touched.push((key, time));
            if !near && self.terms.expired(reach, epoch.watermark) {
                self.terms.reject_late(&rows.slice(row, 1), reach, epoch.watermark);
                continue;
            }
            let point = self.points.entry((key, time)).or_insert_with(|| {
                let group = self.free.pop().unwrap_or(self.used);
                self.used = self.used.max(group + 1);
                Point { group, rows: 0, kept: 0 }
            });
            point.rows += rows.diff(row);
            if keep.is_none_or(|keep| keep.is_valid(row) && keep.value(row)) {
                point.kept += rows.diff(row);
                chosen.push(row as u32);
                groups.push(point.group);
            }
        }
        self.states.resize(self.used as usize);
        self.states.update(&groups, &rows.take(&UInt32Array::from(chosen)));
    }
}

impl Saved for PointSessions {
    fn sections(&self) -> Vec<Section> {
        let own = ["time", "count", "kept"].map(|name| Field::new(name, DataType::Int64, false));
        let fields = own.into_iter().chain(self.keys.fields()).chain(self.states.fields());
        vec![Section::new("points", 1, fields.collect(), (3..3 + self.terms.grouping.keys.len()).collect())]
    }

    fn begin(&mut self) -> Saving {
        let (mut saving, sections) = (Saving::default(), self.sections());
        let points: Vec<(u32, i64, Point)> = self.points.iter().map(|(&(key, time), &p)| (key, time, p)).collect();
        for points in points.chunks(Saving::PIECE) {
            let own = [
                numbers(points.iter().map(|(_, time, _)| *time)),
                numbers(points.iter().map(|(.., point)| point.rows)),
                numbers(points.iter().map(|(.., point)| point.kept)),
            ];
            let (keys, groups): (Vec<u32>, Vec<u32>) = points.iter().map(|(key, _, point)| (*key, point.group)).unzip();
            let columns = own.into_iter().chain(self.keys.columns(&keys)).chain(self.states.save(&groups));
            saving.add((0, &sections[0]), columns.collect(), points.len());
        }
        saving
    }

    fn take(&mut self, _: usize, rows: &RecordBatch) -> Result<(), Unfit> {
        let (own, states) = rows.columns().split_at(3 + self.terms.grouping.keys.len());
        let mut keys = Vec::new();
        self.keys.intern(&own[3..], rows.num_rows(), &mut keys);
        let [times, counts, kept] = [0, 1, 2].map(|column: usize| numbers_of(&own[column]));
        let groups: Vec<u32> = (self.used..).take(keys.len()).collect();
        for (row, (key, &group)) in keys.into_iter().zip(&groups).enumerate() {
            let point = Point { group, rows: counts[row], kept: kept[row] };
            if self.points.insert((key, times[row]), point).is_some() {
                return Err(Unfit::Value("a time of a key is there twice"));
            }
        }
        self.used += groups.len() as u32;
        self.states.resize(self.used as usize);
        self.states.load(&groups, states)
    }

    fn loaded(&mut self, cut: Epoch) {
        let keys: BTreeSet<u32> = self.points.keys().map(|(key, _)| *key).collect();
        keys.into_iter().for_each(|key| self.schedule(key, cut));
    }
}

impl Stateful for PointSessions {
    fn held(&self) -> usize {
        self.points.len()
    }

    fn bytes(&self) -> usize {
        // Nodes of trees are about two thirds full.
        let points = self.points.len() * size_of::<((u32, i64), Point)>() * 3 / 2;
        let entries = (self.closing.len() + self.expiring.len()) * size_of::<(i64, u32)>() * 3 / 2;
        points + entries + self.free.capacity() * 4 + self.keys.bytes() + self.states.bytes()
    }

    fn windows(&self, watermark: i64) -> Option<Windows> {
        if self.points.len() > Windows::LOOKED_AT {
            // Of points there are more than of sessions.
            return Some(Windows { count: self.points.len(), by_key: true, ..Windows::default() });
        }
        let keys: BTreeSet<u32> = self.points.keys().map(|(key, _)| *key).collect();
        let open = keys.into_iter().flat_map(|key| self.runs(key)).filter(|run| run.end > watermark);
        Some(Windows::of(open.map(|run| (run.start, run.end)), true))
    }

    fn apply(&mut self, epoch: Epoch, inputs: &mut [Vec<Delta>]) -> Vec<Delta> {
        let input = only(inputs);
        self.expire(epoch);
        let rows: Vec<Delta> = input.iter().map(|rows| self.terms.timed(rows, &[self.time])).collect();
        let rows: Vec<(Delta, Vec<u32>)> = rows.into_iter().map(|rows| (rows.clone(), self.intern(&rows))).collect();
        let keys: BTreeSet<u32> = rows.iter().flat_map(|(_, keys)| keys).copied().collect();
        let old = self.shown(&keys, epoch);
        let (old_fixed, old_values) = (self.fixed(&old), self.values(&old));
        let mut touched = Vec::new();
        rows.iter().for_each(|(rows, keys)| self.add(rows, keys, epoch, &mut touched));
        touched.retain(|at| self.points.get(at).is_none_or(|point| point.rows == 0));
        self.remove(&touched);

        let (mut changes, mut new) = (Changes::new(&self.terms.schema), self.shown(&keys, epoch));
        let place = |run: &Run| (run.key, run.start, run.end);
        let now: BTreeSet<_> = new.iter().map(place).collect();
        let (stay, go): (Vec<u32>, Vec<u32>) =
            (0..old.len() as u32).partition(|&i| now.contains(&place(&old[i as usize])));
        changes.retract(pick(&old_fixed, &go).into_iter().chain(pick(&old_values, &go)).collect(), go.len());
        // Both are in the order of keys and times.
        let before: BTreeSet<_> = old.iter().map(place).collect();
        let come: Vec<Run> = new.extract_if(.., |run| !before.contains(&place(run))).collect();
        changes.replace(pick(&old_fixed, &stay), pick(&old_values, &stay), self.values(&new), new.len());
        self.insert(&come, &mut changes);
        keys.into_iter().for_each(|key| self.schedule(key, epoch));
        changes.finish()
    }

    fn deadline(&self) -> Option<i64> {
        self.closing.first().map(|(time, _)| *time)
    }

    fn close(&mut self, deadline: i64) -> Vec<Delta> {
        let mut changes = Changes::new(&self.terms.schema);
        while let Some(key) = pop_due(&mut self.closing, deadline) {
            let mut runs = self.runs(key);
            runs.retain(|run| run.kept && self.terms.deadline(run.end) == deadline);
            self.insert(&runs, &mut changes);
        }
        changes.finish()
    }

    fn expire(&mut self, frontier: Epoch) {
        let watermark = frontier.watermark;
        while let Some(key) = pop_due(&mut self.expiring, watermark) {
            let over: Vec<Run> =
                self.runs(key).into_iter().filter(|run| self.terms.expired(run.end, watermark)).collect();
            let within =
                |run: &Run| self.points.range((key, run.start)..(key, run.end)).map(|(at, _)| *at).collect::<Vec<_>>();
            let points: Vec<(u32, i64)> = over.iter().flat_map(within).collect();
            self.remove(&points);
        }
    }
}

fn pop_due(entries: &mut BTreeSet<(i64, u32)>, time: i64) -> Option<u32> {
    let due = entries.first().is_some_and(|(due, _)| *due <= time);
    due.then(|| entries.pop_first()).flatten().map(|(_, key)| key)
}
