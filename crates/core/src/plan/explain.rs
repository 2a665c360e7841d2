//! The plan as text: a tree, each operator a line of what it does and a line of what is known of its rows, results above
//! inputs. The text depends on the plan alone, so tests hold on to it.

use std::collections::BTreeMap;
use std::fmt::{Display, Write};

use arrow_schema::Schema;
use datafusion_common::ScalarValue;
use datafusion_physical_expr::expressions::Column;

use super::explain_join::{join_line, join_state, lookup_line, lookup_state};
use super::explain_pattern::{pattern_line, pattern_state};
use super::explain_rank::{over_line, over_state, rank_line, rank_state};
use super::operators::runs_on;
use super::recursion::{inside, recursion_line};
use super::sharing::sharing;
use super::{AggregateCall, Dataflow, Emit, Node, NodeId, Op, Pane, Reduce, TableSpec, Window};
use crate::counted::counted;
use crate::expression::{Sql, plain};
use crate::source::{Changelog, SourceSpec};
use crate::time::{Zone, format_duration_ms};
use crate::type_names::sql_type;

/// The operator trees of all views and sinks, or of the one named `view`; a name that is not there explains nothing.
///
/// An operator that several read is drawn once and referred to by its number.
pub fn explain(plan: &Dataflow, view: Option<&str>) -> String {
    let wanted = |name: &str| view.is_none_or(|view| view == name);
    let mut tree = Tree { plan, out: String::new(), readers: readers(plan, wanted), numbers: BTreeMap::new() };
    for spec in plan.views.iter().filter(|spec| wanted(&spec.name)) {
        let emits = match spec.emit {
            Emit::Final => "emit final",
            Emit::Changes => "emit changes",
        };
        tree.root("view", &spec.name, &spec.schema, &spec.columns, emits, spec.node);
    }
    for sink in plan.sinks.iter().filter(|sink| wanted(&sink.spec.name)) {
        let writes = if sink.spec.retracting { "with _op and _epoch" } else { "insertions only" };
        let kind = format!("sink ({})", sink.spec.connector.name());
        let names = sink.spec.partition.iter().map(|&at| sink.spec.schema.field(at).name().as_str());
        let names = names.collect::<Vec<_>>().join(", ");
        let writes = if names.is_empty() { writes.to_owned() } else { format!("{writes}, a partition per {names}") };
        tree.root(&kind, &sink.spec.name, &sink.spec.schema, &sink.columns, &writes, sink.node);
    }
    tree.out
}

/// One operator: what it does, and what is known of its rows.
pub fn describe(plan: &Dataflow, id: NodeId) -> [String; 2] {
    let node = &plan.nodes[id];
    let input = node.inputs.first().map(|&input| &plan.nodes[input]);
    [operator(plan, node, input), facts(plan, id, input)]
}

/// How often each node is read by what the wanted views and sinks need.
fn readers(plan: &Dataflow, wanted: impl Fn(&str) -> bool) -> Vec<usize> {
    let mut readers = vec![0; plan.nodes.len()];
    let views = plan.views.iter().filter(|view| wanted(&view.name)).map(|view| view.node);
    let sinks = plan.sinks.iter().filter(|sink| wanted(&sink.spec.name)).map(|sink| sink.node);
    views.chain(sinks).for_each(|node| readers[node] += 1);
    for id in (0..plan.nodes.len()).rev() {
        if readers[id] > 0 {
            plan.nodes[id].inputs.iter().for_each(|&input| readers[input] += 1);
        }
    }
    readers
}

struct Tree<'a> {
    plan: &'a Dataflow,
    out: String,
    readers: Vec<usize>,
    /// The numbers of operators that several read, once drawn.
    numbers: BTreeMap<NodeId, usize>,
}

impl Tree<'_> {
    fn root(&mut self, kind: &str, name: &str, schema: &Schema, columns: &[usize], how: &str, node: NodeId) {
        if !self.out.is_empty() {
            self.out.push('\n');
        }
        let columns = schema
            .fields()
            .iter()
            .zip(columns)
            .map(|(field, _)| format!("{} {}", field.name(), sql_type(field.data_type())));
        let columns = columns.collect::<Vec<_>>().join(", ");
        self.line(0, format_args!("{kind} {name} ({columns}) {how}"));
        self.node(node, 1);
    }

    fn line(&mut self, depth: usize, text: impl Display) {
        let _ = writeln!(self.out, "{:indent$}{text}", "", indent = depth * 2);
    }

    fn node(&mut self, id: NodeId, depth: usize) {
        if let Some(number) = self.numbers.get(&id) {
            let number = *number;
            return self.line(depth, format_args!("#{number}, as above"));
        }
        let mut label = String::new();
        if self.readers[id] > 1 {
            let number = self.numbers.len() + 1;
            self.numbers.insert(id, number);
            label = format!("#{number} ");
        }
        let [does, known] = describe(self.plan, id);
        self.line(depth, format_args!("{label}{does}"));
        self.line(depth, format_args!("| {known}"));
        for &input in &self.plan.nodes[id].inputs {
            self.node(input, depth + 1);
        }
    }
}

