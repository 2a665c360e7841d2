//! What programs become: the nodes, one a line, and what is known of them.

use arrow_schema::FieldRef;
use std::fmt::Write as _;

use crate::*;
use highwater_core::options::{OptionSpec, Options};
use highwater_core::plan::{Op, Pane, Reduce};
use highwater_core::sink::{SinkConnector, SinkError, SinkSpec, Writer};
use highwater_core::source::{Connector, Reader, SourceError, SourceSpec};

#[derive(Debug)]
struct Memory;

impl Connector for Memory {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn help(&self) -> &'static str {
        "for tests"
    }

    fn options(&self) -> &'static [OptionSpec] {
        &[OptionSpec { name: "rows", help: "how many" }]
    }

    fn default_columns(&self, options: &Options) -> Option<Vec<FieldRef>> {
        use arrow_schema::{DataType, Field};
        let fields =
            vec![Field::new("Id", DataType::Int64, true), Field::new("ts", crate::parse::column_type::TIME, true)];
        options.get("rows").map(|_| fields.into_iter().map(FieldRef::new).collect())
    }

    fn live(&self, _: &Options) -> bool {
        false
    }

    fn check(&self, _: &SourceSpec) -> Result<(), SourceError> {
        Ok(())
    }

    fn replay(&self) -> highwater_core::source::Replay {
        highwater_core::source::Replay::Once
    }

    fn open(
        &self,
        _: &SourceSpec,
        _: &[(highwater_core::source::SplitId, highwater_core::source::Start)],
    ) -> Result<Vec<Box<dyn Reader>>, SourceError> {
        Ok(Vec::new())
    }
}

#[derive(Debug)]
struct Nowhere;

impl SinkConnector for Nowhere {
    fn name(&self) -> &'static str {
        "nowhere"
    }

    fn help(&self) -> &'static str {
        "for tests"
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

    fn open(&self, _: &SinkSpec, _: usize, _: usize) -> Result<Box<dyn Writer>, SinkError> {
        unreachable!("tests only plan")
    }
}

pub(crate) fn catalog() -> Catalog {
    Catalog::new().with_source(Memory).and_then(|catalog| catalog.with_sink(Nowhere)).unwrap()
}

pub(crate) const BID: &str = "CREATE SOURCE bid (
  auction BIGINT, bidder BIGINT, price BIGINT, channel STRING, url STRING, `dateTime` TIMESTAMP(3), extra STRING,
  WATERMARK FOR `dateTime` AS `dateTime` - INTERVAL '4' SECOND
) WITH ('connector' = 'memory');
";

pub(crate) fn compiled(sql: &str) -> Result<Compiled, Vec<SqlError>> {
    compile(&[("q.sql".to_owned(), sql.to_owned())], &catalog()).map_err(Vec::from)
}

pub(crate) fn planned(sql: &str) -> Dataflow {
    match compiled(sql) {
        Ok(compiled) => compiled.dataflow,
        Err(errors) => panic!("{}", errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")),
    }
}

/// The nodes, one a line.
pub(crate) fn shape(plan: &Dataflow) -> String {
    let mut out = String::new();
    for (id, node) in plan.nodes.iter().enumerate() {
        let names = node.schema.fields().iter().map(|f| f.name().as_str()).collect::<Vec<_>>().join(" ");
        let what = match &node.op {
            Op::Source { source } => format!("source {}", plan.sources[*source].name),
            Op::Table { table } => format!("table {}", plan.tables[*table].name()),
            Op::Read { read } => format!("read {}", plan.reads[*read].name),
            Op::Map { filter, columns, .. } => {
                let filter = filter.as_ref().map_or(String::new(), |f| format!(" where {f}"));
                format!("map{filter} -> {}", columns.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))
            }
            Op::Union => "union".to_owned(),
            Op::Hold => "hold".to_owned(),
            Op::Window { time, window, .. } => format!("window #{time} {window:?}"),
            Op::Reduce(reduce) => reduce_shape(reduce),
            Op::Join(join) => format!("{:?} join on {:?}", join.kind, join.keys),
            other => format!("{other:?}").split('(').next().unwrap_or_default().to_lowercase(),
        };
        let inputs = node.inputs.iter().map(|i| format!("{i}")).collect::<Vec<_>>().join(",");
        let _ = writeln!(out, "{id} [{inputs}] {what} ({names}){}", if node.facts.append_only { "" } else { " ±" });
    }
    out
}

