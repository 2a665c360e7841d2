//! What the simulated disk holds, and what a power cut leaves of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Random;

const PAGE: usize = 4096;
const SECTOR: usize = 512;

/// What is done to a disk.
#[derive(Clone, Debug)]
pub(super) enum Operation {
    Create { name: String, bytes: u64 },
    Write { inode: usize, offset: u64, bytes: Arc<[u8]> },
    Sync { inode: usize, fails: bool },
    Rename { from: String, to: String },
    Remove { name: String },
    SyncFolder,
}

/// Files and names, as programs see them and as they are on the disk.
#[derive(Clone, Debug, Default)]
pub(super) struct Model {
    inodes: Vec<Inode>,
    names: BTreeMap<String, usize>,
    synced_names: BTreeMap<String, usize>,
    /// What was done to the names since they were synced.
    renames: Vec<Change>,
}

#[derive(Clone, Debug, Default)]
struct Inode {
    seen: Vec<u8>,
    synced: Vec<u8>,
    /// Pages that a sync would write.
    dirty: BTreeSet<usize>,
    /// The length is not synced.
    resized: bool,
}

#[derive(Clone, Debug)]
enum Change {
    Add(String, usize),
    /// From one name to another, of a file: an entry of a folder names the file, not the name that it had.
    Rename(String, String, usize),
    Remove(String),
}

impl Change {
    fn apply(&self, names: &mut BTreeMap<String, usize>) {
        match self {
            Change::Add(name, inode) => {
                names.insert(name.clone(), *inode);
            }
            Change::Rename(from, to, inode) => {
                names.remove(from);
                names.insert(to.clone(), *inode);
            }
            Change::Remove(name) => {
                names.remove(name);
            }
        }
    }
}

impl Model {
    pub(super) fn find(&self, name: &str) -> Option<usize> {
        self.names.get(name).copied()
    }

    pub(super) fn content(&self, inode: usize) -> &[u8] {
        &self.inodes[inode].seen
    }

    pub(super) fn files(&self) -> Vec<(String, u64)> {
        self.names.iter().map(|(name, inode)| (name.clone(), self.content(*inode).len() as u64)).collect()
    }

    /// Bytes that files with names take.
    pub(super) fn taken(&self) -> u64 {
        self.files().iter().map(|(_, length)| length).sum()
    }

    pub(super) fn overwrite(&mut self, name: &str, bytes: Vec<u8>) {
        if let Some(inode) = self.find(name) {
            self.inodes[inode] = Inode { synced: bytes.clone(), seen: bytes, dirty: BTreeSet::new(), resized: false };
        }
    }

    pub(super) fn apply(&mut self, operation: Operation) {
        let change = match operation {
            Operation::Create { name, bytes } => {
                let length = usize::try_from(bytes).unwrap_or_default();
                self.inodes.push(Inode { seen: vec![0; length], resized: true, ..Inode::default() });
                Change::Add(name, self.inodes.len() - 1)
            }
            Operation::Rename { from, to } => match self.find(&from) {
                Some(inode) => Change::Rename(from, to, inode),
                None => return,
            },
            Operation::Remove { name } => Change::Remove(name),
            Operation::Write { inode, offset, bytes } => return self.inodes[inode].write(offset, &bytes),
            Operation::Sync { inode, fails } => return self.inodes[inode].sync(fails),
            Operation::SyncFolder => {
                self.synced_names.clone_from(&self.names);
                return self.renames.clear();
            }
        };
        change.apply(&mut self.names);
        self.renames.push(change);
    }

    /// In how many things the disk may differ from what programs saw.
    fn open_questions(&self) -> usize {
        let pages = self.inodes.iter().map(|inode| inode.dirty.len() + usize::from(inode.resized)).sum::<usize>();
        pages + self.renames.len()
    }

    /// One of the states that a power cut may leave; `choose` answers with a number below the one it is asked with: 0 for what
    /// was, 1 for what was to be, 2 for sectors of both.
    pub(super) fn image(&self, choose: &mut dyn FnMut(u64) -> u64) -> Model {
        let inodes: Vec<Inode> = self.inodes.iter().map(|inode| inode.image(choose)).collect();
        let mut names = self.synced_names.clone();
        for change in &self.renames {
            if choose(2) == 1 {
                change.apply(&mut names);
            }
        }
        Model { inodes, synced_names: names.clone(), names, renames: Vec::new() }
    }

    /// All states without torn pages if those are at most `most`; else nothing lost, all lost, and a sample. Torn pages are in
    /// samples only.
    pub(super) fn images(&self, random: &mut Random, most: usize) -> Vec<Model> {
        let questions = self.open_questions();
        if questions < 32 && 1 << questions <= most {
            let subsets = 0..1_u64 << questions;
            let mut images: Vec<Model> = subsets.map(|subset| self.image(&mut bits(subset))).collect();
            if questions > 0 {
                images.push(self.image(&mut |choices| random.below(choices)));
            }
            return images;
        }
        let mut images = vec![self.image(&mut |_| 0), self.image(&mut |_| 1)];
        images.extend((2..most).map(|_| self.image(&mut |choices| random.below(choices))));
        images
    }
}

/// Answers with the bits of a number, one after the other.
fn bits(mut subset: u64) -> impl FnMut(u64) -> u64 {
    move |_| {
        let bit = subset & 1;
        subset >>= 1;
        bit
    }
}

impl Inode {
    fn write(&mut self, offset: u64, bytes: &[u8]) {
        let from = usize::try_from(offset).unwrap_or_default();
        let to = from + bytes.len();
        if to > self.seen.len() {
            self.seen.resize(to, 0);
            self.resized = true;
        }
        self.seen[from..to].copy_from_slice(bytes);
        if !bytes.is_empty() {
            self.dirty.extend(from / PAGE..=(to - 1) / PAGE);
        }
    }

    /// One that fails leaves pages that programs see, that count as written, and that are not on the disk.
    fn sync(&mut self, fails: bool) {
        let dirty = std::mem::take(&mut self.dirty);
        self.resized = false;
        if fails {
            return;
        }
        self.synced.resize(self.seen.len(), 0);
        for page in dirty {
            let range = page * PAGE..(page * PAGE + PAGE).min(self.seen.len());
            self.synced[range.clone()].copy_from_slice(&self.seen[range]);
        }
    }

    fn image(&self, choose: &mut dyn FnMut(u64) -> u64) -> Inode {
        let mut disk = self.synced.clone();
        if self.resized && choose(2) == 1 {
            disk.resize(self.seen.len(), 0);
        }
        for page in &self.dirty {
            let range = page * PAGE..(page * PAGE + PAGE).min(self.seen.len());
            let chosen = choose(3);
            if chosen == 0 {
                continue;
            }
            if disk.len() < range.end {
                disk.resize(range.end, 0);
            }
            for from in range.clone().step_by(SECTOR) {
                let sector = from..(from + SECTOR).min(range.end);
                if chosen == 1 || choose(2) == 1 {
                    disk[sector.clone()].copy_from_slice(&self.seen[sector]);
                }
            }
        }
        Inode { seen: disk.clone(), synced: disk, dirty: BTreeSet::new(), resized: false }
    }
}
