//! `highwater tail URL VIEW`: follows a view in the terminal, one JSON object a line.
//!
//! A line is a row with `_op` (`insert`, `retract`), `_status` and `_version` beside its columns. When the connection
//! breaks, it takes up where it was (`Last-Event-ID`); a `reset` from the server is a line of its own.

use std::fmt;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Value;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::Outcome;

/// How long to wait before a broken connection is tried again, and how often in a row.
const RETRY: (Duration, u32) = (Duration::from_secs(1), 5);

/// The server sends something every 15 s; after this long without anything it is gone.
const SILENCE: Duration = Duration::from_secs(45);

/// Where systems keep the certificates they trust.
const SYSTEM_CERTIFICATES: &[&str] =
    &["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];

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
    /// The token to send, if the server asks for one
    #[arg(long, env = "HIGHWATER_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// For https://: PEM file with the certificates to trust [default: those of the system]
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
}

/// Follows until the server ends or stdout is closed.
pub(super) fn run(args: &Tail) -> Outcome {
    let address = match Address::parse(&args.url) {
        Ok(address) => address,
        Err(reason) => return Outcome::usage(reason),
    };
    if args.token.as_deref().is_some_and(|token| !token.bytes().all(|byte| byte.is_ascii_graphic())) {
        return Outcome::usage("the token holds what no token can: spaces, or letters beyond ASCII");
    }
    let tls = match address.secure.then(|| tls(args.ca.as_deref())).transpose() {
        Ok(tls) => tls,
        Err(reason) => return Outcome::usage(reason),
    };
    let target = Target { address, tls, token: args.token.clone() };
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
            Ok(()) => "the server ended the stream".to_owned(),
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

/// What to connect to, and how.
struct Target {
    address: Address,
    tls: Option<Arc<ClientConfig>>,
    token: Option<String>,
}

/// A connection, encrypted or not.
trait Connection: Read + Write {}
impl<C: Read + Write> Connection for C {}

impl Target {
    fn connect(&self, stream: TcpStream) -> Result<Box<dyn Connection>, String> {
        let Some(tls) = &self.tls else { return Ok(Box::new(stream)) };
        let host = &self.address.host;
        let name = host.rsplit_once(':').map_or(host.as_str(), |(name, _)| name).trim_matches(['[', ']']);
        let name = ServerName::try_from(name.to_owned()).map_err(|error| format!("{host}: {error}"))?;
        let session = ClientConnection::new(tls.clone(), name).map_err(|error| format!("{host}: {error}"))?;
        Ok(Box::new(StreamOwned::new(session, stream)))
    }
}

/// Trust in the certificates of a file, or of the system.
fn tls(ca: Option<&Path>) -> Result<Arc<ClientConfig>, String> {
    let known = SYSTEM_CERTIFICATES.iter().map(Path::new).find(|path| path.exists());
    let path = ca.or(known).ok_or("no certificates to trust are found: name a file with --ca")?;
    let mut roots = RootCertStore::empty();
    let read = CertificateDer::pem_file_iter(path).map_err(|error| format!("{}: {error}", path.display()))?;
    roots.add_parsable_certificates(read.filter_map(Result::ok));
    if roots.is_empty() {
        return Err(format!("{} holds no certificate in PEM form", path.display()));
    }
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("TLS: {error}"))?;
    Ok(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
}

/// One connection, to its end.
fn follow(target: &Target, query: &str, last_id: &mut String) -> Result<(), Stop> {
    let address = &target.address;
    let broken = |error: std::io::Error| Stop::Broken(format!("{}: {error}", address.host));
    let stream = TcpStream::connect(&address.host).map_err(broken)?;
    stream.set_read_timeout(Some(SILENCE)).map_err(broken)?;
    let mut stream = target.connect(stream).map_err(Stop::Broken)?;
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
                data.clear();
            }
            _ => {}
        }
    }
    Ok(())
}

/// The rows of one event, a line each.
fn print(out: &mut impl Write, event: &str, data: &str) -> std::io::Result<()> {
    let lines = match event {
        "snapshot" => serde_json::from_str::<Snapshot>(data).map(|snapshot| snapshot.rows),
        "delta" => {
            serde_json::from_str::<Delta>(data).map(|delta| delta.changes.into_iter().map(Change::line).collect())
        }
        "reset" => return writeln!(out, r#"{{"_op":"reset"}}"#),
        _ => return Ok(()),
    };
    for mut row in lines.map_err(std::io::Error::from)? {
        if event == "snapshot" {
            row.0.insert(0, ("_op".to_owned(), Value::from("insert")));
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
    fn line(self) -> Row {
        let mut members = vec![("_op".to_owned(), Value::from(self.op))];
        members.extend(self.row.0);
        members.push(("_status".to_owned(), Value::from(self.status)));
        members.push(("_version".to_owned(), Value::from(self.version)));
        Row(members)
    }
}

/// An object whose members keep their order.
struct Row(Vec<(String, Value)>);

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

/// Where a server is.
#[derive(Debug, PartialEq, Eq)]
struct Address {
    /// `host:port`.
    host: String,
    /// What stands before `/api`, if the server is behind a proxy.
    path: String,
    /// Whether it speaks TLS.
    secure: bool,
}

impl Address {
    fn parse(url: &str) -> Result<Address, String> {
        let (secure, rest) = match url.strip_prefix("https://") {
            Some(rest) => (true, rest),
            None => (false, url.strip_prefix("http://").unwrap_or(url)),
        };
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        let port_given = host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        match host {
            "" => Err(format!("'{url}' names no host; write http://HOST:PORT")),
            _ => Ok(Address {
                host: if port_given { host.to_owned() } else { format!("{host}:{}", if secure { 443 } else { 80 }) },
                path: match path.trim_end_matches('/') {
                    "" => String::new(),
                    path => format!("/{path}"),
                },
                secure,
            }),
        }
    }
}

/// A path segment as it stands in a URL.
fn percent_encode(segment: &str) -> String {
    segment.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out += &format!("%{byte:02X}");
        }
        out
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let of = |url| Address::parse(url).map(|address| (address.host, address.path));
        assert_eq!(of("http://a:1"), Ok(("a:1".into(), String::new())));
        assert_eq!(of("a:1/"), Ok(("a:1".into(), String::new())));
        assert_eq!(of("http://a/b/c/"), Ok(("a:80".into(), "/b/c".into())));
        assert_eq!(of("http://[::1]:8080"), Ok(("[::1]:8080".into(), String::new())));
        assert_eq!(of("https://a"), Ok(("a:443".into(), String::new())));
        assert!(of("https://").is_err() && of("http://").is_err());
    }

    #[test]
    fn lines_keep_the_order_of_columns() {
        let mut out = Vec::new();
        print(&mut out, "snapshot", r#"{"rows":[{"z":1,"a":null,"_status":"open","_version":1}]}"#).unwrap();
        let change = r#"{"op":"retract","row":{"z":1,"a":12345678901234567890},"status":"final","version":2}"#;
        print(&mut out, "delta", &format!(r#"{{"changes":[{change}]}}"#)).unwrap();
        print(&mut out, "progress", "{}").unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "{\"_op\":\"insert\",\"z\":1,\"a\":null,\"_status\":\"open\",\"_version\":1}\n\
             {\"_op\":\"retract\",\"z\":1,\"a\":12345678901234567890,\"_status\":\"final\",\"_version\":2}\n"
        );
    }

    #[test]
    fn names_in_urls() {
        assert_eq!(percent_encode("a b/ü"), "a%20b%2F%C3%BC");
    }
}
