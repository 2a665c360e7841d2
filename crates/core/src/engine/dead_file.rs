//! The file of all dead letters (`run --dead-letters FILE`): a line of JSON each, of sources as they come, of views and sinks
//! by whole epochs. A letter of a view that is taken back is a line whose `count` is below 0.
//!
//! Nobody waits for it: while it cannot be written for a reason that passes (a full disk), lines wait here, up to
//! [`WAITING_BYTES`]; those beyond are counted, and the run says so at its end.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;

use super::dead_letters::{Letter, Owner};
use super::error::EngineError;
use crate::delta::Reject;
use crate::retry::{self, Standing};
use crate::sink::Replaced;
use crate::time::{Clock, Epoch};

/// How long a line may stay unseen, about.
const FLUSH_EVERY: Duration = Duration::from_millis(500);
/// Bytes that are written together.
const BLOCK_BYTES: usize = 64 << 10;
/// Bytes of lines that may wait.
const WAITING_BYTES: usize = 64 << 20;

/// The file while it is written.
#[derive(Debug)]
pub(super) struct DeadFile {
    path: PathBuf,
    open: Mutex<Open>,
}

#[derive(Debug)]
struct Open {
    file: Replaced,
    /// Lines that are not written yet.
    waiting: Vec<u8>,
    /// Since it was last written to, or tried; and how soon it is again.
    tried: Clock,
    pause: Duration,
    standing: Standing,
    /// Lines that found no room.
    lost: u64,
    /// Why it cannot be written any more.
    error: Option<std::io::Error>,
}

#[derive(Serialize)]
struct OfSource<'a> {
    source: &'a str,
    position: &'a str,
    reason: &'a str,
    detail: &'a str,
    content: &'a str,
}

#[derive(Serialize)]
struct OfReader<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    view: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sink: Option<&'a str>,
    epoch: String,
    position: &'a str,
    expression: &'a str,
    reason: &'a str,
    detail: &'a str,
    content: &'a str,
    count: i64,
}

impl DeadFile {
    /// Opens the file, to be written anew; in a cluster every process but the first adds its number to the name.
    pub(super) fn open(path: Option<&Path>, process: usize) -> Result<Option<Arc<DeadFile>>, EngineError> {
        let Some(path) = path else { return Ok(None) };
        let path = match process {
            0 => path.to_owned(),
            process => PathBuf::from(format!("{}.{process}", path.display())),
        };
        let file = Replaced::open(&path)
            .map_err(|error| EngineError::Config(format!("--dead-letters {}: {error}", path.display())))?;
        let open = Open {
            file,
            waiting: Vec::new(),
            tried: Clock::start(),
            pause: FLUSH_EVERY,
            standing: Standing::default(),
            lost: 0,
            error: None,
        };
        Ok(Some(Arc::new(DeadFile { path, open: Mutex::new(open) })))
    }

    /// A row that a source could not take.
    pub(super) fn source(&self, reject: &Reject) {
        let Reject { source, position, reason, detail, content } = reject;
        self.line(&OfSource { source, position, reason, detail, content });
    }

    /// A row that a view or sink could not take at an epoch, `count` times, or takes back.
    pub(super) fn reader(&self, owner: Owner, name: &str, epoch: Epoch, letter: &Letter) {
        let of = |wanted: Owner| (owner == wanted).then_some(name);
        let Letter { position, expression, reason, detail, content, count, .. } = letter;
        let (view, sink) = (of(Owner::View), of(Owner::Sink));
        let epoch = epoch.to_string();
        self.line(&OfReader { view, sink, epoch, position, expression, reason, detail, content, count: *count });
    }

