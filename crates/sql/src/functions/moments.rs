//! Times and text, numbers and durations: DATE_FORMAT, TO_TIMESTAMP, TO_TIMESTAMP_LTZ, UNIX_TIMESTAMP, FROM_UNIXTIME,
//! TO_DATE. Instants are in the session's zone. Text that is no time reads as NULL.

use std::sync::Arc;

use arrow_array::types::TimestampMillisecondType;
use arrow_array::{Array, ArrayRef};
use datafusion_common::{Result, exec_err, plan_err};

use super::function::{Args, Form, Function, Kind};
use super::zones::{compiled, zone};
use highwater_core::format::{read_instant_text, read_time_text};
use highwater_core::time::{DAY_MS, Pattern, Zone};

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
            Form::new(&[Kind::Text, Kind::Text], Kind::Text, |args| {
                format(args, |args, row| read_time_text(args.text(0).get(row)?).map(|ms| (ms, 0)))
            })
            .checked(|constants| check_pattern(constants[1])),
        ],
    },
    Function {
        name: "to_date",
        aliases: &[],
        forms: &[
            Form::new(&[Kind::Text], Kind::Date, |args| {
                Ok(args.dates(|row| Some(read_time_text(args.text(0).get(row)?)?.div_euclid(DAY_MS))))
            }),
            Form::new(&[Kind::Text, Kind::Text], Kind::Date, |args| {
                let times = parse(args, 1)?;
                let times = arrow_array::cast::AsArray::as_primitive::<TimestampMillisecondType>(&times);
                Ok(args.dates(|row| times.is_valid(row).then(|| times.value(row).div_euclid(DAY_MS))))
            })
            .checked(|constants| check_pattern(constants[1])),
        ],
    },
    Function {
        name: "to_timestamp",
        aliases: &[],
        forms: &[
            Form::new(&[Kind::Text], Kind::Time, |args| Ok(args.times(|row| read_time_text(args.text(0).get(row)?)))),
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
                Ok(args.instants(|row| read_instant_text(args.text(0).get(row)?, args.zone)))
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
                Ok(args.ints(|row| Some(read_instant_text(args.text(0).get(row)?, args.zone)?.div_euclid(1_000))))
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
];

fn check_pattern(pattern: Option<&str>) -> Result<()> {
    pattern.map_or(Ok(()), |pattern| compiled(pattern).map(drop))
}

/// The pattern in argument `at`: compiled once if it is constant, anew when it changes if not.
struct Patterns(Option<(String, Pattern)>);

impl Patterns {
    /// Whether this was the last that was asked for.
    fn is(&self, text: &str) -> bool {
        self.0.as_ref().is_some_and(|(known, _)| known == text)
    }

    fn get(&mut self, text: &str) -> Result<&Pattern> {
        if !self.is(text) {
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

/// Times as text: what clocks show, and how far they are ahead of UTC. Times that are close to each other have the same text.
fn format(args: &Args, shown: impl Fn(&Args, usize) -> Option<(i64, i64)>) -> Result<ArrayRef> {
    let mut patterns = Patterns(None);
    let mut failed = Ok(());
    let (mut written, mut alike, mut ahead) = (String::new(), 0..0, 0);
    let result = args.texts(|row, out| {
        let (local, offset) = shown(args, row)?;
        let text = if args.count() > 1 { args.text(1).get(row)? } else { PLAIN };
        if !patterns.is(text) || !alike.contains(&local) || ahead != offset {
            written.clear();
            match patterns.get(text) {
                Ok(pattern) => {
                    pattern.write(local, offset, &mut written);
                    (alike, ahead) = (pattern.alike(local), offset);
                }
                Err(error) => failed = Err(error),
            }
        }
        out.push_str(&written);
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
    let time = |number: i64| match number.checked_mul(scale) {
        Some(ms) => Ok(ms),
        None => exec_err!("{number} seconds since 1970 are beyond the times that there are"),
    };
    args.trying(|row| args.int(0).get(row).map(time).transpose(), |args, value| args.instants(value))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use arrow_array::cast::AsArray;
    use arrow_array::types::Int64Type;
    use arrow_array::{StringArray, TimestampMillisecondArray};
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
    fn each_of_many_times_is_written_as_it_is_alone() {
        let patterns = ["yyyy-MM-dd", "HH:mm", "yyyy", "ss.SSS", "EEE HH"];
        let near = [0_i64, 1, 999, 60_000, 3_599_999, 3_600_000, 86_399_999, 86_400_000, -1, -86_400_001];
        let times = near.iter().flat_map(|&ms| [ms, ms, ms + 1_700_000_000_000, ms]).collect::<Vec<_>>();
        for changing in [1, 3] {
            let asked: Vec<&str> = (0..times.len()).map(|at| patterns[at / changing % patterns.len()]).collect();
            let columns: [ArrayRef; 2] =
                [Arc::new(TimestampMillisecondArray::from(times.clone())), Arc::new(StringArray::from(asked.clone()))];
            let all = call("date_format", columns.map(ColumnarValue::from).to_vec(), times.len()).unwrap();
            for (at, (&ms, &pattern)) in times.iter().zip(&asked).enumerate() {
                let alone = call("date_format", vec![time(ms), text(pattern)], 1).unwrap();
                assert_eq!(all.as_string::<i32>().value(at), alone.as_string::<i32>().value(0), "{ms} {pattern}");
            }
        }
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
        let beyond = call("to_timestamp_ltz", vec![number(i64::MAX), number(0)], 1).unwrap_err().to_string();
        assert!(beyond.contains("9223372036854775807 seconds since 1970 are beyond"), "{beyond}");
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
}
