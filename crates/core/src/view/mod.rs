//! A published view: its rows now, the last epochs of changes, and how far it is. Written by one worker of the process,
//! an epoch at a time; read by anyone.
//!
//! Invariant: rows and ring change together, under one lock, when the frontier passes an epoch: a reader sees whole epochs,
//! and a snapshot at `a` plus the changes in `[a, b)` is the snapshot at `b` (rows that made room for others aside).

mod changes;
mod row_index;
mod rows;
mod saved;
#[cfg(test)]
mod saved_tests;
mod step;
#[cfg(test)]
mod step_tests;
mod subscription;
mod views;

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{ArrowError, Field, Schema, SchemaRef};
use tokio::sync::watch;

pub(crate) use self::changes::RingRoom;
pub use self::changes::{EpochChanges, Status};
pub(crate) use self::rows::{Closing, Limits};
pub use self::step::{Place, Step, Told};
pub use self::subscription::{Subscription, TimedOut, Update};
pub use self::views::Views;

use self::rows::Rows;
use crate::delta::{Netted, RowCodec, relabel};
use crate::plan::ViewSpec;
use crate::time::Epoch;

/// Rows of a view at one epoch, by key and then by row.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Snapshot {
    /// All changes before this epoch are in, none after it.
    pub as_of: Epoch,
    /// The rows, in the view's columns.
    pub batch: RecordBatch,
    /// Per row how often its key's row was replaced, from 1.
    pub versions: Vec<u64>,
    /// Per row where it stands.
    pub statuses: Vec<Status>,
    /// Where the next page begins, if there are more rows: hand it back to [`View::page`].
    pub next: Option<Vec<u8>>,
}

/// A view has a column whose type has no order, so that its rows cannot be told apart.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("view '{0}' cannot be published")]
pub struct Unordered(pub String);

/// What is known of the rows without them.
#[derive(Debug, Default)]
struct Figures {
    rows: AtomicUsize,
    evicted: AtomicU64,
    /// Whether it was said that rows make room.
    crowded: AtomicBool,
    windows_open: AtomicUsize,
}

/// The number of the next view.
static NEXT: AtomicU64 = AtomicU64::new(0);

/// A published view.
#[derive(Debug)]
pub struct View {
    /// Tells it from all others of the process, also from those of its name.
    id: u64,
    spec: ViewSpec,
    schema: SchemaRef,
    columns: Vec<usize>,
    codec: RowCodec,
    content: RwLock<Rows>,
    /// What many ask for, so that none of them waits for a writer of the rows.
    figures: Figures,
    watch: watch::Sender<Epoch>,
    moved: (Mutex<()>, Condvar),
    /// What it was before this epoch nobody is told: it was being filled. Unset: it is told from the first epoch on.
    begins: OnceLock<Epoch>,
    dropped: AtomicBool,
    ended: AtomicBool,
    /// Whose rows may come to it; `None` is not known.
    sources: Option<Vec<String>>,
}

impl View {
    /// An empty view of the node with the schema `node`.
    pub(crate) fn new(spec: ViewSpec, node: &SchemaRef, limits: Limits) -> Result<View, Unordered> {
        let key = spec.key.clone().unwrap_or_default();
        let shown = spec.schema.fields().iter().map(|field| field.as_ref().clone().with_nullable(true));
        let mut fields: Vec<Field> = shown.collect();
        let schema = Arc::new(Schema::new(fields.clone()));
        let mut columns = spec.columns.clone();
        let mut limits = limits;
        if let Closing::Column(closes) = limits.closing {
            // The closing time may be a column that is not shown; then it is kept behind those that are.
            let place = columns.iter().position(|&column| column == closes).unwrap_or_else(|| {
                columns.push(closes);
                fields.push(Field::new("closes", node.field(closes).data_type().clone(), true));
                columns.len() - 1
            });
            limits.closing = Closing::Column(place);
        }
        let codec = RowCodec::new(Arc::new(Schema::new(fields)), &key).map_err(|_| Unordered(spec.name.clone()))?;
        let (watch, _) = watch::channel(Epoch::MIN);
        let content = RwLock::new(Rows::new(limits));
        let (figures, moved) = (Figures::default(), (Mutex::new(()), Condvar::new()));
        let (begins, dropped, ended) = (OnceLock::new(), AtomicBool::new(false), AtomicBool::new(false));
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        let sources = None;
        Ok(View { id, spec, schema, columns, codec, content, figures, watch, moved, begins, dropped, ended, sources })
    }

