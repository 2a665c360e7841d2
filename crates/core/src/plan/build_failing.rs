//! The rows that a node of the plan could not take: taken from its operator after each call, sent on beside its rows, and
//! told apart from them behind it. Nodes that cannot fail have none of this.

use std::sync::mpsc::Receiver;

use arrow_array::RecordBatch;
use arrow_schema::{FieldRef, Schema};
use timely::container::NoopBuilder;
use timely::dataflow::Stream;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::generic::OutputBuilder;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;
use timely::progress::operate::FrontierInterest;

use super::{Dataflow, Node, NodeId, Op, Pane};
use crate::delta::{Delta, Failed, Rejects, Unfit, failed_delta, failed_schema};
use crate::expression::{can_fail, plain};
use crate::format;
use crate::operator::{Saved, Saving, Section, Stateful, Windows};
use crate::time::Epoch;

/// Whether there may be rows that a node cannot take.
pub(super) fn may_fail(node: &Node) -> bool {
    match &node.op {
        Op::Map { filter, columns, .. } => filter.iter().chain(columns).any(can_fail),
        Op::Join(join) => join.residual.as_ref().is_some_and(can_fail),
        Op::Lookup(lookup) => lookup.residual.as_ref().is_some_and(can_fail),
        Op::Reduce(reduce) => reduce.pane != Pane::Unbounded,
        Op::Rank(rank) => rank.window.is_some(),
        Op::Window { .. } | Op::Over(_) | Op::Pattern(_) => true,
        Op::Source { .. }
        | Op::Table { .. }
        | Op::Read { .. }
        | Op::Values { .. }
        | Op::Union
        | Op::Hold
        | Op::Repeat { .. }
        | Op::Unnest(_)
        | Op::Relation(_) => false,
        // Its loop tells of them itself.
        Op::Recursion(_) | Op::Before { .. } => false,
    }
}

/// The nodes that a node is made from, itself among them, ascending.
pub fn below(plan: &Dataflow, node: NodeId) -> Vec<NodeId> {
    let mut wanted = vec![false; plan.nodes.len()];
    wanted[node] = true;
    for id in (0..=node).rev() {
        if wanted[id] {
            plan.nodes[id].inputs.iter().for_each(|&input| wanted[input] = true);
        }
    }
    (0..=node).filter(|&id| wanted[id]).collect()
}

/// In what a row stands that a node could not take, in words, for the view or sink that misses it: of a node that several
/// statements share, the one that this one is made by, or that of what it reads.
pub fn stands_in(plan: &Dataflow, node: NodeId, reader: &str) -> String {
    let statement = statement_of(plan, node, reader);
    let in_owner = |what: &str, owner: &str| match statement.unwrap_or(owner) {
        "" => what.to_owned(),
        owner => format!("{what} of {owner}"),
    };
    match &plan.nodes[node].op {
        Op::Map { owner, .. } => in_owner("SELECT, WHERE or HAVING", owner),
        Op::Join(join) => in_owner("a join condition", &join.owner),
        Op::Lookup(lookup) => in_owner("a join condition", &lookup.owner),
        Op::Pattern(pattern) => in_owner("MATCH_RECOGNIZE", &pattern.owner),
        Op::Recursion(recursion) => in_owner("WITH RECURSIVE", &recursion.owner),
        Op::Over(_) => "OVER".to_owned(),
        Op::Rank(_) => "a ranking in a window".to_owned(),
        _ => "a window".to_owned(),
    }
}

/// The statement that a node is of, nearest to a view or sink.
fn statement_of<'a>(plan: &'a Dataflow, node: NodeId, reader: &str) -> Option<&'a str> {
    let origins = plan.origins.get(node)?;
    let (mut near, mut at) = (vec![reader.to_lowercase()], 0);
    while let Some(name) = near.get(at).cloned() {
        if let Some(origin) = origins.iter().find(|origin| origin.of.to_lowercase() == name) {
            return Some(&origin.of);
        }
        let read = plan.made_of.get(&name).into_iter().flatten();
        let read: Vec<String> = read.filter(|name| !near.contains(name)).cloned().collect();
        near.extend(read);
        at += 1;
    }
    origins.first().map(|origin| origin.of.as_str())
}

/// A row for a dead letter, its columns under names that SQL would give them.
pub fn show_row(batch: &RecordBatch, row: usize) -> String {
    // The engine's own columns keep their names, by which they are left out.
    let name = |name: &str| if name.starts_with("__") { name.to_owned() } else { plain(name) };
    let named = |field: &FieldRef| field.as_ref().clone().with_name(name(field.name())).with_nullable(true);
    let schema = Schema::new(batch.schema_ref().fields().iter().map(named).collect::<Vec<_>>());
    match RecordBatch::try_new(schema.into(), batch.columns().to_vec()) {
        Ok(named) => format::show_row(&named, row),
        // It has no columns.
        Err(_) => format::show_row(batch, row),
    }
}

