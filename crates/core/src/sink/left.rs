//! Part files that stand in a folder: which there are, and what becomes of those of an earlier run.

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use super::filesystem::extension;
use super::{SinkError, SinkSpec};
use crate::format::{self, Formats};
use crate::options::PART;

/// What the name of a file begins with that is not complete.
pub(super) const HIDDEN: &str = "_";

/// What failed with a file or folder.
pub(super) fn failed(sink: &str, what: &str, path: &Path, error: io::Error) -> SinkError {
    SinkError::Io { sink: sink.to_owned(), what: format!("{what} {}", path.display()), error }
}

/// The path that a file has once it is complete.
pub(super) fn shown(path: &Path) -> PathBuf {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    path.with_file_name(name.strip_prefix(HIDDEN).unwrap_or(&name))
}

/// What becomes of a file that stands there.
pub(super) enum Fate {
    Stays,
    Shows,
    Goes,
}

/// A part file that stands there.
pub(super) struct Found {
    pub(super) path: PathBuf,
    pub(super) part: usize,
    pub(super) number: usize,
    pub(super) hidden: bool,
    /// The columns that its folders are by.
    pub(super) columns: Vec<String>,
}

/// The part files in a folder, and in its folders by any of these columns, of any format.
pub(super) fn parts_in(spec: &SinkSpec, columns: &[&str], root: &Path) -> Result<Vec<Found>, SinkError> {
    let looking = |path: &Path, error| failed(&spec.name, "looking for what an earlier run left in", path, error);
    let by: Vec<(&str, String)> =
        columns.iter().map(|column| (*column, format::folder(column, Some(""), "none"))).collect();
    let (mut open, mut all) = (vec![(root.to_owned(), Vec::<String>::new())], Vec::new());
    while let Some((folder, above)) = open.pop() {
        let entries = match std::fs::read_dir(&folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            entries => entries.map_err(|error| looking(&folder, error))?,
        };
        for entry in entries {
            let path = entry.map_err(|error| looking(&folder, error))?.path();
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            let column = by.iter().find(|(_, begin)| name.starts_with(begin)).map(|(column, _)| (*column).to_owned());
            match column.filter(|column| !above.contains(column)) {
                Some(column) if path.is_dir() => open.push((path, above.iter().cloned().chain([column]).collect())),
                _ => {
                    all.extend(found(&spec.formats, path, &name).map(|found| Found { columns: above.clone(), ..found }))
                }
            }
        }
    }
    Ok(all)
}

/// What a file is by its name, if that is a part's.
fn found(formats: &Formats, path: PathBuf, name: &str) -> Option<Found> {
    let bare = name.strip_prefix(HIDDEN);
    let (stem, kind) = bare.unwrap_or(name).strip_prefix(PART)?.split_once('.')?;
    let (part, number) = stem.split_once('-').unwrap_or((stem, "0"));
    let (part, number) = (part.parse().ok()?, number.parse().ok()?);
    let known = formats.all().any(|format| extension(&*format) == kind);
    known.then_some(Found { path, part, number, hidden: bare.is_some(), columns: Vec::new() })
}

/// The names of files below a folder are safe on the disk, with those of the folders above them.
pub(super) fn sync_names(sink: &str, root: &Path, files: &[PathBuf]) -> Result<(), SinkError> {
    let above = |file: &PathBuf| -> Vec<PathBuf> {
        let inside = file.ancestors().skip(1).take_while(|folder| folder.starts_with(root));
        inside.chain(root.parent()).map(Path::to_owned).collect()
    };
    for folder in files.iter().flat_map(above).collect::<BTreeSet<_>>() {
        let opened = if folder.as_os_str().is_empty() { Path::new(".") } else { &folder };
        let synced = File::open(opened).and_then(|folder| folder.sync_all());
        // It is not tried again: what failed may count as written from then on.
        synced.map_err(|error| failed(sink, "syncing", opened, io::Error::other(error.to_string())))?;
    }
    Ok(())
}
