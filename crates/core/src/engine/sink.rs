//! A sink while it runs, as others see it: what waits for it, what it wrote, whether it can.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::source_metrics::state;
use crate::metrics::{Metrics, label};
use crate::retry::{Stand, Standing, State};
use crate::sink::SinkSpec;
use crate::time::Epoch;

/// Epochs that wait for a writer before the sources are held back.
const WAITING_EPOCHS: usize = 64;

/// A sink of this process.
#[derive(Debug)]
pub struct Sink {
    name: String,
    connector: String,
    files: usize,
    parts: Vec<Arc<Part>>,
    /// The sources that wait while much is to be written.
    sources: Vec<String>,
}

/// One of its writers.
#[derive(Debug, Default)]
pub(super) struct Part {
    pub(super) standing: Standing,
    /// Epochs that were handed over and are not written yet.
    pub(super) waiting: AtomicUsize,
    /// Changes that were handed over.
    pub(super) rows: AtomicU64,
    /// What it is handed is compared with what an earlier run wrote.
    pub(super) comparing: AtomicBool,
    /// It waits to write what comes behind all that stood there, which it has compared.
    pub(super) behind_all: AtomicBool,
    again: Mutex<Again>,
}

/// How far it is with what it is handed again.
#[derive(Debug, Default)]
struct Again {
    /// All before this epoch was handed over.
    told: Option<Epoch>,
    /// All before this one is of an earlier run.
    goal: Option<Epoch>,
}

impl Part {
    fn again(&self) -> MutexGuard<'_, Again> {
        self.again.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All before that epoch was handed over.
    pub(super) fn told(&self, as_of: Epoch) {
        if self.comparing.load(Ordering::Relaxed) {
            self.again().told = Some(as_of);
        }
    }

    /// Whether all that it is handed again was handed over.
    pub(super) fn has_all(&self) -> bool {
        let again = self.again();
        again.goal.is_some_and(|goal| again.told.is_some_and(|told| told >= goal))
    }

    /// Whether it has enough to write.
    fn full(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > WAITING_EPOCHS
    }
}

impl Sink {
    /// `sources` are those that feed it, and that meet them.
    pub(super) fn new(spec: &SinkSpec, parts: Vec<Arc<Part>>, sources: Vec<String>) -> Sink {
        let files = spec.connector.descriptors(spec) * parts.len();
        Sink { name: spec.name.clone(), connector: spec.connector.name().to_owned(), files, parts, sources }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The name of its connector.
    pub fn connector(&self) -> &str {
        &self.connector
    }

    /// All before that epoch is of an earlier run; `None` if that is not known. Returns whether it has compared what it is handed with what
    /// stands there. One that waits to write more, on a full disk, has.
    pub(super) fn has_compared(&self, goal: Option<Epoch>) -> bool {
        let compared = |part: &Arc<Part>| {
            part.again().goal = goal;
            let stuck = || part.behind_all.load(Ordering::Acquire) && part.standing.read().state == State::Retrying;
            goal.is_none() || !part.comparing.load(Ordering::Acquire) || stuck()
        };
        self.parts.iter().all(compared)
    }

    /// How many files its writers may have open.
    pub(super) fn files(&self) -> usize {
        self.files
    }

    /// Epochs that wait to be written.
    pub fn waiting_epochs(&self) -> usize {
        self.parts.iter().map(|part| part.waiting.load(Ordering::Relaxed)).sum()
    }

    /// Changes handed over so far.
    pub fn rows(&self) -> u64 {
        self.parts.iter().map(|part| part.rows.load(Ordering::Relaxed)).sum()
    }

    /// What it is doing, in a word.
    pub fn state(&self) -> &'static str {
        self.stand().state.name()
    }

    /// Of the writers the one that cannot go on, else all together.
    pub fn stand(&self) -> Stand {
        Stand::of(self.parts.iter().map(|part| part.standing.read()))
    }

    /// Brings the metrics up to date for a scrape.
    pub(super) fn refresh(&self, metrics: &Metrics) {
        let label = label("sink", &self.name);
        state(&metrics.sink_state, ("sink", &self.name), self.stand().state);
        metrics.sink_waiting_epochs.get_or_create(&label).set(self.waiting_epochs() as i64);
        let (rows, retries) =
            (metrics.sink_rows.get_or_create_owned(&label), metrics.sink_retries.get_or_create_owned(&label));
        rows.inc_by(self.rows().saturating_sub(rows.get()));
        retries.inc_by(self.stand().retries.saturating_sub(retries.get()));
    }

    /// Whether a source is held back while much is to be written.
    pub(super) fn holds(&self, source: &str) -> bool {
        self.sources.iter().any(|held| held == source)
    }

    /// Whether so much waits that sources are to be held back.
    pub(super) fn full(&self) -> bool {
        self.parts.iter().any(|part| part.full())
    }
}
