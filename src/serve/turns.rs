//! Long writes take turns. Those who take as fast as they are sent to, each of them many megabytes, would keep all threads of the
//! server busy, and whoever asks for little would wait behind all of them; so at most all threads but one write long
//! pieces at a time, and everybody else finds a thread.
//!
//! Every now and then whoever writes also gives way to what else waits for a processor: where these are few, the thread that somebody
//! else's request has woken would wait for the whole of this one's slice, some ms.
//!
//! First come, first served, a write each: those who take at once share what there is, and those who take nothing are not waited
//! for, and do not queue: two of them would hand the turn to each other for ever.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use tokio::runtime::Handle;
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};

use super::packed::PIECE;

/// Turns of all connections.
#[derive(Clone, Debug)]
pub(super) struct Turns {
    room: Arc<Semaphore>,
    writes: Arc<AtomicUsize>,
}

/// After how many writes, about half a ms, the processor is given up.
const GIVE_WAY: usize = 8;

/// Those of one connection.
pub(super) struct Turn {
    turns: Turns,
    next: Option<Pin<Box<Wait>>>,
}

type Permit = OwnedSemaphorePermit;
type Wait = dyn Future<Output = Result<Permit, AcquireError>> + Send;

impl Turns {
    /// On the runtime that is entered.
    pub(super) fn new() -> Turns {
        let threads = Handle::try_current().map_or(1, |handle| handle.metrics().num_workers());
        let room = Arc::new(Semaphore::new(threads.saturating_sub(1).max(1)));
        Turns { room, writes: Arc::default() }
    }

    /// For a connection.
    pub(super) fn join(&self) -> Turn {
        Turn { turns: self.clone(), next: None }
    }
}

impl Turn {
    /// Something was written.
    pub(super) fn over(&self, permit: Option<Permit>) {
        if permit.is_some() && self.turns.writes.fetch_add(1, Ordering::Relaxed).is_multiple_of(GIVE_WAY) {
            drop(permit);
            std::thread::yield_now();
        }
    }

    /// Whoever has nothing to write now, or no room to write it to, queues no more.
    pub(super) fn leave(&mut self) {
        self.next = None;
    }

    /// Ready once so many bytes may be written; whoever writes does so while holding what is returned.
    pub(super) fn poll(&mut self, bytes: usize, context: &mut Context<'_>) -> Poll<Option<Permit>> {
        if bytes < PIECE {
            return Poll::Ready(None);
        }
        if self.next.is_none() {
            if let Ok(permit) = self.turns.room.clone().try_acquire_owned() {
                return Poll::Ready(Some(permit));
            }
            self.next = Some(Box::pin(self.turns.room.clone().acquire_owned()));
        }
        let Some(next) = &mut self.next else { return Poll::Ready(None) };
        // It is never closed.
        let permit = ready!(next.as_mut().poll(context)).ok();
        self.next = None;
        Poll::Ready(permit)
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    #[test]
    fn long_writes_take_turns_and_short_ones_do_not_wait() {
        let mut context = Context::from_waker(Waker::noop());
        let turns = Turns::new();
        let (mut first, mut second, mut third) = (turns.join(), turns.join(), turns.join());
        let writes = first.poll(PIECE, &mut context);
        assert!(matches!(writes, Poll::Ready(Some(_))));
        assert!(second.poll(PIECE, &mut context).is_pending() && third.poll(PIECE, &mut context).is_pending());
        assert!(matches!(second.poll(PIECE - 1, &mut context), Poll::Ready(None)));
        drop(writes);
        assert!(third.poll(PIECE, &mut context).is_pending() && first.poll(PIECE, &mut context).is_pending());
        // Who is gone is passed over.
        drop(second);
        assert!(matches!(third.poll(PIECE, &mut context), Poll::Ready(Some(_))));
        assert!(matches!(first.poll(PIECE, &mut context), Poll::Ready(Some(_))));
    }
}
