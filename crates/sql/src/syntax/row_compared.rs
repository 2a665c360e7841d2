//! `(a, b) < (c, d)`, `(a, b) IN ((1, 2), (3, 4))`: rows compared part by part, in SQL's three values. To the planner a row in
//! parentheses is a value of its own, which is compared as values are sorted: NULL equal to NULL, and below every other.

use datafusion_sql::sqlparser::ast::{BinaryOperator, Expr, Query, SelectItem, SetExpr, Spanned, UnaryOperator};
use datafusion_sql::sqlparser::tokenizer::Span;

use super::depth::tree;
use super::row_in;
use crate::parse::error::Problem;
use crate::parse::walk::{self, Flow, Part};

/// Takes rows that are compared with rows apart, and with subqueries of one.
pub(crate) fn step(part: Part<'_>) -> Flow {
    match part {
        Part::Done(expr) => walk::flow(rewritten(expr).map(|apart| {
            if let Some(apart) = apart {
                *expr = Expr::Nested(Box::new(apart));
            }
        })),
        _ => Flow::Continue(()),
    }
}

fn rewritten(expr: &Expr) -> Result<Option<Expr>, Problem> {
    Ok(match expr {
        Expr::BinaryOp { left, op, right } => match sides(left, right, expr)? {
            Some((left, right)) if is_comparison(op) => Some(compared(&left, op, &right, expr)?),
            _ => None,
        },
        Expr::IsDistinctFrom(left, right) | Expr::IsNotDistinctFrom(left, right) => match sides(left, right, expr)? {
            Some((left, right)) => {
                let pairs = pairs(&left, &right, expr)?.into_iter();
                Some(match expr {
                    Expr::IsDistinctFrom(..) => {
                        any(pairs.map(|(l, r)| Expr::IsDistinctFrom(l.into(), r.into())).collect())
                    }
                    _ => all(pairs.map(|(l, r)| Expr::IsNotDistinctFrom(l.into(), r.into())).collect()),
                })
            }
            _ => None,
        },
        Expr::Between { expr: value, negated, low, high } => match (row(value), row(low), row(high)) {
            (Some(value), Some(low), Some(high)) => {
                let within = vec![
                    compared(value, &BinaryOperator::GtEq, low, expr)?,
                    compared(value, &BinaryOperator::LtEq, high, expr)?,
                ];
                Some(unless(*negated, all(within)))
            }
            _ => None,
        },
        Expr::InList { expr: value, list, negated } => {
            let Some(value) = row(value) else { return Ok(None) };
            let mut equal = Vec::with_capacity(list.len());
            for other in list {
                let Some(other) = row(other) else { return Ok(None) };
                equal.push(compared(value, &BinaryOperator::Eq, other, expr)?);
            }
            Some(unless(*negated, any(equal)))
        }
        Expr::IsNull(value) => {
            row(value).map(|parts| all(parts.iter().map(|part| Expr::IsNull(Box::new(part.clone()))).collect()))
        }
        Expr::IsNotNull(value) => {
            row(value).map(|parts| all(parts.iter().map(|part| Expr::IsNotNull(Box::new(part.clone()))).collect()))
        }
        _ => None,
    })
}

/// The rows on both sides of a comparison.
type Sides = (Vec<Expr>, Vec<Expr>);

/// Those of a comparison of rows, of which one may be a subquery of one row.
fn sides(left: &Expr, right: &Expr, whole: &Expr) -> Result<Option<Sides>, Problem> {
    let asked = |row: &[Expr], query: &Query| {
        let items = match query.body.as_ref() {
            SetExpr::Select(select) => select.projection.as_slice(),
            _ => &[],
        };
        let plain = |item: &SelectItem| matches!(item, SelectItem::UnnamedExpr(_) | SelectItem::ExprWithAlias { .. });
        if !items.is_empty() && items.iter().all(plain) && items.len() != row.len() {
            return Err(unequal(row.len(), items.len(), whole));
        }
        Ok(row_in::values(query, row.len()))
    };
    Ok(match (row(left), row(right)) {
        (Some(left), Some(right)) => Some((left.to_vec(), right.to_vec())),
        (Some(left), None) => subquery(right).map(|query| Ok((left.to_vec(), asked(left, query)?))).transpose()?,
        (None, Some(right)) => subquery(left).map(|query| Ok((asked(right, query)?, right.to_vec()))).transpose()?,
        (None, None) => None,
    })
}

