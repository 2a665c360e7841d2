//! Joins: equal keys, conditions on times, what is left of the condition; and what frees the rows of each side.
//!
//! Semi and anti joins come from IN, EXISTS, INTERSECT and EXCEPT.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use arrow_schema::{FieldRef, Schema};
use datafusion_common::config::ConfigOptions;
use datafusion_common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion_common::{DFSchema, JoinType, NullEquality, Result, TableReference};
use datafusion_expr::{Expr, Operator};
use datafusion_physical_expr::ScalarFunctionExpr;
use datafusion_physical_expr::expressions::{BinaryExpr, Column, Literal};
use datafusion_sql::sqlparser::tokenizer::Span;

use super::arena::Known;
use super::bounds::{exact_interval_ms, literal};
use super::lookup::{AsOf, LookupDraft};
use super::origin::Said;
use super::told::{outermost, works};
use super::{Lowering, Relation, internal};
use crate::logical::identity::readable;
use crate::logical::scalar::{
    SUBQUERY, as_column, clock_time, column, columns_of, conjunction, conjuncts, physical, replaced, substitute,
};
use crate::parse::column_type::is_time;
use crate::parse::error::Problem;
use crate::parse::error::placed;
use crate::syntax::as_of::marker;
use highwater_core::expression::{Attempt, Told, can_fail};
use highwater_core::plan::join::{expiry, join_facts};
use highwater_core::plan::recursion::inside;
use highwater_core::plan::{Emit, Facts, Join, JoinKind, Node, NodeId, Op, Scalar, Side, TimeOrder};

/// A condition on times whose columns are places in the lists of the two sides.
struct Order {
    side: Side,
    earlier: usize,
    later: usize,
    gap_ms: i64,
}

