//! Who may call the sidecar, from where, and how much, over real sockets: every route with every role and every kind of
//! token, other pages, ids, compression, limits, TLS with curl; and the command line's own refusals.
#![allow(clippy::unwrap_used)]

mod client;
mod script;

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use client::*;
use highwater::serve::{Access, Hosts, Origins, Tls, Tokens};
use highwater_core::plan::Emit;
use script::*;
use serde_json::Value;

const TOKENS: &str = "reader read reader-reader-reader\nsender ingest sender-sender-sender\nboss admin boss-boss-boss-boss\n\
                      gone admin gone-gone-gone-gone 2020-01-01";

fn served(access: Access) -> Server {
    let mut program = Program::default();
    let input = disordered(1, 2_000, 400, 20, 300);
    let timing = Timing { bound_ms: 100, lateness_ms: None, idle: None };
    let source = program.source("events", bounded(vec![acts(&input, 50)]), timing);
    let windows = program.tumble(source, 1_000, Emit::Changes, None);
    program.view("windows", windows);
    let server = Server::start_with(program.start(1), access);
    server.finish();
    server
}

fn limited(limits: &str) -> Server {
    served(Access { limits: limits.parse().unwrap(), ..Access::default() })
}

/// The status of a request whose answer may never end.
fn status(server: &Server, head: &str) -> u16 {
    let mut line = String::new();
    BufReader::new(server.request(head)).read_line(&mut line).unwrap();
    line.split(' ').nth(1).unwrap_or("0").parse().unwrap()
}

#[test]
fn every_route_asks_for_its_role() {
    let server = served(Access { tokens: Some(Tokens::parse(TOKENS, "tokens").unwrap()), ..Access::default() });
    let document: Value = serde_json::from_str(&server.call("GET", "/openapi.json").2).unwrap();
    let mut roles = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let role = operation["x-role"].as_str().unwrap_or("open");
            roles.insert(role);
            let place = path.replace("{view}", "windows").replace("{source}", "events");
            let part = |part: &str| if part.starts_with('{') { "x".to_owned() } else { part.to_owned() };
            let place = place.split('/').map(part).collect::<Vec<_>>().join("/");
            let ask = |query: &str, header: &str| {
                let head = format!("{} {place}{query} HTTP/1.0\r\nContent-Length: 0{header}", method.to_uppercase());
                let status = status(&server, &head);
                // The engine is done: it takes no events any more, and says so to those who may send some.
                assert!(status < 500 || status == 503, "{method} {path}: {status}");
                if role == "open" { 200 } else { status }
            };
            let bearer = |token: &str| ask("", &format!("\r\nAuthorization: Bearer {token}"));
            let let_in = |status: u16| ![401, 403].contains(&status);
            if role == "open" {
                assert_eq!(ask("", ""), 200, "{path}");
                continue;
            }
            assert_eq!(ask("", ""), 401, "{path} without a token");
            assert_eq!(bearer("reader-reader-reade"), 401, "{path} with a wrong token");
            assert_eq!(ask("", "\r\nAuthorization: Basic cmVhZGVy"), 401, "{path} with another scheme");
            assert_eq!(bearer("gone-gone-gone-gone"), 401, "{path} with an expired token");
            assert!(let_in(bearer("boss-boss-boss-boss")), "{path} as admin");
            for (token, of) in [("reader-reader-reader", "read"), ("sender-sender-sender", "ingest")] {
                assert_eq!(let_in(bearer(token)), role == of, "{path} needs {role}, has {of}");
                if role != of {
                    assert_eq!(bearer(token), 403);
                }
            }
            if method == "get" {
                assert!(let_in(ask("?access_token=boss-boss-boss-boss", "")), "{path} by query");
                assert_eq!(ask("?access_token=x", ""), 401);
            } else {
                assert_eq!(ask("?access_token=boss-boss-boss-boss", ""), 401, "{path} changes by a link");
            }
        }
    }
    assert!(["open", "read", "admin"].iter().all(|role| roles.contains(role)), "{roles:?}");
    let (_, head, body) = server.answer("GET /api/v1/views HTTP/1.0");
    assert!(head.contains("www-authenticate: bearer"), "{head}");
    assert!(body.contains("Authorization: Bearer"), "{body}");
    // A token in the query is no filter and no unknown parameter.
    let rows = server.call("GET", "/api/v1/views/windows/rows?limit=1&access_token=reader-reader-reader");
    assert_eq!(rows.0, 200, "{}", rows.2);
}

