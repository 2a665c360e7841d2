//! An engine whose clock is moved by hand ([`crate::engine::Config::clock`]): nothing ticks by itself, and [`Engine::settle`]
//! returns when all that came has gone through to views, sinks and dead letters.
//!
//! Invariant: what is seen after it depends on what came and on how the clock was moved, and on nothing else.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::{Engine, EngineError, Inner, Source, Table, Unchanged, ingest};
use crate::table::Change;
use crate::time::Epoch;

/// How soon it is looked again whether a source that is read has ended, or the engine failed.
const LOOK: Duration = Duration::from_millis(1);

/// How far each worker of the process has brought what came, for who waits for that.
#[derive(Debug)]
pub(super) struct Settled {
    workers: Mutex<Vec<Epoch>>,
    /// Behind the last change of a table.
    changed: Mutex<Epoch>,
    moved: Condvar,
}

impl Settled {
    pub(super) fn new(workers: usize) -> Settled {
        Settled {
            workers: Mutex::new(vec![Epoch::MIN; workers]),
            changed: Mutex::new(Epoch::MIN),
            moved: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Epoch>> {
        self.workers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn changed(&self) -> MutexGuard<'_, Epoch> {
        self.changed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Everything before `epoch` has arrived at the views, sinks and dead letters of a worker.
    pub(super) fn reaches(&self, worker: usize, epoch: Epoch) {
        let mut workers = self.lock();
        workers[worker] = workers[worker].max(epoch);
        self.moved.notify_all();
    }

    /// Waits until all workers are there, or it is over.
    fn wait(&self, goal: Epoch, over: impl Fn() -> bool) {
        let mut workers = self.lock();
        while workers.iter().any(|reached| *reached < goal) && !over() {
            workers = self.moved.wait_timeout(workers, LOOK).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Engine {
    /// Moves all that came on its way, and waits until views, sinks and dead letters have it as far as the watermarks let it:
    /// sources that are read (not pushed to) have ended by then. Idle sources go where the clock lets them. Does nothing where the
    /// clock is not moved by hand.
    ///
    /// # Errors
    /// The engine failed.
    pub fn settle(&self) -> Result<(), EngineError> {
        let inner = &self.inner;
        let (Some(clock), Some(settled)) = (&inner.config.clock, &inner.settled) else { return Ok(()) };
        let over = || inner.control.stopping() || inner.control.state().ended();
        while inner.sources.iter().any(|source| !source.live() && !source.ended()) && !over() {
            inner.control.sleep(LOOK);
        }
        clock.tick();
        let (sources, tables) = (&inner.sources, &inner.tables);
        sources.iter().for_each(|source| source.dirty.store(true, std::sync::atomic::Ordering::Release));
        let count = ingest::ticks(&inner.config, inner.lead());
        ingest::tick(sources, tables, count, None);
        let open = sources.iter().filter_map(|source| source.moves_on()).min();
        settled.wait(open.unwrap_or_else(|| inner.completes_at(settled)), over);
        inner.control.failure().map_or(Ok(()), Err)
    }

    /// Moves the watermark of a source that is live to `watermark_ms`, as if its rows had; whoever brings older ones is late. It
    /// never goes back. For clocks that are moved by hand; [`Engine::settle`] shows what comes of it.
    pub fn move_watermark(&self, source: &Source, watermark_ms: i64) {
        let count = ingest::ticks(&self.inner.config, self.inner.lead());
        for partition in 0..source.partition_count() {
            source.follow(partition, Epoch { watermark: watermark_ms, tick: count });
        }
    }

    /// Changes a reference table, and waits until it is known at which epoch that takes effect; [`Engine::settle`] shows what comes of
    /// it. For clocks that are moved by hand.
    ///
    /// # Errors
    /// The table was not changed, and why not.
    pub fn change(&self, table: &Table, change: &Change) -> Result<Epoch, Unchanged> {
        let answered = table.change(change)?;
        // The caller may be a task of a runtime, which must not block as the answer's own wait does.
        let waiting = std::thread::spawn(move || answered.blocking_recv());
        let epoch = waiting.join().ok().and_then(Result::ok).ok_or(Unchanged::Ended)?;
        if let Some(settled) = &self.inner.settled {
            let mut changed = settled.changed();
            *changed = (*changed).max(Epoch { tick: epoch.tick.saturating_add(1), ..epoch });
        }
        Ok(epoch)
    }

    /// Ends a source as if its input had: it holds nothing back any more.
    pub fn end_source(&self, source: &Source) {
        source.drain();
    }
}

impl Inner {
    /// Where a dataflow comes to whose sources have ended: tables that linger go on behind the end of time.
    fn completes_at(&self, settled: &Settled) -> Epoch {
        match self.config.tables_linger && !self.tables.is_empty() {
            true => settled.changed().max(Epoch::MAX),
            false => Epoch::END,
        }
    }
}
