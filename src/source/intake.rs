//! Bodies and frames that clients push, decoded into the columns of one source. Pure: bytes in, rows and faults out.
//!
//! Decoders keep their room and go back into a pool, so that a request costs one lock and no decoder of its own.

use std::borrow::Cow;
use std::io::Cursor;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use super::beside::without;
use super::filesystem::{layout, refuse};
use super::headers::Headers;
use super::{Beside, RowLimits, SourceError, SourceSpec};
use crate::format::{self, BlockDecoding, Came, Decoder, Decoding, Encoding, Input, Part, Records, Spot, TextDecoding};

/// How a body is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// One JSON object, over any number of lines, or an array of them.
    Json,
    /// One JSON object a line.
    Lines,
    /// CSV.
    Csv,
    /// MessagePack.
    MessagePack,
    /// An Arrow IPC stream.
    Arrow,
    /// Lines, as the source's format says: raw, regex or grok.
    Text,
    /// CloudEvents in JSON, one or an array of them, around the rows.
    CloudEvents,
}

/// What decodes for one source.
#[derive(Debug)]
pub struct Intake {
    json: Pool,
    lines: Pool,
    /// Why not, if a column has no text form in CSV.
    csv: Result<Arc<dyn TextDecoding>, String>,
    /// How lines are read, if the source's format says so.
    text: Option<Arc<dyn TextDecoding>>,
    msgpack: Arc<dyn BlockDecoding>,
    arrow: Arc<dyn BlockDecoding>,
    max_depth: u32,
    /// The columns that are no part of a body.
    headers: Headers,
    /// The column that an envelope's time stands in for.
    time: Option<String>,
    default: Written,
}

struct Pool {
    records: Arc<dyn Records>,
    free: Mutex<Vec<Box<dyn Decoder>>>,
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool").field("records", &self.records).finish_non_exhaustive()
    }
}

/// The formats of lines that only the source's own options tell how to read.
const LINES: [&str; 3] = ["raw", "regex", "grok"];

/// How many decoders wait for their next use.
const KEPT: usize = 16;

impl Pool {
    fn new(records: Arc<dyn Records>) -> Pool {
        Pool { records, free: Mutex::default() }
    }

    fn decode(&self, chunk: Bytes) -> Part {
        let free = || self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = free().pop();
        let mut decoder = waiting.unwrap_or_else(|| self.records.decoder());
        let part = decoder.decode(&chunk);
        let mut free = free();
        if free.len() < KEPT {
            free.push(decoder);
        }
        Part { came: Came::text(chunk, &self.records), ..part }
    }
}

impl Intake {
    /// What decodes for this source.
    pub fn new(spec: &SourceSpec, limits: RowLimits) -> Result<Intake, SourceError> {
        let declared = layout(spec)?;
        let headers = Headers::of(spec, &declared)?;
        let mut layout = without(&declared, |at| spec.metadata.iter().any(|(column, _)| *column == at));
        layout.max_depth = limits.depth;
        // Each body says what it has.
        layout.may_lack = true;
        if spec.options.get("max-row-bytes").is_none() {
            layout.max_row_bytes = limits.bytes;
        }
        let of = |name: &str| -> Result<Decoding, SourceError> {
            let Some(format) = format::find(name) else { unreachable!("{name} is a format") };
            format.decoding(&layout, &spec.options).map_err(|error| refuse(spec, error))
        };
        let (Decoding::Text(json), Decoding::Blocks(msgpack), Decoding::Blocks(arrow)) =
            (of("json")?, of("msgpack")?, of("arrow")?)
        else {
            unreachable!("JSON is text, MessagePack and Arrow are blocks")
        };
        let csv = match of("csv") {
            Ok(Decoding::Text(csv)) => Ok(csv),
            Ok(Decoding::Blocks(_)) => unreachable!("CSV is text"),
            Err(SourceError::Option(error)) => return Err(error.into()),
            Err(error) => Err(error.to_string()),
        };
        let named = spec.options.get("format").and_then(format::find);
        let text = match named.filter(|format| LINES.contains(&format.name())).map(|format| of(format.name())) {
            None => None,
            Some(Ok(Decoding::Text(text))) => Some(text),
            Some(Ok(Decoding::Blocks(_))) => unreachable!("lines are text"),
            Some(Err(error)) => return Err(error),
        };
        Ok(Intake {
            // The inside of an array is also how one object over several lines is read.
            json: Pool::new(begun(json.as_ref(), b"[")),
            lines: Pool::new(begun(json.as_ref(), b"{")),
            csv,
            text,
            msgpack,
            arrow,
            max_depth: limits.depth,
            headers,
            time: spec.time.and_then(|time| Some(spec.physical.field(*spec.decode.get(time.column)?).name().clone())),
            default: match spec.options.get("format").map(str::to_ascii_lowercase).as_deref() {
                Some("csv") => Written::Csv,
                Some("msgpack") => Written::MessagePack,
                Some("arrow") => Written::Arrow,
                Some(name) if LINES.contains(&name) => Written::Text,
                _ => Written::Lines,
            },
        })
    }

    /// How a body is written that does not say so.
    pub fn default_written(&self) -> Written {
        self.default
    }

