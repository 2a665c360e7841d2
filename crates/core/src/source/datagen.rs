//! `datagen`: rows at random, by column as Flink's connector of that name does, or of a ready `kind`: sensor, user and
//! system events, or a mix of them. Deterministic by `seed` if bounded (`number-of-rows`, or a sequence that ends).
//!
//! Row `n` happens at `start + n / rate` (live: now), less a delay: up to `disorder` for all, by a profile, and beyond it for a
//! share of `late-rate`, by up to `late-by`. Times are ms.

mod field;
mod ready;

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{FieldRef, Schema, SchemaRef};

use self::field::Maker;
use super::generated::{self, Turn, Turns, check_options};
use super::nexmark::partitions;
use super::random::Stream;
use super::{Connector, Read, Reader, Replay, SourceError, SourceSpec, SplitId, Start};
use crate::format::read_time;
use crate::options::{OptionError, OptionSpec, Options};
use crate::time::now_ms;

/// The connector `datagen`.
#[derive(Debug)]
pub(super) struct Datagen;

const OPTIONS: &[OptionSpec] = &[
    OptionSpec {
        name: "kind",
        help: "ready columns: sensor, user, system, or mixed (60, 25 and 15 % of them, with a column type)",
    },
    OptionSpec { name: "rows-per-second", help: "the pace of a live source, and of event time (default 10000)" },
    OptionSpec { name: "number-of-rows", help: "how many rows there are (default: rows keep coming)" },
    OptionSpec { name: "seed", help: "another seed gives other rows (default 0)" },
    OptionSpec { name: "start", help: "event time of the first row if bounded (default 2026-01-01T00:00:00Z)" },
    OptionSpec { name: "disorder", help: "how far event times are out of order, as a duration (default 0 s)" },
    OptionSpec {
        name: "delays",
        help: "how disorder is spread: uniform (default), skewed (most rows nearly in order), bursts (of each ten times disorder, one time it comes at once)",
    },
    OptionSpec { name: "late-rate", help: "the share of rows that come later than disorder, 0 to 1 (default 0)" },
    OptionSpec {
        name: "late-by",
        help: "how much later they come at most (default ten times disorder, at least 10 s)",
    },
    OptionSpec { name: "keys", help: "how many sensors, users and hosts the ready kinds have (default 1000)" },
    OptionSpec { name: "partitions", help: "how many threads make rows (default 1)" },
    OptionSpec {
        name: "fields.*",
        help: "fields.X.kind = random | sequence, fields.X.min, .max, .length and .values (how many different texts there are), .start, .end, .null-rate, .max-past of column X",
    },
];

impl Connector for Datagen {
    fn name(&self) -> &'static str {
        "datagen"
    }

    fn help(&self) -> &'static str {
        "generates rows: random or counting columns, or ready sensor, user and system events"
    }

    fn options(&self) -> &'static [OptionSpec] {
        OPTIONS
    }

    fn default_columns(&self, options: &Options) -> Option<Vec<FieldRef>> {
        ready::kind(options).ok()?.map(ready::columns)
    }

    fn live(&self, options: &Options) -> bool {
        !matches!(rows(options), Ok(Some(_)))
    }

    fn check(&self, spec: &SourceSpec) -> Result<(), SourceError> {
        check_options(spec, OPTIONS)?;
        partitions(&spec.options)?;
        Plan::new(spec).map(drop)
    }

    fn replay(&self) -> Replay {
        Replay::Seek
    }

    fn splits(&self, spec: &SourceSpec) -> Result<Vec<SplitId>, SourceError> {
        Ok(generated::splits(partitions(&spec.options)?))
    }

    fn open(&self, spec: &SourceSpec, splits: &[(SplitId, Start)]) -> Result<Vec<Box<dyn Reader>>, SourceError> {
        self.check(spec)?;
        let partitions = partitions(&spec.options)?;
        let rows = rows(&spec.options)?;
        let rate = rate(&spec.options)?;
        let now = now_ms();
        let reader = |(split, start): &(SplitId, Start)| -> Result<Box<dyn Reader>, SourceError> {
            let (partition, from) = (generated::number(spec, split, partitions)?, start.position());
            let name = if partitions == 1 { "datagen".to_owned() } else { format!("datagen-{partition}") };
            let mut plan = Plan::new(spec)?;
            if rows.is_none() {
                plan.times.start_ms = generated::began_ms(&from).unwrap_or(now);
            }
            let turns = Turns::new(rows, rate, partition, partitions, plan.times.start_ms).behind(&from);
            Ok(Box::new(DatagenReader { name, plan, turns: turns.map_err(|what| generated::refused(spec, what))? }))
        };
        splits.iter().map(reader).collect()
    }
}

