//! The service over HTTP, and its program in a test's hands.
#![allow(clippy::unwrap_used)]

use highwater::Drain;
use highwater::testing::Setup;
use highwater_outside_service::{Bid, PROGRAM, Total, catalog, router, start};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_push_rows_and_a_view_is_streamed() {
    let highwater = start().await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let served = tokio::spawn(axum::serve(listener, router(highwater.clone())).into_future());

    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET /totals HTTP/1.1\r\nHost: here\r\n\r\n").await.unwrap();
    let mut lines = BufReader::new(stream).lines();
    let post = |body: String| async move {
        let mut request = TcpStream::connect(address).await.unwrap();
        let head = format!(
            "POST /bids HTTP/1.1\r\nHost: here\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            body.len()
        );
        request.write_all((head + &body).as_bytes()).await.unwrap();
        let mut answer = String::new();
        request.read_to_string(&mut answer).await.unwrap();
        answer
    };
    let bid = |cents| Bid { auction: 7, cents, note: Some("#first #now".to_owned()) };
    let answer = post(serde_json::to_string(&[bid(150), bid(400)]).unwrap()).await;
    assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
    assert!(post("[{\"auction\": 1}]".to_owned()).await.starts_with("HTTP/1.1 422"));

    let mut held: Vec<Total> = Vec::new();
    let expected = Total { auction: 7, bids: 2, spread: 2.5 };
    while held != [expected.clone()] {
        let line = lines.next_line().await.unwrap().unwrap();
        let Some(data) = line.strip_prefix("data: ") else { continue };
        match serde_json::from_str::<Vec<(i64, Total)>>(data) {
            Ok(changes) => changes.into_iter().for_each(|(diff, row)| match diff {
                1.. => held.push(row),
                _ => held.retain(|other| *other != row),
            }),
            Err(_) => held = serde_json::from_str(data).unwrap(),
        }
    }
    let tagged: Vec<(String, i64)> = highwater.view("tagged").unwrap().rows().unwrap();
    assert_eq!(tagged, [("first".to_owned(), 2), ("now".to_owned(), 2)]);
    served.abort();
    highwater.shutdown(Drain::Yes).await.unwrap();
}

#[test]
fn what_is_left_out_of_the_library_names_its_feature() {
    for (options, feature) in [
        ("'path' = 'in.parquet'", "parquet"),
        ("'path' = 'in/', 'format' = 'Parquet'", "parquet"),
        ("'path' = 'in.mpk'", "msgpack"),
        ("'path' = 'in.bin', 'format' = 'msgpack'", "msgpack"),
        ("'path' = 'in.csv.gz'", "gzip"),
        ("'path' = 'in.csv', 'compression' = 'gzip'", "gzip"),
    ] {
        let source = format!("CREATE SOURCE s (n INT) WITH ('connector' = 'filesystem', {options});");
        let program = format!("{source} CREATE MATERIALIZED VIEW v AS SELECT n FROM s;");
        let told = highwater::Highwater::builder().sql(program).start().unwrap_err().to_string();
        assert!(told.contains("not built in") && told.contains(&format!("feature `{feature}`")), "{told}");
    }
    let kafka = "CREATE SOURCE s (n INT) WITH ('connector' = 'kafka', 'topic' = 't', 'format' = 'json'); CREATE MATERIALIZED VIEW v AS SELECT n FROM s;";
    let told = highwater::Highwater::builder().sql(kafka).start().unwrap_err().to_string();
    assert!(told.contains("not built in") && told.contains("feature `kafka`"), "{told}");
    let pushed = "CREATE SOURCE s (n INT) WITH ('connector' = 'http', 'format' = 'msgpack'); CREATE MATERIALIZED VIEW v AS SELECT n FROM s;";
    let told = highwater::Highwater::builder().sql(pushed).start().unwrap_err().to_string();
    assert!(told.contains("feature `msgpack`"), "{told}");
}

#[test]
fn the_program_is_tested_without_a_server() {
    for workers in [1, 3] {
        let mut driver = Setup::new(PROGRAM).catalog(catalog().unwrap()).workers(workers).start().unwrap();
        driver.push_rows("bids", (0..4).map(|n| Bid { auction: n % 2, cents: 100 * n, note: None })).unwrap();
        driver.expect("totals", "auction | bids | spread\n 0 | 2 | 2\n 1 | 2 | 2").unwrap();
        driver.push_json("bids", r##"{"auction": 0, "cents": 1000, "note": "#late"}"##).unwrap();
        driver
            .expect_changes("totals", "_op | auction | bids | spread\n insert | 0 | 3 | 10\n insert | 1 | 2 | 2")
            .unwrap();
        driver.expect("tagged", "tag | n\n late | 1").unwrap();
    }
}
