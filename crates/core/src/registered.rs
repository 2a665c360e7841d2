//! Kinds of a registry (an aggregate, a connector, a format): those that are built in, and those that whoever embeds the engine
//! brings along. They are held alike, and nothing is leaked or global: what is brought along goes with the last plan that names it.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

/// A kind that programs may name. Clones are the same one.
pub struct Registered<T: ?Sized + 'static>(Held<T>);

enum Held<T: ?Sized + 'static> {
    BuiltIn(&'static T),
    Owned(Arc<T>),
}

impl<T: ?Sized> Registered<T> {
    /// Whether the engine brings it itself.
    pub fn is_built_in(&self) -> bool {
        matches!(self.0, Held::BuiltIn(_))
    }
}

impl<T: ?Sized> Clone for Registered<T> {
    fn clone(&self) -> Self {
        Registered(match &self.0 {
            Held::BuiltIn(kind) => Held::BuiltIn(kind),
            Held::Owned(kind) => Held::Owned(Arc::clone(kind)),
        })
    }
}

impl<T: ?Sized> Deref for Registered<T> {
    type Target = T;

    fn deref(&self) -> &T {
        match &self.0 {
            Held::BuiltIn(kind) => kind,
            Held::Owned(kind) => kind,
        }
    }
}

// As the kind itself: what a plan is compared by does not depend on who brought it.
impl<T: ?Sized + fmt::Debug> fmt::Debug for Registered<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl<T: ?Sized> From<&'static T> for Registered<T> {
    fn from(kind: &'static T) -> Self {
        Registered(Held::BuiltIn(kind))
    }
}

impl<T: ?Sized> From<Arc<T>> for Registered<T> {
    fn from(kind: Arc<T>) -> Self {
        Registered(Held::Owned(kind))
    }
}