    /// The same, of rows of these sources.
    pub(crate) fn fed_by(self, sources: Vec<String>) -> View {
        View { sources: Some(sources), ..self }
    }

    /// Whether rows of a source may come to it.
    pub fn is_fed_by(&self, source: &str) -> bool {
        self.sources.as_ref().is_none_or(|sources| sources.iter().any(|known| known == source))
    }

    /// The node's columns that it keeps, in its order.
    pub(crate) fn columns(&self) -> Vec<usize> {
        self.columns.clone()
    }

    /// A number that no other view of the process has.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// What was planned.
    pub fn spec(&self) -> &ViewSpec {
        &self.spec
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.spec.name
    }

    /// Its columns.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// How far it is: all changes before this epoch are in.
    pub fn as_of(&self) -> Epoch {
        *self.watch.borrow()
    }

    /// The first epoch at which it is told: [`Epoch::MIN`], but for a view whose unit was installed later.
    pub fn begins(&self) -> Epoch {
        self.begins.get().copied().unwrap_or(Epoch::MIN)
    }

    /// What it is before that epoch is not told.
    pub(crate) fn begin_at(&self, epoch: Epoch) {
        self.begins.get_or_init(|| epoch);
    }

    /// Whether its unit was dropped: it does not move any more.
    pub fn dropped(&self) -> bool {
        self.dropped.load(Ordering::Acquire)
    }

    /// Whether the run has ended that it is of: it does not move any more, wherever it is.
    pub fn ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    /// It does not move any more: whoever waits for it is told so.
    fn drop_it(&self) {
        self.dropped.store(true, Ordering::Release);
        self.stands();
    }

    /// The run has ended: whoever waits for it is told so.
    pub(crate) fn end(&self) {
        self.ended.store(true, Ordering::Release);
        self.stands();
    }

    fn stands(&self) {
        self.watch.send_modify(|_| ());
        let held = self.moved.0.lock().unwrap_or_else(PoisonError::into_inner);
        self.moved.1.notify_all();
        drop(held);
    }

    /// How many rows it has.
    pub fn row_count(&self) -> usize {
        self.figures.rows.load(Ordering::Relaxed)
    }

    /// How many closed rows made room for others so far.
    pub fn evicted(&self) -> u64 {
        self.figures.evicted.load(Ordering::Relaxed)
    }

    /// How many closing times of its rows are still ahead of the watermark.
    pub fn windows_open(&self) -> usize {
        self.figures.windows_open.load(Ordering::Relaxed)
    }

    /// Told of every move of [`View::as_of`].
    pub fn watch(&self) -> watch::Receiver<Epoch> {
        self.watch.subscribe()
    }

    /// Waits until the view is past `epoch`, at most `timeout`; answers how far it is then.
    pub fn wait_past(&self, epoch: Epoch, timeout: Duration) -> Epoch {
        let (lock, moved) = &self.moved;
        let guard = lock.lock().unwrap_or_else(PoisonError::into_inner);
        let waited =
            moved.wait_timeout_while(guard, timeout, |()| self.as_of() <= epoch && !self.dropped() && !self.ended());
        drop(waited);
        self.as_of()
    }

    /// All rows.
    pub fn snapshot(&self) -> Snapshot {
        self.page(None, usize::MAX)
    }

    /// Rows after the place that an earlier page named, about `limit` of them (rows of one key, or equal ones, stay
    /// together). The place is that of a key: a row that changes meanwhile is neither left out nor shown twice.
    pub fn page(&self, after: Option<&[u8]>, limit: usize) -> Snapshot {
        let content = self.read();
        let (rows, next) = content.page(after, limit, |bytes| self.codec.identity(bytes));
        let as_of = content.as_of();
        drop(content);
        Snapshot { next, ..self.shown(as_of, &rows) }
    }

    /// The rows whose `column` is equal to the one value of `value` (of the column's type), and perhaps a few others: the
    /// caller compares. Cost: the rows found, once the first question for a column has made its index.
    pub fn matching(&self, column: usize, value: &ArrayRef) -> Result<Snapshot, ArrowError> {
        loop {
            let content = self.read();
            if let Some(rows) = content.matching(column, value) {
                let as_of = content.as_of();
                drop(content);
                return Ok(self.shown(as_of, &rows));
            }
            drop(content);
            self.write().index(column, &self.codec)?;
        }
    }

