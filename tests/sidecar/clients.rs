//! Clients that others wrote: curl, Python's `websockets`, and schemathesis, which calls everything that the description
//! tells of with all it can think of.
//!
//! Without them the tests say so and pass, unless `CI` is set: then they fail.

use super::*;

const PROGRAM: &str = "
CREATE SOURCE clicks (page VARCHAR, ms BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND)
  WITH ('connector' = 'http', 'format' = 'json');
CREATE TABLE rules (id INT PRIMARY KEY, page VARCHAR, most BIGINT);
CREATE MATERIALIZED VIEW sums AS SELECT page, window_start, window_end, COUNT(*) AS n, SUM(ms) AS total
  FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY page, window_start, window_end
  EMIT CHANGES;
CREATE MATERIALIZED VIEW broken AS SELECT c.page, c.ms FROM clicks c JOIN rules FOR SYSTEM_TIME AS OF c.ts AS r
  ON c.page = r.page WHERE c.ms > r.most;
";

/// Whether a program runs so.
pub(super) fn has(program: &str, args: &[&str]) -> bool {
    let found = Command::new(program).args(args).output().is_ok_and(|output| output.status.success());
    assert!(found || std::env::var_os("CI").is_none(), "{program} {args:?} does not run: install it as .ci/run does");
    if !found {
        eprintln!("skipped: {program} {} does not run", args.join(" "));
    }
    found
}

fn said(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let (out, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}\n{error}");
    out.into_owned()
}

