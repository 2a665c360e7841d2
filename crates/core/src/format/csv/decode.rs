//! The CSV decoder: fields straight into columns; a bad record is taken back and becomes a fault.

use std::sync::Arc;

use super::super::cells::{Cells, Values};
use super::super::{Came, Decoder, Fault, Layout, Part, batch, clip, oversized};
use super::dialect::Dialect;
use super::split::{End, Field, without_end};
use super::{CsvRecords, NOT_UTF8, records_of};
use crate::counted::counted;

/// A decoder with its columns.
pub(super) struct CsvDecoder {
    layout: Arc<Layout>,
    dialect: Arc<Dialect>,
    /// Whether numbers are read as they stand.
    plain: bool,
    targets: Vec<Option<usize>>,
    missing: Vec<usize>,
    header: Vec<u8>,
    cells: Vec<Cells>,
    scratch: Vec<u8>,
    number: Vec<u8>,
}

impl CsvDecoder {
    pub(super) fn new(records: &CsvRecords) -> CsvDecoder {
        let layout = records.layout.clone();
        let cells =
            layout.wanted.fields().iter().filter_map(|field| Cells::new(field.data_type(), &layout.times)).collect();
        CsvDecoder {
            layout,
            dialect: records.dialect.clone(),
            plain: records.dialect.plain_numbers(),
            targets: records.targets.clone(),
            missing: records.missing.clone(),
            header: records.header.clone(),
            cells,
            scratch: Vec::new(),
            number: Vec::new(),
        }
    }

    fn record(&mut self, record: &[u8]) -> Result<(), String> {
        let (mut at, mut index) = (0, 0);
        loop {
            let field = self.dialect.marks.field(record, at, &mut self.scratch);
            match self.targets.get(index) {
                Some(Some(target)) => {
                    let schema = self.layout.wanted.field(*target);
                    let cells = &mut self.cells[*target];
                    let dialect = (!self.plain).then_some((self.dialect.as_ref(), &mut self.number));
                    fill(cells, schema.is_nullable(), &field, &self.dialect, dialect)
                        .map_err(|what| format!("column '{}'{what}", schema.name()))?;
                }
                Some(None) => {}
                None if self.dialect.lenient => break,
                None => return Err(format!("more than the {} there should be", counted(self.targets.len(), "field"))),
            }
            index += 1;
            match field.next {
                Some(next) => at = next,
                None => break,
            }
        }
        if index < self.targets.len() {
            if !self.dialect.lenient {
                return Err(format!("{} where {} should be", counted(index, "field"), self.targets.len()));
            }
            for target in self.targets[index..].iter().flatten() {
                null(&mut self.cells[*target], &self.layout, *target)?;
            }
        }
        for target in &self.missing {
            null(&mut self.cells[*target], &self.layout, *target)?;
        }
        Ok(())
    }
}

