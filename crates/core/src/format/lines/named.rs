//! Lines that a function takes apart into names and texts: what formats of others need where a record is a line.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;

use super::{LineFormat, Lines, LinesDecoding, cells_of, finished, take_meant};
use crate::format::cells::Cells;
use crate::format::{Decoding, FormatError, Layout};
use crate::guard::guarded;

/// Takes a line apart: hands on each name in it with its text.
type TakeApart = dyn Fn(&str, &mut dyn FnMut(&str, &str)) -> Result<(), String> + Send + Sync;

/// The decoding of a format of which a record is a line: `take_apart` hands on each name in a line with its text, or says what is wrong
/// with it. Columns are found by name, of a name that comes twice the last; what is not told is NULL, and so is the empty text where no
/// text is meant. What text fits a column is what fits it in JSON and CSV. Blank lines are passed over; a line that does not fit, or over
/// which the function panics, is a fault.
///
/// # Errors
/// A column is of a type that has no text: a list, a row, a map.
pub fn decode_lines(
    format: &str,
    layout: &Layout,
    take_apart: impl Fn(&str, &mut dyn FnMut(&str, &str)) -> Result<(), String> + Send + Sync + 'static,
) -> Result<Decoding, FormatError> {
    cells_of(format, layout)?;
    let lines = Named { name: format.to_owned(), layout: layout.clone(), take_apart: Arc::new(take_apart) };
    let format = Arc::new(lines);
    Ok(Decoding::Text(Arc::new(LinesDecoding { layout: Arc::new(layout.clone()), encoding: None, format })))
}

struct Named {
    name: String,
    layout: Layout,
    take_apart: Arc<TakeApart>,
}

impl fmt::Debug for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl LineFormat for Named {
    fn lines(&self) -> Box<dyn Lines> {
        let cells = match cells_of(&self.name, &self.layout) {
            Ok(cells) => cells,
            Err(error) => unreachable!("the columns were looked at: {error}"),
        };
        Box::new(NamedLines {
            name: self.name.clone(),
            wanted: self.layout.wanted.clone(),
            take_apart: Arc::clone(&self.take_apart),
            texts: Vec::new(),
            found: vec![None; cells.len()],
            cells,
        })
    }

    fn encoding(&self) -> Option<&'static str> {
        None
    }
}

struct NamedLines {
    name: String,
    wanted: SchemaRef,
    take_apart: Arc<TakeApart>,
    /// The texts of the line at hand, one behind the other.
    texts: Vec<u8>,
    /// Where that of each column stands.
    found: Vec<Option<Range<usize>>>,
    cells: Vec<Cells>,
}

impl Lines for NamedLines {
    fn takes_blank(&self) -> bool {
        false
    }

    fn line(&mut self, line: &[u8], _: usize) -> Result<(), String> {
        let line = std::str::from_utf8(line).map_err(|_| "not UTF-8".to_owned())?;
        self.texts.clear();
        self.found.fill(None);
        let (wanted, texts, found) = (&self.wanted, &mut self.texts, &mut self.found);
        let mut told = |name: &str, text: &str| {
            if let Some(column) = wanted.fields().iter().position(|field| field.name() == name) {
                let from = texts.len();
                texts.extend_from_slice(text.as_bytes());
                found[column] = Some(from..texts.len());
            }
        };
        guarded(|| (self.take_apart)(line, &mut told), || format!("format '{}' panicked over the line", self.name))?;
        for ((cells, found), field) in self.cells.iter_mut().zip(&self.found).zip(self.wanted.fields()) {
            take_meant(cells, field, found.clone().map(|range| &self.texts[range]))?;
        }
        Ok(())
    }

    fn truncate(&mut self, rows: usize) {
        self.cells.iter_mut().for_each(|cells| cells.truncate(rows));
    }

    fn finish(&mut self, rows: usize) -> RecordBatch {
        finished(&self.wanted, &mut self.cells, rows)
    }
}
