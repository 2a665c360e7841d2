//! One format of messages: the bytes of each to rows, by whole chunks of lines where a message is a line.

use std::sync::Arc;

use arrow_array::{ArrayRef, BinaryArray, RecordBatch, RecordBatchOptions, StringArray, UInt32Array};
use arrow_schema::{DataType, SchemaRef};
use arrow_select::concat::concat_batches;
use arrow_select::take::take_record_batch;
use bytes::Bytes;

use super::super::filesystem::refuse;
use super::super::{SourceError, SourceSpec};
use super::fault;
use crate::delta::Reject;
use crate::format::{self, Came, Decoder, Decoding, Encoding, Fault, Format, Layout, Records, TextDecoding};
use crate::options::Options;

/// How messages of one format are decoded.
pub(super) struct Decodes {
    kind: Kind,
    wanted: SchemaRef,
    encoding: Option<Encoding>,
    max_bytes: usize,
    max_depth: u32,
    /// Whether a message may be none of a row and a fault.
    silent: bool,
}

enum Kind {
    /// A message is the value of one column.
    Raw { text: bool },
    /// Records one a line, in most messages.
    Text { decoding: Arc<dyn TextDecoding>, records: Arc<dyn Records>, decoder: Box<dyn Decoder>, alone: Alone },
}

/// Which messages are decoded alone, besides those of several lines.
#[derive(Clone, Debug)]
enum Alone {
    /// None.
    None,
    /// Those with one of these bytes: a quote that is not closed goes on in the next line.
    With(Vec<u8>),
    /// All: the format may go on behind the end of a line.
    All,
    /// They are MessagePack, and become lines first.
    Packed,
}

impl std::fmt::Debug for Decodes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Decodes").field("wanted", &self.wanted).finish_non_exhaustive()
    }
}

/// Rows of messages.
pub(super) struct Taken {
    pub(super) batch: RecordBatch,
    /// Of which message each row is; ascending.
    pub(super) of: Vec<u32>,
    /// Which messages are none, and why.
    pub(super) faults: Vec<Fault>,
    /// Texts as they came, each of consecutive messages from one on.
    pub(super) came: Vec<(usize, Came)>,
}

/// The formats of which only JSON's way of writing them comes as lines.
fn in_lines(spec: &SourceSpec, format: &dyn Format) -> Result<&'static str, SourceError> {
    let refused = |what: String| SourceError::Schema {
        source_name: spec.name.clone(),
        what,
        remedy: "write a format of which a message is a row: json, csv, msgpack, raw, regex, grok, debezium-json"
            .to_owned(),
    };
    match format.name() {
        "msgpack" => Ok("json"),
        name @ ("parquet" | "arrow") => Err(refused(format!("the format '{name}' is of files, not of messages"))),
        _ => Ok(""),
    }
}

impl Decodes {
    pub(super) fn new(
        spec: &SourceSpec,
        format: &dyn Format,
        layout: Layout,
        options: &Options,
    ) -> Result<Decodes, SourceError> {
        let packed = in_lines(spec, format)?;
        let read: &dyn Format = match format::find(packed) {
            Some(lines) => lines,
            None => format,
        };
        // A message has no header of its own.
        let headless = ("csv.header".to_owned(), "false".to_owned());
        let pairs = options.iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
        if options.get("csv.header").is_some_and(|header| !header.eq_ignore_ascii_case("false")) {
            return Err(SourceError::Schema {
                source_name: spec.name.clone(),
                what: "a message has no header".to_owned(),
                remedy: "leave 'csv.header' out, and declare the columns in the order in which messages have them"
                    .to_owned(),
            });
        }
        let csv = format.name() == "csv";
        let options: Options = pairs.chain(csv.then_some(headless)).collect();
        let decoding = format::decoding(read, &layout, &options).map_err(|error| refuse(spec, error))?;
        let Decoding::Text(decoding) = decoding else {
            return Err(SourceError::Schema {
                source_name: spec.name.clone(),
                what: format!("format '{}' is of blocks, and is not read from messages", format.name()),
                remedy: "write a format of text, or read it with 'connector' = 'filesystem'".to_owned(),
            });
        };
        let (wanted, encoding) = (layout.wanted.clone(), decoding.encoding());
        let kind = match format.name() {
            "raw" => Kind::Raw {
                text: layout.physical.fields().first().is_some_and(|one| *one.data_type() == DataType::Utf8),
            },
            name => {
                let Ok(Some(beginning)) = decoding.begin(b"{", true) else {
                    return Err(SourceError::Schema {
                        source_name: spec.name.clone(),
                        what: format!("format '{name}' is not read message by message"),
                        remedy: "write another format".to_owned(),
                    });
                };
                let records = beginning.records;
                let alone = match name {
                    "msgpack" => Alone::Packed,
                    "csv" => csv_alone(&options),
                    "json" | "debezium-json" | "regex" | "grok" => Alone::None,
                    // Of formats of others it is not known where a record ends.
                    _ => Alone::All,
                };
                Kind::Text { decoder: records.decoder(), decoding, records, alone }
            }
        };
        Ok(Decodes {
            kind,
            wanted,
            encoding,
            max_bytes: layout.max_row_bytes,
            max_depth: layout.max_depth,
            silent: format.tells_changes(),
        })
    }

