//! Going through partitions, many at once: each goes on until the condition of a row depends on the rows matched before it;
//! then the conditions that all of them ask for are evaluated in one batch, and they go on with the answers.
//!
//! What a partition does depends on its own rows and deadlines alone, so many deadlines are worked off together. Conditions on
//! neighbours are evaluated ahead, for all rows that are there; that one fails is told when an attempt comes to ask for it.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};

use super::attempt::{Attempt, Go, Horizon, MOST_TRIES, Matcher, Outcome, picked};
use super::output::{self, View};
use super::partition::{Found, Partition, Row, Shown, differences};
use super::recognise::{Recognise, passes};
use super::store::At;
use super::{Pick, Skip};
use crate::aggregate::Changes;
use crate::delta::{Delta, Failure};

/// A partition that is gone through.
#[derive(Debug)]
struct Task {
    group: u32,
    /// The watermark that it is looked at.
    deadline: i64,
    matcher: Box<Matcher>,
    /// What has been found.
    fresh: Vec<Shown>,
}

/// What is asked about a variable, in a round.
#[derive(Debug, Default)]
struct Asked {
    tasks: Vec<u32>,
    /// The rows that the columns of its condition mean, those of one after those of the other.
    picked: Vec<Option<At>>,
    /// The rows of the matches so far, and where they end.
    rows: Vec<(At, u8)>,
    ends: Vec<usize>,
    /// The rows that are tried: tasks, and positions in their partitions.
    tried: Vec<(u32, u64)>,
}

/// A match that goes or comes.
#[derive(Debug)]
struct Change {
    deadline: i64,
    shown: Shown,
}

impl Recognise {
    /// Goes through partitions at their deadlines, and at those up to `until` that come of it. Answers the changes at each
    /// deadline, in order.
    pub(super) fn look(&mut self, tasks: Vec<(i64, u32)>, until: i64) -> Vec<(i64, Vec<Delta>)> {
        if self.program.local != 0 {
            let groups: Vec<u32> = tasks.iter().map(|(_, group)| *group).collect();
            self.settle_local(&groups, until, |partition| partition.next);
        }
        let (mut gone, mut come) = (Vec::new(), Vec::new());
        let mut asked: Vec<Asked> = self.judges.iter().map(|_| Asked::default()).collect();
        let mut open: Vec<Option<Task>> = Vec::new();
        for (deadline, group) in tasks {
            let matcher = self.matchers.pop().unwrap_or_default();
            let task = Task { group, deadline, matcher, fresh: Vec::new() };
            let at = open.len() as u32;
            open.extend(self.go_on(task, None, until, at, &mut asked, (&mut gone, &mut come)).map(Some));
        }
        while asked.iter().any(|asked| !asked.tasks.is_empty()) {
            let round: Vec<Asked> = asked.iter_mut().map(std::mem::take).collect();
            for (variable, round) in round.into_iter().enumerate() {
                let mut failed = Vec::new();
                let answers = self.answers(variable, &round, &mut |tried, failure| failed.push((tried, failure)));
                for ((task, position), failure) in failed {
                    let Some(task) = &open[task as usize] else { unreachable!("who asks is open") };
                    self.fail(variable, (task.group, position), failure, task.deadline);
                }
                for (&at, holds) in round.tasks.iter().zip(answers) {
                    let Some(task) = open[at as usize].take() else { unreachable!("who asks is open") };
                    open[at as usize] = self.go_on(task, Some(holds), until, at, &mut asked, (&mut gone, &mut come));
                }
            }
        }
        self.changes(gone, come)
    }

