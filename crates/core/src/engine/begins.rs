//! Where a unit that is installed while rows flow begins: at one epoch, the same on all workers of all processes.
//!
//! Every worker tells all others, in the unit's own dataflow, an epoch that all rows that went by its taps before it attached its
//! outlets are before. The greatest is where the unit begins: from there on every row goes through an outlet of some worker.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use timely::container::CapacityContainerBuilder;
use timely::dataflow::Scope;
use timely::dataflow::channels::pact::Exchange;
use timely::dataflow::operators::Operator;
use timely::dataflow::operators::generic::operator::source;
use timely::scheduling::Activator;

use crate::time::Epoch;

/// Where a unit begins, as a worker knows it.
#[derive(Debug, Default)]
pub(super) struct Begins {
    at: Cell<Option<Epoch>>,
    waiting: RefCell<Vec<Activator>>,
}

/// To which worker, and how far the teller is; `None`: it cannot begin there.
type Word = (u64, Option<Epoch>);

impl Begins {
    /// The epoch, once it is known.
    pub(super) fn at(&self) -> Option<Epoch> {
        self.at.get()
    }

    /// Who is to be woken when it is known.
    pub(super) fn wake(&self, activator: Activator) {
        self.waiting.borrow_mut().push(activator);
    }

    fn set(&self, at: Epoch) {
        self.at.set(Some(at));
        self.waiting.borrow_mut().drain(..).for_each(|activator| activator.activate());
    }
}

/// Tells all workers how far this one is, and calls `known` when all have told: with where the unit begins, or `None` if some
/// worker cannot begin. Every worker must.
pub(super) fn agree(
    scope: Scope<'_, Epoch>,
    own: Option<Epoch>,
    begins: &Rc<Begins>,
    known: impl FnOnce(Option<Epoch>) + 'static,
) {
    let peers = scope.peers();
    let words = source::<_, CapacityContainerBuilder<Vec<Word>>, _, _>(scope, "Begin", |capability, _| {
        let mut capability = Some(capability);
        move |output| {
            if let Some(held) = capability.take() {
                output.session(&held).give_iterator((0..peers as u64).map(|worker| (worker, own)));
            }
        }
    });
    let (begins, mut known, mut heard) = (begins.clone(), Some(known), Vec::new());
    words.sink(Exchange::new(|word: &Word| word.0), "Begins", move |(input, _frontier)| {
        input.for_each_time(|_, words| {
            words.flat_map(|words| words.drain(..)).for_each(|(_, at)| heard.push(at));
        });
        if heard.len() == peers
            && let Some(known) = known.take()
        {
            let at = heard.iter().copied().collect::<Option<Vec<Epoch>>>().and_then(|all| all.into_iter().max());
            at.into_iter().for_each(|at| begins.set(at));
            known(at);
        }
    });
}
