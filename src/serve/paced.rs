//! A connection whose client has to take what it asked for: one that takes nothing for `idle`, or less than `rate` from then
//! on, is cut off, whatever it is sent (a page, a stream, frames of a WebSocket).
//!
//! Time counts from when the client's side is full until all that was to be sent is gone. A client that takes all there is,
//! however seldom there is something, is never cut off here.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Sleep;

use super::half_close::{Client, HalfClose};
use super::inflow::Inflow;
use super::limits::{Limit, Limits};
use super::traffic::{Here, Traffic};
use super::turns::{Turn, Turns};
use highwater_core::time::Clock;

/// How fast a client is to be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    patience: Duration,
    bytes_per_second: u64,
}

impl Pace {
    /// Of a body that comes.
    pub(super) fn of_bodies(limits: &Limits) -> Pace {
        Pace { patience: limits.time(Limit::BodyTime), bytes_per_second: limits.get(Limit::Rate) }
    }

    /// Of an answer that goes.
    pub(super) fn of_answers(limits: &Limits) -> Pace {
        Pace { patience: limits.time(Limit::Idle), bytes_per_second: limits.get(Limit::Rate) }
    }

    /// How long so many bytes take at the least rate.
    pub(super) fn at_least(self, bytes: u64) -> Duration {
        Duration::from_secs_f64(bytes as f64 / self.bytes_per_second as f64)
    }

    /// How long so many bytes may take.
    fn allows(self, bytes: u64) -> Duration {
        self.patience.saturating_add(self.at_least(bytes))
    }

    /// Whether so many bytes took too long.
    pub(super) fn missed(self, bytes: u64, took: Duration) -> bool {
        took >= self.allows(bytes)
    }
}

/// Bytes that come or go while somebody waits for them, and how long that may take.
#[derive(Debug)]
pub(super) struct Wait {
    since: Clock,
    bytes: u64,
    alarm: Pin<Box<Sleep>>,
}

impl Wait {
    pub(super) fn begin(pace: Pace) -> Wait {
        Wait { since: Clock::start(), bytes: 0, alarm: Box::pin(tokio::time::sleep(pace.patience)) }
    }

    pub(super) fn passed(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
    }

    /// Ready once they took too long; whoever polls is woken for that.
    pub(super) fn poll_missed(&mut self, pace: Pace, context: &mut Context<'_>) -> Poll<()> {
        while self.alarm.as_mut().poll(context).is_ready() {
            let took = self.since.elapsed();
            if pace.missed(self.bytes, took) {
                return Poll::Ready(());
            }
            let left = pace.allows(self.bytes).saturating_sub(took);
            self.alarm = Box::pin(tokio::time::sleep(left));
        }
        Poll::Pending
    }
}

/// Why a connection was cut off, in the error that its reader meets.
#[derive(Debug)]
pub(super) struct Cut(pub(super) &'static str);

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cut off: {}", self.0)
    }
}

impl std::error::Error for Cut {}

impl From<Cut> for io::Error {
    fn from(cut: Cut) -> io::Error {
        io::Error::new(io::ErrorKind::TimedOut, cut)
    }
}

/// One of the places for connections.
pub(super) type Admission = (OwnedSemaphorePermit, Here);

/// See the module.
pub(super) struct Paced<S> {
    inner: S,
    pace: Pace,
    peer: SocketAddr,
    traffic: Arc<Traffic>,
    pub(super) inflow: Arc<Inflow>,
    pub(super) half_close: Arc<HalfClose>,
    /// Whether anything came since this was last made false.
    pub(super) heard: Arc<AtomicBool>,
    turn: Turn,
    /// As long as the connection is there, whatever becomes of it.
    _admission: Admission,
    /// While the client's side is full.
    wait: Option<Wait>,
}

impl<S> Paced<S> {
    pub(super) fn new(
        inner: S,
        limits: &Limits,
        (peer, admission): (SocketAddr, Admission),
        (traffic, turns): (&Arc<Traffic>, &Turns),
    ) -> Paced<S> {
        Paced {
            inner,
            pace: Pace::of_answers(limits),
            peer,
            traffic: traffic.clone(),
            inflow: Arc::default(),
            half_close: Arc::default(),
            heard: Arc::default(),
            turn: turns.join(),
            _admission: admission,
            wait: None,
        }
    }

