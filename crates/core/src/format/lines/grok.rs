//! `grok`: a pattern made of named ones, `%{IPORHOST:ip} %{WORD:verb}`, with the usual library (`patterns.txt`, Logstash's) and
//! definitions of one's own. It becomes a regular expression.
//!
//! The library is written for engines that look around and backtrack. Here matching is linear in the line, so of the library's
//! patterns what looks around is left out, and what is atomic is not: between the texts that stand around them in a line they match
//! the same. A pattern of one's own that looks around is refused.

use std::collections::HashMap;

use arrow_schema::SchemaRef;

use super::pattern::{Names, decoding};
use crate::format::{Decoding, Encoder, Format, FormatError, Layout, read_only};
use crate::options::{OptionError, OptionSpec, Options};

/// The format `grok`.
#[derive(Debug)]
pub(in crate::format) struct Grok;

/// How deep patterns may be made of others.
const MOST_DEPTH: usize = 32;

/// How long the regular expression may be that a pattern is made into, in bytes.
const MOST_LENGTH: usize = 1 << 20;

const OPTIONS: &[OptionSpec] = &[
    OptionSpec {
        name: "grok.pattern",
        help: "what a line is like, of named patterns: %{COMBINEDAPACHELOG}, %{IPORHOST:ip} %{NUMBER:bytes}",
    },
    OptionSpec { name: "grok.null-literal", help: "what is matched where a column is NULL, as - (default: nothing)" },
    OptionSpec {
        name: "grok.encoding",
        help: "how text is encoded, as ISO-8859-1 or UTF-16 (default UTF-8; a byte order mark is heeded)",
    },
    OptionSpec { name: "grok.definitions", help: "patterns of one's own, a line each: NAME regular-expression" },
];

const NAMES: Names =
    Names { format: "grok", pattern: OPTIONS[0].name, null: OPTIONS[1].name, encoding: OPTIONS[2].name };

impl Format for Grok {
    fn name(&self) -> &'static str {
        NAMES.format
    }

    fn help(&self) -> &'static str {
        "lines by a grok pattern, %{IPORHOST:ip} %{WORD:verb}, with the usual library; read only"
    }

    fn extensions(&self) -> &'static [&'static str] {
        &[]
    }

    fn options(&self) -> &'static [OptionSpec] {
        OPTIONS
    }

    fn decoding(&self, layout: &Layout, options: &Options) -> Result<Decoding, FormatError> {
        let pattern = options.required(NAMES.pattern, "format 'grok'", OPTIONS[0].help)?;
        let invalid = |reason| {
            FormatError::Option(OptionError::Invalid {
                name: NAMES.pattern.to_owned(),
                value: pattern.to_owned(),
                reason,
            })
        };
        let mut library = Library::new(options.get(OPTIONS[3].name).unwrap_or_default());
        let expression = library.expanded(pattern, true, 0).map_err(invalid)?;
        decoding(layout, options, &NAMES, &expression, &library.groups)
    }

    fn encoder(&self, _: &SchemaRef, _: &Options) -> Result<Box<dyn Encoder>, FormatError> {
        Err(read_only(self.name()))
    }
}

/// The usual patterns.
pub(super) const LIBRARY: &str = include_str!("patterns.txt");

/// The names and patterns of a text that defines one a line.
pub(super) fn definitions(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let lines = text.lines().map(str::trim_start).filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.split_once(char::is_whitespace)).map(|(name, pattern)| (name, pattern.trim_start()))
}

/// The named patterns, and the groups that were made of them.
pub(super) struct Library<'a> {
    /// Each pattern, and whether it is one's own.
    patterns: HashMap<&'a str, (&'a str, bool)>,
    /// The name of each group, and of its column. Groups have names of their own, for a column may be in several places.
    pub(super) groups: Vec<(String, String)>,
}

