//! What an operator holds on to: the description is true and valid, the metrics have their names and labels, several views
//! are read at one epoch.
#![allow(clippy::unwrap_used)]

mod client;
mod script;

use std::collections::BTreeMap;
use std::process::Command;
use std::time::Duration;

use client::*;
use highwater::engine::Config;
use highwater_core::plan::Emit;
use script::*;
use serde_json::Value;

const TIMING: Timing = Timing { bound_ms: 100, lateness_ms: Some(500), idle: None };

/// Windows and totals of out-of-order rows, some too late.
fn program(rows: usize, live: bool) -> Program {
    let mut program = Program::default();
    let mut acts = acts(&disordered(9, rows, 5, 20, 900), 50);
    if live {
        acts = acts.into_iter().flat_map(|act| [act, Act::Pause(Duration::from_millis(4))]).collect();
    }
    let source = program.source("events", Script { partitions: vec![acts], live }, TIMING);
    let windows = program.tumble(source, 1_000, Emit::Changes, Some(500));
    let totals = program.totals(source);
    program.view("windows", windows).view("totals", totals).sink(&unique("out"), windows);
    program
}

/// A sink that cannot be written holds back the source that feeds it, and nothing else: no worker waits for it, nor does a branch
/// that has nothing to do with it. Once it can be written nothing is missing.
#[test]
fn m5_a_pipe_that_nobody_reads_holds_back_its_own_branch() {
    const ROWS: usize = 20_000;
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe.json");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    for workers in [1, 2] {
        let mut program = Program::default();
        let script = || Script { partitions: vec![acts(&disordered(9, ROWS, 5, 20, 1), 50)], live: false };
        let (stuck, free) = (program.source("stuck", script(), TIMING), program.source("free", script(), TIMING));
        let (seen, totals) = (program.totals(stuck), program.totals(free));
        program.view("seen", seen).view("totals", totals);
        program.sink(&unique("out"), stuck);
        let sink = &mut program.0.sinks[0].spec;
        sink.connector = (*highwater_core::sink::SINKS.iter().find(|sink| sink.name() == "filesystem").unwrap()).into();
        sink.options = [("path".to_owned(), pipe.display().to_string())].into_iter().collect();
        let config = Config::default().workers(workers).tick_rows(50).with(|config| config.queue_rows = 1_000);
        let engine = program.start_with(config);
        let counted = |view: &str| -> i64 {
            let rows = engine.views().get(view).unwrap().snapshot().batch;
            let counts = rows.column(1).as_any().downcast_ref::<arrow_array::Int64Array>().unwrap();
            counts.iter().flatten().sum()
        };
        let clock = std::time::Instant::now();
        while counted("totals") < ROWS as i64 || engine.sinks()[0].state() != "retrying" {
            assert!(clock.elapsed() < Duration::from_secs(60), "the other branch has {} rows", counted("totals"));
            std::thread::sleep(Duration::from_millis(5));
        }
        assert!(engine.sinks()[0].stand().reason.unwrap().contains("nobody reads the pipe"));
        let held = engine.source("stuck").unwrap();
        assert!(!held.ended() && counted("seen") < ROWS as i64, "its source is held back");
        let reading = pipe.clone();
        let reader = std::thread::spawn(move || std::fs::read_to_string(reading).unwrap());
        engine.wait().unwrap();
        let lines = reader.join().unwrap().lines().count() as u64;
        assert_eq!(lines, engine.source("stuck").unwrap().counts().accepted());
        assert_eq!(counted("seen"), lines as i64);
    }
}

fn document(server: &Server) -> Value {
    serde_json::from_str(&server.call("GET", "/openapi.json").2).unwrap()
}

/// What of a value is not as its schema says; objects have no members that the schema does not name.
fn unlike(document: &Value, schema: &Value, value: &Value, place: &str) -> Vec<String> {
    if let Some(reference) = schema["$ref"].as_str() {
        return unlike(document, document.pointer(&reference[1..]).unwrap(), value, place);
    }
    if let Some(any) = schema["anyOf"].as_array() {
        let all: Vec<_> = any.iter().map(|schema| unlike(document, schema, value, place)).collect();
        return all.into_iter().min_by_key(Vec::len).unwrap();
    }
    let kinds: Vec<&str> = match &schema["type"] {
        Value::Array(kinds) => kinds.iter().map(|kind| kind.as_str().unwrap()).collect(),
        Value::String(kind) => vec![kind],
        _ => return Vec::new(),
    };
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    if !(kinds.contains(&kind) || kind == "integer" && kinds.contains(&"number")) {
        return vec![format!("{place} is {kind}, not {kinds:?}")];
    }
    let mut found = Vec::new();
    for (at, value) in value.as_array().into_iter().flatten().enumerate() {
        found.extend(unlike(document, &schema["items"], value, &format!("{place}[{at}]")));
    }
    if let Some(members) = value.as_object() {
        for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if !members.contains_key(name) {
                found.push(format!("{place} has no {name}"));
            }
        }
        for (name, value) in members {
            match schema["properties"].get(name) {
                Some(schema) => found.extend(unlike(document, schema, value, &format!("{place}.{name}"))),
                None if schema["additionalProperties"] == false => found.push(format!("{place}.{name} is not told of")),
                None => {}
            }
        }
    }
    found
}

