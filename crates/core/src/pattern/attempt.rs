//! One attempt: the preferred match that starts at a row, or that there is none, or that rows to come decide.
//!
//! Depth first in order of preference. If no condition depends on the way to a row, a step at a row that failed once
//! fails again and is not tried twice: steps times rows bound the work. Otherwise [`MOST_TRIES`] does.

use super::partition::Partition;
use super::program::{Program, Step};
use super::store::At;
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

/// How an attempt ends, or halts. `reach`: no row to come later than this changes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Goes on once it is said whether the condition of this variable holds, on the path with the row at hand as its last.
    Asks(u8),
    /// Rows to come decide.
    Undecided,
    /// There is none.
    Nothing { reach: i64 },
    /// The variables of its rows are in [`Matcher::path`].
    Match { reach: i64 },
    /// Given up.
    TooLong { reach: i64 },
}

/// How an attempt begins or goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Go {
    /// From this row.
    From(u64),
    /// Where rows to come decided: there are more.
    Again,
    /// With the answer to what it asked.
    With(bool),
}

/// A matcher: where an attempt that has halted goes on, and what is reused from attempt to attempt.
#[derive(Debug, Default)]
pub(super) struct Matcher {
    /// The variable of each row of the match, from its first on.
    pub(super) path: Vec<u8>,
    /// The row that it starts at.
    pub(super) start: u64,
    /// Ways to go on, the preferred last: a step and how many rows are taken.
    stack: Vec<(u32, u32)>,
    /// The step at hand when it halted.
    halted: u32,
    reach: i64,
    tries: usize,
    /// The rows that it asked for a local condition that fails on them, with its variable.
    pub(super) failing: Vec<(u64, u8)>,
    /// Per row and step, the last attempt that was there.
    seen: Vec<u32>,
    attempt: u32,
}

impl Matcher {
    /// Goes on, once more is known, where it asked or found a match.
    pub(super) fn wait_here(&mut self, asked: bool, steps: usize) -> Outcome {
        self.wait(self.halted as usize, self.path.len() - usize::from(asked), steps)
    }

    fn wait(&mut self, step: usize, taken: usize, steps: usize) -> Outcome {
        self.stack.push((step as u32, taken as u32));
        if let Some(seen) = self.seen.get_mut(taken * steps + step) {
            *seen = 0;
        }
        Outcome::Undecided
    }

    fn begin(&mut self, start: u64, ts: i64) {
        self.attempt = self.attempt.wrapping_add(1);
        if self.attempt == 0 {
            self.seen.fill(0);
            self.attempt = 1;
        }
        (self.start, self.reach, self.tries) = (start, ts, 0);
        self.path.clear();
        self.failing.clear();
        self.stack.clear();
        self.stack.push((0, 0));
    }
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
    /// Tries to match, or goes on where it halted.
    pub(super) fn run(&self, matcher: &mut Matcher, go: Go) -> Outcome {
        let start = if let Go::From(start) = go { start } else { matcher.start };
        let Some(first) = self.partition.row(start) else { return Outcome::Undecided };
        let (program, steps) = (self.program, self.program.steps.len());
        let end = self.within_ms.map(|within| first.ts.saturating_add(within));
        let closed = self.horizon.ended || end.is_some_and(|end| end <= self.horizon.time);
        let brink = end.map_or(i64::MAX, |end| end - 1);
        match go {
            Go::From(start) => matcher.begin(start, first.ts),
            Go::Again | Go::With(false) => {}
            Go::With(true) => matcher.stack.push((matcher.halted + 1, matcher.path.len() as u32)),
        }
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
                    matcher.tries += 1;
                    if matcher.tries > MOST_TRIES {
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
                    Step::Match => {
                        matcher.halted = step as u32;
                        return Outcome::Match { reach: matcher.reach };
                    }
                    Step::Jump(to) => step = to as usize,
                    Step::Split(preferred, other) => {
                        matcher.stack.push((other, taken as u32));
                        step = preferred as usize;
                    }
                    Step::End => match row {
                        Err(false) => return matcher.wait(step, taken, steps),
                        Err(true) => {
                            matcher.reach = brink;
                            step += 1;
                        }
                        Ok(row) => {
                            matcher.reach = matcher.reach.max(row.ts);
                            break;
                        }
                    },
                    Step::Row(variable) => {
                        let row = match row {
                            Err(false) => return matcher.wait(step, taken, steps),
                            Err(true) => {
                                matcher.reach = brink;
                                break;
                            }
                            Ok(row) => row,
                        };
                        matcher.reach = matcher.reach.max(row.ts);
                        let bit = 1 << variable;
                        if row.flags & bit == 0 {
                            break;
                        }
                        if self.after > 0 {
                            // What a condition may have seen ahead.
                            let ahead = (position + self.after).min(self.horizon.settled - 1);
                            matcher.reach =
                                self.partition.row(ahead).map_or(matcher.reach, |row| matcher.reach.max(row.ts));
                        }
                        matcher.path.push(variable);
                        if program.asks & bit != 0 {
                            matcher.halted = step as u32;
                            return Outcome::Asks(variable);
                        }
                        if program.local & bit != 0 {
                            let ahead = position + program.ahead[variable as usize];
                            if row.known & bit == 0 || ahead >= self.horizon.settled && !self.horizon.ended {
                                return matcher.wait(step, taken, steps);
                            }
                            if row.holds & bit == 0 {
                                if row.fails & bit != 0 {
                                    matcher.failing.push((position, variable));
                                }
                                break;
                            }
                        }
                        (step, taken) = (step + 1, taken + 1);
                    }
                }
            }
        }
        Outcome::Nothing { reach: matcher.reach }
    }

    /// The rows of a match from `start` on with these variables.
    pub(super) fn path_rows(&self, start: u64, path: &[u8]) -> impl Iterator<Item = (At, u8)> {
        let at = move |taken: usize| self.partition.row(start + taken as u64).map_or((0, 0), |row| row.at);
        path.iter().enumerate().map(move |(taken, &variable)| (at(taken), variable))
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
    into: &mut Vec<Option<At>>,
) -> Option<()> {
    for pick in picks {
        if let Pick::Column { place, .. } = pick {
            let row = attempt.resolve(place, start, path)?;
            into.push(row.and_then(|row| attempt.partition.row(row)).map(|row| row.at));
        }
    }
    Some(())
}
