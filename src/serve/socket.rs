//! The server's side of a WebSocket on which text goes out in fragments: a long message is written as its reader takes it, and
//! no more of it than [`WRITE_MAX`] bytes waits for one reader, its pongs too.

use axum::body::Bytes;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_util::SinkExt;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};

use super::close::Gate;
use super::packed::PIECE;
use super::problem::Problem;

/// Bytes that go out together.
const WRITE_AT: usize = PIECE;
/// Bytes that may wait for a reader of events; one that lets more come together is cut off.
pub(super) const WRITE_MAX: usize = 4 * PIECE;
/// Bytes of a key that asks for one.
const KEY_BYTES: usize = 16;
/// Bytes that are read together: clients say little.
const READ_AT: usize = 8 << 10;

/// An open one.
pub(super) type Socket = WebSocketStream<Gate<TokioIo<Upgraded>>>;

/// A request that asks for one.
pub(super) struct Upgrade {
    on: OnUpgrade,
    accept: HeaderValue,
}

impl<S: Sync> FromRequestParts<S> for Upgrade {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Upgrade, Problem> {
        let headers = &parts.headers;
        let wrong = |what: &str| Problem::bad_request(format!("{what}: this is a WebSocket, open it as one"));
        if parts.method != Method::GET {
            return Err(Problem::new(StatusCode::METHOD_NOT_ALLOWED, "a WebSocket is opened by GET"));
        }
        if !names(headers, &header::CONNECTION, "upgrade") || !names(headers, &header::UPGRADE, "websocket") {
            return Err(wrong("there is no 'Connection: upgrade' and 'Upgrade: websocket'"));
        }
        if !names(headers, &header::SEC_WEBSOCKET_VERSION, "13") {
            let problem = wrong("'Sec-WebSocket-Version' is not 13");
            return Err(problem.with(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13")));
        }
        let key = headers.get(header::SEC_WEBSOCKET_KEY).ok_or_else(|| wrong("there is no 'Sec-WebSocket-Key'"))?;
        if !STANDARD.decode(key.as_bytes()).is_ok_and(|key| key.len() == KEY_BYTES) {
            return Err(wrong("'Sec-WebSocket-Key' is no key"));
        }
        let accept = HeaderValue::from_str(&derive_accept_key(key.as_bytes()));
        let accept = accept.map_err(|_| wrong("'Sec-WebSocket-Key' is no key"))?;
        let on = parts.extensions.remove::<OnUpgrade>();
        Ok(Upgrade { on: on.ok_or_else(|| wrong("the connection cannot become one"))?, accept })
    }
}

/// Gives back the room that a long message took, if it was the last that came and all that was said has gone out.
pub(super) async fn renew(socket: &mut Socket) {
    let config = *socket.get_config();
    if let Some(gate) = socket.get_mut().detach() {
        *socket = WebSocketStream::from_raw_socket(gate, Role::Server, Some(config)).await;
    }
}

/// Hands a message over, to go out with the next flush or before. Pongs may have taken the room since there was some: then
/// what waits goes out first.
pub(super) async fn feed(socket: &mut Socket, message: Message) -> Result<(), Error> {
    match socket.feed(message).await {
        Err(Error::WriteBufferFull(message)) => {
            socket.flush().await?;
            socket.start_send_unpin(*message)
        }
        done => done,
    }
}

/// Whether a header names it, among others.
fn names(headers: &HeaderMap, header: &HeaderName, name: &str) -> bool {
    let all = headers.get_all(header).iter().filter_map(|value| value.to_str().ok());
    all.flat_map(|value| value.split(',')).any(|part| part.trim().eq_ignore_ascii_case(name))
}

impl Upgrade {
    /// Answers yes, and runs `then` with the socket once the client has heard it. Longer messages of the client than
    /// `heard` bytes end it, and so does a client that lets more than `waits` bytes wait.
    pub(super) fn open<F>(self, heard: usize, waits: usize, then: impl FnOnce(Socket) -> F + Send + 'static) -> Response
    where
        F: Future<Output = ()> + Send,
    {
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_AT)
            .write_buffer_size(WRITE_AT)
            .max_write_buffer_size(waits)
            .max_message_size(Some(heard))
            .max_frame_size(Some(heard));
        let Upgrade { on, accept } = self;
        tokio::spawn(async move {
            match on.await {
                Ok(upgraded) => {
                    let io = Gate::new(TokioIo::new(upgraded));
                    then(WebSocketStream::from_raw_socket(io, Role::Server, Some(config)).await).await;
                }
                Err(error) => tracing::debug!("no WebSocket came about: {error}"),
            }
        });
        let head = [
            (header::CONNECTION, HeaderValue::from_static("upgrade")),
            (header::UPGRADE, HeaderValue::from_static("websocket")),
            (header::SEC_WEBSOCKET_ACCEPT, accept),
        ];
        (StatusCode::SWITCHING_PROTOCOLS, head).into_response()
    }
}

/// A part of a text message.
#[derive(Clone, Debug)]
pub(super) struct Fragment {
    /// It begins the message.
    pub(super) first: bool,
    /// It ends it.
    pub(super) last: bool,
    pub(super) text: Bytes,
}

impl From<Fragment> for Message {
    fn from(Fragment { first, last, text }: Fragment) -> Message {
        let code = if first { Data::Text } else { Data::Continue };
        Message::Frame(Frame::message(text, OpCode::Data(code), last))
    }
}
