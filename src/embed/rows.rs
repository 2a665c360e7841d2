//! What a view tells: its rows at an epoch, and its changes; and what is told of rows that are in none.

use std::sync::Arc;

use arrow_array::RecordBatch;
use serde::de::DeserializeOwned;

use crate::delta::Reject;
use crate::engine::Letter;
use crate::format::{JsonRows, Numbers, RowsError, from_batch};
use crate::time::Epoch;
use crate::view::{self, EpochChanges};

/// The rows of a view at one epoch.
#[derive(Clone, Debug)]
pub struct Snapshot {
    as_of: Epoch,
    batch: RecordBatch,
}

impl From<view::Snapshot> for Snapshot {
    fn from(snapshot: view::Snapshot) -> Snapshot {
        Snapshot { as_of: snapshot.as_of, batch: snapshot.batch }
    }
}

impl Snapshot {
    /// All changes before this epoch are in, none after it.
    pub fn as_of(&self) -> Epoch {
        self.as_of
    }

    /// The rows as columns, by key and then by row.
    pub fn batch(&self) -> &RecordBatch {
        &self.batch
    }

    /// The rows, each as a struct by the names of the columns, as a map, or as a tuple in their order. A TIMESTAMP is milliseconds where
    /// a number is asked for, else RFC 3339 text.
    ///
    /// # Errors
    /// A value that the type does not take, with its column.
    pub fn rows<T: DeserializeOwned>(&self) -> Result<Vec<T>, RowsError> {
        from_batch(&self.batch)
    }

    /// The rows as a JSON array of objects.
    pub fn json(&self) -> String {
        json(&self.batch)
    }
}

/// The changes of a view in one epoch.
#[derive(Clone, Debug)]
pub struct Changes(Arc<EpochChanges>);

impl From<Arc<EpochChanges>> for Changes {
    fn from(changes: Arc<EpochChanges>) -> Changes {
        Changes(changes)
    }
}

/// A row that came or went.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Change<T> {
    /// The row.
    pub row: T,
    /// How often it came; below 0, how often it went.
    pub diff: i64,
}

impl Changes {
    /// The epoch.
    pub fn epoch(&self) -> Epoch {
        self.0.epoch
    }

    /// The rows that came or went as columns, those that went first.
    pub fn batch(&self) -> &RecordBatch {
        self.0.delta.batch()
    }

    /// Per row of the batch how often it came; below 0, how often it went.
    pub fn diffs(&self) -> impl ExactSizeIterator<Item = i64> {
        (0..self.0.len()).map(|row| self.0.delta.diff(row))
    }

    /// The rows that came or went, as [`Snapshot::rows`] has them.
    ///
    /// # Errors
    /// A value that the type does not take, with its column.
    pub fn rows<T: DeserializeOwned>(&self) -> Result<Vec<Change<T>>, RowsError> {
        let rows = from_batch(self.batch())?;
        Ok(rows.into_iter().zip(self.diffs()).map(|(row, diff)| Change { row, diff }).collect())
    }

    /// The rows that came or went as a JSON array of objects, in the order of [`Changes::diffs`].
    pub fn json(&self) -> String {
        json(self.batch())
    }
}

fn json(batch: &RecordBatch) -> String {
    let rows = JsonRows::new(batch.schema_ref().fields(), batch.columns(), Numbers::Json);
    let mut out = vec![b'['];
    for row in 0..batch.num_rows() {
        if row > 0 {
            out.push(b',');
        }
        rows.write(row, &mut out);
    }
    out.push(b']');
    String::from_utf8_lossy(&out).into_owned()
}

/// A row that a source could not take, or that is missing in a view or sink because an expression failed on it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeadLetter {
    /// A short word that stays: `late`, `evaluation`, `malformed`.
    pub reason: String,
    /// Where it stood in what the source read, or in which operator it failed.
    pub position: String,
    /// What exactly is wrong.
    pub detail: String,
    /// What failed, as SQL writes it, of a view or sink.
    pub expression: Option<String>,
    /// The row as it came, of a source; else as JSON. Or its beginning.
    pub content: String,
    /// How often it is there.
    pub count: u64,
}

impl From<Reject> for DeadLetter {
    fn from(reject: Reject) -> DeadLetter {
        let Reject { reason, position, detail, content, .. } = reject;
        DeadLetter { reason: reason.to_owned(), position, detail, expression: None, content, count: 1 }
    }
}

impl From<Letter> for DeadLetter {
    fn from(letter: Letter) -> DeadLetter {
        let Letter { reason, position, detail, expression, content, count, .. } = letter;
        let expression = Some(expression).filter(|expression| !expression.is_empty());
        DeadLetter { reason, position, detail, expression, content, count: count.unsigned_abs() }
    }
}
