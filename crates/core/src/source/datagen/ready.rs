//! Ready events: readings of sensors, steps of users, measures of hosts, and a mix of them.
//!
//! Values are made by arithmetic that gives the same bits on every machine: waves are parabolas, not sines.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::builder::{Float64Builder, Int64Builder, StringBuilder};
use arrow_array::{ArrayRef, TimestampMillisecondArray};
use arrow_schema::{DataType, Field, FieldRef, TimeUnit};

use super::super::generated::digits;
use super::super::random::{Stream, below};
use super::field::Maker;
use crate::options::{OptionError, Options};
use crate::type_names::sql_type;

/// The ready kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Sensor,
    User,
    System,
    Mixed,
}

/// The kind asked for.
pub(super) fn kind(options: &Options) -> Result<Option<Kind>, OptionError> {
    options.one_of(
        "kind",
        &[("sensor", Kind::Sensor), ("user", Kind::User), ("system", Kind::System), ("mixed", Kind::Mixed)],
    )
}

/// How a column's value is drawn.
#[derive(Clone, Copy)]
enum Draw {
    Text(fn(&Draws, u64, i64, &mut String)),
    Long(fn(&Draws, u64, i64) -> i64),
    Double(fn(&Draws, u64, i64) -> f64),
    Time,
}

