//! What is said of a load test: a stage as text, all of it as JSON, and which stated bounds are broken.

use serde::Serialize;

use super::client::Sent;
use super::measure::{Latencies, Summary};
use crate::cli::progress::{counted, grouped};

/// What a stage asks for.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Plan {
    pub(super) clients: usize,
    /// Rows a second, of all clients together.
    pub(super) rate: f64,
    pub(super) seconds: f64,
    /// Rows of a message.
    pub(super) batch: usize,
}

/// How a stage went. `sent = accepted + rejected + turned_away + failed`.
#[derive(Debug, Serialize)]
pub(super) struct Stage {
    pub(super) plan: Plan,
    pub(super) sent: u64,
    pub(super) accepted: u64,
    pub(super) rejected: u64,
    pub(super) turned_away: u64,
    pub(super) failed: u64,
    /// Until the last answer, in seconds.
    pub(super) elapsed: f64,
    /// From due to acknowledged, all rows.
    pub(super) acknowledged: Option<Summary>,
    /// From due to visible, all accepted rows; null if no view could be read.
    pub(super) visible: Option<Summary>,
    /// Rows that were accepted and not visible in the end.
    pub(super) not_visible: u64,
    pub(super) first_failure: Option<String>,
    #[serde(skip)]
    latencies: Latencies,
}

impl Stage {
    pub(super) fn new(plan: Plan) -> Stage {
        Stage {
            plan,
            sent: 0,
            accepted: 0,
            rejected: 0,
            turned_away: 0,
            failed: 0,
            elapsed: 0.0,
            acknowledged: None,
            visible: None,
            not_visible: 0,
            first_failure: None,
            latencies: Latencies::default(),
        }
    }

    /// What one client did.
    pub(super) fn add(&mut self, client: Sent) {
        self.sent += client.sent;
        self.accepted += client.accepted;
        self.rejected += client.rejected;
        self.turned_away += client.turned_away;
        self.failed += client.failed;
        self.latencies.extend(client.latencies);
        self.first_failure = self.first_failure.take().or(client.reason);
    }

    /// When rows were visible, and how many were not; the last part of a stage.
    pub(super) fn finish(&mut self, (visible, missing): (Latencies, u64)) {
        self.visible = visible.summary();
        self.not_visible = missing;
        self.acknowledged = std::mem::take(&mut self.latencies).summary();
    }

    /// The share of the rows that the server did not take.
    pub(super) fn error_rate(&self) -> f64 {
        (self.sent - self.accepted) as f64 / self.sent.max(1) as f64
    }
}

impl std::fmt::Display for Stage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Plan { clients, rate, seconds, batch } = &self.plan;
        let per_second = |rows: u64| grouped((rows as f64 / self.elapsed.max(0.001)).round() as u64);
        let (clients, batch) = (counted(*clients as u64, "client"), counted(*batch as u64, "row"));
        writeln!(f, "{clients}, {} rows/s for {seconds} s, {batch} a message", grouped(*rate as u64))?;
        writeln!(f, "  sent          {:>12}   {} rows/s", grouped(self.sent), per_second(self.sent))?;
        writeln!(f, "  accepted      {:>12}   {} rows/s", grouped(self.accepted), per_second(self.accepted))?;
        writeln!(f, "  rejected      {:>12}", grouped(self.rejected))?;
        writeln!(f, "  turned away   {:>12}", grouped(self.turned_away))?;
        let reason = self.first_failure.as_ref().map_or(String::new(), |reason| format!("   {reason}"));
        writeln!(f, "  failed        {:>12}{reason}", grouped(self.failed))?;
        writeln!(f, "  error rate    {:>11.3} %", 100.0 * self.error_rate())?;
        let say = |summary: &Option<Summary>| summary.map_or("not measured".to_owned(), |summary| summary.to_string());
        writeln!(f, "  acknowledged  {}", say(&self.acknowledged))?;
        write!(f, "  visible       {}", say(&self.visible))?;
        match self.not_visible {
            0 => Ok(()),
            missing => write!(f, "   ({} never)", counted(missing, "row")),
        }
    }
}

/// All of a test.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) url: String,
    pub(super) source: String,
    /// The view that rows are to be visible in; null is all of them.
    pub(super) view: Option<String>,
    pub(super) stages: Vec<Stage>,
    /// The bounds that do not hold, in words.
    pub(super) broken: Vec<String>,
}

impl Report {
    /// Compares every stage with the stated bounds.
    pub(super) fn judge(&mut self, p99_ms: Option<f64>, error_rate: Option<f64>) {
        for stage in &self.stages {
            let name = format!("{} at {} rows/s", counted(stage.plan.clients as u64, "client"), stage.plan.rate);
            if let Some(most) = p99_ms {
                match stage.visible.or(stage.acknowledged) {
                    Some(found) if found.p99_ms <= most && stage.not_visible == 0 => {}
                    Some(found) if found.p99_ms > most => {
                        self.broken.push(format!("{name}: p99 is {:.1} ms, above {most} ms", found.p99_ms));
                    }
                    _ => self.broken.push(format!("{name}: p99 is not below {most} ms: some rows were never seen")),
                }
            }
            if let Some(most) = error_rate
                && stage.error_rate() > most
            {
                self.broken.push(format!("{name}: the error rate is {:.5}, above {most}", stage.error_rate()));
            }
        }
    }

    /// As JSON.
    pub(super) fn json(&self) -> String {
        match serde_json::to_string_pretty(self) {
            Ok(text) => text + "\n",
            Err(error) => unreachable!("a report has text keys and finite numbers: {error}"),
        }
    }
}
