//! JSON: objects one a line (NDJSON), or one array of objects. Only the wanted columns become values; the rest is
//! checked and passed over.
//!
//! Decisions: of a key that is repeated the last value counts. Missing and `null` are NULL. Text is accepted where a
//! number, a truth value or a time is meant, if it reads as one; numbers and truth values, and nested values as they
//! stand, are accepted as VARCHAR. NaN and the infinities are written as `"NaN"`, `"Infinity"`, `"-Infinity"`, and read back.

pub(crate) mod cursor;
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

pub(crate) use encode::JsonValues;
pub(super) use encode::not_finite;
pub use encode::{JsonRows, Numbers, row_as_json, show_row};
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

/// How the objects of an input stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    /// One a line.
    Lines,
    /// Elements of an array.
    Elements,
}

#[derive(Debug)]
struct JsonRecords {
    layout: Arc<Layout>,
    shape: Shape,
}

impl TextDecoding for JsonDecoding {
    fn begin(&self, head: &[u8], last: bool) -> Result<Option<Beginning>, String> {
        let mut skip = if head.starts_with(b"\xEF\xBB\xBF") { 3 } else { 0 };
        let mut shape = Shape::Lines;
        if let Some(first) = head[skip..].iter().position(|byte| !byte.is_ascii_whitespace())
            && head[skip + first] == b'['
        {
            shape = Shape::Elements;
            skip += first + 1;
        }
        if shape == Shape::Lines && !last && !head.contains(&b'\n') {
            return Ok(None);
        }
        let records = Arc::new(JsonRecords { layout: self.layout.clone(), shape });
        Ok(Some(Beginning { skip, lines: 0, records }))
    }
}

impl Records for JsonRecords {
    fn cut(&self, bytes: &[u8]) -> usize {
        match self.shape {
            Shape::Lines => memchr::memrchr(b'\n', bytes).map_or(0, |newline| newline + 1),
            Shape::Elements => cursor::cut_elements(bytes),
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

    fn decoder(&self) -> Box<dyn Decoder> {
        Box::new(decode::JsonDecoder::new(self.layout.clone(), self.shape))
    }
}
