//! A reference table while it runs: requests on their way into the dataflow, and the rows as this process knows them.
//!
//! Invariant: a request is answered with the epoch at which all of it takes effect, or refused as a whole. Requests of one
//! process take effect in the order in which they were made.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use timely::scheduling::SyncActivator;
use tokio::sync::{oneshot, watch};

use super::error::EngineError;
use crate::delta::Delta;
use crate::plan::TableSpec;
use crate::source::{Edge, Read, SourceSpec, Step, open_all};
use crate::table::{Change, request_schema};
use crate::time::Epoch;
use crate::view::{View, Views};

/// The run has ended: the table does not change any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended;

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
}

#[derive(Default)]
struct Requests {
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
    pub(super) rows: Delta,
    pub(super) answer: oneshot::Sender<Epoch>,
}

impl Table {
    /// A table whose rows are kept in `view`. Reads what it holds at the start; in a cluster the first process does.
    pub(super) fn open(
        spec: TableSpec,
        view: Arc<View>,
        views: Arc<Views>,
        process: usize,
        linger: bool,
    ) -> Result<Table, EngineError> {
        let table = Table {
            wire: request_schema(&spec.view.schema),
            view,
            views,
            process,
            requests: Mutex::default(),
            waiting: AtomicBool::new(false),
            draining: AtomicBool::new(!linger),
            spec,
        };
        if let Some(files) = table.spec.initial.as_ref().filter(|_| process == 0) {
            let schema = &table.spec.view.schema;
            let read = read_all(files)?;
            let rows = arrow_select::concat::concat_batches(schema, &read).map_err(|error| bad_start(files, error))?;
            if let Some(field) = table.null_in_key(&rows) {
                return Err(bad_start(files, format!("a row has no {field}, which is part of the primary key")));
            }
            // Nobody waits for the answer.
            drop(table.change(&Change::Upsert(rows)));
        }
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
    pub fn change(&self, change: &Change) -> Result<oneshot::Receiver<Epoch>, Ended> {
        let rows = change.request(&self.wire, self.process);
        let (answer, answered) = oneshot::channel();
        let mut requests = self.lock();
        if requests.closed {
            return Err(Ended);
        }
        requests.waiting.push_back(Request { rows, answer });
        requests.wake();
        Ok(answered)
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
