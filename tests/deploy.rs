//! What `deploy/` holds is checked by those who will read it: Prometheus, Kubernetes' schemas, systemd, an OpenTelemetry
//! collector. What is not installed is left out and said, but for `CI=true`.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use highwater_core::metrics::{Kind, METRICS, Metrics};
use serde_json::Value;

const BINARY: &str = env!("CARGO_BIN_EXE_highwater");

fn text(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path))
        .unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Whether a program works here; in CI it has to.
fn installed(program: &str, arguments: &[&str]) -> bool {
    let works = Command::new(program).args(arguments).output().is_ok_and(|output| output.status.success());
    assert!(
        works || std::env::var("CI").is_err(),
        "{program} {arguments:?} does not work here, and CI leaves nothing out"
    );
    if !works {
        eprintln!("left out: {program} {} does not work here", arguments.join(" "));
    }
    works
}

/// Every name that the metrics page can show, with what is behind histograms' and counters' names.
fn names_of_metrics() -> BTreeSet<String> {
    let ours = METRICS.iter().flat_map(|family| match family.kind {
        Kind::Histogram => ["", "_bucket", "_sum", "_count"].map(|suffix| family.exposed() + suffix).to_vec(),
        _ => vec![family.exposed()],
    });
    // The standard ones are always there.
    let text = Metrics::new().encode();
    let standard = text.lines().filter(|line| line.starts_with("process_"));
    ours.chain(standard.map(|line| line.split(' ').next().unwrap_or_default().to_owned())).collect()
}

/// The words of a text that name a metric.
fn metrics_named(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let named = words.filter(|word| word.starts_with("highwater_") || word.starts_with("process_"));
    // `process_*` speaks of all of them.
    named.filter(|word| !word.ends_with('_')).map(str::to_owned).collect()
}

#[test]
fn every_metric_that_is_named_exists() {
    let known = names_of_metrics();
    assert!(known.contains("process_open_fds") && known.contains("highwater_events_received_total"), "{known:?}");
    for path in ["deploy/grafana/highwater.json", "deploy/prometheus/alerts.yml", "docs/operations.md"] {
        let named = metrics_named(&text(path));
        assert!(named.len() > 5, "{path} names no metrics");
        let unknown: Vec<_> = named.difference(&known).collect();
        assert!(unknown.is_empty(), "{path} names metrics that do not exist: {unknown:?}");
    }
    assert!(!known.contains("highwater_no_such_total"));
}

#[test]
fn every_metric_is_told_of_in_the_operators_guide() {
    let told = metrics_named(&text("docs/operations.md"));
    let ours = names_of_metrics().into_iter().filter(|name| name.starts_with("highwater_"));
    let suffixes = ["_bucket", "_sum", "_count"];
    let missing: Vec<_> =
        ours.filter(|name| !told.contains(name) && !suffixes.iter().any(|suffix| name.ends_with(suffix))).collect();
    assert!(missing.is_empty(), "docs/operations.md does not say what these are: {missing:?}");
}

#[test]
fn every_alert_has_its_chapter() {
    let (alerts, guide) = (text("deploy/prometheus/alerts.yml"), text("docs/operations.md"));
    let chapters: Vec<_> =
        alerts.lines().filter_map(|line| line.trim().strip_prefix("chapter: \"")?.strip_suffix('"')).collect();
    assert_eq!(chapters.len(), alerts.matches("- alert: ").count());
    let names = alerts.lines().filter_map(|line| line.trim().strip_prefix("- alert: "));
    for (name, chapter) in names.zip(chapters) {
        assert!(guide.contains(&format!("\n### {chapter}\n")), "docs/operations.md has no chapter '{chapter}'");
        let row = guide.lines().find(|line| line.starts_with(&format!("| `{name}` |")));
        let row = row.unwrap_or_else(|| panic!("docs/operations.md does not say what {name} means"));
        assert!(row.contains(&format!("[{chapter}](#{})", chapter.to_lowercase().replace(' ', "-"))), "{row}");
    }
}

