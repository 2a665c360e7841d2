//! What the library says of operands and arguments of types that do not fit, in our words.

use datafusion_sql::sqlparser::tokenizer::Span;

use crate::parse::error::Problem;
use highwater_core::expression::plain as in_sql;

/// What the library says of operands of types that it cannot combine, in our words.
pub(super) fn no_operands(message: &str, span: Option<Span>) -> Option<Problem> {
    let at = |what: String| Problem::at(span.unwrap_or_else(Span::empty), what);
    if let Some(types) = message.split("Cannot coerce arithmetic expression ").nth(1) {
        let types = in_sql(types.split(" to valid types").next()?);
        let time = types.contains("TIMESTAMP") || types.contains("DATE");
        let hint = match (time, types.contains("VARCHAR")) {
            _ if ["MAP<", "ROW<", "ARRAY<"].iter().any(|nested| types.contains(nested)) => {
                "calculate with a part of it: a[1], m['k'], r.field"
            }
            (false, false) if types.contains("INTERVAL") => OF_INTERVALS,
            (true, _) => "write an interval: ts + INTERVAL '5' SECOND, or n * INTERVAL '1' SECOND",
            (_, true) => "write CAST(s AS BIGINT) for a number, or s || CAST(n AS VARCHAR) for a text",
            _ => "cast one of them to the type of the other",
        };
        return Some(at(format!("there is no {types}")).hint(hint));
    }
    if let Some(types) = message.split("Cannot get result type for temporal operation ").nth(1) {
        let types = in_sql(types.split(": ").next()?);
        return Some(at(format!("there is no {types}")).hint(OF_INTERVALS));
    }
    if let Some(types) = message.split("Cannot infer common argument type for comparison operation ").nth(1) {
        let types = in_sql(types);
        let hint = match types.contains("INTERVAL") {
            true => {
                "the days between two DATEs are a number, compared with one: a - b > 1; an interval is the time between TIMESTAMPs"
            }
            false => "cast one of them to the type of the other",
        };
        return Some(at(format!("there is no {types}")).hint(hint));
    }
    if let Some(types) = message.split("Cannot infer common argument type for logical boolean operation ").nth(1) {
        return Some(
            at(format!("AND and OR take truth values, and there is no {}", in_sql(types)))
                .hint("compare each side: x <> 0 AND s = 'a'"),
        );
    }
    if let Some(rest) = message.split("There isn't a common type to coerce ").nth(1) {
        let (types, _) = rest.split_once(" in LIKE expression")?;
        return Some(
            at(format!("LIKE takes texts, and these are {}", in_sql(types))).hint("write CAST(x AS VARCHAR) LIKE '1%'"),
        );
    }
    if let Some(types) = message.split("Cannot infer common string type for string concat operation ").nth(1) {
        let what = format!("there is no {}", in_sql(types));
        return Some(at(what).hint("|| joins texts: write CAST(x AS VARCHAR) || CAST(y AS VARCHAR)"));
    }
    if let Some(rest) = message.split("Failed to coerce types ").nth(1) {
        let (types, _) = rest.split_once(" in BETWEEN expression")?;
        let (value, bound) = types.rsplit_once(" and ")?;
        let what = format!("there is no {} BETWEEN {}", in_sql(value), in_sql(bound));
        return Some(at(what).hint("cast one of them to the type of the other"));
    }
    if let Some((left, right)) = by_turns(message, "Failed to coerce then (", ") and else (") {
        let what = format!("CASE gives values of type {left} and of type {right}, which have none in common");
        return Some(at(what).hint("cast one of them to the type of the other"));
    }
    if let Some((left, right)) = by_turns(message, "Failed to coerce case (", ") and when (") {
        return Some(at(format!("there is no {left} = {right}")).hint("cast one of them to the type of the other"));
    }
    if let Some(of) = message.split("Cannot run range queries on datatype: ").nth(1) {
        let what = format!("a frame of RANGE goes back in time, and its order is of type {}", in_sql(of));
        return Some(at(what).hint("write ORDER BY ts RANGE BETWEEN INTERVAL '1' HOUR PRECEDING AND CURRENT ROW"));
    }
    if message.contains("Cannot automatically convert ") && message.contains("Interval") {
        return Some(at("there is no arithmetic of an INTERVAL and a number".to_owned()).hint(OF_INTERVALS));
    }
    if message.contains("Substring without for/from is not valid") {
        return Some(at("SUBSTRING takes a text and from where on".to_owned()).hint("write SUBSTRING(s FROM 2 FOR 3)"));
    }
    if message.contains("Unary operator '-' only supports") {
        return Some(
            at("a minus stands before numbers".to_owned())
                .hint("write -CAST(s AS BIGINT) of a text, b - a of the time a - b, or NOT before a truth value"),
        );
    }
    if message.contains("Operator DIV is not yet supported") {
        return Some(
            at("the operator // is not supported".to_owned()).hint("write a / b, which is whole for whole numbers"),
        );
    }
    if message.contains("GetFieldAccess not supported by ExprPlanner") {
        return Some(at("a part of an array, a[1:2], is not supported".to_owned()).hint("write ARRAY_SLICE(a, 1, 2)"));
    }
    if message.contains("Cannot access field at argument 1: type ") {
        return Some(
            at("this value has no fields".to_owned()).hint("of an array write a[1], or CARDINALITY(a) for its length"),
        );
    }
    None
}

