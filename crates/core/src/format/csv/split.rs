//! Where records end and fields stand.
//!
//! A quote opens quoting only at the start of a field; elsewhere it is text. Within quotes delimiters and line ends are text, and
//! a quote is doubled. Quoting that does not come out (no closing quote before the input ends or the row is too long, or text
//! behind a closing quote) costs its record only: that ends at the end of its first line, and what follows is read anew.
//!
//! Invariant: where a record ends does not depend on how much behind it is known, so chunks cut anywhere give the same records.

/// The bytes that part records and fields.
#[derive(Clone, Copy, Debug)]
pub(super) struct Marks {
    pub(super) delimiter: u8,
    pub(super) quote: Option<u8>,
    pub(super) escape: Option<u8>,
    /// Whether lines that begin with `#` are passed over.
    pub(super) comments: bool,
    /// The longest record: within so many bytes quotes are to be closed.
    pub(super) longest: usize,
}

/// Where the record at the start of some bytes ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Behind so many bytes, its line end among them.
    Whole(usize),
    /// Its quoting does not come out; so long is its first line.
    Broken(usize, &'static str),
    /// Further on than is known.
    Beyond,
}

const UNCLOSED: &str = "a quote is not closed";
const AFTER: &str = "text after a closing quote";

impl Marks {
    /// The end of the record that begins these bytes; `last` says that no more follow.
    pub(super) fn record_end(&self, bytes: &[u8], last: bool) -> End {
        let open = |end: End| if last { end } else { End::Beyond };
        let line = |bytes: &[u8]| memchr::memchr(b'\n', bytes).map(|newline| newline + 1);
        let plain = || line(bytes).map_or(open(End::Whole(bytes.len())), End::Whole);
        let Some(quote) = self.quote else { return plain() };
        if self.is_comment(bytes) {
            return plain();
        }
        // What follows the first line may not be known yet, so nothing is told of it.
        let broken = |at: usize, what| match line(bytes) {
            Some(end) => End::Broken(end, if at < end { what } else { UNCLOSED }),
            None => open(End::Broken(bytes.len(), what)),
        };
        let mut at = 0;
        loop {
            let Some(found) = memchr::memchr2(quote, b'\n', &bytes[at..]).map(|length| at + length) else {
                return open(End::Whole(bytes.len()));
            };
            if bytes[found] == b'\n' {
                return End::Whole(found + 1);
            }
            at = found + 1;
            if !self.begins_field(bytes, found) {
                continue;
            }
            let Some(closing) = self.closing(bytes, at, quote) else {
                let broken = broken(at, UNCLOSED);
                return if bytes.len() >= self.longest { broken } else { open(broken) };
            };
            at = closing + 1;
            match &bytes[at..] {
                [] | [b'\r'] => return open(End::Whole(bytes.len())),
                [b'\n', ..] => return End::Whole(at + 1),
                [b'\r', b'\n', ..] => return End::Whole(at + 2),
                [byte, ..] if *byte == self.delimiter => {}
                _ => return broken(at, AFTER),
            }
        }
    }

    /// Whether a record is a comment.
    pub(super) fn is_comment(&self, record: &[u8]) -> bool {
        self.comments && record.first() == Some(&b'#')
    }

    /// Whether a field begins at `at` of a record.
    fn begins_field(&self, record: &[u8], at: usize) -> bool {
        let Some(before) = at.checked_sub(1) else { return true };
        let escapes = |escape: u8| record[..before].iter().rev().take_while(|byte| **byte == escape).count();
        record[before] == self.delimiter && self.escape.is_none_or(|escape| escapes(escape) % 2 == 0)
    }

    /// The quote that closes the text from `from` on; what follows it is known, or there is nothing.
    fn closing(&self, bytes: &[u8], mut from: usize, quote: u8) -> Option<usize> {
        let within = &bytes[..bytes.len().min(self.longest)];
        loop {
            let rest = within.get(from..)?;
            let found = match self.escape {
                Some(escape) => memchr::memchr2(quote, escape, rest)?,
                None => memchr::memchr(quote, rest)?,
            };
            let at = from + found;
            if bytes[at] == quote && bytes.get(at + 1) != Some(&quote) {
                return Some(at);
            }
            from = at + 2;
        }
    }

