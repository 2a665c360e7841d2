//! The rows that are generated: those of `datagen` or `nexmark`, or of the columns that a source of a program declares; their
//! event times moved to when they are due.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMillisecondType;
use arrow_array::{ArrayRef, RecordBatch, TimestampMillisecondArray};
use arrow_schema::{DataType, SchemaRef, TimeUnit};

use super::pattern::Schedule;
use crate::cli::{Outcome, program};
use highwater_core::source::{CONNECTORS, Read, Reader, SourceSpec};
use highwater_core::time::parse_duration_ms;
use highwater_sql::{Catalog, plan};

/// What is asked for.
#[derive(clap::Args, Clone, Debug)]
pub(in crate::cli) struct Asked {
    /// What to generate: sensor, user, system, mixed (60, 25 and 15 % of them), or person, auction, bid of Nexmark
    #[arg(default_value = "mixed", value_parser = KINDS)]
    pub(in crate::cli) kind: String,
    /// A program: generate rows for a source of it instead
    #[arg(long, value_name = "FILE.sql", requires = "source")]
    pub(in crate::cli) schema: Option<PathBuf>,
    /// The source of --schema; where rows go, if they go to a server
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) source: Option<String>,
    /// Another seed gives other rows
    #[arg(long, default_value_t = 0)]
    pub(in crate::cli) seed: u64,
    /// How many sensors, users and hosts there are; with --schema, how many texts a column has
    #[arg(long, default_value_t = 1000)]
    pub(in crate::cli) keys: u64,
    /// How far event times are out of order, like '2 s'
    #[arg(long, default_value = "0 s", value_name = "DURATION")]
    pub(in crate::cli) disorder: String,
    /// How the disorder is spread: any delay alike, most rows nearly in order, or in bursts as after an outage
    #[arg(long, default_value = "uniform", value_parser = ["uniform", "skewed", "bursts"])]
    pub(in crate::cli) delays: String,
    /// The share of rows that come later than that, 0 to 1
    #[arg(long, default_value_t = 0.0, value_name = "SHARE")]
    pub(in crate::cli) late_rate: f64,
    /// How much later they come at most [default: ten times --disorder, at least 10 s]
    #[arg(long, value_name = "DURATION")]
    pub(in crate::cli) late_by: Option<String>,
    /// Event time of the first row [default: now]
    #[arg(long, value_name = "TIME")]
    pub(in crate::cli) start: Option<String>,
}

const KINDS: [&str; 7] = ["sensor", "user", "system", "mixed", "person", "auction", "bid"];

/// Rows in order.
pub(in crate::cli) struct Rows {
    reader: Box<dyn Reader>,
    schema: SchemaRef,
    rate: f64,
    next: u64,
    held: Option<RecordBatch>,
}

impl Rows {
    /// `count` rows, `rate` of them a second of event time.
    pub(in crate::cli) fn open(asked: &Asked, count: u64, rate: f64) -> Result<Rows, Outcome> {
        let spec = spec(asked, count, rate)?;
        let failed = |error: highwater_core::source::SourceError| Outcome::usage(error);
        spec.connector.check(&spec).map_err(failed)?;
        let reader = highwater_core::source::open_all(&spec).map_err(failed)?.swap_remove(0);
        let mut rows = Rows { reader, schema: spec.physical.clone(), rate, next: 0, held: None };
        // The first are ready when the clock starts.
        rows.held = rows.read();
        Ok(rows)
    }

    /// Their columns.
    pub(in crate::cli) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The number of the next row.
    pub(in crate::cli) fn next(&self) -> u64 {
        self.next
    }

    /// The next rows, `most` at most, at the times of a schedule; none at the end.
    pub(in crate::cli) fn take(&mut self, most: usize, schedule: &Schedule) -> Option<RecordBatch> {
        let held = match self.held.take() {
            Some(held) => held,
            None => self.read()?,
        };
        let rows = held.num_rows().min(most);
        if rows < held.num_rows() {
            self.held = Some(held.slice(rows, held.num_rows() - rows));
        }
        let numbers = self.next..self.next + rows as u64;
        self.next = numbers.end;
        Some(retimed(&held.slice(0, rows), numbers, self.rate, schedule))
    }

    /// What [`Rows::take`] will give of what is made already.
    pub(in crate::cli) fn look(&self, most: usize, schedule: &Schedule) -> Option<RecordBatch> {
        let held = self.held.as_ref()?;
        let rows = held.num_rows().min(most);
        Some(retimed(&held.slice(0, rows), self.next..self.next + rows as u64, self.rate, schedule))
    }

    fn read(&mut self) -> Option<RecordBatch> {
        loop {
            match self.reader.read() {
                Ok(Read::Rows(decoded)) if decoded.batch.num_rows() > 0 => return Some(decoded.batch),
                Ok(Read::Rows(_)) => {}
                Ok(Read::Wait(pause)) => std::thread::sleep(pause),
                Ok(Read::Begins(_)) => {}
                Ok(Read::End) | Err(_) => return None,
            }
        }
    }
}

