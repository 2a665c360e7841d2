//! The progress of a run over bounded input, and of a start that goes on from a data directory: one line on the terminal, rewritten
//! a few times a second.
//!
//! Log lines and the progress line share stderr: [`Stderr`] wipes the one before it writes the other.

use std::convert::Infallible;
use std::io::{IsTerminal, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use highwater_core::counted::nouns;
use highwater_core::engine::{Engine, Progress, Recovered, Recovering, Startup};
use highwater_core::time::{Clock, format_time_ms};

/// How often the line is rewritten.
pub(super) const EVERY: Duration = Duration::from_millis(250);

/// How often the log is told how far a start is, in seconds.
const TOLD_EVERY: f64 = 10.0;

/// Whether the progress line stands on the terminal just now.
static SHOWN: AtomicBool = AtomicBool::new(false);

/// Back to the first column, and nothing in the line.
const WIPE: &[u8] = b"\r\x1b[K";

/// The progress line of a run.
#[derive(Debug)]
pub(super) struct Line {
    clock: Clock,
    /// When, and how many rows there were then, about a second ago.
    before: (f64, u64),
    rate: f64,
}

impl Line {
    /// A line, if somebody sits at the terminal, there is input that ends, and no result is printed there too.
    pub(super) fn for_run(engine: &Engine) -> Option<Line> {
        let printed = engine.dataflow().sinks.iter().any(|sink| sink.spec.connector.name() == "print");
        let in_the_way = printed && std::io::stdout().is_terminal();
        let replays = engine.config().replay.is_some();
        let bounded = replays || engine.sources().iter().any(|source| !source.live());
        (std::io::stderr().is_terminal() && bounded && !in_the_way).then(|| Line {
            clock: Clock::start(),
            before: (0.0, 0),
            rate: 0.0,
        })
    }

    /// Rewrites it.
    pub(super) fn draw(&mut self, progress: &Progress) {
        let now = self.clock.elapsed_seconds();
        let (then, rows) = self.before;
        if now - then >= 1.0 || self.rate == 0.0 {
            self.rate = progress.rows.saturating_sub(rows) as f64 / (now - then).max(0.001);
            self.before = (now, progress.rows);
        }
        show(&text(progress, self.rate));
    }
}

fn show(text: &str) {
    let mut line = WIPE.to_vec();
    line.extend_from_slice(text.as_bytes());
    let _ = std::io::stderr().lock().write_all(&line);
    SHOWN.store(true, Ordering::Release);
}

/// Tells how far a start is that goes on from a data directory: on a terminal in the line, else in the log now and then. Never ends.
pub(super) async fn recovery(startup: &Startup, folder: &Path) -> Infallible {
    let (clock, terminal) = (Clock::start(), std::io::stderr().is_terminal());
    let (mut began, mut told) = (None, 0.0);
    loop {
        tokio::time::sleep(EVERY).await;
        let Some(so_far) = startup.recovering() else { continue };
        let now = clock.elapsed_seconds();
        let text = recovering(folder, so_far, now - *began.get_or_insert(now));
        if terminal {
            show(&text);
        } else if now - told >= TOLD_EVERY {
            told = now;
            tracing::info!("{text}");
        }
    }
}

fn recovering(folder: &Path, Recovering { share, rows }: Recovering, seconds: f64) -> String {
    let (share, read) = ((share * 100.0).floor(), counted(rows, "row"));
    format!("going on from '{}': {share:.0} %, {read}, {} rows/s", folder.display(), grouped(rate(rows, seconds)))
}

/// How a start went on from a data directory, if there was anything in it.
pub(super) fn recovered(folder: &Path, recovered: Option<Recovered>) -> String {
    let folder = folder.display();
    match recovered {
        None => format!("what comes is kept in '{folder}'"),
        // Files are read again from their beginning: none of their rows is kept.
        Some(Recovered { rows: 0, seconds }) => format!("went on from '{folder}' in {seconds:.1} s"),
        Some(Recovered { rows, seconds }) => {
            let (read, rate) = (counted(rows, "row"), grouped(rate(rows, seconds)));
            format!("went on from '{folder}': {read} in {seconds:.1} s, {rate} rows/s")
        }
    }
}

fn rate(rows: u64, seconds: f64) -> u64 {
    (rows as f64 / seconds.max(0.001)).round() as u64
}

/// Wipes the line, if it is there.
pub(super) fn wipe() {
    if SHOWN.swap(false, Ordering::AcqRel) {
        let _ = std::io::stderr().lock().write_all(WIPE);
    }
}

fn text(progress: &Progress, rate: f64) -> String {
    let watermark = match progress.watermark {
        i64::MIN => "none yet".to_owned(),
        i64::MAX => "at the end".to_owned(),
        ms => format_time_ms(ms),
    };
    format!("{}, {} rows/s, watermark {watermark}", counted(progress.rows, "row"), grouped(rate.round() as u64))
}

/// A count in groups of three digits, with its noun.
pub(super) fn counted(count: u64, noun: &str) -> String {
    format!("{} {}", grouped(count), nouns(&count, noun))
}

/// A number in groups of three digits.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Stderr for log lines.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stderr;

impl Write for Stderr {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        wipe();
        std::io::stderr().lock().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        std::io::stderr().lock().flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_says_how_far_the_run_is() {
        let at = |rows, watermark| text(&Progress { rows, watermark, seconds: 2.0 }, 1_234_567.8);
        assert_eq!(at(0, i64::MIN), "0 rows, 1,234,568 rows/s, watermark none yet");
        assert_eq!(at(1_000, 1_500), "1,000 rows, 1,234,568 rows/s, watermark 1970-01-01T00:00:01.500Z");
        assert_eq!(at(1, i64::MIN), "1 row, 1,234,568 rows/s, watermark none yet");
        assert_eq!(at(999, i64::MAX), "999 rows, 1,234,568 rows/s, watermark at the end");
        assert_eq!(grouped(12_345_678), "12,345,678");
    }

    #[test]
    fn a_start_says_how_far_it_is_and_how_it_went_on() {
        let folder = Path::new("data");
        let so_far = Recovering { share: 0.429, rows: 1_200_000 };
        assert_eq!(recovering(folder, so_far, 2.0), "going on from 'data': 42 %, 1,200,000 rows, 600,000 rows/s");
        let how = |rows| recovered(folder, Some(Recovered { rows, seconds: 1.5 }));
        assert_eq!(how(3_000), "went on from 'data': 3,000 rows in 1.5 s, 2,000 rows/s");
        assert_eq!(how(0), "went on from 'data' in 1.5 s");
        assert_eq!(recovered(folder, None), "what comes is kept in 'data'");
    }
}
