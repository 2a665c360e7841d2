//! What waits for the disk: frames as the bytes of the blocks that they will be, in one piece of memory that is used again and
//! again. Appending copies once and allocates only while that memory grows; what is written is written as it lies here.

use std::ops::Range;

use crate::aligned::Aligned;
use crate::block::{BLOCK_HEADER, Block, FRAME_HEADER, Place, padded};

/// Blocks without their heads' checksums, one behind the other.
#[derive(Debug, Default)]
pub(crate) struct Run {
    bytes: Aligned,
    blocks: Vec<Span>,
    /// How many of the blocks are on the disk.
    written: usize,
}

#[derive(Debug)]
struct Span {
    start: usize,
    /// Behind the last frame, before the zeros.
    end: usize,
    lsn: u64,
    frames: u32,
}

impl Run {
    pub(crate) fn is_empty(&self) -> bool {
        self.blocks.len() == self.written
    }

    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.blocks.clear();
        self.written = 0;
    }

    /// Bytes on the disk of all that is here.
    pub(crate) fn size(&self) -> usize {
        padded(self.bytes.len())
    }

    /// Whether a frame goes into the last block, and bytes on the disk of all with it.
    fn with(&self, frame: usize, block_bytes: usize) -> (bool, usize) {
        let joins = self.blocks.last().is_some_and(|last| last.end - last.start + frame <= block_bytes);
        let head = if joins { self.bytes.len() } else { padded(self.bytes.len()) + BLOCK_HEADER };
        (joins, padded(head + frame))
    }

    /// [`Run::size`] with a frame of `bytes` more bytes.
    pub(crate) fn size_with(&self, bytes: usize, block_bytes: usize) -> usize {
        self.with(FRAME_HEADER + bytes, block_bytes).1
    }

    /// Takes a frame in; `length` is that of all `parts`.
    pub(crate) fn push(&mut self, kind: u8, parts: &[&[u8]], length: usize, lsn: u64, block_bytes: usize) {
        if !self.with(FRAME_HEADER + length, block_bytes).0 {
            let start = padded(self.bytes.len());
            self.bytes.fill(start + BLOCK_HEADER);
            self.blocks.push(Span { start, end: start + BLOCK_HEADER, lsn, frames: 0 });
        }
        self.bytes.push(kind);
        self.bytes.extend(&u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes());
        for part in parts {
            self.bytes.extend(part);
        }
        if let Some(last) = self.blocks.last_mut() {
            last.end = self.bytes.len();
            last.frames += 1;
        }
    }

    /// How many of the blocks that are not written fit into `room` bytes, one behind the other.
    pub(crate) fn fitting(&self, room: u64) -> usize {
        let Some(first) = self.blocks.get(self.written) else { return 0 };
        let fits = |span: &&Span| (padded(span.end) - first.start) as u64 <= room;
        self.blocks[self.written..].iter().take_while(fits).count()
    }

    /// Heads for the next `count` blocks, the first of which stands at `place`: their bytes, the checksum of the last and the
    /// number behind its frames.
    pub(crate) fn seal(&mut self, count: usize, place: Place, synced: u64, previous: u32) -> (&[u8], u32, u64) {
        let all = self.size();
        self.bytes.fill(all);
        let range: Range<usize> = self.written..self.written + count;
        let start = self.blocks.get(self.written).map_or(all, |span| span.start);
        let (mut chain, mut end, mut behind) = (previous, start, 0);
        for span in &self.blocks[range] {
            let offset = place.offset + (span.start - start) as u64;
            let length = u32::try_from(span.end - span.start - BLOCK_HEADER).unwrap_or(u32::MAX);
            let head = Block { crc: 0, length, frames: span.frames, lsn: span.lsn, synced, previous: chain };
            end = padded(span.end);
            chain = head.seal(&mut self.bytes[span.start..end], Place { offset, ..place });
            behind = head.end();
        }
        (&self.bytes[start..end], chain, behind)
    }

    /// The next `count` blocks are on the disk.
    pub(crate) fn wrote(&mut self, count: usize) {
        self.written += count;
    }

    /// The first frame that is not written.
    pub(crate) fn first(&self) -> Option<u64> {
        self.blocks.get(self.written).map(|span| span.lsn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::block::PAGE;

    #[test]
    fn its_size_is_told_before_and_memory_is_used_again() {
        let mut run = Run::default();
        for round in 0..3 {
            for (lsn, length) in [10_usize, 5000, 4040, 1, 0, 9000].into_iter().enumerate() {
                let told = run.size_with(length, PAGE);
                run.push(1, &[&vec![7; length]], length, lsn as u64, PAGE);
                assert_eq!(run.size(), told, "round {round}, {length} bytes");
            }
            // 10 | 5000 | 4040, 1, 0: all of 4096 bytes | 9000
            assert_eq!(run.blocks.len(), 4);
            assert_eq!(run.fitting(3 * PAGE as u64), 2);
            assert_eq!(run.fitting(run.size() as u64), 4);
            run.clear();
            assert!(run.is_empty());
        }
    }
}
