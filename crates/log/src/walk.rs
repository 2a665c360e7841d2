//! From block to block through one segment. Readers, the recovery and the inspection all walk this way, so they agree on what
//! a block is. One block is held at a time.

use crate::Lsn;
use crate::block::{Block, PAGE, Place};
use crate::disk::{Disk, DiskFile};
use crate::error::{Damage, Error, io_error};
use crate::segment::{SegmentHead, name_of};

/// A place in a segment, before which all blocks are whole and linked.
pub(crate) struct Walk {
    file: Box<dyn DiskFile>,
    pub(crate) name: String,
    pub(crate) head: SegmentHead,
    /// Bytes of the file.
    pub(crate) length: u64,
    /// Where the next block stands.
    pub(crate) offset: u64,
    /// The number of its first frame.
    pub(crate) lsn: u64,
    /// The checksum of the block before.
    pub(crate) previous: u32,
    /// The block that was read last.
    pub(crate) block: Vec<u8>,
}

impl Walk {
    /// At the first block of the segment that begins with a frame.
    pub(crate) fn open(disk: &dyn Disk, first: u64) -> Result<Walk, Error> {
        let name = name_of(first);
        let file = disk.open(&name).map_err(io_error("opening", &name))?;
        let length = file.length().map_err(io_error("opening", &name))?;
        let head = SegmentHead::read(&*file, &name)?;
        let (lsn, previous) = (head.first, head.previous);
        Ok(Walk { file, name, head, length, offset: PAGE as u64, lsn, previous, block: Vec::new() })
    }

    /// Reads the next block into [`Walk::block`], or stays where it is if there is no whole block that goes on here.
    pub(crate) fn next(&mut self) -> Result<Option<Block>, Error> {
        let Some(block) = self.block_at(self.offset)? else { return Ok(None) };
        if block.lsn != self.lsn || block.previous != self.previous {
            return Ok(None);
        }
        self.pass(&block);
        Ok(Some(block))
    }

    fn pass(&mut self, block: &Block) {
        self.offset += block.size() as u64;
        self.lsn = block.end();
        self.previous = block.crc;
    }

    /// Passes over the blocks before the one that holds a frame, by their heads alone. What they hold is not checked, but a
    /// head that does not go on where the one before ended stops it.
    pub(crate) fn skip_to(&mut self, lsn: u64) -> Result<(), Error> {
        while self.lsn < lsn {
            let Some(block) = self.head_at(self.offset)? else { return Ok(()) };
            let goes_on = block.lsn == self.lsn && block.previous == self.previous;
            if !goes_on || block.end() > lsn {
                return Ok(());
            }
            self.pass(&block);
        }
        Ok(())
    }

    /// A whole block at a multiple of 4 KiB, whatever it is linked to.
    fn block_at(&mut self, offset: u64) -> Result<Option<Block>, Error> {
        let Some(block) = self.head_at(offset)? else { return Ok(None) };
        let size = block.size();
        if size > PAGE {
            self.block.resize(size, 0);
            let rest = &mut self.block[PAGE..];
            self.file.read_at(rest, offset + PAGE as u64).map_err(io_error("reading", &self.name))?;
        }
        let place = Place { lineage: self.head.lineage, segment: self.head.first, offset };
        Ok(block.holds(&self.block, place).then_some(block))
    }

    /// What may be the head of a block that fits into the file; its page is in [`Walk::block`].
    fn head_at(&mut self, offset: u64) -> Result<Option<Block>, Error> {
        self.block.clear();
        if offset + PAGE as u64 > self.length {
            return Ok(None);
        }
        self.block.resize(PAGE, 0);
        self.file.read_at(&mut self.block, offset).map_err(io_error("reading", &self.name))?;
        let fits = |block: &Block| offset + block.size() as u64 <= self.length;
        Ok(Block::read(&self.block).filter(fits))
    }

    /// The whole blocks behind this place, wherever they begin.
    pub(crate) fn beyond(&mut self, visit: &mut dyn FnMut(&Block, u64)) -> Result<(), Error> {
        let mut offset = self.offset + PAGE as u64;
        while offset < self.length {
            match self.block_at(offset)? {
                Some(block) => {
                    visit(&block, offset);
                    offset += block.size() as u64;
                }
                None => offset += PAGE as u64,
            }
        }
        Ok(())
    }

    /// Whether nothing but zeros stands at this place.
    pub(crate) fn blank(&mut self) -> Result<bool, Error> {
        self.head_at(self.offset)?;
        Ok(self.block.iter().all(|byte| *byte == 0))
    }

    /// Damage at this place.
    pub(crate) fn damage(&self, why: impl Into<String>) -> Damage {
        Damage { file: self.name.clone(), offset: self.offset, lsn: Lsn(self.lsn), why: why.into() }
    }

    pub(crate) fn file(&self) -> &dyn DiskFile {
        &*self.file
    }

    pub(crate) fn into_file(self) -> Box<dyn DiskFile> {
        self.file
    }
}
