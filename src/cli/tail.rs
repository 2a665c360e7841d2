//! `highwater tail URL VIEW`: follows a view in the terminal, one JSON object a line.
//!
//! A line is a row with `_op` (`insert`, `retract`), `_status` and `_version` beside its columns. When the connection
//! breaks, it takes up where it was (`Last-Event-ID`); a `reset` from the server is a line of its own. Where nothing can come any more (the run has
//! ended, the view was dropped) it ends.

use std::fmt;
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::time::Duration;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};

use super::Outcome;
use super::http::{Reach, Target, percent_encode};

/// How long to wait before a broken connection is tried again, and how often in a row.
const RETRY: (Duration, u32) = (Duration::from_secs(1), 5);

/// The server sends something every 15 s; after this long without anything it is gone.
const SILENCE: Duration = Duration::from_secs(45);

/// What to follow.
#[derive(clap::Args, Debug)]
pub(super) struct Tail {
    /// Where Highwater serves, like http://127.0.0.1:8080
    url: String,
    /// The view
    view: String,
    /// Only rows of closed windows, and what amends them
    #[arg(long = "final")]
    only_final: bool,
    /// Leave out the rows that are already there
    #[arg(long)]
    no_snapshot: bool,
    #[command(flatten)]
    reach: Reach,
}

/// Follows until the server ends or stdout is closed.
pub(super) fn run(args: &Tail) -> Outcome {
    let target = match args.reach.target(&args.url) {
        Ok(target) => target,
        Err(reason) => return Outcome::usage(reason),
    };
    let query = format!(
        "/api/v1/views/{}/stream?emit={}&snapshot={}",
        percent_encode(&args.view),
        if args.only_final { "final" } else { "changes" },
        !args.no_snapshot
    );
    let mut last_id = String::new();
    let mut failures = 0;
    loop {
        let before = last_id.clone();
        let stop = match follow(&target, &query, &mut last_id) {
            Ok(true) => return Outcome::Done,
            Ok(false) => "the server ended the stream".to_owned(),
            Err(Stop::Done) => return Outcome::Done,
            Err(Stop::Refused(reason)) => return Outcome::Failed(reason),
            Err(Stop::Broken(reason)) => reason,
        };
        failures = if before == last_id { failures + 1 } else { 1 };
        if before.is_empty() && last_id.is_empty() || failures > RETRY.1 {
            return Outcome::Failed(stop);
        }
        std::thread::sleep(RETRY.0);
    }
}

/// Why following stopped.
enum Stop {
    /// Nobody reads stdout any more.
    Done,
    /// The server answered, but not with a stream.
    Refused(String),
    /// The connection could not be made or broke.
    Broken(String),
}

/// One connection, to its end; whether nothing more can come.
fn follow(target: &Target, query: &str, last_id: &mut String) -> Result<bool, Stop> {
    let address = &target.address;
    let broken = |error: std::io::Error| Stop::Broken(format!("{}: {error}", address.host));
    let mut stream = target.connect(SILENCE).map_err(Stop::Broken)?;
    let mut request = format!("GET {}{query} HTTP/1.0\r\nHost: {}\r\n", address.path, address.host);
    if let Some(token) = &target.token {
        request += &format!("Authorization: Bearer {token}\r\n");
    }
    if !last_id.is_empty() {
        request += &format!("Last-Event-ID: {last_id}\r\n");
    }
    stream.write_all(format!("{request}Accept: text/event-stream\r\n\r\n").as_bytes()).map_err(broken)?;

    let mut lines = BufReader::new(stream).lines();
    let mut head = Vec::new();
    for line in lines.by_ref() {
        match line.map_err(broken)? {
            line if line.is_empty() => break,
            line => head.push(line),
        }
    }
    if head.first().and_then(|line| line.split(' ').nth(1)) != Some("200") {
        let body: String = lines.map_while(Result::ok).collect();
        let detail =
            serde_json::from_str::<Value>(&body).ok().and_then(|body| Some(body["detail"].as_str()?.to_owned()));
        let status = head.into_iter().next().unwrap_or_default();
        return Err(Stop::Refused(format!("{}: {}", address.host, detail.unwrap_or(status))));
    }

    let (mut event, mut data) = (String::new(), String::new());
    let mut out = std::io::stdout().lock();
    for line in lines {
        let line = line.map_err(broken)?;
        match line.split_once(": ").unwrap_or((line.as_str(), "")) {
            ("event", value) => value.clone_into(&mut event),
            ("id", value) => value.clone_into(last_id),
            ("data", value) => data += value,
            ("", "") => {
                print(&mut out, &event, &data).map_err(|error| match error.kind() {
                    ErrorKind::BrokenPipe => Stop::Done,
                    _ => Stop::Refused(format!("stdout: {error}")),
                })?;
                // The server keeps the stream open, for it serves on.
                if ends(&event, &data) {
                    return Ok(true);
                }
                data.clear();
            }
            _ => {}
        }
    }
    Ok(false)
}

