//! What an engine that starts is at, for those who ask before it is there.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::counted::counted;
use crate::retry::Standing;
use crate::source::SourceError;

/// See the module. Clones tell of the same start.
#[derive(Clone, Debug, Default)]
pub struct Startup(Arc<Mutex<Doing>>);

#[derive(Debug, Default)]
struct Doing {
    what: String,
    recovers: Option<Recovering>,
    recovered: Option<Recovered>,
}

/// How far a start is that goes on from where an earlier run ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Recovering {
    /// How much of what was kept it has read, from 0 to 1.
    pub share: f64,
    /// Rows of it.
    pub rows: u64,
}

/// How a start went on from where an earlier run ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Recovered {
    /// Rows that it took from what was kept.
    pub rows: u64,
    /// How long that took, until the views showed them.
    pub seconds: f64,
}

impl Startup {
    /// It does this now.
    pub fn at(&self, what: impl Into<String>) {
        self.doing().what = what.into();
    }

    fn doing(&self) -> MutexGuard<'_, Doing> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It goes on from where an earlier run ended, and is so far.
    pub(super) fn recovers(&self, to: Recovering) {
        let (share, rows) = (to.share * 100.0, counted(to.rows, "row"));
        let what = format!("goes on from what it kept, {share:.0} % of which it has read: {rows}");
        *self.doing() = Doing { what, recovers: Some(to), recovered: None };
    }

    /// That is done.
    pub(super) fn has_recovered(&self, how: Recovered) {
        *self.doing() = Doing { recovered: Some(how), ..Doing::default() };
    }

    /// How far it is with going on from where an earlier run ended; `None` if it does something else.
    pub fn recovering(&self) -> Option<Recovering> {
        self.doing().recovers
    }

    /// How it went on from where an earlier run ended, once it has; `None` if there was nothing to go on from.
    pub fn recovered(&self) -> Option<Recovered> {
        self.doing().recovered
    }

    /// What it does, as `waits for process 1 (localhost:2102)`; empty if it has not said.
    pub fn read(&self) -> String {
        self.doing().what.clone()
    }

    /// Does something with a source, again as long as it fails for a reason that passes, and says so meanwhile.
    pub(super) fn until_it_goes<T>(
        &self,
        source: &str,
        mut work: impl FnMut() -> Result<T, SourceError>,
    ) -> Result<T, SourceError> {
        let (standing, what) = (Standing::default(), format!("source '{source}'"));
        self.at(format!("looks at what source '{source}' reads"));
        loop {
            match work() {
                Err(error) if error.passes() => {
                    let pause = standing.failed(&what, &error.detail());
                    self.at(format!("tries again in {pause:?}: {error}"));
                    std::thread::sleep(pause);
                }
                done => {
                    standing.went_well(&what);
                    return done;
                }
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_passes_is_tried_again_and_told() {
        let startup = Startup::default();
        let failure = |code| SourceError::Io {
            source_name: "x".to_owned(),
            what: "looking for 'in/'".to_owned(),
            error: std::io::Error::from_raw_os_error(code),
        };
        let mut codes = vec![24, 5].into_iter();
        let done = startup.until_it_goes("x", || match codes.next() {
            None => {
                assert!(
                    startup.read().starts_with("tries again in 200ms: source 'x': looking for 'in/'"),
                    "{startup:?}"
                );
                Ok(7)
            }
            Some(code) => Err(failure(code)),
        });
        assert_eq!(done.unwrap(), 7);
        assert!(startup.until_it_goes("x", || Err::<(), _>(failure(2))).is_err(), "no such file");
    }
}
