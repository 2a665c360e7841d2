//! What clients push before the edge of their partition can decide on it, because a start is still doing again what came before, or the
//! workers are behind: it is appended to the log as it came, so it is durable, and taken from there in its order when there is room.
//!
//! Invariants: as long as anything waits, all that is pushed waits behind it. A frame says which of them was decided on, and where, so
//! that a start after the next crash takes each once, and what is left after those.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use highwater_log::Lsn;

use super::super::error::EngineError;
use super::super::frames::{self, Decided, Frame, Pushed as PushedRows, PushedParts};
use super::super::ingest::spawn;
use super::super::push::{FRAME_BYTES, Later, Pushed, Refused};
use super::super::source::{Partition, Reading, Source, lock};
use super::source::{Logged, Unlike};
use super::{Durable, known};
use crate::delta::memory;
use crate::format::{Part, Spot};
use crate::source::{Decoded, Step};
use crate::time::Epoch;

/// Bytes that may wait to be decided on, of a source, if nothing is said; beyond, clients hear that there is no room.
pub(super) const UNDECIDED_BYTES: u64 = 10 << 30;

/// Records are kept as they came, for dead letters, up to so many bytes of a frame; of the others their columns are.
const CAME_BYTES: usize = 4 << 20;

/// How often it is looked whether there is something to decide on, if nobody says so.
const LOOK: Duration = Duration::from_millis(500);

/// What waits of a partition that clients push to.
#[derive(Debug, Default)]
pub(in super::super) struct Undecided {
    /// Whatever is pushed waits.
    waits: bool,
    /// No frame that waits is before that.
    from: Lsn,
    /// How many do, and their bytes.
    frames: u64,
    bytes: u64,
    /// Where those went in that were decided on: of each epoch the last frame.
    decided: VecDeque<(Lsn, Epoch)>,
    /// Those before that show in every view.
    shown: Lsn,
    /// Bytes that were decided on since the start.
    taken: u64,
    /// The source ends when nothing waits any more, and takes nothing until then.
    ends: bool,
}

/// What clients pushed to a source and waits in the log, because the workers have no room for it or a start goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Frames of the log.
    pub frames: u64,
    /// Their bytes.
    pub bytes: u64,
    /// How many bytes may wait so.
    pub limit_bytes: u64,
    /// Bytes that have waited since the start of the process, and do not any more.
    pub taken_bytes: u64,
}

impl Undecided {
    /// What runs before have left; `behind` is where what they kept ends.
    pub(super) fn of(left: Option<known::Undecided>, behind: Lsn) -> Undecided {
        let left = left.unwrap_or_default();
        let from = if left.frames > 0 { Lsn(left.from) } else { behind };
        Undecided { waits: behind > Lsn(0), from, frames: left.frames, bytes: left.bytes, ..Undecided::default() }
    }

    fn decides(&mut self, lsn: Lsn, bytes: u64, epoch: Epoch) {
        self.frames = self.frames.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
        self.taken += bytes;
        self.from = Lsn(lsn.0 + 1);
        self.goes_in(lsn, epoch);
    }

    fn goes_in(&mut self, lsn: Lsn, epoch: Epoch) {
        match self.decided.back_mut() {
            Some((last, at)) if *at >= epoch => *last = lsn,
            _ => self.decided.push_back((lsn, epoch)),
        }
    }
}

/// What became of a push that waited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Decision {
    /// It waits still.
    Open,
    /// Its rows went in there, or before.
    At(Epoch),
    /// Every view shows them.
    Shown,
}

impl Logged {
    pub(super) fn undecided(&self) -> MutexGuard<'_, Undecided> {
        self.undecided.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether what is pushed waits for what came before.
    pub(in super::super) fn is_behind(&self) -> bool {
        self.behind.load(Ordering::Acquire)
    }

    /// Whether what the workers have no room for may wait in the log.
    pub(in super::super) fn overflows(&self) -> bool {
        self.keeps() && self.durable.undecided_bytes > 0
    }

