//! Every join against a recomputation from scratch, epoch by epoch.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, TimestampMillisecondType};
use arrow_array::{Array, ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMillisecondArray};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use datafusion_expr::Operator;
use datafusion_physical_expr::PhysicalExpr;
use datafusion_physical_expr::expressions::{BinaryExpr, Column};
use proptest::prelude::*;

use super::output::MOST;
use super::{Buckets, Expiry, Join, JoinKind, Lookup, Side, TimeOrder, Versions};
use crate::aggregate::Emit;
use crate::delta::{Delta, Rejects};
use crate::format::show_row;
use crate::operator::Stateful;
use crate::time::Epoch;

/// key, time, until (another time), value.
type Row = (Option<i64>, Option<i64>, Option<i64>, i64);
/// A row of the result: each side, if it is there.
type Shown = (Option<Row>, Option<Row>);
/// Changes of a side.
type Rows = Vec<(Row, i64)>;

const KINDS: [JoinKind; 8] = [
    JoinKind::Inner,
    JoinKind::Left,
    JoinKind::Right,
    JoinKind::Full,
    JoinKind::LeftSemi,
    JoinKind::LeftAnti,
    JoinKind::RightSemi,
    JoinKind::RightAnti,
];
/// How late accepted rows may be, in ms.
const LATENESS: i64 = 40;

/// What bounds the times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bound {
    /// Nothing.
    None,
    /// `r.time BETWEEN l.time - 30 AND l.time + 50`.
    Interval,
    /// `r.time BETWEEN l.time AND l.until`.
    Until,
    /// `l.time = r.time`, as equal windows are.
    Equal,
}

impl Bound {
    fn orders(self) -> Vec<TimeOrder> {
        let order = |side, earlier, later, gap_ms| TimeOrder { side, earlier, later, gap_ms };
        match self {
            Bound::None => vec![],
            Bound::Interval => vec![order(Side::Left, 1, 1, -30), order(Side::Right, 1, 1, -50)],
            Bound::Until => vec![order(Side::Left, 1, 1, 0), order(Side::Right, 1, 2, 0)],
            Bound::Equal => vec![order(Side::Left, 1, 1, 0), order(Side::Right, 1, 1, 0)],
        }
    }

    fn holds(self, l: &Row, r: &Row) -> bool {
        let (Some(x), Some(y)) = (l.1, r.1) else { return self == Bound::None };
        match self {
            Bound::None => true,
            Bound::Interval => x - 30 <= y && y <= x + 50,
            Bound::Until => l.2.is_some_and(|until| x <= y && y <= until),
            Bound::Equal => x == y,
        }
    }
}

/// A join to try, and its definition.
#[derive(Clone, Copy, Debug)]
struct Case {
    kind: JoinKind,
    bound: Bound,
    emit: Emit,
    retracting: [bool; 2],
    residual: bool,
    nulls_equal: bool,
    /// 0: no key column, 1: the number, 2: the text, 3: both.
    shape: usize,
}

impl Case {
    fn join(&self) -> Join {
        let residual: Arc<dyn PhysicalExpr> =
            Arc::new(BinaryExpr::new(Arc::new(Column::new("v", 4)), Operator::LtEq, Arc::new(Column::new("v", 9))));
        let bounds = [None, Some(-LATENESS), None, None, None];
        let orders = self.bound.orders();
        Join {
            kind: self.kind,
            keys: [vec![], vec![(0, 0)], vec![(3, 3)], vec![(0, 0), (3, 3)]][self.shape].clone(),
            nulls_equal: self.nulls_equal,
            expiry: Side::BOTH.map(|side| Join::expiry_of(side, &orders, &bounds)),
            order: orders,
            residual: self.residual.then_some(residual),
            emit: self.emit,
            transient: false,
            retracting: self.retracting,
            owner: "test".to_owned(),
            told: Vec::new(),
        }
    }

    fn meets(&self, l: &Row, r: &Row) -> bool {
        let key = self.shape == 0 || (l.0 == r.0 && (l.0.is_some() || self.nulls_equal));
        key && self.bound.holds(l, r) && (!self.residual || l.3 <= r.3)
    }

