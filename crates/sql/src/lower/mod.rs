//! From logical plans to nodes: relations gather filters, projections and windows, groupings make them run.

mod arena;
mod arrival;
mod bounds;
mod call;
mod grouping;
mod join;
mod lookup;
mod lost_time;
pub(crate) mod origin;
mod over;
mod pattern;
mod rank;
mod recursion;
mod reduce;
mod relation;
mod told;
mod union;
mod unnest;
mod values;

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion_common::{DFSchema, DataFusionError, Result};
use datafusion_expr::{Distinct, Expr, LogicalPlan, TableSource};
use datafusion_sql::sqlparser::tokenizer::Span;

use crate::logical::identity::readable;
use crate::logical::kept;
use crate::logical::pattern_node::PatternNode;
use crate::logical::shared::Before;
use crate::logical::shared::Shared;
use crate::logical::shown::shown;
use crate::logical::unnest_node::UnnestNode;
use crate::logical::window_node::{WindowKind, WindowNode};
use crate::parse::error::Problem;
use crate::parse::error::placed;
use crate::query::context::Scanned;
use crate::syntax::set_all::RepeatNode;
use crate::syntax::table_function::WINDOW_COLUMNS;
use highwater_core::plan::{Emit, Facts, Join, JoinKind, Node, NodeId, Op, Scalar};

use crate::logical::scalar::physicals;
pub(super) use crate::logical::scalar::{as_column, cast_to, column, columns_of, physical, replaced, substitute};
pub(super) use arena::{Arena, Known, moved};
pub(super) use arrival::Arrived;
pub(super) use relation::{Pending, Relation};

/// Lowers the queries of a program into one arena.
pub(super) struct Lowering<'a> {
    pub(super) arena: &'a mut Arena,
    /// The relations of the program, by their numbers.
    pub(super) relations: &'a [Relation],
    /// The view or sink at hand, for dead letters.
    pub(super) owner: String,
    /// The markers of joins `FOR SYSTEM_TIME AS OF` that were lowered, by their numbers.
    pub(super) versions: BTreeSet<String>,
    /// How many rounds a recursion may take.
    pub(super) max_rounds: u64,
    /// The recursions whose step is being lowered, innermost last, with the node of the round before.
    pub(super) loops: Vec<(String, NodeId)>,
    /// The relations lowered so far that are read several times.
    shared: Vec<(Arc<dyn TableSource>, Option<Emit>, Relation)>,
    /// A table whose versions are asked for is read as it is declared: what is computed of its columns stands in no node of its own.
    as_declared: bool,
}

impl<'a> Lowering<'a> {
    /// Lowers into `arena`, for the view or sink `owner`.
    pub(super) fn new(arena: &'a mut Arena, relations: &'a [Relation], owner: &str, max_rounds: u64) -> Lowering<'a> {
        let (versions, loops, shared) = Default::default();
        Lowering { arena, relations, owner: owner.to_owned(), versions, max_rounds, loops, shared, as_declared: false }
    }
}

