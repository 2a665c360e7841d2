//! A view's store that is saved between two epochs and taken in by another, beside the one that goes on.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use arrow_array::{Int64Array, RecordBatch, StringArray, TimestampMillisecondArray};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use proptest::prelude::*;

use super::rows::{Closing, Limits};
use super::{RingRoom, View};
use crate::delta::Delta;
use crate::operator::Saving;
use crate::plan::{Emit, ViewSpec};
use crate::time::Epoch;

/// Columns `key`, `n` and `closes`, which is not shown.
fn node() -> SchemaRef {
    let closes = DataType::Timestamp(TimeUnit::Millisecond, None);
    Arc::new(Schema::new(vec![
        Field::new("key", DataType::Utf8, true),
        Field::new("n", DataType::Int64, false),
        Field::new("closes", closes, true),
    ]))
}

fn view(closes: bool, rows: usize, ring: usize) -> View {
    let shown = Arc::new(Schema::new(node().fields().iter().take(2).cloned().collect::<Vec<_>>()));
    let spec = ViewSpec {
        name: "v".to_owned(),
        node: 0,
        columns: vec![0, 1],
        schema: shown,
        key: Some(vec![0]),
        closes: closes.then_some(2),
        emit: Emit::Changes,
        sql: String::new(),
        options: Default::default(),
    };
    let closing = if closes { Closing::Column(2) } else { Closing::Never };
    let ring = RingRoom { epochs: ring, rows: 1_000, bytes: 1 << 20 };
    View::new(spec, &node(), Limits { closing, rows, retention_ms: Some(60), ring }).unwrap()
}

type Change = (u8, i64, i64, bool);

fn delta(view: &View, changes: &[Change]) -> Delta {
    let keys: StringArray = changes.iter().map(|(key, ..)| (*key > 0).then(|| format!("k{key}"))).collect();
    let numbers = Int64Array::from_iter_values(changes.iter().map(|(_, n, ..)| *n));
    let times: TimestampMillisecondArray = changes.iter().map(|(.., at, _)| (*at > 0).then_some(*at)).collect();
    let all = RecordBatch::try_new(node(), vec![Arc::new(keys), Arc::new(numbers), Arc::new(times)]).unwrap();
    let kept = crate::delta::relabel(&all, &view.columns(), view.codec().schema());
    Delta::new(kept, Some(changes.iter().map(|(.., insert)| if *insert { 1 } else { -1 }).collect()))
}

/// An epoch of changes, each of which takes back what of its key was put in before.
fn publish(view: &View, epoch: Epoch, changes: &[Change], next: Epoch) {
    let netted = view.codec().net(&[delta(view, changes)], true);
    view.publish(netted.map(|netted| (epoch, netted)).into_iter().collect(), next);
}

/// All that can be asked of it.
fn seen(view: &View, epochs: &[Epoch]) -> String {
    let of = |epoch: &Epoch| {
        let since = view.changes_since(*epoch).map(|(changes, as_of)| {
            let told = |changes: &Arc<super::EpochChanges>| {
                (changes.epoch, changes.delta.clone(), changes.versions.clone(), changes.statuses.clone())
            };
            (changes.iter().map(told).collect::<Vec<_>>(), as_of)
        });
        format!("{epoch}: {since:?} {:?}", view.snapshot_at(*epoch))
    };
    let (rows, evicted, open) = (view.row_count(), view.evicted(), view.windows_open());
    let then: Vec<String> = epochs.iter().map(of).collect();
    format!("{:?} {rows} {evicted} {open} {then:?}", view.snapshot())
}

fn copied(saving: &mut Saving, from: &View, to: &View, pieces: usize) {
    while let Some((section, rows)) = saving.next(pieces) {
        assert_eq!(rows.schema(), from.sections()[section].schema);
        to.take(section, &rows).unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn d8_a_view_goes_on_from_what_it_kept_as_the_one_that_lives_on(
        epochs in prop::collection::vec(
            (prop::collection::vec((0u8..5, 0i64..6, 0i64..120), 0..6), 0i64..15, any::<bool>()), 1..30),
        cut in 0usize..30, closes in any::<bool>(), rows in 3usize..12, ring in 1usize..12, pieces in 1usize..5,
    ) {
        let (lives, mut now) = (view(closes, rows, ring), Epoch::at(0));
        let loaded = view(closes, rows, ring);
        let mut current: std::collections::BTreeMap<u8, (i64, i64)> = Default::default();
        let mut all = vec![Epoch::MIN];
        let mut begun = false;
        for (at, (puts, moves, ticks)) in epochs.iter().enumerate() {
            let mut changes: Vec<Change> = Vec::new();
            for (key, n, closing) in puts {
                if let Some((n, closing)) = current.insert(*key, (*n, *closing)) {
                    changes.push((*key, n, closing, false));
                }
                changes.push((*key, *n, *closing, true));
            }
            let next = match ticks {
                true => Epoch { tick: now.tick + 1, ..now },
                false => Epoch { watermark: now.watermark + moves, tick: now.tick + 1 },
            };
            if at == cut {
                // Nothing before it is left to come.
                lives.publish(Vec::new(), now);
                copied(&mut lives.save(), &lives, &loaded, pieces);
                loaded.loaded(now);
                begun = true;
                prop_assert_eq!(seen(&loaded, &all), seen(&lives, &all));
            }
            publish(&lives, now, &changes, next);
            if begun {
                publish(&loaded, now, &changes, next);
                all.push(next);
                prop_assert_eq!(seen(&loaded, &all), seen(&lives, &all));
            }
            all.push(next);
            now = next;
        }
    }
}
