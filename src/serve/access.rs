//! Who may call what: the settings of it, and the guard before every route.

use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::App;
use super::host::Hosts;
use super::limits::Limits;
use super::origin::{self, Origins};
use super::problem::Problem;
use super::quiet::Known;
use super::role::Role;
use super::tls::Tls;
use super::tokens::{Refusal, Tokens};
use highwater_core::engine;
use highwater_core::otlp::Recorder;
use highwater_core::time::now_ms;

/// How often a stream or a socket is asked whether its token is still good.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How a server may be reached. The default asks for nothing: for the loopback only.
#[derive(Clone, Debug, Default)]
pub struct Access {
    /// Who may call what; `None` is everyone everything.
    pub tokens: Option<Tokens>,
    /// Which web pages may.
    pub origins: Origins,
    /// By which names it may be called.
    pub hosts: Hosts,
    /// Encryption.
    pub tls: Option<Tls>,
    /// What a client may ask for at most.
    pub limits: Limits,
    /// What takes the spans of requests, if somebody wants them.
    pub spans: Option<Recorder>,
}

/// The token that came with a request, in its extensions.
#[derive(Clone, Default)]
pub(super) struct Sent(pub(super) Option<String>);

/// Leave to go on, for streams and sockets: it lasts as long as the token does that they were opened with.
#[derive(Clone, Default)]
pub(super) struct Pass(Option<(Tokens, String, Role)>);

impl Pass {
    /// Whether the token has come to its end, or is none any more.
    pub(super) fn is_over(&self) -> bool {
        self.0.as_ref().is_some_and(|(tokens, sent, role)| tokens.check(Some(sent), *role, now_ms()).is_err())
    }

    /// Waits until it has.
    pub(super) async fn over(&self) {
        if self.0.is_none() {
            return std::future::pending().await;
        }
        while !self.is_over() {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

/// Lets those through that have the route's role.
pub(super) async fn guard(State((app, role)): State<(App, Role)>, mut request: Request, next: Next) -> Response {
    match admit(&app, role, &request) {
        Ok(pass) => {
            let known = pass.0.is_some();
            request.extensions_mut().insert(pass);
            let mut response = next.run(request).await;
            if known {
                response.extensions_mut().insert(Known);
            }
            response
        }
        Err(problem) => problem.into_response(),
    }
}

fn admit(app: &App, role: Role, request: &Request) -> Result<Pass, Problem> {
    let mut pass = Pass::default();
    if role == Role::Open {
        return Ok(pass);
    }
    let upgrades = request.headers().contains_key(header::UPGRADE);
    if upgrades || !matches!(*request.method(), Method::GET | Method::HEAD) {
        origin::check(request.headers(), &app.access.origins)?;
    }
    if let Some(tokens) = &app.access.tokens {
        let sent = request.extensions().get::<Sent>().and_then(|sent| sent.0.as_deref());
        let name = tokens.check(sent, role, now_ms()).map_err(|refusal| refused(&refusal, role))?;
        tracing::trace!(token = name, "admitted");
        pass.0 = sent.map(|sent| (tokens.clone(), sent.to_owned(), role));
    }
    let state = app.engine.state();
    let takes = match role {
        Role::Ingest => matches!(state, engine::State::Starting | engine::State::Running),
        _ => role != Role::Admin || !app.engine.ending(),
    };
    if !takes {
        let detail = format!("the engine takes nothing more: it is {}", state.name());
        let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail);
        return Err(problem.with(header::RETRY_AFTER, HeaderValue::from_static("5")));
    }
    Ok(pass)
}

fn refused(refusal: &Refusal, role: Role) -> Problem {
    let (status, detail, challenge) = match refusal {
        Refusal::Missing => (
            StatusCode::UNAUTHORIZED,
            "send a token: 'Authorization: Bearer TOKEN', or for a stream '?access_token=TOKEN'".to_owned(),
            "Bearer realm=\"highwater\"",
        ),
        Refusal::Wrong => (
            StatusCode::UNAUTHORIZED,
            "there is no such token".to_owned(),
            "Bearer realm=\"highwater\", error=\"invalid_token\"",
        ),
        Refusal::Expired(name) => (
            StatusCode::UNAUTHORIZED,
            format!("the token '{name}' is past its end"),
            "Bearer realm=\"highwater\", error=\"invalid_token\", error_description=\"the token has expired\"",
        ),
        Refusal::Role(name) => (
            StatusCode::FORBIDDEN,
            format!("the token '{name}' has not the role '{}'", role.name()),
            "Bearer realm=\"highwater\", error=\"insufficient_scope\"",
        ),
    };
    Problem::new(status, detail).with(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge))
}
