//! Brings a stream's changes to one worker and hands them on by whole epochs, in order: what views and sinks stand on.

use timely::dataflow::Stream;
use timely::dataflow::operators::probe::{Handle, Probe};

use crate::delta::Delta;
use crate::operator::{KeepsNothing, Route, Stateful, only, stateful};
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
    handed_over(stream, Route::ToWorker(target), name, collect, outputs);
}

/// Hands over what is on this worker.
pub(super) fn keep(stream: Stream<'_, Epoch, Delta>, name: &str, collect: Box<dyn Collect>, outputs: &Handle<Epoch>) {
    handed_over(stream, Route::Here, name, Some(collect), outputs);
}

fn handed_over(
    stream: Stream<'_, Epoch, Delta>,
    route: Route,
    name: &str,
    collect: Option<Box<dyn Collect>>,
    outputs: &Handle<Epoch>,
) {
    let state = Gathered { collect, epochs: Vec::new(), told: Epoch::MIN };
    stateful(vec![(stream, route)], name, Box::new(state)).probe_with(outputs);
}

/// The epochs that are complete since the last time.
struct Gathered {
    collect: Option<Box<dyn Collect>>,
    epochs: Vec<(Epoch, Vec<Delta>)>,
    told: Epoch,
}

/// Nothing: what is gathered has been handed on.
impl KeepsNothing for Gathered {}

impl Stateful for Gathered {
    fn apply(&mut self, epoch: Epoch, inputs: &mut [Vec<Delta>]) -> Vec<Delta> {
        let changes = only(inputs);
        if !changes.is_empty() {
            self.epochs.push((epoch, changes));
        }
        Vec::new()
    }

    /// What is gathered is handed on at once.
    fn held(&self) -> usize {
        0
    }

    fn bytes(&self) -> usize {
        0
    }

    fn expire(&mut self, frontier: Epoch) {
        let epochs = std::mem::take(&mut self.epochs);
        if frontier > self.told {
            self.told = frontier;
            if let Some(collect) = &mut self.collect {
                collect.collect(epochs, frontier);
            }
        }
    }
}
