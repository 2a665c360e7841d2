//! What can go wrong, where, and what to do about it. Damaged bytes are an error, never a panic.

use std::io;
use std::sync::Arc;

use crate::Lsn;

/// A place where the log is not as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The file.
    pub file: String,
    /// The byte in it.
    pub offset: u64,
    /// The frame that should stand there; all before it are whole.
    pub lsn: Lsn,
    /// What is wrong.
    pub why: String,
}

/// Why a log cannot be opened, read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The disk answered with an error.
    #[error("{doing} '{file}': {source}")]
    Io {
        /// What was done.
        doing: &'static str,
        /// The file or folder.
        file: String,
        /// What the disk said.
        source: io::Error,
    },
    /// The log is damaged: nothing of it is guessed (rule D9).
    #[error("the log is damaged: '{}' at byte {}, frame {}: {}", .0.file, .0.offset, .0.lsn, .0.why)]
    Damaged(Damage),
    /// It was written by another version.
    #[error("'{file}' has the format {found} of the log, this program knows {known}")]
    Version {
        /// The file.
        file: String,
        /// The format that it has.
        found: u32,
        /// The format of this program.
        known: u32,
    },
    /// Another process has the folder (rule D12).
    #[error("'{folder}' is in use by {holder}")]
    Locked {
        /// The folder.
        folder: String,
        /// Who has it, by name and process.
        holder: String,
    },
    /// Frames that were asked for are no longer kept.
    #[error("frame {asked} is no longer kept: the log begins with frame {first}")]
    Removed {
        /// The frame.
        asked: Lsn,
        /// The first that is there.
        first: Lsn,
    },
    /// Options that do not fit together.
    #[error("{0}")]
    Options(String),
    /// The log has failed before and takes nothing more (rule D10).
    #[error("the log has failed: {0}")]
    Failed(#[source] Arc<Error>),
    /// The log was closed before the frame was durable.
    #[error("the log is closed")]
    Closed,
    /// It was closed while the disk was full, with frames that were not written.
    #[error("the log was closed while the disk was full: frames from {from} on were not written")]
    ClosedFull {
        /// The first that is missing.
        from: Lsn,
    },
    /// There is no log.
    #[error("there is no log in it: neither a segment nor a tip")]
    NoLog,
    /// Nothing would be left.
    #[error("no segment of the log can be read: nothing is left that a repair could keep")]
    NothingLeft,
    /// The thread that writes has ended by a panic.
    #[error("the thread that writes the log has ended by a panic")]
    Panicked,
}

impl Error {
    /// Whether the disk says so: what is in memory is as it was.
    pub fn is_of_the_disk(&self) -> bool {
        matches!(self, Error::Io { .. })
    }

    /// What to do about it.
    pub fn remedy(&self) -> &'static str {
        match self {
            Error::Damaged(_) => {
                "restore the folder from a copy, or cut the log at the damage with a repair, which first copies what it \
                 cuts and says what is lost"
            }
            Error::Io { .. } => "look at the disk and the rights of the folder, then start again",
            Error::Version { .. } => "open it with the version that wrote it",
            Error::Locked { .. } => "stop that process, or name another folder",
            Error::Removed { .. } => "begin at the first frame that is there, or keep frames for longer",
            Error::Options(_) => "change the option",
            Error::Failed(cause) => match **cause {
                Error::Failed(_) => "start again",
                ref cause => cause.remedy(),
            },
            Error::Closed => "open it again",
            Error::ClosedFull { .. } => "make room on the disk, then start again",
            Error::NoLog => "name a folder that holds a log",
            Error::NothingLeft => "restore the folder from a copy, or move it away and begin anew",
            Error::Panicked => "start again, and report it: it is an error of the program",
        }
    }
}

/// Why a frame was not taken. It is not in the log, and no number was used for it.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// Too much waits for the disk.
    #[error("{waiting} bytes wait for the disk, the limit is {limit}: append again when some of them are durable")]
    Full {
        /// Bytes that wait or are being written.
        waiting: usize,
        /// Their limit.
        limit: usize,
    },
    /// The disk is full (rule D11). What was taken before is kept and will be written.
    #[error("the disk is full: make room, the log goes on by itself")]
    DiskFull,
    /// The frame is longer than any may be.
    #[error("a frame of {bytes} bytes: the limit is {limit}; split it")]
    TooLarge {
        /// Bytes of the frame.
        bytes: usize,
        /// Their limit.
        limit: usize,
    },
    /// The log has failed for good (rule D10).
    #[error("the log has failed: {0}")]
    Failed(#[source] Arc<Error>),
    /// The log is closed.
    #[error("the log is closed")]
    Closed,
}

pub(crate) fn io_error(doing: &'static str, file: &str) -> impl FnOnce(io::Error) -> Error {
    move |source| Error::Io { doing, file: file.to_owned(), source }
}
