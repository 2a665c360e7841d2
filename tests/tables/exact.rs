//! Numbers keep their digits, and what JSON has no number for its spelling (V3): written, read, chosen by, changed a column
//! at a time, paged through while they change.

use super::*;

const EXACT: &str = "
    CREATE SOURCE clicks (k BIGINT) WITH ('connector' = 'feed', 'feed' = '$');
    CREATE TABLE amounts (k BIGINT PRIMARY KEY NOT ENFORCED, d DECIMAL(20, 4), x DOUBLE, note VARCHAR NOT NULL);
    CREATE TABLE prices (k DECIMAL(20, 4) PRIMARY KEY NOT ENFORCED, n INT);
    CREATE TABLE words (\"order\" VARCHAR PRIMARY KEY NOT ENFORCED, \"limit\" INT, \"cursor\" INT, numbers INT);
    CREATE MATERIALIZED VIEW doubled AS SELECT k, d + d AS d, x FROM amounts;
    CREATE MATERIALIZED VIEW counted AS SELECT k, COUNT(*) AS n FROM clicks GROUP BY k;";

const PRICES: &str = "/api/v1/tables/prices/rows";
const ROWS: &str = "/api/v1/tables/amounts/rows";

/// The rows of an answer as they are written.
fn text(server: &Server, path: &str) -> String {
    let (status, _, body) = server.call("GET", path);
    assert_eq!(status, 200, "{path}: {body}");
    let (_, rows) = body.split_once("\"rows\":").unwrap();
    rows.split_once(",\"next\"").unwrap().0.to_owned()
}

fn exact_server(feed: &Feed) -> Server {
    let server = served(EXACT, feed, 1);
    let body = r#"[{"k":9007199254740992,"d":1234567890123456.7891,"x":-0.0,"note":"even"},
        {"k":9007199254740993,"d":"0.1000","x":"NaN","note":"odd"},
        {"k":"-9223372036854775808","d":1e2,"x":"Infinity","note":"least"}]"#;
    changed(&server, "POST", ROWS, body);
    changed(&server, "POST", PRICES, r#"{"k":0.1,"n":1}"#);
    server
}

#[test]
fn numbers_keep_their_digits_from_end_to_end() {
    let feed = Feed::new();
    let server = exact_server(&feed);
    let [least, even, odd] = [
        r#"{"k":-9223372036854775808,"d":100.0000,"x":"Infinity","note":"least"}"#,
        r#"{"k":9007199254740992,"d":1234567890123456.7891,"x":-0.0,"note":"even"}"#,
        r#"{"k":9007199254740993,"d":0.1000,"x":"NaN","note":"odd"}"#,
    ];
    assert_eq!(text(&server, ROWS), format!("[{least},{even},{odd}]"));
    // For whoever reads numbers as 64-bit floats.
    let told = |row: &str| {
        let row = row.replace("\"k\":-9223372036854775808", "\"k\":\"-9223372036854775808\"");
        let row =
            row.replace("9007199254740992", "\"9007199254740992\"").replace("9007199254740993", "\"9007199254740993\"");
        row.replace("1234567890123456.7891", "\"1234567890123456.7891\"")
    };
    let exact = [least, even, odd].map(told).join(",");
    assert_eq!(text(&server, &format!("{ROWS}?numbers=exact")), format!("[{exact}]"));
    // The view's numbers too, in rows, together and as told to those who follow; and as they may be filtered by.
    let row = r#"{"k":9007199254740992,"d":2469135780246913.5782,"x":-0.0"#;
    let doubled = "/api/v1/views/doubled";
    assert!(text(&server, &format!("{doubled}/rows?k=9007199254740992")).starts_with(&format!("[{row}")));
    for path in ["/api/v1/rows?views=doubled&numbers=exact", &format!("{doubled}/rows?numbers=exact")] {
        let body = server.call("GET", path).2;
        assert!(body.contains(r#"{"k":"9007199254740992","d":"2469135780246913.5782","x":-0.0"#), "{path}: {body}");
    }
    for (query, row) in [("", row), ("?numbers=exact", r#"{"k":"9007199254740992","d":"2469135780246913.5782""#)] {
        let mut lines = std::io::BufRead::lines(server.lines(&format!("{doubled}/stream{query}"), ""));
        assert!(lines.any(|line| line.unwrap().contains(row)), "{query}");
    }

    for (query, rows) in [
        ("k=9007199254740993", vec![odd]),
        ("d=1234567890123456.7891", vec![even]),
        ("d=1234567890123456.7892", vec![]),
        ("d=0.1", vec![odd]),
        ("d=0.10001", vec![]),
        ("k=9007199254740992.5", vec![]),
        ("k=99999999999999999999", vec![]),
        ("x=0", vec![even]),
        ("x=-0.0", vec![even]),
        ("x=NaN", vec![odd]),
        ("x=Infinity", vec![least]),
        ("x=1e400", vec![]),
    ] {
        assert_eq!(text(&server, &format!("{ROWS}?{query}")), format!("[{}]", rows.join(",")), "{query}");
    }
    for (query, refusal) in [
        ("k=two", "k=two: 'two' is no BIGINT"),
        ("d=a%20lot", "d=a lot: 'a lot' is no DECIMAL(20, 4)"),
        ("x=nought", "'nought' is no DOUBLE"),
        ("numbers=big", "numbers=big: write exact or json"),
    ] {
        let (status, problem) = send(&server, "GET", &format!("{ROWS}?{query}"), "");
        assert_eq!(status, 400, "{problem}");
        assert!(problem["detail"].as_str().unwrap().contains(refusal), "{problem}");
    }
    // The one that is meant goes, and no other.
    for (method, path, body) in [
        ("POST", "prices", r#"{"k":0.10004,"n":9}"#),
        ("PUT", "prices", r#"[{"k":"0.10004","n":9}]"#),
        ("PATCH", "prices", r#"{"k":0.09996,"n":9}"#),
        ("DELETE", "prices?k=0.10001", ""),
        ("DELETE", "prices", r#"{"k":100001e-6}"#),
        ("DELETE", "amounts?k=9007199254740992.5", ""),
        ("PATCH", "amounts", r#"{"k":9007199254740992.5,"note":"x"}"#),
    ] {
        let path =
            path.split_once('?').map_or(format!("{path}/rows"), |(table, query)| format!("{table}/rows?{query}"));
        let (status, problem) = send(&server, method, &format!("/api/v1/tables/{path}"), body);
        assert_eq!(status, 400, "{method} {path} {body}: {problem}");
        let why = match path.as_str() {
            path if path.contains("prices") => "is not rounded",
            path if path.contains('?') => "k=9007199254740992.5: '9007199254740992.5' is no BIGINT",
            _ => "row 1: ",
        };
        assert!(problem["detail"].as_str().unwrap().contains(why), "{problem}");
    }
    assert_eq!(text(&server, PRICES), r#"[{"k":0.1000,"n":1}]"#);
    changed(&server, "PATCH", PRICES, r#"{"k":"1000e-4","n":2}"#);
    assert_eq!(text(&server, PRICES), r#"[{"k":0.1000,"n":2}]"#);
    changed(&server, "DELETE", &format!("{PRICES}?where.k=0.10000"), "");
    assert_eq!(text(&server, PRICES), "[]");
    changed(&server, "DELETE", ROWS, r#"{"k":9007199254740993}"#);
    changed(&server, "DELETE", &format!("{ROWS}?k=-9223372036854775808"), "");
    assert_eq!(text(&server, ROWS), format!("[{even}]"));
}

#[test]
fn a_change_of_some_columns_leaves_the_others() {
    let feed = Feed::new();
    let server = exact_server(&feed);
    // Two clients change one row, each a column of its own.
    changed(&server, "PATCH", ROWS, r#"[{"k":9007199254740992,"note":"mine"},{"k":5,"note":"nobody's"}]"#);
    changed(&server, "PATCH", ROWS, r#"{"k":"9007199254740992","x":2}"#);
    changed(&server, "PATCH", ROWS, r#"{"k":9007199254740993,"d":null}"#);
    assert_eq!(
        text(&server, &format!("{ROWS}?limit=2&order=-k")),
        r#"[{"k":9007199254740993,"d":null,"x":"NaN","note":"odd"},{"k":9007199254740992,"d":1234567890123456.7891,"x":2.0,"note":"mine"}]"#
    );
    assert_eq!(server.json(ROWS)["rows"].as_array().unwrap().len(), 3, "no row came of the key that was not there");
    for (body, refusal) in [
        ("[]", "write the key and the columns to change"),
        (r#"{"note":"x"}"#, "row 1: 'k' is part of the primary key and has no value"),
        (r#"{"k":1,"note":null}"#, "row 1: 'note' is NOT NULL and has no value"),
        (r#"{"k":1,"nope":null}"#, "has no column 'nope'"),
        (r#"{"k":1,"d":1234567890123456789}"#, "row 1: "),
    ] {
        let (status, problem) = send(&server, "PATCH", ROWS, body);
        assert_eq!(status, 400, "{problem}");
        assert!(problem["detail"].as_str().unwrap().contains(refusal), "{body}: {problem}");
    }
}

#[test]
fn a_column_of_any_name_is_asked_for() {
    let feed = Feed::new();
    let server = exact_server(&feed);
    let rows = "/api/v1/tables/words/rows";
    let body = r#"[{"order":"-a","limit":1,"cursor":2,"numbers":3},{"order":"b","limit":1,"cursor":3,"numbers":4}]"#;
    changed(&server, "POST", rows, body);
    for (query, found) in [
        ("where.order=-a", 1),
        ("where.limit=1", 2),
        ("where.limit=1&where.cursor=3", 1),
        ("where.numbers=4&limit=1&order=order,-limit", 1),
        ("where.cursor=9", 0),
    ] {
        assert_eq!(table_rows(&server, &format!("{rows}?{query}")).as_array().unwrap().len(), found, "{query}");
    }
    for (query, refusal) in [
        ("order=b", "rows are chosen by the column 'order' with where.order=b"),
        ("limit=x", "rows are chosen by the column 'limit' with where.limit=x"),
        ("where.nope=1", "there is no column 'nope'"),
    ] {
        let (status, problem) = send(&server, "GET", &format!("{rows}?{query}"), "");
        assert_eq!(status, 400, "{problem}");
        assert!(problem["detail"].as_str().unwrap().contains(refusal), "{problem}");
    }
}

/// Every row changes between any two pages: by key each is on one page; in another order the pages are of one epoch.
#[test]
fn rows_that_change_while_they_are_paged_through_are_seen_once() {
    let feed = Feed::new();
    let server = served(EXACT, &feed, 1);
    let rows = |turn: i64| {
        let row = |k: i64| json!({"k": k, "d": turn * 100 - k, "x": (k * 7 + turn) % 5, "note": format!("{turn}")});
        Value::from((0..40).map(row).collect::<Vec<_>>()).to_string()
    };
    for (turn, query) in [(10, "limit=7"), (20, "limit=3&order=-d"), (30, "limit=4&order=x,-d"), (40, "limit=6&x=2")] {
        changed(&server, "POST", ROWS, &rows(turn));
        let (mut seen, mut cursor, mut epochs, mut pages) = (Vec::new(), String::new(), Vec::new(), 0);
        loop {
            let page = server.json(&format!("{ROWS}?{query}&cursor={cursor}"));
            seen.extend(page["rows"].as_array().unwrap().iter().map(|row| row["k"].as_i64().unwrap()));
            epochs.push(page["as_of"]["epoch"].as_str().unwrap().to_owned());
            pages += 1;
            // What the filter asks for stays as it is: those rows would go and come.
            let next = if query.contains("x=") { 5 * pages } else { pages };
            changed(&server, "POST", ROWS, &rows(turn + next));
            match page["next"].as_str() {
                Some(next) => cursor = next.to_owned(),
                None => break,
            }
        }
        let ordered = query.contains("order");
        epochs.dedup();
        assert_eq!(epochs.len(), if ordered { 1 } else { pages as usize }, "{query}");
        let wanted: Vec<i64> = (0..40).filter(|k| !query.contains("x=") || (k * 7 + turn) % 5 == 2).collect();
        if !ordered {
            assert!(seen.is_sorted(), "{query}: {seen:?}");
        }
        seen.sort_unstable();
        assert_eq!(seen, wanted, "{query}");
    }
    let next = server.json(&format!("{ROWS}?limit=7"))["next"].as_str().unwrap().to_owned();
    for query in ["order=d&limit=7", "x=2&limit=7"] {
        let (status, problem) = send(&server, "GET", &format!("{ROWS}?{query}&cursor={next}"), "");
        assert_eq!(status, 400, "{problem}");
        assert!(problem["detail"].as_str().unwrap().contains("another order or filter"), "{problem}");
    }
}

#[test]
fn a_packed_body_is_unpacked() {
    let feed = Feed::new();
    let server = exact_server(&feed);
    let call = |coding: &str, body: &[u8]| {
        let mut stream = TcpStream::connect(server.address).unwrap();
        let head =
            format!("POST {PRICES} HTTP/1.0\r\ncontent-encoding: {coding}\r\ncontent-length: {}\r\n\r\n", body.len());
        stream.write_all(&[head.as_bytes(), body].concat()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.split(' ').nth(1).unwrap().parse::<u16>().unwrap()
    };
    let row = br#"{"k":7,"n":7}"#;
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(row).unwrap();
    assert_eq!(call("gzip", &gzip.finish().unwrap()), 200);
    assert_eq!(
        call("zstd", &zstd::bulk::compress(&row.map(|byte| if byte == b'7' { b'8' } else { byte }), 1).unwrap()),
        200
    );
    assert_eq!((call("br", row), call("gzip", row)), (415, 400));
    assert_eq!(text(&server, PRICES), r#"[{"k":0.1000,"n":1},{"k":7.0000,"n":7},{"k":8.0000,"n":8}]"#);
}
