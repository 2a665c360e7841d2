//! What clients push while a start is still doing again what was kept, or the workers are behind: taken at once, decided on later.

use serde_json::Value;

use super::client::Socket;
use super::process::*;
use super::pushed::*;

/// So many rows that doing them again takes a while.
const KEPT: usize = 100_000;

/// Sends them.
fn keep(process: &Process) {
    for from in (0..KEPT).step_by(5_000) {
        let row =
            |n: usize| format!("{{\"id\":\"b{n}\",\"page\":\"p{}\",\"ms\":1,\"unread\":1,\"ts\":{}}}\n", n % 4, n % 50);
        let body: String = (from..from + 5_000).map(row).collect();
        eventually("it has room", || process.ask("POST", EVENTS, &body).0 == 202);
    }
}

fn recovers(process: &Process) -> bool {
    let (status, said) = process.ask("GET", "/readyz", "");
    match status {
        200 => false,
        _ => {
            let said: Value = serde_json::from_str(&said).unwrap();
            assert_eq!((status, &said["phase"]), (503, &"recovering".into()), "{said}");
            true
        }
    }
}

fn is_complete(process: &Process, token: &Value) -> bool {
    process.json(&format!("/api/v1/completion/{}", token.as_str().unwrap()))["complete"] == true
}

