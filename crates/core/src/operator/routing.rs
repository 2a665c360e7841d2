//! Which worker a row goes to.
//!
//! Invariant: rows with equal keys reach the same worker, whatever batch, worker or process they come from.

use std::rc::Rc;

use arrow_array::UInt32Array;
use timely::communication::{Pull, Push};
use timely::dataflow::channels::Message;
use timely::dataflow::channels::pact::{DistributorPact, ParallelizationContract, Pipeline};
use timely::dataflow::channels::pushers::exchange::Distributor;
use timely::logging::TimelyLogger;
use timely::worker::Worker;

use crate::delta::Delta;
use crate::delta::words::hash_rows;
use crate::time::Epoch;

/// Rows gathered for a peer before they are sent, unless the sender is done before.
const ROWS_PER_MESSAGE: usize = 4096;
/// A part of so many rows is sent as it is, uncopied, if nothing is gathered.
const ROWS_ALONE: usize = 1024;

/// Where an operator's rows are worked on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// On the worker that they are on.
    Here,
    /// By the hash of these columns (NULLs are equal); of no columns: all on the first worker. One worker: nothing is split.
    ///
    /// Small parts are gathered until the sender is done with its session. An `InputHandle` is done when it is advanced: do
    /// not step the worker between `send_batch` and `advance_to`, or timely takes what is gathered for sent.
    ByColumns(Vec<usize>),
    /// All on the worker of that index.
    ToWorker(usize),
}

type Pusher = Box<dyn Push<Message<Epoch, Delta>>>;
type Puller = Box<dyn Pull<Message<Epoch, Delta>>>;

impl ParallelizationContract<Epoch, Delta> for Route {
    type Pusher = Pusher;
    type Puller = Puller;

    fn connect(
        self,
        worker: &Worker,
        identifier: usize,
        address: Rc<[usize]>,
        logging: Option<TimelyLogger>,
    ) -> (Self::Pusher, Self::Puller) {
        fn boxed<P: ParallelizationContract<Epoch, Delta>>(
            pact: P,
            (worker, identifier, address, logging): (&Worker, usize, Rc<[usize]>, Option<TimelyLogger>),
        ) -> (Pusher, Puller) {
            let (push, pull) = pact.connect(worker, identifier, address, logging);
            (Box::new(push), Box::new(pull))
        }
        let channel = (worker, identifier, address, logging);
        match self {
            Route::Here => boxed(Pipeline, channel),
            Route::ByColumns(columns) => boxed(DistributorPact(|peers| Spread::new(columns, peers)), channel),
            Route::ToWorker(index) => boxed(DistributorPact(|_| Gather(index)), channel),
        }
    }
}

/// Splits batches by key.
#[derive(Debug)]
struct Spread {
    columns: Vec<usize>,
    /// Per peer: the rows and how many they are.
    buffers: Vec<(usize, Vec<Delta>)>,
}

impl Spread {
    fn new(columns: Vec<usize>, peers: usize) -> Spread {
        Spread { columns, buffers: (0..peers).map(|_| (0, Vec::new())).collect() }
    }

    fn split(&self, delta: Delta) -> Vec<(usize, Delta)> {
        deal(delta, &self.columns, self.buffers.len())
    }
}

/// The rows for each peer, by the hash of these columns; of no columns: all for the first. One `take` puts the rows side by
/// side, then each peer gets a slice.
pub fn deal(delta: Delta, columns: &[usize], peers: usize) -> Vec<(usize, Delta)> {
    let rows = delta.len();
    if columns.is_empty() {
        return vec![(0, delta)];
    }
    let keys: Vec<_> = columns.iter().map(|&column| delta.batch().column(column).clone()).collect();
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

/// Sends everything to one worker.
#[derive(Debug)]
struct Gather(usize);

impl Distributor<Delta> for Gather {
    fn partition<T: Clone, P: Push<Message<T, Delta>>>(&mut self, container: &mut Delta, time: &T, pushers: &mut [P]) {
        let index = self.0 % pushers.len();
        Message::push_at(container, time.clone(), &mut pushers[index]);
    }

    fn flush<T: Clone, P: Push<Message<T, Delta>>>(&mut self, _: &T, _: &mut [P]) {}
}
