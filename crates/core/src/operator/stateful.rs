//! What an operator with state is, without timely: it is handed whole epochs in order and told when time has passed.
//!
//! `shell.rs` is the one shell that runs it: everything a [`Stateful`] sees and returns is a function of its inputs' epochs
//! and of nothing else.

use super::{Saved, Windows};
use crate::delta::Delta;
use crate::time::Epoch;

/// A state machine over the epochs of its inputs.
///
/// The shell's order of calls: every deadline `d` with `Epoch::at(d) <= epoch` is closed before `apply(epoch)`, and every
/// epoch before `Epoch::at(d)` is applied before `d` is closed. Empty deltas that are returned are not sent.
pub trait Stateful: Saved {
    /// Takes in all rows of one epoch, input by input; returns the changes of that epoch. Epochs ascend.
    fn apply(&mut self, epoch: Epoch, inputs: &mut [Vec<Delta>]) -> Vec<Delta>;

    /// Whether there is something to return before any input: then the first epoch of all is applied, with rows or without, on
    /// the first worker.
    fn starts(&self) -> bool {
        false
    }

    /// The watermark at which something is to be returned without further input: above the last epoch applied.
    fn deadline(&self) -> Option<i64> {
        None
    }

    /// The watermark reached the `deadline`: returns the changes of `Epoch::at(deadline)`. Called by [`Stateful::close_until`]
    /// alone.
    fn close(&mut self, _deadline: i64) -> Vec<Delta> {
        Vec::new()
    }

    /// The watermark reached `until`: returns the changes of the first deadline, or of as many up to it as are worked off
    /// together, each with its deadline, ascending. Called again while one is left.
    fn close_until(&mut self, until: i64) -> Vec<(i64, Vec<Delta>)> {
        let due = self.deadline().filter(|deadline| *deadline <= until);
        due.map(|deadline| (deadline, self.close(deadline))).into_iter().collect()
    }

    /// How many groups (sessions, points) are held.
    fn held(&self) -> usize;

    /// Memory held, in bytes, about. May cost as much as the state is large: it is not asked at every call.
    fn bytes(&self) -> usize;

    /// The windows (sessions) above this watermark that rows are held of; `None` for what has no windows. Cheap: asked at every
    /// call that changes something.
    fn windows(&self, _watermark: i64) -> Option<Windows> {
        None
    }

    /// No row of an epoch before `frontier` will be applied any more: frees what only such rows could need.
    fn expire(&mut self, _frontier: Epoch) {}
}

/// The rows of an operator's only input.
pub fn only(inputs: &mut [Vec<Delta>]) -> Vec<Delta> {
    debug_assert_eq!(inputs.len(), 1, "an operator with one input");
    inputs.first_mut().map(std::mem::take).unwrap_or_default()
}

/// The rows of an operator's two inputs.
pub fn both(inputs: &mut [Vec<Delta>]) -> [Vec<Delta>; 2] {
    debug_assert_eq!(inputs.len(), 2, "an operator with two inputs");
    [0, 1].map(|input| inputs.get_mut(input).map(std::mem::take).unwrap_or_default())
}
