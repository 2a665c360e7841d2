//! Failures that pass: which they are, how long to wait before the next try, and what is said of it meanwhile.
//!
//! A disk that is full, a table of descriptors that is, a file server that is away: whoever reads or writes then waits and
//! tries again, twice as long each time, and says so where its standing is shown; the engine goes on. Nobody waits longer
//! than the run: who is waited for is told by [`Standing::end`]. Anything else (no such file, no leave to write it) ends as
//! it did; but who goes on for long waits for leave to read too ([`Standing::new`]).

use std::io::{self, ErrorKind};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use crate::counted::counted;
use crate::time::Clock;

/// The first wait and the longest.
const WAITS: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(10));

/// Codes of Linux for which there is no kind: EIO, ENFILE, EMFILE, EPROTO, ENOLINK, ECOMM, EREMOTEIO.
const PASSING_CODES: &[i32] = &[5, 23, 24, 67, 70, 71, 121];

/// What something that reads or writes is doing. Of several the first in this order is what is said of all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// It has given up, and the engine ends.
    Failed,
    /// It waits for something to pass, and then tries again.
    Retrying,
    /// It goes on.
    Running,
    /// It has not been opened yet.
    Connecting,
    /// There is no more of it.
    Ended,
}

impl State {
    /// Every state.
    pub const ALL: [State; 5] = [State::Connecting, State::Running, State::Retrying, State::Ended, State::Failed];

    /// As it is shown.
    pub fn name(self) -> &'static str {
        match self {
            State::Failed => "failed",
            State::Retrying => "retrying",
            State::Running => "running",
            State::Connecting => "connecting",
            State::Ended => "ended",
        }
    }
}

/// Whether a failure may pass by itself, or by what somebody does elsewhere.
pub fn passes(error: &io::Error) -> bool {
    let kind = matches!(
        error.kind(),
        ErrorKind::WouldBlock
            | ErrorKind::Interrupted
            | ErrorKind::TimedOut
            | ErrorKind::StorageFull
            | ErrorKind::QuotaExceeded
            | ErrorKind::StaleNetworkFileHandle
            | ErrorKind::HostUnreachable
            | ErrorKind::NetworkUnreachable
            | ErrorKind::NetworkDown
            | ErrorKind::ConnectionReset
            | ErrorKind::ConnectionAborted
            | ErrorKind::ResourceBusy
            | ErrorKind::OutOfMemory
    );
    kind || error.raw_os_error().is_some_and(|code| PASSING_CODES.contains(&code))
}

/// How something that reads or writes stands.
#[derive(Debug)]
pub struct Standing {
    clock: Clock,
    /// Whether it waits for leave to read.
    patient: bool,
    now: Mutex<Now>,
    ended: Condvar,
}

#[derive(Clone, Debug, Default)]
struct Now {
    reason: Option<String>,
    /// By the clock.
    again: Duration,
    wait: Duration,
    /// Since it last went well, and in all.
    tries: u64,
    retries: u64,
    /// There is no next try.
    over: bool,
    phase: Phase,
}

/// How far it is, whether or not it can go on just now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Connecting,
    Open,
    Ended,
    Failed,
}

/// What is shown of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stand {
    /// What it is doing.
    pub state: State,
    /// Why it does not go on just now, or any more.
    pub reason: Option<String>,
    /// When it tries again.
    pub retry_in_ms: Option<u64>,
    /// How often it had to.
    pub retries: u64,
}

impl Stand {
    /// Of several the first that cannot go on, with the tries of all. Of some that have ended and others that have not begun it
    /// is said that they run.
    pub fn of(stands: impl Iterator<Item = Stand>) -> Stand {
        let none = Stand { state: State::Ended, reason: None, retry_in_ms: None, retries: 0 };
        let (mut ended, mut connecting) = (false, false);
        let all = stands.fold(none, |all, stand| {
            ended |= stand.state == State::Ended;
            connecting |= stand.state == State::Connecting;
            let retries = all.retries + stand.retries;
            if all.state <= stand.state { Stand { retries, ..all } } else { Stand { retries, ..stand } }
        });
        let between = all.state == State::Connecting && ended && connecting;
        Stand { state: if between { State::Running } else { all.state }, ..all }
    }
}

