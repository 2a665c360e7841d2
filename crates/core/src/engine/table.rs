//! A reference table while it runs: requests on their way into the dataflow, and the rows as this process knows them.
//!
//! Invariant: a request is answered with the epoch at which all of it takes effect, or refused as a whole. Requests of one
//! process take effect in the order in which they were made.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use highwater_log::{Lsn, Refused};
use timely::scheduling::SyncActivator;
use tokio::sync::{oneshot, watch};

use super::durable::{Again, Changes};
use super::error::EngineError;
use crate::delta::{Delta, memory};
use crate::plan::TableSpec;
use crate::source::{Edge, Read, SourceSpec, Step, open_all};
use crate::table::{Change, request_schema};
use crate::time::Epoch;
use crate::view::{View, Views};

/// Changes that are made while what was kept is done again wait in memory, up to about so many bytes.
const HELD_BYTES: usize = 64 << 20;

/// Why a table was not changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unchanged {
    /// The run has ended: it does not change any more.
    #[error("the run has ended: the table does not change any more")]
    Ended,
    /// Too much waits to be written to the data directory.
    #[error("too much waits to be written to the data directory: change the table again later")]
    Full,
    /// The disk of the data directory is full.
    #[error("the disk of the data directory is full: change the table again when there is room")]
    DiskFull,
}

/// A reference table of a running dataflow.
#[derive(Debug)]
pub struct Table {
    spec: TableSpec,
    view: Arc<View>,
    views: Arc<Views>,
    wire: SchemaRef,
    process: usize,
    requests: Mutex<Requests>,
    /// Changes were sent at an epoch that the streams have not passed: the next tick is waited for.
    pub(super) waiting: AtomicBool,
    /// The table ends as soon as the streams do.
    draining: AtomicBool,
    /// How its changes are kept, if they are.
    pub(super) kept: Option<Changes>,
}

#[derive(Default)]
struct Requests {
    /// What runs before have changed.
    again: Vec<(Epoch, Delta)>,
    /// What runs before have kept is still done again.
    held: bool,
    /// What they have not come to, and what is made meanwhile: it is not to take effect in the midst of what is done again.
    made: Vec<Request>,
    waiting: VecDeque<Request>,
    closed: bool,
    worker: Option<SyncActivator>,
}

impl std::fmt::Debug for Requests {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Requests").field("waiting", &self.waiting.len()).finish_non_exhaustive()
    }
}

/// One change on its way, and who waits for its epoch.
pub(super) struct Request {
    /// Its frame, if it is kept.
    pub(super) frame: Option<Lsn>,
    pub(super) rows: Delta,
    pub(super) answer: oneshot::Sender<Epoch>,
}

impl Request {
    /// One of a run before: nobody waits for its answer.
    fn unasked(frame: Lsn, rows: Delta) -> Request {
        Request { frame: Some(frame), rows, answer: oneshot::channel().0 }
    }

    fn bytes(&self) -> usize {
        memory(self.rows.batch())
    }
}

impl Table {
    /// A table whose rows are kept in `view`. Reads what it holds at the start; in a cluster the first process does.
    pub(super) fn open(
        spec: TableSpec,
        view: Arc<View>,
        views: Arc<Views>,
        process: usize,
        (linger, kept): (bool, Option<Changes>),
    ) -> Result<Table, EngineError> {
        let mut table = Table {
            kept,
            wire: request_schema(&spec.view.schema),
            view,
            views,
            process,
            requests: Mutex::default(),
            waiting: AtomicBool::new(false),
            draining: AtomicBool::new(!linger),
            spec,
        };
        let again = table.kept.as_ref().map(|kept| kept.again(&table.wire)).transpose()?.flatten();
        if table.kept.as_ref().is_some_and(Changes::replays) {
            table.kept = None;
        }
        if let Some(Again { taken, made }) = again {
            let mut requests = table.lock();
            requests.again = taken;
            requests.made = made.into_iter().map(|(frame, rows)| Request::unasked(frame, rows)).collect();
            requests.held = table.kept.is_some();
            drop(requests);
            // What its files hold came with the first of them.
            return Ok(table);
        }
        if let Some(files) = table.spec.initial.as_ref().filter(|_| process == 0) {
            let schema = &table.spec.view.schema;
            let read = read_all(files)?;
            let rows = arrow_select::concat::concat_batches(schema, &read).map_err(|error| bad_start(files, error))?;
            if let Some(field) = table.null_in_key(&rows) {
                return Err(bad_start(files, format!("a row has no {field}, which is part of the primary key")));
            }
            // Nobody waits for the answer.
            let changed = table.change(&Change::Upsert(rows)).map(drop);
            changed.map_err(|why| bad_start(files, format!("they cannot be kept ({why:?})")))?;
        }
        table.lock().held = table.kept.as_ref().is_some_and(Changes::has_past);
        Ok(table)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        self.spec.name()
    }

    /// What was planned.
    pub fn spec(&self) -> &TableSpec {
        &self.spec
    }

    /// Its rows, as a view of its own.
    pub fn rows(&self) -> &Arc<View> {
        &self.view
    }