fn invalid(name: &str, value: &str, reason: &str) -> OptionError {
    OptionError::Invalid { name: name.to_owned(), value: value.to_owned(), reason: reason.to_owned() }
}

/// How many rows there are in all, if they end.
fn rows(options: &Options) -> Result<Option<u64>, OptionError> {
    let number = options.parse::<u64>("number-of-rows", "a number of rows")?;
    Ok(field::shortest_sequence(options)?.into_iter().chain(number).min())
}

fn rate(options: &Options) -> Result<f64, OptionError> {
    let rate = options.parse::<f64>("rows-per-second", "a number")?.unwrap_or(10_000.0);
    if rate.is_finite() && rate > 0.0 && rate <= 1e12 {
        return Ok(rate);
    }
    Err(invalid(
        "rows-per-second",
        options.get("rows-per-second").unwrap_or_default(),
        "write a number above 0, up to 1e12",
    ))
}

/// The event time that a bounded generator begins at, in ms.
pub(super) fn start(options: &Options) -> Result<i64, OptionError> {
    /// 2026-01-01T00:00:00Z.
    const DEFAULT_START_MS: i64 = 1_767_225_600_000;
    let Some(text) = options.get("start") else { return Ok(DEFAULT_START_MS) };
    read_time(text).ok_or_else(|| invalid("start", text, "write a time like 2026-01-01T00:00:00Z"))
}

/// How the disorder of rows is spread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Delays {
    /// Any delay is as likely as any other.
    Uniform,
    /// Half of the rows are within a sixteenth of it.
    Skewed,
    /// Rows are in order, but for a stretch in ten: it comes as after an outage, all of the delay at first, then less and less.
    Bursts,
}

/// When rows happen.
#[derive(Debug)]
struct Times {
    /// The time of row 0.
    start_ms: i64,
    rate: f64,
    disorder_ms: i64,
    delays: Delays,
    late_rate: f64,
    late_by_ms: i64,
    delay: Stream,
    late: Stream,
}

impl Times {
    fn new(options: &Options, seed: u64) -> Result<Times, OptionError> {
        let late_rate = options.parse::<f64>("late-rate", "a share from 0 to 1")?.unwrap_or(0.0);
        if !(0.0..=1.0).contains(&late_rate) {
            return Err(invalid(
                "late-rate",
                options.get("late-rate").unwrap_or_default(),
                "write a share from 0 to 1",
            ));
        }
        let disorder_ms = options.duration_ms("disorder")?.unwrap_or(0);
        let delays = &[("uniform", Delays::Uniform), ("skewed", Delays::Skewed), ("bursts", Delays::Bursts)];
        Ok(Times {
            start_ms: if rows(options)?.is_some() { start(options)? } else { now_ms() },
            rate: rate(options)?,
            disorder_ms,
            delays: options.one_of("delays", delays)?.unwrap_or(Delays::Uniform),
            late_rate,
            late_by_ms: options.duration_ms("late-by")?.unwrap_or(disorder_ms.saturating_mul(10).max(10_000)).max(1),
            delay: Stream::new(seed, "delay"),
            late: Stream::new(seed, "late"),
        })
    }

