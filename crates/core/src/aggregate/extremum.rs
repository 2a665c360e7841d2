//! MIN and MAX. NaN is the greatest number, as in Flink and PostgreSQL. Without retraction a group keeps one value; with it an
//! ordered multiset, where the value of a part that was merged in counts as one element; and of parts that come and go by
//! time a monotonic queue.

use std::any::Any;

use arrow_array::{Array, ArrayRef};
use arrow_schema::DataType;
use datafusion_common::ScalarValue;

use super::foremost::Foremost;
use super::multiset::Multiset;
use super::native::{Native, by_native, column, is_native, natives};
use super::saved::Entries;
use super::stairs::Stairs;
use super::visit::each;
use super::{Accumulator, Aggregate, AggregateError, Call, Input, Signature};
use crate::delta::Unfit;

/// The least value.
#[derive(Debug)]
pub(super) struct Min;

/// The greatest value.
#[derive(Debug)]
pub(super) struct Max;

impl Aggregate for Min {
    fn name(&self) -> &'static str {
        "MIN"
    }

    fn help(&self) -> &'static str {
        "`MIN(x)`: least value, of the type of x: numbers, text, bytes, booleans, dates, times, intervals by their length. NaN is greater than any number"
    }

    fn heeds_distinct(&self) -> bool {
        true
    }

    fn bind(&self, args: &[DataType], _literals: &[ScalarValue]) -> Result<Signature, AggregateError> {
        bind(self, args)
    }

    fn accumulator(&self, call: &Call) -> Box<dyn Accumulator> {
        accumulator::<false>(call)
    }
}

impl Aggregate for Max {
    fn name(&self) -> &'static str {
        "MAX"
    }

    fn help(&self) -> &'static str {
        "`MAX(x)`: greatest value, of the type of x: numbers, text, bytes, booleans, dates, times, intervals by their length. NaN is greater than any number"
    }

    fn heeds_distinct(&self) -> bool {
        true
    }

    fn bind(&self, args: &[DataType], _literals: &[ScalarValue]) -> Result<Signature, AggregateError> {
        bind(self, args)
    }

    fn accumulator(&self, call: &Call) -> Box<dyn Accumulator> {
        accumulator::<true>(call)
    }
}

fn bind(function: &dyn Aggregate, args: &[DataType]) -> Result<Signature, AggregateError> {
    let arg = match args {
        [DataType::Null] => DataType::Int64,
        [DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View] => DataType::Utf8,
        [arg @ (DataType::Binary | DataType::Interval(_))] => arg.clone(),
        [arg] if is_native(arg) => arg.clone(),
        _ => {
            let hint = "give it one number, text, boolean, date, time or interval, or bytes";
            return Err(AggregateError::arguments(function, args, hint));
        }
    };
    Ok(Signature { args: vec![arg.clone()], output: arg })
}

fn accumulator<const MAX: bool>(call: &Call) -> Box<dyn Accumulator> {
    by_native!(&call.output, N => Box::new(Extremum::<N, MAX>::new(call)), Foremost::boxed(call, MAX))
}

/// The state: by group, the extreme value so far, all values, or those of the parts (`part` is the one spoken of).
enum State<K, const MAX: bool> {
    Best { best: Vec<K>, seen: Vec<bool> },
    All(Vec<Multiset<K>>),
    Parts { stairs: Vec<Stairs<K, MAX>>, part: i64 },
}

struct Extremum<N: Native, const MAX: bool> {
    state: State<N::Key, MAX>,
    output: DataType,
}

impl<N: Native, const MAX: bool> Extremum<N, MAX> {
    fn new(call: &Call) -> Self {
        let state = match call.retracting {
            true => State::All(Vec::new()),
            false => State::Best { best: Vec::new(), seen: Vec::new() },
        };
        Extremum { state, output: call.output.clone() }
    }

    fn result(&self, group: usize) -> Option<N::Key> {
        match &self.state {
            State::Best { best, seen } => seen[group].then(|| best[group]),
            State::All(sets) if MAX => sets[group].last().copied(),
            State::All(sets) => sets[group].first().copied(),
            State::Parts { stairs, .. } => stairs[group].best(),
        }
    }
}

/// Puts `key` in if it is more extreme.
#[inline(always)]
fn offer<K: Ord + Copy, const MAX: bool>(best: &mut K, seen: &mut bool, key: K) {
    if !*seen || (if MAX { key > *best } else { key < *best }) {
        *best = key;
        *seen = true;
    }
}

impl<N: Native, const MAX: bool> Accumulator for Extremum<N, MAX> {
    fn resize(&mut self, groups: usize) {
        match &mut self.state {
            State::Best { best, seen } => {
                best.resize(groups.max(best.len()), N::Key::default());
                seen.resize(groups.max(seen.len()), false);
            }
            State::All(sets) => sets.resize_with(groups.max(sets.len()), Multiset::default),
            State::Parts { stairs, .. } => stairs.resize_with(groups.max(stairs.len()), Stairs::default),
        }
    }

