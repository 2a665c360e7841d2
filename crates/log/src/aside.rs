//! Putting a log aside, and another in its place: files are moved within the folder, so that nothing is copied and nothing is lost.
//!
//! Invariant: whatever a crash interrupts, the next [`Folder::lock`] goes on with, before anybody sees the folder.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::folder::{Folder, LOCK};

/// What is put aside, until all of it is.
const PART: &str = "before.part";
/// A log that is written to take the place of the other, and is given up if that is interrupted.
const NEW_PART: &str = "rebuilt.part";
/// The same when it is whole: the other is put aside.
const NEW: &str = "rebuilt";
/// The same when the other is put aside: it takes its place.
const NEXT: &str = "rebuilt.next";

impl Folder {
    /// Puts the log aside that the folder holds: into a folder `before-N` within it, which is the folder of a log by itself. No
    /// [`Log`](crate::Log) may have it open. A crash meanwhile is made good by the next [`Folder::lock`].
    ///
    /// # Errors
    /// Of the disk.
    pub fn put_aside(&self) -> Result<PathBuf, Error> {
        let put = || {
            self.writable()?;
            fs::create_dir(self.path.join(PART))?;
            synced(&self.path)?;
            move_aside(&self.path)
        };
        put().map_err(|source| self.failed("putting aside the log of", source))
    }

    /// A new folder within this one for a log that is to take the place of that which is there. It goes with the next
    /// [`Folder::lock`] unless it was put in place.
    ///
    /// # Errors
    /// Of the disk.
    pub fn rebuilding(&self) -> Result<PathBuf, Error> {
        let path = self.path.join(NEW_PART);
        let made = || {
            self.writable()?;
            fs::create_dir(&path)
        };
        made().map_err(|source| self.failed("making a folder within", source))?;
        Ok(path)
    }

    /// Puts the log aside, as [`Folder::put_aside`] does, and that of [`Folder::rebuilding`] in its place. Neither may be open. A crash
    /// leaves the one or the other.
    ///
    /// # Errors
    /// Of the disk.
    pub fn put_in_place(&self) -> Result<PathBuf, Error> {
        let put = || {
            self.writable()?;
            synced(&self.path.join(NEW_PART))?;
            fs::rename(self.path.join(NEW_PART), self.path.join(NEW))?;
            synced(&self.path)?;
            settle(&self.path)
        };
        let aside = put().map_err(|source| self.failed("putting aside the log of", source))?;
        Ok(aside.unwrap_or_else(|| self.path.clone()))
    }

    fn failed(&self, doing: &'static str, source: io::Error) -> Error {
        Error::Io { doing, file: self.path.display().to_string(), source }
    }
}

/// Goes on with what was interrupted. Where the log is now that was put aside, if one was.
pub(crate) fn settle(path: &Path) -> io::Result<Option<PathBuf>> {
    let (part, new, next) = (path.join(PART), path.join(NEW), path.join(NEXT));
    if path.join(NEW_PART).exists() {
        // It is not known to be whole.
        fs::remove_dir_all(path.join(NEW_PART))?;
    }
    let mut aside = None;
    if new.exists() && !part.exists() && files(path)?.is_empty() {
        // It had been put aside.
    } else if new.exists() || part.exists() {
        fs::create_dir_all(&part)?;
        synced(path)?;
        aside = Some(move_aside(path)?);
    }
    if new.exists() {
        fs::rename(&new, &next)?;
        synced(path)?;
    }
    if next.exists() {
        for name in files(&next)? {
            fs::rename(next.join(&name), path.join(&name))?;
        }
        synced(path)?;
        fs::remove_dir_all(&next)?;
        synced(path)?;
    }
    Ok(aside)
}

/// Moves all files of a log to what is put aside, of which some may be there already, and gives that its name when all are.
fn move_aside(path: &Path) -> io::Result<PathBuf> {
    let part = path.join(PART);
    for name in files(path)? {
        fs::rename(path.join(&name), part.join(&name))?;
    }
    synced(&part)?;
    synced(path)?;
    let mut names = (1_u32..).map(|number| path.join(format!("before-{number}")));
    let name = names.find(|name| !name.exists()).unwrap_or_else(|| path.join("before"));
    fs::rename(&part, &name)?;
    synced(path)?;
    Ok(name)
}

/// The files of a log in a folder.
fn files(path: &Path) -> io::Result<Vec<std::ffi::OsString>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_name() != LOCK && entry.file_type()?.is_file() {
            names.push(entry.file_name());
        }
    }
    Ok(names)
}

