//! A log on disk: frames (a kind and bytes) in order, and when they are durable. It knows nothing of what the frames say.
//!
//! [`Log::append`] copies a frame into memory and gives it its number, the [`Lsn`]; it never waits for the disk. One thread
//! takes all that waits, writes it as blocks of one segment, syncs, and moves [`Log::durable`] on. [`Log::reader`] reads
//! what is durable, while the log is written too. [`Log::open`] finds the end that a crash has left: a torn tail is cut off,
//! damage anywhere else is refused with file and offset. [`inspect`], [`verify`] and [`repair`] are for logs that are refused;
//! [`backup`] copies one, also while it is written.
//!
//! *Invariant:* what is read back is a prefix of what was appended, in order, with all that was said to be durable.
//!
//! ```
//! use highwater_log::{Folder, Log, Options};
//! let folder = std::env::temp_dir().join(format!("highwater-log-{}", std::process::id()));
//! let log = Log::open(Folder::lock(&folder)?, Options::default())?;
//! let lsn = log.append(7, &[b"hello, ", b"log"])?;
//! log.wait_durable(lsn)?;
//! let mut reader = log.reader(lsn)?;
//! let frame = reader.read()?.ok_or("nothing there")?;
//! assert_eq!((frame.lsn, frame.kind, frame.bytes), (lsn, 7, &b"hello, log"[..]));
//! log.close()?;
//! # std::fs::remove_dir_all(&folder)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![forbid(unsafe_code)]

mod aligned;
mod aside;
mod backup;
mod block;
mod committer;
mod disk;
mod error;
mod folder;
mod inspect;
mod log;
mod options;
mod pack;
mod past;
mod reader;
mod recovery;
mod repair;
mod retention;
mod run;
mod segment;
mod shared;
mod survey;
pub mod testing;
mod tip;
mod walk;
mod writer;

pub use backup::{Copied, backup};
pub use disk::{Disk, DiskFile};
pub use error::{Damage, Error, Refused};
pub use folder::Folder;
pub use inspect::{Kind, Lost, Report, SegmentReport, TipReport, inspect, verify};
pub use log::{Log, Opened, WhenDurable};
pub use options::{Options, SyncMode};
pub use pack::{Pack, PackWriter, copy_pack};
pub use past::Past;
pub use reader::{Frame, Reader};
pub use repair::{Repaired, repair};
pub use retention::{Kept, keep_age, keep_bytes};

use std::fmt;

/// The number of a frame: the first of a log is 0, each is one more than the one before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lsn(pub u64);

impl fmt::Display for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
