//! Functions of an embedder that panic or fail, and functions that are others than they were: told by name, and no engine hangs.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use arrow_array::ArrayRef;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_schema::DataType;
use datafusion_common::ScalarValue;
use datafusion_expr::{ColumnarValue, Volatility, create_udf};
use highwater::embed::OnChange;
use highwater::extend::{
    Accumulator, Aggregate, AggregateError, Call, Catalog, Input, Signature, Unfit, aggregate, relation, scalar,
};
use highwater::testing::Setup;
use highwater::{Drain, Highwater};

/// An aggregate that panics in the method that it is told, of hand-written kind.
#[derive(Debug)]
struct Boom(&'static str);

struct Booms(&'static str);

impl Aggregate for Boom {
    fn name(&self) -> &str {
        "BOOM"
    }

    fn help(&self) -> &str {
        "`BOOM(x)`: panics"
    }

    fn bind(&self, args: &[DataType], _: &[ScalarValue]) -> Result<Signature, AggregateError> {
        Ok(Signature { args: args.to_vec(), output: DataType::Int64 })
    }

    fn accumulator(&self, _: &Call) -> Box<dyn Accumulator> {
        Box::new(Booms(self.0))
    }
}

impl Booms {
    fn told(&self, method: &str) {
        assert!(self.0 != method, "no {method} today");
    }
}

impl Accumulator for Booms {
    fn resize(&mut self, _: usize) {
        self.told("resize");
    }

    fn update(&mut self, _: &[u32], _: &Input<'_>) {
        self.told("update");
    }

    fn merge(&mut self, _: &[u32], _: &dyn Accumulator, _: &[u32], _: i64) {
        self.told("merge");
    }

    fn evaluate(&self, groups: &[u32]) -> ArrayRef {
        self.told("evaluate");
        arrow_array::new_null_array(&DataType::Int64, groups.len())
    }

    fn reset(&mut self, _: &[u32]) {}

    fn saved(&self) -> Vec<DataType> {
        Vec::new()
    }

    fn save(&self, _: &[u32]) -> Vec<ArrayRef> {
        Vec::new()
    }

    fn load(&mut self, _: &[u32], _: &[ArrayRef]) -> Result<(), Unfit> {
        Ok(())
    }

    fn bytes(&self) -> usize {
        0
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

#[test]
fn a_hand_written_aggregate_that_panics_ends_the_engine_with_its_name() {
    let hops = "FROM TABLE(HOP(TABLE s, DESCRIPTOR(ts), INTERVAL '1' SECOND, INTERVAL '2' SECOND)) GROUP BY window_start, window_end";
    for (method, from) in [("resize", "FROM s"), ("update", "FROM s"), ("evaluate", "FROM s"), ("merge", hops)] {
        for workers in [1, 2] {
            let program = format!(
                "CREATE SOURCE s (n BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts) WITH ('connector' = 'http');
                 CREATE MATERIALIZED VIEW v AS SELECT BOOM(n) AS n {from};"
            );
            let highwater = Highwater::builder().sql(program).aggregate(Boom(method)).workers(workers).start().unwrap();
            let rows = [1_000_i64, 60_000, 120_000].map(|ts| serde_json::json!({"n": 1, "ts": ts}));
            let _ = highwater.source("s").unwrap().push_rows(rows);
            let error = highwater.finished_within(Duration::from_secs(20)).unwrap_err().to_string();
            let told = format!("the aggregate function BOOM panicked: no {method} today");
            assert!(error.contains(&told), "{method}, {workers}: {error}");
        }
    }
}

#[test]
fn a_function_of_datafusion_s_kind_that_panics_is_a_dead_letter() {
    let unlucky = |args: &[ColumnarValue]| {
        let ColumnarValue::Array(column) = &args[0] else { panic!("a column") };
        assert!(!column.as_primitive::<Int64Type>().values().contains(&13), "not with 13");
        Ok(args[0].clone())
    };
    let (of, stays) = (DataType::Int64, Volatility::Immutable);
    let catalog = Catalog::new().with_function(create_udf("unlucky", vec![of.clone()], of, stays, Arc::new(unlucky)));
    let catalog = catalog.unwrap();
    let mut driver = Setup::new(
        "CREATE SOURCE s (n BIGINT) WITH ('connector' = 'http');
         CREATE MATERIALIZED VIEW v AS SELECT unlucky(n) AS n FROM s;",
    )
    .catalog(catalog)
    .workers(2)
    .start()
    .unwrap();
    driver.push_table("s", "n\n 12\n 13\n 14").unwrap();
    driver.expect("v", "n\n 12\n 14").unwrap();
    let told = driver.dead_letters("v").unwrap().to_string();
    assert!(told.contains("it panicked: not with 13"), "{told}");
    let letters: Vec<_> = driver.engine().dead_letters().iter().flat_map(|letters| letters.latest(9)).collect();
    assert_eq!(letters.len(), 1);
    assert!(letters[0].expression.to_lowercase().contains("unlucky(n)"), "{:?}", letters[0]);
}

#[test]
fn a_match_whose_measure_fails_is_a_dead_letter() {
    let whole = aggregate("whole", |values: &[f64]| match values.iter().sum::<f64>() {
        sum if sum.fract() == 0.0 => Ok(sum as i64),
        sum => Err(format!("{sum} is not whole")),
    });
    let catalog = Catalog::new().with_aggregate(whole).unwrap().with_function(scalar("below_9", |n: i64| {
        assert!(n < 9, "too many");
        n
    }));
    let catalog = catalog.unwrap();
    for workers in [1, 3] {
        let mut driver = Setup::new(
            "CREATE SOURCE s (k VARCHAR, x DOUBLE, n BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts) WITH ('connector' = 'http');
             CREATE MATERIALIZED VIEW v AS SELECT k, w, n FROM s MATCH_RECOGNIZE (
               PARTITION BY k ORDER BY ts MEASURES WHOLE(UP.x) AS w, BELOW_9(LAST(UP.n)) AS n ONE ROW PER MATCH
               AFTER MATCH SKIP PAST LAST ROW PATTERN (START UP) DEFINE UP AS UP.x > PREV(UP.x));",
        )
        .catalog(catalog.clone())
        .workers(workers)
        .start()
        .unwrap_or_else(|error| panic!("{error}"));
        driver
            .push_table(
                "s",
                "k | x   | n | ts
                 a | 1   | 1 | 2026-01-01 00:00:01
                 b | 1   | 1 | 2026-01-01 00:00:01
                 c | 1   | 1 | 2026-01-01 00:00:01
                 a | 2   | 2 | 2026-01-01 00:00:02
                 b | 1.5 | 2 | 2026-01-01 00:00:02
                 c | 7   | 9 | 2026-01-01 00:00:02",
            )
            .unwrap();
        driver.watermark("s", "2026-01-01 00:00:10").unwrap();
        driver.expect("v", "k | w | n\n a | 2 | 2").unwrap();
        let told = driver.dead_letters("v").unwrap().to_string();
        assert!(told.contains("WHOLE: 1.5 is not whole") && told.contains("BELOW_9 panicked"), "{told}");
        // At the end as well.
        driver
            .push_table("s", "k | x | n | ts\n d | 1 | 1 | 2026-01-01 00:00:11\n d | 2.5 | 1 | 2026-01-01 00:00:12")
            .unwrap();
        driver.end_all();
        driver.expect("v", "k | w | n\n a | 2 | 2").unwrap();
        let told = driver.dead_letters("v").unwrap().to_string();
        assert!(told.contains("WHOLE: 2.5 is not whole"), "{told}");
    }
}

#[test]
fn a_data_directory_knows_a_function_by_its_version() {
    let program = "CREATE SOURCE s (n BIGINT) WITH ('connector' = 'http');
         CREATE TABLE same (n BIGINT) WITH ('connector' = 'as_it_is', 'reads' = 's');
         CREATE MATERIALIZED VIEW v AS SELECT fee(n) AS n FROM same;
         CREATE MATERIALIZED VIEW w AS SELECT SPREAD(n) AS n FROM same;";
    let folder = tempfile::tempdir().unwrap();
    let start = |versions: [u64; 4], on_change| {
        Highwater::builder()
            .sql(program)
            .function(scalar("fee", move |n: i64| n * versions[0] as i64).with_version(versions[0]))
            .aggregate(aggregate("spread", |n: &[i64]| n[n.len() - 1] - n[0]).with_version(versions[1]))
            .relation(relation("as_it_is", |[s]| s.rows::<(i64,)>()).with_version(versions[2]))
            .function(scalar("unused", |n: i64| n).with_version(versions[3]))
            .data_dir(folder.path())
            .on_change(on_change)
            .start()
    };
    let first = start([1, 0, 0, 0], OnChange::Refuse).unwrap();
    let pushed = first.source("s").unwrap().push_rows([(5,)]).unwrap();
    first.durable_blocking(&pushed).unwrap();
    first.shutdown_blocking(Drain::No).unwrap();
    start([1, 0, 0, 7], OnChange::Refuse).unwrap().shutdown_blocking(Drain::No).unwrap();
    for (versions, function) in [([2, 0, 0, 0], "fee"), ([1, 1, 0, 0], "spread"), ([1, 0, 1, 0], "as_it_is")] {
        let refused = start(versions, OnChange::Refuse).unwrap_err().to_string();
        assert!(refused.contains(&format!("function '{function}'")), "{refused}");
    }
    let rebuilt = start([3, 0, 0, 0], OnChange::Rebuild).unwrap();
    assert_eq!(rebuilt.view("v").unwrap().rows::<(i64,)>().unwrap(), [(15,)]);
    rebuilt.shutdown_blocking(Drain::No).unwrap();
}
