//! One client: sends its rows when they are due, message by message, over one connection.
//!
//! Every row sent is counted exactly once: acknowledged (`202`: accepted or rejected by the server), turned away (`429`,
//! `503`), or failed (anything else). A message that is turned away is not sent again: the next is due.

use std::time::Duration;

use super::measure::Latencies;
use super::visible::Taken;
use crate::cli::Outcome;
use crate::cli::generate::pattern::Schedule;
use crate::cli::generate::rows::Rows;
use crate::cli::http::{self, Target, percent_encode};
use highwater_core::format::{self, Encoder};
use highwater_core::options::Options;
use highwater_core::time::{Clock, Epoch};

/// A client has room for the latencies of so many rows, and as many messages, before it begins.
const MOST_ROOM: u64 = 1 << 16;

/// What became of the rows of a client.
#[derive(Debug, Default)]
pub(super) struct Sent {
    pub(super) sent: u64,
    /// Taken by the server, in answers of 202.
    pub(super) accepted: u64,
    /// Refused by it row by row, in the same answers.
    pub(super) rejected: u64,
    /// Turned away because it is full.
    pub(super) turned_away: u64,
    /// In requests that were refused, or that had no answer.
    pub(super) failed: u64,
    /// From when a row was due until it was acknowledged.
    pub(super) latencies: Latencies,
    /// Where rows that were accepted went in.
    pub(super) taken: Vec<Taken>,
    /// Why the first failed.
    pub(super) reason: Option<String>,
}

pub(super) struct Client {
    http: http::Client,
    path: String,
    rows: Rows,
    schedule: Schedule,
    count: u64,
    batch: usize,
    encoder: Box<dyn Encoder>,
    sent: Sent,
}

impl Sent {
    /// With room for so many rows and messages that is there already: memory that all clients first touch at the same time, in
    /// the middle of a run, would hold them all up.
    fn with_room(rows: u64, messages: u64) -> Sent {
        let mut sent = Sent { latencies: Latencies::with_room(rows as usize), ..Sent::default() };
        sent.taken.resize_with(messages as usize, || Taken { epoch: Epoch::MAX, due: 1.0, apart: 1.0, rows: 1 });
        sent.taken.clear();
        sent
    }
}

impl Client {
    pub(super) fn new(
        target: Target,
        source: &str,
        rows: Rows,
        schedule: Schedule,
        count: u64,
        batch: usize,
    ) -> Result<Client, Outcome> {
        let Some(json) = format::find("json") else { return Err(Outcome::usage("there is no format 'json'")) };
        let encoder = json.encoder(rows.schema(), &Options::default()).map_err(Outcome::usage)?;
        let path = format!("/api/v1/sources/{}/events", percent_encode(source));
        let messages = count.div_ceil(batch as u64);
        let sent = Sent::with_room(count.min(MOST_ROOM), messages.min(MOST_ROOM));
        Ok(Client { http: http::Client::new(target), path, rows, schedule, count, batch, encoder, sent })
    }

    /// Does once what is done for every message, but for sending it: then the thread's memory is there before the clock starts.
    pub(super) fn warm_up(&mut self) {
        let mut body = Vec::new();
        if let Some(batch) = self.rows.look(self.batch, &self.schedule) {
            // What is wrong with it is told when it is sent.
            drop(self.encoder.encode(&batch, &mut body));
        }
        let lines = body.split(|byte| *byte == b'\n');
        lines.for_each(|line| drop(serde_json::from_slice::<serde_json::Value>(line)));
    }

    /// Sends all rows; the first is due `offset` seconds after the clock was started.
    pub(super) fn run(mut self, clock: Clock, offset: f64) -> Sent {
        let (mut sent, mut body) = (std::mem::take(&mut self.sent), Vec::new());
        while self.rows.next() < self.count {
            let first = self.rows.next();
            let most = usize::try_from(self.count - first).unwrap_or(self.batch).min(self.batch);
            let Some(batch) = self.rows.take(most, &self.schedule) else { break };
            body.clear();
            let rows = batch.num_rows() as u64;
            let due = |row: u64| offset + self.schedule.time_of(row);
            // A message is due when its last row is.
            let pause = due(first + rows - 1) - clock.elapsed_seconds();
            if pause > 0.0 {
                std::thread::sleep(Duration::from_secs_f64(pause));
            }
            sent.sent += rows;
            let encoded = self.encoder.encode(&batch, &mut body).map_err(|error| error.to_string());
            let answer = encoded.and_then(|()| self.http.post(&self.path, "application/x-ndjson", &body));
            let now = clock.elapsed_seconds();
            match answer {
                Ok(answer) if matches!(answer.status, 200 | 202 | 422) => {
                    let told = answer.json();
                    let rejected = told["rejected"].as_u64().unwrap_or(0).min(rows);
                    let accepted = told["accepted"].as_u64().unwrap_or(rows - rejected).min(rows - rejected);
                    sent.accepted += accepted;
                    sent.rejected += rejected;
                    // Rows that the answer leaves out are lost.
                    sent.failed += rows - accepted - rejected;
                    if accepted + rejected < rows {
                        sent.reason.get_or_insert_with(|| "an answer does not account for every row".to_owned());
                    }
                    (first..first + rows).for_each(|row| sent.latencies.add(now - due(row)));
                    if let Some(epoch) = told["epoch"].as_str().and_then(|epoch| epoch.parse().ok()) {
                        let apart = (due(first + rows - 1) - due(first)) / (rows.max(2) - 1) as f64;
                        sent.taken.push(Taken { epoch, due: due(first), apart, rows: accepted });
                    }
                }
                Ok(answer) if matches!(answer.status, 429 | 503) => sent.turned_away += rows,
                Ok(answer) => {
                    sent.failed += rows;
                    sent.reason.get_or_insert_with(|| answer.reason());
                }
                Err(reason) => {
                    sent.failed += rows;
                    sent.reason.get_or_insert(reason);
                }
            }
        }
        sent
    }
}