    /// What the headers of a request say beside its rows, names in lower case; `Err` says which of them is no value of its column.
    pub fn beside<'a>(&self, headers: impl Iterator<Item = (&'a str, Cow<'a, str>)>) -> Result<Beside, String> {
        self.headers.beside(headers)
    }

    /// Decodes a whole body, beside whose rows stands what its headers say; `charset` is how its text is encoded, if that was
    /// said of it. `Err` says why nothing of it can be read. Records are counted from 0.
    pub fn decode(
        &self,
        written: Written,
        charset: Option<Encoding>,
        body: Bytes,
        beside: &Beside,
    ) -> Result<Part, String> {
        let part = self.decode_inside(written, charset, body)?;
        Ok(Part { batch: beside.add(part.batch), ..part })
    }

    fn decode_inside(&self, written: Written, charset: Option<Encoding>, body: Bytes) -> Result<Part, String> {
        let text = || match written {
            Written::Csv => as_text(charset.or(self.csv.as_ref().ok().and_then(|csv| csv.encoding())), body.clone()),
            Written::Text => as_text(charset.or(self.text.as_ref().and_then(|text| text.encoding())), body.clone()),
            _ => as_text(charset, body.clone()),
        };
        match written {
            Written::Json | Written::Lines => {
                let body = text();
                format::is_text(&body)?;
                let within = body.trim_ascii();
                let array = within.strip_prefix(b"[");
                if written == Written::Lines && array.is_none() {
                    return Ok(self.lines.decode(ended(body)));
                }
                match (array, within.ends_with(b"]")) {
                    (None, false) => Ok(self.json.decode(body.slice_ref(within))),
                    // A ']' at the end would close the array that was not opened: a second one says so.
                    (None, true) => Ok(self.json.decode([within, b" ]"].concat().into())),
                    (Some(inside), true) => Ok(self.json.decode(body.slice_ref(inside))),
                    (Some(_), false) => Err("the array does not end with ']'".to_owned()),
                }
            }
            Written::Csv => {
                let csv = self.csv.as_ref().map_err(String::clone)?;
                whole(csv.as_ref(), text())
            }
            Written::Text => {
                let lines =
                    self.text.as_ref().ok_or("the source's format is not raw, regex or grok: send JSON or CSV")?;
                whole(lines.as_ref(), text())
            }
            Written::CloudEvents => {
                let lines = format::cloudevents_as_lines(&text(), self.max_depth, self.time.as_deref());
                Ok(self.lines.decode(lines.map_err(|reason| format!("not CloudEvents: {reason}"))?.into()))
            }
            Written::MessagePack | Written::Arrow => {
                let blocks = if written == Written::Arrow { &self.arrow } else { &self.msgpack };
                let parts = blocks.open(Input::Stream(Box::new(Cursor::new(body))), Spot::default())?;
                let parts = parts.map(|part| part.map(|(part, _)| part)).collect::<Result<Vec<Part>, String>>()?;
                joined(parts)
            }
        }
    }

    /// Appends a MessagePack message that is one map as a line, for [`Intake::lines`]; false if it is anything else.
    pub fn line(&self, message: &[u8], lines: &mut Vec<u8>) -> bool {
        format::message_as_json(message, self.max_depth, lines)
    }

    /// Decodes lines, one event each, the last with its end: as many records as lines.
    pub fn lines(&self, text: Bytes, beside: &Beside) -> Part {
        let part = self.lines.decode(text);
        Part { batch: beside.add(part.batch), ..part }
    }
}

/// A body as UTF-8, without its mark; copied only if it was something else.
fn as_text(encoding: Option<Encoding>, body: Bytes) -> Bytes {
    let other = match Encoding::decode(encoding, &body) {
        Cow::Owned(text) => Some(text),
        Cow::Borrowed(_) => None,
    };
    let text = other.map_or(body, Bytes::from);
    if text.starts_with(b"\xEF\xBB\xBF") { text.slice(3..) } else { text }
}

/// Decodes a whole body, its records counted from behind its header.
fn whole(text: &dyn TextDecoding, body: Bytes) -> Result<Part, String> {
    let Some(beginning) = text.begin(&body, true)? else { unreachable!("the body is whole") };
    let chunk = ended(body.slice(beginning.skip.min(body.len())..));
    let part = beginning.records.decoder().decode(&chunk);
    Ok(Part { came: Came::text(chunk, &beginning.records), ..part })
}

/// How records are read of an input that begins so.
fn begun(text: &dyn TextDecoding, head: &[u8]) -> Arc<dyn Records> {
    match text.begin(head, true) {
        Ok(Some(beginning)) => beginning.records,
        _ => unreachable!("JSON begins with anything"),
    }
}

/// Text that ends with a newline.
fn ended(text: Bytes) -> Bytes {
    match text.last() {
        None | Some(b'\n') => text,
        _ => [&text, &b"\n"[..]].concat().into(),
    }
}

/// The batches of one stream as one, so that a body is taken or refused as a whole.
fn joined(parts: Vec<Part>) -> Result<Part, String> {
    let Some(schema) = parts.first().map(|part| part.batch.schema()) else {
        return Err("the stream has no batches".to_owned());
    };
    let batch = arrow_select::concat::concat_batches(&schema, parts.iter().map(|part| &part.batch));
    let batch = batch.map_err(|error| error.to_string())?;
    let (mut numbers, mut faults, mut records) = (Vec::with_capacity(batch.num_rows()), Vec::new(), 0);
    let mut came = Came::default();
    for part in parts {
        match part.numbers {
            Some(own) => numbers.extend(own.into_iter().map(|number| number + records)),
            None => numbers.extend((0..part.batch.num_rows() as u64).map(|row| row + records)),
        }
        faults.extend(part.faults.into_iter().map(|mut fault| {
            fault.record += records;
            fault
        }));
        came.append(records, part.came);
        records += part.records;
    }
    Ok(Part { batch, numbers: Some(numbers), records, faults, came })
}
