//! Reads frames in order, over segments, one block in memory at a time. Of a log that is being written it shows what is
//! durable and no more; told that there is nothing yet, it goes on where it was when asked again.

use std::sync::Arc;

use crate::Lsn;
use crate::block::{BLOCK_HEADER, frame_at};
use crate::disk::Disk;
use crate::error::Error;
use crate::past::Past;
use crate::segment::segments;
use crate::shared::Shared;
use crate::walk::Walk;

/// A frame, in the memory of its reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Its number.
    pub lsn: Lsn,
    /// What whoever appended it says it is.
    pub kind: u8,
    /// Its bytes.
    pub bytes: &'a [u8],
}

/// Reads from a frame on.
pub struct Reader {
    disk: Arc<dyn Disk>,
    until: Until,
    walk: Option<Walk>,
    /// The number of the next frame.
    next: u64,
    /// Where it stands in the block, and how many are left there.
    at: usize,
    left: u32,
}

enum Until {
    Durable(Arc<Shared>),
    End(u64),
}

impl Reader {
    /// Reads a log from a frame on, up to where it ends now, also beside whoever writes it.
    ///
    /// # Errors
    /// As [`Past::open`](crate::Past::open), and [`Error::Removed`].
    pub fn open(disk: Arc<dyn Disk>, from: Lsn) -> Result<Reader, Error> {
        Past::open(disk)?.reader(from)
    }

    pub(crate) fn up_to(disk: Arc<dyn Disk>, end: Lsn, from: Lsn) -> Result<Reader, Error> {
        Reader::until(disk, Until::End(end.0), from)
    }

    pub(crate) fn live(disk: Arc<dyn Disk>, shared: Arc<Shared>, from: Lsn) -> Result<Reader, Error> {
        Reader::until(disk, Until::Durable(shared), from)
    }

    fn until(disk: Arc<dyn Disk>, until: Until, from: Lsn) -> Result<Reader, Error> {
        let first = segments(&*disk)?.first().copied().unwrap_or_default();
        if from.0 < first {
            return Err(Error::Removed { asked: from, first: Lsn(first) });
        }
        Ok(Reader { disk, until, walk: None, next: from.0, at: 0, left: 0 })
    }

    /// The number of the frame that is read next.
    pub fn next_lsn(&self) -> Lsn {
        Lsn(self.next)
    }

    /// The next frame, or nothing if no more is durable.
    ///
    /// # Errors
    /// [`Error::Damaged`] where the log is, [`Error::Removed`] if the frame was taken away meanwhile.
    pub fn read(&mut self) -> Result<Option<Frame<'_>>, Error> {
        if self.left == 0 && !self.next_block()? {
            return Ok(None);
        }
        let Some(walk) = &self.walk else { return Ok(None) };
        let Some((kind, range)) = frame_at(&walk.block, self.at) else {
            return Err(Error::Damaged(walk.damage("a frame reaches beyond the block before this place")));
        };
        let lsn = Lsn(self.next);
        (self.next, self.at, self.left) = (self.next + 1, range.end, self.left - 1);
        Ok(Some(Frame { lsn, kind, bytes: &walk.block[range] }))
    }

    /// Reads the block that holds the next frame, if that is durable.
    fn next_block(&mut self) -> Result<bool, Error> {
        let end = match &self.until {
            Until::Durable(shared) => shared.durable(),
            Until::End(end) => *end,
        };
        if self.next >= end {
            return Ok(false);
        }
        let mut walk = match self.walk.take() {
            Some(walk) => walk,
            None => self.seek()?,
        };
        let block = loop {
            match walk.next()? {
                Some(block) => break block,
                None => walk = self.following(&walk)?,
            }
        };
        (self.at, self.left) = (BLOCK_HEADER, block.frames);
        let skipped = self.next.saturating_sub(block.lsn);
        for _ in 0..skipped {
            if let Some((_, range)) = frame_at(&walk.block, self.at) {
                (self.at, self.left) = (range.end, self.left.saturating_sub(1));
            }
        }
        if block.lsn > self.next || self.left == 0 {
            return Err(Error::Damaged(walk.damage(format!("frame {} is not before this place", self.next))));
        }
        self.walk = Some(walk);
        Ok(true)
    }

    fn seek(&self) -> Result<Walk, Error> {
        let order = segments(&*self.disk)?;
        let Some(first) = order.iter().rfind(|first| **first <= self.next) else {
            return Err(self.removed(&order));
        };
        let mut walk = self.open_segment(*first)?;
        walk.skip_to(self.next)?;
        Ok(walk)
    }

    /// The segment behind the end of one.
    fn following(&self, walk: &Walk) -> Result<Walk, Error> {
        let order = segments(&*self.disk)?;
        if order.contains(&walk.lsn) && walk.lsn > walk.head.first {
            let next = self.open_segment(walk.lsn)?;
            if next.previous == walk.previous && next.head.lineage == walk.head.lineage {
                return Ok(next);
            }
            return Err(Error::Damaged(next.damage("the segment does not go on where the one before ends")));
        }
        if order.first().is_some_and(|first| *first > self.next) {
            return Err(self.removed(&order));
        }
        Err(Error::Damaged(walk.damage("no whole block stands here, but frames behind it were durable")))
    }

    fn open_segment(&self, first: u64) -> Result<Walk, Error> {
        match Walk::open(&*self.disk, first) {
            Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
                Err(self.removed(&segments(&*self.disk)?))
            }
            opened => opened,
        }
    }

    fn removed(&self, order: &[u64]) -> Error {
        Error::Removed { asked: Lsn(self.next), first: Lsn(order.first().copied().unwrap_or_default()) }
    }
}
