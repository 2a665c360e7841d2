//! A block: what is written, checked and read as a whole. It begins at a multiple of 4 KiB of its segment and is filled up
//! with zeros to one, so that no write of a later block touches a page that an earlier one stands on. It holds whole frames:
//! one that is longer than a block has a block as long as it is, so no frame is ever seen in part.
//!
//! The checksum covers all of it, zeros included, and besides what is not written: the lineage, the segment and the offset. So a
//! block of another log, or one that landed in another place, or bytes within a frame that look like a block, are not taken for one.

use crc32fast::Hasher;

/// The unit of alignment.
pub(crate) const PAGE: usize = 4096;
/// Bytes before the frames.
pub(crate) const BLOCK_HEADER: usize = 40;
/// Bytes before those of a frame: kind and length.
pub(crate) const FRAME_HEADER: usize = 5;

const MAGIC: &[u8; 4] = b"HWLB";

/// The head of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Block {
    /// The checksum; the next block repeats it.
    pub(crate) crc: u32,
    /// Bytes of frames.
    pub(crate) length: u32,
    /// How many there are.
    pub(crate) frames: u32,
    /// The number of the first.
    pub(crate) lsn: u64,
    /// All frames before this one were synced when the block was written. So if a block before it is bad, it tells whether
    /// that was never whole on the disk or was damaged later.
    pub(crate) synced: u64,
    /// The checksum of the block before, in its segment or the one before.
    pub(crate) previous: u32,
}

/// Where a block stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) lineage: u128,
    /// The first frame of the segment.
    pub(crate) segment: u64,
    pub(crate) offset: u64,
}

/// `bytes` filled up to whole pages.
pub(crate) fn padded(bytes: usize) -> usize {
    bytes.next_multiple_of(PAGE)
}

impl Block {
    /// Bytes on the disk.
    pub(crate) fn size(&self) -> usize {
        padded(BLOCK_HEADER + self.length as usize)
    }

    /// The number behind the last frame.
    pub(crate) fn end(&self) -> u64 {
        self.lsn.saturating_add(u64::from(self.frames))
    }

    /// The head that stands at the beginning of `bytes`, if it can be one. Nothing is checked yet.
    pub(crate) fn read(bytes: &[u8]) -> Option<Block> {
        if bytes.get(..4)? != MAGIC {
            return None;
        }
        let block = Block {
            crc: read_u32(bytes, 4)?,
            length: read_u32(bytes, 8)?,
            frames: read_u32(bytes, 12)?,
            lsn: read_u64(bytes, 16)?,
            synced: read_u64(bytes, 24)?,
            previous: read_u32(bytes, 32)?,
        };
        (block.frames > 0 && block.length as usize >= FRAME_HEADER).then_some(block)
    }

    /// Whether `bytes`, all of the block, are as they were written there.
    pub(crate) fn holds(&self, bytes: &[u8], place: Place) -> bool {
        bytes.len() == self.size() && checksum(bytes, place) == Some(self.crc) && self.frames_fit(bytes)
    }

    fn frames_fit(&self, bytes: &[u8]) -> bool {
        let mut at = BLOCK_HEADER;
        for _ in 0..self.frames {
            let Some((_, range)) = frame_at(bytes, at) else { return false };
            at = range.end;
        }
        at == BLOCK_HEADER + self.length as usize
    }

    /// Writes the head into `bytes`, which hold the frames behind it and zeros behind those; the checksum.
    pub(crate) fn seal(mut self, bytes: &mut [u8], place: Place) -> u32 {
        let Some((head, _)) = bytes.split_at_mut_checked(BLOCK_HEADER) else { return 0 };
        head[..4].copy_from_slice(MAGIC);
        head[8..12].copy_from_slice(&self.length.to_le_bytes());
        head[12..16].copy_from_slice(&self.frames.to_le_bytes());
        head[16..24].copy_from_slice(&self.lsn.to_le_bytes());
        head[24..32].copy_from_slice(&self.synced.to_le_bytes());
        head[32..36].copy_from_slice(&self.previous.to_le_bytes());
        head[36..40].fill(0);
        self.crc = checksum(bytes, place).unwrap_or_default();
        bytes[4..8].copy_from_slice(&self.crc.to_le_bytes());
        self.crc
    }
}

fn checksum(block: &[u8], place: Place) -> Option<u32> {
    let mut hasher = Hasher::new();
    hasher.update(&place.lineage.to_le_bytes());
    hasher.update(&place.segment.to_le_bytes());
    hasher.update(&place.offset.to_le_bytes());
    hasher.update(block.get(8..)?);
    Some(hasher.finalize())
}

/// The frame at a byte of a block: its kind and where its bytes are.
pub(crate) fn frame_at(block: &[u8], at: usize) -> Option<(u8, std::ops::Range<usize>)> {
    let kind = *block.get(at)?;
    let start = at + FRAME_HEADER;
    let end = start.checked_add(read_u32(block, at + 1)? as usize)?;
    (end <= block.len()).then_some((kind, start..end))
}

pub(crate) fn read_u32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

pub(crate) fn read_u64(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

pub(crate) fn u128_at(bytes: &[u8], at: usize) -> Option<u128> {
    Some(u128::from_le_bytes(bytes.get(at..at + 16)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: Place = Place { lineage: 9, segment: 0, offset: 4096 };

    fn block() -> Vec<u8> {
        let mut bytes = vec![0; PAGE];
        bytes[BLOCK_HEADER..BLOCK_HEADER + 8].copy_from_slice(&[3, 3, 0, 0, 0, b'a', b'b', b'c']);
        let head = Block { crc: 0, length: 8, frames: 1, lsn: 5, synced: 4, previous: 7 };
        head.seal(&mut bytes, PLACE);
        bytes
    }

    #[test]
    fn a_sealed_block_is_read_back_and_every_flip_of_it_is_seen() {
        let mut bytes = block();
        let head = Block::read(&bytes).unwrap();
        assert_eq!((head.length, head.frames, head.lsn, head.synced, head.previous), (8, 1, 5, 4, 7));
        assert!(head.holds(&bytes, PLACE));
        for bit in 0..bytes.len() * 8 {
            bytes[bit / 8] ^= 1 << (bit % 8);
            let seen = Block::read(&bytes);
            assert!(!seen.is_some_and(|head| head.holds(&bytes, PLACE)), "bit {bit}");
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
    }

    #[test]
    fn a_block_holds_in_its_own_place_only() {
        let bytes = block();
        let head = Block::read(&bytes).unwrap();
        for place in [Place { lineage: 8, ..PLACE }, Place { segment: 1, ..PLACE }, Place { offset: 8192, ..PLACE }] {
            assert!(!head.holds(&bytes, place));
        }
    }
}
