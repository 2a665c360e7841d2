//! What stands in FROM, and what columns it has: asked of the planner, relation by relation.

use arrow_schema::FieldRef;
use datafusion_common::{Result, TableReference};
use datafusion_expr::LogicalPlan;
use datafusion_expr::planner::ContextProvider;
use datafusion_sql::planner::SqlToRel;
use datafusion_sql::sqlparser::ast::helpers::attached_token::AttachedToken;
use datafusion_sql::sqlparser::ast::{
    Cte, Query, SelectItem, SetExpr, Statement, TableAlias, TableFactor, TableWithJoins, With,
};

use super::qualified;
use crate::parse::error::Problem;
use crate::parse::error::placed;
use crate::parse::made::empty;
use crate::parse::walk::{self, Flow, Part};
use crate::query::context::Context;
use crate::query::parser_options;

/// Who knows the relations that a query may read.
pub(crate) struct Relations<'a> {
    context: &'a Context,
    ctes: Vec<Cte>,
}

impl<'a> Relations<'a> {
    /// The context's and those of the query's WITHs, whose names are apart.
    pub(crate) fn of(context: &'a Context, query: &mut Query) -> Result<Relations<'a>, Problem> {
        let mut ctes: Vec<Cte> = Vec::new();
        walk::query(query, |part| {
            if let Part::Query(query) = part {
                ctes.extend(query.with.iter().flat_map(|with| &with.cte_tables).map(started));
            }
            Flow::Continue(())
        })?;
        Ok(Relations { context, ctes })
    }

    /// `SELECT * FROM factor`, for its columns.
    pub(crate) fn plan(&self, factor: TableFactor) -> Result<LogicalPlan> {
        let mut all = empty();
        if let SetExpr::Select(select) = all.body.as_mut() {
            select.projection = vec![SelectItem::Wildcard(Default::default())];
            select.from = vec![TableWithJoins { relation: factor, joins: Vec::new() }];
        }
        let mut ctes = self.ctes.clone();
        let own = walk::query(&mut all, |part| {
            if let Part::Query(Query { with: Some(with), .. }) = part {
                ctes.retain(|known| with.cte_tables.iter().all(|own| own.alias.name != known.alias.name));
            }
            Flow::Continue(())
        });
        own.map_err(placed)?;
        qualified::rewrite_with(self, &mut all).map_err(placed)?;
        if !ctes.is_empty() {
            all.with = Some(With { with_token: AttachedToken::empty(), recursive: false, cte_tables: ctes });
        }
        SqlToRel::new_with_options(self.context, parser_options())
            .sql_statement_to_plan(Statement::Query(Box::new(all)))
    }

    /// The columns of a relation by itself; none of one that cannot be planned by itself.
    pub(crate) fn columns(&self, factor: &TableFactor) -> Vec<FieldRef> {
        if let TableFactor::Table { name, alias, args: None, .. } = factor
            && alias.as_ref().is_none_or(|alias| alias.columns.is_empty())
            && let [part] = name.0.as_slice()
            && let Some(name) = part.as_ident()
            && let Ok(table) = self.context.get_table_source(TableReference::bare(name.value.as_str()))
        {
            return table.schema().fields().iter().cloned().collect();
        }
        let mut factor = factor.clone();
        if let TableFactor::Derived { lateral, .. } = &mut factor {
            *lateral = false;
        }
        self.plan(factor).map(|plan| plan.schema().fields().iter().cloned().collect()).unwrap_or_default()
    }
}

/// A relation of WITH as its columns show in its start, if it is recursive.
fn started(cte: &Cte) -> Cte {
    let mut cte = cte.clone();
    let reads = |body: &SetExpr| {
        body.to_string()
            .split(|c: char| !c.is_alphanumeric() && !['_', '#'].contains(&c))
            .any(|word| word == cte.alias.name.value)
    };
    if let SetExpr::SetOperation { left, right, .. } = cte.query.body.as_ref()
        && reads(right)
    {
        cte.query.body = left.clone();
    }
    cte
}

/// The alias of something in FROM.
pub(crate) fn alias_of(factor: &mut TableFactor) -> Option<&mut Option<TableAlias>> {
    match factor {
        TableFactor::Table { alias, .. }
        | TableFactor::Derived { alias, .. }
        | TableFactor::TableFunction { alias, .. }
        | TableFactor::Function { alias, .. }
        | TableFactor::UNNEST { alias, .. }
        | TableFactor::NestedJoin { alias, .. }
        | TableFactor::MatchRecognize { alias, .. } => Some(alias),
        _ => None,
    }
}
