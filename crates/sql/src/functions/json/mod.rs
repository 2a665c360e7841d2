//! JSON in text columns, by paths like `$.a.b[0]['c d']` or `$.a[*]`: JSON_VALUE (a scalar), JSON_QUERY (an object or array as
//! JSON), JSON_EXISTS, IS JSON; and values as JSON: JSON_OBJECT, JSON_ARRAY, JSON_STRING and their aggregates (`make`).
//!
//! Their clauses (`RETURNING`, `ON EMPTY`, `ON ERROR`, `WRAPPER`) come as arguments behind the others, words as text: the
//! parser does not know them (`sql/json_clauses.rs`). Empty is a place that is not there, and a JSON null; an error is text
//! that is no JSON, and a value of another kind. Without clauses both are NULL (of JSON_EXISTS: false).

mod find;
pub(super) mod make;
mod path;

use arrow_array::ArrayRef;
use datafusion_common::{Result, exec_err};

use super::function::{Args, Form, Function, Kind};
use find::{compact, find, number, unquote};
use path::{Path, Paths};

const TWO: &[Kind] = &[Kind::Text; 2];
const THREE: &[Kind] = &[Kind::Text; 3];
const FIVE: &[Kind] = &[Kind::Text; 5];
const SIX: &[Kind] = &[Kind::Text; 6];

/// Every function of this family.
pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        name: "json_value",
        aliases: &[],
        forms: &[Form::new(TWO, Kind::Text, texts).checked(check), Form::new(SIX, Kind::Text, texts).checked(check)],
    },
    Function {
        name: "__json_value__boolean",
        aliases: &[],
        forms: &[Form::new(SIX, Kind::Bool, |args| {
            let truth = |text: &str| text.to_ascii_lowercase().parse().ok();
            args.trying(scalars(args, truth), |args, value| args.bools(value))
        })
        .checked(check)],
    },
    Function {
        name: "__json_value__int",
        aliases: &[],
        forms: &[Form::new(SIX, Kind::Int, |args| {
            let int = |text: &str| whole(text).filter(|int| i32::try_from(*int).is_ok());
            args.trying(scalars(args, int), |args, value| args.ints(value))
        })
        .checked(check)],
    },
    Function {
        name: "__json_value__bigint",
        aliases: &[],
        forms: &[Form::new(SIX, Kind::Int, |args| args.trying(scalars(args, whole), |args, value| args.ints(value)))
            .checked(check)],
    },
    Function {
        name: "__json_value__double",
        aliases: &[],
        forms: &[Form::new(SIX, Kind::Float, |args| {
            args.trying(scalars(args, double), |args, value| args.floats(value))
        })
        .checked(check)],
    },
    Function {
        name: "json_query",
        aliases: &[],
        forms: &[Form::new(TWO, Kind::Text, query).checked(check), Form::new(FIVE, Kind::Text, query).checked(check)],
    },
    Function {
        name: "json_exists",
        aliases: &[],
        forms: &[
            Form::new(TWO, Kind::Bool, exists).checked(check),
            Form::new(THREE, Kind::Bool, exists).checked(check),
        ],
    },
    Function {
        name: "is_json",
        aliases: &[],
        forms: &[Form::new(TWO, Kind::Bool, |args| {
            let (text, kind, whole) = (args.text(0), args.text(1), Path::parse("$")?);
            let mut found = Vec::new();
            Ok(args.bools(|row| {
                let (text, kind) = (text.get(row)?, kind.get(row)?);
                let good = find(text, &whole, &mut found).is_ok();
                let first = found.first().and_then(|value| value.bytes().next());
                Some(
                    good && match kind {
                        "object" => first == Some(b'{'),
                        "array" => first == Some(b'['),
                        "scalar" => !matches!(first, Some(b'{' | b'[')),
                        _ => true,
                    },
                )
            }))
        })],
    },
    Function {
        name: "json_quote",
        aliases: &[],
        forms: &[Form::new(&[Kind::Text], Kind::Text, |args| {
            let text = args.text(0);
            Ok(args.texts(|row, out| {
                out.push_str(&serde_json::Value::from(text.get(row)?).to_string());
                Some(())
            }))
        })],
    },
    Function {
        name: "json_unquote",
        aliases: &[],
        forms: &[Form::new(&[Kind::Text], Kind::Text, |args| {
            let text = args.text(0);
            Ok(args.texts(|row, out| {
                let text = text.get(row)?;
                let quoted = text.len() > 1 && text.starts_with('"') && text.ends_with('"');
                if !quoted || unquote(text, out).is_none() {
                    out.clear();
                    out.push_str(text);
                }
                Some(())
            }))
        })],
    },
];

