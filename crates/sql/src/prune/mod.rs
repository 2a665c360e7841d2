//! The last pass: only columns that are needed stay, only nodes that are read, and Maps that move columns only are gone. What may fail
//! stays where it is computed.
//!
//! Expressions and facts are put over the columns that are left. A node keeps at least one column.

pub(crate) mod prune_join;

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow_schema::{Schema, SchemaRef, SortOptions};
use datafusion_common::Result;

use self::prune_join::{needed, output, rebuilt, share};
use crate::lower::{as_column, column, columns_of, moved, replaced};
use highwater_core::expression::can_fail;
use highwater_core::plan::sharing::sharing;
use highwater_core::plan::{
    AggregateCall, Node, NodeId, Op, Over, Pane, Rank, Reduce, Scalar, SinkPlan, Unnest, ViewSpec,
};

/// Through how many maps a dead letter shows what a value is computed of.
const DEEP: usize = 4;

/// What is left: the nodes, and per source the columns of its node that are needed, in order.
pub(crate) struct Pruned {
    pub(crate) nodes: Vec<Node>,
    /// Which node each of them was.
    pub(crate) from: Vec<NodeId>,
    /// Per source of the program, the columns that leave it; `None` if nothing reads it.
    pub(crate) sources: Vec<Option<Vec<usize>>>,
}

/// Prunes the nodes to what `views` and `sinks` need, and puts those over the nodes that are left.
pub(crate) fn prune(nodes: &[Node], sources: usize, views: &mut [ViewSpec], sinks: &mut [SinkPlan]) -> Result<Pruned> {
    let kept = kept(nodes, views, sinks);
    let mut pruner =
        Pruner { old: nodes, kept, new: Vec::new(), place: vec![None; nodes.len()], sources: vec![None; sources] };
    let mut from: Vec<NodeId> = Vec::new();
    let mut in_union = vec![false; nodes.len()];
    for node in nodes.iter().filter(|node| matches!(node.op, Op::Union)) {
        node.inputs.iter().for_each(|&input| in_union[input] = true);
    }
    for (id, in_union) in in_union.into_iter().enumerate() {
        if pruner.kept[id].is_some() {
            pruner.rebuild(id, in_union)?;
            // The last is the node itself; those before narrow what it reads.
            let narrowing = from.len()..pruner.new.len().saturating_sub(1).max(from.len());
            for node in narrowing {
                from.push(from[pruner.new[node].inputs[0]]);
            }
            from.resize(pruner.new.len(), id);
        }
    }
    for view in views {
        let (node, columns) = pruner.moved_to(view.node, &view.columns);
        let closes = view.closes.map(|closes| pruner.moved_to(view.node, &[closes]).1[0]);
        (view.node, view.columns, view.closes) = (node, columns, closes);
    }
    for sink in sinks {
        (sink.node, sink.columns) = pruner.moved_to(sink.node, &sink.columns);
    }
    Ok(Pruned { nodes: pruner.new, from, sources: pruner.sources })
}

