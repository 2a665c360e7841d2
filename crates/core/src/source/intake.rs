//! Bodies and frames that clients push, decoded into the columns of one source. Pure: bytes in, rows and faults out.
//!
//! Decoders keep their room and go back into a pool, so that a request costs one lock and no decoder of its own. Text is decoded
//! [`PIECE`] by piece, and for what becomes of each there has to be room: a row may take a hundred times the bytes that write it
//! (`{}` of a source with many columns), and so may what is wrong with one.

use std::borrow::Cow;
use std::io::Cursor;
use std::sync::{Arc, Mutex, PoisonError};

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use bytes::Bytes;
use serde::Serialize;

use super::beside::without;
use super::filesystem::{layout, refuse};
use super::headers::Headers;
use super::{Beside, Room, RowLimits, SourceError, SourceSpec};
use crate::format::typed::{fitted, to_batch_in};
use crate::format::{
    self, Beginning, BlockDecoding, Came, Decoder, Decoding, Encoding, Input, Part, Records, RowsError, Spot,
    TextDecoding,
};
use crate::time::Zone;

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
    /// Text, as the source's format says: raw, regex, grok, or one that is registered.
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
    /// `None` if it is not built in.
    msgpack: Option<Arc<dyn BlockDecoding>>,
    arrow: Arc<dyn BlockDecoding>,
    max_depth: u32,
    /// The columns that are no part of a body.
    headers: Headers,
    /// All declared columns, and those that are decoded.
    declared: SchemaRef,
    wanted: SchemaRef,
    zone: Zone,
    /// The column that an envelope's time stands in for.
    time: Option<String>,
    default: Written,
}

struct Pool {
    records: Arc<dyn Records>,
    /// Whether each record ends with a newline.
    lines: bool,
    free: Mutex<Vec<Box<dyn Decoder>>>,
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool").field("records", &self.records).finish_non_exhaustive()
    }
}

/// The formats of lines that only the source's own options tell how to read.
const LINES: [&str; 3] = ["raw", "regex", "grok"];

/// How many decoders wait for their next use: as many as decode at a time where cores are few.
const KEPT: usize = 4;

/// Bytes that are decoded together, unless one record is longer.
const PIECE: usize = 256 << 10;

/// Why nothing was made of a body.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Undecoded {
    /// Nothing of it can be read.
    #[error("{0}")]
    Unread(String),
    /// There is no room for what it becomes.
    #[error("there is no room for what the body holds")]
    NoRoom,
}

impl From<String> for Undecoded {
    fn from(reason: String) -> Undecoded {
        Undecoded::Unread(reason)
    }
}

impl Pool {
    /// Of text whose records are lines, or elements of an array.
    fn new(text: &dyn TextDecoding, lines: bool) -> Pool {
        let head: &[u8] = if lines { b"{" } else { b"[" };
        match text.begin(head, true) {
            Ok(Some(Beginning { records, .. })) => Pool { records, lines, free: Mutex::default() },
            _ => unreachable!("JSON begins with anything"),
        }
    }

    fn decode(&self, text: Bytes, out: &mut Decoded<'_>) -> Result<(), Undecoded> {
        let free = || self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = free().pop();
        let mut decoder = waiting.unwrap_or_else(|| self.records.decoder());
        let taken = match self.lines {
            true => out.take_lines(decoder.as_mut(), &self.records, text),
            false => out.take_elements(decoder.as_mut(), &self.records, text),
        };
        let mut free = free();
        if free.len() < KEPT {
            free.push(decoder);
        }
        taken
    }
}

/// What becomes of a body, part by part.
struct Decoded<'a> {
    beside: &'a Beside,
    room: &'a mut Room<'a>,
    parts: Vec<Part>,
}

impl Decoded<'_> {
    fn room(&mut self, bytes: usize) -> Result<(), Undecoded> {
        if (self.room)(bytes) { Ok(()) } else { Err(Undecoded::NoRoom) }
    }

    fn take(&mut self, part: Part) -> Result<(), Undecoded> {
        self.room(part.memory().saturating_add(self.beside.row_bytes().saturating_mul(part.batch.num_rows())))?;
        self.parts.push(Part { batch: self.beside.add(part.batch), ..part });
        Ok(())
    }

    /// Text of records that end with newlines, the last perhaps without one.
    fn take_lines(
        &mut self,
        decoder: &mut dyn Decoder,
        records: &Arc<dyn Records>,
        mut text: Bytes,
    ) -> Result<(), Undecoded> {
        while !text.is_empty() {
            let piece = ended(text.split_to(piece(records.as_ref(), &text)));
            let part = decoder.decode(&piece);
            self.take(Part { came: Came::text(piece, records), ..part })?;
        }
        Ok(())
    }

    /// Elements of an array: where one ends only their decoder knows.
    fn take_elements(
        &mut self,
        decoder: &mut dyn Decoder,
        records: &Arc<dyn Records>,
        mut text: Bytes,
    ) -> Result<(), Undecoded> {
        let utf8 = std::str::from_utf8(&text).is_ok();
        while !text.is_empty() {
            let (part, passed) = decoder.decode_some(&text, PIECE, utf8);
            self.take(Part { came: Came::text(text.split_to(passed), records), ..part })?;
        }
        Ok(())
    }
}

