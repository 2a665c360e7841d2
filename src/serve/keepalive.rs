//! Signs of life of a WebSocket's client. A client that is silent is sent a ping, and one that does not answer is gone.
//!
//! A ping stands behind all that was sent before it, megabytes of which may lie in the kernels on the way, and a client that
//! takes them slowly is there all the same. So pings go along with what is sent, at every [`ASK_BYTES`], and until the last
//! of those is answered a client has the time besides that so many bytes may take by the limit `rate`.

use std::time::Duration;

use super::limits::{Limit, Limits};
use super::paced::Pace;
use highwater_core::time::Clock;

/// Bytes between two pings that go along.
const ASK_BYTES: usize = 128 << 10;

/// Of one client.
#[derive(Debug)]
pub(super) struct Keepalive {
    /// How long it may be silent, half of it before it is asked.
    pub(super) idle: Duration,
    pace: Pace,
    /// Bytes that were sent since it was heard, and since it was last asked.
    unheard: usize,
    unasked: usize,
    /// When it last lived or was asked.
    since: Clock,
    /// It was silent, and was asked why.
    asked: bool,
}

impl Keepalive {
    pub(super) fn new(limits: &Limits) -> Keepalive {
        let (idle, pace) = (limits.time(Limit::Idle), Pace::of_answers(limits));
        Keepalive { idle, pace, unheard: 0, unasked: 0, since: Clock::start(), asked: false }
    }

    /// It is sent so many bytes; true if a ping is to go along.
    pub(super) fn sends(&mut self, bytes: usize) -> bool {
        self.unheard += bytes;
        self.unasked += bytes;
        let due = self.unasked >= ASK_BYTES;
        if due {
            self.unasked = 0;
        }
        due
    }

    /// It said something, or took what it was slow to take.
    pub(super) fn lives(&mut self) {
        (self.unheard, self.since, self.asked) = (0, Clock::start(), false);
    }

    /// How long to wait for the next sign, from now.
    pub(super) fn left(&self) -> Duration {
        self.patience().saturating_sub(self.since.elapsed())
    }

    fn patience(&self) -> Duration {
        let slow = self.pace.at_least(self.unheard.min(ASK_BYTES) as u64);
        self.idle / 2 + if self.asked { slow } else { Duration::ZERO }
    }

    /// None came for that long: true if it is to be asked, false if it is gone.
    pub(super) fn silent(&mut self) -> bool {
        self.since = Clock::start();
        !std::mem::replace(&mut self.asked, true)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_client_has_the_time_that_what_lies_before_a_ping_may_take() {
        let mut keepalive = Keepalive::new(&"idle=10s,rate=64KiB".parse().unwrap());
        let seconds = Duration::from_secs;
        assert_eq!(keepalive.patience(), seconds(5));
        assert!(
            keepalive.silent() && keepalive.patience() == seconds(5) && !keepalive.silent(),
            "nothing lies before it"
        );
        keepalive.lives();
        assert!(
            !keepalive.sends(64 << 10) && keepalive.sends(64 << 10) && !keepalive.sends(100),
            "a ping at every so many"
        );
        assert_eq!(keepalive.patience(), seconds(5), "before it is asked");
        assert!(keepalive.silent());
        assert_eq!(keepalive.patience(), seconds(7));
        keepalive.lives();
        assert!(keepalive.silent() && keepalive.patience() == seconds(5) && !keepalive.silent());
    }
}
