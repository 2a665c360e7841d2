//! What a WebSocket that brings rows is told, as text, and what it says beside them.

use std::time::Duration;

use super::ingest::MAX_ERRORS;
use super::json::text;
use highwater_core::source::Acknowledged;

/// How many rows of a frame were taken, how many were not, and whether the first are decided on later.
pub(super) type Counted = (u64, u64, bool);

/// A frame is taken: how many of its rows were, what holds of them if the client has asked, and what is wrong with the others.
pub(super) fn ack(
    seq: u64,
    (accepted, rejected, later): Counted,
    holds: Option<Acknowledged>,
    wrong: &[(u64, String)],
) -> String {
    let later = if later { r#","later":true"# } else { "" };
    let holds = holds.map(|ack| format!(r#","ack":"{}""#, ack.name())).unwrap_or_default();
    let error = |(row, reason): &(u64, String)| format!(r#"{{"row":{row},"reason":{}}}"#, text(reason));
    let errors = match wrong {
        [] => String::new(),
        _ => {
            let some: Vec<String> = wrong.iter().take(MAX_ERRORS).map(error).collect();
            format!(r#","errors":[{}]"#, some.join(","))
        }
    };
    format!(r#"{{"type":"ack","seq":{seq},"accepted":{accepted},"rejected":{rejected}{holds}{later}{errors}}}"#)
}

/// A frame is not read.
pub(super) fn error(seq: u64, reason: &str) -> String {
    format!(r#"{{"type":"error","seq":{seq},"reason":{}}}"#, text(reason))
}

/// What came waits, and is tried again in so long.
pub(super) fn backpressure(again: Duration, disk: bool) -> String {
    let why = if disk { r#","reason":"the disk of the data directory is full""# } else { "" };
    format!(r#"{{"type":"backpressure","retry_after_ms":{}{why}}}"#, again.as_millis())
}

/// Whether a frame is a JSON object, whatever its values.
pub(super) fn readable(line: &[u8]) -> bool {
    line.trim_ascii_start().first() == Some(&b'{') && serde_json::from_slice::<serde::de::IgnoredAny>(line).is_ok()
}

/// Adds a frame as one line.
pub(super) fn line(frame: &str, lines: &mut Vec<u8>) {
    let start = lines.len();
    lines.reserve(frame.len() + 1);
    lines.extend_from_slice(frame.as_bytes());
    // Between tokens a newline is space; within a string it would be wrong as it stands, and stays so.
    let inner = &mut lines[start..];
    if memchr::memchr(b'\n', inner).is_some() {
        let quoted = serde_json::from_str::<serde::de::IgnoredAny>(frame).is_err();
        let stand_in = if quoted { 0 } else { b' ' };
        inner.iter_mut().filter(|byte| **byte == b'\n').for_each(|byte| *byte = stand_in);
    }
    lines.push(b'\n');
}
