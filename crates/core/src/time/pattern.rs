//! Java's date patterns (`yyyy-MM-dd HH:mm:ss.SSS`), compiled once, to write and read times.

use std::fmt::Write;
use std::ops::Range;

use super::civil::{Civil, DAY_MS, iso_weekday};

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const WEEKDAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

/// How often a letter stands in a row at most, as in Java: a number of more digits there is not.
const MOST_LETTERS: usize = 19;

/// A compiled pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    pieces: Vec<Piece>,
    step_ms: i64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Literal(String),
    /// A letter and how often it stands there.
    Field(char, usize),
}

impl Piece {
    /// What it writes changes with multiples of this at most.
    fn step_ms(&self) -> i64 {
        match self {
            Piece::Field('H' | 'h' | 'a', _) => 3_600_000,
            Piece::Field('m', _) => 60_000,
            Piece::Field('s', _) => 1_000,
            Piece::Field('S', _) => 1,
            Piece::Field(..) | Piece::Literal(_) => DAY_MS,
        }
    }
}

impl Pattern {
    /// Compiles a pattern, or says which part of it is not understood.
    pub fn compile(text: &str) -> Result<Pattern, String> {
        let mut pieces = Vec::new();
        let mut chars = text.chars().peekable();
        let literal = |pieces: &mut Vec<Piece>, c: char| match pieces.last_mut() {
            Some(Piece::Literal(text)) => text.push(c),
            _ => pieces.push(Piece::Literal(c.into())),
        };
        while let Some(c) = chars.next() {
            match c {
                '\'' if chars.next_if_eq(&'\'').is_some() => literal(&mut pieces, '\''),
                '\'' => loop {
                    match chars.next() {
                        Some('\'') if chars.next_if_eq(&'\'').is_none() => break,
                        Some(c) => literal(&mut pieces, c),
                        None => return Err(format!("date pattern '{text}': a quote is not closed")),
                    }
                },
                'a'..='z' | 'A'..='Z' => {
                    let mut count = 1;
                    while chars.next_if_eq(&c).is_some() {
                        count += 1;
                    }
                    if count > MOST_LETTERS {
                        return Err(format!(
                            "date pattern '{text}': letter '{c}' stands there {count} times; at most {MOST_LETTERS}"
                        ));
                    }
                    if !"yuMdDHhmsSaEXZ".contains(c) {
                        return Err(format!(
                            "date pattern '{text}': letter '{c}' is not understood; use y M d D H h m s S a E X Z and quote text like 'T'"
                        ));
                    }
                    pieces.push(Piece::Field(c, count));
                }
                c => literal(&mut pieces, c),
            }
        }
        let step_ms = pieces.iter().map(Piece::step_ms).min().unwrap_or(DAY_MS);
        Ok(Pattern { pieces, step_ms })
    }

    /// The times that clocks show, in ms, for which it writes the same as for this one, as long as they are equally far ahead of
    /// UTC: who writes many times, most of them close to the one before, need not write each.
    pub fn alike(&self, local_ms: i64) -> Range<i64> {
        match local_ms.checked_sub(local_ms.rem_euclid(self.step_ms)) {
            Some(from) => from..from.saturating_add(self.step_ms),
            None => local_ms..local_ms + 1,
        }
    }

    /// Whether it reads an offset: what it reads is an instant then.
    pub fn reads_offset(&self) -> bool {
        self.pieces.iter().any(|piece| matches!(piece, Piece::Field('X' | 'Z', _)))
    }