impl Default for Standing {
    fn default() -> Standing {
        Standing::new(false)
    }
}

impl Standing {
    /// Of something that has not been opened. A patient one (an input that has no end) waits for leave to read as well.
    pub fn new(patient: bool) -> Standing {
        Standing { clock: Clock::start(), patient, now: Mutex::default(), ended: Condvar::new() }
    }

    /// Whether it tries again after a failure.
    pub fn waits_for(&self, error: &io::Error) -> bool {
        passes(error) || self.patient && error.kind() == ErrorKind::PermissionDenied
    }

    fn now(&self) -> std::sync::MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It is open.
    pub fn opened(&self) {
        let mut now = self.now();
        if now.phase == Phase::Connecting {
            now.phase = Phase::Open;
        }
    }

    /// There is no more of it: what waits for its next try gives up.
    pub fn ended(&self) {
        self.now().phase = Phase::Ended;
        self.end();
    }

    /// It failed for a reason that does not pass.
    pub fn gave_up(&self, reason: &dyn std::fmt::Display) {
        let mut now = self.now();
        *now = Now { reason: Some(reason.to_string()), phase: Phase::Failed, over: true, ..now.clone() };
    }

    /// Whether there is no more of it.
    pub fn has_ended(&self) -> bool {
        self.now().phase == Phase::Ended
    }

    /// It failed for a reason that passes: how long to wait before the next try.
    pub fn failed(&self, what: &str, reason: &dyn std::fmt::Display) -> Duration {
        let mut now = self.now();
        now.wait = if now.tries == 0 { WAITS.0 } else { (2 * now.wait).min(WAITS.1) };
        (now.tries, now.retries) = (now.tries + 1, now.retries + 1);
        now.again = self.clock.elapsed() + now.wait;
        // The first, the tenth, the hundredth.
        if 10u64.pow(now.tries.ilog10()) == now.tries {
            tracing::warn!("{what}: {reason}; tried again in {:?}, {} so far", now.wait, counted(now.tries, "time"));
        }
        now.reason = Some(reason.to_string());
        now.wait
    }

    /// It went well.
    pub fn went_well(&self, what: &str) {
        self.opened();
        let mut now = self.now();
        if now.tries > 0 {
            tracing::info!("{what}: goes on after {}", counted(now.tries, "try"));
            *now = Now { retries: now.retries, over: now.over, phase: now.phase, ..Now::default() };
        }
    }

    /// Nobody needs it any more: what waits for its next try gives up.
    pub fn end(&self) {
        self.now().over = true;
        self.ended.notify_all();
    }

    /// Waits for the next try; whether there is one.
    fn pause(&self, wait: Duration) -> bool {
        let waited = self.ended.wait_timeout_while(self.now(), wait, |now| !now.over);
        !waited.unwrap_or_else(PoisonError::into_inner).0.over
    }

    /// What is to be shown.
    pub fn read(&self) -> Stand {
        let now = self.now().clone();
        let left = now.again.saturating_sub(self.clock.elapsed());
        let state = match now.phase {
            Phase::Failed => State::Failed,
            Phase::Ended => State::Ended,
            _ if now.reason.is_some() => State::Retrying,
            Phase::Connecting => State::Connecting,
            Phase::Open => State::Running,
        };
        let reason = now.reason.filter(|_| state != State::Ended);
        let again = state == State::Retrying;
        let retry_in_ms = again.then(|| u64::try_from(left.as_millis()).unwrap_or(u64::MAX));
        Stand { state, reason, retry_in_ms, retries: now.retries }
    }
}

/// Tries until it goes well, fails for good or nobody needs it any more. Blocks: for threads that may wait for their input.
pub fn until_it_goes<T>(standing: &Standing, what: &str, mut work: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match work() {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if standing.waits_for(&error) => {
                if !standing.pause(standing.failed(what, &error)) {
                    return Err(error);
                }
            }
            done => {
                standing.went_well(what);
                return done;
            }
        }
    }
}

