//! Of which programs snapshots are taken: those of which everything that shows is saved. Of the others all of the log is kept.

use super::super::super::config::Config;
use crate::plan::{Dataflow, Op, by_differential};
use crate::source::CONNECTORS;

/// Why no snapshots are taken of a program, if none are; `extended`: an embedder has operators of its own in it.
pub(super) fn not_whole(dataflow: &Dataflow, config: &Config, extended: bool) -> Option<String> {
    if config.processes() > 1 {
        return Some("there are several processes".to_owned());
    }
    if extended {
        return Some("the program that embeds the engine has operators of its own".to_owned());
    }
    // A run that keeps them could not go on from one without.
    if !config.views {
        return Some("views are not kept for readers (--no-serve)".to_owned());
    }
    if config.dead_letters_file.is_some() {
        return Some("--dead-letters writes its file anew at each start".to_owned());
    }
    if dataflow.sources.is_empty() {
        return Some("there is no source that goes on".to_owned());
    }
    for source in &dataflow.sources {
        if !source.connector.live(&source.options) {
            return Some(format!("source '{}' has an end and is read again from its beginning", source.name));
        }
        // A partition that comes later would begin before the epoch of the snapshot, where nothing is taken any more.
        let own = CONNECTORS.iter().any(|known| known.name() == source.connector.name());
        if !own {
            let (name, connector) = (&source.name, source.connector.name());
            return Some(format!("source '{name}' may have more partitions later ('connector' = '{connector}')"));
        }
        if source.changelog.is_some() {
            return Some(format!("source '{}' brings changes ('changelog')", source.name));
        }
    }
    if let Some(sink) = dataflow.sinks.iter().find(|sink| !sink.spec.connector.resumes(&sink.spec)) {
        return Some(format!("the output of sink '{}' is of many files, or complete only at its end", sink.spec.name));
    }
    for (id, node) in dataflow.nodes.iter().enumerate() {
        let what = match &node.op {
            Op::Recursion(_) | Op::Before { .. } => "WITH RECURSIVE keeps what cannot be taken out",
            Op::Values { .. } => "VALUES are there before all rows",
            Op::Read { .. } => "it reads views of other units",
            Op::Relation(_) => "it has operators of the program that embeds the engine",
            _ if by_differential(dataflow, id) => "its operators are those of 'differential'",
            _ => continue,
        };
        return Some(what.to_owned());
    }
    None
}
