//! The queue between a source's ingest threads and one worker: bounded in rows and bytes, one lock a batch.
//!
//! Who pushes rows waits while the queue is full; progress never waits and is merged with what waits already, so a queue
//! holds at most one move per partition behind the last rows. An item larger than the bounds goes in alone.
//!
//! Rows show when their epoch ends: the worker is woken for a move, an end, a full queue, or a good many rows, not for each
//! of the few that a client pushes at a time.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use timely::scheduling::SyncActivator;

use crate::delta::{Delta, memory};
use crate::time::{Clock, Epoch};

/// What a source tells a worker. `partition` is an index among the partitions of the process.
#[derive(Debug)]
pub(super) enum Item {
    /// Rows at an epoch not before the partition's last move.
    Rows { epoch: Epoch, partition: usize, delta: Delta },
    /// The partition has moved: no more rows of it before `epoch`.
    Advance { partition: usize, epoch: Epoch },
    /// The partition has ended.
    End { partition: usize },
}

/// The queue was closed: the engine stops.
#[derive(Debug)]
pub(super) struct Closed;

/// As many rows are worth waking the worker for before their epoch ends.
const WAKE_ROWS: usize = 2048;

#[derive(Default)]
struct Waiting {
    items: VecDeque<Item>,
    rows: usize,
    bytes: usize,
    closed: bool,
    worker: Option<SyncActivator>,
    /// The worker was woken and has not come yet, or was told that there is more.
    woken: bool,
}

impl Waiting {
    fn wake(&mut self) {
        if let Some(worker) = self.worker.as_ref().filter(|_| !self.woken) {
            // A worker that is gone needs no waking.
            let _ = worker.activate();
            self.woken = true;
        }
    }
}

/// A bounded queue.
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    space: Condvar,
    max_rows: usize,
    max_bytes: usize,
}

impl std::fmt::Debug for Queue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Queue").field("rows", &self.rows()).finish_non_exhaustive()
    }
}

fn bytes(delta: &Delta) -> usize {
    memory(delta.batch())
}