    /// From now on whatever is pushed waits.
    pub(super) fn falls_behind(&self, undecided: &mut Undecided) {
        if let (false, Some(log)) = (undecided.waits, &self.durable.log) {
            (undecided.waits, undecided.from) = (true, log.next());
            self.behind.store(true, Ordering::Release);
        }
    }

    /// Who waits for something to decide on looks again.
    pub(in super::super) fn wakes(&self) {
        // It has begun to wait, or sees what is news.
        drop(self.undecided());
        self.came.notify_all();
    }

    /// What waits.
    pub(in super::super) fn backlog(&self) -> Backlog {
        let Undecided { frames, bytes, taken, .. } = *self.undecided();
        Backlog { frames, bytes, limit_bytes: self.durable.undecided_bytes, taken_bytes: taken }
    }

    /// Nothing more is taken but what waits; whether anything does, behind which the source ends then.
    pub(in super::super) fn ends_behind(&self) -> bool {
        let mut undecided = self.undecided();
        undecided.ends = true;
        let waits = undecided.waits;
        drop(undecided);
        self.wakes();
        waits
    }

    /// Whether there is no room for more that waits.
    pub(in super::super) fn is_full(&self) -> bool {
        let undecided = self.undecided();
        undecided.frames > 0 && undecided.bytes >= self.durable.undecided_bytes
    }

    /// What became of a push; `None` if there is none. All up to `as_of` shows.
    pub(in super::super) fn decision(&self, lsn: Lsn, as_of: Epoch) -> Option<Decision> {
        let next = self.durable.log.as_ref()?.next();
        let mut undecided = self.undecided();
        while let Some((last, _)) = undecided.decided.pop_front_if(|(_, epoch)| *epoch < as_of) {
            undecided.shown = Lsn(last.0 + 1);
        }
        if lsn < undecided.shown {
            return Some(Decision::Shown);
        }
        let found = undecided.decided.iter().find(|(last, _)| *last >= lsn).map(|(_, epoch)| Decision::At(*epoch));
        found.or((lsn < next).then_some(Decision::Open))
    }

    /// All that was kept is done again, up to `epoch`: if nothing waits, pushes go to the edge from now on.
    fn caught_up(&self, behind: Lsn, epoch: Option<Epoch>) {
        let mut undecided = self.undecided();
        let before = if undecided.frames > 0 { undecided.from.min(behind) } else { behind };
        if let Some(last) = before.0.checked_sub(1) {
            match epoch {
                Some(epoch) => undecided.goes_in(Lsn(last), epoch),
                None => undecided.shown = before,
            }
        }
        self.goes_direct(&mut undecided);
    }

    /// Pushes go to the edge from now on, if nothing waits any more. Whether that is so. One that is to end does first.
    fn goes_direct(&self, undecided: &mut Undecided) -> bool {
        if undecided.frames == 0 && !undecided.ends {
            undecided.waits = false;
            self.behind.store(false, Ordering::Release);
        }
        undecided.frames == 0
    }

    /// Records of a part as they came, if its rows may be refused.
    fn records(&self, source: &Source, part: &Part) -> Vec<(u64, String)> {
        let spec = source.spec();
        if spec.time.is_none() && spec.computed.is_empty() && spec.changelog.is_none() {
            return Vec::new();
        }
        let (mut came, mut bytes) = (part.came.finder(), 0);
        let record = |row: usize| {
            let number = part.numbers.as_ref().map_or(row as u64, |numbers| numbers[row]);
            let content = came.record(number)?;
            bytes += content.len();
            (bytes <= CAME_BYTES).then_some((number, content))
        };
        (0..part.batch.num_rows()).map_while(record).collect()
    }

