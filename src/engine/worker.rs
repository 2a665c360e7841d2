//! What one worker thread does: builds the dataflow, then steps it and parks while there is nothing to do.

use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use timely::dataflow::operators::core::Concatenate;
use timely::dataflow::operators::probe::Handle;
use timely::dataflow::{Scope, Stream};
use timely::worker::Worker;

use super::config::Config;
use super::control::Control;
use super::dead_letters::{DeadLetters, ToDeadLetters};
use super::duplicates::once;
use super::extend::{Built, Extend};
use super::gather::{Collect, gather, keep};
use super::gossip::Gossip;
use super::latency::Latency;
use super::operators::Operators;
use super::sink::Sink;
use super::sink_writer::ToSink;
use super::source::Source;
use super::source_operator::{Probes, source};
use super::table::Table;
use super::table_operator::{EndOfTime, Inlet, requests, tide};
use crate::delta::Netted;
use crate::delta::relabel;
use crate::delta::{Delta, Rejects};
use crate::metrics::{Metrics, labels};
use crate::plan::Dataflow;
use crate::plan::build::{Streams, build};
use crate::time::Epoch;
use crate::view::{View, Views};

/// A worker looks around at least this often.
const PARK: Duration = Duration::from_millis(100);

/// What the workers of a process share.
pub(super) struct Work {
    pub(super) dataflow: Dataflow,
    pub(super) config: Config,
    pub(super) sources: Vec<Arc<Source>>,
    pub(super) tables: Vec<Arc<Table>>,
    pub(super) views: Arc<Views>,
    /// Per sink and worker of this process: where its changes go, if it writes there.
    pub(super) sinks: Mutex<Vec<Vec<Option<ToSink>>>>,
    /// The same as others see them.
    pub(super) writing: Arc<Vec<Arc<Sink>>>,
    /// Where the rows go that views and sinks cannot take.
    pub(super) letters: Vec<Arc<DeadLetters>>,
    pub(super) rejects: Rejects,
    pub(super) control: Arc<Control>,
    pub(super) operators: Arc<Operators>,
    pub(super) latency: Arc<Latency>,
    pub(super) metrics: Arc<Metrics>,
    /// What the embedder builds on every worker.
    pub(super) extend: Option<Arc<Extend>>,
    /// With other processes: what they tell of their inputs.
    pub(super) gossip: Option<Arc<Gossip>>,
}

/// Runs until the dataflow is complete, has reached its goal, or the engine stops.
pub(super) fn run(worker: &mut Worker, work: &Work) {
    work.control.register_worker();
    work.operators.listen(worker);
    let outputs = worker.dataflow_named("highwater", |scope| assemble(scope, work));
    work.gossip.iter().for_each(|gossip| gossip.build(worker, &work.config));
    work.control.running();
    while worker.has_dataflows() && !work.control.stopping() {
        if work.control.goal().is_some_and(|goal| !outputs.less_than(&goal)) {
            // What the probe has seen go by, views and sinks take in the same step; this is to be sure of it.
            worker.step();
            break;
        }
        worker.step_or_park(Some(PARK));
    }
    worker.installed_dataflows().into_iter().for_each(|dataflow| worker.drop_dataflow(dataflow));
}

/// Builds the dataflow; answers what has arrived at its ends.
fn assemble(scope: Scope<'_, Epoch>, work: &Work) -> Handle<Epoch> {
    use timely::dataflow::operators::Probe;
    let Work { dataflow, config, .. } = work;
    let (index, probes) = (scope.index(), Probes { writing: work.writing.clone(), ..Probes::default() });
    let (first, local) = (config.process * config.workers, index - config.process * config.workers);
    let inputs = work.sources.iter().enumerate().map(|(place, input)| {
        let peers = work.gossip.clone().map(|gossip| (place, gossip));
        let rows = source(scope, input, local, &probes, config.lag_batches, peers).probe_with(&probes.inputs);
        if config.processes() > 1 { once(rows, input, config, &probes.outputs) } else { rows }
    });
    let mut inputs: Vec<Stream<'_, Epoch, Delta>> = inputs.collect();
    if !work.tables.is_empty() {
        let tide = tide(scope, &inputs);
        let tick = (config.processes() > 1).then(|| Duration::from_millis(config.tick_ms));
        let end = Rc::new(EndOfTime::default());
        for table in &work.tables {
            let inlet = Inlet { first: index == first, tick, end: end.clone() };
            inputs.push(requests(tide.clone(), table, inlet).probe_with(&probes.inputs));
        }
    }
    let Streams { rows: streams, failed } = build(scope, dataflow, inputs, &work.rejects);
    work.operators.attribute(&scope.addr(), streams.iter().map(|stream| stream.name().node));
    if let Some(extend) = &work.extend {
        extend(&Built { scope, dataflow, streams: &streams, probes: &probes });
    }
    for (place, sink) in dataflow.sinks.iter().enumerate() {
        let name = format!("Sink {}", sink.spec.name);
        let mut sinks = work.sinks.lock().unwrap_or_else(PoisonError::into_inner);
        let to_sink = sinks[place][local].take().map(|to_sink| Box::new(to_sink) as Box<dyn Collect>);
        drop(sinks);
        let stream = streams[sink.node].clone();
        match (sink.spec.connector.per_worker(&sink.spec), to_sink) {
            (true, Some(to_sink)) => keep(stream, &name, to_sink, &probes.outputs),
            (_, to_sink) => gather(stream, &name, 0, to_sink, &probes.outputs),
        }
    }
    for view in work.views.iter().chain(work.tables.iter().map(|table| table.rows())) {
        let name = format!("View {}", view.name());
        // Every process has a copy, on its first worker.
        for process in 0..config.processes() {
            let target = process * config.workers;
            let collect = (index == target && index == first).then(|| {
                let latency = work.latency.clone();
                Box::new(ToView::new(view.clone(), work.views.clone(), latency, &work.metrics)) as Box<dyn Collect>
            });
            gather(streams[view.spec().node].clone(), &name, target, collect, &probes.outputs);
        }
    }
    for letters in &work.letters {
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
    probes.outputs
}

/// Hands a view its changes.
struct ToView {
    view: Arc<View>,
    views: Arc<Views>,
    columns: Vec<usize>,
    latency: Arc<Latency>,
    inserted: prometheus_client::metrics::counter::Counter,
    retracted: prometheus_client::metrics::counter::Counter,
}

impl ToView {
    fn new(view: Arc<View>, views: Arc<Views>, latency: Arc<Latency>, metrics: &Metrics) -> ToView {
        let emitted = |kind| metrics.rows_emitted.get_or_create_owned(&labels(("view", view.name()), ("kind", kind)));
        let (inserted, retracted) = (emitted("insert"), emitted("retract"));
        ToView { columns: view.columns(), view, views, latency, inserted, retracted }
    }
}

impl Collect for ToView {
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
        self.view.publish(netted, as_of);
        self.latency.visible(self.views.as_of());
    }
}
