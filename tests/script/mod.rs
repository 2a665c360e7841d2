//! A source that plays a script, a sink that remembers, and small plans made by hand, for tests of the engine alone.
//!
//! Rows are `(k, ts, v)`: a key, an event time in ms, a value.
#![allow(clippy::unwrap_used, dead_code, unreachable_pub)]

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use arrow_array::{Array, Int64Array, RecordBatch, TimestampMillisecondArray};
use arrow_cast::display::array_value_to_string;
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use highwater::engine::{Config, Engine};
use highwater::time::Epoch;
use highwater_core::aggregate;
use highwater_core::delta::Delta;
use highwater_core::options::{OptionSpec, Options};
use highwater_core::plan::*;
use highwater_core::sink::{SinkConnector, SinkError, SinkSpec, Writer};
use highwater_core::source::{
    Connector, Decoded, Read, Reader, Replay, SourceError, SourceSpec, SplitId, Start, TimeSpec,
};

pub type Row = (i64, i64, i64);

/// What a partition does next.
#[derive(Clone, Debug)]
pub enum Act {
    /// Brings rows.
    Rows(Vec<Row>),
    /// Waits until the gate of that number is open.
    Gate(usize),
    /// Takes that long over it.
    Pause(Duration),
    /// Never ends.
    Hang,
    /// Panics.
    Panic,
}

#[derive(Clone, Debug, Default)]
pub struct Script {
    pub partitions: Vec<Vec<Act>>,
    pub live: bool,
}

#[derive(Debug, Default)]
struct Stage {
    scripts: HashMap<String, Script>,
    gates: HashMap<usize, bool>,
    written: HashMap<String, Vec<(Epoch, String)>>,
    closed: HashMap<String, usize>,
}

fn stage() -> &'static Mutex<Stage> {
    static STAGE: OnceLock<Mutex<Stage>> = OnceLock::new();
    STAGE.get_or_init(Mutex::default)
}

fn number() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// A closed gate.
pub fn gate() -> usize {
    let gate = number();
    stage().lock().unwrap().gates.insert(gate, false);
    gate
}

pub fn open(gate: usize) {
    stage().lock().unwrap().gates.insert(gate, true);
}

/// What a sink was handed, in order: the epoch, and `+2 a,b` per change.
pub fn written(sink: &str) -> Vec<(Epoch, String)> {
    stage().lock().unwrap().written.get(sink).cloned().unwrap_or_default()
}

/// How many writers of a sink were closed.
pub fn closed(sink: &str) -> usize {
    stage().lock().unwrap().closed.get(sink).copied().unwrap_or(0)
}

pub fn schema() -> SchemaRef {
    let time = DataType::Timestamp(TimeUnit::Millisecond, None);
    Arc::new(Schema::new(vec![
        Field::new("k", DataType::Int64, true),
        Field::new("ts", time, true),
        Field::new("v", DataType::Int64, true),
    ]))
}

pub fn batch(rows: &[Row]) -> RecordBatch {
    let keys: Int64Array = rows.iter().map(|row| Some(row.0)).collect();
    let times = TimestampMillisecondArray::from_iter_values(rows.iter().map(|row| row.1));
    let values: Int64Array = rows.iter().map(|row| Some(row.2)).collect();
    RecordBatch::try_new(schema(), vec![Arc::new(keys), Arc::new(times), Arc::new(values)]).unwrap()
}

#[derive(Debug)]
pub struct Scripted;

#[derive(Debug)]
struct Player {
    name: String,
    acts: VecDeque<Act>,
    position: u64,
}

impl Reader for Player {
    fn name(&self) -> &str {
        &self.name
    }

    fn read(&mut self) -> Result<Read, SourceError> {
        match self.acts.front().cloned() {
            None => Ok(Read::End),
            Some(Act::Hang) => Ok(Read::Wait(Duration::from_millis(20))),
            Some(Act::Panic) => panic!("the script says so"),
            Some(Act::Gate(gate)) => {
                if stage().lock().unwrap().gates[&gate] {
                    self.acts.pop_front();
                }
                Ok(Read::Wait(Duration::from_millis(1)))
            }
            Some(Act::Pause(pause)) => {
                self.acts.pop_front();
                Ok(Read::Wait(pause))
            }
            Some(Act::Rows(rows)) => {
                self.acts.pop_front();
                let before = self.position;
                self.position += rows.len() as u64;
                let batch = batch(&rows);
                Ok(Read::Rows(Decoded::rows(batch, before)))
            }
        }
    }
}

