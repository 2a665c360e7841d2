//! Accumulators of embedders' functions: one that panics ends the engine, and the message has the function's name.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use arrow_array::ArrayRef;
use arrow_schema::DataType;

use super::{Accumulator, Input};
use crate::delta::Unfit;
use crate::guard::{Unable, give_up, message_of};

/// An accumulator with the name of its function.
pub(super) struct Named {
    name: String,
    state: Box<dyn Accumulator>,
}

impl Named {
    pub(super) fn new(name: &str, state: Box<dyn Accumulator>) -> Named {
        Named { name: name.to_owned(), state }
    }
}

/// What `run` returns; a panic goes on with the name before its message.
fn telling<T>(name: &str, run: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|payload| {
        let payload = match payload.downcast::<Unable>() {
            Ok(unable) => give_up(format!("the aggregate function {name}: {}", unable.what), unable.remedy),
            Err(payload) => payload,
        };
        // The hook was told where it happened.
        resume_unwind(Box::new(format!("the aggregate function {name} panicked: {}", message_of(&*payload))))
    })
}

impl Accumulator for Named {
    fn resize(&mut self, groups: usize) {
        telling(&self.name, || self.state.resize(groups));
    }

    fn update(&mut self, groups: &[u32], input: &Input<'_>) {
        telling(&self.name, || self.state.update(groups, input));
    }

    fn at(&mut self, time: i64) {
        telling(&self.name, || self.state.at(time));
    }

    fn merge(&mut self, groups: &[u32], other: &dyn Accumulator, from: &[u32], sign: i64) {
        let Some(other) = other.as_any().downcast_ref::<Named>() else { unreachable!("made by the same call") };
        telling(&self.name, || self.state.merge(groups, &*other.state, from, sign));
    }

    fn evaluate(&self, groups: &[u32]) -> ArrayRef {
        telling(&self.name, || self.state.evaluate(groups))
    }

    fn reset(&mut self, groups: &[u32]) {
        telling(&self.name, || self.state.reset(groups));
    }

    fn saved(&self) -> Vec<DataType> {
        telling(&self.name, || self.state.saved())
    }

    fn save(&self, groups: &[u32]) -> Vec<ArrayRef> {
        telling(&self.name, || self.state.save(groups))
    }

    fn load(&mut self, groups: &[u32], saved: &[ArrayRef]) -> Result<(), Unfit> {
        telling(&self.name, || self.state.load(groups, saved))
    }

    fn bytes(&self) -> usize {
        telling(&self.name, || self.state.bytes())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
