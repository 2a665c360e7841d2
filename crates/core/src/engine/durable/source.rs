//! A source whose rows are kept: what is appended when its partitions take rows and move, and the same done again from frames.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};

use arrow_array::{RecordBatch, RecordBatchOptions};
use arrow_schema::SchemaRef;
use highwater_log::{Lsn, Refused};

use super::super::frames::{self, Beside, Learnt, Move, Rows, RowsParts, Unreadable, read_reject, write_reject};
use super::super::queue::Closed;
use super::super::source::{Partition, Reading, Source, lock};
use super::matching::Stand;
use super::undecided::Undecided;
use super::{Durable, Moved};
use crate::delta::{Reject, memory};
use crate::format::Came;
use crate::source::{Decoded, Edge, Place, Position, SourceSpec, Step, keys_schema};
use crate::time::Epoch;

/// How far a partition that moves on with the clock may go before that is written again. With what else is synced then, once a second.
const LEASE_MS: i64 = 1_100;

/// Dead letters of one batch are kept as they came up to so many bytes; of the others their columns are.
const LETTERS_BYTES: usize = 4 << 20;

/// How the rows of a source are kept.
#[derive(Debug)]
pub(in super::super) struct Logged {
    pub(super) durable: Arc<Durable>,
    /// The source's number.
    pub(super) number: usize,
    /// The kept columns that the plan reads, if not all.
    read: Option<Vec<usize>>,
    /// Its partitions move on with the clock.
    by_clock: bool,
    /// How its rows stand in the log, where that need not be as they are declared.
    stand: Option<Stand>,
    /// What is pushed waits for what came before.
    pub(super) behind: AtomicBool,
    /// What waits so.
    pub(super) undecided: Mutex<Undecided>,
    /// Something does, or the source takes nothing more.
    pub(super) came: Condvar,
}

/// What a partition has in the log.
#[derive(Clone, Copy, Debug, Default)]
pub(in super::super) struct Kept {
    /// Its last frame.
    pub(in super::super) lsn: Option<Lsn>,
    /// Rows came since it was written where it is.
    pub(super) rows: bool,
    /// It may move without rows to before that.
    lease: Option<Epoch>,
    /// Its edge has taken rows that the log has not: nothing follows them there.
    pub(super) cut: bool,
}

impl Kept {
    /// Up to where it may move without rows.
    pub(super) fn lease(&self) -> Option<Epoch> {
        self.lease
    }
}

impl Logged {
    pub(in super::super) fn new(durable: &Arc<Durable>, number: usize, spec: &SourceSpec) -> Logged {
        let all = spec.decode.len() == spec.physical.fields().len();
        let read = (!all).then(|| spec.decode.clone());
        let by_clock = spec.by_arrival() || spec.time.is_some_and(|time| time.idle_by_clock);
        let pushed = matches!(spec.connector.pushed(spec), Ok(Some(_))) && !durable.replays();
        // What clients push is one partition, which has the number of the process.
        let known = durable.known();
        let left = known.undecided.iter().find(|((source, _), _)| *source == number as u32).map(|(_, left)| *left);
        drop(known);
        let undecided = if pushed { Undecided::of(left, durable.past.end()) } else { Undecided::default() };
        Logged {
            durable: durable.clone(),
            number,
            read,
            by_clock,
            stand: durable.matching.stand(number),
            behind: AtomicBool::new(pushed && durable.past.end() > Lsn(0)),
            undecided: Mutex::new(undecided),
            came: Condvar::new(),
        }
    }

    /// Whether what its partitions take and where they move is written down.
    pub(in super::super) fn keeps(&self) -> bool {
        !self.durable.replays()
    }

    /// The columns in which the log has the rows.
    pub(super) fn schema(&self, declared: &SchemaRef) -> SchemaRef {
        self.stand.as_ref().map_or(declared, |stand| &stand.schema).clone()
    }

