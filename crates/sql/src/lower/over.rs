//! Aggregates `OVER` bounded frames of ROWS or RANGE in order of event time; LAG is a frame of one row.

use std::sync::Arc;

use arrow_row::{RowConverter, SortField};
use arrow_schema::{Field, Schema, SortOptions};
use datafusion_common::{Result, ScalarValue};
use datafusion_expr::expr::{AggregateFunction, WindowFunction, WindowFunctionParams};
use datafusion_expr::{
    AggregateUDF, Expr, Window, WindowFrame, WindowFrameBound, WindowFrameUnits, WindowFunctionDefinition,
};
use datafusion_sql::sqlparser::tokenizer::Span;

use super::bounds::exact_interval_ms;
use super::call::{Call, call};
use super::lost_time::KEEPS;
use super::rank::{place_of, ties};
use super::{Known, Lowering, Relation, internal};
use crate::logical::aggregate_call::Bound;
use crate::logical::rank_call::ShiftCall;
use crate::logical::scalar::{column, physical};
use crate::logical::shown::shown;
use crate::parse::column_type::is_time;
use crate::parse::error::Problem;
use crate::parse::error::placed;
use highwater_core::aggregate;
use highwater_core::plan::{AggregateCall, Emit, Facts, Frame, Node, NodeId, Op, Over, Scalar};

/// A call and the window it is over; its columns are places in a list of expressions.
struct Framed {
    call: Call,
    keys: Vec<usize>,
    order: Vec<(usize, SortOptions)>,
    frame: Frame,
    place: Span,
}

