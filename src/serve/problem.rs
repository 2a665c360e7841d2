//! Errors as RFC 9457 problems: `application/problem+json` with `type`, `title`, `status`, `detail`, and for a name that
//! does not exist the names that do; `request_id` is that of the request, as in the log.

use axum::Json;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::traffic::Kind;

tokio::task_local! {
    /// The id of the request that is being answered.
    pub(super) static REQUEST: String;
}

/// A refusal, as the caller sees it.
#[derive(Debug)]
pub(super) struct Problem {
    status: StatusCode,
    detail: String,
    known: Option<Vec<String>>,
    /// What it is counted as, if the status does not say it.
    kind: Option<Kind>,
    /// Boxed: few have one, and every call hands a refusal or an answer up.
    header: Option<Box<(HeaderName, HeaderValue)>>,
}

#[derive(Serialize)]
struct Body<'a> {
    r#type: &'static str,
    title: &'static str,
    status: u16,
    detail: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    known: Option<&'a [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<String>,
}

impl Problem {
    /// What is wrong.
    pub(super) fn detail(&self) -> &str {
        &self.detail
    }

    /// The request itself is wrong; `detail` says what and what would do.
    pub(super) fn bad_request(detail: impl Into<String>) -> Problem {
        Problem { status: StatusCode::BAD_REQUEST, detail: detail.into(), known: None, kind: None, header: None }
    }

    /// There is no such `kind` (`view`, `source`); there are `known`.
    pub(super) fn unknown<'a>(kind: &str, name: &str, known: impl Iterator<Item = &'a str>) -> Problem {
        let known: Vec<String> = known.map(str::to_owned).collect();
        let there = match known.as_slice() {
            [] => format!("this dataflow has no {kind}s"),
            names => format!("there are: {}", names.join(", ")),
        };
        Problem {
            status: StatusCode::NOT_FOUND,
            detail: format!("there is no {kind} '{name}'; {there}"),
            known: Some(known),
            kind: None,
            header: None,
        }
    }

    /// Any other status.
    pub(super) fn new(status: StatusCode, detail: impl Into<String>) -> Problem {
        Problem { status, detail: detail.into(), known: None, kind: None, header: None }
    }

    /// Counted as one of [`super::traffic::REFUSALS`].
    pub(super) fn kind(self, kind: &'static str) -> Problem {
        Problem { kind: Some(Kind(kind)), ..self }
    }

    /// Whether it is that refusal.
    pub(super) fn is(&self, status: StatusCode, kind: &str) -> bool {
        self.status == status && self.kind.as_ref().is_some_and(|Kind(of)| *of == kind)
    }

    /// Saying this too, behind the rest.
    pub(super) fn and(mut self, more: &str) -> Problem {
        self.detail.push_str(more);
        self
    }

    /// With a header.
    pub(super) fn with(self, name: HeaderName, value: HeaderValue) -> Problem {
        Problem { header: Some(Box::new((name, value))), ..self }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = Body {
            r#type: "about:blank",
            title: self.status.canonical_reason().unwrap_or("Error"),
            status: self.status.as_u16(),
            detail: &self.detail,
            known: self.known.as_deref(),
            request_id: REQUEST.try_with(String::clone).ok(),
        };
        let kind = [(header::CONTENT_TYPE, "application/problem+json")];
        let mut response = (self.status, kind, Json(body)).into_response();
        if let Some(kind) = self.kind {
            response.extensions_mut().insert(kind);
        }
        if let Some((name, value)) = self.header.map(|header| *header) {
            response.headers_mut().insert(name, value);
        }
        response
    }
}
