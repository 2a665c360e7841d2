//! A relation on its way to be run: a node, windows its rows are to be put in, a condition, columns.
//!
//! Filters, projections and windows only gather here. A Map appears when a computed column is read twice, or when an
//! operator needs columns ([`Lowering::settle`]); windows stay symbolic until a grouping takes them in.

use std::sync::Arc;

use arrow_schema::{Field, FieldRef, Schema};
use datafusion_common::Result;
use datafusion_physical_expr::expressions::{BinaryExpr, Column};
use datafusion_physical_expr::utils::collect_columns;
use datafusion_sql::sqlparser::tokenizer::Span;

use super::Lowering;
use super::arena::Known;
use super::rank::{Ranked, unbounded};
use crate::logical::scalar::{as_column, columns_of, conjunction, count_columns, is_free, substitute};
use crate::logical::window_node::WindowKind;
use crate::parse::column_type::TIME;
use crate::parse::error::Problem;
use crate::parse::error::placed;
use crate::syntax::table_function::WINDOW_COLUMNS;
use highwater_core::expression::{Sql, can_fail};
use highwater_core::plan::{Facts, Node, NodeId, Op, Scalar, Window, WindowColumns};
use highwater_core::time::Zone;

/// Windows that rows are yet to be put in.
#[derive(Clone, Debug)]
pub(crate) struct Pending {
    /// The node's event-time column.
    pub(crate) time: usize,
    pub(crate) kind: WindowKind,
    /// What sessions are apart by, over the node's columns.
    pub(crate) partition: Vec<Scalar>,
    /// Where it was written.
    pub(crate) place: Span,
}

/// Rows as a query describes them. Expressions are over the node's columns; if windows are pending, over those of the
/// windows too: `window_start` is the column behind the node's last, then `window_end` and `window_time`. Of a ranking
/// whose bound is yet to come the numbers stand there; then nothing is filtered below it.
#[derive(Clone, Debug)]
pub(crate) struct Relation {
    pub(crate) node: NodeId,
    pub(crate) pending: Option<Pending>,
    /// A ranking whose bound is yet to come.
    pub(crate) ranked: Option<Ranked>,
    /// Conjuncts. Below pending windows, unless they read the windows' columns; behind pending sessions.
    pub(crate) filter: Vec<Scalar>,
    pub(crate) columns: Vec<Scalar>,
    /// The columns' names, for those who read a plan.
    pub(crate) names: Vec<String>,
}

impl Relation {
    /// Whether rows may fail that it filters or computes.
    pub(crate) fn fails(&self) -> bool {
        self.filter.iter().chain(&self.columns).any(can_fail)
    }

    /// The fields of the window columns behind those of the node.
    pub(crate) fn window_fields(&self, node: &[FieldRef]) -> Vec<FieldRef> {
        let time = self.pending.as_ref().and_then(|pending| node.get(pending.time));
        let time_type = time.map_or(TIME, |time| time.data_type().clone());
        WINDOW_COLUMNS.map(|name| Arc::new(Field::new(name, time_type.clone(), true))).to_vec()
    }
}

/// The window columns as bare columns behind `width` others.
pub(super) fn window_columns(width: usize) -> [Scalar; 3] {
    let mut index = width;
    WINDOW_COLUMNS.map(|name| {
        index += 1;
        Arc::new(Column::new(name, index - 1)) as Scalar
    })
}

