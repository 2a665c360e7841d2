//! Answers compressed for those who ask: zstd or gzip, of text and JSON that is worth it. Never a stream, which would
//! arrive late.

use std::io::Write;

use axum::body::{Body, HttpBody, to_bytes};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;

use super::lanes::Lane;

/// Shorter answers are sent as they are.
const WORTH: u64 = 1 << 10;
/// Longer ones are compressed off the threads that serve everybody.
const LONG: u64 = 64 << 10;

/// A form that the client takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    Zstd,
    Gzip,
}

impl Coding {
    /// The best that a request asks for.
    pub(super) fn asked(headers: &HeaderMap) -> Option<Coding> {
        let all = || headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
        let takes = |name: &str| {
            all().flat_map(|value| value.split(',')).any(|part| {
                let (coding, quality) = part.split_once(';').unwrap_or((part, ""));
                let refused = quality.trim().strip_prefix("q=").is_some_and(|q| q.trim().parse() == Ok(0.0f32));
                coding.trim().eq_ignore_ascii_case(name) && !refused
            })
        };
        [(Coding::Zstd, "zstd"), (Coding::Gzip, "gzip")].into_iter().find(|(_, name)| takes(name)).map(|(it, _)| it)
    }

    fn name(self) -> &'static str {
        match self {
            Coding::Zstd => "zstd",
            Coding::Gzip => "gzip",
        }
    }

    fn compress(self, plain: &[u8]) -> std::io::Result<Vec<u8>> {
        match self {
            Coding::Zstd => zstd::bulk::compress(plain, 1),
            Coding::Gzip => {
                let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                out.write_all(plain)?;
                out.finish()
            }
        }
    }
}

/// The answer in the form that was asked for, if it is one that is worth it.
pub(super) async fn compress(response: Response, asked: Option<Coding>, lane: &Lane) -> Response {
    let kind = response.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let text = [
        "application/json",
        "application/openmetrics-text",
        "text/plain",
        "text/html",
        "text/css",
        "text/javascript",
        "image/svg+xml",
    ]
    .iter()
    .any(|known| kind.starts_with(known));
    let length = response.body().size_hint().exact().filter(|&length| length >= WORTH);
    let (true, Some(length)) = (text && response.status() == StatusCode::OK, length) else { return response };
    if response.headers().contains_key(header::CONTENT_ENCODING) {
        return response;
    }
    let (mut head, body) = response.into_parts();
    head.headers.append(header::VARY, HeaderValue::from_static("accept-encoding"));
    let Some(coding) = asked else { return Response::from_parts(head, body) };
    // The body is in memory, so this neither waits nor fails.
    let Ok(plain) = to_bytes(body, usize::MAX).await else { return Response::from_parts(head, Body::empty()) };
    let packed = if length < LONG { coding.compress(&plain) } else { lane.run(|| coding.compress(&plain)).await };
    match packed {
        Ok(packed) => {
            head.headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding.name()));
            head.headers.remove(header::CONTENT_LENGTH);
            Response::from_parts(head, Body::from(packed))
        }
        Err(_) => Response::from_parts(head, Body::from(plain)),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_best_that_is_asked_for() {
        let asked = |text: &'static str| {
            Coding::asked(&HeaderMap::from_iter([(header::ACCEPT_ENCODING, HeaderValue::from_static(text))]))
        };
        assert_eq!(asked("gzip, deflate, br, zstd"), Some(Coding::Zstd));
        assert_eq!(asked("GZIP;q=0.5"), Some(Coding::Gzip));
        assert_eq!((asked("gzip;q=0, identity"), asked("br"), asked("")), (None, None, None));
    }
}
