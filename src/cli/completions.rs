//! `highwater completions SHELL`: the script that completes this command line, on stdout.

use clap::CommandFactory;

use super::{Cli, Outcome};

/// What to complete for.
#[derive(clap::Args, Debug)]
pub(super) struct Completions {
    /// The shell
    shell: clap_complete::Shell,
}

/// Prints the script.
pub(super) fn run(args: &Completions) -> Outcome {
    clap_complete::generate(args.shell, &mut Cli::command(), "highwater", &mut std::io::stdout());
    Outcome::Done
}
