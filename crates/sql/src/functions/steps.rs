//! Steps of the calendar: TIMESTAMPADD, TIMESTAMPDIFF, FLOOR and CEIL of a time to a unit, DATE_TRUNC. Instants are in the
//! session's zone: days, weeks, months are those of its calendar, hours and what is shorter last as long as they do. Times of
//! day go round at midnight, and have units shorter than a day only.

use arrow_array::ArrayRef;
use datafusion_common::{Result, exec_err, plan_err};

use super::function::{Args, Form, Function, Kind};
use highwater_core::expression::WHOLE_SECONDS;
use highwater_core::time::{Civil, DAY_MS, Zone, checked_plus_months_ms, iso_weekday, plus_months_ms};

/// Every function of this family.
pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        name: "timestampadd",
        aliases: &[],
        forms: &[
            Form::new(&[Kind::Unit, Kind::Int, Kind::Instant], Kind::Instant, |args| {
                let zone = args.zone;
                let step = |ms, unit: Unit, count| match unit {
                    Unit::Months(_) => unit.plus(zone.local(ms), count).map(|local| zone.instant(local)),
                    _ => unit.plus(ms, count),
                };
                moved(args, |row| args.time(2).get(row), step, |args, value| args.instants(value))
            })
            .checked(check_unit),
            Form::new(&[Kind::Unit, Kind::Int, Kind::Date], Kind::Date, |args| {
                let step = |ms, unit: Unit, count| {
                    let day = unit.plus(ms, count)?.div_euclid(DAY_MS);
                    i32::try_from(day).is_ok().then_some(day)
                };
                moved(args, |row| midnight(args, row), step, |args, value| args.dates(value))
            })
            .checked(check_unit)
            .when(has_whole_days),
            Form::new(&[Kind::Unit, Kind::Int, Kind::Date], Kind::Time, |args| {
                moved(args, |row| midnight(args, row), plus, |args, value| args.times(value))
            })
            .checked(check_unit),
            Form::new(&[Kind::Unit, Kind::Int, Kind::Time], Kind::Time, |args| {
                moved(args, |row| args.time(2).get(row), plus, |args, value| args.times(value))
            })
            .checked(check_unit),
            Form::new(&[Kind::Unit, Kind::Int, Kind::Clock], Kind::Clock, |args| {
                let args = &args.on_first_day(2);
                moved(args, |row| args.time(2).get(row), plus, |args, value| args.clocks(value))
            })
            .checked(check_clock_unit),
        ],
    },
    Function {
        name: "timestampdiff",
        aliases: &[],
        forms: &[
            Form::new(&[Kind::Unit, Kind::Instant, Kind::Instant], Kind::Int, |args| {
                between_instants(args, [false, false])
            })
            .checked(check_unit),
            // What clocks show beside an instant is the instant at which those of the session show it.
            Form::new(&[Kind::Unit, Kind::Time, Kind::Instant], Kind::Int, |args| {
                between_instants(args, [true, false])
            })
            .checked(check_unit),
            Form::new(&[Kind::Unit, Kind::Instant, Kind::Time], Kind::Int, |args| {
                between_instants(args, [false, true])
            })
            .checked(check_unit),
            Form::new(&[Kind::Unit, Kind::Time, Kind::Time], Kind::Int, |args| {
                with_unit(args, |args, unit| {
                    args.ints(|row| Some(unit.between(args.time(1).get(row)?, args.time(2).get(row)?)))
                })
            })
            .checked(check_unit),
            Form::new(&[Kind::Unit, Kind::Clock, Kind::Clock], Kind::Int, |args| {
                with_unit(&args.on_first_day(1).on_first_day(2), |args, unit| {
                    args.ints(|row| Some(unit.between(args.time(1).get(row)?, args.time(2).get(row)?)))
                })
            })
            .checked(check_clock_unit),
        ],
    },
    Function {
        name: "timestamp_floor",
        aliases: &[WHOLE_SECONDS],
        forms: &[
            Form::new(&[Kind::Unit, Kind::Instant], Kind::Instant, |args| {
                rounded(args, args.zone, Unit::floor, |args, value| args.instants(value))
            })
            .checked(check_unit),
            Form::new(&[Kind::Unit, Kind::Date], Kind::Date, |args| days(args, Unit::floor)).checked(check_unit),
            Form::new(&[Kind::Unit, Kind::Time], Kind::Time, |args| times(args, Unit::floor)).checked(check_unit),
            Form::new(&[Kind::Unit, Kind::Clock], Kind::Clock, |args| {
                rounded(&args.on_first_day(1), Zone::utc(), Unit::floor, |args, value| args.clocks(value))
            })
            .checked(check_clock_unit),
        ],
    },
    Function {
        name: "timestamp_ceil",
        aliases: &[],
        forms: &[
            Form::new(&[Kind::Unit, Kind::Instant], Kind::Instant, |args| {
                rounded(args, args.zone, Unit::ceil, |args, value| args.instants(value))
            })
            .checked(check_unit),
            Form::new(&[Kind::Unit, Kind::Date], Kind::Date, |args| days(args, Unit::ceil)).checked(check_unit),
            Form::new(&[Kind::Unit, Kind::Time], Kind::Time, |args| times(args, Unit::ceil)).checked(check_unit),
            Form::new(&[Kind::Unit, Kind::Clock], Kind::Clock, |args| {
                rounded(&args.on_first_day(1), Zone::utc(), Unit::ceil, |args, value| args.clocks(value))
            })
            .checked(check_clock_unit),
        ],
    },
    // As in SQL at large: to the Monday, and of a date the time at its start.
    Function {
        name: "date_trunc",
        aliases: &["datetrunc"],
        forms: &[
            Form::new(&[Kind::Text, Kind::Instant], Kind::Instant, |args| {
                rounded(args, args.zone, Unit::floor_to_monday, |args, value| args.instants(value))
            })
            .checked(check_unit),
            Form::new(&[Kind::Text, Kind::Time], Kind::Time, |args| times(args, Unit::floor_to_monday))
                .checked(check_unit),
        ],
    },
];