    /// Makes a change; when it takes effect is told as soon as it is known. Columns are those of the table. The rows must have
    /// their keys, which the caller checks ([`Table::null_in_key`]).
    ///
    /// # Errors
    /// Says why nothing was changed.
    pub fn change(&self, change: &Change) -> Result<oneshot::Receiver<Epoch>, Unchanged> {
        let rows = change.request(&self.wire, self.process);
        let (answer, answered) = oneshot::channel();
        let mut requests = self.lock();
        if requests.closed {
            return Err(Unchanged::Ended);
        }
        if requests.held && requests.made.iter().map(Request::bytes).sum::<usize>() >= HELD_BYTES {
            return Err(Unchanged::Full);
        }
        let frame = self.kept.as_ref().map(|kept| kept.make(&rows)).transpose().map_err(|refused| match refused {
            Refused::Full { .. } => Unchanged::Full,
            Refused::DiskFull => Unchanged::DiskFull,
            _ => Unchanged::Ended,
        })?;
        let request = Request { frame, rows, answer };
        match requests.held {
            true => requests.made.push(request),
            false => requests.waiting.push_back(request),
        }
        requests.wake();
        Ok(answered)
    }

    /// Whether its changes are kept in a data directory: one that has not taken effect when the run ends does with the next.
    pub fn keeps(&self) -> bool {
        self.kept.is_some()
    }

    /// Tell of the moves of its rows, and of every view: the change of an epoch is shown once all are past it.
    pub fn watches(&self) -> Vec<watch::Receiver<Epoch>> {
        std::iter::once(&self.view).chain(self.views.all().iter()).map(|view| view.watch()).collect()
    }

    /// The first column that is NULL in some row and may not be.
    pub fn null_in_key<'a>(&'a self, rows: &RecordBatch) -> Option<&'a str> {
        let fields = self.spec.view.schema.fields().iter().zip(rows.columns());
        let mut missing = fields.filter(|(field, column)| !field.is_nullable() && column.null_count() > 0);
        missing.next().map(|(field, _)| field.name().as_str())
    }

    fn lock(&self) -> MutexGuard<'_, Requests> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The requests that wait.
    pub(super) fn take(&self) -> VecDeque<Request> {
        std::mem::take(&mut self.lock().waiting)
    }

    /// Those that could not be taken yet, the first first.
    pub(super) fn give_back(&self, rest: VecDeque<Request>) {
        let mut requests = self.lock();
        rest.into_iter().rev().for_each(|request| requests.waiting.push_front(request));
    }

    /// What was kept is done again: what has not taken effect by then does now.
    pub(super) fn goes_on(&self) {
        let mut requests = self.lock();
        requests.held = false;
        let made = std::mem::take(&mut requests.made);
        requests.waiting.extend(made);
        requests.wake();
    }

    /// Whether requests wait.
    pub(super) fn waits(&self) -> bool {
        !self.lock().waiting.is_empty()
    }

    /// What runs before have changed, where that took effect; once.
    pub(super) fn again(&self) -> Vec<(Epoch, Delta)> {
        std::mem::take(&mut self.lock().again)
    }

    /// Who is to be woken when a request comes.
    pub(super) fn set_worker(&self, worker: SyncActivator) {
        self.lock().worker = Some(worker);
    }

    /// Whether it ends as soon as the streams do.
    pub(super) fn draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    /// It is to end as soon as the streams do.
    pub(super) fn drain(&self) {
        self.draining.store(true, Ordering::Release);
        self.lock().wake();
    }

    /// Takes no more requests; those that wait are made. It ends as soon as the streams do.
    pub(super) fn seal(&self) {
        self.lock().closed = true;
        self.drain();
    }

    /// Takes no more requests; who waits is told so.
    pub(super) fn close(&self) {
        let mut requests = self.lock();
        requests.closed = true;
        requests.waiting.clear();
        requests.made.clear();
    }
}

impl Requests {
    fn wake(&self) {
        if let Some(worker) = &self.worker {
            // A worker that is gone needs no waking.
            let _ = worker.activate();
        }
    }
}

fn bad_start(files: &SourceSpec, error: impl std::fmt::Display) -> EngineError {
    EngineError::Dataflow {
        what: format!("the first rows of the table '{}': {error}", files.name),
        remedy: "correct the file".to_owned(),
    }
}

/// All rows of a bounded source; a row that cannot be read is an error, since a table is whole or not at all.
fn read_all(files: &SourceSpec) -> Result<Vec<RecordBatch>, EngineError> {
    let mut batches = Vec::new();
    for (partition, mut reader) in open_all(files)?.into_iter().enumerate() {
        let mut edge = Edge::new(files, partition, usize::MAX, false).named(reader.name());
        loop {
            match reader.read()? {
                Read::End => break,
                Read::Wait(pause) => std::thread::sleep(pause),
                Read::Begins(input) => {
                    edge.begins(&input);
                }
                Read::Rows(decoded) => {
                    let (mut steps, mut rejects) = (Vec::new(), Vec::new());
                    edge.accept(decoded, 0, &mut steps, &mut rejects);
                    if let Some(reject) = rejects.first() {
                        return Err(bad_start(files, format!("{}: {}", reject.position, reject.detail)));
                    }
                    batches.extend(steps.into_iter().map(|Step { delta, .. }| delta.into_parts().0));
                }
            }
        }
    }
    Ok(batches)
}
