//! Who has opened a data directory, with which program.

use serde::{Deserialize, Serialize};

use super::Unreadable;
use crate::plan::identity::Part;

/// A process has opened the directory, and runs this program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Start {
    /// The version of what frames say.
    pub format: u32,
    /// The version of the program that writes.
    pub version: String,
    /// When, in ms since 1970.
    pub at_ms: i64,
    /// What runs, part by part.
    pub parts: Vec<Part>,
    /// Where the process stands among several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<Cluster>,
}

/// The place of a process among those of a cluster, each of which has a data directory of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cluster {
    /// The process.
    pub process: usize,
    /// How many there are.
    pub processes: usize,
    /// The identities of the logs of all, in their order; empty before they have met.
    #[serde(default)]
    pub lineages: Vec<String>,
}

impl Start {
    /// Its bytes.
    pub fn bytes(&self) -> Vec<u8> {
        match serde_json::to_vec(self) {
            Ok(bytes) => bytes,
            Err(error) => unreachable!("numbers and texts are written as JSON: {error}"),
        }
    }

    pub(super) fn read(bytes: &[u8]) -> Result<Start, Unreadable> {
        serde_json::from_slice(bytes).map_err(|error| Unreadable::of("a start", error))
    }
}
