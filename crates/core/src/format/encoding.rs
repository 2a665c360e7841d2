//! Text that is not UTF-8 as UTF-8.
//!
//! Invariant: what is no text in its encoding becomes a byte that is no UTF-8, so the record that holds it is told, never mended.

use std::io::{self, Read};

use encoding_rs::{Decoder, DecoderResult, UTF_8};

use crate::options::{OptionError, Options};

/// How much is decoded at a time, in bytes.
const CHUNK_BYTES: usize = 64 << 10;

/// What stands for bytes that are no text.
const NO_TEXT: u8 = 0xff;

/// The names that are told to who writes another one.
pub const ENCODINGS: &str = "UTF-8, ISO-8859-1 (read as windows-1252), ISO-8859-15, UTF-16, UTF-16BE, Shift_JIS, GB18030 or another label of the Encoding Standard";

/// A way to write text as bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Encoding(&'static encoding_rs::Encoding);

impl Encoding {
    /// The encoding of that name, in any case.
    pub fn named(label: &str) -> Option<Encoding> {
        let found = encoding_rs::Encoding::for_label(label.trim().as_bytes());
        found.filter(|encoding| *encoding != encoding_rs::REPLACEMENT).map(Encoding)
    }

    /// What an option says; none for UTF-8.
    pub(super) fn of(options: &Options, name: &str) -> Result<Option<Encoding>, OptionError> {
        let Some(label) = options.get(name) else { return Ok(None) };
        let encoding = Encoding::named(label).ok_or_else(|| OptionError::Invalid {
            name: name.to_owned(),
            value: label.to_owned(),
            reason: format!("write {ENCODINGS}"),
        })?;
        Ok(Some(encoding).filter(|encoding| encoding.0 != UTF_8))
    }

    /// That of a byte order mark, if it is not UTF-8's.
    fn of_mark(head: &[u8]) -> Option<Encoding> {
        encoding_rs::Encoding::for_bom(head).map(|(encoding, _)| encoding).filter(|found| *found != UTF_8).map(Encoding)
    }

    /// Some bytes as UTF-8, by their byte order mark or `given`.
    pub fn decode(given: Option<Encoding>, bytes: &[u8]) -> std::borrow::Cow<'_, [u8]> {
        let Some(encoding) = Encoding::told(given, bytes) else { return bytes.into() };
        let mut text = Vec::new();
        decode(&mut encoding.0.new_decoder_with_bom_removal(), bytes, &mut text, true);
        text.into()
    }

    /// How an input that begins so is encoded, if not as UTF-8: by its byte order mark or `given`.
    pub fn told(given: Option<Encoding>, head: &[u8]) -> Option<Encoding> {
        let given = given.filter(|given| given.0 != UTF_8 && !head.starts_with(b"\xEF\xBB\xBF"));
        Encoding::of_mark(head).or(given)
    }

    /// An input as UTF-8, by its byte order mark or `given`.
    pub fn reader(given: Option<Encoding>, input: Box<dyn Read + Send>) -> Box<dyn Read + Send> {
        Box::new(Reader { input, given, decoder: None, begun: false, ended: false, text: Vec::new(), at: 0 })
    }
}

/// Appends bytes as UTF-8.
fn decode(decoder: &mut Decoder, mut bytes: &[u8], text: &mut Vec<u8>, last: bool) {
    loop {
        let room = decoder.max_utf8_buffer_length_without_replacement(bytes.len()).unwrap_or(bytes.len() * 4) + 4;
        let start = text.len();
        text.resize(start + room, 0);
        let (result, read, written) = decoder.decode_to_utf8_without_replacement(bytes, &mut text[start..], last);
        text.truncate(start + written);
        bytes = &bytes[read..];
        match result {
            DecoderResult::InputEmpty => return,
            DecoderResult::OutputFull => {}
            DecoderResult::Malformed(..) => text.push(NO_TEXT),
        }
    }
}

struct Reader {
    input: Box<dyn Read + Send>,
    given: Option<Encoding>,
    /// None for UTF-8.
    decoder: Option<Decoder>,
    begun: bool,
    ended: bool,
    text: Vec<u8>,
    at: usize,
}

