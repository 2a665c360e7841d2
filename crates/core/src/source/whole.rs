//! A file as long as it was when it was opened: one that shrinks meanwhile (a log that is emptied in its place) has lost rows, and says so.

use std::fs::File;
use std::io::{self, Read};

use crate::format::shrunk;

/// A file from a byte on.
pub(super) struct Whole<R> {
    input: R,
    at: u64,
    /// How long it was; 0 of what is no file, or does not say.
    length: u64,
}

impl<R: Read> Whole<R> {
    /// `input` is what `file` is read by, from the byte `at` on.
    pub(super) fn new(file: &File, at: u64, input: impl FnOnce() -> R) -> io::Result<Whole<R>> {
        let metadata = file.metadata()?;
        let length = if metadata.is_file() { metadata.len() } else { 0 };
        if at > length && metadata.is_file() {
            return Err(shrunk(length, at));
        }
        Ok(Whole { input: input(), at, length })
    }
}

impl<R: Read> Read for Whole<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(buffer)?;
        self.at += read as u64;
        match read == 0 && !buffer.is_empty() && self.at < self.length {
            true => Err(shrunk(self.at, self.length)),
            false => Ok(read),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io::{Seek, SeekFrom};

    use super::*;

    fn opened(path: &std::path::Path, at: u64) -> io::Result<Whole<File>> {
        let mut file = File::open(path)?;
        file.seek(SeekFrom::Start(at))?;
        Whole::new(&file.try_clone()?, at, || file)
    }

    #[test]
    fn a_file_that_shrinks_is_told_and_one_that_grows_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        for (from, length, told) in [
            (0, 100, None),
            (0, 200, None),
            (0, 50, Some("it has 50 bytes and had 100")),
            (0, 0, Some("it has 10 bytes and had 100")),
            (60, 50, Some("it has 70 bytes and had 100")),
        ] {
            std::fs::write(&path, [b'x'; 100]).unwrap();
            let mut input = opened(&path, from).unwrap();
            input.read_exact(&mut [0; 10]).unwrap();
            File::options().write(true).open(&path).unwrap().set_len(length).unwrap();
            let mut rest = Vec::new();
            match (input.read_to_end(&mut rest), told) {
                (Ok(_), None) => assert_eq!(rest.len() as u64, length - from - 10),
                (Err(error), Some(told)) => assert!(error.to_string().contains(told), "{error}"),
                (read, _) => panic!("{from} {length}: {read:?}, not {told:?}"),
            }
        }
        std::fs::write(&path, [b'x'; 10]).unwrap();
        assert!(opened(&path, 10).is_ok() && opened(&path, 11).is_err());
    }
}
