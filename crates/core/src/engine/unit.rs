//! A unit: the plan of one dataflow, with the stores of its views, the writers of its sinks and its dead letters.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::config::Config;
use super::control::Control;
use super::dead_file::DeadFile;
use super::dead_letters::DeadLetters;
use super::durable::Durable;
use super::error::EngineError;
use super::sink::Sink;
use super::sink_writer::{self, SinkThread, ToSink};
use super::units::UnitId;
use crate::metrics::Metrics;
use crate::options::OptionError;
use crate::plan::{self, Dataflow, ViewSpec};
use crate::time::Epoch;
use crate::view::{Closing, Limits, RingRoom, View};

/// Where a unit stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnitState {
    /// It has not come to where it begins: its views are not shown yet.
    Filling,
    /// Its views are shown.
    Running,
    /// More rows waited for it than it may keep while it fills ([`Config::unit_bytes`]): it shows nothing and is to be dropped.
    GivenUp,
    /// It was dropped, or the engine has ended before it began.
    Ended,
}

/// What is to be known to open one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Around<'a> {
    pub(super) config: &'a Config,
    pub(super) control: &'a Arc<Control>,
    pub(super) metrics: &'a Arc<Metrics>,
    pub(super) dead_file: Option<&'a Arc<DeadFile>>,
    /// Whether views are computed.
    pub(super) computed: bool,
    /// Where it is kept that sinks have begun.
    pub(super) durable: Option<&'a Arc<Durable>>,
}

/// What waits for a unit while it fills, on all workers of this process together.
#[derive(Debug)]
struct Room {
    /// In bytes.
    limit: usize,
    held: AtomicUsize,
    over: AtomicBool,
    /// Once its views are shown, sources wait for it, and nothing is counted.
    lifted: AtomicBool,
}

/// A unit of a process.
pub(super) struct Unit {
    id: UnitId,
    pub(super) dataflow: Dataflow,
    pub(super) views: Vec<Arc<View>>,
    pub(super) letters: Vec<Arc<DeadLetters>>,
    pub(super) sinks: Vec<Arc<Sink>>,
    /// Per sink and worker of this process: where its changes go, if it writes there.
    pub(super) ways: Mutex<Vec<Vec<Option<ToSink>>>>,
    threads: Mutex<Vec<SinkThread>>,
    control: Arc<Control>,
    room: Room,
    /// Nothing of it is shown or written any more.
    muted: AtomicBool,
    stage: Mutex<Stage>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Stage {
    /// Where it begins; `Err` if it cannot.
    begins: Option<Result<Epoch, ()>>,
    /// How many of its views are shown.
    shown: usize,
    ended: bool,
}

impl std::fmt::Debug for Unit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Unit").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Unit {
    /// Opens what a plan shows and writes. `feeds` says which sources feed what it reads.
    pub(super) fn open(
        id: UnitId,
        dataflow: Dataflow,
        around: Around<'_>,
        feeds: &dyn Fn(&str) -> Vec<String>,
    ) -> Result<Unit, EngineError> {
        let Around { config, control, metrics, dead_file, computed, durable } = around;
        let store = |spec: &ViewSpec| {
            let below = plan::sources_below(&dataflow, spec.node);
            view(&dataflow, spec, config, below.iter().flat_map(|name| feeds(name)).collect())
        };
        let stores = dataflow.views.iter().filter(|_| config.views).map(store);
        let views = stores.collect::<Result<_, _>>()?;
        let mut unit = Unit {
            id,
            views,
            letters: DeadLetters::of(&dataflow, computed, config.dead_letters, metrics, dead_file)?,
            sinks: Vec::new(),
            ways: Mutex::default(),
            threads: Mutex::default(),
            control: control.clone(),
            room: Room {
                limit: config.unit_bytes,
                held: AtomicUsize::new(0),
                over: AtomicBool::new(false),
                lifted: AtomicBool::new(false),
            },
            muted: AtomicBool::new(false),
            stage: Mutex::default(),
            changed: Condvar::new(),
            dataflow,
        };
        unit.open_sinks(config, durable, feeds)?;
        if !computed {
            // What only views need is not computed.
            unit.dataflow.views.clear();
        }
        Ok(unit)
    }

    /// Opens what this process writes of all sinks.
    fn open_sinks(
        &mut self,
        config: &Config,
        durable: Option<&Arc<Durable>>,
        feeds: &dyn Fn(&str) -> Vec<String>,
    ) -> Result<(), EngineError> {
        let (mut all, mut threads) = (Vec::new(), Vec::new());
        // A replay writes what its run did.
        let goes_on = durable.is_some() || config.replay.is_some();
        for plan in &self.dataflow.sinks {
            let per_worker = plan.spec.connector.per_worker(&plan.spec);
            let of = config.processes() * config.workers;
            let (mut ways, mut parts) = (Vec::new(), Vec::new());
            for worker in 0..config.workers {
                let index = config.process * config.workers + worker;
                if !per_worker && index != 0 {
                    ways.push(None);
                    continue;
                }
                let (way, opened) = sink_writer::open(plan, index, of, durable, goes_on)?;
                ways.push(Some(way));
                parts.push(opened.part());
                threads.push(opened.start(&self.control, config.process)?);
            }
            all.push(ways);
            let around = plan::sources_around(&self.dataflow, plan.node);
            let sources = around.iter().flat_map(|name| feeds(name)).collect();
            self.sinks.push(Arc::new(Sink::new(&plan.spec, parts, sources)));
        }
        (self.ways, self.threads) = (Mutex::new(all), Mutex::new(threads));
        Ok(())
    }

