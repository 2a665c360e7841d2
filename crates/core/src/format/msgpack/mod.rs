//! MessagePack: maps one after another, or arrays of them. Each map is one row, read as the JSON object that it stands for:
//! the same columns, the same rules.
//!
//! Decisions: a timestamp (extension -1) is RFC 3339 text, in whole ms; binary is its Base64 text; a row with a key that
//! is no text, with text that is not UTF-8 or with another extension is a fault, its neighbours stay. Bytes that are no
//! MessagePack, or end too soon, end a file and refuse a message as a whole, with their offset (from 0): where the next
//! row begins cannot be known. Lengths are believed only as far as there are bytes.

mod encode;
mod walk;

use std::io::Read;
use std::sync::Arc;

use arrow_schema::SchemaRef;

use super::blocks::lost;
use super::json::{self, Json};
use super::read_at::Cursor;
use super::{
    BlockDecoding, Came, Decoder, Decoding, Encoder, Fault, Format, FormatError, Input, Layout, Part, Parts, Records,
    Spot, clip, refuse_type, skip,
};
use crate::counted::counted;
use crate::options::{OptionSpec, Options};
use walk::{Depth, Head, Stop, end, head, write_json};

/// Rows and bytes of JSON text in one part, about.
const PART_ROWS: u64 = 8192;
const PART_BYTES: usize = 1 << 20;
/// Bytes read at a time at least.
const READ_BYTES: u64 = 64 << 10;
/// A value of more bytes than this, or than 16 of the longest rows, is not waited for.
const PATIENCE_BYTES: usize = 64 << 20;

/// The format `msgpack`.
#[derive(Debug)]
pub(super) struct MsgPack;

impl Format for MsgPack {
    fn name(&self) -> &'static str {
        "msgpack"
    }

    fn help(&self) -> &'static str {
        "MessagePack, maps one after another or arrays of them; writes one map a row"
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["msgpack", "mpk"]
    }

    fn options(&self) -> &'static [OptionSpec] {
        &[]
    }

    fn decoding(&self, layout: &Layout, options: &Options) -> Result<Decoding, FormatError> {
        for field in layout.wanted.fields() {
            if super::cells::Cells::new(field.data_type(), &layout.times).is_none() {
                return Err(refuse_type(self.name(), field));
            }
        }
        Json.decoding(layout, options)?;
        Ok(Decoding::Blocks(Arc::new(MsgPackDecoding { layout: Arc::new(layout.clone()) })))
    }

    fn encoder(&self, schema: &SchemaRef, _: &Options) -> Result<Box<dyn Encoder>, FormatError> {
        Ok(Box::new(encode::MsgPackEncoder::new(schema)?))
    }
}

/// Appends a message that is one map as a line of JSON. False, and nothing appended, if it is anything else.
pub fn message_as_json(message: &[u8], max_depth: u32, out: &mut Vec<u8>) -> bool {
    let before = out.len();
    let whole = matches!(head(message, 0), Ok((Head::Map(_), _))) && end(message, 0) == Ok(message.len());
    if whole && write_json(message, 0, Depth::new(max_depth), out).is_ok() {
        out.push(b'\n');
        return true;
    }
    out.truncate(before);
    false
}

#[derive(Debug)]
struct MsgPackDecoding {
    layout: Arc<Layout>,
}

impl BlockDecoding for MsgPackDecoding {
    fn open(&self, input: Input, from: Spot) -> Result<Parts, String> {
        if from == Spot::END {
            return Ok(Box::new(std::iter::empty()));
        }
        // Of a file that was cut off what is there counts; a message is taken as a whole or not.
        let (input, keep): (Box<dyn Read + Send>, bool) = match input {
            Input::File(file) => (Box::new(Cursor::new(file).map_err(|error| error.to_string())?.at(from.at)), true),
            Input::Stream(mut stream) => {
                skip(&mut stream, from.at).map_err(|error| error.to_string())?;
                (stream, false)
            }
        };
        let records = json::lines(&self.layout);
        let mut rows = Rows {
            layout: self.layout.clone(),
            decoder: records.decoder(),
            lines: records,
            input,
            buffer: Vec::new(),
            at: 0,
            base: from.at,
            elements: from.within,
            ended: false,
            begun: !from.is_start(),
        };
        let mut torn = false;
        Ok(Box::new(std::iter::from_fn(move || {
            if torn {
                return None;
            }
            let next = rows.part().transpose();
            torn = matches!(next, Some(Err(_)));
            match next? {
                Err(error) if keep => Some(Ok((lost(&rows.layout, 1, error), Spot::END))),
                Err(error) => Some(Err(error)),
                Ok(part) => Some(Ok((part, Spot { at: rows.base + rows.at as u64, within: rows.elements }))),
            }
        })))
    }
}

