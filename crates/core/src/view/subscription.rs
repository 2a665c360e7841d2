//! A reader of a view's changes: a position in its ring. It costs nothing while it waits, and holds nothing back.

use std::sync::Arc;
use std::time::Duration;

use super::changes::EpochChanges;
use super::{Snapshot, View};
use crate::time::Epoch;

/// What a reader gets next.
#[derive(Clone, Debug)]
pub enum Update {
    /// All changes of whole epochs since the last answer (perhaps none), and how far the view is now.
    Progress {
        /// The changes by epoch, ascending.
        changes: Vec<Arc<EpochChanges>>,
        /// Everything before this epoch was told.
        as_of: Epoch,
    },
    /// The reader fell out of the ring: what it knows is stale. These are the rows now; what follows comes after them.
    Reset(Snapshot),
    /// The view was dropped with its unit: nothing more comes.
    Dropped,
}

/// Nothing came in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("nothing came in time")]
pub struct TimedOut;

/// A reader of a view's changes.
#[derive(Debug)]
pub struct Subscription {
    view: Arc<View>,
    position: Epoch,
    moves: tokio::sync::watch::Receiver<Epoch>,
}

impl Subscription {
    pub(super) fn new(view: Arc<View>, position: Epoch) -> Subscription {
        let moves = view.watch();
        Subscription { view, position, moves }
    }

    /// The view.
    pub fn view(&self) -> &Arc<View> {
        &self.view
    }

    /// Everything before this epoch was told.
    pub fn position(&self) -> Epoch {
        self.position
    }

    /// The view's rows now; the changes that follow are those after it.
    pub fn snapshot(&mut self) -> Snapshot {
        let snapshot = self.view.snapshot();
        self.position = snapshot.as_of;
        snapshot
    }

    /// What is new, without waiting; `None` if the view did not move.
    pub fn poll(&mut self) -> Option<Update> {
        if self.view.dropped() {
            return Some(Update::Dropped);
        }
        match self.view.changes_since(self.position) {
            None => Some(Update::Reset(self.snapshot())),
            Some((_, as_of)) if as_of == self.position => None,
            Some((changes, as_of)) => {
                self.position = as_of;
                Some(Update::Progress { changes, as_of })
            }
        }
    }

    /// What is new; waits for it. `None` once nothing comes any more, and all was told: the view or the run has ended.
    pub async fn next(&mut self) -> Option<Update> {
        loop {
            self.moves.borrow_and_update();
            if let Some(update) = self.poll() {
                return Some(update);
            }
            if self.over() || self.moves.changed().await.is_err() {
                return None;
            }
        }
    }

    /// What is new; blocks for at most `timeout`. `None` once nothing comes any more, as [`Subscription::next`] says it.
    ///
    /// # Errors
    /// Nothing came in time.
    pub fn next_within(&mut self, timeout: Duration) -> Result<Option<Update>, TimedOut> {
        if let Some(update) = self.poll() {
            return Ok(Some(update));
        }
        self.view.wait_past(self.position, timeout);
        match self.poll() {
            None if !self.over() => Err(TimedOut),
            update => Ok(update),
        }
    }

    /// Whether nothing comes behind what was told.
    fn over(&self) -> bool {
        // What came before the end is told first.
        self.position == Epoch::END || self.view.ended() && self.position == self.view.as_of()
    }
}
