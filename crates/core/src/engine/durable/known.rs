//! What a data directory says of the runs that wrote it, but for their rows and moves: read before anything is opened.

use std::collections::{BTreeMap, BTreeSet};

use arrow_schema::SchemaRef;
use highwater_log::{Error, Lsn, Past};

use super::super::error::EngineError;
use super::super::frames::{self, Begun, FORMAT, Frame, Program, Start, Unreadable};
use super::summaries;
use crate::sink::Mark;
use crate::source::{Position, SplitId};
use crate::time::Epoch;

/// By how many bits the number of a log stands above those of its frames, where there are several.
const LOG_BITS: u32 = 48;

/// The number of a frame of the so-manieth log.
pub(super) fn in_log(log: usize, lsn: u64) -> u64 {
    lsn | (log as u64) << LOG_BITS
}

/// The log and the number there of such a frame.
pub(super) fn of_log(number: u64) -> (usize, u64) {
    ((number >> LOG_BITS) as usize, number & ((1 << LOG_BITS) - 1))
}

/// A partition of a source, as it was.
#[derive(Clone, Debug)]
pub(super) struct KnownSplit {
    /// What it reads.
    pub(super) split: SplitId,
    /// What messages call it; nothing where another process reads it.
    pub(super) name: String,
    /// What tells its input from another.
    pub(super) was: Option<String>,
}

impl KnownSplit {
    /// Whether the process of the directory reads it.
    pub(super) fn is_own(&self) -> bool {
        !self.name.is_empty()
    }
}

/// What was pushed to a partition and is not decided on.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Undecided {
    /// None is before this frame.
    pub(super) from: u64,
    /// How many frames, and their bytes.
    pub(super) frames: u64,
    pub(super) bytes: u64,
}

/// What runs before have left.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    /// Something of a run is kept: until then another program may take its place.
    pub(super) used: bool,
    /// The last process that opened it.
    pub(super) start: Option<Start>,
    /// What it was planned from.
    pub(super) program: Option<Program>,
    /// Sources with their declared columns, by their numbers.
    pub(super) sources: BTreeMap<u32, (String, SchemaRef)>,
    /// The writers of sinks that have begun.
    pub(super) begun: BTreeSet<Begun>,
    /// How far files of writers are complete, and behind which epochs they were ended.
    pub(super) ended: BTreeMap<Begun, (Mark, Vec<Epoch>)>,
    /// Partitions, by the numbers of their source and their own.
    pub(super) splits: BTreeMap<(u32, u32), KnownSplit>,
    /// Up to which row they may have been shown, if they are read again.
    pub(super) ahead: BTreeMap<(u32, u32), u64>,
    /// Where they are read on.
    pub(super) ends: BTreeMap<(u32, u32), Position>,
    /// What was pushed to them and is not decided on.
    pub(super) undecided: BTreeMap<(u32, u32), Undecided>,
    /// Up to which epoch they have heard of what other processes took.
    pub(super) learnt: BTreeMap<(u32, u32), Epoch>,
    /// Changes of reference tables by their frames, each with the number of its table and where it takes effect.
    pub(super) requests: BTreeMap<u64, (u32, Option<Epoch>)>,
}

/// What was read to know it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Read {
    /// Where it was begun: at what the last summary says nothing of.
    pub(super) from: Lsn,
    /// Where that ended.
    pub(super) end: Lsn,
}

/// Something is wrong with a data directory.
pub(super) fn wrong(folder: &str, what: impl std::fmt::Display, remedy: &str) -> EngineError {
    EngineError::DataDir { folder: folder.to_owned(), what: what.to_string(), remedy: remedy.to_owned() }
}

/// Its log cannot be read or written.
pub(super) fn broken(folder: &str, error: &Error) -> EngineError {
    wrong(folder, error, error.remedy())
}

/// Whether a log holds anything, which this version has to know how to read.
pub(super) fn is_ours(folder: &str, past: &Past) -> Result<bool, EngineError> {
    if past.end() == Lsn(0) {
        return Ok(false);
    }
    if past.first() > Lsn(0) {
        // Its beginning is gone: what it is stands in its last summary.
        let format = summaries::last(folder, past)?.and_then(|(known, _)| known.start).map(|start| start.format);
        return match format {
            Some(FORMAT) => Ok(true),
            _ => Err(wrong(folder, "its beginning is gone, and no summary of it is there", "restore it from a copy")),
        };
    }
    let mut reader = past.reader(past.first()).map_err(|error| broken(folder, &error))?;
    let frame = reader.read().map_err(|error| broken(folder, &error))?;
    match frame.map(|frame| Frame::read(frame.kind, frame.bytes)) {
        Some(Ok(Frame::Start(start))) if start.format == FORMAT => Ok(true),
        Some(Ok(Frame::Start(Start { format, version, .. }))) => Err(wrong(
            folder,
            format!("Highwater {version} wrote it in the format {format}, this is {FORMAT}"),
            "open it with that version",
        )),
        Some(Err(error)) => Err(wrong(folder, error, "name another directory")),
        _ => Err(wrong(folder, "it does not begin as one of Highwater does", "name another directory")),
    }
}

