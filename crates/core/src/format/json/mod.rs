//! JSON: objects one a line (NDJSON), arrays of objects, or objects one after another that are written over several lines or
//! stand on one. Only the wanted columns become values; the rest is
//! checked and passed over.
//!
//! Decisions: of a key that is repeated the last value counts. Missing and `null` are NULL. Text is accepted where a
//! number, a truth value or a time is meant, if it reads as one; numbers and truth values, and nested values as they
//! stand, are accepted as VARCHAR. NaN and the infinities are written as `"NaN"`, `"Infinity"`, `"-Infinity"`, and read back.

pub mod cursor;
mod debezium;
mod decode;
mod encode;
mod entries;
mod envelope;
mod first;

use std::ops::Range;
use std::sync::Arc;

use arrow_schema::SchemaRef;

use super::{
    Beginning, Decoder, Decoding, Encoder, Format, FormatError, Layout, Mark, Records, TextDecoding, came, refuse_type,
};
use crate::options::{OptionSpec, Options};

pub(super) use debezium::DebeziumJson;
pub use encode::JsonValues;
pub(super) use encode::not_finite;
pub use encode::{JsonRows, Numbers, row_as_json, show_row, texts};
pub use envelope::cloudevents_as_lines;

/// The format `json`.
#[derive(Debug)]
pub(super) struct Json;

impl Format for Json {
    fn name(&self) -> &'static str {
        "json"
    }

    fn help(&self) -> &'static str {
        "one object a line, or an array of objects; writes one object a line"
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["json", "ndjson", "jsonl"]
    }

    fn options(&self) -> &'static [OptionSpec] {
        &[]
    }

    fn decoding(&self, layout: &Layout, _: &Options) -> Result<Decoding, FormatError> {
        for field in layout.wanted.fields() {
            if super::cells::Cells::new(field.data_type(), &layout.times).is_none() {
                return Err(refuse_type(self.name(), field));
            }
        }
        Ok(Decoding::Text(Arc::new(JsonDecoding { layout: Arc::new(layout.clone()) })))
    }

    fn encoder(&self, schema: &SchemaRef, _: &Options) -> Result<Box<dyn Encoder>, FormatError> {
        Ok(Box::new(encode::JsonEncoder::new(schema)?))
    }
}

/// How lines are read, of a layout whose types were checked.
pub(super) fn lines(layout: &Arc<Layout>) -> Arc<dyn Records> {
    Arc::new(JsonRecords { layout: layout.clone(), shape: Shape::Lines })
}

#[derive(Debug)]
struct JsonDecoding {
    layout: Arc<Layout>,
}

/// How objects are apart of which the first begins this text: a line each, or only by where they end. That is so where the first is
/// written over several lines, or is followed by another on its own. `None` asks for more.
fn apart(text: &[u8], last: bool) -> Option<Shape> {
    let Some(end) = cursor::element_end(text, 0) else {
        let Some(newline) = memchr::memchr(b'\n', text) else { return last.then_some(Shape::Lines) };
        // What goes on in the next line so may still be one object; else its line is torn.
        return match text[newline..].iter().find(|byte| !byte.is_ascii_whitespace()) {
            Some(b'"' | b'}' | b']' | b',') | None if !last => None,
            _ => Some(Shape::Lines),
        };
    };
    let (object, rest) = text.split_at(end);
    if object.contains(&b'\n') {
        let whole = serde_json::from_slice::<serde::de::IgnoredAny>(object).is_ok();
        return Some(if whole { Shape::Elements { array: false } } else { Shape::Lines });
    }
    match rest.iter().find(|byte| !matches!(byte, b' ' | b'\t' | b'\r')) {
        Some(b'{') => Some(Shape::Elements { array: false }),
        None if !last => None,
        _ => Some(Shape::Lines),
    }
}

/// How the objects of an input stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    /// One a line.
    Lines,
    /// Elements of an array, of several, or of none: each ends where its bracket closes.
    Elements { array: bool },
}

impl Shape {
    /// What [`Records::open_at_end`] says.
    fn open_at_end(self, rest: &[u8]) -> Option<bool> {
        (self == Shape::Elements { array: true }).then(|| cursor::is_open(rest))
    }
}

#[derive(Debug)]
struct JsonRecords {
    layout: Arc<Layout>,
    shape: Shape,
}

impl TextDecoding for JsonDecoding {
    fn begin(&self, head: &[u8], last: bool) -> Result<Option<Beginning>, String> {
        let Some((skip, shape)) = shape(head, last)? else { return Ok(None) };
        let records = Arc::new(JsonRecords { layout: self.layout.clone(), shape });
        Ok(Some(Beginning { skip, lines: 0, records }))
    }
}

/// How the objects of an input stand that begins so, and what stands before them.
fn shape(head: &[u8], last: bool) -> Result<Option<(usize, Shape)>, String> {
    super::is_text(head)?;
    // RFC 4627, section 3: text begins with two letters of ASCII. A byte of 0 alone costs its own line.
    if let Some(encoding) = super::foreign::unmarked(head) {
        return Err(format!(
            "it has bytes of 0 in it, as {encoding} without a byte order mark has: JSON is UTF-8; write it so, as by \
             iconv -f {encoding} -t UTF-8"
        ));
    }
    let mut skip = if head.starts_with(b"\xEF\xBB\xBF") { 3 } else { 0 };
    let first = head[skip..].iter().position(|byte| !byte.is_ascii_whitespace());
    let shape = match first.map(|first| (skip + first, head[skip + first])) {
        Some((at, b'[')) => {
            skip = at + 1;
            Some(Shape::Elements { array: true })
        }
        Some((at, b'{')) => apart(&head[at..], last),
        _ => (last || head.contains(&b'\n')).then_some(Shape::Lines),
    };
    Ok(shape.map(|shape| (skip, shape)))
}