    /// Rows of the log, in the declared columns.
    pub(super) fn declared(&self, batch: RecordBatch, declared: &SchemaRef) -> Result<RecordBatch, Unreadable> {
        let Some(stand) = &self.stand else { return Ok(batch) };
        let columns = stand.columns.iter().map(|&column| batch.column(column).clone()).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        let batch = RecordBatch::try_new_with_options(declared.clone(), columns, &options);
        batch.map_err(|error| Unreadable(error.to_string()))
    }

    /// What a partition brings from now on stands in an input of this name.
    pub(in super::super) fn begins(&self, number: usize, input: &str, over: impl Fn() -> bool) {
        let (source, partition) = (self.number as u32, number as u32);
        let frame = frames::Input { source, partition, name: input.to_owned() }.bytes();
        // What is not taken is said again with the rows that are not either.
        let _ = self.durable.append_waiting(frames::INPUT, &[&frame], over);
    }

    /// Waits a moment for room in the log; false if the engine ends.
    pub(in super::super) fn waits(&self) -> bool {
        std::thread::sleep(super::RETRY);
        !self.durable.control.stopping()
    }

    /// Whether there is room for so many bytes of columns.
    pub(in super::super) fn has_room(&self, bytes: usize) -> Result<(), Refused> {
        self.durable.has_room(bytes)
    }

    /// Rows that are too many for one frame, as two.
    pub(in super::super) fn halves(&self, decoded: Decoded) -> Result<Decoded, Box<[Decoded; 2]>> {
        let rows = decoded.batch.num_rows();
        if rows < 2 || memory(&decoded.batch) <= self.durable.waiting_bytes / 4 {
            return Ok(decoded);
        }
        let half = rows / 2;
        let Decoded { batch, rejects, first, numbers, end, came } = decoded;
        let numbers = numbers.unwrap_or_else(|| (first..first + rows as u64).collect());
        let part = |from: usize, rows: usize, rejects| Decoded {
            batch: batch.slice(from, rows),
            rejects,
            first,
            numbers: Some(numbers[from..from + rows].to_vec()),
            end: end.clone(),
            came: came.clone(),
        };
        Err(Box::new([part(0, half, rejects), part(half, rows - half, Vec::new())]))
    }

    /// Whether a frame is on disk.
    pub(in super::super) fn is_durable(&self, frame: Lsn) -> bool {
        self.durable.log.as_ref().is_none_or(|log| frame < log.durable())
    }

    /// The columns that the plan reads.
    pub(in super::super) fn columns_read(&self, batch: RecordBatch) -> RecordBatch {
        let Some(columns) = &self.read else { return batch };
        batch.project(columns).unwrap_or_else(|error| unreachable!("the kept columns are all: {error}"))
    }

    pub(super) fn read(&self, decoded: Decoded) -> Decoded {
        Decoded { batch: self.columns_read(decoded.batch), ..decoded }
    }

    /// Hands rows to the edge, and appends them with what became of them. Waits while there is no room, until `over`.
    pub(in super::super) fn take(
        &self,
        number: usize,
        (edge, kept): (&mut Edge, &mut Kept),
        (decoded, now): (Decoded, i64),
        (steps, rejects): (&mut Vec<Step>, &mut Vec<Reject>),
        over: impl Fn() -> bool,
    ) -> Result<(), Closed> {
        if kept.cut {
            return Err(Closed);
        }
        let columns = frames::encode(&decoded.batch).map_err(|error| {
            self.durable.control.fail(self.durable.wrong(error, "run it without --data-dir"));
            Closed
        })?;
        let (epoch, first) = (edge.epoch(), decoded.first);
        let end = decoded.end.clone();
        let mut beside = Beside {
            end: end.to_string(),
            rejects: decoded.rejects.iter().map(write_reject).collect(),
            letters: Vec::new(),
        };
        let numbers = decoded.numbers.clone();
        let rows = decoded.batch.num_rows() as u32;
        let (before, undecoded) = (rejects.len(), decoded.rejects.len());
        edge.accept(self.read(decoded), now, steps, rejects);
        beside.letters = letters(&rejects[before + undecoded..], first);
        let mut head = Rows::head((self.number as u32, number as u32), now, epoch, first, rows);
        head.accepted = edge.counts().accepted();
        let frame = RowsParts::new(head, &beside, numbers.as_deref(), columns);
        let appended = self.durable.append_waiting_of(frames::ROWS, (&frame.parts(), Some(&end)), over);
        kept.cut = appended.is_err();
        kept.lsn = Some(appended?);
        kept.rows = true;
        Ok(())
    }