fn synced(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::{Log, Lsn, Options};

    type Step = Box<dyn Fn(&Path)>;

    fn frames(path: &Path) -> Vec<Vec<u8>> {
        let log = Log::open(Folder::lock(path).unwrap(), Options::default()).unwrap();
        let mut reader = log.reader(log.opened().first).unwrap();
        let mut frames = Vec::new();
        while reader.next_lsn() < log.opened().end {
            frames.push(reader.read().unwrap().unwrap().bytes.to_vec());
        }
        frames
    }

    fn write(path: &Path, text: &str) {
        let log = Log::open(Folder::lock(path).unwrap(), Options::default()).unwrap();
        log.append(1, &[text.as_bytes()]).unwrap();
        log.close().unwrap();
    }

    /// What is put aside is a log by itself, and the folder begins anew, however far a crash let it come.
    #[test]
    fn a_log_is_put_aside_whole_whenever_it_is_interrupted() {
        for moved in [None, Some(0), Some(1), Some(2), Some(99)] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("data");
            write(&path, "first");
            write(&path, "second");
            match moved {
                None => drop(Folder::lock(&path).unwrap().put_aside().unwrap()),
                Some(moved) => {
                    fs::create_dir(path.join(PART)).unwrap();
                    let mut names: Vec<_> =
                        fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().file_name()).collect();
                    names.retain(|name| name != PART && name != LOCK);
                    names.sort();
                    for name in names.iter().take(moved) {
                        fs::rename(path.join(name), path.join(PART).join(name)).unwrap();
                    }
                }
            }
            assert_eq!(frames(&path), [] as [Vec<u8>; 0], "{moved:?}");
            write(&path, "third");
            assert_eq!(frames(&path), [b"third"], "{moved:?}");
            assert_eq!(frames(&path.join("before-1")), [&b"first"[..], b"second"], "{moved:?}");
            // Another time it has another name.
            assert_eq!(Folder::lock(&path).unwrap().put_aside().unwrap(), path.join("before-2"));
            assert_eq!(frames(&path.join("before-2")), [b"third"]);
            let log = Log::open(Folder::lock(&path).unwrap(), Options::default()).unwrap();
            assert_eq!(log.opened().end, Lsn(0));
        }
    }

    fn copy(from: &Path, to: &Path) {
        fs::create_dir_all(to).unwrap();
        for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
            match entry.file_type().unwrap().is_dir() {
                true => copy(&entry.path(), &to.join(entry.file_name())),
                false => drop(fs::copy(entry.path(), to.join(entry.file_name())).unwrap()),
            }
        }
    }

    /// As far as a crash let it come: the states between its steps, in their order.
    fn steps(path: &Path) -> Vec<Step> {
        let moves = |from: &'static str, to: &'static str, names: Vec<std::ffi::OsString>| {
            names.into_iter().map(move |name| -> Step {
                Box::new(move |path| fs::rename(path.join(from).join(&name), path.join(to).join(&name)).unwrap())
            })
        };
        let (old, new) = (files(path).unwrap(), files(&path.join(NEW_PART)).unwrap());
        let renames = |from: &'static str, to: &'static str| -> Step {
            Box::new(move |path| fs::rename(path.join(from), path.join(to)).unwrap())
        };
        let mut steps: Vec<Step> = vec![renames(NEW_PART, NEW)];
        steps.push(Box::new(|path| fs::create_dir(path.join(PART)).unwrap()));
        steps.extend(moves("", PART, old));
        steps.push(renames(PART, "before-1"));
        steps.push(renames(NEW, NEXT));
        steps.extend(moves(NEXT, "", new));
        steps
    }

    /// Whatever is interrupted, there is the old log or the new one, and the old one is never lost.
    #[test]
    fn another_log_takes_the_place_whenever_it_is_interrupted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data");
        write(&path, "old");
        let rebuilt = Folder::lock(&path).unwrap().rebuilding().unwrap();
        write(&rebuilt, "new");
        let count = steps(&path).len();
        assert!(count >= 9, "{count}");
        for done in 0..=count {
            let at = folder.path().join(format!("after-{done}"));
            copy(&path, &at);
            for step in steps(&at).iter().take(done) {
                step(&at);
            }
            if done == 0 {
                assert_eq!(frames(&at), [b"old"]);
                assert!(!at.join(NEW_PART).exists() && !at.join("before-1").exists());
                let lock = Folder::lock(&at).unwrap();
                write(&lock.rebuilding().unwrap(), "new");
                assert_eq!(lock.put_in_place().unwrap(), at.join("before-1"));
            }
            assert_eq!(frames(&at), [b"new"], "after {done} steps");
            assert_eq!(frames(&at.join("before-1")), [b"old"], "after {done} steps");
            assert!([PART, NEW, NEXT, "before-2"].iter().all(|name| !at.join(name).exists()), "after {done} steps");
        }
    }
}
