//! The file of all dead letters (`run --dead-letters FILE`): a line of JSON each, of sources as they come, of views and sinks
//! by whole epochs. A letter of a view that is taken back is a line whose `count` is below 0.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;

use super::dead_letters::{Letter, Owner};
use super::error::EngineError;
use crate::delta::Reject;
use crate::time::Clock;

/// How long a line may stay unseen while more come.
const FLUSH_EVERY_MS: u64 = 500;

/// The file while it is written.
#[derive(Debug)]
pub(super) struct DeadFile {
    path: PathBuf,
    open: Mutex<Open>,
}

#[derive(Debug)]
struct Open {
    file: BufWriter<File>,
    flushed: Clock,
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
    position: &'a str,
    expression: &'a str,
    reason: &'a str,
    detail: &'a str,
    content: &'a str,
    count: i64,
}

impl DeadFile {
    /// Opens the file anew; in a cluster every process but the first adds its number to the name.
    pub(super) fn open(path: Option<&Path>, process: usize) -> Result<Option<Arc<DeadFile>>, EngineError> {
        let Some(path) = path else { return Ok(None) };
        let path = match process {
            0 => path.to_owned(),
            process => PathBuf::from(format!("{}.{process}", path.display())),
        };
        let file = File::create(&path)
            .map_err(|error| EngineError::Config(format!("--dead-letters {}: {error}", path.display())))?;
        let open = Open { file: BufWriter::new(file), flushed: Clock::start(), error: None };
        Ok(Some(Arc::new(DeadFile { path, open: Mutex::new(open) })))
    }

    /// A row that a source could not take.
    pub(super) fn source(&self, reject: &Reject) {
        let Reject { source, position, reason, detail, content } = reject;
        self.line(&OfSource { source, position, reason, detail, content });
    }

    /// A row that a view or sink could not take, `count` times, or takes back.
    pub(super) fn reader(&self, owner: Owner, name: &str, letter: &Letter) {
        let of = |wanted: Owner| (owner == wanted).then_some(name);
        let Letter { position, expression, reason, detail, content, count, .. } = letter;
        let (view, sink) = (of(Owner::View), of(Owner::Sink));
        self.line(&OfReader { view, sink, position, expression, reason, detail, content, count: *count });
    }

    fn line(&self, line: &impl Serialize) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let Open { file, flushed, error } = &mut *open;
        if error.is_some() {
            return;
        }
        let written =
            serde_json::to_writer(&mut *file, line).map_err(std::io::Error::from).and_then(|()| file.write_all(b"\n"));
        let written = written.and_then(|()| match flushed.elapsed_ms() >= FLUSH_EVERY_MS {
            true => {
                *flushed = Clock::start();
                file.flush()
            }
            false => Ok(()),
        });
        *error = written.err();
    }

    /// All is written, or why it could not be.
    pub(super) fn finish(&self) -> Result<(), EngineError> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let result = match open.error.take() {
            Some(error) => Err(error),
            None => open.file.flush(),
        };
        result.map_err(|error| EngineError::Dataflow {
            what: format!("the dead letters could not be written to {}: {error}", self.path.display()),
            remedy: "make room, or choose another file with --dead-letters".to_owned(),
        })
    }
}
