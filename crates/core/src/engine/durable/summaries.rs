//! Summaries: frames that say what all before them come to, so that a start takes pushes once it has read the end of the log, however long
//! that is. A thread writes one for each segment.
//!
//! Invariant: what is known from a summary and the frames behind it is what all frames say. So a log without any is read from its
//! beginning, and one that is damaged is refused as any other frame is.

use std::path::Path;
use std::sync::Arc;

use highwater_log::{Error, Folder, Log, Lsn, Past, Reader};

use super::super::error::EngineError;
use super::super::frames::{self, Completed, Frame, Said, Source, Summary, Unreadable};
use super::super::ingest::spawn;
use super::Durable;
use super::known::{Known, KnownSplit, Undecided, broken, is_ours, wrong};
use crate::sink::Mark;
use crate::source::SplitId;
use crate::time::Epoch;

/// How many segments are looked through for the last summary, the newest first.
const LOOK_BACK: usize = 4;

/// A longer one is not written: a start reads all of the log then.
const MOST_BYTES: usize = 8 << 20;

/// One that is longer comes with every second segment only.
const LONG_BYTES: usize = MOST_BYTES / 2;

const OTHER_VERSION: &str = "open it with the version that wrote it";

/// What is known by the last summary of a log, and the first frame that it says nothing of.
pub(super) fn last(folder: &str, past: &Past) -> Result<Option<(Known, Lsn)>, EngineError> {
    let failed = |error: Error| broken(folder, &error);
    let mut end = past.end();
    for first in past.segments().map_err(failed)?.into_iter().rev().take(LOOK_BACK) {
        let (mut reader, mut found) = (past.reader(first).map_err(failed)?, None);
        while reader.next_lsn() < end {
            let Some(frame) = reader.read().map_err(failed)? else { break };
            if frame.kind == frames::SUMMARY {
                let read = Frame::read(frame.kind, frame.bytes).and_then(Known::summarised);
                found = read.map_err(|error| wrong(folder, error, OTHER_VERSION))?.or(found);
            }
        }
        if found.is_some() {
            return Ok(found);
        }
        end = first;
    }
    Ok(None)
}

/// Holds every summary of a data directory against the frames before it; how many there are. Nothing is written.
///
/// # Errors
/// It cannot be read, or a summary says something else.
pub fn verify_summaries(path: &Path) -> Result<u64, EngineError> {
    let folder = path.display().to_string();
    let failed = |error: Error| broken(&folder, &error);
    let past = Past::open(Folder::read_only(path)).map_err(failed)?;
    if !is_ours(&folder, &past).unwrap_or(false) {
        return Ok(0);
    }
    let mut reader = past.reader(past.first()).map_err(failed)?;
    let mut said = Saying { known: Known::default(), reader: past.reader(past.first()).map_err(failed)? };
    let mut count = 0;
    while let Some(frame) = reader.read().map_err(failed)? {
        let unreadable = |error| wrong(&folder, error, OTHER_VERSION);
        let Ok(Frame::Summary(Some(summary))) = Frame::read(frame.kind, frame.bytes) else { continue };
        said.read_to(Lsn(summary.upto)).map_err(failed)?.map_err(unreadable)?;
        if said.known.summary(summary.upto) != *summary {
            let what = format!("the summary in frame {} is not what the frames before {} say", frame.lsn, summary.upto);
            return Err(wrong(&folder, what, "restore the directory from a copy"));
        }
        count += 1;
    }
    Ok(count)
}

/// What the frames of a log say, as far as they were read.
struct Saying {
    known: Known,
    reader: Reader,
}

impl Saying {
    /// Reads on to before a frame.
    fn read_to(&mut self, end: Lsn) -> Result<Result<(), Unreadable>, Error> {
        while self.reader.next_lsn() < end {
            let Some(frame) = self.reader.read()? else { break };
            if let Err(error) = self.known.takes(&frame, None) {
                return Ok(Err(error));
            }
        }
        Ok(Ok(()))
    }
}

/// What writes them.
struct Summaries {
    said: Saying,
    /// Segments that have begun since the last.
    segments: usize,
}

impl Summaries {
    /// The next one, of what is durable, if it is worth it.
    fn next(&mut self, log: &Log) -> Result<Result<Option<Vec<u8>>, Unreadable>, Error> {
        if let Err(error) = self.said.read_to(log.durable())? {
            return Ok(Err(error));
        }
        let known = &self.said.known;
        let bytes = known.used.then(|| known.summary(self.said.reader.next_lsn().0).bytes());
        let most = if self.segments > 1 { MOST_BYTES } else { LONG_BYTES };
        Ok(Ok(bytes.filter(|bytes| bytes.len() <= most)))
    }
}

