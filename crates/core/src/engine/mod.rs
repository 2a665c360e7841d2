//! The engine: runs a planned [`Dataflow`] on worker threads and processes, from its sources to its views and sinks.
//!
//! [`Engine::start`] opens the sources, meets the other processes, opens the sinks and starts the threads; from then on
//! rows flow: ingest threads read and decode, each partition's edge gives rows their epochs, a queue per source and worker
//! bounds what waits, the workers run the operators, and what comes out goes, whole epochs at a time, to the view store of
//! every process and to the sinks. The engine ends when all sources have ended and everything is written, when it is
//! stopped, or when something fails: a panic or a lost peer ends every thread, with the reason.

mod begins;
mod behind;
mod by_hand;
mod changelog;
mod cluster;
mod config;
mod consent;
mod control;
mod dead_file;
mod dead_letters;
mod duplicates;
mod durable;
mod error;
mod extend;
pub mod frames;
mod gather;
mod gossip;
mod greeting;
mod heartbeat;
mod idleness;
mod ingest;
mod install;
mod installed;
mod latency;
mod operators;
mod outlet;
mod panics;
mod peer;
mod peers;
mod process;
mod push;
mod queue;
mod rejected;
mod sink;
mod sink_writer;
mod source;
mod source_metrics;
mod source_operator;
mod source_rows;
mod source_shown;
mod startup;
mod table;
mod table_operator;
mod timepiece;
mod unit;
mod units;
mod waiting;
mod worker;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

pub use config::{BATCH_ROWS, Config, FIRST_PORT, OnChange};
pub use control::State;
pub use dead_letters::{DeadLetters, FailedFor, Letter, Owner};
pub use durable::{
    Backlog, Change, LogState, Recorded, SnapshotFile, SnapshotOf, SnapshotState, change, copy_snapshots, snapshots,
    verify_summaries,
};
pub use error::{EngineError, UnknownName};
pub use extend::Built;
pub use install::UnitShown;
pub use latency::Visibility;
pub use operators::{OperatorStats, WorkerShare};
pub use panics::quiet_panics;
pub use peer::Peer;
pub use process::Recovery;
pub use push::{Later, Pushed, Refused};
pub use rejected::RejectedFor;
pub use sink::Sink;
pub use source::Source;
pub use startup::{Recovered, Recovering, Startup};
pub use table::{Table, Unchanged};
pub use unit::UnitState;
pub use units::UnitId;
pub use waiting::aside;

use crate::delta::Rejects;
use crate::metrics::{Metrics, Usage};
use crate::operator::Cuts;
use crate::plan::Dataflow;
use crate::source::EdgeCounts;
use crate::time::{Clock, Epoch, now_ms};
use crate::view::{Subscription, View, Views};

/// How a run went.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Summary {
    /// Rows that this process's sources brought.
    pub rows_received: u64,
    /// Rows of them that were accepted.
    pub rows_accepted: u64,
    /// Rows of them that became dead letters.
    pub rows_rejected: u64,
    /// Rows that some view or sink could not take, since an expression failed on them.
    pub rows_failed: u64,
    /// For how long it ran.
    pub seconds: f64,
    /// Whether it was stopped before its sources ended.
    pub stopped: bool,
    /// Whether it was told to end when some source that has an end was not read to it.
    pub input_left: bool,
}

/// How far a run is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress {
    /// Rows that this process's sources brought.
    pub rows: u64,
    /// The least watermark of its sources in ms; `i64::MIN` before the first, `i64::MAX` after the last.
    pub watermark: i64,
    /// For how long it runs.
    pub seconds: f64,
}

/// A running dataflow. Dropping it stops it, as it is, and waits for its threads unless it is one of a cluster.
#[derive(Debug)]
pub struct Engine {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    dataflow: Dataflow,
    config: Config,
    sources: Vec<Arc<Source>>,
    tables: Vec<Arc<Table>>,
    units: Arc<units::Units>,
    presences: Vec<Arc<cluster::Presence>>,
    views: Arc<Views>,
    metrics: Arc<Metrics>,
    operators: Arc<operators::Operators>,
    latency: Arc<latency::Latency>,
    control: Arc<control::Control>,
    /// Where all dead letters are written.
    dead_file: Option<Arc<dead_file::DeadFile>>,
    /// What the processes of a cluster tell each other.
    gossip: Option<Arc<gossip::Gossip>>,
    /// What came is kept there.
    durable: Option<Arc<durable::Durable>>,
    /// Where operators are saved, if they are.
    cuts: Option<Arc<Cuts>>,
    stopped: AtomicBool,
    /// Input was left when it was asked to end.
    left: AtomicBool,
    /// It was asked to end.
    ending: AtomicBool,
    /// It has done again all that was kept.
    whole: AtomicBool,
    clock: Clock,
    /// Behind the last change of a table that was waited for.
    changed: Mutex<Epoch>,
    /// Seconds of a run that has ended.
    ended: Mutex<Option<f64>>,
}

