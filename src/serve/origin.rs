//! Which web pages may talk to the server. A browser names the page that a request comes from in `Origin`; other clients
//! send none and are let through. The server's own page may do everything, others only what the setting allows.
//!
//! A WebSocket and anything that changes something are refused to other pages, since browsers send those without asking
//! first. Reading is left to the browser, which hides an answer without `access-control-allow-origin` from the page.

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use super::problem::Problem;

/// Pages that may talk to the server besides its own: `https://example.org`, or `*` for all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origins(Vec<String>);

impl Origins {
    /// Reads origins with commas between.
    pub fn parse(text: &str) -> Result<Origins, String> {
        let names = text.split(',').map(|name| name.trim().trim_end_matches('/')).filter(|name| !name.is_empty());
        let origin = |name: &str| match name.split_once("://") {
            _ if name == "*" => Ok(name.to_owned()),
            Some(("http" | "https", host)) if !host.is_empty() && !host.contains(['/', '@', ' ']) => {
                Ok(name.to_ascii_lowercase())
            }
            _ => Err(format!("'{name}' is no origin: write https://HOST or http://HOST:PORT, or * for all")),
        };
        names.map(origin).collect::<Result<_, _>>().map(Origins)
    }

    fn has(&self, origin: &str) -> bool {
        self.0.iter().any(|known| known == "*" || known.eq_ignore_ascii_case(origin))
    }

    /// The headers that let a page of another origin read an answer, if it may.
    pub(super) fn shared(&self, headers: &HeaderMap) -> Option<(HeaderName, HeaderValue)> {
        let origin = headers.get(header::ORIGIN)?;
        let known = self.has(origin.to_str().ok()?);
        known.then(|| (header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone()))
    }

    /// Whether answers depend on who asks.
    pub(super) fn any(&self) -> bool {
        !self.0.is_empty()
    }
}

/// Refuses a request that a page of another origin sends, unless that is allowed. For WebSockets and for changes.
pub(super) fn check(headers: &HeaderMap, allowed: &Origins) -> Result<(), Problem> {
    let Some(origin) = headers.get(header::ORIGIN) else { return Ok(()) };
    let origin = origin.to_str().unwrap_or("null");
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let own = origin.split_once("://").is_some_and(|(_, of)| host.is_some_and(|host| host.eq_ignore_ascii_case(of)));
    if own || allowed.has(origin) {
        return Ok(());
    }
    let detail = format!("pages of {origin} may not do this; allow them with --allow-origins {origin}");
    Err(Problem::new(StatusCode::FORBIDDEN, detail))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn checked(origin: Option<&'static str>, allowed: &str) -> bool {
        let mut headers = HeaderMap::from_iter([(header::HOST, HeaderValue::from_static("localhost:8080"))]);
        origin.map(|origin| headers.insert(header::ORIGIN, HeaderValue::from_static(origin)));
        check(&headers, &Origins::parse(allowed).unwrap()).is_ok()
    }

    #[test]
    fn other_pages_are_refused_unless_allowed() {
        assert!(checked(None, "") && checked(Some("http://localhost:8080"), ""));
        for other in ["http://localhost:8081", "https://evil.example", "null", "http://localhost:8080.evil.example"] {
            assert!(!checked(Some(other), ""), "{other}");
            assert!(!checked(Some(other), "https://good.example"), "{other}");
        }
        assert!(checked(Some("https://evil.example"), "https://good.example, https://EVIL.example/"));
        assert!(checked(Some("null"), "*"));
        assert!(Origins::parse("example.org").is_err() && Origins::parse("https://a/b").is_err());
    }
}
