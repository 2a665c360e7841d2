//! What an engine that starts is at, for those who ask before it is there.

use std::sync::{Arc, Mutex, PoisonError};

/// See the module. Clones tell of the same start.
#[derive(Clone, Debug, Default)]
pub struct Startup(Arc<Mutex<String>>);

impl Startup {
    /// It does this now.
    pub fn at(&self, what: impl Into<String>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = what.into();
    }

    /// What it does, as `waits for process 1 (localhost:2102)`; empty if it has not said.
    pub fn read(&self) -> String {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
