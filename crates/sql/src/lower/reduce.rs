//! Groupings: which pane bounds the groups, what the keys and aggregates read, and what is known of the result.
//!
//! Pending windows whose columns are keys are taken in ([`Pane::Windows`], [`Pane::Session`]); windows that have been
//! assigned upstream, and keys that cannot fall behind the watermark, bound the groups too ([`Pane::Assigned`]).

use std::sync::Arc;

use arrow_schema::{Field, Schema, SortOptions};
use datafusion_common::Result;
use datafusion_expr::{Aggregate, Expr};
use datafusion_physical_expr::expressions::Literal;

use super::arena::Known;
use super::call::{Call, call};
use super::relation::{by_end, by_start, window_bounds};
use super::{Lowering, Relation, grouping, internal, spelled};
use crate::logical::scalar::{as_column, column, columns_of, conjunction, physical, substitute};
use crate::logical::window_node::WindowKind;
use crate::parse::column_type::{TIME, is_time};
use crate::parse::error::Problem;
use crate::parse::error::placed;
use crate::syntax::table_function::WINDOW_COLUMNS;
use highwater_core::plan::{Emit, Facts, Node, NodeId, Op, Pane, Reduce, Scalar, WindowColumns};

/// What a grouping will be: its pane, where its keys' values come out, what remains to be filtered behind it.
pub(super) struct Shape {
    pub(super) pane: Pane,
    /// Key columns of the input, without window columns.
    pub(super) keys: Vec<usize>,
    /// Per key of the query, its value over the result's columns.
    values: Vec<Value>,
    /// Conditions over the pending windows' columns, by the place of `window_start`.
    behind: Vec<Scalar>,
    /// Whether the pane is a window that was written as one.
    pub(super) window: bool,
    /// The place of `window_start` among the columns that `values` and `behind` read.
    start: usize,
}

/// Where a key's value comes out.
enum Value {
    /// The `n`-th key.
    Key(usize),
    /// A column of the window: 0, 1, 2 for start, end, time.
    Window(usize),
    /// Computed from the window's columns.
    Computed(Scalar),
}

