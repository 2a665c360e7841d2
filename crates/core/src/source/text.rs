//! Reads one text input: chunks are decoded on several threads and come back in their order.
//!
//! Invariants: rows and rejects are those of one thread, whatever the number of threads. At most about five chunks a
//! thread are held. The threads end when the reader is dropped or the input is.

use std::io::{self, Read as _};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use arrow_array::RecordBatch;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

use super::chunks::{Chunk, Chunks};
use super::partition::Place;
use super::{Position, Read, Reader, SourceError};
use crate::format::{Beginning, Came, Decoder, Encoding, Layout, Lent, Part, Records, Spot, TextDecoding, skip};

/// How much a decoder is handed at a time, unless told otherwise.
const CHUNK_BYTES: usize = 1 << 20;
/// The same for each column: what a batch costs a column is for a hundred rows or more of it.
const CHUNK_BYTES_OF_COLUMN: usize = 2 << 10;

/// How much a decoder of so many columns is handed at a time, unless told otherwise.
pub(super) fn chunk_bytes(columns: usize) -> usize {
    CHUNK_BYTES.max(columns.saturating_mul(CHUNK_BYTES_OF_COLUMN))
}
/// How much a live input is asked for at a time.
const EAGER_BYTES: usize = 64 << 10;
/// How long a live reader waits for rows before it answers that there are none.
const PATIENCE: Duration = Duration::from_millis(20);

/// Opens the bytes of an input from one of them on.
pub(super) type Opening = Box<dyn Fn(u64) -> io::Result<Bytes> + Send>;

type Bytes = Box<dyn io::Read + Send>;

/// A part, where the input goes on behind it, and the text that it was decoded from.
type Placed = (Part, Spot, Option<Lent>);

/// A text input and how it is read.
pub(super) struct TextInput {
    pub(super) open: Opening,
    pub(super) decoding: Arc<dyn TextDecoding>,
    pub(super) layout: Layout,
    /// Threads that decode, beside the one that reads.
    pub(super) threads: usize,
    /// How much a decoder is handed at a time, in bytes.
    pub(super) chunk_bytes: usize,
    /// Rows are wanted as they come, not by the chunk.
    pub(super) live: bool,
}

type Result<T> = std::result::Result<T, io::Error>;

/// The reader of a text input.
pub(super) struct TextReader {
    place: Place,
    live: bool,
    how: How,
    /// The text of the rows that were handed out last.
    lent: Option<Lent>,
}

enum How {
    /// On the calling thread.
    Here { chunks: Box<Chunks>, decoder: Option<Box<dyn Decoder>>, layout: Layout },
    /// On threads: one output each, taken in turn; and where buffers go back to who reads.
    Threads { outputs: Vec<Receiver<Result<Placed>>>, give_back: Sender<Vec<u8>>, turn: usize },
}

impl TextReader {
    /// Starts to read where `from` says. A bounded input that fits one chunk is read on the calling thread.
    pub(super) fn start(text: TextInput, place: Place, from: &Position) -> io::Result<TextReader> {
        let live = text.live;
        let from = from.spot;
        let (mut input, beginning) = match from.is_start() {
            true => (Encoding::reader(text.decoding.encoding(), (text.open)(0)?), None),
            false => text.behind(from)?,
        };
        let mut head = Vec::new();
        if !live {
            (&mut input).take(text.chunk_bytes as u64).read_to_end(&mut head)?;
        }
        let short = !live && head.len() < text.chunk_bytes;
        let input = Box::new(io::Cursor::new(head).chain(input));
        let size = if live { EAGER_BYTES } else { text.chunk_bytes };
        let chunks = Chunks::new(input, text.decoding, text.layout.max_row_bytes, size, live);
        let chunks = match &beginning {
            Some(beginning) => chunks.behind(from, beginning),
            None => chunks,
        };
        let how = if short || (text.threads <= 1 && !live) {
            How::Here { chunks: Box::new(chunks), decoder: None, layout: text.layout }
        } else {
            let (outputs, give_back) = threads(chunks, text.layout, text.threads.max(1), place.name())?;
            How::Threads { outputs, give_back, turn: 0 }
        };
        Ok(TextReader { place, live, how, lent: None })
    }
}

impl TextInput {
    /// The input from a spot on, and what its first bytes say of how it is read.
    fn behind(&self, from: Spot) -> io::Result<(Bytes, Option<Beginning>)> {
        let encoding = self.decoding.encoding();
        let (mut mark, mut head) = (Vec::new(), Vec::new());
        (self.open)(0)?.take(3).read_to_end(&mut mark)?;
        let mut first = Encoding::reader(encoding, (self.open)(0)?);
        let beginning = loop {
            let before = head.len();
            (&mut first).take(EAGER_BYTES as u64).read_to_end(&mut head)?;
            let last = head.len() == before || head.len() > self.layout.max_row_bytes;
            let begun = self.decoding.begin(&head, last);
            if let Some(beginning) = begun.map_err(|what| io::Error::new(io::ErrorKind::InvalidData, what))? {
                break beginning;
            }
        };
        let input = match Encoding::told(encoding, &mark) {
            None => (self.open)(from.at)?,
            // Where its bytes stand is known only by decoding them.
            Some(_) => {
                let mut input = Encoding::reader(encoding, (self.open)(0)?);
                skip(&mut input, from.at)?;
                input
            }
        };
        Ok((input, Some(beginning)))
    }
}

