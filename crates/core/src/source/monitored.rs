//! Files that are one partition, which reads them one after another: those that appear while a source runs
//! (`'source.monitor-interval'`), and those of a changelog without event time, of which nothing else says which is newer.
//!
//! In which order is said by when they are found: at each look those that are new, by path (`by_number.rs`). A file is read once, as it is when its turn
//! comes; it is to be whole when it appears (moved there, or renamed from a hidden name). Invariant: a file that was found is not
//! looked at again, nor by who reads on from a position behind that: the position holds what was found, and in which order.

use std::collections::HashSet;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::changed::Changed;
use super::{Decoded, FilesFound, Position, Read, Reader, SourceError, SplitId};
use crate::format::Spot;
use crate::retry::Standing;
use crate::time::Clock;

/// Looks for files.
pub(super) type Look = Box<dyn Fn() -> io::Result<Vec<SplitId>> + Send>;
/// Whether the folder that it looks in is not there.
pub(super) type Gone = Box<dyn Fn() -> bool + Send>;
/// Makes the reader of a file, from a position on.
pub(super) type Open = Box<dyn Fn(&SplitId, Position) -> Result<Box<dyn Reader>, SourceError> + Send>;

/// How files are looked for.
pub(super) struct Watch {
    pub(super) interval: Duration,
    pub(super) look: Look,
    pub(super) gone: Gone,
}

/// The reader of files one after another.
pub(super) struct Monitored {
    /// Where it looks, as it was written.
    pub(super) path: String,
    pub(super) source: String,
    /// How it looks for more, if it does.
    pub(super) watch: Option<Watch>,
    pub(super) open: Open,
    state: State,
    standing: Arc<Standing>,
}

#[derive(Default)]
struct State {
    known: HashSet<SplitId>,
    files: FilesFound,
    /// Where the file at hand, or the next one, is begun.
    from: Position,
    reading: Option<Box<dyn Reader>>,
    looked: Option<Clock>,
    changed: Changed,
}

impl Monitored {
    /// Reads files that are there, or goes on from a position: with the file that was at hand there, then the others.
    pub(super) fn new(
        source: &str,
        path: &str,
        there: Vec<SplitId>,
        watch: Option<Watch>,
        open: Open,
        mut from: Position,
    ) -> Monitored {
        let (source, path) = (source.to_owned(), path.to_owned());
        let files = from.files.take().unwrap_or_else(|| {
            let mut files = FilesFound::default();
            there.into_iter().for_each(|file| files.push(file));
            files
        });
        let state = State { known: files.all().into_iter().collect(), files, from, ..State::default() };
        Monitored { path, source, watch, open, state, standing: Arc::default() }
    }

    /// The file to be opened: the one at hand where this began, else the next.
    fn next(&mut self) -> Option<SplitId> {
        match self.state.from.spot.is_start() {
            true => self.state.files.begin(),
            false => self.state.files.at_hand(),
        }
    }

    /// The file at hand is done: the next one's records are counted anew, rows are not.
    fn end(&mut self) {
        self.state.reading = None;
        if let Some(file) = self.state.files.at_hand() {
            self.state.changed.read(&self.path, file);
        }
        self.state.from.records = 0;
        self.state.from.spot = Spot::default();
    }

    /// Takes note of what is new.
    fn look(&mut self) -> Result<(), SourceError> {
        let Some(watch) = &self.watch else { return Ok(()) };
        self.state.looked = Some(Clock::start());
        let what = format!("source '{}', looking for '{}'", self.source, self.path);
        let found = match (watch.look)() {
            Ok(found) => found,
            // Nothing there yet, or not any more.
            Err(error) if error.kind() == io::ErrorKind::NotFound && !(watch.gone)() => Vec::new(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.standing.failed(&what, &"the folder is not there: it was moved, removed, or its share is away");
                return Ok(());
            }
            Err(error) if self.standing.waits_for(&error) => {
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
        for file in self.state.changed.among(&self.path, &found) {
            tracing::warn!(
                "source '{}': {file} was written to after it was read: a file is read once; write what is new to another, and \
                 rename it into the folder when it is whole",
                self.source
            );
        }
        for file in found {
            if self.state.known.insert(file.clone()) {
                self.state.files.push(file);
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
                    Ok(Read::End) => self.end(),
                    Ok(Read::Rows(decoded)) => {
                        self.state.from.rows = decoded.end.rows;
                        let end = Position { files: Some(self.state.files.clone()), ..decoded.end };
                        return Ok(Read::Rows(Decoded { end, ..decoded }));
                    }
                    Err(SourceError::Io { what, error, .. })
                        if self.watch.is_some() && error.kind() == io::ErrorKind::NotFound =>
                    {
                        tracing::warn!("source '{}': {what}: it was there and is gone; passed over", self.source);
                        self.end();
                    }
                    read => return read,
                }
            } else if let Some(file) = self.next() {
                let mut reader = (self.open)(&file, self.state.from.clone())?;
                reader.shown(&self.standing);
                let name = reader.name().into();
                self.state.reading = Some(reader);
                return Ok(Read::Begins(name));
            } else {
                let Some(watch) = &self.watch else { return Ok(Read::End) };
                let left = self.state.looked.as_ref().and_then(|looked| watch.interval.checked_sub(looked.elapsed()));
                match left.filter(|left| !left.is_zero()) {
                    Some(left) => return Ok(Read::Wait(left)),
                    None => self.look()?,
                }
            }
        }
    }
}
