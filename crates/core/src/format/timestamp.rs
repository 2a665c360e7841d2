//! Times in text, both ways: RFC 3339 or `yyyy-MM-dd HH:mm:ss[.fraction]` (a month, day or hour of one digit and `yyyy/MM/dd`
//! too), or as an option says; and back as RFC 3339 with milliseconds and `Z`.
//!
//! Units: ms since 1970 UTC. Text without an offset is UTC; where an instant (TIMESTAMP_LTZ) is read, it is what the clocks of
//! the session's zone show, as CAST has it. Digits beyond the millisecond are dropped, so times round down.
//! Invariant: every `i64` is written so that it reads back as itself; years beyond four digits bear a sign.

use std::sync::Arc;

use super::number;
use crate::options::{OptionError, OptionSpec, Options};
use crate::time::{Civil, DAY_MS, Pattern, Zone};

/// The options that say how times are written.
pub const TIME_OPTIONS: &[OptionSpec] = &[
    OptionSpec { name: "timestamp.unit", help: "the unit of event times written as numbers: s, ms, us (default ms)" },
    OptionSpec {
        name: "timestamp.format",
        help: "how times are written as text: a pattern as Java's, as dd.MM.yyyy HH:mm (default: RFC 3339, yyyy-MM-dd HH:mm:ss)",
    },
    OptionSpec {
        name: "date.format",
        help: "how dates are written: a pattern as Java's, as dd.MM.yyyy (default yyyy-MM-dd)",
    },
];

/// How an input writes times.
#[derive(Clone, Debug, Default)]
pub struct Times {
    /// The unit of times written as numbers.
    pub unit: TimeUnit,
    /// Dates that are written as numbers are days since 1970.
    pub(super) days: bool,
    timestamp: Option<Arc<Pattern>>,
    date: Option<Arc<Pattern>>,
    /// The zone whose clocks show an instant that is written without an offset.
    pub zone: Zone,
}

impl Times {
    /// What the options say.
    pub(super) fn of(options: &Options) -> Result<Times, OptionError> {
        let pattern = |name: &str| -> Result<Option<Arc<Pattern>>, OptionError> {
            let compiled = options.get(name).map(|text| {
                let invalid = |reason| OptionError::Invalid { name: name.to_owned(), value: text.to_owned(), reason };
                Pattern::compile(text).map(Arc::new).map_err(invalid)
            });
            compiled.transpose()
        };
        Ok(Times {
            unit: options.one_of("timestamp.unit", TimeUnit::WORDS)?.unwrap_or_default(),
            days: false,
            timestamp: pattern("timestamp.format")?,
            date: pattern("date.format")?,
            zone: Zone::utc(),
        })
    }

    /// Times of inputs that say nothing of how they write them, in a session in this zone.
    pub fn in_zone(zone: Zone) -> Times {
        Times { zone, ..Times::default() }
    }

    /// What a time looks like, in messages.
    pub(super) fn expected(&self) -> &'static str {
        match &self.timestamp {
            None => "RFC 3339, 'yyyy-MM-dd HH:mm:ss' or a number of 'timestamp.unit'",
            Some(_) => "as 'timestamp.format' says",
        }
    }

    /// What a date looks like, in messages.
    pub(super) fn expected_date(&self) -> &'static str {
        match (self.date.is_some(), self.days) {
            (true, _) => "as 'date.format' says",
            (false, true) => "yyyy-MM-dd or a number of days",
            (false, false) => "yyyy-MM-dd",
        }
    }

    /// Reads a time, in ms; of an instant without an offset what the clocks of the zone show.
    #[inline]
    pub(super) fn read_time(&self, text: &[u8], instant: bool) -> Option<i64> {
        let (ms, shown) = match &self.timestamp {
            None => match read_text(text.trim_ascii()) {
                Some((ms, offset)) => (ms, offset.is_none()),
                None => (read_number(text.trim_ascii(), self.unit)?, false),
            },
            Some(pattern) => (pattern.read(std::str::from_utf8(text).ok()?.trim())?, !pattern.reads_offset()),
        };
        Some(if instant && shown { self.zone.instant(ms) } else { ms })
    }

    /// Reads a date, as days since 1970.
    #[inline]
    pub(super) fn read_date(&self, text: &[u8]) -> Option<i32> {
        match &self.date {
            None => read_date(text),
            Some(pattern) => {
                let ms = pattern.read(std::str::from_utf8(text).ok()?.trim())?;
                i32::try_from(ms.div_euclid(DAY_MS)).ok()
            }
        }
    }
}

/// The unit of times written as numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TimeUnit {
    /// Seconds, fractions allowed.
    Seconds,
    /// Milliseconds.
    #[default]
    Milliseconds,
    /// Microseconds.
    Microseconds,
}

impl TimeUnit {
    /// The names of the units in options.
    pub const WORDS: &[(&str, TimeUnit)] =
        &[("s", TimeUnit::Seconds), ("ms", TimeUnit::Milliseconds), ("us", TimeUnit::Microseconds)];