/// A column: its name, the kind that has it (mixed has all), and its values.
type Column = (&'static str, Kind, Draw);

const COLUMNS: &[Column] = &[
    (
        "type",
        Kind::Mixed,
        Draw::Text(|draws, row, _, out| out.push_str(["sensor", "user", "system"][draws.kind(row) as usize])),
    ),
    ("sensor_id", Kind::Sensor, Draw::Text(|draws, row, _, out| numbered("sensor-", draws.key(row), out))),
    ("kind", Kind::Sensor, Draw::Text(|draws, row, _, out| out.push_str(QUANTITIES[(draws.key(row) % 3) as usize].0))),
    ("location", Kind::Sensor, Draw::Text(|draws, row, _, out| numbered("site-", draws.key(row) / 3 % 20, out))),
    ("value", Kind::Sensor, Draw::Double(reading)),
    ("user_id", Kind::User, Draw::Text(|draws, row, _, out| numbered("user-", draws.key(row), out))),
    ("session_id", Kind::User, Draw::Text(session)),
    ("action", Kind::User, Draw::Text(|draws, row, _, out| out.push_str(weighted(ACTIONS, draws.first.at(row))))),
    ("page", Kind::User, Draw::Text(|draws, row, _, out| out.push_str(weighted(PAGES, draws.second.at(row))))),
    ("duration_ms", Kind::User, Draw::Long(|draws, row, _| skewed(draws.third.unit(row), 50.0, 30_000.0) as i64)),
    ("host", Kind::System, Draw::Text(|draws, row, _, out| numbered("host-", draws.key(row), out))),
    ("service", Kind::System, Draw::Text(|draws, row, _, out| out.push_str(SERVICES[(draws.key(row) % 6) as usize]))),
    ("level", Kind::System, Draw::Text(|draws, row, _, out| out.push_str(weighted(LEVELS, draws.first.at(row))))),
    ("cpu", Kind::System, Draw::Double(|draws, row, time| load(draws.second.normal(row), draws.key(row), time, 45.0))),
    (
        "memory",
        Kind::System,
        Draw::Double(|draws, row, time| load(draws.third.normal(row), draws.key(row) + 7, time, 60.0)),
    ),
    ("latency_ms", Kind::System, Draw::Double(|draws, row, _| rounded(skewed(draws.fourth.unit(row), 1.0, 2_000.0)))),
    ("ts", Kind::Mixed, Draw::Time),
];

/// What sensors measure: name, usual value, height of the daily and the hourly wave, noise.
const QUANTITIES: [(&str, f64, f64, f64, f64); 3] =
    [("temperature", 21.0, 6.0, 0.5, 0.3), ("humidity", 55.0, 15.0, 2.0, 1.0), ("pressure", 1013.0, 4.0, 0.3, 0.2)];
const ACTIONS: &[(&str, u64)] = &[("view", 60), ("click", 20), ("search", 12), ("add_to_cart", 6), ("purchase", 2)];
const PAGES: &[(&str, u64)] = &[
    ("/home", 30),
    ("/products", 25),
    ("/product", 20),
    ("/search", 12),
    ("/cart", 8),
    ("/checkout", 3),
    ("/help", 2),
];
const SERVICES: [&str; 6] = ["api", "auth", "billing", "search", "storage", "web"];
const LEVELS: &[(&str, u64)] = &[("INFO", 90), ("WARN", 8), ("ERROR", 2)];
const DAY_MS: i64 = 86_400_000;
const HOUR_MS: i64 = 3_600_000;

/// The random numbers of a row.
#[derive(Clone, Copy)]
struct Draws {
    keys: u64,
    mixed: bool,
    key: Stream,
    kind: Stream,
    first: Stream,
    second: Stream,
    third: Stream,
    fourth: Stream,
}

impl Draws {
    fn key(&self, row: u64) -> u64 {
        self.key.below(row, self.keys)
    }

    /// In a mix, what a row is: 60 % sensors, 25 % users, 15 % systems.
    fn kind(&self, row: u64) -> Kind {
        match self.kind.below(row, 100) {
            0..60 => Kind::Sensor,
            60..85 => Kind::User,
            _ => Kind::System,
        }
    }
}

/// Whether a kind has a column.
fn has(kind: Kind, column: &Column) -> bool {
    kind == Kind::Mixed || column.1 == kind || column.0 == "ts"
}

fn data_type(draw: Draw) -> DataType {
    match draw {
        Draw::Text(_) => DataType::Utf8,
        Draw::Long(_) => DataType::Int64,
        Draw::Double(_) => DataType::Float64,
        Draw::Time => DataType::Timestamp(TimeUnit::Millisecond, None),
    }
}

/// The columns of a kind.
pub(super) fn columns(kind: Kind) -> Vec<FieldRef> {
    let columns = COLUMNS.iter().filter(|column| has(kind, column));
    columns.map(|(name, _, draw)| Arc::new(Field::new(*name, data_type(*draw), true)) as FieldRef).collect()
}

/// The maker of a declared column, or what is wrong with it and what would do.
pub(super) fn maker(kind: Kind, field: &FieldRef, seed: u64, keys: u64) -> Result<Maker, (String, String)> {
    let found =
        COLUMNS.iter().filter(|column| has(kind, column)).find(|column| column.0.eq_ignore_ascii_case(field.name()));
    let Some(&(name, owner, draw)) = found else {
        let known: Vec<String> = columns(kind).iter().map(|field| field.name().clone()).collect();
        return Err((format!("this kind has no column '{}'", field.name()), format!("it has {}", known.join(", "))));
    };
    // A time may be declared as an instant too.
    let instant =
        matches!((draw, field.data_type()), (Draw::Time, DataType::Timestamp(TimeUnit::Millisecond, Some(_))));
    if data_type(draw) != *field.data_type() && !instant {
        let (made, declared) = (sql_type(&data_type(draw)), sql_type(field.data_type()));
        let what = format!("column '{name}' is {made}, not {declared}");
        return Err((what, "declare it so, or declare no columns at all".to_owned()));
    }
    if kind == Kind::Mixed && !matches!(name, "type" | "ts") && !field.is_nullable() {
        let what = format!("column '{name}' is NULL for the other kinds of the mix");
        return Err((what, "leave out NOT NULL".to_owned()));
    }
    let stream = |name| Stream::new(seed, name);
    let draws = Draws {
        keys,
        mixed: kind == Kind::Mixed && owner != Kind::Mixed,
        key: stream("key"),
        kind: stream("kind"),
        first: stream("first"),
        second: stream("second"),
        third: stream("third"),
        fourth: stream("fourth"),
    };
    let kind = field.data_type().clone();
    Ok(Maker::ready(move |rows, times| column(draws, owner, draw, &kind, rows, times)))
}

fn column(draws: Draws, owner: Kind, draw: Draw, kind: &DataType, rows: Range<u64>, times: &[i64]) -> ArrayRef {
    let here = |row: u64| !draws.mixed || draws.kind(row) == owner;
    match draw {
        Draw::Time => {
            Arc::new(TimestampMillisecondArray::new(times.to_vec().into(), None).with_data_type(kind.clone()))
        }
        Draw::Text(write) => {
            let mut column = StringBuilder::with_capacity(times.len(), 12 * times.len());
            let mut text = String::new();
            for (row, &time) in rows.zip(times) {
                text.clear();
                column.append_option(here(row).then(|| {
                    write(&draws, row, time, &mut text);
                    text.as_str()
                }));
            }
            Arc::new(column.finish())
        }
        Draw::Long(value) => {
            let mut column = Int64Builder::with_capacity(times.len());
            rows.zip(times).for_each(|(row, &time)| column.append_option(here(row).then(|| value(&draws, row, time))));
            Arc::new(column.finish())
        }
        Draw::Double(value) => {
            let mut column = Float64Builder::with_capacity(times.len());
            rows.zip(times).for_each(|(row, &time)| column.append_option(here(row).then(|| value(&draws, row, time))));
            Arc::new(column.finish())
        }
    }
}

fn numbered(prefix: &str, number: u64, out: &mut String) {
    out.push_str(prefix);
    let mut text = Vec::with_capacity(8);
    digits(number, 4, &mut text);
    out.extend(text.into_iter().map(char::from));
}

/// One of some words by their weights.
fn weighted(words: &[(&'static str, u64)], bits: u64) -> &'static str {
    let mut place = below(bits, words.iter().map(|(_, weight)| weight).sum());
    for (word, weight) in words {
        if place < *weight {
            return word;
        }
        place -= weight;
    }
    unreachable!("the place is below the sum of the weights")
}

/// A wave of height 1 and this period: two parabolas.
fn wave(time: i64, period: i64) -> f64 {
    let phase = time.rem_euclid(period) as f64 / period as f64 * 2.0;
    if phase < 1.0 { 4.0 * phase * (1.0 - phase) } else { -4.0 * (phase - 1.0) * (2.0 - phase) }
}

/// Mostly near `low`, seldom up to `high`.
fn skewed(unit: f64, low: f64, high: f64) -> f64 {
    low + (high - low) * unit * unit * unit * unit
}

/// To three decimals, as instruments show.
fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

/// A reading: a usual value, daily and hourly waves shifted by sensor, noise; one in a hundred is far off.
fn reading(draws: &Draws, row: u64, time: i64) -> f64 {
    let key = draws.key(row);
    let (_, usual, daily, hourly, noise) = QUANTITIES[(key % 3) as usize];
    let shifted = time.saturating_add((key % 1000) as i64 * 1000);
    let value = usual + daily * wave(time, DAY_MS) + hourly * wave(shifted, HOUR_MS) + noise * draws.first.normal(row);
    let bits = draws.second.at(row);
    let off = if below(bits, 100) == 0 { (5.0 + below(bits << 32, 100) as f64 / 20.0) * daily } else { 0.0 };
    rounded(if bits & 1 == 0 { value + off } else { value - off })
}

/// A load in percent.
fn load(normal: f64, key: u64, time: i64, usual: f64) -> f64 {
    let shifted = time.saturating_add((key % 24) as i64 * HOUR_MS / 2);
    rounded((usual + 25.0 * wave(shifted, DAY_MS) + 8.0 * normal).clamp(0.0, 100.0))
}

/// A user's session: a new one every half hour of event time, at a minute of its own.
fn session(draws: &Draws, row: u64, time: i64, out: &mut String) {
    let key = draws.key(row);
    let begun = time.saturating_add((key % 30) as i64 * 60_000).div_euclid(1_800_000);
    numbered("s-", key, out);
    out.push('-');
    out.push_str(&begun.to_string());
}
