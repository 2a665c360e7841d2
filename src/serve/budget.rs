//! Bytes that many clients hold together: of bodies that come, of answers that are on their way. Who wants more than there is
//! room for is refused, whoever holds it.
//!
//! The last quarter is for those who hold little: large bodies of some do not shut out the small ones of all others.

use std::sync::Arc;

use prometheus_client::metrics::gauge::Gauge;

/// Who holds no more than this may take of the last quarter.
const LITTLE: usize = 64 << 10;

/// Room for bytes.
#[derive(Clone, Debug)]
pub(super) struct Budget(Arc<Room>);

#[derive(Debug)]
struct Room {
    /// How many are held, as `/metrics` shows it.
    held: Gauge,
    capacity: i64,
}

/// Bytes that are held until this is dropped.
#[derive(Debug)]
pub(super) struct Held {
    room: Arc<Room>,
    bytes: usize,
}

impl Budget {
    /// Of so many bytes; the gauges show what is held of how much.
    pub(super) fn new(capacity: usize, held: &Gauge, shown: &Gauge) -> Budget {
        let capacity = i64::try_from(capacity).unwrap_or(i64::MAX);
        shown.set(capacity);
        Budget(Arc::new(Room { held: held.clone(), capacity }))
    }

    /// Nothing yet.
    pub(super) fn none(&self) -> Held {
        Held { room: self.0.clone(), bytes: 0 }
    }

    /// So many, if there is room.
    pub(super) fn take(&self, bytes: usize) -> Option<Held> {
        let mut held = self.none();
        held.grow(bytes).then_some(held)
    }

    /// So many, whether there is room or not: of what is there already.
    pub(super) fn owe(&self, bytes: usize) -> Held {
        self.0.held.inc_by(i64::try_from(bytes).unwrap_or(i64::MAX));
        Held { room: self.0.clone(), bytes }
    }

    /// Whether three quarters are taken.
    pub(super) fn tight(&self) -> bool {
        self.0.held.get() > self.0.capacity / 4 * 3
    }
}

impl Held {
    /// How many.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// So many more, if there is room.
    pub(super) fn grow(&mut self, bytes: usize) -> bool {
        let (more, Room { held, capacity }) = (i64::try_from(bytes).unwrap_or(i64::MAX), &*self.room);
        let room = if self.bytes + bytes <= LITTLE { *capacity } else { capacity / 4 * 3 };
        let fits = held.inc_by(more).saturating_add(more) <= room;
        if fits {
            self.bytes += bytes;
        } else {
            held.dec_by(more);
        }
        fits
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.room.held.dec_by(i64::try_from(self.bytes).unwrap_or(i64::MAX));
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_is_bounded_and_given_back() {
        let (gauge, shown) = (Gauge::default(), Gauge::default());
        let budget = Budget::new(1 << 20, &gauge, &shown);
        let mut large = budget.take(700 << 10).unwrap();
        assert!(!large.grow(100 << 10), "the last quarter is not for it");
        let small: Vec<Held> = std::iter::from_fn(|| budget.take(64 << 10)).collect();
        assert_eq!((small.len(), gauge.get(), shown.get()), (5, 1020 << 10, 1 << 20));
        assert!(budget.take(8 << 10).is_none() && budget.tight());
        drop(large);
        assert!(!budget.tight() && budget.take(300 << 10).is_some());
        drop(small);
        assert_eq!(gauge.get(), 0);
    }
}
