//! What columns are called that nobody named: what computes them, as SQL writes it.

use datafusion_common::Column;
use datafusion_common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion_expr::expr::{AggregateFunction, ScalarFunction, Sort, WindowFunctionParams};
use datafusion_expr::{AggregateUDF, Expr, WindowFrame};

use super::aggregate_call::{Bound, counts_rows};
use super::identity::readable;
use super::numbered;
use highwater_core::expression::{WHOLE_SECONDS, operator_of};

/// What a column of a projection is called in a plan.
pub(super) fn called(expr: &Expr, name: &str) -> String {
    if matches!(expr, Expr::Column(_)) { name.to_owned() } else { shown(expr) }
}

/// The name of a column, or what computes it, without qualifiers.
pub(crate) fn shown(expr: &Expr) -> String {
    if let Expr::Alias(alias) = expr {
        return alias.name.clone();
    }
    let counts = |func: &AggregateUDF, distinct: bool, args: &[Expr]| {
        Bound::of(func).is_some_and(|bound| counts_rows(bound, distinct, args))
    };
    let bare = expr.clone().unalias().transform_down(|expr| {
        Ok(match expr {
            Expr::AggregateFunction(AggregateFunction { func, params })
                if counts(&func, params.distinct, &params.args) =>
            {
                let text = format!("{}(*)", func.name());
                let count = Expr::Column(Column::new_unqualified(text));
                Transformed::new(count, true, TreeNodeRecursion::Jump)
            }
            Expr::ScalarFunction(call) if let Some(asks) = numbered::within(&call) => Transformed::yes(asks),
            Expr::ScalarFunction(call) if let Some(text) = operator(&call) => {
                Transformed::new(Expr::Column(Column::new_unqualified(text)), true, TreeNodeRecursion::Jump)
            }
            // A name that the planner was given to tell calls apart by.
            Expr::Alias(alias) => Transformed::yes(Expr::Column(Column::new_unqualified(readable(&alias.name)))),
            Expr::Column(Column { name, .. }) | Expr::OuterReferenceColumn(_, Column { name, .. }) => {
                Transformed::yes(Expr::Column(Column::new_unqualified(name)))
            }
            // A literal as SQL writes it.
            Expr::Literal(value, _) => {
                let text = highwater_core::expression::sql_literal(&value);
                Transformed::yes(Expr::Column(Column::new_unqualified(text)))
            }
            other => Transformed::no(other),
        })
    });
    let call = |name: &str, args: &[Expr]| {
        let args = args.iter().map(|arg| arg.schema_name().to_string()).collect::<Vec<_>>().join(", ");
        let rows = name == "count" && args == "1";
        if rows { "count(*)".to_owned() } else { format!("{name}({args})") }
    };
    match bare.data() {
        Ok(Expr::AggregateFunction(AggregateFunction { func, params })) => call(func.name(), &params.args),
        Ok(Expr::WindowFunction(function)) => {
            format!("{} {}", call(function.fun.name(), &function.params.args), over(&function.params))
        }
        Ok(bare) => bare.schema_name().to_string(),
        Err(_) => String::new(),
    }
}

/// A call of what is no function in SQL, as SQL writes it; and of a function that is called by another of its names.
fn operator(call: &ScalarFunction) -> Option<String> {
    let text = |arg: &Expr| shown(arg).trim_matches('\'').to_uppercase();
    Some(match (call.func.name(), call.args.as_slice()) {
        (WHOLE_SECONDS, [_, time]) => shown(time),
        ("timestamp_floor", [unit, time]) => format!("FLOOR({} TO {})", shown(time), text(unit)),
        ("timestamp_ceil", [unit, time]) => format!("CEIL({} TO {})", shown(time), text(unit)),
        (name, [value, pattern, escape @ ..]) if let Some(word) = operator_of(name) => {
            let escape = escape.first().map_or_else(String::new, |escape| format!(" ESCAPE {}", shown(escape)));
            format!("{} {word} {}{escape}", shown(value), shown(pattern))
        }
        // One of several names of a function.
        (name, args) if !call.func.schema_name(args).ok()?.starts_with(name) => {
            format!("{name}({})", args.iter().map(shown).collect::<Vec<_>>().join(","))
        }
        _ => return None,
    })
}

/// What a window function is over, as SQL writes it; a frame that SQL means without saying it is not said.
fn over(params: &WindowFunctionParams) -> String {
    let listed = |parts: Vec<String>| parts.join(", ");
    let mut said = Vec::new();
    if !params.partition_by.is_empty() {
        let keys = params.partition_by.iter().map(|key| key.schema_name().to_string()).collect();
        said.push(format!("PARTITION BY {}", listed(keys)));
    }
    if !params.order_by.is_empty() {
        let order = |sort: &Sort| format!("{}{}", sort.expr.schema_name(), if sort.asc { "" } else { " DESC" });
        said.push(format!("ORDER BY {}", listed(params.order_by.iter().map(order).collect())));
    }
    if params.window_frame != WindowFrame::new((!params.order_by.is_empty()).then_some(false)) {
        said.push(params.window_frame.to_string());
    }
    format!("OVER ({})", said.join(" "))
}
