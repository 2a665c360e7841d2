//! The real disk: a folder that one process has for itself (rule D12), or that is read only.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use crate::aside::settle;
use crate::block::PAGE;
use crate::disk::{Disk, DiskFile};
use crate::error::Error;

pub(crate) const LOCK: &str = "lock";

/// A folder of the file system.
#[derive(Debug)]
pub struct Folder {
    pub(crate) path: PathBuf,
    /// Held as long as the folder is.
    lock: Option<File>,
}

impl Folder {
    /// The folder, made if it is not there, for this process alone until it is dropped or released.
    ///
    /// # Errors
    /// [`Error::Locked`] with who has it, if another process or another `Folder` of this one does.
    pub fn lock(path: &Path) -> Result<Arc<Folder>, Error> {
        let failed = |doing| move |source| Error::Io { doing, file: path.display().to_string(), source };
        fs::create_dir_all(path).map_err(failed("making the folder"))?;
        let at = path.join(LOCK);
        let opened = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&at);
        let mut lock = opened.map_err(failed("opening the lock of"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let holder = fs::read_to_string(&at).unwrap_or_default().trim().to_owned();
                let holder = if holder.is_empty() { "another process".to_owned() } else { holder };
                return Err(Error::Locked { folder: path.display().to_string(), holder });
            }
            Err(TryLockError::Error(source)) => return Err(failed("locking")(source)),
        }
        // Only for the message above: it need not be durable.
        let told = lock.set_len(0).and_then(|()| writeln!(lock, "{} (process {})", program(), std::process::id()));
        told.map_err(failed("writing the lock of"))?;
        settle(path).map_err(failed("going on with the log that was put aside of"))?;
        Ok(Arc::new(Folder { path: path.to_owned(), lock: Some(lock) }))
    }

    /// The folder as it is, for [`inspect`](crate::inspect) and readers beside the process that has it: nothing is written.
    pub fn read_only(path: &Path) -> Arc<Folder> {
        Arc::new(Folder { path: path.to_owned(), lock: None })
    }

    /// Gives it back before it is dropped: another process, or another `Folder`, may have it from now on. The caller does not write any
    /// more.
    ///
    /// # Errors
    /// The system says why not.
    pub fn release(&self) -> io::Result<()> {
        self.lock.as_ref().map_or(Ok(()), File::unlock)
    }

    pub(crate) fn writable(&self) -> io::Result<()> {
        match self.lock {
            Some(_) => Ok(()),
            None => Err(io::Error::new(io::ErrorKind::ReadOnlyFilesystem, "the folder was opened to be read only")),
        }
    }
}

fn program() -> String {
    let path = std::env::current_exe().unwrap_or_default();
    path.file_name().map_or_else(|| "a program".to_owned(), |name| name.to_string_lossy().into_owned())
}

