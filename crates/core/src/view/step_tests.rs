//! A reader that takes steps of any length, merged or not, cut off anywhere, always holds what the view held: rows,
//! standing, versions. The views are random: windows that close, amendments, rows that come and go, unkeyed doubles.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, Int64Array, RecordBatch, TimestampMillisecondArray};
use arrow_cast::display::array_value_to_string;
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};

use super::changes::{RingRoom, Status};
use super::rows::{Closing, Limits};
use super::step::Place;
use super::{Snapshot, View};
use crate::delta::Delta;
use crate::plan::{Emit, ViewSpec};
use crate::time::Epoch;

pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (mixed ^ (mixed >> 31)) % bound
    }
}

/// `(k, window_end, v)`.
pub(super) type Row = (i64, i64, i64);

fn schema() -> SchemaRef {
    let time = DataType::Timestamp(TimeUnit::Millisecond, None);
    Arc::new(Schema::new(vec![
        Field::new("k", DataType::Int64, true),
        Field::new("window_end", time, true),
        Field::new("v", DataType::Int64, true),
    ]))
}

pub(super) fn delta(changes: &[(Row, i64)]) -> Delta {
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from_iter_values(changes.iter().map(|(row, _)| row.0))),
        Arc::new(TimestampMillisecondArray::from_iter_values(changes.iter().map(|(row, _)| row.1))),
        Arc::new(Int64Array::from_iter_values(changes.iter().map(|(row, _)| row.2))),
    ];
    let diffs = changes.iter().map(|(_, diff)| *diff).collect();
    Delta::new(RecordBatch::try_new(schema(), columns).unwrap(), Some(diffs))
}

fn view(closing: Closing, key: Option<Vec<usize>>) -> View {
    view_of(closing, key, usize::MAX)
}

/// A view of at most so many rows.
pub(super) fn view_of(closing: Closing, key: Option<Vec<usize>>, rows: usize) -> View {
    let spec = ViewSpec {
        name: "v".to_owned(),
        node: 0,
        columns: vec![0, 1, 2],
        schema: schema(),
        key,
        closes: None,
        emit: Emit::Changes,
        sql: String::new(),
        options: Default::default(),
    };
    let ring = RingRoom { epochs: usize::MAX, rows: usize::MAX, bytes: usize::MAX };
    let limits = Limits { closing, rows, retention_ms: None, ring };
    View::new(spec, &schema(), limits).unwrap()
}

