//! What an operator with state is, without timely: it is handed whole epochs in order and told when time has passed.
//!
//! `delta/operator.rs` is the one shell that runs it: everything a [`Stateful`] sees and answers is a function of its
//! input's epochs and of nothing else.

use super::Delta;
use crate::time::Epoch;

/// A state machine over epochs.
///
/// The shell's order of calls: `close(d)` for every deadline `d` with `Epoch::at(d) <= epoch` comes before
/// `apply(epoch)`, and every `apply` of an epoch before `Epoch::at(d)` comes before `close(d)`. Empty deltas that are
/// answered are not sent.
pub trait Stateful {
    /// Takes in all rows of one epoch; answers the changes of that epoch. Epochs ascend.
    fn apply(&mut self, epoch: Epoch, input: Vec<Delta>) -> Vec<Delta>;

    /// The watermark at which something is to be answered without further input: above the last epoch applied.
    fn deadline(&self) -> Option<i64> {
        None
    }

    /// The watermark reached the `deadline`: answers the changes of `Epoch::at(deadline)`.
    fn close(&mut self, _deadline: i64) -> Vec<Delta> {
        Vec::new()
    }

    /// How many groups (sessions, points) are held.
    fn held(&self) -> usize;

    /// Memory held, in bytes, about. May cost as much as the state is large: it is not asked at every call.
    fn bytes(&self) -> usize;

    /// No row of an epoch below `watermark` will be applied any more: frees what only such rows could need.
    fn expire(&mut self, _watermark: i64) {}
}
