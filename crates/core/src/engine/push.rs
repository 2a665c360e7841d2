//! Rows that clients push into a source: all of a body or nothing, never waiting.
//!
//! Invariant: what waits for the workers stays within the source's room (an item larger than that goes in alone); room is
//! reserved before anything of a body is taken.

use std::ops::ControlFlow;
use std::sync::{Mutex, PoisonError};

use arrow_array::RecordBatch;
use highwater_log::Lsn;

use super::queue::Closed;
use super::source::Source;
use crate::delta::{Reject, memory};
use crate::format::{Part, RowsError};
use crate::source::Intake;
use crate::time::Epoch;

/// What became of pushed rows.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Pushed {
    /// Rows in the dataflow, by this push or, duplicates, by one before.
    pub accepted: u64,
    /// Of them, those whose key was taken before.
    pub duplicates: u64,
    /// Those that were not taken. Each is a dead letter.
    pub rejected: u64,
    /// The first 4096 of them: the record's number from 0, and why.
    pub told: Vec<(u64, String)>,
    /// Where the accepted ones went in; `None` if there are none.
    pub epoch: Option<Epoch>,
    /// The source that took them.
    pub source: Option<String>,
    /// The last frame that holds any of them, where rows are kept.
    pub(super) frame: Option<Lsn>,
    /// They wait in the log, behind what is done again of it or what the workers have not come to, and are decided on later: of the accepted some may be duplicates, or
    /// become dead letters; where they go in is not known yet.
    pub later: Option<Later>,
}

/// Pushed rows that are decided on later ([`Engine::shows`](super::Engine::shows)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Later {
    /// The source, among those of the plan.
    pub source: usize,
    /// The number of the last frame of the log that holds any of them.
    pub frame: u64,
}

/// What a frame of few rows takes besides their columns, about.
pub(super) const FRAME_BYTES: usize = 1024;

/// How many rows that were not taken are told of at most.
const TOLD: usize = 4096;

/// Why pushed rows were not taken: none of them was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// There is no room now; here they are again.
    #[error("there is no room for the rows now: push them again later")]
    Full(Vec<Part>),
    /// The disk that they would be kept on is full; here they are again.
    #[error("the disk of the data directory is full: push the rows again when there is room")]
    DiskFull(Vec<Part>),
    /// The engine stops.
    #[error("the engine stops: it takes no more rows")]
    Closed,
    /// Nobody pushes rows to it: it reads them by itself.
    #[error("it reads its rows itself, by connector '{connector}': push to one with 'connector' = 'http'")]
    NotPushed {
        /// What it reads by.
        connector: String,
    },
    /// The rows are not what the source declares.
    #[error("{0}")]
    Unfit(
        /// The first that does not fit, its column and its row within its part.
        #[source]
        RowsError,
    ),
}

/// The room of a pushed source, and what decodes for it.
#[derive(Debug)]
pub(super) struct Inbox {
    pub(super) intake: Intake,
    pub(super) rows: usize,
    pub(super) bytes: usize,
    /// Rows and bytes that are reserved and not in a queue yet.
    reserved: Mutex<(usize, usize)>,
}

impl Inbox {
    pub(super) fn new(intake: Intake, (rows, bytes): (usize, usize)) -> Inbox {
        Inbox { intake, rows, bytes, reserved: Mutex::default() }
    }
}

/// Reserved room; given back when the rows are in the queues.
struct Reserved<'a>(&'a Inbox, usize, usize);

impl Drop for Reserved<'_> {
    fn drop(&mut self) {
        let mut reserved = self.0.reserved.lock().unwrap_or_else(PoisonError::into_inner);
        *reserved = (reserved.0 - self.1, reserved.1 - self.2);
    }
}

impl Source {
    /// What decodes for it, if clients push to it.
    pub fn intake(&self) -> Option<&Intake> {
        self.inbox.as_ref().map(|inbox| &inbox.intake)
    }