/// An input whose passing failures are waited for.
pub struct Patient<R> {
    /// The input.
    pub input: R,
    /// Where it is said that it waits.
    pub standing: Arc<Standing>,
    /// Who reads it.
    pub what: String,
}

impl<R: io::Read> io::Read for Patient<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Patient { input, standing, what } = self;
        until_it_goes(standing, what, || input.read(buffer))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn nobody_waits_longer_than_the_run() {
        let standing = Arc::new(Standing::default());
        let (waiting, (told, hears)) = (standing.clone(), std::sync::mpsc::channel());
        let thread = std::thread::spawn(move || {
            until_it_goes(&waiting, "source 'x'", || {
                let _ = told.send(());
                Err::<(), _>(io::Error::from_raw_os_error(28))
            })
        });
        // Its eighth wait would be 10 s.
        (0..3).for_each(|_| hears.recv().unwrap());
        standing.end();
        assert_eq!(thread.join().unwrap().unwrap_err().raw_os_error(), Some(28));
        assert!(standing.read().reason.is_some());
        let again = until_it_goes(&standing, "source 'x'", || Err::<(), _>(io::Error::from_raw_os_error(28)));
        assert!(again.is_err(), "there is no next try");
    }

    #[test]
    fn what_passes_is_tried_again_and_what_does_not_is_not() {
        let standing = Standing::default();
        let mut codes = vec![24, 28, 11, 116].into_iter();
        let done = until_it_goes(&standing, "source 'x'", || match codes.next() {
            Some(code) => {
                if code != 24 {
                    let stand = standing.read();
                    assert!(stand.reason.is_some() && stand.retry_in_ms.is_some(), "{stand:?}");
                }
                Err(io::Error::from_raw_os_error(code))
            }
            None => Ok(7),
        });
        assert_eq!(done.unwrap(), 7);
        let running = Stand { state: State::Running, reason: None, retry_in_ms: None, retries: 4 };
        assert_eq!(standing.read(), running);
        for code in [2, 13, 21, 32] {
            let refused = until_it_goes(&standing, "source 'x'", || Err::<(), _>(io::Error::from_raw_os_error(code)));
            assert_eq!(refused.unwrap_err().raw_os_error(), Some(code));
        }
        let patient = Standing::new(true);
        let waits = |code| patient.waits_for(&io::Error::from_raw_os_error(code));
        assert_eq!([2, 13, 21, 32, 24].map(waits), [false, true, false, false, true]);
    }

    #[test]
    fn of_several_the_state_that_matters_most_is_told() {
        let stand = |state| {
            let standing = Standing::default();
            match state {
                State::Connecting => {}
                State::Running => standing.opened(),
                State::Retrying => drop(standing.failed("source 'x'", &"no room")),
                State::Ended => standing.ended(),
                State::Failed => standing.gave_up(&"gone"),
            }
            let read = standing.read();
            assert_eq!(read.state, state);
            assert_eq!(read.reason.is_some(), matches!(state, State::Retrying | State::Failed));
            assert_eq!(read.retry_in_ms.is_some(), state == State::Retrying);
            read
        };
        let of = |states: &[State]| Stand::of(states.iter().map(|state| stand(*state))).state;
        use State::{Connecting, Ended, Failed, Retrying, Running};
        assert_eq!(of(&[]), Ended);
        assert_eq!(of(&[Ended, Ended]), Ended);
        assert_eq!(of(&[Connecting, Connecting]), Connecting);
        assert_eq!(of(&[Connecting, Running, Ended]), Running);
        assert_eq!(of(&[Ended, Connecting]), Running, "between two files");
        assert_eq!(of(&[Running, Retrying, Ended]), Retrying);
        assert_eq!(of(&[Retrying, Failed, Running]), Failed);
        let all = Stand::of([State::Retrying, State::Running, State::Retrying].into_iter().map(stand));
        assert_eq!((all.retries, all.reason.as_deref()), (2, Some("no room")));
    }
}
