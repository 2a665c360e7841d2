//! The hasher of the room's tables: fast, its seed fixed, without state of its own.

use std::hash::{BuildHasher, Hash};

use foldhash::fast::{FixedState, FoldHasher};

/// Builds the hashers.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seeded;

const STATE: FixedState = FixedState::with_seed(0x6869_6768_7761_7465);

impl BuildHasher for Seeded {
    type Hasher = FoldHasher<'static>;

    #[inline(always)]
    fn build_hasher(&self) -> FoldHasher<'static> {
        STATE.build_hasher()
    }
}

/// The hash of a value.
#[inline(always)]
pub(super) fn hash(value: &(impl Hash + ?Sized)) -> u64 {
    Seeded.hash_one(value)
}
