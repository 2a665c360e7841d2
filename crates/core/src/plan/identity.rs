//! What a plan is, part by part, each with a hash that is equal where the part means the same: sources, tables, operators
//! with all that they read, views, sinks. Processes of a cluster compare theirs; where they differ, they can say where.
//!
//! The hash depends on the plan alone, not on the process, the run or the text of the program: an expression counts by what
//! it computes of which columns, in its own order.

use std::fmt::Write;
use std::hash::BuildHasher;
use std::sync::Arc;

use arrow_schema::{Field, Schema};
use datafusion_common::ScalarValue;
use datafusion_physical_expr::expressions::{Column, Literal};
use serde::{Deserialize, Serialize};

use super::explain::describe;
use super::{Dataflow, Join, Lookup, NodeId, Op, Scalar, SinkPlan, TableSpec, ViewSpec, sql_type};
use crate::expression::named;
use crate::options::Options;
use crate::source::SourceSpec;

/// What the name of an operator begins with.
const OPERATOR: &str = "operator ";

/// A part of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// What it is called: `view 'pages'`, `operator 2 of sink 'out'`.
    pub name: String,
    /// What it does, in a line.
    pub does: String,
    /// Equal where the part, and for an operator all that it reads, means the same.
    pub hash: u64,
}

impl Part {
    /// A part of which its line says all.
    pub fn new(name: String, does: String) -> Part {
        Part { hash: hash(&does), name, does }
    }
}

/// All parts of a plan: the settings, sources, tables, operators with inputs first, views, sinks.
pub fn parts(plan: &Dataflow) -> Vec<Part> {
    let zone = Part::new("setting 'table.local-time-zone'".to_owned(), format!("'{}'", plan.zone.name()));
    let operators = Part::new("setting 'operators'".to_owned(), format!("'{}'", plan.operators.name()));
    let mut parts = vec![zone, operators];
    let version =
        |(name, version): &(String, u64)| Part::new(format!("function '{name}'"), format!("version {version}"));
    parts.extend(plan.versions.iter().map(version));
    parts.extend(plan.sources.iter().map(|spec| source("source", spec)));
    parts.extend(plan.tables.iter().map(table));
    let owners = owners(plan);
    let mut hashes: Vec<u64> = Vec::with_capacity(plan.nodes.len());
    for (id, owner) in owners.into_iter().enumerate() {
        let inputs: Vec<u64> = plan.nodes[id].inputs.iter().map(|&input| hashes[input]).collect();
        let [does, known] = describe(plan, id);
        let hash = hash(&(operator(plan, id), inputs));
        parts.push(Part { name: owner, does: format!("{does} | {known}"), hash });
        hashes.push(hash);
    }
    parts.extend(plan.views.iter().map(|spec| view(spec, &hashes)));
    parts.extend(plan.sinks.iter().map(|plan| sink(plan, &hashes)));
    parts
}

/// What differs between two plans, in a sentence; `None` if nothing does.
pub fn difference(ours: &[Part], theirs: &[Part]) -> Option<String> {
    let of = |parts: &[Part], name: &str| parts.iter().find(|part| part.name == name).cloned();
    // A view or a sink that only one has makes other operators, and other columns of a source: it is told first.
    let whole = |part: &&Part| !part.name.starts_with(OPERATOR);
    let more =
        |parts: &[Part], than: &[Part]| parts.iter().filter(whole).find(|part| of(than, &part.name).is_none()).cloned();
    if let Some(Part { name, does, .. }) = more(ours, theirs) {
        return Some(format!("it has no {name} ({does})"));
    }
    if let Some(Part { name, does, .. }) = more(theirs, ours) {
        return Some(format!("it has {name} ({does}), which is not here"));
    }
    for Part { name, does, hash } in ours {
        match of(theirs, name) {
            None => return Some(format!("it has no {name} ({does})")),
            Some(other) if other.hash == *hash => {}
            Some(other) if other.does == *does => {
                return Some(format!("{name} differs in what its line in EXPLAIN does not show ({does})"));
            }
            Some(other) => return Some(format!("{name} differs: here {does}; there {}", other.does)),
        }
    }
    let more = theirs.iter().find(|part| of(ours, &part.name).is_none());
    more.map(|Part { name, does, .. }| format!("it has {name} ({does}), which is not here"))
}

