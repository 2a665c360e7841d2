//! Event time, epochs and the one door to the wall clock.
//!
//! A time is milliseconds since 1970-01-01T00:00:00Z in an `i64`; arithmetic on times saturates, it never wraps.
//! Intervals are half-open. A *watermark* is always the exclusive frontier `W`: no accepted row with
//! `event_time < W - lateness` is still to come.

mod by_hand;
mod civil;
mod clock;
mod duration;
mod epoch;
mod operator;
mod pattern;
mod zone;

pub use by_hand::HandClock;
pub use civil::{Civil, DAY_MS, checked_plus_months_ms, iso_week, iso_weekday, plus_months_ms};
pub use clock::{Clock, now_ms};
pub use duration::{format_duration_ms, format_time_ms, parse_duration_ms};
pub use epoch::Epoch;
pub use operator::Unmoved;
pub use pattern::Pattern;
pub use zone::Zone;
