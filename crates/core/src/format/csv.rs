//! CSV, as RFC 4180 writes it: fields quoted where they must be, quotes doubled, records ended by LF or CRLF; and as options say.
//!
//! With a header (the default) columns are found by name; without, by the order of declaration. An empty field without
//! quotes, and one that equals `csv.null-literal`, is NULL, except that text takes `""` as empty text. A declared column that
//! the header does not name is NULL and told once, a column of the header that is not declared is passed over and told once; one that
//! is declared and that it names twice is refused.

mod decode;
mod dialect;
mod encode;
mod split;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use arrow_schema::{FieldRef, SchemaRef};

use super::encoding::Encoding;
use super::{
    Beginning, Decoding, Encoder, Format, FormatError, Layout, Mark, Records, TextDecoding, case_matters, listed,
    refuse_type,
};
use crate::options::{OptionSpec, Options};
use dialect::{Dialect, OPTIONS};
use split::{End, without_end};

/// The format `csv`.
#[derive(Debug)]
pub(super) struct Csv;

/// Refuses the first type in a schema that has no text form in a field, unless its column may be one that is not there.
fn check_types(schema: &SchemaRef, absent: bool) -> Result<(), FormatError> {
    let nested = |field: &&FieldRef| field.data_type().is_nested() && !(absent && field.is_nullable());
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
        OPTIONS
    }

    fn decoding(&self, layout: &Layout, options: &Options) -> Result<Decoding, FormatError> {
        let dialect = Arc::new(Dialect::new(options, layout.max_row_bytes)?);
        check_types(&layout.wanted, layout.may_lack && dialect.header)?;
        for field in layout.wanted.fields() {
            if super::cells::Cells::new(field.data_type(), &layout.times).is_none() {
                return Err(refuse_type(self.name(), field));
            }
        }
        Ok(Decoding::Text(Arc::new(CsvDecoding { layout: Arc::new(layout.clone()), dialect })))
    }

    fn encoder(&self, schema: &SchemaRef, options: &Options) -> Result<Box<dyn Encoder>, FormatError> {
        check_types(schema, false)?;
        Ok(Box::new(encode::CsvEncoder::new(schema.clone(), Dialect::new(options, usize::MAX)?)?))
    }
}

#[derive(Debug)]
struct CsvDecoding {
    layout: Arc<Layout>,
    dialect: Arc<Dialect>,
}

/// How the records of one input are read: which field goes into which wanted column.
#[derive(Debug)]
struct CsvRecords {
    layout: Arc<Layout>,
    dialect: Arc<Dialect>,
    /// Per field of a record the wanted column it fills.
    targets: Vec<Option<usize>>,
    /// Wanted columns that no field fills.
    missing: Vec<usize>,
    /// The header, without its end.
    header: Vec<u8>,
}

impl CsvDecoding {
    fn records(&self, targets: Vec<Option<usize>>, header: &[u8]) -> Arc<CsvRecords> {
        let mut filled = vec![false; self.layout.wanted.fields().len()];
        targets.iter().flatten().for_each(|&column| filled[column] = true);
        let missing = (0..filled.len()).filter(|&column| !filled[column]).collect();
        let (layout, dialect) = (self.layout.clone(), self.dialect.clone());
        Arc::new(CsvRecords { layout, dialect, targets, missing, header: without_end(header).to_vec() })
    }

    /// What a header says of the columns; `Err` if its input cannot be what is declared.
    fn headed(&self, header: &[u8]) -> Result<Arc<CsvRecords>, String> {
        let names = &self.dialect.marks.names(header);
        let wanted = self.layout.wanted.fields();
        let places: HashMap<&str, usize> =
            wanted.iter().zip(0..).map(|(field, at)| (field.name().as_str(), at)).collect();
        let declared: HashMap<&str, ()> =
            self.layout.physical.fields().iter().map(|field| (field.name().as_str(), ())).collect();
        let mut first: HashMap<&str, usize> = HashMap::new();
        for (name, at) in names.iter().zip(1..).filter(|(name, _)| declared.contains_key(name.as_str())) {
            if let Some(first) = first.insert(name, at) {
                return Err(format!(
                    "the header names column '{name}' twice, as its fields {first} and {at}: give one of them another name"
                ));
            }
        }
        let nested = |field: &&FieldRef| field.data_type().is_nested() && first.contains_key(field.name().as_str());
        if let Some(field) = wanted.iter().find(nested) {
            return Err(refuse_type("csv", field).to_string());
        }
        let records = self.records(names.iter().map(|name| places.get(name.as_str()).copied()).collect(), header);
        let (known, surplus): (Vec<&str>, Vec<&str>) =
            names.iter().map(String::as_str).partition(|name| declared.contains_key(name));
        if known.is_empty() && !wanted.is_empty() {
            let all = || self.layout.physical.fields().iter().map(|field| field.name().as_str());
            let apart = surplus.first().filter(|_| surplus.len() == 1);
            let apart = apart
                .and_then(|line| DELIMITERS.iter().find(|by| line.split(**by).any(|name| declared.contains_key(name))));
            let remedy = match (apart, case_matters(all(), surplus.iter().copied())) {
                (Some('\t'), _) => "; its fields are apart by tabs: write 'csv.field-delimiter' = '\\t'".to_owned(),
                (Some(by), _) => format!("; its fields are apart by '{by}': write 'csv.field-delimiter' = '{by}'"),
                (None, "") => "; without a header write 'csv.header' = 'false'".to_owned(),
                (None, case) => case.to_owned(),
            };
            let (all, found) = (listed(all()), listed(surplus.iter().copied()));
            return Err(format!("the header names none of the columns {all}: it is {found}{remedy}"));
        }
        let missing = || records.missing.iter().map(|&column| wanted[column].as_ref());
        if let Some(field) = missing().find(|field| !field.is_nullable()) {
            let case = case_matters([field.name().as_str()], surplus.iter().copied());
            return Err(format!("the header has no column '{}', declared NOT NULL{case}", field.name()));
        }
        if !records.missing.is_empty() {
            let case = case_matters(missing().map(|field| field.name().as_str()), surplus.iter().copied());
            let names = listed(missing().map(|field| field.name().as_str()));
            self.layout.notices.warn(&format!("the header has no column {names}: NULL in every row{case}"));
        }
        if !surplus.is_empty() {
            let names = listed(surplus.into_iter());
            self.layout.notices.info(&format!("the header has undeclared columns, which are passed over: {names}"));
        }
        Ok(records)
    }
}

