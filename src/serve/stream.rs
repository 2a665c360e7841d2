//! `GET /api/v1/views/{view}/stream`, `/api/v1/stream?views=a,b`: views as server-sent events; [`super::stream_ws`] carries
//! the same over WebSockets.
//!
//! A reader gets a `snapshot` of each view, then per epoch the `delta` of each view that changed, then `progress`: all of
//! this is told. Several views go forward together, as far as the slowest (`align=false`: each for itself, with its own
//! `progress`). `emit=final` leaves out what is open, `snapshot=false` begins with the changes from now on, `every=100ms`
//! tells at most so often. `with=stats,sources,dataflow,health,history` adds the answers of those calls (of the history the newest
//! point), each as an event of its name, now and every second: one connection is enough for a page. `Last-Event-ID` takes up where a connection broke; if the
//! changes since are gone, `reset` and new snapshots follow. When the server ends, what is shown by then is told first.
//!
//! A reader that does not keep up holds nothing back: it is told the changes of many epochs merged into one. Cost per
//! reader: one task; snapshots and events are encoded once for all readers that are at one place ([`super::snapshots`],
//! [`super::event_batch`]), and each is sent piece by piece as its reader takes them.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Extension, Path, Query, RawQuery, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Deserialize;
use tokio::sync::{OwnedSemaphorePermit, mpsc, watch};

use super::access::Pass;
use super::asked;
use super::event_batch::{EventBatch, Next, ReaderState};
use super::half_close::HalfClose;
use super::json::{NUMBERS, numbers};
use super::problem::Problem;
use super::route::{self, Answer, Parameter, Route, query};
use super::stream_event::Event;
use super::traffic::{Client, Here};
use super::views::{find, find_all};
use super::{App, CLOSE_GRACE, Shared};
use super::{extras, stream_event, stream_id};
use highwater_core::format::Numbers;
use highwater_core::time::{Clock, Epoch, parse_duration_ms};

/// After how long without an event a comment shows that the connection lives.
pub(super) const HEARTBEAT: Duration = Duration::from_secs(15);
/// How many pieces a reader is handed before others have their turn: those who take as fast as they are sent to would hold up
/// everybody else.
pub(super) const TURN: usize = 4;
/// How many batches may wait for a slow reader.
const WAITING: usize = 1;
/// More epochs than this at once are merged.
const MERGE_OVER: usize = 64;
/// `every` is at most this long.
const EVERY_MAX_MS: i64 = 60_000;

/// How often what `with` names is told.
const EXTRA_EVERY: Duration = Duration::from_secs(1);

/// The streams of views.
pub(super) const ROUTES: &[Route] = &[
    Route::get("/api/v1/views/{view}/stream", "The changes of a view, as server-sent events", || get(one))
        .takes(OF_ONE)
        .answers(&[Answer::text("text/event-stream")]),
    Route::get("/api/v1/stream", "The changes of several views, epoch by epoch", || get(many))
        .takes(OF_MANY)
        .answers(&[Answer::text("text/event-stream")]),
];

/// What a stream of one view can be asked.
pub(super) const OF_ONE: &[Parameter] = &[EMIT, SNAPSHOT, EVERY, NUMBERS, WITH, AFTER, LAST_ID];
/// What a stream of several can.
pub(super) const OF_MANY: &[Parameter] = &[VIEWS, EMIT, SNAPSHOT, ALIGN, EVERY, NUMBERS, WITH, AFTER, LAST_ID];

const VIEWS: Parameter = query("views", "string", "Their names, with commas between; all if not given");
const EMIT: Parameter = query("emit", "string", "`changes` (default) or `final`: leave out what is open");
const SNAPSHOT: Parameter = query("snapshot", "boolean", "`false`: begin with the changes from now on");
const ALIGN: Parameter = query("align", "boolean", "`false`: each view goes forward by itself");
const EVERY: Parameter = query("every", "string", "A duration: tell at most so often");
const WITH: Parameter = query(
    "with",
    "string",
    "Names of `stats`, `sources`, `dataflow`, `health`, `history`: their answers too, every second",
);
const AFTER: Parameter = query("last_event_id", "string", "As the header, for clients that cannot set one");
const LAST_ID: Parameter = route::header("Last-Event-ID", "Take up after this event");

