//! The `WITH ('name' = 'value')` options of sources, sinks and views: declared once by who reads them, checked against
//! that declaration, never ignored.

use std::collections::BTreeMap;

use crate::time::parse_duration_ms;

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

    fn read<T>(&self, name: &str, parse: impl Fn(&str) -> Result<T, String>) -> Result<Option<T>, OptionError> {
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