/// What a reader holds: row, standing and version, and how often.
type Held = BTreeMap<(String, &'static str, u64), i64>;

pub(super) fn line(batch: &RecordBatch, row: usize) -> String {
    let cell = |column: &Arc<dyn Array>| array_value_to_string(column, row).unwrap();
    batch.columns().iter().map(cell).collect::<Vec<_>>().join(",")
}

fn take(held: &mut Held, batch: &RecordBatch, row: usize, status: Status, version: u64, diff: i64) {
    let entry = (line(batch, row), status.name(), version);
    let count = held.entry(entry.clone()).or_insert(0);
    *count += diff;
    assert!(*count >= 0, "a reader was told to take back what it does not have: {entry:?}");
    if *count == 0 {
        held.remove(&entry);
    }
}

fn held(snapshot: &Snapshot) -> Held {
    let mut held = Held::new();
    for row in 0..snapshot.batch.num_rows() {
        take(&mut held, &snapshot.batch, row, snapshot.statuses[row], snapshot.versions[row], 1);
    }
    held
}

/// Follows a view from `place` to `to`, cut off at random; answers where it is then.
fn follow(view: &View, held: &mut Held, place: Place, to: Epoch, random: &mut Random) -> Place {
    let merge_over = [0, 1, 1000][random.below(3) as usize];
    let step = view.step(place, to, merge_over).unwrap();
    let mut place = place;
    for told in &step.told {
        for row in 0..told.changes.len() {
            let (version, diff) = (told.changes.versions[row], told.changes.delta.diff(row));
            take(held, told.changes.delta.batch(), row, told.statuses[row], version, diff);
        }
        let epoch = told.changes.epoch;
        let next = Epoch { tick: epoch.tick + 1, ..epoch };
        let closed = if step.closes { place.closed } else { next };
        place = Place { closed, next, merged: step.merged };
        if random.below(4) == 0 {
            return place;
        }
    }
    for row in 0..step.closed.batch.num_rows() {
        take(held, &step.closed.batch, row, Status::Open, step.closed.versions[row], -1);
        take(held, &step.closed.batch, row, Status::Final, step.closed.versions[row], 1);
    }
    step.to.into()
}

fn compare(reader: &Held, view: &Held, when: &str) {
    let wrong: Vec<_> = reader.iter().filter(|entry| view.get(entry.0) != Some(entry.1)).collect();
    let missing: Vec<_> = view.iter().filter(|entry| reader.get(entry.0) != Some(entry.1)).collect();
    assert_eq!((wrong, missing), (vec![], vec![]), "{when}");
}

fn run(seed: u64, closing: Closing, keyed: bool) {
    let mut random = Random(seed);
    let view = view(closing, keyed.then(|| vec![0, 1]));
    let mut now: Vec<Row> = Vec::new();
    let mut epoch = Epoch { watermark: -50, tick: 0 };
    let mut ends = vec![Epoch::MIN];
    let snapshot = view.snapshot();
    let (mut reader, mut place) = (held(&snapshot), Place::from(snapshot.as_of));
    for _ in 0..60 {
        // A few epochs at once, then perhaps the reader looks.
        let mut epochs = Vec::new();
        for _ in 0..1 + random.below(4) {
            if random.below(3) == 0 {
                epoch = Epoch::at(epoch.watermark + random.below(15) as i64 + 1);
            } else {
                epoch.tick += 1;
            }
            let mut changes: Vec<(Row, i64)> = Vec::new();
            for _ in 0..random.below(5) {
                let ahead = random.below(40) as i64 - 15;
                let row =
                    (random.below(3) as i64, (epoch.watermark + ahead).div_euclid(10) * 10, random.below(4) as i64);
                let old = now.iter().position(|old| if keyed { (old.0, old.1) == (row.0, row.1) } else { *old == row });
                if let Some(old) = old.filter(|_| keyed || random.below(2) == 0) {
                    changes.push((now.swap_remove(old), -1));
                    if random.below(4) == 0 {
                        continue;
                    }
                }
                changes.push((row, 1));
                now.push(row);
            }
            epochs.extend(view.codec().net(&[delta(&changes)], true).map(|netted| (epoch, netted)));
        }
        epoch.tick += 1;
        view.publish(epochs, epoch);
        ends.push(epoch);
        while random.below(2) == 0 {
            let to = if random.below(3) == 0 { Epoch::END } else { ends[random.below(ends.len() as u64) as usize] };
            let to = to.min(view.as_of()).max(place.next);
            place = follow(&view, &mut reader, place, to, &mut random);
            if place.closed == place.next {
                compare(&reader, &held(&view.snapshot_at(place.next).unwrap()), &format!("seed {seed} at {place:?}"));
            }
        }
    }
    view.publish(Vec::new(), Epoch::END);
    while place != Place::from(Epoch::END) {
        place = follow(&view, &mut reader, place, Epoch::END, &mut random);
    }
    compare(&reader, &held(&view.snapshot()), &format!("seed {seed} at the end"));
    assert!(reader.keys().all(|(_, status, _)| *status != "open"));
}

#[test]
fn steps_lead_to_what_the_view_holds() {
    for seed in 0..10 {
        run(seed, Closing::Column(1), true);
        run(seed, Closing::Column(1), false);
        run(seed, Closing::Never, true);
        run(seed, Closing::Born, false);
    }
}
