//! When a part file is ended and the next one begun: `'sink.rolling-policy.*'`, as Flink calls it. Always behind a whole epoch.

use std::time::Duration;

use crate::options::{OptionError, OptionSpec, Options};
use crate::time::Clock;

/// The options.
pub(super) const OPTIONS: [OptionSpec; 2] = [
    OptionSpec {
        name: "sink.rolling-policy.file-size",
        help: "of a folder: from how many bytes on part files are ended, and others begun (default: never)",
    },
    OptionSpec {
        name: "sink.rolling-policy.rollover-interval",
        help: "of a folder: after how long part files are ended, and others begun (default: never)",
    },
];

/// When files are ended.
#[derive(Debug)]
pub(super) struct Rolling {
    size: Option<usize>,
    interval: Option<Duration>,
    /// Since when files are written.
    clock: Clock,
}

impl Rolling {
    /// As the options say.
    pub(super) fn of(options: &Options) -> Result<Rolling, OptionError> {
        let small = |name: &str, least: &str| OptionError::Invalid {
            name: name.to_owned(),
            value: options.get(name).unwrap_or_default().to_owned(),
            reason: format!("write {least} or more"),
        };
        let size = options.bytes(OPTIONS[0].name)?;
        if size == Some(0) {
            return Err(small(OPTIONS[0].name, "1"));
        }
        let interval = match options.duration_ms(OPTIONS[1].name)? {
            Some(ms) if ms < 1 => return Err(small(OPTIONS[1].name, "1 ms")),
            ms => ms.map(|ms| Duration::from_millis(ms.unsigned_abs())),
        };
        Ok(Rolling { size, interval, clock: Clock::start() })
    }

    /// Whether files are ended at all before the output is.
    pub(super) fn rolls(&self) -> bool {
        self.size.is_some() || self.interval.is_some()
    }

    /// Whether the largest of those that hold rows, of so many bytes, is large enough.
    pub(super) fn is_large(&self, bytes: usize) -> bool {
        self.size.is_some_and(|size| bytes >= size)
    }

    /// Whether they are old enough.
    pub(super) fn is_old(&self) -> bool {
        self.interval.is_some_and(|interval| self.clock.elapsed() >= interval)
    }

    /// Others are begun.
    pub(super) fn begun(&mut self) {
        self.clock = Clock::start();
    }
}
