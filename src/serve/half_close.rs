//! Clients that have closed their side of a connection. Such a one may be gone, or may have said all and still read
//! (`nc -N`): it gets its answer either way. A stream has no end, so it is written to at once, and again until an answer
//! would have come: if the client is gone its system says so, and the stream ends.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio_rustls::server::TlsStream;

/// How long after one another it is written to: systems that are near answer at once.
const AGAIN_MS: [u64; 4] = [20, 200, 1_000, 4_000];

/// Of one connection; looks for nothing until it is watched.
#[derive(Debug, Default)]
pub(super) struct HalfClose {
    watched: AtomicBool,
    seen: Notify,
    probed: AtomicUsize,
}

impl HalfClose {
    /// A stream goes out from now on.
    pub(super) fn watch(&self) {
        self.watched.store(true, Ordering::Relaxed);
    }

    /// Looks whether the client has closed its side, or said more than it was to say.
    pub(super) fn look(&self, client: &mut impl Client, context: &mut Context<'_>) {
        if self.watched.load(Ordering::Relaxed) && client.poll_more(context).is_ready() {
            self.watched.store(false, Ordering::Relaxed);
            self.seen.notify_one();
        }
    }

    /// Waits for the time to write something that nobody waits for.
    pub(super) async fn probe(&self) {
        match self.probed.load(Ordering::Relaxed) {
            0 => self.seen.notified().await,
            probed => match AGAIN_MS.get(probed - 1) {
                Some(pause) => tokio::time::sleep(Duration::from_millis(*pause)).await,
                None => std::future::pending().await,
            },
        }
        self.probed.fetch_add(1, Ordering::Relaxed);
    }
}

/// What bytes of a client come over.
pub(super) trait Client: AsyncRead + AsyncWrite + Unpin + Send + 'static {
    /// Ready if there is something to read, be it the end; nothing of it is read.
    fn poll_more(&mut self, context: &mut Context<'_>) -> Poll<()>;

    /// Ready if it may take something now; nothing is written.
    fn poll_room(&mut self, context: &mut Context<'_>) -> Poll<()>;
}

impl Client for TcpStream {
    fn poll_more(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let mut byte = [0];
        Pin::new(self).poll_peek(context, &mut ReadBuf::new(&mut byte)).map(drop)
    }

    fn poll_room(&mut self, context: &mut Context<'_>) -> Poll<()> {
        // Whoever writes next meets the error.
        self.poll_write_ready(context).map(drop)
    }
}

impl Client for TlsStream<TcpStream> {
    fn poll_more(&mut self, context: &mut Context<'_>) -> Poll<()> {
        self.get_mut().0.poll_more(context)
    }

    fn poll_room(&mut self, context: &mut Context<'_>) -> Poll<()> {
        self.get_mut().0.poll_room(context)
    }
}
