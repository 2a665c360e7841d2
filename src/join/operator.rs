//! The shell of operators with two inputs: stages both per epoch, applies whole epochs in order, closes deadlines in
//! between. The same contract as that of one input in `delta/operator.rs`.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use timely::container::{CapacityContainerBuilder, NoopBuilder};
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::{ParallelizationContract, Pipeline};
use timely::dataflow::operators::{Capability, Operator};

use super::arrangement::Arrangement;
use crate::delta::{Delta, Meter, by_columns};
use crate::time::Epoch;

/// A state machine over the epochs of two inputs.
///
/// The shell's order of calls: `close(d)` for every deadline `d` with `Epoch::at(d) <= epoch` comes before
/// `apply(epoch)`, and every `apply` of an epoch before `Epoch::at(d)` comes before `close(d)`.
pub trait Paired {
    /// Takes in all rows of one epoch, left and right; answers the changes of that epoch. Epochs ascend.
    fn apply(&mut self, epoch: Epoch, inputs: [Vec<Delta>; 2]) -> Vec<Delta>;

    /// The watermark at which something is to be answered without further input: above the last epoch applied.
    fn deadline(&self) -> Option<i64>;

    /// The watermark reached the `deadline`: answers the changes of `Epoch::at(deadline)`.
    fn close(&mut self, deadline: i64) -> Vec<Delta>;

    /// No row of an epoch below `watermark` will be applied any more: frees what only such rows could need.
    fn expire(&mut self, watermark: i64);

    /// How many rows are held.
    fn held(&self) -> usize;

    /// Memory held, in bytes, about.
    fn bytes(&self) -> usize;
}

/// Runs a [`Paired`] over two streams, each routed by the hash of its `keys`.
///
/// One capability is held, at the earliest deadline.
pub fn paired<'s, S>(
    left: Stream<'s, Epoch, Delta>,
    right: Stream<'s, Epoch, Delta>,
    keys: [Vec<usize>; 2],
    name: &str,
    state: S,
) -> Stream<'s, Epoch, Delta>
where
    S: Paired + 'static,
{
    let [left_keys, right_keys] = keys;
    run(left, right, by_columns(left_keys), by_columns(right_keys), name, state)
}

fn run<'s, S, P, Q>(
    left: Stream<'s, Epoch, Delta>,
    right: Stream<'s, Epoch, Delta>,
    left_pact: P,
    right_pact: Q,
    name: &str,
    mut state: S,
) -> Stream<'s, Epoch, Delta>
where
    S: Paired + 'static,
    P: ParallelizationContract<Epoch, Delta>,
    Q: ParallelizationContract<Epoch, Delta>,
{
    let worker = left.scope().worker().clone();
    left.binary_frontier::<_, NoopBuilder<Delta>, _, _, _, _>(
        right,
        left_pact,
        right_pact,
        name,
        move |initial, info| {
            drop(initial);
            let mut meter = Meter::new(&worker, &info);
            let mut staged: BTreeMap<Epoch, (Capability<Epoch>, [Vec<Delta>; 2])> = BTreeMap::new();
            let mut held: Option<Capability<Epoch>> = None;
            move |(left, left_frontier), (right, right_frontier), output| {
                left.for_each_time(|time, deltas| {
                    let (_, [rows, _]) =
                        staged.entry(*time.time()).or_insert_with(|| (time.retain(0), Default::default()));
                    rows.extend(deltas.map(std::mem::take).filter(|delta| !delta.is_empty()));
                });
                right.for_each_time(|time, deltas| {
                    let (_, [_, rows]) =
                        staged.entry(*time.time()).or_insert_with(|| (time.retain(0), Default::default()));
                    rows.extend(deltas.map(std::mem::take).filter(|delta| !delta.is_empty()));
                });
                let frontiers = [left_frontier, right_frontier].map(|frontier| frontier.frontier().first().copied());
                let frontier = frontiers.into_iter().flatten().min();
                let mut worked = 0;
                loop {
                    let passed = |epoch: Epoch| frontier.is_none_or(|frontier| epoch < frontier);
                    let reached = |epoch: Epoch| frontier.is_none_or(|frontier| epoch <= frontier);
                    let epoch = staged.keys().next().copied().filter(|&epoch| passed(epoch));
                    let due = state.deadline().filter(|&due| reached(Epoch::at(due)));
                    let (now, changes) = match (epoch, due) {
                        (Some(epoch), due) if due.is_none_or(|due| epoch < Epoch::at(due)) => {
                            let Some((capability, rows)) = staged.remove(&epoch) else {
                                unreachable!("it was just found")
                            };
                            worked += rows.iter().flatten().map(Delta::len).sum::<usize>();
                            let changes = state.apply(epoch, rows);
                            (capability, changes)
                        }
                        (_, Some(due)) => {
                            let Some(capability) = held.take() else { unreachable!("a deadline has its capability") };
                            let changes = state.close(due);
                            (capability, changes)
                        }
                        _ => break,
                    };
                    let mut session = output.session_with_builder(&now);
                    let changes = changes.into_iter().filter(|delta| !delta.is_empty());
                    changes.for_each(|mut delta| session.give_container(&mut delta));
                    drop(session);
                    // Whatever was held is at or before the next deadline, or `now` is.
                    held = state.deadline().map(Epoch::at).map(|next| match held.take() {
                        Some(earlier) if *earlier.time() <= next => earlier.delayed(&next),
                        _ => now.delayed(&next),
                    });
                }
                let watermark = frontier.map_or(i64::MAX, |epoch| epoch.watermark);
                state.expire(watermark);
                meter.tell(watermark, worked, state.held(), || state.bytes());
            }
        },
    )
}

