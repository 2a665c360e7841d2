//! The sidecar over real sockets: the shape of every answer, refusals, and streams that rebuild what the rows say: from the
//! start, cut off and resumed anywhere, merged, several views at one epoch.
#![allow(clippy::unwrap_used)]

mod client;
mod script;
#[path = "server/truth.rs"]
mod truth;

use std::collections::{BTreeMap, BTreeSet};
use std::io::BufRead;
use std::time::{Duration, Instant};

use client::*;
use highwater::engine::Config;
use highwater_core::plan::Emit;
use script::*;
use serde_json::Value;

const LATE: Timing = Timing { bound_ms: 100, lateness_ms: Some(2_000), idle: None };

/// Two views of out-of-order rows with amendments, behind a gate: windows as they change, totals.
fn gated(seed: u64, live: bool) -> (Program, usize) {
    let go = gate();
    let input = disordered(seed, 3_000, 5, 20, 300);
    let mut acts = acts(&input, 50);
    if live {
        acts = acts.into_iter().flat_map(|act| [act, Act::Pause(Duration::from_millis(4))]).collect();
    }
    acts.insert(0, Act::Gate(go));
    let mut program = Program::default();
    let source = program.source("events", Script { partitions: vec![acts], live }, LATE);
    let windows = program.tumble(source, 1_000, Emit::Changes, Some(2_000));
    let totals = program.totals(source);
    program.view("windows", windows).view("totals", totals);
    (program, go)
}

fn served(program: &Program, workers: usize) -> Server {
    Server::start(program.start_with(Config::default().workers(workers).tick_rows(200)))
}

