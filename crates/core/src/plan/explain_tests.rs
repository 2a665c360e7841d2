//! Golden texts of `explain` and `check` for a plan made by hand.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::time::Duration;

use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use datafusion_common::ScalarValue;
use datafusion_expr::Operator;
use datafusion_physical_expr::expressions::{BinaryExpr, Column, Literal};

use super::*;
use crate::aggregate::{Aggregate, find};
use crate::options::{OptionSpec, Options};
use crate::registered::Registered;
use crate::sink::{SinkConnector, SinkError, Writer};
use crate::source::{Connector, Reader, SourceError, TimeSpec};

#[derive(Debug)]
struct Live;

impl Connector for Live {
    fn name(&self) -> &'static str {
        "live"
    }
    fn help(&self) -> &'static str {
        ""
    }
    fn options(&self) -> &'static [OptionSpec] {
        &[]
    }
    fn live(&self, _: &Options) -> bool {
        true
    }
    fn check(&self, _: &SourceSpec) -> Result<(), SourceError> {
        Ok(())
    }
    fn replay(&self) -> crate::source::Replay {
        crate::source::Replay::Once
    }

    fn open(
        &self,
        _: &SourceSpec,
        _: &[(crate::source::SplitId, crate::source::Start)],
    ) -> Result<Vec<Box<dyn Reader>>, SourceError> {
        Ok(Vec::new())
    }
}

#[derive(Debug)]
struct Out;

impl SinkConnector for Out {
    fn name(&self) -> &'static str {
        "out"
    }
    fn help(&self) -> &'static str {
        ""
    }
    fn options(&self) -> &'static [OptionSpec] {
        &[]
    }
    fn check(&self, _: &SinkSpec) -> Result<(), SinkError> {
        Ok(())
    }
    fn per_worker(&self, _: &SinkSpec) -> bool {
        false
    }
    fn open(&self, spec: &SinkSpec, _: usize, _: usize) -> Result<Box<dyn Writer>, SinkError> {
        Err(SinkError::Schema { sink: spec.name.clone(), what: "never opened".into(), remedy: String::new() })
    }
}

const TIME: DataType = DataType::Timestamp(TimeUnit::Millisecond, None);

fn schema(columns: &[(&str, DataType)]) -> SchemaRef {
    Arc::new(Schema::new(columns.iter().map(|(name, kind)| Field::new(*name, kind.clone(), true)).collect::<Vec<_>>()))
}

fn source(name: &str, time: Option<TimeSpec>) -> SourceSpec {
    let schema = schema(&[("page", DataType::Utf8), ("ms", DataType::Float64), ("ts", TIME)]);
    SourceSpec {
        name: name.to_owned(),
        connector: (&Live as &dyn Connector).into(),
        formats: Default::default(),
        options: Options::default(),
        physical: schema.clone(),
        metadata: Vec::new(),
        zone: crate::time::Zone::utc(),
        computed: Vec::new(),
        decode: vec![0, 1, 2],
        arrival: None,
        output: vec![0, 1, 2],
        time,
        dedup: None,
        changelog: None,
        sequence: false,
        schema,
    }
}

fn column(name: &str, index: usize) -> Scalar {
    Arc::new(Column::new(name, index))
}

fn literal(value: impl Into<ScalarValue>) -> Scalar {
    Arc::new(Literal::new(value.into()))
}

fn binary(left: Scalar, op: Operator, right: Scalar) -> Scalar {
    Arc::new(BinaryExpr::new(left, op, right))
}

fn function(name: &str) -> Registered<dyn Aggregate> {
    find(name).unwrap()
}

fn call(name: &str, function_name: &str, args: Vec<usize>) -> AggregateCall {
    AggregateCall {
        function: function(function_name),
        args,
        literals: Vec::new(),
        order: Vec::new(),
        distinct: false,
        filter: None,
        output: DataType::Int64,
        name: name.to_owned(),
    }
}

