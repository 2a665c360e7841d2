//! Sessions: rules S1 to S5, each a test of its number, and a property test against an answer from scratch.

use crate::oracle;

use std::collections::{BTreeMap, BTreeSet};

use highwater::time::Epoch;
use highwater_core::aggregate::Emit;
use highwater_core::delta::Rejects;
use highwater_core::format::show_row;
use highwater_core::plan::{Node, Op, Pane, Reduce};
use oracle::{Epochs, KEEP, Outcome, Row, TS, Text};
use proptest::prelude::*;

const GAP: i64 = 8;

pub(super) fn pane(keep: bool) -> Pane {
    Pane::Session { time: TS, gap: GAP, keep: keep.then_some(KEEP) }
}

/// The sessions of these rows that are out at an epoch.
fn expected(reduce: &Reduce, shape: usize, keep: bool, rows: &[&Row], time: Epoch) -> BTreeSet<Text> {
    let mut keys: BTreeMap<_, BTreeMap<i64, Vec<&Row>>> = BTreeMap::new();
    for row in rows {
        keys.entry(oracle::key_of(shape, row)).or_default().entry(row.ts).or_default().push(row);
    }
    let mut shown = BTreeSet::new();
    for times in keys.values() {
        let alive = times.iter().filter(|(_, rows)| {
            let mut counts: BTreeMap<_, i64> = BTreeMap::new();
            rows.iter().for_each(|row| *counts.entry((row.v, row.keep)).or_default() += row.diff);
            counts.values().any(|n| *n > 0)
        });
        let mut sessions: Vec<(i64, i64, Vec<&Row>)> = Vec::new();
        for (&ts, rows) in alive {
            match sessions.last_mut() {
                Some((_, end, of)) if *end >= ts => {
                    *end = ts + GAP;
                    of.extend(rows);
                }
                _ => sessions.push((ts, ts + GAP, rows.clone())),
            }
        }
        for (start, end, rows) in sessions {
            if reduce.emit == Emit::Changes || Epoch::at(end) <= time {
                let rows = rows.into_iter().filter(|row| !keep || row.keep == Some(true));
                shown.extend(oracle::answer(shape, Some((start, end)), rows));
            }
        }
    }
    shown
}

fn drive(reduce: &Reduce, epochs: &Epochs, batch: usize) -> Outcome {
    let (rejects, rejected) = Rejects::channel(show_row);
    let mut outcome = oracle::drive(oracle::state(reduce, &rejects), epochs, batch);
    outcome.rejects = rejected.try_iter().collect();
    outcome
}

