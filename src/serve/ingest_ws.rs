//! `GET /api/v1/sources/{source}/ws` and `/ws/ingest`: events over a WebSocket. A text frame is one JSON event or an array
//! of them, a binary one the same as MessagePack; every frame is acknowledged by its number on the connection, from 1, also
//! those that a Close follows at once. An acknowledgement of rows that were not taken says why, row by row from 0. A connection
//! that the server ends is closed with the code and the reason ([`super::close`]).
//!
//! Frames that have already come are decoded together, a line each, and acknowledged together. When the source has no
//! room, or there is none to decode them, one frame says so; what was read waits and nothing more is read until it is taken:
//! nothing is lost.

use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use axum::Extension;
use axum::body::Bytes;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::get;
use futures_util::{SinkExt, Stream, StreamExt};
use serde::Deserialize;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::App;
use super::access::Pass;
use super::ack;
use super::asked;
use super::budget::{Budget, Held};
use super::close::{CloseReason, close};
use super::inflow::Inflow;
use super::ingest::{beside, find};
use super::ingest_told::{self as told, Counted};
use super::keepalive::Keepalive;
use super::lanes::Lane;
use super::limits::Limit;
use super::paced::Pace;
use super::problem::Problem;
use super::role::Role;
use super::route::{Answer, Method, Route, query};
use super::socket::{Socket, Upgrade, feed, renew};
use super::traffic::Client;
use super::work::Work;
use highwater_core::engine::{Pushed, Refused, Source};
use highwater_core::format::{Lent, Part};
use highwater_core::source::{Acknowledged, Beside, Intake, Undecoded, Written};

/// Frames and bytes that are decoded together at most.
const BURST_FRAMES: usize = 4096;
const BURST_BYTES: usize = 256 << 10;
/// What may wait for a client that takes no answers.
const WRITE_MAX: usize = 1 << 20;
/// Longer frames are decoded off the threads that serve everybody, and their room is given back.
const LONG_BYTES: usize = 64 << 10;
/// How soon a source without room is tried again.
const RETRY: Duration = Duration::from_millis(20);

const UPGRADED: &[Answer] = &[Answer::of(101, "", "")];

/// Events in, frame by frame.
pub(super) const ROUTES: &[Route] = &[
    Route::of(Method::Get, "/api/v1/sources/{source}/ws", Role::Ingest, "Sends events over a WebSocket", || get(named))
        .takes(&[ack::PARAMETER])
        .early()
        .answers(UPGRADED),
    Route::of(Method::Get, "/ws/ingest", Role::Ingest, "Sends events to the only source, over a WebSocket", || {
        get(only)
    })
    .takes(&[query("source", "string", "Which source, if there are several"), ack::PARAMETER])
    .early()
    .answers(UPGRADED),
];

type Asks = Result<Upgrade, Problem>;

type Incoming = (Extension<Arc<Inflow>>, Extension<Pass>);

async fn named(
    State(app): State<App>,
    Path(name): Path<String>,
    query: Result<Query<ack::Asked>, QueryRejection>,
    (Extension(inflow), Extension(pass)): Incoming,
    headers: HeaderMap,
    upgrade: Asks,
) -> Result<Response, Problem> {
    let Query(asked) = query.map_err(|error| asked::refused(&error))?;
    open(app, (name, asked.ack), &headers, (inflow, pass), upgrade)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    source: Option<String>,
    ack: Option<String>,
}

async fn only(
    State(app): State<App>,
    query: Result<Query<Asked>, QueryRejection>,
    (Extension(inflow), Extension(pass)): Incoming,
    headers: HeaderMap,
    upgrade: Asks,
) -> Result<Response, Problem> {
    let Query(asked) = query.map_err(|error| asked::refused(&error))?;
    let name = match asked.source {
        Some(name) => name,
        None => {
            let pushed = app.engine.sources().iter().filter(|source| source.intake().is_some());
            let names: Vec<&str> = pushed.map(|source| source.name()).collect();
            match names.as_slice() {
                [name] => (*name).to_owned(),
                [] => return Err(Problem::unknown("source that takes events", "", [].into_iter())),
                names => {
                    let detail = format!("several sources take events: add ?source= one of {}", names.join(", "));
                    return Err(Problem::bad_request(detail));
                }
            }
        }
    };
    open(app, (name, asked.ack), &headers, (inflow, pass), upgrade)
}