/// Generators give row `n` the time `n / rate`, less its delay; a pattern has it due at another time.
fn retimed(batch: &RecordBatch, numbers: Range<u64>, rate: f64, schedule: &Schedule) -> RecordBatch {
    let moved = |n: u64| ((schedule.time_of(n) - n as f64 / rate) * 1000.0).round() as i64;
    let by: Vec<i64> = numbers.map(moved).collect();
    let column = |column: &ArrayRef| match column.data_type() {
        DataType::Timestamp(TimeUnit::Millisecond, _) => {
            let times = column.as_primitive::<TimestampMillisecondType>();
            let moved = times.iter().zip(&by).map(|(time, by)| time.map(|time| time.saturating_add(*by)));
            Arc::new(moved.collect::<TimestampMillisecondArray>()) as ArrayRef
        }
        _ => column.clone(),
    };
    match RecordBatch::try_new(batch.schema(), batch.columns().iter().map(column).collect()) {
        Ok(batch) => batch,
        Err(error) => unreachable!("the columns keep their types and lengths: {error}"),
    }
}

fn spec(asked: &Asked, count: u64, rate: f64) -> Result<SourceSpec, Outcome> {
    let quoted = |text: &str| text.replace('\'', "''");
    let start =
        quoted(asked.start.as_deref().unwrap_or(&highwater_core::time::format_time_ms(highwater_core::time::now_ms())));
    let (seed, keys) = (asked.seed, asked.keys);
    let (disorder, delays, late) = (quoted(&asked.disorder), &asked.delays, asked.late_rate);
    let late_by = asked.late_by.as_ref().map_or(String::new(), |by| format!(", 'late-by' = '{}'", quoted(by)));
    let paced = format!(
        "'connector' = 'datagen', 'number-of-rows' = '{count}', 'rows-per-second' = '{rate}', 'start' = '{start}', \
         'seed' = '{seed}', 'disorder' = '{disorder}', 'delays' = '{delays}', 'late-rate' = '{late}'{late_by}"
    );
    if let (Some(file), Some(name)) = (&asked.schema, &asked.source) {
        let dataflow = program::read(std::slice::from_ref(file))?.dataflow;
        let found = dataflow.sources.into_iter().find(|source| source.name.eq_ignore_ascii_case(name));
        let Some(mut spec) = found else {
            return Err(Outcome::usage(format!("{}: no view and no sink reads a source '{name}'", file.display())));
        };
        let Some(datagen) = CONNECTORS.iter().find(|connector| connector.name() == "datagen") else {
            unreachable!("datagen is a connector");
        };
        // As a source of datagen with the same columns, all of them.
        spec.connector = (*datagen).into();
        let paced = first(&format!("CREATE SOURCE rows_ (n BIGINT) WITH ({paced})"))?.options;
        let texts = spec.physical.fields().iter().filter(|field| *field.data_type() == DataType::Utf8);
        let of_texts = texts.flat_map(|field| {
            let option = |part: &str, value: String| (format!("fields.{}.{part}", field.name().to_lowercase()), value);
            [option("values", keys.to_string()), option("length", 12.to_string())]
        });
        let paced = paced.iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
        spec.options = paced.chain(of_texts).collect();
        spec.decode = (0..spec.physical.fields().len()).collect();
        return Ok(spec);
    }
    let with = match asked.kind.as_str() {
        kind @ ("person" | "auction" | "bid") => {
            // Of 50 events of Nexmark 1 is a person, 3 are auctions and 46 bids.
            let share = [("person", 1.0), ("auction", 3.0), ("bid", 46.0)].iter().find(|one| one.0 == kind);
            let more = 50.0 / share.map_or(50.0, |share| share.1);
            let pace = (rate * more).ceil();
            // Its rows change places within groups of so many.
            let group = match parse_duration_ms(&asked.disorder) {
                Ok(ms) => ((ms as f64 / 1000.0 * pace).round() as u64).max(1),
                Err(reason) => return Err(Outcome::usage(format!("--disorder: {reason}"))),
            };
            if late > 0.0 || asked.late_by.is_some() || delays != "uniform" {
                let no = "--late-rate, --late-by and --delays: the rows of Nexmark have none; --disorder they have";
                return Err(Outcome::usage(no));
            }
            // Some more, so that there are enough wherever the last fifty begin.
            let events = (count as f64 * more).ceil() + 50.0;
            format!(
                "'connector' = 'nexmark', 'table' = '{kind}', 'seed' = '{seed}', 'start' = '{start}', \
                 'events.num' = '{events}', 'first-event.rate' = '{pace}', 'next-event.rate' = '{pace}', \
                 'out-of-order.group-size' = '{group}'"
            )
        }
        kind => format!("{paced}, 'kind' = '{kind}', 'keys' = '{keys}'"),
    };
    let mut spec = first(&format!("CREATE SOURCE rows_ WITH ({with})"))?;
    spec.decode = (0..spec.physical.fields().len()).collect();
    Ok(spec)
}

/// The source that a statement declares.
fn first(statement: &str) -> Result<SourceSpec, Outcome> {
    let text = format!("{statement}; CREATE SINK nothing_ WITH ('connector' = 'blackhole') AS SELECT * FROM rows_;");
    match plan(&[("--".to_owned(), text)], &Catalog::new()) {
        Ok(dataflow) => {
            dataflow.sources.into_iter().next().ok_or_else(|| Outcome::usage("there is nothing to generate"))
        }
        Err(errors) => {
            let reasons: Vec<String> = errors.iter().map(|error| error.message.clone()).collect();
            Err(Outcome::usage(reasons.join("; ")))
        }
    }
}