impl Connector for Scripted {
    fn name(&self) -> &'static str {
        "scripted"
    }

    fn help(&self) -> &'static str {
        "plays a script"
    }

    fn options(&self) -> &'static [OptionSpec] {
        &[]
    }

    fn live(&self, options: &Options) -> bool {
        stage().lock().unwrap().scripts[options.get("script").unwrap()].live
    }

    fn check(&self, _: &SourceSpec) -> Result<(), SourceError> {
        Ok(())
    }

    fn replay(&self) -> Replay {
        Replay::Seek
    }

    fn splits(&self, spec: &SourceSpec) -> Result<Vec<SplitId>, SourceError> {
        let partitions = stage().lock().unwrap().scripts[spec.options.get("script").unwrap()].partitions.len();
        Ok((0..partitions).map(|partition| SplitId::new(partition.to_string())).collect())
    }

    fn open(&self, spec: &SourceSpec, splits: &[(SplitId, Start)]) -> Result<Vec<Box<dyn Reader>>, SourceError> {
        let script = stage().lock().unwrap().scripts[spec.options.get("script").unwrap()].clone();
        let readers = script.partitions.into_iter().enumerate().map(|(index, acts)| {
            let name = format!("{}/{index}", spec.name);
            Box::new(Player { name, acts: acts.into(), position: 0 }) as Box<dyn Reader>
        });
        let ours = |index: usize| splits.iter().any(|(split, _)| split.as_str() == index.to_string());
        Ok(readers.enumerate().filter(|(index, _)| ours(*index)).map(|(_, reader)| reader).collect())
    }
}

#[derive(Debug)]
pub struct Remembering;

struct Memory(String);

impl SinkConnector for Remembering {
    fn name(&self) -> &'static str {
        "remembering"
    }

    fn help(&self) -> &'static str {
        "remembers"
    }

    fn options(&self) -> &'static [OptionSpec] {
        &[]
    }

    fn check(&self, _: &SinkSpec) -> Result<(), SinkError> {
        Ok(())
    }

    fn per_worker(&self, spec: &SinkSpec) -> bool {
        spec.options.get("per-worker").is_some()
    }

    fn open(&self, spec: &SinkSpec, _: usize, _: usize) -> Result<Box<dyn Writer>, SinkError> {
        Ok(Box::new(Memory(spec.name.clone())))
    }
}

impl Writer for Memory {
    fn write(&mut self, epoch: Epoch, changes: &Delta) -> Result<(), SinkError> {
        if self.0.starts_with("failing") {
            let error = std::io::Error::other("no space left");
            return Err(SinkError::Io { sink: self.0.clone(), what: "writing".to_owned(), error });
        }
        let mut stage = stage().lock().unwrap();
        let written = stage.written.entry(self.0.clone()).or_default();
        written.extend(lines(changes).into_iter().map(|line| (epoch, line)));
        Ok(())
    }

    fn flush(&mut self) -> Result<(), SinkError> {
        Ok(())
    }

    fn close(&mut self) -> Result<(), SinkError> {
        *stage().lock().unwrap().closed.entry(self.0.clone()).or_insert(0) += 1;
        Ok(())
    }
}

/// Changes as text.
pub fn lines(changes: &Delta) -> Vec<String> {
    (0..changes.len()).map(|row| format!("{:+} {}", changes.diff(row), line(changes.batch(), row))).collect()
}

/// A row as text.
pub fn line(batch: &RecordBatch, row: usize) -> String {
    let cell = |column: &Arc<dyn Array>| array_value_to_string(column, row).unwrap();
    batch.columns().iter().map(cell).collect::<Vec<_>>().join(",")
}

/// A plan under construction.
#[derive(Debug, Default)]
pub struct Program(pub Dataflow);

#[derive(Clone, Copy, Debug)]
pub struct Timing {
    pub bound_ms: i64,
    pub lateness_ms: Option<i64>,
    pub idle: Option<Duration>,
}

pub const STRICT: Timing = Timing { bound_ms: 0, lateness_ms: Some(0), idle: None };

