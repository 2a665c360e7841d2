//! Panics of others' code over input that it did not think of, as errors: readers over damaged bytes, functions over texts that
//! together are longer than a column of texts can be. And what an operator cannot go on with, which is no bug: [`give_up`].

use std::any::Any;
use std::cell::Cell;

thread_local! {
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// What `run` returns, or `broken` if it panics.
pub fn guarded<T, E>(run: impl FnOnce() -> Result<T, E>, broken: impl FnOnce() -> E) -> Result<T, E> {
    guarded_by(run, |_| broken())
}

/// The same, where what the panic says tells what is broken.
pub fn guarded_by<T, E>(run: impl FnOnce() -> Result<T, E>, broken: impl FnOnce(&str) -> E) -> Result<T, E> {
    let before = GUARDED.replace(true);
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(run));
    GUARDED.set(before);
    caught.unwrap_or_else(|payload| Err(broken(message_of(&*payload))))
}

/// What an operator cannot go on with, and what to do about it.
#[derive(Debug)]
pub struct Unable {
    /// What it is.
    pub what: String,
    /// What to do.
    pub remedy: String,
}

/// Ends the engine with an error that says this; no panic is told.
pub fn give_up(what: impl Into<String>, remedy: impl Into<String>) -> ! {
    std::panic::resume_unwind(Box::new(Unable { what: what.into(), remedy: remedy.into() }))
}

/// What a panic says, by what was caught of it.
pub fn message_of(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| payload.downcast_ref::<&str>().copied());
    text.or_else(|| payload.downcast_ref::<Unable>().map(|unable| unable.what.as_str())).unwrap_or("no message")
}

/// Whether a panic of this thread is one that [`guarded`] makes an error of: then it need not be told besides.
pub fn is_guarded() -> bool {
    GUARDED.get()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_error_and_guards_nest() {
        let read = guarded(
            || -> Result<(), &str> {
                assert!(is_guarded());
                assert!(guarded(|| Ok::<_, &str>(7), || "no") == Ok(7) && is_guarded());
                std::panic::resume_unwind(Box::new("others' code"))
            },
            || "it panicked",
        );
        assert_eq!(read, Err("it panicked"));
        assert!(!is_guarded());
    }
}
