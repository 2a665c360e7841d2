//! Times and text, numbers and durations: DATE_FORMAT, TO_TIMESTAMP, TO_TIMESTAMP_LTZ, UNIX_TIMESTAMP, FROM_UNIXTIME,
//! TIMESTAMPADD, TIMESTAMPDIFF, FLOOR and CEIL of a time to a unit. Instants are in the session's zone: days, weeks, months are
//! those of its calendar, hours and what is shorter last as long as they do. Text that is no time reads as NULL.

use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_array::types::TimestampMillisecondType;
use datafusion_common::{Result, plan_err};

use super::function::{Args, Form, Function, Kind};
use super::zones::{compiled, read_instant, zone};
use crate::time::{Civil, DAY_MS, Pattern, Zone, iso_weekday, plus_months_ms};

/// How Flink writes a time where it has no pattern.
const PLAIN: &str = "yyyy-MM-dd HH:mm:ss";

/// Every function of this family.
pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        name: "date_format",
        aliases: &[],
        forms: &[
            Form::new(&[Kind::Instant, Kind::Text], Kind::Text, |args| {
                format(args, |args, row| args.time(0).get(row).map(|ms| shown(ms, args.zone)))
            })
            .checked(|constants| check_pattern(constants[1])),
            Form::new(&[Kind::Time, Kind::Text], Kind::Text, |args| {
                format(args, |args, row| args.time(0).get(row).map(|ms| (ms, 0)))
            })
            .checked(|constants| check_pattern(constants[1])),
        ],
    },
    Function {
        name: "to_timestamp",
        aliases: &[],
        forms: &[
            Form::new(&[Kind::Text], Kind::Time, |args| Ok(args.times(|row| read(args.text(0).get(row)?)))),
            Form::new(&[Kind::Text, Kind::Text], Kind::Time, |args| parse(args, 1)).checked(|c| check_pattern(c[1])),
        ],
    },
    Function {
        name: "to_timestamp_ltz",
        aliases: &[],
        forms: &[
            Form::new(&[Kind::Int], Kind::Instant, |args| Ok(args.instants(|row| args.int(0).get(row)))),
            Form::new(&[Kind::Int, Kind::Int], Kind::Instant, of_number),
            Form::new(&[Kind::Text], Kind::Instant, |args| {
                Ok(args.instants(|row| read_instant(args.text(0).get(row)?, args.zone)))
            }),
            Form::new(&[Kind::Text, Kind::Text], Kind::Instant, |args| parse_instants(args, |_, _| Ok(None)))
                .checked(|c| check_pattern(c[1])),
            Form::new(&[Kind::Text, Kind::Text, Kind::Text], Kind::Instant, |args| {
                parse_instants(args, |args, row| args.text(2).get(row).map(zone).transpose())
            })
            .checked(|c| check_pattern(c[1]).and_then(|()| c[2].map_or(Ok(()), |name| zone(name).map(drop)))),
        ],
    },
    Function {
        name: "unix_timestamp",
        aliases: &[],
        forms: &[
            Form::new(&[Kind::Text], Kind::Int, |args| {
                Ok(args.ints(|row| Some(read_instant(args.text(0).get(row)?, args.zone)?.div_euclid(1_000))))
            }),
            Form::new(&[Kind::Text, Kind::Text], Kind::Int, |args| {
                let times = parse_instants(args, |_, _| Ok(None))?;
                let times = arrow_array::cast::AsArray::as_primitive::<TimestampMillisecondType>(&times);
                Ok(Arc::new(times.unary::<_, arrow_array::types::Int64Type>(|ms| ms.div_euclid(1_000))))
            })
            .checked(|constants| check_pattern(constants[1])),
            Form::new(&[Kind::Instant], Kind::Int, |args| {
                Ok(args.ints(|row| Some(args.time(0).get(row)?.div_euclid(1_000))))
            }),
            Form::new(&[Kind::Time], Kind::Int, |args| {
                Ok(args.ints(|row| Some(args.zone.instant(args.time(0).get(row)?).div_euclid(1_000))))
            }),
        ],
    },
    Function {
        name: "from_unixtime",
        aliases: &[],
        forms: &[
            Form::new(&[Kind::Int], Kind::Text, |args| format(args, seconds)),
            Form::new(&[Kind::Int, Kind::Text], Kind::Text, |args| format(args, seconds))
                .checked(|constants| check_pattern(constants[1])),
        ],
    },
    Function {
        name: "timestampadd",
        aliases: &[],
        forms: &[
            Form::new(&[Kind::Text, Kind::Int, Kind::Instant], Kind::Instant, |args| {
                with_unit(args, |args, unit| {
                    let zoned = |ms, count| match unit {
                        Unit::Months(_) => args.zone.instant(unit.add(args.zone.local(ms), count)),
                        _ => unit.add(ms, count),
                    };
                    args.instants(|row| Some(zoned(args.time(2).get(row)?, args.int(1).get(row)?)))
                })
            })
            .checked(check_unit),
            Form::new(&[Kind::Text, Kind::Int, Kind::Time], Kind::Time, |args| {
                with_unit(args, |args, unit| {
                    args.times(|row| Some(unit.add(args.time(2).get(row)?, args.int(1).get(row)?)))
                })
            })
            .checked(check_unit),
        ],
    },
    Function {
        name: "timestampdiff",
        aliases: &[],
        forms: &[
            Form::new(&[Kind::Text, Kind::Instant, Kind::Instant], Kind::Int, |args| {
                with_unit(args, |args, unit| {
                    let shown = |ms| if matches!(unit, Unit::Months(_)) { args.zone.local(ms) } else { ms };
                    args.ints(|row| Some(unit.between(shown(args.time(1).get(row)?), shown(args.time(2).get(row)?))))
                })
            })
            .checked(check_unit),
            Form::new(&[Kind::Text, Kind::Time, Kind::Time], Kind::Int, |args| {
                with_unit(args, |args, unit| {
                    args.ints(|row| Some(unit.between(args.time(1).get(row)?, args.time(2).get(row)?)))
                })
            })
            .checked(check_unit),
        ],
    },
    Function {
        name: "timestamp_floor",
        aliases: &[],
        forms: &[
            Form::new(&[Kind::Text, Kind::Instant], Kind::Instant, |args| {
                with_unit(args, |args, unit| {
                    args.instants(|row| Some(unit.floor_in(args.time(1).get(row)?, args.zone)))
                })
            })
            .checked(check_unit),
            Form::new(&[Kind::Text, Kind::Time], Kind::Time, |args| {
                with_unit(args, |args, unit| args.times(|row| Some(unit.floor(args.time(1).get(row)?))))
            })
            .checked(check_unit),
        ],
    },
    Function {
        name: "timestamp_ceil",
        aliases: &[],
        forms: &[
            Form::new(&[Kind::Text, Kind::Instant], Kind::Instant, |args| {
                with_unit(args, |args, unit| args.instants(|row| Some(unit.ceil_in(args.time(1).get(row)?, args.zone))))
            })
            .checked(check_unit),
            Form::new(&[Kind::Text, Kind::Time], Kind::Time, |args| {
                with_unit(args, |args, unit| args.times(|row| Some(unit.ceil(args.time(1).get(row)?))))
            })
            .checked(check_unit),
        ],
    },
];