impl Known {
    /// Looks through a log, from its last summary on; what it read besides. With `until_ms` from the beginning up to the first frame of a
    /// later time, and to answer where that is.
    pub(super) fn read(folder: &str, past: &Past, until_ms: Option<i64>) -> Result<(Known, Read), EngineError> {
        let from = if until_ms.is_none() { summaries::last(folder, past)? } else { None };
        let (mut known, from) = from.unwrap_or_else(|| (Known::default(), past.first()));
        let mut reader = past.reader(from).map_err(|error| broken(folder, &error))?;
        while let Some(frame) = reader.read().map_err(|error| broken(folder, &error))? {
            let lsn = frame.lsn;
            let taken = known.takes(&frame, until_ms);
            if !taken.map_err(|error| wrong(folder, error, "open it with the version that wrote it"))? {
                return Ok((known, Read { from, end: lsn }));
            }
        }
        Ok((known, Read { from, end: past.end() }))
    }

    /// Takes in what a frame says; false if it is of a time behind `until_ms`.
    pub(super) fn takes(
        &mut self,
        frame: &highwater_log::Frame<'_>,
        until_ms: Option<i64>,
    ) -> Result<bool, Unreadable> {
        if [frames::MOVE, frames::LEASE, frames::INPUT].contains(&frame.kind) {
            self.used = true;
            return Ok(true);
        }
        if frame.kind == frames::SUMMARY {
            return Ok(true);
        }
        let read = Frame::read(frame.kind, frame.bytes)?;
        if read.came_ms().zip(until_ms).is_some_and(|(at, until)| at > until) {
            return Ok(false);
        }
        self.take((frame.lsn.0, frame.bytes.len() as u64), read)?;
        Ok(true)
    }

    fn take(&mut self, (lsn, bytes): (u64, u64), frame: Frame<'_>) -> Result<(), Unreadable> {
        match frame {
            Frame::Start(start) => {
                if !self.used {
                    *self = Known::default();
                }
                self.start = Some(start);
                return Ok(());
            }
            Frame::Program(program) => {
                self.program = Some(program);
                return Ok(());
            }
            Frame::Source(source) => {
                self.sources.insert(source.source, (source.name, source.schema));
                return Ok(());
            }
            Frame::Split(split) => {
                let known = KnownSplit { split: SplitId::new(split.split), name: split.name, was: split.was };
                self.splits.insert((split.source, split.partition), known);
                return Ok(());
            }
            Frame::Request(request) => drop(self.requests.insert(lsn, (request.table, None))),
            Frame::Taken(taken) => {
                self.requests.insert(taken.request, (taken.table, Some(taken.epoch)));
            }
            Frame::Ahead(ahead) => drop(self.ahead.insert((ahead.source, ahead.partition), ahead.rows)),
            Frame::Begun(begun) => drop(self.begun.insert(begun)),
            Frame::Ended(ended) => {
                let (mark, ends) = self.ended.entry(ended.writer.clone()).or_default();
                let epoch = ended.epoch();
                if ends.last() < Some(&epoch) {
                    ends.push(epoch);
                }
                if let Some(files) = ended.files {
                    *mark = Mark { epoch: Some(epoch), length: 0, files };
                }
            }
            Frame::Rows(rows) => {
                let end = rows.beside()?.end.parse().map_err(Unreadable)?;
                self.ends((rows.source, rows.partition), end);
            }
            Frame::Learnt(learnt) => drop(self.learnt.insert((learnt.source, learnt.partition), learnt.epoch)),
            Frame::Pushed(rows) => self.pushed((rows.source, rows.partition), lsn, bytes),
            Frame::Decided(decided) => {
                let waits = self.undecided.entry((decided.source, decided.partition)).or_default();
                waits.frames = waits.frames.saturating_sub(1);
                waits.bytes = waits.bytes.saturating_sub(decided.bytes);
                waits.from = decided.pushed + 1;
            }
            _ => {}
        }
        self.used = true;
        Ok(())
    }

    /// What the logs of two processes say; `other` is the so-manieth of all.
    pub(super) fn beside(mut self, other: Known, log: usize) -> Known {
        self.begun.extend(other.begun);
        self.ended.extend(other.ended);
        self.splits.extend(other.splits.into_iter().filter(|(_, split)| split.is_own()));
        self.ends.extend(other.ends);
        self.learnt.extend(other.learnt);
        self.requests.extend(other.requests.into_iter().map(|(lsn, what)| (in_log(log, lsn), what)));
        self
    }

    /// Rows of a partition are kept up to there.
    pub(super) fn ends(&mut self, of: (u32, u32), end: Position) {
        self.ends.insert(of, end);
        self.used = true;
    }

    /// A frame of so many bytes waits to be decided on.
    pub(super) fn pushed(&mut self, of: (u32, u32), lsn: u64, bytes: u64) {
        let waits = self.undecided.entry(of).or_default();
        if waits.frames == 0 {
            waits.from = lsn;
        }
        waits.frames += 1;
        waits.bytes += bytes;
        self.used = true;
    }
}
