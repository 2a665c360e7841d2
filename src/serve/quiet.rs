//! Connections that have not asked for anything yet. When there is no place left, those that have been silent longest make
//! room: opening connections and saying nothing shuts nobody out.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::Notify;

use crate::time::Clock;

/// Nobody has to speak sooner.
const LEAVE: Duration = Duration::from_secs(1);

/// One connection.
#[derive(Debug)]
pub(super) struct Quiet {
    since: Clock,
    spoke: AtomicBool,
    cut: Notify,
}

impl Quiet {
    /// It has asked for something.
    pub(super) fn speaks(&self) {
        self.spoke.store(true, Ordering::Relaxed);
    }

    /// Whether it has.
    pub(super) fn spoke(&self) -> bool {
        self.spoke.load(Ordering::Relaxed)
    }

    /// Ready when it is to go.
    pub(super) async fn cut(&self) {
        self.cut.notified().await;
    }
}

/// Those that are open, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Quieter(VecDeque<Weak<Quiet>>);

impl Quieter {
    /// A connection comes.
    pub(super) fn comes(&mut self) -> Arc<Quiet> {
        self.pass();
        let quiet = Arc::new(Quiet { since: Clock::start(), spoke: AtomicBool::new(false), cut: Notify::new() });
        self.0.push_back(Arc::downgrade(&quiet));
        quiet
    }

    /// The one that has been silent longest is to go, if there is one.
    pub(super) fn make_room(&mut self) -> bool {
        self.pass();
        let oldest = self.0.front().and_then(Weak::upgrade).filter(|quiet| quiet.since.elapsed() >= LEAVE);
        if let Some(quiet) = &oldest {
            self.0.pop_front();
            quiet.cut.notify_one();
        }
        oldest.is_some()
    }

    /// Passes over those that are gone or have spoken.
    fn pass(&mut self) {
        while self.0.front().is_some_and(|quiet| quiet.upgrade().is_none_or(|quiet| quiet.spoke())) {
            self.0.pop_front();
        }
    }
}