    /// Appends a part as it came; the number of its frame, and its bytes.
    fn wait_in_log(&self, source: &Source, partition: usize, now_ms: i64, part: &Part) -> Result<(Lsn, u64), Refused> {
        let columns = frames::encode(&part.batch).map_err(|error| {
            self.durable.control.fail(self.durable.wrong(error, "run it without --data-dir"));
            Refused::Closed
        })?;
        let of = (self.number as u32, partition as u32);
        let frame = PushedParts::new(of, now_ms, part, self.records(source, part), columns);
        let bytes = frame.parts().iter().map(|part| part.len() as u64).sum();
        let lsn = self.durable.append_waiting(frames::PUSHED, &frame.parts(), || source.closed());
        Ok((lsn.map_err(|_| Refused::Closed)?, bytes))
    }
}

/// A part as pieces of which each fits into a frame. The last of them has all the records, so numbers stay.
fn pieces(part: Part, most: usize, out: &mut Vec<Part>) {
    let rows = part.batch.num_rows();
    if rows < 2 || memory(&part.batch) <= most {
        return out.push(part);
    }
    let Part { batch, numbers, records, faults, came } = part;
    let numbers = numbers.unwrap_or_else(|| (0..rows as u64).collect());
    let piece = |from: usize, rows: usize, records, faults| Part {
        batch: batch.slice(from, rows),
        numbers: Some(numbers[from..from + rows].to_vec()),
        records,
        faults,
        came: came.clone(),
    };
    pieces(piece(0, rows / 2, 0, faults), most, out);
    pieces(piece(rows / 2, rows - rows / 2, records, Vec::new()), most, out);
}

impl Source {
    /// Whether what is pushed waits in the log.
    pub(in super::super) fn is_behind(&self) -> bool {
        self.logged.as_ref().is_some_and(Logged::is_behind)
    }

    /// Keeps a body of fitting rows that the edge cannot decide on yet; or hands it back for it.
    pub(in super::super) fn push_behind(&self, parts: Vec<Part>) -> ControlFlow<Result<Pushed, Refused>, Vec<Part>> {
        let (Some(logged), Some(partition)) = (&self.logged, self.partitions.first()) else {
            return ControlFlow::Continue(parts);
        };
        if !logged.is_behind() {
            return ControlFlow::Continue(parts);
        }
        let mut undecided = logged.undecided();
        if undecided.ends {
            return ControlFlow::Break(Err(Refused::Closed));
        }
        if !undecided.waits {
            return ControlFlow::Continue(parts);
        }
        ControlFlow::Break(self.wait_in_log(logged, partition, &mut undecided, parts))
    }

    /// Keeps a body that the workers have no room for, if the log has; what is pushed from now on waits behind it.
    pub(in super::super) fn push_over(&self, parts: Vec<Part>) -> Result<Pushed, Refused> {
        let overflows = |logged: &&Logged| logged.overflows();
        let (Some(logged), Some(partition)) = (self.logged.as_ref().filter(overflows), self.partitions.first()) else {
            return Err(Refused::Full(parts));
        };
        let mut undecided = logged.undecided();
        if undecided.ends {
            return Err(Refused::Closed);
        }
        logged.falls_behind(&mut undecided);
        let done = self.wait_in_log(logged, partition, &mut undecided, parts);
        drop(undecided);
        logged.wakes();
        done
    }