#[test]
fn answers_have_ids_and_refusals_name_them() {
    let server = served(Access::default());
    let (_, head, _) = server.answer("GET /livez HTTP/1.0\r\nX-Request-Id: mine-1");
    assert!(head.contains("x-request-id: mine-1") && head.contains("x-content-type-options: nosniff"), "{head}");
    let mut seen = BTreeSet::new();
    for given in ["", "\r\nX-Request-Id: a b", "\r\nX-Request-Id: "] {
        let (status, head, body) = server.answer(&format!("GET /nope HTTP/1.0{given}"));
        let problem: Value = serde_json::from_str(&body).unwrap();
        let id = problem["request_id"].as_str().unwrap();
        assert!(status == 404 && head.contains(&format!("x-request-id: {id}")), "{head}");
        assert!(seen.insert(id.to_owned()), "{id} twice");
    }
    for (head, status) in [
        ("PATCH /api/v1/views HTTP/1.0", 405),
        ("GET /api/v1/views/%FF/rows HTTP/1.0", 400),
        ("GET /api/v1/views/windows/rows?limit=%FF HTTP/1.0", 400),
        ("POST /api/v1/views HTTP/1.0\r\nContent-Length: 99999999999", 413),
    ] {
        let (found, answer, body) = server.answer(head);
        assert!(found == status && answer.contains("application/problem+json"), "{head}: {answer}");
        let problem: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(problem["status"], status, "{problem}");
        assert!(problem["detail"].as_str().is_some_and(|detail| detail.len() > 8), "{problem}");
    }
}

#[test]
fn long_answers_are_compressed_for_those_who_ask() {
    let server = served(Access::default());
    let ask = |more: &str| {
        let mut answer = Vec::new();
        let path = "/api/v1/views/windows/rows?limit=100000";
        server.request(&format!("GET {path} HTTP/1.0{more}")).read_to_end(&mut answer).unwrap();
        let end = answer.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
        (String::from_utf8_lossy(&answer[..end]).to_lowercase(), answer[end + 4..].to_vec())
    };
    let (head, plain) = ask("");
    assert!(!head.contains("content-encoding") && head.contains("vary: accept-encoding"), "{head}");
    let (head, gzip) = ask("\r\nAccept-Encoding: gzip");
    assert!(head.contains("content-encoding: gzip") && gzip.len() < plain.len() / 4, "{head}");
    let mut unpacked = Vec::new();
    flate2::read::GzDecoder::new(gzip.as_slice()).read_to_end(&mut unpacked).unwrap();
    assert_eq!(unpacked, plain);
    let (head, packed) = ask("\r\nAccept-Encoding: gzip, zstd");
    assert!(head.contains("content-encoding: zstd"), "{head}");
    assert_eq!(zstd::decode_all(packed.as_slice()).unwrap(), plain);
    let mut stream =
        BufReader::new(server.request("GET /api/v1/views/windows/stream HTTP/1.0\r\nAccept-Encoding: gzip, zstd"));
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        stream.read_line(&mut head).unwrap();
    }
    assert!(!head.to_lowercase().contains("content-encoding"), "a stream is compressed: {head}");
}