    /// Writes down that a partition hears of keys that other processes took; false if the engine ends.
    pub(in super::super) fn hears(&self, number: usize, epoch: Epoch, keys: &RecordBatch) -> bool {
        let columns = match frames::encode(keys) {
            Ok(columns) => columns,
            Err(error) => {
                self.durable.control.fail(self.durable.wrong(error, "run it without --data-dir"));
                return false;
            }
        };
        let head = Learnt::head((self.number as u32, number as u32), epoch, &columns);
        let parts: [&[u8]; 3] = [&head, &columns.ipc_message, &columns.arrow_data];
        self.durable.append_waiting(frames::LEARNT, &parts, || false).is_ok()
    }

    /// Up to where a partition had heard of them.
    pub(in super::super) fn heard(&self, number: usize) -> Option<Epoch> {
        self.durable.known().learnt.get(&(self.number as u32, number as u32)).copied()
    }

    /// Writes down that a partition moves, and tells the workers when that is durable. Whether there was room for it.
    pub(in super::super) fn moves(&self, (index, number): (usize, usize), edge: &Edge, kept: &mut Kept) -> bool {
        if kept.cut {
            return false;
        }
        let epoch = edge.epoch();
        let leased = !kept.rows && kept.lease.is_some_and(|lease| epoch < lease);
        if !leased {
            let lease = (!kept.rows && self.by_clock).then(|| Epoch::at(epoch.watermark.saturating_add(LEASE_MS)));
            let (kind, to) = lease.map_or((frames::MOVE, epoch), |lease| (frames::LEASE, lease));
            let frame = self.frame(number, edge, to);
            let Ok(lsn) = self.durable.append(kind, &[&frame.bytes()]) else { return false };
            *kept = Kept { lsn: Some(lsn), rows: false, lease: lease.or(kept.lease), cut: false };
        }
        self.then((index, kept.lsn), Some(epoch));
        true
    }

    fn frame(&self, number: usize, edge: &Edge, epoch: Epoch) -> Move {
        let accepted = edge.counts().accepted();
        Move { source: self.number as u32, partition: number as u32, epoch, accepted }
    }

    fn then(&self, (index, lsn): (usize, Option<Lsn>), to: Option<Epoch>) {
        self.durable.when_durable(Moved { lsn: lsn.unwrap_or_default(), source: self.number, index, to });
    }

    /// The same as [`Logged::moves`] of an end; waits for room.
    pub(in super::super) fn ends(&self, (index, number): (usize, usize), edge: &Edge, kept: &mut Kept) {
        if kept.cut {
            return;
        }
        let frame = self.frame(number, edge, Epoch::END);
        if let Ok(lsn) = self.durable.append_waiting(frames::END, &[&frame.bytes()], || false) {
            kept.lsn = Some(lsn);
            self.then((index, kept.lsn), None);
        }
    }
}

/// Rejects of the edge as they came, by the numbers of their records counted from the first.
fn letters(rejects: &[Reject], first: u64) -> Vec<(u64, String)> {
    let mut bytes = 0;
    let letter = |reject: &Reject| {
        // The record's number is what the position ends with.
        let number = reject.position.rsplit(':').next()?.parse::<u64>().ok()?;
        bytes += reject.content.len();
        (bytes <= LETTERS_BYTES).then(|| (number.saturating_sub(first), reject.content.clone()))
    };
    rejects.iter().filter_map(letter).collect()
}

