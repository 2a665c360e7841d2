//! What of a source can be read by itself, and from where: splits and positions.
//!
//! Invariants (docs/internals/positions.md): a split is known by a text that stays what it is when others come and go (S1); a
//! reader that is opened at the position behind some rows goes on with the row that follows them, under the same numbers (S3).

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::{SourceError, SourceSpec};
use crate::format::Spot;

/// How a connector's splits can be read again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replay {
    /// From any position that came with rows of theirs.
    Seek,
    /// From what was not acknowledged.
    Acked,
    /// Not at all: what comes, comes once.
    Once,
}

/// A part of a source that is one order of rows, by a name that stays: a path below the source's, `stdin`, a number.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SplitId(Arc<str>);

impl SplitId {
    /// The split of that name.
    pub fn new(name: impl Into<Arc<str>>) -> SplitId {
        SplitId(name.into())
    }

    /// Its name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SplitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where a split is begun.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Start {
    /// With its first row.
    #[default]
    Beginning,
    /// With the row behind some that were read before.
    At(Position),
}

impl Start {
    /// The position: at the beginning nothing is before it.
    pub fn position(&self) -> Position {
        match self {
            Start::Beginning => Position::default(),
            Start::At(position) => position.clone(),
        }
    }
}

/// Where a split is read on from. Small: it comes with every batch. Written and read as JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// Records (lines) of the input before it, for messages.
    pub records: u64,
    /// Rows of the split before it, for their sequence numbers.
    pub rows: u64,
    /// Where the input goes on. Of a generator: the number of the next row, and when it began, in ms.
    pub spot: Spot,
    /// Of a folder that is watched: the files that were found.
    pub files: Option<FilesFound>,
}

impl Position {
    /// Of an input that is counted and has no places: so many records were read, each a row.
    pub fn counted(records: u64) -> Position {
        Position { records, rows: records, spot: Spot { at: records, within: 0 }, files: None }
    }
}

/// The files that a watched folder had, in the order in which they are read. Clones share the list, which only grows.
#[derive(Clone, Debug, Default)]
pub struct FilesFound {
    list: Arc<Mutex<Vec<SplitId>>>,
    found: usize,
    /// How many were begun; the last of them is the one at hand.
    begun: usize,
}

impl FilesFound {
    /// Adds a file.
    pub(super) fn push(&mut self, file: SplitId) {
        let mut list = self.list.lock().unwrap_or_else(PoisonError::into_inner);
        if list.len() > self.found {
            // Whoever reads on from a clone has a list of its own.
            let own = list[..self.found].to_vec();
            drop(list);
            self.list = Arc::new(Mutex::new(own));
            return self.push(file);
        }
        list.push(file);
        self.found += 1;
    }

    /// The next file to be read; it is begun.
    pub(super) fn begin(&mut self) -> Option<SplitId> {
        let list = self.list.lock().unwrap_or_else(PoisonError::into_inner);
        let next = list[..self.found].get(self.begun).cloned();
        self.begun += usize::from(next.is_some());
        next
    }

    /// The file at hand.
    pub(super) fn at_hand(&self) -> Option<SplitId> {
        let list = self.list.lock().unwrap_or_else(PoisonError::into_inner);
        list[..self.found].get(self.begun.checked_sub(1)?).cloned()
    }

    /// All of them.
    pub(super) fn all(&self) -> Vec<SplitId> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)[..self.found].to_vec()
    }
}

impl PartialEq for FilesFound {
    fn eq(&self, other: &FilesFound) -> bool {
        self.begun == other.begun && self.found == other.found && self.all() == other.all()
    }
}

impl Eq for FilesFound {}

/// A position as JSON.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    records: u64,
    rows: u64,
    at: u64,
    #[serde(default, skip_serializing_if = "is_zero")]
    within: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    files: Vec<String>,
    #[serde(default, skip_serializing_if = "is_zero")]
    begun: u64,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let files = self.files.as_ref();
        let written = Written {
            records: self.records,
            rows: self.rows,
            at: self.spot.at,
            within: self.spot.within,
            files: files.map(|files| files.all().iter().map(SplitId::to_string).collect()).unwrap_or_default(),
            begun: files.map_or(0, |files| files.begun as u64),
        };
        f.write_str(&serde_json::to_string(&written).map_err(|_| fmt::Error)?)
    }
}

impl FromStr for Position {
    type Err = String;

