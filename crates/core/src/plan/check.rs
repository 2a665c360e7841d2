//! What is legal but may surprise: state that grows without end, windows that wait for a silent source, work multiplied.

use std::fmt;

use arrow_schema::DataType;

use super::explain::state;
use super::recursion::inside;
use super::{Dataflow, Frame, NodeId, Op, Over, Pane, Reduce, Window};
use crate::differential::Recursion;
use crate::expression::plain;
use crate::join::{Join, Side};
use crate::pattern::Pattern;
use crate::rank::Rank;
use crate::source::SourceSpec;

/// From how many windows a row is in on, copying it into each is worth a word.
const MANY_COPIES: i64 = 100;

/// Something to know before running a dataflow.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Warning {
    /// The view, sink or source that it is about.
    pub subject: String,
    /// What will happen.
    pub message: String,
    /// What to do about it.
    pub remedy: &'static str,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.subject, self.message, self.remedy)
    }
}

/// All warnings on a plan, each once, sorted by what they are about.
pub fn check(plan: &Dataflow) -> Vec<Warning> {
    let views = plan.views.iter().map(|view| (format!("view {}", view.name), view.node));
    let sinks = plan.sinks.iter().map(|sink| (format!("sink {}", sink.spec.name), sink.node));
    let mut warnings = Vec::new();
    let inside = inside(&plan.nodes);
    let mut told = vec![false; plan.nodes.len()];
    for (subject, root) in views.chain(sinks) {
        for node in below(plan, root) {
            // What several read is told of once.
            if std::mem::replace(&mut told[node], true) {
                continue;
            }
            let warn = |(message, remedy)| Warning { subject: subject.clone(), message, remedy };
            match &plan.nodes[node].op {
                Op::Reduce(reduce) => {
                    warnings.extend(growth(plan, node, reduce).map(warn));
                    if reduce.pane != Pane::Unbounded {
                        warnings.extend(waiting(plan, node));
                    }
                }
                Op::Window { window, .. } => warnings.extend(copies(window).map(warn)),
                Op::Join(_) if inside[node] => {}
                Op::Join(join) => warnings.extend(keeps(plan, node, join).map(warn)),
                Op::Recursion(recursion) => {
                    let streams = below(plan, node)
                        .iter()
                        .any(|&id| matches!(plan.nodes[id].op, Op::Source { .. } | Op::Read { .. }));
                    warnings.extend(recurs(recursion).filter(|_| streams).map(warn));
                }
                Op::Lookup(_) => {}
                Op::Pattern(pattern) => {
                    warnings.extend(matched(plan, node, pattern).into_iter().map(warn));
                    warnings.extend(waiting(plan, node));
                    if pattern.shape.waits_for_absence() {
                        warnings.extend(absence(plan, node));
                    }
                }
                Op::Over(over) => {
                    warnings.extend(rolling(plan, node, over).map(warn));
                    warnings.extend(waiting(plan, node));
                }
                Op::Rank(rank) => {
                    warnings.extend(ranked(plan, node, rank).map(warn));
                    if rank.window.is_some() {
                        warnings.extend(waiting(plan, node));
                    }
                }
                Op::Source { source } => warnings.extend(there(&plan.sources[*source]).map(warn)),
                Op::Table { .. }
                | Op::Read { .. }
                | Op::Values { .. }
                | Op::Map { .. }
                | Op::Union
                | Op::Hold
                | Op::Repeat { .. }
                | Op::Unnest(_)
                | Op::Relation(_)
                | Op::Before { .. } => {}
            }
        }
    }
    warnings.sort();
    warnings.dedup();
    warnings
}

/// The node and all it reads, directly or not, inputs first.
fn below(plan: &Dataflow, root: NodeId) -> Vec<NodeId> {
    let mut reached = vec![false; plan.nodes.len()];
    let mut open = vec![root];
    while let Some(node) = open.pop() {
        if !std::mem::replace(&mut reached[node], true) {
            open.extend(&plan.nodes[node].inputs);
        }
    }
    (0..plan.nodes.len()).filter(|&node| reached[node]).collect()
}

/// What a changelog keeps that event time does not bound.
fn there(spec: &SourceSpec) -> Option<(String, &'static str)> {
    let name = &spec.name;
    match &spec.changelog.as_ref()?.key {
        Some(key) => {
            let key: Vec<&str> = key.iter().map(|&column| spec.schema.field(column).name().as_str()).collect();
            let message = format!("source {name} keeps the row of each {} until it goes", key.join(", "));
            Some((message, "let what sends the changes take out the rows that are done with"))
        }
        None if spec.time.is_some_and(|time| time.lateness_ms.is_some()) => None,
        None => {
            let message = format!("source {name} keeps every row until it is taken back");
            Some((message, "give it a WATERMARK and a lateness, behind which rows stay for good"))
        }
    }
}