    /// The length of the whole records at the start.
    pub(super) fn cut(&self, bytes: &[u8]) -> usize {
        let mut cut = 0;
        let next_quote = |from: usize| self.quote.and_then(|quote| memchr::memchr(quote, &bytes[from..]));
        let mut quote = next_quote(0);
        loop {
            // Up to the line of the next quote, every line is a record.
            let plain = quote.map_or(bytes.len(), |quote| quote);
            if let Some(newline) = bytes.get(cut..plain).and_then(|plain| memchr::memrchr(b'\n', plain)) {
                cut += newline + 1;
            }
            if quote.is_none() {
                return cut;
            }
            match self.record_end(&bytes[cut..], false) {
                End::Whole(length) | End::Broken(length, _) => cut += length,
                End::Beyond => return cut,
            }
            if quote.is_some_and(|quote| quote < cut) {
                quote = next_quote(cut).map(|length| cut + length);
            }
        }
    }

    /// The field at `at` of a whole record without its end.
    #[inline]
    pub(super) fn field<'a>(&self, record: &'a [u8], at: usize, scratch: &'a mut Vec<u8>) -> Field<'a> {
        match self.quote {
            Some(quote) if record.get(at) == Some(&quote) => self.quoted_field(record, at, quote, scratch),
            _ => match self.escape {
                None => {
                    let rest = &record[at..];
                    let end = rest.iter().position(|byte| *byte == self.delimiter);
                    let text = &rest[..end.unwrap_or(rest.len())];
                    Field { text, raw: text, quoted: false, next: end.map(|end| at + end + 1) }
                }
                Some(escape) => self.escaped_field(record, at, escape, scratch),
            },
        }
    }

    fn escaped_field<'a>(&self, record: &'a [u8], at: usize, escape: u8, scratch: &'a mut Vec<u8>) -> Field<'a> {
        scratch.clear();
        let (mut from, mut end) = (at, at);
        while let Some(byte) = record.get(end).filter(|byte| **byte != self.delimiter) {
            if *byte == escape && end + 1 < record.len() {
                scratch.extend_from_slice(&record[from..end]);
                scratch.push(record[end + 1]);
                end += 2;
                from = end;
            } else {
                end += 1;
            }
        }
        let raw = &record[at..end];
        let next = (end < record.len()).then_some(end + 1);
        if from == at {
            return Field { text: raw, raw, quoted: false, next };
        }
        scratch.extend_from_slice(&record[from..end]);
        Field { text: scratch, raw, quoted: false, next }
    }

    fn quoted_field<'a>(&self, record: &'a [u8], at: usize, quote: u8, scratch: &'a mut Vec<u8>) -> Field<'a> {
        let start = at + 1;
        let end = self.closing(record, start, quote).unwrap_or(record.len());
        let raw = &record[start..end];
        let next = (end + 1 < record.len()).then_some(end + 2);
        let marked = |byte: &u8| *byte == quote || Some(*byte) == self.escape;
        if !raw.iter().any(marked) {
            return Field { text: raw, raw, quoted: true, next };
        }
        scratch.clear();
        let mut rest = raw;
        while let Some(mark) = rest.iter().position(marked) {
            scratch.extend_from_slice(&rest[..mark]);
            scratch.extend(rest.get(mark + 1));
            rest = rest.get(mark + 2..).unwrap_or_default();
        }
        scratch.extend_from_slice(rest);
        Field { text: scratch, raw, quoted: true, next }
    }

    /// The fields of a header.
    pub(super) fn names(&self, header: &[u8]) -> Vec<String> {
        let header = without_end(header);
        let mut scratch = Vec::new();
        let (mut at, mut names) = (0, Vec::new());
        loop {
            let field = self.field(header, at, &mut scratch);
            names.push(String::from_utf8_lossy(field.text).trim().to_owned());
            match field.next {
                Some(next) => at = next,
                None => return names,
            }
        }
    }
}

/// A record without its line end.
pub(super) fn without_end(record: &[u8]) -> &[u8] {
    let record = record.strip_suffix(b"\n").unwrap_or(record);
    record.strip_suffix(b"\r").unwrap_or(record)
}

/// One field.
pub(super) struct Field<'a> {
    /// What it says.
    pub(super) text: &'a [u8],
    /// How that is written, without quotes around it.
    pub(super) raw: &'a [u8],
    pub(super) quoted: bool,
    /// Where the next one begins.
    pub(super) next: Option<usize>,
}
