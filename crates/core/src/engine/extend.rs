//! What a Rust program that embeds the engine builds beside the planned operators: on every worker, in the same dataflow,
//! over the published views, as streams of deltas or as differential collections.

use arrow_array::RecordBatch;
use differential_dataflow::{AsCollection, VecCollection};
use timely::Container;
use timely::container::CapacityContainerBuilder;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::{Operator, Probe};
use timely::dataflow::{Scope, Stream};

use super::error::UnknownName;
use super::source_operator::Probes;
use crate::delta::Delta;
use crate::delta::relabel;
use crate::operator::stateless;
use crate::plan::Dataflow;
use crate::time::Epoch;

/// Builds operators on a worker; called once on each, which must all build the same.
pub(super) type Extend = dyn for<'s, 'a> Fn(&Built<'s, 'a>) -> Result<(), UnknownName> + Send + Sync;

/// The dataflow as built on one worker.
pub struct Built<'s, 'a> {
    pub(super) scope: Scope<'s, Epoch>,
    pub(super) dataflow: &'a Dataflow,
    pub(super) streams: &'a [Stream<'s, Epoch, Delta>],
    pub(super) probes: &'a Probes,
}

impl std::fmt::Debug for Built<'_, '_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Built").field("worker", &self.scope.index()).finish_non_exhaustive()
    }
}

impl<'s> Built<'s, '_> {
    /// The scope of the dataflow.
    pub fn scope(&self) -> Scope<'s, Epoch> {
        self.scope
    }

    /// This worker's part of a published view's changes, the shown columns in their order. Rows are where the view's last operator
    /// left them: exchange them by what the next operator needs. The name is as written, else without regard to case.
    ///
    /// # Errors
    /// There is no such view; the error has those that there are.
    pub fn view(&self, name: &str) -> Result<Stream<'s, Epoch, Delta>, UnknownName> {
        let views = &self.dataflow.views;
        let exact = views.iter().find(|view| view.name == name);
        let found = exact.or_else(|| views.iter().find(|view| view.name.eq_ignore_ascii_case(name)));
        let known = || views.iter().map(|view| view.name.clone()).collect();
        let view = found.ok_or_else(|| UnknownName::new("view", name, known()))?;
        let (columns, schema) = (view.columns.clone(), view.schema.clone());
        let stream = self.streams[view.node].clone();
        Ok(stateless(stream, "Shown", move |delta| vec![delta.with_batch(relabel(delta.batch(), &columns, &schema))]))
    }

    /// A published view as a differential collection: `read` makes a record of a row of a batch of the shown columns.
    ///
    /// # Errors
    /// There is no such view; the error has those that there are.
    pub fn collection<D, F>(&self, view: &str, read: F) -> Result<VecCollection<'s, Epoch, D, i64>, UnknownName>
    where
        D: Clone + 'static,
        F: Fn(&RecordBatch, usize) -> D + 'static,
    {
        type Updates<D> = CapacityContainerBuilder<Vec<(D, Epoch, i64)>>;
        let updates = self.view(view)?.unary::<Updates<D>, _, _, _>(Pipeline, "Collection", |_, _| {
            move |input, output| {
                input.for_each_time(|time, deltas| {
                    let epoch = *time.time();
                    let mut session = output.session(&time);
                    for delta in deltas {
                        let rows = (0..delta.len()).map(|row| (read(delta.batch(), row), epoch, delta.diff(row)));
                        session.give_iterator(rows);
                    }
                });
            }
        });
        Ok(updates.as_collection())
    }

    /// Counts `stream` as an output: sources are held back while it lags, and the run is not over before it is.
    pub fn follow<C: Container>(&self, stream: Stream<'s, Epoch, C>) {
        let _ = stream.probe_with(&self.probes.outputs);
    }
}
