//! How far a sink's output is, so that a later writer goes on there.
//!
//! Invariant (docs/internals/positions.md): a writer that is opened at a mark, and is handed the epochs behind it again, leaves the
//! output that one leaves that was never stopped (M1); what it writes anew where something stands is the same, or it fails (M2).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{SinkError, SinkSpec};
use crate::time::Epoch;

/// How far an output holds whole epochs. Written and read as JSON.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    /// The last epoch that it holds, all before it too; none before the first.
    pub epoch: Option<Epoch>,
    /// How long it is with that, in bytes.
    pub length: u64,
    /// Of an output of many files: how many were begun by then, all of which are complete.
    pub files: u64,
}

/// What is kept of one writer of a sink over restarts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Before {
    /// It has written before, and all of that comes again.
    pub begun: bool,
    /// Which files of an output of many are complete, and safe on the disk.
    pub mark: Mark,
    /// Behind which epochs files were ended, or were about to be: they are again.
    pub ends: Vec<Epoch>,
    /// Files may be ended by the clock too.
    pub by_clock: bool,
    /// Where its output is gone on with, of one that says that it can be ([`SinkConnector::resumes`](super::SinkConnector::resumes)): what
    /// is before does not come again.
    pub at: Option<Mark>,
}

/// A mark as JSON.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    epoch: Option<(i64, u64)>,
    length: u64,
    #[serde(default, skip_serializing_if = "is_zero")]
    files: u64,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let epoch = self.epoch.map(|Epoch { watermark, tick }| (watermark, tick));
        f.write_str(
            &serde_json::to_string(&Written { epoch, length: self.length, files: self.files })
                .map_err(|_| fmt::Error)?,
        )
    }
}

impl FromStr for Mark {
    type Err = String;

    fn from_str(text: &str) -> Result<Mark, String> {
        let Written { epoch, length, files } =
            serde_json::from_str(text).map_err(|error| format!("'{text}' is no mark: {error}"))?;
        Ok(Mark { epoch: epoch.map(|(watermark, tick)| Epoch { watermark, tick }), length, files })
    }
}

/// The refusal of a sink, or a format, whose output cannot be gone on with.
pub(super) fn no_marks(spec: &SinkSpec, why: &str) -> SinkError {
    SinkError::Schema {
        sink: spec.name.clone(),
        what: format!("its output cannot be gone on with: {why}"),
        remedy: "let it be written anew, or write to a folder: end the 'path' in '/'".to_owned(),
    }
}
