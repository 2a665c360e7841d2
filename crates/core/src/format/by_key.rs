//! Rows that go by their key: of a row of text that cannot be read the key is read alone, and if it says that it goes, it does.
//!
//! Invariant: the other columns of such a row are NULL, and are so declared. Cost: what can be read is not looked at again.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{RecordBatch, UInt64Array, new_null_array};
use arrow_schema::{Schema, SchemaRef};
use arrow_select::concat::concat_batches;
use arrow_select::take::take_record_batch;

use super::{
    Beginning, Decoder, Decoding, Encoding, Format, FormatError, Layout, Mark, Part, Records, TextDecoding, batch,
};
use crate::options::Options;

/// Which rows of changes by key go.
#[derive(Clone, Debug)]
pub struct Going {
    /// The column that says what a row does.
    pub op: String,
    /// What it says of one that goes.
    pub words: Vec<&'static str>,
}

/// How a format decodes a source: as [`Format::decoding`] does, but of rows that go by their key the key is enough.
pub fn decoding(format: &dyn Format, layout: &Layout, options: &Options) -> Result<Decoding, FormatError> {
    let decoding = format.decoding(layout, options)?;
    let alone = alone(layout).filter(|_| !format.tells_changes());
    Ok(match (decoding, alone) {
        (Decoding::Text(whole), Some(alone)) => match format.decoding(&alone, options)? {
            Decoding::Text(alone) => Decoding::Text(Arc::new(ByKey { whole, alone, of: Rows::new(layout) })),
            Decoding::Blocks(_) => unreachable!("a format is text or blocks whatever its columns are"),
        },
        (decoding, _) => decoding,
    })
}

/// The layout of the key and of what a row does, if that is enough of a row that goes: the key is read, and the others may be NULL.
pub(super) fn alone(layout: &Layout) -> Option<Layout> {
    let going = layout.going.as_ref()?;
    let needed = |name: &String| layout.key.contains(name) || *name == going.op;
    let read = |name: &String| layout.wanted.field_with_name(name).is_ok();
    let fields = layout.wanted.fields();
    let nullable = fields.iter().all(|field| needed(field.name()) || field.is_nullable());
    if layout.key.is_empty() || !layout.key.iter().chain([&going.op]).all(read) || !nullable {
        return None;
    }
    let decode = layout.decode.iter().copied().filter(|column| needed(layout.physical.field(*column).name())).collect();
    let wanted = fields.iter().filter(|field| needed(field.name())).cloned().collect::<Vec<_>>();
    Some(Layout { decode, wanted: Arc::new(Schema::new(wanted)), ..layout.clone() })
}

/// The same, of records of which it is known how both are read.
pub(super) fn by_key(layout: &Layout, whole: Arc<dyn Records>, alone: Arc<dyn Records>) -> Arc<dyn Records> {
    Arc::new(ByKeyRecords { whole, alone, of: Rows::new(layout) })
}

/// What rows are made of what was read alone.
#[derive(Clone, Debug)]
struct Rows {
    wanted: SchemaRef,
    going: Option<Going>,
}

impl Rows {
    fn new(layout: &Layout) -> Rows {
        Rows { wanted: layout.wanted.clone(), going: layout.going.clone() }
    }

    /// Whether all of these rows go.
    fn go(&self, rows: &RecordBatch) -> bool {
        let Some(going) = &self.going else { return false };
        let words = rows.column_by_name(&going.op).and_then(|column| column.as_string_opt::<i32>());
        words.is_some_and(|words| words.iter().all(|word| word.is_some_and(|word| going.words.contains(&word))))
    }

    /// All columns of rows of which some were read.
    fn whole(&self, read: &RecordBatch) -> RecordBatch {
        let rows = read.num_rows();
        let columns = self.wanted.fields().iter().map(|field| match read.column_by_name(field.name()) {
            Some(column) => column.clone(),
            None => new_null_array(field.data_type(), rows),
        });
        match batch(&self.wanted, columns.collect(), rows) {
            Ok(rows) => rows,
            Err(error) => unreachable!("the columns are those of the schema, and may be NULL: {error}"),
        }
    }
}

