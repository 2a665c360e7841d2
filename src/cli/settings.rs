//! The settings of a run: each is a flag, an environment variable `HIGHWATER_*` and a key of `highwater.toml`, under one
//! name. Flags win over the environment, the environment over the file, the file over the defaults.
//!
//! Invariant: a setting left out everywhere is `None` here; defaults are applied by who uses it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::{Args, ValueEnum};
use serde::Deserialize;

use crate::serve::Limits;
use highwater_core::time::parse_duration_ms;

/// The file with settings, in the working directory.
pub(super) const FILE: &str = "highwater.toml";

/// Everything that can be set for a run.
#[derive(Args, Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub(super) struct Settings {
    /// Worker threads per process [default: one per core]
    #[arg(short = 'w', long, env = "HIGHWATER_WORKERS", value_name = "N")]
    pub(super) workers: Option<usize>,

    /// Processes of the cluster; start each with the same files and its own --process [default: 1]
    #[arg(short = 'n', long, env = "HIGHWATER_PROCESSES", value_name = "N")]
    pub(super) processes: Option<usize>,

    /// Which of the processes this one is, from 0 [default: 0]
    #[arg(short = 'p', long, env = "HIGHWATER_PROCESS", value_name = "I")]
    pub(super) process: Option<usize>,

    /// File with one HOST:PORT a line, one for each process [default: localhost:2101, localhost:2102, ...]
    #[arg(long, env = "HIGHWATER_HOSTFILE", value_name = "FILE")]
    pub(super) hostfile: Option<PathBuf>,

    /// How long another process may give no sign of life before the run ends [default: 10s]
    #[arg(long, env = "HIGHWATER_PEER_TIMEOUT", value_name = "DURATION")]
    pub(super) peer_timeout: Option<Pace>,

    /// When another process is gone start again from the data directory, and wait so long for it, instead of ending
    #[arg(long, env = "HIGHWATER_RESTART_WAIT", value_name = "DURATION")]
    pub(super) restart_wait: Option<Pace>,

    /// Where to serve views, metrics and the dashboard [default: 127.0.0.1:8080, for process I the port 8080 + I]
    #[arg(long, env = "HIGHWATER_LISTEN", value_name = "ADDR")]
    pub(super) listen: Option<SocketAddr>,

    /// File of tokens that callers need, lines of NAME ROLES TOKEN [EXPIRES]; roles are read, ingest, admin. More may
    /// stand in HIGHWATER_TOKENS [default: none, for the loopback only]
    #[arg(long, visible_alias = "tokens", env = "HIGHWATER_TOKENS_FILE", value_name = "FILE")]
    #[serde(alias = "tokens")]
    pub(super) tokens_file: Option<PathBuf>,

    /// Serve beyond the loopback without tokens
    #[arg(long, env = "HIGHWATER_INSECURE", num_args = 0..=1, require_equals = true, default_missing_value = "true",
          hide_possible_values = true, value_name = "BOOL")]
    pub(super) insecure: Option<bool>,

    /// PEM file with the server's certificate and those that vouch for it; serves https
    #[arg(long, env = "HIGHWATER_TLS_CERT", value_name = "FILE")]
    pub(super) tls_cert: Option<PathBuf>,

    /// PEM file with the key of the certificate
    #[arg(long, env = "HIGHWATER_TLS_KEY", value_name = "FILE")]
    pub(super) tls_key: Option<PathBuf>,

    /// Origins whose pages may call the server, with commas between; * for all [default: its own]
    #[arg(long, env = "HIGHWATER_ALLOW_ORIGINS", value_name = "ORIGINS")]
    pub(super) allow_origins: Option<String>,

    /// Names that the server may be called by, with commas between; * for all [default: addresses, localhost]
    #[arg(long, env = "HIGHWATER_ALLOW_HOSTS", value_name = "NAMES")]
    pub(super) allow_hosts: Option<String>,

    /// What a client may ask for at most, like body=4MiB,connections=100; docs/http.md lists all
    #[arg(long, env = "HIGHWATER_LIMITS", value_name = "NAME=VALUE,...")]
    pub(super) limits: Option<Limits>,

    /// Serve nothing: only what sinks write is computed
    #[arg(long, env = "HIGHWATER_NO_SERVE", num_args = 0..=1, require_equals = true, default_missing_value = "true",
          hide_possible_values = true, value_name = "BOOL")]
    pub(super) no_serve: Option<bool>,

    /// How often live sources show new data between moves of the watermark [default: 10ms]
    #[arg(long, env = "HIGHWATER_TICK", value_name = "DURATION")]
    pub(super) tick: Option<Pace>,

    /// After how many rows bounded sources do so [default: 8192]
    #[arg(long, env = "HIGHWATER_TICK_ROWS", value_name = "ROWS")]
    pub(super) tick_rows: Option<u64>,

    /// End with code 0 when every source has ended, all windows are closed and all sinks flushed; with 143 or 130 if a signal
    /// comes before
    #[arg(long, env = "HIGHWATER_EXIT_AT_END", num_args = 0..=1, require_equals = true, default_missing_value = "true",
          hide_possible_values = true, value_name = "BOOL")]
    pub(super) exit_at_end: Option<bool>,

    /// On Ctrl-C or SIGTERM close open windows first
    #[arg(long, env = "HIGHWATER_DRAIN", num_args = 0..=1, require_equals = true, default_missing_value = "true",
          hide_possible_values = true, value_name = "BOOL")]
    pub(super) drain: Option<bool>,

    /// How long the run may take to end once it is told to; then it ends with code 1 and says what is not written [default:
    /// 25s]
    #[arg(long, env = "HIGHWATER_STOP_TIMEOUT", value_name = "DURATION")]
    pub(super) stop_timeout: Option<Pace>,

    /// Tell an OpenTelemetry collector metrics and the spans of requests, over OTLP/HTTP with JSON, like
    /// http://localhost:4318; the variables OTEL_* say how [default: OTEL_EXPORTER_OTLP_ENDPOINT, or nobody]
    #[arg(long, env = "HIGHWATER_OTLP", value_name = "URL")]
    pub(super) otlp: Option<String>,

    /// Folder that keeps what clients send, so that a restart, also after a crash or a power cut, goes on where the run ended
    #[arg(long, env = "HIGHWATER_DATA_DIR", value_name = "DIR")]
    pub(super) data_dir: Option<PathBuf>,

    /// What becomes of what a data directory holds when the program is another than the one that wrote it [default: refuse]
    #[arg(long, env = "HIGHWATER_ON_CHANGE", value_name = "WHAT")]
    pub(super) on_change: Option<OnChange>,

    /// File that all dead letters are written to, one JSON object a line
    #[arg(long, env = "HIGHWATER_DEAD_LETTERS", value_name = "FILE")]
    pub(super) dead_letters: Option<PathBuf>,

    /// Which share of a source's rows may be dead letters, like 0.01 or 1%; with more a run that has ended ends with code 1
    /// [default: all but one row]
    #[arg(long, env = "HIGHWATER_MAX_REJECTED", value_name = "SHARE")]
    pub(super) max_rejected: Option<Share>,

    /// How log lines are written to stderr; what is logged is set by RUST_LOG [default: text]
    #[arg(long, env = "HIGHWATER_LOG_FORMAT", value_name = "FORMAT")]
    pub(super) log_format: Option<LogFormat>,
}

