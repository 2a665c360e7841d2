//! Packed files as they are read: `'compression'`, or the end of a file's name, says how they are packed.
//!
//! Invariant: what is held of a file is bounded, whatever its bytes say of what is in it: gzip looks back 32 KiB, and a Zstandard
//! frame that wants more than [`MOST_WINDOW_LOG`] is refused. A file that breaks off, or is damaged, is an error that says where.

use std::io::{self, BufRead, BufReader, Read};

#[cfg(feature = "gzip")]
use flate2::bufread::GzDecoder;

#[cfg(not(feature = "gzip"))]
use super::packing::NO_GZIP;
use super::packing::{MOST_WINDOW_LOG, Packing};
use crate::options::{OptionError, OptionSpec, Options, packed_name};

/// The option.
pub(super) const COMPRESSION: OptionSpec = OptionSpec {
    name: "compression",
    help: "how files are packed: gzip, zstd or none (default: by their names, .gz and .zst)",
};

const WORDS: &[(&str, Option<Packing>)] =
    &[("gzip", Some(Packing::Gzip)), ("zstd", Some(Packing::Zstd)), ("none", None)];

/// Bytes that are read at a time.
const BUFFER_BYTES: usize = 64 << 10;

/// How a file is packed, and its name (or pattern) as it would be if it was not.
pub(super) fn packed<'a>(options: &Options, name: &'a str) -> Result<(Option<Packing>, &'a str), OptionError> {
    let told = options.one_of(COMPRESSION.name, WORDS)?;
    let (bare, end) = packed_name(name).unwrap_or((name, ""));
    let by_name = match end {
        "" => None,
        ".gz" => Some(Packing::Gzip),
        _ => Some(Packing::Zstd),
    };
    let packing = told.unwrap_or(by_name);
    #[cfg(not(feature = "gzip"))]
    if packing == Some(Packing::Gzip) {
        let (option, value) = if told.is_some() { (COMPRESSION.name, "gzip") } else { ("path", name) };
        return Err(OptionError::Invalid {
            name: option.to_owned(),
            value: value.to_owned(),
            reason: NO_GZIP.to_owned(),
        });
    }
    Ok((packing, bare))
}

/// An input, unpacked.
pub(super) fn unpacked(packing: Option<Packing>, input: Box<dyn Read + Send>) -> io::Result<Box<dyn Read + Send>> {
    let Some(packing) = packing else { return Ok(input) };
    let mut input = BufReader::with_capacity(BUFFER_BYTES, Counted { input, bytes: 0 });
    begins(packing, input.fill_buf()?)?;
    Ok(match packing {
        #[cfg(not(feature = "gzip"))]
        Packing::Gzip => return Err(io::Error::new(io::ErrorKind::Unsupported, NO_GZIP)),
        #[cfg(feature = "gzip")]
        Packing::Gzip => Box::new(Unpacked { name: "gzip", decoder: Members(GzDecoder::new(input)) }),
        Packing::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(input)?;
            decoder.window_log_max(MOST_WINDOW_LOG)?;
            Box::new(Unpacked { name: "zstd", decoder })
        }
    })
}

/// How what is packed begins: gzip, zstd, and a frame of zstd that is passed over, by its second to fourth byte.
const GZIP: &[u8] = b"\x1F\x8B";
const ZSTD: &[u8] = b"\x28\xB5\x2F\xFD";
const ZSTD_SKIPPED: &[u8] = b"\x2A\x4D\x18";

/// Refuses what begins otherwise than what is packed so. Of nothing it is not known.
fn begins(packing: Packing, head: &[u8]) -> io::Result<()> {
    let alike = |head: &[u8], magic: &[u8]| head.iter().zip(magic).all(|(byte, magic)| byte == magic);
    let Some(first) = head.first() else { return Ok(()) };
    let gzip = alike(head, GZIP);
    let zstd = alike(head, ZSTD) || (first & 0xF0 == 0x50 && alike(&head[1..], ZSTD_SKIPPED));
    let (name, end, fits, other) = match packing {
        Packing::Gzip => ("gzip", ".gz", gzip, zstd.then_some("zstd")),
        Packing::Zstd => ("zstd", ".zst", zstd, gzip.then_some("gzip")),
    };
    if fits {
        return Ok(());
    }
    let remedy = match other {
        Some(other) => format!("it is packed with {other}: write 'compression' = '{other}'"),
        None => format!("if it is not packed at all, name it without {end}, or write 'compression' = 'none'"),
    };
    Err(io::Error::new(io::ErrorKind::InvalidData, format!("the file does not begin as {name} does; {remedy}")))
}