impl TextDecoding for CsvDecoding {
    fn encoding(&self) -> Option<Encoding> {
        self.dialect.encoding
    }

    fn begin(&self, head: &[u8], last: bool) -> Result<Option<Beginning>, String> {
        super::is_text(head)?;
        if let Some(encoding) = super::foreign::unmarked(head) {
            return Err(format!("it has bytes of 0 in it, as {NO_MARK} = '{encoding}'"));
        }
        let mut skip = if head.starts_with(b"\xEF\xBB\xBF") { 3 } else { 0 };
        if !self.dialect.header {
            let mut targets = vec![None; self.layout.physical.fields().len()];
            self.layout.decode.iter().zip(0..).for_each(|(&physical, wanted)| targets[physical] = Some(wanted));
            return Ok(Some(Beginning { skip, lines: 0, records: self.records(targets, b"") }));
        }
        let (marks, mut lines) = (&self.dialect.marks, 0);
        loop {
            let rest = &head[skip..];
            let length = match marks.record_end(rest, last) {
                End::Beyond => return Ok(None),
                End::Broken(_, what) => return Err(format!("in the header {what}")),
                End::Whole(length) => length,
            };
            if length == 0 {
                return Ok(Some(Beginning { skip, lines, records: self.records(Vec::new(), b"") }));
            }
            let header = &rest[..length];
            skip += length;
            lines += memchr::memchr_iter(b'\n', header).count().max(1) as u64;
            if marks.is_comment(header) || without_end(header).is_empty() {
                continue;
            }
            let line = header.strip_suffix(b"\n").unwrap_or(header);
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if line.contains(&b'\r') && !line.contains(&b'"') {
                return Err(format!("the header has carriage returns in it: {BARE_CR}"));
            }
            if header.contains(&0) {
                return Err(format!("the header has bytes of 0 in it, as {NO_MARK} = 'UTF-16LE'"));
            }
            if std::str::from_utf8(header).is_err() {
                return Err(format!("the header is {NOT_UTF8}"));
            }
            return Ok(Some(Beginning { skip, lines, records: self.headed(header)? }));
        }
    }
}

/// What fields are apart by in files that others wrote.
const DELIMITERS: &[char] = &[',', ';', '\t', '|'];

/// What is said of lines that end as old Macs wrote them.
const BARE_CR: &str = "its lines end with CR alone; write them with LF, as by tr '\\r' '\\n' < FILE";

/// What is said of UTF-16 that is not marked as such.
const NO_MARK: &str = "UTF-16 without a byte order mark has: say how it is encoded, as 'csv.encoding'";

/// What is said of text in another encoding.
const NOT_UTF8: &str = "not UTF-8; say how it is encoded, as 'csv.encoding' = 'ISO-8859-1' or 'UTF-16'";

/// How many numbers a record takes: newlines within quotes count as lines too, so that positions are those of an editor.
fn records_of(record: &[u8]) -> u64 {
    1 + memchr::memchr_iter(b'\n', record).count() as u64
}

impl Records for CsvRecords {
    fn cut(&self, bytes: &[u8]) -> usize {
        self.dialect.marks.cut(bytes)
    }

    fn step(&self, text: &[u8], mark: &mut Mark) -> (u64, Range<usize>) {
        let Mark { at, number } = *mark;
        let rest = &text[at..];
        let length = match self.dialect.marks.record_end(rest, true) {
            End::Whole(length) | End::Broken(length, _) => length,
            End::Beyond => rest.len(),
        };
        let record = without_end(&rest[..length]);
        *mark = Mark { at: at + length, number: number + records_of(record) };
        (number, at..at + record.len())
    }

    fn decoder(&self) -> Box<dyn super::Decoder> {
        Box::new(decode::CsvDecoder::new(self))
    }
}