impl Engine {
    /// Starts a dataflow. Blocks until the sources are open and all processes have met.
    pub fn start(dataflow: Dataflow, config: Config) -> Result<Engine, EngineError> {
        process::start(dataflow, config, None)
    }

    /// Starts a dataflow without doing again what its data directory holds: [`Recovery::run`] does. Until then its views show nothing that
    /// is to be read, and what is pushed to sources that clients push to is kept and waits ([`Engine::recovering`]).
    ///
    /// # Errors
    /// As those of [`Engine::start`].
    pub fn open(dataflow: Dataflow, config: Config) -> Result<(Engine, Recovery), EngineError> {
        process::open(dataflow, config, None)
    }

    /// How far it is with doing again what its data directory holds; `None` once that is done.
    pub fn recovering(&self) -> Option<Recovering> {
        self.inner.config.startup.recovering()
    }

    /// Starts a dataflow and, on every worker, operators of the caller's own over its published views. One that names a view which is
    /// not there ends the run with that.
    pub fn start_with<F>(dataflow: Dataflow, config: Config, extend: F) -> Result<Engine, EngineError>
    where
        F: for<'s, 'a> Fn(&Built<'s, 'a>) -> Result<(), UnknownName> + Send + Sync + 'static,
    {
        process::start(dataflow, config, Some(Arc::new(extend)))
    }

    /// What runs.
    pub fn dataflow(&self) -> &Dataflow {
        &self.inner.dataflow
    }

    /// How it runs.
    pub fn config(&self) -> &Config {
        &self.inner.config
    }

    /// The published views.
    pub fn views(&self) -> &Arc<Views> {
        &self.inner.views
    }

    /// How the log of its data directory stands, if it has one.
    pub fn log(&self) -> Option<LogState> {
        self.inner.durable.as_ref().and_then(|durable| durable.state())
    }

    /// Whether what sources bring is kept in a data directory.
    pub fn keeps(&self) -> bool {
        self.inner.durable.as_ref().is_some_and(|durable| !durable.replays())
    }

    /// The identity of its data directory, the same over restarts.
    pub fn lineage(&self) -> Option<u128> {
        self.inner.durable.as_ref().map(|durable| durable.lineage())
    }

    /// The sources, in the order of the plan.
    pub fn sources(&self) -> &[Arc<Source>] {
        &self.inner.sources
    }

    /// A source by its name: as written, else without regard to case.
    pub fn source(&self, name: &str) -> Option<&Arc<Source>> {
        let exact = self.inner.sources.iter().find(|source| source.name() == name);
        exact.or_else(|| self.inner.sources.iter().find(|source| source.name().eq_ignore_ascii_case(name)))
    }

    /// The reference tables, in the order of the program.
    pub fn tables(&self) -> &[Arc<Table>] {
        &self.inner.tables
    }

    /// A reference table by its name: as written, else without regard to case.
    pub fn table(&self, name: &str) -> Option<&Arc<Table>> {
        let exact = self.inner.tables.iter().find(|table| table.name() == name);
        exact.or_else(|| self.inner.tables.iter().find(|table| table.name().eq_ignore_ascii_case(name)))
    }

    /// The sinks, in the order of the program, then of the units.
    pub fn sinks(&self) -> Vec<Arc<Sink>> {
        self.inner.units.all().iter().flat_map(|unit| unit.sinks.clone()).collect()
    }

    /// The processes of the cluster, this one too: index, address and `here`, `connected`, `stalled`, `left` or `gone`.
    pub fn processes(&self) -> Vec<(usize, String, &'static str)> {
        let (config, peers) = (&self.inner.config, self.peers());
        let stalled = |process: usize| peers.iter().any(|peer| peer.process == process && peer.trouble.is_some());
        let state = |process: usize| match self.inner.presences.iter().find(|peer| peer.index == process) {
            None => "here",
            Some(peer) if peer.lost() => "gone",
            Some(peer) if peer.left() => "left",
            Some(peer) if stalled(peer.index) => "stalled",
            Some(_) => "connected",
        };
        let address = |process: usize| config.addresses.get(process).cloned().unwrap_or_default();
        (0..config.processes()).map(|process| (process, address(process), state(process))).collect()
    }