    /// Decodes messages of these numbers; those without bytes are passed over.
    pub(super) fn decode<'a>(&mut self, numbers: &[u64], of: impl Fn(usize) -> Option<&'a [u8]>) -> Taken {
        match &self.kind {
            Kind::Raw { text } => self.raw(*text, numbers.len(), of),
            Kind::Text { .. } => self.text(numbers, of),
        }
    }

    fn raw<'a>(&self, text: bool, messages: usize, of: impl Fn(usize) -> Option<&'a [u8]>) -> Taken {
        let (mut at, mut faults) = (Vec::new(), Vec::new());
        let (mut texts, mut bytes): (Vec<String>, Vec<&[u8]>) = (Vec::new(), Vec::new());
        for message in 0..messages {
            let Some(value) = of(message) else { continue };
            if value.len() > self.max_bytes {
                faults.push(format::oversized(message as u64, value, self.max_bytes));
            } else if !text {
                bytes.push(value);
                at.push(message as u32);
            } else {
                match String::from_utf8(Encoding::decode(self.encoding, value).into_owned()) {
                    Ok(value) => {
                        texts.push(value);
                        at.push(message as u32);
                    }
                    Err(_) => faults.push(fault(
                        message,
                        "it is not UTF-8; 'raw.charset' says otherwise, or declare the column as BYTES".to_owned(),
                        shown(value),
                    )),
                }
            }
        }
        let column: ArrayRef = match text {
            true => Arc::new(StringArray::from(texts)),
            false => Arc::new(BinaryArray::from(bytes)),
        };
        let columns = if self.wanted.fields().is_empty() { Vec::new() } else { vec![column] };
        Taken { batch: self.batch(columns, at.len()), of: at, faults, came: Vec::new() }
    }

    fn batch(&self, columns: Vec<ArrayRef>, rows: usize) -> RecordBatch {
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        match RecordBatch::try_new_with_options(self.wanted.clone(), columns, &options) {
            Ok(batch) => batch,
            Err(error) => unreachable!("a message is of the column's type: {error}"),
        }
    }

    fn text<'a>(&mut self, by_number: &[u64], of: impl Fn(usize) -> Option<&'a [u8]>) -> Taken {
        let messages = by_number.len();
        let (encoding, max_bytes, max_depth) = (self.encoding, self.max_bytes, self.max_depth);
        let Kind::Text { decoding, records, decoder, alone } = &mut self.kind else { unreachable!("it is text") };
        let mut together = Together::default();
        let (mut faults, mut came) = (Vec::new(), Vec::new());
        let mut parts: Vec<(RecordBatch, Vec<u32>)> = Vec::new();
        let mut seen = vec![false; messages];
        for (message, seen) in seen.iter_mut().enumerate() {
            let Some(value) = of(message) else {
                *seen = true;
                continue;
            };
            if value.len() > max_bytes {
                *seen = true;
                faults.push(format::oversized(message as u64, value, max_bytes));
                continue;
            }
            if matches!(alone, Alone::Packed) {
                match packed(value, max_depth, &mut together.text) {
                    true => together.ended(message),
                    false => {
                        *seen = true;
                        faults.push(fault(message, "it is no MessagePack map".to_owned(), shown(value)));
                    }
                }
                continue;
            }
            let text = Encoding::decode(encoding, value);
            let line = without_end(&text);
            if is_line(line, alone) {
                together.text.extend_from_slice(line);
                together.text.push(b'\n');
                together.ended(message);
                continue;
            }
            match format::decode_text(decoding.as_ref(), value) {
                Err(reason) => {
                    *seen = true;
                    faults.push(fault(message, reason, shown(value)));
                }
                Ok(part) => {
                    let (rows, bad) = (part.batch.num_rows(), part.faults.into_iter().next());
                    let numbers = part.numbers.unwrap_or_else(|| (0..rows as u64).collect());
                    let several = numbers.first() != numbers.last();
                    *seen = rows > 0 || bad.is_some();
                    if let Some(bad) = bad {
                        faults.push(Fault { record: message as u64, ..bad });
                    } else if several {
                        let detail = "it holds several records, and a message is one".to_owned();
                        faults.push(fault(message, detail, shown(value)));
                    } else if rows > 0 {
                        parts.push((part.batch, vec![message as u32; rows]));
                        came.push((message, Came::kept(vec![(0, shown(value))])));
                    }
                }
            }
        }
        if !together.messages.is_empty() {
            let Together { text, messages: of, ends } = together;
            let text = Bytes::from(text);
            let part = decoder.decode(&text);
            let rows = part.batch.num_rows() as u64;
            let numbers = part.numbers.unwrap_or_else(|| (0..rows).collect());
            let at = |number: u64| of[number as usize];
            numbers.iter().for_each(|&number| seen[at(number) as usize] = true);
            let told = part.faults.into_iter().map(|fault| Fault { record: u64::from(at(fault.record)), ..fault });
            faults.extend(told.inspect(|fault| seen[fault.record as usize] = true));
            parts.push((part.batch, numbers.into_iter().map(at).collect()));
            came.extend(
                runs(&of, &ends, by_number).map(|(message, range)| (message, Came::text(text.slice(range), records))),
            );
            came.sort_by_key(|(message, _)| *message);
        }
        if !self.silent {
            let empty = (0..messages).filter(|&message| !seen[message]);
            faults.extend(
                empty.map(|message| fault(message, "it is empty".to_owned(), shown(of(message).unwrap_or_default()))),
            );
        }
        let (batch, of) = self.in_order(parts);
        Taken { batch, of, faults, came }
    }

    /// The rows of all parts by their messages.
    fn in_order(&self, mut parts: Vec<(RecordBatch, Vec<u32>)>) -> (RecordBatch, Vec<u32>) {
        if let [_] = parts.as_slice()
            && let Some(only) = parts.pop()
        {
            return only;
        }
        let mut of: Vec<u32> = parts.iter().flat_map(|(_, of)| of.iter().copied()).collect();
        let mut order: Vec<u32> = (0..of.len() as u32).collect();
        order.sort_by_key(|&row| of[row as usize]);
        of.sort_unstable();
        if self.wanted.fields().is_empty() {
            return (self.batch(Vec::new(), of.len()), of);
        }
        let all = concat_batches(&self.wanted, parts.iter().map(|(batch, _)| batch));
        match all.and_then(|all| take_record_batch(&all, &UInt32Array::from(order))) {
            Ok(batch) => (batch, of),
            Err(error) => unreachable!("all have one schema, and fit into memory as text: {error}"),
        }
    }
}

