//! Failures that pass: which they are, how long to wait before the next try, and what is said of it meanwhile.
//!
//! A disk that is full, a table of descriptors that is, a file server that is away: whoever reads or writes then waits and
//! tries again, twice as long each time, and says so where its standing is shown; the engine goes on. Nobody waits longer
//! than the run: who is waited for is told by [`Standing::end`]. Anything else (no such file, no leave to write it) ends as
//! it did.

use std::io::{self, ErrorKind};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use crate::time::Clock;

/// The first wait and the longest.
const WAITS: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(10));

/// Codes of Linux for which there is no kind: EIO, ENFILE, EMFILE, EPROTO, ENOLINK, ECOMM, EREMOTEIO.
const PASSING_CODES: &[i32] = &[5, 23, 24, 67, 70, 71, 121];

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
}

/// What is shown of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stand {
    /// Why it does not go on just now.
    pub reason: Option<String>,
    /// When it tries again.
    pub retry_in_ms: Option<u64>,
    /// How often it had to.
    pub retries: u64,
}

impl Stand {
    /// Of several the first that cannot go on, with the tries of all.
    pub fn of(stands: impl Iterator<Item = Stand>) -> Stand {
        let none = Stand { reason: None, retry_in_ms: None, retries: 0 };
        stands.fold(none, |all, stand| {
            let retries = all.retries + stand.retries;
            if all.reason.is_some() { Stand { retries, ..all } } else { Stand { retries, ..stand } }
        })
    }
}

impl Default for Standing {
    fn default() -> Standing {
        Standing { clock: Clock::start(), now: Mutex::default(), ended: Condvar::new() }
    }
}

impl Standing {
    fn now(&self) -> std::sync::MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It failed for a reason that passes: how long to wait before the next try.
    pub fn failed(&self, what: &str, reason: &dyn std::fmt::Display) -> Duration {
        let mut now = self.now();
        now.wait = if now.tries == 0 { WAITS.0 } else { (2 * now.wait).min(WAITS.1) };
        (now.tries, now.retries) = (now.tries + 1, now.retries + 1);
        now.again = self.clock.elapsed() + now.wait;
        // The first, the tenth, the hundredth.
        if 10u64.pow(now.tries.ilog10()) == now.tries {
            tracing::warn!("{what}: {reason}; tried again in {:?}, {} times so far", now.wait, now.tries);
        }
        now.reason = Some(reason.to_string());
        now.wait
    }

    /// It went well.
    pub fn went_well(&self, what: &str) {
        let mut now = self.now();
        if now.tries > 0 {
            tracing::info!("{what}: goes on after {} tries", now.tries);
            *now = Now { retries: now.retries, over: now.over, ..Now::default() };
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
        let retry_in_ms = now.reason.is_some().then(|| u64::try_from(left.as_millis()).unwrap_or(u64::MAX));
        Stand { reason: now.reason, retry_in_ms, retries: now.retries }
    }
}

/// Tries until it goes well, fails for good or nobody needs it any more. Blocks: for threads that may wait for their input.
pub fn until_it_goes<T>(standing: &Standing, what: &str, mut work: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match work() {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if passes(&error) => {
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
        assert_eq!(standing.read(), Stand { reason: None, retry_in_ms: None, retries: 4 });
        for code in [2, 13, 21, 32] {
            let refused = until_it_goes(&standing, "source 'x'", || Err::<(), _>(io::Error::from_raw_os_error(code)));
            assert_eq!(refused.unwrap_err().raw_os_error(), Some(code));
        }
    }
}