/// What bounds the lateness of what a node reads.
fn bounding(plan: &Dataflow, node: NodeId) -> &'static str {
    let by_key = |id: NodeId| match plan.nodes[id].op {
        Op::Source { source } => {
            plan.sources[source].changelog.as_ref().is_some_and(|changelog| changelog.key.is_some())
        }
        _ => false,
    };
    let unbounded = |id: NodeId| match plan.nodes[id].op {
        Op::Source { source } => plan.sources[source].time.is_some_and(|time| time.lateness_ms.is_none()),
        Op::Read { .. } => true,
        _ => false,
    };
    let below = below(plan, node);
    match (below.iter().any(|&id| by_key(id)), below.iter().any(|&id| unbounded(id))) {
        (true, _) => {
            "what a changelog by key puts a row in the place of may be of any time: read it with 'changelog' = 'retract', if rows go as a whole"
        }
        (false, true) => "give the source a lateness it can live with, like '1 hour'",
        (false, false) => {
            "rows below come and go when other rows say so, however old they are: bound the times, like b.ts BETWEEN a.ts - INTERVAL '1' HOUR AND a.ts + INTERVAL '1' HOUR"
        }
    }
}

fn growth(plan: &Dataflow, node: NodeId, reduce: &Reduce) -> Option<(String, &'static str)> {
    let input = &plan.nodes[*plan.nodes[node].inputs.first()?].schema;
    let names = |columns: &[usize]| {
        columns.iter().map(|&column| plain(input.field(column).name())).collect::<Vec<_>>().join(", ")
    };
    // Of truths there are three.
    let few = reduce.keys.iter().all(|&key| *input.field(key).data_type() == DataType::Boolean);
    let window = "aggregate over a window (TUMBLE, HOP, CUMULATE, SESSION), or group by a value with few kinds";
    match reduce.pane {
        Pane::Unbounded if !few => Some((format!("its state by {} {}", names(&reduce.keys), state(reduce)), window)),
        Pane::Unbounded => {
            // One group: it grows only if an aggregate keeps every value it saw.
            let keeps = reduce.aggregates.iter().find(|call| call.distinct || call.function.ordered())?;
            Some((format!("{} keeps every value it ever saw", keeps.name), window))
        }
        _ if reduce.lateness_ms.is_none() => Some((format!("its state is {}", state(reduce)), bounding(plan, node))),
        _ => None,
    }
}

/// Aggregates over frames that keep rows without end.
fn rolling(plan: &Dataflow, node: NodeId, over: &Over) -> Option<(String, &'static str)> {
    let input = &plan.nodes[*plan.nodes[node].inputs.first()?].schema;
    let keys: Vec<&str> = over.keys.iter().map(|&key| input.field(key).name().as_str()).collect();
    let range = "give the frame a bound, like RANGE BETWEEN INTERVAL '1' HOUR PRECEDING AND CURRENT ROW";
    match (over.frame, over.lateness_ms, keys.as_slice()) {
        (Frame::Rows { from: u64::MAX, .. } | Frame::Range { from_ms: i64::MAX, .. }, ..) => {
            Some(("a frame without bound keeps every row".to_owned(), range))
        }
        (_, None, _) => Some(("a frame keeps every row: lateness is unbounded".to_owned(), bounding(plan, node))),
        (Frame::Rows { .. }, _, [_, ..]) => {
            Some((format!("a frame of ROWS keeps the last rows of each {} for ever", keys.join(", ")), range))
        }
        _ => None,
    }
}

/// What a pattern keeps without end.
fn matched(plan: &Dataflow, node: NodeId, pattern: &Pattern) -> Vec<(String, &'static str)> {
    let mut found = Vec::new();
    let input = &plan.nodes[plan.nodes[node].inputs[0]].schema;
    let keys: Vec<&str> = pattern.keys.iter().map(|&key| input.field(key).name().as_str()).collect();
    if pattern.within_ms.is_none() {
        let message = "a pattern without WITHIN keeps the rows of a match that never ends".to_owned();
        found.push((message, "bound it: PATTERN (A B+ C) WITHIN INTERVAL '1' HOUR"));
    } else if pattern.reach().1 > 0 {
        let message = "a pattern that looks ahead waits for the next row of its partition, however late it comes";
        found.push((message.to_owned(), "make the row ahead a variable of the pattern instead of NEXT"));
    }
    if pattern.lateness_ms.is_none() {
        let message = "a pattern keeps every row: lateness is unbounded".to_owned();
        found.push((message, bounding(plan, node)));
    }
    if pattern.remembers_partitions() && !keys.is_empty() {
        let message = format!("a pattern with PREV or MATCH_NUMBER remembers each {} for ever", keys.join(", "));
        found.push((message, "partition by a value with few kinds, or make the row before a variable of the pattern"));
    }
    found
}

