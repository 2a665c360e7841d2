//! The accumulators of a set of groups, side by side, and how many rows each group has.

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef};
use arrow_schema::{DataType, Field};

use super::saved::{numbers, numbers_of};
use super::{Accumulator, Call, GroupCall, Grouping, Input, Role, accumulator_of};
use crate::delta::{Delta, Unfit};

/// The state of groups `0..n`, without their keys.
pub struct States {
    accumulators: Vec<Box<dyn Accumulator>>,
    inputs: Vec<Columns>,
    /// Rows per group, if they are counted: of retracting input, or the parts merged in.
    rows: Option<Vec<i64>>,
    size: usize,
}

/// The input columns of one aggregate.
#[derive(Clone, Debug)]
struct Columns {
    args: Vec<usize>,
    order: Vec<usize>,
    filter: Option<usize>,
}

impl States {
    /// No groups yet.
    pub fn new(grouping: &Grouping, role: Role) -> States {
        let made = grouping.aggregates.iter().map(|aggregate| {
            let call = Call { retracting: role.retracting(grouping, aggregate), ..aggregate.call.clone() };
            accumulator_of(&aggregate.function, &call)
        });
        let columns = |a: &GroupCall| Columns { args: a.args.clone(), order: a.order.clone(), filter: a.filter };
        States {
            accumulators: made.collect(),
            inputs: grouping.aggregates.iter().map(columns).collect(),
            rows: (grouping.retracting || role == Role::Sum).then(Vec::new),
            size: 0,
        }
    }

    /// Makes room for groups `0..groups`.
    pub fn resize(&mut self, groups: usize) {
        if groups > self.size {
            self.size = groups;
            self.accumulators.iter_mut().for_each(|accumulator| accumulator.resize(groups));
            if let Some(rows) = &mut self.rows {
                rows.resize(groups, 0);
            }
        }
    }

    /// How many groups there is room for.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Adds rows: row `i` of `delta` to group `groups[i]`.
    pub fn update(&mut self, groups: &[u32], delta: &Delta) {
        let diffs = delta.diffs().map(|diffs| &diffs[..]);
        let column = |&index: &usize| delta.batch().column(index).clone();
        for (accumulator, Columns { args, order, filter }) in self.accumulators.iter_mut().zip(&self.inputs) {
            let (args, order): (Vec<ArrayRef>, Vec<ArrayRef>) =
                (args.iter().map(column).collect(), order.iter().map(column).collect());
            let keep = filter.map(|filter| {
                let keep = delta.batch().column(filter).as_boolean();
                match keep.nulls() {
                    None => keep.values().clone(),
                    Some(nulls) => keep.values() & nulls.inner(),
                }
            });
            accumulator.update(groups, &Input { args: &args, order: &order, keep: keep.as_ref(), diffs });
        }
        match (&mut self.rows, diffs) {
            (None, _) => {}
            (Some(rows), None) => groups.iter().for_each(|&group| rows[group as usize] += 1),
            (Some(rows), Some(diffs)) => {
                groups.iter().zip(diffs).for_each(|(&group, diff)| rows[group as usize] += diff)
            }
        }
    }

    /// Says which part merges speak of from now on; see [`Accumulator::at`].
    pub fn at(&mut self, time: i64) {
        self.accumulators.iter_mut().for_each(|accumulator| accumulator.at(time));
    }

    /// Merges group `from[i]` of `other` into group `groups[i]`, `sign` times (1 or -1). A part whose rows are not counted
    /// counts as one row a group.
    pub fn merge(&mut self, groups: &[u32], other: &States, from: &[u32], sign: i64) {
        for (accumulator, other) in self.accumulators.iter_mut().zip(&other.accumulators) {
            accumulator.merge(groups, other.as_ref(), from, sign);
        }
        if let Some(rows) = &mut self.rows {
            let weight = |from: u32| other.rows.as_ref().map_or(1, |rows| rows[from as usize]);
            groups.iter().zip(from).for_each(|(&group, &from)| rows[group as usize] += sign * weight(from));
        }
    }

    /// Merges groups of this very set, each `from` into its `into`, and forgets the `from`s. No `into` is a `from`.
    pub fn merge_within(&mut self, grouping: &Grouping, role: Role, into: &[u32], from: &[u32]) {
        let mut aside = States::new(grouping, role);
        let places: Vec<u32> = (0..from.len() as u32).collect();
        aside.resize(places.len());
        aside.merge(&places, self, from, 1);
        self.merge(into, &aside, &places, 1);
        self.reset(from);
    }

    /// The rows of a group, if they are counted.
    pub fn rows(&self, group: u32) -> Option<i64> {
        self.rows.as_ref().map(|rows| rows[group as usize])
    }

    /// Whether rows are counted.
    pub fn counted(&self) -> bool {
        self.rows.is_some()
    }

    /// The result columns of these groups.
    pub fn evaluate(&self, groups: &[u32]) -> Vec<ArrayRef> {
        self.accumulators.iter().map(|accumulator| accumulator.evaluate(groups)).collect()
    }

    /// Forgets the rows of these groups.
    pub fn reset(&mut self, groups: &[u32]) {
        self.accumulators.iter_mut().for_each(|accumulator| accumulator.reset(groups));
        if let Some(rows) = &mut self.rows {
            groups.iter().for_each(|&group| rows[group as usize] = 0);
        }
    }

    /// The columns that groups are saved in: how many rows they have, if that is counted, then the states of each aggregate.
    pub fn fields(&self) -> Vec<Field> {
        let rows = self.rows.as_ref().map(|_| Field::new("rows", DataType::Int64, false));
        let of = |(at, kinds): (usize, Vec<DataType>)| {
            let kinds = kinds.into_iter().enumerate();
            kinds.map(move |(part, kind)| Field::new(format!("aggregate{at}_{part}"), kind, true))
        };
        let states = self.accumulators.iter().map(|accumulator| accumulator.saved()).enumerate().flat_map(of);
        rows.into_iter().chain(states).collect()
    }

    /// These groups in such columns, a row each.
    pub fn save(&self, groups: &[u32]) -> Vec<ArrayRef> {
        let rows = self.rows.as_ref().map(|rows| numbers(groups.iter().map(|&group| rows[group as usize])));
        let states = self.accumulators.iter().flat_map(|accumulator| accumulator.save(groups));
        rows.into_iter().chain(states).collect()
    }

    /// Makes these groups, which have nothing, what they were when they were saved.
    pub fn load(&mut self, groups: &[u32], saved: &[ArrayRef]) -> Result<(), Unfit> {
        let mut rest = saved;
        if let Some(rows) = &mut self.rows {
            let counts = rest.split_off_first().map(numbers_of).unwrap_or_default();
            groups.iter().zip(counts).for_each(|(&group, &count)| rows[group as usize] = count);
        }
        for accumulator in &mut self.accumulators {
            let Some(columns) = rest.split_off(..accumulator.saved().len()) else {
                return Err(Unfit::Value("a state lacks columns"));
            };
            accumulator.load(groups, columns)?;
        }
        Ok(())
    }

    /// Memory held, in bytes, about.
    pub fn bytes(&self) -> usize {
        let rows = self.rows.as_ref().map_or(0, |rows| rows.capacity() * 8);
        self.accumulators.iter().map(|accumulator| accumulator.bytes()).sum::<usize>() + rows
    }
}