    /// The workers of this process, and the seconds that the thread of each has worked; those that have ended are left out.
    pub fn workers(&self) -> Vec<(usize, f64)> {
        let worker = |(name, seconds): (String, f64)| Some((name.strip_prefix("timely:work-")?.parse().ok()?, seconds));
        let mut workers: Vec<(usize, f64)> = Usage::threads().into_iter().filter_map(worker).collect();
        workers.sort_by_key(|(worker, _)| *worker);
        workers
    }

    /// How many files its sources and sinks may have open at once.
    pub fn files(&self) -> usize {
        let sources = self.inner.sources.iter().map(|source| source.partitions().count());
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let read = sources.map(|partitions| partitions.min(cores)).sum::<usize>();
        read + self.sinks().iter().map(|sink| sink.files()).sum::<usize>()
    }

    /// The metrics, as counted; [`Engine::metrics_text`] is for a scrape.
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.inner.metrics
    }

    /// All metrics as OpenMetrics text, gauges as of now.
    pub fn metrics_text(&self) -> String {
        self.inner.sources.iter().for_each(|source| source.refresh(now_ms()));
        self.sinks().iter().for_each(|sink| sink.refresh(&self.inner.metrics));
        for view in self.inner.views.all().iter() {
            let open = i64::try_from(view.windows_open()).unwrap_or(i64::MAX);
            self.inner.metrics.windows_open.get_or_create(&crate::metrics::label("view", view.name())).set(open);
        }
        for peer in self.peers() {
            let (label, metrics) = (crate::metrics::label("peer", &peer.process.to_string()), &self.inner.metrics);
            metrics.peer_silent_seconds.get_or_create(&label).set(peer.silent.as_secs_f64());
            metrics.peer_rows.get_or_create(&label).set(i64::try_from(peer.rows).unwrap_or(i64::MAX));
            metrics.peer_bytes.get_or_create(&label).set(i64::try_from(peer.bytes).unwrap_or(i64::MAX));
        }
        self.inner.durable.iter().for_each(|durable| durable.refresh(&self.inner.metrics));
        self.inner.metrics.encode()
    }

    /// What the operators did so far.
    pub fn operators(&self) -> Vec<OperatorStats> {
        self.inner.operators.stats()
    }

    /// How long the last epochs took from their first row's decoding to being visible in all views; `None` before the first.
    pub fn visibility(&self) -> Option<Visibility> {
        self.inner.latency.recent()
    }

    /// The same of the epochs after the first `seen`, and how many there ever were: hand that back to hear of what is new.
    pub fn visibility_since(&self, seen: u64) -> (Option<Visibility>, u64) {
        self.inner.latency.since(seen)
    }

    /// The other processes of the cluster.
    pub fn peers(&self) -> Vec<Peer> {
        self.inner.peers()
    }

    /// Where the engine stands.
    pub fn state(&self) -> State {
        self.inner.control.state()
    }

    /// How far the run is.
    pub fn progress(&self) -> Progress {
        let sources = &self.inner.sources;
        let rows = sources.iter().map(|source| source.counts()).map(|counts| counts.received());
        let watermark = sources.iter().map(|source| source.watermark()).min().unwrap_or(i64::MAX);
        Progress { rows: rows.sum(), watermark, seconds: self.inner.seconds() }
    }

    /// The rows that views and sinks could not take (an expression failed), of each view in the order of the plan, then of
    /// each sink; those that sources could not take are with [`Source::dead_letters`].
    pub fn dead_letters(&self) -> Vec<Arc<DeadLetters>> {
        self.inner.units.all().iter().flat_map(|unit| unit.letters.clone()).collect()
    }

    /// How many rows failed in some view or sink and were not taken back: each once, however many read what it is missing in.
    pub fn rows_failed(&self) -> u64 {
        self.inner.rows_failed()
    }

    /// A published view, by its name: as written, else without regard to case.
    ///
    /// # Errors
    /// There is none of that name; the error has those that there are.
    pub fn view(&self, name: &str) -> Result<Arc<View>, UnknownName> {
        let known = || self.inner.views.all().iter().map(|view| view.name().to_owned()).collect();
        self.inner.views.get(name).ok_or_else(|| UnknownName::new("view", name, known()))
    }

    /// A reader of a view's changes from now on.
    ///
    /// # Errors
    /// There is no view of that name; the error has those that there are.
    pub fn subscribe(&self, view: &str) -> Result<Subscription, UnknownName> {
        self.view(view).map(|view| view.subscribe())
    }

    /// Ends the run. With `drain` the sources of this process end as if their input had: what is open closes and is
    /// written. Without, windows stay open (W8): nothing more is taken, and what was taken goes through to views and sinks
    /// as far as the watermarks let it; in a cluster all processes stop so. Does not wait.
    pub fn stop(&self, drain: bool) {
        if drain {
            self.inner.drain();
        } else {
            self.inner.halt();
        }
    }

    /// Whether it was asked to end.
    pub fn ending(&self) -> bool {
        self.inner.ending.load(Ordering::Acquire) && !self.inner.whole.load(Ordering::Acquire)
    }

    /// Waits for the end of the run: all sources ended, windows closed, sinks written; or it was stopped.
    pub fn wait(&self) -> Result<Summary, EngineError> {
        let state = self.inner.control.wait();
        self.inner.summary(state)
    }

    /// Waits as [`Engine::wait`] does, for at most `timeout`; `None` if it still runs then.
    pub fn wait_within(&self, timeout: Duration) -> Option<Result<Summary, EngineError>> {
        self.inner.control.wait_within(timeout).map(|state| self.inner.summary(state))
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.inner.stopped.store(true, Ordering::Release);
        self.inner.control.stop();
        // The others of a cluster have not said goodbye yet.
        if self.inner.config.processes() == 1 {
            self.join();
        }
    }
}

