//! `GET /api/v1/history`: what was measured: the last 15 minutes by the second, the last 24 hours by the minute. A page has
//! something to show as soon as it is opened, whoever looked before.
//!
//! Looked at once a second, from counters that are there anyway: nothing on the way of a row knows of it. A minute has the
//! mean of its rates and the highest of its levels, so that no peak is lost. Seconds in which nobody could look (the
//! process was stopped) are not there: times are told, not assumed. Memory: at most [`SERIES_MAX`] series of
//! [`SECONDS`] + [`MINUTES`] numbers of four bytes.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::{Deserialize, Serialize};

use super::App;
use super::asked;
use super::json;
use super::measured::{How, Measure, measures, sample};
use super::problem::Problem;
use super::route::{Answer, Route, Shape, query};
use highwater_core::engine::Engine;
use highwater_core::time::{Clock, now_ms};

/// Points by the second, and by the minute.
const SECONDS: usize = 15 * 60;
const MINUTES: usize = 24 * 60;
/// Series that are kept; those of the engine and its sources come first.
const SERIES_MAX: usize = 600;

const MINUTE_MS: i64 = 60_000;

/// The call.
pub(super) const ROUTES: &[Route] =
    &[Route::get("/api/v1/history", "What was measured, by the second and by the minute", || get(history))
        .takes(&[
            query("step", "string", "`second` (default): the last 15 minutes; `minute`: the last 24 hours"),
            query(
                "of",
                "string",
                "Some of `engine`, `source`, `view`, `operator`, with commas between; all if not given",
            ),
        ])
        .answers(&[Answer::json("History")])];

/// What it returns.
pub(super) const SHAPES: &[Shape] = &[
    ("History", "step_ms:integer times_ms:[integer] series:[HistorySeries] left_out:integer"),
    ("HistorySeries", "index:integer kind:string of:string? name:string unit:string values:[number?]"),
];

/// See the module.
#[derive(Debug)]
pub(super) struct History {
    measures: Vec<Measure>,
    /// How many found no room.
    left_out: usize,
    clock: Clock,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    seconds: Points,
    minutes: Points,
    /// The values that rates are taken from, and when they were read.
    before: Option<(Duration, Vec<f64>)>,
    /// The minute that is not over.
    minute: Minute,
}

/// Values by time, a column a measure; not a number is not known.
#[derive(Debug, Default)]
struct Points {
    times_ms: VecDeque<i64>,
    columns: Vec<VecDeque<f32>>,
}

impl Points {
    fn push(&mut self, time_ms: i64, values: &[f32], most: usize) {
        self.columns.resize_with(values.len(), VecDeque::new);
        if self.times_ms.len() == most {
            self.times_ms.pop_front();
            for column in &mut self.columns {
                column.pop_front();
            }
        }
        self.times_ms.push_back(time_ms);
        self.columns.iter_mut().zip(values).for_each(|(column, value)| column.push_back(*value));
    }
}

/// The points of one minute, made into one: per measure the sum or the highest, and of how many.
#[derive(Debug, Default)]
struct Minute {
    of: i64,
    values: Vec<(f32, u32)>,
}

impl Minute {
    fn add(&mut self, measures: &[Measure], point: &[f32]) {
        self.values.resize(point.len(), (0.0, 0));
        for ((value, measure), new) in self.values.iter_mut().zip(measures).zip(point).filter(|(_, new)| !new.is_nan())
        {
            let (so_far, many) = *value;
            *value = match measure.how {
                How::Rate => (so_far + new, many + 1),
                How::Level => (if many == 0 { *new } else { so_far.max(*new) }, many + 1),
            };
        }
    }

    fn point(&self, measures: &[Measure]) -> Vec<f32> {
        let one = |(&(value, many), measure): (&(f32, u32), &Measure)| match (many, measure.how) {
            (0, _) => f32::NAN,
            (many, How::Rate) => value / many as f32,
            (_, How::Level) => value,
        };
        self.values.iter().zip(measures).map(one).collect()
    }
}

impl Kept {
    /// Takes what was read at a time; `now` tells how much later than the last.
    fn take(&mut self, measures: &[Measure], time_ms: i64, now: Duration, read: Vec<f64>) {
        let passed = self.before.as_ref().map(|(then, _)| now.saturating_sub(*then).as_secs_f64());
        let value = |at: usize| match (measures[at].how, &self.before, passed) {
            (How::Level, ..) => read[at],
            (How::Rate, Some((_, before)), Some(passed)) if passed > 0.0 => ((read[at] - before[at]) / passed).max(0.0),
            (How::Rate, ..) => f64::NAN,
        };
        let point: Vec<f32> = (0..measures.len()).map(|at| value(at) as f32).collect();
        let minute = time_ms.div_euclid(MINUTE_MS);
        if minute != self.minute.of && !self.minute.values.is_empty() {
            self.minutes.push(self.minute.of * MINUTE_MS, &self.minute.point(measures), MINUTES);
            self.minute = Minute::default();
        }
        self.minute.of = minute;
        self.minute.add(measures, &point);
        self.seconds.push(time_ms, &point, SECONDS);
        self.before = Some((now, read));
    }
}

impl History {
    pub(super) fn new(engine: &Engine) -> History {
        let mut measures = measures(engine);
        let left_out = measures.len().saturating_sub(SERIES_MAX);
        measures.truncate(SERIES_MAX);
        History { measures, left_out, clock: Clock::start(), kept: Mutex::default() }
    }

