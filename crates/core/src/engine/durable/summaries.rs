//! Summaries: frames that say what all before them come to, so that a start takes pushes once it has read the end of the log, however long
//! that is. What frames say is taken in as they are appended; a thread writes a summary for each segment.
//!
//! Invariant: what is known from a summary and the frames behind it is what all frames say. So a log without any is read from its
//! beginning, and one that is damaged is refused as any other frame is.

use std::path::Path;
use std::sync::Arc;

use highwater_log::{Error, Folder, Lsn, Past, Reader};

use super::super::error::EngineError;
use super::super::frames::{self, Completed, Frame, Said, Source, Summary, Unreadable};
use super::super::ingest::spawn;
use super::Durable;
use super::known::{Known, KnownSplit, Undecided, broken, is_ours, wrong};
use crate::sink::Mark;
use crate::source::{Position, SplitId};
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
    // Where the beginning is gone there is one.
    let most = if past.first() > Lsn(0) { usize::MAX } else { LOOK_BACK };
    for first in past.segments().map_err(failed)?.into_iter().rev().take(most) {
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
    let (mut count, mut whole) = (0, past.first() == Lsn(0));
    while let Some(frame) = reader.read().map_err(failed)? {
        let unreadable = |error| wrong(&folder, error, OTHER_VERSION);
        let Ok(Frame::Summary(Some(summary))) = Frame::read(frame.kind, frame.bytes) else { continue };
        if !whole && Lsn(summary.upto) >= past.first() {
            // What is gone is known from the first that is there.
            let known = Known::summarised(Frame::Summary(Some(summary.clone()))).map_err(unreadable)?;
            let from = past.reader(Lsn(summary.upto)).map_err(failed)?;
            (said, whole) = (Saying { known: known.map(|(known, _)| known).unwrap_or_default(), reader: from }, true);
        }
        if !whole {
            continue;
        }
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

/// What a log says by the frame that is appended next.
#[derive(Debug, Default)]
pub(super) struct Appended {
    known: Known,
    /// Segments that have begun since the last summary.
    segments: usize,
    /// The first frame that the last summary says nothing of.
    upto: Option<u64>,
    /// Something that was appended is not understood: there are no more summaries.
    unreadable: Option<Unreadable>,
}

impl Appended {
    /// What a directory says in which so many segments have begun since its last summary, which is of what is before a frame.
    pub(super) fn behind(known: Known, segments: usize, upto: Lsn) -> Appended {
        Appended { known, segments, upto: Some(upto.0), unreadable: None }
    }

    /// Where the first frame stands that was pushed to a partition and is not decided on.
    pub(super) fn waits_from(&self, of: (u32, u32)) -> Option<u64> {
        self.known.undecided.get(&of).filter(|waits| waits.frames > 0).map(|waits| waits.from)
    }

    /// Where the first change of a table stands that does not take effect before an epoch.
    pub(super) fn changes_from(&self, cut: Epoch) -> Option<u64> {
        let behind = |at: &Option<Epoch>| at.is_none_or(|at| at >= cut);
        self.known.requests.iter().find(|(_, (_, at))| behind(at)).map(|(lsn, _)| *lsn)
    }

    /// The first frame that the last summary says nothing of: a start reads from there on what it has to know.
    pub(super) fn said_upto(&self) -> Option<u64> {
        self.upto
    }

    /// A frame was appended; of rows where their partition is read on behind them, if that is at hand.
    pub(super) fn take(&mut self, lsn: Lsn, kind: u8, parts: &[&[u8]], end: Option<&Position>) {
        let taken = match (kind, parts) {
            (frames::ROWS, [head, ..]) if let (Some(end), Some(of)) = (end, frames::of_partition(head)) => {
                self.known.ends(of, end.clone());
                Ok(true)
            }
            (frames::PUSHED, [head, ..]) if let Some(of) = frames::of_partition(head) => {
                self.known.pushed(of, lsn.0, parts.iter().map(|part| part.len() as u64).sum());
                Ok(true)
            }
            (kind, [bytes]) => self.known.takes(&highwater_log::Frame { lsn, kind, bytes }, None),
            (kind, parts) => self.known.takes(&highwater_log::Frame { lsn, kind, bytes: &parts.concat() }, None),
        };
        self.unreadable = self.unreadable.take().or(taken.err());
    }

    /// A summary of all frames before one, if it is worth it.
    fn summary(known: &Known, segments: usize, upto: u64) -> Option<Vec<u8>> {
        let bytes = known.used.then(|| known.summary(upto).bytes());
        let most = if segments > 1 { MOST_BYTES } else { LONG_BYTES };
        bytes.filter(|bytes| bytes.len() <= most)
    }
}

impl Durable {
    /// Starts the thread that writes a summary when a segment has begun.
    pub(in super::super) fn summarise(self: &Arc<Self>, process: usize) -> Result<(), EngineError> {
        let durable = self.clone();
        let thread = spawn("summaries".to_owned(), move || {
            durable.control.guard("summaries", process, || durable.write_summaries());
        })?;
        self.keep(thread);
        Ok(())
    }

    fn write_summaries(&self) {
        let (Some(log), Some(files)) = (&self.log, &self.files) else { return };
        let mut seen = files.segments_begun();
        // The last may stand in the segment that was begun last.
        let mut due = self.appended().segments > 1;
        loop {
            if due {
                let appended = self.appended();
                if let Some(error) = &appended.unreadable {
                    // What runs does not need it: the next start finds what is wrong where it reads that.
                    return tracing::error!("no more summaries of the log are written: {error}");
                }
                let (known, segments, upto) = (appended.known.clone(), appended.segments, log.next().0);
                drop(appended);
                if let Some(summary) = Appended::summary(&known, segments, upto) {
                    let over = || self.waiting().closed;
                    let Ok(lsn) = self.append_waiting(frames::SUMMARY, &[&summary], over) else { return };
                    self.appended().segments = 0;
                    if self.wait(lsn).is_err() {
                        return;
                    }
                    self.appended().upto = Some(upto);
                }
            }
            let Some(begun) = files.next_segment(seen) else { return };
            self.appended().segments += begun - seen;
            (seen, due) = (begun, true);
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
            learnt: said.learnt.into_iter().map(|(source, number, at)| ((source, number), epoch(at))).collect(),
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
            learnt: self.learnt.iter().map(|((source, number), at)| (*source, *number, epoch(at))).collect(),
            requests: self.requests.iter().map(|(lsn, (table, at))| (*lsn, *table, at.as_ref().map(epoch))).collect(),
        };
        Summary { upto, sources: self.sources.iter().map(source).collect(), said }
    }
}

#[cfg(test)]
#[path = "summaries_tests.rs"]
mod tests;
