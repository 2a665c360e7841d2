//! What the processes of a cluster tell each other: how far their inputs are, so that an idle input of one follows those of
//! the others (W6); how far their pushed sources are, which are one order of arrival (W4, W11); how much they
//! have given each other's workers and taken in (what is on its way to a peer is bounded, [`Gossip::held`]); and, when
//! they stop, up to where what they took goes.
//!
//! A dataflow of its own, without progress: whenever a process's word changes, its first worker sends it to the workers of
//! all others, behind what was sent to them before. It ends when the sources of all processes have ended.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use timely::container::CapacityContainerBuilder;
use timely::dataflow::channels::pact::Exchange;
use timely::dataflow::operators::Operator;
use timely::dataflow::operators::generic::operator::source;
use timely::scheduling::SyncActivator;
use timely::worker::Worker;

use super::config::{BATCH_ROWS, Config};
use super::consent::Ready;
use super::error::EngineError;
use super::idleness::{Confirmed, Reach};
use crate::time::{Clock, Epoch};

/// To which worker, from which process, what.
type Letter = (u64, u64, Word);

/// Rows and bytes of a source that its workers were given so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Given {
    pub(super) rows: u64,
    pub(super) bytes: u64,
}

impl Given {
    /// What is on its way: given, and not taken in yet.
    fn since(self, taken: Given) -> Given {
        Given { rows: self.rows.saturating_sub(taken.rows), bytes: self.bytes.saturating_sub(taken.bytes) }
    }
}

/// What a process says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Word {
    /// How far its inputs are; `None` before it has said so.
    reach: Option<Reach>,
    /// How often that has changed.
    number: u64,
    /// Per process, the number of its reach that was known when this one's was looked at.
    known: Vec<u64>,
    /// Per source that clients push to and that has not ended: how far it is.
    pushed: Vec<Option<i64>>,
    /// It stops.
    stops: bool,
    /// It takes nothing more, and all that it took is before this epoch; the end of time if its sources have ended.
    sealed: Option<Epoch>,
    /// The last commands that it is ready to run.
    pub(super) commands: Vec<Ready>,
    /// Per source, what its workers were given. Rows go to any process: all of it counts for every peer.
    given: Vec<Given>,
    /// Per process and source, how much of what that one gave all workers here have taken in.
    taken: Vec<Vec<Given>>,
    /// How far its sources are once all that its data directory held is done again.
    fed: Option<Vec<Fed>>,
}

/// How far the partitions of a source are that have not ended: the least of them, and the greatest tick.
pub(super) type Fed = Option<(Epoch, u64)>;

/// What is known of every process, this one among them.
pub(super) struct Gossip {
    words: Mutex<Vec<Word>>,
    process: usize,
    sources: usize,
    activator: Mutex<Option<SyncActivator>>,
    /// Per source, what this process's workers were given, as of now.
    given: Vec<[AtomicU64; 2]>,
    /// Per worker of this process, and process and source, what that worker has taken in.
    arrived: Mutex<Vec<Vec<Vec<Given>>>>,
    /// Per process, since when it has taken nothing of what is on its way to it: since it last took something in, or since
    /// there is something to take.
    stalled: Mutex<Vec<Clock>>,
    /// How much of a source may be on its way to a peer.
    room: Given,
    /// What this process has said of its inputs, as far as the others have answered.
    confirmed: Mutex<Confirmed>,
    /// A word was heard, or none is any more.
    heard: Condvar,
    closed: AtomicBool,
    /// This process says nothing more.
    silent: AtomicBool,
    /// Nobody says anything more, and all of it was heard.
    complete: AtomicBool,
}

impl std::fmt::Debug for Gossip {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gossip").field("words", &*self.words()).finish_non_exhaustive()
    }
}

/// Per pushed source, how far it is anywhere.
type Targets = Vec<Option<i64>>;

impl Gossip {
    pub(super) fn new(config: &Config, sources: usize) -> Gossip {
        let processes = config.processes();
        let nothing = vec![vec![Given::default(); sources]; processes];
        let word = Word { given: nothing[0].clone(), taken: nothing.clone(), ..Word::default() };
        let rows = config.workers * config.lag_batches * BATCH_ROWS;
        Gossip {
            words: Mutex::new(vec![word; processes]),
            process: config.process,
            sources,
            activator: Mutex::default(),
            given: (0..sources).map(|_| Default::default()).collect(),
            arrived: Mutex::new(vec![nothing; config.workers]),
            stalled: Mutex::new((0..processes).map(|_| Clock::start()).collect()),
            room: Given { rows: rows as u64, bytes: (config.workers * config.queue_bytes) as u64 },
            confirmed: Mutex::default(),
            heard: Condvar::new(),
            closed: AtomicBool::new(false),
            silent: AtomicBool::new(false),
            complete: AtomicBool::new(false),
        }
    }