    fn update(&mut self, groups: &[u32], input: &Input<'_>) {
        let values = natives::<N>(&input.args[0]);
        let (values, nulls) = (&values[..groups.len()], input.args[0].nulls());
        match &mut self.state {
            State::Best { best, seen } => each(groups, input, nulls, |row, group, _| {
                offer::<_, MAX>(&mut best[group], &mut seen[group], values[row].key());
            }),
            State::All(sets) => each(groups, input, nulls, |row, group, diff| sets[group].add(values[row].key(), diff)),
            State::Parts { .. } => unreachable!("parts are merged in, not rows"),
        }
    }

    fn at(&mut self, time: i64) {
        match &mut self.state {
            State::Parts { part, .. } => *part = time,
            State::All(sets) => {
                let stairs = sets.iter().map(|_| Stairs::default()).collect();
                self.state = State::Parts { stairs, part: time };
            }
            State::Best { .. } => unreachable!("what parts are merged out of is retracting"),
        }
    }

    fn merge(&mut self, groups: &[u32], other: &dyn Accumulator, from: &[u32], sign: i64) {
        let Some(other) = other.as_any().downcast_ref::<Self>() else { unreachable!("made by the same call") };
        for (group, from) in groups.iter().zip(from).map(|(&group, &from)| (group as usize, from as usize)) {
            match (&mut self.state, &other.state) {
                (State::All(sets), State::All(others)) => {
                    others[from].counts().for_each(|(key, count)| sets[group].add(*key, sign * count));
                }
                (State::All(sets), _) => {
                    if let Some(key) = other.result(from) {
                        sets[group].add(key, sign);
                    }
                }
                (State::Parts { stairs, part }, _) if sign < 0 => stairs[group].go(*part),
                (State::Parts { stairs, part }, _) => {
                    if let Some(key) = other.result(from) {
                        stairs[group].come(*part, key);
                    }
                }
                (State::Best { best, seen }, _) => {
                    if let Some(key) = other.result(from) {
                        offer::<_, MAX>(&mut best[group], &mut seen[group], key);
                    }
                }
            }
        }
    }

    fn evaluate(&self, groups: &[u32]) -> ArrayRef {
        column(&self.output, groups.iter().map(|&group| self.result(group as usize).map(N::native)))
    }

    fn reset(&mut self, groups: &[u32]) {
        match &mut self.state {
            State::Best { seen, .. } => groups.iter().for_each(|&group| seen[group as usize] = false),
            State::All(sets) => groups.iter().for_each(|&group| sets[group as usize] = Multiset::default()),
            State::Parts { stairs, .. } => groups.iter().for_each(|&group| stairs[group as usize] = Stairs::default()),
        }
    }

    fn saved(&self) -> Vec<DataType> {
        match &self.state {
            State::Best { .. } => vec![self.output.clone()],
            State::All(_) | State::Parts { .. } => Entries::types([&self.output], true),
        }
    }

    fn save(&self, groups: &[u32]) -> Vec<ArrayRef> {
        let sets = match &self.state {
            State::Best { .. } => return vec![self.evaluate(groups)],
            State::All(sets) => sets,
            State::Parts { .. } => unreachable!("a sum of parts is made again, not saved"),
        };
        let entries = || groups.iter().flat_map(|&group| sets[group as usize].counts());
        let columns = vec![column(&self.output, entries().map(|(key, _)| Some(N::native(*key))))];
        let counts = Some(entries().map(|(_, count)| count).collect());
        let lengths = groups.iter().map(|&group| sets[group as usize].counts().count()).collect();
        Entries { lengths, columns, counts }.save()
    }

    fn load(&mut self, groups: &[u32], saved: &[ArrayRef]) -> Result<(), Unfit> {
        if let State::Best { .. } = &self.state {
            // NULL, of a group without values, is passed over.
            self.update(groups, &Input { args: saved, order: &[], keep: None, diffs: None });
            return Ok(());
        }
        let (groups, Entries { columns, counts, .. }) = Entries::load(groups, saved, 0, true)?;
        self.update(&groups, &Input { args: &columns, order: &[], keep: None, diffs: counts.as_deref() });
        Ok(())
    }

    fn bytes(&self) -> usize {
        match &self.state {
            State::Best { best, seen } => best.capacity() * size_of::<N::Key>() + seen.capacity(),
            State::All(sets) => {
                let trees: usize = sets.iter().map(Multiset::bytes).sum();
                sets.capacity() * size_of::<Multiset<N::Key>>() + trees
            }
            State::Parts { stairs, .. } => {
                let queues: usize = stairs.iter().map(Stairs::bytes).sum();
                stairs.capacity() * size_of::<Stairs<N::Key, MAX>>() + queues
            }
        }
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
