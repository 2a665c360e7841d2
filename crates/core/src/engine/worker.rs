//! What one worker thread does: builds the dataflow, then steps it and parks while there is nothing to do; between two steps
//! it installs and drops units.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use arrow_array::RecordBatch;
use timely::dataflow::operators::Probe;
use timely::dataflow::operators::core::Concatenate;
use timely::dataflow::operators::probe::Handle;
use timely::dataflow::{Scope, Stream};
use timely::worker::Worker;

use super::begins::Begins;
use super::changelog::current;
use super::config::Config;
use super::control::Control;
use super::dead_letters::ToDeadLetters;
use super::duplicates::once;
use super::durable::Durable;
use super::extend::{Built, Extend};
use super::gather::{Collect, gather, keep};
use super::gossip::Gossip;
use super::installed::Installed;
use super::latency::Latency;
use super::operators::Operators;
use super::outlet::{Tap, tapped};
use super::source::Source;
use super::source_operator::{Followers, Probes, source};
use super::table::Table;
use super::table_operator::{EndOfTime, Inlet, requests, tide};
use super::unit::Unit;
use super::units::{UnitId, Units};
use crate::delta::Netted;
use crate::delta::relabel;
use crate::delta::{Delta, Rejects, Unfit};
use crate::metrics::{Metrics, labels};
use crate::operator::{Cuts, Saved, Saving, Section, Shells};
use crate::plan::build::{Streams, build};
use crate::time::Epoch;
use crate::view::{View, Views};

/// A worker looks around at least this often.
const PARK: Duration = Duration::from_millis(100);

/// What the workers of a process share.
pub(super) struct Work {
    pub(super) program: Arc<Unit>,
    pub(super) units: Arc<Units>,
    pub(super) config: Config,
    pub(super) sources: Vec<Arc<Source>>,
    pub(super) tables: Vec<Arc<Table>>,
    pub(super) views: Arc<Views>,
    pub(super) rejects: Rejects,
    pub(super) control: Arc<Control>,
    pub(super) operators: Arc<Operators>,
    pub(super) latency: Arc<Latency>,
    pub(super) metrics: Arc<Metrics>,
    /// What the embedder builds on every worker.
    pub(super) extend: Option<Arc<Extend>>,
    /// With other processes: what they tell of their inputs.
    pub(super) gossip: Option<Arc<Gossip>>,
    /// Where operators are saved, if they are.
    pub(super) cuts: Option<Arc<Cuts>>,
    /// Where a data directory is: what was saved in it cannot be taken in.
    pub(super) durable: Option<Arc<Durable>>,
}

/// What rows go by on a worker: of the sources, in their order, and of views and tables by their names, where their stores are
/// fed for all.
#[derive(Debug, Default)]
pub(super) struct Taps {
    pub(super) sources: Vec<Rc<Tap>>,
    pub(super) stores: HashMap<String, (Arc<View>, Rc<Tap>)>,
}

/// Runs until all dataflows are complete, have reached their goal, or the engine stops.
pub(super) fn run(worker: &mut Worker, work: &Work) {
    work.control.register_worker();
    work.operators.listen(worker);
    let (mut taps, followers) = (Taps::default(), Followers::default());
    let place = (worker.index(), worker.peers());
    let mut build = || worker.dataflow_named("highwater", |scope| assemble(scope, work, &mut taps, &followers));
    let (mut shells, outputs) = match &work.cuts {
        Some(cuts) => Shells::built(cuts, place, build),
        None => (Shells::default(), build()),
    };
    if let Some(why) = work.cuts.as_ref().and_then(|cuts| cuts.unfit()) {
        work.durable.iter().for_each(|durable| durable.unfit(&why));
    }
    work.gossip.iter().for_each(|gossip| gossip.build(worker, &work.config));
    work.control.running();
    let mut installed = Installed::new(outputs, taps, followers);
    loop {
        installed.follow(worker, work);
        if work.control.stopping() {
            break;
        }
        let arrived = work.control.goal().is_some_and(|goal| installed.arrived(&goal));
        if (arrived || !worker.has_dataflows()) && work.units.leave(installed.next()) {
            if arrived {
                // What the probe has seen go by, views and sinks take in the same step; this is to be sure of it.
                worker.step();
            }
            break;
        }
        shells.look();
        worker.step_or_park(Some(PARK));
    }
    work.units.close();
    worker.installed_dataflows().into_iter().for_each(|dataflow| worker.drop_dataflow(dataflow));
}