    fn wait_in_log(
        &self,
        logged: &Logged,
        partition: &Partition,
        undecided: &mut Undecided,
        parts: Vec<Part>,
    ) -> Result<Pushed, Refused> {
        let bytes: usize = parts.iter().map(Part::memory).sum();
        let most = logged.durable.undecided_bytes;
        if most == 0 || undecided.frames > 0 && undecided.bytes + bytes as u64 > most {
            return Err(Refused::Full(parts));
        }
        match logged.has_room(bytes + FRAME_BYTES * parts.len()) {
            Ok(()) => {}
            Err(highwater_log::Refused::Full { .. }) => return Err(Refused::Full(parts)),
            Err(highwater_log::Refused::DiskFull) => return Err(Refused::DiskFull(parts)),
            Err(_) => return Err(Refused::Closed),
        }
        let (mut records, now_ms) = (0, self.clock.now_ms());
        let mut pushed = Pushed { source: Some(self.name().to_owned()), ..Pushed::default() };
        for part in parts {
            pushed.accepted += part.batch.num_rows() as u64;
            for fault in &part.faults {
                pushed.wrong(records + fault.record, fault.reason, &fault.detail);
            }
            records += part.records;
            let mut all = Vec::with_capacity(1);
            pieces(part, logged.durable.waiting_bytes / 4, &mut all);
            for piece in all {
                let (lsn, bytes) = logged.wait_in_log(self, partition.number, now_ms, &piece)?;
                undecided.frames += 1;
                undecided.bytes += bytes;
                pushed.frame = Some(lsn);
            }
        }
        pushed.later = pushed.frame.map(|lsn| Later { source: logged.number, frame: lsn.0 });
        Ok(pushed)
    }

    /// What became of a push that waited; `None` if there is none of that number.
    pub(in super::super) fn decision(&self, lsn: Lsn, as_of: Epoch) -> Option<Decision> {
        self.logged.as_ref()?.decision(lsn, as_of)
    }

    /// Decides on what waits first.
    fn decide(&self, logged: &Logged, (lsn, bytes): (Lsn, u64), rows: &PushedRows<'_>) -> Result<(), Unlike> {
        let over = || self.closed() || logged.durable.control.stopping();
        if !self.waits_for_room(over) {
            return Err(Unlike::Closed);
        }
        let (index, partition) = self.of_number(rows.partition)?;
        let part = rows.part(&self.spec.physical)?;
        let mut reading = lock(&partition.state);
        if reading.ended || reading.sealed {
            return Err(Unlike::Closed);
        }
        partition.last_rows_ms.store(self.clock.elapsed_ms().max(1), Ordering::Relaxed);
        let (epoch, first) = (reading.edge.epoch(), reading.place.records() + 1);
        let decoded = placed(&mut reading, part);
        let Reading { edge, steps, rejects, kept, .. } = &mut *reading;
        if let Some(decoded) = decoded {
            edge.accept(logged.read(decoded), rows.now_ms, steps, rejects);
        }
        let (source, accepted) = (logged.number as u32, edge.counts().accepted());
        let decided = Decided { source, partition: rows.partition, pushed: lsn.0, bytes, epoch, accepted, first };
        // What the edge has taken has to be said, also of an engine that is to stop: a move that follows counts it.
        let appended = logged.durable.append_waiting(frames::DECIDED, &[&decided.bytes()], || false);
        kept.cut = appended.is_err();
        kept.lsn = Some(appended.map_err(|_| Unlike::Closed)?);
        kept.rows = true;
        self.count(partition, edge.counts());
        rejects.drain(..).for_each(|reject| self.bury(reject));
        for Step { epoch, delta } in steps.drain(..) {
            self.latency.sent(epoch);
            let turn = self.turn.fetch_add(1, Ordering::Relaxed) % self.queues.len();
            self.queues[turn].push_rows(index, epoch, delta).map_err(|_| Unlike::Closed)?;
        }
        logged.undecided().decides(lsn, bytes, reading.edge.epoch());
        self.dirty.store(true, Ordering::Release);
        self.tell(index, &mut reading);
        drop(reading);
        self.freed();
        Ok(())
    }

