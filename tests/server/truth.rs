//! What a reader holds, at every mark it is given: server-sent or over a WebSocket, cut off, slow, told of many epochs at once.

use highwater::time::Epoch;

use super::*;

/// The rows of a view at an epoch by what a sink of the same rows was handed before it: the changes, added up.
fn rows_at(log: &[(Epoch, String)], epoch: Epoch) -> BTreeMap<String, i64> {
    let mut rows = BTreeMap::new();
    for (_, change) in log.iter().take_while(|(at, _)| *at < epoch) {
        let (diff, row) = change.split_once(' ').unwrap();
        *rows.entry(row.to_owned()).or_insert(0) += diff.parse::<i64>().unwrap();
    }
    rows.retain(|_, count| *count != 0);
    rows
}

/// A row as the log of a sink has it.
fn as_logged(row: &str, columns: &[String]) -> String {
    let row: serde_json::Map<String, Value> = serde_json::from_str(row).unwrap();
    let cell = |value: &Value| match value.as_str() {
        Some(text) => text.trim_end_matches('Z').trim_end_matches(".000").to_owned(),
        None => value.to_string(),
    };
    columns.iter().map(|column| cell(&row[column])).collect::<Vec<_>>().join(",")
}

/// Readers that are dropped anywhere, are slow, and are told of many epochs at once: at every progress mark they hold
/// exactly the rows that the view had then, each with the standing that its closing time and the watermark give it.
#[test]
fn at_every_progress_mark_a_reader_holds_the_rows_of_that_epoch() {
    let (mut marks, mut cuts, mut compacted) = (0, 0, 0.0);
    for seed in 30..38_u64 {
        let mut random = Random(seed);
        let go = gate();
        let mut acts = acts(&disordered(seed, 3_000, 5, 20, 300), 20 + random.below(60) as usize);
        acts = acts.into_iter().flat_map(|act| [act, Act::Pause(Duration::from_millis(3))]).collect();
        acts.insert(0, Act::Gate(go));
        let mut program = Program::default();
        let source = program.source("events", Script { partitions: vec![acts], live: true }, LATE);
        let windows = program.tumble(source, 1_000, Emit::Changes, Some(2_000));
        let out = unique("out");
        program.view("windows", windows).sink(&out, windows);
        let server = Server::start(program.start_with(Config { workers: 1 + seed as usize % 2, ..Config::default() }));
        let server = &server;
        let (mut told, mut ended) = (Vec::new(), 0);
        std::thread::scope(|scope| {
            let paths = ["stream", "ws", "stream?every=40ms", "ws?every=70ms", "stream"];
            let readers: Vec<_> = (0..)
                .zip(paths)
                .map(|(reader, path)| {
                    let mut random = Random(seed * 100 + reader);
                    scope.spawn(move || {
                        let (mut held, mut last_id, mut told, mut cuts) = (Held::new(), String::new(), Vec::new(), 0);
                        loop {
                            let mut stream = server.stream(&format!("/api/v1/views/windows/{path}"), &last_id);
                            for _ in 0..=random.below(20) {
                                let event = stream.next().unwrap();
                                assert_ne!(event.name, "reset", "from {last_id}");
                                take(&mut held, &event);
                                if event.name == "progress" {
                                    let as_of =
                                        event.data["as_of"]["epoch"].as_str().unwrap().parse::<Epoch>().unwrap();
                                    told.push((as_of, held.get("windows").cloned().unwrap_or_default()));
                                }
                                last_id = event.id.clone();
                                if event.ends() {
                                    return (told, cuts);
                                }
                                // The last of them is slow.
                                let pause = if reader == 4 { random.below(60) } else { random.below(3) };
                                std::thread::sleep(Duration::from_millis(pause.unsigned_abs()));
                            }
                            cuts += 1;
                        }
                    })
                })
                .collect();
            open(go);
            for reader in readers {
                let (own, own_cuts) = reader.join().unwrap();
                told.extend(own);
                cuts += own_cuts;
                ended += 1;
            }
        });
        server.finish();
        assert_eq!(ended, 5);
        let log = written(&out);
        let about = server.json("/api/v1/views/windows");
        let columns =
            about["columns"].as_array().unwrap().iter().map(|column| column["name"].as_str().unwrap().to_owned());
        let columns: Vec<String> = columns.collect();
        for (as_of, held) in told {
            let mut rows: BTreeMap<String, i64> = BTreeMap::new();
            for ((row, status, version), count) in &held {
                let value: Value = serde_json::from_str(row).unwrap();
                let before =
                    highwater::time::format_time_ms(as_of.watermark).as_str() < value["window_end"].as_str().unwrap();
                let open = as_of.watermark == i64::MIN || as_of.watermark != i64::MAX && before;
                assert!(*version >= 1 && (status == "open") == open, "{row} {status} {version} at {as_of}");
                *rows.entry(as_logged(row, &columns)).or_insert(0) += count;
            }
            assert_eq!(rows, rows_at(&log, as_of), "seed {seed} at {as_of}");
            marks += 1;
        }
        let metrics = server.call("GET", "/metrics").2;
        let merged = metrics.lines().find_map(|line| line.strip_prefix("highwater_sse_compacted_total ")).unwrap();
        compacted += merged.parse::<f64>().unwrap();
    }
    println!("{marks} progress marks, {cuts} cuts, {compacted} merged");
    assert!(marks > 500 && cuts > 50 && compacted > 10.0, "{marks} marks, {cuts} cuts, {compacted} merged");
}

#[test]
fn a_stream_over_a_websocket_is_refused_and_ended_in_words() {
    let (program, _) = gated(21, true);
    let server = served(&program, 1);
    for (path, headers, status) in [
        ("/api/v1/views/nope/ws", "", "404"),
        ("/api/v1/views/windows/ws?emit=x", "", "400"),
        ("/api/v1/ws?views=windows,nope", "", "404"),
        ("/api/v1/views/windows/ws?views=windows", "", "400"),
        ("/api/v1/views/windows/ws", "origin: https://evil.example\r\n", "403"),
    ] {
        let refused = Socket::open_at(server.address, path, headers).err().unwrap();
        assert!(refused.starts_with(&format!("HTTP/1.1 {status} ")), "{path}: {refused}");
    }
    assert_eq!(server.call("GET", "/api/v1/views/windows/ws").0, 400, "no upgrade");
    let mut socket = Socket::open_at(server.address, "/api/v1/ws?with=stats", "origin: http://x\r\n").unwrap();
    socket.send(9, b"ping");
    let mut seen = BTreeSet::new();
    while !(seen.contains("stats") && seen.contains("progress") && seen.contains("pong")) {
        let (code, frame) = socket.frame().unwrap();
        seen.insert(match code {
            10 => "pong".to_owned(),
            _ => serde_json::from_slice::<Value>(&frame).unwrap()["type"].as_str().unwrap().to_owned(),
        });
    }
    assert!(server.call("GET", "/metrics").2.contains("highwater_sse_clients 1"));
    drop(server);
    let mut last = None;
    while let Some(frame) = socket.frame() {
        last = Some(frame);
    }
    let (code, reason) = last.unwrap();
    assert!(code == 8 && reason.starts_with(&1001_u16.to_be_bytes()), "{code} {reason:?}");
}