fn check(constants: &[Option<&str>]) -> Result<()> {
    constants[1].map_or(Ok(()), |path| Path::parse(path).map(drop))
}

/// What stands at a path.
enum Found<'a> {
    Empty,
    Wrong(String),
    Here(&'a str),
}

/// The one value at a path; several are wrong, unless `many` is for them.
fn look<'a>(text: &'a str, path: &Path, found: &mut Vec<&'a str>) -> Found<'a> {
    if let Err(bad) = find(text, path, found) {
        return Found::Wrong(format!("it is no JSON: {}", bad.what));
    }
    match found.as_slice() {
        [] if path.strict => Found::Wrong("nothing is at the path".to_owned()),
        [] | ["null"] => Found::Empty,
        [one] => Found::Here(one),
        several => Found::Wrong(format!("{} values are at the path", several.len())),
    }
}

/// What a clause says is to be answered instead.
fn instead<T>(clause: Option<&str>, what: &str, default: impl FnOnce() -> Option<T>) -> Result<Option<T>> {
    match clause {
        Some("error") => exec_err!("{what}"),
        Some("default") => Ok(default()),
        _ => Ok(None),
    }
}

/// A scalar by row, made by `of` from its text.
fn scalars<'a, T: 'a>(
    args: &'a Args,
    of: impl Fn(&str) -> Option<T> + 'a,
) -> impl FnMut(usize) -> Result<Option<T>> + 'a {
    let (text, path) = (args.text(0), args.text(1));
    let clause = move |at: usize, row: usize| if args.count() > 2 { args.text(at).get(row) } else { None };
    let (mut paths, mut found, mut plain) = (Paths::default(), Vec::new(), String::new());
    move |row| {
        let (Some(text), Some(path)) = (text.get(row), path.get(row)) else { return Ok(None) };
        plain.clear();
        let wrong = match look(text, paths.get(path)?, &mut found) {
            Found::Empty => {
                let what = format!("nothing is at '{path}'");
                return instead(clause(2, row), &what, || of(clause(3, row)?));
            }
            Found::Wrong(what) => what,
            Found::Here(value) => {
                let scalar = match value.as_bytes()[0] {
                    b'{' | b'[' => None,
                    b'"' => unquote(value, &mut plain),
                    b'-' | b'0'..=b'9' => {
                        number(value, &mut plain);
                        Some(())
                    }
                    _ => {
                        plain.push_str(value);
                        Some(())
                    }
                };
                match scalar.and_then(|()| of(&plain)) {
                    Some(value) => return Ok(Some(value)),
                    None => format!("what is at '{path}' is no value of the type"),
                }
            }
        };
        instead(clause(4, row), &wrong, || of(clause(5, row)?))
    }
}

fn texts(args: &Args) -> Result<ArrayRef> {
    args.trying(scalars(args, |text| Some(text.to_owned())), |args, value| {
        args.texts(|row, out| {
            out.push_str(&value(row)?);
            Some(())
        })
    })
}

/// A DOUBLE; a number beyond them is no infinity.
fn double(text: &str) -> Option<f64> {
    let value: f64 = text.parse().ok()?;
    (value.is_finite() || !text.bytes().any(|byte| byte.is_ascii_digit())).then_some(value)
}

/// A whole number, also one that is written with a fraction of zeros.
fn whole(text: &str) -> Option<i64> {
    text.parse().ok().or_else(|| {
        let value: f64 = text.parse().ok()?;
        (value.fract() == 0.0 && value.abs() < 9_007_199_254_740_992.0).then_some(value as i64)
    })
}

