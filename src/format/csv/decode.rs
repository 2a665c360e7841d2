//! The CSV decoder: fields straight into columns; a bad record is taken back and becomes a fault.

use std::sync::Arc;

use super::super::cells::{Cells, Values};
use super::super::{Decoder, Fault, Layout, Part, batch, clip};
use super::CsvRecords;

/// The length of the whole records at the start: up to the last newline outside quotes.
pub(super) fn cut(bytes: &[u8]) -> usize {
    if memchr::memchr(b'"', bytes).is_none() {
        return memchr::memrchr(b'\n', bytes).map_or(0, |newline| newline + 1);
    }
    let (mut quoted, mut cut) = (false, 0);
    for at in memchr::memchr2_iter(b'"', b'\n', bytes) {
        match bytes[at] {
            b'"' => quoted = !quoted,
            _ if !quoted => cut = at + 1,
            _ => {}
        }
    }
    cut
}

/// The length of the first record with its newline.
pub(super) fn record_end(bytes: &[u8]) -> Option<usize> {
    let mut quoted = false;
    for at in memchr::memchr2_iter(b'"', b'\n', bytes) {
        match bytes[at] {
            b'"' => quoted = !quoted,
            _ if !quoted => return Some(at + 1),
            _ => {}
        }
    }
    None
}

/// The fields of a header.
pub(super) fn names(header: &[u8], delimiter: u8) -> Vec<String> {
    let header = without_end(header);
    let mut scratch = Vec::new();
    let (mut at, mut names) = (0, Vec::new());
    while let Ok(field) = field(header, at, delimiter, &mut scratch) {
        names.push(String::from_utf8_lossy(field.text).trim().to_owned());
        match field.next {
            Some(next) => at = next,
            None => break,
        }
    }
    names
}

/// A record without its line end.
fn without_end(record: &[u8]) -> &[u8] {
    let record = record.strip_suffix(b"\n").unwrap_or(record);
    record.strip_suffix(b"\r").unwrap_or(record)
}

/// One field: its text without quotes, whether it had them, and where the next begins.
struct Field<'a> {
    text: &'a [u8],
    quoted: bool,
    next: Option<usize>,
}

/// The field at `at` of a record without its end.
#[inline]
fn field<'a>(record: &'a [u8], at: usize, delimiter: u8, scratch: &'a mut Vec<u8>) -> Result<Field<'a>, &'static str> {
    if record.get(at) != Some(&b'"') {
        let end = record[at..].iter().position(|byte| *byte == delimiter).map_or(record.len(), |length| at + length);
        let next = (end < record.len()).then_some(end + 1);
        return Ok(Field { text: &record[at..end], quoted: false, next });
    }
    let mut from = at + 1;
    scratch.clear();
    let mut copied = false;
    loop {
        let Some(quote) = memchr::memchr(b'"', &record[from..]).map(|length| from + length) else {
            return Err("a quote is not closed");
        };
        let after = record.get(quote + 1).copied();
        if after == Some(b'"') {
            scratch.extend_from_slice(&record[from..=quote]);
            copied = true;
            from = quote + 2;
            continue;
        }
        let next = match after {
            None => None,
            Some(byte) if byte == delimiter => Some(quote + 2),
            Some(_) => return Err("text after a closing quote"),
        };
        let text = if copied {
            scratch.extend_from_slice(&record[from..quote]);
            scratch.as_slice()
        } else {
            &record[from..quote]
        };
        return Ok(Field { text, quoted: true, next });
    }
}

/// A decoder with its columns.
pub(super) struct CsvDecoder {
    layout: Arc<Layout>,
    delimiter: u8,
    null: Option<Vec<u8>>,
    targets: Vec<Option<usize>>,
    missing: Vec<String>,
    cells: Vec<Cells>,
    scratch: Vec<u8>,
}

impl CsvDecoder {
    pub(super) fn new(records: &CsvRecords) -> CsvDecoder {
        let layout = records.layout.clone();
        let cells =
            layout.wanted.fields().iter().filter_map(|field| Cells::new(field.data_type(), layout.unit)).collect();
        CsvDecoder {
            layout,
            delimiter: records.dialect.delimiter,
            null: records.dialect.null.clone(),
            targets: records.targets.clone(),
            missing: records.missing.clone(),
            cells,
            scratch: Vec::new(),
        }
    }

    fn record(&mut self, record: &[u8], row: usize) -> Result<(), String> {
        let (mut at, mut index) = (0, 0);
        loop {
            let field = field(record, at, self.delimiter, &mut self.scratch)?;
            let Some(target) = self.targets.get(index) else {
                return Err(format!("more than the {} fields there should be", self.targets.len()));
            };
            if let Some(target) = *target {
                let cells = &mut self.cells[target];
                let schema = self.layout.wanted.field(target);
                let null = (field.text.is_empty() && !(field.quoted && matches!(cells.values, Values::Text { .. })))
                    || (!field.quoted && self.null.as_deref() == Some(field.text));
                if cells.len() > row {
                    cells.truncate(row);
                }
                if null {
                    if !schema.is_nullable() {
                        return Err(format!("column '{}' is NULL, and declared NOT NULL", schema.name()));
                    }
                    cells.push_null();
                } else if !cells.fits(field.text.len()) || !cells.push_text(field.text) {
                    let shown = clip(&field.text[..field.text.len().min(40)]);
                    return Err(format!("column '{}': expected {}, found '{shown}'", schema.name(), cells.expects()));
                }
            }
            index += 1;
            match field.next {
                Some(next) => at = next,
                None => break,
            }
        }
        if index < self.targets.len() {
            return Err(format!("{index} fields where {} should be", self.targets.len()));
        }
        for name in &self.missing {
            if let Ok(target) = self.layout.wanted.index_of(name) {
                if !self.layout.wanted.field(target).is_nullable() {
                    return Err(format!("column '{name}' is missing, and declared NOT NULL"));
                }
                self.cells[target].push_null();
            }
        }
        Ok(())
    }
}

impl Decoder for CsvDecoder {
    fn decode(&mut self, chunk: &[u8]) -> Part {
        let checked = std::str::from_utf8(chunk).is_ok();
        let quotes = memchr::memchr(b'"', chunk).is_some();
        let (mut at, mut rows, mut records) = (0, 0_usize, 0_u64);
        let mut numbers: Option<Vec<u64>> = None;
        let mut faults = Vec::new();
        while at < chunk.len() {
            let rest = &chunk[at..];
            let end = if quotes { record_end(rest) } else { memchr::memchr(b'\n', rest).map(|newline| newline + 1) };
            let whole = &rest[..end.unwrap_or(rest.len())];
            at += whole.len();
            let record = without_end(whole);
            let result = if record.is_empty() && self.targets.len() != 1 {
                // A blank line: nothing, but it counts.
                numbers.get_or_insert_with(|| (0..rows as u64).collect());
                records += 1;
                continue;
            } else if record.len() > self.layout.max_row_bytes {
                let limit = self.layout.max_row_bytes;
                Err(("oversized", format!("{} bytes; 'max-row-bytes' is {limit}", record.len())))
            } else if !checked && std::str::from_utf8(record).is_err() {
                Err(("malformed", "not UTF-8".to_owned()))
            } else {
                self.record(record, rows).map_err(|detail| ("malformed", detail))
            };
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
                    faults.push(Fault { record: records, reason, detail, content: clip(record) });
                }
            }
            // Newlines within quotes count as lines too, so that positions are those of an editor.
            records += if quotes { 1 + memchr::memchr_iter(b'\n', record).count() as u64 } else { 1 };
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
        Part { batch, numbers, records, faults }
    }
}
