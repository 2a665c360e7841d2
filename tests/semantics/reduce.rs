//! Reduce without windows, filter and projection, union, window columns: against an answer from scratch.

use crate::oracle;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema};
use datafusion_common::ScalarValue;
use datafusion_expr::Operator;
use datafusion_physical_expr::expressions::{binary, col, lit};
use highwater::time::Epoch;
use highwater_core::aggregate::Emit;
use highwater_core::delta::Rejects;
use highwater_core::format::show_row;
use highwater_core::plan::{Dataflow, Facts, Node, Op, Pane, Reduce, Window};
use oracle::{Epochs, Row, Text};
use proptest::prelude::*;

fn expected(shape: usize, rows: &[&Row]) -> BTreeSet<Text> {
    let mut groups: BTreeMap<_, Vec<&Row>> = BTreeMap::new();
    rows.iter().for_each(|row| groups.entry(oracle::key_of(shape, row)).or_default().push(row));
    if shape == 0 {
        groups.entry(None).or_default();
    }
    groups.values().filter_map(|rows| oracle::answer(shape, None, rows.iter().copied())).collect()
}

fn unbounded(shape: usize, retracting: bool) -> Reduce {
    oracle::reduce(shape, Pane::Unbounded, Emit::Changes, None, retracting)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// At every epoch the changes so far are the answer for the rows so far; a row changes at most once an epoch; batches do
    /// not matter; groups whose rows were all taken back are gone.
    #[test]
    fn reduce_equals_the_answer_from_scratch(
        arrivals in oracle::arrivals(any::<bool>()), shape in 0..oracle::KEY_SHAPES, batch in 1usize..9,
    ) {
        let reduce = unbounded(shape, arrivals.retracting);
        let (epochs, _) = arrivals.accept();
        let (rejects, _) = Rejects::channel(show_row);
        let outcome = oracle::drive(oracle::state(&reduce, &rejects), &epochs, batch);
        oracle::check(&outcome.log(), &epochs, &BTreeSet::new(), |rows, _| expected(shape, rows))?;
        oracle::check_calls(&outcome, oracle::key_columns(shape).len())?;
        let all: Vec<&Row> = epochs.values().flatten().collect();
        // The row of nothing is not held.
        let held = if shape == 0 { usize::from(all.iter().map(|row| row.diff).sum::<i64>() > 0) } else { expected(shape, &all).len() };
        prop_assert_eq!(outcome.held, held);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    /// A reduce over a reduce that shows every change is right at every epoch, on any number of workers.
    #[test]
    fn a_changing_result_can_be_reduced_again(arrivals in oracle::arrivals(any::<bool>()), batch in 1usize..9) {
        let (epochs, _) = arrivals.accept();
        let mut plan = oracle::program(&unbounded(1, arrivals.retracting));
        // How many keys have which count.
        let mut outer = unbounded(0, true);
        outer.keys = vec![1];
        outer.aggregates.truncate(1);
        let schema = Schema::new(vec![Field::new("n", DataType::Int64, true), Field::new("keys", DataType::Int64, true)]);
        plan.nodes.push(Node { op: Op::Reduce(outer), inputs: vec![1], schema: Arc::new(schema), facts: Facts::default() });
        plan.views[0].node = 2;
        for workers in 1..=3 {
            let (log, _) = oracle::run(&plan, &epochs, workers, batch);
            oracle::check(&log, &epochs, &BTreeSet::new(), |rows, _| {
                let mut counts: BTreeMap<Text, usize> = BTreeMap::new();
                for row in expected(1, rows) {
                    *counts.entry(row.split('|').nth(1).unwrap().to_owned()).or_default() += 1;
                }
                counts.into_iter().map(|(count, keys)| format!("{count}|{keys}")).collect()
            })?;
        }
    }
}

fn node(op: Op, inputs: Vec<usize>, columns: &[(&str, DataType)]) -> Node {
    let fields: Vec<Field> =
        columns.iter().map(|(name, data_type)| Field::new(*name, data_type.clone(), true)).collect();
    Node { op, inputs, schema: Arc::new(Schema::new(fields)), facts: Facts::default() }
}

fn program(nodes: Vec<Node>) -> Dataflow {
    let mut plan = oracle::program(&unbounded(1, false));
    plan.nodes.truncate(1);
    plan.nodes.extend(nodes);
    plan.views[0].node = plan.nodes.len() - 1;
    plan
}

fn row(key: Option<i64>, v: Option<i64>, diff: i64) -> Row {
    Row { key, ts: 12, v, keep: None, window: (0, 0), diff }
}

fn rows(log: &oracle::Log) -> Vec<(&str, i64)> {
    log.values().flatten().map(|(row, diff)| (row.as_str(), *diff)).collect()
}

#[test]
fn map_filters_computes_and_rejects_what_cannot_be_computed() {
    let (input, int) = (oracle::schema(), |n: i64| lit(ScalarValue::Int64(Some(n))));
    let (k, v) = (col("k", &input).unwrap(), col("v", &input).unwrap());
    let filter = binary(k.clone(), Operator::Gt, int(0), &input).unwrap();
    let quotient = binary(int(100), Operator::Divide, v, &input).unwrap();
    let map = Op::Map { filter: Some(filter), columns: vec![quotient, k, int(7)], owner: "view 'v'".into() };
    let plan =
        program(vec![node(map, vec![0], &[("q", DataType::Int64), ("k", DataType::Int64), ("c", DataType::Int64)])]);
    let mut input =
        vec![row(Some(1), Some(5), 1), row(Some(2), Some(0), 1), row(Some(0), Some(0), 1), row(None, Some(1), 1)];
    input.extend([row(Some(3), None, 1), row(Some(4), Some(50), -1), row(Some(5), Some(0), 1)]);
    let epochs: Epochs = [(Epoch::MIN, input)].into();
    let (log, rejects) = oracle::run(&plan, &epochs, 1, 100);
    assert_eq!(rows(&log), [("20|1|7", 1), ("2|4|7", -1), ("|3|7", 1)]);
    let seen: Vec<_> = rejects.iter().map(|dead| (dead.expression.as_str(), dead.detail.as_str(), dead.diff)).collect();
    assert_eq!(seen, [("100 / v", "division by zero", 1); 2]);
    assert!(rejects[0].content.contains(r#""k":2"#) && rejects[0].reason == "evaluation", "{rejects:?}");
}

#[test]
fn a_condition_that_excludes_a_row_spares_it_the_next() {
    let (input, int) = (oracle::schema(), |n: i64| lit(ScalarValue::Int64(Some(n))));
    let (k, v) = (col("k", &input).unwrap(), col("v", &input).unwrap());
    let not_zero = binary(v.clone(), Operator::NotEq, int(0), &input).unwrap();
    let quotient = binary(int(100), Operator::Divide, v.clone(), &input).unwrap();
    let more = binary(quotient, Operator::Gt, int(10), &input).unwrap();
    let odd =
        binary(binary(int(7), Operator::Divide, k.clone(), &input).unwrap(), Operator::Gt, int(0), &input).unwrap();
    let filter = [not_zero, more, odd].into_iter().reduce(|a, b| binary(a, Operator::And, b, &input).unwrap()).unwrap();
    let map = Op::Map { filter: Some(filter), columns: vec![k, v], owner: "v".into() };
    let plan = program(vec![node(map, vec![0], &[("k", DataType::Int64), ("v", DataType::Int64)])]);
    // Half of them zero: NULL and zero are excluded before they divide, `7 / k` fails for those that are left with k = 0.
    let rows_in: Vec<Row> = (0..200)
        .map(|n| row(Some(n % 5), [Some(0), Some(n % 9 + 1), None, Some(0), Some(20)][n as usize % 5 * 7 % 5], 1))
        .chain([row(Some(0), Some(3), 1), row(Some(0), Some(0), 1), row(Some(0), Some(50), 1)])
        .collect();
    let passes = |row: &&Row| row.v.is_some_and(|v| v != 0 && 100 / v > 10) && row.key != Some(0);
    let mut expected: BTreeMap<String, i64> = BTreeMap::new();
    for row in rows_in.iter().filter(passes).filter(|row| 7 / row.key.unwrap() > 0) {
        *expected.entry(format!("{}|{}", row.key.unwrap(), row.v.unwrap())).or_default() += 1;
    }
    let failing =
        rows_in.iter().filter(|row| row.key == Some(0) && row.v.is_some_and(|v| v != 0 && 100 / v > 10)).count();
    assert!(failing >= 1 && expected.len() > 5, "{failing} {expected:?}");
    for batch in [1, 7, 1000] {
        let (log, rejects) = oracle::run(&plan, &[(Epoch::MIN, rows_in.clone())].into(), 1, batch);
        let found: BTreeMap<String, i64> = log.values().flatten().map(|(row, n)| (row.clone(), *n)).collect();
        assert_eq!((found, rejects.len()), (expected.clone(), failing), "batches of {batch}");
        assert!(rejects.iter().all(|reject| reject.content.contains(r#""k":0"#)), "{rejects:?}");
    }
}

#[test]
fn rows_without_columns_are_still_rows() {
    let none = Op::Map { filter: None, columns: vec![], owner: "v".into() };
    let mut count = unbounded(0, false);
    count.aggregates.truncate(1);
    let plan = program(vec![node(none, vec![0], &[]), node(Op::Reduce(count), vec![1], &[("n", DataType::Int64)])]);
    let epochs: Epochs = [(Epoch::MIN, vec![row(None, None, 1); 5])].into();
    for workers in 1..=2 {
        assert_eq!(rows(&oracle::run(&plan, &epochs, workers, 2).0), [("5", 1)]);
    }
}

#[test]
fn union_and_window_columns() {
    let columns = [("k", DataType::Int64)];
    let key = || Op::Map { filter: None, columns: vec![col("k", &oracle::schema()).unwrap()], owner: "v".into() };
    let union = program(vec![
        node(key(), vec![0], &columns),
        node(key(), vec![0], &columns),
        node(Op::Union, vec![1, 2], &columns),
    ]);
    let epochs: Epochs = [(Epoch::MIN, vec![row(Some(1), Some(1), 1), row(Some(2), None, 1)])].into();
    assert_eq!(rows(&oracle::run(&union, &epochs, 2, 1).0), [("1", 2), ("2", 2)]);

    let mut fields = oracle::schema().fields().to_vec();
    let time = oracle::schema().field(oracle::TS).clone();
    fields.extend(["a", "b", "c"].map(|name| Arc::new(time.clone().with_name(name))));
    let window = Window::Hop { size: 10, slide: 5, offset: 0 };
    let mut windows = node(Op::Window { time: oracle::TS, window, zone: None }, vec![0], &[]);
    windows.schema = Arc::new(Schema::new(fields));
    let (log, _) = oracle::run(&program(vec![windows]), &epochs, 1, 10);
    assert_eq!(
        rows(&log),
        [
            ("1|t1|12|1||0|0|10|20|19", 1),
            ("1|t1|12|1||0|0|5|15|14", 1),
            ("2|t0|12|||0|0|10|20|19", 1),
            ("2|t0|12|||0|0|5|15|14", 1)
        ]
    );
}
