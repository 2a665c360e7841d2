//! Packs: files of parts, each with its checksum, and a head that says what they are. One is written whole or is not there.
//!
//! A pack is written under another name, part by part; behind them stands the directory (where each part is, then the head), and
//! behind that, at the very end, where the directory is. The file gets its name when all of it is durable.

use std::sync::Arc;

use crate::block::{read_u32, read_u64};
use crate::disk::{Disk, DiskFile};
use crate::error::{Damage, Error, io_error};
use crate::{Lsn, error};

/// What a pack begins and ends with; its last byte is the version of the layout.
const MAGIC: &[u8; 8] = b"HWPACK\0\x01";
/// What stands at the end: where the directory begins, how long it is, its checksum, the magic.
const TRAILER: usize = 8 + 8 + 4 + 8;
/// What the directory says of a part: where it begins, how long it is, its checksum.
const ENTRY: usize = 8 + 8 + 4;
/// The name of one that is being written.
const NEW: &str = "pack.new";

/// Where a part stands.
#[derive(Clone, Copy, Debug)]
struct Entry {
    offset: u64,
    length: u64,
    checksum: u32,
}

/// A pack that is being written. Dropped before it is finished, nothing of it has a name of its own.
pub struct PackWriter {
    disk: Arc<dyn Disk>,
    file: Box<dyn DiskFile>,
    offset: u64,
    entries: Vec<Entry>,
}

impl std::fmt::Debug for PackWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PackWriter").field("offset", &self.offset).finish_non_exhaustive()
    }
}

impl PackWriter {
    /// Begins one; only one at a time in a folder.
    ///
    /// # Errors
    /// Of the disk.
    pub fn begin(disk: Arc<dyn Disk>) -> Result<PackWriter, Error> {
        let file = disk.create(NEW, 0).map_err(io_error("making", NEW))?;
        file.write_at(MAGIC, 0).map_err(io_error("writing", NEW))?;
        Ok(PackWriter { disk, file, offset: MAGIC.len() as u64, entries: Vec::new() })
    }

    /// Writes the next part; its number, from 0 on.
    ///
    /// # Errors
    /// Of the disk.
    pub fn add(&mut self, part: &[u8]) -> Result<usize, Error> {
        self.file.write_at(part, self.offset).map_err(io_error("writing", NEW))?;
        let entry = Entry { offset: self.offset, length: part.len() as u64, checksum: crc32fast::hash(part) };
        self.offset += entry.length;
        self.entries.push(entry);
        Ok(self.entries.len() - 1)
    }

    /// Writes the head, makes all durable, and gives the pack its name; how long it is, in bytes.
    ///
    /// # Errors
    /// Of the disk; it may have its name then or not, and takes no room under the other.
    pub fn finish(self, name: &str, head: &[u8]) -> Result<u64, Error> {
        let finished = self.written(name, head);
        if finished.is_err() {
            self.give_up();
        }
        finished
    }

    fn written(&self, name: &str, head: &[u8]) -> Result<u64, Error> {
        let mut directory = Vec::with_capacity(8 + ENTRY * self.entries.len() + head.len());
        directory.extend((self.entries.len() as u64).to_le_bytes());
        for Entry { offset, length, checksum } in &self.entries {
            directory.extend(offset.to_le_bytes());
            directory.extend(length.to_le_bytes());
            directory.extend(checksum.to_le_bytes());
        }
        directory.extend(head);
        let (length, checksum) = (directory.len() as u64, crc32fast::hash(&directory));
        directory.extend(self.offset.to_le_bytes());
        directory.extend(length.to_le_bytes());
        directory.extend(checksum.to_le_bytes());
        directory.extend(MAGIC);
        self.file.write_at(&directory, self.offset).map_err(io_error("writing", NEW))?;
        self.file.sync().map_err(io_error("syncing", NEW))?;
        self.disk.rename(NEW, name).map_err(io_error("naming", name))?;
        self.disk.sync().map_err(io_error("syncing", "the folder of the log"))?;
        Ok(self.offset + directory.len() as u64)
    }

    /// Takes away what was written, where it is not to be finished.
    pub fn give_up(self) {
        // The next one is written over what is left.
        let _ = self.disk.remove(NEW);
    }
}

/// A pack that is there.
pub struct Pack {
    name: String,
    file: Box<dyn DiskFile>,
    entries: Vec<Entry>,
    head: Vec<u8>,
    length: u64,
}

impl std::fmt::Debug for Pack {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pack").field("name", &self.name).field("parts", &self.entries.len()).finish_non_exhaustive()
    }
}

