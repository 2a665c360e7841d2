//! Rankings: `ROW_NUMBER() OVER (...)` with a bound on the number, and `ORDER BY ... LIMIT`.
//!
//! The numbers stand behind a relation's columns until a filter bounds them ([`Lowering::bounded`]); what is never bounded
//! is refused, for it would be all rows, renumbered at every change.

use std::sync::Arc;

use arrow_row::{RowConverter, SortField};
use arrow_schema::{DataType, Field, Schema, SortOptions};
use datafusion_common::{DataFusionError, Result, ScalarValue};
use datafusion_expr::expr::{Sort, WindowFunctionParams};
use datafusion_expr::{
    Expr, FetchType, Limit, LogicalPlan, Operator, Projection, SkipType, Window, WindowFunctionDefinition,
};
use datafusion_physical_expr::expressions::{BinaryExpr, Column};
use datafusion_sql::sqlparser::tokenizer::Span;

use super::arena::Known;
use super::bounds::literal;
use super::{Lowering, Relation, internal};
use crate::logical::rank_call::RankCall;
use crate::logical::scalar::{as_column, column, physical};
use crate::logical::shown::shown;
use crate::parse::error::Problem;
use crate::parse::error::{from_planner, placed};
use highwater_core::plan::{Emit, Facts, Node, NodeId, Numbering, Op, Pane, Rank, Scalar};

/// A ranking whose bound is yet to come, over columns of the relation's node.
#[derive(Clone, Debug)]
pub(crate) struct Ranked {
    keys: Vec<usize>,
    order: Vec<(usize, SortOptions)>,
    /// The numbers and their names: columns behind those of the node.
    numbers: Vec<(Numbering, String)>,
    emit: Option<Emit>,
    /// Where it was written.
    place: Span,
}

/// A ranking that nothing bounds.
pub(super) fn unbounded(ranked: &Ranked) -> DataFusionError {
    placed(Problem::at(ranked.place, "a ranking needs a bound: without one every row is renumbered again and again").hint(
        "keep the first rows of each partition: SELECT ... FROM (SELECT *, ROW_NUMBER() OVER (...) AS rn FROM t) WHERE rn <= 10",
    ))
}

/// The bounds of a number.
#[derive(Clone, Copy)]
struct Bounds {
    from: u64,
    to: Option<u64>,
}

