//! `GET /api/v1/dataflow`: the graph of operators: the plan's nodes, then the published views and the sinks, each with what
//! it did so far and what it keeps now.
//!
//! Counts are of this process, all its workers together; rows go in and out as changes, retractions too. A node may be
//! several operators of timely's: they are added up.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_schema::{Schema, SchemaRef};
use axum::Json;
use axum::extract::State;
use axum::routing::get;
use serde::Serialize;

use super::App;
use super::columns::{Column, columns};
use super::json;
use super::route::{Answer, Route, Shape};
use highwater_core::engine::{Engine, OperatorStats, UnitId};
use highwater_core::operator::Windows;
use highwater_core::plan::{Dataflow, Op, Origin, describe};
use highwater_core::time::format_time_ms;

/// The graph.
pub(super) const ROUTES: &[Route] = &[Route::get(
    "/api/v1/dataflow",
    "The graph of operators: what each does, did and keeps, and how far it is",
    || get(dataflow),
)
.answers(&[Answer::json("Dataflow")])];

/// What it returns.
pub(super) const SHAPES: &[Shape] = &[
    ("Dataflow", "nodes:[DataflowNode] edges:[DataflowEdge] views:[DataflowOutput] sinks:[DataflowOutput]"),
    (
        "DataflowNode",
        "id:integer kind:string name:string? does:string known:string inputs:[integer] append_only:boolean \
         columns:[Column] rows_in:integer rows_out:integer busy_seconds:number state_rows:integer state_bytes:integer? \
         watermark:string watermark_ms:integer? open_windows:OpenWindows? origins:[Origin] serves:[string] \
         workers:[WorkerShare]",
    ),
    ("Origin", "of:string file:string line:integer column:integer sql:string"),
    ("WorkerShare", "worker:integer rows_in:integer busy_seconds:number state_rows:integer"),
    ("OpenWindows", "count:integer from_ms:integer? to_ms:integer? windows:[WindowSpan]"),
    ("WindowSpan", "from_ms:integer to_ms:integer"),
    ("DataflowEdge", "from:integer to:integer"),
    ("DataflowOutput", "name:string node:integer"),
];

#[derive(Serialize)]
struct Graph {
    nodes: Vec<GraphNode>,
    edges: Vec<Edge>,
    /// The nodes that views and sinks show.
    views: Vec<Output>,
    sinks: Vec<Output>,
}

#[derive(Serialize)]
struct GraphNode {
    id: usize,
    /// `source`, `map`, `reduce`, ..., `view`, `sink`.
    kind: String,
    /// Of a source, view or sink.
    name: Option<String>,
    /// What it does.
    does: String,
    /// What is known of its rows, and what it keeps for how long.
    known: String,
    inputs: Vec<usize>,
    append_only: bool,
    columns: Vec<Column>,
    #[serde(flatten)]
    done: Done,
    #[serde(flatten)]
    reached: Reached,
    /// The windows or sessions that it holds rows of; null if it has no windows.
    open_windows: Option<OpenWindows>,
    /// The statements that it is of, each with the clause that it does and its place.
    origins: Vec<Place>,
    /// The views and sinks that show what it makes, in the order of the program.
    serves: Vec<String>,
    /// The part of each worker of this process, for those that have one.
    workers: Vec<Share>,
}

/// Where in the program a node is written.
#[derive(Serialize)]
struct Place {
    of: String,
    file: String,
    line: u64,
    column: u64,
    /// The clause, in one line.
    sql: String,
}

impl From<&Origin> for Place {
    fn from(Origin { of, file, line, column, sql }: &Origin) -> Place {
        Place { of: of.clone(), file: file.clone(), line: *line, column: *column, sql: sql.clone() }
    }
}

/// What one worker did of a node, and holds.
#[derive(Serialize)]
struct Share {
    worker: usize,
    rows_in: u64,
    busy_seconds: f64,
    state_rows: usize,
}

/// Windows above the watermark.
#[derive(Serialize)]
struct OpenWindows {
    count: usize,
    /// The least start and the greatest end; null if there is none, or if there are too many to look at.
    from_ms: Option<i64>,
    to_ms: Option<i64>,
    /// Each of them, by its end; empty if they are many.
    windows: Vec<WindowSpan>,
}

#[derive(Serialize)]
struct WindowSpan {
    from_ms: i64,
    to_ms: i64,
}

