//! Rankings against an answer from scratch: top-N, deduplication and the rank kinds, of streams and of windows, rows that
//! come late or are taken back, duplicates, NULL keys, NULL order values.

use crate::oracle;

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema, SortOptions};
use highwater::time::Epoch;
use highwater_core::aggregate::Emit;
use highwater_core::delta::Rejects;
use highwater_core::format::show_row;
use highwater_core::plan::{Dataflow, Numbering, Op, Pane, Rank, build};
use oracle::{Epochs, Log, Row, Text};
use proptest::prelude::*;

const NUMBERINGS: [Numbering; 3] = [Numbering::Row, Numbering::Rank, Numbering::Dense];

pub(super) fn plan(rank: &Rank) -> Dataflow {
    let mut plan = oracle::program(&oracle::reduce(1, Pane::Unbounded, rank.emit, None, false));
    let mut fields: Vec<Field> = oracle::schema().fields().iter().map(|field| field.as_ref().clone()).collect();
    fields.extend(rank.numbers.iter().map(|numbering| Field::new(format!("{numbering:?}"), DataType::Int64, false)));
    plan.nodes[1].op = Op::Rank(rank.clone());
    plan.nodes[1].schema = Arc::new(Schema::new(fields));
    plan
}

pub(super) fn rank(
    arrivals: &oracle::Arrivals,
    shape: usize,
    order: Vec<(usize, SortOptions)>,
    bound: (Numbering, u64, u64),
) -> Rank {
    Rank {
        keys: oracle::key_columns(shape),
        window: None,
        ties: if order.iter().any(|(column, _)| *column == oracle::TS) {
            vec![]
        } else {
            vec![(oracle::TS, SortOptions::default())]
        },
        order,
        unique: false,
        by: bound.0,
        from: bound.1,
        to: bound.2,
        numbers: NUMBERINGS.to_vec(),
        emit: Emit::Changes,
        lateness_ms: None,
        retracting: arrivals.retracting,
    }
}

/// The order of two rows by the columns of an ORDER BY.
fn by_order(order: &[(usize, SortOptions)], a: &Row, b: &Row) -> Ordering {
    let value = |row: &Row, column: usize| match column {
        oracle::TS => Some(row.ts),
        oracle::V => row.v,
        oracle::KEEP => row.keep.map(i64::from),
        _ => unreachable!(),
    };
    let one = |(column, options): &(usize, SortOptions)| match (value(a, *column), value(b, *column)) {
        (None, None) => Ordering::Equal,
        (None, Some(_)) => {
            if options.nulls_first {
                Ordering::Less
            } else {
                Ordering::Greater
            }
        }
        (Some(_), None) => {
            if options.nulls_first {
                Ordering::Greater
            } else {
                Ordering::Less
            }
        }
        (Some(a), Some(b)) => {
            if options.descending {
                b.cmp(&a)
            } else {
                a.cmp(&b)
            }
        }
    };
    order.iter().map(one).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
}

/// How often each row is shown.
fn expected(rank: &Rank, shape: usize, rows: &[&Row], now: Epoch) -> BTreeMap<Text, i64> {
    let mut net: BTreeMap<Row, i64> = BTreeMap::new();
    rows.iter().for_each(|row| *net.entry(Row { diff: 1, ..(*row).clone() }).or_default() += row.diff);
    let mut partitions: BTreeMap<_, Vec<Row>> = BTreeMap::new();
    for (row, copies) in net {
        let window = rank.window.map(|_| row.window);
        let partition = partitions.entry((oracle::key_of(shape, &row), window)).or_default();
        partition.extend(std::iter::repeat_n(row, copies as usize));
    }
    let mut shown = BTreeMap::new();
    for ((_, window), mut rows) in partitions {
        // The end itself may still come: a window is complete a moment after it.
        if window.is_some_and(|(_, end)| rank.emit == Emit::Final && Epoch::at(end + 1) > now) {
            continue;
        }
        rows.sort_by(|a, b| by_order(&rank.order, a, b).then(by_order(&rank.ties, a, b)).then_with(|| a.cmp(b)));
        let (mut first, mut dense) = (0, 0);
        for (at, row) in rows.iter().enumerate() {
            if at == 0 || by_order(&rank.order, &rows[at - 1], row).is_ne() {
                (first, dense) = (at as u64 + 1, dense + 1);
            }
            let of = |numbering: Numbering| match numbering {
                Numbering::Row => at as u64 + 1,
                Numbering::Rank => first,
                Numbering::Dense => dense,
            };
            if (rank.from..=rank.to).contains(&of(rank.by)) {
                let mut text = oracle::texts(&oracle::delta(std::slice::from_ref(row)))[0].0.clone();
                rank.numbers.iter().for_each(|numbering| text.push_str(&format!("|{}", of(*numbering))));
                *shown.entry(text).or_default() += 1;
            }
        }
    }
    shown
}