/// The form of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// What becomes of what another program has kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum OnChange {
    /// The program is not run, and what differs is said.
    Refuse,
    /// What came is done again with the new program, whose sources are declared as they were.
    Rebuild,
    /// What it holds is put aside, into a folder within it, and the program begins with nothing.
    Fresh,
}

/// A duration as people write it, above zero, in ms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Pace(pub(super) u64);

impl FromStr for Pace {
    type Err = String;

    fn from_str(text: &str) -> Result<Pace, String> {
        match u64::try_from(parse_duration_ms(text)?) {
            Ok(ms) if ms > 0 => Ok(Pace(ms)),
            _ => Err("the shortest is 1 ms".to_owned()),
        }
    }
}

impl TryFrom<String> for Pace {
    type Error = String;

    fn try_from(text: String) -> Result<Pace, String> {
        text.parse()
    }
}

/// A share from 0 to 1, in millionths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Share(u64);

/// All of something.
const WHOLE: u64 = 1_000_000;

impl Share {
    /// Whether `part` of `all` is more.
    pub(super) fn is_exceeded(self, part: u64, all: u64) -> bool {
        u128::from(part) * u128::from(WHOLE) > u128::from(all) * u128::from(self.0)
    }
}

impl FromStr for Share {
    type Err = String;

    fn from_str(text: &str) -> Result<Share, String> {
        let (number, most) = match text.trim().strip_suffix('%') {
            Some(number) => (number, 100.0),
            None => (text.trim(), 1.0),
        };
        match number.trim().parse::<f64>() {
            Ok(share) if (0.0..=most).contains(&share) => Ok(Share((share / most * WHOLE as f64).round() as u64)),
            _ => Err("write a share from 0 to 1, or from 0% to 100%".to_owned()),
        }
    }
}

