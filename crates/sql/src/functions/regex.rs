//! Regular expressions (the `regex` crate's: linear time, no look-around, no back-references): REGEXP, REGEXP_EXTRACT,
//! REGEXP_REPLACE. A compiled expression is kept per thread.

use std::borrow::Cow;
use std::cell::RefCell;

use arrow_array::ArrayRef;
use datafusion_common::{Result, plan_err};
use regex::Regex;

use super::function::{Args, Form, Function, Kind};
use highwater_core::expression::{MAX_TEXT, REGEXP, RLIKE, too_long};

/// Every function of this family.
pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        name: "regexp",
        aliases: &[RLIKE, REGEXP],
        forms: &[Form::new(&[Kind::Text, Kind::Text], Kind::Bool, matches).checked(|constants| check(constants[1], ""))],
    },
    Function {
        name: "regexp_extract",
        aliases: &[],
        forms: &[
            Form::new(&[Kind::Text, Kind::Text], Kind::Text, extract).checked(|constants| check(constants[1], "")),
            Form::new(&[Kind::Text, Kind::Text, Kind::Int], Kind::Text, extract)
                .checked(|constants| check(constants[1], "")),
        ],
    },
    Function {
        name: "regexp_count",
        aliases: &[],
        forms: &[Form::new(&[Kind::Text, Kind::Text], Kind::Int, |args| {
            let count = |regex: &Regex, text: &str| regex.find_iter(text).count() as i64;
            args.trying(by_row(args, count), |args, value| args.ints(value))
        })
        .checked(|constants| check(constants[1], ""))],
    },
    Function {
        name: "regexp_instr",
        aliases: &[],
        forms: &[Form::new(&[Kind::Text, Kind::Text], Kind::Int, |args| {
            let place = |regex: &Regex, text: &str| {
                regex.find(text).map_or(0, |found| text[..found.start()].chars().count() as i64 + 1)
            };
            args.trying(by_row(args, place), |args, value| args.ints(value))
        })
        .checked(|constants| check(constants[1], ""))],
    },
    Function {
        name: "regexp_substr",
        aliases: &[],
        forms: &[Form::new(&[Kind::Text, Kind::Text], Kind::Text, |args| {
            let part = |regex: &Regex, text: &str| regex.find(text).map(|found| found.as_str().to_owned());
            args.trying(by_row(args, part), |args, value| {
                args.texts(|row, out| {
                    out.push_str(&value(row)??);
                    Some(())
                })
            })
        })
        .checked(|constants| check(constants[1], ""))],
    },
    Function {
        name: "regexp_replace",
        aliases: &[],
        forms: &[
            Form::new(&[Kind::Text, Kind::Text, Kind::Text], Kind::Text, replace)
                .checked(|constants| check(constants[1], "")),
            Form::new(&[Kind::Text, Kind::Text, Kind::Text, Kind::Text], Kind::Text, replace)
                .checked(|constants| check(constants[1], constants[3].unwrap_or(""))),
        ],
    },
];

/// How many compiled expressions a thread keeps.
const KEPT: usize = 64;

thread_local! {
    static COMPILED: RefCell<Vec<(String, Regex)>> = const { RefCell::new(Vec::new()) };
}

/// The compiled expression, the most recently used ones first.
pub(super) fn compile(pattern: &str) -> Result<Regex> {
    COMPILED.with_borrow_mut(|compiled| {
        if let Some(at) = compiled.iter().position(|(known, _)| known == pattern) {
            compiled[..=at].rotate_right(1);
            return Ok(compiled[0].1.clone());
        }
        match Regex::new(pattern) {
            Ok(regex) => {
                compiled.truncate(KEPT - 1);
                compiled.insert(0, (pattern.to_owned(), regex.clone()));
                Ok(regex)
            }
            Err(error) => {
                plan_err!("regular expression '{pattern}': {error} (look-around and back-references do not exist here)")
            }
        }
    })
}

/// What `of` says of the text in argument 0 and the expression in argument 1; NULL of a NULL.
fn by_row<'a, T>(args: &'a Args, of: impl Fn(&Regex, &str) -> T + 'a) -> impl FnMut(usize) -> Result<Option<T>> + 'a {
    let (text, pattern) = (args.text(0), args.text(1));
    move |row| match (text.get(row), pattern.get(row)) {
        (Some(text), Some(pattern)) => Ok(Some(of(&compile(pattern)?, text))),
        _ => Ok(None),
    }
}

fn check(pattern: Option<&str>, flags: &str) -> Result<()> {
    pattern.map_or(Ok(()), |pattern| compile(&flagged(pattern, flags)?).map(drop))
}

