//! The log of a data directory while an engine runs: what sources bring and how they move is appended, and moves are told to the
//! workers when all up to them is durable.
//!
//! Invariants: a partition's frames are in its own order, under its own lock. No worker hears of a move before the frame of it, and so
//! all rows before it, are durable: what anybody sees is behind the frontier, so it is never taken back (rule D2). After a
//! failure of the log nothing moves and the engine ends (D10).

mod again;
mod known;
mod matching;
mod open;
mod rebuilt;
mod recorded;
mod recovery;
mod replay;
mod snapshot;
mod source;
mod summaries;
mod table;
mod told;
mod undecided;
mod watched;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use highwater_log::{Disk, Error, Folder, Log, Lsn, Past, Refused, SyncMode};

pub(super) use self::again::{Allowed, Rereads};
use self::known::Known;
use self::matching::Matching;
pub use self::rebuilt::{Change, change};
pub use self::recorded::Recorded;
pub(super) use self::recovery::Around;
use self::snapshot::Restored;
use self::snapshot::Snapshots;
pub use self::snapshot::{SnapshotFile, SnapshotOf, SnapshotState, copy_snapshots, snapshots};
pub(super) use self::source::{Kept, Logged};
use self::summaries::Appended;
pub use self::summaries::verify_summaries;
pub(super) use self::table::{Again, Changes};
use self::told::Counts;
pub use self::told::LogState;
pub use self::undecided::Backlog;
pub(super) use self::undecided::Decision;
use self::watched::Files;
use super::control::Control;
use super::error::EngineError;
use super::frames::{self, Begun, Ended};
use super::ingest::spawn;
use super::queue::Closed;
use super::source::Source;
use crate::operator::SavedStates;
use crate::sink::{Before, Mark};
use crate::source::{Position, Replay, SplitId, Start};
use crate::time::Epoch;

/// How soon a frame that had no room is tried again.
const RETRY: Duration = Duration::from_millis(2);

/// What a partition does when a frame is durable.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moved {
    /// The frame.
    pub(super) lsn: Lsn,
    /// The source, and the partition among those of the process.
    pub(super) source: usize,
    pub(super) index: usize,
    /// Where it goes; `None`: it ends.
    pub(super) to: Option<Epoch>,
}

#[derive(Default)]
struct Waiting {
    moves: Vec<Moved>,
    closed: bool,
}

/// See the module.
pub(super) struct Durable {
    folder: String,
    /// What it held when it was opened.
    past: Past,
    /// What the directories of the other processes held, where all of it is only done again.
    beside: Vec<Past>,
    /// Where frames go; none if what it held is only done again.
    log: Option<Log>,
    /// The directory, for this process alone.
    lock: Option<Arc<Folder>>,
    /// What lies on the disk.
    files: Option<Arc<Files>>,
    /// When frames are durable.
    sync: SyncMode,
    /// Bytes that may wait for the disk; also the longest frame.
    waiting_bytes: usize,
    /// Bytes that may wait of a source until its edge can decide on them.
    undecided_bytes: u64,
    counts: Counts,
    /// Which of what it held is what of the program.
    matching: Matching,
    waiting: Mutex<Waiting>,
    came: Condvar,
    control: Arc<Control>,
    /// By how much the count of ticks is ahead of the clock's, so that it is beyond all of before.
    lead: AtomicU64,
    /// Threads that end with it: of moves, of summaries.
    threads: Mutex<Vec<JoinHandle<()>>>,
    known: Mutex<Known>,
    /// What it says by now.
    appended: Mutex<Appended>,
    /// Where the log and snapshots lie.
    disk: Option<Arc<dyn Disk>>,
    snapshots: Snapshots,
    /// What it goes on from, if not from the beginning.
    restored: Option<Restored>,
}

impl std::fmt::Debug for Durable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Durable").field("folder", &self.folder).finish_non_exhaustive()
    }
}

impl Durable {
    /// What is done again, log by log.
    fn pasts(&self) -> impl Iterator<Item = &Past> {
        std::iter::once(&self.past).chain(&self.beside)
    }

    /// The identity of the log, which stays over restarts.
    pub(super) fn lineage(&self) -> u128 {
        self.past.lineage()
    }

    /// Whether what it held is only done again: nothing is written to it.
    pub(super) fn replays(&self) -> bool {
        self.log.is_none()
    }

