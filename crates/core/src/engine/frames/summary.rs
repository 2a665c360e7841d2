//! What the frames of a log come to, but for rows and moves, so that a start need not read all of them before it takes anything.

use serde::{Deserialize, Serialize};

use super::{Begun, Fields, Program, Source, Start, Unreadable};

/// The version of what summaries say. One of another version is passed over.
pub const SUMMARY_VERSION: u32 = 1;

/// What all frames before one come to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// The number of the first frame that it says nothing of.
    pub upto: u64,
    /// The sources and their declared columns.
    pub sources: Vec<Source>,
    /// The rest.
    pub said: Said,
}

/// Where a partition is, or what it has: numbers of a source and a partition, and that.
type Of<T> = (u32, u32, T);

/// An epoch: a watermark in ms and a tick.
type At = (i64, u64);

/// What stands in a summary as JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// The last process that opened the directory.
    pub start: Option<Start>,
    /// What it was planned from.
    pub program: Option<Program>,
    /// Writers of sinks that have begun.
    pub begun: Vec<Begun>,
    /// Of writers how far their files are complete (the epoch, how many files) and behind which epochs files were ended.
    #[serde(default)]
    pub ended: Vec<Completed>,
    /// Partitions: split, name, and what tells a file from another.
    pub splits: Vec<Of<(String, String, Option<String>)>>,
    /// Up to which row partitions that are read again may have been shown.
    pub ahead: Vec<Of<u64>>,
    /// Where partitions are read on.
    pub ends: Vec<Of<String>>,
    /// What is not decided on: its first frame, how many frames, their bytes.
    pub undecided: Vec<Of<(u64, u64, u64)>>,
    /// Up to which epoch partitions have heard of what other processes took.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub learnt: Vec<Of<At>>,
    /// Changes of tables: number of the frame, of the table, where it takes effect.
    pub requests: Vec<(u64, u32, Option<At>)>,
}

/// How far files of a writer of a sink are complete.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Completed {
    /// The writer.
    pub writer: Begun,
    /// The last epoch that complete files hold.
    pub behind: Option<At>,
    /// How many files were begun by then.
    pub files: u64,
    /// The epochs behind which files were ended.
    pub ends: Vec<At>,
}

impl Summary {
    /// Its bytes.
    pub fn bytes(&self) -> Vec<u8> {
        let said = match serde_json::to_vec(&self.said) {
            Ok(said) => said,
            Err(error) => unreachable!("numbers and texts are written as JSON: {error}"),
        };
        let mut bytes = Vec::with_capacity(16 + said.len());
        bytes.extend(SUMMARY_VERSION.to_le_bytes());
        bytes.extend(self.upto.to_le_bytes());
        bytes.extend((said.len() as u32).to_le_bytes());
        bytes.extend(said);
        for source in &self.sources {
            let source = source.bytes();
            bytes.extend((source.len() as u32).to_le_bytes());
            bytes.extend(source);
        }
        bytes
    }

    /// Reads one; `None` if it is of another version.
    pub(super) fn read(bytes: &[u8]) -> Result<Option<Summary>, Unreadable> {
        let mut fields = Fields(bytes);
        let short = || Unreadable::of("a summary", "it is too short");
        if fields.word().ok_or_else(short)? != SUMMARY_VERSION {
            return Ok(None);
        }
        let (upto, length) = (fields.long().ok_or_else(short)?, fields.word().ok_or_else(short)?);
        let said = fields.take(length as usize).ok_or_else(short)?;
        let said = serde_json::from_slice(said).map_err(|error| Unreadable::of("a summary", error))?;
        let mut sources = Vec::new();
        while !fields.0.is_empty() {
            let length = fields.word().ok_or_else(short)?;
            sources.push(Source::read(fields.take(length as usize).ok_or_else(short)?)?);
        }
        Ok(Some(Summary { upto, sources, said }))
    }
}
