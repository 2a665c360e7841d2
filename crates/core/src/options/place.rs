//! Which files are read and which are written, so that none is both, or is written twice.
//!
//! Paths are compared by where they lead: `.`, `..` and symbolic links are followed, also where they lead to what is not there
//! yet; two names of one file (hard links) are one. What is no file or folder (`/dev/null`, a pipe) clashes with nothing.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

use super::matching;

/// Links that are followed at most.
const MOST_LINKS: usize = 40;

/// Files that a sink writes.
#[derive(Clone, Debug)]
pub enum Outputs {
    /// One.
    File(PathBuf),
    /// A folder's part files, of this extension.
    Parts(PathBuf, String),
    /// Part files of this extension in folders by partition, so deep.
    Partitions(PathBuf, String, usize),
}

/// Files that a source reads.
#[derive(Clone, Debug)]
pub enum Inputs {
    /// One.
    One(PathBuf),
    /// Those of a folder, and of its folders by partition.
    Folder(PathBuf),
    /// Those that a pattern matches.
    Pattern(PathBuf),
}

/// How the files of a sink that writes parts begin.
pub const PART: &str = "part-";

/// How the names of packed files end.
const PACKED: [&str; 3] = [".gz", ".zst", ".zstd"];

/// The name of a packed file as it would be unpacked, and how it ends now.
pub fn packed_name(name: &str) -> Option<(&str, &'static str)> {
    let parted = |end: &'static str| {
        let at = name.len().checked_sub(end.len()).filter(|at| name.is_char_boundary(*at))?;
        name[at..].eq_ignore_ascii_case(end).then(|| (&name[..at], end))
    };
    PACKED.into_iter().find_map(parted)
}

/// The absolute path without `.`, `..` and links; a path whose links go in circles stays as it is.
fn real(path: &Path) -> PathBuf {
    let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut found = PathBuf::new();
    let mut rest: VecDeque<OsString> = whole.components().map(|part| part.as_os_str().to_owned()).collect();
    let mut links = 0;
    while let Some(part) = rest.pop_front() {
        match Path::new(&part).components().next() {
            Some(Component::ParentDir) => drop(found.pop()),
            Some(Component::CurDir) | None => {}
            _ => {
                found.push(&part);
                let Ok(target) = std::fs::read_link(&found) else { continue };
                links += 1;
                if links > MOST_LINKS {
                    return whole;
                }
                found.pop();
                let parts: Vec<OsString> = target.components().map(|part| part.as_os_str().to_owned()).collect();
                parts.into_iter().rev().for_each(|part| rest.push_front(part));
            }
        }
    }
    found
}

/// Whether both are one file under two names.
#[cfg(unix)]
fn linked(one: &Path, other: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let id = |path: &Path| std::fs::metadata(path).ok().map(|found| (found.dev(), found.ino()));
    id(one).is_some_and(|one| Some(one) == id(other))
}

#[cfg(not(unix))]
fn linked(_: &Path, _: &Path) -> bool {
    false
}

/// Whether a path may be read and written at once: what is there is neither file nor folder.
fn is_device(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir())
}

fn same(one: &Path, other: &Path) -> bool {
    one == other || linked(one, other)
}

fn is_part(file: &Path) -> bool {
    file.file_name().is_some_and(|name| name.to_string_lossy().starts_with(PART))
}

impl Outputs {
    fn real(&self) -> Option<Outputs> {
        let made = match self {
            Outputs::File(path) => Outputs::File(real(path)),
            Outputs::Parts(path, kind) => Outputs::Parts(real(path), kind.clone()),
            Outputs::Partitions(path, kind, depth) => Outputs::Partitions(real(path), kind.clone(), *depth),
        };
        Some(made).filter(|made| !is_device(made.path()))
    }

    fn path(&self) -> &Path {
        match self {
            Outputs::File(path) | Outputs::Parts(path, _) | Outputs::Partitions(path, ..) => path,
        }
    }

