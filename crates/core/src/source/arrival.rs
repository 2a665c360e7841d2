//! The time of arrival (`PROCTIME()`): stamped once, at the edge, in the order in which the rows of a partition come.
//!
//! Invariants: the stamps of a partition never go back, so that a source whose event time they are has no late rows; how
//! operators get to know that time moves on is the frontier, as of any event time. By the clock all rows of a decoded batch
//! came at once; by a pace the stamp of a row depends on its place in the partition alone, so that a replay repeats. In ms.

use std::sync::Arc;

use arrow_array::{ArrayRef, TimestampMillisecondArray};

use crate::format::read_time;
use crate::options::{OptionError, Options};

/// By which clock rows are stamped as they arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrivals {
    /// The wall clock.
    Clock,
    /// A made-up one: so many rows of a partition arrive in a second, the first at the start (ms).
    Paced {
        /// When the first row arrives, in ms.
        start_ms: i64,
        /// Rows a second.
        rate: u64,
    },
}

impl Arrivals {
    /// What the options `arrival.rate` and `arrival.start` say.
    pub fn of(options: &Options) -> Result<Arrivals, OptionError> {
        let invalid = |name: &str, reason: &str| OptionError::Invalid {
            name: name.to_owned(),
            value: options.get(name).unwrap_or_default().to_owned(),
            reason: reason.to_owned(),
        };
        let rate = options.parse::<u64>("arrival.rate", "a number of rows a second")?;
        match (rate, options.get("arrival.start")) {
            (Some(0), _) => Err(invalid("arrival.rate", "write a number of rows a second, 1 or more")),
            (None, Some(_)) => Err(invalid("arrival.start", "'arrival.rate' is missing: name the rows a second")),
            (None, None) => Ok(Arrivals::Clock),
            (Some(rate), start) => {
                let start_ms = start.map_or(Some(0), read_time);
                let start_ms =
                    start_ms.ok_or_else(|| invalid("arrival.start", "write a time like 2026-01-01T00:00:00Z"))?;
                Ok(Arrivals::Paced { start_ms, rate })
            }
        }
    }

    /// The stamps of `rows` rows, the first of which is number `first` of its partition and none of which comes before
    /// `after`, where it is `now`.
    pub(super) fn stamps(self, first: u64, rows: usize, now: i64, after: i64) -> ArrayRef {
        Arc::new(TimestampMillisecondArray::from(match self {
            Arrivals::Clock => vec![now.max(after); rows],
            Arrivals::Paced { start_ms, rate } => {
                let at = |row: u64| (u128::from(row) * 1_000 / u128::from(rate)).try_into().unwrap_or(i64::MAX);
                (first..first + rows as u64).map(|row| start_ms.saturating_add(at(row)).max(after)).collect()
            }
        }))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use arrow_array::cast::AsArray;
    use arrow_array::types::TimestampMillisecondType;

    use super::*;

    fn options(pairs: &[(&str, &str)]) -> Options {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn stamps(arrivals: Arrivals, first: u64, rows: usize, now: i64, after: i64) -> Vec<i64> {
        arrivals.stamps(first, rows, now, after).as_primitive::<TimestampMillisecondType>().values().to_vec()
    }

    #[test]
    fn by_the_clock_rows_come_now_and_never_before_others() {
        assert_eq!(Arrivals::of(&options(&[])).unwrap(), Arrivals::Clock);
        assert_eq!(stamps(Arrivals::Clock, 7, 3, 100, i64::MIN), [100; 3]);
        assert_eq!(stamps(Arrivals::Clock, 10, 1, 90, 100), [100], "the clock was put back");
    }

    #[test]
    fn by_a_pace_they_come_as_their_place_says() {
        let paced =
            Arrivals::of(&options(&[("arrival.rate", "2000"), ("arrival.start", "1970-01-01T00:00:01Z")])).unwrap();
        assert_eq!(stamps(paced, 0, 5, 9_999, i64::MIN), [1_000, 1_000, 1_001, 1_001, 1_002]);
        assert_eq!(stamps(paced, 3, 2, 0, i64::MIN), [1_001, 1_002], "wherever batches are cut");
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for pairs in [
            &[("arrival.rate", "0")][..],
            &[("arrival.rate", "x")],
            &[("arrival.start", "2026-01-01")],
            &[("arrival.rate", "1"), ("arrival.start", "tomorrow")],
        ] {
            assert!(Arrivals::of(&options(pairs)).is_err(), "{pairs:?}");
        }
    }
}