/// A step of the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Ms(i64),
    Week,
    Months(i64),
}

const UNITS: &[(&[&str], Unit)] = &[
    (&["millisecond", "milliseconds"], Unit::Ms(1)),
    (&["second", "seconds", "sql_tsi_second"], Unit::Ms(1_000)),
    (&["minute", "minutes", "sql_tsi_minute"], Unit::Ms(60_000)),
    (&["hour", "hours", "sql_tsi_hour"], Unit::Ms(3_600_000)),
    (&["day", "days", "sql_tsi_day"], Unit::Ms(DAY_MS)),
    (&["week", "weeks", "sql_tsi_week"], Unit::Week),
    (&["month", "months", "sql_tsi_month"], Unit::Months(1)),
    (&["quarter", "quarters", "sql_tsi_quarter"], Unit::Months(3)),
    (&["year", "years", "sql_tsi_year"], Unit::Months(12)),
    (&["decade"], Unit::Months(120)),
    (&["century"], Unit::Months(1_200)),
    (&["millennium"], Unit::Months(12_000)),
];

impl Unit {
    fn parse(name: &str) -> Result<Unit> {
        match UNITS.iter().find(|(names, _)| names.iter().any(|known| known.eq_ignore_ascii_case(name.trim()))) {
            Some((_, unit)) => Ok(*unit),
            None => {
                let known: Vec<String> = UNITS.iter().map(|(names, _)| names[0].to_ascii_uppercase()).collect();
                plan_err!("'{name}' is no unit of time; write one of {}", known.join(", "))
            }
        }
    }