/// TIMESTAMPADD: `step` makes another time of that in a row, by the unit and the count, where there is one.
fn moved(
    args: &Args,
    time: impl Fn(usize) -> Option<i64>,
    step: impl Fn(i64, Unit, i64) -> Option<i64>,
    build: impl FnOnce(&Args, &mut dyn FnMut(usize) -> Option<i64>) -> ArrayRef,
) -> Result<ArrayRef> {
    let unit = unit_of(args)?;
    let value = |row: usize| {
        let (Some(ms), Some(count)) = (time(row), args.int(1).get(row)) else { return Ok(None) };
        match step(ms, unit, count) {
            Some(moved) => Ok(Some(moved)),
            None => exec_err!("what is {count} units on is beyond the times that there are"),
        }
    };
    args.trying(value, build)
}

fn plus(ms: i64, unit: Unit, count: i64) -> Option<i64> {
    unit.plus(ms, count)
}

/// The start of the day in the last argument of TIMESTAMPADD.
fn midnight(args: &Args, row: usize) -> Option<i64> {
    Some(i64::from(args.date(2).get(row)?).saturating_mul(DAY_MS))
}

/// TIMESTAMPDIFF of two times of which one at least is an instant; `local` says which is what clocks show.
fn between_instants(args: &Args, local: [bool; 2]) -> Result<ArrayRef> {
    with_unit(args, |args, unit| {
        let months = matches!(unit, Unit::Months(_));
        let time = |at: usize, row: usize| {
            let ms = args.time(at + 1).get(row)?;
            Some(match (months, local[at]) {
                (true, true) | (false, false) => ms,
                (true, false) => args.zone.local(ms),
                (false, true) => args.zone.instant(ms),
            })
        };
        args.ints(|row| Some(unit.between(time(0, row)?, time(1, row)?)))
    })
}

