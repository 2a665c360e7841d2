//! SQL's patterns: LIKE, ILIKE and SIMILAR TO. They match whole texts, and have an escape only where one is given.
//!
//! A pattern is translated to a regular expression; compiled ones are kept per thread. `x LIKE 'literal'` without an escape
//! and without a backslash does not come here: Arrow's own kernel is faster, and means the same.

use arrow_array::ArrayRef;
use datafusion_common::{Result, plan_err};
use regex::Regex;

use super::function::{Args, Form, Function, Kind};
use super::regex::compile;

const TWO: &[Kind] = &[Kind::Text, Kind::Text];
const THREE: &[Kind] = &[Kind::Text, Kind::Text, Kind::Text];

/// Every function of this family, each with and without an escape.
pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        name: "like",
        aliases: &[],
        forms: &[
            Form::new(TWO, Kind::Bool, |args| matching(args, like)).checked(|c| check(c, like)),
            Form::new(THREE, Kind::Bool, |args| matching(args, like)).checked(|c| check(c, like)),
        ],
    },
    Function {
        name: "ilike",
        aliases: &[],
        forms: &[
            Form::new(TWO, Kind::Bool, |args| matching(args, ilike)).checked(|c| check(c, ilike)),
            Form::new(THREE, Kind::Bool, |args| matching(args, ilike)).checked(|c| check(c, ilike)),
        ],
    },
    Function {
        name: "similar",
        aliases: &[],
        forms: &[
            Form::new(TWO, Kind::Bool, |args| matching(args, similar)).checked(|c| check(c, similar)),
            Form::new(THREE, Kind::Bool, |args| matching(args, similar)).checked(|c| check(c, similar)),
        ],
    },
];

/// From a pattern and its escape to a regular expression.
type Translate = fn(&str, Option<char>) -> Result<String>;

fn check(constants: &[Option<&str>], translate: Translate) -> Result<()> {
    let (Some(pattern), Some(escape)) = (constants[1], constants.get(2).copied().unwrap_or(Some(""))) else {
        return Ok(());
    };
    compiled(pattern, one(escape)?, translate).map(drop)
}

/// The regular expression of a pattern; what is wrong is said of the pattern.
fn compiled(pattern: &str, escape: Option<char>, translate: Translate) -> Result<Regex> {
    compile(&translate(pattern, escape)?).or_else(|_| {
        plan_err!("'{pattern}' is no pattern: its parentheses, sets and repetitions do not fit together; write !( with ESCAPE '!' for the character itself")
    })
}

/// The escape: one character, or none.
fn one(escape: &str) -> Result<Option<char>> {
    let mut chars = escape.chars();
    match (chars.next(), chars.next()) {
        (escape, None) => Ok(escape),
        _ => plan_err!("ESCAPE '{escape}': an escape is one character"),
    }
}

fn matching(args: &Args, translate: Translate) -> Result<ArrayRef> {
    let (text, pattern) = (args.text(0), args.text(1));
    let escape = (args.count() > 2).then(|| args.text(2));
    let mut last: Option<(String, Option<char>, Regex)> = None;
    args.trying(
        |row| {
            let (Some(text), Some(pattern)) = (text.get(row), pattern.get(row)) else { return Ok(None) };
            let escape = match &escape {
                None => None,
                Some(escape) => match escape.get(row) {
                    None => return Ok(None),
                    Some(escape) => one(escape)?,
                },
            };
            let same = last.as_ref().is_some_and(|(known, with, _)| known == pattern && *with == escape);
            if !same {
                last = Some((pattern.to_owned(), escape, compiled(pattern, escape, translate)?));
            }
            Ok(last.as_ref().map(|(_, _, regex)| regex.is_match(text)))
        },
        |args, value| args.bools(value),
    )
}

fn like(pattern: &str, escape: Option<char>) -> Result<String> {
    let mut out = "(?s)^".to_owned();
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        match c {
            c if Some(c) == escape => match chars.next() {
                Some(next) if next == '%' || next == '_' || Some(next) == escape => literal(next, &mut out),
                _ => return wrong(pattern, c),
            },
            '%' => out.push_str(".*"),
            '_' => out.push('.'),
            c => literal(c, &mut out),
        }
    }
    out.push('$');
    Ok(out)
}

fn ilike(pattern: &str, escape: Option<char>) -> Result<String> {
    like(pattern, escape).map(|regex| regex.replacen("(?s)", "(?si)", 1))
}

/// The characters with a meaning in SIMILAR TO, which an escape takes it from.
const SIMILAR: &str = "[]()|^-+*_%?{}";

fn similar(pattern: &str, escape: Option<char>) -> Result<String> {
    let mut out = "(?s)^(?:".to_owned();
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        match c {
            c if Some(c) == escape => match chars.next() {
                Some(next) if SIMILAR.contains(next) || Some(next) == escape => literal(next, &mut out),
                _ => return wrong(pattern, c),
            },
            '%' => out.push_str(".*"),
            '_' => out.push('.'),
            '|' | '*' | '+' | '?' | '{' | '}' | ')' => out.push(c),
            // Groups are for precedence only.
            '(' => out.push_str("(?:"),
            '[' => set(pattern, &mut chars, escape, &mut out)?,
            c => literal(c, &mut out),
        }
    }
    out.push_str(")$");
    Ok(out)
}

