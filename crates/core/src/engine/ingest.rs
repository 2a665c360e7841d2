//! The threads that read: per source a pool that runs its partitions' readers, and one ticker for all live partitions.
//!
//! A bounded source is read by as many threads as there are cores, a live one by one thread per partition, since any of
//! them may wait for its input. The threads may sit in a read that never returns, so nothing waits for them to end.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use highwater_log::Lsn;

use super::config::Config;
use super::control::Control;
use super::error::EngineError;
use super::gossip::Gossip;
use super::idleness::Reach;
use super::source::Source;
use super::table::Table;
use super::timepiece::Timepiece;
use crate::source::{Position, Read, Reader, SplitId, Start};
use crate::time::Epoch;

/// By how much the last tick of a source is ahead of the clock.
const LEAD_MS: u64 = 60_000;

/// A split of a source that is opened as a partition.
#[derive(Debug)]
pub(super) struct Opened {
    /// Its number among the splits of the source.
    pub(super) number: usize,
    pub(super) split: SplitId,
    pub(super) start: Start,
    /// What messages call it.
    pub(super) name: String,
}

/// How often, and after how long, a partition that is taking rows just when a tick ends its epoch is asked again: it takes microseconds,
/// unless it waits for room.
const AGAIN: usize = 8;
const PAUSE: Duration = Duration::from_micros(250);

type Work = Arc<Mutex<VecDeque<(usize, Box<dyn Reader>)>>>;

/// Starts the readers of one source; `readers[i]` reads partition `i` of the process.
pub(super) fn start(
    source: &Arc<Source>,
    readers: Vec<Box<dyn Reader>>,
    control: &Arc<Control>,
    process: usize,
) -> Result<(), EngineError> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = if source.live() { readers.len() } else { readers.len().min(cores) };
    let work: Work = Arc::new(Mutex::new(readers.into_iter().enumerate().collect()));
    for thread in 0..threads {
        let (source, control, work) = (source.clone(), control.clone(), work.clone());
        let name = format!("source {}:{thread}", source.name());
        let kept = control.clone();
        kept.keep(spawn(name.clone(), move || {
            control.guard(&name, process, || {
                let next = || work.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
                while let Some((partition, reader)) = next() {
                    if let Err(error) = read(&source, partition, reader, &control) {
                        source.standing(partition).gave_up(&error);
                        return control.fail(error);
                    }
                }
            });
        })?);
    }
    Ok(())
}

