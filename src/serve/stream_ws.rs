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
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::get;
use futures_util::SinkExt;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use super::App;
use super::limits::Limit;
use super::problem::Problem;
use super::route::{Answer, Route};
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

type Upgrade = Result<WebSocketUpgrade, WebSocketUpgradeRejection>;

async fn one(
    State(app): State<App>,
    Path(name): Path<String>,
    query: AskedQuery,
    headers: HeaderMap,
    upgrade: Upgrade,
) -> Result<Response, Problem> {
    open(app, Some(&name), query, &headers, upgrade)
}

async fn many(
    State(app): State<App>,
    query: AskedQuery,
    headers: HeaderMap,
    upgrade: Upgrade,
) -> Result<Response, Problem> {
    open(app, None, query, &headers, upgrade)
}

fn open(
    app: App,
    one: Option<&str>,
    query: AskedQuery,
    headers: &HeaderMap,
    upgrade: Upgrade,
) -> Result<Response, Problem> {
    let upgrade = upgrade.map_err(|error| Problem::new(error.status(), error.body_text()))?;
    let open = app.sockets.clone().try_read_owned();
    let idle = app.access.limits.time(Limit::Idle);
    let events = start(app, Client::WebSocket, one, query, headers)?;
    let upgrade = upgrade.max_message_size(HEARD_BYTES).max_frame_size(HEARD_BYTES);
    Ok(upgrade.on_upgrade(async move |socket| {
        let _open = open;
        carry(socket, events, idle).await;
    }))
}

/// Sends events until there are no more, or the client is gone: it takes nothing, or answers no ping, for as long as `idle`.
async fn carry(mut socket: WebSocket, mut events: mpsc::Receiver<Arc<Telling>>, idle: Duration) {
    let goodbye = || Message::Close(Some(CloseFrame { code: close_code::AWAY, reason: "the server ends".into() }));
    let (mut silent, mut asked) = (Box::pin(sleep(idle / 2)), false);
    loop {
        let mut beat = pin!(sleep(HEARTBEAT));
        let (messages, last) = loop {
            tokio::select! {
                told = events.recv() => break match told {
                    Some(told) => (told.frames().iter().cloned().map(Message::Text).collect(), false),
                    None => (vec![goodbye()], true),
                },
                // Pings are answered below us, and so is the goodbye.
                heard = socket.recv() => match heard {
                    Some(Ok(_)) => {
                        silent.set(sleep(idle / 2));
                        asked = false;
                    }
                    _ => return,
                },
                () = &mut silent => {
                    if std::mem::replace(&mut asked, true) {
                        return;
                    }
                    silent.set(sleep(idle / 2));
                    break (vec![Message::Ping(Bytes::new())], false);
                }
                () = &mut beat => break (vec![Message::Text(r#"{"type":"hb"}"#.into())], false),
            }
        };
        let sent = async {
            for message in messages {
                socket.feed(message).await?;
            }
            socket.flush().await
        };
        if !matches!(timeout(idle, sent).await, Ok(Ok(()))) || last {
            return;
        }
    }
}