impl From<Windows> for OpenWindows {
    fn from(Windows { count, spans, reach, .. }: Windows) -> OpenWindows {
        let (from_ms, to_ms) = reach.unzip();
        let windows = spans.into_iter().map(|(from_ms, to_ms)| WindowSpan { from_ms, to_ms }).collect();
        OpenWindows { count, from_ms, to_ms, windows }
    }
}

/// How far a node is.
#[derive(Serialize, Clone, Debug)]
struct Reached {
    watermark: String,
    watermark_ms: Option<i64>,
    #[serde(skip)]
    at: i64,
}

/// What a node did and keeps.
#[derive(Serialize, Clone, Debug)]
struct Done {
    rows_in: u64,
    rows_out: u64,
    busy_seconds: f64,
    /// Groups, sessions, rows.
    state_rows: usize,
    /// About; null if nobody counts.
    state_bytes: Option<usize>,
}

#[derive(Serialize)]
struct Edge {
    from: usize,
    to: usize,
}

#[derive(Serialize)]
struct Output {
    name: String,
    node: usize,
}

/// The answer, as text.
pub(super) fn text(app: &App) -> String {
    json::object(&graph(app))
}

async fn dataflow(State(app): State<App>) -> Json<Graph> {
    Json(graph(&app))
}

fn graph(app: &App) -> Graph {
    let plan = app.engine.dataflow();
    let nodes = nodes(&app.engine);
    let to = |node: &GraphNode| node.inputs.iter().map(|&from| Edge { from, to: node.id }).collect::<Vec<_>>();
    Graph {
        edges: nodes.iter().flat_map(to).collect(),
        nodes,
        views: plan.views.iter().map(|view| Output { name: view.name.clone(), node: view.node }).collect(),
        sinks: plan.sinks.iter().map(|sink| Output { name: sink.spec.name.clone(), node: sink.node }).collect(),
    }
}

fn nodes(engine: &Engine) -> Vec<GraphNode> {
    let plan = engine.dataflow();
    let operators = engine.operators();
    let serves = serves(plan);
    let mut nodes: Vec<GraphNode> = Vec::new();
    for (id, node) in plan.nodes.iter().enumerate() {
        let of: Vec<&OperatorStats> =
            operators.iter().filter(|operator| operator.node == Some((UnitId::PROGRAM, id))).collect();
        let (mut done, told) = (Done::of(&of), of.iter().filter_map(|operator| operator.watermark).min());
        let spec = match node.op {
            Op::Source { source } => plan.sources.get(source),
            _ => None,
        };
        let source = spec.and_then(|spec| engine.source(&spec.name));
        if let Some(counts) = source.map(|source| source.counts()) {
            done.rows_in = counts.received();
        }
        let mut workers = shares(&of);
        // A table reads nothing: what passes its operators besides are the rows that it keeps time with.
        if matches!(node.op, Op::Table { .. }) {
            done.rows_in = done.rows_out;
            workers.iter_mut().for_each(|share| share.rows_in = 0);
        }
        // What keeps nothing is as far as what it reads.
        let inputs = node.inputs.iter().filter_map(|&input| nodes.get(input)).map(|input| input.reached.at);
        let watermark = source.map(|source| source.watermark()).or(told).or(inputs.min()).unwrap_or(i64::MIN);
        let [does, known] = describe(plan, id);
        nodes.push(GraphNode {
            id,
            kind: does.split(|letter: char| !letter.is_alphanumeric()).next().unwrap_or_default().to_owned(),
            name: spec.map(|spec| spec.name.clone()),
            does,
            known,
            inputs: node.inputs.clone(),
            append_only: node.facts.append_only,
            columns: columns(&node.schema),
            done,
            reached: watermark.into(),
            open_windows: of.iter().find_map(|operator| operator.windows.clone()).map(OpenWindows::from),
            origins: plan.origins.get(id).into_iter().flatten().map(Place::from).collect(),
            serves: serves[id].iter().map(|name| (*name).to_owned()).collect(),
            workers,
        });
    }
    let end = |id: usize, kind: &str, name: &str, input: usize, shown: &SchemaRef, done: Done, at: i64| GraphNode {
        id,
        kind: kind.to_owned(),
        name: Some(name.to_owned()),
        does: format!("{kind} {name}"),
        known: String::new(),
        inputs: vec![input],
        append_only: plan.nodes[input].facts.append_only,
        columns: columns(shown),
        done,
        reached: at.into(),
        open_windows: None,
        // Where its statement says first what it shows, or else that of what it reads.
        origins: first(plan, name)
            .or(plan.origins.get(input).and_then(|origins| origins.first()))
            .map(|origin| Place { sql: name.to_owned(), ..origin.into() })
            .into_iter()
            .collect(),
        serves: vec![name.to_owned()],
        workers: Vec::new(),
    };
    for view in &engine.views_of(UnitId::PROGRAM) {
        let (spec, of) = (view.spec(), named(&operators, &format!("View {}", view.name())));
        let done = Done { state_rows: view.row_count(), state_bytes: None, ..Done::of(&of) };
        let at = view.as_of().watermark;
        nodes.push(end(nodes.len(), "view", view.name(), spec.node, &spec.schema, done, at));
    }
    for sink in &plan.sinks {
        let done = Done::of(&named(&operators, &format!("Sink {}", sink.spec.name)));
        let schema = &plan.nodes[sink.node].schema;
        let shown = sink.columns.iter().map(|&column| schema.field(column).clone()).collect::<Vec<_>>();
        let at = nodes[sink.node].reached.at;
        nodes.push(end(nodes.len(), "sink", &sink.spec.name, sink.node, &Arc::new(Schema::new(shown)), done, at));
    }
    nodes
}

