//! `highwater check FILE.sql...`: parses, types and plans; nothing is opened or run.

use std::path::{Path, PathBuf};

use super::{Outcome, program};
use highwater_core::counted::counted;
use highwater_core::engine::{self, Change};
use highwater_core::plan;

/// What to check.
#[derive(clap::Args, Debug)]
pub(super) struct Check {
    /// The program: files that are read one after the other
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// A data directory: what of it the program keeps, drops, and does again
    #[arg(long, env = "HIGHWATER_DATA_DIR", value_name = "DIR")]
    data_dir: Option<PathBuf>,
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
    let Some(folder) = &args.data_dir else { return Outcome::Done };
    match engine::change(folder, dataflow) {
        Ok(change) => {
            print!("{}", told(folder, change));
            Outcome::Done
        }
        Err(error) => Outcome::Failed(error.to_string()),
    }
}

/// What becomes of what a data directory holds.
fn told(folder: &Path, change: Option<Change>) -> String {
    let folder = format!("data directory '{}'", folder.display());
    let Some(change) = change else { return format!("{folder} holds nothing yet\n") };
    let Some(difference) = &change.difference else {
        return format!("{folder} was written by this program: a run goes on from it\n");
    };
    let mut text = format!("{folder} was written by another program: {difference}\n");
    let lists =
        [("kept", &change.kept), ("dropped", &change.dropped), ("rebuilt", &change.rebuilt), ("new", &change.new)];
    for (what, parts) in lists.into_iter().filter(|(_, parts)| !parts.is_empty()) {
        text += &format!("  {what}: {}\n", parts.join(", "));
    }
    text += &match &change.refused {
        None => "run it with --on-change rebuild to do again what came, or with --on-change fresh to begin anew\n"
            .to_owned(),
        Some([why, remedy]) => format!(
            "what came cannot be done again with this program: {why}; {remedy}, or begin anew with --on-change fresh\n"
        ),
    };
    text
}
