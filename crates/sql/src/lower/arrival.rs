//! Times of arrival in plans: the column of the source that `PROCTIME()` is, and rows put in order of it.
//!
//! A source that is read by its event time and by the arrival of its rows is two sources: each has one time, and its frontier
//! is the watermark of that. Whatever needs rows in order of arrival (windows, frames, patterns) reads the second, through the
//! same filters and projections.

use std::sync::Arc;

use datafusion_common::Result;
use datafusion_common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion_sql::sqlparser::tokenizer::Span;

use super::Lowering;
use super::arena::moved;
use super::bounds::bound;
use crate::logical::scalar::{as_column, column};
use crate::parse::error::Problem;
use crate::parse::error::placed;
use crate::syntax::arrival::is_marker;
use highwater_core::plan::{Facts, Node, NodeId, Op, Scalar};

/// A source's times of arrival.
#[derive(Clone, Debug)]
pub(crate) struct Arrived {
    /// The columns of its node that hold them; the last is the engine's own, if the program asks for it.
    pub(crate) columns: Vec<usize>,
    /// The node of the source by them, if that is another one.
    pub(crate) twin: Option<NodeId>,
}

impl Lowering<'_> {
    /// The expression with `PROCTIME()` as the column of the node that it is.
    pub(super) fn with_arrival(&self, node: NodeId, expr: Scalar) -> Result<Scalar> {
        let replaced = expr.transform_up(|expr| {
            if !is_marker(&expr) {
                return Ok(Transformed::no(expr));
            }
            match self.arrival_of(node) {
                Some(at) => Ok(Transformed::yes(column(self.arena.schema(node), at))),
                None => Err(placed(
                    Problem::at(Span::empty(), "PROCTIME() is when a row of a source arrived, and these rows are made here").hint(
                        "take it where the source is read, one without 'changelog': SELECT *, PROCTIME() AS p_time FROM source, in a view or subquery",
                    ),
                )),
            }
        });
        replaced.data()
    }

    /// The column of a node that holds times of arrival.
    fn arrival_of(&self, node: NodeId) -> Option<usize> {
        (0..self.arena.width(node)).rev().find(|&at| self.is_arrival(node, at))
    }

    /// Whether a column of a node holds times of arrival.
    fn is_arrival(&self, node: NodeId, at: usize) -> bool {
        let Node { op, inputs, .. } = &self.arena.nodes[node];
        match op {
            Op::Source { source } => {
                self.arena.arrived.get(source).is_some_and(|arrived| arrived.columns.contains(&at))
            }
            Op::Map { columns, .. } => as_column(&columns[at]).is_some_and(|from| self.is_arrival(inputs[0], from)),
            Op::Union => inputs.iter().all(|&input| self.is_arrival(input, at)),
            _ => false,
        }
    }

    /// The node to read for rows in order of one of its columns: itself, or the same rows by their arrival if that is what
    /// the column holds.
    pub(super) fn in_order_of(&mut self, node: NodeId, at: usize) -> NodeId {
        if self.follows(node, at) || !self.is_arrival(node, at) {
            return node;
        }
        self.by_arrival(node)
    }

    /// A node over sources by the arrival of their rows; its columns are the same.
    fn by_arrival(&mut self, node: NodeId) -> NodeId {
        let Node { op, inputs, schema, .. } = self.arena.nodes[node].clone();
        if let Op::Source { source } = op {
            return self.arena.arrived.get(&source).and_then(|arrived| arrived.twin).unwrap_or(node);
        }
        let inputs: Vec<NodeId> = inputs.into_iter().map(|input| self.by_arrival(input)).collect();
        let all: Vec<Facts> = inputs.iter().map(|&input| self.arena.facts(input).clone()).collect();
        let facts = match &op {
            Op::Map { columns, .. } => {
                let place = |at: usize| columns.iter().position(|expr| as_column(expr) == Some(at));
                Facts {
                    bounds: columns.iter().map(|expr| bound(expr, &all[0].bounds)).collect(),
                    ..moved(&all[0], &place)
                }
            }
            _ => {
                // What all branches say.
                let same = |bound: fn(&Facts, usize) -> Option<i64>, at: usize| {
                    all.iter().map(|facts| bound(facts, at)).reduce(|a, b| Some(a?.min(b?))).flatten()
                };
                let bounds = (0..schema.fields().len()).map(|at| same(|facts, at| facts.bounds[at], at)).collect();
                let time = all[0].time.filter(|time| all.iter().all(|facts| facts.time == Some(*time)));
                Facts { bounds, time, key: None, ..all[0].clone() }
            }
        };
        let known = self.arena.known(inputs[0]);
        self.arena.add(Node { op, inputs, schema: Arc::clone(&schema), facts }, known)
    }
}
