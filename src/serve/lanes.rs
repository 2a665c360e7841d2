//! Work that takes a while (decoding a long body, writing a large view), kept off the threads that serve everybody: so much of
//! a kind at a time, on threads whose other tasks go on elsewhere.
//!
//! Where work finds no memory beside others', it is done again with none beside it ([`Lane::in_turn`]): two that have room for one
//! would otherwise both be refused, and so would all that come after them.

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::{RwLock, Semaphore};
use tokio::task::block_in_place;

/// The lanes, by what is done there.
#[derive(Debug)]
pub(super) struct Lanes {
    /// What clients send.
    pub(super) decoding: Lane,
    /// What they ask for.
    pub(super) encoding: Lane,
}

/// So much at a time.
#[derive(Debug)]
pub(super) struct Lane {
    places: Semaphore,
    /// Read by those who work beside others.
    alone: RwLock<()>,
}

/// Threads beside the lanes' for what is waited for: the end of a run, files that are read anew, alerts.
const BESIDE: usize = 4;

/// How many threads the server's runtime has need of beside its workers. It should have no more: each keeps memory of its
/// own at hand, and when processors are short tokio begins a thread for almost every call that takes a while, and keeps them.
pub fn threads() -> usize {
    let [decoding, encoding] = widths();
    decoding + encoding + BESIDE
}

/// How much is done at a time of what clients send, and of what they ask for.
fn widths() -> [usize; 2] {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    [cores, 2 * cores]
}

impl Lanes {
    pub(super) fn new() -> Lanes {
        let [decoding, encoding] = widths().map(Lane::new);
        Lanes { decoding, encoding }
    }
}

impl Lane {
    fn new(width: usize) -> Lane {
        Lane { places: Semaphore::new(width), alone: RwLock::default() }
    }

    /// Does it beside others. What then had no room is done again alone, as soon as those that came before it are done: who comes
    /// later waits for it.
    pub(super) async fn in_turn<T>(&self, mut work: impl FnMut() -> T, had_no_room: impl Fn(&T) -> bool) -> T {
        {
            let _beside = self.alone.read().await;
            let done = self.run(&mut work).await;
            if !had_no_room(&done) {
                return done;
            }
        }
        let _alone = self.alone.write().await;
        self.run(work).await
    }

    /// Does it, once there is room; the caller's task waits, others do not.
    pub(super) async fn run<T>(&self, work: impl FnOnce() -> T) -> T {
        // It is never closed.
        let _turn = self.places.acquire().await;
        match Handle::try_current().map(|handle| handle.runtime_flavor()) {
            Ok(RuntimeFlavor::MultiThread) => block_in_place(work),
            _ => work(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use tokio::task::JoinSet;

    use super::*;

    /// Each of twelve wants more than half of what there is: all are done, none of them beside another.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn what_has_no_room_beside_others_is_done_alone_and_in_turn() {
        let (lane, held) = (Arc::new(Lane::new(2)), Arc::new(AtomicUsize::new(0)));
        let mut all = JoinSet::new();
        for _ in 0..12 {
            let (lane, held) = (lane.clone(), held.clone());
            all.spawn(async move {
                let work = || {
                    let fits = held.fetch_add(60, Ordering::Relaxed) + 60 <= 100;
                    std::thread::sleep(Duration::from_millis(5));
                    held.fetch_sub(60, Ordering::Relaxed);
                    fits
                };
                lane.in_turn(work, |fits| !fits).await
            });
        }
        assert_eq!(all.join_all().await, [true; 12]);
    }
}
