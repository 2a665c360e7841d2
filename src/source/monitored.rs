//! Files that appear while a source runs (`'source.monitor-interval'`): one partition, which reads them one after another.
//!
//! In which order is said by when they are found: at each look those that are new, by path. A file is read once, as it is when its turn
//! comes; it is to be whole when it appears (moved there, or renamed from a hidden name). Invariant: a path that was found is not
//! looked at again.

use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::{Read, Reader, SourceError};
use crate::retry::{Standing, passes};
use crate::time::Clock;

/// Looks for files.
pub(super) type Look = Box<dyn Fn() -> io::Result<Vec<PathBuf>> + Send>;
/// Makes the reader of a file.
pub(super) type Open = Box<dyn Fn(PathBuf) -> Result<Box<dyn Reader>, SourceError> + Send>;

/// The reader of what appears.
pub(super) struct Monitored {
    /// Where it looks, as it was written.
    pub(super) path: String,
    pub(super) source: String,
    pub(super) interval: Duration,
    pub(super) look: Look,
    pub(super) open: Open,
    state: State,
    standing: Arc<Standing>,
}

#[derive(Default)]
struct State {
    found: BTreeSet<PathBuf>,
    waiting: VecDeque<PathBuf>,
    reading: Option<Box<dyn Reader>>,
    looked: Option<Clock>,
}

impl Monitored {
    pub(super) fn new(source: &str, path: &str, interval: Duration, look: Look, open: Open) -> Monitored {
        let (source, path) = (source.to_owned(), path.to_owned());
        Monitored { path, source, interval, look, open, state: State::default(), standing: Arc::default() }
    }

    /// Takes note of what is new.
    fn look(&mut self) -> Result<(), SourceError> {
        self.state.looked = Some(Clock::start());
        let what = format!("source '{}', looking for '{}'", self.source, self.path);
        let found = match (self.look)() {
            Ok(found) => found,
            // Nothing there yet, or not any more.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) if passes(&error) => {
                // It looks again when it would.
                self.standing.failed(&what, &error);
                return Ok(());
            }
            Err(error) => {
                let what = format!("looking for '{}'", self.path);
                return Err(SourceError::Io { source_name: self.source.clone(), what, error });
            }
        };
        self.standing.went_well(&what);
        for file in found {
            if self.state.found.insert(file.clone()) {
                self.state.waiting.push_back(file);
            }
        }
        Ok(())
    }
}

impl Reader for Monitored {
    fn name(&self) -> &str {
        &self.path
    }

    fn shown(&mut self, standing: &Arc<Standing>) {
        self.standing = standing.clone();
    }

    fn read(&mut self) -> Result<Read, SourceError> {
        loop {
            if let Some(reader) = &mut self.state.reading {
                match reader.read() {
                    Ok(Read::End) => self.state.reading = None,
                    Err(SourceError::Io { what, error, .. }) if error.kind() == io::ErrorKind::NotFound => {
                        tracing::warn!("source '{}': {what}: it was there and is gone; passed over", self.source);
                        self.state.reading = None;
                    }
                    read => return read,
                }
            } else if let Some(file) = self.state.waiting.pop_front() {
                let mut reader = (self.open)(file)?;
                reader.shown(&self.standing);
                let name = reader.name().into();
                self.state.reading = Some(reader);
                return Ok(Read::Begins(name));
            } else if let Some(left) =
                self.state.looked.as_ref().and_then(|looked| self.interval.checked_sub(looked.elapsed()))
                && !left.is_zero()
            {
                return Ok(Read::Wait(left));
            } else {
                self.look()?;
            }
        }
    }
}
