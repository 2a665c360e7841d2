//! Time zones: what the clocks of a place show at an instant, and at which instants they show a time.
//!
//! A *local* time is what a clock shows, in ms as if it was UTC. The rules are those of the IANA database, up to the year
//! 2100, read once a zone into a table of spans of equal offset: from then on a conversion is arithmetic. Invariants:
//! [`Zone::opens`] and [`Zone::closes`] never go back for a later local time, and enclose every instant that is shown there.

use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};
use std::str::FromStr;
use std::sync::{Mutex, OnceLock, PoisonError};

use chrono::{DateTime, Offset, TimeZone};
use chrono_tz::{TZ_VARIANTS, Tz};

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY: i64 = 86_400;

/// The years of the database, in seconds: 1850 to 2101.
const KNOWN: std::ops::Range<i64> = -3_786_825_600..4_133_980_800;

/// A zone: a name like `Europe/Berlin`, or an offset like `GMT+02:00`.
#[derive(Clone, Copy)]
pub struct Zone(&'static Rules);

struct Rules {
    name: String,
    /// From which instant on which offset holds, in ms, ascending; the first holds since ever.
    spans: Vec<(i64, i64)>,
}

impl Zone {
    /// The zone of a name, written in any case.
    ///
    /// ```
    /// use highwater_core::time::Zone;
    /// let berlin = Zone::of("europe/berlin").unwrap();
    /// assert_eq!((berlin.name(), berlin.local(0)), ("Europe/Berlin", 3_600_000));
    /// assert!(Zone::of("GMT-08:00").is_some() && Zone::of("Mars/Olympus").is_none());
    /// ```
    pub fn of(name: &str) -> Option<Zone> {
        static KNOWN_ZONES: OnceLock<Mutex<BTreeMap<String, &'static Rules>>> = OnceLock::new();
        let name = name.trim();
        let fixed = offset_of(name);
        let (name, tz) = match fixed {
            Some(0) => ("UTC".to_owned(), None),
            Some(offset) => {
                let (sign, minutes) = (if offset < 0 { '-' } else { '+' }, offset.abs() / MINUTE_MS);
                (format!("GMT{sign}{:02}:{:02}", minutes / 60, minutes % 60), None)
            }
            None => {
                let same = || TZ_VARIANTS.iter().copied().find(|tz| tz.name().eq_ignore_ascii_case(name));
                let tz = Tz::from_str(name).ok().or_else(same)?;
                (tz.name().to_owned(), Some(tz))
            }
        };
        // There are some hundred names and offsets: what is known is kept.
        let known = KNOWN_ZONES.get_or_init(Mutex::default);
        let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
        let rules = known.entry(name.clone()).or_insert_with(|| {
            let spans = tz.map_or(vec![(i64::MIN, fixed.unwrap_or(0))], spans);
            Box::leak(Box::new(Rules { name, spans }))
        });
        Some(Zone(rules))
    }

    /// UTC.
    pub fn utc() -> Zone {
        match Zone::of("UTC") {
            Some(utc) => utc,
            None => unreachable!("UTC is an offset"),
        }
    }

    /// The names of the database.
    pub fn names() -> impl Iterator<Item = &'static str> {
        TZ_VARIANTS.iter().map(|tz| tz.name())
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        &self.0.name
    }

    /// Its offset in ms, if that never changes.
    pub fn fixed(&self) -> Option<i64> {
        match self.0.spans.as_slice() {
            [(_, offset)] => Some(*offset),
            _ => None,
        }
    }

    /// Whether its clocks are those of UTC.
    pub fn is_utc(&self) -> bool {
        self.fixed() == Some(0)
    }

    /// The least and the greatest offset it ever had, in ms.
    pub fn reach(&self) -> (i64, i64) {
        let offsets = self.0.spans.iter().map(|(_, offset)| *offset);
        offsets.fold((i64::MAX, i64::MIN), |(least, most), offset| (least.min(offset), most.max(offset)))
    }

    /// The span that holds an instant.
    #[inline]
    fn span(&self, instant: i64) -> usize {
        self.0.spans.partition_point(|(from, _)| *from <= instant).saturating_sub(1)
    }

    /// The offset at an instant, in ms.
    #[inline]
    pub fn offset(&self, instant: i64) -> i64 {
        self.0.spans[self.span(instant)].1
    }

    /// What the clocks show at an instant.
    #[inline]
    pub fn local(&self, instant: i64) -> i64 {
        instant.saturating_add(self.offset(instant))
    }

    /// What the clocks show at each of these instants.
    pub fn locals(&self, instants: &[i64]) -> Vec<i64> {
        // Most follow one another.
        let (mut from, mut until, mut offset) = (0, 0, 0);
        let local = |&instant: &i64| {
            if !(from..until).contains(&instant) {
                let at = self.span(instant);
                (from, offset) = self.0.spans[at];
                until = self.0.spans.get(at + 1).map_or(i64::MAX, |(next, _)| *next);
            }
            instant.saturating_add(offset)
        };
        instants.iter().map(local).collect()
    }

    /// The instant at which the clocks show a time; if they show it twice the first, and a time that they pass over is as much
    /// later as they are put forward (as Java's `LocalDateTime.atZone`).
    pub fn instant(&self, local: i64) -> i64 {
        let mut at = self.early(local);
        loop {
            let instant = local.saturating_sub(self.0.spans[at].1);
            match self.0.spans.get(at + 1) {
                // It is shown behind this span, unless it is passed over on the way there.
                Some((next, offset)) if instant >= *next && local.saturating_sub(*offset) >= *next => at += 1,
                _ => return instant,
            }
        }
    }

    /// The first instant at which the clocks show this time or a later one.
    pub fn opens(&self, local: i64) -> i64 {
        let mut at = self.early(local);
        loop {
            let (from, offset) = self.0.spans[at];
            match self.0.spans.get(at + 1) {
                Some((next, _)) if local.saturating_sub(offset) >= *next => at += 1,
                _ => return local.saturating_sub(offset).max(from),
            }
        }
    }

    /// The instant from which on the clocks never show a time before this one.
    pub fn closes(&self, local: i64) -> i64 {
        let mut at = self.span(local.saturating_add(DAY * 2_000));
        loop {
            let (from, offset) = self.0.spans[at];
            if at == 0 || local.saturating_sub(offset) > from {
                let end = self.0.spans.get(at + 1).map_or(i64::MAX, |(next, _)| *next);
                return local.saturating_sub(offset).min(end);
            }
            at -= 1;
        }
    }

    /// A span that is not behind the first that shows a local time: no offset is two days.
    fn early(&self, local: i64) -> usize {
        self.span(local.saturating_sub(DAY * 2_000))
    }
}