fn query(args: &Args) -> Result<ArrayRef> {
    let (text, path) = (args.text(0), args.text(1));
    let clause = |at: usize, row: usize| if args.count() > 2 { args.text(at).get(row) } else { None };
    let (mut paths, mut found) = (Paths::default(), Vec::new());
    let value = |row: usize| -> Result<Option<String>> {
        let (Some(text), Some(path)) = (text.get(row), path.get(row)) else { return Ok(None) };
        let (path, wrapper) = (paths.get(path)?, clause(2, row).unwrap_or("without"));
        let looked = look(text, path, &mut found);
        let is_wrong = matches!(looked, Found::Wrong(_)) && found.len() < 2;
        let mut out = String::new();
        // What a path with a star finds is an array, as long as it is.
        let wrapped = match (wrapper, found.as_slice()) {
            (_, _) if is_wrong => false,
            ("without", _) => false,
            (_, []) => false,
            ("conditional", [one]) if !path.many() => !one.starts_with(['{', '[']),
            _ => true,
        };
        if wrapped {
            out.push('[');
            for (at, value) in found.iter().enumerate() {
                out.push_str(if at > 0 { "," } else { "" });
                compact(value, &mut out);
            }
            out.push(']');
            return Ok(Some(out));
        }
        let other = |clause: Option<&str>, what: &str| match clause {
            Some("empty array") => Ok(Some("[]".to_owned())),
            Some("empty object") => Ok(Some("{}".to_owned())),
            clause => instead(clause, what, || None),
        };
        match looked {
            Found::Empty => other(clause(3, row), "nothing is at the path"),
            Found::Here(value) if value.starts_with(['{', '[']) => {
                compact(value, &mut out);
                Ok(Some(out))
            }
            Found::Here(_) => other(clause(4, row), "a scalar is at the path; write WITH WRAPPER, or JSON_VALUE"),
            Found::Wrong(what) => other(clause(4, row), &what),
        }
    };
    args.trying(value, |args, value| {
        args.texts(|row, out| {
            out.push_str(&value(row)?);
            Some(())
        })
    })
}

