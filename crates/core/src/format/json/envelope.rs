//! CloudEvents in JSON, one or a batch, as lines of the rows within: the members of `data`, and beside them `id`, `time`,
//! `type`, `source` and `subject` of the envelope, and its time as the event time, where `data` does not have them.
//!
//! Values pass as they are written, so a number keeps its digits. Invariant: as many lines as events; what is no envelope
//! with an object in `data` becomes a line that is no row, and so a fault that leaves its neighbours alone.

use super::cursor::{Bad, Cursor, element_end};

/// What an envelope tells beside its data.
const TOLD: [&str; 5] = ["id", "time", "type", "source", "subject"];

/// The events of a body as lines. `time` is the column that the envelope's time stands in for; rows are nested `max_depth`
/// deep at most. `Err` says why nothing of the body can be read.
pub fn cloudevents_as_lines(body: &[u8], max_depth: u32, time: Option<&str>) -> Result<Vec<u8>, String> {
    let max_depth = max_depth.saturating_add(1);
    let mut cursor = Cursor { bytes: body, at: 0, newlines: true, start: 0, depth: 0, max_depth };
    let mut lines = Vec::with_capacity(body.len());
    cursor.space();
    let batch = cursor.peek() == b'[';
    if batch {
        cursor.at += 1;
        cursor.space();
    } else if cursor.peek() != b'{' {
        return told(cursor.bad("an event or an array of events"));
    }
    let mut more = !(batch && cursor.peek() == b']');
    while more {
        (cursor.start, cursor.depth) = (cursor.at, 0);
        match event(&mut cursor, time, &mut lines) {
            Ok(()) => {}
            Err(problem) if batch => {
                // What follows it can still be read if it has an end.
                let end = element_end(body, cursor.start).filter(|end| *end > cursor.start);
                cursor.at = end.ok_or_else(|| format!("event {}: {}", count(&lines), problem.what))?;
                no_row(&body[cursor.start..cursor.at], &mut lines);
            }
            Err(problem) => return Err(problem.what),
        }
        cursor.space();
        more = batch && cursor.peek() == b',';
        cursor.at += usize::from(more);
        cursor.space();
    }
    if batch {
        told(cursor.expect(b']', "',' or ']'"))?;
        cursor.space();
    }
    if cursor.at < body.len() {
        return told(cursor.bad("the end of the body"));
    }
    Ok(lines)
}

fn told<T>(found: Result<T, Bad>) -> Result<T, String> {
    found.map_err(|problem| problem.what)
}

fn count(lines: &[u8]) -> usize {
    memchr::memchr_iter(b'\n', lines).count()
}

/// The members of an object, each key and value as written; the cursor is behind it then.
pub(super) fn members<'a>(cursor: &mut Cursor<'a>, mut each: impl FnMut(&'a [u8], &'a [u8])) -> Result<(), Bad> {
    if cursor.peek() != b'{' {
        return cursor.bad("an object");
    }
    cursor.open()?;
    cursor.space();
    if cursor.peek() == b'}' {
        cursor.close();
        return Ok(());
    }
    loop {
        let (key, _) = cursor.string()?;
        cursor.space();
        cursor.expect(b':', "':'")?;
        cursor.space();
        let start = cursor.at;
        cursor.skip()?;
        each(key, &cursor.bytes[start..cursor.at]);
        if cursor.closes(b'}', "',' or '}'")? {
            return Ok(());
        }
    }
}

