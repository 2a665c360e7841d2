//! The laws of [`Accumulator`], for every aggregate, argument type, DISTINCT, FILTER and kind of state, on seeded random
//! rows; and each result against the [`oracle`](super::oracle).

#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, BooleanArray, UInt32Array, cast::AsArray};
use arrow_buffer::BooleanBuffer;
use arrow_schema::{DataType, SortOptions, TimeUnit};
use datafusion_common::ScalarValue;

use super::oracle::{Expected, Row, expected};
use super::{AGGREGATES, Accumulator, Aggregate, Call, Input, accumulator, find};

/// Groups in a test; the last never has rows.
pub(super) const GROUPS: u32 = 6;

/// SplitMix64.
pub(super) struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(super) fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    pub(super) fn shuffled(&mut self, length: usize) -> Vec<usize> {
        let mut places: Vec<usize> = (0..length).collect();
        (1..length).for_each(|at| places.swap(at, self.below(at + 1)));
        places
    }
}

/// A value of a type: mostly few different ones, some NULL; `wild` ones at the ends of the type's range.
fn value(data_type: &DataType, random: &mut Random, wild: bool) -> ScalarValue {
    if random.below(7) == 0 {
        return ScalarValue::try_from(data_type).unwrap();
    }
    let small = random.below(15) as i64 - 7;
    let integer = if wild { [i64::MIN, i64::MAX, 0, -1, small, i64::MIN + 1][random.below(6)] } else { small * 37 };
    match data_type {
        DataType::Int64 => ScalarValue::Int64(Some(integer)),
        DataType::Int32 => ScalarValue::Int32(Some(if wild { (integer >> 32) as i32 } else { small as i32 })),
        DataType::UInt64 => ScalarValue::UInt64(Some(integer as u64)),
        DataType::UInt8 => ScalarValue::UInt8(Some(integer as u8)),
        DataType::Float64 if wild => {
            let ends =
                [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0, 0.0, 5e-324, -1e-310, f64::MAX, f64::MIN, -f64::NAN];
            match random.below(4) {
                0 => ScalarValue::Float64(Some(ends[random.below(ends.len())])),
                1 => ScalarValue::Float64(Some(small as f64 * 0.1)),
                2 => ScalarValue::Float64(Some(f64::from_bits(random.next()))),
                _ => ScalarValue::Float64(Some(small as f64 * 10f64.powi(random.below(600) as i32 - 300))),
            }
        }
        DataType::Float64 if random.below(40) == 0 => {
            ScalarValue::Float64(Some([f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0][random.below(4)]))
        }
        DataType::Float64 => ScalarValue::Float64(Some(small as f64 * 12.0625)),
        DataType::Float32 => {
            let ends = [f32::NAN, f32::INFINITY, -0.0, 0.0, f32::MIN, 1e-40];
            ScalarValue::Float32(Some(if wild { ends[random.below(6)] } else { small as f32 * 0.5 }))
        }
        DataType::Decimal128(precision, scale) => {
            let ends = 10i128.pow(u32::from(*precision)) - 1;
            let value = if wild { ends * i128::from(small.signum()) } else { i128::from(small) * 1001 };
            ScalarValue::Decimal128(Some(value), *precision, *scale)
        }
        DataType::Utf8 => {
            let texts = ["", "a", "ab", "b", "ä", "\0", "zebra and a long line of text", "Z"];
            ScalarValue::Utf8(Some(texts[random.below(texts.len())].to_owned()))
        }
        DataType::Boolean => ScalarValue::Boolean(Some(random.below(3) > 0)),
        DataType::Timestamp(TimeUnit::Millisecond, None) => ScalarValue::TimestampMillisecond(Some(integer), None),
        DataType::Date32 => ScalarValue::Date32(Some(small as i32 * 400)),
        other => panic!("no values of type {other}"),
    }
}

/// Rows of a call, with the group and the diff of each.
#[derive(Clone)]
pub(super) struct Rows {
    pub(super) groups: Vec<u32>,
    args: Vec<ArrayRef>,
    order: Vec<ArrayRef>,
    keep: Option<BooleanBuffer>,
    diffs: Option<Vec<i64>>,
}

