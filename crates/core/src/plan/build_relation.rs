//! Relations that an embedder makes of others with timely's and differential's own operators: `Op::Relation`. They stand in the
//! dataflow like any operator, between those of SQL, on every worker and at the same epochs.

use std::fmt;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use differential_dataflow::{AsCollection, VecCollection};
use serde::Serialize;
use serde::de::DeserializeOwned;
use timely::container::{CapacityContainerBuilder, NoopBuilder};
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::Operator;

use super::{Node, NodeId};
use crate::delta::{Delta, relabel};
use crate::format::{RowsError, from_batch, to_batch};
use crate::operator::stateless;
use crate::time::Epoch;

/// What builds the relation `name` of its inputs, as rows of a schema, on a worker.
type Build = dyn for<'s> Fn(Vec<Input<'s>>, Output<'_>) -> Stream<'s, Epoch, Delta> + Send + Sync;

/// A relation that is made of others by a function, to be registered: [`relation`].
#[derive(Clone)]
pub struct Relation {
    name: String,
    inputs: usize,
    version: u64,
    build: Arc<Build>,
}

/// A relation that a table reads, with what it reads.
#[derive(Clone, Debug)]
pub struct RelationSpec {
    /// The function.
    pub relation: Relation,
    /// The table that it makes.
    pub table: String,
    /// The relations that it is made of, each with the columns as they are called there.
    pub reads: Vec<(String, SchemaRef)>,
}

/// One of the relations that another is made of, on a worker.
#[derive(Clone)]
pub struct Input<'s> {
    name: String,
    table: String,
    stream: Stream<'s, Epoch, Delta>,
}

/// What is to come out.
#[derive(Clone, Copy, Debug)]
struct Output<'a> {
    table: &'a str,
    schema: &'a SchemaRef,
}

/// A relation that Rust makes of `N` others, with differential dataflow's operators: a table that SQL reads like any other. The function is
/// called once on each worker, and must build the same on all.
///
/// `CREATE TABLE t (columns) WITH ('connector' = 'name', 'reads' = 'view, ...')` declares one: its columns, and what it is made of.
pub fn relation<const N: usize, R, F>(name: impl Into<String>, function: F) -> Relation
where
    R: Serialize + Clone + 'static,
    F: for<'s> Fn([Input<'s>; N]) -> VecCollection<'s, Epoch, R, i64> + Send + Sync + 'static,
{
    let build = erased(move |inputs, output| {
        let Ok(inputs) = <[Input<'_>; N]>::try_from(inputs) else { unreachable!("the planner counts them") };
        rows(function(inputs), output)
    });
    Relation { name: name.into(), inputs: N, version: 0, build }
}

/// A closure as it is for every life of a dataflow.
fn erased<F>(build: F) -> Arc<Build>
where
    F: for<'s> Fn(Vec<Input<'s>>, Output<'_>) -> Stream<'s, Epoch, Delta> + Send + Sync + 'static,
{
    Arc::new(build)
}

impl Relation {
    /// Its name: the `'connector'` of tables that are made so.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Of how many relations it is made.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// As what it is known to data directories: one that computes otherwise under the same name is another program. 0 unless it is said.
    pub fn with_version(self, version: u64) -> Relation {
        Relation { version, ..self }
    }

    /// What [`Relation::with_version`] said.
    pub fn version(&self) -> u64 {
        self.version
    }
}

impl fmt::Debug for Relation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl<'s> Input<'s> {
    /// Its rows of a type that is `Deserialize`: a struct by the names of its columns, or a tuple in their order, each as often as it is there.
    ///
    /// # Panics
    /// While it runs, where a row does not fit the type (NULL into what is no `Option`): the engine ends with that row.
    pub fn rows<D: DeserializeOwned + Clone + 'static>(self) -> VecCollection<'s, Epoch, D, i64> {
        type Updates<D> = CapacityContainerBuilder<Vec<(D, Epoch, i64)>>;
        let Input { name, table, stream } = self;
        let updates = stream.unary::<Updates<D>, _, _, _>(Pipeline, "Relation input", |_, _| {
            move |input, output| {
                input.for_each_time(|time, deltas| {
                    let epoch = *time.time();
                    let mut session = output.session(&time);
                    for delta in deltas {
                        let read: Result<Vec<D>, RowsError> = from_batch(delta.batch());
                        let read = read.unwrap_or_else(|error| panic!("table '{table}': {name}: {error}"));
                        let rows = read.into_iter().enumerate();
                        session.give_iterator(rows.map(|(row, read)| (read, epoch, delta.diff(row))));
                    }
                });
            }
        });
        updates.as_collection()
    }

    /// Its changes as they are, where the operator before left them.
    pub fn deltas(self) -> Stream<'s, Epoch, Delta> {
        self.stream
    }
}

impl fmt::Debug for Input<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Input").field("name", &self.name).finish_non_exhaustive()
    }
}

/// A collection as changes of rows, each at its own epoch.
fn rows<'s, R: Serialize + Clone + 'static>(
    made: VecCollection<'s, Epoch, R, i64>,
    Output { table, schema }: Output<'_>,
) -> Stream<'s, Epoch, Delta> {
    let (table, schema) = (table.to_owned(), schema.clone());
    made.inner.unary::<NoopBuilder<Delta>, _, _, _>(Pipeline, "Relation", move |_, _| {
        move |input, output| {
            input.for_each_time(|time, updates| {
                let mut updates: Vec<(R, Epoch, i64)> = updates.flat_map(std::mem::take).collect();
                updates.retain(|(.., diff)| *diff != 0);
                updates.sort_by_key(|(_, epoch, _)| *epoch);
                for updates in updates.chunk_by(|one, next| one.1 == next.1) {
                    // A change may be told before its epoch has come.
                    let capability = time.delayed(&updates[0].1, 0);
                    let batch: Result<RecordBatch, RowsError> = to_batch(updates.iter().map(|(row, ..)| row), &schema);
                    let batch = batch.unwrap_or_else(|error| panic!("table '{table}': {error}"));
                    let diffs = updates.iter().map(|(.., diff)| *diff).collect();
                    output.session_with_builder(&capability).give_container(&mut Delta::new(batch, Some(diffs)));
                }
            });
        }
    })
}

/// Builds a relation of an embedder over the streams of its inputs.
pub(super) fn made<'s>(
    node: &Node,
    spec: &RelationSpec,
    input: impl Fn(usize) -> (NodeId, Stream<'s, Epoch, Delta>),
) -> Stream<'s, Epoch, Delta> {
    let inputs = spec.reads.iter().enumerate().map(|(position, (name, schema))| {
        let (columns, schema) = ((0..schema.fields().len()).collect::<Vec<_>>(), schema.clone());
        let stream = stateless(input(position).1, "Shown", move |delta| {
            vec![delta.with_batch(relabel(delta.batch(), &columns, &schema))]
        });
        Input { name: name.clone(), table: spec.table.clone(), stream }
    });
    (spec.relation.build)(inputs.collect(), Output { table: &spec.table, schema: &node.schema })
}
