//! What a client may ask of the server at most: one table of names, defaults and meanings, which the settings, the documents
//! and the server read.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::Deserialize;

use highwater_core::format::MAX_DEPTH;
use highwater_core::options::parse_bytes;
use highwater_core::time::{format_duration_ms, parse_duration_ms};

/// One of the limits; its number is its place in [`LIMITS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// Bytes of a request's body, unpacked.
    Body,
    /// Bytes of a WebSocket frame.
    Frame,
    /// Bytes of one row.
    Row,
    /// Depth of JSON and MessagePack.
    Nesting,
    /// Connections at a time.
    Connections,
    /// Streams at a time.
    Subscribers,
    /// Bytes of a request's head.
    Head,
    /// Time for a request's head, and between requests.
    HeadTime,
    /// Time between the parts of a body.
    BodyTime,
    /// Time without a sign of life from a WebSocket.
    Idle,
    /// Requests a second of one client.
    Requests,
    /// Bytes a second of a body, or of an answer.
    Rate,
    /// Bytes of all bodies in flight.
    Bodies,
    /// Bytes of all answers on their way.
    Answers,
}

/// What a limit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Things.
    Count,
    /// Bytes.
    Bytes,
    /// Milliseconds.
    Ms,
}

/// A limit of the table.
#[derive(Debug)]
pub struct LimitSpec {
    /// Which.
    pub limit: Limit,
    /// Its name in the settings.
    pub name: &'static str,
    /// What it counts.
    pub unit: Unit,
    /// Without a setting.
    pub default: u64,
    /// The least that makes sense.
    pub least: u64,
    /// What it bounds, and what happens beyond.
    pub help: &'static str,
}

/// No time is longer.
const DAY_MS: u64 = 24 * 60 * 60 * 1000;
const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

const fn spec(limit: Limit, name: &'static str, unit: Unit, default: u64, least: u64, help: &'static str) -> LimitSpec {
    LimitSpec { limit, name, unit, default, least, help }
}

/// All of them, in the order of [`Limit`].
pub const LIMITS: &[LimitSpec] = &[
    spec(Limit::Body, "body", Unit::Bytes, 16 * MIB, 1, "a request's body, as sent and as unpacked; 413 beyond"),
    spec(Limit::Frame, "frame", Unit::Bytes, 4 * MIB, 1, "a WebSocket frame; the connection is closed beyond"),
    spec(Limit::Row, "row", Unit::Bytes, MIB, 1, "one event; a longer one is a dead letter"),
    spec(Limit::Nesting, "nesting", Unit::Count, 64, 1, "depth of an event, up to 128; a deeper one is a dead letter"),
    spec(Limit::Connections, "connections", Unit::Count, 4096, 1, "open connections; 503 beyond"),
    spec(Limit::Subscribers, "subscribers", Unit::Count, 2048, 0, "open streams of views; 503 beyond"),
    spec(
        Limit::Head,
        "head",
        Unit::Bytes,
        64 * KIB,
        8 * KIB,
        "a request's line and its headers, 100 at most; 431 beyond",
    ),
    spec(
        Limit::HeadTime,
        "head-time",
        Unit::Ms,
        60_000,
        1,
        "waiting for the head of the next request; then it is cut off",
    ),
    spec(Limit::BodyTime, "body-time", Unit::Ms, 15_000, 1, "waiting for a body, and then by `rate`; 408 beyond"),
    spec(
        Limit::Idle,
        "idle",
        Unit::Ms,
        60_000,
        2,
        "a WebSocket that takes nothing and answers no ping (sent after half of it); closed beyond",
    ),
    spec(
        Limit::Requests,
        "requests",
        Unit::Count,
        0,
        0,
        "requests a second of one address, 0 for any number; 429 beyond",
    ),
    spec(
        Limit::Rate,
        "rate",
        Unit::Bytes,
        4 * KIB,
        1,
        "bytes a second that a body brings, after `body-time`, and that a client takes of what it asked for, after `idle`; \
         408, or cut off, below",
    ),
    spec(
        Limit::Bodies,
        "bodies",
        Unit::Bytes,
        128 * MIB,
        MIB,
        "all bodies in flight together, half of it for those under 64 KiB, and what they become as much again; 503 beyond",
    ),
    spec(
        Limit::Answers,
        "answers",
        Unit::Bytes,
        256 * MIB,
        MIB,
        "all long answers that clients have not taken yet; 503 beyond, and streams wait",
    ),
];

impl LimitSpec {
    /// A value with its unit.
    pub fn show(&self, value: u64) -> String {
        match self.unit {
            Unit::Count => value.to_string(),
            Unit::Ms => format_duration_ms(i64::try_from(value).unwrap_or(i64::MAX)),
            Unit::Bytes if value >= MIB && value.is_multiple_of(MIB) => format!("{} MiB", value / MIB),
            Unit::Bytes if value >= KIB && value.is_multiple_of(KIB) => format!("{} KiB", value / KIB),
            Unit::Bytes => format!("{value} B"),
        }
    }

