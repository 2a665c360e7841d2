//! `debezium-json`: changes of rows as Debezium tells them, an envelope a line: `{"before":{...},"after":{...},"op":"u"}`, alone or as
//! the `payload` beside its schema. Each becomes lines of JSON with `_op` beside the columns: what a row was goes, what it is comes. By
//! key what it was is told only where that is another key.
//!
//! Values pass as they are written. Invariant: an envelope is read as a whole or not at all, and one that cannot be costs itself only; `null`, which follows a deletion for
//! the sake of compaction, is passed over, as a payload too.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::BooleanArray;
use arrow_schema::SchemaRef;
use arrow_select::filter::filter_record_batch;

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
    /// Rows are put in by key: what one was is not needed but for its key.
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
    /// Per line the envelope that it is of: its number, and where it stands in the chunk.
    records: Vec<(u64, Range<usize>)>,
}

impl Decoder for EnvelopeDecoder {
    fn decode(&mut self, chunk: &[u8]) -> Part {
        self.lines.clear();
        self.records.clear();
        let (mut faults, mut record, limit) = (Vec::new(), 0, self.of.layout.max_row_bytes);
        let mut start = 0;
        for line in chunk.strip_suffix(b"\n").unwrap_or(chunk).split(|byte| *byte == b'\n') {
            let text = line.trim_ascii();
            if text.len() > limit {
                faults.push(oversized(record, text, limit));
            } else if !text.is_empty() && text != b"null" {
                match self.of.changes(text, &mut self.lines) {
                    Ok(rows) => {
                        self.records.extend(std::iter::repeat_n((record, start..start + line.len()), rows));
                    }
                    Err(detail) => {
                        faults.push(Fault { record, reason: "malformed", detail, content: clip(text) });
                    }
                }
            }
            record += 1;
            start += line.len() + 1;
        }
        if self.lines.is_empty() {
            self.lines.push(b'\n');
        }
        let mut part = self.rows.decode(&self.lines);
        let of = |line: u64| usize::try_from(line).ok().and_then(|line| self.records.get(line));
        let number = |line: u64| of(line).map_or(0, |(record, _)| *record);
        let mut numbers: Vec<u64> = match part.numbers.take() {
            Some(numbers) => numbers.into_iter().map(number).collect(),
            None => (0..part.batch.num_rows() as u64).map(number).collect(),
        };
        for fault in &mut part.faults {
            if let Some((record, text)) = of(fault.record) {
                (fault.record, fault.content) = (*record, clip(chunk[text.clone()].trim_ascii()));
            }
        }
        part.faults.sort_by_key(|fault| fault.record);
        part.faults.dedup_by_key(|fault| fault.record);
        if !part.faults.is_empty() {
            // What the other half of an envelope says is not taken either.
            let whole = |record: &u64| part.faults.binary_search_by_key(record, |fault| fault.record).is_err();
            let keep: Vec<bool> = numbers.iter().map(whole).collect();
            numbers.retain(whole);
            part.batch = match filter_record_batch(&part.batch, &BooleanArray::from(keep)) {
                Ok(batch) => batch,
                Err(error) => unreachable!("there is a mark for each row: {error}"),
            };
        }
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
        match (told.op, told.payload) {
            (None, Some(b"null")) => return Ok(0),
            (None, Some(payload)) => told = Told::of(payload, max_depth)?,
            _ => {}
        }
        let what = "'before' is null, so what the row was is not known: let the database tell it (REPLICA IDENTITY FULL), or declare a PRIMARY KEY";
        let before = || told.before.ok_or_else(|| what.to_owned());
        let after = || told.after.ok_or_else(|| "'after' is null, so what the row is by now is not known".to_owned());
        let start = lines.len();
        let rows = match told.op {
            Some(b"\"c\"" | b"\"r\"") => vec![(after()?, "+I")],
            Some(b"\"u\"") if self.by_key => {
                let after = after()?;
                let was = told.before.filter(|before| self.is_other(before, after, max_depth));
                was.map(|before| (before, "-U")).into_iter().chain([(after, "+U")]).collect()
            }
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

    /// Whether a row that tells its key may have another one than the row that it is by now. Whether it has is seen once they are read.
    fn is_other(&self, before: &[u8], after: &[u8], max_depth: u32) -> bool {
        let key = &self.layout.key;
        let values = |row| {
            let mut values = vec![None; key.len()];
            let mut cursor = Cursor { bytes: row, at: 0, newlines: false, start: 0, depth: 0, max_depth };
            let read = members(&mut cursor, |name, value| {
                if let Some(at) = key.iter().position(|key| key.as_bytes() == name) {
                    values[at] = Some(value);
                }
            });
            read.ok().map(|()| values)
        };
        let (Some(was), Some(is)) = (values(before), values(after)) else { return false };
        // A key of columns that are computed is told by the others.
        let physical = |name: &String| self.layout.physical.field_with_name(name).is_ok();
        let told = key.iter().zip(&was).all(|(name, value)| value.is_some() || !physical(name));
        told && (was != is || !key.iter().all(physical))
    }
}

/// What an envelope holds, as it is written; `null` is nothing, but for a payload.
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
            let known = (value != b"null").then_some(value);
            match key {
                b"before" => told.before = known,
                b"after" => told.after = known,
                b"op" => told.op = known,
                b"payload" => told.payload = Some(value),
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
        read_by(kind, &[], text)
    }

    fn read_by(kind: &str, key: &[&str], text: &str) -> Decoded {
        let fields = [("id", DataType::Int64), ("v", DataType::Utf8), ("_op", DataType::Utf8)];
        let schema = Arc::new(Schema::new(fields.map(|(name, kind)| Field::new(name, kind, true)).to_vec()));
        let options: Options = [("changelog".to_owned(), kind.to_owned())].into_iter().collect();
        let layout = Layout::new(&schema, &[0, 1, 2], &options).unwrap();
        let layout = Layout { key: key.iter().map(|key| (*key).to_owned()).collect(), ..layout };
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
            r#"{"schema":null,"payload":null}"#,
            "\n",
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
        assert_eq!((numbers, records), (vec![0, 1, 1, 5, 8], 13));
        let told: Vec<(u64, &str)> =
            faults.iter().map(|(at, what)| (*at, what.split([':', ',']).next().unwrap())).collect();
        assert_eq!(told[..2], [(6, "'before' is null"), (7, "'op' is \"t\"")]);
        assert_eq!(told.iter().map(|told| told.0).collect::<Vec<_>>(), [6, 7, 9, 10, 11, 12], "{faults:?}");
        let (rows, _, faults, _) = read("upsert", text);
        assert_eq!(rows[1], row("1", "\"b\"", "+U"), "what it was is not asked for");
        assert_eq!((rows[3].as_str(), faults.len()), (row("2", "null", "+U").as_str(), 5));
    }

    #[test]
    fn an_envelope_is_read_as_a_whole() {
        let text = concat!(
            r#"{"op":"u","before":{"id":"x","v":"a"},"after":{"id":1,"v":"b"}}"#,
            "\n\n",
            r#"{"op":"u","before":{"id":2,"v":"a"},"after":{"id":"y","v":"b"}}"#,
            "\n",
            r#"{"op":"u","before":{"id":"x"},"after":{"id":"y"}}"#,
            "\n",
            r#"{"op":"u","before":{"id":3,"v":"a"},"after":{"id":3,"v":"b"}}"#,
            "\n",
        );
        let (rows, numbers, faults, records) = read("retract", text);
        assert_eq!(rows.len(), 2, "{rows:?}");
        assert_eq!((numbers, records), (vec![4, 4], 5));
        assert_eq!(faults.iter().map(|fault| fault.0).collect::<Vec<_>>(), [0, 2, 3], "one dead letter each");
    }

    #[test]
    fn by_key_what_a_row_was_goes_if_it_had_another_key() {
        let text = concat!(
            r#"{"op":"u","before":{"id":1,"v":"a"},"after":{"id":1,"v":"b"}}"#,
            "\n",
            r#"{"op":"u","before":{"id":1,"v":"b"},"after":{"id":2,"v":"b"}}"#,
            "\n",
            r#"{"op":"u","before":{"v":"b"},"after":{"id":2,"v":"c"}}"#,
            "\n",
            r#"{"payload":{"op":"u","before":{"v":"b","id": 2.0},"after":{"id":2,"v":"d"}}}"#,
            "\n",
            r#"{"op":"u","before":null,"after":{"id":2,"v":"e"}}"#,
            "\n",
        );
        let row = |id: &str, v: &str, op: &str| format!(r#"{{"id":{id},"v":"{v}","_op":"{op}"}}"#);
        let expected = [
            (row("1", "b", "+U"), 0),
            (row("1", "b", "-U"), 1),
            (row("2", "b", "+U"), 1),
            (row("2", "c", "+U"), 2),
            // Written otherwise: whether it is another one is seen when it is read.
            (row("2", "b", "-U"), 3),
            (row("2", "d", "+U"), 3),
            (row("2", "e", "+U"), 4),
        ];
        let (rows, numbers, faults, _) = read_by("upsert", &["id"], text);
        assert_eq!(rows.into_iter().zip(numbers).collect::<Vec<_>>(), expected);
        assert!(faults.is_empty(), "{faults:?}");
        // Of a key that is computed the other columns tell.
        assert_eq!(read_by("upsert", &["computed"], text).0.len(), 9);
    }
}
