//! Calls of JSON's functions as SQL writes them: the engine has their clauses as arguments.

use datafusion_common::ScalarValue;
use datafusion_physical_expr::expressions::Literal;

use super::Scalar;
use super::words::{Sql, listed};

/// Such a call with its clauses; `None` if it is none.
pub(super) fn json_call(name: &str, args: &[Scalar]) -> Option<String> {
    Some(match (name, args) {
        (name, [value, path, clauses @ ..]) if name.starts_with("__json_value") || name == "json_value" => {
            let clauses: String =
                clauses.chunks(2).zip(["EMPTY", "ERROR"]).map(|(pair, on)| what_on(pair, on)).collect();
            format!("json_value({}{clauses})", listed([value, path]))
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
        _ => return None,
    })
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