#[test]
fn grafana_can_read_the_dashboard() {
    let board: Value = serde_json::from_str(&text("deploy/grafana/highwater.json")).unwrap();
    let panels = board["panels"].as_array().unwrap();
    let ids: BTreeSet<_> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
    assert_eq!(ids.len(), panels.len(), "ids are there twice");
    for panel in panels.iter().filter(|panel| panel["type"] != "row") {
        let place = &panel["gridPos"];
        assert!(place["x"].as_u64().unwrap() + place["w"].as_u64().unwrap() <= 24, "{panel} is too wide");
        assert!(!panel["description"].as_str().unwrap().is_empty());
        assert!(!panel["targets"].as_array().unwrap().is_empty());
    }
}

/// Prometheus reads the alerts, and the queries of the dashboard as well, as rules.
#[test]
fn prometheus_reads_alerts_and_queries() {
    if !installed("promtool", &["--version"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let board: Value = serde_json::from_str(&text("deploy/grafana/highwater.json")).unwrap();
    let mut rules = "groups:\n- name: board\n  rules:\n".to_owned();
    let targets = board["panels"].as_array().unwrap().iter().filter_map(|panel| panel["targets"].as_array()).flatten();
    for (place, target) in targets.enumerate() {
        let query = target["expr"].as_str().unwrap().replace("$__rate_interval", "1m").replace("$instance", ".*");
        rules +=
            &format!("  - record: board:query\n    labels: {{place: '{place}'}}\n    expr: {}\n", Value::from(query));
    }
    let queries = folder.path().join("queries.yml");
    fs::write(&queries, rules).unwrap();
    let alerts = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/prometheus/alerts.yml");
    let config = alerts.with_file_name("prometheus.yml");
    for (what, path) in [("rules", &queries), ("rules", &alerts), ("config", &config)] {
        let output = Command::new("promtool").args(["check", what]).arg(path).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.contains("SUCCESS"), "{}: {said}", path.display());
    }
}

/// Each alert is raised by what it is about, with its words, and none by a server that does well.
#[test]
fn every_alert_is_raised_by_what_it_is_about() {
    let (alerts, tests) = (text("deploy/prometheus/alerts.yml"), text("tests/deploy/alerts_test.yml"));
    for alert in alerts.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")) {
        let quiet = format!("{{eval_time: 2h, alertname: {alert}, exp_alerts: []}}");
        assert!(tests.contains(&quiet), "{alert} is not tested to be quiet");
        assert!(tests.contains(&format!("- name: {alert}\n")), "{alert} is not tested to be raised");
    }
    if !installed("promtool", &["--version"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("alerts.yml"), alerts).unwrap();
    fs::write(folder.path().join("test.yml"), tests).unwrap();
    let run = Command::new("promtool").args(["test", "rules", "test.yml"]).current_dir(folder.path()).output().unwrap();
    let said = String::from_utf8_lossy(&run.stdout).into_owned() + &String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "{said}");
}