    fn read(&self, text: &str) -> Result<u64, String> {
        let text = text.trim();
        let refuse = |form: &str| format!("limit {} = '{text}': write {form}", self.name);
        let value = match self.unit {
            Unit::Count => text.parse().map_err(|_| refuse("a number"))?,
            Unit::Ms => parse_duration_ms(text).map(i64::unsigned_abs).map_err(|_| refuse("a duration, like 15s"))?,
            Unit::Bytes => parse_bytes(text).ok_or_else(|| refuse("a size, like 64KiB, 16MiB or 1000"))?,
        };
        if value < self.least {
            return Err(refuse(&format!("at least {}", self.show(self.least))));
        }
        let most = match (self.limit, self.unit) {
            (Limit::Nesting, _) => MAX_DEPTH.into(),
            (_, Unit::Ms) => DAY_MS,
            (_, Unit::Count) => u32::MAX.into(),
            (_, Unit::Bytes) => i64::MAX.unsigned_abs(),
        };
        if value > most {
            return Err(refuse(&format!("at most {}", self.show(most))));
        }
        Ok(value)
    }
}

/// The limits that are set; the others are the defaults.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Given")]
pub struct Limits([Option<u64>; LIMITS.len()]);

impl Limits {
    /// The value of a limit, in its unit.
    pub fn get(&self, limit: Limit) -> u64 {
        self.0[limit as usize].unwrap_or(LIMITS[limit as usize].default)
    }

    /// The value of a limit of size or number.
    pub fn size(&self, limit: Limit) -> usize {
        usize::try_from(self.get(limit)).unwrap_or(usize::MAX)
    }

    /// The value of a limit of time.
    pub fn time(&self, limit: Limit) -> Duration {
        Duration::from_millis(self.get(limit))
    }

    /// These, and where one is left out, the other's.
    pub fn or(self, other: &Limits) -> Limits {
        Limits(std::array::from_fn(|at| self.0[at].or(other.0[at])))
    }

    /// Sets one by its name.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        let Some(spec) = LIMITS.iter().find(|spec| spec.name == name.trim()) else {
            let names: Vec<&str> = LIMITS.iter().map(|spec| spec.name).collect();
            return Err(format!("there is no limit '{}'; there are: {}", name.trim(), names.join(", ")));
        };
        self.0[spec.limit as usize] = Some(spec.read(value)?);
        Ok(())
    }
}

impl FromStr for Limits {
    type Err = String;

    /// Reads `body=4MiB,connections=100`.
    fn from_str(text: &str) -> Result<Limits, String> {
        let mut limits = Limits::default();
        for part in text.split(',').filter(|part| !part.trim().is_empty()) {
            let (name, value) = part.split_once('=').ok_or_else(|| format!("limit '{part}': write NAME=VALUE"))?;
            limits.set(name, value)?;
        }
        Ok(limits)
    }
}

/// As a file gives them: `NAME=VALUE,...` or a table.
#[derive(Deserialize)]
#[serde(untagged)]
enum Given {
    Text(String),
    Table(BTreeMap<String, Value>),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Value {
    Number(u64),
    Text(String),
}

impl TryFrom<Given> for Limits {
    type Error = String;

    fn try_from(given: Given) -> Result<Limits, String> {
        let table = match given {
            Given::Text(text) => return text.parse(),
            Given::Table(table) => table,
        };
        let mut limits = Limits::default();
        for (name, value) in table {
            match value {
                Value::Number(number) => limits.set(&name, &number.to_string())?,
                Value::Text(text) => limits.set(&name, &text)?,
            }
        }
        Ok(limits)
    }
}

impl fmt::Display for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown: Vec<String> =
            LIMITS.iter().map(|spec| format!("{}={}", spec.name, spec.show(self.get(spec.limit)))).collect();
        f.write_str(&shown.join(", "))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_order_and_reads_its_own_words() {
        for (at, spec) in LIMITS.iter().enumerate() {
            assert_eq!(spec.limit as usize, at, "{}", spec.name);
            assert_eq!(Limits::default().get(spec.limit), spec.default);
            assert_eq!(spec.read(&spec.show(spec.default)), Ok(spec.default), "{}", spec.name);
        }
    }

    #[test]
    fn limits_are_read_and_merged() {
        let limits: Limits = "body=4MiB, head-time = 5s,connections=7".parse().unwrap();
        assert_eq!(limits.get(Limit::Body), 4 * MIB);
        assert_eq!(limits.time(Limit::HeadTime), Duration::from_secs(5));
        assert_eq!(limits.get(Limit::Row), MIB);
        let merged = "body=10".parse::<Limits>().unwrap().or(&limits);
        assert_eq!((merged.get(Limit::Body), merged.get(Limit::Connections)), (10, 7));
        for wrong in [
            "body",
            "body=x",
            "nope=1",
            "head=1",
            "connections=0",
            "head-time=5",
            "body=99999999999999GiB",
            "idle=2 days",
            "nesting=129",
            "connections=5000000000",
        ] {
            assert!(wrong.parse::<Limits>().is_err(), "{wrong}");
        }
    }
}
