//! The published views of a process, by name.
//!
//! Each view is as far as its own inputs let it be; views that are read together are read at one epoch (the least of
//! theirs), undoing from the ring what the faster ones already know beyond it.

use std::sync::Arc;

use super::{Snapshot, View};
use crate::time::Epoch;

/// The published views, in the order of the program.
#[derive(Debug, Default)]
pub struct Views {
    views: Vec<Arc<View>>,
}

impl Views {
    pub(crate) fn new(views: Vec<Arc<View>>) -> Views {
        Views { views }
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<View>> {
        self.views.iter()
    }

    /// One by its name: as written, else without regard to case.
    pub fn get(&self, name: &str) -> Option<&Arc<View>> {
        let exact = self.views.iter().find(|view| view.name() == name);
        exact.or_else(|| self.views.iter().find(|view| view.name().eq_ignore_ascii_case(name)))
    }

    /// The epoch that every view has reached: all changes before it are in all views. [`Epoch::END`] without views.
    pub fn as_of(&self) -> Epoch {
        self.views.iter().map(|view| view.as_of()).min().unwrap_or(Epoch::END)
    }

    /// Several views at one epoch (C3). `None` if their rings do not reach back to a common one.
    pub fn read(&self, views: &[Arc<View>]) -> Option<Vec<Snapshot>> {
        let common = views.iter().map(|view| view.as_of()).min()?;
        views.iter().map(|view| view.snapshot_at(common)).collect()
    }
}
