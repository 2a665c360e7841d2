//! Files of a watched folder that are written to after they were read. A file is read once, so what is new in one is not read: each such
//! file is named in the log, once.

use std::collections::HashMap;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::SplitId;
use super::splits::file;

/// What a file is known by: its number, its length, when it was written to.
type Stamp = (u64, u64, i64, i64);

fn stamp(file: &Path) -> Option<Stamp> {
    let found = std::fs::metadata(file).ok()?;
    Some((found.ino(), found.len(), found.mtime(), found.mtime_nsec()))
}

/// The files that were read, as they were then.
#[derive(Debug, Default)]
pub(super) struct Changed(HashMap<SplitId, Stamp>);

impl Changed {
    /// A file below `path` was read to its end.
    pub(super) fn read(&mut self, path: &str, split: SplitId) {
        if let Some(stamp) = stamp(&file(path, &split)) {
            self.0.insert(split, stamp);
        }
    }

    /// Those of the files that are there now which are others than were read.
    pub(super) fn among(&mut self, path: &str, there: &[SplitId]) -> Vec<String> {
        let changed = |split: &&SplitId| {
            let file = file(path, split);
            self.0.get(*split).is_some_and(|read| stamp(&file).is_some_and(|now| now != *read))
        };
        let changed: Vec<SplitId> = there.iter().filter(changed).cloned().collect();
        self.0.retain(|split, _| !changed.contains(split));
        changed.iter().map(|split| file(path, split).display().to_string()).collect()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_grows_or_is_replaced_is_told_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().to_str().unwrap();
        let (mut changed, mut names) = (Changed::default(), Vec::new());
        for name in ["same", "grown", "replaced", "gone", "unread"] {
            std::fs::write(folder.path().join(name), "1\n").unwrap();
            names.push(SplitId::new(name));
        }
        names[..4].iter().for_each(|name| changed.read(path, name.clone()));
        assert_eq!(changed.among(path, &names), [""; 0]);
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("grown"), "1\n2\n").unwrap();
        std::fs::write(at("other"), "2\n").unwrap();
        std::fs::rename(at("other"), at("replaced")).unwrap();
        std::fs::remove_file(at("gone")).unwrap();
        std::fs::write(at("unread"), "1\n2\n").unwrap();
        let told = changed.among(path, &names);
        assert_eq!(told, ["grown", "replaced"].map(|name| at(name).display().to_string()));
        std::fs::write(at("grown"), "1\n2\n3\n").unwrap();
        assert_eq!(changed.among(path, &names), [""; 0], "each is told once");
    }
}
