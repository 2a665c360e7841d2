//! Windows: rules B1 to B8, L3, L4, each a test of its number, and a property test against an answer from scratch.

use crate::oracle;

use std::collections::{BTreeMap, BTreeSet};

use highwater::time::{Epoch, Zone};
use highwater_core::aggregate::Emit;
use highwater_core::delta::Rejects;
use highwater_core::format::show_row;
use highwater_core::plan::{Pane, Reduce, Window};
use oracle::{Epochs, Outcome, Row, TS, Text};
use proptest::prelude::*;

pub(super) const WINDOWS: [Window; 6] = [
    Window::Tumble { size: 10, offset: 0 },
    Window::Tumble { size: 7, offset: -3 },
    Window::Hop { size: 12, slide: 3, offset: 1 },
    Window::Hop { size: 10, slide: 4, offset: 0 },
    Window::Hop { size: 3, slide: 7, offset: 2 },
    Window::Cumulate { step: 5, size: 20, offset: -1 },
];

/// The windows of a time, from the definition.
fn windows(window: Window, time: i64) -> Vec<(i64, i64)> {
    let floor = |size: i64, offset: i64| offset + (time - offset).div_euclid(size) * size;
    match window {
        Window::Tumble { size, offset } => vec![(floor(size, offset), floor(size, offset) + size)],
        Window::Hop { size, slide, offset } => {
            let starts = (-50..=0).map(|k| floor(slide, offset) + k * slide);
            starts.filter(|start| *start <= time && time < start + size).map(|start| (start, start + size)).collect()
        }
        Window::Cumulate { step, size, offset } => {
            let start = floor(size, offset);
            (1..=size / step).map(|n| (start, start + n * step)).filter(|(_, end)| time < *end).collect()
        }
    }
}

fn windows_of(pane: Pane, row: &Row) -> Vec<(i64, i64)> {
    match pane {
        Pane::Windows { window, zone: Some(zone), .. } => window.over_in(row.ts, zone).collect(),
        Pane::Windows { window, .. } => windows(window, row.ts),
        _ => vec![row.window],
    }
}

/// The result of these rows at an epoch.
fn expected(reduce: &Reduce, shape: usize, delay: i64, rows: &[&Row], time: Epoch) -> BTreeSet<Text> {
    let mut groups: BTreeMap<_, Vec<&Row>> = BTreeMap::new();
    for row in rows {
        for window in windows_of(reduce.pane, row) {
            if reduce.emit == Emit::Changes || Epoch::at(window.1 + delay) <= time {
                groups.entry((oracle::key_of(shape, row), window)).or_default().push(row);
            }
        }
    }
    groups.iter().filter_map(|((_, window), rows)| oracle::answer(shape, Some(*window), rows.iter().copied())).collect()
}

fn drive(reduce: &Reduce, epochs: &Epochs, batch: usize) -> Outcome {
    let (rejects, rejected) = Rejects::channel(show_row);
    let mut outcome = oracle::drive(oracle::state(reduce, &rejects), epochs, batch);
    outcome.rejects = rejected.try_iter().collect();
    outcome
}

/// The windows' ends are times too at which something may change.
fn ends(reduce: &Reduce, epochs: &Epochs, delay: i64) -> BTreeSet<Epoch> {
    let rows = epochs.values().flatten();
    rows.flat_map(|row| windows_of(reduce.pane, row)).map(|(_, end)| Epoch::at(end + delay)).collect()
}

pub(super) fn pane() -> impl Strategy<Value = Pane> {
    let windows = (0..WINDOWS.len()).prop_map(|i| Pane::Windows { time: TS, window: WINDOWS[i], zone: None });
    prop_oneof![6 => windows, 1 => Just(Pane::Assigned { start: oracle::START, end: oracle::END })]
}

pub(super) fn emit() -> impl Strategy<Value = Emit> {
    prop_oneof![Just(Emit::Final), Just(Emit::Changes)]
}