impl Program {
    /// A source that plays `script`; answers its node.
    pub fn source(&mut self, name: &str, script: Script, timing: Timing) -> NodeId {
        let key = format!("script-{}", number());
        stage().lock().unwrap().scripts.insert(key.clone(), script);
        let time = TimeSpec {
            column: 1,
            bound_ms: timing.bound_ms,
            lateness_ms: timing.lateness_ms,
            idle_timeout: timing.idle,
            idle_by_clock: false,
            max_future_skew_ms: i64::MAX,
        };
        let mut spec = SourceSpec::new(name, (&Scripted as &dyn Connector).into(), schema());
        spec.options = [("script".to_owned(), key)].into_iter().collect();
        spec.time = Some(time);
        self.0.sources.push(spec);
        let bounds = vec![None, timing.lateness_ms.map(|lateness| -lateness), None];
        let facts = Facts { append_only: true, time: Some(1), bounds, ..Facts::default() };
        let op = Op::Source { source: self.0.sources.len() - 1 };
        self.node(Node { op, inputs: Vec::new(), schema: schema(), facts })
    }

    fn node(&mut self, node: Node) -> NodeId {
        self.0.nodes.push(node);
        self.0.nodes.len() - 1
    }

    pub fn union(&mut self, inputs: Vec<NodeId>) -> NodeId {
        let Node { schema, facts, .. } = self.0.nodes[inputs[0]].clone();
        self.node(Node { op: Op::Union, inputs, schema, facts })
    }

    /// `SELECT k, window, COUNT(*), SUM(v)` over tumbling windows; answers `(k, start, end, time, count, sum)`.
    pub fn tumble(&mut self, input: NodeId, size: i64, emit: Emit, lateness_ms: Option<i64>) -> NodeId {
        let pane = Pane::Windows { time: 1, window: Window::Tumble { size, offset: 0 }, zone: None };
        self.reduce(input, pane, emit, lateness_ms)
    }

    /// `SELECT k, COUNT(*), SUM(v) GROUP BY k`.
    pub fn totals(&mut self, input: NodeId) -> NodeId {
        self.reduce(input, Pane::Unbounded, Emit::Changes, Some(0))
    }

    fn reduce(&mut self, input: NodeId, pane: Pane, emit: Emit, lateness_ms: Option<i64>) -> NodeId {
        let call = |name: &str, args: Vec<usize>| AggregateCall {
            function: aggregate::find(name).unwrap(),
            args,
            literals: Vec::new(),
            order: Vec::new(),
            distinct: false,
            filter: None,
            output: DataType::Int64,
            name: name.to_lowercase(),
        };
        let windowed = pane != Pane::Unbounded;
        let time = || DataType::Timestamp(TimeUnit::Millisecond, None);
        let mut fields = vec![Field::new("k", DataType::Int64, true)];
        if windowed {
            fields.extend(["window_start", "window_end", "window_time"].map(|name| Field::new(name, time(), true)));
        }
        fields.extend(["count", "sum"].map(|name| Field::new(name, DataType::Int64, true)));
        let facts = Facts {
            append_only: windowed && emit == Emit::Final && lateness_ms == Some(0),
            key: Some(if windowed { vec![0, 1, 2] } else { vec![0] }),
            closes: windowed.then_some(3),
            bounds: vec![None; fields.len()],
            ..Facts::default()
        };
        let aggregates = vec![call("COUNT", Vec::new()), call("SUM", vec![2])];
        let reduce = Reduce { keys: vec![0], pane, aggregates, emit, lateness_ms, retracting: false };
        self.node(Node { op: Op::Reduce(reduce), inputs: vec![input], schema: Arc::new(Schema::new(fields)), facts })
    }

    pub fn view(&mut self, name: &str, node: NodeId) -> &mut Program {
        self.view_with(name, node, &[])
    }

    pub fn view_with(&mut self, name: &str, node: NodeId, options: &[(&str, &str)]) -> &mut Program {
        let Node { schema, facts, .. } = &self.0.nodes[node];
        self.0.views.push(ViewSpec {
            name: name.to_owned(),
            node,
            columns: (0..schema.fields().len()).collect(),
            schema: schema.clone(),
            key: facts.key.clone(),
            closes: facts.closes,
            emit: Emit::Changes,
            sql: format!("view {name}"),
            options: options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        });
        self
    }

    pub fn sink(&mut self, name: &str, node: NodeId) -> &mut Program {
        let Node { schema, facts, .. } = &self.0.nodes[node];
        let (schema, retracting) = (schema.clone(), !facts.append_only);
        let columns = (0..schema.fields().len()).collect();
        let mut spec = SinkSpec::new(name, (&Remembering as &dyn SinkConnector).into(), schema);
        spec.retracting = retracting;
        self.0.sinks.push(SinkPlan { spec, node, columns });
        self
    }