impl Lowering<'_> {
    /// Aggregates over the rows before each row. `emit` is for the windows below.
    pub(super) fn rolled(&mut self, window: &Window, emit: Option<Emit>) -> Result<Relation> {
        let schema = window.input.schema();
        let width = schema.fields().len();
        let mut exprs: Vec<Scalar> = (0..width).map(|i| column(schema.as_arrow(), i)).collect();
        let mut names: Vec<String> = schema.fields().iter().map(|field| field.name().clone()).collect();
        let mut framed = Vec::new();
        for expr in &window.window_expr {
            let Expr::WindowFunction(function) = expr.clone().unalias_nested().data else {
                return Err(internal("a window function that is no call"));
            };
            let place = Some(place_of(&function.params)).filter(|place| *place != Span::empty());
            // Behind a grouping columns have no place.
            let place = place.or_else(|| self.arena.said.as_ref()?.next_over()).unwrap_or_else(Span::empty);
            let (aggregate, frame) = read(&function, place)?;
            let call = call(&aggregate, schema, shown(expr), &mut exprs, &mut names)?;
            let mut add = |expr: &Expr| -> Result<usize> {
                exprs.push(physical(expr, schema)?);
                names.push(shown(expr));
                Ok(exprs.len() - 1)
            };
            let keys = function.params.partition_by.iter().map(&mut add).collect::<Result<Vec<_>>>()?;
            let options = |asc: bool, nulls_first: bool| SortOptions { descending: !asc, nulls_first };
            let order = function.params.order_by.iter();
            let order = order.map(|sort| Ok((add(&sort.expr)?, options(sort.asc, sort.nulls_first))));
            let order = order.collect::<Result<Vec<_>>>()?;
            framed.push(Framed { call, keys, order, frame, place });
        }
        let relation = self.lower(&window.input, emit)?;
        let (relation, columns) = self.over(relation, exprs)?;
        let mut relation = self.run(Relation { columns, names, ..relation })?;
        let places = Lowering::places(&relation);
        relation.columns.truncate(width);
        relation.names.truncate(width);
        // Calls over the same frame are of one operator.
        let mut done: Vec<Option<(usize, String)>> = framed.iter().map(|_| None).collect();
        let mut framed: Vec<Option<Framed>> = framed.into_iter().map(Some).collect();
        let moved = |columns: &[usize]| columns.iter().map(|&at| places[at]).collect::<Vec<_>>();
        let window_of = |framed: &Framed| {
            let order: Vec<_> = framed.order.iter().map(|(at, options)| (places[*at], *options)).collect();
            (moved(&framed.keys), order, framed.frame)
        };
        while let Some(first) = framed.iter().flatten().next() {
            let ((keys, order, frame), place) = (window_of(first), first.place);
            let node = order.first().map_or(relation.node, |(at, _)| self.in_order_of(relation.node, *at));
            self.check_frame(node, &order, frame, place)?;
            let schema = Arc::clone(self.arena.schema(node));
            let ties = ties(&order, self.arena.facts(node));
            let all: Vec<_> = order.iter().chain(&ties).copied().collect();
            let mut aggregates = Vec::new();
            for (at, slot) in framed.iter_mut().enumerate() {
                if slot.as_ref().is_some_and(|other| window_of(other) == (keys.clone(), order.clone(), frame))
                    && let Some(framed) = slot.take()
                {
                    let call = framed.call.over(&places, &schema, &all)?;
                    done[at] = Some((schema.fields().len() + aggregates.len(), call.name.clone()));
                    aggregates.push(call);
                }
            }
            relation.node = self.add_over(node, Over { keys, order, ties, frame, aggregates, lateness_ms: None });
        }
        let schema = Arc::clone(self.arena.schema(relation.node));
        for (at, name) in done.into_iter().flatten() {
            relation.columns.push(column(&schema, at));
            relation.names.push(name);
        }
        Ok(relation)
    }

    /// Refuses orders that frames cannot follow.
    fn check_frame(&self, node: NodeId, order: &[(usize, SortOptions)], frame: Frame, place: Span) -> Result<()> {
        let (facts, schema) = (self.arena.facts(node), Arc::clone(self.arena.schema(node)));
        let follows = |column: usize| is_time(schema.field(column).data_type()) && self.follows(node, column);
        if !order.first().is_some_and(|(column, options)| !options.descending && follows(*column)) {
            let name = facts.time.map_or("ts", |time| schema.field(time).name());
            let name = if name.starts_with("__") { "ts" } else { name };
            let message = "frames follow event time, and this is not the event-time column in ascending order";
            let write = format!(
                "write OVER (PARTITION BY k ORDER BY {name} RANGE BETWEEN INTERVAL '1' MINUTE PRECEDING AND CURRENT ROW)"
            );
            let asked = order.first().filter(|(_, options)| !options.descending).map(|(at, _)| column(&schema, *at));
            if let Some(computed) = asked.and_then(|asked| self.computed_away(node, &asked)) {
                let what = format!("{message}: it is computed of it, as {computed}");
                return Err(placed(Problem::at(place, what).hint(format!("{KEEPS}; {write}"))));
            }
            if let ((lost, remedy), None) = (self.lost_time(node), facts.time)
                && !lost.is_empty()
            {
                return Err(placed(Problem::at(place, format!("{message}: {lost}")).hint(remedy)));
            }
            return Err(placed(Problem::at(place, message).hint(write)));
        }
        if matches!(frame, Frame::Range { .. }) && order.len() > 1 {
            return Err(placed(
                Problem::at(place, "a frame of RANGE is ordered by the event time alone")
                    .hint("leave the other columns out, or write ROWS"),
            ));
        }
        let orderable =
            |c: &usize| RowConverter::supports_fields(&[SortField::new(schema.field(*c).data_type().clone())]);
        match (0..schema.fields().len()).find(|c| !orderable(c)) {
            None => Ok(()),
            Some(bad) => {
                let message =
                    format!("rows with '{}' cannot be in a frame: its type has no order", schema.field(bad).name());
                Err(placed(Problem::at(place, message).hint("leave the column out below")))
            }
        }
    }

    fn add_over(&mut self, node: NodeId, over: Over) -> NodeId {
        let time = over.order.first().map_or(0, |(column, _)| *column);
        let (from, known) = (self.arena.facts(node).clone(), self.arena.known_by(node, Some(time)));
        let mut fields: Vec<Field> =
            self.arena.schema(node).fields().iter().map(|field| field.as_ref().clone()).collect();
        fields.extend(
            over.aggregates.iter().map(|call: &AggregateCall| Field::new(&call.name, call.output.clone(), true)),
        );
        let mut bounds = vec![None; fields.len()];
        // A row comes a moment behind its time.
        bounds[time] = from.bounds[time].map(|bound| bound.saturating_sub(1));
        let facts = Facts {
            append_only: known.lateness_ms == Some(0),
            time: from.time.filter(|column| *column == time),
            sequence: from.sequence,
            key: from.key.clone(),
            closes: None,
            bounds,
            window: None,
        };
        let known = Known { by_start: false, by_end: false, closes: true, emits: Some(Emit::Final), ..known };
        let over = Over { lateness_ms: known.lateness_ms, ..over };
        let node = Node { op: Op::Over(over), inputs: vec![node], schema: Arc::new(Schema::new(fields)), facts };
        self.arena.add(node, known)
    }
}

