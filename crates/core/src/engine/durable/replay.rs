//! What a directory held is done again at full speed, beside nothing: no row comes but those that came, nobody's clock moves a
//! partition, and nothing is written down. It ends where the log does, as a start over the directory would find it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::super::Inner;
use super::super::control::Control;
use super::super::error::EngineError;
use super::super::ingest::{Opened, ticks};
use super::Durable;
use super::recorded::Recorded;
use crate::metrics::Metrics;
use crate::plan::Dataflow;
use crate::source::Start;

/// How often it is looked whether sources that are read again have ended.
const LOOK: Duration = Duration::from_millis(2);

impl Durable {
    /// What a directory held, for a program that need not be that of the run.
    pub(super) fn replay(
        recorded: &Recorded,
        dataflow: &Dataflow,
        control: &Arc<Control>,
        metrics: &Metrics,
    ) -> Result<Arc<Durable>, EngineError> {
        let mut durable = Durable::of(recorded.folder.clone(), recorded.past.clone(), control, metrics);
        durable.beside.clone_from(&recorded.beside);
        let matched = super::Matching::of(&recorded.known, recorded.was.as_deref(), dataflow);
        durable.matching = matched.map_err(|[what, remedy]| durable.wrong(what, &remedy))?;
        let mut known = durable.matching.numbered(&recorded.known);
        // Sinks of these names end their files where they did, whatever comes to them now.
        known.ended = recorded.known.ended.clone();
        *durable.known() = known;
        Ok(Arc::new(durable))
    }

    /// The partitions that a source had, as they are opened to be done again.
    pub(in super::super) fn partitions(&self, source: usize) -> Vec<Opened> {
        let known = self.known();
        let ours = known.splits.iter().filter(|((of, _), split)| *of == source as u32 && split.is_own());
        let opened = |((_, number), known): (&(u32, u32), &super::known::KnownSplit)| Opened {
            number: *number as usize,
            split: known.split.clone(),
            start: Start::Beginning,
            name: known.name.clone(),
        };
        ours.map(opened).collect()
    }

    /// Does again what the directory held, then ends the run. What is stopped meanwhile is left.
    pub(in super::super) fn run_again(&self, inner: &Inner) -> Result<(), EngineError> {
        let over = || self.control.stopping() || inner.stopped.load(Ordering::Acquire);
        match self.feed(&inner.sources, &|_, _| ()) {
            Err(_) if over() => return Ok(()),
            fed => drop(fed?),
        }
        while inner.sources.iter().any(|source| !source.live() && !source.ended()) {
            if over() {
                return Ok(());
            }
            std::thread::sleep(LOOK);
        }
        let told = inner.sources.iter().filter_map(|source| source.reached());
        let greatest = told.map(|(_, tick)| tick).max().unwrap_or(0);
        self.lead.store((greatest + 1).saturating_sub(ticks(&inner.config, 0)), Ordering::Relaxed);
        inner.complete();
        Ok(())
    }
}
