//! The `WITH ('name' = 'value')` options of sources, sinks and views: declared once by who reads them, checked against
//! that declaration, never ignored.

mod place;
mod walk;

use std::collections::BTreeMap;

use crate::time::parse_duration_ms;

pub use place::{Inputs, Outputs, PART, packed_name};
pub(crate) use walk::{Folder, matching};

/// One option that a connector, format or statement understands.
#[derive(Clone, Copy, Debug)]
pub struct OptionSpec {
    /// Its name as in SQL, `lower-case.with-dots`. A name ending in `*` stands for every option with that prefix.
    pub name: &'static str,
    /// What it means, its unit, its default: one sentence.
    pub help: &'static str,
}

/// Why an option was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OptionError {
    /// No such option.
    #[error("unknown option '{name}' for {owner}; it knows: {known}")]
    Unknown {
        /// The option.
        name: String,
        /// Who was asked.
        owner: String,
        /// The options that exist.
        known: String,
    },
    /// The option is needed.
    #[error("{owner} needs the option '{name}': {help}")]
    Missing {
        /// The option.
        name: String,
        /// Who needs it.
        owner: String,
        /// What it means.
        help: String,
    },
    /// The value does not fit.
    #[error("option '{name}' = '{value}': {reason}")]
    Invalid {
        /// The option.
        name: String,
        /// What was given.
        value: String,
        /// What is wrong and what would do.
        reason: String,
    },
}

/// The options of one statement, by name (lower case).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options(BTreeMap<String, String>);

impl FromIterator<(String, String)> for Options {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(pairs: I) -> Self {
        Options(pairs.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value)).collect())
    }
}

/// The path that a URI of a local file names (`file:///a/b` is `/a/b`); a path is itself.
pub fn local(path: &str) -> &str {
    path.strip_prefix("file://").unwrap_or(path)
}

/// A size in bytes: `1048576`, `1 MiB`, `64KiB`, `1.5 GiB`, `10 MB`.
///
/// ```
/// use highwater_core::options::parse_bytes;
/// assert_eq!((parse_bytes("1 MiB"), parse_bytes("64kb")), (Some(1 << 20), Some(64_000)));
/// assert_eq!((parse_bytes("1.5KiB"), parse_bytes("7"), parse_bytes("1 byte")), (Some(1536), Some(7), None));
/// ```
pub fn parse_bytes(text: &str) -> Option<u64> {
    let text = text.trim();
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let scale: u64 = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kib" => 1 << 10,
        "kb" | "k" => 1_000,
        "mib" => 1 << 20,
        "mb" | "m" => 1_000_000,
        "gib" => 1 << 30,
        "gb" | "g" => 1_000_000_000,
        _ => return None,
    };
    match number.parse::<u64>() {
        Ok(whole) => whole.checked_mul(scale),
        Err(_) => {
            let bytes = number.parse::<f64>().ok()? * scale as f64;
            (bytes.fract() == 0.0 && bytes < u64::MAX as f64).then_some(bytes as u64)
        }
    }
}

impl Options {
    /// The value as written, if given.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// All pairs, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Refuses any option that none of `specs` declares.
    pub fn check(&self, owner: &str, specs: &[&[OptionSpec]]) -> Result<(), OptionError> {
        let known = || specs.iter().flat_map(|specs| specs.iter());
        let fits = |spec: &OptionSpec, name: &str| match spec.name.strip_suffix('*') {
            Some(prefix) => name.starts_with(prefix),
            None => spec.name == name,
        };
        match self.0.keys().find(|name| !known().any(|spec| fits(spec, name))) {
            None => Ok(()),
            Some(name) => Err(OptionError::Unknown {
                name: name.clone(),
                owner: owner.to_owned(),
                known: known().map(|spec| spec.name).collect::<Vec<_>>().join(", "),
            }),
        }
    }

    /// The value parsed by `FromStr`, if given.
    pub fn parse<T: std::str::FromStr>(&self, name: &str, what: &str) -> Result<Option<T>, OptionError> {
        self.read(name, |value| value.trim().parse().map_err(|_| format!("not {what}")))
    }

    /// A size in bytes, if given.
    pub fn bytes(&self, name: &str) -> Result<Option<usize>, OptionError> {
        let refusal = || "write a size, like 64 KiB, 16 MiB or 1000".to_owned();
        self.read(name, |value| parse_bytes(value).and_then(|bytes| bytes.try_into().ok()).ok_or_else(refusal))
    }

    /// A duration in ms, if given.
    pub fn duration_ms(&self, name: &str) -> Result<Option<i64>, OptionError> {
        self.read(name, parse_duration_ms)
    }

    /// One of a set of words (compared without case), if given.
    pub fn one_of<T: Copy>(&self, name: &str, words: &[(&str, T)]) -> Result<Option<T>, OptionError> {
        self.read(name, |value| {
            let found = words.iter().find(|(word, _)| word.eq_ignore_ascii_case(value.trim()));
            found.map(|(_, meaning)| *meaning).ok_or_else(|| {
                format!("write one of {}", words.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(", "))
            })
        })
    }

    /// The value as written, or the refusal that it is missing.
    pub fn required(&self, name: &str, owner: &str, help: &str) -> Result<&str, OptionError> {
        self.get(name).ok_or_else(|| OptionError::Missing {
            name: name.to_owned(),
            owner: owner.to_owned(),
            help: help.to_owned(),
        })
    }

    /// The value as `parse` reads it, if given; `parse` says what is wrong and what would do.
    pub fn read<T>(&self, name: &str, parse: impl Fn(&str) -> Result<T, String>) -> Result<Option<T>, OptionError> {
        self.get(name)
            .map(|value| {
                parse(value).map_err(|reason| OptionError::Invalid {
                    name: name.to_owned(),
                    value: value.to_owned(),
                    reason,
                })
            })
            .transpose()
    }
}