/// How many bytes at the start of a text are decoded together: whole records.
fn piece(records: &dyn Records, text: &[u8]) -> usize {
    let mut most = PIECE;
    loop {
        if text.len() <= most {
            return text.len();
        }
        match records.cut(&text[..most]) {
            0 => most *= 2,
            length => return length,
        }
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
            let Some(format) = spec.formats.find(name) else { unreachable!("{name} is a format") };
            format::decoding(&*format, &layout, &spec.options).map_err(|error| refuse(spec, error))
        };
        let named = spec.options.get("format").and_then(|name| spec.formats.find(name));
        let named = named.as_ref();
        let tells = named.filter(|format| format.is_built_in() && format.tells_changes());
        let json = tells.map_or("json", |format| format.name());
        let (Decoding::Text(json), Decoding::Blocks(arrow)) = (of(json)?, of("arrow")?) else {
            unreachable!("JSON is text, Arrow is blocks")
        };
        let msgpack = match format::find("msgpack").map(|format| of(format.name())).transpose()? {
            Some(Decoding::Text(_)) => unreachable!("MessagePack is blocks"),
            Some(Decoding::Blocks(msgpack)) => Some(msgpack),
            None => None,
        };
        let csv = match of("csv") {
            Ok(Decoding::Text(csv)) => Ok(csv),
            Ok(Decoding::Blocks(_)) => unreachable!("CSV is text"),
            Err(SourceError::Option(error)) => return Err(error.into()),
            Err(error) => Err(error.to_string()),
        };
        let lines = named.filter(|format| LINES.contains(&format.name()) || !format.is_built_in());
        let text = match lines.map(|format| of(format.name())) {
            None => None,
            Some(Ok(Decoding::Text(text))) => Some(text),
            Some(Ok(Decoding::Blocks(_))) => return Err(of_blocks(spec)),
            Some(Err(error)) => return Err(error),
        };
        Ok(Intake {
            // The inside of an array is also how one object over several lines is read.
            json: Pool::new(json.as_ref(), false),
            lines: Pool::new(json.as_ref(), true),
            csv,
            text,
            msgpack,
            arrow,
            max_depth: limits.depth,
            headers,
            declared: declared.physical,
            // The very schema that decoders have: what they made is not looked at again.
            wanted: if spec.metadata.is_empty() { layout.wanted.clone() } else { declared.wanted },
            zone: spec.zone,
            time: spec.time.and_then(|time| Some(spec.physical.field(*spec.decode.get(time.column)?).name().clone())),
            default: match spec.options.get("format").map(str::to_ascii_lowercase).as_deref() {
                Some("csv") => Written::Csv,
                Some("msgpack") => Written::MessagePack,
                Some("arrow") => Written::Arrow,
                Some(_) if lines.is_some() => Written::Text,
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

    /// Decodes a whole body, beside whose rows stands what its headers say, as far as there is room for what becomes of it;
    /// `charset` is how its text is encoded, if that was said of it. Records are counted from 0 in each part.
    pub fn decode(
        &self,
        written: Written,
        charset: Option<Encoding>,
        body: Bytes,
        beside: &Beside,
        room: &mut Room<'_>,
    ) -> Result<Vec<Part>, Undecoded> {
        let mut out = Decoded { beside, room: &mut |bytes| room(bytes), parts: Vec::new() };
        self.decode_into(written, charset, body, &mut out)?;
        Ok(out.parts)
    }

    fn decode_into(
        &self,
        written: Written,
        charset: Option<Encoding>,
        body: Bytes,
        out: &mut Decoded<'_>,
    ) -> Result<(), Undecoded> {
        let said = match written {
            Written::Csv => self.csv.as_ref().ok().and_then(|csv| csv.encoding()),
            Written::Text => self.text.as_ref().and_then(|text| text.encoding()),
            _ => None,
        };
        let mut text = || as_text(charset.or(said), body.clone(), out);
        match written {
            Written::Json | Written::Lines => {
                let body = text()?;
                format::is_text(&body)?;
                if let Some(encoding) = format::unmarked(&body) {
                    return Err(format!(
                        "it has bytes of 0 in it, as {encoding} without a byte order mark has: say so, as \
                         Content-Type: application/json; charset={encoding}"
                    )
                    .into());
                }
                let within = body.trim_ascii();
                let array = within.strip_prefix(b"[");
                if written == Written::Lines && array.is_none() {
                    return self.lines.decode(body, out);
                }
                match (array, within.ends_with(b"]")) {
                    (None, false) => self.json.decode(body.slice_ref(within), out),
                    // A ']' at the end would close the array that was not opened: a second one says so.
                    (None, true) => {
                        out.room(within.len())?;
                        self.json.decode([within, b" ]"].concat().into(), out)
                    }
                    (Some(inside), true) => self.json.decode(body.slice_ref(inside), out),
                    (Some(_), false) => Err("the array does not end with ']'".to_owned().into()),
                }
            }
            Written::Csv => {
                let csv = self.csv.as_ref().map_err(String::clone)?;
                let text = text()?;
                whole(csv.as_ref(), text, out)
            }
            Written::Text => {
                let refused = || "the source's format is JSON, CSV, MessagePack or Arrow: send that".to_owned();
                let lines = self.text.as_ref().ok_or_else(refused)?;
                let text = text()?;
                whole(lines.as_ref(), text, out)
            }
            Written::CloudEvents => {
                let lines = format::cloudevents_as_lines(&text()?, self.max_depth, self.time.as_deref());
                let lines = lines.map_err(|reason| format!("not CloudEvents: {reason}"))?;
                out.room(lines.capacity())?;
                self.lines.decode(lines.into(), out)
            }
            Written::MessagePack | Written::Arrow => {
                let blocks = if written == Written::Arrow { Some(&self.arrow) } else { self.msgpack.as_ref() };
                let blocks = blocks.ok_or_else(|| "MessagePack is not built in: send JSON, CSV or Arrow".to_owned())?;
                for part in blocks.open(Input::Stream(Box::new(Cursor::new(body))), Spot::default())? {
                    out.take(part?.0)?;
                }
                match out.parts.is_empty() {
                    true => Err("the stream has no batches".to_owned().into()),
                    false => Ok(()),
                }
            }
        }
    }

    /// The columns that rows may have, all that are declared.
    pub fn declared(&self) -> &SchemaRef {
        &self.declared
    }

    /// Columns that a program made, as those that are decoded: by name, as the declared types.
    ///
    /// # Errors
    /// A column that is not declared, or a value that does not fit its type; the first.
    pub fn fitted(&self, batch: RecordBatch) -> Result<RecordBatch, RowsError> {
        fitted(batch, &self.wanted, &self.declared, self.zone)
    }

    /// Rows of a Rust type as columns, all of them.
    ///
    /// # Errors
    /// A field that is no declared column, or a value that does not fit its type; the first.
    pub fn written<T: Serialize>(&self, rows: impl IntoIterator<Item = T>) -> Result<RecordBatch, RowsError> {
        self.fitted(to_batch_in(rows, &self.declared, self.zone)?)
    }

    /// Appends a MessagePack message that is one map as a line, for [`Intake::lines`]; false if it is anything else.
    #[cfg(feature = "msgpack")]
    pub fn line(&self, message: &[u8], lines: &mut Vec<u8>) -> bool {
        format::message_as_json(message, self.max_depth, lines)
    }

    /// Decodes lines, one event each, the last with its end: as many records as lines.
    pub fn lines(&self, text: Bytes, beside: &Beside, room: &mut Room<'_>) -> Result<Vec<Part>, Undecoded> {
        let mut out = Decoded { beside, room: &mut |bytes| room(bytes), parts: Vec::new() };
        self.lines.decode(text, &mut out)?;
        Ok(out.parts)
    }
}

/// The refusal of a format that is read from files alone.
fn of_blocks(spec: &SourceSpec) -> SourceError {
    SourceError::Schema {
        source_name: spec.name.clone(),
        what: format!(
            "format '{}' is of blocks, and is not read from requests",
            spec.options.get("format").unwrap_or("")
        ),
        remedy: "write a format of text, or read it with 'connector' = 'filesystem'".to_owned(),
    }
}

/// A body as UTF-8, without its mark; copied only if it was something else.
fn as_text(encoding: Option<Encoding>, body: Bytes, out: &mut Decoded<'_>) -> Result<Bytes, Undecoded> {
    let other = match Encoding::decode(encoding, &body) {
        Cow::Owned(text) => Some(text),
        Cow::Borrowed(_) => None,
    };
    let text = match other {
        Some(text) => {
            out.room(text.capacity())?;
            text.into()
        }
        None => body,
    };
    Ok(if text.starts_with(b"\xEF\xBB\xBF") { text.slice(3..) } else { text })
}

/// Decodes a whole body, its records counted from behind its header.
fn whole(text: &dyn TextDecoding, body: Bytes, out: &mut Decoded<'_>) -> Result<(), Undecoded> {
    let Some(beginning) = text.begin(&body, true)? else { unreachable!("the body is whole") };
    let records = body.slice(beginning.skip.min(body.len())..);
    out.take_lines(beginning.records.decoder().as_mut(), &beginning.records, records)
}

/// Text that ends with a newline.
fn ended(text: Bytes) -> Bytes {
    match text.last() {
        None | Some(b'\n') => text,
        _ => [&text, &b"\n"[..]].concat().into(),
    }
}
