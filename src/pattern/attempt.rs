//! One attempt: the preferred match that starts at a row, or that there is none, or that rows to come decide.
//!
//! Depth first in order of preference. If no condition depends on the way to a row, a step at a row that failed once
//! fails again and is not tried twice: steps times rows bound the work. Otherwise [`MOST_TRIES`] does.

use super::partition::Partition;
use super::program::{Program, Step};
use super::{Pick, Place};

/// Most steps of one attempt whose conditions depend on the rows matched so far.
pub(super) const MOST_TRIES: usize = 1 << 20;

/// What is known of the rows of a partition.
#[derive(Clone, Copy, Debug)]
pub(super) struct Horizon {
    /// Rows to come on time are at this time or later.
    pub(super) time: i64,
    /// The position behind the last row before it.
    pub(super) settled: u64,
    /// Nothing comes any more.
    pub(super) ended: bool,
}

/// How an attempt ends. `reach`: no row to come later than this changes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Rows to come decide.
    Undecided,
    /// There is none.
    Nothing { reach: i64 },
    /// The variables of its rows are in [`Matcher::path`].
    Match { reach: i64 },
    /// Given up.
    TooLong { reach: i64 },
}

/// Whether a condition holds; `None`: a row to come says.
pub(super) type Truth = Option<bool>;

/// A matcher with what it reuses from attempt to attempt.
#[derive(Debug, Default)]
pub(super) struct Matcher {
    /// The variable of each row of the match, from its first on.
    pub(super) path: Vec<u8>,
    stack: Vec<(u32, u32)>,
    /// Per row and step, the last attempt that was there.
    seen: Vec<u32>,
    attempt: u32,
}

/// What a partition has before the end of a row.
pub(super) struct Attempt<'a> {
    pub(super) program: &'a Program,
    pub(super) partition: &'a Partition,
    pub(super) horizon: Horizon,
    pub(super) within_ms: Option<i64>,
    /// How many rows after a row are looked at.
    pub(super) after: u64,
}

impl Attempt<'_> {
    /// Tries to match from `start` on. `holds` evaluates the condition of a variable that is not local, on the path with
    /// the row at hand as its last.
    pub(super) fn run(
        &self,
        matcher: &mut Matcher,
        start: u64,
        holds: &mut dyn FnMut(usize, &[u8]) -> Truth,
    ) -> Outcome {
        let Some(first) = self.partition.row(start) else { return Outcome::Undecided };
        let (program, steps) = (self.program, self.program.steps.len());
        let end = self.within_ms.map(|within| first.ts.saturating_add(within));
        let closed = self.horizon.ended || end.is_some_and(|end| end <= self.horizon.time);
        let brink = end.map_or(i64::MAX, |end| end - 1);
        let mut reach = first.ts;
        matcher.attempt = matcher.attempt.wrapping_add(1);
        if matcher.attempt == 0 {
            matcher.seen.fill(0);
            matcher.attempt = 1;
        }
        matcher.path.clear();
        matcher.stack.clear();
        matcher.stack.push((0, 0));
        let mut tries = 0;
        while let Some((step, taken)) = matcher.stack.pop() {
            let (mut step, mut taken) = (step as usize, taken as usize);
            matcher.path.truncate(taken);
            loop {
                if program.memoryless {
                    let place = taken * steps + step;
                    if place >= matcher.seen.len() {
                        matcher.seen.resize((place + 1).max(matcher.seen.len() * 2), 0);
                    }
                    if std::mem::replace(&mut matcher.seen[place], matcher.attempt) == matcher.attempt {
                        break;
                    }
                } else {
                    tries += 1;
                    if tries > MOST_TRIES {
                        let last = self.partition.row(self.horizon.settled.saturating_sub(1));
                        return Outcome::TooLong { reach: brink.min(last.map_or(first.ts, |row| row.ts)) };
                    }
                }
                let position = start + taken as u64;
                // The row at hand, if there is one within reach; `Err`: whether that is sure.
                let row = match self.partition.row(position).filter(|_| position < self.horizon.settled) {
                    Some(row) if end.is_none_or(|end| row.ts < end) => Ok(row),
                    Some(_) => Err(true),
                    None => Err(closed),
                };
                match program.steps[step] {
                    Step::Match => return Outcome::Match { reach },
                    Step::Jump(to) => step = to as usize,
                    Step::Split(preferred, other) => {
                        matcher.stack.push((other, taken as u32));
                        step = preferred as usize;
                    }
                    Step::End => match row {
                        Err(false) => return Outcome::Undecided,
                        Err(true) => {
                            reach = brink;
                            step += 1;
                        }
                        Ok(row) => {
                            reach = reach.max(row.ts);
                            break;
                        }
                    },
                    Step::Row(variable) => {
                        let row = match row {
                            Err(false) => return Outcome::Undecided,
                            Err(true) => {
                                reach = brink;
                                break;
                            }
                            Ok(row) => row,
                        };
                        reach = reach.max(row.ts);
                        let bit = 1 << variable;
                        if row.flags & bit == 0 {
                            break;
                        }
                        if self.after > 0 {
                            // What a condition may have seen ahead.
                            let ahead = (position + self.after).min(self.horizon.settled - 1);
                            reach = reach.max(self.partition.row(ahead).map_or(reach, |row| row.ts));
                        }
                        matcher.path.push(variable);
                        let truth = match () {
                            () if program.local & bit != 0 => (row.known & bit != 0).then_some(row.holds & bit != 0),
                            () if program.asks & bit != 0 => holds(variable as usize, &matcher.path),
                            () => Some(true),
                        };
                        match truth {
                            None => return Outcome::Undecided,
                            Some(false) => break,
                            Some(true) => (step, taken) = (step + 1, taken + 1),
                        }
                    }
                }
            }
        }
        Outcome::Nothing { reach }
    }

    /// The row that a place means, of a match from `start` on with these variables: `None` if a row to come may be it,
    /// `Some(None)` if there is none.
    pub(super) fn resolve(&self, place: &Place, start: u64, path: &[u8]) -> Option<Option<u64>> {
        let is = |variable: &u8| place.variables.is_none_or(|of| of >> *variable & 1 == 1);
        let found = match place.first {
            true => path.iter().enumerate().filter(|(_, v)| is(v)).map(|(at, _)| at).nth(place.skip),
            false => path.iter().enumerate().rev().filter(|(_, v)| is(v)).map(|(at, _)| at).nth(place.skip),
        };
        let Some(found) = found else { return Some(None) };
        self.beside(start + found as u64, place.offset)
    }

    /// The row so many rows on.
    pub(super) fn beside(&self, position: u64, offset: i64) -> Option<Option<u64>> {
        let Some(position) = position.checked_add_signed(offset).filter(|p| *p >= self.partition.first()) else {
            return Some(None);
        };
        match position < self.horizon.settled {
            true => Some(Some(position)),
            false if self.horizon.ended => Some(None),
            false => None,
        }
    }
}

/// The rows that the column picks mean, in order; `None` if a row to come may be one.
pub(super) fn picked(
    attempt: &Attempt<'_>,
    picks: &[Pick],
    start: u64,
    path: &[u8],
    into: &mut Vec<Option<super::store::At>>,
) -> Option<()> {
    for pick in picks {
        if let Pick::Column { place, .. } = pick {
            let row = attempt.resolve(place, start, path)?;
            into.push(row.and_then(|row| attempt.partition.row(row)).map(|row| row.at));
        }
    }
    Some(())
}
