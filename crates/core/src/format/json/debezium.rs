//! `debezium-json`: changes of rows as Debezium tells them, `{"before":{...},"after":{...},"op":"u"}`, alone or as the `payload` beside
//! its schema; a line each, or as objects of JSON may stand. Each becomes lines of JSON with `_op` beside the columns: what a row was
//! goes, what it is comes. By key what it was is told only where that is another key.
//!
//! Values pass as [`values`] has them. Invariant: an envelope is read as a whole or not at all, and one that cannot be costs itself only; `null`, which follows a deletion for
//! the sake of compaction, is passed over, as a payload too.

mod values;

use std::ops::Range;
use std::sync::Arc;

use arrow_array::BooleanArray;
use arrow_schema::SchemaRef;
use arrow_select::filter::filter_record_batch;

use self::values::{Schema, Values};
use super::super::{
    Beginning, Decoder, Decoding, Encoder, Fault, Format, FormatError, Layout, Mark, Part, Records, TextDecoding, clip,
    oversized, read_only,
};
use super::cursor::{Cursor, cut_elements, element_end, gap};
use super::envelope::{members, one_line};
use super::{Json, Shape, lines, shape};
use crate::format::{by_key, came};
use crate::options::{OptionSpec, Options};

/// The format `debezium-json`.
#[derive(Debug)]
pub(in crate::format) struct DebeziumJson;

impl Format for DebeziumJson {
    fn name(&self) -> &'static str {
        "debezium-json"
    }

    fn help(&self) -> &'static str {
        "changes of a database's rows as Debezium tells them, in its envelopes; read only"
    }

    fn extensions(&self) -> &'static [&'static str] {
        &[]
    }

    fn options(&self) -> &'static [OptionSpec] {
        values::OPTIONS
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
        let values = Arc::new(Values::of(layout, options)?);
        let mut layout = layout.clone();
        layout.times.days = true;
        let layout = Arc::new(layout);
        let lines = match by_key::alone(&layout) {
            Some(alone) => by_key::by_key(&layout, lines(&layout), lines(&Arc::new(alone))),
            None => lines(&layout),
        };
        Ok(Decoding::Text(Arc::new(Envelopes { lines, layout, by_key, values, shape: Shape::Lines })))
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
    values: Arc<Values>,
    /// How the envelopes of an input stand.
    shape: Shape,
}

impl TextDecoding for Envelopes {
    fn begin(&self, head: &[u8], last: bool) -> Result<Option<Beginning>, String> {
        let Some((skip, shape)) = shape(head, last)? else { return Ok(None) };
        Ok(Some(Beginning { skip, lines: 0, records: Arc::new(Envelopes { shape, ..self.clone() }) }))
    }
}

impl Records for Envelopes {
    fn cut(&self, bytes: &[u8]) -> usize {
        match self.shape {
            Shape::Lines => self.lines.cut(bytes),
            Shape::Elements { .. } => cut_elements(bytes),
        }
    }

    fn step(&self, text: &[u8], mark: &mut Mark) -> (u64, Range<usize>) {
        if self.shape == Shape::Lines {
            return came::line(text, mark);
        }
        let gap = gap(text, mark.at);
        let number = mark.number + u64::from(gap.wrong.is_some());
        let end = end(text, gap.end);
        *mark = Mark { at: end, number: number + 1 };
        (number, gap.end..end)
    }

    fn open_at_end(&self, rest: &[u8]) -> Option<bool> {
        self.shape.open_at_end(rest)
    }

    fn decoder(&self) -> Box<dyn Decoder> {
        Box::new(EnvelopeDecoder {
            of: self.clone(),
            rows: self.lines.decoder(),
            schema: Schema::default(),
            lines: Vec::new(),
            records: Vec::new(),
        })
    }
}

/// The end of what begins here among others: an envelope, or the `null` behind one, which no bracket closes.
fn end(text: &[u8], at: usize) -> usize {
    match text[at..].starts_with(b"null") {
        true => at + 4,
        false => element_end(text, at).unwrap_or(text.len()),
    }
}