    /// Whether there is no room for anything now. What takes nothing more is not full: it says so.
    pub fn full(&self) -> bool {
        let full = !self.closed()
            && match &self.logged {
                Some(logged) if logged.is_behind() => logged.is_full(),
                // What there is no room for waits in the log.
                Some(logged) if logged.overflows() => false,
                _ => self.inbox.as_ref().is_some_and(|inbox| {
                    let (rows, bytes) = self.waiting();
                    rows >= inbox.rows || bytes >= inbox.bytes
                }),
            };
        if full {
            self.wake();
        }
        full
    }

    /// Takes decoded rows of a client, all or none, as parts of one body; never waits. Columns are those of that name.
    ///
    /// # Errors
    /// Nothing was taken: a column is not declared or of another type, there is no room now, or the source takes nothing more.
    pub fn push(&self, parts: Vec<Part>) -> Result<Pushed, Refused> {
        self.push_into(0, parts)
    }

    /// The same into one of its partitions; there are several in tests alone. What waits in the log is of the first.
    ///
    /// # Errors
    /// See [`Source::push`].
    pub fn push_into(&self, partition: usize, mut parts: Vec<Part>) -> Result<Pushed, Refused> {
        let Some(inbox) = &self.inbox else {
            let connector = self.spec.connector.name().to_owned();
            return Err(Refused::NotPushed { connector });
        };
        if self.closed() {
            return Err(Refused::Closed);
        }
        for part in &mut parts {
            let batch = std::mem::replace(&mut part.batch, RecordBatch::new_empty(self.spec.schema.clone()));
            part.batch = inbox.intake.fitted(batch).map_err(Refused::Unfit)?;
        }
        let parts = match self.push_behind(parts) {
            ControlFlow::Continue(parts) => parts,
            ControlFlow::Break(done) => return done,
        };
        let sum = |(rows, bytes), part: &Part| (rows + part.batch.num_rows(), bytes + memory(&part.batch));
        let (rows, bytes) = parts.iter().fold((0, 0), sum);
        let reserved = {
            let mut reserved = inbox.reserved.lock().unwrap_or_else(PoisonError::into_inner);
            let (waiting_rows, waiting_bytes) = self.waiting();
            let (all_rows, all_bytes) = (waiting_rows + reserved.0, waiting_bytes + reserved.1);
            if all_rows > 0 && (all_rows + rows > inbox.rows || all_bytes + bytes > inbox.bytes) {
                self.wake();
                drop(reserved);
                return self.push_over(parts);
            }
            *reserved = (reserved.0 + rows, reserved.1 + bytes);
            Reserved(inbox, rows, bytes)
        };
        if let Some(logged) = &self.logged {
            match logged.has_room(bytes + FRAME_BYTES * parts.len()) {
                Ok(()) => {}
                Err(highwater_log::Refused::Full { .. }) => return Err(Refused::Full(parts)),
                Err(highwater_log::Refused::DiskFull) => return Err(Refused::DiskFull(parts)),
                Err(_) => return Err(Refused::Closed),
            }
        }
        let taken = self.accept_parts(partition, parts).map_err(|Closed| Refused::Closed);
        drop(reserved);
        taken
    }
}

impl Pushed {
    /// A row was not taken, of a push whose first record is that one of its partition.
    pub(super) fn refuse(&mut self, reject: &Reject, first: u64) {
        // The record's number is what the position ends with.
        let number = reject.position.rsplit(':').next().and_then(|number| number.parse::<u64>().ok());
        self.wrong(number.map_or(0, |number| number.saturating_sub(first)), reject.reason, &reject.detail);
    }

    /// The record of that number was not taken.
    pub(super) fn wrong(&mut self, record: u64, reason: &str, detail: &str) {
        self.rejected += 1;
        if self.told.len() < TOLD {
            self.told.push((record, format!("{reason}: {detail}")));
        }
    }
}