    fn from_str(text: &str) -> Result<Position, String> {
        let Written { records, rows, at, within, files, begun } =
            serde_json::from_str(text).map_err(|error| format!("'{text}' is no position: {error}"))?;
        let begun = usize::try_from(begun).unwrap_or(usize::MAX);
        if begun > files.len() {
            return Err(format!("'{text}' is no position: it begins more files than it found"));
        }
        let list: Vec<SplitId> = files.into_iter().map(SplitId::new).collect();
        let files =
            (!list.is_empty()).then(|| FilesFound { found: list.len(), begun, list: Arc::new(Mutex::new(list)) });
        Ok(Position { records, rows, spot: Spot { at, within }, files })
    }
}

/// The numbers of a source's splits, which enter sequence numbers and say which process reads which.
///
/// Invariant: a split keeps its number, whatever else is found or gone by then; of those found at one look the order of their
/// names decides.
#[derive(Clone, Debug, Default)]
pub struct SplitNumbers {
    numbers: BTreeMap<SplitId, usize>,
    next: usize,
}

impl SplitNumbers {
    /// As some are numbered already.
    pub fn of(known: impl IntoIterator<Item = (usize, SplitId)>) -> SplitNumbers {
        let numbers: BTreeMap<SplitId, usize> = known.into_iter().map(|(number, split)| (split, number)).collect();
        let next = numbers.values().max().map_or(0, |last| last + 1);
        SplitNumbers { numbers, next }
    }

    /// Numbers those that have none; returns all of `found` with theirs, by number.
    pub fn number(&mut self, found: Vec<SplitId>) -> Vec<(usize, SplitId)> {
        let mut numbered: Vec<(usize, SplitId)> = Vec::with_capacity(found.len());
        for split in found {
            let number = *self.numbers.entry(split.clone()).or_insert(self.next);
            self.next = self.next.max(number + 1);
            numbered.push((number, split));
        }
        numbered.sort();
        numbered.dedup();
        numbered
    }
}

/// Where the one split of a source that comes once begins; it cannot begin anywhere else.
pub(super) fn only_once(spec: &SourceSpec, splits: &[(SplitId, Start)]) -> Result<(), SourceError> {
    match splits.iter().find(|(_, start)| *start != Start::Beginning) {
        None => Ok(()),
        Some((split, _)) => Err(SourceError::Schema {
            source_name: spec.name.clone(),
            what: format!("'{split}' cannot be read again from a position: what comes, comes once"),
            remedy: "begin it anew, or read a file".to_owned(),
        }),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn s1_a_split_keeps_its_number() {
        let ids = |names: &[&str]| names.iter().map(|name| SplitId::new(*name)).collect::<Vec<_>>();
        let mut numbering = SplitNumbers::default();
        let first = numbering.number(ids(&["b", "d"]));
        assert_eq!(first, [(0, SplitId::new("b")), (1, SplitId::new("d"))]);
        let second = numbering.number(ids(&["a", "c", "d"]));
        assert_eq!(second, [(1, SplitId::new("d")), (2, SplitId::new("a")), (3, SplitId::new("c"))]);
        let mut again = SplitNumbers::of(second);
        assert_eq!(again.number(ids(&["b", "c"])), [(3, SplitId::new("c")), (4, SplitId::new("b"))]);
    }

    #[test]
    fn s2_a_position_is_written_and_read() {
        let mut files = FilesFound::default();
        ["a.json", "k=1/\"b\".json", "c"].iter().for_each(|name| files.push(SplitId::new(*name)));
        files.begin();
        let early = files.clone();
        files.begin();
        for position in [
            Position::default(),
            Position::counted(7),
            Position { records: 3, rows: 2, spot: Spot { at: u64::MAX, within: 1 }, files: None },
            Position { files: Some(files.clone()), ..Position::counted(1) },
            Position { files: Some(early.clone()), ..Position::counted(1) },
        ] {
            assert_eq!(position.to_string().parse::<Position>().unwrap(), position, "{position}");
        }
        assert_eq!(Position::counted(7).to_string(), "{\"records\":7,\"rows\":7,\"at\":7}");
        for wrong in ["", "7", "{\"records\":1,\"rows\":1,\"at\":1,\"begun\":1}", "{\"records\":1,\"rows\":1}"] {
            assert!(wrong.parse::<Position>().unwrap_err().contains("is no position"), "{wrong}");
        }
        // What is found later does not show in a position from before.
        let mut behind = early.clone();
        behind.push(SplitId::new("d"));
        files.push(SplitId::new("e"));
        assert_eq!((early.all().len(), early.at_hand()), (3, Some(SplitId::new("a.json"))));
        assert_eq!((files.all()[3].as_str(), behind.all()[3].as_str()), ("e", "d"));
    }
}