#[test]
fn curl_sends_and_follows() {
    if !has("curl", &["--version"]) {
        return;
    }
    let folder = folder(PROGRAM);
    let process = Process::start(folder.path(), &[]);
    let at = |path: &str| format!("http://{}{path}", process.address);
    let rows: String = (0..100).map(|n| format!("{{\"page\":\"/{}\",\"ms\":{n},\"ts\":{n}}}\n", n % 3)).collect();
    fs::write(folder.path().join("rows.ndjson"), &rows).unwrap();
    let packed = zstd::encode_all(rows.as_bytes(), 3).unwrap();
    fs::write(folder.path().join("rows.zst"), packed).unwrap();
    let curl =
        |args: &[&str]| said(Command::new("curl").args(["-sS", "-m", "30"]).args(args).current_dir(folder.path()));
    let events = at("/api/v1/sources/clicks/events");
    let plain = ["-H", "content-type: application/x-ndjson", "--data-binary", "@rows.ndjson", &events];
    assert!(curl(&plain).contains("\"accepted\":100"));
    // Told that a body follows, it waits for leave to send it; chunked, it does not say how long it is.
    let chunked = ["-H", "expect: 100-continue", "-H", "transfer-encoding: chunked", "-H", "content-encoding: zstd"];
    let answer = curl(&[&chunked[..], &["--data-binary", "@rows.zst", &events]].concat());
    let token = serde_json::from_str::<Value>(&answer).unwrap()["token"].as_str().unwrap().to_owned();
    eventually("it is complete", || curl(&[&at(&format!("/api/v1/completion/{token}"))]).contains("true"));
    let rows = curl(&["--compressed", "-H", "accept: application/json", &at("/api/v1/views/sums/rows?page=/1")]);
    let rows: Value = serde_json::from_str(&rows).unwrap();
    assert_eq!(rows["rows"][0]["n"], 66, "{rows}");
    let mut stream = Command::new("curl")
        .args(["-sSN", "-m", "30", &at("/api/v1/views/sums/stream")])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(stream.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert_eq!(lines.next().unwrap(), "event: snapshot");
    curl(&["-d", "{\"page\":\"/1\",\"ms\":1,\"ts\":5}", "-H", "content-type: application/json", &events]);
    assert!(lines.any(|line| line == "event: delta"));
    stream.kill().unwrap();
    stream.wait().unwrap();
    // A column that may be NULL may be left out of a header, as of an object.
    let csv = ["-H", "content-type: text/csv", "--data-binary", "page,ts\n/2,7\n/2,8\n", &events];
    let taken: Value = serde_json::from_str(&curl(&csv)).unwrap();
    assert_eq!((&taken["accepted"], &taken["rejected"]), (&2.into(), &0.into()), "{taken}");
    for (args, status) in [
        (&["-X", "DELETE", &events][..], "405"),
        (&[&at("/api/v1/views/none/rows")], "404"),
        (&["-d", "{", "-H", "content-type: text/plain", &events], "415"),
    ] {
        let told = curl(&[args, &["-o", "/dev/null", "-w", "%{http_code} %{content_type}"]].concat());
        assert_eq!(told, format!("{status} application/problem+json"), "{args:?}");
    }
}

#[test]
fn pythons_websockets_send_and_follow() {
    if !has("python3", &["-c", "import websockets"]) {
        return;
    }
    let folder = folder(PROGRAM);
    let process = Process::start(folder.path(), &[]);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sidecar/sockets.py");
    let told = said(Command::new("python3").arg(script).arg(process.address.to_string()));
    assert_eq!(told.trim(), "all is well");
}

#[test]
fn a_socket_ends_with_the_reason_and_everything_acknowledged() {
    if !has("python3", &["-c", "import websockets"]) {
        return;
    }
    let folder = folder(PROGRAM);
    let process = Process::start(folder.path(), &["--limits", "body-time=2s"]);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sidecar/closes.py");
    let told = said(Command::new("python3").arg(script).arg(process.address.to_string()));
    assert_eq!(told.trim(), "all is well");
}

/// A page of another name that resolves to this machine is refused, with what would allow it.
#[test]
fn curl_by_another_name_is_misdirected() {
    if !has("curl", &["--version"]) {
        return;
    }
    let folder = folder(PROGRAM);
    let ask = |process: &Process, name: &str, more: &[&str]| {
        let resolve = format!("{name}:{}:127.0.0.1", process.address.port());
        let url = format!("http://{name}:{}/api/v1/tables/rules/rows", process.address.port());
        let args = ["-sS", "-m", "30", "-w", " %{http_code}", "--resolve", &resolve, &url];
        said(Command::new("curl").args(args).args(more))
    };
    let body = ["-H", "content-type: application/json", "-d", "{\"id\":1,\"page\":\"/a\",\"most\":1}"];
    let process = Process::start(folder.path(), &[]);
    for more in [&[][..], &body] {
        let told = ask(&process, "rebound.example", more);
        assert!(told.ends_with(" 421") && told.contains("--allow-hosts rebound.example"), "{told}");
    }
    assert!(ask(&process, "localhost", &body).ends_with(" 200"));
    drop(process);
    let process = Process::start(folder.path(), &["--allow-hosts", "rebound.example"]);
    assert!(ask(&process, "rebound.example", &[]).ends_with(" 200"));
}

#[test]
fn schemathesis_finds_nothing_that_is_not_described() {
    if !has("schemathesis", &["--version"]) {
        return;
    }
    let folder = folder(PROGRAM);
    let mut process = Process::start(folder.path(), &[]);
    process.post("/api/v1/sources/clicks/events", "{\"page\":\"a\",\"ms\":1,\"ts\":1000}");
    let url = format!("http://{}/openapi.json", process.address);
    // Streams do not end: what they answer is tested elsewhere.
    let mut command = Command::new("schemathesis");
    command.current_dir(folder.path()).args(["run", &url, "--checks", "all", "--max-examples", "15", "--seed", "7"]);
    command.args(["--exclude-path-regex", "/stream|/ws", "--exclude-checks", "ignored_auth,positive_data_acceptance"]);
    command.args(["--request-timeout", "10", "--generation-deterministic", "--no-color", "--workers", "1"]);
    let output = command.output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{told}\n{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(process.ask("GET", "/livez", "", "").0, 200);
    process.terminate();
    assert_eq!(process.ends().code(), Some(0), "{:?}", process.said);
}