impl Disk for Folder {
    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            // Every name of ours is UTF-8.
            names.extend(entry?.file_name().into_string().ok());
        }
        Ok(names)
    }

    fn create(&self, name: &str, bytes: u64) -> io::Result<Box<dyn DiskFile>> {
        self.writable()?;
        let path = self.path.join(name);
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(true).open(&path)?;
        if let Err(error) = reserve(&file, bytes) {
            fs::remove_file(&path)?;
            return Err(error);
        }
        Ok(RealFile::writable(file))
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        let (path, writes) = (self.path.join(name), self.lock.is_some());
        let file = OpenOptions::new().read(true).write(writes).open(path)?;
        Ok(if writes { RealFile::writable(file) } else { RealFile::read_only(file) })
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.writable()?;
        fs::rename(self.path.join(from), self.path.join(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.writable()?;
        fs::remove_file(self.path.join(name))
    }

    fn sync(&self) -> io::Result<()> {
        File::open(&self.path)?.sync_all()
    }
}

/// Room on the disk. Where a file system cannot promise any, the length alone.
fn reserve(file: &File, bytes: u64) -> io::Result<()> {
    use rustix::fs::{FallocateFlags, fallocate};
    use rustix::io::Errno;
    if bytes == 0 {
        return Ok(());
    }
    match fallocate(file, FallocateFlags::empty(), 0, bytes) {
        Ok(()) => Ok(()),
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => file.set_len(bytes),
        Err(error) => Err(error.into()),
    }
}

struct RealFile {
    file: File,
    /// The same file for [`DiskFile::write_through`]; `None` within where that is not to be had.
    direct: OnceLock<Option<File>>,
}

impl RealFile {
    fn writable(file: File) -> Box<dyn DiskFile> {
        Box::new(RealFile { file, direct: OnceLock::new() })
    }

    fn read_only(file: File) -> Box<dyn DiskFile> {
        Box::new(RealFile { file, direct: OnceLock::from(None) })
    }
}

/// The file opened again, for writes of whole pages past the system's memory; `None` where the file system has none.
#[cfg(target_os = "linux")]
fn direct(file: &File) -> Option<File> {
    use std::os::fd::AsRawFd;
    use std::os::unix::fs::OpenOptionsExt;
    // Its name may have changed.
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    let flag = rustix::fs::OFlags::DIRECT.bits().cast_signed();
    OpenOptions::new().write(true).custom_flags(flag).open(path).ok()
}

#[cfg(not(target_os = "linux"))]
fn direct(_: &File) -> Option<File> {
    None
}

impl DiskFile for RealFile {
    fn length(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut read = 0;
        while let Some(rest) = bytes.get_mut(read..).filter(|rest| !rest.is_empty()) {
            match self.file.read_at(rest, offset + read as u64) {
                Ok(0) => break,
                Ok(more) => read += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(read)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.file.write_all_at(bytes, offset)
    }

    /// Without a copy in the system's memory, of which readers would be the only users: a tenth of the processor's time and no tail of
    /// latency while that is written back. What others have read from there before the system forgets.
    fn write_through(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let pages = [bytes.as_ptr().addr(), bytes.len(), offset as usize].iter().all(|at| at.is_multiple_of(PAGE));
        let direct = if pages { self.direct.get_or_init(|| direct(&self.file)).as_ref() } else { None };
        // What it does not take, or fails on, is written as all else: that tells what is wrong.
        let written = direct.map_or(0, |direct| direct.write_at(bytes, offset).unwrap_or(0));
        match bytes.get(written..) {
            Some(rest) if !rest.is_empty() => self.write_at(rest, offset + written as u64),
            _ => Ok(()),
        }
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::aligned::Aligned;

    #[test]
    fn what_is_written_through_and_otherwise_is_read_as_it_was_written_last() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::lock(place.path()).unwrap();
        let (file, mut wanted) = (folder.create("a", 64 << 10).unwrap(), vec![0; 64 << 10]);
        folder.rename("a", "b").unwrap();
        let reader = folder.open("b").unwrap();
        let writes =
            [(0, 4096), (4096, 8192), (100, 50), (8192, 4096), (8000, 9000), (4096, 16384), (0, 65536), (65535, 1)];
        for (round, (offset, length)) in (1..).zip(writes) {
            let mut bytes = Aligned::default();
            bytes.extend(&vec![round; length]);
            match round {
                4 | 7 => file.write_at(&bytes, offset as u64).unwrap(),
                _ => file.write_through(&bytes, offset as u64).unwrap(),
            }
            wanted[offset..offset + length].copy_from_slice(&bytes);
            let mut found = vec![0; 64 << 10];
            assert_eq!(reader.read_at(&mut found, 0).unwrap(), found.len());
            assert!(found == wanted, "round {round}");
        }
        file.sync().unwrap();
    }

    #[test]
    fn a_file_that_is_only_read_cannot_be_written() {
        let place = tempfile::tempdir().unwrap();
        Folder::lock(place.path()).unwrap().create("a", 8192).unwrap();
        let mut bytes = Aligned::default();
        bytes.fill(4096);
        let file = Folder::read_only(place.path()).open("a").unwrap();
        let refused = file.write_through(&bytes, 0).unwrap_err().raw_os_error();
        assert_eq!(refused, Some(rustix::io::Errno::BADF.raw_os_error()));
    }
}
