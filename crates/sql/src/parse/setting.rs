//! `SET 'option' = 'value'`: how many rounds a recursion may take, the time zone of the session, what operators run on, when the log
//! of a data directory is synced; Flink's job settings that change no result are passed over, all others are refused.

use std::ops::RangeInclusive;
use std::time::Duration;

use datafusion_sql::sqlparser::tokenizer::Token;

use super::error::Problem;
use super::statement::option_name;
use super::token::Cursor;
use highwater_core::options::parse_bytes;
use highwater_core::plan::{Operators, Retention, SyncMode};
use highwater_core::time::{Zone, parse_duration_ms};

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

/// When the log is synced.
const LOG_SYNC: &str = "log.sync";

/// How much may wait in the log until the engine can take it.
const LOG_OVERFLOW: &str = "log.overflow";

/// How far back the log is kept.
const LOG_RETENTION: &str = "log.retention";

/// How long a file of the log is.
const LOG_SEGMENT: &str = "log.segment";

/// How long one may be, in bytes.
const SEGMENT_BYTES: RangeInclusive<u64> = 64 << 10..=1 << 30;

/// How often a snapshot is taken.
const SNAPSHOT_INTERVAL: &str = "snapshot.interval";

/// How often that may be, in ms.
const SNAPSHOT_EVERY_MS: RangeInclusive<i64> = 100..=86_400_000;

/// How often it may be synced, in ms: for so long at most nothing new is seen or answered as durable.
const SYNC_EVERY_MS: RangeInclusive<i64> = 1..=10_000;

/// What is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Setting {
    /// How many rounds a recursion may take.
    MaxRounds(u64),
    /// In which zone clocks are read.
    Zone(Zone),
    /// What operators run on.
    Operators(Operators),
    /// When the log of a data directory is synced.
    LogSync(SyncMode),
    /// How many bytes may wait there until the engine can take them.
    LogOverflow(u64),
    /// How far back the log is kept.
    LogRetention(Retention),
    /// How long a file of the log is, in bytes.
    LogSegment(u64),
    /// How often a snapshot is taken, in ms; `None`: never.
    SnapshotInterval(Option<i64>),
}