impl Rows {
    pub(super) fn random(call: &Call, filter: bool, wild: bool, random: &mut Random) -> Rows {
        let length = [0, 1, 3, 40, 250][random.below(5)];
        let mut column = |data_type: &DataType| -> ArrayRef {
            let values: Vec<ScalarValue> = (0..length).map(|_| value(data_type, random, wild)).collect();
            match values.is_empty() {
                true => arrow_array::new_empty_array(data_type),
                false => ScalarValue::iter_to_array(values).unwrap(),
            }
        };
        let args = call.args.iter().map(&mut column).collect();
        let mut order: Vec<ArrayRef> = call.order.iter().map(|(data_type, _)| column(data_type)).collect();
        if order.len() > 1 {
            // The sequence number tells all rows apart.
            order[1] =
                Arc::new(arrow_array::Int64Array::from_iter_values(random.shuffled(length).iter().map(|&n| n as i64)));
        }
        let groups = (0..length).map(|_| random.below(GROUPS as usize - 1) as u32).collect();
        let keep = filter.then(|| (0..length).map(|_| random.below(3) > 0).collect());
        Rows { groups, args, order, keep, diffs: None }
    }

    pub(super) fn len(&self) -> usize {
        self.groups.len()
    }

    pub(super) fn pick(&self, places: &[usize]) -> Rows {
        let indices = UInt32Array::from_iter_values(places.iter().map(|&place| place as u32));
        let take = |column: &ArrayRef| arrow_select::take::take(column, &indices, None).unwrap();
        Rows {
            groups: places.iter().map(|&place| self.groups[place]).collect(),
            args: self.args.iter().map(take).collect(),
            order: self.order.iter().map(take).collect(),
            keep: self.keep.as_ref().map(|keep| places.iter().map(|&place| keep.value(place)).collect()),
            diffs: self.diffs.as_ref().map(|diffs| places.iter().map(|&place| diffs[place]).collect()),
        }
    }

    pub(super) fn with_diffs(&self, diff: impl FnMut(usize) -> i64) -> Rows {
        Rows { diffs: Some((0..self.len()).map(diff).collect()), ..self.clone() }
    }

    pub(super) fn add_to(&self, state: &mut dyn Accumulator) {
        let (keep, diffs) = (self.keep.as_ref(), self.diffs.as_deref());
        state.update(&self.groups, &Input { args: &self.args, order: &self.order, keep, diffs });
    }

    /// The rows of a group, as often as they are added.
    fn of(&self, group: u32) -> Vec<Row> {
        let kept = |row: &usize| self.groups[*row] == group && self.keep.as_ref().is_none_or(|keep| keep.value(*row));
        let cells = |columns: &[ArrayRef], row: usize| {
            columns.iter().map(|column| ScalarValue::try_from_array(column, row).unwrap()).collect()
        };
        let times = |row: usize| self.diffs.as_ref().map_or(1, |diffs| diffs[row]) as usize;
        let row = |row: usize| Row { args: cells(&self.args, row), order: cells(&self.order, row) };
        (0..self.len()).filter(kept).flat_map(|at| std::iter::repeat_n(row(at), times(at))).collect()
    }
}

/// A call under test.
pub(super) struct Case {
    function: &'static dyn Aggregate,
    pub(super) call: Call,
    pub(super) filter: bool,
    pub(super) wild: bool,
}

impl Case {
    pub(super) fn name(&self) -> String {
        let Call { args, distinct, retracting, literals, order, .. } = &self.call;
        let (filter, wild) = (self.filter, self.wild);
        let name = self.function.name();
        format!(
            "{name}({args:?}) {literals:?} order {order:?} distinct {distinct} retracting {retracting} filter {filter} wild {wild}"
        )
    }

    pub(super) fn state(&self, retracting: bool) -> Box<dyn Accumulator> {
        let mut state = accumulator(self.function, &Call { retracting, ..self.call.clone() });
        state.resize(GROUPS as usize);
        state
    }

    /// State after these rows.
    pub(super) fn of(&self, rows: &Rows, retracting: bool) -> Box<dyn Accumulator> {
        let mut state = self.state(retracting);
        rows.add_to(&mut *state);
        state
    }
}

pub(super) fn results(state: &dyn Accumulator) -> ArrayRef {
    state.evaluate(&(0..GROUPS).collect::<Vec<_>>())
}

