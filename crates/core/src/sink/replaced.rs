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
use crate::counted::counted;

/// O_NONBLOCK.
const WITHOUT_WAITING: i32 = if cfg!(target_os = "linux") { 0o4000 } else { 4 };
/// What a disk writes whole or not at all, in bytes.
const SECTOR: u64 = 512;
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

    /// Opens it to go on behind so many of its bytes; what stands behind them is what this run writes too. `end`, if it ends in that, is
    /// written over once there is more.
    pub(crate) fn at(path: &Path, length: u64, end: &[u8]) -> io::Result<Replaced> {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        let mut there = file.metadata()?.len();
        if there < length {
            let what = format!("it has {there} bytes, and the mark stands at {length}: what was written is gone");
            return Err(io::Error::new(io::ErrorKind::InvalidData, what));
        }
        if let Some(before) = there.checked_sub(end.len() as u64).filter(|before| *before >= length) {
            let mut last = vec![0; end.len()];
            file.read_exact_at(&mut last, before)?;
            if last == end {
                there = before;
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

    /// What was written is safe on the disk, its name is not. It is not tried again: what failed may count as written from then on.
    pub(crate) fn sync(&self) -> io::Result<()> {
        let synced = if self.regular { self.file.sync_data() } else { Ok(()) };
        synced.map_err(|error| io::Error::other(error.to_string()))
    }

    /// Whether it is compared with what is written.
    pub(crate) fn compares(&self) -> bool {
        self.there > self.length
    }

    /// Nothing stands behind what was written, but zeros that a power cut left: they go.
    pub(crate) fn ends(&mut self, path: &Path) -> io::Result<()> {
        let more = self.there.saturating_sub(self.length);
        if more == 0 {
            return Ok(());
        }
        let (mut from, mut chunk) = (self.length, vec![0; 64 << 10]);
        while from < self.there {
            let some = &mut chunk[..(self.there - from).min(64 << 10) as usize];
            self.file.read_exact_at(some, from)?;
            if some.iter().any(|byte| *byte != 0) {
                let what = format!(
                    "from byte {} on it holds {} that this run did not write: restore it, or remove it, and it is written anew",
                    self.length,
                    counted(more, "byte")
                );
                return Err(io::Error::new(io::ErrorKind::InvalidData, what));
            }
            from += some.len() as u64;
        }
        tracing::warn!(
            "{} ended in {} that nobody wrote, as a power cut leaves them: cut off",
            path.display(),
            counted(more, "zero")
        );
        self.file.set_len(self.length)?;
        self.there = self.length;
        Ok(())
    }

    /// Passes over what a buffer begins with as far as it stands there.
    fn compare(&mut self, buffer: &mut Vec<u8>) -> io::Result<()> {
        let same = self.there.saturating_sub(self.length).min(buffer.len() as u64) as usize;
        let mut found = vec![0; same];
        self.file.read_exact_at(&mut found, self.length)?;
        let mut from = 0;
        while let Some(differs) = found[from..].iter().zip(&buffer[from..]).position(|(there, now)| there != now) {
            let (first, at) = (from + differs, self.length + (from + differs) as u64);
            let Some(end) = self.lost(at)? else {
                let what = format!(
                    "at byte {at} stands something else than is written now: others wrote to it, or the program is another; \
                     restore it, or remove it, and it is written anew"
                );
                return Err(io::Error::new(io::ErrorKind::InvalidData, what));
            };
            from = same.min((end - self.length) as usize);
            self.file.write_all_at(&buffer[first..from], at)?;
        }
        buffer.drain(..same);
        self.length += same as u64;
        Ok(())
    }

    /// Where what a power cut has lost from a byte on ends: nothing but zeros stand there up to the end of a sector, or of the file.
    fn lost(&self, from: u64) -> io::Result<Option<u64>> {
        let end = self.there.min((from / SECTOR + 1) * SECTOR);
        let mut found = vec![0; (end - from) as usize];
        self.file.read_exact_at(&mut found, from)?;
        Ok(found.iter().all(|byte| *byte == 0).then_some(end))
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// What is written again over `there`, in pieces of so many bytes: what stands there then, or why not.
    fn again(there: &[u8], now: &[u8], piece: usize) -> Result<Vec<u8>, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        std::fs::write(&path, there).unwrap();
        let mut file = Replaced::at(&path, 0, &[]).unwrap();
        for piece in now.chunks(piece) {
            file.write(&mut piece.to_vec()).map_err(|error| error.to_string())?;
            assert!(std::fs::metadata(&path).unwrap().len() >= there.len() as u64, "it shrank");
        }
        file.ends(&path).map_err(|error| error.to_string())?;
        Ok(std::fs::read(&path).unwrap())
    }

    #[test]
    fn what_a_power_cut_lost_is_written_again_and_what_others_wrote_is_refused() {
        let now: Vec<u8> = (0..5_000_u32).map(|n| 1 + (n % 251) as u8).collect();
        for piece in [1, 7, 511, 512, 513, 5_000] {
            for (from, to) in [(700, 1_024), (512, 1_536), (4_700, 5_000), (0, 5_000), (1_023, 1_024)] {
                let mut there = now.clone();
                there[from..to].fill(0);
                assert_eq!(again(&there, &now, piece), Ok(now.clone()), "{from} to {to}, {piece} at a time");
            }
            assert_eq!(again(&now[..3_000], &now, piece), Ok(now.clone()), "its end is missing");
            // Zeros within a sector are no sector that was lost, nor is anything else.
            for (at, byte) in [(700, 0), (1_023, 9), (4_999, 9)] {
                let mut there = now.clone();
                there[at] = byte;
                let refused = again(&there, &now, piece).unwrap_err();
                assert!(refused.starts_with(&format!("at byte {at} stands something else")), "{refused}");
            }
        }
    }
}
