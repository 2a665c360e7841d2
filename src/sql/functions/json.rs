//! JSON in text columns: JSON_VALUE (a scalar as text), JSON_QUERY (an object or array as JSON), JSON_EXISTS, by a path
//! like `$.a.b[0]['c d']`. Text that is no JSON, a place that is not there and a JSON null are NULL (JSON_EXISTS: false,
//! but a null is there).

use arrow_array::ArrayRef;
use datafusion_common::{Result, plan_err};
use serde_json::Value;

use super::function::{Args, Form, Function, Kind};

/// Every function of this family.
pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        name: "json_value",
        aliases: &[],
        forms: &[Form::new(&[Kind::Text, Kind::Text], Kind::Text, |args| {
            texts(args, |value| match value {
                Value::String(text) => Some(text.clone()),
                Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
                Value::Null | Value::Array(_) | Value::Object(_) => None,
            })
        })
        .checked(check)],
    },
    Function {
        name: "json_query",
        aliases: &[],
        forms: &[Form::new(&[Kind::Text, Kind::Text], Kind::Text, |args| {
            texts(args, |value| (value.is_array() || value.is_object()).then(|| value.to_string()))
        })
        .checked(check)],
    },
    Function {
        name: "json_exists",
        aliases: &[],
        forms: &[Form::new(&[Kind::Text, Kind::Text], Kind::Bool, exists).checked(check)],
    },
];

/// One step down.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Key(String),
    Index(usize),
}

fn parse(path: &str) -> Result<Vec<Step>> {
    let refuse =
        |at: &str| plan_err!("JSON path '{path}': '{at}' is not understood; write a path like $.a.b[0]['c d']");
    let trimmed = path.trim();
    let trimmed = trimmed.strip_prefix("lax ").or(trimmed.strip_prefix("strict ")).unwrap_or(trimmed).trim_start();
    let Some(mut rest) = trimmed.strip_prefix('$') else { return refuse(trimmed) };
    let mut steps = Vec::new();
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('.') {
            let end = after.find(['.', '[']).unwrap_or(after.len());
            let (name, after) = after.split_at(end);
            if name.is_empty() || name == "*" {
                return refuse(rest);
            }
            steps.push(Step::Key(name.to_owned()));
            rest = after;
        } else if let Some((quote, after)) =
            ["['", "[\""].iter().find_map(|open| Some((&open[1..], rest.strip_prefix(open)?)))
        {
            let Some((name, after)) = after.split_once(&format!("{quote}]")) else { return refuse(rest) };
            steps.push(Step::Key(name.to_owned()));
            rest = after;
        } else if let Some((index, after)) = rest.strip_prefix('[').and_then(|after| after.split_once(']')) {
            let Ok(index) = index.trim().parse() else { return refuse(rest) };
            steps.push(Step::Index(index));
            rest = after;
        } else {
            return refuse(rest);
        }
    }
    Ok(steps)
}

fn check(constants: &[Option<&str>]) -> Result<()> {
    constants[1].map_or(Ok(()), |path| parse(path).map(drop))
}

fn find<'a>(root: &'a Value, steps: &[Step]) -> Option<&'a Value> {
    steps.iter().try_fold(root, |value, step| match step {
        Step::Key(key) => value.get(key),
        Step::Index(index) => value.get(index),
    })
}

/// The path in argument 1, for the rows of one call.
struct Paths(Option<(String, Vec<Step>)>);

impl Paths {
    fn get(&mut self, path: &str) -> Result<&[Step]> {
        if self.0.as_ref().is_none_or(|(known, _)| known != path) {
            self.0 = Some((path.to_owned(), parse(path)?));
        }
        Ok(self.0.as_ref().map_or(&[], |(_, steps)| steps))
    }
}

fn texts(args: &Args, show: impl Fn(&Value) -> Option<String>) -> Result<ArrayRef> {
    let (text, path) = (args.text(0), args.text(1));
    let (mut paths, mut failed) = (Paths(None), Ok(()));
    let result = args.texts(|row, out| {
        let (text, path) = (text.get(row)?, path.get(row)?);
        let steps = paths.get(path).map_err(|error| failed = Err(error)).ok()?;
        let root: Value = serde_json::from_str(text).ok()?;
        out.push_str(&show(find(&root, steps)?)?);
        Some(())
    });
    failed.map(|()| result)
}

fn exists(args: &Args) -> Result<ArrayRef> {
    let (text, path) = (args.text(0), args.text(1));
    let (mut paths, mut failed) = (Paths(None), Ok(()));
    let result = args.bools(|row| {
        let (text, path) = (text.get(row)?, path.get(row)?);
        let steps = paths.get(path).map_err(|error| failed = Err(error)).ok()?;
        let root: Option<Value> = serde_json::from_str(text).ok();
        Some(root.is_some_and(|root| find(&root, steps).is_some()))
    });
    failed.map(|()| result)
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
        for path in ["a", "$a", "$.", "$[x]", "$['a", "$..a", "$.*"] {
            let args = vec![ScalarValue::from("{}").into(), ScalarValue::from(path).into()];
            let error = call("json_value", args, 1).unwrap_err().to_string();
            assert!(error.contains("is not understood"), "{path}: {error}");
        }
    }
}
