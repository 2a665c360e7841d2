//! Text: COUNT_CHAR, SPLIT_INDEX, LOCATE, IS_ALPHA, IS_DIGIT, IS_DECIMAL, LEVENSHTEIN. Positions count characters from 1 (SPLIT_INDEX from 0).

use datafusion_common::{Result, exec_err};

use super::function::{Form, Function, Kind};

/// Every function of this family.
pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        name: "count_char",
        aliases: &[],
        forms: &[Form::new(&[Kind::Text, Kind::Text], Kind::Int, |args| {
            let (text, character) = (args.text(0), args.text(1));
            Ok(args.ints(|row| {
                let wanted = character.get(row)?;
                Some(text.get(row).map_or(0, |text| count(text, wanted)))
            }))
        })],
    },
    Function {
        name: "split_index",
        aliases: &[],
        forms: &[Form::new(&[Kind::Text, Kind::Text, Kind::Int], Kind::Text, |args| {
            let (text, separator, index) = (args.text(0), args.text(1), args.int(2));
            Ok(args.slices(|row| split(text.get(row)?, separator.get(row)?, index.get(row)?)))
        })],
    },
    Function {
        name: "locate",
        aliases: &[],
        forms: &[
            Form::new(&[Kind::Text, Kind::Text], Kind::Int, |args| {
                let (part, text) = (args.text(0), args.text(1));
                Ok(args.ints(|row| Some(locate(part.get(row)?, text.get(row)?, 1))))
            }),
            Form::new(&[Kind::Text, Kind::Text, Kind::Int], Kind::Int, |args| {
                let (part, text, from) = (args.text(0), args.text(1), args.int(2));
                Ok(args.ints(|row| Some(locate(part.get(row)?, text.get(row)?, from.get(row)?))))
            }),
        ],
    },
    Function {
        name: "levenshtein",
        aliases: &[],
        forms: &[Form::new(&[Kind::Text, Kind::Text], Kind::Int, |args| {
            let (a, b) = (args.text(0), args.text(1));
            args.trying(
                |row| match (a.get(row), b.get(row)) {
                    (Some(a), Some(b)) => distance(a, b).map(Some),
                    _ => Ok(None),
                },
                |args, value| args.ints(value),
            )
        })],
    },
    Function {
        name: "is_alpha",
        aliases: &[],
        forms: &[Form::new(&[Kind::Text], Kind::Bool, |args| {
            let text = args.text(0);
            Ok(args.bools(|row| text.get(row).map(|text| !text.is_empty() && text.chars().all(char::is_alphabetic))))
        })],
    },
    Function {
        name: "is_digit",
        aliases: &[],
        forms: &[Form::new(&[Kind::Text], Kind::Bool, |args| {
            let text = args.text(0);
            Ok(args.bools(|row| text.get(row).map(|text| !text.is_empty() && text.chars().all(char::is_numeric))))
        })],
    },
    Function {
        name: "is_decimal",
        aliases: &[],
        forms: &[Form::new(&[Kind::Text], Kind::Bool, |args| {
            let text = args.text(0);
            Ok(args.bools(|row| text.get(row).map(|text| text.parse().is_ok_and(f64::is_finite))))
        })],
    },
];

/// How many pairs of letters LEVENSHTEIN looks at: those of two texts of 8,192 letters.
const MOST_PAIRS: usize = 1 << 26;

/// How many letters are to be put in, left out or changed to make one text of the other.
fn distance(a: &str, b: &str) -> Result<i64> {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let before = a.iter().zip(&b).take_while(|(a, b)| a == b).count();
    let (a, b) = (&a[before..], &b[before..]);
    let behind = a.iter().rev().zip(b.iter().rev()).take_while(|(a, b)| a == b).count();
    let (a, b) = (&a[..a.len() - behind], &b[..b.len() - behind]);
    if a.len().saturating_mul(b.len()) > MOST_PAIRS {
        return exec_err!(
            "LEVENSHTEIN of {} letters and {} others takes too long; at most {MOST_PAIRS} pairs of them, 8192 by 8192",
            a.len(),
            b.len()
        );
    }
    // The distances of what was seen of `a` from every beginning of `b`.
    let mut row: Vec<u32> = (0..=b.len() as u32).collect();
    for (at, letter) in a.iter().enumerate() {
        let (mut corner, mut left) = (row[0], at as u32 + 1);
        row[0] = left;
        for (other, above) in b.iter().zip(&mut row[1..]) {
            let least = (corner + u32::from(letter != other)).min(left + 1).min(*above + 1);
            corner = *above;
            left = least;
            *above = least;
        }
    }
    Ok(i64::from(row[b.len()]))
}

/// How often the first character of `wanted` stands in `text`.
fn count(text: &str, wanted: &str) -> i64 {
    let Some(wanted) = wanted.chars().next() else { return 0 };
    match u8::try_from(wanted) {
        Ok(byte) if byte.is_ascii() => text.bytes().filter(|other| *other == byte).count() as i64,
        _ => text.chars().filter(|other| *other == wanted).count() as i64,
    }
}

/// The piece number `index` of `text` cut at `separator`; `None` if there is no such piece or nothing to cut at.
fn split<'a>(text: &'a str, separator: &str, index: i64) -> Option<&'a str> {
    let index = usize::try_from(index).ok()?;
    match *separator.as_bytes() {
        [] => None,
        [byte] => text.split(char::from(byte)).nth(index),
        _ => text.split(separator).nth(index),
    }
}

