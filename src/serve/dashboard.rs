//! The dashboard: one page at `/` and what it loads from `/assets/`, all in the binary.
//!
//! [`ASSETS`] is the registry: a new file is a line there. Browsers ask again each time (`no-cache`) and are told that
//! nothing changed by the `ETag`, a hash of the bytes. The page may load nothing but this and talk to nobody but its server.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use sha2::{Digest, Sha256};

use super::problem::Problem;
use super::role::Role;
use super::route::{Answer, Route};

/// What the page may do.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data:; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// A file of the dashboard.
struct Asset {
    name: &'static str,
    kind: &'static str,
    bytes: &'static [u8],
}

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

/// All files; the first is the page itself.
const ASSETS: &[Asset] = &[
    Asset { name: "index.html", kind: HTML, bytes: include_bytes!("dashboard/index.html") },
    Asset { name: "style.css", kind: CSS, bytes: include_bytes!("dashboard/style.css") },
    Asset { name: "app.js", kind: SCRIPT, bytes: include_bytes!("dashboard/app.js") },
    Asset { name: "starting.js", kind: SCRIPT, bytes: include_bytes!("dashboard/starting.js") },
    Asset { name: "address.js", kind: SCRIPT, bytes: include_bytes!("dashboard/address.js") },
    Asset { name: "token.js", kind: SCRIPT, bytes: include_bytes!("dashboard/token.js") },
    Asset { name: "dom.js", kind: SCRIPT, bytes: include_bytes!("dashboard/dom.js") },
    Asset { name: "text.js", kind: SCRIPT, bytes: include_bytes!("dashboard/text.js") },
    Asset { name: "hub.js", kind: SCRIPT, bytes: include_bytes!("dashboard/hub.js") },
    Asset { name: "model.js", kind: SCRIPT, bytes: include_bytes!("dashboard/model.js") },
    Asset { name: "store.js", kind: SCRIPT, bytes: include_bytes!("dashboard/store.js") },
    Asset { name: "past.js", kind: SCRIPT, bytes: include_bytes!("dashboard/past.js") },
    Asset { name: "chart.js", kind: SCRIPT, bytes: include_bytes!("dashboard/chart.js") },
    Asset { name: "picture.js", kind: SCRIPT, bytes: include_bytes!("dashboard/picture.js") },
    Asset { name: "rows.js", kind: SCRIPT, bytes: include_bytes!("dashboard/rows.js") },
    Asset { name: "boards.js", kind: SCRIPT, bytes: include_bytes!("dashboard/boards.js") },
    Asset { name: "board.js", kind: SCRIPT, bytes: include_bytes!("dashboard/board.js") },
    Asset { name: "health.js", kind: SCRIPT, bytes: include_bytes!("dashboard/health.js") },
    Asset { name: "views.js", kind: SCRIPT, bytes: include_bytes!("dashboard/views.js") },
    Asset { name: "time.js", kind: SCRIPT, bytes: include_bytes!("dashboard/time.js") },
    Asset { name: "flow.js", kind: SCRIPT, bytes: include_bytes!("dashboard/flow.js") },
    Asset { name: "alerts.js", kind: SCRIPT, bytes: include_bytes!("dashboard/alerts.js") },
    Asset { name: "acknowledged.js", kind: SCRIPT, bytes: include_bytes!("dashboard/acknowledged.js") },
    Asset { name: "tables.js", kind: SCRIPT, bytes: include_bytes!("dashboard/tables.js") },
    Asset { name: "icon.svg", kind: "image/svg+xml", bytes: include_bytes!("dashboard/icon.svg") },
    // uPlot 1.6.32, https://github.com/leeoniya/uPlot, MIT.
    Asset { name: "uplot.js", kind: SCRIPT, bytes: include_bytes!("dashboard/uplot.js") },
    Asset { name: "uplot.css", kind: CSS, bytes: include_bytes!("dashboard/uplot.css") },
    Asset { name: "uplot.LICENSE", kind: "text/plain", bytes: include_bytes!("dashboard/uplot.LICENSE") },
];

/// The hash of each asset, quoted.
static TAGS: LazyLock<Vec<String>> = LazyLock::new(|| ASSETS.iter().map(tag).collect());

fn tag(asset: &Asset) -> String {
    let hash = Sha256::digest(asset.bytes);
    let hex: String = hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    format!("\"{hex}\"")
}

