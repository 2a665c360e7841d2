//! What several edges take of rows that are sent to more than one of them, against all rows looked through.
#![allow(clippy::unwrap_used)]

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use proptest::prelude::*;

use super::edge_tests::{decoded, spec, timed};
use super::repeats::keys_of;
use super::*;
use crate::delta::Delta;
use crate::operator::{Saved, Stateful};
use crate::time::Epoch;

/// A row as an edge left it: where it is, its key, its sequence number.
type Row = (i64, i64, i64);

fn rows(delta: &Delta) -> Vec<Row> {
    let (keys, at) = keys_of(delta.batch());
    let (keys, width) = (keys.as_primitive::<Int64Type>(), delta.batch().num_columns());
    let sequence = delta.batch().column(width - 3).as_primitive::<Int64Type>();
    (0..at.len()).map(|row| (at[row], keys.value(row), sequence.value(row))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    /// Of equal keys within the horizon the first is left, whichever edges took them; the same however the rows of an epoch
    /// are cut and ordered, and if what is known is saved before every epoch; and nothing is left out of what one edge took, or what edges took that hear of each other at once.
    #[test]
    fn of_equal_keys_the_first_is_left(
        (horizon_ms, lateness_ms) in (1_i64..80, proptest::option::of(0_i64..200)),
        input in proptest::collection::vec((-50_i64..400, 1_i64..30, 0_usize..3), 0..150),
        edges in 1_usize..4, hear in any::<bool>(), cut in 1_usize..9, saved in any::<bool>(),
    ) {
        let dedup = Some(DedupSpec { column: 1, horizon_ms });
        let spec = SourceSpec { dedup, ..spec(timed(5, lateness_ms)) };
        let edge = |partition| Edge::new(&spec, partition, 7, true).shared();
        let mut edges: Vec<Edge> = (0..edges).map(edge).collect();
        let mut epochs: BTreeMap<Epoch, Vec<Delta>> = BTreeMap::new();
        for (row, &(event, key, at)) in input.iter().enumerate() {
            let at = at % edges.len();
            let mut steps = Vec::new();
            edges[at].accept(decoded(&[(Some(event), key)], row as u64), 1_000_000, &mut steps, &mut Vec::new());
            // All edges are at one watermark, as those of a cluster soon are.
            let watermark = edges[at].watermark();
            edges.iter_mut().for_each(|edge| edge.follow(Epoch { watermark, tick: row as u64 / 8 }));
            for step in steps {
                let others = (0..edges.len()).filter(|&other| hear && other != at).collect::<Vec<_>>();
                others.into_iter().for_each(|other| edges[other].learn(step.delta.batch()));
                epochs.entry(step.epoch).or_default().push(step.delta);
            }
        }
        let mut expected: Vec<i64> = Vec::new();
        let mut kept: Vec<Row> = Vec::new();
        let mut sent = 0;
        for deltas in epochs.values() {
            let mut rows: Vec<Row> = deltas.iter().flat_map(rows).collect();
            sent += rows.len();
            rows.sort_by_key(|row| row.0);
            for row in rows {
                let last = kept.iter().rev().find(|known| known.1 == row.1);
                if last.is_none_or(|last| row.0 >= last.0 + horizon_ms) {
                    kept.push(row);
                    expected.push(row.2);
                }
            }
        }
        if edges.len() == 1 || hear {
            prop_assert_eq!(expected.len(), sent);
        }
        let told = Rc::new(RefCell::new(0));
        let made = || {
            let count = told.clone();
            Repeats::new(&spec, move |repeats| *count.borrow_mut() += repeats).unwrap()
        };
        let mut repeats = made();
        let mut found: Vec<i64> = Vec::new();
        for (epoch, deltas) in epochs {
            if saved {
                let (mut fresh, mut saving) = (made(), repeats.begin());
                while let Some((_, rows)) = repeats.next(&mut saving, cut) {
                    fresh.load("keys", 1, &rows).unwrap();
                }
                fresh.loaded(epoch);
                repeats = fresh;
            }
            let schema = deltas[0].batch().schema();
            let all = Delta::concat(&schema, &deltas);
            let parts = (0..all.len()).step_by(cut).map(|from| all.slice(from, cut.min(all.len() - from)));
            for left in repeats.apply(epoch, &mut [parts.collect()]) {
                prop_assert_eq!(&left.batch().schema(), &spec.schema);
                found.extend(left.batch().column(2).as_primitive::<Int64Type>().values());
            }
        }
        prop_assert_eq!(*told.borrow() as usize, sent - found.len());
        found.sort_unstable();
        expected.sort_unstable();
        prop_assert_eq!(found, expected);
    }
}

#[test]
fn what_another_took_is_a_duplicate_even_if_it_is_late() {
    let spec = SourceSpec { dedup: Some(DedupSpec { column: 1, horizon_ms: 500 }), ..spec(timed(0, Some(0))) };
    let mut edges = [0, 1].map(|partition| Edge::new(&spec, partition, 100, true).shared());
    let take = |edge: &mut Edge, event: i64, key: i64| {
        let (mut steps, mut rejects) = (Vec::new(), Vec::new());
        edge.accept(decoded(&[(Some(event), key)], 1), 1_000_000, &mut steps, &mut rejects);
        (steps, rejects.len())
    };
    let (steps, _) = take(&mut edges[0], 100, 7);
    edges[1].follow(Epoch::at(300));
    edges[1].learn(steps[0].delta.batch());
    let (steps, rejected) = take(&mut edges[1], 100, 7);
    assert_eq!((steps.len(), rejected, edges[1].counts().duplicates), (0, 0, 1));
    // Another key is late, and beyond the horizon a key is taken again.
    assert_eq!(take(&mut edges[1], 100, 8).1, 1);
    assert_eq!(take(&mut edges[1], 700, 7).0.len(), 1);
}
