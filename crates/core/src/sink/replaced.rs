//! A file that takes the place of what an earlier run left, once there is something to put there.
//!
//! Invariants: opening changes nothing of what is there (it makes the file if there is none, so that a place that cannot be
//! written is found out). The old contents go when it begins: with the first bytes at the latest. What is written at once is there
//! whole or not at all, also while there is no room for it.

use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use super::drain;

/// O_NONBLOCK.
const WITHOUT_WAITING: i32 = if cfg!(target_os = "linux") { 0o4000 } else { 4 };
/// ENXIO.
const NOBODY_THERE: i32 = 6;

/// A pipe that somebody reads, held open until it is opened for good; nothing if it is no pipe.
fn is_read(path: &Path) -> io::Result<Option<File>> {
    if !std::fs::metadata(path).is_ok_and(|found| found.file_type().is_fifo()) {
        return Ok(None);
    }
    let opened = OpenOptions::new().write(true).custom_flags(WITHOUT_WAITING).open(path);
    opened.map(Some).map_err(|error| match error.raw_os_error() {
        Some(NOBODY_THERE) => io::Error::new(io::ErrorKind::WouldBlock, "nobody reads the pipe"),
        _ => error,
    })
}

/// A file as it is written anew.
#[derive(Debug)]
pub(crate) struct Replaced {
    file: File,
    /// No pipe or device.
    regular: bool,
    begun: bool,
    /// Bytes of this run.
    length: u64,
    /// Where it is gone on with: bytes that it had.
    there: u64,
}

impl Replaced {
    /// Opens it for writing; what it holds stays until it begins. A pipe that nobody reads is not waited for: that may pass.
    pub(crate) fn open(path: &Path) -> io::Result<Replaced> {
        let _read = is_read(path)?;
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(path)?;
        let regular = file.metadata()?.is_file();
        Ok(Replaced { file, regular, begun: false, length: 0, there: 0 })
    }

    /// Opens it to go on behind so many of its bytes. If nothing but `end` stands behind them that goes; anything else is what this
    /// run writes too.
    pub(crate) fn at(path: &Path, length: u64, end: &[u8]) -> io::Result<Replaced> {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        let mut there = file.metadata()?.len();
        if there < length {
            let what = format!("it has {there} bytes, and the mark stands at {length}: what was written is gone");
            return Err(io::Error::new(io::ErrorKind::InvalidData, what));
        }
        let mut behind = vec![0; end.len()];
        if there - length == end.len() as u64 && there > length {
            file.read_exact_at(&mut behind, length)?;
            if behind == end {
                file.set_len(length)?;
                there = length;
            }
        }
        Ok(Replaced { file, regular: true, begun: true, length, there })
    }

    /// Whether it is what stands at that path, with what was written: not moved away, removed or emptied by others.
    pub(crate) fn stands_at(&self, path: &Path) -> bool {
        let same = || {
            let (ours, found) = (self.file.metadata()?, std::fs::metadata(path)?);
            Ok((ours.dev(), ours.ino()) == (found.dev(), found.ino()) && ours.len() >= self.length)
        };
        // What cannot be looked at is not known to be gone.
        !self.regular || same().unwrap_or_else(|error: io::Error| error.kind() != io::ErrorKind::NotFound)
    }

    /// Nothing stands behind what was written.
    pub(crate) fn ends(&self) -> io::Result<()> {
        match self.there.checked_sub(self.length) {
            None | Some(0) => Ok(()),
            Some(more) => {
                let what = format!("from byte {} on it holds {more} bytes that are not written now", self.length);
                Err(io::Error::new(io::ErrorKind::InvalidData, what))
            }
        }
    }

    /// Passes over what a buffer begins with as far as it stands there.
    fn compare(&mut self, buffer: &mut Vec<u8>) -> io::Result<()> {
        let same = self.there.saturating_sub(self.length).min(buffer.len() as u64) as usize;
        let mut found = vec![0; same];
        self.file.read_exact_at(&mut found, self.length)?;
        if let Some(at) = found.iter().zip(&*buffer).position(|(there, now)| there != now) {
            let at = self.length + at as u64;
            let what =
                format!("at byte {at} stands something else than is written now: the input or the program is another");
            return Err(io::Error::new(io::ErrorKind::InvalidData, what));
        }
        buffer.drain(..same);
        self.length += same as u64;
        Ok(())
    }

    /// What it held is gone. A pipe or a device holds nothing.
    pub(crate) fn begin(&mut self) -> io::Result<()> {
        if !self.begun && self.regular {
            self.file.set_len(0)?;
        }
        self.begun = true;
        Ok(())
    }

    /// Whether it holds what another run left there.
    pub(crate) fn is_old(&self) -> bool {
        !self.begun && self.regular && self.file.metadata().is_ok_and(|found| found.len() > 0)
    }

    /// Writes out what is in a buffer; what did not go stays in it: of a file all of it. Returns how long the file is.
    pub(crate) fn write(&mut self, buffer: &mut Vec<u8>) -> io::Result<u64> {
        self.begin()?;
        if self.there > self.length {
            self.compare(buffer)?;
        }
        if self.there > 0 {
            self.file.seek(SeekFrom::Start(self.length))?;
        }
        if self.regular {
            if let Err(error) = self.file.write_all(buffer) {
                self.file.set_len(self.length)?;
                self.file.seek(SeekFrom::Start(self.length))?;
                return Err(error);
            }
            self.length += buffer.len() as u64;
            buffer.clear();
            return Ok(self.length);
        }
        let before = buffer.len();
        let written = drain(buffer, &mut self.file);
        self.length += (before - buffer.len()) as u64;
        written.map(|()| self.length)
    }
}
