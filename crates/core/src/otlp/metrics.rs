//! The metrics of a scrape as an OTLP request.
//!
//! What is read is the OpenMetrics text that `/metrics` answers with, so both tell the same figures under the same names.
//! Counters become monotonic cumulative sums, gauges gauges, histograms cumulative histograms (OpenMetrics' buckets hold
//! all that is below their bound, OTLP's only what is above the bound before).

use serde_json::{Value, json};

use super::{Resource, scope, text};

/// One line of a family: what stands behind its name, its labels, its value.
struct Sample<'a> {
    suffix: &'a str,
    labels: Vec<(&'a str, String)>,
    value: f64,
}

/// A family and its lines.
struct Family<'a> {
    name: &'a str,
    kind: &'a str,
    help: String,
    samples: Vec<Sample<'a>>,
}

/// The request that tells the metrics of an OpenMetrics text, counted since `start_ms`, as of `now_ms` (ms since 1970).
/// Lines that are not of OpenMetrics are left out.
pub fn metrics(openmetrics: &str, resource: &Resource, start_ms: i64, now_ms: i64) -> Value {
    let times = Times { start: nanos(start_ms), now: nanos(now_ms) };
    let metrics: Vec<Value> = families(openmetrics).iter().filter_map(|family| metric(family, &times)).collect();
    json!({ "resourceMetrics": [
        { "resource": resource.json(), "scopeMetrics": [{ "scope": scope(), "metrics": metrics }] },
    ] })
}

struct Times {
    start: String,
    now: String,
}

/// Nanoseconds since 1970 as OTLP's JSON writes them.
fn nanos(ms: i64) -> String {
    (i128::from(ms.max(0)) * 1_000_000).to_string()
}

fn metric(family: &Family<'_>, times: &Times) -> Option<Value> {
    let numbers = |suffix: &str| -> Vec<Value> {
        let of_kind = family.samples.iter().filter(|sample| sample.suffix == suffix);
        of_kind.map(|sample| number(sample, times)).collect()
    };
    let (data, points) = match family.kind {
        "counter" => {
            ("sum", json!({ "aggregationTemporality": 2, "isMonotonic": true, "dataPoints": numbers("_total") }))
        }
        "gauge" => ("gauge", json!({ "dataPoints": numbers("") })),
        "histogram" => ("histogram", json!({ "aggregationTemporality": 2, "dataPoints": histograms(family, times) })),
        _ => return None,
    };
    let unit = match family.name {
        name if name.ends_with("_seconds") => "s",
        name if name.ends_with("_bytes") => "By",
        _ => "1",
    };
    Some(json!({ "name": family.name, "description": family.help, "unit": unit, data: points }))
}

fn attributes(labels: &[(&str, String)]) -> Vec<Value> {
    labels.iter().map(|(name, value)| text(name, value)).collect()
}

fn number(sample: &Sample<'_>, times: &Times) -> Value {
    let mut point = json!({
        "attributes": attributes(&sample.labels), "startTimeUnixNano": times.start, "timeUnixNano": times.now,
    });
    // Whole numbers that a double holds exactly are told as such.
    let whole = sample.value.fract() == 0.0 && sample.value.abs() < 9e15;
    point[if whole { "asInt" } else { "asDouble" }] = match whole {
        true => json!((sample.value as i64).to_string()),
        false => double(sample.value),
    };
    point
}

/// A double; what JSON's numbers cannot say is told as protobuf's JSON writes it.
fn double(value: f64) -> Value {
    match value {
        value if value.is_nan() => json!("NaN"),
        f64::INFINITY => json!("Infinity"),
        f64::NEG_INFINITY => json!("-Infinity"),
        value => json!(value),
    }
}

fn histograms(family: &Family<'_>, times: &Times) -> Vec<Value> {
    let mut points: Vec<Value> = Vec::new();
    let mut open: Option<Histogram> = None;
    // The lines of one set of labels stand together: the sum and the count, then the buckets in order.
    for sample in &family.samples {
        let labels: Vec<_> = sample.labels.iter().filter(|(name, _)| *name != "le").cloned().collect();
        if open.as_ref().is_none_or(|open| open.labels != labels) {
            points.extend(open.take().map(|open| open.json(times)));
        }
        let open = open.get_or_insert_with(|| Histogram { labels, ..Histogram::default() });
        match sample.suffix {
            "_sum" => open.sum = sample.value,
            "_count" => open.count = sample.value as u64,
            "_bucket" => {
                let below = sample.value as u64;
                open.counts.push(below.saturating_sub(open.below));
                open.below = below;
                let bound = sample.labels.iter().find(|(name, _)| *name == "le").map(|(_, bound)| bound.as_str());
                open.bounds.extend(bound.and_then(|bound| bound.parse::<f64>().ok()).filter(|bound| bound.is_finite()));
            }
            _ => {}
        }
    }
    points.extend(open.map(|open| open.json(times)));
    points
}

#[derive(Default)]
struct Histogram<'a> {
    labels: Vec<(&'a str, String)>,
    sum: f64,
    count: u64,
    bounds: Vec<f64>,
    counts: Vec<u64>,
    below: u64,
}

impl Histogram<'_> {
    fn json(self, times: &Times) -> Value {
        json!({
            "attributes": attributes(&self.labels), "startTimeUnixNano": times.start, "timeUnixNano": times.now,
            "count": self.count.to_string(), "sum": double(self.sum), "explicitBounds": self.bounds,
            "bucketCounts": self.counts.iter().map(u64::to_string).collect::<Vec<_>>(),
        })
    }
}

