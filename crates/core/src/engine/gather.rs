//! Brings a stream's changes to one worker and hands them on by whole epochs, in order: what views and sinks stand on.

use arrow_array::RecordBatch;
use timely::dataflow::Stream;
use timely::dataflow::operators::probe::{Handle, Probe};

use crate::delta::{Delta, Unfit};
use crate::operator::{Route, Saved, Saving, Section, Stateful, only, stateful};
use crate::time::Epoch;

/// Takes what a stream has brought: the complete epochs with changes, ascending, then how far it is (everything before that
/// epoch was handed over). Called when that moves, on the one worker that gathers.
pub(super) trait Collect {
    /// See [`Collect`].
    fn collect(&mut self, epochs: Vec<(Epoch, Vec<Delta>)>, as_of: Epoch);

    /// The sections of what is saved of it with the operators.
    fn sections(&self) -> Vec<Section> {
        Vec::new()
    }

    /// What is saved of it.
    fn kept(&mut self) -> Option<&mut dyn Saved> {
        None
    }
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

impl Gathered {
    fn kept(&mut self) -> Option<&mut dyn Saved> {
        self.collect.as_mut().and_then(|collect| collect.kept())
    }
}

/// What is gathered has been handed on: what is kept is what that was handed to.
impl Saved for Gathered {
    fn sections(&self) -> Vec<Section> {
        self.collect.as_ref().map(|collect| collect.sections()).unwrap_or_default()
    }

    fn begin(&mut self) -> Saving {
        self.kept().map(|kept| kept.begin()).unwrap_or_default()
    }

    fn take(&mut self, section: usize, rows: &RecordBatch) -> Result<(), Unfit> {
        self.kept().map_or(Ok(()), |kept| kept.take(section, rows))
    }

    fn loaded(&mut self, cut: Epoch) {
        self.told = cut;
        if let Some(kept) = self.kept() {
            kept.loaded(cut);
        }
    }
}

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