/// An input being read.
struct Rows {
    layout: Arc<Layout>,
    lines: Arc<dyn Records>,
    decoder: Box<dyn Decoder>,
    input: Box<dyn Read + Send>,
    /// What was read and is not passed yet begins at `at`.
    buffer: Vec<u8>,
    at: usize,
    /// Where in the input the buffer begins.
    base: u64,
    /// How many elements the array at hand still has.
    elements: u64,
    ended: bool,
    /// Whether a part was given.
    begun: bool,
}

impl Rows {
    /// The next rows; at least one part, if an empty one.
    fn part(&mut self) -> Result<Option<Part>, String> {
        let (mut lines, mut flawed, mut records) = (Vec::new(), Vec::new(), 0);
        while records < PART_ROWS && lines.len() < PART_BYTES {
            let end = match self.record() {
                Ok(Some(end)) => end,
                Ok(None) => break,
                Err(error) if records == 0 => return Err(error),
                // It stands at the same place for the next part, behind the rows before it.
                Err(_) => break,
            };
            let start = lines.len();
            let row = &self.buffer[..end];
            if let Err(flaw) = write_json(row, self.at, Depth::new(self.layout.max_depth), &mut lines) {
                // A blank line holds its number.
                lines.truncate(start);
                let detail = format!("{} at byte offset {}", flaw.what, self.base + flaw.at as u64);
                let content = clip(&row[self.at..]);
                flawed.push(Fault { record: records, reason: "malformed", detail, content });
            }
            lines.push(b'\n');
            records += 1;
            self.at = end;
        }
        if records == 0 && self.begun {
            return Ok(None);
        }
        self.begun = true;
        let mut part = self.decoder.decode(&lines);
        part.faults.extend(flawed);
        part.faults.sort_by_key(|fault| fault.record);
        part.came = Came::text(lines.into(), &self.lines);
        Ok(Some(part))
    }

    /// The end in the buffer of the row that begins at `at`, once it is there whole; `None` at the end of the input.
    fn record(&mut self) -> Result<Option<usize>, String> {
        loop {
            let offset = self.base + self.at as u64;
            if self.at < self.buffer.len() {
                if self.elements == 0
                    && let Ok((Head::Array(elements), next)) = head(&self.buffer, self.at)
                {
                    (self.elements, self.at) = (elements, next);
                    continue;
                }
                match end(&self.buffer, self.at) {
                    Ok(end) => {
                        self.elements = self.elements.saturating_sub(1);
                        return Ok(Some(end));
                    }
                    Err(Stop::Invalid(at)) => {
                        let offset = self.base + at as u64;
                        return Err(format!("not MessagePack: byte 0xc1 at byte offset {offset} begins no value"));
                    }
                    Err(Stop::Short) if self.ended => {
                        let last = self.base + self.buffer.len() as u64;
                        return Err(format!(
                            "not whole: the value at byte offset {offset} goes on beyond the end at {last}"
                        ));
                    }
                    Err(Stop::Short) => {}
                }
                let patience = PATIENCE_BYTES.max(self.layout.max_row_bytes.saturating_mul(16));
                if self.buffer.len() - self.at > patience {
                    return Err(format!("the value at byte offset {offset} has more than {patience} bytes"));
                }
            } else if self.ended {
                return match self.elements {
                    0 => Ok(None),
                    left => {
                        let left = counted(left, "element");
                        Err(format!("not whole: the array lacks {left} at its end, byte offset {offset}"))
                    }
                };
            }
            self.fill()?;
        }
    }