/// Why a frame cannot be done again.
pub(super) enum Unlike {
    /// It is no frame of this source.
    Unreadable(Unreadable),
    /// The edge does not do what it did.
    Differs(String),
    /// The engine ends.
    Closed,
}

impl From<Unreadable> for Unlike {
    fn from(error: Unreadable) -> Unlike {
        Unlike::Unreadable(error)
    }
}

impl Source {
    pub(super) fn of_number(&self, number: u32) -> Result<(usize, &Partition), Unlike> {
        let mut all = self.partitions.iter().enumerate();
        let found = all.find(|(_, partition)| partition.number == number as usize);
        found.ok_or_else(|| Unreadable(format!("source '{}' has no partition {number}", self.name())).into())
    }

    /// Takes rows again that a frame holds.
    pub(super) fn take_again(&self, rows: &Rows<'_>) -> Result<(), Unlike> {
        let (index, partition) = self.of_number(rows.partition)?;
        let mut reading = lock(&partition.state);
        if reading.sealed {
            return Err(Unlike::Closed);
        }
        let Reading { edge, place, position, .. } = &mut *reading;
        edge.follow(rows.epoch);
        let beside = rows.beside()?;
        position.clone_from(&beside.end.parse().map_err(Unreadable)?);
        *place = Place::at(self.name(), &partition.name, position);
        let undecoded = beside.rejects.into_iter().map(|reject| read_reject(self.name(), reject));
        let logged = self.logged.as_ref().ok_or_else(|| self.unkept())?;
        let batch = rows.batch(&logged.schema(&self.spec.physical))?;
        let decoded = Decoded {
            batch: logged.declared(batch, &self.spec.physical)?,
            rejects: undecoded.collect::<Result<_, _>>()?,
            first: rows.first,
            numbers: rows.numbers(),
            end: Position::default(),
            came: Came::kept(beside.letters),
        };
        self.again(index, &mut reading, decoded, (rows.now_ms, rows.epoch, rows.accepted))
    }

    pub(super) fn unkept(&self) -> Unreadable {
        Unreadable(format!("the rows of source '{}' are not kept", self.name()))
    }

    /// Hands rows to the edge of a partition that is where it was then.
    pub(super) fn again(
        &self,
        index: usize,
        reading: &mut Reading,
        decoded: Decoded,
        (now_ms, epoch, accepted): (i64, Epoch, u64),
    ) -> Result<(), Unlike> {
        let logged = self.logged.as_ref().ok_or_else(|| self.unkept())?;
        let Reading { edge, steps, rejects, kept, .. } = reading;
        if let Some(since) = self.clock.by_hand().and_then(|clock| clock.since_ms(now_ms)) {
            // Such a clock goes on over a restart, and so does the time without rows.
            self.partitions[index].last_rows_ms.store(since, Ordering::Relaxed);
        }
        edge.accept(logged.read(decoded), now_ms, steps, rejects);
        kept.rows = true;
        self.count(&self.partitions[index], edge.counts());
        rejects.drain(..).for_each(|reject| self.bury(reject));
        self.same(edge, epoch, accepted)?;
        for Step { epoch, delta } in steps.drain(..) {
            let turn = self.turn.fetch_add(1, Ordering::Relaxed) % self.queues.len();
            self.queues[turn].push_rows(index, epoch, delta).map_err(|Closed| Unlike::Closed)?;
        }
        Ok(())
    }

    fn same(&self, edge: &Edge, epoch: Epoch, accepted: u64) -> Result<(), Unlike> {
        let otherwise = self.logged.as_ref().and_then(|logged| logged.stand.as_ref()).is_some_and(|stand| !stand.same);
        let now = (edge.epoch(), edge.counts().accepted());
        if otherwise || now == (epoch, accepted) {
            return Ok(());
        }
        Err(Unlike::Differs(format!(
            "source '{}' had accepted {accepted} rows at {epoch}, done again it has {} at {}",
            self.name(),
            now.1,
            now.0
        )))
    }

