//! The published views of a process, by name. They come and go with the units that they are of.
//!
//! Each view is as far as its own inputs let it be; views that are read together are read at one epoch (the least of
//! theirs), undoing from the ring what the faster ones already know beyond it.

use std::sync::{Arc, PoisonError, RwLock};

use super::{Snapshot, View};
use crate::time::Epoch;

/// The published views, in the order in which they came.
#[derive(Debug)]
pub struct Views {
    views: RwLock<Arc<[Arc<View>]>>,
}

impl Views {
    pub(crate) fn new(views: Vec<Arc<View>>) -> Views {
        Views { views: RwLock::new(views.into()) }
    }

    /// All of them, as they are now.
    pub fn all(&self) -> Arc<[Arc<View>]> {
        self.views.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// One by its name: as written, else without regard to case.
    pub fn get(&self, name: &str) -> Option<Arc<View>> {
        let views = self.all();
        let exact = views.iter().find(|view| view.name() == name);
        exact.or_else(|| views.iter().find(|view| view.name().eq_ignore_ascii_case(name))).cloned()
    }

    /// The epoch that every view has reached: all changes before it are in all views. [`Epoch::END`] without views.
    pub fn as_of(&self) -> Epoch {
        let views = self.views.read().unwrap_or_else(PoisonError::into_inner);
        views.iter().map(|view| view.as_of()).min().unwrap_or(Epoch::END)
    }

    /// The same of the views that rows of a source may come to.
    pub fn as_of_rows(&self, source: &str) -> Epoch {
        let views = self.views.read().unwrap_or_else(PoisonError::into_inner);
        let fed = views.iter().filter(|view| view.is_fed_by(source));
        fed.map(|view| view.as_of()).min().unwrap_or(Epoch::END)
    }

    /// Several views at one epoch (C3). `None` if their rings do not reach back to a common one, or one of them begins behind it.
    pub fn read(&self, views: &[Arc<View>]) -> Option<Vec<Snapshot>> {
        let common = views.iter().map(|view| view.as_of()).min()?;
        views.iter().map(|view| view.snapshot_at(common)).collect()
    }

    /// The run has ended: none of them moves any more.
    pub(crate) fn end(&self) {
        self.all().iter().for_each(|view| view.end());
    }

    /// Shows more views, behind those that are there.
    pub(crate) fn show(&self, views: &[Arc<View>]) {
        let mut shown = self.views.write().unwrap_or_else(PoisonError::into_inner);
        *shown = shown.iter().chain(views).cloned().collect();
    }

    /// Takes views away; whoever follows one of them is told so.
    pub(crate) fn remove(&self, views: &[Arc<View>]) {
        let gone = |view: &Arc<View>| views.iter().any(|other| Arc::ptr_eq(view, other));
        let mut shown = self.views.write().unwrap_or_else(PoisonError::into_inner);
        *shown = shown.iter().filter(|view| !gone(view)).cloned().collect();
        drop(shown);
        views.iter().for_each(|view| view.drop_it());
    }
}
