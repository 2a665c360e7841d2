//! What an embedder brings along, through the public API alone: functions, aggregates, formats, connectors.
#![allow(clippy::unwrap_used)]

#[path = "extend/connectors.rs"]
mod connectors;
#[path = "extend/functions.rs"]
mod functions;
#[path = "extend/journal_sink.rs"]
mod journal_sink;
#[path = "extend/journal_source.rs"]
mod journal_source;
