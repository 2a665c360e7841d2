//! Calls of an aggregate function, and seeded random rows for them: what the [laws](super::conformance) are tried on.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use arrow_array::{ArrayRef, UInt32Array};
use arrow_buffer::BooleanBuffer;
use arrow_schema::{DataType, SortOptions, TimeUnit};
use datafusion_common::ScalarValue;

use super::{Accumulator, Aggregate, Call, Input, accumulator};

/// Groups in a test; the last never has rows.
pub(super) const GROUPS: u32 = 6;

/// SplitMix64.
pub(super) struct Random(pub(super) u64);

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
    pub(super) args: Vec<ArrayRef>,
    pub(super) order: Vec<ArrayRef>,
    pub(super) keep: Option<BooleanBuffer>,
    pub(super) diffs: Option<Vec<i64>>,
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
}

/// A call under test.
pub(super) struct Case<'a> {
    pub(super) function: &'a dyn Aggregate,
    pub(super) call: Call,
    pub(super) filter: bool,
    pub(super) wild: bool,
}

impl Case<'_> {
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

/// A function with every list of argument types that it takes, in every form of call.
pub(super) fn cases(function: &dyn Aggregate) -> Vec<Case<'_>> {
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
    let several = || {
        let pairs = types.iter().flat_map(|one| types.iter().map(|other| vec![one.clone(), other.clone()]));
        pairs.chain([DataType::Float64, DataType::Int64, DataType::Utf8].map(|of| vec![of; 3]))
    };
    let mut cases = cases_of(function, &lists);
    if cases.is_empty() {
        cases = cases_of(function, &several().collect::<Vec<_>>());
    }
    assert!(!cases.is_empty(), "{} takes none of the types", function.name());
    cases
}

/// The same for such lists.
fn cases_of<'a>(function: &'a dyn Aggregate, lists: &[Vec<DataType>]) -> Vec<Case<'a>> {
    let literals =
        [vec![], vec![ScalarValue::from(0.3)], vec![ScalarValue::from(1i64)], vec![ScalarValue::from(" | ")]];
    let (time, sequence) = (DataType::Timestamp(TimeUnit::Millisecond, None), DataType::Int64);
    let down = SortOptions { descending: true, nulls_first: false };
    let orders =
        [vec![(time, SortOptions::default()), (sequence, SortOptions::default())], vec![(DataType::Date32, down)]];
    let mut cases = Vec::new();
    for args in lists {
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
    cases
}
