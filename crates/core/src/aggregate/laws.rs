//! The [laws](super::conformance) for every aggregate of the registry, and each result against the [`oracle`](super::oracle).

#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, BooleanArray, cast::AsArray};
use arrow_schema::DataType;
use datafusion_common::ScalarValue;

use super::cases::{Case, GROUPS, Random, Rows, results};
use super::oracle::{Expected, Row, expected};
use super::{AGGREGATES, Call, Input, accumulator, aggregate, conformance, find};

/// Runs a law over all cases of all functions, those of closures among them.
fn for_all(law: impl Fn(&Case<'_>, &Rows, &mut Random)) {
    AGGREGATES.iter().for_each(|function| conformance::holds(*function, &law));
}

#[test]
fn closures_keep_all_laws() {
    conformance::check(&aggregate("longest", |texts: &[String]| texts.iter().map(|text| text.len() as i64).max()));
    conformance::check(&aggregate("ends", |values: &[f64]| vec![values[0], values[values.len() - 1]]));
    conformance::check(&aggregate("path", |steps: &[i64]| format!("{steps:?}")).in_order());
    conformance::check(&aggregate("dot", |x: &[f64], y: &[i64]| {
        x.iter().zip(y).map(|(x, y)| x * *y as f64).sum::<f64>()
    }));
}

/// The rows of a group, as often as they are added.
fn of(rows: &Rows, group: u32) -> Vec<Row> {
    let kept = |row: &usize| rows.groups[*row] == group && rows.keep.as_ref().is_none_or(|keep| keep.value(*row));
    let cells = |columns: &[ArrayRef], row: usize| {
        columns.iter().map(|column| ScalarValue::try_from_array(column, row).unwrap()).collect()
    };
    let times = |row: usize| rows.diffs.as_ref().map_or(1, |diffs| diffs[row]) as usize;
    let row = |row: usize| Row { args: cells(&rows.args, row), order: cells(&rows.order, row) };
    (0..rows.len()).filter(kept).flat_map(|at| std::iter::repeat_n(row(at), times(at))).collect()
}

#[test]
fn results_are_those_of_the_oracle() {
    for_all(|case, rows, random| {
        let rows = if case.call.retracting { &rows.with_diffs(|_| 1 + random.below(2) as i64) } else { rows };
        let found = results(&*case.of(rows, case.call.retracting));
        assert_eq!(found.data_type(), &case.call.output);
        for group in 0..GROUPS {
            let found = found.slice(group as usize, 1);
            let cell = ScalarValue::try_from_array(&found, 0).unwrap();
            let number = || match cell.cast_to(&DataType::Float64).unwrap() {
                ScalarValue::Float64(Some(number)) => number,
                other => panic!("{}: {other} is no number", case.name()),
            };
            match expected(case.function.name(), &case.call, &of(rows, group)) {
                Expected::Exactly(value) => assert_eq!(cell, value, "{}", case.name()),
                Expected::Near(value, error) => {
                    let found = number();
                    let close = (found - value).abs() <= error * value.abs().max(f64::MIN_POSITIVE * 1e15);
                    assert!(
                        close || found == value || (found.is_nan() && value.is_nan()),
                        "{}: {found} is not {value}",
                        case.name()
                    );
                }
                Expected::Values(values) => {
                    let list = found.as_list::<i32>().value(0);
                    let found: Vec<_> =
                        (0..list.len()).map(|at| ScalarValue::try_from_array(&list, at).unwrap()).collect();
                    assert_eq!(found, values, "{}", case.name());
                }
                Expected::Unknown => {}
            }
        }
    });
}

#[test]
fn law_1_b9_neither_batches_nor_order_matter() {
    for_all(conformance::law_1_b9_neither_batches_nor_order_matter);
}

#[test]
fn law_2_b9_merged_parts_are_the_whole() {
    for_all(conformance::law_2_b9_merged_parts_are_the_whole);
}

#[test]
fn law_3_what_is_taken_back_was_never_there() {
    for_all(conformance::law_3_what_is_taken_back_was_never_there);
}

#[test]
fn law_3_slides_over_slices() {
    for_all(conformance::law_3_slides_over_slices);
}

#[test]
fn law_4_without_rows_it_is_zero_or_null() {
    for_all(conformance::law_4_without_rows_it_is_zero_or_null);
}

#[test]
fn law_5_null_arguments_are_passed_over() {
    for_all(conformance::law_5_null_arguments_are_passed_over);
}

#[test]
fn law_6_d8_saved_groups_go_on_as_they_were() {
    for_all(conformance::law_6_d8_saved_groups_go_on_as_they_were);
}

#[test]
fn of_no_rows_counts_are_zero_and_the_rest_is_null() {
    for function in AGGREGATES {
        let nothing = function.of_nothing(&DataType::Int64).unwrap();
        let zero = function.name().contains("COUNT").then_some(0);
        assert_eq!(nothing, ScalarValue::Int64(zero), "{}", function.name());
    }
}

#[test]
fn names_are_told_apart() {
    let mut names = Vec::new();
    for function in AGGREGATES {
        let all = std::iter::once(function.name()).chain(function.aliases().iter().copied());
        for name in all {
            assert_eq!(name, name.to_ascii_uppercase());
            assert!(find(&name.to_ascii_lowercase()).is_some_and(|found| found.name() == function.name()));
            names.push(name);
        }
        assert!(function.help().starts_with(&format!("`{}(", function.name())), "{}", function.help());
    }
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
    assert!(find("NO_SUCH").is_none());
}

#[test]
fn what_does_not_fit_is_refused_with_a_remedy() {
    let odd = DataType::Union(arrow_schema::UnionFields::empty(), arrow_schema::UnionMode::Dense);
    for function in AGGREGATES.iter().filter(|function| function.name() != "COUNT") {
        let errors: Vec<String> = [vec![], vec![odd.clone(), odd.clone()]]
            .iter()
            .filter_map(|args| function.bind(args, &[]).err())
            .map(|error| error.to_string())
            .collect();
        assert!(!errors.is_empty(), "{}", function.name());
        assert!(errors.iter().all(|error| error.starts_with(function.name()) && error.contains("; ")), "{errors:?}");
    }
    let percentile = find("percentile").unwrap();
    for literal in [ScalarValue::from(1.5), ScalarValue::from(-0.1), ScalarValue::from("x"), ScalarValue::Null] {
        assert!(percentile.bind(&[DataType::Int64], &[literal]).is_err());
    }
    assert!(percentile.bind(&[DataType::Int64], &[]).is_err());
}

#[test]
fn a_filter_of_all_or_nothing() {
    let all = BooleanArray::from(vec![true; 4]);
    let none = BooleanArray::from(vec![false; 4]);
    let args: Vec<ArrayRef> = vec![Arc::new(arrow_array::Int64Array::from(vec![1, 2, 3, 4]))];
    let call = Call {
        args: vec![DataType::Int64],
        literals: vec![],
        output: DataType::Int64,
        order: vec![],
        distinct: false,
        retracting: false,
    };
    let mut state = accumulator(&*find("sum").unwrap(), &call);
    state.resize(1);
    for keep in [none.values(), all.values()] {
        state.update(&[0; 4], &Input { args: &args, order: &[], keep: Some(keep), diffs: None });
    }
    assert_eq!(ScalarValue::try_from_array(&state.evaluate(&[0]), 0).unwrap(), ScalarValue::Int64(Some(10)));
}