impl PartialEq for Zone {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.0, other.0)
    }
}

impl Eq for Zone {}

impl Default for Zone {
    fn default() -> Zone {
        Zone::utc()
    }
}

impl Hash for Zone {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.name.hash(state);
    }
}

impl std::fmt::Debug for Zone {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0.name)
    }
}

/// `UTC`, `Z`, `GMT+2`, `UTC-03:30`, `+05:30` in ms.
fn offset_of(name: &str) -> Option<i64> {
    let upper = name.to_ascii_uppercase();
    if ["UTC", "GMT", "UT", "Z", "ETC/UTC", "ETC/GMT"].contains(&upper.as_str()) {
        return Some(0);
    }
    let rest = ["UTC", "GMT", "UT", ""].iter().find_map(|start| upper.strip_prefix(start))?;
    let (sign, rest) = match (rest.strip_prefix('+'), rest.strip_prefix('-')) {
        (Some(rest), _) => (1, rest),
        (_, Some(rest)) => (-1, rest),
        _ => return None,
    };
    let (hours, minutes) = match rest.split_once(':') {
        Some(parts) => parts,
        None if rest.len() == 4 && rest.is_ascii() => rest.split_at(2),
        None => (rest, "0"),
    };
    let number = |text: &str| text.parse::<i64>().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()));
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    (hours <= 18 && minutes < 60).then_some(sign * (hours * HOUR_MS + minutes * MINUTE_MS))
}

