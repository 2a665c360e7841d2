//! The real disk: a folder that one process has for itself (rule D12), or that is read only.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::aside::settle;
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
        Ok(Box::new(RealFile(file)))
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        let file = OpenOptions::new().read(true).write(self.lock.is_some()).open(self.path.join(name))?;
        Ok(Box::new(RealFile(file)))
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

struct RealFile(File);

impl DiskFile for RealFile {
    fn length(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut read = 0;
        while let Some(rest) = bytes.get_mut(read..).filter(|rest| !rest.is_empty()) {
            match self.0.read_at(rest, offset + read as u64) {
                Ok(0) => break,
                Ok(more) => read += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(read)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }
}
