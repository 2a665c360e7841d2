//! Snapshots: what operators, views, dead letters and edges keep at an epoch, so that a start reads the log from there on and what is
//! before it can be taken away.
//!
//! An epoch is chosen that no partition has reached, with all of them held still for a moment. Each partition is kept as it is where it
//! moves there or beyond (`partition.rs`), operators where their inputs have come there (`operator/cuts.rs`): rows before that epoch
//! are in, others come again from the log. Two snapshots are kept; the log is, from what the older one needs (`retention.rs`).
//!
//! Invariant: a snapshot is written only when all that it holds is durable in the log too, and says how far that reached: one that the
//! log does not reach is not used.

mod eligible;
mod file;
mod partition;
mod retention;
mod shown;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use highwater_log::Lsn;

use self::eligible::not_whole;
use self::file::{About, Snapshot, Unusable, numbers};
pub(super) use self::partition::PartitionCut;
pub use self::shown::{SnapshotFile, SnapshotOf, copy_snapshots, snapshots};
use super::super::config::Config;
use super::super::error::EngineError;
use super::super::frames::{self, Begun};
use super::super::ingest::spawn;
use super::super::source::{Source, lock};
use super::Durable;
use crate::operator::{Cuts, SavedStates};
use crate::plan::{Dataflow, LogSpec, Retention};
use crate::sink::Mark;
use crate::time::{Clock, Epoch, format_duration_ms, now_ms};

/// One is taken sooner when the log has taken so many bytes since the last.
const BYTES: u64 = 1 << 30;

/// How often it is looked whether one is due, or complete.
const LOOK: Duration = Duration::from_millis(20);

/// What a start goes on from.
#[derive(Debug)]
pub(super) struct Restored {
    /// The partitions.
    pub(super) partitions: Vec<PartitionCut>,
    /// The first frame that is read.
    pub(super) from: Lsn,
    /// What came at epochs before is in operators and tables.
    pub(super) cut: Epoch,
    /// Where the outputs of sinks are gone on with.
    pub(super) sinks: BTreeMap<Begun, Mark>,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Snapshots {
    /// Some partition is to be cut.
    waits: AtomicBool,
    state: Mutex<State>,
    came: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// How often one is taken; `None`: never.
    every_ms: Option<i64>,
    retention: Retention,
    /// Where the one at hand is taken.
    cut: Epoch,
    /// Partitions that have not come there.
    uncut: BTreeSet<(u32, u32)>,
    partitions: Vec<PartitionCut>,
    /// The writers of sinks, and where those are that have come there.
    writers: BTreeSet<Begun>,
    marks: BTreeMap<Begun, Mark>,
    /// Those that are there, oldest first: number, and the first frame that it needs.
    kept: Vec<(u64, u64)>,
    /// The last one, of this run or the one that it goes on from.
    last: Option<SnapshotState>,
    /// What operators begin with.
    states: Option<SavedStates>,
    closed: bool,
}

/// The last snapshot of a data directory.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct SnapshotState {
    /// The epoch at which it was taken.
    pub epoch: String,
    /// When that was, in ms since 1970.
    pub taken_ms: i64,
    /// Bytes of its file.
    pub bytes: u64,
    /// For how many seconds it was taken and written; of an earlier run 0.
    pub seconds: f64,
    /// The first frame of the log that a start from it reads.
    pub from_frame: u64,
}

impl Snapshots {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a partition that is moving there is to be kept as it is before.
    fn cuts_at(&self, of: (u32, u32), to: Epoch) -> bool {
        self.waits.load(Ordering::Acquire) && {
            let state = self.state();
            to >= state.cut && state.uncut.contains(&of)
        }
    }

    fn is_cut(&self, partition: PartitionCut) {
        let mut state = self.state();
        state.uncut.remove(&partition.of());
        self.waits.store(!state.uncut.is_empty(), Ordering::Release);
        state.partitions.push(partition);
    }

