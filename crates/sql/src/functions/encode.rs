//! Text as other text: TO_BASE64, FROM_BASE64, HEX, BIN, MD5 and the SHA family.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use arrow_array::ArrayRef;
use datafusion_common::plan_err;
use sha2::Digest;

use super::function::{Args, Form, Function, Kind};

/// Every function of this family.
pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        name: "to_base64",
        aliases: &[],
        forms: &[Form::new(&[Kind::Text], Kind::Text, |args| {
            let text = args.text(0);
            Ok(args.texts(|row, out| {
                STANDARD.encode_string(text.get(row)?, out);
                Some(())
            }))
        })],
    },
    Function {
        name: "from_base64",
        aliases: &[],
        forms: &[Form::new(&[Kind::Text], Kind::Text, |args| {
            let text = args.text(0);
            Ok(args.texts(|row, out| {
                let bytes = STANDARD.decode(text.get(row)?.trim()).ok()?;
                out.push_str(std::str::from_utf8(&bytes).ok()?);
                Some(())
            }))
        })],
    },
    Function {
        name: "hex",
        aliases: &[],
        forms: &[
            Form::new(&[Kind::Int], Kind::Text, |args| {
                let number = args.int(0);
                Ok(args.texts(|row, out| write!(out, "{:X}", number.get(row)?).ok()))
            }),
            Form::new(&[Kind::Text], Kind::Text, |args| {
                let text = args.text(0);
                Ok(args.texts(|row, out| text.get(row)?.bytes().try_for_each(|byte| write!(out, "{byte:02X}")).ok()))
            }),
        ],
    },
    digest("md5", &[Form::new(&[Kind::Text], Kind::Text, |args| Ok(digests::<md5::Md5>(args)))]),
    digest("sha1", &[Form::new(&[Kind::Text], Kind::Text, |args| Ok(digests::<sha1::Sha1>(args)))]),
    digest("sha224", &[Form::new(&[Kind::Text], Kind::Text, |args| Ok(digests::<sha2::Sha224>(args)))]),
    digest("sha256", &[Form::new(&[Kind::Text], Kind::Text, |args| Ok(digests::<sha2::Sha256>(args)))]),
    digest("sha384", &[Form::new(&[Kind::Text], Kind::Text, |args| Ok(digests::<sha2::Sha384>(args)))]),
    digest("sha512", &[Form::new(&[Kind::Text], Kind::Text, |args| Ok(digests::<sha2::Sha512>(args)))]),
    Function {
        name: "sha2",
        aliases: &[],
        forms: &[Form::new(&[Kind::Text, Kind::Int], Kind::Text, |args| match args.int(1).constant() {
            Some(Some(224)) => Ok(digests::<sha2::Sha224>(args)),
            Some(Some(256)) => Ok(digests::<sha2::Sha256>(args)),
            Some(Some(384)) => Ok(digests::<sha2::Sha384>(args)),
            Some(Some(512)) => Ok(digests::<sha2::Sha512>(args)),
            _ => plan_err!("SHA2(text, bits) takes the bits 224, 256, 384 or 512 as a constant"),
        })],
    },
    Function {
        name: "bin",
        aliases: &[],
        forms: &[Form::new(&[Kind::Int], Kind::Text, |args| {
            let number = args.int(0);
            Ok(args.texts(|row, out| write!(out, "{:b}", number.get(row)?).ok()))
        })],
    },
];

const fn digest(name: &'static str, forms: &'static [Form]) -> Function {
    Function { name, aliases: &[], forms }
}

/// The digest of the text's UTF-8 bytes, as lower-case hexadecimal digits.
fn digests<D: Digest>(args: &Args) -> ArrayRef {
    let text = args.text(0);
    args.texts(|row, out| D::digest(text.get(row)?).iter().try_for_each(|byte| write!(out, "{byte:02x}")).ok())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use arrow_array::cast::AsArray;
    use datafusion_common::ScalarValue;

    use super::super::function::call;

    fn one(name: &str, arg: ScalarValue) -> Option<String> {
        let result = call(name, vec![arg.into()], 1).unwrap();
        let value = result.as_string::<i32>().iter().next().unwrap();
        value.map(str::to_owned)
    }

    #[test]
    fn base64() {
        assert_eq!(one("to_base64", "hello ü".into()).unwrap(), "aGVsbG8gw7w=");
        assert_eq!(one("from_base64", "aGVsbG8gw7w=".into()).unwrap(), "hello ü");
        assert_eq!(one("from_base64", "!".into()), None);
        assert_eq!(one("from_base64", "/w==".into()), None);
        assert_eq!(one("to_base64", ScalarValue::Utf8(None)), None);
    }

    #[test]
    fn digests_are_the_standards_examples() {
        let start = |name: &str| one(name, "abc".into()).unwrap()[..16].to_owned();
        assert_eq!(one("md5", "abc".into()).unwrap(), "900150983cd24fb0d6963f7d28e17f72");
        assert_eq!(one("sha1", "abc".into()).unwrap(), "a9993e364706816aba3e25717850c26c9cd0d89d");
        assert_eq!(start("sha224"), "23097d223405d822");
        assert_eq!(start("sha256"), "ba7816bf8f01cfea");
        assert_eq!(start("sha384"), "cb00753f45a35e8b");
        assert_eq!(start("sha512"), "ddaf35a193617aba");
        assert_eq!(one("md5", ScalarValue::Utf8(None)), None);
    }

    #[test]
    fn digits() {
        assert_eq!(one("hex", ScalarValue::from(255_i64)).unwrap(), "FF");
        assert_eq!(one("hex", ScalarValue::from(-1_i64)).unwrap(), "FFFFFFFFFFFFFFFF");
        assert_eq!(one("hex", "aü".into()).unwrap(), "61C3BC");
        assert_eq!(one("bin", ScalarValue::from(5_i32)).unwrap(), "101");
        assert_eq!(one("bin", ScalarValue::Int64(None)), None);
    }
}
