//! Values of MessagePack in a slice: where one ends, and what it is as JSON.
//!
//! Invariant: [`end`] needs neither stack nor memory, whatever depths and lengths are claimed; [`write_json`] goes as deep
//! as it is allowed and is given only values whose end is known.

use rmp::Marker;

use super::super::TimeUnit;
use super::super::json::not_finite;
use super::super::timestamp::{read_time, write_time};

/// The first bytes of a value; lengths in bytes, arrays in elements, maps in pairs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Head {
    Nil,
    Bool(bool),
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Text(u64),
    Binary(u64),
    Array(u64),
    Map(u64),
    Extension(i8, u64),
}

/// Why a value has no end here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// There are too few bytes.
    Short,
    /// The byte there begins nothing.
    Invalid(usize),
}

/// What keeps a value from being a row.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Flaw {
    pub(super) what: String,
    pub(super) at: usize,
}

/// How deep values may be nested.
#[derive(Clone, Copy, Debug)]
pub(super) struct Depth {
    left: u32,
    max: u32,
}

impl Depth {
    pub(super) fn new(max: u32) -> Depth {
        Depth { left: max, max }
    }

    fn less(self) -> Depth {
        Depth { left: self.left - 1, ..self }
    }
}

/// The head of the value at `at`, and where it ends.
pub(super) fn head(bytes: &[u8], at: usize) -> Result<(Head, usize), Stop> {
    let first = *bytes.get(at).ok_or(Stop::Short)?;
    let mut next = at + 1;
    let mut number = |width: usize| -> Result<u64, Stop> {
        let part = bytes.get(next..next + width).ok_or(Stop::Short)?;
        next += width;
        Ok(part.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    };
    let head = match Marker::from_u8(first) {
        Marker::Null => Head::Nil,
        Marker::True => Head::Bool(true),
        Marker::False => Head::Bool(false),
        Marker::FixPos(value) => Head::Unsigned(value.into()),
        Marker::FixNeg(value) => Head::Signed(value.into()),
        Marker::U8 => Head::Unsigned(number(1)?),
        Marker::U16 => Head::Unsigned(number(2)?),
        Marker::U32 => Head::Unsigned(number(4)?),
        Marker::U64 => Head::Unsigned(number(8)?),
        Marker::I8 => Head::Signed((number(1)? as i8).into()),
        Marker::I16 => Head::Signed((number(2)? as i16).into()),
        Marker::I32 => Head::Signed((number(4)? as i32).into()),
        Marker::I64 => Head::Signed(number(8)? as i64),
        Marker::F32 => Head::Float(f32::from_bits(number(4)? as u32).into()),
        Marker::F64 => Head::Float(f64::from_bits(number(8)?)),
        Marker::FixStr(length) => Head::Text(length.into()),
        Marker::Str8 => Head::Text(number(1)?),
        Marker::Str16 => Head::Text(number(2)?),
        Marker::Str32 => Head::Text(number(4)?),
        Marker::Bin8 => Head::Binary(number(1)?),
        Marker::Bin16 => Head::Binary(number(2)?),
        Marker::Bin32 => Head::Binary(number(4)?),
        Marker::FixArray(length) => Head::Array(length.into()),
        Marker::Array16 => Head::Array(number(2)?),
        Marker::Array32 => Head::Array(number(4)?),
        Marker::FixMap(length) => Head::Map(length.into()),
        Marker::Map16 => Head::Map(number(2)?),
        Marker::Map32 => Head::Map(number(4)?),
        extension => {
            let length = match extension {
                Marker::FixExt1 => 1,
                Marker::FixExt2 => 2,
                Marker::FixExt4 => 4,
                Marker::FixExt8 => 8,
                Marker::FixExt16 => 16,
                Marker::Ext8 => number(1)?,
                Marker::Ext16 => number(2)?,
                Marker::Ext32 => number(4)?,
                _ => return Err(Stop::Invalid(at)),
            };
            Head::Extension(number(1)? as i8, length)
        }
    };
    Ok((head, next))
}

/// Where the value at `at` ends.
pub(super) fn end(bytes: &[u8], mut at: usize) -> Result<usize, Stop> {
    let mut values = 1_u64;
    while values > 0 {
        let (head, next) = head(bytes, at)?;
        at = next;
        values -= 1;
        let left = (bytes.len() - at) as u64;
        match head {
            Head::Text(length) | Head::Binary(length) | Head::Extension(_, length) => {
                if length > left {
                    return Err(Stop::Short);
                }
                at += length as usize;
            }
            Head::Array(length) => values += length,
            Head::Map(length) => values += 2 * length,
            _ => {}
        }
        // A value has a byte at least, so a claim beyond that is a lie, or its bytes are still to come.
        if values > (bytes.len() - at) as u64 {
            return Err(Stop::Short);
        }
    }
    Ok(at)
}

/// Appends the value at `at`, whose end is known, as JSON on one line; answers its end.
pub(super) fn write_json(bytes: &[u8], at: usize, depth: Depth, out: &mut Vec<u8>) -> Result<usize, Flaw> {
    let flaw = |what: &str, at: usize| Flaw { what: what.to_owned(), at };
    let (head, mut next) = head(bytes, at).map_err(|_| flaw("a value that is not whole", at))?;
    let mut body = |length: u64| {
        let start = next;
        next = start + length as usize;
        bytes.get(start..next).ok_or_else(|| flaw("a value that is not whole", at))
    };
    match head {
        Head::Nil => out.extend_from_slice(b"null"),
        Head::Bool(value) => out.extend_from_slice(if value { b"true" } else { b"false" }),
        Head::Unsigned(value) => write(&value, out),
        Head::Signed(value) => write(&value, out),
        Head::Float(value) if value.is_finite() => write(&value, out),
        Head::Float(value) => write(not_finite(value), out),
        Head::Text(length) => match std::str::from_utf8(body(length)?) {
            Ok(text) => write(text, out),
            Err(_) => return Err(flaw("text that is not UTF-8", at)),
        },
        Head::Binary(length) => {
            use base64::Engine;
            write(&base64::engine::general_purpose::STANDARD.encode(body(length)?), out);
        }
        Head::Extension(-1, length) => {
            let time = time_ms(body(length)?).ok_or_else(|| flaw("a timestamp that is none", at))?;
            let mut text = Vec::new();
            write_time(time, &mut text);
            if read_time(&text, TimeUnit::Milliseconds) != Some(time) {
                return Err(flaw("a timestamp out of range", at));
            }
            out.push(b'"');
            out.append(&mut text);
            out.push(b'"');
        }
        Head::Extension(kind, _) => return Err(flaw(&format!("a value of extension type {kind}"), at)),
        Head::Array(_) | Head::Map(_) if depth.left == 0 => {
            return Err(flaw(&format!("values nested more than {} deep", depth.max), at));
        }
        Head::Array(length) => {
            out.push(b'[');
            for element in 0..length {
                if element > 0 {
                    out.push(b',');
                }
                next = write_json(bytes, next, depth.less(), out)?;
            }
            out.push(b']');
        }
        Head::Map(length) => {
            out.push(b'{');
            for pair in 0..length {
                if pair > 0 {
                    out.push(b',');
                }
                if !matches!(self::head(bytes, next), Ok((Head::Text(_), _))) {
                    return Err(flaw("a key that is no text", next));
                }
                next = write_json(bytes, next, depth.less(), out)?;
                out.push(b':');
                next = write_json(bytes, next, depth.less(), out)?;
            }
            out.push(b'}');
        }
    }
    Ok(next)
}

/// The ms of a timestamp in one of its three forms, rounded down.
fn time_ms(bytes: &[u8]) -> Option<i64> {
    let number = |bytes: &[u8]| bytes.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    let (seconds, nanos) = match bytes.len() {
        4 => (number(bytes) as i64, 0),
        8 => ((number(bytes) & ((1 << 34) - 1)) as i64, number(bytes) >> 34),
        12 => (number(&bytes[4..]) as i64, number(&bytes[..4])),
        _ => return None,
    };
    let ms = (nanos < 1_000_000_000).then_some((nanos / 1_000_000) as i64)?;
    seconds.checked_mul(1000)?.checked_add(ms)
}

fn write<T: serde::Serialize + ?Sized>(value: &T, out: &mut Vec<u8>) {
    if let Err(error) = serde_json::to_writer(out, value) {
        unreachable!("memory takes all bytes, and these are numbers or text: {error}");
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn json(bytes: &[u8]) -> Result<String, Flaw> {
        let mut out = Vec::new();
        assert_eq!(write_json(bytes, 0, Depth::new(8), &mut out)?, end(bytes, 0).unwrap());
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn values_are_exact() {
        let shown = |bytes: &[u8]| json(bytes).unwrap();
        assert_eq!(shown(&[0xcf, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]), u64::MAX.to_string());
        assert_eq!(shown(&[0xd3, 0x80, 0, 0, 0, 0, 0, 0, 0]), i64::MIN.to_string());
        assert_eq!((shown(&[0xe0]), shown(&[0xd0, 0x80]), shown(&[0x7f])), ("-32".into(), "-128".into(), "127".into()));
        let double = |value: f64| [&[0xcb][..], &value.to_be_bytes()].concat();
        for value in [0.1, -0.0, 1e300, f64::MIN_POSITIVE, f64::MAX] {
            assert_eq!(shown(&double(value)).parse::<f64>().unwrap().to_bits(), value.to_bits());
        }
        assert_eq!(
            (shown(&double(f64::NAN)), shown(&double(f64::NEG_INFINITY))),
            ("\"NaN\"".into(), "\"-Infinity\"".into())
        );
        assert_eq!(shown(&[0xca, 0x3d, 0xcc, 0xcc, 0xcd]).parse::<f64>().unwrap(), f64::from(0.1_f32));
        assert_eq!(shown(b"\xa3\"\n\x01"), "\"\\\"\\n\\u0001\"");
        assert_eq!(shown(&[0xd6, 0xff, 0, 0, 0, 0]), "\"1970-01-01T00:00:00.000Z\"");
        let negative = [&[0xc7, 12, 0xff][..], &999_999_999_u32.to_be_bytes(), &(-1_i64).to_be_bytes()].concat();
        assert_eq!(shown(&negative), "\"1969-12-31T23:59:59.999Z\"");
        for wrong in [u32::MAX, 1_000_000_000] {
            let bytes = [&[0xc7, 12, 0xff][..], &wrong.to_be_bytes(), &0_i64.to_be_bytes()].concat();
            assert!(json(&bytes).is_err());
        }
        let far = [&[0xc7, 12, 0xff][..], &0_u32.to_be_bytes(), &i64::MAX.to_be_bytes()].concat();
        assert!(json(&far).is_err());
    }

    #[test]
    fn depth_needs_no_stack() {
        let deep = [vec![0x91; 10_000_000], vec![0xc0]].concat();
        assert_eq!(end(&deep, 0), Ok(deep.len()));
        assert!(json(&deep).unwrap_err().what.contains("more than 8 deep"));
        assert_eq!(end(&deep[..1000], 0), Err(Stop::Short));
        assert_eq!(end(&[0xdf, 0xff, 0xff, 0xff, 0xff, 0x01], 0), Err(Stop::Short));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn any_bytes_have_an_end_or_none(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            if let Ok(end) = end(&bytes, 0) {
                prop_assert!(end <= bytes.len());
                // Cut anywhere it is short, and what it is does not depend on what follows.
                prop_assert!((0..end).all(|cut| super::end(&bytes[..cut], 0) == Err(Stop::Short)));
                if let Ok(text) = json(&bytes[..end]) {
                    prop_assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok(), "{}", text);
                }
            }
        }
    }
}
