//! A source while it runs: its partitions in this process, their edges, the queues to the workers, what was counted.
//!
//! Invariants: what a partition pushes is in its own order, under its own lock; rows are dealt to the workers in turn, moves
//! and ends go to all of them. A partition that has ended pushes nothing more.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

use arrow_array::RecordBatch;
use tokio::sync::Notify;

use super::dead_file::DeadFile;
use super::durable::{Allowed, Kept, Logged, Rereads};
use super::idleness::Reach;
use super::ingest::Opened;
use super::latency::Latency;
use super::push::Inbox;
use super::queue::Queue;
use super::rejected::Rejected;
use super::source_metrics::SourceMetrics;
use super::timepiece::Timepiece;
use crate::delta::Reject;
use crate::metrics::Metrics;
use crate::retry::Standing;
use crate::source::{Edge, EdgeCounts, Place, Position, SourceSpec, SplitId, Step};
use crate::time::Epoch;

/// A source while it runs.
#[derive(Debug)]
pub struct Source {
    pub(super) spec: SourceSpec,
    live: bool,
    pub(super) partitions: Vec<Partition>,
    /// The splits that other processes read, with their numbers.
    pub(super) elsewhere: Vec<(usize, SplitId)>,
    pub(super) queues: Vec<Queue>,
    /// Of a source that clients push to.
    pub(super) inbox: Option<Inbox>,
    /// Tells who waits to push that there may be room.
    pub(super) room: Notify,
    /// Nothing more is taken.
    pub(super) sealed: AtomicBool,
    /// The next worker that is dealt rows.
    pub(super) turn: AtomicUsize,
    /// Rows came since the last tick. Set at the start too: that there are none yet is an answer (a COUNT of 0).
    pub(super) dirty: AtomicBool,
    pub(super) rejected: Rejected,
    pub(super) clock: Timepiece,
    pub(super) latency: Arc<Latency>,
    pub(super) metrics: SourceMetrics,
    /// How its rows are kept, if they are.
    pub(super) logged: Option<Logged>,
    /// How they come again, if they are not and others are.
    pub(super) rereads: Option<Rereads>,
    /// Duplicates found here among the rows of several processes.
    repeated: AtomicU64,
    /// Changes that took back what was not there, found here.
    pub(super) unknown: AtomicU64,
}

/// One partition while it is read.
#[derive(Debug)]
pub(super) struct Partition {
    pub(super) name: String,
    /// Among those of all processes.
    pub(super) number: usize,
    pub(super) split: SplitId,
    pub(super) state: Mutex<Reading>,
    pub(super) counts: Mutex<EdgeCounts>,
    /// Of a changelog: the inputs that its rows stood in, each with how many rows were before it.
    pub(super) inputs: Mutex<Vec<(u64, String)>>,
    /// How many rows were told to be late by each of the rows that moved the watermark far, by where these stand.
    pub(super) leaps_told: Mutex<BTreeMap<String, u64>>,
    pub(super) watermark: AtomicI64,
    pub(super) ended: AtomicBool,
    /// When rows came last, in ms of the source's clock.
    pub(super) last_rows_ms: AtomicU64,
    /// Whether its reader waits for something to pass.
    pub(super) standing: Arc<Standing>,
}

#[derive(Debug)]
pub(super) struct Reading {
    pub(super) edge: Edge,
    /// How far the workers were told, or will be when that is durable.
    pub(super) told: Epoch,
    pub(super) ended: bool,
    /// Nothing more is taken, though what is open stays open.
    pub(super) sealed: bool,
    pub(super) steps: Vec<Step>,
    pub(super) rejects: Vec<Reject>,
    /// Where the next pushed record stands.
    pub(super) place: Place,
    /// Behind what was taken.
    pub(super) position: Position,
    /// Up to where it knows what other processes took.
    pub(super) learned: Option<Epoch>,
    /// What of it is in the log.
    pub(super) kept: Kept,
    /// Up to where its rows may be shown.
    pub(super) allowed: Allowed,
}

