//! Bytes that many clients hold together: of bodies that come and of what becomes of them, of answers that are on their way. Who
//! wants more than there is room for is refused, whoever holds it.
//!
//! The last quarter is for those who hold little: large bodies of some do not shut out the small ones of all others. What bodies
//! become ([`Budget::work`]) has as much room beside them, so that those that wait do not hold up those that are decoded; they have half
//! of theirs for that. The first of the large bodies may have of the other half too: where many come at once and each lacks a little,
//! one goes on.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::metrics::gauge::Gauge;

/// Who holds no more than this may take of the last quarter.
const LITTLE: usize = 64 << 10;
/// Who makes no more than this of what it holds may, too.
const LITTLE_WORK: usize = 4 * LITTLE;

/// Room for bytes.
#[derive(Clone, Debug)]
pub(super) struct Budget(Arc<Room>);

#[derive(Debug)]
struct Room {
    /// How many are held, as `/metrics` shows it.
    shown: Gauge,
    held: Share,
    work: Share,
}

/// A part of it.
#[derive(Debug)]
struct Share {
    bytes: AtomicUsize,
    capacity: usize,
    /// How many of that those may have together who hold much.
    much: usize,
    /// Who holds no more has little.
    little: usize,
    /// Those who hold much, in the order in which they came, where the first of them goes on.
    first: Option<Mutex<Line>>,
}

/// Numbers of those who wait in line, and the next one.
#[derive(Debug, Default)]
struct Line {
    there: BTreeSet<u64>,
    next: u64,
}

impl Share {
    fn new(capacity: usize, much: usize, little: usize) -> Share {
        Share { bytes: AtomicUsize::new(0), capacity, much, little, first: None }
    }

    /// Whether who has that number, or is given one now, is the first of those who hold much.
    fn is_first(&self, number: &mut Option<u64>) -> bool {
        let Some(line) = &self.first else { return false };
        let mut line = line.lock().unwrap_or_else(PoisonError::into_inner);
        let number = *number.get_or_insert_with(|| {
            let next = line.next;
            line.next += 1;
            line.there.insert(next);
            next
        });
        line.there.first() == Some(&number)
    }

    fn leave(&self, number: Option<u64>) {
        if let (Some(line), Some(number)) = (&self.first, number) {
            line.lock().unwrap_or_else(PoisonError::into_inner).there.remove(&number);
        }
    }
}

/// Bytes that are held until this is dropped.
#[derive(Debug)]
pub(super) struct Held {
    room: Arc<Room>,
    bytes: usize,
    work: bool,
    /// Its number in the line of those who hold much.
    number: Option<u64>,
}

fn signed(bytes: usize) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

impl Budget {
    /// Of so many bytes; the gauges show what is held of how much.
    pub(super) fn new(capacity: usize, held: &Gauge, shown: &Gauge) -> Budget {
        Budget::of(Share::new(capacity, capacity / 4 * 3, LITTLE), held, shown)
    }

    /// The same, with room for what is made of what is held.
    pub(super) fn with_work(capacity: usize, held: &Gauge, shown: &Gauge) -> Budget {
        let first = Some(Mutex::default());
        Budget::of(Share { first, ..Share::new(capacity, capacity / 2, LITTLE) }, held, shown)
    }

    fn of(share: Share, held: &Gauge, shown: &Gauge) -> Budget {
        let work = Share::new(share.capacity, share.capacity / 4 * 3, LITTLE_WORK);
        // What is made of it has its room only where it is counted.
        let worked = if share.first.is_some() { work.capacity } else { 0 };
        shown.set(signed(share.capacity.saturating_add(worked)));
        Budget(Arc::new(Room { shown: held.clone(), held: share, work }))
    }

    /// Nothing yet.
    pub(super) fn none(&self) -> Held {
        Held { room: self.0.clone(), bytes: 0, work: false, number: None }
    }

    /// Nothing yet of what is made of something that is held.
    pub(super) fn work(&self) -> Held {
        let mut held = self.none();
        held.work = true;
        held
    }

    /// So many, if there is room.
    pub(super) fn take(&self, bytes: usize) -> Option<Held> {
        let mut held = self.none();
        held.grow(bytes).then_some(held)
    }

    /// So many, whether there is room or not: of what is there already.
    pub(super) fn owe(&self, bytes: usize) -> Held {
        let mut held = self.none();
        held.owe(bytes);
        held
    }

    /// Whether three quarters are taken.
    pub(super) fn tight(&self) -> bool {
        self.0.held.bytes.load(Ordering::Relaxed) > self.0.held.capacity / 4 * 3
    }

    /// More than this nobody can hold.
    pub(super) fn most(&self) -> usize {
        self.0.held.much
    }
}