    /// Goes on with a task until it asks, and answers it then; or until it is done, and not due by `until`.
    fn go_on(
        &mut self,
        mut task: Task,
        mut answer: Option<bool>,
        until: i64,
        at: u32,
        asked: &mut [Asked],
        (gone, come): (&mut Vec<Change>, &mut Vec<Change>),
    ) -> Option<Task> {
        loop {
            let due = match self.scan(&mut task, answer.take()) {
                Err(variable) => {
                    let attempt = self.attempt(task.group, task.deadline);
                    self.ask(&mut asked[variable as usize], &attempt, &task.matcher, at, variable);
                    return Some(task);
                }
                Ok(due) => due,
            };
            let undone = std::mem::take(&mut self.partitions[task.group as usize].undone);
            let change = |shown| Change { deadline: task.deadline, shown };
            let (old, new) = differences(undone, std::mem::take(&mut task.fresh));
            gone.extend(old.into_iter().map(change));
            come.extend(new.into_iter().map(change));
            match due {
                Some(due) if due <= until => task.deadline = due,
                due => {
                    due.into_iter().for_each(|due| self.schedule(task.group, due));
                    self.matchers.push(task.matcher);
                    return None;
                }
            }
        }
    }

    /// Notes what the attempt of a task asks for.
    fn ask(&self, asked: &mut Asked, attempt: &Attempt<'_>, matcher: &Matcher, task: u32, variable: u8) {
        let Some(judge) = &self.judges[variable as usize] else { unreachable!("only a condition is asked for") };
        let (start, path) = (matcher.start, &matcher.path);
        if picked(attempt, &judge.picks, start, path, &mut asked.picked).is_none() {
            unreachable!("the rows that it means are there: {:?}", judge.picks);
        }
        if judge.reads_rows {
            asked.rows.extend(attempt.path_rows(start, path));
        }
        asked.tasks.push(task);
        asked.tried.push((task, (start + path.len() as u64).saturating_sub(1)));
        asked.ends.push(asked.rows.len());
    }

    /// For which of what is asked about a variable its condition holds; `failed` is told of the rows on which it fails.
    fn answers(&self, variable: usize, asked: &Asked, failed: &mut dyn FnMut((u32, u64), Failure)) -> Vec<bool> {
        let Some(judge) = self.judges[variable].as_ref().filter(|_| !asked.tasks.is_empty()) else { return Vec::new() };
        let (width, mut start) = (asked.picked.len() / asked.tasks.len(), 0);
        let view = |(at, &end): (usize, &usize)| {
            let rows = &asked.rows[std::mem::replace(&mut start, end)..end];
            View { rows, picked: &asked.picked[at * width..][..width], number: 0 }
        };
        let views: Vec<View<'_>> = asked.ends.iter().enumerate().map(view).collect();
        judge.judge(&self.store, &self.pattern.variables, &views, &mut |at, failure| failed(asked.tried[at], failure))
    }

    /// The condition of a variable fails on a row; that is told once, at the deadline at which it was asked for.
    fn fail(&mut self, variable: usize, (group, position): (u32, u64), failure: Failure, deadline: i64) {
        let Some(row) = self.partitions[group as usize].row_mut(position) else { return };
        let bit = 1u64 << variable;
        if row.failed & bit == 0 {
            row.failed |= bit;
            let at = row.at;
            self.reject(failure, at, deadline);
        }
    }

    /// A local condition that was asked for fails on a row: says why, once.
    fn fail_locally(&mut self, variable: usize, (group, position): (u32, u64), deadline: i64) {
        let told = |row: &Row| row.failed >> variable & 1 == 1;
        let attempt = self.attempt(group, deadline);
        let Some(judge) = self.judges[variable].as_ref() else { return };
        let (mut rows, mut why) = (Vec::new(), None);
        if attempt.partition.row(position).is_none_or(told)
            || picked(&attempt, &judge.picks, position, &[variable as u8], &mut rows).is_none()
        {
            return;
        }
        let views = [View { rows: &[], picked: &rows, number: 0 }];
        judge.judge(&self.store, &self.pattern.variables, &views, &mut |_, failure| why = Some(failure));
        why.into_iter().for_each(|why| self.fail(variable, (group, position), why, deadline));
    }

