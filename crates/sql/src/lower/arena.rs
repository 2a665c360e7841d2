//! The nodes of the plan while it grows: equal nodes are the same node, whoever asks for them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow_schema::{Field, FieldRef, Schema, SchemaRef};
use datafusion_common::Result;
use datafusion_expr::RecursiveQuery;
use datafusion_physical_expr::expressions::Column;

use super::arrival::Arrived;
use super::bounds::bound;
use crate::logical::scalar::as_column;
use crate::lower::origin::Said;
use highwater_core::expression::named;
use highwater_core::plan::{AggregateCall, Emit, Facts, Join, Node, NodeId, Op, Origin, Over, Reduce, Scalar};

/// What lowering knows of a node besides its facts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Known {
    /// How far behind the watermark rows are accepted, in ms; `None` is without bound, or there is no event time. The
    /// bounds of the node's facts have this in them.
    pub(crate) lateness_ms: Option<i64>,
    /// Whether `window_start` alone tells the window.
    pub(crate) by_start: bool,
    /// Whether `window_end` alone tells the window.
    pub(crate) by_end: bool,
    /// Whether every row closes some day: only an amendment changes it from then on.
    pub(crate) closes: bool,
    /// What the windows below emit, if there are any.
    pub(crate) emits: Option<Emit>,
}

impl Known {
    /// The same of rows with these facts. Rows whose times have no bound are accepted however late they are, whatever the
    /// lateness of the sources: a row of long ago comes, or goes, when another input says so (EXISTS, a scalar subquery).
    fn of(self, facts: &Facts) -> Known {
        let window = facts.window.iter().flat_map(|window| [window.end, window.time]).flatten();
        let unbounded = facts.time.into_iter().chain(window).any(|time| facts.bounds[time].is_none());
        Known { lateness_ms: self.lateness_ms.filter(|_| !unbounded), ..self }
    }
}

/// The nodes, inputs first.
#[derive(Debug, Default)]
pub(crate) struct Arena {
    pub(crate) nodes: Vec<Node>,
    /// The times of arrival of sources that are asked for them.
    pub(crate) arrived: BTreeMap<usize, Arrived>,
    known: Vec<Known>,
    /// What the nodes do, whatever the queries call the columns that they read.
    does: Vec<Op>,
    /// The statement at hand, and per node the statements and clauses that it is of.
    pub(crate) said: Option<Said>,
    pub(crate) origins: Vec<Vec<Origin>>,
    /// Per view and sink, in lower case, the relations that its statement reads.
    pub(crate) made_of: BTreeMap<String, BTreeSet<String>>,
    /// The recursions lowered so far: what they emit, their limits of rounds and their nodes.
    pub(super) recursions: Vec<(RecursiveQuery, Option<Emit>, u64, NodeId)>,
}

impl Arena {
    /// The node that is equal to this one, or this one.
    pub(crate) fn add(&mut self, node: Node, known: Known) -> NodeId {
        let known = known.of(&node.facts);
        let does = nameless(&node.op);
        let found = (0..self.nodes.len())
            .find(|&id| self.nodes[id].inputs == node.inputs && self.known[id] == known && same(&self.does[id], &does));
        let id = found.unwrap_or_else(|| {
            self.nodes.push(node);
            self.known.push(known);
            self.does.push(does);
            self.origins.push(Vec::new());
            self.nodes.len() - 1
        });
        let origins = &mut self.origins[id];
        if let Some(said) = self.said.as_mut().filter(|said| origins.iter().all(|origin| origin.of != said.of())) {
            origins.push(said.origin(&self.nodes[id].op));
        }
        id
    }

    pub(crate) fn facts(&self, id: NodeId) -> &Facts {
        &self.nodes[id].facts
    }

    pub(crate) fn known(&self, id: NodeId) -> Known {
        self.known[id]
    }

    /// The same where a column is the time that rows go by: those of a time without a bound may be of any age.
    pub(super) fn known_by(&self, id: NodeId, time: Option<usize>) -> Known {
        let known = self.known[id];
        let bounded = time.is_none_or(|time| self.nodes[id].facts.bounds[time].is_some());
        Known { lateness_ms: known.lateness_ms.filter(|_| bounded), ..known }
    }

    pub(crate) fn schema(&self, id: NodeId) -> &SchemaRef {
        &self.nodes[id].schema
    }

