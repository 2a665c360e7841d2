//! Rows that were not accepted: what they were, where they stood, why. A rejected row is data, not a failure.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender};

use arrow_array::RecordBatch;
use arrow_json::LineDelimitedWriter;

/// How much of a rejected row is kept, in bytes.
pub const MAX_REJECT_BYTES: usize = 1024;

/// One row that did not make it into the dataflow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reject {
    /// The source that brought it.
    pub source: String,
    /// Where it stood: `file:line`, `message 17 of connection 3`, ...
    pub position: String,
    /// Short stable word for metrics: `late`, `malformed`, `no_event_time`, `oversized`, `evaluation`.
    pub reason: &'static str,
    /// What exactly is wrong: for a late row its lateness in ms.
    pub detail: String,
    /// The first [`MAX_REJECT_BYTES`] of the row as it came (or as JSON, once decoded).
    pub content: String,
}

impl Reject {
    /// Cuts `content` to what is kept, at a character boundary.
    pub fn clip(content: &str) -> String {
        let mut end = content.len().min(MAX_REJECT_BYTES);
        while !content.is_char_boundary(end) {
            end -= 1;
        }
        content[..end].to_owned()
    }
}

/// Why an operator cannot go on: what it came upon, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Halt {
    /// What it came upon, with the view and the limit.
    pub what: String,
    /// What to do.
    pub remedy: String,
}

/// Where operators and sources hand rejects in; whoever serves the dead letters holds the other end.
#[derive(Clone)]
pub struct Rejects {
    rows: Sender<Reject>,
    halts: Option<Arc<dyn Fn(Halt) + Send + Sync>>,
}

impl std::fmt::Debug for Rejects {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rejects").finish_non_exhaustive()
    }
}

impl Rejects {
    /// A way in and the end where they come out.
    pub fn channel() -> (Rejects, Receiver<Reject>) {
        let (rows, receiver) = std::sync::mpsc::channel();
        (Rejects { rows, halts: None }, receiver)
    }

    /// With who stops the engine if an operator cannot go on.
    pub fn halting(self, halts: impl Fn(Halt) + Send + Sync + 'static) -> Rejects {
        Rejects { halts: Some(Arc::new(halts)), ..self }
    }

    /// An operator cannot go on without telling what is wrong: the engine stops. Panics if there is no engine.
    pub fn halt(&self, halt: Halt) {
        match &self.halts {
            Some(halts) => halts(halt),
            None => panic!("{}: {}", halt.what, halt.remedy),
        }
    }

    /// Hands in a decoded row, as JSON; `owner` is the view or sink that could not take it.
    pub fn row(&self, owner: &str, reason: &'static str, detail: &str, batch: &RecordBatch, row: usize) {
        let mut writer = LineDelimitedWriter::new(Vec::new());
        let written = writer.write(&batch.slice(row, 1)).and_then(|()| writer.finish());
        let content = match written {
            Ok(()) => Reject::clip(String::from_utf8_lossy(&writer.into_inner()).trim_end()),
            Err(error) => format!("a row that JSON cannot show: {error}"),
        };
        let (source, position) = (owner.to_owned(), format!("{owner}: a derived row"));
        self.report(Reject { source, position, reason, detail: detail.to_owned(), content });
    }

    /// Hands one in. If nobody listens any more the engine is stopping.
    pub fn report(&self, reject: Reject) {
        let _ = self.rows.send(reject);
    }
}