    /// Hands in a row as a dead letter, to be told at a watermark.
    fn reject(&self, failure: Failure, at: At, due: i64) {
        let columns = (0..self.columns.len()).map(|column| self.store.gather(column, &[Some(at)]));
        if let Ok(batch) = RecordBatch::try_new(Arc::clone(&self.stored), columns.collect()) {
            self.rejects.row_due(failure, &batch, 0, 1, Some(due));
        }
    }

    /// Evaluates the conditions on neighbours that are there at the watermark `deadline`, for all partitions at once.
    pub(super) fn settle_local(&mut self, groups: &[u32], deadline: i64, from: impl Fn(&Partition) -> u64) {
        for (variable, judge) in self.judges.iter().enumerate() {
            let bit = 1u64 << variable;
            let Some(judge) = judge.as_ref().filter(|_| self.program.local & bit != 0) else { continue };
            let (mut places, mut rows) = (Vec::new(), Vec::new());
            for &group in groups {
                let attempt = self.attempt(group, deadline);
                for position in from(attempt.partition)..attempt.horizon.settled {
                    let wanted = |row: &&Row| row.flags & bit != 0 && row.known & bit == 0;
                    if attempt.partition.row(position).filter(wanted).is_none() {
                        continue;
                    }
                    let before = rows.len();
                    match picked(&attempt, &judge.picks, position, &[variable as u8], &mut rows) {
                        Some(()) => places.push((group, position)),
                        None => rows.truncate(before),
                    }
                }
            }
            if places.is_empty() {
                continue;
            }
            let width = judge.picks.len();
            let views: Vec<View<'_>> = (0..places.len())
                .map(|at| View { rows: &[], picked: &rows[at * width..][..width], number: 0 })
                .collect();
            let mut fails = vec![false; places.len()];
            let holds = judge.judge(&self.store, &self.pattern.variables, &views, &mut |at, _| fails[at] = true);
            let set = |bits: u64, to: bool| if to { bits | bit } else { bits & !bit };
            for (((group, position), holds), fails) in places.into_iter().zip(holds).zip(fails) {
                if let Some(row) = self.partitions[group as usize].row_mut(position) {
                    row.known |= bit;
                    (row.holds, row.fails) = (set(row.holds, holds), set(row.fails, fails));
                }
            }
        }
    }