fn reduce_shape(reduce: &Reduce) -> String {
    let calls: Vec<String> = reduce
        .aggregates
        .iter()
        .map(|call| {
            let distinct = if call.distinct { "distinct " } else { "" };
            let filter = call.filter.map_or(String::new(), |f| format!(" if #{f}"));
            let order = if call.order.is_empty() {
                String::new()
            } else {
                format!(" by {:?}", call.order.iter().map(|o| o.0).collect::<Vec<_>>())
            };
            format!("{}({distinct}{:?}){filter}{order}", call.function.name(), call.args)
        })
        .collect();
    let pane = match reduce.pane {
        Pane::Unbounded => String::new(),
        Pane::Windows { time, window, .. } => format!(" {window:?} of #{time}"),
        Pane::Assigned { start, end } => format!(" assigned #{start} #{end}"),
        Pane::Session { time, gap, keep } => format!(" session {gap} of #{time} keep {keep:?}"),
    };
    let emit = if matches!(reduce.pane, Pane::Unbounded) {
        String::new()
    } else {
        format!(" {:?} late {:?}", reduce.emit, reduce.lateness_ms)
    };
    format!("reduce {:?}{pane}{emit} {}", reduce.keys, calls.join(" "))
}

/// Asserts the nodes of a program over `bid`.
#[track_caller]
pub(crate) fn becomes(sql: &str, expected: &[&str]) {
    let found = shape(&planned(&format!("{BID}{sql}")));
    let lines: Vec<&str> = found.lines().collect();
    assert_eq!(lines, expected, "{sql}\n{found}");
}

#[test]
fn filters_and_projections_are_one_map_and_read_what_they_need() {
    becomes(
        "CREATE MATERIALIZED VIEW v AS SELECT auction, price * 2 AS p2 FROM bid WHERE price > 10",
        &["0 [] source bid (auction price)", "1 [0] map where price@1 > 10 -> auction@0, price@1 * 2 (auction p2)"],
    );
}

#[test]
fn windows_are_taken_into_groupings() {
    becomes(
        "CREATE MATERIALIZED VIEW v AS SELECT bidder, window_start, window_end, COUNT(*) AS n, SUM(price) AS s
         FROM TABLE(TUMBLE(TABLE bid, DESCRIPTOR(`dateTime`), INTERVAL '10' SECOND)) WHERE price > 5
         GROUP BY bidder, window_start, window_end",
        &[
            "0 [] source bid (bidder price dateTime)",
            "1 [0] map where price@1 > 5 -> bidder@0, price@1, dateTime@2 (bidder price dateTime)",
            "2 [1] reduce [0] Tumble { size: 10000, offset: 0 } of #2 Final late Some(0) COUNT([]) SUM([1]) \
             (bidder window_start window_end window_time count(*) sum(price))",
        ],
    );
}

#[test]
fn hop_and_cumulate_keep_flinks_order_of_arguments() {
    for (call, window) in [
        (
            "HOP(TABLE bid, DESCRIPTOR(`dateTime`), INTERVAL '2' SECOND, INTERVAL '10' SECOND)",
            "Hop { size: 10000, slide: 2000, offset: 0 }",
        ),
        (
            "CUMULATE(TABLE bid, DESCRIPTOR(`dateTime`), INTERVAL '2' SECOND, INTERVAL '10' SECOND)",
            "Cumulate { step: 2000, size: 10000, offset: 0 }",
        ),
        (
            "TUMBLE(TABLE bid, DESCRIPTOR(`dateTime`), INTERVAL '1' DAY, INTERVAL '-8' HOUR)",
            "Tumble { size: 86400000, offset: -28800000 }",
        ),
        (
            "TUMBLE(DATA => TABLE bid, TIMECOL => DESCRIPTOR(`dateTime`), SIZE => INTERVAL '1:30' MINUTE TO SECOND)",
            "Tumble { size: 90000, offset: 0 }",
        ),
    ] {
        let sql = format!(
            "{BID}CREATE MATERIALIZED VIEW v AS SELECT window_end, COUNT(*) AS n FROM TABLE({call}) GROUP BY window_end"
        );
        let found = shape(&planned(&sql));
        assert!(found.contains(&format!("reduce [] {window} of #0 Final")), "{call}\n{found}");
    }
    let plain = planned(&format!(
        "{BID}CREATE MATERIALIZED VIEW v AS SELECT window_end, COUNT(*) AS n FROM tumble(bid, dateTime, INTERVAL '10 seconds') t GROUP BY t.window_end"
    ));
    assert!(shape(&plain).contains("Tumble { size: 10000, offset: 0 }"));
}

