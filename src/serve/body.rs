//! The body of a request, while it comes: bounded in length, in how slowly it may come, and in how much all bodies hold together.
//!
//! Which bound broke is noted beside it, so that the answer can say so whatever the reader of the body made of it.

use std::fmt;
use std::pin::Pin;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::rejection::BytesRejection;
use hyper::body::{Frame, SizeHint};

use super::budget::{Budget, Held};
use super::paced::{Pace, Wait};
use super::problem::Problem;

/// Which bound a body broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Broke {
    Length = 1,
    Time = 2,
    Room = 3,
}

impl fmt::Display for Broke {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Broke::Length => "the body is too long",
            Broke::Time => "the body does not come in time",
            Broke::Room => "there is no room for the body",
        })
    }
}

impl std::error::Error for Broke {}

/// Where it is noted; what the body holds counts as long as this is there.
#[derive(Clone, Debug)]
pub(super) struct Note(Arc<Noted>);

#[derive(Debug)]
struct Noted {
    broke: AtomicU8,
    held: Mutex<Held>,
}

impl Note {
    pub(super) fn new(bodies: &Budget) -> Note {
        Note(Arc::new(Noted { broke: AtomicU8::new(0), held: Mutex::new(bodies.none()) }))
    }

    pub(super) fn read(&self) -> Option<Broke> {
        match self.0.broke.load(Ordering::Relaxed) {
            1 => Some(Broke::Length),
            2 => Some(Broke::Time),
            3 => Some(Broke::Room),
            _ => None,
        }
    }

    fn hold(&self, bytes: usize) -> bool {
        self.0.held.lock().unwrap_or_else(PoisonError::into_inner).grow(bytes)
    }
}

/// All of a body; or that it did not come so. Which bound it broke, if that is why, its note says.
pub(super) fn whole(body: Result<Bytes, BytesRejection>) -> Result<Bytes, Problem> {
    body.map_err(|error| {
        let detail = "the body breaks off, or is not cut into chunks as HTTP has it: nothing was taken";
        Problem::new(error.status(), detail)
    })
}

/// A body within bounds.
pub(super) struct Bounded {
    inner: Body,
    left: u64,
    pace: Pace,
    /// Since the first part was asked for.
    wait: Option<Wait>,
    note: Note,
}

impl Bounded {
    pub(super) fn new(inner: Body, length: u64, pace: Pace, note: Note) -> Bounded {
        Bounded { inner, left: length, pace, wait: None, note }
    }

    fn broke(&self, broke: Broke) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.note.0.broke.store(broke as u8, Ordering::Relaxed);
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
        let pace = self.pace;
        match &polled {
            Poll::Pending => {
                let wait = self.wait.get_or_insert_with(|| Wait::begin(pace));
                if wait.poll_missed(pace, context).is_ready() {
                    return self.broke(Broke::Time);
                }
            }
            Poll::Ready(frame) => {
                let length = match frame {
                    Some(Ok(frame)) => frame.data_ref().map_or(0, Bytes::len),
                    _ => 0,
                };
                if length as u64 > self.left {
                    return self.broke(Broke::Length);
                }
                if !self.note.hold(length) {
                    return self.broke(Broke::Room);
                }
                self.left -= length as u64;
                if let Some(wait) = &mut self.wait {
                    wait.passed(length);
                }
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
