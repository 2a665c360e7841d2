//! Long text that many take at their own pace: kept once, in pieces, packed; each reader unpacks the piece that it is at.
//!
//! Memory: text of one piece is kept as it is; longer text takes what zstd leaves of it (a tenth of JSON rows), and the pieces that
//! readers are at, [`PIECE`] bytes each: readers at one piece share it, and it is unpacked once for them.

use std::cell::RefCell;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use axum::body::Bytes;
use zstd::bulk::{Compressor, Decompressor};

/// Bytes of a piece.
pub(super) const PIECE: usize = 32 << 10;

/// Fast, and small enough.
const LEVEL: i32 = 1;

/// The text.
#[derive(Debug, Default)]
pub(super) struct Packed {
    pieces: Vec<Piece>,
}

#[derive(Debug)]
enum Piece {
    Plain(Bytes),
    Zstd(Zstd),
}

/// A piece that is packed, and its text while a reader is at it.
struct Zstd {
    packed: Box<[u8]>,
    length: usize,
    text: Mutex<Weak<Vec<u8>>>,
}

thread_local! {
    /// What unpacks is costly to make, and small.
    static UNPACK: RefCell<Decompressor<'static>> = RefCell::default();
}

/// Text that readers share.
struct Shared(Arc<Vec<u8>>);

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Zstd {
    fn text(&self) -> Bytes {
        let mut text = self.text.lock().unwrap_or_else(PoisonError::into_inner);
        let shared = text.upgrade().unwrap_or_else(|| {
            let unpacked = UNPACK.with_borrow_mut(|unpack| unpack.decompress(&self.packed, self.length));
            Arc::new(unpacked.unwrap_or_else(|error| unreachable!("it was packed here: {error}")))
        });
        *text = Arc::downgrade(&shared);
        Bytes::from_owner(Shared(shared))
    }
}

impl fmt::Debug for Zstd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes packed to {}", self.length, self.packed.len())
    }
}

impl Packed {
    /// How many pieces it is in.
    pub(super) fn count(&self) -> usize {
        self.pieces.len()
    }

    /// What it takes in memory.
    pub(super) fn held(&self) -> usize {
        let of = |piece: &Piece| match piece {
            Piece::Plain(bytes) => bytes.len(),
            Piece::Zstd(zstd) => zstd.packed.len(),
        };
        self.pieces.iter().map(of).sum()
    }

    /// A piece of it, by number; `None` behind the last.
    pub(super) fn piece(&self, at: usize) -> Option<Bytes> {
        Some(match self.pieces.get(at)? {
            Piece::Plain(bytes) => bytes.clone(),
            Piece::Zstd(zstd) => zstd.text(),
        })
    }

    /// All pieces, one after another.
    pub(super) fn pieces(&self) -> impl Iterator<Item = Bytes> {
        (0..).map_while(|at| self.piece(at))
    }
}

impl From<String> for Packed {
    fn from(text: String) -> Packed {
        let mut writer = Writer::default();
        writer.push(text.as_bytes());
        writer.finish()
    }
}

/// Writes text that is packed as it grows.
#[derive(Default)]
pub(super) struct Writer {
    /// What is not packed yet; written to as it is.
    pub(super) open: Vec<u8>,
    packed: Packed,
    /// There once there is something to pack.
    packer: Option<Compressor<'static>>,
}

impl Writer {
    pub(super) fn push(&mut self, text: &[u8]) {
        self.open.extend_from_slice(text);
        self.pack();
    }

    /// Packs what is whole of what was written.
    pub(super) fn pack(&mut self) {
        // One piece stays open: text that ends within it is not packed.
        if self.open.len() > 2 * PIECE {
            let whole = self.open.len() / PIECE * PIECE;
            self.packed.add(&self.open[..whole], &mut self.packer);
            self.open.drain(..whole);
        }
    }

    pub(super) fn finish(mut self) -> Packed {
        if self.packed.pieces.is_empty() && self.open.len() <= PIECE {
            self.packed.pieces.push(Piece::Plain(self.open.into()));
        } else {
            self.packed.add(&self.open, &mut self.packer);
        }
        self.packed
    }
}

impl Packed {
    /// Adds text, in pieces; what is not packed, or does not get shorter by it, stays as it is.
    fn add(&mut self, text: &[u8], packer: &mut Option<Compressor<'static>>) {
        if packer.is_none() {
            *packer = Compressor::new(LEVEL).ok();
        }
        self.pieces.extend(text.chunks(PIECE).map(|piece| {
            let packed = packer.as_mut().and_then(|packer| packer.compress(piece).ok());
            match packed.filter(|packed| packed.len() < piece.len()) {
                Some(packed) => {
                    Piece::Zstd(Zstd { packed: packed.into(), length: piece.len(), text: Mutex::default() })
                }
                None => Piece::Plain(Bytes::copy_from_slice(piece)),
            }
        }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_is_what_was_written_in_less_memory() {
        for rows in [0, 1, 500, 5_000] {
            let row = |n: usize| format!("{{\"key\":\"page-{}\",\"count\":{n}}},", n % 100);
            let text: String = (0..rows).map(row).collect();
            let mut writer = Writer::default();
            text.as_bytes().chunks(1_000).for_each(|part| writer.push(part));
            for packed in [writer.finish(), Packed::from(text.clone())] {
                let taken: Vec<u8> = packed.pieces().flatten().collect();
                assert_eq!(String::from_utf8(taken).as_deref(), Ok(text.as_str()));
                let (first, second) = (packed.piece(0), packed.piece(0));
                let at = |piece: Option<Bytes>| piece.map(|piece| piece.as_ptr());
                assert_eq!(at(first), at(second), "readers at one piece share it");
                assert!(packed.pieces().all(|piece| piece.len() <= PIECE));
                assert!(rows < 5_000 || packed.held() < text.len() / 4, "{} of {}", packed.held(), text.len());
            }
        }
    }
}
