//! Long text that many take at their own pace: kept once, in pieces, packed; each reader unpacks the piece that it is at.
//!
//! Memory: text of one piece is kept as it is; longer text takes what zstd leaves of it (a tenth of JSON rows), and a
//! reader's own piece, [`PIECE`] bytes.

use axum::body::Bytes;

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
    Zstd(Box<[u8]>, usize),
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
            Piece::Zstd(bytes, _) => bytes.len(),
        };
        self.pieces.iter().map(of).sum()
    }

    /// A piece of it, by number; `None` behind the last.
    pub(super) fn piece(&self, at: usize) -> Option<Bytes> {
        Some(match self.pieces.get(at)? {
            Piece::Plain(bytes) => bytes.clone(),
            Piece::Zstd(packed, length) => match zstd::bulk::decompress(packed, *length) {
                Ok(piece) => piece.into(),
                Err(error) => unreachable!("it was packed here: {error}"),
            },
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
#[derive(Debug, Default)]
pub(super) struct Writer {
    /// What is not packed yet; written to as it is.
    pub(super) open: Vec<u8>,
    packed: Packed,
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
            self.open[..whole].chunks(PIECE).for_each(|piece| self.packed.push(piece));
            self.open.drain(..whole);
        }
    }

    pub(super) fn finish(mut self) -> Packed {
        if self.packed.pieces.is_empty() && self.open.len() <= PIECE {
            self.packed.pieces.push(Piece::Plain(self.open.into()));
        } else {
            self.open.chunks(PIECE).for_each(|piece| self.packed.push(piece));
        }
        self.packed
    }
}

impl Packed {
    fn push(&mut self, piece: &[u8]) {
        self.pieces.push(match zstd::bulk::compress(piece, LEVEL) {
            Ok(packed) if packed.len() < piece.len() => Piece::Zstd(packed.into(), piece.len()),
            _ => Piece::Plain(Bytes::copy_from_slice(piece)),
        });
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
                assert!(packed.pieces().all(|piece| piece.len() <= PIECE));
                assert!(rows < 5_000 || packed.held() < text.len() / 4, "{} of {}", packed.held(), text.len());
            }
        }
    }
}
