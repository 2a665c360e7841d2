//! Where the sinks of a replay write: below the folder that is named, never where the run wrote.

use std::path::{Component, Path, PathBuf};

use super::super::Outcome;
use super::Replay;
use highwater_core::engine::Recorded;
use highwater_core::options::{Options, Outputs, local};
use highwater_core::plan::{Dataflow, SinkPlan};
use highwater_core::sink::SinkSpec;

/// Puts the files of sinks below `--out`; without it leaves out the sinks that have any. `was` is what the run did.
pub(super) fn move_sinks(
    dataflow: &mut Dataflow,
    was: Option<&Dataflow>,
    recorded: &Recorded,
    args: &Replay,
) -> Result<(), Outcome> {
    let files = |spec: &SinkSpec| spec.connector.outputs(spec);
    let Some(out) = &args.out else {
        dataflow.sinks.retain(|sink| files(&sink.spec).is_none());
        return Ok(());
    };
    let mut theirs: Vec<(String, Outputs)> = Vec::new();
    let mut add = |sinks: &[SinkPlan], folder: &Path| {
        theirs.extend(sinks.iter().filter_map(|sink| {
            let spec = moved(&sink.spec, |path| folder.join(path))?;
            Some((spec.name.clone(), files(&spec)?))
        }));
    };
    add(&dataflow.sinks, Path::new(""));
    if let (Some(was), Some(program)) = (was, recorded.program()) {
        add(&was.sinks, Path::new(&program.folder));
    }
    for sink in &mut dataflow.sinks {
        let Some(spec) = moved(&sink.spec, |path| out.join(below(path))) else { continue };
        let Some(written) = files(&spec) else { continue };
        let name = &spec.name;
        if let Some((other, _)) = theirs.iter().find(|(_, other)| written.clashes(other)) {
            return Err(Outcome::usage(format!(
                "--out {}: sink '{name}' would write to the files of '{other}' of the run; name another folder",
                out.display()
            )));
        }
        if args.folders.iter().any(|folder| within(folder, &written)) {
            return Err(Outcome::usage(format!("--out {} is the data directory; name another folder", out.display())));
        }
        sink.spec = spec;
    }
    Ok(())
}

/// A sink with another path, if it has any.
fn moved(spec: &SinkSpec, to: impl Fn(&Path) -> PathBuf) -> Option<SinkSpec> {
    let path = spec.options.get("path")?;
    let mut new = to(Path::new(local(path))).display().to_string();
    if path.ends_with('/') && !new.ends_with('/') {
        new.push('/');
    }
    let value =
        |(name, value): (&str, &str)| (name.to_owned(), if name == "path" { new.clone() } else { value.to_owned() });
    let mut moved = spec.clone();
    moved.options = spec.options.iter().map(value).collect::<Options>();
    Some(moved)
}

/// The path as it is below another: without what leads out of that.
fn below(path: &Path) -> PathBuf {
    let mut below = PathBuf::new();
    for part in path.components() {
        match part {
            Component::Normal(name) => below.push(name),
            Component::ParentDir => drop(below.pop()),
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
    below
}

/// Whether anything is written into a folder.
fn within(folder: &Path, written: &Outputs) -> bool {
    let (Outputs::File(path) | Outputs::Parts(path, _) | Outputs::Partitions(path, ..)) = written;
    let real = |path: &Path| path.ancestors().find_map(|there| there.canonicalize().ok());
    real(path).zip(folder.canonicalize().ok()).is_some_and(|(path, folder)| path.starts_with(folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_below() {
        for (path, is) in [("a/b.csv", "a/b.csv"), ("/a/b.csv", "a/b.csv"), ("../../x/./y", "x/y"), ("a/../../b/", "b")]
        {
            assert_eq!(below(Path::new(path)), Path::new(is), "{path}");
        }
    }
}
