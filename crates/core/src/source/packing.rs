//! Packed bodies, unpacked up to a bound: what a few bytes claim to hold costs no more than that, and is asked for before it is taken.
//!
//! A Zstandard body is unpacked into one piece of memory, in which what a frame refers to stands already: it needs no window beside
//! it, whatever its frames ask for.

#[cfg(feature = "gzip")]
use std::io::Read;

#[cfg(feature = "gzip")]
use flate2::bufread::GzDecoder;
use zstd::zstd_safe::{DCtx, find_frame_compressed_size, get_error_name, get_frame_content_size};

/// Room for so many bytes more of what a body is turned into; false if there is none.
pub type Room<'a> = dyn FnMut(usize) -> bool + 'a;

/// Bytes that unpacked text grows by at least.
const GROWS: usize = 64 << 10;

/// How many bytes a byte of Zstandard is taken to hold, and by how much more if it holds more.
const HOLDS: usize = 16;
const MORE: usize = 4;

/// What Zstandard says if what it unpacks is longer than the room for it.
const TOO_SMALL: &str = "Destination buffer is too small";

/// The window that a Zstandard frame of a file may ask for at most, as a power of two bytes.
pub(super) const MOST_WINDOW_LOG: u32 = 27;

/// What is said of gzip where it is left out.
#[cfg(not(feature = "gzip"))]
pub(super) const NO_GZIP: &str = "gzip is not built in: build with the feature `gzip` of the package highwater";

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
    /// There is no room for what they hold.
    #[error("there is no room for what the body holds")]
    NoRoom,
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
    pub fn unpack(self, packed: &[u8], limit: usize, room: &mut Room<'_>) -> Result<Vec<u8>, Unpackable> {
        match self {
            #[cfg(not(feature = "gzip"))]
            Packing::Gzip => Err(Unpackable::Broken(NO_GZIP.to_owned())),
            #[cfg(feature = "gzip")]
            Packing::Gzip => read(Members(GzDecoder::new(packed)), limit, room),
            Packing::Zstd => unzstd(packed, limit, room),
        }
    }
}

/// The members of gzip, one after another. Zeros behind one are passed, as in files.
#[cfg(feature = "gzip")]
struct Members<'a>(GzDecoder<&'a [u8]>);

#[cfg(feature = "gzip")]
impl Read for Members<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        loop {
            let read = self.0.read(buffer)?;
            if read > 0 || buffer.is_empty() {
                return Ok(read);
            }
            let behind: &[u8] = self.0.get_ref();
            let zeros = behind.iter().take_while(|byte| **byte == 0).count();
            match &behind[zeros..] {
                [] => return Ok(0),
                next => self.0 = GzDecoder::new(next),
            }
        }
    }
}

#[cfg(feature = "gzip")]
fn broken(error: std::io::Error) -> Unpackable {
    Unpackable::Broken(error.to_string())
}

fn unzstd(packed: &[u8], limit: usize, room: &mut Room<'_>) -> Result<Vec<u8>, Unpackable> {
    // One frame may say how much it holds.
    let one = find_frame_compressed_size(packed).is_ok_and(|length| length == packed.len());
    let holds = get_frame_content_size(packed).ok().flatten().filter(|_| one).map(usize::try_from);
    let mut most = match holds {
        Some(Ok(holds)) if holds <= limit => holds,
        Some(_) => return Err(Unpackable::TooLong(limit)),
        None => packed.len().saturating_mul(HOLDS).clamp(GROWS, limit.max(GROWS)),
    };
    let (mut context, mut out) = (DCtx::create(), taken(most, room)?);
    loop {
        match context.decompress(&mut out, packed).map_err(get_error_name) {
            Ok(_) if out.len() > limit => return Err(Unpackable::TooLong(limit)),
            Ok(_) => return Ok(out),
            Err(TOO_SMALL) if most < limit => {}
            Err(TOO_SMALL) => return Err(Unpackable::TooLong(limit)),
            Err(error) => return Err(Unpackable::Broken(error.to_owned())),
        }
        drop(std::mem::take(&mut out));
        let before = most;
        most = most.saturating_mul(MORE).min(limit);
        if !room(most - before) {
            return Err(Unpackable::NoRoom);
        }
        out = Vec::with_capacity(most);
    }
}

