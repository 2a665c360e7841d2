//! What the readers of files share: where in its partition a record stands, and how that is said.

use std::io;

use super::{Decoded, Position, SourceError};
use crate::delta::Reject;
use crate::format::{Part, Spot};

/// The place reached in one partition.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    source: String,
    name: String,
    /// Records (lines) so far, and rows.
    records: u64,
    rows: u64,
}

impl Place {
    /// At the beginning.
    pub(crate) fn new(source: &str, name: &str) -> Place {
        Place::at(source, name, &Position::default())
    }

    /// Behind what was read before.
    pub(crate) fn at(source: &str, name: &str, from: &Position) -> Place {
        let Position { records, rows, .. } = *from;
        Place { source: source.to_owned(), name: name.to_owned(), records, rows }
    }

    /// The partition's name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Records (lines) so far.
    pub(crate) fn records(&self) -> u64 {
        self.records
    }

    /// The failure to do something with the partition.
    pub(crate) fn failed(&self, doing: &str, error: io::Error) -> SourceError {
        SourceError::Io { source_name: self.source.clone(), what: format!("{doing} {}", self.name), error }
    }

    /// Says where a part's records stand in the partition, and where the input goes on behind them; `None` if it holds
    /// neither rows nor rejects.
    pub(crate) fn place(&mut self, part: Part, spot: Spot) -> Option<Decoded> {
        let first = self.records + 1;
        self.records += part.records;
        self.rows += part.batch.num_rows() as u64;
        if part.batch.num_rows() == 0 && part.faults.is_empty() {
            return None;
        }
        let reject = |fault: crate::format::Fault| Reject {
            source: self.source.clone(),
            position: format!("{}:{}", self.name, first + fault.record),
            reason: fault.reason,
            detail: fault.detail,
            content: fault.content,
        };
        let mut numbers = part.numbers;
        numbers.iter_mut().flatten().for_each(|number| *number += first);
        Some(Decoded {
            batch: part.batch,
            rejects: part.faults.into_iter().map(reject).collect(),
            first,
            numbers,
            end: Position { records: self.records, rows: self.rows, spot, files: None },
            came: part.came,
        })
    }
}
