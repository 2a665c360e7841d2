//! Answers as JSON text. Rows are written as sinks write them (times RFC 3339 with milliseconds and `Z`, integers and
//! decimals as numbers in full, structs as objects, every column in every row), except that NaN and the infinities are
//! null: a column of numbers holds numbers or nothing.

use arrow_array::RecordBatch;

use crate::engine::Snapshot;
use crate::format::{JsonRows, NotFinite};

/// A writer for the rows of a batch.
pub(super) fn writer(batch: &RecordBatch) -> JsonRows<'_> {
    JsonRows::new(batch.schema_ref().fields(), batch.columns(), NotFinite::Null)
}

/// The array of a snapshot's rows at `picks`, each with `_status` and `_version` after its columns.
pub(super) fn rows(snapshot: &Snapshot, picks: impl Iterator<Item = usize>) -> String {
    array(snapshot, picks, |row, out| {
        let (status, version) = (snapshot.statuses[row].name(), snapshot.versions[row]);
        out.extend_from_slice(format!(r#","_status":"{status}","_version":{version}"#).as_bytes());
    })
}

/// The array of a snapshot's rows at `picks`, their columns only.
pub(super) fn bare_rows(snapshot: &Snapshot, picks: impl Iterator<Item = usize>) -> String {
    array(snapshot, picks, |_, _| {})
}

fn array(snapshot: &Snapshot, picks: impl Iterator<Item = usize>, mut more: impl FnMut(usize, &mut Vec<u8>)) -> String {
    let writer = writer(&snapshot.batch);
    let mut out = vec![b'['];
    for row in picks {
        if out.len() > 1 {
            out.push(b',');
        }
        out.push(b'{');
        writer.write_members(row, &mut out);
        more(row, &mut out);
        out.push(b'}');
    }
    out.push(b']');
    into_text(out)
}

/// What was written, as text.
pub(super) fn into_text(written: Vec<u8>) -> String {
    match String::from_utf8(written) {
        Ok(text) => text,
        Err(error) => unreachable!("JSON of text columns is text: {error}"),
    }
}

/// Anything of ours as JSON.
pub(super) fn object(value: &impl serde::Serialize) -> String {
    match serde_json::to_string(value) {
        Ok(text) => text,
        Err(error) => unreachable!("our answers have text keys and no failing parts: {error}"),
    }
}

/// A JSON string.
pub(super) fn text(value: &str) -> String {
    serde_json::Value::from(value).to_string()
}
