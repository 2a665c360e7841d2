//! The one seam to the disk: a flat folder of files. [`Folder`](crate::Folder) is the real one; tests put
//! [`SimDisk`](crate::testing::SimDisk) in its place.
//!
//! What is promised, and no more: what was written to a file is there after a crash once [`DiskFile::sync`] has returned, names
//! that came, went or changed once [`Disk::sync`] has. Until then any part of it may be there or not.

use std::io;

/// A folder of files.
pub trait Disk: Send + Sync + 'static {
    /// The names that are there, in any order.
    fn list(&self) -> io::Result<Vec<String>>;
    /// A file to be written anew, with room for `bytes` bytes of zeros that no other file can take away; without such room it
    /// fails as [`io::ErrorKind::StorageFull`] and leaves nothing.
    fn create(&self, name: &str, bytes: u64) -> io::Result<Box<dyn DiskFile>>;
    /// A file that is there.
    fn open(&self, name: &str) -> io::Result<Box<dyn DiskFile>>;
    /// Gives a file another name, in the place of a file that had it: at once, or after a crash not at all.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Takes a file away. Who has it open goes on reading it.
    fn remove(&self, name: &str) -> io::Result<()>;
    /// Makes the names durable.
    fn sync(&self) -> io::Result<()>;
}

/// A file of a [`Disk`].
pub trait DiskFile: Send + Sync {
    /// How long it is.
    fn length(&self) -> io::Result<u64>;
    /// Fills `bytes` from `offset` on, as far as the file reaches; how many were read.
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Writes all of `bytes` at `offset`.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;
    /// The same, of bytes that are synced at once and hardly read again: they may go past what the system keeps of files in memory.
    fn write_through(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.write_at(bytes, offset)
    }
    /// Makes what was written durable. After an error nothing is known of what was written since the last success.
    fn sync(&self) -> io::Result<()>;
}

/// Whether an error says that there is no room.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
