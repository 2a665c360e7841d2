//! When sessions are to be looked at again: places of the slab by time, in slots of a grain.
//!
//! A time is rounded up to its slot, so nothing comes up early, and at most a grain late.

use std::collections::BTreeMap;

/// Places by the time they are due.
#[derive(Debug)]
pub(super) struct Due {
    /// Length of a slot, in ms.
    grain: i64,
    slots: BTreeMap<i64, Vec<u32>>,
}

impl Due {
    /// Nothing is due yet. `grain` is at least 1 ms.
    pub(super) fn new(grain: i64) -> Due {
        Due { grain, slots: BTreeMap::new() }
    }

    /// Looks at `place` again when it is `time`.
    pub(super) fn push(&mut self, time: i64, place: u32) {
        let over = time.rem_euclid(self.grain);
        let slot = if over == 0 { time } else { time.saturating_add(self.grain - over) };
        self.slots.entry(slot).or_default().push(place);
    }

    /// Memory held, in bytes, about.
    pub(super) fn bytes(&self) -> usize {
        self.slots.values().map(|places| places.capacity() * 4 + size_of::<(i64, Vec<u32>)>()).sum()
    }

    /// The earliest slot.
    pub(super) fn first(&self) -> Option<i64> {
        self.slots.keys().next().copied()
    }

    /// The places of the earliest slot, if it is not after `time`.
    pub(super) fn pop(&mut self, time: i64) -> Option<Vec<u32>> {
        self.slots.first_entry().filter(|slot| *slot.key() <= time).map(|slot| slot.remove())
    }
}