/// What to write for arithmetic that intervals have not.
const OF_INTERVALS: &str =
    "write n * INTERVAL '1' SECOND for an interval, and TIMESTAMPDIFF(SECOND, a, b) for a number to calculate with";

/// The types of which a message speaks between these words.
fn by_turns(message: &str, before: &str, between: &str) -> Option<(String, String)> {
    let (rest, _) = message.split(before).nth(1)?.rsplit_once(") to common types")?;
    let (left, right) = rest.split_once(between)?;
    Some((in_sql(left), in_sql(right)))
}

/// What the library says of a call that has the wrong number of arguments, or one of a wrong type, and that has several forms.
pub(super) fn no_match(message: &str, span: Span) -> Option<Problem> {
    if message.contains("Fail to find the coerced type") {
        let given = in_sql(message.rsplit_once("but got ").map_or("another", |(_, given)| given));
        let problem = Problem::at(span, format!("these values have no type in common, of which one is {given}"));
        return Some(problem.hint(format!("write CAST(x AS {given}), or CAST both to VARCHAR")));
    }
    if let Some((_, rest)) = message.split_once("Failed to coerce arguments to satisfy a call to '") {
        let (name, rest) = rest.split_once("' function: coercion from ")?;
        let given = in_sql(rest.split(" to the signature").next()?);
        let hint = match given.contains("INTERVAL") {
            true => "write TIMESTAMPDIFF(SECOND, a, b) for a number of seconds".to_owned(),
            false => format!("write {}(CAST(x AS DOUBLE)), or of the type that it takes", name.to_uppercase()),
        };
        return Some(Problem::at(span, format!("{} does not take ({given})", name.to_uppercase())).hint(hint));
    }
    if let Some((_, name)) =
        message.split_once("Unsupported argument types ").and_then(|(_, rest)| rest.split_once(" for function "))
    {
        return Some(Problem::at(span, format!("{} does not take arguments of these types", name.to_uppercase())));
    }
    let (before, errors) = message.split_once("' failed to match any signature")?;
    let name = before.rsplit('\'').next()?.to_uppercase();
    Some(match errors.split("(DataType: ").nth(1).and_then(|rest| rest.split_once(").")) {
        Some((given, _)) => Problem::at(span, format!("{name} does not take a value of type {}", in_sql(given)))
            .hint(format!("write {name}(CAST(x AS DOUBLE)), or of the type that it takes")),
        None => Problem::at(span, format!("{name} does not take these arguments")),
    })
}

/// What the planner says of a call whose arguments fit none of a function's forms, in our words.
pub(super) fn no_signature(message: &str, span: Span) -> Option<Problem> {
    let (_, rest) = message.split_once("No function matches the given name and argument types '")?;
    let (name, given) = rest.split_once("'.")?.0.split_once('(')?;
    // What the library calls a kind of types.
    let known = |form: &str| {
        !["Coercible", "Uniform", "Signature", "Comparable", "Array"].iter().any(|kind| form.contains(kind))
    };
    let kinds = |form: &str| {
        let counted = form
            .replace("Numeric(1)", "number")
            .replace("String(1)", "text")
            .replace("Any(1)", "value")
            .replace("NullAry()", "");
        counted
            .replace("String", "text")
            .replace("Numeric", "number")
            .replace("Integer", "BIGINT")
            .replace("Native", "")
    };
    let shout =
        |call: &str| call.split_once('(').map(|(name, args)| format!("{}({}", name.to_uppercase(), in_sql(args)));
    let problem = Problem::at(span, format!("{} does not take ({}", name.to_uppercase(), in_sql(given)));
    if name.to_lowercase().starts_with("json_") {
        return Some(problem.hint(format!("write {}(s, '$.a'), its path a literal", name.to_uppercase())));
    }
    let mut forms: Vec<String> = rest
        .split("Candidate functions:")
        .nth(1)?
        .lines()
        .filter(|form| known(form))
        .filter_map(|form| shout(kinds(form.trim()).as_str()))
        .collect();
    forms.dedup();
    Some(if forms.is_empty() { problem } else { problem.hint(format!("write {}", forms.join(" or "))) })
}