impl Lowering<'_> {
    /// A join's rows. `emit` is for its topmost windows, and for rows that wait for their expiry.
    pub(super) fn join(&mut self, join: &datafusion_expr::Join, emit: Option<Emit>) -> Result<Relation> {
        if join.join_type == JoinType::LeftMark {
            return self.marked(join, emit);
        }
        self.joined(join, [None, None], emit, true)
    }

    /// The same, of sides of which some are lowered; `tells` of the pairs on which the condition fails.
    fn joined(
        &mut self,
        join: &datafusion_expr::Join,
        mut lowered: [Option<Relation>; 2],
        emit: Option<Emit>,
        tells: bool,
    ) -> Result<Relation> {
        let kind = kind(join)?;
        let inputs = [&join.left, &join.right];
        // The names by which columns are read: of both sides, and of what is shown.
        let sides: [&DFSchema; 2] = [inputs[0].schema(), inputs[1].schema()];
        let told: [&[&DFSchema]; 2] = [&sides, &[&join.schema]];
        let told = told.map(|sides| told_apart(sides, join, self.arena.said.as_ref()));
        // What each side must have as columns: those it has, then keys, then times.
        let mut exprs: [Vec<Scalar>; 2] = Default::default();
        for side in Side::BOTH {
            let schema = inputs[side as usize].schema();
            exprs[side as usize] = (0..schema.fields().len()).map(|i| column(schema.as_arrow(), i)).collect();
        }
        let widths = [exprs[0].len(), exprs[1].len()];
        let mut keys = Vec::new();
        for (left, right) in &join.on {
            let pair = [physical(left, inputs[0].schema())?, physical(right, inputs[1].schema())?];
            let pair = [outermost(pair[0].clone())?, outermost(pair[1].clone())?];
            let types = [0, 1].map(|side: usize| pair[side].data_type(inputs[side].schema().as_arrow()));
            let [Ok(left), Ok(right)] = types else { return Err(internal("a key without a type")) };
            if left != right {
                return datafusion_common::plan_err!("a join compares {left} with {right}; CAST one of them");
            }
            let works = pair.each_ref().map(|key| key.downcast_ref::<Told>().map(|told| works(told.within())));
            let [l, r] = pair;
            keys.push((place(&mut exprs[0], l), place(&mut exprs[1], r)));
            // What fails is not equal to NULL.
            if join.null_equality == NullEquality::NullEqualsNull && works.iter().any(Option::is_some) {
                let always = || Arc::new(Literal::new(true.into())) as Scalar;
                let [l, r] = works.map(|works| works.unwrap_or_else(always));
                keys.push((place(&mut exprs[0], l), place(&mut exprs[1], r)));
            }
        }
        let (mut orders, mut residual) = (Vec::new(), Vec::new());
        let mut as_of: Option<AsOf> = None;
        if let Some(filter) = &join.filter {
            let schema: DFSchema = inputs[0].schema().join(inputs[1].schema())?;
            let filter = conjuncts(&physical(filter, &schema)?);
            if let Some((time, number, keys)) = filter.iter().find_map(marker) {
                as_of = Some(AsOf::read((time, keys), &mut exprs, widths[0], &schema)?);
                self.versions.insert(number);
            }
            for conjunct in filter.into_iter().filter(|conjunct| marker(conjunct).is_none()) {
                let order = if as_of.is_some() { None } else { time_order(&conjunct, widths[0], &schema)? };
                match order {
                    Some((side, earlier, later, gap_ms)) => {
                        let earlier = place(&mut exprs[side as usize], earlier);
                        let later = place(&mut exprs[side.other() as usize], later);
                        orders.push(Order { side, earlier, later, gap_ms });
                    }
                    None => residual.push(conjunct),
                }
            }
        }
        let mut nodes = [0; 2];
        let mut places: [Vec<usize>; 2] = Default::default();
        for (side, exprs) in exprs.into_iter().enumerate() {
            let mut relation = match lowered[side].take() {
                Some(relation) => relation,
                None => {
                    let before = std::mem::replace(&mut self.as_declared, as_of.is_some() && side == 1);
                    let lowered = self.lower(inputs[side], emit);
                    self.as_declared = before;
                    lowered?
                }
            };
            if let Some(as_of) = as_of.as_mut().filter(|_| side == 1) {
                self.versions(&mut relation, as_of)?;
            }
            let (relation, columns) = self.over(relation, exprs)?;
            let mut names: Vec<String> = inputs[side].schema().fields().iter().map(|f| f.name().clone()).collect();
            names.resize(columns.len(), "__key".to_owned());
            let relation = self.run(Relation { columns, names, ..relation })?;
            let relation = self.narrowed(relation)?;
            (nodes[side], places[side]) = (relation.node, Lowering::places(&relation));
        }
        let left_width = self.arena.width(nodes[0]);
        let residual = conjunction(residual);
        let mut told_pairs = vec![None; residual.as_ref().map_or(0, |_| self.both(nodes).fields().len())];
        for (index, name) in told[0].iter().enumerate().filter(|_| residual.is_some()) {
            let at = match index.checked_sub(widths[0]) {
                Some(right) => left_width + places[1][right],
                None => places[0][index],
            };
            told_pairs[at].clone_from(name);
        }
        let residual = residual.map(|residual| {
            let schema = self.both(nodes);
            substitute(residual, &|index| {
                let at = match index.checked_sub(widths[0]) {
                    Some(right) => left_width + places[1][right],
                    None => places[0][index],
                };
                read_by(&told[0], index, &schema, at)
            })
        });
        let at = |side: Side, at: usize| places[side as usize][at];
        // A key is the same on both sides, and shown once.
        for &(left, right) in &keys {
            [places[0][left], left_width + places[1][right]].into_iter().for_each(|at| {
                told_pairs.get_mut(at).into_iter().for_each(|name: &mut Option<String>| *name = None);
            });
        }
        let order: Vec<TimeOrder> = (orders.iter())
            .map(|o| TimeOrder {
                side: o.side,
                earlier: at(o.side, o.earlier),
                later: at(o.side.other(), o.later),
                gap_ms: o.gap_ms,
            })
            .collect();
        let keys: Vec<(usize, usize)> = keys.iter().map(|&(l, r)| (places[0][l], places[1][r])).collect();
        let shown: Vec<usize> = match kind.only() {
            Some(side) => places[side as usize][..widths[side as usize]].to_vec(),
            None => {
                let right = places[1][..widths[1]].iter().map(|place| left_width + place);
                places[0][..widths[0]].iter().copied().chain(right).collect()
            }
        };
        let residual = residual.transpose()?;
        let silent = |residual: Scalar| Arc::new(Attempt::new(residual)) as Scalar;
        let residual = residual.map(|residual| if tells || !can_fail(&residual) { residual } else { silent(residual) });
        if let Some(as_of) = as_of {
            let time = places[0][as_of.time];
            let table_key = as_of.keys.iter().map(|&at| places[1][at]).collect();
            let lookup = LookupDraft { kind, nodes, keys, time, table_key, residual, versions: as_of };
            let node = self.lookup(lookup)?;
            return Ok(self.told(node, &shown, &told[1]));
        }
        // Within a loop nothing waits: a row without a partner goes on at once.
        let looped = !self.loops.is_empty() && {
            let inside = inside(&self.arena.nodes);
            nodes.iter().any(|&node| inside[node])
        };
        // Nor does a join of which no row is shown without a partner: it is the same, whatever its view emits.
        let waits = Side::BOTH.into_iter().any(|side| kind.unmatched(side));
        let emit = if looped { Emit::Changes } else { emit.filter(|_| waits).unwrap_or(Emit::Final) };
        let facts = nodes.map(|node| self.arena.facts(node));
        let join = Join {
            kind,
            expiry: expiry(&keys, &order, facts),
            keys,
            nulls_equal: join.null_equality == NullEquality::NullEqualsNull,
            order,
            residual,
            emit,
            transient: false,
            retracting: facts.map(|facts| !facts.append_only),
            owner: self.owner.clone(),
            told: told_pairs,
        };
        let node = self.add_join(join, nodes)?;
        Ok(self.told(node, &shown, &told[1]))
    }

    /// Columns of a node under the names by which they are read.
    fn told(&self, node: NodeId, shown: &[usize], told: &[Option<String>]) -> Relation {
        let schema = self.arena.schema(node);
        let columns = shown.iter().enumerate().map(|(index, &at)| read_by(told, index, schema, at));
        Relation { columns: columns.collect(), ..self.columns_of_node(node, shown) }
    }

    /// A relation that has run, over few more columns than it reads if its rows are those of a join: joins of joins would double
    /// them by the level.
    fn narrowed(&mut self, relation: Relation) -> Result<Relation> {
        let (node, facts) = (relation.node, self.arena.facts(relation.node));
        let mut read: BTreeSet<usize> = Lowering::places(&relation).into_iter().collect();
        read.extend(facts.key.iter().flatten());
        read.extend(facts.time.iter().chain(&facts.sequence).chain(&facts.closes));
        read.extend(facts.window.into_iter().flat_map(|window| [window.start, window.end, window.time]).flatten());
        if self.arena.width(node) <= 4 * read.len() + 64 || self.join_of(node).is_none() {
            return Ok(relation);
        }
        let schema = Arc::clone(self.arena.schema(node));
        let kept = read.iter().map(|&at| (schema.field(at).name().clone(), column(&schema, at))).collect();
        let node = self.arena.project(node, None, kept, &self.owner)?;
        let place = |at: usize| read.range(..at).count();
        let columns = relation.columns.iter().map(|column| replaced(Arc::clone(column), &place));
        Ok(Relation { node, columns: columns.collect::<Result<_>>()?, ..relation })
    }

    /// All left rows, and whether each has a partner: those that have one, and those that have none. Both ask the same pairs, so the
    /// first tells of those on which the condition fails, and for the other they are none: `TRY`.
    fn marked(&mut self, join: &datafusion_expr::Join, emit: Option<Emit>) -> Result<Relation> {
        // Once: a side may be such a join, and its sides too.
        let sides = [self.lower(&join.left, emit)?, self.lower(&join.right, emit)?];
        let mut branches = Vec::new();
        for (join_type, mark) in [(JoinType::LeftSemi, true), (JoinType::LeftAnti, false)] {
            let half = datafusion_expr::Join { join_type, ..join.clone() };
            let half = self.joined(&half, sides.clone().map(Some), emit, mark)?;
            let mut relation = self.run(half)?;
            relation.columns.push(Arc::new(Literal::new(mark.into())));
            relation.names.push("__mark".to_owned());
            branches.push(relation);
        }
        let fields = join.schema.fields().iter();
        let mut types: Vec<_> = fields.map(|field| (field.name().clone(), field.data_type().clone())).collect();
        // It is nobody's: no dead letter shows it.
        types.last_mut().into_iter().for_each(|(name, _)| *name = "__mark".to_owned());
        let node = self.concat(branches, &types)?;
        Ok(self.columns_of_node(node, &(0..types.len()).collect::<Vec<_>>()))
    }

    /// An expression over the rows of an inner join, their event time a column where that is what it says: `GREATEST(a.ts, b.ts)`.
    pub(super) fn as_event_time(&self, node: NodeId, expr: Scalar) -> Result<Scalar> {
        let node = &self.arena.nodes[node];
        let (Op::Map { columns, .. }, Some(time)) = (&node.op, node.facts.time) else { return Ok(expr) };
        let inner = |id: &NodeId| matches!(&self.arena.nodes[*id].op, Op::Join(join) if join.kind == JoinKind::Inner);
        let args = |expr: &Scalar| {
            let function = expr.downcast_ref::<ScalarFunctionExpr>().filter(|f| f.fun().name() == "greatest")?;
            function.args().iter().map(as_column).collect::<Option<BTreeSet<usize>>>()
        };
        let Some(times) = args(&columns[time]).filter(|_| node.inputs.iter().all(inner)) else { return Ok(expr) };
        // GREATEST is NULL if an argument is: neither time is.
        let put = |expr: Scalar| match args(&expr).as_ref() == Some(&times) {
            true => Ok(Transformed::yes(column(&node.schema, time))),
            false => Ok(Transformed::no(expr)),
        };
        expr.transform_down(put).data()
    }

    /// The columns of both nodes.
    pub(super) fn both(&self, nodes: [NodeId; 2]) -> Schema {
        let fields = nodes.iter().flat_map(|&node| self.arena.schema(node).fields().iter());
        Schema::new(fields.map(|field| field.as_ref().clone().with_nullable(true)).collect::<Vec<_>>())
    }

    /// The node of a join, with the later event time of both sides behind its columns if both have one.
    pub(super) fn add_join(&mut self, join: Join, nodes: [NodeId; 2]) -> Result<NodeId> {
        let schema = match join.kind.only() {
            Some(side) => Arc::clone(self.arena.schema(nodes[side as usize])),
            None => Arc::new(self.both(nodes)),
        };
        let [left, right] = nodes.map(|node| self.arena.facts(node).clone());
        let mut facts = join_facts(&join, [&left, &right]);
        let known = self.known_of(&join, nodes, &facts);
        let width = left.bounds.len();
        let times = left.time.zip(right.time.map(|time| time + width)).filter(|_| join.kind.only().is_none());
        let same = |facts: &Facts| facts.window.is_some_and(|window| window.time == facts.time);
        let equal = times.is_some_and(|(l, r)| {
            join.keys.contains(&(l, r - width)) || (facts.window.is_some() && same(&left) && same(&right))
        });
        let unmatched = Side::BOTH.map(|side| join.kind.unmatched(side));
        if let Some((l, r)) = times.filter(|_| equal && unmatched != [true, true]) {
            facts.time = Some(if unmatched[1] { r } else { l });
        }
        let latest = times.filter(|_| facts.time.is_none());
        let op = Op::Join(join);
        let node = self.arena.add(Node { op, inputs: nodes.to_vec(), schema, facts }, known);
        let Some((l, r)) = latest else { return Ok(node) };
        // J3: the event time of a joined row is the later of the two. A new pair has a new row in it.
        let [new_left, new_right] = [&left, &right].map(|facts| facts.time.and_then(|time| facts.bounds[time]));
        let schema = Arc::clone(self.arena.schema(node));
        let out = self.arena.facts(node);
        let mut bound = new_left.zip(new_right).map(|(l, r)| l.min(r));
        for (time, _) in [l, r].into_iter().zip(unmatched).filter(|(_, unmatched)| *unmatched) {
            bound = bound.zip(out.bounds[time]).map(|(a, b)| a.min(b));
        }
        let function = datafusion_functions::core::greatest();
        let same = schema.field(l).data_type() == schema.field(r).data_type();
        let args = [l, r].map(|at| if same { column(&schema, at) } else { clock_time(&schema, at) }).to_vec();
        let config = Arc::new(ConfigOptions::default());
        let later: Scalar = Arc::new(ScalarFunctionExpr::try_new(function, args, &schema, config)?);
        let node = self.arena.extend(node, None, vec![("__time".to_owned(), later)], &[], &self.owner)?;
        let time = self.arena.width(node) - 1;
        self.arena.set_time(node, time, bound);
        Ok(node)
    }

    fn known_of(&self, join: &Join, nodes: [NodeId; 2], facts: &Facts) -> Known {
        let [left, right] = nodes.map(|node| self.arena.known(node));
        if join.transient {
            // Nothing but a left row ever makes a row.
            return left;
        }
        if let Some(side) = join.kind.only() {
            let mut known = self.arena.known(nodes[side as usize]);
            known.lateness_ms = left.lateness_ms.zip(right.lateness_ms).map(|(a, b)| a.max(b));
            return known;
        }
        let window = facts.window.is_some();
        Known {
            lateness_ms: left.lateness_ms.zip(right.lateness_ms).map(|(a, b)| a.max(b)),
            by_start: window && left.by_start && right.by_start,
            by_end: window && left.by_end && right.by_end,
            closes: left.closes && right.closes && join.expiry.iter().all(|expiry| !expiry.is_empty()),
            emits: match (left.emits, right.emits) {
                (a, b) if a == b => a,
                (Some(a), None) | (None, Some(a)) => Some(a),
                _ => Some(Emit::Changes),
            },
        }
    }
}

