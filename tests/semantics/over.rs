//! Aggregates over frames against an answer from scratch: ROWS and RANGE, rows that come late or are taken back,
//! duplicates, NULL keys and values.

use crate::oracle;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow_schema::{Field, Schema, SortOptions};
use highwater::time::Epoch;
use highwater_core::aggregate::Emit;
use highwater_core::delta::Rejects;
use highwater_core::format::show_row;
use highwater_core::plan::{Dataflow, Frame, Op, Over, Pane, build};
use oracle::{Epochs, Log, Row, Text};
use proptest::prelude::*;

fn plan(over: &Over) -> Dataflow {
    let mut plan = oracle::program(&oracle::reduce(1, Pane::Unbounded, Emit::Final, None, false));
    let mut fields: Vec<Field> = oracle::schema().fields().iter().map(|field| field.as_ref().clone()).collect();
    fields.extend(over.aggregates.iter().map(|call| Field::new(&call.name, call.output.clone(), true)));
    plan.nodes[1].op = Op::Over(over.clone());
    plan.nodes[1].schema = Arc::new(Schema::new(fields));
    plan
}

fn over(shape: usize, frame: Frame, lateness_ms: Option<i64>) -> Over {
    Over {
        keys: oracle::key_columns(shape),
        order: vec![(oracle::TS, SortOptions::default())],
        ties: vec![],
        frame,
        aggregates: oracle::calls(),
        lateness_ms,
    }
}

/// How often each row is shown at `now`: those of a time that is past, beside the aggregates of their frames.
fn expected(over: &Over, shape: usize, rows: &[&Row], now: Epoch) -> BTreeMap<Text, i64> {
    let mut net: BTreeMap<Row, i64> = BTreeMap::new();
    rows.iter().for_each(|row| *net.entry(Row { diff: 1, ..(*row).clone() }).or_default() += row.diff);
    let mut partitions: BTreeMap<_, Vec<Row>> = BTreeMap::new();
    for (row, copies) in net {
        let partition = partitions.entry(oracle::key_of(shape, &row)).or_default();
        partition.extend(std::iter::repeat_n(row, copies as usize));
    }
    let mut shown = BTreeMap::new();
    for mut rows in partitions.into_values() {
        rows.sort_by(|a, b| (a.ts, a).cmp(&(b.ts, b)));
        for (at, row) in rows.iter().enumerate().filter(|(_, row)| Epoch::at(row.ts + 1) <= now) {
            let inside = |other: usize| match over.frame {
                Frame::Rows { from, to } => {
                    (at as u64).saturating_sub(from) <= other as u64 && other as u64 + to <= at as u64
                }
                Frame::Range { from_ms, to_ms } => {
                    row.ts.saturating_sub(from_ms) <= rows[other].ts && rows[other].ts <= row.ts - to_ms
                }
            };
            let frame: Vec<&Row> = (0..rows.len()).filter(|&other| inside(other)).map(|other| &rows[other]).collect();
            // Without rows there is nothing but a count.
            let answer = oracle::answer(0, None, frame.into_iter()).unwrap_or_else(|| "0||||0".to_owned());
            let text = oracle::texts(&oracle::delta(std::slice::from_ref(row)))[0].0.clone();
            *shown.entry(format!("{text}|{answer}")).or_default() += 1;
        }
    }
    shown
}

fn check(log: &Log, epochs: &Epochs, over: &Over, shape: usize) -> Result<(), TestCaseError> {
    let due = epochs.values().flatten().map(|row| Epoch::at(row.ts + 1));
    let times: BTreeSet<Epoch> = log.keys().chain(epochs.keys()).copied().chain(due).collect();
    let mut now: BTreeMap<Text, i64> = BTreeMap::new();
    for time in times {
        for (row, diff) in log.get(&time).into_iter().flatten() {
            *now.entry(row.clone()).or_default() += diff;
        }
        now.retain(|_, copies| *copies != 0);
        let rows: Vec<&Row> = epochs.range(..=time).flat_map(|(_, rows)| rows).collect();
        prop_assert_eq!(&now, &expected(over, shape, &rows, time), "at {:?}", time);
    }
    Ok(())
}

fn frames() -> impl Strategy<Value = Frame> {
    let end = |to: i64, by: i64, unbounded: bool| if unbounded { i64::MAX } else { to + by };
    (any::<bool>(), prop_oneof![Just(0i64), 0i64..6], 0i64..30, prop::bool::weighted(0.1)).prop_map(
        move |(rows, to, by, unbounded)| match rows {
            true if unbounded => Frame::Rows { from: u64::MAX, to: to as u64 },
            true => Frame::Rows { from: (to + by / 4) as u64, to: to as u64 },
            false => Frame::Range { from_ms: end(to, by, unbounded), to_ms: to },
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(80))]

    /// At every epoch the changes so far are the answer for the rows so far; what no frame reaches any more is freed.
    #[test]
    fn frames_equal_the_answer_from_scratch(
        arrivals in oracle::arrivals(any::<bool>()), shape in 0..oracle::KEY_SHAPES, frame in frames(), batch in 1usize..40,
    ) {
        let over = over(shape, frame, arrivals.lateness);
        let (epochs, _) = arrivals.accept();
        let (rejects, rejected) = Rejects::channel(show_row);
        let plan = plan(&over);
        let rolling = build::rolling(&plan.nodes[0], &plan.nodes[1], &over, &rejects);
        let outcome = oracle::drive(Box::new(rolling), &epochs, batch);
        check(&outcome.log(), &epochs, &over, shape)?;
        prop_assert_eq!(rejected.try_iter().count(), 0);
        let bounded = matches!(frame, Frame::Range { from_ms, .. } if from_ms < i64::MAX);
        if bounded && arrivals.lateness.is_some() {
            prop_assert_eq!(outcome.held, 0);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]

    /// The same changes on any number of workers, whatever the batches.
    #[test]
    fn workers_agree(
        arrivals in oracle::arrivals(any::<bool>()), shape in 0..oracle::KEY_SHAPES, frame in frames(), batch in 1usize..9,
    ) {
        let over = over(shape, frame, arrivals.lateness);
        let (epochs, _) = arrivals.accept();
        let (one, _) = oracle::run(&plan(&over), &epochs, 1, 1000);
        check(&one, &epochs, &over, shape)?;
        for workers in 2..=3 {
            prop_assert_eq!(&oracle::run(&plan(&over), &epochs, workers, batch).0, &one);
        }
    }
}
