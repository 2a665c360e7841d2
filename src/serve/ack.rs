//! What a client waits for when it sends rows: that they were received, are on disk, or show in the views (`?ack=`, or a message on a
//! WebSocket; else the source's option `ack`; else on disk, where a data directory keeps them).

use std::time::Duration;

use axum::http::StatusCode;
use serde::Deserialize;

use super::App;
use super::problem::Problem;
use super::route::Parameter;
use highwater_core::engine::{Pushed, Source};
use highwater_core::source::Acknowledged;

/// How long views are waited for: the answer says what holds by then.
const VISIBLE: Duration = Duration::from_secs(10);

/// The parameter.
pub(super) const PARAMETER: Parameter = super::route::query(
    "ack",
    "string",
    "What the answer waits for: received, durable (on disk; needs --data-dir), visible (in all views that rows of the source come to, at most 10 s)",
);

/// What a request may ask for.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    pub(super) ack: Option<String>,
}

/// What rows of a request wait for.
pub(super) fn of(app: &App, source: &Source, asked: Option<&str>) -> Result<Acknowledged, Problem> {
    let keeps = app.engine.keeps();
    let default = || if keeps { Acknowledged::Durable } else { Acknowledged::Received };
    let ack = match asked {
        None => Acknowledged::of(&source.spec().options).ok().flatten().unwrap_or_else(default),
        Some(asked) => Acknowledged::named(asked).ok_or_else(|| {
            Problem::bad_request(format!("ack={asked}: write received, durable or visible; nothing was taken"))
        })?,
    };
    match ack {
        Acknowledged::Durable if !keeps => Err(Problem::bad_request(
            "ack=durable: this server keeps nothing on disk (--data-dir), so it cannot say that; nothing was taken",
        )),
        ack => Ok(ack),
    }
}

/// A longer message is no such one.
const MESSAGE_BYTES: usize = 64;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Message {
    ack: serde_json::Value,
}

/// What a message of a WebSocket asks for that is `{"ack":"visible"}` and no row: the source has no column `ack`.
pub(super) fn message(source: &Source, text: &[u8]) -> Option<String> {
    if text.len() > MESSAGE_BYTES || memchr::memmem::find(text, b"\"ack\"").is_none() {
        return None;
    }
    let Message { ack } = serde_json::from_slice(text).ok()?;
    let columns = source.spec().physical.fields();
    if columns.iter().any(|column| column.name().eq_ignore_ascii_case("ack")) {
        return None;
    }
    Some(ack.as_str().map_or_else(|| ack.to_string(), str::to_owned))
}

/// Waits for that; what holds then.
pub(super) async fn wait(app: &App, ack: Acknowledged, pushed: &Pushed) -> Result<Acknowledged, Problem> {
    if ack == Acknowledged::Received {
        return Ok(ack);
    }
    let lost = |error| Problem::new(StatusCode::SERVICE_UNAVAILABLE, format!("the rows may be lost: {error}"));
    app.engine.durable(pushed).await.map_err(lost)?;
    let kept = if app.engine.keeps() { Acknowledged::Durable } else { Acknowledged::Received };
    if ack == Acknowledged::Durable {
        return Ok(kept);
    }
    let shown = tokio::time::timeout(VISIBLE, app.engine.visible(pushed)).await;
    Ok(if shown.unwrap_or(false) { Acknowledged::Visible } else { kept })
}
