//! The clauses of a call: each is one that a function of its kind has, or is refused by name. The planner passes over the others, and
//! answers as if they were not there.

use std::collections::{HashMap, HashSet};

use datafusion_sql::sqlparser::ast::{
    BinaryOperator, DuplicateTreatment, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentClause,
    FunctionArgumentList, FunctionArguments, Spanned, Value, ValueWithSpan, WindowSpec, WindowType,
};
use datafusion_sql::sqlparser::tokenizer::Span;

use crate::parse::error::Problem;
use crate::parse::token::last_part;
use highwater_core::aggregate::Aggregate;
use highwater_core::registered::Registered;

/// What a function is, which says what clauses its calls have.
#[derive(Clone, Copy)]
enum Kind<'a> {
    /// Of the values of one row.
    Scalar,
    /// GROUPING.
    Grouping,
    /// A number for a row among others.
    Ranking,
    /// LAG and LEAD.
    Shift,
    Aggregate(&'a dyn Aggregate),
}

/// What GROUPING is called; of several keys `GROUPING(a, b)` and `GROUPING_ID(a, b)` are the same number.
pub(crate) const GROUPING: [&str; 2] = ["grouping", "grouping_id"];

/// The names of rankings, and of the functions that read another row.
const RANKINGS: [&str; 3] = ["row_number", "rank", "dense_rank"];
const SHIFTS: [&str; 2] = ["lag", "lead"];

/// Names of functions that are no function by themselves: what they mean is written another way, or depends on where they stand.
pub(crate) const OTHERS: [&str; 20] = [
    "grouping",
    "grouping_id",
    "row_number",
    "rank",
    "dense_rank",
    "lag",
    "lead",
    "first",
    "last",
    "prev",
    "next",
    "classifier",
    "ifnull",
    "nvl",
    "make_map",
    "unnest",
    "tumble",
    "hop",
    "cumulate",
    "session",
];

/// The functions that a program may call.
#[derive(Debug)]
pub(crate) struct Callable {
    aggregates: HashMap<String, Registered<dyn Aggregate>>,
    scalars: HashSet<String>,
}

impl Callable {
    /// These aggregates, and the scalar functions of these names.
    pub(crate) fn new<'a>(
        aggregates: &[Registered<dyn Aggregate>],
        scalars: impl Iterator<Item = &'a str>,
    ) -> Callable {
        let named = |function: &Registered<dyn Aggregate>| {
            let names = std::iter::once(function.name()).chain(function.aliases().iter().copied());
            names.map(|name| (name.to_lowercase(), function.clone())).collect::<Vec<_>>()
        };
        let scalars = scalars.chain(["ifnull", "nvl", "make_map"]).map(str::to_lowercase).collect();
        Callable { aggregates: aggregates.iter().flat_map(named).collect(), scalars }
    }

    /// The aggregate function that a name in lower case means.
    pub(crate) fn aggregate(&self, name: &str) -> Option<&Registered<dyn Aggregate>> {
        self.aggregates.get(name)
    }

    /// Whether a name in lower case means a scalar function.
    pub(crate) fn is_scalar(&self, name: &str) -> bool {
        self.scalars.contains(name)
    }

    fn kind(&self, name: &str) -> Option<Kind<'_>> {
        if let Some(function) = self.aggregate(name) {
            return Some(Kind::Aggregate(&**function));
        }
        Some(match () {
            () if GROUPING.contains(&name) => Kind::Grouping,
            () if RANKINGS.contains(&name) => Kind::Ranking,
            () if SHIFTS.contains(&name) => Kind::Shift,
            () if self.is_scalar(name) => Kind::Scalar,
            () => return None,
        })
    }
}

/// Whether an aggregate takes what WITHIN GROUP orders by as its argument.
pub(crate) fn of_ordered_set(name: &str) -> bool {
    name.contains("percentile") || name.contains("quantile") || name == "median"
}