/// Lines of messages that are decoded together.
#[derive(Default)]
struct Together {
    text: Vec<u8>,
    messages: Vec<u32>,
    /// Where the line of each ends.
    ends: Vec<usize>,
}

impl Together {
    fn ended(&mut self, message: usize) {
        self.messages.push(message as u32);
        self.ends.push(self.text.len());
    }
}

/// The bytes of lines whose messages have numbers that follow each other, each with the first message.
fn runs<'a>(
    messages: &'a [u32],
    ends: &'a [usize],
    numbers: &'a [u64],
) -> impl Iterator<Item = (usize, std::ops::Range<usize>)> + 'a {
    let mut from = 0_usize;
    let number = |at: usize| numbers[messages[at] as usize];
    let begins = move |at: usize| number(at) != number(at - 1) + 1;
    (0..messages.len()).filter(move |&at| at + 1 == messages.len() || begins(at + 1)).map(move |last| {
        let (first, start) = (from, from.checked_sub(1).map_or(0, |before| ends[before]));
        from = last + 1;
        (messages[first] as usize, start..ends[last])
    })
}

/// Which messages of CSV stand alone.
fn csv_alone(options: &Options) -> Alone {
    let escapes = options.iter().any(|(name, _)| name == "csv.escape-character");
    let comments = options.iter().any(|(name, _)| name == "csv.allow-comments");
    match escapes || comments {
        true => Alone::All,
        false => {
            let quote =
                options.iter().find(|(name, _)| *name == "csv.quote-character").map_or("\"", |(_, quote)| quote);
            Alone::With([quote.as_bytes(), b"\""].concat())
        }
    }
}

/// Whether a message is decoded with its neighbours.
fn is_line(line: &[u8], alone: &Alone) -> bool {
    if line.is_empty() || memchr::memchr2(b'\n', b'\r', line).is_some() {
        return false;
    }
    match alone {
        Alone::None | Alone::Packed => true,
        Alone::With(bytes) => !line.iter().any(|byte| bytes.contains(byte)),
        Alone::All => false,
    }
}

/// A text without the end of a line that many write behind it.
fn without_end(text: &[u8]) -> &[u8] {
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    text.strip_suffix(b"\r").unwrap_or(text)
}

#[cfg(feature = "msgpack")]
fn packed(message: &[u8], max_depth: u32, lines: &mut Vec<u8>) -> bool {
    format::message_as_json(message, max_depth, lines)
}

#[cfg(not(feature = "msgpack"))]
fn packed(_: &[u8], _: u32, _: &mut Vec<u8>) -> bool {
    false
}

/// The first bytes of a message as text.
fn shown(value: &[u8]) -> String {
    let kept = value.len().min(crate::delta::MAX_REJECT_BYTES + 4);
    Reject::clip(&String::from_utf8_lossy(&value[..kept]))
}
