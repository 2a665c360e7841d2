//! The units of a process: the program it was started with, and what was installed since. Each is a dataflow of its own.
//!
//! What is installed or dropped is a *command*. Workers run commands between two steps, each of them all, in one order; in a
//! cluster the processes agree on every command before any worker runs it ([`super::consent`]), so that all build the same dataflows in the
//! same order.
//!
//! Invariant: a command that any worker has run is run by every worker, before it ends.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::error::EngineError;
use super::gossip::Gossip;
use super::unit::Unit;

/// A unit of a running engine. The program it was started with is number 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnitId(pub u64);

impl UnitId {
    /// The program that the engine was started with.
    pub const PROGRAM: UnitId = UnitId(0);
}

impl std::fmt::Display for UnitId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// What workers do between two steps.
#[derive(Clone, Debug)]
pub(super) enum Command {
    Install(Arc<Unit>),
    Drop(UnitId),
}

/// The units of a process, and the commands that its workers have not all run.
#[derive(Debug)]
pub(super) struct Units {
    state: Mutex<State>,
    changed: Condvar,
    /// The number of the next command.
    issued: AtomicU64,
    /// Who installs or drops does so alone.
    alone: Mutex<()>,
    workers: usize,
}

#[derive(Debug, Default)]
struct State {
    units: Vec<Arc<Unit>>,
    /// Commands, and how many workers have yet to run each.
    commands: VecDeque<(Command, usize)>,
    /// The number of the first of them.
    first: u64,
    /// One is being agreed on with the other processes.
    pending: bool,
    /// The number of the next unit.
    next: u64,
    /// A worker has left.
    closed: bool,
}

/// What becomes of a command when the engine ends first.
fn ended() -> EngineError {
    EngineError::Config("the engine is ending: nothing is installed or dropped any more".to_owned())
}

impl Units {
    /// The program alone.
    pub(super) fn new(program: Arc<Unit>, workers: usize) -> Units {
        let state = State { units: vec![program], next: 1, ..State::default() };
        Units {
            state: Mutex::new(state),
            changed: Condvar::new(),
            issued: AtomicU64::new(0),
            alone: Mutex::new(()),
            workers,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nobody else installs or drops meanwhile.
    pub(super) fn alone(&self) -> MutexGuard<'_, ()> {
        self.alone.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All units, the program first.
    pub(super) fn all(&self) -> Vec<Arc<Unit>> {
        self.lock().units.clone()
    }

    /// A unit that is there.
    pub(super) fn get(&self, id: UnitId) -> Option<Arc<Unit>> {
        self.lock().units.iter().find(|unit| unit.id() == id).cloned()
    }

    /// The number of the next unit that is installed. All processes give the same numbers.
    pub(super) fn next(&self) -> UnitId {
        UnitId(self.lock().next)
    }

    /// Has all workers run a command; returns when they have. `hash` tells it from others, for the other processes.
    pub(super) fn run(&self, command: Command, hash: u64, gossip: Option<&Gossip>) -> Result<(), EngineError> {
        let mut state = self.lock();
        if state.closed {
            return Err(ended());
        }
        if let Some(gossip) = gossip {
            state.pending = true;
            drop(state);
            let agreed = gossip.agree(self.issued.load(Ordering::Acquire), hash);
            state = self.lock();
            state.pending = false;
            agreed?;
        }
        let number = state.first + state.commands.len() as u64;
        if let Command::Install(unit) = &command {
            state.next += 1;
            state.units.push(unit.clone());
        }
        state.commands.push_back((command, self.workers));
        self.issued.store(number + 1, Ordering::Release);
        drop(state);
        self.wake();
        let waits = |state: &mut State| state.first <= number && !state.closed;
        let state = self.changed.wait_while(self.lock(), waits).unwrap_or_else(PoisonError::into_inner);
        if state.first > number { Ok(()) } else { Err(ended()) }
    }

    fn wake(&self) {
        self.lock().units.first().iter().for_each(|program| program.control().wake());
    }

    /// The command with that number, if there is one.
    pub(super) fn command(&self, number: u64) -> Option<Command> {
        if number >= self.issued.load(Ordering::Acquire) {
            return None;
        }
        let state = self.lock();
        let at = usize::try_from(number.checked_sub(state.first)?).ok()?;
        state.commands.get(at).map(|(command, _)| command.clone())
    }

    /// A worker has run the command with that number.
    pub(super) fn done(&self, number: u64) {
        let mut state = self.lock();
        let at = usize::try_from(number.saturating_sub(state.first)).unwrap_or(usize::MAX);
        if let Some((_, left)) = state.commands.get_mut(at) {
            *left -= 1;
        }
        while let Some((command, _)) = state.commands.front().filter(|(_, left)| *left == 0) {
            if let Command::Drop(id) = *command {
                state.units.retain(|unit| unit.id() != id);
            }
            state.commands.pop_front();
            state.first += 1;
        }
        drop(state);
        self.changed.notify_all();
    }

    /// A worker that has run all commands before `next` is to end; whether it may. No command comes any more then.
    pub(super) fn leave(&self, next: u64) -> bool {
        let mut state = self.lock();
        let may = !state.pending && next >= self.issued.load(Ordering::Acquire);
        state.closed |= may;
        drop(state);
        self.changed.notify_all();
        may
    }

    /// No command comes any more; whoever waits for one is told so.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.units.iter().for_each(|unit| unit.ended());
        drop(state);
        self.changed.notify_all();
    }
}
