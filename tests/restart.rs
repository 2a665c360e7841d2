//! Runs with a data directory that are killed, and go on when they are started again: real processes, SIGKILL.
#![allow(clippy::unwrap_used)]

#[path = "restart/behind.rs"]
mod behind;
mod client;
#[path = "restart/cluster.rs"]
mod cluster;
#[path = "restart/ends.rs"]
mod ends;
#[path = "restart/files.rs"]
mod files;
#[path = "restart/folders.rs"]
mod folders;
#[path = "restart/full.rs"]
mod full;
#[path = "restart/long.rs"]
mod long;
#[path = "restart/process.rs"]
mod process;
#[path = "restart/pushed.rs"]
mod pushed;
#[path = "restart/rebuilt.rs"]
mod rebuilt;
#[path = "restart/refused.rs"]
mod refused;
#[path = "restart/replay.rs"]
mod replay;
#[path = "restart/sinks.rs"]
mod sinks;
#[path = "restart/snapshots.rs"]
mod snapshots;
#[path = "restart/tables.rs"]
mod tables;
#[path = "restart/told.rs"]
mod told;