fn delay(pane: Pane) -> i64 {
    if matches!(pane, Pane::Assigned { .. }) { 1 } else { 0 }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// At every epoch the changes so far are the answer for the rows so far; a row changes at most once an epoch; batches do
    /// not matter; nothing is held when everything has expired; nothing accepted is rejected.
    #[test]
    fn windows_equal_the_answer_from_scratch(
        arrivals in oracle::arrivals(any::<bool>()),
        pane in pane(), emit in emit(), shape in 0..oracle::KEY_SHAPES, batch in 1usize..9,
    ) {
        let reduce = oracle::reduce(shape, pane, emit, arrivals.lateness, arrivals.retracting);
        let (epochs, _) = arrivals.accept();
        let outcome = drive(&reduce, &epochs, batch);
        prop_assert_eq!(&outcome.rejects, &vec![]);
        oracle::check(&outcome.log(), &epochs, &ends(&reduce, &epochs, delay(pane)), |rows, time| {
            expected(&reduce, shape, delay(pane), rows, time)
        })?;
        oracle::check_calls(&outcome, oracle::key_columns(shape).len() + 2)?;
        if arrivals.lateness.is_some() {
            prop_assert_eq!(outcome.held, 0);
        }
        prop_assert_eq!(drive(&reduce, &epochs, usize::MAX).log(), outcome.log());
    }
}

/// Instants at which clocks are put forward and back: by an hour, across midnight, by half an hour, by a day.
pub(super) const CHANGES: [(&str, i64); 5] = [
    ("Europe/Berlin", 1_711_846_800_000),
    ("Europe/Berlin", 1_729_990_800_000),
    ("America/Sao_Paulo", 1_541_300_400_000),
    ("Australia/Lord_Howe", 1_712_415_600_000),
    ("Pacific/Apia", 1_325_239_200_000),
];

/// What is 1 ms elsewhere here.
pub(super) const STEP: i64 = 600_000;