/// What is known of the client's side of the connection, in the extensions of a request.
pub(super) type Side = Extension<Arc<HalfClose>>;

/// What another task tells, as server-sent events with heartbeats between them.
pub(super) fn events(batches: mpsc::Receiver<Arc<EventBatch>>, Extension(half_close): Side) -> Response {
    half_close.watch();
    // What a reader takes, and how far it is with it.
    type Taking = (mpsc::Receiver<Arc<EventBatch>>, Option<(Arc<EventBatch>, usize)>, Arc<HalfClose>);
    let next = |(mut batches, mut taking, half_close): Taking| async move {
        let bytes = loop {
            if let Some((batch, at)) = &mut taking
                && let Some(part) = batch.sent(*at)
            {
                *at += 1;
                if at.is_multiple_of(TURN) {
                    tokio::task::yield_now().await;
                }
                break part;
            }
            taking = tokio::select! {
                next = batches.recv() => Some((next?, 0)),
                () = half_close.probe() => break Bytes::from_static(b": hb\n\n"),
                () = tokio::time::sleep(HEARTBEAT) => break Bytes::from_static(b": hb\n\n"),
            };
        };
        Some((Ok::<_, Infallible>(bytes), (batches, taking, half_close)))
    };
    // A proxy (nginx) that held events back until its buffer is full would not be told of them.
    let unbuffered = (HeaderName::from_static("x-accel-buffering"), "no");
    let head = [(header::CONTENT_TYPE, "text/event-stream"), (header::CACHE_CONTROL, "no-cache"), unbuffered];
    (head, Body::from_stream(futures_util::stream::unfold((batches, None, half_close), next))).into_response()
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Asked {
    views: Option<String>,
    emit: Option<String>,
    snapshot: Option<bool>,
    align: Option<bool>,
    every: Option<String>,
    numbers: Option<String>,
    with: Option<String>,
    last_event_id: Option<String>,
}

/// What is asked, and how it is written.
pub(super) type AskedQuery = (Result<Query<Asked>, QueryRejection>, RawQuery);

async fn one(
    State(app): State<App>,
    Path(name): Path<String>,
    query: AskedQuery,
    (side, Extension(pass)): (Side, Extension<Pass>),
    headers: HeaderMap,
) -> Result<Response, Problem> {
    start(app, Client::Sse, Some(&name), query, &headers, pass).map(|batches| events(batches, side))
}

async fn many(
    State(app): State<App>,
    query: AskedQuery,
    (side, Extension(pass)): (Side, Extension<Pass>),
    headers: HeaderMap,
) -> Result<Response, Problem> {
    start(app, Client::Sse, None, query, &headers, pass).map(|batches| events(batches, side))
}

/// Starts to tell a reader of one view, or of those that the query names.
pub(super) fn start(
    app: App,
    kind: Client,
    one: Option<&str>,
    (query, RawQuery(written)): AskedQuery,
    headers: &HeaderMap,
    pass: Pass,
) -> Result<mpsc::Receiver<Arc<EventBatch>>, Problem> {
    let Query(asked) = query.map_err(|error| asked::refused(&error))?;
    let views = match (one, asked.views.as_deref()) {
        (Some(_), Some(_)) => return Err(Problem::bad_request("views: the path names the view")),
        (Some(name), None) => vec![find(&app, name)?.clone()],
        (None, _) => find_all(&app, written.as_deref())?,
    };
    let only_final = match asked.emit.as_deref() {
        None | Some("changes") => false,
        Some("final") => true,
        Some(other) => return Err(Problem::bad_request(format!("emit={other}: write changes or final"))),
    };
    let every = match asked.every.as_deref().map(parse_duration_ms).transpose() {
        Ok(every) => every.unwrap_or(0),
        Err(reason) => return Err(Problem::bad_request(format!("every: {reason}"))),
    };
    if every > EVERY_MAX_MS {
        return Err(Problem::bad_request(format!("every: at most {EVERY_MAX_MS} ms")));
    }
    let numbers = asked.numbers.as_deref().map_or(Ok(Numbers::Json), numbers)?;
    let extras = extras::read(asked.with.as_deref().unwrap_or_default())?;
    let of_header = headers.get("last-event-id").and_then(|id| id.to_str().ok());
    let last_id = of_header.or(asked.last_event_id.as_deref()).filter(|id| !id.is_empty());
    let begin = match (last_id, asked.snapshot) {
        (Some(id), _) => Begin::Resume(id.to_owned()),
        (None, Some(false)) => Begin::Now,
        (None, _) => Begin::Snapshot,
    };
    let place = place(&app, kind)?;
    let (out, receiver) = mpsc::channel(WAITING);
    let state = ReaderState {
        aligned: views.len() < 2 || asked.align.unwrap_or(true),
        places: Vec::new(),
        views,
        only_final,
        merge_over: if every == 0 { MERGE_OVER } else { 1 },
        numbers,
    };
    let reader = Reader {
        watches: state.views.iter().map(|view| view.watch()).collect(),
        every: Duration::from_millis(every.unsigned_abs()),
        tag: state.tag(app.run),
        state,
        extras,
        clock: Clock::start(),
        extras_due: Duration::ZERO,
        out,
        closing: app.closing.clone(),
        pass,
        app,
        _place: place,
    };
    tokio::spawn(reader.run(begin));
    Ok(receiver)
}

/// One of those that may read at a time, until it is dropped.
pub(super) type Place = (OwnedSemaphorePermit, Here);

/// A reader's place, if there is one.
pub(super) fn place(app: &App, kind: Client) -> Result<Place, Problem> {
    let Ok(place) = app.subscribers.clone().try_acquire_owned() else {
        let detail = "too many streams are open; come back later, or raise the limit 'subscribers'";
        let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail).kind("subscribers");
        return Err(problem.with(header::RETRY_AFTER, HeaderValue::from_static("5")));
    };
    Ok((place, app.traffic.client(kind)))
}

