//! Subqueries in ON of an outer join that read both sides.
//!
//! A row that such a condition leaves without a partner is still there, so it cannot be a condition on the joined rows. What it holds of are
//! pairs of values: those of the columns that it reads, of both sides. They become a relation of their own, distinct, which
//! the side that is NULL without a partner is joined with; the outer join compares the rest of them with its other side. So each
//! pair of rows that meets is there once, and no row of the other side is lost.

use std::sync::Arc;

use datafusion_common::{Column, JoinType, Result};
use datafusion_expr::utils::conjunction;
use datafusion_expr::{Distinct, Expr, Filter, Join, LogicalPlan};

use super::columns::{column_of, joined, read};
use super::pull::same;
use super::{Unnest, only, refused};
use crate::logical::identity::Identity;
use crate::logical::scope::projected;
use crate::logical::shared;

impl Unnest<'_> {
    /// The join of these sides, on conditions without subqueries and some (`asking`) with such as read both sides.
    pub(super) fn on_pairs(
        &mut self,
        join: Join,
        sides: [LogicalPlan; 2],
        conditions: Vec<Expr>,
        asking: Vec<Expr>,
    ) -> Result<LogicalPlan> {
        if !matches!(join.join_type, JoinType::Left | JoinType::Right) {
            return refused(
                "a subquery in ON of a FULL JOIN reads both sides",
                "write the LEFT JOIN, and UNION ALL the rows of the other side of which NOT EXISTS (SELECT 1 FROM a WHERE ...) is true",
            );
        }
        let shown = join.schema.columns();
        let mut conditions = conditions;
        conditions.extend(join.on.into_iter().map(|(left, right)| left.eq(right)));
        let [left, right] = sides.map(|side| shared::rows(side, self.fresh, self.finished));
        let (mut left, mut right) = (left?, right?);
        let mut columns: Vec<Column> = Vec::new();
        for column in asking.iter().map(read).collect::<Result<Vec<_>>>()?.into_iter().flatten() {
            if (left.schema().has_column(&column) || right.schema().has_column(&column)) && !columns.contains(&column) {
                columns.push(column);
            }
        }
        let pairs = self.pairs([&left, &right], &conditions, asking, &columns)?;
        let own = pairs.schema().columns();
        let side = if join.join_type == JoinType::Left { &mut right } else { &mut left };
        let (mut within, mut between) = (Vec::new(), conditions);
        for (column, own) in columns.into_iter().zip(own) {
            let to = if side.schema().has_column(&column) { &mut within } else { &mut between };
            to.push(same(Expr::Column(column), Expr::Column(own)));
        }
        *side = joined(side.clone(), pairs, within, JoinType::Inner)?;
        only(joined(left, right, between, join.join_type)?, shown)
    }

    /// The distinct values of these columns in rows of both sides of which all holds.
    fn pairs(
        &mut self,
        [left, right]: [&LogicalPlan; 2],
        conditions: &[Expr],
        asking: Vec<Expr>,
        columns: &[Column],
    ) -> Result<LogicalPlan> {
        let met = joined(left.clone(), right.clone(), conditions.to_vec(), JoinType::Inner)?;
        let met = match conjunction(asking) {
            Some(asking) => self.filter(Filter::try_new(asking, Arc::new(met))?)?,
            None => met,
        };
        // The same relations as those that it is joined with, but not the same columns.
        let met = Identity::new(self.fresh).plan(&only(met, columns.to_vec())?)?;
        let named = met.schema().columns().into_iter().zip(columns);
        let named: Vec<Expr> = named.map(|(own, of)| self.fresh.named(Expr::Column(own), &of.name)).collect();
        let own = named.iter().map(column_of).collect();
        only(LogicalPlan::Distinct(Distinct::All(Arc::new(projected(met, named)?))), own)
    }
}
