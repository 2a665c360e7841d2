//! An arrangement as operators see it: one takes in its rows, the joins behind it read them.

use std::cell::RefCell;
use std::rc::Rc;

use arrow_array::RecordBatch;

use super::{Arrangement, Meeting};
use crate::delta::{Delta, Unfit};
use crate::operator::{Counted, KeepsNothing, Saved, Saving, Section, Stateful, only};
use crate::time::Epoch;

/// An arrangement that several operators of one worker have. As an operator it takes in rows and passes them on.
#[derive(Clone, Debug)]
pub struct Arranged(Rc<RefCell<Arrangement>>);

impl Arranged {
    /// Shares it.
    pub fn new(rows: Arrangement) -> Arranged {
        Arranged(Rc::new(RefCell::new(rows)))
    }
}

impl Saved for Arranged {
    fn sections(&self) -> Vec<Section> {
        let rows = self.0.borrow();
        let (schema, keys) = rows.shape();
        vec![Counted::section("rows", schema, keys.to_vec())]
    }

    fn begin(&mut self) -> Saving {
        let (mut saving, sections) = (Saving::default(), self.sections());
        for rows in self.0.borrow().save(Saving::PIECE) {
            saving.add((0, &sections[0]), Counted::save(&rows), rows.len());
        }
        saving
    }

    fn take(&mut self, _: usize, rows: &RecordBatch) -> Result<(), Unfit> {
        let mut held = self.0.borrow_mut();
        let rows = Counted::load(rows, held.shape().0)?;
        held.load(&rows)
    }

    /// Readers ask for the cut and later.
    fn loaded(&mut self, _: Epoch) {}
}

impl Stateful for Arranged {
    fn apply(&mut self, epoch: Epoch, inputs: &mut [Vec<Delta>]) -> Vec<Delta> {
        let rows = only(inputs);
        self.0.borrow_mut().apply(epoch, &rows);
        rows
    }

    fn held(&self) -> usize {
        self.0.borrow().len()
    }

    fn bytes(&self) -> usize {
        self.0.borrow().bytes()
    }
}

/// The join of two arrangements, which are not the same one; its inputs are what they pass on.
#[derive(Debug)]
pub struct Met {
    meeting: Meeting,
    sides: [Arranged; 2],
    readers: [usize; 2],
}

impl Met {
    /// One more reader of both. Before anything is applied.
    pub fn new(meeting: Meeting, sides: [Arranged; 2]) -> Met {
        let readers = [0, 1].map(|side: usize| sides[side].0.borrow_mut().reader());
        Met { meeting, sides, readers }
    }
}

/// Nothing: the rows are the arrangements'.
impl KeepsNothing for Met {}

impl Stateful for Met {
    fn apply(&mut self, epoch: Epoch, _: &mut [Vec<Delta>]) -> Vec<Delta> {
        let [left, right] = &self.sides;
        self.meeting.step(epoch, &mut left.0.borrow_mut(), &mut right.0.borrow_mut())
    }

    /// The rows are the arrangements'.
    fn held(&self) -> usize {
        0
    }

    fn bytes(&self) -> usize {
        0
    }

    fn expire(&mut self, frontier: Epoch) {
        for (side, reader) in self.sides.iter().zip(self.readers) {
            side.0.borrow_mut().pass(reader, frontier);
        }
    }
}
