//! Log lines on stderr, by `tracing`: RUST_LOG chooses what (default `info`), `--log-format` how.
//!
//! A thread of its own writes them: where nobody reads stderr, lines are dropped and counted, and no other thread waits.

use std::io::{IsTerminal, Write};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};
use tracing_subscriber::EnvFilter;

use super::progress::Stderr;
use super::settings::LogFormat;

/// Lines that may wait to be written.
const WAITING: usize = 4096;

/// How long the last lines may take at the end.
const LAST_LINES: Duration = Duration::from_secs(1);

/// What goes to the thread that writes.
enum Said {
    Line(Vec<u8>),
    /// All before it is written.
    Flush(Sender<()>),
}

static LINES: OnceLock<Sender<Said>> = OnceLock::new();
static DROPPED: AtomicU64 = AtomicU64::new(0);

/// Starts logging; once a process.
pub(super) fn start(format: LogFormat) {
    let (lines, said) = bounded(WAITING);
    let writes = std::thread::Builder::new().name("log".to_owned()).spawn(move || write(&said));
    if writes.is_ok() {
        drop(LINES.set(lines));
    }
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(|| Lines);
    match format {
        LogFormat::Text => lines.with_ansi(colour(&std::io::stderr())).init(),
        LogFormat::Json => lines.json().flatten_event(true).init(),
    }
}

/// Waits for the lines that were said to be written, unless nobody reads them.
pub(super) fn finish() {
    if let Some(lines) = LINES.get() {
        let (done, written) = bounded(1);
        if lines.send_timeout(Said::Flush(done), LAST_LINES).is_ok() {
            let _ = written.recv_timeout(LAST_LINES);
        }
    }
}

fn write(said: &Receiver<Said>) {
    for said in said {
        match said {
            Said::Line(line) => {
                let dropped = DROPPED.swap(0, Ordering::Relaxed);
                if dropped > 0 {
                    let _ = writeln!(Stderr, "{dropped} log lines were dropped: nobody read them");
                }
                let _ = Stderr.write_all(&line);
            }
            Said::Flush(done) => drop(done.send(())),
        }
    }
}

/// Where a line goes: it comes whole.
struct Lines;

impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        match LINES.get() {
            Some(lines) if lines.try_send(Said::Line(line.to_vec())).is_err() => {
                DROPPED.fetch_add(1, Ordering::Relaxed);
            }
            Some(_) => {}
            None => Stderr.write_all(line)?,
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Whether to colour what goes there: only a terminal, and not if NO_COLOR is set to anything.
fn colour(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