impl Lowering<'_> {
    /// A source's node as a relation, the row's number in it.
    pub(crate) fn source(&mut self, node: Node, known: Known) -> Relation {
        let node = self.arena.add(node, known);
        self.all_of(node)
    }

    /// Some columns of a node.
    pub(crate) fn columns_of_node(&self, node: NodeId, columns: &[usize]) -> Relation {
        let schema = self.arena.schema(node);
        let names = columns.iter().map(|&c| schema.field(c).name().clone()).collect();
        let columns = columns.iter().map(|&c| crate::logical::scalar::column(schema, c)).collect();
        Relation { node, pending: None, ranked: None, filter: Vec::new(), columns, names }
    }

    /// A node that has the columns of a relation and no others.
    pub(crate) fn only(&mut self, relation: Relation) -> Result<NodeId> {
        let columns = relation.names.into_iter().zip(relation.columns).collect();
        self.arena.project(relation.node, conjunction(relation.filter), columns, &self.owner)
    }

    /// All columns of a node.
    pub(super) fn all_of(&self, node: NodeId) -> Relation {
        let all: Vec<usize> = (0..self.arena.width(node)).collect();
        self.columns_of_node(node, &all)
    }

    /// The relation with expressions over its columns in their place. A computed column that is read more than once is
    /// computed once, by a Map; so is one that may fail and is not read, for its rows are those that have all of their columns.
    pub(super) fn over(&mut self, mut relation: Relation, exprs: Vec<Scalar>) -> Result<(Relation, Vec<Scalar>)> {
        let mut counts = vec![0; relation.columns.len()];
        exprs.iter().for_each(|expr| count_columns(expr, &mut counts));
        let apart = |(column, count): (&Scalar, &usize)| match count {
            0 => can_fail(column) && relation.ranked.is_none(),
            1 => false,
            _ => !is_free(column),
        };
        if relation.columns.iter().zip(&counts).any(apart) && !self.as_declared {
            relation = self.settle(relation)?;
        }
        self.beside(relation, exprs)
    }

    /// Expressions over the columns of a relation beside those, over its node.
    pub(super) fn beside(&mut self, relation: Relation, exprs: Vec<Scalar>) -> Result<(Relation, Vec<Scalar>)> {
        let exprs = exprs.into_iter().map(|expr| {
            let expr = substitute(expr, &|i| Arc::clone(&relation.columns[i]))?;
            self.with_arrival(relation.node, expr)
        });
        let exprs = exprs.collect::<Result<Vec<_>>>()?;
        Ok((relation, exprs))
    }

    /// Computes the computed columns and applies the filter, by a Map below the pending windows. What reads the windows'
    /// columns, and what filters pending sessions, stays above.
    pub(crate) fn settle(&mut self, mut relation: Relation) -> Result<Relation> {
        if let Some(ranked) = &relation.ranked {
            return Err(unbounded(ranked));
        }
        let width = self.arena.width(relation.node);
        let session = matches!(relation.pending, Some(Pending { kind: WindowKind::Session { .. }, .. }));
        let below = |expr: &Scalar| columns_of(expr).last().is_none_or(|&last| last < width);
        let (filter, above): (Vec<Scalar>, Vec<Scalar>) =
            std::mem::take(&mut relation.filter).into_iter().partition(|expr| !session && below(expr));
        let mut computed: Vec<(String, Scalar)> = Vec::new();
        let mut place = |expr: &Scalar, name: &str| {
            let at = computed.iter().position(|(_, other)| other == expr).unwrap_or_else(|| {
                computed.push((told(name, expr), Arc::clone(expr)));
                computed.len() - 1
            });
            width + at
        };
        let places: Vec<Option<usize>> = relation
            .columns
            .iter()
            .zip(&relation.names)
            .map(|(column, name)| (as_column(column).is_none() && below(column)).then(|| place(column, name)))
            .collect();
        if filter.is_empty() && computed.is_empty() {
            relation.filter = above;
            return Ok(relation);
        }
        let added = computed.len();
        let node = self.arena.extend(relation.node, conjunction(filter), computed, &relation.columns, &self.owner)?;
        let schema = Arc::clone(self.arena.schema(node));
        let windows = window_columns(width + added);
        let shifted = |index: usize| match index.checked_sub(width) {
            Some(window) => Arc::clone(&windows[window]),
            None => crate::logical::scalar::column(&schema, index),
        };
        for (column, place) in relation.columns.iter_mut().zip(places) {
            *column = match place {
                Some(index) => crate::logical::scalar::column(&schema, index),
                // It stands where it stood, under the name by which it is read.
                None if as_column(column).is_some_and(|index| index < width) => continue,
                None => substitute(Arc::clone(column), &shifted)?,
            };
        }
        relation.filter = above.into_iter().map(|expr| substitute(expr, &shifted)).collect::<Result<_>>()?;
        relation.node = node;
        Ok(relation)
    }

    /// The relation with its windows assigned, if any are pending, all columns bare and no filter left.
    pub(crate) fn run(&mut self, relation: Relation) -> Result<Relation> {
        let mut relation = self.settle(relation)?;
        if let Some(pending) = relation.pending.take() {
            let WindowKind::Fixed(window, zone) = pending.kind else {
                return Err(placed(Problem::at(pending.place, "a session is known only when it is grouped").hint(
                    "group by it: GROUP BY key, window_start, window_end, with the same key in SESSION(TABLE t PARTITION BY key, ...)",
                )));
            };
            relation.node = self.assign(relation.node, pending.time, window, zone);
        }
        self.settle(relation)
    }

    /// A node that puts rows in windows.
    fn assign(&mut self, input: NodeId, time: usize, window: Window, zone: Option<Zone>) -> NodeId {
        let width = self.arena.width(input);
        let mut fields: Vec<Field> =
            self.arena.schema(input).fields().iter().map(|field| field.as_ref().clone()).collect();
        let time_type = fields[time].data_type().clone();
        fields.extend(WINDOW_COLUMNS.map(|name| Field::new(name, time_type.clone(), false)));
        let from = self.arena.facts(input);
        let bound = from.bounds[time];
        let mut bounds = from.bounds.clone();
        bounds.extend(window_bounds((window, zone), bound, 0));
        let facts = Facts {
            time: Some(time),
            key: from.key.as_ref().map(|key| key.iter().copied().chain([width, width + 1]).collect()),
            closes: None,
            bounds,
            window: Some(WindowColumns { start: Some(width), end: Some(width + 1), time: Some(width + 2) }),
            ..from.clone()
        };
        let (by_start, by_end) = (by_start(window, zone), by_end(window, zone));
        let known = Known { by_start, by_end, ..self.arena.known(input) };
        let op = Op::Window { time, window, zone };
        self.arena.add(Node { op, inputs: vec![input], schema: Arc::new(Schema::new(fields)), facts }, known)
    }

    /// The places of the columns of a relation that has run.
    pub(crate) fn places(relation: &Relation) -> Vec<usize> {
        // One that was left out would move those behind it.
        let place = |column: &Scalar| match as_column(column) {
            Some(place) => place,
            None => unreachable!("what has run has bare columns, not {column}"),
        };
        relation.columns.iter().map(place).collect()
    }
}

