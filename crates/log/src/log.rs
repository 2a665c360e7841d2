//! The log as its users hold it.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::thread::JoinHandle;

use crate::Lsn;
use crate::committer::commit;
use crate::disk::Disk;
use crate::error::{Error, Refused, io_error};
use crate::options::Options;
use crate::past::Past;
use crate::reader::Reader;
use crate::recovery::recover;
use crate::retention::Kept;
use crate::segment::{SegmentHead, name_of, segments};
use crate::shared::{Room, Shared};

/// What opening found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opened {
    /// The identity of the log.
    pub lineage: u128,
    /// How often it has been opened, this time included.
    pub incarnation: u64,
    /// The first frame that is kept.
    pub first: Lsn,
    /// The number of the next frame.
    pub end: Lsn,
    /// It had been closed in order, or is new.
    pub clean: bool,
    /// A block that was being written had not become whole, and was cut off.
    pub torn: bool,
}

/// A log that is open to be written.
///
/// 1. Frames are read back in the order of their numbers, and those of one thread in the order in which it appended them.
/// 2. What [`Log::durable`] has passed is there after any crash; what it has not is there wholly or not at all, and only if all
///    before it is.
/// 3. After a failed write or sync nothing more becomes durable, and every call says why; it is not tried again.
/// 4. A full disk refuses frames and loses none that was taken.
pub struct Log {
    shared: Arc<Shared>,
    disk: Arc<dyn Disk>,
    opened: Opened,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Log {
    /// Opens the log of a folder, or begins one.
    ///
    /// # Errors
    /// [`Error::Damaged`] where the log is not a whole prefix of what was durable (rule D9); errors of the disk.
    pub fn open(disk: Arc<dyn Disk>, options: Options) -> Result<Log, Error> {
        let found = recover(disk.clone(), options.clone())?;
        let writer = found.writer;
        let opened = Opened {
            lineage: writer.tip.lineage,
            incarnation: writer.tip.incarnation,
            first: Lsn(found.first),
            end: Lsn(writer.written),
            clean: found.clean,
            torn: found.torn,
        };
        let room = Room { left: writer.left(), spare: writer.spare.is_some(), full: writer.spare.is_none() };
        let shared = Arc::new(Shared::new(options, writer.written, room));
        let own = shared.clone();
        let thread = std::thread::Builder::new().name("log".to_owned()).spawn(move || commit(&own, writer));
        let thread = Mutex::new(Some(thread.map_err(io_error("starting a thread for", "the log"))?));
        Ok(Log { shared, disk, opened, thread })
    }

    /// What opening found.
    pub fn opened(&self) -> Opened {
        self.opened
    }

    /// Takes a frame, whose bytes are those of `parts` one behind the other, and gives it its number. It copies them, and
    /// waits for other appends at most, never for the disk.
    ///
    /// # Errors
    /// Says why the frame was not taken, and so what to do: wait, make room, split it.
    pub fn append(&self, kind: u8, parts: &[&[u8]]) -> Result<Lsn, Refused> {
        self.shared.append(kind, parts).map(Lsn)
    }

    /// Whether frames of so many bytes together would be taken now. Another thread may take the room before they come.
    ///
    /// # Errors
    /// Says why not, as [`Log::append`] would.
    pub fn has_room(&self, bytes: usize) -> Result<(), Refused> {
        self.shared.has_room(bytes)
    }

    /// All frames before this one are durable.
    pub fn durable(&self) -> Lsn {
        Lsn(self.shared.durable())
    }

    /// The number of the next frame.
    pub fn next(&self) -> Lsn {
        Lsn(self.shared.next())
    }

    /// Bytes that were appended and are not written.
    pub fn waiting_bytes(&self) -> usize {
        self.shared.waiting()
    }

    /// Whether the disk has no room for another segment, so that frames are refused once this one is full.
    pub fn disk_full(&self) -> bool {
        self.shared.disk_full()
    }

    /// Why the log has failed, if it has.
    pub fn failed(&self) -> Option<Arc<Error>> {
        self.shared.failed()
    }

    /// Waits until a frame is durable.
    ///
    /// # Errors
    /// It will not be: the log has failed or was closed.
    pub fn wait_durable(&self, lsn: Lsn) -> Result<(), Error> {
        self.shared.wait(lsn.0)
    }

    /// Is done when a frame is durable, as [`Log::wait_durable`] is. It needs no runtime: the log's thread wakes it.
    pub fn when_durable(&self, lsn: Lsn) -> WhenDurable {
        WhenDurable { shared: self.shared.clone(), lsn, id: 0 }
    }

    /// Reads frames from one on, as they become durable.
    ///
    /// # Errors
    /// [`Error::Removed`] if it is no longer kept.
    pub fn reader(&self, from: Lsn) -> Result<Reader, Error> {
        Reader::live(self.disk.clone(), self.shared.clone(), from)
    }

    /// What it held when it was opened.
    pub fn past(&self) -> Past {
        let Opened { lineage, first, end, .. } = self.opened;
        Past::of(self.disk.clone(), lineage, first, end)
    }

    /// The segments that are kept, oldest first, for [`keep_bytes`](crate::keep_bytes) and [`keep_age`](crate::keep_age).
    ///
    /// # Errors
    /// Of the disk, and damage of a segment's head.
    pub fn segments(&self) -> Result<Vec<Kept>, Error> {
        let kept = segments(&*self.disk)?.into_iter().map(|first| {
            let name = name_of(first);
            let file = self.disk.open(&name).map_err(io_error("opening", &name))?;
            let bytes = file.length().map_err(io_error("opening", &name))?;
            let head = SegmentHead::read(&*file, &name)?;
            Ok(Kept { first: Lsn(first), bytes, created_ms: head.created_ms })
        });
        kept.collect()
    }

    /// Takes away segments that hold nothing from `from` on; how many. Never the one that is written, and none that reaches
    /// beyond the tip, which is at most a second old.
    ///
    /// # Errors
    /// Of the disk. Should the folder not be synced, the log has failed.
    pub fn retain(&self, from: Lsn) -> Result<usize, Error> {
        let _alone = self.shared.retaining.lock().unwrap_or_else(PoisonError::into_inner);
        let from = from.0.min(self.shared.tip());
        let order = segments(&*self.disk)?;
        let passed: Vec<u64> = order.windows(2).take_while(|pair| pair[1] <= from).map(|pair| pair[0]).collect();
        for first in &passed {
            let name = name_of(*first);
            self.disk.remove(&name).map_err(io_error("removing", &name))?;
            // One after the other, so that no crash leaves an older one without the next.
            if let Err(error) = self.disk.sync() {
                return Err(self.shared.fail(io_error("syncing", "the folder of the log")(error)));
            }
        }
        Ok(passed.len())
    }

    /// Ends the log when all that was appended is durable, and marks that it was ended in order.
    ///
    /// # Errors
    /// It has failed, or the disk is full and not all was written.
    pub fn close(&self) -> Result<(), Error> {
        self.shared.stop();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // A panic of the thread was told by what it left.
            let _ = thread.join();
        }
        self.shared.failed().map_or(Ok(()), |cause| Err(Error::Failed(cause)))
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        // Who wants to know calls `close` before.
        let _ = self.close();
    }
}

/// See [`Log::when_durable`].
pub struct WhenDurable {
    shared: Arc<Shared>,
    lsn: Lsn,
    id: u64,
}

impl Future for WhenDurable {
    type Output = Result<(), Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        match this.shared.poll(this.lsn, &mut this.id, context.waker()) {
            Some(done) => Poll::Ready(done),
            None => Poll::Pending,
        }
    }
}

impl Drop for WhenDurable {
    fn drop(&mut self) {
        if self.id > 0 {
            self.shared.forget(self.lsn, self.id);
        }
    }
}