/// Appends the line of the event at the cursor.
fn event(cursor: &mut Cursor<'_>, time: Option<&str>, lines: &mut Vec<u8>) -> Result<(), Bad> {
    let (mut data, mut beside) = (None, [None; TOLD.len()]);
    members(cursor, |key, value| {
        // Of a key that is repeated the last value counts.
        if key == b"data" {
            data = Some(value);
        } else if let Some(place) = TOLD.iter().position(|name| name.as_bytes() == key) {
            beside[place] = Some(value);
        }
    })?;
    let data = data.unwrap_or(b"null");
    let Some(inside) = data.strip_prefix(b"{").and_then(|data| data.strip_suffix(b"}")) else {
        no_row(data, lines);
        return Ok(());
    };
    let mut has: Vec<Vec<u8>> = Vec::new();
    let mut within = Cursor { bytes: data, at: 0, start: 0, depth: 0, ..*cursor };
    members(&mut within, |key, _| {
        let mut name = Vec::new();
        // A key that cannot be read names no column.
        if cursor.unescape(key, &mut name).is_ok() {
            has.push(name);
        }
    })?;
    let start = lines.len();
    lines.push(b'{');
    lines.extend_from_slice(inside.trim_ascii());
    let envelopes_time = time.map(|column| (column, beside[1]));
    for (name, value) in TOLD.into_iter().zip(beside).chain(envelopes_time) {
        let Some(value) = value.filter(|_| !has.iter().any(|known| known == name.as_bytes())) else { continue };
        has.push(name.as_bytes().to_vec());
        if lines.len() > start + 1 {
            lines.push(b',');
        }
        lines.extend_from_slice(serde_json::Value::from(name).to_string().as_bytes());
        lines.push(b':');
        lines.extend_from_slice(value);
    }
    lines.push(b'}');
    one_line(&mut lines[start..]);
    lines.push(b'\n');
    Ok(())
}

/// Appends what is no row as a line that is none.
fn no_row(text: &[u8], lines: &mut Vec<u8>) {
    let start = lines.len();
    if text.first() == Some(&b'{') {
        // It may look like one to whoever reads the line.
        lines.extend_from_slice(b"not an event: ");
    }
    lines.extend_from_slice(text);
    one_line(&mut lines[start..]);
    lines.push(b'\n');
}

/// Between tokens a newline is space.
pub(super) fn one_line(text: &mut [u8]) {
    text.iter_mut().filter(|byte| **byte == b'\n').for_each(|byte| *byte = b' ');
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn lines(body: &str) -> Result<Vec<String>, String> {
        let lines = cloudevents_as_lines(body.as_bytes(), 4, Some("ts"))?;
        Ok(String::from_utf8(lines).unwrap().lines().map(str::to_owned).collect())
    }

    #[test]
    fn the_data_is_the_row_and_the_envelope_fills_in() {
        let one = r#"{"specversion":"1.0","id":"7","time":"t0","data":{"n":123456789012345678901234567890.10}}"#;
        let row = r#"{"n":123456789012345678901234567890.10,"id":"7","time":"t0","ts":"t0"}"#;
        assert_eq!(lines(one), Ok(vec![row.to_owned()]));
        let batch = format!(
            "\n[ {one} ,\n{{\"data\":\n{{\"ts\":1,\"\\u0069d\":2 }},\"id\":\"x\",\"type\":\"a\"}},{{\"data\":{{}}}}]\n"
        );
        assert_eq!(lines(&batch).unwrap()[1..], [r#"{"ts":1,"\u0069d":2,"type":"a"}"#, "{}"]);
        assert_eq!(lines("[]"), Ok(Vec::new()));
    }

    #[test]
    fn what_is_no_event_costs_itself_only() {
        let good = r#"{"data":{"a":1}}"#;
        for bad in [r#"{"id":"1"}"#, r#"{"data":5}"#, "7", r#"{"data" {"a":2}}"#, r#"{"data":{"a":[[[[1]]]]}}"#, "{\n}"]
        {
            let lines = lines(&format!("[{good},{bad},{good}]")).unwrap();
            assert_eq!(lines.len(), 3, "{bad}: {lines:?}");
            assert!(lines[0] == lines[2] && !lines[1].starts_with('{'), "{bad}: {lines:?}");
        }
        for body in [
            "",
            "7",
            "[",
            "{",
            "[{}",
            "[{} {}]",
            "{} {}",
            "[{},]",
            r#"{"data":{"a":[[[[1]]]]}}"#,
            "[\"",
            "{\"data\":{}",
        ] {
            assert!(lines(body).is_err(), "{body}");
        }
    }
}