fn emit() -> impl Strategy<Value = Emit> {
    prop_oneof![Just(Emit::Final), Just(Emit::Changes)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// At every epoch the changes so far are the answer for the rows so far; a session changes at most once an epoch; batches
    /// do not matter; nothing is held when everything has expired; nothing accepted is rejected.
    #[test]
    fn sessions_equal_the_answer_from_scratch(
        arrivals in oracle::arrivals(any::<bool>()),
        emit in emit(), shape in 0..oracle::KEY_SHAPES, keep in any::<bool>(), batch in 1usize..9,
    ) {
        let reduce = oracle::reduce(shape, pane(keep), emit, arrivals.lateness, arrivals.retracting);
        let (epochs, _) = arrivals.accept();
        let outcome = drive(&reduce, &epochs, batch);
        prop_assert_eq!(&outcome.rejects, &vec![]);
        let ends = epochs.values().flatten().map(|row| Epoch::at(row.ts + GAP)).collect();
        oracle::check(&outcome.log(), &epochs, &ends, |rows, time| expected(&reduce, shape, keep, rows, time))?;
        oracle::check_calls(&outcome, oracle::key_columns(shape).len() + 2)?;
        if arrivals.lateness.is_some() {
            prop_assert_eq!(outcome.held, 0);
        }
        prop_assert_eq!(drive(&reduce, &epochs, usize::MAX).log(), outcome.log());
    }

    /// On append-only input both forms say the same.
    #[test]
    fn points_equal_merging(arrivals in oracle::arrivals(Just(false)), emit in emit(), keep in any::<bool>()) {
        let (epochs, _) = arrivals.accept();
        let log = |retracting| drive(&oracle::reduce(1, pane(keep), emit, arrivals.lateness, retracting), &epochs, 5).log();
        prop_assert_eq!(log(true), log(false));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// The same consolidated changes on 1, 2 and 3 workers as from the state machine alone.
    #[test]
    fn workers_do_not_matter(
        arrivals in oracle::arrivals(any::<bool>()), emit in emit(), shape in 0..oracle::KEY_SHAPES, batch in 1usize..9,
    ) {
        let reduce = oracle::reduce(shape, pane(false), emit, arrivals.lateness, arrivals.retracting);
        let (epochs, _) = arrivals.accept();
        let alone = drive(&reduce, &epochs, 3).log();
        for workers in 1..=3 {
            let (log, rejects) = oracle::run(&oracle::program(&reduce), &epochs, workers, batch);
            prop_assert_eq!(&log, &alone, "{} workers", workers);
            prop_assert_eq!(rejects, vec![]);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// What is held until no row can touch it takes nothing back: at every epoch it is all that closed before its watermark.
    #[test]
    fn what_is_held_is_final(
        mut arrivals in oracle::arrivals(any::<bool>()), shape in 0..oracle::KEY_SHAPES, batch in 1usize..9,
    ) {
        arrivals.lateness = Some(0);
        let reduce = oracle::reduce(shape, pane(false), Emit::Final, Some(0), arrivals.retracting);
        let mut plan = oracle::program(&reduce);
        let hold = Node { op: Op::Hold, inputs: vec![1], ..plan.nodes[1].clone() };
        plan.nodes.push(hold);
        plan.views[0].node = 2;
        let (epochs, _) = arrivals.accept();
        let (log, _) = oracle::run(&plan, &epochs, 1, batch);
        prop_assert!(log.values().flat_map(BTreeMap::values).all(|diff| *diff > 0));
        let ends = epochs.values().flatten().map(|row| Epoch::at(row.ts + GAP + 1)).collect();
        let before = |time: Epoch| Epoch::at(time.watermark.saturating_sub(1));
        oracle::check(&log, &epochs, &ends, |rows, time| expected(&reduce, shape, false, rows, before(time)))?;
        for workers in 2..=3 {
            prop_assert_eq!(&oracle::run(&plan, &epochs, workers, batch).0, &log, "{} workers", workers);
        }
    }
}

fn row(key: i64, ts: i64) -> Row {
    Row { key: Some(key), ts, v: Some(ts), keep: Some(true), window: (0, 0), diff: 1 }
}

fn tick(tick: u64) -> Epoch {
    Epoch { tick, ..Epoch::MIN }
}

/// `watermark.tick: +row -row`, rows as `key|start|end|time|count|...`, cut after the count.
fn told(emit: Emit, lateness: Option<i64>, epochs: &[(Epoch, &[Row])]) -> Vec<String> {
    let epochs: Epochs = epochs.iter().map(|(epoch, rows)| (*epoch, rows.to_vec())).collect();
    let log = drive(&oracle::reduce(1, pane(false), emit, lateness, false), &epochs, 8).log();
    let cut = |row: &str| row.split('|').take(5).collect::<Vec<_>>().join("|");
    let line = |epoch: &Epoch, row: &str, diff: &i64| match epoch.watermark {
        i64::MIN => format!("-.{}: {diff:+} {}", epoch.tick, cut(row)),
        watermark => format!("{watermark}.{}: {diff:+} {}", epoch.tick, cut(row)),
    };
    log.iter().flat_map(|(epoch, rows)| rows.iter().map(move |(row, diff)| line(epoch, row, diff))).collect()
}

#[test]
fn s1_rows_exactly_the_gap_apart_are_one_session() {
    assert_eq!(told(Emit::Final, Some(0), &[(Epoch::MIN, &[row(1, 0), row(1, GAP)])]), ["16.0: +1 1|0|16|15|2"]);
    assert_eq!(
        told(Emit::Final, Some(0), &[(Epoch::MIN, &[row(1, 0), row(1, GAP + 1)])]),
        ["8.0: +1 1|0|8|7|1", "17.0: +1 1|9|17|16|1"]
    );
}

#[test]
fn s2_the_end_is_the_last_row_and_the_gap() {
    assert_eq!(
        told(Emit::Final, Some(0), &[(Epoch::MIN, &[row(1, -5), row(1, 2), row(1, -7)])]),
        ["10.0: +1 1|-7|10|9|3"]
    );
}

#[test]
fn s3_a_row_that_bridges_two_sessions_retracts_both() {
    assert_eq!(
        told(Emit::Changes, Some(0), &[(tick(0), &[row(1, 0), row(1, 12)]), (tick(1), &[row(1, 6)])]),
        [
            "-.0: +1 1|0|8|7|1",
            "-.0: +1 1|12|20|19|1",
            "-.1: +1 1|0|20|19|3",
            "-.1: -1 1|0|8|7|1",
            "-.1: -1 1|12|20|19|1"
        ]
    );
}

#[test]
fn s4_a_session_closes_with_the_watermark() {
    let closing: &[(Epoch, &[Row])] = &[(Epoch::MIN, &[row(1, 0)]), (Epoch::at(8), &[row(2, 30)])];
    // An on-time row at the end amends the closed session, though it comes behind the close.
    let later = Epoch { watermark: 8, tick: 1 };
    let touching: &[(Epoch, &[Row])] = &[(Epoch::MIN, &[row(1, 0)]), (later, &[row(1, 8)])];
    for lateness in [0, 5] {
        assert_eq!(told(Emit::Final, Some(lateness), closing)[0], "8.0: +1 1|0|8|7|1");
        let amended = ["8.0: +1 1|0|8|7|1", "8.1: -1 1|0|8|7|1", "16.0: +1 1|0|16|15|2"];
        assert_eq!(told(Emit::Final, Some(lateness), touching), amended);
    }
    // A late row merges what was closed.
    let late: &[(Epoch, &[Row])] = &[(Epoch::MIN, &[row(1, 0), row(1, 12)]), (Epoch::at(15), &[row(1, 5)])];
    assert_eq!(told(Emit::Final, Some(20), late), ["8.0: +1 1|0|8|7|1", "15.0: -1 1|0|8|7|1", "20.0: +1 1|0|20|19|3"]);
}

#[test]
fn s5_any_order_of_arrival_gives_the_same_sessions() {
    let mut rows: Vec<Row> = [0, 5, 13, 30, 38, 46, 60].map(|ts| row(1, ts)).to_vec();
    let answer = told(Emit::Final, Some(0), &[(Epoch::MIN, &rows)]);
    assert_eq!(answer, ["21.0: +1 1|0|21|20|3", "54.0: +1 1|30|54|53|3", "68.0: +1 1|60|68|67|1"]);
    for i in 0..200 {
        rows.swap(i * 5 % 7, i * 3 % 7);
        assert_eq!(told(Emit::Final, Some(0), &[(tick(0), &rows[..4]), (tick(1), &rows[4..])]), answer);
        // The same in the end if the watermark closes sessions, to the moment, while their rows still come.
        let ends = [8, 13, 21].map(Epoch::at);
        let epochs: Vec<(Epoch, &[Row])> = ends.into_iter().zip([&rows[..2], &rows[2..5], &rows[5..]]).collect();
        let mut net: BTreeMap<String, i64> = BTreeMap::new();
        for line in told(Emit::Final, Some(1000), &epochs) {
            let (_, change) = line.split_once(": ").unwrap();
            let (diff, session) = change.split_once(' ').unwrap();
            *net.entry(session.to_owned()).or_default() += diff.parse::<i64>().unwrap();
        }
        net.retain(|_, n| *n != 0);
        let sessions = ["1|0|21|20|3", "1|30|54|53|3", "1|60|68|67|1"].map(|session| (session.to_owned(), 1));
        assert_eq!(net, BTreeMap::from(sessions));
    }
}

#[test]
fn a_million_keys() {
    let rows: Vec<Row> = (0..1_000_000).map(|i| row((i * 7_919) % 1_000_003, i % 10)).collect();
    for emit in [Emit::Final, Emit::Changes] {
        let (rejects, _) = Rejects::channel(show_row);
        let mut state = oracle::state(&oracle::reduce(1, pane(false), emit, Some(0), false), &rejects);
        let mut shown: usize = state
            .apply(Epoch::MIN, &mut [rows.chunks(8192).map(oracle::delta).collect()])
            .iter()
            .map(|d| d.len())
            .sum();
        assert_eq!(state.held(), 1_000_000);
        assert!((100..1_000).contains(&(state.bytes() / state.held())), "{} bytes", state.bytes());
        while let Some(due) = state.deadline() {
            shown += state.close(due).iter().map(|delta| delta.len()).sum::<usize>();
        }
        state.expire(Epoch::at(i64::MAX));
        assert_eq!((shown, state.held()), (1_000_000, 0));
    }
}
