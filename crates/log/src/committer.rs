//! The thread that writes: it takes all that waits, writes it, syncs, and says so. While it does, more gathers, which is the
//! next run: the slower the disk, the larger the runs.

use std::time::Duration;

use crate::Lsn;
use crate::error::Error;
use crate::options::{Options, SyncMode};
use crate::run::Run;
use crate::shared::{Room, Shared};
use crate::writer::{Stopped, Writer};

/// A tip that would tell of fewer bytes than this, and than an eighth of a segment, waits for so many intervals: a log that hardly grows
/// hardly syncs.
const QUIET_BYTES: u64 = 1 << 20;
const QUIET: u32 = 60;

/// How long a full disk is left alone.
const RETRY: Duration = Duration::from_millis(100);

/// Writes until the log is closed or fails.
pub(crate) fn commit(shared: &Shared, writer: Writer) {
    let mut panicked = Panicked(Some(shared));
    let mut committer = Committer::new(shared, writer);
    let outcome = committer.run();
    panicked.0 = None;
    shared.end(outcome.err());
}

/// Tells those who wait, should this thread panic.
struct Panicked<'a>(Option<&'a Shared>);

impl Drop for Panicked<'_> {
    fn drop(&mut self) {
        if let Some(shared) = self.0 {
            shared.end(Some(Error::Panicked));
        }
    }
}

struct Committer<'a> {
    shared: &'a Shared,
    writer: Writer,
    run: Run,
    /// There was no room for another segment.
    full: bool,
    synced_ms: i64,
    tipped_ms: i64,
    /// Bytes that were written since the tip was.
    untold: u64,
}

impl<'a> Committer<'a> {
    fn new(shared: &'a Shared, writer: Writer) -> Self {
        let now = (shared.options.now_ms)();
        let full = writer.spare.is_none();
        Committer { shared, writer, run: Run::default(), full, synced_ms: now, tipped_ms: now, untold: 0 }
    }

    fn run(&mut self) -> Result<(), Error> {
        loop {
            let tip = self.tip();
            let pause = self.pause(tip);
            let (stop, over) = self.shared.take(&mut self.run, pause);
            if self.shared.failed().is_some() {
                return Ok(());
            }
            self.write()?;
            let due = match self.shared.options.sync {
                SyncMode::Commit => true,
                SyncMode::Every(each) => over || self.wait_for(self.synced_ms, each).is_zero(),
                SyncMode::Os => false,
            };
            if due || stop {
                self.sync()?;
            }
            self.release();
            self.prepare()?;
            if stop {
                // What was appended before the log was told to end has been taken with it.
                return self.mark(true);
            }
            // The clock may stand still.
            if over && tip.is_some() && tip == pause || self.tip().is_some_and(|left| left.is_zero()) {
                self.mark(false)?;
            }
        }
    }

    /// How long it is until the tip is to be written, if it has something to tell.
    fn tip(&self) -> Option<Duration> {
        let Options { tip_every, segment_bytes, .. } = self.shared.options;
        let quiet = self.untold < QUIET_BYTES.min(segment_bytes / 8);
        let each = if quiet { tip_every.saturating_mul(QUIET) } else { tip_every };
        (self.writer.synced > self.writer.tip.durable).then(|| self.wait_for(self.tipped_ms, each))
    }

    /// How long there is nothing to do unless somebody appends.
    fn pause(&self, tip: Option<Duration>) -> Option<Duration> {
        let options = &self.shared.options;
        let sync = match options.sync {
            SyncMode::Every(each) if self.writer.synced < self.writer.written => {
                Some(self.wait_for(self.synced_ms, each))
            }
            _ => None,
        };
        let spare = self.full.then_some(RETRY);
        [tip, sync, spare].into_iter().flatten().min()
    }

    /// What is left of `each` since a moment. A clock that went back is no reason to wait longer.
    fn wait_for(&self, since_ms: i64, each: Duration) -> Duration {
        match u64::try_from((self.shared.options.now_ms)().saturating_sub(since_ms)) {
            Ok(passed) => each.saturating_sub(Duration::from_millis(passed)),
            Err(_) => Duration::ZERO,
        }
    }

    fn write(&mut self) -> Result<(), Error> {
        loop {
            match self.writer.write(&mut self.run) {
                Ok(()) => break,
                Err(Stopped::Failed(error)) => return Err(error),
                Err(Stopped::Full) => {}
            }
            // No room even for what was taken, though it was promised: say so, and try until there is some.
            self.shared.room(Room { left: 0, spare: false, full: true }, false);
            if self.shared.options.sync != SyncMode::Os {
                self.sync()?;
            }
            self.release();
            if self.shared.pause(RETRY) {
                let from = self.run.first().unwrap_or(self.writer.written);
                self.sync()?;
                self.release();
                return Err(Error::ClosedFull { from: Lsn(from) });
            }
        }
        self.untold += self.run.size() as u64;
        self.run.clear();
        self.shared.room(self.room(), true);
        Ok(())
    }

    fn sync(&mut self) -> Result<(), Error> {
        self.synced_ms = (self.shared.options.now_ms)();
        self.writer.sync()
    }

    fn release(&self) {
        let durable = match self.shared.options.sync {
            SyncMode::Os => self.writer.written,
            SyncMode::Commit | SyncMode::Every(_) => self.writer.synced,
        };
        self.shared.release(durable);
    }

    fn prepare(&mut self) -> Result<(), Error> {
        if self.writer.spare.is_some() && !self.full {
            return Ok(());
        }
        self.full = match self.writer.prepare() {
            Ok(()) => false,
            Err(Stopped::Full) => true,
            Err(Stopped::Failed(error)) => return Err(error),
        };
        self.shared.room(self.room(), true);
        Ok(())
    }

    fn mark(&mut self, clean: bool) -> Result<(), Error> {
        (self.tipped_ms, self.untold) = ((self.shared.options.now_ms)(), 0);
        self.writer.mark(clean)?;
        self.shared.set_tip(self.writer.tip.durable);
        Ok(())
    }

    fn room(&self) -> Room {
        Room { left: self.writer.left(), spare: self.writer.spare.is_some(), full: self.full }
    }
}