    /// The last watermark at which a partner may come.
    fn expiry(&self, side: Side, row: &Row) -> Option<i64> {
        let after = |time: Option<i64>, ms: i64| time.map_or(i64::MIN, |time| time + ms);
        match (self.bound, side) {
            (Bound::None, _) => None,
            (Bound::Interval, Side::Left) => Some(after(row.1, 50 + LATENESS)),
            (Bound::Interval, Side::Right) => Some(after(row.1, 30 + LATENESS)),
            (Bound::Until, Side::Left) => Some(after(row.2, LATENESS)),
            (Bound::Until, Side::Right) | (Bound::Equal, _) => Some(after(row.1, LATENESS)),
        }
    }

    /// The result over all rows so far, at a watermark.
    fn recomputed(&self, sides: &[BTreeMap<Row, i64>; 2], watermark: i64) -> BTreeMap<Shown, i64> {
        let mut result: BTreeMap<Shown, i64> = BTreeMap::new();
        let mut partners: [BTreeMap<Row, i64>; 2] = Default::default();
        for (l, m) in &sides[0] {
            // Rows are sorted by key.
            let near = sides[1].range((if self.shape == 0 { None } else { l.0 }, None, None, i64::MIN)..);
            let near = near.take_while(|(r, _)| self.shape == 0 || r.0 == l.0);
            for (r, n) in near.filter(|(r, _)| self.meets(l, r)) {
                *partners[0].entry(*l).or_default() += n;
                *partners[1].entry(*r).or_default() += m;
                if self.kind.pairs() {
                    *result.entry((Some(*l), Some(*r))).or_default() += m * n;
                }
            }
        }
        for side in Side::BOTH {
            for (row, m) in &sides[side as usize] {
                let matched = partners[side as usize].get(row).is_some_and(|n| *n > 0);
                let expired = self.expiry(side, row).is_none_or(|expiry| expiry < watermark);
                let shown = match self.kind {
                    JoinKind::Left | JoinKind::Full if side == Side::Left => !matched,
                    JoinKind::Right | JoinKind::Full if side == Side::Right => !matched,
                    JoinKind::LeftAnti if side == Side::Left => !matched,
                    JoinKind::RightAnti if side == Side::Right => !matched,
                    JoinKind::LeftSemi if side == Side::Left => matched,
                    JoinKind::RightSemi if side == Side::Right => matched,
                    _ => false,
                };
                if shown && (matched || expired || self.emit == Emit::Changes) {
                    let shown = if side == Side::Left { (Some(*row), None) } else { (None, Some(*row)) };
                    *result.entry(shown).or_default() += m;
                }
            }
        }
        result.retain(|_, n| *n != 0);
        result
    }
}

fn schema() -> SchemaRef {
    let time = || DataType::Timestamp(TimeUnit::Millisecond, None);
    Arc::new(Schema::new(vec![
        Field::new("k", DataType::Int64, true),
        Field::new("time", time(), true),
        Field::new("until", time(), true),
        Field::new("text", DataType::Utf8, true),
        Field::new("v", DataType::Int64, false),
    ]))
}

fn both(kind: JoinKind) -> SchemaRef {
    if kind.only().is_some() {
        return schema();
    }
    let field = |field: &Arc<Field>| field.as_ref().clone().with_nullable(true);
    let fields = schema().fields().iter().chain(schema().fields()).map(field).collect::<Vec<_>>();
    Arc::new(Schema::new(fields))
}

fn delta(rows: &Rows) -> Delta {
    let text = |key: Option<i64>| key.map(|key| "x".repeat(usize::try_from(key).unwrap()));
    let columns: Vec<ArrayRef> = vec![
        Arc::new(rows.iter().map(|(row, _)| row.0).collect::<Int64Array>()),
        Arc::new(rows.iter().map(|(row, _)| row.1).collect::<TimestampMillisecondArray>()),
        Arc::new(rows.iter().map(|(row, _)| row.2).collect::<TimestampMillisecondArray>()),
        Arc::new(rows.iter().map(|(row, _)| text(row.0)).collect::<StringArray>()),
        Arc::new(rows.iter().map(|(row, _)| row.3).collect::<Int64Array>()),
    ];
    let batch = RecordBatch::try_new(schema(), columns).unwrap();
    let diffs = rows.iter().any(|(_, diff)| *diff != 1);
    Delta::new(batch, diffs.then(|| rows.iter().map(|(_, diff)| *diff).collect()))
}