impl Lowering<'_> {
    /// Window functions: rankings, or aggregates over frames.
    pub(super) fn over_rows(&mut self, window: &Window, emit: Option<Emit>) -> Result<Relation> {
        let mut numbers = Vec::new();
        let mut shared: Option<WindowFunctionParams> = None;
        let mut other = None;
        for expr in &window.window_expr {
            let Expr::WindowFunction(function) = expr.clone().unalias_nested().data else {
                return Err(internal("a window function that is no call"));
            };
            let place = place_of(&function.params);
            let ranking = match &function.fun {
                WindowFunctionDefinition::WindowUDF(udf) => RankCall::of(udf),
                WindowFunctionDefinition::AggregateUDF(_) => None,
            };
            let Some(ranking) = ranking else {
                other = Some(place);
                continue;
            };
            let same = |other: &WindowFunctionParams| {
                (&other.partition_by, &other.order_by) == (&function.params.partition_by, &function.params.order_by)
            };
            if !shared.as_ref().is_none_or(same) {
                return Err(placed(
                    Problem::at(place, "two rankings of one SELECT differ in PARTITION BY or ORDER BY")
                        .hint("write each in a subquery of its own, with its bound"),
                ));
            }
            numbers.push((ranking.numbering, ranking.name.to_owned()));
            shared = Some(function.params.clone());
        }
        if let Some(place) = other {
            if shared.is_some() {
                return Err(placed(
                    Problem::at(place, "a ranking and an aggregate OVER stand in one SELECT")
                        .hint("write one of them in a subquery"),
                ));
            }
            return self.rolled(window, emit);
        }
        let Some(params) = shared else { return Err(internal("no window function")) };
        let place = place_of(&params);
        if params.order_by.is_empty() {
            return Err(placed(
                Problem::at(place, "a ranking needs an order").hint("write OVER (PARTITION BY k ORDER BY x)"),
            ));
        }
        self.numbered(&window.input, &params.partition_by, &params.order_by, numbers, (emit, place))
    }

    /// `ORDER BY ... LIMIT n OFFSET m`.
    pub(super) fn first_rows(&mut self, limit: &Limit, emit: Option<Emit>) -> Result<Relation> {
        let (SkipType::Literal(skip), FetchType::Literal(Some(fetch))) =
            (limit.get_skip_type()?, limit.get_fetch_type()?)
        else {
            return Err(placed(Problem::at(Span::empty(), "LIMIT and OFFSET take numbers").hint("write LIMIT 10")));
        };
        match limit.input.as_ref() {
            LogicalPlan::Sort(sort) => {
                let relation = self.numbered(&sort.input, &[], &sort.expr, Vec::new(), (emit, Span::empty()))?;
                self.rank(
                    relation,
                    Numbering::Row,
                    (skip as u64).saturating_add(1),
                    (skip as u64).saturating_add(fetch as u64),
                )
            }
            // Columns that are ordered by and not shown are taken off above.
            LogicalPlan::Projection(projection) => {
                let below = Limit { input: Arc::clone(&projection.input), ..limit.clone() };
                let above = Projection::try_new(projection.expr.clone(), Arc::new(LogicalPlan::Limit(below)))?;
                self.lower(&LogicalPlan::Projection(above), emit)
            }
            LogicalPlan::SubqueryAlias(alias) => {
                self.first_rows(&Limit { input: Arc::clone(&alias.input), ..limit.clone() }, emit)
            }
            _ => Err(placed(
                Problem::at(Span::empty(), "without an order no rows are the first").hint("write ORDER BY x LIMIT n"),
            )),
        }
    }

    /// The rows of `input` with a ranking on them that is yet to be bounded.
    fn numbered(
        &mut self,
        input: &LogicalPlan,
        partition: &[Expr],
        order: &[Sort],
        numbers: Vec<(Numbering, String)>,
        (emit, place): (Option<Emit>, Span),
    ) -> Result<Relation> {
        let schema = input.schema();
        let width = schema.fields().len();
        let mut exprs: Vec<Scalar> = (0..width).map(|i| column(schema.as_arrow(), i)).collect();
        let mut names: Vec<String> = schema.fields().iter().map(|field| field.name().clone()).collect();
        for expr in partition.iter().chain(order.iter().map(|sort| &sort.expr)) {
            exprs.push(physical(expr, schema)?);
            names.push(shown(expr));
        }
        let lowered = |this: &mut Self, emit: Option<Emit>| -> Result<(Relation, Vec<usize>)> {
            let relation = this.lower(input, emit)?;
            let (relation, columns) = this.over(relation, exprs.clone())?;
            let relation = this.run(Relation { columns, names: names.clone(), ..relation })?;
            let places = Lowering::places(&relation);
            Ok((relation, places))
        };
        let (mut relation, mut places) = lowered(self, emit)?;
        let keys = |places: &[usize]| places[width..width + partition.len()].to_vec();
        // EMIT speaks of the topmost windows only.
        if emit.is_some() && self.shape(relation.node, &keys(&places)).window {
            (relation, places) = lowered(self, None)?;
        }
        let options = |sort: &Sort| SortOptions { descending: !sort.asc, nulls_first: sort.nulls_first };
        let order: Vec<(usize, SortOptions)> =
            order.iter().zip(&places[width + partition.len()..]).map(|(sort, &at)| (at, options(sort))).collect();
        let node_width = self.arena.width(relation.node);
        relation.columns.truncate(width);
        relation.names.truncate(width);
        for (at, (_, name)) in numbers.iter().enumerate() {
            relation.columns.push(Arc::new(Column::new(name, node_width + at)));
            relation.names.push(name.clone());
        }
        relation.ranked = Some(Ranked { keys: keys(&places), order, numbers, emit, place });
        Ok(relation)
    }

    /// The relation with its ranking, if its filter bounds the number.
    pub(super) fn bounded(&mut self, mut relation: Relation) -> Result<Relation> {
        let Some(ranked) = &relation.ranked else { return Ok(relation) };
        let width = self.arena.width(relation.node);
        let mut found = None;
        for (at, (numbering, _)) in ranked.numbers.iter().enumerate() {
            let mut bounds = Bounds { from: 1, to: None };
            let rest: Vec<Scalar> =
                relation.filter.iter().filter(|conjunct| !narrow(conjunct, width + at, &mut bounds)).cloned().collect();
            if let Some(to) = bounds.to {
                found = Some((*numbering, bounds.from, to, rest));
                break;
            }
        }
        let Some((by, from, to, rest)) = found else { return Ok(relation) };
        relation.filter = rest;
        self.rank(relation, by, from, to)
    }

    fn rank(&mut self, mut relation: Relation, by: Numbering, from: u64, to: u64) -> Result<Relation> {
        let Some(ranked) = relation.ranked.take() else { return Err(internal("a bound without a ranking")) };
        let node = relation.node;
        let (facts, known) = (self.arena.facts(node).clone(), self.arena.known(node));
        let schema = Arc::clone(self.arena.schema(node));
        let orderable =
            |&c: &usize| RowConverter::supports_fields(&[SortField::new(schema.field(c).data_type().clone())]);
        if let Some(bad) = (0..schema.fields().len()).find(|c| !orderable(c)) {
            let message = format!("rows with '{}' cannot be ranked: its type has no order", schema.field(bad).name());
            return Err(placed(Problem::at(ranked.place, message).hint("leave the column out below the ranking")));
        }
        let shape = self.shape(node, &ranked.keys);
        let window = match shape.pane {
            Pane::Assigned { start, end } => Some((start, end)),
            _ => None,
        };
        let default = if shape.window { Emit::Final } else { Emit::Changes };
        let emit = if window.is_some() { ranked.emit.unwrap_or(default) } else { Emit::Changes };
        let rank = Rank {
            keys: shape.keys,
            window,
            ties: ties(&ranked.order, &facts),
            order: ranked.order,
            unique: facts.sequence.is_some() && self.of_a_row_each(node),
            by,
            from,
            to,
            numbers: ranked.numbers.iter().map(|(numbering, _)| *numbering).collect(),
            emit,
            lateness_ms: window.and(known.lateness_ms),
            retracting: !facts.append_only,
        };
        let mut fields: Vec<Field> = schema.fields().iter().map(|field| field.as_ref().clone()).collect();
        fields.extend(ranked.numbers.iter().map(|(_, name)| Field::new(name, DataType::Int64, false)));
        let out = rank_facts(&rank, &ranked.keys, &facts, known, shape.window);
        let known = Known {
            closes: window.is_some(),
            emits: Some(emit),
            by_start: window.is_some() && known.by_start,
            by_end: window.is_some() && known.by_end,
            ..known
        };
        let node = Node { op: Op::Rank(rank), inputs: vec![node], schema: Arc::new(Schema::new(fields)), facts: out };
        relation.node = self.arena.add(node, known);
        Ok(relation)
    }

    /// Whether each row of a node is of a row of the source of its own, so that the number of that tells it from all others.
    /// Branches of a union may be of one source, and an array or overlapping windows make several rows of one.
    fn of_a_row_each(&self, node: NodeId) -> bool {
        let Node { op, inputs, .. } = &self.arena.nodes[node];
        match op {
            Op::Source { .. } => true,
            Op::Map { .. }
            | Op::Hold
            | Op::Over(_)
            | Op::Window { window: highwater_core::plan::Window::Tumble { .. }, .. } => self.of_a_row_each(inputs[0]),
            _ => false,
        }
    }
}

