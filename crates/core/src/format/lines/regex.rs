//! `regex`: a regular expression with a named group for each column, `(?<status>\d+)`.

use arrow_schema::SchemaRef;

use super::pattern::{Names, decoding};
use crate::format::{Decoding, Encoder, Format, FormatError, Layout, read_only};
use crate::options::{OptionSpec, Options};

/// The format `regex`.
#[derive(Debug)]
pub(in crate::format) struct Regex;

const OPTIONS: &[OptionSpec] = &[
    OptionSpec {
        name: "regex.pattern",
        help: r"what a line is like, with a named group for each column: ^(?<ip>\S+) (?<status>\d+)$",
    },
    OptionSpec { name: "regex.null-literal", help: "what a group matches where it is NULL, as - (default: nothing)" },
    OptionSpec {
        name: "regex.encoding",
        help: "how text is encoded, as ISO-8859-1 or UTF-16 (default UTF-8; a byte order mark is heeded)",
    },
];

const NAMES: Names =
    Names { format: "regex", pattern: OPTIONS[0].name, null: OPTIONS[1].name, encoding: OPTIONS[2].name };

impl Format for Regex {
    fn name(&self) -> &'static str {
        NAMES.format
    }

    fn help(&self) -> &'static str {
        "lines by a regular expression with a named group for each column; read only"
    }

    fn extensions(&self) -> &'static [&'static str] {
        &[]
    }

    fn options(&self) -> &'static [OptionSpec] {
        OPTIONS
    }

    fn decoding(&self, layout: &Layout, options: &Options) -> Result<Decoding, FormatError> {
        let pattern = options.required(NAMES.pattern, "format 'regex'", OPTIONS[0].help)?;
        decoding(layout, options, &NAMES, pattern, &[])
    }

    fn encoder(&self, _: &SchemaRef, _: &Options) -> Result<Box<dyn Encoder>, FormatError> {
        Err(read_only(self.name()))
    }
}