impl Held {
    /// How many.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    fn share(&self) -> &Share {
        if self.work { &self.room.work } else { &self.room.held }
    }

    /// Whether so many more will never fit, whoever else holds what.
    pub(super) fn never(&self, bytes: usize) -> bool {
        self.bytes.saturating_add(bytes) > self.share().much
    }

    /// So many more, if there is room.
    pub(super) fn grow(&mut self, bytes: usize) -> bool {
        if self.never(bytes) {
            return false;
        }
        let mut number = self.number;
        let share = self.share();
        let all = self.bytes + bytes <= share.little || share.is_first(&mut number);
        let most = if all { share.capacity } else { share.much };
        let more = |held: usize| held.checked_add(bytes).filter(|held| *held <= most);
        let fits = share.bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok();
        self.number = number;
        if fits {
            self.room.shown.inc_by(signed(bytes));
            self.bytes += bytes;
        }
        fits
    }

    /// So many more, whether there is room or not.
    pub(super) fn owe(&mut self, bytes: usize) {
        self.share().bytes.fetch_add(bytes, Ordering::Relaxed);
        self.room.shown.inc_by(signed(bytes));
        self.bytes += bytes;
    }

    /// So many fewer.
    pub(super) fn shrink(&mut self, bytes: usize) {
        let bytes = bytes.min(self.bytes);
        self.share().bytes.fetch_sub(bytes, Ordering::Relaxed);
        self.room.shown.dec_by(signed(bytes));
        self.bytes -= bytes;
        if self.bytes == 0 {
            let number = self.number.take();
            self.share().leave(number);
        }
    }

    /// What another holds, too.
    pub(super) fn join(&mut self, mut other: Held) {
        self.owe(other.bytes);
        other.shrink(usize::MAX);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.shrink(usize::MAX);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const KIB: usize = 1 << 10;

    #[test]
    fn what_is_held_is_bounded_and_given_back() {
        let (gauge, shown) = (Gauge::default(), Gauge::default());
        let budget = Budget::new(1 << 20, &gauge, &shown);
        let mut large = budget.take(700 * KIB).unwrap();
        assert!(!large.grow(100 * KIB), "the last quarter is not for it");
        let small: Vec<Held> = std::iter::from_fn(|| budget.take(64 * KIB)).collect();
        assert_eq!((small.len(), gauge.get(), shown.get()), (5, 1020 << 10, 1 << 20));
        assert!(budget.take(8 * KIB).is_none() && budget.tight());
        drop(large);
        assert!(!budget.tight() && budget.take(300 * KIB).is_some());
        drop(small);
        assert_eq!(gauge.get(), 0);
    }

    #[test]
    fn what_is_made_does_not_wait_for_what_waits() {
        let gauge = Gauge::default();
        let budget = Budget::with_work(1 << 20, &gauge, &Gauge::default());
        let (mut waits, mut first, mut second) = (budget.none(), budget.work(), budget.work());
        assert!(waits.never(513 * KIB) && waits.grow(512 * KIB) && budget.take(100 * KIB).is_none());
        assert!(first.grow(700 * KIB) && !second.grow(300 * KIB), "three quarters are for both");
        assert!(second.grow(200 * KIB) && !first.grow(10 * KIB), "the last is for those of whom little is made");
        assert!(budget.take(60 * KIB).is_some() && first.never(100 * KIB) && !first.never(10 * KIB));
        second.shrink(200 * KIB);
        assert!(first.grow(10 * KIB));
        waits.join(budget.owe(300 * KIB));
        assert_eq!((waits.bytes(), gauge.get()), (812 * KIB, 1522 << 10));
        drop((waits, first, second));
        assert_eq!(gauge.get(), 0);
    }

    /// Twelve that come at once, each by a little at a time: in whatever order they ask, the first has all of its own.
    #[test]
    fn of_many_that_come_at_once_the_first_goes_on() {
        let gauge = Gauge::default();
        let budget = Budget::with_work(1 << 20, &gauge, &Gauge::default());
        let mut all: Vec<Option<Held>> = (0..12).map(|_| Some(budget.none())).collect();
        let mut whole = 0;
        while all.iter().any(Option::is_some) {
            for one in all.iter_mut().rev() {
                let Some(held) = one else { continue };
                // Who is refused leaves when all have asked.
                let refused = !held.grow(40 * KIB);
                assert!(gauge.get() <= 1 << 20, "{} bytes", gauge.get());
                if held.bytes() >= 480 * KIB {
                    whole += 1;
                    *one = None;
                } else if refused {
                    *one = None;
                }
            }
        }
        assert!(whole >= 1 && gauge.get() == 0, "{whole} were whole");
        // Those that ask together and are refused together are never all: the first is not among them.
        let (mut first, mut others) = (budget.none(), [budget.none(), budget.none(), budget.none()]);
        assert!(first.grow(100 * KIB) && others.iter_mut().all(|other| other.grow(130 * KIB)));
        assert!(others.iter_mut().all(|other| !other.grow(200 * KIB)) && first.grow(300 * KIB));
        drop(first);
        // Then the next one is.
        assert!(!others[1].grow(350 * KIB) && others[0].grow(350 * KIB));
    }
}