/// The pattern with its flags written into it; `g` is not one of the pattern's.
fn flagged<'a>(pattern: &'a str, flags: &str) -> Result<Cow<'a, str>> {
    match flags.chars().find(|flag| !"gimsx".contains(*flag)) {
        Some(flag) => plan_err!("REGEXP_REPLACE does not know the flag '{flag}'; it knows g, i, m, s, x"),
        None => {
            let flags: String = flags.chars().filter(|flag| *flag != 'g').collect();
            Ok(if flags.is_empty() { pattern.into() } else { format!("(?{flags}){pattern}").into() })
        }
    }
}

/// The expression in argument 1, for the rows of one call.
struct Patterns(Option<(String, Regex)>);

impl Patterns {
    fn get(&mut self, pattern: &str) -> Result<&Regex> {
        if self.0.as_ref().is_none_or(|(known, _)| known != pattern) {
            self.0 = Some((pattern.to_owned(), compile(pattern)?));
        }
        match &self.0 {
            Some((_, regex)) => Ok(regex),
            None => unreachable!("it was just put there"),
        }
    }
}

/// Calls `row` for each row with its expression; the first expression that does not compile ends it.
fn keeping_first_error<T>(failed: &mut Result<()>, result: Result<T>) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(error) => {
            if failed.is_ok() {
                *failed = Err(error);
            }
            None
        }
    }
}

fn matches(args: &Args) -> Result<ArrayRef> {
    let (text, pattern) = (args.text(0), args.text(1));
    let (mut patterns, mut failed) = (Patterns(None), Ok(()));
    let result = args.bools(|row| {
        let (text, pattern) = (text.get(row)?, pattern.get(row)?);
        Some(keeping_first_error(&mut failed, patterns.get(pattern))?.is_match(text))
    });
    failed.map(|()| result)
}

/// The group's text in the first match; NULL without a match or such a group. Group 0 is the whole match.
fn extract(args: &Args) -> Result<ArrayRef> {
    let (text, pattern) = (args.text(0), args.text(1));
    let (mut patterns, mut failed) = (Patterns(None), Ok(()));
    let result = args.slices(|row| {
        let (text, pattern) = (text.get(row)?, pattern.get(row)?);
        let group = if args.count() > 2 { usize::try_from(args.int(2).get(row)?).ok()? } else { 0 };
        let regex = keeping_first_error(&mut failed, patterns.get(pattern))?;
        match group {
            0 => regex.find(text).map(|found| found.as_str()),
            _ => regex.captures(text)?.get(group).map(|found| found.as_str()),
        }
    });
    failed.map(|()| result)
}

/// With three arguments every match is replaced, as Flink does; with flags only the first unless they have a `g`, as
/// Postgres does. Groups stand in the replacement as `$1` or `\1`.
fn replace(args: &Args) -> Result<ArrayRef> {
    let (text, pattern, with) = (args.text(0), args.text(1), args.text(2));
    let (mut patterns, mut failed) = (Patterns(None), Ok(()));
    let result = args.texts(|row, out| {
        let (text, pattern, with) = (text.get(row)?, pattern.get(row)?, with.get(row)?);
        let flags = if args.count() > 3 { args.text(3).get(row)? } else { "g" };
        let pattern = keeping_first_error(&mut failed, flagged(pattern, flags))?;
        let regex = keeping_first_error(&mut failed, patterns.get(&pattern))?;
        let with = groups_in_braces(with);
        let most = if flags.contains('g') { usize::MAX } else { 1 };
        let (mut made, mut done) = (String::new(), 0);
        for found in regex.captures_iter(text).take(most) {
            let whole = found.get(0)?;
            made.push_str(&text[done..whole.start()]);
            found.expand(&with, &mut made);
            done = whole.end();
            // A character has four bytes at most; what is told here is not made to its end.
            if made.len() > 4 * MAX_TEXT {
                return keeping_first_error(&mut failed, too_long(made.chars().count()));
            }
        }
        made.push_str(&text[done..]);
        out.push_str(&made);
        Some(())
    });
    failed.map(|()| result)
}

