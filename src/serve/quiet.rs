//! Connections whose clients are to say something: those that have asked for nothing yet, and those that are kept for another
//! request. When there is no place left, one of them makes room, so that opening connections and saying nothing, or little, shuts
//! nobody out: first those that have shown no token, and of these the one that has been silent longest.

use std::cmp::Reverse;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::http::StatusCode;
use axum::response::Response;
use hyper::body::{Frame, SizeHint};
use tokio::sync::Notify;

use highwater_core::time::Clock;

/// Nobody has to speak sooner.
const LEAVE: Duration = Duration::from_secs(1);

/// In the extensions of an answer: the client has shown a token that is good.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known;

/// One connection.
#[derive(Debug)]
pub(super) struct Quiet {
    state: Mutex<State>,
    cut: Notify,
}

#[derive(Debug)]
struct State {
    /// Since when nothing is answered, or the connection is there.
    since: Clock,
    /// Something is being answered, or the connection is no longer one of requests, or it is to go.
    busy: bool,
    spoke: bool,
    known: bool,
}

impl Quiet {
    /// It asks for something, which is being answered until what is returned is dropped.
    pub(super) fn speaks(self: &Arc<Quiet>) -> Busy {
        self.change(|state| (state.busy, state.spoke) = (true, true));
        Busy { quiet: self.clone(), stays: false }
    }

    /// Whether it has asked for anything.
    pub(super) fn spoke(&self) -> bool {
        self.change(|state| state.spoke)
    }

    /// Ready when it is to go.
    pub(super) async fn cut(&self) {
        self.cut.notified().await;
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether a token was shown, and for how long it has been silent, if so long that it may go.
    fn silent(&self) -> Option<(bool, Reverse<Duration>)> {
        self.change(|state| {
            let silent = state.since.elapsed();
            (!state.busy && silent >= LEAVE).then_some((state.known, Reverse(silent)))
        })
    }
}

/// Something is being answered.
#[derive(Debug)]
pub(super) struct Busy {
    quiet: Arc<Quiet>,
    /// No request will follow.
    stays: bool,
}

impl Drop for Busy {
    fn drop(&mut self) {
        if !self.stays {
            self.quiet.change(|state| (state.busy, state.since) = (false, Clock::start()));
        }
    }
}

impl Busy {
    /// Until the last of the answer is handed over.
    pub(super) fn answers(mut self, response: Response) -> Response {
        if response.extensions().get::<Known>().is_some() {
            self.quiet.change(|state| state.known = true);
        }
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            self.stays = true;
            return response;
        }
        response.map(|body| Body::new(Answering { body, _busy: self }))
    }
}

/// The body of an answer.
struct Answering {
    body: Body,
    _busy: Busy,
}

impl HttpBody for Answering {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Those that are open.
#[derive(Debug, Default)]
pub(super) struct Quieter(Vec<Weak<Quiet>>);

impl Quieter {
    /// A connection comes.
    pub(super) fn comes(&mut self) -> Arc<Quiet> {
        if self.0.len() == self.0.capacity() {
            self.0.retain(|quiet| quiet.strong_count() > 0);
        }
        let state = State { since: Clock::start(), busy: false, spoke: false, known: false };
        let quiet = Arc::new(Quiet { state: Mutex::new(state), cut: Notify::new() });
        self.0.push(Arc::downgrade(&quiet));
        quiet
    }

    /// One of them is to go, if one may; whether it has ever asked for something.
    pub(super) fn make_room(&mut self) -> Option<bool> {
        let open = self.0.iter().filter_map(Weak::upgrade);
        let silent = open.filter_map(|quiet| quiet.silent().map(|silent| (silent, quiet)));
        let (_, first) = silent.min_by_key(|(silent, _)| *silent)?;
        first.change(|state| state.busy = true);
        first.cut.notify_one();
        Some(first.spoke())
    }
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse;

    use super::*;

    #[test]
    fn those_without_a_token_that_are_silent_longest_go_first() {
        let mut all = Quieter::default();
        let [known, idle, busy, silent, upgraded] = std::array::from_fn(|_| all.comes());
        let answer = |quiet: &Arc<Quiet>, mut response: Response, known: bool| {
            if known {
                response.extensions_mut().insert(Known);
            }
            drop(quiet.speaks().answers(response));
        };
        answer(&known, "x".into_response(), true);
        answer(&idle, "x".into_response(), false);
        answer(&upgraded, StatusCode::SWITCHING_PROTOCOLS.into_response(), false);
        let answered = busy.speaks().answers("x".into_response());
        assert_eq!(all.make_room(), None, "nobody is silent for long enough");
        std::thread::sleep(LEAVE);
        assert_eq!(all.make_room(), Some(false), "the one that has asked for nothing");
        assert_eq!([all.make_room(), all.make_room(), all.make_room()], [Some(true), Some(true), None]);
        let cut = [&silent, &idle, &known].map(|quiet| quiet.change(|state| state.busy));
        assert_eq!(cut, [true; 3]);
        drop(answered);
        assert_eq!(all.make_room(), None, "it has just been answered");
    }
}