fn deltas(rows: &Rows) -> Vec<Delta> {
    rows.chunks(3).map(|rows| delta(&rows.to_vec())).collect()
}

fn read(kind: JoinKind, deltas: &[Delta], into: &mut BTreeMap<Shown, i64>) -> Vec<(Shown, i64)> {
    let mut changes = Vec::new();
    for delta in deltas {
        let side = |from: usize, row: usize| -> Option<Row> {
            let columns = &delta.batch().columns()[from..from + 5];
            let number = |c: usize| columns[c].as_primitive::<Int64Type>();
            let time = |c: usize| columns[c].as_primitive::<TimestampMillisecondType>();
            let key = number(0).is_valid(row).then(|| number(0).value(row));
            let text = columns[3].as_string::<i32>();
            assert_eq!(text.is_valid(row).then(|| text.value(row).len() as i64), key);
            number(4).is_valid(row).then(|| {
                let at = |c: usize| time(c).is_valid(row).then(|| time(c).value(row));
                (key, at(1), at(2), number(4).value(row))
            })
        };
        assert!(delta.len() <= MOST, "{} rows were shown together", delta.len());
        for row in 0..delta.len() {
            let shown = match kind.only() {
                Some(Side::Left) => (side(0, row), None),
                Some(Side::Right) => (None, side(0, row)),
                None => (side(0, row), side(5, row)),
            };
            changes.push((shown, delta.diff(row)));
            *into.entry(shown).or_default() += delta.diff(row);
        }
    }
    into.retain(|_, n| *n != 0);
    changes
}

/// A row as drawn.
type Drawn = (Option<u8>, i16, u8, u8);

/// What arrives in one epoch: by how much the watermark moves; rows as key, lateness, duration, value; and which of the
/// rows that are there are taken back.
#[derive(Clone, Debug)]
struct Step {
    moves: i64,
    rows: [Vec<Drawn>; 2],
    back: [Vec<u16>; 2],
}

fn steps(keys: u8) -> impl Strategy<Value = Vec<Step>> {
    // One key in two is the first: skew.
    let key = prop_oneof![5 => Just(Some(0)), 4 => (0..keys).prop_map(Some), 1 => Just(None)];
    let row = (key, -(LATENESS as i16)..120, 0u8..100, 0u8..4);
    let rows = || prop::collection::vec(row.clone(), 0..8);
    let back = || prop::collection::vec(any::<u16>(), 0..4);
    let step = (prop_oneof![1 => Just(0i64), 2 => 1i64..30, 1 => 30i64..300], rows(), rows(), back(), back());
    let step = step.prop_map(|(moves, left, right, l, r)| Step { moves, rows: [left, right], back: [l, r] });
    prop::collection::vec(step, 1..12)
}

fn case() -> impl Strategy<Value = Case> {
    let bound = prop_oneof![Just(Bound::None), Just(Bound::Interval), Just(Bound::Until), Just(Bound::Equal)];
    let emit = prop_oneof![Just(Emit::Final), Just(Emit::Changes)];
    (0..8usize, bound, emit, any::<[bool; 2]>(), any::<bool>(), any::<bool>(), 0..4usize).prop_map(
        |(kind, bound, emit, retracting, residual, nulls_equal, shape)| Case {
            kind: KINDS[kind],
            bound,
            emit,
            retracting,
            residual,
            nulls_equal,
            shape,
        },
    )
}

