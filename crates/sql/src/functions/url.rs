//! Web addresses: PARSE_URL(url, part[, key]), URL_ENCODE, URL_DECODE. A part that is not there is NULL.

use std::fmt::Write;

use super::function::{Args, Form, Function, Kind};

/// Every function of this family.
pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        name: "parse_url",
        aliases: &[],
        forms: &[
            Form::new(&[Kind::Text, Kind::Text], Kind::Text, |args| {
                let (url, what) = (args.text(0), args.text(1));
                Ok(args.slices(|row| part(url.get(row)?, what.get(row)?)))
            }),
            Form::new(&[Kind::Text, Kind::Text, Kind::Text], Kind::Text, |args| {
                let (url, what, key) = (args.text(0), args.text(1), args.text(2));
                Ok(args.slices(|row| {
                    let (url, what, key) = (url.get(row)?, what.get(row)?, key.get(row)?);
                    if what == "QUERY" { parameter(part(url, what)?, key) } else { None }
                }))
            }),
        ],
    },
    Function {
        name: "url_encode",
        aliases: &[],
        forms: &[Form::new(&[Kind::Text], Kind::Text, |args: &Args| {
            let text = args.text(0);
            Ok(args.texts(|row, out| {
                encode(text.get(row)?, out);
                Some(())
            }))
        })],
    },
    Function {
        name: "url_decode",
        aliases: &[],
        forms: &[Form::new(&[Kind::Text], Kind::Text, |args: &Args| {
            let text = args.text(0);
            Ok(args.texts(|row, out| {
                out.push_str(&decode(text.get(row)?)?);
                Some(())
            }))
        })],
    },
];

/// `scheme://user@host:port/path?query#ref`, as `java.net.URL` names its parts.
fn part<'a>(url: &'a str, what: &str) -> Option<&'a str> {
    let (scheme, rest) = url.split_once("://")?;
    let named = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    if !named {
        return None;
    }
    let (rest, fragment) = rest.split_once('#').map_or((rest, None), |(rest, fragment)| (rest, Some(fragment)));
    let (authority, file) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let (path, query) = file.split_once('?').map_or((file, None), |(path, query)| (path, Some(query)));
    let (user, host) = authority.rsplit_once('@').map_or((None, authority), |(user, host)| (Some(user), host));
    match what {
        "PROTOCOL" => Some(scheme),
        "AUTHORITY" => Some(authority),
        "USERINFO" => user,
        // The port stands after the last colon, unless that is within an IPv6 address.
        "HOST" => Some(match host.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
            _ => host,
        }),
        "PATH" => Some(path),
        "QUERY" => query,
        "FILE" => Some(file),
        "REF" => fragment,
        _ => None,
    }
}

fn parameter<'a>(query: &'a str, key: &str) -> Option<&'a str> {
    query.split('&').find_map(|pair| pair.strip_prefix(key)?.strip_prefix('='))
}

fn encode(text: &str, out: &mut String) {
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'*' => out.push(byte.into()),
            b' ' => out.push('+'),
            _ => drop(write!(out, "%{byte:02X}")),
        }
    }
}

/// `None` if a `%` is not followed by two hexadecimal digits or the bytes are no UTF-8.
fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || char::from(rest.next()?).to_digit(16);
                (digit()? * 16 + digit()?) as u8
            }
            _ => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;

    use arrow_array::cast::AsArray;
    use arrow_array::{Array, ArrayRef, StringArray};
    use datafusion_common::ScalarValue;

    use super::super::function::call;

    fn one(name: &str, args: &[&str]) -> Option<String> {
        let result = call(name, args.iter().map(|arg| ScalarValue::from(*arg).into()).collect(), 1).unwrap();
        let value = result.as_string::<i32>().iter().next().unwrap();
        value.map(str::to_owned)
    }

    #[test]
    fn parts_of_a_url() {
        let url = "https://user:pw@example.com:8080/a/ü?x=1&xy=2&x=3#top";
        let of = |part: &str| one("parse_url", &[url, part]);
        assert_eq!(of("PROTOCOL").unwrap(), "https");
        assert_eq!(of("AUTHORITY").unwrap(), "user:pw@example.com:8080");
        assert_eq!(of("USERINFO").unwrap(), "user:pw");
        assert_eq!(of("HOST").unwrap(), "example.com");
        assert_eq!(of("PATH").unwrap(), "/a/ü");
        assert_eq!(of("QUERY").unwrap(), "x=1&xy=2&x=3");
        assert_eq!(of("FILE").unwrap(), "/a/ü?x=1&xy=2&x=3");
        assert_eq!(of("REF").unwrap(), "top");
        assert_eq!(of("nothing"), None);
        assert_eq!(one("parse_url", &[url, "QUERY", "xy"]).unwrap(), "2");
        assert_eq!(one("parse_url", &[url, "QUERY", "z"]), None);
        assert_eq!(one("parse_url", &["http://[::1]/", "HOST"]).unwrap(), "[::1]");
        assert_eq!(one("parse_url", &["http://h", "PATH"]).unwrap(), "");
        assert_eq!(one("parse_url", &["http://h", "QUERY"]), None);
        assert_eq!(one("parse_url", &["no url", "HOST"]), None);
        let urls: ArrayRef = Arc::new(StringArray::from(vec![Some("a://b"), None]));
        let result = call("parse_url", vec![urls.into(), ScalarValue::from("HOST").into()], 2).unwrap();
        assert_eq!((result.as_string::<i32>().value(0), result.is_null(1)), ("b", true));
    }

    #[test]
    fn encoding() {
        assert_eq!(one("url_encode", &["a b/ü~*"]).unwrap(), "a+b%2F%C3%BC%7E*");
        assert_eq!(one("url_decode", &["a+b%2f%C3%BC"]).unwrap(), "a b/ü");
        assert_eq!(one("url_decode", &["%C3"]), None);
        assert_eq!(one("url_decode", &["100%"]), None);
        assert_eq!(one("url_decode", &["%+1"]), None);
    }
}