    /// The event time of row `n` in ms. A late row is behind by the disorder, and by up to `late_by_ms` more.
    fn of(&self, n: u64) -> i64 {
        let due = (n as f64 / self.rate * 1000.0) as i64;
        let mut time = self.start_ms.saturating_add(due);
        if self.disorder_ms > 0 {
            time = time.saturating_sub(match self.delays {
                Delays::Uniform => self.delay.below(n, self.disorder_ms as u64 + 1) as i64,
                Delays::Skewed => {
                    let unit = self.delay.unit(n) * self.delay.unit(n);
                    (unit * unit * (self.disorder_ms as f64 + 1.0)) as i64
                }
                Delays::Bursts => (self.disorder_ms - due % self.disorder_ms.saturating_mul(10)).max(0),
            });
        }
        if self.late_rate > 0.0 && self.late.unit(n) < self.late_rate {
            let more = self.late.below(n ^ 1 << 63, self.late_by_ms as u64);
            time = time.saturating_sub(self.disorder_ms).saturating_sub(1 + more as i64);
        }
        time
    }
}

/// What rows are made of: one maker a wanted column.
struct Plan {
    times: Times,
    makers: Vec<Maker>,
    schema: SchemaRef,
}

impl Plan {
    fn new(spec: &SourceSpec) -> Result<Plan, SourceError> {
        let seed = spec.options.parse::<u64>("seed", "a whole number")?.unwrap_or(0);
        let kind = ready::kind(&spec.options)?;
        let keys = spec.options.parse::<u64>("keys", "a whole number")?.unwrap_or(1000);
        if !(1..=1 << 32).contains(&keys) {
            return Err(invalid("keys", &keys.to_string(), "write a number from 1 to 4294967296").into());
        }
        let refuse = |(what, remedy)| SourceError::Schema { source_name: spec.name.clone(), what, remedy };
        let columns = || spec.physical.fields().iter();
        field::check_names(&spec.options, columns().map(|field| field.name().as_str()), kind.is_some())?;
        // Every declared column is checked, also those that nothing reads.
        let make = |field: &FieldRef| -> Result<Maker, SourceError> {
            match kind {
                Some(kind) => ready::maker(kind, field, seed, keys).map_err(refuse),
                None => Maker::new(field, &spec.options, seed)?.map_err(refuse),
            }
        };
        let mut makers = columns().map(make).map(|maker| maker.map(Some)).collect::<Result<Vec<_>, _>>()?;
        let fields: Vec<_> = spec.decode.iter().map(|&column| spec.physical.fields()[column].clone()).collect();
        Ok(Plan {
            times: Times::new(&spec.options, seed)?,
            makers: spec.decode.iter().filter_map(|&column| makers[column].take()).collect(),
            schema: Arc::new(Schema::new(fields)),
        })
    }

    fn batch(&self, rows: std::ops::Range<u64>) -> RecordBatch {
        let times: Vec<i64> = rows.clone().map(|row| self.times.of(row)).collect();
        let columns: Vec<ArrayRef> = self.makers.iter().map(|maker| maker.column(rows.clone(), &times)).collect();
        let options = arrow_array::RecordBatchOptions::new().with_row_count(Some(times.len()));
        match RecordBatch::try_new_with_options(self.schema.clone(), columns, &options) {
            Ok(batch) => batch,
            Err(error) => unreachable!("makers are chosen by the schema: {error}"),
        }
    }
}

/// One partition.
struct DatagenReader {
    name: String,
    plan: Plan,
    turns: Turns,
}

impl Reader for DatagenReader {
    fn name(&self) -> &str {
        &self.name
    }

    fn read(&mut self) -> Result<Read, SourceError> {
        match self.turns.next() {
            Turn::End => Ok(Read::End),
            Turn::Wait(pause) => Ok(Read::Wait(pause)),
            Turn::Rows(rows) => {
                let batch = self.plan.batch(rows);
                Ok(Read::Rows(self.turns.decoded(batch)))
            }
        }
    }
}
