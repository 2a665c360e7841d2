//! [`Delta`] as a timely container: how it is counted, how it crosses processes, how it is routed to workers; and the
//! shell that runs a [`Stateful`].
//!
//! Invariant of routing: rows with equal keys reach the same worker, whatever batch, worker or process they come from.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arrow_array::UInt32Array;
use timely::Accountable;
use timely::communication::Push;
use timely::container::{CapacityContainerBuilder, NoopBuilder};
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::{DistributorPact, ParallelizationContract, Pipeline};
use timely::dataflow::channels::pushers::exchange::Distributor;
use timely::dataflow::channels::{ContainerBytes, Message};
use timely::dataflow::operators::generic::OperatorInfo;
use timely::dataflow::operators::{Capability, Operator};
use timely::logging_core::Logger;
use timely::worker::Worker;

use super::words::hash_rows;
use super::{Delta, Stateful, Windows, wire};
use crate::time::Epoch;

/// Rows gathered for a peer before they are sent, unless the sender is done before.
const ROWS_PER_MESSAGE: usize = 4096;
/// A part of so many rows is sent as it is, uncopied, if nothing is gathered.
const ROWS_ALONE: usize = 1024;

impl Accountable for Delta {
    fn record_count(&self) -> i64 {
        self.len() as i64
    }
}

impl ContainerBytes for Delta {
    fn from_bytes(bytes: timely::bytes::arc::Bytes) -> Self {
        wire::from_bytes(&bytes)
    }

    fn length_in_bytes(&self) -> usize {
        wire::length(self)
    }

    fn into_bytes<W: std::io::Write>(&self, writer: &mut W) {
        wire::encode(self, writer);
    }
}

/// Routes rows by the hash of `columns` (NULLs are equal); of no columns: all to the first worker. One
/// worker: nothing is split.
///
/// Small parts are gathered until the sender is done with its session. An `InputHandle` is done when it is advanced: do not
/// step the worker between `send_batch` and `advance_to`, or timely takes what is gathered for sent.
pub fn by_columns(columns: Vec<usize>) -> DistributorPact<Box<dyn FnOnce(usize) -> Spread>> {
    DistributorPact(Box::new(move |peers| Spread { columns, buffers: (0..peers).map(|_| (0, Vec::new())).collect() }))
}

/// Routes all rows to the worker of that index.
pub fn to_worker(index: usize) -> DistributorPact<Box<dyn FnOnce(usize) -> Gather>> {
    DistributorPact(Box::new(move |_| Gather(index)))
}

/// Splits batches by key, for [`by_columns`].
#[derive(Debug)]
pub struct Spread {
    columns: Vec<usize>,
    /// Per peer: the rows and how many they are.
    buffers: Vec<(usize, Vec<Delta>)>,
}

impl Spread {
    /// The rows for each peer: one `take` puts them side by side, then each peer gets a slice.
    fn split(&self, delta: Delta) -> Vec<(usize, Delta)> {
        let (rows, peers) = (delta.len(), self.buffers.len());
        if self.columns.is_empty() {
            return vec![(0, delta)];
        }
        let keys: Vec<_> = self.columns.iter().map(|&column| delta.batch().column(column).clone()).collect();
        let peer_of: Vec<u32> = hash_rows(&keys, rows).into_iter().map(|hash| peer(hash, peers)).collect();
        let mut starts = vec![0; peers + 1];
        peer_of.iter().for_each(|&peer| starts[peer as usize + 1] += 1);
        (0..peers).for_each(|peer| starts[peer + 1] += starts[peer]);
        if let Some(all) = (0..peers).find(|&peer| starts[peer + 1] - starts[peer] == rows) {
            return vec![(all, delta)];
        }
        let (mut order, mut next) = (vec![0u32; rows], starts.clone());
        for (row, &peer) in peer_of.iter().enumerate() {
            order[next[peer as usize]] = row as u32;
            next[peer as usize] += 1;
        }
        let sorted = delta.take(&UInt32Array::from(order));
        let part = |peer: usize| (peer, sorted.slice(starts[peer], starts[peer + 1] - starts[peer]));
        (0..peers).map(part).filter(|(_, part)| !part.is_empty()).collect()
    }
}

/// Which worker a hash belongs to: bits 30 to 43, which neither slot nor tag of a table of fewer than 2^30 groups uses.
fn peer(hash: u64, peers: usize) -> u32 {
    ((u128::from(hash.rotate_left(20)) * peers as u128) >> 64) as u32
}

