//! Log lines on stderr, by `tracing`: RUST_LOG chooses what (default `info`), `--log-format` how.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use super::progress::Stderr;
use super::settings::LogFormat;

/// Starts logging; once a process.
pub(super) fn start(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(|| Stderr);
    match format {
        LogFormat::Text => lines.with_ansi(colour(&std::io::stderr())).init(),
        LogFormat::Json => lines.json().flatten_event(true).init(),
    }
}

/// Whether to colour what goes there: only a terminal, and not if NO_COLOR is set to anything.
fn colour(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
