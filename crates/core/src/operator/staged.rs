//! What has come of epochs that are not complete yet.

use std::collections::BTreeMap;

use timely::dataflow::operators::Capability;

use crate::delta::Delta;
use crate::time::Epoch;

/// Rows by epoch and input, and the capability to send at that epoch.
pub(super) struct Staged {
    inputs: usize,
    epochs: BTreeMap<Epoch, (Capability<Epoch>, Vec<Vec<Delta>>)>,
}

impl Staged {
    /// Nothing of so many inputs.
    pub(super) fn new(inputs: usize) -> Staged {
        Staged { inputs, epochs: BTreeMap::new() }
    }

    /// Takes rows that have come at an epoch by one input; `capability` is asked for at the first of an epoch.
    pub(super) fn add(
        &mut self,
        (epoch, input): (Epoch, usize),
        capability: impl FnOnce() -> Capability<Epoch>,
        rows: impl Iterator<Item = Delta>,
    ) {
        let inputs = self.inputs;
        let (_, staged) = self.epochs.entry(epoch).or_insert_with(|| (capability(), vec![Vec::new(); inputs]));
        staged[input].extend(rows.filter(|delta| !delta.is_empty()));
    }

    /// The first epoch that is complete.
    pub(super) fn first_before(&self, frontier: Epoch) -> Option<Epoch> {
        self.epochs.keys().next().copied().filter(|epoch| *epoch < frontier)
    }

    /// What has come of an epoch, which is complete.
    pub(super) fn take(&mut self, epoch: Epoch) -> (Capability<Epoch>, Vec<Vec<Delta>>) {
        match self.epochs.remove(&epoch) {
            Some(staged) => staged,
            None => unreachable!("the epoch was just found"),
        }
    }
}
