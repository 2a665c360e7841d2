//! DATE_BIN: the start of the bin that a time is in. Bins have a length, or whole months, and one begins at 1970, or at the time that is
//! given. Of TIMESTAMPs of all years, which the library's, by nanoseconds, is not; of a time of day bins begin at midnight.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, IntervalMonthDayNano, IntervalMonthDayNanoType};
use arrow_array::{Array, Int64Array, Time32MillisecondArray, TimestampMillisecondArray};
use arrow_cast::cast;
use arrow_schema::{DataType, IntervalUnit, TimeUnit};
use datafusion_common::{Result, exec_err};

use super::generic::Generic;
use crate::parse::column_type::{TIME, is_instant};
use highwater_core::time::{Civil, DAY_MS, checked_plus_months_ms};

const CLOCK: DataType = DataType::Time32(TimeUnit::Millisecond);

/// Every function of this family.
pub(super) const FUNCTIONS: &[Generic] = &[Generic {
    name: "date_bin",
    aliases: &[],
    usage: "DATE_BIN(INTERVAL '15' MINUTE, t[, when a bin begins])",
    coerce: |given| {
        let (step, times) = given.split_first()?;
        let of = match times.first()? {
            DataType::Time32(_) | DataType::Time64(_) => CLOCK,
            time if is_instant(time) => time.clone(),
            time if is_time(time) => TIME,
            _ => return None,
        };
        let alike = |time: &DataType| match of {
            CLOCK => matches!(time, DataType::Time32(_) | DataType::Time64(_) | DataType::Null),
            _ => is_time(time),
        };
        let fits = matches!(step, DataType::Interval(_) | DataType::Null) && times.len() < 3 && times.iter().all(alike);
        let step = DataType::Interval(IntervalUnit::MonthDayNano);
        fits.then(|| (std::iter::once(step).chain(times.iter().map(|_| of.clone())).collect(), of.clone()))
    },
    eval: |call| {
        let steps = call.args[0].as_primitive::<IntervalMonthDayNanoType>();
        let whole = |at: usize| -> Result<Int64Array> {
            Ok(cast(&call.args[at], &DataType::Int64)?.as_primitive::<Int64Type>().clone())
        };
        let (times, origins) = (whole(1)?, if call.args.len() > 2 { Some(whole(2)?) } else { None });
        let clock = *call.output == CLOCK;
        let bin = |row: usize| {
            let origin = match &origins {
                Some(origins) => origins.is_valid(row).then(|| origins.value(row)),
                None => Some(0),
            };
            match (steps.is_valid(row), times.is_valid(row), origin) {
                (true, true, Some(origin)) => start(steps.value(row), times.value(row), origin, clock).map(Some),
                _ => Ok(None),
            }
        };
        let bins = (0..call.rows).map(bin);
        if clock {
            let time = |bin: Result<Option<i64>>| Ok(bin?.map(|ms| ms.rem_euclid(DAY_MS) as i32));
            return Ok(Arc::new(bins.map(time).collect::<Result<Time32MillisecondArray>>()?));
        }
        let starts = bins.collect::<Result<TimestampMillisecondArray>>()?;
        Ok(Arc::new(starts.with_data_type(call.output.clone())))
    },
}];

fn is_time(given: &DataType) -> bool {
    matches!(given, DataType::Timestamp(..) | DataType::Date32 | DataType::Date64 | DataType::Null) || given.is_string()
}

/// The start of the bin that a time is in, of bins of a length of which one begins at `origin`.
fn start(step: IntervalMonthDayNano, time: i64, origin: i64, clock: bool) -> Result<i64> {
    const DAY: i128 = DAY_MS as i128 * 1_000_000;
    let length = i128::from(step.days) * DAY + i128::from(step.nanoseconds);
    let found = match (step.months, length) {
        _ if clock && (step.months != 0 || length > DAY) => {
            return exec_err!("the bins of a TIME are a day long at most");
        }
        (0, 1..) => {
            let since = (i128::from(time) - i128::from(origin)) * 1_000_000;
            let bin = since - since.rem_euclid(length);
            i64::try_from(i128::from(origin) + bin.div_euclid(1_000_000)).ok()
        }
        (1.., 0) => month(i64::from(step.months), time, origin),
        (0, _) | (_, 0) => return exec_err!("the bins of DATE_BIN are longer than 0"),
        _ => return exec_err!("the bins of DATE_BIN are months, or days and shorter units, and not both"),
    };
    match found {
        Some(start) => Ok(start),
        None => exec_err!("the bin begins before the times that there are"),
    }
}

