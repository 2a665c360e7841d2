//! The layer around all routes: what is the same for every request. Its id, the token that came with it, the bounds of its body
//! and of its client, the problem that every refusal becomes, the headers of every answer, and one line of the log.
//!
//! A token in the query is taken out before anyone sees it: it is in no log and no other error.

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::body::{Body, HttpBody, to_bytes};
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::access::Sent;
use super::body::{Bounded, Broke, Note};
use super::compress::{Coding, compress};
use super::connection::Peer;
use super::limits::Limit;
use super::paced::Pace;
use super::problem::{self, Problem};
use super::traffic::{self, Kind};
use super::{App, answer};
use highwater_core::otlp::{Recorder, Recording, Traceparent};
use highwater_core::time::{Clock, now_ms};

/// When to come back if there is no room.
const RETRY: HeaderValue = HeaderValue::from_static("1");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Longer ids of clients are not taken.
const ID_CHARS: usize = 128;
/// As much of a refusal that is no problem yet becomes its detail.
const DETAIL_BYTES: usize = 4096;

/// The layer around all routes.
pub(super) async fn request_layer(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let clock = Clock::start();
    let id = request_id(&app, request.headers());
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let coding = Coding::asked(request.headers());
    let shared = app.access.origins.shared(request.headers());
    let sent = take_token(&mut request);
    request.extensions_mut().insert(Sent(sent));
    let span = app.access.spans.as_ref().and_then(|recorder| RequestSpan::begin(recorder, &request, &id));

    let answer = async {
        match bound(&app, request, shared.is_some()) {
            Err(early) => early,
            Ok((request, note)) => {
                let response = next.run(request).await;
                as_problem(response, note.read(), &app).await
            }
        }
    };
    let answer = problem::REQUEST.scope(id.clone(), answer).await;
    let mut response = answer::held(compress(answer, coding, &app.lanes.encoding).await, &app.answers);

    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(&id) {
        headers.insert(REQUEST_ID, id);
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    if app.access.origins.any() {
        headers.append(header::VARY, HeaderValue::from_static("origin"));
    }
    if let Some((name, origin)) = shared {
        headers.insert(name, origin);
        let shown = HeaderValue::from_static("x-request-id, retry-after");
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, shown);
    }
    app.traffic.answered(&method, response.status(), clock.elapsed_seconds());
    let refused = response.extensions().get::<Kind>().copied();
    if let Some(kind) = traffic::kind(response.status(), refused) {
        app.traffic.refuse(kind, &format_args!("{method} {path}"));
    }
    let (status, ms) = (response.status().as_u16(), clock.elapsed_ms());
    if let Some(span) = span {
        span.end(status, clock.elapsed_seconds() * 1_000.0);
    }
    match status {
        500.. => tracing::info!(request_id = id, %method, path, status, ms, "request"),
        _ => tracing::debug!(request_id = id, %method, path, status, ms, "request"),
    }
    response
}

/// A request that becomes a span.
struct RequestSpan<'a> {
    recorder: &'a Recorder,
    recording: Recording,
    name: String,
    start_ms: i64,
    attributes: Vec<(&'static str, String)>,
}

impl RequestSpan<'_> {
    /// Begins the span of a request, if it is to be one. Probes and scrapes begin no trace.
    fn begin<'a>(recorder: &'a Recorder, request: &Request, id: &str) -> Option<RequestSpan<'a>> {
        let path = request.uri().path();
        let header = request.headers().get("traceparent").and_then(|parent| parent.to_str().ok());
        let parent = header.and_then(Traceparent::parse);
        if parent.is_none() && matches!(path, "/livez" | "/readyz" | "/health" | "/metrics") {
            return None;
        }
        let recording = recorder.begin(parent)?;
        let method = request.method().to_string();
        let route = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
        let name = route.map_or_else(|| method.clone(), |route| format!("{method} {route}"));
        let mut attributes = vec![("http.request.method", method), ("url.path", path.to_owned())];
        attributes.push(("http.request.header.x-request-id", id.to_owned()));
        attributes.extend(route.map(|route| ("http.route", route.to_owned())));
        attributes.extend(request.extensions().get::<Peer>().map(|peer| ("client.address", peer.0.to_string())));
        Some(RequestSpan { recorder, recording, name, start_ms: now_ms(), attributes })
    }

    fn end(self, status: u16, ms: f64) {
        self.recorder.end(self.recording, self.name, (self.start_ms, ms), status, self.attributes);
    }
}