/// A ranking that keeps rows without end.
fn ranked(plan: &Dataflow, node: NodeId, rank: &Rank) -> Option<(String, &'static str)> {
    let input = &plan.nodes[*plan.nodes[node].inputs.first()?].schema;
    let keys: Vec<&str> = rank.keys.iter().map(|&key| input.field(key).name().as_str()).collect();
    let lateness = bounding(plan, node);
    let window = "rank within a window: PARTITION BY window_start, window_end, ...";
    match (rank.window.is_some(), rank.retracting, keys.as_slice()) {
        (true, ..) => rank
            .lateness_ms
            .is_none()
            .then(|| ("a ranking keeps every window: lateness is unbounded".to_owned(), lateness)),
        (false, true, _) => Some(("a ranking of rows that may be taken back keeps all of them".to_owned(), window)),
        (false, false, []) => None,
        (false, false, keys) => {
            Some((format!("a ranking keeps its first rows of each {} for ever", keys.join(", ")), window))
        }
    }
}

/// A recursion whose rows nothing frees.
fn recurs(recursion: &Recursion) -> Option<(String, &'static str)> {
    let remedy = "put the rows in windows and keep each window to itself: select window_end in both branches, and join \
                  ON ... AND e.window_end = r.window_end";
    let message = format!("the recursion '{}' keeps every row that it reads and makes", recursion.name);
    recursion.expiry.is_none().then_some((message, remedy))
}

/// Sides of a join whose rows nothing frees.
fn keeps(plan: &Dataflow, node: NodeId, join: &Join) -> Option<(String, &'static str)> {
    // A reference table is as large as it is.
    let is_table = |side: Side| {
        let mut input = &plan.nodes[plan.nodes[node].inputs[side as usize]];
        while let Op::Map { .. } = input.op {
            input = &plan.nodes[input.inputs[0]];
        }
        matches!(input.op, Op::Table { .. })
    };
    let [left, right] = Side::BOTH.map(|side| {
        join.expiry[side as usize].is_empty() && !(join.transient && side == Side::Left) && !is_table(side)
    });
    let which = match (left, right) {
        (true, true) => "both sides",
        (true, false) => "its left side",
        (false, true) => "its right side",
        (false, false) => return None,
    };
    let remedy = "bound the times of both sides against each other, like b.ts BETWEEN a.ts AND a.ts + INTERVAL '1' HOUR, \
                  or join windows on window_start and window_end";
    Some((format!("a join keeps every row of {which}"), remedy))
}

/// Live sources whose silence is no absence: a pattern that ends by no row coming waits for the next row of anybody.
fn absence(plan: &Dataflow, node: NodeId) -> Vec<Warning> {
    let holds = |&source: &usize| {
        let spec = &plan.sources[source];
        spec.connector.live(&spec.options) && spec.time.is_some_and(|time| !time.idle_by_clock) && !spec.by_arrival()
    };
    let warning = |source: usize| Warning {
        subject: format!("source {}", plan.sources[source].name),
        message: "while it is silent as a whole, event time stands, and a pattern that ends with '$' is not told"
            .to_owned(),
        remedy: "let the clock go on for it: 'watermark.idle' = 'clock', 'idle-timeout' = '10 s'",
    };
    sources(plan, node).into_iter().filter(holds).map(warning).collect()
}

/// The sources that a node reads, directly or not.
fn sources(plan: &Dataflow, node: NodeId) -> Vec<usize> {
    let source = |node: NodeId| match plan.nodes[node].op {
        Op::Source { source } => Some(source),
        _ => None,
    };
    below(plan, node).into_iter().filter_map(source).collect()
}

/// Live sources without idle timeout that can hold a windowed result back while others move on.
fn waiting(plan: &Dataflow, node: NodeId) -> Vec<Warning> {
    let sources = sources(plan, node);
    let mut warnings = Vec::new();
    for spec in sources.iter().filter_map(|&source| plan.sources.get(source)) {
        let live = spec.connector.live(&spec.options);
        match spec.time {
            None => warnings.push(Warning {
                subject: format!("source {}", spec.name),
                message: "it has no watermark, so windows over it close only when it ends".to_owned(),
                remedy: "declare WATERMARK FOR ts AS ts - INTERVAL '5' SECOND",
            }),
            Some(time) if live && time.idle_timeout.is_none() && sources.len() > 1 => warnings.push(Warning {
                subject: format!("source {}", spec.name),
                message: "while it is silent, windows that also read other sources stay open".to_owned(),
                remedy: "give it an 'idle-timeout', like '10 s'",
            }),
            Some(_) => {}
        }
    }
    warnings
}

fn copies(window: &Window) -> Option<(String, &'static str)> {
    let copies = match *window {
        Window::Tumble { .. } => 1,
        Window::Hop { size, slide, .. } => size / slide.max(1),
        Window::Cumulate { step, size, .. } => size / step.max(1),
    };
    (copies >= MANY_COPIES).then(|| {
        let message = format!("every row is copied into the {copies} windows it is in");
        (message, "group by the window right away: then rows are aggregated once per slide")
    })
}
