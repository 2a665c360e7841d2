//! The changes of a reference table in the log: a change when it is made, then where it takes effect.
//!
//! Invariant: a change is shown and answered only when both frames are durable; done again, all take effect where they did.

use std::sync::Arc;

use highwater_log::{Lsn, Reader, Refused};

use arrow_schema::SchemaRef;

use super::super::error::EngineError;
use super::super::frames::{self, Frame, Request, Taken};
use super::Durable;
use super::known::of_log;
use super::recovery::NEAR;
use crate::delta::Delta;
use crate::time::Epoch;

/// How the changes of a table are kept.
#[derive(Debug)]
pub(in super::super) struct Changes {
    durable: Arc<Durable>,
    /// The table's number.
    number: u32,
}

/// What runs before have changed.
#[derive(Debug, Default)]
pub(in super::super) struct Again {
    /// What took effect, in that order.
    pub(in super::super) taken: Vec<(Epoch, Delta)>,
    /// What was made and has not taken effect, with its frame.
    pub(in super::super) made: Vec<(Lsn, Delta)>,
}

impl Changes {
    pub(in super::super) fn new(durable: &Arc<Durable>, number: usize) -> Changes {
        Changes { durable: durable.clone(), number: number as u32 }
    }

    /// Whether it only takes again what was kept.
    pub(in super::super) fn replays(&self) -> bool {
        self.durable.replays()
    }

    /// Whether runs before have left something to do again.
    pub(in super::super) fn has_past(&self) -> bool {
        self.durable.past.end() > Lsn(0)
    }

    /// What runs before have changed; `None` if none has begun with the table.
    pub(in super::super) fn again(&self, wire: &SchemaRef) -> Result<Option<Again>, EngineError> {
        let known = self.durable.known();
        let ours = known.requests.iter().filter(|(_, (table, _))| *table == self.number);
        let ours: Vec<(u64, Option<Epoch>)> = ours.map(|(lsn, (_, epoch))| (*lsn, *epoch)).collect();
        drop(known);
        if ours.is_empty() {
            return Ok(None);
        }
        // What took effect before is in what the table goes on from; its frames may be gone.
        let cut = self.durable.restored.as_ref().map_or(Epoch::MIN, |restored| restored.cut);
        let ours = ours.into_iter().filter(|(_, epoch)| epoch.is_none_or(|epoch| epoch >= cut));
        let mut again = Again::default();
        let (mut reader, mut of): (Option<Reader>, usize) = (None, 0);
        for (number, epoch) in ours {
            let (log, lsn) = of_log(number);
            reader = reader.filter(|_| std::mem::replace(&mut of, log) == log);
            let Some(past) = self.durable.pasts().nth(log) else { continue };
            // Where the next is near it is read on to, block by block, rather than looked for from the beginning of its segment.
            let near = |reader: &Reader| reader.next_lsn().0 <= lsn && lsn - reader.next_lsn().0 <= NEAR;
            let mut on = match reader.take().filter(near) {
                Some(reader) => reader,
                None => past.reader(Lsn(lsn)).map_err(|error| self.durable.broken(&error))?,
            };
            while on.next_lsn().0 < lsn {
                on.read().map_err(|error| self.durable.broken(&error))?;
            }
            let reader = reader.insert(on);
            let frame = reader.read().map_err(|error| self.durable.broken(&error))?;
            let unreadable = |why: String| {
                let what = format!("frame {lsn} cannot be read: {why}");
                self.durable.wrong(what, "open it with the version that wrote it, or name another directory")
            };
            let rows = match frame.map(|frame| Frame::read(frame.kind, frame.bytes)) {
                Some(Ok(Frame::Request(request))) => {
                    request.batch(wire).map_err(|error| unreadable(error.to_string()))?
                }
                _ => return Err(unreadable("it is no change of a table".to_owned())),
            };
            match epoch {
                Some(epoch) => again.taken.push((epoch, Delta::insert(rows))),
                None => again.made.push((Lsn(lsn), Delta::insert(rows))),
            }
        }
        // Several processes may have changed it; what one has changed in one epoch is in its order.
        again.taken.sort_by_key(|(epoch, _)| *epoch);
        Ok(Some(again))
    }

    /// Keeps a change; the frame that it has.
    pub(in super::super) fn make(&self, rows: &Delta) -> Result<Lsn, Refused> {
        let columns = frames::encode(rows.batch()).map_err(|error| {
            self.durable.control.fail(self.durable.wrong(error, "run it without --data-dir"));
            Refused::Closed
        })?;
        let head = Request::head(self.number, &columns);
        self.durable.append(frames::REQUEST, &[&head, &columns.ipc_message, &columns.arrow_data])
    }

    /// Keeps where a change takes effect.
    pub(in super::super) fn take(&self, request: Lsn, epoch: Epoch) -> Result<Lsn, Refused> {
        let taken = Taken { table: self.number, request: request.0, epoch };
        self.durable.append(frames::TAKEN, &[&taken.bytes()])
    }

    /// Whether a frame is durable.
    pub(in super::super) fn is_durable(&self, lsn: Lsn) -> bool {
        self.durable.log.as_ref().is_none_or(|log| lsn < log.durable())
    }
}
