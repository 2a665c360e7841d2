//! A long answer on its way: in pieces, each handed over as the client takes the one before, and counted for the limit
//! `answers` until the last is gone.

use axum::body::{Body, Bytes, HttpBody};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::budget::{Budget, Held};
use super::packed::PIECE;
use super::problem::Problem;

/// Shorter answers are not counted.
const LONG: u64 = 64 << 10;

/// The answer, if there is room for it, or the refusal that there is none.
pub(super) fn held(response: Response, answers: &Budget) -> Response {
    let length = response.body().size_hint().exact().filter(|&length| length >= LONG);
    let Some(length) = length.and_then(|length| usize::try_from(length).ok()) else { return response };
    let Some(held) = answers.take(length) else {
        let detail = "too many long answers are on their way; come back later, or ask for less at once";
        let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail).kind("answers");
        return problem.with(header::RETRY_AFTER, HeaderValue::from_static("1")).into_response();
    };
    response.map(|body| Body::new(Pieces { body, part: Bytes::new(), length: length as u64, held }))
}

struct Pieces {
    body: Body,
    /// What was taken of the body and is not handed over yet.
    part: Bytes,
    length: u64,
    #[allow(dead_code, reason = "it counts as long as it is there")]
    held: Held,
}

impl HttpBody for Pieces {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<hyper::body::Frame<Bytes>, axum::Error>>> {
        use std::task::Poll;
        if self.part.is_empty() {
            match std::task::ready!(std::pin::Pin::new(&mut self.body).poll_frame(context)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => self.part = data,
                    Err(frame) => return Poll::Ready(Some(Ok(frame))),
                },
                end => return Poll::Ready(end),
            }
        }
        let piece = self.part.len().min(PIECE);
        let piece = self.part.split_to(piece);
        self.length -= piece.len() as u64;
        Poll::Ready(Some(Ok(hyper::body::Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.length == 0
    }

    fn size_hint(&self) -> hyper::body::SizeHint {
        hyper::body::SizeHint::with_exact(self.length)
    }
}