/// Builds the program; returns what has arrived at its ends.
fn assemble(scope: Scope<'_, Epoch>, work: &Work, taps: &mut Taps, followers: &Followers) -> Handle<Epoch> {
    let Work { program, config, .. } = work;
    let writing = Arc::new(program.sinks.clone());
    let (index, probes) = (scope.index(), Probes { writing, ..Probes::default() });
    let (first, local) = (config.process * config.workers, index - config.process * config.workers);
    let inputs = work.sources.iter().enumerate().map(|(place, input)| {
        let peers = work.gossip.clone().map(|gossip| (place, gossip));
        let rows =
            source(scope, input, local, (&probes, followers), config.lag_batches, peers).probe_with(&probes.inputs);
        let rows = if config.takes_apart() { once(rows, input, config, &probes.outputs) } else { rows };
        current(rows, input)
    });
    let mut inputs: Vec<Stream<'_, Epoch, Delta>> = inputs.collect();
    let sources = inputs.clone();
    if !work.tables.is_empty() {
        let tide = tide(scope, &inputs);
        let tick = (config.processes() > 1).then(|| Duration::from_millis(config.tick_ms));
        let end = Rc::new(EndOfTime::default());
        for table in &work.tables {
            let inlet = Inlet { first: index == first, tick, end: end.clone() };
            inputs.push(requests(tide.clone(), table, inlet).probe_with(&probes.inputs));
        }
    }
    let tables: Vec<Arc<View>> = work.tables.iter().map(|table| table.rows().clone()).collect();
    ends(scope, work, (program, &tables), inputs, &probes, (taps, None));
    // Behind all nodes of the plan, whose operators these are not.
    taps.sources = sources.iter().zip(&work.sources).map(|(rows, source)| tapped(rows, source.name())).collect();
    probes.outputs
}

/// Builds what a unit computes of its inputs, and hands that to its views and sinks, and those to its tables. With `begins` its
/// views are shown once they are there.
pub(super) fn ends<'s>(
    scope: Scope<'s, Epoch>,
    work: &Work,
    (unit, tables): (&Arc<Unit>, &[Arc<View>]),
    inputs: Vec<Stream<'s, Epoch, Delta>>,
    probes: &Probes,
    (taps, begins): (&mut Taps, Option<Rc<Begins>>),
) {
    let (Work { config, .. }, dataflow, index) = (work, &unit.dataflow, scope.index());
    let (first, local) = (config.process * config.workers, index - config.process * config.workers);
    let Streams { rows: streams, failed } = build(scope, dataflow, inputs, &work.rejects);
    work.operators.attribute((&scope.addr(), unit.id()), streams.iter().map(|stream| stream.name().node));
    if let Some(extend) = work.extend.as_ref().filter(|_| unit.id() == UnitId::PROGRAM) {
        let extended = extend(&Built { scope, dataflow, streams: &streams, probes });
        extended.unwrap_or_else(|unknown| work.control.fail(unknown.into()));
    }
    for (place, sink) in dataflow.sinks.iter().enumerate() {
        let name = format!("Sink {}", sink.spec.name);
        let mut ways = unit.ways.lock().unwrap_or_else(PoisonError::into_inner);
        let to_sink = ways[place][local].take().map(|to_sink| Box::new(to_sink) as Box<dyn Collect>);
        drop(ways);
        let stream = streams[sink.node].clone();
        match (sink.spec.connector.per_worker(&sink.spec), to_sink) {
            (true, Some(to_sink)) => keep(stream, &name, to_sink, &probes.outputs),
            (_, to_sink) => gather(stream, &name, 0, to_sink, &probes.outputs),
        }
    }
    for view in unit.views.iter().chain(tables) {
        let name = format!("View {}", view.name());
        // Every process has a copy, on its first worker; on the first of all its changes go by for units.
        for process in 0..config.processes() {
            let target = process * config.workers;
            let collect = (index == target && index == first).then(|| {
                let mut to_view = ToView::new(view.clone(), work);
                to_view.hidden = begins.clone().map(|begins| (begins, unit.clone()));
                if index == 0 {
                    to_view.tap = Some(Rc::default());
                    let tap = to_view.tap.clone().unwrap_or_default();
                    taps.stores.insert(view.name().to_owned(), (view.clone(), tap));
                }
                Box::new(to_view) as Box<dyn Collect>
            });
            gather(streams[view.spec().node].clone(), &name, target, collect, &probes.outputs);
        }
    }
    for letters in &unit.letters {
        letters.may_come_of(letters.nodes().iter().copied().filter(|&node| failed[node].is_some()));
        let failed: Vec<_> = letters.nodes().iter().filter_map(|&node| failed[node].clone()).collect();
        if failed.is_empty() {
            continue;
        }
        let (failed, name) = (scope.concatenate(failed), format!("Dead letters of {}", letters.name()));
        for process in 0..config.processes() {
            let target = process * config.workers;
            let collect = (index == target && index == first)
                .then(|| Box::new(ToDeadLetters(letters.clone())) as Box<dyn Collect>);
            gather(failed.clone(), &name, target, collect, &probes.outputs);
        }
    }
}