/// The families of an OpenMetrics text, in its order.
fn families(openmetrics: &str) -> Vec<Family<'_>> {
    let mut families: Vec<Family<'_>> = Vec::new();
    let mut helps: Vec<(&str, String)> = Vec::new();
    for line in openmetrics.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            helps.extend(rest.split_once(' ').map(|(name, help)| (name, unescaped(help))));
        } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
            let help = helps.iter().find(|(of, _)| *of == name).map(|(_, help)| help.clone()).unwrap_or_default();
            families.push(Family { name, kind, help, samples: Vec::new() });
        } else if let Some(family) = families.last_mut()
            && let Some(sample) = line.strip_prefix(family.name).and_then(sample)
        {
            family.samples.push(sample);
        }
    }
    families
}

/// What stands behind a family's name: `_total{a="b"} 3`.
fn sample(rest: &str) -> Option<Sample<'_>> {
    let (suffix, labels, value) = match rest.split_once('{') {
        // A brace behind the value belongs to an exemplar.
        Some((suffix, rest)) if !suffix.contains(' ') => {
            let (labels, rest) = labels(rest)?;
            (suffix, labels, rest)
        }
        _ => {
            let (suffix, rest) = rest.split_once(' ')?;
            (suffix, Vec::new(), rest)
        }
    };
    let value = value.split_ascii_whitespace().next()?.parse().ok()?;
    Some(Sample { suffix, labels, value })
}

/// The labels up to the closing brace, and what follows it.
fn labels(mut rest: &str) -> Option<(Vec<(&str, String)>, &str)> {
    let mut labels = Vec::new();
    loop {
        rest = rest.trim_start_matches(',');
        if let Some(rest) = rest.strip_prefix('}') {
            return Some((labels, rest));
        }
        let (name, quoted) = rest.split_once("=\"")?;
        let mut escaped = false;
        let end = quoted.char_indices().find(|(_, c)| {
            let ends = *c == '"' && !escaped;
            escaped = *c == '\\' && !escaped;
            ends
        });
        let (end, _) = end?;
        labels.push((name, unescaped(&quoted[..end])));
        rest = &quoted[end + 1..];
    }
}

/// Text without OpenMetrics' escapes: `\n`, `\"`, `\\`.
fn unescaped(text: &str) -> String {
    let (mut out, mut chars) = (String::with_capacity(text.len()), text.chars());
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('n') => out.push('\n'),
                Some(c) => out.push(c),
                None => out.push('\\'),
            },
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::metrics::{Metrics, label, labels};

    fn found(told: &Value) -> &Vec<Value> {
        told["resourceMetrics"][0]["scopeMetrics"][0]["metrics"].as_array().unwrap()
    }

    fn named<'a>(told: &'a Value, name: &str) -> &'a Value {
        found(told).iter().find(|metric| metric["name"] == name).unwrap()
    }

    #[test]
    fn what_a_scrape_shows_is_told_under_the_same_names() {
        let ours = Metrics::new();
        ours.events_received.get_or_create(&label("source", "a \"b\" \\ {c},\n=")).inc_by(3);
        ours.events_late.get_or_create(&labels(("source", "x"), ("outcome", "rejected"))).inc();
        ours.watermark_lag_seconds.get_or_create(&label("source", "x")).set(0.25);
        for seconds in [0.0001, 0.003, 0.003, 100.0] {
            ours.ingest_to_visible_seconds.observe(seconds);
        }
        let told = metrics(&ours.encode(), &Resource::new(None, ""), 1_000, 2_500);

        let received = &named(&told, "highwater_events_received")["sum"];
        assert_eq!((&received["isMonotonic"], &received["aggregationTemporality"]), (&json!(true), &json!(2)));
        let expected = json!([{
            "attributes": [{ "key": "source", "value": { "stringValue": "a \"b\" \\ {c},\n=" } }],
            "startTimeUnixNano": "1000000000", "timeUnixNano": "2500000000", "asInt": "3",
        }]);
        assert_eq!(received["dataPoints"], expected);
        let lag = named(&told, "highwater_watermark_lag_seconds");
        assert_eq!((&lag["unit"], &lag["gauge"]["dataPoints"][0]["asDouble"]), (&json!("s"), &json!(0.25)));

        let latency = &named(&told, "highwater_ingest_to_visible_seconds")["histogram"]["dataPoints"][0];
        assert_eq!((&latency["count"], &latency["sum"]), (&json!("4"), &json!(100.0061)));
        let (bounds, counts) =
            (latency["explicitBounds"].as_array().unwrap(), latency["bucketCounts"].as_array().unwrap());
        assert_eq!((bounds.len(), counts.len()), (16, 17));
        let counts: Vec<u64> = counts.iter().map(|count| count.as_str().unwrap().parse().unwrap()).collect();
        assert_eq!((counts[0], counts[3], counts[16], counts.iter().sum::<u64>()), (1, 2, 1, 4));
    }

    #[test]
    fn every_family_that_has_lines_is_told() {
        let ours = Metrics::new();
        ours.sse_clients.set(2);
        let text = ours.encode();
        let told = metrics(&text, &Resource::default(), 0, 0);
        let shown = text.lines().filter(|line| line.starts_with("# TYPE ")).count();
        assert_eq!(found(&told).len(), shown);
        assert_eq!(named(&told, "highwater_build_info")["gauge"]["dataPoints"][0]["asInt"], "1");
    }
}
