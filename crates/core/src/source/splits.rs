//! The files of a `filesystem` source as splits: each is known by its path below the source's.

use std::hash::BuildHasher;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use super::by_number::by_number;
use super::path_values::default_name;
use super::{SourceError, SourceSpec, SplitId};
use crate::counted::counted;
use crate::format;
use crate::options::{Folder, matching};

/// What makes a path a pattern.
pub(super) const WILD: [char; 3] = ['*', '?', '['];

/// The one split of a folder that is watched.
pub(super) const WATCHED: &str = ".";

/// What a path leads to.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// The files, in their order.
    pub(super) files: Vec<PathBuf>,
    /// Folders below that are by no column: what is in them is not read.
    passed_over: Vec<PathBuf>,
}

impl Found {
    /// The files as splits of that path.
    pub(super) fn splits(&self, path: &str) -> io::Result<Vec<SplitId>> {
        let base = base(path);
        self.files.iter().map(|file| split(&base, file)).collect()
    }

    /// Refuses changes by key where a key may go from a folder to another, and nothing says when: files are read by path.
    pub(super) fn check_order(&self, spec: &SourceSpec) -> Result<(), SourceError> {
        let Some(key) = spec.changelog.as_ref().and_then(|changelog| changelog.key.as_ref()) else { return Ok(()) };
        let in_key = |name: &str| key.iter().any(|&column| spec.schema.field(column).name() == name);
        let default = default_name(spec)?;
        let told = |file: &PathBuf| {
            let columns = format::told_by(file, default).into_iter().map(|(column, _)| column);
            columns.rev().find(|name| spec.physical.field_with_name(name).is_ok() && !in_key(name))
        };
        let Some(column) = self.files.iter().find_map(told) else { return Ok(()) };
        Err(SourceError::Schema {
            source_name: spec.name.clone(),
            what: format!(
                "its files lie in folders by '{column}', and nothing says when a key goes from one to another"
            ),
            remedy: format!(
                "write 'changelog' = 'retract', which reads the folders of a sink, or make '{column}' part of the PRIMARY KEY; \
                 or declare a WATERMARK FOR the time of a change, and do not watch the folder"
            ),
        })
    }

    /// What is to be told of folders that are passed over.
    pub(super) fn notice(&self, path: &str) -> Option<String> {
        let first = self.passed_over.iter().min()?.display();
        let folders = counted(self.passed_over.len(), "folder");
        let are = if self.passed_over.len() == 1 { "is" } else { "are" };
        let pattern = Path::new(path).join("*/*");
        Some(format!(
            "{folders} in '{path}' {are} passed over, the first '{first}': a folder is read that is by a column, column=value; what is \
             in others is read by a pattern, '{}'",
            pattern.display()
        ))
    }
}

/// What the path of a source leads to.
pub(super) fn found(spec: &SourceSpec, path: &str) -> io::Result<Found> {
    files(path, &|name| spec.physical.fields().iter().any(|field| field.name() == name))
}

/// How much of a file is looked at to tell it from another.
const HEAD_BYTES: u64 = 4096;

/// What tells files from others of their names: how long they are, when they were changed, how they begin.
pub(super) fn was(files: &[PathBuf]) -> io::Result<String> {
    let one = |file: &PathBuf| {
        let file = std::fs::File::open(file)?;
        let about = file.metadata()?;
        let mut head = Vec::new();
        file.take(HEAD_BYTES).read_to_end(&mut head)?;
        let head = foldhash::quality::FixedState::with_seed(0).hash_one(&head);
        let changed = (about.mtime(), about.mtime_nsec());
        Ok(format!("{} bytes changed at {}.{:09} that begin with {head:016x}", about.len(), changed.0, changed.1))
    };
    Ok(files.iter().map(one).collect::<io::Result<Vec<_>>>()?.join(", "))
}

/// The files of a source as splits.
pub(super) fn splits_of(spec: &SourceSpec, path: &str) -> io::Result<Vec<SplitId>> {
    found(spec, path)?.splits(path)
}

/// The split of a file below a folder; one that is elsewhere, by links or steps up, is known by all of its path.
fn split(base: &Path, file: &Path) -> io::Result<SplitId> {
    let below = file.strip_prefix(base).unwrap_or(file);
    let name = below.to_str().ok_or_else(|| {
        let what = format!("the name of {} is no UTF-8: rename the file", file.display());
        io::Error::new(io::ErrorKind::InvalidData, what)
    })?;
    Ok(SplitId::new(name))
}