#[test]
fn a_window_told_by_its_start_only_is_taken_in_unless_it_grows() {
    let sql = |call: &str| {
        format!(
            "{BID}CREATE MATERIALIZED VIEW v AS SELECT window_start, COUNT(*) AS n FROM TABLE({call}) GROUP BY window_start"
        )
    };
    let tumble = shape(&planned(&sql("TUMBLE(TABLE bid, DESCRIPTOR(dateTime), INTERVAL '10' SECOND)")));
    assert!(tumble.contains("reduce [] Tumble"), "{tumble}");
    // Several windows of CUMULATE share a start: they are one group, bounded by what the start can no longer be.
    let cumulate =
        shape(&planned(&sql("CUMULATE(TABLE bid, DESCRIPTOR(dateTime), INTERVAL '2' SECOND, INTERVAL '10' SECOND)")));
    assert!(
        cumulate.contains("window #0 Cumulate") && cumulate.contains("reduce [] assigned #1 #1 Changes"),
        "{cumulate}"
    );
}

#[test]
fn what_reads_the_windows_columns_keeps_them_in_the_rows() {
    becomes(
        "CREATE MATERIALIZED VIEW v AS SELECT bidder, window_start, dateTime FROM TABLE(TUMBLE(TABLE bid, DESCRIPTOR(dateTime), INTERVAL '10' SECOND)) WHERE price > 5 AND window_start > TIMESTAMP '2020-01-01 00:00:00'",
        &[
            "0 [] source bid (bidder price dateTime)",
            "1 [0] map where price@1 > 5 -> bidder@0, dateTime@2 (bidder dateTime)",
            "2 [1] window #1 Tumble { size: 10000, offset: 0 } (bidder dateTime window_start window_end window_time)",
            "3 [2] map where window_start@2 > 1577836800000 -> bidder@0, dateTime@1, window_start@2 (bidder dateTime window_start)",
        ],
    );
}

#[test]
fn conditions_on_the_window_come_behind_its_grouping() {
    becomes(
        "CREATE MATERIALIZED VIEW v AS SELECT window_start, bidder, MAX(price) AS m
         FROM TABLE(HOP(TABLE bid, DESCRIPTOR(dateTime), INTERVAL '2' SECOND, INTERVAL '10' SECOND))
         WHERE window_start > TIMESTAMP '2020-01-01 00:00:00' GROUP BY window_start, window_end, bidder",
        &[
            "0 [] source bid (bidder price dateTime)",
            "1 [0] reduce [0] Hop { size: 10000, slide: 2000, offset: 0 } of #2 Final late Some(0) MAX([1]) (bidder window_start window_end window_time max(price))",
            "2 [1] map where window_start@1 > 1577836800000 -> bidder@0, window_start@1, window_time@3, max(price)@4 (bidder window_start window_time max(price))",
        ],
    );
}

#[test]
fn a_view_read_twice_runs_once_and_equal_groupings_are_one() {
    let plan = planned(&format!(
        "{BID}CREATE VIEW dear AS SELECT bidder, price, dateTime FROM bid WHERE price > 100;
         CREATE MATERIALIZED VIEW a AS SELECT bidder, COUNT(*) AS n FROM dear GROUP BY bidder;
         CREATE MATERIALIZED VIEW b AS SELECT bidder, COUNT(*) AS number FROM dear d GROUP BY d.bidder;
         CREATE MATERIALIZED VIEW c AS SELECT MAX(n) AS m FROM a;"
    ));
    let found = shape(&plan);
    assert_eq!(found.lines().count(), 4, "{found}");
    assert_eq!(plan.views[0].node, plan.views[1].node);
    assert_eq!(plan.views.iter().map(|view| view.name.as_str()).collect::<Vec<_>>(), ["a", "b", "c"]);
    assert!(found.contains("3 [2] reduce [] MAX([1])"), "{found}");
}

