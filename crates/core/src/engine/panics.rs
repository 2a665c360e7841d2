//! Which panics are not shown, for the program that decides that.

use std::sync::Once;

use crate::guard::is_guarded;

/// Shows no panics that are told in other words: of bytes that readers of others panic over, and of the threads of connections that
/// break off. Workers that trip over what those leave stand still: to unwind, they would push to the same queue once more, which
/// ends the process at once; that the peer is gone is found by others. It sets the hook of the whole process, which is for a program
/// to decide and not for what it embeds.
pub fn quiet_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let thread = std::thread::current();
            let named = |start| thread.name().is_some_and(|name| name.starts_with(start));
            let poisoned = info.payload().downcast_ref::<&str>().is_some_and(|text| text.starts_with("MergeQueue"));
            while named("timely:work") && poisoned {
                std::thread::park();
            }
            if !(named("timely:send") || named("timely:recv") || is_guarded()) {
                before(info);
            }
        }));
    });
}