fn exists(args: &Args) -> Result<ArrayRef> {
    let (text, path) = (args.text(0), args.text(1));
    let (mut paths, mut found) = (Paths::default(), Vec::new());
    let value = |row: usize| -> Result<Option<bool>> {
        let (Some(text), Some(path)) = (text.get(row), path.get(row)) else { return Ok(None) };
        let path = paths.get(path)?;
        let good = find(text, path, &mut found).is_ok() && !(path.strict && found.is_empty());
        if good {
            return Ok(Some(!found.is_empty()));
        }
        match if args.count() > 2 { args.text(2).get(row) } else { None } {
            Some("error") => exec_err!("nothing is at the path, or it is no JSON"),
            Some("true") => Ok(Some(true)),
            Some("unknown") => Ok(None),
            _ => Ok(Some(false)),
        }
    };
    args.trying(value, |args, value| args.bools(value))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;

    use arrow_array::StringArray;
    use arrow_array::cast::AsArray;
    use datafusion_common::ScalarValue;

    use super::super::function::call;
    use super::*;

    const DOC: &str = r#"{"a":{"b":[{"c":"ü"},2.50,true,null,-9007199254740993]},"x y":"q","":0}"#;

    fn one(name: &str, text: &str, path: &str) -> Option<String> {
        let result = call(name, vec![ScalarValue::from(text).into(), ScalarValue::from(path).into()], 1).unwrap();
        let value = result.as_string::<i32>().iter().next().unwrap();
        value.map(str::to_owned)
    }

    #[test]
    fn values() {
        assert_eq!(one("json_value", DOC, "$.a.b[0].c").unwrap(), "ü");
        assert_eq!(one("json_value", DOC, "$.a.b[1]").unwrap(), "2.5");
        assert_eq!(one("json_value", DOC, "lax $.a.b[2]").unwrap(), "true");
        assert_eq!(one("json_value", DOC, "$.a.b[3]"), None);
        assert_eq!(one("json_value", DOC, "$.a.b[4]").unwrap(), "-9007199254740993");
        assert_eq!(one("json_value", DOC, "$.a.b[9]"), None);
        assert_eq!(one("json_value", DOC, "$['x y']").unwrap(), "q");
        assert_eq!(one("json_value", DOC, "$.a"), None);
        assert_eq!(one("json_value", "not json", "$.a"), None);
        assert_eq!(one("json_value", "7", "$").unwrap(), "7");
        assert_eq!(one("json_query", DOC, "$.a.b[0]").unwrap(), r#"{"c":"ü"}"#);
        assert_eq!(one("json_query", DOC, "$.a.b[1]"), None);
        assert_eq!(one("json_query", r#"{ "b" : [ 1 , "x y" ], "a": 1 }"#, "$").unwrap(), r#"{"b":[1,"x y"],"a":1}"#);
    }

    #[test]
    fn lax_paths_look_into_arrays_and_take_one_value_for_an_array() {
        let value = |text: &str, path: &str| one("json_value", text, path);
        assert_eq!(value(r#"{"a b":1}"#, r#"$."a b""#).as_deref(), Some("1"));
        assert_eq!(value(r#"{"a.b":{"c":2}}"#, r#"$."a.b".c"#).as_deref(), Some("2"));
        assert_eq!(value(r#"{"a":[{"b":1}]}"#, "$.a.b").as_deref(), Some("1"));
        assert_eq!(value(r#"{"a":[[{"b":1}]]}"#, "$.a.b"), None);
        assert_eq!(value(r#"{"a":[{"b":1},7,{"c":2}]}"#, "$.a.b").as_deref(), Some("1"));
        assert_eq!(value(r#"{"a":[{"b":1},{"b":2}]}"#, "$.a.b"), None);
        assert_eq!(value(r#"{"a":{"b":1}}"#, "$.a[0].b").as_deref(), Some("1"));
        assert_eq!(value(r#"{"a":{"b":1}}"#, "$.a[1].b"), None);
        assert_eq!(value(r#"{"a":7}"#, "$.a[*]").as_deref(), Some("7"));
        for path in ["strict $.a.b", "strict $.a[0].b"] {
            assert_eq!(value(r#"{"a":[{"b":1}]}"#, path).is_some(), path.ends_with("[0].b"), "{path}");
            assert_eq!(value(r#"{"a":{"b":1}}"#, path).is_some(), path.ends_with("a.b"), "{path}");
        }
        let wrapped = ["[{\"a\":1},{\"a\":2}]", "$.a", "conditional", "null", "null"];
        let wrapped =
            call("json_query", wrapped.iter().map(|arg| ScalarValue::from(*arg).into()).collect(), 1).unwrap();
        assert_eq!(wrapped.as_string::<i32>().value(0), "[1,2]");
    }

    #[test]
    fn digits_are_kept() {
        let value = |text: &str| one("json_value", text, "$").unwrap();
        assert_eq!(value("123456789012345678901234567890"), "123456789012345678901234567890");
        assert_eq!(value("-18446744073709551616"), "-18446744073709551616");
        assert_eq!(value("0.1234567890123456789"), "0.1234567890123456789");
        assert_eq!(value("2.50"), "2.5");
        assert_eq!(one("json_query", "[1e400, 123456789012345678901]", "$").unwrap(), "[1e400,123456789012345678901]");
    }

    #[test]
    fn of_a_name_that_is_there_twice_the_last_counts() {
        assert_eq!(one("json_value", r#"{"a":1,"a":2}"#, "$.a").unwrap(), "2");
        assert_eq!(one("json_value", r#"{"\u0061":3}"#, "$.a").unwrap(), "3");
        assert_eq!(one("json_value", r#"{"a.b":[0.998]}"#, r#"$.["a.b"][0]"#).unwrap(), "0.998");
    }

    #[test]
    fn clauses() {
        let value = |name: &str, args: &[&str]| {
            let args = args.iter().map(|arg| ScalarValue::from(*arg).into()).collect();
            call(name, args, 1).map(|array| arrow_cast::display::array_value_to_string(&array, 0).unwrap())
        };
        let text = |args: &[&str]| value("json_value", args);
        assert_eq!(text(&["{}", "$.a", "default", "e", "default", "r"]).unwrap(), "e");
        assert_eq!(text(&[r#"{"a":null}"#, "$.a", "default", "e", "default", "r"]).unwrap(), "e");
        assert_eq!(text(&["{}", "strict $.a", "default", "e", "default", "r"]).unwrap(), "r");
        assert_eq!(text(&["{", "$.a", "default", "e", "default", "r"]).unwrap(), "r");
        assert_eq!(text(&[r#"{"a":[1]}"#, "$.a", "default", "e", "default", "r"]).unwrap(), "r");
        assert!(text(&["{}", "$.a", "error", "e", "null", "r"]).is_err());
        assert_eq!(value("__json_value__int", &["[7.0]", "$[0]", "null", "", "default", "-1"]).unwrap(), "7");
        assert_eq!(value("__json_value__int", &["[3000000000]", "$[0]", "null", "", "default", "-1"]).unwrap(), "-1");
        assert_eq!(
            value("__json_value__bigint", &["[\"3000000000\"]", "$[0]", "null", "", "null", ""]).unwrap(),
            "3000000000"
        );
        assert_eq!(value("__json_value__boolean", &["[true]", "$[0]", "null", "", "null", ""]).unwrap(), "true");
        assert_eq!(value("__json_value__double", &["[1e2]", "$[0]", "null", "", "null", ""]).unwrap(), "100.0");
        let query = |args: &[&str]| value("json_query", args).unwrap();
        assert_eq!(query(&["[1, 2]", "$", "conditional", "null", "null"]), "[1,2]");
        assert_eq!(query(&["[1, 2]", "$", "unconditional", "null", "null"]), "[[1,2]]");
        assert_eq!(query(&["[1, 2]", "$[0]", "conditional", "null", "null"]), "[1]");
        assert_eq!(query(&[r#"[{"a":1},{"a":"x"}]"#, "$[*].a", "conditional", "null", "null"]), r#"[1,"x"]"#);
        assert_eq!(query(&[r#"[{"a":1},{"a":"x"}]"#, "$[*].a", "without", "null", "empty object"]), "{}");
        assert_eq!(query(&["{}", "$.a", "without", "empty array", "null"]), "[]");
        assert_eq!(value("json_exists", &["{}", "strict $.a", "true"]).unwrap(), "true");
        assert_eq!(value("json_exists", &[r#"{"a":null}"#, "strict $.a", "true"]).unwrap(), "true");
        for (text, kind, expected) in [
            ("{}", "object", "true"),
            ("{}", "array", "false"),
            ("1", "scalar", "true"),
            ("1x", "value", "false"),
            ("", "value", "false"),
        ] {
            assert_eq!(value("is_json", &[text, kind]).unwrap(), expected, "{text} IS JSON {kind}");
        }
    }

    #[test]
    fn columns_and_nulls() {
        let texts: ArrayRef =
            Arc::new(StringArray::from(vec![Some(r#"{"a":1}"#), None, Some("{"), Some(r#"{"a":null}"#)]));
        let of = |name: &str| call(name, vec![texts.clone().into(), ScalarValue::from("$.a").into()], 4).unwrap();
        assert_eq!(of("json_value").as_string::<i32>().iter().collect::<Vec<_>>(), [Some("1"), None, None, None]);
        assert_eq!(
            of("json_exists").as_boolean().iter().collect::<Vec<_>>(),
            [Some(true), None, Some(false), Some(true)]
        );
    }

    #[test]
    fn bad_paths_are_refused() {
        for path in ["a", "$a", "$.", "$[x]", "$['a", "$..a"] {
            let args = vec![ScalarValue::from("{}").into(), ScalarValue::from(path).into()];
            let error = call("json_value", args, 1).unwrap_err().to_string();
            assert!(error.contains("is not understood"), "{path}: {error}");
        }
    }
}