/// That of the client, if it is one, or a new one.
fn request_id(app: &App, headers: &HeaderMap) -> String {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let given = headers.get(REQUEST_ID).and_then(|id| id.to_str().ok());
    match given {
        Some(id) if (1..=ID_CHARS).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic()) => {
            id.to_owned()
        }
        _ => format!("{:x}-{:x}", app.began, NEXT.fetch_add(1, Ordering::Relaxed)),
    }
}

/// The token of the header, or of the query of a GET, which browsers' streams cannot do without.
fn take_token(request: &mut Request) -> Option<String> {
    let header = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let bearer = header.and_then(|value| {
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned())
    });
    let in_query = match request.uri().query() {
        Some(query) if query.contains("access_token") => {
            let (token, rest) = split_query(query);
            let path = request.uri().path();
            let without = if rest.is_empty() { path.to_owned() } else { format!("{path}?{rest}") };
            *request.uri_mut() = without.parse::<Uri>().unwrap_or_default();
            token.filter(|_| request.method() == Method::GET)
        }
        _ => None,
    };
    bearer.or(in_query)
}

/// The `access_token` of a query, and what stands beside it.
fn split_query(query: &str) -> (Option<String>, String) {
    let (mut token, mut rest) = (None, String::new());
    for part in query.split('&') {
        match part.strip_prefix("access_token=") {
            Some(value) => token = Some(percent_decoded(value)),
            None if part == "access_token" => {}
            None => {
                let and = if rest.is_empty() { "" } else { "&" };
                let _ = write!(rest, "{and}{part}");
            }
        }
    }
    (token, rest)
}

/// Text of a query as it is meant.
pub(super) fn percent_decoded(text: &str) -> String {
    String::from_utf8_lossy(&percent_bytes(text)).into_owned()
}

fn percent_bytes(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        // A sign is no digit.
        let hex = after.get(..2).filter(|hex| hex.iter().all(u8::is_ascii_hexdigit));
        let hex = hex.and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        match (first, hex) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            (b'+', _) => {
                bytes.push(b' ');
                rest = after;
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    bytes
}

/// The bytes of a request's line and headers, as HTTP/1.1 writes them.
fn head_bytes(request: &Request) -> u64 {
    let line = request.method().as_str().len() + request.uri().to_string().len() + " HTTP/1.1".len() + 3;
    let headers = request.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + 4);
    (line + headers.sum::<usize>() + 2) as u64
}

/// The request within its bounds, or the answer if it needs no more.
#[allow(clippy::result_large_err, reason = "the answer is sent at once")]
fn bound(app: &App, request: Request, shared: bool) -> Result<(Request, Note), Response> {
    app.access.hosts.check(&request).map_err(IntoResponse::into_response)?;
    let limits = &app.access.limits;
    let (head, most) = (head_bytes(&request), limits.get(Limit::Head));
    if head > most {
        let detail = format!(
            "a request's line and headers may have {most} bytes, and these have {head}; raise the limit 'head'"
        );
        return Err(Problem::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, detail).kind("head").into_response());
    }
    if std::str::from_utf8(&percent_bytes(request.uri().query().unwrap_or_default())).is_err() {
        let detail =
            "the query holds bytes that are no text in UTF-8: write each character as its bytes there, as %C3%A4 for ä";
        return Err(Problem::bad_request(detail).into_response());
    }
    // Supervisors would end a server that does not answer them.
    let probe = matches!(request.uri().path(), "/livez" | "/readyz");
    if let (Some(throttle), Some(Peer(address)), false) =
        (app.throttle.as_ref(), request.extensions().get::<Peer>(), probe)
        && let Err(seconds) = throttle.take(*address)
    {
        let detail = format!("{address} sends more than {} requests a second", limits.get(Limit::Requests));
        let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, detail).kind("requests");
        return Err(problem.with(header::RETRY_AFTER, HeaderValue::from(seconds)).into_response());
    }
    if request.method() == Method::OPTIONS && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD) {
        if shared {
            return Err(preflight());
        }
        let detail = "pages of this origin may not call; allow them with --allow-origins";
        return Err(Problem::new(StatusCode::FORBIDDEN, detail).into_response());
    }
    let note = Note::new(&app.bodies);
    if request.body().is_end_stream() {
        return Ok((request, note));
    }
    let length = longest(app);
    if request.body().size_hint().lower() > length {
        return Err(broken(Broke::Length, app).into_response());
    }
    let pace = Pace::of_bodies(limits);
    let request = request.map(|body| Body::new(Bounded::new(body, length, pace, note.clone())));
    Ok((request, note))
}

