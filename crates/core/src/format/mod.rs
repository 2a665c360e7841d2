//! Formats: bytes to rows and back, one file each; [`FORMATS`] lists them all.
//!
//! Decoding gives rows and [`Fault`]s, never a failure: a bad row leaves its neighbours alone. Text formats are cut into
//! chunks of whole records, which decoders on several threads take in parallel; the reader puts the parts in order again.

mod arrow;
mod blocks;
mod by_key;
mod came;
#[cfg(test)]
mod came_tests;
mod cells;
pub mod conformance;
mod constant;
mod csv;
mod decimal;
mod encoding;
mod expansion;
mod fit;
#[cfg(test)]
mod fit_tests;
mod folder;
mod foreign;
mod formats;
mod intervals;
pub mod json;
#[cfg(test)]
mod json_oracle;
mod lines;
#[cfg(feature = "msgpack")]
mod msgpack;
mod notices;
mod number;
#[cfg(feature = "parquet")]
mod parquet;
#[cfg(feature = "parquet")]
mod parquet_intervals;
mod read_at;
mod reading;
mod shown;
mod spot;
#[cfg(test)]
mod tests;
mod timestamp;
pub(crate) mod typed;
mod uuid;
#[cfg(test)]
mod wide_tests;
#[cfg(test)]
mod words_tests;

use std::fmt::Debug;
use std::ops::Range;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{Schema, SchemaRef};

use crate::counted::counted;
use crate::delta::memory;
use crate::options::{OptionError, OptionSpec, Options};
use crate::time::Zone;
use crate::type_names::sql_type;

pub use blocks::readable;
pub use by_key::{Going, decoding};
pub use came::{Came, Finder, Lent, Mark};
pub use constant::{Constant, constant};
pub use encoding::{ENCODINGS, Encoding};
pub use folder::{DEFAULT_PARTITION, folder, is_partition, is_partition_name, told_by};
pub use foreign::{is_text, unmarked};
pub use formats::{Formats, find, spelled};
pub use intervals::{Intervals, interval_texts};
pub use json::{JsonRows, Numbers, cloudevents_as_lines, row_as_json, show_row, texts};
pub use lines::decode_lines;
#[cfg(feature = "msgpack")]
pub use msgpack::message_as_json;
pub use notices::Notices;
pub use read_at::{ReadAt, shrunk};
pub use reading::{floats_as_decimals, read_instant_text, read_text_as, read_time_text, reads_text};
pub(crate) use shown::Shown;
pub use spot::{Parts, Spot, skip};
pub use timestamp::{TIME_OPTIONS, TimeUnit, Times};
pub use typed::{RowsError, from_batch, to_batch};

/// Every format.
pub const FORMATS: &[&dyn Format] = &[
    &json::Json,
    &csv::Csv,
    #[cfg(feature = "msgpack")]
    &msgpack::MsgPack,
    &arrow::Arrow,
    #[cfg(feature = "parquet")]
    &parquet::Parquet,
    &lines::Raw,
    &lines::Regex,
    &lines::Grok,
    &json::DebeziumJson,
];

/// How deep rows may be nested at most: what any stack carries.
pub const MAX_DEPTH: u32 = 128;

/// What connectors say of the options of text formats that they read.
pub const TEXT_OPTIONS: &[OptionSpec] = &[
    OptionSpec { name: "csv.*", help: "how CSV is written: `highwater options csv` lists them" },
    OptionSpec { name: "raw.*", help: "how lines are written: raw.charset" },
    OptionSpec { name: "regex.*", help: "what lines are like: regex.pattern, regex.null-literal, regex.encoding" },
    OptionSpec {
        name: "grok.*",
        help: "what lines are like: grok.pattern, grok.definitions, grok.null-literal, grok.encoding",
    },
    OptionSpec {
        name: "debezium-json.*",
        help: "what envelopes without a schema write: debezium-json.time, debezium-json.decimal",
    },
];

/// Options of decoding in any format.
pub const DECODING_OPTIONS: &[OptionSpec] = &[OptionSpec {
    name: "max-row-bytes",
    help: "the longest row in a text format, in bytes (default 1048576); a longer one becomes a dead letter",
}];

/// Why a format cannot read or write such columns.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// An option is unknown, missing or wrong.
    #[error(transparent)]
    Option(#[from] OptionError),
    /// The columns do not fit.
    #[error("{what}; {remedy}")]
    Schema {
        /// What does not fit.
        what: String,
        /// What to write instead.
        remedy: String,
    },
}

