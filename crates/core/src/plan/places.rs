//! No file is written that the same program reads, and none is written twice. Asked for while planning and when sinks open, for
//! links may have changed in between.

use std::path::Path;

use super::Dataflow;
use crate::options::{Inputs, Outputs};
use crate::sink::SinkSpec;

/// What to do about a clash.
pub const CLASH_REMEDY: &str = "give the sink a path of its own";

/// What keeps a sink from being opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clash {
    /// The sink, by its place among the program's.
    pub sink: usize,
    /// Whose files it would write.
    pub what: String,
}

/// The first sink that would write another's files, or what a source reads.
pub fn clash(dataflow: &Dataflow) -> Option<Clash> {
    let tables = dataflow.tables.iter().filter_map(|table| table.initial.as_ref());
    let read: Vec<(&str, Inputs)> = dataflow
        .sources
        .iter()
        .chain(tables)
        .filter_map(|source| Some((source.name.as_str(), source.connector.inputs(source)?)))
        .collect();
    let sinks: Vec<&SinkSpec> = dataflow.sinks.iter().map(|plan| &plan.spec).collect();
    sinks.iter().enumerate().find_map(|(at, sink)| {
        let written = sink.connector.outputs(sink)?;
        let input = read.iter().find(|(_, files)| written.overwrites(files));
        let input = input.map(|(name, _)| format!("'{}' would overwrite what '{name}' reads", sink.name));
        let other = || {
            let clashes =
                |other: &&&SinkSpec| other.connector.outputs(other).is_some_and(|other| written.clashes(&other));
            let other = sinks[..at].iter().find(clashes)?;
            Some(format!("'{}' would write to the files of '{}'", sink.name, other.name))
        };
        input.or_else(other).map(|what| Clash { sink: at, what })
    })
}

/// What of a program would write to a file that others need (`what` says which), in words.
pub fn overwritten(dataflow: &Dataflow, what: &str, file: &Path) -> Option<String> {
    let input = Inputs::One(file.to_owned());
    let writes = |sink: &&SinkSpec| sink.connector.outputs(sink).is_some_and(|written| written.overwrites(&input));
    let sink = dataflow.sinks.iter().map(|plan| &plan.spec).find(writes)?;
    Some(format!("sink '{}' would overwrite {what} {}; {CLASH_REMEDY}", sink.name, file.display()))
}

/// The source that reads a file.
pub fn reader<'a>(dataflow: &'a Dataflow, file: &Path) -> Option<&'a str> {
    let written = Outputs::File(file.to_owned());
    let tables = dataflow.tables.iter().filter_map(|table| table.initial.as_ref());
    let mut sources = dataflow.sources.iter().chain(tables);
    let reads = |inputs: Inputs| written.overwrites(&inputs);
    sources.find(|source| source.connector.inputs(source).is_some_and(reads)).map(|source| source.name.as_str())
}