    /// A worker of this process is given rows of a source.
    pub(super) fn give(&self, source: usize, rows: usize, bytes: usize) {
        let [given_rows, given_bytes] = &self.given[source];
        let before = given_rows.fetch_add(rows as u64, Ordering::Relaxed);
        let rows = before + rows as u64;
        let bytes = given_bytes.fetch_add(bytes as u64, Ordering::Relaxed) + bytes as u64;
        let told = {
            let words = self.words();
            self.begin_to_wait(source, before, &words);
            words[self.process].given[source]
        };
        // Ticks tell of it too, where there are any.
        let untold = Given { rows, bytes }.since(told);
        if untold.rows > self.room.rows / 8 || untold.bytes > self.room.bytes / 8 {
            self.tell_given();
        }
    }

    /// Rows of a source go to peers, of which `before` were given before: whoever had taken in all there was has had something
    /// to take since now.
    fn begin_to_wait(&self, source: usize, before: u64, words: &[Word]) {
        for (process, word) in words.iter().enumerate() {
            let taken = &word.taken[self.process];
            let others = || (0..self.sources).filter(|other| *other != source);
            let all = |other: usize| taken[other].rows == self.given[other][0].load(Ordering::Relaxed);
            if process != self.process && taken[source].rows == before && others().all(all) {
                self.stalled()[process] = Clock::start();
            }
        }
    }

    fn stalled(&self) -> MutexGuard<'_, Vec<Clock>> {
        self.stalled.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell_given(&self) {
        let given = self.given_now();
        drop(self.say(|own| own.given = given));
    }

    fn given_now(&self) -> Vec<Given> {
        let now = |[rows, bytes]: &[AtomicU64; 2]| Given {
            rows: rows.load(Ordering::Relaxed),
            bytes: bytes.load(Ordering::Relaxed),
        };
        self.given.iter().map(now).collect()
    }

    /// What of a source is on its way to each process; nothing to this one, nor where nobody tells any more.
    fn on_its_way(&self, source: usize) -> Vec<Given> {
        let [rows, bytes] = &self.given[source];
        let given = Given { rows: rows.load(Ordering::Relaxed), bytes: bytes.load(Ordering::Relaxed) };
        let words = self.words();
        if over(&words) {
            return vec![Given::default(); words.len()];
        }
        let way = |(process, word): (usize, &Word)| match process == self.process {
            true => Given::default(),
            false => given.since(word.taken[self.process][source]),
        };
        words.iter().enumerate().map(way).collect()
    }

    /// Whether so much of a source is on its way to some peer that no more is to be given.
    pub(super) fn held(&self, source: usize) -> bool {
        self.on_its_way(source).iter().any(|way| self.beyond(*way))
    }

    fn beyond(&self, way: Given) -> bool {
        way.rows > self.room.rows || way.bytes > self.room.bytes
    }

    /// What is on its way to a process, all sources together; and since when that is more than may be and it takes nothing.
    pub(super) fn way(&self, process: usize) -> (Given, Option<Duration>) {
        let (mut all, mut beyond) = (Given::default(), false);
        for way in (0..self.sources).map(|source| self.on_its_way(source)[process]) {
            all = Given { rows: all.rows + way.rows, bytes: all.bytes + way.bytes };
            beyond |= self.beyond(way);
        }
        (all, beyond.then(|| self.stalled()[process].elapsed()))
    }