    fn add(self, ms: i64, count: i64) -> i64 {
        match self {
            Unit::Ms(length) => ms.saturating_add(count.saturating_mul(length)),
            Unit::Week => ms.saturating_add(count.saturating_mul(7 * DAY_MS)),
            Unit::Months(months) => plus_months_ms(ms, count.saturating_mul(months)),
        }
    }

    /// Whole units from `a` to `b`, towards zero.
    fn between(self, a: i64, b: i64) -> i64 {
        match self {
            Unit::Ms(length) => b.saturating_sub(a) / length,
            Unit::Week => b.saturating_sub(a) / (7 * DAY_MS),
            Unit::Months(months) => {
                let (from, to) = (Civil::of_ms(a), Civil::of_ms(b));
                let apart = (to.year - from.year) * 12 + to.month - from.month;
                let reached = plus_months_ms(a, apart);
                let beyond = if apart > 0 { i64::from(reached > b) } else { -i64::from(apart < 0 && reached < b) };
                (apart - beyond) / months
            }
        }
    }

    fn floor(self, ms: i64) -> i64 {
        match self {
            Unit::Ms(length) => ms.saturating_sub(ms.rem_euclid(length)),
            Unit::Week => {
                let day = ms.div_euclid(DAY_MS);
                (day - iso_weekday(day) + 1).saturating_mul(DAY_MS)
            }
            Unit::Months(months) => {
                let date = Civil::of_ms(ms);
                // Centuries and millennia count from the year 1, shorter steps from the year 0.
                let origin = if months > 120 { 12 } else { 0 };
                let since = date.year * 12 + date.month - 1 - origin;
                let start = since - since.rem_euclid(months) + origin;
                Civil { year: start.div_euclid(12), month: start.rem_euclid(12) + 1, day: 1 }
                    .to_day()
                    .saturating_mul(DAY_MS)
            }
        }
    }

    fn ceil(self, ms: i64) -> i64 {
        let floor = self.floor(ms);
        if floor == ms { ms } else { self.add(floor, 1) }
    }

    /// The instant at which the unit began that the clocks of the zone show; hours begin anew when the clocks are changed.
    fn floor_in(self, instant: i64, zone: Zone) -> i64 {
        let local = zone.local(instant);
        match self {
            Unit::Ms(length) if length < DAY_MS => instant.saturating_sub(local.saturating_sub(self.floor(local))),
            _ => zone.opens(self.floor(local)),
        }
    }

    fn ceil_in(self, instant: i64, zone: Zone) -> i64 {
        let floor = self.floor_in(instant, zone);
        match self {
            _ if floor == instant => instant,
            Unit::Ms(length) if length < DAY_MS => self.add(floor, 1),
            _ => zone.opens(self.add(self.floor(zone.local(instant)), 1)),
        }
    }
}

fn with_unit(args: &Args, eval: impl Fn(&Args, Unit) -> ArrayRef) -> Result<ArrayRef> {
    match args.text(0).constant() {
        Some(Some(name)) => Ok(eval(args, Unit::parse(name)?)),
        _ => plan_err!("the unit of time is a word like HOUR, not a column"),
    }
}

