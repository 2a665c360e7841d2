//! The one walk through a syntax tree.
//!
//! The parser's visitors are generic over what is done at a node, and each kind of visitor compiles the walk through the
//! whole of SQL's syntax again (60,000 lines of machine-near code). So there is one visitor, and what is done is a
//! `dyn FnMut`; planning is not hot.

use std::ops::ControlFlow;

use datafusion_sql::sqlparser::ast::{Expr, Query, Select, TableFactor, VisitMut, VisitorMut};

use super::error::Problem;

/// What a step of the walk answers: go on, or stop with a problem.
pub(crate) type Flow = ControlFlow<Problem>;

/// A part of the tree, on the way in (before its children) but for [`Part::Done`] and [`Part::Left`].
pub(crate) enum Part<'a> {
    /// A query.
    Query(&'a mut Query),
    /// A SELECT.
    Select(&'a mut Select),
    /// Something in FROM.
    Factor(&'a mut TableFactor),
    /// An expression, before its children.
    Expr(&'a mut Expr),
    /// An expression, after its children: the place to rewrite it.
    Done(&'a mut Expr),
    /// A query, after all that is in it.
    Left(&'a mut Query),
}

/// Walks through a query.
pub(crate) fn query(query: &mut Query, mut step: impl FnMut(Part<'_>) -> Flow) -> Result<(), Problem> {
    result(query.visit(&mut Walk(&mut step)))
}

/// Walks through an expression.
pub(crate) fn expr(expr: &mut Expr, mut step: impl FnMut(Part<'_>) -> Flow) -> Result<(), Problem> {
    result(expr.visit(&mut Walk(&mut step)))
}

/// The answer of a step that can fail.
pub(crate) fn flow(result: Result<(), Problem>) -> Flow {
    match result {
        Ok(()) => Flow::Continue(()),
        Err(problem) => Flow::Break(problem),
    }
}

fn result(flow: Flow) -> Result<(), Problem> {
    match flow {
        Flow::Continue(()) => Ok(()),
        Flow::Break(problem) => Err(problem),
    }
}

struct Walk<'a>(&'a mut dyn FnMut(Part<'_>) -> Flow);

impl VisitorMut for Walk<'_> {
    type Break = Problem;

    fn pre_visit_query(&mut self, query: &mut Query) -> Flow {
        (self.0)(Part::Query(query))
    }

    fn post_visit_query(&mut self, query: &mut Query) -> Flow {
        (self.0)(Part::Left(query))
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> Flow {
        (self.0)(Part::Select(select))
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> Flow {
        (self.0)(Part::Factor(factor))
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> Flow {
        (self.0)(Part::Expr(expr))
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> Flow {
        (self.0)(Part::Done(expr))
    }
}