/// So many bytes, empty.
fn taken(bytes: usize, room: &mut Room<'_>) -> Result<Vec<u8>, Unpackable> {
    if room(bytes) { Ok(Vec::with_capacity(bytes)) } else { Err(Unpackable::NoRoom) }
}

/// All that is read, up to a limit; it grows by half at a time, so that no more is held beyond it.
#[cfg(feature = "gzip")]
fn read(mut reader: impl Read, limit: usize, room: &mut Room<'_>) -> Result<Vec<u8>, Unpackable> {
    let mut out = taken(GROWS.min(limit + 1), room)?;
    loop {
        let most = out.capacity() - out.len();
        if reader.by_ref().take(most as u64).read_to_end(&mut out).map_err(broken)? < most {
            return Ok(out);
        }
        if out.len() > limit {
            return Err(Unpackable::TooLong(limit));
        }
        let more = (out.len() / 2).max(GROWS).min(limit + 1 - out.len());
        if !room(more) {
            return Err(Unpackable::NoRoom);
        }
        out.reserve_exact(more);
    }
}

#[cfg(all(test, feature = "gzip"))]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn members_of_gzip_follow_one_another_with_zeros_behind_them() {
        let member = |text: &[u8]| {
            let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            gzip.write_all(text).unwrap();
            gzip.finish().unwrap()
        };
        let unpack = |packed: &[u8]| Packing::Gzip.unpack(packed, 1 << 20, &mut |_| true);
        for zeros in [0, 1, 511, 100_000] {
            let padded = [member(b"1\n"), vec![0; zeros], member(b""), member(b"2\n"), vec![0; zeros]].concat();
            assert_eq!(unpack(&padded), Ok(b"1\n2\n".to_vec()), "{zeros}");
        }
        let odd = [member(b"1\n"), vec![0, 0, b'x']].concat();
        for broken in [odd.as_slice(), &member(b"1\n")[..9], b"\0\0"] {
            assert!(matches!(unpack(broken), Err(Unpackable::Broken(_))), "{broken:?}");
        }
    }

    #[test]
    fn what_is_unpacked_has_its_room_however_it_is_packed() {
        let text = b"{\"n\":1}\n".repeat(30_000);
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&text).unwrap();
        let known = zstd::bulk::compress(&text, 3).unwrap();
        let stream = zstd::encode_all(text.as_slice(), 3).unwrap();
        let two = [zstd::bulk::compress(&text[..9], 3).unwrap(), zstd::bulk::compress(&text[9..], 3).unwrap()].concat();
        for (packing, packed) in [
            (Packing::Gzip, gzip.finish().unwrap()),
            (Packing::Zstd, known),
            (Packing::Zstd, stream),
            (Packing::Zstd, two),
        ] {
            let unpack = |limit: usize, most: usize| {
                let mut asked = 0;
                let unpacked = packing.unpack(&packed, limit, &mut |bytes| {
                    asked += bytes;
                    asked <= most
                });
                unpacked.map(|out| (out.capacity() <= asked, out))
            };
            assert_eq!(unpack(text.len(), usize::MAX), Ok((true, text.clone())));
            assert_eq!(unpack(text.len() * 2, text.len() * 2 + GROWS), Ok((true, text.clone())));
            assert_eq!(unpack(text.len() - 1, usize::MAX), Err(Unpackable::TooLong(text.len() - 1)));
            assert_eq!(unpack(1 << 30, 200_000), Err(Unpackable::NoRoom));
            let broken = packing.unpack(&packed[..packed.len() / 2], text.len(), &mut |_| true);
            assert!(matches!(broken, Err(Unpackable::Broken(_))), "{broken:?}");
        }
    }
}
