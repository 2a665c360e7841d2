//! The laws of [`Accumulator`], for an aggregate function with every argument type that it takes, DISTINCT, FILTER and kind of state, on
//! seeded random rows. The registry's own are held to them, and whoever writes one runs [`check`].

#![allow(clippy::unwrap_used)]

use arrow_array::{Array, ArrayRef};
use datafusion_common::ScalarValue;

use super::cases::{Case, GROUPS, Random, Rows, cases, results};
use super::{Accumulator, Aggregate};

type Law = fn(&Case<'_>, &Rows, &mut Random);

const LAWS: [Law; 7] = [
    law_1_b9_neither_batches_nor_order_matter,
    law_2_b9_merged_parts_are_the_whole,
    law_3_what_is_taken_back_was_never_there,
    law_3_slides_over_slices,
    law_4_without_rows_it_is_zero_or_null,
    law_5_null_arguments_are_passed_over,
    law_6_d8_saved_groups_go_on_as_they_were,
];

/// Holds a function to all laws.
///
/// # Panics
/// A law does not hold: the message says of which call, and how the results differ.
pub fn check(function: &dyn Aggregate) {
    for law in LAWS {
        holds(function, law);
    }
}

/// Holds a function to a law, with some seeds.
pub(super) fn holds(function: &dyn Aggregate, law: impl Fn(&Case<'_>, &Rows, &mut Random)) {
    for (number, case) in cases(function).iter().enumerate() {
        for round in 0..4 {
            let mut random = Random((number as u64) << 8 | round);
            let rows = Rows::random(&case.call, case.filter, case.wild, &mut random);
            law(case, &rows, &mut random);
        }
    }
}

pub(super) fn law_1_b9_neither_batches_nor_order_matter(case: &Case<'_>, rows: &Rows, random: &mut Random) {
    let whole = results(&*case.of(rows, case.call.retracting));
    let (shuffled, cut) = (random.shuffled(rows.len()), random.below(rows.len() + 1));
    let mut state = case.state(case.call.retracting);
    rows.pick(&shuffled[..cut]).add_to(&mut *state);
    results(&*state);
    rows.pick(&shuffled[cut..]).add_to(&mut *state);
    assert_eq!(&results(&*state), &whole, "{}", case.name());
}

pub(super) fn law_2_b9_merged_parts_are_the_whole(case: &Case<'_>, rows: &Rows, random: &mut Random) {
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
}

pub(super) fn law_3_what_is_taken_back_was_never_there(case: &Case<'_>, rows: &Rows, random: &mut Random) {
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
}

/// How sliding windows combine slices.
pub(super) fn law_3_slides_over_slices(case: &Case<'_>, _: &Rows, random: &mut Random) {
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
}

pub(super) fn law_4_without_rows_it_is_zero_or_null(case: &Case<'_>, rows: &Rows, _: &mut Random) {
    let mut state = case.of(rows, case.call.retracting);
    let whole = results(&*state);
    let none = case.state(case.call.retracting).evaluate(&[0]);
    let expected = case.function.of_nothing(&case.call.output).unwrap();
    assert_eq!(ScalarValue::try_from_array(&none, 0).unwrap(), expected, "{}", case.name());
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
}

pub(super) fn law_5_null_arguments_are_passed_over(case: &Case<'_>, rows: &Rows, random: &mut Random) {
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
}

/// A fresh accumulator with the groups of another under other numbers, taken in by two parts; and the numbers.
fn moved(case: &Case<'_>, state: &dyn Accumulator, random: &mut Random) -> (Box<dyn Accumulator>, Vec<u32>) {
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

pub(super) fn law_6_d8_saved_groups_go_on_as_they_were(case: &Case<'_>, rows: &Rows, random: &mut Random) {
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
}
