//! The rows of one side of a table: kept in the batches they came in, chained by key, the latest first.
//!
//! A row is meant by its *slot*, its number in what is kept. Slots only grow until the table is rebuilt. A slot is dead
//! when its row was taken back or has expired; dead slots leave their chain when someone next walks over them, and a batch
//! of dead ones is dropped at once.
//!
//! If the input takes rows back, equal rows share a slot and their number is kept; otherwise every row has its own.

use std::ops::RangeInclusive;

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMillisecondType;
use arrow_array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow_schema::{DataType, SchemaRef};
use arrow_select::take::take;

use super::chains::{Chains, Walk};
use super::counts::Counts;
use super::expiries::Expiries;
use super::{Join, Lone, Side};
use crate::aggregate::Keys;
use crate::delta::{Delta, Unfit};
use crate::kept::Kept;

/// No slot, or the key of a row that meets nothing.
pub(super) const NONE: u32 = u32::MAX;

/// What a side is, for as long as the table lives.
#[derive(Clone, Debug)]
pub(super) struct Shape {
    pub(super) schema: SchemaRef,
    pub(super) keys: Vec<usize>,
    nulls_equal: bool,
    /// The columns whose times are kept beside the rows: each once.
    time_columns: Vec<usize>,
    /// Per condition on times: the place of its column there.
    pub(super) times: Vec<usize>,
    /// What frees rows: the place of the column, and how long after, in ms.
    expiry: Vec<(usize, i64)>,
    counted: bool,
    pub(super) lone: Lone,
    pub(super) deferred: bool,
}

impl Shape {
    pub(super) fn new(join: &Join, side: Side, schema: &SchemaRef) -> Shape {
        let mut time_columns: Vec<usize> = Vec::new();
        let mut place = |column: usize| {
            let found = time_columns.iter().position(|&other| other == column);
            found.unwrap_or_else(|| {
                time_columns.push(column);
                time_columns.len() - 1
            })
        };
        Shape {
            schema: schema.clone(),
            keys: join.key_columns(side),
            nulls_equal: join.nulls_equal,
            times: join.order.iter().map(|order| place(order.column(side))).collect(),
            expiry: join.expiry[side as usize].iter().map(|expiry| (place(expiry.column), expiry.after_ms)).collect(),
            time_columns,
            counted: join.retracting[side as usize],
            lone: join.kind.lone(side),
            deferred: join.deferred(side),
        }
    }

    /// Rows that are found by their keys alone and stay until they are taken back.
    pub(super) fn plain(schema: &SchemaRef, keys: &[usize], counted: bool) -> Shape {
        Shape {
            schema: schema.clone(),
            keys: keys.to_vec(),
            // Whoever asks for them wants to see them.
            nulls_equal: true,
            time_columns: Vec::new(),
            times: Vec::new(),
            expiry: Vec::new(),
            counted,
            lone: Lone::Never,
            deferred: false,
        }
    }

    /// Whether rows expire.
    pub(super) fn is_bounded(&self) -> bool {
        !self.expiry.is_empty()
    }

    /// When a row expires, by its times.
    #[inline]
    fn expiry(&self, time: impl Fn(usize) -> i64) -> i64 {
        let of = |&(place, after_ms): &(usize, i64)| match time(place) {
            i64::MIN => i64::MIN,
            time => time.saturating_add(after_ms),
        };
        match &self.expiry[..] {
            [] => i64::MAX,
            [only] => of(only),
            several => several.iter().map(of).fold(i64::MAX, i64::min),
        }
    }
}

/// The rows of one side.
#[derive(Debug)]
pub(super) struct Rows {
    pub(super) shape: Shape,
    pub(super) kept: Kept,
    pub(super) chains: Chains,
    /// Per column of times, per slot: the time.
    times: Vec<Vec<i64>>,
    /// How many rows have expired.
    expiries: Expiries,
    /// The latest expiry of any row since the table was made.
    pub(super) last_expiry: i64,
    /// How many rows are dead that have not expired, about.
    gone: usize,
    /// How often each row is there, if that is counted.
    counts: Option<Counts>,
    /// Per slot: how many partners it has; empty unless rows are shown for their own sake.
    pub(super) partners: Vec<i64>,
    /// The first slot of this epoch.
    pub(super) fresh: u32,
    /// The slots whose number changes in this epoch.
    pub(super) changed: Vec<u32>,
}

/// A row is dead unless a time of it is above: its place among those kept beside the rows, and that.
pub(super) type Bound = (usize, i64);

/// A time of a row, by its place among those kept beside the rows, and the range that it is to be in.
pub(super) type Near = (usize, RangeInclusive<i64>);

