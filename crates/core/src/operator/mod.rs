//! What an operator is and what runs it: the shape of all that keep state ([`Stateful`]), the one shell that stages their
//! inputs by epoch, routes rows and meters what is kept, and the one for what comes from outside ([`Emitter`]). What is kept
//! is saved by one trait ([`Saved`]), at the epochs that all shells are told ([`Cuts`]).
//!
//! Invariant: nowhere else are rows staged until their epoch is complete, or capabilities held.

mod cuts;
mod meter;
mod outside;
mod routing;
mod saved;
mod shell;
mod staged;
mod stateful;
mod windows;

pub use cuts::{Cuts, SavedOperator, SavedSection, SavedStates, Shells};
pub use meter::{Held, STATE_LOG, StateLog};
pub use outside::{BATCH_ROWS, Emitter, Tide, emitting};
pub use routing::{Route, deal};
pub use saved::{Counted, KeepsNothing, Saved, Saving, Section};
pub use shell::{stateful, stateless};
pub use stateful::{Stateful, both, only};
pub use windows::Windows;
