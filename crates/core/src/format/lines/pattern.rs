//! Lines by a pattern: each column is what a group of its name matches. A group that took no part is NULL, and so is what equals
//! the null literal, and the empty text where no text is meant.
//!
//! The pattern is found anywhere in the line (`^` and `$` tie it to its ends), in time linear in the line, whatever both are.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use regex::{CaptureLocations, RegexBuilder};

use super::{LineFormat, Lines, LinesDecoding, cells_of, finished, take_meant};
use crate::format::cells::Cells;
use crate::format::encoding::Encoding;
use crate::format::{Decoding, FormatError, Layout, listed};
use crate::options::{OptionError, Options};

/// What a compiled pattern may occupy, in bytes.
const MOST_BYTES: usize = 64 << 20;

/// What is said of text in another encoding; `option` says which it is.
pub(super) fn not_utf8(option: &str) -> String {
    format!("not UTF-8; say how it is encoded, as '{option}' = 'ISO-8859-1' or 'UTF-16'")
}

/// The names of a format's options.
pub(super) struct Names {
    pub(super) format: &'static str,
    pub(super) pattern: &'static str,
    pub(super) null: &'static str,
    pub(super) encoding: &'static str,
}

/// How a pattern's lines are read; `groups` are the groups of each column besides those of its name.
pub(super) fn decoding(
    layout: &Layout,
    options: &Options,
    names: &Names,
    pattern: &str,
    aliases: &[(String, String)],
) -> Result<Decoding, FormatError> {
    let invalid = |reason: String| {
        let value = options.get(names.pattern).unwrap_or_default().to_owned();
        FormatError::Option(OptionError::Invalid { name: names.pattern.to_owned(), value, reason })
    };
    let regex = RegexBuilder::new(pattern).size_limit(MOST_BYTES).build().map_err(|error| invalid(told(&error)))?;
    let group = |at: usize, name: &str| {
        let alias = aliases.iter().find(|(group, _)| group == name);
        (at, alias.map_or(name, |(_, column)| column.as_str()).to_owned())
    };
    let groups: Vec<(usize, String)> =
        regex.capture_names().enumerate().filter_map(|(at, name)| Some(group(at, name?))).collect();
    let of = |column: &str| groups.iter().filter(|(_, name)| name == column).map(|(at, _)| *at).collect::<Vec<usize>>();
    if let Some(field) = layout.physical.fields().iter().find(|field| of(field.name()).is_empty()) {
        let there = match groups.is_empty() {
            true => "it has no named group; write (?<name>...)".to_owned(),
            false => format!("its groups are {}", listed(groups.iter().map(|(_, name)| name.as_str()))),
        };
        return Err(invalid(format!("no group is named '{}' as the column is: {there}", field.name())));
    }
    cells_of(names.format, layout)?;
    let format = Arc::new(PatternFormat {
        layout: layout.clone(),
        regex,
        groups: layout.wanted.fields().iter().map(|field| of(field.name())).collect(),
        null: options.get(names.null).map(|text| text.as_bytes().to_vec()),
        encoding_option: names.encoding,
    });
    let encoding = Encoding::of(options, names.encoding)?;
    Ok(Decoding::Text(Arc::new(LinesDecoding { layout: Arc::new(layout.clone()), encoding, format })))
}

/// What is wrong with a pattern: the last line of what the compiler says, which draws the place before.
fn told(error: &regex::Error) -> String {
    let text = error.to_string();
    let what = text.lines().rev().find_map(|line| line.strip_prefix("error: ")).unwrap_or(&text);
    format!("no regular expression that can be read: {what}")
}

#[derive(Debug)]
struct PatternFormat {
    layout: Layout,
    regex: regex::Regex,
    /// Per wanted column its groups; the first that took part counts.
    groups: Vec<Vec<usize>>,
    null: Option<Vec<u8>>,
    encoding_option: &'static str,
}

impl LineFormat for PatternFormat {
    fn lines(&self) -> Box<dyn Lines> {
        let wanted = self.layout.wanted.clone();
        Box::new(PatternLines {
            cells: wanted
                .fields()
                .iter()
                .filter_map(|field| Cells::new(field.data_type(), &self.layout.times))
                .collect(),
            wanted,
            locations: self.regex.capture_locations(),
            regex: self.regex.clone(),
            groups: self.groups.clone(),
            null: self.null.clone(),
            encoding_option: self.encoding_option,
        })
    }

    fn encoding(&self) -> Option<&'static str> {
        Some(self.encoding_option)
    }
}

struct PatternLines {
    wanted: SchemaRef,
    regex: regex::Regex,
    locations: CaptureLocations,
    groups: Vec<Vec<usize>>,
    null: Option<Vec<u8>>,
    cells: Vec<Cells>,
    encoding_option: &'static str,
}

impl Lines for PatternLines {
    fn takes_blank(&self) -> bool {
        false
    }

    fn line(&mut self, line: &[u8], _: usize) -> Result<(), String> {
        let text = std::str::from_utf8(line).map_err(|_| not_utf8(self.encoding_option))?;
        if self.regex.captures_read(&mut self.locations, text).is_none() {
            return Err("the pattern does not match".to_owned());
        }
        for ((cells, groups), field) in self.cells.iter_mut().zip(&self.groups).zip(self.wanted.fields()) {
            let found = groups.iter().find_map(|group| self.locations.get(*group));
            let found = found.map(|(start, end)| &line[start..end]);
            take_meant(cells, field, found.filter(|text| self.null.as_deref() != Some(*text)))?;
        }
        Ok(())
    }

    fn truncate(&mut self, rows: usize) {
        self.cells.iter_mut().for_each(|cells| cells.truncate(rows));
    }

    fn finish(&mut self, rows: usize) -> RecordBatch {
        finished(&self.wanted, &mut self.cells, rows)
    }
}
