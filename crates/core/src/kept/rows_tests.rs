//! Rows kept by reference against a list of them.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use arrow_array::types::Int32Type;
use arrow_array::{ArrayRef, Float64Array, Int64Array, ListArray, RecordBatch, StringArray};
use arrow_schema::DataType;
use proptest::prelude::*;

use super::rows::{FANOUT, FULL, MOVED};
use super::{Compared, Kept};

/// A row, made of a number: of a few in each ten a column is NULL.
fn columns(rows: &[u32]) -> Vec<ArrayRef> {
    let some = |row: u32, column: u32| !(row + column).is_multiple_of(5);
    vec![
        Arc::new(rows.iter().map(|&row| some(row, 0).then_some(i64::from(row))).collect::<Int64Array>()),
        Arc::new(rows.iter().map(|&row| some(row, 1).then(|| "ab".repeat(row as usize % 7))).collect::<StringArray>()),
        Arc::new(
            rows.iter().map(|&row| some(row, 2).then_some([-0.0, 0.5][row as usize % 2])).collect::<Float64Array>(),
        ),
        Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(
            rows.iter().map(|&row| some(row, 3).then(|| vec![Some(row as i32 % 9), None])),
        )),
    ]
}

fn batch(columns: Vec<ArrayRef>) -> RecordBatch {
    RecordBatch::try_from_iter(["a", "b", "c", "d"].into_iter().zip(columns)).unwrap()
}

fn empty() -> Kept {
    Kept::new(&columns(&[]).iter().map(|column| column.data_type().clone()).collect::<Vec<DataType>>())
}