/// What breaks ties of an order: event time, then the row's number in its source (J5). A row that is the last by its event
/// time is the last by its number too.
pub(super) fn ties(order: &[(usize, SortOptions)], facts: &Facts) -> Vec<(usize, SortOptions)> {
    let by_time = order.iter().find(|(column, _)| Some(*column) == facts.time);
    let time = facts.time.filter(|_| by_time.is_none()).map(|time| (time, SortOptions::default()));
    let descending = by_time.is_some_and(|(_, options)| options.descending);
    let sequence = facts.sequence.map(|sequence| (sequence, SortOptions { descending, ..Default::default() }));
    time.into_iter().chain(sequence).filter(|(tie, _)| !order.iter().any(|(column, _)| column == tie)).collect()
}

/// What is known of the rows of a ranking.
fn rank_facts(rank: &Rank, partition: &[usize], from: &Facts, known: Known, is_window: bool) -> Facts {
    let width = from.bounds.len();
    let mut bounds = vec![None; width + rank.numbers.len()];
    let changes = rank.emit == Emit::Changes;
    let key = match (rank.by, rank.to, &from.key, rank.numbers.iter().position(|n| *n == Numbering::Row)) {
        (Numbering::Row, 1, ..) => Some(partition.to_vec()),
        (.., Some(key), _) => Some(key.clone()),
        (.., None, Some(at)) => Some(partition.iter().copied().chain([width + at]).collect()),
        (.., None, None) => None,
    };
    let Some((start, end)) = rank.window else {
        // In ascending order of a time, a row that comes or goes changes only what is behind it.
        let first = rank.order.first().filter(|(_, options)| !options.descending).map(|(column, _)| *column);
        first.into_iter().for_each(|column| bounds[column] = from.bounds[column]);
        let time = from.time.filter(|time| first == Some(*time) && bounds[*time].is_some());
        return Facts { append_only: false, time, sequence: None, key, closes: None, bounds, window: None };
    };
    // Rows that are shown at the end come behind it.
    let at_end = from.bounds[end].map(|bound| bound.saturating_sub(i64::from(!changes)));
    bounds[start] = from.bounds[start].filter(|_| changes);
    bounds[end] = at_end;
    let window_time = from.window.filter(|_| is_window).and_then(|window| window.time);
    if let Some(time) = window_time {
        bounds[time] = at_end.map(|bound| bound.saturating_sub(1));
    }
    let delayed =
        from.bounds[end].and_then(|bound| Some(bound.saturating_sub(1).saturating_add(known.lateness_ms?) < 0));
    Facts {
        append_only: !changes && known.lateness_ms == Some(0),
        time: if is_window { window_time } else { from.time.filter(|time| changes && *time == start) },
        sequence: None,
        key,
        closes: match (is_window, window_time) {
            (true, Some(time)) if delayed == Some(false) => Some(time),
            (true, _) => Some(end),
            (false, _) => None,
        },
        bounds,
        window: from.window.filter(|_| is_window),
    }
}

