//! Keys that are byte strings, side by side in one arena; the table holds their hashes.
//!
//! Bytes of removed keys stay until they are more than half of the arena.

use hashbrown::HashTable;

use super::keys::Numbers;
use crate::delta::words::hash_bytes;

/// Where a key stands in the arena, and its hash.
#[derive(Clone, Copy, Debug, Default)]
struct Span {
    hash: u64,
    start: usize,
    length: usize,
}

/// Keys that are byte strings or NULL.
#[derive(Debug, Default)]
pub(super) struct ByteKeys {
    table: HashTable<(u64, u32)>,
    spans: Vec<Span>,
    arena: Vec<u8>,
    /// Bytes of the arena that no key uses.
    dead: usize,
    null: Option<u32>,
    numbers: Numbers,
}

impl ByteKeys {
    #[inline]
    pub(super) fn intern(&mut self, key: Option<&[u8]>) -> u32 {
        match key {
            Some(key) => self.number(hash_bytes(key), key),
            None => {
                let group = *self.null.get_or_insert_with(|| self.numbers.take());
                self.set(group, Span::default());
                group
            }
        }
    }

    pub(super) fn intern_from(&mut self, other: &ByteKeys, from: &[u32]) -> Vec<u32> {
        let number = |&group: &u32| match other.get(group) {
            None => self.intern(None),
            Some(key) => self.number(other.spans[group as usize].hash, key),
        };
        from.iter().map(number).collect()
    }

    pub(super) fn find_from(&self, other: &ByteKeys, from: &[u32]) -> Vec<Option<u32>> {
        let number = |&group: &u32| match other.get(group) {
            None => self.null,
            Some(key) => self.find(other.spans[group as usize].hash, key),
        };
        from.iter().map(number).collect()
    }

    #[inline]
    fn find(&self, hash: u64, key: &[u8]) -> Option<u32> {
        let ByteKeys { table, spans, arena, .. } = self;
        let same = |entry: &(u64, u32)| {
            let span = spans[entry.1 as usize];
            entry.0 == hash && span.length == key.len() && arena[span.start..span.start + span.length] == *key
        };
        table.find(hash, same).map(|(_, group)| *group)
    }

    #[inline]
    fn number(&mut self, hash: u64, key: &[u8]) -> u32 {
        if let Some(group) = self.find(hash, key) {
            return group;
        }
        let group = self.numbers.take();
        self.table.insert_unique(hash, (hash, group), |entry| entry.0);
        let span = Span { hash, start: self.arena.len(), length: key.len() };
        self.arena.extend_from_slice(key);
        self.set(group, span);
        group
    }

    fn set(&mut self, group: u32, span: Span) {
        if group as usize >= self.spans.len() {
            self.spans.resize(group as usize + 1, Span::default());
        }
        self.spans[group as usize] = span;
    }

    /// The key of a group; `None` is the NULL key.
    pub(super) fn get(&self, group: u32) -> Option<&[u8]> {
        let Span { start, length, .. } = self.spans[group as usize];
        (self.null != Some(group)).then(|| &self.arena[start..start + length])
    }

    pub(super) fn remove(&mut self, groups: &[u32]) {
        for &group in groups {
            let span = std::mem::take(&mut self.spans[group as usize]);
            if self.null == Some(group) {
                self.null = None;
            } else if let Ok(entry) = self.table.find_entry(span.hash, |entry| entry.1 == group) {
                entry.remove();
            }
            self.dead += span.length;
            self.numbers.put(group);
        }
        if self.numbers.live() == 0 {
            *self = ByteKeys::default();
        } else if self.dead > 4096 && self.dead > self.arena.len() / 2 {
            let mut arena = Vec::with_capacity(self.arena.len() - self.dead);
            for span in &mut self.spans {
                let start = arena.len();
                arena.extend_from_slice(&self.arena[span.start..span.start + span.length]);
                span.start = start;
            }
            (self.arena, self.dead) = (arena, 0);
        }
    }

    pub(super) fn numbers(&self) -> &Numbers {
        &self.numbers
    }

    pub(super) fn bytes(&self) -> usize {
        self.table.allocation_size() + self.spans.capacity() * size_of::<Span>() + self.arena.capacity()
    }
}
