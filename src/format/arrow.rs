//! Arrow IPC: the file form and the stream form, told apart by the file's first bytes; writes the file form as a stream
//! of whole batches.

use std::fs::File;
use std::io::{BufReader, Read, Seek};
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_ipc::reader::{FileReader, StreamReader};
use arrow_ipc::writer::StreamWriter;
use arrow_schema::SchemaRef;

use super::blocks::{Adapter, lost, next_batch};
use super::{BlockDecoding, Decoding, Encoder, Format, FormatError, Input, Layout, Part};
use crate::options::{OptionSpec, Options};

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
    fn open(&self, input: Input) -> Result<Box<dyn Iterator<Item = Result<Part, String>> + Send>, String> {
        let stream =
            |stream: Box<dyn Read + Send>| -> Result<Box<dyn Iterator<Item = Result<Part, String>> + Send>, String> {
                let mut whole = StreamReader::try_new(stream, None).map_err(|error| not_arrow(&error.to_string()))?;
                let mut adapter = Adapter::new(&self.layout, &whole.schema())?;
                let (layout, mut torn, mut blocks) = (self.layout.clone(), false, 0);
                Ok(Box::new(std::iter::from_fn(move || {
                    // Where the next block begins is known from the one before.
                    let next = if torn { None } else { next_batch(&mut whole) };
                    blocks += 1;
                    next.map(|batch| {
                        batch.map_or_else(
                            |error| {
                                torn = true;
                                let detail = format!("from its block {blocks} on the stream cannot be read: {error}");
                                Ok(lost(&layout, 1, detail))
                            },
                            |batch| adapter.part(&batch),
                        )
                    })
                })))
            };
        match input {
            Input::Stream(bytes) => stream(bytes),
            Input::File(mut file) => {
                if file.metadata().is_ok_and(|metadata| metadata.len() == 0) {
                    return Ok(Box::new(std::iter::empty()));
                }
                if !begins_as_file(&mut file).map_err(|error| error.to_string())? {
                    return stream(Box::new(BufReader::with_capacity(1 << 20, file)));
                }
                let mut whole = FileReader::try_new(file, None).map_err(|error| not_arrow(&error.to_string()))?;
                let mut adapter = Adapter::new(&self.layout, &whole.schema())?;
                let (layout, blocks) = (self.layout.clone(), whole.num_batches());
                Ok(Box::new((1..=blocks).map_while(move |block| {
                    let next = next_batch(&mut whole)?;
                    let detail = |error| format!("block {block} of {blocks} cannot be read: {error}");
                    Some(next.map_or_else(|error| Ok(lost(&layout, 1, detail(error))), |batch| adapter.part(&batch)))
                })))
            }
        }
    }
}

fn not_arrow(error: &str) -> String {
    format!("not Arrow IPC: {error}")
}

/// Whether a file has the file form; leaves it at its start.
fn begins_as_file(file: &mut File) -> std::io::Result<bool> {
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
