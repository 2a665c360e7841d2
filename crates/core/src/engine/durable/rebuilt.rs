//! What came is kept for a program that has changed: the log is written anew, with the numbers that the new program has for its sources and
//! tables, and without what it does not read. The start does that log again as it does every other.
//!
//! Invariant: what decided on rows is as it was (sources that are read again and tables too are declared as they were), so a row that is
//! kept has the verdict that it had.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use highwater_log::{Error, Folder, Log, Options, Past, Refused, SyncMode};

use super::super::config::Config;
use super::super::error::EngineError;
use super::super::frames::{self, Ended, FORMAT, Frame, Start};
use super::known::{Known, broken, is_ours};
use super::open::{log_options, place};
use super::{Durable, RETRY};
use crate::counted::counted;
use crate::plan::Dataflow;
use crate::plan::identity::{Part, parts};
use crate::time::now_ms;

/// What becomes of what a data directory holds when a program has changed, part by part: each as messages name it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// In what the two programs differ, in a sentence; `None` if they do not.
    pub difference: Option<String>,
    /// Sources and tables whose rows are kept.
    pub kept: Vec<String>,
    /// Those whose rows are not.
    pub dropped: Vec<String>,
    /// Views, sinks and sources that are computed, written or read from the beginning.
    pub rebuilt: Vec<String>,
    /// What was not there.
    pub new: Vec<String>,
    /// Why what came cannot be done again with the new program, and what would help.
    pub refused: Option<[String; 2]>,
    sources: Numbers,
    tables: Numbers,
    sinks: BTreeSet<String>,
}

/// The numbers that something has in the new program, by those that it had.
type Numbers = BTreeMap<u32, u32>;

/// The parts of a kind, in their order: that of their numbers.
fn of_kind<'a>(parts: &'a [Part], kind: &str) -> Vec<(&'a str, &'a Part)> {
    let name = |part: &'a Part| Some((part.name.strip_prefix(kind)?.strip_prefix(" '")?.strip_suffix('\'')?, part));
    parts.iter().filter_map(name).collect()
}

impl Change {
    /// From the parts of the program that wrote a log to those of another.
    pub(super) fn of(was: &[Part], dataflow: &Dataflow) -> Change {
        let now = parts(dataflow);
        let mut change = Change { difference: crate::plan::identity::difference(&now, was), ..Change::default() };
        let zone = |parts: &[Part]| of_kind(parts, "setting").first().map(|(_, part)| part.does.clone());
        if zone(was) != zone(&now) {
            let [was, now] = [was, &now].map(|parts| zone(parts).unwrap_or_default());
            change.refuse(format!("clocks were those of {was}, and are those of {now}"), "set the zone as it was");
        }
        for kind in ["source", "table"] {
            let (before, after) = (of_kind(was, kind), of_kind(&now, kind));
            let twice = |name: &str, all: &[(&str, &Part)]| all.iter().filter(|(other, _)| *other == name).count() > 1;
            for (number, (name, part)) in before.iter().enumerate() {
                let found = after.iter().position(|(other, _)| other == name);
                let shown = part.name.clone();
                let Some(at) = found else {
                    change.dropped.push(shown);
                    continue;
                };
                if twice(name, &before) || twice(name, &after) {
                    change.refuse(format!("{shown} is read by its arrival too"), "begin anew");
                } else if after[at].1.does == part.does {
                    let numbers = if kind == "source" { &mut change.sources } else { &mut change.tables };
                    numbers.insert(number as u32, at as u32);
                    change.kept.push(shown);
                } else if kind == "source" && !live(dataflow, at) {
                    change.rebuilt.push(shown);
                } else {
                    let (was, now) = (&part.does, &after[at].1.does);
                    change.refuse(
                        format!("{shown} is {now}, and was {was}"),
                        "declare it as it was, or give it another name",
                    );
                }
            }
            let new = after.iter().filter(|(name, _)| before.iter().all(|(other, _)| other != name));
            change.new.extend(new.map(|(_, part)| part.name.clone()));
        }
        for kind in ["view", "sink"] {
            let (before, after) = (of_kind(was, kind), of_kind(&now, kind));
            for (name, part) in &after {
                match before.iter().find(|(other, _)| other == name) {
                    None => change.new.push(part.name.clone()),
                    Some((_, other)) if other.hash == part.hash => {
                        change.kept.push(part.name.clone());
                        if kind == "sink" {
                            change.sinks.insert((*name).to_owned());
                        }
                    }
                    Some(_) => change.rebuilt.push(part.name.clone()),
                }
            }
            let gone = before.iter().filter(|(name, _)| after.iter().all(|(other, _)| other != name));
            change.dropped.extend(gone.map(|(_, part)| part.name.clone()));
        }
        change
    }

    fn refuse(&mut self, what: String, remedy: &str) {
        self.refused.get_or_insert([what, remedy.to_owned()]);
    }
}

fn live(dataflow: &Dataflow, source: usize) -> bool {
    dataflow.sources.get(source).is_some_and(|spec| spec.connector.live(&spec.options))
}

/// What becomes of what a data directory holds with a program; `None` if it holds nothing. Nothing is written, and a run may have it open.
///
/// # Errors
/// It cannot be read.
pub fn change(path: &Path, dataflow: &Dataflow) -> Result<Option<Change>, EngineError> {
    let folder = path.display().to_string();
    let past = Past::open(Folder::read_only(path)).map_err(|error| broken(&folder, &error))?;
    if !is_ours(&folder, &past)? {
        return Ok(None);
    }
    let (known, _) = Known::read(&folder, &past, None)?;
    Ok(known.start.filter(|_| known.used).map(|start| Change::of(&start.parts, dataflow)))
}