/// The epochs of `steps`: watermark and changes of both sides. All rows to come have `time >= W - LATENESS`, also those
/// that are taken back.
fn epochs(steps: &[Step], retracting: [bool; 2]) -> Vec<(i64, [Rows; 2])> {
    let (mut watermark, mut there) = (-50i64, [Vec::new(), Vec::new()]);
    let mut epochs = Vec::new();
    for step in steps {
        watermark += step.moves;
        let mut epoch: [Rows; 2] = Default::default();
        for side in 0..2 {
            for (key, late, duration, value) in &step.rows[side] {
                let time = watermark + i64::from(*late);
                // A time that is NULL now and then.
                let time = (*duration != 7).then_some(time);
                let until = (*duration != 9).then(|| time.unwrap_or(0) + i64::from(*duration));
                let row = (key.map(i64::from), time, until, i64::from(*value));
                epoch[side].push((row, 1));
                there[side].push(row);
            }
            if retracting[side] {
                for pick in &step.back[side] {
                    let rows: &mut Vec<Row> = &mut there[side];
                    if !rows.is_empty() {
                        let row = rows.remove(usize::from(*pick) % rows.len());
                        match row.1.is_none_or(|time| time >= watermark - LATENESS) {
                            true => epoch[side].push((row, -1)),
                            false => rows.push(row),
                        }
                    }
                }
            }
        }
        epochs.push((watermark, epoch));
    }
    epochs
}

fn closed(state: &mut impl Stateful, epoch: Epoch) -> Vec<Delta> {
    let mut changes = Vec::new();
    while let Some(deadline) = state.deadline().filter(|deadline| Epoch::at(*deadline) <= epoch) {
        changes.extend(state.close(deadline));
        assert!(state.deadline().is_none_or(|next| next > deadline));
    }
    changes
}

fn check(case: Case, steps: &[Step]) {
    let (rejects, _kept) = Rejects::channel(show_row);
    let join = case.join();
    let append_only = !join.is_retracting();
    let mut state = Buckets::new(join, &both(case.kind), [&schema(), &schema()], &rejects);
    let (mut sides, mut shown): ([BTreeMap<Row, i64>; 2], BTreeMap<Shown, i64>) = Default::default();
    for (tick, (watermark, changes)) in (1..).zip(epochs(steps, case.retracting)) {
        let epoch = Epoch { watermark, tick };
        let before = shown.clone();
        let early = closed(&mut state, epoch);
        let early = read(case.kind, &early, &mut shown);
        // What was shown because time passed is right for the rows until then.
        assert_eq!(shown, case.recomputed(&sides, watermark), "after closing at {watermark}");
        let output = state.apply(epoch, &mut [deltas(&changes[0]), deltas(&changes[1])]);
        let output = read(case.kind, &output, &mut shown);
        for (side, changes) in sides.iter_mut().zip(&changes) {
            changes.iter().for_each(|(row, diff)| *side.entry(*row).or_default() += diff);
            side.retain(|_, n| *n != 0);
        }
        assert_eq!(shown, case.recomputed(&sides, watermark), "at {watermark}, before: {before:?}, {output:?}");
        // No row comes and goes within an epoch.
        let mut signs: BTreeMap<Shown, i64> = BTreeMap::new();
        for (row, diff) in &output {
            let sign = *signs.entry(*row).or_insert(diff.signum());
            assert_eq!(sign, diff.signum(), "{row:?} comes and goes at {watermark}");
        }
        if append_only {
            assert!(early.iter().chain(&output).all(|(_, diff)| *diff > 0));
        }
        state.expire(Epoch::at(watermark));
    }
    // At the end everything that can expire has expired.
    let end = Epoch::at(1_000_000);
    let last = closed(&mut state, end);
    read(case.kind, &last, &mut shown);
    assert_eq!(shown, case.recomputed(&sides, end.watermark));
    state.expire(end);
    assert!(case.bound == Bound::None || state.is_empty(), "{} rows are left", state.len());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    /// Every kind, bounded or not, of inputs that take rows back or not: the sum of all changes is the result over the
    /// rows so far, at every epoch.
    #[test]
    fn joins_are_those_of_the_definition(case in case(), steps in steps(5)) {
        check(case, &steps);
    }
}

