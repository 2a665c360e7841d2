//! When what was sent is visible: a reader of a view's server-sent events, as any subscriber is one, notes how far each event
//! brings it; an answer to a message says at which epoch its rows went in.
//!
//! Every row counts, not a sample: a row is visible when the reader first has an event whose `as_of` is beyond the row's
//! epoch. Times in seconds of the test's clock.

use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde::Deserialize;

use super::measure::Latencies;
use crate::cli::http::{Connection, PATIENCE, Target, percent_encode};
use highwater_core::time::{Clock, Epoch};

/// How often the reader looks whether it may stop.
const LOOK: Duration = Duration::from_millis(100);
/// After this long what is not visible is told as such.
const GIVE_UP: Duration = Duration::from_secs(30);

/// Rows of one message that went in at one epoch.
#[derive(Debug)]
pub(super) struct Taken {
    pub(super) epoch: Epoch,
    /// When the first was due, and how far apart they were due.
    pub(super) due: f64,
    pub(super) apart: f64,
    pub(super) rows: u64,
}

/// How far the reader was when: both ascend.
#[derive(Debug, Default)]
pub(super) struct Seen(Mutex<Vec<(Epoch, f64)>>);

impl Seen {
    fn note(&self, epoch: Epoch, at: f64) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.last().is_none_or(|(last, _)| *last < epoch) {
            seen.push((epoch, at));
        }
    }

    /// Whether all before and at this epoch is visible.
    fn beyond(&self, epoch: Epoch) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).last().is_some_and(|(last, _)| *last > epoch)
    }

    /// Waits until all that was taken is visible, or for long enough.
    pub(super) fn wait(&self, taken: &[Taken], clock: Clock, reading: &AtomicBool) {
        let Some(last) = taken.iter().map(|message| message.epoch).max() else { return };
        let end = clock.elapsed_seconds() + GIVE_UP.as_secs_f64();
        while !self.beyond(last) && clock.elapsed_seconds() < end && reading.load(Ordering::Acquire) {
            std::thread::sleep(LOOK / 10);
        }
    }

    /// From due to visible, and how many rows were not visible in the end.
    pub(super) fn latencies(&self, taken: &[Taken]) -> (Latencies, u64) {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut latencies, mut missing) = (Latencies::default(), 0);
        for message in taken {
            match seen.get(seen.partition_point(|(epoch, _)| *epoch <= message.epoch)) {
                Some((_, at)) => {
                    (0..message.rows).for_each(|row| latencies.add(at - message.due - row as f64 * message.apart));
                }
                None => missing += message.rows,
            }
        }
        (latencies, missing)
    }
}

/// A reader that is connected.
pub(super) struct Reader {
    lines: BufReader<Box<dyn Connection>>,
    line: Vec<u8>,
    host: String,
}

/// The part of an event that says how far it is.
#[derive(Deserialize)]
struct Told {
    as_of: AsOf,
}

#[derive(Deserialize)]
struct AsOf {
    epoch: String,
}

impl Reader {
    /// Follows a view, or all of them together; why not, if the server refuses.
    pub(super) fn connect(target: &Target, view: Option<&str>) -> Result<Reader, String> {
        let path =
            view.map_or("/api/v1/stream".to_owned(), |view| format!("/api/v1/views/{}/stream", percent_encode(view)));
        let address = &target.address;
        let token = target.token.as_ref().map_or(String::new(), |token| format!("Authorization: Bearer {token}\r\n"));
        let mut stream = target.connect(LOOK)?;
        let request = format!(
            "GET {}{path}?snapshot=false HTTP/1.0\r\nHost: {}\r\n{token}Accept: text/event-stream\r\n\r\n",
            address.path, address.host
        );
        let broken = |error: std::io::Error| format!("{}: {error}", address.host);
        stream.write_all(request.as_bytes()).map_err(broken)?;
        let mut reader = Reader { lines: BufReader::new(stream), line: Vec::new(), host: address.host.clone() };
        let clock = Clock::start();
        let patient = || clock.elapsed_seconds() < PATIENCE.as_secs_f64();
        let status = reader.next(patient)?;
        let status = status.split(' ').nth(1).unwrap_or_default().to_owned();
        let mut rest = Vec::new();
        while let Ok(line) = reader.next(patient) {
            if status == "200" && line.is_empty() {
                return Ok(reader);
            }
            rest.push(line);
        }
        let body: serde_json::Value = serde_json::from_str(&rest.pop().unwrap_or_default()).unwrap_or_default();
        Err(body["detail"].as_str().map_or(format!("the server answered {status}"), str::to_owned))
    }

    /// Notes how far each event is, until `on` is false or the stream ends.
    pub(super) fn run(mut self, clock: Clock, seen: &Seen, on: &AtomicBool) {
        let mut event = Vec::new();
        while on.load(Ordering::Acquire)
            && let Ok(line) = self.next(|| on.load(Ordering::Acquire))
        {
            if let Some(data) = line.strip_prefix("data: ") {
                event.push(data.to_owned());
            } else if line.is_empty() {
                if let Ok(told) = serde_json::from_str::<Told>(&event.concat())
                    && let Ok(epoch) = told.as_of.epoch.parse()
                {
                    seen.note(epoch, clock.elapsed_seconds());
                }
                event.clear();
            }
        }
        on.store(false, Ordering::Release);
    }

    /// The next line; an error at the end, or once nobody wants to wait any `more`.
    fn next(&mut self, more: impl Fn() -> bool) -> Result<String, String> {
        self.line.clear();
        loop {
            match self.lines.read_until(b'\n', &mut self.line) {
                Ok(_) if self.line.ends_with(b"\n") => {
                    return Ok(String::from_utf8_lossy(&self.line).trim_end().to_owned());
                }
                // What ends without a newline is the end of a body.
                Ok(0) if self.line.is_empty() => return Err(format!("{}: the stream ended", self.host)),
                Ok(_) => return Ok(String::from_utf8_lossy(&self.line).into_owned()),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    if !more() {
                        return Err(format!("{}: no answer", self.host));
                    }
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(format!("{}: {error}", self.host)),
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_visible_at_the_first_event_beyond_its_epoch() {
        let seen = Seen::default();
        let epoch = |tick| Epoch { watermark: 0, tick };
        for (tick, at) in [(1, 1.0), (3, 2.0), (3, 2.5), (4, 3.0)] {
            seen.note(epoch(tick), at);
        }
        let message = |tick, due, rows| Taken { epoch: epoch(tick), due, apart: 0.1, rows };
        let (latencies, missing) = seen.latencies(&[message(0, 0.5, 1), message(1, 1.5, 2), message(3, 2.9, 1)]);
        assert_eq!(missing, 0);
        // 0.5 from the first; 0.5 and 0.4 from the second; 0.1 from the third.
        let all = latencies.summary().unwrap();
        assert_eq!((all.count, all.min_ms, all.max_ms, all.avg_ms), (4, 100.0, 500.0, 375.0));
        let (none, missing) = seen.latencies(&[message(4, 2.9, 7)]);
        assert_eq!((none.summary(), missing), (None, 7));
    }
}