    /// The client takes nothing now, and whoever polls is woken when it does.
    fn full(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.turn.leave();
        self.written(context, Poll::Pending)
    }

    fn written(&mut self, context: &mut Context<'_>, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match written {
            Poll::Pending => {
                let pace = self.pace;
                let wait = self.wait.get_or_insert_with(|| Wait::begin(pace));
                if wait.poll_missed(pace, context).is_pending() {
                    return Poll::Pending;
                }
                self.traffic.refuse("slow_reader", &self.peer);
                Poll::Ready(Err(Cut("slow_reader").into()))
            }
            written => {
                if let (Poll::Ready(Ok(bytes)), Some(wait)) = (&written, &mut self.wait) {
                    wait.passed(*bytes);
                }
                written
            }
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Paced<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.inner).poll_read(context, buffer);
        let came = buffer.filled().len() - before;
        if came > 0 {
            self.heard.store(true, Ordering::Relaxed);
        }
        if let Err(kind) = self.inflow.came(came) {
            self.traffic.refuse(kind, &self.peer);
            return Poll::Ready(Err(Cut(kind).into()));
        }
        read
    }
}

impl<S: Client> AsyncWrite for Paced<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.inner.poll_room(context).is_pending() {
            return self.full(context);
        }
        let permit = ready!(self.turn.poll(bytes.len(), context));
        let written = Pin::new(&mut self.inner).poll_write(context, bytes);
        self.turn.over(permit);
        self.written(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.inner.poll_room(context).is_pending() {
            return self.full(context);
        }
        let permit = ready!(self.turn.poll(parts.iter().map(|part| part.len()).sum(), context));
        let written = Pin::new(&mut self.inner).poll_write_vectored(context, parts);
        self.turn.over(permit);
        self.written(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Paced { half_close, inner, .. } = &mut *self;
        half_close.look(inner, context);
        let flushed = Pin::new(&mut self.inner).poll_flush(context);
        if let Poll::Ready(Ok(())) = &flushed {
            self.wait = None;
        }
        // TLS writes what it holds only now.
        let written = self.written(context, flushed.map_ok(|()| 0));
        written.map_ok(drop)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::future::poll_fn;
    use std::sync::atomic::AtomicUsize;
    use std::task::Waker;

    use tokio::net::{TcpListener, TcpStream};
    use tokio::sync::Semaphore;

    use super::*;
    use crate::serve::packed::PIECE;
    use highwater_core::metrics::Metrics;

    #[tokio::test]
    async fn those_that_take_nothing_do_not_hand_the_turn_to_each_other() {
        let traffic = Arc::new(Traffic::new(Arc::new(Metrics::new())));
        let (limits, turns, polls) = (Limits::default(), Turns::new(), Arc::new(AtomicUsize::new(0)));
        let (listener, room) = (TcpListener::bind("127.0.0.1:0").await.unwrap(), Arc::new(Semaphore::new(3)));
        // All of them have to queue at first.
        let held = turns.join().poll(PIECE, &mut Context::from_waker(Waker::noop()));
        let mut clients = Vec::new();
        for _ in 0..3 {
            clients.push(TcpStream::connect(listener.local_addr().unwrap()).await.unwrap());
            let (stream, peer) = listener.accept().await.unwrap();
            let admission = (room.clone().acquire_owned().await.unwrap(), traffic.connection());
            let mut paced = Paced::new(stream, &limits, (peer, admission), (&traffic, &turns));
            let (polls, piece) = (polls.clone(), vec![0; PIECE]);
            tokio::spawn(poll_fn(move |context| {
                polls.fetch_add(1, Ordering::Relaxed);
                // What writes may try again at once, as hyper does.
                for _ in 0..2 {
                    while let Poll::Ready(written) = Pin::new(&mut paced).poll_write(context, &piece) {
                        assert!(written.unwrap() > 0);
                    }
                }
                Poll::<()>::Pending
            }));
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(polls.load(Ordering::Relaxed), 3, "all wait for the turn");
        drop(held);
        let mut before = 0;
        // Until what the kernel holds for them is full.
        for _ in 0..100 {
            tokio::time::sleep(Duration::from_millis(50)).await;
            let now = polls.load(Ordering::Relaxed);
            if now > 3 && now == before {
                return;
            }
            before = now;
        }
        panic!("{before} polls, and no end");
    }
}