fn open(
    app: App,
    (name, asked): (String, Option<String>),
    headers: &HeaderMap,
    (inflow, pass): (Arc<Inflow>, Pass),
    upgrade: Asks,
) -> Result<Response, Problem> {
    let (source, intake) = find(&app, &name)?;
    let ack = ack::of(&app, source, asked.as_deref())?;
    let upgrade = upgrade?;
    let beside = beside(intake, headers)?;
    let open = app.sockets.clone().try_read_owned();
    let frame = app.access.limits.size(Limit::Frame).min(app.bodies.most());
    inflow.watch(Pace::of_bodies(&app.access.limits), &app.bodies);
    Ok(upgrade.open(frame, WRITE_MAX, move |socket| async move {
        let _open = (open, app.traffic.client(Client::IngestWebSocket));
        if let Ok((source, intake)) = find(&app, &name) {
            let mut closing = app.closing.clone();
            let keepalive = Keepalive::new(&app.access.limits);
            let (lane, bodies, raw) = (&app.lanes.decoding, &app.bodies, app.bodies.none());
            let (frames, lines, held, told) = (0, Vec::new(), Vec::new(), false);
            let mut connection = Connection {
                app: &app,
                ack,
                holds: asked.map(|_| ack),
                socket,
                inflow,
                source,
                intake,
                beside,
                lane,
                bodies,
                keepalive,
                frames,
                lines,
                held,
                raw,
                told,
            };
            let end = tokio::select! {
                // Looked at first: a frame that comes when others are refused already is not taken.
                biased;
                _ = closing.wait_for(|closing| *closing) => End::Stops,
                () = pass.over() => {
                    app.traffic.refuse("unauthorized", &"a WebSocket, whose token is not good any more");
                    End::Wrong(CloseReason::token())
                }
                end = connection.run() => end,
            };
            // What is not acknowledged was not taken.
            let reason = match end {
                End::Left => return,
                End::Stops => CloseReason::away("the engine takes no more events"),
                End::Silent => CloseReason::silent(&connection.keepalive),
                End::Wrong(reason) => reason,
            };
            close(&mut connection.socket, reason).await;
        }
    }))
}

struct Connection<'a> {
    app: &'a App,
    /// What acknowledgements wait for.
    ack: Acknowledged,
    /// What holds of the last rows, of a client that has asked.
    holds: Option<Acknowledged>,
    socket: Socket,
    /// What has come of the next message.
    inflow: Arc<Inflow>,
    source: &'a Source,
    intake: &'a Intake,
    /// What the headers of the handshake say beside the rows.
    beside: Beside,
    /// Where long frames are decoded.
    lane: &'a Lane,
    /// Room for what they become.
    bodies: &'a Budget,
    keepalive: Keepalive,
    /// Frames so far.
    frames: u64,
    /// Events that wait to be decoded together, a line each.
    lines: Vec<u8>,
    /// The numbers of their frames.
    held: Vec<u64>,
    /// What came and is not taken yet.
    raw: Held,
    /// The client knows that it has to wait.
    told: bool,
}

/// Why a connection ends.
enum End {
    /// The client went, or takes nothing any more.
    Left,
    /// The engine takes no more events.
    Stops,
    /// The client gives no sign of life.
    Silent,
    /// What it sent cannot be read on.
    Wrong(CloseReason),
}

impl From<Error> for End {
    fn from(error: Error) -> End {
        CloseReason::of(&error).map_or(End::Left, End::Wrong)
    }
}