#[test]
fn other_pages_need_leave() {
    let strict = served(Access::default());
    let open = served(Access { origins: Origins::parse("https://good.example").unwrap(), ..Access::default() });
    let get = "GET /api/v1/views HTTP/1.0\r\nOrigin: https://good.example";
    assert!(!strict.answer(get).1.contains("access-control"));
    let (status, head, _) = open.answer(get);
    assert!(status == 200 && head.contains("access-control-allow-origin: https://good.example"), "{head}");
    assert!(!open.answer("GET /api/v1/views HTTP/1.0\r\nOrigin: https://evil.example").1.contains("access-control"));
    let preflight =
        "OPTIONS /api/v1/views HTTP/1.0\r\nAccess-Control-Request-Method: POST\r\nOrigin: https://good.example";
    assert_eq!(strict.answer(preflight).0, 403);
    let (status, head, _) = open.answer(preflight);
    assert!(status == 204 && head.contains("access-control-allow-headers: authorization"), "{head}");
    // A WebSocket asks nobody first: the server has to look.
    let upgrade = |origin: &str| {
        format!(
            "GET /api/v1/views HTTP/1.1\r\nHost: localhost:1\r\nConnection: close, upgrade\r\nUpgrade: websocket\r\nOrigin: {origin}"
        )
    };
    assert_eq!(strict.answer(&upgrade("https://good.example")).0, 403);
    assert_eq!(open.answer(&upgrade("https://good.example")).0, 200);
    assert_eq!(strict.answer(&upgrade("http://localhost:1")).0, 200);
}

/// A page of any name can have the name resolve to this machine: no route answers to it, whatever its origin says.
#[test]
fn a_page_of_another_name_reaches_nothing() {
    let strict = served(Access::default());
    let open = served(Access { hosts: Hosts::parse("engine.example").unwrap(), ..Access::default() });
    let port = strict.address.port();
    let paths: Vec<String> = strict.json("/openapi.json")["paths"].as_object().unwrap().keys().cloned().collect();
    assert!(paths.len() > 25, "{paths:?}");
    for path in &paths {
        let path = path.replace("{view}", "windows").replace("{source}", "events").replace("{table}", "rules");
        for method in ["GET", "POST", "OPTIONS"] {
            let head = format!(
                "{method} {path} HTTP/1.1\r\nHost: engine.example:{port}\r\nOrigin: http://engine.example:{port}\r\nConnection: close\r\nContent-Length: 0"
            );
            let (status, _, body) = strict.answer(&head);
            assert_eq!(status, 421, "{method} {path}: {body}");
            assert!(body.contains("--allow-hosts engine.example"), "{body}");
        }
        let head = format!(
            "GET {path} HTTP/1.1\r\nHost: evil.example\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
        );
        let mut answer = [0; 12];
        strict.request(&head).read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"HTTP/1.1 421", "{path}");
    }
    for host in ["engine.example", "localhost", "127.0.0.1", "[::1]"] {
        let head = format!("GET /livez HTTP/1.1\r\nConnection: close\r\nHost: {host}:{port}");
        assert_eq!(open.answer(&head).0, 200, "{host}");
    }
    assert_eq!(open.answer("GET /livez HTTP/1.1\r\nConnection: close\r\nHost: evil.example").0, 421);
}

