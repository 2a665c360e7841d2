//! The pairs of two arrangements: what an epoch changes of them.
//!
//! For a pair, with `l`, `r` the rows' numbers: the result changes by `l_new * r_new - l_old * r_old`. Every changed left row
//! walks over the right rows of its key, every changed right row over the left rows that did not change. So no pair is
//! shown and taken back within an epoch.

use arrow_schema::SchemaRef;

use super::arrangement::Arrangement;
use super::output::{MOST, Output, retain};
use super::{Join, Side};
use crate::delta::{Delta, Rejects};
use crate::time::Epoch;

/// Makes pairs.
#[derive(Debug)]
pub struct Meeting {
    output: Output,
}

impl Meeting {
    /// For an inner join on keys alone, but for a residual. `schema` is that of the result.
    pub fn new(join: &Join, schema: &SchemaRef, inputs: [&SchemaRef; 2], rejects: &Rejects) -> Meeting {
        Meeting { output: Output::new(schema, inputs, None, (join.residual.as_ref(), &join.told), rejects) }
    }

    /// The changes of the result at an epoch; both arrangements have taken it in.
    pub fn step(&mut self, epoch: Epoch, left: &mut Arrangement, right: &mut Arrangement) -> Vec<Delta> {
        let mut pairs: [Vec<u32>; 2] = Default::default();
        let mut diffs: Vec<i64> = Vec::new();
        let at = [left.at(epoch), right.at(epoch)];
        for side in Side::BOTH {
            let (mine, theirs) = match side {
                Side::Left => (&mut *left, &mut *right),
                Side::Right => (&mut *right, &mut *left),
            };
            let [own, other] = [at[side as usize], at[side.other() as usize]];
            for (slot, change, key) in mine.changes(epoch, theirs) {
                let count = mine.standing(slot, &own).count;
                let mut walk = theirs.begin(key);
                loop {
                    let more = theirs.walk((&mut walk, MOST - diffs.len()), &other, |partner, standing| {
                        let before = standing.count - standing.change;
                        let diff = match side {
                            Side::Left => count * standing.count - (count - change) * before,
                            Side::Right if standing.change == 0 => change * standing.count,
                            // It was met from the left.
                            Side::Right => 0,
                        };
                        if diff != 0 {
                            pairs[side as usize].push(slot);
                            pairs[side.other() as usize].push(partner);
                            diffs.push(diff);
                        }
                    });
                    if diffs.len() >= MOST {
                        let [left, right] = if side == Side::Left { [&*mine, &*theirs] } else { [&*theirs, &*mine] };
                        self.show([left, right], &mut pairs, &mut diffs);
                    }
                    if !more {
                        break;
                    }
                }
            }
        }
        self.show([left, right], &mut pairs, &mut diffs);
        self.output.finish()
    }

    /// Shows pairs; leaves none.
    fn show(&mut self, [left, right]: [&Arrangement; 2], pairs: &mut [Vec<u32>; 2], diffs: &mut Vec<i64>) {
        let columns = [left.columns(), right.columns()];
        if let Some(keep) = self.output.holds(columns, pairs, &|pair| diffs[pair]) {
            pairs.iter_mut().for_each(|slots| retain(slots, &keep));
            retain(diffs, &keep);
        }
        let diffs = std::mem::take(diffs);
        let diffs = diffs.iter().any(|diff| *diff != 1).then_some(diffs);
        self.output.pairs(columns, [&pairs[0], &pairs[1]], diffs);
        pairs.iter_mut().for_each(Vec::clear);
    }
}
