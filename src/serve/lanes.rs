//! Work that takes a while (decoding a long body, writing a large view), kept off the threads that serve everybody: so much of
//! a kind at a time, on threads whose other tasks go on elsewhere.

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::Semaphore;
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
pub(super) struct Lane(Semaphore);

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
        let [decoding, encoding] = widths().map(|width| Lane(Semaphore::new(width)));
        Lanes { decoding, encoding }
    }
}

impl Lane {
    /// Does it, once there is room; the caller's task waits, others do not.
    pub(super) async fn run<T>(&self, work: impl FnOnce() -> T) -> T {
        // It is never closed.
        let _turn = self.0.acquire().await;
        match Handle::try_current().map(|handle| handle.runtime_flavor()) {
            Ok(RuntimeFlavor::MultiThread) => block_in_place(work),
            _ => work(),
        }
    }
}