    /// How often one is taken, as it is told.
    pub(super) fn interval(&self) -> String {
        self.state().every_ms.map_or_else(|| "never".to_owned(), format_duration_ms)
    }

    /// Whether all partitions and sinks have come to where the one at hand is taken.
    fn all_came(&self) -> bool {
        let state = self.state();
        state.uncut.is_empty() && state.marks.len() == state.writers.len()
    }

    /// The last one.
    pub(super) fn last(&self) -> Option<SnapshotState> {
        self.state().last.clone()
    }

    /// Whether any are taken.
    pub(super) fn are_taken(&self) -> bool {
        self.state().every_ms.is_some()
    }

    /// What operators begin with, once.
    pub(super) fn states(&self) -> Option<SavedStates> {
        self.state().states.take()
    }

    /// No more are taken.
    pub(super) fn close(&self) {
        self.state().closed = true;
        self.came.notify_all();
    }

    /// Waits for so long; whether no more are taken.
    fn pauses(&self, pause: Duration) -> bool {
        let waited = self.came.wait_timeout_while(self.state(), pause, |state| !state.closed);
        waited.unwrap_or_else(PoisonError::into_inner).0.closed
    }
}

impl Durable {
    /// Finds what a start of the program goes on from, and says what it keeps. What snapshots the log does not reach are taken away.
    pub(super) fn with_snapshots(
        mut self,
        dataflow: &Dataflow,
        config: &Config,
        extended: bool,
    ) -> Result<Durable, EngineError> {
        let LogSpec { retention, snapshots, .. } = dataflow.log;
        let every_ms = snapshots.flatten();
        let refused = not_whole(dataflow, config, extended);
        if let Some(why) = refused.as_ref().filter(|_| every_ms.is_some()) {
            tracing::warn!(
                "data directory '{}': no snapshots are taken, and all of the log is kept: {why}",
                self.folder
            );
        }
        let found = self.find_snapshot(refused.as_deref())?;
        let mut state = self.snapshots.state();
        state.every_ms = every_ms.filter(|_| refused.is_none());
        state.retention = retention.unwrap_or_default();
        drop(state);
        if let Some((snapshot, number, bytes)) = found {
            let Snapshot { about, partitions, sinks, states } = snapshot;
            tracing::info!(
                "data directory '{}': goes on from the snapshot of {}, from frame {} of the log on",
                self.folder,
                crate::time::format_time_ms(about.taken_ms),
                about.from
            );
            let mut state = self.snapshots.state();
            state.states = Some(states);
            state.last = Some(told(&about, bytes, 0.0));
            state.kept.push((number, about.from));
            drop(state);
            self.restored = Some(Restored { partitions, from: Lsn(about.from), cut: about.cut, sinks });
        }
        Ok(self)
    }

    /// The newest snapshot that can be used, with its number and length; `refused` says why the program takes none.
    fn find_snapshot(&self, refused: Option<&str>) -> Result<Option<(Snapshot, u64, u64)>, EngineError> {
        let Some(disk) = &self.disk else { return Ok(None) };
        let (first, end) = (self.past.first().0, self.past.end().0);
        let failed = |error: std::io::Error| self.wrong(format!("it cannot be listed: {error}"), "look at the disk");
        let (mut why, lineage) = (Vec::new(), format!("{:032x}", self.lineage()));
        let mut found = None;
        for number in numbers(&**disk).map_err(failed)? {
            let name = file::name_of(number);
            let (about, bytes) = match Snapshot::about(&**disk, number) {
                Ok(about) => about,
                Err(error) => {
                    why.push(self.passes_over(&error));
                    continue;
                }
            };
            if about.lineage != lineage || about.upto > end {
                // Numbers behind the end of the log are given again: it must not be taken for one of them.
                tracing::warn!(
                    "data directory '{}': '{name}' is taken away, for the log ends before it or is another",
                    self.folder
                );
                disk.remove(&name).and_then(|()| disk.sync()).map_err(failed)?;
                continue;
            }
            if about.from < first {
                why.push(format!("'{name}' needs frame {}", about.from));
                continue;
            }
            if found.is_some() {
                self.snapshots.state().kept.insert(0, (number, about.from));
                break;
            }
            if first == 0 && (refused.is_some() || about.version != env!("CARGO_PKG_VERSION")) {
                // All is done again.
                return Ok(None);
            }
            if let Some(refused) = refused {
                let what =
                    format!("its log begins at frame {first}, and cannot be gone on with from a snapshot: {refused}");
                return Err(self.wrong(what, "run it as it was run"));
            }
            match Snapshot::read(&**disk, number) {
                Ok(snapshot) => found = Some((snapshot, number, bytes)),
                Err(error) => why.push(self.passes_over(&error)),
            }
        }
        if found.is_none() && first > 0 {
            let why = if why.is_empty() { "there is none".to_owned() } else { why.join("; ") };
            let what = format!("its log begins at frame {first}, and no snapshot goes on from there: {why}");
            return Err(self.wrong(what, "restore the directory from a copy, or begin anew with an empty one"));
        }
        Ok(found)
    }

