//! CSV, as RFC 4180 writes it: fields quoted where they must be, quotes doubled, records ended by LF or CRLF.
//!
//! With a header (the default) columns are found by name; without, by the order of declaration. An empty field without
//! quotes, and one that equals `csv.null-literal`, is NULL, except that text takes `""` as empty text.

mod decode;
mod encode;

use std::sync::Arc;

use arrow_schema::SchemaRef;

use super::{
    Beginning, Decoding, Encoder, Fault, Format, FormatError, Layout, Records, TextDecoding, clip, refuse_type,
};
use crate::options::{OptionError, OptionSpec, Options};

/// The format `csv`.
#[derive(Debug)]
pub(super) struct Csv;

/// What the options say.
#[derive(Clone, Debug)]
struct Dialect {
    delimiter: u8,
    header: bool,
    null: Option<Vec<u8>>,
}

impl Dialect {
    fn new(options: &Options) -> Result<Dialect, FormatError> {
        let delimiter = match options.get("csv.field-delimiter") {
            None => b',',
            Some("\\t") => b'\t',
            Some(text) => match text.as_bytes() {
                [byte] if byte.is_ascii() && !matches!(byte, b'"' | b'\n' | b'\r') => *byte,
                _ => {
                    return Err(FormatError::Option(OptionError::Invalid {
                        name: "csv.field-delimiter".to_owned(),
                        value: text.to_owned(),
                        reason: r"write one ASCII character, or \t".to_owned(),
                    }));
                }
            },
        };
        let header = options.one_of("csv.header", &[("true", true), ("false", false)])?.unwrap_or(true);
        Ok(Dialect { delimiter, header, null: options.get("csv.null-literal").map(|text| text.as_bytes().to_vec()) })
    }
}

/// The first type in a schema that has no text form in a field.
fn check_types(schema: &SchemaRef) -> Result<(), FormatError> {
    let nested = |field: &&arrow_schema::FieldRef| field.data_type().is_nested();
    schema.fields().iter().find(nested).map_or(Ok(()), |field| Err(refuse_type("csv", field)))
}

impl Format for Csv {
    fn name(&self) -> &'static str {
        "csv"
    }

    fn help(&self) -> &'static str {
        "comma-separated values, with a header unless 'csv.header' = 'false'"
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["csv", "tsv"]
    }

    fn options(&self) -> &'static [OptionSpec] {
        &[
            OptionSpec {
                name: "csv.field-delimiter",
                help: r"what stands between fields: one character, or \t (default ,)",
            },
            OptionSpec {
                name: "csv.header",
                help: "whether the first line names the columns: true, false (default true)",
            },
            OptionSpec {
                name: "csv.null-literal",
                help: "what stands for NULL besides an empty field (default: nothing)",
            },
        ]
    }

    fn decoding(&self, layout: &Layout, options: &Options) -> Result<Decoding, FormatError> {
        check_types(&layout.wanted)?;
        for field in layout.wanted.fields() {
            if super::cells::Cells::new(field.data_type(), layout.unit).is_none() {
                return Err(refuse_type(self.name(), field));
            }
        }
        Ok(Decoding::Text(Arc::new(CsvDecoding { layout: Arc::new(layout.clone()), dialect: Dialect::new(options)? })))
    }

    fn encoder(&self, schema: &SchemaRef, options: &Options) -> Result<Box<dyn Encoder>, FormatError> {
        check_types(schema)?;
        Ok(Box::new(encode::CsvEncoder::new(schema.clone(), Dialect::new(options)?)))
    }
}

#[derive(Debug)]
struct CsvDecoding {
    layout: Arc<Layout>,
    dialect: Dialect,
}

/// How the records of one input are read: which field goes into which wanted column.
#[derive(Debug)]
struct CsvRecords {
    layout: Arc<Layout>,
    dialect: Dialect,
    /// Per field of a record the wanted column it fills.
    targets: Vec<Option<usize>>,
    /// Wanted columns that no field fills.
    missing: Vec<String>,
}

impl TextDecoding for CsvDecoding {
    fn begin(&self, head: &[u8]) -> Beginning {
        let mut skip = if head.starts_with(b"\xEF\xBB\xBF") { 3 } else { 0 };
        let wanted = |physical: usize| self.layout.decode.iter().position(|&column| column == physical);
        let (mut lines, mut faults) = (0, Vec::new());
        let targets: Vec<Option<usize>> = if self.dialect.header {
            let header = &head[skip..];
            let length = decode::record_end(header).unwrap_or(header.len());
            let names = decode::names(&header[..length], self.dialect.delimiter);
            skip += length;
            lines = u64::from(length > 0);
            let find = |name: &String| self.layout.wanted.fields().iter().position(|field| field.name() == name);
            names.iter().map(find).collect()
        } else {
            (0..self.layout.physical.fields().len()).map(wanted).collect()
        };
        let filled = |column: &usize| !targets.contains(&Some(*column));
        let unfilled: Vec<usize> = (0..self.layout.wanted.fields().len()).filter(filled).collect();
        let missing: Vec<String> =
            unfilled.iter().map(|&column| self.layout.wanted.field(column).name().clone()).collect();
        if lines > 0 && !missing.is_empty() {
            faults.push(Fault {
                record: 0,
                reason: "malformed",
                detail: format!("the header names no column {}: NULL in every row", missing.join(", ")),
                content: clip(&head[..skip]),
            });
        }
        let records = CsvRecords { layout: self.layout.clone(), dialect: self.dialect.clone(), targets, missing };
        Beginning { skip, lines, faults, records: Arc::new(records) }
    }
}

impl Records for CsvRecords {
    fn cut(&self, bytes: &[u8]) -> usize {
        decode::cut(bytes)
    }

    fn decoder(&self) -> Box<dyn super::Decoder> {
        Box::new(decode::CsvDecoder::new(self))
    }
}