fn values_line(rows: &arrow_array::RecordBatch) -> String {
    format!("{} of the program", counted(rows.num_rows(), "row"))
}

/// What an operator does.
fn operator(plan: &Dataflow, node: &Node, input: Option<&Node>) -> String {
    let of = |index: usize| input.map_or_else(|| format!("#{index}"), |input| column(&input.schema, index));
    match &node.op {
        Op::Source { source } => plan.sources.get(*source).map_or_else(String::new, source_line),
        Op::Table { table } => plan.tables.get(*table).map_or_else(String::new, table_line),
        Op::Read { read } => format!("rows of {}", plan.reads.get(*read).map_or("", |read| read.name.as_str())),
        Op::Map { filter, columns, .. } => {
            let shown = columns.iter().zip(node.schema.fields()).map(|(expr, field)| {
                let same = expr.downcast_ref::<Column>().is_some_and(|column| column.name() == field.name());
                let (name, value) = (plain(field.name()), Sql(expr).to_string());
                let bare = |text: &str| text.replace(", ", ",").trim_matches(['(', ')']).to_owned();
                // As a query reads it: `t.k` is `k` of `t`.
                let read = expr.is::<Column>() && value.strip_suffix(&name).is_some_and(|of| of.ends_with('.'));
                match (same || bare(&name) == bare(&value), read) {
                    (true, _) => name,
                    (false, true) => value,
                    (false, false) => format!("{name} = {value}"),
                }
            });
            let shown = shown.collect::<Vec<_>>().join(", ");
            let filter = filter.as_ref().map(|filter| format!(" where {}", Sql(filter))).unwrap_or_default();
            format!("map {shown}{filter}")
        }
        Op::Values { rows } => values_line(rows),
        Op::Union => format!("union of {}", node.inputs.len()),
        Op::Hold => "hold until nothing is taken back: W > window_end".to_owned(),
        Op::Repeat { times } => format!("every row as often as {}", of(*times)),
        Op::Unnest(unnest) => {
            let empty = if unnest.outer { ", also of none" } else { "" };
            format!("every row once per item of {}{empty}", of(unnest.items))
        }
        Op::Window { time, window, zone } => {
            format!("window {}", window_text(&of(*time), window, *zone))
        }
        Op::Reduce(reduce) => reduce_line(reduce, of),
        Op::Join(join) => join_line(join, schemas(plan, node)),
        Op::Lookup(lookup) => lookup_line(lookup, schemas(plan, node)),
        Op::Pattern(pattern) => pattern_line(pattern, of),
        Op::Rank(rank) => rank_line(rank, of),
        Op::Over(over) => over_line(over, of),
        Op::Recursion(recursion) => recursion_line(recursion),
        Op::Relation(spec) => format!("{} by the program's own {}", spec.table, spec.relation.name()),
        Op::Before { name } => format!("rows of {name} of the round before"),
    }
}

/// The schemas of both inputs.
fn schemas<'a>(plan: &'a Dataflow, node: &Node) -> [&'a Schema; 2] {
    [0, 1].map(|input: usize| plan.nodes[node.inputs[input]].schema.as_ref())
}

fn source_line(spec: &SourceSpec) -> String {
    let columns: Vec<String> = spec.schema.fields().iter().map(|field| plain(field.name())).collect();
    format!("source {} ({}): {}", spec.name, spec.connector.name(), columns.join(", "))
}

fn table_line(spec: &TableSpec) -> String {
    let columns: Vec<&str> = spec.view.schema.fields().iter().map(|field| field.name().as_str()).collect();
    format!("table {} (changed over REST): {}", spec.name(), columns.join(", "))
}

