//! What those who append, those who wait and the thread that writes have in common, under one lock.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Duration;

use crate::Lsn;
use crate::error::{Error, Refused};
use crate::options::Options;
use crate::run::Run;

pub(crate) struct Shared {
    pub(crate) options: Options,
    state: Mutex<State>,
    /// Tells the thread that there is something to write, or that it shall end.
    work: Condvar,
    /// Tells those who wait that more is durable, or that nothing will be.
    moved: Condvar,
    durable: AtomicU64,
    /// What the tip says.
    tip: AtomicU64,
    /// Held by who takes segments away.
    pub(crate) retaining: Mutex<()>,
}

struct State {
    waiting: Run,
    /// Bytes that the thread has taken and not yet written.
    in_flight: usize,
    /// The number of the next frame.
    next: u64,
    /// Bytes left in the segment, as of what is written.
    left: u64,
    /// Another segment is prepared.
    spare: bool,
    /// The disk had no room.
    full: bool,
    stop: bool,
    ended: bool,
    idle: bool,
    failed: Option<Arc<Error>>,
    /// By the frame they wait for and a number of their own.
    wakers: BTreeMap<(u64, u64), Waker>,
    last_waker: u64,
}

/// How the disk stands.
#[derive(Clone, Copy)]
pub(crate) struct Room {
    pub(crate) left: u64,
    pub(crate) spare: bool,
    pub(crate) full: bool,
}