/// The aggregate that a window function is, and over which frame.
fn read(function: &WindowFunction, place: Span) -> Result<(AggregateFunction, Frame)> {
    let params = &function.params;
    let aggregate = |func: Arc<AggregateUDF>, args: Vec<Expr>| {
        AggregateFunction::new_udf(func, args, params.distinct, params.filter.clone(), Vec::new(), None)
    };
    match &function.fun {
        WindowFunctionDefinition::AggregateUDF(func) => {
            Ok((aggregate(Arc::clone(func), params.args.clone()), frame(params, place)?))
        }
        WindowFunctionDefinition::WindowUDF(udf) => {
            let Some(shift) = ShiftCall::of(udf) else { return Err(internal("an unknown window function")) };
            let by = match params.args.as_slice() {
                [_] => 1,
                [_, Expr::Literal(value, _)] => rows(value).filter(|by| *by > 0 && *by < u64::MAX).unwrap_or(0),
                _ => 0,
            };
            if by == 0 || !shift.back {
                let (what, hint) = match shift.back {
                    true => {
                        ("LAG takes a column and how many rows back", "write LAG(x), LAG(x, 3) or LAG(x, 3, default)")
                    }
                    false => ("LEAD reads rows that are yet to come", "read back from the later row: LAG(x)"),
                };
                return Err(placed(Problem::at(place, what).hint(hint)));
            }
            let Some(first) = aggregate::find("FIRST_VALUE") else { return Err(internal("no FIRST_VALUE")) };
            let args = params.args[..1].to_vec();
            Ok((aggregate(Arc::new(Bound::udf(first)), args), Frame::Rows { from: by, to: by }))
        }
    }
}

fn frame(params: &WindowFunctionParams, place: Span) -> Result<Frame> {
    let refused = |what: &str, hint: &str| Err(placed(Problem::at(place, what).hint(hint)));
    let WindowFrame { units, start_bound, end_bound, .. } = &params.window_frame;
    if params.order_by.is_empty() {
        return refused(
            "an aggregate OVER a frame needs an order",
            "write OVER (PARTITION BY k ORDER BY ts RANGE BETWEEN INTERVAL '1' MINUTE PRECEDING AND CURRENT ROW)",
        );
    }
    let future = |bound: &WindowFrameBound| matches!(bound, WindowFrameBound::Following(_));
    if future(start_bound) || future(end_bound) {
        return refused("a frame reads rows that are yet to come", "end it at CURRENT ROW, or n PRECEDING");
    }
    let wrong =
        || refused("a frame is of n rows, or of a fixed time back", "write ROWS BETWEEN 9 PRECEDING AND CURRENT ROW");
    match units {
        WindowFrameUnits::Rows => {
            let back = |bound: &WindowFrameBound| match bound {
                WindowFrameBound::Preceding(value) if value.is_null() => Some(u64::MAX),
                WindowFrameBound::Preceding(value) => rows(value),
                _ => Some(0),
            };
            match (back(start_bound), back(end_bound)) {
                (Some(from), Some(to)) if from >= to && to < u64::MAX => Ok(Frame::Rows { from, to }),
                _ => wrong(),
            }
        }
        WindowFrameUnits::Range => {
            let back = |bound: &WindowFrameBound| match bound {
                WindowFrameBound::Preceding(value) if value.is_null() => Some(i64::MAX),
                WindowFrameBound::Preceding(value) => exact_interval_ms(value).filter(|ms| (0..i64::MAX).contains(ms)),
                _ => Some(0),
            };
            match (back(start_bound), back(end_bound)) {
                (Some(from_ms), Some(to_ms)) if from_ms >= to_ms && to_ms < i64::MAX => {
                    Ok(Frame::Range { from_ms, to_ms })
                }
                _ => wrong(),
            }
        }
        WindowFrameUnits::Groups => refused("frames of GROUPS are not supported", "write ROWS or RANGE"),
    }
}

fn rows(value: &ScalarValue) -> Option<u64> {
    match value {
        ScalarValue::UInt64(Some(rows)) => Some(*rows),
        ScalarValue::Int64(Some(rows)) => u64::try_from(*rows).ok(),
        _ => None,
    }
}
