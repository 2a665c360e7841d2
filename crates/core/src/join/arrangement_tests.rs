//! Joins that share a side, each at an epoch of its own, against a recomputation from scratch.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, Int64Array, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use datafusion_expr::Operator;
use datafusion_physical_expr::PhysicalExpr;
use datafusion_physical_expr::expressions::{BinaryExpr, Column};
use proptest::prelude::*;

use super::output::MOST;
use super::{Arrangement, Join, JoinKind, Meeting};
use crate::aggregate::Emit;
use crate::delta::{Delta, Rejects};
use crate::format::show_row;
use crate::time::Epoch;

/// Key and value.
type Row = (Option<i64>, i64);
type Pairs = BTreeMap<(Row, Row), i64>;

fn schema(sides: usize) -> SchemaRef {
    let fields = ["k", "v"].map(|name| Field::new(name, DataType::Int64, true));
    Arc::new(Schema::new((0..sides).flat_map(|_| fields.clone()).collect::<Vec<_>>()))
}

fn delta(changes: &[(Row, i64)], retracting: bool) -> Delta {
    let keys: ArrayRef = Arc::new(changes.iter().map(|((key, _), _)| *key).collect::<Int64Array>());
    let values: ArrayRef = Arc::new(changes.iter().map(|((_, value), _)| Some(*value)).collect::<Int64Array>());
    let batch = RecordBatch::try_new(schema(1), vec![keys, values]).unwrap();
    Delta::new(batch, retracting.then(|| changes.iter().map(|(_, diff)| *diff).collect()))
}

fn take(pairs: &mut Pairs, deltas: &[Delta], counted: bool) -> Result<(), TestCaseError> {
    let mut now: Pairs = Pairs::new();
    for delta in deltas {
        prop_assert!(delta.len() <= MOST, "{} pairs were shown together", delta.len());
        let column = |column: usize| delta.batch().column(column).as_primitive::<Int64Type>();
        let key = |at: usize, row: usize| column(at).is_valid(row).then(|| column(at).value(row));
        for row in 0..delta.len() {
            let pair = ((key(0, row), column(1).value(row)), (key(2, row), column(3).value(row)));
            *now.entry(pair).or_default() += delta.diff(row);
        }
    }
    // Equal rows that are never taken back are kept each for itself: of them one may come as another loses its partner.
    prop_assert!(!counted || now.values().all(|diff| *diff != 0), "comes and goes in one epoch: {:?}", now);
    for (pair, diff) in now {
        *pairs.entry(pair).or_default() += diff;
    }
    pairs.retain(|_, count| *count != 0);
    Ok(())
}

/// The relations: the shared one and its two partners.
#[derive(Clone, Debug)]
struct Case {
    retracting: [bool; 3],
    residual: bool,
    nulls_equal: bool,
    /// Epochs of changes: relation, row, whether it is taken back (if it is there and may be).
    epochs: Vec<Vec<(usize, Row, bool)>>,
    /// Who goes on next: an arrangement or a join.
    turns: Vec<usize>,
}

fn case() -> impl Strategy<Value = Case> {
    let row = (prop::option::weighted(0.9, 0_i64..4), 0_i64..4);
    let epochs = prop::collection::vec(prop::collection::vec((0_usize..3, row, any::<bool>()), 0..12), 1..24);
    (any::<[bool; 3]>(), any::<bool>(), any::<bool>(), epochs, prop::collection::vec(0_usize..5, 0..200)).prop_map(
        |(retracting, residual, nulls_equal, epochs, turns)| Case { retracting, residual, nulls_equal, epochs, turns },
    )
}

impl Case {
    /// Per epoch and relation: the changes, and what is there then.
    #[allow(clippy::type_complexity)]
    fn history(&self) -> Vec<[(Vec<(Row, i64)>, BTreeMap<Row, i64>); 3]> {
        let mut there: [BTreeMap<Row, i64>; 3] = Default::default();
        let changes = self.epochs.iter().map(|epoch| {
            let mut changes: [Vec<(Row, i64)>; 3] = Default::default();
            for &(relation, row, back) in epoch {
                let count = there[relation].entry(row).or_default();
                let diff = if back && self.retracting[relation] && *count > 0 { -1 } else { 1 };
                *count += diff;
                changes[relation].push((row, diff));
            }
            let mut now = there.clone().into_iter();
            changes.map(|changes| (changes, now.next().unwrap_or_default()))
        });
        changes.collect()
    }

