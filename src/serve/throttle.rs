//! Requests a second of one address: a bucket each, which fills at the rate and holds a second's worth.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use highwater_core::time::Clock;

/// More addresses than this are not kept: those with full buckets go.
const KEPT: usize = 10_000;

/// The buckets.
#[derive(Debug)]
pub(super) struct Throttle {
    per_second: f64,
    clock: Clock,
    /// Requests left, and when that was, in seconds.
    buckets: Mutex<HashMap<IpAddr, (f64, f64), foldhash::fast::RandomState>>,
}

impl Throttle {
    /// `None` if any number of requests may come.
    pub(super) fn new(per_second: u64) -> Option<Throttle> {
        let throttle = || Throttle {
            per_second: per_second as f64,
            clock: Clock::start(),
            buckets: Mutex::new(HashMap::default()),
        };
        (per_second > 0).then(throttle)
    }

    /// Takes one request of an address, or says in how many seconds there is room.
    pub(super) fn take(&self, address: IpAddr) -> Result<(), u64> {
        self.take_at(address, self.clock.elapsed_seconds())
    }

    fn take_at(&self, address: IpAddr, now: f64) -> Result<(), u64> {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let left = |&(left, at): &(f64, f64)| (left + (now - at) * self.per_second).min(self.per_second);
        if buckets.len() >= KEPT && !buckets.contains_key(&address) {
            buckets.retain(|_, bucket| left(bucket) < self.per_second);
            if buckets.len() >= KEPT {
                return Err(1);
            }
        }
        let bucket = buckets.entry(address).or_insert((self.per_second, now));
        let have = left(bucket);
        *bucket = (have, now);
        if have < 1.0 {
            return Err((((1.0 - have) / self.per_second).ceil() as u64).max(1));
        }
        bucket.0 -= 1.0;
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_second_takes_its_number_and_no_more() {
        let throttle = Throttle::new(10).unwrap();
        let (a, b) = ([127, 0, 0, 1].into(), [127, 0, 0, 2].into());
        let taken = |at: f64| (0..100).filter(|_| throttle.take_at(a, at).is_ok()).count();
        assert_eq!([taken(0.0), taken(0.0), taken(0.5), taken(10.0)], [10, 0, 5, 10]);
        assert_eq!((throttle.take_at(a, 10.0), throttle.take_at(b, 10.0)), (Err(1), Ok(())));
        assert!(Throttle::new(0).is_none());
    }
}
