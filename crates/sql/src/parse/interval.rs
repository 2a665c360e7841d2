//! `INTERVAL` literals: `'10' SECOND`, `'1:30' HOUR TO MINUTE`, `'10 seconds'`, `'1 hour 30 min'`.
//!
//! A duration is months (of no fixed length), days and nanoseconds; windows and watermarks take whole milliseconds only. Days are
//! apart from hours because a DATE moved by days is a DATE, and one moved by hours a TIMESTAMP.

use datafusion_sql::sqlparser::ast::{DateTimeField, Expr, Interval, UnaryOperator, Value};

/// What an interval stands for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Duration {
    pub(crate) months: i64,
    pub(crate) days: i64,
    pub(crate) nanos: i64,
}

impl Duration {
    fn negated(self) -> Duration {
        Duration { months: -self.months, days: -self.days, nanos: -self.nanos }
    }
}

const MS: i64 = 1_000_000;
const SECOND: i64 = 1_000 * MS;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// A unit: so many months, days or nanoseconds.
type Unit = (i64, i64, i64);

/// Units by name, in the singular.
const UNITS: &[(&[&str], Unit)] = &[
    (&["nanosecond", "nano", "ns"], (0, 0, 1)),
    (&["microsecond", "micro", "us"], (0, 0, 1_000)),
    (&["millisecond", "milli", "ms"], (0, 0, MS)),
    (&["second", "sec", "s"], (0, 0, SECOND)),
    (&["minute", "min", "m"], (0, 0, MINUTE)),
    (&["hour", "h"], (0, 0, HOUR)),
    (&["day", "d"], (0, 1, 0)),
    (&["week", "w"], (0, 7, 0)),
    (&["month", "mon"], (1, 0, 0)),
    (&["quarter"], (3, 0, 0)),
    (&["year", "y"], (12, 0, 0)),
];

/// The value of an interval literal; `None` if its value is not a literal at all.
pub(crate) fn of_literal(interval: &Interval) -> Option<Result<Duration, String>> {
    let (negative, text) = text_of(&interval.value)?;
    let parsed = match (&interval.leading_field, &interval.last_field) {
        (None, _) => in_words(&text),
        (Some(unit), None) => in_unit(&text, unit),
        (Some(from), Some(to)) => in_range(&text, from, to),
    };
    Some(parsed.map(|duration| if negative { duration.negated() } else { duration }))
}

/// The whole milliseconds of an interval expression, for windows and watermarks.
pub(crate) fn milliseconds(expr: &Expr) -> Result<i64, String> {
    let refuse = || format!("'{expr}' is not an interval: write one like INTERVAL '10' SECOND");
    let Expr::Interval(interval) = expr else { return Err(refuse()) };
    let duration = of_literal(interval).ok_or_else(refuse)??;
    if duration.months != 0 {
        return Err("months and years differ in length: write the interval in days or smaller units".to_owned());
    }
    if duration.nanos % MS != 0 {
        return Err("times are kept in milliseconds: write an interval of whole milliseconds".to_owned());
    }
    let days = duration.days.checked_mul(DAY / MS);
    days.and_then(|days| days.checked_add(duration.nanos / MS)).ok_or_else(|| TOO_LONG.to_owned())
}

fn text_of(value: &Expr) -> Option<(bool, String)> {
    match value {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) => Some((false, text.clone())),
            Value::Number(digits, _) => Some((false, digits.clone())),
            _ => None,
        },
        Expr::UnaryOp { op: UnaryOperator::Minus, expr } => text_of(expr).map(|(negative, text)| (!negative, text)),
        _ => None,
    }
}

fn unit(name: &str) -> Result<Unit, String> {
    let lower = name.to_ascii_lowercase();
    let find = |name: &str| UNITS.iter().find(|(names, _)| names.contains(&name)).map(|(_, unit)| *unit);
    find(&lower).or_else(|| find(lower.strip_suffix('s')?)).ok_or_else(|| {
        let known = UNITS.iter().map(|(names, _)| names[0]).collect::<Vec<_>>().join(", ");
        format!("'{name}' is no unit of an interval; the units are {known}")
    })
}