impl Lowering<'_> {
    /// A query's rows. `emit` is for its topmost windows; those below them show what is final.
    pub(super) fn lower(&mut self, plan: &LogicalPlan, emit: Option<Emit>) -> Result<Relation> {
        match plan {
            LogicalPlan::TableScan(scan) if scan.source.is::<Before>() => {
                let name = scan.table_name.table();
                let shown = readable(name);
                match self.loops.iter().rev().find(|(recursion, _)| recursion == name) {
                    Some((_, before)) => Ok(self.all_of(*before)),
                    None => {
                        let problem =
                            Problem::at(Span::empty(), format!("'{shown}' is not read by FROM in its own step"));
                        Err(placed(problem.hint(format!(
                            "join it: FROM {shown} JOIN t ON ...; a subquery of the step reads other relations"
                        ))))
                    }
                }
            }
            LogicalPlan::RecursiveQuery(query) => self.recursion(query, emit),
            LogicalPlan::TableScan(scan) if scan.source.is::<Shared>() => self.shared(&scan.source, emit),
            LogicalPlan::TableScan(scan) => match scan.source.downcast_ref::<Scanned>() {
                Some(scanned) if scan.filters.is_empty() && scan.fetch.is_none() && scan.projection.is_none() => {
                    Ok(self.relations[scanned.relation].clone())
                }
                _ => Err(internal("a scan of something else")),
            },
            LogicalPlan::SubqueryAlias(alias) => self.lower(&alias.input, emit),
            LogicalPlan::Projection(projection) => {
                let input = self.lower(&projection.input, emit)?;
                let schema = projection.input.schema();
                let below = input.names.clone();
                let exprs = physicals(&projection.expr, schema)?;
                let (relation, columns) = self.over(input, exprs)?;
                let columns = columns.into_iter().map(|expr| self.as_event_time(relation.node, expr));
                let columns = columns.collect::<Result<_>>()?;
                let named = projection.expr.iter().zip(projection.schema.fields());
                let names = named.map(|(expr, field)| spelled(called(expr, field.name()), schema, &below)).collect();
                let relation = Relation { columns, names, ..relation };
                // Joins that read it share what is kept.
                let kept = projection.expr.iter().any(kept::is) && relation.ranked.is_none();
                if kept { self.settle(relation) } else { Ok(relation) }
            }
            LogicalPlan::Filter(filter) => {
                let input = self.lower(&filter.input, emit)?;
                let predicate = physical(&filter.predicate, filter.input.schema())?;
                let (mut relation, mut added) = self.beside(input, vec![predicate])?;
                if let Some(predicate) = added.pop() {
                    let inferred = |conjunct: &Scalar| crate::syntax::as_of::marker(conjunct).is_some();
                    relation
                        .filter
                        .extend(crate::logical::scalar::conjuncts(&predicate).into_iter().filter(|c| !inferred(c)));
                }
                self.bounded(relation)
            }
            LogicalPlan::Values(values) => self.values(values),
            LogicalPlan::EmptyRelation(empty) => self.one_row(empty.produce_one_row),
            LogicalPlan::Union(union) => self.union(union, emit),
            LogicalPlan::Aggregate(aggregate) => self.aggregate(aggregate, emit),
            LogicalPlan::Join(join) => self.join(join, emit),
            LogicalPlan::Window(window) => self.over_rows(window, emit),
            LogicalPlan::Limit(limit) => self.first_rows(limit, emit),
            LogicalPlan::Distinct(Distinct::All(_)) => Err(internal("DISTINCT that is not a grouping")),
            LogicalPlan::Extension(extension) => {
                let node = extension.node.as_any();
                if let Some(node) = node.downcast_ref::<RepeatNode>() {
                    return self.repeat(node, emit);
                }
                if let Some(node) = node.downcast_ref::<UnnestNode>() {
                    return self.unnest(node, emit);
                }
                match (node.downcast_ref::<WindowNode>(), node.downcast_ref::<PatternNode>()) {
                    (Some(node), _) => self.window(node, emit),
                    (_, Some(node)) => self.pattern(node, emit),
                    _ => Err(internal("an unknown extension")),
                }
            }
            other => Err(refused(other)),
        }
    }

    /// The rows of a relation that is read several times: what may fail of them is computed once.
    fn shared(&mut self, source: &Arc<dyn TableSource>, emit: Option<Emit>) -> Result<Relation> {
        let known = self.shared.iter().find(|(known, of, _)| Arc::ptr_eq(known, source) && *of == emit);
        if let Some((.., relation)) = known {
            return Ok(relation.clone());
        }
        let Some(shared) = source.downcast_ref::<Shared>() else { return Err(internal("a scan of something else")) };
        let relation = self.lower(&shared.plan, emit)?;
        let relation = if relation.fails() && relation.ranked.is_none() { self.settle(relation)? } else { relation };
        self.shared.push((Arc::clone(source), emit, relation.clone()));
        Ok(relation)
    }

    /// Every row as often as its last column says.
    fn repeat(&mut self, node: &RepeatNode, emit: Option<Emit>) -> Result<Relation> {
        let input = self.lower(&node.input, emit)?;
        let mut relation = self.run(input)?;
        let Some(times) = relation.columns.pop().as_ref().and_then(as_column) else {
            return Err(internal("a repetition without a number"));
        };
        relation.names.pop();
        let from = &self.arena.nodes[relation.node];
        let facts = Facts { key: None, sequence: None, ..from.facts.clone() };
        let node = Node { op: Op::Repeat { times }, inputs: vec![relation.node], schema: from.schema.clone(), facts };
        let known = self.arena.known(relation.node);
        Ok(Relation { node: self.arena.add(node, known), ..relation })
    }

    /// Puts rows in windows, symbolically.
    fn window(&mut self, node: &WindowNode, emit: Option<Emit>) -> Result<Relation> {
        let mut relation = self.lower(&node.input, emit)?;
        let session = matches!(node.kind, WindowKind::Session { .. });
        if relation.pending.is_some() || relation.ranked.is_some() {
            relation = self.run(relation)?;
        } else if session {
            // A filter below a session is not one behind it.
            relation = self.settle(relation)?;
        }
        let schema = node.input.schema();
        let mut time = substitute(physical(&node.time, schema)?, &|i| relation.columns[i].clone())?;
        if as_column(&time).is_none() && self.computed(relation.node, &time) {
            // A time that is computed is a column first.
            relation = self.run(relation)?;
            time = substitute(physical(&node.time, schema)?, &|i| relation.columns[i].clone())?;
        }
        if let Some(at) = as_column(&time) {
            relation.node = self.in_order_of(relation.node, at);
        }
        let Some(time) = as_column(&time).filter(|&column| self.follows(relation.node, column)) else {
            return Err(placed(self.not_event_time(node, &relation, &time)));
        };
        let partition =
            node.partition.iter().map(|expr| substitute(physical(expr, schema)?, &|i| relation.columns[i].clone()));
        let partition = partition.collect::<Result<Vec<_>>>()?;
        let mut columns: Vec<_> = node.kept.iter().map(|&i| relation.columns[i].clone()).collect();
        columns.extend(relation::window_columns(self.arena.width(relation.node)));
        let mut names: Vec<String> = node.kept.iter().map(|&i| relation.names[i].clone()).collect();
        names.extend(WINDOW_COLUMNS.map(str::to_owned));
        let pending = Some(Pending { time, kind: node.kind, partition, place: node.place });
        Ok(Relation { pending, columns, names, ..relation })
    }

    /// Why a column is not the event time, with the one that is.
    fn not_event_time(&self, node: &WindowNode, relation: &Relation, time: &Scalar) -> Problem {
        let name = match &node.time {
            datafusion_expr::Expr::Column(column) => column.name.clone(),
            other => other.to_string(),
        };
        if let Some(computed) = self.computed_away(relation.node, time) {
            let what = format!("'{name}' is not the event-time column: it is computed of it, as {computed}");
            return Problem::at(node.place, what)
                .hint(format!("{}: go by the event-time column itself, and compute this beside it", lost_time::KEEPS));
        }
        let facts = self.arena.facts(relation.node);
        let shown =
            facts.time.and_then(|time| relation.columns.iter().position(|column| as_column(column) == Some(time)));
        let (lost, remedy) = self.lost_time(relation.node);
        let why = match facts.time.map(|_| self.join_of(relation.node)) {
            None if !lost.is_empty() => format!(": {lost}"),
            Some(Some(_)) if shown.is_none() => {
                ": the join lost it: a new row meets rows of the other side that may be as old as they like".to_owned()
            }
            _ => String::new(),
        };
        let problem = Problem::at(node.place, format!("'{name}' is not the event-time column{why}"));
        match (shown, facts.time) {
            (Some(at), _) => {
                problem.hint(format!("the event-time column is '{}'", node.input.schema().field(at).name()))
            }
            // Of a join of windows it is a column of theirs.
            (None, Some(time)) if let Some(named) = self.told_time(relation.node, time) => {
                problem.hint(format!("select '{named}' below: it is the event-time column"))
            }
            (None, Some(_)) if let Some(join) = self.join_of(relation.node) => problem.hint(match join.kind {
                JoinKind::Inner => {
                    "the event time of a join is the later one of both sides: select GREATEST(a.ts, b.ts) there; or bound the times of both sides: b.ts BETWEEN a.ts AND a.ts + INTERVAL '1' HOUR"
                }
                _ => {
                    "no column of an outer join is its event time: write JOIN, or put both sides in windows and join those: ON a.k = b.k AND a.window_end = b.window_end"
                }
            }),
            (None, Some(_)) => problem.hint("select the event-time column (or window_time) in the query below"),
            (None, None) => problem.hint(remedy),
        }
    }
}

