//! Writes runs of blocks, one after the other, into segments. What it promises its thread: blocks are only written behind
//! whole ones; a segment is begun when all before it is synced; a block that found no room is written later as if it had
//! found some; after a failed sync it is not called again.

use std::sync::Arc;

use crate::block::{PAGE, Place};
use crate::disk::{Disk, DiskFile, is_full};
use crate::error::{Error, io_error};
use crate::options::{Options, SyncMode};
use crate::run::Run;
use crate::segment::{SPARE, SegmentHead, name_of};
use crate::tip::{NotWritten, Tip};

/// Why it stopped.
pub(crate) enum Stopped {
    /// There is no room; it may go on where it stopped.
    Full,
    /// For good.
    Failed(Error),
}

pub(crate) struct Writer {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) options: Options,
    /// The last that was written.
    pub(crate) tip: Tip,
    /// The segment that is written.
    pub(crate) segment: Open,
    /// A file with room, to be the next one.
    pub(crate) spare: Option<Box<dyn DiskFile>>,
    /// The checksum of the last block.
    pub(crate) previous: u32,
    /// All frames before it are with the operating system.
    pub(crate) written: u64,
    /// All frames before it are durable.
    pub(crate) synced: u64,
}

pub(crate) struct Open {
    pub(crate) file: Box<dyn DiskFile>,
    pub(crate) first: u64,
    /// Where the next block goes.
    pub(crate) offset: u64,
    pub(crate) length: u64,
}

impl Writer {
    /// Bytes that are left in the segment.
    pub(crate) fn left(&self) -> u64 {
        self.segment.length.saturating_sub(self.segment.offset)
    }

    /// Writes what of `run` is not written.
    pub(crate) fn write(&mut self, run: &mut Run) -> Result<(), Stopped> {
        while !run.is_empty() {
            let count = run.fitting(self.left());
            if count == 0 {
                self.rotate()?;
                continue;
            }
            let Open { file, first, offset, .. } = &self.segment;
            let place = Place { lineage: self.tip.lineage, segment: *first, offset: *offset };
            let (bytes, previous, end) = run.seal(count, place, self.synced, self.previous);
            let length = bytes.len() as u64;
            let written = match self.options.sync {
                SyncMode::Commit => file.write_through(bytes, *offset),
                SyncMode::Every(_) | SyncMode::Os => file.write_at(bytes, *offset),
            };
            written.map_err(|error| stopped("writing", &name_of(*first), error))?;
            run.wrote(count);
            self.segment.offset += length;
            (self.previous, self.written) = (previous, end);
        }
        Ok(())
    }

    /// Makes durable what is written.
    pub(crate) fn sync(&mut self) -> Result<(), Error> {
        if self.synced < self.written {
            self.segment.file.sync().map_err(io_error("syncing", &name_of(self.segment.first)))?;
            self.synced = self.written;
        }
        Ok(())
    }

    /// Prepares the segment after this one, so that it is known now whether there is room for it.
    pub(crate) fn prepare(&mut self) -> Result<(), Stopped> {
        if self.spare.is_none() {
            let file = self.disk.create(SPARE, self.options.segment_bytes);
            self.spare = Some(file.map_err(|error| stopped("making", SPARE, error))?);
        }
        Ok(())
    }

    fn rotate(&mut self) -> Result<(), Stopped> {
        self.sync().map_err(Stopped::Failed)?;
        self.prepare()?;
        let Some(spare) = &self.spare else { return Err(Stopped::Full) };
        let (first, name) = (self.written, name_of(self.written));
        let head = SegmentHead {
            lineage: self.tip.lineage,
            incarnation: self.tip.incarnation,
            first,
            previous: self.previous,
            created_ms: (self.options.now_ms)(),
        };
        spare.write_at(&head.page(), 0).map_err(|error| stopped("writing", SPARE, error))?;
        spare.sync().map_err(|error| Stopped::Failed(io_error("syncing", SPARE)(error)))?;
        let length = spare.length().map_err(|error| stopped("reading", SPARE, error))?;
        self.disk.rename(SPARE, &name).map_err(|error| stopped("naming", &name, error))?;
        self.disk.sync().map_err(|error| Stopped::Failed(io_error("syncing", "the folder of the log")(error)))?;
        if let Some(file) = self.spare.take() {
            self.segment = Open { file, first, offset: PAGE as u64, length };
        }
        Ok(())
    }

    /// Says in the tip how far the log is durable. Without room for it the old one stays, which says less and nothing wrong.
    pub(crate) fn mark(&mut self, clean: bool) -> Result<(), Error> {
        let tip = Tip { durable: self.synced, clean, ..self.tip };
        match tip.write(&*self.disk) {
            Ok(()) => self.tip = tip,
            Err(NotWritten::Before(error)) if is_full(&error) => {}
            Err(failed) => return Err(failed.error()),
        }
        Ok(())
    }
}

fn stopped(doing: &'static str, file: &str, error: std::io::Error) -> Stopped {
    if is_full(&error) { Stopped::Full } else { Stopped::Failed(io_error(doing, file)(error)) }
}