/// Starts a thread of the engine.
pub(super) fn spawn(name: String, run: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, EngineError> {
    let spawned = std::thread::Builder::new().name(name.clone()).spawn(run);
    spawned.map_err(|error| EngineError::Config(format!("no thread for {name}: {error}")))
}

fn read(source: &Source, partition: usize, mut reader: Box<dyn Reader>, control: &Control) -> Result<(), EngineError> {
    reader.shown(source.standing(partition));
    // What was taken and is not safe yet.
    let mut waiting: VecDeque<(Option<Lsn>, Position)> = VecDeque::new();
    loop {
        let mut kept = None;
        while let Some((_, position)) = waiting.pop_front_if(|(frame, _)| source.is_safe(*frame)) {
            kept = Some(position);
        }
        kept.iter().for_each(|position| reader.kept(position));
        if control.stopping() || source.is_over(partition) {
            return Ok(());
        }
        let read = match reader.read() {
            // It was waiting for something to pass, and nobody needs that any more.
            Err(_) if control.stopping() || source.is_over(partition) => return Ok(()),
            read => read?,
        };
        source.standing(partition).opened();
        match read {
            Read::Wait(pause) => control.sleep(pause),
            Read::Begins(input) => source.begins(partition, &input),
            Read::Rows(decoded) => {
                let end = decoded.end.clone();
                if source.accept(partition, decoded).is_err() {
                    return Ok(());
                }
                waiting.push_back((source.last_frame(partition), end));
            }
            Read::End => {
                source.finish(partition);
                return Ok(());
            }
        }
    }
}

/// Starts the ticker, if there is a live source. With other processes in a cluster `gossip` tells of theirs.
pub(super) fn start_ticker(
    sources: &[Arc<Source>],
    tables: &[Arc<Table>],
    config: &Config,
    (gossip, lead): (Option<Arc<Gossip>>, u64),
    control: &Arc<Control>,
) -> Result<(), EngineError> {
    // Where the clock is moved by hand, who moves it ticks.
    if config.clock.is_some() || !sources.iter().any(|source| source.live()) {
        return Ok(());
    }
    let (sources, tables, kept, control) = (sources.to_vec(), tables.to_vec(), control, control.clone());
    let (tick_ms, process, clock) = (config.tick_ms, config.process, timepiece(config));
    let ticker = spawn("ticker".to_owned(), move || {
        control.guard("ticker", process, || {
            while !control.stopping() && !sources.iter().all(|source| source.ended()) {
                control.sleep(Duration::from_millis(tick_ms));
                tick(&sources, &tables, clock.ticks(tick_ms, lead), gossip.as_deref());
            }
        });
    })?;
    kept.keep(ticker);
    Ok(())
}

/// One tick: open epochs with rows end, idle partitions go on with the clock where they are to, and follow the others. The time of arrival moves on by itself.
pub(super) fn tick(sources: &[Arc<Source>], tables: &[Arc<Table>], count: u64, gossip: Option<&Gossip>) {
    // Room may have come where no worker says so, as in the log.
    sources.iter().for_each(|source| source.freed());
    let dirty = sources.iter().fold(false, |any, source| source.dirty.swap(false, Ordering::AcqRel) | any);
    // A change of a table is complete when the streams have passed its epoch.
    let dirty = dirty || tables.iter().any(|table| table.waiting.load(Ordering::Acquire));
    let live = || sources.iter().filter(|source| source.live() && !source.by_arrival());
    let by_arrival = sources.iter().filter(|source| source.live() && source.by_arrival());
    step(by_arrival, |source, partition| source.arrive(partition, source.clock.now_ms()));
    if dirty || gossip.is_some() {
        // Within one watermark no live partition is to hold another back, so all go to the same tick; what other
        // processes wait for is not known here.
        step(live(), |source, partition| source.tick(partition, Some(count)));
    }
    for source in live().filter(|source| source.goes_on_with_the_clock()) {
        let idle = (0..source.partition_count()).filter(|&partition| source.idle(partition));
        idle.for_each(|partition| source.elapse(partition, source.clock.now_ms()));
    }
    let (target, pushed) = match gossip {
        Some(gossip) => {
            let numbers = gossip.numbers();
            gossip.exchange(numbers, reach(sources), sources.iter().map(|source| source.pushed()).collect())
        }
        None => (reach(sources).target(), Vec::new()),
    };
    // W4, W11: all that clients push is one order of arrival, whichever process takes it.
    for (source, watermark) in sources.iter().zip(pushed) {
        if let (Some(own), Some(watermark)) = (source.pushed(), watermark)
            && own < watermark
        {
            source.follow(0, Epoch { watermark, tick: count });
        }
    }
    if let Some(watermark) = target {
        for source in live() {
            for partition in (0..source.partition_count()).filter(|&partition| source.idle(partition)) {
                if source.partition_watermark(partition).is_some_and(|own| own < watermark) {
                    source.follow(partition, Epoch { watermark, tick: count });
                }
            }
        }
    }
}

/// Steps all partitions of sources, those that are taking rows just then a moment later; a step answers whether it could be made.
fn step<'a>(sources: impl Iterator<Item = &'a Arc<Source>>, step: impl Fn(&Source, usize) -> bool) {
    let partitions = |source: &'a Arc<Source>| (0..source.partition_count()).map(move |partition| (source, partition));
    let mut left: Vec<(&Arc<Source>, usize)> = sources.flat_map(partitions).collect();
    left.retain(|(source, partition)| !step(source, *partition));
    for _ in 0..AGAIN {
        if left.is_empty() {
            return;
        }
        std::thread::sleep(PAUSE);
        left.retain(|(source, partition)| !step(source, *partition));
    }
}

/// The clock that sources go by.
fn timepiece(config: &Config) -> Timepiece {
    Timepiece::start(config.clock.as_ref())
}

/// The count of the clock's ticks, and as many more as it is ahead.
pub(super) fn ticks(config: &Config, lead: u64) -> u64 {
    timepiece(config).ticks(config.tick_ms, lead)
}

/// Seals all sources (see [`Source::seal`]); answers the epoch that everything they have taken is before, as far as no
/// partition holds it back.
pub(super) fn seal(sources: &[Arc<Source>], (ticks, tick_ms): (u64, u64)) -> Epoch {
    // Further than any partition is, in this process or in one that seals a little later.
    let tick = ticks + LEAD_MS / tick_ms + 1;
    sources.iter().filter_map(|source| source.seal(tick)).min().unwrap_or(Epoch::END)
}

/// How far the partitions of this process are (W6). Times of arrival are other times.
pub(super) fn reach(sources: &[Arc<Source>]) -> Reach {
    let by_event_time = sources.iter().filter(|source| !source.by_arrival());
    by_event_time.flat_map(|source| (0..source.partition_count()).map(|partition| source.reach(partition))).collect()
}

#[cfg(test)]
#[path = "ingest_tests.rs"]
mod tests;
