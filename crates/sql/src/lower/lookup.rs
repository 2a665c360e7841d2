//! Joins `FOR SYSTEM_TIME AS OF` (J4): with a reference table as it is when a row arrives, with a versioned table (a source
//! with a primary key and a watermark) as it was at the row's event time. What changes later rewrites nothing.

use std::sync::Arc;

use datafusion_common::{DFSchema, Result};
use datafusion_physical_expr::expressions::Column;
use datafusion_sql::sqlparser::tokenizer::Span;

use super::join::place;
use super::{Lowering, Relation};
use crate::logical::scalar::{columns_of, conjunction, substitute};
use crate::parse::column_type::is_time;
use crate::parse::error::Problem;
use crate::parse::error::placed;
use highwater_core::plan::join::lookup_facts;
use highwater_core::plan::{Emit, Join, JoinKind, Lookup, Node, NodeId, Op, Scalar};

/// What a join says of versions: places in the lists of its two sides.
pub(super) struct AsOf {
    /// The time that the table is read as of, among what the left side must have.
    pub(super) time: usize,
    /// The table's primary key, among what the right side must have.
    pub(super) keys: Vec<usize>,
    /// Whether the versions are those of event time.
    versioned: bool,
    /// Conditions on the table that say what is done with a version, not which one it is; over the node's columns.
    held: Vec<Scalar>,
}

/// A lookup over columns of its inputs.
pub(super) struct LookupDraft {
    pub(super) kind: JoinKind,
    pub(super) nodes: [NodeId; 2],
    pub(super) keys: Vec<(usize, usize)>,
    pub(super) time: usize,
    pub(super) table_key: Vec<usize>,
    pub(super) residual: Option<Scalar>,
    pub(super) versions: AsOf,
}

fn refuse<T>(message: impl Into<String>, hint: &str) -> Result<T> {
    Err(placed(Problem::at(Span::empty(), message).hint(hint)))
}

impl AsOf {
    /// Reads a marker over the columns of both sides, of which the left has `width`.
    pub(super) fn read(
        (time, keys): (Scalar, Vec<Scalar>),
        exprs: &mut [Vec<Scalar>; 2],
        width: usize,
        schema: &DFSchema,
    ) -> Result<AsOf> {
        if columns_of(&time).last().is_none_or(|&last| last >= width) || !is_time(&time.data_type(schema.as_arrow())?) {
            return refuse(
                "FOR SYSTEM_TIME AS OF is followed by something that is no time of the other side",
                "write JOIN t FOR SYSTEM_TIME AS OF s.ts, where s.ts is a TIMESTAMP(3) column of what t is joined to",
            );
        }
        let time = place(&mut exprs[0], time);
        let of_right = |index: usize| Arc::new(Column::new(schema.field(index).name(), index - width)) as Scalar;
        let keys = keys.into_iter().map(|key| Ok(place(&mut exprs[1], substitute(key, &of_right)?)));
        Ok(AsOf { time, keys: keys.collect::<Result<_>>()?, versioned: false, held: Vec::new() })
    }
}

impl Lowering<'_> {
    /// Looks at what versions are read from. Which version a row meets does not depend on conditions on the table.
    pub(super) fn versions(&self, table: &mut Relation, as_of: &mut AsOf) -> Result<()> {
        match self.arena.nodes[table.node].op {
            Op::Table { .. } => {}
            Op::Source { .. } => {
                as_of.versioned = true;
                as_of.held = std::mem::take(&mut table.filter);
            }
            _ => {
                return refuse(
                    "FOR SYSTEM_TIME AS OF reads tables only",
                    "name what CREATE TABLE declares; a plain join follows every change of a view",
                );
            }
        }
        Ok(())
    }

    /// The node of a lookup: the columns of both sides.
    pub(super) fn lookup(&mut self, draft: LookupDraft) -> Result<NodeId> {
        let LookupDraft { kind, nodes, keys, time, table_key, residual, versions } = draft;
        if !matches!(kind, JoinKind::Inner | JoinKind::Left) {
            return refuse("FOR SYSTEM_TIME AS OF stands behind JOIN or LEFT JOIN only", "write LEFT JOIN");
        }
        let [left, right] = nodes.map(|node| self.arena.facts(node).clone());
        if !left.append_only {
            return refuse(
                "FOR SYSTEM_TIME AS OF joins rows that are never taken back, and these may be",
                "join them plainly; or leave 'changelog' out of the source, and EMIT CHANGES out of windows below, which then emit when they close",
            );
        }
        if versions.versioned && !right.append_only {
            return refuse(
                "FOR SYSTEM_TIME AS OF an event time reads versions that came as rows, and rows of this table come and go",
                "leave 'changelog' out of the table: each row is a version then; or join it plainly",
            );
        }
        let owner = self.owner.clone();
        if !versions.versioned {
            let join = Join {
                kind,
                keys,
                nulls_equal: false,
                order: Vec::new(),
                residual,
                expiry: [Vec::new(), Vec::new()],
                emit: Emit::Final,
                transient: true,
                retracting: [false, !right.append_only],
                owner,
                told: Vec::new(),
            };
            return self.add_join(join, nodes);
        }
        if keys.is_empty() {
            return refuse(
                "a join AS OF a time needs equal keys",
                "write ON s.key = t.key, with all columns of the table's primary key",
            );
        }
        let by_key = keys.iter().all(|(_, right)| table_key.contains(right))
            && table_key.iter().all(|column| keys.iter().any(|(_, right)| right == column));
        if !by_key {
            return refuse(
                "a join with versions AS OF an event time is by the table's whole primary key",
                "write ON s.key = t.key for every column of the primary key, other conditions behind AND",
            );
        }
        let Some(from) = right.time else {
            return refuse(
                "the table has no event time: from when is a version valid?",
                "declare WATERMARK FOR ts AS ts in it; a table without a connector needs none",
            );
        };
        let bounds = [left.bounds.get(time).copied().flatten(), right.bounds[from]];
        let [Some(left_bound), Some(right_bound)] = bounds else {
            return refuse(
                "it never becomes certain which version was valid: a side accepts rows however late, or its time has no watermark",
                "use the event-time column, and give both sources a lateness they can live with, like '1 hour'",
            );
        };
        let schema = self.both(nodes);
        let width = self.arena.width(nodes[0]);
        let on_right = |index: usize| crate::logical::scalar::column(&schema, width + index);
        let held = versions.held.into_iter().map(|condition| substitute(condition, &on_right));
        let residual = conjunction(residual.map(Ok).into_iter().chain(held).collect::<Result<Vec<_>>>()?);
        let lookup = Lookup {
            keys,
            times: (time, from),
            sequence: right.sequence,
            offsets_ms: [left_bound, right_bound],
            outer: kind == JoinKind::Left,
            residual,
            owner,
        };
        let facts = lookup_facts(&lookup, [&left, &right]);
        let known = self.arena.known(nodes[0]);
        let op = Op::Lookup(lookup);
        Ok(self.arena.add(Node { op, inputs: nodes.to_vec(), schema: Arc::new(schema), facts }, known))
    }
}
