//! Parts of a time: YEAR ... SECOND and EXTRACT(part FROM time), in whole-number arithmetic on ms, some 1-5 ns a row. Of an
//! instant those that the session's clocks show, and its EPOCH.

use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_array::types::Int64Type;
use datafusion_common::{Result, plan_err};

use super::function::{Args, Form, Function, Kind};
use highwater_core::time::{Civil, DAY_MS, iso_week, iso_weekday};

/// Every function of this family.
pub(super) const FUNCTIONS: &[Function] = &[
    one("year", &[], &[Form::new(&[Kind::Time], Kind::Int, |args| part("year", args, 0))]),
    one("quarter", &[], &[Form::new(&[Kind::Time], Kind::Int, |args| part("quarter", args, 0))]),
    one("month", &[], &[Form::new(&[Kind::Time], Kind::Int, |args| part("month", args, 0))]),
    one("week", &[], &[Form::new(&[Kind::Time], Kind::Int, |args| part("week", args, 0))]),
    one("dayofyear", &[], &[Form::new(&[Kind::Time], Kind::Int, |args| part("doy", args, 0))]),
    one("dayofmonth", &["day"], &[Form::new(&[Kind::Time], Kind::Int, |args| part("day", args, 0))]),
    one("dayofweek", &[], &[Form::new(&[Kind::Time], Kind::Int, |args| part("dow", args, 0))]),
    one(
        "hour",
        &[],
        &[
            Form::new(&[Kind::Time], Kind::Int, |args| part("hour", args, 0)),
            Form::new(&[Kind::Clock], Kind::Int, |args| part("hour", &args.on_first_day(0), 0)),
        ],
    ),
    one(
        "minute",
        &[],
        &[
            Form::new(&[Kind::Time], Kind::Int, |args| part("minute", args, 0)),
            Form::new(&[Kind::Clock], Kind::Int, |args| part("minute", &args.on_first_day(0), 0)),
        ],
    ),
    one(
        "second",
        &[],
        &[
            Form::new(&[Kind::Time], Kind::Int, |args| part("second", args, 0)),
            Form::new(&[Kind::Clock], Kind::Int, |args| part("second", &args.on_first_day(0), 0)),
        ],
    ),
    one(
        "date_part",
        &["datepart"],
        &[
            Form::new(&[Kind::Unit, Kind::Instant], Kind::Int, |args| {
                let epoch = args.text(0).constant().flatten().is_some_and(|part| part.eq_ignore_ascii_case("epoch"));
                if epoch { date_part(args) } else { date_part(&args.local(1)) }
            })
            .checked(check),
            Form::new(&[Kind::Unit, Kind::Time], Kind::Int, date_part).checked(check),
            Form::new(&[Kind::Unit, Kind::Clock], Kind::Int, |args| date_part(&args.on_first_day(1)))
                .checked(check_clock),
        ],
    ),
];

