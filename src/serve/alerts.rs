//! `GET /api/v1/alerts`: the alerts that stand, newest first, and since when. An alert is a row of a view that declares itself so
//! (`WITH ('alert' = 'high')`); what goes and comes in one epoch under the same key is the same alert with other values.
//!
//! Each such view is followed from the start of the server, so whoever opens a page later hears when an alert came. Memory: the
//! keys of the newest [`STANDING_MAX`] alerts of a view. Keys are written off the runtime's threads.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow_array::RecordBatch;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Deserialize;

use super::App;
use super::asked;
use super::json;
use super::problem::Problem;
use super::route::{Answer, Route, Shape, query};
use super::view_rows::limit;
use highwater_core::engine::{Engine, UnitId};
use highwater_core::format::Numbers;
use highwater_core::time::now_ms;
use highwater_core::view::{EpochChanges, Update, View};

/// Alerts of a view that are known by their key; beyond, the oldest are forgotten.
const STANDING_MAX: usize = 10_000;
/// Alerts of an answer if `limit` is not given.
const LIMIT: usize = 500;

/// The call.
pub(super) const ROUTES: &[Route] =
    &[Route::get("/api/v1/alerts", "The alerts that stand, and since when", || get(alerts))
        .takes(&[query("limit", "integer", "How many, the newest; 500 if not given")])
        .answers(&[Answer::json("Alerts")])];

/// What it returns; a key has the columns that identify the alert.
pub(super) const SHAPES: &[Shape] = &[
    ("Alerts", "standing:integer alerts:[Alert]"),
    ("Alert", "view:string severity:string since_ms:integer changes:integer key:AlertKey"),
    ("AlertKey", "..."),
];

/// All views of alerts.
#[derive(Debug)]
pub(super) struct Journal(Vec<Arc<Watched>>);

#[derive(Debug)]
struct Watched {
    view: Arc<View>,
    severity: String,
    /// The columns that identify an alert.
    key: Vec<usize>,
    standing: Mutex<Standing>,
}

/// What stands, by key, and in the order in which it came.
#[derive(Debug, Default)]
struct Standing {
    by_key: HashMap<String, (u64, Alert), foldhash::fast::FixedState>,
    by_order: BTreeMap<u64, String>,
    ever: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Alert {
    since_ms: i64,
    /// How often its values changed.
    changes: u64,
    /// How many rows have the key.
    rows: i64,
}

impl Standing {
    /// Takes one epoch: keys by how often each is there more or less, retractions and insertions together.
    fn take(&mut self, changes: Vec<(String, i64)>, now_ms: i64) {
        let mut touched: Vec<String> = Vec::new();
        for (key, diff) in changes {
            if let Some((_, alert)) = self.by_key.get_mut(&key) {
                alert.rows += diff;
                alert.changes += u64::from(diff > 0);
                if alert.rows <= 0 {
                    touched.push(key);
                }
            } else if diff > 0 {
                self.ever += 1;
                self.by_order.insert(self.ever, key.clone());
                self.by_key.insert(key, (self.ever, Alert { since_ms: now_ms, changes: 0, rows: diff }));
            }
        }
        // What went may have come again under its key before the epoch ended.
        for key in touched {
            if let Some((order, _)) = self.by_key.get(&key).filter(|(_, alert)| alert.rows <= 0) {
                self.by_order.remove(order);
                self.by_key.remove(&key);
            }
        }
        while self.by_key.len() > STANDING_MAX {
            let Some((_, oldest)) = self.by_order.pop_first() else { break };
            self.by_key.remove(&oldest);
        }
    }

    /// Takes all rows anew: what was there before keeps its time.
    fn reset(&mut self, keys: Vec<(String, i64)>, now_ms: i64) {
        let before = std::mem::take(self);
        self.take(keys, now_ms);
        for (key, (_, alert)) in &mut self.by_key {
            if let Some((_, old)) = before.by_key.get(key) {
                (alert.since_ms, alert.changes) = (old.since_ms, old.changes);
            }
        }
    }
}

impl Watched {
    fn of(view: &Arc<View>) -> Option<Arc<Watched>> {
        let severity = view.spec().options.get("alert")?.trim().to_ascii_lowercase();
        let fields = view.schema().fields();
        let names = || (0..fields.len()).filter(|&column| !fields[column].data_type().is_numeric()).collect();
        let key = view.spec().key.clone().unwrap_or_else(names);
        Some(Arc::new(Watched { view: view.clone(), severity, key, standing: Mutex::default() }))
    }

    fn lock(&self) -> MutexGuard<'_, Standing> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The keys of rows, each an object, with how often each row is there.
    fn keys(&self, batch: &RecordBatch, diff: impl Fn(usize) -> i64) -> Vec<(String, i64)> {
        let Ok(batch) = batch.project(&self.key) else { return Vec::new() };
        let writer = json::writer(&batch, Numbers::Exact);
        let key = |row| {
            let mut out = vec![b'{'];
            writer.write_members(row, &mut out);
            out.push(b'}');
            (json::into_text(out), diff(row))
        };
        (0..batch.num_rows()).map(key).collect()
    }