impl TryFrom<String> for Share {
    type Error = String;

    fn try_from(text: String) -> Result<Share, String> {
        text.parse()
    }
}

impl Settings {
    /// The settings of the file, if it is there.
    pub(super) fn read(path: &Path) -> Result<Settings, String> {
        match std::fs::read_to_string(path) {
            Ok(text) => toml::from_str(&text).map_err(|error| format!("{}: {error}", path.display())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Settings::default()),
            Err(error) => Err(format!("{}: {error}", path.display())),
        }
    }

    /// These, and where one is left out, the other's.
    pub(super) fn or(self, other: Settings) -> Settings {
        Settings {
            workers: self.workers.or(other.workers),
            processes: self.processes.or(other.processes),
            process: self.process.or(other.process),
            hostfile: self.hostfile.or(other.hostfile),
            peer_timeout: self.peer_timeout.or(other.peer_timeout),
            restart_wait: self.restart_wait.or(other.restart_wait),
            listen: self.listen.or(other.listen),
            tokens_file: self.tokens_file.or(other.tokens_file),
            insecure: self.insecure.or(other.insecure),
            tls_cert: self.tls_cert.or(other.tls_cert),
            tls_key: self.tls_key.or(other.tls_key),
            allow_origins: self.allow_origins.or(other.allow_origins),
            allow_hosts: self.allow_hosts.or(other.allow_hosts),
            limits: match (self.limits, other.limits) {
                (Some(limits), Some(others)) => Some(limits.or(&others)),
                (limits, others) => limits.or(others),
            },
            no_serve: self.no_serve.or(other.no_serve),
            tick: self.tick.or(other.tick),
            tick_rows: self.tick_rows.or(other.tick_rows),
            exit_at_end: self.exit_at_end.or(other.exit_at_end),
            drain: self.drain.or(other.drain),
            stop_timeout: self.stop_timeout.or(other.stop_timeout),
            otlp: self.otlp.or(other.otlp),
            data_dir: self.data_dir.or(other.data_dir),
            on_change: self.on_change.or(other.on_change),
            dead_letters: self.dead_letters.or(other.dead_letters),
            max_rejected: self.max_rejected.or(other.max_rejected),
            log_format: self.log_format.or(other.log_format),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        settings: Settings,
    }

    fn flags(line: &str) -> Settings {
        Line::try_parse_from(std::iter::once("x").chain(line.split_whitespace())).unwrap().settings
    }

    #[test]
    fn every_setting_has_the_same_name_as_flag_variable_and_key() {
        for arg in Line::command().get_arguments().filter(|arg| arg.get_id() != "help") {
            let flag = arg.get_long().unwrap();
            let variable = format!("HIGHWATER_{}", flag.to_uppercase().replace('-', "_"));
            assert_eq!(arg.get_env().unwrap().to_str(), Some(variable.as_str()));
            let unknown = toml::from_str::<Settings>(&format!("{flag} = []")).unwrap_err().to_string();
            assert!(!unknown.contains("unknown field"), "{flag} is no key of the file: {unknown}");
        }
    }

    #[test]
    fn flags_win_over_the_file() {
        let file: Settings = toml::from_str(
            "workers = 3\nlisten = '127.0.0.1:9'\ntick = '20 ms'\ndrain = true\nno-serve = true\nlog-format = 'json'\n\
             tokens = 'a'\n[limits]\nbody = 7\nhead-time = '5s'",
        )
        .unwrap();
        let merged = flags("-w 2 --no-serve=false --tick-rows 5 --limits body=1KiB").or(file);
        let expected = Settings {
            workers: Some(2),
            listen: Some("127.0.0.1:9".parse().unwrap()),
            tick: Some(Pace(20)),
            tick_rows: Some(5),
            drain: Some(true),
            no_serve: Some(false),
            log_format: Some(LogFormat::Json),
            tokens_file: Some("a".into()),
            limits: Some("body=1KiB,head-time=5s".parse().unwrap()),
            ..Settings::default()
        };
        assert_eq!(merged, expected);
    }

    #[test]
    fn a_wrong_key_or_value_names_itself() {
        let refused = |text: &str| toml::from_str::<Settings>(text).unwrap_err().to_string();
        assert!(refused("worker = 3").contains("unknown field `worker`"));
        assert!(refused("tick = '5'").contains("not a duration"));
        assert!("0 ms".parse::<Pace>().is_err());
    }

    #[test]
    fn no_file_is_no_settings() {
        assert_eq!(Settings::read(Path::new("/nowhere/highwater.toml")), Ok(Settings::default()));
    }
}
