//! `debezium-json`: changes of rows as Debezium tells them, an envelope a line: `{"before":{...},"after":{...},"op":"u"}`, alone or as
//! the `payload` beside its schema. Each becomes lines of JSON with `_op` beside the columns: what a row was goes, what it is comes.
//!
//! Values pass as they are written. Invariant: an envelope that cannot be read costs itself only; `null`, which follows a deletion for
//! the sake of compaction, is passed over.

use std::ops::Range;
use std::sync::Arc;

use arrow_schema::SchemaRef;

use super::super::{
    Beginning, Decoder, Decoding, Encoder, Fault, Format, FormatError, Layout, Mark, Part, Records, TextDecoding, clip,
    is_text, oversized, read_only,
};
use super::cursor::Cursor;
use super::envelope::members;
use super::{Json, lines};
use crate::options::{OptionSpec, Options};

/// The format `debezium-json`.
#[derive(Debug)]
pub(in crate::format) struct DebeziumJson;

impl Format for DebeziumJson {
    fn name(&self) -> &'static str {
        "debezium-json"
    }

    fn help(&self) -> &'static str {
        "changes of a database's rows as Debezium tells them, an envelope a line; read only"
    }

    fn extensions(&self) -> &'static [&'static str] {
        &[]
    }

    fn options(&self) -> &'static [OptionSpec] {
        &[]
    }

    fn decoding(&self, layout: &Layout, options: &Options) -> Result<Decoding, FormatError> {
        Json.decoding(layout, options)?;
        let by_key = match options.get("changelog") {
            Some(kind) => kind.eq_ignore_ascii_case("upsert"),
            None => {
                return Err(FormatError::Schema {
                    what: "format 'debezium-json' brings changes, and here rows are read".to_owned(),
                    remedy: "read it as a source with a connector".to_owned(),
                });
            }
        };
        let layout = Arc::new(layout.clone());
        Ok(Decoding::Text(Arc::new(Envelopes { lines: lines(&layout), layout, by_key })))
    }

    fn tells_changes(&self) -> bool {
        true
    }

    fn encoder(&self, _: &SchemaRef, _: &Options) -> Result<Box<dyn Encoder>, FormatError> {
        Err(read_only(self.name()))
    }
}

/// How envelopes are read.
#[derive(Clone, Debug)]
struct Envelopes {
    layout: Arc<Layout>,
    /// As its rows are read.
    lines: Arc<dyn Records>,
    /// Rows are put in by key: what one was is not needed.
    by_key: bool,
}

impl TextDecoding for Envelopes {
    fn begin(&self, head: &[u8], last: bool) -> Result<Option<Beginning>, String> {
        is_text(head)?;
        if !last && head.len() < 3 {
            return Ok(None);
        }
        let skip = if head.starts_with(b"\xEF\xBB\xBF") { 3 } else { 0 };
        Ok(Some(Beginning { skip, lines: 0, records: Arc::new(self.clone()) }))
    }
}

impl Records for Envelopes {
    fn cut(&self, bytes: &[u8]) -> usize {
        self.lines.cut(bytes)
    }

    fn step(&self, text: &[u8], mark: &mut Mark) -> (u64, Range<usize>) {
        self.lines.step(text, mark)
    }

    fn decoder(&self) -> Box<dyn Decoder> {
        Box::new(EnvelopeDecoder {
            of: self.clone(),
            rows: self.lines.decoder(),
            lines: Vec::new(),
            records: Vec::new(),
        })
    }
}

/// Reads envelopes as lines of rows.
struct EnvelopeDecoder {
    of: Envelopes,
    rows: Box<dyn Decoder>,
    lines: Vec<u8>,
    /// Per line the envelope that it is of.
    records: Vec<u64>,
}

