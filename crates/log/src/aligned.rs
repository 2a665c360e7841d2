//! Memory that begins at a page, as a disk takes it directly.

use std::ops::{Deref, DerefMut};

use crate::block::PAGE;

/// Bytes, the first of which stands at a multiple of [`PAGE`] in memory.
#[derive(Debug, Default)]
pub(crate) struct Aligned {
    memory: Vec<u8>,
    /// Bytes before the first.
    skip: usize,
}

impl Aligned {
    /// Forgets the bytes and keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.memory.truncate(self.skip);
    }

    /// Adds a byte.
    pub(crate) fn push(&mut self, byte: u8) {
        self.extend(&[byte]);
    }

    /// Adds bytes.
    pub(crate) fn extend(&mut self, bytes: &[u8]) {
        self.reserve(bytes.len());
        self.memory.extend_from_slice(bytes);
    }

    /// Adds zeros, until there are so many bytes.
    pub(crate) fn fill(&mut self, length: usize) {
        self.reserve(length.saturating_sub(self.len()));
        self.memory.resize((self.skip + length).max(self.memory.len()), 0);
    }

    /// Room for so many more, so that what holds them never moves.
    fn reserve(&mut self, more: usize) {
        if self.memory.capacity() - self.memory.len() >= more && self.memory.capacity() > 0 {
            return;
        }
        let length = self.len();
        let mut memory = Vec::<u8>::with_capacity(PAGE + (length + more).max(2 * length));
        let skip = memory.as_ptr().align_offset(PAGE).min(PAGE);
        memory.resize(skip, 0);
        memory.extend_from_slice(self);
        (self.memory, self.skip) = (memory, skip);
    }
}

impl Deref for Aligned {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.memory.get(self.skip..).unwrap_or_default()
    }
}

impl DerefMut for Aligned {
    fn deref_mut(&mut self) -> &mut [u8] {
        self.memory.get_mut(self.skip..).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_begins_at_a_page_however_it_grows_and_keeps_its_memory() {
        let (mut bytes, mut plain) = (Aligned::default(), Vec::new());
        for round in 0..2 {
            for length in [0, 1, 5, 4096, 10_000, 70_001] {
                let piece: Vec<u8> = (0..length).map(|at| (at + round) as u8).collect();
                bytes.extend(&piece);
                bytes.push(7);
                plain.extend(piece);
                plain.push(7);
                bytes.fill(plain.len().next_multiple_of(PAGE));
                plain.resize(plain.len().next_multiple_of(PAGE), 0);
                assert_eq!((&bytes[..], bytes.as_ptr().align_offset(PAGE)), (&plain[..], 0), "{length}");
            }
            let memory = bytes.memory.capacity();
            bytes.clear();
            plain.clear();
            assert!(bytes.is_empty() && bytes.memory.capacity() == memory);
        }
    }
}