fn reduce_line(reduce: &Reduce, of: impl Fn(usize) -> String) -> String {
    let mut text = String::from("reduce");
    if !reduce.keys.is_empty() {
        let keys: Vec<String> = reduce.keys.iter().map(|&key| of(key)).collect();
        let _ = write!(text, " by {}", keys.join(", "));
    }
    match reduce.pane {
        Pane::Unbounded => {}
        Pane::Windows { time, ref window, zone } => {
            let _ = write!(text, " over {}", window_text(&of(time), window, zone));
        }
        Pane::Assigned { start, end } => drop(write!(text, " per window {}..{}", of(start), of(end))),
        Pane::Session { time, gap, keep } => {
            let keep = keep.map(|keep| format!(" of rows where {}", of(keep))).unwrap_or_default();
            let _ = write!(text, " over session({}, gap {}){keep}", of(time), format_duration_ms(gap));
        }
    }
    let calls: Vec<String> = reduce.aggregates.iter().map(|call| aggregate(call, &of)).collect();
    if !calls.is_empty() {
        let _ = write!(text, ": {}", calls.join(", "));
    }
    text
}

pub(super) fn aggregate(call: &AggregateCall, of: impl Fn(usize) -> String) -> String {
    let literals = call.literals.iter().map(|literal| match literal {
        ScalarValue::Utf8(Some(text)) => format!("'{text}'"),
        other => other.to_string(),
    });
    let args: Vec<String> = call.args.iter().map(|&arg| of(arg)).chain(literals).collect();
    let args = if args.is_empty() { "*".to_owned() } else { args.join(", ") };
    let distinct = if call.distinct { "DISTINCT " } else { "" };
    let order: Vec<String> =
        call.order.iter().map(|(index, options)| of(*index) + if options.descending { " DESC" } else { "" }).collect();
    let order = if order.is_empty() { String::new() } else { format!(" ORDER BY {}", order.join(", ")) };
    let filter = call.filter.map(|filter| format!(" where {}", of(filter))).unwrap_or_default();
    // An aggregate that has no name of its own is called after what it is.
    let of_it = |rest: &str| rest.starts_with('(');
    let own = call.name.to_lowercase().strip_prefix(&call.function.name().to_lowercase()).is_some_and(of_it);
    let name = if own { String::new() } else { format!("{} = ", plain(&call.name)) };
    format!("{name}{}({distinct}{args}{order}){filter}", call.function.name())
}

/// What is known of the rows, what is held for how long, where rows go.
fn facts(plan: &Dataflow, id: NodeId, input: Option<&Node>) -> String {
    let node = &plan.nodes[id];
    let name = |index: usize| column(&node.schema, index);
    let mut parts = vec![if node.facts.append_only { "append-only".to_owned() } else { "retracting".to_owned() }];
    if let Op::Source { source } = node.op
        && let Some(spec) = plan.sources.get(source)
    {
        parts.push(watermark(spec));
        parts.extend(changelog(spec));
    }
    if let Some(time) = node.facts.time {
        parts.push(format!("time {}", name(time)));
    }
    let bounded: Vec<String> = (node.facts.bounds.iter().enumerate())
        .filter_map(|(index, offset)| Some(format!("{} >= {}", name(index), shifted(*offset.as_ref()?))))
        .collect();
    if !bounded.is_empty() {
        parts.push(format!("every new {}", bounded.join(", ")));
    }
    if let Some(key) = &node.facts.key {
        let key: Vec<String> = key.iter().map(|&index| name(index)).collect();
        parts.push(if key.is_empty() { "one row".to_owned() } else { format!("key {}", key.join(", ")) });
    }
    if let Some(closes) = node.facts.closes {
        parts.push(format!("final after {}", name(closes)));
    }
    if let (Op::Reduce(reduce), Some(input)) = (&node.op, input) {
        let keys: Vec<String> = reduce.keys.iter().map(|&key| column(&input.schema, key)).collect();
        let to = if keys.is_empty() { "one worker".to_owned() } else { keys.join(", ") };
        parts.push(format!("exchange by {to}").replace("by one", "to one"));
        if reduce.pane != Pane::Unbounded {
            parts.push(match reduce.emit {
                Emit::Final => "emits when closed".to_owned(),
                Emit::Changes => "emits changes".to_owned(),
            });
        }
        parts.push(format!("state: {}", state(reduce)));
    }
    let of = |index: usize| input.map_or_else(String::new, |input| column(&input.schema, index));
    match &node.op {
        Op::Over(over) => parts.extend(over_state(over, of)),
        // What a loop keeps is its recursion's.
        Op::Join(_) if node.inputs.iter().any(|&input| inside(&plan.nodes)[input]) => {}
        Op::Join(join) => {
            let readers = sharing(&plan.nodes)[id].unwrap_or_default();
            parts.extend(join_state(join, schemas(plan, node), readers));
        }
        Op::Recursion(recursion) => parts.push(match recursion.expiry {
            None => "state: every row that it reads and makes, never freed".to_owned(),
            Some(expiry) => {
                let column = column(&node.schema, expiry.column);
                let after = match expiry.after_ms {
                    0 => String::new(),
                    ms if ms < 0 => format!(" - {}", format_duration_ms(ms.saturating_neg())),
                    ms => format!(" + {}", format_duration_ms(ms)),
                };
                format!("state: rows that it reads and makes, freed after {column}{after}")
            }
        }),
        Op::Lookup(lookup) => parts.extend(lookup_state(lookup, schemas(plan, node))),
        Op::Pattern(pattern) => parts.extend(pattern_state(pattern, of)),
        Op::Rank(rank) => parts.extend(rank_state(rank, of)),
        _ => {}
    }
    parts.extend(runs_on(plan, id).map(|operators| format!("operators: {operators}")));
    parts.join(" | ")
}

