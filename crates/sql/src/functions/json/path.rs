//! Paths into JSON: `$.a.b[0]['c d']`, `$."c d"`, `$.a[*].b`, `$.*`, behind `lax` or `strict`. `lax` is what a path without either is.

use datafusion_common::{Result, plan_err};

/// One step down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A member of an object.
    Key(String),
    /// An item of an array, from 0.
    Index(usize),
    /// All items of an array.
    Items,
    /// All members of an object.
    Members,
}

/// A path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Path {
    /// Whether a place that is not there is an error, not nothing.
    pub(super) strict: bool,
    pub(super) steps: Vec<Step>,
}

impl Path {
    /// Reads a path, or says which part of it is not understood.
    pub(super) fn parse(path: &str) -> Result<Path> {
        let refuse = |at: &str| {
            plan_err!("JSON path '{path}': '{at}' is not understood; write a path like $.a.b[0]['c d'] or $.a[*]")
        };
        let trimmed = path.trim();
        let (strict, trimmed) = match (trimmed.strip_prefix("strict "), trimmed.strip_prefix("lax ")) {
            (Some(rest), _) => (true, rest.trim_start()),
            (None, rest) => (false, rest.unwrap_or(trimmed).trim_start()),
        };
        let Some(mut rest) = trimmed.strip_prefix('$') else { return refuse(trimmed) };
        let mut steps = Vec::new();
        while !rest.is_empty() {
            // Of `$.['a']` the dot says nothing.
            rest = if rest.starts_with(".[") { &rest[1..] } else { rest };
            let quoted = ["['", "[\""].iter().find_map(|open| Some((&open[1..], rest.strip_prefix(open)?)));
            if let Some(after) = rest.strip_prefix(".\"") {
                let Some((name, after)) = after.split_once('"') else { return refuse(rest) };
                steps.push(Step::Key(name.to_owned()));
                rest = after;
            } else if let Some(after) = rest.strip_prefix('.') {
                let end = after.find(['.', '[']).unwrap_or(after.len());
                let (name, after) = after.split_at(end);
                if name.ends_with(')') && name.contains('(') {
                    return plan_err!(
                        "JSON path '{path}': {name} is a method, and paths have none here; write the path alone, RETURNING DOUBLE and \
                         the like for a type, CARDINALITY(x) of a column that is declared as ARRAY for a size, or $.\"{name}\" for a member \
                         of that name"
                    );
                }
                steps.push(match name {
                    "" => return refuse(rest),
                    "*" => Step::Members,
                    name => Step::Key(name.to_owned()),
                });
                rest = after;
            } else if let Some((quote, after)) = quoted {
                let Some((name, after)) = after.split_once(&format!("{quote}]")) else { return refuse(rest) };
                steps.push(Step::Key(name.to_owned()));
                rest = after;
            } else if let Some((index, after)) = rest.strip_prefix('[').and_then(|after| after.split_once(']')) {
                steps.push(match (index.trim(), index.trim().parse()) {
                    ("*", _) => Step::Items,
                    (_, Ok(index)) => Step::Index(index),
                    _ => return refuse(rest),
                });
                rest = after;
            } else {
                return refuse(rest);
            }
        }
        Ok(Path { strict, steps })
    }

    /// Whether there may be several places.
    pub(super) fn many(&self) -> bool {
        self.steps.iter().any(|step| matches!(step, Step::Items | Step::Members))
    }
}

/// The last path that was read: it is the same for most rows.
#[derive(Default)]
pub(super) struct Paths(Option<(String, Path)>);

impl Paths {
    pub(super) fn get(&mut self, text: &str) -> Result<&Path> {
        if self.0.as_ref().is_none_or(|(known, _)| known != text) {
            self.0 = Some((text.to_owned(), Path::parse(text)?));
        }
        match &self.0 {
            Some((_, path)) => Ok(path),
            None => unreachable!("it was just put there"),
        }
    }
}
