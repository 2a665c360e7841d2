//! The calendar in whole-number arithmetic: days since 1970-01-01 to year, month and day and back, proleptic Gregorian,
//! right for every `i64` of ms. (The algorithms are Howard Hinnant's.)

/// Milliseconds in a day.
pub const DAY_MS: i64 = 86_400_000;

/// A date. Months and days count from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Civil {
    /// The year; 0 is 1 BC.
    pub year: i64,
    /// The month.
    pub month: i64,
    /// The day of the month.
    pub day: i64,
}

impl Civil {
    /// The date of a day.
    #[inline]
    pub fn of_day(days: i64) -> Civil {
        let shifted = days + 719_468;
        let era = shifted.div_euclid(146_097);
        let of_era = shifted.rem_euclid(146_097);
        let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted_month = (5 * of_year + 2) / 153;
        let day = of_year - (153 * shifted_month + 2) / 5 + 1;
        let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
        Civil { year: year_of_era + era * 400 + i64::from(month <= 2), month, day }
    }

    /// The date of a time in ms.
    #[inline]
    pub fn of_ms(ms: i64) -> Civil {
        Civil::of_day(ms.div_euclid(DAY_MS))
    }

    /// The day of this date; the day of the month may be beyond the month's end and counts on.
    #[inline]
    pub fn to_day(self) -> i64 {
        let year = self.year - i64::from(self.month <= 2);
        let era = year.div_euclid(400);
        let year_of_era = year.rem_euclid(400);
        let shifted_month = if self.month > 2 { self.month - 3 } else { self.month + 9 };
        let of_year = (153 * shifted_month + 2) / 5 + self.day - 1;
        let of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + of_year;
        era * 146_097 + of_era - 719_468
    }

    /// How many days its month has.
    pub fn days_in_month(self) -> i64 {
        match self.month {
            4 | 6 | 9 | 11 => 30,
            2 if self.year.rem_euclid(4) == 0 && (self.year.rem_euclid(100) != 0 || self.year.rem_euclid(400) == 0) => {
                29
            }
            2 => 28,
            _ => 31,
        }
    }

    /// As many months on; the day is cut to the end of the month.
    pub fn plus_months(self, months: i64) -> Civil {
        let total = (self.year * 12 + self.month - 1).saturating_add(months);
        let first = Civil { year: total.div_euclid(12), month: total.rem_euclid(12) + 1, day: 1 };
        Civil { day: self.day.min(first.days_in_month()), ..first }
    }
}

/// Monday is 1, Sunday 7.
#[inline]
pub fn iso_weekday(days: i64) -> i64 {
    (days + 3).rem_euclid(7) + 1
}

/// The ISO 8601 year and week of a day: week 1 has the year's first Thursday.
#[inline]
pub fn iso_week(days: i64) -> (i64, i64) {
    let thursday = days - iso_weekday(days) + 4;
    let year = Civil::of_day(thursday).year;
    (year, (thursday - Civil { year, month: 1, day: 1 }.to_day()) / 7 + 1)
}

/// A time `months` later: the date moves, the time of day stays. Beyond the ends of time it stops there.
pub fn plus_months_ms(ms: i64, months: i64) -> i64 {
    checked_plus_months_ms(ms, months).unwrap_or(if months < 0 { i64::MIN } else { i64::MAX })
}

/// The same; none beyond the ends of time.
pub fn checked_plus_months_ms(ms: i64, months: i64) -> Option<i64> {
    // 3.6e9 months reach beyond either end of an i64 of ms from the other.
    let date = Civil::of_ms(ms).plus_months(months.clamp(-8_000_000_000, 8_000_000_000));
    let exact = i128::from(date.to_day()) * i128::from(DAY_MS) + i128::from(ms.rem_euclid(DAY_MS));
    i64::try_from(exact).ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use chrono::{DateTime, Datelike, NaiveDate};

    use super::*;

    #[test]
    fn dates_are_chronos_for_every_day_of_eight_centuries() {
        let first = NaiveDate::from_ymd_opt(1970, 1, 1).unwrap();
        for day in -150_000..150_000_i64 {
            let date = first + chrono::TimeDelta::days(day);
            let civil = Civil::of_day(day);
            let expected = (i64::from(date.year()), i64::from(date.month()), i64::from(date.day()));
            assert_eq!((civil.year, civil.month, civil.day), expected);
            assert_eq!(civil.to_day(), day);
            assert_eq!(iso_weekday(day), i64::from(date.weekday().number_from_monday()));
            let week = date.iso_week();
            assert_eq!(iso_week(day), (i64::from(week.year()), i64::from(week.week())));
        }
    }

    #[test]
    fn the_ends_of_time_have_a_date() {
        for ms in [i64::MIN, i64::MAX, i64::MIN + 1, 0, -1] {
            let day = ms.div_euclid(DAY_MS);
            assert_eq!(Civil::of_day(day).to_day(), day);
            plus_months_ms(ms, i64::MAX);
            plus_months_ms(ms, i64::MIN);
        }
        assert_eq!(plus_months_ms(0, i64::MAX), i64::MAX);
        assert_eq!(plus_months_ms(i64::MAX, i64::MIN), i64::MIN);
    }

    #[test]
    fn months_end_where_they_end() {
        let at = |text: &str| text.parse::<DateTime<chrono::Utc>>().unwrap().timestamp_millis();
        assert_eq!(plus_months_ms(at("2024-01-31T10:00:00.001Z"), 1), at("2024-02-29T10:00:00.001Z"));
        assert_eq!(plus_months_ms(at("2023-03-31T00:00:00Z"), -1), at("2023-02-28T00:00:00Z"));
        assert_eq!(plus_months_ms(at("1969-12-31T23:59:59Z"), 2), at("1970-02-28T23:59:59Z"));
        assert_eq!(plus_months_ms(at("2024-02-29T00:00:00Z"), 12), at("2025-02-28T00:00:00Z"));
    }
}