impl Decoder for EnvelopeDecoder {
    fn decode(&mut self, chunk: &[u8]) -> Part {
        self.lines.clear();
        self.records.clear();
        let (mut faults, mut record, limit) = (Vec::new(), 0, self.of.layout.max_row_bytes);
        for line in chunk.strip_suffix(b"\n").unwrap_or(chunk).split(|byte| *byte == b'\n') {
            let text = line.trim_ascii();
            if text.len() > limit {
                faults.push(oversized(record, text, limit));
            } else if !text.is_empty() && text != b"null" {
                match self.of.changes(text, &mut self.lines) {
                    Ok(rows) => self.records.extend(std::iter::repeat_n(record, rows)),
                    Err(detail) => {
                        faults.push(Fault { record, reason: "malformed", detail, content: clip(text) });
                    }
                }
            }
            record += 1;
        }
        if self.lines.is_empty() {
            self.lines.push(b'\n');
        }
        let mut part = self.rows.decode(&self.lines);
        let of = |line: u64| usize::try_from(line).ok().and_then(|line| self.records.get(line)).copied().unwrap_or(0);
        let numbers = match part.numbers.take() {
            Some(numbers) => numbers.into_iter().map(of).collect(),
            None => (0..part.batch.num_rows() as u64).map(of).collect(),
        };
        part.faults.iter_mut().for_each(|fault| fault.record = of(fault.record));
        part.faults.extend(faults);
        part.faults.sort_by_key(|fault| fault.record);
        Part { numbers: Some(numbers), records: record, ..part }
    }
}

impl Envelopes {
    /// Appends the rows of an envelope, a line each; returns how many.
    fn changes(&self, text: &[u8], lines: &mut Vec<u8>) -> Result<usize, String> {
        let max_depth = self.layout.max_depth.saturating_add(2);
        let mut told = Told::of(text, max_depth)?;
        if let (None, Some(payload)) = (told.op, told.payload) {
            told = Told::of(payload, max_depth)?;
        }
        let what = "'before' is null, so what the row was is not known: let the database tell it (REPLICA IDENTITY FULL), or declare a PRIMARY KEY";
        let before = || told.before.ok_or_else(|| what.to_owned());
        let after = || told.after.ok_or_else(|| "'after' is null, so what the row is by now is not known".to_owned());
        let start = lines.len();
        let rows = match told.op {
            Some(b"\"c\"" | b"\"r\"") => vec![(after()?, "+I")],
            Some(b"\"u\"") if self.by_key => vec![(after()?, "+U")],
            Some(b"\"u\"") => vec![(before()?, "-U"), (after()?, "+U")],
            Some(b"\"d\"") => vec![(before()?, "-D")],
            Some(op) => return Err(format!("'op' is {}: c, r, u or d is read", String::from_utf8_lossy(op))),
            None => return Err("it has no 'op', nor a 'payload' with one".to_owned()),
        };
        for (row, op) in &rows {
            let Some(inside) = row.strip_prefix(b"{").and_then(|row| row.strip_suffix(b"}")) else {
                lines.truncate(start);
                return Err(format!("a row is an object, and this is {}", String::from_utf8_lossy(row)));
            };
            let inside = inside.trim_ascii();
            lines.push(b'{');
            lines.extend_from_slice(inside);
            lines.extend_from_slice(if inside.is_empty() { b"" } else { b"," });
            lines.extend_from_slice(format!("\"_op\":\"{op}\"}}\n").as_bytes());
        }
        Ok(rows.len())
    }
}

/// What an envelope holds, as it is written; `null` is nothing.
#[derive(Default)]
struct Told<'a> {
    before: Option<&'a [u8]>,
    after: Option<&'a [u8]>,
    op: Option<&'a [u8]>,
    payload: Option<&'a [u8]>,
}

