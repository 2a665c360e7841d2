//! Physical expressions: columns are meant by index, never by name.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema};
use datafusion_common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion_common::{DFSchema, DFSchemaRef, DataFusionError, Result, ScalarValue};
use datafusion_expr::execution_props::ExecutionProps;
use datafusion_expr::{Expr, Operator};
use datafusion_physical_expr::expressions::{BinaryExpr, CastExpr, Column, Literal, NegativeExpr};
use datafusion_physical_expr::utils::collect_columns;
use datafusion_physical_expr::{ScalarFunctionExpr, create_physical_expr};
use datafusion_sql::sqlparser::tokenizer::Span;

use crate::functions::attempt::{TOLD, TRY};
use crate::logical::identity::readable;
use crate::logical::kept::KEPT;
use crate::logical::scope::Places;
use crate::parse::column_type::TIME;
use crate::parse::error::Problem;
use crate::parse::error::placed;
use crate::syntax::depth::tree;
use highwater_core::delta::has_floats;
use highwater_core::expression::{Attempt, Bounded, Canonical, Told};
use highwater_core::plan::Scalar;

/// Where subqueries may stand.
pub(crate) const SUBQUERY: &str =
    "write IN (SELECT ...) and EXISTS as conditions of WHERE, joined by AND and OR; elsewhere a LEFT JOIN";

/// The physical form of an expression over the columns of `schema`.
pub(crate) fn physical(expr: &Expr, schema: &DFSchema) -> Result<Scalar> {
    if expr.exists(|expr| Ok(matches!(expr, Expr::Exists(_) | Expr::InSubquery(_) | Expr::ScalarSubquery(_))))? {
        let what = "a subquery stands where it cannot be made a join";
        return Err(placed(Problem::at(Span::empty(), what).hint(SUBQUERY)));
    }
    not_of_rows(expr)?;
    let made = create_physical_expr(expr, schema, &ExecutionProps::new(), &Default::default())?;
    let made = made.transform_up(|made| {
        let call = made.downcast_ref::<ScalarFunctionExpr>();
        let named = |name: &str| call.filter(|call| call.name() == name).and_then(|call| call.args().first().cloned());
        if let Some(cast) = made.downcast_ref::<CastExpr>().filter(|cast| cast.has_explicit_metadata()) {
            return of_query(cast, schema.as_arrow()).map(Transformed::yes);
        }
        Ok(match (named(TRY.name), named(TOLD.name), named(KEPT.name)) {
            (Some(tried), ..) => Transformed::yes(Arc::new(Attempt::new(tried)) as Scalar),
            (_, Some(told), _) => Transformed::yes(Arc::new(Told::new(told)) as Scalar),
            (_, _, Some(kept)) => Transformed::yes(kept),
            _ => Transformed::no(made),
        })
    });
    Ok(flat(checked(made.data()?, schema.as_arrow())?))
}

/// A cast of the query: nullable as its value is, none if that is of the type anyway.
fn of_query(cast: &CastExpr, schema: &Schema) -> Result<Scalar> {
    let (value, to) = (Arc::clone(cast.expr()), cast.cast_type());
    if value.data_type(schema)? == *to {
        return Ok(value);
    }
    let field = Field::new(cast.target_field().name(), to.clone(), value.nullable(schema)?);
    Ok(Arc::new(CastExpr::new_with_target_field(value, Arc::new(field), None)))
}

