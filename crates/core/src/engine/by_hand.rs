//! An engine whose clock is moved by hand ([`crate::engine::Config::clock`]): nothing ticks by itself, and [`Engine::settle`]
//! returns when all that came has gone through to views and dead letters.
//!
//! Invariant: what is seen after it depends on what came and on how the clock was moved, and on nothing else. Each view is waited
//! for as far as the sources below it let it come, which may be further than the least of all.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::{Engine, EngineError, Inner, Source, Table, Unchanged, ingest};
use crate::plan::{NodeId, Op, below};
use crate::table::Change;
use crate::time::Epoch;

/// How soon it is looked again for what tells nobody of its moves.
const LOOK: Duration = Duration::from_millis(1);

impl Engine {
    /// Moves all that came on its way, and waits until views and dead letters have it as far as the watermarks let it: sources that
    /// are read (not pushed to) have ended by then. Idle sources go where the clock lets them. Does nothing where the clock is not
    /// moved by hand.
    ///
    /// # Errors
    /// The engine failed.
    pub fn settle(&self) -> Result<(), EngineError> {
        let inner = &self.inner;
        let Some(clock) = &inner.config.clock else { return Ok(()) };
        let over = || inner.control.stopping() || inner.control.state().ended();
        let until = |there: &dyn Fn() -> bool| {
            while !there() && !over() {
                inner.control.sleep(LOOK);
            }
        };
        until(&|| inner.sources.iter().all(|source| source.live() && !source.is_behind() || source.ended()));
        clock.tick();
        inner.sources.iter().for_each(|source| source.dirty.store(true, Ordering::Release));
        ingest::tick(&inner.sources, &inner.tables, ingest::ticks(&inner.config, inner.lead()), None);
        let open: Vec<Option<Epoch>> = inner.sources.iter().map(|source| source.moves_on()).collect();
        let tables = inner.tables.iter().map(|table| table.rows().clone());
        for view in inner.views.all().iter().cloned().chain(tables) {
            let goal = inner.comes_to(&[view.spec().node], &open);
            while view.as_of() < goal && !over() {
                view.wait_past(view.as_of(), LOOK);
            }
        }
        for letters in self.dead_letters() {
            until(&|| letters.has_come_to(|nodes| inner.comes_to(nodes, &open)));
        }
        inner.control.failure().map_or(Ok(()), Err)
    }

    /// Moves the watermark of a source that is live, or of one of its partitions, to `watermark_ms`, as if its rows had; whoever brings
    /// older ones is late. It never goes back. For clocks that are moved by hand; [`Engine::settle`] shows what comes of it.
    pub fn move_watermark(&self, source: &Source, partition: Option<usize>, watermark_ms: i64) {
        let count = ingest::ticks(&self.inner.config, self.inner.lead());
        for partition in partition.map_or(0..source.partition_count(), |partition| partition..partition + 1) {
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
        let mut changed = self.inner.changed.lock().unwrap_or_else(PoisonError::into_inner);
        *changed = (*changed).max(Epoch { tick: epoch.tick.saturating_add(1), ..epoch });
        Ok(epoch)
    }

    /// Ends a source as if its input had: it holds nothing back any more. One of which rows wait in the log ends behind those, and takes
    /// nothing more from now on; [`Engine::settle`] waits for it.
    pub fn end_source(&self, source: &Source) {
        source.drain();
    }

    /// Ends one of a source's partitions.
    pub fn end_partition(&self, source: &Source, partition: usize) {
        source.finish(partition);
    }
}

impl Inner {
    /// How far nodes come together; `open` is how far each source is, unless it has ended. Who reads a table follows all streams: so
    /// does the table.
    fn comes_to(&self, nodes: &[NodeId], open: &[Option<Epoch>]) -> Epoch {
        let (mut by_table, mut read) = (false, vec![false; open.len()]);
        for node in nodes.iter().flat_map(|&node| below(&self.dataflow, node)) {
            match self.dataflow.nodes[node].op {
                Op::Source { source } => read[source] = true,
                Op::Table { .. } => by_table = true,
                _ => {}
            }
        }
        let open = open.iter().zip(read).filter(|(_, read)| *read || by_table).filter_map(|(open, _)| *open);
        open.min().unwrap_or_else(|| match by_table && self.config.tables_linger {
            // Tables that linger go on behind the end of time.
            true => Epoch::MAX.max(*self.changed.lock().unwrap_or_else(PoisonError::into_inner)),
            false => Epoch::END,
        })
    }
}