/// A way to write rows as bytes: `'format' = 'name'`.
pub trait Format: Send + Sync + Debug {
    /// Its name in SQL.
    fn name(&self) -> &str;

    /// One line on what it reads and writes.
    fn help(&self) -> &str;

    /// File extensions it is known by, lower case, without the dot.
    fn extensions(&self) -> &[&str];

    /// The options it understands.
    fn options(&self) -> &'static [OptionSpec];

    /// How such columns are decoded.
    fn decoding(&self, layout: &Layout, options: &Options) -> Result<Decoding, FormatError>;

    /// Whether what it reads says by itself which rows come and which go, in `_op`.
    fn tells_changes(&self) -> bool {
        false
    }

    /// Writes rows of `schema`.
    fn encoder(&self, schema: &SchemaRef, options: &Options) -> Result<Box<dyn Encoder>, FormatError>;
}

/// What is to be decoded.
#[derive(Clone, Debug)]
pub struct Layout {
    /// All columns as declared.
    pub physical: SchemaRef,
    /// The columns wanted, as indices into `physical`, ascending.
    pub decode: Vec<usize>,
    /// The columns wanted.
    pub wanted: SchemaRef,
    /// How times are written.
    pub times: Times,
    /// The longest row in bytes.
    pub max_row_bytes: usize,
    /// How deep a row may be nested; 1 is a row of plain values.
    pub max_depth: u32,
    /// Whether an input may lack columns of types that its format cannot hold, and is refused only if it names them.
    pub may_lack: bool,
    /// Of changes by key: its columns.
    pub key: Vec<String>,
    /// Of changes by key: which rows go, of which the key alone is asked for.
    pub going: Option<Going>,
    /// Where is told what an input has not.
    pub notices: Notices,
}

impl Layout {
    /// The layout of a source, with how times are written and `max-row-bytes` from its options.
    pub fn new(physical: &SchemaRef, decode: &[usize], options: &Options) -> Result<Layout, FormatError> {
        let fields: Vec<_> = decode.iter().map(|&column| physical.fields()[column].clone()).collect();
        let max_row_bytes = options.bytes("max-row-bytes")?.unwrap_or(1 << 20);
        if !(1..=1 << 28).contains(&max_row_bytes) {
            return Err(FormatError::Option(OptionError::Invalid {
                name: "max-row-bytes".to_owned(),
                value: max_row_bytes.to_string(),
                reason: "write a size between 1 byte and 256 MiB".to_owned(),
            }));
        }
        Ok(Layout {
            physical: physical.clone(),
            decode: decode.to_vec(),
            wanted: Arc::new(Schema::new(fields)),
            times: Times::of(options)?,
            max_row_bytes,
            max_depth: MAX_DEPTH,
            may_lack: false,
            key: Vec::new(),
            going: None,
            notices: Notices::default(),
        })
    }

    /// The same in a session in this zone: its clocks show instants that are written without an offset.
    pub fn in_zone(mut self, zone: Zone) -> Layout {
        self.times.zone = zone;
        self
    }
}

/// The two kinds of formats, by how they are read.
#[derive(Clone, Debug)]
pub enum Decoding {
    /// Records one after another, which may be cut apart.
    Text(Arc<dyn TextDecoding>),
    /// Columns in blocks, read from a file as a whole.
    Blocks(Arc<dyn BlockDecoding>),
}

/// A row that was not decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Its number among the records (lines) of its part, from 0.
    pub record: u64,
    /// `malformed` or `oversized`.
    pub reason: &'static str,
    /// What is wrong with it.
    pub detail: String,
    /// The row as it came, cut to what is kept.
    pub content: String,
}

/// The rows of one chunk.
#[derive(Debug)]
#[non_exhaustive]
pub struct Part {
    /// The rows, in the wanted columns.
    pub batch: RecordBatch,
    /// The number of each row among the records of the part, if they are not just 0, 1, 2, ...
    pub numbers: Option<Vec<u64>>,
    /// How many records (lines, blank ones too) the chunk held.
    pub records: u64,
    /// What was not decoded.
    pub faults: Vec<Fault>,
    /// The records as they came, if they are known.
    pub came: Came,
}