#[test]
fn limits_hold() {
    let server = limited("connections=3,subscribers=1,head=8KiB,head-time=400ms");
    let stream = server.stream("/api/v1/views/windows/stream", "");
    assert_eq!(server.call("GET", "/api/v1/views/windows/stream").0, 503);
    let held: Vec<TcpStream> = (0..2).map(|_| TcpStream::connect(server.address).unwrap()).collect();
    eventually("the fourth connection is refused", || server.call("GET", "/api/v1/views").0 == 503);
    assert_eq!(server.call("GET", "/livez").0, 200, "supervisors are answered");
    // Those that say nothing are cut off, and make room.
    let begun = Instant::now();
    for mut silent in held {
        silent.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut heard = Vec::new();
        let _ = silent.read_to_end(&mut heard);
    }
    assert!(begun.elapsed() < Duration::from_secs(15), "a silent client is kept");
    assert_eq!(server.call("GET", "/livez").0, 200);
    let long = format!("GET /livez HTTP/1.0\r\nX-Long: {}", "x".repeat(20_000));
    assert_eq!(server.answer(&long).0, 431);
    let head = |bytes: usize| server.answer(&format!("GET /livez HTTP/1.0\r\nX-Long: {}", "x".repeat(bytes)));
    assert_eq!((head(8_000).0, head(8_400).0), (200, 431), "to the byte, about");
    // What is read at a time is more than the limit where that is large: it holds nevertheless.
    let wide = limited("head=64KiB");
    let head = |bytes: usize| wide.answer(&format!("GET /livez HTTP/1.0\r\nX-Long: {}", "x".repeat(bytes)));
    assert_eq!((head(65_000).0, head(66_000).0, head(100_000).0), (200, 431, 431));
    let (code, _, said) = server.answer("GET /api/v1/views/windows/rows?where.k=%ff HTTP/1.0");
    assert!(code == 400 && said.contains("no text in UTF-8"), "{code} {said}");
    assert_eq!(server.answer("GET /api/v1/views/windows/rows?limit=1&search=%C3%A4 HTTP/1.0").0, 200);
    drop(stream);
    eventually("the stream's place is free", || status(&server, "GET /api/v1/views/windows/stream HTTP/1.0") == 200);

    let server = limited("body=1KiB,body-time=300ms");
    let post = "POST /api/rules HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nConnection: close";
    let sent = |head: &str, parts: &[&str]| {
        let mut stream = server.request(&format!("{post}\r\n{head}"));
        parts.iter().for_each(|part| stream.write_all(part.as_bytes()).unwrap());
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.split(' ').nth(1).unwrap_or("0").parse::<u16>().unwrap()
    };
    assert_eq!(sent("Content-Length: 100", &["{\"id\": 1"]), 408, "a sender that stops");
    assert_eq!(sent("Content-Length: 2000", &[]), 413, "told beforehand");
    let chunk = format!("400\r\n{}\r\n", "x".repeat(1024));
    assert_eq!(sent("Transfer-Encoding: chunked", &[&chunk, &chunk, "0\r\n\r\n"]), 413, "found out on the way");
    assert_eq!(sent("Content-Length: 2", &["{}"]), 404, "there is no such table");

    let server = limited("requests=5");
    let answers: Vec<u16> = (0..20).map(|_| server.call("GET", "/health").0).collect();
    assert_eq!(answers[..5], [200; 5]);
    assert!(answers.contains(&429), "{answers:?}");
    let refused = (0..20).map(|_| server.answer("GET /health HTTP/1.0")).find(|(status, ..)| *status == 429).unwrap();
    assert!(refused.1.contains("retry-after: 1"), "{}", refused.1);
    for probe in ["/livez", "/readyz"] {
        assert!((0..20).all(|_| server.call("GET", probe).0 == 200), "supervisors are answered");
    }
}

fn highwater(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_highwater"));
    command.current_dir(folder).args(args).env("RUST_LOG", "trace").stderr(Stdio::piped()).stdout(Stdio::piped());
    command
}

#[test]
fn nobody_listens_beyond_the_loopback_without_tokens() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(
        folder.path().join("p.sql"),
        "CREATE SOURCE t (k INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts) WITH ('connector' = 'datagen', \
         'rows-per-second' = '10');\nCREATE MATERIALIZED VIEW v AS SELECT k, COUNT(*) AS n FROM t GROUP BY k;",
    )
    .unwrap();
    let refused = |args: &[&str], reason: &str| {
        let output = highwater(folder.path(), &[&["run", "p.sql"], args].concat()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(2) && said.contains(reason), "{args:?}: {said}");
    };
    refused(&["--listen", "0.0.0.0:0"], "--insecure");
    refused(&["--listen", "[::]:0"], "--tokens FILE");
    refused(&["--tls-cert", "c.pem"], "go together");
    refused(&["--tls-cert", "c.pem", "--tls-key", "k.pem"], "c.pem");
    refused(&["--allow-origins", "example"], "no origin");
    refused(&["--allow-hosts", "http://example"], "no host");
    refused(&["--tokens", "none.txt"], "none.txt");

    // With tokens it does; they are in no line of the log, not even of trace.
    fs::write(folder.path().join("tokens"), TOKENS).unwrap();
    let args = ["run", "p.sql", "--listen", "0.0.0.0:0", "--tokens", "tokens", "--log-format", "json"];
    let mut child =
        highwater(folder.path(), &args).env("HIGHWATER_TOKENS", "more read more-more-more-more").spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    let serving = lines.by_ref().find(|line| line.contains("serving http://")).unwrap();
    let port: u16 = serving.split("0.0.0.0:").nth(1).unwrap().split('"').next().unwrap().parse().unwrap();
    let ask = |query: &str, header: &str| {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        write!(stream, "GET /api/v1/views{query} HTTP/1.0{header}\r\nX-Request-Id: asked-1\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.split(' ').nth(1).unwrap().to_owned()
    };
    assert_eq!(ask("", ""), "401");
    assert_eq!(ask("?access_token=more-more-more-more", ""), "200");
    assert_eq!(ask("", "\r\nAuthorization: Bearer reader-reader-reader"), "200");
    assert!(Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap().success());
    let said: Vec<String> = lines.collect();
    assert!(child.wait().unwrap().success(), "{said:?}");
    for secret in ["reader-reader", "more-more", "boss-boss"] {
        assert!(!said.iter().any(|line| line.contains(secret)), "a token is in the log");
    }
    let logged = said.iter().filter(|line| line.contains("asked-1")).count();
    assert!(logged >= 3, "{said:?}");
}

