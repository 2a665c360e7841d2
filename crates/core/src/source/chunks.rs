//! Cuts a text input into chunks of whole records. Units: bytes.
//!
//! Invariant: the chunks, one after the other, are the input's records in their order; no record is cut, none is held
//! that is longer than the longest row allowed. Only the piece of a record at the end of a chunk is copied, into the next. Cut from
//! the spot behind a chunk, the input gives the chunks that follow it.

use std::io::{self, Read};
use std::sync::Arc;

use crate::format::{Beginning, Fault, Records, Spot, TextDecoding, oversized};

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
    /// Within a line that is too long, or that had no end when the input ended.
    skipping: bool,
    /// Behind the end of the array that the input is, or where it was told that it has none.
    closed: bool,
    /// Where in the input the next chunk begins.
    start: u64,
}

/// What is wrong with an array that is not closed.
const NO_END: &str = "the array has no ']' at its end: the input breaks off here, or is still being written";

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
            closed: false,
            start: 0,
        }
    }

    /// The same of an input that is read on from a spot, of which it is known how it began.
    pub(super) fn behind(mut self, from: Spot, beginning: &Beginning) -> Chunks {
        self.records = Some(beginning.records.clone());
        (self.start, self.skipping, self.closed) = (from.at, from.within == 1, from.within == 2);
        self
    }

    /// Where the input goes on behind the last chunk.
    pub(super) fn spot(&self) -> Spot {
        let within = if self.skipping { 1 } else { u64::from(self.closed) * 2 };
        Spot { at: self.start, within }
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
                    None => {
                        self.start += buffer.len() as u64;
                        buffer.clear();
                    }
                    Some(newline) => {
                        buffer.drain(..=newline);
                        self.start += newline as u64 + 1;
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
                self.start += beginning.skip as u64;
                self.records = Some(beginning.records);
                (self.tail, self.whole) = (buffer, true);
                if beginning.lines == 0 {
                    return self.next(Vec::new());
                }
                return Ok(Some(Chunk::Skipped { lines: beginning.lines, faults: Vec::new() }));
            };
            if self.ended {
                let open = records.open_at_end(&buffer);
                if buffer.is_empty() {
                    if open != Some(true) || std::mem::replace(&mut self.closed, true) {
                        return Ok(None);
                    }
                    let (detail, content) = (NO_END.to_owned(), String::new());
                    let fault = Fault { record: 0, reason: "malformed", detail, content };
                    return Ok(Some(Chunk::Skipped { lines: 1, faults: vec![fault] }));
                }
                self.start += buffer.len() as u64;
                self.closed = open == Some(false);
                if buffer.last() != Some(&b'\n') {
                    buffer.push(b'\n');
                    // What may be added to the input later is the rest of that line.
                    self.skipping = open != Some(true);
                }
                return Ok(Some(Chunk::Records(buffer)));
            }
            let cut = records.cut(&buffer);
            if cut > 0 {
                self.start += cut as u64;
                self.tail.extend_from_slice(&buffer[cut..]);
                buffer.truncate(cut);
                if buffer.last() != Some(&b'\n') {
                    buffer.push(b'\n');
                }
                return Ok(Some(Chunk::Records(buffer)));
            }
            // Behind the longest row its end may be still to come: a carriage return is no part of it.
            if buffer.len() > self.max_row_bytes + 1 {
                return Ok(Some(self.oversized(buffer)));
            }
        }
    }

    /// Gives a record up that has no end within the limit, up to the end of its line.
    fn oversized(&mut self, buffer: Vec<u8>) -> Chunk {
        let fault = oversized(0, &buffer, self.max_row_bytes);
        match memchr::memrchr(b'\n', &buffer) {
            // Newlines within: a record of several lines; go on behind the last.
            Some(newline) => {
                self.start += newline as u64 + 1;
                self.tail.extend_from_slice(&buffer[newline + 1..]);
            }
            None => {
                self.start += buffer.len() as u64;
                self.skipping = true;
            }
        }
        Chunk::Skipped { lines: 1, faults: vec![fault] }
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
