//! The plan as operators on a worker. Their shell is `operator/shell.rs`; what is here only wires them up.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use timely::dataflow::operators::core::Concatenate;
use timely::dataflow::operators::generic::operator::empty;
use timely::dataflow::{Scope, Stream};

use super::build_differential::{Halves, differential};
use super::build_failing::{Failures, apart, may_fail, told};
use super::build_recursion::looped;
use super::build_relation::made;
use super::map::Map;
use super::operators::by_differential;
use super::recursion::inside;
use super::sharing::{Index, indexes, sharing};
use super::{AggregateCall, Dataflow, Node, NodeId, Op, Over, Pane, Reduce};
use crate::aggregate::{Call, Emit, GroupCall, Grouping, Terms};
use crate::delta::{Delta, Failure, Rejects};
use crate::join::{Arranged, Arrangement, Buckets, Meeting, Met, Side, Versions};
use crate::operator::{Route, Stateful, emitting, stateful, stateless};
use crate::pattern::{Pattern, Program, Recognise};
use crate::rank::{Rank, Rolling, RollingOrder, Top};
use crate::reduce::Groups;
use crate::session::{Hold, PointSessions, Sessions};
use crate::table::Contents;
use crate::time::Epoch;
use crate::window::{Panes, Slices, Source, Window, assign};

/// What is built on a worker, per node of the plan.
#[derive(Debug)]
pub struct Streams<'s> {
    /// The rows of each node; of one that nobody needs there are none.
    pub rows: Vec<Stream<'s, Epoch, Delta>>,
    /// The rows that a node could not take, for those that may fail.
    pub failed: Vec<Option<Stream<'s, Epoch, Delta>>>,
}

/// Builds the operators that views and sinks need, in the order of the plan.
///
/// `sources` are the streams of `plan.sources`, in their order, then the requests for each of `plan.tables`, then the changes
/// of each of `plan.reads`. Every worker must build the same plan.
pub fn build<'s>(
    scope: Scope<'s, Epoch>,
    plan: &Dataflow,
    sources: Vec<Stream<'s, Epoch, Delta>>,
    rejects: &Rejects,
) -> Streams<'s> {
    let (needed, inside, sharing) = (needed(plan), inside(&plan.nodes), sharing(&plan.nodes));
    let mut arrangements: HashMap<Index, Arrangements<'s>> = HashMap::new();
    let mut halves = Halves::default();
    let mut streams: Vec<Stream<'s, Epoch, Delta>> = Vec::with_capacity(plan.nodes.len());
    let mut failed = Vec::with_capacity(plan.nodes.len());
    for (id, node) in plan.nodes.iter().enumerate() {
        // What stands in a loop is built with it.
        if !needed[id] || inside[id] {
            streams.push(empty(scope));
            failed.push(None);
            continue;
        }
        if let Op::Recursion(recursion) = &node.op {
            let (rows, failures) = looped(scope, &plan.nodes, &inside, (id, recursion), &streams, rejects);
            streams.push(rows);
            failed.push(failures);
            continue;
        }
        if by_differential(plan, id) {
            let (rows, failures) = differential(plan, id, &streams, rejects, &mut halves);
            streams.push(rows);
            failed.push(failures);
            continue;
        }
        let (rejects, failures) = match may_fail(node) {
            true => {
                let (rejects, failures) = Failures::of(id, rejects);
                (rejects, Some(failures))
            }
            false => (rejects.clone(), None),
        };
        let fails = failures.is_some();
        let stream = match &node.op {
            Op::Join(join) if sharing[id].is_some() => {
                let sides = indexes(node).into_iter().flatten().map(|index| {
                    let rows = || arrangement(&plan.nodes, &streams, &index);
                    arrangements.entry(index.clone()).or_insert_with(rows).clone()
                });
                let (streams, sides): (Vec<_>, Vec<Arranged>) = sides.unzip();
                let Ok(sides) = <[Arranged; 2]>::try_from(sides) else { unreachable!("a join has two sides") };
                let inputs = [0, 1].map(|input: usize| &plan.nodes[node.inputs[input]].schema);
                let meeting = Meeting::new(join, &node.schema, inputs, &rejects);
                let streams = streams.into_iter().map(|stream| (stream, Route::Here)).collect();
                stateful(streams, "Join", telling(Met::new(meeting, sides), failures))
            }
            _ => operator(scope, plan, node, &sources, &streams, (&rejects, failures)),
        };
        let (rows, failures) = match fails {
            true => {
                let (rows, failures) = apart(stream);
                (rows, Some(failures))
            }
            false => (stream, None),
        };
        streams.push(rows);
        failed.push(failures);
    }
    Streams { rows: streams, failed }
}

