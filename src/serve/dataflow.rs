//! `GET /api/v1/dataflow`: the plan, and the operators that run it with what they did so far.
//!
//! `nodes` are the plan: each names its inputs by `id`. `operators` are what runs, all workers of this process together:
//! rows in and out, seconds busy; each names its inputs by `id` too. A plan's node may be several operators.

use axum::Json;
use axum::extract::State;
use axum::routing::get;
use serde::Serialize;

use super::App;
use super::columns::{Column, columns};
use super::route::{Answer, Route, Shape};
use crate::engine::OperatorStats;
use crate::plan::{Node, describe};

/// The graph.
pub(super) const ROUTES: &[Route] =
    &[Route::get("/api/v1/dataflow", "The plan, and the operators that run it", || get(dataflow))
        .answers(&[Answer::json("Dataflow")])];

/// What it answers with.
pub(super) const SHAPES: &[Shape] = &[
    ("Dataflow", "nodes:[DataflowNode] views:[DataflowOutput] sinks:[DataflowOutput] operators:[Operator]"),
    ("DataflowNode", "id:integer does:string known:string inputs:[integer] append_only:boolean columns:[Column]"),
    ("DataflowOutput", "name:string node:integer"),
    ("Operator", "id:string name:string inputs:[string] rows_in:integer rows_out:integer busy_seconds:number"),
];

#[derive(Serialize)]
struct Graph {
    nodes: Vec<PlanNode>,
    views: Vec<Output>,
    sinks: Vec<Output>,
    operators: Vec<Operator>,
}

#[derive(Serialize)]
struct PlanNode {
    id: usize,
    /// What it does.
    does: String,
    /// What is known of its rows, and what it keeps for how long.
    known: String,
    inputs: Vec<usize>,
    append_only: bool,
    columns: Vec<Column>,
}

#[derive(Serialize)]
struct Output {
    name: String,
    node: usize,
}

#[derive(Serialize)]
struct Operator {
    id: String,
    name: String,
    inputs: Vec<String>,
    rows_in: u64,
    rows_out: u64,
    busy_seconds: f64,
}

async fn dataflow(State(app): State<App>) -> Json<Graph> {
    let plan = app.engine.dataflow();
    let node = |(id, node): (usize, &Node)| {
        let [does, known] = describe(plan, id);
        PlanNode {
            id,
            does,
            known,
            inputs: node.inputs.clone(),
            append_only: node.facts.append_only,
            columns: columns(&node.schema),
        }
    };
    let id = |address: &Vec<usize>| address.iter().map(usize::to_string).collect::<Vec<_>>().join(".");
    let operator = |stats: OperatorStats| Operator {
        id: id(&stats.address),
        inputs: stats.inputs.iter().map(id).collect(),
        name: stats.name,
        rows_in: stats.rows_in,
        rows_out: stats.rows_out,
        busy_seconds: stats.busy_seconds,
    };
    Json(Graph {
        nodes: plan.nodes.iter().enumerate().map(node).collect(),
        views: plan.views.iter().map(|view| Output { name: view.name.clone(), node: view.node }).collect(),
        sinks: plan.sinks.iter().map(|sink| Output { name: sink.spec.name.clone(), node: sink.node }).collect(),
        operators: app.engine.operators().into_iter().map(operator).collect(),
    })
}
