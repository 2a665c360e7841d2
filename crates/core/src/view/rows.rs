//! The rows of a view: a bag ordered by key and then by row, with versions and closing times, and the ring of changes.
//!
//! Memory: each row is kept once, as its encoded bytes, which begin with those of its key. Closed rows, oldest closing time
//! first (of one closing time, and of rows that never change: in the order they came), make room when there are more rows than [`Limits`] allow; their
//! later retraction finds nothing and is passed on all the same. Times are ms, saturating.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMillisecondType;
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::{ArrowError, SchemaRef};

use super::changes::{EpochChanges, Identity, Ring, RingRoom, Status};
use super::row_index::{INDEXES, RowIndex};
use crate::delta::{Netted, RowCodec, relabel};
use crate::time::Epoch;

/// When a row closes for good.
pub(super) const NEVER: i64 = i64::MAX;
/// The closing time of rows that never change.
const ALWAYS: i64 = i64::MIN;

/// Where the closing times of a view's rows come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Closing {
    /// Rows are never taken back: each is final at once.
    Born,
    /// Nothing closes a row.
    Never,
    /// A column of the rows (a time): it closes when the watermark passes it.
    Column(usize),
}

/// What a view may keep.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Where closing times come from.
    pub(crate) closing: Closing,
    /// How many rows; only closed ones make room.
    pub(crate) rows: usize,
    /// How far behind the watermark a closed row is kept, in ms; `None` is forever.
    pub(crate) retention_ms: Option<i64>,
    /// How much of its changes.
    pub(crate) ring: RingRoom,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Kept {
    pub(super) count: i64,
    pub(super) version: u64,
    pub(super) amended: bool,
    pub(super) closes: i64,
    /// Counts the rows as they come.
    pub(super) serial: u64,
}

/// One row as a reader sees it.
#[derive(Clone, Debug)]
pub(super) struct Shown {
    pub(super) bytes: Box<[u8]>,
    pub(super) version: u64,
    amended: bool,
    closes: i64,
}

impl Shown {
    pub(super) fn identity(&self) -> Identity<'_> {
        (&self.bytes, self.version, self.amended)
    }

    /// The row of a change.
    pub(super) fn of(changes: &EpochChanges, row: usize) -> Shown {
        let amended = changes.statuses[row] == Status::Amended;
        Shown { bytes: changes.rows[row].clone(), version: changes.versions[row], amended, closes: changes.closes[row] }
    }

    pub(super) fn status(&self, as_of: Epoch) -> Status {
        status(self.closes, self.amended, as_of)
    }
}

/// Whether a row with this closing time is open at `at`, unless it was amended.
pub(super) fn open_at(closes: i64, at: Epoch) -> bool {
    status(closes, false, at) == Status::Open
}

/// Whether a row with this closing time is open at `from` and closed at `to`, unless it was amended.
pub(super) fn closes_between(closes: i64, from: Epoch, to: Epoch) -> bool {
    open_at(closes, from) && !open_at(closes, to)
}

fn status(closes: i64, amended: bool, at: Epoch) -> Status {
    match () {
        () if amended => Status::Amended,
        () if closes == ALWAYS || at.watermark > closes || at == Epoch::END => Status::Final,
        () => Status::Open,
    }
}

/// The rows and the ring.
#[derive(Debug)]
pub(super) struct Rows {
    rows: BTreeMap<Box<[u8]>, Kept>,
    /// Rows, equal ones counted each.
    len: usize,
    as_of: Epoch,
    ring: Ring,
    /// Closing times of the rows and how many distinct rows have each.
    closing: BTreeMap<i64, usize>,
    /// How many of them are ahead of the watermark.
    open: usize,
    limits: Limits,
    evicted: u64,
    serial: u64,
    indexes: Vec<RowIndex>,
}

impl Rows {
    pub(super) fn new(limits: Limits) -> Rows {
        Rows {
            rows: BTreeMap::new(),
            len: 0,
            as_of: Epoch::MIN,
            ring: Ring::new(limits.ring),
            closing: BTreeMap::new(),
            open: 0,
            limits,
            evicted: 0,
            serial: 0,
            indexes: Vec::new(),
        }
    }