/// Every function with every list of argument types that it takes, in every form of call.
fn cases() -> Vec<Case> {
    let types = [
        DataType::Int64,
        DataType::Int32,
        DataType::UInt64,
        DataType::UInt8,
        DataType::Float64,
        DataType::Float32,
        DataType::Decimal128(12, 2),
        DataType::Utf8,
        DataType::Boolean,
        DataType::Timestamp(TimeUnit::Millisecond, None),
        DataType::Date32,
    ];
    let mut lists: Vec<Vec<DataType>> = types.iter().map(|only| vec![only.clone()]).collect();
    lists.extend([vec![], vec![DataType::Utf8, DataType::Float64], vec![DataType::Int64, DataType::Boolean]]);
    let literals =
        [vec![], vec![ScalarValue::from(0.3)], vec![ScalarValue::from(1i64)], vec![ScalarValue::from(" | ")]];
    let (time, sequence) = (DataType::Timestamp(TimeUnit::Millisecond, None), DataType::Int64);
    let down = SortOptions { descending: true, nulls_first: false };
    let orders =
        [vec![(time, SortOptions::default()), (sequence, SortOptions::default())], vec![(DataType::Date32, down)]];
    let mut cases = Vec::new();
    for &function in AGGREGATES {
        let before = cases.len();
        for args in &lists {
            for literals in literals.iter().filter(|literals| literals.len() <= function.literals()) {
                let Ok(signature) = function.bind(args, literals) else { continue };
                assert_eq!(function.bind(&signature.args, literals).as_ref(), Ok(&signature), "{}", function.name());
                let orders = if function.ordered() { &orders[..] } else { &[vec![]] };
                for (order, form) in orders.iter().flat_map(|order| (0..16).map(move |form| (order, form))) {
                    let call = Call {
                        args: signature.args.clone(),
                        literals: literals.clone(),
                        output: signature.output.clone(),
                        order: order.clone(),
                        distinct: form & 1 != 0,
                        retracting: form & 2 != 0,
                    };
                    if call.distinct && args.is_empty() {
                        continue;
                    }
                    cases.push(Case { function, call, filter: form & 4 != 0, wild: form & 8 != 0 });
                }
            }
        }
        assert!(cases.len() > before, "{} takes none of the types", function.name());
    }
    cases
}