impl Distributor<Delta> for Spread {
    fn partition<T: Clone, P: Push<Message<T, Delta>>>(&mut self, container: &mut Delta, time: &T, pushers: &mut [P]) {
        for (peer, part) in self.split(std::mem::take(container)) {
            let (rows, parts) = &mut self.buffers[peer];
            *rows += part.len();
            parts.push(part);
            if *rows >= if parts.len() == 1 { ROWS_ALONE } else { ROWS_PER_MESSAGE } {
                send(std::mem::take(&mut self.buffers[peer]).1, time, &mut pushers[peer]);
            }
        }
    }

    fn flush<T: Clone, P: Push<Message<T, Delta>>>(&mut self, time: &T, pushers: &mut [P]) {
        for (buffer, pusher) in self.buffers.iter_mut().zip(pushers) {
            send(std::mem::take(buffer).1, time, pusher);
        }
    }
}

fn send<T: Clone, P: Push<Message<T, Delta>>>(parts: Vec<Delta>, time: &T, pusher: &mut P) {
    if let Some(first) = parts.first() {
        let mut whole = Delta::concat(&first.batch().schema(), &parts);
        Message::push_at(&mut whole, time.clone(), pusher);
    }
}

/// Sends everything to one worker, for [`to_worker`].
#[derive(Debug)]
pub struct Gather(usize);

impl Distributor<Delta> for Gather {
    fn partition<T: Clone, P: Push<Message<T, Delta>>>(&mut self, container: &mut Delta, time: &T, pushers: &mut [P]) {
        let index = self.0 % pushers.len();
        Message::push_at(container, time.clone(), &mut pushers[index]);
    }

    fn flush<T: Clone, P: Push<Message<T, Delta>>>(&mut self, _: &T, _: &mut [P]) {}
}

/// Changes each delta on its own, where it is.
pub fn stateless<'s, F>(input: Stream<'s, Epoch, Delta>, name: &str, mut change: F) -> Stream<'s, Epoch, Delta>
where
    F: FnMut(Delta) -> Vec<Delta> + 'static,
{
    input.unary::<NoopBuilder<Delta>, _, _, _>(Pipeline, name, |_, _| {
        move |input, output| {
            input.for_each_time(|time, deltas| {
                let mut session = output.session_with_builder(&time);
                let changed = deltas.map(std::mem::take).flat_map(&mut change);
                changed.filter(|delta| !delta.is_empty()).for_each(|mut delta| session.give_container(&mut delta));
            });
        }
    })
}

/// Runs a [`Stateful`] over a stream: stages rows per epoch, applies whole epochs in order, closes deadlines in between.
///
/// One capability is held, at the earliest deadline.
pub fn stateful<'s, P>(
    input: Stream<'s, Epoch, Delta>,
    pact: P,
    name: &str,
    mut state: Box<dyn Stateful>,
) -> Stream<'s, Epoch, Delta>
where
    P: ParallelizationContract<Epoch, Delta>,
{
    let worker = input.scope().worker().clone();
    input.unary_frontier::<NoopBuilder<Delta>, _, _, _>(pact, name, move |initial, info| {
        let mut meter = Meter::new(&worker, &info);
        let mut staged: BTreeMap<Epoch, (Capability<Epoch>, Vec<Delta>)> = BTreeMap::new();
        if state.starts() && worker.index() == 0 {
            staged.insert(*initial.time(), (initial, Vec::new()));
        }
        let mut held: Option<Capability<Epoch>> = None;
        move |(input, frontier), output| {
            input.for_each_time(|time, deltas| {
                let (_, rows) = staged.entry(*time.time()).or_insert_with(|| (time.retain(0), Vec::new()));
                rows.extend(deltas.map(std::mem::take).filter(|delta| !delta.is_empty()));
            });
            let mut worked = 0;
            let reached = frontier.frontier().first().map_or(i64::MAX, |epoch| epoch.watermark);
            loop {
                let epoch = staged.keys().next().copied().filter(|epoch| !frontier.less_equal(epoch));
                let until = epoch.map_or(reached, |epoch| epoch.watermark);
                let (now, changes) = match (state.deadline().filter(|due| *due <= until), epoch) {
                    (Some(_), _) => {
                        let Some(capability) = held.take() else { unreachable!("a deadline has its capability") };
                        let changes = state.close_until(until).into_iter();
                        (capability, changes.map(|(deadline, deltas)| (Epoch::at(deadline), deltas)).collect())
                    }
                    (None, Some(epoch)) => {
                        let Some((capability, rows)) = staged.remove(&epoch) else { unreachable!("it was just found") };
                        worked += rows.iter().map(Delta::len).sum::<usize>();
                        (capability, vec![(epoch, state.apply(epoch, rows))])
                    }
                    (None, None) => break,
                };
                for (epoch, deltas) in changes {
                    let mut deltas = deltas.into_iter().filter(|delta| !delta.is_empty()).peekable();
                    if deltas.peek().is_some() {
                        let now = now.delayed(&epoch);
                        let mut session = output.session_with_builder(&now);
                        deltas.for_each(|mut delta| session.give_container(&mut delta));
                    }
                }
                // Whatever was held is at or before the next deadline, or `now` is.
                held = state.deadline().map(Epoch::at).map(|next| match held.take() {
                    Some(earlier) if *earlier.time() <= next => earlier.delayed(&next),
                    _ => now.delayed(&next),
                });
            }
            state.expire(reached);
            let held = state.held();
            meter.tell_with(reached, worked, held, || state.bytes(), || state.windows(reached));
        }
    })
}

