//! `(a, b) IN (SELECT x, y ...)`: the planner compares one value with one column, so a row on either side is a call,
//! `__row(a, b) IN (SELECT __row(x, y) ...)`, until the comparison is taken apart again. Of `(a, b) = (SELECT x, y ...)` each part is compared
//! with a column of the subquery's one row.

use arrow_schema::DataType;
use datafusion_common::{Result, internal_err};
use datafusion_expr::{
    ColumnarValue, Expr, LogicalPlan, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use datafusion_sql::sqlparser::ast::{
    self, Ident, Query, SelectItem, SetExpr, Spanned, TableAlias, TableAliasColumnDef, TableFactor, TableWithJoins,
};

use crate::parse::made::{call, empty};
use crate::parse::walk::{Flow, Part};

/// The name of the call.
const NAME: &str = "__row";

/// Puts calls in the place of rows that are compared with subqueries.
pub(crate) fn step(part: Part<'_>) -> Flow {
    let Part::Done(expr) = part else { return Flow::Continue(()) };
    let (row, subquery) = match expr {
        ast::Expr::InSubquery { expr, subquery, .. } => (expr, subquery),
        ast::Expr::AnyOp { left, right, .. } | ast::Expr::AllOp { left, right, .. } => match right.as_mut() {
            ast::Expr::Subquery(subquery) => (left, subquery),
            _ => return Flow::Continue(()),
        },
        _ => return Flow::Continue(()),
    };
    let ast::Expr::Tuple(parts) = row.as_mut() else { return Flow::Continue(()) };
    let span = subquery.as_ref().span();
    let names: Vec<Ident> = (0..parts.len()).map(|n| Ident::with_span(span, format!("__part{n}"))).collect();
    **row = call(NAME, std::mem::take(parts));
    let below = std::mem::replace(subquery.as_mut(), empty());
    **subquery = of_rows(below, names);
    Flow::Continue(())
}

/// `SELECT __row(...) FROM (query) AS __rows(...)`.
fn of_rows(query: Query, names: Vec<Ident>) -> Query {
    let parts = names.iter().cloned().map(ast::Expr::Identifier).collect();
    over(query, names, SelectItem::ExprWithAlias { expr: call(NAME, parts), alias: Ident::new("__row") })
}

/// The columns of a subquery of one row, each as a value: `(SELECT a FROM (query) AS __rows(a, b))`.
pub(crate) fn values(query: &Query, count: usize) -> Vec<ast::Expr> {
    let span = query.span();
    let names: Vec<Ident> = (0..count).map(|n| Ident::with_span(span, format!("__part{n}"))).collect();
    let one = |name: &Ident| {
        let item = SelectItem::UnnamedExpr(ast::Expr::Identifier(name.clone()));
        ast::Expr::Subquery(Box::new(over(query.clone(), names.clone(), item)))
    };
    names.iter().map(one).collect()
}

/// `SELECT item FROM (query) AS __rows(...)`.
fn over(query: Query, names: Vec<Ident>, item: SelectItem) -> Query {
    let columns = names.into_iter().map(|name| TableAliasColumnDef { name, data_type: None }).collect();
    let alias = TableAlias { explicit: true, name: Ident::new("__rows"), columns, at: None };
    let relation = TableFactor::Derived { lateral: false, subquery: Box::new(query), alias: Some(alias), sample: None };
    let mut rows = empty();
    if let SetExpr::Select(select) = rows.body.as_mut() {
        select.projection = vec![item];
        select.from = vec![TableWithJoins { relation, joins: Vec::new() }];
    }
    rows
}

/// The parts of a row, if that is what an expression is.
pub(crate) fn parts(expr: &Expr) -> Option<Vec<Expr>> {
    match expr {
        Expr::ScalarFunction(call) if call.func.name() == NAME => Some(call.args.clone()),
        _ => None,
    }
}

/// What an expression compares: the parts of a row, or itself.
pub(crate) fn parts_mut(expr: &mut Expr) -> &mut [Expr] {
    if parts(expr).is_none() {
        return std::slice::from_mut(expr);
    }
    match expr {
        Expr::ScalarFunction(row) => &mut row.args,
        other => std::slice::from_mut(other),
    }
}

/// The rows that a row is compared with: the relation, and the parts over it.
pub(crate) fn rows(plan: LogicalPlan) -> Result<(LogicalPlan, Vec<Expr>)> {
    let LogicalPlan::Projection(projection) = &plan else { return internal_err!("rows are made by a projection") };
    match projection.expr.first().and_then(|expr| parts(&expr.clone().unalias())) {
        Some(parts) => Ok((projection.input.as_ref().clone(), parts)),
        None => internal_err!("rows are compared with rows"),
    }
}

/// The call as the planner sees it.
pub(crate) fn udf() -> ScalarUDF {
    ScalarUDF::new_from_impl(Row { signature: Signature::variadic_any(Volatility::Immutable) })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Row {
    signature: Signature,
}

impl ScalarUDFImpl for Row {
    fn name(&self) -> &str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> Result<ColumnarValue> {
        internal_err!("a row is compared with the rows of a subquery only")
    }
}
