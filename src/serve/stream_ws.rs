//! `GET /api/v1/views/{view}/ws`, `/api/v1/ws?views=a,b`: what [`super::stream`] tells, over a WebSocket.
//!
//! The same reader, the same events: a text frame `{"type":"delta","id":"...","data":{...}}` each, of which `type`, `id` and
//! `data` are the name, the id and the data of the server-sent event. `?last_event_id=` takes up after an event. After 15 s
//! without one comes `{"type":"hb"}`. What the client sends is not read for meaning, but shows that it lives: a client that
//! is silent is sent pings. A client that does not read holds only its own reader back, which is then told merged changes.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::get;
use futures_util::{SinkExt, StreamExt};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tokio_tungstenite::tungstenite::Message;

use super::App;
use super::limits::Limit;
use super::parting::{Parting, part};
use super::problem::Problem;
use super::route::{Answer, Route};
use super::socket::{Socket, Upgrade, WRITE_MAX};
use super::stream::{AskedQuery, HEARTBEAT, OF_MANY, OF_ONE, start};
use super::telling::Telling;
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
    headers: HeaderMap,
    upgrade: Result<Upgrade, Problem>,
) -> Result<Response, Problem> {
    open(app, Some(&name), query, &headers, upgrade)
}

async fn many(
    State(app): State<App>,
    query: AskedQuery,
    headers: HeaderMap,
    upgrade: Result<Upgrade, Problem>,
) -> Result<Response, Problem> {
    open(app, None, query, &headers, upgrade)
}

fn open(
    app: App,
    one: Option<&str>,
    query: AskedQuery,
    headers: &HeaderMap,
    upgrade: Result<Upgrade, Problem>,
) -> Result<Response, Problem> {
    let upgrade = upgrade?;
    let open = app.sockets.clone().try_read_owned();
    let idle = app.access.limits.time(Limit::Idle);
    let events = start(app, Client::WebSocket, one, query, headers)?;
    Ok(upgrade.open(HEARD_BYTES, WRITE_MAX, async move |socket| {
        let _open = open;
        carry(socket, events, idle).await;
    }))
}

/// Sends events until there are no more, or the client is gone: it takes nothing, or answers no ping, for as long as `idle`.
async fn carry(mut socket: Socket, mut events: mpsc::Receiver<Arc<Telling>>, idle: Duration) {
    let (mut silent, mut asked) = (Box::pin(sleep(idle / 2)), false);
    // What it takes, and how far it is with it.
    let mut taking: Option<(Arc<Telling>, usize)> = None;
    loop {
        if let Some((telling, at)) = &mut taking {
            let Some(part) = telling.frame(*at) else {
                taking = None;
                if sent(&mut socket, None, idle).await.is_err() {
                    return;
                }
                continue;
            };
            *at += 1;
            if sent(&mut socket, Some(part.into()), idle).await.is_err() {
                return;
            }
            continue;
        }
        let mut beat = pin!(sleep(HEARTBEAT));
        let message = loop {
            tokio::select! {
                told = events.recv() => match told {
                    Some(told) => {
                        taking = Some((told, 0));
                        break None;
                    }
                    None => return part(&mut socket, Parting::away("the server ends")).await,
                },
                // Pings are answered below us, and so is the goodbye.
                heard = socket.next() => match heard {
                    Some(Ok(_)) => {
                        silent.set(sleep(idle / 2));
                        asked = false;
                    }
                    Some(Err(error)) => {
                        if let Some(parting) = Parting::of(&error) {
                            part(&mut socket, parting).await;
                        }
                        return;
                    }
                    None => return,
                },
                () = &mut silent => {
                    if std::mem::replace(&mut asked, true) {
                        return part(&mut socket, Parting::silent(idle)).await;
                    }
                    silent.set(sleep(idle / 2));
                    break Some(Message::Ping(Bytes::new()));
                }
                () = &mut beat => break Some(Message::Text(r#"{"type":"hb"}"#.into())),
            }
        };
        if let Some(message) = message {
            let gone =
                sent(&mut socket, Some(message), idle).await.is_err() || sent(&mut socket, None, idle).await.is_err();
            if gone {
                return;
            }
        }
    }
}

/// The client is gone.
struct Gone;

/// Hands a message over, or sends what was handed over, within `idle`.
async fn sent(socket: &mut Socket, message: Option<Message>, idle: Duration) -> Result<(), Gone> {
    let sending = async {
        match message {
            Some(message) => socket.feed(message).await,
            None => socket.flush().await,
        }
    };
    timeout(idle, sending).await.ok().and_then(Result::ok).ok_or(Gone)
}