    /// Where the key of a node stands among some of its columns, if all of it is there. A window stands for itself by any of
    /// its columns that tells it.
    pub(crate) fn key_among(&self, id: NodeId, columns: &[usize]) -> Option<Vec<usize>> {
        let (facts, known) = (self.facts(id), self.known(id));
        let stand_ins = |column: usize| -> Vec<usize> {
            let Some(window) = facts.window.filter(|window| window.end == Some(column)) else { return vec![column] };
            let start = window.start.filter(|_| known.by_start && known.by_end);
            [window.end, window.time, start].into_iter().flatten().collect()
        };
        let place =
            |column: usize| stand_ins(column).into_iter().find_map(|column| columns.iter().position(|&c| c == column));
        facts.key.as_ref()?.iter().map(|&column| place(column)).collect()
    }

    pub(super) fn width(&self, id: NodeId) -> usize {
        self.nodes[id].schema.fields().len()
    }

    /// A Map that keeps all columns of `input` in their places and adds `computed` behind them. Of the columns `read` are the
    /// names by which they are read.
    pub(super) fn extend(
        &mut self,
        input: NodeId,
        filter: Option<Scalar>,
        computed: Vec<(String, Scalar)>,
        read: &[Scalar],
        owner: &str,
    ) -> Result<NodeId> {
        let schema = Arc::clone(self.schema(input));
        let mut columns: Vec<Scalar> =
            (0..schema.fields().len()).map(|i| crate::logical::scalar::column(&schema, i)).collect();
        for column in read {
            if let Some(kept) = as_column(column).and_then(|at| columns.get_mut(at)) {
                *kept = Arc::clone(column);
            }
        }
        let kept = |(field, column): (&FieldRef, &Scalar)| {
            let read = column.downcast_ref::<Column>().map_or(field.name().as_str(), Column::name);
            field.as_ref().clone().with_name(read)
        };
        let mut fields: Vec<Field> = schema.fields().iter().zip(&columns).map(kept).collect();
        let mut facts = self.facts(input).clone();
        for (name, expr) in &computed {
            fields.push(Field::new(name, expr.data_type(&schema)?, true));
            let bound = bound(expr, &self.facts(input).bounds);
            facts.bounds.push(bound);
        }
        columns.extend(computed.into_iter().map(|(_, expr)| expr));
        let op = Op::Map { filter, columns, owner: owner.to_owned() };
        let node = Node { op, inputs: vec![input], schema: Arc::new(Schema::new(fields)), facts };
        Ok(self.add(node, self.known(input)))
    }

    /// Says which column is the event time, and its bound.
    pub(super) fn set_time(&mut self, id: NodeId, time: usize, bound: Option<i64>) {
        let facts = &mut self.nodes[id].facts;
        facts.time = Some(time);
        facts.bounds[time] = bound;
        self.known[id] = self.known[id].of(&self.nodes[id].facts);
    }

    /// Says which columns identify a row.
    pub(super) fn set_key(&mut self, id: NodeId, key: Vec<usize>) {
        self.nodes[id].facts.key = Some(key);
    }

    /// A Map to exactly these columns, under these names and types, nullable.
    pub(super) fn project(
        &mut self,
        input: NodeId,
        filter: Option<Scalar>,
        columns: Vec<(String, Scalar)>,
        owner: &str,
    ) -> Result<NodeId> {
        let schema = Arc::clone(self.schema(input));
        let fields = columns.iter().map(|(name, expr)| Ok(Field::new(name, expr.data_type(&schema)?, true)));
        let fields = fields.collect::<Result<Vec<_>>>()?;
        let from = self.facts(input);
        let place = |column: usize| columns.iter().position(|(_, expr)| as_column(expr) == Some(column));
        let facts = Facts {
            bounds: columns.iter().map(|(_, expr)| bound(expr, &from.bounds)).collect(),
            ..moved(from, &place)
        };
        let columns = columns.into_iter().map(|(_, expr)| expr).collect();
        let op = Op::Map { filter, columns, owner: owner.to_owned() };
        Ok(self.add(Node { op, inputs: vec![input], schema: Arc::new(Schema::new(fields)), facts }, self.known(input)))
    }

    /// The same rows as they come, also those that may be taken back a moment later, if something below holds them.
    pub(crate) fn unheld(&mut self, id: NodeId) -> Result<Option<NodeId>> {
        self.unheld_of(id, &mut BTreeMap::new())
    }

    /// The same; `done` are the nodes that are known.
    fn unheld_of(&mut self, id: NodeId, done: &mut BTreeMap<NodeId, Option<NodeId>>) -> Result<Option<NodeId>> {
        if let Some(known) = done.get(&id) {
            return Ok(*known);
        }
        let Node { op, inputs, schema, facts } = self.nodes[id].clone();
        let unheld = match op {
            Op::Hold => Some(inputs[0]),
            Op::Map { filter, columns, owner } => match self.unheld_of(inputs[0], done)? {
                Some(input) => {
                    let names = schema.fields().iter().map(|field| field.name().clone());
                    Some(self.project(input, filter, names.zip(columns).collect(), &owner)?)
                }
                None => None,
            },
            Op::Union => {
                let mut held = false;
                let mut branch = |input: NodeId| -> Result<NodeId> {
                    let unheld = self.unheld_of(input, done)?;
                    held |= unheld.is_some();
                    Ok(unheld.unwrap_or(input))
                };
                let inputs = inputs.into_iter().map(&mut branch).collect::<Result<Vec<_>>>()?;
                let facts = Facts { append_only: false, ..facts };
                held.then(|| self.add(Node { op, inputs, schema, facts }, self.known(id)))
            }
            _ => None,
        };
        done.insert(id, unheld);
        Ok(unheld)
    }
}