    /// A partition at a watermark.
    pub(super) fn attempt(&self, group: u32, deadline: i64) -> Attempt<'_> {
        let partition = &self.partitions[group as usize];
        let (time, ended) = self.moment(deadline);
        let settled = if ended { partition.end() } else { partition.at_time(time) };
        Attempt {
            program: &self.program,
            partition,
            horizon: Horizon { time, settled, ended },
            within_ms: self.pattern.within_ms,
            after: self.reach.1 as u64,
        }
    }

    /// What is shown of the match that starts at a row, and where to go on; `None` if a row to come is shown.
    fn shown(&self, attempt: &Attempt<'_>, start: u64, path: &[u8]) -> Option<(Shown, u64)> {
        let mut picks = Vec::new();
        let firsts = if self.pattern.shown.is_some() { 1..=path.len() } else { path.len()..=path.len() };
        for upto in firsts {
            picked(attempt, &self.pattern.picks, start, &path[..upto], &mut picks)?;
        }
        let of = |variable: usize| move |taken: &u8| *taken as usize == variable;
        let next = match self.pattern.skip {
            Skip::PastLast => Some(path.len()),
            Skip::ToNext => Some(1),
            Skip::ToFirst(variable) => path.iter().position(of(variable)),
            Skip::ToLast(variable) => path.iter().rposition(of(variable)),
        };
        let next = start + next.unwrap_or(1).max(1) as u64;
        Some((Shown { number: 0, rows: attempt.path_rows(start, path).collect(), picked: picks }, next))
    }

    /// The attempt at a row goes on; it ends, or asks for what is there.
    fn step(&self, matcher: &mut Matcher, attempt: &Attempt<'_>, go: Go) -> Outcome {
        let outcome = attempt.run(matcher, go);
        let Outcome::Asks(variable) = outcome else { return outcome };
        let picks = self.judges[variable as usize].as_ref().map_or(&[][..], |judge| &judge.picks);
        let there = picks.iter().all(|pick| match pick {
            Pick::Column { place, .. } => attempt.resolve(place, matcher.start, &matcher.path).is_some(),
            _ => true,
        });
        if there {
            return outcome;
        }
        matcher.wait_here(true, self.program.steps.len())
    }

    /// The attempt at a row, to its end; what it asks for is answered one by one.
    pub(super) fn decide(&self, matcher: &mut Matcher, group: u32, deadline: i64, start: u64) -> Outcome {
        let attempt = self.attempt(group, deadline);
        let mut go = Go::From(start);
        loop {
            let outcome = self.step(matcher, &attempt, go);
            let Outcome::Asks(variable) = outcome else { return outcome };
            let mut asked = Asked::default();
            self.ask(&mut asked, &attempt, matcher, 0, variable);
            // What fails was told when the row was first tried.
            go = Go::With(self.answers(variable as usize, &asked, &mut |_, _| {})[0]);
        }
    }

    /// Goes on through a partition, with the answer to what was asked. `Err`: the variable it asks for. `Ok`: when it is due
    /// next.
    fn scan(&mut self, task: &mut Task, mut answer: Option<bool>) -> Result<Option<i64>, u8> {
        let (group, deadline) = (task.group, task.deadline);
        let (time, ended) = self.moment(deadline);
        let frozen = self.frozen(time);
        let mut waits = None;
        let settled = self.attempt(group, deadline).horizon.settled;
        loop {
            let partition = &self.partitions[group as usize];
            let start = partition.next;
            let Some(row) = partition.row(start).copied().filter(|_| start < settled) else { break };
            let (outcome, matched) = match row.flags & self.program.starts {
                0 => (Outcome::Nothing { reach: row.ts }, None),
                _ => {
                    let go = match (answer.take(), self.partitions[group as usize].paused.take()) {
                        (Some(answer), _) => Go::With(answer),
                        (None, Some(paused)) if paused.start == start => {
                            self.matchers.push(std::mem::replace(&mut task.matcher, paused));
                            Go::Again
                        }
                        (None, _) => Go::From(start),
                    };
                    let attempt = self.attempt(group, deadline);
                    match self.step(&mut task.matcher, &attempt, go) {
                        Outcome::Match { reach } => match self.shown(&attempt, start, &task.matcher.path) {
                            None => (task.matcher.wait_here(false, self.program.steps.len()), None),
                            some => (Outcome::Match { reach }, some),
                        },
                        other => (other, None),
                    }
                }
            };
            for (position, variable) in std::mem::take(&mut task.matcher.failing) {
                self.fail_locally(variable as usize, (group, position), deadline);
            }
            match outcome {
                Outcome::Asks(variable) => return Err(variable),
                Outcome::TooLong { .. } => self.give_up(&row, deadline),
                _ => {}
            }
            let partition = &mut self.partitions[group as usize];
            let first = partition.next == partition.base;
            match (outcome, matched) {
                (Outcome::Undecided | Outcome::Asks(_), _) => {
                    let end = self.pattern.within_ms.map_or(i64::MAX, |within| row.ts.saturating_add(within));
                    // Past its end only a row ahead is waited for, or the end of all.
                    let other = self.matchers.pop().unwrap_or_default();
                    partition.paused = Some(std::mem::replace(&mut task.matcher, other));
                    waits = Some(if end > time { end.saturating_add(self.delay_ms) } else { i64::MAX });
                    break;
                }
                (Outcome::Match { reach }, Some((mut shown, next))) => {
                    if self.numbers {
                        shown.number = partition.numbered + partition.found.len() as i64 + 1;
                    }
                    partition.next = next;
                    task.fresh.push(shown.clone());
                    if first && frozen.is_some_and(|frozen| reach < frozen) {
                        partition.base = next;
                        partition.numbered += 1;
                    } else {
                        partition.found.push_back(Found { start, next, reach, shown });
                    }
                }
                (Outcome::Nothing { reach } | Outcome::TooLong { reach } | Outcome::Match { reach }, _) => {
                    partition.next += 1;
                    if first && frozen.is_some_and(|frozen| reach < frozen) {
                        partition.base = partition.next;
                    }
                }
            }
        }
        let starts = self.program.starts;
        let partition = &self.partitions[group as usize];
        let later = |position: u64| partition.row(position).map(|row| passes(row.ts, self.delay_ms));
        let due = match waits {
            Some(end) => Some(later(settled).map_or(end, |row| row.min(end))),
            None => {
                let may_start = |position: &u64| partition.row(*position).is_some_and(|row| row.flags & starts != 0);
                (settled.max(partition.next)..partition.end()).find(may_start).and_then(later)
            }
        };
        let partition = &mut self.partitions[group as usize];
        (partition.due, partition.dirty, partition.hopeful) = (None, false, due.is_some());
        partition.forget(self.reach.0);
        Ok(due.filter(|_| !ended))
    }

    fn give_up(&self, row: &Row, deadline: i64) {
        let detail =
            format!("no match after {MOST_TRIES} steps from this row on; bound the repetitions or the conditions");
        let failure = Failure { expression: String::new(), reason: "evaluation", detail };
        self.reject(failure, row.at, deadline);
    }

    /// The rows of what goes and comes, by deadline.
    fn changes(&self, gone: Vec<Change>, come: Vec<Change>) -> Vec<(i64, Vec<Delta>)> {
        let mut all: BTreeMap<i64, Changes> = BTreeMap::new();
        for (mut matches, put) in [(gone, Changes::retract as fn(&mut _, _, _)), (come, Changes::insert)] {
            matches.sort_by_key(|change| change.deadline);
            let (columns, mut start) = (self.rows_of(&matches), 0);
            for matches in matches.chunk_by(|a, b| a.deadline == b.deadline) {
                let rows = matches.iter().map(|change| self.uptos(&change.shown).count()).sum();
                let changes = all.entry(matches[0].deadline).or_insert_with(|| Changes::new(&self.schema));
                put(changes, columns.iter().map(|column| column.slice(start, rows)).collect(), rows);
                start += rows;
            }
        }
        all.into_iter().map(|(deadline, changes)| (deadline, changes.finish())).collect()
    }

    /// Per row that is shown of a match, how many rows of it there are up to it.
    fn uptos(&self, shown: &Shown) -> std::ops::RangeInclusive<usize> {
        if self.pattern.shown.is_some() { 1..=shown.rows.len() } else { shown.rows.len()..=shown.rows.len() }
    }

    /// The rows of matches, as columns.
    fn rows_of(&self, matches: &[Change]) -> Vec<ArrayRef> {
        let width = self.pattern.picks.iter().filter(|pick| matches!(pick, Pick::Column { .. })).count();
        let (mut views, mut own) = (Vec::new(), Vec::new());
        for Change { shown, .. } in matches {
            for (at, upto) in self.uptos(shown).enumerate() {
                let rows = &shown.rows[..upto];
                own.push(rows.last().map(|(at, _)| *at));
                views.push(View { rows, picked: &shown.picked[at * width..][..width], number: shown.number });
            }
        }
        let head = self.pattern.shown.as_ref().unwrap_or(&self.pattern.keys);
        let mut columns: Vec<ArrayRef> = head.iter().map(|&column| self.store.gather(column, &own)).collect();
        columns.extend(output::columns(&self.store, &self.pattern.variables, &self.pattern.picks, &views));
        columns
    }
}