/// Counts what is read.
struct Counted {
    input: Box<dyn Read + Send>,
    bytes: u64,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(buffer)?;
        self.bytes += read as u64;
        Ok(read)
    }
}

/// What unpacks, with where it stands in what is packed.
trait Decoder: Read {
    fn input(&self) -> &BufReader<Counted>;
}

/// The members of a gzip file, one after another. Zeros behind one are passed, as the tools do: what writes in blocks pads with them.
#[cfg(feature = "gzip")]
struct Members(GzDecoder<BufReader<Counted>>);

#[cfg(feature = "gzip")]
impl Read for Members {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = self.0.read(buffer)?;
            if read > 0 || buffer.is_empty() {
                return Ok(read);
            }
            let input = self.0.get_mut();
            loop {
                let bytes = input.fill_buf()?;
                if bytes.is_empty() {
                    return Ok(0);
                }
                let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
                let next = bytes.get(zeros).copied();
                input.consume(zeros);
                match next {
                    // How a member begins.
                    Some(0x1f) => break,
                    Some(_) => {
                        let what = "what follows the end of it is no gzip: cut it off";
                        return Err(io::Error::new(io::ErrorKind::InvalidData, what));
                    }
                    None => {}
                }
            }
            let nothing = BufReader::with_capacity(0, Counted { input: Box::new(io::empty()), bytes: 0 });
            let ended = std::mem::replace(&mut self.0, GzDecoder::new(nothing));
            self.0 = GzDecoder::new(ended.into_inner());
        }
    }
}

#[cfg(feature = "gzip")]
impl Decoder for Members {
    fn input(&self) -> &BufReader<Counted> {
        self.0.get_ref()
    }
}

impl Decoder for zstd::stream::read::Decoder<'static, BufReader<Counted>> {
    fn input(&self) -> &BufReader<Counted> {
        self.get_ref()
    }
}

struct Unpacked<D> {
    name: &'static str,
    decoder: D,
}

impl<D: Decoder> Read for Unpacked<D> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.decoder.read(buffer).map_err(|error| {
            if error.kind() == io::ErrorKind::Interrupted {
                return error;
            }
            let (name, input) = (self.name, self.decoder.input());
            let at = input.get_ref().bytes - input.buffer().len() as u64;
            let what = match error.kind() {
                io::ErrorKind::UnexpectedEof => format!("the {name} data breaks off at byte {at}"),
                _ => format!("the {name} data cannot be unpacked behind byte {at}: {error}"),
            };
            io::Error::new(error.kind(), what)
        })
    }
}