/// Per node, the columns that stay; `None` if nobody reads it.
fn kept(nodes: &[Node], views: &[ViewSpec], sinks: &[SinkPlan]) -> Vec<Option<BTreeSet<usize>>> {
    let mut kept: Vec<Option<BTreeSet<usize>>> = vec![None; nodes.len()];
    let need = |kept: &mut Vec<Option<BTreeSet<usize>>>, node: NodeId, columns: &mut dyn Iterator<Item = usize>| {
        kept[node].get_or_insert_default().extend(columns);
    };
    for view in views {
        need(&mut kept, view.node, &mut view.columns.iter().copied().chain(view.closes));
    }
    for sink in sinks {
        need(&mut kept, sink.node, &mut sink.columns.iter().copied());
    }
    let sharing = sharing(nodes);
    for (id, node) in nodes.iter().enumerate().rev() {
        share(nodes, &sharing, id, &mut kept);
        let Some(mut mine) = kept[id].take() else { continue };
        if mine.is_empty() {
            // Rows without columns are not to be had: the cheapest one stays.
            let bare = |c: &usize| match &node.op {
                Op::Map { columns, .. } => as_column(&columns[*c]).is_some(),
                _ => true,
            };
            mine.insert(node.facts.time.or_else(|| (0..node.schema.fields().len()).find(bare)).unwrap_or(0));
        }
        match &node.op {
            // A row that is taken back is told by all of it.
            Op::Source { .. } if !node.facts.append_only => mine.extend(0..node.schema.fields().len()),
            Op::Source { .. } | Op::Values { .. } => {}
            // Requests are for whole rows, and rounds tell rows apart by all of them.
            Op::Table { .. } | Op::Read { .. } | Op::Before { .. } => mine.extend(0..node.schema.fields().len()),
            Op::Recursion(_) => {
                mine.extend(0..node.schema.fields().len());
                node.inputs.iter().for_each(|&input| need(&mut kept, input, &mut mine.iter().copied()));
            }
            Op::Map { filter, columns, .. } => {
                // Whether a row is there does not depend on who reads what of it.
                mine.extend((0..columns.len()).filter(|&c| can_fail(&columns[c])));
                let exprs = || mine.iter().map(|&c| &columns[c]).chain(filter);
                let mut read: BTreeSet<usize> = exprs().flat_map(columns_of).collect();
                if exprs().any(can_fail) {
                    let of = |&column: &usize| operands(nodes, node.inputs[0], column, DEEP);
                    read.extend(read.iter().flat_map(of).collect::<Vec<_>>());
                }
                need(&mut kept, node.inputs[0], &mut read.into_iter());
            }
            Op::Union | Op::Hold => {
                node.inputs.iter().for_each(|&input| need(&mut kept, input, &mut mine.iter().copied()))
            }
            Op::Repeat { times } => {
                mine.insert(*times);
                need(&mut kept, node.inputs[0], &mut mine.iter().copied());
            }
            // It is handed rows by all of their columns, and makes such.
            Op::Relation(_) => {
                mine.extend(0..node.schema.fields().len());
                let width = |input: NodeId| nodes[input].schema.fields().len();
                node.inputs.iter().for_each(|&input| need(&mut kept, input, &mut (0..width(input))));
            }
            Op::Unnest(unnest) => {
                let width = unnest.passed.len();
                let passed = mine.iter().filter(|c| **c < width).map(|&c| unnest.passed[c]);
                need(&mut kept, node.inputs[0], &mut passed.chain([unnest.items]));
            }
            Op::Window { time, .. } => {
                let width = nodes[node.inputs[0]].schema.fields().len();
                need(&mut kept, node.inputs[0], &mut mine.iter().copied().filter(|&c| c < width).chain([*time]));
                mine.extend(width..width + 3);
            }
            Op::Reduce(reduce) => {
                let first = first_aggregate(reduce);
                let calls = reduce.aggregates.iter().enumerate().filter(|(at, _)| mine.contains(&(first + at)));
                let read = calls.flat_map(|(_, call)| reads(call));
                let all: Vec<usize> =
                    reduce.keys.iter().copied().chain(pane_columns(reduce.pane)).chain(read).collect();
                need(&mut kept, node.inputs[0], &mut all.into_iter());
                mine.extend(0..first);
            }
            Op::Pattern(pattern) => {
                need(&mut kept, node.inputs[0], &mut pattern.columns().into_iter());
                mine.extend(0..node.schema.fields().len());
            }
            Op::Rank(rank) => {
                let width = nodes[node.inputs[0]].schema.fields().len();
                let mut input: BTreeSet<usize> = mine.iter().copied().filter(|&c| c < width).collect();
                input.extend(rank_reads(rank));
                if input.is_empty() {
                    input.insert(0);
                }
                need(&mut kept, node.inputs[0], &mut input.iter().copied());
                mine.extend(input);
            }
            Op::Over(over) => {
                let width = nodes[node.inputs[0]].schema.fields().len();
                let mut input: BTreeSet<usize> = mine.iter().copied().filter(|&c| c < width).collect();
                let calls = over.aggregates.iter().enumerate().filter(|(at, _)| mine.contains(&(width + at)));
                input.extend(calls.flat_map(|(_, call)| reads(call)));
                input.extend(over.keys.iter().chain(over.order.iter().chain(&over.ties).map(|(column, _)| column)));
                need(&mut kept, node.inputs[0], &mut input.iter().copied());
                mine.extend(input);
            }
            Op::Join(_) | Op::Lookup(_) => {
                let width = nodes[node.inputs[0]].schema.fields().len();
                let Some(sides) = needed(&node.op, &mine, width) else { unreachable!("it has two inputs") };
                for (&input, side) in node.inputs.iter().zip(&sides) {
                    need(&mut kept, input, &mut side.iter().copied());
                }
                mine = output(&node.op, &sides, width);
            }
        }
        kept[id] = Some(mine);
    }
    kept
}

