//! The units that a worker has installed: it runs the commands of its process between two steps.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use timely::dataflow::operators::Probe;
use timely::dataflow::operators::probe::Handle;
use timely::dataflow::{Scope, Stream};
use timely::worker::Worker;

use super::begins::{Begins, agree};
use super::outlet::{Outlet, Tap, outlet};
use super::source_operator::{Follower, Followers, Lag, Probes};
use super::unit::Unit;
use super::units::{Command, UnitId};
use super::worker::{Taps, Work, ends};
use crate::delta::Delta;
use crate::time::Epoch;
use crate::view::View;

/// What a worker has installed.
pub(super) struct Installed {
    /// What has arrived at the ends of the program.
    outputs: Handle<Epoch>,
    taps: Taps,
    followers: Followers,
    units: BTreeMap<UnitId, OfUnit>,
    next: u64,
}

/// What a worker has of a unit.
struct OfUnit {
    dataflow: usize,
    outputs: Handle<Epoch>,
    /// Where its rows come from.
    outlets: Vec<(Rc<Tap>, Rc<Outlet>)>,
    /// The views whose changes go by here.
    views: Vec<String>,
}

impl Installed {
    /// Nothing besides the program.
    pub(super) fn new(outputs: Handle<Epoch>, taps: Taps, followers: Followers) -> Installed {
        Installed { outputs, taps, followers, units: BTreeMap::new(), next: 0 }
    }

    /// The number of the next command.
    pub(super) fn next(&self) -> u64 {
        self.next
    }

    /// Whether everything before an epoch has arrived at the ends of all units.
    pub(super) fn arrived(&self, goal: &Epoch) -> bool {
        let units = self.units.values().map(|unit| &unit.outputs);
        units.chain([&self.outputs]).all(|outputs| !outputs.less_than(goal))
    }

    /// Runs the commands that have come.
    pub(super) fn follow(&mut self, worker: &mut Worker, work: &Work) {
        while let Some(command) = work.units.command(self.next) {
            match command {
                Command::Install(unit) => self.install(worker, work, &unit),
                Command::Drop(unit) => self.remove(worker, work, unit),
            }
            work.units.done(self.next);
            self.next += 1;
        }
    }

    fn install(&mut self, worker: &mut Worker, work: &Work, unit: &Arc<Unit>) {
        let probes = Probes::default();
        let (begins, dataflow) = (Rc::new(Begins::default()), worker.next_dataflow_index());
        let mut of = OfUnit { dataflow, outputs: probes.outputs.clone(), outlets: Vec::new(), views: Vec::new() };
        worker.dataflow_named(&format!("unit {}", unit.id()), |scope| {
            let inputs = self.inputs(scope, work, unit, &probes, &begins, &mut of.outlets);
            let mut stores = Taps::default();
            ends(scope, work, (unit, &[]), inputs, &probes, (&mut stores, Some(begins.clone())));
            of.views = stores.stores.keys().cloned().collect();
            self.taps.stores.extend(stores.stores);
        });
        let follower = Follower {
            unit: unit.id().0,
            outputs: probes.outputs,
            begins,
            sinks: unit.sinks.clone(),
            caught_up: Default::default(),
        };
        self.followers.borrow_mut().push(follower);
        self.units.insert(unit.id(), of);
    }

    /// What a unit reads, as rows of this worker, from one moment on.
    fn inputs<'s>(
        &self,
        scope: Scope<'s, Epoch>,
        work: &Work,
        unit: &Arc<Unit>,
        probes: &Probes,
        begins: &Rc<Begins>,
        outlets: &mut Vec<(Rc<Tap>, Rc<Outlet>)>,
    ) -> Vec<Stream<'s, Epoch, Delta>> {
        let mut own = Some(Epoch::MIN);
        let mut taken = |tap: &Rc<Tap>| {
            own = own.map(|own| own.max(tap.reached()));
            let outlet = tap.attach(unit.clone());
            outlets.push((tap.clone(), outlet.clone()));
            outlet
        };
        let place = |name: &str| work.sources.iter().position(|source| source.name() == name);
        let sources = unit.dataflow.sources.iter().map(|spec| {
            let tap = place(&spec.name).and_then(|place| self.taps.sources.get(place));
            (spec.name.clone(), tap.map(&mut taken), false)
        });
        let mut all: Vec<(String, Option<Rc<Outlet>>, bool)> = sources.collect();
        let mut whole = true;
        for read in &unit.dataflow.reads {
            let store = self.taps.stores.get(&read.name).map(|(view, tap)| {
                let outlet = taken(tap);
                whole &= begin_with(&outlet, view);
                outlet
            });
            all.push((read.name.clone(), store, true));
        }
        let known = {
            let (unit, first) = (unit.clone(), scope.index() == work.config.process * work.config.workers);
            move |at| {
                if first {
                    unit.begin(at);
                }
            }
        };
        agree(scope, own.filter(|_| whole), begins, known);
        let rows = all.into_iter().map(|(name, way, whole)| {
            let lag = Lag::of_unit(probes, work.config.lag_batches);
            outlet(scope, &name, way, (begins.clone(), whole), lag).probe_with(&probes.inputs)
        });
        rows.collect()
    }

    fn remove(&mut self, worker: &mut Worker, work: &Work, id: UnitId) {
        let Some(unit) = self.units.remove(&id) else { return };
        unit.outlets.iter().for_each(|(tap, outlet)| tap.detach(outlet));
        unit.views.iter().for_each(|view| drop(self.taps.stores.remove(view)));
        self.followers.borrow_mut().retain(|follower| follower.unit != id.0);
        worker.drop_dataflow(unit.dataflow);
        work.operators.forget(unit.dataflow);
    }
}

/// The rows that a view has now come first; false if it has lost some.
fn begin_with(outlet: &Outlet, view: &Arc<View>) -> bool {
    let rows = view.snapshot().batch;
    if rows.num_rows() > 0 {
        outlet.begin_with(Delta::insert(rows));
    }
    view.evicted() == 0
}