    fn begin(&self, rows: &RecordBatch) {
        let keys = self.keys(rows, |_| 1);
        self.lock().reset(keys, now_ms());
    }

    fn go_on(&self, epochs: &[Arc<EpochChanges>]) {
        for epoch in epochs {
            let keys = self.keys(epoch.delta.batch(), |row| epoch.delta.diff(row));
            self.lock().take(keys, now_ms());
        }
    }

    /// Follows the view until it ends.
    async fn watch(self: Arc<Watched>) {
        let mut subscription = self.view.subscribe();
        let mut update = Some(Update::Reset(subscription.snapshot()));
        while let Some(next) = update.filter(|next| !matches!(next, Update::Dropped)) {
            let watched = self.clone();
            let taken = tokio::task::spawn_blocking(move || match next {
                Update::Progress { changes, .. } => watched.go_on(&changes),
                Update::Reset(snapshot) => watched.begin(&snapshot.batch),
                Update::Dropped => {}
            });
            if taken.await.is_err() {
                return;
            }
            update = subscription.next().await;
        }
    }
}

impl Journal {
    pub(super) fn new(engine: &Engine) -> Journal {
        Journal(engine.views_of(UnitId::PROGRAM).iter().filter_map(Watched::of).collect())
    }

    /// Follows all of them; never ends.
    pub(super) async fn watch(&self) {
        futures_util::future::join_all(self.0.iter().map(|watched| watched.clone().watch())).await;
        std::future::pending().await
    }

    fn body(&self, limit: usize) -> String {
        let mut all: Vec<(Alert, u64, &str, &str, String)> = Vec::new();
        let mut standing = 0;
        for watched in &self.0 {
            let held = watched.lock();
            standing += held.by_key.len();
            let newest = held.by_order.iter().rev().take(limit);
            let alert = |(&order, key): (&u64, &String)| {
                let (_, alert) = held.by_key.get(key)?;
                Some((*alert, order, watched.view.name(), watched.severity.as_str(), key.clone()))
            };
            all.extend(newest.filter_map(alert));
        }
        all.sort_by(|a, b| (b.0.since_ms, b.1).cmp(&(a.0.since_ms, a.1)).then(a.2.cmp(b.2)));
        all.truncate(limit);
        let one = |(alert, _, view, severity, key): &(Alert, u64, &str, &str, String)| {
            let (view, severity) = (json::text(view), json::text(severity));
            let Alert { since_ms, changes, .. } = alert;
            format!(r#"{{"view":{view},"severity":{severity},"since_ms":{since_ms},"changes":{changes},"key":{key}}}"#)
        };
        let alerts: Vec<String> = all.iter().map(one).collect();
        format!(r#"{{"standing":{standing},"alerts":[{}]}}"#, alerts.join(","))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    limit: Option<String>,
}

async fn alerts(State(app): State<App>, query: Result<Query<Asked>, QueryRejection>) -> Result<Response, Problem> {
    let Query(asked) = query.map_err(|error| asked::refused(&error))?;
    let limit = asked.limit.as_deref().map_or(Ok(LIMIT), limit)?;
    let body = app.lanes.encoding.run(|| app.alerts.body(limit)).await;
    Ok(([(header::CONTENT_TYPE, "application/json")], body).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn since(standing: &Standing) -> Vec<(&str, i64, u64)> {
        let one = |key: &String| {
            let (key, (_, alert)) = standing.by_key.get_key_value(key)?;
            Some((key.as_str(), alert.since_ms, alert.changes))
        };
        standing.by_order.values().filter_map(one).collect()
    }

    fn changes(changes: &[(&str, i64)]) -> Vec<(String, i64)> {
        changes.iter().map(|(key, diff)| ((*key).to_owned(), *diff)).collect()
    }

    #[test]
    fn an_alert_stands_since_it_came_whatever_changes() {
        let mut standing = Standing::default();
        standing.take(changes(&[("a", 1)]), 10);
        standing.take(changes(&[("a", -1), ("b", 1), ("a", 1)]), 20);
        assert_eq!(since(&standing), [("a", 10, 1), ("b", 20, 0)], "other values in one epoch are the same alert");
        standing.take(changes(&[("a", -1)]), 30);
        standing.take(changes(&[("a", 1)]), 40);
        assert_eq!(since(&standing), [("b", 20, 0), ("a", 40, 0)], "what went and comes again is new");
        standing.reset(changes(&[("a", 1), ("c", 1)]), 50);
        assert_eq!(since(&standing), [("a", 40, 0), ("c", 50, 0)], "what is still there keeps its time");
    }

    #[test]
    fn the_oldest_make_room() {
        let mut standing = Standing::default();
        for at in 0..STANDING_MAX as i64 + 5 {
            standing.take(vec![(at.to_string(), 1)], at);
        }
        assert_eq!((standing.by_key.len(), standing.by_order.len()), (STANDING_MAX, STANDING_MAX));
        assert_eq!(since(&standing)[0].0, "5");
        standing.take(changes(&[("0", -1)]), 1);
        assert_eq!(standing.by_key.len(), STANDING_MAX, "what is not known does not go");
    }
}
