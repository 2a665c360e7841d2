//! Where in an input its next record stands: what a reader hands on with every part, and opens an input at again.
//!
//! Invariant: an input opened at the spot behind a part gives the parts that follow it, and no other.

use std::io::{self, Read};

use super::Part;

/// Where in an input its next record stands, in the units of its format. The default is the beginning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Spot {
    /// Bytes of text (UTF-8, unpacked) or of MessagePack before it; the row group of Parquet, the batch of Arrow that it is in.
    pub at: u64,
    /// What of that is done: rows of the row group. 1 within a line of text whose rest is passed over, 2 behind the
    /// end of an array or where it was told that it has none. Of MessagePack how many
    /// elements of the array at hand are still to come.
    pub within: u64,
}

impl Spot {
    /// Behind everything: what is left of the input is not read.
    pub const END: Spot = Spot { at: u64::MAX, within: 0 };

    /// Whether it is the beginning.
    pub fn is_start(self) -> bool {
        self == Spot::default()
    }
}

/// The parts of an input of blocks in their order, each with the spot behind it. An `Err` ends the input and says why.
pub type Parts = Box<dyn Iterator<Item = Result<(Part, Spot), String>> + Send>;

/// Passes over the first bytes of an input that has no other way to begin behind them.
pub fn skip(input: &mut dyn Read, bytes: u64) -> io::Result<()> {
    io::copy(&mut input.take(bytes), &mut io::sink()).map(drop)
}