    /// Whether both would write one file, or one clear away what the other writes.
    pub fn clashes(&self, other: &Outputs) -> bool {
        use Outputs::{File, Partitions, Parts};
        let (Some(one), Some(other)) = (self.real(), other.real()) else { return false };
        match (&one, &other) {
            (File(one), File(other)) => same(one, other),
            // Part files in folders by partition are cleared away too.
            (File(file), Parts(folder, _)) | (Parts(folder, _), File(file)) => is_part(file) && within(folder, file),
            (Parts(one, _), Parts(other, _)) => within(one, &other.join(PART)) || within(other, &one.join(PART)),
            (Partitions(root, ..), inner) | (inner, Partitions(root, ..)) => {
                inner.path().starts_with(root) || matches!(inner, Partitions(..)) && root.starts_with(inner.path())
            }
        }
    }

    /// Whether it would write, or clear away, what is read.
    pub fn overwrites(&self, read: &Inputs) -> bool {
        let Some(written) = self.real() else { return false };
        match read {
            Inputs::One(path) => {
                let file = real(path);
                match &written {
                    Outputs::File(path) => same(path, &file),
                    Outputs::Parts(folder, _) => file.parent() == Some(folder) && is_part(&file),
                    Outputs::Partitions(root, ..) => file.starts_with(root),
                }
            }
            Inputs::Folder(path) => {
                let folder = real(path);
                match &written {
                    Outputs::File(path) => within(&folder, path),
                    Outputs::Parts(path, _) => within(&folder, &path.join("part")),
                    Outputs::Partitions(root, ..) => folder.starts_with(root) || within(&folder, &root.join("part")),
                }
            }
            Inputs::Pattern(pattern) => written.is_matched(pattern),
        }
    }

    fn is_matched(&self, pattern: &Path) -> bool {
        let is_plain = |part: &Component<'_>| !part.as_os_str().to_string_lossy().contains(['*', '?', '[']);
        let parts: Vec<Component<'_>> = pattern.components().collect();
        let plain = parts.iter().take_while(|part| is_plain(part)).count();
        let base: PathBuf = parts[..plain].iter().collect();
        let base = real(if base.as_os_str().is_empty() { Path::new(".") } else { &base });
        let rest: PathBuf = parts[plain..].iter().collect();
        let base_text = glob::Pattern::escape(base.to_string_lossy().trim_end_matches('/'));
        let whole = format!("{base_text}/{}", rest.to_string_lossy());
        let literal = glob::MatchOptions { require_literal_separator: true, ..glob::MatchOptions::new() };
        let matches =
            |path: &Path| glob::Pattern::new(&whole).is_ok_and(|pattern| pattern.matches_path_with(path, literal));
        let parts =
            |folder: &Path, kind: &str| (0..100).any(|part| matches(&folder.join(format!("{PART}{part}.{kind}"))));
        let there = || matching(&pattern.to_string_lossy()).into_iter().flatten();
        match self {
            Outputs::File(path) => matches(path) || there().any(|file| same(&real(&file), path)),
            Outputs::Parts(folder, kind) => {
                parts(folder, kind) || there().any(|file| is_part(&file) && real(&file).parent() == Some(folder))
            }
            Outputs::Partitions(root, kind, depth) => {
                let deep = (0..*depth).fold(root.clone(), |folder, _| folder.join("column=value"));
                (base.starts_with(root) && base != *root)
                    || parts(&deep, kind)
                    || there().any(|file| real(&file).starts_with(root))
            }
        }
    }
}

/// Whether a file is read with a folder: directly, or in folders by partition.
fn within(folder: &Path, file: &Path) -> bool {
    let Ok(below) = file.strip_prefix(folder) else { return false };
    let Some(name) = below.file_name() else { return false };
    let partitions = below.parent().into_iter().flat_map(Path::components);
    !name.to_string_lossy().starts_with(['.', '_'])
        && partitions.into_iter().all(|part| part.as_os_str().to_string_lossy().contains('='))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn file(path: &Path) -> Outputs {
        Outputs::File(path.to_owned())
    }

    #[cfg(unix)]
    #[test]
    fn paths_are_compared_by_where_they_lead() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir_all(at("a/b")).unwrap();
        std::fs::write(at("a/in.json"), "").unwrap();
        std::os::unix::fs::symlink(at("a"), at("link")).unwrap();
        std::os::unix::fs::symlink("later.json", at("a/early.json")).unwrap();
        std::os::unix::fs::symlink("round", at("round")).unwrap();
        std::fs::hard_link(at("a/in.json"), at("twin.json")).unwrap();
        let input = Inputs::One(at("a/in.json"));
        for path in
            ["a/in.json", "a/./in.json", "a/b/../in.json", "link/in.json", "link/b/../../a/in.json", "twin.json"]
        {
            assert!(file(&at(path)).overwrites(&input), "{path}");
            assert!(file(&at(path)).clashes(&file(&at("a/in.json"))), "{path}");
        }
        assert!(!file(&at("a/b/in.json")).overwrites(&input) && !file(&at("round/in.json")).overwrites(&input));
        assert!(file(&at("a/early.json")).clashes(&file(&at("link/later.json"))), "a link to what is not there yet");
        assert!(!file(Path::new("/dev/null")).clashes(&file(Path::new("/dev/null"))));
    }

