//! Arrow IPC: the file form and the stream form, told apart by the file's first bytes; writes the file form as a stream
//! of whole batches. Streams of the same columns may follow one another, as where files were put together.

use std::io::{Read, Seek};
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_buffer::Buffer;
use arrow_ipc::reader::{FileReader, StreamDecoder};
use arrow_ipc::writer::StreamWriter;
use arrow_schema::{ArrowError, SchemaRef};

use super::blocks::{Adapter, lost, next_batch, readable};
use super::foreign::plain;
use super::read_at::Cursor;
use super::{BlockDecoding, Decoding, Encoder, Format, FormatError, Input, Layout, Parts, Spot};
use crate::options::{OptionSpec, Options};

/// How much of a stream is read at once.
const CHUNK_BYTES: usize = 64 << 10;

/// The format `arrow`.
#[derive(Debug)]
pub(super) struct Arrow;

impl Format for Arrow {
    fn name(&self) -> &'static str {
        "arrow"
    }

    fn help(&self) -> &'static str {
        "Arrow IPC, file or stream; writes a stream"
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["arrow", "arrows", "feather", "ipc"]
    }

    fn options(&self) -> &'static [OptionSpec] {
        &[]
    }

    fn decoding(&self, layout: &Layout, _: &Options) -> Result<Decoding, FormatError> {
        Ok(Decoding::Blocks(Arc::new(ArrowDecoding { layout: layout.clone() })))
    }

    fn encoder(&self, schema: &SchemaRef, _: &Options) -> Result<Box<dyn Encoder>, FormatError> {
        let writer = StreamWriter::try_new(Vec::new(), schema).map_err(cannot_write)?;
        Ok(Box::new(ArrowEncoder { writer }))
    }
}

#[derive(Debug)]
struct ArrowDecoding {
    layout: Layout,
}

impl BlockDecoding for ArrowDecoding {
    fn open(&self, input: Input, from: Spot) -> Result<Parts, String> {
        let stream = |stream: Box<dyn Read + Send>| -> Result<Parts, String> {
            let mut whole = Batches::begin(stream)?;
            let mut adapter = Adapter::of_file(&self.layout, &whole.schema)?;
            let (layout, mut torn, mut blocks) = (self.layout.clone(), false, 0);
            Ok(Box::new(std::iter::from_fn(move || {
                loop {
                    // Where the next block begins is known from the one before.
                    let next = if torn { None } else { next_batch(&mut whole) }?;
                    blocks += 1;
                    torn = next.is_err();
                    if blocks <= from.at {
                        continue;
                    }
                    let detail = |error| format!("from its block {blocks} on the stream cannot be read: {error}");
                    let part =
                        next.map_or_else(|error| Ok(lost(&layout, 1, detail(error))), |batch| adapter.part(&batch));
                    return Some(part.map(|part| (part, Spot { at: blocks, within: 0 })));
                }
            })))
        };
        match input {
            Input::Stream(bytes) => stream(bytes),
            Input::File(file) => {
                let mut file = Cursor::new(file).map_err(|error| error.to_string())?;
                if file.length() == 0 {
                    return Err(not_arrow("there are 0 bytes; whoever wrote it did not get to its beginning"));
                }
                if !begins_as_file(&mut file).map_err(|error| error.to_string())? {
                    return stream(Box::new(file));
                }
                let read = || FileReader::try_new(file, None).map_err(|error| error.to_string());
                let mut whole = readable(read).map_err(|error| not_arrow(&error))?;
                let mut adapter = Adapter::of_file(&self.layout, &whole.schema())?;
                let (layout, blocks) = (self.layout.clone(), whole.num_batches());
                let passed = usize::try_from(from.at).unwrap_or(usize::MAX).min(blocks);
                if passed > 0 && passed < blocks {
                    whole.set_index(passed).map_err(|error| error.to_string())?;
                }
                Ok(Box::new((passed + 1..=blocks).map_while(move |block| {
                    let next = next_batch(&mut whole)?;
                    let detail = |error| format!("block {block} of {blocks} cannot be read: {error}");
                    let part =
                        next.map_or_else(|error| Ok(lost(&layout, 1, detail(error))), |batch| adapter.part(&batch));
                    Some(part.map(|part| (part, Spot { at: block as u64, within: 0 })))
                })))
            }
        }
    }
}