#[test]
fn facts_of_a_windowed_result() {
    let source = "CREATE SOURCE s (k INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '5' SECOND)";
    for (lateness, bound, append_only) in
        [("0 s", Some(0), true), ("1 min", Some(-60_000), false), ("unbounded", None, false)]
    {
        let plan = planned(&format!(
            "{source} WITH ('connector' = 'memory', 'lateness' = '{lateness}');
             CREATE MATERIALIZED VIEW v AS SELECT k, window_start, window_end, COUNT(*) AS n
             FROM TABLE(TUMBLE(TABLE s, DESCRIPTOR(ts), INTERVAL '10' SECOND)) GROUP BY k, window_start, window_end"
        ));
        assert_eq!(plan.nodes[0].facts.bounds, [None, bound], "{lateness}");
        let facts = &plan.nodes[1].facts;
        assert_eq!(facts.append_only, append_only, "{lateness}");
        assert_eq!((facts.time, facts.closes, facts.key.clone()), (Some(3), Some(3), Some(vec![0, 2])), "{lateness}");
        // On time a window's row comes when W is its end; late ones as much later as rows may be late.
        assert_eq!(facts.bounds, [None, bound.map(|b| b - 10_000), bound, bound.map(|b| b - 1), None], "{lateness}");
        let view = &plan.views[0];
        assert_eq!(
            (view.key.clone(), view.closes, view.emit),
            (Some(vec![0, 2]), Some(3), highwater_core::plan::Emit::Final)
        );
    }
}

#[test]
fn windows_are_chained_over_window_time() {
    let plan = planned(&format!(
        "{BID}CREATE VIEW w AS SELECT bidder, window_start, window_end, window_time, COUNT(*) AS n
           FROM TABLE(TUMBLE(TABLE bid, DESCRIPTOR(dateTime), INTERVAL '10' SECOND)) GROUP BY bidder, window_start, window_end, window_time;
         CREATE MATERIALIZED VIEW hours AS SELECT window_start, window_end, MAX(n) AS m
           FROM TABLE(TUMBLE(TABLE w, DESCRIPTOR(window_time), INTERVAL '1' HOUR)) GROUP BY window_start, window_end;
         CREATE MATERIALIZED VIEW same AS SELECT window_end, MAX(n) AS m FROM w GROUP BY window_start, window_end EMIT CHANGES;"
    ));
    let found = shape(&plan);
    let lines: Vec<&str> = found.lines().collect();
    assert!(
        lines[2].contains("[1] reduce [] Tumble { size: 3600000, offset: 0 } of #3 Final late Some(0) MAX([4])"),
        "{found}"
    );
    assert!(lines[3].contains("[1] reduce [] assigned #1 #2 Changes late Some(0) MAX([4])"), "{found}");
}

#[test]
fn emit_speaks_of_the_topmost_windows() {
    let plan = planned(&format!(
        "{BID}CREATE MATERIALIZED VIEW v AS SELECT window_end, MAX(n) AS m FROM (
           SELECT bidder, window_start, window_end, COUNT(*) AS n FROM TABLE(TUMBLE(TABLE bid, DESCRIPTOR(dateTime), INTERVAL '10' SECOND))
           GROUP BY bidder, window_start, window_end) t GROUP BY window_start, window_end EMIT CHANGES"
    ));
    let found = shape(&plan);
    assert_eq!(found.lines().count(), 3, "{found}");
    assert!(found.contains("Tumble { size: 10000, offset: 0 } of #1 Final"), "{found}");
    assert!(found.contains("assigned #1 #2 Changes"), "{found}");
    assert_eq!(plan.views[0].emit, highwater_core::plan::Emit::Changes);
    // Over rows that are taken back the upper grouping takes them back too.
    let plan = planned(&format!(
        "{BID}CREATE VIEW w AS SELECT bidder, window_start, window_end, COUNT(*) AS n
           FROM TABLE(TUMBLE(TABLE bid, DESCRIPTOR(dateTime), INTERVAL '10' SECOND)) GROUP BY bidder, window_start, window_end EMIT CHANGES;
         CREATE MATERIALIZED VIEW v AS SELECT window_end, MAX(n) AS m FROM w GROUP BY window_start, window_end"
    ));
    let Op::Reduce(upper) = &plan.nodes[2].op else { panic!() };
    assert!(upper.retracting && upper.emit == highwater_core::plan::Emit::Final);
    assert!(plan.nodes[2].facts.append_only);
}

