//! What is told of an input as a whole, in the log: columns that it has not, columns that nobody declared. Once a source, however
//! many files or bodies say the same.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

/// Where such things of one source are told.
#[derive(Clone, Debug, Default)]
pub struct Notices {
    source: String,
    place: Option<String>,
    told: Arc<Mutex<BTreeSet<String>>>,
}

impl Notices {
    /// Those of a source.
    pub fn of(source: &str) -> Notices {
        Notices { source: source.to_owned(), ..Notices::default() }
    }

    /// The same, of its input of that name.
    pub fn at(&self, place: &str) -> Notices {
        Notices { place: Some(place.to_owned()), ..self.clone() }
    }

    /// Tells what may not be meant so.
    pub fn warn(&self, what: &str) {
        if self.is_new(what) {
            tracing::warn!("{}", self.text(what));
        }
    }

    /// Tells what is good to know.
    pub(super) fn info(&self, what: &str) {
        if self.is_new(what) {
            tracing::info!("{}", self.text(what));
        }
    }

    fn is_new(&self, what: &str) -> bool {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).insert(what.to_owned())
    }

    fn text(&self, what: &str) -> String {
        let place = self.place.as_ref().map(|place| format!("{place}: ")).unwrap_or_default();
        format!("source '{}': {place}{what}", self.source)
    }

    /// What was told so far, for tests.
    #[cfg(test)]
    pub(super) fn told(&self) -> Vec<String> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}
