//! What an embedder brings along, through the public API alone: functions, aggregates, formats, connectors.
#![allow(clippy::unwrap_used)]

#[path = "extend/connectors.rs"]
mod connectors;
#[path = "extend/failing.rs"]
mod failing;
#[path = "extend/functions.rs"]
mod functions;
#[path = "extend/relations.rs"]
mod relations;