/// Which nodes a view, a sink or the store of a table reads, directly or not.
fn needed(plan: &Dataflow) -> Vec<bool> {
    let mut needed = vec![false; plan.nodes.len()];
    let roots = plan.views.iter().map(|view| view.node).chain(plan.sinks.iter().map(|sink| sink.node));
    roots.chain(plan.tables.iter().map(|table| table.view.node)).for_each(|node| needed[node] = true);
    for (id, node) in plan.nodes.iter().enumerate().rev() {
        if needed[id] {
            node.inputs.iter().for_each(|&input| needed[input] = true);
        }
    }
    needed
}

fn operator<'s>(
    scope: Scope<'s, Epoch>,
    plan: &Dataflow,
    node: &Node,
    sources: &[Stream<'s, Epoch, Delta>],
    built: &[Stream<'s, Epoch, Delta>],
    (rejects, failures): (&Rejects, Option<Failures>),
) -> Stream<'s, Epoch, Delta> {
    let input = |position: usize| -> (NodeId, Stream<'s, Epoch, Delta>) {
        let id = node.inputs[position];
        (id, built[id].clone())
    };
    match &node.op {
        Op::Source { source } => sources[*source].clone(),
        Op::Table { table } => {
            let spec = &plan.tables[*table];
            let contents = match Contents::new(&node.schema, spec.key()) {
                Ok(contents) => Box::new(contents),
                Err(error) => unreachable!("the planner takes tables whose types have an order: {error}"),
            };
            let requests = sources[plan.sources.len() + table].clone();
            stateful(vec![(requests, Route::ByColumns(Vec::new()))], &format!("Table {}", spec.name()), contents)
        }
        Op::Read { read } => sources[plan.sources.len() + plan.tables.len() + read].clone(),
        Op::Values { rows } => values(scope, rows.clone()),
        Op::Union => scope.concatenate((0..node.inputs.len()).map(|position| input(position).1)),
        Op::Map { filter, columns, .. } => {
            let (from, stream) = input(0);
            let from = &plan.nodes[from].schema;
            let map = Map::new(filter.clone(), columns.clone(), from, node.schema.clone(), rejects);
            stateless(stream, "Map", move |delta| {
                let mut changes = map.apply(delta);
                changes.extend(failures.as_ref().and_then(Failures::taken));
                changes
            })
        }
        Op::Hold => {
            // By the whole row, so that what is taken back finds what it takes back on any number of workers.
            let columns = (0..node.schema.fields().len()).collect();
            keyed(input(0).1, columns, "Hold", Box::new(Hold::new(&node.schema)))
        }
        Op::Repeat { times } => {
            let times = *times;
            stateless(input(0).1, "Repeat", move |delta| vec![repeated(&delta, times)])
        }
        Op::Unnest(unnest) => {
            let (unnest, schema) = (unnest.clone(), Arc::clone(&node.schema));
            stateless(input(0).1, "Unnest", move |delta| match unnest.apply(&delta, &schema) {
                Ok(rows) => rows,
                Err(error) => unreachable!("the planner takes arrays and maps only: {error}"),
            })
        }
        Op::Window { time, window, zone } => {
            let (time, window, zone, schema) = (*time, *window, *zone, Arc::clone(&node.schema));
            let rejects = rejects.clone();
            stateless(input(0).1, "Window", move |delta| {
                let (mut rows, timeless) = assign(&delta, time, (&window, zone), &schema);
                timeless.into_iter().for_each(|row| {
                    rejects.row(Failure::no_event_time(), delta.batch(), row, delta.diff(row));
                });
                rows.extend(failures.as_ref().and_then(Failures::taken));
                rows
            })
        }
        Op::Reduce(reduce) => {
            let (from, stream) = input(0);
            let name = match reduce.pane {
                Pane::Unbounded => "Reduce",
                Pane::Windows { .. } | Pane::Assigned { .. } => "WindowReduce",
                Pane::Session { .. } => "Session",
            };
            let state = state(&plan.nodes[from], node, reduce, rejects);
            keyed(stream, reduce.keys.clone(), name, told(state, failures))
        }
        Op::Join(join) => {
            let ((left, lefts), (right, rights)) = (input(0), input(1));
            let inputs = [left, right].map(|input| &plan.nodes[input].schema);
            let routes = Side::BOTH.map(|side| Route::ByColumns(join.key_columns(side)));
            let state = Buckets::new(join.clone(), &node.schema, inputs, rejects);
            stateful([lefts, rights].into_iter().zip(routes).collect(), "Join", telling(state, failures))
        }
        Op::Lookup(lookup) => {
            let ((left, lefts), (right, rights)) = (input(0), input(1));
            let inputs = [left, right].map(|input| &plan.nodes[input].schema);
            let keys: [Vec<usize>; 2] = lookup.keys.iter().copied().unzip::<_, _, Vec<_>, Vec<_>>().into();
            let state = Versions::new(lookup.clone(), &node.schema, inputs, rejects);
            let routes = keys.map(Route::ByColumns);
            stateful([lefts, rights].into_iter().zip(routes).collect(), "Lookup", telling(state, failures))
        }
        Op::Pattern(pattern) => {
            let (from, stream) = input(0);
            let from = &plan.nodes[from];
            let state = recognise(from, node, pattern, rejects);
            keyed(stream, pattern.keys.clone(), "Pattern", telling(state, failures))
        }
        Op::Rank(rank) => {
            let (from, stream) = input(0);
            let state = top(&plan.nodes[from], node, rank, rejects);
            keyed(stream, rank.exchange(), "Rank", telling(state, failures))
        }
        Op::Over(over) => {
            let (from, stream) = input(0);
            let state = rolling(&plan.nodes[from], node, over, rejects);
            keyed(stream, over.keys.clone(), "Over", telling(state, failures))
        }
        Op::Relation(spec) => made(node, spec, input),
        Op::Recursion(_) | Op::Before { .. } => unreachable!("loops are built as a whole"),
    }
}