impl Lowering<'_> {
    /// What an event-time column is called, if it is none of the engine's own.
    fn told_time(&self, node: NodeId, time: usize) -> Option<&str> {
        let name = self.arena.schema(node).field(time).name();
        (!name.starts_with("__") && self.join_of(node).is_some()).then_some(name.as_str())
    }

    /// The join of which rows are, filtered and projected.
    fn join_of(&self, node: NodeId) -> Option<&Join> {
        let Node { op, inputs, .. } = &self.arena.nodes[node];
        match op {
            Op::Map { .. } => self.join_of(inputs[0]),
            Op::Join(join) => Some(join),
            _ => None,
        }
    }
}

/// What a column of a projection is called in a plan: one that the optimiser made is what it computes.
fn called(expr: &Expr, name: &str) -> String {
    if !name.starts_with("__common_expr") {
        return name.to_owned();
    }
    let computed = expr.clone().unalias();
    let said = shown(&computed);
    match computed {
        Expr::Column(_) if said.starts_with("__common_expr") => name.to_owned(),
        Expr::Column(_) | Expr::ScalarFunction(_) | Expr::Cast(_) | Expr::TryCast(_) | Expr::Case(_) => said,
        _ => format!("({said})"),
    }
}

/// A name that has names of columns in it, those that the optimiser made as what they compute.
fn spelled(mut name: String, schema: &DFSchema, names: &[String]) -> String {
    if name.contains("__common_expr") {
        let made = schema.fields().iter().zip(names).filter(|(field, _)| field.name().starts_with("__common_expr"));
        // The later one may begin like an earlier one.
        for (field, shown) in made.collect::<Vec<_>>().into_iter().rev() {
            name = name.replace(field.name().as_str(), shown);
        }
    }
    name
}

fn internal(what: &str) -> DataFusionError {
    DataFusionError::Internal(format!("the planner came upon {what}"))
}

/// What has no operator. Most of it is refused with its place before planning; this is the net below.
fn refused(plan: &LogicalPlan) -> DataFusionError {
    let (what, hint) = match plan {
        LogicalPlan::Sort(_) => {
            ("ORDER BY has no meaning for a result that keeps changing", "leave it out and order when you read")
        }
        LogicalPlan::Unnest(_) => {
            ("UNNEST stands in FROM, behind the table", "write FROM t CROSS JOIN UNNEST(t.items) AS u (item)")
        }
        _ => ("this query is not supported", "write SELECT, FROM, WHERE, GROUP BY, HAVING and UNION ALL"),
    };
    placed(Problem::at(Span::empty(), what).hint(hint))
}