    pub(super) fn id(&self) -> UnitId {
        self.id
    }

    pub(super) fn control(&self) -> &Control {
        &self.control
    }

    /// More rows wait for it. Returns whether they may; if not, nothing may from then on, and it is given up.
    pub(super) fn holds(&self, bytes: impl FnOnce() -> usize) -> bool {
        if self.room.lifted.load(Ordering::Relaxed) {
            return true;
        }
        let bytes = bytes();
        let held = self.room.held.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        if held > self.room.limit && !self.room.over.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                "unit {} is given up: more than {} bytes of rows waited before it came to where it begins; drop it, and \
                 install it when fewer rows come, or raise Config::unit_bytes",
                self.id,
                self.room.limit
            );
            self.changed.notify_all();
        }
        !self.room.over.load(Ordering::Relaxed)
    }

    /// Those rows wait for it no longer.
    pub(super) fn holds_no_longer(&self, bytes: impl FnOnce() -> usize) {
        if !self.room.lifted.load(Ordering::Relaxed) {
            self.room.held.fetch_sub(bytes(), Ordering::Relaxed);
        }
    }

    /// Nothing of it is shown or written any more.
    pub(super) fn mute(&self) {
        self.muted.store(true, Ordering::Release);
        self.ended();
    }

    pub(super) fn muted(&self) -> bool {
        self.muted.load(Ordering::Acquire)
    }

    fn stage(&self) -> MutexGuard<'_, Stage> {
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut Stage)) {
        let mut stage = self.stage();
        change(&mut stage);
        if self.state_of(&stage) == UnitState::Running {
            self.room.lifted.store(true, Ordering::Relaxed);
        }
        drop(stage);
        self.changed.notify_all();
    }

    /// It begins there; `None`: it cannot.
    pub(super) fn begin(&self, at: Option<Epoch>) {
        at.iter().for_each(|&at| self.views.iter().for_each(|view| view.begin_at(at)));
        self.change(|stage| stage.begins = Some(at.ok_or(())));
    }

    /// One more of its views is shown.
    pub(super) fn shown(&self) {
        self.change(|stage| stage.shown += 1);
    }

    /// It has ended, or does not begin any more.
    pub(super) fn ended(&self) {
        self.change(|stage| stage.ended = true);
    }

    /// Waits until it is known where it begins; `None` if the engine ends before, `Err` if it cannot begin.
    pub(super) fn wait_begin(&self) -> Option<Result<Epoch, ()>> {
        let waits = |stage: &mut Stage| stage.begins.is_none() && !stage.ended;
        self.changed.wait_while(self.stage(), waits).unwrap_or_else(PoisonError::into_inner).begins
    }

    /// Waits until its views are shown, at most `timeout`; where it stands then.
    pub(super) fn wait_shown(&self, timeout: Duration) -> UnitState {
        let waits = |stage: &mut Stage| self.state_of(stage) == UnitState::Filling;
        drop(self.changed.wait_timeout_while(self.stage(), timeout, waits));
        self.state()
    }

    /// Where it stands.
    pub(super) fn state(&self) -> UnitState {
        self.state_of(&self.stage())
    }

    fn state_of(&self, stage: &Stage) -> UnitState {
        match stage.ended {
            true => UnitState::Ended,
            false if self.room.over.load(Ordering::Relaxed) => UnitState::GivenUp,
            false if self.id == UnitId::PROGRAM => UnitState::Running,
            false if stage.begins.is_some() && stage.shown >= self.views.len() => UnitState::Running,
            false => UnitState::Filling,
        }
    }

    /// How many rows failed in some view or sink and were not taken back: each once, however many read what it is missing in.
    pub(super) fn rows_failed(&self) -> u64 {
        let mut nodes: BTreeMap<usize, i64> = BTreeMap::new();
        for (node, rows) in self.letters.iter().flat_map(|letters| letters.by_node()) {
            let most = nodes.entry(node).or_insert(rows);
            *most = rows.max(*most);
        }
        nodes.values().map(|rows| rows.unsigned_abs()).sum()
    }

    /// Waits until all that its sinks were handed is written.
    pub(super) fn join(&self) {
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        threads.into_iter().for_each(SinkThread::join);
    }
}

/// A view's store.
fn view(dataflow: &Dataflow, spec: &ViewSpec, config: &Config, sources: Vec<String>) -> Result<Arc<View>, EngineError> {
    let options = |error: OptionError| EngineError::Dataflow {
        what: format!("view '{}': {error}", spec.name),
        remedy: "correct the option".to_owned(),
    };
    let node = &dataflow.nodes[spec.node];
    let limits = Limits {
        closing: match spec.closes {
            Some(column) => Closing::Column(column),
            None if node.facts.append_only => Closing::Born,
            None => Closing::Never,
        },
        rows: spec.options.parse("max-rows", "a number of rows").map_err(options)?.unwrap_or(config.view_rows),
        retention_ms: spec.options.duration_ms("retention").map_err(options)?,
        ring: ring(config),
    };
    Ok(Arc::new(View::new(spec.clone(), &node.schema, limits)?.fed_by(sources)))
}

/// How much of its changes a view keeps.
pub(super) fn ring(config: &Config) -> RingRoom {
    RingRoom { epochs: config.ring_epochs, rows: config.ring_rows, bytes: config.ring_bytes }
}
