//! A file that takes the place of what an earlier run left, once there is something to put there.
//!
//! Invariant: opening changes nothing of what is there (it makes the file if there is none, so that a place that cannot be
//! written is found out). The old contents go when it begins: with the first bytes at the latest.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;

use super::drain;

/// A file as it is written anew.
#[derive(Debug)]
pub(crate) struct Replaced {
    file: File,
    begun: bool,
}

impl Replaced {
    /// Opens it for writing; what it holds stays until it begins.
    pub(crate) fn open(path: &Path) -> io::Result<Replaced> {
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(path)?;
        Ok(Replaced { file, begun: false })
    }

    /// What it held is gone. A pipe or a device holds nothing.
    pub(crate) fn begin(&mut self) -> io::Result<()> {
        if !self.begun && self.file.metadata()?.is_file() {
            self.file.set_len(0)?;
        }
        self.begun = true;
        Ok(())
    }

    /// Whether it holds what another run left there.
    pub(crate) fn is_old(&self) -> bool {
        !self.begun && self.file.metadata().is_ok_and(|found| found.is_file() && found.len() > 0)
    }

    /// Writes out what is in a buffer; what did not go stays in it.
    pub(crate) fn write(&mut self, buffer: &mut Vec<u8>) -> io::Result<()> {
        self.begin()?;
        drain(buffer, &mut self.file)
    }
}
