//! Whom an idle input follows (W6), in one process or in several. Pure: who is idle is said, not measured.
//!
//! While some input is busy, those that are idle go where the least of the busy ones is. Once none is, all go where the
//! greatest of them all came to: the answer does not depend on who fell idle first.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

/// How far some inputs are, taken together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Reach {
    /// The least watermark of those that are busy.
    busy: Option<i64>,
    /// The greatest watermark of those that are idle, or came to their end.
    quiet: Option<i64>,
}

impl Reach {
    /// Of one input that brings rows, or may any moment.
    pub(super) fn busy(watermark: i64) -> Reach {
        Reach { busy: Some(watermark), quiet: None }
    }

    /// Of one input that is idle, or that came this far before it ended.
    pub(super) fn quiet(watermark: i64) -> Reach {
        Reach { busy: None, quiet: Some(watermark) }
    }

    /// Of both.
    pub(super) fn and(self, other: Reach) -> Reach {
        let least = self.busy.into_iter().chain(other.busy).min();
        Reach { busy: least, quiet: self.quiet.max(other.quiet) }
    }

    /// Where those that are idle go, if they are behind it; `None` without any input.
    pub(super) fn target(self) -> Option<i64> {
        self.busy.or(self.quiet)
    }
}

impl FromIterator<Reach> for Reach {
    fn from_iter<I: IntoIterator<Item = Reach>>(all: I) -> Reach {
        all.into_iter().fold(Reach::default(), Reach::and)
    }
}

/// What a process has said of its inputs, and what of it the others knew when they last looked at theirs.
#[derive(Debug, Default)]
pub(super) struct Confirmed {
    /// The last that all knew.
    reach: Option<Reach>,
    /// Said since: the next that all will know, and the latest.
    said: VecDeque<(u64, Reach)>,
}

impl Confirmed {
    /// The last that all others knew when they looked at theirs; `None` before the first.
    pub(super) fn reach(&self) -> Option<Reach> {
        self.reach
    }

    /// Takes what is said now, the so-manieth that differs from the one before. The latest takes the place of the one
    /// before, the next to be known stays.
    pub(super) fn say(&mut self, number: u64, reach: Reach) {
        if self.said.back().is_none_or(|(said, _)| *said < number) {
            self.said.truncate(1);
            self.said.push_back((number, reach));
        }
    }

    /// All others know what was said up to this number.
    pub(super) fn known(&mut self, number: u64) {
        while let Some((_, reach)) = self.said.pop_front_if(|(said, _)| *said <= number) {
            self.reach = Some(reach);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// After how many steps without a row an input is idle.
    const TIMEOUT: usize = 3;

    /// What happens to an input in a step.
    #[derive(Clone, Copy, Debug)]
    enum Act {
        Nothing,
        Row(i64),
        End,
    }

    /// One input: its watermark, when its last row came, whether it has ended.
    #[derive(Clone, Copy, Debug)]
    struct Input {
        watermark: i64,
        last: usize,
        ended: bool,
    }

    /// Plays steps, one act an input each; answers the inputs after each of them. `process` says where each input is: what a
    /// process tells of its inputs is put together there, and then with what the others tell.
    fn play(steps: &[Vec<Act>], process: &[usize]) -> Vec<Vec<Input>> {
        let mut inputs = vec![Input { watermark: i64::MIN, last: 0, ended: false }; process.len()];
        let mut after = Vec::new();
        for (step, acts) in steps.iter().enumerate() {
            for (input, act) in inputs.iter_mut().zip(acts).filter(|(input, _)| !input.ended) {
                match *act {
                    Act::Nothing => {}
                    Act::Row(time) => {
                        (input.watermark, input.last) = (input.watermark.max(time), step);
                    }
                    Act::End => input.ended = true,
                }
            }
            let idle = |input: &Input| step - input.last >= TIMEOUT;
            let reach = |input: &Input| match input.ended || idle(input) {
                true => Reach::quiet(input.watermark),
                false => Reach::busy(input.watermark),
            };
            let told = (0..=2).map(|here| {
                inputs
                    .iter()
                    .zip(process)
                    .filter(|(_, process)| **process == here)
                    .map(|(input, _)| reach(input))
                    .collect()
            });
            let Some(target) = told.collect::<Reach>().target() else { continue };
            for input in inputs.iter_mut().filter(|input| !input.ended && idle(input)) {
                input.watermark = input.watermark.max(target);
            }
            after.push(inputs.clone());
        }
        after
    }

    fn acts() -> impl Strategy<Value = Act> {
        prop_oneof![6 => Just(Act::Nothing), 4 => (0..100_i64).prop_map(Act::Row), 1 => Just(Act::End)]
    }

    proptest! {
        #[test]
        fn all_that_fall_silent_come_to_the_greatest(
            mut steps in prop::collection::vec(prop::collection::vec(acts(), 4), 0..20),
            process in prop::collection::vec(0..3_usize, 4),
        ) {
            steps.extend(vec![vec![Act::Nothing; 4]; 2 * TIMEOUT]);
            let after = play(&steps, &process);
            let rows = |input: usize| {
                let until = steps.iter().position(|acts| matches!(acts[input], Act::End)).unwrap_or(steps.len());
                steps[..until].iter().filter_map(move |acts| match acts[input] {
                    Act::Row(time) => Some(time),
                    _ => None,
                })
            };
            let greatest = (0..4).flat_map(rows).max().unwrap_or(i64::MIN);
            let last = after.last().map(|inputs| inputs.iter().filter(|input| !input.ended).map(|input| input.watermark));
            prop_assert!(last.into_iter().flatten().all(|watermark| watermark == greatest));
            // W3, and which process an input is in does not show.
            for (before, next) in after.iter().zip(after.iter().skip(1)) {
                prop_assert!(before.iter().zip(next).all(|(before, next)| before.watermark <= next.watermark));
            }
            let alone = play(&steps, &[0; 4]);
            let watermarks = |after: &[Vec<Input>]| -> Vec<i64> { after.iter().flatten().map(|input| input.watermark).collect() };
            prop_assert_eq!(watermarks(&after), watermarks(&alone));
        }

        #[test]
        fn a_busy_input_holds_the_others(watermarks in prop::collection::vec((0..100_i64, any::<bool>()), 1..6)) {
            let reach: Reach = watermarks
                .iter()
                .map(|&(watermark, busy)| if busy { Reach::busy(watermark) } else { Reach::quiet(watermark) })
                .collect();
            let of = |wanted: bool| watermarks.iter().filter(move |(_, busy)| *busy == wanted).map(|(watermark, _)| *watermark);
            prop_assert_eq!(reach.target(), of(true).min().or(of(false).max()));
        }
    }
}
