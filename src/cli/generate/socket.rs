//! Rows to a server over a WebSocket: a message is a frame, JSON as text or MessagePack as binary, and the server acknowledges
//! each by its number.
//!
//! Invariant: at most [`WINDOW`] frames are not acknowledged, so neither side waits for the other with full buffers; after a
//! `backpressure` frame nothing more is sent until all of them are. The server loses no frame that it has read, so none is
//! sent twice.

use std::collections::VecDeque;
use std::io::ErrorKind;

use serde_json::Value;
use tungstenite::client::ClientRequestBuilder;
use tungstenite::handshake::HandshakeError;
use tungstenite::{Error, Message, WebSocket};

use super::outlet::Sent;
use crate::cli::http::{Connection, PATIENCE, Target, percent_encode};
use highwater_core::counted::counted;

/// Frames under way at most.
const WINDOW: usize = 8;

/// A connection that rows are sent over.
pub(super) struct Socket {
    stream: WebSocket<Box<dyn Connection>>,
    host: String,
    /// MessagePack instead of JSON.
    binary: bool,
    /// Rows of the frames that are under way, in order.
    under_way: VecDeque<u64>,
    /// Frames acknowledged.
    acknowledged: u64,
    /// The server has no room.
    full: bool,
}

impl Socket {
    /// Connects to a source, or without a name to the only one that takes events.
    pub(super) fn connect(target: &Target, source: Option<&str>, binary: bool) -> Result<Socket, String> {
        let address = &target.address;
        let path =
            source.map_or("/ws/ingest".to_owned(), |name| format!("/api/v1/sources/{}/ws", percent_encode(name)));
        let url = format!("ws://{}{}{path}", address.host, address.path);
        let uri = url.parse().map_err(|error| format!("{url}: {error}"))?;
        let mut request = ClientRequestBuilder::new(uri);
        if let Some(token) = &target.token {
            request = request.with_header("Authorization", format!("Bearer {token}"));
        }
        let host = address.host.clone();
        match tungstenite::client(request, target.connect(PATIENCE)?) {
            Ok((stream, _)) => {
                let under_way = VecDeque::with_capacity(WINDOW);
                Ok(Socket { stream, host, binary, under_way, acknowledged: 0, full: false })
            }
            Err(HandshakeError::Failure(Error::Http(answer))) => Err(refusal(answer.status().as_u16(), answer.body())),
            Err(HandshakeError::Failure(error)) => Err(format!("{host}: {error}")),
            Err(HandshakeError::Interrupted(_)) => Err(format!("{host}: no answer within {} s", PATIENCE.as_secs())),
        }
    }

    /// Sends `rows` rows as one frame: lines of JSON, or MessagePack as it is.
    pub(super) fn send(&mut self, rows: u64, bytes: &[u8], sent: &mut Sent) -> Result<(), String> {
        while self.under_way.len() >= if self.full { 1 } else { WINDOW } {
            self.hear(sent)?;
        }
        let message = match self.binary {
            true => Message::binary(bytes.to_vec()),
            false => Message::text(array(bytes)?),
        };
        self.under_way.push_back(rows);
        self.stream.send(message).map_err(|error| self.broken(&error))
    }

    /// Waits until every frame is acknowledged, and says goodbye.
    pub(super) fn finish(&mut self, sent: &mut Sent) -> Result<(), String> {
        while !self.under_way.is_empty() {
            self.hear(sent)?;
        }
        // All is acknowledged: how the connection ends does not matter.
        let _ = self.stream.close(None);
        while self.stream.read().is_ok() {}
        Ok(())
    }

    /// The next thing that the server says.
    fn hear(&mut self, sent: &mut Sent) -> Result<(), String> {
        let message = match self.stream.read() {
            Ok(message) => message,
            // A server without room may stay so for long. Whether it is still there, TCP finds out.
            Err(Error::Io(error))
                if self.full && matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) =>
            {
                return self.stream.send(Message::Ping(Vec::new().into())).map_err(|error| self.broken(&error));
            }
            Err(error) => return Err(self.broken(&error)),
        };
        let Message::Text(text) = message else { return Ok(()) };
        let told: Value = serde_json::from_str(text.as_str()).unwrap_or_default();
        let number = |name: &str| told[name].as_u64().unwrap_or(0);
        match told["type"].as_str() {
            Some("ack") if number("seq") == self.acknowledged + 1 => {
                let (rows, accepted) = (self.under_way.pop_front().unwrap_or(0), number("accepted"));
                self.acknowledged += 1;
                sent.accepted += accepted;
                sent.rejected += number("rejected");
                if accepted + number("rejected") != rows {
                    return Err(format!(
                        "frame {} has {}, the server tells of {text}",
                        number("seq"),
                        counted(rows, "row")
                    ));
                }
                self.full &= !self.under_way.is_empty();
                Ok(())
            }
            Some("backpressure") => {
                self.full = true;
                sent.full += 1;
                Ok(())
            }
            Some("error") => Err(format!(
                "frame {}: {}",
                number("seq"),
                told["reason"].as_str().unwrap_or("the server does not say what is wrong with it")
            )),
            _ => Err(format!("frame {} is under way, and the server says {text}", self.acknowledged + 1)),
        }
    }

    fn broken(&self, error: &Error) -> String {
        let rows: u64 = self.under_way.iter().sum();
        format!(
            "{}: {error}; the server may have taken what was under way or not ({})",
            self.host,
            counted(rows, "row")
        )
    }
}

/// Lines as one array: a newline within a string is written as an escape, so every newline ends a row.
fn array(lines: &[u8]) -> Result<String, String> {
    let text = std::str::from_utf8(lines).map_err(|error| error.to_string())?;
    Ok(format!("[{}]", text.trim_end().replace('\n', ",")))
}

fn refusal(status: u16, body: &Option<Vec<u8>>) -> String {
    let told: Value = body.as_deref().and_then(|body| serde_json::from_slice(body).ok()).unwrap_or_default();
    told["detail"].as_str().map_or_else(|| format!("the server answered {status}"), str::to_owned)
}
