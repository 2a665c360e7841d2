//! The operator that brings a source's rows into the dataflow: one per source and worker.
//!
//! It has a lane per partition of the process. A process without partitions of the source holds nothing back.
//!
//! Bounded lag: it stops taking rows while more than [`Lag::limit`] rows that it sent at epochs that all inputs have passed
//! are still on their way to views and sinks. Epochs that some input still holds open do not count, they could not arrive:
//! whatever the inputs' watermarks, everything that counts arrives, so no input waits for another here. Nor does it take any
//! while a sink of the process is that far behind which it feeds (or which a source feeds whose rows its own meet: they would pile
//! up there), or too much of what it sent is on its way to another process, whatever its epoch: the queues fill instead, and
//! clients are told so. Sources that have nothing to do with that sink go on.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use timely::dataflow::operators::probe::Handle;
use timely::dataflow::{Scope, Stream};

use super::begins::Begins;
use super::gossip::Gossip;
use super::queue::Item;
use super::sink::Sink;
use super::source::Source;
use crate::delta::Delta;
use crate::operator::{BATCH_ROWS, emitting};
use crate::time::Epoch;

/// Rows taken before the operators downstream get their turn.
pub(super) const ROWS_PER_TURN: usize = 4 * BATCH_ROWS;

/// How soon a source that waits for the operators looks again.
const RETRY: Duration = Duration::from_millis(1);

/// How far the dataflow is, as this worker knows it.
#[derive(Clone, Debug, Default)]
pub(super) struct Probes {
    /// Behind the sources: what every input has passed.
    pub(super) inputs: Handle<Epoch>,
    /// Behind the views and sinks: what has arrived.
    pub(super) outputs: Handle<Epoch>,
    /// What the sinks of this process have to write.
    pub(super) writing: Arc<Vec<Arc<Sink>>>,
}

/// The units that were installed on this worker, as far as sources wait for them.
pub(super) type Followers = Rc<RefCell<Vec<Follower>>>;

/// A unit that is fed by the sources.
#[derive(Debug)]
pub(super) struct Follower {
    pub(super) unit: u64,
    /// What has arrived at its views and sinks.
    pub(super) outputs: Handle<Epoch>,
    pub(super) begins: Rc<Begins>,
    pub(super) sinks: Vec<Arc<Sink>>,
    /// It has come to where it begins: until then it holds nobody back.
    pub(super) caught_up: Cell<bool>,
}

impl Follower {
    /// Whether sources wait for it.
    fn counts(&self) -> bool {
        if !self.caught_up.get() {
            self.caught_up.set(self.begins.at().is_some_and(|begin| !self.outputs.less_than(&begin)));
        }
        self.caught_up.get()
    }
}

/// Rows on their way.
pub(super) struct Lag {
    probes: Probes,
    /// The sinks that hold the source back.
    sinks: Vec<Arc<Sink>>,
    /// Those of units that were installed, if it is a source, by its name.
    followers: Option<(String, Followers)>,
    sent: BTreeMap<Epoch, usize>,
    limit: usize,
}

impl Lag {
    /// Of what a unit reads: its own views and sinks hold it back.
    pub(super) fn of_unit(probes: &Probes, lag_batches: usize) -> Lag {
        let limit = lag_batches * BATCH_ROWS;
        Lag { probes: probes.clone(), sinks: Vec::new(), followers: None, sent: BTreeMap::new(), limit }
    }

    pub(super) fn sent(&mut self, epoch: Epoch, rows: usize) {
        *self.sent.entry(epoch).or_insert(0) += rows;
    }

    /// Whether the operators, or the sinks, have enough to do.
    pub(super) fn full(&mut self) -> bool {
        let followers = self.followers.as_ref().map(|(source, followers)| (source, followers.borrow()));
        let followers = || followers.iter().flat_map(|(source, all)| all.iter().map(move |one| (source, one)));
        let waits =
            |(source, one): (&&String, &Follower)| one.sinks.iter().any(|sink| sink.holds(source) && sink.full());
        if self.sinks.iter().any(|sink| sink.full()) || followers().any(|(source, one)| waits((source, one))) {
            return true;
        }
        let arrived = |epoch: &Epoch| {
            let late = |(_, one): (_, &Follower)| one.counts() && one.outputs.less_equal(epoch);
            !self.probes.outputs.less_equal(epoch) && !followers().any(late)
        };
        while let Some(first) = self.sent.first_entry().filter(|first| arrived(first.key())) {
            first.remove();
        }
        let due = self.sent.iter().take_while(|(epoch, _)| !self.probes.inputs.less_equal(epoch));
        due.map(|(_, rows)| rows).sum::<usize>() > self.limit
    }
}

/// What a source's operators share with those of other processes: its index among the sources, and what they tell.
pub(super) type Peers = Option<(usize, Arc<Gossip>)>;

/// The stream of a source's rows on this worker, whose index among the process's workers is `worker`.
pub(super) fn source<'s>(
    scope: Scope<'s, Epoch>,
    source: &Arc<Source>,
    worker: usize,
    (probes, followers): (&Probes, &Followers),
    lag_batches: usize,
    peers: Peers,
) -> Stream<'s, Epoch, Delta> {
    let (name, lanes) = (format!("Source {}", source.name()), source.partition_count());
    let sinks = probes.writing.iter().filter(|sink| sink.holds(source.name())).cloned().collect();
    let followers = Some((source.name().to_owned(), followers.clone()));
    let limit = lag_batches * BATCH_ROWS;
    let mut lag = Lag { probes: probes.clone(), sinks, followers, sent: BTreeMap::new(), limit };
    let (source, host) = (source.clone(), scope.worker().clone());
    emitting(scope, &name, lanes, None, move |info| {
        let activator = host.activator_for(info.address.clone());
        source.queue(worker).set_worker(host.sync_activator_for(info.address.to_vec()));
        activator.activate();
        let mut items = Vec::new();
        move |emitter, _| {
            if lag.full() || peers.as_ref().is_some_and(|(index, gossip)| gossip.held(*index)) {
                activator.activate_after(RETRY);
                return;
            }
            let more = source.queue(worker).take(ROWS_PER_TURN, &mut items);
            source.freed();
            for item in items.drain(..) {
                match item {
                    // A partition that has ended brings nothing: its end is behind its rows.
                    Item::Rows { partition, .. } if emitter.at(partition).is_none() => {}
                    Item::Rows { epoch, partition, delta } => {
                        lag.sent(epoch, delta.len());
                        if let Some((index, gossip)) = &peers {
                            gossip.give(*index, delta.len(), delta.batch().get_array_memory_size());
                        }
                        emitter.send(partition, epoch, delta);
                    }
                    Item::Advance { partition, epoch } => emitter.advance(partition, epoch),
                    Item::End { partition } => emitter.end(partition),
                }
            }
            if more {
                activator.activate();
            }
        }
    })
}