#[derive(Clone, Debug)]
enum Step {
    /// So many rows, a part of a batch of more, until a watermark.
    Append(usize, usize, i64),
    Release(Vec<u16>),
    Expire(i64),
    /// Those of use, turned by so many.
    Retain(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let rows = prop_oneof![4 => 0..FANOUT, 2 => 0..FULL * 2, 1 => 0..MOVED * 2];
    let step = prop_oneof![
        6 => (rows, 0usize..40, -20i64..400).prop_map(|(rows, more, until)| Step::Append(rows, more, until)),
        2 => prop::collection::vec(any::<u16>(), 0..200).prop_map(Step::Release),
        1 => (-20i64..400).prop_map(Step::Expire),
        1 => (0usize..50).prop_map(Step::Retain),
    ];
    prop::collection::vec(step, 1..80)
}

fn check(kept: &Kept, rows: &[Option<(u32, i64)>]) -> Result<(), TestCaseError> {
    prop_assert_eq!(kept.len(), rows.len());
    let there = |(number, row): (u32, &Option<(u32, i64)>)| row.map(|(row, _)| (number, row));
    let (mut numbers, mut made): (Vec<u32>, Vec<u32>) = (0..).zip(rows).filter_map(there).unzip();
    let expected = kept.form(&batch(columns(&made)));
    prop_assert_eq!(&kept.gather(&numbers), &expected);
    let compared = Compared::new(expected.clone());
    let others: Vec<u32> = (0..made.len() as u32).map(|at| (at + at % 2 * 5) % made.len() as u32).collect();
    let alone = |(&number, &other): (&u32, &u32)| kept.equal(number, &compared, other as usize);
    let all: Vec<bool> = numbers.iter().zip(&others).map(alone).collect();
    prop_assert_eq!(kept.equal_rows(&numbers, &compared, &others), all);
    for (at, &number) in numbers.iter().enumerate() {
        prop_assert!(kept.equal(number, &compared, at));
        let other = (at + 3) % made.len();
        prop_assert_eq!(
            kept.equal(number, &compared, other),
            made[at] == made[other] || {
                let [one, two] = [at, other].map(|at| expected.iter().map(|c| c.slice(at, 1)).collect::<Vec<_>>());
                one == two
            }
        );
    }
    numbers.reverse();
    made.reverse();
    prop_assert_eq!(&kept.column(1, &numbers), &columns(&made)[1]);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn rows_are_those_that_came(steps in steps()) {
        let (mut kept, mut rows, mut made): (Kept, Vec<Option<(u32, i64)>>, u32) = (empty(), Vec::new(), 0);
        for step in steps {
            match step {
                Step::Append(count, more, until) => {
                    let until = if until > 300 { i64::MAX } else { until };
                    let new: Vec<u32> = (made..made + count as u32).collect();
                    let whole: Vec<u32> = (0..more as u32).chain(new.iter().copied()).collect();
                    let part = batch(columns(&whole)).slice(more, count);
                    kept.append(kept.form(&part), count, until);
                    rows.extend(new.iter().map(|&row| Some((row, until))));
                    made += count as u32;
                }
                Step::Release(picks) if !rows.is_empty() => {
                    for pick in picks {
                        let number = usize::from(pick) % rows.len();
                        if rows[number].take().is_some() {
                            kept.release(number as u32);
                        }
                    }
                }
                Step::Release(_) => {}
                Step::Expire(watermark) => {
                    kept.expire(watermark);
                    rows.iter_mut().for_each(|row| *row = row.filter(|(_, until)| *until >= watermark));
                }
                Step::Retain(by) => {
                    let mut numbers: Vec<u32> = (0..rows.len() as u32).filter(|&n| rows[n as usize].is_some()).collect();
                    let by = by.min(numbers.len());
                    numbers.rotate_left(by);
                    rows = numbers.iter().map(|&number| rows[number as usize]).collect();
                    kept.retain(&numbers, &|at| rows[at].map_or(0, |(_, until)| until));
                    let (_, held) = kept.columns_held();
                    prop_assert!(held <= 2 * rows.len() + FULL, "{held} rows stand where {} are", rows.len());
                    prop_assert!(kept.batches() <= 1 + rows.len().div_ceil(FULL / 2), "{} batches", kept.batches());
                }
            }
            check(&kept, &rows)?;
        }
        kept.retain(&[], &|_| 0);
        prop_assert_eq!((kept.columns_held(), kept.batches()), ((0, 0), 0));
    }

    /// Whatever the batches, and whichever rows are taken back: those that are left move no more often than rows have come.
    #[test]
    fn what_moves_is_paid_for(picks in prop::collection::vec(any::<u32>(), 400), most in 1usize..FULL * 4) {
        let (mut kept, mut there, mut made): (Kept, Vec<u32>, usize) = (empty(), Vec::new(), 0);
        let mut dead = 0;
        for pick in picks {
            let rows = FULL.max(pick as usize % (most + 1));
            let new: Vec<u32> = (made as u32..(made + rows) as u32).collect();
            there.extend(kept.len() as u32..(kept.len() + rows) as u32);
            kept.append(columns(&new), rows, i64::MAX);
            made += rows;
            for nth in 0..there.len() / 3 {
                let gone = there.swap_remove((pick as usize + nth * 7_919) % there.len());
                kept.release(gone);
                dead += 1;
            }
            if dead * 2 >= kept.len() {
                there.sort_unstable();
                kept.retain(&there, &|_| i64::MAX);
                there = (0..kept.len() as u32).collect();
                dead = 0;
            }
            prop_assert!(kept.moved <= made, "{} moved of {made}", kept.moved);
        }
    }
}

#[test]
fn single_rows_are_put_together() {
    let (mut kept, mut most) = (empty(), 0);
    let all: Vec<u32> = (0..(FULL * 20) as u32).collect();
    for &row in &all {
        kept.append(kept.form(&batch(columns(&[row]))), 1, i64::MAX);
        most = most.max(kept.batches());
    }
    assert!(most <= 20 + 2 * FANOUT, "{most} batches");
    assert_eq!(kept.gather(&all), kept.form(&batch(columns(&all))));
}

#[test]
fn batches_go_when_their_last_row_does() {
    let mut kept = empty();
    let rows: Vec<u32> = (0..FULL as u32).collect();
    for until in 0..10 {
        kept.append(columns(&rows), FULL, until);
    }
    let (bytes, _) = kept.columns_held();
    kept.expire(5);
    assert_eq!((kept.batches(), kept.columns_held().1), (5, 5 * FULL));
    assert_eq!(kept.columns_held().0, bytes / 2);
    (0..FULL as u32 - 1).for_each(|row| kept.release(9 * FULL as u32 + row));
    assert_eq!(kept.batches(), 5);
    kept.release(10 * FULL as u32 - 1);
    assert_eq!(kept.batches(), 4);
    let compared = Compared::new(columns(&rows));
    assert!(!kept.equal(0, &compared, 0), "it is of no use");
    assert!(kept.equal(5 * FULL as u32, &compared, 0));
}