const fn one(name: &'static str, aliases: &'static [&'static str], forms: &'static [Form]) -> Function {
    Function { name, aliases, forms }
}

type Part = fn(&Args, usize) -> ArrayRef;

/// The parts by name. Weeks are ISO 8601's; `dow` counts from Sunday = 1 (as DAYOFWEEK), `isodow` from Monday = 1; `second`
/// is whole seconds of the minute and `millisecond` those of the second.
const PARTS: &[(&[&str], Part)] = &[
    (&["year", "years"], |args, at| each(args, at, |ms| Civil::of_ms(ms).year)),
    (&["quarter", "quarters"], |args, at| each(args, at, |ms| (Civil::of_ms(ms).month + 2) / 3)),
    (&["month", "months"], |args, at| each(args, at, |ms| Civil::of_ms(ms).month)),
    (&["week", "weeks"], |args, at| each(args, at, |ms| iso_week(ms.div_euclid(DAY_MS)).1)),
    (&["day", "days"], |args, at| each(args, at, |ms| Civil::of_ms(ms).day)),
    (&["dow"], |args, at| each(args, at, |ms| iso_weekday(ms.div_euclid(DAY_MS)) % 7 + 1)),
    (&["isodow"], |args, at| each(args, at, |ms| iso_weekday(ms.div_euclid(DAY_MS)))),
    (&["doy"], |args, at| each(args, at, day_of_year)),
    (&["hour", "hours"], |args, at| each(args, at, |ms| ms.div_euclid(3_600_000).rem_euclid(24))),
    (&["minute", "minutes"], |args, at| each(args, at, |ms| ms.div_euclid(60_000).rem_euclid(60))),
    (&["second", "seconds"], |args, at| each(args, at, |ms| ms.div_euclid(1_000).rem_euclid(60))),
    (&["millisecond", "milliseconds"], |args, at| each(args, at, |ms| ms.rem_euclid(1_000))),
    (&["microsecond", "microseconds"], |args, at| each(args, at, |ms| ms.rem_euclid(1_000) * 1_000)),
    (&["nanosecond", "nanoseconds"], |args, at| each(args, at, |ms| ms.rem_euclid(1_000) * 1_000_000)),
    (&["epoch"], |args, at| each(args, at, |ms| ms.div_euclid(1_000))),
    (&["isoyear"], |args, at| each(args, at, |ms| iso_week(ms.div_euclid(DAY_MS)).0)),
    (&["decade"], |args, at| each(args, at, |ms| Civil::of_ms(ms).year.div_euclid(10))),
    (&["century"], |args, at| each(args, at, |ms| (Civil::of_ms(ms).year + 99).div_euclid(100))),
    (&["millennium"], |args, at| each(args, at, |ms| (Civil::of_ms(ms).year + 999).div_euclid(1_000))),
];

fn day_of_year(ms: i64) -> i64 {
    let day = ms.div_euclid(DAY_MS);
    day - Civil { month: 1, day: 1, ..Civil::of_day(day) }.to_day() + 1
}

#[inline]
fn each(args: &Args, at: usize, of: impl Fn(i64) -> i64) -> ArrayRef {
    let times = args.time(at);
    match times.whole() {
        Some(times) => Arc::new(times.unary::<_, Int64Type>(of)),
        None => args.ints(|row| times.get(row).map(&of)),
    }
}

fn find(name: &str) -> Result<Part> {
    match PARTS.iter().find(|(names, _)| names.iter().any(|known| known.eq_ignore_ascii_case(name.trim()))) {
        Some((_, part)) => Ok(*part),
        None => {
            let known: Vec<String> = PARTS.iter().map(|(names, _)| names[0].to_ascii_uppercase()).collect();
            plan_err!("a time has no part '{name}'; write one of {}", known.join(", "))
        }
    }
}

fn part(name: &str, args: &Args, at: usize) -> Result<ArrayRef> {
    Ok(find(name)?(args, at))
}

fn date_part(args: &Args) -> Result<ArrayRef> {
    match args.text(0).constant() {
        Some(Some(name)) => part(name, args, 1),
        Some(None) => Ok(args.ints(|_| None)),
        None => plan_err!("DATE_PART takes the name of the part as a constant, like DATE_PART('hour', ts)"),
    }
}

fn check(constants: &[Option<&str>]) -> Result<()> {
    constants[0].map_or(Ok(()), |name| find(name).map(drop))
}

/// The parts of a time of day.
fn check_clock(constants: &[Option<&str>]) -> Result<()> {
    const PARTS: &[&str] = &["hour", "minute", "second", "millisecond", "microsecond", "nanosecond", "epoch"];
    check(constants)?;
    let Some(name) = constants[0].map(|name| name.trim().to_ascii_lowercase()) else { return Ok(()) };
    match PARTS.contains(&name.trim_end_matches('s')) {
        true => Ok(()),
        false => plan_err!(
            "a TIME has no {}; write HOUR, MINUTE, SECOND or MILLISECOND, or take it of a DATE or TIMESTAMP",
            name.to_ascii_uppercase()
        ),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use arrow_array::cast::AsArray;
    use arrow_array::{Array, TimestampMillisecondArray, TimestampSecondArray};
    use chrono::{DateTime, Datelike, Timelike};
    use datafusion_common::ScalarValue;
    use datafusion_expr::ColumnarValue;
    use proptest::prelude::*;

    use super::super::function::call;
    use super::*;

    fn of(name: &str, times: &[Option<i64>]) -> Vec<Option<i64>> {
        let column: ArrayRef = Arc::new(TimestampMillisecondArray::from(times.to_vec()));
        let result = call(name, vec![column.into()], times.len()).unwrap();
        result.as_primitive::<Int64Type>().iter().collect()
    }

    fn extract(part: &str, ms: i64) -> i64 {
        let args = vec![ScalarValue::from(part).into(), ScalarValue::TimestampMillisecond(Some(ms), None).into()];
        call("date_part", args, 1).unwrap().as_primitive::<Int64Type>().value(0)
    }

    proptest! {
        #[test]
        fn parts_are_chronos(times in prop::collection::vec(prop::option::of(-60_000_000_000_000_i64..60_000_000_000_000), 0..50)) {
            type Expected = fn(DateTime<chrono::Utc>) -> i64;
            let expected: &[(&str, Expected)] = &[
                ("year", |t| t.year().into()),
                ("quarter", |t| i64::from(t.month0() / 3 + 1)),
                ("month", |t| t.month().into()),
                ("week", |t| t.iso_week().week().into()),
                ("dayofyear", |t| t.ordinal().into()),
                ("dayofmonth", |t| t.day().into()),
                ("day", |t| t.day().into()),
                ("dayofweek", |t| t.weekday().number_from_sunday().into()),
                ("hour", |t| t.hour().into()),
                ("minute", |t| t.minute().into()),
                ("second", |t| t.second().into()),
            ];
            for (name, expected) in expected {
                let want: Vec<Option<i64>> =
                    times.iter().map(|t| t.map(|ms| expected(DateTime::from_timestamp_millis(ms).unwrap()))).collect();
                prop_assert_eq!(of(name, &times), want, "{}", name);
            }
        }
    }

    #[test]
    fn other_parts() {
        assert_eq!(extract("EPOCH", -1), -1);
        assert_eq!(extract("MILLISECOND", -1), 999);
        assert_eq!(extract("microsecond", 1_234), 234_000);
        assert_eq!(extract("isodow", -1), 3); // Wednesday 1969-12-31
        assert_eq!(extract("isoyear", 0), 1970);
        assert_eq!((extract("century", 0), extract("decade", 0), extract("millennium", 0)), (20, 197, 2));
    }

    #[test]
    fn other_units_and_dates_fit_and_text_does_not() {
        let seconds: ArrayRef = Arc::new(TimestampSecondArray::from(vec![Some(-1), None]));
        let hours = call("hour", vec![seconds.into()], 2).unwrap();
        assert_eq!((hours.as_primitive::<Int64Type>().value(0), hours.is_null(1)), (23, true));
        let date: ColumnarValue = ScalarValue::Date32(Some(-1)).into();
        assert_eq!(call("year", vec![date], 1).unwrap().as_primitive::<Int64Type>().value(0), 1969);
        let error = call("hour", vec![ScalarValue::from("10:00").into()], 1).unwrap_err().to_string();
        assert!(error.contains("HOUR does not take (VARCHAR); write HOUR(TIMESTAMP)"), "{error}");
        let args = vec![ScalarValue::from("fortnight").into(), ScalarValue::TimestampMillisecond(Some(0), None).into()];
        assert!(call("date_part", args, 1).unwrap_err().to_string().contains("no part 'fortnight'"));
    }

    #[test]
    fn times_of_day_have_the_parts_of_a_day() {
        let time = || ColumnarValue::from(ScalarValue::Time32Millisecond(Some(85_845_250)));
        let of = |name: &str| call(name, vec![time()], 1).unwrap().as_primitive::<Int64Type>().value(0);
        assert_eq!((of("hour"), of("minute"), of("second")), (23, 50, 45));
        let part = |name: &str| call("date_part", vec![ScalarValue::from(name).into(), time()], 1);
        let value = |name: &str| part(name).unwrap().as_primitive::<Int64Type>().value(0);
        assert_eq!((value("MILLISECOND"), value("hours"), value("epoch")), (250, 23, 85_845));
        assert!(part("day").unwrap_err().to_string().contains("a TIME has no DAY"));
        let error = call("year", vec![time()], 1).unwrap_err().to_string();
        assert!(
            error.contains("YEAR does not take (TIME); write YEAR(TIMESTAMP), and DATE '2024-01-01' + t"),
            "{error}"
        );
    }

    #[test]
    fn the_ends_of_time_do_not_panic() {
        for (names, _) in PARTS {
            extract(names[0], i64::MIN);
            extract(names[0], i64::MAX);
        }
    }
}
