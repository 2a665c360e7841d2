//! The law of saving, for every case of the [laws](super::laws): what was saved and taken in goes on as if it had not been.

#![allow(clippy::unwrap_used)]

use arrow_array::ArrayRef;

use super::laws::{Case, GROUPS, Random, Rows, for_all, results};
use super::{Accumulator, Call, accumulator, find};
use crate::delta::Unfit;

/// A fresh accumulator with the groups of another under other numbers, taken in by two parts; and the numbers.
fn moved(case: &Case, state: &dyn Accumulator, random: &mut Random) -> (Box<dyn Accumulator>, Vec<u32>) {
    let kept: Vec<u32> = (0..GROUPS).collect();
    let saved = state.save(&kept);
    let kinds: Vec<_> = saved.iter().map(|column| column.data_type().clone()).collect();
    assert_eq!(kinds, state.saved(), "{}", case.name());
    let numbers: Vec<u32> = random.shuffled(GROUPS as usize + 2).into_iter().map(|place| place as u32).collect();
    let numbers = numbers[..GROUPS as usize].to_vec();
    let mut fresh = case.state(case.call.retracting);
    fresh.resize(GROUPS as usize + 2);
    let cut = random.below(GROUPS as usize + 1);
    for (from, to) in [(0, cut), (cut, GROUPS as usize)] {
        let part: Vec<ArrayRef> = saved.iter().map(|column| column.slice(from, to - from)).collect();
        fresh.load(&numbers[from..to], &part).unwrap();
    }
    (fresh, numbers)
}

#[test]
fn law_6_d8_saved_groups_go_on_as_they_were() {
    for_all(|case, rows, random| {
        let others = Rows::random(&case.call, case.filter, case.wild, random);
        let mut state = case.of(rows, case.call.retracting);
        if case.call.retracting {
            // Taken back before they come.
            others.with_diffs(|_| -1).add_to(&mut *state);
        }
        let (mut fresh, numbers) = moved(case, &*state, random);
        assert_eq!(&fresh.evaluate(&numbers), &results(&*state), "{}", case.name());

        // More rows, and twice what was taken back.
        let renumbered = |rows: &Rows| {
            let mut rows = rows.clone();
            rows.groups.iter_mut().for_each(|group| *group = numbers[*group as usize]);
            rows
        };
        let times = if case.call.retracting { &[1, 1][..] } else { &[1] };
        for _ in times {
            others.add_to(&mut *state);
            renumbered(&others).add_to(&mut *fresh);
        }
        assert_eq!(&fresh.evaluate(&numbers), &results(&*state), "{}", case.name());
        if case.call.retracting {
            let back = rows.with_diffs(|_| -1);
            back.add_to(&mut *state);
            renumbered(&back).add_to(&mut *fresh);
            assert_eq!(&fresh.evaluate(&numbers), &results(&*state), "{}", case.name());
        }

        // Merged into another, and forgotten.
        let all: Vec<u32> = (0..GROUPS).collect();
        let mut sums = [case.of(rows, case.call.retracting), case.of(rows, case.call.retracting)];
        sums[0].merge(&all, &*state, &all, 1);
        sums[1].merge(&all, &*fresh, &numbers, 1);
        assert_eq!(&results(&*sums[1]), &results(&*sums[0]), "{}", case.name());
        fresh.reset(&numbers);
        assert_eq!(&fresh.evaluate(&numbers), &results(&*case.state(case.call.retracting)), "{}", case.name());
    });
}

#[test]
fn damaged_states_are_refused() {
    let state = |name: &str, retracting: bool| {
        let args = vec![arrow_schema::DataType::Float64];
        let function = find(name).unwrap();
        let output = function.bind(&args, &[]).unwrap().output;
        let call = Call { args, literals: vec![], output, order: vec![], distinct: false, retracting };
        let mut state = accumulator(&*function, &call);
        state.resize(2);
        state
    };
    // The exponent of a sum in its wide form.
    let mut saved = state("SUM", false).save(&[0, 1]);
    saved[1] = super::saved::lists(std::sync::Arc::new(arrow_array::UInt64Array::from(vec![1, 2, 3])), &[0, 3]);
    saved[2] = std::sync::Arc::new(arrow_array::Int32Array::from(vec![64, 65]));
    let refused = state("SUM", false).load(&[0, 1], &saved);
    assert_eq!(refused, Err(Unfit::Value("the exponent of a sum is between those of its words")));
    // More values than counts, and a value that is NULL.
    let mut saved = state("MIN", true).save(&[0, 1]);
    let floats = |values: Vec<Option<f64>>| std::sync::Arc::new(arrow_array::Float64Array::from(values)) as ArrayRef;
    saved[0] = super::saved::lists(floats(vec![Some(1.0)]), &[0, 1]);
    let refused = state("MIN", true).load(&[0, 1], &saved);
    assert_eq!(refused, Err(Unfit::Value("entries of a group have more values than others")));
    saved[0] = super::saved::lists(floats(vec![None]), &[0, 1]);
    saved[1] = super::saved::lists(super::saved::numbers([1].into_iter()), &[0, 1]);
    assert_eq!(state("MIN", true).load(&[0, 1], &saved), Err(Unfit::Value("an entry of a group is NULL")));
    // Bytes that are no sketch.
    let saved: Vec<ArrayRef> = vec![std::sync::Arc::new(arrow_array::BinaryArray::from_iter([Some(b"x"), None]))];
    let refused = state("APPROX_COUNT_DISTINCT", false).load(&[0, 1], &saved);
    assert_eq!(refused, Err(Unfit::Value("a sketch of a count is none")));
}
