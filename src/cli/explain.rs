//! `highwater explain FILE.sql [VIEW]`: what runs for each view and sink, what is known of its rows, what it keeps.

use std::path::PathBuf;

use super::{Outcome, program};
use highwater_core::plan;

/// What to explain.
#[derive(clap::Args, Debug)]
pub(super) struct Explain {
    /// The program
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The view or sink; without one, all of them
    view: Option<String>,
}

/// Prints the operator trees.
pub(super) fn run(args: &Explain) -> Outcome {
    let compiled = match program::read(std::slice::from_ref(&args.file)) {
        Ok(compiled) => compiled,
        Err(refused) => return refused,
    };
    let dataflow = &compiled.dataflow;
    let views = dataflow.views.iter().map(|view| &view.name);
    let known: Vec<&String> = views.chain(dataflow.sinks.iter().map(|sink| &sink.spec.name)).collect();
    let name = match &args.view {
        None => None,
        Some(wanted) => match known.iter().find(|name| name.eq_ignore_ascii_case(wanted)) {
            Some(name) => Some(name.as_str()),
            None => {
                let known = known.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", ");
                let known =
                    if known.is_empty() { "it publishes nothing".to_owned() } else { format!("there are: {known}") };
                return Outcome::usage(format!(
                    "{} has no published view or sink '{wanted}'; {known}",
                    args.file.display()
                ));
            }
        },
    };
    print!("{}", plan::explain(dataflow, name));
    Outcome::Done
}
