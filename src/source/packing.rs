//! Packed bodies, unpacked up to a bound: what a few bytes claim to hold costs no more than that.

use std::io::Read;

/// What any Zstandard frame may ask for, as powers of two bytes: every decoder should grant 8 MiB.
const LEAST_WINDOW_LOG: u32 = 23;
pub(super) const MOST_WINDOW_LOG: u32 = 27;

/// How bytes are packed: the codings of `Content-Encoding`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packing {
    /// One gzip member after another.
    Gzip,
    /// Zstandard frames.
    Zstd,
}

/// Why packed bytes were not unpacked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unpackable {
    /// They are damaged, or something else.
    #[error("the body cannot be unpacked: {0}")]
    Broken(String),
    /// They hold more than the bound.
    #[error("the body has more than {0} bytes unpacked; send less at a time, or raise the limit 'body'")]
    TooLong(usize),
}

impl Packing {
    /// The packing of that name, in any case.
    pub fn named(name: &str) -> Option<Packing> {
        match name.to_ascii_lowercase().as_str() {
            "gzip" | "x-gzip" => Some(Packing::Gzip),
            "zstd" => Some(Packing::Zstd),
            _ => None,
        }
    }

    /// What is packed in these bytes, of `limit` bytes at most.
    pub fn unpack(self, packed: &[u8], limit: usize) -> Result<Vec<u8>, Unpackable> {
        let broken = |error: std::io::Error| Unpackable::Broken(error.to_string());
        let reader: Box<dyn Read + '_> = match self {
            Packing::Gzip => Box::new(flate2::read::MultiGzDecoder::new(packed)),
            Packing::Zstd => {
                let mut decoder = zstd::stream::read::Decoder::new(packed).map_err(broken)?;
                // A frame says how much memory it wants; one that fits needs no more than what it holds.
                let window_log = limit.max(1).ilog2() + 1;
                decoder.window_log_max(window_log.clamp(LEAST_WINDOW_LOG, MOST_WINDOW_LOG)).map_err(broken)?;
                Box::new(decoder)
            }
        };
        let mut out = Vec::new();
        reader.take((limit as u64).saturating_add(1)).read_to_end(&mut out).map_err(broken)?;
        if out.len() > limit { Err(Unpackable::TooLong(limit)) } else { Ok(out) }
    }
}
