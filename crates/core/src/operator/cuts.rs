//! Where the shells of a process's workers save what their operators keep, at an epoch that is told to all of them, and what those
//! take in that were saved by an earlier run.
//!
//! An operator is found again by its place in the order in which a worker builds them, which is the same on all, and compared by its
//! name. Invariant: the epoch is told before any input may move to it, so every shell sees it before it works on anything at or behind
//! it; what is saved is what it keeps of all epochs before, and of none from there on.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow_array::RecordBatch;
use timely::scheduling::Activator;

use super::{Saving, Stateful};
use crate::delta::Unfit;
use crate::time::Epoch;

/// Rows of a section that are handed out at once.
const ROWS: usize = Saving::PIECE;

/// Rows of a section of an operator's state.
#[derive(Clone, Debug, PartialEq)]
pub struct SavedSection {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: u32,
    /// Its rows, in the order in which they are to be taken in.
    pub rows: Vec<RecordBatch>,
}

/// What an operator keeps, as one worker or all of them saved it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SavedOperator {
    /// What it is called.
    pub name: String,
    /// Its sections, in its order; of several workers one after the other.
    pub sections: Vec<SavedSection>,
}

/// What all operators kept at an epoch.
#[derive(Clone, Debug, Default)]
pub struct SavedStates {
    /// Of epochs before it everything is in, of others nothing.
    pub cut: Epoch,
    /// In the order in which they are built.
    pub operators: Vec<SavedOperator>,
}

/// See the module. Shared by the workers of a process.
#[derive(Debug, Default)]
pub struct Cuts {
    /// Counts the epochs that were told.
    told: AtomicU64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The epoch that was told last.
    cut: Epoch,
    /// What was saved at it, by the operator's place and the worker.
    saved: BTreeMap<(usize, usize), SavedOperator>,
    /// How many shells there are on the workers that are built, and how many workers are not.
    shells: usize,
    unbuilt: usize,
    restored: Option<Arc<SavedStates>>,
    /// Why what was saved cannot be taken in.
    unfit: Option<String>,
}

impl Cuts {
    /// Of so many workers, whose operators begin with what was saved, if anything was.
    pub fn new(workers: usize, restored: Option<SavedStates>) -> Arc<Cuts> {
        let state = State { unbuilt: workers, restored: restored.map(Arc::new), ..State::default() };
        Arc::new(Cuts { told: AtomicU64::new(0), state: Mutex::new(state) })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells all shells to save at an epoch, which no input has reached; what was saved of an earlier one is forgotten.
    pub fn tell(&self, cut: Epoch) {
        let mut state = self.state();
        (state.cut, state.saved) = (cut, BTreeMap::new());
        self.told.fetch_add(1, Ordering::Release);
    }

    /// What was saved at the epoch that was told, once all have saved, if it is wanted by then.
    pub fn taken_if(&self, wanted: bool) -> Option<SavedStates> {
        let mut state = self.state();
        if !wanted || state.unbuilt > 0 || state.saved.len() < state.shells {
            return None;
        }
        let (cut, saved) = (state.cut, std::mem::take(&mut state.saved));
        drop(state);
        let mut operators: Vec<SavedOperator> = Vec::new();
        for ((place, _), part) in saved {
            match operators.get_mut(place) {
                None => operators.push(part),
                Some(whole) => {
                    for (section, more) in whole.sections.iter_mut().zip(part.sections) {
                        section.rows.extend(more.rows);
                    }
                }
            }
        }
        Some(SavedStates { cut, operators })
    }

    /// A worker is built, of so many shells. What is to be taken in is not kept longer than until all are.
    fn is_built(&self, shells: usize) {
        let mut state = self.state();
        state.shells += shells;
        state.unbuilt = state.unbuilt.saturating_sub(1);
        if state.unbuilt == 0 {
            state.restored = None;
        }
    }

    /// Why what was saved could not be taken in, if it could not.
    pub fn unfit(&self) -> Option<String> {
        self.state().unfit.clone()
    }

    fn refuse(&self, why: String) {
        self.state().unfit.get_or_insert(why);
    }
}

/// A worker that builds its operators.
struct Here {
    cuts: Arc<Cuts>,
    restored: Option<Arc<SavedStates>>,
    worker: usize,
    peers: usize,
    /// How many operators were built.
    built: usize,
    /// Wakes them.
    activators: Rc<RefCell<Vec<Activator>>>,
}

thread_local! {
    static HERE: RefCell<Option<Here>> = const { RefCell::new(None) };
}

/// The shells that a worker has built.
#[derive(Default)]
pub struct Shells {
    cuts: Option<Arc<Cuts>>,
    told: u64,
    activators: Rc<RefCell<Vec<Activator>>>,
}

impl std::fmt::Debug for Shells {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shells").field("told", &self.told).finish_non_exhaustive()
    }
}

