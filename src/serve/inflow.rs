//! What has come of a WebSocket message that is not complete: counted like a body, for frames and fragments need have no end.

use std::sync::{Mutex, OnceLock, PoisonError};

use super::budget::{Budget, Held};
use super::paced::Pace;
use highwater_core::time::Clock;

/// So much is every connection's own: what is read at once.
const OWN: usize = 128 << 10;

/// Of one connection; counts nothing until it is watched.
#[derive(Debug, Default)]
pub(super) struct Inflow(OnceLock<(Pace, Budget, Mutex<Unfinished>)>);

#[derive(Debug, Default)]
struct Unfinished {
    bytes: usize,
    /// Since its first byte came.
    since: Option<Clock>,
    held: Option<Held>,
}

impl Inflow {
    /// From now on messages come.
    pub(super) fn watch(&self, pace: Pace, bodies: &Budget) {
        drop(self.0.set((pace, bodies.clone(), Mutex::default())));
    }

    /// Bytes came; an error is the kind of refusal.
    pub(super) fn came(&self, bytes: usize) -> Result<(), &'static str> {
        let Some((pace, bodies, unfinished)) = self.0.get().filter(|_| bytes > 0) else { return Ok(()) };
        let mut unfinished = unfinished.lock().unwrap_or_else(PoisonError::into_inner);
        unfinished.bytes += bytes;
        let (bytes, took) = (unfinished.bytes, unfinished.since.get_or_insert_with(Clock::start).elapsed());
        if bytes > OWN {
            let held = unfinished.held.get_or_insert_with(|| bodies.none());
            let more = (bytes - OWN).saturating_sub(held.bytes());
            if !held.grow(more) {
                return Err("bodies");
            }
        }
        if pace.missed(bytes as u64, took) { Err("slow_body") } else { Ok(()) }
    }

    /// A message is complete: what it holds counts as long as what is returned is there.
    pub(super) fn whole(&self) -> Option<Held> {
        let (.., unfinished) = self.0.get()?;
        std::mem::take(&mut *unfinished.lock().unwrap_or_else(PoisonError::into_inner)).held
    }

    /// A ping or a pong came in between, with so much in it.
    pub(super) fn between(&self, payload: usize) {
        self.change(|unfinished| {
            // Its head and its mask.
            unfinished.bytes = unfinished.bytes.saturating_sub(payload + 6);
            if unfinished.bytes == 0 {
                *unfinished = Unfinished::default();
            }
        });
    }

    /// The server did not read for a while: that is not the client's fault.
    pub(super) fn excuse(&self) {
        self.change(|unfinished| unfinished.since = None);
    }

    fn change(&self, change: impl FnOnce(&mut Unfinished)) {
        if let Some((.., unfinished)) = self.0.get() {
            change(&mut unfinished.lock().unwrap_or_else(PoisonError::into_inner));
        }
    }
}