/// Hands a view its changes.
struct ToView {
    view: Arc<View>,
    views: Arc<Views>,
    columns: Vec<usize>,
    latency: Arc<Latency>,
    inserted: prometheus_client::metrics::counter::Counter,
    retracted: prometheus_client::metrics::counter::Counter,
    /// Where its changes go by.
    tap: Option<Rc<Tap>>,
    /// While it is not shown: where its unit begins.
    hidden: Option<(Rc<Begins>, Arc<Unit>)>,
}

impl ToView {
    fn new(view: Arc<View>, work: &Work) -> ToView {
        let emitted =
            |kind| work.metrics.rows_emitted.get_or_create_owned(&labels(("view", view.name()), ("kind", kind)));
        let (inserted, retracted) = (emitted("insert"), emitted("retract"));
        let (views, latency, columns) = (work.views.clone(), work.latency.clone(), view.columns());
        ToView { view, views, columns, latency, inserted, retracted, tap: None, hidden: None }
    }

    /// Shows it, if it has come to where its unit begins.
    fn show(&mut self, as_of: Epoch) {
        if let Some((begins, unit)) = &self.hidden
            && begins.at().is_some_and(|begin| as_of >= begin)
            && !unit.muted()
        {
            self.views.show(std::slice::from_ref(&self.view));
            unit.shown();
            self.hidden = None;
        }
    }
}

/// The view's store: its operator keeps nothing of its own.
impl Saved for ToView {
    fn sections(&self) -> Vec<Section> {
        self.view.sections()
    }

    fn begin(&mut self) -> Saving {
        self.view.save()
    }

    fn take(&mut self, section: usize, rows: &RecordBatch) -> Result<(), Unfit> {
        self.view.take(section, rows)
    }

    fn loaded(&mut self, cut: Epoch) {
        self.view.loaded(cut);
    }
}

impl Collect for ToView {
    fn sections(&self) -> Vec<Section> {
        Saved::sections(self)
    }

    fn kept(&mut self) -> Option<&mut dyn Saved> {
        Some(self)
    }

    fn collect(&mut self, epochs: Vec<(Epoch, Vec<Delta>)>, as_of: Epoch) {
        let codec = self.view.codec();
        let net = |(epoch, deltas): (Epoch, Vec<Delta>)| {
            let kept = |delta: &Delta| delta.with_batch(relabel(delta.batch(), &self.columns, codec.schema()));
            let netted = codec.net(&deltas.iter().map(kept).collect::<Vec<_>>(), true)?;
            self.inserted.inc_by((netted.delta.len() - netted.retractions) as u64);
            self.retracted.inc_by(netted.retractions as u64);
            Some((epoch, netted))
        };
        let netted: Vec<(Epoch, Netted)> = epochs.into_iter().filter_map(net).collect();
        if let Some(tap) = &self.tap {
            let shown: Vec<usize> = (0..self.view.schema().fields().len()).collect();
            let schema = self.view.schema();
            for (epoch, Netted { delta, .. }) in &netted {
                tap.pass(*epoch, || delta.with_batch(relabel(delta.batch(), &shown, schema)));
            }
            tap.moved(as_of);
        }
        self.view.publish(netted, as_of);
        self.show(as_of);
        self.latency.visible(self.views.as_of());
    }
}