impl Pack {
    /// Opens one: its directory is whole; parts are checked when they are read.
    ///
    /// # Errors
    /// [`Error::Damaged`] with the byte; errors of the disk.
    pub fn open(disk: &dyn Disk, name: &str) -> Result<Pack, Error> {
        let file = disk.open(name).map_err(io_error("opening", name))?;
        let length = file.length().map_err(io_error("opening", name))?;
        let least = (MAGIC.len() + TRAILER) as u64;
        if length < least {
            return Err(damaged(name, 0, format!("it is {length} bytes long, a pack has {least} at least")));
        }
        let first = read(&*file, name, 0, MAGIC.len())?;
        if first != MAGIC {
            return Err(damaged(name, 0, "it does not begin as a pack of this version does".to_owned()));
        }
        let end = length - TRAILER as u64;
        let trailer = read(&*file, name, end, TRAILER)?;
        let torn = || damaged(name, end, "its end is damaged".to_owned());
        if trailer.get(TRAILER - MAGIC.len()..) != Some(&MAGIC[..]) {
            return Err(torn());
        }
        let (Some(at), Some(bytes), Some(checksum)) =
            (read_u64(&trailer, 0), read_u64(&trailer, 8), read_u32(&trailer, 16))
        else {
            return Err(torn());
        };
        if at.checked_add(bytes) != Some(end) || bytes < 8 {
            return Err(torn());
        }
        let directory = read(&*file, name, at, usize::try_from(bytes).map_err(|_| torn())?)?;
        if crc32fast::hash(&directory) != checksum {
            return Err(damaged(name, at, "its directory is damaged".to_owned()));
        }
        let wrong = || damaged(name, at, "its directory is not one".to_owned());
        let count = read_u64(&directory, 0).and_then(|count| usize::try_from(count).ok()).ok_or_else(wrong)?;
        if count > (directory.len() - 8) / ENTRY {
            return Err(wrong());
        }
        let mut entries = Vec::with_capacity(count);
        for place in (8..).step_by(ENTRY).take(count) {
            let (Some(offset), Some(length), Some(checksum)) =
                (read_u64(&directory, place), read_u64(&directory, place + 8), read_u32(&directory, place + 16))
            else {
                return Err(wrong());
            };
            if offset.checked_add(length).is_none_or(|end| end > at) {
                return Err(wrong());
            }
            entries.push(Entry { offset, length, checksum });
        }
        let head = directory[8 + count * ENTRY..].to_vec();
        Ok(Pack { name: name.to_owned(), file, entries, head, length })
    }

    /// Its head.
    pub fn head(&self) -> &[u8] {
        &self.head
    }

    /// How many parts it has.
    pub fn parts(&self) -> usize {
        self.entries.len()
    }

    /// How long it is, in bytes.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// A part.
    ///
    /// # Errors
    /// [`Error::Damaged`] with the byte at which it begins; errors of the disk.
    pub fn part(&self, number: usize) -> Result<Vec<u8>, Error> {
        let Some(entry) = self.entries.get(number) else {
            return Err(damaged(&self.name, 0, format!("there is no part {number}")));
        };
        let length = usize::try_from(entry.length)
            .map_err(|_| damaged(&self.name, entry.offset, "a part is too long".to_owned()))?;
        let bytes = read(&*self.file, &self.name, entry.offset, length)?;
        if crc32fast::hash(&bytes) != entry.checksum {
            return Err(damaged(&self.name, entry.offset, format!("part {number} is damaged")));
        }
        Ok(bytes)
    }

    /// Checks all parts.
    ///
    /// # Errors
    /// The first that is damaged.
    pub fn verify(&self) -> Result<(), Error> {
        (0..self.parts()).try_for_each(|number| self.part(number).map(drop))
    }
}

/// Copies a pack, checked, to another disk, where it has the same name; how long it is.
///
/// # Errors
/// Of both disks; it is damaged.
pub fn copy_pack(from: &dyn Disk, to: Arc<dyn Disk>, name: &str) -> Result<u64, Error> {
    let pack = Pack::open(from, name)?;
    let mut writer = PackWriter::begin(to)?;
    for number in 0..pack.parts() {
        writer.add(&pack.part(number)?)?;
    }
    writer.finish(name, pack.head())
}

fn damaged(name: &str, offset: u64, why: String) -> error::Error {
    Error::Damaged(Damage { file: name.to_owned(), offset, lsn: Lsn(0), why })
}

fn read(file: &dyn DiskFile, name: &str, offset: u64, length: usize) -> Result<Vec<u8>, Error> {
    let mut bytes = vec![0; length];
    let found = file.read_at(&mut bytes, offset).map_err(io_error("reading", name))?;
    match found == length {
        true => Ok(bytes),
        false => Err(damaged(name, offset + found as u64, "it ends there".to_owned())),
    }
}
