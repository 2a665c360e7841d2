//! How a WebSocket ends: with the code and the reason that a Close has for it, and with everything said that was to be said.
//!
//! A client may send its last frames and the Close in one go. What reads frames answers the Close as soon as it sees it, and
//! after that nothing can be said. So [`Gate`] hands the Close over on the second asking: who reads is told first that there is
//! no more for now, and acknowledges what came before. A client that closes its side instead, behind a whole frame, has said
//! goodbye too: its end becomes a Close.
//!
//! What reads frames keeps the room that its longest message took. So of a long message the gate hands over nothing that is
//! behind it, until it is asked again: meanwhile what reads can be made anew ([`Gate::detach`]), and nothing is lost.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_util::SinkExt;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::error::{CapacityError, ProtocolError};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::CLOSE_GRACE;
use super::keepalive::Keepalive;
use super::paced::Cut;
use super::socket::Socket;

/// The longest reason of a Close, in bytes.
const REASON_BYTES: usize = 123;

/// Why the server ends a connection, as a Close says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CloseReason {
    code: CloseCode,
    reason: String,
}

impl CloseReason {
    /// The server goes, or has waited long enough.
    pub(super) fn away(reason: impl Into<String>) -> CloseReason {
        CloseReason { code: CloseCode::Away, reason: reason.into() }
    }

    /// The client may not go on.
    pub(super) fn token() -> CloseReason {
        CloseReason { code: CloseCode::Policy, reason: "the token is not good any more".to_owned() }
    }

    /// The client gave no sign of life for so long.
    pub(super) fn silent(keepalive: &Keepalive) -> CloseReason {
        let idle = keepalive.idle.as_secs_f64();
        CloseReason::away(format!("nothing was heard for {idle} s, no answer to a ping either"))
    }

    /// What is wrong with what the client sent; `None` if it is gone and cannot be told.
    pub(super) fn of(error: &Error) -> Option<CloseReason> {
        let (code, reason) = match error {
            Error::Capacity(CapacityError::MessageTooLong { size, max_size }) => {
                (CloseCode::Size, format!("a message of {size} bytes; the limit is {max_size}"))
            }
            Error::Capacity(error) => (CloseCode::Size, error.to_string()),
            Error::Utf8(_) => (CloseCode::Invalid, "a text message that is not UTF-8".to_owned()),
            Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => return None,
            Error::Io(error) => match error.get_ref()?.downcast_ref::<Cut>()? {
                Cut("slow_body") => {
                    (CloseCode::Policy, "a message came too slowly; see the limits 'body-time' and 'rate'".to_owned())
                }
                Cut("bodies") => (
                    CloseCode::Again,
                    "too many bodies are on their way; come back, or raise the limit 'bodies'".to_owned(),
                ),
                Cut(_) => return None,
            },
            Error::Protocol(error) => (CloseCode::Protocol, error.to_string()),
            _ => return None,
        };
        Some(CloseReason { code, reason })
    }
}

/// Ends a connection with the reason. What the client still sends is read and let go for a moment: a connection that is
/// closed with bytes unread is reset, and the client might not hear the reason.
pub(super) async fn close(socket: &mut Socket, CloseReason { code, mut reason }: CloseReason) {
    let mut end = reason.len().min(REASON_BYTES);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    reason.truncate(end);
    let goodbye = Message::Close(Some(CloseFrame { code, reason: reason.into() }));
    let goodbye_said = async {
        socket.send(goodbye).await?;
        let stream = socket.get_mut();
        stream.shutdown().await?;
        let mut unheard = vec![0; 16 << 10];
        while stream.read(&mut unheard).await? > 0 {}
        Ok::<(), Error>(())
    };
    // Nobody listens if the client went first.
    let _ = timeout(CLOSE_GRACE, goodbye_said).await;
}

/// Longer messages are told from what is behind them.
const LONG_BYTES: u64 = 64 << 10;

/// A connection's bytes, a Close on the second asking.
pub(super) struct Gate<S> {
    /// Until it is taken.
    stream: Option<S>,
    frames: Frames,
    /// A Close and what is behind it.
    held: Vec<u8>,
    /// Who reads was told that there is nothing more before it.
    asked: bool,
}

impl<S> Gate<S> {
    pub(super) fn new(stream: S) -> Gate<S> {
        Gate { stream: Some(stream), frames: Frames::default(), held: Vec::new(), asked: false }
    }

    /// The gate with its connection, if all that was handed over ends with a long message; it leaves one behind at which nothing comes
    /// and nothing goes.
    pub(super) fn detach(&mut self) -> Option<Gate<S>> {
        let left = || Gate { stream: None, frames: Frames::default(), held: Vec::new(), asked: false };
        self.frames.behind.then(|| std::mem::replace(self, left()))
    }