/// Reads what follows SET; answers what is set, if it has a meaning here.
pub(crate) fn parse(mut cursor: Cursor<'_>) -> Result<Option<Setting>, Problem> {
    let name = option_name(&mut cursor)?;
    cursor.expect(&Token::Eq)?;
    let at = cursor.rest().first().map_or(name.span, |token| token.span);
    let value = cursor.rest().iter().map(|token| token.token.to_string()).collect::<Vec<_>>().join("");
    let value = value.trim_matches('\'').to_owned();
    let key = name.key();
    if key == MAX_ROUNDS {
        let rounds = value.trim().parse().ok().filter(|rounds| *rounds > 0);
        let refusal = Problem::at(name.span, format!("'{value}' is no number of rounds"));
        return rounds
            .map(|rounds| Some(Setting::MaxRounds(rounds)))
            .ok_or_else(|| refusal.hint("write SET 'recursion.max-iterations' = '1000'"));
    }
    if key == "table.local-time-zone" {
        let refusal = Problem::at(name.span, format!("there is no time zone '{value}'"));
        let hint = || format!("write {}", super::zone_name::instead(&value));
        return Zone::of(&value).map(|zone| Some(Setting::Zone(zone))).ok_or_else(|| refusal.hint(hint()));
    }
    if key == "operators" {
        let found = Operators::ALL.into_iter().find(|operators| operators.name().eq_ignore_ascii_case(value.trim()));
        let known: Vec<String> = Operators::ALL.iter().map(|operators| format!("'{}'", operators.name())).collect();
        let refusal = Problem::at(name.span, format!("there are no operators '{value}'"));
        return found
            .map(|operators| Some(Setting::Operators(operators)))
            .ok_or_else(|| refusal.hint(format!("write one of {}", known.join(", "))));
    }
    if key == LOG_SYNC {
        return log_sync(&value).map(|sync| Some(Setting::LogSync(sync))).ok_or_else(|| {
            Problem::at(at, format!("'{value}' is no time to sync the log at")).hint(
                "write 'commit' (before anything is seen or answered as durable), how often, '1 ms' to '10 s', or 'os' (when the \
                 operating system does: what came survives a kill -9, and not a power cut)",
            )
        });
    }
    if key == LOG_OVERFLOW {
        return parse_bytes(&value).map(|bytes| Some(Setting::LogOverflow(bytes))).ok_or_else(|| {
            let hint = "write how much may wait in the log of each source, '10 GiB' if it is not set; '0' refuses rows instead (429)";
            Problem::at(at, format!("'{value}' is no size")).hint(hint)
        });
    }
    if key == LOG_RETENTION {
        return log_retention(&value).map(|kept| Some(Setting::LogRetention(kept))).ok_or_else(|| {
            let hint = "write 'recovery' (what a start needs), for how long ('7 days'), how much ('20 GiB'), or 'all'";
            Problem::at(at, format!("'{value}' does not say how far back the log is kept")).hint(hint)
        });
    }
    if key == LOG_SEGMENT {
        let fits = |bytes: &u64| SEGMENT_BYTES.contains(bytes) && bytes.is_multiple_of(4096);
        return parse_bytes(&value).filter(fits).map(|bytes| Some(Setting::LogSegment(bytes))).ok_or_else(|| {
            let hint = "write how long a file of the log is, '64 KiB' to '1 GiB' ('64 MiB' if it is not set); rows that come together \
                        are at most as long";
            Problem::at(at, format!("'{value}' is no length of a file of the log")).hint(hint)
        });
    }
    if key == SNAPSHOT_INTERVAL {
        return snapshot_interval(&value).map(|every| Some(Setting::SnapshotInterval(every))).ok_or_else(|| {
            let hint = "write how often, '100 ms' to '1 day' ('5 min' if it is not set), or 'never': all of the log is kept then";
            Problem::at(at, format!("'{value}' is no time to take snapshots at")).hint(hint)
        });
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

fn log_sync(value: &str) -> Option<SyncMode> {
    match value.trim().to_ascii_lowercase().as_str() {
        "commit" => Some(SyncMode::Commit),
        "os" => Some(SyncMode::Os),
        every => {
            let ms = parse_duration_ms(every).ok().filter(|ms| SYNC_EVERY_MS.contains(ms))?;
            Some(SyncMode::Every(Duration::from_millis(ms.unsigned_abs())))
        }
    }
}

fn log_retention(value: &str) -> Option<Retention> {
    match value.trim().to_ascii_lowercase().as_str() {
        "recovery" => Some(Retention::Recovery),
        "all" => Some(Retention::All),
        text => match parse_duration_ms(text) {
            Ok(ms) => (ms > 0).then_some(Retention::Age(ms)),
            Err(_) => parse_bytes(text).map(Retention::Bytes),
        },
    }
}

fn snapshot_interval(value: &str) -> Option<Option<i64>> {
    match value.trim().to_ascii_lowercase().as_str() {
        "never" => Some(None),
        every => parse_duration_ms(every).ok().filter(|ms| SNAPSHOT_EVERY_MS.contains(ms)).map(Some),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::parse::token::statements;

    fn set(text: &str) -> Result<Option<Setting>, Problem> {
        parse(Cursor::new(&statements(text).unwrap().remove(0)))
    }

    #[test]
    fn settings_without_meaning_pass_and_others_are_refused() {
        for text in [
            "'parallelism.default' = '4'",
            "execution.checkpointing.interval = '10 s'",
            "'table.exec.mini-batch.enabled' = 'true'",
        ] {
            assert_eq!(set(text), Ok(None), "{text}");
        }
        assert_eq!(set("'recursion.max-iterations' = '50'"), Ok(Some(Setting::MaxRounds(50))));
        for operators in Operators::ALL {
            let found = set(&format!("'operators' = '{}'", operators.name()));
            assert_eq!(found, Ok(Some(Setting::Operators(operators))));
        }
        for (text, sync) in [
            ("commit", SyncMode::Commit),
            ("OS", SyncMode::Os),
            ("5 ms", SyncMode::Every(Duration::from_millis(5))),
            ("10s", SyncMode::Every(Duration::from_secs(10))),
        ] {
            assert_eq!(set(&format!("'log.sync' = '{text}'")), Ok(Some(Setting::LogSync(sync))));
        }
        for (text, bytes) in [("0", 0), ("64 MiB", 64 << 20)] {
            assert_eq!(set(&format!("'log.overflow' = '{text}'")), Ok(Some(Setting::LogOverflow(bytes))));
        }
        for (text, kept) in [
            ("recovery", Retention::Recovery),
            ("All", Retention::All),
            ("7 days", Retention::Age(7 * 86_400_000)),
            ("20 GiB", Retention::Bytes(20 << 30)),
        ] {
            assert_eq!(set(&format!("'log.retention' = '{text}'")), Ok(Some(Setting::LogRetention(kept))));
        }
        for (text, every) in [("never", None), ("5 min", Some(300_000)), ("100 ms", Some(100))] {
            assert_eq!(set(&format!("'snapshot.interval' = '{text}'")), Ok(Some(Setting::SnapshotInterval(every))));
        }
        assert_eq!(set("'log.segment' = '1 MiB'"), Ok(Some(Setting::LogSegment(1 << 20))));
        for (zone, name) in [("utc", "UTC"), ("Europe/Berlin", "Europe/Berlin"), ("GMT-8", "GMT-08:00")] {
            let found = set(&format!("'table.local-time-zone' = '{zone}'"));
            assert_eq!(found, Ok(Zone::of(name).map(Setting::Zone)));
        }
        for (text, says) in [
            ("'recursion.max-iterations' = '0'", "'1000'"),
            ("'table.exec.state.ttl' = '1 h'", "use windows"),
            ("'table.local-time-zone' = 'Europe/Berlim'", "write 'Europe/Berlin'"),
            ("'table.local-time-zone' = 'PST'", "write 'America/Los_Angeles'"),
            ("'table.local-time-zone' = 'Mars'", "'GMT+02:00'"),
            ("'operators' = 'fast'", "one of 'own', 'differential'"),
            ("'log.sync' = 'fsync'", "'1 ms' to '10 s', or 'os'"),
            ("'log.sync' = '0 ms'", "write 'commit'"),
            ("'log.sync' = '1 min'", "'10 s'"),
            ("'log.sync' = '5'", "'1 ms'"),
            ("'log.overflow' = 'much'", "'10 GiB'"),
            ("'log.retention' = 'much'", "'7 days'"),
            ("'log.retention' = '0 s'", "'20 GiB'"),
            ("'log.segment' = '1 KiB'", "'64 KiB' to '1 GiB'"),
            ("'log.segment' = '65537'", "'64 MiB'"),
            ("'snapshot.interval' = '1 ms'", "'100 ms' to '1 day'"),
            ("'snapshot.interval' = 'often'", "'never'"),
            ("'what.is.this' = '1'", "leave it out"),
        ] {
            assert!(set(text).unwrap_err().hint.unwrap().contains(says), "{text}");
        }
    }
}