/// The batches of a stream, read as they come: what a message says of its length reserves nothing.
struct Batches {
    bytes: Box<dyn Read + Send>,
    decoder: StreamDecoder,
    schema: SchemaRef,
    /// That of the streams before the one at hand.
    before: Option<SchemaRef>,
    /// What was read and not decoded yet.
    ahead: Buffer,
    /// What came behind the schema at once.
    first: Option<Result<RecordBatch, String>>,
    ended: bool,
}

impl Batches {
    /// Reads up to the schema.
    fn begin(bytes: Box<dyn Read + Send>) -> Result<Batches, String> {
        let (decoder, schema) = (StreamDecoder::new(), SchemaRef::new(arrow_schema::Schema::empty()));
        let mut batches =
            Batches { bytes, decoder, schema, before: None, ahead: Buffer::default(), first: None, ended: false };
        batches.first = match next_batch(&mut batches) {
            // Without a schema it is something else; with one, the rest of the stream is what is wrong.
            Some(Err(error)) if batches.known().is_none() => return Err(not_arrow(&error)),
            first => first,
        };
        batches.schema = batches.known().ok_or_else(|| not_arrow("it has no schema"))?;
        Ok(batches)
    }

    fn known(&self) -> Option<SchemaRef> {
        self.before.clone().or(self.decoder.schema())
    }
}

impl Iterator for Batches {
    type Item = Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(first) = self.first.take() {
            return Some(first.map_err(ArrowError::IpcError));
        }
        while !self.ended {
            if self.ahead.is_empty() {
                let mut chunk = vec![0; CHUNK_BYTES];
                let read = match self.bytes.read(&mut chunk) {
                    Ok(read) => read,
                    Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                    Err(error) => return Some(Err(error.into())),
                };
                if read == 0 {
                    self.ended = true;
                    return self.decoder.finish().err().map(Err);
                }
                chunk.truncate(read);
                self.ahead = chunk.into();
            }
            match self.decoder.decode(&mut self.ahead).transpose() {
                None => {}
                // It has ended, and another follows.
                Some(Err(_)) if !self.ahead.is_empty() && self.decoder.finish().is_ok() => {
                    self.before = self.known();
                    self.decoder = StreamDecoder::new();
                }
                Some(Ok(batch)) if self.before.as_ref().is_some_and(|before| *before != batch.schema()) => {
                    self.ended = true;
                    let what = "another stream follows, of other columns".to_owned();
                    return Some(Err(ArrowError::IpcError(what)));
                }
                Some(batch) => {
                    self.ended = batch.is_err();
                    return Some(batch);
                }
            }
        }
        None
    }
}

fn not_arrow(error: &str) -> String {
    format!("not Arrow IPC: {}", plain(error))
}

/// Whether a file has the file form; leaves it at its start.
fn begins_as_file(file: &mut Cursor) -> std::io::Result<bool> {
    let mut magic = Vec::new();
    file.by_ref().take(6).read_to_end(&mut magic)?;
    file.rewind()?;
    Ok(magic == b"ARROW1")
}

struct ArrowEncoder {
    writer: StreamWriter<Vec<u8>>,
}

impl Encoder for ArrowEncoder {
    fn encode(&mut self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<(), FormatError> {
        self.writer.write(batch).map_err(cannot_write)?;
        out.append(self.writer.get_mut());
        Ok(())
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), FormatError> {
        self.writer.finish().map_err(cannot_write)?;
        out.append(self.writer.get_mut());
        Ok(())
    }
}

fn cannot_write(error: arrow_schema::ArrowError) -> FormatError {
    FormatError::Schema {
        what: format!("cannot be written as Arrow IPC: {error}"),
        remedy: "cast the column".to_owned(),
    }
}
