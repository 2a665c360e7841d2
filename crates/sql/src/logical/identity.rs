//! The identity of columns: right behind the planner every column gets a name that no other has.
//!
//! SQL knows columns by names that depend on where they are read; rules that rewrite a plan carry columns to other places,
//! where the same name is another column. So what makes a column (a scan, a computed column of a projection, a grouping, a
//! window function) makes it under a qualifier of its own, `t#7`, and the name that it had stays as it is: a plan shows it,
//! messages leave the number out ([`readable`]). What only renames (aliases of relations) is gone. Columns of outer queries
//! are bound here too, innermost query first, as SQL does.

use std::collections::HashSet;
use std::rc::Rc;
use std::sync::Arc;

use datafusion_common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion_common::{Column, DFSchema, DataFusionError, Result, ScalarValue, SchemaError, TableReference};
use datafusion_expr::expr::{Alias, Exists, InSubquery, SetComparison};
use datafusion_expr::logical_plan::{DistinctOn, Subquery};
use datafusion_expr::utils::grouping_set_to_exprlist;
use datafusion_expr::{
    Aggregate, Distinct, Expr, Extension, Filter, Join, JoinConstraint, LogicalPlan, RecursiveQuery, Union, Window, lit,
};
use datafusion_sql::sqlparser::tokenizer::Span;

use super::numbered;
use super::rank_call::with_rows;
use super::scope::{Names, both, names, projected};
use super::select_list::{self, Apart, Aside};
use super::shown::{called, shown};
use super::unnest::{asks, outside};
use crate::parse::error::Problem;
use crate::parse::error::{from_planner, placed};

/// Qualifiers that nothing else has.
#[derive(Debug, Default)]
pub(crate) struct Fresh(usize);

impl Fresh {
    /// Qualifiers that nobody has either who began at the first.
    pub(crate) fn far() -> Fresh {
        Fresh(usize::MAX / 2)
    }

    /// The next one; `of` is what it shows.
    pub(crate) fn qualifier(&mut self, of: &str) -> TableReference {
        self.0 += 1;
        TableReference::bare(format!("{of}#{}", self.0))
    }

    /// An expression as a column of its own.
    pub(crate) fn named(&mut self, expr: Expr, name: &str) -> Expr {
        let qualifier = self.qualifier("");
        expr.alias_qualified(Some(qualifier), name)
    }
}

/// A text without the numbers of qualifiers: `t#7.price` is `t.price`, `#8.total` is `total`.
pub(crate) fn readable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('#') {
        let digits = rest[at + 1..].bytes().take_while(u8::is_ascii_digit).count();
        let behind = &rest[at + 1 + digits..];
        out.push_str(&rest[..at]);
        if digits == 0 {
            out.push('#');
            rest = behind;
            continue;
        }
        let named = out.ends_with(|c: char| c.is_alphanumeric() || c == '_');
        // What has a number stands in parentheses.
        if let Some(end) = closing(behind).filter(|_| !named) {
            out.push_str(&readable(&behind[1..end]));
            rest = &behind[end + 1..];
            continue;
        }
        rest = if named { behind } else { behind.strip_prefix('.').unwrap_or(behind) };
    }
    out.push_str(rest);
    out
}

/// Where the parenthesis is closed that a text begins with.
fn closing(text: &str) -> Option<usize> {
    let (mut depth, mut quoted) = (0_usize, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'\'' => quoted = !quoted,
            b'(' if !quoted => depth += 1,
            b')' if !quoted && depth == 1 => return Some(at),
            b')' if !quoted => depth -= 1,
            _ if at == 0 => return None,
            _ => {}
        }
    }
    None
}

/// Gives identities.
pub(crate) struct Identity<'a> {
    fresh: &'a mut Fresh,
    /// The queries around the one at hand, outermost first.
    outer: Vec<Rc<Names>>,
    /// The recursions so far: one that is read twice is computed once.
    recursions: Vec<(RecursiveQuery, LogicalPlan)>,
    /// Keys of the grouping at hand that ask subqueries, and the columns that they are.
    below: Vec<(Expr, Column)>,
}