    /// How many ms one is, as a power of ten.
    #[inline]
    pub(super) fn power(self) -> i32 {
        match self {
            TimeUnit::Seconds => 3,
            TimeUnit::Milliseconds => 0,
            TimeUnit::Microseconds => -3,
        }
    }

    /// A scanned number of this unit in ms.
    #[inline]
    pub(super) fn to_ms(self, number: number::Number) -> Option<i64> {
        number.scaled(self.power())
    }
}

/// Reads a time: text as above, a date alone (midnight), or a number in `unit`.
pub(super) fn read_time(text: &[u8], unit: TimeUnit) -> Option<i64> {
    let text = text.trim_ascii();
    read_text(text).map(|(ms, _)| ms).or_else(|| read_number(text, unit))
}

fn read_number(text: &[u8], unit: TimeUnit) -> Option<i64> {
    number::scan(text).filter(|(_, length)| *length == text.len()).and_then(|(number, _)| unit.to_ms(number))
}

/// Reads a date as days since 1970.
pub(super) fn read_date(text: &[u8]) -> Option<i32> {
    let (days, rest) = date(text.trim_ascii())?;
    rest.is_empty().then(|| i32::try_from(days).ok()).flatten()
}

/// A time in text, and the offset that it bears.
pub(super) fn read_text(text: &[u8]) -> Option<(i64, Option<i64>)> {
    let (days, rest) = date(text)?;
    let [separator, rest @ ..] = rest else { return Some((join(days, 0)?, None)) };
    if !matches!(separator, b'T' | b't' | b' ') {
        return None;
    }
    let (hour, rest) = one_or_two(rest)?;
    let [b':', rest @ ..] = rest else { return None };
    let (minute, mut rest) = two(rest)?;
    let mut ms = 0;
    if let [b':', seconds @ ..] = rest {
        let (second, after) = two(seconds)?;
        // A leap second is the first instant of the next.
        if second > 60 {
            return None;
        }
        ms = second * 1000;
        rest = after;
        if let [b'.' | b',', fraction @ ..] = rest {
            let digits = fraction.iter().take_while(|byte| byte.is_ascii_digit()).count();
            if digits == 0 {
                return None;
            }
            let milli = |index: usize| if index < digits { i64::from(fraction[index] - b'0') } else { 0 };
            ms += milli(0) * 100 + milli(1) * 10 + milli(2);
            rest = &fraction[digits..];
        }
    }
    if hour > 23 || minute > 59 {
        return None;
    }
    let offset = match rest.trim_ascii_start() {
        [] => None,
        rest => Some(offset(rest)?),
    };
    Some((join(days, hour * 3_600_000 + minute * 60_000 + ms - offset.unwrap_or(0))?, offset))
}

/// Reads a time of day, `HH:mm[:ss[.fraction]]`, in ms.
pub(super) fn read_clock(text: &[u8]) -> Option<i32> {
    let mut day = b"1970-01-01T".to_vec();
    day.extend_from_slice(text);
    match read_text(&day)? {
        (ms, None) => i32::try_from(ms).ok().filter(|ms| i64::from(*ms) < DAY_MS),
        _ => None,
    }
}

fn join(days: i64, ms: i64) -> Option<i64> {
    i64::try_from(i128::from(days) * 86_400_000 + i128::from(ms)).ok()
}

/// `Z`, `+hh:mm`, `+hhmm` or `+hh`, in ms.
fn offset(text: &[u8]) -> Option<i64> {
    let (sign, rest) = match text {
        [b'Z' | b'z'] => return Some(0),
        [b'+', rest @ ..] => (1, rest),
        [b'-', rest @ ..] => (-1, rest),
        _ => return None,
    };
    let (hours, rest) = two(rest)?;
    let minutes = match rest {
        [] => 0,
        [b':', rest @ ..] | rest => two(rest).filter(|(_, rest)| rest.is_empty())?.0,
    };
    (hours <= 23 && minutes <= 59).then_some(sign * (hours * 3_600_000 + minutes * 60_000))
}

/// A date at the start of the text: days since 1970, and what follows.
#[inline]
fn date(text: &[u8]) -> Option<(i64, &[u8])> {
    let (negative, rest) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    let digits = rest.iter().take(10).take_while(|byte| byte.is_ascii_digit()).count();
    if !(4..=9).contains(&digits) {
        return None;
    }
    let year = rest[..digits].iter().fold(0, |year, digit| year * 10 + i64::from(digit - b'0'));
    let [separator @ (b'-' | b'/'), rest @ ..] = &rest[digits..] else { return None };
    let (month, rest) = one_or_two(rest)?;
    let [second, rest @ ..] = rest else { return None };
    if second != separator {
        return None;
    }
    let (day, rest) = one_or_two(rest)?;
    let date = Civil { year: if negative { -year } else { year }, month, day };
    ((1..=12).contains(&month) && (1..=date.days_in_month()).contains(&day)).then(|| (date.to_day(), rest))
}