fn hash(of: &impl std::hash::Hash) -> u64 {
    foldhash::quality::FixedState::with_seed(0).hash_one(of)
}

/// What each operator is called: its place among those of the first view, sink or table that needs it.
fn owners(plan: &Dataflow) -> Vec<String> {
    let mut owners: Vec<Option<String>> = vec![None; plan.nodes.len()];
    let views = plan.views.iter().map(|view| (format!("view '{}'", view.name), view.node));
    let sinks = plan.sinks.iter().map(|sink| (format!("sink '{}'", sink.spec.name), sink.node));
    let tables = plan.tables.iter().map(|table| (format!("table '{}'", table.name()), table.view.node));
    for (owner, node) in views.chain(sinks).chain(tables) {
        let (mut below, mut open) = (Vec::new(), vec![node]);
        while let Some(id) = open.pop() {
            if owners[id].is_none() && !below.contains(&id) {
                below.push(id);
                open.extend(&plan.nodes[id].inputs);
            }
        }
        below.sort_unstable();
        for (place, id) in below.into_iter().enumerate() {
            owners[id] = Some(format!("{OPERATOR}{} of {owner}", place + 1));
        }
    }
    (0..).zip(owners).map(|(id, owner)| owner.unwrap_or_else(|| format!("{OPERATOR}{id} that nothing reads"))).collect()
}

/// An operator, without its inputs.
fn operator(plan: &Dataflow, id: NodeId) -> String {
    let node = &plan.nodes[id];
    let mut text = match &node.op {
        Op::Source { .. } | Op::Table { .. } | Op::Read { .. } => columns(&node.schema),
        // What its columns are called may have the names in it that relations have in the query.
        _ => columns(&Schema::new(node.schema.fields().iter().map(nameless).collect::<Vec<_>>())),
    };
    // By the names that the columns have, not those by which a query reads them.
    let fields: Vec<_> = node.inputs.iter().flat_map(|&input| plan.nodes[input].schema.fields().iter()).collect();
    let over_inputs = |expr: &Scalar, text: &mut String| {
        expression(&named(expr, &|index| fields.get(index).map(|field| field.name().clone())), text);
    };
    let _ = write!(text, " {:?} ", node.facts);
    match &node.op {
        Op::Source { source: at } => {
            text += &plan.sources.get(*at).map(|spec| source("", spec).hash).unwrap_or(0).to_string()
        }
        Op::Read { read } => text += plan.reads.get(*read).map_or("", |read| read.name.as_str()),
        Op::Table { table: at } => text += &plan.tables.get(*at).map(|spec| table(spec).hash).unwrap_or(0).to_string(),
        Op::Map { filter, columns, .. } => {
            text += "map";
            filter.iter().for_each(|filter| over_inputs(filter, &mut text));
            text += " to";
            columns.iter().for_each(|column| over_inputs(column, &mut text));
        }
        Op::Join(join) => {
            let _ = write!(text, "{:?}", Join { residual: None, told: Vec::new(), ..join.clone() });
            join.residual.iter().for_each(|residual| over_inputs(residual, &mut text));
        }
        Op::Lookup(lookup) => {
            let _ = write!(text, "{:?}", Lookup { residual: None, ..lookup.clone() });
            lookup.residual.iter().for_each(|residual| over_inputs(residual, &mut text));
        }
        Op::Pattern(pattern) => {
            let mut bare = pattern.clone();
            let conditions = bare.variables.iter_mut().filter_map(|variable| variable.condition.as_mut());
            conditions.for_each(|condition| condition.holds = Arc::new(Literal::new(ScalarValue::Null)));
            let _ = write!(text, "{bare:?}");
            let conditions = pattern.variables.iter().filter_map(|variable| variable.condition.as_ref());
            conditions.for_each(|condition| expression(&condition.holds, &mut text));
        }
        other => text += &format!("{other:?}"),
    }
    text
}

