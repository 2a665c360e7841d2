//! Rows that operators keep, in the batches that they came in: by reference, not copied.
//!
//! [`Kept`] gives rows numbers in the order of their coming. Small batches are put together as they come, so that there are
//! never many; a batch is dropped whole when none of its rows is of use any more; rows that few others of their batch have
//! outlived move together. What is moved is at most half of its batch, so no more bytes are moved than have come.
//!
//! Equal rows have equal bytes: columns are kept in the form of [`canonical_shown`](crate::delta::canonical_shown).

mod chunks;
mod equal;
mod exact;
mod gather;
mod places;
mod rows;
#[cfg(test)]
mod rows_tests;

pub use equal::Compared;
pub use exact::copied;
pub use gather::{Found, Gather, together};
pub use rows::Kept;