    fn words(&self) -> MutexGuard<'_, Vec<Word>> {
        self.words.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes this process's word.
    pub(super) fn say(&self, change: impl FnOnce(&mut Word)) -> MutexGuard<'_, Vec<Word>> {
        let mut words = self.words();
        let before = words[self.process].clone();
        change(&mut words[self.process]);
        if words[self.process] != before {
            self.wake();
        }
        words
    }

    /// Waits until what all have said tells, which is looked at again with every word; an error if the engine ends before.
    pub(super) fn heard_until<T>(
        &self,
        mut words: MutexGuard<'_, Vec<Word>>,
        tells: impl Fn(&[Word]) -> Option<Result<T, EngineError>>,
    ) -> Result<T, EngineError> {
        loop {
            if let Some(told) = tells(&words) {
                return told;
            }
            if self.closed.load(Ordering::Acquire) {
                return Err(EngineError::Config("the engine ends before the other processes have answered".to_owned()));
            }
            words = self.heard.wait(words).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Nobody waits for words any more.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.end_of_words();
    }

    fn end_of_words(&self) {
        drop(self.words());
        self.heard.notify_all();
    }

    /// Whether nobody says anything more, and all of it was heard.
    pub(super) fn complete(&self) -> bool {
        self.complete.load(Ordering::Acquire)
    }

    /// Whether this process says nothing more. To be asked while its words are held.
    pub(super) fn silent(&self) -> bool {
        self.silent.load(Ordering::Acquire)
    }

    /// Per process, the number of what it last said of its inputs. To be asked before one looks at one's own: what is taken
    /// in after that comes after what the others said.
    pub(super) fn numbers(&self) -> Vec<u64> {
        self.words().iter().map(|word| word.number).collect()
    }

    /// Tells of this process's inputs, looked at when those `numbers` were known; returns where inputs that are idle go, once
    /// all have told, and how far pushed sources are where they are furthest.
    ///
    /// An idle input follows only what every other process knew when it last looked at its own inputs. One that has taken
    /// in a row at the same moment says so before its input is left behind, however long words are on their way.
    pub(super) fn exchange(&self, numbers: Vec<u64>, reach: Reach, pushed: Vec<Option<i64>>) -> (Option<i64>, Targets) {
        let given = self.given_now();
        let words = self.say(|own| {
            if own.reach != Some(reach) {
                (own.reach, own.number) = (Some(reach), own.number + 1);
            }
            (own.known, own.pushed, own.given) = (numbers, pushed, given);
        });
        let others = || words.iter().enumerate().filter(|(process, _)| *process != self.process).map(|(_, word)| word);
        let mut confirmed = self.confirmed.lock().unwrap_or_else(PoisonError::into_inner);
        confirmed.say(words[self.process].number, reach);
        // Of one that takes nothing more, all is known.
        let open = others().filter(|word| word.sealed.is_none());
        let known = open.map(|word| word.known.get(self.process).copied().unwrap_or(0)).min();
        confirmed.known(known.unwrap_or(u64::MAX));
        let told: Option<Vec<Reach>> = others().map(|word| word.reach).collect();
        // As it was when all knew it, and as it is: by the one nobody is left behind, by the other nothing here is.
        let target = told.zip(confirmed.reach()).and_then(|(told, known)| {
            let with = |own: Reach| told.iter().copied().fold(own, Reach::and).target();
            with(reach).zip(with(known)).map(|(now, known)| now.min(known))
        });
        let furthest = |source: usize| words.iter().filter_map(|word| *word.pushed.get(source)?).max();
        (target, (0..self.sources).map(furthest).collect())
    }

    /// The sources of this process have ended, having come this far.
    pub(super) fn end(&self, reach: Reach) {
        drop(self.say(|own| {
            if own.sealed.is_none() {
                let (given, taken) = (std::mem::take(&mut own.given), std::mem::take(&mut own.taken));
                let (reach, number, stops, sealed) = (Some(reach), own.number + 1, own.stops, Some(Epoch::END));
                let (commands, fed) = (std::mem::take(&mut own.commands), own.fed.take());
                *own = Word { reach, number, stops, sealed, commands, given, taken, fed, ..Word::default() };
            }
        }));
    }

    /// Says how far the sources of this process are, all that its data directory held being done again, and waits until all others have
    /// said so too: returns how far the sources of all are.
    pub(super) fn fed(&self, own: Vec<Fed>) -> Result<Vec<Fed>, EngineError> {
        let words = self.say(|word| word.fed = Some(own.clone()));
        let of_all = |source: usize, all: &[&Vec<Fed>]| {
            let told = all.iter().filter_map(|fed| *fed.get(source)?);
            told.reduce(|(least, tick), (other, its)| (least.min(other), tick.max(its)))
        };
        self.heard_until(words, |words| {
            let all: Vec<&Vec<Fed>> = words.iter().filter_map(|word| word.fed.as_ref()).collect();
            // Of one that has said its last word without it everything has ended.
            let told = all.len() == words.len() || self.complete();
            told.then(|| Ok((0..self.sources).map(|source| of_all(source, &all)).collect()))
        })
    }

    /// This process stops: all that it took is before `sealed`.
    pub(super) fn stop(&self, sealed: Epoch) {
        drop(self.say(|own| {
            own.stops = true;
            own.sealed.get_or_insert(sealed);
        }));
    }

    /// Whether any process stops.
    pub(super) fn stops(&self) -> bool {
        self.words().iter().any(|word| word.stops)
    }

    /// Where all processes can end; `None` while one of them still takes rows.
    pub(super) fn goal(&self) -> Option<Epoch> {
        self.words().iter().map(|word| word.sealed).min().flatten()
    }

    fn wake(&self) {
        if let Some(activator) = &*self.activator.lock().unwrap_or_else(PoisonError::into_inner) {
            // A worker that is gone needs no waking.
            let _ = activator.activate();
        }
    }

    /// Builds the dataflow; every worker must, if there are several processes.
    pub(super) fn build(self: &Arc<Gossip>, worker: &mut Worker, config: &Config) {
        let (processes, workers) = (config.processes() as u64, config.workers as u64);
        let local = worker.index() - config.process * config.workers;
        let first = local == 0;
        worker.dataflow_named::<Epoch, _, _>("gossip", |scope| {
            let gossip = self.clone();
            let letters =
                source::<_, CapacityContainerBuilder<Vec<Letter>>, _, _>(scope, "Tell", |capability, info| {
                    if first {
                        let activator = scope.worker().sync_activator_for(info.address.to_vec());
                        *gossip.activator.lock().unwrap_or_else(PoisonError::into_inner) = Some(activator);
                    }
                    let mut capability = Some(capability).filter(|_| first);
                    let mut told = Word::default();
                    move |output| {
                        let Some(held) = &capability else { return };
                        let (own, over) = {
                            let words = gossip.words();
                            let over = over(&words);
                            gossip.silent.store(over, Ordering::Release);
                            (words[gossip.process].clone(), over)
                        };
                        if own != told {
                            let from = gossip.process as u64;
                            let to = (0..processes).filter(|process| *process != from);
                            let to = to.flat_map(|process| process * workers..(process + 1) * workers);
                            let letters = to.map(|worker| (worker, from, own.clone()));
                            output.session(held).give_iterator(letters);
                            told = own;
                        }
                        if over {
                            capability = None;
                        }
                    }
                });
            let gossip = self.clone();
            let to_each = Exchange::new(|letter: &Letter| letter.0);
            letters.sink(to_each, "Hear", move |(input, frontier)| {
                input.for_each_time(|_, letters| {
                    letters.flat_map(|letters| letters.drain(..)).for_each(|(_, from, word)| {
                        gossip.hear(local, from as usize, word);
                    });
                });
                if first && frontier.is_empty() {
                    gossip.complete.store(true, Ordering::Release);
                    gossip.end_of_words();
                }
            });
        });
    }

    /// A worker of this process hears the word of another: it has what was sent to it before.
    fn hear(&self, worker: usize, from: usize, word: Word) {
        let taken = {
            let mut arrived = self.arrived.lock().unwrap_or_else(PoisonError::into_inner);
            arrived[worker][from].clone_from(&word.given);
            let least = |source: usize| {
                let given = arrived.iter().map(|worker| worker[from][source]);
                given.reduce(|a, b| Given { rows: a.rows.min(b.rows), bytes: a.bytes.min(b.bytes) })
            };
            (0..self.sources).map(|source| least(source).unwrap_or_default()).collect::<Vec<_>>()
        };
        drop(self.say(|own| own.taken[from] = taken));
        if worker == 0 {
            let mut words = self.words();
            if words[from].taken[self.process] != word.taken[self.process] {
                self.stalled()[from] = Clock::start();
            }
            words[from] = word;
            drop(words);
            self.heard.notify_all();
            self.wake();
        }
    }
}

/// Whether nobody has anything more to tell.
fn over(words: &[Word]) -> bool {
    words.iter().all(|word| word.sealed == Some(Epoch::END))
}

#[cfg(test)]
#[path = "gossip_tests.rs"]
mod tests;