fn check_unit(constants: &[Option<&str>]) -> Result<()> {
    constants[0].map_or(Ok(()), |name| Unit::parse(name).map(drop))
}

fn check_pattern(pattern: Option<&str>) -> Result<()> {
    pattern.map_or(Ok(()), |pattern| compiled(pattern).map(drop))
}

/// The pattern in argument `at`: compiled once if it is constant, anew when it changes if not.
struct Patterns(Option<(String, Pattern)>);

impl Patterns {
    fn get(&mut self, text: &str) -> Result<&Pattern> {
        if self.0.as_ref().is_none_or(|(known, _)| known != text) {
            self.0 = Some((text.to_owned(), compiled(text)?));
        }
        match &self.0 {
            Some((_, pattern)) => Ok(pattern),
            None => unreachable!("it was just put there"),
        }
    }
}

fn seconds(args: &Args, row: usize) -> Option<(i64, i64)> {
    Some(shown(args.int(0).get(row)?.checked_mul(1_000)?, args.zone))
}

/// What the clocks of a zone show at an instant, and how far they are ahead of UTC.
fn shown(instant: i64, zone: Zone) -> (i64, i64) {
    let offset = zone.offset(instant);
    (instant.saturating_add(offset), offset)
}

/// Times as text: what clocks show, and how far they are ahead of UTC.
fn format(args: &Args, shown: impl Fn(&Args, usize) -> Option<(i64, i64)>) -> Result<ArrayRef> {
    let mut patterns = Patterns(None);
    let mut failed = Ok(());
    let result = args.texts(|row, out| {
        let (local, offset) = shown(args, row)?;
        let text = if args.count() > 1 { args.text(1).get(row)? } else { PLAIN };
        match patterns.get(text) {
            Ok(pattern) => pattern.write(local, offset, out),
            Err(error) => failed = Err(error),
        }
        Some(())
    });
    failed.map(|()| result)
}

fn parse(args: &Args, at: usize) -> Result<ArrayRef> {
    let mut patterns = Patterns(None);
    let mut failed = Ok(());
    let result = args.times(|row| {
        let (text, pattern) = (args.text(0).get(row)?, args.text(at).get(row)?);
        match patterns.get(pattern) {
            Ok(pattern) => pattern.read(text),
            Err(error) => {
                failed = Err(error);
                None
            }
        }
    });
    failed.map(|()| result)
}

/// Text by a pattern as instants: as the offset that it reads says, or as clocks of the zone show it that `of` answers, or of the
/// session's.
fn parse_instants(args: &Args, of: impl Fn(&Args, usize) -> Result<Option<Zone>>) -> Result<ArrayRef> {
    let mut patterns = Patterns(None);
    let mut failed = Ok(());
    let result = args.instants(|row| {
        let (text, pattern) = (args.text(0).get(row)?, args.text(1).get(row)?);
        let mut read = || -> Result<Option<i64>> {
            let zone = of(args, row)?.unwrap_or(args.zone);
            let pattern = patterns.get(pattern)?;
            let time = pattern.read(text);
            Ok(if pattern.reads_offset() { time } else { time.map(|local| zone.instant(local)) })
        };
        read().unwrap_or_else(|error| {
            failed = Err(error);
            None
        })
    });
    failed.map(|()| result)
}

/// RFC 3339 or `yyyy-MM-dd[ HH:mm[:ss[.fraction]]]`, in ms.
pub(super) fn read(text: &str) -> Option<i64> {
    arrow_cast::parse::string_to_datetime(&chrono::Utc, text.trim()).ok().map(|time| time.timestamp_millis())
}