impl<'a> Identity<'a> {
    pub(crate) fn new(fresh: &'a mut Fresh) -> Identity<'a> {
        Identity { fresh, outer: Vec::new(), recursions: Vec::new(), below: Vec::new() }
    }

    /// The plan with columns that have an identity, in their places.
    pub(crate) fn plan(&mut self, plan: &LogicalPlan) -> Result<LogicalPlan> {
        Ok(match plan {
            LogicalPlan::TableScan(scan) => {
                let table = scan.table_name.table().to_owned();
                self.scan(plan, &table)?
            }
            LogicalPlan::SubqueryAlias(alias) => match alias.input.as_ref() {
                scan @ LogicalPlan::TableScan(_) => self.scan(scan, alias.alias.table())?,
                input => self.plan(input)?,
            },
            LogicalPlan::Subquery(lateral) => self.plan(&lateral.subquery)?,
            LogicalPlan::Projection(projection) => {
                self.projection(&projection.input, &projection.expr, &projection.schema)?
            }
            LogicalPlan::Filter(filter) => {
                let input = self.plan(&filter.input)?;
                let predicate = self.expr(filter.predicate.clone(), &names(&filter.input, &input))?;
                LogicalPlan::Filter(Filter::try_new(predicate, Arc::new(input))?)
            }
            LogicalPlan::Join(join) => self.join(join)?,
            LogicalPlan::Aggregate(aggregate) => self.aggregate(aggregate)?,
            LogicalPlan::Window(window) => {
                let input = self.plan(&window.input)?;
                let names = names(&window.input, &input);
                let exprs = window.window_expr.iter().map(|expr| {
                    let computed = self.expr(expr.clone().unalias(), &names)?;
                    Ok(self.fresh.named(with_rows(computed, input.schema()), &shown(expr)))
                });
                let exprs = exprs.collect::<Result<Vec<_>>>()?;
                LogicalPlan::Window(Window::try_new(exprs, Arc::new(input))?)
            }
            LogicalPlan::Union(union) => {
                let union = self.union(union)?;
                self.renamed(union, plan.schema())?
            }
            LogicalPlan::Distinct(Distinct::All(input)) => match input.as_ref() {
                // What is distinct is the union itself, which nested ones are merged with.
                LogicalPlan::Union(union) => {
                    let union = LogicalPlan::Distinct(Distinct::All(Arc::new(self.union(union)?)));
                    self.renamed(union, plan.schema())?
                }
                input => LogicalPlan::Distinct(Distinct::All(Arc::new(self.plan(input)?))),
            },
            LogicalPlan::Distinct(Distinct::On(on)) if select_list::is_marked(on) => {
                self.projection(&on.input, &on.select_expr, &on.schema)?
            }
            LogicalPlan::Distinct(Distinct::On(on)) => self.distinct_on(on)?,
            LogicalPlan::RecursiveQuery(query) => self.recursion(query)?,
            LogicalPlan::Values(_) | LogicalPlan::EmptyRelation(_) => {
                let names = Names::none();
                let own = plan.clone().map_expressions(|expr| Ok(Transformed::yes(self.expr(expr, &names)?)))?.data;
                if own.schema().fields().is_empty() { own } else { self.renamed(own, plan.schema())? }
            }
            other => self.any(other)?,
        })
    }

    fn projection(&mut self, input: &LogicalPlan, list: &[Expr], shown: &DFSchema) -> Result<LogicalPlan> {
        let new = self.plan(input)?;
        let names = names(input, &new);
        let exprs = self.list(list, shown, &names)?;
        projected(new, exprs)
    }

    /// The items of a list by their identities.
    fn list(&mut self, list: &[Expr], shown: &DFSchema, names: &Rc<Names>) -> Result<Vec<Expr>> {
        let mut taken: HashSet<Column> = HashSet::new();
        let mut exprs = Vec::with_capacity(list.len());
        for (written, field) in list.iter().zip(shown.fields()) {
            let expr = self.expr(written.clone().unalias(), names)?;
            exprs.push(match expr {
                Expr::Column(column) if column.name == *field.name() && taken.insert(column.clone()) => {
                    Expr::Column(column)
                }
                other => self.fresh.named(other, &called(written, field.name())),
            });
        }
        Ok(exprs)
    }

    /// The plan of a query of whose list columns were set aside, and these columns, if they are there.
    pub(crate) fn short(&mut self, plan: &LogicalPlan, aside: &Aside) -> Result<Option<(LogicalPlan, Apart)>> {
        let LogicalPlan::Projection(projection) = plan else { return Ok(None) };
        if matches!(projection.input.as_ref(), LogicalPlan::Aggregate(_) | LogicalPlan::Window(_)) {
            return Ok(None);
        }
        let new = self.plan(&projection.input)?;
        let names = names(&projection.input, &new);
        let Some(apart) = aside.found(&names, self.fresh) else { return Ok(None) };
        let exprs = self.list(&projection.expr, &projection.schema, &names)?;
        Ok(Some((projected(new, exprs)?, apart)))
    }

    fn scan(&mut self, plan: &LogicalPlan, shown: &str) -> Result<LogicalPlan> {
        let LogicalPlan::TableScan(scan) = plan else { return datafusion_common::internal_err!("a scan") };
        let qualifier = self.fresh.qualifier(shown);
        let schema = DFSchema::try_from_qualified_schema(qualifier, scan.projected_schema.as_arrow())?;
        let mut scan = scan.clone();
        scan.projected_schema = Arc::new(schema);
        Ok(LogicalPlan::TableScan(scan))
    }

    fn join(&mut self, join: &Join) -> Result<LogicalPlan> {
        let left = self.plan(&join.left)?;
        let lateral = self.is_lateral(join, &left)?;
        if lateral {
            self.outer.push(names(&join.left, &left));
        }
        let right = self.plan(&join.right);
        if lateral {
            self.outer.pop();
        }
        let right = right?;
        let sides = [names(&join.left, &left), names(&join.right, &right)];
        let both = both(&sides[0], &sides[1])?;
        let mut on = Vec::new();
        for (l, r) in &join.on {
            on.push((self.expr(l.clone(), &sides[0])?, self.expr(r.clone(), &sides[1])?));
        }
        let filter = join.filter.clone().map(|filter| self.expr(filter, &both)).transpose()?;
        let (left, right) = (Arc::new(left), Arc::new(right));
        let (kind, nulls) = (join.join_type, join.null_equality);
        let joined = Join::try_new(left, right, on, filter, kind, JoinConstraint::On, nulls, join.null_aware)?;
        Ok(LogicalPlan::Join(joined))
    }

    /// Whether the right side of a join reads the row of the left, which is `left` by now. The planner marks a side that does so
    /// itself; one of which only a subquery does looks like any other.
    fn is_lateral(&self, join: &Join, left: &LogicalPlan) -> Result<bool> {
        if join.right.exists(|plan| Ok(matches!(plan, LogicalPlan::Subquery(_))))? {
            return Ok(true);
        }
        let own = names(&join.left, left);
        let mut read = outside(&join.right)?;
        read.retain(|column| own.find(column).is_some());
        if let Some(column) = read.iter().find(|column| self.outer.iter().any(|names| names.find(column).is_some())) {
            let what = format!("{column} is a column beside this query and one outside of both");
            return Err(placed(
                Problem::at(Span::empty(), what).hint("give one of the two relations another name: FROM t AS u"),
            ));
        }
        Ok(!read.is_empty())
    }

    fn aggregate(&mut self, aggregate: &Aggregate) -> Result<LogicalPlan> {
        let input = self.plan(&aggregate.input)?;
        let names = names(&aggregate.input, &input);
        let sets = matches!(aggregate.group_expr.as_slice(), [Expr::GroupingSet(_)]);
        // GROUPING(x) finds its argument among the keys as they are written.
        let plain = sets || aggregate.aggr_expr.iter().any(is_grouping);
        let written = grouping_set_to_exprlist(&aggregate.group_expr)?;
        let input = self.asked_below(input, &written, &names)?;
        let each = if sets { aggregate.group_expr.iter().collect() } else { written.clone() };
        let (mut keys, mut taken) = (Vec::new(), Vec::new());
        for key in each {
            let expr = self.expr(key.clone().unalias(), &names)?;
            keys.push(match expr {
                Expr::Column(column) if !taken.contains(&column) => {
                    taken.push(column.clone());
                    Expr::Column(column)
                }
                other if plain => other,
                other => self.fresh.named(other, &shown(key)),
            });
        }
        let mut calls = Vec::new();
        for call in &aggregate.aggr_expr {
            let expr = self.expr(call.clone().unalias(), &names)?;
            calls.push(self.fresh.named(expr, &shown(call)));
        }
        self.below.clear();
        let new = LogicalPlan::Aggregate(Aggregate::try_new(Arc::new(input), keys, calls)?);
        if !plain {
            return Ok(new);
        }
        let texts = written.into_iter().map(shown).collect::<Vec<_>>();
        let mut exprs = Vec::new();
        for (at, column) in new.schema().columns().into_iter().enumerate() {
            exprs.push(match (&column.relation, texts.get(at)) {
                (None, Some(text)) => self.fresh.named(Expr::Column(column), text),
                // The sets' number is read by GROUPING alone, which is not told from the keys until later: it keeps its place.
                (None, None) => self.fresh.named(lit(ScalarValue::Null), &column.name),
                _ => Expr::Column(column),
            });
        }
        projected(new, exprs)
    }

    /// The rows of a grouping with the keys that ask subqueries as columns: what is the key is one column wherever it is written.
    fn asked_below(&mut self, input: LogicalPlan, keys: &[&Expr], names: &Rc<Names>) -> Result<LogicalPlan> {
        let mut exprs: Vec<Expr> = input.schema().columns().into_iter().map(Expr::Column).collect();
        let mut below = Vec::new();
        for key in keys.iter().filter(|key| asks(key)) {
            let asked = Expr::clone(key).unalias();
            let expr = self.expr(asked.clone(), names)?;
            let named = self.fresh.named(expr, &shown(key));
            let Expr::Alias(Alias { relation, name, .. }) = &named else { continue };
            below.push((asked, Column::new(relation.clone(), name.as_str())));
            exprs.push(named);
        }
        if below.is_empty() {
            return Ok(input);
        }
        self.below = below;
        projected(input, exprs)
    }

    fn union(&mut self, union: &Union) -> Result<LogicalPlan> {
        let mut inputs = Vec::new();
        for input in &union.inputs {
            inputs.push(Arc::new(match input.as_ref() {
                LogicalPlan::Union(inner) => self.union(inner)?,
                LogicalPlan::Distinct(Distinct::All(inner)) => match inner.as_ref() {
                    LogicalPlan::Union(inner) => LogicalPlan::Distinct(Distinct::All(Arc::new(self.union(inner)?))),
                    _ => self.plan(input)?,
                },
                other => self.plan(other)?,
            }));
        }
        Ok(LogicalPlan::Union(Union::try_new_with_loose_types(inputs)?))
    }

    /// `DISTINCT ON (k) ... ORDER BY k, x`: the first row of each key.
    fn distinct_on(&mut self, on: &DistinctOn) -> Result<LogicalPlan> {
        let input = self.plan(&on.input)?;
        let names = names(&on.input, &input);
        let keys = on.on_expr.iter().map(|expr| self.expr(expr.clone(), &names)).collect::<Result<Vec<_>>>()?;
        let mut order = Vec::new();
        for sort in on.sort_expr.iter().flatten() {
            let expr = self.expr(sort.expr.clone(), &names)?;
            if !keys.contains(&expr) {
                order.push(sort.with_expr(expr));
            }
        }
        if order.is_empty() {
            let place = match on.on_expr.first() {
                Some(Expr::Column(column)) => column.spans.first().map(from_planner),
                _ => None,
            };
            let place = place.unwrap_or_else(Span::empty);
            let problem = Problem::at(place, "DISTINCT ON keeps the first row of each key, and here none is the first");
            return Err(placed(problem.hint("write ORDER BY key, x: the key, then what says which row is the first")));
        }
        let first = super::unnest::first_rows(input, keys, order, (0, 1), self.fresh)?;
        let mut exprs = Vec::new();
        for (expr, field) in on.select_expr.iter().zip(on.schema.fields()) {
            let computed = self.expr(expr.clone().unalias(), &names)?;
            exprs.push(self.fresh.named(computed, &called(expr, field.name())));
        }
        projected(first, exprs)
    }

    fn recursion(&mut self, query: &RecursiveQuery) -> Result<LogicalPlan> {
        let known = self.recursions.iter().find(|(known, _)| known == query).map(|(_, plan)| plan.clone());
        let plan = match known {
            Some(plan) => plan,
            None => {
                let (start, step) = (self.plan(&query.static_term)?, self.plan(&query.recursive_term)?);
                let (start, step) = (Arc::new(start), Arc::new(step));
                let named = RecursiveQuery::try_new(query.name.clone(), start, step, query.is_distinct)?;
                let plan = LogicalPlan::RecursiveQuery(named);
                self.recursions.push((query.clone(), plan.clone()));
                plan
            }
        };
        let schema = Arc::clone(plan.schema());
        self.renamed(plan, &schema)
    }

    /// A node that passes its input's columns on, or makes some that have no identity yet.
    fn any(&mut self, plan: &LogicalPlan) -> Result<LogicalPlan> {
        let mut inputs = Vec::new();
        let mut known = Names::none();
        for input in plan.inputs() {
            let new = self.plan(input)?;
            known = both(&known, &names(input, &new))?;
            inputs.push(new);
        }
        let exprs = plan.expressions().into_iter().map(|expr| self.expr(expr, &known));
        let exprs = exprs.collect::<Result<Vec<_>>>()?;
        let new = match plan {
            LogicalPlan::Extension(extension) => {
                LogicalPlan::Extension(Extension { node: extension.node.with_exprs_and_inputs(exprs, inputs)? })
            }
            other => other.with_new_exprs(exprs, inputs)?,
        };
        let own = new.schema().columns();
        let passes = |column: &Column| new.inputs().iter().any(|input| input.schema().has_column(column));
        if own.iter().all(passes) {
            return Ok(new);
        }
        let mut exprs = Vec::new();
        for column in own {
            let name = column.name.clone();
            let passed = passes(&column);
            let column = Expr::Column(column);
            exprs.push(if passed { column } else { self.fresh.named(column, &name) });
        }
        projected(new, exprs)
    }

    /// The plan with all columns under names of its own, which show `schema`'s.
    fn renamed(&mut self, plan: LogicalPlan, schema: &DFSchema) -> Result<LogicalPlan> {
        let columns = plan.schema().columns().into_iter().zip(schema.fields());
        let exprs = columns.map(|(column, field)| self.fresh.named(Expr::Column(column), field.name())).collect();
        projected(plan, exprs)
    }

    /// An expression over the columns of a relation, whose subqueries know them too.
    fn expr(&mut self, expr: Expr, names: &Rc<Names>) -> Result<Expr> {
        expr.transform_down(|expr| {
            let done = |expr| Ok(Transformed::new(expr, true, TreeNodeRecursion::Jump));
            if let Some((_, column)) = self.below.iter().find(|(key, _)| *key == expr) {
                return done(Expr::Column(column.clone()));
            }
            match expr {
                Expr::Column(column) => match names.find(&column) {
                    Some(found) => done(Expr::Column(found)),
                    None => Err(unknown(column, names.schema())),
                },
                Expr::OuterReferenceColumn(field, column) => {
                    // What is not bound here has its identity from further out.
                    let found = self.outer.iter().rev().find_map(|names| names.find(&column));
                    done(Expr::OuterReferenceColumn(field, found.unwrap_or(column)))
                }
                Expr::ScalarFunction(call) if let Some(asks) = numbered::within(&call) => done(self.expr(asks, names)?),
                Expr::ScalarSubquery(subquery) => done(Expr::ScalarSubquery(self.subquery(subquery, names)?)),
                Expr::Exists(Exists { subquery, negated }) => {
                    done(Expr::Exists(Exists { subquery: self.subquery(subquery, names)?, negated }))
                }
                Expr::InSubquery(InSubquery { expr, subquery, negated }) => {
                    let expr = Box::new(self.expr(*expr, names)?);
                    let subquery = self.subquery(subquery, names)?;
                    done(Expr::InSubquery(InSubquery { expr, subquery, negated }))
                }
                Expr::SetComparison(SetComparison { expr, subquery, op, quantifier }) => {
                    let expr = Box::new(self.expr(*expr, names)?);
                    let subquery = self.subquery(subquery, names)?;
                    done(Expr::SetComparison(SetComparison { expr, subquery, op, quantifier }))
                }
                other => Ok(Transformed::no(other)),
            }
        })
        .data()
    }

    fn subquery(&mut self, subquery: Subquery, names: &Rc<Names>) -> Result<Subquery> {
        self.outer.push(Rc::clone(names));
        let below = std::mem::take(&mut self.below);
        let plan = self.plan(&subquery.subquery);
        self.below = below;
        self.outer.pop();
        Ok(Subquery { subquery: Arc::new(plan?), ..subquery })
    }
}

fn is_grouping(expr: &Expr) -> bool {
    matches!(expr.clone().unalias(), Expr::AggregateFunction(call) if call.func.name() == "grouping")
}

fn unknown(column: Column, schema: &DFSchema) -> DataFusionError {
    let error = SchemaError::FieldNotFound { field: Box::new(column), valid_fields: schema.columns() };
    DataFusionError::SchemaError(Box::new(error), Box::new(None))
}

#[cfg(test)]
mod tests {
    use super::readable;

    #[test]
    fn numbers_of_qualifiers_are_not_shown() {
        for (text, shown) in [
            ("t#7.price > #8.total", "t.price > total"),
            ("MAX(a_1#12.x)", "MAX(a_1.x)"),
            ("'#' and #, # 3", "'#' and #, # 3"),
            (
                "sum(#1((<subquery>)) + #12(EXISTS (<subquery>))) > t#7.x",
                "sum((<subquery>) + EXISTS (<subquery>)) > t.x",
            ),
            ("EXISTS#2, max(w)#3, #4(x = 'a)' OR #5(y))", "EXISTS, max(w), x = 'a)' OR y"),
        ] {
            assert_eq!(readable(text), shown);
        }
    }
}
