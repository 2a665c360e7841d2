//! Folders as they are walked through, and the files that a pattern means. A link is followed, unless it leads to a folder that it is
//! in, by whatever way: each way through folders ends.

use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// A folder, and those that it was come through.
#[derive(Clone, Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    real: PathBuf,
    outer: Option<Rc<Folder>>,
}

impl Folder {
    /// Where a walk begins.
    pub(crate) fn at(path: &Path) -> io::Result<Rc<Folder>> {
        Ok(Rc::new(Folder { path: path.to_owned(), real: std::fs::canonicalize(path)?, outer: None }))
    }

    /// What is in it, in the order of names.
    pub(crate) fn entries(&self) -> io::Result<Vec<PathBuf>> {
        let entries = std::fs::read_dir(&self.path)?.map(|entry| Ok(entry?.path()));
        let mut entries = entries.collect::<io::Result<Vec<PathBuf>>>()?;
        entries.sort();
        Ok(entries)
    }

    /// An entry, if it is a folder and does not lead back.
    pub(crate) fn inner(self: &Rc<Folder>, entry: &Path) -> Option<Rc<Folder>> {
        if !entry.is_dir() {
            return None;
        }
        // What went meanwhile is not there.
        let real = std::fs::canonicalize(entry).ok()?;
        let within = |folder: &Rc<Folder>| folder.real.starts_with(&real);
        let mut outer = Some(self);
        while let Some(folder) = outer {
            if within(folder) {
                return None;
            }
            outer = folder.outer.as_ref();
        }
        Some(Rc::new(Folder { path: entry.to_owned(), real, outer: Some(self.clone()) }))
    }
}

/// What a pattern finds: `*`, `?` and `[...]` within a name, `**` for folders below one another. In the order of paths; folders that
/// cannot be read are left out, as those that are not there are.
pub(crate) fn matching(pattern: &str) -> io::Result<Vec<PathBuf>> {
    let wrong = |error| io::Error::new(io::ErrorKind::InvalidInput, error);
    // Says so of patterns that are none, whichever way they are followed.
    let whole = glob::Pattern::new(pattern).map_err(wrong)?;
    let parts: Vec<&str> = pattern.split('/').collect();
    let Some(deep) = parts.iter().position(|part| *part == "**") else {
        return Ok(glob::glob(pattern).map_err(wrong)?.filter_map(Result::ok).collect());
    };
    let outer = parts[..deep].join("/");
    let begins = match (deep, outer.as_str()) {
        (0, _) => vec![PathBuf::new()],
        (_, "") => vec![PathBuf::from("/")],
        (_, outer) => glob::glob(outer).map_err(wrong)?.filter_map(Result::ok).collect(),
    };
    let literal = glob::MatchOptions { require_literal_separator: true, ..glob::MatchOptions::new() };
    let mut found = Vec::new();
    for begin in begins {
        let shown = if begin.as_os_str().is_empty() { Path::new(".") } else { &begin };
        let mut open: Vec<Rc<Folder>> = Folder::at(shown).into_iter().collect();
        while let Some(folder) = open.pop() {
            for entry in folder.entries().unwrap_or_default() {
                // What a pattern finds is written without what it does not need.
                let path =
                    if begin.as_os_str().is_empty() { entry.strip_prefix(".").unwrap_or(&entry) } else { &entry };
                if whole.matches_path_with(path, literal) {
                    found.push(path.to_owned());
                }
                open.extend(folder.inner(&entry));
            }
        }
    }
    found.sort();
    found.dedup();
    Ok(found)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn folders_that_lead_back_are_walked_through_once() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        for name in ["in/x.json", "in/a/y.json", "in/b/z.json", "in/b/deep/er/w.json", "beside/v.json"] {
            std::fs::create_dir_all(root.join(name).parent().unwrap()).unwrap();
            std::fs::write(root.join(name), "").unwrap();
        }
        symlink("..", root.join("in/a/up")).unwrap();
        symlink("..", root.join("in/a/up2")).unwrap();
        symlink("../b", root.join("in/a/to_b")).unwrap();
        symlink("../a", root.join("in/b/to_a")).unwrap();
        symlink(".", root.join("in/b/deep/here")).unwrap();
        symlink(root.join("beside"), root.join("in/linked")).unwrap();
        symlink("nowhere", root.join("in/broken")).unwrap();
        let found = |pattern: &str| -> Vec<String> {
            let all = matching(&format!("{}/{pattern}", root.display())).unwrap();
            all.iter().map(|path| path.strip_prefix(root).unwrap().display().to_string()).collect()
        };
        let all = [
            "in/a/to_b/deep/er/w.json",
            "in/a/to_b/z.json",
            "in/a/y.json",
            "in/b/deep/er/w.json",
            "in/b/to_a/y.json",
            "in/b/z.json",
            "in/linked/v.json",
            "in/x.json",
        ];
        assert_eq!(found("in/**/*.json"), all);
        assert_eq!(found("i?/**/*.json"), all);
        assert_eq!(found("**/v.json"), ["beside/v.json", "in/linked/v.json"]);
        assert_eq!(found("in/**/er/*.json"), ["in/a/to_b/deep/er/w.json", "in/b/deep/er/w.json"]);
        assert_eq!(found("in/**/b/**/w.json"), ["in/b/deep/er/w.json"]);
        assert_eq!(found("in/*.json"), ["in/x.json"]);
        assert_eq!(found("none/**/*.json"), Vec::<String>::new());
        assert!(matching("in/**x").is_err() && matching("in/[").is_err());
        assert!(matching("**/walk.rs").unwrap().iter().any(|path| path == Path::new("src/options/walk.rs")));
    }
}
