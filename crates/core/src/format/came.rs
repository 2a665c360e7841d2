//! The records of a part as they came, for those of its rows that are not taken after all.
//!
//! Cost: a part holds the text, or the columns, that it was decoded from until its rows are taken in. Nothing is looked for before
//! somebody asks; then the records before are passed over, once if they are asked for in their order.
//! Invariant: a record has the number here that its decoder gave it.

use std::ops::{Deref, Range};
use std::sync::Arc;

use arrow_array::RecordBatch;
use bytes::Bytes;

use super::{Records, clip, row_as_json};
use crate::delta::{Reject, memory};

/// The records of a part as they came, as far as they are known.
#[derive(Clone, Default)]
pub struct Came(Vec<Piece>);

#[derive(Clone)]
struct Piece {
    /// The number of its first record.
    first: u64,
    what: What,
}

#[derive(Clone)]
enum What {
    Text {
        text: Bytes,
        records: Arc<dyn Records>,
    },
    Rows(RecordBatch),
    /// Some of them, by their numbers, ascending.
    Kept(Arc<[(u64, String)]>),
}

/// A place between two records of a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    /// Bytes before it.
    pub at: usize,
    /// The number of the record behind it.
    pub number: u64,
}

impl Came {
    /// The text that was decoded, and how its records are told apart.
    pub fn text(text: Bytes, records: &Arc<dyn Records>) -> Came {
        Came(vec![Piece { first: 0, what: What::Text { text, records: records.clone() } }])
    }

    /// The rows before they were made what is declared.
    pub(super) fn rows(rows: &RecordBatch) -> Came {
        Came(vec![Piece { first: 0, what: What::Rows(rows.clone()) }])
    }

    /// Some records, each with its number, ascending.
    pub fn kept(records: Vec<(u64, String)>) -> Came {
        match records.is_empty() {
            true => Came::default(),
            false => Came(vec![Piece { first: 0, what: What::Kept(records.into()) }]),
        }
    }

    /// Adds those of a part that follows, whose first record has this number.
    pub fn append(&mut self, first: u64, part: Came) {
        self.0.extend(part.0.into_iter().map(|piece| Piece { first: first + piece.first, ..piece }));
    }

    /// What it takes in memory besides the text that it was decoded from.
    pub(super) fn memory(&self) -> usize {
        let rows = |piece: &Piece| match &piece.what {
            What::Text { .. } => 0,
            What::Rows(rows) => memory(rows),
            What::Kept(records) => records.iter().map(|(_, record)| record.capacity()).sum(),
        };
        self.0.iter().map(rows).sum()
    }

    /// Looks for records, best in their order.
    pub fn finder(&self) -> Finder<'_> {
        Finder { came: self, piece: 0, mark: Mark::default() }
    }
}

impl std::fmt::Debug for Came {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Came").field(&self.0.len()).finish()
    }
}

/// Looks for records.
#[derive(Debug)]
pub struct Finder<'a> {
    came: &'a Came,
    /// The piece that was looked into last, and how far.
    piece: usize,
    mark: Mark,
}

impl Finder<'_> {
    /// The record of that number (from 0): its first bytes as text, columns as JSON. `None` if it is not known.
    pub fn record(&mut self, number: u64) -> Option<String> {
        let piece = self.came.0.iter().rposition(|piece| piece.first <= number)?;
        let Piece { first, what } = &self.came.0[piece];
        let number = number - first;
        let (text, records) = match what {
            What::Text { text, records } => (text, records),
            What::Rows(rows) => {
                let row = usize::try_from(number).ok().filter(|row| *row < rows.num_rows())?;
                return Some(Reject::clip(&row_as_json(rows.schema_ref(), rows.columns(), row)));
            }
            What::Kept(records) => {
                let at = records.binary_search_by_key(&number, |(number, _)| *number).ok()?;
                return Some(records[at].1.clone());
            }
        };
        if piece != self.piece || number < self.mark.number {
            (self.piece, self.mark) = (piece, Mark::default());
        }
        while self.mark.at < text.len() {
            let (found, record) = records.step(text, &mut self.mark);
            if found >= number {
                // Behind the last there may be space.
                let there = found == number && record.start < text.len();
                return there.then(|| clip(text[record].trim_ascii_end()));
            }
        }
        None
    }
}

/// Steps over a line: what formats do of which a line is a record.
pub(super) fn line(text: &[u8], mark: &mut Mark) -> (u64, Range<usize>) {
    let Mark { at, number } = *mark;
    let end = memchr::memchr(b'\n', &text[at..]).map_or(text.len(), |length| at + length);
    *mark = Mark { at: end + 1, number: number + 1 };
    (number, at..end)
}

/// Bytes on loan: they come back without a copy once nobody holds their records any more.
#[derive(Debug)]
pub struct Lent(Arc<Vec<u8>>);

/// One who holds them.
struct Holder(Arc<Vec<u8>>);

impl AsRef<[u8]> for Holder {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Deref for Lent {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl Lent {
    /// These.
    pub fn new(bytes: Vec<u8>) -> Lent {
        Lent(Arc::new(bytes))
    }

    /// The bytes for somebody else.
    pub fn bytes(&self) -> Bytes {
        Bytes::from_owner(Holder(self.0.clone()))
    }

    /// The bytes again; others if somebody still holds them.
    pub fn back(self) -> Vec<u8> {
        Arc::try_unwrap(self.0).unwrap_or_default()
    }
}