/// The file of a split of `path`.
pub(super) fn file(path: &str, split: &SplitId) -> PathBuf {
    base(path).join(split.as_str())
}

/// The folder that splits of a path are below.
pub(super) fn base(path: &str) -> PathBuf {
    let whole = Path::new(path);
    if path.contains(WILD) && std::fs::metadata(path).is_err() {
        let plain = |part: &Component<'_>| !part.as_os_str().to_string_lossy().contains(WILD);
        // What a pattern finds is written without what it does not need: ./a/*.json finds a/x.json.
        whole.components().skip_while(|part| *part == Component::CurDir).take_while(plain).collect()
    } else if whole.is_dir() {
        whole.to_owned()
    } else {
        whole.parent().map(Path::to_owned).unwrap_or_default()
    }
}

/// The files meant by a path; `is_column` knows the columns that folders may be by.
fn files(path: &str, is_column: &dyn Fn(&str) -> bool) -> io::Result<Found> {
    let hidden = |file: &Path| file.file_name().is_some_and(|name| name.to_string_lossy().starts_with(['.', '_']));
    let mut passed_over = Vec::new();
    let mut files: Vec<PathBuf> = match std::fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => {
            let (mut files, mut open) = (Vec::new(), vec![Folder::at(Path::new(path))?]);
            while let Some(folder) = open.pop() {
                for entry in folder.entries()? {
                    let name = entry.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
                    if let Some(inner) = folder.inner(&entry) {
                        match format::is_partition(&name, is_column) {
                            true => open.push(inner),
                            false if hidden(&entry) => {}
                            false => passed_over.push(entry),
                        }
                    } else if entry.is_file() && !hidden(&entry) {
                        files.push(entry);
                    }
                }
            }
            files
        }
        Ok(_) => return Ok(Found { files: vec![PathBuf::from(path)], passed_over }),
        Err(error) if !path.contains(WILD) => return Err(error),
        Err(_) => matching(path)?.into_iter().filter(|file| file.is_file() && !hidden(file)).collect(),
    };
    if files.is_empty() {
        let what = "no file there; paths are relative to the working directory";
        return Err(io::Error::new(io::ErrorKind::NotFound, what));
    }
    files.sort_by(|one, other| by_number(one, other));
    Ok(Found { files, passed_over })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn s1_a_file_is_known_by_its_path_below_the_sources() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        for name in ["a.json", "b.csv", "k=1/a.json", "deep/er/c.json"] {
            std::fs::create_dir_all(root.join(name).parent().unwrap()).unwrap();
            std::fs::write(root.join(name), "").unwrap();
        }
        let known = |path: &str| -> Vec<String> {
            let found = files(path, &|name| name == "k").unwrap().files;
            let splits: Vec<SplitId> = found.iter().map(|file| split(&base(path), file).unwrap()).collect();
            let back: Vec<PathBuf> = splits.iter().map(|split| file(path, split)).collect();
            assert_eq!(back, found, "{path}");
            splits.iter().map(SplitId::to_string).collect()
        };
        let at = |path: &str| format!("{}/{path}", root.display());
        assert_eq!(known(&at("")), ["a.json", "b.csv", "k=1/a.json"]);
        assert_eq!(known(&at("a.json")), ["a.json"]);
        assert_eq!(known(&at("*.json")), ["a.json"]);
        assert_eq!(known(&at("*/*/c.json")), ["deep/er/c.json"]);
        assert_eq!(known(&at("k=1/../*.csv")), ["b.csv"]);
        assert_eq!(known("./src/li?.rs"), ["lib.rs"]);
        // A link that leads back is not followed; other links are.
        std::fs::create_dir_all(root.join("linked")).unwrap();
        std::fs::write(root.join("linked/l.json"), "").unwrap();
        std::os::unix::fs::symlink(root, root.join("k=loop")).unwrap();
        std::os::unix::fs::symlink(root.join("linked"), root.join("k=2")).unwrap();
        assert_eq!(known(&at("")), ["a.json", "b.csv", "k=1/a.json", "k=2/l.json"]);
        assert_eq!(known("Cargo.toml"), ["Cargo.toml"]);
        assert_eq!(known("./Cargo.tom[l]"), ["Cargo.toml"]);
    }
}