/// The spans of equal offset of a zone.
fn spans(tz: Tz) -> Vec<(i64, i64)> {
    let offset = |seconds: i64| {
        let time = DateTime::from_timestamp(seconds, 0).unwrap_or_default().naive_utc();
        i64::from(tz.offset_from_utc_datetime(&time).fix().local_minus_utc())
    };
    let mut spans = vec![(i64::MIN, offset(KNOWN.start) * 1_000)];
    let (mut at, mut now) = (KNOWN.start, offset(KNOWN.start));
    while at < KNOWN.end {
        let next = at + DAY;
        if offset(next) == now {
            at = next;
            continue;
        }
        // The first second with another offset, by halves.
        let (mut same, mut other) = (at, next);
        while other - same > 1 {
            let middle = same + (other - same) / 2;
            if offset(middle) == now { same = middle } else { other = middle }
        }
        (at, now) = (other, offset(other));
        spans.push((at * 1_000, now * 1_000));
    }
    spans
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use chrono::{LocalResult, NaiveDateTime};
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> i64 {
        let time = NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S").unwrap();
        time.and_utc().timestamp_millis()
    }

    #[test]
    fn names_and_offsets() {
        for (name, expected, offset) in [
            ("utc", "UTC", 0),
            ("Etc/UTC", "UTC", 0),
            ("GMT-08:00", "GMT-08:00", -8 * HOUR_MS),
            ("gmt+5:30", "GMT+05:30", 5 * HOUR_MS + 30 * MINUTE_MS),
            ("+0530", "GMT+05:30", 5 * HOUR_MS + 30 * MINUTE_MS),
            ("UTC+2", "GMT+02:00", 2 * HOUR_MS),
        ] {
            let zone = Zone::of(name).unwrap();
            assert_eq!((zone.name(), zone.fixed()), (expected, Some(offset)), "{name}");
            assert_eq!((zone.local(7), zone.instant(7 + offset), zone.opens(7 + offset)), (7 + offset, 7, 7));
        }
        for name in ["", "Berlin", "GMT+19:00", "GMT+2:60", "+", "GMT+-2", "Europe/Berlim"] {
            assert!(Zone::of(name).is_none(), "{name}");
        }
        assert_eq!(Zone::of("AMERICA/los_angeles").unwrap(), Zone::of("America/Los_Angeles").unwrap());
        assert!(Zone::utc().is_utc() && !Zone::of("Europe/London").unwrap().is_utc());
    }

    #[test]
    fn days_have_23_and_25_hours() {
        let berlin = Zone::of("Europe/Berlin").unwrap();
        let day = |text: &str| (berlin.closes(at(text) + 86_400_000) - berlin.opens(at(text))) / HOUR_MS;
        assert_eq!((day("2024-03-31 00:00:00"), day("2024-10-27 00:00:00"), day("2024-06-01 00:00:00")), (23, 25, 24));
        // What is passed over, and what comes twice.
        assert_eq!(berlin.instant(at("2024-03-31 02:30:00")), at("2024-03-31 01:30:00"));
        assert_eq!(berlin.opens(at("2024-03-31 02:30:00")), at("2024-03-31 01:00:00"));
        assert_eq!(berlin.closes(at("2024-03-31 02:30:00")), at("2024-03-31 01:00:00"));
        assert_eq!(berlin.instant(at("2024-10-27 02:30:00")), at("2024-10-27 00:30:00"));
        assert_eq!(berlin.opens(at("2024-10-27 02:30:00")), at("2024-10-27 00:30:00"));
        assert_eq!(berlin.closes(at("2024-10-27 02:30:00")), at("2024-10-27 01:30:00"));
        // A day that there was not, and a midnight that there is not.
        let samoa = Zone::of("Pacific/Apia").unwrap();
        assert_eq!(samoa.opens(at("2011-12-30 00:00:00")), samoa.opens(at("2011-12-31 00:00:00")));
        let brazil = Zone::of("America/Sao_Paulo").unwrap();
        assert_eq!(brazil.opens(at("2018-11-04 00:00:00")), at("2018-11-04 03:00:00"));
        assert_eq!(brazil.local(at("2018-11-04 03:00:00")), at("2018-11-04 01:00:00"));
        for end in [i64::MIN, i64::MAX] {
            assert!(
                berlin.closes(end).abs_diff(end) < 2 * 86_400_000 && berlin.opens(end).abs_diff(end) < 2 * 86_400_000
            );
            assert!(
                berlin.instant(end).abs_diff(end) < 2 * 86_400_000 && berlin.local(end).abs_diff(end) < 2 * 86_400_000
            );
        }
    }

    proptest! {
        #[test]
        fn clocks_are_chronos(zone in 0..TZ_VARIANTS.len(), instant in KNOWN, near in any::<bool>(), off in -7_200_000..7_200_000_i64) {
            let tz = TZ_VARIANTS[zone];
            let zone = Zone::of(tz.name()).unwrap();
            let mut instant = instant * 1_000;
            if near {
                // About a change of the offset, if there are some.
                instant = zone.0.spans[zone.span(instant)].0.max(KNOWN.start * 1_000).saturating_add(off);
            }
            let time = DateTime::from_timestamp_millis(instant).unwrap();
            let shown = time.with_timezone(&tz).naive_local().and_utc().timestamp_millis();
            prop_assert_eq!(zone.local(instant), shown, "{} {}", tz, time);
            let several = [instant, instant.saturating_add(off), i64::MIN, instant, i64::MAX];
            prop_assert_eq!(zone.locals(&several), several.map(|instant| zone.local(instant)));
            // The time shown then, and one near it, which may be passed over.
            for local in [shown, shown.saturating_add(off)] {
                let naive = DateTime::from_timestamp_millis(local).unwrap().naive_utc();
                let (opens, closes, found) = (zone.opens(local), zone.closes(local), zone.instant(local));
                prop_assert!(zone.local(opens) >= local && zone.local(opens - 1) < local, "{} {}", tz, naive);
                prop_assert!(zone.local(closes - 1) < local && zone.local(closes) >= local, "{} {}", tz, naive);
                match tz.from_local_datetime(&naive) {
                    LocalResult::Single(time) => prop_assert_eq!(found, time.timestamp_millis(), "{} {}", tz, naive),
                    LocalResult::Ambiguous(first, last) => {
                        prop_assert_eq!(found, first.timestamp_millis().min(last.timestamp_millis()), "{} {}", tz, naive);
                    }
                    LocalResult::None => {
                        let before = zone.offset(opens - 1);
                        prop_assert_eq!(found, local - before, "{} {}", tz, naive);
                    }
                }
                prop_assert!(zone.opens(local - off.abs()) <= opens && zone.closes(local - off.abs()) <= closes);
                let (least, most) = zone.reach();
                prop_assert!(local - opens >= least && local - closes >= least && local - found <= most);
            }
        }
    }
}