/// The name of the log that operators tell in what they hold; whoever listens to it gets [`Held`] events.
pub const STATE_LOG: &str = "highwater/state";

/// The builder of [`STATE_LOG`].
pub type StateLog = CapacityContainerBuilder<Vec<(Duration, Held)>>;

/// What an operator holds on this worker now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// The operator's identifier in timely's log.
    pub operator: usize,
    /// Groups, sessions, rows.
    pub rows: usize,
    /// Bytes, about.
    pub bytes: usize,
    /// The watermark of its inputs, in ms.
    pub watermark: i64,
    /// The windows that are open.
    pub windows: Option<Arc<Windows>>,
}

/// An operator's way to tell what it holds. Costs nothing while nobody listens or nothing changes.
///
/// Bytes are counted anew when the rows held are an eighth more or fewer, and when so many rows were taken that, at
/// [`LEAST_BYTES`] each, the bytes may have doubled: so counting costs a few instructions a row, however large the state is.
pub struct Meter {
    log: Option<Logger<StateLog>>,
    last: Held,
    /// Rows held when the bytes were counted, and rows taken since.
    counted: usize,
    worked: usize,
}

/// What a row adds to a state at least, as [`Meter`] assumes.
const LEAST_BYTES: usize = 16;

/// States so small are counted every time.
const SMALL_BYTES: usize = 64 << 10;

impl std::fmt::Debug for Meter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Meter").field("last", &self.last).finish_non_exhaustive()
    }
}

impl Meter {
    /// For the operator that `info` is of.
    pub fn new(worker: &Worker, info: &OperatorInfo) -> Meter {
        let last = Held { operator: info.global_id, rows: 0, bytes: 0, watermark: i64::MIN, windows: None };
        Meter { log: worker.logger_for::<StateLog>(STATE_LOG), last, counted: 0, worked: 0 }
    }

    /// Tells what is held at this watermark, after `worked` more rows were taken, if that is news.
    pub fn tell(&mut self, watermark: i64, worked: usize, rows: usize, bytes: impl FnOnce() -> usize) {
        self.tell_with(watermark, worked, rows, bytes, || None);
    }

    /// The same, and which windows are open.
    pub fn tell_with(
        &mut self,
        watermark: i64,
        worked: usize,
        rows: usize,
        bytes: impl FnOnce() -> usize,
        windows: impl FnOnce() -> Option<Windows>,
    ) {
        let Some(log) = &self.log else { return };
        if worked == 0 && rows == self.last.rows && watermark == self.last.watermark {
            return;
        }
        self.worked = self.worked.saturating_add(worked);
        let moved = rows.abs_diff(self.counted) > self.counted / 8;
        let grown = self.last.bytes < SMALL_BYTES || self.worked.saturating_mul(LEAST_BYTES) >= self.last.bytes;
        let mut now = Held { rows, watermark, ..self.last.clone() };
        let windows = windows();
        if windows.as_ref() != now.windows.as_deref() {
            now.windows = windows.map(Arc::new);
        }
        if moved || grown && worked > 0 {
            (now.bytes, self.counted, self.worked) = (bytes(), rows, 0);
        }
        if now != self.last {
            self.last = now.clone();
            log.log(now);
        }
    }
}
