//! Panics of others' code over input that it did not think of, as errors: readers over damaged bytes, functions over texts that
//! together are longer than a column of texts can be.

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

/// What a panic says, by what was caught of it.
pub fn message_of(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("no message")
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
