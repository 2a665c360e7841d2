//! When messages are due, and how late their answers came: counted from when a message was due, not from when it could be
//! sent, so that a server that stalls cannot hide it (no coordinated omission). Times in seconds since the beginning.

use std::time::{Duration, Instant};

/// Messages at a rate, or one after another as fast as they go.
#[derive(Clone, Copy)]
pub struct Pace {
    begun: Instant,
    /// Seconds from one message to the next; 0 is none.
    pub interval: f64,
    /// When the first is due.
    offset: f64,
}

impl Pace {
    /// `per_second` messages; `None` is as many as possible.
    pub fn new(begun: Instant, per_second: Option<f64>, offset: f64) -> Pace {
        Pace { begun, interval: per_second.map_or(0.0, f64::recip), offset }
    }

    pub fn now(&self) -> f64 {
        self.begun.elapsed().as_secs_f64()
    }

    /// Waits until a message is due; answers when that was.
    pub fn due(&self, message: u64) -> f64 {
        if self.interval == 0.0 {
            return self.now();
        }
        let due = self.offset + message as f64 * self.interval;
        let wait = due - self.now();
        if wait > 0.0 {
            std::thread::sleep(Duration::from_secs_f64(wait));
        }
        due
    }
}

/// How long things took.
#[derive(Clone, Debug, Default)]
pub struct Took(pub Vec<f32>);

impl Took {
    pub fn seconds(&mut self, seconds: f64) {
        self.0.push(seconds as f32);
    }

    /// Milliseconds that a share of all took at most; NaN of nothing.
    pub fn ms(&mut self, share: f64) -> f64 {
        if self.0.is_empty() {
            return f64::NAN;
        }
        let at = ((self.0.len() as f64 * share).ceil() as usize).clamp(1, self.0.len()) - 1;
        let (_, found, _) = self.0.select_nth_unstable_by(at, f32::total_cmp);
        f64::from(*found) * 1e3
    }
}

/// The middle of some figures.
pub fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}