/// Where a stream begins.
enum Begin {
    Snapshot,
    Now,
    Resume(String),
}

/// Why a stream ends: the reader is gone, or the engine is.
struct End;

impl<T> From<mpsc::error::SendError<T>> for End {
    fn from(_: mpsc::error::SendError<T>) -> End {
        End
    }
}

struct Reader {
    app: App,
    state: ReaderState,
    /// What the ids of its events begin with.
    tag: u64,
    watches: Vec<watch::Receiver<Epoch>>,
    every: Duration,
    extras: extras::Asked,
    /// Since the reader came.
    clock: Clock,
    /// When they are told next, by the clock.
    extras_due: Duration,
    out: mpsc::Sender<Arc<EventBatch>>,
    closing: watch::Receiver<bool>,
    pass: Pass,
    /// One of those that may read at a time.
    _place: Place,
}

impl Reader {
    async fn run(mut self, begin: Begin) {
        let metrics = self.app.engine.metrics().clone();
        metrics.sse_clients.inc();
        let (out, mut closing, pass) = (self.out.clone(), self.closing.clone(), self.pass.clone());
        let app = self.app.clone();
        let cut_off = async {
            drop(closing.wait_for(|closing| *closing).await);
            tokio::time::sleep(CLOSE_GRACE).await;
        };
        tokio::select! {
            _ = self.follow(begin) => {}
            () = out.closed() => {}
            () = cut_off => {}
            () = pass.over() => app.traffic.refuse("unauthorized", &"a stream, whose token is not good any more"),
        }
        metrics.sse_clients.dec();
    }