impl Rows {
    pub(super) fn new(shape: Shape) -> Rows {
        let types: Vec<_> = shape.schema.fields().iter().map(|field| field.data_type().clone()).collect();
        Rows {
            kept: Kept::new(&types),
            chains: Chains::default(),
            times: vec![Vec::new(); shape.time_columns.len()],
            expiries: Expiries::default(),
            last_expiry: i64::MIN,
            gone: 0,
            counts: shape.counted.then(Counts::default),
            partners: Vec::new(),
            fresh: 0,
            changed: Vec::new(),
            shape,
        }
    }

    /// Number of slots.
    pub(super) fn len(&self) -> usize {
        self.kept.len()
    }

    /// Whether rows are counted.
    pub(super) fn counted(&self) -> bool {
        self.counts.is_some()
    }

    /// How often a row is there, with this epoch's changes.
    #[inline]
    pub(super) fn count(&self, slot: u32) -> i64 {
        self.counts.as_ref().map_or(1, |counts| counts.now(slot))
    }

    /// By how much this epoch changes that.
    #[inline]
    pub(super) fn change(&self, slot: u32) -> i64 {
        match &self.counts {
            Some(counts) => counts.change(slot),
            None => i64::from(slot >= self.fresh),
        }
    }

    /// Whether the row meets nothing to come.
    #[inline]
    pub(super) fn expired(&self, slot: u32, watermark: i64) -> bool {
        self.expiry(slot) < watermark
    }

    /// The row is dead once the watermark is above; without a bound never.
    #[inline]
    pub(super) fn expiry(&self, slot: u32) -> i64 {
        self.shape.expiry(|place| self.times[place][slot as usize])
    }

    /// How many slots are dead, about.
    pub(super) fn dead_slots(&self) -> usize {
        (self.gone + self.expiries.passed()).min(self.len())
    }

    /// Whether the row is of no use any more. Not to be asked of a row that changes in this epoch.
    #[inline]
    pub(super) fn dead(&self, slot: u32, watermark: i64) -> bool {
        self.expired(slot, watermark) || self.counts.as_ref().is_some_and(|counts| counts.is_gone(slot))
    }

    /// What tells rows that have not expired.
    pub(super) fn bounds(&self, watermark: i64) -> Vec<Bound> {
        // Before the first watermark nothing has.
        let expiry = self.shape.expiry.iter().filter(|_| watermark > i64::MIN);
        expiry.map(|&(place, after_ms)| (place, (watermark - 1).saturating_sub(after_ms))).collect()
    }

    /// Begins an epoch.
    pub(super) fn begin(&mut self) {
        self.fresh = self.len() as u32;
        self.changed.clear();
    }

    /// Takes in changes of the epoch, which is at a watermark.
    pub(super) fn insert(&mut self, delta: &Delta, keys: &mut Keys, watermark: i64) {
        let (columns, first) = (self.kept.form(delta.batch()), self.len());
        match &mut self.counts {
            None => {
                self.store(columns, delta.len(), keys, watermark);
                self.changed.extend(first as u32..self.len() as u32);
            }
            Some(counts) => {
                let new = counts.take_in(&self.kept, &columns, delta, &mut self.changed);
                let stored = new.len();
                let columns = if stored == delta.len() { columns } else { taken(&columns, new) };
                self.store(columns, stored, keys, watermark);
            }
        }
    }

    /// Gives rows slots, the next ones.
    fn store(&mut self, columns: Vec<ArrayRef>, rows: usize, keys: &mut Keys, watermark: i64) {
        let first = self.len();
        let key_columns: Vec<ArrayRef> = self.shape.keys.iter().map(|&c| columns[c].clone()).collect();
        keys.intern(&key_columns, rows, &mut self.chains.key);
        if !self.shape.nulls_equal {
            for column in key_columns.iter().filter(|column| column.null_count() > 0) {
                let keys = self.chains.key[first..].iter_mut();
                keys.enumerate().filter(|(row, _)| column.is_null(*row)).for_each(|(_, key)| *key = NONE);
            }
        }
        for (times, &column) in self.times.iter_mut().zip(&self.shape.time_columns) {
            append_times(&columns[column], times);
        }
        let mut until = i64::MAX;
        if self.shape.is_bounded() {
            let times = &self.times;
            let of = |slot: usize| self.shape.expiry(|place| times[place][slot]);
            let mut expiries: Vec<i64> = (first..first + rows).map(of).collect();
            until = expiries.iter().max().copied().unwrap_or(i64::MIN);
            self.last_expiry = self.last_expiry.max(until);
            self.expiries.add(&mut expiries, watermark);
        }
        self.kept.append(columns, rows, until);
        if self.shape.lone != Lone::Never {
            self.partners.resize(first + rows, 0);
        }
        self.chains.link(first, keys.end());
    }