fn kind(join: &datafusion_expr::Join) -> Result<JoinKind> {
    let refused = |what: &str, hint: &str| Err(placed(Problem::at(Span::empty(), what).hint(hint)));
    if join.null_aware {
        return refused(
            "NOT IN (SELECT ...) is not supported where the subquery reads the rows outside: one NULL empties its result",
            "write NOT EXISTS (SELECT 1 FROM t WHERE t.x = x AND ...), which passes over NULLs",
        );
    }
    Ok(match join.join_type {
        JoinType::Inner => JoinKind::Inner,
        JoinType::Left => JoinKind::Left,
        JoinType::Right => JoinKind::Right,
        JoinType::Full => JoinKind::Full,
        JoinType::LeftSemi => JoinKind::LeftSemi,
        JoinType::LeftAnti => JoinKind::LeftAnti,
        JoinType::RightSemi => JoinKind::RightSemi,
        JoinType::RightAnti => JoinKind::RightAnti,
        JoinType::LeftMark | JoinType::RightMark => {
            return refused("a subquery stands where it cannot be made a join", SUBQUERY);
        }
    })
}

/// The column `at` of a node under the name by which it is read as the column `index`, if there is one.
fn read_by(told: &[Option<String>], index: usize, schema: &Schema, at: usize) -> Scalar {
    match told.get(index) {
        Some(Some(name)) => Arc::new(Column::new(name, at)),
        _ => column(schema, at),
    }
}

