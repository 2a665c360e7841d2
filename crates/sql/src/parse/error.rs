//! What is wrong with a program, and where: file, line, column, the text underlined, a hint.
//!
//! Lines and columns count from 1, columns in characters. Inside the room a [`Problem`] is a place in a statement; it
//! becomes a [`SqlError`] once the file is known.

use std::fmt;

use datafusion_common::DataFusionError;
use datafusion_sql::sqlparser::tokenizer::{Location, Span};

/// One error of a SQL program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqlError {
    /// The file, as it was named.
    pub file: String,
    /// Line, from 1.
    pub line: u64,
    /// Column in characters, from 1.
    pub column: u64,
    /// How many characters of that line are meant, at least 1.
    pub length: u64,
    /// The line's text.
    pub text: String,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub hint: Option<String>,
}

/// From how far right on a line is shown in part only.
const LONG: usize = 160;

impl SqlError {
    /// The error, or a warning of the same form, as it is shown.
    pub(crate) fn show(&self, kind: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}:{}:{}: {kind}: {}", self.file, self.line, self.column, self.message)?;
        let number = self.line.to_string();
        // Of a very long line, what stands around the place.
        let column = self.column.saturating_sub(1) as usize;
        let cut = if column > LONG { column - LONG / 2 } else { 0 };
        let shown: String = self.text.chars().skip(cut).take(2 * LONG).collect();
        let before = if cut > 0 { "..." } else { "" };
        let behind = if self.text.chars().count() > cut + 2 * LONG { "..." } else { "" };
        writeln!(f, "{number} | {before}{shown}{behind}")?;
        // Tabs stay tabs, so that the marks stand below what they mean.
        let indent: String = before
            .chars()
            .chain(shown.chars().take(column - cut))
            .map(|c| if c == '\t' { '\t' } else { ' ' })
            .collect();
        let marks = "^".repeat((self.length.max(1) as usize).min(2 * LONG));
        write!(f, "{} | {indent}{marks}", " ".repeat(number.len()))?;
        match &self.hint {
            Some(hint) => write!(f, "\nhint: {hint}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for SqlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.show("error", f)
    }
}

impl std::error::Error for SqlError {}

/// All independent errors of a program, in the order of the statements; never none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqlErrors(Vec<SqlError>);

impl From<Vec<SqlError>> for SqlErrors {
    fn from(errors: Vec<SqlError>) -> SqlErrors {
        SqlErrors(errors)
    }
}

impl From<SqlErrors> for Vec<SqlError> {
    fn from(errors: SqlErrors) -> Vec<SqlError> {
        errors.0
    }
}

impl std::ops::Deref for SqlErrors {
    type Target = [SqlError];

    fn deref(&self) -> &[SqlError] {
        &self.0
    }
}

impl IntoIterator for SqlErrors {
    type Item = SqlError;
    type IntoIter = std::vec::IntoIter<SqlError>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl fmt::Display for SqlErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, error) in self.0.iter().enumerate() {
            if place > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for SqlErrors {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.first().map(|first| first as _)
    }
}

/// An error at a place of the statement at hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) span: Span,
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
}

impl Problem {
    pub(crate) fn at(span: Span, message: impl Into<String>) -> Problem {
        Problem { span, message: message.into(), hint: None }
    }

    pub(crate) fn hint(self, hint: impl Into<String>) -> Problem {
        Problem { hint: Some(hint.into()), ..self }
    }

    /// The error in its file; a place that is not known becomes `fallback`.
    pub(crate) fn in_file(self, file: &str, text: &str, fallback: Span) -> SqlError {
        let span = if self.span.start.line == 0 { fallback } else { self.span };
        let line = span.start.line.max(1);
        let column = span.start.column.max(1);
        let source = text.lines().nth(line as usize - 1).unwrap_or("").to_owned();
        let room = (source.chars().count() as u64 + 1).saturating_sub(column).max(1);
        let length = if span.end.line == line { span.end.column.saturating_sub(column) } else { room };
        SqlError {
            file: file.to_owned(),
            line,
            column,
            length: length.clamp(1, room),
            text: source,
            message: self.message,
            hint: self.hint,
        }
    }
}

