//! The rows of one side of a table: stored once, chained by key, the latest first.
//!
//! A row is meant by its *slot*, its number in the columns. Slots only grow until the table is rebuilt. A slot is dead
//! when its row was taken back or has expired; dead slots leave their chain when someone next walks over them.
//!
//! If the input takes rows back, equal rows share a slot and their number is kept; otherwise every row has its own.

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMillisecondType;
use arrow_array::{Array, ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_schema::SchemaRef;
use hashbrown::HashTable;

use super::columns::Columns;
use super::{Expiry, Join, Lone, Side};
use crate::aggregate::Keys;
use crate::delta::words::hash_rows;
use crate::delta::{Delta, Unfit};

/// No slot, or the key of a row that meets nothing.
pub(super) const NONE: u32 = u32::MAX;

/// What a side is, for as long as the table lives.
#[derive(Clone, Debug)]
pub(super) struct Shape {
    pub(super) schema: SchemaRef,
    pub(super) keys: Vec<usize>,
    nulls_equal: bool,
    /// The columns of the conditions on times, in their order.
    times: Vec<usize>,
    expiry: Vec<Expiry>,
    counted: bool,
    pub(super) lone: Lone,
    pub(super) deferred: bool,
}

impl Shape {
    pub(super) fn new(join: &Join, side: Side, schema: &SchemaRef) -> Shape {
        Shape {
            schema: schema.clone(),
            keys: join.key_columns(side),
            nulls_equal: join.nulls_equal,
            times: join.order.iter().map(|order| order.column(side)).collect(),
            expiry: join.expiry[side as usize].clone(),
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
}

/// The rows of one side.
#[derive(Debug)]
pub(super) struct Rows {
    pub(super) shape: Shape,
    pub(super) columns: Columns,
    /// Per slot: the key's number, or `NONE`.
    pub(super) key: Vec<u32>,
    /// Per slot: the next of the chain.
    next: Vec<u32>,
    /// Per key: the first of the chain.
    heads: Vec<u32>,
    /// Per condition on times, per slot: the time; empty if there is none.
    times: Vec<Vec<i64>>,
    /// Per slot: the row is dead once the watermark is above; empty if nothing expires.
    pub(super) expiry: Vec<i64>,
    /// How often each row is there, if that is counted.
    counts: Option<Counts>,
    /// Per slot: how many partners it has; empty unless rows are shown for their own sake.
    pub(super) partners: Vec<i64>,
    /// The first slot of this epoch.
    pub(super) fresh: u32,
    /// The slots whose number changes in this epoch.
    pub(super) changed: Vec<u32>,
}

/// How often rows are there.
#[derive(Debug, Default)]
struct Counts {
    /// Per slot, with this epoch's change.
    count: Vec<i64>,
    /// Per slot, of this epoch.
    change: Vec<i64>,
    /// Per slot, of the whole row.
    hash: Vec<u64>,
    slots: HashTable<u32>,
}

impl Rows {
    pub(super) fn new(shape: Shape) -> Rows {
        let types: Vec<_> = shape.schema.fields().iter().map(|field| field.data_type().clone()).collect();
        Rows {
            columns: Columns::new(&types),
            key: Vec::new(),
            next: Vec::new(),
            heads: Vec::new(),
            times: vec![Vec::new(); shape.times.len()],
            expiry: Vec::new(),
            counts: shape.counted.then(Counts::default),
            partners: Vec::new(),
            fresh: 0,
            changed: Vec::new(),
            shape,
        }
    }

    /// Number of slots.
    pub(super) fn len(&self) -> usize {
        self.columns.len()
    }

    /// Whether rows are counted.
    pub(super) fn counted(&self) -> bool {
        self.counts.is_some()
    }

    /// How often a row is there, with this epoch's changes.
    #[inline]
    pub(super) fn count(&self, slot: u32) -> i64 {
        self.counts.as_ref().map_or(1, |counts| counts.count[slot as usize])
    }

    /// By how much this epoch changes that.
    #[inline]
    pub(super) fn change(&self, slot: u32) -> i64 {
        match &self.counts {
            Some(counts) => counts.change[slot as usize],
            None => i64::from(slot >= self.fresh),
        }
    }

    /// Whether the row meets nothing to come.
    #[inline]
    pub(super) fn expired(&self, slot: u32, watermark: i64) -> bool {
        !self.expiry.is_empty() && self.expiry[slot as usize] < watermark
    }

    /// Whether the row is of no use any more. Not to be asked of a row that changes in this epoch.
    #[inline]
    pub(super) fn dead(&self, slot: u32, watermark: i64) -> bool {
        self.expired(slot, watermark)
            || self.counts.as_ref().is_some_and(|c| c.count[slot as usize] == 0 && c.change[slot as usize] == 0)
    }

    /// Begins an epoch.
    pub(super) fn begin(&mut self) {
        self.fresh = self.len() as u32;
        self.changed.clear();
    }

    /// Takes in changes of the epoch.
    pub(super) fn insert(&mut self, delta: &Delta, keys: &mut Keys) {
        let (rows, first) = (delta.len(), self.len());
        let key_columns: Vec<ArrayRef> = self.shape.keys.iter().map(|&c| delta.batch().column(c).clone()).collect();
        keys.intern(&key_columns, rows, &mut self.key);
        if !self.shape.nulls_equal {
            for column in key_columns.iter().filter(|column| column.null_count() > 0) {
                let keys = self.key[first..].iter_mut();
                keys.enumerate().filter(|(row, _)| column.is_null(*row)).for_each(|(_, key)| *key = NONE);
            }
        }
        for (times, &column) in self.times.iter_mut().zip(&self.shape.times) {
            append_times(delta.batch().column(column), times);
        }
        self.append_expiry(delta);
        self.columns.append(delta.batch().columns(), rows);
        self.next.resize(first + rows, NONE);
        if self.shape.lone != Lone::Never {
            self.partners.resize(first + rows, 0);
        }
        self.heads.resize(self.heads.len().max(keys.end()), NONE);
        match self.counts.take() {
            None => {
                self.changed.extend(first as u32..(first + rows) as u32);
                (first..first + rows).for_each(|slot| self.link(slot as u32));
            }
            Some(mut counts) => {
                self.count_rows(&mut counts, delta, first);
                self.counts = Some(counts);
            }
        }
    }

    /// Counts the rows of `delta`, which stand from slot `first` on; those that were there before leave their new slot.
    fn count_rows(&mut self, counts: &mut Counts, delta: &Delta, first: usize) {
        let Counts { count, change, hash, slots } = counts;
        hash.extend(hash_rows(delta.batch().columns(), delta.len()));
        count.resize(first + delta.len(), 0);
        change.resize(first + delta.len(), 0);
        for row in 0..delta.len() {
            let new = (first + row) as u32;
            let here = hash[new as usize];
            let found = slots.find(here, |&slot| hash[slot as usize] == here && self.columns.equal(slot, new));
            let slot = found.copied().unwrap_or_else(|| {
                slots.insert_unique(here, new, |&slot| hash[slot as usize]);
                new
            });
            if slot == new {
                self.link(new);
            }
            if change[slot as usize] == 0 {
                // May be noted twice, if it went back to zero in between; see `settle`.
                self.changed.push(slot);
            }
            let diff = delta.diff(row);
            count[slot as usize] += diff;
            change[slot as usize] += diff;
        }
    }

    /// Ends the intake of an epoch: every changed slot is noted once, and only if it does change.
    pub(super) fn settle(&mut self) {
        if let Some(counts) = &self.counts {
            self.changed.sort_unstable();
            self.changed.dedup();
            self.changed.retain(|&slot| counts.change[slot as usize] != 0);
        }
    }

    /// Ends an epoch.
    pub(super) fn end(&mut self) {
        if let Some(Counts { count, change, hash, slots }) = &mut self.counts {
            for &slot in &self.changed {
                change[slot as usize] = 0;
                if count[slot as usize] == 0
                    && let Ok(entry) = slots.find_entry(hash[slot as usize], |&other| other == slot)
                {
                    entry.remove();
                }
            }
            // A row that came and went within the epoch never changed, but stands in the table.
            for slot in self.fresh as usize..count.len() {
                if count[slot] == 0
                    && let Ok(entry) = slots.find_entry(hash[slot], |&other| other as usize == slot)
                {
                    entry.remove();
                }
            }
        }
        self.fresh = self.len() as u32;
        self.changed.clear();
    }

    #[inline]
    fn link(&mut self, slot: u32) {
        let key = self.key[slot as usize];
        if key != NONE {
            self.next[slot as usize] = std::mem::replace(&mut self.heads[key as usize], slot);
        }
    }

    /// Calls `meet` with every row of a key; drops those from the chain that are not `alive`.
    #[inline]
    pub(super) fn walk(&mut self, key: u32, alive: impl Fn(&Rows, u32) -> bool, mut meet: impl FnMut(&Rows, u32)) {
        let (mut before, mut at) = (NONE, self.heads.get(key as usize).copied().unwrap_or(NONE));
        while at != NONE {
            let next = self.next[at as usize];
            if alive(self, at) {
                before = at;
                meet(self, at);
            } else {
                match before {
                    NONE => self.heads[key as usize] = next,
                    before => self.next[before as usize] = next,
                }
            }
            at = next;
        }
    }

    /// The time of a row in a condition; `i64::MIN` stands for NULL.
    #[inline]
    pub(super) fn time(&self, condition: usize, slot: u32) -> i64 {
        self.times[condition][slot as usize]
    }

    /// The slots that are of use, ascending. A row without a key meets nothing; it matters only if it is still to be shown.
    pub(super) fn live(&self, watermark: i64) -> Vec<u32> {
        let keyed = |slot: u32| self.shape.deferred || self.key[slot as usize] != NONE;
        (0..self.len() as u32).filter(|&slot| keyed(slot) && !self.dead(slot, watermark)).collect()
    }

    /// Only these slots, in this order, under new key numbers (`keys[i]` is that of `slots[i]`). Between epochs only.
    pub(super) fn rebuild(&mut self, slots: &[u32], keys: Vec<u32>, end: usize) {
        let pick = |values: &[i64]| -> Vec<i64> {
            if values.is_empty() { Vec::new() } else { slots.iter().map(|&slot| values[slot as usize]).collect() }
        };
        let counts = self.counts.as_ref().map(|counts| {
            let hash: Vec<u64> = slots.iter().map(|&slot| counts.hash[slot as usize]).collect();
            let count = pick(&counts.count);
            let mut table = HashTable::with_capacity(slots.len());
            // A row that is not there any more gets another slot when it comes back, as ever.
            for slot in (0..slots.len()).filter(|&slot| count[slot] != 0) {
                table.insert_unique(hash[slot], slot as u32, |&slot| hash[slot as usize]);
            }
            Counts { count, change: vec![0; slots.len()], hash, slots: table }
        });
        let rebuilt = Rows {
            shape: self.shape.clone(),
            columns: self.columns.copy(slots),
            key: keys,
            next: vec![NONE; slots.len()],
            heads: vec![NONE; end],
            times: self.times.iter().map(|times| pick(times)).collect(),
            expiry: pick(&self.expiry),
            counts,
            partners: pick(&self.partners),
            fresh: slots.len() as u32,
            changed: Vec::new(),
        };
        *self = rebuilt;
        (0..slots.len() as u32).for_each(|slot| self.link(slot));
    }

    /// The rows at these slots, with how often each is there. Between epochs only.
    pub(super) fn save(&self, slots: &[u32]) -> Delta {
        let options = RecordBatchOptions::new().with_row_count(Some(slots.len()));
        let columns = self.columns.gather(slots);
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
        self.insert(rows, keys);
        if self.counts.as_ref().is_some_and(|counts| counts.slots.len() != self.len()) {
            return Err(Unfit::Value("a row is there twice"));
        }
        self.settle();
        if let Some(partners) = partners {
            self.partners[self.fresh as usize..].copy_from_slice(partners);
        }
        self.end();
        Ok(())
    }

    /// Memory held, in bytes, about.
    pub(super) fn bytes(&self) -> usize {
        let counts = self.counts.as_ref().map_or(0, |c| c.count.capacity() * 24 + c.slots.allocation_size());
        let times: usize = self.times.iter().map(|times| times.capacity() * 8).sum();
        let slots = (self.key.capacity() + self.next.capacity() + self.heads.capacity()) * 4;
        self.columns.bytes() + slots + times + (self.expiry.capacity() + self.partners.capacity()) * 8 + counts
    }

    fn append_expiry(&mut self, delta: &Delta) {
        let first = self.expiry.len();
        for (nth, Expiry { column, after_ms }) in self.shape.expiry.iter().enumerate() {
            let times = delta.batch().column(*column).as_primitive::<TimestampMillisecondType>();
            let expiry = |row: usize| match times.is_null(row) {
                true => i64::MIN,
                false => times.value(row).saturating_add(*after_ms),
            };
            match nth {
                0 => self.expiry.extend((0..delta.len()).map(expiry)),
                _ => self.expiry[first..].iter_mut().enumerate().for_each(|(row, e)| *e = (*e).min(expiry(row))),
            }
        }
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
