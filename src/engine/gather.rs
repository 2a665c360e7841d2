//! Brings a stream's changes to one worker and hands them on by whole epochs, in order: what views and sinks stand on.

use std::collections::BTreeMap;

use timely::container::NoopBuilder;
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::{ParallelizationContract, Pipeline};
use timely::dataflow::operators::Operator;
use timely::dataflow::operators::probe::{Handle, Probe};

use crate::delta::{Delta, to_worker};
use crate::time::Epoch;

/// Takes what a stream has brought: the complete epochs with changes, ascending, then how far it is (everything before that
/// epoch was handed over). Called when that moves, on the one worker that gathers.
pub(super) trait Collect {
    /// See [`Collect`].
    fn collect(&mut self, epochs: Vec<(Epoch, Vec<Delta>)>, as_of: Epoch);
}

/// Gathers on the worker with index `target` among all; `collect` is there on that worker only.
pub(super) fn gather(
    stream: Stream<'_, Epoch, Delta>,
    name: &str,
    target: usize,
    collect: Option<Box<dyn Collect>>,
    outputs: &Handle<Epoch>,
) {
    staged(stream, to_worker(target), name, collect, outputs);
}

/// Hands over what is on this worker.
pub(super) fn keep(stream: Stream<'_, Epoch, Delta>, name: &str, collect: Box<dyn Collect>, outputs: &Handle<Epoch>) {
    staged(stream, Pipeline, name, Some(collect), outputs);
}

fn staged<P>(
    stream: Stream<'_, Epoch, Delta>,
    pact: P,
    name: &str,
    mut collect: Option<Box<dyn Collect>>,
    outputs: &Handle<Epoch>,
) where
    P: ParallelizationContract<Epoch, Delta>,
{
    let mut open: BTreeMap<Epoch, Vec<Delta>> = BTreeMap::new();
    let mut told = Epoch::MIN;
    let done = stream.unary_frontier::<NoopBuilder<Delta>, _, _, _>(pact, name, |capability, _| {
        drop(capability);
        move |(input, frontier), _output| {
            input.for_each_time(|time, deltas| {
                let waiting = open.entry(*time.time()).or_default();
                waiting.extend(deltas.map(std::mem::take).filter(|delta| !delta.is_empty()));
            });
            let as_of = frontier.frontier().first().copied().unwrap_or(Epoch::END);
            if as_of > told {
                told = as_of;
                let still_open = open.split_off(&as_of);
                let closed = std::mem::replace(&mut open, still_open);
                if let Some(collect) = &mut collect {
                    collect.collect(closed.into_iter().filter(|(_, deltas)| !deltas.is_empty()).collect(), as_of);
                }
            }
        }
    });
    done.probe_with(outputs);
}
