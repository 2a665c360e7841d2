//! The signals that a run listens to: Ctrl-C and SIGTERM end it, SIGHUP has its files read again, SIGUSR1, SIGUSR2 and SIGXFSZ
//! (a file is longer than the process may make one: who writes it hears that too) do nothing. None of them ends the process by itself.

use std::io::Write;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::progress;
use highwater_core::time::Clock;

/// How long the last words may take where nobody reads them.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// What comes within so many ms of the first is the same: `timeout` and others that start it signal the process and its group.
const SAME_MS: u64 = 200;

/// SIGXFSZ of Linux.
const FILE_TOO_LONG: i32 = 25;

/// What came.
#[derive(Clone, Debug)]
pub(super) struct Signals {
    /// Ctrl-C and SIGTERM: the number of the first that came.
    pub(super) end: watch::Receiver<Option<i32>>,
    /// How often SIGHUP came.
    pub(super) reload: watch::Receiver<u32>,
}

impl Signals {
    /// Listens from now on; the second that ends ends the process at once.
    pub(super) fn listen() -> std::io::Result<Signals> {
        let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        let mut hangup = signal(SignalKind::hangup())?;
        let mut others = (signal(SignalKind::user_defined1())?, signal(SignalKind::user_defined2())?);
        let mut too_long = signal(SignalKind::from_raw(FILE_TOO_LONG))?;
        let ((ending, end), (reloading, reload)) = (watch::channel(None), watch::channel(0));
        tokio::spawn(async move {
            let mut first: Option<Clock> = None;
            loop {
                let which = tokio::select! {
                    _ = interrupt.recv() => SignalKind::interrupt(),
                    _ = terminate.recv() => SignalKind::terminate(),
                    _ = hangup.recv() => {
                        reloading.send_modify(|seen| *seen += 1);
                        continue;
                    }
                    _ = others.0.recv() => continue,
                    _ = others.1.recv() => continue,
                    _ = too_long.recv() => continue,
                };
                match &first {
                    None => {
                        first = Some(Clock::start());
                        ending.send_replace(Some(which.as_raw_value()));
                    }
                    Some(first) if first.elapsed_ms() < SAME_MS => {}
                    Some(_) => give_up("ended at once by a second signal; results may be incomplete"),
                }
            }
        });
        Ok(Signals { end, reload })
    }
}

/// Ends the process with code 1, whatever its threads are stuck in, and whether or not anybody reads why.
pub(super) fn give_up(why: &str) -> ! {
    let why = format!("error: {why}\n");
    let (done, told) = std::sync::mpsc::channel();
    let say = move || {
        progress::wipe();
        // Nobody may be there.
        let _ = std::io::stderr().lock().write_all(why.as_bytes());
        let _ = done.send(());
    };
    if std::thread::Builder::new().spawn(say).is_ok() {
        let _ = told.recv_timeout(LAST_WORDS);
    }
    std::process::exit(1);
}