    /// Decides again on what a frame holds, where another says.
    pub(super) fn decide_again(&self, rows: &PushedRows<'_>, decided: &Decided) -> Result<(), Unlike> {
        let (index, partition) = self.of_number(decided.partition)?;
        let logged = self.logged.as_ref().ok_or_else(|| self.unkept())?;
        let part = rows.part(&logged.schema(&self.spec.physical))?;
        let mut reading = lock(&partition.state);
        if reading.sealed {
            return Err(Unlike::Closed);
        }
        reading.edge.follow(decided.epoch);
        let first = reading.place.records() + 1;
        if first != decided.first {
            let (source, was) = (self.name(), decided.first);
            return Err(Unlike::Differs(format!("source '{source}' was at record {was}, done again it is at {first}")));
        }
        let Some(decoded) = placed(&mut reading, part) else {
            reading.kept.rows = true;
            return Ok(());
        };
        let batch = logged.declared(decoded.batch, &self.spec.physical)?;
        let decoded = Decoded { batch, ..decoded };
        self.again(index, &mut reading, decoded, (rows.now_ms, decided.epoch, decided.accepted))
    }
}

/// Says where a part stands in its partition, which is behind it then.
fn placed(reading: &mut Reading, part: Part) -> Option<Decoded> {
    let spot = Spot { at: reading.place.records() + part.records, within: 0 };
    let decoded = reading.place.place(part, spot)?;
    reading.position.clone_from(&decoded.end);
    Some(decoded)
}

impl Durable {
    /// Goes on with sources that have caught up: those of which nothing waits take pushes at once, the others when that is decided on. So it
    /// goes on whenever something waits.
    pub(in super::super) fn decide(
        self: &Arc<Self>,
        sources: &[Arc<Source>],
        process: usize,
    ) -> Result<(), EngineError> {
        for source in sources {
            let Some(logged) = source.logged.as_ref().filter(|_| source.inbox.is_some()) else { continue };
            let reached = source.partitions.first().map(|partition| lock(&partition.state).edge.epoch());
            logged.caught_up(self.past.end(), reached);
            let (durable, source) = (self.clone(), source.clone());
            let name = format!("behind {}", source.name());
            let thread = spawn(name.clone(), move || {
                durable.control.guard(&name, process, || {
                    let Some(logged) = &source.logged else { return };
                    while durable.waits_for_some(&source, logged) {
                        if let Err(error) = durable.decide_on(&source, logged) {
                            return durable.control.fail(error);
                        }
                    }
                });
            })?;
            self.control.keep(thread);
        }
        Ok(())
    }

    /// Waits until there is something to decide on; false if the source takes nothing more.
    fn waits_for_some(&self, source: &Source, logged: &Logged) -> bool {
        let over = || source.closed() || self.control.stopping();
        let mut undecided = logged.undecided();
        while !undecided.waits && !over() {
            undecided = logged.came.wait_timeout(undecided, LOOK).unwrap_or_else(PoisonError::into_inner).0;
        }
        !over()
    }

    fn decide_on(&self, source: &Source, logged: &Logged) -> Result<(), EngineError> {
        let Some(log) = &self.log else { return Ok(()) };
        let mut reader = log.reader(logged.undecided().from).map_err(|error| self.broken(&error))?;
        while !logged.goes_direct(&mut logged.undecided()) {
            if source.closed() || self.control.stopping() {
                return Ok(());
            }
            let next = reader.next_lsn();
            log.wait_durable(next).map_err(|error| self.broken(&error))?;
            let Some(frame) = reader.read().map_err(|error| self.broken(&error))? else { continue };
            if frame.kind != frames::PUSHED {
                continue;
            }
            let (lsn, bytes) = (frame.lsn, frame.bytes.len() as u64);
            let done = match Frame::read(frame.kind, frame.bytes) {
                Ok(Frame::Pushed(rows)) if rows.source == logged.number as u32 => {
                    source.decide(logged, (lsn, bytes), &rows)
                }
                Ok(_) => Ok(()),
                Err(error) => Err(error.into()),
            };
            match done {
                // The next start goes on with what is left.
                Err(Unlike::Closed) => return Ok(()),
                done => done.map_err(|unlike| self.unlike(lsn, unlike))?,
            }
        }
        if logged.undecided().ends {
            source.finish_all();
            logged.behind.store(false, Ordering::Release);
        }
        Ok(())
    }
}