/// The columns beside a computed one that it is computed of, through maps over maps: a dead letter shows them.
fn operands(nodes: &[Node], id: NodeId, column: usize, deep: usize) -> BTreeSet<usize> {
    let Op::Map { columns, .. } = &nodes[id].op else { return BTreeSet::new() };
    let passed = |below: usize| columns.iter().position(|column| as_column(column) == Some(below));
    let mut read = columns_of(&columns[column]);
    if deep > 0 {
        let below: Vec<usize> =
            read.iter().flat_map(|&column| operands(nodes, nodes[id].inputs[0], column, deep - 1)).collect();
        if as_column(&columns[column]).is_some() {
            read.clear();
        }
        read.extend(below);
    }
    read.into_iter().filter_map(passed).collect()
}

fn first_aggregate(reduce: &Reduce) -> usize {
    reduce.keys.len() + if matches!(reduce.pane, Pane::Unbounded) { 0 } else { 3 }
}

fn reads(call: &AggregateCall) -> Vec<usize> {
    call.args.iter().copied().chain(call.order.iter().map(|(column, _)| *column)).chain(call.filter).collect()
}

fn pane_columns(pane: Pane) -> Vec<usize> {
    match pane {
        Pane::Unbounded => vec![],
        Pane::Windows { time, .. } => vec![time],
        Pane::Assigned { start, end } => vec![start, end],
        Pane::Session { time, keep, .. } => std::iter::once(time).chain(keep).collect(),
    }
}

/// A call whose columns have moved.
fn moved_call(call: &AggregateCall, at: &dyn Fn(usize) -> usize) -> AggregateCall {
    AggregateCall {
        args: call.args.iter().map(|&c| at(c)).collect(),
        order: call.order.iter().map(|&(c, options)| (at(c), options)).collect(),
        filter: call.filter.map(at),
        ..call.clone()
    }
}

fn rank_reads(rank: &Rank) -> impl Iterator<Item = usize> {
    let window = rank.window.into_iter().flat_map(|(start, end)| [start, end]);
    let order = rank.order.iter().chain(&rank.ties).map(|(column, _)| *column);
    rank.keys.iter().copied().chain(window).chain(order)
}

struct Pruner<'a> {
    old: &'a [Node],
    kept: Vec<Option<BTreeSet<usize>>>,
    new: Vec<Node>,
    /// Where a node has gone, and where each of its columns.
    place: Vec<Option<(NodeId, Vec<Option<usize>>)>>,
    sources: Vec<Option<Vec<usize>>>,
}

