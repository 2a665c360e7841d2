//! How often rows are there, in inputs that take rows back: equal rows have one slot.

use arrow_array::ArrayRef;
use hashbrown::HashTable;

use super::side::NONE;
use crate::delta::Delta;
use crate::delta::words::{hash_rows, hash_word};
use crate::kept::{Compared, Kept};

/// How often rows are there.
#[derive(Debug, Default)]
pub(super) struct Counts {
    /// Per slot.
    of: Vec<Count>,
    /// Per slot, of the whole row.
    hash: Vec<u32>,
    /// The slots of rows that are there, with their hashes.
    slots: HashTable<(u32, u32)>,
}

/// How often a row is there.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    /// With this epoch's change.
    now: i64,
    /// Of this epoch.
    change: i64,
}

/// What the table of rows takes for a hash.
#[inline]
fn spread(hash: u32) -> u64 {
    hash_word(u64::from(hash))
}

impl Counts {
    /// How often a row is there, with this epoch's change.
    #[inline]
    pub(super) fn now(&self, slot: u32) -> i64 {
        self.of[slot as usize].now
    }

    /// By how much this epoch changes that.
    #[inline]
    pub(super) fn change(&self, slot: u32) -> i64 {
        self.of[slot as usize].change
    }

    /// Whether the row is not there any more, and was not when the epoch began.
    #[inline]
    pub(super) fn is_gone(&self, slot: u32) -> bool {
        let Count { now, change } = self.of[slot as usize];
        now == 0 && change == 0
    }

    /// Counts rows, whose columns are in form; answers those that are not kept yet. Those get the next slots, in this order.
    /// The slots whose number changes are added to `changed`, some maybe twice.
    pub(super) fn take_in(
        &mut self,
        kept: &Kept,
        columns: &[ArrayRef],
        delta: &Delta,
        changed: &mut Vec<u32>,
    ) -> Vec<u32> {
        let Counts { of, hash, slots } = self;
        let hashes: Vec<u32> = hash_rows(columns, delta.len()).into_iter().map(|hash| (hash >> 32) as u32).collect();
        let (first, mut new, compared) = (kept.len(), Vec::new(), Compared::new(columns.to_vec()));
        // The first row of a hash is mostly the one. All are looked up, then compared column by column: none waits for another.
        let look_up = |&here: &u32| slots.find(spread(here), |entry| entry.0 == here).map(|entry| entry.1);
        let found: Vec<Option<u32>> = hashes.iter().map(look_up).collect();
        let with_rows = found.iter().zip(0..).filter_map(|(&slot, row)| Some((slot?, row)));
        let (likely, rows): (Vec<u32>, Vec<u32>) = with_rows.unzip();
        let mut equal = kept.equal_rows(&likely, &compared, &rows).into_iter();
        for (row, (&here, found)) in hashes.iter().zip(found).enumerate() {
            let slot = found.filter(|_| equal.next() == Some(true)).unwrap_or_else(|| {
                let same = |&(hash, slot): &(u32, u32)| {
                    let stands = |slot: u32| match (slot as usize).checked_sub(first) {
                        None => kept.equal(slot, &compared, row),
                        Some(place) => compared.equal(new[place] as usize, &compared, row),
                    };
                    hash == here && stands(slot)
                };
                if let Some(&(_, slot)) = slots.find(spread(here), same) {
                    return slot;
                }
                let slot = (first + new.len()) as u32;
                new.push(row as u32);
                hash.push(here);
                of.push(Count::default());
                slots.insert_unique(spread(here), (here, slot), |&(hash, _)| spread(hash));
                slot
            });
            let (count, diff) = (&mut of[slot as usize], delta.diff(row));
            if count.change == 0 {
                // Twice, if it went back to zero in between.
                changed.push(slot);
            }
            count.now += diff;
            count.change += diff;
        }
        new
    }

    /// Ends an epoch, in which these slots changed and those from `fresh` on came; answers those of rows that are not there.
    pub(super) fn end(&mut self, fresh: u32, changed: &[u32]) -> Vec<u32> {
        let Counts { of, hash, slots } = self;
        // A row that came and went within the epoch never changed, but stands in the table.
        let mut gone: Vec<u32> = (fresh..of.len() as u32).filter(|&slot| of[slot as usize].change == 0).collect();
        gone.extend(changed.iter().filter(|slot| of[**slot as usize].now == 0));
        for &slot in &gone {
            if let Ok(entry) = slots.find_entry(spread(hash[slot as usize]), |&(_, other)| other == slot) {
                entry.remove();
            }
        }
        changed.iter().for_each(|&slot| of[slot as usize].change = 0);
        gone
    }

    /// Only these slots, in this order, which are the new numbers.
    pub(super) fn retain(&mut self, slots: &[u32]) {
        let mut place = vec![NONE; self.of.len()];
        slots.iter().zip(0..).for_each(|(&slot, new)| place[slot as usize] = new);
        self.slots.retain(|(_, slot)| {
            *slot = place[*slot as usize];
            *slot != NONE
        });
        if self.slots.capacity() > slots.len() * 4 {
            self.slots.shrink_to(slots.len() * 2, |&(hash, _)| spread(hash));
        }
        self.of = slots.iter().map(|&slot| self.of[slot as usize]).collect();
        self.hash = slots.iter().map(|&slot| self.hash[slot as usize]).collect();
    }

    /// Memory held, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.of.capacity() * size_of::<Count>() + self.hash.capacity() * 4 + self.slots.allocation_size()
    }
}
