//! What the processes of a cluster tell each other: how far their inputs are, so that an idle input of one follows those of
//! the others (W6); how far their pushed sources are, which are one order of arrival (W4, W11); and, when they
//! stop, up to where what they took goes.
//!
//! A dataflow of its own, without progress: whenever a process's word changes, its first worker sends it to the first
//! worker of every process. It ends when the sources of all processes have ended.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use timely::container::CapacityContainerBuilder;
use timely::dataflow::channels::pact::Exchange;
use timely::dataflow::operators::Operator;
use timely::dataflow::operators::generic::operator::source;
use timely::scheduling::SyncActivator;
use timely::worker::Worker;

use super::config::Config;
use super::idleness::Reach;
use crate::time::Epoch;

/// To which worker, from which process, what.
type Letter = (u64, u64, Word);

/// What a process says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Word {
    /// How far its inputs are; `None` before it has said so.
    reach: Option<Reach>,
    /// Per source that clients push to and that has not ended: how far it is.
    pushed: Vec<Option<i64>>,
    /// It stops.
    stops: bool,
    /// It takes nothing more, and all that it took is before this epoch; the end of time if its sources have ended.
    sealed: Option<Epoch>,
}

/// What is known of every process, this one among them.
pub(super) struct Gossip {
    words: Mutex<Vec<Word>>,
    process: usize,
    sources: usize,
    activator: Mutex<Option<SyncActivator>>,
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
        let words = Mutex::new(vec![Word::default(); config.processes()]);
        Gossip { words, process: config.process, sources, activator: Mutex::default() }
    }

    fn words(&self) -> MutexGuard<'_, Vec<Word>> {
        self.words.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes this process's word.
    fn say(&self, change: impl FnOnce(&mut Word)) -> MutexGuard<'_, Vec<Word>> {
        let mut words = self.words();
        let before = words[self.process].clone();
        change(&mut words[self.process]);
        if words[self.process] != before {
            self.wake();
        }
        words
    }

    /// Tells of this process's inputs; answers how far those of all processes are, once all have told, and how far pushed
    /// sources are where they are furthest.
    pub(super) fn exchange(&self, reach: Reach, pushed: Vec<Option<i64>>) -> (Option<Reach>, Targets) {
        let words = self.say(|own| (own.reach, own.pushed) = (Some(reach), pushed));
        let furthest = |source: usize| words.iter().filter_map(|word| *word.pushed.get(source)?).max();
        let all: Option<Vec<Reach>> = words.iter().map(|word| word.reach).collect();
        (all.map(|all| all.into_iter().collect()), (0..self.sources).map(furthest).collect())
    }

    /// The sources of this process have ended, having come this far.
    pub(super) fn end(&self, reach: Reach) {
        drop(self.say(|own| {
            if own.sealed.is_none() {
                let sealed = Some(Epoch::END);
                *own = Word { reach: Some(reach), stops: own.stops, sealed, ..Word::default() };
            }
        }));
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
        let first = worker.index() == config.process * config.workers;
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
                            let over = words.iter().all(|word| word.sealed == Some(Epoch::END));
                            (words[gossip.process].clone(), over)
                        };
                        if own != told {
                            let from = gossip.process as u64;
                            let to = (0..processes).filter(|process| *process != from);
                            let letters = to.map(|process| (process * workers, from, own.clone()));
                            output.session(held).give_iterator(letters);
                            told = own;
                        }
                        if over {
                            capability = None;
                        }
                    }
                });
            let gossip = self.clone();
            let to_first = Exchange::new(|letter: &Letter| letter.0);
            letters.sink(to_first, "Hear", move |(input, _frontier)| {
                input.for_each_time(|_, letters| {
                    for (_, from, word) in letters.flat_map(|letters| letters.drain(..)) {
                        if let Some(known) = gossip.words().get_mut(from as usize) {
                            *known = word;
                        }
                    }
                    gossip.wake();
                });
            });
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gossip(words: [Word; 2]) -> Gossip {
        Gossip { words: Mutex::new(words.to_vec()), process: 0, sources: 1, activator: Mutex::default() }
    }

    #[test]
    fn all_have_told_how_far_they_are_and_the_furthest_is_pushed() {
        let (busy, quiet) = (|at| Reach::busy(at), |at| Reach::quiet(at));
        let word = |reach, pushed| Word { reach, pushed: vec![pushed], ..Word::default() };
        for (own, other, expected) in [
            ((quiet(5), Some(5)), (Some(quiet(9)), Some(9)), (Some(9), Some(9))),
            ((busy(9), Some(9)), (Some(busy(5)), Some(5)), (Some(5), Some(9))),
            ((busy(8), None), (Some(quiet(9)), None), (Some(8), None)),
            ((quiet(8), None), (None, None), (None, None)),
        ] {
            let gossip = gossip([Word::default(), word(other.0, other.1)]);
            let (reach, pushed) = gossip.exchange(own.0, vec![own.1]);
            assert_eq!((reach.and_then(Reach::target), pushed), (expected.0, vec![expected.1]));
        }
    }

    #[test]
    fn all_end_where_the_first_does() {
        let gossip = gossip([Word::default(), Word::default()]);
        assert_eq!((gossip.goal(), gossip.stops()), (None, false));
        gossip.stop(Epoch::at(5));
        gossip.end(Reach::default());
        assert_eq!((gossip.goal(), gossip.stops()), (None, true));
        gossip.words()[1].sealed = Some(Epoch::END);
        assert_eq!(gossip.goal(), Some(Epoch::at(5)));
    }
}
