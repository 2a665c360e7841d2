//! Joins: pairs by `join` of two arrangements, rows that have a partner by `distinct`, those that have none by what is left.
//!
//! A row that is past leaves its arrangement, and with it its pairs; that is not told. But a row keeps the partners that it had:
//! where one leaves that is past earlier, it leaves the row's partners only together with the row.

use arrow_buffer::ScalarBuffer;
use arrow_schema::SchemaRef;
use differential_dataflow::AsCollection;
use differential_dataflow::operators::arrange::{Arranged, TraceAgent};
use differential_dataflow::trace::implementations::ValSpine;
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::generic::OutputBuilder;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;
use timely::progress::operate::FrontierInterest;

use super::super::codec::{Bytes, Codec};
use super::super::{Record, Settled, Step};
use super::{Builder, Changes, FailedIn, changed, received, settled, told};
use crate::delta::Delta;
use crate::join::{JoinKind, Side};
use crate::time::Epoch;

/// A row, behind the epoch from which on what happens to it is not told.
type Held = (Epoch, Bytes);
type Pair = (Held, Held);
/// What a check could not take.
type Failing<'s> = Stream<'s, Epoch, FailedIn<Epoch>>;

/// The rows of one side, as they are and by their key.
#[derive(Clone)]
pub struct Half<'s> {
    rows: Changes<'s, Epoch, Held>,
    index: Arranged<'s, TraceAgent<ValSpine<Bytes, Held, Epoch, i64>>>,
}

impl std::fmt::Debug for Half<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Half").finish_non_exhaustive()
    }
}

/// A join.
pub struct Joined {
    /// What is shown.
    pub kind: JoinKind,
    /// Whether rows of a side without a partner are shown only when they are past.
    pub deferred: [bool; 2],
    /// The columns of a pair.
    pub pair: SchemaRef,
    /// Which pairs count, besides that their keys are equal.
    pub check: Option<Step>,
    /// The columns of both sides.
    pub inputs: [SchemaRef; 2],
    /// The columns of the result.
    pub output: SchemaRef,
}

impl std::fmt::Debug for Joined {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Joined").field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// Arranges records.
pub fn half<'s>(records: Stream<'s, Epoch, Delta>) -> Half<'s> {
    let rows = received(records.clone(), "Rows", |Record { row, until, .. }| Some((until, row?)));
    let keyed = received(records, "Keyed rows", |Record { key, row, until }| Some((key?, (until, row?))));
    Half { rows, index: keyed.arrange_by_key() }
}

/// The result of a join, and what its check could not take.
pub fn joined<'s>(
    halves: [Half<'s>; 2],
    join: Joined,
    node: usize,
) -> (Stream<'s, Epoch, Delta>, Option<Stream<'s, Epoch, Delta>>) {
    let Joined { kind, deferred, pair, check, inputs, output } = join;
    let [left, right] = halves.each_ref().map(|half| half.index.clone());
    let pairs = left.join_core(right, |_, left: &Held, right: &Held| Some((left.clone(), right.clone())));
    let (pairs, failed) = match check {
        None => (pairs, None),
        Some(check) => checked(pairs, &pair, check),
    };
    let failed = failed.map(|failed| told(failed, node, |epoch| *epoch));
    let mut shown = Vec::new();
    if kind.pairs() {
        shown.push(changed(pairs.clone(), "Pairs", |(left, right): Pair, epoch| {
            (epoch < left.0 && epoch < right.0).then(|| ([left.1, right.1].concat(), epoch))
        }));
    }
    for side in Side::BOTH {
        let unmatched = kind.unmatched(side);
        if !unmatched && kind.only() != Some(side) {
            continue;
        }
        let rows = halves[side as usize].rows.clone();
        let rows = match deferred[side as usize] {
            false => rows,
            // The moment before it leaves is that at which it is past.
            true => changed(rows, "Rows when past", |row: Held, epoch| {
                let past = Epoch::at(row.0.watermark.saturating_sub(1));
                Some((row, epoch.max(past)))
            }),
        };
        let met = met(pairs.clone(), side).distinct_core::<i64>();
        let rows = rows.map(|row| (row, ()));
        let alone = if unmatched { rows.antijoin(met) } else { rows.semijoin(met) };
        // Beside NULLs, if both sides are shown.
        let nulls = kind.pairs().then(|| Codec::of(&inputs[side.other() as usize]).nulls());
        shown.push(changed(alone, "Rows alone", move |((until, row), ()): (Held, ()), epoch| {
            let shown = match (&nulls, side) {
                (None, _) => row,
                (Some(nulls), Side::Left) => [row.as_slice(), nulls].concat(),
                (Some(nulls), Side::Right) => [nulls.as_slice(), &row].concat(),
            };
            (epoch < until).then_some((shown, epoch))
        }));
    }
    let scope = pairs.inner.scope();
    let shown = differential_dataflow::collection::concatenate(scope, shown);
    (settled(shown, "Join", Settled::new(Codec::of(&output), None)), failed)
}