/// The names of columns that have the relation's before them, as dead letters show them: as the statement writes them, or where it
/// does both, those of which there are two: `a.id`, `b.id`; unless one of them is of a relation that nobody named.
fn told_apart(sides: &[&DFSchema], join: &datafusion_expr::Join, said: Option<&Said>) -> Vec<Option<String>> {
    let of = |qualifier: Option<&TableReference>| qualifier.map(|name| readable(name.table())).unwrap_or_default();
    let columns = || sides.iter().flat_map(|side| side.iter());
    let mut times: HashMap<&str, (usize, bool)> = HashMap::new();
    for (qualifier, field) in columns() {
        let (times, named) = times.entry(field.name()).or_insert((0, true));
        (*times, *named) = (*times + 1, *named && !of(qualifier).is_empty());
    }
    // USING (k): what has a value on both sides has the same one.
    let both = join.join_type == JoinType::Inner || join.join_type == JoinType::Left;
    let key = |expr: &Expr, name: &str| matches!(expr, Expr::Column(column) if column.name == name);
    let shared = |name: &str| both && join.on.iter().any(|(left, right)| key(left, name) && key(right, name));
    let name = |(qualifier, field): (Option<&TableReference>, &FieldRef)| {
        let (relation, (times, named)) = (of(qualifier), times.get(field.name().as_str())?);
        let (with, bare) = said.map_or((false, false), |said| said.writes(&relation, field.name()));
        let apart = match (with, bare) {
            (true, false) => true,
            (false, true) if shared(field.name()) => false,
            _ => *times > 1 && *named,
        };
        (apart && !relation.is_empty()).then(|| format!("{relation}.{}", field.name()))
    };
    columns().map(name).collect()
}

