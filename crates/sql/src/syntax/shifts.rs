//! `LAG(x, n, default)` and `LAG(x) IGNORE NULLS`, as what the planner reads.

use datafusion_sql::sqlparser::ast::{
    BinaryOperator, CaseWhen, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentClause, FunctionArguments,
    Ident, NullTreatment, ObjectName, Spanned, Value, WindowFrame, WindowFrameBound, WindowFrameUnits, WindowSpec,
    WindowType, helpers::attached_token::AttachedToken,
};

use crate::parse::error::Problem;
use crate::parse::made::call;
use crate::parse::token::last_part;

/// The expression that such a call of LAG is; `None` if it is a plain one, or none at all.
pub(crate) fn rewritten(function: &mut Function) -> Result<Option<Expr>, Problem> {
    let name = last_part(&function.name);
    if name != "lag" && name != "lead" {
        return Ok(None);
    }
    let (Some(WindowType::WindowSpec(over)), FunctionArguments::List(list)) = (&function.over, &mut function.args)
    else {
        return Ok(None);
    };
    let mut nulls = function.null_treatment.take();
    list.clauses.retain(|clause| match clause {
        FunctionArgumentClause::IgnoreOrRespectNulls(treatment) => {
            nulls = Some(*treatment);
            false
        }
        _ => true,
    });
    let args: Vec<&Expr> = list.args.iter().filter_map(plain).collect();
    if name == "lead" || args.len() != list.args.len() {
        return Ok(None);
    }
    let (over, span) = (over.clone(), function.name.span());
    Ok(match (nulls, args.as_slice()) {
        (Some(NullTreatment::IgnoreNulls), [value, back @ ..]) => {
            if back.first().is_some_and(|back| !is_one(back)) {
                return Err(Problem::at(span, "LAG with IGNORE NULLS reads the last row that has a value, not one further back")
                    .hint("write LAG(x, n) over the rows that have one: SELECT ..., LAG(x, 2) OVER (ORDER BY ts) FROM (SELECT * FROM t WHERE x IS NOT NULL) q"));
            }
            let (value, default) = ((*value).clone(), back.get(1).map(|default| (*default).clone()));
            let last = last_before(function, value, over);
            Some(default.map_or_else(|| last.clone(), |default| call("coalesce", vec![last.clone(), default])))
        }
        (_, [_, back, default]) => {
            let (back, default) = ((*back).clone(), (*default).clone());
            Some(with_default(function, over, back, default))
        }
        _ => None,
    })
}

fn plain(arg: &FunctionArg) -> Option<&Expr> {
    match arg {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr),
        _ => None,
    }
}

fn is_one(expr: &Expr) -> bool {
    matches!(expr, Expr::Value(value) if matches!(&value.value, Value::Number(number, _) if number == "1"))
}

/// The last value that is not NULL of the rows before: that of a frame, which passes over NULL.
fn last_before(function: &Function, value: Expr, over: WindowSpec) -> Expr {
    let mut last = function.clone();
    last.name = ObjectName::from(vec![Ident::with_span(function.name.span(), "last_value")]);
    if let FunctionArguments::List(list) = &mut last.args {
        list.args = vec![FunctionArg::Unnamed(FunctionArgExpr::Expr(value))];
    }
    let one = Expr::value(Value::Number("1".to_owned(), false));
    let frame = WindowFrame {
        units: WindowFrameUnits::Rows,
        start_bound: WindowFrameBound::Preceding(None),
        end_bound: Some(WindowFrameBound::Preceding(Some(Box::new(one)))),
    };
    last.over = Some(WindowType::WindowSpec(WindowSpec { window_frame: Some(frame), ..over }));
    Expr::Function(last)
}

/// The default where no row is there, and else what LAG says of it, be it NULL.
fn with_default(function: &Function, over: WindowSpec, back: Expr, default: Expr) -> Expr {
    let mut lag = function.clone();
    if let FunctionArguments::List(list) = &mut lag.args {
        list.args.pop();
    }
    let mut there = function.clone();
    there.name = ObjectName::from(vec![Ident::with_span(function.name.span(), "count")]);
    if let FunctionArguments::List(list) = &mut there.args {
        list.args = vec![FunctionArg::Unnamed(FunctionArgExpr::Wildcard)];
    }
    let bound = || WindowFrameBound::Preceding(Some(Box::new(back.clone())));
    let frame = WindowFrame { units: WindowFrameUnits::Rows, start_bound: bound(), end_bound: Some(bound()) };
    there.over = Some(WindowType::WindowSpec(WindowSpec { window_frame: Some(frame), ..over }));
    let absent = Expr::BinaryOp {
        left: Box::new(Expr::Function(there)),
        op: BinaryOperator::Eq,
        right: Box::new(Expr::value(Value::Number("0".to_owned(), false))),
    };
    Expr::Case {
        case_token: AttachedToken::empty(),
        end_token: AttachedToken::empty(),
        operand: None,
        conditions: vec![CaseWhen { condition: absent, result: default }],
        else_result: Some(Box::new(Expr::Function(lag))),
    }
}
