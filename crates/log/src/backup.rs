//! Copies a log, also while it is written: all blocks that are whole when it comes to the end, so at least those that were durable
//! when it began. Each is checked before it is copied. The tip is the last that the copy gets: one that has not become whole is refused.
//!
//! Bytes are copied and not linked: an opening or a repair writes into segments that are there, and a copy must not change with them.

use crate::Lsn;
use crate::block::Block;
use crate::disk::{Disk, DiskFile};
use crate::error::{Error, io_error};
use crate::segment::{SPARE, name_of, segments};
use crate::survey::{steadily, survey};
use crate::tip::Tip;
use crate::walk::Walk;

/// What a copy holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Copied {
    /// Segments.
    pub segments: usize,
    /// Bytes of blocks and heads that were copied; the files are as long as those they are copies of.
    pub bytes: u64,
    /// Its first frame.
    pub first: Lsn,
    /// The number behind its last frame.
    pub end: Lsn,
}

/// Copies the log of `from` to `to`, which holds none or what an earlier copying has left. All of it is durable when this returns.
///
/// # Errors
/// Of both disks; [`Error::Damaged`] if the log is, [`Error::NoLog`] if there is none.
pub fn backup(from: &dyn Disk, to: &dyn Disk) -> Result<Copied, Error> {
    steadily(from, || copy(from, to), |_| false)
}

fn copy(from: &dyn Disk, to: &dyn Disk) -> Result<Copied, Error> {
    for first in segments(to)? {
        let name = name_of(first);
        to.remove(&name).map_err(io_error("removing", &name))?;
    }
    let mut copying = Copying { to, open: None, segments: 0, bytes: 0 };
    let mut failed = None;
    let found = survey(from, true, &mut |walk, block| {
        if failed.is_none() {
            failed = copying.take(walk, block).err();
        }
    })?;
    if let Some(error) = failed {
        return Err(error);
    }
    if let Some(damage) = found.damage {
        return Err(Error::Damaged(damage));
    }
    let Some(end) = found.end else { return Err(Error::NoLog) };
    // The last may have no block yet.
    copying.segment(&end)?;
    let last = copying.open.take();
    copying.close(last)?;
    to.sync().map_err(io_error("syncing", "the folder of the copy"))?;
    let incarnation = found.tip.map_or(0, |tip| tip.incarnation).max(end.head.incarnation);
    // Nobody closed it here, so opening the copy looks through it once more.
    let tip = Tip { lineage: end.head.lineage, incarnation, durable: end.lsn, clean: false };
    tip.write(to).map_err(|not| not.error())?;
    let first = found.segments.first().copied().unwrap_or_default();
    Ok(Copied { segments: copying.segments, bytes: copying.bytes, first: Lsn(first), end: Lsn(end.lsn) })
}

struct Copying<'a> {
    to: &'a dyn Disk,
    /// The segment that is being copied.
    open: Option<(u64, Box<dyn DiskFile>)>,
    segments: usize,
    bytes: u64,
}

impl Copying<'_> {
    /// Copies a block that a walk has just read.
    fn take(&mut self, walk: &Walk, block: &Block) -> Result<(), Error> {
        let file = self.segment(walk)?;
        file.write_at(&walk.block, walk.offset - block.size() as u64).map_err(io_error("writing", &walk.name))?;
        self.bytes += block.size() as u64;
        Ok(())
    }

    /// The copy of a segment, begun if it is not there.
    fn segment(&mut self, walk: &Walk) -> Result<&dyn DiskFile, Error> {
        let first = walk.head.first;
        let open = match self.open.take() {
            Some(open) if open.0 == first => open,
            before => {
                self.close(before)?;
                let file = self.to.create(SPARE, walk.length).map_err(io_error("making", &walk.name))?;
                let page = walk.head.page();
                file.write_at(&page, 0).map_err(io_error("writing", &walk.name))?;
                (self.segments, self.bytes) = (self.segments + 1, self.bytes + page.len() as u64);
                (first, file)
            }
        };
        Ok(&*self.open.insert(open).1)
    }

    /// Makes a segment durable, which gets its name then: so what has one is whole.
    fn close(&self, open: Option<(u64, Box<dyn DiskFile>)>) -> Result<(), Error> {
        let Some((first, file)) = open else { return Ok(()) };
        let name = name_of(first);
        file.sync().map_err(io_error("syncing", &name))?;
        self.to.rename(SPARE, &name).map_err(io_error("naming", &name))
    }
}