impl Inner {
    /// It is asked to end.
    fn end(&self) {
        if !self.ending.swap(true, Ordering::AcqRel) {
            let left = self.sources.iter().any(|source| !source.live() && !source.ended());
            self.left.store(left, Ordering::Release);
        }
    }

    fn drain(&self) {
        self.end();
        self.control.set(State::Draining);
        let sources = self.sources.clone();
        self.tables.iter().for_each(|table| table.drain());
        // It waits for those that are pushing rows just now.
        let drained = ingest::spawn("drain".to_owned(), move || sources.iter().for_each(|source| source.drain()));
        drained.map_or_else(|error| self.control.fail(error), |thread| self.control.keep(thread));
    }

    fn halt(&self) {
        self.end();
        self.control.set(State::Draining);
        if self.stopped.swap(true, Ordering::AcqRel) {
            return;
        }
        self.sources.iter().for_each(|source| source.refuse());
        self.tables.iter().for_each(|table| table.seal());
        let (sources, control, gossip) = (self.sources.clone(), self.control.clone(), self.gossip.clone());
        let ticks = (ingest::ticks(&self.config, self.lead()), self.config.tick_ms);
        // It waits for those that are pushing rows just now.
        let sealed = ingest::spawn("stop".to_owned(), move || {
            let goal = ingest::seal(&sources, ticks);
            match gossip {
                // The supervisor waits for the others' word.
                Some(gossip) => gossip.stop(goal),
                None => control.aim(goal),
            }
        });
        sealed.map_or_else(|error| self.control.fail(error), |thread| self.control.keep(thread));
    }

    /// All that was kept is done again: what it comes to goes to views and sinks, windows stay open as they were left.
    fn complete(&self) {
        // With all of its sources it ends by itself.
        if !self.sources.iter().all(|source| source.ended()) && !self.stopped.load(Ordering::Acquire) {
            self.whole.store(true, Ordering::Release);
            self.halt();
        }
    }

    /// By how much ticks are ahead of the clock.
    fn lead(&self) -> u64 {
        self.durable.as_ref().map_or(0, |durable| durable.lead())
    }

    fn seconds(&self) -> f64 {
        let ended = *self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        ended.unwrap_or_else(|| self.clock.elapsed_seconds())
    }

    fn summary(&self, state: State) -> Result<Summary, EngineError> {
        if let State::Failed(error) = state {
            return Err(error);
        }
        let counts = self.sources.iter().map(|source| source.counts());
        let mut all = EdgeCounts::default();
        counts.for_each(|counts| all.merge(&counts));
        Ok(Summary {
            rows_received: all.received(),
            rows_accepted: all.accepted(),
            rows_rejected: all.rejected(),
            rows_failed: self.rows_failed(),
            seconds: self.seconds(),
            stopped: self.stopped.load(Ordering::Acquire) && !self.whole.load(Ordering::Acquire),
            input_left: self.left.load(Ordering::Acquire),
        })
    }

    fn rows_failed(&self) -> u64 {
        self.units.all().iter().map(|unit| unit.rows_failed()).sum()
    }
}
