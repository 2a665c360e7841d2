//! A live source that a test pushes rows into: `(k, v, ts)`, any of them declared; and engines that read it.
#![allow(clippy::unwrap_used, dead_code, unreachable_pub)]

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use arrow_array::{ArrayRef, Int64Array, RecordBatch, TimestampMillisecondArray};
use arrow_schema::Schema;
use highwater::engine::{Config, Engine};
use highwater::sql::{Catalog, compile};
use highwater_core::options::{OptionSpec, Options};
use highwater_core::source::{Connector, Decoded, Read, Reader, Replay, SourceError, SourceSpec, SplitId, Start};

pub type Row = (i64, i64, i64);

fn feeds() -> &'static Mutex<HashMap<String, Receiver<Vec<Row>>>> {
    static FEEDS: OnceLock<Mutex<HashMap<String, Receiver<Vec<Row>>>>> = OnceLock::new();
    FEEDS.get_or_init(Mutex::default)
}

/// The pushing end.
pub struct Feed {
    name: String,
    rows: Mutex<Option<Sender<Vec<Row>>>>,
}

impl Feed {
    /// What a program calls it.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn new() -> Feed {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("feed-{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let (sender, receiver) = channel();
        feeds().lock().unwrap().insert(name.clone(), receiver);
        Feed { name, rows: Mutex::new(Some(sender)) }
    }

    pub fn push(&self, rows: Vec<Row>) {
        self.rows.lock().unwrap().as_ref().unwrap().send(rows).unwrap();
    }

    /// No more rows.
    pub fn end(&self) {
        self.rows.lock().unwrap().take();
    }
}

/// What programs that read feeds are planned with.
pub fn catalog() -> Catalog {
    Catalog::new().with_source(Fed).unwrap()
}

/// Starts a program whose feed is named `$`.
pub fn started(program: &str, feed: &Feed, config: Config) -> Engine {
    let text = program.replace('$', &feed.name);
    let compiled = compile(&[("test.sql".to_owned(), text)], &catalog());
    let compiled = compiled.unwrap_or_else(|errors| {
        panic!("{}", errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"));
    });
    Engine::start(compiled.dataflow, config).unwrap()
}

#[derive(Debug)]
struct Fed;

struct FedReader {
    name: String,
    rows: Receiver<Vec<Row>>,
    schema: Arc<Schema>,
    position: u64,
}

impl Connector for Fed {
    fn name(&self) -> &'static str {
        "feed"
    }

    fn help(&self) -> &'static str {
        "rows that a test pushes"
    }

    fn options(&self) -> &'static [OptionSpec] {
        &[OptionSpec { name: "feed", help: "which" }]
    }

    fn live(&self, _: &Options) -> bool {
        true
    }

    fn check(&self, _: &SourceSpec) -> Result<(), SourceError> {
        Ok(())
    }

    fn replay(&self) -> Replay {
        Replay::Once
    }

    fn open(&self, spec: &SourceSpec, splits: &[(SplitId, Start)]) -> Result<Vec<Box<dyn Reader>>, SourceError> {
        if splits.is_empty() {
            // It is another process's.
            return Ok(Vec::new());
        }
        let rows = feeds().lock().unwrap().remove(spec.options.get("feed").unwrap()).unwrap();
        let fields: Vec<_> = spec.decode.iter().map(|&column| spec.physical.fields()[column].clone()).collect();
        let schema = Arc::new(Schema::new(fields));
        Ok(vec![Box::new(FedReader { name: spec.name.clone(), rows, schema, position: 0 })])
    }
}

impl Reader for FedReader {
    fn name(&self) -> &str {
        &self.name
    }

    fn read(&mut self) -> Result<Read, SourceError> {
        let rows = match self.rows.try_recv() {
            Ok(rows) => rows,
            Err(TryRecvError::Empty) => return Ok(Read::Wait(Duration::from_millis(1))),
            Err(TryRecvError::Disconnected) => return Ok(Read::End),
        };
        let column = |name: &str| -> ArrayRef {
            match name {
                "k" => Arc::new(rows.iter().map(|row| row.0).collect::<Int64Array>()),
                "v" => Arc::new(rows.iter().map(|row| row.1).collect::<Int64Array>()),
                _ => Arc::new(TimestampMillisecondArray::from_iter_values(rows.iter().map(|row| row.2))),
            }
        };
        let columns = self.schema.fields().iter().map(|field| column(field.name())).collect();
        let batch = RecordBatch::try_new(self.schema.clone(), columns).unwrap();
        let before = self.position;
        self.position += rows.len() as u64;
        Ok(Read::Rows(Decoded::rows(batch, before)))
    }
}