#[derive(Debug)]
struct ByKey {
    whole: Arc<dyn TextDecoding>,
    alone: Arc<dyn TextDecoding>,
    of: Rows,
}

impl TextDecoding for ByKey {
    fn begin(&self, head: &[u8], last: bool) -> Result<Option<Beginning>, String> {
        let (Some(whole), Some(alone)) = (self.whole.begin(head, last)?, self.alone.begin(head, last)?) else {
            return Ok(None);
        };
        let records = Arc::new(ByKeyRecords { whole: whole.records, alone: alone.records, of: self.of.clone() });
        Ok(Some(Beginning { records, ..whole }))
    }

    fn encoding(&self) -> Option<Encoding> {
        self.whole.encoding()
    }
}

#[derive(Debug)]
struct ByKeyRecords {
    whole: Arc<dyn Records>,
    alone: Arc<dyn Records>,
    of: Rows,
}

impl Records for ByKeyRecords {
    fn cut(&self, bytes: &[u8]) -> usize {
        self.whole.cut(bytes)
    }

    fn step(&self, text: &[u8], mark: &mut Mark) -> (u64, Range<usize>) {
        self.whole.step(text, mark)
    }

    fn decoder(&self) -> Box<dyn Decoder> {
        Box::new(ByKeyDecoder {
            whole: self.whole.decoder(),
            alone: self.alone.decoder(),
            records: self.whole.clone(),
            of: self.of.clone(),
        })
    }
}

struct ByKeyDecoder {
    whole: Box<dyn Decoder>,
    alone: Box<dyn Decoder>,
    records: Arc<dyn Records>,
    of: Rows,
}

impl Decoder for ByKeyDecoder {
    fn decode(&mut self, chunk: &[u8]) -> Part {
        let part = self.whole.decode(chunk);
        self.with_those_that_go(part, chunk)
    }

    fn decode_some(&mut self, chunk: &[u8], enough: usize, utf8: bool) -> (Part, usize) {
        let (part, passed) = self.whole.decode_some(chunk, enough, utf8);
        (self.with_those_that_go(part, &chunk[..passed]), passed)
    }
}