/// Checks that the accumulated changes are the answer at every epoch.
fn check(log: &Log, epochs: &Epochs, rank: &Rank, shape: usize) -> Result<(), TestCaseError> {
    let ends = epochs.values().flatten().map(|row| Epoch::at(row.window.1 + 1));
    let times: BTreeSet<Epoch> = log.keys().chain(epochs.keys()).copied().chain(ends).collect();
    let mut now: BTreeMap<Text, i64> = BTreeMap::new();
    for time in times {
        for (row, diff) in log.get(&time).into_iter().flatten() {
            *now.entry(row.clone()).or_default() += diff;
        }
        now.retain(|_, copies| *copies != 0);
        let rows: Vec<&Row> = epochs.range(..=time).flat_map(|(_, rows)| rows).collect();
        prop_assert_eq!(&now, &expected(rank, shape, &rows, time), "at {:?}", time);
    }
    Ok(())
}

pub(super) fn orders() -> impl Strategy<Value = Vec<(usize, SortOptions)>> {
    let columns = prop::sample::subsequence(vec![oracle::TS, oracle::V, oracle::KEEP], 1..=2).prop_shuffle();
    columns.prop_flat_map(|columns| {
        let options = prop::collection::vec((any::<bool>(), any::<bool>()), columns.len());
        options.prop_map(move |options| {
            let how = options.into_iter().map(|(descending, nulls_first)| SortOptions { descending, nulls_first });
            columns.iter().copied().zip(how).collect()
        })
    })
}

pub(super) fn bounds() -> impl Strategy<Value = (Numbering, u64, u64)> {
    (prop::sample::select(NUMBERINGS.to_vec()), 1u64..4, 0u64..6).prop_map(|(by, from, to)| (by, from, from + to - 1))
}

