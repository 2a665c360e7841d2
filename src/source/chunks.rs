//! Cuts a text input into chunks of whole records. Units: bytes.
//!
//! Invariant: the chunks, one after the other, are the input's records in their order; no record is cut, none is held
//! that is longer than the longest row allowed. Only the piece of a record at the end of a chunk is copied, into the next.

use std::io::{self, Read};
use std::sync::Arc;

use crate::format::{Fault, Records, TextDecoding};

/// What comes next of an input.
#[derive(Debug)]
pub(super) enum Chunk {
    /// Whole records, the last with a newline.
    Records(Vec<u8>),
    /// Lines that were passed over, with what is wrong with them.
    Skipped { lines: u64, faults: Vec<Fault> },
}

/// An input being cut.
pub(super) struct Chunks {
    input: Box<dyn Read + Send>,
    decoding: Arc<dyn TextDecoding>,
    records: Option<Arc<dyn Records>>,
    /// What was read behind the last chunk.
    tail: Vec<u8>,
    /// Whether the tail may hold whole records: they wait for no more input.
    whole: bool,
    /// How much is read at a time.
    size: usize,
    /// Hand on what there is rather than fill a chunk.
    eager: bool,
    max_row_bytes: usize,
    ended: bool,
    /// Within a line that is too long.
    skipping: bool,
}

impl Chunks {
    pub(super) fn new(
        input: Box<dyn Read + Send>,
        decoding: Arc<dyn TextDecoding>,
        max_row_bytes: usize,
        size: usize,
        eager: bool,
    ) -> Chunks {
        Chunks {
            input,
            decoding,
            records: None,
            tail: Vec::new(),
            whole: false,
            size,
            eager,
            max_row_bytes,
            ended: false,
            skipping: false,
        }
    }

    /// How the records are to be decoded; known once there was a chunk of records.
    pub(super) fn records(&self) -> Option<&Arc<dyn Records>> {
        self.records.as_ref()
    }

    /// The next chunk, in a buffer that may be an old one; `None` at the end.
    pub(super) fn next(&mut self, mut buffer: Vec<u8>) -> io::Result<Option<Chunk>> {
        buffer.clear();
        buffer.append(&mut self.tail);
        let mut enough = std::mem::take(&mut self.whole);
        loop {
            if !std::mem::take(&mut enough) {
                self.fill(&mut buffer)?;
            }
            if self.skipping {
                match memchr::memchr(b'\n', &buffer) {
                    None if self.ended => return Ok(None),
                    None => buffer.clear(),
                    Some(newline) => {
                        buffer.drain(..=newline);
                        self.skipping = false;
                    }
                }
                if self.skipping {
                    continue;
                }
            }
            let Some(records) = &self.records else {
                let last = self.ended || buffer.len() > self.max_row_bytes;
                let begun = self.decoding.begin(&buffer, last);
                let begun = begun.map_err(|what| io::Error::new(io::ErrorKind::InvalidData, what))?;
                let Some(beginning) = begun else { continue };
                buffer.drain(..beginning.skip);
                self.records = Some(beginning.records);
                (self.tail, self.whole) = (buffer, true);
                if beginning.lines == 0 {
                    return self.next(Vec::new());
                }
                return Ok(Some(Chunk::Skipped { lines: beginning.lines, faults: Vec::new() }));
            };
            if self.ended {
                if buffer.is_empty() {
                    return Ok(None);
                }
                if buffer.last() != Some(&b'\n') {
                    buffer.push(b'\n');
                }
                return Ok(Some(Chunk::Records(buffer)));
            }
            let cut = records.cut(&buffer);
            if cut > 0 {
                self.tail.extend_from_slice(&buffer[cut..]);
                buffer.truncate(cut);
                if buffer.last() != Some(&b'\n') {
                    buffer.push(b'\n');
                }
                return Ok(Some(Chunk::Records(buffer)));
            }
            if buffer.len() > self.max_row_bytes {
                return Ok(Some(self.oversized(buffer)));
            }
        }
    }

    /// Gives a record up that has no end within the limit, up to the end of its line.
    fn oversized(&mut self, buffer: Vec<u8>) -> Chunk {
        let content = String::from_utf8_lossy(&buffer[..buffer.len().min(crate::delta::MAX_REJECT_BYTES + 4)]);
        let detail = format!("more than {} bytes; 'max-row-bytes' is {}", buffer.len(), self.max_row_bytes);
        let content = crate::delta::Reject::clip(&content);
        match memchr::memrchr(b'\n', &buffer) {
            // Newlines within: a record of several lines; go on behind the last.
            Some(newline) => self.tail.extend_from_slice(&buffer[newline + 1..]),
            None => self.skipping = true,
        }
        Chunk::Skipped { lines: 1, faults: vec![Fault { record: 0, reason: "oversized", detail, content }] }
    }

    fn fill(&mut self, buffer: &mut Vec<u8>) -> io::Result<()> {
        if self.ended {
            return Ok(());
        }
        if !self.eager {
            buffer.reserve(self.size + 1);
            let read = (&mut self.input).take(self.size as u64).read_to_end(buffer)?;
            self.ended = read == 0;
            return Ok(());
        }
        let before = buffer.len();
        buffer.resize(before + self.size, 0);
        let read = loop {
            match self.input.read(&mut buffer[before..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read?,
            }
        };
        buffer.truncate(before + read);
        self.ended = read == 0;
        Ok(())
    }
}
