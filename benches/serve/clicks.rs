//! The rows that clients send, encoded beforehand: clicks of about 100 bytes of JSON, each with an event time whose seconds
//! are written in place as time goes by, so that windows open and close while the bytes stay.
//!
//! A message holds rows of one second in disorder; those of its clock (`HH:MM:SS`) and a counter are all that changes.

use std::time::Duration;

/// Pages that there are: every tick of a busy source changes this many rows of the view.
pub const PAGES: usize = 100;

/// The source, and windows over it as they change. `{}` are further options of the source.
pub const PROGRAM: &str = "CREATE SOURCE clicks (
  page VARCHAR, user_id VARCHAR, duration_ms DOUBLE, message BIGINT, ts TIMESTAMP(3),
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'http', 'format' = 'json', 'lateness' = '1 minute'{});
CREATE MATERIALIZED VIEW pages AS
SELECT page, window_start, window_end, COUNT(*) AS views, AVG(duration_ms) AS mean_ms, MAX(message) AS last
FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY page, window_start, window_end
EMIT CHANGES;";

/// The clock and the counter stand here in a row.
const CLOCK: &str = "HH:MM:SS";
const COUNTER: &str = "1000000000";
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// One row.
fn row(number: usize) -> String {
    let bits = (number as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 16;
    format!(
        r#"{{"page":"/products/{}","user_id":"user-{:06}","duration_ms":{}.{},"message":{COUNTER},"ts":"2026-01-01T{CLOCK}.{:03}Z"}}"#,
        number * 37 % PAGES,
        bits % 100_000,
        bits % 900 + 10,
        bits % 10,
        bits % 1000,
    )
}

/// Bytes to be sent at once.
#[derive(Clone)]
pub struct Message {
    pub bytes: Vec<u8>,
    pub rows: usize,
    /// Where each clock and each counter stands, and where in the mask that is, if the bytes are masked.
    clocks: Vec<(usize, Option<usize>)>,
    counters: Vec<(usize, Option<usize>)>,
}

impl Message {
    fn new(bytes: Vec<u8>, rows: usize) -> Message {
        let find =
            |word: &str| memchr::memmem::find_iter(&bytes, word.as_bytes()).map(|at| (at, None)).collect::<Vec<_>>();
        let (clocks, counters) = (find(CLOCK), find(COUNTER));
        assert_eq!((clocks.len(), counters.len()), (rows, rows));
        Message { bytes, rows, clocks, counters }
    }

    /// A request with so many rows as NDJSON; `first` tells messages from each other.
    pub fn request(first: usize, rows: usize) -> Message {
        let body: String = (first..first + rows).map(|number| row(number) + "\n").collect();
        let kind = "application/x-ndjson";
        let head = format!(
            "POST /api/v1/sources/clicks/events HTTP/1.1\r\nhost: localhost\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        Message::new([head.as_bytes(), body.as_bytes()].concat(), rows)
    }

    /// One WebSocket text frame with an array of rows, or with one row as it is.
    pub fn frame(first: usize, rows: usize) -> Message {
        let all: Vec<String> = (first..first + rows).map(row).collect();
        let text = if rows == 1 { all.concat() } else { format!("[{}]", all.join(",")) };
        let mut head = vec![0x81];
        match text.len() {
            short @ 0..126 => head.push(0x80 | short as u8),
            long => {
                head.push(0x80 | 126);
                head.extend(u16::try_from(long).unwrap().to_be_bytes());
            }
        }
        head.extend(MASK);
        let start = head.len();
        let mut message = Message::new([&head, text.as_bytes()].concat(), rows);
        message.bytes[start..].iter_mut().zip(MASK.iter().cycle()).for_each(|(byte, mask)| *byte ^= mask);
        let masked = |place: &mut (usize, Option<usize>)| place.1 = Some(place.0 - start);
        message.clocks.iter_mut().chain(&mut message.counters).for_each(masked);
        message
    }

    /// So many frames of one row each.
    pub fn frames(first: usize, frames: usize) -> Message {
        let mut all = Message { bytes: Vec::new(), rows: 0, clocks: Vec::new(), counters: Vec::new() };
        for number in first..first + frames {
            let Message { bytes, rows, clocks, counters } = Message::frame(number, 1);
            let moved = |(at, mask): (usize, Option<usize>)| (at + all.bytes.len(), mask);
            all.clocks.extend(clocks.into_iter().map(moved));
            all.counters.extend(counters.into_iter().map(moved));
            all.bytes.extend(bytes);
            all.rows += rows;
        }
        all
    }

    /// Sets the event time of all rows, since the first of January.
    pub fn at(&mut self, time: Duration) {
        let seconds = time.as_secs() % 86_400;
        let pair = |number: u64| [b'0' + (number / 10) as u8, b'0' + (number % 10) as u8];
        let (hour, minute, second) = (pair(seconds / 3600), pair(seconds / 60 % 60), pair(seconds % 60));
        let clock = [hour[0], hour[1], b':', minute[0], minute[1], b':', second[0], second[1]];
        write(&mut self.bytes, &self.clocks, &clock);
    }

    /// Sets the number that all rows carry.
    pub fn number(&mut self, number: u64) {
        write(&mut self.bytes, &self.counters, format!("1{number:09}").as_bytes());
    }
}

fn write(bytes: &mut [u8], places: &[(usize, Option<usize>)], text: &[u8]) {
    for &(at, mask) in places {
        let place = &mut bytes[at..at + text.len()];
        match mask {
            None => place.copy_from_slice(text),
            Some(from) => {
                for (offset, (byte, plain)) in place.iter_mut().zip(text).enumerate() {
                    *byte = plain ^ MASK[(from + offset) % 4];
                }
            }
        }
    }
}

/// The number that a counter stands for.
pub fn number_of(counter: u64) -> u64 {
    counter - 1_000_000_000
}
