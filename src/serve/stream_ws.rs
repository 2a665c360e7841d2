//! `GET /api/v1/views/{view}/ws`, `/api/v1/ws?views=a,b`: what [`super::stream`] tells, over a WebSocket.
//!
//! The same reader, the same events: a text frame `{"type":"delta","id":"...","data":{...}}` each, of which `type`, `id` and
//! `data` are the name, the id and the data of the server-sent event. `?last_event_id=` takes up after an event. After 15 s
//! without one comes `{"type":"hb"}`. What the client sends is not read for meaning, but shows that it lives: a client that
//! is silent is sent pings ([`super::keepalive`]). A client that does not read holds only its own reader back, which is then told merged changes.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use axum::body::Bytes;
use axum::extract::{Extension, Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::get;
use futures_util::{SinkExt, StreamExt};
use tokio::sync::mpsc;
use tokio::time::sleep;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::App;
use super::access::Pass;
use super::close::{CloseReason, close};
use super::event_batch::EventBatch;
use super::keepalive::Keepalive;
use super::problem::Problem;
use super::route::{Answer, Route};
use super::socket::{Socket, Upgrade, WRITE_MAX};
use super::stream::{AskedQuery, HEARTBEAT, OF_MANY, OF_ONE, TURN, start};
use super::traffic::Client;

/// Clients have nothing to say here: longer frames end the connection.
const HEARD_BYTES: usize = 4096;

const UPGRADED: &[Answer] = &[Answer::of(101, "", "")];

/// The streams of views over WebSockets.
pub(super) const ROUTES: &[Route] = &[
    Route::get("/api/v1/views/{view}/ws", "The changes of a view, over a WebSocket", || get(one))
        .takes(OF_ONE)
        .answers(UPGRADED),
    Route::get("/api/v1/ws", "The changes of several views, over a WebSocket", || get(many))
        .takes(OF_MANY)
        .answers(UPGRADED),
];

async fn one(
    State(app): State<App>,
    Path(name): Path<String>,
    query: AskedQuery,
    Extension(pass): Extension<Pass>,
    headers: HeaderMap,
    upgrade: Result<Upgrade, Problem>,
) -> Result<Response, Problem> {
    open(app, Some(&name), query, (&headers, pass), upgrade)
}

async fn many(
    State(app): State<App>,
    query: AskedQuery,
    Extension(pass): Extension<Pass>,
    headers: HeaderMap,
    upgrade: Result<Upgrade, Problem>,
) -> Result<Response, Problem> {
    open(app, None, query, (&headers, pass), upgrade)
}

fn open(
    app: App,
    one: Option<&str>,
    query: AskedQuery,
    (headers, pass): (&HeaderMap, Pass),
    upgrade: Result<Upgrade, Problem>,
) -> Result<Response, Problem> {
    let upgrade = upgrade?;
    let open = app.sockets.clone().try_read_owned();
    let keepalive = Keepalive::new(&app.access.limits);
    let events = start(app, Client::WebSocket, one, query, headers, pass.clone())?;
    Ok(upgrade.open(HEARD_BYTES, WRITE_MAX, async move |socket| {
        let _open = open;
        carry(Carrier { socket, keepalive, pass }, events).await;
    }))
}

/// Sends events until there are no more, or the client is gone: it takes nothing, or answers no ping.
async fn carry(mut carrier: Carrier, mut events: mpsc::Receiver<Arc<EventBatch>>) {
    let reason = loop {
        let next = match carrier.next(&mut events).await {
            Next::Batch(batch) => carrier.send(&batch).await,
            Next::Say(message) => carrier.say(message).await,
            Next::End(reason) => break reason,
        };
        if let Err(Gone(reason)) = next {
            break reason;
        }
    };
    if let Some(reason) = reason {
        close(&mut carrier.socket, reason).await;
    }
}

/// The client is gone, or goes with this.
struct Gone(Option<CloseReason>);

impl From<Error> for Gone {
    fn from(error: Error) -> Gone {
        Gone(CloseReason::of(&error))
    }
}

/// What is to be done next.
enum Next {
    Batch(Arc<EventBatch>),
    Say(Message),
    End(Option<CloseReason>),
}

struct Carrier {
    socket: Socket,
    keepalive: Keepalive,
    pass: Pass,
}

impl Carrier {
    /// Waits for something to tell, listening to the client.
    async fn next(&mut self, events: &mut mpsc::Receiver<Arc<EventBatch>>) -> Next {
        let mut beat = pin!(sleep(HEARTBEAT));
        let mut silent = pin!(sleep(self.keepalive.left()));
        loop {
            tokio::select! {
                batch = events.recv() => return match batch {
                    Some(batch) => Next::Batch(batch),
                    None if self.pass.is_over() => Next::End(Some(CloseReason::token())),
                    None => Next::End(Some(CloseReason::away("the server ends"))),
                },
                // Pings are answered below us, and so is the goodbye.
                heard = self.socket.next() => match heard {
                    Some(Ok(_)) => {
                        self.keepalive.lives();
                        silent.set(sleep(self.keepalive.left()));
                    }
                    Some(Err(error)) => return Next::End(CloseReason::of(&error)),
                    None => return Next::End(None),
                },
                () = &mut silent => return match self.keepalive.silent() {
                    true => Next::Say(Message::Ping(Bytes::new())),
                    false => Next::End(Some(CloseReason::silent(&self.keepalive))),
                },
                () = &mut beat => return Next::Say(Message::Text(r#"{"type":"hb"}"#.into())),
            }
        }
    }

    /// Tells all of it, as the client takes it.
    async fn send(&mut self, batch: &EventBatch) -> Result<(), Gone> {
        for (at, part) in (0..).map_while(|at| Some((at, batch.frame(at)?))) {
            if usize::is_multiple_of(at, TURN) {
                tokio::task::yield_now().await;
            }
            let ping = self.keepalive.sends(part.text.len());
            self.put(part.into()).await?;
            if ping {
                self.put(Message::Ping(Bytes::new())).await?;
            }
        }
        self.room(true).await
    }

    async fn say(&mut self, message: Message) -> Result<(), Gone> {
        self.put(message).await?;
        self.room(true).await
    }

    /// As [`feed`](super::socket::feed), listening meanwhile.
    async fn put(&mut self, message: Message) -> Result<(), Gone> {
        self.room(false).await?;
        match self.socket.start_send_unpin(message) {
            Err(Error::WriteBufferFull(message)) => {
                self.room(true).await?;
                Ok(self.socket.start_send_unpin(*message)?)
            }
            done => Ok(done?),
        }
    }

    /// Waits until the client has taken enough for more to be sent, or `all`; listens meanwhile. One that takes too little is cut
    /// off below us.
    async fn room(&mut self, all: bool) -> Result<(), Gone> {
        let mut waited = false;
        let room = poll_fn(|context| {
            while let Poll::Ready(heard) = self.socket.poll_next_unpin(context) {
                heard.ok_or(Gone(None))??;
                self.keepalive.lives();
            }
            let room = match all {
                true => self.socket.poll_flush_unpin(context),
                false => self.socket.poll_ready_unpin(context),
            };
            waited |= room.is_pending();
            room.map_err(Gone::from)
        });
        room.await?;
        if waited {
            self.keepalive.lives();
        }
        Ok(())
    }
}