/// Facts of columns that have moved to other places, or gone. Bounds are left empty.
pub(crate) fn moved(facts: &Facts, place: &dyn Fn(usize) -> Option<usize>) -> Facts {
    let at = |column: Option<usize>| column.and_then(place);
    Facts {
        append_only: facts.append_only,
        time: at(facts.time),
        sequence: at(facts.sequence),
        key: facts.key.as_ref().and_then(|key| key.iter().map(|&column| place(column)).collect()),
        closes: at(facts.closes),
        bounds: Vec::new(),
        window: facts.window.and_then(|window| {
            let window = highwater_core::plan::WindowColumns {
                start: at(window.start),
                end: at(window.end),
                time: at(window.time),
            };
            (window.start.is_some() || window.end.is_some() || window.time.is_some()).then_some(window)
        }),
    }
}

/// An operator that reads columns by place alone: queries that differ in the aliases of their relations do the same.
fn nameless(op: &Op) -> Op {
    let bare = |expr: &Scalar| named(expr, &|_| Some(String::new()));
    match op {
        Op::Map { filter, columns, owner } => Op::Map {
            filter: filter.as_ref().map(bare),
            columns: columns.iter().map(bare).collect(),
            owner: owner.clone(),
        },
        Op::Join(join) => Op::Join(Join { residual: join.residual.as_ref().map(bare), ..join.clone() }),
        other => other.clone(),
    }
}

/// Whether two operators do the same. Who owns a Map does not matter.
fn same(a: &Op, b: &Op) -> bool {
    match (a, b) {
        (Op::Source { source: a }, Op::Source { source: b }) => a == b,
        (Op::Table { table: a }, Op::Table { table: b }) => a == b,
        (Op::Read { read: a }, Op::Read { read: b }) => a == b,
        (Op::Map { filter: f, columns: c, .. }, Op::Map { filter: g, columns: d, .. }) => f == g && c == d,
        (Op::Values { rows: a }, Op::Values { rows: b }) => a == b,
        (Op::Union, Op::Union) | (Op::Hold, Op::Hold) => true,
        (Op::Repeat { times: a }, Op::Repeat { times: b }) => a == b,
        (Op::Unnest(a), Op::Unnest(b)) => a == b,
        (Op::Window { time: t, window: w, zone: a }, Op::Window { time: u, window: v, zone: b }) => {
            (t, w, a) == (u, v, b)
        }
        (Op::Reduce(a), Op::Reduce(b)) => same_reduce(a, b),
        (Op::Join(a), Op::Join(b)) => same_join(a, b),
        (Op::Rank(a), Op::Rank(b)) => a == b,
        (Op::Over(a), Op::Over(b)) => same_over(a, b),
        _ => false,
    }
}

fn same_reduce(a: &Reduce, b: &Reduce) -> bool {
    let head = |r: &Reduce| (r.keys.clone(), r.pane, r.emit, r.lateness_ms, r.retracting);
    head(a) == head(b)
        && a.aggregates.len() == b.aggregates.len()
        && a.aggregates.iter().zip(&b.aggregates).all(same_call)
}

fn same_over(a: &Over, b: &Over) -> bool {
    let head = |o: &Over| (o.keys.clone(), o.order.clone(), o.ties.clone(), o.frame, o.lateness_ms);
    head(a) == head(b)
        && a.aggregates.len() == b.aggregates.len()
        && a.aggregates.iter().zip(&b.aggregates).all(same_call)
}

fn same_join(a: &Join, b: &Join) -> bool {
    let head = |j: &Join| (j.kind, j.keys.clone(), j.nulls_equal, j.order.clone(), j.emit, j.transient);
    head(a) == head(b) && a.expiry == b.expiry && a.retracting == b.retracting && a.residual == b.residual
}

fn same_call((a, b): (&AggregateCall, &AggregateCall)) -> bool {
    a.function.name() == b.function.name()
        && (&a.args, &a.literals, &a.order, a.distinct, a.filter, &a.output)
            == (&b.args, &b.literals, &b.order, b.distinct, b.filter, &b.output)
}