/// An arrangement as it runs: what it holds on this worker, and a stream of the epochs that it has taken in.
#[derive(Clone)]
pub struct Arranged<'s> {
    epochs: Stream<'s, Epoch, Vec<Epoch>>,
    rows: Rc<RefCell<Arrangement>>,
}

impl std::fmt::Debug for Arranged<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Arranged").field("rows", &self.rows).finish_non_exhaustive()
    }
}

/// Runs an arrangement over a stream, routed by the hash of its `keys`.
pub fn arranged<'s>(stream: Stream<'s, Epoch, Delta>, keys: Vec<usize>, rows: Arrangement) -> Arranged<'s> {
    let rows = Rc::new(RefCell::new(rows));
    let (worker, own) = (stream.scope().worker().clone(), rows.clone());
    let pact = by_columns(keys);
    type Builder = CapacityContainerBuilder<Vec<Epoch>>;
    let epochs = stream.unary_frontier::<Builder, _, _, _>(pact, "Arrange", move |initial, info| {
        drop(initial);
        let mut meter = Meter::new(&worker, &info);
        let mut staged: BTreeMap<Epoch, (Capability<Epoch>, Vec<Delta>)> = BTreeMap::new();
        move |(input, frontier), output| {
            input.for_each_time(|time, deltas| {
                let (_, rows) = staged.entry(*time.time()).or_insert_with(|| (time.retain(0), Vec::new()));
                rows.extend(deltas.map(std::mem::take).filter(|delta| !delta.is_empty()));
            });
            let (mut rows, mut worked) = (own.borrow_mut(), 0);
            while let Some(entry) = staged.first_entry().filter(|entry| !frontier.less_equal(entry.key())) {
                let (epoch, (capability, deltas)) = entry.remove_entry();
                worked += deltas.iter().map(Delta::len).sum::<usize>();
                rows.apply(epoch, &deltas);
                output.session(&capability).give(epoch);
            }
            let watermark = frontier.frontier().first().map_or(i64::MAX, |epoch| epoch.watermark);
            meter.tell(watermark, worked, rows.len(), || rows.bytes());
        }
    });
    Arranged { epochs, rows }
}

/// What `step` makes of two arrangements, which are not the same one, at each epoch that either has taken in.
pub fn met<'s>(
    left: &Arranged<'s>,
    right: &Arranged<'s>,
    name: &str,
    mut step: impl FnMut(Epoch, &mut Arrangement, &mut Arrangement) -> Vec<Delta> + 'static,
) -> Stream<'s, Epoch, Delta> {
    let readers = [left, right].map(|arranged| arranged.rows.borrow_mut().reader());
    let [left_rows, right_rows] = [left, right].map(|arranged| arranged.rows.clone());
    let mut open: BTreeMap<Epoch, Capability<Epoch>> = BTreeMap::new();
    left.epochs.clone().binary_frontier::<_, NoopBuilder<Delta>, _, _, _, _>(
        right.epochs.clone(),
        Pipeline,
        Pipeline,
        name,
        move |initial, _| {
            drop(initial);
            move |(left, left_frontier), (right, right_frontier), output| {
                left.for_each_time(|time, _| {
                    open.entry(*time.time()).or_insert_with(|| time.retain(0));
                });
                right.for_each_time(|time, _| {
                    open.entry(*time.time()).or_insert_with(|| time.retain(0));
                });
                let frontiers = [left_frontier, right_frontier].map(|frontier| frontier.frontier().first().copied());
                let frontier = frontiers.into_iter().flatten().min();
                let (mut left, mut right) = (left_rows.borrow_mut(), right_rows.borrow_mut());
                while let Some(entry) = open.first_entry().filter(|entry| frontier.is_none_or(|f| *entry.key() < f)) {
                    let (epoch, capability) = entry.remove_entry();
                    let mut session = output.session_with_builder(&capability);
                    let changes = step(epoch, &mut left, &mut right).into_iter();
                    changes.filter(|delta| !delta.is_empty()).for_each(|mut delta| session.give_container(&mut delta));
                }
                let passed = frontier.unwrap_or(Epoch::MAX);
                left.pass(readers[0], passed);
                right.pass(readers[1], passed);
            }
        },
    )
}
