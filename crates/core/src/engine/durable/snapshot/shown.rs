//! The snapshots of a data directory as they lie there, for who looks at it or copies it: nothing is written, and a run may have it open.

use std::path::Path;
use std::sync::Arc;

use highwater_log::{Copied, Disk, Error, Folder, Pack, copy_pack};

use super::super::super::error::EngineError;
use super::super::known::{broken, wrong};
use super::file::{Snapshot, name_of, numbers};

/// A snapshot in a data directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotFile {
    /// Its file.
    pub name: String,
    /// How long that is, in bytes; 0 if it cannot be read.
    pub bytes: u64,
    /// What it says of itself; `None` if that cannot be read.
    pub about: Option<SnapshotOf>,
    /// What is wrong with it.
    pub damage: Option<String>,
}

/// Where a snapshot stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotOf {
    /// The epoch at which it was taken.
    pub epoch: String,
    /// When that was, in ms since 1970.
    pub taken_ms: i64,
    /// The first frame of the log that a start from it reads.
    pub from_frame: u64,
}

/// The snapshots that a data directory has, the newest first. `all`: every byte of them is checked.
///
/// # Errors
/// The folder cannot be read.
pub fn snapshots(path: &Path, all: bool) -> Result<Vec<SnapshotFile>, EngineError> {
    let (disk, folder) = (Folder::read_only(path), path.display().to_string());
    let listed = numbers(&*disk).map_err(|error| wrong(&folder, error, "look at the rights of the folder"))?;
    let mut files = Vec::new();
    for number in listed {
        let name = name_of(number);
        let checked = || Pack::open(&*disk, &name).and_then(|pack| if all { pack.verify() } else { Ok(()) });
        match Snapshot::about(&*disk, number) {
            Ok((about, bytes)) => {
                let damage = checked().err().map(|error| error.to_string());
                let (epoch, taken_ms, from_frame) = (about.cut.to_string(), about.taken_ms, about.from);
                files.push(SnapshotFile {
                    name,
                    bytes,
                    about: Some(SnapshotOf { epoch, taken_ms, from_frame }),
                    damage,
                });
            }
            // It was taken away meanwhile, for newer ones.
            Err(_) if !numbers(&*disk).is_ok_and(|there| there.contains(&number)) => {}
            Err(error) => files.push(SnapshotFile { name, bytes: 0, about: None, damage: Some(error.to_string()) }),
        }
    }
    Ok(files)
}

/// Copies the snapshots from which a copy of the log goes on; how many, and their bytes. Where the log was shortened there has to be one.
///
/// # Errors
/// Of both folders; none is there that is whole and that the copy needs.
pub fn copy_snapshots(path: &Path, to: &Arc<Folder>, copied: &Copied) -> Result<(usize, u64), EngineError> {
    let (disk, folder) = (Folder::read_only(path), path.display().to_string());
    let listed = numbers(&*disk).map_err(|error| wrong(&folder, error, "look at the rights of the folder"))?;
    let (mut count, mut bytes, mut why) = (0, 0, None);
    // The oldest first, so that their order is that of the originals.
    for number in listed.into_iter().rev() {
        let fits = Snapshot::about(&*disk, number)
            .is_ok_and(|(about, _)| about.from >= copied.first.0 && about.upto <= copied.end.0);
        if !fits {
            continue;
        }
        let target: Arc<dyn Disk> = to.clone();
        match copy_pack(&*disk, target, &name_of(number)) {
            Ok(more) => (count, bytes) = (count + 1, bytes + more),
            Err(error @ (Error::Damaged(_) | Error::Io { .. })) => why = Some(error.to_string()),
            Err(error) => return Err(broken(&folder, &error)),
        }
    }
    if count == 0 && copied.first.0 > 0 {
        let why = why.map_or_else(String::new, |why| format!(": {why}"));
        let what = format!(
            "its log begins at frame {}, and no snapshot was there from which a copy goes on{why}",
            copied.first
        );
        return Err(wrong(&folder, what, "copy it again"));
    }
    Ok((count, bytes))
}