impl Reader for TextReader {
    fn name(&self) -> &str {
        self.place.name()
    }

    fn read(&mut self) -> std::result::Result<Read, SourceError> {
        loop {
            // Its rows are taken in by now, so it comes back.
            let buffer = self.lent.take().map(Lent::back);
            let (part, spot, lent) = match &mut self.how {
                How::Here { chunks, decoder, layout } => match chunks.next(buffer.unwrap_or_default()) {
                    Err(error) => return Err(self.place.failed("reading", error)),
                    Ok(None) => return Ok(Read::End),
                    Ok(Some(Chunk::Skipped { lines, faults })) => (skipped(layout, lines, faults), chunks.spot(), None),
                    Ok(Some(Chunk::Records(bytes))) => {
                        let (part, lent) = decode(bytes, known(chunks), decoder);
                        (part, chunks.spot(), Some(lent))
                    }
                },
                How::Threads { outputs, give_back, turn } => {
                    // If enough are lying there already it is dropped.
                    buffer.into_iter().for_each(|buffer| drop(give_back.try_send(buffer)));
                    let output = &outputs[*turn % outputs.len()];
                    let part = match output.recv_timeout(PATIENCE) {
                        Err(RecvTimeoutError::Timeout) if self.live => return Ok(Read::Wait(Duration::ZERO)),
                        Err(RecvTimeoutError::Timeout) => continue,
                        Err(RecvTimeoutError::Disconnected) => return Ok(Read::End),
                        Ok(Err(error)) => return Err(self.place.failed("reading", error)),
                        Ok(Ok(part)) => part,
                    };
                    *turn += 1;
                    part
                }
            };
            self.lent = lent;
            if let Some(decoded) = self.place.place(part, spot) {
                return Ok(Read::Rows(decoded));
            }
        }
    }
}

/// How the records of a chunk are decoded.
fn known(chunks: &Chunks) -> &Arc<dyn Records> {
    match chunks.records() {
        Some(records) => records,
        None => unreachable!("records come after what says how they are read"),
    }
}

/// Decodes a chunk, which is on loan to whoever asks for its records.
fn decode(bytes: Vec<u8>, records: &Arc<dyn Records>, decoder: &mut Option<Box<dyn Decoder>>) -> (Part, Lent) {
    let lent = Lent::new(bytes);
    let part = decoder.get_or_insert_with(|| records.decoder()).decode(&lent);
    (Part { came: Came::text(lent.bytes(), records), ..part }, lent)
}

fn skipped(layout: &Layout, lines: u64, faults: Vec<crate::format::Fault>) -> Part {
    let batch = RecordBatch::new_empty(layout.wanted.clone());
    Part { batch, numbers: None, records: lines, faults, came: Came::default() }
}

/// The outputs of threads, and where buffers go back to them.
type Started = (Vec<Receiver<Result<Placed>>>, Sender<Vec<u8>>);

/// Starts one thread that cuts and `count` that decode; answers their outputs. Chunk `n` goes to decoder `n % count`, so
/// that taking the outputs in turn gives the order of the input.
fn threads(mut chunks: Chunks, layout: Layout, count: usize, name: &str) -> io::Result<Started> {
    let spawn = |role: String, run: Box<dyn FnOnce() + Send>| thread::Builder::new().name(role).spawn(run).map(drop);
    let (give_back, old) = bounded::<Vec<u8>>(4 * count);
    let mut inputs: Vec<Sender<Result<(Work, Spot)>>> = Vec::new();
    let mut outputs = Vec::new();
    for index in 0..count {
        let (input, work) = bounded::<Result<(Work, Spot)>>(1);
        let (done, output) = bounded::<Result<Placed>>(2);
        spawn(format!("decode {name}:{index}"), Box::new(move || decode_all(&work, &done)))?;
        inputs.push(input);
        outputs.push(output);
    }
    let cut = move || {
        for turn in 0.. {
            let next = chunks.next(old.try_recv().unwrap_or_default());
            let failed = next.is_err();
            let work = match next.transpose() {
                None => return,
                Some(Err(error)) => Err(error),
                Some(Ok(Chunk::Skipped { lines, faults })) => Ok(Work::Done(skipped(&layout, lines, faults))),
                Some(Ok(Chunk::Records(bytes))) => Ok(Work::Decode(bytes, known(&chunks).clone())),
            };
            if inputs[turn % count].send(work.map(|work| (work, chunks.spot()))).is_err() || failed {
                return;
            }
        }
    };
    spawn(format!("read {name}"), Box::new(cut))?;
    Ok((outputs, give_back))
}

/// What a decoding thread is handed.
enum Work {
    Decode(Vec<u8>, Arc<dyn Records>),
    Done(Part),
}

fn decode_all(work: &Receiver<Result<(Work, Spot)>>, done: &Sender<Result<Placed>>) {
    let mut decoder = None;
    for work in work {
        let part = work.map(|(work, spot)| match work {
            Work::Done(part) => (part, spot, None),
            Work::Decode(bytes, records) => {
                let (part, lent) = decode(bytes, &records, &mut decoder);
                (part, spot, Some(lent))
            }
        });
        if done.send(part).is_err() {
            return;
        }
    }
}
