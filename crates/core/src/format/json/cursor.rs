//! A place in JSON text, and the steps from there: space, strings, literals, whole values passed over.
//!
//! Invariant: in the shape of lines no step passes a newline, so a bad line cannot spill into the next.

use super::super::number;

/// What is wrong, and with which column.
#[derive(Debug)]
pub struct Problem {
    /// What is wrong, in plain words.
    pub what: String,
    pub(crate) path: Vec<String>,
}

/// A bad value; boxed, so that good ones are cheap.
pub type Bad = Box<Problem>;

/// How deep a document in a text may nest.
const MAX_DEPTH: u32 = 128;

/// A place in text.
pub struct Cursor<'a> {
    pub(crate) bytes: &'a [u8],
    /// How many bytes of it are read.
    pub at: usize,
    /// Whether a newline is space (in an array) or ends the record.
    pub(crate) newlines: bool,
    /// Where the record began, for messages.
    pub(crate) start: usize,
    /// How many objects and arrays are open here, and how many may be.
    pub(crate) depth: u32,
    pub(crate) max_depth: u32,
}

impl<'a> Cursor<'a> {
    /// At the start of one document.
    pub fn over(text: &'a str) -> Cursor<'a> {
        Cursor { bytes: text.as_bytes(), at: 0, newlines: true, start: 0, depth: 0, max_depth: MAX_DEPTH }
    }

    /// The byte here; 0 at the end.
    #[inline(always)]
    pub fn peek(&self) -> u8 {
        self.bytes.get(self.at).copied().unwrap_or(0)
    }

    /// Passes space.
    #[inline(always)]
    pub fn space(&mut self) {
        while matches!(self.peek(), b' ' | b'\t' | b'\r') || (self.newlines && self.peek() == b'\n') {
            self.at += 1;
        }
    }

    /// The refusal of what stands here.
    #[cold]
    pub fn bad<T>(&self, expected: &str) -> Result<T, Bad> {
        let found = match self.bytes.get(self.at) {
            None | Some(b'\n') => "the end".to_owned(),
            Some(byte) if byte.is_ascii_graphic() => format!("'{}'", char::from(*byte)),
            Some(byte) => format!("byte 0x{byte:02x}"),
        };
        let place = self.at - self.start + 1;
        Err(Box::new(Problem { what: format!("expected {expected} at byte {place}, found {found}"), path: Vec::new() }))
    }

    /// Passes the byte, which must stand here.
    #[inline(always)]
    pub fn expect(&mut self, byte: u8, expected: &str) -> Result<(), Bad> {
        if self.peek() != byte {
            return self.bad(expected);
        }
        self.at += 1;
        Ok(())
    }

    /// Passes a string and its quotes: what stands between them, and whether that has escapes.
    #[inline]
    pub fn string(&mut self) -> Result<(&'a [u8], bool), Bad> {
        self.expect(b'"', "'\"'")?;
        let start = self.at;
        let mut escaped = false;
        loop {
            self.at = special(self.bytes, self.at);
            match self.peek() {
                b'"' => {
                    let text = &self.bytes[start..self.at];
                    self.at += 1;
                    return Ok((text, escaped));
                }
                b'\\' if self.bytes.get(self.at + 1).is_some_and(|next| *next >= 0x20) => {
                    escaped = true;
                    self.at += 2;
                }
                b'\\' => return self.bad("an escape"),
                _ => return self.bad("the end of a string"),
            }
        }
    }

    /// Passes a literal.
    #[inline]
    pub(super) fn literal(&mut self, word: &'static str) -> Result<(), Bad> {
        if !self.bytes[self.at..].starts_with(word.as_bytes()) {
            return self.bad("a value");
        }
        self.at += word.len();
        Ok(())
    }

    /// Passes a number: what it is, and its text.
    #[inline]
    pub(super) fn number(&mut self) -> Result<(number::Number, &'a [u8]), Bad> {
        let rest = &self.bytes[self.at..];
        let Some((number, length)) = number::scan(rest) else { return self.bad("a value") };
        self.at += length;
        Ok((number, &rest[..length]))
    }

    /// Passes a whole value, checking its syntax.
    pub fn skip(&mut self) -> Result<(), Bad> {
        match self.peek() {
            b'"' => {
                let (text, escaped) = self.string()?;
                if escaped { self.unescape(text, &mut Vec::new()) } else { Ok(()) }
            }
            b't' => self.literal("true"),
            b'f' => self.literal("false"),
            b'n' => self.literal("null"),
            b'{' => {
                self.open()?;
                self.space();
                if self.peek() == b'}' {
                    self.close();
                    return Ok(());
                }
                loop {
                    let (key, escaped) = self.string()?;
                    if escaped {
                        self.unescape(key, &mut Vec::new())?;
                    }
                    self.space();
                    self.expect(b':', "':'")?;
                    self.space();
                    self.skip()?;
                    if self.closes(b'}', "',' or '}'")? {
                        return Ok(());
                    }
                }
            }
            b'[' => {
                self.open()?;
                self.space();
                if self.peek() == b']' {
                    self.close();
                    return Ok(());
                }
                loop {
                    self.skip()?;
                    if self.closes(b']', "',' or ']'")? {
                        return Ok(());
                    }
                }
            }
            _ => self.number().map(|_| ()),
        }
    }

    /// After a member: passes a comma (false) or the closing bracket (true), and the space around.
    #[inline(always)]
    pub fn closes(&mut self, bracket: u8, expected: &str) -> Result<bool, Bad> {
        self.space();
        let byte = self.peek();
        if byte == b',' {
            self.at += 1;
            self.space();
            return Ok(false);
        }
        self.expect(bracket, expected)?;
        self.depth -= 1;
        Ok(true)
    }

    /// Passes an opening bracket, if there may be one more.
    #[inline(always)]
    pub fn open(&mut self) -> Result<(), Bad> {
        if self.depth >= self.max_depth {
            return self.bad(&format!("values nested at most {} deep", self.max_depth));
        }
        self.depth += 1;
        self.at += 1;
        Ok(())
    }

    /// Passes a closing bracket.
    #[inline(always)]
    pub fn close(&mut self) {
        self.depth -= 1;
        self.at += 1;
    }

    /// Appends the text that escapes stand for.
    pub fn unescape(&self, text: &[u8], out: &mut Vec<u8>) -> Result<(), Bad> {
        let mut rest = text;
        while let Some(backslash) = memchr::memchr(b'\\', rest) {
            out.extend_from_slice(&rest[..backslash]);
            rest = &rest[backslash + 1..];
            let Some((&kind, after)) = rest.split_first() else { return self.bad("an escape") };
            rest = after;
            out.push(match kind {
                b'"' | b'\\' | b'/' => kind,
                b'b' => 8,
                b'f' => 12,
                b'n' => b'\n',
                b'r' => b'\r',
                b't' => b'\t',
                b'u' => {
                    let Some((character, after)) = unicode(rest) else {
                        return self.bad("a Unicode escape (before here)");
                    };
                    rest = after;
                    out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                    continue;
                }
                _ => return self.bad("a known escape (before here)"),
            });
        }
        out.extend_from_slice(rest);
        Ok(())
    }
}

/// The character of `XXXX`, or of `XXXX\uXXXX` for a pair of surrogates.
fn unicode(text: &[u8]) -> Option<(char, &[u8])> {
    let unit = |text: &[u8]| -> Option<u32> {
        let digits = std::str::from_utf8(text.get(..4)?).ok()?;
        digits.bytes().all(|digit| digit.is_ascii_hexdigit()).then(|| u32::from_str_radix(digits, 16).ok()).flatten()
    };
    let high = unit(text)?;
    if !(0xD800..0xDC00).contains(&high) {
        return Some((char::from_u32(high)?, &text[4..]));
    }
    let low = text[4..].strip_prefix(b"\\u")?;
    let value = unit(low).filter(|low| (0xDC00..0xE000).contains(low))?;
    Some((char::from_u32(0x10000 + ((high - 0xD800) << 10) + (value - 0xDC00))?, &low[4..]))
}

/// The first quote, backslash or control byte at or after `at`, eight bytes at a time; the length if there is none.
#[inline(always)]
fn special(bytes: &[u8], mut at: usize) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    while let Some(Ok(word)) = bytes.get(at..at + 8).map(<[u8; 8]>::try_from) {
        let word = u64::from_le_bytes(word);
        let (quote, backslash) = (word ^ (ONES * 0x22), word ^ (ONES * 0x5C));
        // Each term's lowest bit is exact; false ones stand only above a true one.
        let found = (quote.wrapping_sub(ONES) & !quote)
            | (backslash.wrapping_sub(ONES) & !backslash)
            | (word.wrapping_sub(ONES * 0x20) & !word);
        let found = found & HIGHS;
        if found != 0 {
            return at + (found.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    while bytes.get(at).is_some_and(|byte| !matches!(byte, 0..0x20 | b'"' | b'\\')) {
        at += 1;
    }
    at
}

/// The end of the array element that begins at `at`: behind its last byte; `None` if it does not end here.
pub(super) fn element_end(bytes: &[u8], mut at: usize) -> Option<usize> {
    let mut depth = 0_usize;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => {
                at += 1;
                loop {
                    match bytes.get(at)? {
                        b'"' => break,
                        b'\\' => at += 2,
                        _ => at += 1,
                    }
                }
            }
            b'{' | b'[' => depth += 1,
            b',' | b']' | b'}' if depth == 0 => return Some(at),
            b'}' | b']' => {
                depth -= 1;
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
        at += 1;
    }
    None
}

/// What stands between two elements, or behind the last.
pub(super) struct Gap {
    /// The first byte behind it.
    pub(super) end: usize,
    /// What is wrong with it.
    pub(super) wrong: Option<&'static str>,
    /// Whether the array ends in it.
    closes: bool,
}

/// The gap at `at`. Space alone parts elements as a comma does; a bracket closes the array, once, behind the last of them, or before
/// the next array.
#[inline]
pub(super) fn gap(bytes: &[u8], at: usize) -> Gap {
    let (mut end, mut commas, mut squares, mut curls) = (at, 0, 0, 0);
    while let Some(byte) = bytes.get(end) {
        match byte {
            b',' => commas += 1,
            b']' => squares += 1,
            b'}' => curls += 1,
            b'[' if squares == 1 && curls == 0 => squares = 0,
            byte if byte.is_ascii_whitespace() => {}
            _ => break,
        }
        end += 1;
    }
    let last = end == bytes.len();
    let wrong = match (commas, squares, curls) {
        (0 | 1, 0, 0) => None,
        (0, 1, 0) if last => None,
        (_, _, 1..) => Some("'}' without its '{'"),
        (_, 2.., _) => Some("']' without its '['"),
        (_, 1, _) if !last => Some("']' before the last element"),
        (_, 1, _) => Some("',' with no element behind it"),
        _ => Some("',' with no element before it"),
    };
    Gap { end, wrong, closes: squares > 0 }
}

/// The length of the whole elements at the start, and of the space behind them. What is not space there stays with what
/// follows: only the whole gap says whether it is right.
pub(super) fn cut_elements(bytes: &[u8]) -> usize {
    let mut cut = 0;
    loop {
        let at = gap(bytes, cut).end;
        if at == bytes.len() {
            let space = bytes[cut..].iter().all(u8::is_ascii_whitespace);
            return if space { at } else { cut };
        }
        match element_end(bytes, at) {
            Some(end) => cut = end,
            None => return cut,
        }
    }
}

/// Whether an array has no end whose text ends with these bytes, which begin behind an element. Of an element that is not whole its decoder
/// tells.
pub(super) fn is_open(bytes: &[u8]) -> bool {
    let rest = &bytes[cut_elements(bytes)..];
    let gap = gap(rest, 0);
    gap.end == rest.len() && !gap.closes
}