/// The end at which the rows come out that a node could not take.
#[derive(Debug)]
pub(super) struct Failures {
    node: NodeId,
    rows: Receiver<Failed>,
}

impl Failures {
    /// For a node; with the way in for its operator.
    pub(super) fn of(node: NodeId, rejects: &Rejects) -> (Rejects, Failures) {
        let (rejects, rows) = rejects.apart();
        (rejects, Failures { node, rows })
    }

    /// Those that have come since, as changes.
    pub(super) fn taken(&self) -> Option<Delta> {
        let rows: Vec<Failed> = self.rows.try_iter().collect();
        failed_delta(self.node, &rows)
    }

    /// The same, each with the watermark at which it is to be told, between the first and the last of a call.
    fn taken_between(&self, first: i64, last: i64) -> Vec<(i64, Vec<Delta>)> {
        let mut rows: Vec<(i64, Failed)> =
            self.rows.try_iter().map(|row| (row.due.unwrap_or(first).clamp(first, last), row)).collect();
        rows.sort_by_key(|(due, _)| *due);
        let of = |rows: &[(i64, Failed)]| {
            let failed: Vec<Failed> = rows.iter().map(|(_, row)| row.clone()).collect();
            (rows[0].0, failed_delta(self.node, &failed).into_iter().collect())
        };
        rows.chunk_by(|a, b| a.0 == b.0).map(of).collect()
    }
}

/// A state machine that tells of what fails, if it may.
pub(super) fn told(state: Box<dyn Stateful>, failures: Option<Failures>) -> Box<dyn Stateful> {
    match failures {
        Some(failures) => Box::new(Telling::new(state, failures)),
        None => state,
    }
}

/// A state machine that returns, beside its changes, the rows that it could not take.
struct Telling {
    state: Box<dyn Stateful>,
    failures: Failures,
}

impl Telling {
    fn new(state: Box<dyn Stateful>, failures: Failures) -> Telling {
        Telling { state, failures }
    }
}

/// What the state machine keeps: the rows that it could not take have been told.
impl Saved for Telling {
    fn sections(&self) -> Vec<Section> {
        self.state.sections()
    }

    fn begin(&mut self) -> Saving {
        self.state.begin()
    }

    fn next(&mut self, saving: &mut Saving, rows: usize) -> Option<(usize, RecordBatch)> {
        self.state.next(saving, rows)
    }

    fn take(&mut self, section: usize, rows: &RecordBatch) -> Result<(), Unfit> {
        self.state.take(section, rows)
    }

    fn loaded(&mut self, cut: Epoch) {
        self.state.loaded(cut);
    }
}

impl Stateful for Telling {
    fn apply(&mut self, epoch: Epoch, inputs: &mut [Vec<Delta>]) -> Vec<Delta> {
        let mut changes = self.state.apply(epoch, inputs);
        changes.extend(self.failures.taken());
        changes
    }

    fn starts(&self) -> bool {
        self.state.starts()
    }

    fn deadline(&self) -> Option<i64> {
        self.state.deadline()
    }

    fn close_until(&mut self, until: i64) -> Vec<(i64, Vec<Delta>)> {
        let first = self.state.deadline().map_or(until, |first| first.min(until));
        let mut changes = self.state.close_until(until);
        changes.extend(self.failures.taken_between(first, until));
        changes
    }

    fn held(&self) -> usize {
        self.state.held()
    }

    fn bytes(&self) -> usize {
        self.state.bytes()
    }

    fn windows(&self, watermark: i64) -> Option<Windows> {
        self.state.windows(watermark)
    }

    fn expire(&mut self, frontier: Epoch) {
        self.state.expire(frontier);
    }
}

/// The rows of a node, and those that it could not take.
pub(super) fn apart<'s>(both: Stream<'s, Epoch, Delta>) -> (Stream<'s, Epoch, Delta>, Stream<'s, Epoch, Delta>) {
    let mut builder = OperatorBuilder::new("Failed".to_owned(), both.scope());
    let mut input = builder.new_input(both, Pipeline);
    builder.set_notify_for(0, FrontierInterest::Never);
    let (rows, rows_stream) = builder.new_output::<Delta>();
    let (failed, failed_stream) = builder.new_output::<Delta>();
    let mut rows = OutputBuilder::<_, NoopBuilder<Delta>>::from(rows);
    let mut failed = OutputBuilder::<_, NoopBuilder<Delta>>::from(failed);
    builder.build(move |_| {
        move |_| {
            let (mut rows, mut failed) = (rows.activate(), failed.activate());
            input.for_each_time(|time, deltas| {
                let mut good = rows.session_with_builder(&time);
                let mut bad = failed.session_with_builder(&time);
                for delta in deltas {
                    let mut delta = std::mem::take(delta);
                    match std::sync::Arc::ptr_eq(delta.batch().schema_ref(), failed_schema()) {
                        true => bad.give_container(&mut delta),
                        false => good.give_container(&mut delta),
                    }
                }
            });
        }
    });
    (rows_stream, failed_stream)
}