/// Refuses the first clause of a call that a function of its kind has not, and arguments that are none.
pub(crate) fn check(callable: &Callable, function: &Function) -> Result<(), Problem> {
    // Every field by name: one more of the parser's does not compile.
    let Function { name, uses_odbc_syntax: _, parameters, args, filter, null_treatment, over, within_group } = function;
    let called = last_part(name);
    let (shown, span) = (called.to_uppercase(), name.span());
    let refuse = |what: String, hint: String| Err(Problem::at(span, what).hint(hint));
    if *parameters != FunctionArguments::None {
        return refuse(
            format!("{shown} has one list of arguments, and here are two"),
            format!("write all of them in one: {shown}(a, b)"),
        );
    }
    let list = match args {
        FunctionArguments::List(list) => Some(list),
        FunctionArguments::None => None,
        FunctionArguments::Subquery(_) if called == "array" => {
            return refuse(
                "ARRAY(SELECT ...) is not supported".to_owned(),
                "write (SELECT ARRAY_AGG(x) FROM t)".to_owned(),
            );
        }
        FunctionArguments::Subquery(_) => {
            return refuse(
                format!("a subquery as an argument of {shown} stands in parentheses of its own"),
                format!("write {shown}((SELECT MAX(x) FROM t))"),
            );
        }
    };
    if let Some(lambda) = list.and_then(|list| list.args.iter().find(|arg| is_lambda(of_arg(arg)))) {
        let problem = Problem::at(lambda.span(), format!("{shown} of a lambda is not supported"));
        return Err(problem.hint("take the items as rows, FROM t CROSS JOIN UNNEST(t.items) AS u (x), compute with x or ask WHERE x > 1, and collect them: ARRAY_AGG(x + 1)"));
    }
    if let ("to_timestamp_ltz", Some(FunctionArgumentList { args, .. })) = (called.as_str(), list)
        && let [_, precision] = args.as_slice()
        && let FunctionArgExpr::Expr(Expr::Value(ValueWithSpan { value: Value::Number(digits, _), span })) =
            of_arg(precision)
        && !matches!(digits.as_str(), "0" | "3")
    {
        let what =
            format!("TO_TIMESTAMP_LTZ takes the precision 0 (seconds) or 3 (milliseconds), and this is {digits}");
        return Err(Problem::at(*span, what).hint(
            "write TO_TIMESTAMP_LTZ(n / 1000, 3) of microseconds, TO_TIMESTAMP_LTZ(n / 1000000, 3) of nanoseconds",
        ));
    }
    let Some(kind) = callable.kind(&called) else { return Ok(()) };
    let mut clauses: Vec<&str> = Vec::new();
    if let Some(FunctionArgumentList { duplicate_treatment, args, clauses: within }) = list {
        let distinct = *duplicate_treatment == Some(DuplicateTreatment::Distinct);
        check_arguments(&shown, function, args, distinct)?;
        match duplicate_treatment {
            Some(DuplicateTreatment::Distinct) => clauses.push("DISTINCT"),
            Some(DuplicateTreatment::All) => clauses.push("ALL"),
            None => {}
        }
        clauses.extend(within.iter().map(|clause| match clause {
            FunctionArgumentClause::IgnoreOrRespectNulls(_) => NULLS,
            FunctionArgumentClause::OrderBy(_) => "ORDER BY",
            FunctionArgumentClause::Limit(_) => "LIMIT",
            FunctionArgumentClause::OnOverflow(_) => "ON OVERFLOW",
            FunctionArgumentClause::Having(_) => "HAVING",
            FunctionArgumentClause::Separator(_) => "SEPARATOR",
            FunctionArgumentClause::JsonNullClause(_) => "ON NULL",
            FunctionArgumentClause::JsonReturningClause(_) => "RETURNING",
        }));
    }
    let outside = [
        (null_treatment.is_some(), NULLS),
        (!within_group.is_empty(), "WITHIN GROUP"),
        (filter.is_some(), "FILTER"),
        (over.is_some(), "OVER"),
    ];
    clauses.extend(outside.iter().filter(|(there, _)| *there).map(|(_, clause)| *clause));
    let star = list.is_some_and(|list| list.args.iter().any(|arg| of_arg(arg) == &FunctionArgExpr::Wildcard));
    for (at, clause) in clauses.iter().enumerate() {
        let orders = |clause: &str| matches!(clause, "ORDER BY" | "WITHIN GROUP");
        if clauses[..at].iter().any(|before| before == clause || orders(before) && orders(clause)) {
            return refuse(format!("{clause} of {shown} is there twice"), "leave one of them out".to_owned());
        }
        let has = match kind {
            Kind::Scalar | Kind::Grouping => false,
            Kind::Ranking => *clause == "OVER",
            Kind::Shift => matches!(*clause, "OVER" | NULLS),
            Kind::Aggregate(function) => match *clause {
                "DISTINCT" | "ALL" | "FILTER" | "OVER" => true,
                "ORDER BY" => over.is_none(),
                NULLS => !star,
                "WITHIN GROUP" => over.is_none() && (function.ordered() || of_ordered_set(&called)),
                _ => false,
            },
        };
        if has {
            continue;
        }
        return match (kind, *clause) {
            (Kind::Scalar, _) => refuse(
                format!("{shown} is of the values of one row, and has no {clause}"),
                "leave it out; aggregates have DISTINCT, FILTER and OVER: SUM(x) FILTER (WHERE x > 0)".to_owned(),
            ),
            (Kind::Aggregate(_), "ORDER BY" | "WITHIN GROUP") if over.is_some() => refuse(
                format!("{clause} of {shown} cannot stand beside OVER, which has the order"),
                format!("write {shown}(x) OVER (ORDER BY ts)"),
            ),
            (Kind::Aggregate(_), "WITHIN GROUP") => refuse(
                format!("{shown} is the same in any order, and has no WITHIN GROUP"),
                format!("write {shown}(x)"),
            ),
            _ => refuse(format!("{clause} inside of {shown} is not supported"), "leave it out".to_owned()),
        };
    }
    match over {
        Some(WindowType::WindowSpec(spec))
            if matches!(kind, Kind::Aggregate(_)) && spec.order_by.is_empty() && spec.window_name.is_none() =>
        {
            Err(Problem::at(span, "an aggregate OVER a frame needs an order").hint(OVER_ORDER))
        }
        Some(WindowType::WindowSpec(spec)) => check_window(kind, &shown, spec),
        Some(WindowType::NamedWindow(window)) => {
            Err(Problem::at(window.span, format!("there is no window '{window}'"))
                .hint("define it behind FROM: WINDOW w AS (PARTITION BY k ORDER BY ts)"))
        }
        None => Ok(()),
    }
}