/// What a computed column is read by: its name; if nobody named it and that says too little, what it is computed of.
fn told(name: &str, computed: &Scalar) -> String {
    let written = name.contains(|c: char| !c.is_alphanumeric() && c != '_');
    let inner = ["CASE", "__", "recast(", ","].iter().any(|word| name.contains(word));
    let apart = || collect_columns(computed).iter().any(|column| column.name().contains('.'));
    match name.starts_with("__common") || (written && (inner || apart())) {
        true if computed.is::<BinaryExpr>() => format!("({})", Sql(computed)),
        true => Sql(computed).to_string(),
        false => name.to_owned(),
    }
}

/// Whether a window of this kind is told by its start alone.
pub(super) fn by_start(window: Window, zone: Option<Zone>) -> bool {
    !matches!(window, Window::Cumulate { .. }) && by_end(window, zone)
}

/// Whether a window of this kind is told by its end alone. Where the clocks of a zone are put forward windows that overlap may begin,
/// or end, at once.
pub(super) fn by_end(window: Window, zone: Option<Zone>) -> bool {
    zone.is_none() || matches!(window, Window::Tumble { .. })
}

/// The bounds of `window_start`, `window_end` and `window_time` where a row's time has `bound`, if rows of a window can
/// come `after` its end, in ms.
pub(super) fn window_bounds(
    (window, zone): (Window, Option<Zone>),
    bound: Option<i64>,
    after: i64,
) -> [Option<i64>; 3] {
    // By the clocks of a zone a window may last longer by as much as they are put back.
    let longer = zone.map_or(0, |zone| zone.reach().1 - zone.reach().0);
    let end = bound.map(|bound| bound.saturating_add(1).saturating_sub(after));
    let shift = |by: i64| end.map(|end| end.saturating_sub(by));
    [shift(window.size_ms().saturating_add(longer)), end, shift(1)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion_expr::Operator;

    #[test]
    #[should_panic(expected = "what has run has bare columns, not a@0 + b@1")]
    fn a_column_that_is_computed_moves_none_behind_it() {
        let column = |name: &str, at: usize| Arc::new(Column::new(name, at)) as Scalar;
        let sum = Arc::new(BinaryExpr::new(column("a", 0), Operator::Plus, column("b", 1)));
        let columns = vec![column("a", 0), sum, column("b", 1)];
        let names = ["a", "sum", "b"].map(str::to_owned).to_vec();
        Lowering::places(&Relation { node: 0, pending: None, ranked: None, filter: Vec::new(), columns, names });
    }
}