/// Reads envelopes as lines of rows.
struct EnvelopeDecoder {
    of: Envelopes,
    rows: Box<dyn Decoder>,
    /// What the last schema said.
    schema: Schema,
    lines: Vec<u8>,
    /// Per line the envelope that it is of: its number, and where it stands in the chunk.
    records: Vec<(u64, Range<usize>)>,
}

impl Decoder for EnvelopeDecoder {
    fn decode(&mut self, chunk: &[u8]) -> Part {
        self.lines.clear();
        self.records.clear();
        let (mut faults, mut record, limit) = (Vec::new(), 0, self.of.layout.max_row_bytes);
        let mut at = 0;
        while at < chunk.len() {
            let stands = match self.of.shape {
                Shape::Lines => {
                    let end = memchr::memchr(b'\n', &chunk[at..]).map_or(chunk.len(), |end| at + end);
                    at..end
                }
                Shape::Elements { .. } => {
                    let gap = gap(chunk, at);
                    if let Some(wrong) = gap.wrong {
                        let content = clip(chunk[at..gap.end].trim_ascii());
                        faults.push(Fault { record, reason: "malformed", detail: wrong.to_owned(), content });
                        record += 1;
                    }
                    if gap.end == chunk.len() {
                        break;
                    }
                    gap.end..end(chunk, gap.end)
                }
            };
            at = stands.end + usize::from(self.of.shape == Shape::Lines);
            let text = chunk[stands.clone()].trim_ascii();
            if text.len() > limit {
                faults.push(oversized(record, text, limit));
            } else if !text.is_empty() && text != b"null" {
                match self.of.changes(text, &mut self.schema, &mut self.lines) {
                    Ok(rows) => self.records.extend(std::iter::repeat_n((record, stands), rows)),
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
    fn changes(&self, text: &[u8], schema: &mut Schema, lines: &mut Vec<u8>) -> Result<usize, String> {
        let max_depth = self.layout.max_depth.saturating_add(2);
        let mut told = Told::of(text, max_depth)?;
        match (told.op, told.payload) {
            (None, Some(b"null")) => return Ok(0),
            (None, Some(payload)) => told = Told { schema: told.schema, ..Told::of(payload, max_depth)? },
            _ => told.schema = None,
        }
        let what = "'before' is null, so what the row was is not known: let the database tell it (REPLICA IDENTITY FULL), or declare a PRIMARY KEY";
        let before = || told.before.ok_or_else(|| what.to_owned());
        let after = || told.after.ok_or_else(|| "'after' is null, so what the row is by now is not known".to_owned());
        self.values.read_schema(told.schema, schema);
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
            let before = lines.len();
            lines.push(b'{');
            let goes = self.by_key && op.starts_with('-');
            let all = match self.values.pass() {
                true => {
                    lines.extend_from_slice(inside.trim_ascii());
                    Ok(())
                }
                false => self.values.write(row, schema, goes, max_depth, lines),
            };
            if let Err(what) = all {
                lines.truncate(start);
                return Err(what);
            }
            if lines.len() > before + 1 {
                lines.push(b',');
            }
            one_line(&mut lines[before..]);
            lines.extend_from_slice(format!("\"_op\":\"{op}\"}}\n").as_bytes());
        }
        Ok(rows.len())
    }

    /// Whether a row that tells its key may have another one than the row that it is by now. Whether it has is seen once they are read.
    fn is_other(&self, before: &[u8], after: &[u8], max_depth: u32) -> bool {
        let key = &self.layout.key;
        let values = |row| {
            let mut values = vec![None; key.len()];
            let mut cursor = Cursor { bytes: row, at: 0, newlines: true, start: 0, depth: 0, max_depth };
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
    schema: Option<&'a [u8]>,
}

impl<'a> Told<'a> {
    fn of(text: &'a [u8], max_depth: u32) -> Result<Told<'a>, String> {
        let mut cursor = Cursor { bytes: text, at: 0, newlines: true, start: 0, depth: 0, max_depth };
        let mut told = Told::default();
        let read = members(&mut cursor, |key, value| {
            let known = (value != b"null").then_some(value);
            match key {
                b"before" => told.before = known,
                b"after" => told.after = known,
                b"op" => told.op = known,
                b"payload" => told.payload = Some(value),
                b"schema" => told.schema = known,
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
#[path = "debezium/tests.rs"]
mod tests;