/// Runs a state machine with one input where the rows of each key are.
fn keyed<'s>(
    stream: Stream<'s, Epoch, Delta>,
    keys: Vec<usize>,
    name: &str,
    state: Box<dyn Stateful>,
) -> Stream<'s, Epoch, Delta> {
    stateful(vec![(stream, Route::ByColumns(keys))], name, state)
}

/// A state machine that tells of what fails, if it may.
fn telling(state: impl Stateful + 'static, failures: Option<Failures>) -> Box<dyn Stateful> {
    told(Box::new(state), failures)
}

/// Rows that are there before all others, on one worker.
fn values<'s>(scope: Scope<'s, Epoch>, rows: RecordBatch) -> Stream<'s, Epoch, Delta> {
    let lanes = usize::from(scope.index() == 0);
    emitting(scope, "Values", lanes, None, move |_| {
        let mut rows = Some(Delta::insert(rows)).filter(|_| lanes > 0);
        move |emitter, _| {
            if let Some(rows) = rows.take() {
                emitter.send(0, Epoch::MIN, rows);
                emitter.end(0);
            }
        }
    })
}

/// An arrangement and what it passes on.
type Arrangements<'s> = (Stream<'s, Epoch, Delta>, Arranged);

/// The rows of a node under a key, for all joins that find them by it.
fn arrangement<'s>(
    nodes: &[Node],
    built: &[Stream<'s, Epoch, Delta>],
    (node, keys, nulls_equal): &Index,
) -> Arrangements<'s> {
    let Node { schema, facts, .. } = &nodes[*node];
    let rows = Arranged::new(Arrangement::new(schema, keys, *nulls_equal, !facts.append_only));
    (keyed(built[*node].clone(), keys.clone(), "Arrange", Box::new(rows.clone())), rows)
}

/// Every row as often as its column `times` says.
fn repeated(delta: &Delta, times: usize) -> Delta {
    let times = delta.batch().column(times).as_primitive::<Int64Type>();
    let copies = |row: usize| std::iter::repeat_n(row as u32, usize::try_from(times.value(row)).unwrap_or(0));
    delta.take(&(0..delta.len()).flat_map(copies).collect::<Vec<u32>>().into())
}

/// How far behind the watermark on-time values of a time column are: the bounds have the lateness in them.
fn behind(from: &Node, column: usize, lateness_ms: Option<i64>) -> i64 {
    let bound = from.facts.bounds.get(column).copied().flatten();
    bound.map_or(0, |bound| bound.saturating_neg().saturating_sub(lateness_ms.unwrap_or(0)))
}

/// The state machine of a pattern: `from` is what it reads, `node` the pattern itself.
pub fn recognise(from: &Node, node: &Node, pattern: &Pattern, rejects: &Rejects) -> Recognise {
    let Some(program) = Program::new(pattern) else { unreachable!("the planner refuses patterns that are too long") };
    let delay_ms = behind(from, pattern.time, pattern.lateness_ms).max(0);
    Recognise::new(pattern, program, &from.schema, &node.schema, delay_ms, rejects)
}

/// The state machine of a ranking: `from` is what it reads, `node` the ranking itself.
pub fn top(from: &Node, node: &Node, rank: &Rank, rejects: &Rejects) -> Top {
    Top::new(rank_terms(from, node, rank, rejects), rank.clone(), &from.schema)
}