    fn expected(&self, left: &BTreeMap<Row, i64>, right: &BTreeMap<Row, i64>) -> Pairs {
        let mut pairs = Pairs::new();
        for (l, m) in left.iter().filter(|(_, m)| **m > 0) {
            for (r, n) in right.iter().filter(|(_, n)| **n > 0) {
                let key = l.0 == r.0 && (l.0.is_some() || self.nulls_equal);
                if key && (!self.residual || l.1 <= r.1) {
                    pairs.insert((*l, *r), m * n);
                }
            }
        }
        pairs
    }

    fn check(&self) -> Result<(), TestCaseError> {
        let residual: Arc<dyn PhysicalExpr> =
            Arc::new(BinaryExpr::new(Arc::new(Column::new("v", 1)), Operator::LtEq, Arc::new(Column::new("v", 3))));
        let join = Join {
            kind: JoinKind::Inner,
            keys: vec![(0, 0)],
            nulls_equal: self.nulls_equal,
            expiry: Default::default(),
            order: vec![],
            residual: self.residual.then_some(residual),
            emit: Emit::Changes,
            transient: false,
            retracting: [true; 2],
            owner: "test".to_owned(),
            told: Vec::new(),
        };
        let (rejects, _) = Rejects::channel(show_row);
        let history = self.history();
        let mut arrangements =
            self.retracting.map(|retracting| Arrangement::new(&schema(1), &[0], self.nulls_equal, retracting));
        // The shared relation is the left of one join and the right of the other.
        let sides = [[0, 1], [2, 0]];
        let readers = sides.map(|sides| sides.map(|side| arrangements[side].reader()));
        let mut meetings = [0, 1].map(|_| Meeting::new(&join, &schema(2), [&schema(1), &schema(1)], &rejects));
        let (mut applied, mut met) = ([0; 3], [0; 2]);
        let mut results: [Pairs; 2] = Default::default();
        let all = (0..history.len() * 5).map(|turn| turn % 5);
        for turn in self.turns.iter().copied().chain(all) {
            match turn.checked_sub(3) {
                None if applied[turn] < history.len() => {
                    let (changes, _) = &history[applied[turn]][turn];
                    if !changes.is_empty() {
                        let deltas: Vec<Delta> =
                            changes.chunks(5).map(|part| delta(part, self.retracting[turn])).collect();
                        arrangements[turn].apply(Epoch::at(applied[turn] as i64), &deltas);
                    }
                    applied[turn] += 1;
                }
                Some(join) if sides[join].iter().all(|&side| applied[side] > met[join]) => {
                    let [left, right] = arrangements.get_disjoint_mut(sides[join]).unwrap();
                    let changes = meetings[join].step(Epoch::at(met[join] as i64), left, right);
                    let counted = sides[join].iter().all(|&side| self.retracting[side]);
                    take(&mut results[join], &changes, counted)?;
                    let [left, right] = sides[join].map(|side| &history[met[join]][side].1);
                    prop_assert_eq!(&results[join], &self.expected(left, right), "join {} at {}", join, met[join]);
                    met[join] += 1;
                    for (side, reader) in sides[join].into_iter().zip(readers[join]) {
                        arrangements[side].pass(reader, Epoch::at(met[join] as i64));
                    }
                }
                _ => {}
            }
        }
        prop_assert_eq!(met, [history.len(); 2]);
        for (relation, arrangement) in arrangements.iter().enumerate() {
            // All rows that were there at once, as many dead ones, and what comes until it is looked through again.
            let most = history.iter().map(|epoch| epoch[relation].1.values().sum::<i64>()).max().unwrap_or(0);
            let held = arrangement.len();
            prop_assert!(held <= 4 * (most as usize).max(8), "{} rows held, {} were there at most", held, most);
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn joins_that_share_a_side_are_right_at_every_epoch(case in case()) {
        case.check()?;
    }
}