impl Pruner<'_> {
    /// Where columns of an old node are now.
    fn moved_to(&self, node: NodeId, columns: &[usize]) -> (NodeId, Vec<usize>) {
        let Some((new, places)) = &self.place[node] else { unreachable!("whatever is read was kept") };
        (*new, columns.iter().filter_map(|&column| places[column]).collect())
    }

    fn at(&self, node: NodeId, column: usize) -> usize {
        self.moved_to(node, &[column]).1[0]
    }

    fn expr(&self, expr: &Scalar, input: NodeId) -> Result<Scalar> {
        replaced(Arc::clone(expr), &|index| self.at(input, index))
    }

    fn rebuild(&mut self, id: NodeId, in_union: bool) -> Result<()> {
        let node = &self.old[id];
        let kept: Vec<usize> = self.kept[id].iter().flatten().copied().collect();
        if let Op::Map { filter: None, columns, .. } = &node.op
            && !in_union
            && let Some(from) = kept.iter().map(|&c| as_column(&columns[c])).collect::<Option<Vec<_>>>()
        {
            let (new, moved) = self.moved_to(node.inputs[0], &from);
            let mut places = vec![None; node.schema.fields().len()];
            kept.iter().zip(moved).for_each(|(&c, at)| places[c] = Some(at));
            self.place[id] = Some((new, places));
            return Ok(());
        }
        let inputs: Vec<NodeId> = node.inputs.iter().map(|&input| self.moved_to(input, &[]).0).collect();
        let (op, inputs) = match &node.op {
            Op::Source { source } => {
                self.sources[*source] = Some(kept.clone());
                (node.op.clone(), inputs)
            }
            Op::Values { rows } => (Op::Values { rows: rows.project(&kept)? }, inputs),
            Op::Table { .. } | Op::Read { .. } | Op::Before { .. } => (node.op.clone(), inputs),
            Op::Recursion(_) => {
                let inputs = node.inputs.iter().map(|&input| self.narrowed(input, &kept)).collect();
                (node.op.clone(), inputs)
            }
            Op::Relation(_) => {
                let all = |input: NodeId| (0..self.old[input].schema.fields().len()).collect::<Vec<_>>();
                let inputs = node.inputs.iter().map(|&input| self.narrowed(input, &all(input))).collect();
                (node.op.clone(), inputs)
            }
            Op::Map { filter, columns, owner } => {
                let filter = filter.as_ref().map(|filter| self.expr(filter, node.inputs[0])).transpose()?;
                let columns = kept.iter().map(|&c| self.expr(&columns[c], node.inputs[0])).collect::<Result<_>>()?;
                (Op::Map { filter, columns, owner: owner.clone() }, inputs)
            }
            Op::Union => {
                let inputs = node.inputs.iter().map(|&input| self.narrowed(input, &kept)).collect();
                (Op::Union, inputs)
            }
            // All columns that its input is left with.
            Op::Hold => {
                let Some((new, places)) = self.place[node.inputs[0]].clone() else {
                    unreachable!("the input was rebuilt")
                };
                let mut facts = moved(&node.facts, &|c| places[c]);
                facts.bounds = vec![None; self.new[new].schema.fields().len()];
                for (place, bound) in places.iter().zip(&node.facts.bounds) {
                    place.iter().for_each(|&at| facts.bounds[at] = *bound);
                }
                let schema = Arc::clone(&self.new[new].schema);
                self.new.push(Node { op: Op::Hold, inputs, schema, facts });
                self.place[id] = Some((self.new.len() - 1, places));
                return Ok(());
            }
            Op::Repeat { times } => {
                let inputs = vec![self.narrowed(node.inputs[0], &kept)];
                (Op::Repeat { times: kept.partition_point(|column| column < times) }, inputs)
            }
            Op::Unnest(unnest) => {
                let (passed, shown): (Vec<usize>, Vec<usize>) = kept.iter().partition(|&&c| c < unnest.passed.len());
                let at = |column: usize| self.at(node.inputs[0], column);
                let unnest = Unnest {
                    items: at(unnest.items),
                    passed: passed.into_iter().map(|c| at(unnest.passed[c])).collect(),
                    shown: shown.into_iter().map(|c| unnest.shown[c - unnest.passed.len()]).collect(),
                    outer: unnest.outer,
                };
                (Op::Unnest(unnest), inputs)
            }
            Op::Window { time, window, zone } => {
                (Op::Window { time: self.at(node.inputs[0], *time), window: *window, zone: *zone }, inputs)
            }
            Op::Reduce(reduce) => (Op::Reduce(self.reduce(reduce, node.inputs[0], &kept)), inputs),
            Op::Pattern(pattern) => {
                let moved = pattern.moved(&|column| self.at(node.inputs[0], column));
                (Op::Pattern(Box::new(moved)), inputs)
            }
            Op::Rank(rank) => {
                let width = self.old[node.inputs[0]].schema.fields().len();
                let (own, numbers): (Vec<usize>, Vec<usize>) = kept.iter().partition(|&&c| c < width);
                // It keeps rows: of exactly these columns.
                let input = self.narrowed(node.inputs[0], &own);
                let at = |column: usize| own.partition_point(|&c| c < column);
                let moved = |columns: &[(usize, SortOptions)]| columns.iter().map(|&(c, how)| (at(c), how)).collect();
                let rank = Rank {
                    keys: rank.keys.iter().map(|&key| at(key)).collect(),
                    window: rank.window.map(|(start, end)| (at(start), at(end))),
                    order: moved(&rank.order),
                    ties: moved(&rank.ties),
                    numbers: numbers.iter().map(|number| rank.numbers[number - width]).collect(),
                    ..rank.clone()
                };
                (Op::Rank(rank), vec![input])
            }
            Op::Over(over) => {
                let width = self.old[node.inputs[0]].schema.fields().len();
                let (own, calls): (Vec<usize>, Vec<usize>) = kept.iter().partition(|&&c| c < width);
                // It keeps rows: of exactly these columns.
                let input = self.narrowed(node.inputs[0], &own);
                let at = |column: usize| own.partition_point(|&c| c < column);
                let moved = |columns: &[(usize, SortOptions)]| columns.iter().map(|&(c, how)| (at(c), how)).collect();
                let call = |call: &usize| moved_call(&over.aggregates[call - width], &at);
                let over = Over {
                    keys: over.keys.iter().map(|&key| at(key)).collect(),
                    order: moved(&over.order),
                    ties: moved(&over.ties),
                    aggregates: calls.iter().map(call).collect(),
                    ..over.clone()
                };
                (Op::Over(over), vec![input])
            }
            Op::Join(_) | Op::Lookup(_) => self.paired(node, &kept)?,
        };
        let kept = match &node.op {
            // A window's output is its whole input, then its own columns.
            Op::Window { .. } => {
                let width = self.old[node.inputs[0]].schema.fields().len();
                let mut order: Vec<(usize, usize)> = Vec::new();
                let Some((new, places)) = &self.place[node.inputs[0]] else { unreachable!("the input was rebuilt") };
                let new_width = self.new[*new].schema.fields().len();
                order.extend((0..width).filter_map(|c| places[c].map(|at| (at, c))));
                order.extend((0..3).map(|c| (new_width + c, width + c)));
                return self.place_window(id, op, inputs, order, new_width + 3);
            }
            _ => kept,
        };
        let mut places = vec![None; node.schema.fields().len()];
        kept.iter().enumerate().for_each(|(at, &c)| places[c] = Some(at));
        let fields = kept.iter().map(|&c| node.schema.field(c).clone()).collect::<Vec<_>>();
        let mut facts = moved(&node.facts, &|c| places[c]);
        facts.bounds = kept.iter().map(|&c| node.facts.bounds[c]).collect();
        self.new.push(Node { op, inputs, schema: Arc::new(Schema::new(fields)), facts });
        self.place[id] = Some((self.new.len() - 1, places));
        Ok(())
    }

    /// A window node: its input's columns may be more than it needs, and in another order.
    fn place_window(
        &mut self,
        id: NodeId,
        op: Op,
        inputs: Vec<NodeId>,
        order: Vec<(usize, usize)>,
        width: usize,
    ) -> Result<()> {
        let node = &self.old[id];
        let mut places = vec![None; node.schema.fields().len()];
        order.iter().for_each(|&(at, c)| places[c] = Some(at));
        let input = &self.new[inputs[0]];
        let mut fields: Vec<_> = input.schema.fields().iter().map(|field| field.as_ref().clone()).collect();
        let own = node.schema.fields().len() - 3;
        fields.extend((own..own + 3).map(|c| node.schema.field(c).clone()));
        let mut facts = moved(&node.facts, &|c| places[c]);
        facts.bounds = input.facts.bounds.clone();
        facts.bounds.extend((own..own + 3).map(|c| node.facts.bounds[c]));
        debug_assert_eq!(facts.bounds.len(), width);
        self.new.push(Node { op, inputs, schema: Arc::new(Schema::new(fields)), facts });
        self.place[id] = Some((self.new.len() - 1, places));
        Ok(())
    }

    fn reduce(&self, reduce: &Reduce, input: NodeId, kept: &[usize]) -> Reduce {
        let at = |column: usize| self.at(input, column);
        let pane = match reduce.pane {
            Pane::Unbounded => Pane::Unbounded,
            Pane::Windows { time, window, zone } => Pane::Windows { time: at(time), window, zone },
            Pane::Assigned { start, end } => Pane::Assigned { start: at(start), end: at(end) },
            Pane::Session { time, gap, keep } => Pane::Session { time: at(time), gap, keep: keep.map(at) },
        };
        let first = first_aggregate(reduce);
        let calls = reduce.aggregates.iter().enumerate().filter(|(call, _)| kept.contains(&(first + call)));
        Reduce {
            keys: reduce.keys.iter().map(|&key| at(key)).collect(),
            pane,
            aggregates: calls.map(|(_, call)| moved_call(call, &at)).collect(),
            ..reduce.clone()
        }
    }

    /// An operator with two inputs, and those with exactly the columns that it needs: it keeps their rows.
    fn paired(&mut self, node: &Node, kept: &[usize]) -> Result<(Op, Vec<NodeId>)> {
        let width = self.old[node.inputs[0]].schema.fields().len();
        let Some(sides) = needed(&node.op, &kept.iter().copied().collect(), width) else {
            unreachable!("it has two inputs")
        };
        let narrow = |(&input, side): (&NodeId, &BTreeSet<usize>)| {
            self.narrowed(input, &side.iter().copied().collect::<Vec<_>>())
        };
        let inputs: Vec<NodeId> = node.inputs.iter().zip(&sides).map(narrow).collect();
        Ok((rebuilt(&node.op, &sides, width)?, inputs))
    }

    /// A branch of a union with exactly these of its columns.
    fn narrowed(&mut self, input: NodeId, kept: &[usize]) -> NodeId {
        let (new, columns) = self.moved_to(input, kept);
        let node = &self.new[new];
        if columns.iter().copied().eq(0..node.schema.fields().len()) {
            return new;
        }
        let same = |other: &Node| {
            let Op::Map { filter: None, columns: others, .. } = &other.op else { return false };
            other.inputs == [new] && others.iter().map(as_column).eq(columns.iter().map(|&column| Some(column)))
        };
        if let Some(narrowed) = self.new.iter().position(same) {
            return narrowed;
        }
        let owner = match &node.op {
            Op::Map { owner, .. } => owner.clone(),
            _ => String::new(),
        };
        let exprs = columns.iter().map(|&c| column(&node.schema, c)).collect();
        let schema: SchemaRef =
            Arc::new(Schema::new(columns.iter().map(|&c| node.schema.field(c).clone()).collect::<Vec<_>>()));
        let mut facts = moved(&node.facts, &|c| columns.iter().position(|&column| column == c));
        facts.bounds = columns.iter().map(|&c| node.facts.bounds[c]).collect();
        self.new.push(Node { op: Op::Map { filter: None, columns: exprs, owner }, inputs: vec![new], schema, facts });
        self.new.len() - 1
    }
}