    /// Reads as much again as there is.
    fn fill(&mut self) -> Result<(), String> {
        self.buffer.drain(..self.at);
        self.base += self.at as u64;
        self.at = 0;
        let more = READ_BYTES.max(self.buffer.len() as u64);
        let read = self.input.by_ref().take(more).read_to_end(&mut self.buffer).map_err(|error| error.to_string())?;
        self.ended = read == 0;
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io::Write;

    use arrow_array::cast::AsArray;
    use arrow_array::types::Int64Type;
    use arrow_schema::{DataType, Field, Schema};

    use super::*;

    fn decoding() -> Arc<dyn BlockDecoding> {
        let fields = vec![Field::new("n", DataType::Int64, true), Field::new("text", DataType::Utf8, true)];
        let layout = Layout::new(&Arc::new(Schema::new(fields)), &[0, 1], &Options::default()).unwrap();
        let Decoding::Blocks(blocks) = MsgPack.decoding(&layout, &Options::default()).unwrap() else {
            unreachable!("MessagePack is blocks")
        };
        blocks
    }

    fn file(bytes: &[u8]) -> Input {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        Input::File(Arc::new(file))
    }

    fn stream(bytes: &[u8]) -> Input {
        Input::Stream(Box::new(std::io::Cursor::new(bytes.to_vec())))
    }

    /// Rows of up to 200 kB, some longer than what is read at a time.
    fn rows(count: i64, out: &mut Vec<u8>) {
        for n in 0..count {
            rmp::encode::write_map_len(out, 2).unwrap();
            rmp::encode::write_str(out, "n").unwrap();
            rmp::encode::write_sint(out, n).unwrap();
            rmp::encode::write_str(out, "text").unwrap();
            rmp::encode::write_str(out, &"x".repeat((n * 7919 % 200_000) as usize)).unwrap();
        }
    }

    fn numbers(parts: &[Part]) -> Vec<i64> {
        let of = |part: &Part| part.batch.column(0).as_primitive::<Int64Type>().values().to_vec();
        parts.iter().flat_map(of).collect()
    }

    #[test]
    fn rows_come_whole_however_they_are_read() {
        let (mut maps, mut array) = (Vec::new(), Vec::new());
        rows(100, &mut maps);
        rmp::encode::write_array_len(&mut array, 100).unwrap();
        rows(100, &mut array);
        rmp::encode::write_array_len(&mut array, 0).unwrap();
        for bytes in [maps, array] {
            for input in [file(&bytes), stream(&bytes)] {
                let parts = decoding()
                    .open(input, Spot::default())
                    .unwrap()
                    .map(|part| part.map(|(part, _)| part))
                    .map(Result::unwrap)
                    .collect::<Vec<_>>();
                assert!(parts.len() > 1 && parts.iter().all(|part| part.faults.is_empty()));
                assert_eq!(numbers(&parts), (0..100).collect::<Vec<_>>());
            }
        }
        let empty = decoding()
            .open(stream(b""), Spot::default())
            .unwrap()
            .map(|part| part.map(|(part, _)| part))
            .map(Result::unwrap)
            .collect::<Vec<_>>();
        assert_eq!(empty.iter().map(|part| part.records).collect::<Vec<_>>(), [0]);
    }

    #[test]
    fn what_is_cut_off_is_told_with_its_place() {
        let mut bytes = Vec::new();
        rows(30, &mut bytes);
        let whole = bytes.len();
        rows(1, &mut bytes);
        bytes.pop();
        let mut parts = decoding()
            .open(stream(&bytes), Spot::default())
            .unwrap()
            .map(|part| part.map(|(part, _)| part))
            .collect::<Vec<_>>();
        let told = parts.pop().unwrap().unwrap_err();
        assert!(told.contains(&format!("byte offset {whole} ")), "{told}");
        let mut parts = decoding()
            .open(file(&bytes), Spot::default())
            .unwrap()
            .map(|part| part.map(|(part, _)| part))
            .map(Result::unwrap)
            .collect::<Vec<_>>();
        assert_eq!(parts.pop().unwrap().faults[0].detail, told);
        // What stands before the end in the same part counts too.
        assert_eq!(numbers(&parts), (0..30).collect::<Vec<_>>());
    }
}
