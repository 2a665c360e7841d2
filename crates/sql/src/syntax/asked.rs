//! Orders and limits in subqueries that say nothing there: of EXISTS and IN no order counts, and of EXISTS no limit but 0.

use datafusion_sql::sqlparser::ast::{Expr, LimitClause, Query, Value};

use crate::parse::walk::{Flow, Part};

/// Takes them out.
pub(crate) fn step(part: Part<'_>) -> Flow {
    if let Part::Expr(expr) = part {
        match expr {
            Expr::Exists { subquery, .. } => {
                if says_nothing(subquery) {
                    subquery.limit_clause = None;
                }
                unordered(subquery);
            }
            Expr::InSubquery { subquery, .. } => unordered(subquery),
            Expr::AnyOp { right, .. } | Expr::AllOp { right, .. } => {
                if let Expr::Subquery(subquery) = right.as_mut() {
                    unordered(subquery);
                }
            }
            _ => {}
        }
    }
    Flow::Continue(())
}

fn unordered(query: &mut Query) {
    if query.limit_clause.is_none() && query.fetch.is_none() {
        query.order_by = None;
    }
}

/// Whether a limit lets a row through if there is one.
fn says_nothing(query: &Query) -> bool {
    let Some(LimitClause::LimitOffset { limit: Some(Expr::Value(limit)), offset: None, limit_by }) =
        &query.limit_clause
    else {
        return false;
    };
    let some = matches!(&limit.value, Value::Number(number, _) if number.parse::<u64>().is_ok_and(|number| number > 0));
    some && limit_by.is_empty()
}
