//! Rows that were not accepted: what they were, where they stood, why. A rejected row is data, not a failure.

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

/// Where operators and sources hand rejects in; whoever serves the dead letters holds the other end.
#[derive(Clone, Debug)]
pub struct Rejects(Sender<Reject>);

impl Rejects {
    /// A way in and the end where they come out.
    pub fn channel() -> (Rejects, Receiver<Reject>) {
        let (sender, receiver) = std::sync::mpsc::channel();
        (Rejects(sender), receiver)
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
        let _ = self.0.send(reject);
    }
}