/// Every combination, over one long random course each: tables are looked through and rebuilt on the way.
#[test]
fn long_courses() {
    let mut state = 7u64;
    let mut random = move |below: u64| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) % below
    };
    for (kind, bound, retracting) in KINDS.into_iter().flat_map(|kind| {
        [Bound::None, Bound::Interval, Bound::Until, Bound::Equal]
            .into_iter()
            .flat_map(move |bound| [[false, false], [true, true]].map(|retracting| (kind, bound, retracting)))
    }) {
        let emit = if random(2) == 0 { Emit::Final } else { Emit::Changes };
        let case = Case { kind, bound, emit, retracting, residual: false, nulls_equal: false, shape: 1 };
        let mut rows = |n: u64| -> Vec<(Option<u8>, i16, u8, u8)> {
            let row =
                |_| (Some(random(200) as u8), random(160) as i16 - LATENESS as i16, random(100) as u8, random(4) as u8);
            (0..n).map(row).collect()
        };
        let steps: Vec<Step> = (0..12)
            .map(|_| Step {
                moves: 40,
                rows: [rows(120), rows(120)],
                back: [(0..90).map(|i| i * 31).collect(), (0..90).map(|i| i * 97).collect()],
            })
            .collect();
        check(case, &steps);
    }
}

#[test]
fn rows_are_freed_by_the_one_rule() {
    // From x(left) + gap <= y(right) and x >= W + offset: a right row is freed once W > y - gap - offset.
    let orders = [
        TimeOrder { side: Side::Left, earlier: 0, later: 2, gap_ms: -30 },
        TimeOrder { side: Side::Right, earlier: 2, later: 1, gap_ms: 5 },
    ];
    assert_eq!(Join::expiry_of(Side::Right, &orders, &[Some(-4), None]), [Expiry { column: 2, after_ms: 34 }]);
    assert_eq!(Join::expiry_of(Side::Right, &orders, &[None, Some(0)]), []);
    assert_eq!(Join::expiry_of(Side::Left, &orders, &[None, None, Some(7)]), [Expiry { column: 1, after_ms: -12 }]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Every left row beside the version that was valid at its time, once, when the watermark proves it.
    #[test]
    fn lookups_are_those_of_the_definition(
        steps in steps(4), outer in any::<bool>(), residual in any::<bool>(), numbered in any::<bool>(),
    ) {
        let case = Case {
            kind: JoinKind::Inner, bound: Bound::None, emit: Emit::Final, retracting: [false; 2], residual,
            nulls_equal: false, shape: 1,
        };
        let lookup = Lookup {
            keys: vec![(0, 0)],
            times: (1, 1),
            // The values stand for numbers in the source.
            sequence: numbered.then_some(4),
            offsets_ms: [-LATENESS, -LATENESS],
            outer,
            residual: case.join().residual,
            owner: "test".to_owned(),
        };
        let (rejects, _kept) = Rejects::channel(show_row);
        let mut state = Versions::new(lookup, &both(JoinKind::Left), [&schema(), &schema()], &rejects);
        let mut epochs = epochs(&steps, [false; 2]);
        epochs.push((1_000_000, Default::default()));
        let (mut shown, mut sides): (BTreeMap<Shown, i64>, [Vec<Row>; 2]) = Default::default();
        for (watermark, changes) in &epochs {
            let epoch = Epoch::at(*watermark);
            let early = closed(&mut state, epoch);
            read(JoinKind::Left, &early, &mut shown);
            let now = state.apply(epoch, &mut [deltas(&changes[0]), deltas(&changes[1])]);
            read(JoinKind::Left, &now, &mut shown);
            state.expire(Epoch::at(*watermark));
            changes.iter().zip(&mut sides).for_each(|(rows, side)| side.extend(rows.iter().map(|(row, _)| *row)));
            let mut expected: BTreeMap<Shown, i64> = BTreeMap::new();
            for l in sides[0].iter().filter(|l| l.1.is_none_or(|time| time < watermark - LATENESS)) {
                let earlier = |r: &&Row| r.0 == l.0 && l.0.is_some() && r.1.zip(l.1).is_some_and(|(y, x)| y <= x);
                // Of the latest the one with the highest number, without numbers the last.
                let version = sides[1].iter().filter(earlier).max_by_key(|r| (r.1, if numbered { r.3 } else { 0 }));
                match version.filter(|r| !residual || l.3 <= r.3) {
                    Some(r) => *expected.entry((Some(*l), Some(*r))).or_default() += 1,
                    None if outer => *expected.entry((Some(*l), None)).or_default() += 1,
                    None => {}
                }
            }
            prop_assert_eq!(&shown, &expected);
        }
    }
}
