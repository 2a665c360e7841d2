//! What the options of CSV say. The names are Flink's where Flink has one.

use super::split::Marks;
use crate::format::encoding::Encoding;
use crate::options::{OptionError, OptionSpec, Options};

/// The options of CSV.
pub(super) const OPTIONS: &[OptionSpec] = &[
    OptionSpec {
        name: "csv.field-delimiter",
        help: r"what stands between fields: one ASCII character, \t, or \u0001 and the like (default ,)",
    },
    OptionSpec {
        name: "csv.header",
        help: "whether the first line names the columns: true, false (default true); without one they come in the order of declaration",
    },
    OptionSpec {
        name: "csv.null-literal",
        help: "what stands for NULL besides an empty field (default: nothing); of a VARCHAR only without quotes: in quotes it is text",
    },
    OptionSpec { name: "csv.quote-character", help: "what stands around text with delimiters in it (default \")" },
    OptionSpec {
        name: "csv.disable-quote-character",
        help: "whether quotes are text as everything else: true, false (default false)",
    },
    OptionSpec {
        name: "csv.escape-character",
        help: r"what stands before a character to take as text, as \ (default: none; a quote within quotes is doubled)",
    },
    OptionSpec {
        name: "csv.allow-comments",
        help: "whether lines that begin with # are passed over: true, false (default false)",
    },
    OptionSpec {
        name: "csv.ignore-parse-errors",
        help: "whether a field that does not fit its column, or is missing at a line's end, is NULL, rather than its row a dead letter: true, false (default false)",
    },
    OptionSpec {
        name: "csv.encoding",
        help: "how text is encoded that is read, as ISO-8859-1 or UTF-16 (default UTF-8; a byte order mark is heeded)",
    },
    OptionSpec {
        name: "csv.decimal-separator",
        help: "what stands before the fraction of a number: . or , as in 1,5 (default .)",
    },
    OptionSpec {
        name: "csv.thousands-separator",
        help: "what stands between groups of three digits of a number, as . of 1.234,5 (default: nothing)",
    },
];

/// How CSV is written.
#[derive(Clone, Debug)]
pub(super) struct Dialect {
    pub(super) marks: Marks,
    pub(super) header: bool,
    pub(super) null: Option<Vec<u8>>,
    /// Whether a field that does not fit its column is NULL.
    pub(super) lenient: bool,
    pub(super) encoding: Option<Encoding>,
    pub(super) decimal: u8,
    pub(super) thousands: Option<u8>,
}

const BOOLEANS: &[(&str, bool)] = &[("true", true), ("false", false)];

impl Dialect {
    pub(super) fn new(options: &Options, longest: usize) -> Result<Dialect, OptionError> {
        let is = |name: &str| options.one_of(name, BOOLEANS);
        let unquoted = is("csv.disable-quote-character")?.unwrap_or(false);
        let quote = character(options, "csv.quote-character")?;
        if unquoted && quote.is_some() {
            let reason = "'csv.disable-quote-character' is true: leave one of both out";
            return Err(invalid(options, "csv.quote-character", reason));
        }
        let marks = Marks {
            delimiter: character(options, "csv.field-delimiter")?.unwrap_or(b','),
            quote: (!unquoted).then_some(quote.unwrap_or(b'"')),
            // The quote as its own escape says what is said already.
            escape: character(options, "csv.escape-character")?.filter(|escape| *escape != quote.unwrap_or(b'"')),
            comments: is("csv.allow-comments")?.unwrap_or(false),
            longest,
        };
        let dialect = Dialect {
            marks,
            header: is("csv.header")?.unwrap_or(true),
            null: options.get("csv.null-literal").map(|text| text.as_bytes().to_vec()),
            lenient: is("csv.ignore-parse-errors")?.unwrap_or(false),
            encoding: Encoding::of(options, "csv.encoding")?,
            decimal: options.one_of("csv.decimal-separator", &[(".", b'.'), (",", b',')])?.unwrap_or(b'.'),
            thousands: character(options, "csv.thousands-separator")?,
        };
        let given = |name: &'static str, byte: Option<u8>| options.get(name).and(byte).map(|byte| (name, byte));
        let marks = [
            Some(("csv.field-delimiter", dialect.marks.delimiter)),
            dialect.marks.quote.map(|quote| ("csv.quote-character", quote)),
            given("csv.escape-character", dialect.marks.escape),
        ];
        let marks: Vec<(&str, u8)> = marks.into_iter().flatten().collect();
        for (at, (name, byte)) in marks.iter().enumerate().skip(1) {
            if let Some((other, _)) = marks[..at].iter().find(|(_, other)| other == byte) {
                let given = if options.get(name).is_some() { name } else { other };
                return Err(invalid(options, given, "stands for something else already"));
            }
        }
        if dialect.thousands == Some(dialect.decimal) {
            return Err(invalid(options, "csv.thousands-separator", "is the decimal separator too"));
        }
        Ok(dialect)
    }

    /// A number with a point before its fraction and nothing between its digits, if it is one in this dialect.
    pub(super) fn number<'a>(&self, text: &'a [u8], plain: &'a mut Vec<u8>) -> Option<&'a [u8]> {
        let text = text.trim_ascii();
        let whole = text.iter().position(|byte| *byte == self.decimal).unwrap_or(text.len());
        plain.clear();
        if let Some(thousands) = self.thousands {
            let mut groups = text[..whole].split(|byte| *byte == thousands);
            let first = groups.next().unwrap_or_default();
            let digits = first.iter().filter(|byte| byte.is_ascii_digit()).count();
            plain.extend_from_slice(first);
            let mut several = false;
            for group in groups {
                if group.len() != 3 || !group.iter().all(u8::is_ascii_digit) {
                    return None;
                }
                several = true;
                plain.extend_from_slice(group);
            }
            if several && !(1..=3).contains(&digits) {
                return None;
            }
        } else {
            plain.extend_from_slice(&text[..whole]);
        }
        if self.decimal != b'.' && plain.contains(&b'.') {
            return None;
        }
        if whole < text.len() {
            plain.push(b'.');
            plain.extend_from_slice(&text[whole + 1..]);
        }
        Some(plain)
    }

    /// Whether numbers are written as everywhere else.
    pub(super) fn plain_numbers(&self) -> bool {
        self.decimal == b'.' && self.thousands.is_none()
    }
}

fn invalid(options: &Options, name: &str, reason: &str) -> OptionError {
    let value = options.get(name).unwrap_or_default().to_owned();
    OptionError::Invalid { name: name.to_owned(), value, reason: reason.to_owned() }
}

/// One ASCII character.
fn character(options: &Options, name: &str) -> Result<Option<u8>, OptionError> {
    let Some(text) = options.get(name) else { return Ok(None) };
    let coded = text.strip_prefix("\\u").filter(|code| code.len() == 4);
    let coded = coded.and_then(|code| u8::from_str_radix(code, 16).ok());
    let byte = match (text, text.as_bytes()) {
        ("\\t", _) => Some(b'\t'),
        (_, [byte]) => Some(*byte),
        _ => coded,
    };
    let byte = byte.filter(|byte| byte.is_ascii() && !matches!(byte, b'\n' | b'\r'));
    byte.map(Some).ok_or_else(|| invalid(options, name, r"write one ASCII character, \t, or its code as \u0001"))
}
