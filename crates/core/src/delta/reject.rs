//! Rows of a source that were not accepted: what they were, where they stood, why. A rejected row is data, not a failure.

/// How much of a rejected row is kept, in bytes.
pub const MAX_REJECT_BYTES: usize = 1024;

/// One row that did not make it into the dataflow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reject {
    /// The source that brought it.
    pub source: String,
    /// Where it stood: `file:line`, `message 17 of connection 3`, ...
    pub position: String,
    /// Short stable word for metrics: `late`, `malformed`, `no_event_time`, `oversized`, `evaluation`,
    /// `unknown`.
    pub reason: &'static str,
    /// What exactly is wrong.
    pub detail: String,
    /// The first [`MAX_REJECT_BYTES`] of the row as it came: its text, or its columns as JSON.
    pub content: String,
}

impl Reject {
    /// What is wrong with a row that came so many ms behind the watermark.
    pub fn behind(ms: i64) -> String {
        format!("{ms} ms behind the watermark")
    }

    /// Cuts `content` to what is kept, at a character boundary.
    pub fn clip(content: &str) -> String {
        let mut end = content.len().min(MAX_REJECT_BYTES);
        while !content.is_char_boundary(end) {
            end -= 1;
        }
        content[..end].to_owned()
    }
}
