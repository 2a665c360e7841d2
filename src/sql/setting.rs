//! `SET 'option' = 'value'`: how many rounds a recursion may take; Flink's job settings that change no result are passed
//! over, all others are refused.

use datafusion_sql::sqlparser::tokenizer::Token;

use super::error::Problem;
use super::statement::option_name;
use super::token::Cursor;

/// Settings (or prefixes, ending in `*`) that change how Flink runs a job, and no result.
const WITHOUT_MEANING: &[&str] = &[
    "pipeline.*",
    "parallelism.*",
    "execution.runtime-mode",
    "execution.checkpointing.*",
    "execution.attached",
    "execution.target",
    "execution.savepoint.*",
    "state.*",
    "restart-strategy*",
    "taskmanager.*",
    "jobmanager.*",
    "sql-client.*",
    "table.dml-sync",
    "table.exec.mini-batch.*",
    "table.exec.resource.*",
    "table.exec.async-*",
    "table.exec.sink.*",
    "table.optimizer.*",
];

/// Settings that would change a result, with what to write instead.
const REFUSED: &[(&str, &str)] = &[
    (
        "table.exec.state.ttl",
        "state is freed by event time: use windows, or bound a key; 'highwater check' tells what grows",
    ),
    ("table.exec.source.idle-timeout", "write 'idle-timeout' = '5 s' in the WITH of the source"),
    ("table.exec.emit.*", "write EMIT CHANGES at the end of the query, and 'lateness' in the WITH of the source"),
];

/// How many rounds the recursions behind it may take.
const MAX_ROUNDS: &str = "recursion.max-iterations";

/// Reads what follows SET; answers how many rounds a recursion may take, if that is set.
pub(super) fn parse(mut cursor: Cursor<'_>) -> Result<Option<u64>, Problem> {
    let name = option_name(&mut cursor)?;
    cursor.expect(&Token::Eq)?;
    let value = cursor.rest().iter().map(|token| token.token.to_string()).collect::<Vec<_>>().join("");
    let value = value.trim_matches('\'').to_owned();
    let key = name.key();
    if key == MAX_ROUNDS {
        let rounds = value.trim().parse().ok().filter(|rounds| *rounds > 0);
        let refusal = Problem::at(name.span, format!("'{value}' is no number of rounds"));
        return rounds.map(Some).ok_or_else(|| refusal.hint("write SET 'recursion.max-iterations' = '1000'"));
    }
    if key == "table.local-time-zone" {
        let utc = ["UTC", "GMT", "Z", "Etc/UTC"].iter().any(|zone| zone.eq_ignore_ascii_case(&value));
        let refusal = Problem::at(name.span, format!("times are UTC; the time zone '{value}' cannot be set"));
        return if utc { Ok(None) } else { Err(refusal.hint("shift the times in the query: ts + INTERVAL '2' HOUR")) };
    }
    let fits = |pattern: &str| match pattern.strip_suffix('*') {
        Some(prefix) => key.starts_with(prefix),
        None => key == pattern,
    };
    if WITHOUT_MEANING.iter().any(|pattern| fits(pattern)) {
        return Ok(None);
    }
    let hint = REFUSED.iter().find(|(pattern, _)| fits(pattern)).map(|(_, hint)| *hint);
    Err(Problem::at(name.span, format!("the setting '{}' is not known", name.value)).hint(
        hint.unwrap_or(
            "leave it out: sources, sinks and views are set up in their WITH (...), the engine by its flags",
        ),
    ))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::token::statements;
    use super::*;

    fn set(text: &str) -> Result<Option<u64>, Problem> {
        parse(Cursor::new(&statements(text).unwrap().remove(0)))
    }

    #[test]
    fn settings_without_meaning_pass_and_others_are_refused() {
        for text in [
            "'parallelism.default' = '4'",
            "execution.checkpointing.interval = '10 s'",
            "'table.local-time-zone' = 'UTC'",
            "'table.exec.mini-batch.enabled' = 'true'",
        ] {
            assert_eq!(set(text), Ok(None), "{text}");
        }
        assert_eq!(set("'recursion.max-iterations' = '50'"), Ok(Some(50)));
        for (text, says) in [
            ("'recursion.max-iterations' = '0'", "'1000'"),
            ("'table.exec.state.ttl' = '1 h'", "use windows"),
            ("'table.local-time-zone' = 'Europe/Berlin'", "INTERVAL"),
            ("'what.is.this' = '1'", "leave it out"),
        ] {
            assert!(set(text).unwrap_err().hint.unwrap().contains(says), "{text}");
        }
    }
}
