//! Changelogs (K1 to K3): rows that come and go, against a model that takes one change at a time and is asked at every epoch.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch};
use highwater::time::Epoch;
use highwater_core::delta::Delta;
use highwater_core::operator::Stateful;
use highwater_core::source::{Current, Timed, Unknown};
use proptest::prelude::*;

use crate::cut::Inputs;
use crate::oracle::{self, KEY, Row, TS, Text};

/// A change: the partition that it came by, the row's key and value, whether it adds.
pub(super) type Change = (i64, i64, i64, bool);

/// The changes of each epoch, in the order of each partition.
pub(super) fn epochs() -> impl Strategy<Value = Vec<Vec<Change>>> {
    let change = (0i64..3, 0i64..4, 0i64..3, prop::bool::weighted(0.6));
    prop::collection::vec(prop::collection::vec(change, 0..12), 1..10)
}

fn row(key: i64, value: i64) -> Row {
    Row { key: Some(key), ts: value, v: Some(value), keep: None, window: (0, 1), diff: 1 }
}

fn text(key: i64, value: i64) -> Text {
    oracle::texts(&oracle::delta(&[row(key, value)])).remove(0).0
}

/// Where the next change of each partition stands: the rows before it, and the greatest time so far.
pub(super) type Places = [(i64, i64); 3];

/// Changes of an epoch as they come from a source. Times are those of their values behind the watermark of the epoch.
fn numbered(changes: &[Change], places: &mut Places, epoch: i64) -> (Delta, Vec<i64>, Vec<i64>) {
    let mut place = |&(partition, _, value, _): &Change| {
        let (ordinal, turn) = &mut places[partition as usize];
        (*ordinal, *turn) = (*ordinal + 1, (*turn).max(epoch + value));
        (partition << 40 | (*ordinal - 1), *turn)
    };
    let (numbers, turns): (Vec<i64>, Vec<i64>) = changes.iter().map(&mut place).unzip();
    let rows: Vec<Row> = changes.iter().map(|(_, key, value, _)| row(*key, *value)).collect();
    let batch = oracle::delta(&rows).into_parts().0;
    let records = numbers.iter().map(|number| (number & ((1 << 40) - 1)) + 1).collect();
    let order = [numbers.clone(), records, turns.clone()].map(|order| Arc::new(Int64Array::from(order)) as ArrayRef);
    let columns = batch.columns().iter().cloned().chain(order).collect();
    let batch = RecordBatch::try_new(Current::input(&batch.schema()), columns).unwrap();
    let diffs: Vec<i64> = changes.iter().map(|change| if change.3 { 1 } else { -1 }).collect();
    (Delta::new(batch, Some(diffs.into())), numbers, turns)
}

/// How changes of several partitions meet: as they come, or by event time.
pub(super) fn timed(across: bool) -> Option<Timed> {
    across.then_some(Timed { column: TS, lateness_ms: None, across })
}

/// The changes of each epoch, in batches of so many.
pub(super) fn inputs(epochs: &[Vec<Change>], batch: usize) -> Inputs {
    let (mut places, mut inputs) = ([(0, 0); 3], Inputs::new());
    for (at, changes) in epochs.iter().enumerate().filter(|(_, changes)| !changes.is_empty()) {
        let (rows, ..) = numbered(changes, &mut places, at as i64);
        let piece = |start: usize| rows.slice(start, batch.min(rows.len() - start));
        inputs.insert(Epoch::at(at as i64), vec![(0..rows.len()).step_by(batch).map(piece).collect()]);
    }
    inputs
}

/// What is there: whole rows by partition, or a value by key.
#[derive(Default)]
struct Model {
    whole: BTreeMap<(i64, i64, i64), i64>,
    by_key: BTreeMap<i64, i64>,
}

impl Model {
    /// Takes a change; whether there was something to take back.
    fn takes(&mut self, keyed: bool, (partition, key, value, adds): Change) -> bool {
        match (keyed, adds) {
            (true, true) => {
                self.by_key.insert(key, value);
                true
            }
            (true, false) => self.by_key.remove(&key).is_some(),
            (false, true) => {
                *self.whole.entry((partition, key, value)).or_default() += 1;
                true
            }
            (false, false) => match self.whole.get_mut(&(partition, key, value)).filter(|count| **count > 0) {
                Some(count) => {
                    *count -= 1;
                    true
                }
                None => false,
            },
        }
    }

