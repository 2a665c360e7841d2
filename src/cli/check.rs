//! `highwater check FILE.sql...`: parses, types and plans; nothing is opened or run.

use std::path::PathBuf;

use super::{Outcome, program};
use highwater_core::counted::counted;
use highwater_core::plan;

/// What to check.
#[derive(clap::Args, Debug)]
pub(super) struct Check {
    /// The program: files that are read one after the other
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

/// Prints errors and warnings to stderr, and what there is to stdout.
pub(super) fn run(args: &Check) -> Outcome {
    let compiled = match program::read(&args.files) {
        Ok(compiled) => compiled,
        Err(refused) => return refused,
    };
    for warning in &compiled.warnings {
        eprintln!("{warning}\n");
    }
    let dataflow = &compiled.dataflow;
    for warning in plan::check(dataflow) {
        eprintln!("warning: {warning}");
    }
    let tables = dataflow.tables.iter().filter_map(|table| table.initial.as_ref());
    for spec in dataflow.sources.iter().chain(tables) {
        if let Some(missing) = spec.connector.missing(spec) {
            eprintln!("warning: source '{}' cannot be read now: {missing}", spec.name);
        }
    }
    let (sources, views) = (counted(dataflow.sources.len(), "source"), counted(dataflow.views.len(), "published view"));
    println!("ok: {sources}, {views}, {}", counted(dataflow.sinks.len(), "sink"));
    Outcome::Done
}