/// The first clause of a statement.
fn first<'a>(plan: &'a Dataflow, of: &str) -> Option<&'a Origin> {
    plan.origins.iter().flatten().filter(|origin| origin.of == of).min_by_key(|origin| (origin.line, origin.column))
}

/// Per node the views and sinks that it is needed for.
fn serves(plan: &Dataflow) -> Vec<Vec<&str>> {
    let mut serves: Vec<Vec<&str>> = vec![Vec::new(); plan.nodes.len()];
    let views = plan.views.iter().map(|view| (view.name.as_str(), view.node));
    let sinks = plan.sinks.iter().map(|sink| (sink.spec.name.as_str(), sink.node));
    for (name, node) in views.chain(sinks) {
        let mut waiting = vec![node];
        while let Some(node) = waiting.pop() {
            if serves[node].last() != Some(&name) {
                serves[node].push(name);
                waiting.extend(&plan.nodes[node].inputs);
            }
        }
    }
    serves
}

/// The part of each worker of all these operators; rows are those of the one that takes most, as they pass the others too.
fn shares(operators: &[&OperatorStats]) -> Vec<Share> {
    let mut by_worker: BTreeMap<usize, Share> = BTreeMap::new();
    for share in operators.iter().flat_map(|operator| &operator.workers) {
        let all = by_worker.entry(share.worker).or_insert(Share {
            worker: share.worker,
            rows_in: 0,
            busy_seconds: 0.0,
            state_rows: 0,
        });
        all.rows_in = all.rows_in.max(share.rows_in);
        all.busy_seconds += share.busy_seconds;
        all.state_rows += share.state_rows;
    }
    by_worker.into_values().collect()
}

fn named<'a>(operators: &'a [OperatorStats], name: &str) -> Vec<&'a OperatorStats> {
    operators.iter().filter(|operator| operator.name == name).collect()
}

impl Done {
    /// Operators that stand side by side as one: what comes in from outside, what goes out at the end.
    fn of(operators: &[&OperatorStats]) -> Done {
        let by_address: BTreeMap<_, _> = operators.iter().map(|operator| (&operator.address, *operator)).collect();
        let from_outside = |operator: &&&OperatorStats| operator.inputs.iter().all(|at| !by_address.contains_key(at));
        Done {
            rows_in: operators.iter().filter(from_outside).map(|operator| operator.rows_in).sum(),
            rows_out: by_address.values().next_back().map_or(0, |operator| operator.rows_out),
            busy_seconds: operators.iter().map(|operator| operator.busy_seconds).sum(),
            state_rows: operators.iter().map(|operator| operator.state_rows).sum(),
            state_bytes: Some(operators.iter().map(|operator| operator.state_bytes).sum()),
        }
    }
}

impl From<i64> for Reached {
    fn from(at: i64) -> Reached {
        let finite = at != i64::MIN && at != i64::MAX;
        Reached { watermark: format_time_ms(at), watermark_ms: finite.then_some(at), at }
    }
}