/// Seconds (precision 0) or milliseconds (precision 3) since 1970; any other precision is refused.
fn of_number(args: &Args) -> Result<ArrayRef> {
    let scale = match args.int(1).constant() {
        Some(Some(0)) => 1_000,
        Some(Some(3)) => 1,
        Some(Some(6 | 9)) | Some(Some(_)) | Some(None) | None => {
            return plan_err!(
                "TO_TIMESTAMP_LTZ(number, precision) takes the precision 0 (seconds) or 3 (milliseconds)"
            );
        }
    };
    Ok(args.instants(|row| args.int(0).get(row)?.checked_mul(scale)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use arrow_array::cast::AsArray;
    use arrow_array::types::Int64Type;
    use arrow_array::{Array, StringArray, TimestampMillisecondArray};
    use datafusion_common::ScalarValue;
    use datafusion_expr::ColumnarValue;

    use super::super::function::call;
    use super::*;

    fn text(value: &str) -> ColumnarValue {
        ScalarValue::from(value).into()
    }

    fn time(ms: i64) -> ColumnarValue {
        ScalarValue::TimestampMillisecond(Some(ms), None).into()
    }

    fn at(text: &str) -> i64 {
        read(text).unwrap()
    }

    fn ms(name: &str, args: Vec<ColumnarValue>) -> Option<i64> {
        let result = call(name, args, 1).unwrap();
        result.as_primitive::<TimestampMillisecondType>().iter().next().unwrap()
    }

    fn int(name: &str, args: Vec<ColumnarValue>) -> Option<i64> {
        call(name, args, 1).unwrap().as_primitive::<Int64Type>().iter().next().unwrap()
    }

    #[test]
    fn date_format_takes_columns_and_nulls() {
        let times: ArrayRef = Arc::new(TimestampMillisecondArray::from(vec![Some(0), None, Some(-1)]));
        let result = call("date_format", vec![times.clone().into(), text("yyyy-MM-dd HH:mm:ss")], 3).unwrap();
        let expected: ArrayRef =
            Arc::new(StringArray::from(vec![Some("1970-01-01 00:00:00"), None, Some("1969-12-31 23:59:59")]));
        assert_eq!(&result, &expected);
        let patterns: ArrayRef = Arc::new(StringArray::from(vec![Some("yyyy"), Some("yyyy"), None]));
        let result = call("date_format", vec![times.into(), patterns.into()], 3).unwrap();
        assert_eq!((result.as_string::<i32>().value(0), result.null_count()), ("1970", 2));
        assert!(call("date_format", vec![time(0), text("bad pattern")], 1).is_err());
    }

    #[test]
    fn to_timestamp_reads_text() {
        assert_eq!(ms("to_timestamp", vec![text("1970-01-01 00:00:01")]), Some(1_000));
        assert_eq!(ms("to_timestamp", vec![text("1969-12-31 23:59:59.999")]), Some(-1));
        assert_eq!(ms("to_timestamp", vec![text("2024-02-29T12:00:00+02:00")]), Some(1_709_200_800_000));
        assert_eq!(ms("to_timestamp", vec![text("2024-02-30 00:00:00")]), None);
        assert_eq!(ms("to_timestamp", vec![text("nonsense")]), None);
        assert_eq!(ms("to_timestamp", vec![ScalarValue::Utf8(None).into()]), None);
        assert_eq!(
            ms("to_timestamp", vec![text("14/02/2024 08:30"), text("dd/MM/yyyy HH:mm")]),
            Some(1_707_899_400_000)
        );
        assert!(call("to_timestamp", vec![ScalarValue::Int64(Some(1)).into()], 1).is_err());
    }

    #[test]
    fn numbers_to_times_and_back() {
        let number = |n: i64| ColumnarValue::from(ScalarValue::Int64(Some(n)));
        assert_eq!(ms("to_timestamp_ltz", vec![number(-1), number(0)]), Some(-1_000));
        assert_eq!(ms("to_timestamp_ltz", vec![number(-1), number(3)]), Some(-1));
        assert_eq!(ms("to_timestamp_ltz", vec![number(i64::MAX), number(0)]), None);
        assert!(call("to_timestamp_ltz", vec![number(1), number(6)], 1).is_err());
        assert_eq!(int("unix_timestamp", vec![text("1969-12-31 23:59:58.500")]), Some(-2));
        assert_eq!(int("unix_timestamp", vec![text("01.01.1971"), text("dd.MM.yyyy")]), Some(31_536_000));
        assert_eq!(int("unix_timestamp", vec![time(1_999)]), Some(1));
        assert!(call("unix_timestamp", vec![], 1).is_err());
        let result = call("from_unixtime", vec![number(-1)], 1).unwrap();
        assert_eq!(result.as_string::<i32>().value(0), "1969-12-31 23:59:59");
        let result = call("from_unixtime", vec![number(0), text("HH:mm")], 1).unwrap();
        assert_eq!(result.as_string::<i32>().value(0), "00:00");
    }

    #[test]
    fn adding_and_subtracting() {
        let add = |unit: &str, n: i64, from: &str| {
            ms("timestampadd", vec![text(unit), ScalarValue::Int64(Some(n)).into(), time(at(from))])
        };
        assert_eq!(add("MONTH", 1, "2024-01-31"), Some(at("2024-02-29")));
        assert_eq!(add("year", -1, "2024-02-29"), Some(at("2023-02-28")));
        assert_eq!(add("WEEK", 2, "1969-12-25"), Some(at("1970-01-08")));
        assert_eq!(add("SECOND", i64::MAX, "2024-01-01"), Some(i64::MAX));
        let diff =
            |unit: &str, a: &str, b: &str| int("timestampdiff", vec![text(unit), time(at(a)), time(at(b))]).unwrap();
        assert_eq!(diff("SECOND", "1970-01-01 00:00:00.999", "1970-01-01 00:00:02"), 1);
        assert_eq!(diff("HOUR", "2024-01-02", "2024-01-01 00:30:00"), -23);
        assert_eq!(diff("MONTH", "2024-01-31", "2024-02-29"), 1);
        assert_eq!(diff("MONTH", "2024-01-31", "2024-02-28"), 0);
        assert_eq!(diff("MONTH", "2024-02-29", "2024-01-30"), 0);
        assert_eq!(diff("YEAR", "2020-02-29", "2024-02-28"), 3);
        assert_eq!(diff("YEAR", "2024-01-01", "2020-01-01"), -4);
        assert_eq!(diff("QUARTER", "2024-01-01", "2024-12-31"), 3);
        assert_eq!(diff("DAY", "1970-01-02", "1970-01-02"), 0);
        assert!(call("timestampdiff", vec![text("EON"), time(0), time(0)], 1).is_err());
    }

    #[test]
    fn floors_and_ceilings() {
        let floor = |unit: &str, t: &str| ms("timestamp_floor", vec![text(unit), time(at(t))]).unwrap();
        let ceil = |unit: &str, t: &str| ms("timestamp_ceil", vec![text(unit), time(at(t))]).unwrap();
        assert_eq!(floor("HOUR", "1969-12-31 23:59:59.999"), at("1969-12-31 23:00:00"));
        assert_eq!(ceil("HOUR", "1969-12-31 23:59:59.999"), 0);
        assert_eq!(floor("WEEK", "2024-05-19"), at("2024-05-13"));
        assert_eq!(floor("QUARTER", "2024-05-19"), at("2024-04-01"));
        assert_eq!(ceil("QUARTER", "2024-04-01"), at("2024-04-01"));
        assert_eq!(ceil("YEAR", "2024-04-01"), at("2025-01-01"));
        assert_eq!(floor("CENTURY", "2000-04-01"), at("1901-01-01"));
        assert_eq!(floor("DECADE", "2019-04-01"), at("2010-01-01"));
        for (names, unit) in UNITS {
            for ms in [i64::MIN, i64::MAX, 0, -1] {
                assert!(unit.floor(ms) <= ms.max(i64::MIN + 1) || *unit == Unit::Ms(1), "{names:?}");
                unit.ceil(ms);
                unit.between(ms, i64::MIN);
                unit.between(ms, i64::MAX);
            }
        }
    }
}