    /// Ends the intake of an epoch: every changed slot is noted once, and only if it does change.
    pub(super) fn settle(&mut self) {
        if let Some(counts) = &self.counts {
            self.changed.sort_unstable();
            self.changed.dedup();
            self.changed.retain(|&slot| counts.change(slot) != 0);
        }
    }

    /// Ends an epoch; answers the slots of rows that are not there any more.
    pub(super) fn end(&mut self) -> Vec<u32> {
        let gone = self.counts.as_mut().map(|counts| counts.end(self.fresh, &self.changed)).unwrap_or_default();
        if !self.shape.nulls_equal && !self.shape.deferred {
            let unkeyed = self.chains.key[self.fresh as usize..].iter().filter(|key| **key == NONE);
            self.gone += unkeyed.count();
        }
        self.fresh = self.len() as u32;
        self.changed.clear();
        gone
    }

    /// Frees rows that are not there any more.
    pub(super) fn release(&mut self, slots: impl IntoIterator<Item = u32>) {
        for slot in slots {
            self.kept.release(slot);
            self.gone += 1;
        }
    }

    /// Frees batches of which all rows have expired.
    pub(super) fn expire(&mut self, watermark: i64) {
        self.expiries.pass(watermark);
        self.kept.expire(watermark);
    }

    /// Calls `meet` with the next rows of a key whose times are near, of `most` that are looked at, and by how much this epoch changes its
    /// number; drops those from the chain that are dead. Whether there may be more.
    #[inline]
    pub(super) fn walk(
        &mut self,
        (walk, most): (&mut Walk, usize),
        bounds: &[Bound],
        near: &[Near],
        mut meet: impl FnMut(u32, i64),
    ) -> bool {
        let Rows { chains, times, counts, fresh, .. } = self;
        let (counts, fresh) = (counts.as_ref(), *fresh);
        let gone = |slot: u32| counts.is_some_and(|counts| counts.is_gone(slot));
        let change = |slot: u32| match counts {
            Some(counts) => counts.change(slot),
            None => i64::from(slot >= fresh),
        };
        match (bounds, near) {
            ([], []) => chains.walk(walk, most, |slot| !gone(slot), |slot| meet(slot, change(slot))),
            ([(one, above)], [(other, range)]) if one == other => {
                let (times, above, (from, to)) = (&times[*one][..], *above, (*range.start(), *range.end()));
                chains.walk(
                    walk,
                    most,
                    |slot| times[slot as usize] > above && !gone(slot),
                    |slot| {
                        if (from..=to).contains(&times[slot as usize]) {
                            meet(slot, change(slot));
                        }
                    },
                )
            }
            _ => chains.walk(
                walk,
                most,
                |slot| bounds.iter().all(|(place, above)| times[*place][slot as usize] > *above) && !gone(slot),
                |slot| {
                    if near.iter().all(|(place, range)| range.contains(&times[*place][slot as usize])) {
                        meet(slot, change(slot));
                    }
                },
            ),
        }
    }

    /// Calls `meet` with the next rows of a key, `most` at most, and how often each is there; drops those from the chain that are not
    /// `alive`. Whether there may be more.
    #[inline]
    pub(super) fn walk_all(
        &mut self,
        (walk, most): (&mut Walk, usize),
        alive: impl Fn(u32, i64) -> bool,
        mut meet: impl FnMut(u32, i64),
    ) -> bool {
        let Rows { chains, counts, .. } = self;
        let count = |slot: u32| counts.as_ref().map_or(1, |counts| counts.now(slot));
        chains.walk(walk, most, |slot| alive(slot, count(slot)), |slot| meet(slot, count(slot)))
    }

    /// A time of a row, by its place among those that are kept beside the rows; `i64::MIN` stands for NULL.
    #[inline]
    pub(super) fn time(&self, place: usize, slot: u32) -> i64 {
        self.times[place][slot as usize]
    }

    /// The slots that are of use, ascending. A row without a key meets nothing; it matters only if it is still to be shown.
    pub(super) fn live(&self, watermark: i64) -> Vec<u32> {
        let keyed = |slot: u32| self.shape.deferred || self.chains.key[slot as usize] != NONE;
        (0..self.len() as u32).filter(|&slot| keyed(slot) && !self.dead(slot, watermark)).collect()
    }

