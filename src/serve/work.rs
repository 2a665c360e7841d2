//! What a body becomes while it is at work: its text unpacked, its rows in columns, what is wrong with some. It counts for the limit
//! `bodies`, as the bytes do that came, until the rows are handed on.

use axum::http::{HeaderValue, StatusCode, header};

use super::budget::{Budget, Held};
use super::problem::Problem;

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
        if let Some(never) = self.never() {
            return Problem::new(StatusCode::PAYLOAD_TOO_LARGE, format!("nothing was taken: {never}")).kind("bodies");
        }
        let detail = "too many bodies are being decoded; nothing was taken, send it again later";
        let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail).kind("bodies");
        problem.with(header::RETRY_AFTER, HeaderValue::from_static("1"))
    }
}