    pub fn start(&self, workers: usize) -> Engine {
        self.start_with(Config::default().workers(workers))
    }

    pub fn start_with(&self, config: Config) -> Engine {
        Engine::start(self.0.clone(), config).unwrap()
    }
}

/// The acts of two inputs that fall silent one after the other, one 16 s of event time ahead of the other.
/// `ahead_first` says whether it is the first to be silent.
pub fn falling_silent(ahead_first: bool, pause: Duration) -> [Vec<Act>; 2] {
    let (ahead, behind) = (Act::Rows(vec![(1, 31_000, 1)]), |ts| Act::Rows(vec![(2, ts, 1)]));
    match ahead_first {
        true => [vec![ahead, Act::Hang], vec![behind(12_000), Act::Pause(pause), behind(15_000), Act::Hang]],
        false => [vec![Act::Pause(pause), ahead, Act::Hang], vec![behind(12_000), behind(15_000), Act::Hang]],
    }
}

/// A name nobody else uses.
pub fn unique(name: &str) -> String {
    format!("{name}-{}", number())
}

/// Waits until a view is as it should be, from one of its epochs to the next; panics after 20 s.
pub fn comes_to(engine: &Engine, view: &str, what: &str, mut holds: impl FnMut() -> bool) {
    let (view, start) = (engine.views().get(view).unwrap(), Instant::now());
    loop {
        let seen = view.as_of();
        if holds() {
            return;
        }
        let left = Duration::from_secs(20).saturating_sub(start.elapsed());
        assert!(!left.is_zero(), "in 20 s it did not come to this: {what}");
        view.wait_past(seen, left);
    }
}

/// Waits until something holds of which nobody tells when it changes (figures, and what stands outside of the engine); panics after 20 s.
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..4000 {
        if holds() {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("in 20 s it did not come to this: {what}");
}

/// A seeded generator (splitmix64).
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&mut self, bound: u64) -> i64 {
        (self.next() % bound) as i64
    }
}

/// Rows around a moving time, out of order by up to `disorder`.
pub fn disordered(seed: u64, rows: usize, keys: u64, step_ms: u64, disorder: u64) -> Vec<Row> {
    let mut random = Random(seed);
    let mut now = -5_000;
    let row = |_| {
        now += random.below(step_ms);
        (random.below(keys), now - random.below(disorder), random.below(100))
    };
    (0..rows).map(row).collect()
}

/// The rows as acts of `size` rows each.
pub fn acts(rows: &[Row], size: usize) -> Vec<Act> {
    rows.chunks(size).map(|rows| Act::Rows(rows.to_vec())).collect()
}

/// How far a view is.
pub fn watermark(engine: &Engine, view: &str) -> i64 {
    engine.views().get(view).unwrap().as_of().watermark
}

/// The rows of a view as text, sorted.
pub fn rows(engine: &Engine, view: &str) -> Vec<String> {
    let snapshot = engine.views().get(view).unwrap().snapshot();
    (0..snapshot.batch.num_rows()).map(|row| line(&snapshot.batch, row)).collect()
}

/// Partitions of a live source.
pub fn live(partitions: Vec<Vec<Act>>) -> Script {
    Script { partitions, live: true }
}

/// Partitions of a bounded source.
pub fn bounded(partitions: Vec<Vec<Act>>) -> Script {
    Script { partitions, live: false }
}

/// Free addresses on this machine.
pub fn addresses(processes: usize) -> Vec<String> {
    let taken: Vec<_> = (0..processes).map(|_| std::net::TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    taken.iter().map(|listener| listener.local_addr().unwrap().to_string()).collect()
}

/// Starts a program as several processes of one cluster, all in this one.
pub fn start_cluster(program: &Program, processes: usize, workers: usize) -> Vec<Engine> {
    let addresses = addresses(processes);
    let start = |process: usize| {
        program.start_with(Config::default().workers(workers).with(|config| {
            config.process = process;
            config.addresses = addresses.clone();
        }))
    };
    std::thread::scope(|scope| {
        let start = &start;
        let running: Vec<_> = (0..processes).map(|process| scope.spawn(move || start(process))).collect();
        running.into_iter().map(|running| running.join().unwrap()).collect()
    })
}