#[test]
fn the_description_is_true() {
    let server = Server::start(program(3_000, false).start(2));
    server.finish();
    let document = document(&server);
    let (mut checked, mut streams) = (0, 0);
    for (path, item) in document["paths"].as_object().unwrap() {
        let Some(operation) = item.get("get") else { continue };
        let place = path.replace("{view}", "windows").replace("{source}", "events");
        if place.contains('{') {
            continue;
        }
        let content = operation["responses"]["200"]["content"].as_object();
        // Without being asked it answers as the last of them says.
        let Some((media, about)) = content.and_then(|content| content.iter().next_back()) else { continue };
        if media == "text/event-stream" {
            streams += 1;
            server.stream(&place, "");
            continue;
        }
        let (status, kind, body) = server.call("GET", &place);
        assert!(status == 200 && kind.starts_with(media.as_str()), "{path}: {status} {kind}");
        if media == "application/json" {
            let value: Value = serde_json::from_str(&body).unwrap();
            let found = unlike(&document, &about["schema"], &value, "answer");
            assert!(found.is_empty(), "{path}: {found:#?}");
            checked += 1;
        }
    }
    assert!(checked >= 10 && streams >= 3, "{checked} answers, {streams} streams");
    let (_, _, refusal) = server.call("GET", "/api/v1/views/nope");
    let problem = unlike(
        &document,
        &document["components"]["schemas"]["Problem"],
        &serde_json::from_str(&refusal).unwrap(),
        "problem",
    );
    assert!(problem.is_empty(), "{problem:?}");
}

/// Needs `python3` with `openapi-spec-validator`; without it says so and passes, unless `CI` is set.
#[test]
fn the_description_is_valid() {
    let server = Server::start(program(100, false).start(1));
    let found = Command::new("python3").args(["-c", "import openapi_spec_validator"]).output();
    if !found.is_ok_and(|output| output.status.success()) {
        assert!(std::env::var_os("CI").is_none(), "pip install openapi-spec-validator");
        eprintln!("skipped: python3 has no openapi-spec-validator (pip install openapi-spec-validator)");
        return;
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), document(&server).to_string()).unwrap();
    let check = "import json, sys; from openapi_spec_validator import OpenAPIV31SpecValidator as V; \
                 errors = list(V(json.load(open(sys.argv[1]))).iter_errors()); \
                 [print(error) for error in errors]; sys.exit(bool(errors))";
    let output = Command::new("python3").args(["-c", check]).arg(file.path()).output().unwrap();
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn every_metric_of_the_contract_is_there_with_its_labels() {
    let mut acts = acts(&disordered(9, 3_000, 5, 20, 900), 50);
    acts.push(Act::Hang);
    let mut program = Program::default();
    let source = program.source("events", live(vec![acts]), TIMING);
    let windows = program.tumble(source, 1_000, Emit::Changes, Some(500));
    program.view("windows", windows);
    let server = Server::start(program.start(2));
    eventually("all is received", || server.json("/api/v1/stats")["rows_received"] == 3_000);
    eventually("windows close", || server.json("/api/v1/views/windows/rows?limit=1")["rows"][0]["_status"] != "open");
    std::thread::sleep(Duration::from_millis(300));
    let _stream = server.stream("/api/v1/views/windows/stream", "");
    let (_, _, text) = server.call("GET", "/metrics");
    for (name, labels) in [
        ("highwater_events_received_total", "source=\"events\""),
        ("highwater_events_late_total", "source=\"events\",outcome="),
        ("highwater_dead_letters_total", "source=\"events\",reason=\"late\""),
        ("highwater_watermark_timestamp_seconds", "source=\"events\""),
        ("highwater_watermark_lag_seconds", "source=\"events\""),
        ("highwater_ingest_to_visible_seconds_bucket", "le="),
        ("highwater_ingest_to_visible_seconds_count", ""),
        ("highwater_ingest_to_visible_seconds_sum", ""),
        ("highwater_input_buffer_rows", "source=\"events\""),
        ("highwater_input_buffer_capacity_rows", "source=\"events\""),
        ("highwater_backpressure_seconds_total", "source=\"events\""),
        ("highwater_windows_open", "view=\"windows\""),
        ("highwater_rows_emitted_total", "view=\"windows\",kind=\"insert\""),
        ("highwater_rows_emitted_total", "view=\"windows\",kind=\"retract\""),
        ("highwater_operator_rows_total", "direction=\"in\""),
        ("highwater_operator_rows_total", "direction=\"out\""),
        ("highwater_operator_busy_seconds_total", "operator="),
        ("highwater_state_rows", "operator="),
        ("highwater_state_bytes", "operator="),
        ("highwater_sse_clients", ""),
        ("highwater_sse_compacted_total", ""),
        ("highwater_source_state", "source=\"events\",state=\"running\""),
        ("highwater_clients", "kind=\"sse\""),
        ("highwater_connections", ""),
        ("highwater_connections_capacity", ""),
        ("highwater_requests_total", "method=\"GET\",status=\"200\""),
        ("highwater_request_seconds_count", ""),
        ("highwater_refusals_total", "kind=\"backpressure\""),
        ("highwater_body_bytes", ""),
        ("highwater_answer_bytes", ""),
        ("highwater_build_info", "version="),
        ("highwater_build_info", "commit="),
        ("process_cpu_seconds_total", ""),
        ("process_resident_memory_bytes", ""),
        ("process_virtual_memory_bytes", ""),
        ("process_open_fds", ""),
        ("process_max_fds", ""),
        ("process_start_time_seconds", ""),
        ("process_threads", ""),
    ] {
        let is = |line: &str| {
            let (key, value) = line.rsplit_once(' ').unwrap_or((line, ""));
            let (found, of) = key.split_once('{').unwrap_or((key, ""));
            found == name && of.contains(labels) && value.parse::<f64>().is_ok()
        };
        assert!(text.lines().any(is), "no {name}{{{labels}}} in:\n{text}");
    }
}