/// A count of a unit, which may have a sign and a fraction, exactly.
fn times(count: &str, (months, days, nanos): Unit) -> Result<Duration, String> {
    let refuse = || format!("'{count}' is not a number that an interval can hold");
    let (negative, digits) = match count.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, count.strip_prefix('+').unwrap_or(count)),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let is_number = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if whole.len() + fraction.len() == 0 || !is_number(whole) || !is_number(fraction) || fraction.len() > 18 {
        return Err(refuse());
    }
    let scale = 10_i128.pow(fraction.len() as u32);
    let number: i128 = format!("{whole}{fraction}").parse().map_err(|_| refuse())?;
    let product = |of: i64| number.checked_mul(i128::from(of)).ok_or_else(refuse);
    let (months, days, nanos) = (product(months)?, product(days)?, product(nanos)?);
    if months % scale != 0 {
        return Err(format!("'{count}' months is not a whole number of months"));
    }
    // A part of a day is hours.
    let nanos =
        (days % scale).checked_mul(i128::from(DAY)).and_then(|part| part.checked_add(nanos)).ok_or_else(refuse)?;
    let amount = |scaled: i128| i64::try_from(scaled / scale).map_err(|_| refuse());
    let duration = Duration { months: amount(months)?, days: amount(days)?, nanos: amount(nanos)? };
    Ok(if negative { duration.negated() } else { duration })
}

const TOO_LONG: &str = "the interval is too long";

fn add(a: Duration, b: Duration) -> Result<Duration, String> {
    let sum = |a: i64, b: i64| a.checked_add(b).ok_or_else(|| TOO_LONG.to_owned());
    Ok(Duration { months: sum(a.months, b.months)?, days: sum(a.days, b.days)?, nanos: sum(a.nanos, b.nanos)? })
}

/// `'1 hour 30 min'`, `'5s'`.
fn in_words(text: &str) -> Result<Duration, String> {
    let refuse = || format!("'{text}' has no unit: write INTERVAL '{text}' SECOND, or '10 seconds'");
    let mut rest = text.trim();
    let mut sum = Duration::default();
    if rest.is_empty() {
        return Err(refuse());
    }
    while !rest.is_empty() {
        let end = rest.find(|c: char| c.is_alphabetic() || c.is_whitespace()).ok_or_else(refuse)?;
        let (count, after) = rest.split_at(end);
        let after = after.trim_start();
        let end = after.find(|c: char| !c.is_alphabetic()).unwrap_or(after.len());
        let (name, after) = after.split_at(end);
        sum = add(sum, times(count, unit(name)?)?)?;
        rest = after.trim_start();
    }
    Ok(sum)
}

fn in_unit(text: &str, field: &DateTimeField) -> Result<Duration, String> {
    times(text.trim(), unit(&field.to_string())?)
}