#[test]
fn ordered_aggregates_go_by_event_time_and_row_even_if_the_query_below_drops_them() {
    let aggregates = highwater_core::aggregate::AGGREGATES.iter().filter(|function| function.ordered());
    for function in aggregates {
        let name = function.name();
        let separator = if function.literals() > 0 { ", ','" } else { "" };
        let plan = planned(&format!(
            "{BID}CREATE MATERIALIZED VIEW v AS SELECT bidder, {name}(channel{separator}) AS x, {name}(channel{separator} ORDER BY price DESC) AS y
             FROM (SELECT bidder, channel, price FROM bid) t GROUP BY bidder"
        ));
        let Op::Reduce(reduce) = &plan.nodes[1].op else { panic!("{}", shape(&plan)) };
        let names = |call: usize| {
            reduce.aggregates[call]
                .order
                .iter()
                .map(|(c, _)| plan.nodes[0].schema.field(*c).name().as_str())
                .collect::<Vec<_>>()
        };
        assert_eq!(names(0), ["dateTime", "__sequence"], "{name}");
        assert_eq!(names(1), ["price", "dateTime", "__sequence"], "{name}");
        assert!(plan.sources[0].sequence);
    }
}

#[test]
fn grouping_sets_are_a_union_below_one_grouping() {
    let plan = planned(&format!(
        "{BID}CREATE MATERIALIZED VIEW v AS SELECT bidder, channel, window_end, GROUPING(bidder, channel) AS g, SUM(price) AS s
         FROM TABLE(TUMBLE(TABLE bid, DESCRIPTOR(dateTime), INTERVAL '10' SECOND))
         GROUP BY window_start, window_end, GROUPING SETS ((bidder, channel), (channel), ())"
    ));
    let found = shape(&plan);
    let maps: Vec<&str> = found.lines().filter(|line| line.contains("map ->") && line.contains("[0]")).collect();
    assert_eq!(maps.len(), 3, "{found}");
    assert!(maps[0].contains("-> bidder@0, channel@2, price@1, 0, dateTime@3"), "{found}");
    assert!(maps[2].contains("-> NULL, NULL, price@1, 3, dateTime@3"), "{found}");
    assert!(found.contains("reduce [0, 1, 3] Tumble { size: 10000, offset: 0 } of #4 Final"), "{found}");
    for (grouping, sets) in
        [("ROLLUP (bidder, channel)", 3), ("CUBE (bidder, channel)", 4), ("GROUPING SETS ((bidder), (bidder), ())", 3)]
    {
        let plan =
            planned(&format!("{BID}CREATE MATERIALIZED VIEW v AS SELECT COUNT(*) AS n FROM bid GROUP BY {grouping}"));
        // Beside the union of the sets that have keys, the set without any is a grouping of its own.
        let mut unions = plan.nodes.iter().filter(|node| matches!(node.op, Op::Union)).map(|node| node.inputs.len());
        assert_eq!((unions.next(), unions.next()), (Some(sets - 1), Some(2)), "{grouping}");
    }
}

#[test]
fn distinct_and_union() {
    let plan = planned(&format!(
        "{BID}CREATE MATERIALIZED VIEW v AS SELECT DISTINCT bidder FROM (SELECT bidder FROM bid UNION ALL SELECT auction FROM bid) t;
         CREATE MATERIALIZED VIEW w AS SELECT bidder FROM bid UNION SELECT auction FROM bid;"
    ));
    assert_eq!(plan.views[0].node, plan.views[1].node, "{}", shape(&plan));
    assert!(plan.nodes[plan.views[0].node].facts.append_only);
    let plan = planned(&format!(
        "{BID}CREATE VIEW u AS SELECT bidder AS k, `dateTime` AS ts FROM bid UNION ALL SELECT auction, `dateTime` + INTERVAL '0' SECOND FROM bid;
         CREATE MATERIALIZED VIEW v AS SELECT k FROM u"
    ));
    assert!(plan.views[0].closes.is_none());
}

#[test]
fn names_are_found_without_case_and_keep_their_spelling() {
    let plan = planned(
        "CREATE TABLE T (`User Id` INT, Body ROW<`firstName` STRING, n ROW<X INT>>, Ts TIMESTAMP(3), WATERMARK FOR ts AS TS) WITH ('connector' = 'memory');
         CREATE MATERIALIZED VIEW V AS SELECT `user id`, body.FIRSTNAME, t.body.n.x AS `Deep One`, COUNT(*) AS Total, count(*), SUM(body.n.X) + 1
         FROM t GROUP BY `USER ID`, Body.firstname, body.N.x",
    );
    let names: Vec<&str> = plan.views[0].schema.fields().iter().map(|f| f.name().as_str()).collect();
    assert_eq!(names, ["User Id", "firstName", "Deep One", "Total", "count", "column6"]);
    let plan = planned(&format!(
        "{BID}CREATE MATERIALIZED VIEW V (A, b) AS SELECT * FROM (SELECT datetime, AUCTION FROM Bid) x"
    ));
    let names: Vec<&str> = plan.views[0].schema.fields().iter().map(|f| f.name().as_str()).collect();
    assert_eq!(names, ["A", "b"]);
    let plan =
        planned(&format!("{BID}CREATE MATERIALIZED VIEW V AS SELECT * FROM (SELECT datetime, AUCTION FROM Bid) x"));
    let names: Vec<&str> = plan.views[0].schema.fields().iter().map(|f| f.name().as_str()).collect();
    assert_eq!(names, ["dateTime", "auction"]);
}