/// A span from the start of one to the end of another.
pub(crate) fn through(from: Span, to: Span) -> Span {
    Span { start: from.start, end: to.end }
}

/// `near` and then the rest of `names` that resemble `wanted`, for a hint: nearest first, at most three.
pub(crate) fn nearest<'a>(wanted: &str, names: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let wanted = wanted.to_lowercase();
    let begins = |name: &str| wanted.chars().count() > 3 && name.starts_with(&wanted);
    let mut near: Vec<(usize, &str)> = names
        .into_iter()
        // What is written in part is hardly anything else.
        .map(|name| (name, name.to_lowercase()))
        .map(|(name, lower)| (if begins(&lower) { 1 } else { distance(&wanted, &lower) }, name))
        .filter(|(far, name)| far * 2 <= wanted.chars().count().max(name.chars().count()))
        .collect();
    near.sort();
    near.dedup();
    near.into_iter().take(3).map(|(_, name)| name.to_owned()).collect()
}

/// «did you mean a, b?», or else the list of all names.
pub(crate) fn suggest<'a>(wanted: &str, names: impl IntoIterator<Item = &'a str>, what: &str) -> Option<String> {
    let names: Vec<&str> = names.into_iter().collect();
    let near = nearest(wanted, names.iter().copied());
    match (near.is_empty(), names.is_empty()) {
        (false, _) => Some(format!("did you mean {}?", near.join(", "))),
        (true, false) => {
            let shown = names.iter().take(20).copied().collect::<Vec<_>>().join(", ");
            let more = if names.len() > 20 { ", ..." } else { "" };
            Some(format!("{what}: {shown}{more}"))
        }
        (true, true) => None,
    }
}

/// What other engines call options.
const OPTION_WORDS: &[(&str, &str)] = &[
    ("sep", "field-delimiter"),
    ("separator", "field-delimiter"),
    ("delim", "field-delimiter"),
    ("charset", "encoding"),
    ("nullstr", "null-literal"),
    ("null_padding", "ignore-parse-errors"),
    ("ignore_errors", "ignore-parse-errors"),
    ("dateformat", "date.format"),
    ("date-format", "date.format"),
    ("timestampformat", "timestamp.format"),
    ("timestamp-format", "timestamp.format"),
];

/// The same of options: those of which a part is meant too, and in the list those of the prefix and of the format first.
pub(crate) fn suggest_option(wanted: &str, mut names: Vec<&str>, format: &str) -> Option<String> {
    let wanted = wanted.to_lowercase();
    let (prefix, bare) = wanted.rsplit_once('.').unwrap_or(("", &wanted));
    let other = OPTION_WORDS.iter().find(|(word, _)| *word == bare).map(|(_, meant)| *meant);
    if other.is_some() || nearest(&wanted, names.iter().copied()).is_empty() {
        let bare = other.unwrap_or(bare);
        let of_format = |name: &str| name.split_once('.').is_none_or(|(of, _)| of == format || of == prefix);
        let meant = |name: &&&str| bare.len() > 2 && (of_format(name) || *name == &bare) && name.contains(bare);
        let near: Vec<&str> = names.iter().filter(meant).copied().take(3).collect();
        if !near.is_empty() {
            return Some(format!("did you mean {}?", near.join(", ")));
        }
    }
    let first =
        |name: &str| name.split_once('.').is_some_and(|(of, _)| of == prefix || (of == format && !of.is_empty()));
    names.sort_by_key(|name| !first(name));
    suggest(&wanted, names, "the options are")
}