/// `'1:30' HOUR TO MINUTE`: the fields from the first unit to the last, apart by space, colon or dash.
fn in_range(text: &str, from: &DateTimeField, to: &DateTimeField) -> Result<Duration, String> {
    const FIELDS: [&str; 6] = ["YEAR", "MONTH", "DAY", "HOUR", "MINUTE", "SECOND"];
    let place = |field: &DateTimeField| {
        let name = field.to_string();
        FIELDS.iter().position(|f| *f == name).ok_or_else(|| format!("{name} does not stand in a range of units"))
    };
    let (first, last) = (place(from)?, place(to)?);
    let trimmed = text.trim();
    let (negative, digits) = match trimmed.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, trimmed.strip_prefix('+').unwrap_or(trimmed)),
    };
    let parts: Vec<&str> = digits.split([' ', ':', '-']).collect();
    if first > last || parts.len() != last - first + 1 {
        return Err(format!("'{text}' does not have the fields {from} TO {to}"));
    }
    let mut sum = Duration::default();
    for (part, name) in parts.iter().zip(&FIELDS[first..]) {
        sum = add(sum, times(part, unit(name)?)?)?;
    }
    Ok(if negative { sum.negated() } else { sum })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use datafusion_sql::sqlparser::parser::Parser;

    use super::*;
    use crate::parse::token::DIALECT;

    fn parse(sql: &str) -> Result<Duration, String> {
        match Parser::new(&DIALECT).try_with_sql(sql).unwrap().parse_expr().unwrap() {
            Expr::Interval(interval) => of_literal(&interval).unwrap(),
            other => panic!("{other}"),
        }
    }

    #[test]
    fn intervals_are_exact() {
        for (sql, months, days, nanos) in [
            ("INTERVAL '10' SECOND", 0, 0, 10 * SECOND),
            ("INTERVAL '0.001' SECOND", 0, 0, MS),
            ("INTERVAL 5 MINUTE", 0, 0, 5 * MINUTE),
            ("INTERVAL -'5' MINUTES", 0, 0, -5 * MINUTE),
            ("INTERVAL '-5' DAY", 0, -5, 0),
            ("INTERVAL '1:30' HOUR TO MINUTE", 0, 0, HOUR + 30 * MINUTE),
            ("INTERVAL '1 02:03:04.5' DAY TO SECOND", 0, 1, 2 * HOUR + 3 * MINUTE + 4 * SECOND + 500 * MS),
            ("INTERVAL '2-3' YEAR TO MONTH", 27, 0, 0),
            ("INTERVAL '1.5' DAY", 0, 1, 12 * HOUR),
            ("INTERVAL '-1 12' DAY TO HOUR", 0, -1, -12 * HOUR),
            ("INTERVAL '24' HOUR", 0, 0, DAY),
            ("INTERVAL '2' WEEK", 0, 14, 0),
            ("INTERVAL '10 seconds'", 0, 0, 10 * SECOND),
            ("INTERVAL '1 hour 30 min'", 0, 0, HOUR + 30 * MINUTE),
            ("INTERVAL '1h30m'", 0, 0, HOUR + 30 * MINUTE),
            ("INTERVAL '250ms'", 0, 0, 250 * MS),
            ("INTERVAL '3 months 1 day'", 3, 1, 0),
        ] {
            assert_eq!(parse(sql), Ok(Duration { months, days, nanos }), "{sql}");
        }
    }

    #[test]
    fn what_is_no_interval_is_refused() {
        for (sql, says) in [
            ("INTERVAL '10'", "no unit"),
            ("INTERVAL ''", "no unit"),
            ("INTERVAL '10 parsecs'", "no unit of an interval"),
            ("INTERVAL 'x' SECOND", "not a number"),
            ("INTERVAL '1' HOUR TO MINUTE", "fields HOUR TO MINUTE"),
            ("INTERVAL '99999999999999999999' DAY", "not a number"),
        ] {
            assert!(parse(sql).unwrap_err().contains(says), "{sql}: {:?}", parse(sql));
        }
    }

    #[test]
    fn windows_take_whole_milliseconds() {
        let ms = |sql: &str| milliseconds(&Parser::new(&DIALECT).try_with_sql(sql).unwrap().parse_expr().unwrap());
        assert_eq!(ms("INTERVAL '10' SECOND"), Ok(10_000));
        assert_eq!(ms("INTERVAL '1 12' DAY TO HOUR"), Ok(129_600_000));
        assert!(ms("INTERVAL '999999999999999999' DAY").unwrap_err().contains("too long"));
        assert!(ms("INTERVAL '1' MONTH").unwrap_err().contains("days"));
        assert!(ms("INTERVAL '1' NANOSECOND").unwrap_err().contains("whole milliseconds"));
        assert!(ms("10").unwrap_err().contains("INTERVAL '10' SECOND"));
    }
}