    /// A writer of a sink is there.
    pub(in super::super) fn writes(&self, writer: &Begun) {
        self.snapshots.state().writers.insert(writer.clone());
    }

    /// A writer has come to where a snapshot is taken: that is where its output is then, safe on the disk.
    pub(in super::super) fn is_marked(&self, writer: &Begun, mark: Mark) {
        self.snapshots.state().marks.insert(writer.clone(), mark);
    }

    fn passes_over(&self, error: &Unusable) -> String {
        let why = error.to_string();
        tracing::warn!("data directory '{}': a snapshot cannot be used: {why}", self.folder);
        why
    }

    /// What was saved does not fit the operators.
    pub(in super::super) fn unfit(&self, why: &str) {
        let what = format!("its snapshot cannot be taken in: {why}");
        self.control.fail(self.wrong(what, "open it with the version that wrote it"));
    }

    /// Starts the thread that takes snapshots.
    pub(in super::super) fn take_snapshots(
        self: &Arc<Self>,
        sources: &[Arc<Source>],
        cuts: Option<&Arc<Cuts>>,
        process: usize,
    ) -> Result<(), EngineError> {
        let every_ms = self.snapshots.state().every_ms;
        let (Some(every_ms), Some(cuts)) = (every_ms, cuts.cloned()) else { return Ok(()) };
        // Which of its dead letters are of which partition is not known.
        if let Some(several) = sources.iter().find(|source| source.partitions.len() > 1) {
            self.snapshots.state().every_ms = None;
            tracing::warn!(
                "data directory '{}': no snapshots are taken, and all of the log is kept: source '{}' has {} partitions",
                self.folder,
                several.name(),
                several.partitions.len()
            );
            return Ok(());
        }
        let (durable, sources) = (self.clone(), sources.to_vec());
        let thread = spawn("snapshots".to_owned(), move || {
            durable.control.guard("snapshots", process, || durable.taking(&sources, &cuts, every_ms));
        })?;
        self.keep(thread);
        Ok(())
    }

    fn taking(&self, sources: &[Arc<Source>], cuts: &Cuts, every_ms: i64) {
        let frames = || self.counts.of(&[frames::ROWS, frames::DECIDED]);
        let (mut clock, mut rows, mut bytes) = (Clock::start(), frames(), self.counts.bytes());
        while !self.snapshots.pauses(LOOK) {
            let long = i64::try_from(clock.elapsed_ms()).unwrap_or(i64::MAX) >= every_ms;
            if frames() == rows || !long && self.counts.bytes() - bytes < BYTES {
                continue;
            }
            (clock, rows, bytes) = (Clock::start(), frames(), self.counts.bytes());
            match self.take_one(sources, cuts) {
                None => {}
                Some(Ok(())) => self.shorten(),
                Some(Err(error)) => {
                    self.counts.snapshot_failed();
                    tracing::warn!(
                        "data directory '{}': a snapshot could not be written, the log is kept: {error}",
                        self.folder
                    );
                }
            }
        }
    }

