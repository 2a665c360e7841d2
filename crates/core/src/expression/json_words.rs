//! Calls of JSON's functions as SQL writes them: the engine has their clauses as arguments.

use datafusion_common::ScalarValue;
use datafusion_physical_expr::ScalarFunctionExpr;
use datafusion_physical_expr::expressions::{Column, Literal};

use super::plain::parts;
use super::words::{Sql, listed};
use super::{Scalar, plain};

/// What JSON_VALUE with a RETURNING is called, before the type.
const RETURNING: &str = "__json_value__";

/// Whether a value is one of JSON_VALUE with a RETURNING, which is cast to that type.
pub(super) fn is_returned(value: &Scalar) -> bool {
    value.downcast_ref::<ScalarFunctionExpr>().is_some_and(|call| call.name().starts_with(RETURNING))
}

/// Such a call with its clauses; `None` if it is none.
pub(super) fn json_call(call: &ScalarFunctionExpr) -> Option<String> {
    Some(match (call.name(), call.args()) {
        (name, [value, path, clauses @ ..]) if name.starts_with("__json_value") || name == "json_value" => {
            let clauses: String =
                clauses.chunks(2).zip(["EMPTY", "ERROR"]).map(|(pair, on)| what_on(pair, on)).collect();
            let returning = name.strip_prefix(RETURNING).map(|of| format!(" RETURNING {}", of.to_uppercase()));
            let returning = returning.unwrap_or_default();
            format!("json_value({}{returning}{clauses})", listed([value, path]))
        }
        ("json_query", [value, path, wrapper, clauses @ ..]) => {
            let wrapper = match word(wrapper)? {
                "unconditional" => " WITH WRAPPER",
                "conditional" => " WITH CONDITIONAL WRAPPER",
                _ => "",
            };
            let clauses: String =
                clauses.chunks(1).zip(["EMPTY", "ERROR"]).map(|(what, on)| what_on(what, on)).collect();
            format!("json_query({}{wrapper}{clauses})", listed([value, path]))
        }
        ("json_exists", [value, path, what]) => {
            format!("json_exists({} {} ON ERROR)", listed([value, path]), word(what)?.to_uppercase())
        }
        ("json_object", [mode, members @ ..]) => {
            let member = |member: &[Scalar]| Some(format!("{} VALUE {}", Sql(member.first()?), Sql(member.get(1)?)));
            let members = members.chunks(2).map(member).collect::<Option<Vec<_>>>()?;
            format!("json_object({})", with_nulls(members, word(mode)?, "null"))
        }
        ("json_array", [mode, items @ ..]) => {
            let items = items.iter().map(|item| Sql(item).to_string()).collect();
            format!("json_array({})", with_nulls(items, word(mode)?, "absent"))
        }
        ("json_arrayagg", [mode, items]) => {
            let [item] = gathered(items)?.try_into().ok()?;
            format!("json_arrayagg({})", with_nulls(vec![item], word(mode)?, "absent"))
        }
        ("json_objectagg", [mode, members]) => {
            let [key, value] = gathered(members)?.try_into().ok()?;
            format!("json_objectagg({})", with_nulls(vec![format!("{key} VALUE {value}")], word(mode)?, "null"))
        }
        _ => return None,
    })
}

/// The values of the rows that an aggregate gathers for JSON: of `array_agg(row(k,v))` they are `k` and `v`.
fn gathered(rows: &Scalar) -> Option<Vec<String>> {
    let name = rows.downcast_ref::<Column>()?.name();
    let values = name.strip_prefix("array_agg(row(")?.strip_suffix("))")?;
    Some(parts(values).into_iter().map(plain).collect())
}

/// A word that a clause has become.
fn word(arg: &Scalar) -> Option<&str> {
    match arg.downcast_ref::<Literal>()?.value() {
        ScalarValue::Utf8(Some(word)) => Some(word),
        _ => None,
    }
}

/// What there is instead if there is nothing, or it fails: a word, and of DEFAULT the value. NULL needs no clause.
fn what_on(clause: &[Scalar], on: &str) -> String {
    match (clause.first().and_then(word), clause.get(1)) {
        (Some("null") | None, _) => String::new(),
        (Some("default"), Some(value)) => format!(" DEFAULT {} ON {on}", Sql(value)),
        (Some(word), _) => format!(" {} ON {on}", word.to_uppercase()),
    }
}

/// Members of what is made, and what becomes of NULLs unless that is `usual`. The mode is that and, behind a colon, the kinds of members.
fn with_nulls(members: Vec<String>, mode: &str, usual: &str) -> String {
    let nulls = mode.split(':').next().unwrap_or_default();
    let clause = (nulls != usual).then(|| format!("{} ON NULL", nulls.to_uppercase()));
    [members.join(", ")].into_iter().filter(|members| !members.is_empty()).chain(clause).collect::<Vec<_>>().join(" ")
}