/// What a source is made of.
#[derive(Debug)]
pub(super) struct Parts<'a> {
    pub(super) spec: SourceSpec,
    /// The partitions of this process.
    pub(super) partitions: Vec<Opened>,
    /// The splits that other processes read, with their numbers.
    pub(super) elsewhere: Vec<(usize, SplitId)>,
    pub(super) config: &'a super::Config,
    pub(super) metrics: Arc<Metrics>,
    pub(super) latency: Arc<Latency>,
    pub(super) inbox: Option<Inbox>,
    /// Where dead letters are written.
    pub(super) dead_file: Option<Arc<DeadFile>>,
    /// How rows are kept, if they are.
    pub(super) logged: Option<Logged>,
    /// How they come again, if they are not and others are.
    pub(super) rereads: Option<Rereads>,
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Source {
    pub(super) fn new(parts: Parts<'_>) -> Source {
        let Parts { spec, partitions, elsewhere, config, metrics, latency, inbox, dead_file, logged, rereads } = parts;
        let live = spec.connector.live(&spec.options);
        let partitions = partitions.into_iter().map(|Opened { number, split, start, name }| {
            let position = start.position();
            let edge = Edge::new(&spec, number, config.tick_rows, live).named(&name).behind(position.rows);
            let edge = if config.takes_apart() { edge.shared() } else { edge };
            let told = edge.epoch();
            let place = Place::at(&spec.name, &name, &position);
            let reading = Reading {
                edge,
                told,
                ended: false,
                sealed: false,
                steps: Vec::new(),
                rejects: Vec::new(),
                place,
                position,
                learned: logged.as_ref().and_then(|logged| logged.heard(number)),
                kept: Kept::default(),
                allowed: rereads.as_ref().map_or_else(Allowed::default, |rereads| rereads.allowed(number)),
            };
            Partition {
                name,
                number,
                split,
                state: Mutex::new(reading),
                counts: Mutex::default(),
                inputs: Mutex::default(),
                leaps_told: Mutex::default(),
                watermark: AtomicI64::new(i64::MIN),
                ended: AtomicBool::new(false),
                last_rows_ms: AtomicU64::new(0),
                standing: Arc::new(Standing::new(live)),
            }
        });
        let partitions: Vec<Partition> = partitions.collect();
        if inbox.is_some() {
            // Clients may push from now on.
            partitions.iter().for_each(|partition| partition.standing.opened());
        }
        // Who pushes never waits: the inbox bounds what the queues of a pushed source hold.
        let (rows, bytes) =
            inbox.as_ref().map_or((config.queue_rows, config.queue_bytes), |_| (usize::MAX, usize::MAX));
        Source {
            live,
            partitions,
            elsewhere,
            queues: (0..config.workers).map(|_| Queue::new(rows, bytes)).collect(),
            inbox,
            room: Notify::new(),
            sealed: AtomicBool::new(false),
            turn: AtomicUsize::new(0),
            dirty: AtomicBool::new(true),
            rejected: Rejected::new(config.dead_letters, dead_file),
            clock: Timepiece::start(config.clock.as_ref()),
            latency,
            metrics: SourceMetrics::new(metrics, &spec.name),
            logged,
            rereads,
            repeated: AtomicU64::new(0),
            unknown: AtomicU64::new(0),
            spec,
        }
    }

    /// What was planned.
    pub fn spec(&self) -> &SourceSpec {
        &self.spec
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.spec.name
    }

    /// Whether rows keep coming as time goes by.
    pub fn live(&self) -> bool {
        self.live
    }

    /// The watermark in ms: the least of the partitions that have not ended; `i64::MIN` before the first, `i64::MAX` when
    /// all have ended (or are in other processes).
    pub fn watermark(&self) -> i64 {
        let live = self.partitions.iter().filter(|partition| !partition.has_ended());
        live.map(|partition| partition.watermark.load(Ordering::Relaxed)).min().unwrap_or(i64::MAX)
    }

    /// Whether all its partitions in this process have ended.
    pub fn ended(&self) -> bool {
        self.partitions.iter().all(Partition::has_ended)
    }

    /// Rows and bytes waiting for the workers.
    pub(super) fn waiting(&self) -> (usize, usize) {
        let add = |(rows, bytes), queue: &Queue| {
            let (more_rows, more_bytes) = queue.filled();
            (rows + more_rows, bytes + more_bytes)
        };
        self.queues.iter().fold((0, 0), add)
    }

    /// Wakes the workers for what waits.
    pub(super) fn wake(&self) {
        self.queues.iter().for_each(Queue::wake);
    }

    /// How many partitions it has in this process.
    pub fn partition_count(&self) -> usize {
        self.partitions.len()
    }

    pub(super) fn queue(&self, worker: usize) -> &Queue {
        &self.queues[worker]
    }

    /// Other processes took rows, of these keys, at that epoch: all of them, and all of earlier ones were told before.
    pub(super) fn learn(&self, epoch: Epoch, keys: &RecordBatch) {
        let Some(partition) = self.partitions.first() else { return };
        let mut reading = lock(&partition.state);
        // What it heard before a restart it hears again where that stands in the log.
        if reading.learned < Some(epoch)
            && self.logged.as_ref().is_none_or(|logged| logged.hears(partition.number, epoch, keys))
        {
            reading.edge.learn(keys);
            reading.learned = Some(epoch);
        }
    }

    /// Duplicates were found among the rows of several processes.
    pub(super) fn found(&self, repeats: u64) {
        self.repeated.fetch_add(repeats, Ordering::Relaxed);
        self.metrics.duplicates.inc_by(repeats);
    }

    /// Duplicates that this process found among the rows of several.
    pub fn repeated(&self) -> u64 {
        self.repeated.load(Ordering::Relaxed)
    }

    /// What a partition brings from now on stands in an input of this name.
    pub(super) fn begins(&self, index: usize, input: &str) {
        if let Some(logged) = &self.logged {
            let over = || self.sealed.load(Ordering::Acquire);
            logged.begins(self.partitions[index].number, input, over);
        }
        self.at_input(index, input);
    }

    pub(super) fn at_input(&self, index: usize, input: &str) {
        let partition = &self.partitions[index];
        let before = lock(&partition.state).edge.begins(input);
        if self.spec.changelog.is_some() {
            lock(&partition.inputs).push((before, input.to_owned()));
        }
    }

    /// Whether it takes no more rows: it was sealed, or has ended.
    pub(super) fn closed(&self) -> bool {
        self.sealed.load(Ordering::Acquire) || self.ended()
    }

    /// Whether a partition takes no more rows.
    pub(super) fn is_over(&self, index: usize) -> bool {
        self.sealed.load(Ordering::Acquire) || self.partitions[index].has_ended()
    }

    /// Ends all partitions, behind what waits in the log: what they bring later is not taken.
    pub(super) fn drain(&self) {
        let waits = self.logged.as_ref().is_some_and(|logged| self.inbox.is_some() && logged.ends_behind());
        if !waits {
            self.finish_all();
        }
    }

    pub(super) fn finish_all(&self) {
        (0..self.partitions.len()).for_each(|index| self.finish(index));
    }

    /// Clients are told from now on that nothing more is taken.
    pub(super) fn refuse(&self) {
        self.sealed.store(true, Ordering::Release);
        self.logged.iter().for_each(Logged::wakes);
        self.freed();
    }

    /// Takes nothing more, and moves what was taken on its way: to `tick` of its watermark, which no partition may have
    /// reached. Answers the least epoch of its partitions, which everything that was taken is before; `None` if all have
    /// ended. Waits for those that are pushing rows just now.
    pub(super) fn seal(&self, tick: u64) -> Option<Epoch> {
        self.refuse();
        let seal = |(index, partition): (usize, &Partition)| {
            let mut reading = lock(&partition.state);
            if reading.ended {
                return None;
            }
            if !std::mem::replace(&mut reading.sealed, true) {
                partition.standing.end();
                reading.edge.tick();
                let epoch = reading.edge.epoch();
                reading.edge.follow(Epoch { tick, ..epoch });
                self.tell(index, &mut reading);
                // Without it nothing that was taken arrives.
                while reading.told < reading.edge.epoch() && self.logged.as_ref().is_some_and(Logged::waits) {
                    self.tell(index, &mut reading);
                }
            }
            Some(reading.edge.epoch())
        };
        self.partitions.iter().enumerate().filter_map(seal).min()
    }

    /// How far the rows that clients push to this process are; `None` if it is no such source or has ended.
    pub(super) fn pushed(&self) -> Option<i64> {
        self.inbox.as_ref()?;
        self.partition_watermark(0)
    }

    /// Moves what came since the last tick on its way: a step of the clock for one partition. `tick` is the count of the
    /// clock's ticks, the same for all partitions, so that none holds another back within one watermark. Whether it was free for it.
    pub(super) fn tick(&self, index: usize, tick: Option<u64>) -> bool {
        self.step(index, |edge| {
            edge.tick();
            if let Some(tick) = tick {
                let watermark = edge.epoch().watermark;
                edge.follow(Epoch { watermark, tick });
            }
        })
    }

    /// Whether its event time is the time of arrival: it moves on with the clock, and follows nobody.
    pub(super) fn by_arrival(&self) -> bool {
        self.spec.by_arrival()
    }

    /// The clock is at `now_ms`: no row arrives before that any more.
    pub(super) fn arrive(&self, index: usize, now_ms: i64) -> bool {
        match self.is_behind() {
            // Rows wait that arrived earlier.
            true => self.step(index, Edge::tick),
            false => self.step(index, |edge| edge.arrive(now_ms)),
        }
    }

    /// Whether the watermark of its idle partitions goes on with the clock.
    pub(super) fn goes_on_with_the_clock(&self) -> bool {
        self.spec.time.is_some_and(|time| time.idle_by_clock)
    }

    /// The clock is at `now_ms`, and a partition is idle.
    pub(super) fn elapse(&self, index: usize, now_ms: i64) {
        self.step(index, |edge| edge.elapse(now_ms));
    }

    /// W6: an idle partition goes where the others are.
    pub(super) fn follow(&self, index: usize, epoch: Epoch) {
        self.step(index, |edge| edge.follow(epoch));
    }

    /// Whether the partition was free for it: whoever holds it is taking rows, and tells of moves of its own.
    fn step(&self, index: usize, step: impl FnOnce(&mut Edge)) -> bool {
        let mut reading = match self.partitions[index].state.try_lock() {
            Ok(reading) => reading,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => {
                // It may have said before this tick that there are rows: they are the next tick's.
                self.dirty.store(true, Ordering::Release);
                return false;
            }
        };
        if !reading.ended && !reading.sealed {
            step(&mut reading.edge);
            self.tell(index, &mut reading);
        }
        true
    }

    /// The watermark of a partition; `None` once it has ended.
    pub(super) fn partition_watermark(&self, index: usize) -> Option<i64> {
        let partition = &self.partitions[index];
        (!partition.has_ended()).then(|| partition.watermark.load(Ordering::Relaxed))
    }

    /// How far a partition is, for those that are idle.
    pub(super) fn reach(&self, index: usize) -> Reach {
        let watermark = self.partitions[index].watermark.load(Ordering::Relaxed);
        match self.partitions[index].has_ended() || self.idle(index) {
            true => Reach::quiet(watermark),
            false => Reach::busy(watermark),
        }
    }

    /// Whether a partition brought no row for the source's idle timeout. Without a watermark a live source never has
    /// anything to wait for: it always follows.
    pub(super) fn idle(&self, index: usize) -> bool {
        let Some(time) = &self.spec.time else { return self.live };
        if self.by_arrival() || self.is_behind() {
            return false;
        }
        let last = self.partitions[index].last_rows_ms.load(Ordering::Relaxed);
        let since = self.clock.elapsed_ms().saturating_sub(last);
        self.live && time.idle_timeout.is_some_and(|timeout| u128::from(since) >= timeout.as_millis())
    }

    /// Moves what is still to be told, and answers the epoch that everything it took is before; `None` if all partitions have
    /// ended.
    pub(super) fn moves_on(&self) -> Option<Epoch> {
        let on = |(index, partition): (usize, &Partition)| {
            let mut reading = lock(&partition.state);
            if reading.ended {
                return None;
            }
            while reading.told < reading.edge.epoch() && !reading.sealed {
                self.tell(index, &mut reading);
                if reading.told < reading.edge.epoch() && !self.logged.as_ref().is_some_and(Logged::waits) {
                    break;
                }
            }
            Some(reading.told)
        };
        self.partitions.iter().enumerate().filter_map(on).min()
    }

    /// Nobody reads any more.
    pub(super) fn close(&self) {
        self.partitions.iter().for_each(|partition| partition.standing.end());
        self.queues.iter().for_each(Queue::close);
        self.logged.iter().for_each(Logged::wakes);
        self.freed();
    }
}

impl Partition {
    fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }
}
