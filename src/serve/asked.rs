//! A query that is not what its route takes, in words of ours.

use axum::extract::rejection::QueryRejection;

use super::problem::Problem;

/// The refusal of a query: what is wrong with it, and what may be written.
pub(super) fn refused(error: &QueryRejection) -> Problem {
    Problem::bad_request(told(&error.body_text()))
}

fn told(text: &str) -> String {
    let text = text.strip_prefix("Failed to deserialize query string: ").unwrap_or(text);
    let quoted = |text: &str| text.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
    let (name, what) = text.split_once(": ").unwrap_or(("", text));
    let names = quoted(what);
    if what.starts_with("unknown field") {
        let (name, known) = names.split_first().map_or((name, &names[..]), |(name, known)| (name.as_str(), known));
        let known = match known {
            [] => "this takes none".to_owned(),
            known => {
                format!("this takes {}", known.iter().map(|name| format!("'{name}'")).collect::<Vec<_>>().join(", "))
            }
        };
        return format!("there is no parameter '{name}' here: {known}");
    }
    if what.starts_with("duplicate field") {
        return format!("the parameter '{}' is there twice: write it once", names.first().map_or(name, String::as_str));
    }
    let take = match what {
        what if what.contains("`true` or `false`") => "true or false",
        what if what.contains("digit") || what.contains("number") || what.contains("integer") => "a whole number",
        _ => return format!("the query cannot be read: {}", text.replace('`', "'")),
    };
    format!("{name}: write {take}")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use axum::extract::Query;
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code)]
    struct Asked {
        ack: Option<String>,
        align: Option<bool>,
        n: Option<u8>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Nothing {}

    #[test]
    fn what_is_wrong_with_a_query_is_said_in_our_words() {
        let refused = |query: &str| {
            let uri = format!("http://x/?{query}").parse().unwrap();
            told(&Query::<Asked>::try_from_uri(&uri).unwrap_err().body_text())
        };
        assert_eq!(refused("foo=1"), "there is no parameter 'foo' here: this takes 'ack', 'align', 'n'");
        assert_eq!(refused("align=x"), "align: write true or false");
        for n in ["x", "-1", "300", ""] {
            assert_eq!(refused(&format!("n={n}")), "n: write a whole number");
        }
        assert_eq!(refused("ack=a&ack=b"), "the parameter 'ack' is there twice: write it once");
        let uri = "http://x/?foo=1".parse().unwrap();
        let told = told(&Query::<Nothing>::try_from_uri(&uri).unwrap_err().body_text());
        assert_eq!(told, "there is no parameter 'foo' here: this takes none");
    }
}