    /// Rows after a place as they were when the view was at `epoch`, about `limit` of them, if the ring still reaches it.
    pub fn page_at(&self, epoch: Epoch, after: Option<&[u8]>, limit: usize) -> Option<Snapshot> {
        self.told_at(epoch)?;
        let (rows, next) = self.read().page_at(epoch, after, limit)?;
        Some(Snapshot { next, ..self.shown(epoch, &rows) })
    }

    /// Whether the ring has all changes at `from` or later.
    pub fn reaches(&self, from: Epoch) -> bool {
        self.told_at(from).is_some() && self.read().reaches(from)
    }

    /// All rows as they were when the view was at `epoch`, if that is not past and the ring still reaches it.
    pub fn snapshot_at(&self, epoch: Epoch) -> Option<Snapshot> {
        self.told_at(epoch)?;
        let rows = self.read().at(epoch)?;
        Some(self.shown(epoch, &rows))
    }

    /// The changes at `from` or later and how far the view is; `None` if some of them are gone from the ring.
    pub fn changes_since(&self, from: Epoch) -> Option<(Vec<Arc<EpochChanges>>, Epoch)> {
        self.told_at(from)?;
        let content = self.read();
        Some((content.since(from)?, content.as_of()))
    }

    /// A reader of the view's changes from now on; ask it for a snapshot first.
    pub fn subscribe(self: &Arc<View>) -> Subscription {
        Subscription::new(self.clone(), self.as_of())
    }

    /// A reader of the view's changes at `from` or later.
    pub fn resume(self: &Arc<View>, from: Epoch) -> Subscription {
        Subscription::new(self.clone(), from)
    }

    /// Merges changes of ascending epochs into one set with the last epoch, for a reader that lags: rows that came and
    /// went are gone, statuses and versions are the latest.
    pub fn compact(&self, changes: &[Arc<EpochChanges>]) -> Option<EpochChanges> {
        changes::compact(changes, &self.schema)
    }

    /// The codec that nets and encodes its rows.
    pub(crate) fn codec(&self) -> &RowCodec {
        &self.codec
    }

    /// Takes the netted changes of whole epochs, in order, and moves on: everything before `as_of` is in.
    pub(crate) fn publish(&self, epochs: Vec<(Epoch, Netted)>, as_of: Epoch) {
        let mut content = self.write();
        for (epoch, netted) in epochs {
            content.apply(epoch, netted, &self.codec, &self.schema);
        }
        if content.advance(as_of) && !self.figures.crowded.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                "view '{}' has come to its limit of rows ('max-rows'): from now on closed rows, oldest first, make room",
                self.name()
            );
        }
        self.figures.rows.store(content.len(), Ordering::Relaxed);
        self.figures.evicted.store(content.evicted(), Ordering::Relaxed);
        self.figures.windows_open.store(content.windows_open(), Ordering::Relaxed);
        drop(content);
        self.watch.send_replace(as_of);
        let held = self.moved.0.lock().unwrap_or_else(PoisonError::into_inner);
        self.moved.1.notify_all();
        drop(held);
    }

    /// The changes at `from` or later, the rows whose closing time the watermark passes on the way to `to` (or as far as
    /// the view is) as they are now, and that end of the way; `None` if some changes are gone.
    fn way(&self, from: Epoch, to: Epoch) -> Option<(Vec<Arc<EpochChanges>>, Vec<rows::Shown>, Epoch)> {
        self.told_at(from)?;
        let content = self.read();
        let to = to.min(content.as_of());
        Some((content.since(from)?, content.closed_between(from, to), to))
    }

    /// Whether what it is at an epoch is told.
    fn told_at(&self, epoch: Epoch) -> Option<()> {
        (epoch >= self.begins()).then_some(())
    }

    fn shown(&self, as_of: Epoch, rows: &[rows::Shown]) -> Snapshot {
        let all = self.codec.decode(rows.iter().map(|row| row.bytes.as_ref()));
        let columns: Vec<usize> = (0..self.schema().fields().len()).collect();
        let batch = relabel(&all, &columns, &self.schema);
        let versions = rows.iter().map(|row| row.version).collect();
        let statuses = rows.iter().map(|row| row.status(as_of)).collect();
        Snapshot { as_of, batch, versions, statuses, next: None }
    }

    fn read(&self) -> RwLockReadGuard<'_, Rows> {
        self.content.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Rows> {
        self.content.write().unwrap_or_else(PoisonError::into_inner)
    }
}