impl Queue {
    pub(super) fn new(max_rows: usize, max_bytes: usize) -> Queue {
        Queue { waiting: Mutex::default(), space: Condvar::new(), max_rows, max_bytes }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts rows in; waits while there is no room. Answers for how long it waited.
    pub(super) fn push_rows(&self, partition: usize, epoch: Epoch, delta: Delta) -> Result<Duration, Closed> {
        let (rows, size) = (delta.len(), bytes(&delta));
        let full = |waiting: &Waiting| {
            waiting.rows > 0 && (waiting.rows + rows > self.max_rows || waiting.bytes + size > self.max_bytes)
        };
        let mut waiting = self.lock();
        let mut waited = Duration::ZERO;
        if full(&waiting) {
            waiting.wake();
            let start = Clock::start();
            while full(&waiting) && !waiting.closed {
                waiting = self.space.wait(waiting).unwrap_or_else(PoisonError::into_inner);
            }
            waited = start.elapsed();
        }
        if waiting.closed {
            return Err(Closed);
        }
        waiting.rows += rows;
        waiting.bytes += size;
        self.add(waiting, Item::Rows { epoch, partition, delta });
        Ok(waited)
    }

    /// Tells of a move; never waits.
    pub(super) fn advance(&self, partition: usize, epoch: Epoch) {
        let mut waiting = self.lock();
        for item in waiting.items.iter_mut().rev() {
            match item {
                Item::Advance { partition: same, epoch: later } if *same == partition => {
                    *later = epoch;
                    return;
                }
                Item::Rows { .. } => break,
                _ => {}
            }
        }
        self.add(waiting, Item::Advance { partition, epoch });
    }

    /// Tells that a partition has ended; never waits.
    pub(super) fn end(&self, partition: usize) {
        let waiting = self.lock();
        self.add(waiting, Item::End { partition });
    }

    fn add(&self, mut waiting: MutexGuard<'_, Waiting>, item: Item) {
        let may_wait = matches!(item, Item::Rows { .. }) && waiting.rows < WAKE_ROWS;
        waiting.items.push_back(item);
        if !may_wait {
            waiting.wake();
        }
    }

    /// Wakes the worker for what waits: there is no room for more.
    pub(super) fn wake(&self) {
        let mut waiting = self.lock();
        if !waiting.items.is_empty() {
            waiting.wake();
        }
    }

    /// Takes items until they hold `max_rows` rows; whether there are more.
    pub(super) fn take(&self, max_rows: usize, out: &mut Vec<Item>) -> bool {
        let mut waiting = self.lock();
        let mut rows = 0;
        let mut size = 0;
        while rows < max_rows {
            let Some(item) = waiting.items.pop_front() else { break };
            if let Item::Rows { delta, .. } = &item {
                rows += delta.len();
                size += bytes(delta);
            }
            out.push(item);
        }
        waiting.rows -= rows;
        waiting.bytes = waiting.bytes.saturating_sub(size);
        let more = !waiting.items.is_empty();
        waiting.woken = more;
        drop(waiting);
        if rows > 0 {
            self.space.notify_all();
        }
        more
    }

    /// Who is to be woken when something comes.
    pub(super) fn set_worker(&self, worker: SyncActivator) {
        self.lock().worker = Some(worker);
    }

    /// Rows waiting.
    pub(super) fn rows(&self) -> usize {
        self.lock().rows
    }

    /// Rows and bytes waiting.
    pub(super) fn filled(&self) -> (usize, usize) {
        let waiting = self.lock();
        (waiting.rows, waiting.bytes)
    }

    /// How many rows may wait.
    pub(super) fn capacity(&self) -> usize {
        self.max_rows
    }

    /// Nobody reads any more: whoever waits, and whoever comes, is told so.
    pub(super) fn close(&self) {
        let mut waiting = self.lock();
        waiting.closed = true;
        waiting.items.clear();
        waiting.rows = 0;
        waiting.bytes = 0;
        drop(waiting);
        self.space.notify_all();
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{Int64Array, RecordBatch};
    use arrow_schema::{DataType, Field, Schema};

    use super::*;

    fn delta(rows: i64) -> Delta {
        let schema = Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, false)]));
        let column = Int64Array::from_iter_values(0..rows);
        Delta::insert(RecordBatch::try_new(schema, vec![Arc::new(column)]).unwrap())
    }

    #[test]
    fn rows_wait_for_room_and_none_is_lost() {
        let queue = Arc::new(Queue::new(10, usize::MAX));
        let pusher = {
            let queue = queue.clone();
            std::thread::spawn(move || {
                (0..100).map(|n| queue.push_rows(0, Epoch::at(n), delta(4)).unwrap()).sum::<Duration>()
            })
        };
        let (mut seen, mut items) = (Vec::new(), Vec::new());
        while seen.len() < 100 {
            std::thread::sleep(Duration::from_micros(100));
            assert!(queue.rows() <= 10);
            queue.take(8, &mut items);
            seen.extend(items.drain(..).map(|item| match item {
                Item::Rows { epoch, .. } => epoch.watermark,
                other => panic!("{other:?}"),
            }));
        }
        assert_eq!(seen, (0..100).collect::<Vec<_>>());
        assert!(pusher.join().unwrap() > Duration::ZERO, "it must have waited");
    }

    #[test]
    fn moves_are_merged_but_not_across_rows() {
        let queue = Queue::new(10, usize::MAX);
        let mut items = Vec::new();
        for time in 0..50 {
            queue.advance(0, Epoch::at(time));
            queue.advance(1, Epoch::at(time));
        }
        queue.push_rows(0, Epoch::at(49), delta(1)).unwrap();
        queue.advance(0, Epoch::at(60));
        queue.end(0);
        assert!(!queue.take(100, &mut items));
        assert_eq!(items.len(), 5);
        assert!(matches!(items[0], Item::Advance { partition: 0, epoch: Epoch { watermark: 49, .. } }));
        assert!(matches!(items[3], Item::Advance { partition: 0, epoch: Epoch { watermark: 60, .. } }));
    }

    #[test]
    fn closing_frees_who_waits() {
        let queue = Arc::new(Queue::new(1, usize::MAX));
        queue.push_rows(0, Epoch::MIN, delta(5)).unwrap();
        let waiter = {
            let queue = queue.clone();
            std::thread::spawn(move || queue.push_rows(0, Epoch::MIN, delta(1)).is_err())
        };
        std::thread::sleep(Duration::from_millis(20));
        queue.close();
        assert!(waiter.join().unwrap());
    }
}
