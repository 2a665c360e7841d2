//! Reference tables over real sockets: every call, every refusal, changes that readers of views see whole, joins that a
//! change of the table rewrites and such that it does not; on one worker, two workers, two processes.
#![allow(clippy::unwrap_used)]

mod client;
#[path = "tables/exact.rs"]
mod exact;
mod feed;
#[path = "tables/kept.rs"]
mod kept;
#[path = "tables/still.rs"]
mod still;

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use client::*;
use feed::{Feed, started};
use highwater::engine::Config;
use serde_json::{Value, json};

/// Status, body.
fn send(server: &Server, method: &str, path: &str, body: &str) -> (u16, Value) {
    ask(server.address, method, path, body).unwrap()
}

fn ask(address: SocketAddr, method: &str, path: &str, body: &str) -> std::io::Result<(u16, Value)> {
    let length = body.len();
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    let head = format!("{method} {path} HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: {length}");
    stream.write_all(format!("{head}\r\n\r\n{body}").as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    if status >= 400 {
        assert!(head.to_lowercase().contains("application/problem+json"), "{head}");
    }
    Ok((status, serde_json::from_str(body).unwrap_or_else(|_| panic!("{body}"))))
}

/// Makes a change; answers its epoch.
fn changed(server: &Server, method: &str, path: &str, body: &str) -> String {
    let (status, answer) = send(server, method, path, body);
    assert_eq!(status, 200, "{method} {path} {body}: {answer}");
    assert_eq!(answer.as_object().unwrap().len(), 1, "{answer}");
    answer["epoch"].as_str().unwrap().to_owned()
}

fn table_rows(server: &Server, path: &str) -> Value {
    server.json(path)["rows"].take()
}

const PROGRAM: &str = "
    CREATE SOURCE clicks (k BIGINT, v BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts)
      WITH ('connector' = 'feed', 'feed' = '$', 'lateness' = 'unbounded');
    CREATE TABLE thresholds (k BIGINT PRIMARY KEY NOT ENFORCED, slow BIGINT, note VARCHAR);
    CREATE TABLE rules (a VARCHAR NOT NULL, b BIGINT, weight DOUBLE NOT NULL, CONSTRAINT pk PRIMARY KEY (a, b));
    CREATE MATERIALIZED VIEW slow AS
      SELECT c.k, c.v, t.slow FROM clicks c JOIN thresholds t ON c.k = t.k WHERE c.v > t.slow;
    CREATE MATERIALIZED VIEW all_rules AS SELECT a, b, weight FROM rules;
    CREATE MATERIALIZED VIEW clicks_per_k AS SELECT k, COUNT(*) AS n FROM clicks GROUP BY k;";

fn served(program: &str, feed: &Feed, workers: usize) -> Server {
    Server::start(started(program, feed, Config::default().workers(workers).with(|config| config.tick_ms = 2)))
}

#[test]
fn every_call_does_what_it_says() {
    for workers in [1, 2] {
        let feed = Feed::new();
        let server = served(PROGRAM, &feed, workers);
        let tables = server.json("/api/v1/tables");
        assert_eq!(tables["tables"][0]["name"], "thresholds");
        assert_eq!(tables["tables"][0]["key"], json!(["k"]));
        assert_eq!(tables["tables"][1]["key"], json!(["a", "b"]));
        assert_eq!(tables["tables"][1]["columns"][2], json!({"name": "weight", "type": "DOUBLE", "nullable": false}));
        assert_eq!(server.json("/api/v1/tables/RULES")["name"], "rules");

        let rows = "/api/v1/tables/thresholds/rows";
        assert_eq!(table_rows(&server, rows), json!([]));
        // One object; an array; several, one a line. A later row of a key counts.
        let first = changed(&server, "POST", rows, r#"{"k": 1, "slow": 10}"#);
        assert_eq!(table_rows(&server, rows), json!([{"k": 1, "slow": 10, "note": null}]));
        let second =
            changed(&server, "POST", rows, r#"[{"k":2,"slow":20},{"K":1,"SLOW":11,"note":"x"},{"k":2,"slow":21}]"#);
        assert!(second >= first);
        changed(&server, "POST", rows, "{\"k\":3,\n\"slow\":30}\n{\"k\":4,\"slow\":\"40\"}\n");
        let all = json!([{"k":1,"slow":11,"note":"x"},{"k":2,"slow":21,"note":null},
                         {"k":3,"slow":30,"note":null},{"k":4,"slow":40,"note":null}]);
        assert_eq!(table_rows(&server, rows), all);
        assert_eq!(table_rows(&server, &format!("{rows}?slow=30")), json!([all[2]]));
        assert_eq!(table_rows(&server, &format!("{rows}?order=-k&limit=1")), json!([all[3]]));
        // By key: in the query, in the body; what is not there is not missed.
        changed(&server, "DELETE", &format!("{rows}?k=4"), "");
        changed(&server, "DELETE", rows, r#"[{"k":3},{"k":77}]"#);
        assert_eq!(table_rows(&server, rows), json!([all[0], all[1]]));
        changed(&server, "PUT", rows, r#"[{"k":9,"slow":90}]"#);
        assert_eq!(table_rows(&server, rows), json!([{"k":9,"slow":90,"note":null}]));
        changed(&server, "PUT", rows, "[]");
        assert_eq!(table_rows(&server, rows), json!([]));

        changed(&server, "POST", "/api/rules", r#"{"a":"x","b":1,"weight":0.5}"#);
        changed(&server, "POST", "/api/v1/tables/rules/rows", r#"{"a":"x","b":2,"weight":2}"#);
        changed(&server, "DELETE", "/api/v1/tables/rules/rows?b=1&a=x", "");
        let left = json!([{"a":"x","b":2,"weight":2.0}]);
        assert_eq!(table_rows(&server, "/api/v1/tables/rules/rows"), left);
        // The answer comes when the views show the change.
        assert_eq!(server.json("/api/v1/views/all_rules/rows")["rows"][0]["weight"], 2.0);
    }
}

#[test]
fn refusals_change_nothing_and_say_what_would_do() {
    let feed = Feed::new();
    let server = served(PROGRAM, &feed, 1);
    let rows = "/api/v1/tables/thresholds/rows";
    changed(&server, "POST", rows, r#"{"k": 1, "slow": 10}"#);
    for (method, path, body, status, detail) in [
        ("GET", "/api/v1/tables/nope", "", 404, "there is no table 'nope'; there are: thresholds, rules"),
        ("GET", "/api/v1/tables/nope/rows", "", 404, "there are: thresholds, rules"),
        ("POST", "/api/v1/tables/nope/rows", "{}", 404, "there are: thresholds, rules"),
        ("GET", "/api/v1/tables/thresholds/rows?x=1", "", 400, "there is no column 'x'; the table has: k, slow, note"),
        ("POST", rows, "", 400, "the body has no row"),
        ("POST", rows, "[]", 400, "the body has no row"),
        ("POST", rows, "{\"k\":", 400, "not JSON"),
        ("POST", rows, "7", 400, "row 1 is 7, not an object"),
        ("POST", rows, r#"[{"k":2},[1]]"#, 400, "not an object"),
        ("POST", rows, r#"[{"k":2},{"slow":3}]"#, 400, "row 2: 'k' is part of the primary key and has no value"),
        ("POST", rows, r#"[{"k":2},{"k":null,"slow":3}]"#, 400, "row 2: 'k' is part of the primary key"),
        (
            "POST",
            rows,
            r#"[{"k":2},{"k":3,"fast":3}]"#,
            400,
            "row 2: 'thresholds' has no column 'fast'; it has: k, slow, note",
        ),
        ("POST", rows, r#"[{"k":2},{"k":"two"},{"k":3.5}]"#, 400, "row 2: "),
        ("POST", "/api/rules", r#"{"a":"x","b":1}"#, 400, "row 1: 'weight' is NOT NULL and has no value"),
        ("PUT", rows, "", 400, "[] for none"),
        ("PUT", rows, r#"[{"k":5},{}]"#, 400, "row 2: 'k'"),
        ("DELETE", rows, "", 400, "which rows? Write their keys: ?k=..."),
        ("DELETE", "/api/v1/tables/rules/rows?a=x", "", 400, "row 1: 'b' is part of the primary key"),
        ("DELETE", "/api/v1/tables/thresholds/rows?k=x", "", 400, "k=x: 'x' is no "),
        ("DELETE", "/api/v1/tables/thresholds/rows?k=1&k=2", "", 400, "'k' is there twice"),
        ("DELETE", "/api/v1/tables/thresholds/rows?k=1", "{\"k\":1}", 400, "write it once"),
        ("PUT", "/api/v1/tables/thresholds", "{}", 405, "does not take PUT"),
    ] {
        let (got, problem) = send(&server, method, path, body);
        assert_eq!(got, status, "{method} {path} {body}: {problem}");
        assert!(problem["detail"].as_str().unwrap().contains(detail), "{method} {path} {body}: {problem}");
        assert_eq!(problem["status"], status);
    }
    assert_eq!(send(&server, "GET", "/api/v1/tables/nope", "").1["known"], json!(["thresholds", "rules"]));
    let head = "POST /api/v1/tables/thresholds/rows HTTP/1.0\r\nContent-Type: text/csv\r\nContent-Length: 1\r\n\r\nx";
    let mut answer = String::new();
    std::io::Read::read_to_string(&mut server.request(head), &mut answer).unwrap();
    assert!(answer.contains(" 415 ") && answer.contains("not as 'text/csv'"), "{answer}");
    let head = format!("POST {rows} HTTP/1.0\r\nContent-Length: {}", (16 << 20) + 1);
    let mut answer = String::new();
    std::io::Read::read_to_string(&mut server.request(&head), &mut answer).unwrap();
    assert!(answer.contains(" 413 ") && answer.contains("application/problem+json"), "{answer}");
    assert_eq!(table_rows(&server, rows), json!([{"k":1,"slow":10,"note":null}]));
}

#[test]
fn without_a_table_of_that_name_rules_say_what_to_declare() {
    let feed = Feed::new();
    let program = "CREATE SOURCE clicks (k BIGINT) WITH ('connector' = 'feed', 'feed' = '$');
                   CREATE MATERIALIZED VIEW all_clicks AS SELECT k FROM clicks;";
    let server = served(program, &feed, 1);
    let (status, problem) = send(&server, "POST", "/api/rules", "{}");
    assert_eq!(status, 404);
    assert!(problem["detail"].as_str().unwrap().contains("CREATE TABLE rules"), "{problem}");
    assert_eq!(server.json("/api/v1/tables"), json!({"tables": []}));
}

/// The rows of a view without their standing, as text, and how often.
fn plain(server: &Server, view: &str) -> BTreeMap<String, i64> {
    let mut held = BTreeMap::new();
    for ((row, _, _), count) in rows_of(server, view) {
        *held.entry(row).or_insert(0) += count;
    }
    held
}

#[test]
fn a_change_rewrites_a_plain_join_whole_at_one_epoch() {
    for workers in [1, 2] {
        let feed = Feed::new();
        let server = served(PROGRAM, &feed, workers);
        let rows = "/api/v1/tables/thresholds/rows";
        feed.push((0..400).map(|n| (n % 40, n, 1_000 + n)).collect());
        eventually(|| plain(&server, "clicks_per_k").len() == 40);
        assert!(plain(&server, "slow").is_empty());
        let mut stream = server.stream("/api/v1/views/slow/stream?snapshot=true", "");
        let all = |slow: i64| {
            let rows: Vec<Value> = (0..40).map(|k| json!({"k": k, "slow": slow})).collect();
            Value::from(rows).to_string()
        };
        let mut epochs = vec![changed(&server, "POST", rows, &all(100))];
        for slow in [0, 399, 50] {
            epochs.push(changed(&server, "PUT", rows, &all(slow)));
        }
        epochs.push(changed(&server, "DELETE", rows, &all(0)));
        epochs.push(changed(&server, "POST", rows, &all(7)));
        assert!(epochs.is_sorted(), "{epochs:?}");
        // A reader who follows sees, at every mark, the join with the whole of one change: 400 rows less those up to it.
        let (mut held, mut seen) = (Held::new(), Vec::new());
        while seen.last() != Some(&392) {
            let event = stream.next().unwrap();
            take(&mut held, &event);
            if event.name != "delta" {
                let count = held.get("slow").map_or(0, |rows| rows.values().sum::<i64>());
                if seen.last() != Some(&count) {
                    seen.push(count);
                }
            }
        }
        // Changes that fell into one epoch are seen as one.
        let whole = [0, 299, 399, 0, 349, 0, 392];
        let mut at = whole.iter();
        assert!(seen.iter().all(|count| at.any(|whole| whole == count)), "{seen:?}");
        assert!(seen.len() >= 3, "{seen:?}");
        assert_eq!(plain(&server, "slow").values().sum::<i64>(), 392);
    }
}

#[test]
fn what_is_shown_is_the_join_of_what_came_so_far() {
    // Random rows and random changes; after each change the view is the join from scratch.
    for (seed, workers) in [(1u64, 1), (2, 2)] {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut random = move |below: u64| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state % below
        };
        let feed = Feed::new();
        let server = served(PROGRAM, &feed, workers);
        let path = "/api/v1/tables/thresholds/rows";
        let (mut table, mut clicks) = (BTreeMap::<i64, i64>::new(), Vec::<(i64, i64, i64)>::new());
        for _ in 0..60 {
            let rows: Vec<(i64, i64, i64)> = (0..random(30))
                .map(|_| (random(12) as i64, random(100) as i64, random(5_000) as i64 - 2_000))
                .collect();
            let total = clicks.len() + rows.len();
            clicks.extend(&rows);
            feed.push(rows);
            eventually(|| {
                let counts = server.json("/api/v1/views/clicks_per_k/rows");
                let sum: i64 = counts["rows"].as_array().unwrap().iter().map(|row| row["n"].as_i64().unwrap()).sum();
                sum == total as i64
            });
            let some: BTreeMap<i64, i64> = (0..random(6)).map(|_| (random(12) as i64, random(100) as i64)).collect();
            let body = some.iter().map(|(k, slow)| json!({"k": k, "slow": slow})).collect::<Vec<_>>();
            let body = Value::from(body).to_string();
            match random(4) {
                0 => {
                    changed(&server, "PUT", path, &body);
                    table = some;
                }
                1 if !some.is_empty() => {
                    changed(&server, "DELETE", path, &body);
                    table.retain(|k, _| !some.contains_key(k));
                }
                _ if !some.is_empty() => {
                    changed(&server, "POST", path, &body);
                    table.extend(some);
                }
                // Without a change nothing says that the other view is as far as the counts.
                _ => continue,
            }
            let mut expected = BTreeMap::new();
            for (k, v, _) in &clicks {
                if let Some(slow) = table.get(k).filter(|slow| v > slow) {
                    *expected.entry(json!({"k": k, "v": v, "slow": slow}).to_string()).or_insert(0) += 1;
                }
            }
            let shown: BTreeMap<String, i64> = plain(&server, "slow");
            assert_eq!(shown, expected, "seed {seed}");
            let held: BTreeMap<i64, i64> = (server.json(path)["rows"].as_array().unwrap().iter())
                .map(|row| (row["k"].as_i64().unwrap(), row["slow"].as_i64().unwrap()))
                .collect();
            assert_eq!(held, table);
        }
    }
}

#[test]
fn a_table_outlives_its_streams_if_it_is_to() {
    for linger in [false, true] {
        let feed = Feed::new();
        let engine = started(PROGRAM, &feed, Config::default().workers(2).with(|config| config.tables_linger = linger));
        let server = Server::start(engine);
        feed.push(vec![(1, 50, 1_000), (2, 50, 2_000)]);
        let path = "/api/v1/tables/thresholds/rows";
        changed(&server, "POST", path, r#"{"k":1,"slow":10}"#);
        feed.end();
        eventually(|| server.json("/api/v1/sources")["sources"][0]["status"] == "ended");
        if linger {
            let first = changed(&server, "POST", path, r#"{"k":2,"slow":20}"#);
            let second = changed(&server, "POST", path, r#"{"k":2,"slow":21}"#);
            assert!(second > first);
            assert_eq!(plain(&server, "slow").values().sum::<i64>(), 2);
            server.engine.stop(true);
            server.finish();
        } else {
            server.finish();
            let (status, problem) = send(&server, "POST", path, r#"{"k":2,"slow":20}"#);
            assert_eq!(status, 409, "{problem}");
            assert_eq!(plain(&server, "slow").values().sum::<i64>(), 1);
        }
    }
}

const AS_OF: &str = "
    CREATE SOURCE clicks (k BIGINT, v BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts)
      WITH ('connector' = 'feed', 'feed' = '$', 'lateness' = 'unbounded');
    CREATE TABLE thresholds (k BIGINT PRIMARY KEY, slow BIGINT);
    CREATE MATERIALIZED VIEW judged AS
      SELECT c.k, c.v, t.slow FROM clicks c LEFT JOIN thresholds FOR SYSTEM_TIME AS OF c.ts AS t ON c.k = t.k;
    CREATE MATERIALIZED VIEW slow AS
      SELECT c.k, c.v, t.slow FROM clicks c JOIN thresholds FOR SYSTEM_TIME AS OF c.ts AS t ON c.k = t.k AND c.v > t.slow;";

#[test]
fn j4_a_row_sees_the_table_of_its_arrival_and_no_later_change_rewrites_it() {
    for workers in [1, 2] {
        let feed = Feed::new();
        let server = served(AS_OF, &feed, workers);
        let path = "/api/v1/tables/thresholds/rows";
        let (mut table, mut judged, mut slow) = (BTreeMap::<i64, i64>::new(), BTreeMap::new(), BTreeMap::new());
        let mut total = 0;
        for round in 0..40i64 {
            // The rows have arrived when the view shows them: changes after that do not concern them.
            let rows: Vec<(i64, i64, i64)> =
                (0..25).map(|n| (n % 9, (n * 37 + round * 11) % 100, 1_000 * round - 40 * n)).collect();
            total += rows.len() as i64;
            for (k, v, _) in &rows {
                let found = table.get(k).copied();
                *judged.entry(json!({"k": k, "v": v, "slow": found}).to_string()).or_insert(0) += 1;
                if let Some(most) = found.filter(|most| v > most) {
                    *slow.entry(json!({"k": k, "v": v, "slow": most}).to_string()).or_insert(0) += 1;
                }
            }
            feed.push(rows);
            eventually(|| plain(&server, "judged").values().sum::<i64>() == total);
            let key = round % 7;
            match round % 3 {
                0 => {
                    table.insert(key, round);
                    changed(&server, "POST", path, &json!({"k": key, "slow": round}).to_string());
                }
                1 => {
                    table.remove(&key);
                    changed(&server, "DELETE", &format!("{path}?k={key}"), "");
                }
                _ => {
                    table = (0..4).map(|k| (k, 3 * round + k)).collect();
                    let all = table.iter().map(|(k, slow)| json!({"k": k, "slow": slow})).collect::<Vec<_>>();
                    changed(&server, "PUT", path, &Value::from(all).to_string());
                }
            }
            assert_eq!(plain(&server, "judged"), judged, "after round {round}");
            assert_eq!(plain(&server, "slow"), slow, "after round {round}");
        }
        // Nothing was ever taken back.
        assert!(server.call("GET", "/metrics").2.lines().all(|line| {
            let of_join = line.contains("rows_emitted") && (line.contains("judged") || line.contains("slow"));
            !(of_join && line.contains("retract")) || line.ends_with(" 0")
        }));
    }
}

/// A process that is killed when it is done with.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

#[test]
fn a_change_at_any_process_is_made_everywhere_once() {
    let folder = tempfile::tempdir().unwrap();
    let program = "
        CREATE SOURCE readings (sensor_id VARCHAR, `value` DOUBLE, ts TIMESTAMP(3), WATERMARK FOR ts AS ts)
          WITH ('connector' = 'datagen', 'kind' = 'sensor', 'rows-per-second' = '200', 'keys' = '20');
        CREATE TABLE names (sensor_id VARCHAR PRIMARY KEY, name VARCHAR);
        CREATE MATERIALIZED VIEW named AS SELECT name, COUNT(*) AS n FROM names GROUP BY name;
        CREATE MATERIALIZED VIEW readings_of AS
          SELECT t.name, COUNT(*) AS n FROM readings r JOIN names t ON r.sensor_id = t.sensor_id GROUP BY t.name;";
    std::fs::write(folder.path().join("program.sql"), program).unwrap();
    let taken: Vec<TcpListener> = (0..4).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    let ports: Vec<SocketAddr> = taken.iter().map(|listener| listener.local_addr().unwrap()).collect();
    std::fs::write(folder.path().join("hosts"), format!("{}\n{}\n", ports[0], ports[1])).unwrap();
    drop(taken);
    let start = |process: usize| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_highwater"));
        command.arg("run").arg(folder.path().join("program.sql")).args(["-w", "1", "-n", "2"]);
        command.args(["-p", &process.to_string(), "--listen", &ports[2 + process].to_string()]);
        command.arg("--hostfile").arg(folder.path().join("hosts"));
        command.env("RUST_LOG", "off").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Running(command.spawn().unwrap())
    };
    let _running = [start(0), start(1)];
    let at = |process: usize, method: &str, path: &str, body: &str| ask(ports[2 + process], method, path, body);
    let rows = |process: usize, path: &str| {
        at(process, "GET", path, "").map_or(Value::Null, |answer| answer.1["rows"].clone())
    };
    let table = "/api/v1/tables/names/rows";
    eventually(|| (0..2).all(|process| rows(process, table).is_array()));
    for round in 0..12 {
        let process = round % 2;
        let key = format!("sensor-{:04}", round % 5);
        let (status, answer) = match round {
            7 => at(process, "DELETE", &format!("{table}?sensor_id={key}"), ""),
            _ => at(process, "POST", table, &json!({"sensor_id": key, "name": format!("n{}", round % 3)}).to_string()),
        }
        .unwrap();
        assert_eq!(status, 200, "{answer}");
        // The process that was asked shows it when it answers, the other one soon.
        let here = rows(process, table);
        eventually(|| rows(1 - process, table) == here);
        eventually(|| rows(0, "/api/v1/views/named/rows") == rows(1, "/api/v1/views/named/rows"));
    }
    // Rounds 10, 11, (7: gone), 8, 9 were the last for the five keys.
    let left: Vec<(String, String)> = (rows(1, table).as_array().unwrap().iter())
        .map(|row| (row["sensor_id"].as_str().unwrap().to_owned(), row["name"].as_str().unwrap().to_owned()))
        .collect();
    let expected = [("sensor-0000", "n1"), ("sensor-0001", "n2"), ("sensor-0003", "n2"), ("sensor-0004", "n0")];
    assert_eq!(left, expected.map(|(key, name)| (key.to_owned(), name.to_owned())));
    eventually(|| rows(0, "/api/v1/views/readings_of/rows").as_array().is_some_and(|rows| rows.len() == 3));
}

fn eventually(mut happens: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !happens() {
        assert!(Instant::now() < deadline, "it did not happen");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// A tree of units in a table: events count for their unit and for all above it; a unit that moves takes its events along,
/// at the epoch of the change, and one that is put under itself goes round in no circle.
#[test]
fn a_change_of_the_table_moves_what_a_recursion_made() {
    let program = "
        CREATE SOURCE clicks (k BIGINT, v BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts)
          WITH ('connector' = 'feed', 'feed' = '$', 'lateness' = 'unbounded');
        CREATE TABLE units (id BIGINT PRIMARY KEY NOT ENFORCED, parent BIGINT);
        CREATE MATERIALIZED VIEW per_unit AS
          WITH RECURSIVE above (click, unit) AS (
            SELECT v, k FROM clicks
            UNION
            SELECT a.click, u.parent FROM above a JOIN units u ON u.id = a.unit WHERE u.parent IS NOT NULL)
          SELECT unit, COUNT(*) AS clicks FROM above GROUP BY unit;";
    for workers in [1, 2] {
        let feed = Feed::new();
        let server = served(program, &feed, workers);
        let units = "/api/v1/tables/units/rows";
        let counts = || {
            let rows = server.json("/api/v1/views/per_unit/rows?order=unit");
            let count = |row: &Value| (row["unit"].as_i64().unwrap(), row["clicks"].as_i64().unwrap());
            rows["rows"].as_array().unwrap().iter().map(count).collect::<Vec<_>>()
        };
        feed.push((0..30).map(|n| (n % 3 + 4, n, 1_000 + n)).collect());
        eventually(|| counts() == [(4, 10), (5, 10), (6, 10)]);
        let tree = r#"[{"id":1},{"id":2,"parent":1},{"id":3,"parent":1},{"id":4,"parent":2},{"id":5,"parent":2},{"id":6,"parent":3}]"#;
        changed(&server, "PUT", units, tree);
        assert_eq!(counts(), [(1, 30), (2, 20), (3, 10), (4, 10), (5, 10), (6, 10)]);
        changed(&server, "POST", units, r#"{"id":5,"parent":3}"#);
        assert_eq!(counts(), [(1, 30), (2, 10), (3, 20), (4, 10), (5, 10), (6, 10)]);
        changed(&server, "POST", units, r#"{"id":1,"parent":2}"#);
        assert_eq!(counts(), [(1, 30), (2, 30), (3, 20), (4, 10), (5, 10), (6, 10)]);
        changed(&server, "DELETE", &format!("{units}?id=2"), "");
        assert_eq!(counts(), [(1, 20), (2, 30), (3, 20), (4, 10), (5, 10), (6, 10)]);
        changed(&server, "PUT", units, "[]");
        assert_eq!(counts(), [(4, 10), (5, 10), (6, 10)]);
    }
}
