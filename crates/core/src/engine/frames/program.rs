//! The text of a program and what else decides on its results, so that it can be done again elsewhere.

use serde::{Deserialize, Serialize};

use super::Unreadable;

/// What a program was planned from. Fields that a later version adds are passed over.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Program {
    /// Its files in their order, each by its name and its text.
    pub files: Vec<(String, String)>,
    /// The folder that its paths are relative to.
    #[serde(default)]
    pub folder: String,
    /// After how many rows of a partition a bounded source's epoch ends.
    pub tick_rows: usize,
}

impl Program {
    /// Its bytes.
    pub fn bytes(&self) -> Vec<u8> {
        match serde_json::to_vec(self) {
            Ok(bytes) => bytes,
            Err(error) => unreachable!("numbers and texts are written as JSON: {error}"),
        }
    }

    pub(super) fn read(bytes: &[u8]) -> Result<Program, Unreadable> {
        serde_json::from_slice(bytes).map_err(|error| Unreadable::of("a program", error))
    }
}