#[test]
fn tls_serves_an_independent_client() {
    let has = |tool: &str, version: &str| Command::new(tool).arg(version).stdout(Stdio::null()).status().is_ok();
    if !(has("curl", "--version") && has("openssl", "version")) {
        assert!(std::env::var_os("CI").is_none(), "TLS is tested with curl and openssl: install them");
        eprintln!("skipped: no curl or no openssl");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let pair = |name: &str| {
        let (cert, key) = (folder.path().join(format!("{name}.pem")), folder.path().join(format!("{name}-key.pem")));
        let made = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"])
            .args(["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"])
            .args(["-addext", "basicConstraints=critical,CA:FALSE", "-keyout"])
            .args([&key, Path::new("-out"), &cert])
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        (cert, key)
    };
    let (cert, key) = pair("cert");
    let tls = Tls::read(&cert, &key).unwrap();
    let access =
        Access { tls: Some(tls.clone()), tokens: Some(Tokens::parse(TOKENS, "tokens").unwrap()), ..Access::default() };
    assert!(Tls::read(&key, &cert).is_err() && Tls::read(&cert, &cert).is_err());
    let server = served(access);
    let url = format!("https://{}/api/v1/views", server.address);
    let curl = |args: &[&str]| {
        let mut command = Command::new("curl");
        command.args(["-s", "-m", "20", "-w", "\n%{http_code} %{ssl_verify_result}"]);
        let output = command.args(args).arg(&url).output().unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let ca = cert.to_str().unwrap();
    let (worked, said) = curl(&["--cacert", ca, "-H", "Authorization: Bearer reader-reader-reader"]);
    assert!(worked && said.ends_with("\n200 0") && said.contains("\"windows\""), "{said}");
    let (worked, said) = curl(&["--cacert", ca, "--tls-max", "1.2"]);
    assert!(worked && said.ends_with("\n401 0"), "{said}");
    assert!(!curl(&[]).0, "a certificate that nobody vouches for was taken");
    // Our own client: with the certificate and the token it follows, without either it says why not.
    let tail = |args: &[&str]| {
        let url = format!("https://{}", server.address);
        let mut command = highwater(folder.path(), &["tail", &url, "windows"]);
        let mut child = command.args(args).env_remove("RUST_LOG").spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let mut said = String::new();
        if line.is_empty() {
            child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        (line, said)
    };
    let (line, said) = tail(&["--ca", ca, "--token", "reader-reader-reader"]);
    assert!(line.starts_with("{\"_op\":\"insert\""), "{line}{said}");
    assert!(tail(&["--ca", ca]).1.contains("Authorization: Bearer"), "{:?}", tail(&["--ca", ca]));
    let refused = tail(&["--token", "reader-reader-reader"]).1;
    assert!(refused.contains("certificate"), "{refused}");
    // A renewed certificate serves the next connections.
    let (renewed, renewed_key) = pair("renewed");
    tls.replace(&Tls::read(&renewed, &renewed_key).unwrap());
    assert!(!curl(&["--cacert", ca]).0 && curl(&["--cacert", renewed.to_str().unwrap()]).1.ends_with("\n401 0"));
    // Plain HTTP gets nothing.
    let mut plain = server.request("GET /livez HTTP/1.0");
    let mut heard = Vec::new();
    let _ = plain.read_to_end(&mut heard);
    assert!(!heard.starts_with(b"HTTP/"), "{}", String::from_utf8_lossy(&heard));
}