    /// Writes the time that clocks show which are `offset_ms` ahead of UTC. Answers nothing that can fail: writing to a
    /// `String` does not.
    pub fn write(&self, local_ms: i64, offset_ms: i64, out: &mut String) {
        let ms = local_ms;
        let day = ms.div_euclid(DAY_MS);
        let date = Civil::of_day(day);
        let of_day = ms.rem_euclid(DAY_MS);
        let hour = of_day / 3_600_000;
        for piece in &self.pieces {
            let (letter, count) = match piece {
                Piece::Literal(text) => {
                    out.push_str(text);
                    continue;
                }
                Piece::Field(letter, count) => (*letter, *count),
            };
            match letter {
                'y' | 'u' if count == 2 => padded(out, date.year.rem_euclid(100), 2),
                'y' | 'u' => padded(out, date.year, count),
                'M' if count == 3 => out.push_str(&MONTHS[date.month as usize - 1][..3]),
                'M' if count > 3 => out.push_str(MONTHS[date.month as usize - 1]),
                'M' => padded(out, date.month, count),
                'd' => padded(out, date.day, count),
                'D' => padded(out, day - Civil { month: 1, day: 1, ..date }.to_day() + 1, count),
                'H' => padded(out, hour, count),
                'h' => padded(out, (hour + 11) % 12 + 1, count),
                'm' => padded(out, of_day / 60_000 % 60, count),
                's' => padded(out, of_day / 1_000 % 60, count),
                'S' => fraction(out, of_day % 1_000, count),
                'a' => out.push_str(if hour < 12 { "AM" } else { "PM" }),
                'E' => {
                    let name = WEEKDAYS[iso_weekday(day) as usize - 1];
                    out.push_str(if count > 3 { name } else { &name[..3] });
                }
                'X' if offset_ms == 0 => out.push('Z'),
                letter => written_offset(out, offset_ms, letter, count),
            }
        }
    }

    /// Reads a time; `None` if the text is not of this pattern or no date. What the pattern leaves out is the start of
    /// 1970-01-01.
    pub fn read(&self, text: &str) -> Option<i64> {
        let mut rest = text;
        let (mut year, mut month, mut day, mut day_of_year) = (1970, 1, 1, None);
        let (mut hour, mut minute, mut second, mut milli, mut offset) = (0, 0, 0, 0, 0);
        let mut half = None;
        for piece in &self.pieces {
            match piece {
                Piece::Literal(literal) => rest = rest.strip_prefix(literal.as_str())?,
                Piece::Field(letter, count) => match letter {
                    'y' | 'u' if *count == 2 => year = 2000 + number(&mut rest, 2, 2)?,
                    'y' | 'u' => year = number(&mut rest, *count, 9)?,
                    'M' if *count >= 3 => month = named(&mut rest, &MONTHS, *count)?,
                    'E' => drop(named(&mut rest, &WEEKDAYS, *count)?),
                    'M' => month = number(&mut rest, *count, 2)?,
                    'd' => day = number(&mut rest, *count, 2)?,
                    'D' => day_of_year = Some(number(&mut rest, *count, 3)?),
                    'H' => hour = number(&mut rest, *count, 2)?,
                    'h' => hour = Some(number(&mut rest, *count, 2)?).filter(|h| (1..=12).contains(h))? % 12,
                    'm' => minute = number(&mut rest, *count, 2)?,
                    's' => second = number(&mut rest, *count, 2)?,
                    'S' => milli = read_fraction(&mut rest, *count)?,
                    'a' => half = Some(named(&mut rest, &["AM", "PM"], 2)? - 1),
                    _ => offset = zone(&mut rest)?,
                },
            }
        }
        let hour = hour + 12 * half.unwrap_or(0);
        let date = Civil { year, month, day };
        let valid = rest.is_empty()
            && (1..=12).contains(&month)
            && (1..=date.days_in_month()).contains(&day)
            && (0..24).contains(&hour)
            && (0..60).contains(&minute)
            && (0..60).contains(&second);
        let days = match day_of_year {
            Some(nth)
                if (1..=365 + i64::from(Civil { year, month: 2, day: 1 }.days_in_month() == 29)).contains(&nth) =>
            {
                Civil { year, month: 1, day: 1 }.to_day() + nth - 1
            }
            Some(_) => return None,
            None if valid => date.to_day(),
            None => return None,
        };
        let of_day = ((hour * 60 + minute) * 60 + second) * 1_000 + milli - offset * 60_000;
        valid.then_some(days.checked_mul(DAY_MS)?.checked_add(of_day)?)
    }
}

fn padded(out: &mut String, value: i64, width: usize) {
    let _ = write!(out, "{value:0width$}");
}

