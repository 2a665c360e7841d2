//! GROUPING SETS, ROLLUP and CUBE: every row once per set, the keys that are not of the set NULL, with the set's id.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion_common::{Result, ScalarValue};
use datafusion_expr::utils::{enumerate_grouping_sets, grouping_set_to_exprlist};
use datafusion_expr::{Aggregate, Expr, GroupingSet};
use datafusion_physical_expr::expressions::Literal;

use super::scalar::{column, columns_of};
use super::{Lowering, Relation, internal};
use crate::plan::Scalar;

/// The name of the column with the set's id.
const GROUPING_ID: &str = Aggregate::INTERNAL_GROUPING_ID;

/// The sets of a grouping.
pub(super) struct Sets {
    /// All keys, once each.
    pub(super) keys: Vec<Expr>,
    /// Per set, which keys it has.
    pub(super) members: Vec<Vec<bool>>,
    /// Per set its id: a bit per key that it lacks, the first key highest; above them, which of equal sets it is.
    pub(super) ids: Vec<u64>,
}

/// The sets, if the grouping has any.
pub(super) fn sets(aggregate: &Aggregate) -> Result<Option<Sets>> {
    let [Expr::GroupingSet(_)] = aggregate.group_expr.as_slice() else { return Ok(None) };
    let keys: Vec<Expr> = grouping_set_to_exprlist(&aggregate.group_expr)?.into_iter().cloned().collect();
    // A lone ROLLUP or CUBE is spelled out only beside another element.
    let spelled = |set: &GroupingSet| match set {
        GroupingSet::GroupingSets(sets) => sets.clone(),
        GroupingSet::Rollup(exprs) => (0..=exprs.len()).rev().map(|n| exprs[..n].to_vec()).collect(),
        GroupingSet::Cube(exprs) => {
            let subset = |bits: usize| {
                (0..exprs.len()).filter(|i| bits >> (exprs.len() - 1 - i) & 1 == 1).map(|i| exprs[i].clone()).collect()
            };
            (0..1_usize << exprs.len()).rev().map(subset).collect()
        }
    };
    let spelled = match enumerate_grouping_sets(aggregate.group_expr.clone())?.first() {
        Some(Expr::GroupingSet(set)) => spelled(set),
        _ => return Err(internal("grouping sets in another form")),
    };
    let mut seen: BTreeMap<u64, u64> = BTreeMap::new();
    let mut members = Vec::new();
    let mut ids = Vec::new();
    for set in spelled {
        let has: Vec<bool> = keys.iter().map(|key| set.contains(key)).collect();
        let mask = has.iter().fold(0_u64, |mask, has| mask << 1 | u64::from(!has));
        let ordinal = seen.entry(mask).and_modify(|n| *n += 1).or_insert(0);
        ids.push(*ordinal << keys.len() | mask);
        members.push(has);
    }
    Ok(Some(Sets { keys, members, ids }))
}

impl Lowering<'_> {
    /// A relation whose first columns are the keys, with one for the id behind them. Keys of all sets that are the windows'
    /// columns stay with the windows.
    pub(super) fn expand(&mut self, mut relation: Relation, sets: &Sets) -> Result<Relation> {
        let (keys, rest) = relation.columns.split_at(sets.keys.len());
        let always = |key: usize| sets.members.iter().all(|has| has[key]);
        let width = self.arena.width(relation.node);
        let reads_window = |expr: &Scalar| columns_of(expr).last().is_some_and(|&last| last >= width);
        let stays = |i: usize, expr: &Scalar| always(i) && reads_window(expr);
        let windows_elsewhere = keys.iter().enumerate().any(|(i, key)| reads_window(key) && !stays(i, key))
            || rest.iter().any(reads_window)
            || relation.filter.iter().any(reads_window)
            || relation.pending.as_ref().is_some_and(|pending| !pending.partition.is_empty());
        relation = if windows_elsewhere { self.run(relation)? } else { self.settle(relation)? };
        let width = self.arena.width(relation.node);
        let schema = Arc::clone(self.arena.schema(relation.node));
        let in_node = |expr: &Scalar| columns_of(expr).last().is_none_or(|&last| last < width);
        let shown: Vec<usize> = (0..relation.columns.len()).filter(|&i| in_node(&relation.columns[i])).collect();
        let n = sets.keys.len();
        let id_type = datafusion_expr::Aggregate::grouping_id_type(
            n,
            sets.ids.iter().map(|id| (id >> n) as usize).max().unwrap_or(0),
        );
        let mut types = Vec::new();
        for &i in &shown {
            types.push((relation.names[i].clone(), relation.columns[i].data_type(&schema)?));
        }
        types.push((GROUPING_ID.to_owned(), id_type.clone()));
        let mut branches = Vec::new();
        for (has, id) in sets.members.iter().zip(&sets.ids) {
            let mut columns = Vec::new();
            for &i in &shown {
                let expr = &relation.columns[i];
                columns.push(match i < n && !has[i] {
                    true => Arc::new(Literal::new(ScalarValue::try_from(expr.data_type(&schema)?)?)) as Scalar,
                    false => Arc::clone(expr),
                });
            }
            columns.push(Arc::new(Literal::new(ScalarValue::UInt64(Some(*id)).cast_to(&id_type)?)));
            let names = types.iter().map(|(name, _)| name.clone()).collect();
            branches.push(Relation {
                node: relation.node,
                pending: None,
                ranked: None,
                filter: relation.filter.clone(),
                columns,
                names,
            });
        }
        // The union carries the event time along: pending windows go by it.
        let union = self.concat(branches, &types)?;
        let schema = Arc::clone(self.arena.schema(union));
        let pending = match relation.pending.take() {
            Some(pending) => {
                let Some(time) = self.arena.facts(union).time else { return Err(internal("windows without a time")) };
                Some(super::Pending { time, ..pending })
            }
            None => None,
        };
        let windows = super::relation::window_columns(self.arena.width(union));
        let mut columns: Vec<Scalar> = Vec::new();
        for (i, expr) in relation.columns.iter().enumerate() {
            if i == n {
                columns.push(column(&schema, shown.len()));
            }
            columns.push(match shown.iter().position(|&shown| shown == i) {
                Some(at) => column(&schema, at),
                None => super::substitute(Arc::clone(expr), &|index| match index.checked_sub(width) {
                    Some(window) => Arc::clone(&windows[window]),
                    None => column(&schema, index),
                })?,
            });
        }
        if columns.len() == n {
            columns.push(column(&schema, shown.len()));
        }
        let mut names = relation.names;
        names.insert(n, GROUPING_ID.to_owned());
        Ok(Relation { node: union, pending, ranked: None, filter: Vec::new(), columns, names })
    }
}