/// How to write an aggregate over a frame.
const OVER_ORDER: &str =
    "write OVER (PARTITION BY k ORDER BY ts RANGE BETWEEN INTERVAL '1' MINUTE PRECEDING AND CURRENT ROW)";

/// Whether an argument is `x -> x + 1`, or `(x, y) -> x + y`; what stands before the arrow of JSON is a column too, and behind it a text or a number.
fn is_lambda(arg: &FunctionArgExpr) -> bool {
    let FunctionArgExpr::Expr(Expr::BinaryOp { left, op: BinaryOperator::Arrow, right }) = arg else {
        return matches!(arg, FunctionArgExpr::Expr(Expr::Lambda(_)));
    };
    let names = |expr: &Expr| match expr {
        Expr::Identifier(_) => true,
        Expr::Tuple(names) => names.iter().all(|name| matches!(name, Expr::Identifier(_))),
        _ => false,
    };
    names(left) && !matches!(right.as_ref(), Expr::Value(_))
}

const NULLS: &str = "IGNORE NULLS and RESPECT NULLS";

fn of_arg(arg: &FunctionArg) -> &FunctionArgExpr {
    match arg {
        FunctionArg::Unnamed(arg) | FunctionArg::Named { arg, .. } | FunctionArg::ExprNamed { arg, .. } => arg,
    }
}

fn check_arguments(shown: &str, function: &Function, args: &[FunctionArg], distinct: bool) -> Result<(), Problem> {
    let refuse = |what: String, hint: String| Err(Problem::at(function.name.span(), what).hint(hint));
    for arg in args {
        if !matches!(arg, FunctionArg::Unnamed(_)) {
            return refuse(
                format!("the arguments of {shown} have no names"),
                format!("write the values in their order: {shown}(a, b)"),
            );
        }
        match of_arg(arg) {
            FunctionArgExpr::Expr(_) => {}
            FunctionArgExpr::Wildcard if shown == "COUNT" && args.len() == 1 => {
                if distinct {
                    return refuse(
                        "COUNT(DISTINCT *) is not supported".to_owned(),
                        "write COUNT(*) over the rows that differ: SELECT COUNT(*) FROM (SELECT DISTINCT * FROM t) q; or name the columns: COUNT(DISTINCT a, b), which passes over rows with NULL in one of them".to_owned(),
                    );
                }
            }
            // A pattern counts the rows of a variable so; elsewhere it is refused when it is planned.
            FunctionArgExpr::QualifiedWildcard(_) if shown == "COUNT" && args.len() == 1 && !distinct => {}
            // JSON_ARRAYAGG makes one of what it is given.
            _ if shown == "ROW" => {
                return refuse("* stands where one value does".to_owned(), "name a column".to_owned());
            }
            _ => {
                return refuse(
                    format!("{shown} does not take *"),
                    format!(
                        "name a column: {shown}({}x); COUNT(*) counts rows",
                        if distinct { "DISTINCT " } else { "" }
                    ),
                );
            }
        }
    }
    Ok(())
}

fn check_window(kind: Kind<'_>, shown: &str, spec: &WindowSpec) -> Result<(), Problem> {
    let WindowSpec { window_name, partition_by: _, order_by: _, window_frame } = spec;
    if let Some(window) = window_name {
        return Err(Problem::at(window.span, format!("there is no window '{window}'"))
            .hint("define it behind FROM: WINDOW w AS (PARTITION BY k ORDER BY ts)"));
    }
    if let (Kind::Ranking | Kind::Shift, Some(frame)) = (kind, window_frame) {
        let what = format!("{shown} goes by the order alone, and has no frame of {}", frame.units);
        return Err(Problem::at(spec.order_by.first().map_or_else(Span::empty, Spanned::span), what)
            .hint("leave the frame out: OVER (PARTITION BY k ORDER BY ts)"));
    }
    Ok(())
}
