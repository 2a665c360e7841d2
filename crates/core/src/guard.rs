//! Panics of others' code over input that it did not think of, as errors: readers over damaged bytes, functions over texts that
//! together are longer than a column of texts can be.

use std::cell::Cell;

thread_local! {
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// What `run` returns, or `broken` if it panics.
pub fn guarded<T, E>(run: impl FnOnce() -> Result<T, E>, broken: impl FnOnce() -> E) -> Result<T, E> {
    let before = GUARDED.replace(true);
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(run));
    GUARDED.set(before);
    caught.unwrap_or_else(|_| Err(broken()))
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