impl ByKeyDecoder {
    /// Puts the rows that go in the place of what is wrong with them.
    fn with_those_that_go(&mut self, mut part: Part, chunk: &[u8]) -> Part {
        if part.faults.is_empty() {
            return part;
        }
        let (mut mark, mut stands) = (Mark::default(), None);
        let mut gone: Vec<(u64, RecordBatch)> = Vec::new();
        part.faults.retain(|fault| {
            while mark.at < chunk.len() && stands.as_ref().is_none_or(|(number, _)| *number < fault.record) {
                stands = Some(self.records.step(chunk, &mut mark));
            }
            let text = stands.as_ref().filter(|(number, _)| *number == fault.record && fault.reason == "malformed");
            let Some((_, text)) = text else { return true };
            let key = self.alone.decode(&[&chunk[text.clone()], b"\n"].concat());
            let goes = key.faults.is_empty() && key.batch.num_rows() == 1 && self.of.go(&key.batch);
            if goes {
                gone.push((fault.record, self.of.whole(&key.batch)));
            }
            !goes
        });
        if gone.is_empty() {
            return part;
        }
        let mut numbers = part.numbers.take().unwrap_or_else(|| (0..part.batch.num_rows() as u64).collect());
        numbers.extend(gone.iter().map(|(record, _)| *record));
        let mut order: Vec<u64> = (0..numbers.len() as u64).collect();
        order.sort_by_key(|row| numbers[*row as usize]);
        let batches = std::iter::once(&part.batch).chain(gone.iter().map(|(_, row)| row));
        let all = concat_batches(&self.of.wanted, batches);
        let order = UInt64Array::from(order);
        match all.and_then(|all| take_record_batch(&all, &order)) {
            Ok(batch) => part.batch = batch,
            Err(error) => unreachable!("all have one schema, and fit into memory as text: {error}"),
        }
        numbers.sort_unstable();
        Part { numbers: Some(numbers), ..part }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use arrow_schema::{DataType, Field};

    use super::*;
    use crate::format::{decode_text, find, row_as_json};

    /// The rows of a text with their numbers, and those that cannot be read.
    fn read(format: &str, nullable: bool, text: &str) -> (Vec<String>, Vec<u64>, Vec<u64>) {
        let fields = [("id", DataType::Int32, false), ("v", DataType::Int32, nullable), ("kind", DataType::Utf8, true)];
        let schema = Arc::new(Schema::new(fields.map(|(name, kind, may)| Field::new(name, kind, may)).to_vec()));
        let layout = Layout {
            key: vec!["id".to_owned()],
            going: Some(Going { op: "kind".to_owned(), words: vec!["delete", "-D"] }),
            ..Layout::new(&schema, &[0, 1, 2], &Options::default()).unwrap()
        };
        let found = decoding(find(format).unwrap(), &layout, &Options::default()).unwrap();
        let Decoding::Text(text_decoding) = found else { unreachable!() };
        let part = decode_text(text_decoding.as_ref(), text.as_bytes()).unwrap();
        let row = |row| row_as_json(part.batch.schema_ref(), part.batch.columns(), row);
        let rows: Vec<String> = (0..part.batch.num_rows()).map(row).collect();
        let numbers = part.numbers.unwrap_or_else(|| (0..rows.len() as u64).collect());
        (rows, numbers, part.faults.iter().map(|fault| fault.record).collect())
    }

    #[test]
    fn k1_of_a_row_that_goes_by_its_key_the_key_alone_is_read() {
        let lines = [
            r#"{"id":1,"v":1}"#,
            r#"{"id":2,"v":"x"}"#,
            r#"{"id":3,"v":"garbage","kind":"delete"}"#,
            r#"{"id":"x","v":1,"kind":"delete"}"#,
            r#"{"id":4,"v":[{},"]"],"kind":"-D"}"#,
            r#"{"id":5,"v":2,"kind":"insert"}"#,
            r#"{"id":6,"v":99999999999,"kind":"insert"}"#,
            r#"{"id":7,"v":3,"kind":"delete"}"#,
            r#"{"id":8,"v":,"kind":"delete"}"#,
            r#"{"v":1e9999,"kind":"delete"}"#,
        ];
        let expected = [(1, "1", "null"), (3, "null", "\"delete\""), (4, "null", "\"-D\""), (5, "2", "\"insert\"")];
        let last = [(7, "3", "\"delete\"")];
        let row = |(id, v, kind): &(i32, &str, &str)| format!(r#"{{"id":{id},"v":{v},"kind":{kind}}}"#);
        let expected: Vec<String> = expected.iter().chain(&last).map(row).collect();
        for text in [lines.join("\n"), format!("[{}]", lines.join(",\n"))] {
            let (rows, numbers, faults) = read("json", true, &text);
            assert_eq!((&rows, numbers), (&expected, vec![0, 2, 4, 5, 7]), "{text}");
            assert_eq!(faults, [1, 3, 6, 8, 9], "{text}");
        }
        let (rows, _, faults) = read("json", false, &lines.join("\n"));
        assert_eq!((rows.len(), faults.len()), (3, 7), "what is NOT NULL is needed");
    }

    #[test]
    fn k1_so_it_is_in_csv() {
        let text = "kind,v,id\ninsert,1,1\ndelete,x,2\ninsert,x,3\n\"delete\",\"a\nb\",4\ndelete,1,x\ndelete,,5\n";
        let (rows, _, faults) = read("csv", true, text);
        let row = |id: i32, v: &str, kind: &str| format!(r#"{{"id":{id},"v":{v},"kind":"{kind}"}}"#);
        let gone = [2, 4, 5].map(|id| row(id, "null", "delete"));
        assert_eq!(rows, [&[row(1, "1", "insert")], &gone[..]].concat());
        assert_eq!(faults.len(), 2, "{faults:?}");
    }
}