impl<'a> Library<'a> {
    pub(super) fn new(own: &'a str) -> Library<'a> {
        let usual = definitions(LIBRARY).map(|(name, pattern)| (name, (pattern, false)));
        let own = definitions(own).map(|(name, pattern)| (name, (pattern, true)));
        Library { patterns: usual.chain(own).collect(), groups: Vec::new() }
    }

    /// The regular expression that a pattern stands for.
    pub(super) fn expanded(&mut self, pattern: &str, own: bool, depth: usize) -> Result<String, String> {
        if depth > MOST_DEPTH {
            return Err(format!("patterns are made of patterns more than {MOST_DEPTH} deep"));
        }
        let plain;
        let pattern = if own {
            pattern
        } else {
            plain = without_looking(pattern);
            &plain
        };
        let (mut made, mut rest) = (String::new(), pattern);
        while let Some(at) = rest.find(['%', '(', '\\']) {
            made.push_str(&rest[..at]);
            rest = &rest[at..];
            if rest.starts_with('\\') {
                let length = 1 + rest[1..].chars().next().map_or(0, char::len_utf8);
                made.push_str(&rest[..length]);
                rest = &rest[length..];
            } else if let Some(inside) = rest.strip_prefix("%{") {
                let end = inside.find('}').ok_or_else(|| format!("'{rest}' has no '}}'"))?;
                made.push_str(&self.named(&inside[..end], depth)?);
                if made.len() > MOST_LENGTH {
                    return Err(format!("it is made into a regular expression of more than {MOST_LENGTH} bytes"));
                }
                rest = &inside[end + 1..];
            } else if let Some((name, length)) = group_name(rest) {
                let name = self.group(name);
                made.push_str(&format!("(?P<{name}>"));
                rest = &rest[length..];
            } else {
                made.push_str(&rest[..1]);
                rest = &rest[1..];
            }
        }
        made.push_str(rest);
        Ok(made)
    }

    /// What `%{NAME}`, `%{NAME:column}` and `%{NAME:column:type}` stand for; of which type a column is, its declaration says.
    fn named(&mut self, inside: &str, depth: usize) -> Result<String, String> {
        let mut words = inside.splitn(3, ':');
        let (name, column) = (words.next().unwrap_or_default(), words.next());
        let Some((pattern, own)) = self.patterns.get(name).copied() else {
            return Err(format!("there is no pattern '{name}'; define it in 'grok.definitions'"));
        };
        let group = column.map(|column| self.group(column));
        let made = self.expanded(pattern, own, depth + 1)?;
        Ok(match group {
            Some(group) => format!("(?P<{group}>{made})"),
            None => format!("(?:{made})"),
        })
    }

    /// The name of a new group for a column.
    fn group(&mut self, column: &str) -> String {
        let name = format!("g{}", self.groups.len());
        self.groups.push((name.clone(), column.to_owned()));
        name
    }
}

/// The name of the named group that begins a text, and how long that beginning is.
fn group_name(text: &str) -> Option<(&str, usize)> {
    let name = text.strip_prefix("(?<").or_else(|| text.strip_prefix("(?P<"))?;
    let name = &name[..name.find('>')?];
    let is_name = name.starts_with(|c: char| c.is_alphabetic() || c == '_');
    is_name.then(|| (name, text.find('>').map_or(0, |end| end + 1)))
}

/// A pattern without what looks around, and with its atomic groups plain.
fn without_looking(pattern: &str) -> String {
    let (mut plain, mut rest) = (String::with_capacity(pattern.len()), pattern);
    while let Some(at) = rest.find("(?") {
        plain.push_str(&rest[..at]);
        rest = &rest[at..];
        if ["(?<!", "(?<=", "(?!", "(?="].iter().any(|looks| rest.starts_with(looks)) {
            rest = &rest[group_length(rest)..];
        } else if let Some(after) = rest.strip_prefix("(?>") {
            plain.push_str("(?:");
            rest = after;
        } else {
            plain.push_str("(?");
            rest = &rest[2..];
        }
    }
    plain.push_str(rest);
    plain
}

/// The length of the group that begins a text.
fn group_length(text: &str) -> usize {
    let (mut depth, mut class, mut escaped) = (0_usize, false, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'[' => class = true,
            b']' => class = false,
            b'(' if !class => depth += 1,
            b')' if !class => {
                depth -= 1;
                if depth == 0 {
                    return at + 1;
                }
            }
            _ => {}
        }
    }
    text.len()
}