type Taken = Result<(), (&'static str, String)>;

impl CsvDecoder {
    /// Whether a record is the header once more.
    fn is_header(&self, record: &[u8]) -> bool {
        let record = record.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(record);
        !record.is_empty() && record == self.header
    }

    /// Says of the header within a file what it is. Of columns of text it may be a row.
    fn headed_again(&self, taken: Taken) -> Taken {
        if taken.is_ok() {
            self.layout
                .notices
                .warn("a record is the header again, as where files were put together: it is taken as a row");
        }
        taken.map_err(|(reason, _)| (reason, "the header again, as where files were put together".to_owned()))
    }
}

/// NULL in a column that a record does not have.
fn null(cells: &mut Cells, layout: &Layout, column: usize) -> Result<(), String> {
    let field = layout.wanted.field(column);
    if !field.is_nullable() {
        return Err(format!("column '{}' is missing, and declared NOT NULL", field.name()));
    }
    cells.push_null();
    Ok(())
}

/// Puts a field into its column.
#[inline]
fn fill(
    cells: &mut Cells,
    nullable: bool,
    field: &Field<'_>,
    dialect: &Dialect,
    numbers: Option<(&Dialect, &mut Vec<u8>)>,
) -> Result<(), String> {
    // What stands in quotes may be text that looks like NULL.
    let text = field.quoted && matches!(cells.values, Values::Text { .. } | Values::Bytes { .. });
    let null = !text && (field.text.is_empty() || dialect.null.as_deref() == Some(field.raw));
    if !null {
        let text = match numbers {
            Some((dialect, plain)) if cells.is_number() => dialect.number(field.text, plain),
            _ => Some(field.text),
        };
        if cells.fits(field.text.len()) && text.is_some_and(|text| cells.push_text(text)) {
            return Ok(());
        }
        if !(dialect.lenient && nullable) {
            let shown = clip(&field.text[..field.text.len().min(40)]);
            return Err(format!(": expected {}, found '{shown}'", cells.expects()));
        }
    }
    if !nullable {
        return Err(" is NULL, and declared NOT NULL".to_owned());
    }
    cells.push_null();
    Ok(())
}

impl Decoder for CsvDecoder {
    fn decode(&mut self, chunk: &[u8]) -> Part {
        let checked = std::str::from_utf8(chunk).is_ok();
        let quotes = self.dialect.marks.quote.is_some_and(|quote| memchr::memchr(quote, chunk).is_some());
        let (mut at, mut rows, mut records) = (0, 0_usize, 0_u64);
        let mut numbers: Option<Vec<u64>> = None;
        let mut faults = Vec::new();
        while at < chunk.len() {
            let rest = &chunk[at..];
            let (length, broken) = match quotes {
                true => match self.dialect.marks.record_end(rest, true) {
                    End::Whole(length) => (length, None),
                    End::Broken(length, what) => (length, Some(what)),
                    End::Beyond => unreachable!("nothing is beyond the end"),
                },
                false => (memchr::memchr(b'\n', rest).map_or(rest.len(), |newline| newline + 1), None),
            };
            let whole = &rest[..length];
            at += length;
            let record = without_end(whole);
            let result = if (record.is_empty() && self.targets.len() != 1) || self.dialect.marks.is_comment(record) {
                // A blank line: nothing, but it counts.
                numbers.get_or_insert_with(|| (0..rows as u64).collect());
                records += 1;
                continue;
            } else if record.len() > self.layout.max_row_bytes {
                Err(("oversized", String::new()))
            } else if !checked && std::str::from_utf8(record).is_err() {
                Err(("malformed", NOT_UTF8.to_owned()))
            } else if let Some(what) = broken {
                Err(("malformed", format!("{what}; what follows is read from the next line on")))
            } else {
                self.record(record).map_err(|detail| ("malformed", detail))
            };
            let result = if self.is_header(record) { self.headed_again(result) } else { result };
            match result {
                Ok(()) => {
                    if let Some(numbers) = &mut numbers {
                        numbers.push(records);
                    }
                    rows += 1;
                }
                Err((reason, detail)) => {
                    numbers.get_or_insert_with(|| (0..rows as u64).collect());
                    self.cells.iter_mut().for_each(|cells| cells.truncate(rows));
                    faults.push(match reason {
                        "oversized" => oversized(records, record, self.layout.max_row_bytes),
                        _ => Fault { record: records, reason, detail, content: clip(record) },
                    });
                }
            }
            records += if quotes { records_of(record) } else { 1 };
            if records as usize != rows && numbers.is_none() {
                numbers = Some((0..rows as u64).collect());
            }
        }
        let columns = self.cells.iter_mut().map(|cells| match cells.finish() {
            Some(column) => column,
            None => unreachable!("the text of every accepted record was checked to be UTF-8"),
        });
        let batch = match batch(&self.layout.wanted, columns.collect(), rows) {
            Ok(batch) => batch,
            Err(error) => unreachable!("cells are made by the schema, NULLs refused where it says: {error}"),
        };
        Part { batch, numbers, records, faults, came: Came::default() }
    }
}