/// Refuses what is not the value of a row.
fn not_of_rows(expr: &Expr) -> Result<()> {
    let mut found = None;
    expr.apply(|part| {
        found = of_no_row(part);
        Ok(if found.is_some() { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    })?;
    found.map_or(Ok(()), |problem| Err(placed(problem)))
}

fn of_no_row(expr: &Expr) -> Option<Problem> {
    let at = |what: String| Problem::at(Span::empty(), what);
    #[expect(deprecated)]
    Some(match expr {
        Expr::OuterReferenceColumn(_, column) => at(format!(
            "a subquery reads '{}' of the query around it, which has no one value where the subquery stands",
            readable(&column.name)
        ))
        .hint("of a grouping it reads the keys, written as they are in GROUP BY, or named below: FROM (SELECT k + 1 AS x, COUNT(*) AS n FROM t GROUP BY k + 1) q; in ORDER BY, name the subquery in SELECT and order by the name"),
        Expr::AggregateFunction(call) => at(format!(
            "the aggregate '{}' stands where there is one row, not a group",
            call.func.name().to_uppercase()
        ))
        .hint("write aggregates in SELECT or HAVING; to join or compute with one, aggregate below: FROM (SELECT k, SUM(x) AS total FROM t GROUP BY k) q"),
        Expr::Wildcard { .. } => at("* stands where one value does".to_owned()).hint("name a column"),
        Expr::Placeholder(_) => at("there are no parameters in a program".to_owned()).hint("write the value itself"),
        _ => return None,
    })
}

/// The same of many, which may be those of all columns.
pub(crate) fn physicals(exprs: &[Expr], schema: &DFSchemaRef) -> Result<Vec<Scalar>> {
    let places = Places::of(schema);
    let one = |expr: &Expr| match expr {
        Expr::Column(named) => match places.find(named) {
            Some(at) => Ok(column(schema.as_arrow(), at)),
            None => physical(expr, schema),
        },
        other => physical(other, schema),
    };
    exprs.iter().map(one).collect()
}

/// The expression with floats compared by value, every NaN equal to every other, and arithmetic that fails on overflow: a row whose result its type cannot hold is a failing row, never
/// a wrong number, nor a text that is too long.
fn checked(expr: Scalar, schema: &Schema) -> Result<Scalar> {
    expr.transform_up(|expr| {
        if let Some(negated) = expr.downcast_ref::<NegativeExpr>() {
            let data_type = negated.arg().data_type(schema)?;
            if !data_type.is_integer() {
                return Ok(Transformed::no(expr));
            }
            let zero = Arc::new(Literal::new(ScalarValue::new_zero(&data_type)?));
            let negative = BinaryExpr::new(zero, Operator::Minus, Arc::clone(negated.arg()));
            return Ok(Transformed::yes(Arc::new(negative.with_fail_on_overflow(true)) as Scalar));
        }
        let makes = |expr: &Scalar| Ok::<_, DataFusionError>(expr.data_type(schema)? == DataType::Utf8);
        if expr.is::<ScalarFunctionExpr>() && makes(&expr)? {
            return Ok(Transformed::yes(Arc::new(Bounded(expr)) as Scalar));
        }
        let Some(binary) = expr.downcast_ref::<BinaryExpr>() else { return Ok(Transformed::no(expr)) };
        Ok(match binary.op() {
            Operator::StringConcat => Transformed::yes(Arc::new(Bounded(Arc::clone(&expr))) as Scalar),
            Operator::Plus | Operator::Minus | Operator::Multiply => {
                Transformed::yes(Arc::new(binary.clone().with_fail_on_overflow(true)) as Scalar)
            }
            op if op.supports_propagation() || *op == Operator::NotEq => {
                let form = |side: &Scalar| -> Result<Scalar> {
                    let other = match side.downcast_ref::<Literal>().map(Literal::value) {
                        Some(ScalarValue::Float64(Some(value))) => {
                            !value.is_nan() && value.to_bits() != (-0.0f64).to_bits()
                        }
                        _ => !has_floats(&side.data_type(schema)?) || side.is::<Canonical>(),
                    };
                    Ok(if other { Arc::clone(side) } else { Arc::new(Canonical(Arc::clone(side))) })
                };
                let (left, right) = (form(binary.left())?, form(binary.right())?);
                match Arc::ptr_eq(&left, binary.left()) && Arc::ptr_eq(&right, binary.right()) {
                    true => Transformed::no(expr),
                    false => Transformed::yes(Arc::new(BinaryExpr::new(left, *op, right)) as Scalar),
                }
            }
            _ => Transformed::no(expr),
        })
    })
    .data()
}

/// The expression with towers of AND and OR, which the optimiser makes of conditions that it gathers, as trees.
fn flat(expr: Scalar) -> Scalar {
    let op = |expr: &Scalar| {
        expr.downcast_ref::<BinaryExpr>()
            .map(|binary| *binary.op())
            .filter(|op| matches!(op, Operator::And | Operator::Or))
    };
    let flattened = expr.transform_down(|expr| {
        let Some(chained) = op(&expr) else { return Ok(Transformed::no(expr)) };
        let (mut operands, mut open) = (Vec::new(), vec![Arc::clone(&expr)]);
        while let Some(next) = open.pop() {
            match next.downcast_ref::<BinaryExpr>() {
                Some(binary) if *binary.op() == chained => {
                    open.push(Arc::clone(binary.right()));
                    open.push(Arc::clone(binary.left()));
                }
                _ => operands.push(next),
            }
        }
        Ok(Transformed::yes(joined(operands, chained)))
    });
    match flattened.data() {
        Ok(flattened) => flattened,
        Err(_) => unreachable!("joining conditions does not fail"),
    }
}

fn joined(operands: Vec<Scalar>, op: Operator) -> Scalar {
    tree(operands, &|left, right| Arc::new(BinaryExpr::new(left, op, right)) as Scalar)
}

/// All of these conditions as one, if there are any.
pub(crate) fn conjunction(conditions: impl IntoIterator<Item = Scalar>) -> Option<Scalar> {
    let conditions: Vec<Scalar> = conditions.into_iter().collect();
    (!conditions.is_empty()).then(|| joined(conditions, Operator::And))
}

/// A column of a node.
pub(crate) fn column(schema: &Schema, index: usize) -> Scalar {
    Arc::new(Column::new(schema.field(index).name(), index))
}

/// A column of times as what UTC's clocks show, where others that it meets are instants or it is one itself.
pub(crate) fn clock_time(schema: &Schema, index: usize) -> Scalar {
    match *schema.field(index).data_type() == TIME {
        true => column(schema, index),
        false => Arc::new(CastExpr::new(column(schema, index), TIME, None)),
    }
}

/// The index of a bare column.
pub(crate) fn as_column(expr: &Scalar) -> Option<usize> {
    expr.downcast_ref::<Column>().map(Column::index)
}

/// Whether an expression costs nothing: a column or a literal.
pub(crate) fn is_free(expr: &Scalar) -> bool {
    as_column(expr).is_some() || expr.is::<Literal>()
}

/// The columns that an expression reads.
pub(crate) fn columns_of(expr: &Scalar) -> BTreeSet<usize> {
    collect_columns(expr).into_iter().map(|column| column.index()).collect()
}

/// How often an expression reads each column, added to `counts`.
pub(crate) fn count_columns(expr: &Scalar, counts: &mut [usize]) {
    if let Some(index) = as_column(expr) {
        counts[index] += 1;
    }
    expr.children().into_iter().for_each(|child| count_columns(child, counts));
}

/// The expression with every column `i` replaced by `with(i)`.
pub(crate) fn substitute(expr: Scalar, with: &dyn Fn(usize) -> Scalar) -> Result<Scalar> {
    expr.transform_up(|expr| {
        Ok(match as_column(&expr) {
            Some(index) => Transformed::yes(with(index)),
            None => Transformed::no(expr),
        })
    })
    .data()
}

/// The expression over columns that stand elsewhere, under the names by which it reads them.
pub(crate) fn replaced(expr: Scalar, to: &dyn Fn(usize) -> usize) -> Result<Scalar> {
    expr.transform_up(|expr| {
        Ok(match expr.downcast_ref::<Column>() {
            Some(read) => Transformed::yes(Arc::new(Column::new(read.name(), to(read.index()))) as Scalar),
            None => Transformed::no(expr),
        })
    })
    .data()
}

/// The expression cast to a type, if it is of another one.
pub(crate) fn cast_to(expr: Scalar, wanted: &DataType, schema: &Schema) -> Result<Scalar> {
    if expr.data_type(schema)? == *wanted {
        return Ok(expr);
    }
    Ok(Arc::new(CastExpr::new(expr, wanted.clone(), None)))
}

/// The conjuncts of a condition.
pub(crate) fn conjuncts(expr: &Scalar) -> Vec<Scalar> {
    datafusion_physical_expr::split_conjunction(expr).into_iter().cloned().collect()
}
