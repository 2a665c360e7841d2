//! What all threads of an engine share to run, stop, drain and fail together.
//!
//! Invariant: the first failure is kept, and from then on every thread of the engine ends: workers are woken, queues
//! closed, sleepers called.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{JoinHandle, Thread};
use std::time::Duration;

use super::error::EngineError;
use crate::guard::{Unable, message_of};
use crate::time::{Clock, Epoch};

/// Where an engine stands.
#[derive(Clone, Debug)]
pub enum State {
    /// Operators are being built.
    Starting,
    /// Rows flow.
    Running,
    /// Sources take no more rows; what is open closes.
    Draining,
    /// It ended: sources ended or it was stopped, sinks are flushed.
    Done,
    /// It failed.
    Failed(EngineError),
}

impl State {
    /// Its name on every surface.
    pub fn name(&self) -> &'static str {
        match self {
            State::Starting => "starting",
            State::Running => "running",
            State::Draining => "draining",
            State::Done => "done",
            State::Failed(_) => "failed",
        }
    }

    /// Whether nothing moves any more.
    pub fn ended(&self) -> bool {
        matches!(self, State::Done | State::Failed(_))
    }
}

type Waker = Box<dyn Fn() + Send>;
type Suspect = Box<dyn Fn() -> Option<EngineError> + Send>;

/// The shared controls.
#[derive(Default)]
pub(super) struct Control {
    state: Mutex<Option<State>>,
    changed: Condvar,
    stopping: AtomicBool,
    /// Where the workers are to end: once all before this epoch has arrived.
    goal: Mutex<Option<Epoch>>,
    failure: Mutex<Option<EngineError>>,
    /// The worker threads, and how many have ended.
    workers: Mutex<(Vec<Thread>, usize)>,
    wakers: Mutex<Vec<Waker>>,
    breakers: Mutex<Vec<Waker>>,
    suspect: Mutex<Option<Suspect>>,
    /// Those that end with the engine.
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl std::fmt::Debug for Control {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Control").field("state", &self.state()).finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Control {
    pub(super) fn new() -> Arc<Control> {
        Arc::new(Control::default())
    }

    pub(super) fn state(&self) -> State {
        lock(&self.state).clone().unwrap_or(State::Starting)
    }

    /// Moves on, unless the engine has ended.
    pub(super) fn set(&self, state: State) {
        let mut now = lock(&self.state);
        if !now.as_ref().is_some_and(State::ended) {
            *now = Some(state);
            self.changed.notify_all();
        }
    }

    /// Moves from `Starting` to `Running`.
    pub(super) fn running(&self) {
        let mut now = lock(&self.state);
        if now.is_none() {
            *now = Some(State::Running);
            self.changed.notify_all();
        }
    }

    /// Blocks until the engine has ended.
    pub(super) fn wait(&self) -> State {
        let now = lock(&self.state);
        let ended = self.changed.wait_while(now, |now| !now.as_ref().is_some_and(State::ended));
        ended.unwrap_or_else(PoisonError::into_inner).clone().unwrap_or(State::Done)
    }

    /// Blocks until the engine has ended, for at most `timeout`; `None` if it still runs then.
    pub(super) fn wait_within(&self, timeout: Duration) -> Option<State> {
        let now = lock(&self.state);
        let waiting = self.changed.wait_timeout_while(now, timeout, |now| !now.as_ref().is_some_and(State::ended));
        let (now, _) = waiting.unwrap_or_else(PoisonError::into_inner);
        now.clone().filter(State::ended)
    }

    /// Sleeps, unless or until the engine stops.
    pub(super) fn sleep(&self, duration: Duration) {
        let now = lock(&self.state);
        drop(self.changed.wait_timeout_while(now, duration, |_| !self.stopping()));
    }

    /// Whether all threads are to end without waiting for more.
    pub(super) fn stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    /// The workers are to end once everything before this epoch has arrived at views and sinks.
    pub(super) fn aim(&self, goal: Epoch) {
        lock(&self.goal).get_or_insert(goal);
        self.wake();
    }

    /// There is something to do for the workers besides their dataflows.
    pub(super) fn wake(&self) {
        lock(&self.workers).0.iter().for_each(Thread::unpark);
    }

    /// Where the workers are to end, if they are.
    pub(super) fn goal(&self) -> Option<Epoch> {
        *lock(&self.goal)
    }

    /// All threads are to end.
    pub(super) fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        drop(lock(&self.state));
        self.changed.notify_all();
        lock(&self.wakers).iter().for_each(|wake| wake());
        self.wake();
    }