#[test]
fn sources_decode_what_is_needed() {
    let plan = planned(
        "CREATE TABLE t (a INT, ms BIGINT, c STRING, d AS MOD(a, 7), ts AS TO_TIMESTAMP_LTZ(ms, 3), WATERMARK FOR ts AS ts) WITH ('connector' = 'memory');
         CREATE MATERIALIZED VIEW v AS SELECT d, c FROM t",
    );
    let source = &plan.sources[0];
    assert_eq!(source.decode, [0, 1, 2]);
    assert_eq!(source.computed.iter().map(|(f, _)| f.name().as_str()).collect::<Vec<_>>(), ["d", "ts"]);
    assert_eq!(source.computed[0].1.to_string(), "CAST(a@0 AS Int64) % 7");
    assert_eq!(source.output, [2, 3], "c, then d: columns keep the order of the declaration");
    assert_eq!(source.schema.fields().iter().map(|f| f.name().as_str()).collect::<Vec<_>>(), ["c", "d"]);
    assert_eq!(source.time.map(|time| (time.column, time.bound_ms)), Some((4, 0)));
    let own = planned(
        "CREATE TABLE t (WATERMARK FOR ts AS ts) WITH ('connector' = 'memory', 'rows' = '1'); CREATE MATERIALIZED VIEW v AS SELECT id FROM t",
    );
    assert_eq!(own.views[0].schema.field(0).name(), "Id");
    assert_eq!(own.sources[0].decode, [0, 1]);
    let empty = planned(
        "CREATE TABLE t (a INT) WITH ('connector' = 'memory'); CREATE MATERIALIZED VIEW v AS SELECT COUNT(*) AS n FROM t",
    );
    assert_eq!((empty.sources[0].decode.clone(), empty.sources[0].output.clone()), (vec![0], vec![0]));
}

#[test]
fn inserts_fit_the_table_and_several_are_one_sink() {
    let plan = planned(&format!(
        "{BID}CREATE TABLE o (id BIGINT, `when` TIMESTAMP(3), note STRING) WITH ('connector' = 'nowhere');
         BEGIN STATEMENT SET;
         INSERT INTO o SELECT auction, dateTime, channel FROM bid;
         INSERT INTO o (note, id) SELECT channel, CAST(price AS INT) FROM bid WHERE price > 1;
         END;
         CREATE SINK s WITH ('connector' = 'nowhere') AS SELECT COUNT(*) AS n FROM bid;"
    ));
    assert_eq!(plan.sinks.len(), 2);
    let names = |at: usize| plan.sinks[at].spec.schema.fields().iter().map(|f| f.name().as_str()).collect::<Vec<_>>();
    assert_eq!((names(0), names(1)), (vec!["id", "when", "note"], vec!["n"]));
    assert!(matches!(plan.nodes[plan.sinks[0].node].op, Op::Union));
    assert!(!plan.sinks[0].spec.retracting && plan.sinks[1].spec.retracting);
    for (at, sink) in plan.sinks.iter().enumerate() {
        for (column, field) in sink.columns.iter().zip(sink.spec.schema.fields()) {
            assert_eq!(plan.nodes[sink.node].schema.field(*column).data_type(), field.data_type(), "{at}");
        }
    }
}

#[test]
fn what_nothing_reads_is_warned_of() {
    let compiled = compiled(&format!(
        "{BID}CREATE VIEW v AS SELECT auction FROM bid; CREATE TABLE u (a INT) WITH ('connector' = 'memory')"
    ))
    .unwrap();
    let said: Vec<String> = compiled.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(said.len(), 2);
    assert!(said[0].starts_with("q.sql:1:15: warning: the source 'bid' is not read"), "{}", said[0]);
    assert!(said[1].contains("nothing reads the source 'u'"), "{}", said[1]);
    assert!(compiled.dataflow.sources.is_empty() && compiled.dataflow.nodes.is_empty());
}