/// Named sets of characters, as they stand in brackets within brackets.
const CLASSES: &[(&str, &str)] = &[
    ("alpha", "[:alpha:]"),
    ("upper", "[:upper:]"),
    ("lower", "[:lower:]"),
    ("digit", "[:digit:]"),
    ("alnum", "[:alnum:]"),
    ("space", "[:space:]"),
    ("whitespace", "[:space:]"),
];

/// A set of characters, whose opening bracket has been read.
fn set(pattern: &str, chars: &mut std::str::Chars<'_>, escape: Option<char>, out: &mut String) -> Result<()> {
    out.push('[');
    let mut first = true;
    while let Some(c) = chars.next() {
        match c {
            c if Some(c) == escape => match chars.next() {
                Some(next) if SIMILAR.contains(next) || Some(next) == escape => literal(next, out),
                _ => return wrong(pattern, c),
            },
            ']' if !first => {
                out.push(']');
                return Ok(());
            }
            '^' if first => out.push('^'),
            // Two of them are a difference of sets to the library.
            '-' => out.push_str(if out.ends_with('-') { "\\-" } else { "-" }),
            '[' if chars.as_str().starts_with(':') => {
                let rest = &chars.as_str()[1..];
                let class = rest.split_once(":]").and_then(|(name, after)| {
                    let found = CLASSES.iter().find(|(known, _)| name.eq_ignore_ascii_case(known))?;
                    Some((found.1, after))
                });
                let Some((class, after)) = class else {
                    return plan_err!(
                        "pattern '{pattern}': '[:{rest}' is no set of characters; write [:ALPHA:], [:DIGIT:] or the like"
                    );
                };
                out.push_str(class);
                *chars = after.chars();
            }
            c => literal(c, out),
        }
        first = false;
    }
    plan_err!("pattern '{pattern}': a bracket is not closed")
}

fn literal(c: char, out: &mut String) {
    out.push_str(&regex::escape(c.encode_utf8(&mut [0; 4])));
}

fn wrong<T>(pattern: &str, escape: char) -> Result<T> {
    plan_err!("pattern '{pattern}': behind the escape '{escape}' stands what it does not escape")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use arrow_array::cast::AsArray;
    use datafusion_common::ScalarValue;

    use super::super::function::call;

    fn holds(name: &str, args: &[&str]) -> bool {
        call(name, args.iter().map(|arg| ScalarValue::from(*arg).into()).collect(), 1).unwrap().as_boolean().value(0)
    }

    #[test]
    fn like_has_no_escape_of_its_own() {
        assert!(holds("like", &["a\\b", "a\\b"]));
        assert!(holds("like", &["a\\xyz", "a\\%"]));
        assert!(!holds("like", &["a%", "a\\%"]));
        assert!(holds("like", &["100%", "100!%", "!"]));
        assert!(!holds("like", &["1000", "100!%", "!"]));
        assert!(holds("like", &["a!b", "a!!_", "!"]));
        assert!(holds("like", &["a\nb", "a_b"]));
        assert!(holds("like", &["a.b", "a.b"]) && !holds("like", &["axb", "a.b"]));
        assert!(holds("ilike", &["ÄB\\", "äb\\"]));
    }

    #[test]
    fn similar_matches_whole_texts() {
        for (text, pattern, expected) in [
            ("abc", "abc", true),
            ("abc", "a", false),
            ("abc", "%(b|d)%", true),
            ("abc", "(b|c)%", false),
            ("abc", "a|b|c", false),
            ("b", "a|b|c", true),
            ("aab", "a+b?", true),
            ("aab", "a{2}b", true),
            ("aab", "a{3}b", false),
            ("ab12", "[a-z]+[0-9]*", true),
            ("AB", "[a-z]+", false),
            ("x", "[^a-c]", true),
            ("b", "[^a-c]", false),
            ("a.c", "a.c", true),
            ("axc", "a.c", false),
            ("axc", "a_c", true),
            ("a$c^", "a$c^", true),
            ("Q1", "[[:ALPHA:]][[:digit:]]", true),
            ("11", "[[:ALPHA:]][[:digit:]]", false),
            ("a\\c", "a\\c", true),
            (",", "[+--]", true),
            ("-", "[+--]", true),
            (".", "[+--]", false),
            ("b", "[a-c--]", true),
            ("", "%", true),
            ("a\nb", "a%b", true),
        ] {
            assert_eq!(holds("similar", &[text, pattern]), expected, "{text} SIMILAR TO {pattern}");
        }
        assert!(holds("similar", &["a|b", "a#|b", "#"]));
        assert!(!holds("similar", &["a", "a#|b", "#"]));
    }

    #[test]
    fn what_escapes_nothing_is_refused() {
        for (name, args) in [
            ("like", &["x", "a!b", "!"][..]),
            ("like", &["x", "a!", "!"]),
            ("like", &["x", "a", "ab"]),
            ("similar", &["x", "[abc"]),
            ("similar", &["x", "[[:moon:]]"]),
            ("similar", &["x", "a#b", "#"]),
            ("similar", &["x", "(a"]),
        ] {
            let args = args.iter().map(|arg| ScalarValue::from(*arg).into()).collect();
            assert!(call(name, args, 1).is_err());
        }
    }
}