/// What `curl .../metrics | promtool check metrics` says of a server with a source, a view, a sink and clients.
#[test]
fn promtool_finds_nothing_to_say_of_the_metrics() {
    if !installed("promtool", &["--version"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    fs::write(
        folder.path().join("p.sql"),
        "CREATE SOURCE s (x INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts) WITH ('connector' = 'http');
         CREATE MATERIALIZED VIEW v AS SELECT x, COUNT(*) AS n, MAX(10 / x) AS m FROM s GROUP BY x;
         CREATE SINK o WITH ('connector' = 'filesystem', 'path' = 'o.json') AS SELECT 10 / x AS y FROM s;",
    )
    .unwrap();
    let server = Command::new(BINARY)
        .args(["run", "p.sql", "-w", "1", "--listen", "127.0.0.1:0"])
        .current_dir(folder.path())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut server = Running(server);
    let mut log = BufReader::new(server.0.stderr.take().unwrap()).lines();
    let address =
        log.find_map(|line| Some(line.unwrap().split_once("http://127.0.0.1:")?.1.trim().to_owned())).unwrap();
    let _drained = std::thread::spawn(move || log.map_while(Result::ok).count());
    let ask = |request: &str| {
        let mut client = TcpStream::connect(format!("127.0.0.1:{address}")).unwrap();
        client.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        client.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        std::io::Read::read_to_string(&mut client, &mut answer).unwrap();
        answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default()
    };
    let body = r#"[{"x":1,"ts":1},{"x":0,"ts":2},{"x":"no","ts":3}]"#;
    ask(&format!("POST /api/v1/sources/s/events HTTP/1.0\r\ncontent-length: {}\r\n\r\n{body}", body.len()));
    ask("GET /api/v1/views/none HTTP/1.0\r\n\r\n");
    let metrics = ask("GET /metrics HTTP/1.0\r\naccept: */*\r\n\r\n");
    assert!(metrics.contains("highwater_events_received_total{source=\"s\"} 3"), "{metrics}");
    let families = metrics.lines().filter(|line| line.starts_with("# TYPE highwater_")).count();
    assert!(families > 30, "{families} families: {metrics}");
    let mut check = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    check.stdin.take().unwrap().write_all(metrics.as_bytes()).unwrap();
    let output = check.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.trim().is_empty(), "{said}");
    // Who asks for OpenMetrics, as Prometheus does, gets it.
    let open =
        ask("GET /metrics HTTP/1.0\r\naccept: application/openmetrics-text;version=1.0.0,text/plain;q=0.5\r\n\r\n");
    assert!(open.ends_with("# EOF\n") && open.contains("# TYPE highwater_events_received counter"), "{open}");
}

#[test]
fn systemd_reads_the_unit() {
    if !installed("systemd-analyze", &["--version"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let unit = folder.path().join("highwater.service");
    fs::write(&unit, text("deploy/systemd/highwater.service").replace("/usr/local/bin/highwater", BINARY)).unwrap();
    let output = Command::new("systemd-analyze").arg("verify").arg(&unit).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    let ours: Vec<_> = said.lines().filter(|line| line.contains("highwater.service")).collect();
    assert!(output.status.success() && ours.is_empty(), "{said}");
}

/// The manifests are valid, and the variables that they set are settings.
#[test]
fn kubernetes_takes_the_manifests() {
    if !installed("python3", &["-c", "import kubernetes_validate, yaml"]) {
        return;
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let output = Command::new("python3")
        .arg(root.join("tests/deploy/manifests.py"))
        .arg(root.join("deploy/kubernetes/highwater.yaml"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let help = Command::new(BINARY).args(["run", "--help"]).output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let set = String::from_utf8(output.stdout).unwrap();
    assert!(set.lines().count() > 3);
    let dockerfile = text("deploy/Dockerfile");
    let in_image = dockerfile.lines().filter_map(|line| line.strip_prefix("ENV HIGHWATER_LISTEN")).count();
    assert_eq!(in_image, 1, "the image listens beyond the loopback");
    for variable in set.lines().chain(["HIGHWATER_LISTEN", "HIGHWATER_LOG_FORMAT"]) {
        assert!(help.contains(&format!("[env: {variable}=")), "{variable} is no setting:\n{help}");
    }
}

/// The image has glibc and the runtime of GCC and nothing else.
#[test]
fn the_binary_runs_in_the_image() {
    if !installed("ldd", &[BINARY]) {
        return;
    }
    let output = Command::new("ldd").arg(BINARY).output().unwrap();
    let there = [
        "linux-vdso",
        "libc.so",
        "libm.so",
        "libgcc_s.so",
        "libpthread.so",
        "libdl.so",
        "librt.so",
        "/lib64/ld-linux",
        "libstdc++.so",
    ];
    for library in String::from_utf8(output.stdout).unwrap().lines() {
        assert!(there.iter().any(|known| library.trim().starts_with(known)), "the image does not have {library}");
    }
}

/// Ends a child with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A collector gets the metrics and the spans, though it is busy at first and gone at the end.
#[test]
fn a_collector_is_told_metrics_and_spans() {
    if !installed("python3", &["-c", "import opentelemetry.proto.collector.trace.v1.trace_service_pb2"]) {
        return;
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let collector = Command::new("python3")
        .arg(root.join("tests/deploy/collector.py"))
        .arg("2")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut collector = Running(collector);
    let mut lines = BufReader::new(collector.0.stdout.take().unwrap()).lines();
    let mut next = move || serde_json::from_str::<Value>(&lines.next().unwrap().unwrap()).unwrap();
    let port = next()["port"].as_u64().unwrap();

    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("p.sql");
    fs::write(
        &program,
        "CREATE SOURCE s (x INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts) WITH ('connector' = 'http');
         CREATE MATERIALIZED VIEW v AS SELECT x FROM s;",
    )
    .unwrap();
    let server = Command::new(BINARY)
        .args(["run", "p.sql", "-w", "1", "--listen", "127.0.0.1:0", "--otlp", &format!("http://127.0.0.1:{port}")])
        .envs([("OTEL_SERVICE_NAME", "orders"), ("OTEL_EXPORTER_OTLP_HEADERS", "api-key=k%201%2C%3D%25%2B+")])
        .envs([("OTEL_METRIC_EXPORT_INTERVAL", "200"), ("OTEL_BSP_SCHEDULE_DELAY", "100")])
        .current_dir(folder.path())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut server = Running(server);
    let mut log = BufReader::new(server.0.stderr.take().unwrap()).lines();
    let address =
        log.find_map(|line| Some(line.unwrap().split_once("http://127.0.0.1:")?.1.trim().to_owned())).unwrap();
    let drained = std::thread::spawn(move || log.map_while(Result::ok).collect::<Vec<_>>());

    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let mut client = TcpStream::connect(format!("127.0.0.1:{address}")).unwrap();
    client.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let body = r#"[{"x":1,"ts":1},{"x":2,"ts":2},{"x":"no","ts":3}]"#;
    write!(
        client,
        "POST /api/v1/sources/s/events HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Type: application/json\r\n\
         traceparent: 00-{trace}-00f067aa0ba902b7-01\r\nX-Request-Id: r1\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut answer = String::new();
    BufReader::new(&client).read_line(&mut answer).unwrap();
    assert!(answer.contains(" 202 "), "{answer}");

    let (mut received, mut span) = (None, None);
    while received.is_none() || span.is_none() {
        let told = next();
        if told["metric"] == "highwater_events_received" && told["value"] == 3 {
            received = Some(told);
        } else if told["span"].is_string() {
            span = Some(told);
        }
    }
    let (received, span) = (received.unwrap(), span.unwrap());
    assert_eq!((&received["kind"], &received["attributes"]["source"]), (&"sum".into(), &"s".into()));
    assert_eq!((&received["resource"]["service.name"], &received["key"]), (&"orders".into(), &"k 1,=%++".into()));
    assert_eq!(span["span"], "POST /api/v1/sources/{source}/events");
    assert_eq!((&span["trace"], &span["parent"]), (&trace.into(), &"00f067aa0ba902b7".into()));
    assert_eq!(span["attributes"]["http.response.status_code"], 202);
    assert_eq!(span["attributes"]["http.request.header.x-request-id"], "r1");
    assert!(span["ns"].as_u64().unwrap() > 0);

    // Without its collector the engine ends as fast as ever, and well.
    drop(collector);
    let stopped = Command::new("kill").args(["-TERM", &server.0.id().to_string()]).status().unwrap();
    assert!(stopped.success());
    assert_eq!(server.0.wait().unwrap().code(), Some(0));
    let log = drained.join().unwrap().join("\n");
    assert_eq!(log.matches("the collector of --otlp did not take").count(), 1, "{log}");
}
