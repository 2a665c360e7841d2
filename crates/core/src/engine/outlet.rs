//! How rows leave a dataflow for the units that were installed later: taps that they go by, and outlets that a unit reads.
//!
//! A tap stands behind each source, on every worker, and behind each view and table, where its store is fed on the first worker of the
//! first process. Nothing crosses dataflows inside timely: an outlet is a queue on the worker's own thread. Without units a
//! tap costs a look at an empty list a batch.
//!
//! Invariant: an outlet hands on what goes by from the moment it was attached, in that order, and says how far the tap is
//! behind what it told before. What waits while a unit is filling is bounded ([`Unit::holds`]): one that has more waiting is given up.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::Operator;
use timely::dataflow::{Scope, Stream};
use timely::scheduling::Activator;

use super::begins::Begins;
use super::source_operator::{Lag, ROWS_PER_TURN};
use super::unit::Unit;
use crate::delta::{Delta, memory};
use crate::operator::emitting;
use crate::time::Epoch;

/// How soon an outlet that waits for its unit's operators looks again.
const RETRY: Duration = Duration::from_millis(1);

/// What rows go by on one worker.
#[derive(Debug)]
pub(super) struct Tap {
    /// Above all epochs of rows that went by.
    seen: Cell<Epoch>,
    at: Cell<Epoch>,
    outlets: RefCell<Vec<Rc<Outlet>>>,
}

/// What went by a tap and was not taken yet.
#[derive(Debug)]
pub(super) struct Outlet {
    passed: RefCell<VecDeque<Passed>>,
    reader: RefCell<Option<Activator>>,
    /// What it is for.
    unit: Arc<Unit>,
}

#[derive(Debug)]
enum Passed {
    /// What a view has, before all that goes by.
    First(Delta),
    Rows(Epoch, Delta),
    /// Nothing before this epoch goes by any more.
    Moved(Epoch),
}

impl Passed {
    fn bytes(&self) -> usize {
        match self {
            Passed::Rows(_, rows) => memory(rows.batch()),
            // The view has it too.
            Passed::First(_) | Passed::Moved(_) => 0,
        }
    }
}

impl Default for Tap {
    fn default() -> Tap {
        Tap { seen: Cell::new(Epoch::MIN), at: Cell::new(Epoch::MIN), outlets: RefCell::default() }
    }
}

impl Tap {
    /// Rows of an epoch go by.
    pub(super) fn pass(&self, epoch: Epoch, rows: impl FnOnce() -> Delta) {
        let above = Epoch { tick: epoch.tick.saturating_add(1), ..epoch };
        self.seen.set(self.seen.get().max(above));
        let outlets = self.outlets.borrow();
        if !outlets.is_empty() {
            let rows = rows();
            outlets.iter().for_each(|outlet| outlet.put(Passed::Rows(epoch, rows.clone())));
        }
    }

    /// Nothing before `at` goes by any more; at [`Epoch::END`] nothing at all.
    pub(super) fn moved(&self, at: Epoch) {
        if self.at.replace(at) != at {
            self.outlets.borrow().iter().for_each(|outlet| outlet.put(Passed::Moved(at)));
        }
    }

    /// An epoch that all that went by is before, and that the tap has reached or is to reach.
    pub(super) fn reached(&self) -> Epoch {
        self.seen.get().max(self.at.get())
    }

    /// A new outlet for what goes by from now on.
    pub(super) fn attach(&self, unit: Arc<Unit>) -> Rc<Outlet> {
        let outlet = Rc::new(Outlet { passed: RefCell::default(), reader: RefCell::default(), unit });
        outlet.put(Passed::Moved(self.at.get()));
        self.outlets.borrow_mut().push(outlet.clone());
        outlet
    }

    /// Nothing goes into that outlet any more.
    pub(super) fn detach(&self, outlet: &Rc<Outlet>) {
        self.outlets.borrow_mut().retain(|other| !Rc::ptr_eq(other, outlet));
    }
}

impl Outlet {
    fn put(&self, passed: Passed) {
        let mut waiting = self.passed.borrow_mut();
        if !self.unit.holds(|| passed.bytes()) {
            waiting.clear();
            return;
        }
        match (waiting.back_mut(), &passed) {
            (Some(Passed::Moved(before)), Passed::Moved(at)) => *before = *at,
            _ => waiting.push_back(passed),
        }
        drop(waiting);
        self.reader.borrow().iter().for_each(Activator::activate);
    }

    /// Rows that come before all that went by, of the first epoch of all.
    pub(super) fn begin_with(&self, rows: Delta) {
        self.passed.borrow_mut().push_front(Passed::First(rows));
    }
}

/// The rows of a stream go by a tap.
pub(super) fn tapped(stream: &Stream<'_, Epoch, Delta>, name: &str) -> Rc<Tap> {
    let tap: Rc<Tap> = Rc::default();
    let passed = tap.clone();
    stream.clone().sink(Pipeline, &format!("Tap {name}"), move |(input, frontier)| {
        input.for_each_time(|time, deltas| {
            let epoch = *time.time();
            deltas.for_each(|rows| passed.pass(epoch, || std::mem::take(rows)));
        });
        passed.moved(frontier.frontier().first().copied().unwrap_or(Epoch::END));
    });
    tap
}

/// What a unit reads of an outlet. It begins when all workers know where: with `all` rows, or with those of that epoch and
/// later. A worker without the outlet holds nothing back.
pub(super) fn outlet<'s>(
    scope: Scope<'s, Epoch>,
    name: &str,
    outlet: Option<Rc<Outlet>>,
    (begins, all): (Rc<Begins>, bool),
    mut lag: Lag,
) -> Stream<'s, Epoch, Delta> {
    let (lanes, host) = (usize::from(outlet.is_some()), scope.worker().clone());
    emitting(scope, &format!("Outlet {name}"), lanes, None, move |info| {
        let activator = host.activator_for(info.address.clone());
        if let Some(outlet) = &outlet {
            *outlet.reader.borrow_mut() = Some(activator.clone());
            begins.wake(activator.clone());
        }
        move |emitter, _| {
            let (Some(outlet), Some(begin)) = (&outlet, begins.at()) else { return };
            if lag.full() {
                activator.activate_after(RETRY);
                return;
            }
            let begin = if all { Epoch::MIN } else { begin };
            emitter.advance(0, begin);
            let mut rows = 0;
            while rows < ROWS_PER_TURN {
                let passed = outlet.passed.borrow_mut().pop_front();
                passed.iter().for_each(|passed| outlet.unit.holds_no_longer(|| passed.bytes()));
                let (epoch, delta) = match passed {
                    Some(Passed::First(delta)) => (Epoch::MIN, delta),
                    Some(Passed::Rows(epoch, delta)) => (epoch, delta),
                    Some(Passed::Moved(Epoch::END)) => {
                        emitter.end(0);
                        continue;
                    }
                    Some(Passed::Moved(at)) => {
                        emitter.advance(0, at);
                        continue;
                    }
                    None => return,
                };
                if epoch >= begin {
                    rows += delta.len();
                    lag.sent(epoch, delta.len());
                    emitter.send(0, epoch, delta);
                }
            }
            activator.activate();
        }
    })
}
