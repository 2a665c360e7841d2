//! The numbered rules of `docs/internals/semantics.md`, a module a kind of operator: each rule a test of its number, and random
//! input against an answer from scratch.
#![allow(clippy::unwrap_used)]

#[path = "semantics/arrival.rs"]
mod arrival;
#[path = "semantics/changelog.rs"]
mod changelog;
#[path = "semantics/cluster.rs"]
mod cluster;
#[path = "semantics/cut.rs"]
mod cut;
#[path = "semantics/differential.rs"]
mod differential;
#[path = "semantics/engine.rs"]
mod engine;
mod feed;
#[path = "semantics/idle.rs"]
mod idle;
#[path = "semantics/joins.rs"]
mod joins;
mod oracle;
#[path = "semantics/over.rs"]
mod over;
#[path = "semantics/played.rs"]
mod played;
#[path = "semantics/rank.rs"]
mod rank;
#[path = "semantics/recursion.rs"]
mod recursion;
#[path = "semantics/reduce.rs"]
mod reduce;
#[path = "semantics/saved.rs"]
mod saved;
mod script;
#[path = "semantics/sessions.rs"]
mod sessions;
#[path = "semantics/units.rs"]
mod units;
#[path = "semantics/windows.rs"]
mod windows;