    async fn follow(&mut self, begin: Begin) -> Result<(), End> {
        let mut resumed = false;
        match begin {
            Begin::Snapshot => self.snapshot().await?,
            Begin::Now => {
                self.state.places = self.state.views.iter().map(|view| view.as_of().into()).collect();
                if self.state.aligned {
                    let least = self.state.places.iter().map(|place| place.next).min().unwrap_or(Epoch::END);
                    self.state.places.fill(least.into());
                }
                self.progress().await?;
            }
            Begin::Resume(id) => match stream_id::read(self.tag, self.state.views.len(), &id) {
                Some(places)
                    if places.iter().zip(&self.state.views).all(|(place, view)| place.next <= view.as_of()) =>
                {
                    self.state.places = places;
                    resumed = true;
                }
                _ => self.reset("the Last-Event-ID is not of this run of the server, or of another request").await?,
            },
        }
        loop {
            let last = *self.closing.borrow();
            let now = self.clock.elapsed();
            if !self.extras.is_empty() && self.extras_due <= now {
                self.extras_due = now + EXTRA_EVERY;
                for &extra in &self.extras {
                    self.send(self.app.extras.event(&self.app, extra)).await?;
                }
            }
            self.watches.iter_mut().for_each(|watch| drop(watch.borrow_and_update()));
            if let Some(gone) = self.state.views.iter().find(|view| view.dropped()) {
                self.send(stream_event::dropped(gone)).await?;
                return Err(End);
            }
            match self.app.batches.next(self.tag, &self.app.lanes.encoding, &self.state).await {
                Next::Gone => self.reset("the changes since then are gone").await?,
                Next::Batch(batch) => {
                    self.app.engine.metrics().sse_compacted.inc_by(batch.merged());
                    self.state.places = batch.places().to_vec();
                    self.out.send(batch).await?;
                    // A view with nothing new may have been cut off before it told how far it is.
                    if resumed && !self.state.aligned {
                        self.progress().await?;
                    }
                }
                // Where it is, so that a reader that has all of it knows.
                Next::Nothing if resumed => self.progress().await?,
                Next::Nothing if last => return Err(End),
                Next::Nothing => self.wait(now).await?,
            }
            resumed = false;
        }
    }

    /// Waits until there is something to look for: a view moved, the rest is due, the server ends.
    async fn wait(&mut self, now: Duration) -> Result<(), End> {
        let pause = if self.extras.is_empty() { Duration::MAX } else { self.extras_due.saturating_sub(now) };
        let next = async {
            if let Ok(moved) = tokio::time::timeout(pause, moved(&mut self.watches)).await {
                moved?;
                tokio::time::sleep(self.every).await;
            }
            Ok(())
        };
        tokio::select! {
            next = next => next,
            _ = self.closing.wait_for(|closing| *closing) => Ok(()),
        }
    }

    async fn send(&self, event: Event) -> Result<(), End> {
        Ok(self.out.send(event.id(stream_id::write(self.tag, &self.state.places)).alone()).await?)
    }

    async fn reset(&mut self, reason: &str) -> Result<(), End> {
        self.out.send(stream_event::reset(self.app.run, reason).id(stream_id::nothing(self.tag)).alone()).await?;
        self.snapshot().await
    }

    /// Tells the rows of all views, and goes on from there.
    async fn snapshot(&mut self) -> Result<(), End> {
        let Shared { snapshots, batches, lanes, engine, .. } = &*self.app;
        let batch = snapshots.take(self.tag, batches, &lanes.encoding, engine.views(), &self.state).await;
        self.state.places = batch.places().to_vec();
        Ok(self.out.send(batch).await?)
    }

    async fn progress(&self) -> Result<(), End> {
        let ReaderState { views, places, aligned, .. } = &self.state;
        for event in stream_event::how_far(views, places, *aligned) {
            self.send(event).await?;
        }
        Ok(())
    }
}

/// Waits until any of the views moved.
async fn moved(watches: &mut [watch::Receiver<Epoch>]) -> Result<(), End> {
    type Wait<'a> = Pin<Box<dyn Future<Output = Result<(), watch::error::RecvError>> + Send + 'a>>;
    let mut waits: Vec<Wait<'_>> = watches.iter_mut().map(|watch| Box::pin(watch.changed()) as Wait<'_>).collect();
    let moved = poll_fn(|context| {
        let ready = |wait: &mut Wait<'_>| match wait.as_mut().poll(context) {
            Poll::Ready(moved) => Some(moved),
            Poll::Pending => None,
        };
        waits.iter_mut().find_map(ready).map_or(Poll::Pending, Poll::Ready)
    });
    // An error says that the engine is gone.
    moved.await.map_err(|_| End)
}