    /// By how much ticks are ahead of the clock.
    pub(super) fn lead(&self) -> u64 {
        self.lead.load(Ordering::Relaxed)
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wrong(&self, what: impl std::fmt::Display, remedy: &str) -> EngineError {
        known::wrong(&self.folder, what, remedy)
    }

    fn broken(&self, error: &Error) -> EngineError {
        known::broken(&self.folder, error)
    }

    /// Takes a frame at once, or says why not. A log that has failed ends the engine.
    fn append(&self, kind: u8, parts: &[&[u8]]) -> Result<Lsn, Refused> {
        self.append_of(kind, parts, None)
    }

    /// The same of rows, behind which their partition is read on at `end`.
    fn append_of(&self, kind: u8, parts: &[&[u8]], end: Option<&Position>) -> Result<Lsn, Refused> {
        let Some(log) = &self.log else { return Err(Refused::Closed) };
        // One after the other, so that at any time it is known what all frames say that are there.
        let mut said = self.appended();
        let appended = log.append(kind, parts);
        if let Ok(lsn) = &appended {
            said.take(*lsn, kind, parts, end);
        }
        drop(said);
        match &appended {
            Ok(_) => self.counts.took(kind, parts),
            Err(refused) => self.refused(refused),
        }
        appended
    }

    fn refused(&self, refused: &Refused) {
        match refused {
            Refused::Full { .. } | Refused::DiskFull | Refused::Closed => {}
            Refused::Failed(cause) => self.control.fail(self.broken(cause)),
            refused => self.control.fail(self.wrong(refused, "send fewer rows at a time")),
        }
    }

    /// Takes a frame, waiting while there is no room for it; gives up once `over` or the engine ends.
    pub(super) fn append_waiting(&self, kind: u8, parts: &[&[u8]], over: impl Fn() -> bool) -> Result<Lsn, Closed> {
        self.append_waiting_of(kind, (parts, None), over)
    }

    /// The same, of rows as [`Durable::append_of`].
    fn append_waiting_of(
        &self,
        kind: u8,
        (parts, end): (&[&[u8]], Option<&Position>),
        over: impl Fn() -> bool,
    ) -> Result<Lsn, Closed> {
        loop {
            match self.append_of(kind, parts, end) {
                Ok(lsn) => return Ok(lsn),
                Err(Refused::Full { .. } | Refused::DiskFull) if !over() && !self.control.stopping() => {
                    std::thread::sleep(RETRY);
                }
                Err(_) => return Err(Closed),
            }
        }
    }

    /// Whether there is room for so many bytes.
    pub(super) fn has_room(&self, bytes: usize) -> Result<(), Refused> {
        // More than half of what may wait never fits beside others: it waits for its turn piece by piece.
        let room = match &self.log {
            Some(log) => log.has_room(bytes.min(self.waiting_bytes / 2)),
            None => Err(Refused::Closed),
        };
        if let Err(refused) = &room {
            self.refused(refused);
        }
        room
    }

    /// Whether the engine has ended, and has not failed.
    fn is_over(&self) -> bool {
        // Its log is closed before it says so.
        self.waiting().closed && self.control.failure().is_none()
    }

    /// What is kept of a writer of a sink.
    pub(super) fn before(&self, writer: &Begun) -> Before {
        let known = self.known();
        let (mark, ends) = known.ended.get(writer).cloned().unwrap_or_default();
        // A replay ends files where the run did, and writes all of them.
        let (mark, by_clock) = if self.replays() { (Mark::default(), false) } else { (mark, true) };
        let at = self.restored.as_ref().and_then(|restored| restored.sinks.get(writer).copied());
        // Where one writer alone has begun an earlier version said of how many workers.
        let alone = |begun: &Begun| writer.parts == 1 && begun.sink == writer.sink;
        let begun = known.begun.contains(writer) || known.begun.iter().any(alone);
        Before { begun, mark, ends, by_clock, at }
    }

    /// Files of a writer are ended behind an epoch; `files`: that is done. Returns whether it may go on from there: that is durable.
    pub(super) fn ends(&self, writer: &Begun, epoch: Epoch, files: Option<u64>) -> bool {
        if self.replays() {
            return true;
        }
        let ended = Ended { writer: writer.clone(), behind: (epoch.watermark, epoch.tick), files };
        let appended = self.append_waiting(frames::ENDED, &[&ended.bytes()], || false);
        appended.is_ok_and(|lsn| self.wait(lsn).is_ok())
    }

    /// A writer of a sink has begun: once that is durable it may write.
    pub(super) fn begins(&self, writer: Begun) {
        let frame = writer.bytes();
        let new = self.known().begun.insert(writer);
        if new {
            // What is not taken now is begun again by the next run.
            if let (Ok(lsn), Some(log)) = (self.append_waiting(frames::BEGUN, &[&frame], || false), &self.log) {
                let _ = log.wait_durable(lsn);
            }
        }
    }

    /// What operators begin with, once.
    pub(super) fn states(&self) -> Option<SavedStates> {
        self.snapshots.states()
    }

    /// Whether operators are saved.
    pub(super) fn saves(&self) -> bool {
        self.restored.is_some() || self.snapshots.are_taken()
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The splits that a source had, with their numbers.
    pub(super) fn splits(&self, source: usize) -> Vec<(usize, SplitId)> {
        let known = self.known();
        let ours = known.splits.iter().filter(|((of, _), _)| *of == source as u32);
        ours.map(|((_, number), known)| (*number as usize, known.split.clone())).collect()
    }

    /// Where a partition is read on behind what is kept of it, if it can be read again.
    pub(super) fn read_on(&self, (source, number): (usize, usize), replay: Replay) -> Start {
        let end = self.known().ends.get(&(source as u32, number as u32)).cloned();
        end.filter(|_| replay == Replay::Seek).map_or(Start::Beginning, Start::At)
    }

    /// A partition does that when its frame is durable.
    pub(super) fn when_durable(&self, moved: Moved) {
        self.waiting().moves.push(moved);
        self.came.notify_one();
    }

    /// Waits until a frame is durable. Fails if it never will be.
    pub(super) async fn durable(&self, lsn: Lsn) -> Result<(), EngineError> {
        match &self.log {
            Some(log) => log.when_durable(lsn).await.map_err(|error| self.broken(&error)),
            None => Ok(()),
        }
    }

    /// Waits until a frame is durable. If it never will be the engine ends.
    fn wait(&self, lsn: Lsn) -> Result<(), Closed> {
        let waited = self.log.as_ref().map_or(Ok(()), |log| log.wait_durable(lsn));
        waited.map_err(|error| {
            self.control.fail(self.broken(&error));
            Closed
        })
    }

    /// Starts the thread that tells of moves.
    pub(super) fn start(self: &Arc<Self>, sources: &[Arc<Source>], process: usize) -> Result<(), EngineError> {
        let (durable, sources) = (self.clone(), sources.to_vec());
        let telling = spawn("durable".to_owned(), move || {
            durable.control.guard("durable", process, || durable.release(&sources));
        })?;
        self.keep(telling);
        Ok(())
    }

    fn keep(&self, thread: JoinHandle<()>) {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner).push(thread);
    }

    fn appended(&self) -> MutexGuard<'_, Appended> {
        self.appended.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn release(&self, sources: &[Arc<Source>]) {
        let (mut moves, Some(log)) = (Vec::<Moved>::new(), &self.log) else { return };
        loop {
            let mut waiting = self.waiting();
            while waiting.moves.is_empty() && moves.is_empty() && !waiting.closed {
                waiting = self.came.wait(waiting).unwrap_or_else(PoisonError::into_inner);
            }
            moves.append(&mut waiting.moves);
            drop(waiting);
            let Some(first) = moves.iter().map(|moved| moved.lsn).min() else { return };
            if let Err(error) = log.wait_durable(first) {
                return self.control.fail(self.broken(&error));
            }
            let durable = log.durable();
            moves.retain(|moved| {
                let ready = moved.lsn < durable;
                if ready {
                    sources[moved.source].moved(moved.index, moved.to);
                }
                !ready
            });
        }
    }

    /// The engine stops: nobody is told of moves any more once those that wait are durable.
    pub(super) fn stop(&self) {
        self.waiting().closed = true;
        self.came.notify_all();
        self.snapshots.close();
        self.files.iter().for_each(|files| files.close());
    }

    /// The log has ended: another run may have the directory, also one of this process that still holds this one.
    pub(super) fn give_back(&self) -> Result<(), EngineError> {
        let released = self.lock.as_ref().map_or(Ok(()), |lock| lock.release());
        released.map_err(|error| self.wrong(format!("it cannot be given back: {error}"), "end the process"))
    }

    /// Ends the log in order.
    pub(super) fn close(&self) -> Result<(), EngineError> {
        self.stop();
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        // A panic there has ended the engine already.
        threads.into_iter().for_each(|thread| drop(thread.join()));
        self.log.as_ref().map_or(Ok(()), |log| log.close().map_err(|error| self.broken(&error)))
    }
}