    pub(super) fn as_of(&self) -> Epoch {
        self.as_of
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn evicted(&self) -> u64 {
        self.evicted
    }

    pub(super) fn windows_open(&self) -> usize {
        self.open
    }

    /// The rows by their bytes, the ring, and what was counted: how many made room, how many came.
    pub(super) fn kept(&self) -> (impl Iterator<Item = (&[u8], &Kept)>, &Ring, [u64; 2]) {
        (self.rows.iter().map(|(bytes, kept)| (bytes.as_ref(), kept)), &self.ring, [self.evicted, self.serial])
    }

    /// Puts a row in that was there when it was saved; or nothing, if it is there already.
    pub(super) fn restore(&mut self, bytes: &[u8], kept: Kept) {
        if kept.count > 0 && !self.rows.contains_key(bytes) {
            self.put(bytes, kept);
        }
    }

    /// The ring, to put in what it held.
    pub(super) fn ring_mut(&mut self) -> &mut Ring {
        &mut self.ring
    }

    /// What was counted by then.
    pub(super) fn counted(&mut self, [evicted, serial]: [u64; 2]) {
        (self.evicted, self.serial) = (evicted, serial);
    }

    /// All that was saved is in, as of that epoch.
    pub(super) fn restored(&mut self, as_of: Epoch) {
        self.as_of = as_of;
        self.open = self.closing.range(as_of.watermark..NEVER).count();
    }

    /// The changes at `from` or later; `None` if some are gone.
    pub(super) fn since(&self, from: Epoch) -> Option<Vec<Arc<EpochChanges>>> {
        self.ring.since(from)
    }

    /// Takes an epoch's netted changes.
    pub(super) fn apply(&mut self, epoch: Epoch, netted: Netted, codec: &RowCodec, shown: &SchemaRef) {
        let Netted { delta, rows, retractions } = netted;
        let closes = self.closes(delta.batch());
        let keys = (retractions > 0).then(|| codec.keys(delta.batch())).flatten();
        let key = |row: usize| keys.as_ref().map(|keys| keys.row(row).data());
        let mut replaced: HashMap<&[u8], Kept, foldhash::fast::FixedState> = HashMap::default();
        let (mut versions, mut statuses) = (Vec::with_capacity(rows.len()), Vec::with_capacity(rows.len()));
        for (row, bytes) in rows.iter().enumerate() {
            let diff = delta.diff(row);
            let kept = if row < retractions {
                let before = self.take(bytes, -diff);
                let kept =
                    before.unwrap_or(Kept { count: 0, version: 1, amended: false, closes: closes[row], serial: 0 });
                if let Some(key) = key(row) {
                    replaced.insert(key, kept);
                }
                kept
            } else {
                let before = key(row).and_then(|key| replaced.get(key));
                let late = closes[row] != ALWAYS && epoch.watermark > closes[row];
                self.serial += 1;
                let fresh = Kept { count: diff, version: 1, amended: false, closes: closes[row], serial: self.serial };
                let kept = before.map_or(fresh, |old| Kept {
                    version: old.version + 1,
                    amended: late || old.amended,
                    ..fresh
                });
                self.put(bytes, kept)
            };
            versions.push(kept.version);
            statuses.push(status(kept.closes, kept.amended, epoch));
        }
        drop(replaced);
        let (there, bytes) = (&self.rows, || rows.iter().map(AsRef::as_ref));
        self.indexes.iter_mut().for_each(|index| index.update(delta.batch(), bytes(), |row| there.contains_key(row)));
        self.indexes.retain(RowIndex::worth_keeping);
        let columns: Vec<usize> = (0..shown.fields().len()).collect();
        let delta = delta.with_batch(relabel(delta.batch(), &columns, shown));
        self.ring.push(Arc::new(EpochChanges { epoch, delta, versions, statuses, closes, rows }));
    }

    /// Everything before `as_of` is in. Returns whether rows went because there were too many.
    pub(super) fn advance(&mut self, as_of: Epoch) -> bool {
        // What never closes is no closing time, and behind the last.
        let passed = (self.as_of.watermark, as_of.watermark);
        self.open -= if passed.0 < passed.1 { self.closing.range(passed.0..passed.1).count() } else { 0 };
        self.as_of = as_of;
        if let (Some(retention), Some((&oldest, _))) = (self.limits.retention_ms, self.closing.first_key_value()) {
            // At the end of everything the latest closing time stands in for the watermark.
            let latest = self.closing.range(..NEVER).next_back().map_or(NEVER, |(&closes, _)| closes);
            let now = if as_of.watermark == i64::MAX { latest } else { as_of.watermark };
            let kept = now.saturating_sub(retention);
            // Not at every step: a pass looks at every row.
            if oldest < kept.saturating_sub(retention / 8) {
                self.evict(|row| if row.closes < kept { 0 } else { row.count });
            }
        }
        // A tenth more than must go, for the same reason.
        let most = self.limits.rows;
        self.len > most && self.make_room(self.len - (most - most / 10))
    }

    /// Lets closed rows go, so many if there are: in the order of their closing times, and of one in the order they came.
    fn make_room(&mut self, surplus: usize) -> bool {
        let bound = match self.limits.closing {
            Closing::Born => Some(ALWAYS),
            Closing::Never => None,
            Closing::Column(_) => {
                // There are at least as many rows as distinct ones.
                let mut distinct = 0;
                let enough = |(_, count): &(&i64, &usize)| {
                    let before = distinct;
                    distinct += **count;
                    before < surplus
                };
                self.closing.range(..self.as_of.watermark).take_while(enough).last().map(|(&closes, _)| closes)
            }
        };
        let Some(bound) = bound else { return false };
        let closed = self.rows.values().filter(|kept| kept.closes <= bound);
        let mut closed: Vec<(i64, u64, usize)> =
            closed.map(|kept| (kept.closes, kept.serial, kept.count as usize)).collect();
        closed.sort_unstable();
        let (all, mut gone) = (closed.iter().map(|(_, _, count)| count).sum::<usize>(), 0);
        let last = closed.iter().find(|(_, _, count)| {
            gone += count;
            gone >= surplus.min(all)
        });
        let Some(&(closes, serial, _)) = last else { return false };
        // Of equal rows some may stay.
        let (last, stay) = ((closes, serial), gone.saturating_sub(surplus) as i64);
        self.evict(|kept| match (kept.closes, kept.serial).cmp(&last) {
            Ordering::Less => 0,
            Ordering::Equal => stay,
            Ordering::Greater => kept.count,
        });
        true
    }

    /// Lets rows go, but as many of each as `stay` says.
    fn evict(&mut self, stay: impl Fn(&Kept) -> i64) {
        let (mut gone, before, closing) = (0, self.rows.len(), &mut self.closing);
        self.rows.retain(|_, kept| {
            let stays = stay(kept);
            gone += kept.count - stays;
            kept.count = stays;
            if stays == 0
                && let Some(rows) = closing.get_mut(&kept.closes)
            {
                *rows -= 1;
                if *rows == 0 {
                    closing.remove(&kept.closes);
                }
            }
            stays > 0
        });
        self.len -= gone as usize;
        self.evicted += gone as u64;
        let fewer = before - self.rows.len();
        self.indexes.iter_mut().for_each(|index| index.evicted(fewer));
    }

    /// The rows whose column may have the one value; `None` without an index of the column.
    pub(super) fn matching(&self, column: usize, value: &ArrayRef) -> Option<Vec<Shown>> {
        let index = self.indexes.iter().find(|index| index.column() == column)?;
        let mut shown = Vec::new();
        let there = index.find(value).filter_map(|bytes| self.rows.get_key_value(bytes));
        there.for_each(|(bytes, kept)| show(bytes, kept, &mut shown));
        Some(shown)
    }

    /// Makes the index of a column, in place of the first if there are many.
    pub(super) fn index(&mut self, column: usize, codec: &RowCodec) -> Result<(), ArrowError> {
        if self.indexes.iter().any(|index| index.column() == column) {
            return Ok(());
        }
        let bytes = || self.rows.keys().map(AsRef::as_ref);
        let batch = codec.decode(bytes());
        let mut index = RowIndex::new(column, &batch)?;
        index.update(&batch, bytes(), |_| true);
        if self.indexes.len() >= INDEXES {
            self.indexes.remove(0);
        }
        self.indexes.push(index);
        Ok(())
    }

    /// Rows after a place, with the place where the next page begins if there are more. A place is what `identity` says
    /// of a row's bytes, which begin with it: rows of one identity are on one page.
    pub(super) fn page(
        &self,
        after: Option<&[u8]>,
        limit: usize,
        identity: impl Fn(&[u8]) -> Vec<u8>,
    ) -> (Vec<Shown>, Option<Vec<u8>>) {
        let from = after.map_or(Bound::Unbounded, Bound::Included);
        let (mut page, mut last): (Vec<Shown>, Option<Vec<u8>>) = (Vec::new(), None);
        for (bytes, kept) in self.rows.range::<[u8], _>((from, Bound::Unbounded)) {
            if after.is_some_and(|after| bytes.starts_with(after)) {
                continue;
            }
            if let Some(row) = page.last().filter(|_| page.len() >= limit.max(1)) {
                let end = last.get_or_insert_with(|| identity(&row.bytes));
                if !bytes.starts_with(end) {
                    return (page, last);
                }
            }
            show(bytes, kept, &mut page);
        }
        (page, None)
    }

    /// The rows as they were at an earlier epoch: the ring's changes since, undone from the last to the first.
    pub(super) fn at(&self, epoch: Epoch) -> Option<Vec<Shown>> {
        self.page_at(epoch, None, usize::MAX).map(|(rows, _)| rows)
    }

    /// Rows after a place as they were at an earlier epoch, about `limit`, with the place where the next page begins if there
    /// are more.
    pub(super) fn page_at(
        &self,
        epoch: Epoch,
        after: Option<&[u8]>,
        limit: usize,
    ) -> Option<(Vec<Shown>, Option<Vec<u8>>)> {
        if epoch > self.as_of {
            return None;
        }
        let changes = self.ring.since(epoch)?;
        if changes.is_empty() {
            return Some(self.page(after, limit, <[u8]>::to_vec));
        }
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut there = self.rows.range::<[u8], _>((from, Bound::Unbounded));
        let mut rows: BTreeMap<Box<[u8]>, Kept> =
            there.by_ref().take(limit.max(1)).map(|(bytes, kept)| (bytes.clone(), *kept)).collect();
        let next = rows.last_key_value().filter(|_| there.next().is_some()).map(|(last, _)| last.to_vec());
        let within =
            |row: &[u8]| after.is_none_or(|after| row > after) && next.as_deref().is_none_or(|next| row <= next);
        for changes in changes.iter().rev() {
            for row in (0..changes.len()).rev().filter(|&row| within(&changes.rows[row])) {
                let bytes = &changes.rows[row];
                let diff = changes.delta.diff(row);
                let (version, closes) = (changes.versions[row], changes.closes[row]);
                let amended = changes.statuses[row] == Status::Amended;
                let kept = rows.entry(bytes.clone()).or_insert(Kept { count: 0, version, amended, closes, serial: 0 });
                kept.count -= diff;
                if kept.count == 0 {
                    rows.remove(bytes);
                }
            }
        }
        let mut shown = Vec::new();
        rows.iter().for_each(|(bytes, kept)| show(bytes, kept, &mut shown));
        Some((shown, next))
    }

    /// Whether all changes at `from` or later are there.
    pub(super) fn reaches(&self, from: Epoch) -> bool {
        self.ring.reaches(from)
    }

    /// The rows whose closing time the watermark passes between two epochs.
    pub(super) fn closed_between(&self, from: Epoch, to: Epoch) -> Vec<Shown> {
        let mut shown = Vec::new();
        let passes = |closes| closes_between(closes, from, to);
        // Rows that nothing closes close with the dataflow.
        let none =
            to != Epoch::END && self.closing.range(from.watermark..).next().is_none_or(|(&first, _)| !passes(first));
        if !none {
            for (bytes, kept) in self.rows.iter().filter(|(_, kept)| passes(kept.closes)) {
                show(bytes, kept, &mut shown);
            }
        }
        shown
    }

    /// Whether a closing time is one that the watermark will pass.
    fn ahead(&self, closes: i64) -> bool {
        closes >= self.as_of.watermark && closes < NEVER
    }

    fn closes(&self, batch: &RecordBatch) -> Vec<i64> {
        match self.limits.closing {
            Closing::Born => vec![ALWAYS; batch.num_rows()],
            Closing::Never => vec![NEVER; batch.num_rows()],
            Closing::Column(column) => {
                let times = batch.column(column).as_primitive::<TimestampMillisecondType>();
                (0..times.len()).map(|row| if times.is_null(row) { NEVER } else { times.value(row) }).collect()
            }
        }
    }

    /// Takes back a row that is there; answers what it was. A row that is not there made room for others.
    fn take(&mut self, bytes: &[u8], count: i64) -> Option<Kept> {
        let kept = self.rows.get_mut(bytes)?;
        let before = *kept;
        let taken = count.min(kept.count);
        kept.count -= taken;
        self.len -= taken as usize;
        if kept.count == 0 {
            self.rows.remove(bytes);
            if let Some(rows) = self.closing.get_mut(&before.closes) {
                *rows -= 1;
                if *rows == 0 {
                    self.closing.remove(&before.closes);
                    self.open -= usize::from(self.ahead(before.closes));
                }
            }
        }
        Some(before)
    }

    fn put(&mut self, bytes: &[u8], kept: Kept) -> Kept {
        self.len += kept.count as usize;
        if let Some(there) = self.rows.get_mut(bytes) {
            there.count += kept.count;
            there.serial = kept.serial;
            return *there;
        }
        self.rows.insert(bytes.into(), kept);
        if matches!(self.limits.closing, Closing::Column(_)) {
            let rows = self.closing.entry(kept.closes).or_insert(0);
            *rows += 1;
            self.open += usize::from(*rows == 1 && kept.closes >= self.as_of.watermark && kept.closes < NEVER);
        }
        kept
    }
}

fn show(bytes: &[u8], kept: &Kept, out: &mut Vec<Shown>) {
    let Kept { count, version, amended, closes, .. } = *kept;
    out.extend((0..count).map(|_| Shown { bytes: bytes.into(), version, amended, closes }));
}