/// Where an expression stands in a list, added if it is not there.
pub(super) fn place(exprs: &mut Vec<Scalar>, expr: Scalar) -> usize {
    if let Some(at) = exprs.iter().position(|other| **other == *expr) {
        return at;
    }
    exprs.push(expr);
    exprs.len() - 1
}

/// `(side, earlier, later, gap)` of a conjunct that says `earlier(side) + gap <= later(other side)`, both times, each over
/// the columns of its own side. `width` is the left side's.
fn time_order(conjunct: &Scalar, width: usize, schema: &DFSchema) -> Result<Option<(Side, Scalar, Scalar, i64)>> {
    let Some(binary) = conjunct.downcast_ref::<BinaryExpr>() else { return Ok(None) };
    let (earlier, later, strict) = match binary.op() {
        Operator::LtEq => (binary.left(), binary.right(), 0),
        Operator::Lt => (binary.left(), binary.right(), 1),
        Operator::GtEq => (binary.right(), binary.left(), 0),
        Operator::Gt => (binary.right(), binary.left(), 1),
        _ => return Ok(None),
    };
    let (earlier, before) = shifted(earlier);
    let (later, after) = shifted(later);
    let sides = [&earlier, &later].map(|expr| side_of(expr, width));
    let (Some(side), Some(other)) = (sides[0], sides[1]) else { return Ok(None) };
    let times = [&earlier, &later].iter().all(|expr| expr.data_type(schema.as_arrow()).is_ok_and(|t| is_time(&t)));
    if side == other || !times {
        return Ok(None);
    }
    let own = |expr: Scalar, side: Side| {
        substitute(expr, &|index| match side {
            Side::Left => column(schema.as_arrow(), index),
            Side::Right => Arc::new(Column::new(schema.field(index).name(), index - width)),
        })
    };
    let gap_ms = before.saturating_sub(after).saturating_add(strict);
    Ok(Some((side, own(earlier, side)?, own(later, other)?, gap_ms)))
}