    fn stream(&mut self) -> io::Result<&mut S> {
        self.stream.as_mut().ok_or_else(|| io::ErrorKind::NotConnected.into())
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Gate<S> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let gate = self.get_mut();
        if gate.held.is_empty() {
            let before = buffer.filled().len();
            let most = gate.frames.most().min(buffer.remaining());
            let mut part = ReadBuf::new(buffer.initialize_unfilled_to(most));
            ready!(Pin::new(gate.stream()?).poll_read(context, &mut part))?;
            let came = part.filled().len();
            buffer.advance(came);
            let came = &buffer.filled()[before..];
            if came.is_empty() && buffer.remaining() > 0 && gate.frames.end() {
                gate.held = GOODBYE.to_vec();
            }
            if gate.held.is_empty() {
                let Some(close) = gate.frames.close(came) else { return Poll::Ready(Ok(())) };
                gate.held = came[close..].to_vec();
                buffer.set_filled(before + close);
                if close > 0 {
                    return Poll::Ready(Ok(()));
                }
            }
        }
        if !std::mem::replace(&mut gate.asked, true) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let some = gate.held.len().min(buffer.remaining());
        buffer.put_slice(&gate.held[..some]);
        gate.held.drain(..some);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Gate<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(self.get_mut().stream()?).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self.get_mut().stream()?).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self.get_mut().stream()?).poll_shutdown(context)
    }
}

/// Where frames begin in a client's bytes.
#[derive(Debug, Default)]
struct Frames {
    head: [u8; 14],
    /// How much of the head has come.
    come: usize,
    /// How much of the frame behind its head is still to come.
    rest: u64,
    /// Bytes of the message so far, all of those of its last frame.
    message: u64,
    /// Whether that is the last of its frames.
    last: bool,
    /// The last byte that came is the last of a long message.
    behind: bool,
    closed: bool,
}

/// A Close without a reason, as clients write it.
const GOODBYE: [u8; 6] = [0x88, 0x80, 0, 0, 0, 0];

impl Frames {
    /// The client's side ends; true if that is behind a whole frame, and no Close came before.
    fn end(&mut self) -> bool {
        self.come == 0 && self.rest == 0 && !std::mem::replace(&mut self.closed, true)
    }