    fn line(&self, line: &impl Serialize) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let before = open.waiting.len();
        if open.error.is_some() || before > WAITING_BYTES || serde_json::to_writer(&mut open.waiting, line).is_err() {
            open.waiting.truncate(before);
            open.lost += 1;
        } else {
            open.waiting.push(b'\n');
        }
        let goes = open.standing.read().reason.is_none();
        if open.tried.elapsed() >= open.pause || goes && open.waiting.len() >= BLOCK_BYTES {
            open.write(&self.what());
        }
    }

    /// Writes what has waited for long enough while nothing more came.
    pub(super) fn look(&self) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if !open.waiting.is_empty() && open.tried.elapsed() >= open.pause {
            open.write(&self.what());
        }
    }

    /// Writes what waits, as the run fails: nobody waits for who has the file. If nothing does, what an earlier run left stays.
    pub(super) fn leave(&self) {
        if let Ok(mut open) = self.open.try_lock()
            && !open.waiting.is_empty()
        {
            open.write(&self.what());
        }
    }

    fn what(&self) -> String {
        format!("dead letters to {}", self.path.display())
    }

    /// All is written, or why it could not be.
    pub(super) fn finish(&self) -> Result<(), EngineError> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.write(&self.what());
        let why = match (open.error.take(), open.standing.read().reason, open.lost) {
            (Some(error), ..) => error.to_string(),
            (None, Some(reason), _) => reason,
            (None, None, 0) => return Ok(()),
            (None, None, lost) => format!("it took none for a while, and {lost} found no room meanwhile"),
        };
        Err(EngineError::Dataflow {
            what: format!("the dead letters could not be written to {}: {why}", self.path.display()),
            remedy: "make room, or choose another file with --dead-letters".to_owned(),
        })
    }
}

impl Open {
    /// Writes what waits, as far as it goes.
    fn write(&mut self, what: &str) {
        self.tried = Clock::start();
        self.pause = match self.file.write(&mut self.waiting) {
            Ok(_) => {
                self.standing.went_well(what);
                FLUSH_EVERY
            }
            Err(error) if retry::passes(&error) => self.standing.failed(what, &error),
            Err(error) => {
                tracing::error!("{what}: {error}; there will be no more");
                self.waiting.clear();
                self.error.get_or_insert(error);
                FLUSH_EVERY
            }
        };
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn reject(bytes: usize) -> Reject {
        let text = |text: &str| text.to_owned();
        let (source, position, detail) = (text("s"), text("line 1"), text("no"));
        Reject { source, position, reason: "malformed", detail, content: "x".repeat(bytes) }
    }

    #[test]
    fn the_last_lines_are_written_though_no_more_come() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("dead");
        let file = DeadFile::open(Some(&path), 0).unwrap().unwrap();
        let reject = reject(1);
        let lines = || std::fs::read_to_string(&path).unwrap().lines().count();
        (0..3).for_each(|_| file.source(&reject));
        file.look();
        assert_eq!(lines(), 0, "they are written together");
        std::thread::sleep(FLUSH_EVERY);
        file.look();
        assert_eq!(lines(), 3);
        file.source(&reject);
        file.leave();
        assert_eq!(lines(), 4, "a run that fails leaves none");
    }

    #[test]
    fn a_file_that_cannot_be_written_holds_nobody_up_and_is_told_of_at_the_end() {
        let file = DeadFile::open(Some(Path::new("/dev/full")), 0).unwrap().unwrap();
        let reject = reject(1_000);
        (0..1_000).for_each(|_| file.source(&reject));
        {
            let open = file.open.lock().unwrap();
            assert!(open.waiting.len() > 1_000_000 && open.lost == 0, "they wait");
        }
        assert!(file.finish().unwrap_err().to_string().contains("No space left"));
        // There is room again.
        let folder = tempfile::tempdir().unwrap();
        file.open.lock().unwrap().file = Replaced::open(&folder.path().join("dead")).unwrap();
        file.source(&reject);
        file.finish().unwrap();
        let written = std::fs::read_to_string(folder.path().join("dead")).unwrap();
        assert_eq!(written.lines().count(), 1_001);
        assert!(written.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()));
        // The disk stays full for longer than lines can wait.
        file.open.lock().unwrap().file = Replaced::open(Path::new("/dev/full")).unwrap();
        (0..70_000).for_each(|_| file.source(&reject));
        assert!(file.open.lock().unwrap().lost > 1_000);
    }
}