impl Shared {
    pub(crate) fn new(options: Options, next: u64, room: Room) -> Shared {
        let state = State {
            waiting: Run::default(),
            in_flight: 0,
            next,
            left: room.left,
            spare: room.spare,
            full: room.full,
            stop: false,
            ended: false,
            idle: false,
            failed: None,
            wakers: BTreeMap::new(),
            last_waker: 0,
        };
        Shared {
            options,
            state: Mutex::new(state),
            work: Condvar::new(),
            moved: Condvar::new(),
            durable: AtomicU64::new(next),
            tip: AtomicU64::new(next),
            retaining: Mutex::new(()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No code of others runs under it, so what a panic leaves is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn durable(&self) -> u64 {
        self.durable.load(Ordering::Acquire)
    }

    pub(crate) fn tip(&self) -> u64 {
        self.tip.load(Ordering::Acquire)
    }

    pub(crate) fn set_tip(&self, durable: u64) {
        self.tip.store(durable, Ordering::Release);
    }

    pub(crate) fn next(&self) -> u64 {
        self.lock().next
    }

    /// Bytes that wait or are under way.
    pub(crate) fn waiting(&self) -> usize {
        let state = self.lock();
        state.in_flight + state.waiting.size()
    }

    pub(crate) fn disk_full(&self) -> bool {
        self.lock().full
    }

    pub(crate) fn append(&self, kind: u8, parts: &[&[u8]]) -> Result<u64, Refused> {
        let bytes = parts.iter().map(|part| part.len()).sum();
        let limit = self.options.frame_limit();
        if bytes > limit {
            return Err(Refused::TooLarge { bytes, limit });
        }
        let mut state = self.lock();
        self.fits(&state, bytes)?;
        let lsn = state.next;
        state.waiting.push(kind, parts, bytes, lsn, self.options.block_bytes);
        state.next += 1;
        if std::mem::take(&mut state.idle) {
            self.work.notify_one();
        }
        Ok(lsn)
    }

    /// Whether frames of so many bytes together would be taken now.
    pub(crate) fn has_room(&self, bytes: usize) -> Result<(), Refused> {
        self.fits(&self.lock(), bytes)
    }

    fn fits(&self, state: &State, bytes: usize) -> Result<(), Refused> {
        if let Some(cause) = &state.failed {
            return Err(Refused::Failed(cause.clone()));
        }
        if state.stop {
            return Err(Refused::Closed);
        }
        // Pieces that waiting for the disk has made of it are filled up to whole pages: those count, as they will be written.
        let total = state.in_flight + state.waiting.size_with(bytes, self.options.block_bytes);
        let limit = self.options.waiting_bytes;
        let fits = total <= limit;
        if !state.spare && total as u64 > state.left && (state.full || fits) {
            // What was taken has its place on the disk, this would not.
            return Err(if state.full { Refused::DiskFull } else { Refused::Full { waiting: total, limit } });
        }
        if !fits {
            return Err(Refused::Full { waiting: state.in_flight + state.waiting.size(), limit });
        }
        Ok(())
    }

    /// Swaps what waits into `run`, which is empty, as soon as something does, the log is to be closed, or `pause` is over.
    /// Whether it is to be closed, and whether the pause is over.
    pub(crate) fn take(&self, run: &mut Run, pause: Option<Duration>) -> (bool, bool) {
        let mut state = self.lock();
        let mut over = false;
        while state.waiting.is_empty() && !state.stop {
            state.idle = true;
            match pause {
                None => state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(pause) => {
                    let (woken, timeout) = self.work.wait_timeout(state, pause).unwrap_or_else(PoisonError::into_inner);
                    (state, over) = (woken, timeout.timed_out());
                    break;
                }
            }
        }
        state.idle = false;
        std::mem::swap(&mut state.waiting, run);
        state.in_flight = run.size();
        (state.stop, over)
    }

    /// Waits a while, or until the log is to be closed: whether it is.
    pub(crate) fn pause(&self, pause: Duration) -> bool {
        let state = self.lock();
        let stopped = self.work.wait_timeout_while(state, pause, |state| !state.stop);
        stopped.unwrap_or_else(PoisonError::into_inner).0.stop
    }

    /// How the disk stands, and whether what was taken is written.
    pub(crate) fn room(&self, room: Room, written: bool) {
        let mut state = self.lock();
        (state.left, state.spare, state.full) = (room.left, room.spare, room.full);
        if written {
            state.in_flight = 0;
        }
    }

    /// All frames before `durable` are.
    pub(crate) fn release(&self, durable: u64) {
        if self.durable() == durable {
            return;
        }
        let woken = {
            let mut state = self.lock();
            self.durable.store(durable, Ordering::Release);
            let later = state.wakers.split_off(&(durable, 0));
            std::mem::replace(&mut state.wakers, later)
        };
        self.moved.notify_all();
        for waker in woken.into_values() {
            waker.wake();
        }
    }

    /// The thread has ended: nothing more will be durable.
    pub(crate) fn end(&self, failed: Option<Error>) {
        let woken = {
            let mut state = self.lock();
            (state.stop, state.ended) = (true, true);
            if let Some(error) = failed {
                state.failed.get_or_insert_with(|| Arc::new(error));
            }
            std::mem::take(&mut state.wakers)
        };
        self.moved.notify_all();
        self.work.notify_all();
        for waker in woken.into_values() {
            waker.wake();
        }
    }

    /// Ends the log with an error that came about outside of its thread.
    pub(crate) fn fail(&self, error: Error) -> Error {
        let cause = Arc::new(error);
        let mut state = self.lock();
        let cause = state.failed.get_or_insert(cause).clone();
        state.stop = true;
        drop(state);
        self.work.notify_all();
        Error::Failed(cause)
    }

    pub(crate) fn failed(&self) -> Option<Arc<Error>> {
        self.lock().failed.clone()
    }

    /// Asks the thread to end when all that waits is durable.
    pub(crate) fn stop(&self) {
        self.lock().stop = true;
        self.work.notify_all();
    }

    pub(crate) fn wait(&self, lsn: u64) -> Result<(), Error> {
        if lsn < self.durable() {
            return Ok(());
        }
        let mut state = self.lock();
        loop {
            if let Some(done) = self.outcome(&state, lsn) {
                return done;
            }
            state = self.moved.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn outcome(&self, state: &State, lsn: u64) -> Option<Result<(), Error>> {
        if lsn < self.durable() {
            return Some(Ok(()));
        }
        match &state.failed {
            Some(cause) => Some(Err(Error::Failed(cause.clone()))),
            None => state.ended.then_some(Err(Error::Closed)),
        }
    }

    /// The outcome for who waits for a frame, or `waker` is woken when there is one. `id` is its number, 0 at first.
    pub(crate) fn poll(&self, lsn: Lsn, id: &mut u64, waker: &Waker) -> Option<Result<(), Error>> {
        let mut state = self.lock();
        let done = self.outcome(&state, lsn.0);
        if done.is_none() {
            if *id == 0 {
                state.last_waker += 1;
                *id = state.last_waker;
            }
            state.wakers.insert((lsn.0, *id), waker.clone());
        }
        done
    }

    pub(crate) fn forget(&self, lsn: Lsn, id: u64) {
        self.lock().wakers.remove(&(lsn.0, id));
    }
}