impl Part {
    /// The rows of a chunk that held so many records, each row with the number of its record unless they are just 0, 1, 2, ..., and the
    /// records that are no rows.
    pub fn new(batch: RecordBatch, numbers: Option<Vec<u64>>, records: u64, faults: Vec<Fault>) -> Part {
        Part { batch, numbers, records, faults, came: Came::default() }
    }

    /// What it takes in memory.
    pub fn memory(&self) -> usize {
        let fault = |fault: &Fault| size_of::<Fault>() + fault.detail.capacity() + fault.content.capacity();
        let numbers = self.numbers.as_ref().map_or(0, |numbers| numbers.capacity() * size_of::<u64>());
        memory(&self.batch) + self.came.memory() + numbers + self.faults.iter().map(fault).sum::<usize>()
    }
}

/// A text format, ready to read inputs of one layout.
pub trait TextDecoding: Send + Sync + Debug {
    /// Looks at the first bytes of an input, as UTF-8; `last` says that there are no more. `None` asks for more of them, `Err`
    /// says why the input cannot be what is declared.
    fn begin(&self, head: &[u8], last: bool) -> Result<Option<Beginning>, String>;

    /// How the input is encoded, if that was said and is not UTF-8.
    fn encoding(&self) -> Option<Encoding> {
        None
    }
}

/// What the first bytes of an input say.
#[derive(Debug)]
pub struct Beginning {
    /// How many of them are not records: a byte order mark, a header.
    pub skip: usize,
    /// How many lines that is, for positions.
    pub lines: u64,
    /// How to read on.
    pub records: Arc<dyn Records>,
}

/// How the records of one input are read.
pub trait Records: Send + Sync + Debug {
    /// The length of the longest run of whole records at the start of `bytes`, each with its end; 0 if there is none.
    fn cut(&self, bytes: &[u8]) -> usize;

    /// Whether an input whose last bytes are these, which begin behind a whole record, lacks its end: an array is to be closed. `None` where
    /// an input may end behind every record.
    fn open_at_end(&self, _: &[u8]) -> Option<bool> {
        None
    }

    /// Steps over the record at the mark of a text that was decoded: its number, and where it stands.
    fn step(&self, text: &[u8], mark: &mut Mark) -> (u64, Range<usize>);

    /// A decoder with room of its own, for one thread.
    fn decoder(&self) -> Box<dyn Decoder>;
}

/// Decodes chunks, in any order.
pub trait Decoder: Send {
    /// Decodes a chunk of whole records that ends with a newline.
    fn decode(&mut self, chunk: &[u8]) -> Part;

    /// Decodes records until `enough` bytes are passed, if it can stop there, and answers how many were; `utf8` is whether all of the
    /// chunk is.
    fn decode_some(&mut self, chunk: &[u8], _enough: usize, _utf8: bool) -> (Part, usize) {
        (self.decode(chunk), chunk.len())
    }
}

/// A format of blocks, ready to read inputs of one layout.
pub trait BlockDecoding: Send + Sync + Debug {
    /// Opens an input, to be read from a spot on: the beginning, or one that came with a part of it.
    fn open(&self, input: Input, from: Spot) -> Result<Parts, String>;
}

/// Where bytes come from.
pub enum Input {
    /// A file that can be read anywhere.
    File(Arc<dyn ReadAt>),
    /// Bytes that come once.
    Stream(Box<dyn std::io::Read + Send>),
}

