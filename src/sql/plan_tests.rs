//! What programs become: the nodes, one a line, and what is known of them.

use std::fmt::Write as _;

use arrow_schema::FieldRef;

use super::*;
use crate::options::{OptionSpec, Options};
use crate::plan::{Op, Pane, Reduce};
use crate::sink::{SinkConnector, SinkError, SinkSpec, Writer};
use crate::source::{Connector, Reader, SourceError, SourceSpec};

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
        let fields = vec![Field::new("Id", DataType::Int64, true), Field::new("ts", column_type::TIME, true)];
        options.get("rows").map(|_| fields.into_iter().map(FieldRef::new).collect())
    }

    fn live(&self, _: &Options) -> bool {
        false
    }

    fn check(&self, _: &SourceSpec) -> Result<(), SourceError> {
        Ok(())
    }

    fn open(&self, _: &SourceSpec) -> Result<Vec<Box<dyn Reader>>, SourceError> {
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

    fn open(&self, _: &SinkSpec, _: usize) -> Result<Box<dyn Writer>, SinkError> {
        unreachable!("tests only plan")
    }
}

pub(super) fn catalog() -> Catalog {
    Catalog::new().with_connectors(&[&Memory]).with_sinks(&[&Nowhere])
}

pub(super) const BID: &str = "CREATE SOURCE bid (
  auction BIGINT, bidder BIGINT, price BIGINT, channel STRING, url STRING, `dateTime` TIMESTAMP(3), extra STRING,
  WATERMARK FOR `dateTime` AS `dateTime` - INTERVAL '4' SECOND
) WITH ('connector' = 'memory');
";

pub(super) fn compiled(sql: &str) -> Result<Compiled, Vec<SqlError>> {
    compile(&[("q.sql".to_owned(), sql.to_owned())], &catalog())
}

pub(super) fn planned(sql: &str) -> Dataflow {
    match compiled(sql) {
        Ok(compiled) => compiled.dataflow,
        Err(errors) => panic!("{}", errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")),
    }
}

/// The nodes, one a line.
pub(super) fn shape(plan: &Dataflow) -> String {
    let mut out = String::new();
    for (id, node) in plan.nodes.iter().enumerate() {
        let names = node.schema.fields().iter().map(|f| f.name().as_str()).collect::<Vec<_>>().join(" ");
        let what = match &node.op {
            Op::Source { source } => format!("source {}", plan.sources[*source].name),
            Op::Map { filter, columns, .. } => {
                let filter = filter.as_ref().map_or(String::new(), |f| format!(" where {f}"));
                format!("map{filter} -> {}", columns.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))
            }
            Op::Union => "union".to_owned(),
            Op::Window { time, window } => format!("window #{time} {window:?}"),
            Op::Reduce(reduce) => reduce_shape(reduce),
            Op::Join(join) => format!("{:?} join on {:?}", join.kind, join.keys),
            Op::Lookup(lookup) => format!("lookup on {:?}", lookup.keys),
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
        Pane::Windows { time, window } => format!(" {window:?} of #{time}"),
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
pub(super) fn becomes(sql: &str, expected: &[&str]) {
    let found = shape(&planned(&format!("{BID}{sql}")));
    let lines: Vec<&str> = found.lines().collect();
    assert_eq!(lines, expected, "{sql}\n{found}");
}

#[test]
fn filters_and_projections_are_one_map_and_read_what_they_need() {
    becomes(
        "CREATE MATERIALIZED VIEW v AS SELECT auction, price * 2 AS p2 FROM bid WHERE price > 10",
        &[
            "0 [] source bid (auction price)",
            "1 [0] map where price@1 > 10 -> auction@0, price@1 * 2 (auction __computed0)",
        ],
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
             (bidder window_start window_end window_time count(Int64(1)) sum(bid.price))",
        ],
    );
}

#[test]
fn sessions_are_filtered_before_in_one_form_and_after_in_the_other() {
    becomes(
        "CREATE MATERIALIZED VIEW v AS SELECT bidder, SESSION_START(`dateTime`, INTERVAL '10' SECOND) s, count(*) n
         FROM bid WHERE price > 3 GROUP BY bidder, SESSION(`dateTime`, INTERVAL '10' SECOND)",
        &[
            "0 [] source bid (bidder price dateTime)",
            "1 [0] map where price@1 > 3 -> bidder@0, dateTime@2 (bidder dateTime)",
            "2 [1] reduce [0] session 10000 of #1 keep None Final late Some(0) COUNT([]) \
             (bidder window_start window_end window_time count(Int64(1)))",
        ],
    );
    becomes(
        "CREATE MATERIALIZED VIEW v AS SELECT bidder, window_end, count(*) n
         FROM TABLE(SESSION(TABLE bid PARTITION BY bidder, DESCRIPTOR(`dateTime`), INTERVAL '10' SECOND))
         WHERE price > 3 GROUP BY bidder, window_start, window_end",
        &[
            "0 [] source bid (bidder price dateTime)",
            "1 [0] map -> bidder@0, dateTime@2, price@1 > 3 (bidder dateTime __computed0)",
            "2 [1] reduce [0] session 10000 of #1 keep Some(2) Final late Some(0) COUNT([]) \
             (bidder window_start window_end window_time count(Int64(1)))",
        ],
    );
}