#[test]
fn health_tells_of_everything_that_runs() {
    let server = Server::start(program(300, false).start(2));
    server.finish();
    let _stream = server.stream("/api/v1/views/windows/stream", "");
    assert_eq!(server.call("GET", "/api/v1/views/none/rows").0, 404);
    let health = server.json("/api/v1/health");
    assert_eq!((&health["status"], &health["engine"]), (&"ok".into(), &"done".into()));
    assert!(health["process"]["memory_bytes"].as_f64() > Some(1e6), "{health}");
    assert!(health["process"]["open_descriptors"].as_f64() < health["process"]["descriptors_limit"].as_f64());
    assert_eq!(health["processes"][0]["state"], "here");
    assert_eq!(health["clients"]["sse"], 1);
    let unknown = health["refusals"].as_array().unwrap().iter().find(|refused| refused["kind"] == "unknown");
    assert_eq!(unknown.unwrap()["count"], 1);
    for (kind, rows) in [("sources", 300), ("sinks", 1)] {
        let component = &health[kind][0];
        assert!(component["state"] == "ended" && component["rows"].as_u64() >= Some(rows), "{component}");
        assert!(component["reason"].is_null() && component["waiting"] == 0, "{component}");
    }
}

#[test]
fn views_that_are_read_together_are_of_one_epoch() {
    let server = Server::start(program(6_000, true).start_with(Config::default().with(|config| config.tick_ms = 1)));
    let number = |row: &Value, name: &str| row[name].as_i64().unwrap();
    let (mut seen, mut between) = (0, 0);
    loop {
        let ended = server.engine.state().ended();
        let both = server.json("/api/v1/rows?views=windows,totals&limit=100000");
        let mut counts: [BTreeMap<i64, i64>; 2] = Default::default();
        for (counts, view) in counts.iter_mut().zip(both["views"].as_array().unwrap()) {
            assert_eq!(view["complete"], true);
            for row in view["rows"].as_array().unwrap() {
                *counts.entry(number(row, "k")).or_insert(0) += number(row, "count");
            }
        }
        assert_eq!(counts[0], counts[1], "of {}", both["as_of"]);
        let rows = counts[0].values().sum::<i64>();
        between += i32::from(rows != seen && !ended);
        seen = rows;
        if rows > 5_000 || ended {
            break;
        }
    }
    assert!(between > 3, "the views were hardly looked at while they changed: {between}");
    assert_eq!(server.call("GET", "/api/v1/rows?views=nope").0, 404);
    assert_eq!(server.call("GET", "/api/v1/rows?limit=0").0, 400);
}