/// What a ranking owes.
pub(super) fn rank_terms(from: &Node, node: &Node, rank: &Rank, rejects: &Rejects) -> Terms {
    let key_types = rank.keys.iter().map(|&key| from.schema.field(key).data_type().clone()).collect();
    let grouping = Grouping { keys: rank.keys.clone(), key_types, aggregates: Vec::new(), retracting: rank.retracting };
    // A window is complete when its end can no longer come: W > end, not W >= end.
    let delay_ms = rank.window.map_or(0, |(_, end)| behind(from, end, rank.lateness_ms).saturating_add(1).max(0));
    Terms {
        grouping,
        schema: Arc::clone(&node.schema),
        emit: rank.emit,
        lateness_ms: rank.lateness_ms,
        delay_ms,
        grace_ms: 0,
        rejects: rejects.clone(),
    }
}

/// The state machine of aggregates over frames: `from` is what it reads, `node` the operator itself.
pub fn rolling(from: &Node, node: &Node, over: &Over, rejects: &Rejects) -> Rolling {
    let time = over.order.first().map_or(0, |(column, _)| *column);
    let terms = Terms {
        grouping: groups(from, &over.keys, &over.aggregates, true),
        schema: Arc::clone(&node.schema),
        emit: Emit::Final,
        lateness_ms: over.lateness_ms,
        // A row is answered when no other of its time can come: W > time, not W >= time.
        delay_ms: behind(from, time, over.lateness_ms).saturating_add(1).max(0),
        grace_ms: 0,
        rejects: rejects.clone(),
    };
    let order = RollingOrder { columns: over.order.clone(), ties: over.ties.clone() };
    Rolling::new(terms, order, over.frame, &from.schema)
}

/// The state machine of a reduce: `from` is what it reads, `node` the reduce itself.
pub fn state(from: &Node, node: &Node, reduce: &Reduce, rejects: &Rejects) -> Box<dyn Stateful> {
    let terms = reduce_terms(from, node, reduce, rejects);
    match reduce.pane {
        Pane::Unbounded => Box::new(Groups::new(terms)),
        Pane::Windows { time, window, zone } => match (window, reduce.emit) {
            (Window::Hop { .. } | Window::Cumulate { .. }, Emit::Final) => {
                Box::new(Slices::new(terms, time, window, zone))
            }
            _ => Box::new(Panes::new(terms, Source::Time { time, window, zone })),
        },
        Pane::Assigned { start, end } => Box::new(Panes::new(terms, Source::Columns { start, end })),
        Pane::Session { time, gap, keep } => match reduce.retracting {
            false => Box::new(Sessions::new(terms, time, gap, keep)),
            true => Box::new(PointSessions::new(terms, time, gap, keep)),
        },
    }
}

/// What a reduce owes.
pub(super) fn reduce_terms(from: &Node, node: &Node, reduce: &Reduce, rejects: &Rejects) -> Terms {
    let behind = |column: usize| behind(from, column, reduce.lateness_ms);
    let (delay_ms, grace_ms) = match reduce.pane {
        Pane::Unbounded => (0, 0),
        Pane::Windows { time, .. } => (behind(time), 0),
        // A window is complete when its end can no longer come: W > end, or W >= end where the end of every row in it is ahead.
        Pane::Assigned { end, .. } => (behind(end).saturating_add(1), 0),
        // A row at the end of a session still belongs to it, and amends it.
        Pane::Session { time, .. } => (behind(time), 1),
    };
    Terms {
        grouping: grouping(from, reduce),
        schema: Arc::clone(&node.schema),
        emit: reduce.emit,
        lateness_ms: reduce.lateness_ms,
        delay_ms: delay_ms.max(0),
        grace_ms,
        rejects: rejects.clone(),
    }
}

/// What a reduce groups and computes, with the types of its input.
fn grouping(from: &Node, reduce: &Reduce) -> Grouping {
    groups(from, &reduce.keys, &reduce.aggregates, reduce.retracting)
}

fn groups(from: &Node, keys: &[usize], aggregates: &[AggregateCall], retracting: bool) -> Grouping {
    let data_type = |&column: &usize| from.schema.field(column).data_type().clone();
    let aggregate = |aggregate: &AggregateCall| GroupCall {
        function: aggregate.function.clone(),
        call: Call {
            args: aggregate.args.iter().map(data_type).collect(),
            literals: aggregate.literals.clone(),
            output: aggregate.output.clone(),
            order: aggregate.order.iter().map(|(column, options)| (data_type(column), *options)).collect(),
            distinct: aggregate.distinct,
            retracting,
        },
        args: aggregate.args.clone(),
        order: aggregate.order.iter().map(|(column, _)| *column).collect(),
        filter: aggregate.filter,
    };
    Grouping {
        keys: keys.to_vec(),
        key_types: keys.iter().map(data_type).collect(),
        aggregates: aggregates.iter().map(aggregate).collect(),
        retracting,
    }
}