/// The side that an expression reads, if it reads one only.
fn side_of(expr: &Scalar, width: usize) -> Option<Side> {
    let columns = columns_of(expr);
    match (columns.first()?, columns.last()?) {
        (_, &last) if last < width => Some(Side::Left),
        (&first, _) if first >= width => Some(Side::Right),
        _ => None,
    }
}

/// An expression without the intervals that are added to it, and their sum in ms.
fn shifted(expr: &Scalar) -> (Scalar, i64) {
    let mut expr = Arc::clone(expr);
    let mut sum = 0i64;
    loop {
        let Some(binary) = expr.downcast_ref::<BinaryExpr>() else { return (expr, sum) };
        let ms = |expr: &Scalar| exact_interval_ms(&literal(expr)?);
        let (inner, by) = match binary.op() {
            Operator::Plus => match (ms(binary.left()), ms(binary.right())) {
                (_, Some(by)) => (binary.left(), by),
                (Some(by), None) => (binary.right(), by),
                _ => return (expr, sum),
            },
            Operator::Minus => match ms(binary.right()) {
                Some(by) => (binary.left(), by.saturating_neg()),
                None => return (expr, sum),
            },
            _ => return (expr, sum),
        };
        sum = sum.saturating_add(by);
        let inner = Arc::clone(inner);
        expr = inner;
    }
}