/// Runs a law over all cases and some seeds.
pub(super) fn for_all(law: impl Fn(&Case, &Rows, &mut Random)) {
    for (number, case) in cases().iter().enumerate() {
        for round in 0..4 {
            let mut random = Random((number as u64) << 8 | round);
            let rows = Rows::random(&case.call, case.filter, case.wild, &mut random);
            law(case, &rows, &mut random);
        }
    }
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
            match expected(case.function.name(), &case.call, &rows.of(group)) {
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
    for_all(|case, rows, random| {
        let whole = results(&*case.of(rows, case.call.retracting));
        let (shuffled, cut) = (random.shuffled(rows.len()), random.below(rows.len() + 1));
        let mut state = case.state(case.call.retracting);
        rows.pick(&shuffled[..cut]).add_to(&mut *state);
        results(&*state);
        rows.pick(&shuffled[cut..]).add_to(&mut *state);
        assert_eq!(&results(&*state), &whole, "{}", case.name());
    });
}

#[test]
fn law_2_b9_merged_parts_are_the_whole() {
    for_all(|case, rows, random| {
        let whole = results(&*case.of(rows, case.call.retracting));
        let parts: Vec<usize> = (0..rows.len()).map(|_| random.below(3)).collect();
        let part = |number: usize| {
            let places: Vec<usize> = (0..rows.len()).filter(|&row| parts[row] == number).collect();
            let mut part = rows.pick(&places);
            // Groups stand elsewhere in the parts.
            part.groups.iter_mut().for_each(|group| *group = (*group + 1) % GROUPS);
            // A part may be of the other kind.
            let retracting =
                if case.function.unmerges() && number == 1 { !case.call.retracting } else { case.call.retracting };
            case.of(&part, retracting)
        };
        let mut state = case.state(case.call.retracting);
        let (to, from): (Vec<u32>, Vec<u32>) = (0..GROUPS).rev().map(|group| (group, (group + 1) % GROUPS)).unzip();
        for number in random.shuffled(3) {
            state.merge(&to, &*part(number), &from, 1);
        }
        assert_eq!(&results(&*state), &whole, "{}", case.name());

        // All groups into one.
        let mut one = case.state(case.call.retracting);
        one.merge(&[2; GROUPS as usize], &*case.of(rows, case.call.retracting), &(0..GROUPS).collect::<Vec<_>>(), 1);
        let together = Rows { groups: vec![2; rows.len()], ..rows.clone() };
        assert_eq!(&results(&*one), &results(&*case.of(&together, case.call.retracting)), "{}", case.name());
    });
}

#[test]
fn law_3_what_is_taken_back_was_never_there() {
    for_all(|case, rows, random| {
        if !case.call.retracting {
            return;
        }
        let whole = results(&*case.of(rows, true));
        let others = Rows::random(&case.call, case.filter, case.wild, random);
        let others = if random.below(2) == 0 { others.with_diffs(|_| 1 + random.below(3) as i64) } else { others };
        let back = others.with_diffs(|row| -others.diffs.as_ref().map_or(1, |diffs| diffs[row]));

        // Before, between and after.
        for order in [["+", "rows", "-"], ["rows", "+", "-"], ["-", "+", "rows"], ["-", "rows", "+"]] {
            let mut state = case.state(true);
            for step in order {
                match step {
                    "+" => others.add_to(&mut *state),
                    "-" => back.add_to(&mut *state),
                    _ => rows.add_to(&mut *state),
                }
                results(&*state);
            }
            assert_eq!(&results(&*state), &whole, "{} {order:?}", case.name());
        }
        let groups: Vec<u32> = (0..GROUPS).collect();
        for retracting in [true, false].into_iter().filter(|&retracting| retracting || case.function.unmerges()) {
            let part = case.of(&Rows { diffs: None, ..others.clone() }, retracting);
            let mut state = case.of(rows, true);
            state.merge(&groups, &*part, &groups, 1);
            results(&*state);
            state.merge(&groups, &*part, &groups, -1);
            assert_eq!(&results(&*state), &whole, "{} merged {retracting}", case.name());
        }
    });
}

/// How sliding windows combine slices.
#[test]
fn law_3_slides_over_slices() {
    for_all(|case, _, random| {
        if !case.call.retracting {
            return;
        }
        let groups: Vec<u32> = (0..GROUPS).collect();
        let slices: Vec<Rows> = (0..5).map(|_| Rows::random(&case.call, case.filter, case.wild, random)).collect();
        let states: Vec<_> = slices.iter().map(|slice| case.of(slice, !case.function.unmerges())).collect();
        let mut window = case.state(true);
        for at in 0..slices.len() {
            window.merge(&groups, &*states[at], &groups, 1);
            if at >= 2 {
                window.merge(&groups, &*states[at - 2], &groups, -1);
            }
            let mut fresh = case.state(true);
            slices[at.saturating_sub(1)..=at].iter().for_each(|slice| slice.add_to(&mut *fresh));
            assert_eq!(&results(&*window), &results(&*fresh), "{}", case.name());
        }
    });
}

#[test]
fn law_4_without_rows_it_is_zero_or_null() {
    for_all(|case, rows, _| {
        let mut state = case.of(rows, case.call.retracting);
        let whole = results(&*state);
        let none = case.state(case.call.retracting).evaluate(&[0]);
        let zero = case.function.name().contains("COUNT");
        let expected =
            if zero { ScalarValue::Int64(Some(0)) } else { ScalarValue::try_from(&case.call.output).unwrap() };
        assert_eq!(ScalarValue::try_from_array(&none, 0).unwrap(), expected, "{}", case.name());
        assert_eq!(case.function.of_nothing(&case.call.output).unwrap(), expected, "{}", case.name());
        assert_eq!(&whole.slice(GROUPS as usize - 1, 1), &none, "{}", case.name());
        state.reset(&[1, 3]);
        let after = results(&*state);
        for group in 0..GROUPS as usize {
            let wanted = if [1, 3].contains(&group) { none.clone() } else { whole.slice(group, 1) };
            assert_eq!(&after.slice(group, 1), &wanted, "{}", case.name());
        }
        // And anew.
        state.resize(2);
        let again: Vec<usize> = (0..rows.len()).filter(|&row| [1, 3].contains(&rows.groups[row])).collect();
        rows.pick(&again).add_to(&mut *state);
        assert_eq!(&results(&*state), &whole, "{}", case.name());
        let held = state.bytes();
        state.reset(&(0..GROUPS).collect::<Vec<_>>());
        assert!(state.bytes() <= held, "{}", case.name());
        assert_eq!(state.evaluate(&[]).len(), 0);
    });
}

#[test]
fn law_5_null_arguments_are_passed_over() {
    for_all(|case, rows, random| {
        if rows.args.is_empty() {
            return;
        }
        let mut state = case.of(rows, case.call.retracting);
        let whole = results(&*state);
        let mut others = Rows::random(&case.call, case.filter, case.wild, random);
        let some = random.below(others.args.len());
        others.args[some] = arrow_array::new_null_array(&case.call.args[some], others.len());
        others.add_to(&mut *state);
        assert_eq!(&results(&*state), &whole, "{}", case.name());
    });
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
