//! The body of a request, while it comes: bounded in length, and in how long its parts may keep the server waiting.
//!
//! Which bound broke is noted beside it, so that the answer can say so whatever the reader of the body made of it.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use hyper::body::{Frame, SizeHint};
use tokio::time::Sleep;

/// Which bound a body broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Broke {
    Length = 1,
    Time = 2,
}

impl fmt::Display for Broke {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Broke::Length => "the body is too long",
            Broke::Time => "the body does not come in time",
        })
    }
}

impl std::error::Error for Broke {}

/// Where it is noted.
#[derive(Clone, Debug, Default)]
pub(super) struct Note(Arc<AtomicU8>);

impl Note {
    pub(super) fn read(&self) -> Option<Broke> {
        match self.0.load(Ordering::Relaxed) {
            1 => Some(Broke::Length),
            2 => Some(Broke::Time),
            _ => None,
        }
    }
}

/// A body within bounds.
pub(super) struct Bounded {
    inner: Body,
    left: u64,
    patience: Duration,
    /// Set while the next part does not come.
    waiting: Option<Pin<Box<Sleep>>>,
    note: Note,
}

impl Bounded {
    pub(super) fn new(inner: Body, length: u64, patience: Duration, note: Note) -> Bounded {
        Bounded { inner, left: length, patience, waiting: None, note }
    }

    fn broke(&self, broke: Broke) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.note.0.store(broke as u8, Ordering::Relaxed);
        Poll::Ready(Some(Err(axum::Error::new(broke))))
    }
}

impl HttpBody for Bounded {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.inner).poll_frame(context);
        match &polled {
            Poll::Pending => {
                let patience = self.patience;
                let waiting = self.waiting.get_or_insert_with(|| Box::pin(tokio::time::sleep(patience)));
                if waiting.as_mut().poll(context).is_ready() {
                    return self.broke(Broke::Time);
                }
            }
            Poll::Ready(frame) => {
                self.waiting = None;
                let length = match frame {
                    Some(Ok(frame)) => frame.data_ref().map_or(0, |data| data.len() as u64),
                    _ => 0,
                };
                if length > self.left {
                    return self.broke(Broke::Length);
                }
                self.left -= length;
            }
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