impl Shells {
    /// Builds operators, of the worker of that index among so many, whose shells save there from now on.
    pub fn built<T>(cuts: &Arc<Cuts>, (worker, peers): (usize, usize), build: impl FnOnce() -> T) -> (Shells, T) {
        let activators = Rc::default();
        let restored = cuts.state().restored.clone();
        let here = Here { cuts: cuts.clone(), restored, worker, peers, built: 0, activators: Rc::clone(&activators) };
        HERE.set(Some(here));
        let built = build();
        if let Some(here) = HERE.take() {
            let found = here.restored.as_ref().map(|restored| restored.operators.len());
            if found.is_some_and(|found| found != here.built) {
                let (found, built) = (found.unwrap_or_default(), here.built);
                cuts.refuse(format!("it is of {found} operators, and this program has {built}"));
            }
            cuts.is_built(here.built);
        }
        (Shells { cuts: Some(cuts.clone()), told: 0, activators }, built)
    }

    /// Wakes all operators once an epoch was told: also those whose inputs do not move any more save then.
    pub fn look(&mut self) {
        let told = self.cuts.as_ref().map_or(0, |cuts| cuts.told.load(Ordering::Acquire));
        if told != self.told {
            self.told = told;
            self.activators.borrow().iter().for_each(Activator::activate);
        }
    }
}

/// Where one shell saves, and what its operator takes in.
pub(super) struct Shelf {
    cuts: Arc<Cuts>,
    restored: Option<Arc<SavedStates>>,
    name: String,
    place: usize,
    worker: usize,
    peers: usize,
    /// How many epochs it has saved at, or passed.
    told: u64,
    due: Option<Epoch>,
}

impl Shelf {
    /// That of the next shell that this worker builds, if any saves.
    pub(super) fn next(name: &str, activator: impl FnOnce() -> Activator) -> Option<Shelf> {
        HERE.with_borrow_mut(|here| {
            let here = here.as_mut()?;
            here.activators.borrow_mut().push(activator());
            let (place, restored) = (here.built, here.restored.clone());
            here.built += 1;
            let (cuts, name) = (here.cuts.clone(), name.to_owned());
            Some(Shelf { cuts, restored, name, place, worker: here.worker, peers: here.peers, told: 0, due: None })
        })
    }

    /// Hands the operator what was saved of it; the epoch at which that was.
    pub(super) fn restore(&mut self, state: &mut dyn Stateful) -> Option<Epoch> {
        let restored = self.restored.take()?;
        if let Err(why) = self.load(&restored, state) {
            self.cuts.refuse(format!("what operator {} ('{}') kept: {why}", self.place, self.name));
        }
        state.loaded(restored.cut);
        Some(restored.cut)
    }

    fn load(&self, restored: &SavedStates, state: &mut dyn Stateful) -> Result<(), String> {
        let saved = restored.operators.get(self.place).ok_or("there is nothing of it")?;
        if saved.name != self.name {
            return Err(format!("it is of '{}'", saved.name));
        }
        let told = |unfit: Unfit| unfit.to_string();
        let sections = state.sections();
        for SavedSection { name, version, rows } in &saved.sections {
            let found = sections.iter().find(|section| section.name == name);
            for rows in rows {
                let ours = match found {
                    Some(section) if self.peers > 1 => {
                        let parts = section.deal(rows, self.peers);
                        parts.into_iter().find(|(peer, _)| *peer == self.worker).map(|(_, rows)| rows)
                    }
                    // What is on the first worker alone has its sections there.
                    None if self.worker > 0 => None,
                    _ => Some(rows.clone()),
                };
                ours.map_or(Ok(()), |rows| state.load(name, *version, &rows)).map_err(told)?;
            }
        }
        Ok(())
    }

    /// The epoch at which the operator is to be saved before it works on anything at or behind it, if its inputs have come there.
    pub(super) fn due(&mut self, frontier: Epoch) -> Option<Epoch> {
        let told = self.cuts.told.load(Ordering::Acquire);
        if told != self.told {
            self.told = told;
            self.due = Some(self.cuts.state().cut);
        }
        self.due.filter(|cut| *cut <= frontier)
    }

    /// Saves the operator, as it is at the epoch that is due.
    pub(super) fn save(&mut self, state: &mut dyn Stateful) {
        let Some(cut) = self.due.take() else { return };
        let section = |section: super::Section| SavedSection {
            name: section.name.to_owned(),
            version: section.version,
            rows: Vec::new(),
        };
        let mut saved =
            SavedOperator { name: self.name.clone(), sections: state.sections().into_iter().map(section).collect() };
        let mut saving = state.begin();
        while let Some((at, rows)) = state.next(&mut saving, ROWS) {
            saved.sections[at].rows.push(rows);
        }
        let mut all = self.cuts.state();
        if all.cut == cut {
            all.saved.insert((self.place, self.worker), saved);
        }
    }
}
