//! What a program that embeds the engine relies on: faults that once were, and the front door.
#![allow(clippy::unwrap_used)]

#[path = "embed/front.rs"]
mod front;
#[path = "embed/process.rs"]
mod process;
#[path = "embed/pushed.rs"]
mod pushed;