impl Durable {
    /// Starts the thread that writes a summary when a segment has begun.
    pub(in super::super) fn summarise(self: &Arc<Self>, process: usize) -> Result<(), EngineError> {
        let Some(log) = &self.log else { return Ok(()) };
        let end = self.past.end();
        let (known, from) = self.found().take().unwrap_or_else(|| (Known::default(), end));
        let begun = self.past.segments().map_err(|error| self.broken(&error))?;
        let segments = begun.iter().filter(|first| **first > from).count();
        let reader = log.reader(end).map_err(|error| self.broken(&error))?;
        let (durable, summaries) = (self.clone(), Summaries { said: Saying { known, reader }, segments });
        let thread = spawn("summaries".to_owned(), move || {
            durable.control.guard("summaries", process, || durable.write_summaries(summaries));
        })?;
        self.keep(thread);
        Ok(())
    }

    fn write_summaries(&self, mut summaries: Summaries) {
        let (Some(log), Some(files)) = (&self.log, &self.files) else { return };
        // The last may stand in the segment that was begun last.
        let (mut seen, mut due) = (files.segments_begun(), summaries.segments > 1);
        loop {
            if due {
                let next = summaries.next(log).map_err(|error| self.broken(&error));
                let next = next.and_then(|next| next.map_err(|error| self.wrong(error, OTHER_VERSION)));
                match next {
                    Ok(None) => {}
                    Ok(Some(summary)) => {
                        let over = || self.waiting().closed;
                        if self.append_waiting(frames::SUMMARY, &[&summary], over).is_err() {
                            return;
                        }
                        summaries.segments = 0;
                    }
                    Err(error) => {
                        // What runs does not need it: the next start finds what is wrong where it reads that.
                        return tracing::error!("no more summaries of the log are written: {error}");
                    }
                }
            }
            let Some(begun) = files.next_segment(seen) else { return };
            (summaries.segments, seen, due) = (summaries.segments + (begun - seen), begun, true);
        }
    }
}

impl Known {
    /// What a summary says, and the first frame that it says nothing of; `None` if it is of another version.
    fn summarised(frame: Frame<'_>) -> Result<Option<(Known, Lsn)>, Unreadable> {
        let Frame::Summary(Some(summary)) = frame else { return Ok(None) };
        let Summary { upto, sources, said } = *summary;
        let epoch = |(watermark, tick)| Epoch { watermark, tick };
        let mut known = Known {
            used: true,
            start: said.start,
            program: said.program,
            sources: sources.into_iter().map(|source| (source.source, (source.name, source.schema))).collect(),
            begun: said.begun.into_iter().collect(),
            ahead: said.ahead.into_iter().map(|(source, number, rows)| ((source, number), rows)).collect(),
            requests: said.requests.into_iter().map(|(lsn, table, at)| (lsn, (table, at.map(epoch)))).collect(),
            ..Known::default()
        };
        for Completed { writer, behind, files, ends } in said.ended {
            let mark = Mark { epoch: behind.map(epoch), length: 0, files };
            known.ended.insert(writer, (mark, ends.into_iter().map(epoch).collect()));
        }
        for (source, number, (split, name, was)) in said.splits {
            known.splits.insert((source, number), KnownSplit { split: SplitId::new(split), name, was });
        }
        for (source, number, end) in said.ends {
            known.ends.insert((source, number), end.parse().map_err(Unreadable)?);
        }
        for (source, number, (from, frames, bytes)) in said.undecided {
            known.undecided.insert((source, number), Undecided { from, frames, bytes });
        }
        Ok(Some((known, Lsn(upto))))
    }

    /// All of it, as what the frames before `upto` say.
    fn summary(&self, upto: u64) -> Summary {
        let epoch = |epoch: &Epoch| (epoch.watermark, epoch.tick);
        let source = |(number, (name, schema)): (&u32, &(String, _))| Source {
            source: *number,
            name: name.clone(),
            schema: Arc::clone(schema),
        };
        let completed = |(writer, (mark, ends)): (&frames::Begun, &(Mark, Vec<Epoch>))| Completed {
            writer: writer.clone(),
            behind: mark.epoch.as_ref().map(epoch),
            files: mark.files,
            ends: ends.iter().map(epoch).collect(),
        };
        let split = |((source, number), split): (&(u32, u32), &KnownSplit)| {
            let KnownSplit { split, name, was } = split;
            (*source, *number, (split.to_string(), name.clone(), was.clone()))
        };
        let undecided = |((source, number), waits): (&(u32, u32), &Undecided)| {
            (*source, *number, (waits.from, waits.frames, waits.bytes))
        };
        let said = Said {
            start: self.start.clone(),
            program: self.program.clone(),
            begun: self.begun.iter().cloned().collect(),
            ended: self.ended.iter().map(completed).collect(),
            splits: self.splits.iter().map(split).collect(),
            ahead: self.ahead.iter().map(|((source, number), rows)| (*source, *number, *rows)).collect(),
            ends: self.ends.iter().map(|((source, number), end)| (*source, *number, end.to_string())).collect(),
            undecided: self.undecided.iter().map(undecided).collect(),
            requests: self.requests.iter().map(|(lsn, (table, at))| (*lsn, *table, at.as_ref().map(epoch))).collect(),
        };
        Summary { upto, sources: self.sources.iter().map(source).collect(), said }
    }
}

#[cfg(test)]
#[path = "summaries_tests.rs"]
mod tests;