    /// Moves again as a frame says, or as far as one allowed.
    pub(super) fn move_again(&self, to: &Move) -> Result<(), Unlike> {
        let (index, partition) = self.of_number(to.partition)?;
        let mut reading = lock(&partition.state);
        let Reading { edge, told, kept, .. } = &mut *reading;
        edge.follow(to.epoch);
        self.same(edge, edge.epoch().max(to.epoch), to.accepted)?;
        kept.rows = false;
        if edge.epoch() > *told {
            *told = edge.epoch();
            partition.reaches(told.watermark);
            self.moved(index, Some(*told));
        }
        Ok(())
    }

    /// Goes as far as a partition was allowed to go without rows.
    pub(super) fn lease_again(&self, lease: &Move) -> Result<(), Unlike> {
        let (_, partition) = self.of_number(lease.partition)?;
        let accepted = lock(&partition.state).edge.counts().accepted();
        self.move_again(&Move { accepted, ..*lease })
    }

    /// Hears again of keys that other processes took.
    pub(super) fn learn_again(&self, learnt: &Learnt<'_>) -> Result<(), Unlike> {
        let (_, partition) = self.of_number(learnt.partition)?;
        // Without keys, as another program may have it, there is nothing to know.
        if let Some(schema) = keys_schema(&self.spec) {
            lock(&partition.state).edge.learn(&learnt.keys(&schema)?);
        }
        Ok(())
    }

    /// An input begins again.
    pub(super) fn begins_again(&self, number: u32, input: &str) -> Result<(), Unlike> {
        let (index, _) = self.of_number(number)?;
        self.at_input(index, input);
        Ok(())
    }

    /// Ends a partition again.
    pub(super) fn end_again(&self, number: u32) -> Result<(), Unlike> {
        let (index, partition) = self.of_number(number)?;
        self.is_at_its_end(index, &mut lock(&partition.state));
        Ok(())
    }

    /// A partition ended in an earlier run.
    pub(super) fn is_at_its_end(&self, index: usize, reading: &mut Reading) {
        let partition = &self.partitions[index];
        reading.ended = true;
        partition.reaches(reading.edge.watermark());
        reading.edge.finish();
        partition.ended.store(true, Ordering::Release);
        partition.standing.ended();
        self.moved(index, None);
    }

    /// A partition is there: its workers are told.
    pub(in super::super) fn moved(&self, index: usize, to: Option<Epoch>) {
        match to {
            Some(epoch) => self.queues.iter().for_each(|queue| queue.advance(index, epoch)),
            None => self.queues.iter().for_each(|queue| queue.end(index)),
        }
    }

    /// How far the partitions that have not ended were told to be: the least, and the greatest tick.
    pub(super) fn reached(&self) -> Option<(Epoch, u64)> {
        let told = self.partitions.iter().filter_map(|partition| {
            let reading = lock(&partition.state);
            (!reading.ended).then_some(reading.told)
        });
        let told: Vec<Epoch> = told.collect();
        Some((*told.iter().min()?, told.iter().map(|told| told.tick).max()?))
    }

    /// Waits until there is room for more in the queues; false if the engine ends.
    pub(super) fn waits_for_room(&self, stopping: impl Fn() -> bool) -> bool {
        let room = self.inbox.as_ref().map_or((usize::MAX, usize::MAX), |inbox| (inbox.rows, inbox.bytes));
        loop {
            let (rows, bytes) = self.waiting();
            if rows < room.0 && bytes < room.1 {
                return true;
            }
            if stopping() {
                return false;
            }
            self.wake();
            std::thread::sleep(super::RETRY);
        }
    }
}

#[cfg(test)]
#[path = "source_tests.rs"]
mod tests;