    /// Takes a snapshot and writes it; `None` if there is nothing to be kept or the engine ends meanwhile.
    fn take_one(&self, sources: &[Arc<Source>], cuts: &Cuts) -> Option<Result<(), Unusable>> {
        let clock = Clock::start();
        self.tell_cut(sources, cuts)?;
        let states = loop {
            if let Some(states) = cuts.taken_if(self.snapshots.all_came()) {
                break states;
            }
            if self.snapshots.pauses(LOOK) {
                return None;
            }
        };
        let (partitions, sinks) = {
            let mut state = self.snapshots.state();
            (std::mem::take(&mut state.partitions), std::mem::take(&mut state.marks))
        };
        let upto = self.log.as_ref().map_or(0, |log| log.durable().0);
        let changes = self.appended().changes_from(states.cut).unwrap_or(upto);
        let from = partitions.iter().map(|cut| cut.lsn.min(cut.needs)).min().unwrap_or(upto).min(changes);
        let about = About::new(self.lineage(), states.cut, (from, upto), now_ms());
        let snapshot = Snapshot { about: about.clone(), partitions, sinks, states };
        Some(self.write_snapshot(&snapshot).map(|bytes| {
            let seconds = clock.elapsed_seconds();
            self.snapshots.state().last = Some(told(&about, bytes, seconds));
            self.counts.snapshot(bytes, seconds);
        }))
    }

    fn write_snapshot(&self, snapshot: &Snapshot) -> Result<u64, Unusable> {
        let Some(disk) = &self.disk else { return Ok(0) };
        let listed = numbers(&**disk).map_err(|error| Unusable::Unread(self.folder.clone(), error.to_string()))?;
        let number = listed.first().copied().unwrap_or(0) + 1;
        let bytes = snapshot.write(disk, number)?;
        let mut state = self.snapshots.state();
        state.kept.push((number, snapshot.about.from));
        Ok(bytes)
    }

    /// Chooses where the next one is taken, and tells all partitions and operators; `None` if there is no such epoch.
    fn tell_cut(&self, sources: &[Arc<Source>], cuts: &Cuts) -> Option<Epoch> {
        let partitions = sources.iter().flat_map(|source| source.partitions.iter());
        // All stand still until it is told: nobody else holds two of them.
        let held: Vec<_> = partitions.map(|partition| lock(&partition.state)).collect();
        if held.iter().any(|reading| reading.sealed) {
            return None;
        }
        let furthest = held.iter().filter(|reading| !reading.ended).map(|reading| reading.edge.epoch()).max()?;
        let cut = Epoch { watermark: furthest.watermark, tick: furthest.tick.checked_add(1)? };
        let mut of = BTreeMap::new();
        let places = sources
            .iter()
            .enumerate()
            .flat_map(|(number, source)| (0..source.partitions.len()).map(move |index| (number, index, source)));
        for ((number, index, source), reading) in places.zip(&held) {
            of.insert((number as u32, source.partitions[index].number as u32), (index, source, reading));
        }
        let mut state = self.snapshots.state();
        state.partitions.clear();
        state.marks.clear();
        state.cut = cut;
        state.uncut = of.keys().copied().collect();
        drop(state);
        cuts.tell(cut);
        self.snapshots.waits.store(true, Ordering::Release);
        // The next tick moves them, also those that nothing comes to.
        sources.iter().for_each(|source| source.dirty.store(true, Ordering::Release));
        for (index, source, reading) in of.into_values().filter(|(.., reading)| reading.ended) {
            source.cut(index, reading, Epoch::END);
        }
        Some(cut)
    }
}

fn told(about: &About, bytes: u64, seconds: f64) -> SnapshotState {
    let (epoch, taken_ms, from_frame) = (about.cut.to_string(), about.taken_ms, about.from);
    SnapshotState { epoch, taken_ms, bytes, seconds, from_frame }
}