/// The first character from `from` on where `part` stands in `text`; 0 if nowhere.
fn locate(part: &str, text: &str, from: i64) -> i64 {
    let Some(skip) = from.checked_sub(1).and_then(|skip| usize::try_from(skip).ok()) else { return 0 };
    let start = if text.is_ascii() {
        (skip <= text.len()).then_some(skip)
    } else {
        text.char_indices().map(|(at, _)| at).chain([text.len()]).nth(skip)
    };
    let found = start.and_then(|start| Some(start + text[start..].find(part)?));
    found.map_or(0, |at| text[..at].chars().count() as i64 + 1)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;

    use arrow_array::cast::AsArray;
    use arrow_array::types::Int64Type;
    use arrow_array::{ArrayRef, Int32Array, StringArray};
    use datafusion_common::ScalarValue;
    use datafusion_expr::ColumnarValue;

    use super::super::function::call;

    fn text(value: &str) -> ColumnarValue {
        ScalarValue::from(value).into()
    }

    fn int(value: i64) -> ColumnarValue {
        ScalarValue::from(value).into()
    }

    #[test]
    fn count_char() {
        let texts: ArrayRef = Arc::new(StringArray::from(vec![Some("cucumber"), None, Some(""), Some("süüß")]));
        let of = |wanted: &str| {
            let result = call("count_char", vec![texts.clone().into(), text(wanted)], 4).unwrap();
            result.as_primitive::<Int64Type>().values().to_vec()
        };
        assert_eq!(of("c"), [2, 0, 0, 0]);
        assert_eq!(of("ü!"), [0, 0, 0, 2]);
        assert_eq!(of(""), [0; 4]);
    }

    #[test]
    fn split_index() {
        let texts: ArrayRef = Arc::new(StringArray::from(vec![Some("a/b/ü"), None, Some(""), Some("x")]));
        let of = |separator: &str, index: i64| {
            let result = call("split_index", vec![texts.clone().into(), text(separator), int(index)], 4).unwrap();
            result.as_string::<i32>().iter().map(|piece| piece.map(str::to_owned)).collect::<Vec<_>>()
        };
        let pieces = |pieces: [Option<&str>; 4]| pieces.map(|piece| piece.map(str::to_owned)).to_vec();
        assert_eq!(of("/", 2), pieces([Some("ü"), None, None, None]));
        assert_eq!(of("/", 0), pieces([Some("a"), None, Some(""), Some("x")]));
        assert_eq!(of("b/", 1), pieces([Some("ü"), None, None, None]));
        assert_eq!(of("ü", 1), pieces([Some(""), None, None, None]));
        assert_eq!(of("/", -1), pieces([None; 4]));
        assert_eq!(of("", 0), pieces([None; 4]));
        let indices: ArrayRef = Arc::new(Int32Array::from(vec![Some(1), Some(1), None, Some(0)]));
        let result = call("split_index", vec![texts.clone().into(), text("/"), indices.into()], 4).unwrap();
        assert_eq!(result.as_string::<i32>().iter().collect::<Vec<_>>(), [Some("b"), None, None, Some("x")]);
    }

    #[test]
    fn locate() {
        let of = |args: Vec<ColumnarValue>| {
            call("locate", args, 1).unwrap().as_primitive::<Int64Type>().iter().next().unwrap()
        };
        assert_eq!(of(vec![text("b"), text("aübab")]), Some(3));
        assert_eq!(of(vec![text("b"), text("aübab"), int(4)]), Some(5));
        assert_eq!(of(vec![text("b"), text("abab"), int(3)]), Some(4));
        assert_eq!(of(vec![text("z"), text("ab")]), Some(0));
        assert_eq!(of(vec![text("a"), text("ab"), int(0)]), Some(0));
        assert_eq!(of(vec![text("a"), text("ab"), int(99)]), Some(0));
        assert_eq!(of(vec![text("a"), ScalarValue::Utf8(None).into()]), None);
    }

    #[test]
    fn distances_are_bounded() {
        let of = |a: &str, b: &str| call("levenshtein", vec![text(a), text(b)], 1);
        let counted = |a: &str, b: &str| of(a, b).map(|found| found.as_primitive::<Int64Type>().value(0));
        assert_eq!(counted("kitten", "sitting").unwrap(), 3);
        // What both begin and end with is no pair.
        let (long, other) = ("x".repeat(100_000), "x".repeat(100_001));
        assert_eq!(counted(&long, &other).unwrap(), 1);
        let pairs = |n: usize| counted(&"a".repeat(n), &"b".repeat(8192));
        let error = pairs(8193).unwrap_err().to_string();
        assert!(error.contains("8193 letters and 8192 others") && error.contains("8192 by 8192"), "{error}");
        assert_eq!(counted("", &"b".repeat(1 << 20)).unwrap(), 1 << 20);
    }

    #[test]
    fn kinds_of_characters() {
        let texts: ArrayRef =
            Arc::new(StringArray::from(vec![Some("abcß"), Some("123"), Some("-1.5"), Some(""), None]));
        let of =
            |name: &str| call(name, vec![texts.clone().into()], 5).unwrap().as_boolean().iter().collect::<Vec<_>>();
        assert_eq!(of("is_alpha"), [Some(true), Some(false), Some(false), Some(false), None]);
        assert_eq!(of("is_digit"), [Some(false), Some(true), Some(false), Some(false), None]);
        assert_eq!(of("is_decimal"), [Some(false), Some(true), Some(true), Some(false), None]);
    }
}
