//! Rows of a large view by an equality: requests at a steady rate over kept-alive connections, with the view standing still
//! and while rows of it change.

use std::io::Write;
use std::time::Instant;

use super::pace::{Pace, Took};
use super::requests::Connection;
use super::server::Server;

/// Rows of the view.
pub const ROWS: usize = 100_000;

const PROGRAM: &str = "CREATE SOURCE items (id BIGINT, name VARCHAR, price DOUBLE)
WITH ('connector' = 'http', 'format' = 'json');
CREATE MATERIALIZED VIEW latest AS SELECT id, name, COUNT(*) AS changes, MAX(price) AS price FROM items
GROUP BY id, name EMIT CHANGES;";

/// Rows that a body changes.
const BODY: usize = 100;

/// What was measured, with the view at rest and changing.
#[derive(Debug)]
pub struct Asked {
    pub at_rest: Took,
    pub changing: Took,
}

fn body(first: usize, rows: usize) -> Vec<u8> {
    let row =
        |id: usize| format!("{{\"id\":{},\"name\":\"item {:06}\",\"price\":{}.5}}\n", id % ROWS, id % ROWS, id % 97);
    let body: String = (first..first + rows).map(row).collect();
    let head = format!(
        "POST /api/v1/sources/items/events HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/x-ndjson\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body.as_bytes()].concat()
}

/// Asks so many times a second, while so many rows a second change.
pub fn measure(requests: f64, changes: f64, seconds: f64) -> Asked {
    let server = Server::start(PROGRAM, &[]);
    let mut connection = Connection::new(server.connect());
    for first in (0..ROWS).step_by(1000) {
        connection.stream.write_all(&body(first, 1000)).unwrap();
        assert_eq!(connection.read().0, 202);
    }
    assert_eq!(server.settles("latest", "changes", ROWS as u64), ROWS as u64);
    let at_rest = ask(&server, requests, seconds);
    let changing = std::thread::scope(|scope| {
        scope.spawn(|| {
            let pace = Pace::new(Instant::now(), Some(changes / BODY as f64), 0.0);
            let bodies: Vec<Vec<u8>> = (0..64).map(|body_of| body(body_of * 1543, BODY)).collect();
            for number in 0_u64.. {
                if pace.due(number) > seconds {
                    return;
                }
                connection.stream.write_all(&bodies[number as usize % bodies.len()]).unwrap();
                assert_eq!(connection.read().0, 202);
            }
        });
        ask(&server, requests, seconds)
    });
    Asked { at_rest, changing }
}

/// Connections, each with a thread that asks and waits.
const CLIENTS: usize = 8;

fn ask(server: &Server, rate: f64, seconds: f64) -> Took {
    // The first question makes the index.
    assert!(server.text("/api/v1/views/latest/rows?name=item%20000000").contains("\"rows\":[{"));
    let begun = Instant::now();
    let each = rate / CLIENTS as f64;
    std::thread::scope(|scope| {
        let client = |client: usize| {
            let mut connection = Connection::new(server.connect());
            let pace = Pace::new(begun, Some(each), client as f64 / rate);
            let mut took = Took::default();
            for number in 0_u64.. {
                let due = pace.due(number);
                if due > seconds {
                    return took;
                }
                let id = (number as usize * CLIENTS + client) * 7919 % ROWS;
                let head =
                    format!("GET /api/v1/views/latest/rows?name=item%20{id:06} HTTP/1.1\r\nhost: localhost\r\n\r\n");
                connection.stream.write_all(head.as_bytes()).unwrap();
                let (status, answer) = connection.read();
                took.seconds(pace.now() - due);
                let wanted = format!("\"rows\":[{{\"id\":{id},");
                assert!(status == 200 && memchr::memmem::find(answer, wanted.as_bytes()).is_some());
            }
            took
        };
        let threads: Vec<_> = (0..CLIENTS).map(|number| scope.spawn(move || client(number))).collect();
        Took(threads.into_iter().flat_map(|thread| thread.join().unwrap().0).collect())
    })
}
