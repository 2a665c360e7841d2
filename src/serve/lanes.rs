//! Work that takes a while (decoding a long body, writing a large view), kept off the threads that serve everybody: so much of
//! a kind at a time, on threads whose other tasks go on elsewhere.

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::Semaphore;
use tokio::task::block_in_place;

/// The lanes, by what is done there.
#[derive(Debug)]
pub(super) struct Lanes {
    /// What clients send.
    pub(super) taking: Lane,
    /// What they ask for.
    pub(super) telling: Lane,
}

/// So much at a time.
#[derive(Debug)]
pub(super) struct Lane(Semaphore);

impl Lanes {
    pub(super) fn new() -> Lanes {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let lane = |width| Lane(Semaphore::new(width));
        Lanes { taking: lane(cores), telling: lane(2 * cores) }
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