/// Writes batches of one schema.
pub trait Encoder: Send {
    /// Appends a batch to `out`; a format of blocks may hold rows back until [`Encoder::finish`].
    fn encode(&mut self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<(), FormatError>;

    /// Appends what ends the output.
    fn finish(&mut self, _out: &mut Vec<u8>) -> Result<(), FormatError> {
        Ok(())
    }

    /// Bytes of memory of what it holds back.
    fn held(&self) -> usize {
        0
    }

    /// How many bytes that will be, about.
    fn ahead(&self) -> usize {
        self.held()
    }

    /// Whether rows can be read by others as soon as they are written.
    fn in_rows(&self) -> bool {
        true
    }
}

/// Reads a time as the formats do, in ms: RFC 3339, `yyyy-MM-dd HH:mm:ss`, a date, or a number of ms.
pub fn read_time(text: &str) -> Option<i64> {
    timestamp::read_time(text.as_bytes(), TimeUnit::Milliseconds)
}

/// A value of a type as the text formats read it in a session in this zone, in a column by itself; none if the text is no such
/// value.
pub fn read_value(text: &str, kind: &arrow_schema::DataType, zone: Zone) -> Option<ArrayRef> {
    let mut cells = cells::Cells::new(kind, &Times::in_zone(zone))?;
    (cells.fits(text.len()) && cells.push_text(text.as_bytes())).then(|| cells.finish())?
}

/// Decodes all of `bytes`, one message of a text format; `Err` says why none of it can be read.
pub fn decode_text(decoding: &dyn TextDecoding, bytes: &[u8]) -> Result<Part, String> {
    let text = Encoding::decode(decoding.encoding(), bytes);
    let Some(beginning) = decoding.begin(&text, true)? else { unreachable!("there is no more to ask for") };
    let mut text = text.into_owned();
    if text.len() > beginning.skip && text.last() != Some(&b'\n') {
        text.push(b'\n');
    }
    let mut part = beginning.records.decoder().decode(&text[beginning.skip..]);
    if beginning.lines > 0 {
        let numbers = part.numbers.get_or_insert_with(|| (0..part.batch.num_rows() as u64).collect());
        numbers.iter_mut().for_each(|number| *number += beginning.lines);
        part.faults.iter_mut().for_each(|fault| fault.record += beginning.lines);
        part.records += beginning.lines;
    }
    Ok(part)
}

/// Columns as a batch of the wanted schema.
fn batch(schema: &SchemaRef, columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch, arrow_schema::ArrowError> {
    let options = arrow_array::RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(schema.clone(), columns, &options)
}

/// How many columns a message names.
const NAMED: usize = 20;

/// Names in quotes, as many as a message holds.
fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let mut names: Vec<String> = names.map(|name| format!("'{name}'")).collect();
    if let Some(more) = names.len().checked_sub(NAMED).filter(|more| *more > 0) {
        names.truncate(NAMED);
        names.push(format!("and {more} more"));
    }
    names.join(", ")
}

/// The name that is written as another one, but for its case.
fn in_other_case<'a>(name: &str, mut names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    names.find(|other| *other != name && other.eq_ignore_ascii_case(name))
}

/// What is said beside names that were not found, if they are there in another case.
fn case_matters<'a>(
    missing: impl IntoIterator<Item = &'a str>,
    names: impl Iterator<Item = &'a str> + Clone,
) -> &'static str {
    match missing.into_iter().any(|name| in_other_case(name, names.clone()).is_some()) {
        true => "; names are compared with case: declare them as they are written",
        false => "",
    }
}

/// The refusal to write a format.
fn read_only(format: &str) -> FormatError {
    FormatError::Schema {
        what: format!("format '{format}' is read and not written"),
        remedy: "write 'format' = 'json', 'csv', 'msgpack', 'arrow' or 'parquet'".to_owned(),
    }
}

/// The refusal of a column's type.
fn refuse_type(format: &str, field: &arrow_schema::Field) -> FormatError {
    let remedy = match format {
        "csv" if field.data_type().is_nested() => {
            "a field of CSV is one value: read it as VARCHAR, or write it with CAST(... AS VARCHAR) or column by column"
        }
        _ => "declare it as VARCHAR, a number, BOOLEAN, BYTES, DATE, TIME, TIMESTAMP(3), ROW, ARRAY or MAP",
    };
    FormatError::Schema {
        what: format!(
            "format '{format}' cannot hold column '{}' of type {}",
            field.name(),
            sql_type(field.data_type())
        ),
        remedy: remedy.to_owned(),
    }
}

/// What is said of records that are longer than `max-row-bytes`.
fn too_long(limit: usize) -> String {
    format!("more than {}, the source's 'max-row-bytes'", counted(limit, "byte"))
}

/// A record that is longer than `max-row-bytes`, of which some bytes beyond that are there: the same whoever finds it out.
pub fn oversized(record: u64, bytes: &[u8], limit: usize) -> Fault {
    let content = clip(&bytes[..bytes.len().min(limit + 1)]);
    Fault { record, reason: "oversized", detail: too_long(limit), content }
}

/// The first bytes of a record, as text, for a fault.
fn clip(record: &[u8]) -> String {
    let end = record.len().min(crate::delta::MAX_REJECT_BYTES + 4);
    crate::delta::Reject::clip(&String::from_utf8_lossy(&record[..end]))
}
