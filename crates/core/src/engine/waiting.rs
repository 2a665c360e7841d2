//! What a caller waits for: pushed rows that are on disk, or shown; room for more; threads that end.
//!
//! The futures are of any executor: nothing here asks for a runtime.

use std::pin::pin;
use std::time::Duration;

use highwater_log::Lsn;
use tokio::sync::oneshot;

use super::durable::Decision;
use super::push::Later;
use super::{Engine, EngineError, Pushed, Refused, Source, State, ingest};
use crate::format::Part;
use crate::view::View;

/// For how long to wait for threads that are told to end.
const LINGER: Duration = Duration::from_secs(5);

/// Does work that blocks on a thread of its own.
///
/// # Errors
/// There is no thread for it, or it panicked.
pub async fn aside<T: Send + 'static>(name: &str, work: impl FnOnce() -> T + Send + 'static) -> Result<T, EngineError> {
    let (tell, told) = oneshot::channel();
    // Nobody may be left to hear of it.
    ingest::spawn(name.to_owned(), move || drop(tell.send(work())))?;
    told.await.map_err(|_| EngineError::Config(format!("the thread '{name}' panicked")))
}

impl Engine {
    /// Waits until pushed rows are on disk; at once where nothing is kept.
    ///
    /// # Errors
    /// They never will be: the engine fails or ends.
    pub async fn durable(&self, pushed: &Pushed) -> Result<(), EngineError> {
        match (&self.inner.durable, pushed.frame) {
            (Some(durable), Some(frame)) => durable.durable(frame).await,
            _ => Ok(()),
        }
    }

    /// Waits until every view that rows of their source come to shows pushed rows; false if the engine ends before.
    pub async fn visible(&self, pushed: &Pushed) -> bool {
        let epoch = match pushed.later {
            None => pushed.epoch,
            Some(later) => match self.decided(later).await {
                Some(Decision::At(epoch)) => Some(epoch),
                Some(Decision::Shown) => None,
                Some(Decision::Open) | None => return false,
            },
        };
        let Some(epoch) = epoch else { return true };
        let fed = |view: &View| pushed.source.as_ref().is_none_or(|source| view.is_fed_by(source));
        for view in self.inner.views.all().iter().filter(|view| fed(view)) {
            let mut moves = view.watch();
            let stands = moves.wait_for(|as_of| *as_of > epoch || view.dropped() || view.ended()).await;
            if stands.is_err() || view.as_of() <= epoch && !view.dropped() {
                return false;
            }
        }
        true
    }

    /// Waits until the edge has decided on a push that waited; `None` if the engine ends before.
    async fn decided(&self, Later { source, frame }: Later) -> Option<Decision> {
        let source = self.inner.sources.get(source)?;
        loop {
            let mut freed = pin!(source.room.notified());
            freed.as_mut().enable();
            match source.decision(Lsn(frame), self.views().as_of_rows(source.name()))? {
                Decision::Open if source.closed() => return None,
                Decision::Open => freed.await,
                decision => return Some(decision),
            }
        }
    }

    /// Whether every view that they come to shows rows that were decided on later; `None` if there are none of that number. To be asked once the engine
    /// has done again what its data directory holds.
    pub fn shows(&self, Later { source, frame }: Later) -> Option<bool> {
        let source = self.inner.sources.get(source)?;
        let decision = source.decision(Lsn(frame), self.views().as_of_rows(source.name()))?;
        Some(decision == Decision::Shown)
    }

    /// Why the run failed, if it did.
    pub fn failure(&self) -> Option<EngineError> {
        match self.state() {
            State::Failed(error) => Some(error),
            _ => self.inner.control.failure(),
        }
    }

    /// Waits for the threads of a run that has ended, or was told to; 5 s at most, for one may sit in a read that never returns.
    pub fn join(&self) {
        self.inner.control.join(LINGER);
    }
}

impl Source {
    /// Takes rows as [`Source::push`] does; waits for room.
    ///
    /// # Errors
    /// As those of [`Source::push`], but that there is no room now.
    pub async fn push_when_room(&self, mut parts: Vec<Part>) -> Result<Pushed, Refused> {
        loop {
            // Before it is looked: what is freed meanwhile is not missed.
            let mut freed = pin!(self.room.notified());
            freed.as_mut().enable();
            match self.push(parts) {
                Err(Refused::Full(again)) => parts = again,
                done => return done,
            }
            freed.await;
        }
    }

    /// Waits until there is room for something, or nothing more is taken.
    pub async fn room(&self) {
        loop {
            let mut freed = pin!(self.room.notified());
            freed.as_mut().enable();
            if !self.full() {
                return;
            }
            freed.await;
        }
    }

    /// There may be room, for who waits for it.
    pub(super) fn freed(&self) {
        self.room.notify_waiters();
    }
}