/// An expression by what it computes. Their `Debug` is not the same in every process: sets are written in any order.
fn expression(expr: &Scalar, out: &mut String) {
    if let Some(column) = expr.downcast_ref::<Column>() {
        return out.push_str(&format!(" @{}", column.index()));
    }
    if let Some(literal) = expr.downcast_ref::<Literal>() {
        return out.push_str(&format!(" {:?}", literal.value()));
    }
    let _ = write!(out, " {expr} [");
    expr.children().into_iter().for_each(|child| expression(child, out));
    out.push(']');
}

fn nameless(field: &arrow_schema::FieldRef) -> Field {
    field.as_ref().clone().with_name("")
}

fn columns(schema: &Schema) -> String {
    let column = |field: &arrow_schema::FieldRef| {
        let need = if field.is_nullable() { "" } else { " NOT NULL" };
        format!("{} {}{need}", field.name(), sql_type(field.data_type()))
    };
    schema.fields().iter().map(column).collect::<Vec<_>>().join(", ")
}

fn options(options: &Options) -> String {
    let options = options.iter().map(|(name, value)| format!("'{name}' = '{value}'"));
    options.collect::<Vec<_>>().join(", ")
}

fn source(kind: &str, spec: &SourceSpec) -> Part {
    let SourceSpec {
        name,
        connector,
        options: with,
        physical,
        computed,
        decode,
        arrival,
        output,
        time,
        dedup,
        changelog,
        ..
    } = spec;
    let mut computing = String::new();
    for (field, expr) in computed {
        let _ = write!(computing, ", {} AS", field.name());
        expression(expr, &mut computing);
    }
    // By its place among all declared columns: which of them are read is another matter.
    let declared = spec.declared();
    let event_time = match declared.time {
        None => "no watermark".to_owned(),
        Some(time) => format!("event time {}, watermark {} ms behind", time.column, time.bound_ms),
    };
    let changes = declared.changelog.map(|changelog| format!(" {changelog:?}")).unwrap_or_default();
    let does = format!("({}{computing}) {event_time}{changes} WITH ({})", columns(physical), options(with));
    let all = (
        &does,
        connector.name(),
        decode,
        format!("{arrival:?} {time:?} {dedup:?} {changelog:?}"),
        output,
        spec.sequence,
        &spec.metadata,
    );
    Part { name: format!("{kind} '{name}'"), hash: hash(&(all, columns(&spec.schema))), does }
}

fn table(spec: &TableSpec) -> Part {
    let initial = spec.initial.as_ref().map(|spec| source("", spec));
    let does = match &initial {
        None => format!("({}) with the key {:?}", columns(&spec.view.schema), spec.key()),
        Some(initial) => format!("({}) with the key {:?} of {}", columns(&spec.view.schema), spec.key(), initial.does),
    };
    Part { name: format!("table '{}'", spec.name()), hash: hash(&(&does, initial.map(|initial| initial.hash))), does }
}

fn view(spec: &ViewSpec, nodes: &[u64]) -> Part {
    let ViewSpec { name, node, columns: shown, schema, key, closes, emit, options: with, .. } = spec;
    let does = format!("({}) emit {emit:?} WITH ({})", columns(schema), options(with));
    Part { name: format!("view '{name}'"), hash: hash(&(nodes[*node], &does, shown, key, closes)), does }
}

fn sink(plan: &SinkPlan, nodes: &[u64]) -> Part {
    let spec = &plan.spec;
    let does = format!("({}) WITH ({})", columns(&spec.schema), options(&spec.options));
    let all = (nodes[plan.node], &does, spec.connector.name(), &plan.columns, &spec.partition, spec.retracting);
    Part { name: format!("sink '{}'", spec.name), hash: hash(&all), does }
}