/// As Java does: `X` is `+01` or `+0530`, `XX` and `Z` `+0100`, `XXX` `+01:00`.
fn written_offset(out: &mut String, offset_ms: i64, letter: char, count: usize) {
    let minutes = offset_ms.abs() / 60_000;
    out.push(if offset_ms < 0 { '-' } else { '+' });
    padded(out, minutes / 60, 2);
    if letter == 'X' && count == 1 && minutes % 60 == 0 {
        return;
    }
    if letter == 'X' && count > 2 {
        out.push(':');
    }
    padded(out, minutes % 60, 2);
}

fn fraction(out: &mut String, milli: i64, count: usize) {
    let start = out.len();
    let _ = write!(out, "{milli:03}");
    match count {
        0..3 => out.truncate(start + count),
        _ => (3..count).for_each(|_| out.push('0')),
    }
}

/// Digits: exactly `count` of them, or one up to `most` if a single letter asked.
fn number(rest: &mut &str, count: usize, most: usize) -> Option<i64> {
    let most = if count == 1 { most } else { count };
    let digits = rest.bytes().take(most).take_while(u8::is_ascii_digit).count();
    if digits < count {
        return None;
    }
    let (number, after) = rest.split_at(digits);
    *rest = after;
    number.parse().ok()
}

fn read_fraction(rest: &mut &str, count: usize) -> Option<i64> {
    if rest.len() < count || !rest.as_bytes()[..count].iter().all(u8::is_ascii_digit) {
        return None;
    }
    let (digits, after) = rest.split_at(count);
    *rest = after;
    Some(digits.bytes().chain("000".bytes()).take(3).fold(0, |value, digit| value * 10 + i64::from(digit - b'0')))
}

/// The position (from 1) of the name that stands next; `count` up to 3 is its first three letters.
fn named(rest: &mut &str, names: &[&str], count: usize) -> Option<i64> {
    let (index, length) = names.iter().enumerate().find_map(|(index, name)| {
        let name = if count > 3 { name } else { &name[..name.len().min(3)] };
        let fits = rest.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name));
        fits.then_some((index, name.len()))
    })?;
    *rest = &rest[length..];
    Some(index as i64 + 1)
}