impl Records for JsonRecords {
    fn cut(&self, bytes: &[u8]) -> usize {
        match self.shape {
            Shape::Lines => memchr::memrchr(b'\n', bytes).map_or(0, |newline| newline + 1),
            Shape::Elements { .. } => cursor::cut_elements(bytes),
        }
    }

    fn step(&self, text: &[u8], mark: &mut Mark) -> (u64, Range<usize>) {
        if self.shape == Shape::Lines {
            return came::line(text, mark);
        }
        let gap = cursor::gap(text, mark.at);
        // What is wrong with a gap has a number of its own.
        let number = mark.number + u64::from(gap.wrong.is_some());
        let end = cursor::element_end(text, gap.end).unwrap_or(text.len());
        *mark = Mark { at: end, number: number + 1 };
        (number, gap.end..end)
    }

    fn open_at_end(&self, rest: &[u8]) -> Option<bool> {
        self.shape.open_at_end(rest)
    }

    fn decoder(&self) -> Box<dyn Decoder> {
        Box::new(decode::JsonDecoder::new(self.layout.clone(), self.shape))
    }
}

#[cfg(test)]
mod tests {
    use arrow_schema::DataType;

    use super::*;
    use crate::format::tests::{decode, decode_cut, faults, ints};

    const N: (&str, DataType) = ("n", DataType::Int64);

    /// The numbers and the faults of a text, which are the same however it is cut.
    #[track_caller]
    fn read(text: &str) -> (Vec<i64>, Vec<String>) {
        let part = decode("json", &[N], &[], text.as_bytes());
        let numbers: Vec<i64> = ints(&part, 0).into_iter().flatten().collect();
        for size in [1, 7, 64] {
            let parts = decode_cut("json", &[N], text.as_bytes(), size);
            let cut: Vec<i64> = parts.iter().flat_map(|part| ints(part, 0)).flatten().collect();
            assert_eq!(cut, numbers, "{text:?} by {size} bytes");
        }
        (numbers, faults(&part).into_iter().map(|(_, what)| what.to_owned()).collect())
    }

    #[test]
    fn objects_are_read_however_they_are_apart() {
        for text in [
            "{\"n\":1}\n{\"n\":2}\n{\"n\":3}",
            "[{\"n\":1},{\"n\":2},{\"n\":3}]",
            // As `jq` and json.dumps(indent=2) write them.
            "{\n  \"n\": 1\n}\n{\n  \"n\": 2\n}\n{\n  \"n\": 3\n}\n",
            "\n{\"n\": 1,\n \"m\": {\n}}\n{\"n\":2} {\"n\":3}",
            // One behind the other on a line, or by carriage returns alone.
            "{\"n\":1}{\"n\":2}{\"n\":3}",
            "{\"n\":1}\r{\"n\":2}\r{\"n\":3}\r",
            // Files with marks that were put together.
            "\u{feff}{\"n\":1}\n\u{feff}{\"n\":2}\n{\"n\":3}\n",
            // Arrays that were put together, a line each or not.
            "[{\"n\":1}]\n[{\"n\":2},{\"n\":3}]\n",
            "[{\"n\":1}][] [\n] [{\"n\":2}], [{\"n\":3}]",
        ] {
            assert_eq!(read(text), (vec![1, 2, 3], vec![]), "{text:?}");
        }
    }

    /// A torn line costs itself, whatever stands in it: what follows is read line by line.
    #[test]
    fn a_torn_first_line_does_not_change_how_lines_are_read() {
        for torn in
            ["{", "{\"n\":", "{\"n\":{", "{\"n\":\"{[", "{}}", "{\"n\":9},", "{\n", "{\"n\":\nno", "\0", "\0}", "{\0\0"]
        {
            let (numbers, faults) = read(&format!("{torn}\n{{\"n\":1}}\n{{\"n\":2}}\n"));
            assert!(numbers.ends_with(&[1, 2]) && !faults.is_empty(), "{torn:?}: {numbers:?} {faults:?}");
        }
    }

    #[test]
    fn what_is_no_json_is_refused_as_a_whole() {
        let layout = crate::format::tests::schema(&[N]);
        let layout = Layout::new(&layout, &[0], &Options::default()).unwrap_or_else(|error| panic!("{error}"));
        let Ok(Decoding::Text(json)) = Json.decoding(&layout, &Options::default()) else { panic!("JSON is text") };
        for (head, told) in [
            (&b"{\0\"\0n\0"[..], "iconv -f UTF-16LE"),
            (b"\0{\0\"\0n", "UTF-16BE without a byte order mark"),
            (b"\x1F\x8B\x08\0", "packed with gzip"),
            (b"PAR1", "Parquet"),
        ] {
            let refused = json.begin(head, true).map(|_| ()).unwrap_err();
            assert!(refused.contains(told), "{head:?}: {refused}");
        }
    }
}