    /// The calling thread is panicking or failing: breaks off what would tell others that all is well.
    pub(super) fn break_off(&self) {
        self.stopping.store(true, Ordering::Release);
        lock(&self.breakers).iter().for_each(|break_off| break_off());
    }

    /// All threads are to end, because of this; the first failure is the one that is told.
    pub(super) fn fail(&self, error: EngineError) {
        self.blame(error);
        self.break_off();
        self.stop();
    }

    fn blame(&self, error: EngineError) {
        let mut failure = lock(&self.failure);
        if failure.is_none() {
            tracing::debug!("{error}");
            *failure = Some(error);
        }
    }

    /// Who is to blame when a worker panics and not the worker itself: it trips over what a lost peer left.
    pub(super) fn set_suspect(&self, suspect: impl Fn() -> Option<EngineError> + Send + 'static) {
        *lock(&self.suspect) = Some(Box::new(suspect));
    }

    /// Why the engine is failing, if it is.
    pub(super) fn failure(&self) -> Option<EngineError> {
        lock(&self.failure).clone()
    }

    /// The calling thread is a worker: it is woken when the engine stops.
    pub(super) fn register_worker(&self) {
        lock(&self.workers).0.push(std::thread::current());
    }

    /// A worker thread ends, well or not.
    pub(super) fn worker_ended(&self) {
        lock(&self.workers).1 += 1;
        drop(lock(&self.state));
        self.changed.notify_all();
    }

    /// Waits until as many worker threads have ended, at most `timeout`; whether they have.
    pub(super) fn workers_ended(&self, workers: usize, timeout: Duration) -> bool {
        let ended = || lock(&self.workers).1 >= workers;
        let waiting = self.changed.wait_timeout_while(lock(&self.state), timeout, |_| !ended());
        drop(waiting);
        ended()
    }

    /// A thread that ends with the engine.
    pub(super) fn keep(&self, thread: JoinHandle<()>) {
        let mut threads = lock(&self.threads);
        threads.retain(|thread| !thread.is_finished());
        threads.push(thread);
    }

    /// Waits until its threads are gone, at most so long: some may sit in a read that never returns.
    pub(super) fn join(&self, most: Duration) {
        let own = std::thread::current().id();
        let clock = Clock::start();
        for thread in std::mem::take(&mut *lock(&self.threads)) {
            while !thread.is_finished() && thread.thread().id() != own && clock.elapsed() < most {
                std::thread::sleep(Duration::from_micros(100));
            }
            if thread.is_finished() {
                // A panic in one is a failure of the engine, which was told.
                drop(thread.join());
            }
        }
    }

    /// Called when the engine stops.
    pub(super) fn on_stop(&self, wake: impl Fn() + Send + 'static) {
        lock(&self.wakers).push(Box::new(wake));
    }

    /// Called when the engine fails, before any thread learns of it.
    pub(super) fn on_failure(&self, break_off: impl Fn() + Send + 'static) {
        lock(&self.breakers).push(Box::new(break_off));
    }

    /// Runs a thread's work; a panic in it fails the engine with the thread's name.
    pub(super) fn guard<R>(&self, thread: &str, process: usize, work: impl FnOnce() -> R) -> Option<R> {
        match std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)) {
            Ok(result) => Some(result),
            Err(payload) => {
                self.fail(match payload.downcast::<Unable>() {
                    Ok(unable) => EngineError::Dataflow { what: unable.what, remedy: unable.remedy },
                    Err(payload) => {
                        let (thread, message) = (thread.to_owned(), message_of(&*payload).to_owned());
                        EngineError::Panic { thread, process, message }
                    }
                });
                None
            }
        }
    }
}

/// Held by a thread whose end by panic must not look like a good end: dropped before what it is declared after.
pub(super) struct Alarm<'a>(pub(super) &'a Control);

impl Drop for Alarm<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let suspect = lock(&self.0.suspect).as_ref().and_then(|suspect| suspect());
            suspect.into_iter().for_each(|error| self.0.blame(error));
            self.0.break_off();
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::guard::give_up;

    #[test]
    fn what_an_operator_cannot_go_on_with_is_no_panic() {
        let control = Control::default();
        assert!(control.guard("worker 0", 0, || give_up("there is too much of it", "keep less")).is_none());
        let failure = control.failure().unwrap();
        assert!(matches!(failure, EngineError::Dataflow { .. }), "{failure:?}");
        assert_eq!(failure.to_string(), "there is too much of it: keep less");
    }
}