impl Reader {
    /// Reads the first bytes, enough for a byte order mark, and decides by them.
    fn begin(&mut self) -> io::Result<()> {
        let mut head = Vec::new();
        while head.len() < 3 && !self.ended {
            let mut chunk = vec![0; CHUNK_BYTES];
            let read = read_some(&mut self.input, &mut chunk)?;
            self.ended = read == 0;
            head.extend_from_slice(&chunk[..read]);
            // Nothing that begins otherwise is the start of a mark.
            if !matches!(head.first(), Some(0xef | 0xfe | 0xff)) {
                break;
            }
        }
        let encoding = Encoding::told(self.given, &head);
        self.decoder = encoding.map(|encoding| encoding.0.new_decoder_with_bom_removal());
        self.begun = true;
        match &mut self.decoder {
            Some(decoder) => decode(decoder, &head, &mut self.text, self.ended),
            None => self.text = head,
        }
        Ok(())
    }
}

fn read_some(input: &mut dyn Read, chunk: &mut [u8]) -> io::Result<usize> {
    loop {
        match input.read(chunk) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            read => return read,
        }
    }
}

impl Read for Reader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if !self.begun {
            self.begin()?;
        }
        while self.at == self.text.len() {
            self.text.clear();
            self.at = 0;
            let Some(decoder) = &mut self.decoder else { return self.input.read(out) };
            if self.ended {
                return Ok(0);
            }
            let mut chunk = vec![0; CHUNK_BYTES];
            let read = read_some(&mut self.input, &mut chunk)?;
            self.ended = read == 0;
            decode(decoder, &chunk[..read], &mut self.text, self.ended);
        }
        let length = out.len().min(self.text.len() - self.at);
        out[..length].copy_from_slice(&self.text[self.at..self.at + length]);
        self.at += length;
        Ok(length)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// Hands out one byte at a time.
    struct Drops(Vec<u8>, usize);

    impl Read for Drops {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            let Some(byte) = self.0.get(self.1).filter(|_| !out.is_empty()) else { return Ok(0) };
            (out[0], self.1) = (*byte, self.1 + 1);
            Ok(1)
        }
    }

    fn of(label: &str) -> Option<Encoding> {
        let options = [("e".to_owned(), label.to_owned())].into_iter().collect();
        Encoding::of(&options, "e").unwrap()
    }

    #[test]
    fn text_is_read_by_its_mark_or_as_told() {
        let utf16 = |text: &str, big: bool| -> Vec<u8> {
            text.encode_utf16().flat_map(|unit| if big { unit.to_be_bytes() } else { unit.to_le_bytes() }).collect()
        };
        let cases: Vec<(Option<Encoding>, Vec<u8>, &[u8])> = vec![
            (None, b"caf\xc3\xa9".to_vec(), "café".as_bytes()),
            (None, utf16("\u{feff}né€😀\n", false), "né€😀\n".as_bytes()),
            (None, utf16("\u{feff}né€😀\n", true), "né€😀\n".as_bytes()),
            (of("UTF-16"), utf16("né", false), "né".as_bytes()),
            (of("utf-16be"), utf16("né", true), "né".as_bytes()),
            (of("UTF-16"), utf16("\u{feff}né", true), "né".as_bytes()),
            (of("ISO-8859-1"), b"caf\xe9".to_vec(), "café".as_bytes()),
            (of("latin1"), b"\xEF\xBB\xBFcaf\xc3\xa9".to_vec(), b"\xEF\xBB\xBFcaf\xc3\xa9"),
            (of("utf8"), b"caf\xe9".to_vec(), b"caf\xe9"),
            // A lone half of a pair is no text.
            (of("UTF-16"), vec![0x00, 0xd8, b'a', 0], b"\xffa"),
            (None, vec![], b""),
            (None, vec![0xef], b"\xef"),
        ];
        for (given, bytes, expected) in cases {
            assert_eq!(Encoding::decode(given, &bytes).as_ref(), expected, "{bytes:?}");
            let mut text = Vec::new();
            Encoding::reader(given, Box::new(Drops(bytes.clone(), 0))).read_to_end(&mut text).unwrap();
            assert_eq!(text, expected, "{bytes:?} in drops");
        }
    }

    #[test]
    fn other_labels_are_refused() {
        let options: Options = [("csv.encoding".to_owned(), "EBCDIC".to_owned())].into_iter().collect();
        assert!(Encoding::of(&options, "csv.encoding").unwrap_err().to_string().contains("UTF-16"));
    }
}
