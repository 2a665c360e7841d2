//! Text and bytes: ENCODE, DECODE by a character set, UNHEX.

use std::sync::Arc;

use arrow_array::builder::{BinaryBuilder, StringBuilder};
use arrow_array::cast::AsArray;
use arrow_array::{Array, BinaryArray};
use arrow_schema::DataType;
use datafusion_common::{Result, exec_err};

use super::generic::Generic;

/// Every function of this family.
pub(super) const FUNCTIONS: &[Generic] = &[
    Generic {
        name: "encode",
        aliases: &[],
        usage: "ENCODE(text, 'UTF-8')",
        coerce: |given| {
            let texts = given.len() == 2 && given.iter().all(|t| t.is_string() || t.is_null());
            texts.then(|| (vec![DataType::Utf8; 2], DataType::Binary))
        },
        eval: |call| {
            let (text, charset) = (call.args[0].as_string::<i32>(), call.args[1].as_string::<i32>());
            let mut builder = BinaryBuilder::new();
            for row in 0..call.rows {
                match text.is_valid(row) && charset.is_valid(row) {
                    true => builder.append_option(Charset::named(charset.value(row))?.encode(text.value(row))),
                    false => builder.append_null(),
                }
            }
            Ok(Arc::new(builder.finish()))
        },
    },
    Generic {
        name: "decode",
        aliases: &[],
        usage: "DECODE(bytes, 'UTF-8')",
        coerce: |given| match given {
            [bytes, charset] => {
                let fits =
                    matches!(bytes, DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::Null);
                (fits && charset.is_string()).then(|| (vec![DataType::Binary, DataType::Utf8], DataType::Utf8))
            }
            _ => None,
        },
        eval: |call| {
            let (bytes, charset) = (call.args[0].as_binary::<i32>(), call.args[1].as_string::<i32>());
            let mut builder = StringBuilder::new();
            for row in 0..call.rows {
                match bytes.is_valid(row) && charset.is_valid(row) {
                    true => builder.append_option(Charset::named(charset.value(row))?.decode(bytes.value(row))),
                    false => builder.append_null(),
                }
            }
            Ok(Arc::new(builder.finish()))
        },
    },
    Generic {
        name: "unhex",
        aliases: &[],
        usage: "UNHEX(text)",
        coerce: |given| match given {
            [text] if text.is_string() || text.is_null() => Some((vec![DataType::Utf8], DataType::Binary)),
            _ => None,
        },
        eval: |call| {
            let text = call.args[0].as_string::<i32>();
            let bytes = (0..call.rows).map(|row| text.is_valid(row).then(|| unhex(text.value(row))).flatten());
            Ok(Arc::new(bytes.collect::<BinaryArray>()))
        },
    },
];

/// The bytes that hexadecimal digits stand for; of an odd number of them the first stands alone.
fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.chars().map(|c| c.to_digit(16).map(|digit| digit as u8)).collect::<Option<Vec<u8>>>()?;
    let (alone, pairs) = digits.split_at(digits.len() % 2);
    Some(alone.iter().copied().chain(pairs.chunks(2).map(|pair| pair[0] << 4 | pair[1])).collect())
}

/// The character sets that every Java has.
#[derive(Clone, Copy)]
enum Charset {
    Utf8,
    Latin1,
    Ascii,
    Utf16 { mark: bool, little: bool },
}

impl Charset {
    fn named(name: &str) -> Result<Charset> {
        Ok(match name.to_ascii_uppercase().as_str() {
            "UTF-8" => Charset::Utf8,
            "ISO-8859-1" => Charset::Latin1,
            "US-ASCII" => Charset::Ascii,
            "UTF-16" => Charset::Utf16 { mark: true, little: false },
            "UTF-16BE" => Charset::Utf16 { mark: false, little: false },
            "UTF-16LE" => Charset::Utf16 { mark: false, little: true },
            _ => {
                return exec_err!(
                    "'{name}' is no character set here; there are UTF-8, US-ASCII, ISO-8859-1, UTF-16, UTF-16BE, UTF-16LE"
                );
            }
        })
    }

    /// The bytes; what the set has no character for is `?`.
    fn encode(self, text: &str) -> Option<Vec<u8>> {
        let narrow = |most: u32| text.chars().map(|c| if u32::from(c) <= most { c as u8 } else { b'?' }).collect();
        Some(match self {
            Charset::Utf8 => text.as_bytes().to_vec(),
            Charset::Latin1 => narrow(255),
            Charset::Ascii => narrow(127),
            Charset::Utf16 { mark, little } => {
                let units = mark.then_some(0xFEFF).into_iter().chain(text.encode_utf16());
                units.flat_map(|unit: u16| if little { unit.to_le_bytes() } else { unit.to_be_bytes() }).collect()
            }
        })
    }

    /// The text; what is none is the replacement character.
    fn decode(self, bytes: &[u8]) -> Option<String> {
        Some(match self {
            Charset::Utf8 => String::from_utf8_lossy(bytes).into_owned(),
            Charset::Latin1 => bytes.iter().map(|&byte| char::from(byte)).collect(),
            Charset::Ascii => {
                bytes.iter().map(|&byte| if byte < 128 { char::from(byte) } else { '\u{FFFD}' }).collect()
            }
            Charset::Utf16 { mark, little } => {
                let (little, bytes) = match bytes {
                    [0xFF, 0xFE, rest @ ..] if mark => (true, rest),
                    [0xFE, 0xFF, rest @ ..] if mark => (false, rest),
                    all => (little, all),
                };
                let unit = |pair: &[u8]| match little {
                    true => u16::from_le_bytes([pair[0], pair[1]]),
                    false => u16::from_be_bytes([pair[0], pair[1]]),
                };
                String::from_utf16_lossy(&bytes.chunks_exact(2).map(unit).collect::<Vec<_>>())
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn charsets_go_there_and_back() {
        for name in ["UTF-8", "utf-16", "UTF-16BE", "UTF-16LE"] {
            let Ok(charset) = Charset::named(name) else { panic!("{name}") };
            let there = charset.encode("ä€😀").unwrap_or_default();
            assert_eq!(charset.decode(&there).as_deref(), Some("ä€😀"), "{name}");
        }
        assert_eq!(Charset::Latin1.encode("ä€").as_deref(), Some(&b"\xe4?"[..]));
        assert_eq!(Charset::Latin1.decode(b"\xe4").as_deref(), Some("ä"));
        assert!(Charset::named("KOI8-R").is_err());
        assert_eq!(unhex("4a6F").as_deref(), Some(&b"Jo"[..]));
        assert_eq!(unhex("a0b").as_deref(), Some(&b"\x0a\x0b"[..]));
        assert_eq!(unhex("xy"), None);
    }
}