/// `Z`, `+hh`, `+hhmm` or `+hh:mm`, in minutes.
fn zone(rest: &mut &str) -> Option<i64> {
    if let Some(after) = rest.strip_prefix('Z') {
        *rest = after;
        return Some(0);
    }
    let sign = if rest.starts_with('+') { 1 } else { -1 };
    *rest = rest.strip_prefix(['+', '-'])?;
    let hours = number(rest, 2, 2)?;
    *rest = rest.strip_prefix(':').unwrap_or(rest);
    let minutes = number(rest, 2, 2).unwrap_or(0);
    Some(sign * (hours * 60 + minutes))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn write(pattern: &str, ms: i64) -> String {
        let mut out = String::new();
        Pattern::compile(pattern).unwrap().write(ms, 0, &mut out);
        out
    }

    #[test]
    fn offsets_are_javas() {
        for (pattern, offset, expected) in [
            ("HH X", 0, "00 Z"),
            ("HH X", 60, "00 +01"),
            ("X XX XXX Z", 330, "+0530 +0530 +05:30 +0530"),
            ("XXX Z", -480, "-08:00 -0800"),
            ("Z", 0, "+0000"),
        ] {
            let mut out = String::new();
            Pattern::compile(pattern).unwrap().write(0, offset * 60_000, &mut out);
            assert_eq!(out, expected, "{pattern}");
        }
        let reads = |pattern: &str| Pattern::compile(pattern).unwrap().reads_offset();
        assert!(reads("HH:mmXXX") && !reads("HH:mm'X'"));
    }

    fn read(pattern: &str, text: &str) -> Option<i64> {
        Pattern::compile(pattern).unwrap().read(text)
    }

    #[test]
    fn writes() {
        assert_eq!(write("yyyy-MM-dd HH:mm:ss.SSS", -1), "1969-12-31 23:59:59.999");
        assert_eq!(write("yyyy-MM-dd'T'HH:mm:ssX", 0), "1970-01-01T00:00:00Z");
        assert_eq!(write("EEEE, d MMMM yyyy h:mm a", 1_700_000_000_000), "Tuesday, 14 November 2023 10:13 PM");
        assert_eq!(write("EEE dd MMM yy D 'o''clock' ''", 0), "Thu 01 Jan 70 1 o'clock '");
        assert_eq!(write("hh a", 0), "12 AM");
        assert_eq!(write("S SS SSSSSS", 123), "1 12 123000");
        assert_eq!(write("'Zürich' yyyy年", 0), "Zürich 1970年");
    }

    #[test]
    fn times_that_are_alike_are_written_alike() {
        for (pattern, step) in [
            ("yyyy-MM-dd D EEEE", DAY_MS),
            ("'H' dd", DAY_MS),
            ("HH", 3_600_000),
            ("h yyyy", 3_600_000),
            ("dd a", 3_600_000),
            ("HH:mm", 60_000),
            ("mm:ss", 1_000),
            ("ss.SSS", 1),
            ("'' dd S", 1),
        ] {
            for ms in [0, -1, 1_700_000_000_123, -30_000_000_000_001, 86_399_999, 43_200_000] {
                let alike = Pattern::compile(pattern).unwrap().alike(ms);
                assert!(alike.contains(&ms) && alike.end - alike.start == step, "{pattern}: {alike:?}");
                for other in [alike.start, alike.end - 1] {
                    assert_eq!(write(pattern, other), write(pattern, ms), "{pattern}");
                }
            }
        }
        assert!(Pattern::compile("HH").unwrap().alike(i64::MIN).contains(&i64::MIN));
        assert_eq!(Pattern::compile("HH").unwrap().alike(i64::MAX).end, i64::MAX);
    }

    #[test]
    fn reads_what_it_writes() {
        for pattern in [
            "yyyy-MM-dd HH:mm:ss.SSS",
            "y/M/d H:m:s.SSS",
            "MMMM d yyyy hh:mm:ss SSS a",
            "yyyyMMddHHmmssSSS",
            "D yyyy HH mm ss SSS",
        ] {
            for ms in [0, -1, 1_700_000_000_123, -30_000_000_000_001, 86_399_999, 43_200_000] {
                assert_eq!(read(pattern, &write(pattern, ms)), Some(ms), "{pattern}");
            }
        }
        assert_eq!(read("yyyy-MM-dd'T'HH:mm:ssX", "1970-01-01T01:00:00+01:30"), Some(-1_800_000));
        assert_eq!(read("EEE, dd MMM yyyy HH:mm:ss Z", "Thu, 01 Jan 1970 00:00:01 -0100"), Some(3_601_000));
    }

    #[test]
    fn refuses_what_is_no_date() {
        assert_eq!(read("yyyy-MM-dd", "2023-02-29"), None);
        assert_eq!(read("yyyy-MM-dd", "2024-02-29"), Some(1_709_164_800_000));
        assert_eq!(read("yyyy-MM-dd", "2024-13-01"), None);
        assert_eq!(read("yyyy-MM-dd", "2024-1-01"), None);
        assert_eq!(read("yyyy-MM-dd", "2024-01-01 "), None);
        assert_eq!(read("HH:mm", "24:00"), None);
        assert_eq!(read("yyyy-MM-dd", "日本語"), None);
        assert_eq!(read("SSS", "1é"), None);
        assert_eq!(read("D yyyy", "366 2023"), None);
        assert_eq!(read("y", "999999999"), None);
    }

    #[test]
    fn unknown_letters_are_named() {
        assert!(Pattern::compile("yyyy-qq").unwrap_err().contains("letter 'q'"));
        assert!(Pattern::compile("yyyy 'T").unwrap_err().contains("quote is not closed"));
        let many = |count: usize| Pattern::compile(&"y".repeat(count));
        assert!(many(19).is_ok() && many(100_000).unwrap_err().contains("at most 19"));
    }
}