/// How long a body may be: as the limit says, unless all of them together may not hold so much.
fn longest(app: &App) -> u64 {
    app.access.limits.get(Limit::Body).min(app.bodies.most() as u64)
}

fn preflight() -> Response {
    let headers = [
        (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, POST, PUT, PATCH, DELETE"),
        (
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            "authorization, content-type, content-encoding, last-event-id, x-request-id",
        ),
        (header::ACCESS_CONTROL_MAX_AGE, "600"),
    ];
    (StatusCode::NO_CONTENT, headers).into_response()
}

fn broken(broke: Broke, app: &App) -> Problem {
    let limits = &app.access.limits;
    match broke {
        Broke::Length => {
            let longest = longest(app);
            let limit = if longest < limits.get(Limit::Body) { "bodies" } else { "body" };
            let detail = format!("a body may have {longest} bytes; send less at a time, or raise the limit '{limit}'");
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail)
        }
        Broke::Time => Problem::new(
            StatusCode::REQUEST_TIMEOUT,
            format!(
                "the body came too slowly: it has {} ms, and a second for every {} bytes that came",
                limits.get(Limit::BodyTime),
                limits.get(Limit::Rate)
            ),
        ),
        Broke::Room => {
            let detail = "too many bodies are on their way; nothing was taken, send it again later";
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail).kind("bodies").with(header::RETRY_AFTER, RETRY)
        }
    }
}

/// Any refusal as a problem.
async fn as_problem(response: Response, broke: Option<Broke>, app: &App) -> Response {
    let refused = response.status().is_client_error() || response.status().is_server_error();
    if let Some(broke) = broke.filter(|_| refused) {
        return broken(broke, app).into_response();
    }
    let kind = response.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if !refused || !(kind.is_empty() || kind.starts_with("text/plain")) {
        return response;
    }
    let (head, body) = response.into_parts();
    let text = to_bytes(body, DETAIL_BYTES).await.map(|text| String::from_utf8_lossy(&text).trim().to_owned());
    let detail = text.ok().filter(|text| !text.is_empty());
    let detail = detail.unwrap_or_else(|| head.status.canonical_reason().unwrap_or("refused").to_owned());
    let mut problem = Problem::new(head.status, detail).into_response();
    for (name, value) in &head.headers {
        if *name != header::CONTENT_TYPE && *name != header::CONTENT_LENGTH {
            problem.headers_mut().append(name, value.clone());
        }
    }
    problem
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_leave_the_query() {
        let split = |query| split_query(query);
        assert_eq!(split("a=1&access_token=x%2By&b=2"), (Some("x+y".into()), "a=1&b=2".into()));
        assert_eq!(split("access_token="), (Some(String::new()), String::new()));
        assert_eq!(split("no_access_token=1"), (None, "no_access_token=1".into()));
        assert_eq!((percent_decoded("%zz%4"), percent_decoded("%+1")), ("%zz%4".into(), "% 1".into()));
    }
}
