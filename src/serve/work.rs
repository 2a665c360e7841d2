//! What a body becomes while it is at work: its text unpacked, its rows in columns, what is wrong with some. It counts for the limit
//! `bodies`, as the bytes do that came, until the rows are handed on. A body for which there is no room beside others is decoded
//! alone, in its turn; it is refused if it never fits, or has waited for as long as bodies may take.

use axum::http::{HeaderValue, StatusCode, header};
use tokio::time::timeout;

use super::App;
use super::budget::{Budget, Held};
use super::limits::Limit;
use super::problem::Problem;

/// How refusals for want of room are counted.
const KIND: &str = "bodies";

/// Whether a body found no room beside others: it may have it alone.
pub(super) fn crowded<T>(done: &Result<T, Problem>) -> bool {
    done.as_ref().is_err_and(|problem| problem.is(StatusCode::SERVICE_UNAVAILABLE, KIND))
}

/// Decodes a body off the threads that serve everybody, in its turn.
pub(super) async fn in_turn<T>(app: &App, decode: impl FnMut() -> Result<T, Problem>) -> Result<T, Problem> {
    let decoded = app.lanes.decoding.in_turn(decode, crowded);
    timeout(app.access.limits.time(Limit::BodyTime), decoded).await.unwrap_or_else(|_| Err(too_many()))
}

fn too_many() -> Problem {
    let detail = "too many bodies are being decoded; nothing was taken, send it again later";
    let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail).kind(KIND);
    problem.with(header::RETRY_AFTER, HeaderValue::from_static("1"))
}

/// Of one body.
#[derive(Debug)]
pub(super) struct Work {
    held: Held,
    /// It asked for more than there will ever be.
    never: bool,
}

impl Work {
    /// Nothing yet.
    pub(super) fn new(bodies: &Budget) -> Work {
        Work { held: bodies.work(), never: false }
    }

    /// Whether there is room for so many bytes more, which then are held.
    pub(super) fn room(&mut self, bytes: usize) -> bool {
        self.never |= self.held.never(bytes);
        self.held.grow(bytes)
    }

    /// So many bytes are not needed any more.
    pub(super) fn shrink(&mut self, bytes: usize) {
        self.held.shrink(bytes);
    }

    /// Why there was no room, if there never will be.
    pub(super) fn never(&self) -> Option<&'static str> {
        self.never.then_some(
            "unpacked and decoded it takes more memory than three quarters of the limit 'bodies': send less at a time, or raise \
             the limit",
        )
    }

    /// The refusal of a body for which there was no room.
    pub(super) fn refused(&self) -> Problem {
        match self.never() {
            Some(never) => {
                Problem::new(StatusCode::PAYLOAD_TOO_LARGE, format!("nothing was taken: {never}")).kind(KIND)
            }
            None => too_many(),
        }
    }
}