fn data(folder: &std::path::Path, what: &str) -> String {
    let output = highwater(folder).args(["data", what, "data"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// D1 to D4, D6, D7: what is pushed while a start goes on is there after it, once, in its order, also when that start is killed, and the
/// next, whatever of it had been decided on.
#[test]
fn what_is_pushed_while_a_start_goes_on_is_taken_once_whatever_is_killed() {
    let (folder, other) = (folder(PROGRAM), self::folder(PROGRAM));
    let whole = Process::start(other.path(), &["-w", "1"]);
    let mut process = Process::start(folder.path(), &["-w", "2"]);
    [&process, &whole].into_iter().for_each(keep);
    let (mut random, mut tokens, mut number) = (Random(23), Vec::new(), 0);
    let mut later = 0;
    for round in 0..4 {
        process.kill();
        process = Process::early(folder.path(), &["-w", ["1", "2"][round % 2]]);
        for _ in 0..12 {
            let body = body(&mut random, number);
            let answer =
                process.post(&format!("{EVENTS}?ack={}", ["durable", "received"][number as usize % 4 / 3]), &body);
            whole.post(EVENTS, &body);
            // The next says that the one before is in the log.
            let rows = body.lines().count() as u64;
            assert_eq!(answer["accepted"].as_u64().unwrap() + answer["rejected"].as_u64().unwrap(), rows, "{answer}");
            later += u64::from(answer["later"] == true);
            tokens.push(answer["token"].clone());
            number += 1;
            if answer["later"] == true && recovers(&process) {
                // What is read is not there yet.
                let (status, said) = process.ask("GET", "/api/v1/views/totals/rows", "");
                assert!(status == 200 || status == 503 && said.contains("the engine is starting"), "{status} {said}");
            }
        }
        let last = process.post(&format!("{EVENTS}?ack=durable"), "{\"id\":\"e1\",\"page\":\"p1\",\"ms\":1,\"ts\":1}");
        whole.post(EVENTS, "{\"id\":\"e1\",\"page\":\"p1\",\"ms\":1,\"ts\":1}");
        tokens.push(last["token"].clone());
        if round == 2 {
            process.is_ready();
            tokens.iter().for_each(|token| process.complete(token));
        }
    }
    assert!(later >= 30, "only {later} of {number} were pushed while a start went on");
    process.is_ready();
    tokens.iter().for_each(|token| process.complete(token));
    let before = seen(&process);
    eventually("all shows", || plain(&seen(&whole)[3].1) == plain(&before[3].1));
    for ((what, rows), (_, never)) in before.iter().zip(&seen(&whole)) {
        assert_eq!(plain(rows), plain(never), "{what}, beside a run without a kill");
    }
    let letters = before.iter().find(|(what, _)| what == "dead letters").unwrap().1.join("\n");
    for reason in ["\"late\"", "\"malformed\"", "unread", ",  \\\"ms\\\""] {
        assert!(letters.contains(reason), "{reason} is in no dead letter");
    }
    process.kill();
    // All is decided on: nothing changes any more, also not in a replay.
    let process = Process::start(folder.path(), &["-w", "3"]);
    before.iter().zip(&seen(&process)).for_each(|(before, after)| assert_eq!(before, after));
    assert!(tokens.iter().all(|token| is_complete(&process, token)));
    assert_eq!(process.stop().code(), Some(0));
    data(folder.path(), "verify");
    let held = data(folder.path(), "inspect");
    let named = ["rows that wait to be decided on", "decision on rows that waited"];
    assert!(named.iter().all(|name| held.contains(name)), "{held}");
    let mut again = Process::of(highwater(folder.path()).args(["replay", "data", "--listen", "127.0.0.1:0"]));
    let line = again.hears("serving http://");
    again.address = line.rsplit("http://").next().unwrap().trim().parse().unwrap();
    again.hears("stay served");
    before.iter().zip(&seen(&again)).for_each(|(before, after)| assert_eq!(before, after));
}

/// Every way of sending, and what each waits for.
#[test]
fn a_start_takes_rows_by_any_way_and_says_what_holds() {
    let folder = folder(PROGRAM);
    let process = Process::start(folder.path(), &["-w", "1"]);
    keep(&process);
    process.kill();
    let process = Process::early(folder.path(), &["-w", "1"]);
    let row = |id: &str| format!("{{\"id\":\"{id}\",\"page\":\"new\",\"ms\":1,\"unread\":1,\"ts\":60}}");
    let mut socket = Socket::open_at(process.address, "/ws/ingest", "").unwrap();
    for n in 0..20 {
        socket.text(&row(&format!("w{n}")));
    }
    for _ in 0..20 {
        let told = socket.read();
        assert_eq!((&told["accepted"], &told["later"]), (&1.into(), &true.into()), "{told}");
    }
    socket.text(&format!("[{},{{\"id\":1,\"ms\":\"x\"}}]", row("w0")));
    let told = socket.read();
    assert_eq!((&told["accepted"], &told["rejected"], &told["later"]), (&1.into(), &1.into(), &true.into()), "{told}");
    // Twice, under one key; wrong; and one that waits to be seen.
    let twice = process.post(EVENTS, &format!("{}\n{}\n{{\"id\":1,\"ms\":\"x\"}}\n", row("t"), row("t")));
    assert_eq!(
        (&twice["accepted"], &twice["rejected"], &twice["errors"][0]["row"]),
        (&2.into(), &1.into(), &2.into()),
        "{twice}"
    );
    assert_eq!(
        (&twice["later"], &twice["ack"], &twice["epoch"]),
        (&true.into(), &"durable".into(), &Value::Null),
        "{twice}"
    );
    assert!(recovers(&process));
    let address = process.address;
    let (visible, shown) = (row("v"), format!("{EVENTS}?ack=visible"));
    let waits = std::thread::spawn(move || ask(address, "POST", &shown, &visible));
    let (status, said) = process.ask("GET", "/api/v1/completion/x", "");
    assert!(status == 503 || status == 404, "{said}");
    let (status, page) = process.ask("GET", "/", "");
    assert!(status == 503 && page.contains("<html") || status == 200, "{status} {page}");
    assert!(process.ask("GET", "/metrics", "").1.contains("highwater_log_frames_total{kind=\"pushed\"} "));
    let (status, answer) = waits.join().unwrap();
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!((status, &answer["ack"]), (202, &"visible".into()), "{answer}");
    process.is_ready();
    assert!(is_complete(&process, &answer["token"]));
    process.complete(&twice["token"]);
    assert!(
        process.shows("totals", "\"n\":22,\"page\":\"new\"") || process.shows("totals", "\"page\":\"new\",\"n\":22"),
        "{:?}",
        process.rows("totals")
    );
    // By then nothing waits, and nothing is said of that.
    eventually("nothing waits", || {
        socket.text(&row("w1"));
        socket.read()["later"].is_null()
    });
    // A number that nothing has is no token.
    let token = answer["token"].as_str().unwrap();
    let (run, _) = token.split_once('.').unwrap();
    assert_eq!(process.ask("GET", &format!("/api/v1/completion/{run}.0.later0.999999999"), "").0, 404);
}

/// D6: a table that is changed while a start goes on is so behind all that came before, also when that start is killed.
#[test]
fn a_table_that_is_changed_while_a_start_goes_on_is_so_when_it_is_through() {
    let table = "CREATE TABLE names (page VARCHAR PRIMARY KEY, name VARCHAR);
        CREATE MATERIALIZED VIEW named AS SELECT n.name, COUNT(*) AS n FROM clicks c JOIN names n ON c.page = n.page GROUP BY n.name;";
    let folder = folder(&format!("{PROGRAM}{table}"));
    let rows = "/api/v1/tables/names/rows";
    let process = Process::start(folder.path(), &["-w", "2"]);
    let (status, answer) = process.ask("POST", rows, r#"{"page":"p1","name":"before"}"#);
    assert_eq!(status, 200, "{answer}");
    keep(&process);
    process.kill();
    let begins = |page: u32| {
        let process = Process::early(folder.path(), &["-w", "1"]);
        assert!(recovers(&process));
        let (address, name) = (process.address, format!(r#"{{"page":"p{page}","name":"round {page}"}}"#));
        (process, std::thread::spawn(move || ask(address, "POST", rows, &name)))
    };
    let (process, changed) = begins(0);
    // It is in the log as soon as a row that came later is.
    std::thread::sleep(std::time::Duration::from_millis(200));
    process.post(&format!("{EVENTS}?ack=durable"), r#"{"id":"mark","page":"p2","ms":1,"ts":60}"#);
    assert!(recovers(&process), "it is killed in the midst of it");
    process.kill();
    // Nobody answers.
    drop(changed.join());
    let (process, changed) = begins(1);
    let (status, answer) = changed.join().unwrap();
    assert_eq!(status, 200, "{answer}");
    assert!(answer.contains("epoch"), "{answer}");
    process.is_ready();
    eventually("rows meet both names, and not the one of before", || {
        let rows = process.rows("named");
        rows.len() == 2 && ["round 0", "round 1"].iter().all(|name| rows.iter().any(|row| row.contains(name)))
    });
    let held = data(folder.path(), "inspect");
    assert!(held.contains("change of a table"), "{held}");
}

/// What may wait is bounded; without room a start takes nothing.
#[test]
fn a_start_takes_no_more_than_may_wait() {
    let program = format!("SET 'log.overflow' = '4 KiB';\n{PROGRAM}");
    let folder = folder(&program);
    let process = Process::start(folder.path(), &["-w", "1"]);
    keep(&process);
    process.kill();
    let process = Process::early(folder.path(), &["-w", "1"]);
    let row = |n: usize| format!("{{\"id\":\"x{n}\",\"page\":\"new\",\"ms\":1,\"unread\":1,\"ts\":60}}");
    let (mut taken, mut refused) = (0, false);
    while !refused {
        let (status, said) = process.ask("POST", EVENTS, &row(taken));
        assert!(recovers(&process), "it was over before anything was refused");
        match status {
            202 => taken += 1,
            _ => {
                assert!(status == 429 && said.contains("has no room now"), "{status} {said}");
                refused = true;
            }
        }
    }
    assert!((2..40).contains(&taken), "{taken}");
    process.is_ready();
    eventually("it takes them again", || process.ask("POST", EVENTS, &row(taken)).0 == 202);
    eventually("all show", || process.shows("totals", &format!("\"n\":{}", taken + 1)));
    process.kill();
    std::fs::write(folder.path().join("p.sql"), program.replace("4 KiB", "0")).unwrap();
    let process = Process::early(folder.path(), &["-w", "1"]);
    let (status, said) = process.ask("POST", EVENTS, &row(0));
    assert!(status == 429 && recovers(&process), "{status} {said}");
}

/// What the workers have no room for waits in the log, also over a kill, and is taken in its order.
#[test]
fn what_there_is_no_room_for_waits_in_the_log() {
    const ROWS: usize = 2_000;
    let program = PROGRAM.replace("'format' = 'json',", "'format' = 'json', 'queue-rows' = '500',");
    assert_ne!(program, PROGRAM);
    let (folder, other) = (folder(&program), self::folder(PROGRAM));
    let body = |from: usize| -> String {
        let row =
            |n: usize| format!("{{\"id\":\"b{n}\",\"page\":\"p{}\",\"ms\":1,\"unread\":1,\"ts\":{}}}\n", n % 4, n / 10);
        (from..from + ROWS).map(row).collect()
    };
    let behind = |process: &Process| {
        let text = process.ask("GET", "/metrics", "").1;
        let found = text.lines().find_map(|line| line.strip_prefix("highwater_log_behind_bytes{source=\"clicks\"} "));
        found.map_or(0.0, |bytes| bytes.parse::<f64>().unwrap())
    };
    let mut process = Process::start(folder.path(), &["-w", "1"]);
    let whole = Process::start(other.path(), &["-w", "1"]);
    let (mut later, mut most, mut tokens) = (0, 0.0_f64, Vec::new());
    for round in 0..2 {
        for n in round * 25..round * 25 + 25 {
            let answer = process.post(&format!("{EVENTS}?ack=received"), &body(n * ROWS));
            assert_eq!(answer["accepted"], ROWS, "{answer}");
            later += u64::from(answer["later"] == true);
            tokens.push(answer["token"].clone());
            most = most.max(behind(&process));
        }
        for n in round * 25..round * 25 + 25 {
            eventually("it has room", || whole.ask("POST", EVENTS, &body(n * ROWS)).0 == 202);
        }
        // Behind those that came before.
        tokens.push(process.post(&format!("{EVENTS}?ack=durable"), &body(0))["token"].clone());
        whole.post(EVENTS, &body(0));
        process.kill();
        process = Process::start(folder.path(), &["-w", "1"]);
    }
    assert!(later > 0 && most > 0.0, "{later} of 50 waited, {most} bytes at most");
    tokens.iter().for_each(|token| process.complete(token));
    eventually("nothing waits", || behind(&process) == 0.0);
    let all = |process: &Process| plain(&process.rows("totals"));
    eventually("all is there, once", || all(&process) == all(&whole));
    for view in ["windows", "closed", "visits"] {
        assert_eq!(plain(&process.rows(view)), plain(&whole.rows(view)), "{view}");
    }
    process.kill();
    // As it was.
    std::fs::write(folder.path().join("p.sql"), format!("SET 'log.overflow' = '0';\n{program}")).unwrap();
    let process = Process::start(folder.path(), &["-w", "1"]);
    let refused = (50..150).any(|n| process.ask("POST", &format!("{EVENTS}?ack=received"), &body(n * ROWS)).0 == 429);
    assert!(refused, "there was always room");
}
