//! Rows under their keys: each row says which comes next, the latest first.

use super::side::NONE;

/// Slots by key.
#[derive(Debug, Default)]
pub(super) struct Chains {
    /// Per slot: the key's number, or `NONE`.
    pub(super) key: Vec<u32>,
    /// Per slot: the next of the chain.
    next: Vec<u32>,
    /// Per key: the first of the chain.
    heads: Vec<u32>,
}

/// How far a walk over the slots of a key is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Walk {
    key: u32,
    /// The slot that was met last, and the one that comes next.
    before: u32,
    at: u32,
}

impl Chains {
    /// Of slots with these keys.
    pub(super) fn new(key: Vec<u32>, end: usize) -> Chains {
        let mut chains = Chains { key, ..Chains::default() };
        chains.link(0, end);
        chains
    }

    /// Links the slots from `first` on to those of their keys, whose numbers are below `end`.
    pub(super) fn link(&mut self, first: usize, end: usize) {
        let Chains { key, next, heads } = self;
        heads.resize(heads.len().max(end), NONE);
        next.extend(key[first..].iter().zip(first as u32..).map(|(&key, slot)| match key {
            NONE => NONE,
            key => std::mem::replace(&mut heads[key as usize], slot),
        }));
    }

    /// Whether no slot has the key.
    #[inline]
    pub(super) fn is_empty(&self, key: u32) -> bool {
        self.heads.get(key as usize).is_none_or(|&head| head == NONE)
    }

    /// The slots of a key, none of which was met yet.
    #[inline]
    pub(super) fn begin(&self, key: u32) -> Walk {
        Walk { key, before: NONE, at: self.heads.get(key as usize).copied().unwrap_or(NONE) }
    }

    /// Calls `meet` with the next slots of a key, `most` at most, the latest first; drops those that are not `alive`. Whether there may be
    /// more.
    #[inline]
    pub(super) fn walk(
        &mut self,
        walk: &mut Walk,
        most: usize,
        alive: impl Fn(u32) -> bool,
        mut meet: impl FnMut(u32),
    ) -> bool {
        let Chains { next, heads, .. } = self;
        let (Walk { key, mut before, mut at }, mut room) = (*walk, most);
        while at != NONE && room > 0 {
            let after = next[at as usize];
            if alive(at) {
                before = at;
                room -= 1;
                meet(at);
            } else {
                match before {
                    NONE => heads[key as usize] = after,
                    before => next[before as usize] = after,
                }
            }
            at = after;
        }
        *walk = Walk { key, before, at };
        at != NONE
    }

    /// Memory held, in bytes.
    pub(super) fn bytes(&self) -> usize {
        (self.key.capacity() + self.next.capacity() + self.heads.capacity()) * 4
    }
}