    #[test]
    fn folders_parts_and_partitions_clash_where_their_files_may() {
        let path = |path: &str| PathBuf::from(path);
        let parts = |folder: &str| Outputs::Parts(path(folder), "json".to_owned());
        let partitions = |folder: &str| Outputs::Partitions(path(folder), "json".to_owned(), 1);
        let file = |file: &str| Outputs::File(path(file));
        let one = |file: &str| Inputs::One(path(file));
        let folder = |folder: &str| Inputs::Folder(path(folder));
        let pattern = |pattern: &str| Inputs::Pattern(path(pattern));
        for (written, read, expected) in [
            (file("/o/x.json"), folder("/o"), true),
            (file("/o/_x.json"), folder("/o"), false),
            (file("/o/sub/x.json"), folder("/o/"), false),
            (file("/o/k=1/x.json"), folder("/o"), true),
            (parts("/o/"), folder("/o"), true),
            (parts("/o/sub/"), folder("/o"), false),
            (parts("/o/"), one("/o/part-3.json"), true),
            (parts("/o/"), one("/o/in.json"), false),
            (partitions("/o/"), one("/o/k=1/part-0.json"), true),
            (partitions("/o/"), folder("/o/k=1"), true),
            (partitions("/o/"), folder("/o"), true),
            (partitions("/o/"), folder("/"), false),
            (file("/o/x.json"), pattern("/o/*.json"), true),
            (file("/o/x.csv"), pattern("/o/*.json"), false),
            (file("/o/a/x.json"), pattern("/o/*.json"), false),
            (file("/o/a/x.json"), pattern("/o/**/*.json"), true),
            (file("/o/x.json"), pattern("/o/../o/?.json"), true),
            (parts("/o/"), pattern("/o/part-*.json"), true),
            (parts("/o/"), pattern("/o/*.csv"), false),
            (partitions("/o/"), pattern("/o/*/part-*.json"), true),
            (partitions("/o/"), pattern("/o/*.json"), false),
        ] {
            assert_eq!(written.overwrites(&read), expected, "{written:?} and {read:?}");
        }
        for (one, other, expected) in [
            (file("/o/part-0.json"), parts("/o/"), true),
            (file("/o/x.json"), parts("/o/"), false),
            (parts("/o/"), parts("/o/../o/"), true),
            (parts("/o/"), parts("/o/sub/"), false),
            (parts("/o/"), parts("/o/k=1/l=2/"), true),
            (parts("/o/"), file("/o/k=1/part-0.json"), true),
            (parts("/o/"), file("/o/k=1/x.json"), false),
            (partitions("/o/"), parts("/o/k=1/"), true),
            (partitions("/o/"), partitions("/o/k=1/"), true),
            (partitions("/o/"), file("/o/x.json"), true),
            (partitions("/o/"), parts("/p/"), false),
        ] {
            assert_eq!((one.clashes(&other), other.clashes(&one)), (expected, expected), "{one:?} and {other:?}");
        }
    }
}