impl<'a> Told<'a> {
    fn of(text: &'a [u8], max_depth: u32) -> Result<Told<'a>, String> {
        let mut cursor = Cursor { bytes: text, at: 0, newlines: false, start: 0, depth: 0, max_depth };
        let mut told = Told::default();
        let read = members(&mut cursor, |key, value| {
            let value = (value != b"null").then_some(value);
            match key {
                b"before" => told.before = value,
                b"after" => told.after = value,
                b"op" => told.op = value,
                b"payload" => told.payload = value,
                _ => {}
            }
        });
        read.map_err(|problem| problem.what)?;
        cursor.space();
        if cursor.at < text.len() {
            return cursor.bad::<()>("the end of the line").map_err(|problem| problem.what).map(|()| told);
        }
        Ok(told)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use arrow_schema::{DataType, Field, Schema};

    use super::*;
    use crate::format::decode_text;

    /// Rows, the numbers of their records, faults with theirs, and how many records there are.
    type Decoded = (Vec<String>, Vec<u64>, Vec<(u64, String)>, u64);

    fn read(kind: &str, text: &str) -> Decoded {
        let fields = [("id", DataType::Int64), ("v", DataType::Utf8), ("_op", DataType::Utf8)];
        let schema = Arc::new(Schema::new(fields.map(|(name, kind)| Field::new(name, kind, true)).to_vec()));
        let options: Options = [("changelog".to_owned(), kind.to_owned())].into_iter().collect();
        let layout = Layout::new(&schema, &[0, 1, 2], &options).unwrap();
        let Decoding::Text(decoding) = DebeziumJson.decoding(&layout, &options).unwrap() else { unreachable!() };
        let part = decode_text(decoding.as_ref(), text.as_bytes()).unwrap();
        let row = |row| crate::format::row_as_json(part.batch.schema_ref(), part.batch.columns(), row);
        let rows = (0..part.batch.num_rows()).map(row).collect();
        let faults = part.faults.into_iter().map(|fault| (fault.record, fault.detail)).collect();
        (rows, part.numbers.unwrap(), faults, part.records)
    }

    #[test]
    fn what_a_row_was_goes_and_what_it_is_comes() {
        let text = concat!(
            r#"{"before":null,"after":{"id":1,"v":"a"},"source":{"table":"t"},"op":"c","ts_ms":5}"#,
            "\n",
            r#" {"schema":{"op":1},"payload":{"op":"u","before":{"id":1,"v":"a"},"after":{"id":1,"v":"b","_op":"x"}}}"#,
            "\n",
            "\nnull\n",
            r#"{"op":"r","after":{ }}"#,
            "\n",
            r#"{"op":"u","before":null,"after":{"id":2}}"#,
            "\n",
            r#"{"op":"t"}"#,
            "\n",
            r#"{"op":"d","before":{"id":1,"v":"b"},"after":null}"#,
            "\n",
            r#"{"op":"c","after":{"id":"x"}}"#,
            "\n",
            r#"{"op":"c","after":7}"#,
            "\n",
            r#"{"after":{"id":1}}"#,
            "\n",
            r#"{"op":"c","after":{"id":1}"#,
            "\n",
        );
        let (rows, numbers, faults, records) = read("retract", text);
        let row = |id: &str, v: &str, op: &str| format!(r#"{{"id":{id},"v":{v},"_op":"{op}"}}"#);
        let first =
            [row("1", "\"a\"", "+I"), row("1", "\"a\"", "-U"), row("1", "\"b\"", "+U"), row("null", "null", "+I")];
        assert_eq!(rows, [&first[..], &[row("1", "\"b\"", "-D")]].concat());
        assert_eq!((numbers, records), (vec![0, 1, 1, 4, 7], 12));
        let told: Vec<(u64, &str)> =
            faults.iter().map(|(at, what)| (*at, what.split([':', ',']).next().unwrap())).collect();
        assert_eq!(told[..2], [(5, "'before' is null"), (6, "'op' is \"t\"")]);
        assert_eq!(told.iter().map(|told| told.0).collect::<Vec<_>>(), [5, 6, 8, 9, 10, 11], "{faults:?}");
        let (rows, _, faults, _) = read("upsert", text);
        assert_eq!(rows[1], row("1", "\"b\"", "+U"), "what it was is not asked for");
        assert_eq!((rows[3].as_str(), faults.len()), (row("2", "null", "+U").as_str(), 5));
    }
}