/// Two live sources, their slow rows counted by page: in windows with changes, in sessions, and for ever.
fn plan() -> Dataflow {
    let bounded = TimeSpec {
        column: 2,
        bound_ms: 5_000,
        lateness_ms: Some(60_000),
        idle_timeout: Some(Duration::from_secs(10)),
        idle_by_clock: false,
        max_future_skew_ms: 0,
    };
    let clicks = source("clicks", Some(bounded));
    let taps = source("taps", Some(TimeSpec { lateness_ms: None, idle_timeout: None, ..bounded }));
    let rows = clicks.schema.clone();
    let facts = Facts { append_only: true, time: Some(2), bounds: vec![None, None, Some(-60_000)], ..Facts::default() };
    let slow = schema(&[("page", DataType::Utf8), ("seconds", DataType::Float64), ("ts", TIME)]);
    let node = |op, inputs, schema: &SchemaRef, facts: &Facts| Node {
        op,
        inputs,
        schema: schema.clone(),
        facts: facts.clone(),
    };
    let filter = binary(column("ms", 1), Operator::Gt, literal(1_000.0));
    let columns = vec![column("page", 0), binary(column("ms", 1), Operator::Divide, literal(1_000.0)), column("ts", 2)];
    let reduce = |pane, lateness_ms, emit| {
        let mut max = call("slowest", "MAX", vec![1]);
        max.filter = Some(1);
        let mut pages = call("pages", "COUNT", vec![0]);
        pages.distinct = true;
        let aggregates = vec![call("n", "COUNT", vec![]), max, pages];
        Op::Reduce(Reduce { keys: vec![0], pane, aggregates, emit, lateness_ms, retracting: false })
    };
    let windowed = schema(&[
        ("page", DataType::Utf8),
        ("window_start", TIME),
        ("window_end", TIME),
        ("window_time", TIME),
        ("n", DataType::Int64),
        ("slowest", DataType::Float64),
        ("pages", DataType::Int64),
    ]);
    let forever = schema(&[
        ("page", DataType::Utf8),
        ("n", DataType::Int64),
        ("slowest", DataType::Float64),
        ("pages", DataType::Int64),
    ]);
    let window_facts = Facts {
        append_only: false,
        time: Some(3),
        key: Some(vec![0, 1]),
        closes: Some(2),
        bounds: vec![None, None, Some(-60_000), Some(-60_001), None, None, None],
        window: Some(WindowColumns { start: Some(1), end: Some(2), time: Some(3) }),
        ..Facts::default()
    };
    let hop = Window::Hop { size: 60_000, slide: 10_000, offset: 5_000 };
    let nodes = vec![
        node(Op::Source { source: 0 }, vec![], &rows, &facts),
        node(Op::Source { source: 1 }, vec![], &rows, &facts),
        node(Op::Union, vec![0, 1], &rows, &facts),
        node(Op::Map { filter: Some(filter), columns, owner: "slow".into() }, vec![2], &slow, &facts),
        node(
            reduce(Pane::Windows { time: 2, window: hop, zone: None }, Some(60_000), Emit::Changes),
            vec![3],
            &windowed,
            &window_facts,
        ),
        node(
            reduce(Pane::Session { time: 2, gap: 90_000, keep: None }, None, Emit::Final),
            vec![3],
            &windowed,
            &window_facts,
        ),
        node(
            reduce(Pane::Unbounded, Some(0), Emit::Changes),
            vec![3],
            &forever,
            &Facts { key: Some(vec![0]), ..Facts::default() },
        ),
    ];
    let view = |name: &str, node: usize, columns: Vec<usize>, emit| ViewSpec {
        name: name.to_owned(),
        node,
        schema: Arc::new(nodes[node].schema.project(&columns).unwrap()),
        columns,
        key: None,
        closes: None,
        emit,
        sql: String::new(),
        options: Options::default(),
    };
    let views = vec![view("pages", 4, vec![0, 2, 4, 5], Emit::Changes), view("visits", 5, vec![0, 4], Emit::Final)];
    let sinks = vec![SinkPlan {
        spec: SinkSpec {
            partition: Vec::new(),
            name: "totals".to_owned(),
            connector: (&Out as &dyn SinkConnector).into(),
            formats: Default::default(),
            options: Options::default(),
            schema: Arc::new(forever.project(&[0, 1]).unwrap()),
            retracting: true,
        },
        node: 6,
        columns: vec![0, 1],
    }];
    Dataflow { sources: vec![clicks, taps], nodes, views, sinks, ..Dataflow::default() }
}