    /// Looks once a second; never ends.
    pub(super) async fn watch(&self, engine: &Engine) {
        let mut epochs = 0;
        loop {
            let mut read = sample(engine, &mut epochs);
            read.truncate(SERIES_MAX);
            self.lock().take(&self.measures, now_ms(), self.clock.elapsed(), read);
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Of the wanted kinds, all points.
    fn body(&self, minutes: bool, wanted: impl Fn(&str) -> bool) -> String {
        let kept = self.lock();
        let points = if minutes { &kept.minutes } else { &kept.seconds };
        let series = self.measures.iter().enumerate().filter(|(_, measure)| wanted(measure.kind));
        let one = |(index, measure): (usize, &Measure)| Series {
            index,
            kind: measure.kind,
            of: measure.of.clone(),
            name: measure.name,
            unit: measure.unit,
            values: points.columns.get(index).map(|column| column.iter().copied().collect()).unwrap_or_default(),
        };
        let (times_ms, series) = (points.times_ms.iter().copied().collect(), series.map(one).collect());
        drop(kept);
        let step_ms = if minutes { MINUTE_MS } else { 1000 };
        json::object(&Body { step_ms, times_ms, series, left_out: self.left_out })
    }
}

#[derive(Serialize)]
struct Body {
    step_ms: i64,
    times_ms: Vec<i64>,
    series: Vec<Series>,
    /// Series that found no room.
    left_out: usize,
}

#[derive(Serialize)]
struct Series {
    /// Its place among the values of the stream's event `history`.
    index: usize,
    /// `engine`, `source`, `view` or `operator`.
    kind: &'static str,
    /// The name of the source or view, the node's id.
    of: Option<String>,
    name: &'static str,
    unit: &'static str,
    /// As many as there are times; what was not known is null.
    values: Vec<f32>,
}

#[derive(Serialize)]
struct Point<'a> {
    time_ms: Option<i64>,
    values: &'a [f32],
}

/// The newest point of all series, as text.
pub(super) fn text(app: &App) -> String {
    let kept = app.history.lock();
    let values: Vec<f32> = kept.seconds.columns.iter().filter_map(|column| column.back().copied()).collect();
    json::object(&Point { time_ms: kept.seconds.times_ms.back().copied(), values: &values })
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
struct Asked {
    step: Option<String>,
    of: Option<String>,
}

async fn history(State(app): State<App>, query: Result<Query<Asked>, QueryRejection>) -> Result<Response, Problem> {
    let Query(asked) = query.map_err(|error| asked::refused(&error))?;
    let minutes = match asked.step.as_deref() {
        None | Some("second") => false,
        Some("minute") => true,
        Some(other) => return Err(Problem::bad_request(format!("step={other}: write second or minute"))),
    };
    let kinds: Vec<String> = asked.of.iter().flat_map(|of| of.split(',')).map(str::to_owned).collect();
    let known = ["engine", "source", "view", "operator"];
    if let Some(other) = kinds.iter().find(|kind| !known.contains(&kind.as_str())) {
        return Err(Problem::bad_request(format!("of={other}: write some of {}", known.join(", "))));
    }
    let wanted = |kind: &str| kinds.is_empty() || kinds.iter().any(|wanted| wanted == kind);
    let body = app.lanes.encoding.run(|| app.history.body(minutes, wanted)).await;
    Ok(([(header::CONTENT_TYPE, "application/json")], body).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two() -> Vec<Measure> {
        let measure = |how| Measure { kind: "engine", of: None, name: "x", unit: "rows", how };
        vec![measure(How::Rate), measure(How::Level)]
    }

    #[test]
    fn seconds_are_kept_for_a_quarter_of_an_hour_and_minutes_for_a_day() {
        let (measures, mut kept) = (two(), Kept::default());
        let start = 1_700_000_040_000;
        for second in 0..100_000_i64 {
            // A peak of one second in every minute.
            let level = if second % 60 == 7 { 50.0 } else { 1.0 };
            let now = Duration::from_secs(second.unsigned_abs());
            kept.take(&measures, start + second * 1000, now, vec![10.0 * second as f64, level]);
        }
        assert_eq!((kept.seconds.times_ms.len(), kept.minutes.times_ms.len()), (SECONDS, MINUTES));
        assert!(kept.seconds.columns.iter().all(|column| column.len() == SECONDS));
        assert_eq!(kept.seconds.times_ms.back(), Some(&(start + 99_999_000)));
        assert!(kept.minutes.columns[0].iter().all(|rate| (rate - 10.0).abs() < 1e-3), "the mean of a rate");
        assert!(kept.minutes.columns[1].iter().all(|level| *level == 50.0), "the highest of a level");
    }

    #[test]
    fn a_rate_is_by_the_time_that_passed_and_the_first_is_not_known() {
        let (measures, mut kept) = (two(), Kept::default());
        kept.take(&measures, 1000, Duration::from_secs(1), vec![100.0, f64::NAN]);
        kept.take(&measures, 9000, Duration::from_secs(9), vec![180.0, 3.0]);
        kept.take(&measures, 10_000, Duration::from_secs(10), vec![20.0, 4.0]);
        let rates = &kept.seconds.columns[0];
        assert!(rates[0].is_nan() && rates[1] == 10.0 && rates[2] == 0.0, "{rates:?}: never less than nothing");
        assert!(kept.seconds.columns[1][0].is_nan(), "what was not known is not zero");
        assert_eq!(kept.seconds.times_ms, [1000, 9000, 10_000], "nobody looked between: there is no point");
    }
}
