//! GROUPING SETS, ROLLUP and CUBE: every row once per set, the keys that are not of the set NULL, with the set's id.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_schema::DataType;
use datafusion_common::{Result, ScalarValue};
use datafusion_expr::utils::{enumerate_grouping_sets, grouping_set_to_exprlist};
use datafusion_expr::{Aggregate, Expr, GroupingSet};
use datafusion_physical_expr::expressions::Literal;

use super::call::Call;
use super::{Lowering, Relation, internal};
use crate::logical::scalar::{column, columns_of};
use highwater_core::plan::{Emit, Scalar};

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

impl Sets {
    fn id_type(&self) -> DataType {
        let keys = self.keys.len();
        let repeats = self.ids.iter().map(|id| (id >> keys) as usize).max().unwrap_or(0);
        Aggregate::grouping_id_type(keys, repeats)
    }

    /// The sets that have a key, and the numbers of those that have none.
    fn apart(&self) -> (Sets, Vec<u64>) {
        let (mut keyed, mut totals) =
            (Sets { keys: self.keys.clone(), members: Vec::new(), ids: Vec::new() }, Vec::new());
        for (has, id) in self.members.iter().zip(&self.ids) {
            if has.contains(&true) {
                keyed.members.push(has.clone());
                keyed.ids.push(*id);
            } else {
                totals.push(*id);
            }
        }
        (keyed, totals)
    }
}

impl Lowering<'_> {
    /// Sets of which some have no key: each of those is a grouping of its own, with one row always, as SQL says; beside them
    /// the others. The columns are called `names`.
    pub(super) fn with_totals(
        &mut self,
        relation: Relation,
        sets: &Sets,
        calls: Vec<Call>,
        names: Vec<String>,
        emit: Option<Emit>,
    ) -> Result<(Relation, bool)> {
        let relation = self.run(relation)?;
        let keys = sets.keys.len();
        let id_type = sets.id_type();
        let schema = Arc::clone(self.arena.schema(relation.node));
        let mut types: Vec<DataType> =
            relation.columns[..keys].iter().map(|key| key.data_type(&schema)).collect::<Result<_>>()?;
        types.push(id_type.clone());
        let (keyed, totals) = sets.apart();
        let (mut branches, mut bounded) = (Vec::new(), false);
        if !keyed.members.is_empty() {
            let mut calls = calls.clone();
            calls.iter_mut().for_each(Call::behind_id);
            let expanded = self.expand(relation.clone(), &keyed)?;
            let (mut grouped, closes) = self.reduce(expanded, keys + 1, calls, emit)?;
            let schema = Arc::clone(self.arena.schema(grouped.node));
            let id = super::cast_to(Arc::clone(&grouped.columns[keys]), &id_type, &schema)?;
            grouped.columns[keys] = id;
            branches.push(grouped);
            bounded = closes;
        }
        for id in totals {
            // Of what is not aggregated there is one row, whatever the input holds.
            let mut total = match calls.is_empty() {
                true => self.one_row(true)?,
                false => self.reduce(relation.clone(), 0, calls.clone(), None)?.0,
            };
            let mut columns: Vec<Scalar> = Vec::new();
            for data_type in &types[..keys] {
                columns.push(Arc::new(Literal::new(ScalarValue::try_from(data_type)?)));
            }
            columns.push(Arc::new(Literal::new(ScalarValue::UInt64(Some(id)).cast_to(&id_type)?)));
            columns.append(&mut total.columns);
            branches.push(Relation { columns, names: names.clone(), ..total });
        }
        let schema = Arc::clone(self.arena.schema(branches[0].node));
        for column in &branches[0].columns[keys + 1..] {
            types.push(column.data_type(&schema)?);
        }
        let types: Vec<(String, DataType)> = names.into_iter().zip(types).collect();
        let union = self.concat(branches, &types)?;
        // A row is known by its keys and the number of its set.
        self.arena.set_key(union, (0..=keys).collect());
        let mut relation = self.all_of(union);
        relation.columns.truncate(types.len());
        relation.names.truncate(types.len());
        Ok((relation, bounded))
    }

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
        let id_type = sets.id_type();
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
