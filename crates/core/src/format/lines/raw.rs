//! `raw`: a line is a row of one column, text or bytes.

use std::sync::Arc;

use arrow_array::builder::{BinaryBuilder, StringBuilder};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, SchemaRef};

use super::{LineFormat, Lines, LinesDecoding};
use crate::format::encoding::Encoding;
use crate::format::{Decoding, Encoder, Format, FormatError, Layout, batch, read_only};
use crate::options::{OptionSpec, Options};

/// The format `raw`.
#[derive(Debug)]
pub(in crate::format) struct Raw;

impl Format for Raw {
    fn name(&self) -> &'static str {
        "raw"
    }

    fn help(&self) -> &'static str {
        "lines as they are: one column of VARCHAR or BYTES; read only"
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["log", "txt"]
    }

    fn options(&self) -> &'static [OptionSpec] {
        &[OptionSpec {
            name: "raw.charset",
            help: "how text is encoded, as ISO-8859-1 or UTF-16 (default UTF-8; a byte order mark is heeded)",
        }]
    }

    fn decoding(&self, layout: &Layout, options: &Options) -> Result<Decoding, FormatError> {
        let columns = layout.physical.fields();
        let fits = |kind: &DataType| matches!(kind, DataType::Utf8 | DataType::Binary);
        if columns.len() != 1 || !columns.iter().all(|field| fits(field.data_type())) {
            return Err(FormatError::Schema {
                what: "format 'raw' reads a line into one column of type VARCHAR or BYTES".to_owned(),
                remedy: "declare one such column, and compute others from it: status AS SPLIT_INDEX(line, ' ', 8); or take 'format' = 'regex'"
                    .to_owned(),
            });
        }
        let format =
            Arc::new(RawFormat { wanted: layout.wanted.clone(), text: columns[0].data_type() == &DataType::Utf8 });
        let encoding = Encoding::of(options, "raw.charset")?;
        Ok(Decoding::Text(Arc::new(LinesDecoding { layout: Arc::new(layout.clone()), encoding, format })))
    }

    fn encoder(&self, _: &SchemaRef, _: &Options) -> Result<Box<dyn Encoder>, FormatError> {
        Err(read_only(self.name()))
    }
}

#[derive(Debug)]
struct RawFormat {
    wanted: SchemaRef,
    text: bool,
}

impl LineFormat for RawFormat {
    fn lines(&self) -> Box<dyn Lines> {
        let wanted = self.wanted.clone();
        match self.text {
            true => Box::new(Texts { wanted, text: StringBuilder::new() }),
            false => Box::new(Bytes { wanted, bytes: BinaryBuilder::new() }),
        }
    }

    fn encoding(&self) -> Option<&'static str> {
        self.text.then_some("raw.charset")
    }
}

/// A batch of the column, or of none if it is not wanted.
fn made(wanted: &SchemaRef, column: ArrayRef, rows: usize) -> RecordBatch {
    let columns = if wanted.fields().is_empty() { Vec::new() } else { vec![column] };
    match batch(wanted, columns, rows) {
        Ok(batch) => batch,
        Err(error) => unreachable!("a line is of the column's type: {error}"),
    }
}

/// What is said when the text of a batch is more than its offsets can tell.
const TOO_MUCH: &str = "the text of one batch is over 2 GiB; give shorter chunks";

struct Texts {
    wanted: SchemaRef,
    text: StringBuilder,
}

impl Lines for Texts {
    fn takes_blank(&self) -> bool {
        true
    }

    fn line(&mut self, line: &[u8], _: usize) -> Result<(), String> {
        let text = std::str::from_utf8(line);
        let text = text.map_err(|_| super::pattern::not_utf8("raw.charset"))?;
        if self.text.values_slice().len() + line.len() > i32::MAX as usize {
            return Err(TOO_MUCH.to_owned());
        }
        self.text.append_value(text);
        Ok(())
    }

    // A line is taken as a whole or not at all.
    fn truncate(&mut self, _: usize) {}

    fn finish(&mut self, rows: usize) -> RecordBatch {
        made(&self.wanted, Arc::new(self.text.finish()), rows)
    }
}

struct Bytes {
    wanted: SchemaRef,
    bytes: BinaryBuilder,
}

impl Lines for Bytes {
    fn takes_blank(&self) -> bool {
        true
    }

    fn line(&mut self, line: &[u8], _: usize) -> Result<(), String> {
        if self.bytes.values_slice().len() + line.len() > i32::MAX as usize {
            return Err(TOO_MUCH.to_owned());
        }
        self.bytes.append_value(line);
        Ok(())
    }

    fn truncate(&mut self, _: usize) {}

    fn finish(&mut self, rows: usize) -> RecordBatch {
        made(&self.wanted, Arc::new(self.bytes.finish()), rows)
    }
}