impl Lowering<'_> {
    /// A grouping's rows. `emit` is what was written, if anything was.
    pub(super) fn aggregate(&mut self, aggregate: &Aggregate, emit: Option<Emit>) -> Result<Relation> {
        let (relation, window) = self.grouped(aggregate, emit, emit)?;
        // EMIT speaks of the topmost windows only. Groups that only a time bounds, and the distinct rows of windows, are none:
        // what is compared with them shows the same of the windows below.
        if window && emit.is_some() { Ok(self.grouped(aggregate, None, emit)?.0) } else { Ok(relation) }
    }

    fn grouped(&mut self, aggregate: &Aggregate, below: Option<Emit>, emit: Option<Emit>) -> Result<(Relation, bool)> {
        let input = self.lower(&aggregate.input, below)?;
        let schema = aggregate.input.schema();
        let sets = grouping::sets(aggregate)?;
        let mut keys: Vec<&Expr> = Vec::new();
        // A key that is named twice is one column.
        for key in sets.as_ref().map_or(&aggregate.group_expr, |sets| &sets.keys) {
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
        if keys.len() + usize::from(sets.is_some()) + aggregate.aggr_expr.len() != aggregate.schema.fields().len() {
            return Err(internal("a grouping whose columns are not its keys and aggregates"));
        }
        let mut exprs = keys.into_iter().map(|expr| physical(expr, schema)).collect::<Result<Vec<_>>>()?;
        let key_count = exprs.len();
        let mut names: Vec<String> = aggregate.schema.fields()[..key_count].iter().map(|f| f.name().clone()).collect();
        let mut calls = Vec::new();
        for (expr, field) in aggregate
            .aggr_expr
            .iter()
            .zip(aggregate.schema.fields().iter().skip(key_count + usize::from(sets.is_some())))
        {
            let Expr::AggregateFunction(function) = expr.clone().unalias_nested().data else {
                return Err(internal("an aggregate that is no call"));
            };
            calls.push(call(&function, schema, field.name().clone(), &mut exprs, &mut names)?);
        }
        let names: Vec<String> = names.into_iter().map(|name| spelled(name, schema, &input.names)).collect();
        let (mut relation, exprs) = self.over(input, exprs)?;
        let mut key_count = key_count;
        match &sets {
            None => (relation.columns, relation.names) = (exprs, names),
            Some(sets) => {
                (relation.columns, relation.names) = (exprs, names);
                if sets.members.iter().any(|has| !has.contains(&true)) {
                    let fields = aggregate.schema.fields().iter().map(|field| field.name().clone()).collect();
                    return self.with_totals(relation, sets, calls, fields, emit);
                }
                relation = self.expand(relation, sets)?;
                key_count += 1;
                calls.iter_mut().for_each(Call::behind_id);
            }
        }
        self.reduce(relation, key_count, calls, emit)
    }

    /// The reduce over a relation whose first columns are the keys and whose others are what the calls read.
    pub(super) fn reduce(
        &mut self,
        mut relation: Relation,
        key_count: usize,
        calls: Vec<Call>,
        emit: Option<Emit>,
    ) -> Result<(Relation, bool)> {
        let (node, places, shape) = match self.fuse(&mut relation, key_count)? {
            Some(fused) => fused,
            None => {
                relation = self.run(relation)?;
                let places = Lowering::places(&relation);
                let shape = self.shape(relation.node, &places[..key_count]);
                (relation.node, places, shape)
            }
        };
        let bounded = !matches!(shape.pane, Pane::Unbounded);
        let default = if shape.window { Emit::Final } else { Emit::Changes };
        let emit = if bounded { emit.unwrap_or(default) } else { Emit::Changes };
        let facts = self.arena.facts(node);
        let schema = Arc::clone(self.arena.schema(node));
        let mut aggregates = Vec::new();
        for call in calls {
            // Ties go by event time, then by the row's number.
            let ties = [facts.time, facts.sequence].into_iter().flatten();
            let ties: Vec<_> = ties.map(|column| (column, SortOptions::default())).collect();
            aggregates.push(call.over(&places, &schema, &ties)?);
        }
        let time = match shape.pane {
            Pane::Windows { time, .. } | Pane::Session { time, .. } => Some(time),
            Pane::Assigned { end, .. } => Some(end),
            Pane::Unbounded => None,
        };
        let known = self.arena.known_by(node, time);
        let lateness_ms = if bounded { known.lateness_ms } else { None };
        let distinct = aggregates.is_empty() && matches!(shape.pane, Pane::Assigned { .. });
        let reduce = Reduce {
            keys: shape.keys,
            pane: shape.pane,
            aggregates,
            emit,
            lateness_ms,
            retracting: !facts.append_only,
        };
        let first = reduce.keys.len();
        let out = self.result(node, reduce, known, shape.window);
        let schema = Arc::clone(self.arena.schema(out));
        let window = |c: usize| column(&schema, first + c);
        let aggregates_at = first + if bounded { 3 } else { 0 };
        let over = |expr: Scalar| substitute(expr, &|index| window(index.saturating_sub(shape.start)));
        let mut columns = Vec::new();
        let mut names = relation.names;
        names.truncate(key_count);
        for value in shape.values {
            columns.push(match value {
                Value::Key(at) => column(&schema, at),
                Value::Window(c) => window(c),
                Value::Computed(expr) => over(expr)?,
            });
        }
        columns.extend((aggregates_at..schema.fields().len()).map(|at| column(&schema, at)));
        let filter = shape.behind.into_iter().map(over).collect::<Result<_>>()?;
        names.extend(schema.fields()[aggregates_at..].iter().map(|field| field.name().clone()));
        Ok((Relation { node: out, pending: None, ranked: None, filter, columns, names }, shape.window && !distinct))
    }

    /// Takes pending windows into the grouping, if its keys tell the window and nothing else reads the windows' columns.
    fn fuse(&mut self, relation: &mut Relation, key_count: usize) -> Result<Option<(NodeId, Vec<usize>, Shape)>> {
        let Some(pending) = relation.pending.clone() else { return Ok(None) };
        let width = self.arena.width(relation.node);
        let window_of = |expr: &Scalar| as_column(expr).and_then(|index| index.checked_sub(width));
        let reads = |expr: &Scalar| columns_of(expr).last().is_some_and(|&last| last >= width);
        let only_windows = |expr: &Scalar| reads(expr) && columns_of(expr).first().is_some_and(|&first| first >= width);
        let (keys, rest) = relation.columns.split_at(key_count);
        let mut named = keys.iter().filter_map(window_of);
        let told = match pending.kind {
            WindowKind::Fixed(window, zone) if by_end(window, zone) => named.any(|c| c > 0 || by_start(window, zone)),
            WindowKind::Fixed(..) => named.clone().any(|c| c == 0) && named.any(|c| c > 0),
            WindowKind::Session { .. } => named.next().is_some(),
        };
        let apart = keys.iter().all(|key| !reads(key) || only_windows(key)) && !rest.iter().any(reads);
        let (behind, below): (Vec<Scalar>, Vec<Scalar>) = relation.filter.iter().cloned().partition(reads);
        let session = match pending.kind {
            WindowKind::Session { gap } => Some(gap),
            WindowKind::Fixed(..) => None,
        };
        if !told || !apart || !behind.iter().all(only_windows) {
            return match session {
                None => Ok(None),
                Some(_) => Err(placed(Problem::at(pending.place, "a session is known only when it is grouped").hint(
                    "group by its PARTITION BY keys, window_start and window_end, and read the windows' columns only behind that",
                ))),
            };
        }
        let plain: Vec<Scalar> = keys.iter().filter(|key| !reads(key)).cloned().collect();
        if session.is_some() {
            let same = |a: &[Scalar], b: &[Scalar]| a.iter().all(|expr| expr.is::<Literal>() || b.contains(expr));
            if !same(&plain, &pending.partition) || !same(&pending.partition, &plain) {
                return Err(placed(Problem::at(pending.place, "the keys of GROUP BY are not those that the sessions are apart by").hint(
                    "name the same keys in both: SESSION(TABLE t PARTITION BY key, DESCRIPTOR(ts), gap) ... GROUP BY key, window_start, window_end",
                )));
            }
        }
        // What is filtered behind a session still holds it together.
        let keep = match session {
            Some(_) if !below.is_empty() => conjunction(below.clone()),
            _ => None,
        };
        let values = keys
            .iter()
            .scan(0, |next, key| {
                Some(match (window_of(key), reads(key)) {
                    (Some(c), _) => Value::Window(c),
                    (None, true) => Value::Computed(Arc::clone(key)),
                    (None, false) => {
                        *next += 1;
                        Value::Key(*next - 1)
                    }
                })
            })
            .collect();
        // All that is read, in the node's columns; the keys that the windows give have no place of their own.
        let time = column(self.arena.schema(relation.node), pending.time);
        let mut columns: Vec<Scalar> =
            keys.iter().map(|key| if reads(key) { Arc::clone(&time) } else { Arc::clone(key) }).collect();
        columns.extend(rest.iter().cloned());
        columns.extend(keep.clone());
        let mut names = relation.names.clone();
        names.push("__keep".to_owned());
        let filter = if session.is_some() { Vec::new() } else { below };
        let settled =
            self.settle(Relation { node: relation.node, pending: None, ranked: None, filter, columns, names })?;
        let places = Lowering::places(&settled);
        let pane = match pending.kind {
            WindowKind::Fixed(window, zone) => Pane::Windows { time: pending.time, window, zone },
            WindowKind::Session { gap } => {
                let keep = keep.and_then(|_| places.last().copied());
                Pane::Session { time: pending.time, gap, keep }
            }
        };
        let keys = relation.columns[..key_count]
            .iter()
            .enumerate()
            .filter(|(_, key)| !reads(key))
            .map(|(i, _)| places[i])
            .collect();
        Ok(Some((settled.node, places, Shape { pane, keys, values, behind, window: true, start: width })))
    }

    /// What bounds groups of a node by these columns.
    pub(super) fn shape(&self, node: NodeId, keys: &[usize]) -> Shape {
        let (facts, known) = (self.arena.facts(node), self.arena.known(node));
        let window = facts.window.unwrap_or(WindowColumns { start: None, end: None, time: None });
        let is_key = |column: Option<usize>| column.filter(|column| keys.contains(column));
        let by_end = is_key(window.end).or_else(|| is_key(window.time).and(window.end));
        let assigned = match (is_key(window.start), by_end) {
            (Some(start), Some(end)) => Some((start, end)),
            (None, Some(end)) => Some((window.start.filter(|_| known.by_end).unwrap_or(end), end)),
            (Some(start), None) => window.end.filter(|_| known.by_start).map(|end| (start, end)),
            (None, None) => None,
        };
        let bounded = || {
            let time =
                |&&key: &&usize| facts.bounds[key].is_some() && is_time(self.arena.schema(node).field(key).data_type());
            keys.iter().find(time).map(|&key| (key, key))
        };
        let is_window = assigned.is_some();
        let Some((start, end)) = assigned.or_else(bounded) else {
            let values = (0..keys.len()).map(Value::Key).collect();
            return Shape {
                pane: Pane::Unbounded,
                keys: keys.to_vec(),
                values,
                behind: Vec::new(),
                window: false,
                start: 0,
            };
        };
        let mut plain = Vec::new();
        let mut values = Vec::new();
        for &key in keys {
            let place = match key {
                key if key == start => Some(0),
                key if key == end => Some(1),
                key if is_window && Some(key) == window.time => Some(2),
                _ => None,
            };
            values.push(match place {
                Some(c) => Value::Window(c),
                None => {
                    plain.push(key);
                    Value::Key(plain.len() - 1)
                }
            });
        }
        Shape {
            pane: Pane::Assigned { start, end },
            keys: plain,
            values,
            behind: Vec::new(),
            window: is_window,
            start: 0,
        }
    }

    /// The node of a reduce, with what is known of its rows.
    fn result(&mut self, input: NodeId, reduce: Reduce, known: Known, is_window: bool) -> NodeId {
        let from = self.arena.facts(input);
        let schema = self.arena.schema(input);
        let mut fields: Vec<Field> =
            reduce.keys.iter().map(|&key| schema.field(key).clone().with_nullable(true)).collect();
        let first = fields.len();
        let bounded = !matches!(reduce.pane, Pane::Unbounded);
        if bounded {
            let time = match reduce.pane {
                Pane::Windows { time, .. } | Pane::Session { time, .. } => schema.field(time).data_type().clone(),
                Pane::Assigned { end, .. } => schema.field(end).data_type().clone(),
                Pane::Unbounded => TIME,
            };
            fields.extend(WINDOW_COLUMNS.map(|name| Field::new(name, time.clone(), true)));
        }
        fields.extend(reduce.aggregates.iter().map(|call| Field::new(&call.name, call.output.clone(), true)));
        let changes = reduce.emit == Emit::Changes;
        // Rows that are shown as they change come at the epochs of the input; those shown at the end come behind it.
        let mut bounds: Vec<Option<i64>> =
            reduce.keys.iter().map(|&key| from.bounds[key].filter(|_| changes)).collect();
        let minus = |bound: Option<i64>, by: i64| bound.map(|bound| bound.saturating_sub(by));
        let delayed = |bound: Option<i64>| Some(bound?.saturating_add(known.lateness_ms?) < 0);
        // A window never closes before its end, even where its rows are known to be ahead of the watermark.
        let behind = |column: usize| match (from.bounds[column], known.lateness_ms) {
            (Some(bound), Some(lateness)) if !changes => Some(bound.min(lateness.saturating_neg())),
            (bound, _) => bound,
        };
        let (window_bounds, delayed) = match reduce.pane {
            Pane::Unbounded => ([None; 3], false),
            Pane::Windows { time, window, zone } => (
                window_bounds((window, zone), behind(time), i64::from(!changes)),
                delayed(from.bounds[time]).unwrap_or(false),
            ),
            Pane::Session { time, .. } => {
                let at_end = behind(time);
                ([None, at_end, minus(at_end, 1)], delayed(from.bounds[time]).unwrap_or(false))
            }
            Pane::Assigned { start, end } => {
                // Complete once its end can no longer come: a moment behind its last row.
                let at_end = minus(behind(end), i64::from(!changes));
                (
                    [from.bounds[start].filter(|_| changes), at_end, minus(at_end, 1)],
                    delayed(minus(from.bounds[end], 1)).unwrap_or(true),
                )
            }
        };
        if bounded {
            bounds.extend(window_bounds);
        }
        bounds.resize(fields.len(), None);
        let (start, end, time) = (first, first + 1, first + 2);
        let known = match reduce.pane {
            Pane::Windows { window, zone, .. } => {
                Known { by_start: by_start(window, zone), by_end: by_end(window, zone), ..known }
            }
            Pane::Session { .. } => Known { by_start: true, by_end: true, ..known },
            Pane::Assigned { start, end } => {
                Known { by_start: known.by_start || start == end, by_end: known.by_end || start == end, ..known }
            }
            Pane::Unbounded => Known { by_start: false, by_end: false, ..known },
        };
        let known = Known { closes: bounded, emits: Some(reduce.emit), ..known };
        let window_key = match (bounded, known.by_end) {
            (false, _) => vec![],
            (true, true) => vec![end],
            (true, false) => vec![start, end],
        };
        let place = |column: usize| reduce.keys.iter().position(|&key| key == column);
        let key_time = match reduce.pane {
            Pane::Assigned { start: column, .. } if Some(column) == from.time => Some(start).filter(|_| changes),
            _ => from.time.and_then(place).filter(|_| changes),
        };
        let session = matches!(reduce.pane, Pane::Session { .. });
        let at_once = bounded && !changes && known.lateness_ms == Some(0);
        let facts = Facts {
            append_only: match reduce.aggregates.is_empty() {
                _ if session => false,
                // Without aggregates a window's row never changes.
                true if from.append_only => true,
                _ => at_once,
            },
            time: if is_window { Some(time) } else { key_time },
            sequence: None,
            key: Some((0..first).chain(window_key).collect()),
            closes: match (is_window, delayed) {
                (true, false) => Some(time),
                (true, _) => Some(end),
                (false, _) => None,
            },
            bounds,
            window: is_window.then_some(WindowColumns { start: Some(start), end: Some(end), time: Some(time) }),
        };
        let node = Node { op: Op::Reduce(reduce), inputs: vec![input], schema: Arc::new(Schema::new(fields)), facts };
        let node = self.arena.add(node, known);
        if session && at_once { self.held(node, end) } else { node }
    }

    /// Sessions of rows that are never late, held until the row at their end can no longer come: nothing is taken back then.
    fn held(&mut self, sessions: NodeId, end: usize) -> NodeId {
        let facts = self.arena.facts(sessions);
        let bounds = facts.bounds.iter().map(|bound| bound.map(|bound| bound.saturating_sub(1))).collect();
        let facts = Facts { append_only: true, closes: Some(end), bounds, ..facts.clone() };
        let schema = Arc::clone(self.arena.schema(sessions));
        self.arena.add(Node { op: Op::Hold, inputs: vec![sessions], schema, facts }, self.arena.known(sessions))
    }
}