/// One digit or two.
#[inline]
fn one_or_two(text: &[u8]) -> Option<(i64, &[u8])> {
    match text {
        [ones, rest @ ..] if ones.is_ascii_digit() && !rest.first().is_some_and(u8::is_ascii_digit) => {
            Some((i64::from(ones - b'0'), rest))
        }
        _ => two(text),
    }
}

#[inline]
fn two(text: &[u8]) -> Option<(i64, &[u8])> {
    match text {
        [tens, ones, rest @ ..] if tens.is_ascii_digit() && ones.is_ascii_digit() => {
            Some((i64::from(tens - b'0') * 10 + i64::from(ones - b'0'), rest))
        }
        _ => None,
    }
}

/// Appends a time as `2026-01-31T12:00:00.000Z`.
pub(super) fn write_time(ms: i64, out: &mut Vec<u8>) {
    write_date_of(ms.div_euclid(86_400_000), out);
    let ms = ms.rem_euclid(86_400_000);
    out.push(b'T');
    write_clock(ms, out);
    out.push(b'Z');
}

/// Appends a time of day, `12:00:00.000`.
fn write_clock(ms: i64, out: &mut Vec<u8>) {
    digits(ms / 3_600_000, 2, out);
    out.push(b':');
    digits(ms / 60_000 % 60, 2, out);
    out.push(b':');
    digits(ms / 1000 % 60, 2, out);
    out.push(b'.');
    digits(ms % 1000, 3, out);
}

/// Appends a date given as days since 1970, `2026-01-31`.
pub(super) fn write_date_of(days: i64, out: &mut Vec<u8>) {
    let Civil { year, month, day } = Civil::of_day(days);
    if !(0..=9999).contains(&year) {
        out.push(if year < 0 { b'-' } else { b'+' });
    }
    digits(year.abs(), if (0..=9999).contains(&year) { 4 } else { 6 }, out);
    out.push(b'-');
    digits(month, 2, out);
    out.push(b'-');
    digits(day, 2, out);
}

/// Appends a number with at least `width` digits.
fn digits(mut number: i64, width: usize, out: &mut Vec<u8>) {
    let mut text = [b'0'; 20];
    let mut start = text.len();
    while number > 0 || text.len() - start < width {
        start -= 1;
        text[start] = b'0' + (number % 10) as u8;
        number /= 10;
    }
    out.extend_from_slice(&text[start..]);
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn texts_are_read_as_rfc_3339_says() {
        let ms = |text: &str| read_time(text.as_bytes(), TimeUnit::Milliseconds);
        for same in [
            "2026-01-01T00:00:00Z",
            "2026-01-01 00:00:00",
            "2026-01-01",
            "2026-01-01T00:00",
            "2026-01-01T01:30:00.000+01:30",
            "2025-12-31 23:00:00 -01",
            "2026-01-01t00:00:00.0009z",
            "1767225600000",
            "2025-12-31T23:59:60Z",
            "2026-1-1",
            "2026/01/1 0:00",
        ] {
            assert_eq!(ms(same), Some(1_767_225_600_000), "{same}");
        }
        assert_eq!(
            (ms("1969-12-31T23:59:59.9995Z"), ms("1970-01-01T00:00:00.0005Z"), ms("-1")),
            (Some(-1), Some(0), Some(-1))
        );
        for bad in [
            "",
            "x",
            "2026-13-01",
            "2026-02-29",
            "2026-01-01T24:00",
            "2026-01-01T00:60",
            "2026-01-01T00:00:00+1",
            "2026-01-01T",
            "2026-01-01T00:00:00.",
            "2026-1/1",
            "2026-001-01",
            "2026--01",
            "01/01/2026",
            "1e30",
            "2026-01-01T00:00:00Zx",
            "12:00",
        ] {
            assert_eq!(ms(bad), None, "{bad}");
        }
        assert_eq!(read_time(b"-1.5", TimeUnit::Seconds), Some(-1500));
        assert_eq!(read_time(b"1500", TimeUnit::Microseconds), Some(1));
        assert_eq!((read_date(b"1969-12-31"), read_date(b"2026-01-01T")), (Some(-1), None));
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, cases: 2000, ..ProptestConfig::default() })]

        #[test]
        fn what_is_written_reads_back(ms in prop_oneof![any::<i64>(), -10_000_000_000_000_i64..10_000_000_000_000]) {
            let mut text = Vec::new();
            write_time(ms, &mut text);
            prop_assert_eq!(read_time(&text, TimeUnit::Milliseconds), Some(ms), "{}", String::from_utf8_lossy(&text));
            if let Some(time) = chrono::DateTime::from_timestamp_millis(ms).filter(|time| (0..=9999).contains(&chrono::Datelike::year(time))) {
                prop_assert_eq!(String::from_utf8(text).unwrap(), time.to_rfc3339_opts(chrono::SecondsFormat::Millis, true));
            }
        }
    }
}