#[test]
fn the_whole_plan() {
    let expected = "\
view pages (page VARCHAR, window_end TIMESTAMP(3), n BIGINT, slowest DOUBLE) emit changes
  reduce by page over hop(ts, 1 min every 10 s, offset 5 s): n = COUNT(*), slowest = MAX(seconds) where seconds, pages = COUNT(DISTINCT page)
  | retracting | time window_time | every new window_end >= W - 1 min, window_time >= W - 60001 ms | key page, window_start | final after window_end | exchange by page | emits changes | state: open windows, freed at window_end + 1 min
    #1 map page, seconds = ms / 1000, ts where ms > 1000
    | append-only | time ts | every new ts >= W - 1 min
      union of 2
      | append-only | time ts | every new ts >= W - 1 min
        source clicks (live): page, ms, ts
        | append-only | watermark 5 s behind, rows accepted 1 min late, idle after 10 s | time ts | every new ts >= W - 1 min
        source taps (live): page, ms, ts
        | append-only | watermark 5 s behind, rows accepted however late | time ts | every new ts >= W - 1 min

view visits (page VARCHAR, n BIGINT) emit final
  reduce by page over session(ts, gap 90 s): n = COUNT(*), slowest = MAX(seconds) where seconds, pages = COUNT(DISTINCT page)
  | retracting | time window_time | every new window_end >= W - 1 min, window_time >= W - 60001 ms | key page, window_start | final after window_end | exchange by page | emits when closed | state: all sessions, never freed: lateness is unbounded
    #1, as above

sink (out) totals (page VARCHAR, n BIGINT) with _op and _epoch
  reduce by page: n = COUNT(*), slowest = MAX(seconds) where seconds, pages = COUNT(DISTINCT page)
  | retracting | key page | exchange by page | state: grows with the keys, never freed
    #1, as above
";
    let text = explain(&plan(), None);
    assert_eq!(text, expected, "\n{text}");
}

#[test]
fn one_view_is_drawn_alone() {
    let text = explain(&plan(), Some("visits"));
    assert!(
        text.starts_with("view visits")
            && !text.contains("view pages")
            && text.contains("    map page")
            && !text.contains('#'),
        "{text}"
    );
    assert_eq!(explain(&plan(), Some("nothing")), "");
}

#[test]
fn warnings() {
    let texts: Vec<String> = check(&plan()).iter().map(ToString::to_string).collect();
    let expected = [
        "sink totals: its state by page grows with the keys, never freed; aggregate over a window (TUMBLE, HOP, CUMULATE, SESSION), or group by a value with few kinds",
        "source taps: while it is silent, windows that also read other sources stay open; give it an 'idle-timeout', like '10 s'",
        "view visits: its state is all sessions, never freed: lateness is unbounded; give the source a lateness it can live with, like '1 hour'",
    ];
    assert_eq!(texts, expected);
}

#[test]
fn warnings_of_other_plans() {
    let mut plan = plan();
    plan.sources[0].time = None;
    plan.nodes[2] = Node {
        op: Op::Window { time: 2, window: Window::Hop { size: 3_600_000, slide: 1_000, offset: 0 }, zone: None },
        inputs: vec![0],
        ..plan.nodes[2].clone()
    };
    plan.sinks.clear();
    plan.views.truncate(1);
    let texts: Vec<String> = check(&plan).iter().map(ToString::to_string).collect();
    let expected = [
        "source clicks: it has no watermark, so windows over it close only when it ends; declare WATERMARK FOR ts AS ts - INTERVAL '5' SECOND",
        "view pages: every row is copied into the 3600 windows it is in; group by the window right away: then rows are aggregated once per slide",
    ];
    assert_eq!(texts, expected);
    assert_eq!(check(&Dataflow::default()), []);
}

#[test]
fn what_changelogs_keep_is_told_with_what_helps() {
    let changelog = |key| Some(crate::source::Changelog { op: 0, key });
    let told = |of: &dyn Fn(&mut SourceSpec)| -> Vec<String> {
        let mut plan = plan();
        of(&mut plan.sources[1]);
        let all = check(&plan).iter().map(ToString::to_string).collect::<Vec<_>>();
        all.into_iter().filter(|text| text.contains("source taps keeps") || text.contains("view visits")).collect()
    };
    // No lateness bounds what is put in the place of other rows.
    let by_key = told(&|taps| {
        taps.changelog = changelog(Some(vec![0]));
        taps.time = taps.time.map(|time| TimeSpec { lateness_ms: Some(0), ..time });
    });
    assert!(
        by_key.iter().any(|text| text.contains(
            "source taps keeps the row of each page until it goes; let what sends the changes take out the rows that are done with"
        )),
        "{by_key:?}"
    );
    assert!(by_key.iter().all(|text| !text.contains("give the source a lateness")), "{by_key:?}");
    let visits = by_key.iter().find(|text| text.contains("lateness is unbounded"));
    assert!(visits.is_some_and(|text| text.contains("read it with 'changelog' = 'retract'")), "{by_key:?}");
    let whole = told(&|taps| taps.changelog = changelog(None));
    assert!(
        whole.iter().any(|text| text.contains("keeps every row until it is taken back; give it a WATERMARK")),
        "{whole:?}"
    );
    let bounded = told(&|taps| {
        taps.changelog = changelog(None);
        taps.time = taps.time.map(|time| TimeSpec { lateness_ms: Some(0), ..time });
    });
    assert!(bounded.iter().all(|text| !text.contains("keeps")), "{bounded:?}");
}
