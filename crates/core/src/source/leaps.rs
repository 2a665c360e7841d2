//! Rows that move the watermark far: what makes others late is named. And times that look like those of another unit.
//!
//! All times are ms. Nothing here decides over a row: it is told in the log and by the API.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::SourceSpec;
use crate::counted::counted;
use crate::format::TimeUnit;
use crate::time::{format_duration_ms, format_time_ms};

/// A row that moves the watermark by more than this may be one that makes others late.
pub(super) const FAR_MS: i64 = 60_000;

/// So many rows that are late by a row alone make it worth a word.
const WORTH_A_WORD: u64 = 10;

/// Times of rows that are written today: 2001 to 2096.
const TODAY_MS: std::ops::Range<i64> = 1_000_000_000_000..4_000_000_000_000;

/// A row that moved the watermark far.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leap {
    /// Where it stands.
    pub position: String,
    /// Its event time.
    pub event_ms: i64,
    /// The watermark before it; `i64::MIN` if it was the first row.
    pub from_ms: i64,
    /// Whether it was ahead of the clock by more than the source allows for.
    pub ahead: bool,
    /// Rows rejected as late that had been on time without it.
    pub made_late: u64,
    /// The unit that its time looks like, and how that is said.
    pub hint: Option<String>,
}

impl Leap {
    /// What is told of it while its input goes on, or once that has ended.
    pub fn told(&self, ended: bool) -> String {
        let Leap { position, event_ms, from_ms, ahead, made_late, hint } = self;
        let mut told = format!("{position} has the event time {}", format_time_ms(*event_ms));
        if *from_ms != i64::MIN {
            told += &format!(", {} after the watermark before it", about(event_ms.saturating_sub(*from_ms)));
        }
        if *ahead {
            told += ", further ahead of the clock than 'max-future-skew'";
        }
        if *made_late > 0 {
            let are = if *made_late == 1 { "is" } else { "are" };
            let so_far = if ended { "" } else { " so far" };
            told += &format!("; {} behind it {are} late by it{so_far}, and rejected", counted(*made_late, "row"));
        }
        hint.iter().for_each(|hint| told += &format!("; {hint}"));
        told
    }
}

/// A duration in a unit that it has two of at least.
fn about(ms: i64) -> String {
    let unit = [86_400_000, 3_600_000, 60_000, 1_000].into_iter().find(|unit| ms >= 2 * unit).unwrap_or(1);
    format_duration_ms(ms / unit * unit)
}

/// The last row that moved the watermark far, before anybody needs its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Suspect {
    row: u64,
    event_ms: i64,
    from_ms: i64,
    made_late: u64,
}

/// A record that moves the watermark far, or would if it were not ahead of the clock.
#[derive(Clone, Copy, Debug)]
pub(super) struct Far {
    pub(super) row: u64,
    pub(super) event_ms: i64,
    pub(super) from_ms: i64,
    pub(super) ahead: bool,
}

/// The rows that moved the watermark of a partition far, newest last.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leaps {
    suspect: Option<Suspect>,
    kept: VecDeque<Leap>,
    /// How many there ever were.
    total: u64,
    /// How many were ahead of the clock.
    ahead: u64,
}

impl Leaps {
    /// So many are kept of a partition.
    const KEPT: usize = 16;

    /// So many that are ahead of the clock are named; where more are, all are.
    const AHEAD: u64 = 3;