impl Connection<'_> {
    async fn run(&mut self) -> End {
        loop {
            if let Err(end) = self.burst().await {
                return end;
            }
        }
    }

    /// Waits for a message, and takes it with those that have come already.
    async fn burst(&mut self) -> Result<(), End> {
        let mut message = self.heard().await?;
        let mut long = false;
        let end = loop {
            long |= message.len() > LONG_BYTES;
            self.take(message).await?;
            // A long one by itself: behind it the room that it took is given back.
            if long || self.held.len() >= BURST_FRAMES || self.lines.len() >= BURST_BYTES {
                break None;
            }
            // What has come already belongs to the burst.
            let ready = std::future::poll_fn(|context| {
                Poll::Ready(match Pin::new(&mut self.socket).poll_next(context) {
                    Poll::Ready(next) => Some(next),
                    Poll::Pending => None,
                })
            });
            match ready.await {
                None => break None,
                Some(Some(Ok(next))) => message = next,
                Some(Some(Err(error))) => break Some(End::from(error)),
                Some(None) => break Some(End::Left),
            }
        };
        self.flush().await?;
        self.sent().await?;
        if long {
            renew(&mut self.socket).await;
        }
        end.map_or(Ok(()), Err)
    }

    /// The next message. A client that is silent is asked for a sign of life once.
    async fn heard(&mut self) -> Result<Message, End> {
        self.keepalive.lives();
        loop {
            match timeout(self.keepalive.left(), self.socket.next()).await {
                Ok(heard) => return Ok(heard.ok_or(End::Left)??),
                Err(_) if self.keepalive.silent() => {
                    self.send(Message::Ping(Bytes::new())).await?;
                    self.sent().await?;
                }
                Err(_) => return Err(End::Silent),
            }
        }
    }

    async fn take(&mut self, message: Message) -> Result<(), End> {
        match &message {
            Message::Ping(payload) | Message::Pong(payload) => self.inflow.between(payload.len()),
            _ => self.inflow.whole().into_iter().for_each(|held| self.raw.join(held)),
        }
        match message {
            Message::Text(frame) => {
                self.frames += 1;
                if let Some(asked) = ack::message(self.source, frame.as_bytes()) {
                    return self.asks(&asked).await;
                }
                if frame.trim_ascii_start().starts_with('[') {
                    self.flush().await?;
                    return self.several(Written::Json, frame.into()).await;
                }
                told::line(&frame, &mut self.lines);
                self.held.push(self.frames);
                Ok(())
            }
            Message::Binary(frame) => {
                self.frames += 1;
                let start = self.lines.len();
                if self.intake.line(&frame, &mut self.lines) {
                    if let Some(asked) = ack::message(self.source, &self.lines[start..]) {
                        self.lines.truncate(start);
                        return self.asks(&asked).await;
                    }
                    self.held.push(self.frames);
                    return Ok(());
                }
                self.flush().await?;
                match frame.is_empty() {
                    true => self.error(self.frames, "the frame is empty").await,
                    false => self.several(Written::MessagePack, frame).await,
                }
            }
            // Pings are answered below us.
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => Ok(()),
            Message::Close(_) => self.flush().await,
        }
    }

    /// Decodes and takes the frames that wait, and acknowledges each.
    async fn flush(&mut self) -> Result<(), End> {
        if self.held.is_empty() {
            return Ok(());
        }
        let (lines, mut held) = (Lent::new(std::mem::take(&mut self.lines)), std::mem::take(&mut self.held));
        let (mut told, mut unread, mut later) = (Vec::new(), None, false);
        match self.taken(None, lines.bytes()).await? {
            Ok(pushed) => (told, later) = (pushed.told, pushed.later.is_some()),
            Err(reason) => unread = Some(reason),
        }
        // Of undecoded rows and late ones the numbers ascend within each kind only.
        told.sort_by_key(|(record, _)| *record);
        let mut wrong = told.into_iter().peekable();
        let mut text = lines.split(|byte| *byte == b'\n');
        for (record, seq) in (0..).zip(&held) {
            let line = text.next().unwrap_or_default();
            match wrong.next_if(|(number, _)| *number == record) {
                _ if let Some(reason) = &unread => self.error(*seq, reason).await?,
                None if line.trim_ascii().is_empty() => self.error(*seq, "the frame is empty").await?,
                None => self.acknowledge(*seq, (1, 0, later), &[]).await?,
                Some((_, reason)) if !told::readable(line) => self.error(*seq, &reason).await?,
                Some((_, reason)) => self.acknowledge(*seq, (0, 1, false), &[(0, reason)]).await?,
            }
        }
        let mut lines = lines.back();
        lines.clear();
        lines.shrink_to(BURST_BYTES);
        held.clear();
        (self.lines, self.held) = (lines, held);
        Ok(())
    }

    /// Takes a frame of any number of events by itself.
    async fn several(&mut self, written: Written, frame: Bytes) -> Result<(), End> {
        let seq = self.frames;
        match self.taken(Some(written), frame).await? {
            Err(reason) => self.error(seq, &reason).await,
            Ok(Pushed { accepted, rejected, later, told, .. }) => {
                self.acknowledge(seq, (accepted, rejected, later.is_some()), &told).await
            }
        }
    }

    /// Decodes text, lines if it is not said how it is written, and takes its rows, as soon as there is room for them; or says
    /// why they cannot be read. What waits for a source without room waits as text.
    async fn taken(&mut self, written: Option<Written>, text: Bytes) -> Result<Result<Pushed, String>, End> {
        self.raw.owe(text.len().saturating_sub(self.raw.bytes()));
        let long = text.len() > LONG_BYTES;
        let mut decoded = None;
        loop {
            let mut attempt = || -> Attempt {
                let (parts, work) = match decoded.take() {
                    Some(before) => before,
                    None if self.source.full() => return Attempt::Waits(None),
                    None => {
                        let mut work = Work::new(self.bodies);
                        let room = &mut |bytes| work.room(bytes);
                        let parts = match written {
                            None => self.intake.lines(text.clone(), &self.beside, room),
                            Some(written) => self.intake.decode(written, None, text.clone(), &self.beside, room),
                        };
                        match (parts, work.never()) {
                            (Ok(parts), _) => (parts, work),
                            (Err(Undecoded::Unread(reason)), _) => return Attempt::Done(Err(reason)),
                            (Err(Undecoded::NoRoom), Some(never)) => return Attempt::Done(Err(never.to_owned())),
                            (Err(Undecoded::NoRoom), None) => return Attempt::Crowded,
                        }
                    }
                };
                match self.source.push(parts) {
                    Ok(pushed) => Attempt::Done(Ok(pushed)),
                    Err(Refused::Closed) => Attempt::Closed,
                    Err(Refused::Full(parts)) => Attempt::Waits(Some((parts, work))),
                    Err(Refused::DiskFull(parts)) => Attempt::NoDisk((parts, work)),
                    Err(refused) => Attempt::Done(Err(refused.to_string())),
                }
            };
            let crowded = |attempt: &Attempt| matches!(attempt, Attempt::Crowded);
            let at_once = if long { Attempt::Crowded } else { attempt() };
            let done = if crowded(&at_once) { self.lane.in_turn(attempt, crowded).await } else { at_once };
            let disk = matches!(done, Attempt::NoDisk(_));
            decoded = match done {
                Attempt::Done(taken) => {
                    self.raw.shrink(usize::MAX);
                    self.told = false;
                    if let Ok(pushed) = &taken {
                        // What the log does not keep is not acknowledged: the engine ends.
                        let holds = ack::wait(self.app, self.ack, pushed).await.map_err(|_| End::Stops)?;
                        self.holds = self.holds.map(|_| holds);
                    }
                    return Ok(taken);
                }
                Attempt::Closed => return Err(End::Stops),
                Attempt::Crowded => None,
                Attempt::Waits(decoded) => decoded,
                Attempt::NoDisk(decoded) => Some(decoded),
            };
            if !std::mem::replace(&mut self.told, true) {
                if disk {
                    self.app.traffic.refuse("disk_full", &"rows of a WebSocket, which waits");
                }
                self.tell(told::backpressure(RETRY, disk)).await?;
                self.sent().await?;
            }
            tokio::time::sleep(RETRY).await;
            self.inflow.excuse();
        }
    }

    async fn acknowledge(&mut self, seq: u64, taken: Counted, wrong: &[(u64, String)]) -> Result<(), End> {
        self.tell(told::ack(seq, taken, self.holds, wrong)).await
    }

    /// A message that says what acknowledgements wait for from here on.
    async fn asks(&mut self, asked: &str) -> Result<(), End> {
        // What came before waits for what it came under.
        self.flush().await?;
        match ack::of(self.app, self.source, Some(asked)) {
            Ok(ack) => {
                (self.ack, self.holds) = (ack, Some(ack));
                self.acknowledge(self.frames, (0, 0, false), &[]).await
            }
            Err(refused) => self.error(self.frames, refused.detail()).await,
        }
    }

    async fn error(&mut self, seq: u64, reason: &str) -> Result<(), End> {
        self.tell(told::error(seq, reason)).await
    }

    async fn tell(&mut self, frame: String) -> Result<(), End> {
        let ping = self.keepalive.sends(frame.len());
        self.send(Message::Text(frame.into())).await?;
        if ping { self.send(Message::Ping(Bytes::new())).await } else { Ok(()) }
    }

    /// Goes out with [`Connection::sent`], or before.
    async fn send(&mut self, message: Message) -> Result<(), End> {
        feed(&mut self.socket, message).await.map_err(gone)
    }

    async fn sent(&mut self) -> Result<(), End> {
        self.socket.flush().await.map_err(gone)
    }
}

/// What became of text that was to be taken.
enum Attempt {
    /// Its rows are taken, or cannot be read.
    Done(Result<Pushed, String>),
    /// The source has no room for it; perhaps it is decoded.
    Waits(Option<(Vec<Part>, Work)>),
    /// The disk has none for it.
    NoDisk((Vec<Part>, Work)),
    /// There is no room to decode it.
    Crowded,
    Closed,
}

/// Whoever takes nothing is cut off below us.
fn gone(_: Error) -> End {
    End::Left
}
