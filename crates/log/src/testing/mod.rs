//! A disk for tests that does what disks do to those who trust them, from a seed: it keeps what was synced, and of the rest
//! whatever it likes.
//!
//! Every operation goes into a journal. [`SimDisk::crashes`] plays it once more, and after each operation shows what a power cut
//! at that moment may have left: of every page that was not synced the old or the new content or some sectors of each, of every
//! name that was not synced the old or the new state. A few states are shown exhaustively, many as a sample.
//! [`Faults`] make it full, or let a sync fail in the way of Linux: the pages count as written from then on, and are not.

mod model;

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::disk::{Disk, DiskFile};
use model::{Model, Operation};

/// Random numbers from a seed (splitmix64).
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The numbers of a seed.
    pub fn new(seed: u64) -> Random {
        Random(seed)
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`, which is not 0.
    pub fn below(&mut self, end: u64) -> u64 {
        self.number() % end
    }

    /// True once in `times`.
    pub fn once_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    /// Bytes that files may take together.
    pub space: Option<u64>,
    /// No write finds room, not even where there is some (a copy-on-write file system).
    pub no_room_at_all: bool,
    /// After so many more syncs of files and the folder one fails.
    pub fail_sync_after: Option<u64>,
    /// Writes fail.
    pub fail_writes: bool,
}

/// The disk. Its clones are the same disk.
#[derive(Clone, Debug, Default)]
pub struct SimDisk(Arc<Mutex<Sim>>);

#[derive(Debug, Default)]
struct Sim {
    model: Model,
    /// What it was before the first operation of the journal.
    origin: Model,
    journal: Vec<Operation>,
    faults: Faults,
}

impl SimDisk {
    /// An empty disk.
    pub fn new() -> Arc<SimDisk> {
        Arc::new(SimDisk::default())
    }

    fn holding(model: Model) -> Arc<SimDisk> {
        let sim = Sim { origin: model.clone(), model, journal: Vec::new(), faults: Faults::default() };
        Arc::new(SimDisk(Arc::new(Mutex::new(sim))))
    }

    fn sim(&self) -> MutexGuard<'_, Sim> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on, goes wrong so.
    pub fn set_faults(&self, faults: Faults) {
        self.sim().faults = faults;
    }

    /// How many operations there were.
    pub fn operations(&self) -> usize {
        self.sim().journal.len()
    }

    /// How many of them were syncs of files.
    pub fn syncs(&self) -> usize {
        self.sim().journal.iter().filter(|operation| matches!(operation, Operation::Sync { .. })).count()
    }

    /// The disk as a program that was killed leaves it: nothing is lost but the program.
    pub fn killed(&self) -> Arc<SimDisk> {
        SimDisk::holding(self.sim().model.clone())
    }

    /// The disk as a power cut now leaves it, one of the ways it may.
    pub fn power_cut(&self, random: &mut Random) -> Arc<SimDisk> {
        SimDisk::holding(self.sim().model.image(&mut |choices| random.below(choices)))
    }

    /// Shows what a power cut after each operation may leave: all of it where that is at most `most` images, so many otherwise.
    pub fn crashes(&self, seed: u64, most: usize, mut show: impl FnMut(usize, Arc<SimDisk>)) {
        let (mut model, journal) = {
            let sim = self.sim();
            (sim.origin.clone(), sim.journal.clone())
        };
        let mut random = Random::new(seed);
        for image in model.images(&mut random, most) {
            show(0, SimDisk::holding(image));
        }
        for (index, operation) in journal.into_iter().enumerate() {
            model.apply(operation);
            for image in model.images(&mut random, most) {
                show(index + 1, SimDisk::holding(image));
            }
        }
    }

    /// The files and how long they are.
    pub fn files(&self) -> Vec<(String, u64)> {
        self.sim().model.files()
    }

    /// What a file holds.
    pub fn bytes(&self, name: &str) -> Option<Vec<u8>> {
        let sim = self.sim();
        Some(sim.model.content(sim.model.find(name)?).to_vec())
    }

    /// Gives a file other content, on the disk itself.
    pub fn set_bytes(&self, name: &str, bytes: Vec<u8>) {
        self.sim().model.overwrite(name, bytes);
    }

    /// Turns a bit of a file over, on the disk itself.
    pub fn flip(&self, name: &str, bit: u64) {
        if let Some(mut bytes) = self.bytes(name) {
            let place = usize::try_from(bit / 8).ok().and_then(|at| bytes.get_mut(at));
            if let Some(byte) = place {
                *byte ^= 1 << (bit % 8);
            }
            self.set_bytes(name, bytes);
        }
    }
}

impl Sim {
    fn run(&mut self, operation: Operation) {
        self.journal.push(operation.clone());
        self.model.apply(operation);
    }

    /// Whether the sync that begins now fails.
    fn sync_fails(&mut self) -> bool {
        match &mut self.faults.fail_sync_after {
            Some(0) => {
                self.faults.fail_sync_after = None;
                true
            }
            Some(left) => {
                *left -= 1;
                false
            }
            None => false,
        }
    }

    fn room(&self, more: u64) -> io::Result<()> {
        let full = self.faults.space.is_some_and(|space| self.model.taken() + more > space);
        if self.faults.no_room_at_all || full { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }
}

fn broken() -> io::Error {
    io::Error::other("the simulated disk is broken")
}

impl Disk for SimDisk {
    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.files().into_iter().map(|(name, _)| name).collect())
    }

    fn create(&self, name: &str, bytes: u64) -> io::Result<Box<dyn DiskFile>> {
        let mut sim = self.sim();
        sim.room(bytes)?;
        sim.run(Operation::Create { name: name.to_owned(), bytes });
        let inode = sim.model.find(name).ok_or_else(broken)?;
        Ok(Box::new(SimFile { disk: self.clone(), inode }))
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        let inode = self.sim().model.find(name).ok_or(io::ErrorKind::NotFound)?;
        Ok(Box::new(SimFile { disk: self.clone(), inode }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut sim = self.sim();
        sim.model.find(from).ok_or(io::ErrorKind::NotFound)?;
        sim.run(Operation::Rename { from: from.to_owned(), to: to.to_owned() });
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut sim = self.sim();
        sim.model.find(name).ok_or(io::ErrorKind::NotFound)?;
        sim.run(Operation::Remove { name: name.to_owned() });
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut sim = self.sim();
        if sim.sync_fails() {
            return Err(broken());
        }
        sim.run(Operation::SyncFolder);
        Ok(())
    }
}

struct SimFile {
    disk: SimDisk,
    inode: usize,
}

impl DiskFile for SimFile {
    fn length(&self) -> io::Result<u64> {
        Ok(self.disk.sim().model.content(self.inode).len() as u64)
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
        let sim = self.disk.sim();
        let content = sim.model.content(self.inode);
        let from = usize::try_from(offset).unwrap_or(usize::MAX).min(content.len());
        let count = bytes.len().min(content.len() - from);
        bytes[..count].copy_from_slice(&content[from..from + count]);
        Ok(count)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut sim = self.disk.sim();
        if sim.faults.fail_writes {
            return Err(broken());
        }
        let length = sim.model.content(self.inode).len() as u64;
        sim.room((offset + bytes.len() as u64).saturating_sub(length))?;
        sim.run(Operation::Write { inode: self.inode, offset, bytes: bytes.into() });
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut sim = self.disk.sim();
        let fails = sim.sync_fails();
        sim.run(Operation::Sync { inode: self.inode, fails });
        if fails { Err(broken()) } else { Ok(()) }
    }
}