    /// All that are kept.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Leap> {
        self.kept.iter()
    }

    /// How many there ever were, also those that are no longer kept.
    pub fn total(&self) -> u64 {
        self.total
    }

    pub(super) fn merge(&mut self, other: &Leaps) {
        self.kept.extend(other.kept.iter().cloned());
        self.total += other.total;
    }

    /// A record has moved the watermark from here on by over [`FAR_MS`], or is `ahead` of the clock. The first ones that are
    /// ahead, and a first one whose time looks like that of another unit, are worth a word at once.
    pub(super) fn moved(&mut self, far: Far, hint: Option<String>, place: impl Fn(u64) -> String) {
        let Far { row, event_ms, from_ms, ahead } = far;
        if from_ms != i64::MIN {
            self.suspect = Some(Suspect { row, event_ms, from_ms, made_late: 0 });
        }
        self.ahead += u64::from(ahead);
        if (ahead && self.ahead <= Leaps::AHEAD) || (from_ms == i64::MIN && hint.is_some()) {
            self.note(Leap { position: place(row), event_ms, from_ms, ahead, made_late: 0, hint });
        }
    }

    /// A row is rejected as late.
    pub(super) fn rejected(&mut self, event_ms: i64, lateness_ms: i64, place: impl Fn(u64) -> String) {
        let by = |suspect: &&mut Suspect| event_ms >= suspect.from_ms.saturating_sub(lateness_ms);
        let Some(suspect) = self.suspect.as_mut().filter(by) else { return };
        suspect.made_late += 1;
        let Suspect { row, event_ms, from_ms, made_late } = *suspect;
        let same = |leap: &&mut Leap| (leap.event_ms, leap.from_ms) == (event_ms, from_ms);
        match self.kept.back_mut().filter(same) {
            Some(known) => known.made_late = made_late,
            None if made_late == WORTH_A_WORD => {
                self.note(Leap { position: place(row), event_ms, from_ms, ahead: false, made_late, hint: None });
            }
            None => {}
        }
    }

    fn note(&mut self, leap: Leap) {
        if self.kept.len() == Leaps::KEPT {
            self.kept.pop_front();
        }
        self.kept.push_back(leap);
        self.total += 1;
    }
}

/// What event times written as numbers are in a source.
pub(super) fn unit_of(spec: &SourceSpec) -> TimeUnit {
    spec.options.one_of("timestamp.unit", TimeUnit::WORDS).ok().flatten().unwrap_or_default()
}

/// The unit that a time looks like which was read in `unit`, if that is another one; and what to write. `computed` says that
/// an expression of the source makes the time.
pub(super) fn looks_like(event_ms: i64, unit: TimeUnit, computed: bool) -> Option<String> {
    /// A unit: its name, its word in options, its length in ns, how it is read by an expression.
    const UNITS: [(&str, &str, i128, &str); 4] = [
        ("milliseconds", "ms", 1_000_000, "TO_TIMESTAMP_LTZ(x, 3)"),
        ("seconds", "s", 1_000_000_000, "TO_TIMESTAMP_LTZ(x, 0)"),
        ("microseconds", "us", 1_000, "TO_TIMESTAMP_LTZ(x / 1000, 3)"),
        ("nanoseconds", "", 1, "TO_TIMESTAMP_LTZ(x / 1000000, 3)"),
    ];
    if TODAY_MS.contains(&event_ms) {
        return None;
    }
    let read_ns = match unit {
        TimeUnit::Seconds => 1_000_000_000,
        TimeUnit::Milliseconds => 1_000_000,
        TimeUnit::Microseconds => 1_000,
    };
    let fits = |ns: i128| i64::try_from(i128::from(event_ms) * ns / read_ns).is_ok_and(|ms| TODAY_MS.contains(&ms));
    let (name, word, _, call) = UNITS.into_iter().find(|(_, _, ns, _)| fits(*ns))?;
    Some(match computed || word.is_empty() {
        true => format!("it looks like {name}: write {call}"),
        false => format!("it looks like {name}: write 'timestamp.unit' = '{word}'"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_short() {
        let told = [1, 1_999, 2_000, 60_000, 125_000, 86_400_000, 200_000_000].map(about);
        assert_eq!(told, ["1 ms", "1999 ms", "2 s", "1 min", "2 min", "1 d", "2 d"]);
    }

    #[test]
    fn times_of_another_unit_are_recognised() {
        let hint = |event| looks_like(event, TimeUnit::Milliseconds, false).unwrap_or_default();
        assert_eq!(hint(1_770_586_844), "it looks like seconds: write 'timestamp.unit' = 's'");
        assert_eq!(hint(1_770_586_844_790_123), "it looks like microseconds: write 'timestamp.unit' = 'us'");
        assert!(hint(1_770_586_844_790_123_456).contains("nanoseconds: write TO_TIMESTAMP_LTZ"));
        for event in [1_770_586_844_790, 5_000, -1, 0, i64::MAX, i64::MIN] {
            assert_eq!(hint(event), "", "{event}");
        }
        let call = looks_like(1_770_586_844, TimeUnit::Milliseconds, true);
        assert_eq!(call.as_deref(), Some("it looks like seconds: write TO_TIMESTAMP_LTZ(x, 0)"));
        let other = looks_like(1_770_586_844_790_000, TimeUnit::Seconds, false);
        assert_eq!(other.as_deref(), Some("it looks like milliseconds: write 'timestamp.unit' = 'ms'"));
    }
}