/// How rows of a source come and go, and what is kept for it.
fn changelog(spec: &SourceSpec) -> Option<String> {
    let Changelog { key, .. } = spec.changelog.as_ref()?;
    let name = |column: usize| plain(spec.schema.field(column).name());
    let until = spec.time.and_then(|time| Some((time, time.lateness_ms?)));
    Some(match (key, until) {
        (Some(key), _) => {
            let key: Vec<String> = key.iter().map(|&column| name(column)).collect();
            format!("rows are put in by {}; keeps the row of each", key.join(", "))
        }
        (None, Some((time, ms))) => {
            let column = spec.output.iter().position(|column| *column == time.column).map_or_else(String::new, name);
            format!(
                "rows are taken back as a whole; keeps those that are there until W > {column}{}",
                if ms == 0 { String::new() } else { format!(" + {}", format_duration_ms(ms)) }
            )
        }
        (None, None) => "rows are taken back as a whole; keeps those that are there".to_owned(),
    })
}

fn watermark(spec: &SourceSpec) -> String {
    let Some(time) = spec.time else { return "no watermark".to_owned() };
    let lateness = match time.lateness_ms {
        Some(0) => String::new(),
        Some(ms) => format!(", rows accepted {} late", format_duration_ms(ms)),
        None => ", rows accepted however late".to_owned(),
    };
    let idle = time.idle_timeout.map(|idle| {
        format!(", idle after {}", format_duration_ms(i64::try_from(idle.as_millis()).unwrap_or(i64::MAX)))
    });
    let bound = format_duration_ms(time.bound_ms);
    let clock = if time.idle_by_clock { ", then by the clock" } else { "" };
    format!("watermark {bound} behind{lateness}{}{clock}", idle.unwrap_or_default())
}

/// What a reduce holds, and until when.
pub(super) fn state(reduce: &Reduce) -> String {
    let what = match reduce.pane {
        Pane::Unbounded if reduce.keys.is_empty() => return "one group".to_owned(),
        Pane::Unbounded => return "grows with the keys, never freed".to_owned(),
        Pane::Windows { .. } | Pane::Assigned { .. } => "windows",
        Pane::Session { .. } => "sessions",
    };
    match reduce.lateness_ms {
        Some(0) => format!("open {what}, freed at window_end"),
        Some(ms) => format!("open {what}, freed at window_end + {}", format_duration_ms(ms)),
        None => format!("all {what}, never freed: lateness is unbounded"),
    }
}

fn window_text(time: &str, window: &Window, zone: Option<Zone>) -> String {
    let (text, offset) = match *window {
        Window::Tumble { size, offset } => (format!("tumble({time}, {}", format_duration_ms(size)), offset),
        Window::Hop { size, slide, offset } => {
            (format!("hop({time}, {} every {}", format_duration_ms(size), format_duration_ms(slide)), offset)
        }
        Window::Cumulate { step, size, offset } => {
            (format!("cumulate({time}, {} by {}", format_duration_ms(size), format_duration_ms(step)), offset)
        }
    };
    let offset = if offset == 0 { String::new() } else { format!(", offset {}", format_duration_ms(offset)) };
    let clocks = zone.map_or(String::new(), |zone| format!(" by the clocks of {}", zone.name()));
    format!("{text}{offset}){clocks}")
}

fn shifted(offset: i64) -> String {
    match offset {
        0 => "W".to_owned(),
        1.. => format!("W + {}", format_duration_ms(offset)),
        _ => format!("W - {}", format_duration_ms(offset.saturating_neg())),
    }
}

pub(super) fn column(schema: &Schema, index: usize) -> String {
    schema.fields().get(index).map_or_else(|| format!("#{index}"), |field| plain(field.name()))
}
