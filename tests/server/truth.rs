//! What a reader holds, at every mark it is given: server-sent or over a WebSocket, cut off, slow, told of many epochs at once.

use highwater::time::Epoch;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{TestCaseError, TestRunner};

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

/// How a reader follows the view.
#[derive(Clone, Debug)]
struct Reader {
    /// Over a WebSocket, not server-sent.
    socket: bool,
    /// Told at most so often, in ms; what came in between is told as one.
    every: Option<u64>,
    /// After how many events it is cut off, in turn; then it resumes.
    cuts: Vec<usize>,
    /// For how long it stops at each event, in ms, in turn.
    pauses: Vec<u64>,
}

/// What comes, and who reads.
#[derive(Clone, Debug)]
struct Case {
    seed: u64,
    rows: usize,
    chunk: usize,
    workers: usize,
    readers: Vec<Reader>,
}

fn case() -> impl Strategy<Value = Case> {
    let pauses = prop_oneof![4 => vec(0_u64..3, 1..9), 1 => vec(0_u64..60, 1..9)];
    let every = prop::option::weighted(0.4, 20_u64..90);
    let reader = (any::<bool>(), every, vec(1_usize..21, 1..9), pauses);
    let reader = reader.prop_map(|(socket, every, cuts, pauses)| Reader { socket, every, cuts, pauses });
    (any::<u64>(), 500_usize..3_500, 20_usize..80, 1_usize..3, vec(reader, 1..6))
        .prop_map(|(seed, rows, chunk, workers, readers)| Case { seed, rows, chunk, workers, readers })
}

/// What a reader was told at each mark, and how often it was cut off.
type Told = (Vec<(Epoch, Held)>, usize);

fn follow(server: &Server, reader: &Reader) -> Told {
    let every = reader.every.map(|ms| format!("?every={ms}ms")).unwrap_or_default();
    let path = format!("/api/v1/views/windows/{}{every}", if reader.socket { "ws" } else { "stream" });
    let (mut held, mut last_id, mut told, mut cuts) = (BTreeMap::new(), String::new(), Vec::new(), 0);
    let mut pauses = reader.pauses.iter().cycle();
    loop {
        let mut stream = server.stream(&path, &last_id);
        for _ in 0..reader.cuts[cuts % reader.cuts.len()] {
            let event = stream.next().unwrap();
            assert_ne!(event.name, "reset", "from {last_id}");
            take(&mut held, &event);
            if event.name == "progress" {
                let as_of = event.data["as_of"]["epoch"].as_str().unwrap().parse::<Epoch>().unwrap();
                told.push((as_of, held.clone()));
            }
            last_id = event.id.clone();
            if event.ends() {
                return (told, cuts);
            }
            std::thread::sleep(Duration::from_millis(*pauses.next().unwrap()));
        }
        cuts += 1;
    }
}

/// Runs a case; answers marks seen, cuts, and epochs told as one.
fn check(case: &Case) -> Result<[usize; 3], TestCaseError> {
    let go = gate();
    let mut acts = acts(&disordered(case.seed, case.rows, 5, 20, 300), case.chunk);
    acts = acts.into_iter().flat_map(|act| [act, Act::Pause(Duration::from_millis(3))]).collect();
    acts.insert(0, Act::Gate(go));
    let mut program = Program::default();
    let source = program.source("events", Script { partitions: vec![acts], live: true }, LATE);
    let windows = program.tumble(source, 1_000, Emit::Changes, Some(2_000));
    let out = unique("out");
    program.view("windows", windows).sink(&out, windows);
    let server = Server::start(program.start_with(Config::default().workers(case.workers)));
    let all: Vec<Told> = std::thread::scope(|scope| {
        let readers: Vec<_> = case.readers.iter().map(|reader| scope.spawn(|| follow(&server, reader))).collect();
        open(go);
        readers.into_iter().map(|reader| reader.join().unwrap()).collect()
    });
    server.finish();
    let log = written(&out);
    let about = server.json("/api/v1/views/windows");
    let columns = about["columns"].as_array().unwrap().iter().map(|column| column["name"].as_str().unwrap().to_owned());
    let columns: Vec<String> = columns.collect();
    for (as_of, held) in all.iter().flat_map(|(told, _)| told) {
        let mut rows: BTreeMap<String, i64> = BTreeMap::new();
        for ((row, status, version), count) in held.get("windows").into_iter().flatten() {
            let value: Value = serde_json::from_str(row).unwrap();
            let before =
                highwater::time::format_time_ms(as_of.watermark).as_str() < value["window_end"].as_str().unwrap();
            let open = as_of.watermark == i64::MIN || as_of.watermark != i64::MAX && before;
            prop_assert!(*version >= 1 && (status == "open") == open, "{} {} {} at {}", row, status, version, as_of);
            *rows.entry(as_logged(row, &columns)).or_insert(0) += count;
        }
        prop_assert_eq!(rows, rows_at(&log, *as_of), "at {}", as_of);
    }
    let metrics = server.call("GET", "/metrics").2;
    let merged = metrics.lines().find_map(|line| line.strip_prefix("highwater_sse_compacted_total ")).unwrap();
    let marks = all.iter().map(|(told, _)| told.len()).sum();
    Ok([marks, all.iter().map(|(_, cuts)| cuts).sum(), merged.parse::<f64>().unwrap() as usize])
}

/// Readers that are dropped anywhere, are slow, and are told of many epochs at once: at every progress mark they hold
/// exactly the rows that the view had then, each with the standing that its closing time and the watermark give it.
#[test]
fn at_every_progress_mark_a_reader_holds_the_rows_of_that_epoch() {
    let config = ProptestConfig { cases: 20, max_shrink_iters: 30, failure_persistence: None, ..Default::default() };
    let seen = std::cell::Cell::new([0; 3]);
    let checked = TestRunner::new(config).run(&case(), |case| {
        let [marks, cuts, merged] = seen.get();
        let more = check(&case)?;
        seen.set([marks + more[0], cuts + more[1], merged + more[2]]);
        Ok(())
    });
    checked.unwrap_or_else(|failed| panic!("{failed}"));
    let [marks, cuts, merged] = seen.get();
    println!("{marks} progress marks, {cuts} cuts, {merged} merged");
    assert!(marks > 200 && cuts > 20 && merged > 5, "{marks} marks, {cuts} cuts, {merged} merged");
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
    let mut socket = Socket::open_at(server.address, "/api/v1/ws?with=stats", "origin: http://localhost\r\n").unwrap();
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
