//! Answers as JSON text. Rows are written as sinks write them: times RFC 3339 with milliseconds and `Z`, integers and
//! decimals as numbers in full, NaN and the infinities as the text `"NaN"`, `"Infinity"`, `"-Infinity"`, structs as objects,
//! every column in every row. With `numbers=exact` an integer beyond 2^53 - 1 and a decimal of more than 15 digits are text,
//! for whoever reads numbers as 64-bit floats.

use arrow_array::RecordBatch;

use super::problem::Problem;
use super::route::{Parameter, query};
use highwater_core::format::{JsonRows, Numbers};
use highwater_core::view::Snapshot;

/// How integers and decimals are written.
pub(super) const NUMBERS: Parameter =
    query("numbers", "string", "`exact`: as text where a 64-bit float does not hold them; `json` if not given");

/// What [`NUMBERS`] says.
pub(super) fn numbers(value: &str) -> Result<Numbers, Problem> {
    match value {
        "json" => Ok(Numbers::Json),
        "exact" => Ok(Numbers::Exact),
        other => Err(Problem::bad_request(format!("numbers={other}: write exact or json"))),
    }
}

/// A writer for the rows of a batch.
pub(super) fn writer(batch: &RecordBatch, numbers: Numbers) -> JsonRows<'_> {
    JsonRows::new(batch.schema_ref().fields(), batch.columns(), numbers)
}

/// The array of a snapshot's rows at `picks`, each with `_status` and `_version` after its columns.
pub(super) fn rows(snapshot: &Snapshot, picks: impl Iterator<Item = usize>, numbers: Numbers) -> String {
    let mut out = vec![b'['];
    rows_behind(snapshot, picks, numbers, false, &mut out);
    out.push(b']');
    into_text(out)
}

/// Those rows without the brackets, behind `any` others; returns whether there are any by then.
pub(super) fn rows_behind(
    snapshot: &Snapshot,
    picks: impl Iterator<Item = usize>,
    numbers: Numbers,
    any: bool,
    out: &mut Vec<u8>,
) -> bool {
    objects(snapshot, picks, numbers, any, out, |row, out| {
        let (status, version) = (snapshot.statuses[row].name(), snapshot.versions[row]);
        out.extend_from_slice(format!(r#","_status":"{status}","_version":{version}"#).as_bytes());
    })
}

/// The array of a snapshot's rows at `picks`, their columns only.
pub(super) fn bare_rows(snapshot: &Snapshot, picks: impl Iterator<Item = usize>, numbers: Numbers) -> String {
    let mut out = vec![b'['];
    objects(snapshot, picks, numbers, false, &mut out, |_, _| {});
    out.push(b']');
    into_text(out)
}

fn objects(
    snapshot: &Snapshot,
    picks: impl Iterator<Item = usize>,
    numbers: Numbers,
    mut any: bool,
    out: &mut Vec<u8>,
    mut more: impl FnMut(usize, &mut Vec<u8>),
) -> bool {
    let writer = writer(&snapshot.batch, numbers);
    for row in picks {
        if std::mem::replace(&mut any, true) {
            out.push(b',');
        }
        out.push(b'{');
        writer.write_members(row, out);
        more(row, out);
        out.push(b'}');
    }
    any
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
