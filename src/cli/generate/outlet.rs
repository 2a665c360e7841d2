//! Where rows go: a file, stdout, or a server's source over HTTP or a WebSocket.
//!
//! A server that is full says so; then the same rows are sent again after the pause that it names. Nothing is left out.

use std::fs::File;
use std::io::{BufWriter, ErrorKind, Write};
use std::time::Duration;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;

use super::socket::Socket;
use crate::cli::Outcome;
use crate::cli::http::{Client, Reach, percent_encode};
use highwater_core::format::{self, Encoder, FORMATS};
use highwater_core::options::Options;

/// Formats that go over HTTP, and what they are called there.
const MEDIA: &[(&str, &str)] =
    &[("json", "application/x-ndjson"), ("csv", "text/csv"), ("msgpack", "application/msgpack")];

/// Formats that go over a WebSocket, and whether as binary frames.
const FRAMES: &[(&str, bool)] = &[("json", false), ("msgpack", true)];
/// Bytes of a frame at most; more rows are several frames. A server takes 4 MiB unless told otherwise.
const FRAME_BYTES: usize = 1 << 20;

/// What was sent, and what a server said of it.
#[derive(Debug, Default)]
pub(super) struct Sent {
    pub(super) rows: u64,
    pub(super) accepted: u64,
    pub(super) rejected: u64,
    /// How often the server had no room.
    pub(super) full: u64,
}

/// Where rows go.
pub(super) struct Outlet {
    encoder: Box<dyn Encoder>,
    bytes: Vec<u8>,
    to: To,
}

enum To {
    Writer(Box<dyn Write>),
    Http { client: Box<Client>, path: String, media: &'static str },
    Socket(Box<Socket>),
}

impl Outlet {
    /// Opens it; a server is asked when the first rows are sent.
    pub(super) fn open(
        to: &str,
        reach: &Reach,
        source: Option<&str>,
        format: &str,
        schema: &SchemaRef,
    ) -> Result<Outlet, Outcome> {
        let Some(found) = format::find(format) else {
            let written = FORMATS.iter().filter(|format| format.encoder(schema, &Options::default()).is_ok());
            let known = written.map(|format| format.name()).collect::<Vec<_>>().join(", ");
            return Err(Outcome::usage(format!("--format {format}: write one of {known}")));
        };
        let encoder = found.encoder(schema, &Options::default()).map_err(Outcome::usage)?;
        let is = |schemes: [&str; 2]| schemes.into_iter().any(|scheme| to.starts_with(scheme));
        let to = if is(["ws://", "wss://"]) {
            let Some(binary) = FRAMES.iter().find(|(name, _)| *name == found.name()).map(|(_, binary)| *binary) else {
                return Err(Outcome::usage(format!("--format {format}: a WebSocket is sent rows as json or msgpack")));
            };
            let target = reach.target(to).map_err(Outcome::usage)?;
            To::Socket(Box::new(Socket::connect(&target, source, binary).map_err(Outcome::Failed)?))
        } else if is(["http://", "https://"]) {
            let source = source.ok_or_else(|| Outcome::usage("which source? Write --source NAME"))?;
            let Some(media) = MEDIA.iter().find(|(name, _)| *name == found.name()).map(|(_, media)| *media) else {
                return Err(Outcome::usage(format!(
                    "--format {format}: a server is sent rows, as json, csv or msgpack"
                )));
            };
            let target = reach.target(to).map_err(Outcome::usage)?;
            let path = format!("/api/v1/sources/{}/events", percent_encode(source));
            To::Http { client: Box::new(Client::new(target)), path, media }
        } else if to == "-" {
            To::Writer(Box::new(BufWriter::new(std::io::stdout().lock())))
        } else {
            let file = File::create(to).map_err(|error| Outcome::Failed(format!("{to}: {error}")))?;
            To::Writer(Box::new(BufWriter::new(file)))
        };
        Ok(Outlet { encoder, bytes: Vec::new(), to })
    }

    /// Sends rows; false if nobody takes them any more.
    pub(super) fn send(&mut self, batch: &RecordBatch, sent: &mut Sent) -> Result<bool, String> {
        self.bytes.clear();
        self.encoder.encode(batch, &mut self.bytes).map_err(|error| error.to_string())?;
        let rows = batch.num_rows();
        if matches!(self.to, To::Socket(_)) && self.bytes.len() > FRAME_BYTES && rows > 1 {
            let (first, rest) = (batch.slice(0, rows / 2), batch.slice(rows / 2, rows - rows / 2));
            return Ok(self.send(&first, sent)? && self.send(&rest, sent)?);
        }
        sent.rows += rows as u64;
        self.write(rows as u64, sent)
    }

    /// Writes what ends the output.
    pub(super) fn finish(&mut self, sent: &mut Sent) -> Result<(), String> {
        self.bytes.clear();
        self.encoder.finish(&mut self.bytes).map_err(|error| error.to_string())?;
        self.write(0, sent)?;
        match &mut self.to {
            To::Socket(socket) => socket.finish(sent),
            _ => Ok(()),
        }
    }

    fn write(&mut self, rows: u64, sent: &mut Sent) -> Result<bool, String> {
        match &mut self.to {
            To::Writer(writer) => match writer.write_all(&self.bytes).and_then(|()| writer.flush()) {
                Ok(()) => Ok(true),
                Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
                Err(error) => Err(error.to_string()),
            },
            To::Http { .. } | To::Socket(_) if self.bytes.is_empty() => Ok(true),
            To::Socket(socket) => socket.send(rows, &self.bytes, sent).map(|()| true),
            To::Http { client, path, media } => loop {
                let answer = client.post(path, media, &self.bytes)?;
                match answer.status {
                    // 422: each of the rows was refused, which is told as if some were not.
                    200..300 | 422 => {
                        sent.accepted += answer.count("accepted");
                        sent.rejected += answer.count("rejected");
                        return Ok(true);
                    }
                    429 | 503 => {
                        sent.full += 1;
                        std::thread::sleep(answer.retry_after.unwrap_or(Duration::from_millis(100)));
                    }
                    _ => return Err(answer.reason()),
                }
            },
        }
    }
}