/// The time in the second argument, to a unit by `round`, which answers none beyond the times that there are: such a row fails.
fn rounded(
    args: &Args,
    zone: Zone,
    round: fn(Unit, i64, Zone) -> Option<i64>,
    build: impl FnOnce(&Args, &mut dyn FnMut(usize) -> Option<i64>) -> ArrayRef,
) -> Result<ArrayRef> {
    let unit = unit_of(args)?;
    args.trying(|row| args.time(1).get(row).map(|ms| there(round(unit, ms, zone))).transpose(), build)
}

/// The same of what clocks show.
fn times(args: &Args, round: fn(Unit, i64, Zone) -> Option<i64>) -> Result<ArrayRef> {
    rounded(args, Zone::utc(), round, |args, value| args.times(value))
}

/// The same of days.
fn days(args: &Args, round: fn(Unit, i64, Zone) -> Option<i64>) -> Result<ArrayRef> {
    let unit = unit_of(args)?;
    let to = |day: i32| Some(round(unit, i64::from(day) * DAY_MS, Zone::utc())?.div_euclid(DAY_MS));
    let day = |day: i32| there(to(day).filter(|day| i32::try_from(*day).is_ok()));
    args.trying(|row| args.date(1).get(row).map(day).transpose(), |args, value| args.dates(value))
}

fn there(rounded: Option<i64>) -> Result<i64> {
    rounded.map_or_else(|| exec_err!("rounded to that unit it is beyond the times that there are"), Ok)
}

/// A step of the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Ms(i64),
    /// Weeks begin on Sunday, as in Flink and SQL.
    Week,
    /// Weeks begin on Monday, as in ISO 8601.
    IsoWeek,
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

    /// So many units on, if there is such a time.
    fn plus(self, ms: i64, count: i64) -> Option<i64> {
        match self {
            Unit::Ms(length) => ms.checked_add(count.checked_mul(length)?),
            Unit::Week | Unit::IsoWeek => ms.checked_add(count.checked_mul(7 * DAY_MS)?),
            Unit::Months(months) => checked_plus_months_ms(ms, count.checked_mul(months)?),
        }
    }

    /// Whole units from `a` to `b`, towards zero.
    fn between(self, a: i64, b: i64) -> i64 {
        match self {
            Unit::Ms(length) => b.saturating_sub(a) / length,
            Unit::Week | Unit::IsoWeek => b.saturating_sub(a) / (7 * DAY_MS),
            // Backwards as many as forwards.
            Unit::Months(_) if b < a => -self.between(b, a),
            Unit::Months(months) => {
                let (from, to) = (Civil::of_ms(a), Civil::of_ms(b));
                let apart = (to.year - from.year) * 12 + to.month - from.month;
                let reached = plus_months_ms(a, apart);
                (apart - i64::from(apart > 0 && reached > b)) / months
            }
        }
    }

    /// The start of the unit of what clocks show, if there is such a time.
    fn start(self, local: i64) -> Option<i64> {
        match self {
            Unit::Ms(length) => local.checked_sub(local.rem_euclid(length)),
            Unit::Week | Unit::IsoWeek => {
                let day = local.div_euclid(DAY_MS);
                let since = if self == Unit::Week { iso_weekday(day) % 7 } else { iso_weekday(day) - 1 };
                (day - since).checked_mul(DAY_MS)
            }
            Unit::Months(months) => {
                let date = Civil::of_ms(local);
                // Centuries and millennia count from the year 1, shorter steps from the year 0.
                let origin = if months > 120 { 12 } else { 0 };
                let since = date.year * 12 + date.month - 1 - origin;
                let start = since - since.rem_euclid(months) + origin;
                let date = Civil { year: start.div_euclid(12), month: start.rem_euclid(12) + 1, day: 1 };
                date.to_day().checked_mul(DAY_MS)
            }
        }
    }

    /// The instant at which the unit began that the clocks of the zone show; hours begin anew when the clocks are changed.
    fn floor(self, instant: i64, zone: Zone) -> Option<i64> {
        let local = instant.checked_add(zone.offset(instant))?;
        match self {
            Unit::Ms(length) if length < DAY_MS => instant.checked_sub(local.rem_euclid(length)),
            _ => opened(self.start(local)?, zone),
        }
    }

    /// The same, weeks beginning on Monday.
    fn floor_to_monday(self, instant: i64, zone: Zone) -> Option<i64> {
        if self == Unit::Week { Unit::IsoWeek } else { self }.floor(instant, zone)
    }

    /// The start of the unit behind, if it has not just begun.
    fn ceil(self, instant: i64, zone: Zone) -> Option<i64> {
        let floor = self.floor(instant, zone)?;
        match self {
            _ if floor == instant => Some(instant),
            Unit::Ms(length) if length < DAY_MS => self.plus(floor, 1),
            _ => opened(self.plus(self.start(zone.local(instant))?, 1)?, zone),
        }
    }
}