#[test]
fn every_answer_has_its_shape() {
    let (program, go) = gated(1, false);
    let server = served(&program, 2);
    assert_eq!(server.json("/api/v1/stats")["finished"], false);
    open(go);
    server.finish();

    let views = server.json("/api/v1/views");
    let names: Vec<&Value> = views["views"].as_array().unwrap().iter().map(|view| &view["name"]).collect();
    assert_eq!(names, ["windows", "totals"]);
    let about = server.json("/api/v1/views/windows");
    assert_eq!(about, views["views"][0]);
    assert_eq!(about["emit"], "changes");
    assert_eq!(about["key"], serde_json::json!(["k", "window_start", "window_end"]));
    assert_eq!(about["columns"][1]["name"], "window_start");
    assert_eq!(about["columns"][1]["type"], "TIMESTAMP(3)");
    assert_eq!(about["as_of"]["watermark"], "infinity");
    assert_eq!(about["as_of"]["watermark_ms"], Value::Null);

    let page = server.json("/api/v1/views/windows/rows?limit=3");
    assert_eq!(page["view"], "windows");
    assert_eq!(page["rows"].as_array().unwrap().len(), 3);
    assert!(page["next"].is_string());
    let row = &page["rows"][0];
    assert!(row["window_start"].as_str().unwrap().ends_with(".000Z"), "{row}");
    assert!(row["count"].is_i64() && row["_version"].is_u64());
    assert!(["final", "amended"].contains(&row["_status"].as_str().unwrap()));
    assert_eq!(server.json("/api/v1/views/WINDOWS/rows?limit=3"), page);

    let stats = server.json("/api/v1/stats");
    assert_eq!((&stats["finished"], &stats["state"]), (&Value::from(true), &Value::from("done")));
    assert_eq!(stats["rows_received"], 3_000);
    let latency = |what: &str| stats["ingest_to_visible"][what].as_f64().unwrap();
    assert!(latency("epochs") >= 2.0 && latency("p50_seconds") > 0.0, "{stats}");
    assert!(latency("p50_seconds") <= latency("p99_seconds") && latency("p99_seconds") <= latency("max_seconds"));
    assert_eq!(stats["rows_accepted"].as_u64().unwrap() + stats["dead_letters"].as_u64().unwrap(), 3_000);
    assert_eq!(server.json("/api/stats")["rows_received"], 3_000);

    let source = server.json("/api/v1/sources/events");
    assert_eq!(source, server.json("/api/v1/sources")["sources"][0]);
    assert_eq!((&source["status"], &source["rows"]["received"]), (&Value::from("ended"), &Value::from(3_000)));
    assert_eq!(source["event_time"]["column"], "ts");
    let late = source["rows"]["rejected_late"].as_u64().unwrap();
    let letters = server.json("/api/v1/sources/events/dead-letters?limit=2");
    assert_eq!(letters["total"].as_u64().unwrap(), late);
    assert!(letters["dead_letters"].as_array().unwrap().iter().all(|letter| letter["reason"] == "late"));

    let graph = server.json("/api/v1/dataflow");
    let nodes = graph["nodes"].as_array().unwrap();
    let kinds: Vec<&str> = nodes.iter().map(|node| node["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds[..3], ["source", "reduce", "reduce"], "{graph}");
    assert_eq!(kinds[3..], ["view", "view"], "{graph}");
    assert_eq!(graph["nodes"][1]["inputs"], serde_json::json!([0]));
    assert_eq!(graph["views"][1], serde_json::json!({"name": "totals", "node": 2}));
    assert!(graph["edges"].as_array().unwrap().contains(&serde_json::json!({"from": 2, "to": 4})), "{graph}");
    let of = |node: usize, what: &str| nodes[node][what].as_u64().unwrap();
    assert_eq!((of(0, "rows_in"), of(0, "rows_out")), (3_000, 3_000 - late), "what two read is sent once");
    assert_eq!((of(1, "rows_in"), of(2, "rows_in")), (3_000 - late, 3_000 - late));
    assert_eq!((of(3, "rows_in"), of(4, "rows_in")), (of(1, "rows_out"), of(2, "rows_out")));
    // Windows are closed and freed; totals are kept for ever.
    assert_eq!((of(1, "state_rows"), of(1, "state_bytes")), (0, 0));
    assert!(of(2, "state_rows") == of(4, "state_rows") && of(2, "state_bytes") >= 16 * of(2, "state_rows"), "{graph}");
    assert!(nodes.iter().all(|node| node["watermark"] == "infinity" && node["watermark_ms"] == Value::Null), "{graph}");
    assert!(nodes[..3].iter().all(|node| node["busy_seconds"].as_f64().unwrap() > 0.0), "{graph}");

    assert_eq!(server.json("/health")["status"], "ok");
    for probe in ["/livez", "/readyz"] {
        assert_eq!(server.call("GET", probe).2, "ok\n");
    }
    let (status, kind, text) = server.call("GET", "/metrics");
    assert!(status == 200 && kind.starts_with("text/plain; version=0.0.4"), "{status} {kind}");
    assert!(text.contains("# TYPE highwater_events_received_total counter\n"), "{text}");
    assert!(text.contains("highwater_events_received_total{source=\"events\"} 3000"), "{text}");
    let (status, kind, page) = server.call("GET", "/");
    assert!(status == 200 && kind.starts_with("text/html") && page.contains("<title>Highwater</title>"));
    assert!(!page.contains("http://") || page.matches("http://").count() == page.matches("http://www.w3.org").count());

    let newest = server.json("/api/aggregates/windows?limit=2");
    let all = server.json("/api/v1/views/windows/rows?order=-window_end&limit=2");
    assert_eq!((&newest["rows"], newest["rows"].as_array().unwrap().len()), (&all["rows"], 2));
    let mut lines = server.lines("/stream/metrics", "").lines();
    let event = lines.by_ref().map(Result::unwrap).find(|line| line.starts_with("data: "));
    assert!(event.unwrap().contains("\"rows_received\":3000"));
}

#[test]
fn rows_that_a_sink_could_not_take_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().display();
    let rows = "{\"k\":\"a\",\"v\":1}\n{\"k\":\"b\",\"v\":null}\n{\"k\":\"b\",\"v\":null}\n";
    std::fs::write(folder.path().join("in.ndjson"), rows).unwrap();
    let sql = format!(
        "CREATE TABLE s (k STRING, v BIGINT) WITH ('connector' = 'filesystem', 'path' = '{path}/in.ndjson', 'format' = 'json');
         CREATE TABLE o (k STRING, v BIGINT NOT NULL) WITH ('connector' = 'filesystem', 'path' = '{path}/o.ndjson', 'format' = 'json');
         INSERT INTO o SELECT k, v FROM s;"
    );
    let Ok(dataflow) = highwater::sql::plan(&[("q.sql".to_owned(), sql)], &highwater::sql::Catalog::new()) else {
        panic!("it plans")
    };
    let server = Server::start(highwater::engine::Engine::start(dataflow, Config::default()).unwrap());
    server.finish();
    assert_eq!(server.json("/api/v1/sinks"), serde_json::json!({"sinks": [{"name": "o", "dead_letters": 2}]}));
    assert_eq!(server.json("/api/v1/stats")["sinks"], server.json("/api/v1/sinks")["sinks"]);
    let letters = server.json("/api/v1/sinks/o/dead-letters");
    assert_eq!((&letters["sink"], &letters["total"]), (&Value::from("o"), &Value::from(2)));
    let letter = &letters["dead_letters"][0];
    assert_eq!(
        (&letter["expression"], &letter["reason"], &letter["count"]),
        (&Value::from("v"), &Value::from("evaluation"), &Value::from(2))
    );
    assert_eq!(letter["detail"], "it is NULL, and the column 'v' is NOT NULL");
    assert_eq!(letter["content"], "{\"k\":\"b\",\"v\":null}");
    assert_eq!(server.call("GET", "/api/v1/sinks/p/dead-letters").0, 404);
}

#[test]
fn refusals_say_what_would_do() {
    let (program, go) = gated(2, false);
    open(go);
    let server = served(&program, 1);
    server.finish();
    for (path, status, detail) in [
        ("/api/v1/views/nope", 404, "there is no view 'nope'; there are: windows, totals"),
        ("/api/v1/views/nope/rows", 404, "there are: windows, totals"),
        ("/api/v1/views/nope/stream", 404, "there are: windows, totals"),
        ("/api/v1/stream?views=windows,nope", 404, "there are: windows, totals"),
        ("/api/v1/sources/nope", 404, "there is no source 'nope'; there are: events"),
        ("/api/v1/sources/nope/dead-letters", 404, "there are: events"),
        ("/api/v1/views/windows/rows?nope=1", 400, "the view has: k, window_start"),
        ("/api/v1/views/windows/rows?order=nope", 400, "the view has: k, window_start"),
        ("/api/v1/views/windows/rows?k=x", 400, "k=x"),
        ("/api/v1/views/windows/rows?limit=0", 400, "1 to 100000"),
        ("/api/v1/views/windows/rows?cursor=zz", 400, "cursor=zz"),
        ("/api/v1/views/windows/stream?emit=all", 400, "changes or final"),
        ("/api/v1/views/windows/stream?every=5", 400, "not a duration"),
        ("/api/v1/views/windows/stream?nope=5", 400, "nope"),
        ("/api/v1/nope", 404, "/api/v1/views"),
    ] {
        let (found, kind, body) = server.call("GET", path);
        assert_eq!((found, kind.as_str()), (status, "application/problem+json"), "{path}: {body}");
        let problem: Value = serde_json::from_str(&body).unwrap();
        assert!(problem["detail"].as_str().unwrap().contains(detail), "{path}: {problem}");
        assert_eq!((&problem["status"], &problem["type"]), (&Value::from(status), &Value::from("about:blank")));
        assert!(problem["title"].is_string());
    }
    let (status, kind, _) = server.call("DELETE", "/api/v1/views");
    assert_eq!((status, kind.as_str()), (405, "application/problem+json"));
}

#[test]
fn pages_and_filters_find_every_row_once() {
    let (program, go) = gated(3, false);
    open(go);
    let server = served(&program, 2);
    server.finish();
    let all = rows_of(&server, "windows");
    for query in
        ["limit=7", "limit=7&order=-count,k", "limit=1000&order=window_end", "limit=9&k=3", "limit=50&order=-sum&k=2"]
    {
        let (mut seen, mut cursor) = (BTreeMap::new(), String::new());
        loop {
            let page = server.json(&format!("/api/v1/views/windows/rows?{query}&cursor={cursor}"));
            for row in page["rows"].as_array().unwrap() {
                *seen.entry(split(row)).or_insert(0) += 1;
            }
            match page["next"].as_str() {
                Some(next) => cursor = next.to_owned(),
                None => break,
            }
        }
        let key = query.split("&k=").nth(1);
        let wanted = |row: &str| key.is_none_or(|key| row.contains(&format!("\"k\":{key},")));
        let expected: BTreeMap<_, _> = all.clone().into_iter().filter(|((row, ..), _)| wanted(row)).collect();
        assert_eq!(seen, expected, "{query}");
    }
    let ordered = server.json("/api/v1/views/windows/rows?order=-count");
    let counts: Vec<i64> =
        ordered["rows"].as_array().unwrap().iter().map(|row| row["count"].as_i64().unwrap()).collect();
    assert!(counts.is_sorted_by(|a, b| a >= b));
    let end = ordered["rows"][0]["window_end"].as_str().unwrap();
    let at = server.json(&format!("/api/v1/views/windows/rows?window_end={end}"));
    assert!(at["rows"].as_array().unwrap().iter().all(|row| row["window_end"] == end));
}

/// Follows a stream until everything is told.
fn follow(server: &Server, path: &str, mut each: impl FnMut(&Held, &Event)) -> Held {
    let (mut stream, mut held) = (server.stream(path, ""), Held::new());
    loop {
        let event = stream.next().unwrap();
        take(&mut held, &event);
        each(&held, &event);
        if event.ends() {
            return held;
        }
    }
}

#[test]
fn a_stream_rebuilds_the_rows() {
    let mut statuses: BTreeMap<String, usize> = BTreeMap::new();
    for (seed, live) in [(4, false), (5, true), (6, false)] {
        let kinds =
            ["stream", "stream?every=20ms", "ws?snapshot=false", "ws?emit=final", "stream?emit=final&every=5ms"];
        for query in kinds {
            let (program, go) = gated(seed, live);
            let server = served(&program, 2);
            let mut begun = false;
            let held = follow(&server, &format!("/api/v1/views/windows/{query}"), |held, event| {
                if !std::mem::replace(&mut begun, true) {
                    assert_eq!(event.name, if query.contains("snapshot=false") { "progress" } else { "snapshot" });
                    open(go);
                }
                assert_ne!(event.name, "reset");
                let open = |(_, status, _): &(String, String, u64)| status == "open";
                assert!(!query.contains("final") || !held.values().any(|view| view.keys().any(open)));
            });
            server.finish();
            assert_eq!(held["windows"], rows_of(&server, "windows"), "{seed} {query}");
            for (_, status, _) in held["windows"].keys() {
                *statuses.entry(status.clone()).or_insert(0) += 1;
            }
        }
    }
    assert_eq!(statuses.keys().collect::<Vec<_>>(), ["amended", "final"]);
}

#[test]
fn several_views_are_told_at_one_epoch() {
    let (program, go) = gated(7, true);
    let server = served(&program, 2);
    let mut agreed = 0;
    let held = follow(&server, "/api/v1/stream?views=totals,windows", |held, event| {
        if event.name != "progress" {
            return;
        }
        open(go);
        // Rows per key: by the totals, and by all windows.
        let mut counts: BTreeMap<i64, [i64; 2]> = BTreeMap::new();
        for (which, view) in ["totals", "windows"].into_iter().enumerate() {
            for ((row, ..), times) in &held[view] {
                let row: Value = serde_json::from_str(row).unwrap();
                counts.entry(row["k"].as_i64().unwrap()).or_default()[which] += row["count"].as_i64().unwrap() * times;
            }
        }
        assert!(counts.values().all(|[totals, windows]| totals == windows), "{counts:?} at {event:?}");
        agreed += usize::from(!counts.is_empty());
    });
    assert!(agreed > 5, "{agreed} progress marks with rows");
    assert_eq!(held["totals"], rows_of(&server, "totals"));

    let (program, go) = gated(8, true);
    let server = served(&program, 1);
    open(go);
    let mut stream = server.stream("/api/v1/stream?align=false&every=10ms", "");
    let (mut held, mut ended) = (Held::new(), BTreeSet::new());
    while ended.len() < 2 {
        let event = stream.next().unwrap();
        take(&mut held, &event);
        if event.ends() {
            ended.insert(event.data["view"].to_string());
        }
    }
    for view in ["windows", "totals"] {
        assert_eq!(held[view], rows_of(&server, view));
    }
}

#[test]
fn a_stream_that_is_cut_off_anywhere_goes_on_without_gap_or_repeat() {
    for (seed, path) in [
        (9, "/api/v1/views/windows/stream"),
        (10, "/api/v1/stream?views=windows,totals"),
        (11, "/api/v1/stream?views=windows,totals&align=false&every=3ms"),
        (12, "/api/v1/views/windows/stream?emit=final"),
        (17, "/api/v1/views/windows/ws"),
        (18, "/api/v1/ws?views=windows,totals"),
        (19, "/api/v1/ws?views=windows,totals&align=false&every=3ms"),
        (20, "/api/v1/views/windows/ws?emit=final"),
    ] {
        let (program, go) = gated(seed, true);
        let server = served(&program, 2);
        open(go);
        let mut random = Random(seed);
        let (mut held, mut last_id) = (Held::new(), String::new());
        let (mut cuts, mut ended) = (0, BTreeSet::new());
        let marks = if path.contains("align=false") { 2 } else { 1 };
        while ended.len() < marks {
            let mut stream = server.stream(path, &last_id);
            for _ in 0..=random.below(6) {
                let event = stream.next().unwrap();
                assert_ne!(event.name, "reset", "{path} from {last_id}");
                assert!(
                    last_id.is_empty() || last_id.ends_with(":-") || event.name != "snapshot",
                    "{path} from {last_id}"
                );
                take(&mut held, &event);
                if event.ends() {
                    ended.insert(event.data["view"].to_string());
                }
                last_id = event.id;
                // A first snapshot of several is nothing whole to resume from.
                while last_id.ends_with(":-") {
                    let event = stream.next().unwrap();
                    take(&mut held, &event);
                    last_id = event.id;
                }
                if ended.len() == marks {
                    break;
                }
            }
            cuts += 1;
        }
        assert!(cuts > 3, "{path} was cut off {cuts} times");
        for (view, held) in &held {
            let shown = rows_of(&server, view);
            assert_eq!(held, &shown, "{path}");
        }
    }
}

#[test]
fn a_reader_that_comes_back_too_late_is_reset() {
    let (program, go) = gated(13, false);
    let engine = program.start_with(Config::default().workers(1).tick_rows(50).with(|config| config.ring_epochs = 4));
    let server = Server::start(engine);
    let id = server.stream("/api/v1/views/windows/stream", "").next().unwrap().id;
    // As long as it is there it goes on, and what it is told is kept for others.
    eventually("it is gone", || server.json("/api/v1/stats")["sse_clients"] == 0);
    open(go);
    server.finish();
    for id in [id.as_str(), "0:1.1", "nonsense"] {
        let mut stream = server.stream("/api/v1/views/windows/stream", id);
        let (reset, snapshot) = (stream.next().unwrap(), stream.next().unwrap());
        assert_eq!((reset.name.as_str(), snapshot.name.as_str()), ("reset", "snapshot"), "{id}");
        assert!(reset.data["reason"].is_string());
        let mut held = Held::new();
        take(&mut held, &snapshot);
        assert_eq!(held["windows"], rows_of(&server, "windows"));
    }
}

/// An id is a place of one request: of another view, of other options, it is none, and says so at once.
#[test]
fn a_reader_with_the_id_of_another_request_is_reset() {
    let (program, go) = gated(21, false);
    open(go);
    let server = served(&program, 2);
    server.finish();
    let last = |path: &str| {
        let mut stream = server.stream(path, "");
        let mut events = std::iter::from_fn(|| stream.next());
        events.find(Event::ends).unwrap().id
    };
    let paths = [
        "/api/v1/views/windows/stream",
        "/api/v1/views/windows/stream?emit=final",
        "/api/v1/views/windows/ws?numbers=exact",
        "/api/v1/views/totals/ws",
        "/api/v1/stream?views=windows,totals",
        "/api/v1/stream?views=totals,windows",
    ];
    let ids = paths.map(last);
    for (of, id) in ids.iter().enumerate() {
        for (to, path) in paths.iter().enumerate() {
            let first = server.stream(path, id).next().unwrap();
            assert_eq!(first.name, if of == to { "progress" } else { "reset" }, "{} to {path}", paths[of]);
        }
    }
    let answer = std::io::BufReader::new(server.request("GET /api/v1/views/windows/stream HTTP/1.0"));
    let head: Vec<String> = answer.lines().map(Result::unwrap).take_while(|line| !line.is_empty()).collect();
    assert!(head.iter().any(|line| line.to_lowercase() == "x-accel-buffering: no"), "{head:?}");
}

#[test]
fn a_silent_stream_shows_that_it_lives() {
    let (program, _) = gated(14, true);
    let server = served(&program, 1);
    let begun = Instant::now();
    let mut lines = server.lines("/api/v1/views/windows/stream", "").lines();
    let Stream::Frames(mut socket) = server.stream("/api/v1/views/windows/ws", "") else { unreachable!() };
    let beat = lines.find(|line| line.as_ref().unwrap() == ": hb").unwrap().unwrap();
    assert_eq!(beat, ": hb");
    while socket.read()["type"] != "hb" {}
    let waited = begun.elapsed().as_secs();
    assert!((14..20).contains(&waited), "{waited} s");
}

#[test]
fn open_streams_do_not_hold_up_the_end() {
    let (program, _) = gated(15, true);
    let server = served(&program, 1);
    let mut stream = server.stream("/api/v1/views/windows/stream", "");
    assert_eq!(stream.next().unwrap().name, "snapshot");
    assert!(server.call("GET", "/metrics").2.contains("highwater_sse_clients 1"));
    let begun = Instant::now();
    drop(server);
    assert!(begun.elapsed() < Duration::from_secs(5));
    while stream.next().is_some() {}
}

#[test]
fn a_reader_that_leaves_is_forgotten() {
    let (program, _) = gated(16, true);
    let server = served(&program, 1);
    let stream = server.stream("/api/v1/views/windows/stream", "");
    eventually("it is counted", || server.call("GET", "/metrics").2.contains("highwater_sse_clients 1"));
    drop(stream);
    eventually("it is not counted any more", || server.call("GET", "/metrics").2.contains("highwater_sse_clients 0"));
}

#[test]
fn a_failed_engine_is_not_alive() {
    let mut program = Program::default();
    let source = program.source("events", Script { partitions: vec![vec![Act::Panic]], live: true }, STRICT);
    program.view("all", source);
    let server = served(&program, 1);
    assert!(server.engine.wait().is_err());
    for path in ["/livez", "/readyz", "/health"] {
        let (status, _, body) = server.call("GET", path);
        assert_eq!(status, 503, "{path}");
        assert!(body.contains("the script says so"), "{path}: {body}");
    }
}