#[cfg(all(test, feature = "gzip"))]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn zstd_of(bytes: &[u8]) -> Vec<u8> {
        // As the tool writes it, so that damage is found out.
        let mut encoder = zstd::stream::Encoder::new(Vec::new(), 1).unwrap();
        encoder.include_checksum(true).unwrap();
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn read(packing: Packing, packed: Vec<u8>) -> Result<Vec<u8>, String> {
        let mut out = Vec::new();
        let mut input =
            unpacked(Some(packing), Box::new(io::Cursor::new(packed))).map_err(|error| error.to_string())?;
        input.read_to_end(&mut out).map_err(|error| error.to_string())?;
        Ok(out)
    }

    #[test]
    fn members_and_frames_follow_one_another_and_what_breaks_off_is_told() {
        let text: Vec<u8> = (0..100_000_u32).flat_map(|number| format!("{number},\n").into_bytes()).collect();
        for (packing, pack) in [(Packing::Gzip, gzip as fn(&[u8]) -> Vec<u8>), (Packing::Zstd, zstd_of)] {
            let (first, second) = (pack(&text), pack(b"end\n"));
            let both = [first.clone(), second].concat();
            assert_eq!(read(packing, both.clone()).unwrap(), [&text[..], b"end\n"].concat(), "{packing:?}");
            for cut in [first.len() / 2, first.len() - 1, both.len() - 1] {
                let told = read(packing, both[..cut].to_vec()).unwrap_err();
                assert!(told.contains(&format!("breaks off at byte {cut}")), "{packing:?} at {cut}: {told}");
            }
            let mut damaged = first.clone();
            damaged[first.len() / 2..][..20].fill(0xff);
            let told = read(packing, damaged).map(|read| read.len()).unwrap_err();
            assert!(told.contains("cannot be unpacked behind byte"), "{packing:?}: {told}");
            let told = read(packing, b"a,b\n1,2\n".repeat(4)).unwrap_err();
            assert!(told.contains("if it is not packed at all, name it without ."), "{packing:?}: {told}");
            let other = if packing == Packing::Gzip { zstd_of(&text) } else { gzip(&text) };
            let told = read(packing, other).unwrap_err();
            assert!(told.contains("it is packed with ") && told.contains("write 'compression' = "), "{told}");
            assert!(
                read(packing, Vec::new()).unwrap_err().contains("breaks off at byte 0") || packing == Packing::Zstd
            );
        }
    }

    #[test]
    fn zeros_behind_members_are_passed() {
        let (one, two) = (gzip(b"1\n"), gzip(b"2\n"));
        for zeros in [1, 511, BUFFER_BYTES, 3 * BUFFER_BYTES + 1] {
            let padded = [one.clone(), vec![0; zeros], two.clone(), vec![0; zeros]].concat();
            assert_eq!(read(Packing::Gzip, padded).unwrap(), b"1\n2\n", "{zeros}");
        }
        for junk in [b"not packed\n".as_slice(), b"\n", b"\0\0x"] {
            let told = read(Packing::Gzip, [&one, junk].concat()).unwrap_err();
            let at = one.len() + junk.iter().take_while(|byte| **byte == 0).count();
            let wanted = format!("cannot be unpacked behind byte {at}: what follows the end of it is no gzip");
            assert!(told.contains(&wanted), "{told}");
        }
        assert!(read(Packing::Gzip, vec![0; 40]).unwrap_err().contains("does not begin as gzip"));
    }

    /// A frame may ask for as much memory as the tool asks for by itself, and no more.
    #[test]
    fn a_frame_that_wants_too_much_is_refused() {
        let framed = |log: u32| {
            let mut encoder = zstd::stream::Encoder::new(Vec::new(), 1).unwrap();
            encoder.include_contentsize(false).unwrap();
            encoder.window_log(log).unwrap();
            encoder.write_all(b"a\n").unwrap();
            encoder.finish().unwrap()
        };
        assert_eq!(read(Packing::Zstd, framed(MOST_WINDOW_LOG)).unwrap(), b"a\n");
        let told = read(Packing::Zstd, framed(MOST_WINDOW_LOG + 1)).unwrap_err();
        assert!(told.contains("too much memory"), "{told}");
    }

    #[test]
    fn packing_is_told_by_the_option_or_the_name() {
        let of = |given: &[(&str, &str)], name: &str| {
            let options = given.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            packed(&options, name).map(|(packing, name)| (packing, name.to_owned())).map_err(|error| error.to_string())
        };
        assert_eq!(of(&[], "a.csv.gz"), Ok((Some(Packing::Gzip), "a.csv".to_owned())));
        assert_eq!(of(&[], "in/*.json.ZST"), Ok((Some(Packing::Zstd), "in/*.json".to_owned())));
        assert_eq!(of(&[], "a.csv"), Ok((None, "a.csv".to_owned())));
        assert_eq!(of(&[], "ä"), Ok((None, "ä".to_owned())));
        assert_eq!(of(&[("compression", "gzip")], "a.csv"), Ok((Some(Packing::Gzip), "a.csv".to_owned())));
        assert_eq!(of(&[("compression", "none")], "a.csv.gz"), Ok((None, "a.csv".to_owned())));
        assert!(of(&[("compression", "lzo")], "a").unwrap_err().contains("write one of gzip, zstd, none"));
    }
}
