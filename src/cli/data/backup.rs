//! `highwater data backup DIR COPY`: a copy of the log, with the snapshots that it goes on from, that opens by itself, also of one that is being written. It is made under
//! another name and gets its own when all of it is on the disk, so what has the name is whole.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use highwater_log::Folder;

use super::super::Outcome;
use super::super::progress::counted;
use super::{failed, frames, log_of, size};

/// What to copy, and where to.
#[derive(clap::Args, Debug)]
pub(super) struct Backup {
    /// The data directory; an engine may have it open
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// The copy: a folder that does not exist, or is empty
    copy: PathBuf,
}

/// Copies, and says what the copy holds.
pub(super) fn run(args: &Backup) -> Result<(), Outcome> {
    let disk = log_of(&args.folder)?;
    let copy = std::path::absolute(&args.copy).map_err(|error| not_made(&args.copy, &error))?;
    free(&args.folder, &copy)?;
    let part = beside(&copy);
    if part.exists() {
        let part = part.display();
        return Err(Outcome::usage(format!(
            "'{part}' is what an earlier backup, or one that still runs, has left: remove it"
        )));
    }
    let made = make(args, &disk, &part, &copy);
    if made.is_err() {
        // What cannot be removed is told the next time.
        let _ = fs::remove_dir_all(&part);
    }
    made
}

fn make(args: &Backup, disk: &Folder, part: &Path, copy: &Path) -> Result<(), Outcome> {
    let folder = Folder::lock(part).map_err(|error| failed(part, &error))?;
    let copied = highwater_log::backup(disk, &*folder).map_err(|error| failed(&args.folder, &error))?;
    let (snapshots, more) = highwater_core::engine::copy_snapshots(&args.folder, &folder, &copied)
        .map_err(|error| Outcome::Failed(error.to_string()))?;
    let named =
        fs::rename(part, copy).and_then(|()| copy.parent().map_or(Ok(()), |above| File::open(above)?.sync_all()));
    named.map_err(|error| not_made(copy, &error))?;
    let segments = counted(copied.segments as u64, "segment");
    let frames = frames(copied.first.0, copied.end.0);
    let snapshots = if snapshots > 0 { format!(", {}", counted(snapshots as u64, "snapshot")) } else { String::new() };
    println!("copied: {frames} in {segments}{snapshots}, {}, to {}", size(copied.bytes + more), args.copy.display());
    Ok(())
}

/// Whether the copy may be made there.
fn free(folder: &Path, copy: &Path) -> Result<(), Outcome> {
    let shown = copy.display();
    let (Some(above), Some(_)) = (copy.parent(), copy.file_name()) else {
        return Err(Outcome::usage(format!("'{shown}' cannot be the name of a copy")));
    };
    match fs::read_dir(copy).map(Iterator::count) {
        Ok(0) => {}
        Ok(_) => return Err(Outcome::usage(format!("'{shown}' is not empty: name a folder that does not exist"))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(Outcome::usage(format!("{shown}: {error}"))),
    }
    let within = || Ok::<_, io::Error>(above.canonicalize()?.starts_with(folder.canonicalize()?));
    match within() {
        Ok(false) => Ok(()),
        Ok(true) => Err(Outcome::usage(format!("'{shown}' is within the data directory: name a folder elsewhere"))),
        Err(error) => Err(Outcome::usage(format!("{}: {error}", above.display()))),
    }
}

fn beside(copy: &Path) -> PathBuf {
    let mut name = copy.file_name().unwrap_or_default().to_owned();
    name.push(".part");
    copy.with_file_name(name)
}

fn not_made(copy: &Path, error: &io::Error) -> Outcome {
    Outcome::Failed(format!("the copy '{}': {error}", copy.display()))
}