pub(super) fn longer(window: Window) -> Window {
    match window {
        Window::Tumble { size, offset } => Window::Tumble { size: size * STEP, offset: offset * STEP },
        Window::Hop { size, slide, offset } => {
            Window::Hop { size: size * STEP, slide: slide * STEP, offset: offset * STEP }
        }
        Window::Cumulate { step, size, offset } => {
            Window::Cumulate { step: step * STEP, size: size * STEP, offset: offset * STEP }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// The same by the clocks of a zone, about an instant at which they are changed.
    #[test]
    fn windows_by_the_clocks_of_a_zone_equal_the_answer_from_scratch(
        arrivals in oracle::arrivals(any::<bool>()), change in 0..CHANGES.len(), window in 0..WINDOWS.len(),
        emit in emit(), shape in 0..oracle::KEY_SHAPES, batch in 1usize..9,
    ) {
        let (name, change) = CHANGES[change];
        let pane = Pane::Windows { time: TS, window: longer(WINDOWS[window]), zone: Zone::of(name) };
        let lateness = arrivals.lateness.map(|lateness| lateness * STEP);
        let reduce = oracle::reduce(shape, pane, emit, lateness, arrivals.retracting);
        let instant = |time: i64| if [i64::MIN, i64::MAX].contains(&time) { time } else { change + time * STEP };
        let moved = |rows: Vec<Row>| rows.into_iter().map(|row| Row { ts: instant(row.ts), ..row }).collect();
        let epochs = arrivals.accept().0.into_iter();
        let epochs: Epochs = epochs
            .map(|(epoch, rows)| (Epoch { watermark: instant(epoch.watermark), ..epoch }, moved(rows)))
            .collect();
        let outcome = drive(&reduce, &epochs, batch);
        prop_assert_eq!(&outcome.rejects, &vec![]);
        oracle::check(&outcome.log(), &epochs, &ends(&reduce, &epochs, 0), |rows, time| {
            expected(&reduce, shape, 0, rows, time)
        })?;
        oracle::check_calls(&outcome, oracle::key_columns(shape).len() + 2)?;
        if lateness.is_some() {
            prop_assert_eq!(outcome.held, 0);
        }
        prop_assert_eq!(drive(&reduce, &epochs, usize::MAX).log(), outcome.log());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// The same consolidated changes on 1, 2 and 3 workers as from the state machine alone.
    #[test]
    fn workers_do_not_matter(
        arrivals in oracle::arrivals(any::<bool>()),
        pane in pane(), emit in emit(), shape in 0..oracle::KEY_SHAPES, batch in 1usize..9,
    ) {
        let reduce = oracle::reduce(shape, pane, emit, arrivals.lateness, arrivals.retracting);
        let (epochs, _) = arrivals.accept();
        let alone = drive(&reduce, &epochs, 3).log();
        for workers in 1..=3 {
            let (log, rejects) = oracle::run(&oracle::program(&reduce), &epochs, workers, batch);
            prop_assert_eq!(&log, &alone, "{} workers", workers);
            prop_assert_eq!(rejects, vec![]);
        }
    }
}

fn row(key: i64, ts: i64, v: i64) -> Row {
    Row { key: Some(key), ts, v: Some(v), keep: Some(true), window: (0, 0), diff: 1 }
}

fn at(epochs: &[(Epoch, &[Row])]) -> Epochs {
    epochs.iter().map(|(epoch, rows)| (*epoch, rows.to_vec())).collect()
}

fn over(window: Window, emit: Emit, lateness: Option<i64>) -> Reduce {
    oracle::reduce(1, Pane::Windows { time: TS, window, zone: None }, emit, lateness, false)
}

/// `epoch watermark.tick: +row -row`, rows as `key|start|end|time|count|sum|min|max|count`.
fn told(outcome: &Outcome) -> Vec<String> {
    let log = outcome.log();
    let lines = log.iter().flat_map(|(epoch, rows)| {
        rows.iter().map(move |(row, diff)| format!("{}.{}: {diff:+} {row}", epoch.watermark, epoch.tick))
    });
    lines.collect()
}

const TEN: Window = Window::Tumble { size: 10, offset: 0 };

#[test]
fn b1_a_row_at_the_end_belongs_to_the_next_window() {
    let epochs = at(&[(Epoch::MIN, &[row(1, 9, 1), row(1, 10, 2)])]);
    let outcome = drive(&over(TEN, Emit::Final, Some(0)), &epochs, 8);
    assert_eq!(told(&outcome), ["10.0: +1 1|0|10|9|1|1|1|1|1", "20.0: +1 1|10|20|19|1|2|2|2|1"]);
}

#[test]
fn b2_starts_are_floored_for_negative_times_and_offsets() {
    let epochs = at(&[(Epoch::MIN, &[row(1, -1, 1), row(1, 0, 2), row(1, -10, 3)])]);
    let outcome = drive(&over(TEN, Emit::Final, Some(0)), &epochs, 8);
    assert_eq!(told(&outcome), ["0.0: +1 1|-10|0|-1|2|4|1|3|2", "10.0: +1 1|0|10|9|1|2|2|2|1"]);
    let shifted = Window::Tumble { size: 10, offset: 3 };
    let outcome = drive(&over(shifted, Emit::Final, Some(0)), &epochs, 8);
    assert_eq!(told(&outcome), ["-7.0: +1 1|-17|-7|-8|1|3|3|3|1", "3.0: +1 1|-7|3|2|2|3|1|2|2"]);
}

#[test]
fn b3_hop_has_every_start_that_is_a_multiple_of_the_slide() {
    let hop = Window::Hop { size: 10, slide: 4, offset: 0 };
    let outcome = drive(&over(hop, Emit::Final, Some(0)), &at(&[(Epoch::MIN, &[row(1, 9, 1)])]), 8);
    assert_eq!(
        told(&outcome),
        ["10.0: +1 1|0|10|9|1|1|1|1|1", "14.0: +1 1|4|14|13|1|1|1|1|1", "18.0: +1 1|8|18|17|1|1|1|1|1"]
    );
    // A slide larger than the size leaves rows in no window, and that is no rejection.
    let gaps = Window::Hop { size: 3, slide: 10, offset: 0 };
    let outcome = drive(&over(gaps, Emit::Final, Some(0)), &at(&[(Epoch::MIN, &[row(1, 2, 1), row(1, 3, 1)])]), 8);
    assert_eq!((told(&outcome), outcome.rejects), (vec!["3.0: +1 1|0|3|2|1|1|1|1|1".to_owned()], vec![]));
}

#[test]
fn b4_windows_of_a_cumulate_cycle_share_their_start() {
    let window = Window::Cumulate { step: 5, size: 15, offset: 0 };
    let outcome = drive(&over(window, Emit::Final, Some(0)), &at(&[(Epoch::MIN, &[row(1, 6, 1), row(1, 11, 2)])]), 8);
    assert_eq!(told(&outcome), ["10.0: +1 1|0|10|9|1|1|1|1|1", "15.0: +1 1|0|15|14|2|3|1|2|2"]);
}

#[test]
fn b5_window_time_is_the_end_less_one_and_windows_chain_over_it() {
    // Rows of inner windows come at their ends, one ms after their `window_time`: an outer window waits for them.
    let mut plan = oracle::program(&oracle::reduce(
        1,
        Pane::Windows { time: TS, window: TEN, zone: None },
        Emit::Final,
        Some(0),
        false,
    ));
    let inner = plan.nodes[1].schema.clone();
    let pane = Pane::Windows { time: 3, window: Window::Tumble { size: 20, offset: 0 }, zone: None };
    let mut outer = oracle::reduce(0, pane, Emit::Final, Some(0), false);
    outer.aggregates.truncate(1);
    plan.nodes[1].facts.bounds = vec![None, None, Some(0), Some(-1)];
    let mut node = plan.nodes[1].clone();
    (node.op, node.inputs, node.schema) =
        (highwater_core::plan::Op::Reduce(outer.clone()), vec![1], oracle::output(&outer));
    plan.nodes.push(node);
    plan.views[0].node = 2;
    assert_eq!(inner.field(3).name(), "window_time");
    let epochs = at(&[
        (Epoch::MIN, &[row(1, 3, 1), row(2, 4, 1), row(1, 13, 1), row(1, 20, 1)]),
        (Epoch::at(20), &[row(1, 21, 1)]),
    ]);
    for workers in 1..=2 {
        let (log, rejects) = oracle::run(&plan, &epochs, workers, 1);
        let told: Vec<_> = log
            .iter()
            .flat_map(|(epoch, rows)| rows.keys().map(move |row| format!("{}: {row}", epoch.watermark)))
            .collect();
        assert_eq!(told, ["21: 0|20|19|3", "41: 20|40|39|1"]);
        assert_eq!(rejects, vec![]);
    }
}

#[test]
fn b6_a_window_closes_with_the_watermark_and_needs_no_row_of_its_key() {
    let epochs = at(&[(Epoch::MIN, &[row(1, 5, 1)]), (Epoch::at(10), &[row(2, 15, 1)])]);
    let reduce = over(TEN, Emit::Final, Some(0));
    let (rejects, _) = Rejects::channel(show_row);
    let mut state = oracle::state(&reduce, &rejects);
    assert!(state.apply(Epoch::MIN, &mut [vec![oracle::delta(&epochs[&Epoch::MIN])]]).is_empty());
    assert_eq!(state.deadline(), Some(10));
    assert_eq!(
        state.close(10).iter().flat_map(oracle::texts).collect::<Vec<_>>(),
        [("1|0|10|9|1|1|1|1|1".to_owned(), 1)]
    );
    assert_eq!((state.deadline(), state.held()), (None, 0));
}

#[test]
fn b7_a_window_without_rows_has_no_row() {
    let epochs = at(&[(Epoch::MIN, &[row(1, 5, 1), row(1, 1_000_005, 1)])]);
    for window in [TEN, Window::Hop { size: 10, slide: 5, offset: 0 }] {
        let outcome = drive(&over(window, Emit::Final, Some(0)), &epochs, 8);
        assert_eq!(outcome.log().len(), if window == TEN { 2 } else { 4 });
    }
}

/// More slices at a time than are kept ready, each filled in many turns, some after others were shown.
#[test]
fn b8_slices_fill_in_any_order() {
    let reduce = over(Window::Hop { size: 40, slide: 1, offset: 0 }, Emit::Final, Some(40));
    let rows: Vec<Row> = (0..400).map(|i| row(i % 3, (i * 7_919) % 200, i)).collect();
    let late: Vec<Row> = (0..100).map(|i| row(i % 4, 70 + (i * 31) % 130, i)).collect();
    let epochs = at(&[
        (Epoch::MIN, &rows[..200]),
        (Epoch { watermark: i64::MIN, tick: 1 }, &rows[200..]),
        (Epoch::at(100), &late[..60]),
        (Epoch::at(110), &late[60..]),
    ]);
    for batch in [1, usize::MAX] {
        let outcome = drive(&reduce, &epochs, batch);
        let ends = ends(&reduce, &epochs, 0);
        oracle::check(&outcome.log(), &epochs, &ends, |rows, time| expected(&reduce, 1, 0, rows, time)).unwrap();
        assert_eq!(outcome.held, 0);
    }
}

#[test]
fn b8_hop_aggregates_a_row_once_per_slice() {
    // An hour sliding by a second is 3600 windows a row: the rows held are one per slice and key, and the sum of them.
    let hop = Window::Hop { size: 3_600_000, slide: 1000, offset: 0 };
    let (rejects, _) = Rejects::channel(show_row);
    let mut state = oracle::state(&over(hop, Emit::Final, Some(0)), &rejects);
    let rows: Vec<Row> = (0..20_000).map(|i| row(i % 10, i, 1)).collect();
    state.apply(Epoch::MIN, &mut [vec![oracle::delta(&rows)]]);
    assert_eq!(state.held(), 20 * 10);
    let mut shown = 0;
    while let Some(due) = state.deadline() {
        shown += state
            .close(due)
            .iter()
            .flat_map(oracle::texts)
            .filter(|(row, _)| row.split('|').nth(4) == Some("2000"))
            .count();
        assert!(state.held() <= 21 * 10);
    }
    assert_eq!((shown, state.held()), (3581 * 10, 0), "windows in which every key has all of its 2000 rows");
}

#[test]
fn l3_a_late_row_amends_its_closed_windows_until_end_and_lateness() {
    let epochs = at(&[
        (Epoch::MIN, &[row(1, 5, 1)]),
        (Epoch::at(12), &[row(1, 6, 2), row(1, 7, 3), row(2, 8, 4)]),
        (Epoch { watermark: 12, tick: 1 }, &[row(1, 9, 5)]),
        (Epoch::at(15), &[row(1, 9, 6)]),
    ]);
    let outcome = drive(&over(TEN, Emit::Final, Some(5)), &epochs, 8);
    assert_eq!(
        told(&outcome),
        [
            "10.0: +1 1|0|10|9|1|1|1|1|1",
            "12.0: -1 1|0|10|9|1|1|1|1|1",
            "12.0: +1 1|0|10|9|3|6|1|3|3",
            "12.0: +1 2|0|10|9|1|4|4|4|1",
            "12.1: -1 1|0|10|9|3|6|1|3|3",
            "12.1: +1 1|0|10|9|4|11|1|5|4",
        ]
    );
    // W = 15 is end + lateness: the window is gone, and the row is not lost silently.
    assert_eq!(outcome.rejects.iter().map(|reject| reject.failure.reason).collect::<Vec<_>>(), ["late"]);
    assert_eq!(outcome.held, 0);
}

#[test]
fn l4_unbounded_lateness_amends_forever() {
    for window in
        [TEN, Window::Hop { size: 10, slide: 5, offset: 0 }, Window::Cumulate { step: 5, size: 10, offset: 0 }]
    {
        let epochs = at(&[(Epoch::MIN, &[row(1, 5, 1)]), (Epoch::at(1_000_000_000), &[row(1, 6, 2)])]);
        let outcome = drive(&over(window, Emit::Final, None), &epochs, 8);
        let amended = told(&outcome).into_iter().filter(|line| line.starts_with("1000000000.0: +1 1|")).count();
        assert_eq!(amended, windows(window, 6).len(), "{window:?}");
        assert!(outcome.held > 0 && outcome.rejects.is_empty());
    }
}

#[test]
fn unchanged_rows_are_not_shown_again() {
    let mut reduce = over(TEN, Emit::Changes, Some(0));
    reduce.aggregates.retain(|call| call.name == "MAX");
    let epochs = at(&[
        (Epoch::MIN, &[row(1, 5, 9), row(2, 5, 1)]),
        (Epoch { tick: 1, ..Epoch::MIN }, &[row(1, 6, 3), row(2, 6, 3)]),
    ]);
    let outcome = drive(&reduce, &epochs, 8);
    assert_eq!(outcome.calls[1].1, [("2|0|10|9|1".to_owned(), -1), ("2|0|10|9|3".to_owned(), 1)]);
}

#[test]
fn a_row_without_event_time_is_rejected() {
    let reduce = over(TEN, Emit::Final, Some(0));
    let (rejects, rejected) = Rejects::channel(show_row);
    let mut state = oracle::state(&reduce, &rejects);
    let rows = oracle::delta(&[row(1, 1, 1), row(2, 2, 2)]);
    let mut columns = rows.batch().columns().to_vec();
    columns[TS] = std::sync::Arc::new(arrow_array::TimestampMillisecondArray::from(vec![None, Some(2)]));
    let batch = arrow_array::RecordBatch::try_new(oracle::schema(), columns).unwrap();
    state.apply(Epoch::MIN, &mut [vec![highwater_core::delta::Delta::insert(batch)]]);
    assert_eq!(state.held(), 1);
    let reject = rejected.try_recv().unwrap();
    assert_eq!((reject.failure.reason, reject.content.contains(r#""k":1"#)), ("no_event_time", true));
}

#[test]
fn a_million_keys() {
    let rows: Vec<Row> = (0..1_000_000).map(|i| row((i * 7_919) % 1_000_003, i % 10, i)).collect();
    let epochs = at(&[(Epoch::MIN, &rows)]);
    for emit in [Emit::Final, Emit::Changes] {
        let (rejects, _) = Rejects::channel(show_row);
        let mut state = oracle::state(&over(TEN, emit, Some(0)), &rejects);
        let mut deltas = state.apply(Epoch::MIN, &mut [epochs[&Epoch::MIN].chunks(8192).map(oracle::delta).collect()]);
        assert_eq!(state.held(), 1_000_000);
        deltas.extend(state.deadline().map(|due| state.close(due)).unwrap_or_default());
        let shown: Vec<(Text, i64)> = deltas.iter().flat_map(oracle::texts).collect();
        let first = format!("{}|0|10|9|1|17|17|17|1", 17 * 7_919);
        assert!(shown.len() == 1_000_000 && shown.contains(&(first, 1)));
        state.expire(Epoch::at(10));
        assert_eq!(state.held(), 0);
    }
}