/// The edit distance of two words; two letters that changed places count once.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![(0..=b.len()).collect::<Vec<usize>>()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let above = &rows[i - 1];
            let mut least = (above[j - 1] + usize::from(a[i - 1] != b[j - 1])).min(above[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(rows[i - 2][j - 2] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

/// A problem as an error of the planner, on its way through it.
pub(crate) fn placed(problem: Problem) -> DataFusionError {
    DataFusionError::External(Box::new(problem))
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Problem {}

/// A place as the planner writes it.
pub(crate) fn from_planner(span: datafusion_common::Span) -> Span {
    Span {
        start: Location { line: span.start.line, column: span.start.column },
        end: Location { line: span.end.line, column: span.end.column },
    }
}

#[cfg(test)]
mod tests {
    use datafusion_sql::sqlparser::tokenizer::Location;

    use super::*;

    #[test]
    fn an_error_shows_its_place() {
        let span = Span { start: Location { line: 2, column: 8 }, end: Location { line: 2, column: 13 } };
        let error = Problem::at(span, "no column 'prise'").hint("did you mean price?");
        let shown = error.in_file("q.sql", "-- x\nSELECT prise FROM bids", Span::empty()).to_string();
        let expected = "q.sql:2:8: error: no column 'prise'\n2 | SELECT prise FROM bids\n  |        ^^^^^\nhint: did you mean price?";
        assert_eq!(shown, expected);
    }

    #[test]
    fn of_a_long_line_the_place_is_shown() {
        let text = format!("{}prise{}", "x".repeat(10_000), "y".repeat(10_000));
        let span = Span { start: Location { line: 1, column: 10_001 }, end: Location { line: 1, column: 10_006 } };
        let shown = Problem::at(span, "no column").in_file("q.sql", &text, Span::empty()).to_string();
        let lines: Vec<&str> = shown.lines().collect();
        assert!(lines[1].len() < 400 && lines[1].ends_with("yyy..."), "{shown}");
        assert_eq!(lines[1].find("prise"), lines[2].find("^^^^^"), "{shown}");
    }

    #[test]
    fn a_place_past_the_line_stays_in_it() {
        let span = Span { start: Location { line: 1, column: 3 }, end: Location { line: 9, column: 1 } };
        let error = Problem::at(span, "x").in_file("q.sql", "abcd\nefg", Span::empty());
        assert_eq!((error.column, error.length), (3, 2));
        let error = Problem::at(Span::empty(), "x").in_file("q.sql", "", Span::empty());
        assert_eq!((error.line, error.column, error.length), (1, 1, 1));
    }

    #[test]
    fn near_names_come_nearest_first() {
        assert_eq!(nearest("prise", ["auction", "price", "prize", "bidder"]), ["price", "prize"]);
        assert_eq!(suggest("zzz", ["a", "b"], "it has"), Some("it has: a, b".to_owned()));
        assert_eq!(suggest("zzz", [], "it has"), None);
        let many: Vec<String> = (0..30).map(|at| format!("some.option{at}")).collect();
        let names = || {
            many.iter().map(String::as_str).chain([
                "format",
                "csv.field-delimiter",
                "csv.null-literal",
                "csv.encoding",
                "raw.charset",
                "date.format",
                "json.fail",
            ])
        };
        let hint = |wanted, format| suggest_option(wanted, names().collect(), format).unwrap();
        for (wanted, meant) in [
            ("sep", "csv.field-delimiter"),
            ("delimiter", "csv.field-delimiter"),
            ("null", "csv.null-literal"),
            ("csv.charset", "csv.encoding"),
            ("dateformat", "date.format"),
        ] {
            assert_eq!(hint(wanted, "csv"), format!("did you mean {meant}?"));
        }
        for (wanted, format) in [("csv.foo", "json"), ("quux", "csv")] {
            assert!(
                hint(wanted, format)
                    .starts_with("the options are: csv.field-delimiter, csv.null-literal, csv.encoding, ")
            );
        }
    }
}