fn subquery(expr: &Expr) -> Option<&Query> {
    match expr {
        Expr::Subquery(query) => Some(query),
        Expr::Nested(inner) => subquery(inner),
        _ => None,
    }
}

fn row(expr: &Expr) -> Option<&[Expr]> {
    match expr {
        Expr::Tuple(parts) => Some(parts),
        Expr::Nested(inner) => row(inner),
        _ => None,
    }
}

fn is_comparison(op: &BinaryOperator) -> bool {
    use BinaryOperator::{Eq, Gt, GtEq, Lt, LtEq, NotEq};
    matches!(op, Eq | NotEq | Lt | LtEq | Gt | GtEq)
}

fn pairs(left: &[Expr], right: &[Expr], whole: &Expr) -> Result<Vec<(Expr, Expr)>, Problem> {
    if left.len() != right.len() || left.is_empty() {
        return Err(unequal(left.len(), right.len(), whole));
    }
    Ok(left.iter().cloned().zip(right.iter().cloned()).collect())
}

fn unequal(left: usize, right: usize, whole: &Expr) -> Problem {
    let message = format!("a row of {left} is compared with a row of {right}");
    Problem::at(whole.span(), message).hint("write as many values on both sides: (a, b) = (c, d)")
}

fn compared(left: &[Expr], op: &BinaryOperator, right: &[Expr], whole: &Expr) -> Result<Expr, Problem> {
    let pairs = pairs(left, right, whole)?;
    let by = |op: &BinaryOperator, (left, right): (Expr, Expr)| binary(left, op.clone(), right);
    let strict = match op {
        BinaryOperator::Eq => return Ok(all(pairs.into_iter().map(|pair| by(op, pair)).collect())),
        BinaryOperator::NotEq => return Ok(any(pairs.into_iter().map(|pair| by(op, pair)).collect())),
        BinaryOperator::Lt | BinaryOperator::LtEq => BinaryOperator::Lt,
        _ => BinaryOperator::Gt,
    };
    // a < c, or a = c and the rest is less.
    let mut pairs = pairs.into_iter().rev();
    let last = pairs.next().map(|pair| by(op, pair));
    let whole = pairs.fold(last, |rest, pair| {
        let same = by(&BinaryOperator::Eq, pair.clone());
        let rest = rest.map_or_else(|| same.clone(), |rest| binary(same.clone(), BinaryOperator::And, rest));
        Some(binary(by(&strict, pair), BinaryOperator::Or, Expr::Nested(Box::new(rest))))
    });
    whole.map(|whole| Expr::Nested(Box::new(whole))).ok_or_else(|| Problem::at(Span::empty(), "a row has values"))
}

fn unless(negated: bool, expr: Expr) -> Expr {
    match negated {
        true => Expr::UnaryOp { op: UnaryOperator::Not, expr: Box::new(Expr::Nested(Box::new(expr))) },
        false => expr,
    }
}

fn binary(left: Expr, op: BinaryOperator, right: Expr) -> Expr {
    Expr::BinaryOp { left: Box::new(left), op, right: Box::new(right) }
}

fn all(parts: Vec<Expr>) -> Expr {
    tree(parts, &|left, right| binary(left, BinaryOperator::And, right))
}

fn any(parts: Vec<Expr>) -> Expr {
    tree(parts, &|left, right| binary(left, BinaryOperator::Or, right))
}