/// Whether nothing comes behind an event.
fn ends(event: &str, data: &str) -> bool {
    let told = || serde_json::from_str::<HowFar>(data).is_ok_and(|told| told.as_of.watermark == "infinity");
    event == "dropped" || event == "progress" && told()
}

/// The rows of one event, a line each.
fn print(out: &mut impl Write, event: &str, data: &str) -> std::io::Result<()> {
    let lines = match event {
        "snapshot" => serde_json::from_str::<Snapshot>(data).map(|snapshot| snapshot.rows),
        "delta" => {
            serde_json::from_str::<Delta>(data).and_then(|delta| delta.changes.into_iter().map(Change::line).collect())
        }
        "reset" => return writeln!(out, r#"{{"_op":"reset"}}"#),
        _ => return Ok(()),
    };
    for mut row in lines.map_err(std::io::Error::from)? {
        if event == "snapshot" {
            row.0.insert(0, ("_op".to_owned(), to_raw_value("insert")?));
        }
        serde_json::to_writer(&mut *out, &row)?;
        writeln!(out)?;
    }
    out.flush()
}

#[derive(serde::Deserialize)]
struct Snapshot {
    rows: Vec<Row>,
}

#[derive(serde::Deserialize)]
struct HowFar {
    as_of: AsOf,
}

#[derive(serde::Deserialize)]
struct AsOf {
    watermark: String,
}

#[derive(serde::Deserialize)]
struct Delta {
    changes: Vec<Change>,
}

#[derive(serde::Deserialize)]
struct Change {
    op: String,
    row: Row,
    status: String,
    version: u64,
}

impl Change {
    fn line(self) -> serde_json::Result<Row> {
        let mut members = vec![("_op".to_owned(), to_raw_value(&self.op)?)];
        members.extend(self.row.0);
        members.push(("_status".to_owned(), to_raw_value(&self.status)?));
        members.push(("_version".to_owned(), to_raw_value(&self.version)?));
        Ok(Row(members))
    }
}

/// An object whose members keep their order, and their values the text they came as: no digit is lost.
struct Row(Vec<(String, Box<RawValue>)>);

impl<'de> Deserialize<'de> for Row {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Row, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Row;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Row, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Row(members))
            }
        }
        deserializer.deserialize_map(Members)
    }
}

impl Serialize for Row {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn lines_keep_the_order_of_columns() {
        let mut out = Vec::new();
        print(&mut out, "snapshot", r#"{"rows":[{"z":1,"a":null,"_status":"open","_version":1}]}"#).unwrap();
        let change = r#"{"op":"retract","row":{"z":1,"a":1234567890123456.7891},"status":"final","version":2}"#;
        print(&mut out, "delta", &format!(r#"{{"changes":[{change}]}}"#)).unwrap();
        print(&mut out, "progress", "{}").unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "{\"_op\":\"insert\",\"z\":1,\"a\":null,\"_status\":\"open\",\"_version\":1}\n\
             {\"_op\":\"retract\",\"z\":1,\"a\":1234567890123456.7891,\"_status\":\"final\",\"_version\":2}\n"
        );
    }
}