/// The same of bins of months: a whole number of bins from `origin`, at its day and time of day.
fn month(months: i64, time: i64, origin: i64) -> Option<i64> {
    let (from, to) = (Civil::of_ms(origin), Civil::of_ms(time));
    let apart = (to.year - from.year) * 12 + to.month - from.month;
    let whole = apart - apart.rem_euclid(months);
    let begins = checked_plus_months_ms(origin, whole).filter(|begins| *begins <= time);
    begins.or_else(|| checked_plus_months_ms(origin, whole - months))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use arrow_array::ArrayRef;
    use arrow_array::types::{Time32MillisecondType, TimestampMillisecondType};
    use datafusion_common::ScalarValue;
    use datafusion_expr::ColumnarValue;

    use super::super::function::call;
    use super::*;
    use highwater_core::format::read_time_text as read;

    fn step(months: i32, days: i32, ms: i64) -> ColumnarValue {
        ScalarValue::IntervalMonthDayNano(Some(IntervalMonthDayNanoType::make_value(months, days, ms * 1_000_000)))
            .into()
    }

    fn time(text: &str) -> ColumnarValue {
        ScalarValue::TimestampMillisecond(Some(read(text).unwrap()), None).into()
    }

    fn bin(step: ColumnarValue, times: &[&str]) -> Result<i64> {
        let args = std::iter::once(step).chain(times.iter().map(|text| time(text))).collect();
        Ok(call("date_bin", args, 1)?.as_primitive::<TimestampMillisecondType>().value(0))
    }

    #[test]
    fn bins_have_a_length_or_months() {
        const MINUTE: i64 = 60_000;
        for (step, times, starts) in [
            (step(0, 0, 15 * MINUTE), &["9999-12-31 23:59:59"][..], "9999-12-31 23:45:00"),
            (step(0, 0, 15 * MINUTE), &["1500-01-01 00:14:59.999"], "1500-01-01 00:00:00"),
            (step(0, 0, 15 * MINUTE), &["2024-01-01 10:20:00"], "2024-01-01 10:15:00"),
            (step(0, 7, 0), &["2024-01-01", "2024-01-03"], "2023-12-27"),
            (step(0, 7, 0), &["9999-01-01", "2024-01-01"], "9998-12-28"),
            (step(0, 1, 12 * 60 * MINUTE), &["1970-01-02 13:00:00"], "1970-01-02 12:00:00"),
            (step(1, 0, 0), &["9999-12-31 23:59:59"], "9999-12-01"),
            (step(3, 0, 0), &["1969-12-31"], "1969-10-01"),
            (step(1, 0, 0), &["2024-02-28", "2024-01-31"], "2024-01-31"),
            (step(1, 0, 0), &["2024-02-29", "2024-01-31"], "2024-02-29"),
            (step(12, 0, 0), &["2024-02-28", "2023-03-01 00:00:00"], "2023-03-01"),
        ] {
            assert_eq!(bin(step, times).unwrap(), read(starts).unwrap(), "{times:?}");
        }
        for (step, says) in [
            (step(0, 0, 0), "longer than 0"),
            (step(0, -1, 0), "longer than 0"),
            (step(-1, 0, 0), "longer than 0"),
            (step(1, 1, 0), "and not both"),
        ] {
            assert!(bin(step, &["2024-01-01"]).unwrap_err().to_string().contains(says), "{says}");
        }
        let first: ColumnarValue = ScalarValue::TimestampMillisecond(Some(i64::MIN), None).into();
        let error = call("date_bin", vec![step(0, 1, 0), first], 1).unwrap_err().to_string();
        assert!(error.contains("before the times that there are"), "{error}");
    }

    #[test]
    fn times_of_day_and_columns_have_bins() {
        let clocks: ArrayRef = Arc::new(Time32MillisecondArray::from(vec![Some(85_845_250), None]));
        let bins = call("date_bin", vec![step(0, 0, 900_000), clocks.into()], 2).unwrap();
        let bins = bins.as_primitive::<Time32MillisecondType>();
        assert_eq!(bins.iter().collect::<Vec<_>>(), [Some(85_500_000), None]);
        let clock = |ms: i32| ColumnarValue::from(ScalarValue::Time32Millisecond(Some(ms)));
        assert!(
            call("date_bin", vec![step(0, 2, 0), clock(0)], 1).unwrap_err().to_string().contains("a day long at most")
        );
        assert!(call("date_bin", vec![step(0, 1, 0), clock(0), time("2024-01-01")], 1).is_err());
    }
}