/// The rows of a side once a partner. That a partner leaves which is past is seen when the row itself leaves.
fn met<'s>(pairs: Changes<'s, Epoch, Pair>, side: Side) -> Changes<'s, Epoch, Held> {
    changed(pairs, "Met", move |(left, right): Pair, epoch| {
        let (row, other) = if side == Side::Left { (left, right.0) } else { (right, left.0) };
        // Rows that are told of for a moment only leave later than that; others never do.
        let leaves = match row.0 {
            Epoch::END => None,
            Epoch { tick: 0, .. } => Some(row.0),
            Epoch { watermark, .. } => watermark.checked_add(1).map(Epoch::at),
        };
        let at = if epoch >= other && epoch < row.0 { leaves? } else { epoch };
        Some((row, at))
    })
}

/// The pairs that pass a check, and what it could not take.
fn checked<'s>(
    pairs: Changes<'s, Epoch, Pair>,
    columns: &SchemaRef,
    Step { rows: mut check, failed: taken }: Step,
) -> (Changes<'s, Epoch, Pair>, Option<Failing<'s>>) {
    let codec = Codec::of(columns);
    // Pairs that come and go within an epoch fail no check.
    let (pairs, fails) = if taken.is_some() { (pairs.consolidate(), true) } else { (pairs, false) };
    let mut builder = OperatorBuilder::new("Check".to_owned(), pairs.inner.scope());
    let mut input = builder.new_input(pairs.inner, Pipeline);
    builder.set_notify_for(0, FrontierInterest::Never);
    let (good, good_stream) = builder.new_output();
    let (bad, bad_stream) = builder.new_output();
    let mut good = OutputBuilder::<_, Builder<Pair, Epoch>>::from(good);
    let mut bad = OutputBuilder::<_, Builder<crate::delta::Failed, Epoch>>::from(bad);
    builder.build(move |_| {
        move |_| {
            let (mut good, mut bad) = (good.activate(), bad.activate());
            input.for_each_time(|time, updates| {
                let updates: Vec<(Pair, Epoch, i64)> = updates.flat_map(std::mem::take).collect();
                if updates.is_empty() {
                    return;
                }
                let rows: Vec<Bytes> =
                    updates.iter().map(|((left, right), ..)| [left.1.as_slice(), &right.1].concat()).collect();
                let batch = codec.decode(rows.iter().map(Vec::as_slice));
                let numbers: ScalarBuffer<i64> = (1..=updates.len() as i64).collect();
                let mut session = good.session_with_builder(&time);
                for kept in check(Delta::new(batch, Some(numbers))) {
                    let places = (0..kept.len()).map(|row| kept.diff(row) as usize - 1);
                    session.give_iterator(places.map(|place| updates[place].clone()));
                }
                let failed = taken.iter().flat_map(|taken| taken.try_iter()).filter_map(|failed| {
                    let place = usize::try_from(failed.diff).ok()?.checked_sub(1)?;
                    let ((left, right), epoch, diff) = updates.get(place)?;
                    (*epoch < left.0 && *epoch < right.0).then_some((failed, *epoch, *diff))
                });
                bad.session_with_builder(&time).give_iterator(failed);
            });
        }
    });
    (good_stream.as_collection(), fails.then_some(bad_stream))
}
