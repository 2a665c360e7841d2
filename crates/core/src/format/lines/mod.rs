//! Formats of which a record is a line: `raw` (the line is the column), `regex` and `grok` (a pattern has a group for each column).
//!
//! Line ends are LF or CRLF. A line that a pattern does not match is a fault; blank lines are passed over, except by `raw`.

mod grok;
mod named;
mod pattern;
mod raw;
mod regex;
#[cfg(test)]
mod tests;

use std::ops::Range;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::{Field, SchemaRef};

use super::cells::{Cells, Values};
use super::encoding::Encoding;
use super::{
    Beginning, Came, Decoder, Fault, FormatError, Layout, Mark, Part, Records, TextDecoding, batch, came, clip,
    oversized, refuse_type,
};

pub(super) use grok::Grok;
pub use named::decode_lines;
pub(super) use raw::Raw;
pub(super) use regex::Regex;

/// What makes rows of lines, for one thread.
trait Lines: Send {
    /// Whether a line without anything is a row.
    fn takes_blank(&self) -> bool;

    /// Takes a line as row `row`; what is begun of it when it fails is taken back by [`Lines::truncate`].
    fn line(&mut self, line: &[u8], row: usize) -> Result<(), String>;

    /// Takes back all but the first `rows` rows.
    fn truncate(&mut self, rows: usize);

    /// The rows so far, and begins anew.
    fn finish(&mut self, rows: usize) -> RecordBatch;
}

/// What makes [`Lines`].
trait LineFormat: Send + Sync + std::fmt::Debug {
    fn lines(&self) -> Box<dyn Lines>;

    /// The option that says how its text is encoded, if it is text.
    fn encoding(&self) -> Option<&'static str>;
}

/// What takes in the texts of each wanted column; a column that has no text is refused.
fn cells_of(format: &str, layout: &Layout) -> Result<Vec<Cells>, FormatError> {
    let cells = |field: &Arc<Field>| {
        let cells = Cells::new(field.data_type(), &layout.times).filter(|_| !field.data_type().is_nested());
        cells.ok_or_else(|| refuse_type(format, field))
    };
    layout.wanted.fields().iter().map(cells).collect()
}

/// Takes a text, or NULL, into a column, or says that it does not fit.
fn take(cells: &mut Cells, field: &Field, text: Option<&[u8]>) -> Result<(), String> {
    match text {
        Some(text) if cells.fits(text.len()) && cells.push_text(text) => {}
        Some(text) => {
            let shown = clip(&text[..text.len().min(40)]);
            return Err(format!("column '{}': expected {}, found '{shown}'", field.name(), cells.expects()));
        }
        None if !field.is_nullable() => {
            return Err(format!("column '{}' is NULL, and declared NOT NULL", field.name()));
        }
        None => cells.push_null(),
    }
    Ok(())
}

/// The same of text that may be a value or not: the empty text is NULL where no text is meant.
fn take_meant(cells: &mut Cells, field: &Field, text: Option<&[u8]>) -> Result<(), String> {
    let meant = |text: &&[u8]| !text.is_empty() || matches!(cells.values, Values::Text { .. });
    let text = text.filter(meant);
    take(cells, field, text)
}

/// The rows of the cells.
fn finished(wanted: &SchemaRef, cells: &mut [Cells], rows: usize) -> RecordBatch {
    let columns = cells.iter_mut().map(|cells| match cells.finish() {
        Some(column) => column,
        None => unreachable!("the text of every line was checked to be UTF-8"),
    });
    match batch(wanted, columns.collect(), rows) {
        Ok(batch) => batch,
        Err(error) => unreachable!("cells are made by the schema, NULLs refused where it says: {error}"),
    }
}

/// A format of lines, ready to read inputs of one layout.
#[derive(Clone, Debug)]
struct LinesDecoding {
    layout: Arc<Layout>,
    encoding: Option<Encoding>,
    format: Arc<dyn LineFormat>,
}

impl TextDecoding for LinesDecoding {
    fn encoding(&self) -> Option<Encoding> {
        self.encoding
    }

    fn begin(&self, head: &[u8], _: bool) -> Result<Option<Beginning>, String> {
        super::is_text(head)?;
        if let (Some(encoding), Some(option)) = (super::foreign::unmarked(head), self.format.encoding()) {
            return Err(format!(
                "it has bytes of 0 in it, as {encoding} without a byte order mark has: say so, as '{option}' = '{encoding}'"
            ));
        }
        let skip = if head.starts_with(b"\xEF\xBB\xBF") { 3 } else { 0 };
        Ok(Some(Beginning { skip, lines: 0, records: Arc::new(self.clone()) }))
    }
}

impl Records for LinesDecoding {
    fn cut(&self, bytes: &[u8]) -> usize {
        memchr::memrchr(b'\n', bytes).map_or(0, |newline| newline + 1)
    }

    fn step(&self, text: &[u8], mark: &mut Mark) -> (u64, Range<usize>) {
        came::line(text, mark)
    }

    fn decoder(&self) -> Box<dyn Decoder> {
        Box::new(LinesDecoder { longest: self.layout.max_row_bytes, lines: self.format.lines() })
    }
}

struct LinesDecoder {
    longest: usize,
    lines: Box<dyn Lines>,
}

impl Decoder for LinesDecoder {
    fn decode(&mut self, chunk: &[u8]) -> Part {
        let (mut at, mut rows, mut records) = (0, 0_usize, 0_u64);
        let mut numbers: Option<Vec<u64>> = None;
        let mut faults = Vec::new();
        while at < chunk.len() {
            let rest = &chunk[at..];
            let end = memchr::memchr(b'\n', rest);
            let line = &rest[..end.unwrap_or(rest.len())];
            at += line.len() + 1;
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            let taken = if line.is_empty() && !self.lines.takes_blank() {
                None
            } else if line.len() > self.longest {
                Some(Err(("oversized", String::new())))
            } else {
                Some(self.lines.line(line, rows).map_err(|detail| ("malformed", detail)))
            };
            if !matches!(taken, Some(Ok(()))) {
                numbers.get_or_insert_with(|| (0..rows as u64).collect());
            }
            match taken {
                None => {}
                Some(Ok(())) => {
                    numbers.iter_mut().for_each(|numbers| numbers.push(records));
                    rows += 1;
                }
                Some(Err((reason, detail))) => {
                    self.lines.truncate(rows);
                    faults.push(match reason {
                        "oversized" => oversized(records, line, self.longest),
                        _ => Fault { record: records, reason, detail, content: clip(line) },
                    });
                }
            }
            records += 1;
        }
        Part { batch: self.lines.finish(rows), numbers, records, faults, came: Came::default() }
    }
}