/// The first instant at which clocks show this, if it is one: an offset is less than a day.
fn opened(local: i64, zone: Zone) -> Option<i64> {
    let near = zone != Zone::utc() && local.checked_add(DAY_MS).and(local.checked_sub(DAY_MS)).is_none();
    (!near).then(|| zone.opens(local))
}

fn with_unit(args: &Args, eval: impl Fn(&Args, Unit) -> ArrayRef) -> Result<ArrayRef> {
    Ok(eval(args, unit_of(args)?))
}

fn unit_of(args: &Args) -> Result<Unit> {
    match args.text(0).constant() {
        Some(Some(name)) => Unit::parse(name),
        _ => plan_err!("the unit of time is a word like HOUR, not a column"),
    }
}

/// Whether the unit is one by which a DATE stays a DATE; what is no unit is refused then.
fn has_whole_days(constants: &[Option<&str>]) -> bool {
    let unit = constants[0].map(Unit::parse);
    !matches!(unit, None | Some(Ok(Unit::Ms(..DAY_MS))))
}

fn check_unit(constants: &[Option<&str>]) -> Result<()> {
    constants[0].map_or(Ok(()), |name| Unit::parse(name).map(drop))
}

/// Units shorter than a day, of which times of day have some.
fn check_clock_unit(constants: &[Option<&str>]) -> Result<()> {
    let Some(name) = constants[0] else { return Ok(()) };
    match Unit::parse(name)? {
        Unit::Ms(length) if length < DAY_MS => Ok(()),
        _ => plan_err!(
            "a TIME has no {}; write HOUR, MINUTE, SECOND or MILLISECOND, or DATE '2024-01-01' + t for a TIMESTAMP of it",
            name.trim().to_ascii_uppercase()
        ),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use arrow_array::cast::AsArray;
    use arrow_array::types::{Date32Type, Int64Type, TimestampMillisecondType};
    use datafusion_common::ScalarValue;
    use datafusion_expr::ColumnarValue;

    use super::super::function::call;
    use super::*;
    use highwater_core::format::read_time_text as read;

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
    fn adding_and_subtracting() {
        let add = |unit: &str, n: i64, from: &str| {
            ms("timestampadd", vec![text(unit), ScalarValue::Int64(Some(n)).into(), time(at(from))])
        };
        assert_eq!(add("MONTH", 1, "2024-01-31"), Some(at("2024-02-29")));
        assert_eq!(add("year", -1, "2024-02-29"), Some(at("2023-02-28")));
        assert_eq!(add("WEEK", 2, "1969-12-25"), Some(at("1970-01-08")));
        let date = |unit: &str, n: i64, day: i32| {
            let args = vec![text(unit), ScalarValue::Int64(Some(n)).into(), ScalarValue::Date32(Some(day)).into()];
            call("timestampadd", args, 1).unwrap()
        };
        assert_eq!(date("DAY", -1, 0).as_primitive::<Date32Type>().value(0), -1);
        assert_eq!(date("WEEK", 2, -7).as_primitive::<Date32Type>().value(0), 7);
        assert_eq!(date("MONTH", 1, 30).as_primitive::<Date32Type>().value(0), 58);
        assert_eq!(date("HOUR", -1, 0).as_primitive::<TimestampMillisecondType>().value(0), -3_600_000);
        for (unit, count) in
            [("SECOND", i64::MAX), ("SECOND", i64::MIN), ("YEAR", 300_000_000), ("MONTH", i64::MIN), ("WEEK", 1 << 50)]
        {
            for value in [time(at("2024-01-01")), ScalarValue::Date32(Some(0)).into()] {
                let args = vec![text(unit), ScalarValue::Int64(Some(count)).into(), value];
                let error = call("timestampadd", args, 1).unwrap_err().to_string();
                assert!(error.contains("beyond the times that there are"), "{unit} {count}: {error}");
            }
        }
        let diff =
            |unit: &str, a: &str, b: &str| int("timestampdiff", vec![text(unit), time(at(a)), time(at(b))]).unwrap();
        assert_eq!(diff("SECOND", "1970-01-01 00:00:00.999", "1970-01-01 00:00:02"), 1);
        assert_eq!(diff("HOUR", "2024-01-02", "2024-01-01 00:30:00"), -23);
        assert_eq!(diff("MONTH", "2024-01-31", "2024-02-29"), 1);
        assert_eq!(diff("MONTH", "2024-01-31", "2024-02-28"), 0);
        assert_eq!(diff("MONTH", "2024-02-29", "2024-01-30"), -1);
        assert_eq!(diff("MONTH", "2024-02-29", "2024-01-31"), -1);
        assert_eq!(diff("MONTH", "2024-02-29", "2023-12-31"), -2);
        assert_eq!(diff("MONTH", "2024-02-28", "2024-01-31"), 0);
        assert_eq!(diff("YEAR", "2020-02-29", "2024-02-28"), 3);
        assert_eq!(diff("YEAR", "2024-01-01", "2020-01-01"), -4);
        assert_eq!(diff("QUARTER", "2024-01-01", "2024-12-31"), 3);
        assert_eq!(diff("DAY", "1970-01-02", "1970-01-02"), 0);
        assert!(call("timestampdiff", vec![text("EON"), time(0), time(0)], 1).is_err());
    }

    #[test]
    fn times_of_day_go_round_at_midnight() {
        use arrow_array::types::Time32MillisecondType;
        let clock = |ms: i32| ColumnarValue::from(ScalarValue::Time32Millisecond(Some(ms)));
        let ms = |name: &str, args| call(name, args, 1).unwrap().as_primitive::<Time32MillisecondType>().value(0);
        let late = 85_845_250; // 23:50:45.250
        let add =
            |unit: &str, n: i64| ms("timestampadd", vec![text(unit), ScalarValue::Int64(Some(n)).into(), clock(late)]);
        assert_eq!((add("HOUR", 1), add("HOUR", -24), add("SECOND", 555)), (3_045_250, late, 250));
        assert_eq!(ms("timestamp_floor", vec![text("MINUTE"), clock(late)]), 85_800_000);
        assert_eq!(ms("timestamp_ceil", vec![text("MINUTE"), clock(late)]), 85_860_000);
        assert_eq!(ms("timestamp_ceil", vec![text("HOUR"), clock(late)]), 0);
        assert_eq!(int("timestampdiff", vec![text("MINUTE"), clock(late), clock(600_000)]), Some(-1_420));
        let error = call("timestamp_floor", vec![text("DAY"), clock(late)], 1).unwrap_err().to_string();
        assert!(error.contains("a TIME has no DAY"), "{error}");
        let error = call("timestamp_floor", vec![text("DAY"), text("x")], 1).unwrap_err().to_string();
        assert!(error.contains("FLOOR does not take (VARCHAR); write FLOOR(DATE TO unit) or FLOOR("), "{error}");
        let error = call("timestampdiff", vec![text("HOUR"), clock(0), time(0)], 1).unwrap_err().to_string();
        assert!(error.contains("TIMESTAMPDIFF does not take (TIME, TIMESTAMP(3))"), "{error}");
    }

    /// As Flink and PostgreSQL have it: by the offset of the instant itself, where clocks are changed by half an hour too.
    #[test]
    fn hours_of_a_zone_are_those_of_the_instants_own_offset() {
        let hour = Unit::Ms(3_600_000);
        for (zone, instant, floor, ceil) in [
            // Put back at 15:00Z from 2:00 to 1:30: a quarter to two comes twice, and what shows the second hour since 1:00 is half past one before.
            ("Australia/Lord_Howe", "2024-04-06 14:45:00", "2024-04-06 14:00:00", "2024-04-06 15:00:00"),
            ("Australia/Lord_Howe", "2024-04-06 15:15:00", "2024-04-06 14:30:00", "2024-04-06 15:30:00"),
            ("Australia/Lord_Howe", "2024-04-06 15:45:00", "2024-04-06 15:30:00", "2024-04-06 16:30:00"),
            // Put forward at 15:30Z from 2:00 to 2:30.
            ("Australia/Lord_Howe", "2024-10-05 15:45:00", "2024-10-05 15:00:00", "2024-10-05 16:00:00"),
            ("America/St_Johns", "2024-07-03 04:45:00", "2024-07-03 04:30:00", "2024-07-03 05:30:00"),
            ("America/St_Johns", "2024-11-03 04:15:00", "2024-11-03 03:30:00", "2024-11-03 04:30:00"),
            ("America/St_Johns", "2024-11-03 04:45:00", "2024-11-03 04:30:00", "2024-11-03 05:30:00"),
        ] {
            let zone = Zone::of(zone).unwrap();
            let found = (hour.floor(at(instant), zone), hour.ceil(at(instant), zone));
            assert_eq!(found, (Some(at(floor)), Some(at(ceil))), "{instant}");
        }
    }

    #[test]
    fn floors_and_ceilings() {
        let floor = |unit: &str, t: &str| ms("timestamp_floor", vec![text(unit), time(at(t))]).unwrap();
        let ceil = |unit: &str, t: &str| ms("timestamp_ceil", vec![text(unit), time(at(t))]).unwrap();
        assert_eq!(floor("HOUR", "1969-12-31 23:59:59.999"), at("1969-12-31 23:00:00"));
        assert_eq!(ceil("HOUR", "1969-12-31 23:59:59.999"), 0);
        assert_eq!(floor("WEEK", "2024-05-19"), at("2024-05-19"));
        assert_eq!(floor("WEEK", "2021-02-27"), at("2021-02-21"));
        assert_eq!(ceil("WEEK", "2021-03-01"), at("2021-03-07"));
        assert_eq!(ms("date_trunc", vec![text("week"), time(at("2024-05-19 10:00:00"))]), Some(at("2024-05-13")));
        assert_eq!(floor("QUARTER", "2024-05-19"), at("2024-04-01"));
        assert_eq!(ceil("QUARTER", "2024-04-01"), at("2024-04-01"));
        assert_eq!(ceil("YEAR", "2024-04-01"), at("2025-01-01"));
        assert_eq!(floor("CENTURY", "2000-04-01"), at("1901-01-01"));
        assert_eq!(floor("DECADE", "2019-04-01"), at("2010-01-01"));
        // What is rounded beyond the ends of time is none, in a zone a day before them.
        let berlin = Zone::of("Europe/Berlin").unwrap();
        for (names, unit) in UNITS {
            let one = *unit == Unit::Ms(1);
            assert_eq!(unit.floor(i64::MIN, Zone::utc()).is_some(), one, "{names:?}");
            assert_eq!(unit.ceil(i64::MAX, Zone::utc()).is_some(), one, "{names:?}");
            assert!(unit.ceil(i64::MIN, Zone::utc()).is_some() == one && unit.floor(i64::MAX, Zone::utc()).is_some());
            assert!(unit.floor(i64::MAX, berlin).is_none() && unit.ceil(i64::MAX - 1, berlin).is_none());
            for ms in [i64::MIN, i64::MAX, 0, -1] {
                unit.floor(ms, berlin);
                unit.ceil(ms, berlin);
                unit.between(ms, i64::MIN);
                unit.between(ms, i64::MAX);
            }
        }
        let error = call("date_trunc", vec![text("month"), time(i64::MIN)], 1).unwrap_err().to_string();
        assert!(error.contains("beyond the times that there are"), "{error}");
        let day = ScalarValue::Date32(Some(i32::MAX)).into();
        assert!(call("timestamp_ceil", vec![text("YEAR"), day], 1).is_err());
    }
}