    /// How long the head is that comes, as far as that is known.
    fn head_length(&self) -> usize {
        let extended = match self.head[1] & 0x7f {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        if self.come < 2 { 2 } else { 2 + extended + usize::from(self.head[1] >> 7) * 4 }
    }

    /// How many bytes may be read together: of a long message not beyond its frame.
    fn most(&self) -> usize {
        match self.rest {
            _ if self.message <= LONG_BYTES => usize::MAX,
            0 => self.head_length() - self.come,
            rest => usize::try_from(rest).unwrap_or(usize::MAX),
        }
    }

    /// Where in the bytes the first Close begins.
    fn close(&mut self, bytes: &[u8]) -> Option<usize> {
        const CLOSE: u8 = 8;
        let mut at = 0;
        while at < bytes.len() && !self.closed {
            self.behind = false;
            if self.rest > 0 {
                let some = usize::try_from(self.rest).unwrap_or(usize::MAX).min(bytes.len() - at);
                self.rest -= some as u64;
                at += some;
            } else {
                if self.come == 0 && bytes[at] & 0x0f == CLOSE {
                    self.closed = true;
                    return Some(at);
                }
                self.head[self.come] = bytes[at];
                self.come += 1;
                at += 1;
                if self.come < self.head_length() {
                    continue;
                }
                self.begin();
            }
            if self.rest == 0 && self.last {
                self.behind = self.message > LONG_BYTES;
                (self.message, self.last) = (0, false);
            }
        }
        None
    }

    /// The head has come: the rest of its frame comes.
    fn begin(&mut self) {
        let length = self.head[1] & 0x7f;
        let extended = if length < 126 { &self.head[1..2] } else { &self.head[2..if length == 126 { 4 } else { 10 }] };
        let long = extended.iter().fold(0_u64, |length, byte| length << 8 | u64::from(*byte));
        self.rest = if length < 126 { length.into() } else { long };
        // Control frames stand between those of a message.
        if self.head[0] & 0x08 == 0 {
            self.message = self.message.saturating_add(self.rest);
            self.last = self.head[0] & 0x80 != 0;
        }
        (self.come, self.head) = (0, [0; 14]);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn frame(code: u8, length: usize) -> Vec<u8> {
        let mut frame = vec![0x80 | code];
        match length {
            0..126 => frame.push(0x80 | length as u8),
            126..65_536 => frame.extend([vec![0xfe], (length as u16).to_be_bytes().to_vec()].concat()),
            _ => frame.extend([vec![0xff], (length as u64).to_be_bytes().to_vec()].concat()),
        }
        frame.extend([1, 2, 3, 4]);
        // Bytes that would be a Close if they were taken for a head.
        frame.extend(std::iter::repeat_n(0x88, length));
        frame
    }

    #[test]
    fn a_close_is_found_however_the_bytes_come() {
        let before = [frame(1, 0), frame(2, 125), frame(9, 3), frame(1, 126), frame(1, 70_000)].concat();
        let all = [before.clone(), frame(8, 2), frame(1, 5)].concat();
        for step in [1, 2, 3, 7, 130, 4096, all.len()] {
            let (mut frames, mut found, mut seen) = (Frames::default(), None, 0);
            for piece in all.chunks(step) {
                let close = frames.close(piece);
                assert!(close.is_none() || found.is_none(), "found once");
                found = found.or(close.map(|at| seen + at));
                seen += piece.len();
            }
            assert_eq!(found, Some(before.len()), "in pieces of {step}");
        }
    }

    #[tokio::test]
    async fn a_close_is_handed_over_on_the_second_asking() {
        let bytes = [frame(1, 3), frame(8, 0)].concat();
        let mut gate = Gate::new(bytes.as_slice());
        let mut buffer = [0; 64];
        assert_eq!(gate.read(&mut buffer).await.unwrap(), bytes.len() - 6);
        let mut asks = 0;
        let close = std::future::poll_fn(|context| {
            let mut buffer = ReadBuf::new(&mut buffer);
            asks += 1;
            Pin::new(&mut gate).poll_read(context, &mut buffer).map(|read| read.map(|()| buffer.filled().len()))
        });
        assert_eq!((close.await.unwrap(), asks), (6, 2));
    }

    #[tokio::test]
    async fn nothing_is_handed_over_with_a_long_message_that_is_behind_it() {
        let fragment = |code: u8, length: usize| {
            let mut fragment = frame(code, length);
            fragment[0] &= 0x0f;
            fragment
        };
        let fragments = [fragment(1, 40_000), frame(9, 5), fragment(0, 40_000), frame(10, 0), frame(0, 3)].concat();
        for long in [frame(2, 65_537), frame(1, 300_000), fragments] {
            let (before, after) = ([frame(1, 10), frame(2, 65_536)].concat(), [frame(1, 200), frame(9, 2)].concat());
            let all = [before.clone(), long.clone(), after].concat();
            let mut gate = Gate::new(all.as_slice());
            let (mut read, mut taken, mut buffer) = (Vec::new(), Vec::new(), [0; 8192]);
            while read.len() < all.len() {
                let some = gate.read(&mut buffer).await.unwrap();
                read.extend_from_slice(&buffer[..some]);
                if let Some(new) = gate.detach() {
                    taken.push(read.len());
                    assert!(gate.read(&mut buffer).await.is_err(), "nothing comes where it was");
                    gate = new;
                }
            }
            assert_eq!((read, taken), (all, vec![before.len() + long.len()]));
        }
    }

    #[tokio::test]
    async fn an_end_behind_a_whole_frame_is_a_close() {
        let read = async |bytes: &[u8]| {
            let mut all = Vec::new();
            Gate::new(bytes).read_to_end(&mut all).await.unwrap();
            all
        };
        assert_eq!(read(&frame(1, 3)).await, [&frame(1, 3), &GOODBYE[..]].concat());
        let closed = [frame(1, 3), frame(8, 2)].concat();
        assert_eq!(read(&closed).await, closed, "once");
        assert_eq!(read(&frame(1, 3)[..5]).await, frame(1, 3)[..5]);
    }

    #[test]
    fn errors_have_their_codes() {
        let code = |error: &Error| CloseReason::of(error).map(|close| u16::from(close.code));
        assert_eq!(code(&Error::Capacity(CapacityError::MessageTooLong { size: 5, max_size: 4 })), Some(1009));
        assert_eq!(code(&Error::Utf8(String::new())), Some(1007));
        assert_eq!(code(&Error::Protocol(ProtocolError::UnmaskedFrameFromClient)), Some(1002));
        assert_eq!(code(&Error::Io(Cut("slow_body").into())), Some(1008));
        assert_eq!(code(&Error::Io(Cut("bodies").into())), Some(1013));
        assert_eq!(code(&Error::Io(Cut("slow_reader").into())), None);
        assert_eq!(code(&Error::Io(io::ErrorKind::TimedOut.into())), None);
        assert_eq!(code(&Error::ConnectionClosed), None);
        assert_eq!(code(&Error::Protocol(ProtocolError::ResetWithoutClosingHandshake)), None);
    }
}