pub(super) fn numbers() -> impl Strategy<Value = Vec<Numbering>> {
    prop::sample::subsequence(NUMBERINGS.to_vec(), 0..=3)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// At every epoch the changes so far are the answer for the rows so far; nothing is taken back and inserted unchanged;
    /// append-only input keeps no more than can be shown.
    #[test]
    fn ranking_equals_the_answer_from_scratch(
        arrivals in oracle::arrivals(any::<bool>()), shape in 0..oracle::KEY_SHAPES, order in orders(), bound in bounds(),
        numbers in numbers(), batch in 1usize..40,
    ) {
        let rank = Rank { numbers, ..rank(&arrivals, shape, order, bound) };
        let (epochs, _) = arrivals.accept();
        let (rejects, _) = Rejects::channel(show_row);
        let plan = plan(&rank);
        let top = build::top(&plan.nodes[0], &plan.nodes[1], &rank, &rejects);
        let outcome = oracle::drive(Box::new(top), &epochs, batch);
        check(&outcome.log(), &epochs, &rank, shape)?;
        for (epoch, rows) in &outcome.calls {
            prop_assert!(rows.iter().all(|(row, diff)| !rows.contains(&(row.clone(), -diff))), "in vain at {:?}: {:?}", epoch, rows);
        }
        let keys: BTreeSet<_> = epochs.values().flatten().map(|row| oracle::key_of(shape, row)).collect();
        if !arrivals.retracting && rank.by == Numbering::Row {
            prop_assert!(outcome.held as u64 <= keys.len() as u64 * rank.to);
        }
    }

    /// Rankings within windows, shown when they close or at every change; their state is freed.
    #[test]
    fn windows_are_ranked_apart(
        arrivals in oracle::arrivals(any::<bool>()), shape in 0..oracle::KEY_SHAPES, order in orders(), bound in bounds(),
        last in any::<bool>(), batch in 1usize..40,
    ) {
        let rank = Rank {
            window: Some((oracle::START, oracle::END)),
            emit: if last { Emit::Final } else { Emit::Changes },
            lateness_ms: arrivals.lateness,
            ..rank(&arrivals, shape, order, bound)
        };
        let (epochs, _) = arrivals.accept();
        let (rejects, rejected) = Rejects::channel(show_row);
        let plan = plan(&rank);
        let top = build::top(&plan.nodes[0], &plan.nodes[1], &rank, &rejects);
        let outcome = oracle::drive(Box::new(top), &epochs, batch);
        check(&outcome.log(), &epochs, &rank, shape)?;
        prop_assert_eq!(rejected.try_iter().count(), 0);
        if arrivals.lateness.is_some() {
            prop_assert_eq!(outcome.held, 0);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    /// The same changes on any number of workers, whatever the batches.
    #[test]
    fn workers_agree(
        arrivals in oracle::arrivals(any::<bool>()), shape in 0..oracle::KEY_SHAPES, order in orders(), bound in bounds(),
        window in any::<bool>(), batch in 1usize..9,
    ) {
        let rank = Rank {
            window: window.then_some((oracle::START, oracle::END)),
            emit: if window { Emit::Final } else { Emit::Changes },
            lateness_ms: if window { arrivals.lateness } else { None },
            ..rank(&arrivals, shape, order, bound)
        };
        let (epochs, _) = arrivals.accept();
        let (one, _) = oracle::run(&plan(&rank), &epochs, 1, 1000);
        check(&one, &epochs, &rank, shape)?;
        for workers in 2..=3 {
            prop_assert_eq!(&oracle::run(&plan(&rank), &epochs, workers, batch).0, &one);
        }
    }
}

/// Many rows of one key, taken back in another order: blocks split and vanish, batches of dead rows are moved together.
#[test]
fn a_long_partition_with_taking_back() {
    let mut epochs = Epochs::new();
    let row = |at: i64, diff: i64| Row {
        key: Some(at % 2),
        ts: at * 7919 % 10_007,
        v: Some(at % 13),
        keep: None,
        window: (0, 0),
        diff,
    };
    let count = 9_000;
    for at in 0..count {
        epochs.entry(Epoch { tick: at as u64 / 100, ..Epoch::MIN }).or_default().push(row(at, 1));
    }
    for at in (0..count).filter(|at| at % 97 != 0) {
        epochs.entry(Epoch { tick: 1000 + at as u64 / 3000, ..Epoch::MIN }).or_default().push(row(at * 31 % count, -1));
    }
    let gone: BTreeSet<i64> = (0..count).filter(|at| at % 97 != 0).map(|at| at * 31 % count).collect();
    assert_eq!(gone.len(), (0..count).filter(|at| at % 97 != 0).count());
    let arrivals = oracle::Arrivals { rows: vec![], bound: 0, lateness: None, tick_rows: 1, retracting: true };
    let rank = rank(
        &arrivals,
        1,
        vec![(oracle::V, SortOptions { descending: true, nulls_first: false })],
        (Numbering::Row, 1, 5),
    );
    let (rejects, _) = Rejects::channel(show_row);
    let plan = plan(&rank);
    let outcome = oracle::drive(Box::new(build::top(&plan.nodes[0], &plan.nodes[1], &rank, &rejects)), &epochs, 100);
    let mut now: BTreeMap<Text, i64> = BTreeMap::new();
    outcome.log().into_values().flatten().for_each(|(row, diff)| *now.entry(row).or_default() += diff);
    now.retain(|_, copies| *copies != 0);
    let rows: Vec<&Row> = epochs.values().flatten().collect();
    assert_eq!(now, expected(&rank, 1, &rows, Epoch::at(0)));
    assert_eq!(outcome.held, count as usize - gone.len());
}