/// Whether a conjunct bounds the number at `at` and nothing else; if so it is in `bounds` now.
fn narrow(conjunct: &Scalar, at: usize, bounds: &mut Bounds) -> bool {
    let Some(binary) = conjunct.downcast_ref::<BinaryExpr>() else { return false };
    let number = |expr: &Scalar| match literal(expr)? {
        ScalarValue::Int64(Some(value)) => Some(value),
        ScalarValue::UInt64(Some(value)) => i64::try_from(value).ok(),
        ScalarValue::Int32(Some(value)) => Some(i64::from(value)),
        _ => None,
    };
    let is_number = |expr: &Scalar| as_column(expr) == Some(at);
    let (operator, value) = match (is_number(binary.left()), is_number(binary.right())) {
        (true, false) => (Some(*binary.op()), number(binary.right())),
        (false, true) => (binary.op().swap(), number(binary.left())),
        _ => return false,
    };
    let (Some(operator), Some(value)) = (operator, value) else { return false };
    let least = |value: i64| u64::try_from(value).unwrap_or(0);
    let mut to = |value: i64| bounds.to = Some(bounds.to.map_or(least(value), |to| to.min(least(value))));
    let mut from = |value: i64| bounds.from = bounds.from.max(least(value));
    match operator {
        Operator::Eq => {
            from(value);
            to(value);
        }
        Operator::LtEq => to(value),
        Operator::Lt => to(value.saturating_sub(1)),
        Operator::GtEq => from(value),
        Operator::Gt => from(value.saturating_add(1)),
        _ => return false,
    }
    true
}

/// Where a window function's order or partition is written.
pub(super) fn place_of(params: &WindowFunctionParams) -> Span {
    let exprs = params.order_by.iter().map(|sort| &sort.expr).chain(&params.partition_by);
    let span = |expr: &Expr| match expr {
        Expr::Column(column) => column.spans.first().map(from_planner),
        _ => None,
    };
    exprs.filter_map(span).next().unwrap_or_else(Span::empty)
}