/// `\1` and `$1` to `${1}`, so that a digit's neighbour is not read as part of the name; `\$` is a dollar.
fn groups_in_braces(with: &str) -> Cow<'_, str> {
    if !with.contains(['\\', '$']) {
        return with.into();
    }
    let mut out = String::new();
    let mut chars = with.chars().peekable();
    while let Some(c) = chars.next() {
        match (c, chars.peek().copied()) {
            ('\\' | '$', Some(digit)) if digit.is_ascii_digit() => {
                chars.next();
                out.push_str(&format!("${{{digit}}}"));
            }
            ('\\', Some('$')) => {
                chars.next();
                out.push_str("$$");
            }
            ('\\', Some(next)) => {
                chars.next();
                out.push(next);
            }
            _ => out.push(c),
        }
    }
    out.into()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;

    use arrow_array::cast::AsArray;
    use arrow_array::{Array, StringArray};
    use datafusion_common::ScalarValue;
    use datafusion_expr::ColumnarValue;

    use super::super::function::call;
    use super::*;

    fn text(value: &str) -> ColumnarValue {
        ScalarValue::from(value).into()
    }

    fn one(name: &str, args: &[&str]) -> Option<String> {
        let result = call(name, args.iter().map(|arg| text(arg)).collect(), 1).unwrap();
        let value = result.as_string::<i32>().iter().next().unwrap();
        value.map(str::to_owned)
    }

    #[test]
    fn extracting() {
        let urls: ArrayRef = Arc::new(StringArray::from(vec![
            Some("https://x/?a=1&channel_id=77&b"),
            Some("channel_id="),
            Some("none"),
            None,
        ]));
        let pattern = text("(&|^)channel_id=([^&]*)");
        let group = |n: i64| ColumnarValue::from(ScalarValue::from(n));
        let of = |args: Vec<ColumnarValue>| {
            call("regexp_extract", args, 4)
                .unwrap()
                .as_string::<i32>()
                .iter()
                .map(|v| v.map(str::to_owned))
                .collect::<Vec<_>>()
        };
        let owned = |values: [Option<&str>; 4]| values.map(|v| v.map(str::to_owned)).to_vec();
        assert_eq!(of(vec![urls.clone().into(), pattern.clone(), group(2)]), owned([Some("77"), Some(""), None, None]));
        assert_eq!(
            of(vec![urls.clone().into(), pattern.clone()]),
            owned([Some("&channel_id=77"), Some("channel_id="), None, None])
        );
        assert_eq!(of(vec![urls.clone().into(), pattern.clone(), group(9)]), owned([None; 4]));
        assert_eq!(of(vec![urls.into(), pattern, group(-1)]), owned([None; 4]));
    }

    #[test]
    fn replacing() {
        assert_eq!(one("regexp_replace", &["aXbXc", "X", "-"]).unwrap(), "a-b-c");
        assert_eq!(one("regexp_replace", &["aXbXc", "x", "-", "i"]).unwrap(), "a-bXc");
        assert_eq!(one("regexp_replace", &["aXbXc", "x", "-", "gi"]).unwrap(), "a-b-c");
        assert_eq!(one("regexp_replace", &["2024-05", r"(\d+)-(\d+)", r"\2/$1x"]).unwrap(), "05/2024x");
        assert_eq!(one("regexp_replace", &["ü", "ü", r"\$1"]).unwrap(), "$1");
        assert!(call("regexp_replace", vec![text("a"), text("a"), text("b"), text("q")], 1).is_err());
    }

    #[test]
    fn matching_and_refusing() {
        let texts: ArrayRef = Arc::new(StringArray::from(vec![Some("abc"), Some("b"), None]));
        let patterns: ArrayRef = Arc::new(StringArray::from(vec![Some("^a"), Some("^a"), Some("x")]));
        let result = call("regexp", vec![texts.clone().into(), patterns.into()], 3).unwrap();
        assert_eq!(result.as_boolean().iter().collect::<Vec<_>>(), [Some(true), Some(false), None]);
        let error = call("regexp", vec![texts.clone().into(), text("(?=a)")], 3).unwrap_err().to_string();
        assert!(error.contains("regular expression '(?=a)'"), "{error}");
        let bad: ArrayRef = Arc::new(StringArray::from(vec!["ok", "(", "("]));
        assert!(call("regexp", vec![texts.into(), bad.into()], 3).is_err());
    }

    #[test]
    fn many_patterns_do_not_grow_the_cache() {
        let patterns: Vec<String> = (0..1_000).map(|n| format!("p{n}$")).collect();
        let texts: Vec<String> = (0..1_000).map(|n| format!("p{n}")).collect();
        let (patterns, texts): (ArrayRef, ArrayRef) =
            (Arc::new(StringArray::from(patterns)), Arc::new(StringArray::from(texts)));
        let result = call("regexp", vec![texts.into(), patterns.into()], 1_000).unwrap();
        assert_eq!((result.as_boolean().true_count(), result.null_count()), (1_000, 0));
        COMPILED.with_borrow(|compiled| assert!(compiled.len() <= KEPT));
    }
}