/// `GET /` and `GET /assets/{name}`.
pub(super) const ROUTES: &[Route] = &[
    Route::get("/", "The dashboard", || get(page)).role(Role::Open).answers(&[Answer::text("text/html")]),
    Route::get("/assets/{name}", "A file of the dashboard", || get(asset))
        .role(Role::Open)
        .early()
        .answers(&[Answer::text("text/javascript")]),
];

async fn page(headers: HeaderMap) -> Response {
    answer(0, &headers)
}

async fn asset(Path(name): Path<String>, headers: HeaderMap) -> Result<Response, Problem> {
    let unknown = || Problem::unknown("asset", &name, ASSETS.iter().map(|asset| asset.name));
    named(&name, &headers).ok_or_else(unknown)
}

/// The file of that name, if there is one.
pub(super) fn named(name: &str, headers: &HeaderMap) -> Option<Response> {
    ASSETS.iter().position(|asset| asset.name == name).map(|at| answer(at, headers))
}

/// The page of a process that starts: what it does now. It looks again by itself, and becomes the dashboard.
pub(super) fn starting(doing: &str) -> Response {
    let mut text = String::with_capacity(doing.len());
    for letter in doing.chars() {
        match letter {
            '&' => text.push_str("&amp;"),
            '<' => text.push_str("&lt;"),
            '>' => text.push_str("&gt;"),
            other => text.push(other),
        }
    }
    let head = [
        (header::CONTENT_TYPE, HTML),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    let page = include_str!("dashboard/starting.html").replace("{doing}", &text);
    (StatusCode::SERVICE_UNAVAILABLE, head, page).into_response()
}

fn answer(at: usize, headers: &HeaderMap) -> Response {
    let (asset, tag) = (&ASSETS[at], TAGS[at].as_str());
    let known = headers.get(header::IF_NONE_MATCH).and_then(|tags| tags.to_str().ok());
    let fits = |known: &str| known == "*" || known.trim_start_matches("W/") == tag;
    let fresh = known.is_some_and(|tags| tags.split(',').any(|known| fits(known.trim())));
    let head = [
        (header::CONTENT_TYPE, asset.kind),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::CACHE_CONTROL, "no-cache"),
        (header::ETAG, tag),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    match fresh {
        true => (StatusCode::NOT_MODIFIED, head).into_response(),
        false => (head, asset.bytes).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes of the whole page at most.
    const WEIGHT_MAX: usize = 500_000;

    #[test]
    fn the_page_is_light_and_whole() {
        let weight: usize = ASSETS.iter().map(|asset| asset.bytes.len()).sum();
        assert!(weight <= WEIGHT_MAX, "{weight} bytes");
        let named = |name: &str| ASSETS.iter().any(|asset| asset.name == name);
        let starting = [("starting.html", include_bytes!("dashboard/starting.html").as_slice())];
        for (of, bytes) in ASSETS.iter().map(|asset| (asset.name, asset.bytes)).chain(starting) {
            let text = String::from_utf8_lossy(bytes);
            for (before, end) in [("\"/assets/", '"'), ("from \"./", '"')] {
                for name in text.split(before).skip(1).filter_map(|rest| rest.split(end).next()) {
                    assert!(named(name), "{of} loads {name}, which is not there");
                }
            }
        }
    }

    #[test]
    fn what_others_wrote_comes_with_its_licence() {
        let bytes = |name: &str| ASSETS.iter().find(|asset| asset.name == name).map_or(&[][..], |asset| asset.bytes);
        let licence = String::from_utf8_lossy(bytes("uplot.LICENSE"));
        assert!(licence.contains("MIT") && licence.contains("Leon Sorokin"), "{licence}");
        let script = String::from_utf8_lossy(bytes("uplot.js"));
        assert!(script.contains("leeoniya/uPlot") && script.contains("v1.6.32"), "the version named beside it");
    }

    #[test]
    fn a_known_tag_is_not_sent_again() {
        let mut headers = HeaderMap::new();
        assert_eq!(answer(1, &headers).status(), StatusCode::OK);
        let Ok(tags) = format!("W/\"0\", {}", TAGS[1]).parse() else { unreachable!("hex in quotes") };
        headers.insert(header::IF_NONE_MATCH, tags);
        assert_eq!(answer(1, &headers).status(), StatusCode::NOT_MODIFIED);
        assert_eq!(answer(2, &headers).status(), StatusCode::OK);
        headers.insert(header::IF_NONE_MATCH, axum::http::HeaderValue::from_static("*"));
        assert_eq!(answer(2, &headers).status(), StatusCode::NOT_MODIFIED);
    }
}
