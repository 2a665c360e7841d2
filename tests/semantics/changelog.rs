//! Changelogs (K1 to K3): rows that come and go, against a model that takes one change at a time and is asked at every epoch.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch};
use arrow_schema::{DataType, Field, Schema};
use highwater::delta::Delta;
use highwater::operator::Stateful;
use highwater::source::Current;
use highwater::time::Epoch;
use proptest::prelude::*;

use crate::cut::Inputs;
use crate::oracle::{self, KEY, Row, Text};

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

/// Changes as they come from a source, the first of each partition behind so many others of it.
fn numbered(changes: &[Change], before: &mut [i64; 3]) -> (Delta, Vec<i64>) {
    let mut number = |partition: i64| {
        let ordinal = &mut before[partition as usize];
        *ordinal += 1;
        partition << 40 | (*ordinal - 1)
    };
    let numbers: Vec<i64> = changes.iter().map(|change| number(change.0)).collect();
    let rows: Vec<Row> = changes.iter().map(|(_, key, value, _)| row(*key, *value)).collect();
    let batch = oracle::delta(&rows).into_parts().0;
    let number = Arc::new(Field::new("__number", DataType::Int64, false));
    let fields = batch.schema().fields().iter().cloned().chain([number]).collect::<Vec<_>>();
    let columns = batch.columns().iter().cloned();
    let columns = columns.chain([Arc::new(Int64Array::from(numbers.clone())) as ArrayRef]).collect();
    let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap();
    let diffs: Vec<i64> = changes.iter().map(|change| if change.3 { 1 } else { -1 }).collect();
    (Delta::new(batch, Some(diffs.into())), numbers)
}

/// The changes of each epoch, in batches of so many.
pub(super) fn inputs(epochs: &[Vec<Change>], batch: usize) -> Inputs {
    let (mut before, mut inputs) = ([0; 3], Inputs::new());
    for (at, changes) in epochs.iter().enumerate().filter(|(_, changes)| !changes.is_empty()) {
        let (rows, _) = numbered(changes, &mut before);
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
        let mut state = Current::new(&oracle::schema(), keyed.then(|| vec![KEY]), None, move |_, _, number| {
            tell.borrow_mut().push(number);
        });
        let (mut model, mut unknown, mut before) = (Model::default(), Vec::new(), [0; 3]);
        let mut there: BTreeMap<Text, i64> = BTreeMap::new();
        for (at, changes) in epochs.iter().enumerate() {
            let (rows, numbers) = numbered(changes, &mut before);
            // Within an epoch they count by partition, whatever came first.
            let mut order: Vec<usize> = (0..changes.len()).collect();
            order.sort_by_key(|&change| numbers[change]);
            for change in order {
                if !model.takes(keyed, changes[change]) {
                    unknown.push(numbers[change]);
                }
            }
            // In pieces, the last first.
            let pieces: Vec<Delta> = (0..rows.len()).step_by(cut).map(|start| rows.slice(start, cut.min(rows.len() - start))).rev().collect();
            if !pieces.is_empty() {
                let changed = state.apply(Epoch::at(at as i64), &mut [pieces]);
                for (row, diff) in changed.iter().flat_map(oracle::texts) {
                    let count = there.entry(row).or_default();
                    *count += diff;
                    prop_assert!(*count >= 0);
                }
                there.retain(|_, count| *count != 0);
            }
            prop_assert_eq!(&there, &model.rows());
            prop_assert_eq!(&*told.borrow(), &unknown);
        }
    }
}
