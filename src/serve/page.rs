//! The first page: the published views, live, in one file without outside help.

use axum::http::header;
use axum::response::{Html, IntoResponse};
use axum::routing::get;

use super::role::Role;
use super::route::{Answer, Route};

/// The page may load nothing but itself and talk to nobody but its server.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; \
                      img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// `GET /`.
pub(super) const ROUTES: &[Route] =
    &[Route::get("/", "The page", || get(page)).role(Role::Open).answers(&[Answer::text("text/html")])];

async fn page() -> impl IntoResponse {
    let headers = [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::CACHE_CONTROL, "no-cache"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    (headers, Html(include_str!("page.html")))
}