    fn rows(&self) -> BTreeMap<Text, i64> {
        let mut rows = BTreeMap::new();
        self.whole.iter().for_each(|((_, key, value), count)| *rows.entry(text(*key, *value)).or_default() += count);
        self.by_key.iter().for_each(|(key, value)| *rows.entry(text(*key, *value)).or_default() += 1);
        rows.retain(|_, count| *count != 0);
        rows
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn k1_k2_k3_what_has_left_adds_up_to_what_is_there(epochs in epochs(), keyed in any::<bool>(), cut in 1usize..6) {
        let told: Rc<RefCell<Vec<i64>>> = Rc::default();
        let tell = told.clone();
        let mut state = Current::new(&oracle::schema(), keyed.then(|| vec![KEY]), None, move |_, _, change: Unknown| {
            tell.borrow_mut().push(change.number);
        });
        let (mut model, mut unknown, mut places) = (Model::default(), Vec::new(), [(0, 0); 3]);
        let mut there = BTreeMap::new();
        for (at, changes) in epochs.iter().enumerate() {
            let (rows, numbers, _) = numbered(changes, &mut places, at as i64);
            // Within an epoch they count by partition, whatever came first.
            let mut order: Vec<usize> = (0..changes.len()).collect();
            order.sort_by_key(|&change| numbers[change]);
            for change in order {
                if !model.takes(keyed, changes[change]) {
                    unknown.push(numbers[change]);
                }
            }
            apply(&mut state, at, &rows, cut, &mut there)?;
            prop_assert_eq!(&there, &model.rows());
            prop_assert_eq!(&*told.borrow(), &unknown);
        }
    }

    /// At every epoch: of a key the change that stands last among those that have come, of rows as a whole what all of them add up to.
    #[test]
    fn k2_changes_that_meet_by_event_time_come_to_the_same_rows_in_whatever_epochs(
        epochs in epochs(), keyed in any::<bool>(), cut in 1usize..6,
    ) {
        let told: Rc<RefCell<usize>> = Rc::default();
        let tell = told.clone();
        let key = keyed.then(|| vec![KEY]);
        let mut state = Current::new(&oracle::schema(), key, timed(true), move |_, _, _| *tell.borrow_mut() += 1);
        let (mut last, mut sums, mut places) = (BTreeMap::new(), BTreeMap::<(i64, i64), i64>::new(), [(0, 0); 3]);
        let mut there = BTreeMap::new();
        for (at, changes) in epochs.iter().enumerate() {
            let (rows, numbers, turns) = numbered(changes, &mut places, at as i64);
            for (&(_, key, value, adds), turn) in changes.iter().zip(turns.into_iter().zip(numbers)) {
                let newest = last.entry(key).or_insert((turn, value, adds));
                *newest = (*newest).max((turn, value, adds));
                *sums.entry((key, value)).or_default() += if adds { 1 } else { -1 };
            }
            state.expire(Epoch::at(at as i64));
            apply(&mut state, at, &rows, cut, &mut there)?;
            let by_key = last.iter().filter(|(_, newest)| newest.2).map(|(key, newest)| (text(*key, newest.1), 1));
            let whole = sums.iter().filter(|(_, sum)| **sum > 0).map(|((key, value), sum)| (text(*key, *value), *sum));
            let expected: BTreeMap<Text, i64> = if keyed { by_key.collect() } else { whole.collect() };
            prop_assert_eq!(&there, &expected);
        }
        state.expire(Epoch::END);
        if !keyed {
            let owed: i64 = sums.values().map(|sum| (-sum).max(0)).sum();
            prop_assert_eq!(*told.borrow() as i64, owed);
        }
    }
}

/// Applies the changes of an epoch in pieces, the last first, to what is there.
fn apply(
    state: &mut Current,
    at: usize,
    rows: &Delta,
    cut: usize,
    there: &mut BTreeMap<Text, i64>,
) -> Result<(), TestCaseError> {
    let pieces = (0..rows.len()).step_by(cut).map(|start| rows.slice(start, cut.min(rows.len() - start)));
    let pieces: Vec<Delta> = pieces.rev().collect();
    if !pieces.is_empty() {
        let changed = state.apply(Epoch::at(at as i64), &mut [pieces]);
        for (row, diff) in changed.iter().flat_map(oracle::texts) {
            let count = there.entry(row).or_default();
            *count += diff;
            prop_assert!(*count >= 0);
        }
        there.retain(|_, count| *count != 0);
    }
    Ok(())
}
