//! What the processes of a cluster tell each other about busy inputs, so that an idle input of one follows the busy ones of
//! the others (W6).
//!
//! A dataflow of its own, without progress: whenever the least watermark of a process's busy inputs changes, its first
//! worker sends it to the first worker of every process. It ends when all processes' sources have ended.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use timely::container::CapacityContainerBuilder;
use timely::dataflow::channels::pact::Exchange;
use timely::dataflow::operators::Operator;
use timely::dataflow::operators::generic::operator::source;
use timely::scheduling::SyncActivator;
use timely::worker::Worker;

use super::config::Config;
use crate::time::Epoch;

/// No busy input.
const NONE: i64 = i64::MAX;

/// To which worker, from which process, what.
type Word = (u64, u64, i64);

/// What is known of the busy inputs of every process.
#[derive(Default)]
pub(super) struct Gossip {
    /// Per process the least watermark of its busy inputs.
    busy: Vec<AtomicI64>,
    process: usize,
    over: AtomicBool,
    activator: Mutex<Option<SyncActivator>>,
}

impl Gossip {
    pub(super) fn new(config: &Config) -> Gossip {
        let busy = (0..config.processes()).map(|_| AtomicI64::new(NONE)).collect();
        Gossip { busy, process: config.process, ..Gossip::default() }
    }

    /// Tells of this process's busy inputs; answers the least watermark of all processes' busy inputs.
    pub(super) fn exchange(&self, own: Option<i64>) -> Option<i64> {
        let own = own.unwrap_or(NONE);
        if self.busy[self.process].swap(own, Ordering::AcqRel) != own {
            self.wake();
        }
        self.busy.iter().map(|busy| busy.load(Ordering::Acquire)).min().filter(|least| *least != NONE)
    }

    /// This process has nothing to tell any more.
    pub(super) fn end(&self) {
        self.over.store(true, Ordering::Release);
        self.wake();
    }

    fn wake(&self) {
        if let Some(activator) = &*self.activator.lock().unwrap_or_else(PoisonError::into_inner) {
            // A worker that is gone needs no waking.
            let _ = activator.activate();
        }
    }

    /// Builds the dataflow; every worker must, if there are several processes.
    pub(super) fn build(self: &Arc<Gossip>, worker: &mut Worker, config: &Config) {
        let (processes, workers) = (config.processes() as u64, config.workers as u64);
        let first = worker.index() == config.process * config.workers;
        worker.dataflow_named::<Epoch, _, _>("gossip", |scope| {
            let gossip = self.clone();
            let words = source::<_, CapacityContainerBuilder<Vec<Word>>, _, _>(scope, "Tell", |capability, info| {
                if first {
                    let activator = scope.worker().sync_activator_for(info.address.to_vec());
                    *gossip.activator.lock().unwrap_or_else(PoisonError::into_inner) = Some(activator);
                }
                let mut capability = Some(capability).filter(|_| first);
                let mut told = NONE;
                move |output| {
                    let Some(held) = &capability else { return };
                    let over = gossip.over.load(Ordering::Acquire);
                    let own = if over { NONE } else { gossip.busy[gossip.process].load(Ordering::Acquire) };
                    if own != told {
                        told = own;
                        let from = gossip.process as u64;
                        let to = (0..processes).filter(|process| *process != from);
                        output.session(held).give_iterator(to.map(|process| (process * workers, from, own)));
                    }
                    if over {
                        capability = None;
                    }
                }
            });
            let gossip = self.clone();
            let to_first = Exchange::new(|word: &Word| word.0);
            words.sink(to_first, "Hear", move |(input, _frontier)| {
                input.for_each_time(|_, words| {
                    for (_, from, busy) in words.flat_map(|words| words.drain(..)) {
                        if let Some(known) = gossip.busy.get(from as usize) {
                            known.store(busy, Ordering::Release);
                        }
                    }
                });
            });
        });
    }
}