    /// Only these slots, in this order, under key numbers below `end` (`keys[i]` is that of `slots[i]`). Between epochs only.
    fn rebuild(&mut self, slots: &[u32], keys: Vec<u32>, end: usize) {
        self.counts.iter_mut().for_each(|counts| counts.retain(slots));
        let pick = |values: &[i64]| -> Vec<i64> {
            if values.is_empty() { Vec::new() } else { slots.iter().map(|&slot| values[slot as usize]).collect() }
        };
        self.times = self.times.iter().map(|times| pick(times)).collect();
        self.partners = pick(&self.partners);
        let (shape, times) = (&self.shape, &self.times);
        self.kept.retain(slots, &|slot| shape.expiry(|place| times[place][slot]));
        self.expiries.left(if self.shape.is_bounded() { slots.len() } else { 0 });
        self.gone = 0;
        self.fresh = slots.len() as u32;
        self.chains = Chains::new(keys, end);
    }

    /// The rows at these slots, with how often each is there. Between epochs only.
    pub(super) fn save(&self, slots: &[u32]) -> Delta {
        let options = RecordBatchOptions::new().with_row_count(Some(slots.len()));
        let columns = self.kept.gather(slots);
        let counts = self.counted().then(|| slots.iter().map(|&slot| self.count(slot)).collect());
        match RecordBatch::try_new_with_options(self.shape.schema.clone(), columns, &options) {
            Ok(batch) => Delta::new(batch, counts),
            Err(error) => unreachable!("rows have the schema of their side: {error}"),
        }
    }

    /// Takes in rows as they were saved, with how many partners each has, if that is counted. Between epochs only.
    pub(super) fn load(&mut self, rows: &Delta, partners: Option<&[i64]>, keys: &mut Keys) -> Result<(), Unfit> {
        if !self.counted() && (0..rows.len()).any(|row| rows.diff(row) != 1) {
            return Err(Unfit::Value("a row that is never taken back is there more than once"));
        }
        self.begin();
        self.insert(rows, keys, i64::MIN);
        if self.len() != self.fresh as usize + rows.len() {
            return Err(Unfit::Value("a row is there twice"));
        }
        self.settle();
        if let Some(partners) = partners {
            self.partners[self.fresh as usize..].copy_from_slice(partners);
        }
        // Rows are saved while they are there.
        self.end();
        Ok(())
    }

    /// Memory held, in bytes, about.
    pub(super) fn bytes(&self) -> usize {
        self.kept.bytes() + self.slot_bytes() + self.expiries.bytes()
    }

    /// Memory held beside the rows, in bytes.
    pub(super) fn slot_bytes(&self) -> usize {
        let counts = self.counts.as_ref().map_or(0, Counts::bytes);
        let times: usize = self.times.iter().map(|times| times.capacity() * 8).sum();
        self.chains.bytes() + times + self.partners.capacity() * 8 + counts
    }
}

/// Forgets all rows of these sides, which have their keys in common, but those at some slots; these get other slots, in this
/// order. Keys are numbered anew if few of them are left. Between epochs only.
pub(super) fn retain(sides: &mut [Rows], slots: &[Vec<u32>], keys: &mut Keys, types: &[DataType]) {
    let mut used = vec![false; keys.end()];
    let mut numbers: Vec<Vec<u32>> = sides
        .iter()
        .zip(slots)
        .map(|(rows, slots)| slots.iter().map(|&s| rows.chains.key[s as usize]).collect())
        .collect();
    numbers.iter().flatten().filter(|key| **key != NONE).for_each(|&key| used[key as usize] = true);
    if used.iter().filter(|used| **used).count() * 2 < used.len() {
        let mut fewer = Keys::new(types);
        for numbers in &mut numbers {
            let keyed = || |key: &&mut u32| **key != NONE;
            let old: Vec<u32> = numbers.iter_mut().filter(keyed()).map(|key| *key).collect();
            let new = fewer.intern_from(keys, &old);
            numbers.iter_mut().filter(keyed()).zip(new).for_each(|(key, new)| *key = new);
        }
        *keys = fewer;
    }
    for ((rows, slots), numbers) in sides.iter_mut().zip(slots).zip(numbers) {
        rows.rebuild(slots, numbers, keys.end());
    }
}

/// Some rows of columns.
fn taken(columns: &[ArrayRef], rows: Vec<u32>) -> Vec<ArrayRef> {
    let rows = UInt32Array::from(rows);
    let taken = columns.iter().map(|column| take(column, &rows, None)).collect();
    match taken {
        Ok(columns) => columns,
        Err(error) => unreachable!("the rows are within their batch: {error}"),
    }
}

/// Appends times; NULL is `i64::MIN`.
fn append_times(column: &ArrayRef, times: &mut Vec<i64>) {
    let column = column.as_primitive::<TimestampMillisecondType>();
    match column.null_count() {
        0 => times.extend_from_slice(column.values()),
        _ => times.extend(column.iter().map(|time| time.unwrap_or(i64::MIN))),
    }
}
