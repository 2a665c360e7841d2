//! A pattern compiled to steps of a backtracking matcher: preferred ways first.

use super::{Pattern, Shape, Variable, reach};

/// Longest program: repetitions with counts are written out.
pub const MOST_STEPS: usize = 4096;

/// One step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Takes a row that is this variable.
    Row(u8),
    /// Goes on at either, the first preferred.
    Split(u32, u32),
    /// Goes on elsewhere.
    Jump(u32),
    /// No further row is within reach.
    End,
    /// Done.
    Match,
}

/// A compiled pattern.
#[derive(Clone, Debug)]
pub struct Program {
    pub(super) steps: Vec<Step>,
    /// The variables that the first row can be, as bits.
    pub(super) starts: u64,
    /// The variables whose conditions depend on neighbours only, as bits.
    pub(super) local: u64,
    /// The variables whose conditions depend on the rows matched so far, as bits.
    pub(super) asks: u64,
    /// Per variable, how many rows after the row at hand its condition looks at.
    pub(super) ahead: Vec<u64>,
    /// Whether what can follow a step at a row does not depend on the way there.
    pub(super) memoryless: bool,
}

impl Program {
    /// Compiles; `None` if it is longer than [`MOST_STEPS`].
    pub fn new(pattern: &Pattern) -> Option<Program> {
        let mut steps = Vec::new();
        emit(&pattern.shape, &mut steps)?;
        steps.push(Step::Match);
        let (mut local, mut asks) = (0, 0);
        for (at, variable) in pattern.variables.iter().enumerate() {
            if let Some(condition) = &variable.condition {
                match condition.is_local(at) {
                    true => local |= 1 << at,
                    false => asks |= 1 << at,
                }
            }
        }
        let ahead =
            |variable: &Variable| variable.condition.as_ref().map_or(0, |condition| reach(&condition.picks).1 as u64);
        let (starts, ahead) = (starts(&steps), pattern.variables.iter().map(ahead).collect());
        Some(Program { steps, starts, local, asks, ahead, memoryless: asks == 0 })
    }
}

fn starts(steps: &[Step]) -> u64 {
    let (mut seen, mut open, mut starts) = (vec![false; steps.len()], vec![0], 0);
    while let Some(at) = open.pop() {
        if !std::mem::replace(&mut seen[at], true) {
            match steps[at] {
                Step::Row(variable) => starts |= 1 << variable,
                Step::Split(a, b) => open.extend([a as usize, b as usize]),
                Step::Jump(to) => open.push(to as usize),
                Step::End => open.push(at + 1),
                Step::Match => {}
            }
        }
    }
    starts
}

fn emit(shape: &Shape, steps: &mut Vec<Step>) -> Option<()> {
    if steps.len() > MOST_STEPS {
        return None;
    }
    let here = |steps: &Vec<Step>| steps.len() as u32;
    match shape {
        Shape::Row(variable) => steps.push(Step::Row(*variable as u8)),
        Shape::End => steps.push(Step::End),
        Shape::Concat(parts) => parts.iter().try_for_each(|part| emit(part, steps))?,
        Shape::Either(parts) => {
            let mut exits = Vec::new();
            for (at, part) in parts.iter().enumerate() {
                let last = at + 1 == parts.len();
                let split = steps.len();
                if !last {
                    steps.push(Step::Jump(0));
                }
                emit(part, steps)?;
                if !last {
                    exits.push(steps.len());
                    steps.push(Step::Jump(0));
                    steps[split] = Step::Split(split as u32 + 1, here(steps));
                }
            }
            let end = here(steps);
            exits.into_iter().for_each(|exit| steps[exit] = Step::Jump(end));
        }
        Shape::Repeat { body, least, most, reluctant } => {
            for _ in 0..*least {
                emit(body, steps)?;
            }
            let split = |a: u32, b: u32| if *reluctant { Step::Split(b, a) } else { Step::Split(a, b) };
            match most {
                None => {
                    let loops = steps.len();
                    steps.push(Step::Jump(0));
                    emit(body, steps)?;
                    steps.push(Step::Jump(loops as u32));
                    steps[loops] = split(loops as u32 + 1, here(steps));
                }
                Some(most) => {
                    let mut splits = Vec::new();
                    for _ in *least..*most {
                        splits.push(steps.len());
                        steps.push(Step::Jump(0));
                        emit(body, steps)?;
                    }
                    let end = here(steps);
                    splits.into_iter().for_each(|at| steps[at] = split(at as u32 + 1, end));
                }
            }
        }
    }
    (steps.len() <= MOST_STEPS).then_some(())
}
