//! A source of one's own: the load of this machine, read from `/proc/loadavg`, as a live stream with event time.
//!
//! What it takes: a [`Connector`] (name, options, columns) and a [`Reader`] that gives batches. Watermarks, lateness, dead
//! letters, backpressure and metrics are the engine's.
//!
//! `cargo run --example custom_source` reads ten times, ten times a second.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use arrow_array::{ArrayRef, Float64Array, Int64Array, RecordBatch, TimestampMillisecondArray};
use arrow_schema::{DataType, Field, FieldRef, SchemaRef, TimeUnit};
use highwater::engine::{Config, Engine};
use highwater::extend::{
    Connector, Decoded, OptionSpec, Options, Read, Reader, Replay, SourceError, SourceSpec, SplitId, Start,
};
use highwater::sql::{Catalog, plan};
use highwater::time::{Clock, now_ms};

#[derive(Debug)]
struct LoadAverage;

impl Connector for LoadAverage {
    fn name(&self) -> &'static str {
        "loadavg"
    }

    fn help(&self) -> &'static str {
        "the machine's load and running tasks"
    }

    fn options(&self) -> &'static [OptionSpec] {
        &[
            OptionSpec { name: "every", help: "how often to read (default 1 s)" },
            OptionSpec { name: "samples", help: "after how many reads to end (default: never)" },
        ]
    }

    fn default_columns(&self, _: &Options) -> Option<Vec<FieldRef>> {
        let time = DataType::Timestamp(TimeUnit::Millisecond, None);
        let columns = [("ts", time), ("load", DataType::Float64), ("running", DataType::Int64)];
        Some(columns.into_iter().map(|(name, of)| Arc::new(Field::new(name, of, true))).collect())
    }

    fn live(&self, _: &Options) -> bool {
        true
    }

    fn check(&self, spec: &SourceSpec) -> Result<(), SourceError> {
        spec.options.duration_ms("every")?;
        spec.options.parse::<u64>("samples", "a number of reads")?;
        Ok(())
    }

    fn replay(&self) -> Replay {
        Replay::Once
    }

    fn open(&self, spec: &SourceSpec, _: &[(SplitId, Start)]) -> Result<Vec<Box<dyn Reader>>, SourceError> {
        Ok(vec![Box::new(Samples {
            decoded: Arc::new(spec.physical.project(&spec.decode).unwrap_or_else(|_| unreachable!("planned columns"))),
            decode: spec.decode.clone(),
            every_ms: spec.options.duration_ms("every")?.unwrap_or(1_000).unsigned_abs(),
            left: spec.options.parse("samples", "a number of reads")?.unwrap_or(u64::MAX),
            clock: Clock::start(),
            next_ms: 0,
            read: 0,
        })])
    }
}

struct Samples {
    /// The columns asked for, and which of all columns they are.
    decoded: SchemaRef,
    decode: Vec<usize>,
    every_ms: u64,
    left: u64,
    clock: Clock,
    next_ms: u64,
    read: u64,
}

impl Reader for Samples {
    fn name(&self) -> &str {
        "/proc/loadavg"
    }

    fn read(&mut self) -> Result<Read, SourceError> {
        if self.left == 0 {
            return Ok(Read::End);
        }
        let early = self.next_ms.saturating_sub(self.clock.elapsed_ms());
        if early > 0 {
            return Ok(Read::Wait(Duration::from_millis(early)));
        }
        let text = std::fs::read_to_string(self.name()).map_err(|error| SourceError::Io {
            source_name: "loadavg".to_owned(),
            what: format!("reading {}", self.name()),
            error,
        })?;
        let words: Vec<&str> = text.split([' ', '/']).collect();
        let all: [ArrayRef; 3] = [
            Arc::new(TimestampMillisecondArray::from(vec![now_ms()])),
            Arc::new(Float64Array::from(vec![words.first().and_then(|word| word.parse().ok())])),
            Arc::new(Int64Array::from(vec![words.get(3).and_then(|word| word.parse().ok())])),
        ];
        let columns = self.decode.iter().map(|&column| all[column].clone()).collect();
        let batch = RecordBatch::try_new(self.decoded.clone(), columns).unwrap_or_else(|_| unreachable!("as declared"));
        (self.left, self.next_ms, self.read) = (self.left - 1, self.next_ms + self.every_ms, self.read + 1);
        Ok(Read::Rows(Decoded::rows(batch, self.read - 1)))
    }
}

const PROGRAM: &str = "
    CREATE SOURCE machine (ts TIMESTAMP(3), load DOUBLE, running BIGINT, WATERMARK FOR ts AS ts)
    WITH ('connector' = 'loadavg', 'every' = '100 ms', 'samples' = '10');

    CREATE SINK out WITH ('connector' = 'print') AS
    SELECT window_start, COUNT(*) AS samples, MAX(load) AS load, MAX(running) AS running
    FROM TABLE(TUMBLE(TABLE machine, DESCRIPTOR(ts), INTERVAL '0.5' SECOND))
    GROUP BY window_start, window_end;
";

fn main() -> Result<(), Box<dyn Error>> {
    let catalog = Catalog::new().with_source(LoadAverage)?;
    let dataflow = plan(&[("custom_source.sql".to_owned(), PROGRAM.to_owned())], &catalog)?;
    Engine::start(dataflow, Config::default())?.wait()?;
    Ok(())
}
