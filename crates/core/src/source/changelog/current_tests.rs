//! What is forgotten, owed and superseded of a changelog.

use std::cell::RefCell;
use std::rc::Rc;

use arrow_array::TimestampMillisecondArray;
use arrow_schema::TimeUnit;

use super::*;

const TIME: DataType = DataType::Timestamp(TimeUnit::Millisecond, None);

type Told = Rc<RefCell<Vec<(i64, &'static str)>>>;

/// The state over rows of a time, or of a key and a value; what it tells of: the record and the reason.
fn state(key: Option<Vec<usize>>, timed: Option<Timed>) -> (Current, Told) {
    let fields = match key {
        None => vec![Field::new("ts", TIME, true)],
        Some(_) => vec![Field::new("id", DataType::Int64, false), Field::new("v", DataType::Int64, true)],
    };
    let told = Told::default();
    let tell = told.clone();
    let schema = Arc::new(Schema::new(fields));
    let tell = move |_: &RecordBatch, _, change: Unknown| tell.borrow_mut().push((change.record, change.detail));
    (Current::new(&schema, key, timed, tell), told)
}

/// Where a change stands.
type Place = (i64, i64, i64, i64);

/// Changes: their columns, diffs, and partition, ordinal, record and turn of each.
fn changes(state: &Current, columns: Vec<ArrayRef>, diffs: &[i64], places: &[Place]) -> Vec<Delta> {
    let column = |of: fn(&Place) -> i64| Arc::new(Int64Array::from_iter_values(places.iter().map(of))) as ArrayRef;
    let order = [column(|place| place.0 << 40 | place.1), column(|place| place.2), column(|place| place.3)];
    let batch = RecordBatch::try_new(state.wide.clone(), columns.into_iter().chain(order).collect()).unwrap();
    vec![Delta::new(batch, Some(diffs.to_vec().into()))]
}

fn times(state: &Current, times: Vec<i64>, diff: i64, partition: i64) -> Vec<Delta> {
    let (diffs, places) = (vec![diff; times.len()], vec![(partition, times[0], times[0], 0); times.len()]);
    changes(state, vec![Arc::new(TimestampMillisecondArray::from(times))], &diffs, &places)
}

/// Keys and values, and whether each is put in, at these places.
fn keyed(state: &Current, rows: &[(i64, i64, bool)], places: &[Place]) -> Vec<Delta> {
    let column =
        |value: fn(&(i64, i64, bool)) -> i64| Arc::new(rows.iter().map(|row| Some(value(row))).collect::<Int64Array>());
    let diffs: Vec<i64> = rows.iter().map(|row| if row.2 { 1 } else { -1 }).collect();
    changes(state, vec![column(|row| row.0), column(|row| row.1)], &diffs, places)
}

/// The keys, values and diffs that left.
fn left(changes: &[Delta]) -> Vec<(i64, i64, i64)> {
    let value =
        |delta: &Delta, column: usize, row: usize| delta.batch().column(column).as_primitive::<Int64Type>().value(row);
    let rows = |delta: &Delta| {
        (0..delta.len()).map(|row| (value(delta, 0, row), value(delta, 1, row), delta.diff(row))).collect::<Vec<_>>()
    };
    let mut left: Vec<(i64, i64, i64)> = changes.iter().flat_map(rows).collect();
    left.sort_unstable();
    left
}

#[test]
fn rows_that_nothing_can_take_back_any_more_are_forgotten() {
    for across in [false, true] {
        let (mut state, told) = state(None, Some(Timed { column: 0, lateness_ms: Some(50), across }));
        let mut most = 0;
        for at in 0..200i64 {
            state.expire(Epoch::at(at * 100));
            let rows = times(&state, (at * 100..at * 100 + 100).collect(), 1, 0);
            assert_eq!(state.apply(Epoch::at(at * 100), &mut [rows])[0].len(), 100);
            most = most.max(state.held());
        }
        assert!(most < 2 * FEW + 200, "{most}");
        let back = times(&state, vec![19_950, 19_999], -1, 0);
        let back = state.apply(Epoch::at(20_000), &mut [back]);
        assert_eq!((back[0].len(), back[0].diff(0), told.borrow().len()), (2, -1, 0));
        let again = times(&state, vec![19_950], -1, 0);
        state.apply(Epoch::at(20_001), &mut [again]);
        state.expire(Epoch::at(20_001));
        assert_eq!(told.borrow().len(), 1);
    }
}

#[test]
fn k2_k3_a_row_that_was_taken_back_before_it_came_is_owed_until_it_cannot_come() {
    let (mut state, told) = state(None, Some(Timed { column: 0, lateness_ms: Some(5), across: true }));
    let mut apply = |at: i64, time: i64, diff: i64, partition: i64| {
        state.expire(Epoch::at(at));
        let rows = times(&state, vec![time], diff, partition);
        state.apply(Epoch::at(at), &mut [rows]).iter().map(|delta| delta.diff(0)).sum::<i64>()
    };
    // Another file brings it later: they meet, and neither shows.
    assert_eq!([apply(0, 10, -1, 1), apply(1, 10, 1, 0), apply(2, 10, 1, 0)], [0, 0, 1]);
    // Taken back twice, it is owed once.
    assert_eq!([apply(3, 10, -1, 1), apply(3, 10, -1, 1), apply(4, 10, 1, 0)], [-1, 0, 0]);
    assert_eq!([apply(5, 11, -1, 1), apply(5, 12, -1, 1)], [0, 0]);
    assert!(told.borrow().is_empty());
    apply(17, 30, 1, 0);
    assert_eq!(*told.borrow(), [(11, "no such row has come")]);
    state.expire(Epoch::END);
    assert_eq!(told.borrow().len(), 2);
    assert!(state.owed.is_empty());
}

#[test]
fn k2_the_newest_row_of_a_key_counts_whichever_epoch_brings_it() {
    let (mut state, told) = state(Some(vec![0]), Some(Timed { column: 1, lateness_ms: None, across: true }));
    let mut at = 0;
    let mut apply = |rows: &[(i64, i64, bool)], places: &[Place]| {
        let rows = keyed(&state, rows, places);
        at += 1;
        let changed = left(&state.apply(Epoch { watermark: 0, tick: at }, &mut [rows]));
        (changed, state.held(), state.keyed.as_ref().map_or(0, |keyed| keyed.keys.live()))
    };
    assert_eq!(apply(&[(1, 10, true)], &[(0, 0, 1, 10)]).0, [(1, 10, 1)]);
    // What stands before it does nothing, put in or taken out.
    assert_eq!(apply(&[(1, 5, true), (1, 0, false)], &[(1, 0, 1, 5), (1, 1, 2, 6)]), (vec![], 1, 1));
    // At one time the later partition counts.
    assert_eq!(apply(&[(1, 11, true)], &[(1, 2, 3, 10)]).0, [(1, 10, -1), (1, 11, 1)]);
    // A key that is gone stays gone for what stood before that.
    assert_eq!(apply(&[(1, 0, false)], &[(0, 1, 2, 20)]), (vec![(1, 11, -1)], 0, 1));
    assert_eq!(apply(&[(1, 12, true)], &[(1, 3, 4, 19)]), (vec![], 0, 1));
    // Nothing says when this one is: it stands before all.
    assert_eq!(apply(&[(7, 0, false)], &[(2, 0, 9, UNDATED)]).2, 2);
    assert!(told.borrow().is_empty(), "what may come yet is not told");
    state.expire(Epoch::END);
    let detail = "no row has its key that is known to be older: nothing before it in its file has an event time";
    assert_eq!(*told.borrow(), [(9, detail)]);
    assert_eq!(state.keyed.as_ref().map(|keyed| keyed.keys.live()), Some(0));
}

#[test]
fn k3_what_takes_out_what_is_not_there_is_found_in_the_order_of_changes() {
    let put =
        [(0, 0, 1, 10, true), (0, 1, 2, 30, true), (1, 0, 1, 5, false), (1, 1, 2, 20, false), (1, 2, 3, 25, false)];
    // However they are cut into epochs: that at 5 and that at 25 take out nothing.
    for order in [[0, 1, 2, 3, 4], [2, 3, 4, 0, 1], [4, 1, 3, 0, 2], [0, 2, 1, 3, 4]] {
        let (mut state, told) = state(Some(vec![0]), Some(Timed { column: 1, lateness_ms: None, across: true }));
        for (tick, at) in order.into_iter().enumerate() {
            let (partition, ordinal, record, turn, adds) = put[at];
            let rows = keyed(&state, &[(1, turn, adds)], &[(partition, ordinal, record, turn)]);
            state.apply(Epoch { watermark: 0, tick: tick as u64 }, &mut [rows]);
        }
        assert_eq!(state.held(), 1);
        state.expire(Epoch::END);
        assert_eq!(*told.borrow(), [(1, "no row has its key"), (3, "no row has its key")], "{order:?}");
    }
}

#[test]
fn keys_that_are_gone_are_forgotten_once_nothing_stands_before_that() {
    let (mut state, _) = state(Some(vec![0]), Some(Timed { column: 1, lateness_ms: None, across: true }));
    let mut most = 0;
    for at in 0..10_000i64 {
        state.expire(Epoch::at(at));
        let rows = keyed(&state, &[(at, at, true), (at, at, false)], &[(0, 2 * at, at, at), (0, 2 * at + 1, at, at)]);
        assert!(state.apply(Epoch::at(at), &mut [rows]).is_empty());
        most = most.max(state.keyed.as_ref().map_or(0, |keyed| keyed.keys.live()));
    }
    assert!(most < 2 * FEW, "{most}");
}

#[test]
fn c2_the_halves_of_an_update_are_one_change() {
    for across in [false, true] {
        let timed = across.then_some(Timed { column: 1, lateness_ms: None, across });
        let (mut state, told) = state(Some(vec![0]), timed);
        let mut apply = |rows: &[(i64, i64, bool)], record: i64| {
            let places: Vec<_> = (0..rows.len() as i64).map(|row| (0, record * 10 + row, record, record)).collect();
            let rows = keyed(&state, rows, &places);
            left(&state.apply(Epoch { watermark: 0, tick: record as u64 }, &mut [rows]))
        };
        assert_eq!(apply(&[(1, 0, false), (1, 1, true)], 1), [(1, 1, 1)], "it was not there, and that is no matter");
        assert!(told.borrow().is_empty());
        assert_eq!(apply(&[(1, 1, false), (3, 1, true)], 2), [(1, 1, -1), (3, 1, 1)]);
        assert_eq!(apply(&[(1, 1, false), (4, 1, true)], 3), [(4, 1, 1)]);
        state.expire(Epoch::END);
        assert_eq!(*told.borrow(), [(3, "no row has its key")], "another key, which was not there");
    }
}