impl Durable {
    /// Writes the log anew for a program, in the place of this one, which is put aside; says so.
    pub(super) fn rebuild(
        self,
        lock: &Arc<Folder>,
        change: &Change,
        of: (&Dataflow, &Config),
    ) -> Result<(), EngineError> {
        let failed = |error: Error| self.broken(&error);
        let path = lock.rebuilding().map_err(failed)?;
        let (rows, dropped) = self.again_in(&path, change, of)?;
        self.close()?;
        let aside = lock.put_in_place().map_err(failed)?;
        let rows = counted(rows, "row");
        let dropped = if dropped > 0 { format!(", without {}", counted(dropped, "row")) } else { String::new() };
        let (folder, difference) = (&self.folder, change.difference.as_deref().unwrap_or_default());
        tracing::warn!(
            "data directory '{folder}': it was written by another program: {difference}; {rows} that came are kept for this one{dropped}; \
             the log as it was is in '{}' from now on",
            aside.display()
        );
        Ok(())
    }

    /// Writes what is kept to a log in that folder; how many rows are, and are not.
    fn again_in(
        &self,
        path: &Path,
        change: &Change,
        (dataflow, config): (&Dataflow, &Config),
    ) -> Result<(u64, u64), EngineError> {
        let (first, end) = (self.past.first(), self.past.end());
        // It is synced at its end.
        let log = Folder::lock(path)
            .and_then(|folder| Log::open(folder, Options { sync: SyncMode::Os, ..log_options(&dataflow.log) }));
        let log = log.map_err(|error| self.broken(&error))?;
        let mut reader = self.past.reader(first).map_err(|error| self.broken(&error))?;
        let start = Start {
            format: FORMAT,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            at_ms: now_ms(),
            parts: parts(dataflow),
            // Its log is another from now on, as those of the others are.
            cluster: place(config, &[]),
        };
        self.put(&log, frames::START, &[&start.bytes()])?;
        let (mut rows, mut dropped, mut requests, mut undecided) = (0, 0, BTreeMap::new(), BTreeMap::new());
        while reader.next_lsn() < end {
            let Some(frame) = reader.read().map_err(|error| self.broken(&error))? else { break };
            let (kind, bytes) = (frame.kind, frame.bytes);
            let number = bytes.first_chunk().map_or(0, |number| u32::from_le_bytes(*number));
            let rest = bytes.get(4..).unwrap_or_default();
            match kind {
                frames::SOURCE..=frames::END | frames::INPUT | frames::AHEAD | frames::LEARNT => {
                    let to = change.sources.get(&number);
                    if let Ok(Frame::Rows(taken)) = Frame::read(kind, bytes) {
                        *(if to.is_some() { &mut rows } else { &mut dropped }) += u64::from(taken.rows);
                    }
                    if let Some(to) = to {
                        self.put(&log, kind, &[&to.to_le_bytes(), rest])?;
                    }
                }
                frames::PUSHED => {
                    let to = change.sources.get(&number);
                    if let Ok(Frame::Pushed(pushed)) = Frame::read(kind, bytes) {
                        *(if to.is_some() { &mut rows } else { &mut dropped }) += u64::from(pushed.rows);
                    }
                    if let Some(to) = to {
                        undecided.insert(frame.lsn.0, self.put(&log, kind, &[&to.to_le_bytes(), rest])?);
                    }
                }
                frames::DECIDED => {
                    let pushed = rest.get(4..12).and_then(|lsn| lsn.first_chunk()).map(|lsn| u64::from_le_bytes(*lsn));
                    let pushed = pushed.and_then(|lsn| undecided.remove(&lsn));
                    if let (Some(to), Some(pushed)) = (change.sources.get(&number), pushed) {
                        let parts: [&[u8]; 4] = [&to.to_le_bytes(), &rest[..4], &pushed.to_le_bytes(), &rest[12..]];
                        self.put(&log, kind, &parts)?;
                    }
                }
                frames::REQUEST => {
                    if let Some(to) = change.tables.get(&number) {
                        requests.insert(frame.lsn.0, self.put(&log, kind, &[&to.to_le_bytes(), rest])?);
                    }
                }
                frames::TAKEN => {
                    let request = rest.first_chunk().map(|lsn| u64::from_le_bytes(*lsn));
                    let request = request.and_then(|lsn| requests.get(&lsn));
                    if let (Some(to), Some(request)) = (change.tables.get(&number), request) {
                        self.put(&log, kind, &[&to.to_le_bytes(), &request.to_le_bytes(), &rest[8..]])?;
                    }
                }
                frames::BEGUN | frames::ENDED => match Frame::read(kind, bytes) {
                    Ok(Frame::Begun(begun) | Frame::Ended(Ended { writer: begun, .. }))
                        if !change.sinks.contains(&begun.sink) => {}
                    _ => drop(self.put(&log, kind, &[bytes])?),
                },
                // The program is another.
                _ => {}
            }
        }
        log.close().map_err(|error| self.broken(&error))?;
        Ok((rows, dropped))
    }

    fn put(&self, log: &Log, kind: u8, parts: &[&[u8]]) -> Result<u64, EngineError> {
        loop {
            match log.append(kind, parts) {
                Ok(lsn) => return Ok(lsn.0),
                Err(Refused::Full { .. }) if !self.control.stopping() => std::thread::sleep(RETRY),
                Err(Refused::DiskFull) => {
                    let what = "the disk has no room to write anew what it holds for the program that has changed";
                    return Err(self.wrong(what, "make room, or begin anew with --on-change fresh"));
                }
                Err(refused) => return Err(self.wrong(refused, "start it again")),
            }
        }
    }
}
